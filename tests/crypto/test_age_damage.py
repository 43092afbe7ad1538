"""Every kind of damage to a sealed file ends in a named error, and gives out only the chunks before it."""

import io
import os
from collections import Counter

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sealed_streams import NONCE, SEALED_CHUNK, TAG, Drained, Parts, Trickle, cut, drain

from theriac.crypto import age
from theriac.crypto.age import CHUNK
from theriac.crypto.recipients import FileKey, HybridIdentity, X25519Identity
from theriac.errors import (
    HeaderMalformed,
    HeaderTampered,
    NoMatchingIdentity,
    NotAnAgeFile,
    PayloadTampered,
    PayloadTruncated,
    TheriacError,
    TrailingData,
)

READER = X25519Identity.generate()
PLAIN = os.urandom(3 * CHUNK + 100)
PARTS = cut(age.seal_bytes(PLAIN, to=[READER.recipient]))
FULL = os.urandom(2 * CHUNK)
FULL_PARTS = cut(age.seal_bytes(FULL, to=[READER.recipient]))


def _outcome(sealed: bytes, *, reader: X25519Identity | HybridIdentity = READER) -> Drained:
    """The same from a source that seeks and from one that does not."""
    outcomes = []
    for source in (io.BytesIO(sealed), Trickle(sealed, most=CHUNK)):
        try:
            outcomes.append(drain(age.open_(source, identities=[reader])))
        except TheriacError as error:
            outcomes.append(Drained(plain=b"", error=type(error)))
    assert outcomes[0] == outcomes[1]
    return outcomes[0]


# -- cut short -------------------------------------------------------------------------------------------------------


# property H22
@pytest.mark.parametrize("boundary", [0, 1, 2, 3])
@pytest.mark.parametrize(
    ("offset", "error"),
    [
        (-1, PayloadTampered),
        (0, PayloadTruncated),
        (1, PayloadTruncated),
        (TAG - 1, PayloadTruncated),
        (TAG, PayloadTampered),
        (TAG + 1, PayloadTampered),
    ],
)
def test_open__cut_near_a_chunk(boundary: int, offset: int, error: type[TheriacError]) -> None:
    # given a file that ends near the start of a chunk
    payload = b"".join(PARTS.chunks)
    end = boundary * SEALED_CHUNK + offset
    if end < 0:
        sealed, error = PARTS.header + PARTS.nonce[:-1], HeaderMalformed
    else:
        sealed = PARTS.join(payload[:end])

    # when
    outcome = _outcome(sealed)

    # then the chunks that are whole were given out, and no more
    whole = max(end, 0) // SEALED_CHUNK
    assert outcome == Drained(plain=PLAIN[: whole * CHUNK], error=error)


@pytest.mark.parametrize("kind", [X25519Identity, HybridIdentity])
def test_open__cut_anywhere(kind: type[X25519Identity] | type[HybridIdentity]) -> None:
    # given a small file, and where its parts end
    reader = kind.generate()
    sealed = age.seal_bytes(b"penicillin", to=[reader.recipient])
    header = len(cut(sealed).header)

    # when it is cut at every place
    outcomes = [_outcome(sealed[:end], reader=reader) for end in range(len(sealed))]

    # then
    expected = [NotAnAgeFile] * len("age-encryption.org/v1\n")
    expected += [HeaderMalformed] * (header + NONCE - len(expected))
    expected += [PayloadTruncated] * TAG
    expected += [PayloadTampered] * (len(sealed) - len(expected))
    assert outcomes == [Drained(plain=b"", error=error) for error in expected]


@pytest.mark.parametrize("end", [0, 1, TAG - 1])
def test_open__full_chunks_cut_at_the_last(end: int) -> None:
    # given a plaintext of whole chunks, whose last one is missing
    sealed = FULL_PARTS.join(FULL_PARTS.chunks[0], FULL_PARTS.chunks[1][:end])

    # when
    outcome = _outcome(sealed)

    # then
    assert outcome == Drained(plain=FULL[:CHUNK], error=PayloadTruncated)


# -- in another order ------------------------------------------------------------------------------------------------


