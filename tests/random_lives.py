"""What the machines of random lives share: how they are run, and what comes of an act."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

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
