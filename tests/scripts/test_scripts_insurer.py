"""An insurer and an auditor by their commands: plans, the queue, appeals, refutations, dossiers, recalls, the report."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cover_town import CHECK_UP, COLONOSCOPY, THERAPY, Insured, claim_file, insured_town, plan_file
from pharmacy_town import code


@pytest.fixture(scope="module")
def _insured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Insured]:
    with insured_town(tmp_path_factory.mktemp("insured")) as found:
        yield found


@pytest.fixture
def town(_insured: Insured) -> Iterator[Insured]:
    yield _insured


def claims(town: Insured, *words: str) -> dict[str, dict[str, Any]]:
    """The claims that the insurer lists, by number."""
    return {row["claim"]: row for row in town.done("insurer", "claims", "--json", *words).json}


# -- plans -----------------------------------------------------------------------------------------------------------


def test_validate__says_how_many_services_are_alike_without_a_chain(town: Insured) -> None:
    # when
    said = town.done("insurer", "validate", "examples/plan.yaml", THERIAC_NETWORK="ethereum:dev:http://127.0.0.1:1")
    # then
    assert "services, of them" in said.out
    assert "Refused" not in said.out


def test_validate__of_a_price_that_tells_a_sensitive_service__is_refused(town: Insured, folder: Path) -> None:
    # given
    file = Path(plan_file(folder / "plan.yaml"))
    text = file.read_text(encoding="utf-8")
    at = text.index(THERAPY)
    price = text.index("price: ", at)
    file.write_text(text[:price] + "price: 123.45" + text[text.index(",", price) :], encoding="utf-8")
    # when
    said = town.run("insurer", "validate", str(file))
    # then
    assert said.code == 2
    assert THERAPY in said.err
    assert len(said.sentences) == 1


def test_publish__again__is_the_same_plan(town: Insured, folder: Path) -> None:
    # given
    file = plan_file(folder / "plan.yaml", name="Twice")
    # when
    first, second = town.published("insurer", file), town.published("insurer", file)
    # then
    assert first == second
    assert [row["name"] for row in town.done("insurer", "plans", "--json").json].count("Twice") == 1


def test_fund__with_more_than_there_is__is_refused_in_a_sentence(town: Insured) -> None:
    # when
    said = town.run("insurer", "fund", town.plan, "99999999")
    # then
    assert (said.code, len(said.sentences)) == (3, 1)


def test_play_money__is_minted_where_nothing_lasts(town: Insured) -> None:
    # when
    first = town.done("insurer", "play-money", "TEST::7", "12.50").out
    again = town.done("insurer", "play-money", "TEST::7", "12.50").out
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
def test_bad_input__is_one_sentence(town: Insured, words: tuple[str, ...]) -> None:
    # when
    said = town.run("insurer", *words)
    # then
    assert said.code in (2, 3)
    assert len(said.sentences) == 1


# -- what becomes of claims ------------------------------------------------------------------------------------------


def test_appeal__of_a_denied_claim__granted_paid_and_verified(town: Insured, folder: Path) -> None:
    # given
    claim = town.claimed(folder, claim_file(folder, (COLONOSCOPY, "2030-01-05", "900.00")), name="scan")
    assert "CARC 197" in " ".join(claims(town)[claim["claim"]]["why"])
    town.done("clinic", "appeal", claim["claim"], "--why", "There was no time to ask")
    # when
    said = town.done("insurer", "answer", claim["claim"], "--grant", "--waive", "unauthorized")
    # then
    assert "Granted" in said.out
    assert claims(town)[claim["claim"]]["paid"] == "720.00"
    assert [(row["what"], row["stands"]) for row in town.done("insurer", "appeals", "--json").json] == [
        ("appeal", "granted")
    ]
    # when
    dossier = folder / "dossier.json"
    written = town.done("auditor", "claim", claim["claim"], "-o", str(dossier)).out
    block = written.split("0x")[-1].strip(" .\n")
    checked = town.done("auditor", "verify-claim", str(dossier), "--claim", claim["claim"], "--block-hash", block)
    # then
    assert "Proven under block" in checked.out
    # when one amount is changed
    told = json.loads(dossier.read_text(encoding="utf-8"))
    told["kept"][6] = str(int(told["kept"][6]) + 1)
    dossier.write_text(json.dumps(told, sort_keys=True, separators=(",", ":")), encoding="utf-8")
    refused = town.run("auditor", "verify-claim", str(dossier), "--claim", claim["claim"])
    # then
    assert (refused.code, len(refused.sentences)) == (5, 1)


def test_refute__is_read_and_ruled_on_by_the_arbiter(town: Insured, folder: Path) -> None:
    # given
    claim = town.claimed(folder, claim_file(folder, (CHECK_UP, "2030-01-04", "120.00")), name="visit")["claim"]
    opened = town.done("insurer", "open", claim).json
    assert opened["lines"][0]["code"] == CHECK_UP
    town.done("insurer", "refute", claim, "--ground", "3", "--why", "Nobody was there", "--yes")
    assert claims(town)[claim]["standing"] == "disputed"
    # when
    told = town.done("auditor", "read-refutation", claim).json
    # then
    assert told["why"] == "Nobody was there"
    assert told["opening"]["lines"][0]["code"] == CHECK_UP
    # when
    assert [row["stands"] for row in town.done("auditor", "refutations", "--json").json] == ["open"]
    town.done("auditor", "rule", claim, "--for", "insurer", "--yes")
    # then
    assert claims(town)[claim]["standing"] == "reversed"
    again = town.run("auditor", "rule", claim, "--for", "insurer", "--yes")
    assert (again.code, len(again.sentences)) == (3, 1)


def test_touched__by_a_recall__names_pharmacy_and_pseudonym(town: Insured, folder: Path) -> None:
    # given
    town.done("pharmacy", "let-claim", "--as", "north", "--yes")
    _, claim = town.paid_pack(folder, code(1))
    [batch] = {row["batch"] for row in town.done("auditor", "list", "--json").json}
    # when
    rows = town.done("auditor", "touched", batch, "--json").json
    # then
    assert claim["claim"] in [each["claim"] for row in rows for each in row["claims"]]


def test_report__has_the_loss_ratio_and_what_only_the_insurer_knows(town: Insured, folder: Path) -> None:
    # given
    town.claimed(folder, claim_file(folder, (CHECK_UP, "2030-01-03", "120.00")), name="another")
    pseudonym = town.done("insurer", "policies", town.plan, "--json").json[0]["pseudonym"]
    people = folder / "people.csv"
    people.write_text(f"pseudonym,person,member,died\n{pseudonym},Ann Example,4,2029-12-31\n", encoding="utf-8")
    # when
    picture = folder / "report.svg"
    words = ("--people", str(people), "--chart", str(picture))
    told = town.done("insurer", "report", town.plan, *words, "--json").json
    # then
    assert told["loss ratio"] == "no premiums"
    assert any("the provider that she belongs to" in flag for flag in told["flags"])
    assert any("after her death" in flag for flag in told["flags"])
    assert picture.read_bytes().startswith(b"<svg ")
