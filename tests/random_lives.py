"""What the machines of random lives share: how they are run, and a quick wire to their anvil."""

import http.client
import itertools
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlparse

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test
from real_anvil import Chain

FREE = "THERIAC_FUZZ_STEPS" in os.environ
"""Whether somebody asked for so many steps, which are then others at each run."""


def live(machine: type[RuleBasedStateMachine], *, steps: int, life: int, free: bool = FREE) -> None:
    """Runs a machine for about so many steps, in lives of `life` steps each; others at each run where it is free."""
    calm = settings(
        max_examples=max(1, steps // life),
        stateful_step_count=life,
        derandomize=not free,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=calm)


@dataclass(frozen=True)
class Event:
    """What a contract told."""

    name: str
    facts: Mapping[str, Any]


class Outcome(NamedTuple):
    """By which error a transaction was refused, if it was, and what the contracts told in it."""

    error: str | None
    told: list[Event]


class Wire:
    """One connection to an anvil that is kept open: thousands of requests, in as few words as possible."""

    def __init__(self, chain: Chain) -> None:
        url = urlparse(chain.web3.provider.endpoint_uri)  # type: ignore[attr-defined]
        self._http = http.client.HTTPConnection(url.hostname or "", url.port, timeout=60)
        self._count = itertools.count()

    def request(self, method: str, *parameters: Any) -> Any:
        answer = self._say({"jsonrpc": "2.0", "id": next(self._count), "method": method, "params": parameters})
        assert "error" not in answer, answer
        return answer["result"]

    def calls(self, asked: Sequence[tuple[str, bytes]]) -> list[bytes]:
        """What contracts answer to these calls, all in one request."""
        bodies = [
            {
                "jsonrpc": "2.0",
                "id": at,
                "method": "eth_call",
                "params": [{"to": to, "data": f"0x{data.hex()}"}, "latest"],
            }
            for at, (to, data) in enumerate(asked)
        ]
        answers = {answer["id"]: answer for answer in self._say(bodies)}
        return [bytes.fromhex(answers[at]["result"][2:]) for at in range(len(asked))]

    def _say(self, body: object) -> Any:
        self._http.request("POST", "/", json.dumps(body), {"Content-Type": "application/json"})
        return json.loads(self._http.getresponse().read())
