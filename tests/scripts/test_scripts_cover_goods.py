"""Packs that are dispensed and paid in one transaction, by the commands of pharmacies, on a real chain."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from cover_town import CHECK_UP, INHALER, RXNORM, Insured
from pharmacy_town import code
from scripts_town import Said

from theriac.cover.papers import Request
from theriac.medicine.packs import Product, commitment_of


@pytest.fixture(scope="module")
def open_market(market: Insured) -> Insured:
    market.done("pharmacy", "let-claim", "--as", "north", "--yes")
    return market


@pytest.fixture
def town(open_market: Insured) -> Iterator[Insured]:
    """The market where north lets claims dispense and fill for it."""
    with open_market.undone():
        yield open_market


def refused(said: Said) -> tuple[int, str]:
    """The exit code, and the last sentence."""
    return said.code, said.sentences[-1]


def line_of(town: Insured, paper: str) -> tuple[int, int, int | None, str]:
    [row] = town.done("pharmacy", "prescription", paper, "--as", "north", "--json").json["lines"]
    return row["given"], row["left"], row["holder"], row["why"]


def papers_of(town: Insured, folder: Path, *, name: str = "pack") -> tuple[str, list[str]]:
    """The paper of a prescription, and what `dispense` is given with the claim for it."""
    paper = town.prescribed(folder, name=f"{name}-rx")
    request = town.pack_asked(folder, paper, name=name)
    return paper, ["--prescription", paper, "--claim", request, "--consent", town.consented(request), "--as", "north"]


def test_dispense__with_a_claim__dispensed_filled_decided_and_paid_in_one_transaction(
    town: Insured, folder: Path
) -> None:
    # given
    paper, words = papers_of(town, folder)
    there = town.chain.web3.eth.block_number

    # when
    said = town.done("pharmacy", "dispense", code(0), *words)
    claim = town.done("pharmacy", "claims", "--as", "north", "--json").json[-1]

    # then
    assert town.chain.web3.eth.block_number == there + 1
    assert said.out.startswith("dispensed")
    number = claim["claim"][:16]
    assert said.err == f"Filled: 1 of the line. Claim {number}: paid 23.00 EUR, the patient owes 5.00 EUR.\n"
    assert (claim["standing"], claim["paid"], claim["share"], claim["why"]) == ("decided", "23.00", "5.00", [])
    assert line_of(town, paper) == (1, 0, None, "all given")
    assert town.scan(code(0)).out.startswith("dispensed-here")


def test_dispense__with_a_claim__the_counter_knows_it(town: Insured, folder: Path) -> None:
    # given
    _, words = papers_of(town, folder)

    # when
    town.done("pharmacy", "dispense", code(1), *words)
    row = town.done("pharmacy", "dispenses", "--as", "north", "--json").json[-1]
    settled = town.done("pharmacy", "settle", "--as", "north", "--json").json
    undone = town.run("pharmacy", "undo", code(1), "--as", "north")

    # then
    assert (row["standing"], row["undone"], row["signed"]) == ("settled", False, True)
    assert settled == []
    assert undone.code == 3
    assert undone.err == (
        "04150123456782 SN000001 (lot L42A, expires 2035-06-30) was dispensed for a claim; 'reverse' that claim, which "
        "gives back what was paid too.\n"
    )


def test_dispense__with_a_claim__a_second_time__is_told_or_refused(town: Insured, folder: Path) -> None:
    # given
    paper, words = papers_of(town, folder)
    first = town.done("pharmacy", "dispense", code(2), *words)
    there, many = (
        town.chain.web3.eth.block_number,
        len(town.done("pharmacy", "dispenses", "--as", "north", "--json").json),
    )

    # when
    again = town.done("pharmacy", "dispense", code(2), *words)
    another = town.run("pharmacy", "dispense", code(3), *words)
    more = town.run(
        *("pharmacy", "claim", town.card, "--prescription", paper, "--charge", "28.00"),
        *("-o", str(folder / "more.request"), "--as", "north"),
    )

    # then
    assert again.err == first.err
    assert refused(another)[0] == 3
    assert "was made with another pack; nothing was dispensed" in another.err
    assert refused(more) == (3, "1 of line 1 cannot be given: all given.")
    assert town.chain.web3.eth.block_number == there
    assert len(town.done("pharmacy", "dispenses", "--as", "north", "--json").json) == many
    assert town.scan(code(3)).out.startswith("genuine")


def test_dispense__with_a_claim__a_run_that_broke_off_after_it_was_sent__is_written_down(
    town: Insured, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    from theriac.medicine.depot import Depot

    _, words = papers_of(town, folder)
    with monkeypatch.context() as patch:
        patch.setattr(Depot, "note_dispense", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        broken = town.run("pharmacy", "dispense", code(9), *words)

    # when
    said = town.done("pharmacy", "dispense", code(9), *words)
    row = town.done("pharmacy", "dispenses", "--as", "north", "--json").json[-1]

    # then
    assert broken.code == 1
    assert said.err.startswith("Filled: 1 of the line. Claim ")
    assert (row["pack"], row["standing"]) == ("04150123456782 SN000009", "settled")


def test_dispense__with_a_pass_and_with_a_line_that_is_held(town: Insured, folder: Path) -> None:
    # given: one prescription shown as a pass, another whose line is held already
    paper, words = papers_of(town, folder)
    shown = str(folder / "pass.txt")
    town.done("patient", "pass", paper, "--to", "member:2", "-o", shown)
    held, others = papers_of(town, folder, name="held")
    town.done("pharmacy", "take", held, "--as", "north")

    # when
    town.done("pharmacy", "dispense", code(3), *[shown if word == paper else word for word in words])
    town.done("pharmacy", "dispense", code(4), *others)

    # then
    assert line_of(town, paper) == line_of(town, held) == (1, 0, None, "all given")


def test_dispense__where_claims_may_not__one_sentence(town: Insured, folder: Path) -> None:
    # given
    _, words = papers_of(town, folder)
    no = town.done("pharmacy", "let-claim", "--no", "--as", "north")

    # when
    said = town.run("pharmacy", "dispense", code(5), *words)
    asked = town.run("pharmacy", "let-claim", "--as", "north")
    town.done("pharmacy", "let-claim", "--yes", "--as", "north")
    town.done("pharmacy", "dispense", code(5), *words)

    # then
    assert no.out == "Claims may do nothing for this pharmacy now.\n"
    assert (asked.code, said.out) == (1, "")
    assert refused(said) == (
        3,
        "Claims may not dispense and fill for this pharmacy yet; run 'pharmacy let-claim' first.",
    )


def test_dispense__less_than_is_accepted_or_another_prescription__nothing_is_dispensed(
    town: Insured, folder: Path
) -> None:
    # given
    paper, words = papers_of(town, folder)
    other = town.prescribed(folder, name="other")

    # when
    little = town.run("pharmacy", "dispense", code(6), *words, "--least", "23.01")
    wrong = town.run("pharmacy", "dispense", code(6), *[other if word == paper else word for word in words])
    two = town.run("pharmacy", "dispense", code(6), code(7), *words)
    alone = town.run("pharmacy", "dispense", code(6), *words[:4], "--as", "north")

    # then
    assert (little.code, wrong.code, two.code, alone.code) == (3, 3, 2, 2)
    assert "another prescription" in wrong.err
    assert line_of(town, paper) == line_of(town, other) == (0, 1, None, "")
    assert town.scan(code(6)).out.startswith("genuine")


def test_opening__lets_the_insurer_see_which_pack_and_what_was_prescribed(town: Insured, folder: Path) -> None:
    # given
    _, claim = town.paid_pack(folder, code(6))

    # when
    told = town.done("insurer", "open", claim["claim"]).json

    # then: the pack's commitment is what was dispensed, and the item's what was prescribed
    pack = told["pack"]
    assert (pack["code"], pack["serial"], pack["lot"], pack["expiry"]) == (
        "04150123456782",
        "SN000006",
        "L42A",
        "2035-06-30",
    )
    product = Product(pack["code"], pack["lot"], date.fromisoformat(pack["expiry"]))
    commitment = commitment_of(bytes.fromhex(pack["salt"]), product, pack["serial"])
    with town.goods("north") as goods:
        [number] = [each.commitment for each in goods.depot.counter.dispenses() if each.label.endswith("SN000006")]
    assert commitment == number
    assert json.loads(told["item"]["request"])["medicationCodeableConcept"]["coding"] == [INHALER]
    assert json.loads(told["dispense"])["resourceType"] == "MedicationDispense"


def test_reverse__the_pack_is_in_stock_and_the_line_open_again(town: Insured, folder: Path) -> None:
    # given
    paper, claim = town.paid_pack(folder, code(7))
    town.done("patient", "pay", claim["claim"], "--as", "ann", "--yes")

    # when
    said = town.done("pharmacy", "reverse", claim["claim"], "--yes", "--as", "north")
    row = town.done("pharmacy", "dispenses", "--as", "north", "--json").json[-1]

    # then
    assert said.out == f"Reversed claim {claim['claim'][:16]}; the pack is in stock again.\n"
    assert row["undone"]
    assert line_of(town, paper) == (0, 1, None, "")
    assert town.scan(code(7)).out.startswith("genuine")
    town.done("pharmacy", "dispense", code(7), "--prescription", paper, "--as", "north")


def test_reverse__keep_goods__they_stay_given(town: Insured, folder: Path) -> None:
    # given
    paper, claim = town.paid_pack(folder, code(8))

    # when
    said = town.done("pharmacy", "reverse", claim["claim"], "--keep-goods", "--yes", "--as", "north")

    # then
    assert said.out == f"Reversed claim {claim['claim'][:16]}.\n"
    assert line_of(town, paper) == (1, 0, None, "all given")
    assert town.scan(code(8)).out.startswith("dispensed-here")


def test_claim__what_the_plan_does_not_list__is_named(town: Insured, folder: Path) -> None:
    # given
    coding = {"system": RXNORM, "code": "1", "display": "Something else"}
    paper = town.prescribed(folder, coding=coding)

    def asked(*words: str, name: str) -> Said:
        out = ("-o", str(folder / name), "--charge", "28.00")
        return town.run("pharmacy", "claim", town.card, "--prescription", paper, *out, *words, "--as", "north")

    # when
    unlisted = asked(name="a")
    service = asked("--service", CHECK_UP, name="b")
    named = asked("--service", INHALER["code"], name="c")

    # then
    assert refused(unlisted) == (2, "Something else has no code that the plan lists; name the service with --service.")
    assert refused(service) == (3, "Check-up is no medicine in this plan; a clinic claims for it.")
    assert named.code == 0
    [words] = Request.decode((folder / "c").read_bytes()).words
    assert (words.display, words.day) == ("Albuterol inhaler", "")


def test_consent__to_goods__when_they_are_given(town: Insured, folder: Path) -> None:
    # given
    request = town.pack_asked(folder, town.prescribed(folder))

    # when
    said = town.run("patient", "consent", request, "-o", str(folder / "a.consent"), "--as", "ann")

    # then
    assert said.out.splitlines()[0] == "North (member 2) claims under Riverside Basic 2030:"
    assert "Albuterol inhaler" in said.out
    assert "when it is given" in said.out


def test_submit__a_pharmacys_claim__goes_with_the_pack(town: Insured, folder: Path) -> None:
    # given
    request = town.pack_asked(folder, town.prescribed(folder))
    consent = town.consented(request)

    # when
    said = town.run("pharmacy", "submit", request, consent, "--as", "north")
    stranger = town.run("pharmacy", "submit", request, consent, "--as", "south")

    # then
    assert refused(said) == (2, "This claim is for goods; 'pharmacy dispense --claim' submits it with the pack.")
    assert refused(stranger) == (3, "This claim is member 2's; that member submits it.")


@pytest.mark.parametrize(
    "words",
    [
        ["claim", "junk", "--prescription", "rx", "--charge", "1", "-o", "new"],
        ["claim", "card", "--prescription", "rx", "--charge", "nothing", "-o", "new"],
        ["claim", "card", "--prescription", "rx", "--charge", "0", "-o", "new"],
        ["claim", "card", "--prescription", "rx", "--line", "2", "--charge", "1", "-o", "new"],
        ["claim", "card", "--prescription", "rx", "--units", "2", "--charge", "1", "-o", "new"],
        ["claim", "card", "--prescription", "hello", "--charge", "1", "-o", "new"],
        ["claim", "card", "--prescription", "rx", "--charge", "1", "--service", "unknown", "-o", "new"],
        ["dispense", "CODE", "--prescription", "rx", "--claim", "junk", "--consent", "junk"],
        ["dispense", "CODE", "--claim", "junk", "--consent", "junk"],
        ["dispense", "CODE", "--prescription", "rx", "--line", "1", "--claim", "junk", "--consent", "junk"],
        ["resume", "abcdef"],
        ["reverse", "abcdef", "--yes"],
    ],
    ids=lambda words: " ".join(words)[:60],
)
def test_bad_input__one_sentence_and_nothing_sent(town: Insured, folder: Path, words: list[str]) -> None:
    # given
    (folder / "junk").write_bytes(b"{}")
    (folder / "card").write_bytes(Path(town.card).read_bytes())
    Path(town.prescribed(folder)).rename(folder / "rx")
    there = town.chain.web3.eth.block_number

    # when
    named = [str(folder / word) if word in {"junk", "card", "new", "rx"} else word for word in words]
    said = town.run("pharmacy", *[code(30) if word == "CODE" else word for word in named], "--as", "north")

    # then
    assert (said.code in (2, 3), len(said.sentences), said.out) == (True, 1, "")
    assert town.chain.web3.eth.block_number == there
    assert not (folder / "new").exists()
