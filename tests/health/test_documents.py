"""How documents are read: in one spelling, and no room is made for what is not there."""

import io
import json
import tracemalloc
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest
import rfc8785

from theriac.crypto import age
from theriac.crypto.recipients import X25519Identity
from theriac.errors import BadDocument, BadNodes
from theriac.health import documents, keystore
from theriac.health.delegate import Drafted, mandates_document, mandates_from
from theriac.health.erasure import UnpinReceipt, UnpinRequest
from theriac.health.escrow import Share
from theriac.health.hours import HOURS, Nodes
from theriac.health.pleas import Approval, Approved
from theriac.health.programmes import Note, Programme, Step, Taken, standing
from theriac.health.referrals import Referred, Returned
from theriac.health.requests import Answer, Request
from theriac.health.vault import Mandate

READER = X25519Identity.generate()


def test_open__a_short_document__takes_no_more_room_than_it_is_long() -> None:
    # given
    sealed = documents.seal(b"short", to=READER.recipient)

    # when
    tracemalloc.start()
    opened = documents.open_(sealed, identities=[READER])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    # then: the longest document that is allowed has 256 MiB
    assert opened == b"short"
    assert peak < 8 << 20


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20])
def test_read_at_most__as_long_as_is_allowed__is_read_and_a_byte_more_is_not(size: int) -> None:
    data = bytes(size)

    assert documents.read_at_most(io.BytesIO(data), size) == data
    with pytest.raises(BadDocument):
        documents.read_at_most(io.BytesIO(data + b"."), size)


def test_open__a_length_beyond_what_follows__is_refused() -> None:
    sealed = age.seal_bytes((2**32 - 1).to_bytes(4, "big") + b"short", to=[READER.recipient])

    with pytest.raises(BadDocument):
        documents.open_(sealed, identities=[READER])


# -- one spelling ------------------------------------------------------------------------------------------------------

WHO = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"
REQUEST = Request(WHO, 1, WHO, "North", ("laboratory/N",), "TREAT", "2031-01-01T00:00:00Z", True, "a visit")
TAKEN = Taken(WHO, 4, "06" * 32, 52_000, 53_000)
NOTE = Note(WHO, 4, "checkup", 52_001, True, "")
ASKED = UnpinRequest(WHO, 1, ("ab" * 32,), 5, "", "")
DONE = UnpinReceipt(WHO, 1, "cd" * 32, ("ab" * 32,), (), "", 6, WHO)
PROGRAMME = Programme("Check-ups", 1, WHO, "TREAT", ("laboratory/N",), (Step("checkup", "Check-up", "nurse", 30),))


def _asked(data: bytes) -> UnpinRequest:
    return UnpinRequest.decode(data, letter="")


WRITTEN = [
    (REQUEST, lambda data: Request.decode(data, pseudonym=WHO, letter="")),
    (Answer(WHO, "ab" * 32, True, ""), Answer.decode),
    (Returned("ab" * 32, WHO, ("cd" * 32,), "a note", ""), lambda data: Returned.decode(data, sender="")),
    (Referred(WHO, WHO, "TREAT", ("laboratory/N",), 52_000, 4), Referred.decode),
    (TAKEN, Taken.decode),
    (NOTE, Note.decode),
    (Approval("Ben", (Approved(WHO, WHO, b"\1" * 65),)), Approval.decode),
    (ASKED, _asked),
    (DONE, UnpinReceipt.decode),
    (Share(WHO, 1, 2, "words", "salt", True), Share.decode),
]


def _id(value: Any) -> str | None:
    return None if callable(value) else type(value).__name__


@pytest.mark.parametrize(("written", "decode"), WRITTEN, ids=_id)
def test_decode__what_was_written__is_the_same(written: Any, decode: Callable[[bytes], Any]) -> None:
    assert decode(written.encode()) == written


def _others(value: Any) -> list[Any]:
    if isinstance(value, bool):
        return ["yes" if value else "", int(value)]
    if isinstance(value, int):
        return [str(value), value + 0.5]
    return [[value]] if isinstance(value, str) else [{}]


@pytest.mark.parametrize(("written", "decode"), WRITTEN, ids=_id)
def test_decode__another_spelling__is_refused(written: Any, decode: Callable[[bytes], Any]) -> None:
    # given in canonical form each field once as another type that Python makes the right one of, and one field more
    values = json.loads(written.encode())
    spellings = [{**values, "more": 1}, {**values, "format": True}]
    for name, value in values.items():
        if name not in ("kind", "format"):
            spellings += [{**values, name: other} for other in _others(value)]

    # when, then
    for spelling in spellings:
        with pytest.raises(BadDocument):
            decode(rfc8785.dumps(spelling))


@pytest.mark.parametrize(
    ("name", "other"), [("classes", ["laboratory"]), ("classes", [["laboratory/N"]]), ("purpose", "CURIOSITY")]
)
def test_decode__a_request_of_what_there_is_not__is_no_request(name: str, other: object) -> None:
    values = {**json.loads(REQUEST.encode()), name: other}

    with pytest.raises(BadDocument):
        Request.decode(rfc8785.dumps(values), pseudonym=WHO, letter="")


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("classes", ["laboratory"]),
        ("purpose", "CURIOSITY"),
        ("reader", WHO.lower()),
        ("pseudonym", WHO.lower()),
        ("pseudonym", "somebody"),
        ("since", -1),
        ("nonce", -1),
    ],
)
def test_decode__what_nobody_was_referred_for__tells_nothing(name: str, other: object) -> None:
    values = json.loads(Referred(WHO, WHO, "TREAT", ("laboratory/N",), 52_000, 4).encode())

    with pytest.raises(BadDocument):
        Referred.decode(rfc8785.dumps({**values, name: other}))


