"""No representation shows a secret: what stands in a log or a traceback is seen by whoever reads it, and kept."""

import importlib
import pkgutil
import re
import traceback
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account as EthAccount
from test_vault_document import full

import theriac
from theriac.crypto.recipients import FileKey, HybridIdentity, X25519Identity
from theriac.errors import TheriacError
from theriac.health import keystore
from theriac.health.guardians import PrivateExtendedKey
from theriac.health.hours import Node, Nodes
from theriac.health.keystore import Keystore, Lock
from theriac.health.vault import Tree
from theriac.health.wallet import MnemonicWallet, new_mnemonic
from theriac.ledger.signer import KeySigner
from theriac.medicine.packs import BatchKey

NAMED_LIKE_SECRETS = re.compile(
    r"(?:^|_)(?:seed|secret|passphrase|mnemonic|words|private_key|key|chain_code|salt|halves|following|inboxes|purse)$"
)

PUBLIC = {
    ("cover.messages", "Claim", "salt"): "the chain shows it",
    ("cover.papers", "Request", "words"): "what was done, in words for the patient",
    ("crypto.recipients", "HybridRecipient", "public_key"): "public",
    ("crypto.recipients", "X25519Recipient", "public_key"): "public",
    ("health.bundle", "Bundle", "inboxes"): "recipients",
    ("health.emergencies", "Case", "words"): "a reason, sealed",
    ("health.introduction", "Introduction", "inboxes"): "recipients",
    ("health.receipts", "Receipt", "salt"): "of what whoever has the receipt is to open",
    ("health.scope", "Purpose", "words"): "what a wallet shows",
    ("health.writer", "Registered", "inboxes"): "recipients",
}
"""Fields that are named like secrets and are none, and why."""

OF_SECRETS = {
    "FileKey",
    "HybridIdentity",
    "X25519Identity",
    "BatchKey",
    "InboxKey",
    "RecordKey",
    "Node",
    "Nodes",
    "Purse",
}
"""Types that hide by themselves what is in them."""


def dataclasses() -> Iterator[tuple[str, Any]]:
    """Every dataclass of the package with its module's name."""
    for found in pkgutil.walk_packages(theriac.__path__, "theriac."):
        module = importlib.import_module(found.name)
        for each in vars(module).values():
            if isinstance(each, type) and is_dataclass(each) and each.__module__ == found.name:
                yield found.name.removeprefix("theriac."), each


def forms(secret: bytes | str) -> set[str]:
    """How a secret can look in a text."""
    if isinstance(secret, str):
        return {secret, repr(secret)[1:-1]}
    return {secret.hex(), b64encode(secret).decode().rstrip("="), repr(secret)[2:-1], str(int.from_bytes(secret))}


def shown(value: object) -> str:
    return f"{value} {value!r} {value!s} {[value]!r}"


def test_fields__named_like_secrets__are_shown_nowhere() -> None:
    wrong = [
        (module, each.__name__, field.name)
        for module, each in dataclasses()
        for field in fields(each)
        if field.repr and each.__repr__ is not object.__repr__ and NAMED_LIKE_SECRETS.search(field.name)
        if not any(kind in str(field.type) for kind in OF_SECRETS)
        if not module.startswith("medicine.epcis") and (module, each.__name__, field.name) not in PUBLIC
    ]

    assert wrong == []


def test_public__each_is_still_there() -> None:
    there = {(module, each.__name__, field.name) for module, each in dataclasses() for field in fields(each)}

    assert set(PUBLIC) <= there


def test_vault__every_secret_of_it__is_in_no_representation() -> None:
    # given a vault in which nothing is empty, with secrets that can be told
    vault = full()
    vault.purse = {"vouchers": [], "blanks": [{"blank": {"secret": "a blank's secret"}, "for": ""}]}
    [single] = vault.singles
    vault.singles = [replace(single, key="a record's file key")]
    account = vault.home()
    entry = next(iter(vault.entries.values()))
    vault.add(replace(entry, key="another file key"))
    secrets: list[bytes | str] = [vault.secret, account.publisher_seed, "a blank's secret", "a record's file key"]
    secrets += ["another file key", *account.inboxes.values(), *account.former_inboxes]
    for tree in account.trees.values():
        secrets += [tree.following, *(each.seed for each in tree.generations)]
    assert len(secrets) > 9

    # when
    text = " ".join(
        shown(each) for each in (vault, account, *account.trees.values(), *vault.entries.values(), *vault.singles)
    )

    # then
    assert isinstance(next(iter(account.trees.values())), Tree)
    assert [secret for secret in secrets if any(form in text for form in forms(secret))] == []


MNEMONIC = new_mnemonic()
KEY = bytes(EthAccount.from_mnemonic(MNEMONIC).key)
SEED = bytes(range(100, 132))


