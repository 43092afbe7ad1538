"""What a health client asks of the chain, and how what a patient signed gets there."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path
from typing import Any, Protocol, TypeVar

from eth_account import Account as EthAccount
from eth_account.messages import SignableMessage, _hash_eip191_message
from eth_typing import ABI, ChecksumAddress
from eth_utils.address import to_checksum_address
from web3 import Web3

from theriac.errors import BadDocument, ChainRefused, NoBundle, NoProfile, NotStored, TheriacError
from theriac.health import documents
from theriac.health.bundle import Bundle, Profile
from theriac.health.days import DayRow
from theriac.health.hours import hour_at
from theriac.health.scope import Purpose
from theriac.ledger.codec import checksummed
from theriac.ledger.contracts import Contracts, Event, Receipt
from theriac.ledger.index import Handler, Index, Table, Value
from theriac.ledger.node import Header, Node
from theriac.ledger.sender import Sender
from theriac.ledger.signer import Signer
from theriac.ledger.typed import Domain, Message
from theriac.store import Store

Answer = TypeVar("Answer")

_TRIES, _PAUSE = 5, 0.2
"""How often the chain is asked at its latest block, and the seconds in between."""

_ERC_1271: ABI = [
    {
        "type": "function",
        "name": "isValidSignature",
        "stateMutability": "view",
        "inputs": [{"name": "hash", "type": "bytes32"}, {"name": "signature", "type": "bytes"}],
        "outputs": [{"name": "magic", "type": "bytes4"}],
    }
]
_ERC_1271_ACCEPTED = bytes.fromhex("1626ba7e")

FOLLOWED = {
    "Keys": ("Published", "PublisherSet", "EraRaised", "HandedOver"),
    "Records": ("Anchored", "AnchoredMany", "Resealed", "RowAnchored", "RowRefused", "Amended"),
    "Grants": ("Granted", "Referred", "Narrowed", "Revoked", "ParentSet"),
    "Letters": ("Sent",),
    "AccessLog": ("Logged",),
    "Consortium": ("Admitted", "Joined", "Left", "AccountReplaced"),
    "Emergencies": ("Opened", "Released", "Withdrawn", "Reviewed"),
    "Recovery": ("GuardiansSet", "Started", "Objected", "Ended", "Finished"),
}
"""The events that health clients follow. Everyone follows all of them: a question about one pseudonym would tell it."""


_ANCHORS = Table(
    "anchors",
    {"pseudonym": "BLOB NOT NULL", "author": "INTEGER NOT NULL", "digest": "BLOB NOT NULL"},
    (("digest",), ("pseudonym",)),
)
_ROWS = Table(
    "day_rows",
    {
        "pseudonym": "BLOB NOT NULL",
        "author": "INTEGER NOT NULL",
        "version": "INTEGER NOT NULL",
        "root": "BLOB NOT NULL",
        "proofs": "BLOB NOT NULL",
    },
    (("pseudonym",), ("root",)),
)


@dataclass(frozen=True)
class Anchoring:
    """A digest that was anchored by itself or with others of one pseudonym: by which member (0 for the patient), and
    in which block.
    """

    pseudonym: str
    author: int
    digest: bytes
    block: int


def _anchor_rows(event: Event) -> Iterable[Mapping[str, Value]]:
    told = event.arguments
    pseudonym = bytes.fromhex(told["pseudonym"][2:])
    for digest in digests_of(told):
        yield {"pseudonym": pseudonym, "author": told["author"], "digest": digest}


def _day_rows(event: Event) -> Iterable[Mapping[str, Value]]:
    yield {**event.arguments, "pseudonym": bytes.fromhex(event.arguments["pseudonym"][2:])}


_TABLES = {
    "Anchored": (_ANCHORS, _anchor_rows),
    "AnchoredMany": (_ANCHORS, _anchor_rows),
    "RowAnchored": (_ROWS, _day_rows),
}
"""What is asked for by pseudonym and by digest: among millions, only an index finds it."""


class Refusal(IntEnum):
    """Why `Grants.explain` says no."""

    NONE = 0
    UNKNOWN_PURPOSE = 1
    EMPTY_SCOPE = 2
    NO_STANDING = 3
    NO_GRANT = 4
    ERA_RAISED = 5
    PARENT_ENDED = 6
    NOT_STARTED = 7
    EXPIRED = 8
    OUT_OF_SCOPE = 9

    @property
    def sentence(self) -> str:
        return _SENTENCES[self]


_SENTENCES = {
    Refusal.NONE: "it is allowed",
    Refusal.UNKNOWN_PURPOSE: "there is no such purpose",
    Refusal.EMPTY_SCOPE: "no class was asked for",
    Refusal.NO_STANDING: "the reader does not hold the role that this purpose asks for, or its member lost standing",
    Refusal.NO_GRANT: "nothing is granted",
    Refusal.ERA_RAISED: "the patient revoked everything",
    Refusal.PARENT_ENDED: "what the grant stood under has ended",
    Refusal.NOT_STARTED: "the window has not begun",
    Refusal.EXPIRED: "the window is over",
    Refusal.OUT_OF_SCOPE: "the grant does not name this class",
}


@dataclass(frozen=True)
class Authority:
    """Who speaks for a pseudonym now (`Keys.authorityOf`)."""

    controller: ChecksumAddress
    era: int
    version: int
    frozen: bool


@dataclass(frozen=True)
class Anchor:
    """A record on the chain (`Records.recordOf`); `time` in seconds since 1970, zero where there is none."""

    time: int
    version: int
    author: int
    status: int
    marks: int

    @property
    def inbox(self) -> bool:
        return bool(self.marks & 1)


@dataclass(frozen=True)
class Guard:
    """Which guardians count for a pseudonym, and which will `since` when (`Recovery.guardOf`); zeros for none."""

    guardians: bytes
    successor: bytes
    since: int
    nonce: int


@dataclass(frozen=True)
class Pending:
    """A recovery as it stands (`Recovery.pendingOf`); `controller` is empty where none is pending. Times in seconds."""

    controller: str
    round: int
    ends: int
    lapses: int
    confirmed: int
    withdrawn: int
    needed: int
    objected: bool


@dataclass(frozen=True)
class Moment:
    """The latest block, and what the chain said at it. A block says the same for ever, so it is asked once."""

    head: Header
    _said: dict[tuple[Any, ...], Any] = field(default_factory=dict, compare=False)

    @property
    def time(self) -> int:
        """The block's second since 1970."""
        return int(self.head.time.timestamp())

    def once(self, ask: Callable[..., Answer], *arguments: Any) -> Answer:
        """What `ask(*arguments, block=...)` answers at this block."""
        place = (ask, *arguments)
        if place not in self._said:
            self._said[place] = ask(*arguments, block=self.head.number)
        answer: Answer = self._said[place]
        return answer


