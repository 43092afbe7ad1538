"""The rules' types against the contract's interface: the same fields in the same order, empty where left out."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from theriac.cover.rules import (
    NO_LIMIT,
    NO_REASON,
    NONE,
    Benefit,
    Decision,
    Item,
    Kind,
    Limits,
    Outcome,
    Reason,
    Used,
)

ROOT = Path(__file__).resolve().parents[2]
INTERFACE = (ROOT / "contracts" / "interfaces" / "cover" / "IRules.sol").read_text(encoding="utf-8")

SERVICE, LIMB, FIRST = (bytes([number]) * 32 for number in (1, 9, 7))
WAITING_AND_LATE = Reason.WAITING | Reason.LATE

NOTHING = {"bytes32": bytes(32), "bool": False, "Kind": 0, "Reasons": 0}
"""What Solidity has in a field that nobody filled; zero in all others."""


def fields_of(struct: str) -> list[tuple[str, str]]:
    """The fields of a struct of the interface: type and name, as Python spells it."""
    (body,) = re.findall(rf"struct {struct} {{(.*?)}}", INTERFACE, re.DOTALL)
    return [(kind, snake(name)) for kind, name in re.findall(r"(\S+) (\w+);", body)]


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])([A-Z])", r"_\1", name).lower()


@pytest.mark.parametrize("kind", [Limits, Used, Benefit, Item, Outcome, Decision], ids=lambda kind: kind.__name__)
def test_fields__of_each_struct__the_same_in_the_same_order(kind: Any) -> None:
    assert [field.name for field in fields(kind)] == [name for _, name in fields_of(kind.__name__)]


def test_kind__each__its_number_of_the_interface() -> None:
    (body,) = re.findall(r"enum Kind {(.*?)}", INTERFACE, re.DOTALL)

    assert [(each.name, each.value) for each in Kind] == [
        (snake(name).upper(), number) for number, name in enumerate(re.findall(r"\w+", body))
    ]


def test_no_limit__the_largest_number_of_a_limits_type() -> None:
    (kind,) = {kind for kind, _ in fields_of("Limits")}

    assert kind == f"uint{NO_LIMIT.bit_length()}"
    assert NO_LIMIT & NO_LIMIT + 1 == 0


# -- what is left out ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (Used(), {}),
        (Benefit(SERVICE), {"service": SERVICE}),
        (Item(Benefit(SERVICE)), {"benefit": (SERVICE, *Benefit(SERVICE).as_tuple()[1:]), "units": 1}),
        (Outcome(), {}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_as_tuple__of_what_is_not_said__nothing(value: Any, said: dict[str, Any]) -> None:
    expected = [said.get(name, NOTHING.get(kind, 0)) for kind, name in fields_of(type(value).__name__)]

    assert value.as_tuple() == tuple(expected)


def test_limits__not_said__no_deductible_and_no_limit() -> None:
    expected = [0 if name == "deductible" else NO_LIMIT for _, name in fields_of("Limits")]

    assert Limits().as_tuple() == tuple(expected)


def test_none__is_the_empty_word() -> None:
    assert NOTHING["bytes32"] == NONE
    assert NOTHING["Reasons"] == NO_REASON


# -- there and back --------------------------------------------------------------------------------------------------


def test_as_tuple__of_limits_and_of_what_is_used__every_amount_in_its_place() -> None:
    assert Limits(1, 2, 3, 4, 5, 6, 7).as_tuple() == (1, 2, 3, 4, 5, 6, 7)
    assert Used(1, 2, 3, 4).as_tuple() == (1, 2, 3, 4)


def test_as_tuple__of_a_line__its_row_first_and_reasons_as_numbers() -> None:
    # given
    benefit = Benefit(SERVICE, LIMB, Kind.GOODS, 1, 2, 3, True, False, True, 4, 5, 6, 7)
    item = Item(benefit, 1, 2, 3, 4, 5, 6, FIRST, 7, 8, found=WAITING_AND_LATE, waived=Reason.GRADE)

    # then
    row = (SERVICE, LIMB, 3, 1, 2, 3, True, False, True, 4, 5, 6, 7)
    told = item.as_tuple()
    assert told == (row, 1, 2, 3, 4, 5, 6, FIRST, 7, 8, 0b110000, 0b100000000)
    assert {type(told[-1]), type(told[-2])} == {int}


def test_decision__as_tuple_and_back__is_the_same_decision() -> None:
    # given
    denied, limited = Outcome(WAITING_AND_LATE), Outcome(Reason.OTHER_PAYER, 21, 1, 2, 3, 4, 11)
    decision = Decision((denied, limited), Used(31, 32, 33, 34), Used(41, 42, 43), paid=51, share=52)

    # when
    told = decision.as_tuple()

    # then
    amounts = [(0b110000, 0, 0, 0, 0, 0, 0), (1 << 18, 21, 1, 2, 3, 4, 11)]
    assert told == (amounts, (31, 32, 33, 34), (41, 42, 43, 0), 51, 52)
    assert {type(row[0]) for row in told[0]} == {int}

    # then
    read = Decision.of(told)
    assert read == decision
    assert [type(outcome.reasons) for outcome in read.outcomes] == [Reason, Reason]
