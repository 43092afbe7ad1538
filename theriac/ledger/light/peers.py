"""The two nodes that a light client asks: whom to ask first, how long, and who answered badly."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, TypeVar

import requests
from web3 import HTTPProvider

from theriac.errors import ChainSilent, OtherValidators, Unproven
from theriac.ledger.light.faults import Lie, Silent, Strangers, Unable
from theriac.ledger.node import Http, shown_endpoint

_T = TypeVar("_T")

# An answer is no longer than a thousand headers or the receipts of a full block, in bytes.
_LONGEST = 2**26

# A node that was silent is left alone for so long while another answers, in seconds; and in between no node takes more
# of the time than this share.
_REST = 5.0
_SHARE = 0.5

_PARTS_OF_BATCH = 250


class Peer:
    """One node, by HTTP. `faults` is what it said that was not true, in the order it was found."""

    def __init__(self, uri: str) -> None:
        provider = HTTPProvider(uri)
        self.endpoint = shown_endpoint(provider)
        self.http = Http(provider, longest=_LONGEST)
        self.faults: list[str] = []
        self.silent_until = 0.0
        self.known = False

    def ask(self, method: str, *parameters: Any, within: float) -> Any:
        """Its result. Raises Silent, Unable, Lie."""
        return self._result(self._exchange(lambda: self.http.ask(method, parameters, within=within)), method)

    def ask_many(self, questions: Sequence[tuple[str, Sequence[Any]]], *, within: float) -> list[Any]:
        """The results of requests that go as few, each a value or the Unable that it was refused with.

        Raises Silent, Unable, Lie.
        """
        deadline = time.monotonic() + within
        results: list[Any] = []
        for start in range(0, len(questions), _PARTS_OF_BATCH):
            part = questions[start : start + _PARTS_OF_BATCH]
            left = deadline - time.monotonic()
            answers = self._exchange(lambda part=part, left=left: self.http.ask_all(part, within=left))  # type: ignore[misc]
            for (method, _), answer in zip(part, answers, strict=True):
                try:
                    results.append(self._result(answer, method))
                except Unable as refused:
                    results.append(refused)
        return results

    def _exchange(self, send: Callable[[], _T]) -> _T:
        try:
            answer = send()
        except requests.HTTPError as trouble:
            status = trouble.response.status_code
            if status in (429, 502, 503, 504):
                raise Silent(f"HTTP status {status}") from None
            raise Unable(f"HTTP status {status}") from None
        except (requests.Timeout, TimeoutError):
            raise Silent("no answer") from None
        except (requests.RequestException, OSError):
            raise Silent("no connection") from None
        except (ValueError, RecursionError):
            raise Lie("its answer is not JSON-RPC") from None
        self.silent_until = 0.0
        return answer

    def _result(self, answer: Any, method: str) -> Any:
        if not isinstance(answer, dict) or ("result" not in answer and "error" not in answer):
            raise Lie("its answer is not JSON-RPC")
        error = answer.get("error")
        if error is None:
            return answer.get("result")
        said = str(error.get("message", "") if isinstance(error, dict) else error)[:300]
        if "does not exist/is not available" in said:
            said += "; a node answers light clients when it is started with --rpcapi eth,kaia"
        raise Unable(f"{method}: {said or 'an error without a message'}")


@dataclass(frozen=True)
class Answered:
    """What one node of both was worth: a value, or why there is none."""

    peer: Peer
    value: Any = None
    trouble: Exception | None = None


class Peers:
    """The nodes in the order in which they are asked: who lied comes last, who was silent before that."""

    def __init__(self, uris: Sequence[str]) -> None:
        self.all = [Peer(uri) for uri in uris]
        self.endpoint = " and ".join(peer.endpoint for peer in self.all)
        self._pool = ThreadPoolExecutor(max_workers=2 * len(self.all), thread_name_prefix="light")
        self._deadline = time.monotonic()
        self._limit = 0.0

    def begin(self, within: float) -> None:
        """Everything that is asked from now on has to be done in so many seconds."""
        self._limit, self._deadline = within, time.monotonic() + within

    @property
    def left(self) -> float:
        """How many seconds are left. Raises TimeoutError where none is."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def first(self, work: Callable[[Peer, float], _T]) -> _T:
        """What the first node gives that gives it truly; `work` is told how many seconds it may take.

        Raises Unable where all refuse, and Unproven, OtherValidators, ChainSilent.
        """
        answers: list[Answered] = []
        order = self.order()
        for place, peer in enumerate(order):
            share = self.left if place == len(order) - 1 else self.left * _SHARE
            answer = self._tried(peer, work, share)
            if answer.trouble is None:
                value: _T = answer.value
                return value
            answers.append(answer)
        raise self.why(answers)

    def each(
        self, work: Callable[[Peer, float], _T], *, grace: Callable[[Sequence[Answered]], float] | None = None
    ) -> list[Answered]:
        """What every node gives, asked side by side.

        Once one gave something, `grace` says how many seconds more the others get; None waits for all. A node that was
        silent of late is left out where another gives something in time.
        """
        left = self.left
        running: dict[Future[Answered], Peer] = {
            self._pool.submit(self._tried, peer, work, left): peer for peer in self.order()
        }
        done: list[Answered] = []
        began = time.monotonic()
        until = began + left
        while running:
            finished, _ = wait(running, timeout=max(until - time.monotonic(), 0), return_when=FIRST_COMPLETED)
            if not finished:
                break
            for future in finished:
                running.pop(future)
                done.append(future.result())
            if grace is not None and any(each.trouble is None for each in done):
                # The slower one gets as much again as the faster one took, and a little.
                resting = all(peer.silent_until > time.monotonic() for peer in running.values())
                pause = 0.0 if resting else time.monotonic() - began + grace(done)
                until = min(until, time.monotonic() + pause)
        for peer in running.values():
            peer.silent_until = time.monotonic() + _REST
            done.append(Answered(peer, trouble=Silent("no answer")))
        return done

    def why(self, answers: Sequence[Answered]) -> Exception:
        """The error that says why no node gave anything."""
        faults = {each.peer.endpoint: each.trouble.fault for each in answers if isinstance(each.trouble, Lie)}
        if faults:
            if all(isinstance(each.trouble, Strangers) for each in answers if isinstance(each.trouble, Lie)):
                return OtherValidators(faults=faults)
            return Unproven(faults=faults)
        refused = [f"{each.peer.endpoint}: {each.trouble}" for each in answers if isinstance(each.trouble, Unable)]
        if refused:
            return Unable("; ".join(refused))
        reason = "; ".join(sorted({str(each.trouble) for each in answers})) or "no answer"
        return ChainSilent(endpoint=self.endpoint, seconds=round(self._limit, 1), reason=reason)

    def blame(self, peer: Peer, fault: str) -> None:
        """Remembers that a node lied."""
        if fault not in peer.faults and len(peer.faults) < 100:
            peer.faults.append(fault)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def order(self) -> list[Peer]:
        """All nodes, in the order in which they are asked."""
        now = time.monotonic()
        return sorted(self.all, key=lambda peer: (len(peer.faults) > 0, peer.silent_until > now))

    def tried(self, peer: Peer, work: Callable[[Peer, float], Any]) -> Answered:
        """What one node is worth."""
        return self._tried(peer, work, self.left)

    def _tried(self, peer: Peer, work: Callable[[Peer, float], Any], within: float) -> Answered:
        try:
            return Answered(peer, work(peer, within))
        except Lie as lie:
            self.blame(peer, lie.fault)
            return Answered(peer, trouble=lie)
        except Silent as silent:
            peer.silent_until = time.monotonic() + _REST
            return Answered(peer, trouble=silent)
        except Unable as unable:
            return Answered(peer, trouble=unable)
