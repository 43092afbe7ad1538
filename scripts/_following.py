"""A member's goods beside a chain that is followed in the background, so that a verdict never waits for it."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from scripts._cli import Failure, failure_of
from scripts._goods import FOLLOWED, Goods, depot_at, goods_of, remember_followed
from scripts._member import desk_at
from scripts._scanning import Saying
from scripts._site import unconnected
from theriac.consortium import Role
from theriac.errors import CounterBusy, OutboxBusy, TheriacError, Unavailable
from theriac.ledger.index import Progress
from theriac.ledger.sender import Sender
from theriac.medicine.counter import Standing
from theriac.medicine.depot import Depot

EVERY = 2.0
"""Seconds between two looks at the chain."""

AT_START = 3.0
"""Seconds that the first scan waits for a chain that says nothing."""

AT_END = 150.0
"""Seconds that a scan waits at its end for what is on its way to the chain."""

_SOON = 0.2
_ANSWER = timedelta(seconds=4)


@contextmanager
def post_of(who: str, *, network: str, store: str | None, account: str | None) -> Iterator[Goods]:
    """A depot that works from what is known here, beside other commands of the same member. It sends nothing.

    Only somebody who was never here before needs the chain to begin.
    """
    with ExitStack() as stack:
        try:
            site = stack.enter_context(unconnected(who, store, network=network))
        except Failure:
            with goods_of(who, network=network, store=store, account=account):
                pass
            site = stack.enter_context(unconnected(who, store, network=network))
        person = stack.enter_context(site.person(who, shared=True))
        desk = desk_at(site, person, account=account)
        depot = depot_at(stack, desk, member=int(person.settings["member"]), sender=None)
        yield Goods(depot, site, person, online=False, desk=desk)


@dataclass
class Follower:
    """Follows the chain in a thread of its own, with files of its own, and settles what waits if it is to.

    `refused` is set where the account may not dispense any more: the chain said so.
    """

    goods: Goods
    saying: Saying
    settles: bool
    quiet: bool = False
    refused: str = ""

    def __post_init__(self) -> None:
        self._said_lost = False
        self._said_trouble = ""
        self._busy = False
        self._tried = threading.Event()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._moved = time.monotonic()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def begin(self) -> None:
        """Starts, and waits until the chain was followed, or says nothing for some seconds."""
        self._thread.start()
        while not self._tried.wait(0.05):
            if time.monotonic() - self._moved > AT_START:
                self._lost("")
                return

    def wake(self) -> None:
        """Something waits to be sent."""
        self._wake.set()

    def end(self) -> None:
        """Stops; what waits is sent first, if it is to be and the chain answers."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(AT_END if self.settles and self.goods.online else _ANSWER.total_seconds() / 4)

    # -- in the thread -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        with ExitStack() as stack:
            depot: Depot | None = None
            while True:
                last = self._stopping.is_set()
                self._wake.clear()
                self._busy = False
                try:
                    if depot is None:
                        depot = self._contact(stack)
                    self._follow(depot)
                except Unavailable:
                    self._lost("")
                except Exception as trouble:
                    # Whatever it is, scans go on; a person is told once.
                    self._lost(failure_of(trouble).message)
                self._tried.set()
                if last and not self._busy:
                    return
                self._wake.wait(_SOON if self._busy else EVERY)
                if self._stopping.is_set() and not self.settles:
                    return

    def _contact(self, stack: ExitStack) -> Depot:
        """A depot of this thread's own, once the contracts were found to stand there unchanged."""
        site, desk = self.goods.site, self.goods.desk
        assert desk is not None
        web3 = site.connection()
        site.contracts.deployment.verify(web3)
        self._moved = time.monotonic()
        return depot_at(stack, desk, member=self.goods.depot.member, sender=None, web3=web3, timeout=_ANSWER)

    def _follow(self, depot: Depot) -> None:
        depot.chain.sync(report=self._moving)
        depot.sync()
        if self.settles:
            self._check_standing(depot)
        self._back()
        if self.settles and depot.counter.dispenses(Standing.WAITING):
            self._settle(depot)

    def _moving(self, progress: Progress) -> None:
        self._moved = time.monotonic()

    def _check_standing(self, depot: Depot) -> None:
        address = str(depot.signer.address)
        member = depot.chain.standing(address, int(Role.PHARMACIST))
        self.refused = "" if member == depot.member else may_not_dispense(address, depot.member)

    def _settle(self, depot: Depot) -> None:
        site, desk = self.goods.site, self.goods.desk
        assert desk is not None
        try:
            with Sender(depot.chain.web3, depot.signer, outbox=site.outbox(desk.alias), depth=site.depth) as sender:
                depot.counter.settle(
                    sender,
                    depot.chain.contracts,
                    follow=depot.chain.sync,
                    landed=depot.chain.last_dispense,
                    report=lambda dispense: self.saying.closed(dispense, quiet=self.quiet),
                )
        except (OutboxBusy, CounterBusy):
            # Another command of the same pharmacy sends; it is this one's turn afterwards.
            self._busy = True
        except TheriacError as trouble:
            if isinstance(trouble, Unavailable):
                raise
            self._trouble(str(trouble))

    def _back(self) -> None:
        self.goods.online = self.goods.site.answers = True
        self.goods.depot.chain.is_followed_elsewhere(True)
        remember_followed(self.goods.person.folder)
        if self._said_lost:
            self._said_lost = False
            self.saying.note("The chain is back.")

    def _lost(self, trouble: str) -> None:
        self.goods.online = self.goods.site.answers = False
        self.goods.depot.chain.is_followed_elsewhere(False)
        if trouble:
            self._trouble(trouble)
        if not self._said_lost:
            self._said_lost = True
            self.saying.note(lost_sentence(self.goods.person.folder))

    def _trouble(self, sentence: str) -> None:
        if sentence != self._said_trouble:
            self._said_trouble = sentence
            self.saying.note(sentence)


def may_not_dispense(address: str, member: int) -> str:
    """What is said to an account that is no pharmacist of its member in standing."""
    return f"{address} may not dispense for member {member}: it is no pharmacist of a member in standing."


def lost_sentence(folder: Path) -> str:
    """What is said where the chain is out of reach: how old that is what verdicts are made from."""
    try:
        when = datetime.fromisoformat((folder / FOLLOWED).read_text())
    except (OSError, ValueError):
        return "The chain is out of reach; verdicts are made from what is known here."
    return f"The chain is out of reach; verdicts are made from what was known at {when:%Y-%m-%d %H:%M} UTC."
