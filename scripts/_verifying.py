"""Asking makers about packs that are not held here, a maker's service that answers, and reports of clones.

Imports nothing but click and `_cli`, as the scripts that use it.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from scripts._cli import Actor, Failure, account_option, as_option, example, json_option, network_options, print_json

if TYPE_CHECKING:
    from scripts._goods import Goods
    from scripts._member import Desk
    from scripts._site import Site
    from theriac.medicine.clones import CheckedClone, CloneReport, ScanBook
    from theriac.medicine.scanner import Verdict
    from theriac.medicine.verification import Explained

PORT = 8437


# -- for whoever scans -----------------------------------------------------------------------------------------------


def now_at(site: "Site") -> datetime:
    """The time that scans are signed with: this machine's; where nothing lasts, the chain's if that is ahead."""
    from datetime import UTC

    from theriac.ledger.node import Node

    now = datetime.now(UTC)
    return max(now, Node(site.web3).head().time) if site.play and site.answers else now


def asked_makers(goods: "Goods", verdict: "Verdict", *, place: str, timeout: float = 5.0) -> "Explained":
    """The verdict on a pack that is `unknown here`, after its makers were asked; any other verdict as it is.

    `place` is a GLN or a text. Raises nothing because of a maker: who gave no answer is in `silent`, with why, and the
    verdict then stays `unknown here`. A clone that came to light is in `clone`; `kept_clone` writes it down.
    """
    from theriac.errors import Unavailable
    from theriac.medicine.verification import Explained, Inquirer

    if goods.desk is None or not goods.online:
        return Explained(verdict, (), {})
    try:
        now = now_at(goods.site)
    except Unavailable:
        return Explained(verdict, (), {})
    depot = goods.depot
    inquirer = Inquirer(member=depot.member, signer=depot.signer, chain=depot.chain, place=place, timeout=timeout)
    return inquirer.explain(verdict, url_of=lambda maker: _url_of(goods, maker), now=now)


def _url_of(goods: "Goods", maker: int) -> str | None:
    from theriac.errors import NoProfile
    from theriac.health.messages import member_address
    from theriac.medicine.verification import ENDPOINT

    assert goods.desk is not None
    try:
        url = goods.desk.chain.profile(member_address(maker), goods.site.store).endpoints.get(ENDPOINT)
    except NoProfile:
        return None
    return str(url) if url else None


def scan_book(goods: "Goods") -> "ScanBook":
    """The scans of this member at its places, to be closed by whoever opens it."""
    from theriac.medicine.clones import ScanBook

    return ScanBook(goods.person.folder / "scans.sqlite")


def noted_scan(goods: "Goods", book: "ScanBook", verdict: "Verdict", *, place: str) -> "CloneReport | None":
    """Keeps a scan of a pack that is known here; a report, where this member had its serial elsewhere minutes ago.

    Raises what a chain can raise.
    """
    from theriac.medicine.clones import CloneWatch, proof_of
    from theriac.medicine.verification import Inquirer

    if verdict.code is None or verdict.pack is None or not goods.depot.shelf.find(*_names(verdict)):
        return None
    depot, now = goods.depot, now_at(goods.site)
    maker = depot.shelf.batch(verdict.pack.batch).maker
    inquirer = Inquirer(member=depot.member, signer=depot.signer, chain=depot.chain, place=place)
    signed = inquirer.sign(verdict.code, maker=maker, now=now)
    proof = proof_of(depot.shelf, verdict.pack, verdict.code.serial)
    if not proof.proves(signed.scan, maker=maker):
        return None
    watch = CloneWatch(book=book, chain=depot.chain, signer=depot.signer, member=depot.member)
    return watch.note(signed, proof=proof, received=now)


def _names(verdict: "Verdict") -> tuple[str, str]:
    assert verdict.code is not None
    return verdict.code.product, verdict.code.serial


def kept_clone(folder: Any, report: "CloneReport") -> Any:
    """Writes a report of a clone into a folder of a person; the file, to be handed to an authority."""
    from hashlib import sha256

    from theriac.health.keystore import write_private

    data = report.encode()
    path = folder / "clones" / f"{sha256(data).hexdigest()[:16]}.json"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(path, data)
    return path


# -- the maker's service ---------------------------------------------------------------------------------------------


def add_verify_service(cli: Actor, who: str = "maker") -> None:
    """Adds `verify-service` to the maker's commands."""

    @cli.command(
        "verify-service",
        epilog=example(
            "maker verify-service",
            "maker verify-service --port 8437 --url https://verify.example.org",
        ),
    )
    @click.option(
        "--host", default="127.0.0.1", show_default=True, help="Where to listen; this machine only by default."
    )
    @click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="0 for any free one.")
    @click.option("--url", default=None, help="The address that others use, where a proxy with TLS stands before it.")
    @click.option("--publish/--no-publish", default=True, show_default=True, help="Put the address into the profile.")
    @as_option(who)
    @account_option("Who answers, with the role maker")
    @network_options
    def verify_service(
        host: str,
        port: int,
        url: str | None,
        publish: bool,
        who: str,
        account: str | None,
        network: str,
        store: str | None,
    ) -> None:
        """Answer pharmacies and others about packs that they do not hold, until it is stopped.

        Other commands work meanwhile. It keeps every question about a pack that exists, and reports clones.
        """
        from scripts._cli import Failure
        from scripts._site import connected
        from theriac.medicine.clones import ScanBook

        desk = _begin(who, account, network, store)
        with connected(network, store) as site:
            book = ScanBook(desk.person.folder / "questions.sqlite")
            site._open.callback(book.close)
            verifier = _verifier(site, desk, book)
            server = _listening(host, port, verifier)
            try:
                address = url or server.url
                if publish:
                    # Over a connection of its own: what sends for an account keeps other commands from doing so.
                    with connected(network, store) as sending:
                        _publish(sending, desk, address)
                click.echo(f"Answering at {server.url}" + (f", published as {address}." if publish else "."))
                _serve(server)
            except OSError as fault:
                raise Failure(f"{host}:{port} cannot be used: {fault.strerror}; name another with --port.", 4) from None
            finally:
                server.server_close()
        click.echo("Stopped.")


