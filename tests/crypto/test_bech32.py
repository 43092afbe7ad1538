"""Bech32 against the examples of BIP 173, and what a strict reader refuses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theriac.crypto import bech32
from theriac.crypto.bech32 import Bech32
from theriac.errors import NotBech32

UNKNOWN = "it has characters that Bech32 does not know"
SHORT = "it is too short or has no separator"
CHECKSUM = "its checksum is wrong, so a character is"


@pytest.mark.parametrize(
    ("text", "prefix", "data"),
    [
        ("A12UEL5L", "a", ""),
        ("a12uel5l", "a", ""),
        (
            "an83characterlonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio1tt5tgs",
            "an83characterlonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio",
            "",
        ),
        ("abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw", "abcdef", "00443214c74254b635cf84653a56d7c675be77df"),
        ("11" + "q" * 82 + "c8247j", "1", "00" * 51),
        ("?1ezyfcl", "?", ""),
    ],
)
def test_decode__example_of_bip_173(text: str, prefix: str, data: str) -> None:
    # given a text that BIP 173 calls valid, when
    decoded = bech32.decode(text)

    # then
    assert decoded == Bech32(prefix=prefix, data=bytes.fromhex(data), upper=text == text.upper() != text.lower())


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("\x201nwldj5", "its prefix has characters that Bech32 does not know"),
        ("\x7f1axkwrx", "its prefix has characters that Bech32 does not know"),
        ("\x801eym55h", UNKNOWN),
        ("pzry9x0s0muk", SHORT),
        ("1pzry9x0s0muk", SHORT),
        ("x1b4n0q5v", UNKNOWN),
        ("li1dgmt3", SHORT),
        ("de1lg7wt\xff", UNKNOWN),
        ("A1G7SGD8", CHECKSUM),
        ("10a06t8", SHORT),
        ("1qzzfhee", SHORT),
        ("A12uEL5L", "it mixes upper and lower case"),
        # The Kelvin sign turns into k in lower case.
        ("ABCDEF1QPZRY9X8GF2TVDW0S3JN54\u212aHCE6MUA7LMQQQXW", UNKNOWN),
        ("abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxx", CHECKSUM),
        (" a12uel5l", "its prefix has characters that Bech32 does not know"),
        ("a12uel5l\n", UNKNOWN),
        ("", SHORT),
    ],
)
def test_decode__refuses(text: str, fault: str) -> None:
    # given a text with one fault, when
    with pytest.raises(NotBech32) as caught:
        bech32.decode(text)

    # then
    assert caught.value.fault == fault


@pytest.mark.parametrize("values", ["q", "qqqqqqqqq", "qqqqqqqqp", "qqqqqqqqqqq", "p", "qp"])
def test_decode__refuses_bits_that_are_no_byte(values: str) -> None:
    # given a right checksum over 5-bit values that leave 5 bits or more, or bits that are set
    text = _with_checksum("age", values)

    # when
    with pytest.raises(NotBech32) as caught:
        bech32.decode(text)

    # then
    assert caught.value.fault == "its padding is not zero or too long"


@given(st.binary(max_size=200), st.sampled_from(["age", "age1pq", "age-secret-key-"]))
def test_decode__reads_what_encode_wrote(data: bytes, prefix: str) -> None:
    # given, when
    text = bech32.encode(data, prefix=prefix)

    # then
    assert bech32.decode(text) == Bech32(prefix=prefix, data=data, upper=False)
    assert bech32.decode(text.upper()) == Bech32(prefix=prefix, data=data, upper=True)


@pytest.mark.parametrize("last", range(32))
def test_encode__whole_groups_of_five_bytes__every_last_value_is_kept(last: int) -> None:
    # given 40 bits, which leave nothing to pad
    data = bytes([1, 2, 3, 4, last])

    # then
    assert bech32.decode(bech32.encode(data, prefix="age")).data == data


@pytest.mark.parametrize("code", [code for code in range(33, 127) if not chr(code).isupper()])
def test_decode__every_character_that_a_prefix_may_have(code: int) -> None:
    # given a text of BIP 173's characters 33 to 126
    text = _with_checksum(chr(code), "qqqq")

    # then
    assert bech32.decode(text) == Bech32(prefix=chr(code), data=bytes(2), upper=False)


@given(st.data())
def test_decode__refuses_a_changed_character(data: st.DataObject) -> None:
    # given
    text = bech32.encode(bytes(range(32)), prefix="age")
    place = data.draw(st.integers(min_value=4, max_value=len(text) - 1))
    other = data.draw(
        st.sampled_from([letter for letter in "qpzry9x8gf2tvdw0s3jn54khce6mua7l" if letter != text[place]])
    )

    # when
    with pytest.raises(NotBech32) as caught:
        bech32.decode(text[:place] + other + text[place + 1 :])

    # then
    assert caught.value.fault == CHECKSUM


def _with_checksum(prefix: str, values: str) -> str:
    """The text with the only six characters that a reader's checksum accepts, by the definition of BIP 173."""
    letters = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
    expanded = [ord(letter) >> 5 for letter in prefix] + [0] + [ord(letter) & 31 for letter in prefix]
    remainder = 1
    for value in expanded + [letters.index(letter) for letter in values] + [0] * 6:
        top = remainder >> 25
        remainder = (remainder & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            remainder ^= generator if top >> bit & 1 else 0
    remainder ^= 1
    return f"{prefix}1{values}" + "".join(letters[remainder >> 5 * (5 - place) & 31] for place in range(6))
