"""What acts cost in gas, beside what no contract with the same effects could leave out, and as what they act on grows.

Gas is the same on every machine, to the unit, so one run says it. What is measured stands in tests/gas: the acts, the
floors below them, and the curves; here it is only told.
"""

import json
import statistics
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from benches.figures import Bars, Curves, Figure, Run, Section, Table
from benches.timing import Effort

ROOT = Path(__file__).resolve().parent.parent
_TESTS = (ROOT, ROOT / "tests", ROOT / "tests" / "contracts", ROOT / "tests" / "gas")
sys.path[:0] = [str(path) for path in _TESTS if str(path) not in sys.path]

import gas_emergencies  # noqa: E402, F401 - it adds its acts to the table
import gas_goods  # noqa: E402, F401
import gas_prescriptions  # noqa: E402, F401
from counting_house import open_house  # noqa: E402
from floors import Compared, WatchedChain, compare, floors_of  # noqa: E402
from gas_acts import ACTS, World  # noqa: E402
from gas_cover import COVER, Metered, prepared  # noqa: E402
from gas_reach import FLOORED, PEERS, REACH  # noqa: E402
from growth import Curve, measure_growth  # noqa: E402
from real_anvil import Contracts, anvil  # noqa: E402

TABLE = ROOT / "tests" / "gas.json"

PROSE = """\
Whole transactions, `receipt.gasUsed`, by Cancun's rules, each on a chain where only its preparations happened:
measured anew, and equal to [tests/gas.json](../../tests/gas.json).

An act stands beside its **floor** ([contracts/test/floors](../../contracts/test/floors/Floor.sol)): another contract
in the same place, which takes the same signed transaction and leaves the same effects: every slot of every contract
with the same word, every event with the same topics and data, the same answer. `tests/gas/test_floors.py` compares
them to the byte. A floor proves what the act proves (who signed, for which member an account acts, that a pack is in
its batch, that a line was prescribed) and checks nothing else: no time, status, version, bound or number that was
used. It asks only floors. So what an act costs beyond its floor is what it forbids, and what could be written better;
share is the part of its gas that the floor has. A floor is what a careful hand gets, not a proof that nothing is
below it; what its effects alone cost by the price list is in the last table, for every act: the transaction, its
bytes, each slot written once, each event told once, each further contract called once, no key recovered, nothing
read.

Two aims of the design are below the floor, a recall's and readings'; a handoff's, a mask's and the paid claim's are
just above it. An anchored record costs most beyond its floor by the question whether the bundle is the current one, a
filled line by that whether its prescriber is in standing and has not cancelled it, an accepted offer by that whether
the giver is in standing: each asks another contract, or a slot that nothing else needs. Claims and appeals are further
above their floors than a fifth, and `tests/gas/gas_reach.py` says for each by how much at most: an appeal asks when the
claim was decided and for how long the plan lets it be appealed; and each line of a claim is decoded, checked and
encoded by three contracts, of which its floor has one, that knows a price and a copay and no other rule.

Acts without a floor are those of recovery, emergencies, delegates and referrals, of claims that are not paid at once
or are taken up again (pended, reviewed, reversed, adjusted, refuted, shown to a second payer), and the rare ones of
members and goods. For them the last table has to do.

*Peer* is the best comparable published design, measured once elsewhere as whole transactions of the same machine;
nothing of it runs here.
"""

GROWTH = """\
**As what there is grows.** A flat line is the same work to the unit, whatever there is: gas less the price of the
transaction's own bytes, since a signature with a byte of zero is 12 gas cheaper. A peer that keeps a list of grants
asks 59,866 gas for a first reading and 1,469,266 after 50 grants; here it is the same after none and 200.
`tests/gas/test_growth.py` holds every line of this table. A claim has each of its lines decided, so it grows with
them; 32 are the most, and cost less than a quarter of as many claims of one line.
"""


def measure(effort: Effort) -> Section:
    compared = acts(FLOORED[:2] if effort.small else None)
    if not effort.small:
        told = json.loads(TABLE.read_text(encoding="utf-8"))
        assert {words: each.gas for words, each in compared.items()} == told, "tests/gas.json says otherwise: make gas"
    curves = [] if effort.small else measure_growth()
    ratios = {words: each.gas / each.floor_gas for words, each in compared.items() if each.floor}
    figures = [*(_beside_its_floor(each) for each in compared.values() if each.floor)]
    figures += [_beside_its_effects(each) for words, each in compared.items() if words in REACH and not each.floor]
    by_key = {curve.key: curve for curve in curves}
    drawn = [by_key[key] for key in (*OVER_GRANTS.values(), BY_LINES) if key in by_key]
    figures += [figure for curve in drawn for figure in _along(curve)]
    charts: list[Bars | Curves] = [_bars(figures)]
    charts += list(_curves(by_key)) if curves else []
    tables = [_designs(compared), _all(compared)] if not effort.small else []
    return Section(
        key="gas",
        title="Gas",
        prose=PROSE + f"\n{_summary(ratios)}\n\n{GROWTH}",
        figures=tuple(figures),
        charts=tuple(charts),
        tables=(*([_flat(curves)] if curves else []), *tables),
    )


