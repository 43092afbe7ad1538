"""Guardians' keys (BIP-32), thresholds, cards, and the lock that their shares open."""

import base64
import hashlib
import hmac
import json

import pytest
from eth_account import Account
from recovery_world import Helper, helpers

from theriac.crypto.recipients import HybridIdentity
from theriac.errors import BadDocument, BadExtendedKey, BadGuardians, DamagedKeystore, NoMatchingIdentity
from theriac.health import documents
from theriac.health.guardians import (
    HARDENED,
    ExtendedKey,
    Guardian,
    GuardianSet,
    PrivateExtendedKey,
    check_threshold,
    raised,
    ward_path,
)
from theriac.health.keystore import Lock, by_shares, seal, share_in, shares_lock, unseal
from theriac.health.pleas import Approval, Call, Plea, code_of, decode_card, encode_card
from theriac.health.vault import Vault
from theriac.health.wallet import new_mnemonic

HOME = "0x" + "11" * 20

# Test vector 2 of BIP-32: its seed, and the public keys of the chains m and m/0.
SEED = bytes.fromhex(
    "fffcf9f6f3f0edeae7e4e1dedbd8d5d2cfccc9c6c3c0bdbab7b4b1aeaba8a5a29f9c999693908d8a8784817e7b7875726f6c696663605d5a"
    "5754514e4b484542"
)
OF_M = "xpub661MyMwAqRbcFW31YEwpkMuc5THy2PSt5bDMsktWQcFF8syAmRUapSCGu8ED9W6oDMSgv6Zz8idoc4a6mr8BDzTJY47LJhkJ8UB7WEGuduB"
OF_M_0 = (
    "xpub69H7F5d8KSRgmmdJg2KhpAK8SR3DjMwAdkxj3ZuxV27CprR9LgpeyGmXUbC6wb7ERfvrnKZjXoUmmDznezpbZb7ap6r1D3tgFxHmwMkQTPH"
)


def test_extended_key__derives_what_the_standard_says() -> None:
    master = hmac.new(b"Bitcoin seed", SEED, hashlib.sha512).digest()

    assert PrivateExtendedKey(master[:32], master[32:]).public == ExtendedKey.parse(OF_M)
    assert ExtendedKey.parse(OF_M).child(0) == ExtendedKey.parse(OF_M_0)


def test_extended_key__public_and_private_meet_where_a_wallet_finds_them() -> None:
    # given a guardian's words
    words, place = new_mnemonic(), 1_234_567_890
    key = PrivateExtendedKey.of_mnemonic(words, *ward_path(7))

    # then what the patient derives is the account that any wallet has at that path
    wallets = Account.from_mnemonic(words, account_path=f"m/44'/60'/7'/0/{place}")
    assert key.public.child(place).address == wallets.address
    assert Account.from_key(key.child(place).secret).address == wallets.address
    assert "secret" not in repr(key)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "xpub",
            OF_M[:-1],
            OF_M[:-1] + "C",
            OF_M + "1",
            OF_M.replace("x", "0", 1),
            "1" * 111,
            "z" * 111,
            "z" * 200,
        ),
        # What is too long is not computed with first, and a one in front is the zero that counts for nothing.
        *("z" * 1_000_000, "1" + OF_M),
    ],
)
def test_extended_key__mistyped(text: str) -> None:
    with pytest.raises(BadExtendedKey):
        ExtendedKey.parse(text)


def test_extended_key__a_hardened_place_needs_the_private_key() -> None:
    with pytest.raises(ValueError, match="below 2"):
        ExtendedKey.parse(OF_M).child(HARDENED)


@pytest.mark.parametrize(("size", "needed"), [(2, 2), (3, 3), (4, 3), (5, 4), (16, 15)])
def test_raised__all_of_three_and_all_but_one_of_more(size: int, needed: int) -> None:
    assert raised(size) == needed


@pytest.mark.parametrize(("k", "n"), [(0, 3), (1, 3), (3, 3), (2, 2), (3, 4), (4, 5), (2, 17), (1, 1), (-1, 5)])
def test_check_threshold__where_an_objection_would_be_no_use(k: int, n: int) -> None:
    with pytest.raises(BadGuardians):
        check_threshold(k, n)


@pytest.mark.parametrize(("k", "n"), [(2, 3), (2, 4), (3, 5), (14, 16)])
def test_check_threshold__where_it_is(k: int, n: int) -> None:
    check_threshold(k, n)


