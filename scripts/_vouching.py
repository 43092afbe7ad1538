"""A desk that vouches for its patients at a relayer: by name, or blind.

Imports nothing but click and `_cli`, as the scripts that use it.
"""

from typing import TYPE_CHECKING, Any

import click

from scripts._cli import Actor, Failure, as_option, check_out, example, network_options, write_file

if TYPE_CHECKING:
    from scripts._member import Desk

_OUT = click.option("-o", "--out", required=True, type=click.Path(dir_okay=False), help="The file to write.")


def add_vouching(cli: Actor, who: str) -> None:
    """Adds `voucher` and `blanks` to a desk's commands; `who` is the folder used unless `--as` names another."""
    cli.add_command(_voucher(who))
    cli.add_command(_blanks(who))


def _voucher(who_else: str) -> click.Command:
    @click.command("voucher", epilog=example(f"{who_else} voucher ann --relayer http://127.0.0.1:8546 -o ann.voucher"))
    @click.argument("patient")
    @click.option("--relayer", required=True, help="The one relayer it counts at: its address on the web or the chain.")
    @click.option("--acts", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many acts a day.")
    @click.option("--gas", type=click.IntRange(100_000, 1 << 40), default=5_000_000, show_default=True, help="A day.")
    @click.option("--days", type=click.IntRange(1, 400), default=90, show_default=True, help="Until it expires.")
    @_OUT
    @as_option(who_else)
    @network_options
    def voucher(
        patient: str,
        relayer: str,
        acts: int,
        gas: int,
        days: int,
        out: str,
        who: str,
        network: str,
        store: str | None,
    ) -> None:
        """Vouch for a PATIENT at one relayer, which then pays for what she signs under the pseudonym that she has here.

        PATIENT is a name or a pseudonym of this desk: nobody else's can be vouched for.
        """
        from scripts._member import desk_of
        from theriac.health.vouchers import Realm, Voucher

        check_out(out)
        with desk_of(who, network=network, store=store) as desk:
            pseudonym = _known(desk, patient)
            deployment = desk.site.contracts.deployment
            realm = Realm(deployment.chain_id, str(deployment["Carrier"].address))
            keys = _keys(desk)
            terms = Voucher(desk.member, pseudonym, _relayer(relayer), acts, gas, desk.chain.time() + days * 86_400)
            write_file(out, terms.signed(keys.voucher, realm).encode())
        click.echo(f"Vouched for {pseudonym}, {acts} acts a day for {days} days; hand out {out}.")

    return voucher


def _blanks(who_else: str) -> click.Command:
    @click.command("blanks", epilog=example(f"{who_else} blanks", f"{who_else} blanks ann.asked -o ann.signed"))
    @click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False))
    @click.option("--most", type=click.IntRange(1, 64), default=16, show_default=True, help="Sign no more than that.")
    @click.option("-o", "--out", default=None, type=click.Path(dir_okay=False), help="The file to write.")
    @as_option(who_else)
    @network_options
    def blanks(file: str | None, most: int, out: str | None, who: str, network: str, store: str | None) -> None:
        """Sign the blank vouchers that somebody at the desk asks for by a FILE, without seeing what for.

        They count for pseudonyms that this desk does not know and cannot find out. Sign for those whom you know: how
        many is all that you can say. Without a FILE, only the desk's keys are made and published, so that patients can
        ask.
        """
        from pathlib import Path

        from scripts._member import desk_of
        from theriac.health.vouchers import LARGEST_FILE, sign_blanks

        if (file is None) != (out is None):
            raise Failure("Give a FILE to sign and -o for what is handed out, or neither.")
        asked = b""
        if file is not None and out is not None:
            check_out(out)
            with Path(file).open("rb") as handle:
                asked = handle.read(LARGEST_FILE + 1)
        with desk_of(who, network=network, store=store) as desk:
            keys = _keys(desk)
            if out is not None:
                write_file(out, sign_blanks(asked, member=desk.member, key=keys.blanks, most=most))
        click.echo(f"Signed; hand out {out}." if out is not None else "Patients can ask this desk for blank vouchers.")

    return blanks


def _relayer(text: str) -> str:
    """The account that pays, by itself or as the relayer at an address says it."""
    from eth_utils.address import is_address, to_checksum_address

    from theriac.health.relay import about

    if is_address(text):
        return to_checksum_address(text)
    named = str(about(text).get("relayer"))
    if not is_address(named):
        raise Failure(f"What answers at {text[:80]} is no relayer.", 4)
    return to_checksum_address(named)


