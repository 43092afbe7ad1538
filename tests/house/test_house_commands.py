"""What the documentation lists is what there is."""

import importlib
import re

import pytest
from real_anvil import ROOT

ACTORS = (
    *("board", "clinic", "maker", "distributor", "auditor", "insurer", "pharmacy", "patient", "relayer", "store"),
    *("custodian", "guardian", "delegate"),
)


@pytest.mark.parametrize("actor", ACTORS)
def test_using__lists_every_command_of_an_actor(actor: str) -> None:
    # given
    text = (ROOT / "docs" / "using.md").read_text(encoding="utf-8")
    [row] = [line for line in text.splitlines() if line.startswith(f"| `{actor}` |")]

    # when
    listed = re.findall(r"`([a-z-]+)`", row.split("|")[3])

    # then
    assert sorted(listed) == sorted(importlib.import_module(f"scripts.{actor}").cli.commands)
