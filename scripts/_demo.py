"""The story that `ape run demo` tells, step by step, with what each step cost."""

import io
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from web3.contract.contract import ContractFunction

from engines.devnet import Devnet, Embedded, devnet
from engines.process import EngineError
from scripts._demo_cover import Insurance
from scripts._demo_medicine import Goods
from scripts._founding import deploy
from theriac.consortium import Join, Role
from theriac.crypto.recipients import HybridIdentity
from theriac.errors import NotGranted, NotOpened, TheriacError
from theriac.health import intake, records
from theriac.health.accesslog import Book
from theriac.health.bundle import profile
from theriac.health.chain import Chain, SenderRelay
from theriac.health.keystore import Keystore, passphrase_lock
from theriac.health.patient import Patient, in_words
from theriac.health.reader import Reader
from theriac.health.scope import ALL_CLASSES, KeyClass, Level, Purpose
from theriac.health.vault import Vault
from theriac.health.wallet import MnemonicWallet, new_mnemonic
from theriac.health.writer import Writer
from theriac.ledger.contracts import Contracts
from theriac.ledger.deployment import Deployment
from theriac.ledger.node import Node
from theriac.ledger.sender import Sender
from theriac.ledger.signer import KeySigner
from theriac.ledger.typed import Domain
from theriac.store import LocalStore, Store, compute

ROOT = Path(__file__).resolve().parent.parent
BUNDLE = ROOT / "examples" / "fhir" / "synthea-r4-a.json"
IMAGE = ROOT / "examples" / "dicom" / "gradient.dcm"
TREAT = Purpose.parse("TREAT")
DAY = 24 * 3600
COMMON = ("Letters", "AccessLog", "Carrier")


@dataclass
class Step:
    """One step of the story: what happened, the gas of its transactions, and the seconds it took."""

    title: str
    told: list[str] = field(default_factory=list)
    gas: list[int] = field(default_factory=list)
    seconds: float = 0.0


@dataclass
class Person:
    """A member or one of its staff: a key on the chain, an identity to open with."""

    signer: KeySigner
    sender: Sender
    identity: HybridIdentity = field(default_factory=HybridIdentity.generate)
    member: int = 0

    @property
    def address(self) -> str:
        return str(self.signer.address)

    def book(self, folder: Path, *, chain: Chain) -> Book:
        """The receipts of this person's readings."""
        return Book(
            folder,
            account=self.address,
            signer=self.signer,
            chain=chain,
            identity=self.identity,
            recipient=self.identity.recipient,
        )


