"""Recipients and identities: their texts, what they refuse, and that secrets do not show."""

import dataclasses
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theriac.crypto import bech32
from theriac.crypto.recipients import (
    FileKey,
    HybridIdentity,
    HybridRecipient,
    Stanza,
    X25519Identity,
    X25519Recipient,
    from_base64,
    parse_identity,
    parse_recipient,
    to_base64,
)
from theriac.errors import BadFileKey, BadIdentity, BadRecipient, HeaderMalformed

VECTORS = Path(__file__).parents[1] / "vectors" / "age"
KINDS = [HybridIdentity, X25519Identity]
SEED = bytes(range(32))

# Points of order 1, 2, 4 and 8 on Curve25519 and its twist, and the two that are only other spellings (RFC 7748, 6.1).
LOW_ORDER = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]
NOT_CANONICAL = [
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0900000000000000000000000000000000000000000000000000000000000080",
]


@pytest.mark.parametrize("name", ["hybrid_example", "x25519_example"])
def test_parse__example_of_the_specification(name: str) -> None:
    # given an identity and its recipient, printed in the C2SP specification
    identity_text, recipient_text = (VECTORS / f"{name}.txt").read_text(encoding="ascii").split()

    # when
    identity = parse_identity(identity_text)

    # then
    assert str(identity.recipient) == recipient_text
    assert parse_recipient(recipient_text) == identity.recipient
    assert identity.unsafe_export_secret() == identity_text


@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.binary(min_size=32, max_size=32))
def test_from_seed__is_one_identity_with_one_text(
    kind: type[HybridIdentity] | type[X25519Identity], seed: bytes
) -> None:
    # given, when
    identity = kind.from_seed(seed)

    # then
    assert identity == kind.from_seed(seed)
    assert parse_identity(identity.unsafe_export_secret()) == identity
    assert parse_recipient(str(identity.recipient)) == kind.from_seed(seed).recipient


@pytest.mark.parametrize("kind", KINDS)
def test_generate__is_fresh(kind: type[HybridIdentity] | type[X25519Identity]) -> None:
    # given, when
    identities = {kind.generate() for _ in range(8)}

    # then
    assert len(identities) == 8


def test_identities__of_one_seed_and_two_kinds_differ() -> None:
    # given, when, then
    assert X25519Identity.from_seed(SEED) != HybridIdentity.from_seed(SEED)


def test_hash__of_other_bytes_or_another_kind__another() -> None:
    # given
    keys = [FileKey(bytes([number]) * 16) for number in range(8)]
    identities = [kind.from_seed(bytes([number]) * 32) for kind in KINDS for number in range(8)]

    # then
    assert len({hash(each) for each in keys}) == 8
    assert len({hash(each) for each in identities}) == 16


@pytest.mark.parametrize("length", [0, 16, 31, 33, 64])
@pytest.mark.parametrize("kind", KINDS)
def test_from_seed__of_another_length(kind: type[HybridIdentity] | type[X25519Identity], length: int) -> None:
    # given
    seed = bytes(length)

    # when
    with pytest.raises(BadIdentity) as caught:
        kind.from_seed(seed)

    # then
    assert caught.value.fault == f"its secret has {length} bytes, not 32"


