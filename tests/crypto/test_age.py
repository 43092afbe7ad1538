"""Sealing and opening as a caller does it: streams of every size, seeking, file keys, and what is refused at once."""

import io
import os
import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sealed_streams import NONCE, TAG, Drained, Failing, Repeating, Trickle, cut, drain

from theriac.crypto import age
from theriac.crypto.age import CHUNK, MAX_HEADER, MAX_STANZAS
from theriac.crypto.recipients import FileKey, HybridIdentity, Stanza, Wrapped, X25519Identity
from theriac.errors import (
    HeaderMalformed,
    HeaderTooLarge,
    MixedRecipients,
    NoMatchingIdentity,
    NoRecipients,
    NotAnAgeFile,
    PayloadTampered,
    PayloadTruncated,
    TheriacError,
    TooManyRecipients,
    WrongFileKey,
)

Identity = HybridIdentity | X25519Identity
READER = X25519Identity.generate()
SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK - 1, 2 * CHUNK, 2 * CHUNK + 1, 5 * CHUNK + 7]
PLAIN = os.urandom(3 * CHUNK + 100)
SEALED = age.seal_bytes(PLAIN, to=[READER.recipient])


@pytest.fixture(params=[HybridIdentity, X25519Identity])
def reader(request: pytest.FixtureRequest) -> Identity:
    return request.param.generate()


# -- there and back --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
def test_open_bytes__gives_what_was_sealed(reader: Identity, size: int) -> None:
    # given
    plain = os.urandom(size)

    # when
    sealed = age.seal_bytes(plain, to=[reader.recipient])

    # then
    assert age.open_bytes(sealed, identities=[reader]) == plain


@pytest.mark.parametrize(("size", "chunks"), [(0, 1), (1, 1), (CHUNK, 1), (CHUNK + 1, 2), (2 * CHUNK, 2)])
def test_seal__adds_a_tag_for_each_chunk(size: int, chunks: int) -> None:
    # given, when
    parts = cut(age.seal_bytes(bytes(size), to=[READER.recipient]))

    # then
    assert sum(map(len, parts.chunks)) == size + chunks * TAG


@pytest.mark.parametrize("most", [1, 7, 4096, CHUNK, 10**6])
def test_seal__takes_a_source_that_trickles(most: int) -> None:
    # given
    plain = os.urandom(CHUNK + 10)
    source, sink = Trickle(plain, most=most), io.BytesIO()

    # when
    age.seal(source, sink, to=[READER.recipient])

    # then
    assert age.open_bytes(sink.getvalue(), identities=[READER]) == plain


@pytest.mark.parametrize("most", [1, 7, 4096, CHUNK, 10**6])
def test_open__takes_a_source_that_trickles(most: int) -> None:
    # given
    sealed = age.seal_bytes(PLAIN[: CHUNK + 10], to=[READER.recipient])

    # when
    opened = age.open_(Trickle(sealed, most=most), identities=[READER])

    # then
    assert opened.read() == PLAIN[: CHUNK + 10]


class _ShortWrites(io.BytesIO):
    """A sink that takes at most 1000 bytes at a time, as a raw file or a socket may."""

    def write(self, data: memoryview) -> int:
        return super().write(data[:1000])


def test_seal__writes_on_where_a_sink_took_less() -> None:
    # given
    sink = _ShortWrites()

    # when
    age.seal(io.BytesIO(PLAIN), sink, to=[READER.recipient])

    # then
    assert age.open_bytes(sink.getvalue(), identities=[READER]) == PLAIN


def test_seal__is_fresh_each_time(reader: Identity) -> None:
    # given the same plaintext for the same reader, when
    one, other = (age.seal_bytes(b"penicillin", to=[reader.recipient]) for _ in range(2))

    # then no line of the header but the first, no nonce and no chunk is equal
    lines, other_lines = cut(one).header.splitlines(), cut(other).header.splitlines()
    assert set(lines) & set(other_lines) == {b"age-encryption.org/v1"}
    assert cut(one).nonce != cut(other).nonce
    assert cut(one).chunks[0] != cut(other).chunks[0]


