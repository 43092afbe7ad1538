"""One browser and one town for all tests of the pages: setting them up takes some seconds."""

from collections.abc import Iterator

import pytest
from chromium import Browser, chromium
from compiling import compile_if_changed
from pages_town import Town
from real_anvil import anvil
from scripts_town import BUNDLE, remembered_passphrases


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """The North Clinic, and ann, who keeps her words here and whose records lie there."""
    compile_if_changed()
    with remembered_passphrases(), anvil(hardfork="cancun") as chain:
        town = Town(chain, tmp_path_factory.mktemp("town"))
        town.found()
        town.patient("ann", payer="TEST::9")
        assert town.seal("ann", BUNDLE).code == 0
        town.done("patient", "watch", "--as", "ann")
        yield town
