"""Consents in: each fault is refused by its own sentence, and nothing that is taken permits more than the Consent."""

import json
import os
import sys
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from consent_cases import (
    ACT,
    BEN,
    CAT,
    CLASS,
    CONF,
    DAN,
    FIXTURES,
    NOW,
    PCF,
    REASON,
    STAFF,
    UNTIL,
    Question,
    Rulebook,
    actor,
    basic,
    changed,
    circumstances,
    member,
    read_in,
    records_of,
)
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from theriac import fhir
from theriac.errors import BadConsent, BadInput
from theriac.health.consents import Option, Terms
from theriac.health.provisions import read
from theriac.health.scope import ALL_CLASSES, PURPOSES, Category, KeyClass, Level, Purpose

NORMAL = tuple(each for each in ALL_CLASSES if each.level is Level.N)
TREAT = Purpose.parse("TREAT")
APRIL = datetime(2031, 4, 30, tzinfo=UTC)

FAULTS = {
    "about_another_patient": "it is about another patient, or about one that is not known here",
    "about_the_same_account_of_another_chain": "it is about another patient, or about one that is not known here",
    "actor_a_group": "the recipient 'Group/all-clinicians' is nobody known on this ledger",
    "actor_contained_means_two": "the recipient '#two' means more than one reader",
    "actor_denied_unknown": "the recipient 'without a name' is nobody known on this ledger",
    "actor_of_another_chain": "is nobody known on this ledger",
    "actor_of_another_role": "another role than that of information recipient",
    "actor_unknown": "the recipient 'Organization/north' is nobody known on this ledger",
    "actors_none": "it permits everybody something, and a grant names who may read",
    "another_resource": "it is a Contract, and no Consent",
    "denies_a_label_unknown": "it denies what is labelled 'v3-ActCode|FOO'",
    "denies_a_purpose_unknown": "it denies the purpose 'urn:example:why|FooBar'",
    "denies_all_that_it_permits": "it denies all that it permits",
    "denies_data_of_a_period": "it denies data of a period",
    "denies_one_of_the_staff": "it denies all that it permits",
    "denies_only": "it only denies",
    "element_empty": "something in it is empty",
    "element_unknown": "it is no valid Consent of FHIR R4 (provision.reason",
    "empty": "The document is empty",
    "exception_of_an_exception": "it has exceptions of exceptions",
    "implicit_rules": "it has implicitRules",
    "json_broken": "The document is no JSON",
    "json_deep": "nested more than 200 levels deep",
    "json_key_twice": "has the key 'status' twice",
    "json_list": "JSON without a resourceType",
    "label_narrower_than_a_class": "no class here has just the records labelled 'v3-ActCode|PSY'",
    "label_of_a_class_that_is_none": "no class here has just the records labelled",
    "marked_as_a_part": "it is marked as a part of a Consent",
    "marked_as_redacted": "it is marked as a part of a Consent",
    "marked_as_test": "it is marked as test data",
    "modifier_extension": "it has modifierExtension",
    "modifier_extension_of_an_actor": "it has modifierExtension",
    "modifier_extension_of_an_exception": "it has modifierExtension",
    "no_organization": "it lacks organization",
    "no_policy": "it lacks policy",
    "no_provision": "it lacks provision",
    "no_source": "it lacks source[x]",
    "not_utf8": "The document is no UTF-8 at byte 35",
    "performed_by_another": "somebody else than the patient made it",
    "period_before_it_begins": "one of its periods ends before it begins",
    "period_day_that_never_was": "it is no valid Consent of FHIR R4 (provision.period.end",
    "period_over": "its time is over",
    "period_shorter_than_an_hour": "shorter than a full hour",
    "period_without_zone": "it is no valid Consent of FHIR R4 (provision.period.end",
    "policy_denies": "its policy denies everything but break-glass",
    "policy_for_treatment_and_purpose_payment": "its policy is for TREAT alone",
    "policy_of_break_glass": "its policy denies everything but break-glass",
    "policy_rule": "it has a policyRule",
    "policy_unknown": "permits is not known here",
    "provision_about_actions": "(provision.action)",
    "provision_about_an_author": "it is about single resources, encounters or authors",
    "provision_about_an_encounter": "it is about single resources, encounters or authors",
    "provision_about_codes": "(provision.code)",
    "provision_about_kinds": "(provision.class)",
    "provision_about_one_resource": "it is about single resources, encounters or authors",
    "provision_neither_permits_nor_denies": "a provision neither permits nor denies",
    "purpose_only_unknown": "nothing is granted here for the purpose 'v3-ActReason|HRESCH'",
    "scope_research": "its scope is not patient-privacy",
    "status_draft": "its status is 'draft'",
    "status_entered_in_error": "its status is 'entered-in-error'",
    "status_inactive": "its status is 'inactive'",
    "two_times_for_one_reader": "different times for one purpose",
    "verified": "it has a verification",
}


