"""A relayer, asked over real HTTP, with a real chain behind it: what it carries, for whom, and what it refuses."""

import json
import os
import random
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import requests
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils import to_checksum_address
from hypothesis import given, settings
from hypothesis import strategies as st
from real_anvil import BOARD, ROOT, person
from relay_world import (
    CLINIC_KEY,
    DAY,
    HOSPITAL_KEY,
    OTHER_SECRET,
    TREAT,
    Pseudonym,
    RelayWorld,
    digest,
    listening,
    member_address,
)

from theriac.crypto.recipients import HybridIdentity
from theriac.errors import BadGroup, RelayBusy, RelayRefused, TheriacError
from theriac.health import documents
from theriac.health.bundle import profile
from theriac.health.groups import Group, Lane, check_documents, decode_group
from theriac.health.journal import Journal
from theriac.health.messages import Freshness, Letter, Narrow, Report, RevokeEverything, SetPublisher
from theriac.health.relayer import Relayer
from theriac.health.relayer_http import Door
from theriac.ledger.sender import Sender
from theriac.ledger.signer import KeySigner
from theriac.store import compute

READER = member_address(1)
YES = "0x" + "7f1626ba7e" + "00" * 28 + "60005260206000f3"
"""A wallet's code that accepts every signature: it returns ERC-1271's word."""
NO = "0x60006000fd"
"""One that reverts."""


def asked(url: str, group: Group | bytes) -> requests.Response:
    body = group if isinstance(group, bytes) else group.encode()
    with requests.Session() as session:
        session.trust_env = False
        return session.post(f"{url}/v1/groups", data=body, timeout=30)


def told(url: str, id_: str) -> dict[str, Any]:
    with requests.Session() as session:
        session.trust_env = False
        return dict(session.get(f"{url}/v1/groups/{id_}", timeout=30).json())


def outcome(url: str, id_: str) -> dict[str, Any]:
    """What became of a group, once something has."""
    until = time.monotonic() + 30
    while (found := told(url, id_))["state"] in ("queued", "sent") and time.monotonic() < until:
        time.sleep(0.05)
    return found


def finish(relayer: Relayer) -> None:
    """Brings everything that waits, and hears of it."""
    for _ in range(40):
        if not relayer.step(wait=True) and not relayer._journal.count():
            return
    raise AssertionError("a group waits for ever")


def published(relays: RelayWorld, pseudonym: Pseudonym) -> list[int]:
    """The versions that the chain says were published, one for each event."""
    logs = relays.contracts.logs("Keys", start=0)
    topic = relays.contracts["Keys"].events.Published().topic
    word = bytes.fromhex(pseudonym.address[2:]).rjust(32, b"\0")
    mine = [each.log for each in logs if each.log.topics[0].hex() == topic.removeprefix("0x")]
    return [int.from_bytes(log.data[:32], "big") for log in mine if log.topics[1] == word]


# -- what is carried -------------------------------------------------------------------------------------------------


# property Y3
def test_take__by_voucher_by_blank_and_free__each_is_done_and_answered_again(relays: RelayWorld) -> None:
    relayer = relays.relayer()
    ann, bea = relays.pseudonym(), relays.pseudonym()
    with listening(relayer) as server:
        for group in (
            relays.group(ann.first(), voucher=relays.voucher(ann, relayer)),
            relays.group(bea.first(), blank=relays.blank(relayer, bea)),
        ):
            # when
            answer = asked(server.url, group)
            # then
            assert (answer.status_code, answer.headers["Connection"]) == (202, "close")
            assert outcome(server.url, answer.json()["id"])["state"] == "done"
            assert asked(server.url, group).json() == told(server.url, group.id)

        # when: the next version, a grant by voucher, and its end, which is free again
        for group in (
            relays.group(bea.publish(2)),
            relays.group(ann.grant(READER), ann.publish(2), voucher=relays.voucher(ann, relayer)),
            relays.group(ann.revoke(READER), ann.publish(3)),
        ):
            assert outcome(server.url, asked(server.url, group).json()["id"])["state"] == "done"

    # then
    assert (ann.version, bea.version, ann.is_granted(READER), ann.nonce(READER)) == (3, 2, False, 2)
    assert relays.transactions_of(relayer) == 5


def test_take__the_end_of_an_era__is_free(relays: RelayWorld) -> None:
    relayer, ann = relays.relayer(), relays.published()
    end = ann.sign(RevokeEverything(ann.address, 0, relays.soon()))

    relayer.accept(relays.group(end))
    finish(relayer)

    assert relays.chain.authority(ann.address).era == 1


def test_take__what_is_done_already__counts_as_done_and_costs_nothing(relays: RelayWorld) -> None:
    relayer, ann = relays.relayer(), relays.published()
    signed = [ann.publish(2), ann.grant(READER)]
    relays.send(*signed)

    status = relayer.accept(relays.group(*signed))

    assert (status.state, relays.transactions_of(relayer)) == ("done", 0)


def test_take__half_done_already__does_the_rest(relays: RelayWorld) -> None:
    # given: somebody has sent one of two messages, which are each signed for themselves
    relayer, ann = relays.relayer(), relays.published()
    relays.send(ann.grant(READER))
    revoke, publish = ann.revoke(READER), ann.publish(2)
    relays.send(revoke)

    # when
    group = relays.group(revoke, publish)
    relayer.accept(group)
    finish(relayer)

    # then
    assert (ann.version, relayer.status(group.id).state) == (2, "done")


