"""What insurers, patients and providers hand each other: written and read, and refused where it is broken."""

import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
import rfc8785
from real_anvil import ROOT

from theriac.cover import policies
from theriac.cover.messages import NONE, Claim, Line
from theriac.cover.papers import Consent, Enrolment, Offer, Request, Words, Year, new_claim, until, words_of
from theriac.cover.schedule import Schedule
from theriac.errors import BadDocument

SOMEBODY = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
SCHEDULE = Schedule.of(policies.parse((ROOT / "examples" / "plan.yaml").read_bytes()), b"secret" * 5 + b"..")
YEAR = Year(date(2003, 8, 16), 10_000, 10_364, 1_956_528_000)
OFFER = Offer(b"p" * 32, "Lake Insurance", SCHEDULE, YEAR, family=2**95 + 1, lifetime=10**15 - 1, underwriter=SOMEBODY)
CARD = OFFER.card(SOMEBODY)
ENROLMENT = Enrolment(OFFER.enrol(SOMEBODY, era=1, deadline=2**33), b"signature")


def line(code: str, day: int = YEAR.first) -> Line:
    [entry] = [each for each in SCHEDULE.entries if each.service.code == code]
    return Line(entry.benefit.service, day, 2, 10**15)


def claim() -> Claim:
    lines = [line("185349003"), line("745679", day=0)]
    return new_claim(CARD, provider=4, evidence=b"e" * 32, lines=lines, era=1, deadline=2**33)


REQUEST = Request(claim(), words_of(claim().lines, SCHEDULE, YEAR), "Hill Surgery")
CONSENT = Consent(REQUEST.claim.id, 2**33, b"signature")


@pytest.mark.parametrize("paper", [OFFER, CARD, ENROLMENT, REQUEST, CONSENT], ids=lambda paper: type(paper).__name__)
def test_paper__comes_back_as_it_was(paper: Any) -> None:
    assert type(paper).decode(paper.encode() + b"\n") == paper


@pytest.mark.parametrize("paper", [OFFER, CARD, ENROLMENT, REQUEST, CONSENT], ids=lambda paper: type(paper).__name__)
@pytest.mark.parametrize("junk", [b"", b"{}", b"[]", b"null", b"\xff", b'{"kind":"x","format":1}'])
def test_paper__what_is_none__is_refused(paper: Any, junk: bytes) -> None:
    with pytest.raises(BadDocument):
        type(paper).decode(junk)


@pytest.mark.parametrize(
    ("paper", "changes"),
    [
        (OFFER, {"first": 0}),
        (OFFER, {"first": -1}),
        (OFFER, {"last": 2**16}),
        (OFFER, {"last": 9_999}),
        (OFFER, {"ends": "soon"}),
        (OFFER, {"origin": "9990-01-01"}),
        (OFFER, {"origin": "2031-13-01"}),
        (OFFER, {"family": "ff" * 13}),
        (OFFER, {"lifetime": -1}),
        (OFFER, {"underwriter": "somebody"}),
        (OFFER, {"plan": "00"}),
        (CARD, {"pseudonym": "0x12"}),
        (CARD, {"pseudonym": None}),
        (REQUEST, {"words": []}),
        (REQUEST, {"words": [{}]}),
        (REQUEST, {"claim": {}}),
        (CONSENT, {"deadline": -1}),
        (CONSENT, {"deadline": 2**40}),
        (CONSENT, {"claim": "00"}),
        (CONSENT, {"signature": "xx"}),
        (ENROLMENT, {"terms": {}}),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else type(value).__name__,
)
def test_paper__a_part_that_is_broken__is_refused(paper: Any, changes: dict[str, Any]) -> None:
    # given
    told = {**json.loads(paper.encode()), **changes}

    # then
    with pytest.raises(BadDocument):
        type(paper).decode(rfc8785.dumps(told))


def test_words_of__what_lines_are_by_the_schedule() -> None:
    assert REQUEST.words == (
        Words("185349003", "Check-up", "2031-01-01"),
        Words("745679", "Albuterol inhaler", ""),
    )


def test_words_of__a_service_that_is_not_listed__is_refused() -> None:
    with pytest.raises(BadDocument, match="no service of this plan"):
        words_of([Line(NONE, 1, 1, 1)], SCHEDULE, YEAR)


def test_year__draws_an_origin_and_ends_after_its_last_day() -> None:
    # when
    year, other = (Year.of(date(2031, 1, 1), date(2031, 12, 31)) for _ in range(2))

    # then
    assert (year.day(year.first), year.day(year.last)) == (date(2031, 1, 1), date(2031, 12, 31))
    assert year.number(date(2031, 1, 2)) == year.first + 1
    assert 0 <= year.ends - 1_956_528_000 <= 14 * 24 * 3600
    assert year.ends_in_time()
    assert year.origin != other.origin


def test_year__first_day__has_a_number_that_leaves_room_before_and_after() -> None:
    # when
    numbers = {Year.of(date(2031, 1, 1), date(2031, 12, 31)).first for _ in range(2000)}

    # then
    assert len(numbers) > 1800
    assert 1_000 <= min(numbers) <= 1_300
    assert 29_700 <= max(numbers) <= 30_000


def test_until__another_end__is_another_claim() -> None:
    # when
    sooner = until(REQUEST.claim, REQUEST.claim.deadline - 1)

    # then
    assert sooner.id != REQUEST.claim.id
    assert replace(sooner, deadline=REQUEST.claim.deadline) == REQUEST.claim
