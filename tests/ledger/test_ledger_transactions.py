"""The bytes of transactions: the same as eth-account's, and a signed one counts only where every byte is as it must."""

from typing import Any

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from theriac.ledger.signer import KeySigner
from theriac.ledger.transactions import fault_of

KEY = b"\x42" * 32
OTHER = "0x" + "Ab" * 20
NUMBERS = st.integers(0, (1 << 64) - 1)


def fields(*, two_prices: bool) -> st.SearchStrategy[dict[str, Any]]:
    prices = ["maxPriorityFeePerGas", "maxFeePerGas"] if two_prices else ["gasPrice"]
    made = dict.fromkeys(("nonce", "gas", "value", *prices), NUMBERS)
    made["chainId"] = st.integers(1, 1 << 40)
    made["data"] = st.binary(max_size=300).map(lambda data: "0x" + data.hex())
    if two_prices:
        made["type"] = st.just(2)
    to = {"to": st.binary(min_size=20, max_size=20).map(lambda data: "0x" + data.hex())}
    return st.fixed_dictionaries(made, optional=to).map(lambda told: with_checksum(told))


def with_checksum(told: dict[str, Any]) -> dict[str, Any]:
    from eth_utils.address import to_checksum_address

    return told | ({"to": to_checksum_address(told["to"])} if "to" in told else {})


@given(st.one_of(fields(two_prices=True), fields(two_prices=False)))
def test_sign_transaction__any__is_what_eth_account_signs_and_has_no_fault(told: dict[str, Any]) -> None:
    account = Account.from_key(KEY)

    # eth-account knows the tip as no more than the price.
    if "maxFeePerGas" in told:
        told["maxFeePerGas"] = max(told["maxFeePerGas"], told["maxPriorityFeePerGas"])
    raw = KeySigner(KEY).sign_transaction(told)

    assert raw == bytes(account.sign_transaction(told).raw_transaction)
    assert fault_of(raw, told, account.address) == ""


@given(st.one_of(fields(two_prices=True), fields(two_prices=False)), st.data())
def test_fault_of__any_bit_flipped__is_a_fault(told: dict[str, Any], data: st.DataObject) -> None:
    raw = bytearray(KeySigner(KEY).sign_transaction(told))
    bit = data.draw(st.integers(0, 8 * len(raw) - 1))
    raw[bit // 8] ^= 1 << bit % 8

    assert fault_of(bytes(raw), told, KeySigner(KEY).address) != ""


@pytest.mark.parametrize("two_prices", [True, False])
@pytest.mark.parametrize("raw", [b"", b"\x02", b"\xc0", b"\x02\xc0", b"\xff" * 9, b"\x02\xf8"], ids=bytes.hex)
def test_fault_of__what_is_no_transaction__is_a_fault(raw: bytes, two_prices: bool) -> None:
    prices = {"maxPriorityFeePerGas": 0, "maxFeePerGas": 0, "type": 2} if two_prices else {"gasPrice": 0}
    told = {"chainId": 1, "nonce": 0, "gas": 0, "value": 0, "data": "0x", "to": OTHER, **prices}

    assert fault_of(raw, told, KeySigner(KEY).address) != ""


def test_fault_of__spare_bytes_behind__is_a_fault() -> None:
    told = {"chainId": 1, "nonce": 0, "gas": 0, "value": 0, "data": "0x", "gasPrice": 0}
    raw = KeySigner(KEY).sign_transaction(told)

    assert fault_of(raw, told, KeySigner(KEY).address) == ""
    assert fault_of(raw + b"\x00", told, KeySigner(KEY).address) != ""


def test_fault_of__another_chain_or_account__names_it() -> None:
    told = {"chainId": 1, "nonce": 0, "gas": 21_000, "value": 0, "data": "0x", "gasPrice": 0}
    raw = KeySigner(KEY).sign_transaction(told)

    assert fault_of(raw, told | {"chainId": 2}, KeySigner(KEY).address) == "it is for another chain"
    assert fault_of(raw, told, Account.from_key(b"\x43" * 32).address) == f"it is signed by {KeySigner(KEY).address}"