# property Y9
@pytest.mark.parametrize("letter", [False, True])
def test_take__what_a_message_names__is_kept_before_it_is_sent(relays: RelayWorld, letter: bool) -> None:
    # given: a bundle that names a class file, or a letter
    relayer, ann = relays.relayer(), relays.published()
    inside = os.urandom(100)
    values = {
        "classes": [compute_of(inside).hex()],
        "backup": "",
        "pseudonym": ann.address,
        "salt": os.urandom(8).hex(),
    }
    document = os.urandom(64) if letter else documents.encode("bundle", values)
    files = (document,) if letter else (document, inside)
    if letter:
        message = Letter(ann.address, person("clinic").address, compute_of(document), 0, 0, relays.soon())
        signed = ann.sign(message)
    else:
        signed = ann.publish(2, compute_of(document))

    # when
    relayer.accept(relays.group(signed, documents=files, voucher=relays.voucher(ann, relayer)))

    # then
    for file in files:
        with relays.store.get_digest(compute_of(file)) as stream:
            assert stream.read() == file
    finish(relayer)

    # when: the next version is there, nobody needs the former one's files
    later = documents.encode("bundle", {**values, "classes": []})
    relayer.accept(relays.group(ann.publish(2 if letter else 3, compute_of(later)), documents=(later,)))
    finish(relayer)
    relays.store.collect_garbage()
    if not letter:
        assert [relays.store.has(compute(open_(each))) for each in files] == [False, False]


def open_(data: bytes) -> BytesIO:
    return BytesIO(data)


def compute_of(data: bytes) -> bytes:
    return compute(open_(data)).digest


# -- what is refused -------------------------------------------------------------------------------------------------

Case = Callable[[RelayWorld, Relayer], Group]


def _other_relayer(relays: RelayWorld) -> Any:
    return relays.relayer(f"other {random.random()}")


def _voucher_case(**changes: Any) -> Case:
    def case(relays: RelayWorld, relayer: Relayer) -> Group:
        ann = relays.pseudonym()
        return relays.group(ann.first(), voucher=relays.voucher(ann, relayer, **changes))

    return case


def _expired(relays: RelayWorld, relayer: Relayer) -> Group:
    ann = relays.pseudonym()
    return relays.group(ann.first(), voucher=relays.voucher(ann, relayer, expiry=relays.now()))


def _of_another_pseudonym(relays: RelayWorld, relayer: Relayer) -> Group:
    return relays.group(relays.pseudonym().first(), voucher=relays.voucher(relays.pseudonym(), relayer))


def _altered(relays: RelayWorld, relayer: Relayer) -> Group:
    ann = relays.pseudonym()
    return relays.group(ann.first(), voucher=replace(relays.voucher(ann, relayer), acts=99))


def _blank_of_another_key(relays: RelayWorld, relayer: Relayer) -> Group:
    ann = relays.pseudonym()
    return relays.group(ann.first(), blank=relays.blank(relayer, ann, secret=OTHER_SECRET))


def _blank_altered(relays: RelayWorld, relayer: Relayer) -> Group:
    ann = relays.pseudonym()
    return relays.group(ann.first(), blank=replace(relays.blank(relayer, ann), nonce="11" * 32))


def _blank_of_another_relayer(relays: RelayWorld, relayer: Relayer) -> Group:
    ann = relays.pseudonym()
    return relays.group(ann.first(), blank=relays.blank(_other_relayer(relays), ann))


def _blank_used(relays: RelayWorld, relayer: Relayer) -> Group:
    """Its owner gives it to two of her pseudonyms."""
    blank, ann, bea = relays.blank(relayer), relays.pseudonym(), relays.pseudonym()
    secret = relays.secrets[blank.id]
    relayer.accept(relays.group(ann.first(), blank=blank.used_by(ann.address, secret)))
    return relays.group(bea.first(), blank=blank.used_by(bea.address, secret))


def _blank_stolen(relays: RelayWorld, relayer: Relayer) -> Group:
    """Seen on its way, by a relayer that posed as this one."""
    seen = relays.blank(relayer, relays.pseudonym())
    return relays.group(relays.pseudonym().first(), blank=seen)


def _blank_stolen_with_a_proof(relays: RelayWorld, relayer: Relayer) -> Group:
    thief, secret = relays.pseudonym(), Account.create()
    seen = replace(relays.blank(relayer, relays.pseudonym()), holder=secret.address)
    return relays.group(thief.first(), blank=seen.used_by(thief.address, secret.key.hex()))


def _grant_without(relays: RelayWorld, relayer: Relayer) -> Group:
    return relays.group(relays.published().grant(READER))


def _revoke_of_nothing(relays: RelayWorld, relayer: Relayer) -> Group:
    return relays.group(relays.published().revoke(READER, nonce=0))


def _revoke_of_what_is_over(relays: RelayWorld, relayer: Relayer) -> Group:
    ann = relays.published()
    relays.send(ann.grant(READER))
    relays.send(ann.sign(RevokeEverything(ann.address, 0, relays.soon())))
    return relays.group(ann.revoke(READER, era=1))


def _narrow_without(relays: RelayWorld, relayer: Relayer) -> Group:
    ann = relays.published()
    relays.send(ann.grant(READER))
    scope = relays.chain.grant(ann.address, READER, TREAT)["scope"]
    fresh = Freshness(1, 0, relays.soon())
    return relays.group(ann.sign(Narrow(ann.address, READER, TREAT, scope, relays.midnight(5), fresh)))


