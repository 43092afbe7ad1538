"""The Solidity packages, laid out for Ape."""

from pathlib import Path

import ape

from tools.dependencies import MOST_FILES, ROOT


def test_contracts__are_few_enough_for_ape_to_see_all() -> None:
    files = [path for path in (ROOT / "contracts").rglob("*.*") if path.is_file()]
    assert len(files) < MOST_FILES


def test_contracts__ape_sees_every_source() -> None:
    ours = {path for path in (ROOT / "contracts").rglob("*.sol") if ".cache" not in path.parts}
    assert {Path(path) for path in ape.project.sources.paths} == ours
