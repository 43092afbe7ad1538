"""Records what real nodes of Kaia answer a light client, and what a full node answers to the same questions.

    PYTHONPATH=.:tests:tests/health .venv/bin/python tests/vectors/light/make.py

Founds a network of four validators (it needs `make engine-kaia`), plays a small story on it, and asks at one block. All
answers of the nodes are written as they came, but that the newest block is always the one at which it was asked.
`full` is what one node answers by itself, with Kaia's own virtual machine, to compare with what a light client finds.
"""

import gzip
import json
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import light_between
import light_world

from theriac.ledger.light.anchor import Anchor
from theriac.ledger.light.provider import LightProvider

OUT = Path(__file__).with_name("recorded.json.gz")


class Recorder:
    """A node that remembers what it was asked."""

    def __init__(self, uri: str, head: int) -> None:
        self._ask = light_between.asking(uri)
        self._head = hex(head)
        self.told: dict[str, Any] = {}

    def __call__(self, questions: list[dict[str, Any]]) -> list[dict[str, Any]]:
        pinned = [
            {**each, "params": [self._head if part == "latest" else part for part in each["params"]]}
            for each in questions
        ]
        answers = self._ask(pinned)
        for asked, answer in zip(questions, answers, strict=True):
            kept = {name: value for name, value in answer.items() if name in ("result", "error")}
            self.told[json.dumps([asked["method"], asked["params"]])] = kept
        return answers


def main() -> None:
    with TemporaryDirectory() as folder, light_world.kaia(Path(folder)) as kaia:
        happened = light_world.happen(kaia.world)
        kaia.network.wait(kaia.network.nodes[0].height() + 2)
        anchor = Anchor.of(kaia.world.web3)
        assert anchor.checkpoint is not None
        head = anchor.checkpoint.number
        recorder = Recorder(kaia.uris[0], head)
        with light_between.between(recorder, recorder) as nodes:
            full = []
            for method, parameters in light_world.questions(kaia.world.contracts, happened, head):
                # Each by a client that knows nothing yet, so that all it needs is asked for.
                light = LightProvider(anchor, [each.uri for each in nodes])
                light.make_request(method, parameters)
                if method == "eth_call":
                    light.make_request("eth_estimateGas", parameters)
                assert light.faults == (), light.faults
                [answer] = light_between.asking(kaia.uris[1])(
                    [{"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}]
                )
                full.append([method, parameters, answer.get("result"), answer.get("error")])
            for block in range(head + 1):
                # What a node is asked that has to show how many transactions somebody sent, and where the blocks are.
                light.make_request("eth_getBlockByNumber", [hex(block), False])
                for who in (happened.doctor, light_world.key_of("maker").address):
                    where = [who.lower(), hex(block)]
                    recorder([{"jsonrpc": "2.0", "id": 1, "method": "eth_getTransactionCount", "params": where}])
        header = recorder.told[json.dumps(["kaia_getHeaderByNumber", ["latest"]])]["result"]
        written = {
            "kaia": "v1.0.3",
            "anchor": anchor.to_json(),
            "time": int(header["timestamp"], 16),
            "head": head,
            "happened": asdict(happened),
            "full": full,
            "told": [[*json.loads(asked), answer] for asked, answer in recorder.told.items()],
        }
    # Without a name and a time in it the file is the same for the same content.
    OUT.write_bytes(gzip.compress(json.dumps(written, separators=(",", ":")).encode(), 9, mtime=0))
    print(f"{OUT}: {OUT.stat().st_size:,} bytes, {len(written['told'])} answers, block {head}")


if __name__ == "__main__":
    main()
