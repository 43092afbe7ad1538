"""Steps as events: the words of CBV for each, and what a step refuses to say."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from epcis_world import CASE, MAKER, NOON, PACKS, PALLET, PHARMACY, SALT, SUBSTANCE, TABLET, WHOLESALER, all_steps

from theriac.errors import BadIdentifier, BadStep
from theriac.medicine.epcis import (
    ColdChain,
    Commissioning,
    Dispensing,
    End,
    Ending,
    ErrorDeclaration,
    Packing,
    Reading,
    Reason,
    Recall,
    Shipping,
    Step,
    Transformation,
    document,
)
from theriac.medicine.epcis_hash import id_of
from theriac.medicine.epcis_names import Container, Lot

TIME = {"eventTime": "2026-03-04T12:00:00.250+01:00", "eventTimeZoneOffset": "+01:00"}
URIS = [pack.uri for pack in PACKS]


def at(gln: str) -> dict[str, str]:
    return {"id": f"https://id.gs1.org/414/{gln}"}


# -- events -----------------------------------------------------------------------------------------------------------


def test_event__commissioning() -> None:
    step = Commissioning(time=NOON, place=MAKER, salt=SALT, items=PACKS, lot="0012", expiry=date(2028, 2, 29))

    assert step.event == {
        "type": "ObjectEvent",
        "eventID": id_of(step.digest),
        **TIME,
        "action": "ADD",
        "bizStep": "commissioning",
        "disposition": "active",
        "epcList": [
            "https://id.gs1.org/01/09520001101014/21/A1",
            "https://id.gs1.org/01/09520001101014/21/B%2F2",
            "https://id.gs1.org/01/09520001101014/21/C-3",
        ],
        "ilmd": {"cbvmda:lotNumber": "0012", "cbvmda:itemExpirationDate": "2028-02-29"},
        "readPoint": at(MAKER),
        "bizLocation": at(MAKER),
        "theriac:salt": "0x000102030405060708090a0b0c0d0e0f",
    }


def test_event__packing() -> None:
    step = Packing(time=NOON, place=MAKER, container=Container(CASE), items=PACKS)

    assert step.event == {
        "type": "AggregationEvent",
        "eventID": id_of(step.digest),
        **TIME,
        "action": "ADD",
        "bizStep": "packing",
        "disposition": "in_progress",
        "parentID": f"https://id.gs1.org/00/{CASE}",
        "childEPCs": URIS,
        "readPoint": at(MAKER),
        "bizLocation": at(MAKER),
    }


def test_event__shipping() -> None:
    step = Shipping(
        time=NOON,
        place=MAKER,
        items=(Container(PALLET),),
        giver=MAKER,
        receiver=WHOLESALER,
        destination=PHARMACY,
        offer="b7-1",
    )

    assert step.event == {
        "type": "ObjectEvent",
        "eventID": id_of(step.digest),
        **TIME,
        "action": "OBSERVE",
        "bizStep": "shipping",
        "disposition": "in_transit",
        "epcList": [f"https://id.gs1.org/00/{PALLET}"],
        "bizTransactionList": [{"type": "desadv", "bizTransaction": f"urn:epcglobal:cbv:bt:{MAKER}:b7-1"}],
        "sourceList": [{"type": "possessing_party", "source": f"https://id.gs1.org/417/{MAKER}"}],
        "destinationList": [
            {"type": "possessing_party", "destination": f"https://id.gs1.org/417/{WHOLESALER}"},
            {"type": "location", "destination": f"https://id.gs1.org/414/{PHARMACY}"},
        ],
        "readPoint": at(MAKER),
    }


def test_event__cold_chain() -> None:
    step = ColdChain(
        time=NOON,
        items=(Container(CASE),),
        end=NOON,
        device="9520002LOG",
        minimum=Decimal("2.10"),
        maximum=Decimal("9"),
        mean_kinetic=Decimal("5.313"),
        minutes_outside=31,
        exceeded=True,
        readings=(Reading(time=NOON, celsius=Decimal("-0.5")),),
    )

    method = "https://theriac.example/epcis/"
    assert step.event["sensorElementList"] == [
        {
            "sensorMetadata": {
                "endTime": "2026-03-04T12:00:00.250+01:00",
                "deviceID": "https://id.gs1.org/8004/9520002LOG",
            },
            "sensorReport": [
                {
                    "type": "Temperature",
                    "exception": "ALARM_CONDITION",
                    "minValue": 2.1,
                    "maxValue": 9,
                    "uom": "CEL",
                },
                {
                    "type": "Temperature",
                    "dataProcessingMethod": method + "mean-kinetic-temperature",
                    "value": 5.313,
                    "uom": "CEL",
                },
                {"type": "Temperature", "time": "2026-03-04T12:00:00.250+01:00", "value": -0.5, "uom": "CEL"},
                {"type": "Time", "dataProcessingMethod": method + "minutes-outside-limits", "value": 31, "uom": "MIN"},
            ],
        }
    ]


WORDS = [
    # kind, action, bizStep, disposition, persistentDisposition: the table of docs/protocol/epcis.md
    ("ObjectEvent", "ADD", "commissioning", "active", None),
    ("AggregationEvent", "ADD", "packing", "in_progress", None),
    ("AggregationEvent", "DELETE", "unpacking", "in_progress", None),
    ("ObjectEvent", "OBSERVE", "shipping", "in_transit", None),
    ("ObjectEvent", "OBSERVE", "receiving", "returned", None),
    ("ObjectEvent", "OBSERVE", "void_shipping", "in_progress", None),
    ("ObjectEvent", "OBSERVE", "dispensing", "dispensed", None),
    ("ObjectEvent", "DELETE", "decommissioning", "inactive", None),
    ("ObjectEvent", "DELETE", "destroying", "destroyed", None),
    ("ObjectEvent", "OBSERVE", "sampling", "non_sellable_other", None),
    ("ObjectEvent", "OBSERVE", "departing", "non_sellable_other", None),
    ("ObjectEvent", "OBSERVE", None, "stolen", {"set": ["stolen"]}),
    ("ObjectEvent", "OBSERVE", "holding", "returned", None),
    ("ObjectEvent", "OBSERVE", "holding", "recalled", {"set": ["recalled"]}),
    ("ObjectEvent", "OBSERVE", "inspecting", None, {"unset": ["recalled"]}),
    ("ObjectEvent", "OBSERVE", "sensor_reporting", None, None),
    ("TransformationEvent", None, "commissioning", "in_progress", None),
    ("TransformationEvent", None, "creating_class_instance", "in_progress", None),
]


@pytest.mark.parametrize(("step", "words"), zip(all_steps(), WORDS, strict=True), ids=[str(words) for words in WORDS])
def test_event__words_of_each_kind(step: Step, words: tuple[Any, ...]) -> None:
    event = step.event

    names = ("type", "action", "bizStep", "disposition", "persistentDisposition")
    assert tuple(event.get(name) for name in names) == words


@pytest.mark.parametrize("end", [End.EXPORTED, End.STOLEN])
def test_event__things_that_are_gone_are_at_no_place(end: End) -> None:
    event = Ending(time=NOON, place=PHARMACY, items=PACKS, end=end).event

    assert ("bizLocation" in event, event["readPoint"]) == (False, at(PHARMACY))


def test_event__undone_dispensing() -> None:
    dispensing = Dispensing(time=NOON, place=PHARMACY, items=PACKS)

    undone = ErrorDeclaration(step=dispensing, declared=NOON + timedelta(days=1), reason=Reason.DID_NOT_OCCUR)

    declaration = {"declarationTime": "2026-03-05T12:00:00.250+01:00", "reason": "did_not_occur"}
    assert undone.event == dispensing.event | {"errorDeclaration": declaration}


def test_document__its_frame() -> None:
    step = Dispensing(time=NOON, items=PACKS)

    found = document([step], created=datetime(2026, 3, 4, 12, tzinfo=UTC))

    assert found == {
        "@context": [
            "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld",
            {"cbvmda": "urn:epcglobal:cbv:mda:", "theriac": "https://theriac.example/epcis/"},
        ],
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": "2026-03-04T12:00:00.000+00:00",
        "epcisBody": {"eventList": [step.event]},
    }


def test_step__its_time_is_cut_to_milliseconds() -> None:
    step = Dispensing(time=NOON.replace(microsecond=250_999), items=PACKS)

    assert step == Dispensing(time=NOON, items=PACKS)


def test_step__west_of_greenwich() -> None:
    west = datetime(2026, 3, 4, 12, tzinfo=timezone(-timedelta(hours=3, minutes=30)))

    event = Dispensing(time=west, items=PACKS).event

    assert (event["eventTime"], event["eventTimeZoneOffset"]) == ("2026-03-04T12:00:00.000-03:30", "-03:30")


# -- what is refused --------------------------------------------------------------------------------------------------

RAW = Lot(gtin=SUBSTANCE, lot="RAW-7")
SHIPPING = Shipping(time=NOON, items=PACKS, giver=MAKER, receiver=WHOLESALER)
COLD = ColdChain(time=NOON, items=PACKS, minimum=Decimal(2))


@pytest.mark.parametrize(
    ("made", "fault"),
    [
        (lambda: Dispensing(time=datetime(2026, 3, 4), items=PACKS), "its time needs an offset"),
        (lambda: replace(SHIPPING, time=NOON.replace(tzinfo=timezone(timedelta(seconds=90)))), "its time needs"),
        (lambda: replace(SHIPPING, time=NOON.replace(tzinfo=timezone(timedelta(hours=15)))), "its time needs"),
        (lambda: replace(SHIPPING, time=NOON.replace(year=1)), "the year 1 cannot be meant"),
        (lambda: replace(SHIPPING, salt=bytes(15)), "a salt has 16 to 64 bytes"),
        (lambda: Dispensing(time=NOON), "it is about nothing"),
        (lambda: Dispensing(time=NOON, items=(*PACKS, PACKS[0])), "a thing is in it twice"),
        (lambda: Packing(time=NOON, container=Container(CASE)), "nothing goes into the container"),
        (lambda: Packing(time=NOON, container=PACKS[0], items=PACKS), "a thing is in it twice"),
        (lambda: replace(SHIPPING, receiver=MAKER), "its giver is its receiver"),
        (lambda: replace(SHIPPING, offer="a=b"), "an offer's name has"),
        (lambda: replace(COLD, minimum=None), "it holds no temperature"),
        (lambda: replace(COLD, minimum=None, minutes_outside=5), "it holds no temperature"),
        (lambda: replace(COLD, minimum=Decimal("NaN")), "NaN is no temperature"),
        (lambda: replace(COLD, minimum=Decimal(-300)), "-300 is no temperature"),
        (lambda: replace(COLD, minimum=Decimal("2.12345678901234567")), "has more digits than JSON carries"),
        (lambda: replace(COLD, start=NOON, end=NOON - timedelta(hours=1)), "its window ends before it starts"),
        (lambda: replace(COLD, raw="bafkrei"), "where its raw data is should be a URI"),
        (lambda: replace(COLD, raw="ipfs://a{b}=c"), "where its raw data is should be a URI"),
        (lambda: replace(COLD, minutes_outside=-1), "minutes outside the limits count from 0"),
        (lambda: Transformation(time=NOON, input_lots=(RAW,)), "it needs what goes in and what comes out"),
        (lambda: Transformation(time=NOON, run="urn:run:1"), "it needs what goes in and what comes out"),
        (lambda: Transformation(time=NOON, items=PACKS, run="one"), "its run should be a URI"),
        (lambda: ErrorDeclaration(step=COLD, declared=datetime(2026, 3, 4), reason=Reason.DID_NOT_OCCUR), "its time"),
        (
            lambda: ErrorDeclaration(step=COLD, declared=NOON, reason=Reason.DID_NOT_OCCUR, corrective=("x",)),
            "eventIDs are URIs",
        ),
        (lambda: document([], created=datetime(2026, 3, 4)), "the time of its creation needs an offset"),
    ],
)
def test_step__refused(made: Callable[[], object], fault: str) -> None:
    with pytest.raises(BadStep) as raised:
        made()

    assert fault in raised.value.fault


@pytest.mark.parametrize(
    "made",
    [
        lambda: replace(SHIPPING, place="9520001100018"),
        lambda: replace(SHIPPING, receiver="MAKER"),
        lambda: replace(SHIPPING, destination="12"),
        lambda: replace(COLD, device="LOG 5"),
        lambda: Commissioning(time=NOON, items=PACKS, lot="ä"),
        lambda: Recall(time=NOON, lots=(Lot(gtin=TABLET[:-1] + "0", lot="L"),)),
    ],
)
def test_step__a_bad_identifier(made: Callable[[], object]) -> None:
    with pytest.raises(BadIdentifier):
        made()