class Chain:
    """The chain as a health client sees it."""

    def __init__(self, web3: Web3, contracts: Contracts, *, index: Path) -> None:
        """`index` is the file that events are followed into."""
        self.web3 = web3
        self.contracts = contracts
        self._node = Node(web3)
        self._domains: dict[str, Domain] = {}
        self._times: dict[str, int] = {}
        self._moment: Moment | None = None
        self._index_path = index
        self._index: Index | None = None

    # -- time --------------------------------------------------------------------------------------------------------

    def time(self) -> int:
        """The second of the latest block, since 1970: the only clock that a writer may trust."""
        return int(self._node.head().time.timestamp())

    def time_of_block(self, number: int) -> int:
        """The second of a block; now, where the chain has taken it back."""
        header = self._node.header(number)
        return int(header.time.timestamp()) if header is not None else self.time()

    def hour(self) -> int:
        return hour_at(datetime.fromtimestamp(self.time(), UTC))

    def time_of(self, event: Event) -> int:
        """The second of the block that an event is in."""
        if event.block_hash not in self._times:
            header = self._node.header(event.block)
            if header is None or header.hash != event.block_hash:
                self._node.lied(f"block {event.block} is another one than a moment ago")
            self._times[event.block_hash] = int(header.time.timestamp())
        return self._times[event.block_hash]

    # -- one block ---------------------------------------------------------------------------------------------------

    def moment(self) -> Moment:
        """The chain at its latest block; with what was asked of it before, as long as no block came."""
        head = self._node.head()
        if self._moment is None or self._moment.head.hash != head.hash:
            self._moment = Moment(head)
        return self._moment

    def at_head(self, ask: Callable[[Moment], Answer]) -> Answer:
        """What `ask` finds at the latest block, all of it at the same one."""
        for _ in range(_TRIES - 1):
            try:
                return ask(self.moment())
            except ChainRefused:
                # Behind one address there can be several nodes, and one may not have the block yet.
                time.sleep(_PAUSE)
        return ask(self.moment())

    # -- reading -----------------------------------------------------------------------------------------------------

    def domain(self, contract: str) -> Domain:
        """Where signatures for a contract count, as the contract says itself."""
        if contract not in self._domains:
            named = self.contracts.call(self.contracts[contract].functions.eip712Domain())
            self._domains[contract] = Domain(
                named["name"], named["version"], named["chainId"], named["verifyingContract"]
            )
        return self._domains[contract]

    def authority(self, pseudonym: str, *, block: int | str = "latest") -> Authority:
        found = self._call("Keys", "authorityOf", pseudonym, block=block)
        return Authority(found["controller"], found["era"], found["version"], found["frozen"])

    def publisher(self, pseudonym: str) -> tuple[str, int]:
        """The account that may publish, and its nonce."""
        found = self._call("Keys", "publisherOf", pseudonym)
        return found["account"], found["nonce"]

    def guard(self, pseudonym: str) -> Guard:
        """Which guardians count for a pseudonym, by the hashes of their sets."""
        found = self._call("Recovery", "guardOf", pseudonym)
        return Guard(bytes(found["guardians"]), bytes(found["successor"]), found["since"], found["nonce"])

    def pending(self, pseudonym: str) -> Pending:
        """The recovery of a pseudonym, if one is pending."""
        found = dict(self._call("Recovery", "pendingOf", pseudonym))
        return Pending(**{**found, "controller": found["controller"] if int(found["controller"], 16) else ""})

    def digest(self, pseudonym: str) -> bytes:
        """The digest of the current document; zeros before the first."""
        return bytes(self._call("Keys", "digestOf", pseudonym))

    def anchor(self, pseudonym: str, author: int, digest: bytes) -> Anchor:
        """A record by who anchored it."""
        return self.anchors([(pseudonym, author, digest)])[0]

    def anchors(self, places: Sequence[tuple[str, int, bytes]]) -> list[Anchor]:
        """Records by who anchored them, asked for at one go."""
        function = self.contracts.Records.functions.recordOf
        return [
            Anchor(found["time"], found["version"], found["author"], found["status"], found["marks"])
            for found in self.contracts.calls([function(*place) for place in places])
        ]

    def grant_nonce(self, pseudonym: str, reader: str, purpose: Purpose) -> int:
        return int(self._call("Grants", "grantOf", pseudonym, reader, purpose.number)["nonce"])

    def letter_nonce(self, sender: str) -> int:
        """How many letters of an account were carried for it."""
        return int(self._call("Letters", "nonceOf", sender))

    def grant(self, pseudonym: str, reader: str, purpose: Purpose, *, block: int | str = "latest") -> dict[str, Any]:
        """A grant as the chain has it, live or not."""
        return dict(self._call("Grants", "grantOf", pseudonym, reader, purpose.number, block=block))

    def parent(self, pseudonym: str, by: int) -> dict[str, Any]:
        """What a grant can stand under, as the chain has it: holder, generation and expiry."""
        return dict(self._call("Grants", "parentOf", pseudonym, by))

    def mandate(self, pseudonym: str, by: int) -> dict[str, Any]:
        """What a delegate may grant, live or not."""
        return dict(self._call("Delegations", "mandateOf", pseudonym, by))

    def referrer(self, pseudonym: str, reader: str, purpose: Purpose) -> str:
        """From whose grant a referral came."""
        return str(self._call("Grants", "referrerOf", pseudonym, reader, purpose.number))

    def explain(
        self, pseudonym: str, reader: str, scope: int, purpose: Purpose, *, block: int | str = "latest"
    ) -> Refusal:
        return Refusal(self._call("Grants", "explain", pseudonym, reader, scope, purpose.number, block=block))

    def member_of(self, account: str, *, block: int | str = "latest") -> int:
        """The number of the member that an account belongs to, in standing or not; zero for none."""
        return int(self._call("Consortium", "affiliationOf", account, block=block)["member"])

    def standing(self, account: str, roles: int) -> int:
        return int(self._call("Consortium", "standing", account, roles))

    def member_account(self, number: int) -> str:
        """The account that acts for a member."""
        return str(self._call("Consortium", "memberOf", number)["account"])

    def signed(self, message: SignableMessage, signature: str, account: str) -> bool:
        """Whether an account signed, by its key or by its code (ERC-1271); the signature in hexadecimal."""
        try:
            raw = bytes.fromhex(signature)
            if EthAccount.recover_message(message, signature=raw) == account:
                return True
        except Exception:
            # Whatever a library makes of a malformed signature, it is nobody's key; the account's code may accept it.
            raw = b""
        return self.accepts(account, message, raw)

    def has_code(self, account: str) -> bool:
        """Whether an account is a contract, or borrows the code of one."""
        return bool(self._node.code(to_checksum_address(account)))

    def accepts(self, wallet: str, message: SignableMessage, signature: bytes) -> bool:
        """Whether the code of a wallet contract accepts a signature (ERC-1271)."""
        if not self.has_code(wallet):
            return False
        contract = self.web3.eth.contract(address=to_checksum_address(wallet), abi=_ERC_1271)
        try:
            answer = self.contracts.call(contract.functions.isValidSignature(_hash_eip191_message(message), signature))
        except TheriacError:
            return False
        return bytes(answer) == _ERC_1271_ACCEPTED

    def _call(self, contract: str, function: str, *arguments: Any, block: int | str = "latest") -> Any:
        return self.contracts.call(self.contracts[contract].functions[function](*arguments), block=block)

    # -- documents ---------------------------------------------------------------------------------------------------

    def document(self, pseudonym: str, store: Store) -> tuple[bytes, int]:
        """The current document of a pseudonym and its version.

        :raises NoBundle: none was published, or the store does not have it.
        """
        version, digest = self.authority(pseudonym).version, self.digest(pseudonym)
        if not version:
            raise NoBundle(pseudonym=pseudonym)
        try:
            with store.get_digest(digest) as stream:
                return documents.read_at_most(stream, documents.LARGEST), version
        except NotStored:
            raise NoBundle(pseudonym=pseudonym, fault="the store does not have it") from None

    def bundle(self, pseudonym: str, store: Store) -> Bundle:
        """The current bundle of a pseudonym, checked against the chain's digest and version.

        :raises NoBundle: there is none that can be used.
        """
        data, version = self.document(pseudonym, store)
        try:
            return Bundle.decode(data, pseudonym=pseudonym, version=version)
        except BadDocument as fault:
            raise NoBundle(pseudonym=pseudonym, fault=fault.fault) from None

    def profile(self, reader: str, store: Store) -> Profile:
        """What a reader, an account or a member as an address, published of itself.

        :raises NoProfile: nothing that can be used.
        """
        number = int(reader, 16)
        account = self.member_account(number) if number < 1 << 32 else reader
        try:
            data, _ = self.document(account, store)
            return Profile.decode(data, account=account)
        except (NoBundle, BadDocument):
            raise NoProfile(account=account) from None

    # -- events ------------------------------------------------------------------------------------------------------

    @property
    def index(self) -> Index:
        """The events of the health contracts, followed up to the chain's head."""
        index = self.unsynced_index
        index.sync()
        return index

    @property
    def unsynced_index(self) -> Index:
        """The same as far as it was followed; asks no chain."""
        if self._index is None:
            deployment = self.contracts.deployment
            # A network that was deployed before there were emergencies has none to follow.
            handlers = [
                Handler.of(self.contracts, contract, event, table=table, rows=rows)
                for contract, events in FOLLOWED.items()
                if contract in deployment.contracts
                for event in events
                for table, rows in [_TABLES.get(event, (None, None))]
            ]
            self._index_path.parent.mkdir(parents=True, exist_ok=True)
            self._index = Index(
                self._index_path,
                self.web3,
                handlers=handlers,
                start_block=deployment.first_block,
                depth=deployment.depth,
            )
        return self._index

    def anchored(self, digest: bytes, *, asking: bool = True) -> list[Anchoring]:
        """Where a record was anchored, other than under a day's root; the latest first.

        Without `asking`, as far as the chain was followed before.
        """
        index = self.index if asking else self.unsynced_index
        rows = index.query(f"{_SELECT_ANCHORS} WHERE digest = ? {_LATEST}", (digest,))
        return [_anchoring(row) for row in rows]

    def anchored_under(
        self, pseudonyms: Iterable[str], *, since: int = 0, settled: bool = False, asking: bool = True
    ) -> list[Anchoring]:
        """What was anchored under pseudonyms from a block on, other than under a day's root; in the chain's order.

        Without `asking`, as far as the chain was followed before.
        """
        rows = self._under(_SELECT_ANCHORS, pseudonyms, since, settled, asking)
        return [_anchoring(row) for row in rows]

    def day_rows(self, pseudonyms: Iterable[str], *, since: int = 0, settled: bool = False) -> list[DayRow]:
        """The rows of days' roots that count for pseudonyms, from a block on; in the chain's order."""
        return [_day_row(row) for row in self._under(_SELECT_ROWS, pseudonyms, since, settled, True)]

    def rows_of_day(self, author: int, root: bytes, *, settled: bool = False) -> list[DayRow]:
        """The rows that count of one day's root of a member."""
        index = self.index
        last = index.progress().settled if settled else 2**62
        rows = index.query(f"{_SELECT_ROWS} WHERE root = ? AND author = ? AND block <= ?", (root, author, last))
        return [_day_row(row) for row in rows]

    def day(self, author: int, root: bytes) -> int:
        """The second at which a member anchored a day's root; zero for never."""
        return int(self._call("Records", "dayOf", author, root))

    def _under(
        self, select: str, pseudonyms: Iterable[str], since: int, settled: bool, asking: bool
    ) -> list[dict[str, Value]]:
        index = self.index if asking else self.unsynced_index
        last = index.progress().settled if settled else 2**62
        statement = f"{select} WHERE pseudonym = ? AND block BETWEEN ? AND ?"
        found = [
            row
            for pseudonym in pseudonyms
            for row in index.query(statement, (bytes.fromhex(pseudonym[2:]), since, last))
        ]
        return sorted(found, key=lambda row: (row["block"], row["log_index"], row["place"]))

    def close(self) -> None:
        if self._index is not None:
            self._index.close()
            self._index = None


