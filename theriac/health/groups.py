"""Groups of signed messages as they travel to a relayer, and what the chain's state says became of them.

A message travels as the call that carries it: the contract's name and the call's data. Client and relayer read it with
the contract's ABI, so what a contract takes by a pseudonym's signature can be relayed without another line here.
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from io import BytesIO
from typing import Any, cast

from eth_abi.abi import decode as abi_decode
from eth_abi.abi import encode as abi_encode
from eth_abi.exceptions import DecodingError
from eth_utils.abi import collapse_if_tuple, function_abi_to_4byte_selector
from eth_utils.crypto import keccak

from theriac.errors import BadDocument, BadGroup, NoAbi, NotDeployed
from theriac.health import documents
from theriac.health.chain import Signed
from theriac.health.documents import padme
from theriac.health.vouchers import Blank, Voucher
from theriac.ledger.codec import Undecodable, canonical_json, decode, parse_json
from theriac.ledger.contracts import Call, Contracts
from theriac.store.cid import compute

FORMAT = 1
MOST_CALLS = 16
MOST_DOCUMENTS = 512
LARGEST_CALL = 32 * 1024
SMALLEST_BODY = 32 * 1024
"""Requests are padded to this many bytes at least, so that a revoke looks like a grant."""

RECENT = 20_000
"""Blocks that are looked through for what a message did; it counts for an hour at most."""

PATH = "/v1/groups"
INFO = "/v1/relayer"

_PUBLISH = ("publishBySig", "rotateBySig")
_ENDS = ("revokeBySig", "narrowBySig", "raiseEraBySig")
_NAMED = {"publishBySig": "bundle", "rotateBySig": "bundle", "sendBySig": "letter"}


class Lane(IntEnum):
    """In which order a relayer takes groups: what ends access first, then the next keys, then the rest."""

    ENDS = 0
    KEYS = 1
    REST = 2


@dataclass(frozen=True)
class Item:
    """A signed message: the contract's function that takes it, its arguments by name, and the call."""

    contract: str
    function: str
    arguments: Mapping[str, Any]
    call: Call

    @property
    def terms(self) -> Mapping[str, Any]:
        """The arguments, those of the message itself without its struct around."""
        inner = next((each for each in self.arguments.values() if isinstance(each, dict)), {})
        return {**self.arguments, **inner, **self.arguments.get("freshness", {})}

    @property
    def pseudonym(self) -> str:
        terms = self.terms
        return str(terms.get("pseudonym", terms.get("from")))

    @property
    def deadline(self) -> int:
        """Until when the signature counts, in seconds."""
        return int(self.terms["deadline"])

    @property
    def names(self) -> bytes | None:
        """The digest of the document that the message names, if it names one that readers need at once."""
        field = _NAMED.get(self.function) if self.contract in ("Keys", "Letters") else None
        return bytes(self.terms[field]) if field else None

    def values(self) -> dict[str, str]:
        return {"contract": self.contract, "data": self.call.data.hex()}


def item_of(contracts: Contracts, contract: str, data: bytes) -> Item:
    """A message from what travels. Raises BadGroup for what no pseudonym signs, or is encoded in another way."""
    if len(data) > LARGEST_CALL:
        raise BadGroup(fault=f"a call has more than {LARGEST_CALL} bytes", status=413)
    try:
        address = contracts.deployment[contract].address
        declared = contracts.abi(contract)
    except (NoAbi, NotDeployed):
        raise BadGroup(fault=f"nothing called {contract[:40]!r} is deployed") from None
    functions = [part for part in declared if part["type"] == "function"]
    function = next((each for each in functions if function_abi_to_4byte_selector(each) == data[:4]), None)
    if function is None or not _is_signed(function):
        raise BadGroup(fault=f"a call of {contract} is none that a pseudonym's signature carries")
    inputs = function["inputs"]
    kinds = [collapse_if_tuple(part) for part in inputs]
    try:
        arguments = decode(inputs, data[4:])
        # Anything after the arguments, or another spelling of them, would be paid for and do nothing.
        if abi_encode(kinds, abi_decode(kinds, data[4:])) != data[4:]:
            raise BadGroup(fault=f"a call of {contract} is not encoded as the ABI says")
    except (Undecodable, DecodingError, OverflowError, ValueError):
        raise BadGroup(fault=f"a call of {contract} is cut off") from None
    return Item(contract, function["name"], arguments, Call(to=address, data=data))


