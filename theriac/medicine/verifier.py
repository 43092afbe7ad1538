"""A maker's verify service: answers signed questions about its packs, one by one, and to members in standing only.

It tells nobody more than the one pack that was asked about, and whoever asks about many packs that do not exist is not
answered for a while. Every question about a pack that does exist is kept, so that a second one from elsewhere shows a
clone. What it tells of batches it knows from its own sheets; `false` it says only where no pack can have escaped it.
"""

import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from theriac.consortium import Role
from theriac.errors import BadScan, QuestionRefused, TheriacError, Unavailable
from theriac.ledger.codec import canonical_json
from theriac.ledger.signer import Signer
from theriac.medicine.chain import Chain
from theriac.medicine.clones import SKEW, CloneReport, CloneWatch, ScanBook, proof_of
from theriac.medicine.packs import tag_of
from theriac.medicine.scanner import Cause, cause_on_chain
from theriac.medicine.scans import PackProof, Scan, SignedScan, domain_of
from theriac.medicine.shelf import KnownPack, Shelf
from theriac.medicine.verification import PATH, Answer, Finding

MAY_ASK = Role.PHARMACIST | Role.DISTRIBUTOR | Role.MAKER | Role.REGULATOR
"""Whose accounts are answered."""

LARGEST_QUESTION = 4096
"""Bytes; a question with the longest texts has 1,000."""


@dataclass(frozen=True)
class Rate:
    """So many at once, and then so many a second."""

    burst: float
    each_second: float


@dataclass(frozen=True)
class Limits:
    """What one account and one member may ask.

    `misses` are questions in an hour about packs that do not exist, by an account and by a member; who reaches that is
    not answered, whatever it asks, until the hour has passed since the first of them. `strangers` are accounts whose
    standing is not known yet, all together. `standing` is for how long an account's standing is believed, which bounds
    how long a suspended member is still answered; `fresh` how old the followed chain may be.
    """

    account: Rate = Rate(60, 1)
    member: Rate = Rate(300, 10)
    strangers: Rate = Rate(20, 5)
    misses: tuple[int, int] = (40, 200)
    standing: timedelta = timedelta(seconds=5)
    fresh: timedelta = timedelta(seconds=2)


MISSES_WITHIN = timedelta(hours=1)


@dataclass(frozen=True)
class Reply:
    """What goes back: an HTTP status, a JSON body, and in how many seconds to ask again, zero for no word of it."""

    status: int
    body: bytes
    seconds: int = 0


