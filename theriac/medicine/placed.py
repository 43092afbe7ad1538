"""Many small values kept close together: a million serials in thirty megabytes, not in two hundred."""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import overload

from theriac.errors import NoSuchPlace
from theriac.medicine.tree import CAPACITY

_HASH = 32


class Texts(Sequence[str]):
    """Texts one after the other. They are appended and never changed."""

    __slots__ = ("_data", "_ends")

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._data = bytearray()
        self._ends = array("I")
        for text in texts:
            self.append(text)

    def append(self, text: str) -> None:
        self.append_bytes(text.encode())

    def append_bytes(self, text: bytes) -> None:
        """Appends a text that is encoded in UTF-8 already."""
        self._data += text
        self._ends.append(len(self._data))

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> "Texts": ...
    def __getitem__(self, place: int | slice) -> "str | Texts":
        if isinstance(place, slice):
            return Texts(self[number] for number in range(len(self))[place])
        return self.bytes_at(place).decode()

    def bytes_at(self, place: int) -> bytes:
        """The text at a place in UTF-8. Raises IndexError."""
        if place < 0:
            place += len(self._ends)
        if not 0 <= place < len(self._ends):
            raise IndexError(place)
        start = self._ends[place - 1] if place else 0
        return bytes(self._data[start : self._ends[place]])

    def __iter__(self) -> Iterator[str]:
        start = 0
        for end in self._ends:
            yield self._data[start:end].decode()
            start = end

    def each(self) -> Iterator[bytes]:
        """The texts in UTF-8."""
        start = 0
        for end in self._ends:
            yield bytes(self._data[start:end])
            start = end


class Serials(Mapping[int, str]):
    """The serials of packs by their index, in ascending order of it."""

    __slots__ = ("_places", "_texts")

    def __init__(self, pairs: Iterable[tuple[int, str]] = ()) -> None:
        """Raises NoSuchPlace for an index that is out of order."""
        self._places, self._texts = array("I"), Texts()
        for index, serial in pairs:
            self.append(index, serial.encode())

    @classmethod
    def of(cls, values: Mapping[int, str]) -> "Serials":
        return values if isinstance(values, Serials) else cls(sorted(values.items()))

    def append(self, index: int, serial: bytes) -> None:
        """Appends the serial, in UTF-8, of a pack behind all others. Raises NoSuchPlace where it is not behind."""
        if not (self._places[-1] if self._places else -1) < index < CAPACITY:
            raise NoSuchPlace(node=CAPACITY + index)
        self._places.append(index)
        self._texts.append_bytes(serial)

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[int]:
        return iter(self._places)

    def __getitem__(self, index: int) -> str:
        return self._texts[_found(self._places, index)]

    def __repr__(self) -> str:
        return f"Serials({len(self)} of them)"

    def pairs(self) -> Iterator[tuple[int, bytes]]:
        """Index and serial in UTF-8."""
        return zip(self._places, self._texts.each(), strict=True)

    def rows(self) -> Iterator[tuple[int, str]]:
        """Index and serial."""
        return zip(self._places, self._texts, strict=True)


class Leaves(Mapping[int, bytes]):
    """Leaves of 32 bytes by their index, in ascending order of it."""

    __slots__ = ("_hashes", "_places")

    def __init__(self, pairs: Iterable[tuple[int, bytes]] = ()) -> None:
        """Raises NoSuchPlace for an index that is out of order."""
        self._places, self._hashes = array("I"), bytearray()
        for index, leaf in pairs:
            self.append(index, leaf)

    @classmethod
    def of(cls, values: Mapping[int, bytes]) -> "Leaves":
        return values if isinstance(values, Leaves) else cls(sorted(values.items()))

    def append(self, index: int, leaf: bytes) -> None:
        """Appends the leaf of a pack behind all others. Raises NoSuchPlace where it is not behind."""
        if not (self._places[-1] if self._places else -1) < index < CAPACITY or len(leaf) != _HASH:
            raise NoSuchPlace(node=CAPACITY + index)
        self._places.append(index)
        self._hashes += leaf

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[int]:
        return iter(self._places)

    def __getitem__(self, index: int) -> bytes:
        found = _found(self._places, index)
        return bytes(self._hashes[_HASH * found : _HASH * (found + 1)])

    def __repr__(self) -> str:
        return f"Leaves({len(self)} of them)"

    def pairs(self) -> Iterator[tuple[int, bytes]]:
        """Index and leaf."""
        for number, index in enumerate(self._places):
            yield index, bytes(self._hashes[_HASH * number : _HASH * (number + 1)])


def _found(places: "array[int]", index: int) -> int:
    found = bisect_left(places, index)
    if found == len(places) or places[found] != index:
        raise KeyError(index)
    return found
