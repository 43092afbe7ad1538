"""A store that is a member's own Kubo node, with copies at other members that its own IPFS Cluster peer orders.

What is put is on the own node when `put` returns; the copies follow. Whether they came is told by `lacking` and by
`copies`, and `repair` asks again. The peer must not command the own node: a peer unpins from its node whatever its
Cluster pins elsewhere, and it pins elsewhere what comes while its node has only just started.

Source: the HTTP interface of IPFS Cluster 1.1, and what its allocator and pin tracker do with a pin.
"""

import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, BinaryIO

import requests

from theriac.errors import BadCid, BadNodeAddress, ClusterFailed, ClusterUnreachable, SameNode, Unavailable
from theriac.store.cid import Cid
from theriac.store.kubo import KuboStore, fault_of, plain

_ADDRESS = re.compile(r"/(?:ip4|ip6|dns|dns4|dns6)/([0-9A-Za-z.:-]+)/tcp/([0-9]{1,5})(/https?)?")
_LINE_BYTES = 256 << 10
_PIECE_BYTES = 64 << 10
_BRACKETS = 4096
OWN = "own node"
_PINNED = "pinned"
_ELSEWHERE = "remote"
_UNKNOWN = 404
_NO_PEER = "something that no Cluster peer answers"

_AGAIN = 20
"""How many files that lack a copy are asked for again with each that is put."""

_LATE_SECONDS = 5.0
"""How long others may take to follow an unpin."""

_ASKING_SECONDS = 60.0
"""A peer asks all others what they have, and waits for one that just fell silent as long as it believes it alive."""


@dataclass(frozen=True, slots=True)
class Copies:
    """Where a file is: `at` the own node or other members' by name; `faults` says why others that should have not."""

    cid: str
    at: tuple[str, ...]
    faults: Mapping[str, str]
    wanted: int

    @property
    def enough(self) -> bool:
        return len(self.at) >= self.wanted


class ClusterStore(KuboStore):
    """The Kubo node at `node` with its IPFS Cluster peer at `peer`, both multiaddresses; `copies` counts the node's.

    The peer's interface has no password: it must be this machine's or reached through something that has.
    """

    def __init__(self, node: str, peer: str, *, copies: int = 2, timeout: timedelta = timedelta(seconds=30)) -> None:
        super().__init__(node, timeout=timeout)
        self.lacking: dict[Cid, Unavailable] = {}
        self._copies = copies
        self._peer = _Peer(peer, seconds=timeout.total_seconds())
        self._checked = False

    @property
    def peer(self) -> str:
        return self._peer.address

    def close(self) -> None:
        self._peer.close()
        super().close()

    def put(self, stream: BinaryIO) -> Cid:
        """As KuboStore, and asks for copies. Where nobody can be asked, `lacking` says so, and later calls ask again:

        the file is kept by the own node already, and to refuse it now would have its author write it twice.
        """
        cid = super().put(stream)
        self._ask_for(cid)
        return cid

    def pin(self, cid: Cid) -> None:
        super().pin(cid)
        self._ask_for(cid)

    def unpin(self, cid: Cid) -> None:
        """Lets every copy go, at the own node and at the others'; a node that is away does it when it comes back.

        Raises ClusterUnreachable, ClusterFailed, and nothing is unpinned then: nobody shall believe that all are.
        """
        if not self._peer.ask(f"pins/ipfs/{cid}", "DELETE", unless=_UNKNOWN):
            self._check_nobody_keeps(cid)
        self.lacking.pop(cid, None)
        super().unpin(cid)

    def _check_nobody_keeps(self, cid: Cid) -> None:
        """A peer that lost its folder knows nothing of what others keep for it, and would seem to have unpinned it."""
        deadline = time.monotonic() + _LATE_SECONDS
        while keepers := self._keepers_of(cid):
            if time.monotonic() > deadline:
                raise ClusterFailed(address=self.peer, answer=f"no pin known, but {', '.join(keepers)} keep a copy")
            time.sleep(0.2)

    def _keepers_of(self, cid: Cid) -> list[str]:
        return [name for found in self.copies() if found.cid == str(cid) for name in found.at if name != OWN]

    # -- copies ------------------------------------------------------------------------------------------------------

    def copies(self) -> Iterator[Copies]:
        """Every file that the own node pins or that copies were asked for, and where it is. Raises Unavailable."""
        mine = {cid for cid in self.pinned() if _is_ours(cid)}
        for told in self._peer.lines("pins", seconds=_ASKING_SECONDS):
            cid = str(told.get("cid"))
            if not _is_ours(cid):
                continue
            yield self._found(cid, self._peer.objects(told.get("peer_map")), pinned=cid in mine)
            mine.discard(cid)
        # Nobody was ever asked to copy these.
        for cid in sorted(mine):
            yield self._found(cid, (), pinned=True)

    def _found(self, cid: str, told: Iterable[Mapping[str, Any]], *, pinned: bool) -> Copies:
        at, faults = [], {}
        for each in told:
            name, status = plain(str(each.get("peername"))), str(each.get("status"))
            if status == _PINNED:
                at.append(name)
            elif status != _ELSEWHERE:
                faults[name] = plain(f"{status} {each.get('error', '')}").strip()
        if pinned:
            at.insert(0, OWN)
        else:
            faults[OWN] = "not pinned"
        return Copies(cid, tuple(sorted(at, key=lambda name: (name != OWN, name))), faults, self._copies)

    def repair(self) -> Iterator[Copies]:
        """Asks for what is missing, and has the own node fetch what it lost; every file that lacked a copy, as it was.

        The copies arrive afterwards: `copies` tells. What cannot be asked for is in `lacking`. Raises Unavailable where
        nothing can be asked at all.
        """
        for found in list(self.copies()):
            if found.enough and not found.faults:
                continue
            cid = Cid.parse(found.cid)
            self.lacking.pop(cid, None)
            try:
                if OWN in found.faults:
                    super().pin(cid)
                self._order(cid)
                self._peer.ask(f"pins/{cid}/recover", "POST", seconds=_ASKING_SECONDS)
            except ClusterUnreachable:
                raise
            except Unavailable as fault:
                # One file that nobody has must not keep the others from being mended.
                self.lacking[cid] = fault
            yield found

    def check_peer(self) -> None:
        """Raises SameNode where the peer commands the own node, Unavailable."""
        told = self._peer.ask("id")
        [ipfs] = self._peer.objects({"ipfs": told[0].get("ipfs") if told else None})
        if ipfs.get("id") == self.identity():
            raise SameNode(node=self.place, peer=self.peer)
        self._checked = True

    def _ask_for(self, cid: Cid) -> None:
        # The new one first: where it is refused, the others that lack a copy would be too.
        self.lacking.pop(cid, None)
        for each in [cid, *list(self.lacking)[:_AGAIN]]:
            try:
                self._order(each)
            except Unavailable as fault:
                self.lacking[each] = fault
                return
            self.lacking.pop(each, None)

    def _order(self, cid: Cid) -> None:
        if not self._checked:
            self.check_peer()
        wanted = self._copies - 1
        if wanted:
            self._peer.ask(f"pins/ipfs/{cid}?replication-min={wanted}&replication-max={wanted}", "POST")


