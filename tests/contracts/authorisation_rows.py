"""Who may call what: a row for each external function that changes state, and more where it depends on what about."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from authorisation_cast import (
    ACCEPTED,
    ACTS_FOR,
    AT_MAKER,
    AT_PHARMACY,
    BATCH,
    BLOCKED,
    BY_HOLDER,
    BY_MAKER,
    BY_REGULATOR,
    CARRIER,
    CLAIMED,
    CLOSED,
    DISPENSED,
    EXCURSION,
    EXPIRED,
    FILLED,
    FILLED_FOR,
    FREE,
    HANDLERS,
    HELD,
    MAKER,
    OFFERED,
    OPENED,
    OWN,
    OWN_REPLACEMENT,
    PHARMACY,
    RECALLED,
    RECORD,
    REMOVED,
    REPLACEMENT,
    ROLES_OF,
    SIGNED_FOR,
    STAFF_OF,
    SUSPENDED,
    TREE,
    WHOLESALER,
    WRITERS,
    Cast,
    Outcome,
    filling,
    lines_of,
    proof,
    terms_of,
)
from contracts_world import DAY, MEMBERS, NOTHING, ZERO, digest
from pack_tree import above

from theriac.consortium import Join, Leave, Role
from theriac.cover.messages import Claim
from theriac.health import messages
from theriac.health.messages import Freshness, Resealing
from theriac.health.scope import Purpose
from theriac.ledger.typed import Message
from theriac.medicine.messages import Cancel, Handoff, Prescribe, Readings, Take

TREAT = Purpose.parse("TREAT")

Arguments = Callable[[Cast], tuple[Any, ...]]
Rule = Callable[[Cast, str], Outcome]


@dataclass(frozen=True)
class Row:
    """One function, asked about one thing.

    :param arguments: what it is called with, so that the right account's call counts.
    :param rule: what the call of an account of a kind comes to.
    :param kinds: the kinds that are worth trying; none for all.
    """

    contract: str
    function: str
    about: str
    arguments: Arguments
    rule: Rule
    kinds: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.contract}.{self.function}" + (f" ({self.about})" if self.about else "")


@dataclass(frozen=True)
class SignedRow:
    """One function that takes a signature, and who must have signed.

    :param type: the type of the message.
    :param message: what is signed.
    :param signers: the kinds that sign, in the order of the function's signatures.
    :param place: which of the signatures the row is about.
    :param also: another kind whose signature counts there.
    :param sender: who carries it.
    """

    type: type[Message]
    message: Callable[[Cast], Message]
    signers: tuple[str, ...]
    about: str = ""
    place: int = 0
    also: str = ""
    sender: str = "relayer"

    @property
    def name(self) -> str:
        about = [self.about] if self.about else []
        about += ["the other's signature"] if self.place else []
        return f"{self.type.CONTRACT}.{self.type.FUNCTION} {self.type.TYPE}" + (
            f" ({', '.join(about)})" if about else ""
        )

    def refusal(self, cast: Cast) -> Outcome:
        """What says that somebody else signed; a claim is refused for want of its consent."""
        error = "NoConsent" if issubclass(self.type, Claim) else "WrongSignature"
        return Outcome(error, (cast.address(self.signers[self.place]),))

    def arguments(self, cast: Cast, *, signer: str = "") -> tuple[Any, ...]:
        """What the function is called with, where `signer` signs in the row's place."""
        message = self.message(cast)
        signers = [signer if signer and place == self.place else right for place, right in enumerate(self.signers)]
        return message.arguments(*[cast.sign(message, each) for each in signers])


SIGNERS = (
    "board",
    "recovery",
    "stranger",
    "hospital",
    "suspended member",
    "doctor",
    "patient",
    "publisher",
    "pseudonym that moved away",
    "former wallet",
    "wallet that it moved to",
)
"""Whose signature is tried: a contract compares addresses only, whatever else they are."""

SENDERS = ("stranger", "board", "doctor", "suspended member", "patient", "pseudonym that moved away", CARRIER)
"""Who is tried where anyone may send."""


# -- rules -----------------------------------------------------------------------------------------------------------


def only(kind: str, refusal: Rule) -> Rule:
    """One kind of account may; the others are refused."""
    return lambda cast, asking: ACCEPTED if asking == kind else refusal(cast, asking)


