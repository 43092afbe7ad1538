"""One browser and one town for all tests of the pages: setting them up takes some seconds."""

from collections.abc import Iterator

import pytest
from chromium import Browser, chromium
from compiling import compile_if_changed
from pages_town import KEYS, Served, Town, begin, introduce, served, write_records
from real_anvil import anvil
from scripts_town import remembered_passphrases


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """The North Clinic."""
    compile_if_changed()
    with remembered_passphrases(), anvil(hardfork="cancun") as chain:
        town = Town(chain, tmp_path_factory.mktemp("town"))
        town.found()
        yield town


@pytest.fixture(scope="session")
def eve(town: Town, browser: Browser) -> Iterator[Served]:
    """The page of a patient for whom one account of the browser's wallet signs everything; the clinic knows her."""
    with served(town, "--as", "eve", "--wallet", "one", "--payer", "TEST::8") as page:
        opened = page.open(browser, wallets=[{"keys": KEYS}])
        begin(opened)
        introduce(opened, town, "eve")
        write_records(town, "eve")
        opened.close()
        yield page
