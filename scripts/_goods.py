"""A member's depot as a command works in it: with the chain where it answers, and without it where that is enough."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from web3 import Web3

from scripts._cli import Failure, printable
from scripts._member import Desk, desk_at, desk_of
from scripts._site import Person, Site, is_silent, unconnected
from theriac.crypto.recipients import Recipient, parse_recipient
from theriac.errors import ChainSilent, NoProfile, Unavailable
from theriac.health.keystore import write_private
from theriac.health.messages import member_address
from theriac.ledger.contracts import Contracts
from theriac.ledger.sender import Sender
from theriac.medicine.chain import Chain
from theriac.medicine.counter import Counter
from theriac.medicine.depot import Depot
from theriac.medicine.shelf import Shelf

# Digits of a batch's number that a person has to give.
_SHORTEST = 4


FOLLOWED = "followed"
"""The file that says when the chain was followed last."""


@dataclass
class Goods:
    """A depot, where it works, and whether the chain answers there."""

    depot: Depot
    site: Site
    person: Person
    online: bool
    desk: Desk | None

    def recipient_of(self, member: int) -> Recipient:
        """What a member said to seal to. Raises NoProfile."""
        if self.desk is None:
            raise Failure("The chain is out of reach, and without it nobody can be sealed to; try again later.", 4)
        if not int(self.desk.chain.member_account(member), 16):
            raise Failure(f"There is no member {member}; 'board list' shows those that there are.")
        return parse_recipient(self.desk.chain.profile(member_address(member), self.site.store).recipient)

    def name_of(self, member: int) -> str:
        """A member's name as it published it, or its number."""
        if self.desk is None:
            return f"member {member}"
        try:
            return printable(self.desk.chain.profile(member_address(member), self.site.store).name)
        except NoProfile:
            return f"member {member}"

    def sync(self) -> bool:
        """Follows the chain; whether it could be reached."""
        try:
            self.depot.sync()
        except Unavailable:
            self.online = False
        return self.online


@contextmanager
def goods_of(
    who: str, *, network: str, store: str | None, account: str | None = None, offline: bool = False
) -> Iterator[Goods]:
    """Opens what `setup` made. With `offline`, a chain that is out of reach is no failure.

    Everything that a scan needs is in the member's own folder, so that a verdict asks nobody.
    """
    with ExitStack() as stack:
        if offline and _is_out_of_reach(who, network=network, store=store):
            yield _unreached(stack, who, network=network, store=store, account=account)
            return
        desk = stack.enter_context(desk_of(who, network=network, store=store, account=account))
        member = desk.member
        if not member:
            raise Failure(f"{desk.address} belongs to no member; have the board admit it or a member take it on.", 3)
        _remember(desk, member, account)
        goods = _opened(stack, desk, member=member, sender=desk.site.sender(desk.alias))
        try:
            goods.depot.sync()
            remember_followed(goods.person.folder)
        except ChainSilent:
            if not offline:
                raise
            goods.online = False
        yield goods


def _remember(desk: Desk, member: int, account: str | None) -> None:
    """Keeps what work without the chain needs. An account that was named for once does not make it another member's."""
    settings = desk.person.settings
    if account in (None, settings.get("account")) or "member" not in settings:
        desk.person.remember(member=str(member), uri=desk.site.uri)


def remember_followed(folder: Path) -> None:
    """Keeps when the chain was followed last, for whoever works without it later."""
    write_private(folder / FOLLOWED, datetime.now(UTC).isoformat(timespec="seconds").encode())


def _is_out_of_reach(who: str, *, network: str, store: str | None) -> bool:
    """Whether the chain is silent that somebody worked on before; asked first, since Ape waits longer."""
    try:
        with unconnected(who, store, network=network) as site:
            return is_silent(site)
    except Failure:
        return False


def _unreached(stack: ExitStack, who: str, *, network: str, store: str | None, account: str | None) -> Goods:
    """The depot of somebody who was here before, without a chain."""
    site = stack.enter_context(unconnected(who, store, network=network))
    person = stack.enter_context(site.person(who))
    goods = _opened(stack, desk_at(site, person, account=account), member=int(person.settings["member"]), sender=None)
    goods.online, goods.desk = False, None
    return goods


def _opened(stack: ExitStack, desk: Desk, *, member: int, sender: Sender | None) -> Goods:
    return Goods(depot_at(stack, desk, member=member, sender=sender), desk.site, desk.person, True, desk)


def depot_at(
    stack: ExitStack,
    desk: Desk,
    *,
    member: int,
    sender: Sender | None,
    web3: Web3 | None = None,
    timeout: timedelta = timedelta(seconds=20),
) -> Depot:
    """A depot with files of its own, which `stack` closes; `web3` where another connection is to be used."""
    folder, deployment = desk.person.folder, desk.site.contracts.deployment
    contracts = Contracts(web3, deployment) if web3 else desk.site.contracts
    index = folder / f"goods-{deployment.genesis[2:10]}.sqlite"
    chain = Chain(web3 or desk.site.web3, contracts, index=index, timeout=timeout)
    stack.callback(chain.close)
    shelf = Shelf(folder / "shelf.sqlite")
    stack.callback(shelf.close)
    counter = Counter(folder / "counter.sqlite")
    stack.callback(counter.close)
    return Depot(
        member=member,
        signer=desk.site.signer(desk.alias),
        sender=sender,
        chain=chain,
        store=desk.site.store,
        shelf=shelf,
        counter=counter,
        identities=[desk.identity],
        recipient=desk.identity.recipient,
    )


def batch_named(depot: Depot, text: str) -> bytes:
    """The batch that a person means: the beginning of its number in hexadecimal, or a lot that is known here."""
    known = depot.shelf.batches()
    wanted = text.lower().removeprefix("0x")
    starts = len(wanted) >= _SHORTEST
    found = [
        each.batch
        for each in known
        if (starts and each.batch.hex().startswith(wanted)) or (text and each.product.lot == text)
    ]
    if len(found) == 1:
        return found[0]
    many = f"{len(found)} batches are called so" if found else "No batch that is known here is called so"
    raise Failure(f"{many}: {text[:60]!r}; give more digits of the batch's number, as 'list' shows it.")
