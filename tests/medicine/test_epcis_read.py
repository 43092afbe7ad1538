"""Documents as steps: our own come back equal, those of others become handoffs, and nothing hostile gets through."""

import copy
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from epcis_world import (
    MAKER,
    NOON,
    PACKS,
    PALLET,
    PHARMACY,
    POWDER,
    SCHEMA,
    TABLET,
    VECTORS,
    WHOLESALER,
    all_steps,
    named,
    steps,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from theriac.errors import NotEpcis
from theriac.medicine.epcis import (
    Commissioning,
    Dispensing,
    ErrorDeclaration,
    Packing,
    Reason,
    Receiving,
    Shipping,
    Step,
    VoidShipping,
    document,
    packs,
)
from theriac.medicine.epcis_hash import id_of
from theriac.medicine.epcis_names import Container, Lot
from theriac.medicine.epcis_read import MOST_EVENTS, Entry, Handoff, Unread, Voided, read
from theriac.medicine.epcis_schema import Schema

QUICK = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
SHIPPING = Shipping(time=NOON, place=MAKER, items=(Container(PALLET), *PACKS), giver=MAKER, receiver=WHOLESALER)


TIMES = {"eventTime": "2026-03-04T12:00:00Z", "eventTimeZoneOffset": "+00:00"}


def text(*steps: Step | ErrorDeclaration) -> bytes:
    return json.dumps(document(steps, created=NOON)).encode()


@pytest.fixture(scope="module")
def schema() -> Schema:
    if not SCHEMA.is_dir():
        pytest.skip("needs GS1's schema from npm: run 'npm ci'")
    return Schema.load(SCHEMA)


# -- our own ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", all_steps(), ids=named)
def test_read__each_kind_of_step_comes_back(step: Step) -> None:
    found = read(text(step))

    entry = Entry(number=1, step=step, event_id=id_of(step.digest), digest=step.digest, whole=True, claimed=True)
    assert (found.entries, found.unread, found.voided, found.repeated) == ((entry,), (), (), 0)


@QUICK
@given(written=st.lists(steps, min_size=1, max_size=4, unique_by=lambda step: step.digest))
def test_read__written_checked_and_read_again(schema: Schema, written: list[Step]) -> None:
    schema.check(json.loads(text(*written)))

    found = read(text(*written))

    assert found.steps == tuple(written)
    assert [step.time.utcoffset() for step in found.steps] == [step.time.utcoffset() for step in written]
    assert all(entry.whole and entry.claimed for entry in found.entries)


def test_read__an_event_twice_counts_once() -> None:
    found = read(text(SHIPPING, SHIPPING, replace(SHIPPING, place=None)))

    assert (found.steps, found.repeated) == ((SHIPPING, replace(SHIPPING, place=None)), 1)


@pytest.mark.parametrize("first", [True, False])
def test_read__an_error_declaration_voids_wherever_it_stands(first: bool) -> None:
    dispensing = Dispensing(time=NOON, place=PHARMACY, items=PACKS)
    undone = ErrorDeclaration(
        step=dispensing, declared=NOON + timedelta(days=2), reason=Reason.DID_NOT_OCCUR, corrective=("urn:uuid:7",)
    )

    found = read(text(undone, dispensing) if first else text(dispensing, undone))

    void = Voided(
        event_id=id_of(dispensing.digest),
        digest=dispensing.digest,
        declared=NOON + timedelta(days=2),
        reason="did_not_occur",
        corrective=("urn:uuid:7",),
    )
    assert (found.steps, found.voided) == ((), (void,))


def test_read__an_error_declaration_of_another_event_voids_nothing() -> None:
    kept = Dispensing(time=NOON, items=PACKS[:1])
    undone = ErrorDeclaration(step=Dispensing(time=NOON, items=PACKS[1:]), declared=NOON, reason=Reason.INCORRECT_DATA)

    assert read(text(kept, undone)).steps == (kept,)


# -- those of others --------------------------------------------------------------------------------------------------


def test_read__a_document_of_another_system() -> None:
    found = read((VECTORS / "wholesaler.json").read_bytes())

    morning = datetime.fromisoformat("2026-03-01T09:00:00-06:00")
    pallet = Container("195200010000000017")
    assert found.steps == (
        Commissioning(
            time=morning, place=MAKER, items=packs(TABLET, ["W1", "W2"]), lot="0012", expiry=date(2028, 2, 29)
        ),
        Packing(time=morning + timedelta(minutes=30), place=MAKER, container=pallet, items=packs(TABLET, ["W1", "W2"])),
        Shipping(
            time=datetime(2026, 3, 2, 14, tzinfo=UTC),
            items=(pallet,),
            giver=MAKER,
            receiver=WHOLESALER,
            destination=PHARMACY,
        ),
        Receiving(
            time=datetime(2026, 3, 3, 15, tzinfo=UTC),
            lots=(Lot(gtin=POWDER, lot="P/1", quantity=Decimal("40.5"), unit="KGM"),),
            giver=MAKER,
            receiver=WHOLESALER,
        ),
    )
    assert [entry.claimed for entry in found.entries] == [None] * 4
    assert [entry.whole for entry in found.entries] == [False] * 4
    assert found.repeated == 1


def test_read__lists_what_is_no_step() -> None:
    found = read((VECTORS / "wholesaler.json").read_bytes())

    other = "this type of event says nothing about a pack's way here"
    none = "is no step of a pack's way here"
    assert found.unread == (
        Unread(number=5, kind="ObjectEvent", reason="it names no receiver by its GLN"),
        Unread(number=6, kind="TransactionEvent", reason=other),
        Unread(number=7, kind="https://erp.example.com/types/Weighing", reason=other),
        Unread(number=8, kind="ObjectEvent", reason=f"OBSERVE, inspecting, active {none}"),
        Unread(number=12, kind="", reason="it is no object"),
        Unread(number=13, kind="ObjectEvent", reason=f"OBSERVE, dispensing, partially_dispensed {none}"),
        Unread(number=14, kind="ObjectEvent", reason=f"OBSERVE, holding, returned {none}"),
        Unread(
            number=15,
            kind="ObjectEvent",
            reason="'09520001101015' is no GTIN (its check digit should be 4); check where it was read from.",
        ),
    )


def test_handoffs__of_another_system() -> None:
    found = read((VECTORS / "wholesaler.json").read_bytes())

    assert found.handoffs == (
        Handoff(
            kind="shipping",
            items=(Container("195200010000000017"),),
            lots=(),
            from_gln=MAKER,
            to_gln=WHOLESALER,
            time=datetime(2026, 3, 2, 14, tzinfo=UTC),
            event_id="urn:uuid:0d4c5c0e-0000-4000-8000-000000000003",
            digest=found.entries[2].digest,
        ),
        Handoff(
            kind="receiving",
            items=(),
            lots=(Lot(gtin=POWDER, lot="P/1", quantity=Decimal("40.5"), unit="KGM"),),
            from_gln=MAKER,
            to_gln=WHOLESALER,
            time=datetime(2026, 3, 3, 15, tzinfo=UTC),
            event_id="urn:uuid:0d4c5c0e-0000-4000-8000-00000000000b",
            digest=found.entries[3].digest,
        ),
    )


def test_handoffs__what_never_left_is_not_proposed() -> None:
    void = VoidShipping(time=NOON + timedelta(hours=1), items=(Container(PALLET), PACKS[0]))

    found = read(text(SHIPPING, void))

    assert [handoff.items for handoff in found.handoffs] == [PACKS[1:]]


def test_handoffs__an_earlier_void_stops_nothing() -> None:
    void = VoidShipping(time=NOON - timedelta(hours=1), items=SHIPPING.items)

    found = read(text(SHIPPING, void))

    assert [handoff.items for handoff in found.handoffs] == [SHIPPING.items]


def test_handoffs__with_the_offer_of_the_chain() -> None:
    found = read(text(replace(SHIPPING, offer="b7-1", returning=True)))

    assert [(handoff.offer, handoff.returning) for handoff in found.handoffs] == [("b7-1", True)]


# -- hostile ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", sorted((VECTORS / "refused").iterdir()), ids=lambda file: file.stem)
def test_read__refused(file: Path) -> None:
    with pytest.raises(NotEpcis):
        read(file.read_bytes())


def test_read__more_events_than_are_read() -> None:
    huge = document([], created=NOON) | {"epcisBody": {"eventList": [{}] * (MOST_EVENTS + 1)}}

    with pytest.raises(NotEpcis) as raised:
        read(huge)

    assert raised.value.fault == f"it has more than {MOST_EVENTS} events"


def test_read__a_context_that_turns_names_into_others() -> None:
    # given: our event, whose digest is on the chain, and one about other packs that a context bends to the same text
    ours = document([Dispensing(time=NOON, items=PACKS[:1])], created=NOON)
    forged = copy.deepcopy(ours)
    forged["@context"].append({"urn": PACKS[0].uri + "?"})
    forged["epcisBody"]["eventList"][0]["epcList"] = ["urn:epc:id:sgtin:9520001.010101.OTHER"]

    found = read(forged)

    assert found.steps == (Dispensing(time=NOON, items=packs(TABLET, ["OTHER"])),)
    assert (found.entries[0].claimed, found.entries[0].digest == read(ours).entries[0].digest) == (False, False)


def test_read__a_field_that_swallows_the_next_has_the_hash_but_is_not_whole() -> None:
    # given: the text that is hashed has no marks between fields, so a place can hold what follows it
    ours = Commissioning(time=NOON, place=MAKER, items=PACKS, lot="L1", expiry=date(2028, 2, 29))
    forged = document([ours], created=NOON)
    event = forged["epcisBody"]["eventList"][0]
    rest = "ilmd{urn:epcglobal:cbv:mda:}itemExpirationDate=2028-02-29{urn:epcglobal:cbv:mda:}lotNumber=L1"
    event["bizLocation"]["id"] += rest
    del event["ilmd"]

    [entry] = read(forged).entries

    assert entry.digest == ours.digest
    assert (entry.step, entry.whole) == (replace(ours, lot=None, expiry=None), False)


BROKEN: list[dict[str, Any]] = [
    {"eventTime": 7},
    {"eventTime": "2026-03-04T12:00:00"},
    {"eventTime": "2026-13-04T12:00:00Z"},
    {"eventTime": "0001-01-01T00:00:00+14:00"},
    {"eventTime": "9999-12-31T23:59:59.9999Z"},
    {"eventTimeZoneOffset": ".5Z"},
    {"eventTimeZoneOffset": "+25:00"},
    {"eventTimeZoneOffset": None},
    {"epcList": "urn:epc:id:sgtin:9520001.010101.A"},
    {"epcList": [7]},
    {"epcList": [PACKS[0].uri, "urn:epc:id:sgtin:9520001.010101.A1"]},
    {"epcList": []},
    {"quantityList": [{"epcClass": Lot(gtin=TABLET, lot="L").uri, "quantity": -1}]},
    {"quantityList": [{"epcClass": Lot(gtin=TABLET, lot="L").uri, "quantity": 1e300}]},
    {"quantityList": [{"epcClass": Lot(gtin=TABLET, lot="L").uri, "quantity": True}]},
    {"quantityList": [{"epcClass": Lot(gtin=TABLET, lot="L").uri, "quantity": 10**400}]},
    {"quantityList": [{"epcClass": Lot(gtin=TABLET, lot="L").uri, "quantity": 10**5000}]},
    {"quantityList": [{}]},
    {"sourceList": [{"type": "possessing_party", "source": "https://id.gs1.org/417/9520001100018"}]},
    {"sourceList": [{"type": "possessing_party", "source": f"https://id.gs1.org/417/{WHOLESALER}"}]},
    {"sourceList": {"type": "possessing_party"}},
    {"theriac:salt": "0xzz"},
    {"theriac:salt": "0x00"},
    {"theriac:salt": 5},
    {"eventID": "urn:" + "x" * 1000},
    {"bizStep": "\ud800"},
    {"bizStep": ["shipping"]},
    {"bizStep": None},
    {"bizStep": "SHIPPING"},
    {"action": "ADD"},
    {"action": None},
    {"errorDeclaration": 5},
    {"errorDeclaration": {}},
    {"errorDeclaration": {"declarationTime": "2026-03-04T12:00:00Z", "correctiveEventIDs": 5}},
    {"type": ["ObjectEvent"]},
]


@pytest.mark.parametrize("change", BROKEN, ids=lambda change: "-".join(change))
def test_read__a_broken_event_is_listed_and_harms_no_other(change: dict[str, Any]) -> None:
    broken = document([SHIPPING, Dispensing(time=NOON, items=PACKS)], created=NOON)
    broken["epcisBody"]["eventList"][0] |= change

    found = read(broken)

    assert found.steps == (Dispensing(time=NOON, items=PACKS),)
    assert [unread.number for unread in found.unread] == [1]


def test_read__foreign_words_do_not_move_a_cursor() -> None:
    event = {"type": "\x1b[2J", **TIMES}, {"type": "ObjectEvent", "action": "OBSERVE", "bizStep": "\x1b[1A", **TIMES}

    found = read(document([], created=NOON) | {"epcisBody": {"eventList": list(event)}})

    assert [(unread.kind, unread.reason) for unread in found.unread] == [
        ("?[2J", "this type of event says nothing about a pack's way here"),
        ("ObjectEvent", "OBSERVE, ?[1A is no step of a pack's way here"),
    ]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(QUICK, max_examples=100)
@given(step=steps, value=json_values, draw=st.data())
def test_read__any_value_in_any_place(step: Step, value: Any, draw: st.DataObject) -> None:
    # given: our document with one value anywhere in it replaced
    changed = document([step], created=NOON)
    place: Any = changed
    while True:
        key = draw.draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place))))
        if not isinstance(place[key], dict | list) or not place[key] or draw.draw(st.integers(0, 3)) == 0:
            break
        place = place[key]
    place[key] = value

    try:
        found = read(json.dumps(changed))
    except NotEpcis:
        return

    assert len(found.entries) + len(found.unread) + len(found.voided) + found.repeated <= max(
        1, len(changed["epcisBody"].get("eventList") or [])
    )
    assert all(entry.step == step for entry in found.entries if entry.digest == step.digest and entry.whole)
