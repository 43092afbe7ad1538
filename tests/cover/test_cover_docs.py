"""The page about claims says of reasons and grounds what the code says."""

import json
import re
from pathlib import Path

import pytest

from theriac.cover import appealing
from theriac.cover.papers import Card, Consent, Enrolment, Offer, Request
from theriac.cover.rules import (
    ABOVE_ALLOWED,
    COINSURANCE,
    COPAY,
    DEDUCTIBLE,
    WAIVABLE,
    Reason,
)

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "protocol" / "cover.md").read_text(encoding="utf-8")
REASON = re.compile(r"^\| (\d+) \| ([A-Z_]+) \| (\d+) \| (CO|PR|OA) \| (yes|no) \|", re.MULTILINE)


def test_page__tells_each_reason_with_its_bit_code_and_group() -> None:
    # given
    told = [(int(bit), name, carc, group, word == "yes") for bit, name, carc, group, word in REASON.findall(PAGE)]

    # then
    assert told == [
        (each.bit_length() - 1, each.name, each.carc, each.group.value, each in WAIVABLE) for each in Reason
    ]


def test_contracts_page__each_reason_has_the_same_bit_and_code() -> None:
    # given
    source = (ROOT / "contracts" / "types" / "Reasons.sol").read_text(encoding="utf-8")
    told = re.findall(r"CARC (\d+)\.\nReasons constant ([A-Z_]+) = Reasons\.wrap\(1 << (\d+)\);", source)

    # then
    assert told == [(each.carc, each.name, str(each.bit_length() - 1)) for each in Reason]


def test_page__tells_the_codes_of_amounts_that_need_no_reason() -> None:
    assert (
        f"is {ABOVE_ALLOWED} (CO), the deductible {DEDUCTIBLE}, the coinsurance {COINSURANCE}, the copay {COPAY} (PR)"
        in PAGE
    )


def test_page__tells_each_ground_of_a_refutation() -> None:
    # given
    grounds = {int(number) for number in re.findall(r"^\| (\d) \| [a-z]", PAGE, re.MULTILINE)}

    # then
    assert grounds == {appealing.WRONG_GOODS, appealing.OPENING_MISSING, appealing.NOT_DONE}


@pytest.mark.parametrize("paper", [Offer, Enrolment, Card, Request, Consent])
def test_page__tells_each_paper_by_the_kind_that_is_written(paper: type) -> None:
    kinds = {"Offer": "policy offer", "Enrolment": "enrolment", "Card": "policy card"}
    kind = kinds.get(paper.__name__, f"claim {paper.__name__.lower()}")
    assert f"| `{kind}` |" in PAGE


def test_page__its_gas_is_that_of_the_table() -> None:
    # given
    table = json.loads((ROOT / "tests" / "gas.json").read_text(encoding="utf-8"))
    rows = re.findall(r"^\| ([^|:]+)(?::[^|]+)? \| ([\d,]+) \|", PAGE, re.MULTILINE)

    # then
    assert len(rows) > 5
    assert {act: int(gas.replace(",", "")) for act, gas in rows} == {act: table[act] for act, _ in rows}