NEVER = 253_402_300_800
"""The first second of the year 10000, which Python has no date for."""


@pytest.mark.parametrize(
    ("document", "read", "change"),
    [
        (TAKEN, Taken.decode, {"start": -1}),
        (TAKEN, Taken.decode, {"start": 53_001}),
        (TAKEN, Taken.decode, {"end": HOURS + 1}),
        (TAKEN, Taken.decode, {"by": 0}),
        (TAKEN, Taken.decode, {"by": 1 << 16}),
        (TAKEN, Taken.decode, {"salt": "06" * 31}),
        (TAKEN, Taken.decode, {"salt": "zz" * 32}),
        (TAKEN, Taken.decode, {"pseudonym": "somebody"}),
        (NOTE, Note.decode, {"hour": -1}),
        (NOTE, Note.decode, {"hour": HOURS}),
        (ASKED, _asked, {"time": -1}),
        (ASKED, _asked, {"time": NEVER}),
        (DONE, UnpinReceipt.decode, {"time": -1}),
        (DONE, UnpinReceipt.decode, {"time": NEVER}),
    ],
)
def test_decode__of_a_time_or_a_place_that_there_is_not__is_refused(
    document: Any, read: Callable[[bytes], Any], change: dict[str, Any]
) -> None:
    # given what is well written in each other way
    assert read(document.encode()) == document

    # when, then
    with pytest.raises(BadDocument):
        read(replace(document, **change).encode())


MANDATE = Mandate(WHO, 4, "Ann", WHO, ("laboratory/N",), ("TREAT",), 0, 53_000, 0, 2, "06" * 32, (WHO, WHO), "")


def _mandates(data: bytes) -> Mandate:
    [found] = mandates_from(data)[1]
    return found


def _drafted(data: bytes) -> Mandate:
    return Drafted.decode(data).mandate


@pytest.mark.parametrize("field", [each.name for each in fields(Mandate)])
def test_mandate__with_what_does_not_belong_there__is_refused(field: str) -> None:
    # given a mandate as the patient hands it out, and as a quorum hands it on
    act = {"kind": "revoke", "reader": WHO, "purpose": "TREAT", "nonce": 1, "era": 0, "deadline": 5}
    drafted = Drafted(MANDATE, act)
    assert _mandates(mandates_document("ann", [MANDATE])) == _drafted(drafted.encode()) == MANDATE

    # when, then
    for other in ("7", 7, True, 1.5, None, -1, 1 << 52, [], [7], [None], {}):
        value = getattr(MANDATE, field)
        if type(other) is type(value) and not (type(other) is int and (other < 0 or other > HOURS)):
            continue
        if isinstance(value, tuple) and other == []:
            continue
        for whole, name, read in (
            (json.loads(mandates_document("ann", [MANDATE])), "mandates", _mandates),
            (json.loads(drafted.encode()), "mandate", _drafted),
        ):
            [inner] = whole[name] if name == "mandates" else [whole[name]]
            inner[field] = other
            with pytest.raises(BadDocument):
                read(rfc8785.dumps(whole))


@pytest.mark.parametrize(
    "change", [{"more": 1}, {"patient": 7}, {"mandates": {}}, {"mandates": [{}]}, {"format": True}]
)
def test_mandates__with_too_much_or_too_little__are_refused(change: dict[str, Any]) -> None:
    values = json.loads(mandates_document("ann", [MANDATE]))

    with pytest.raises(BadDocument):
        mandates_from(rfc8785.dumps({**values, **change}))


def test_standing__a_step_that_is_due_after_the_last_hour__is_due_then() -> None:
    [found] = standing(PROGRAMME, [], start=HOURS - 1, now=HOURS - 1)

    assert found.due == HOURS
    assert found.sentence() == "Check-up: due, by 2139-08-15"


@pytest.mark.parametrize("values", [[[1e400, 0, "00" * 32]], [[20, 1e400, "00" * 32]]])
def test_nodes__a_number_without_an_end__is_none(values: list[list[Any]]) -> None:
    # given a number that Python reads as infinite, and turns into no whole number
    with pytest.raises(BadNodes):
        Nodes.of(values)


@pytest.mark.parametrize(
    "changed",
    [
        {"lock": None},
        {"recipient": None},
        {"lock": {"shares": 5}},
        {"lock": {"shares": [5]}},
        {"lock": {"shares": ["?"]}},
        {"others": [{}]},
        {"others": 5},
    ],
    ids=str,
)
def test_share_in__a_lock_without_its_parts__is_no_backup(changed: dict[str, Any]) -> None:
    # given
    values = {"lock": {"shares": []}, "recipient": "", "sealed": "", **changed}
    data = documents.encode("keystore", {name: value for name, value in values.items() if value is not None})

    # when, then
    with pytest.raises(BadDocument):
        keystore.share_in(data, [READER], home=WHO)