def anyone(cast: Cast, asking: str) -> Outcome:
    """Whoever sends it: what counts is inside."""
    return ACCEPTED


def not_the_board(cast: Cast, asking: str) -> Outcome:
    return Outcome("NotTheBoard", (cast.address(asking), cast.address("board")))


def not_offered(cast: Cast, asking: str) -> Outcome:
    return Outcome("NotOffered", (cast.address(asking), cast.address("who was offered the board's seat")))


def not_the_member(number: int) -> Rule:
    return lambda cast, asking: Outcome("NotTheMember", (cast.address(asking), number, cast.address(ACTS_FOR[number])))


def acts_for_its_member(cast: Cast, asking: str) -> Outcome:
    """Each member's account may, in standing or not; its staff and strangers may not."""
    number = STAFF_OF.get(asking, 0)
    if number and ACTS_FOR[number] == asking:
        return ACCEPTED
    return Outcome("NotTheMember", (cast.address(asking), number, cast.address(ACTS_FOR[number]) if number else ZERO))


def board_or_member(cast: Cast, asking: str) -> Outcome:
    return ACCEPTED if asking in ("board", "hospital") else not_the_member(MEMBERS.hospital)(cast, asking)


def joins_out_of_standing(number: int) -> Rule:
    """The member's own account is refused because the member is out of standing, everyone else for not being it."""

    def rule(cast: Cast, asking: str) -> Outcome:
        if asking == ACTS_FOR[number]:
            return Outcome("MemberNotInStanding", (number,))
        return not_the_member(number)(cast, asking)

    return rule


def leaves(cast: Cast, asking: str) -> Outcome:
    """Staff may leave, and who acted for a removed member; not who acts for a member, nor who belongs to none."""
    number = STAFF_OF.get(asking, 0)
    if not number:
        return Outcome("NotAffiliated", (cast.address(asking), 0))
    if ACTS_FOR[number] == asking and number != REMOVED:
        return Outcome("ActsForMember", (cast.address(asking), number))
    return ACCEPTED


def not_the_recovery(cast: Cast, asking: str) -> Outcome:
    return Outcome("NotTheRecovery", (cast.address(asking), cast.address("recovery")))


def not_the_controller(controller: str) -> Rule:
    return lambda cast, asking: Outcome("NotTheController", (cast.address(asking), cast.address(controller)))


def publishes(controller: str, publisher: str) -> Rule:
    """The controller or the publisher, where there is one."""

    def rule(cast: Cast, asking: str) -> Outcome:
        if asking in (controller, publisher):
            return ACCEPTED
        return Outcome("NotThePublisher", (cast.address(asking), cast.address(publisher) if publisher else ZERO))

    return rule


def writes(cast: Cast, asking: str) -> Outcome:
    return ACCEPTED if asking in WRITERS else Outcome("NotAWriter", (cast.address(asking),))


def amends(pseudonym: str, controller: str, author: int, record: bytes) -> Rule:
    """Only the author amends: the other writers, and the controller, have not anchored this in their own places."""

    def rule(cast: Cast, asking: str) -> Outcome:
        if asking != controller and asking not in WRITERS:
            return Outcome("NotAWriter", (cast.address(asking),))
        own = 0 if asking == controller else STAFF_OF[asking]
        if own == author:
            return ACCEPTED
        return Outcome("NotAnchored", (cast.address(pseudonym), own, record))

    return rule


def stands(asking: str, roles: Role) -> int:
    """The number of the member for which an account has one of the roles, or zero."""
    return STAFF_OF[asking] if ROLES_OF.get(asking, Role(0)) & roles else 0


def in_role(roles: Role, error: str = "NoStanding") -> Rule:
    """Whoever has one of the roles in standing."""
    return lambda cast, asking: ACCEPTED if stands(asking, roles) else Outcome(error, (cast.address(asking),))


def of_holder(node: int, holder: int, roles: Role = HANDLERS) -> Rule:
    """Whoever has one of the roles at the node's holder."""

    def rule(cast: Cast, asking: str) -> Outcome:
        number = stands(asking, roles)
        if number in (0, holder):
            return in_role(roles)(cast, asking)
        return Outcome("NotTheHolder", (BATCH, node, number, holder))

    return rule


