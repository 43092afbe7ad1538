"""Cover by the commands of a patient, a clinic and an insurer, on a real chain. Each test has days of its own."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cover_town import (
    APPENDECTOMY,
    CHECK_UP,
    COLONOSCOPY,
    INSURER,
    SNOMED,
    THERAPY,
    VISIT,
    Insured,
    account_of,
    claim_file,
    plan_file,
)
from scripts_town import Said

from theriac.cover import policies
from theriac.cover.papers import Card, Consent, Offer, Request
from theriac.cover.rules import Kind


@pytest.fixture
def town(market: Insured) -> Iterator[Insured]:
    with market.undone():
        yield market


def refused(said: Said) -> tuple[int, str]:
    """The exit code, and the one sentence."""
    [sentence] = said.sentences
    return said.code, sentence


def amounts(row: dict[str, Any]) -> tuple[str, str, str]:
    return row["standing"], row["paid"], row["share"]


def claim_of(town: Insured, number: str, who: str = "patient") -> dict[str, Any]:
    words = ("--as", "ann") if who == "patient" else ()
    [found] = [row for row in town.done(who, "claims", *words, "--json").json if row["claim"] == number]
    return dict(found)


# -- policies --------------------------------------------------------------------------------------------------------


def test_enrol__says_what_is_signed__once(town: Insured, folder: Path) -> None:
    # given: the offer that she signed, and another of the same plan
    services = policies.parse((town.folder / "plan.yaml").read_bytes()).services
    left_out = sum(each.kind is not Kind.COVERED for each in services)
    taken, other = town.path(f"ann-{town.plan[:8]}.offer"), town.insurers_offer(town.plan, "shown")

    # when
    said = town.run("patient", "enrol", taken, "-o", str(folder / "a.enrolment"), "--as", "ann")
    again = town.run("patient", "enrol", other, "-o", str(folder / "a.enrolment"), "--as", "ann")

    # then
    assert said.code == 0
    assert said.out.splitlines() == [
        "Riverside Basic 2030 of Lake Insurance (member 5), 2030-01-01 to 2030-12-31.",
        "You pay first, a year: 0.00 EUR.",
        "You pay at most, a year: 2000.00 EUR.",
        "The plan pays at most, a year: 60000.00 EUR.",
        "The plan pays at most, in all years: 1000000.00 EUR.",
        f"{len(services) - left_out} services are covered, {left_out} are not.",
        "Premium: none.",
        "You are enrolled already; the offer is kept, and nothing was signed.",
    ]
    assert refused(again) == (3, "You are enrolled in this plan by another offer; nothing was signed.")
    assert not (folder / "a.enrolment").exists()


def test_enrol__nobody_answers__nothing_is_signed(town: Insured, folder: Path) -> None:
    # given
    plan = town.published("insurer", plan_file(folder / "plan.yaml", name="Unsigned"))
    offer, out = town.insurers_offer(plan, "unsigned"), folder / "a.enrolment"

    # when
    said = town.run("patient", "enrol", offer, "-o", str(out), "--as", "ann")

    # then
    assert (said.code, out.exists()) == (1, False)
    assert plan not in {row["plan"] for row in town.done("patient", "policies", "--as", "ann", "--json").json}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"insurer": "Lake Assurance"}, "says that it is of Lake Assurance, and the plan is of Lake Insurance"),
        ({"underwriter": "0x" + "11" * 20}, "is not the insurer's"),
        ({"plan": bytes(32)}, "No insurer published plan"),
        ({"ends": 1}, "ends at another time than after its last day"),
        ({"other schedule": True}, "is not that of its plan"),
    ],
    ids=["name", "account", "plan", "end", "schedule"],
)
def test_enrol__what_the_chain_does_not_have__is_not_signed(
    town: Insured, folder: Path, changes: dict[str, Any], sentence: str
) -> None:
    # given
    offer = Offer.decode(Path(town.insurers_offer(town.plan, "changed")).read_bytes())
    if ends := changes.pop("ends", 0):
        changes["year"] = replace(offer.year, ends=offer.year.ends + ends)
    if changes.pop("other schedule", False):
        changes["schedule"] = replace(offer.schedule, entries=offer.schedule.entries[:-1])
    (folder / "changed.offer").write_bytes(replace(offer, **changes).encode())

    # when
    said = town.run(
        "patient", "enrol", str(folder / "changed.offer"), "-o", str(folder / "out"), "--as", "ann", "--yes"
    )

    # then
    code, told = refused(said)
    assert code in (3, 5)
    assert sentence in told
    assert not (folder / "out").exists()


def test_policies__tell_what_was_used(town: Insured, folder: Path) -> None:
    # given
    before = _policy(town)
    town.claimed(folder, claim_file(folder, (VISIT, "2030-01-20", "90.00")))

    # when
    after = _policy(town)
    shown = town.done("patient", "policies", "--as", "ann").out

    # then: a copay of 10, a tenth of the rest, and the rest of it
    assert (after["name"], after["insurer"], after["first"], after["last"]) == (
        "Riverside Basic 2030",
        "Lake Insurance",
        "2030-01-01",
        "2030-12-31",
    )
    assert after["stands"].startswith("until 2031-01-")
    used = {name: float(after[name]["used"]) - float(before[name]["used"]) for name in ("out_of_pocket", "paid")}
    assert used == {"out_of_pocket": 18.0, "paid": 72.0}
    assert after["out_of_pocket"]["of"] == "2000.00"
    assert "Riverside Basic 2030" in shown


def _policy(town: Insured) -> dict[str, Any]:
    found = town.done("patient", "policies", "--as", "ann", "--json").json
    [row] = [row for row in found if row["plan"] == town.plan]
    return dict(row)


def test_card__only_once_the_insurer_has_enrolled_her(town: Insured, folder: Path) -> None:
    # given
    plan = town.published("insurer", plan_file(folder / "plan.yaml", name="Not brought yet"))
    offer, enrolment = town.insurers_offer(plan, "early"), str(folder / "early.enrolment")
    town.done("patient", "enrol", offer, "-o", enrolment, "--yes", "--as", "ann")

    # when
    early = town.run("patient", "card", plan[:8], "-o", str(folder / "early.card"), "--as", "ann")
    town.done("insurer", "enrol", enrolment)
    town.done("patient", "card", "not brought yet", "-o", str(folder / "a.card"), "--as", "ann")

    # then
    assert refused(early) == (3, "The insurer has not brought your enrolment to the chain yet; ask it to.")
    card = Card.decode((folder / "a.card").read_bytes())
    assert (card.plan.hex(), card.insurer) == (plan, "Lake Insurance")
    assert card.pseudonym != Card.decode(Path(town.card).read_bytes()).pseudonym
    assert (folder / "a.card").stat().st_mode & 0o777 == 0o600


def test_premium__paid_by_somebody__makes_the_policy_last(town: Insured, folder: Path) -> None:
    # given
    plan = town.published("insurer", plan_file(folder / "plan.yaml", name="With premium", premium=True))
    town.enrol("ann", plan)
    lapsed = _stands(town, plan)

    # when
    poor = town.run("patient", "premium", plan[:8], "--account", "TEST::8", "--as", "ann", "--yes")
    said = town.done("patient", "premium", plan[:8], "--periods", "2", "--account", "TEST::9", "--as", "ann", "--yes")
    none = town.run("patient", "premium", town.plan[:8], "--as", "ann", "--yes")

    # then
    assert lapsed == "lapsed since 2030-01-07"
    assert said.out == "Paid 191.00 EUR; With premium 2030 lasts until 2030-03-08.\n"
    assert _stands(town, plan) == "until 2030-03-08"
    assert refused(poor) == (3, "TEST::8 has 0.00 EUR, and this is 95.50 EUR.")
    assert refused(none) == (3, "Riverside Basic 2030 has no premium; nothing was paid.")


def test_end_policy__by_the_patient(town: Insured, folder: Path) -> None:
    # given
    plan = town.published("insurer", plan_file(folder / "plan.yaml", name="To be ended"))
    town.enrol("ann", plan)

    # when
    asked = town.run("patient", "end-policy", plan[:8], "--as", "ann")
    town.done("patient", "end-policy", plan[:8], "--as", "ann", "--yes")

    # then
    assert asked.code == 1
    assert _stands(town, plan) == "ended 2030-01-07"


def _stands(town: Insured, plan: str) -> str:
    rows = town.done("patient", "policies", "--as", "ann", "--json").json
    return next(str(row["stands"]) for row in rows if row["plan"] == plan)


# -- from a visit to its payment -------------------------------------------------------------------------------------


def test_claim__again_with_the_same_file__is_anchored_once_and_asks_for_the_same(town: Insured, folder: Path) -> None:
    # given
    file = claim_file(folder, (CHECK_UP, "2030-01-08", "120.00"))
    first = town.asked(folder, file)
    there = town.chain.web3.eth.block_number

    # when
    second = town.asked(folder, file, name="again")
    other = town.asked(folder, claim_file(folder, (CHECK_UP, "2030-01-09", "120.00"), name="b.json"), name="other")

    # then
    assert Path(second).read_bytes() == Path(first).read_bytes()
    assert town.chain.web3.eth.block_number == there + 1
    assert (
        Request.decode(Path(other).read_bytes()).claim.evidence
        != Request.decode(Path(first).read_bytes()).claim.evidence
    )


def test_claim__says_what_it_would_come_to(town: Insured, folder: Path) -> None:
    # when
    file = claim_file(folder, (VISIT, "2030-01-21", "100.00"), ("185347001", "2030-01-21", "90.00"))
    said = town.done("clinic", "claim", town.card, file, "-o", str(folder / "a.request"))

    # then: two visits a day are one
    assert said.out.splitlines() == [
        "Would be paid 72.00 EUR; the patient would owe 18.00 EUR. "
        "Line 2, CARC 97: It is part of another service that was paid for that day.",
        f"Wrote {folder / 'a.request'}; have the patient consent to it.",
    ]


def test_claim__leaves_nothing_of_code_day_or_name_on_the_chain(town: Insured, folder: Path) -> None:
    # given
    begin = town.chain.web3.eth.block_number + 1
    town.claimed(folder, claim_file(folder, (THERAPY, "2030-01-22", "95.00")))

    # when
    said = b""
    for number in range(begin, town.chain.web3.eth.block_number + 1):
        for transaction in town.chain.web3.eth.get_block(number, full_transactions=True)["transactions"]:
            said += bytes(transaction["input"])

    # then: nor the charge of a sensitive service, which would tell it
    assert said
    for word in (b"75516001", b"Psychotherapy", b"2030-01-22", b"Ann", (95 * 10**6).to_bytes(32, "big")):
        assert word not in said


@pytest.mark.parametrize(
    ("lines", "changes", "code", "sentence"),
    [
        ([("999", "2030-01-10", "1.00")], {}, 2, "999"),
        ([(CHECK_UP, "2030-13-10", "1.00")], {}, 2, "is no day"),
        ([(CHECK_UP, "2030-01-10", "1.00")], {"status": "draft"}, 2, "status"),
        ([(CHECK_UP, "2030-01-10", "1.00")], {"type": {"coding": [{"code": "pharmacy"}]}}, 2, ""),
        ([], {}, 2, "item"),
        ([(CHECK_UP, "2030-01-10", "1.00")], {"resourceType": "Patient"}, 2, "is a Patient"),
    ],
    ids=["unlisted", "day", "draft", "pharmacy", "empty", "another resource"],
)
def test_claim__what_cannot_be__one_sentence_and_nothing_anchored(
    town: Insured,
    folder: Path,
    lines: list[tuple[str, str, str]],
    changes: dict[str, Any],
    code: int,
    sentence: str,
) -> None:
    # given
    there = town.chain.web3.eth.block_number

    # when
    said = town.run(
        "clinic", "claim", town.card, claim_file(folder, *lines, **changes), "-o", str(folder / "a.request")
    )

    # then
    told = refused(said)
    assert told[0] == code
    assert sentence in told[1]
    assert town.chain.web3.eth.block_number == there
    assert not (folder / "a.request").exists()


def test_consent__shows_every_line_in_the_words_of_her_plan(town: Insured, folder: Path) -> None:
    # given
    file = claim_file(folder, (CHECK_UP, "2030-01-11", "120.00"), (THERAPY, "2030-01-12", "80.00"))
    request = town.asked(folder, file)

    # when
    said = town.run("patient", "consent", request, "-o", str(folder / "a.consent"), "--as", "ann")

    # then: nobody answered
    assert (said.code, (folder / "a.consent").exists()) == (1, False)
    lines = [line.split("  ") for line in said.out.splitlines()]
    assert said.out.splitlines()[0] == "Hill Surgery (member 4) claims under Riverside Basic 2030:"
    assert [part.strip() for part in lines[2] if part.strip()] == [
        "1",
        "Check-up",
        CHECK_UP,
        "2030-01-11",
        "1",
        "120.00 EUR",
    ]
    assert "Psychotherapy" in said.out
    assert "In all 200.00 EUR.\n" in said.out


@pytest.mark.parametrize(
    ("change", "code", "sentence"),
    [
        (lambda told: replace(told, words=(replace(told.words[0], display="Visit"),)), 5, "is called Visit 2030-01-13"),
        (
            lambda told: replace(told, words=(replace(told.words[0], day="2030-01-14"),)),
            5,
            "in your plan it is Check-up",
        ),
        (lambda told: replace(told, provider="North"), 5, "is North's, and it is Hill Surgery's"),
        (lambda told: replace(told, claim=replace(told.claim, pseudonym="0x" + "22" * 20)), 3, "no policy of yours"),
        (lambda told: replace(told, claim=replace(told.claim, plan=bytes(32))), 3, "no policy of yours"),
        (lambda told: replace(told, claim=replace(told.claim, deadline=1)), 3, "waited for consent until 1970"),
        (lambda told: replace(told, claim=replace(told.claim, era=3)), 3, "before your keys were renewed"),
        (
            lambda told: replace(
                told, claim=replace(told.claim, lines=(replace(told.claim.lines[0], service=bytes(32)),))
            ),
            2,
            "no service of this plan",
        ),
    ],
    ids=["display", "day", "provider", "pseudonym", "plan", "expired", "era", "service"],
)
def test_consent__to_what_is_not_as_it_says__is_not_signed(
    town: Insured, folder: Path, change: Any, code: int, sentence: str
) -> None:
    # given
    request = Path(town.asked(folder, claim_file(folder, (CHECK_UP, "2030-01-13", "120.00"))))
    request.write_bytes(change(Request.decode(request.read_bytes())).encode())

    # when
    said = town.run("patient", "consent", str(request), "-o", str(folder / "a.consent"), "--yes", "--as", "ann")

    # then
    told = refused(said)
    assert told[0] == code
    assert sentence in told[1]
    assert not (folder / "a.consent").exists()


def test_submit__decided_and_paid_at_once_and_told_again(town: Insured, folder: Path) -> None:
    # given
    request = town.asked(folder, claim_file(folder, (VISIT, "2030-01-14", "100.00")))
    consent = town.consented(request, "--hours", "2")
    before = _credit(town)

    # when
    said = town.done("clinic", "submit", request, consent)
    there = town.chain.web3.eth.block_number
    again = town.done("clinic", "submit", request, consent)

    # then: her consent ends sooner than was asked for, and is the claim that stands
    asked, given = Request.decode(Path(request).read_bytes()), Consent.decode(Path(consent).read_bytes())
    assert given.deadline < asked.claim.deadline
    assert said.out == f"Claim {given.claim.hex()[:16]}: paid 72.00 EUR, the patient owes 18.00 EUR.\n"
    assert (again.out, town.chain.web3.eth.block_number) == (said.out, there)
    assert _credit(town) == before + 72_000_000


def _credit(town: Insured, number: int = 4) -> int:
    """What the escrow holds for an account."""
    from theriac.ledger.contracts import abi

    path = town.folder / "home" / "deployments"
    [deployment] = [json.loads(each.read_text()) for each in path.glob("*.json")]
    address = deployment["contracts"]["Escrow"]["address"]
    escrow = town.chain.web3.eth.contract(address=address, abi=abi("Escrow"))
    assert town.coin is not None
    return int(escrow.functions.creditOf(town.coin.address, account_of(number).address).call())


def test_submit__less_than_is_accepted__nothing_is_done(town: Insured, folder: Path) -> None:
    # given
    request = town.asked(folder, claim_file(folder, (VISIT, "2030-01-15", "100.00")))
    consent = town.consented(request)

    # when
    said = town.run("clinic", "submit", request, consent, "--least", "80.00")
    wrong = town.run("clinic", "submit", request, consent, "--least", "80.0000001")
    strange = town.run(
        "clinic",
        "submit",
        request,
        town.consented(town.asked(folder, claim_file(folder, (CHECK_UP, "2030-01-15", "1.00")), name="b")),
    )

    # then
    assert refused(said)[0] == 3
    assert "more than the 6 decimals" in refused(wrong)[1]
    assert "is the consent to another claim" in refused(strange)[1]


def test_submit__consent_that_is_over__one_sentence(town: Insured, folder: Path) -> None:
    # given
    out = str(folder / "a.request")
    file = claim_file(folder, (CHECK_UP, "2030-01-16", "120.00"))
    town.done("clinic", "claim", town.card, file, "-o", out, "--hours", "1")
    consent = town.consented(out)
    town.chain.at(town.chain.now() + 3700)

    # when
    said = town.run("clinic", "submit", out, consent)

    # then
    assert refused(said)[0] == 3
    assert refused(said)[1].startswith("The consent counted until 2030-01-07")


def test_submit__without_money_in_the_escrow__pends_and_is_resumed(town: Insured, folder: Path) -> None:
    # given: a plan of its own, whose escrow is empty
    plan = town.published("insurer", plan_file(folder / "plan.yaml", name="Empty"))
    town.enrol("ann", plan)
    card = str(folder / "empty.card")
    town.done("patient", "card", plan, "-o", card, "--as", "ann")
    request = str(folder / "a.request")
    town.done("clinic", "claim", card, claim_file(folder, (CHECK_UP, "2030-01-08", "120.00")), "-o", request)

    # when
    said = town.done("clinic", "submit", request, town.consented(request))
    [row] = town.done("clinic", "claims", "--pended", "--json").json
    town.done("clinic", "resume", row["claim"])
    [waiting] = town.done("clinic", "claims", "--pended", "--json").json
    town.done("insurer", "fund", plan, "500.00")
    paid = town.done("clinic", "resume", row["claim"][:12])
    over = town.run("clinic", "resume", row["claim"])

    # then
    assert said.out.endswith("is pended: the plan's escrow cannot pay it.\n")
    assert waiting["why"] == ["Pended: the plan's escrow cannot pay it."]
    assert paid.out.endswith("paid 120.00 EUR, the patient owes 0.00 EUR.\n")
    assert refused(over)[0] == 3


def test_claims__denied__says_why_to_both(town: Insured, folder: Path) -> None:
    # given: the same service on the same day, once more with another evidence
    town.claimed(folder, claim_file(folder, (THERAPY, "2030-02-01", "80.00")))
    denied = town.claimed(folder, claim_file(folder, (THERAPY, "2030-02-01", "79.00"), name="b.json"), name="b")

    # when
    mine = claim_of(town, denied["claim"])
    shown = town.done("patient", "claims", "--as", "ann")

    # then
    assert amounts(denied) == ("decided", "0.00", "0.00")
    assert denied["why"] == mine["why"] == ["Line 1, CARC 18: It was claimed already."]
    assert mine["services"] == [{"code": THERAPY, "display": "Psychotherapy", "day": "2030-02-01"}]
    assert mine["name"] == "Hill Surgery"
    assert "In all you owe " in shown.out


def test_claims__consented_and_never_submitted__is_told(town: Insured, folder: Path) -> None:
    # given
    request = town.asked(folder, claim_file(folder, (CHECK_UP, "2030-02-02", "120.00")))
    town.consented(request)

    # when
    row = claim_of(town, Request.decode(Path(request).read_bytes()).claim.id.hex())

    # then
    assert (row["standing"], row["share"], row["services"][0]["display"]) == ("not submitted yet", "0.00", "Check-up")


# -- what follows ----------------------------------------------------------------------------------------------------


def test_pay__by_somebody_else_once_with_a_receipt(town: Insured, folder: Path) -> None:
    # given
    claim = town.claimed(folder, claim_file(folder, (VISIT, "2030-02-03", "90.00")))["claim"]
    before = town.coins(9)

    # when
    poor = town.run("patient", "pay", claim[:10], "--account", "TEST::8", "--as", "ann", "--yes")
    out = str(folder / "receipt.json")
    said = town.done("patient", "pay", claim[:10], "--account", "TEST::9", "-o", out, "--as", "ann", "--yes")
    again = town.run("patient", "pay", claim[:10], "--as", "ann", "--yes")

    # then
    receipt = json.loads(Path(out).read_text())
    assert (receipt["amount"], receipt["currency"], receipt["name"]) == ("18.00", "EUR", "Hill Surgery")
    assert (receipt["claim"], receipt["payer"]) == (claim, account_of(9).address)
    assert said.out.splitlines()[-1].startswith("Receipt: 18.00 EUR to Hill Surgery for claim ")
    assert (before - town.coins(9), claim_of(town, claim)["share"]) == (18_000_000, "0.00")
    assert refused(poor) == (3, "TEST::8 has 0.00 EUR, and this is 18.00 EUR.")
    assert refused(again)[0] == 3
    assert "Nothing is due" in refused(again)[1]


def test_explain_and_remittance__say_the_same(town: Insured, folder: Path) -> None:
    # given
    claim = town.claimed(folder, claim_file(folder, (VISIT, "2030-02-04", "95.00")))["claim"]

    # when
    town.done("patient", "explain", claim[:10], "-o", str(folder / "hers.json"), "--as", "ann")
    town.done("clinic", "remittance", claim[:10], "-o", str(folder / "theirs.json"))

    # then
    hers, theirs = (json.loads((folder / name).read_text()) for name in ("hers.json", "theirs.json"))
    assert hers == theirs
    assert (hers["resourceType"], hers["billablePeriod"]["start"]) == ("ExplanationOfBenefit", "2030-02-04")
    assert hers["item"][0]["productOrService"]["coding"][0]["code"] == VISIT
    assert hers["payment"]["amount"] == {"value": 72, "currency": "EUR"}


def test_appeal__by_the_patient__is_answered(town: Insured, folder: Path) -> None:
    # given: what had to be authorized, and was not
    denied = town.claimed(folder, claim_file(folder, (COLONOSCOPY, "2030-02-05", "900.00")))

    # when
    town.done("patient", "appeal", denied["claim"], "--why", "It was an emergency", "--as", "ann")
    again = town.run("patient", "appeal", denied["claim"], "--why", "It was", "--as", "ann")
    town.done("insurer", "answer", denied["claim"], "--grant", "--waive", "unauthorized")

    # then
    assert denied["why"] == ["Line 1, CARC 197: It had to be authorized before, and was not."]
    assert refused(again)[0] == 3
    assert amounts(claim_of(town, denied["claim"])) == ("decided", "720.00", "180.00")


def test_appeal__by_the_clinic__has_what_was_sealed_before(town: Insured, folder: Path) -> None:
    # given
    denied = town.claimed(folder, claim_file(folder, (COLONOSCOPY, "2030-02-06", "900.00")))

    # when
    town.done("clinic", "appeal", denied["claim"], "--why", "See the report")
    rows = town.done("insurer", "appeals", "--json").json

    # then
    assert (denied["claim"], "open") in {(row["claim"], row["stands"]) for row in rows}


def test_reverse__gives_everything_back_and_frees_the_day(town: Insured, folder: Path) -> None:
    # given
    used = _policy(town)["paid"]["used"]
    claim = town.claimed(folder, claim_file(folder, (VISIT, "2030-02-07", "90.00")))["claim"]
    town.done("patient", "pay", claim, "--as", "ann", "--yes")
    before = _credit(town)

    # when
    asked = town.run("clinic", "reverse", claim)
    town.done("clinic", "reverse", claim, "--yes")
    twice = town.run("clinic", "reverse", claim, "--yes")
    again = town.claimed(folder, claim_file(folder, (VISIT, "2030-02-07", "89.00"), name="b.json"), name="b")

    # then: what was paid is gone from what the clinic has coming, the share too
    assert (asked.code, refused(twice)[0]) == (1, 3)
    assert claim_of(town, claim)["standing"] == "reversed"
    assert again["why"] == []
    town.done("clinic", "reverse", again["claim"], "--yes")
    assert (_policy(town)["paid"]["used"], _credit(town)) == (used, before - 90_000_000)


def test_payout__pushed__reverse_takes_it_from_the_account(town: Insured, folder: Path) -> None:
    # given: what is credited is given back first, so it is withdrawn
    town.claimed(folder, claim_file(folder, (CHECK_UP, "2030-02-14", "1.00"), name="b.json"), name="b")
    town.done("clinic", "withdraw", town.plan[:10])
    shown = town.done("clinic", "payout").out
    town.done("clinic", "payout", "--push")
    before = town.coins(4)

    # when
    claim = town.claimed(folder, claim_file(folder, (VISIT, "2030-02-08", "90.00")))["claim"]
    pushed = town.coins(4) - before
    town.done("clinic", "reverse", claim, "--yes")
    nothing = town.run("clinic", "withdraw", town.plan[:10])
    town.done("clinic", "payout", "--pull")

    # then
    assert shown == f"Paid to {account_of(4).address}: credited, to be withdrawn.\n"
    assert (pushed, town.coins(4)) == (72_000_000, before)
    assert refused(nothing)[0] == 3


def test_payout__to_another_account__which_answers_and_withdraws(town: Insured, folder: Path) -> None:
    # given: nothing is credited, and another account is paid
    town.claimed(folder, claim_file(folder, (CHECK_UP, "2030-02-15", "1.00"), name="b.json"), name="b")
    town.done("clinic", "withdraw", town.plan[:10])
    said = town.done("clinic", "payout", "--pull", "--to", "TEST::8")
    first = town.claimed(folder, claim_file(folder, (VISIT, "2030-02-09", "90.00")))["claim"]
    second = town.claimed(folder, claim_file(folder, (VISIT, "2030-02-16", "90.00"), name="c.json"), name="c")["claim"]

    # when
    early = town.run("clinic", "reverse", first, "--yes")
    asked = town.run("clinic", "answer-for", "4", "--account", "TEST::8")
    town.done("clinic", "answer-for", "4", "--account", "TEST::8", "--yes")
    town.done("clinic", "reverse", first, "--yes")
    only = town.run("clinic", "payout", "--push", "--account", "TEST::8")
    taken = town.done("clinic", "withdraw", town.plan[:10], "--account", "TEST::8")
    late = town.run("clinic", "reverse", second, "--yes")
    town.done("clinic", "payout", "--pull")

    # then
    assert said.out == f"Paid to {account_of(8).address}: credited, to be withdrawn.\n"
    assert refused(early) == (
        3,
        f"72.00 EUR went to {account_of(8).address}, which has to 'answer-for' this member first.",
    )
    assert asked.code == 1
    assert taken.out == f"Withdrawn: 72.00 to {account_of(8).address}.\n"
    assert refused(only)[0] == 3
    assert "has to let the escrow collect them first" in refused(late)[1]


def test_reverse__pended__nothing_was_decided(town: Insured, folder: Path) -> None:
    # given: what a reviewer is to decide
    pended = town.claimed(folder, claim_file(folder, (APPENDECTOMY, "2030-02-17", "5200.00")))

    # when
    town.done("clinic", "reverse", pended["claim"], "--yes")

    # then
    assert pended["why"] == ["Pended: the insurer's reviewer has to decide."]
    assert claim_of(town, pended["claim"])["standing"] == "reversed"


def test_authorize__asked_allowed_used_once(town: Insured, folder: Path) -> None:
    # given
    (folder / "why.txt").write_text("Blood was found")
    why = ("--why", str(folder / "why.txt"))
    town.done("clinic", "authorize", town.card, COLONOSCOPY, *why)
    [asked] = [row for row in town.done("clinic", "authorizations", "--json").json if row["stands"] == "requested"]
    number = asked["authorization"]

    # when
    town.done("insurer", "authorize", number, "--pend", "--why", "More, please")
    town.done("clinic", "complete-authorization", number[:10], *why)
    town.done("insurer", "authorize", number, "--units", "1", "--until", "2030-06-30")
    file = claim_file(folder, (COLONOSCOPY, "2030-02-10", "900.00"))
    request = town.asked(folder, file, "--authorization", number[:10])
    paid = town.done("clinic", "submit", request, town.consented(request), "--json").json
    [used] = [row for row in town.done("clinic", "authorizations", "--json").json if row["authorization"] == number]
    needless = town.run("clinic", "authorize", town.card, CHECK_UP, *why)
    unknown = town.run("clinic", "authorize", town.card, "nothing", *why)

    # then
    assert (asked["code"], asked["service"], asked["units"]) == (COLONOSCOPY, "Colonoscopy", 1)
    assert amounts(paid) == ("decided", "720.00", "180.00")
    assert (used["stands"], used["claim"]) == ("used", paid["claim"])
    assert refused(needless) == (3, "Check-up needs no authorization under this plan.")
    assert refused(unknown)[0] == 2


def test_coordinate__a_second_insurer_pays_what_the_first_left(town: Insured, folder: Path) -> None:
    # given: a policy under the same pseudonym
    plan = town.published("mutual", plan_file(folder / "plan.yaml", name="Second"))
    town.done("insurer", "fund", plan, "500.00", "--as", "mutual")
    said = town.enrol("ann", plan, "--with", town.plan, insurer="mutual")
    card = str(folder / "second.card")
    town.done("patient", "card", plan, "-o", card, "--as", "ann")
    first = town.claimed(folder, claim_file(folder, (VISIT, "2030-02-11", "90.00")))

    # when
    request = str(folder / "second.request")
    town.done("clinic", "coordinate", card, first["claim"], "-o", request)
    second = town.done("clinic", "submit", request, town.consented(request), "--json").json

    # then
    assert "both insurers, and everybody who looks at the chain, see that the two policies are one person's" in said.out
    assert Card.decode(Path(card).read_bytes()).pseudonym == Card.decode(Path(town.card).read_bytes()).pseudonym
    assert amounts(first) == ("decided", "72.00", "18.00")
    assert (second["paid"], claim_of(town, first["claim"])["share"]) == ("18.00", "0.00")


def test_coordinate__under_another_pseudonym__one_sentence(town: Insured, folder: Path) -> None:
    # given
    plan = town.published("mutual", plan_file(folder / "plan.yaml", name="Apart"))
    town.enrol("ann", plan, insurer="mutual")
    card = str(folder / "apart.card")
    town.done("patient", "card", plan, "-o", card, "--as", "ann")
    first = town.claimed(folder, claim_file(folder, (VISIT, "2030-02-12", "90.00")))

    # when
    said = town.run("clinic", "coordinate", card, first["claim"], "-o", str(folder / "second.request"))

    # then
    assert "under another pseudonym" in refused(said)[1]
    assert said.code == 3


# -- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ["patient", "card", "ffff", "-o", "new", "--as", "ann"],
        ["patient", "card", "", "-o", "new", "--as", "ann"],
        ["patient", "consent", "junk", "-o", "new", "--yes", "--as", "ann"],
        ["patient", "consent", "card", "-o", "new", "--yes", "--as", "ann"],
        ["patient", "consent", "missing", "-o", "new", "--yes", "--as", "ann"],
        ["patient", "enrol", "junk", "-o", "new", "--yes", "--as", "ann"],
        ["patient", "enrol", "card", "-o", "new", "--yes", "--as", "ann"],
        ["patient", "explain", "00", "-o", "new", "--as", "ann"],
        ["patient", "pay", "abcdef", "--yes", "--as", "ann"],
        ["patient", "appeal", "abcdef", "--why", "no", "--as", "ann"],
        ["patient", "premium", "ffff", "--yes", "--as", "ann"],
        ["clinic", "claim", "junk", "claim", "-o", "new"],
        ["clinic", "claim", "card", "junk", "-o", "new"],
        ["clinic", "claim", "card", "claim", "-o", "card"],
        ["clinic", "claim", "card", "claim", "--authorization", "abcd", "-o", "new"],
        ["clinic", "claim", "card", "claim", "--encounter", "claim", "-o", "new"],
        ["clinic", "submit", "junk", "card"],
        ["clinic", "submit", "card", "junk"],
        ["clinic", "resume", "abcdef"],
        ["clinic", "reverse", "abcdef", "--yes"],
        ["clinic", "appeal", "abcdef", "--why", "no"],
        ["clinic", "remittance", "abcdef", "-o", "new"],
        ["clinic", "withdraw", "abcdef"],
        ["clinic", "payout", "--to", "TEST::3"],
        ["clinic", "payout", "--push", "--to", "0x12"],
    ],
    ids=lambda words: " ".join(words)[:60],
)
def test_bad_input__one_sentence_and_nothing_sent(town: Insured, folder: Path, words: list[str]) -> None:
    # given
    claim_file(folder, (CHECK_UP, "2030-03-01", "120.00"), name="claim")
    (folder / "junk").write_bytes(b"{}")
    (folder / "card").write_bytes(Path(town.card).read_bytes())
    there = town.chain.web3.eth.block_number
    files = {"claim", "junk", "card", "new", "missing"}

    # when
    named = [str(folder / word) if word in files and place else word for place, word in enumerate(words)]
    named[1] = words[1]
    said = town.run(*named)

    # then
    assert (said.code in (2, 3), said.out) == (True, "")
    assert len(said.sentences) == 1 or "Usage" in said.sentences[0]
    assert town.chain.web3.eth.block_number == there
    assert not (folder / "new").exists()


def test_help__every_command_has_an_example(town: Insured) -> None:
    from scripts._claims import add_claims, add_goods, add_services
    from scripts._cli import Actor
    from scripts._policies import add_cover

    cli = Actor()
    add_cover(cli)
    add_services(cli)
    other = Actor()
    add_goods(other)
    add_claims(other, "pharmacy")
    for command in (*cli.commands.values(), *other.commands.values()):
        assert command.help
        assert "Example" in str(command.epilog), command.name


def test_opening__is_for_the_insurer(town: Insured, folder: Path) -> None:
    # given
    claim = town.claimed(folder, claim_file(folder, (CHECK_UP, "2030-02-13", "1.00")))["claim"]

    # when
    opening = town.done("insurer", "open", claim).json

    # then
    [line] = opening["lines"]
    assert (line["code"], line["day"], line["units"]) == (CHECK_UP, "2030-02-13", 1)
    assert json.loads(opening["claim"])["item"][0]["productOrService"]["coding"][0]["system"] == SNOMED
    assert INSURER == 5
