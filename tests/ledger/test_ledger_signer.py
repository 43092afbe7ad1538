"""A signer signs for one account and keeps its key to itself."""

import pickle
import traceback

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_keys.constants import SECPK1_N

from theriac.errors import BadKey
from theriac.ledger.signer import KeySigner

KEY = bytes.fromhex("4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318")
ADDRESS = "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23"
TRANSFER = {
    "chainId": 5,
    "nonce": 3,
    "gas": 21_000,
    "to": "0x00000000000000000000000000000000000000AA",
    "value": 7,
    "maxFeePerGas": 9,
    "maxPriorityFeePerGas": 1,
}


@pytest.mark.parametrize("key", [KEY, Account.from_key(KEY)], ids=["bytes", "account"])
def test_key_signer__from_either_form__has_the_address_of_its_key(key: object) -> None:
    assert KeySigner(key).address == ADDRESS


def test_sign_transaction__recovers_to_the_signer() -> None:
    raw = KeySigner(KEY).sign_transaction(TRANSFER)

    assert Account.recover_transaction(raw) == ADDRESS


def test_sign_message__is_r_s_v_in_65_bytes() -> None:
    message = encode_defunct(text="grant")

    signature = KeySigner(KEY).sign_message(message)

    assert len(signature) == 65
    assert signature[64] in (27, 28)
    assert int.from_bytes(signature[32:64], "big") <= SECPK1_N // 2
    assert Account.recover_message(message, signature=signature) == ADDRESS


@pytest.mark.parametrize(
    "key",
    [b"", KEY[:31], KEY + b"\0", bytes(32), SECPK1_N.to_bytes(32, "big"), b"\xff" * 32, KEY.hex()],
    ids=["empty", "short", "long", "zero", "order", "above_order", "text"],
)
def test_key_signer__of_what_is_no_key__says_so_without_the_key(key: bytes) -> None:
    with pytest.raises(BadKey) as refused:
        KeySigner(key)

    shown = "".join(traceback.format_exception(refused.value))
    assert KEY.hex()[:16] not in shown.replace("\\x", "")
    assert refused.value.__cause__ is None


def test_key_signer__shown_or_pickled__gives_no_key() -> None:
    signer = KeySigner(KEY)

    assert repr(signer) == str(signer) == f"KeySigner({ADDRESS})"
    assert not hasattr(signer, "__dict__")
    with pytest.raises(TypeError, match="private key"):
        pickle.dumps(signer)