def of_receiver(node: int) -> Rule:
    """Whoever handles goods at the wholesaler, to whom the node is offered."""

    def rule(cast: Cast, asking: str) -> Outcome:
        number = stands(asking, HANDLERS)
        if number in (0, WHOLESALER):
            return in_role(HANDLERS)(cast, asking)
        return Outcome("NotOffered", (BATCH, node, number))

    return rule


def of_maker(cast: Cast, asking: str) -> Outcome:
    """Whoever is a maker at the batch's own maker."""
    if stands(asking, Role.MAKER) == MAKER:
        return ACCEPTED
    return Outcome("NotTheMaker", (BATCH, cast.address(asking), MAKER))


def recalls(cast: Cast, asking: str) -> Outcome:
    return ACCEPTED if of_maker(cast, asking) == ACCEPTED else in_role(Role.REGULATOR)(cast, asking)


def not_an_operator(cast: Cast, asking: str) -> Outcome:
    return Outcome("NotAnOperator", (cast.address(asking), PHARMACY))


def undoes_a_claimed_one(cast: Cast, asking: str) -> Outcome:
    """A pharmacist is told whose it is; nobody else gets so far."""
    if not stands(asking, Role.PHARMACIST):
        return in_role(Role.PHARMACIST)(cast, asking)
    return Outcome("IsClaimed", (BATCH, CLAIMED, cast.address(CARRIER)))


def of_prescription(holds: Callable[[bytes, int], Outcome]) -> Rule:
    """Whoever is a pharmacist at the pharmacy; a pharmacist of another member is told why not."""

    def rule(cast: Cast, asking: str) -> Outcome:
        number = stands(asking, Role.PHARMACIST)
        if number in (0, PHARMACY):
            return in_role(Role.PHARMACIST)(cast, asking)
        return holds(terms_of(cast).id, number)

    return rule


def named_by_the_bearer(cast: Cast, asking: str) -> Outcome:
    """The bearer's word names the pharmacy: brought by another, it is not what was signed."""
    wrong = Outcome("WrongSignature", (cast.address("bearer"),))
    return of_prescription(lambda *_: wrong)(cast, asking)


holds = of_prescription(lambda id_, number: Outcome("NotTheHolder", (id_, HELD, number, PHARMACY)))
filled = of_prescription(lambda id_, _: Outcome("NotTheFiller", (id_, FILLED, PHARMACY)))


def unfills_otherwise(line: int, rule: Rule) -> Rule:
    """Whoever the rule lets through filled this line otherwise: itself, or through the contract."""

    def otherwise(cast: Cast, asking: str) -> Outcome:
        outcome = rule(cast, asking)
        return Outcome("NotTheFiller", (terms_of(cast).id, line, PHARMACY)) if outcome == ACCEPTED else outcome

    return otherwise


def cancels(cast: Cast, asking: str) -> Outcome:
    """Whoever prescribes at the member that prescribed it."""
    number = stands(asking, Role.PRESCRIBER)
    if number in (0, MEMBERS.hospital):
        return in_role(Role.PRESCRIBER)(cast, asking)
    return Outcome("NotThePrescriber", (terms_of(cast).id, number, MEMBERS.hospital))


def only_itself(cast: Cast, asking: str) -> Outcome:
    return ACCEPTED if asking == CARRIER else Outcome("OnlySelf", (cast.address(asking),))


# -- what is signed --------------------------------------------------------------------------------------------------


def the(kind: str) -> Callable[[Cast], str]:
    """The address of the account of a kind."""
    return lambda cast: cast.address(kind)


def soon(cast: Cast) -> int:
    """Ten minutes ahead."""
    return cast.world.clock.soon()


def day(number: int) -> Callable[[Cast], int]:
    """The full hour that lies `number` days after the start."""
    return lambda cast: cast.world.clock.day(number)


def fresh(nonce: int) -> Callable[[Cast], Freshness]:
    """What a signature counts with."""
    return lambda cast: Freshness(nonce, 0, soon(cast))


