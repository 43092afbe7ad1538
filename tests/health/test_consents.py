"""Grants out: each Consent is valid, follows its profile, states one grant of the chain, and comes back no wider."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from consent_cases import ANN, BEN, LEDGER, NOW, circumstances, member, resource
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from theriac import fhir
from theriac.errors import BadConsent, NotStated
from theriac.health.consents import Option, Stated, Terms, check, claimed_by, consent_of
from theriac.health.provisions import read
from theriac.health.readable import LANGUAGES, WORDS, Shown, grants_page, grants_text, rows_of
from theriac.health.scope import ALL_CLASSES, PURPOSES, KeyClass, Level, Purpose, mask_of

TREAT = Purpose.parse("TREAT")
START, END = datetime(2031, 3, 10, 9, tzinfo=UTC), datetime(2031, 5, 1, tzinfo=UTC)
LAB = KeyClass.parse("laboratory/N")


def terms_of(*classes: KeyClass, **changes: Any) -> Terms:
    return replace(Terms(member(1), TREAT, classes or (LAB,), None, START, END), **changes)


def stated_of(terms: Terms, **changes: Any) -> Stated:
    start, end = int((terms.start or START).timestamp()), int(terms.end.timestamp())
    plain = Stated(LEDGER, ANN, terms.reader, terms.purpose, mask_of(terms.classes), start, end, nonce=7, era=2)
    return replace(plain, **changes)


def out(terms: Terms, *, name: str = "North Clinic", **changes: Any) -> dict[str, Any]:
    return consent_of(terms, stated_of(terms, **changes), name=name, now=NOW, era=2)


def lacking(consent: dict[str, Any], option: Option) -> list[str]:
    """What the profile of PCF asks for and a Consent does not have, or has and may not."""
    provision = consent["provision"]
    asked = ("status", "scope", "category", "patient", "dateTime", "performer", "organization", "sourceReference")
    found = [name for name in asked if not consent.get(name)]
    found += ["policy.uri" for each in consent["policy"] if not each.get("uri")]
    found += [name for name in ("verification", "policyRule") if name in consent]
    forbidden = {"action", "class", "code", "data"}
    if option is Option.BASIC:
        forbidden |= {"securityLabel", "dataPeriod", "provision"}
    if option is Option.INTERMEDIATE:
        forbidden |= {"securityLabel"}
    roles = [each["role"]["coding"][0]["code"] for each in provision["actor"]]
    return found + sorted(forbidden & provision.keys()) + [each for each in roles if each != "IRCP"]


_KINDS = {
    Option.BASIC: terms_of(*ALL_CLASSES),
    Option.INTERMEDIATE: terms_of(*ALL_CLASSES, since=datetime(2030, 1, 1, tzinfo=UTC)),
    Option.ADVANCED: terms_of(LAB, KeyClass.parse("mental-health/R"), reader=BEN),
}


@pytest.mark.parametrize("option", list(Option), ids=lambda each: each.value)
def test_consent_of__is_valid_and_follows_its_profile(option: Option) -> None:
    consent = out(_KINDS[option])

    assert consent["meta"]["profile"] == [
        f"https://profiles.ihe.net/ITI/PCF/StructureDefinition/IHE.PCF.consent{option.value}"
    ]
    assert fhir.problems_of(resource(consent)) == []
    assert lacking(consent, option) == []


def test_consent_of__says_each_term_in_the_words_of_the_standard() -> None:
    consent = out(_KINDS[Option.ADVANCED])

    assert consent["provision"] == {
        "type": "permit",
        "period": {"start": "2031-03-10T09:00:00Z", "end": "2031-04-30T23:59:59Z"},
        "actor": [
            {
                "role": {
                    "coding": [
                        {
                            "system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType",
                            "code": "IRCP",
                            "display": "information recipient",
                        }
                    ]
                },
                "reference": {
                    "type": "Practitioner",
                    "identifier": {"system": "urn:theriac:account", "value": f"eip155:31:{BEN}"},
                    "display": "North Clinic",
                },
            }
        ],
        "purpose": [
            {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "TREAT", "display": "treatment"}
        ],
        "securityLabel": [
            {"system": "urn:theriac:key-class", "code": "laboratory/N"},
            {"system": "urn:theriac:key-class", "code": "mental-health/R"},
        ],
    }


def test_consent_of__a_whole_level__is_one_label() -> None:
    consent = out(terms_of(*(each for each in ALL_CLASSES if each.level is Level.N)))

    assert consent["provision"]["securityLabel"] == [
        {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "N"}
    ]


def test_consent_of__carries_which_grant_it_states_and_that_it_is_none() -> None:
    terms = terms_of()
    consent = out(terms)

    start, end = int(START.timestamp()), int(END.timestamp())
    kinds = ["uint256", "address", "address", "address", "uint8", "uint64", "uint40", "uint40", "uint32", "uint32"]
    values = (31, LEDGER.grants, ANN, member(1), 1, 1 << 4, start, end, 7, 2, 0, 0)
    digest = "0x" + keccak(encode([*kinds, "uint16", "uint32"], values)).hex()
    parts = {each["url"]: each["valueString"] for each in consent["extension"][0]["extension"]}
    notice = parts.pop("notice")
    assert parts == {
        "chainId": "31",
        "contract": LEDGER.grants,
        "pseudonym": ANN,
        "reader": member(1),
        "purpose": "TREAT",
        "nonce": "7",
        "era": "2",
        "digest": digest,
    }
    assert consent["identifier"] == [{"system": "urn:theriac:grant", "value": digest}]
    assert consent["sourceReference"]["identifier"]["value"] == digest
    assert notice.startswith("This is a statement of a grant, not the grant itself.")
    assert notice in consent["text"]["div"]


@pytest.mark.parametrize(
    "changes",
    [{"scope": 0}, {"scope": 1 << 3}, {"expiry": int(END.timestamp()) - 3600}, {"era": 1}],
    ids=["revoked", "other_classes", "ends_earlier", "everything_revoked"],
)
def test_consent_of__a_grant_that_the_chain_has_not__is_inactive(changes: dict[str, int]) -> None:
    assert out(terms_of(), **changes)["status"] == "inactive"


def test_consent_of__over__is_inactive() -> None:
    terms = terms_of(end=datetime(2031, 3, 10, 10, tzinfo=UTC))

    assert out(terms)["status"] == "inactive"


def test_consent_of__a_name_with_markup__is_text() -> None:
    consent = out(terms_of(), name="<script>alert(1)</script>\x00 & Sons")

    assert "<script" not in consent["text"]["div"]
    assert "&lt;script&gt;" in consent["text"]["div"]


# -- out and in ------------------------------------------------------------------------------------------------------

_hours = st.integers(0, 24 * 60).map(lambda hours: START + timedelta(hours=hours))


@settings(max_examples=60, deadline=None)
@given(
    classes=st.one_of(
        st.lists(st.sampled_from(ALL_CLASSES), min_size=1, unique=True),
        st.just(list(ALL_CLASSES)),
        st.just([each for each in ALL_CLASSES if each.level < Level.V]),
    ),
    purpose=st.sampled_from(PURPOSES),
    reader=st.sampled_from([member(1), member(4_000_000_000), BEN]),
    since=st.one_of(st.none(), _hours),
    start=_hours,
    lasting=st.integers(2, 24 * 30),
)
def test_consent_of__read_again__gives_the_same_terms(
    classes: list[KeyClass],
    purpose: Purpose,
    reader: str,
    since: datetime | None,
    start: datetime,
    lasting: int,
) -> None:
    # property S2
    end = max(start, NOW) + timedelta(hours=lasting)
    end = end.replace(minute=0, second=0, microsecond=0)
    ordered = tuple(each for each in ALL_CLASSES if each in classes)
    since = since if since is None or since < end else start
    terms = Terms(reader, purpose, ordered, since, start, end)

    about = circumstances(until=end + timedelta(days=1))
    [again] = read(resource(out(terms)), about).terms

    assert again == replace(terms, start=start if start > NOW else None)


def test_read__an_exported_consent_of_another_chain__is_refused() -> None:
    consent = json.loads(json.dumps(out(terms_of())).replace("eip155:31:", "eip155:1:"))

    with pytest.raises(BadConsent):
        read(resource(consent), circumstances())


# -- against the chain -----------------------------------------------------------------------------------------------


def checked(consent: dict[str, Any], stated: Stated, *, era: int = 2, now: datetime = NOW) -> Terms:
    return check(resource(consent), stated, era=era, now=int(now.timestamp()))


@pytest.mark.parametrize("option", list(Option), ids=lambda each: each.value)
def test_check__what_the_chain_has__is_confirmed(option: Option) -> None:
    terms = _KINDS[option]

    assert checked(out(terms), stated_of(terms)) == terms


@pytest.mark.parametrize(
    ("changes", "era", "fault"),
    [
        ({"nonce": 8}, 2, "the grant was changed since"),
        ({}, 3, "the patient revoked everything since"),
        ({"expiry": int(END.timestamp()) - 3600}, 2, "the grant has another digest"),
        ({"scope": 0}, 2, "the grant has another digest"),
        ({"ledger": replace(LEDGER, grants="0x" + "7" * 40)}, 2, "it is about another chain or another contract"),
    ],
)
def test_check__what_the_chain_has_otherwise__is_refused(changes: dict[str, Any], era: int, fault: str) -> None:
    with pytest.raises(NotStated) as caught:
        checked(out(terms_of()), stated_of(terms_of(), **changes), era=era)

    assert fault in caught.value.fault


def test_check__over__is_refused() -> None:
    with pytest.raises(NotStated, match="revoked or over"):
        checked(out(terms_of()), stated_of(terms_of()), now=END)


def _altered() -> dict[str, Any]:
    def change(function: Any) -> dict[str, Any]:
        consent = json.loads(json.dumps(out(terms_of())))
        function(consent)
        return consent

    more = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
    return {
        "a_label_more": change(lambda each: each["provision"]["securityLabel"].append(more)),
        "no_labels": change(lambda each: each["provision"].pop("securityLabel")),
        "a_later_end": change(lambda each: each["provision"]["period"].update(end="2031-06-30T23:59:59Z")),
        "an_earlier_start": change(lambda each: each["provision"]["period"].update(start="2030-03-10T09:00:00Z")),
        "another_reader": change(
            lambda each: each["provision"]["actor"][0]["reference"]["identifier"].update(value=f"eip155:31:{BEN}")
        ),
        "a_reader_more": change(lambda each: each["provision"]["actor"].append(each["provision"]["actor"][0])),
        "another_purpose": change(lambda each: each["provision"]["purpose"][0].update(code="HPAYMT")),
        "an_exception": change(lambda each: each["provision"].update(provision=[{"type": "permit"}])),
        "another_patient": change(lambda each: each["patient"]["identifier"].update(value=f"eip155:31:{BEN}")),
        "other_words": change(lambda each: each["text"].update(div="<div>everything</div>")),
        "a_time_that_is_none": change(lambda each: each["provision"]["period"].update(end="for ever")),
    }


@pytest.mark.parametrize("name", sorted(_altered()))
def test_check__an_altered_consent__is_refused(name: str) -> None:
    with pytest.raises(NotStated):
        checked(_altered()[name], stated_of(terms_of()))


def test_claimed_by__a_consent_that_states_no_grant() -> None:
    with pytest.raises(BadConsent, match="does not say which grant"):
        claimed_by(resource({**out(terms_of()), "extension": []} | {"extension": [{"url": "urn:x"}]}))


# -- pages -----------------------------------------------------------------------------------------------------------


class Tags(HTMLParser):
    """The tags and attributes of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.words.append(data)


HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(1)>\x1b[2J'


@pytest.mark.parametrize("language", LANGUAGES)
def test_grants_page__loads_nothing_and_says_what_is_granted(language: str) -> None:
    terms = _KINDS[Option.ADVANCED]
    shown = Shown(terms, stated_of(terms), HOSTILE, "open")

    page = Tags(grants_page([shown], language=language, now=NOW))

    assert page.tags == {
        *("html", "head", "meta", "title", "style", "body", "main", "h1", "p", "table", "tr", "th", "td"),
    }
    assert page.attributes == {"lang", "charset", "http-equiv", "content", "name", "class"}
    words = " ".join(page.words)
    for _, said in rows_of(shown, language):
        assert said in words
    assert WORDS["notice"][LANGUAGES.index(language)] in words
    assert "\x1b" not in words


def test_rows_of__in_both_languages__say_the_same_terms() -> None:
    terms = _KINDS[Option.ADVANCED]
    shown = Shown(terms, stated_of(terms), "North Clinic", "open")

    english, chinese = rows_of(shown, "en"), rows_of(shown, "zh")

    assert english[2] == ("What", "laboratory (normal confidentiality), mental health (restricted)")
    assert chinese[2] == ("内容", "检验 (普通)、精神健康 (限制)")
    assert [said for _, said in english[4:6]] == [said for _, said in chinese[4:6]]
    assert english[5] == ("Until, not included", "2031-05-01 00:00 UTC")


def test_rows_of__every_class_and_purpose_has_words() -> None:
    for purpose in PURPOSES:
        for cls in ALL_CLASSES:
            terms = terms_of(cls, purpose=purpose)
            for language in LANGUAGES:
                assert all(said for _, said in rows_of(Shown(terms, stated_of(terms), "", "over"), language))


def test_grants_text__of_nothing__says_so() -> None:
    assert grants_text([], language="en").endswith("Nothing is granted.\n")
    assert grants_text([], language="zh").endswith("目前没有任何授权。\n")
