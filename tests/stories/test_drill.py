"""The drill of recovery, played once."""

import io

import pytest
from rich.console import Console

from scripts import _drill
from theriac.health import bundle as bundles


def test_drill__wallet_lost_vault_lost_both_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    # given fewer dummies: they cost most of the time and hold nothing
    monkeypatch.setattr(bundles, "_CROWD", 1)
    said = io.StringIO()

    # when
    drill = _drill.play(console=Console(file=said, soft_wrap=True))

    # then each told what came back
    told = [line for step in drill.steps for line in step.told]
    assert sum("every key new; Dr Lin reads what was and what came after" in line for line in told) == 3
    assert "1 of the 2 shares that it takes are here" in said.getvalue()
    assert "everything came back, and nothing to the thief" in said.getvalue()