@pytest.mark.parametrize(
    ("holder", "secret"),
    [
        (HybridIdentity.from_seed(SEED), SEED),
        (X25519Identity(SEED), SEED),
        (FileKey(SEED[:16]), SEED[:16]),
        (KeySigner(KEY), KEY),
        (MnemonicWallet(MNEMONIC), MNEMONIC),
        (PrivateExtendedKey.of_mnemonic(MNEMONIC, 44), MNEMONIC),
        (Node(20, 5, SEED), SEED),
        (Nodes((Node(20, 5, SEED),)), SEED),
        (BatchKey(SEED), SEED),
        (keystore.Unlocked(SEED, Lock(HybridIdentity.from_seed(SEED).recipient, {})), SEED),
        (keystore.Shared(Lock(HybridIdentity.from_seed(SEED).recipient, {}), (MNEMONIC,)), MNEMONIC),
        (Keystore(Path("x"), Lock(HybridIdentity.from_seed(SEED).recipient, {})), SEED),
    ],
    ids=lambda each: type(each).__name__ if not isinstance(each, bytes | str) else "",
)
def test_holder__shown_in_any_way__does_not_show_it(holder: object, secret: bytes | str) -> None:
    text = shown(holder)

    assert not any(form in text for form in forms(secret))


def test_errors__of_what_cannot_be_opened__quote_no_secret(tmp_path: Path) -> None:
    # given every refusal in which a passphrase, words or a key takes part
    passphrase = "a passphrase that nobody guesses"
    lock = keystore.passphrase_lock(passphrase)
    file = tmp_path / "vault"
    Keystore.create(file, SEED, lock)
    words = " ".join([*MNEMONIC.split()[:-1], "zzzz"])

    def attempts() -> Iterator[tuple[Any, bytes | str]]:
        yield lambda: Keystore.unlock(file, keystore.by_passphrase(passphrase + "!")), passphrase
        yield lambda: MnemonicWallet(words), words
        yield lambda: KeySigner(KEY + b"\0"), KEY
        yield lambda: HybridIdentity.from_seed(SEED + b"\0"), SEED
        yield lambda: keystore.unseal(file.read_bytes(), keystore.by_shares([words]), path="x", by="shares"), words
        yield lambda: Keystore.unlock(file, keystore.by_shares([words])), words

    for attempt, secret in attempts():
        # when
        with pytest.raises(TheriacError) as refused:
            attempt()

        # then neither the sentence nor what a traceback prints of it has it, causes and all
        text = "".join(traceback.format_exception(refused.value)) + repr(refused.value) + str(vars(refused.value))
        assert not any(form in text for form in forms(secret)), refused.value


@pytest.mark.parametrize("right", [True, False], ids=["right", "wrong"])
def test_unlock__right_or_wrong_passphrase__does_the_same_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, right: bool
) -> None:
    """Counted, not timed: one derivation with the same cost, whatever the passphrase is."""
    # given
    file = tmp_path / "vault"
    Keystore.create(file, SEED, keystore.passphrase_lock("the passphrase"))
    work: list[tuple[int, int, int, int]] = []
    whole = keystore.Scrypt

    class Counted:
        def __init__(self, *, salt: bytes, length: int, n: int, r: int, p: int) -> None:
            self._scrypt, self._cost = whole(salt=salt, length=length, n=n, r=r, p=p), (length, n, r, p)

        def derive(self, passphrase: bytes) -> bytes:
            work.append(self._cost)
            return self._scrypt.derive(passphrase)

    monkeypatch.setattr(keystore, "Scrypt", Counted)

    # when
    opened = True
    try:
        Keystore.unlock(file, keystore.by_passphrase("the passphrase" if right else ""))
    except TheriacError:
        opened = False

    # then 128 MiB once: 128 * r * n bytes (RFC 7914, section 2)
    assert opened == right
    assert work == [(32, 1 << 17, 8, 1)]
    assert 128 * 8 * (1 << 17) == 128 << 20


@pytest.mark.parametrize("parameters", [{"n": 2}, {"n": 1 << 24}, {"p": 9}, {"salt": ""}])
def test_unlock__with_another_cost_than_ours__does_no_work(
    monkeypatch: pytest.MonkeyPatch, parameters: dict[str, Any]
) -> None:
    """A file cannot make its reader work less, so that guesses are cheap, nor more, so that it hangs."""
    monkeypatch.setattr(keystore, "Scrypt", None)
    ours = {"by": "passphrase", "salt": "00" * 16, "n": 1 << 17, "r": 8, "p": 1}

    with pytest.raises(TheriacError):
        keystore.by_passphrase("any")(ours | parameters)
