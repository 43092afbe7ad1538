"""What an auditor's commands do about claims: dossiers, and rulings on what an insurer refuted."""

from scripts._cli import Failure
from scripts._covering import cover_of, opened, sending
from scripts._member import Desk
from theriac.cover.appealing import RefutationStatus, refutation_of
from theriac.cover.claiming import Claimed
from theriac.cover.dossier import Dossier, dossier_of
from theriac.ledger.node import Node


def dossier(desk: Desk, claim: str) -> tuple[Dossier, bytes]:
    """A claim's dossier, checked once before it is handed out, and its number. Raises BadDossier, NotRecomputed."""
    with cover_of(desk.site, desk.person.folder) as cover:
        claimed = cover.claimed(cover.named(claim))
        made = dossier_of(cover, Node(desk.site.web3), claimed).sealed(desk.site.signer(desk.alias))
    made.verify(claimed.id)
    return made, claimed.id


def refutations(desk: Desk) -> list[tuple[Claimed, RefutationStatus]]:
    """The claims of plans that this member is the arbiter of, which were refuted, with where that stands."""
    found = []
    with cover_of(desk.site, desk.person.folder) as cover:
        for event in cover.index.events("Appeals", "Refuted"):
            claimed = cover.claimed(bytes(event.arguments["claim"]))
            if cover.plan(claimed.claim.plan)["arbiter"] == desk.member:
                found.append((claimed, refutation_of(cover, claimed.id).status))
    return found


def read_refutation(desk: Desk, claim: str) -> dict[str, object]:
    """What the insurer sealed to this arbiter. Raises Failure."""
    with cover_of(desk.site, desk.person.folder) as cover:
        refutation = refutation_of(cover, cover.named(claim))
        if refutation.status is RefutationStatus.NONE:
            raise Failure("Nobody refuted this claim.", 3)
        return opened(desk, refutation.openings)


def ruled(desk: Desk, claim: str, *, for_insurer: bool) -> Claimed:
    """Rules about a refuted claim."""
    with cover_of(desk.site, desk.person.folder, sending(desk)) as cover:
        claimed = cover.claimed(cover.named(claim))
        refutation = refutation_of(cover, claimed.id)
        if refutation.status is not RefutationStatus.OPEN:
            raise Failure(f"There is nothing to rule on: the refutation is {refutation.status.word}.", 3)
        cover.send("Appeals", "rule", claimed.settled, refutation.openings, for_insurer)
        cover.sync()
        return cover.claimed(claimed.id)
