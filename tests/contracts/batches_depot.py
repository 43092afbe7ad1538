"""What the tests of medicine stand on: members that handle goods, and a batch of theirs on a real anvil.

What is to be refused is asked for in calls, which leave no trace.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from eth_account.signers.local import LocalAccount
from eth_utils import keccak
from pack_tree import PACKS, Tree, above, pack
from real_anvil import BOARD, GAS, Chain, Contracts, anvil, encoded, person
from signature_cases import Event
from signature_stage import Refusal, event_of, refusal_in
from web3.contract import Contract
from web3.contract.contract import ContractFunction

from theriac.consortium import Join, Role
from theriac.ledger.typed import Domain, Message
from theriac.medicine.messages import Handoff

DAY = 24 * 3600
NOBODY = f"0x{0:040x}"

# The members, in the order of their admission, and what they are licensed as. Their accounts have the same names.
LICENCES = {
    "maker": Role.MAKER,
    "copycat": Role.MAKER,
    "wholesaler": Role.DISTRIBUTOR | Role.DEVICE,
    "haulier": Role.DISTRIBUTOR,
    "pharmacy": Role.PHARMACIST | Role.DEVICE | Role.GATEWAY,
    "rival": Role.PHARMACIST,
    "agency": Role.REGULATOR,
    "hospital": Role.CLINICIAN,
}
MAKER, COPYCAT, WHOLESALER, HAULIER, PHARMACY, RIVAL, AGENCY, HOSPITAL = range(1, 9)

# Staff and devices: whose, and in which roles.
STAFF = {
    "pharmacist": ("pharmacy", Role.PHARMACIST),
    "clerk": ("pharmacy", Role.GATEWAY),
    "logger": ("pharmacy", Role.DEVICE),
    "probe": ("wholesaler", Role.DEVICE),
    "packer": ("maker", Role.MAKER),
}
NUMBERS = {name: number for number, name in enumerate(LICENCES, start=1)}
"""The members' numbers by name."""

BY_HOLDER, BY_MAKER, BY_REGULATOR, EXCURSION, RECALL = (1 << bit for bit in range(5))
IN_STOCK, DISPENSED, ENDED = range(3)
EXPORTED, SAMPLED, DESTROYED, STOLEN, RETURNED = range(5)
DISPENSE_FOR, FILL_FOR, REPORT_EXCURSION_FOR = 1, 2, 4
OFFER_WINDOW = 30 * DAY
REASON = 7

PALLET_BITS, CASE_BITS = 6, 3
"""The batch of the tests has eight cases of eight packs on a pallet."""

PALLET, CASE, PACK = above(0, PALLET_BITS), above(0, CASE_BITS), above(0, 0)
"""The first pallet, its first case, and its first pack."""

NEXT_CASE, NEXT_PALLET = CASE + 1, PALLET + 1
FULL = 0xFF
"""The mask of the first case in the first word."""


def digest(name: str) -> bytes:
    """The digest of a document in a test."""
    return keccak(text=f"theriac test: {name}")


SHEET = digest("sheet")
NO_SHEET = bytes(32)


@dataclass(frozen=True)
class Node:
    """A node's own slot, as `nodeOf` has it."""

    holder: int = 0
    giver: int = 0
    offered_to: int = 0
    offer_ends: int = 0
    offered_at: int = 0
    moves: int = 0
    last_dispensed: int = 0
    blocks: int = 0
    opened: bool = False


@dataclass(frozen=True)
class Place:
    """Where a node stands, as `placeOf` has it."""

    holder: int
    giver: int
    moves: int = 0
    blocks: int = 0
    offered: bool = False
    expired: bool = False


