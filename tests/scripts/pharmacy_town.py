"""A maker with a batch, two pharmacies that took over a case each, and a way to run the commands of one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from ready_python import Started
from real_anvil import anvil
from scripts_town import Said, Town

from scripts._goods import Goods, goods_of
from theriac.medicine import gs1
from theriac.medicine.depot import Order
from theriac.medicine.packid import PackCode, Scheme
from theriac.medicine.packs import Product, cases_of
from theriac.medicine.tree import Shape, node_of

SCRIPT = "from scripts.pharmacy import cli; cli()"
PRODUCT = Product("04150123456782", "L42A", date(2035, 6, 30))
SHAPE = Shape(8, 4)
MEMBERS = {"maker": "maker", "north": "pharmacist", "south": "pharmacist"}
"""Who is set up and what it is licensed as, in the order of admission: numbers from 1, accounts from TEST::1."""


def code(number: int, **other: Any) -> str:
    """What a scanner types for a pack of the batch, a line without its end."""
    values = {"lot": PRODUCT.lot, "expiry": PRODUCT.expiry, **other}
    return "]d2" + gs1.write(PackCode(Scheme.GTIN, PRODUCT.code, f"SN{number:06d}", **values))


@dataclass
class Market(Town):
    """The town of a batch of fifty packs, ten in a case: the first case is north's, the second south's."""

    batch: bytes = field(default=b"", init=False)
    places: dict[str, int] = field(default_factory=dict, init=False)

    @contextmanager
    def goods(self, who: str) -> Iterator[Goods]:
        """A member's goods as a command opens them."""
        before = dict(os.environ)
        os.environ.update(self.settings)
        try:
            with goods_of(who, network=self.settings["THERIAC_NETWORK"], store=None) as found:
                yield found
        finally:
            os.environ.clear()
            os.environ.update(before)

    def found(self) -> None:
        self.done("deploy", "--account", "TEST::0")
        for place, (who, roles) in enumerate(MEMBERS.items(), start=1):
            self.done("board", "admit", f"TEST::{place}", "--roles", roles, "--until", "2040-01-01")
            self.done("pharmacy", "setup", "--as", who, "--account", f"TEST::{place}", "--name", who.title())
        self.done("board", "renew-key")
        order = Order(
            PRODUCT,
            SHAPE,
            cases_of(50, SHAPE, case=10, pallet=4),
            [f"SN{number:06d}" for number in range(50)],
            date(2035, 6, 30),
        )
        with self.goods("maker") as maker:
            self.batch = maker.depot.commission(order)
            self.places = {serial: index for index, serial in maker.depot.shelf.serials(self.batch, 1).items()}
        self.give(0, "north")
        self.give(10, "south")

    def give(self, number: int, who: str) -> None:
        """The maker offers the case of a pack to a pharmacy, and it takes it over."""
        self.offer(number, who)
        [offer] = self.done("pharmacy", "receive", "--as", who, "--json").json
        self.done("pharmacy", "receive", offer["offer"], "--as", who)

    def offer(self, number: int, who: str) -> None:
        with self.goods("maker") as maker:
            to = [*MEMBERS].index(who) + 1
            ends = datetime.fromtimestamp(self.chain.now(), UTC) + timedelta(days=3)
            maker.depot.offer(self.batch, self.case(number), to=to, recipient=maker.recipient_of(to), ends=ends)

    def place(self, number: int) -> int:
        """The index of a pack."""
        return self.places[f"SN{number:06d}"]

    def case(self, number: int) -> int:
        return node_of(self.place(number), SHAPE.case_bits)

    # -- calling -----------------------------------------------------------------------------------------------------

    def scan(self, *lines: str | bytes, words: tuple[str, ...] = (), who: str = "north") -> Said:
        """`scan` with lines on its standard input."""
        data = b"".join(line.encode() + b"\n" if isinstance(line, str) else line for line in lines)
        return self.typed(data, "scan", "--as", who, *words)

    def typed(self, data: bytes, *words: str) -> Said:
        """A command of the pharmacy with something on its standard input."""
        from scripts.pharmacy import cli

        called = CliRunner(mix_stderr=False, env=self.settings).invoke(cli, list(words), input=data)
        assert called.exception is None or isinstance(called.exception, SystemExit), called.exception
        return Said(called.exit_code, called.stdout, called.stderr)

    def started(self, *words: str, hurry: str = "", **settings: str) -> Started:
        """A command of the pharmacy in a process of its own. `hurry` sets what it waits for otherwise."""
        return Started(hurry + SCRIPT, words, env={**os.environ, **self.settings, **settings})


@contextmanager
def market(folder: Path) -> Iterator[Market]:
    with anvil(hardfork="cancun") as chain:
        town = Market(chain, folder)
        town.found()
        yield town