def item_signed(contracts: Contracts, signed: Signed) -> Item:
    """A message as the client has it."""
    message = signed.message
    data = contracts[message.CONTRACT].encode_abi(message.FUNCTION, message.arguments(*signed.signatures))
    return item_of(contracts, message.CONTRACT, bytes.fromhex(str(data).removeprefix("0x")))


def _is_signed(function: Mapping[str, Any]) -> bool:
    """Whether a function takes what a pseudonym signed: by its name, and since it names a pseudonym and a deadline."""
    if not (function["name"].endswith("BySig") or function["name"] == "handOver"):
        return False
    inputs = function["inputs"]
    fields = [*inputs, *(part for each in inputs for part in each.get("components", ()))]
    named = {(each["name"], each["type"]) for each in fields}
    # Where there are two, it is not clear whose act it is.
    who = [each for each in fields if (each["name"], each["type"]) in (("pseudonym", "address"), ("from", "address"))]
    return len(who) == 1 and ("deadline", "uint40") in named and ("signature", "bytes") in named


# -- a group ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Group:
    """What one act needs: messages of one pseudonym that count together, documents they name, what entitles to it."""

    items: tuple[Item, ...]
    documents: tuple[bytes, ...] = ()
    voucher: Voucher | None = None
    blank: Blank | None = None

    @property
    def id(self) -> str:
        """The messages' hash: the same messages are the same request, whatever travels with them."""
        return sha256(canonical_json({"calls": [each.values() for each in self.items]})).hexdigest()

    @property
    def pseudonym(self) -> str:
        return self.items[0].pseudonym

    @property
    def deadline(self) -> int:
        return min(each.deadline for each in self.items)

    @property
    def lane(self) -> Lane:
        functions = [each.function for each in self.items if each.contract in ("Keys", "Grants")]
        if len(functions) < len(self.items) or not all(each in (*_ENDS, *_PUBLISH) for each in functions):
            keys = ("setPublisherBySig", *_PUBLISH)
            only = len(functions) == len(self.items) and all(each in keys for each in functions)
            return Lane.KEYS if only else Lane.REST
        return Lane.ENDS if any(each in _ENDS for each in functions) else Lane.KEYS

    def encode(self) -> bytes:
        """The body of a request, padded so that its length says little."""
        values: dict[str, Any] = {
            "kind": "group",
            "format": FORMAT,
            "calls": [each.values() for each in self.items],
            "documents": [base64.b64encode(each).decode() for each in self.documents],
            "voucher": self.voucher.values() if self.voucher else None,
            "blank": self.blank.values() if self.blank else None,
            "padding": "",
        }
        plain = len(json.dumps(values, separators=(",", ":")))
        values["padding"] = "0" * (padme(max(plain, SMALLEST_BODY)) - plain)
        return json.dumps(values, separators=(",", ":")).encode()


def decode_group(body: bytes, contracts: Contracts) -> Group:
    """A group from a request's body. Raises BadGroup, BadVoucher."""
    try:
        values = parse_json(body)
    except (ValueError, RecursionError):
        raise BadGroup(fault="it is not JSON") from None
    if not isinstance(values, dict) or values.get("kind") != "group" or values.get("format") != FORMAT:
        raise BadGroup(fault=f"it is no group of format {FORMAT}")
    calls, carried = values.get("calls"), values.get("documents", [])
    if not isinstance(calls, list) or not 0 < len(calls) <= MOST_CALLS:
        raise BadGroup(fault=f"it has no calls, or more than {MOST_CALLS}")
    if not isinstance(carried, list) or len(carried) > MOST_DOCUMENTS:
        raise BadGroup(fault=f"its documents are no list, or more than {MOST_DOCUMENTS}")
    try:
        items = tuple(item_of(contracts, str(each["contract"]), bytes.fromhex(each["data"])) for each in calls)
        files = tuple(base64.b64decode(each, validate=True) for each in carried)
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise BadGroup(fault="a call or a document in it is broken") from None
    if len({each.pseudonym for each in items}) != 1:
        raise BadGroup(fault="it is of more than one pseudonym; send each by a connection of its own")
    voucher, blank = values.get("voucher"), values.get("blank")
    return Group(
        items,
        files,
        Voucher.of(voucher) if voucher is not None else None,
        Blank.of(blank) if blank is not None else None,
    )


