"""A pharmacy with stock, more of its devices, and a chain that can be stopped."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from depot_town import PRODUCT, Town
from eth_account.signers.local import LocalAccount
from listening import process_at
from real_anvil import person

from theriac.consortium import Join, Role
from theriac.ledger.sender import Sender
from theriac.ledger.signer import KeySigner
from theriac.ledger.typed import Domain
from theriac.medicine import gs1
from theriac.medicine.chain import Chain
from theriac.medicine.counter import Counter
from theriac.medicine.depot import Depot, Order
from theriac.medicine.packid import PackCode, Scheme
from theriac.medicine.packs import Product
from theriac.medicine.shelf import Shelf
from theriac.medicine.tree import BATCH


def raw(number: int, *, product: Product = PRODUCT) -> str:
    """What a scanner types for a pack of `depot_town.order`."""
    code = PackCode(Scheme.GTIN, product.code, f"SN{number:08d}", lot=product.lot, expiry=product.expiry)
    return "]d2" + gs1.write(code)


def stocked(town: Town, made: Order) -> bytes:
    """A batch that the maker handed to the pharmacy as a whole."""
    maker, pharmacy = town["maker"], town["pharmacy"]
    town.sync()
    batch = maker.commission(made)
    maker.offer(
        batch,
        BATCH,
        to=pharmacy.member,
        recipient=town.identities["pharmacy"].recipient,
        ends=datetime.fromtimestamp(town.anvil.now(), UTC) + timedelta(days=3),
    )
    pharmacy.sync()
    [offer] = pharmacy.offers()
    pharmacy.accept(offer)
    town.sync()
    return batch


def device(town: Town, folder: Path, *, account: LocalAccount | None = None) -> Depot:
    """Another device of the pharmacy, with files of its own; `account` where another of its staff works at it."""
    first = town["pharmacy"]
    signer = KeySigner(account or town.staff["pharmacy"])
    depot = Depot(
        member=first.member,
        signer=signer,
        sender=Sender(town.anvil.web3, signer, outbox=folder / "outbox.db"),
        chain=Chain(town.anvil.web3, town.contracts, index=folder / "index.db"),
        store=first.store,
        shelf=Shelf(folder / "shelf.db"),
        counter=Counter(folder / "counter.db"),
        identities=[town.identities["pharmacy"]],
        recipient=town.identities["pharmacy"].recipient,
    )
    depot.sync()
    return depot


def colleague(town: Town, name: str) -> LocalAccount:
    """One more of the pharmacy's staff."""
    account, office = person(name), person("pharmacy's office")
    join = Join(account.address, town["pharmacy"].member, Role.PHARMACIST, 0, town.anvil.now() + 3600)
    consortium = town.contracts.Consortium
    signature = bytes(account.sign_message(join.signable(Domain.of(consortium))).signature)
    town.anvil.send(office, consortium.functions.join(join.terms(), signature))
    return account


# -- a chain that is out of reach ------------------------------------------------------------------------------------


@contextmanager
def stopped(uri: str) -> Iterator[None]:
    """The node at an address takes connections and answers nothing."""
    process = process_at(uri)
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


def killed(work: Callable[[int], None], *, after: int, seconds: float) -> bytes:
    """Runs `work` in a process of its own, and kills it with SIGKILL.

    `work` is given a pipe: it is killed so many seconds after so many bytes were written to it, or once it ended. All
    that it wrote.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            work(writing)
        finally:
            # Nothing of the tests' own may run in the copy.
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        written = b""
        while len(written) < after and (part := pipe.read(after - len(written))):
            written += part
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return written + pipe.readall()