def _letter_without(relays: RelayWorld, relayer: Relayer) -> Group:
    ann = relays.published()
    return relays.group(ann.sign(Letter(ann.address, READER, digest("letter"), 0, 0, relays.soon())))


def _report_without(relays: RelayWorld, relayer: Relayer) -> Group:
    ann = relays.published()
    before = relays.now() + 3600
    return relays.group(ann.sign(Report(ann.address, (digest("x"),), 1, before, 0, relays.soon())))


def _first_with_a_live_grant(relays: RelayWorld, relayer: Relayer) -> Group:
    """A grant sends itself for the price of gas; a version 0 has no keys to end."""
    return relays.group(relays.pseudonym().first())


def _two_versions_at_once(relays: RelayWorld, relayer: Relayer) -> Group:
    ann = relays.published()
    return relays.group(ann.publish(2), ann.publish(3))


def _stale(relays: RelayWorld, relayer: Relayer) -> Group:
    ann = relays.published()
    return relays.group(ann.publish(1, "another"))


def _signed_by_a_stranger(relays: RelayWorld, relayer: Relayer) -> Group:
    ann, thief = relays.published(), relays.pseudonym()
    signed = thief.sign(ann.publish(2).message)
    return relays.group(signed)


def _from_before_the_era(relays: RelayWorld, relayer: Relayer) -> Group:
    ann = relays.published()
    stale = ann.grant(READER)
    relays.send(ann.sign(RevokeEverything(ann.address, 0, relays.soon())))
    return relays.group(stale, voucher=relays.voucher(ann, relayer))


def _too_late(relays: RelayWorld, relayer: Relayer) -> Group:
    ann = relays.published()
    message = replace(ann.publish(2).message, deadline=relays.now() + 30)
    return relays.group(ann.sign(message))


REFUSED: dict[str, tuple[Case, int, str]] = {
    "a first publication without a voucher": (_first_with_a_live_grant, 403, "no-voucher"),
    "a grant without a voucher": (_grant_without, 403, "no-voucher"),
    "a revoke of nothing": (_revoke_of_nothing, 403, "no-voucher"),
    "a revoke of what a raised era ended": (_revoke_of_what_is_over, 403, "no-voucher"),
    "a narrowing without a voucher": (_narrow_without, 403, "no-voucher"),
    "a letter without a voucher": (_letter_without, 403, "no-voucher"),
    "a report without a voucher": (_report_without, 403, "no-voucher"),
    "two publications as one free act": (_two_versions_at_once, 403, "no-voucher"),
    "a voucher that another signed": (_voucher_case(key=HOSPITAL_KEY), 403, "voucher-forged"),
    "a voucher of another member's number": (_voucher_case(member=2), 403, "voucher-forged"),
    "a voucher of nobody": (_voucher_case(member=77), 403, "member"),
    "a voucher that was altered": (_altered, 403, "voucher-forged"),
    "a voucher for another pseudonym": (_of_another_pseudonym, 403, "voucher-of-another"),
    "a voucher for another relayer": (
        _voucher_case(relayer=person("stranger").address),
        403,
        "voucher-of-another",
    ),
    "a voucher that has expired": (_expired, 403, "voucher-expired"),
    "a blank that another key signed": (_blank_of_another_key, 403, "voucher-forged"),
    "a blank that was altered": (_blank_altered, 403, "voucher-forged"),
    "a blank for another relayer": (_blank_of_another_relayer, 403, "voucher-of-another"),
    "a blank that another pseudonym uses": (_blank_used, 403, "voucher-used"),
    "a blank that was given to another": (_blank_stolen, 403, "voucher-forged"),
    "a blank with a holder in place of its own": (_blank_stolen_with_a_proof, 403, "voucher-forged"),
    "what a contract would refuse": (_stale, 403, "reverted"),
    "what a stranger signed": (_signed_by_a_stranger, 403, "reverted"),
    "a grant from before the era was raised": (_from_before_the_era, 403, "reverted"),
    "what counts no longer in a moment": (_too_late, 403, "too-late"),
}


# properties Y1, Y8
def test_take__refused__in_words_and_for_nothing(relays: RelayWorld) -> None:
    """Each is asked for twice: the second time costs a look, and gets the same answer."""
    relayer = relays.relayer()
    wrong = {}
    with listening(relayer) as server:
        for name, (case, status, code) in REFUSED.items():
            group = case(relays, relayer)
            before = relays.transactions_of(relayer)
            answers = [asked(server.url, group) for _ in range(2)]
            found = [(each.status_code, each.json()["code"], len(each.json()["reason"]) <= 240) for each in answers]
            if found != [(status, code, True)] * 2 or relays.transactions_of(relayer) not in (before, before + 1):
                wrong[name] = [each.json() for each in answers]
            assert relayer.status(group.id) is None
    assert wrong == {}
    # The one transaction is of the blank that was used before another wanted it.
    assert relays.transactions_of(relayer) == 1