def test_seal__to_several_opens_for_each_of_them(reader: Identity) -> None:
    # given
    readers = [reader, *(type(reader).generate() for _ in range(3))]

    # when
    sealed = age.seal_bytes(PLAIN, to=[each.recipient for each in readers])

    # then
    assert [age.open_bytes(sealed, identities=[each]) == PLAIN for each in readers] == [True] * 4


def test_seal__to_as_many_as_a_header_may_hold() -> None:
    # given
    reader, other = HybridIdentity.generate(), HybridIdentity.generate()

    # when
    sealed = age.seal_bytes(b"x", to=[other.recipient] * (MAX_STANZAS - 1) + [reader.recipient])

    # then
    assert len(cut(sealed).header) < MAX_HEADER
    assert age.open_bytes(sealed, identities=[reader]) == b"x"


@dataclass(frozen=True)
class _Known:
    """A recipient of another kind, and its identity: it knows the file's key, and wraps something else."""

    body: bytes

    def wrap(self, file_key: FileKey) -> Wrapped:
        return Wrapped(
            stanza=Stanza(args=("known", file_key.unsafe_export_secret().hex()), body=self.body), labels=frozenset()
        )

    def unwrap(self, stanzas: Sequence[Stanza]) -> FileKey | None:
        (stanza,) = stanzas
        assert stanza.body == self.body
        return FileKey(bytes.fromhex(stanza.args[1]))


@pytest.mark.parametrize("length", range(100))
def test_seal__to_a_recipient_with_a_stanza_of_any_length(length: int) -> None:
    # given stanzas whose last line is empty, nearly full and all between
    known = _Known(bytes(range(length)))

    # when
    sealed = age.seal_bytes(b"penicillin", to=[known])

    # then
    assert age.open_bytes(sealed, identities=[known]) == b"penicillin"


@pytest.mark.parametrize("amount", [1, 100, CHUNK - 1, CHUNK, CHUNK + 1, 1 << 20, -1])
def test_sealing_reader__gives_a_file_that_opens(amount: int) -> None:
    # given
    plain = PLAIN if amount != 1 else PLAIN[:1000]
    sealing = age.sealing_reader(io.BytesIO(plain), to=[READER.recipient])

    # when it is read in pieces of one size
    pieces = []
    while piece := sealing.read(amount):
        pieces.append(piece)

    # then every piece but the last is whole, and all together are the file
    assert {len(piece) for piece in pieces[:-1]} <= {amount}
    assert age.open_bytes(b"".join(pieces), identities=[READER]) == plain
    assert age.file_key_of(io.BytesIO(b"".join(pieces)), identities=[READER]) == sealing.file_key


def test_streams__stay_in_constant_memory() -> None:
    # given 64 MiB that are never in memory together
    size = 64 << 20
    source = Repeating(bytes(range(256)) * 64, size=size)

    # when they are sealed and opened in one go
    tracemalloc.start()
    opened = age.open_(age.sealing_reader(source, to=[READER.recipient]), identities=[READER])
    total = 0
    while piece := opened.read(CHUNK):
        total += len(piece)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    # then
    assert total == size
    assert peak < 2 << 20


# -- places ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    do: str
    amount: int


_STEPS = st.lists(
    st.one_of(
        st.builds(Step, st.just("read"), st.sampled_from([0, 1, 100, CHUNK, CHUNK + 1, 2 * CHUNK + 5, -1])),
        st.builds(Step, st.just("set"), st.integers(0, len(PLAIN) + CHUNK)),
        st.builds(Step, st.just("current"), st.integers(-CHUNK, CHUNK)),
        st.builds(Step, st.just("end"), st.integers(-len(PLAIN), CHUNK)),
    ),
    max_size=8,
)


def _take(step: Step, stream: BinaryIO) -> bytes | int:
    if step.do == "read":
        return stream.read(step.amount)
    if step.do == "current":
        return stream.seek(max(step.amount, -stream.tell()), os.SEEK_CUR)
    return stream.seek(step.amount, os.SEEK_SET if step.do == "set" else os.SEEK_END)


@settings(max_examples=60, deadline=None)
@given(steps=_STEPS)
def test_open__reads_and_seeks_like_the_plain_file(steps: list[Step]) -> None:
    # given the plaintext and its sealed form
    plain, opened = io.BytesIO(PLAIN), age.open_(io.BytesIO(SEALED), identities=[READER])

    # when both are used alike
    expected = [(_take(step, plain), plain.tell()) for step in steps]
    seen = [(_take(step, opened), opened.tell()) for step in steps]

    # then
    assert seen == expected


