"""Real nodes' answers from a file (tests/vectors/light), and a light client in front of them."""

import gzip
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from light_between import Answer, Between, Happened, Lie, between

from theriac.ledger.light.anchor import Anchor
from theriac.ledger.light.provider import LightProvider

FILE = Path(__file__).resolve().parent.parent / "vectors" / "light" / "recorded.json.gz"


@cache
def recorded() -> Any:
    return json.loads(gzip.decompress(FILE.read_bytes()))


@cache
def _told() -> dict[str, Answer]:
    return {json.dumps([method, parameters]): answer for method, parameters, answer in recorded()["told"]}


@cache
def _proofs() -> dict[tuple[str, str], tuple[Answer, dict[str, Any]]]:
    """The proofs of each account at each block: what was said of the account, and of each of its slots."""
    found: dict[tuple[str, str], tuple[Answer, dict[str, Any]]] = {}
    for method, parameters, answer in recorded()["told"]:
        if method == "eth_getProof" and "result" in answer:
            _, slots = found.setdefault((parameters[0], parameters[2]), (answer["result"], {}))
            slots.update({each["key"]: each for each in answer["result"]["storageProof"]})
    return found


def _answer(asked: Answer) -> Answer:
    method, parameters = asked["method"], asked["params"]
    told = _told().get(json.dumps([method, parameters]))
    if told is None and method == "eth_getProof" and (parameters[0], parameters[2]) in _proofs():
        account, slots = _proofs()[parameters[0], parameters[2]]
        # Slots are proven each by itself, so that any of them can be asked for together.
        if set(parameters[1]) <= set(slots):
            told = {"result": {**account, "storageProof": [slots[slot] for slot in parameters[1]]}}
    return told or {"error": {"code": -32000, "message": "this was not asked when it was recorded"}}


def replayed(asked: Sequence[Answer]) -> list[Answer]:
    """What the recorded nodes answered to requests; of others they say that they cannot answer."""
    return [{"jsonrpc": "2.0", "id": each["id"], **_answer(each)} for each in asked]


@dataclass
class Nodes:
    """Two nodes behind proxies, what the truth is, and what a test can ask about."""

    proxies: list[Between]
    anchor: Anchor
    happened: Happened
    head: int
    now: float

    def light(self, *, folder: Path | None = None, clock: float | None = None) -> LightProvider:
        now = self.now if clock is None else clock
        return LightProvider(self.anchor, [each.uri for each in self.proxies], folder=folder, clock=lambda: now)

    def both(self, *lies: Lie) -> None:
        """Both nodes tell the same lies."""
        for proxy in self.proxies:
            proxy.lies = list(lies)

    def one(self, *lies: Lie) -> None:
        """The node that is asked first lies, the other does not."""
        self.proxies[0].lies = list(lies)


@contextmanager
def replaying() -> Iterator[Nodes]:
    """The recorded nodes, at the time when they were recorded."""
    kept = recorded()
    with between(replayed, replayed) as proxies:
        yield Nodes(
            proxies=proxies,
            anchor=Anchor.from_json(kept["anchor"]),
            happened=Happened(**kept["happened"]),
            head=kept["head"],
            now=kept["time"] + 1.0,
        )


def result(answer: Any) -> Any:
    """What a provider answered, where it did."""
    assert "error" not in answer, answer
    return answer["result"]