@dataclass(frozen=True)
class Goods:
    """A batch as its maker knows it."""

    maker: str
    tree: Tree
    pallet_bits: int
    case_bits: int
    expiry: int

    @cached_property
    def id(self) -> bytes:
        return keccak(NUMBERS[self.maker].to_bytes(32, "big") + self.tree.root)

    @property
    def terms(self) -> tuple[Any, ...]:
        """What it is commissioned with."""
        words = (digest("product"), digest("lot"), digest("tag"))
        return (self.tree.root, *words, 1, digest("manifest"), self.expiry, self.pallet_bits, self.case_bits)

    def proof(self, index: int) -> tuple[int, bytes, list[bytes]]:
        """What a pack is dispensed with."""
        return index, self.tree.packs[index], self.tree.siblings(index)


TREE = Tree({index: pack(index) for index in (*range(24), *range(64, 72), 255, 256, PACKS - 1)})
"""Three cases of the first pallet, one of the next, and a few packs far from them."""


@dataclass(frozen=True)
class Depot:
    """A chain with members, and a batch of the maker's, which holds it."""

    chain: Chain
    contracts: Contracts
    goods: Goods

    @property
    def batch(self) -> bytes:
        return self.goods.id

    def account(self, who: str) -> LocalAccount:
        return person(who)

    def address(self, who: str) -> str:
        return person(who).address

    def midnight(self, days: int) -> int:
        """The UTC midnight that many days ahead; one day ahead is the next."""
        return (self.chain.now() // DAY + days) * DAY

    # -- saying something --------------------------------------------------------------------------------------------

    def call(self, contract: str, function: str, *arguments: Any) -> ContractFunction:
        return self.contracts.by_name[contract].functions[function](*arguments)

    def data(self, call: ContractFunction) -> bytes:
        """What a call is sent with."""
        return encoded(call)

    def send(self, who: str, contract: str, function: str, *arguments: Any) -> list[Event]:
        """Sends what must count; what the contracts told."""
        receipt = self.chain.send(self.account(who), self.call(contract, function, *arguments))
        known: dict[str, Contract] = {each.address: each for each in self.contracts.by_name.values()}
        return [event_of(known[log["address"]], log) for log in receipt["logs"]]

    def refused(self, who: str, contract: str, function: str, *arguments: Any) -> Refusal | None:
        """By what error it would be refused; nothing where it would count."""
        return self.refused_from(self.address(who), contract, function, *arguments)

    def refused_from(self, address: str, contract: str, function: str, *arguments: Any) -> Refusal | None:
        """The same for a call from an address, which may be a contract's."""
        call = self.call(contract, function, *arguments)
        asked = {
            "from": address,
            "to": call.address,
            "data": "0x" + encoded(call).hex(),
            "gas": hex(GAS),
        }
        answer = self.chain.web3.provider.make_request("eth_call", [asked, "latest"])  # type: ignore[arg-type]
        return refusal_in(call.contract_abi, answer["error"]) if "error" in answer else None

    def read(self, contract: str, data: bytes) -> Refusal:
        """The error of a contract that these bytes are."""
        return refusal_in(self.contracts.by_name[contract].abi, {"data": "0x" + data.hex(), "message": ""})

    def do(self, who: str, function: str, *arguments: Any) -> list[Event]:
        """Sends an act about the batch."""
        return self.send(who, "Batches", function, self.batch, *arguments)

    def refusal(self, who: str, function: str, *arguments: Any) -> Refusal | None:
        """By what error an act about the batch would be refused."""
        return self.refused(who, "Batches", function, self.batch, *arguments)

    def ask(self, function: str, *arguments: Any, contract: str = "Batches") -> Any:
        return self.call(contract, function, *arguments).call()

    # -- looking -----------------------------------------------------------------------------------------------------

    def node(self, node: int) -> Node:
        return Node(*self.ask("nodeOf", self.batch, node))

    def place(self, node: int) -> Place:
        return Place(*self.ask("placeOf", self.batch, node))

    def word(self, number: int = 0) -> tuple[int, int]:
        """The packs of a word that ended, and those that stand apart."""
        ended, apart = self.ask("wordOf", self.batch, number)
        return ended, apart

    def status(self, index: int) -> int:
        return int(self.ask("statusOf", self.batch, index))

    def claimed(self, index: int) -> str:
        return str(self.ask("claimedBy", self.batch, index))

    # -- what goods go through ---------------------------------------------------------------------------------------

    def commission(self, goods: Goods) -> "Depot":
        """The same depot, about another batch."""
        self.send(goods.maker, "Batches", "commission", goods.terms)
        return replace(self, goods=goods)

    def of_sizes(self, pallet_bits: int, case_bits: int, tree: Tree | None = None) -> "Depot":
        """The same depot, about a batch of other sizes: of the same packs by the copycat, unless a tree is given."""
        maker = self.goods.maker if tree else "copycat"
        return self.commission(Goods(maker, tree or self.goods.tree, pallet_bits, case_bits, expiry=self.goods.expiry))

    def offer(self, giver: str, node: int, to: str, *, days: int = 8) -> list[Event]:
        return self.do(giver, "offer", node, NUMBERS[to], self.midnight(days), SHEET)

    def accept(self, to: str, node: int, missing: Sequence[int] = ()) -> list[Event]:
        return self.do(to, "accept", node, list(missing))

    def hand(self, giver: str, node: int, to: str, missing: Sequence[int] = ()) -> list[Event]:
        """An offer and its acceptance; what the second told."""
        self.offer(giver, node, to)
        return self.accept(to, node, missing)

    def dispense(self, who: str, index: int) -> list[Event]:
        return self.do(who, "dispense", *self.goods.proof(index))

    def block(self, who: str, node: int, block: int) -> list[Event]:
        return self.do(who, "quarantine", node, block, REASON)

    def let(self, member: str, operator: str, operations: int) -> None:
        """Lets a contract act for a member."""
        self.send(member, "Consortium", "setOperator", operator, operations)

    # -- what is signed ----------------------------------------------------------------------------------------------

    def signature(self, message: Message, by: str) -> bytes:
        domain = Domain.of(self.contracts.by_name[message.CONTRACT])
        return bytes(self.account(by).sign_message(message.signable(domain)).signature)

    def signed_offer(
        self, giver: str, node: int, to: str, *, moves: int | None = None, deadline: int | None = None
    ) -> tuple[Handoff, bytes]:
        """An offer and its signature; unless said otherwise for the node's count now, and for a week."""
        count = self.place(node).moves if moves is None else moves
        end = self.chain.now() + 7 * DAY if deadline is None else deadline
        terms = Handoff(self.batch, node, self.address(giver), NUMBERS[to], count, SHEET, end)
        return terms, self.signature(terms, giver)

    def accept_signed(self, to: str, signed: tuple[Handoff, bytes], missing: Sequence[int] = ()) -> list[Event]:
        terms, signature = signed
        return self.send(to, "Batches", "acceptBySig", *terms.arguments(signature, missing=missing))

    def refusal_of_signed(self, to: str, signed: tuple[Handoff, bytes], missing: Sequence[int] = ()) -> Refusal | None:
        terms, signature = signed
        return self.refused(to, "Batches", "acceptBySig", *terms.arguments(signature, missing=missing))


@contextmanager
def open_depot() -> Iterator[Depot]:
    """Members in standing with their staff, the consortium's first key, and the maker's batch."""
    with anvil(hardfork="prague") as chain:
        contracts = Contracts.deploy(chain)
        expiry = (chain.now() // DAY + 700) * DAY
        depot = Depot(chain, contracts, Goods("maker", TREE, PALLET_BITS, CASE_BITS, expiry))
        for name, licence in LICENCES.items():
            admit = contracts.consortium.functions.admit
            chain.send(BOARD, admit(person(name).address, int(licence), 1, depot.midnight(365 * 3)))
        for name, (employer, roles) in STAFF.items():
            join = Join(person(name).address, NUMBERS[employer], roles, 0, chain.now() + DAY)
            depot.send(employer, "Consortium", "join", *join.arguments(depot.signature(join, name)))
        chain.send(BOARD, contracts.consortium.functions.renewKey(digest("the consortium's key")))
        depot.commission(depot.goods)
        yield depot


def error(name: str, **facts: Any) -> Refusal:
    """The error by which something is refused."""
    return Refusal(name, facts)
