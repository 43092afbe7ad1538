"""A consortium of its size: 330 members, 3,000 staff, 10,000 imaging studies of a day, 10 million anchored digests.

    python -m benches.consortium [--digests N] [--patients N] [--studies N]

Members are admitted and staff join by their signatures on an anvil whose gas costs nothing, through the package's own
sender; a clinic seals the studies of a day, each patient's to her own published bundle, and anchors them by roots. The
digests are followed from a chain that is made up (`benches.digests`). Beside the chain's acts stands the rate of bare
transfers on the same anvil in the same run.
"""

import argparse
import io
import json
import os
import resource
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_account import Account as EthAccount
from eth_utils.crypto import keccak
from rich.console import Console
from rich.table import Table
from web3 import HTTPProvider, Web3

from benches import digests
from theriac.consortium import Join, Role
from theriac.crypto.recipients import HybridIdentity
from theriac.health.bundle import compose, inbox_message
from theriac.health.chain import Chain, SenderRelay, Signed, sign
from theriac.health.daywriter import DayWriter
from theriac.health.filing import Filing
from theriac.health.intake import Piece, from_dicom
from theriac.health.introduction import Introduction
from theriac.health.messages import Publish
from theriac.health.scope import Level
from theriac.health.vault import Account, Vault, Writer
from theriac.health.writer import Registered
from theriac.ledger.contracts import Contracts, Receipt
from theriac.ledger.deployment import Deployment
from theriac.ledger.node import Node
from theriac.ledger.sender import Intent, Sender
from theriac.ledger.signer import KeySigner
from theriac.store import LocalStore
from tools.foundry import program

ROOT = Path(__file__).resolve().parent.parent
IMAGE = ROOT / "examples" / "dicom" / "gradient.dcm"
BOARD = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
"""The first of the accounts that anvil begins with."""

CLASS = "imaging/N"
YEAR = 366 * 24 * 3600
_TOGETHER = 16
"""Members that take their staff on at the same time, and patients whose bundles one transaction publishes."""


@dataclass(frozen=True)
class Timed:
    """Acts of one kind: how many, seconds, gas, transactions."""

    what: str
    count: int
    seconds: float
    gas: int
    sent: int


def signer_of(role: str, number: int) -> KeySigner:
    """The same account for the same name, at every run."""
    return KeySigner(keccak(text=f"theriac bench: {role} {number}"))


# -- members and staff -----------------------------------------------------------------------------------------------


def admit(web3: Web3, contracts: Contracts, board: KeySigner, count: int) -> tuple[list[KeySigner], Timed]:
    """Has the board admit members, and says what it took. The first number that is given is theirs in order."""
    members = [signer_of("member", number) for number in range(1, count + 1)]
    expiry = int(web3.eth.get_block("latest")["timestamp"]) + 3 * YEAR
    roles = Role.CLINICIAN | Role.LABORATORY | Role.GATEWAY
    function = contracts.Consortium.functions.admit
    begun = time.perf_counter()
    with Sender(web3, board, outbox=None) as sender:
        calls = (Intent(function(member.address, int(roles), 1, expiry)) for member in members)
        receipts = [_landed(outcome) for outcome in sender.send_all(calls)]
    return members, _timed("members admitted", count, begun, receipts)


def take_on(
    web3: Web3, contracts: Contracts, members: Sequence[KeySigner], count: int
) -> tuple[list[KeySigner], Timed]:
    """Has staff join by their own signatures, evenly over the members; some members at the same time."""
    staff = [signer_of("staff", number) for number in range(count)]
    chain = Chain(web3, contracts, index=Path("never opened"))
    domain = chain.domain("Consortium")
    deadline = int(web3.eth.get_block("latest")["timestamp"]) + 3600

    def joined(number: int) -> list[Receipt]:
        calls = []
        for person in staff[number :: len(members)]:
            message = Join(person.address, number + 1, Role.CLINICIAN, 0, deadline)
            signature = person.sign_message(message.signable(domain))
            calls.append(Intent(contracts.Consortium.functions.join(*message.arguments(signature))))
        with Sender(web3, members[number], outbox=None) as sender:
            return [_landed(outcome) for outcome in sender.send_all(calls)]

    begun = time.perf_counter()
    with ThreadPoolExecutor(_TOGETHER) as pool:
        receipts = [receipt for some in pool.map(joined, range(len(members))) for receipt in some]
    return staff, _timed("staff joined", count, begun, receipts)


def bare(web3: Web3, count: int) -> Timed:
    """What the chain does at most: transfers that are signed before, and of which only the last is waited for."""
    node, owner = Node(web3), EthAccount.from_key(keccak(text="theriac bench: bare"))
    chain_id = node.chain_id()
    raw = [
        owner.sign_transaction(
            {"to": owner.address, "value": 0, "nonce": nonce, "gas": 21_000, "gasPrice": 0, "chainId": chain_id}
        ).raw_transaction
        for nonce in range(count)
    ]
    begun = time.perf_counter()
    for each in raw:
        sent = node.request("eth_sendRawTransaction", ["0x" + each.hex()])
    while node.landed(sent) is None:
        time.sleep(0.01)
    return Timed("bare transfers", count, time.perf_counter() - begun, 21_000 * count, count)


