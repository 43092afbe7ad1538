"""What a page shows and what it asks for: a state that the page waits on, and acts that are done one at a time.

The server's thread only hands over; the acts are done by `Desk.work` in the thread that opened the chain and the
vault.
"""

import asyncio
import queue
import re
import threading
from collections.abc import Callable, Mapping
from typing import Any

from scripts._cli import Failure, cleaned, failure_of
from scripts._pages import Unfit

Act = Callable[[Mapping[str, Any]], Any]

_NAME = re.compile(r"[A-Za-z0-9-]{8,64}")
_WAIT = 25.0
"""Seconds that the page's question for news stays open."""


class Desk:
    """The state of a page, and the acts that it can ask for.

    An act has a name that the page made up before it sent it: what is sent twice is done once. While one is being done,
    no other is taken.
    """

    def __init__(self, acts: Mapping[str, Act], *, every: float | None = None, idle: Act | None = None) -> None:
        """`idle` is done every so many seconds in which nothing was asked for."""
        self._acts = dict(acts)
        self._every = every
        self._idle = idle
        self._state: dict[str, Any] = {"version": 0, "job": None}
        self._taken: set[str] = set()
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        self._lock = threading.Lock()
        self._queue: queue.Queue[tuple[str, str, Mapping[str, Any]] | None] = queue.Queue()

    # -- the state ---------------------------------------------------------------------------------------------------

    def show(self, **parts: Any) -> None:
        """Replaces parts of the state, and tells the pages that wait."""
        with self._lock:
            self._state = {**self._state, **parts, "version": self._state["version"] + 1}
            for loop, changed in self._waiting:
                loop.call_soon_threadsafe(changed.set)
            self._waiting.clear()

    def tell(self, **parts: Any) -> None:
        """Replaces parts of what is said of the act that is being done."""
        self.show(job={**(self._state["job"] or {}), **parts})

    @property
    def state(self) -> dict[str, Any]:
        return self._state

    async def news(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The state, as soon as it is another than the version the page has."""
        changed = asyncio.Event()
        place = (asyncio.get_running_loop(), changed)
        with self._lock:
            if self._state["version"] != asked.get("after"):
                return self._state
            self._waiting.add(place)
        try:
            await asyncio.wait_for(changed.wait(), _WAIT)
        except TimeoutError:
            pass
        finally:
            with self._lock:
                self._waiting.discard(place)
        return self._state

    # -- acts --------------------------------------------------------------------------------------------------------

    async def ask(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Takes an act: `{"id": ..., "act": ..., ...}`."""
        name, act = str(asked.get("id", "")), str(asked.get("act", ""))
        if act not in self._acts or not _NAME.fullmatch(name):
            raise Unfit(400, "unknown-act", "The page asked for something that is not known here; load it again.")
        with self._lock:
            if name in self._taken:
                return {"id": name}
            job = self._state["job"]
            if job is not None and not job["done"]:
                raise Unfit(409, "busy", "Something else is being done; wait until it is finished.")
            self._taken.add(name)
            self._state = {**self._state, "job": {"id": name, "act": act, "done": False}}
        self._queue.put((name, act, asked))
        return {"id": name}

    def wish(self, act: str) -> None:
        """Has an act done that no page asked for."""
        with self._lock:
            self._state = {**self._state, "job": {"id": act, "act": act, "done": False}}
        self._queue.put((act, act, {}))

    def stop(self) -> None:
        self._queue.put(None)

    def work(self) -> None:
        """Does what is asked for until `stop`. What goes wrong is told in a sentence, and the next act is taken."""
        while True:
            try:
                asked = self._queue.get(timeout=self._every)
            except queue.Empty:
                if self._idle is not None:
                    self._quietly(self._idle)
                continue
            if asked is None:
                return
            name, act, values = asked
            self.show(job={"id": name, "act": act, "done": False})
            self._do(act, values)

    def _do(self, act: str, values: Mapping[str, Any]) -> None:
        try:
            result = self._acts[act](values)
        except Exception as trouble:
            failure = trouble if isinstance(trouble, Failure) else failure_of(trouble)
            problem = {"code": type(trouble).__name__, "sentence": failure.message}
            self.tell(done=True, problem=problem)
        else:
            self.tell(done=True, result=result)

    def _quietly(self, act: Act) -> None:
        """What nobody asked for may fail while the chain is away; the state says so."""
        try:
            act({})
        except Exception as trouble:
            failure = trouble if isinstance(trouble, Failure) else failure_of(trouble)
            self.show(offline=failure.message)
        else:
            if self._state.get("offline"):
                self.show(offline="")


def word_in(values: Mapping[str, Any], name: str) -> str:
    """A text that a page sent."""
    word = values.get(name)
    if not isinstance(word, str):
        raise Failure(f"The page sent no {name}; load it again.")
    return word


def cut(text: str, length: int) -> str:
    """What a stranger wrote, without what steers a display, and of a length that fits one."""
    return " ".join(cleaned(text).split())[:length]