def acts(only: tuple[str, ...] | None = None) -> dict[str, Compared]:
    """Every act of the table, at its floor as well where it has one."""
    found = {}
    with anvil(hardfork="cancun") as chain:
        watched = WatchedChain(chain.web3)
        world = World(watched, Contracts.deploy(watched))
        floors = floors_of(watched, world.contracts)
        for words, act in ACTS.items():
            if only is None or words in only:
                its = floors if words in FLOORED else None
                found[words] = compare(watched, words, lambda act=act: act(world), its)  # type: ignore[misc]
                assert not its or _same(found[words]), f"the floor of {words!r} leaves something else"
    if only is not None:
        return found
    with open_house(Metered) as house:
        watched = house.chain = WatchedChain(house.chain.web3)
        plan = prepared(house)
        floors = floors_of(watched, house.contracts)
        for words, measured in COVER.items():
            its = floors if words in FLOORED else None
            found[words] = compare(watched, words, lambda measured=measured: measured(house, plan), its)  # type: ignore[misc]
            assert not its or _same(found[words]), f"the floor of {words!r} leaves something else"
    return found


def _same(each: Compared) -> bool:
    return [sent.effects for sent in each.act] == [sent.effects for sent in each.floor]


# -- figures ---------------------------------------------------------------------------------------------------------


def _beside_its_floor(each: Compared) -> Figure:
    run = Run(each.gas, each.floor_gas)
    return Figure(f"gas/{each.words}", each.words, "gas", "its floor", (run,), reach=REACH.get(each.words), exact=True)


def _beside_its_effects(each: Compared) -> Figure:
    run, what = Run(each.gas, each.bare), "its effects alone"
    return Figure(f"gas/{each.words}", each.words, "gas", what, (run,), reach=REACH.get(each.words), exact=True)


def _summary(ratios: Mapping[str, float]) -> str:
    """The best, the middle and the worst act beside its floor, in a sentence."""
    ordered = sorted(ratios, key=lambda words: ratios[words])
    best, worst = ordered[0], ordered[-1]
    middle = statistics.median(ratios.values())
    return (
        f"Of {len(ratios)} acts with a floor the best takes {ratios[best]:.3f} times its gas ({best}), the worst "
        f"{ratios[worst]:.3f} times ({worst}), the middle {middle:.3f}."
    )


OVER_GRANTS = {act: f"{act}/grants of a pseudonym" for act in ("grant", "revoke", "allowed")}
BY_LINES = "claim/lines"


def _along(curve: Curve) -> Iterator[Figure]:
    first = curve.points[0]
    for point in curve.points:
        if curve.key == BY_LINES:
            beside, value = "as many claims of one line", first.gas * point.count
        else:
            beside, value = "the same with none", first.gas
        if point.count:
            what = f"{curve.act}, {point.count} {curve.over}"
            yield Figure(_key(curve, point.count), what, "gas", beside, (Run(point.gas, value),), exact=True)


def _key(curve: Curve, count: int) -> str:
    return f"gas/growth/{curve.key}/{count}"


def _bars(figures: list[Figure]) -> Bars:
    """The acts of the design's table that are whole transactions; one of many has too short a bar."""
    chosen = [f for f in figures if f.beside == "its floor" and f.what in REACH and "each of" not in f.what]
    title = "Acts beside their floors"
    return Bars("gas", title, "gas", tuple((f.what, f.key) for f in chosen), of="value", beside="floor")


def _curves(by_key: Mapping[str, Curve]) -> Iterator[Curves]:
    over = tuple((act, _points(by_key[key])) for act, key in OVER_GRANTS.items())
    yield Curves("gas-grants", "The same after 200 grants", "grants that the pseudonym has given", "gas", over)
    lines = (("one claim", _points(by_key[BY_LINES])),)
    yield Curves("gas-lines", "A claim by its lines", "lines", "gas", lines)


def _points(curve: Curve) -> tuple[tuple[float, str], ...]:
    return tuple((point.count, _key(curve, point.count)) for point in curve.points if point.count)


# -- tables ----------------------------------------------------------------------------------------------------------


def _flat(curves: list[Curve]) -> Table:
    rows = []
    for curve in curves:
        first, last = curve.points[0], curve.points[-1]
        counts = ", ".join(f"{point.count:,}" for point in curve.points)
        grows = "the same" if curve.is_flat else f"{(last.work - first.work) / (last.count - first.count):,.0f} each"
        rows.append((curve.act, curve.over, counts, f"{first.work:,}", f"{last.work:,}", grows))
    head = ("act", "as there are more", "at", "work with the fewest", "with the most", "grows by")
    return Table("As what there is grows", head, tuple(rows))


def _designs(compared: Mapping[str, Compared]) -> Table:
    rows = tuple(
        (
            words,
            f"{each.gas:,}",
            f"{each.floor_gas:,}" if each.floor else "none",
            f"{REACH[words]:,}",
            PEERS.get(words, "none"),
        )
        for words, each in compared.items()
        if words in REACH
    )
    return Table("What the design set out to reach, and the best peer", ("act", "gas", "floor", "reach", "peer"), rows)


def _all(compared: Mapping[str, Compared]) -> Table:
    rows = tuple(
        (words, f"{each.gas:,}", f"{each.floor_gas:,}" if each.floor else "", f"{each.bare:,}", f"{_slots(each)}")
        for words, each in compared.items()
    )
    head = ("act", "gas", "floor", "effects alone", "slots, bytes told")
    return Table("Every act, and what its effects alone would cost", head, rows)


def _slots(each: Compared) -> str:
    slots = sum(sent.effects.slots for sent in each.act)
    return f"{slots}, {sum(sent.effects.logged for sent in each.act):,}"
