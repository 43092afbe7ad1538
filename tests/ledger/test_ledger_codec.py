"""JSON from strangers: what no text of it may do to the process that reads it."""

import json
import re
import time

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from theriac import fhir
from theriac.errors import TheriacError
from theriac.ledger.codec import canonical_json, parse_json, shown_moment

QUOTE = '"'


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b'"' + b'\\"' * 500_000, id="a text that is not closed"),
        pytest.param(b'["' + b'\\"' * 500_000 + b"\\", id="one that ends in an escape"),
        pytest.param(b'"' * 999_999, id="quotation marks alone"),
        pytest.param(b"\\" * 999_999, id="escapes alone"),
    ],
)
def test_parse_json__a_text_without_an_end__is_refused_at_once(text: bytes) -> None:
    # given a megabyte of which each part begins another text
    began = time.process_time()

    # when
    for parse in (parse_json, fhir.parse):
        with pytest.raises((ValueError, TheriacError)):
            parse(text)

    # then it took no more than its length: the square of that are days
    assert time.process_time() - began < 20


@given(st.lists(st.sampled_from(['"', '\\"', "\\\\", "[", "]", "{", "}", "a", "\n", ","]), max_size=60), st.booleans())
def test_parse_json__depth__is_what_python_finds(parts: list[str], escapes: bool) -> None:
    # given a text with or without escapes, below so many brackets that one more is too deep
    text = "".join(part for part in parts if escapes or "\\" not in part)
    told = json.dumps(text) if escapes else f'"{text.replace(QUOTE, "")}"'.replace("\n", " ")
    deep = "[" * 64 + told + "]" * 64

    # when, then brackets in the text are none
    assert parse_json(deep.encode()) == json.loads(deep)
    with pytest.raises(ValueError, match="nested too deep"):
        parse_json(f"[{deep}]".encode())


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-16", "utf-32"])
def test_parse_json__in_another_encoding_than_utf8__is_refused(encoding: str) -> None:
    # given JSON that Python's own reader takes
    text = '{"a": ["b"]}'.encode(encoding)

    # when, then
    with pytest.raises(ValueError, match=r"codec|Expecting"):
        parse_json(text)


def test_parse_json__deep_nesting_behind_a_text_of_another_encoding__is_refused() -> None:
    # given an escaped quotation mark that ends a text for whoever reads bytes, and does not for whoever reads UTF-16
    text = ('["\\"",' + "[" * 100_000 + '"').encode("utf-16-le")

    # when, then Python's parser, which would take the process down, does not see it
    with pytest.raises(ValueError, match=r"codec|Expecting"):
        parse_json(text)


def test_parse_json__a_byte_order_mark__is_borne() -> None:
    assert parse_json(b'\xef\xbb\xbf{"a": [1, "]]]\\""]}') == {"a": [1, ']]]"']}


def test_parse_json__brackets_in_texts__are_no_nesting() -> None:
    assert parse_json(b'["' + b"[" * 100 + b'", "\\\\", "' + b"{" * 100 + b'"]') == ["[" * 100, "\\", "{" * 100]


def test_shown_moment__of_a_second_that_no_calendar_has__is_the_last_that_one_has() -> None:
    assert shown_moment(1_900_000_000).isoformat() == "2030-03-17T17:46:40+00:00"
    for second in (253_402_300_799, 253_402_300_800, (1 << 40) - 1, (1 << 256) - 1):
        assert shown_moment(second).isoformat() == "9999-12-31T23:59:59+00:00"


# -- canonical JSON --------------------------------------------------------------------------------------------------

TEXTS = st.text(st.characters(codec="utf-8")) | st.sampled_from(
    ['\x00\x1f\x7f\b\f\n\r\t"\\/', "\u2028", "\uffff", "\U00010000"]
)
SCALARS = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False) | TEXTS
VALUES = st.recursive(
    SCALARS, lambda each: st.lists(each) | st.tuples(each, each) | st.dictionaries(TEXTS, each), max_leaves=20
)


@given(VALUES)
def test_canonical__any_value__as_the_reference_writes_it(value: object) -> None:
    try:
        wanted = rfc8785.dumps(value)
    except rfc8785.CanonicalizationError as fault:
        with pytest.raises(rfc8785.CanonicalizationError, match=re.escape(str(fault))):
            canonical_json(value)
    else:
        assert canonical_json(value) == wanted


@pytest.mark.parametrize("value", [2**53, -(2**53), [{"a": 2**53}], float("nan"), "\ud800", {1: 2}, b"", {"a": {1}}])
def test_canonical__what_has_no_canonical_form__is_refused(value: object) -> None:
    with pytest.raises(rfc8785.CanonicalizationError):
        canonical_json(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": [True, None, "\u20ac\x1f"]}, '{"a":[true,null,"\u20ac\\u001f"],"b":1}'),
        # RFC 8785, 3.2.3: names are sorted as UTF-16, where what is beyond it stands before U+FB33
        ({"\ufb33": 1, "\U0001f600": 2}, '{"\U0001f600":2,"\ufb33":1}'),
        ({"n": 1e30, "m": 4.50}, '{"m":4.5,"n":1e+30}'),
    ],
    ids=["plain", "beyond_16_bits", "fractions"],
)
def test_canonical__examples(value: object, text: str) -> None:
    assert canonical_json(value) == text.encode()