# property Y9
def test_take__what_is_no_group__is_refused_by_its_fault(relays: RelayWorld) -> None:
    relayer, ann, bea = relays.relayer(), relays.published(), relays.published()
    good = json.loads(relays.group(ann.publish(2)).encode())
    data = good["calls"][0]["data"]
    direct = relays.contracts["Keys"].encode_abi("publish", [ann.address, 2, digest("x")]).removeprefix("0x")
    carried = relays.contracts["Carrier"].encode_abi("carry", [[]]).removeprefix("0x")
    joined = relays.contracts["Consortium"].encode_abi("leave", []).removeprefix("0x")
    wrong: dict[str, Any] = {
        "no JSON": b"[",
        "no object": b"[]",
        "deep": b"[" * 5000,
        "another format": {**good, "format": 2},
        "no calls": {**good, "calls": []},
        "too many calls": {**good, "calls": good["calls"] * 17},
        "calls that are none": {**good, "calls": [7]},
        "a call of nothing": {**good, "calls": [{"contract": "Nothing", "data": data}]},
        "a call of the carrier": {**good, "calls": [{"contract": "Carrier", "data": carried}]},
        "a call that nobody signs": {**good, "calls": [{"contract": "Keys", "data": direct}]},
        "a call of the consortium": {**good, "calls": [{"contract": "Consortium", "data": joined}]},
        "a call cut off": {**good, "calls": [{"contract": "Keys", "data": data[:-2]}]},
        "a call with more behind it": {**good, "calls": [{"contract": "Keys", "data": data + "00"}]},
        "a call too long": {**good, "calls": [{"contract": "Keys", "data": data + "00" * 40_000}]},
        "two pseudonyms": {
            **good,
            "calls": [*good["calls"], {"contract": "Keys", "data": relays.items(bea.publish(2))[0].call.data.hex()}],
        },
        "documents that are none": {**good, "documents": ["%"]},
        "a document that nothing names": {**good, "documents": ["AAAA"]},
        "a voucher that is none": {**good, "voucher": {"member": 1}},
        "a voucher of other types": {**good, "voucher": {**vars(relays.voucher(ann, relayer)), "acts": True}},
        "a blank that is none": {**good, "blank": []},
    }
    with listening(relayer) as server:
        found = {}
        for name, value in wrong.items():
            answer = asked(server.url, value if isinstance(value, bytes) else json.dumps(value).encode())
            found[name] = (answer.status_code, bool(answer.json()["reason"]))
        assert found == {name: (413 if name == "a call too long" else 400, True) for name in wrong}
        assert [answer.status_code for answer in (_get(server.url + "/v1/groups/" + "0" * 64), _get(server.url))] == [
            404
        ] * 2
    assert relays.transactions_of(relayer) == 0


def _get(url: str) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, timeout=30)


def test_take__a_body_without_end__is_cut(relays: RelayWorld) -> None:
    with listening(relays.relayer(body=50_000)) as server:
        answer = asked(server.url, b"0" * 60_000)

    assert (answer.status_code, answer.json()["code"]) == (413, "http")


# property Y1
def test_take__a_member_that_this_relayer_does_not_serve__or_out_of_standing(relays: RelayWorld) -> None:
    # given
    choosy, ann = relays.relayer(members=(2,)), relays.pseudonym()
    lapsed = person(f"lapsed {random.random()}")
    number = relays.contracts.Consortium.functions
    relays.anvil.send(BOARD, number.admit(lapsed.address, 1, 1, relays.midnight(2)))
    member = relays.chain.member_of(lapsed.address)
    document = profile(
        lapsed.address,
        name="lapsed",
        recipient=_recipient(),
        endpoints={"voucher": str(CLINIC_KEY.address)},
    )
    named = relays.store.put(open_(document)).digest
    relays.anvil.send(lapsed, relays.contracts.Keys.functions.publish(lapsed.address, 1, named))
    relayer = relays.relayer()
    relayer.accept(relays.group(ann.first(), voucher=relays.voucher(ann, relayer, member=member)))
    finish(relayer)

    # when
    relays.anvil.send(BOARD, number.suspend(member, 1))

    # then
    bea = relays.pseudonym()
    for who, number_ in ((choosy, 1), (relayer, member)):
        with pytest.raises(RelayRefused) as refused:
            who.accept(relays.group(bea.first(), voucher=relays.voucher(bea, who, member=number_)))
        assert refused.value.code == "member"


def _recipient() -> Any:
    return HybridIdentity.generate().recipient


# -- limits ----------------------------------------------------------------------------------------------------------


# property Y7
def test_limits__of_a_voucher_a_blank_and_what_is_free(relays: RelayWorld) -> None:
    relayer = relays.relayer(free_keys=1, blank_acts=1)
    ann, bea, cat = relays.published(), relays.pseudonym(), relays.published()
    voucher = relays.voucher(ann, relayer, acts=2)
    blank = relays.blank(relayer, bea)
    with listening(relayer) as server:
        for group in (
            # what is free comes first, and is four times as much for whom a member vouched for
            relays.group(ann.sign(SetPublisher(ann.address, READER, 1, 0, relays.soon()))),
            relays.group(ann.grant(READER), voucher=voucher),
            *(relays.group(ann.publish(version), voucher=voucher) for version in (2, 3, 4, 5)),
            relays.group(bea.first(), blank=blank),
            relays.group(cat.publish(2)),
        ):
            answer = asked(server.url, group)
            assert outcome(server.url, answer.json()["id"])["state"] == "done", answer.json()

        for group in (
            relays.group(ann.publish(6), voucher=voucher),
            relays.group(bea.grant(READER), blank=blank),
            relays.group(cat.publish(3)),
        ):
            answer = asked(server.url, group)
            # then: it says when to come back, but for a blank, which is spent
            later = int(answer.headers.get("Retry-After", 0))
            assert (answer.status_code, answer.json()["code"]) == (429, "used-up")
            assert (0 < later <= DAY + 1) or "blank" in answer.json()["reason"]


