"""Where a raw lot went: the packs that a recall of it must name."""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from theriac.medicine.epcis import Commissioning, Packing, Step, Transformation
from theriac.medicine.epcis_names import Container, Item, Lot, Pack
from theriac.medicine.epcis_read import read

_Node = Pack | Container | Lot | str


@dataclass(frozen=True)
class Affected:
    """What a raw lot may be in: packs by name, and every lot on the way, whether or not its packs are known."""

    packs: frozenset[Pack]
    lots: frozenset[Lot]


def packs_of_raw_lot(documents: Iterable[Mapping[str, Any] | bytes | str], raw_lot: Lot) -> Affected:
    """What a raw lot may have gone into, through any chain of transformations and packings of all these documents.

    When in doubt a pack is in: every output of a run is taken to hold every input, an input of unknown lot to be of
    each, and a pack commissioned with a lot to hold what the lot holds. An error declaration takes back what stands in
    its own document only: nobody's word takes a pack off a recall that another wrote down. Raises NotEpcis.
    """
    steps = (step for document in documents for step in read(document).steps)
    return _Flow(steps).reach(raw_lot.name)


class _Flow:
    """What may be in what: an edge from each thing to everything it went into.

    A run is a node between its two sides. A container has two: itself, when all that is in it is affected, and its
    inside, when something in it is.
    """

    def __init__(self, steps: Iterable[Step]) -> None:
        self._into: defaultdict[_Node, set[_Node]] = defaultdict(set)
        for number, step in enumerate(steps):
            if isinstance(step, Transformation):
                self._transformed(step, f"run {step.run}" if step.run else f"step {number}")
            elif isinstance(step, Commissioning):
                self._commissioned(step)
            elif isinstance(step, Packing):
                self._packed(step)
        self._by_product: defaultdict[str, set[_Node]] = defaultdict(set)
        for node in self._into:
            if isinstance(node, Lot):
                self._by_product[node.gtin].add(node)

    def reach(self, raw_lot: Lot) -> Affected:
        found: set[_Node] = {raw_lot}
        waiting: deque[_Node] = deque(found)
        while waiting:
            for node in self._next(waiting.popleft()) - found:
                found.add(node)
                waiting.append(node)
        packs = frozenset(node for node in found if isinstance(node, Pack))
        return Affected(packs, frozenset(node for node in found if isinstance(node, Lot)) - {raw_lot})

    def _next(self, node: _Node) -> set[_Node]:
        after = self._into.get(node, set())
        if not isinstance(node, Lot):
            return after
        if node.lot is None:
            return after | self._by_product[node.gtin]
        # What went in as a product of unknown lot may have been of this one.
        return after | self._into.get(Lot(gtin=node.gtin), set())

    def _transformed(self, step: Transformation, run: str) -> None:
        for item in step.input_items:
            self._into[item].add(run)
            self._into[_inside(item)].add(run)
        for lot in step.input_lots:
            self._into[lot.name].add(run)
        self._into[run].update((*step.items, *(lot.name for lot in step.lots)))
        if step.lot is not None:
            # Packs that are commissioned elsewhere with the lot of what comes out hold the same.
            gtins = {item.gtin for item in step.items if isinstance(item, Pack)}
            self._into[run].update(Lot(gtin=gtin, lot=step.lot) for gtin in gtins)

    def _commissioned(self, step: Commissioning) -> None:
        if step.lot is None:
            return
        for item in step.items:
            if isinstance(item, Pack):
                self._into[Lot(gtin=item.gtin, lot=step.lot)].add(item)

    def _packed(self, step: Packing) -> None:
        inside = _inside(step.container)
        for item in step.items:
            self._into[item].add(inside)
            self._into[_inside(item)].add(inside)
        for lot in step.lots:
            self._into[lot.name].add(inside)
        self._into[step.container].update((*step.items, *(lot.name for lot in step.lots)))


def _inside(container: Item) -> str:
    return f"in {container.uri}"
