"""The rows of the table of messages that are about delegates."""

from signature_cast import Case, Cast, Event, Signed

from theriac.health.delegations import Appoint, DelegatedGrant, DelegatedNarrow, DelegatedRevoke, mask_of_purposes
from theriac.health.scope import Category, KeyClass, Level, Purpose, mask_of
from theriac.ledger.typed import Message

TREATMENT, FAMILY = Purpose.parse("TREAT"), Purpose.parse("FAMRQT")
LABORATORY = mask_of([KeyClass(Category.LABORATORY, Level.N)])
WIDE = LABORATORY | mask_of([KeyClass(Category.IMAGING, Level.N)])
BOTH = mask_of_purposes([TREATMENT, FAMILY])

# The numbers of the delegate, and of the one that the table appoints.
STANDING, NEW = 5, 6


def delegated_before(cast: Cast) -> list[Signed]:
    """A delegate, and what it granted."""
    until = cast.midnight(80)
    appoint = Appoint(cast.pseudonym, STANDING, cast.delegate, WIDE, BOTH, 0, until, cast.fresh(0))
    grant = DelegatedGrant(cast.pseudonym, cast.publisher, FAMILY, WIDE, 0, until, cast.fresh(0), STANDING)
    return [Signed(appoint, ("controller",)), Signed(grant, ("delegate",))]


def delegated(cast: Cast) -> dict[str, Case]:
    """What the controller signs to appoint one, and what it signs itself."""
    pseudonym, until, earlier = cast.pseudonym, cast.midnight(60), cast.midnight(10)
    of_place = {"pseudonym": pseudonym, "reader": cast.publisher, "purpose": FAMILY.number}
    granted = {"pseudonym": pseudonym, "reader": cast.successor, "purpose": TREATMENT.number}
    parent = {"pseudonym": pseudonym, "by": NEW, "holder": cast.daughter, "generation": 1, "expiry": until}
    mandate = {"pseudonym": pseudonym, "by": NEW, "scope": WIDE, "purposes": BOTH, "threshold": 0}
    by_delegate = ("delegate",)
    return {
        "Appoint": Case(
            Appoint(pseudonym, NEW, cast.daughter, WIDE, BOTH, 0, until, cast.fresh(0)),
            ("controller",),
            (Event("ParentSet", parent), Event("MandateSet", mandate)),
        ),
        "Grant by a delegate": Case(
            DelegatedGrant(pseudonym, cast.successor, TREATMENT, LABORATORY, 0, until, cast.fresh(0), STANDING),
            by_delegate,
            (Event("Granted", {**granted, "scope": LABORATORY, "start": 0, "expiry": until, "by": STANDING}),),
        ),
        "Narrow by a delegate": Case(
            DelegatedNarrow(pseudonym, cast.publisher, FAMILY, LABORATORY, earlier, cast.fresh(1)),
            by_delegate,
            (Event("Narrowed", {**of_place, "scope": LABORATORY, "expiry": earlier}),),
        ),
        "Revoke by a delegate": Case(
            DelegatedRevoke(pseudonym, cast.publisher, FAMILY, cast.fresh(1)),
            by_delegate,
            (Event("Revoked", of_place),),
        ),
    }


def of_delegate(message: Message) -> bool:
    """Whether a delegate signs it: where none lives, it is nobody who should have."""
    return isinstance(message, DelegatedGrant | DelegatedNarrow | DelegatedRevoke)