class _Peer:
    """The HTTP interface of a Cluster peer."""

    def __init__(self, address: str, *, seconds: float) -> None:
        found = _ADDRESS.fullmatch(address)
        if not found:
            raise BadNodeAddress(address=address)
        host, port, scheme = found.groups()
        self.address = address
        self._seconds = seconds
        self._url = f"{(scheme or '/http')[1:]}://{f'[{host}]' if ':' in host else host}:{port}/"
        self._session = requests.Session()
        self._session.trust_env = False

    def close(self) -> None:
        self._session.close()

    def objects(self, told: object) -> list[Mapping[str, Any]]:
        """The objects in an object. Raises ClusterFailed where it is something else: no peer answers so."""
        if not isinstance(told, dict) or not all(isinstance(each, dict) for each in told.values()):
            raise ClusterFailed(address=self.address, answer=_NO_PEER)
        return list(told.values())

    def ask(
        self, path: str, method: str = "GET", *, unless: int = 0, seconds: float = 0
    ) -> Sequence[Mapping[str, Any]]:
        return list(self.lines(path, method, unless=unless, seconds=seconds))

    def lines(
        self, path: str, method: str = "GET", *, unless: int = 0, seconds: float = 0
    ) -> Iterator[Mapping[str, Any]]:
        """The objects that it answers, one a line; none where it answers with the status `unless`."""
        patience = max(self._seconds, seconds)
        try:
            with self._session.request(
                method, self._url + path, timeout=patience, stream=True, allow_redirects=False
            ) as answer:
                if answer.status_code == unless:
                    return
                for line in _lines(answer):
                    told = _object(line)
                    if answer.status_code >= 300:
                        message = (told or {}).get("message") or f"HTTP {answer.status_code}"
                        raise ClusterFailed(address=self.address, answer=plain(str(message)))
                    if told is None:
                        raise ClusterFailed(address=self.address, answer=_NO_PEER)
                    yield told
                if answer.status_code >= 300:
                    raise ClusterFailed(address=self.address, answer=f"HTTP {answer.status_code}")
        except (requests.RequestException, OSError) as error:
            silent = isinstance(error, requests.Timeout)
            fault = f"silent for {patience:g} s" if silent else fault_of(error)
            raise ClusterUnreachable(address=self.address, fault=fault) from error


def _is_ours(cid: str) -> bool:
    """Whether a pin can be Theriac's. A node pins an empty folder for itself, and its operator may pin other things."""
    try:
        Cid.parse(cid)
    except BadCid:
        return False
    return True


def _lines(answer: requests.Response) -> Iterator[bytes]:
    rest = b""
    for piece in answer.iter_content(_PIECE_BYTES):
        *lines, rest = (rest + piece).split(b"\n")
        yield from (line for line in lines if line.strip())
        if len(rest) > _LINE_BYTES:
            break
    if rest.strip():
        yield rest


def _object(line: bytes) -> Mapping[str, Any] | None:
    # The parser recurses, and a library that Ape loads allows it to overrun the stack.
    if len(line) > _LINE_BYTES or line.count(b"{") + line.count(b"[") > _BRACKETS:
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
