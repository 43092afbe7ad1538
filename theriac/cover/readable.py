"""YAML and JSON that people write, read as texts alone: no number is rounded, nothing is run, nothing stands twice.

Of YAML only lists, fields and texts are read. Anchors, which let a short file become a huge one, tags, which name
programs, and fields that are told twice are refused.
"""

from collections.abc import Iterator
from typing import Any, TypeAlias

import yaml

from theriac.errors import BadPlan
from theriac.ledger.codec import parse_json

LARGEST = 4 * 1024 * 1024
"""No file is read beyond this many bytes; ten thousand services take half of it."""

DEEPEST = 6
"""How deep lists and fields may lie in each other."""

Node: TypeAlias = "str | list[Node] | dict[str, Node]"

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WORDS = {True: "yes", False: "no", None: ""}


def read(data: bytes) -> Node:
    """What a file says. One that begins with a bracket is JSON. Raises BadPlan."""
    if len(data) > LARGEST:
        raise BadPlan(where="the file", fault=f"has more than {LARGEST} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadPlan(where="the file", fault=f"is no UTF-8 at byte {error.start}") from None
    found = _json(text) if text.lstrip().startswith(("{", "[")) else _yaml(text)
    _check_characters(found)
    return found


def _yaml(text: str) -> Node:
    try:
        events = iter(yaml.parse(text, Loader=_LOADER))
        next(events)
        if isinstance(next(events), yaml.StreamEndEvent):
            raise BadPlan(where="the file", fault="is empty")
        found = _node(next(events), events, depth=0)
        next(events)
        if not isinstance(next(events), yaml.StreamEndEvent):
            raise BadPlan(where="the file", fault="has more than one document")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}" if mark else "the file"
        raise BadPlan(where=where, fault=f"is no YAML ({error.problem or error.context})") from None
    except yaml.YAMLError:
        raise BadPlan(where="the file", fault="is no YAML (it has characters that YAML does not allow)") from None
    return found


def _node(event: Any, events: Iterator[Any], *, depth: int) -> Node:
    line = f"line {event.start_mark.line + 1}"
    if event.anchor is not None:
        raise BadPlan(where=line, fault="has an anchor or an alias (& or *), which no plan may have")
    if event.tag is not None:
        raise BadPlan(where=line, fault="has a tag (!), which no plan may have")
    if isinstance(event, yaml.ScalarEvent):
        return str(event.value)

    _check_depth(line, depth)
    if isinstance(event, yaml.SequenceStartEvent):
        items: list[Node] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            items.append(_node(event, events, depth=depth + 1))
        return items
    fields: dict[str, Node] = {}
    while not isinstance(event := next(events), yaml.MappingEndEvent):
        line = f"line {event.start_mark.line + 1}"
        name = _node(event, events, depth=depth + 1)
        if not isinstance(name, str):
            raise BadPlan(where=line, fault="has a list or fields where a name should be")
        if name in fields:
            raise BadPlan(where=line, fault=f"tells {name[:40]!r} a second time")
        fields[name] = _node(next(events), events, depth=depth + 1)
    return fields


def _json(text: str) -> Node:
    try:
        value = parse_json(text.encode(), parse_int=str, parse_float=str, parse_constant=str, object_pairs_hook=_fields)
    except ValueError as error:
        told = f" at line {error.lineno}: {error.msg}" if hasattr(error, "lineno") and hasattr(error, "msg") else ""
        raise BadPlan(where="the file", fault=f"is no JSON{told}") from None
    return _texts(value, depth=0)


def _fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name in fields:
            raise BadPlan(where="the file", fault=f"tells {name[:40]!r} a second time")
        fields[name] = value
    return fields


def _texts(value: Any, *, depth: int) -> Node:
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool):
        return _WORDS[value]
    _check_depth("the file", depth)
    if isinstance(value, list):
        return [_texts(each, depth=depth + 1) for each in value]
    return {name: _texts(each, depth=depth + 1) for name, each in value.items()}


def _check_depth(where: str, depth: int) -> None:
    if depth >= DEEPEST:
        raise BadPlan(where=where, fault=f"lies more than {DEEPEST} lists or fields deep")


def _check_characters(node: Node) -> None:
    """Half a character, which an escape can stand for, is no text that could be written again."""
    stack: list[Node] = [node]
    while stack:
        match stack.pop():
            case str(text):
                if any("\ud800" <= letter <= "\udfff" for letter in text):
                    raise BadPlan(where="the file", fault="has an escape that stands for half a character")
            case list(items):
                stack += items
            case dict(fields):
                stack += [*fields, *fields.values()]
