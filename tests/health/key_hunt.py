"""An adversary with every byte that was ever stored and some keys: tries each key on each sealed file, and takes every
key out of whatever opens, until nothing new opens.

It knows the formats but not what a field is for: whatever looks like 32 bytes is a seed, of hours and of an identity,
whatever looks like 16 a file key, and whatever opens may hold more of both, and more sealed files.
"""

import base64
import binascii
import io
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from theriac.crypto import age
from theriac.crypto.recipients import FileKey, HybridIdentity
from theriac.errors import TheriacError
from theriac.health.hours import Node, identity_of, root

_SEED, _FILE_KEY = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9a-f]{32}")


class Hunt:
    """What can be opened of `blobs`, with the leaves of the hours at which anything was ever sealed."""

    def __init__(self, blobs: Iterable[bytes], *, hours: Iterable[int], digests: Iterable[str]) -> None:
        """`digests` are known to be no seeds, which saves trying them."""
        self.opened: dict[bytes, bytes] = {}
        self.hours = sorted(hours)
        self._digests = set(digests)
        self._shut: dict[bytes, None] = {}
        self._new: set[bytes] = set()
        self._identities: list[HybridIdentity] = []
        self._waiting: dict[HybridIdentity, None] = {}
        self._keys: set[str] = set()
        self._tried: set[tuple[bytes, str]] = set()
        for blob in blobs:
            self._read(blob)

    def take(self, *secrets: bytes | HybridIdentity) -> "Hunt":
        """Gives the adversary identities, and plain documents that are full of keys; and has it search."""
        for each in secrets:
            if isinstance(each, HybridIdentity):
                self._waiting[each] = None
            else:
                self._read(each)
        while self._waiting or self._new or self._try_keys():
            self._try_identities()
        return self

    def opens(self, blob: bytes) -> bool:
        return blob in self.opened

    # -- searching ---------------------------------------------------------------------------------------------------

    def _try_identities(self) -> None:
        fresh, new = [each for each in self._waiting if each not in self._identities], self._new
        self._waiting, self._new = {}, set()
        for blob in list(self._shut):
            for identity in [*self._identities, *fresh] if blob in new else fresh:
                try:
                    self._open(blob, age.file_key_of(io.BytesIO(blob), identities=[identity]))
                    break
                except TheriacError:
                    continue
        self._identities += fresh

    def _try_keys(self) -> bool:
        """Whether a file key opened anything."""
        found = False
        for blob in list(self._shut):
            for key in [each for each in self._keys if (blob, each) not in self._tried]:
                self._tried.add((blob, key))
                try:
                    self._open(blob, FileKey(bytes.fromhex(key)))
                    found = True
                    break
                except TheriacError:
                    continue
        return found

    def _open(self, blob: bytes, key: FileKey) -> None:
        self.opened[blob] = age.open_with_file_key(io.BytesIO(blob), file_key=key).read()
        del self._shut[blob]
        self._read(self.opened[blob])

    # -- reading -----------------------------------------------------------------------------------------------------

    def _read(self, data: bytes) -> None:
        """A sealed file, a document, or a frame around one."""
        if data.startswith(b"age-encryption.org/v1\n"):
            if data not in self.opened and data not in self._shut:
                self._shut[data] = None
                self._new.add(data)
            return
        for begin in (0, 4):
            end = begin + int.from_bytes(data[:4], "big") if begin else len(data)
            try:
                document = json.loads(data[begin:end])
            except (ValueError, UnicodeDecodeError):
                continue
            if isinstance(document, dict):
                self._take_from(document)
                return

    def _take_from(self, value: Any) -> None:
        for each in _parts(value):
            if isinstance(each, tuple):
                depth, index, key = each
                node = Node(depth, index, bytes.fromhex(key))
                self._learn(identity_of(node.leaf(hour)) for hour in self.hours if hour in node.hours)
            elif _SEED.fullmatch(each):
                if each not in self._digests:
                    seed = bytes.fromhex(each)
                    self._learn([HybridIdentity.from_seed(seed), identity_of(seed)])
                    self._learn(identity_of(root(seed).leaf(hour)) for hour in self.hours)
            elif _FILE_KEY.fullmatch(each):
                self._keys.add(each)
            elif len(each) > 200:
                try:
                    self._read(base64.b64decode(each, validate=True))
                except binascii.Error:
                    continue

    def _learn(self, identities: Iterable[HybridIdentity]) -> None:
        self._waiting |= dict.fromkeys(identities)


def _parts(value: Any) -> Iterator[Any]:
    """The texts of a document, and the nodes of hours as they are written."""
    if isinstance(value, dict):
        for each in value.values():
            yield from _parts(each)
    elif isinstance(value, list):
        if len(value) == 3 and isinstance(value[0], int) and isinstance(value[1], int) and isinstance(value[2], str):
            yield (value[0], value[1], value[2])
            return
        for each in value:
            yield from _parts(each)
    elif isinstance(value, str):
        yield value
