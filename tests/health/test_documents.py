"""How documents are read: no room is made for what is not there."""

import io
import tracemalloc

import pytest

from theriac.crypto import age
from theriac.crypto.recipients import X25519Identity
from theriac.errors import BadDocument
from theriac.health import documents

READER = X25519Identity.generate()


def test_open__a_short_document__takes_no_more_room_than_it_is_long() -> None:
    # given
    sealed = documents.seal(b"short", to=READER.recipient)

    # when
    tracemalloc.start()
    opened = documents.open_(sealed, identities=[READER])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    # then: the longest document that is allowed has 256 MiB
    assert opened == b"short"
    assert peak < 8 << 20


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20])
def test_read_at_most__as_long_as_is_allowed__is_read_and_a_byte_more_is_not(size: int) -> None:
    data = bytes(size)

    assert documents.read_at_most(io.BytesIO(data), size) == data
    with pytest.raises(BadDocument):
        documents.read_at_most(io.BytesIO(data + b"."), size)


def test_open__a_length_beyond_what_follows__is_refused() -> None:
    sealed = age.seal_bytes((2**32 - 1).to_bytes(4, "big") + b"short", to=[READER.recipient])

    with pytest.raises(BadDocument):
        documents.open_(sealed, identities=[READER])