def test_limits__of_gas__for_a_voucher_and_for_all_of_a_member(relays: RelayWorld) -> None:
    small, member = relays.relayer(), relays.relayer(member_gas=150_000)
    ann, bea = relays.pseudonym(), relays.pseudonym()

    with pytest.raises(RelayRefused) as by_voucher:
        small.accept(relays.group(ann.first(), voucher=relays.voucher(ann, small, gas=50_000)))
    member.accept(relays.group(ann.first(), voucher=relays.voucher(ann, member)))
    with pytest.raises(RelayRefused) as by_member:
        member.accept(relays.group(bea.first(), blank=relays.blank(member, bea)))

    assert (by_voucher.value.code, by_member.value.code) == ("used-up", "used-up")


# property Y7
def test_limits__two_vouchers_of_a_member_do_not_add_up(relays: RelayWorld) -> None:
    relayer, ann = relays.relayer(), relays.pseudonym()
    relayer.accept(relays.group(ann.first(), voucher=relays.voucher(ann, relayer, acts=1)))
    finish(relayer)

    with pytest.raises(RelayRefused) as refused:
        relayer.accept(relays.group(ann.grant(READER), voucher=relays.voucher(ann, relayer, acts=1, gas=9_999_999)))

    assert refused.value.code == "used-up"


# property Y6
def test_queue__full__says_when_to_come_back_and_still_takes_what_ends_access(relays: RelayWorld) -> None:
    relayer, ann = relays.relayer(waiting=2), relays.published()
    relays.send(ann.grant(READER))
    with listening(relays.relayer(waiting=0)) as full:
        answer = asked(full.url, relays.group(ann.publish(2)))
    for _ in range(2):
        relayer.accept(relays.group(relays.published().publish(2)))

    with pytest.raises(RelayBusy):
        relayer.accept(relays.group(ann.publish(2)))
    relayer.accept(relays.group(ann.revoke(READER)))

    assert (answer.status_code, int(answer.headers["Retry-After"]) > 0) == (503, True)