def _begin(who: str, account: str | None, network: str, store: str | None) -> "Desk":
    """Who answers. The folder is not kept locked: the maker's other commands work while the service runs."""
    from scripts._member import desk_of
    from theriac.consortium import Role

    with desk_of(who, network=network, store=store, account=account) as desk:
        consortium = desk.site.contracts.Consortium.functions
        if not desk.site.contracts.call(consortium.standing(desk.address, int(Role.MAKER))):
            raise Failure(f"{desk.address} does not act for a maker in standing; name another with --account.", 3)
        return desk


def _verifier(site: "Site", desk: "Desk", book: "ScanBook") -> Any:
    from scripts._accounts import ApeSigner
    from theriac.consortium import Role
    from theriac.medicine.chain import Chain
    from theriac.medicine.counter import Counter
    from theriac.medicine.depot import Depot
    from theriac.medicine.shelf import Shelf
    from theriac.medicine.verifier import Verifier

    signer: ApeSigner = site.signer(desk.alias)
    genesis = site.contracts.deployment.genesis
    chain = Chain(site.web3, site.contracts, index=desk.person.folder / f"goods-{genesis[2:10]}.sqlite")
    shelf, counter = Shelf(desk.person.folder / "shelf.sqlite"), Counter(None)
    for each in (chain, shelf, counter):
        site._open.callback(each.close)
    member = chain.standing(str(signer.address), int(Role.MAKER))
    depot = Depot(
        member=member,
        signer=signer,
        sender=None,
        chain=chain,
        store=site.store,
        shelf=shelf,
        counter=counter,
        identities=[desk.identity],
        recipient=desk.identity.recipient,
    )
    depot.sync()

    def tell(report: "CloneReport") -> None:
        click.echo(f"{report.kind.sentence} The report is in {kept_clone(desk.person.folder, report)}.")

    return Verifier(
        member=member,
        signer=signer,
        chain=chain,
        shelf=shelf,
        book=book,
        keys=depot.consortium_keys,
        clock=lambda: now_at(site),
        report=tell,
    )


def _listening(host: str, port: int, verifier: Any) -> Any:
    from theriac.medicine.verifier import VerifyServer

    try:
        return VerifyServer((host, port), verifier)
    except OSError as fault:
        raise Failure(f"{host}:{port} cannot be listened at: {fault.strerror}; name another --port.", 4) from None