_SELECT_ANCHORS = "SELECT block, log_index, rowid AS place, pseudonym, author, digest FROM anchors"
_SELECT_ROWS = "SELECT block, log_index, rowid AS place, pseudonym, author, version, root, proofs FROM day_rows"
_LATEST = "ORDER BY block DESC, log_index DESC"


def _anchoring(row: Mapping[str, Any]) -> Anchoring:
    return Anchoring(checksummed(row["pseudonym"]), row["author"], row["digest"], row["block"])


def _day_row(row: Mapping[str, Any]) -> DayRow:
    pseudonym = checksummed(row["pseudonym"])
    return DayRow(pseudonym, row["author"], row["version"], row["root"], row["proofs"], row["block"])


# -- carrying --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Signed:
    """A message and the signatures that it needs."""

    message: Message
    signatures: tuple[bytes, ...]


def sign(chain: Chain, message: Message, *signers: Signer) -> Signed:
    """Has a message signed, in the domain that its contract names."""
    signable = message.signable(chain.domain(message.CONTRACT))
    return Signed(message, tuple(signer.sign_message(signable) for signer in signers))


class Relay(Protocol):
    """Brings what a patient signed to the chain. It can delay, but neither forge nor change."""

    def carry(self, *signed: Signed) -> Receipt:
        """All of it or nothing, in one transaction, and waits for the network's depth. Raises Reverted."""


class SenderRelay:
    """A relay of one's own: an account that pays."""

    def __init__(self, sender: Sender, contracts: Contracts) -> None:
        self._sender = sender
        self._contracts = contracts
        self.receipts: list[Receipt] = []

    def carry(self, *signed: Signed) -> Receipt:
        if len(signed) == 1:
            [one] = signed
            function = self._contracts[one.message.CONTRACT].functions[one.message.FUNCTION]
            receipt = self._sender.send(function(*one.message.arguments(*one.signatures)))
        else:
            receipt = self._sender.send(self._contracts.Carrier.functions.carry([self._call(one) for one in signed]))
        self.receipts.append(receipt)
        return receipt

    def _call(self, one: Signed) -> tuple[str, bytes]:
        contract = self._contracts[one.message.CONTRACT]
        data = contract.encode_abi(one.message.FUNCTION, one.message.arguments(*one.signatures))
        return contract.address, bytes.fromhex(data.removeprefix("0x"))


def digests_of(arguments: Mapping[str, Any]) -> Sequence[bytes]:
    """The digests that an Anchored or AnchoredMany event names."""
    return [arguments["digest"]] if "digest" in arguments else list(arguments["digests"])
