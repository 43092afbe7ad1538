"""A plan's file: what it says, what is refused of it and with which sentence, and what it would give away."""

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from eth_utils.abi import collapse_if_tuple
from hypothesis import given
from hypothesis import strategies as st

from theriac.cover import policies, readable
from theriac.cover.policies import Plan, Service, Terms, plain, whole
from theriac.cover.rules import NO_LIMIT, Kind, Limits
from theriac.errors import BadPlan, UnsafePlan
from theriac.health.scope import Category, Level
from theriac.ledger.contracts import abi

ROOT = Path(__file__).parents[2]
PLANS = ROOT / "tests" / "fixtures" / "plans"
EXAMPLES = ROOT / "examples"

READ = {
    "yaml_broken.yaml": ("line 3", "has a list or fields where a name should be"),
    "yaml_anchor.yaml": ("line 1", "has an anchor or an alias (& or *), which no plan may have"),
    "yaml_alias_bomb.yaml": ("line 1", "has an anchor or an alias (& or *), which no plan may have"),
    "yaml_tag.yaml": ("line 1", "has a tag (!), which no plan may have"),
    "yaml_merge.yaml": ("plan: name", "is missing"),
    "yaml_two_documents.yaml": ("the file", "has more than one document"),
    "yaml_field_twice.yaml": ("line 3", "tells 'year' a second time"),
    "yaml_service_field_twice.yaml": ("line 7", "tells 'price' a second time"),
    "yaml_list_as_name.yaml": ("line 2", "has a list or fields where a name should be"),
    "yaml_deep.yaml": ("line 1", "lies more than 6 lists or fields deep"),
    "yaml_half_a_character.yaml": ("line 1", "is no YAML (found invalid Unicode character escape code)"),
    "empty.yaml": ("the file", "is empty"),
    "not_utf8.yaml": ("the file", "is no UTF-8 at byte 9"),
    "not_printable.yaml": ("the file", "is no YAML (it has characters that YAML does not allow)"),
    "json_broken.json": ("the file", "is no JSON at line 1: Expecting property name enclosed in double quotes"),
    "json_field_twice.json": ("the file", "tells 'name' a second time"),
    "json_deep.json": ("the file", "is no JSON"),
    "json_list.json": ("plan", "has no fields"),
    "name_missing.yaml": ("plan: name", "is missing"),
    "name_is_a_list.yaml": ("plan: name", "is no text"),
    "name_with_hidden_sign.yaml": ("plan: name", "is too long, or has spaces or signs that cannot be seen"),
    "field_unknown.yaml": ("plan", "has a field 'yaer', which is unknown"),
    "year_in_words.yaml": ("plan: year", "is no whole number from 1 to 9999"),
    "token_missing.yaml": ("plan: token", "is missing"),
    "token_of_18_decimals.yaml": ("token: decimals", "is no whole number from 0 to 6"),
    "currency_in_small_letters.yaml": (
        "token: currency",
        "is no code of three capital letters such as EUR (ISO 4217)",
    ),
    "limit_misspelt.yaml": ("limits", "has a field 'out-of-pockets', which is unknown"),
    "deductible_of_3_decimals.yaml": ("limits: deductible", "has more than the 2 decimals of the token"),
    "days_of_appeal_zero.yaml": ("days: appeal", "is no whole number from 1 to 65535"),
    "days_of_appeal_missing.yaml": ("days: appeal", "is missing"),
    "premium_without_days.yaml": ("premium: amount", "and its days go together: give both or neither"),
    "services_missing.yaml": ("plan: services", "is no list of at least one"),
    "services_empty.yaml": ("plan: services", "is no list of at least one"),
    "service_is_a_text.yaml": ("service number 1", "has no fields"),
    "service_without_code.yaml": ("service number 1: code", "is missing"),
    "service_without_sensitivity.yaml": ("service visit: sensitivity", "is missing"),
    "sensitivity_unknown.yaml": ("service visit: sensitivity", "is none of N, R, V"),
    "category_unknown.yaml": (
        "service genes: category",
        f"is none of {', '.join(category.value for category in Category)}",
    ),
    "kind_unknown.yaml": ("service visit: kind", "is none of covered, not-covered, excluded"),
    "price_missing.yaml": ("service visit: price", "is missing"),
    "price_with_comma.yaml": ("service visit: price", "is no amount such as 12.50"),
    "price_negative.yaml": ("service visit: price", "is no amount such as 12.50"),
    "price_with_exponent.yaml": ("service visit: price", "is no amount such as 12.50"),
    "price_of_3_decimals.yaml": ("service visit: price", "has more than the 2 decimals of the token"),
    "price_too_large.yaml": ("service visit: price", "is too large"),
    "coinsurance_of_3_decimals.yaml": (
        "service visit: coinsurance",
        "is no percentage of at most two decimals, such as 12.5",
    ),
    "coinsurance_in_words.yaml": (
        "service visit: coinsurance",
        "is no percentage of at most two decimals, such as 12.5",
    ),
    "flag_in_words.yaml": ("service visit: deductible", "is none of yes, no, true, false"),
    "units_zero.yaml": ("service visit: most-units", "is no whole number from 1 to 65535"),
    "system_with_bar.yaml": ("service visit: system", "has a bar (|), which no system may have"),
}