@pytest.mark.parametrize("length", [0, 15, 17, 32])
def test_file_key__of_another_length(length: int) -> None:
    # given, when
    with pytest.raises(BadFileKey) as caught:
        FileKey(bytes(length))

    # then
    assert caught.value.length == length


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (bech32.encode(SEED, prefix="age-secret-key-").upper(), "it is a secret identity: keep it to yourself"),
        (bech32.encode(SEED, prefix="age-secret-key-pq-").upper(), "it is a secret identity: keep it to yourself"),
        (str(X25519Identity.from_seed(SEED).recipient).upper(), "it is in upper case"),
        (bech32.encode(SEED, prefix="age1tag"), "it is of another kind"),
        (bech32.encode(SEED, prefix="age1pqx"), "it is of another kind"),
        (bech32.encode(SEED[:31], prefix="age"), "its key has 31 bytes, not 32"),
        (bech32.encode(SEED, prefix="age1pq"), "its key has 32 bytes, not 1216"),
        (bech32.encode(bytes(1217), prefix="age1pq"), "its key has 1217 bytes, not 1216"),
        (bech32.encode(b"\xff" * 1184 + SEED, prefix="age1pq"), "its ML-KEM part is not a key"),
        ("age1" + "q" * 5000, "it is longer than 4096 characters"),
        ("age1qqqq", "it is too short or has no separator"),
        ("", "it is too short or has no separator"),
        (str(X25519Identity.from_seed(SEED).recipient) + "\n", "it has characters that Bech32 does not know"),
    ],
)
def test_parse_recipient__refuses(text: str, fault: str) -> None:
    # given a text with one fault, when
    with pytest.raises(BadRecipient) as caught:
        parse_recipient(text)

    # then
    assert caught.value.fault == fault


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (str(X25519Identity.from_seed(SEED).recipient), "it is a recipient, which opens nothing"),
        (str(HybridIdentity.from_seed(SEED).recipient), "it is a recipient, which opens nothing"),
        (bech32.encode(SEED, prefix="age-secret-key-"), "it is in lower case"),
        (bech32.encode(SEED, prefix="age-plugin-yubikey-").upper(), "it is of another kind"),
        (bech32.encode(SEED[:31], prefix="age-secret-key-").upper(), "its secret has 31 bytes, not 32"),
        (bech32.encode(SEED + b"\0", prefix="age-secret-key-pq-").upper(), "its secret has 33 bytes, not 32"),
        ("AGE-SECRET-KEY-1" + "Q" * 5000, "it is longer than 4096 characters"),
        ("", "it is too short or has no separator"),
    ],
)
def test_parse_identity__refuses(text: str, fault: str) -> None:
    # given a text with one fault, when
    with pytest.raises(BadIdentity) as caught:
        parse_identity(text)

    # then
    assert caught.value.fault == fault


def test_parse_recipient__longest_text__is_read() -> None:
    # given a text of 4096 characters with nothing in it
    text = bech32.encode(b"", prefix="x" * 4089)

    # when
    with pytest.raises(BadRecipient) as read:
        parse_recipient(text)
    with pytest.raises(BadRecipient) as refused:
        parse_recipient(f"x{text}")

    # then
    assert len(text) == 4096
    assert read.value.fault == "it is of another kind"
    assert refused.value.fault == "it is longer than 4096 characters"


@pytest.mark.parametrize("point", LOW_ORDER)
def test_recipient__refuses_a_point_of_low_order(point: str) -> None:
    # given a key under which everybody knows the shared secret
    mlkem = HybridIdentity.from_seed(SEED).recipient.public_key[:1184]

    # when
    with pytest.raises(BadRecipient) as classic:
        X25519Recipient(bytes.fromhex(point))
    with pytest.raises(BadRecipient) as hybrid:
        HybridRecipient(mlkem + bytes.fromhex(point))

    # then
    faults = [classic.value.fault, hybrid.value.fault]
    assert faults == ["its X25519 part is a point of low order"] * 2


@pytest.mark.parametrize("point", NOT_CANONICAL)
def test_recipient__refuses_a_second_spelling_of_a_point(point: str) -> None:
    # given a key that no identity computes, so that what is sealed to it would never be opened
    mlkem = HybridIdentity.from_seed(SEED).recipient.public_key[:1184]

    # when
    with pytest.raises(BadRecipient) as classic:
        X25519Recipient(bytes.fromhex(point))
    with pytest.raises(BadRecipient) as hybrid:
        HybridRecipient(mlkem + bytes.fromhex(point))

    # then
    assert [classic.value.fault, hybrid.value.fault] == ["its X25519 part is not canonical"] * 2


@pytest.mark.parametrize("kind", KINDS)
def test_unwrap__finds_its_stanza_among_others(kind: type[HybridIdentity] | type[X25519Identity]) -> None:
    # given stanzas for two strangers, for the reader, and of a kind nobody knows
    file_key, reader = FileKey.generate(), kind.generate()
    stanzas = [
        kind.generate().recipient.wrap(file_key).stanza,
        Stanza(args=("grease", "x"), body=b""),
        reader.recipient.wrap(file_key).stanza,
        kind.generate().recipient.wrap(file_key).stanza,
    ]

    # when
    found = reader.unwrap(stanzas)
    stranger = kind.generate().unwrap(stanzas)

    # then
    assert found == file_key
    assert stranger is None


def test_wrap__labels__those_of_the_format() -> None:
    # given
    file_key = FileKey.generate()

    # then: the label is the one that age itself gives such recipients
    assert HybridIdentity.from_seed(SEED).recipient.wrap(file_key).labels == frozenset({"postquantum"})
    assert X25519Identity.from_seed(SEED).recipient.wrap(file_key).labels == frozenset()


def test_base64__every_last_letter__is_kept() -> None:
    # given the alphabet of RFC 4648, and three bytes of which the last six bits are each value in turn
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

    for value, letter in enumerate(letters):
        assert to_base64(bytes([0, 0, value])) == f"AAA{letter}"
        assert from_base64(f"AAA{letter}") == bytes([0, 0, value])