def signed_by(pseudonym: str, controller: str) -> Iterator[SignedRow]:
    """A message of each type under a pseudonym, signed by its controller."""
    moved = pseudonym != "patient"
    publisher, appointments = ("", 2) if moved else ("publisher", 1)
    about = "a pseudonym that moved" if moved else ""

    def row(kind: type[Message], *rest: Any, signers: tuple[str, ...] = (controller,), **changes: Any) -> SignedRow:
        def build(cast: Cast) -> Message:
            return kind(cast.address(pseudonym), *(each(cast) if callable(each) else each for each in rest))

        return SignedRow(kind, build, signers, about, **changes)

    wallet = (the("nobody yet"), ZERO, True, appointments, 0, soon)
    both = (controller, "nobody yet")
    yield row(messages.Publish, 2, digest("next"), 0, soon, also=publisher)
    yield row(messages.Rotate, 2, digest("next"), ZERO, appointments, 0, soon)
    yield row(messages.SetPublisher, ZERO, appointments, 0, soon)
    yield row(messages.RevokeEverything, 0, soon)
    yield row(messages.HandOver, *wallet, signers=both)
    yield row(messages.HandOver, *wallet, signers=both, place=1)
    yield row(messages.Grant, the("doctor"), TREAT, 1, 0, day(50), fresh(1))
    yield row(messages.Narrow, the("doctor"), TREAT, 1, day(50), fresh(1))
    yield row(messages.Revoke, the("doctor"), TREAT, fresh(1))
    yield row(messages.SetParent, 1, the("doctor"), day(50), fresh(0))
    yield row(messages.Report, [digest("more")], 1, soon, 0, soon)
    yield row(messages.Reseal, [Resealing(0, OWN, digest("anew"))], 1, soon, 0, soon)
    yield row(messages.Amend, messages.DISOWN, OWN, NOTHING, 0, soon)
    yield row(messages.Letter, the("doctor"), digest("letter"), 0, 0, soon)


def offer(member: int) -> Callable[[Cast], Join]:
    """What somebody signs to join a member."""
    return lambda cast: Join(cast.address("nobody yet"), member, Role.CLINICIAN, 0, cast.world.clock.soon())


def notice(cast: Cast) -> Leave:
    """What the doctor signs to leave the hospital."""
    return Leave(cast.address("doctor"), MEMBERS.hospital, 1, cast.world.clock.soon())


MOVED = ("pseudonym that moved away", "wallet that it moved to")


def signed_offer(cast: Cast) -> Handoff:
    """What the maker signs to offer a pallet to the wholesaler."""
    return Handoff(BATCH, SIGNED_FOR, cast.address("maker"), WHOLESALER, 0, digest("sheet"), soon(cast))


def report(cast: Cast) -> tuple[bytes, bytes, int]:
    """A day's readings, as a logger reports them."""
    end = cast.world.clock.now
    return digest("root"), digest("readings"), end - DAY | end << 40 | 200 << 80 | 800 << 96 | 500 << 144


def readings(cast: Cast) -> Readings:
    """The same as the logger signs it."""
    return Readings(cast.address("logger"), *report(cast), [])


def prescription(cast: Cast) -> Prescribe:
    """What the doctor signs to prescribe."""
    return Prescribe(cast.address("doctor"), cast.address("bearer"), lines_of(cast), digest("another"), soon(cast))


def word(cast: Cast) -> Take:
    """What the bearer signs, so that the pharmacy may have a line."""
    return Take(terms_of(cast), 1 << FREE, 0, PHARMACY, 1, soon(cast))


def last_word(cast: Cast) -> Cancel:
    """What the bearer signs to cancel it."""
    return Cancel(terms_of(cast), 1 << FREE, 1, soon(cast))


@dataclass(frozen=True)
class TakeFor(Take):
    """A bearer's word that a contract brings for a pharmacist."""

    pharmacist: str

    FUNCTION: ClassVar[str] = "takeFor"

    @classmethod
    def of(cls, cast: Cast) -> "TakeFor":
        return cls(**vars(word(cast)), pharmacist=cast.address("pharmacist"))

    def values(self) -> dict[str, Any]:
        return Take(**{each.name: getattr(self, each.name) for each in fields(Take)}).values()

    def arguments(self, *signatures: bytes) -> tuple[Any, ...]:
        return (self.pharmacist, *super().arguments(*signatures))