FOUR = (
    "only 4 sensitive services (psy1, psy2, psy3, rehab) share their price and terms, and 5 are needed so that none "
    "can be told"
)
ONE = "only 1 sensitive services (genes) share their price and terms, and 5 are needed so that none can be told"

REPORTED = {
    "coinsurance_above_100.yaml": ("the coinsurance of service visit (Visit) is more than 100 %",),
    "service_twice.yaml": ("the service urn:x|visit is listed 2 times",),
    "four_alike.yaml": (FOUR,),
    "one_price_apart.yaml": (FOUR, ONE),
    "one_with_authorization.yaml": (FOUR, ONE),
    "one_of_goods.yaml": (FOUR, ONE),
    "one_in_a_bundle.yaml": (
        FOUR.replace("price and terms", "price, terms and bundle"),
        ONE.replace("price and terms", "price, terms and bundle"),
    ),
    "one_code_in_five_systems.yaml": (FOUR.replace("rehab", "rehab, genes"),),
    "all_of_one_category.yaml": (
        "the sensitive services psy1, psy2, psy3, rehab, genes are all of the category mental-health, which their "
        "price and terms would tell",
    ),
    "sensitive_category_at_n.yaml": (
        "service visit (Visit) is of the category genomics, which is never N: make it R or V",
    ),
    "sensitive_without_category.yaml": ("service genes (Counselling) is sensitive and has no category",),
}


def small() -> Plan:
    return policies.parse((PLANS / "plain.yaml").read_bytes())


def test_fixtures__every_file__is_tried() -> None:
    files = {path.name for path in PLANS.iterdir() if path.suffix in (".yaml", ".json")}

    assert files == {"plain.yaml", *READ, *REPORTED}


# -- reading ---------------------------------------------------------------------------------------------------------


def test_parse__a_plan__is_what_its_file_says() -> None:
    # when
    plan = small()

    # then: amounts in cents, percents in hundredths
    alike = {"system": "urn:x", "level": Level.R, "price": 8000}
    assert plan == Plan(
        name="Small Plan",
        year=2031,
        decimals=2,
        currency="EUR",
        limits=Limits(deductible=10_000, out_of_pocket=50_000),
        premium=0,
        premium_days=0,
        grace_days=0,
        filing_days=90,
        refute_days=30,
        appeal_days=45,
        reversal_days=60,
        services=(
            Service("urn:x", "visit", "Visit", Level.N, price=9000, coinsurance=1250),
            Service(code="psy1", display="Therapy", category=Category.MENTAL_HEALTH, **alike),
            Service(code="psy2", display="Group therapy", category=Category.MENTAL_HEALTH, **alike),
            Service(code="psy3", display="Family therapy", category=Category.MENTAL_HEALTH, **alike),
            Service("urn:x", "rehab", "Rehabilitation", Level.V, Category.SUBSTANCE_USE, price=8000),
            Service(code="genes", display="Counselling", category=Category.GENOMICS, **alike),
        ),
    )


