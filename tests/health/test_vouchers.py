"""Vouchers and blanks as documents, and the purse that a patient keeps them in."""

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from real_anvil import person

from theriac.crypto import blind
from theriac.errors import BadBlinding, BadVoucher
from theriac.health.vault import Vault
from theriac.health.vouchers import Asked, Blank, BlankKey, Purse, Realm, Voucher, ask_document, sign_blanks
from theriac.ledger.signer import KeySigner

ROOT = Path(__file__).resolve().parents[2]
REALM = Realm(8437422, person("carrier").address)
RELAYER, PATIENT = person("relayer").address, person("patient").address
KEY = KeySigner(person("voucher key"))
VOUCHER = Voucher(7, PATIENT, RELAYER, 20, 5_000_000, 2_003_011_200)
# What is hidden under the smaller modulus can be signed under the larger one, wrongly.
SECRET, OTHER = sorted((blind.generate(), blind.generate()), key=lambda key: key.public_key().public_numbers().n)
BLANKS = BlankKey(SECRET.public_key(), 2_003_011_200)

# The message as another library hashes it.
HASH = """
const { TypedDataEncoder } = require("ethers");
const { domain, message } = JSON.parse(process.argv[1]);
const fields = "uint32 member,address pseudonym,address relayer,uint32 acts,uint64 gas,uint40 expiry";
const types = { Voucher: fields.split(",").map((each) => each.split(" ")).map(([type, name]) => ({ type, name })) };
console.log(TypedDataEncoder.hash(domain, types, message));
"""


def purse() -> Purse:
    return Purse(Vault(), save=lambda: None)


def received(kept: Purse, count: int = 1, *, relayer: str = RELAYER) -> list[Asked]:
    asked = kept.ask(member=7, relayer=relayer, key=BLANKS, count=count)
    kept.receive(sign_blanks(ask_document(7, asked), member=7, key=SECRET), key=BLANKS)
    return asked


