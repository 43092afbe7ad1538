"""A town for the commands' tests: a real anvil, a folder for everything they keep, and a way to call them."""

import importlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from click.testing import CliRunner
from real_anvil import Chain
from said import Said

from theriac.crypto.recipients import HybridIdentity
from theriac.health import keystore

ROOT = Path(__file__).resolve().parent.parent.parent
BUNDLE = ROOT / "tests" / "fixtures" / "fhir" / "labelled.json"
IMAGE = ROOT / "examples" / "dicom" / "gradient.dcm"
PASSPHRASE = "a passphrase of the tests"


@dataclass
class Town:
    """Where the commands of a test work."""

    chain: Chain
    folder: Path
    settings: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.settings = {
            "THERIAC_HOME": str(self.folder / "home"),
            "THERIAC_NETWORK": f"ethereum:dev:{self.chain.web3.provider.endpoint_uri}",
            "THERIAC_PASSPHRASE": PASSPHRASE,
            **self.settings,
        }

    def run(self, *words: str, **settings: str | None) -> Said:
        """`ape run` with these words, in this process: what Ape itself adds takes two seconds at each call."""
        script = importlib.import_module(f"scripts.{words[0]}")
        called = CliRunner(mix_stderr=False, env={**self.settings, **settings}).invoke(script.cli, list(words[1:]))
        assert called.exception is None or isinstance(called.exception, SystemExit), called.exception
        return Said(called.exit_code, called.stdout, called.stderr)

    def done(self, *words: str, **settings: str | None) -> Said:
        """The same where it must succeed."""
        said = self.run(*words, **settings)
        assert said.code == 0, (words, said.err)
        return said

    def path(self, name: str) -> str:
        return str(self.folder / name)

    # -- beginning ---------------------------------------------------------------------------------------------------

    def found(self) -> None:
        """A consortium with the North Clinic as its first member."""
        self.done("deploy", "--account", "TEST::0")
        self.done("board", "admit", "TEST::1", "--roles", "clinician,laboratory,gateway", "--until", "2040-01-01")
        self.done("clinic", "setup", "--account", "TEST::1", "--name", "North Clinic")

    def patient(self, who: str, *, payer: str) -> None:
        """A patient who is registered at the clinic under her own name."""
        self.done("patient", "init", "--as", who, "--payer", payer)
        self.done("patient", "introduce", "--as", who, "--to", "1", "-o", self.path(f"{who}.introduction"))
        self.done("clinic", "register", self.path(f"{who}.introduction"), "--name", who)

    def seal(self, who: str, *paths: Path | str, **settings: str | None) -> Said:
        return self.run("clinic", "seal", who, *map(str, paths), "--json", **settings)

    @contextmanager
    def undone(self) -> Iterator[None]:
        """Takes back whatever happens inside, on the chain and in the folder."""
        with TemporaryDirectory(dir=self.folder.parent) as copies, self.chain.undone():
            kept = Path(copies) / "kept"
            shutil.copytree(self.folder, kept, symlinks=True)
            try:
                yield
            finally:
                shutil.rmtree(self.folder)
                kept.rename(self.folder)

    def kept(self) -> set[str]:
        """The records on the chain, as anyone sees them."""
        logs = self.chain.web3.eth.get_logs({"fromBlock": 0, "toBlock": "latest"})
        return {log["transactionHash"].hex() for log in logs}


_derived = keystore._by_passphrase


@cache
def _remembered(passphrase: str, parameters: frozenset[tuple[str, Any]]) -> HybridIdentity:
    return _derived(passphrase, dict(parameters))


@contextmanager
def remembered_passphrases() -> Iterator[None]:
    """What a passphrase opens is derived once, as it takes half a second and each command asks again.

    So that it is the same for all who chose the same passphrase, they have one salt; the keystore's own tests look at
    the salt and at the price.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keystore, "_new_salt", lambda: b"a salt for tests")
        patch.setattr(
            keystore,
            "_by_passphrase",
            lambda passphrase, parameters: _remembered(passphrase, frozenset(parameters.items())),
        )
        yield