SIGNED = (
    SignedRow(Prescribe, prescription, ("doctor",)),
    SignedRow(Take, word, ("bearer",), sender="pharmacist"),
    SignedRow(TakeFor, TakeFor.of, ("bearer",), sender=CARRIER),
    SignedRow(Cancel, last_word, ("bearer",)),
    SignedRow(Handoff, signed_offer, ("maker",), sender="wholesaler"),
    SignedRow(Readings, readings, ("logger",)),
    SignedRow(Join, offer(MEMBERS.hospital), ("nobody yet",), sender="hospital"),
    SignedRow(Leave, notice, ("doctor",)),
    *signed_by("patient", "patient"),
    *signed_by(*MOVED),
)


# -- what is called --------------------------------------------------------------------------------------------------


def joining(member: int) -> tuple[Arguments, Arguments]:
    """What `join` and `joinMany` are called with."""

    def one(cast: Cast) -> tuple[Any, ...]:
        message = offer(member)(cast)
        return message.arguments(cast.sign(message, "nobody yet"))

    def many(cast: Cast) -> tuple[Any, ...]:
        terms, signature = one(cast)
        return [terms], [signature]

    return one, many


def consortium_rows() -> Iterator[Row]:
    def row(function: str, rule: Rule, arguments: Arguments, about: str = "", kinds: tuple[str, ...] = ()) -> Row:
        return Row("Consortium", function, about, arguments, rule, kinds)

    board, expiry = only("board", not_the_board), 2**40 - 1
    yield row("admit", board, lambda cast: (cast.address("nobody yet"), 1, 1, expiry))
    yield row("renew", board, lambda _: (MEMBERS.hospital, 1, 1, expiry))
    yield row("suspend", board, lambda _: (MEMBERS.hospital, 0))
    yield row("reinstate", board, lambda _: (SUSPENDED,))
    yield row("remove", board, lambda _: (MEMBERS.hospital, 0))
    yield row("renewKey", board, lambda _: (digest("key"),))
    yield row("offerBoard", board, lambda cast: (cast.address("nobody yet"),))
    yield row("acceptBoard", only("who was offered the board's seat", not_offered), lambda _: ())
    yield row("replaceAccount", board_or_member, lambda cast: (MEMBERS.hospital, cast.address("nobody yet")))
    yield row(
        "replaceAccount",
        lambda *_: Outcome("WrongStatus", (REMOVED, 3)),
        lambda cast: (REMOVED, cast.address("nobody yet")),
        "a removed member",
    )

    one, many = joining(MEMBERS.hospital)
    yield row("join", only("hospital", not_the_member(MEMBERS.hospital)), one)
    yield row("joinMany", only("hospital", not_the_member(MEMBERS.hospital)), many)
    for number, about in ((SUSPENDED, "a suspended member"), (EXPIRED, "an expired one"), (REMOVED, "a removed one")):
        one, many = joining(number)
        kinds = (ACTS_FOR[number], "hospital", "board", "stranger", "doctor", CARRIER)
        yield row("join", joins_out_of_standing(number), one, about, kinds)
        yield row("joinMany", joins_out_of_standing(number), many, about, kinds)

    yield row("leave", leaves, lambda _: ())
    yield row("dismiss", only("hospital", not_the_member(MEMBERS.hospital)), lambda cast: (cast.address("doctor"),))
    yield row("setOperator", acts_for_its_member, lambda cast: (cast.address(CARRIER), 1))


def called_with(*arguments: Any) -> Arguments:
    """The arguments of a call, those that depend on the cast looked up in it."""
    return lambda cast: tuple(each(cast) if callable(each) else each for each in arguments)


