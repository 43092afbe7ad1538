"""A store that is a Kubo node, reached over its HTTP interface. The node is trusted for nothing but keeping.

Every import option is spelled out, whatever the node's own configuration says; what is put is hashed on its way, and
what is got is verified block by block.
"""

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from types import TracebackType
from typing import BinaryIO

import ipfshttpclient  # type: ignore[import-untyped]
from ipfshttpclient import exceptions
from requests.exceptions import ConnectTimeout

from theriac.errors import BadNodeAddress, NodeFailed, NodeUnreachable, NotStored, Tampered, Unavailable, WrongCid
from theriac.store.blocks import Blocks
from theriac.store.cid import CHUNK_BYTES, MAX_LINKS, Cid, Tree

_PIECE_BYTES = 64 << 10
_NOT_PINNED = "not pinned"

_IMPORT = {
    "chunker": f"size-{CHUNK_BYTES}",
    "cid_version": 1,
    "raw_leaves": True,
    "trickle": False,
    "wrap_with_directory": False,
    "only_hash": False,
    "nocopy": False,
    "pin": True,
}
"""The options of `unixfs-v1-2025` that the client knows by name, and that the file is kept and pinned."""

_IMPORT_MORE = {
    "hash": "sha2-256",
    "max-file-links": str(MAX_LINKS),
    "inline": "false",
    "preserve-mode": "false",
    "preserve-mtime": "false",
    "fscache": "false",
    "fast-provide-root": "false",
    "fast-provide-dag": "false",
    "progress": "false",
}
"""The options that the client does not know by name."""