def fixture(name: str) -> bytes:
    return (FIXTURES / f"{name}.json").read_bytes()


# -- refused ---------------------------------------------------------------------------------------------------------


def test_fixtures__each_has_its_fault() -> None:
    names = {each.stem for each in FIXTURES.glob("*.json")}

    assert {name for name in names if not name.startswith("taken_")} == set(FAULTS)


def test_fixtures__are_what_their_script_writes() -> None:
    sys.path.insert(0, str(FIXTURES))
    try:
        import make
    finally:
        sys.path.pop(0)

    written = {**make.REFUSED, **{f"taken_{name}": value for name, value in make.TAKEN.items()}}
    assert {name: json.loads(fixture(name)) for name in written} == written
    assert {name: fixture(name) for name in make.BROKEN} == make.BROKEN


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_read__a_consent_with_a_fault__is_refused_in_one_sentence(name: str) -> None:
    with pytest.raises(BadInput) as caught:
        read(fhir.parse(fixture(name)), circumstances())

    assert FAULTS[name] in str(caught.value)
    assert "\n" not in str(caught.value)


def test_read__more_than_a_mebibyte__is_refused_unread() -> None:
    with pytest.raises(BadConsent) as caught:
        read_in(changed("text", {"status": "generated", "div": "x" * (1 << 20)}))

    assert caught.value.fault == "it has more than 1024 KiB"


def test_read__more_grants_than_anyone_means__is_refused() -> None:
    many = [actor(f"0x{number:040x}") for number in range(1, 52)]

    with pytest.raises(BadConsent) as caught:
        read_in(changed("provision.actor", many))

    assert caught.value.fault == "it would be 51 grants, more than 50"


# -- taken -----------------------------------------------------------------------------------------------------------


def terms(reader: str, classes: tuple[KeyClass, ...] = NORMAL, **changes: Any) -> Terms:
    return replace(Terms(reader, TREAT, classes, None, None, APRIL), **changes)


def test_read__basic__is_of_level_n_and_ends_before_its_last_day_does_anywhere() -> None:
    reading = read(fhir.parse(fixture("taken_basic")), circumstances())

    assert (reading.terms, reading.option) == ((terms(member(1)),), Option.BASIC)


def test_read__intermediate__history_begins_when_its_first_day_has_everywhere() -> None:
    reading = read(fhir.parse(fixture("taken_intermediate")), circumstances())

    since = datetime(2030, 1, 1, 12, tzinfo=UTC)
    care = Purpose.parse("CAREMGT")
    assert reading.terms == (terms(member(1), since=since), terms(member(1), since=since, purpose=care))
    assert reading.option is Option.INTERMEDIATE


def test_read__advanced__a_denied_label_takes_every_class_that_may_bear_it() -> None:
    reading = read(fhir.parse(fixture("taken_advanced")), circumstances())

    gone = (Category.MENTAL_HEALTH, Category.MIXED)
    left = tuple(each for each in ALL_CLASSES if each.level < Level.V and each.category not in gone)
    assert reading.terms == (terms(member(1), left), terms(BEN, left))
    assert reading.told == ("what it denies of some classes is left out of the grant for all of its time",)


def test_read__an_exception_for_one_reader__is_a_grant_of_its_own() -> None:
    reading = read(fhir.parse(fixture("taken_advanced_focused")), circumstances())

    assert reading.terms == (terms(member(1)), terms(BEN, (KeyClass.parse("mental-health/R"),)))


def test_read__a_recipient_whom_the_patient_names() -> None:
    consent = changed("provision.actor.0.reference", {"reference": "Organization/north"})

    reading = read_in(consent, recipients={"Organization/north": member(2)})

    assert [each.reader for each in reading.terms] == [member(2)]


def test_read__a_recipient_whom_the_patient_names_otherwise_than_it_names_itself__is_refused() -> None:
    with pytest.raises(BadConsent, match="means more than one reader"):
        read_in(
            changed("provision.actor.0.reference.reference", "Organization/north"),
            recipients={"Organization/north": member(2)},
        )


def test_read__a_patient_who_says_that_it_is_she() -> None:
    hers = {"reference": "Patient/ann"}
    consent = {**basic(), "patient": hers, "performer": [hers]}

    assert read_in(consent, patients=("Patient/ann",)).terms == (terms(member(1)),)


def test_read__a_policy_that_the_patient_knows__is_of_level_n() -> None:
    uri = "http://example.org/policies/basePrivacyConsentPolicy.txt"

    reading = read_in(changed("policy", [{"uri": uri}]), policies=(uri,))

    assert reading.terms == (terms(member(1)),)