def _landed(outcome: Any) -> Receipt:
    if outcome.error is not None:
        raise outcome.error
    assert outcome.receipt is not None
    return outcome.receipt


def _timed(what: str, count: int, begun: float, receipts: Sequence[Receipt]) -> Timed:
    seconds = time.perf_counter() - begun
    return Timed(what, count, seconds, sum(receipt.gas_used for receipt in receipts), len(receipts))


# -- a day's studies -------------------------------------------------------------------------------------------------


@dataclass
class Clinic:
    """The first member's desk, its store, and the patients that it writes for, with their vaults."""

    desk: DayWriter
    store: LocalStore
    vaults: list[Vault]
    patients: list[Registered]


def clinic_of(web3: Web3, contracts: Contracts, member: KeySigner, folder: Path) -> Clinic:
    """A desk with nobody registered."""
    store = LocalStore(folder / "store")
    desk = DayWriter(
        member=1,
        identity=HybridIdentity.generate(),
        author=member,
        sender=Sender(web3, member, outbox=folder / "outbox.sqlite"),
        chain=Chain(web3, contracts, index=folder / "index.sqlite"),
        store=store,
        folder=folder / "desk",
    )
    return Clinic(desk, store, [], [])


def enrol(web3: Web3, contracts: Contracts, clinic: Clinic, payer: KeySigner, count: int) -> Timed:
    """Patients with a pseudonym for the clinic each: keys, a published bundle, a signed introduction."""
    chain = clinic.desk.chain
    hour, deadline = chain.hour(), chain.time() + 3000
    recipient = str(clinic.desk._identity.recipient)
    relay = SenderRelay(Sender(web3, payer, outbox=None), contracts)
    begun, waiting = time.perf_counter(), []
    for number in range(count):
        signer, vault = signer_of("patient", number), Vault()
        account = Account(signer.address, 0, "writer:1", home=True)
        account.writers = [Writer(1, "Bench", recipient, (CLASS,))]
        vault.open_account(account, classes=[CLASS], hour=hour)
        inboxes = {level.name: str(account.inbox(level).recipient) for level in Level}
        account.certificate = signer.sign_message(inbox_message(account.pseudonym, inboxes, 1)).hex()
        composed = compose(vault, account, hour=hour)
        for blob in (composed.document, *composed.files):
            clinic.store.put(io.BytesIO(blob))
        account.publications.append(composed.publication)
        message = Publish(account.pseudonym, composed.publication.version, composed.digest, 0, deadline)
        waiting.append((sign(chain, message, signer), Introduction.sign(account, member=1, signer=signer)))
        clinic.vaults.append(vault)
        if len(waiting) == _TOGETHER or number == count - 1:
            _publish(relay, clinic, waiting)
            waiting.clear()
    return _timed("patients with a bundle", count, begun, relay.receipts)


def _publish(relay: SenderRelay, clinic: Clinic, waiting: Sequence[tuple[Signed, Introduction]]) -> None:
    relay.carry(*(signed for signed, _ in waiting))
    for _, introduction in waiting:
        clinic.patients.append(clinic.desk.register(introduction, name=introduction.pseudonym))


def studies_of(clinic: Clinic, count: int) -> Iterator[tuple[Registered, Piece]]:
    """A day's images, one after the other for each patient in turn; each is another object."""
    image = IMAGE.read_bytes()
    for number in range(count):
        piece = from_dicom(io.BytesIO(image + _private(number)), place="Bench")
        yield clinic.patients[number % len(clinic.patients)], piece


def _private(number: int) -> bytes:
    """A data element at the end of a file that is another one for each number: OB in explicit little endian."""
    value = number.to_bytes(8, "big") + secrets.token_bytes(8)
    return b"\xff\xff\xee\xeeOB\x00\x00" + len(value).to_bytes(4, "little") + value


def write_day(clinic: Clinic, count: int) -> Timed:
    """Seals and anchors a day's studies, and checks that the chain counts a row for every patient."""
    begun, before = time.perf_counter(), len(clinic.desk.receipts)
    written = list(clinic.desk.write_day(studies_of(clinic, count)))
    found = _timed("imaging studies by roots", count, begun, clinic.desk.receipts[before:])
    assert len({each.digest for each in written}) == count
    assert not any(each.inbox for each in written)
    return found


def file_some(clinic: Clinic, numbers: Sequence[int]) -> int:
    """Files as some patients' clients do, each by her proofs; how many records."""
    filed = 0
    for number in numbers:
        found = Filing(clinic.vaults[number], chain=clinic.desk.chain, store=clinic.store).file_new()
        assert (found.waiting, found.rejected) == ([], [])
        assert all(entry.proofs for entry in found.filed)
        filed += len(found.filed)
    return filed


# -- all of it -------------------------------------------------------------------------------------------------------