def test_parse__the_example__has_every_field() -> None:
    # when
    plan = policies.parse((EXAMPLES / "plan.yaml").read_bytes())

    # then
    services = {service.code: service for service in plan.services}
    assert (plan.name, plan.year, plan.decimals, plan.currency) == ("Riverside Basic", 2031, 6, "EUR")
    assert plan.limits == Limits(
        deductible=250_000_000,
        family_deductible=500_000_000,
        out_of_pocket=2_000_000_000,
        family_out_of_pocket=4_000_000_000,
        annual=60_000_000_000,
        family_annual=120_000_000_000,
        lifetime=1_000_000_000_000,
    )
    assert (plan.premium, plan.premium_days, plan.grace_days) == (95_500_000, 30, 15)
    assert (plan.filing_days, plan.refute_days, plan.appeal_days, plan.reversal_days) == (90, 30, 45, 60)
    assert services["185345009"] == Service(
        system="http://snomed.info/sct",
        code="185345009",
        display="Visit for a symptom",
        level=Level.N,
        price=90_000_000,
        copay=10_000_000,
        coinsurance=1000,
        deductible=True,
        bundle="visit",
    )
    assert services["274031008"].kind is Kind.EXCLUDED
    assert services["311372"].kind is Kind.NOT_COVERED
    assert (services["80146002"].review, services["80146002"].grade) == (True, 3)
    assert services["73761001"].authorization is True
    assert (services["745679"].goods, services["745679"].most_units) == (True, 2)
    assert (services["121"].waiting_days, services["140"].yearly_units) == (60, 1)


def test_parse__the_same_as_json__is_the_same_plan() -> None:
    # given: numbers as JSON has them, and truth as JSON has it
    told = yaml.safe_load((PLANS / "plain.yaml").read_text(encoding="utf-8"))
    told["services"][0] |= {"deductible": True, "review": False}

    # when
    plan = policies.parse(json.dumps(told).encode())

    # then
    visit, *others = small().services
    assert plan == replace(small(), services=(replace(visit, deductible=True), *others))


def test_parse__left_out_limits__are_none_and_no_deductible() -> None:
    text = (PLANS / "plain.yaml").read_text(encoding="utf-8").replace("limits:", "# limits:")

    limits = policies.parse(text.encode()).limits

    assert limits.as_tuple() == (0, NO_LIMIT, NO_LIMIT, NO_LIMIT, NO_LIMIT, NO_LIMIT, NO_LIMIT)


@pytest.mark.parametrize("name", READ)
def test_parse__a_fault__is_told_in_one_sentence(name: str) -> None:
    # given
    where, fault = READ[name]

    # when
    with pytest.raises(BadPlan) as refused:
        policies.parse((PLANS / name).read_bytes())

    # then
    assert (refused.value.where, refused.value.fault) == (where, fault)
    assert str(refused.value) == f"This plan cannot be used: {where} {fault}; correct it and try again."


def test_parse__a_huge_file__is_refused_unread() -> None:
    with pytest.raises(BadPlan) as refused:
        policies.parse(b"#" * (readable.LARGEST + 1))

    assert refused.value.fault == "has more than 4194304 bytes"


@given(st.integers(0, 900), st.integers(0, 8), st.text("{}[],:-&*!|>'\"%@#?\n\t 09.eE\\xu~=\u2028", max_size=6))
def test_parse__a_few_signs_changed__is_a_plan_or_refused(at: int, without: int, signs: str) -> None:
    text = (PLANS / "plain.yaml").read_text(encoding="utf-8")
    changed = text[:at] + signs + text[at + without :]

    for data in (changed.encode(), b"{" + changed.encode(), signs.encode()):
        with suppress(BadPlan):
            policies.validate(policies.parse(data))


@pytest.mark.parametrize(
    ("text", "decimals", "amount"),
    [
        ("12.50", 2, 1250),
        ("12.5", 2, 1250),
        ("12", 2, 1200),
        ("0", 6, 0),
        ("0.000001", 6, 1),
        ("0.1", 6, 100_000),
        ("999999999.999999", 6, 10**15 - 1),
        ("7", 0, 7),
    ],
)
def test_whole__an_amount__exactly(text: str, decimals: int, amount: int) -> None:
    assert whole(text, decimals) == amount


@pytest.mark.parametrize(
    ("text", "decimals"),
    [
        ("12.505", 2),
        ("0.0000001", 6),
        ("1.0", 0),
        ("1000000000", 6),
        ("-1", 2),
        ("+1", 2),
        (".5", 2),
        ("5.", 2),
        ("", 2),
        ("٣", 2),
        ("1_000", 2),
        ("NaN", 2),
        ("0x10", 2),
        (" 1", 2),
        ("007", 2),
    ],
)
def test_whole__no_such_amount__is_refused(text: str, decimals: int) -> None:
    with pytest.raises(ValueError):
        whole(text, decimals)


@pytest.mark.parametrize(
    ("amount", "decimals", "text"),
    [
        (1250, 2, "12.50"),
        (12_500_000, 6, "12.50"),
        (1, 6, "0.000001"),
        (0, 6, "0.00"),
        (1200, 0, "1200"),
        (5, 1, "0.5"),
    ],
)
def test_plain__an_amount__as_people_write_it(amount: int, decimals: int, text: str) -> None:
    assert str(plain(amount, decimals)) == text


