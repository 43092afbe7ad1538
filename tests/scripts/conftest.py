"""One town for all tests of the commands: setting it up takes some seconds."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from real_anvil import anvil
from scripts_town import BUNDLE, IMAGE, Town

from theriac.crypto.recipients import HybridIdentity
from theriac.health import keystore


@contextmanager
def remembered_passphrases() -> Iterator[None]:
    """What a passphrase opens is derived once for each salt, as it takes half a second and each command asks again."""
    derived = keystore._by_passphrase

    @cache
    def remembered(passphrase: str, parameters: frozenset[tuple[str, Any]]) -> HybridIdentity:
        return derived(passphrase, dict(parameters))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            keystore,
            "_by_passphrase",
            lambda passphrase, parameters: remembered(passphrase, frozenset(parameters.items())),
        )
        yield


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