@pytest.mark.parametrize("size", SIZES)
def test_seek__from_the_end_knows_the_size(size: int) -> None:
    # given
    opened = age.open_(io.BytesIO(age.seal_bytes(bytes(size), to=[READER.recipient])), identities=[READER])

    # when
    found = opened.seek(0, os.SEEK_END)

    # then
    assert found == size
    assert opened.read() == b""


def test_open__starts_where_the_source_stands() -> None:
    # given a sealed file behind other bytes
    source = io.BytesIO(b"manifest" + SEALED)
    source.seek(8)

    # when
    opened = age.open_(source, identities=[READER])
    opened.seek(-10, os.SEEK_END)

    # then
    assert opened.read() == PLAIN[-10:]
    assert opened.seek(CHUNK - 1) == CHUNK - 1
    assert opened.read(2) == PLAIN[CHUNK - 1 : CHUNK + 1]


def test_open__one_chunk_away_reads_one_chunk() -> None:
    # given a long file whose source counts
    source = _Counting(SEALED)
    opened = age.open_(source, identities=[READER])
    before = source.taken

    # when a place in the third chunk is read
    opened.seek(2 * CHUNK + 500)
    piece = opened.read(10)

    # then
    assert piece == PLAIN[2 * CHUNK + 500 : 2 * CHUNK + 510]
    assert source.taken - before == CHUNK + TAG


def test_open__read_through__takes_each_byte_once_and_seeks_nowhere() -> None:
    # given a long file whose source counts
    source = _Counting(SEALED)
    opened = age.open_(source, identities=[READER])

    # when
    plain = opened.read()

    # then
    assert plain == PLAIN
    assert source.taken == len(SEALED)
    assert source.seeks == []


class _Counting(io.BytesIO):
    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.taken = 0
        self.seeks: list[tuple[int, int]] = []

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.taken += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self.seeks.append((offset, whence))
        return super().seek(offset, whence)


def test_seek__where_the_source_does_not() -> None:
    # given
    opened = age.open_(Trickle(SEALED, most=CHUNK), identities=[READER])

    # when, then
    assert not opened.seekable()
    with pytest.raises(io.UnsupportedOperation):
        opened.seek(0)
    with pytest.raises(io.UnsupportedOperation, match="the sealed source does not seek"):
        opened.raw.seek(0)  # what stands below the buffer
    assert opened.read() == PLAIN


def test_seek__before_the_start_or_by_no_known_way() -> None:
    # given
    opened = age.open_(io.BytesIO(SEALED), identities=[READER])

    # when, then the place is kept
    with pytest.raises(ValueError, match="negative seek position -1"):
        opened.seek(-1)
    with pytest.raises(ValueError, match="whence"):
        opened.seek(0, 9)
    with pytest.raises(ValueError, match=rf"invalid whence \({os.SEEK_DATA}\)"):
        opened.seek(0, os.SEEK_DATA)  # a way that Linux knows, so that it comes as far as here
    assert opened.read(5) == PLAIN[:5]


def test_seek__from_the_end_of_a_file_cut_at_a_chunk() -> None:
    # given a file without its last chunk
    parts = cut(SEALED)
    opened = age.open_(io.BytesIO(parts.join(*parts.chunks[:3])), identities=[READER])

    # when, then it has no size, and no end
    with pytest.raises(PayloadTruncated) as caught:
        opened.seek(0, os.SEEK_END)
    assert caught.value.chunks == 3
    assert isinstance(caught.value.chunks, int)


def test_read__past_the_end_of_a_file_cut_at_a_chunk() -> None:
    # given a file without its last chunk
    parts = cut(SEALED)
    opened = age.open_(io.BytesIO(parts.join(*parts.chunks[:3])), identities=[READER])

    # when it is read at a place far behind
    opened.seek(100 * CHUNK)
    with pytest.raises(PayloadTruncated) as caught:
        opened.read(1)

    # then it does not look like an end
    assert caught.value.chunks == 3


