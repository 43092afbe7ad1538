"""The table of messages: each one that a contract takes by signature, ready to be sent, and what it then tells.

The table knows nothing of a chain. Whoever uses it deploys the contracts, admits the member, carries the preparation in
its order, and then has every message of the table ready at once: each counts, whichever of the others was sent or not.
"""

from dataclasses import replace

from signature_cast import DAY, NOBODY, Case, Cast, Event, Signed, digest
from signature_cover import LINE_FOR_GOODS, Objection, cover_cases, cover_preparation, for_goods
from signature_delegated import delegated, delegated_before
from signature_recovery import of_other_account, recovery_cases, recovery_preparation

from theriac.consortium import Join, Leave, Role
from theriac.health.messages import (
    CORRECT,
    SANCTIONED,
    Amend,
    Grant,
    HandOver,
    Letter,
    Narrow,
    Publish,
    Report,
    Reseal,
    Resealing,
    Review,
    Revoke,
    RevokeEverything,
    Rotate,
    SetParent,
    SetPublisher,
)
from theriac.health.scope import Category, KeyClass, Level, Purpose, mask_of
from theriac.ledger.typed import Message
from theriac.medicine.messages import Cancel, Goods, Handoff, Prescribe, Readings, Take

TREATMENT = Purpose.parse("TREAT")
FAMILY = Purpose.parse("FAMRQT")
LABORATORY = mask_of([KeyClass(Category.LABORATORY, Level.N)])
WIDE = mask_of(KeyClass(category, Level.N) for category in (Category.LABORATORY, Category.IMAGING, Category.CONDITIONS))

# The status of a record that was put right, as the chain numbers it.
CORRECTED = 3

# The sizes of the maker's pallets and cases, and two of its pallets.
PALLET_BITS, CASE_BITS = 6, 3
PALLET, NEXT_PALLET = 1 << 14, 1 << 14 | 1

# What goods bear, in hundredths of a degree and minutes, and the excursion that is reported.
LIMIT = (200, 800, 60, 900)
MINUTES, KINETIC, EXCURSION, TOO_LONG = 61, 512, 8, 1

# Which lines of a prescription a word is about: both.
BOTH_LINES = 0b11


def preparation(cast: Cast) -> list[Signed]:
    """What must have been carried before the table's messages count; then a writer anchors `digest("record")`."""
    pseudonym, deadline = cast.pseudonym, cast.deadline
    own = [digest("own record"), digest("newer own record")]
    grant = Grant(pseudonym, cast.reader, TREATMENT, WIDE, 0, cast.midnight(30), cast.fresh(0))
    return [
        Signed(Rotate(pseudonym, 1, digest("bundle 1"), cast.publisher, 0, 0, deadline), ("controller",)),
        Signed(Report(pseudonym, own, 1, cast.midnight(1), 0, deadline), ("controller",)),
        Signed(grant, ("controller",)),
        *delegated_before(cast),
        *(Signed(prescription, ("prescriber",)) for prescription in [*prescriptions(cast), for_goods(cast)]),
        Signed(Take(for_goods(cast).terms, 1 << LINE_FOR_GOODS, 0, cast.pharmacy, 0, deadline), ("bearer",)),
        *cover_preparation(cast),
        *recovery_preparation(cast),
    ]


def prescriptions(cast: Cast) -> list[Prescribe]:
    """What must have been prescribed: the bearer's first word about one of them is to take it, about the other to
    cancel it.
    """
    return [cast.prescribing("taken"), cast.prescribing("cancelled")]