def pseudonym_rows(pseudonym: str, controller: str) -> Iterator[Row]:
    """The direct acts under a pseudonym."""
    moved = pseudonym != "patient"
    about = "a pseudonym that moved" if moved else ""
    kinds = (*MOVED, "former wallet", "patient", "publisher", "stranger", "doctor", CARRIER) if moved else ()
    controls = only(controller, not_the_controller(controller))
    me, doctor = the(pseudonym), the("doctor")

    def row(contract: str, function: str, rule: Rule, *arguments: Any) -> Row:
        return Row(contract, function, about, called_with(*arguments), rule, kinds)

    def terms(cast: Cast) -> tuple[Any, ...]:
        return (me(cast), doctor(cast), TREAT.number, 1, 0, day(50)(cast), 0)

    publisher = "" if moved else "publisher"
    yield row("Keys", "publish", publishes(controller, publisher), me, 2, digest("next"))
    yield row("Keys", "rotate", controls, me, 2, digest("next"), ZERO)
    yield row("Keys", "setPublisher", controls, me, ZERO)
    yield row("Keys", "raiseEra", controls, me)
    yield row("Grants", "grant", controls, terms)
    yield row("Grants", "narrow", controls, me, doctor, TREAT.number, 1, day(50))
    yield row("Grants", "revoke", controls, me, doctor, TREAT.number)
    yield row("Grants", "setParent", controls, me, 1, doctor, day(50))
    yield row("Records", "report", controls, me, [digest("more")], 1, soon)
    yield row("Records", "reseal", controls, me, [(0, OWN, digest("anew"))], 1, soon)
    own = amends(pseudonym, controller, 0, OWN)
    yield row("Records", "disown", own, me, OWN)
    yield row("Records", "supersede", own, me, OWN, OWN_REPLACEMENT)
    yield row("Records", "correct", own, me, OWN, OWN_REPLACEMENT)
    yield row("Letters", "send", controls, me, doctor, digest("letter"))
    yield row("Letters", "sendMany", controls, me, lambda cast: [(doctor(cast), digest("letter"))])


def other_rows() -> Iterator[Row]:
    """What the recovery contract, the writers of members, and anyone may do."""
    patient = the("patient")

    def row(contract: str, function: str, rule: Rule, *arguments: Any, about: str = "") -> Row:
        return Row(contract, function, about, called_with(*arguments), rule)

    recovery = only("recovery", not_the_recovery)
    yield row("Keys", "setFrozen", recovery, patient, True)
    yield row("Keys", "recover", recovery, patient, the("nobody yet"))

    yield row("Records", "anchor", writes, patient, digest("new"), 1, soon)
    yield row("Records", "anchorMany", writes, patient, [digest("new")], 1, soon)
    yield row("Records", "anchorInbox", writes, patient, [digest("new")])
    yield row("Records", "anchorDay", writes, digest("root"), soon, [])
    theirs = amends("patient", "patient", MEMBERS.hospital, RECORD)
    yield row("Records", "disown", theirs, patient, RECORD, about="a member's record")
    yield row("Records", "supersede", theirs, patient, RECORD, REPLACEMENT, about="a member's record")
    yield row("Records", "correct", theirs, patient, RECORD, REPLACEMENT, about="a member's record")

    yield row("Carrier", "carry", anyone, [])
    yield row("Carrier", "carryEach", anyone, [(0, [])])
    yield row("Carrier", "carryGroup", only_itself, [])