def test_seek__from_the_end_of_a_file_with_an_altered_last_chunk() -> None:
    # given
    opened = age.open_(io.BytesIO(SEALED[:-1] + bytes([SEALED[-1] ^ 1])), identities=[READER])

    # when
    with pytest.raises(PayloadTampered) as caught:
        opened.seek(0, os.SEEK_END)

    # then
    assert caught.value.chunk == 3


# -- sources and sinks that fail ---------------------------------------------------------------------------------------


def test_sealing_reader__does_not_close_a_gap_in_its_source() -> None:
    # given a source that loses bytes in the middle and goes on
    sealing = age.sealing_reader(Failing(PLAIN, good=CHUNK + 5), to=[READER.recipient])

    # when it is read on after the error
    errors = []
    for _ in range(3):
        with pytest.raises(OSError, match="the line went dead") as caught:
            sealing.read()
        errors.append(caught.value)

    # then it says the same each time
    assert errors == [errors[0]] * 3


def test_open__does_not_close_a_gap_in_its_source() -> None:
    # given a source that loses bytes in the second chunk and goes on
    opened = age.open_(Failing(SEALED, good=2 * CHUNK), identities=[READER])
    first = opened.read(CHUNK)

    # when it is read on after the error
    errors = []
    for _ in range(3):
        with pytest.raises(OSError, match="the line went dead") as caught:
            opened.read(CHUNK)
        errors.append(caught.value)

    # then
    assert first == PLAIN[:CHUNK]
    assert errors == [errors[0]] * 3


def test_open__repeats_what_it_found_wrong() -> None:
    # given a file whose second chunk is altered
    parts = cut(SEALED)
    opened = age.open_(io.BytesIO(parts.join(parts.chunks[0], parts.chunks[2], *parts.chunks[2:])), identities=[READER])
    opened.read(CHUNK)

    # when the reader tries on, elsewhere too
    errors = []
    for place in (CHUNK, 2 * CHUNK, 0):
        opened.seek(place)
        with pytest.raises(PayloadTampered) as caught:
            opened.read(CHUNK)
        errors.append(caught.value.chunk)

    # then
    assert errors == [1, 1, 1]


class _NotBlocking(Trickle):
    """A source that has nothing yet where another one would wait."""

    def readinto(self, buffer: memoryview) -> int | None:  # type: ignore[override]
        return None


def test_seal__refuses_a_source_that_does_not_block() -> None:
    # given
    sink = io.BytesIO()

    # when
    with pytest.raises(BlockingIOError, match="the source must block"):
        age.seal(_NotBlocking(b"", most=1), sink, to=[READER.recipient])

    # then "nothing yet" was not sealed as "nothing"
    with pytest.raises(PayloadTruncated):
        age.open_bytes(sink.getvalue(), identities=[READER])


class _Growing(io.BytesIO):
    """A source that says it ended, and then has more, as a log does that somebody writes."""

    def __init__(self, data: bytes, *, end: int) -> None:
        super().__init__(data)
        self._end: int | None = end

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() == self._end:
            self._end = None
            return b""
        return super().read(min(size or -1, self._end or 100))


@pytest.mark.parametrize("end", [0, 100, CHUNK])
def test_seal__ends_where_its_source_first_ended(end: int) -> None:
    # given
    sink = io.BytesIO()

    # when
    age.seal(_Growing(PLAIN, end=end), sink, to=[READER.recipient])

    # then
    assert age.open_bytes(sink.getvalue(), identities=[READER]) == PLAIN[:end]


def test_streams__stay_open() -> None:
    # given
    source, sink, sealed = io.BytesIO(PLAIN), io.BytesIO(), io.BytesIO(SEALED)

    # when
    age.seal(source, sink, to=[READER.recipient])
    with age.sealing_reader(source, to=[READER.recipient]):
        pass
    with age.open_(sealed, identities=[READER]):
        pass

    # then
    assert [stream.closed for stream in (source, sink, sealed)] == [False] * 3


# -- who may read ----------------------------------------------------------------------------------------------------


def test_open__by_a_stranger(reader: Identity) -> None:
    # given
    sealed = age.seal_bytes(PLAIN, to=[reader.recipient])
    strangers = [HybridIdentity.generate(), X25519Identity.generate(), type(reader).generate()]

    # when
    with pytest.raises(NoMatchingIdentity) as caught:
        age.open_(io.BytesIO(sealed), identities=strangers)

    # then
    assert caught.value.tried == 3


