"""Secrets at rest: what opens them, what does not, and that a save is whole or did not happen."""

import os
import signal
import stat
import time
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import SignableMessage
from health_world import HealthWorld
from ready_python import Started

from theriac.crypto.recipients import HybridIdentity
from theriac.errors import DamagedKeystore, WalletHasCode, WalletNotDeterministic, WrongPassphrase
from theriac.health import documents
from theriac.health.keystore import (
    Keystore,
    Lock,
    by_passphrase,
    by_wallet,
    passphrase_lock,
    seal,
    unseal,
    wallet_lock,
)
from theriac.health.vault import Vault
from theriac.ledger.signer import KeySigner

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
SECRET = b'{"secret":1}'


class Wallet(KeySigner):
    """A wallet whose signatures pass through `change` on their way out."""

    def __init__(self, key: bytes, change: Any) -> None:
        super().__init__(key)
        self._change = change

    def sign_message(self, message: SignableMessage) -> bytes:
        return bytes(self._change(super().sign_message(message)))


def high_s(signature: bytes) -> bytes:
    """The other signature of the same key over the same message."""
    s = ORDER - int.from_bytes(signature[32:64], "big")
    return signature[:32] + s.to_bytes(32, "big") + bytes([signature[64] ^ 7])


def test_unlock__by_the_passphrase__gives_the_secret(tmp_path: Path) -> None:
    path = tmp_path / "vault"
    Keystore.create(path, SECRET, passphrase_lock("correct horse"))

    keystore, secret = Keystore.unlock(path, by_passphrase("correct horse"))

    assert secret == SECRET
    keystore.save(b"later")
    assert Keystore.unlock(path, by_passphrase("correct horse"))[1] == b"later"
    with pytest.raises(WrongPassphrase):
        Keystore.unlock(path, by_passphrase("correct horse "))


def test_unlock__by_a_wallet__whatever_form_of_s_it_gives() -> None:
    wallet = KeySigner(b"\x07" * 32)
    document = seal(SECRET, wallet_lock(wallet, serial=1))

    assert unseal(document, by_wallet(wallet), path="x").secret == SECRET
    assert unseal(document, by_wallet(Wallet(b"\x07" * 32, high_s)), path="x").secret == SECRET


def test_unlock__by_another_wallet__is_refused() -> None:
    document = seal(SECRET, wallet_lock(KeySigner(b"\x07" * 32), serial=1))

    with pytest.raises(WrongPassphrase):
        unseal(document, by_wallet(KeySigner(b"\x08" * 32)), path="x")


def test_wallet_lock__another_serial__is_another_lock() -> None:
    wallet = KeySigner(b"\x07" * 32)

    assert wallet_lock(wallet, serial=1).recipient != wallet_lock(wallet, serial=2).recipient


def test_wallet_lock__a_wallet_that_signs_differently_each_time__is_refused() -> None:
    wallet = Wallet(b"\x07" * 32, lambda _: os.urandom(65))

    with pytest.raises(WalletNotDeterministic):
        wallet_lock(wallet, serial=1)


def test_wallet_lock__an_account_with_code__is_refused(world: HealthWorld) -> None:
    class Contract(KeySigner):
        @property
        def address(self) -> Any:
            return world.contracts.Keys.address

    with pytest.raises(WalletHasCode):
        wallet_lock(Contract(b"\x07" * 32), serial=1, web3=world.web3)
    assert wallet_lock(KeySigner(Account.create()), serial=1, web3=world.web3).parameters["by"] == "wallet"


def test_unlock__a_flipped_bit_anywhere__is_named() -> None:
    identity = HybridIdentity.generate()
    document = seal(SECRET, Lock(identity.recipient, {"by": "test"}))

    for at in range(0, len(document), 97):
        broken = document[:at] + bytes([document[at] ^ 1]) + document[at + 1 :]
        with pytest.raises((DamagedKeystore, WrongPassphrase)):
            unseal(broken, lambda _: identity, path="x")


