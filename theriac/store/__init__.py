"""Where sealed files are kept: a folder, or an IPFS node. Both give the same bytes the same identifier.

`theriac.store.kubo` is imported by whoever speaks to a node; its client takes half a second to load.
"""

from typing import BinaryIO, Protocol

from theriac.store.cid import Cid, Codec, compute
from theriac.store.local import Collected, LocalStore

__all__ = ["Cid", "Codec", "Collected", "LocalStore", "Store", "compute"]


class Store(Protocol):
    """What keeps files under the digest of their bytes. `LocalStore` and `KuboStore` are the two that exist.

    A file is stored or it is not: nothing half-written is ever seen. A pin is there or it is not: pins do not count,
    so one unpin ends any number of puts and pins of the same bytes.
    """

    def put(self, stream: BinaryIO) -> Cid:
        """Store and pin what is left of `stream`, in constant memory; the same bytes always give the same Cid."""

    def get(self, cid: Cid) -> BinaryIO:
        """A seekable reader that releases no byte before its block was verified, and fetches what it is asked for.

        Raises NotStored, and WrongBytes or BadBlock (both Tampered): here for the first block, later for others.
        """

    def get_digest(self, digest: bytes) -> BinaryIO:
        """As `get`, for the sha2-256 of 32 bytes that stands on the chain."""

    def resolve(self, digest: bytes) -> Cid:
        """The Cid of the file whose root has the sha2-256 `digest`. Raises NotStored, WrongBytes."""

    def pin(self, cid: Cid) -> None:
        """Keep a whole file until it is unpinned. Raises NotStored where a block of it cannot be had."""

    def unpin(self, cid: Cid) -> None:
        """Allow a file to be removed. No error where it was not pinned."""

    def has(self, cid: Cid) -> bool:
        """Whether every block of the file is here, pinned or not."""