@pytest.mark.parametrize("kind", KINDS)
def test_wrap__is_fresh_each_time(kind: type[HybridIdentity] | type[X25519Identity]) -> None:
    # given
    file_key, recipient = FileKey.generate(), kind.generate().recipient

    # when
    one, other = recipient.wrap(file_key).stanza, recipient.wrap(file_key).stanza

    # then
    assert one.args[0] == other.args[0]
    assert one.args[1] != other.args[1]
    assert one.body != other.body


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda args, body: (args[:1], body), "a stanza {kind} has 1 arguments, not 2"),
        (lambda args, body: ((*args, "x"), body), "a stanza {kind} has 3 arguments, not 2"),
        (lambda args, body: (args, body + b"x"), "the body of a stanza {kind} has 33 bytes, not 32"),
        (lambda args, body: (args, body[:-1]), "the body of a stanza {kind} has 31 bytes, not 32"),
        (lambda args, body: ((args[0], "AAAA"), body), "the share of a stanza {kind} has 3 bytes, not {length}"),
        (lambda args, body: ((args[0], "AAA="), body), "a base64 text is not canonical"),
        (lambda args, body: ((args[0], "AAB"), body), "a base64 text is not canonical"),
        (
            lambda args, body: ((args[0], "AA_A"), body),
            "a base64 text has characters or a length that base64 does not know",
        ),
        (
            lambda args, body: ((args[0], "AAAAA"), body),
            "a base64 text has characters or a length that base64 does not know",
        ),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_unwrap__refuses_a_stanza_of_its_kind_that_breaks_the_rules(
    kind: type[HybridIdentity] | type[X25519Identity],
    change: Callable[[tuple[str, ...], bytes], tuple[tuple[str, ...], bytes]],
    fault: str,
) -> None:
    # given a stanza for the reader with one fault
    reader = kind.generate()
    whole = reader.recipient.wrap(FileKey.generate()).stanza
    args, body = change(whole.args, whole.body)

    # when
    with pytest.raises(HeaderMalformed) as caught:
        reader.unwrap([Stanza(args=args, body=body)])

    # then
    length = 1120 if kind is HybridIdentity else 32
    assert caught.value.fault == fault.format(kind=whole.args[0], length=length)


@pytest.mark.parametrize(
    "secret",
    [FileKey(bytes(range(16))), HybridIdentity.from_seed(SEED), X25519Identity.from_seed(SEED)],
    ids=["file key", "hybrid", "x25519"],
)
def test_secret__does_not_show(secret: FileKey | HybridIdentity | X25519Identity) -> None:
    # given a secret that was used, so that what is derived from it is at hand
    if not isinstance(secret, FileKey):
        secret.unwrap([secret.recipient.wrap(FileKey.generate()).stanza])

    # when it is shown in each way that a log or an assertion would
    shown = {repr(secret), str(secret), f"{secret}", f"{[secret]}"}

    # then
    name = type(secret).__name__
    assert shown == {f"{name}(secret)", f"[{name}(secret)]"}


def test_secret__cannot_be_changed() -> None:
    # given
    identity = HybridIdentity.from_seed(SEED)

    # when, then
    with pytest.raises(dataclasses.FrozenInstanceError):
        identity._bytes = bytes(32)  # type: ignore[misc]


def test_bad_identity__does_not_repeat_the_secret() -> None:
    # given an identity with a slip
    text = X25519Identity.from_seed(SEED).unsafe_export_secret()
    wrong = text[:-1] + ("Q" if text[-1] != "Q" else "P")

    # when
    with pytest.raises(BadIdentity) as identity_error:
        parse_identity(wrong)
    with pytest.raises(BadRecipient) as recipient_error:
        parse_recipient(text)

    # then no piece of it longer than its public prefix is in the errors
    pieces = {text[at : at + 8] for at in range(len("AGE-SECRET-KEY-1"), len(text) - 8)}
    said = "".join(map(str, [identity_error.value, vars(identity_error.value), recipient_error.value]))
    assert not [piece for piece in pieces if piece in said]
    assert identity_error.value.__cause__ is None


@pytest.mark.parametrize("kind", KINDS)
def test_recipient__is_a_value(kind: type[HybridIdentity] | type[X25519Identity]) -> None:
    # given
    recipient = kind.from_seed(SEED).recipient

    # when
    copied = pickle.loads(pickle.dumps(recipient))

    # then
    assert {copied, recipient} == {parse_recipient(str(recipient))}
