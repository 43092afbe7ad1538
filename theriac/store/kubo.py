"""A store that is a Kubo node, reached over its HTTP interface. The node is trusted for nothing but keeping.

Every import option is spelled out, whatever the node's own configuration says; what is put is hashed on its way, and
what is got is verified block by block.
"""

import contextlib
import hashlib
import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import BinaryIO

import ipfshttpclient  # type: ignore[import-untyped]
from ipfshttpclient import exceptions, multipart
from requests import ConnectTimeout, Response
from urllib3.exceptions import ReadTimeoutError

from theriac.errors import (
    BadNodeAddress,
    CutByProxy,
    NodeFailed,
    NodeFull,
    NodeUnreachable,
    NotStored,
    Tampered,
    Unavailable,
    WrongCid,
)
from theriac.store.blocks import Blocks
from theriac.store.cid import CHUNK_BYTES, MAX_LINKS, Cid, Tree, blocking

_PIECE_BYTES = 64 << 10
_NOT_PINNED = ("not pinned", "not part of the pinset")
_NOT_FOUND = "not found"
_PROXY = "ipfs-cluster/"
_EMPTY = Cid.raw(hashlib.sha256().digest())
_NO_ROOM = ("no space left on device", "disk quota exceeded")
_CORRUPT = re.compile(r"block (\w+) was corrupt(.*)")
_HEALED = ", healed"

_ANSWER_BYTES = 4 << 10

_IMPORT = {
    "chunker": f"size-{CHUNK_BYTES}",
    "cid-version": "1",
    "fast-provide-dag": "false",
    "fast-provide-root": "false",
    "fscache": "false",
    "hash": "sha2-256",
    "inline": "false",
    "max-file-links": str(MAX_LINKS),
    "nocopy": "false",
    "only-hash": "false",
    "pin": "true",
    "preserve-mode": "false",
    "preserve-mtime": "false",
    "progress": "false",
    "raw-leaves": "true",
    "trickle": "false",
    "wrap-with-directory": "false",
}
"""`unixfs-v1-2025`, one file, kept and pinned, and its digest told to nobody."""

_THROUGH_PROXY = {"local": "true"}
"""Has Cluster's proxy keep a file at its own node, which it else may leave out. A node takes the word otherwise."""

_PIN = {"recursive": "true", "progress": "true", "fast-provide-root": "false", "fast-provide-dag": "false"}


@dataclass(frozen=True, slots=True)
class Healed:
    """The blocks that had rotted at a node, and those of them that no peer gave back."""

    rotten: tuple[str, ...]
    lost: tuple[str, ...]