def test_read__without_end__ends_where_the_patient_says() -> None:
    reading = read_in(changed("provision.period", {"start": "2031-01-01"}))

    assert reading.terms == (terms(member(1), end=UNTIL),)
    assert "it goes on after 2031-06-01 00:00 UTC, where the grant ends" in reading.told


def test_read__without_purpose__is_for_the_one_that_the_patient_says() -> None:
    payment = Purpose.parse("HPAYMT")

    reading = read_in(changed("provision.purpose", None), purpose=payment)

    assert reading.terms == (terms(member(1), purpose=payment),)


def test_read__a_denied_period__cuts_the_window() -> None:
    later = changed("provision.provision", [{"type": "deny", "period": {"start": "2031-04-10"}}])
    now = changed("provision.provision", [{"type": "deny", "period": {"end": "2031-04-10"}}])

    assert read_in(later).terms == (terms(member(1), end=datetime(2031, 4, 9, 10, tzinfo=UTC)),)
    assert read_in(now).terms == (terms(member(1), start=datetime(2031, 4, 11, 12, tzinfo=UTC)),)


def test_read__a_root_that_denies__bounds_what_is_permitted_beside_it() -> None:
    root = {"type": "deny", "actor": [actor(member(1))], "period": {"start": "2031-03-11", "end": "2031-04-30"}}
    consent = changed("provision", {**root, "provision": [{"type": "permit"}]})

    assert read_in(consent).terms == (terms(member(1), start=datetime(2031, 3, 11, 12, tzinfo=UTC)),)


def test_read__denies_another_reader__leaves_this_one() -> None:
    consent = changed("provision.provision", [{"type": "deny", "actor": [actor(member(2))]}])

    assert read_in(consent).terms == (terms(member(1)),)


def test_read__denies_the_member_of_an_account__leaves_the_account_nothing() -> None:
    consent = changed("provision.actor", [actor(BEN)])
    consent["provision"]["provision"] = [{"type": "deny", "actor": [actor(member(1))]}]

    with pytest.raises(BadConsent, match="it denies all that it permits"):
        read_in(consent)


def test_read__denies_a_purpose_above_the_granted_one() -> None:
    consent = changed("provision.purpose.0.code", "COVERAGE")
    consent["provision"]["provision"] = [{"type": "deny", "purpose": [{"system": REASON, "code": "HPAYMT"}]}]

    with pytest.raises(BadConsent, match="it denies all that it permits"):
        read_in(consent)


# -- never widened ---------------------------------------------------------------------------------------------------

EXAMPLES = 150 * int(os.environ.get("THERIAC_EXAMPLES", "1"))
ZONES = [timedelta(hours=hours) for hours in (-12, 0, 8, 14)]

_begins = [
    "2019",
    "2030",
    "2030-06",
    "2031",
    "2031-03-10",
    "2031-03-11",
    "2031-03-10T10:30:00Z",
    "2031-03-12T08:00:00Z",
]
_ends = ["2031", "2031-04", "2031-05-31", "2040", "9999-12-31", "2031-03-12T23:59:59Z", "2031-04-01T00:00:00+08:00"]
_ends += ["2031-03-10", "2031-04-02T11:00:00.500-05:00", "2031-03-11T10:59:59-05:00"]
_periods = st.sampled_from(
    [{"start": each} for each in _begins]
    + [{"end": each} for each in _ends]
    + [{"start": begin, "end": end} for begin in _begins for end in _ends]
)
_actors = st.lists(st.sampled_from([member(1), member(2), BEN, CAT, DAN]), min_size=1, max_size=3, unique=True).map(
    lambda accounts: [actor(each) for each in accounts]
)
_codes = ["TREAT", "ETREAT", "CAREMGT", "COC", "HPAYMT", "COVERAGE", "CLMATTCH", "PATRQT", "FAMRQT", "HOPERAT", "BTG"]
_purposes = st.lists(st.sampled_from(_codes), min_size=1, max_size=3, unique=True).map(
    lambda codes: [{"system": REASON, "code": code} for code in codes]
)
_labels = st.lists(
    st.sampled_from(
        [(CONF, code) for code in "NNNRRVLU"]
        + [(ACT, code) for code in ("PSY", "MH", "HIV", "ETH", "SDV")]
        + [(CLASS, str(each)) for each in ALL_CLASSES[::7]]
        + [(CLASS, "mental-health/R"), (CLASS, "mixed/V"), (CLASS, "unsorted/V")]
    ),
    min_size=1,
    max_size=4,
    unique=True,
).map(lambda labels: [{"system": system, "code": code} for system, code in labels])