# property H22
@pytest.mark.parametrize(
    ("order", "whole"),
    [
        ((1, 0, 2, 3), 0),
        ((0, 2, 1, 3), 1),
        ((3, 1, 2, 0), 0),
        ((0, 0, 1, 2, 3), 1),
        ((0, 1, 1, 2, 3), 2),
        ((1, 2, 3), 0),
        ((0, 2, 3), 1),
        ((0, 1, 3), 2),
        ((3,), 0),
    ],
)
def test_open__chunks_moved_doubled_or_dropped(order: tuple[int, ...], whole: int) -> None:
    # given
    sealed = PARTS.join(*[PARTS.chunks[place] for place in order])

    # when
    outcome = _outcome(sealed)

    # then
    assert outcome == Drained(plain=PLAIN[: whole * CHUNK], error=PayloadTampered)


def test_open__a_chunk_of_another_file_for_the_same_reader() -> None:
    # given
    other = cut(age.seal_bytes(PLAIN, to=[READER.recipient]))
    sealed = PARTS.join(PARTS.chunks[0], other.chunks[1], *PARTS.chunks[2:])

    # when
    outcome = _outcome(sealed)

    # then
    assert outcome == Drained(plain=PLAIN[:CHUNK], error=PayloadTampered)


@pytest.mark.parametrize("extra", [b"\0", bytes(TAG - 1), bytes(TAG), bytes(TAG + 1), bytes(SEALED_CHUNK)])
def test_open__bytes_behind_a_full_last_chunk(extra: bytes) -> None:
    # given a last chunk that is full, so that its own tag says nothing of what follows
    sealed = FULL_PARTS.join(*FULL_PARTS.chunks, extra)

    # when
    outcome = _outcome(sealed)

    # then all of it is authentic, but the end is not
    assert outcome == Drained(plain=FULL, error=TrailingData)


def test_seek__from_the_end_with_bytes_behind_a_full_last_chunk() -> None:
    # given the last chunk, then the whole last chunk again
    sealed = FULL_PARTS.join(*FULL_PARTS.chunks, FULL_PARTS.chunks[1])
    fresh, used = (age.open_(io.BytesIO(sealed), identities=[READER]) for _ in range(2))
    used.read(2 * CHUNK)

    # when, then neither a fresh reader nor one that has seen the last chunk takes this for the end
    with pytest.raises(PayloadTampered):
        fresh.seek(0, os.SEEK_END)
    with pytest.raises(TrailingData) as trailing:
        used.seek(0, os.SEEK_END)
    assert trailing.value.chunk == 1


def test_seek__from_the_end_with_one_byte_behind_a_full_last_chunk() -> None:
    # given
    opened = age.open_(io.BytesIO(FULL_PARTS.join(*FULL_PARTS.chunks, b"\0")), identities=[READER])

    # when the last chunk is looked for by the file's length, then that byte counts, and is no whole one
    with pytest.raises(PayloadTruncated) as caught:
        opened.seek(0, os.SEEK_END)
    assert caught.value.chunks == 2


def test_open__an_empty_last_chunk_behind_a_full_one() -> None:
    # given a file by a writer who ended a full chunk with an empty one, which the format forbids
    sink = io.BytesIO()
    file_key = age.seal(io.BytesIO(PLAIN[: CHUNK + 1]), sink, to=[READER.recipient])
    parts = cut(sink.getvalue())
    forged = parts.join(parts.chunks[0], _last_chunk(1, b"", parts=parts, file_key=file_key))

    # when
    with pytest.raises(PayloadTampered) as caught:
        age.open_bytes(forged, identities=[READER])

    # then
    assert caught.value.chunk == 1


def test_read__of_a_last_chunk_before_the_last() -> None:
    # given a file by a writer who called two chunks the last, opened at its end
    sink = io.BytesIO()
    file_key = age.seal(io.BytesIO(b""), sink, to=[READER.recipient])
    parts = cut(sink.getvalue())
    forged = parts.join(_last_chunk(0, FULL[:CHUNK], parts=parts, file_key=file_key)) + _last_chunk(
        1, b"penicillin", parts=parts, file_key=file_key
    )
    opened = age.open_(io.BytesIO(forged), identities=[READER])
    size = opened.seek(0, os.SEEK_END)

    # when what stands before is read
    opened.seek(0)
    with pytest.raises(TrailingData) as caught:
        opened.read(1)

    # then
    assert size == CHUNK + len(b"penicillin")
    assert caught.value.chunk == 0