class Story:
    """The world of the story. Everything in it is real but its people; `store` is a folder unless another is given."""

    def __init__(
        self, folder: Path, *, console: Console, net: Devnet | None = None, store: Store | None = None
    ) -> None:
        self.folder = folder
        self.steps: list[Step] = []
        self.net = net or Embedded()
        self.store = store or LocalStore(folder / "store")
        self.web3 = self.net.web3
        self.begun = self.web3.eth.block_number + 1
        self._console = console
        self._seen = self.begun - 1

    # -- telling -----------------------------------------------------------------------------------------------------

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Times a step and reads the gas of every transaction in it from the chain."""
        step, begun = Step(title), time.perf_counter()
        yield step
        step.seconds = time.perf_counter() - begun
        step.gas = self._gas_since()
        self.steps.append(step)
        self._print(step)

    def _gas_since(self) -> list[int]:
        head = self.web3.eth.block_number
        gas = []
        for number in range(self._seen + 1, head + 1):
            for transaction in self.web3.eth.get_block(number)["transactions"]:
                gas.append(int(self.web3.eth.get_transaction_receipt(transaction)["gasUsed"]))
        self._seen = head
        return gas

    def _print(self, step: Step) -> None:
        cost = f"{sum(step.gas):,} gas in {len(step.gas)} tx, " if step.gas else ""
        self._console.print(f"[bold]{len(self.steps):2}. {step.title}[/bold] [dim]({cost}{step.seconds:.1f} s)[/dim]")
        for line in step.told:
            self._console.print(f"    {line}", highlight=False)

    # -- the world ---------------------------------------------------------------------------------------------------

    def person(self, number: int) -> Person:
        signer = KeySigner(self.net.key(number))
        return Person(signer, Sender(self.web3, signer, outbox=None))

    def now(self) -> int:
        return int(Node(self.web3).head().time.timestamp())

    def travel(self, seconds: int) -> None:
        self.net.travel(seconds)

    def send_all(self, *sent: tuple[Person, ContractFunction]) -> None:
        """Sends calls that do not wait for each other: where a block takes its time, they share one."""
        for person, name in [(person, person.sender.submit(call)) for person, call in sent]:
            person.sender.wait(name)

    def midnight(self, days: int) -> datetime:
        """The UTC midnight at least so many days ahead."""
        day = datetime.fromtimestamp(self.now(), UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return day + timedelta(days=days + 1)

    def chain(self, name: str) -> Chain:
        return Chain(self.web3, self.contracts, index=self.folder / name / "index.sqlite")

    def reader(self, person: Person, name: str) -> Reader:
        chain, folder = self.chain(name), self.folder / name
        return Reader(
            account=person.address,
            identity=person.identity,
            book=person.book(folder, chain=chain),
            recipient=person.identity.recipient,
            chain=chain,
            store=self.store,
            folder=folder,
        )

    def deploy(self, *names: str) -> None:
        """Deploys contracts, and knows them from then on."""
        known = self.contracts.deployment
        self.contracts = Contracts(self.web3, deploy(self.web3, self.board.sender, known, *names))

    # -- the story ---------------------------------------------------------------------------------------------------

    def found_consortium(self) -> None:
        with self.step("A consortium is founded") as step:
            self.board, self.clinic, self.doctor, self.stranger = (self.person(number) for number in range(4))
            self.relay_account = self.person(4)
            self.deputy = self.person(5)
            empty = Deployment.of(self.web3, network="embedded", depth=0, lasting=False)
            self.contracts = Contracts(self.web3, empty)
            self.deploy("Consortium", "Recovery", "Keys", "Records", "Grants", "Delegations", *COMMON)
            self.relay = SenderRelay(self.relay_account.sender, self.contracts)
            consortium = self.contracts.Consortium.functions
            roles = Role.CLINICIAN | Role.PRESCRIBER | Role.LABORATORY | Role.GATEWAY
            self.board.sender.send(consortium.admit(self.clinic.address, int(roles), 2, self.now() + 365 * DAY))
            self.clinic.member = 1
            self.send_all(*((self.clinic, self._join(person)) for person in (self.doctor, self.deputy)))
            names = {
                "North Clinic": self.clinic,
                "Dr Lin": self.doctor,
                "Dr Okafor": self.deputy,
                "somebody": self.stranger,
            }
            self.send_all(*((person, self._profile(person, name)) for name, person in names.items()))
            count = len(self.contracts.deployment.contracts)
            step.told.append(
                f"{count} contracts; North Clinic is member 1; Dr Lin and Dr Okafor joined by their signatures"
            )

    def _join(self, person: Person) -> ContractFunction:
        message = Join(person.address, self.clinic.member, Role.CLINICIAN, 0, self.now() + 3600)
        signature = person.signer.sign_message(message.signable(Domain.of(self.contracts.Consortium)))
        person.member = self.clinic.member
        return self.contracts.Consortium.functions.join(*message.arguments(signature))

    def _profile(self, person: Person, name: str) -> ContractFunction:
        document = profile(person.address, name=name, recipient=person.identity.recipient)
        digest = self.store.put(io.BytesIO(document)).digest
        return self.contracts.Keys.functions.publish(person.address, 1, digest)

    def found_patient(self) -> None:
        with self.step("A patient makes her vault") as step:
            wallet, vault = MnemonicWallet(new_mnemonic()), Vault()
            lock = passphrase_lock("correct horse battery staple")
            keystore = Keystore.create(self.folder / "patient" / "vault", vault.encode(), lock)
            self.patient = Patient(
                vault, keystore, wallet=wallet, chain=self.chain("patient"), relay=self.relay, store=self.store
            )
            self.patient.found()
            step.told.append(
                f"12 words, {len(ALL_CLASSES)} classes of records with a tree of hour keys each; "
                "the backup is sealed and stored, its digest on the chain"
            )

    def introduce(self) -> None:
        with self.step("She introduces herself at the clinic's desk") as step:
            self.writer = Writer(
                member=self.clinic.member,
                identity=self.clinic.identity,
                author=self.clinic.signer,
                sender=self.clinic.sender,
                chain=self.chain("clinic"),
                store=self.store,
                folder=self.folder / "clinic",
                clock=self.now,
            )
            introduction = self.patient.introduce(self.clinic.member)
            self.desk = self.writer.register(introduction, name="the patient of 9 o'clock")
            step.told.append(f"a pseudonym for this clinic alone: {introduction.pseudonym}")

    def seal_bundle(self, data: bytes) -> None:
        with self.step("The clinic seals her FHIR bundle and an image") as step:
            pieces = intake.from_fhir(data, place="North Clinic")
            with IMAGE.open("rb") as image:
                pieces.append(intake.from_dicom(image, place="North Clinic"))
            self.bundle = data
            self.written = list(self.writer.write(self.desk, pieces))
            classes = sorted({each.cls for each in self.written})
            uncertain = sum(1 for piece in pieces if not piece.classified.certain)
            step.told.append(f"{len(self.written)} records in {len(classes)} classes, each in a file of its own")
            if uncertain:
                step.told.append(f"{uncertain} could not be classed and went to the most restrictive class")

    def add_own(self) -> None:
        with self.step("She adds a record of her own") as step:
            manifest = records.Manifest("", "patient-reported/N", "text/plain", 0, "", 0, "", title="Diary")
            self.own = self.patient.add(io.BytesIO(b"Slept badly, two cups of coffee."), manifest)
            step.told.append("marked as reported by the patient; signed by her, paid by the relay")

    def file(self) -> None:
        with self.step("Her client files what was written") as step:
            watched = self.patient.watch()
            step.told.append(
                f"{len(watched.filed)} records into sealed indexes, one a class; {len(watched.alarms)} alarms"
            )

    def rotate(self) -> None:
        with self.step("She rotates her keys, and the clinic writes on") as step:
            self.patient.rotate()
            [later] = self._write(b"HbA1c 41 mmol/mol", "laboratory/N", "HbA1c")
            self.later = later.digest
            self.patient.watch()
            step.told.append("every class has a new generation; a laboratory result is sealed to it")

    def _write(self, content: bytes, cls: str, title: str) -> list[Any]:
        parsed = KeyClass.parse(cls)
        manifest = records.Manifest("", cls, "text/plain", 0, "", 0, "", title=title, place="North Clinic")
        piece = intake.Piece(intake.Classified(parsed, "named by hand", True), io.BytesIO(content), manifest)
        return list(self.writer.write(self.desk, [piece]))

    def grant(self) -> None:
        with self.step("She grants Dr Lin all her everyday records for 30 days, history included") as step:
            everyday = [cls for cls in ALL_CLASSES if cls.level is Level.N]
            self.granted = self.patient.grant(
                self.doctor.address, classes=everyday, purpose=TREAT, end=self.midnight(30)
            )
            balance = self.web3.eth.get_balance(self.granted.pseudonym)
            step.told.append(f"until {in_words(self.granted.end)}, by a signature; her account holds {balance} wei")

    def open_granted(self) -> None:
        with self.step("Dr Lin opens records from before and after the rotation") as step:
            self.lin = self.reader(self.doctor, "doctor")
            self.lin.learn(self.granted.pseudonym)
            listed = self.lin.listed(self.granted.pseudonym, purpose=TREAT)
            opened = {each.digest: self._open(each.digest) for each in listed if each.filed}
            ours = {digest: data for digest, data in opened.items() if digest in {w.digest for w in self.written}}
            assert self._open(self.later) == b"HbA1c 41 mmol/mol"
            assert self._open(self.own.digest) == b"Slept badly, two cups of coffee."
            image = next(each for each in listed if each.summary["type"] == intake.DICOM_TYPE)
            assert self._open(image.digest) == IMAGE.read_bytes()
            step.told += [
                f"{len(opened)} of {len(self.written) + 2} records listed and opened, {len(ours)} of them older",
                "the image came back byte for byte; so did the result from after the rotation and her diary",
            ]

    def _open(self, digest: str) -> bytes:
        return self.lin.open(self.granted.pseudonym, digest, purpose=TREAT).read()

    def come_back_whole(self) -> None:
        with self.step("She takes everything out again") as step:
            opened: list[tuple[records.Manifest, bytes]] = []
            count = self.patient.export(lambda _, record: opened.append((record.manifest, record.read())))
            whole = intake.rejoin(opened)
            assert whole == self.bundle
            step.told.append(f"{count} records opened; the bundle is joined again, all its {len(whole):,} bytes equal")

    def refuse(self) -> None:
        with self.step("Others are refused") as step:
            nosy = self.reader(self.stranger, "stranger")
            step.told.append("a stranger: " + self._refusal(nosy, self.granted.pseudonym, self.later))
            sealed = next(each for each in self.written if not each.cls.endswith("/N"))
            step.told.append(
                f"Dr Lin, for {sealed.cls}: " + self._refusal(self.lin, self.granted.pseudonym, sealed.digest)
            )

    def _refusal(self, reader: Reader, pseudonym: str, digest: str) -> str:
        """Both the chain and the keys must say no: what the reader is told, after every key it has was tried."""
        try:
            reader.unsafe_try(pseudonym, digest)
        except TheriacError:
            pass
        else:
            raise AssertionError("a record opened that must not")
        try:
            reader.open(pseudonym, digest, purpose=TREAT)
        except (NotGranted, NotOpened) as refused:
            return str(refused)
        except TheriacError as refused:
            return str(refused)
        raise AssertionError("a record opened that must not")

    def expire(self) -> None:
        with self.step("Dr Okafor's window ends while her phone is off") as step:
            granted = self.patient.grant(
                self.deputy.address, classes=[KeyClass.parse("laboratory/N")], purpose=TREAT, end=self.midnight(1)
            )
            okafor = self.reader(self.deputy, "deputy")
            okafor.learn(granted.pseudonym)
            assert okafor.open(granted.pseudonym, self.later, purpose=TREAT).read() == b"HbA1c 41 mmol/mol"
            self.travel(3 * DAY)
            [after] = self._write(b"HbA1c 43 mmol/mol", "laboratory/N", "HbA1c")
            okafor.learn(granted.pseudonym)
            step.told.append("Dr Okafor, three days later: " + self._refusal(okafor, granted.pseudonym, after.digest))
            assert self._open_after_learning(after.digest) == b"HbA1c 43 mmol/mol"
            step.told.append("Dr Lin, whose window is open, opens it")

    def _open_after_learning(self, digest: str) -> bytes:
        self.lin.learn(self.granted.pseudonym)
        return self._open(digest)

    def revoke(self) -> None:
        with self.step("She revokes Dr Lin's grant, and the clinic writes the next record") as step:
            self.patient.revoke(self.doctor.address, purpose=TREAT)
            [following] = self._write(b"HbA1c 45 mmol/mol", "laboratory/N", "HbA1c")
            self.patient.watch()
            self.lin.learn(self.granted.pseudonym)
            step.told.append("Dr Lin: " + self._refusal(self.lin, self.granted.pseudonym, following.digest))
            kept = self.lin.unsafe_try(self.granted.pseudonym, self.later).read()
            assert kept == b"HbA1c 41 mmol/mol"
            step.told.append("what was read before stays read: a revoke never claims to take that back")


def tell(
    bundle: Path | None,
    *,
    keep: Path | None,
    console: Console,
    as_json: bool = False,
    engine: str = "local",
    store: str | None = None,
) -> Story:
    """Tells the whole story; gives its world to whoever wants to look at it.

    `engine` is the chain's (`engines.devnet`); an engine other than the embedded chain is started for the story and
    stopped after it. `store` is "kubo" for a node that is started likewise, the multiaddress of one that runs, or None
    for a folder.
    """
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="theriac-") as temporary, ExitStack() as started:
        try:
            net = started.enter_context(devnet(engine, Path(temporary)))
            kept = _store(store, Path(temporary), started)
            story = Story(keep or Path(temporary, "story"), console=console, net=net, store=kept)
            _tell(story, _read(bundle or BUNDLE))
        except EngineError as error:
            raise _Failed(str(error), 6) from None
        except TheriacError as error:
            raise _Failed(str(error), error.exit_code) from None
    if as_json:
        json.dump([asdict(step) for step in story.steps], sys.stdout, indent=2)
        sys.stdout.write("\n")
    total = sum(gas for step in story.steps for gas in step.gas)
    console.print(
        f"\n[bold]{time.perf_counter() - begun:.0f} s, {total:,} gas, the patient paid nothing.[/bold] "
        "Next: docs/using.md runs the same on a chain of your own; docs/architecture.md says why it holds."
    )
    return story


def _store(asked: str | None, folder: Path, started: ExitStack) -> Store | None:
    """The store that was asked for. Raises EngineError, and what a store that does not answer raises."""
    if asked is None:
        return None
    from theriac.store.kubo import KuboStore

    if asked == "kubo":
        from engines.kubo.node import KuboNode

        asked = started.enter_context(KuboNode(folder / "kubo")).api
    kept = started.enter_context(KuboStore(asked))
    # A node that is not there is told of before the story begins.
    kept.has(compute(io.BytesIO(b"")))
    return kept


def _read(bundle: Path) -> bytes:
    try:
        return bundle.read_bytes()
    except OSError as fault:
        raise _Failed(f"The bundle {bundle} cannot be read ({fault.strerror}); name a FHIR JSON file.", 2) from None


def _tell(story: Story, data: bytes) -> None:
    story.found_consortium()
    story.found_patient()
    story.introduce()
    story.seal_bundle(data)
    story.add_own()
    story.file()
    story.rotate()
    story.grant()
    story.open_granted()
    story.come_back_whole()
    story.refuse()
    story.expire()
    story.revoke()
    story.goods = Goods(story)
    story.goods.tell()
    story.insurance = Insurance(story, story.goods)
    story.insurance.tell()
    story.goods.tell_end(story.insurance)


class _Failed(click.ClickException):
    """One sentence and an exit code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code