def test_open__with_no_identity() -> None:
    # given, when
    with pytest.raises(NoMatchingIdentity) as caught:
        age.open_(io.BytesIO(SEALED), identities=[])

    # then
    assert caught.value.tried == 0


def test_file_key__opens_its_file_and_not_its_sibling(reader: Identity) -> None:
    # given two files for one reader
    sink = io.BytesIO()
    file_key = age.seal(io.BytesIO(PLAIN), sink, to=[reader.recipient])
    sibling = age.seal_bytes(PLAIN, to=[reader.recipient])

    # when who has only the file key opens them
    opened = age.open_with_file_key(io.BytesIO(sink.getvalue()), file_key=file_key)

    # then
    assert opened.read() == PLAIN
    with pytest.raises(WrongFileKey):
        age.open_with_file_key(io.BytesIO(sibling), file_key=file_key)


def test_file_key_of__is_what_sealing_gave(reader: Identity) -> None:
    # given
    sink = io.BytesIO()
    file_key = age.seal(io.BytesIO(b"x"), sink, to=[reader.recipient])

    # when
    found = age.file_key_of(io.BytesIO(sink.getvalue()), identities=[type(reader).generate(), reader])

    # then
    assert found == file_key


def test_file_key_of__reads_no_payload() -> None:
    # given a large file
    source = Repeating(b"\0" * 4096, size=1 << 30)
    header = cut(age.seal_bytes(b"", to=[READER.recipient])).header
    chained = io.BufferedReader(_Chain(header, source), buffer_size=64)

    # when
    age.file_key_of(chained, identities=[READER])

    # then
    assert source.taken <= 2048


class _Chain(io.RawIOBase):
    def __init__(self, head: bytes, tail: Repeating) -> None:
        self._head = io.BytesIO(head)
        self._tail = tail

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:
        return self._head.readinto(buffer) or self._tail.readinto(buffer)


def test_open_with_file_key__checks_the_header() -> None:
    # given a file with one more stanza than it was sealed with
    sink = io.BytesIO()
    file_key = age.seal(io.BytesIO(PLAIN), sink, to=[READER.recipient])
    altered = sink.getvalue().replace(b"\n--- ", b"\n-> grease\n\n--- ", 1)

    # when, then
    with pytest.raises(WrongFileKey):
        age.open_with_file_key(io.BytesIO(altered), file_key=file_key)


# -- refused at once -------------------------------------------------------------------------------------------------


def test_seal__to_a_postquantum_and_a_classic_recipient() -> None:
    # given
    hybrid, classic = HybridIdentity.generate().recipient, X25519Identity.generate().recipient
    source, sink = io.BytesIO(PLAIN), io.BytesIO()

    # when
    with pytest.raises(MixedRecipients) as caught:
        age.seal(source, sink, to=[hybrid, classic, hybrid])

    # then nothing was read or written
    assert (caught.value.postquantum, caught.value.classic) == (2, 1)
    assert (source.tell(), sink.getvalue()) == (0, b"")
    with pytest.raises(MixedRecipients):
        age.sealing_reader(source, to=[classic, hybrid])


def test_seal__to_nobody() -> None:
    # given, when, then
    with pytest.raises(NoRecipients):
        age.seal_bytes(PLAIN, to=[])


def test_seal__to_more_than_a_header_may_hold() -> None:
    # given, when
    with pytest.raises(TooManyRecipients) as caught:
        age.seal_bytes(PLAIN, to=[READER.recipient] * (MAX_STANZAS + 1))

    # then
    assert (caught.value.count, caught.value.limit) == (MAX_STANZAS + 1, MAX_STANZAS)


@pytest.mark.parametrize(
    "data",
    [b"", b"age", b"age-encryption.org/v2\n-> X25519 a\n\n", b"-----BEGIN AGE ENCRYPTED FILE-----\n", b"\0" * 100],
)
def test_open__something_else(data: bytes) -> None:
    # given, when, then
    with pytest.raises(NotAnAgeFile):
        age.open_(io.BytesIO(data), identities=[READER])