class KuboStore(Blocks):
    """The Kubo node at `address`, a multiaddress such as `/ip4/127.0.0.1/tcp/5001`.

    `timeout` bounds each silence of the node, not the whole of a long answer. Raises BadNodeAddress. Nothing is sent
    before the first call. One thread at a time; close it, or use it in a `with`.
    """

    def __init__(self, address: str, *, timeout: timedelta = timedelta(seconds=30)) -> None:
        self._address = address
        self._timeout = timeout
        try:
            # Not connect(): it warns of every node younger than the client, and calls before anything was asked.
            self._client = ipfshttpclient.Client(
                address, chunk_size=CHUNK_BYTES, timeout=timeout.total_seconds(), session=True
            )
        except exceptions.AddressError:
            raise BadNodeAddress(address=address) from None

        session = self._client._client._session
        # Ciphertext goes to the address given, not to a proxy that the environment names.
        session.trust_env = False
        # The client still sets an option that urllib3 warns of at every call.
        for adapter in session.adapters.values():
            adapter.poolmanager.connection_pool_kw.pop("strict", None)

    @property
    def place(self) -> str:
        return self._address

    def __enter__(self) -> "KuboStore":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection; readers that are still open fail from then on."""
        self._client.close()

    def put(self, stream: BinaryIO) -> Cid:
        """Store what is left of `stream` at the node, in constant memory, and pin it there.

        Raises WrongCid where the node reports another identifier than the bytes have, NodeUnreachable, NodeFailed, and
        whatever `stream` raises; what the node took by then is unpinned and goes with its next collection.
        """
        source = _Source(stream)
        try:
            with self._talking():
                answer = self._client.add(source, **_IMPORT, opts=dict(_IMPORT_MORE))
                reported = str(answer["Hash"])
        except Unavailable:
            if source.error is None:
                raise
        # The HTTP library takes the source's own error for a broken connection, or for the end of the file.
        if source.error is not None:
            raise source.error

        computed = source.tree.finish()
        if reported != str(computed):
            raise WrongCid(address=self._address, reported=_plain(reported), computed=str(computed))
        return computed

    def pin(self, cid: Cid) -> None:
        """Have the node keep the file `cid`, which it fetches from its peers where it must. Waits while that goes on.

        Raises NotStored where no block came for as long as the timeout, WrongBytes or BadBlock, NodeUnreachable.
        """
        # A pin is for what `put` makes: the node alone would follow any tree, however wide.
        for _ in self.tree(cid):
            pass

        options = {"progress": "true", "fast-provide-root": "false", "fast-provide-dag": "false"}
        with self._talking(cid), self._client.pin.add(str(cid), stream=True, opts=options) as answers:
            if not self._comes_to_pin(answers):
                raise NotStored(cid=str(cid), store=self._address)

    def unpin(self, cid: Cid) -> None:
        """Let the node's next collection remove what only the file `cid` needs. A file that is not pinned stays so."""
        try:
            with self._talking():
                self._client.pin.rm(str(cid))
        except NodeFailed as refused:
            if _NOT_PINNED not in refused.answer:
                raise

    def has(self, cid: Cid) -> bool:
        """Whether the node itself has all blocks of the file `cid`; its peers are not asked."""
        try:
            if self._is_pinned(cid):
                return True
            here = _NoPeers(self)
            return all(here.holds(part) for part in here.tree(cid))
        except (NotStored, Tampered):
            return False

    def fetch(self, cid: Cid, *, limit: int) -> bytes:
        return self._fetch(cid, limit=limit, peers=True)

    def _fetch(self, cid: Cid, *, limit: int, peers: bool) -> bytes:
        with self._talking(cid):
            # Not block.get(): it takes in whatever length the node announces before anyone can look at it.
            closables, pieces = self._client._client._request(
                "POST",
                "block/get",
                [("arg", str(cid)), ("offline", "false" if peers else "true")],
                auth=None,
                data=None,
                headers=None,
                timeout=None,
                chunk_size=_PIECE_BYTES,
            )
            with contextlib.ExitStack() as closing:
                for closable in closables:
                    closing.callback(closable.close)
                block = bytearray()
                for piece in pieces:
                    block += piece
                    if len(block) > limit:
                        break
                return bytes(block[: limit + 1])

    def _holds(self, cid: Cid) -> bool:
        with self._talking(cid):
            self._client.block.stat(str(cid), offline=True)
        return True

    def _is_pinned(self, cid: Cid) -> bool:
        try:
            with self._talking():
                self._client.pin.ls(str(cid), type="recursive")
        except NodeFailed as refused:
            if _NOT_PINNED not in refused.answer:
                raise
            return False
        return True

    def _comes_to_pin(self, answers: Iterable[Mapping[str, object]]) -> bool:
        """Whether the node pins before it has stood still for the timeout; it tells its progress twice a second."""
        progress: object = None
        deadline = 0.0
        for answer in answers:
            if "Pins" in answer:
                return True
            if answer.get("Progress") != progress or not deadline:
                progress, deadline = answer.get("Progress"), time.monotonic() + self._timeout.total_seconds()
            if time.monotonic() > deadline:
                return False
        return False

    @contextlib.contextmanager
    def _talking(self, cid: Cid | None = None) -> Iterator[None]:
        """The client's errors in the words of a store; `cid` is the block that was asked for."""
        try:
            yield
        except exceptions.TimeoutError as error:
            if cid is not None and not isinstance(error.original, ConnectTimeout):
                raise NotStored(cid=str(cid), store=self._address) from error
            fault = f"silent for {self._timeout.total_seconds():g} s"
            raise NodeUnreachable(address=self._address, fault=fault) from error
        except exceptions.StatusError as error:
            answer = _plain(str(error))
            if cid is not None and "not found" in answer:
                raise NotStored(cid=str(cid), store=self._address) from error
            raise NodeFailed(address=self._address, answer=answer) from error
        except exceptions.EncoderError as error:
            raise NodeFailed(address=self._address, answer="something that is not JSON") from error
        except (exceptions.Error, OSError) as error:
            raise NodeUnreachable(address=self._address, fault=_fault(error)) from error
        except (AssertionError, LookupError, TypeError, AttributeError, RecursionError) as error:
            # What the client runs into when an answer has another form; an aborted import ends without any.
            raise NodeFailed(address=self._address, answer="something else than was asked") from error


class _NoPeers(Blocks):
    """What a node has itself."""

    def __init__(self, store: KuboStore) -> None:
        self._store = store

    @property
    def place(self) -> str:
        return self._store.place

    def fetch(self, cid: Cid, *, limit: int) -> bytes:
        return self._store._fetch(cid, limit=limit, peers=False)

    def holds(self, cid: Cid) -> bool:
        return self._store._holds(cid)


class _Source:
    """A stream on its way to the node: hashed as it is read, nameless, its own error kept.

    The client would send the name and the full path of anything that has a `name`.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.tree = Tree(keep=lambda block: None)
        self.error: Exception | None = None

    def read(self, count: int) -> bytes:
        try:
            content = self._stream.read(count)
            self.tree.write(content)
        except Exception as error:
            self.error = error
            raise
        return content


def _plain(text: str) -> str:
    """A node's own words, fit for one line: printable, and at most 200 letters."""
    return "".join(letter if letter.isprintable() else " " for letter in text[:200])


def _fault(error: BaseException) -> str:
    """The operating system's word below an error of the HTTP libraries, or else the error's kind."""
    below: BaseException | None = error
    while below is not None:
        if isinstance(below, OSError) and below.errno is not None and below.strerror:
            return below.strerror
        below = below.__cause__ or below.__context__
    return type(error).__name__