def test_set__counts_by_places() -> None:
    chosen = GuardianSet.of([f"0x{number:040x}" for number in (9, 3, 7)], threshold=2)

    assert [int(each, 16) for each in chosen.accounts] == [3, 7, 9]
    assert chosen.members(0b101) == (chosen.accounts[0], chosen.accounts[2])
    assert chosen.mask(chosen.members(0b110)) == 0b110


# -- papers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"recipient": "age1nothing"},
        {"point": "02" + "00" * 32},
        {"point": "zz"},
        {"chain_code": "00"},
        {"account": "0x1234"},
        {"account": 5},
        {"more": ""},
    ],
)
def test_card__of_nobody(change: dict[str, object]) -> None:
    values = json.loads(encode_card(Helper("bo").card()))

    with pytest.raises(BadDocument):
        decode_card(documents.encode("guardian", {**values, **change}))


@pytest.mark.parametrize("decode", [decode_card, Plea.decode, Approval.decode, Call.decode])
@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b'{"format":1,"kind":"plea"}', b"\xff", b'{"format":1,"kind":"call"}']
)
def test_papers__that_are_none(decode: object, data: bytes) -> None:
    with pytest.raises(BadDocument):
        decode(data)  # type: ignore[operator]


def test_code__of_another_call_is_another() -> None:
    calls = [Call(HOME, str(HybridIdentity.generate().recipient)).encode() for _ in range(2)]

    codes = [code_of(each) for each in calls]

    assert codes[0] != codes[1]
    assert [len(each) for each in codes] == [14, 14]


# -- the lock --------------------------------------------------------------------------------------------------------


def test_shares_lock__any_two_of_four_open_it_and_so_does_the_first_lock() -> None:
    # given
    people, own = helpers(), HybridIdentity.generate()
    shared = shares_lock([each.identity.recipient for each in people], k=2, home=HOME)
    sealed = seal(b"the vault", Lock(own.recipient, {"by": "test"}), shared.lock)

    # when
    words = [share_in(sealed, [each.identity], home=HOME) for each in people]

    # then
    assert tuple(words) == shared.words
    for pair in (words[:2], words[2:], words[::3]):
        assert unseal(sealed, by_shares(pair), path="", by="shares").secret == b"the vault"
    assert unseal(sealed, lambda _: own, path="").secret == b"the vault"


def test_shares_lock__how_many_guardians_there_are_is_not_seen() -> None:
    # given
    lengths = []
    for people in (helpers(3), helpers(9)):
        shared = shares_lock([each.identity.recipient for each in people], k=2, home=HOME)
        lengths.append(sorted({len(base64.b64decode(each)) for each in shared.lock.parameters["shares"]}))
        assert len(shared.lock.parameters["shares"]) == 16

    # then
    assert set(lengths[0]) & set(lengths[1])


def test_share_in__of_another_home_or_for_nobody() -> None:
    [bo, *others] = helpers(3)
    shared = shares_lock([each.identity.recipient for each in (bo, *others)], k=2, home=HOME)
    sealed = seal(b"", Lock(HybridIdentity.generate().recipient, {"by": "test"}), shared.lock)

    for identity, home in ((HybridIdentity.generate(), HOME), (bo.identity, "0x" + "22" * 20)):
        with pytest.raises(NoMatchingIdentity):
            share_in(sealed, [identity], home=home)


def test_unseal__by_shares__what_has_no_such_lock() -> None:
    own = HybridIdentity.generate()
    shared = shares_lock([each.identity.recipient for each in helpers(3)], k=2, home=HOME)
    sealed = seal(b"", Lock(own.recipient, {"by": "test"}))

    with pytest.raises(DamagedKeystore):
        unseal(sealed, by_shares(shared.words), path="", by="shares")


def test_vault__from_before_there_were_guardians() -> None:
    # given a vault as it was written then
    values = json.loads(Vault().encode())
    for name in ("guardians", "moving"):
        del values[name]
    del values["kind"], values["format"]

    # then
    assert Vault.decode(documents.encode("vault", values, canonical=False)).guardians is None


def test_guardian__by_a_plain_account_is_the_same_everywhere() -> None:
    plain = Guardian("c", account=Account.create().address)
    hidden = Helper("bo").card()

    assert plain.member() == plain.member()
    assert hidden.member().account != hidden.member().account
