"""A process that does one thing with goods and dies when it is told to. Run by the tests.

    python killed_depot.py FOLDER ROLE KEY IDENTITY URL ACT MOMENT

FOLDER is the town's, ROLE a member of it. ACT is `commission LOT`, `offer BATCH NODE TO RECIPIENT` or `accept BATCH`.
MOMENT is where it kills itself, with "before" or "after" in front: a method that a node is asked by, or `put` of the
store, or `add` of the shelf. "never" lets it live.
"""

import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from depot_town import order
from web3 import HTTPProvider, Web3

from theriac.crypto.recipients import parse_identity, parse_recipient
from theriac.ledger.contracts import Contracts
from theriac.ledger.deployment import Deployment
from theriac.ledger.sender import Sender
from theriac.ledger.signer import KeySigner
from theriac.medicine.chain import Chain
from theriac.medicine.counter import Counter
from theriac.medicine.depot import Depot
from theriac.medicine.packs import Product
from theriac.medicine.shelf import Shelf
from theriac.store import LocalStore


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def mortal(act: Callable[..., Any], when: str) -> Callable[..., Any]:
    """The same, and the process dies before or after it."""

    def done(*arguments: Any, **named: Any) -> Any:
        if when == "before":
            die()
        answer = act(*arguments, **named)
        die()
        return answer

    return done


class Mortal(HTTPProvider):
    """Kills its process at a request."""

    def __init__(self, url: str, when: str, method: str) -> None:
        super().__init__(url)
        self._when, self._method = when, method

    def make_request(self, method: Any, params: Any) -> Any:
        if method == self._method and self._when == "before":
            die()
        answer = super().make_request(method, params)
        if method == self._method and self._when == "after":
            die()
        return answer


def main() -> None:
    folder, role, key, identity_, url, act, moment = sys.argv[1:]
    when, _, where = moment.partition(" ")
    web3 = Web3(Mortal(url, when, where))
    contracts = Contracts(web3, Deployment.load(Path(folder) / "town.json"))
    signer, identity = KeySigner(bytes.fromhex(key)), parse_identity(identity_)
    place = Path(folder) / role
    store, shelf = LocalStore(Path(folder) / "store"), Shelf(place / "shelf.db")
    depot = Depot(
        member=Chain(web3, contracts, index=place / "index.db").member_of(str(signer.address)),
        signer=signer,
        sender=Sender(web3, signer, outbox=place / "outbox.db"),
        chain=Chain(web3, contracts, index=place / "index.db"),
        store=store,
        shelf=shelf,
        counter=Counter(place / "counter.db"),
        identities=[identity],
        recipient=identity.recipient,
    )
    depot.finish()
    if where in ("put", "add"):
        owner: Any = store if where == "put" else shelf
        setattr(owner, where, mortal(getattr(owner, where), when))
    verb, _, rest = act.partition(" ")
    do(depot, verb, *([rest] if verb == "commission" else rest.split(" ")))


def do(depot: Depot, act: str, *words: str) -> None:
    match act:
        case "commission":
            depot.commission(order(product=Product("04150123456782", words[0], date(2031, 6, 30))))
        case "offer":
            batch, node, to, recipient = words
            ends = datetime.fromtimestamp(depot.chain.time(), UTC) + timedelta(days=3)
            depot.offer(bytes.fromhex(batch), int(node), to=int(to), recipient=parse_recipient(recipient), ends=ends)
        case "accept":
            [offer] = [each for each in depot.offers() if each.batch.hex() == words[0]]
            depot.accept(offer)
    print("done")


if __name__ == "__main__":
    main()