def check_documents(group: Group) -> dict[bytes, bytes]:
    """The documents of a group by digest, each named by a message, or by a bundle that a message names.

    Raises BadGroup: a relayer keeps nothing for strangers.
    """
    by_digest = {compute(BytesIO(each)).digest: each for each in group.documents}
    named = {each.names for each in group.items if each.names}
    for digest in named & set(by_digest):
        named = named | _named_by(by_digest[digest])
    if set(by_digest) - named:
        raise BadGroup(fault="a document came along that no message names")
    return by_digest


def _named_by(document: bytes) -> set[bytes]:
    """The digests that a bundle names: its class files and the backup. Anything else names nothing."""
    try:
        values = documents.decode("bundle", document)
        names = [*values["classes"], *([values["backup"]] if values["backup"] else [])]
        return {bytes.fromhex(each) for each in names}
    except (BadDocument, KeyError, TypeError, ValueError):
        return set()


# -- the state -------------------------------------------------------------------------------------------------------


class State:
    """What the chain says of messages, at its head or so many blocks below it."""

    def __init__(self, contracts: Contracts, *, block: int | str = "latest") -> None:
        self._contracts = contracts
        self._block = block

    def undone(self, items: Sequence[Item]) -> list[Item]:
        """The messages that have not had their effect, in order."""
        return [each for each in items if not self.is_done(each)]

    def is_done(self, item: Item) -> bool:
        """Whether a message has had its effect, through whomever, and still has it.

        Decided by what makes it count once: the version and its document, the nonce and what stands under it, the era.
        A function that is not known here is never done: what carried it says so.
        """
        known = getattr(self, f"_{item.contract}_{item.function}".lower(), None)
        return bool(known(item.terms)) if known is not None else False

    def version(self, pseudonym: str) -> int:
        return int(self._ask("Keys", "authorityOf", pseudonym)["version"])

    def has_live_grant(self, item: Item, *, now: int) -> bool:
        """Whether a revoke ends something: a grant of this era that is not over."""
        terms = item.terms
        found = self._grant(terms)
        era = self._ask("Keys", "authorityOf", terms["pseudonym"])["era"]
        return bool(found["scope"]) and found["era"] == era and found["expiry"] > now

    def _keys_publishbysig(self, terms: Mapping[str, Any]) -> bool:
        version, wanted = self.version(terms["pseudonym"]), terms["version"]
        if version == wanted:
            return self._digest(terms) == bytes(terms["bundle"])
        if version < wanted:
            return False
        # A later version stands there; only the event tells whether this one was before it.
        topics = [keccak(text="Published(address,uint32,bytes32,address)"), _word(terms["pseudonym"])]
        published = self._contracts.logs("Keys", start=self._head() - RECENT, topics=topics)
        said = wanted.to_bytes(32, "big") + bytes(terms["bundle"])
        return any(each.log.data[:64] == said for each in published)

    def _keys_rotatebysig(self, terms: Mapping[str, Any]) -> bool:
        overtaken = self.version(terms["pseudonym"]) > terms["version"]
        appointed = overtaken or self._publisher(terms)["account"] == terms["publisher"]
        return appointed and self._keys_publishbysig(terms)

    def _keys_setpublisherbysig(self, terms: Mapping[str, Any]) -> bool:
        publisher = self._publisher(terms)
        return bool(publisher["nonce"] == terms["nonce"] + 1 and publisher["account"] == terms["publisher"])

    def _keys_raiseerabysig(self, terms: Mapping[str, Any]) -> bool:
        return bool(self._ask("Keys", "authorityOf", terms["pseudonym"])["era"] > terms["era"])

    def _keys_handover(self, terms: Mapping[str, Any]) -> bool:
        controller = self._ask("Keys", "authorityOf", terms["pseudonym"])["controller"]
        return bool(controller == terms["controller"] and self._publisher(terms)["account"] == terms["publisher"])

    def _grants_grantbysig(self, terms: Mapping[str, Any]) -> bool:
        found = self._grant(terms)
        same = all(found[name] == terms[name] for name in ("scope", "start", "expiry", "by", "era"))
        return bool(same and found["nonce"] == terms["nonce"] + 1)

    def _grants_narrowbysig(self, terms: Mapping[str, Any]) -> bool:
        found = self._grant(terms)
        same = all(found[name] == terms[name] for name in ("scope", "expiry", "era"))
        return bool(same and found["nonce"] == terms["nonce"] + 1)

    def _grants_revokebysig(self, terms: Mapping[str, Any]) -> bool:
        found = self._grant(terms)
        return bool(found["scope"] == 0 and found["nonce"] == terms["nonce"] + 1)

    def _grants_setparentbysig(self, terms: Mapping[str, Any]) -> bool:
        found = self._ask("Grants", "parentOf", terms["pseudonym"], terms["by"])
        same = all(found[name] == terms[name] for name in ("holder", "expiry"))
        return bool(same and found["generation"] == terms["nonce"] + 1)

    def _records_reportbysig(self, terms: Mapping[str, Any]) -> bool:
        return all(self._record(terms, digest)["time"] for digest in terms["digests"])

    def _records_resealbysig(self, terms: Mapping[str, Any]) -> bool:
        return all(self._record(terms, each["digest"])["time"] for each in terms["records"])

    def _records_amendbysig(self, terms: Mapping[str, Any]) -> bool:
        return bool(self._record(terms, terms["old"])["status"] == terms["act"])

    def _letters_sendbysig(self, terms: Mapping[str, Any]) -> bool:
        """The count says that a letter was sent, the event which one."""
        if self._ask("Letters", "nonceOf", terms["from"]) <= terms["nonce"]:
            return False
        topics = [keccak(text="Sent(address,address,bytes32)"), _word(terms["to"]), _word(terms["from"])]
        sent = self._contracts.logs("Letters", start=self._head() - RECENT, topics=topics)
        return any(each.log.data == bytes(terms["letter"]) for each in sent)

    def _delegations_appointbysig(self, terms: Mapping[str, Any]) -> bool:
        return self._grants_setparentbysig(terms)

    def _delegations_grantbysig(self, terms: Mapping[str, Any]) -> bool:
        return self._grants_grantbysig(terms)

    def _delegations_narrowbysig(self, terms: Mapping[str, Any]) -> bool:
        return self._grants_narrowbysig(terms)

    def _delegations_revokebysig(self, terms: Mapping[str, Any]) -> bool:
        return self._grants_revokebysig(terms)

    def _recovery_setguardiansbysig(self, terms: Mapping[str, Any]) -> bool:
        guard = self._ask("Recovery", "guardOf", terms["pseudonym"])
        newest = guard["successor"] if guard["since"] else guard["guardians"]
        return bool(guard["nonce"] == terms["nonce"] + 1 and newest == terms["guardians"])

    def _recovery_objectbysig(self, terms: Mapping[str, Any]) -> bool:
        pending = self._ask("Recovery", "pendingOf", terms["pseudonym"])
        return bool(pending["round"] == terms["round"] and pending["objected"])

    def _emergencies_reviewbysig(self, terms: Mapping[str, Any]) -> bool:
        return bool(self._ask("Emergencies", "caseOf", terms["number"])["status"] == terms["verdict"])

    def _head(self) -> int:
        return self._block if isinstance(self._block, int) else self._contracts.head()

    def _grant(self, terms: Mapping[str, Any]) -> Mapping[str, Any]:
        found = self._ask("Grants", "grantOf", terms["pseudonym"], terms["reader"], terms["purpose"])
        return cast(Mapping[str, Any], found)

    def _record(self, terms: Mapping[str, Any], digest: bytes) -> Mapping[str, Any]:
        return cast(Mapping[str, Any], self._ask("Records", "recordOf", terms["pseudonym"], 0, digest))

    def _publisher(self, terms: Mapping[str, Any]) -> Mapping[str, Any]:
        return cast(Mapping[str, Any], self._ask("Keys", "publisherOf", terms["pseudonym"]))

    def _digest(self, terms: Mapping[str, Any]) -> bytes:
        return bytes(self._ask("Keys", "digestOf", terms["pseudonym"]))

    def _ask(self, contract: str, function: str, *arguments: Any) -> Any:
        return self._contracts.call(self._contracts[contract].functions[function](*arguments), block=self._block)


def _word(address: str) -> bytes:
    """An address as a topic."""
    return bytes.fromhex(address[2:]).rjust(32, b"\0")
