"""What a recall touches: packs that were dispensed, and the claims that were paid for them, by pseudonym."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from theriac.cover.claiming import Claimed, Cover, Status
from theriac.medicine.chain import Chain
from theriac.medicine.tree import CAPACITY, is_below

WORD = 256


@dataclass(frozen=True)
class Touched:
    """A pack that is given: by which member, in which transaction, and the claims that stand for it, if any."""

    index: int
    member: int
    transaction: str
    claims: tuple[Claimed, ...]


def touched(chain: Chain, cover: Cover, batch: bytes, node: int) -> list[Touched]:
    """The packs of a batch, or of a part of it, that were dispensed and not taken back."""
    given: dict[int, tuple[int, str]] = {}
    for event in chain.history(batch):
        told = event.arguments
        match event.name:
            case "Dispensed":
                given[int(told["index"])] = int(told["member"]), event.transaction
            case "DispensedMany":
                given |= {index: (int(told["member"]), event.transaction) for index in _indexes(told)}
            case "Undone":
                given.pop(int(told["index"]), None)
    claims = [each for each in cover.claims(batch=batch) if each.state.status not in (Status.NONE, Status.REVERSED)]
    return [
        Touched(index, member, transaction, tuple(each for each in claims if each.index == index))
        for index, (member, transaction) in sorted(given.items())
        if (CAPACITY | index) == node or is_below(CAPACITY | index, node)
    ]


def _indexes(told: Mapping[str, Any]) -> Iterator[int]:
    return (WORD * int(told["word"]) + bit for bit in range(WORD) if int(told["mask"]) >> bit & 1)
