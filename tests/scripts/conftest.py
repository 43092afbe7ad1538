"""One town for all tests of the commands: setting it up takes some seconds."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from compiling import compile_if_changed
from cover_town import Insured, insured_town
from goods_town import goods_town
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


@pytest.fixture(scope="session")
def founded_market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Insured]:
    with insured_town(tmp_path_factory.mktemp("market")) as found:
        yield found


@pytest.fixture(scope="session")
def founded_wholesale(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with remembered_passphrases(), goods_town(tmp_path_factory.mktemp("wholesale")) as found:
        yield found


@pytest.fixture(scope="module")
def market(founded_market: Insured) -> Iterator[Insured]:
    """A maker, two pharmacies with a case of ten packs each, a clinic, two insurers and ann, who is insured."""
    with founded_market.undone():
        yield founded_market


@pytest.fixture(scope="module")
def wholesale(founded_wholesale: Town) -> Iterator[Town]:
    """A maker, two distributors, a pharmacy and a regulator, with the consortium's key."""
    with founded_wholesale.undone():
        yield founded_wholesale


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path