def _serve(server: Any) -> None:
    """Until somebody stops it, by Ctrl-C or as a service is stopped."""
    import signal
    import threading

    def stop(*_: object) -> None:
        # A server that is told to stop in its own thread would wait for itself.
        threading.Thread(target=server.shutdown, daemon=True).start()

    before = {each: signal.signal(each, stop) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        server.serve_forever()
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _publish(site: "Site", desk: "Desk", url: str) -> bool:
    """Puts the address into the member's profile; whether anything changed."""
    import io

    from theriac.errors import NoProfile
    from theriac.health.bundle import profile
    from theriac.health.messages import member_address
    from theriac.medicine.verification import ENDPOINT, address_of

    address_of(url)
    chain = site.chain(desk.person.folder)
    signer = site.signer(desk.alias)
    member = chain.member_of(signer.address)
    if str(chain.member_account(member)) != str(signer.address):
        raise Failure(
            f"The profile of member {member} is that of {chain.member_account(member)}; publish with that --account, "
            "or answer without: --no-publish.",
            3,
        )
    try:
        known = chain.profile(member_address(member), site.store)
    except NoProfile:
        raise Failure(f"{signer.address} has published no profile; begin with 'setup'.", 3) from None
    if known.endpoints.get(ENDPOINT) == url:
        return False
    document = profile(
        signer.address,
        name=known.name,
        recipient=desk.identity.recipient,
        endpoints={**known.endpoints, ENDPOINT: url},
    )
    digest = site.store.put(io.BytesIO(document)).digest
    version = chain.authority(signer.address).version + 1
    site.sender(desk.alias).send(site.contracts.Keys.functions.publish(signer.address, version, digest))
    return True


# -- reports ---------------------------------------------------------------------------------------------------------


def add_check_clone(cli: Actor) -> None:
    """Adds `check-clone` to the auditor's commands."""

    @cli.command("check-clone", epilog=example("auditor check-clone 3fa9b1c2d4e5f607.json"))
    @click.argument("file", type=click.Path(exists=True, dir_okay=False))
    @network_options
    @json_option
    def check_clone(file: str, network: str, store: str | None, as_json: bool) -> None:
        """Check a report of a clone: its signatures, its accounts, and whether a handoff explains it.

        Exit code 0 where it holds, 3 where the chain explains it meanwhile, 5 where it does not hold.
        """
        from pathlib import Path

        from scripts._site import connected
        from theriac.medicine.chain import Chain
        from theriac.medicine.clones import LARGEST, CloneReport, verify

        with Path(file).open("rb") as handle:
            report = CloneReport.decode(handle.read(LARGEST + 1).strip())
        with connected(network, store) as site:
            genesis = site.contracts.deployment.genesis
            chain = Chain(site.web3, site.contracts, index=site.folder / f"goods-{genesis[2:10]}.sqlite")
            site._open.callback(chain.close)
            chain.sync()
            found = verify(report, chain)
        if as_json:
            print_json(_told(report, found))
            return
        _print(report, found)


def _told(report: "CloneReport", found: "CheckedClone") -> dict[str, Any]:
    return {
        "holds": True,
        "why": found.kind.value,
        "by_maker": found.by_maker,
        "reporter": report.reporter,
        "batch": report.proof.batch.hex(),
        "index": report.proof.index,
        "block": found.way.block,
        "scans": [
            {
                "member": each.scan.member,
                "account": each.scan.account,
                "place": each.scan.place,
                "time": each.scan.time.isoformat(),
                "product": each.scan.product,
                "serial": each.scan.serial,
            }
            for each in found.scans
        ],
        "held": [
            {"member": stay.member, "since": stay.since.isoformat(), "block": stay.block} for stay in found.way.stays
        ],
    }


def _print(report: "CloneReport", found: "CheckedClone") -> None:
    from scripts._cli import table

    click.echo(f"The report holds. {found.kind.sentence}")
    scan = found.scans[0].scan
    click.echo(
        f"Serial {scan.serial} of {scan.product}, batch {report.proof.batch.hex()[:16]}, place {report.proof.index}."
    )
    table(
        [(each.scan.time.isoformat(), each.scan.member, each.scan.place, each.scan.account) for each in found.scans],
        *("scanned", "member", "place", "account"),
        empty="No scan.",
    )
    table(
        [(stay.since.isoformat(), stay.member, stay.block) for stay in found.way.stays],
        *("held since", "member", "block"),
        empty="Nobody holds it.",
    )
    if not found.by_maker:
        click.echo("Its member reports scans of its own: nobody else says when they were made.")