class KuboStore(Blocks):
    """The Kubo node at `address`, a multiaddress such as `/ip4/127.0.0.1/tcp/5001`.

    `timeout` bounds each silence of the node, not the whole of a long answer. Raises BadNodeAddress. Nothing is sent
    before the first call. One thread at a time; close it, or use it in a `with`.

    The proxy of an IPFS Cluster peer will do for files of up to 174 MiB, which is where it begins to cut otherwise:
    what is put or pinned is then pinned in the Cluster, and an unpin reaches all its nodes.
    """

    def __init__(self, address: str, *, timeout: timedelta = timedelta(seconds=30)) -> None:
        self._address = address
        self._timeout = timeout
        self._closed = False
        self._proxied: bool | None = None
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
        session.hooks["response"] += [self._notice_proxy, _refuse_errors]

    @property
    def place(self) -> str:
        return self._address

    def __enter__(self) -> "KuboStore":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection. The store and its readers raise ValueError from then on, as a closed file does."""
        self._closed = True
        self._client.close()

    def put(self, stream: BinaryIO) -> Cid:
        """Store what is left of `stream` at the node, in constant memory, and pin it there.

        Raises WrongCid where the node reports another identifier than the bytes have, NodeUnreachable, NodeFailed,
        NodeFull, CutByProxy, and whatever `stream` raises; what the node took by then is not pinned and goes with its
        next collection.
        """
        options = _IMPORT | _THROUGH_PROXY if self._is_proxy() else _IMPORT
        source = _Source(stream)
        body, headers = multipart.stream_files(source, chunk_size=CHUNK_BYTES)
        with source.tree:
            try:
                with self._call("add", options=options, body=body, headers=headers) as pieces:
                    reported = [str(answer.get("Hash")) for answer in _answers(pieces)]
            except Unavailable:
                if source.error is None:
                    raise
            # The HTTP library takes the source's own error for a broken connection, or for the end of the file.
            if source.error is not None:
                raise source.error
            computed = source.tree.finish()

        # An import that fails half-way ends without an answer.
        if not reported:
            raise NodeFailed(address=self._address, answer="nothing")
        if reported != [str(computed)]:
            if self._proxied:
                self._holds_true("pin/rm", reported[0], {"recursive": "true"}, unless=_NOT_PINNED)
                raise CutByProxy(address=self._address, size=source.size)
            raise WrongCid(address=self._address, reported=plain(reported[0]), computed=str(computed))
        return computed

    def pin(self, cid: Cid) -> None:
        """Have the node keep the file `cid`, which it fetches from its peers where it must. Waits while that goes on.

        Raises NotStored where no block came for as long as the timeout, WrongBytes or BadBlock, NodeUnreachable.
        """
        # A pin is for what `put` makes: the node alone would follow any tree, however wide.
        for _ in self.tree(cid):
            pass

        with self._call("pin/add", cid, options=_PIN) as pieces:
            if not self._comes_to_pin(_answers(pieces)):
                raise NotStored(cid=str(cid), store=self._address)
        if self._proxied:
            self._fetch_all(cid)

    def _fetch_all(self, cid: Cid) -> None:
        """A proxy answers before anything was fetched, so what cannot be had is found out here, and unpinned."""
        try:
            for part in self.tree(cid):
                self.verified(part)
        except NotStored:
            self.unpin(cid)
            raise

    def unpin(self, cid: Cid) -> None:
        """Let the node's next collection remove what only the file `cid` needs. A file that is not pinned stays so."""
        self._holds_true("pin/rm", str(cid), {"recursive": "true"}, unless=_NOT_PINNED)

    def has(self, cid: Cid) -> bool:
        """Whether the node itself has all blocks of the file `cid`; its peers are not asked."""
        pinned = self._holds_true("pin/ls", str(cid), {"type": "recursive"}, unless=_NOT_PINNED)
        # A proxy tells what its Cluster pins, wherever that is.
        if pinned and not self._proxied:
            return True
        here = _NoPeers(self)
        try:
            return all(here.holds(part) for part in here.tree(cid))
        except (NotStored, Tampered):
            return False

    def pinned(self) -> Iterator[str]:
        """What the node pins, as it writes identifiers."""
        with self._call("pin/ls", options={"type": "recursive", "stream": "true"}) as pieces:
            for answer in _answers(pieces):
                yield str(answer.get("Cid"))

    def identity(self) -> str:
        """The node's name among its peers."""
        with self._call("id", options={}) as pieces:
            [answer] = _answers(pieces)
        return plain(str(answer.get("ID")))

    def heal(self) -> Healed:
        """Reads every block that the node has, and fetches those that rotted from its peers.

        Putting a file again does not do that: a node keeps the bytes it has. A block that no peer gives is removed.
        """
        rotten, lost = [], []
        with self._call("repo/verify", options={"heal": "true", "heal-timeout": self._half_patience()}) as pieces:
            for answer in _answers(pieces):
                found = _CORRUPT.match(str(answer.get("Msg")))
                if found:
                    rotten.append(found[1])
                    if _HEALED not in found[2]:
                        lost.append(found[1])
        return Healed(tuple(rotten), tuple(lost))

    def fetch(self, cid: Cid, *, limit: int) -> bytes:
        return self._fetch(cid, limit=limit, offline="false")

    def _fetch(self, cid: Cid, *, limit: int, offline: str) -> bytes:
        block = bytearray()
        with self._call("block/get", cid, options={"offline": offline}) as pieces:
            for piece in pieces:
                block += piece
                if len(block) > limit:
                    break
        return bytes(block[: limit + 1])

    def _holds_true(self, command: str, cid: str, options: Mapping[str, str], *, unless: tuple[str, ...]) -> bool:
        """Give the command; whether the node does it, or says that it cannot because of one of `unless`."""
        try:
            with self._call(command, options={**options, "arg": cid}) as pieces:
                for _ in _answers(pieces):
                    pass
        except NodeFailed as refused:
            if not any(reason in refused.answer for reason in unless):
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

    def _half_patience(self) -> str:
        # The node is silent while it waits for its peers.
        return f"{self._timeout.total_seconds() / 2:g}s"

    def _is_proxy(self) -> bool:
        """Whether a Cluster's proxy answers: it says so at the commands that it does itself."""
        if self._proxied is None:
            with contextlib.suppress(NodeFailed):
                self._holds_true("pin/ls", str(_EMPTY), {"type": "recursive"}, unless=_NOT_PINNED)
        return bool(self._proxied)

    def _notice_proxy(self, response: Response, *_: object, **__: object) -> None:
        self._proxied = self._proxied or response.headers.get("Server", "").startswith(_PROXY)

    # -- the wire ----------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _call(
        self,
        command: str,
        cid: Cid | None = None,
        *,
        options: Mapping[str, str],
        body: Iterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Iterator[Iterator[bytes]]:
        """The node's answer to a command, piece by piece; `cid` is the block that the command asks for.

        The client's own methods take in an answer as a whole, whatever length the node announces, and its JSON to any
        depth: a node could end the process. So its transport is used, and no more.
        """
        # The client would open another session, without the checks that were put into this one.
        if self._closed:
            raise ValueError("the store was closed")

        arguments = [*options.items(), *([("arg", str(cid))] if cid else [])]
        with self._talking(cid), contextlib.ExitStack() as closing:
            closables, pieces = self._client._client._request(
                "POST",
                command,
                arguments,
                auth=None,
                data=body,
                headers=headers,
                timeout=None,
                chunk_size=_PIECE_BYTES,
            )
            for closable in closables:
                closing.callback(closable.close)
            yield pieces

    @contextlib.contextmanager
    def _talking(self, cid: Cid | None) -> Iterator[None]:
        """The client's errors in the words of a store."""
        try:
            yield
        except _NodeAnswered as error:
            if any(reason in str(error) for reason in _NO_ROOM):
                raise NodeFull(address=self._address) from None
            answer = plain(str(error))
            if cid is not None and _NOT_FOUND in answer:
                raise NotStored(cid=str(cid), store=self._address) from None
            raise NodeFailed(address=self._address, answer=answer) from None
        except (exceptions.Error, OSError) as error:
            if not _fell_silent(error):
                raise NodeUnreachable(address=self._address, fault=fault_of(error)) from error
            if cid is not None and not isinstance(getattr(error, "original", None), ConnectTimeout):
                raise NotStored(cid=str(cid), store=self._address) from error
            fault = f"silent for {self._timeout.total_seconds():g} s"
            raise NodeUnreachable(address=self._address, fault=fault) from error


