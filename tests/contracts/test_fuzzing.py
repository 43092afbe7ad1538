"""All contracts together, fuzzed for a moment by forge and by medusa: `make fuzz` does it for as long as one likes."""

import subprocess
import sys

import pytest
from real_anvil import ROOT

from tools import fuzz

pytestmark = pytest.mark.engine


def _fuzz(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tools.fuzz", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def _rows(output: str) -> list[list[str]]:
    return [line.split() for line in output.splitlines()]


# Both engines read the same build, which takes most of the time: whichever test comes first waits for it.
def test_fuzz__by_medusa_after_what_was_kept__every_property_holds() -> None:
    if not fuzz.has_medusa():
        pytest.skip("medusa is not built: run 'make engine-medusa provers' (it needs Go 1.26)")

    # when
    done = _fuzz("--engine", "properties", "--minutes", "0.5")

    # then
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [row for row in _rows(done.stdout) if row and ".property_" in row[0]]
    assert {row[0] for row in rows} == {
        f"{handler.name}.{name}" for handler in fuzz.handlers() for name in handler.properties
    }
    assert {row[1] for row in rows} == {"held"}


def test_fuzz__by_forge_for_four_thousand_acts__every_property_holds_and_most_acts_succeed() -> None:
    # when
    done = _fuzz("--engine", "forge", "--calls", "4000")

    # then
    assert done.returncode == 0, done.stdout + done.stderr
    rows = _rows(done.stdout)
    assert ["calls", "4,000"] in rows
    assert {row[1] for row in rows if row and ".property_" in row[0]} == {"held"}
    # More than every second act is done: what is refused teaches little.
    [whole] = [row for row in rows if row[:3] == ["all", "but", "the"]]
    assert int(whole[-1].rstrip("%")) > 50
