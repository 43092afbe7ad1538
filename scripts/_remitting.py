"""What was decided about a claim, as FHIR: from the chain's facts, its schedule and the origin of its days alone."""

from datetime import UTC, date, datetime

from theriac.cover import claims
from theriac.cover.claiming import Claimed, Cover, Status
from theriac.cover.schedule import Schedule


def explained(cover: Cover, claimed: Claimed, schedule: Schedule, *, origin: date) -> bytes:
    """An ExplanationOfBenefit. Raises BadClaim where the schedule is another plan's."""
    state = claimed.state
    settlement = claims.Settlement(
        claim=claimed.claim,
        insurer=int(cover.plan(claimed.claim.plan)["insurer"]),
        status=claims.Status(state.status),
        decided=datetime.fromtimestamp(state.decided or state.time, UTC),
        outcomes=() if state.status == Status.PENDED else claimed.outcomes,
        paid=state.paid,
        share=state.share,
        missing=claims.Missing(state.missing),
    )
    return claims.explanation(settlement, schedule, origin=origin)