@pytest.mark.parametrize(
    ("rest", "fault"),
    [
        (b"", "it ends in the middle"),
        (b"--- " + b"A" * 43 + b"\n", "it has no stanza"),
        (b"->\n\n--- " + b"A" * 43 + b"\n", "a line is neither a stanza's nor the MAC's"),
        (b"->  x\n\n--- " + b"A" * 43 + b"\n", "a line is neither a stanza's nor the MAC's"),
        (b"-> x\xe9\n\n--- " + b"A" * 43 + b"\n", "a line is neither a stanza's nor the MAC's"),
        (b"-> x\n" + b"A" * 65 + b"\n", "a line of a stanza's body is too long"),
        (b"-> x\n\xc3\xa9AA\n", "a base64 text has characters or a length that base64 does not know"),
        (
            b"-> x\n" + b"A" * 64 + b"\n--- " + b"A" * 43 + b"\n",
            "a base64 text has characters or a length that base64 does not know",
        ),
        (b"-> x\nAAB\n", "a base64 text is not canonical"),
        (b"-> x\n\n---" + b"A" * 43 + b"\n", "its MAC line is not one MAC"),
        (b"-> x\n\n--- " + b"A" * 42 + b"\n", "its MAC line is not one MAC"),
        (b"-> x\n\n----" + b"A" * 43 + b"\n", "its MAC line is not one MAC"),
        (b"-> x\n\n---x " + b"A" * 43 + b"\n", "its MAC line is not one MAC"),
        (b"-> x\n\n--- " + b"A" * 43, "it ends in the middle"),
    ],
)
def test_open__a_malformed_header(rest: bytes, fault: str) -> None:
    # given a version line and a header with one fault
    data = b"age-encryption.org/v1\n" + rest

    # when
    with pytest.raises(HeaderMalformed) as caught:
        age.open_(io.BytesIO(data), identities=[READER])

    # then
    assert caught.value.fault == fault


@pytest.mark.parametrize(
    ("start", "pattern", "limit", "of"),
    [
        (b"", b"a" * 4096, MAX_HEADER, "bytes"),
        (b"-> x\n", (b"A" * 64 + b"\n") * 60, MAX_HEADER, "bytes"),
        (b"", b"-> x\n\n" * 500, MAX_STANZAS, "stanzas"),
    ],
    ids=["one line", "one stanza", "stanzas"],
)
def test_open__a_header_without_end(start: bytes, pattern: bytes, limit: int, of: str) -> None:
    # given a gigabyte of header
    source = Repeating(pattern, size=1 << 30)
    file = io.BufferedReader(_Chain(b"age-encryption.org/v1\n" + start, source), buffer_size=64)

    # when
    with pytest.raises(HeaderTooLarge) as caught:
        age.open_(file, identities=[READER])

    # then no more was taken than a header may have
    assert (caught.value.limit, caught.value.of) == (limit, of)
    assert source.taken <= MAX_HEADER + 4096


@pytest.mark.parametrize(("extra", "error"), [(0, NoMatchingIdentity), (1, HeaderTooLarge)])
def test_open__a_header_at_the_limit(extra: int, error: type[TheriacError]) -> None:
    # given a header of exactly the 256 KiB that are read, or a byte more
    start, end = b"age-encryption.org/v1\n-> ", b"\n\n--- " + b"A" * 43 + b"\n"
    header = start + b"x" * (256 * 1024 - len(start) - len(end) + extra) + end

    # when, then
    with pytest.raises(error):
        age.open_(io.BytesIO(header + bytes(100)), identities=[READER])


@pytest.mark.parametrize(("missing", "error"), [(1, HeaderMalformed), (0, HeaderTooLarge)])
def test_open__a_line_cut_at_the_limit(missing: int, error: type[TheriacError]) -> None:
    # given a file that ends in the middle of a line, before the longest header does or right there
    start = b"age-encryption.org/v1\n-> "
    header = start + b"x" * (MAX_HEADER - len(start) - missing)

    # when, then
    with pytest.raises(error):
        age.open_(io.BytesIO(header), identities=[READER])


def test_drain__of_a_whole_file() -> None:
    # given, when
    drained = drain(age.open_(io.BytesIO(SEALED), identities=[READER]))

    # then
    assert drained == Drained(plain=PLAIN, error=None)
    assert len(cut(SEALED).nonce) == NONCE
