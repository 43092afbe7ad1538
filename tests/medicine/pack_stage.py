"""A consortium on an anvil, spoken to in few words, and what its chain says of each pack."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from batch_trees import DEPTH, PackTree
from compiling import compile_if_changed
from eth_abi import encode
from eth_account.signers.local import LocalAccount
from eth_utils import keccak
from eth_utils.abi import function_abi_to_4byte_selector, get_abi_input_types
from pack_model import (
    DAY,
    DISPENSE_FOR,
    FILL_FOR,
    REPORT_EXCURSION_FOR,
    Batch,
    Model,
    Pack,
    Part,
    Person,
    Sizes,
    Status,
    heights,
)
from real_anvil import BOARD, GAS, Chain, person
from web3.contract import Contract

from theriac.consortium import Join, Role
from theriac.ledger.typed import Domain, Message, fields

REGULATOR = 8
PHARMACIES = (5, 6, 7)

LONG = 10**9
"""A licence that outlives every test, in seconds."""

LICENCES = {
    1: Role.MAKER,
    2: Role.MAKER,
    3: Role.DISTRIBUTOR,
    4: Role.DISTRIBUTOR,
    5: Role.PHARMACIST | Role.DEVICE,
    6: Role.PHARMACIST,
    7: Role.PHARMACIST | Role.DISTRIBUTOR,
    8: Role.REGULATOR,
}

NAMES = ("maker", "other maker", "distributor", "carrier", "pharmacy", "rival", "chain pharmacy", "regulator")

EVERY_ROLE = Role((1 << 12) - 1)

PEOPLE = (
    *(Person(name, person(name).address, number, EVERY_ROLE) for number, name in enumerate(NAMES, start=1)),
    Person("employee", person("employee").address, 5, Role.PHARMACIST),
    Person("logger", person("logger").address, 5, Role.DEVICE),
    Person("stranger", person("stranger").address),
)

# Contracts that may act for members, by what each lets them do.
TILL = Person("till", "0x" + "71" * 20)
SENSOR = Person("sensor", "0x" + "5e" * 20)
OPERATORS = {
    (5, TILL.address): DISPENSE_FOR | FILL_FOR,
    (6, TILL.address): FILL_FOR,
    (7, TILL.address): DISPENSE_FOR | REPORT_EXCURSION_FOR,
    (3, SENSOR.address): REPORT_EXCURSION_FOR,
    (5, SENSOR.address): REPORT_EXCURSION_FOR,
    (7, SENSOR.address): REPORT_EXCURSION_FOR | DISPENSE_FOR,
}

LAST = (1 << DEPTH) - 1

SIZES: Mapping[Sizes, tuple[int, ...]] = {
    Sizes(0, 0): (0, 1, 2, 255, 256, LAST),
    Sizes(0, 3): (0, 1, 2, 7, 8, 9, 256, LAST),
    Sizes(2, 4): (0, 1, 2, 3, 4, 5, 15, 16, 17, LAST),
    Sizes(3, 3): (0, 1, 2, 3, 7, 8, 9, 10, 255, 256),
    Sizes(0, 20): (0, 1, 2, 255, 256, LAST),
    Sizes(20, 20): (0, 1, 2, 3, 4, 255, 256, LAST),
    Sizes(9, 10): (0, 1, 2, 255, 256, 511, 512, 513, 1023, 1024),
    Sizes(1, 20): (0, 1, 2, 3, 4, LAST),
    Sizes(8, 12): (0, 1, 2, 254, 255, 256, 257, 4095, 4096),
    Sizes(2, 2): (0, 1, 2, 3, 4, 5, 8, LAST),
}
"""The places that are looked at in a batch of these sizes. The last one holds no pack."""


class Sight(NamedTuple):
    """What the chain says of a part. `status` and `operator` are of packs only."""

    holder: int
    giver: int
    moves: int
    blocks: int
    offered: bool
    expired: bool
    status: int = 0
    operator: int = 0
    gone: bool = False
    apart: bool = False


Sights = Mapping[int, Sight]


def expected(model: Model, batch: Batch) -> dict[int, Sight]:
    """What the chain must say of a batch."""
    sights = {}
    for node, part in batch.parts.items():
        offered = model.is_offered(part) or model.is_locked(batch, part)
        sight = Sight(part.holder, part.giver, part.moves, int(part.blocks), offered, model.is_expired(batch))
        if isinstance(part, Pack):
            operator = int(part.operator or "0x0", 16)
            gone = part.status != Status.IN_STOCK
            sight = sight._replace(
                status=int(part.status), operator=operator, gone=gone, apart=part.apart and batch.sizes.case_bits != 0
            )
        sights[node] = sight
    return sights


def new_batch(maker: int, number: int, sizes: Sizes, expiry: int) -> Batch:
    """A batch as its maker makes it, all of it with the maker."""
    indices = SIZES[sizes]
    tree = PackTree({index: keccak(text=f"pack {index} of {number}") for index in indices[:-1]})
    nodes = {((1 << DEPTH) | index) >> height: height for index in indices for height in heights(sizes)}
    parts: dict[int, Part] = {
        node: (Part if height else Pack)(node, height, holder=maker, giver=maker, rides=1)
        for node, height in sorted(nodes.items())
    }
    return Batch(keccak(encode(["uint256", "bytes32"], [maker, tree.root])), maker, expiry, sizes, tree, parts)


class Refused(NamedTuple):
    error: str


class Stage:
    """An anvil with the consortium's members on it, spoken to in as few words as possible."""

    def __init__(self, chain: Chain) -> None:
        compile_if_changed()
        self.chain = chain
        self.consortium = chain.deploy("Consortium", BOARD.address)
        self.batches = chain.deploy("Batches", self.consortium.address)
        self.questions = chain.deploy("Questions")
        self.domain = Domain.of(self.batches)
        self.errors = _errors(self.batches)
        self._selectors = _functions(self.batches) | _functions(self.questions) | _functions(self.consortium)
        self._asked: dict[tuple[bytes, Sizes], tuple[str, int]] = {}
        self.request = chain.wire.request
        self._admit()
        self.snapshot = chain.ask("evm_snapshot")

    def _admit(self) -> None:
        admit, now = self.consortium.functions, self.chain.now()
        self.licence = now + LONG
        for number, roles in LICENCES.items():
            self.chain.send(BOARD, admit.admit(PEOPLE[number - 1].address, int(roles), 1, self.licence))
        domain = Domain.of(self.consortium)
        for joiner in PEOPLE[len(LICENCES) : -1]:
            terms = Join(joiner.address, joiner.member, joiner.roles, 0, now + DAY)
            signature = person(joiner.name).sign_message(terms.signable(domain)).signature
            self.chain.send(person(NAMES[joiner.member - 1]), admit.join(*terms.arguments(signature)))
        for operator in (TILL, SENSOR):
            self.chain.ask("anvil_setCode", operator.address, "0x00")
        for (member, address), mask in OPERATORS.items():
            self.chain.send(person(NAMES[member - 1]), admit.setOperator(address, mask))
        self.chain.send(BOARD, admit.renewKey(keccak(text="the consortium's key")))
        self.chain.ask("anvil_autoImpersonateAccount", True)

    def anew(self) -> int:
        """The chain as it was before the first batch; the second that it shows."""
        self.chain.back(self.snapshot)
        self.snapshot = self.chain.ask("evm_snapshot")
        return self.chain.now()

    def send(self, sender: str, to: Contract, function: str, *arguments: Any, at: int) -> Refused | None:
        """Sends a transaction that is mined in the second `at`; by which error it was refused, if it was."""
        call = {"from": sender, "to": to.address, "gas": hex(GAS), "gasPrice": "0x0"}
        receipt = self.request("eth_sendTransactionSync", {**call, "data": self._data(function, *arguments)})
        assert int(str(receipt["blockTimestamp"]), 0) == at
        if receipt["status"] == "0x1":
            return None
        trace = self.request("debug_traceTransaction", receipt["transactionHash"], {"tracer": "callTracer"})
        return Refused(self.errors.get(trace.get("output", "0x")[:10], trace.get("output", "no reason")))

    def _data(self, function: str, *arguments: Any) -> str:
        selector, types = self._selectors[function]
        return "0x" + (selector + encode(types, arguments)).hex()

    def look(self, batch: Batch) -> dict[int, Sight]:
        """Everything that the chain says of the parts of a batch."""
        if (batch.id, batch.sizes) not in self._asked:
            self._asked[batch.id, batch.sizes] = self._all_of(batch)
        data, count = self._asked[batch.id, batch.sizes]
        answer = self.request("eth_call", {"to": self.questions.address, "data": data}, "latest")
        answers = _answers(bytes.fromhex(answer[2:]), count)
        sights = {}
        for node in batch.parts:
            place = next(answers)
            sights[node] = Sight(*place[:4], bool(place[4]), bool(place[5]))
        for pack in batch.packs:
            (status,), (operator,), words = next(answers), next(answers), next(answers)
            gone, apart = (bool(word >> pack.index % 256 & 1) for word in words)
            # Where packs are in no case, every one stands alone, and the chain need not say it.
            apart = apart and batch.sizes.case_bits != 0
            sights[pack.node] = sights[pack.node]._replace(status=status, operator=operator, gone=gone, apart=apart)
        return sights

    def _all_of(self, batch: Batch) -> tuple[str, int]:
        asked = [("placeOf", batch.id, node) for node in batch.parts]
        for pack in batch.packs:
            asked += [(name, batch.id, pack.index) for name in ("statusOf", "claimedBy")]
            asked.append(("wordOf", batch.id, pack.index // 256))
        questions = [bytes.fromhex(self._data(*question)[2:]) for question in asked]
        return self._data("ask", self.batches.address, questions), len(questions)

    def sign(self, terms: "Handoff", key: LocalAccount) -> bytes:
        return bytes(key.sign_message(terms.signable(self.domain)).signature)


@dataclass(frozen=True)
class Handoff(Message):
    """What the giver of goods signs."""

    batch: bytes
    node: int
    by: str
    to: int
    moves: int
    sheet: bytes
    deadline: int

    CONTRACT: ClassVar[str] = "Batches"
    FUNCTION: ClassVar[str] = "acceptBySig"
    TYPE: ClassVar[str] = "Handoff"
    FIELDS: ClassVar = fields(
        "bytes32 batch,uint32 node,address by,uint32 to,uint32 moves,bytes32 sheet,uint40 deadline"
    )


def _functions(contract: Contract) -> dict[str, tuple[bytes, list[str]]]:
    functions = (entry for entry in contract.abi if entry["type"] == "function")
    return {
        entry["name"]: (function_abi_to_4byte_selector(entry), list(get_abi_input_types(entry))) for entry in functions
    }


def _errors(contract: Contract) -> dict[str, str]:
    errors = (entry for entry in contract.abi if entry["type"] == "error")
    return {"0x" + keccak(text=_signature(entry))[:4].hex(): entry["name"] for entry in errors}


def _signature(entry: Any) -> str:
    return f"{entry['name']}({','.join(one['type'] for one in entry['inputs'])})"


def _answers(encoded: bytes, count: int) -> Iterator[tuple[int, ...]]:
    """The words of each answer in an encoded `bytes[]`."""
    words = [int.from_bytes(encoded[at : at + 32], "big") for at in range(0, len(encoded), 32)]
    assert words[1] == count
    for number in range(count):
        at = 2 + words[2 + number] // 32
        yield tuple(words[at + 1 : at + 1 + words[at] // 32])
