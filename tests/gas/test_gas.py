"""What every act costs: whole transactions, `receipt.gasUsed`, on anvil with the Cancun rules that the contracts are
compiled for, each on a chain where only its preparations happened.

`tests/gas.json` is what the project says its acts cost. `make gas` measures anew and rewrites it.
"""

import json
import os
import re
from pathlib import Path

import gas_emergencies  # noqa: F401 - it adds its acts to the table
import pytest
from counting_house import open_house
from gas_acts import ACTS, World
from gas_cover import Metered, measure_all
from gas_goods import EVERY_SIZE
from gas_prescriptions import ANY_LINES
from gas_reach import MISSED, PEERS, REACH
from real_anvil import ROOT, Contracts, anvil

TABLE = Path(__file__).resolve().parent.parent / "gas.json"
WRITE = os.environ.get("THERIAC_GAS") == "write"

# What contracts call of each other, or of themselves, inside acts that are measured.
NOT_FOR_OTHERS = {
    ("Carrier", "carryGroup"),
    *(("Grants", name) for name in ("setParentFor", "grantFor", "narrowFor", "revokeFor")),
    *(("Benefits", name) for name in ("decide", "redecide", "undo")),
    *(("Claims", name) for name in ("conclude", "redecide", "settleShare", "withhold")),
    *(
        ("Escrow", name)
        for name in ("conclude", "dispute", "hold", "pay", "push", "refundShare", "release", "takeBack")
    ),
}


class Measured(dict[str, int]):
    """Gas by act, and the functions that were sent meanwhile."""

    functions: set[tuple[str, str]]


@pytest.fixture(scope="module")
def measured(request: pytest.FixtureRequest) -> Measured:
    """Every act's gas, as measured now; in writing mode it becomes the table."""
    figures = Measured()
    with anvil(hardfork="cancun") as chain:
        world = World(chain, Contracts.deploy(chain))
        for words, act in ACTS.items():
            with chain.undone():
                figures[words] = act(world)
        figures.functions = world.sent
    with open_house(Metered) as house:
        figures |= measure_all(house)
        figures.functions |= house.sent

    if WRITE:
        TABLE.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
        capture = request.config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled():
            print("\n\n" + _printed(figures))
    return figures


def _printed(figures: dict[str, int]) -> str:
    """The table as text, with the design's figure beside those that have one."""
    width = max(len(words) for words in figures)
    lines = [f"{'act':{width}}  {'gas':>9}  {'reach':>9}"]
    for words, gas in figures.items():
        reach = f"{REACH[words]:,}" if words in REACH else ""
        lines.append(f"{words:{width}}  {gas:>9,}  {reach:>9}".rstrip())
    return "\n".join(lines)


def _differences(table: dict[str, int], figures: dict[str, int]) -> list[str]:
    """What the table says otherwise than was measured, an act a line."""
    lines = [
        f"{words}: {figures[words]:,} measured, {table[words]:,} in the table ({figures[words] - table[words]:+,})"
        for words in figures
        if words in table and figures[words] != table[words]
    ]
    lines += [f"{words}: {figures[words]:,} measured, not in the table" for words in figures if words not in table]
    lines += [f"{words}: in the table, but there is no such act" for words in table if words not in figures]
    return lines


def test_gas__is_what_the_table_says(measured: Measured) -> None:
    # given
    table = json.loads(TABLE.read_text(encoding="utf-8"))

    # when
    differences = _differences(table, measured)

    # then
    assert not differences, "Run 'make gas' if this is meant:\n" + "\n".join(differences)


def test_readme__says_what_the_table_says() -> None:
    # given: the rows of the README's table of figures, an act and its gas
    table = json.loads(TABLE.read_text(encoding="utf-8"))
    rows = re.findall(r"^\| ([^|]+) \| ([\d,]+) \|", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)

    # then
    assert len(rows) > 10
    assert {act: int(gas.replace(",", "")) for act, gas in rows} == {act: table[act] for act, _ in rows}


def test_readme__says_of_peers_what_the_bench_says() -> None:
    # given
    text = (ROOT / "README.md").read_text(encoding="utf-8")

    # when
    rows = re.findall(r"^\| ([^|]+) \| [\d,]+ \| ([^|]+) \|$", text, re.MULTILINE)

    # then
    assert {act: peer for act, peer in rows if peer != "none"} == {act: PEERS[act] for act, _ in rows if act in PEERS}


@pytest.mark.parametrize("words", REACH)
def test_gas__within_what_the_design_reaches_for(measured: Measured, words: str) -> None:
    assert measured[words] <= MISSED.get(words, REACH[words])


@pytest.mark.parametrize("words", MISSED)
def test_gas__is_called_missed_only_where_it_is(measured: Measured, words: str) -> None:
    assert measured[words] > REACH[words]


def test_gas__of_a_suspension_does_not_grow_with_the_staff(measured: Measured) -> None:
    # property F5
    assert measured["suspend a member with 3,000 staff"] == measured["suspend a member"]


@pytest.mark.parametrize("words", EVERY_SIZE)
def test_gas__is_the_same_for_2_to_the_4_and_12_and_20_packs(measured: Measured, words: str) -> None:
    # given no byte of zero among the digests and signatures: in calldata one costs less than others
    figures = [measured[name] for name in EVERY_SIZE[words]]

    # property F2
    assert len(figures) == 3
    assert len(set(figures)) == 1


@pytest.mark.parametrize("words", ANY_LINES)
def test_gas__does_not_grow_with_the_lines(measured: Measured, words: str) -> None:
    # property F5
    assert measured[ANY_LINES[words]] == measured[words]


def test_gas__every_function_that_changes_state_is_measured(measured: Measured) -> None:
    # given the functions that the contracts' ABIs name
    changing = {
        (path.stem, entry["name"])
        for path in (ROOT / "theriac" / "abi").glob("*.json")
        for entry in json.loads(path.read_text(encoding="utf-8"))
        if entry["type"] == "function" and entry["stateMutability"] not in ("view", "pure")
    }

    # when
    missing = changing - measured.functions - NOT_FOR_OTHERS

    # then
    assert missing == set()
