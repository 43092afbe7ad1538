"""Every event that Theriac writes is valid against GS1's schema, and a broken one of each kind is not."""

import copy
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from epcis_world import NOON, PACKS, SCHEMA, all_steps, named, steps
from hypothesis import HealthCheck, given, settings

from theriac.errors import BreaksEpcisSchema, NoEpcisSchema
from theriac.medicine.epcis import Dispensing, ErrorDeclaration, Reason, Step, document
from theriac.medicine.epcis_schema import Schema

pytestmark = pytest.mark.skipif(not SCHEMA.is_dir(), reason="needs GS1's schema from npm: run 'npm ci'")
ID = "https://gs1.github.io/EPCIS/EPCIS-JSON-Schema.json"


@pytest.fixture(scope="module")
def schema() -> Schema:
    return Schema.load(SCHEMA)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the schema asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def declared() -> ErrorDeclaration:
    step = Dispensing(time=NOON, items=PACKS)
    return ErrorDeclaration(step=step, declared=NOON, reason=Reason.DID_NOT_OCCUR, corrective=("urn:uuid:1",))


EVERY: list[Step | ErrorDeclaration] = [*all_steps(), declared()]


# -- valid and broken -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", EVERY, ids=named)
def test_check__each_kind_of_step(schema: Schema, step: Step | ErrorDeclaration) -> None:
    schema.check(json.loads(json.dumps(document([step], created=NOON))))


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(step=steps)
def test_check__any_step(schema: Schema, step: Step) -> None:
    schema.check(document([step], created=NOON))


@pytest.mark.parametrize("step", EVERY, ids=named)
def test_check__each_kind_of_step_broken(schema: Schema, step: Step | ErrorDeclaration) -> None:
    # given: the field that tells what it is about holds something else
    broken = document([step], created=NOON)
    event = broken["epcisBody"]["eventList"][0]
    names = ("errorDeclaration", "sensorElementList", "ilmd", "persistentDisposition", "inputQuantityList", "epcList")
    name = next((name for name in names if name in event), "childEPCs")
    event[name] = 7

    with pytest.raises(BreaksEpcisSchema) as raised:
        schema.check(broken)

    words = ", ".join(word for word in (event["type"], event.get("bizStep")) if word)
    assert (raised.value.event, raised.value.path) == (f"Event 1 ({words})", f"/epcisBody/eventList/0/{name}")


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("change", "path", "fault"),
    [
        (lambda event: event.pop("eventTime"), "", "eventTime is missing"),
        (lambda event: event.pop("action"), "", "action is missing"),
        (lambda event: event.update(eventTime="2026-03-04 12:00"), "/eventTime", '"2026-03-04 12:00" is no date-time'),
        (lambda event: event.update(eventTimeZoneOffset="1"), "/eventTimeZoneOffset", '"1" has not the form'),
        (lambda event: event.update(bizStep="shiping"), "/bizStep", '"shiping" is none of the forms'),
        (lambda event: event.update(action="MOVE"), "/action", '"MOVE" is none of the words'),
        (lambda event: event.update(colour="red"), "", '"colour" is no field of it'),
        (lambda event: event.update(epcList=["A1"]), "/epcList/0", '"A1" is no uri'),
        (lambda event: event.update(epcList=["urn:a", "urn:a"]), "/epcList", "a list of 2 has something twice"),
        (lambda event: event.update(readPoint={}), "/readPoint", "id is missing"),
        (lambda event: event["destinationList"][0].update(type="shop"), "/destinationList/0/type", "none of the forms"),
        (lambda event: event.update(quantityList=[{"quantity": 1}]), "/quantityList/0", "epcClass is missing"),
    ],
)
def test_check__names_the_event_and_the_path(schema: Schema, change: Change, path: str, fault: str) -> None:
    broken = copy.deepcopy(document(all_steps()[2:5], created=NOON))
    change(broken["epcisBody"]["eventList"][1])

    with pytest.raises(BreaksEpcisSchema) as raised:
        schema.check(broken)

    assert raised.value.event.startswith("Event 2 (ObjectEvent, ")
    assert raised.value.path == f"/epcisBody/eventList/1{path}"
    assert fault in raised.value.fault


@pytest.mark.parametrize("value", [None, [], "text", {}, {"type": "EPCISDocument"}, {"type": []}])
def test_check__what_is_no_document(schema: Schema, value: object) -> None:
    with pytest.raises(BreaksEpcisSchema) as raised:
        schema.check(value)

    assert raised.value.event == "The document"


# -- the folder -------------------------------------------------------------------------------------------------------


def _file(folder: Path, **change: Any) -> Path:
    schema = {"$id": ID, "$schema": "http://json-schema.org/draft-07/schema#", "type": "object"} | change
    (folder / "schema.json").write_text(json.dumps(schema))
    return folder


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"$id": "https://example.com/other.json"}, "no file has the id of the document's schema"),
        ({"properties": {"a": {"$ref": "other.json#/b"}}}, "the reference"),
        ({"properties": {"a": {"$ref": "#/definitions/none"}}}, "the reference '/definitions/none' leads nowhere"),
        ({"properties": {"a": {"format": "email"}}}, "the format 'email' is not known here"),
        ({"type": 7}, "it is no schema of draft-07"),
    ],
)
def test_load__a_schema_that_is_not_whole(tmp_path: Path, change: dict[str, Any], fault: str) -> None:
    with pytest.raises(NoEpcisSchema) as raised:
        Schema.load(_file(tmp_path, **change))

    assert fault in raised.value.fault


def test_load__no_folder(tmp_path: Path) -> None:
    with pytest.raises(NoEpcisSchema) as raised:
        Schema.load(tmp_path / "none")

    assert raised.value.fault == "there are no JSON files"


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "\ud800".encode("utf-8", "surrogatepass").decode("latin-1")])
def test_load__a_file_that_is_no_json(tmp_path: Path, text: str) -> None:
    (tmp_path / "schema.json").write_text(text, encoding="latin-1")

    with pytest.raises(NoEpcisSchema) as raised:
        Schema.load(tmp_path)

    assert raised.value.fault == "a file is no JSON"


def test_load__cut_into_files_that_refer_to_each_other(tmp_path: Path) -> None:
    # given: the schema of a document in one file, its definitions in another
    folder = _file(tmp_path, properties={"type": {"$ref": "parts/words.json#/definitions/word"}})
    words = {"$id": "https://gs1.github.io/EPCIS/parts/words.json", "definitions": {"word": {"enum": ["yes"]}}}
    (folder / "words.json").write_text(json.dumps(words))

    schema = Schema.load(folder)

    schema.check({"type": "yes"})
    with pytest.raises(BreaksEpcisSchema):
        schema.check({"type": "no"})
