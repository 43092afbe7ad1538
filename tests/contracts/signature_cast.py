"""Who is who where the table of messages is played, and what a row of the table is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from eth_utils import keccak

from theriac.health.messages import Freshness
from theriac.ledger.typed import Message
from theriac.medicine.messages import Line, Prescribe

DAY = 24 * 3600
WINDOW = 1800

ZERO = f"0x{0:040x}"

# The root of a batch that the maker holds.
ROOT = keccak(text="theriac test: root of a batch")


def digest(name: str) -> bytes:
    """The digest of a document or a file in a test."""
    return keccak(text=f"theriac test: {name}")


@dataclass(frozen=True)
class Cast:
    """Who is who, by address, and when: `now` is the time of the preparation, in seconds since 1970.

    :param controller: who signs for the pseudonym.
    :param joiner: who is about to join the member.
    :param leaver: who has joined it, no more and no less than once, and is about to leave.
    :param giver: who has joined the maker, to give goods.
    :param logger: a device of the maker's.
    :param prescriber: who has joined the member, to prescribe.
    :param bearer: for whom it was prescribed.
    :param therapist: who has joined the member, to agree on what is paid by outcome.
    :param underwriter: who has joined the insurer, to agree on policies.
    :param arbiter: who has joined the authority, to rule about claims.
    :param assessor: who has joined the clinic, to say what came of a treatment.
    :param emergency: the number of the case that the clinician opened about the pseudonym.
    :param delegate: who may grant for the pseudonym, under a number of its own.
    :param appointments: how often the pseudonym's publisher was set when the table's messages count.
    :param accounts: the members' own accounts, by their numbers.
    :param contracts: the addresses of the contracts, by their names.
    """

    pseudonym: str
    controller: str
    publisher: str
    successor: str
    reader: str
    daughter: str
    joiner: str
    leaver: str
    giver: str
    logger: str
    prescriber: str
    bearer: str
    therapist: str
    underwriter: str
    arbiter: str
    assessor: str
    delegate: str
    member: int
    now: int
    appointments: int = 1
    emergency: int = 1
    clinician: str = ZERO
    clinic: int = 2
    maker: int = 3
    receiver: int = 4
    pharmacy: int = 5
    insurer: int = 6
    authority: int = 7
    accounts: Mapping[int, str] = field(default_factory=dict)
    contracts: Mapping[str, str] = field(default_factory=dict)

    @property
    def deadline(self) -> int:
        return self.now + WINDOW

    @property
    def batch(self) -> bytes:
        """The batch that the maker holds."""
        return keccak(self.maker.to_bytes(32, "big") + ROOT)

    def midnight(self, days: int) -> int:
        """The UTC midnight that many days ahead; one day ahead is the next."""
        return (self.now // DAY + days) * DAY

    def prescribing(self, what: str) -> Prescribe:
        """A prescription of two lines: one that is given once, and one that is given again every four weeks."""
        until = self.midnight(90)
        lines = [
            Line(digest(f"{what}, antibiotic"), 20, 0, 0, self.now, until),
            Line(digest(f"{what}, insulin"), 5, 2, 28, self.now, until),
        ]
        return Prescribe(self.prescriber, self.bearer, lines, digest(f"{what}, sealed"), self.deadline)

    def fresh(self, nonce: int) -> Freshness:
        return Freshness(nonce, 0, self.deadline)


class Accompanied(Message):
    """A message that is no use alone: the function that takes it is also shown what the message is about.

    What is shown follows the fields of the message itself; SIGNED is the name of the argument that was signed.
    """

    SIGNED: ClassVar[str] = "terms"

    def values(self) -> dict[str, Any]:
        own = [getattr(self, each.name) for each in fields(self)][: len(self.FIELDS)]
        return {name: value for (_, name), value in zip(self.FIELDS, own, strict=True)}


@dataclass(frozen=True)
class Signed:
    """A message and who signs it, by the names of the cast."""

    message: Message
    signers: tuple[str, ...]


@dataclass(frozen=True)
class Event:
    """What a contract tells: the event's name and its arguments. The table says when a hold ends in seconds from its
    beginning.
    """

    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Case(Signed):
    """A message that is ready to be sent, and what the contract tells when it counts.

    :param first: the place of the signature that the contract looks at first.
    """

    events: Sequence[Event]
    first: int = 0


NOBODY = Cast(*[ZERO] * 17, member=1, now=30 * DAY)
"""A cast of nobody, for what the table holds whoever plays in it."""
