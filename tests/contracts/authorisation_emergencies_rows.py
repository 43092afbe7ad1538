"""Who may break the glass, release, take back, review and clear; and whose signature reviews."""

from authorisation_cast import ACCEPTED, CANNOT_BE_ASKED, OF_THE_DOCTOR, OF_THE_NURSE, STAFF_OF, Cast, Outcome
from authorisation_rows import Row, Rule, SignedRow, in_role, not_the_board, only, stands
from contracts_world import DAY, MEMBERS, digest

from theriac.consortium import Role
from theriac.health.messages import JUSTIFIED, Review

PATIENTS_OWN, LAPSE = 3 * DAY, 14 * DAY


def _opened(cast: Cast, number: int) -> int:
    return int(cast.world.emergencies.caseOf(number).opened)


def _breaks(cast: Cast, asking: str) -> Outcome:
    """A clinician in standing, unless her latest emergency waits for its review."""
    if asking == "nurse":
        return Outcome("Unreviewed", (OF_THE_NURSE, _opened(cast, OF_THE_NURSE) + LAPSE))
    return in_role(Role.CLINICIAN, "NotAClinician")(cast, asking)


def _not_the_clinician(cast: Cast, asking: str) -> Outcome:
    return Outcome("NotTheClinician", (cast.address(asking), cast.address("nurse")))


def _reviews(controller: str, number: int, *, old: bool) -> Rule:
    """The controller; once the patient's days are over an auditor of another member, too."""

    def rule(cast: Cast, asking: str) -> Outcome:
        if asking == controller:
            return ACCEPTED
        if not stands(asking, Role.AUDITOR):
            return Outcome("NotAReviewer", (cast.address(asking),))
        assert STAFF_OF[asking] != MEMBERS.hospital
        return ACCEPTED if old else Outcome("TooEarly", (number, _opened(cast, number) + PATIENTS_OWN))

    return rule


ROWS = (
    Row(
        "Emergencies",
        "open",
        "",
        lambda cast: (cast.address("patient"), 1, CANNOT_BE_ASKED, digest("sealed words")),
        _breaks,
    ),
    Row(
        "Emergencies",
        "release",
        "",
        lambda cast: (OF_THE_NURSE, digest("sealed share")),
        in_role(Role.CUSTODIAN, "NotACustodian"),
    ),
    Row("Emergencies", "withdraw", "", lambda cast: (OF_THE_NURSE,), only("nurse", _not_the_clinician)),
    Row(
        "Emergencies",
        "review",
        "in the patient's days",
        lambda cast: (OF_THE_NURSE, JUSTIFIED, 0),
        _reviews("patient", OF_THE_NURSE, old=False),
    ),
    Row(
        "Emergencies",
        "review",
        "after them",
        lambda cast: (OF_THE_DOCTOR, JUSTIFIED, 0),
        _reviews("relayer", OF_THE_DOCTOR, old=True),
    ),
    Row(
        "Emergencies",
        "reviewBySig",
        "",
        lambda cast: _review(cast).arguments(cast.sign(_review(cast), "patient")),
        lambda cast, asking: ACCEPTED,
    ),
    Row("Emergencies", "clear", "", lambda cast: (cast.address("doctor"),), only("board", not_the_board)),
)


def _review(cast: Cast) -> Review:
    return Review(cast.address("patient"), OF_THE_NURSE, JUSTIFIED, 0, 0, cast.world.clock.soon())


SIGNED = (SignedRow(Review, _review, ("patient",)),)
