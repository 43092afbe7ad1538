"""Targets of theriac.cover: plans, schedules, claims, papers, dossiers."""

from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from fuzz.medicine import FHIR, WORDS
from fuzz.targets import HYBRID, Target
from theriac import fhir
from theriac.cover import claims, dossier, papers, policies
from theriac.cover.schedule import Schedule
from theriac.errors import BadClaim, BadDocument, BadDossier, BadPlan, BadSchedule
from theriac.health import documents

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
YAML = (
    b"&a ",
    b"*a",
    b"!!",
    b"<<: ",
    b"? ",
    b"- ",
    b": ",
    b"\n",
    b"---\n",
    b"|\n",
    b"0x",
    b"1_0",
    b".inf",
    b"{",
    b"[",
    b'"',
)


@cache
def schedule() -> Schedule:
    return Schedule.of(policies.parse((EXAMPLES / "plan.yaml").read_bytes()), bytes(range(32)))


def _claim(data: bytes) -> Any:
    return claims.from_fhir(fhir.parse(data), schedule(), origin=date(2031, 1, 1))


def _verified(data: bytes) -> Any:
    found = dossier.Dossier.decode(data)
    return found.verify(found.claim.id)


def _opening(data: bytes) -> Any:
    return papers.open_opening(documents.seal(data, to=HYBRID.recipient), [HYBRID])


def _encoded(read: Any) -> bytes:
    return bytes(read.encode())


def _plan(data: bytes) -> Any:
    plan = policies.parse(data)
    return plan, policies.validate(plan)


PAPER = "256 MiB; 64 levels of JSON"

TARGETS = [
    Target(
        name="plan",
        entry="theriac.cover.policies:parse",
        read=_plan,
        may=(BadPlan,),
        limit="`LARGEST` bytes; no anchors, tags or merges in YAML",
        words=(*YAML, *WORDS),
        typed=False,
    ),
    Target(
        name="schedule",
        entry="theriac.cover.schedule:Schedule.decode",
        read=Schedule.decode,
        write=_encoded,
        may=(BadSchedule,),
        limit=PAPER,
        words=WORDS,
        typed=False,
    ),
    Target(
        name="claim",
        entry="theriac.cover.claims:from_fhir",
        read=_claim,
        may=(*FHIR, BadClaim),
        limit="200 levels; as many lines as a claim may have",
        words=(*WORDS, b"1e9", b"1E-9", b"0.5", b"2031-01"),
    ),
    Target(
        name="dossier",
        entry="theriac.cover.dossier:Dossier.decode",
        read=dossier.Dossier.decode,
        write=_encoded,
        may=(BadDossier,),
        limit=PAPER,
        words=WORDS,
        typed=False,
    ),
    Target(
        name="dossier-verified",
        entry="theriac.cover.dossier:Dossier.verify",
        read=_verified,
        may=(BadDossier,),
        limit=PAPER,
        words=WORDS,
    ),
    *(
        Target(
            name=f"cover-{kind.__name__.lower()}",
            entry=f"theriac.cover.papers:{kind.__name__}.decode",
            read=kind.decode,
            write=_encoded,
            may=(BadDocument,),
            limit=PAPER,
            words=WORDS,
        )
        for kind in (papers.Offer, papers.Enrolment, papers.Card, papers.Request, papers.Consent)
    ),
    Target(
        name="opening",
        entry="theriac.cover.papers:open_opening",
        read=_opening,
        may=(BadDocument,),
        limit=PAPER,
        words=WORDS,
    ),
]
