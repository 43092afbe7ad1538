"""Sealed letters: what the contract Letters told of, and where each lies."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from theriac.health import documents
from theriac.health.chain import Chain
from theriac.store import Store


@dataclass(frozen=True)
class Letter:
    """A letter as the chain has it: anybody can send one to anybody, and its digest may name anything."""

    sender: str
    to: str
    digest: bytes

    def sealed(self, store: Store) -> bytes:
        """What was sent, as it came.

        :raises NotStored: nobody has it.
        :raises BadDocument: it is larger than any letter.
        """
        with store.get_digest(self.digest) as stream:
            return documents.read_at_most(stream, documents.LARGEST)


def letters_to(chain: Chain, accounts: Collection[str]) -> Iterator[Letter]:
    """What was sent to accounts, the latest first."""
    # One account is looked up by the index itself.
    where = {"to": next(iter(accounts))} if len(accounts) == 1 else None
    for event in chain.index.events("Letters", "Sent", where=where, newest_first=True):
        if event.arguments["to"] in accounts:
            yield Letter(str(event.arguments["from"]), str(event.arguments["to"]), bytes(event.arguments["letter"]))
