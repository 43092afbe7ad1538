"""Handlers of the Emitter's events, as a module of the package would write them."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from web3 import Web3
from web3.contract import Contract

from theriac.ledger.contracts import Event
from theriac.ledger.index import Handler, Index, Table, Value

NOTES = Table(
    name="notes",
    columns={"subject": "TEXT NOT NULL", "key": "BLOB NOT NULL", "amount": "TEXT NOT NULL"},
    indexes=(("subject",), ("key", "amount")),
)
SENSORS = Table(name="sensors", columns={"sensor": "BLOB NOT NULL", "celsius": "INTEGER"})


def note_rows(event: Event) -> Iterable[Mapping[str, Value]]:
    values = event.arguments
    return [{"subject": values["subject"], "key": values["key"], "amount": str(values["amount"])}]


def sensor_rows(event: Event) -> Iterable[Mapping[str, Value]]:
    reading = event.arguments["reading"]
    return [{"sensor": sensor, "celsius": reading["celsius"]} for sensor in reading["sensors"]]


def declared(emitter: Contract, name: str) -> Mapping[str, Any]:
    return next(part for part in emitter.abi if part["type"] == "event" and part["name"] == name)


def handlers(emitter: Contract) -> list[Handler]:
    """Notes and sensors go into tables of their own, ticks are kept as events alone."""
    return [
        Handler("Emitter", emitter.address, declared(emitter, "Noted"), table=NOTES, rows=note_rows),
        Handler("Emitter", emitter.address, declared(emitter, "Measured"), table=SENSORS, rows=sensor_rows),
        Handler("Emitter", emitter.address, declared(emitter, "Ticked")),
    ]


def index_of(path: Path, web3: Web3, emitter: Contract, **options: Any) -> Index:
    return Index(path, web3, handlers=handlers(emitter), **options)


def dump(index: Index) -> dict[str, list[Any]]:
    """Everything that an index tells."""
    return {
        "events": list(index.events()),
        "notes": index.query("SELECT * FROM notes ORDER BY block, log_index"),
        "sensors": index.query("SELECT * FROM sensors ORDER BY block, log_index, sensor"),
    }