def goods_rows() -> Iterator[Row]:
    """What is done with goods: by their holder, their maker, a regulator, and a contract for the holder."""

    def row(function: str, rule: Rule, *arguments: Any, about: str = "") -> Row:
        return Row("Batches", function, about, called_with(*arguments), rule)

    def batch(cast: Cast) -> tuple[Any, ...]:
        expiry = (cast.world.clock.now // DAY + 700) * DAY
        words = [digest(word) for word in ("product", "lot", "tag")]
        return (digest("another root"), *words, 0, digest("manifest"), expiry, 6, 3)

    def brought(cast: Cast) -> tuple[Any, ...]:
        terms = signed_offer(cast)
        return terms.arguments(cast.sign(terms, "maker"))

    dispenses = of_holder(OPENED, PHARMACY, Role.PHARMACIST)
    by_operator = only(CARRIER, not_an_operator)
    pharmacist = the("pharmacist")
    yield row("commission", in_role(Role.MAKER), batch)
    yield row("offer", of_holder(AT_MAKER, MAKER), BATCH, AT_MAKER, 99, soon, NOTHING)
    yield row("withdraw", of_holder(OFFERED, MAKER), BATCH, OFFERED)
    yield row("reject", of_receiver(OFFERED), BATCH, OFFERED)
    yield row("accept", of_receiver(OFFERED), BATCH, OFFERED, [])
    yield Row("Batches", "acceptBySig", "", brought, of_receiver(SIGNED_FOR))
    yield row("dispense", of_holder(above(0, 0), PHARMACY, Role.PHARMACIST), BATCH, *proof(0))
    yield row("dispenseFor", by_operator, pharmacist, BATCH, *proof(0))
    yield row("dispenseMany", dispenses, BATCH, OPENED, 0, 1)
    yield row("undo", of_holder(above(DISPENSED, 0), PHARMACY, Role.PHARMACIST), BATCH, DISPENSED)
    yield row("undo", undoes_a_claimed_one, BATCH, CLAIMED, about="dispensed through a contract")
    yield row("undoFor", by_operator, pharmacist, BATCH, CLAIMED)
    yield row("end", of_holder(above(0, 0), PHARMACY), BATCH, 0, 0)
    yield row("endMany", of_holder(CLOSED, PHARMACY), BATCH, CLOSED, 0, 1 << 8, 0)
    for function, node in (("quarantine", CLOSED), ("release", BLOCKED)):
        yield row(function, of_holder(node, PHARMACY), BATCH, node, BY_HOLDER, 1, about="the holder's")
        yield row(function, of_maker, BATCH, node, BY_MAKER, 1, about="the maker's")
        yield row(function, in_role(Role.REGULATOR), BATCH, node, BY_REGULATOR, 1, about="a regulator's")
    yield row("release", of_maker, BATCH, BLOCKED, EXCURSION, 1, about="an excursion")
    yield row("reportExcursion", by_operator, PHARMACY, BATCH, AT_PHARMACY, 1)
    yield row("recall", recalls, BATCH, AT_PHARMACY, 1)
    yield row("liftRecall", in_role(Role.REGULATOR), BATCH, RECALLED, 1)
    yield row("anchorEvents", in_role(HANDLERS), TREE.root)

    yield Row("ColdChain", "setLimit", "", called_with(BATCH, (200, 800, 60, 800)), of_maker)
    yield Row("ColdChain", "log", "", called_with(report, []), in_role(Role.DEVICE, "NotALogger"))


def prescription_rows() -> Iterator[Row]:
    """What becomes of a prescription: by who prescribes, who prepares it, and a contract for them."""

    def row(function: str, rule: Rule, *arguments: Any, about: str = "") -> Row:
        return Row("Prescriptions", function, about, called_with(*arguments), rule)

    def id_(cast: Cast) -> bytes:
        return terms_of(cast).id

    def held(cast: Cast) -> tuple[Any, ...]:
        return filling(cast, HELD)

    def signed(message: Callable[[Cast], Message]) -> Arguments:
        return lambda cast: message(cast).arguments(cast.sign(message(cast), "bearer"))

    by_operator = only(CARRIER, not_an_operator)
    pharmacist, bearer = the("pharmacist"), the("bearer")
    yield row("prescribe", in_role(Role.PRESCRIBER), bearer, digest("lines"), digest("another"))
    yield Row("Prescriptions", "take", "", signed(word), named_by_the_bearer)
    yield Row("Prescriptions", "takeFor", "", signed(TakeFor.of), by_operator)
    yield row("giveBack", holds, id_, 1 << HELD)
    yield row("fill", holds, held)
    yield row("fillFor", by_operator, pharmacist, held)
    yield row("unfill", filled, id_, FILLED)
    through = unfills_otherwise(FILLED_FOR, in_role(Role.PHARMACIST))
    yield row("unfill", through, id_, FILLED_FOR, about="filled through a contract")
    yield row("unfillFor", by_operator, pharmacist, id_, FILLED_FOR)
    itself = unfills_otherwise(FILLED, by_operator)
    yield row("unfillFor", itself, pharmacist, id_, FILLED, about="filled without a contract")
    yield row("cancel", cancels, id_, 1 << FREE)


def carried_rows(rows: Iterable[SignedRow]) -> Iterator[Row]:
    """What is signed may be sent by anyone; taking on staff is the member's own act, and has a row above."""
    for signed in rows:
        if signed.sender == "relayer" and not signed.about and signed.place == 0:
            yield Row(signed.type.CONTRACT, signed.type.FUNCTION, "", signed.arguments, anyone, SENDERS)


ROWS = (
    *consortium_rows(),
    *pseudonym_rows("patient", "patient"),
    *pseudonym_rows(*MOVED),
    *other_rows(),
    *goods_rows(),
    *prescription_rows(),
    *carried_rows(SIGNED),
)