def _last_chunk(number: int, plain: bytes, *, parts: Parts, file_key: FileKey) -> bytes:
    """What the format's specification ("Payload") makes of a last chunk, whatever stands behind it."""
    derive = HKDF(algorithm=SHA256(), length=32, salt=parts.nonce, info=b"payload")
    key = derive.derive(file_key.unsafe_export_secret())
    return ChaCha20Poly1305(key).encrypt(number.to_bytes(11, "big") + b"\x01", plain, None)


def test_open__two_files_behind_one_another() -> None:
    # given
    sealed = FULL_PARTS.join(*FULL_PARTS.chunks)

    # when
    outcome = _outcome(sealed + sealed)

    # then
    assert outcome == Drained(plain=FULL, error=TrailingData)


# -- a flipped bit ---------------------------------------------------------------------------------------------------


def _flip(data: bytes, *, at: int, bit: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


# property H22
def test_open__any_bit_flipped() -> None:
    # given a small file, and what damage to each part may come to
    sealed = age.seal_bytes(b"penicillin", to=[READER.recipient])
    header = len(cut(sealed).header)
    stanza = {HeaderMalformed, NoMatchingIdentity}
    allowed = [{NotAnAgeFile}] * len("age-encryption.org/v1\n")
    allowed += [stanza] * (sealed.index(b"\n--- ") + 1 - len(allowed))
    allowed += [{HeaderMalformed, HeaderTampered}] * (header - len(allowed))
    allowed += [{PayloadTampered}] * (len(sealed) - len(allowed))

    # when every bit is flipped, one at a time
    outcomes = [[_outcome(_flip(sealed, at=at, bit=bit)) for bit in range(8)] for at in range(len(sealed))]

    # then
    wrong = [
        (at, outcome)
        for at, row in enumerate(outcomes)
        for outcome in row
        if outcome.plain or outcome.error not in allowed[at]
    ]
    assert wrong == []
    assert Counter(outcome.error for row in outcomes for outcome in row).keys() == {
        NotAnAgeFile,
        HeaderMalformed,
        NoMatchingIdentity,
        HeaderTampered,
        PayloadTampered,
    }


def test_open__a_bit_of_each_byte_flipped_in_a_postquantum_file() -> None:
    # given
    reader = HybridIdentity.generate()
    sealed = age.seal_bytes(b"penicillin", to=[reader.recipient])
    named = {NotAnAgeFile, HeaderMalformed, NoMatchingIdentity, HeaderTampered, PayloadTampered}

    # when one bit of each byte is flipped, another one in the next byte
    outcomes = [_outcome(_flip(sealed, at=at, bit=at % 8), reader=reader) for at in range(len(sealed))]

    # then
    assert {outcome.plain for outcome in outcomes} == {b""}
    assert {outcome.error for outcome in outcomes} == named


# property H22
@pytest.mark.parametrize("chunk", [0, 1, 2, 3])
@pytest.mark.parametrize("place", [0, 50, -TAG, -1])
def test_open__a_bit_flipped_in_a_chunk(chunk: int, place: int) -> None:
    # given
    chunks = list(PARTS.chunks)
    chunks[chunk] = _flip(chunks[chunk], at=place % len(chunks[chunk]), bit=3)

    # when
    outcome = _outcome(PARTS.join(*chunks))

    # then
    assert outcome == Drained(plain=PLAIN[: chunk * CHUNK], error=PayloadTampered)


def test_read__of_an_altered_chunk_leaves_nothing_in_the_readers_memory() -> None:
    # given a reader's own memory, and a file whose only chunk has a wrong tag
    sealed = age.seal_bytes(b"penicillin", to=[READER.recipient])
    opened = age.open_(io.BytesIO(_flip(sealed, at=len(sealed) - 1, bit=0)), identities=[READER])
    memory = bytearray(CHUNK)

    # when
    with pytest.raises(PayloadTampered):
        opened.readinto(memory)

    # then
    assert memory == bytes(CHUNK)