@pytest.mark.parametrize("size", [0, 1, 100, -1])
def test_unlock__a_truncated_file__is_damaged(tmp_path: Path, size: int) -> None:
    identity, path = HybridIdentity.generate(), tmp_path / "vault"
    Keystore.create(path, SECRET, Lock(identity.recipient, {"by": "test"}))
    path.write_bytes(path.read_bytes()[:size])

    with pytest.raises(DamagedKeystore):
        Keystore.unlock(path, lambda _: identity)


@pytest.mark.parametrize("change", [{"n": 2}, {"salt": "00"}, {"salt": "no"}, {"salt": None}])
def test_unlock__with_scrypt_parameters_of_somebody_else__is_damaged(change: dict[str, Any]) -> None:
    # A file that asks for weak or endless work is not obeyed.
    parameters = {"by": "passphrase", "salt": "00" * 16, "n": 1 << 17, "r": 8, "p": 1} | change
    document = seal(SECRET, Lock(HybridIdentity.generate().recipient, parameters))

    with pytest.raises(DamagedKeystore):
        unseal(document, by_passphrase("x"), path="x")


def test_unlock__nothing_there__is_damaged(tmp_path: Path) -> None:
    with pytest.raises(DamagedKeystore):
        Keystore.unlock(tmp_path / "none", by_passphrase("x"))


def test_save__is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "vault"

    Keystore.create(path, SECRET, Lock(HybridIdentity.generate().recipient, {"by": "test"}))

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert os.listdir(path.parent) == ["vault"]
    assert SECRET not in path.read_bytes()


_SAVER = """
import sys
from pathlib import Path
from theriac.crypto.recipients import HybridIdentity
from theriac.health.keystore import Keystore, Lock
keystore = Keystore(Path(sys.argv[1]), Lock(HybridIdentity.from_seed(bytes(32)).recipient, {"by": "test"}))
number = 0
while True:
    number += 1
    keystore.save(b"whole" * 20000)
    if number == 1:
        print("begun", flush=True)
"""


def test_save__killed_on_the_way__leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "vault"
    for pause in (0.0, 0.013, 0.029):
        process = Started(_SAVER, [path])
        assert process.stdout.readline() == b"begun\n"
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)

        assert Keystore.unlock(path, lambda _: HybridIdentity.from_seed(bytes(32)))[1] == b"whole" * 20000


def test_backup__that_home_names__restores_the_vault(world: HealthWorld) -> None:
    # given a patient with a lock that a wallet opens
    wallet = KeySigner(Account.create())
    patient = world.patient(single=True)
    patient._keystore.lock = wallet_lock(wallet, serial=1)
    patient.introduce(1)
    patient.watch()

    # when nothing is left but the wallet and the home pseudonym
    home = patient.vault.home().pseudonym
    backup = patient.chain.bundle(home, world.store).backup
    with world.store.get_digest(bytes.fromhex(backup)) as stream:
        sealed = documents.read_at_most(stream, documents.LARGEST)
    restored = Vault.decode(unseal(sealed, by_wallet(wallet), path="backup").secret)

    # then every seed in use is there, and who may write
    assert restored.used_seeds() == patient.vault.used_seeds()
    assert restored.accounts[home].writers == patient.vault.accounts[home].writers
    assert restored.secret == patient.vault.secret


def test_pseudonym_for__is_in_the_backup_before_it_is_used(world: HealthWorld) -> None:
    # given
    wallet = KeySigner(Account.create())
    patient = world.patient()
    patient._keystore.lock = wallet_lock(wallet, serial=1)
    # when
    account = patient.pseudonym_for("policy:1")
    # then
    backup = patient.chain.bundle(patient.vault.home().pseudonym, world.store).backup
    with world.store.get_digest(bytes.fromhex(backup)) as stream:
        sealed = documents.read_at_most(stream, documents.LARGEST)
    restored = Vault.decode(unseal(sealed, by_wallet(wallet), path="backup").secret)
    assert restored.accounts[account.pseudonym].place == account.place
    assert patient.pseudonym_for("policy:1") is account
    assert patient.pseudonym_for("policy:2").place != account.place
