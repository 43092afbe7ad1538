"""The drill that `ape run drill` plays: wallet lost, vault lost, both lost; guardians bring it back."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from scripts._demo import DAY, TREAT, Story
from theriac.crypto.recipients import HybridIdentity
from theriac.errors import NotOpened, TheriacError, TooFewShares
from theriac.health.backup import backups, open_by_shares
from theriac.health.guardians import Guardian, PrivateExtendedKey, ward_path
from theriac.health.keystore import Keystore, Lock
from theriac.health.patient import Patient
from theriac.health.pleas import Approval, Call, Keeper, open_words, seal_words
from theriac.health.scope import KeyClass
from theriac.health.vault import Vault
from theriac.health.wallet import MnemonicWallet, Wallet, new_mnemonic
from theriac.ledger.signer import KeySigner, Signer

LABORATORY = "laboratory/N"
NAMES = ("Aunt Bo", "Dr Lin's wife", "Kim", "the notary")
ENOUGH = 2


@dataclass(frozen=True)
class Helper:
    """A guardian with words and an identity of its own."""

    name: str
    mnemonic: str = field(default_factory=new_mnemonic)
    identity: HybridIdentity = field(default_factory=HybridIdentity.generate)

    def key(self) -> PrivateExtendedKey:
        return PrivateExtendedKey.of_mnemonic(self.mnemonic, *ward_path(1))

    def card(self) -> Guardian:
        public = self.key().public
        return Guardian(self.name, str(self.identity.recipient), public.point.hex(), public.chain_code.hex())

    def signer(self, place: int) -> Signer:
        return KeySigner(self.key().child(place).secret)


class Drill(Story):
    """A patient with records, a reader and four guardians, who loses one thing after the other."""

    def keeper(self, helper: Helper) -> Keeper:
        return Keeper(
            chain=self.chain("of a guardian"),
            store=self.store,
            identity=helper.identity,
            signer=helper.signer,
            home=self.patient.vault.home().pseudonym,
        )

    def begin(self) -> None:
        self.found_consortium()
        self.found_patient()
        self.introduce()
        with self.step("She is treated, and lets Dr Lin read her laboratory results for 400 days"):
            [first] = self._write(b"HbA1c 41 mmol/mol", LABORATORY, "HbA1c")
            self.patient.watch()
            self.read = [(first.digest, b"HbA1c 41 mmol/mol")]
            classes = [KeyClass.parse(LABORATORY)]
            self.granted = self.patient.grant(
                self.doctor.address, classes=classes, purpose=TREAT, end=self.midnight(400)
            )
            self.patient.watch()

    def name_guardians(self) -> None:
        with self.step(f"She names {len(NAMES)} guardians, of whom {ENOUGH} are enough") as step:
            self.helpers = [Helper(name) for name in NAMES]
            self.patient.set_guardians([each.card() for each in self.helpers], threshold=ENOUGH)
            self.travel(30 * DAY)
            standings = self.patient.standings()
            assert all(each.guarded for each in standings)
            step.told.append(f"{len(standings)} pseudonyms, each with a set of its own; they count after 30 days")

    # -- what is lost ------------------------------------------------------------------------------------------------

    def lose_the_wallet(self) -> None:
        with self.step("Her wallet is lost; her vault is there") as step:
            self._become(self.client(Vault.decode(self.patient.vault.encode()), MnemonicWallet(new_mnemonic())))
            self.patient.begin_recovery(from_backup=False)
            self._take_over()
            step.told.append(self._what_came_back("wallet"))

    def lose_the_vault(self) -> None:
        with self.step("Her vault is lost; her words are there") as step:
            vault = self._by_shares(self.helpers[1:3])
            self._become(self.client(vault, self.patient.wallet))
            self.patient.recover()
            step.told.append(self._what_came_back("vault"))

    def lose_both(self) -> None:
        with self.step("Both are lost, and a thief has her words and objects") as step:
            thief = self.client(Vault.decode(self.patient.vault.encode()), self.patient.wallet)
            try:
                self._by_shares(self.helpers[:1])
            except TooFewShares as refused:
                step.told.append(f"one guardian alone: {refused}")
            self._become(self.client(self._by_shares(self.helpers[2:]), MnemonicWallet(new_mnemonic())))
            self.patient.begin_recovery(from_backup=True)
            self.travel(80 * DAY)
            self._take_over(thief.object_to_recovery)
            step.told.append("the thief objected once, and a third guardian helped")
            step.told.append(self._what_came_back("both"))
            step.told.append("the thief: " + self._refused(lambda: thief.revoke(self.doctor.address, purpose=TREAT)))

    # -- how it comes back -------------------------------------------------------------------------------------------

    def client(self, vault: Vault, wallet: Wallet) -> Patient:
        """A new device. What a passphrase costs is told elsewhere."""
        folder = self.folder / f"device {time.monotonic_ns()}"
        keystore = Keystore.create(
            folder / "vault", vault.encode(), Lock(HybridIdentity.generate().recipient, {"by": "drill"})
        )
        chain = self.chain(folder.name)
        return Patient(vault, keystore, wallet=wallet, chain=chain, relay=self.relay, store=self.store)

    def _become(self, patient: Patient) -> None:
        self._home = self.patient.vault.home().pseudonym
        self.patient = patient

    def _by_shares(self, helpers: list[Helper]) -> Vault:
        home, identity = self.patient.vault.home().pseudonym, HybridIdentity.generate()
        call = Call(home, str(identity.recipient))
        sealed = [seal_words(self.keeper(each).words(), to=call) for each in helpers]
        words = [share for each in sealed for share in open_words(each, identity=identity, home=home)]
        return open_by_shares(backups(self.chain("new device"), self.store, home), words)

    def _approvals(self, helpers: list[Helper]) -> list[Approval]:
        pleas = {each.guardian: each for each in self.patient.pleas()}
        return [self.keeper(each).approve(pleas[each.name]) for each in helpers]

    def _take_over(self, meanwhile: Callable[[], list[str]] | None = None) -> None:
        self.patient.start_recovery(self._approvals(self.helpers[:ENOUGH]))
        if meanwhile is not None and meanwhile():
            self.patient.start_recovery(self._approvals(self.helpers[ENOUGH : ENOUGH + 1]))
        self.travel(14 * DAY)
        self.patient.finish_recovery()

    def _what_came_back(self, lost: str) -> str:
        """Dr Lin reads on without asking, the clinic writes on, every record opens."""
        assert self.patient.vault.moving is None
        content = f"HbA1c after {lost} lost".encode()
        [after] = self._write(content, LABORATORY, "HbA1c")
        self.read.append((after.digest, content))
        assert self.patient.watch().alarms == ()
        lin = self.reader(self.doctor, f"doctor after {lost}")
        lin.learn(self.granted.pseudonym)
        for digest, wanted in self.read:
            assert lin.open(self.granted.pseudonym, digest, purpose=TREAT).read() == wanted
            assert self.patient.open(self.patient.entry(digest)).read() == wanted
        accounts, chain = self.patient.vault.accounts, self.patient.chain
        moved = sum(chain.authority(each).controller != each for each in accounts)
        return (
            f"{len(self.patient.vault.entries)} records, {len(accounts)} pseudonyms ({moved} under another wallet than "
            "their first), every key new; Dr Lin reads what was and what came after, by the grant of before"
        )

    def _refused(self, act: Callable[[], None]) -> str:
        try:
            act()
        except (TheriacError, NotOpened) as refused:
            return str(refused)
        raise AssertionError("what must be refused was done")


def play(*, console: Console) -> Drill:
    """Plays the whole drill; gives its world to whoever wants to look at it."""
    with tempfile.TemporaryDirectory(prefix="theriac-") as temporary:
        drill = Drill(Path(temporary), console=console)
        drill.begin()
        drill.name_guardians()
        drill.lose_the_wallet()
        drill.lose_the_vault()
        drill.lose_both()
    console.print("\n[bold]Wallet lost, vault lost, both lost: everything came back, and nothing to the thief.[/bold]")
    return drill
