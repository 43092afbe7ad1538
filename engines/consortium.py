"""A small consortium on one machine: four organisations whose nodes validate one chain, three of them with stores.

    FOLDER/north city corner harbour    one organisation each, as on a machine of its own (`engines.organisation`)

Each store's records are kept by one other organisation too: north's by corner, city's by north, corner's by city.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engines.kaia.network import CHAIN_ID, genesis
from engines.organisation import Kept, Organisation, Ports
from engines.process import LOOPBACK, EngineError, side_by_side

_FIRST_PORT, _PORTS = 18600, 20
_BLOCKS_SECONDS = 120.0
_MEET_SECONDS = 120.0


@dataclass(frozen=True)
class Seat:
    """An organisation's place in the consortium: its folder's name, and whether it has a store."""

    name: str
    store: bool = True


SEATS = (Seat("north"), Seat("city"), Seat("corner"), Seat("harbour", store=False))


class Consortium:
    """The nodes of all organisations, laid out in `folder` the first time and found again later.

    `hosts` are the addresses at which the nodes of each reach each other. `lasting` lets them outlive who starts them.
    """

    def __init__(
        self,
        folder: Path,
        *,
        seats: Sequence[Seat] = SEATS,
        hosts: Sequence[str] = (),
        lasting: bool = True,
    ) -> None:
        self.folder = folder
        self._seats = seats
        self._hosts = list(hosts) or [LOOPBACK] * len(seats)
        self._lasting = lasting

    @property
    def laid(self) -> bool:
        """Whether anything was ever founded here."""
        return all((self.folder / seat.name / "organisation.json").exists() for seat in self._seats)

    @property
    def organisations(self) -> dict[str, Organisation]:
        """By name; once founded. Raises EngineError."""
        return {seat.name: Organisation(self.folder / seat.name, lasting=self._lasting) for seat in self._seats}

    def found(self) -> dict[str, Organisation]:
        """Lays everything out and draws all keys, where that is not done yet. Raises EngineError."""
        own_machines = len(set(self._hosts)) > 1
        found = {}
        for place, (seat, host) in enumerate(zip(self._seats, self._hosts, strict=True)):
            ports = Ports() if own_machines else Ports.near(_FIRST_PORT + place * _PORTS, host)
            found[seat.name] = Organisation.lay(
                self.folder / seat.name,
                name=seat.name,
                host=host,
                ports=ports,
                store=seat.store,
                validates=True,
                lasting=self._lasting,
            )
        side_by_side([each.make_keys for each in found.values()])

        first = self._first_block(list(found.values()))
        cards = [each.card for each in found.values()]
        stores = [each for each in found.values() if each.store is not None]
        for organisation in found.values():
            organisation.knows(cards)
            organisation.found(first)
        for place, owner in enumerate(stores):
            keeper = stores[place - 1]
            keeper.keeps(Kept(owner.name, owner.card.cluster, owner.secret))
        return found

    def start(self, tell: Callable[[str], None] = lambda _: None) -> dict[str, Organisation]:
        """Runs all nodes, and waits until blocks come and copies are kept. Raises EngineError."""
        found = self.found()
        tell("Starting the nodes")
        try:
            # Validators wait for each other, so they are begun together.
            side_by_side([each.start for each in found.values()])
            tell("Waiting for blocks")
            self._wait_for_blocks(list(found.values()))
            tell("Waiting for the peers to meet")
            self._wait_for_keepers(list(found.values()))
        except BaseException:
            self.stop()
            raise
        return found

    def stop(self) -> None:
        """Ends all nodes side by side, and whatever organisation was brought up beside them here."""
        side_by_side([Organisation(path.parent).stop for path in self.folder.glob("*/organisation.json")])

    def _first_block(self, organisations: list[Organisation]) -> dict[str, Any]:
        """The genesis that one of them has already, else a new one."""
        for each in organisations:
            if each.genesis.exists():
                known: dict[str, Any] = json.loads(each.genesis.read_bytes())
                return known
        addresses = [bytes.fromhex(each.kaia.address[2:]) for each in organisations]
        return genesis(addresses, chain_id=CHAIN_ID, begun=int(time.time()))

    def _wait_for_blocks(self, organisations: list[Organisation]) -> None:
        begun = max(each.kaia.height() for each in organisations)
        deadline = time.monotonic() + _BLOCKS_SECONDS
        while min(each.kaia.height() for each in organisations) <= begun:
            if time.monotonic() > deadline:
                raise EngineError(f"No block came in {_BLOCKS_SECONDS:g} s: {organisations[0].kaia.daemon.said()}")
            time.sleep(0.2)

    def _wait_for_keepers(self, organisations: list[Organisation]) -> None:
        for owner in organisations:
            if owner.cluster is None:
                continue
            peer = owner.cluster
            peer.daemon.wait(lambda peer=peer, wanted=owner.copies: len(peer.met()) >= wanted, seconds=_MEET_SECONDS)  # type: ignore[misc]
