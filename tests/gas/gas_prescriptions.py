"""The acts of prescriptions, for the table of gas_acts.py: prescribing, taking, filling, and taking back.

A prescription has three lines here. Acts are about the first of them, which the hashes of all come with when it is
filled. Prescribing must cost the same however many there are, so it is measured with as many as there can be, too.
"""

from collections.abc import Callable
from typing import Any

from gas_acts import World, act
from gas_goods import dense
from real_anvil import BOARD, RELAYER, encoded, person
from web3.contract import Contract

from theriac.consortium import Join, Role
from theriac.medicine.messages import MOST_LINES, Cancel, Line, Prescribe, Take, Terms, hash_of

HOSPITAL, PHARMACY, RIVAL = (person(name) for name in ("hospital", "pharmacy", "rival pharmacy"))
PRESCRIBER, PHARMACIST, COLLEAGUE = (person(name) for name in ("prescriber", "pharmacist", "rival pharmacist"))
BEARER = person("bearer")
HOSPITAL_NUMBER, PHARMACY_NUMBER, RIVAL_NUMBER = 3, 4, 5

LINE, MASK = 0, 1 << 0
QUANTITY, PART = 30, 10
FILL_FOR = 2

LINES = 3
ANY_LINES = {"prescribe": f"prescribe {MOST_LINES} lines"}
"""The acts that cost the same however many lines there are, and the name of each with the most."""


def dense_lines(count: int, start: int, end: int) -> list[Line]:
    """Lines whose common hash has no byte of zero."""
    name = "medicine"
    while True:
        lines = [Line(dense(f"{name} {number}"), QUANTITY, 2, 28, start, end) for number in range(count)]
        if 0 not in hash_of(lines):
            return lines
        name += ", again"


class Desk:
    """A prescriber, two pharmacies, and what is prescribed for a bearer."""

    def __init__(self, world: World, count: int) -> None:
        self.world = world
        for number, member, employee, role in (
            (HOSPITAL_NUMBER, HOSPITAL, PRESCRIBER, Role.PRESCRIBER),
            (PHARMACY_NUMBER, PHARMACY, PHARMACIST, Role.PHARMACIST),
            (RIVAL_NUMBER, RIVAL, COLLEAGUE, Role.PHARMACIST),
        ):
            admit = world.consortium.functions.admit(member.address, int(role), 1, world.midnight(365))
            world.send(BOARD, admit)
            join = Join(employee.address, number, role, 0, world.soon())
            world.send(member, world.signed(join, employee))
        self.lines = dense_lines(count, world.chain.now(), world.midnight(90))

    @property
    def contract(self) -> Contract:
        return self.world.contracts.prescriptions

    @property
    def terms(self) -> Terms:
        return Terms(PRESCRIBER.address, BEARER.address, hash_of(self.lines), dense("sealed prescription"))

    # -- a prescription's way ----------------------------------------------------------------------------------------

    def prescribe(self) -> int:
        terms = self.terms
        call = self.contract.functions.prescribe(terms.bearer, terms.lines, terms.file)
        return self.world.send(PRESCRIBER, call)

    def word(self, *, nonce: int = 0, giver: int = 0, to: int = PHARMACY_NUMBER) -> Take:
        return Take(self.terms, MASK, giver, to, nonce, self.world.soon())

    def take(self) -> int:
        return self.world.send(PHARMACIST, self.world.signed(self.word(), BEARER))

    def filling(self, units: int = QUANTITY) -> tuple[Any, ...]:
        """What the line is filled with."""
        opened = tuple(self.lines[LINE].values().values())
        hashes = [line.hash for line in self.lines]
        return (self.terms.tuple, hashes, LINE, opened, units, dense("what was given"))

    def taken(self) -> "Desk":
        """The prescription, of which the pharmacy holds a line."""
        self.prescribe()
        self.take()
        return self

    def fill(self, units: int = QUANTITY) -> int:
        return self.send("fill", self.filling(units))

    def send(self, function: str, *arguments: Any) -> int:
        """An act of the pharmacist's."""
        return self.world.send(PHARMACIST, self.contract.functions[function](*arguments))

    def carried(self, function: str, *arguments: Any) -> int:
        """An act of the contract that may fill for the pharmacy; the carrier stands for the one that adjudicates."""
        call = self.contract.functions[function](PHARMACIST.address, *arguments)
        self.world.sent.add(("Prescriptions", function))
        return self.world.send(RELAYER, self.world.carrier.functions.carry([(self.contract.address, encoded(call))]))

    def let_fill(self) -> None:
        operator = self.world.carrier.address
        self.world.send(PHARMACY, self.world.consortium.functions.setOperator(operator, FILL_FOR))


Measure = Callable[[Desk], int]


def at_desk(words: str, *, lines: int = LINES) -> Callable[[Measure], Measure]:
    """Puts an act about a prescription into the table."""

    def put(measure: Measure) -> Measure:
        act(words)(lambda world: measure(Desk(world, lines)))
        return measure

    return put


@at_desk(ANY_LINES["prescribe"], lines=MOST_LINES)
@at_desk("prescribe")
def _(desk: Desk) -> int:
    return desk.prescribe()


@at_desk("prescribe by signature")
def _(desk: Desk) -> int:
    terms = desk.terms
    message = Prescribe(terms.prescriber, terms.bearer, desk.lines, terms.file, desk.world.soon())
    return desk.world.by_signature(message, PRESCRIBER)


@at_desk("take")
def _(desk: Desk) -> int:
    desk.prescribe()
    return desk.take()


@at_desk("take, from another pharmacy")
def _(desk: Desk) -> int:
    desk.prescribe()
    desk.world.send(COLLEAGUE, desk.world.signed(desk.word(to=RIVAL_NUMBER), BEARER))
    word = desk.word(nonce=1, giver=RIVAL_NUMBER)
    return desk.world.send(PHARMACIST, desk.world.signed(word, BEARER))


@at_desk("take for a pharmacist, through a contract")
def _(desk: Desk) -> int:
    desk.let_fill()
    desk.prescribe()
    signed = desk.world.signed(desk.word(), BEARER)
    return desk.carried("takeFor", *signed.arguments)


@at_desk("give a line back")
def _(desk: Desk) -> int:
    return desk.taken().send("giveBack", desk.terms.id, MASK)


@at_desk(f"fill one of {MOST_LINES} lines", lines=MOST_LINES)
@at_desk("fill")
def _(desk: Desk) -> int:
    return desk.taken().fill()


@at_desk("fill a part")
def _(desk: Desk) -> int:
    return desk.taken().fill(PART)


@at_desk("fill for a pharmacist, through a contract")
def fill_for(desk: Desk) -> int:
    desk.let_fill()
    return desk.taken().carried("fillFor", desk.filling())


@at_desk("unfill")
def _(desk: Desk) -> int:
    desk.taken().fill()
    return desk.send("unfill", desk.terms.id, LINE)


@at_desk("unfill for a pharmacist, through a contract")
def _(desk: Desk) -> int:
    fill_for(desk)
    return desk.carried("unfillFor", desk.terms.id, LINE)


@at_desk("cancel")
def _(desk: Desk) -> int:
    desk.prescribe()
    return desk.world.send(PRESCRIBER, desk.contract.functions.cancel(desk.terms.id, MASK))


@at_desk("cancel by signature")
def _(desk: Desk) -> int:
    desk.prescribe()
    return desk.world.by_signature(Cancel(desk.terms, MASK, 0, desk.world.soon()), BEARER)