def _provisions(kind: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    parts = {"actor": _actors, "purpose": _purposes, "securityLabel": _labels, "period": _periods}
    return st.fixed_dictionaries({"type": kind}, optional={**parts, "dataPeriod": _periods})


@st.composite
def _consents(draw: st.DrawFn) -> dict[str, Any]:
    root = draw(_provisions(st.sampled_from(["permit", "permit", "permit", "deny"])))
    if draw(st.booleans()):
        root["actor"] = draw(_actors)
    if nested := draw(st.lists(_provisions(st.sampled_from(["permit", "deny"])), max_size=3)):
        for each in nested:
            if each["type"] == "deny":
                each.pop("dataPeriod", None)
        root["provision"] = nested
    policy = draw(
        st.sampled_from(
            [f"{PCF}/Policy-all-normal", f"{PCF}/Policy-basic-normal", "urn:theriac:policy:granted-classes"]
        )
    )
    return {**basic(), "policy": [{"uri": policy}], "provision": root}


def _questions(granted: Terms, draw: Any) -> list[Question]:
    """Some of what a grant lets its readers read, at its edges and within."""
    number = int(granted.reader, 16)
    accounts = [each for each, of in STAFF.items() if of == number] if number < 1000 else [granted.reader]
    opens = granted.start or NOW
    moments = [
        opens,
        opens + timedelta(minutes=31),
        opens + (granted.end - opens) / 2,
        granted.end - timedelta(seconds=1),
    ]
    since = granted.since or datetime(2020, 1, 1, tzinfo=UTC)
    written = [
        since,
        since + timedelta(seconds=1),
        since + (granted.end - since) / 2,
        granted.end - timedelta(seconds=1),
    ]
    classes = draw(st.lists(st.sampled_from(granted.classes), min_size=1, max_size=6, unique=True))
    records = [(str(cls), labels) for cls in classes for labels in records_of(str(cls))]
    return [
        Question(account, granted.purpose.code, cls, labels, at_write, at)
        for account, (cls, labels), at_write, at in product(accounts, records, written, moments)
        if at >= NOW
    ]


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(consent=_consents(), data=st.data())
def test_read__whatever_is_taken__permits_no_more_than_the_consent(consent: dict[str, Any], data: Any) -> None:
    # property S1
    try:
        reading = read_in(consent)
    except BadConsent as refused:
        event(refused.fault[:40])
        return

    event("taken")
    rulebooks = [Rulebook(consent, zone=zone) for zone in ZONES]
    for granted in reading.terms:
        assert granted.end <= UNTIL
        for asked in _questions(granted, data.draw):
            assert all(rulebook.permits(asked) for rulebook in rulebooks), (granted, asked)


def test_read__most_of_what_a_grant_can_say__is_taken() -> None:
    """The property above would hold of a reader that refuses everything."""
    said = Counter()
    labels = (
        [],
        [{"system": CONF, "code": "N"}],
        [{"system": CONF, "code": "R"}],
        [{"system": CLASS, "code": "imaging/N"}],
    )
    for who, purpose, label in product((member(1), CAT), PURPOSES, labels):
        consent = changed("provision.actor", [actor(who)])
        consent["provision"]["purpose"] = [{"system": REASON, "code": purpose.code}]
        if label:
            consent["provision"]["securityLabel"] = label
        [granted] = read_in(consent).terms
        said[granted.reader, granted.purpose.code, len(granted.classes)] += 1

    assert len(said) == 2 * len(PURPOSES) * 3


def test_rulebook__the_examples_of_the_profile__are_as_it_says() -> None:
    """The reading that the property is held against: N but not R; N, and R for one reader; all but for one person."""
    day = datetime(2031, 4, 1, tzinfo=UTC)

    def may(consent: dict[str, Any], account: str, cls: str) -> bool:
        asked = Question(account, "TREAT", cls, frozenset(cls[-1]), day, day)
        return Rulebook(consent, zone=timedelta(0)).permits(asked)

    normal = changed("provision.securityLabel", [{"system": CONF, "code": "N"}])
    restricted = [{"system": CONF, "code": "R"}]
    without = changed("provision.provision", [{"type": "deny", "securityLabel": restricted}], normal)
    focused = changed(
        "provision.provision", [{"type": "permit", "actor": [actor(CAT)], "securityLabel": restricted}], normal
    )
    bob = changed("provision.provision", [{"type": "deny", "actor": [actor(BEN)]}])
    asks = [(BEN, "imaging/N"), (BEN, "imaging/R"), (CAT, "imaging/N"), (CAT, "imaging/R")]

    assert [may(normal, *each) for each in asks] == [True, False, False, False]
    assert [may(without, *each) for each in asks] == [True, False, False, False]
    assert [may(focused, *each) for each in asks] == [True, False, False, True]
    assert [may(bob, *each) for each in asks] == [False, False, False, False]
