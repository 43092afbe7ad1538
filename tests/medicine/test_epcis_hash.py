"""The event hash of CBV 2.0: published examples, the reference implementation, what must and must not matter."""

import copy
import hashlib
import json
import socket
from dataclasses import fields, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from epcis_world import NOON, PACKS, PHARMACY, TABLET, all_steps, named, reference_pre_hashes, steps
from hypothesis import HealthCheck, assume, given, reject, settings
from hypothesis import strategies as st

from theriac.errors import BadInput, NotHashable
from theriac.medicine.epcis import Commissioning, Dispensing, ErrorDeclaration, Reason, Step, document, packs
from theriac.medicine.epcis_hash import event_hash, event_id, pre_hash
from theriac.medicine.epcis_names import Lot

QUICK = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
REFERENCE = settings(QUICK, max_examples=25)


# The reference implementation reads its context in a way that Python will drop.
pytestmark = pytest.mark.filterwarnings("ignore:open_text is deprecated")


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    # The reference implementation would fetch a context that it does not carry.
    def refuse(*_: object) -> None:
        raise AssertionError("a hash asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


# -- published values -------------------------------------------------------------------------------------------------

NAMESPACE = "https://ns.example.com/epcis/"


def departing() -> dict[str, Any]:
    """What GS1's worked examples 1 and 3 have in common, in our own spelling."""
    return {
        "type": "ObjectEvent",
        "action": "OBSERVE",
        "bizStep": "departing",
        "eventTime": "2020-03-04T10:00:30Z",
        "eventTimeZoneOffset": "+01:00",
    }


def test_event_id__worked_example_of_sensors() -> None:
    reports = [
        {"uom": "CEL", "sDev": 0.1, "value": 26.0, "type": "gs1:Temperature"},
        {"uom": "A93", "value": 12.1, "type": "AbsoluteHumidity"},
        {
            "uom": "C35",
            "value": 0.05,
            "microorganism": "https://www.ncbi.nlm.nih.gov/taxonomy/1126011",
            "type": "Dimensionless",
        },
        {
            "uom": "C35",
            "value": 0.18,
            "chemicalSubstance": "https://identifiers.org/inchikey:CZMRCDWAGMRECN-UGDNZRGBSA-N",
            "type": "Dimensionless",
        },
    ]
    logger = {"deviceMetadata": "urn:epc:id:giai:4000001.111", "deviceID": "https://id.gs1.org/giai/4000001111"}
    event = {
        "type": "ObjectEvent",
        "action": "OBSERVE",
        "bizStep": "urn:epcglobal:cbv:bizstep:inspecting",
        "eventTime": "2020-04-01T14:00:00.000Z",
        "eventTimeZoneOffset": "+01:00",
        "epcList": ["https://shop.example/a/gtin/4012345111118/ser/9876?x=1"],
        "readPoint": {"id": "https://id.gs1.org/414/4012345000054"},
        "sensorElementList": [{"sensorReport": reports, "sensorMetadata": logger}],
    }

    found = event_id(event)

    assert found == "ni:///sha-256;49b13037c36e84ad9307c531671b00e901318c3957e4b1151f816ec49eb668da?ver=CBV2.0"


def test_event_id__worked_example_of_parties_and_extensions() -> None:
    event = departing() | {
        "epcList": ["urn:epc:id:sgtin:0614141.011111.987"],
        "disposition": "cbv:Disp-in_transit",
        "readPoint": {"own:myField1": "AB-12", "id": "urn:epc:id:sgln:4012345.00011.0"},
        "bizTransactionList": [{"bizTransaction": "urn:epc:id:gdti:4012345.11111.123", "type": "po"}],
        "sourceList": [{"source": "urn:epc:id:pgln:4012345.00000", "type": "owning_party"}],
        "destinationList": [{"destination": "urn:epc:id:pgln:0614141.00000", "type": "owning_party"}],
        "own:userExt": "CD-34",
    }

    found = event_id(event, prefixes={"own": NAMESPACE, "cbv": "https://ref.gs1.org/cbv/"})

    assert found == "ni:///sha-256;a13cbe6c8bb6df3710b3edaeff760a1365ec8fd69ca1f4d7e0c10eb5189a883a?ver=CBV2.0"


def test_event_id__worked_example_of_nested_extensions() -> None:
    pallets = ["urn:epc:id:sscc:4012345.0000000333", "urn:epc:id:sscc:4012345.0000000111"]
    event = departing() | {
        "epcList": [*pallets, "urn:epc:id:sscc:4012345.0000000222"],
        "readPoint": {"id": "urn:epc:id:sgln:4012345.00011.987"},
        "own:myField3": {"own:mySubField3": ["3", "1"]},
        "own:myField2": "0",
        "own:myField1": {"own:mySubField2": "5", "own:mySubField1": "2"},
    }

    found = event_id(event, prefixes={"own": NAMESPACE})

    assert found == "ni:///sha-256;6ae96341e0acc6d7a261364751f60e68278a81cdf51da0abb6b4e617014e39d7?ver=CBV2.0"


# -- the reference implementation -------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", all_steps(), ids=named)
def test_pre_hash__as_the_reference_implementation(step: Step) -> None:
    written = document([step], created=NOON)

    theirs = reference_pre_hashes(copy.deepcopy(written))

    assert [pre_hash(written["epcisBody"]["eventList"][0])] == theirs


@REFERENCE
@given(step=steps)
def test_pre_hash__any_step_as_the_reference_implementation(step: Step) -> None:
    written = document([step], created=NOON)

    theirs = reference_pre_hashes(copy.deepcopy(written))

    assert [pre_hash(written["epcisBody"]["eventList"][0])] == theirs


@pytest.mark.parametrize(("one", "other"), [("0012", "12"), ("1E3", "1000"), ("7.0", "7")])
def test_event_hash__lots_that_read_as_one_number(one: str, other: str) -> None:
    # The reference implementation takes both lots for one number, which is why it is not used.
    events = [Commissioning(time=NOON, items=PACKS, lot=lot).event for lot in (one, other)]
    written = document([Commissioning(time=NOON, items=PACKS, lot=lot) for lot in (one, other)], created=NOON)

    theirs = reference_pre_hashes(written)

    assert theirs[0] == theirs[1]
    assert event_hash(events[0]) != event_hash(events[1])


# -- what does not matter ---------------------------------------------------------------------------------------------


def _shuffled(value: Any, draw: st.DataObject) -> Any:
    if isinstance(value, dict):
        names = draw.draw(st.permutations(list(value)))
        return {name: _shuffled(value[name], draw) for name in names}
    if isinstance(value, list):
        return draw.draw(st.permutations([_shuffled(part, draw) for part in value]))
    return f" {value}\n" if isinstance(value, str) and value != "ObjectEvent" and draw.draw(st.booleans()) else value


@QUICK
@given(step=steps, draw=st.data())
def test_event_hash__other_order_and_white_space(step: Step, draw: st.DataObject) -> None:
    event = step.event

    other = json.loads(json.dumps(_shuffled(event, draw), indent=3))

    assert event_hash(other) == event_hash(event)


def test_event_hash__record_time_and_declaration_are_left_out() -> None:
    step = Dispensing(time=NOON, items=PACKS)
    declared = ErrorDeclaration(step=step, declared=NOON, reason=Reason.DID_NOT_OCCUR).event

    found = event_hash(declared | {"recordTime": "2026-03-05T00:00:00Z", "eventID": "urn:uuid:1"})

    assert found == step.digest


def test_event_hash__same_time_in_another_offset() -> None:
    event = Dispensing(time=NOON, items=PACKS).event

    found = event_hash(event | {"eventTime": "2026-03-04T11:00:00.2499996Z"})

    assert found == event_hash(event)


def test_event_hash__a_prefix_of_another_name() -> None:
    event = Commissioning(time=NOON, items=PACKS, lot="L1", salt=bytes(16)).event
    other = json.loads(json.dumps(event).replace("theriac:", "t:").replace("cbvmda:", "m:"))

    found = event_hash(other, prefixes={"t": "https://theriac.example/epcis/", "m": "urn:epcglobal:cbv:mda:"})

    assert found == event_hash(event)


# -- what matters -----------------------------------------------------------------------------------------------------


@QUICK
@given(step=steps, draw=st.data())
def test_digest__any_field_of_any_step_changed(step: Step, draw: st.DataObject) -> None:
    name = draw.draw(st.sampled_from([field.name for field in fields(step)]))
    try:
        changed = replace(step, **{name: _other(step, name)})
    except BadInput:
        reject()
    assume(changed != step)

    assert changed.digest != step.digest


@pytest.mark.parametrize("step", all_steps(), ids=named)
def test_digest__any_field_changed(step: Step) -> None:
    others = (replace(step, **{field.name: _other(step, field.name)}) for field in fields(step))
    changed = [other for other in others if other != step]

    digests = {each.digest for each in changed} | {step.digest}

    assert len(digests) == len(changed) + 1


def _other(step: Step, name: str) -> Any:
    """Another value for a field, of the same kind."""
    value = getattr(step, name)
    if name == "time":
        return value + timedelta(milliseconds=1)
    if name in ("items", "input_items"):
        return (*value, *packs(TABLET, ["NEW"]))
    if name in ("lots", "input_lots"):
        return (*value, Lot(gtin=TABLET, lot="NEW"))
    if name == "end" and type(value).__name__ == "End":
        return next(end for end in type(value) if end is not value)
    others = {
        "place": None,
        "salt": bytes(16),
        "container": PACKS[2] if PACKS[2] not in getattr(step, "items", ()) else packs(TABLET, ["CASE"])[0],
        "lot": "L-26B",
        "expiry": None,
        "giver": PHARMACY,
        "receiver": PHARMACY,
        "destination": None,
        "offer": "another",
        "run": "urn:run:2",
        "start": None,
        "end": None,
        "device": None,
        "raw": None,
        "readings": (),
    }
    if name in others:
        return others[name]
    if isinstance(value, bool):
        return not value
    return Decimal(1) if value is None else value + 1


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (float("nan"), "a number without end"),
        (float("inf"), "a number without end"),
        (10**5000, "a number of thousands of digits"),
        ([["x"]], "a list or an object where a value belongs"),
        ({"x": 1}, "a list or an object where a value belongs"),
    ],
    ids=["nan", "infinity", "long", "list", "object"],
)
def test_event_hash__a_value_that_cannot_be_hashed(value: object, fault: str) -> None:
    event = Dispensing(time=NOON, items=PACKS).event | {"bizStep": value}

    with pytest.raises(NotHashable) as raised:
        event_hash(event)

    assert (raised.value.path, raised.value.fault) == ("bizStep", fault)


def test_event_hash__half_a_character() -> None:
    event = Dispensing(time=NOON, items=PACKS).event | {"bizStep": "\ud800"}

    with pytest.raises(NotHashable) as raised:
        event_hash(event)

    assert raised.value.fault == "half a character"


def test_event_hash__nested_without_end() -> None:
    nested: Any = "x"
    for _ in range(5000):
        nested = {"theriac:in": nested}

    with pytest.raises(NotHashable) as raised:
        event_hash(Dispensing(time=NOON, items=PACKS).event | {"theriac:in": nested})

    assert raised.value.fault == "a nesting too deep"


def test_event_id__holds_the_hash() -> None:
    step = Dispensing(time=NOON, items=PACKS)

    found = event_id(step.event)

    assert found == f"ni:///sha-256;{hashlib.sha256(pre_hash(step.event).encode()).hexdigest()}?ver=CBV2.0"
