"""A recovery with the keys and the grants that stand on it, and a patient whose five guardians count."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import ape
import pytest
from ape.api import ReceiptAPI, TestAccountAPI
from ape.contracts import ContractInstance
from contracts_world import DAY, World, sign

from theriac.health.guardians import Confirm, GuardianSet, TakeOver, Withdraw
from theriac.ledger.typed import Message

FIRST = 25
"""The place of the first guardian among Ape's test accounts; those before are the world's people."""


@dataclass
class Guarded:
    """The patient's guardians, and what they do together."""

    world: World
    recovery: ContractInstance
    keys: ContractInstance
    patient: TestAccountAPI
    new_phone: TestAccountAPI
    people: tuple[TestAccountAPI, ...]
    set: GuardianSet

    def sign(self, message: Message, by: TestAccountAPI) -> bytes:
        return sign(message, by=by, contract=self.recovery)

    def terms(self, *, round: int = 1, **other: Any) -> TakeOver:
        """What the guardians sign: the new phone is to control the patient's pseudonym."""
        usual = TakeOver(self.patient.address, self.new_phone.address, round, self.world.clock.now + DAY, self.set)
        return replace(usual, **other)

    def signed(self, terms: TakeOver, *who: int) -> tuple[Any, ...]:
        """The arguments that carry what the guardians at these places signed, and the new controller."""
        chosen = replace(terms, signers=sum(1 << place for place in who))
        signatures = [self.sign(chosen, self.people[place]) for place in sorted(who)]
        if not isinstance(terms, Confirm):
            signatures.append(self.sign(chosen, self.controller_of(terms)))
        return chosen.arguments(*signatures)

    def controller_of(self, terms: TakeOver) -> TestAccountAPI:
        return ape.accounts.test_accounts[terms.controller]

    def start(self, *who: int, sender: TestAccountAPI | None = None, **terms: Any) -> ReceiptAPI:
        arguments = self.signed(self.terms(**terms), *who)
        receipt: ReceiptAPI = self.recovery.start(*arguments, sender=sender or self.world.people["relayer"])
        return receipt

    def try_starting(self, *who: int, **terms: Any) -> Any:
        """The same as a call, which leaves no trace."""
        arguments = self.signed(self.terms(**terms), *who)
        return self.recovery.start.call(*arguments, sender=self.world.people["relayer"])

    def confirming(self, *who: int, **terms: Any) -> tuple[Any, ...]:
        return self.signed(Confirm(**vars(self.terms(**terms))), *who)

    def confirm(self, *who: int, **terms: Any) -> ReceiptAPI:
        arguments = self.confirming(*who, **terms)
        receipt: ReceiptAPI = self.recovery.confirm(*arguments, sender=self.world.people["relayer"])
        return receipt

    def withdrawal(self, place: int, *, round: int = 1, **other: Any) -> Withdraw:
        guardian, soon = self.people[place].address, self.world.clock.now + DAY
        return replace(Withdraw(self.patient.address, guardian, round, soon, self.set), **other)

    def withdraw(self, place: int, **other: Any) -> ReceiptAPI:
        message = self.withdrawal(place, **other)
        arguments = message.arguments(self.sign(message, self.people[place]))
        receipt: ReceiptAPI = self.recovery.withdraw(*arguments, sender=self.world.people["relayer"])
        return receipt

    def after(self, days: int) -> None:
        """Goes so many days on, to the second."""
        self.world.clock.travel(to=self.world.clock.now + days * DAY)

    def set_of(self, people: Sequence[TestAccountAPI], *, threshold: int = 3) -> GuardianSet:
        return GuardianSet.of([each.address for each in people], threshold=threshold)


@pytest.fixture(scope="module")
def guarded_world(world: World, accounts: Any) -> Guarded:
    """The patient has set five guardians, of whom three are enough, and they count."""
    recovery = world.recovery
    keys = ape.project.Keys.at(recovery.keys())
    people = sorted(
        (accounts[FIRST + number] for number in range(5)), key=lambda account: int(str(account.address), 16)
    )
    patient, new_phone = world.people["patient"], world.people["new_phone"]
    chosen = GuardianSet.of([each.address for each in people], threshold=3)
    recovery.setGuardians(patient, chosen.hash, sender=patient)
    world.clock.travel(to=world.clock.now + 30 * DAY)
    return Guarded(world, recovery, keys, patient, new_phone, tuple(people), chosen)


@pytest.fixture
def guarded(guarded_world: Guarded) -> Guarded:
    return guarded_world


@pytest.fixture
def recovery(guarded_world: Guarded) -> ContractInstance:
    """The contract, where other tests have a person in its place."""
    return guarded_world.recovery


@pytest.fixture
def keys(guarded_world: Guarded) -> ContractInstance:
    """The keys that it made."""
    return guarded_world.keys