def cases(cast: Cast) -> dict[str, Case]:
    """The table, by the name of the message's type; variants of a type have a word more."""
    pseudonym, deadline, nonce = cast.pseudonym, cast.deadline, cast.appointments
    until, earlier, tonight = cast.midnight(60), cast.midnight(10), cast.midnight(1)
    bundle, publisher = digest("bundle 2"), cast.reader
    found: dict[str, Case] = {}

    def case(name: str, message: Message, *events: Event, signers: tuple[str, ...] = ("controller",)) -> None:
        found[name] = Case(message, signers, events)

    # -- keys
    def published(by: str) -> Event:
        return Event("Published", {"pseudonym": pseudonym, "version": 2, "bundle": bundle, "by": by})

    appointed = Event("PublisherSet", {"pseudonym": pseudonym, "publisher": publisher})
    raised = Event("EraRaised", {"pseudonym": pseudonym, "era": 1})
    handed = Event("HandedOver", {"pseudonym": pseudonym, "controller": cast.successor, "former": cast.controller})
    both = ("controller", "successor")

    publish = Publish(pseudonym, 2, bundle, 0, deadline)
    case("Publish", publish, published(cast.controller))
    case("Publish by the publisher", publish, published(cast.publisher), signers=("publisher",))
    rotate = Rotate(pseudonym, 2, bundle, publisher, nonce, 0, deadline)
    case("Rotate", rotate, published(cast.controller), appointed)
    case("SetPublisher", SetPublisher(pseudonym, publisher, nonce, 0, deadline), appointed)
    case("RevokeEverything", RevokeEverything(pseudonym, 0, deadline), raised)
    hand_over = HandOver(pseudonym, cast.successor, publisher, False, nonce, 0, deadline)
    case("HandOver", hand_over, raised, appointed, handed, signers=both)
    keeping = HandOver(pseudonym, cast.successor, publisher, True, nonce, 0, deadline)
    case("HandOver keeping the grants", keeping, appointed, handed, signers=both)

    # -- grants
    granted = {"pseudonym": pseudonym, "reader": cast.daughter, "purpose": FAMILY.number}
    to_reader = {"pseudonym": pseudonym, "reader": cast.reader, "purpose": TREATMENT.number}
    case(
        "Grant",
        Grant(pseudonym, cast.daughter, FAMILY, WIDE, tonight, until, cast.fresh(0)),
        Event("Granted", {**granted, "scope": WIDE, "start": tonight, "expiry": until, "by": 0}),
    )
    case(
        "Narrow",
        Narrow(pseudonym, cast.reader, TREATMENT, LABORATORY, earlier, cast.fresh(1)),
        Event("Narrowed", {**to_reader, "scope": LABORATORY, "expiry": earlier}),
    )
    case("Revoke", Revoke(pseudonym, cast.reader, TREATMENT, cast.fresh(1)), Event("Revoked", to_reader))
    case(
        "SetParent",
        SetParent(pseudonym, 3, cast.daughter, until, cast.fresh(0)),
        Event(
            "ParentSet",
            {"pseudonym": pseudonym, "by": 3, "holder": cast.daughter, "generation": 1, "expiry": until},
        ),
    )

    for name, row in delegated(cast).items():
        found[name] = row

    # -- records
    diary = [digest("diary, Monday"), digest("diary, Tuesday")]
    own, newer = digest("own record"), digest("newer own record")
    old, new = digest("record"), digest("record, sealed anew")
    case(
        "Report",
        Report(pseudonym, diary, 1, tonight, 0, deadline),
        Event("AnchoredMany", {"pseudonym": pseudonym, "author": 0, "version": 1, "digests": diary}),
    )
    case(
        "Reseal",
        Reseal(pseudonym, [Resealing(cast.member, old, new)], 1, tonight, 0, deadline),
        Event(
            "Resealed",
            {
                "pseudonym": pseudonym,
                "author": cast.member,
                "version": 1,
                "anchoredBy": cast.member,
                "old": old,
                "digest": new,
            },
        ),
    )
    case(
        "Amend",
        Amend(pseudonym, CORRECT, own, newer, 0, deadline),
        Event("Amended", {"pseudonym": pseudonym, "author": 0, "act": CORRECTED, "old": own, "digest": newer}),
    )

    # -- letters
    case(
        "Letter",
        Letter(pseudonym, cast.reader, digest("letter"), 0, 0, deadline),
        Event("Sent", {"to": cast.reader, "from": pseudonym, "letter": digest("letter")}),
    )

    # -- emergencies
    reviewed = {"number": cast.emergency, "clinician": cast.clinician, "verdict": SANCTIONED, "by": cast.controller}
    case(
        "Review",
        Review(pseudonym, cast.emergency, SANCTIONED, cast.midnight(20), 0, deadline),
        Event("Reviewed", {**reviewed, "barredUntil": cast.midnight(20), "member": 0}),
    )

    # -- members
    joined = Role.PRESCRIBER | Role.LABORATORY
    case(
        "Join",
        Join(cast.joiner, cast.member, joined, 0, deadline),
        Event("Joined", {"member": cast.member, "account": cast.joiner, "roles": int(joined)}),
        signers=("joiner",),
    )
    case(
        "Leave",
        Leave(cast.leaver, cast.member, 1, deadline),
        Event("Left", {"member": cast.member, "account": cast.leaver}),
        signers=("leaver",),
    )

    # -- goods
    sheet, root, sealed = digest("sheet"), digest("root of readings"), digest("sealed readings")
    handed = {"batch": cast.batch, "from": cast.maker, "to": cast.receiver, "node": PALLET}
    case(
        "Handoff",
        Handoff(cast.batch, PALLET, cast.giver, cast.receiver, 0, sheet, deadline),
        Event("HandedOver", {**handed, "back": False, "rejoined": False, "sheet": sheet, "missing": []}),
        signers=("giver",),
    )
    verdict = cast.now - DAY | cast.now << 40 | LIMIT[0] << 80 | LIMIT[1] << 96 | MINUTES << 112 | KINETIC << 144
    beside = {"batch": cast.batch, "member": cast.maker, "node": NEXT_PALLET}
    logged = {"member": cast.maker, "logger": cast.logger, "root": root, "readings": sealed, "verdict": verdict}
    case(
        "Readings",
        Readings(cast.logger, root, sealed, verdict, [Goods(cast.batch, NEXT_PALLET)]),
        Event("Logged", logged),
        Event("Exceeded", {**beside, "root": root, "reason": TOO_LONG}),
        Event("Blocked", {**beside, "block_": EXCURSION, "reason": TOO_LONG}),
        signers=("logger",),
    )

    # -- prescriptions
    prescribe = cast.prescribing("new")
    taken, cancelled = (each.terms for each in prescriptions(cast))
    told = {"bearer": cast.bearer, "lines": prescribe.terms.lines, "file": prescribe.file}
    prescriber = {"member": cast.member, "prescriber": cast.prescriber}
    case(
        "Prescribe",
        prescribe,
        Event("Prescribed", {"prescription": prescribe.terms.id, **prescriber, **told}),
        signers=("prescriber",),
    )
    held = {"prescription": taken.id, "member": cast.pharmacy, "lines": BOTH_LINES, "from": 0}
    case(
        "Take",
        Take(taken, BOTH_LINES, 0, cast.pharmacy, 0, deadline),
        Event("Taken", {**held, "ends": DAY}),
        signers=("bearer",),
    )
    case(
        "Cancel",
        Cancel(cancelled, BOTH_LINES, 0, deadline),
        Event("Cancelled", {"prescription": cancelled.id, "member": 0, "lines": BOTH_LINES}),
        signers=("bearer",),
    )
    return found | recovery_cases(cast) | cover_cases(cast)


def of_account(message: Message, address: str) -> Message:
    """The same message, but of another account, which never joined a member and for which nothing was prescribed."""
    found = of_other_account(message, address)
    if found is not None:
        return found
    if isinstance(message, Take | Cancel):
        return replace(message, terms=replace(message.terms, bearer=address))
    if isinstance(message, Objection):
        shown = replace(message.shown, pseudonym=address)
        return replace(message, pseudonym=address, claim=shown.id, shown=shown)
    fields = {
        "Join": "account",
        "Leave": "account",
        "Letter": "sender",
        "Handoff": "by",
        "Readings": "logger",
        "Prescribe": "prescriber",
        "Ruling": "arbiter",
        "Agreement": "signer",
        "Outcome": "assessor",
    }
    field = fields.get(message.TYPE, "pseudonym")
    other = replace(message, **{field: address})
    return replace(other, nonce=0) if isinstance(other, Leave) else other


NAMES = tuple(cases(NOBODY))
"""The names of the table's rows, for tests that are made from them."""