class _Buckets:
    """Token buckets by name. Names are only ever accounts and members in standing, so that they stay few."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._filled: dict[Any, tuple[float, float]] = {}

    def take(self, name: Any) -> float:
        """Takes one token; in how many seconds there will be one, where there is none, else zero."""
        now = time.monotonic()
        level, at = self._filled.get(name, (self._rate.burst, now))
        level = min(self._rate.burst, level + (now - at) * self._rate.each_second)
        if level < 1:
            self._filled[name] = (level, now)
            return (1 - level) / self._rate.each_second
        self._filled[name] = (level - 1, now)
        return 0


class Verifier:
    """Answers questions for one maker. Any number of threads may ask; they are answered one by one."""

    def __init__(
        self,
        *,
        member: int,
        signer: Signer,
        chain: Chain,
        shelf: Shelf,
        book: ScanBook,
        keys: Callable[[], Mapping[int, bytes]],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        limits: Limits | None = None,
        report: Callable[[CloneReport], None] = lambda report: None,
    ) -> None:
        """`signer` is an account of the maker with the role MAKER, `keys` gives the consortium's keys by number;
        `report` is told of every clone.
        """
        self._member = member
        self._signer = signer
        self._chain = chain
        self._shelf = shelf
        self._book = book
        self._keys = keys
        self._clock = clock
        self._limits = limits or Limits()
        self._tell = report
        self._watch = CloneWatch(book=book, chain=chain, signer=signer, member=member)
        self._accounts, self._members = _Buckets(self._limits.account), _Buckets(self._limits.member)
        self._strangers = _Buckets(self._limits.strangers)
        self._standings: dict[str, tuple[int, float]] = {}
        self._followed = float("-inf")
        self._lock = threading.Lock()
        self._domain = domain_of(chain.domain())

    def reply(self, data: bytes) -> Reply:
        """The reply to the body of a request. Raises nothing."""
        try:
            if len(data) > LARGEST_QUESTION:
                raise QuestionRefused(reason=f"a question has at most {LARGEST_QUESTION} bytes", status=413)
            signed = SignedScan.decode(data)
            return Reply(200, self.answer(signed).encode())
        except BadScan as fault:
            return _refusal(400, str(fault))
        except QuestionRefused as refused:
            return _refusal(refused.status, refused.reason, refused.seconds)
        except Unavailable:
            return _refusal(503, "The chain is out of reach here; ask again later.", 10)
        except TheriacError:
            return _refusal(503, "This cannot be looked up now; ask again later.", 60)
        except Exception:
            # Whatever it was, a stranger is told nothing of it, and the next question is answered.
            return _refusal(500, "This could not be answered.", 60)

    def answer(self, signed: SignedScan) -> Answer:
        """The answer to a question.

        :raises QuestionRefused: it is not for this maker, not fresh, not signed, a replay, or too many.
        :raises ChainSilent: and what else a chain can raise.
        """
        scan, now = signed.scan, self._clock()
        # (1) it is for this maker and of now
        if scan.maker != self._member:
            raise QuestionRefused(reason=f"This is the service of member {self._member}", status=400)
        if abs(scan.time - now) > SKEW:
            raise QuestionRefused(reason="The question is not of now; set the scanner's clock", status=400)
        # (2) the account that it names signed it
        if not signed.is_signed(self._domain):
            raise QuestionRefused(reason="The question is not signed by the account that it names", status=403)
        with self._lock:
            self._check_may_ask(scan)
            # (4) it was not asked before: who sends another's question again uses up nothing of that one's
            digest = scan.digest(self._domain)
            if self._book.has(digest):
                raise QuestionRefused(reason="This question was asked before; sign a new one", status=409)
            self._check_rate(scan, now)
            return self._answered(signed, digest, now)

    def _check_may_ask(self, scan: Scan) -> None:
        """(3) the account acts for the member that it names, and that is in standing."""
        now = time.monotonic()
        member, until = self._standings.get(scan.account, (0, 0.0))
        if now >= until:
            # Who was in standing before is no stranger: else strangers could use up what the others need.
            if not member and (wait := self._strangers.take("all")):
                raise QuestionRefused(reason="Too many ask at once", status=429, seconds=_whole(wait))
            member = self._chain.standing(scan.account, int(MAY_ASK))
            if member:
                self._standings[scan.account] = (member, now + self._limits.standing.total_seconds())
            else:
                self._standings.pop(scan.account, None)
        if member == 0 or member != scan.member:
            raise QuestionRefused(
                reason=f"{scan.account} does not act for member {scan.member} in standing", status=403
            )

    def _check_rate(self, scan: Scan, now: datetime) -> None:
        """(5) not too much is asked; (6) not too much that does not exist. Both before any pack is looked up."""
        # An account that has used up its own takes nothing of what its member's others may ask.
        if wait := self._accounts.take(scan.account) or self._members.take(scan.member):
            raise QuestionRefused(reason="Too many questions", status=429, seconds=_whole(wait))
        since = now - MISSES_WITHIN
        of_account = self._book.misses(since=since, account=scan.account)
        of_member = self._book.misses(since=since, member=scan.member)
        for misses, most in zip((of_account, of_member), self._limits.misses, strict=True):
            if len(misses) >= most:
                again = (misses[-most] + MISSES_WITHIN - now).total_seconds()
                reason = "Too many questions about packs that do not exist; look at the scanner"
                raise QuestionRefused(reason=reason, status=429, seconds=_whole(max(again, 1)))

    def _answered(self, signed: SignedScan, digest: bytes, now: datetime) -> Answer:
        scan = signed.scan
        self._follow()
        finding, pack = self._find(scan)
        known = pack is not None and finding is Finding.KNOWN
        self._book.forget(before=now - MISSES_WITHIN)
        self._book.add(signed, digest=digest, received=now, known=known)
        proof, clone = None, None
        status, yours = "", False
        if known and pack is not None:
            proof = proof_of(self._shelf, pack, scan.serial)
            status, yours = self._status(pack, scan, now)
            clone = self._clone(signed, proof, now)
        answer = Answer(
            question=digest,
            finding=finding,
            time=now.astimezone(UTC).replace(microsecond=0),
            block=self._chain.index.progress().block,
            account=str(self._signer.address),
            proof=proof,
            status=status,
            yours=yours,
            clone=clone,
        )
        return answer.signed(self._signer, self._domain)

    def _follow(self) -> None:
        if time.monotonic() - self._followed > self._limits.fresh.total_seconds():
            self._chain.sync()
            self._followed = time.monotonic()

    def _find(self, scan: Scan) -> tuple[Finding, KnownPack | None]:
        found = [
            pack
            for pack in self._shelf.find(scan.product, scan.serial)
            if self._shelf.batch(pack.batch).maker == self._member
        ]
        if any(self._chain.state(pack.batch) is None for pack in found):
            # Written down, and not on the chain: not sent yet, or a fork took it back.
            return Finding.UNSURE, None
        fitting = [pack for pack in found if self._fits(scan, pack)]
        if len(fitting) == 1:
            return Finding.KNOWN, fitting[0]
        if fitting:
            return Finding.TWICE, None
        if any(self._may_be_cut(scan, pack) for pack in found):
            return Finding.CUT, None
        if found:
            return Finding.ALTERED, None
        return self._absent(scan), None

    def _fits(self, scan: Scan, pack: KnownPack) -> bool:
        product = self._shelf.batch(pack.batch).product
        return scan.lot in ("", product.lot) and scan.last_day in (None, product.expiry)

    def _may_be_cut(self, scan: Scan, pack: KnownPack) -> bool:
        """A reading that broke off loses the end of the lot first. Of serials nothing like it is ever told: whoever may
        ask for beginnings finds one letter by letter.
        """
        product = self._shelf.batch(pack.batch).product
        return product.lot.startswith(scan.lot) and scan.last_day in (None, product.expiry)

    def _absent(self, scan: Scan) -> Finding:
        """`false` only where every batch that could hold the pack is known here as a whole."""
        made = [
            each for each in self._shelf.batches() if each.maker == self._member and each.product.code == scan.product
        ]
        mine = set(self._chain.batches_of(self._member))
        batches = {each.batch for each in made if each.product.lot == scan.lot} & mine
        for key in self._keys().values():
            batches |= mine & set(self._chain.batches_tagged(tag_of(key, scan.product, scan.lot)))
        if not batches and made and not scan.lot:
            return Finding.CUT
        if not batches:
            return Finding.NOT_MINE
        known = {each.batch for each in self._shelf.batches()}
        if any(self._may_be_of_any_product(batch) for batch in mine - known):
            return Finding.UNSURE
        return Finding.FALSE if all(self._shelf.knows_whole(batch) for batch in batches) else Finding.UNSURE

    def _may_be_of_any_product(self, batch: bytes) -> bool:
        """Whether nothing here tells what a batch is of: its tag was made with a key that this maker has not."""
        state = self._chain.state(batch)
        return state is not None and state.key_number not in self._keys()

    def _status(self, pack: KnownPack, scan: Scan, now: datetime) -> tuple[str, bool]:
        state = self._chain.state(pack.batch)
        if state is None:
            return "", False
        second = int(now.timestamp())
        # What its holder would be told: whoever asks is told only whether that is itself.
        holder = state.place(1 << 20 | pack.index, now=second).holder
        cause = cause_on_chain(state, pack.index, member=holder, now=second)
        names = {Cause.GENUINE: "in stock", Cause.OFFERED: "in stock", Cause.DISPENSED_HERE: "dispensed"}
        return names.get(cause, cause.value), holder == scan.member

    def _clone(self, signed: SignedScan, proof: PackProof, now: datetime) -> CloneReport | None:
        report = self._watch.note(signed, proof=proof, received=now)
        if report is not None:
            self._tell(report)
        return report


def _whole(seconds: float) -> int:
    return int(seconds) + 1


def _refusal(status: int, reason: str, seconds: int = 0) -> Reply:
    return Reply(status, canonical_json({"error": reason}), seconds)


# -- HTTP ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Doors:
    """How many connections there may be, in all and from one address (this machine's own, where a proxy stands, is not
    counted); for how many seconds each may last, and how many it may be silent.
    """

    connections: int = 32
    each_address: int = 8
    lasts: float = 10.0
    silent: float = 5.0


class VerifyServer(ThreadingHTTPServer):
    """Takes questions over HTTP, one a connection; where others than this machine ask, behind a proxy with TLS.

    Slow clients cannot hold it: connections are few, and each ends in time, whatever its client does.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], verifier: Verifier, *, doors: Doors | None = None) -> None:
        """Listens at host and port; port 0 is any free one. Raises OSError."""
        self.verifier = verifier
        self.doors = doors or Doors()
        self._open: dict[Any, tuple[str, float]] = {}
        self._guard = threading.Lock()
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Handler)

    @property
    def url(self) -> str:
        """Where it listens."""
        host, port = self.server_address[:2]
        shown = f"[{host!s}]" if ":" in str(host) else str(host)
        return f"http://{shown}:{port}"

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether there is room for one connection more. It is dropped without a word where there is none."""
        host = str(client_address[0])
        with self._guard:
            from_there = sum(1 for other, _ in self._open.values() if other == host)
            here = host in ("127.0.0.1", "::1")
            if len(self._open) >= self.doors.connections or (from_there >= self.doors.each_address and not here):
                return False
            self._open[request] = (host, time.monotonic() + self.doors.lasts)
        return True

    def service_actions(self) -> None:
        """Ends connections that last too long; called twice a second."""
        now = time.monotonic()
        with self._guard:
            late = [request for request, (_, until) in self._open.items() if now > until]
        for request in late:
            with suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)

    def shutdown_request(self, request: Any) -> None:
        with self._guard:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is nobody's fault."""


class _Handler(BaseHTTPRequestHandler):
    server: VerifyServer
    server_version = "theriac"
    sys_version = ""

    def setup(self) -> None:
        super().setup()
        self.connection.settimeout(self.server.doors.silent)

    def do_POST(self) -> None:
        if self.path != PATH:
            self._send(_refusal(404, f"Questions go to {PATH}."))
            return
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal()) or len(length) > 9 or "Transfer-Encoding" in self.headers:
            self._send(_refusal(411, "Say how long the question is."))
        elif int(length) > LARGEST_QUESTION:
            self._send(_refusal(413, f"A question has at most {LARGEST_QUESTION} bytes."))
        else:
            body = self.rfile.read(int(length))
            if len(body) == int(length):
                self._send(self.server.verifier.reply(body))

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """The library's own refusals, as JSON too."""
        self._send(_refusal(code, message or HTTPStatus(code).phrase))

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing is written of who asked: the book of scans has it, signed."""

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(reply.body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Connection", "close")
        if reply.seconds:
            self.send_header("Retry-After", str(reply.seconds))
        self.end_headers()
        self.wfile.write(reply.body)
        self.close_connection = True