class _NodeAnswered(Exception):
    """The node answered with something else than what was asked: its own words, as they came."""


def _fell_silent(error: Exception) -> bool:
    """Whether the node said nothing for the timeout, be it in the middle of an answer: the client tells only of a
    silence before one.
    """
    return isinstance(error, exceptions.TimeoutError) or isinstance(next(iter(error.args), None), ReadTimeoutError)


def _refuse_errors(response: Response, *_: object, **__: object) -> None:
    """Stop at an answer other than 200, a redirect among them, before the client reads it whole or follows it."""
    if response.status_code == 200:
        return
    with response:
        text = response.raw.read(_ANSWER_BYTES, decode_content=True).decode("utf-8", errors="replace")
    try:
        message = json.loads(text)["Message"]
    except (ValueError, LookupError, TypeError, RecursionError):
        message = f"HTTP {response.status_code}"
    raise _NodeAnswered(message)


def _answers(pieces: Iterable[bytes]) -> Iterator[Mapping[str, object]]:
    """The JSON objects of an answer, one a line, none longer than any that Kubo gives."""
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield _object(line)
        if len(rest) > _ANSWER_BYTES:
            raise _NodeAnswered("a line too long")
    if rest.strip():
        yield _object(rest)


def _object(line: bytes) -> Mapping[str, object]:
    # The length bounds the depth: the parser recurses, and a library that Ape loads allows it to overrun the stack.
    if len(line) > _ANSWER_BYTES:
        raise _NodeAnswered("a line too long")
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        raise _NodeAnswered("something that is not JSON") from None
    if not isinstance(found, dict):
        raise _NodeAnswered("something that is not an object")
    if found.get("Type") == "error":
        raise _NodeAnswered(str(found.get("Message")))
    return found


class _NoPeers(Blocks):
    """What a node has itself."""

    def __init__(self, store: KuboStore) -> None:
        self._store = store

    @property
    def place(self) -> str:
        return self._store.place

    def fetch(self, cid: Cid, *, limit: int) -> bytes:
        return self._store._fetch(cid, limit=limit, offline="true")

    def holds(self, cid: Cid) -> bool:
        return self._store._holds_true("block/stat", str(cid), {"offline": "true"}, unless=(_NOT_FOUND,))


class _Source:
    """A stream on its way to the node: hashed as it is read, nameless, its own error kept.

    The client would send the name and the full path of anything that has a `name`.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.tree = Tree(keep=lambda block: None)
        self.size = 0
        self.error: Exception | None = None

    def read(self, count: int) -> bytes:
        try:
            content = blocking(self._stream.read(count))
            self.tree.write(content)
            self.size += len(content)
        except Exception as error:
            self.error = error
            raise
        return content


def plain(text: str) -> str:
    """A node's own words, fit for one line: printable, and at most 200 letters."""
    return "".join(letter if letter.isprintable() else " " for letter in text[:200])


def fault_of(error: BaseException) -> str:
    """The operating system's word below an error of the HTTP libraries, or else the error's kind."""
    below: BaseException | None = error
    while below is not None:
        if isinstance(below, OSError) and below.errno is not None and below.strerror:
            return below.strerror
        below = below.__cause__ or below.__context__
    return type(error).__name__