# -- what it gives away ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", REPORTED)
def test_validate__a_plan_that_gives_away__is_refused(name: str) -> None:
    # given
    plan = policies.parse((PLANS / name).read_bytes())

    # when
    report = policies.validate(plan)

    # then
    assert report.refusals == REPORTED[name]
    with pytest.raises(UnsafePlan) as refused:
        report.check()
    assert refused.value.refusals == REPORTED[name]


@pytest.mark.parametrize("name", ["plan.yaml", "plan-synthea.yaml"])
def test_validate__the_examples__may_be_published(name: str) -> None:
    report = policies.validate(policies.parse((EXAMPLES / name).read_bytes()))

    report.check()
    assert report.warnings == ()


def test_validate__decimals_of_a_plan_made_by_hand__are_refused_too() -> None:
    report = policies.validate(replace(small(), decimals=18))

    assert report.refusals == ("the token has 18 decimals, and at most 6 are taken",)


def test_validate__all_in_one_bundle__are_alike_again() -> None:
    services = [replace(each, bundle="talk") if each.is_sensitive else each for each in small().services]

    report = policies.validate(replace(small(), services=tuple(services)))

    assert (report.refusals, report.warnings) == ((), ())


def test_report__counts_who_shares_what_is_shown() -> None:
    # when
    report = policies.validate(small())

    # then
    assert [(len(group.services), len(group.sensitive), group.shown.price) for group in report.groups] == [
        (5, 5, 8000),
        (1, 0, 9000),
    ]
    assert str(report) == (
        "   5 services, of them 5 sensitive: covered, price 80.00 EUR, copay 0.00 EUR, coinsurance 0 %\n"
        "   1 services, of them 0 sensitive: covered, price 90.00 EUR, copay 0.00 EUR, coinsurance 12.5 %"
    )


def test_validate__what_is_doubtful__is_a_warning() -> None:
    # given: a mixed bundle, a price of nothing, a copay of all, a deductible that is never met
    visit, *others = small().services
    free = Service("urn:x", "free", "Nothing", Level.N)
    dear = Service("urn:x", "dear", "Copay", Level.N, price=500, copay=500)
    pill = Service("urn:x", "pill", "Pill", Level.N, goods=True, price=500, bundle="talk")
    plan = replace(
        small(),
        limits=Limits(deductible=60_000, family_deductible=50_000, out_of_pocket=50_000, annual=9, lifetime=8),
        services=(replace(visit, bundle="talk"), *(replace(each, bundle="talk") for each in others), free, dear, pill),
    )

    # when
    report = policies.validate(plan)

    # then
    assert report.refusals == ()
    assert report.warnings == (
        "the deductible is more than the most that is paid out of pocket, so it is never met",
        "the family's deductible is less than a person's, which so is never met",
        "the limit of a policy year is more than that of a lifetime",
        *(f"service {each} is sensitive and shares the bundle talk with services that are not" for each in others),
        "the price of service free (Nothing) is 0, so nothing is ever paid for it",
        "the copay of service dear (Copay) is its whole price, so a single unit is never paid for",
        "service pill (Pill) is goods, which have no day, so its bundle talk does nothing",
    )
    assert str(report).splitlines()[-1] == f"Warning: {report.warnings[-1]}."


# -- its terms -------------------------------------------------------------------------------------------------------


def test_terms__as_the_contract_takes_them() -> None:
    # when
    terms = Terms.of(
        small(),
        schedule=b"\1" * 32,
        document=b"\2" * 32,
        insurer=7,
        arbiter=8,
        token="0x" + "33" * 20,
        adjudicator="0x" + "44" * 20,
        appeals="0x" + "55" * 20,
    )

    # then
    assert terms.as_tuple() == (
        "0x" + "44" * 20,
        7,
        0,
        0,
        90,
        30,
        "0x" + "33" * 20,
        8,
        45,
        60,
        "0x" + "55" * 20,
        0,
        b"\1" * 32,
        b"\2" * 32,
        (10_000, NO_LIMIT, 50_000, NO_LIMIT, NO_LIMIT, NO_LIMIT, NO_LIMIT),
    )


def test_terms__their_type__is_the_abis() -> None:
    (publish,) = (entry for entry in abi("Policies") if entry.get("name") == "publish")

    assert collapse_if_tuple(publish["inputs"][0]) == policies.PLAN_TYPE
