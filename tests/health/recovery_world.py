"""Guardians for the health tests: people with words and an identity of their own, and what they are asked for."""

from dataclasses import dataclass, field

from health_world import DAY, HealthWorld

from theriac.crypto.recipients import HybridIdentity
from theriac.health.backup import backups, open_by_shares
from theriac.health.guardians import HARDENED, NO_PLACE, Guardian, PrivateExtendedKey, ward_path
from theriac.health.keystore import Keystore, Lock, unseal
from theriac.health.patient import Patient
from theriac.health.pleas import Approval, Call, Keeper, Plea, decode_card, encode_card, open_words, seal_words
from theriac.health.vault import Vault
from theriac.health.wallet import MnemonicWallet, Wallet, new_mnemonic
from theriac.ledger.signer import KeySigner, Signer

LOCK_IDENTITY = HybridIdentity.generate()
"""What opens the keystores of these tests."""


@dataclass
class Helper:
    """Somebody who guards a patient. One with `paper` keeps the share in words."""

    name: str
    paper: bool = False
    plain: KeySigner | None = None
    mnemonic: str = field(default_factory=new_mnemonic)
    identity: HybridIdentity = field(default_factory=HybridIdentity.generate)

    @property
    def key(self) -> PrivateExtendedKey:
        return PrivateExtendedKey.of_mnemonic(self.mnemonic, *ward_path(1))

    def card(self) -> Guardian:
        """What this guardian hands over, as it arrives."""
        recipient = "" if self.paper else str(self.identity.recipient)
        public = self.key.public
        card = (
            Guardian(self.name, recipient, account=str(self.plain.address))
            if self.plain
            else Guardian(self.name, recipient, public.point.hex(), public.chain_code.hex())
        )
        return decode_card(encode_card(card))

    def signer(self, place: int) -> Signer:
        if place == NO_PLACE and self.plain:
            return self.plain
        return KeySigner(self.key.child(place % HARDENED).secret)

    def keeper(self, world: HealthWorld, home: str) -> Keeper:
        return Keeper(
            chain=world.chain(f"of {self.name}"),
            store=world.store,
            identity=self.identity,
            signer=self.signer,
            home=home,
        )


def helpers(count: int = 4) -> list[Helper]:
    return [Helper(f"guardian {number}") for number in range(1, count + 1)]


def guarded(world: HealthWorld, patient: Patient, people: list[Helper], *, threshold: int = 2) -> None:
    """The patient's guardians are set, and count."""
    patient.set_guardians([each.card() for each in people], threshold=threshold)
    world.travel(30 * DAY)


def approvals(world: HealthWorld, patient: Patient, people: list[Helper]) -> list[Approval]:
    """What these guardians answer to what they are asked for, every file as it arrives."""
    pleas = {each.guardian: Plea.decode(each.encode()) for each in patient.pleas()}
    home = patient.vault.home().pseudonym
    return [Approval.decode(each.keeper(world, home).approve(pleas[each.name]).encode()) for each in people]


def restored(world: HealthWorld, people: list[Helper], home: str) -> Vault:
    """The vault, from guardians' shares alone: what somebody does who lost everything but the name of her home."""
    chain, identity = world.chain("new device"), HybridIdentity.generate()
    call = Call.decode(Call(home, str(identity.recipient)).encode())
    sealed = [seal_words(each.keeper(world, home).words(), to=call) for each in people]
    words = [share for each in sealed for share in open_words(each, identity=identity, home=home)]
    return open_by_shares(backups(chain, world.store, home), words)


def client(
    world: HealthWorld, vault: Vault, wallet: Wallet, *, name: str = "new device", former: Wallet | None = None
) -> Patient:
    """A client on a new device."""
    keystore = Keystore.create(
        world.folder / name / "vault", vault.encode(), Lock(LOCK_IDENTITY.recipient, {"by": "test"})
    )
    return Patient(
        vault,
        keystore,
        wallet=wallet,
        chain=world.chain(name),
        relay=world.relay,
        store=world.store,
        former=former,
    )


def new_wallet() -> MnemonicWallet:
    return MnemonicWallet(new_mnemonic())


def saved(patient: Patient) -> Vault:
    """The vault as a client of these tests had saved it."""
    return Vault.decode(unseal(patient._keystore.path.read_bytes(), lambda _: LOCK_IDENTITY, path="").secret)