def test_voucher__is_hashed_as_ethers_hashes_it() -> None:
    node = shutil.which("node")
    if node is None or not (ROOT / "node_modules" / "ethers").is_dir():
        pytest.skip("ethers from npm is missing: run `npm ci` (Node 20 or newer) and try again.")
    domain = {"name": "Theriac Voucher", "version": "1", "chainId": 8437422, "verifyingContract": REALM.carrier}
    message = {name: value for name, value in VOUCHER.values().items() if name != "signature"}
    told = subprocess.run(
        [node, "-e", HASH, json.dumps({"domain": domain, "message": message})],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    signed = VOUCHER.signed(KEY, REALM)
    found = Account._recover_hash(bytes.fromhex(told.stdout.strip()[2:]), signature=bytes.fromhex(signed.signature))

    assert found == KEY.address == signed.signer(REALM)


def test_voucher__altered_or_for_another_realm__has_another_signer() -> None:
    signed = VOUCHER.signed(KEY, REALM)
    changes: dict[str, Any] = {"member": 8, "pseudonym": RELAYER, "relayer": PATIENT, "acts": 21, "gas": 1, "expiry": 9}
    assert all(replace(signed, **{name: value}).signer(REALM) != KEY.address for name, value in changes.items())
    assert signed.signer(Realm(1, REALM.carrier)) != KEY.address
    assert signed.signer(Realm(REALM.chain_id, RELAYER)) != KEY.address
    assert Voucher.decode(signed.encode()) == signed


@pytest.mark.parametrize(
    "change",
    [
        {"member": 0},
        {"member": 1 << 32},
        {"acts": -1},
        {"gas": 1 << 53},
        {"expiry": 1 << 34},
        {"expiry": 253_402_300_800},
        {"more": 1},
        {"pseudonym": PATIENT.lower()},
        {"relayer": ""},
        {"acts": True},
        {"acts": 1.5},
        {"gas": "5"},
        {"signature": None},
    ],
)
def test_voucher__that_is_none(change: dict[str, Any]) -> None:
    with pytest.raises(BadVoucher):
        Voucher.of({**VOUCHER.signed(KEY, REALM).values(), **change})


def test_voucher__a_signature_that_is_none() -> None:
    for signature in ("", "00", "zz", "00" * 65, "ff" * 65):
        with pytest.raises(BadVoucher):
            replace(VOUCHER, signature=signature).signer(REALM)


# property Y8
def test_blank__what_the_desk_sees__is_in_no_part_of_what_a_relayer_sees() -> None:
    # given
    kept = purse()
    asked = kept.ask(member=7, relayer=RELAYER, key=BLANKS, count=2)
    shown = ask_document(7, asked)
    signed = sign_blanks(shown, member=7, key=SECRET)
    kept.receive(signed, key=BLANKS)

    # then
    for blank, _ in kept.blanks:
        assert blank.is_signed(SECRET.public_key())
        for secret in (blank.nonce, blank.signature, blank.relayer, blank.holder):
            assert secret.encode() not in shown + signed


def test_blank__that_is_none() -> None:
    good = Blank(7, RELAYER, "ab" * 32, PATIENT, "00").values()
    for change in (
        {"holder": ""},
        {"nonce": "AB" * 32},
        {"nonce": "ab"},
        {"member": 0},
        {"relayer": RELAYER.lower()},
        {"nonce": 1},
    ):
        with pytest.raises(BadVoucher):
            Blank.of({**good, **change})
    assert not Blank.of(good).is_signed(SECRET.public_key())


def test_sign_blanks__of_another_member_none_or_too_many() -> None:
    asked = purse().ask(member=7, relayer=RELAYER, key=BLANKS, count=3)
    for member, most, document in ((8, 16, ask_document(7, asked)), (7, 2, ask_document(7, asked)), (7, 16, b"{}")):
        with pytest.raises(BadVoucher):
            sign_blanks(document, member=member, key=SECRET, most=most)
    with pytest.raises(BadVoucher):
        sign_blanks(ask_document(7, []), member=7, key=SECRET)
    with pytest.raises(BadBlinding):
        sign_blanks(ask_document(7, [replace(asked[0], blinded="zz")]), member=7, key=SECRET)


def test_receive__by_another_key__keeps_what_was_asked_for() -> None:
    """A desk that signed by a key of its own for this patient, to tell her by it, is found out."""
    kept = purse()
    asked = kept.ask(member=7, relayer=RELAYER, key=BLANKS, count=1)
    tagged = sign_blanks(ask_document(7, asked), member=7, key=OTHER)

    with pytest.raises(BadBlinding):
        kept.receive(tagged, key=BLANKS)
    assert kept.blanks == []
    kept.receive(sign_blanks(ask_document(7, asked), member=7, key=SECRET), key=BLANKS)

    assert len(kept.blanks) == 1


def test_receive__twice_or_never_asked_for() -> None:
    kept, stranger = purse(), purse()
    signed = sign_blanks(
        ask_document(7, kept.ask(member=7, relayer=RELAYER, key=BLANKS, count=1)), member=7, key=SECRET
    )
    kept.receive(signed, key=BLANKS)

    for who in (kept, stranger):
        with pytest.raises(BadVoucher):
            who.receive(signed, key=BLANKS)


def test_take__each_pseudonym_has_its_own__and_only_of_this_relayer() -> None:
    kept = purse()
    received(kept, 2)
    received(kept, 1, relayer=PATIENT)

    first, second = kept.take(PATIENT, relayer=RELAYER), kept.take("0xB", relayer=RELAYER)

    assert first is not None
    assert second is not None
    assert first.id != second.id
    assert [first.is_for(PATIENT), first.is_for("0xB"), second.is_for("0xB")] == [True, False, True]
    assert kept.take("0xC", relayer=RELAYER) is None
    assert kept.blank(PATIENT, relayer=RELAYER) == first
    assert kept.blank(PATIENT, relayer=PATIENT) is None


def test_take__of_one_pseudonym__ends_before_all_are_spent() -> None:
    kept = purse()
    received(kept, 6)

    taken = [kept.take(PATIENT, relayer=RELAYER) for _ in range(6)]

    assert [each is not None for each in taken] == [True] * 4 + [False] * 2
    assert kept.take("0xB", relayer=RELAYER) is not None


def test_merge__a_blank_that_one_device_uses__is_free_on_neither() -> None:
    # given: two devices with the same blanks, of which one uses one
    vault = Vault()
    received(Purse(vault, save=lambda: None), 2)
    other = Vault.decode(vault.encode())
    used = Purse(other, save=lambda: None).take("0xA", relayer=RELAYER)

    # when
    vault.merge(other)

    # then
    merged = Purse(vault, save=lambda: None)
    assert sorted(by for _, by in merged.blanks) == ["", "0xA"]
    taken = merged.take("0xB", relayer=RELAYER)
    assert taken is not None
    assert used is not None
    assert taken.id != used.id


def test_voucher__the_newest_for_a_place__and_none_that_expired() -> None:
    kept = purse()
    kept.add(VOUCHER.signed(KEY, REALM))
    kept.add(replace(VOUCHER, acts=30).signed(KEY, REALM))

    found = kept.voucher(PATIENT, relayer=RELAYER, now=VOUCHER.expiry - 1)

    assert found is not None
    assert (found.acts, len(kept.vouchers)) == (30, 1)
    assert kept.voucher(PATIENT, relayer=RELAYER, now=VOUCHER.expiry) is None
    assert kept.voucher(RELAYER, relayer=RELAYER, now=0) is None
