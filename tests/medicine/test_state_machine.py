"""What a batch's events come to, held against the contract over random lives of batches.

The lives are those of test_pack_machine.py. After each act that was done the events so far are applied to a state,
and every pack, case, pallet and batch must stand where the contract says.
"""

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import pytest
from pack_model import Batch
from pack_stage import Sight, Stage
from random_lives import live
from real_anvil import anvil
from test_pack_machine import Act, Goods

from theriac.ledger.contracts import abi, event_types
from theriac.ledger.node import Log
from theriac.medicine.state import BatchState, PackStatus
from theriac.medicine.tree import CAPACITY

STEPS = int(os.environ.get("THERIAC_FUZZ_STEPS", "400"))
LIFE = 50
KINDS = event_types(abi("Batches"))
STATUS = {PackStatus.IN_STOCK: 0, PackStatus.DISPENSED: 1, PackStatus.ENDED: 2}


class Followed(Goods):
    """Lives whose events are followed as a client does."""

    applied: ClassVar[Counter[str]]

    def _compare(self, act: Act, batch: Batch, rides: Mapping[int, int], *, done: bool) -> None:
        super()._compare(act, batch, rides, done=done)
        if done:
            state = self._followed(batch)
            said = {node: self._said(state, node) for node in batch.parts}
            assert said == {node: _shown(self.sights[batch.id][node]) for node in batch.parts}, act

    def _followed(self, batch: Batch) -> BatchState:
        question = {"address": self.stage.batches.address, "fromBlock": "0x0", "topics": [None, "0x" + batch.id.hex()]}
        state: BatchState | None = None
        for entry in self.stage.request("eth_getLogs", question):
            name, told = _event(entry)
            self.applied[name] += 1
            if name == "Commissioned":
                state = BatchState.commissioned(told)
            elif state is not None:
                state.apply(name, told)
        assert state is not None
        return state

    def _said(self, state: BatchState, node: int) -> tuple[object, ...]:
        now = self.model.now
        place = state.place(node, now=now)
        status = STATUS[state.status(node - CAPACITY)] if node >= CAPACITY else 0
        offered, expired = bool(place.offered_to), state.is_expired(now)
        return (place.holder, place.giver, place.moves, int(place.blocks), offered, expired, status)


def _shown(sight: Sight) -> tuple[object, ...]:
    return (sight.holder, sight.giver, sight.moves, sight.blocks, sight.offered, sight.expired, sight.status)


def _event(entry: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    topics = tuple(bytes.fromhex(topic[2:]) for topic in entry["topics"])
    log = Log(entry["address"], topics, bytes.fromhex(entry["data"][2:]), int(entry["logIndex"], 16))
    kind = KINDS[topics[0]]
    return kind.name, kind.arguments(log)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with anvil(hardfork="cancun") as chain:
        yield Stage(chain)


def test_state__over_random_lives__is_what_the_contract_says(stage: Stage) -> None:
    class Lives(Followed):
        pass

    Lives.stage, Lives.seen, Lives.applied = stage, Counter(), Counter()

    live(Lives, steps=STEPS, life=LIFE)

    assert set(Lives.applied) >= {"Commissioned", "Offered", "HandedOver", "Dispensed", "Blocked", "Released", "Ended"}