def test_door__one_who_asks_too_often__waits_and_is_written_down_nowhere(
    relays: RelayWorld, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    relayer = relays.relayer()
    caplog.set_level(0)
    with listening(relayer, gets=3) as server:
        answers = [_get(server.url + "/v1/relayer") for _ in range(5)]

    assert [each.status_code for each in answers] == [200, 200, 200, 429, 429]
    assert int(answers[-1].headers["Retry-After"]) == 60
    relayer.close()
    files = [each for each in relays.folder.rglob("journal*") if each.is_file()]
    assert files
    assert not any(b"127.0.0.1" in each.read_bytes() for each in files)
    aiohttp_said = [each for each in caplog.records if each.name.startswith("aiohttp")]
    assert (aiohttp_said, "127.0.0.1" in "".join(capfd.readouterr())) == ([], False)


# property Y7
def test_flood__in_somebodys_name__keeps_her_from_nothing(relays: RelayWorld) -> None:
    """Whoever shows a voucher asks by a bucket of her own; what strangers ask in her name does not empty it."""
    relayer, ann = relays.relayer(asks=3, asks_of_one=3), relays.published()
    voucher = relays.voucher(ann, relayer)
    relayer.accept(relays.group(ann.publish(2), voucher=voucher))
    finish(relayer)
    relayer.accept(relays.group(ann.grant(READER), voucher=voucher))
    finish(relayer)
    stranger, answers = relays.pseudonym(), list[type]()
    for number in range(10):
        forged = stranger.sign(ann.publish(3, f"{number}").message)
        try:
            relayer.accept(relays.group(forged, voucher=replace(voucher, acts=number + 1)))
        except TheriacError as trouble:
            answers.append(type(trouble))

    relayer.accept(relays.group(ann.publish(3), voucher=voucher))
    finish(relayer)

    assert set(answers) == {RelayRefused, RelayBusy}
    assert ann.version == 3


def test_door__many_addresses_of_one_network__are_one(relays: RelayWorld) -> None:
    door = Door(posts=2, gets=2, clock=lambda: 0.0)
    assert [door.lets_in(f"2001:db8::{number}", "POST") for number in range(4)] == [True, True, False, False]
    assert [door.lets_in("2001:db8:0:1::1", "POST"), door.lets_in("127.0.0.1", "POST")] == [True, True]


def test_info__says_nothing_of_where_its_node_is(relays: RelayWorld) -> None:
    relayer = relays.relayer()
    relayer.trouble = "The chain at http://127.0.0.1:1 does not answer"
    assert "127.0.0.1" not in json.dumps(relayer.info())


def test_door__what_is_no_request__is_told_to_nobody(
    relays: RelayWorld, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: Any
) -> None:
    relayer = relays.relayer()
    caplog.set_level(0)
    with listening(relayer) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as wire:
            wire.sendall(b"\x16\x03\x01\x02 no HTTP\r\n\r\n")
            wire.recv(1000)
        monkeypatch.setattr(relayer, "info", lambda: 1 / 0)
        answer = _get(server.url + "/v1/relayer")

    assert (answer.status_code, answer.json()["code"]) == (500, "broken")
    assert [each for each in caplog.records if each.name.startswith("aiohttp")] == []
    assert "127.0.0.1" not in "".join(capfd.readouterr())


def test_run__whatever_goes_wrong__goes_on(relays: RelayWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    relayer, ann = relays.relayer(), relays.published()
    whole, failures = relayer.step, iter([KeyError("x"), RecursionError()])

    def step(**how: Any) -> bool:
        trouble = next(failures, None)
        if trouble is not None:
            raise trouble
        return whole(**how)

    monkeypatch.setattr(relayer, "step", step)
    with listening(relayer) as server:
        group = relays.group(ann.publish(2))
        asked(server.url, group)
        assert outcome(server.url, group.id)["state"] == "done"


def test_pay__with_nothing_left__says_so_and_takes_no_more(relays: RelayWorld) -> None:
    ann, bea = relays.published(), relays.published()
    first, second = relays.group(ann.publish(2)), relays.group(bea.publish(2))
    relayer = relays.relayer()
    try:
        relays.anvil.ask("anvil_setNextBlockBaseFeePerGas", hex(10**9))
        relays.anvil.ask("evm_mine")
        relayer.accept(first)
        relayer.step(wait=True)

        with pytest.raises(RelayBusy):
            relayer.accept(second)
        assert "pay" in relayer.trouble
    finally:
        # The next blocks are free again, as all others here.
        relays.anvil.ask("anvil_setNextBlockBaseFeePerGas", "0x0")
        relays.anvil.ask("evm_mine")


# property Y2
def test_fresh_accounts__a_thousand__buy_nothing(relays: RelayWorld) -> None:
    """Nor do they keep a revoke of somebody else's from being taken."""
    relayer = relays.relayer(asks=100)
    ann = relays.published()
    relays.send(ann.grant(READER))
    template = relays.group(relays.pseudonym().first()).items[0]
    own = bytes.fromhex(template.pseudonym[2:])
    codes = set()
    for number in range(1000):
        # The signature is nobody's: it would be asked for only after what is asked first.
        other = (1000 + number).to_bytes(20, "big")
        call = replace(template.call, data=template.call.data.replace(own, other))
        terms = {**template.arguments["terms"], "pseudonym": to_checksum_address(other)}
        arguments = {**template.arguments, "terms": terms}
        try:
            relayer.accept(Group((replace(template, call=call, arguments=arguments),)))
        except RelayRefused as refused:
            codes.add(refused.code)
        except RelayBusy:
            codes.add("busy")

    relayer.accept(relays.group(ann.revoke(READER)))
    finish(relayer)

    assert codes == {"no-voucher", "busy"}
    assert (relays.transactions_of(relayer), ann.is_granted(READER)) == (1, False)


def test_free__accounts_that_published_by_themselves__have_one_purse_for_all(relays: RelayWorld) -> None:
    relayer = relays.relayer(keys_gas=150_000)
    taken = 0
    for _ in range(4):
        with suppress(RelayRefused):
            relayer.accept(relays.group(relays.published().publish(2)))
            taken += 1
    # A pseudonym that a member has vouched for does not draw on it.
    ann = relays.pseudonym()
    relayer.accept(relays.group(ann.first(), voucher=relays.voucher(ann, relayer)))
    finish(relayer)
    relayer.accept(relays.group(ann.publish(2)))
    finish(relayer)

    assert (taken, ann.version) == (2, 2)


# -- batches ---------------------------------------------------------------------------------------------------------


# properties Y5, Y7
def test_batch__one_that_went_bad_meanwhile__is_told_and_hurts_no_other(relays: RelayWorld) -> None:
    relayer = relays.relayer(batch_groups=10)
    crowd = [relays.published() for _ in range(10)]
    groups = [relays.group(each.publish(2)) for each in crowd]
    for group in groups:
        relayer.accept(group)
    relays.send(crowd[4].publish(2, "what another device published"))

    finish(relayer)

    states = [relayer.status(group.id).state for group in groups]
    assert states == ["done"] * 4 + ["refused"] + ["done"] * 5
    assert relayer.status(groups[4].id).code == "overtaken"
    assert relays.transactions_of(relayer) == 1
    assert [published(relays, each) for each in crowd] == [[1, 2]] * 10
    assert relayer._journal.used(f"free-keys:{crowd[4].address}", relayer._today())[0] == 0


# properties Y5, Y7
def test_batch__one_that_fails_only_on_the_chain__is_paid_for_by_who_vouched(relays: RelayWorld) -> None:
    # given: a wallet contract that accepts every signature until its transaction is on the way
    relayer, ann = relays.relayer(), relays.published()
    wallet = Account.create()
    relays.anvil.ask("anvil_setCode", wallet.address, YES)
    smart = Pseudonym(relays, _AnySigner(wallet))
    voucher = relays.voucher(smart, relayer, acts=2)
    first, other = relays.group(smart.first(), voucher=voucher), relays.group(ann.publish(2))
    relayer.accept(first)
    relayer.accept(other)

    # when
    relays.anvil.ask("evm_setAutomine", False)
    try:
        relayer.step(wait=True)
        relays.anvil.ask("anvil_setCode", wallet.address, NO)
    finally:
        relays.anvil.ask("evm_setAutomine", True)
        relays.anvil.ask("evm_mine")
    finish(relayer)

    # then
    assert (relayer.status(first.id).code, relayer.status(other.id).state) == ("failed", "done")
    assert "WrongSignature" in relayer.status(first.id).reason or "sign" in relayer.status(first.id).reason
    assert relayer._journal.used(f"voucher:1:{smart.address}", relayer._today())[0] == 1
    assert relayer.accept(first) == relayer.status(first.id)


def test_batch__a_free_one_that_fails_on_the_chain__has_nothing_free_that_day(relays: RelayWorld) -> None:
    relayer = relays.relayer()
    wallet = Account.create()
    relays.anvil.ask("anvil_setCode", wallet.address, YES)
    smart = Pseudonym(relays, _AnySigner(wallet))
    relays.send(smart.first())
    group = relays.group(smart.publish(2))
    relayer.accept(group)

    relays.anvil.ask("evm_setAutomine", False)
    try:
        relayer.step(wait=True)
        relays.anvil.ask("anvil_setCode", wallet.address, NO)
    finally:
        relays.anvil.ask("evm_setAutomine", True)
        relays.anvil.ask("evm_mine")
    finish(relayer)
    relays.anvil.ask("anvil_setCode", wallet.address, YES)

    assert relayer.status(group.id).code == "failed"
    with pytest.raises(RelayRefused) as refused:
        relayer.accept(relays.group(smart.publish(2, "again")))
    assert refused.value.code == "used-up"


class _AnySigner(KeySigner):
    """Signs for a wallet contract that looks at nothing."""

    def __init__(self, account: LocalAccount) -> None:
        super().__init__(account)

    def sign_message(self, message: Any) -> bytes:
        return b"\x01" * 70


# property Y6
def test_order__a_revoke_overtakes_all_that_waits(relays: RelayWorld) -> None:
    relayer = relays.relayer(batch_groups=2, patience=3600.0)
    ann = relays.published()
    relays.send(ann.grant(READER))
    crowd = [relays.pseudonym() for _ in range(3)]
    grants = [relays.group(each.first(), each.grant(READER), blank=relays.blank(relayer, each)) for each in crowd]
    relayer.accept(grants[0])
    relayer.step()
    assert relayer.status(grants[0].id).state == "queued"
    for group in grants[1:]:
        relayer.accept(group)
    lockout = relays.group(relays.published().publish(2))
    relayer.accept(lockout)
    revoke = relays.group(ann.revoke(READER), ann.publish(2))
    relayer.accept(revoke)

    relayer.step()

    states = {relayer.status(each.id).state for each in grants}
    assert [relayer.status(revoke.id).state, relayer.status(lockout.id).state, states] == ["sent", "sent", {"queued"}]
    assert [revoke.lane, lockout.lane, grants[0].lane] == [Lane.ENDS, Lane.KEYS, Lane.REST]


def test_order__a_grant_among_revokes__is_no_revoke(relays: RelayWorld) -> None:
    ann = relays.published()
    assert relays.group(ann.revoke(READER), ann.grant(READER, nonce=2)).lane is Lane.REST


# -- races and kills -------------------------------------------------------------------------------------------------


# property Y3
def test_race__two_relayers_with_the_same_messages__happen_once(relays: RelayWorld) -> None:
    ones, others = [relays.relayer() for _ in range(2)], relays.published()
    group = relays.group(others.publish(2))
    for relayer in ones:
        relayer.accept(group)
    relays.anvil.ask("evm_setAutomine", False)
    try:
        for relayer in ones:
            relayer.step(wait=True)
    finally:
        relays.anvil.ask("evm_setAutomine", True)
        relays.anvil.ask("evm_mine")
    for relayer in ones:
        finish(relayer)

    assert [each.status(group.id).state for each in ones] == ["done", "done"]
    assert published(relays, others) == [1, 2]


# property Y4
def test_race__the_same_group_by_many_threads__is_taken_on_once(relays: RelayWorld) -> None:
    relayer, ann = relays.relayer(), relays.published()
    group = relays.group(ann.publish(2))
    answers: list[Any] = []

    def ask() -> None:
        try:
            answers.append(relayer.accept(group).state)
        except TheriacError as busy:
            answers.append(type(busy))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    finish(relayer)

    assert set(answers) <= {"queued", RelayBusy}
    assert relays.transactions_of(relayer) == 1
    assert relayer._journal.used(f"free-keys:{ann.address}", relayer._today())[0] == 1


MOMENTS = [
    (Journal, "take", "after"),
    (Journal, "queue", "before"),
    (Journal, "queue", "after"),
    (Journal, "send", "before"),
    (Journal, "send", "after"),
    (Sender, "_give", "before"),
    (Sender, "_give", "after"),
    (Journal, "finish", "before"),
    (Journal, "finish", "after"),
    (Journal, "close_batch", "before"),
]


# properties Y3, Y4
@pytest.mark.parametrize(("owner", "method", "when"), MOMENTS, ids=[f"{when}_{name}" for _, name, when in MOMENTS])
def test_killed__between_any_two_steps__nothing_twice_and_nothing_lost(
    relays: RelayWorld, tmp_path: Path, owner: type, method: str, when: str
) -> None:
    """The client asks again, as it does where no answer came, another process with the same files."""
    people = [relays.published() for _ in range(2)]
    groups = [relays.group(each.publish(2)) for each in people]
    name = f"mortal {method} {when}"

    child = os.fork()
    if child == 0:
        _die_at(owner, method, when)
        try:
            doomed = relays.relayer(name, folder=tmp_path)
            for group in groups:
                doomed.accept(group)
            finish(doomed)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL

    heir = relays.relayer(name, folder=tmp_path)
    for group in groups:
        heir.accept(group)
    finish(heir)

    assert [heir.accept(each).state for each in groups] == ["done", "done"]
    assert [published(relays, each) for each in people] == [[1, 2], [1, 2]]
    assert relays.transactions_of(heir) == 1
    assert [heir._journal.used(f"free-keys:{each.address}", heir._today())[0] for each in people] == [1, 1]


def _die_at(owner: Any, method: str, when: str) -> None:
    """Has this process kill itself before or after it calls a method for the first time."""
    whole = getattr(owner, method)

    def deadly(*arguments: Any, **more: Any) -> Any:
        if when == "after":
            whole(*arguments, **more)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, method, deadly)


# property Y3
@settings(max_examples=2, deadline=None)
@given(seed=st.integers(0, 1 << 30))
def test_requests__over_random_lives__each_has_one_effect_or_a_stated_refusal(relays: RelayWorld, seed: int) -> None:
    """Restarts, others who send the same or something else first, and steps in any order."""
    chance = random.Random(seed)
    name = f"lives {seed} {time.monotonic()}"
    relayer = relays.relayer(name, batch_groups=3, free_keys=100)
    people = [relays.published() for _ in range(4)]
    accepted: list[tuple[Group, Pseudonym, int]] = []
    for number in range(24):
        match chance.choice(("ask", "ask", "ask", "again", "step", "restart", "meddle", "same")):
            case "ask":
                ann = chance.choice(people)
                version = ann.version + 1
                group = relays.group(ann.publish(version, f"{seed} {number}"))
                with suppress(RelayRefused, RelayBusy):
                    relayer.accept(group)
                    accepted.append((group, ann, version))
            case "again" if accepted:
                relayer.accept(chance.choice(accepted)[0])
            case "step":
                relayer.step(wait=True)
            case "restart":
                relayer._sender.close()
                relayer.close()
                relayer = relays.relayer(name, batch_groups=3, free_keys=100)
            case "meddle":
                ann = chance.choice(people)
                relays.send(ann.publish(ann.version + 1, f"meddled {number}"))
            case "same" if accepted:
                calls = [(each.call.to, each.call.data) for each in chance.choice(accepted)[0].items]
                with suppress(Exception):
                    relays.anvil.send(person("passer-by"), relays.contracts.Carrier.functions.carry(calls))
    finish(relayer)

    for group, ann, version in accepted:
        status = relayer.status(group.id)
        assert (status.state, bool(status.reason)) in (("done", False), ("refused", True))
        mine = group.items[0].names
        events = _published_digests(relays, ann)
        assert events.count((version, mine)) == (status.state == "done"), (status, events)


def _published_digests(relays: RelayWorld, pseudonym: Pseudonym) -> list[tuple[int, bytes]]:
    logs = relays.contracts.logs("Keys", start=0)
    word = bytes.fromhex(pseudonym.address[2:]).rjust(32, b"\0")
    topic = bytes.fromhex(relays.contracts["Keys"].events.Published().topic.removeprefix("0x"))
    mine = [each.log for each in logs if each.log.topics == (topic, word)]
    return [(int.from_bytes(log.data[:32], "big"), log.data[32:64]) for log in mine]


# -- the form --------------------------------------------------------------------------------------------------------


def test_encode__a_revoke_and_a_grant__are_of_one_length(relays: RelayWorld) -> None:
    ann = relays.pseudonym()
    assert len(relays.group(ann.revoke(READER)).encode()) == len(relays.group(ann.grant(READER), ann.first()).encode())


def test_decode__what_was_encoded(relays: RelayWorld) -> None:
    ann = relays.pseudonym()
    relayer = relays.relayer()
    group = relays.group(
        ann.first(), documents=(b"x",), voucher=relays.voucher(ann, relayer), blank=relays.blank(relayer, ann)
    )
    assert decode_group(group.encode(), relays.contracts) == group
    with pytest.raises(BadGroup):
        check_documents(group)


def test_id__is_of_the_messages_alone(relays: RelayWorld) -> None:
    ann, relayer = relays.pseudonym(), relays.relayer()
    signed = ann.first()
    assert relays.group(signed).id == relays.group(signed, voucher=relays.voucher(ann, relayer)).id
    assert relays.group(signed).id != relays.group(ann.first("another")).id


def test_protocol__shows_what_is_sent(relays: RelayWorld) -> None:
    """The examples of docs/protocol/relayer.md have the fields that requests and answers have."""
    text = (ROOT / "docs" / "protocol" / "relayer.md").read_text(encoding="utf-8")
    info, group, status, voucher = (json.loads(part.split("```")[0]) for part in text.split("```json")[1:])
    relayer, ann = relays.relayer(), relays.pseudonym()
    real = relays.group(ann.first(), voucher=relays.voucher(ann, relayer))

    assert set(info) == set(relayer.info())
    assert set(info["policy"]) <= set(relayer.info()["policy"])
    assert {name: relayer.policy.values()[name] for name in info["policy"]} == info["policy"]
    assert set(group) == set(json.loads(real.encode()))
    assert set(group["calls"][0]) == set(json.loads(real.encode())["calls"][0])
    assert set(status) == set(relayer.accept(real).values())
    assert set(voucher) == set(json.loads(relays.voucher(ann, relayer).encode()))


def test_killed__before_it_answered__what_it_had_pinned_is_let_go(relays: RelayWorld, tmp_path: Path) -> None:
    ann, document = relays.published(), os.urandom(64)
    letter = Letter(ann.address, person("clinic").address, compute_of(document), 0, 0, relays.soon())
    child = os.fork()
    if child == 0:
        _die_at(Journal, "queue", "before")
        try:
            doomed = relays.relayer("pinning", folder=tmp_path)
            voucher = relays.voucher(ann, doomed)
            doomed.accept(relays.group(ann.sign(letter), documents=(document,), voucher=voucher))
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    assert relays.store.has(compute(open_(document)))

    relays.relayer("pinning", folder=tmp_path)
    relays.store.collect_garbage()

    assert not relays.store.has(compute(open_(document)))
