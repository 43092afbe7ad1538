"""An insurer and an auditor by their commands: plans, appeals, refutations, dossiers, recalls, the report."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cover_town import CHECK_UP, COLONOSCOPY, THERAPY, Insured, claim_file, plan_file
from pharmacy_town import code


@pytest.fixture
def insured(market: Insured) -> Iterator[Insured]:
    with market.undone():
        yield market


def claims(insured: Insured, *words: str) -> dict[str, dict[str, Any]]:
    """The claims that the insurer lists, by number."""
    return {row["claim"]: row for row in insured.done("insurer", "claims", "--json", *words).json}


# -- plans -----------------------------------------------------------------------------------------------------------


def test_validate__says_how_many_services_are_alike_without_a_chain(insured: Insured) -> None:
    # when
    said = insured.done("insurer", "validate", "examples/plan.yaml", THERIAC_NETWORK="ethereum:dev:http://127.0.0.1:1")
    # then
    assert "services, of them" in said.out
    assert "Refused" not in said.out


def test_validate__of_a_price_that_tells_a_sensitive_service__is_refused(insured: Insured, folder: Path) -> None:
    # given
    file = Path(plan_file(folder / "plan.yaml"))
    text = file.read_text(encoding="utf-8")
    at = text.index(THERAPY)
    price = text.index("price: ", at)
    file.write_text(text[:price] + "price: 123.45" + text[text.index(",", price) :], encoding="utf-8")
    # when
    said = insured.run("insurer", "validate", str(file))
    # then
    assert said.code == 2
    assert THERAPY in said.err
    assert len(said.sentences) == 1


def test_publish__again__is_the_same_plan(insured: Insured, folder: Path) -> None:
    # given
    file = plan_file(folder / "plan.yaml", name="Twice")
    # when
    first, second = insured.published("insurer", file), insured.published("insurer", file)
    # then
    assert first == second
    assert [row["name"] for row in insured.done("insurer", "plans", "--json").json].count("Twice") == 1


def test_fund__with_more_than_there_is__is_refused_in_a_sentence(insured: Insured) -> None:
    # when
    said = insured.run("insurer", "fund", insured.plan, "99999999")
    # then
    assert (said.code, len(said.sentences)) == (3, 1)


def test_play_money__is_minted_where_nothing_lasts(insured: Insured) -> None:
    # when
    first = insured.done("insurer", "play-money", "TEST::7", "12.50").out
    again = insured.done("insurer", "play-money", "TEST::7", "12.50").out
    # then
    assert "12.50" in first
    assert "25.00" in again
    assert first.split()[-1] == again.split()[-1]


@pytest.mark.parametrize(
    "words",
    [
        ("fund", "Nowhere", "1"),
        ("fund", "Riverside Basic", "1.2.3"),
        ("offer", "Riverside Basic", "--from", "2030-12-31", "--until", "2030-01-01", "-o", "x.offer"),
        ("offer", "Riverside Basic", "--from", "soon", "--until", "2030-01-01", "-o", "x.offer"),
        ("review", "ffff", "--agree"),
        ("authorize", "00", "--units", "1", "--until", "2030-06-01"),
        ("end-policy", "Riverside Basic", "nobody", "--yes"),
        ("report", "Riverside Basic", "--people", "README.md"),
    ],
)
def test_bad_input__is_one_sentence(insured: Insured, words: tuple[str, ...]) -> None:
    # when
    said = insured.run("insurer", *words)
    # then
    assert said.code in (2, 3)
    assert len(said.sentences) == 1


# -- what becomes of claims ------------------------------------------------------------------------------------------


def test_appeal__of_a_denied_claim__granted_paid_and_verified(insured: Insured, folder: Path) -> None:
    # given
    claim = insured.claimed(folder, claim_file(folder, (COLONOSCOPY, "2030-01-05", "900.00")), name="scan")
    assert "CARC 197" in " ".join(claims(insured)[claim["claim"]]["why"])
    insured.done("clinic", "appeal", claim["claim"], "--why", "There was no time to ask")
    # when
    said = insured.done("insurer", "answer", claim["claim"], "--grant", "--waive", "unauthorized")
    # then
    assert "Granted" in said.out
    assert claims(insured)[claim["claim"]]["paid"] == "720.00"
    rows = insured.done("insurer", "appeals", "--json").json
    assert [(row["what"], row["stands"]) for row in rows if row["claim"] == claim["claim"]] == [("appeal", "granted")]
    # when
    dossier = folder / "dossier.json"
    written = insured.done("auditor", "claim", claim["claim"], "-o", str(dossier)).out
    block = written.split("0x")[-1].strip(" .\n")
    checked = insured.done("auditor", "verify-claim", str(dossier), "--claim", claim["claim"], "--block-hash", block)
    # then
    assert "Proven under block" in checked.out
    # when one amount is changed
    told = json.loads(dossier.read_text(encoding="utf-8"))
    told["kept"][6] = str(int(told["kept"][6]) + 1)
    dossier.write_text(json.dumps(told, sort_keys=True, separators=(",", ":")), encoding="utf-8")
    refused = insured.run("auditor", "verify-claim", str(dossier), "--claim", claim["claim"])
    # then
    assert (refused.code, len(refused.sentences)) == (5, 1)


def test_refute__is_read_and_ruled_on_by_the_arbiter(insured: Insured, folder: Path) -> None:
    # given
    claim = insured.claimed(folder, claim_file(folder, (CHECK_UP, "2030-01-04", "120.00")), name="visit")["claim"]
    opened = insured.done("insurer", "open", claim).json
    assert opened["lines"][0]["code"] == CHECK_UP
    insured.done("insurer", "refute", claim, "--ground", "3", "--why", "Nobody was there", "--yes")
    assert claims(insured)[claim]["standing"] == "disputed"
    # when
    told = insured.done("auditor", "read-refutation", claim).json
    # then
    assert told["why"] == "Nobody was there"
    assert told["opening"]["lines"][0]["code"] == CHECK_UP
    # when
    assert [row["stands"] for row in insured.done("auditor", "refutations", "--json").json] == ["open"]
    insured.done("auditor", "rule", claim, "--for", "insurer", "--yes")
    # then
    assert claims(insured)[claim]["standing"] == "reversed"
    again = insured.run("auditor", "rule", claim, "--for", "insurer", "--yes")
    assert (again.code, len(again.sentences)) == (3, 1)


def test_touched__by_a_recall__names_pharmacy_and_pseudonym(insured: Insured, folder: Path) -> None:
    # given
    insured.done("pharmacy", "let-claim", "--as", "north", "--yes")
    _, claim = insured.paid_pack(folder, code(1))
    [batch] = {row["batch"] for row in insured.done("auditor", "list", "--json").json}
    # when
    rows = insured.done("auditor", "touched", batch, "--json").json
    # then
    assert claim["claim"] in [each["claim"] for row in rows for each in row["claims"]]


def test_report__has_the_loss_ratio_and_what_only_the_insurer_knows(insured: Insured, folder: Path) -> None:
    # given
    insured.claimed(folder, claim_file(folder, (CHECK_UP, "2030-01-03", "120.00")), name="another")
    pseudonym = insured.done("insurer", "policies", insured.plan, "--json").json[0]["pseudonym"]
    people = folder / "people.csv"
    people.write_text(f"pseudonym,person,member,died\n{pseudonym},Ann Example,4,2029-12-31\n", encoding="utf-8")
    # when
    picture = folder / "report.svg"
    words = ("--people", str(people), "--chart", str(picture))
    told = insured.done("insurer", "report", insured.plan, *words, "--json").json
    # then
    assert told["loss ratio"] == "no premiums"
    assert any("the provider that she belongs to" in flag for flag in told["flags"])
    assert any("after her death" in flag for flag in told["flags"])
    assert picture.read_bytes().startswith(b"<svg ")
