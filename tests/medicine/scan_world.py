"""What a pharmacy knows, from tests/vectors/scans/world.json: a shelf and states in memory, and no chain."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from theriac.medicine.packs import BatchKey, Product, tag_of
from theriac.medicine.scanner import Scanner
from theriac.medicine.sheets import Sheet
from theriac.medicine.shelf import KnownPack, Shelf
from theriac.medicine.state import BatchState
from theriac.medicine.tree import BATCH, Shape

VECTORS = Path(__file__).parents[1] / "vectors" / "scans"
WORLD = json.loads((VECTORS / "world.json").read_text(encoding="ascii"))
CASES: dict[str, dict[str, str]] = json.loads((VECTORS / "cases.json").read_text(encoding="ascii"))
NOW = datetime.fromisoformat(WORLD["now"])

_KEY = b"k" * 32


@dataclass(frozen=True)
class Known:
    """A batch as the pharmacy knows it: from the sheet of one node, and from the batch's events."""

    name: str
    product: Product
    packs: dict[int, str]
    node: int = BATCH
    maker: int = 1
    events: tuple[tuple[str, dict[str, Any]], ...] = ()


def known(values: dict[str, Any]) -> Known:
    """A batch of the world."""
    expiry = date.fromisoformat(values["expiry"]) if values["expiry"] else None
    return Known(
        name=values["name"],
        product=Product(values["product"], values["lot"], expiry),
        packs={int(index): serial for index, serial in values["packs"].items()},
        node=values["node"],
        maker=values["maker"],
        events=tuple((name, told) for name, told in values["events"] if name != "Commissioned"),
    )


def world() -> list[Known]:
    return [known(each) for each in WORLD["batches"]]


def scanner(batches: Iterable[Known], *, waiting: Iterable[tuple[str, int]] = (), is_current: bool = True) -> Scanner:
    """The pharmacy's scanner. What it does not hold of a batch is hidden in its sheet, as anyone's sheet has it."""
    shape = Shape(WORLD["palletBits"], WORLD["caseBits"])
    shelf, states, tags, numbers = Shelf(None), {}, dict[bytes, list[bytes]](), {}
    for place, each in enumerate(batches):
        key = BatchKey(bytes([place]) * 32)
        # One more pack, at the other end of the tree, so that a part of the batch is not the whole.
        packs = each.packs | ({} if each.node == BATCH else {(1 << 20) - 1: "ELSEWHERE"})
        whole = Sheet(each.maker, key, each.product, shape, BATCH, packs, ())
        tree = whole.tree()
        batch = whole.batch(tree)
        shelf.add(whole.part(each.node, tree) if each.node != BATCH else whole, batch=batch)
        tag = tag_of(_KEY, each.product.code, each.product.lot)
        tags.setdefault(tag, []).append(batch)
        numbers[each.name] = batch
        states[batch] = _state(each, batch, tree.root, tag, shape)
    queued = {KnownPack(numbers[name], index) for name, index in waiting}
    return Scanner(
        member=WORLD["member"],
        shelf=shelf,
        states=states.get,
        tags=lambda tag: tags.get(tag, []),
        keys={1: _KEY},
        queued=queued.__contains__,
        is_current=lambda: is_current,
    )


def _state(each: Known, batch: bytes, root: bytes, tag: bytes, shape: Shape) -> BatchState:
    last_day = each.product.expiry or date(2099, 12, 31)
    midnight = datetime.combine(last_day + timedelta(days=1), time(), UTC)
    state = BatchState.commissioned(
        {
            "batch": batch,
            "maker": each.maker,
            "expiry": int(midnight.timestamp()),
            "palletBits": shape.pallet_bits,
            "caseBits": shape.case_bits,
            "root": root,
            "tag": tag,
            "keyNumber": 1,
            "product": b"p" * 32,
            "lot": b"l" * 32,
            "manifest": b"m" * 32,
        }
    )
    for name, told in each.events:
        state.apply(name, told)
    return state
