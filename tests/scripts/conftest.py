"""One town for all tests of the commands: setting it up takes some seconds."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from compiling import compile_if_changed
from real_anvil import anvil
from scripts_town import BUNDLE, IMAGE, Town, remembered_passphrases


@pytest.fixture(scope="session", autouse=True)
def _compiled() -> None:
    """The towns deploy what Ape has compiled, which is to be what the sources say."""
    compile_if_changed()


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A clinic with one patient, ann, whose records lie there and are filed."""
    with remembered_passphrases(), anvil(hardfork="cancun") as chain:
        town = Town(chain, tmp_path_factory.mktemp("town"))
        town.found()
        town.patient("ann", payer="TEST::9")
        assert town.seal("ann", BUNDLE, IMAGE).code == 0
        town.done("patient", "watch", "--as", "ann")
        yield town


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path