@contextmanager
def chain() -> Iterator[str]:
    """Where an anvil of its own listens, on which gas costs nothing."""
    anvil = program("anvil")
    if not anvil.exists() or shutil.which("node") is None:
        raise SystemExit("anvil from npm is missing: run 'make setup' (Node 20 or newer) and try again.")
    options = ("--port", "0", "--chain-id", "8437422", "--hardfork", "cancun", "--gas-limit", "30000000")
    free = ("--base-fee", "0", "--gas-price", "0", "--disable-min-priority-fee", "--prune-history", "256")
    with tempfile.NamedTemporaryFile("w+") as log:
        process = subprocess.Popen([str(anvil), *options, *free], stdout=log, stderr=subprocess.STDOUT)
        try:
            deadline = time.monotonic() + 30
            while "Listening on " not in (said := Path(log.name).read_text()):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"anvil did not start: {said[-300:]}")
                time.sleep(0.05)
            yield "http://" + said.partition("Listening on ")[2].split()[0]
        finally:
            process.kill()
            process.wait()


def deployed(url: str, folder: Path) -> Deployment:
    """The contracts, by the command that deploys them."""
    settings = {**os.environ, "THERIAC_HOME": str(folder / "home"), "THERIAC_NETWORK": f"ethereum:dev:{url}"}
    settings["THERIAC_PASSPHRASE"] = "only for the bench"
    ape = str(Path(sys.executable).parent / "ape")
    command = [ape, "run", "deploy", "--account", "TEST::0"]
    subprocess.run(command, check=True, cwd=ROOT, env=settings, stdout=subprocess.DEVNULL)
    return Deployment.load(folder / "home" / "deployments" / "dev.json")


def measure(folder: Path, *, members: int, staff: int, patients: int, studies: int) -> list[Timed]:
    """The acts on a chain, each checked."""
    with chain() as url:
        web3 = Web3(HTTPProvider(url))
        contracts = Contracts(web3, deployed(url, folder))
        found = [bare(web3, 2_000)]
        admitted, took = admit(web3, contracts, KeySigner(BOARD), members)
        found.append(took)
        joined, took = take_on(web3, contracts, admitted, staff)
        found.append(took)
        clinic = clinic_of(web3, contracts, admitted[0], folder)
        check_standing(clinic.desk.chain, members, joined)
        found.append(enrol(web3, contracts, clinic, KeySigner(BOARD), patients))
        found.append(write_day(clinic, studies))
        begun, some = time.perf_counter(), range(0, patients, max(patients // 50, 1))
        filed = file_some(clinic, some)
        found.append(Timed("studies filed by proofs", filed, time.perf_counter() - begun, 0, 0))
        rows = clinic.desk.chain.day_rows([each.pseudonym for each in clinic.patients])
        assert len({row.pseudonym for row in rows}) == min(patients, studies)
        return found


def check_standing(chain: Chain, members: int, staff: Sequence[KeySigner]) -> None:
    """Every one of the staff is in standing for its own member."""
    index = chain.index
    assert sum(1 for _ in index.events("Consortium", "Admitted")) == members
    assert sum(1 for _ in index.events("Consortium", "Joined")) == len(staff)
    for number, person in enumerate(staff):
        assert chain.standing(person.address, int(Role.CLINICIAN)) == number % members + 1


def table(found: Sequence[Timed], peak: float) -> Table:
    """The figures laid out, each rate beside that of bare transfers."""
    most = next(each.count / each.seconds for each in found if each.what == "bare transfers")
    shown = Table("act", "count", "s", "a second", "tx of bare", "tx", "gas each")
    for each in found:
        rate, sent = each.count / each.seconds, each.sent / each.seconds
        shown.add_row(
            *(each.what, f"{each.count:,}", f"{each.seconds:.1f}", f"{rate:,.0f}"),
            *(f"{sent / most:.2f}" if each.sent else "", f"{each.sent:,}", f"{each.gas // each.count:,}"),
        )
    shown.caption = f"peak memory of the client {peak:.0f} MiB"
    return shown


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints. Ends early where there is too little disk for the digests."""
    parser = argparse.ArgumentParser(prog="python -m benches.consortium")
    for name, value in (("members", 330), ("staff", 3_000), ("patients", 2_500), ("studies", 10_000)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--digests", type=int, default=10_000_000, help="0 leaves them out")
    parser.add_argument("--json", action="store_true", help="what was measured on the chain as JSON")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="theriac-bench-") as name:
        free, needed = shutil.disk_usage(name).free, 500 * asked.digests
        if free < needed:
            raise SystemExit(
                f"{tempfile.gettempdir()} has {free >> 30} GiB free, and {asked.digests:,} digests need "
                f"{needed >> 30} GiB; name another folder with TMPDIR, or fewer with --digests."
            )
        found = measure(
            Path(name), members=asked.members, staff=asked.staff, patients=asked.patients, studies=asked.studies
        )
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        Console().print(table(found, peak))
        if asked.json:
            print(json.dumps([vars(each) for each in found]))
    if asked.digests:
        with tempfile.TemporaryDirectory(prefix="theriac-bench-") as name:
            Console().print(digests.table(digests.measured(asked.digests, Path(name))))


if __name__ == "__main__":
    main()