def _known(desk: "Desk", patient: str) -> str:
    """A pseudonym that this desk has to do with: one that introduced itself, or that granted something."""
    registered = {each.name: each.pseudonym for each in desk.writer().patients()}
    pseudonyms = {each.lower(): each for each in registered.values()}
    pseudonyms |= {each.pseudonym.lower(): each.pseudonym for each in desk.reader().grants()}
    found = registered.get(patient) or pseudonyms.get(patient.lower())
    if found is None:
        raise Failure(f"{patient[:60]!r} is nobody here; 'clinic patients' lists who is.", 3)
    return found


class _Keys:
    """What a desk vouches with: an account for vouchers, a key for blanks and when it ends."""

    def __init__(self, voucher: Any, blanks: Any, until: int) -> None:
        self.voucher = voucher
        self.blanks = blanks
        self.until = until


# How long a key for blanks is good, and how long before its end the next one is made, in days.
_BLANK_DAYS, _RENEW_DAYS = 400, 40


def _keys(desk: "Desk") -> _Keys:
    """The desk's keys, made where there are none, and published where the profile does not name them."""
    if not desk.member:
        raise Failure(f"{desk.address} belongs to no member, so it vouches for nobody.", 3)
    keys = _kept(desk)
    if keys is None or keys.until < desk.chain.time() + _RENEW_DAYS * 86_400:
        keys = _made(desk, keys)
    _publish(desk, keys)
    return keys


def _kept(desk: "Desk") -> _Keys | None:
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    from theriac.errors import DamagedKeystore, TheriacError
    from theriac.health import documents
    from theriac.ledger.signer import KeySigner

    path = desk.person.folder / "vouching"
    try:
        sealed = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        values = documents.decode("vouching", documents.open_(sealed, identities=[desk.identity]))
        blanks = load_der_private_key(bytes.fromhex(values["blanks"]), None)
        return _Keys(KeySigner(bytes.fromhex(values["voucher"])), blanks, int(values["until"]))
    except (TheriacError, KeyError, TypeError, ValueError):
        raise DamagedKeystore(path=str(path), fault="it holds no keys of this desk") from None


def _made(desk: "Desk", former: _Keys | None) -> _Keys:
    import secrets

    from cryptography.hazmat.primitives import serialization

    from theriac.crypto import blind
    from theriac.health import documents
    from theriac.health.keystore import write_private
    from theriac.ledger.signer import KeySigner

    until = desk.chain.time() + _BLANK_DAYS * 86_400
    key = secrets.token_bytes(32) if former is None else bytes(former.voucher._account.key)
    keys = _Keys(KeySigner(key), blind.generate(), until)
    secret = keys.blanks.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    values = {"voucher": key.hex(), "blanks": secret.hex(), "until": until}
    sealed = documents.seal(documents.encode("vouching", values), to=desk.identity.recipient)
    write_private(desk.person.folder / "vouching", sealed)
    return keys


def _publish(desk: "Desk", keys: _Keys) -> None:
    """Names the keys in the member's profile, by which a relayer and the patients know them."""
    import io

    from theriac.errors import NoProfile
    from theriac.health.bundle import profile
    from theriac.health.messages import member_address
    from theriac.health.vouchers import BLANK_KEY, VOUCHER_KEY, BlankKey

    wanted = {
        VOUCHER_KEY: str(keys.voucher.address),
        BLANK_KEY: BlankKey(keys.blanks.public_key(), keys.until).encode(),
    }
    try:
        known = desk.chain.profile(member_address(desk.member), desk.site.store)
    except NoProfile:
        raise Failure(f"Member {desk.member} has published no profile; begin with 'setup'.", 3) from None
    if {name: known.endpoints.get(name) for name in wanted} == wanted:
        return
    owner = desk.chain.member_account(desk.member)
    if str(owner) != desk.address:
        raise Failure(f"The profile of member {desk.member} is that of {owner}; vouch at the desk that has it.", 3)
    document = profile(
        desk.address, name=known.name, recipient=desk.identity.recipient, endpoints={**known.endpoints, **wanted}
    )
    digest = desk.site.store.put(io.BytesIO(document)).digest
    version = desk.chain.authority(desk.address).version + 1
    desk.site.sender(desk.alias).send(desk.site.contracts.Keys.functions.publish(desk.address, version, digest))
