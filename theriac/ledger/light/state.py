"""The state under a proven header: accounts, storage and code, fetched when wanted and proven by the state's trie."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_utils.crypto import keccak

from theriac.ledger.light.faults import Lie, Unable
from theriac.ledger.light.kaia import (
    EMPTY_ROOT,
    NO_CODE,
    Account,
    Header,
    bytes_of,
    list_of,
    number_of,
    object_of,
)
from theriac.ledger.light.kept import Kept
from theriac.ledger.light.peers import Peer, Peers
from theriac.ledger.light.proofs import proven, proven_word

# What Kaia answers instead of a proof for an account without code, and for one that is not there.
_NO_CONTRACT = ("given address is not a contract address", "no account corresponding to the given address")

# The largest contract is 24,576 bytes (EIP-170); a call that touches more than this is not run here.
_LONGEST_CODE = 2**16
_MOST_ACCOUNTS, _MOST_SLOTS = 64, 1024

_ACCOUNTS, _SLOTS, _CODES = 4096, 65_536, 512


@dataclass(frozen=True)
class Wanted:
    """An account whose proof is wanted, with some of its slots."""

    address: bytes
    slots: tuple[int, ...] = ()


class State:
    """What was proven of the state, of all blocks. For one thread at a time.

    Slots are remembered by the root of their account's storage, accounts by that of the state: what did not change from
    block to block is not asked again. `codes` is a folder that keeps code by its hash.
    """

    def __init__(self, peers: Peers, *, codes: Path | None) -> None:
        self._peers = peers
        self._folder = codes
        self._accounts: Kept[tuple[bytes, bytes], Account | bool] = Kept(_ACCOUNTS)
        self._slots: Kept[tuple[bytes, int], int] = Kept(_SLOTS)
        self._codes: Kept[bytes, bytes] = Kept(_CODES)
        # Contracts do not vanish since Cancun (EIP-6780), but the chain's code could be another's by then.
        self._contracts: Kept[bytes, int] = Kept(_ACCOUNTS)

    # -- asking ------------------------------------------------------------------------------------------------------

    def account(self, header: Header, address: bytes) -> Account | None:
        """A contract's account, proven. None for an account without code, of which Kaia's nodes give no proof.

        That there is none is taken from the nodes only if none of them proves the opposite, and never of an account
        that was a contract before. Raises Unable, Unproven, ChainSilent.
        """
        kept = self._accounts.get((header.state_root, address))
        if kept is None:
            self.fetch(header, [Wanted(address)])
            kept = self._accounts.get((header.state_root, address))
        return kept if isinstance(kept, Account) else None

    def slot(self, header: Header, address: bytes, slot: int) -> int:
        """What stands in a slot of an account's storage."""
        account = self.account(header, address)
        if account is None or account.storage_root == EMPTY_ROOT:
            return 0
        kept = self._slots.get((account.storage_root, slot))
        if kept is None:
            self.fetch(header, [Wanted(address, (slot,))])
            kept = self._slots.get((account.storage_root, slot))
        return kept or 0

    def code(self, header: Header, address: bytes) -> bytes:
        """The code of an account; nothing where it has none."""
        account = self.account(header, address)
        return (
            b"" if account is None or account.code_hash == NO_CODE else self._code(header, address, account.code_hash)
        )

    def knows(self, header: Header, address: bytes, slot: int | None = None) -> bool:
        """Whether nobody need be asked."""
        kept = self._accounts.get((header.state_root, address))
        if kept is None or slot is None or not isinstance(kept, Account):
            return kept is not None
        return kept.storage_root == EMPTY_ROOT or self._slots.get((kept.storage_root, slot)) is not None

    def fetch(self, header: Header, wanted: Sequence[Wanted]) -> None:
        """Proofs of several accounts at once. Raises Unable, Unproven, ChainSilent."""
        missing = [
            each for each in wanted if any(not self.knows(header, each.address, s) for s in each.slots or (None,))
        ]
        if not missing:
            return
        unproven = self._peers.first(lambda peer, within: self._ask(peer, header, missing, within))
        for each in unproven:
            self._accept_none(header, each)

    def hinted(self, header: Header, call: Mapping[str, Any]) -> None:
        """Fetches at once what a node says a call will touch. It is a hint: what it leaves out is fetched later."""

        def ask(peer: Peer, within: float) -> list[Wanted]:
            # Nobody acts upon a hint: nonsense is no lie, and is as good as none.
            try:
                told = object_of(peer.ask("eth_createAccessList", call, hex(header.number), within=within), "list")
                return [
                    Wanted(
                        bytes_of(each["address"], "address", length=20),
                        tuple(number_of(slot, "slot") for slot in list_of(each["storageKeys"], "slots")[:_MOST_SLOTS]),
                    )
                    for each in list_of(told.get("accessList"), "access list")[:_MOST_ACCOUNTS]
                ]
            except (Unable, Lie, KeyError, TypeError):
                return []

        hint = self._peers.first(ask)
        if sum(len(each.slots) for each in hint) <= _MOST_SLOTS:
            self.fetch(header, hint)

    # -- proofs ------------------------------------------------------------------------------------------------------

    def _ask(self, peer: Peer, header: Header, wanted: Sequence[Wanted], within: float) -> list[bytes]:
        """Asks one node for proofs; gives the accounts of which it says that there is no contract."""
        asked: list[tuple[str, Sequence[Any]]] = [
            ("eth_getProof", ["0x" + each.address.hex(), [_word(slot) for slot in each.slots], hex(header.number)])
            for each in wanted
        ]
        answers = peer.ask_many(asked, within=within)
        found: dict[bytes, Account | bool] = {}
        words: list[tuple[Account, int, int]] = []
        for each, answer in zip(wanted, answers, strict=True):
            if isinstance(answer, Unable):
                if not any(said in str(answer) for said in _NO_CONTRACT):
                    raise answer
                if self._contracts.get(each.address):
                    raise Lie(f"it says that 0x{each.address.hex()} is no contract, and it was one before")
                found[each.address] = False
                continue
            account = self._account(answer, header, each.address)
            found[each.address] = account if account is not None else True
            if account is not None:
                words += [(account, *word) for word in self._words(answer, account, each.slots)]
        # Only now that all of it is proven is any of it kept.
        for address, kept in found.items():
            if kept is not False:
                self._keep(header, address, kept)
        for account, slot, word in words:
            self._slots.put((account.storage_root, slot), word)
        return [address for address, kept in found.items() if kept is False]

    def _account(self, answer: Any, header: Header, address: bytes) -> Account | None:
        told = object_of(answer, "proof")
        nodes = _nodes(told.get("accountProof"))
        leaf = proven(header.state_root, address, nodes, f"account 0x{address.hex()}")
        return Account.from_leaf(leaf) if leaf else None

    def _words(self, answer: Any, account: Account, slots: Sequence[int]) -> Iterable[tuple[int, int]]:
        parts = list_of(answer.get("storageProof"), "storage proof")
        if len(parts) != len(slots):
            raise Lie(f"asked for {len(slots)} slots, it proves {len(parts)}")
        for slot, part in zip(slots, parts, strict=True):
            nodes = _nodes(object_of(part, "storage proof").get("proof"))
            yield slot, proven_word(account.storage_root, slot, nodes, f"slot 0x{slot:x}")

    def _keep(self, header: Header, address: bytes, account: Account | bool) -> None:
        self._accounts.put((header.state_root, address), account)
        if isinstance(account, Account) and account.code_hash != NO_CODE:
            self._contracts.put(address, 1)

    def _accept_none(self, header: Header, address: bytes) -> None:
        """One node says that there is no contract: the others may prove that there is."""
        answers = [
            self._peers.tried(peer, lambda peer, within: self._ask(peer, header, [Wanted(address)], within))
            for peer in self._peers.order()
        ]
        if self._accounts.get((header.state_root, address)) is not None:
            for each in answers:
                if each.trouble is None and each.value:
                    self._peers.blame(each.peer, f"it says that 0x{address.hex()} is no contract, which it is")
            return
        if all(each.trouble is not None for each in answers):
            raise self._peers.why(answers)
        self._keep(header, address, True)

    # -- code --------------------------------------------------------------------------------------------------------

    def _code(self, header: Header, address: bytes, code_hash: bytes) -> bytes:
        code = self._codes.get(code_hash) or self._stored(code_hash)
        if code is None:
            code = self._peers.first(lambda peer, within: self._ask_code(peer, header, address, code_hash, within))
            self._store(code_hash, code)
        self._codes.put(code_hash, code)
        return code

    def _ask_code(self, peer: Peer, header: Header, address: bytes, code_hash: bytes, within: float) -> bytes:
        answer = peer.ask("eth_getCode", "0x" + address.hex(), hex(header.number), within=within)
        code = bytes_of(answer, "code", most=_LONGEST_CODE)
        if keccak(code) != code_hash:
            raise Lie(f"its code of 0x{address.hex()} is not the one that the state holds")
        return code

    def _stored(self, code_hash: bytes) -> bytes | None:
        if self._folder is None:
            return None
        try:
            code = (self._folder / code_hash.hex()).read_bytes()
        except OSError:
            return None
        return code if keccak(code) == code_hash else None

    def _store(self, code_hash: bytes, code: bytes) -> None:
        if self._folder is None:
            return
        draft = self._folder / f".{code_hash.hex()}.{os.getpid()}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            draft.write_bytes(code)
            os.replace(draft, self._folder / code_hash.hex())
        except OSError:
            # Without it the code is fetched again.
            draft.unlink(missing_ok=True)

    # -- accounts without code ---------------------------------------------------------------------------------------

    def claims(self, header: Header, address: bytes) -> list[tuple[Peer, int, int]]:
        """What each node says of the nonce and the balance of an account that no proof can be had of."""

        def ask(peer: Peer, within: float) -> tuple[int, int]:
            where = ["0x" + address.hex(), hex(header.number)]
            answers = peer.ask_many([("eth_getTransactionCount", where), ("eth_getBalance", where)], within=within)
            for answer in answers:
                if isinstance(answer, Unable):
                    raise answer
            return number_of(answers[0], "transaction count", bits=64), number_of(answers[1], "balance")

        answers = self._peers.each(ask, grace=lambda _: 1.0)
        told = [(each.peer, *each.value) for each in answers if each.trouble is None]
        if not told:
            raise self._peers.why(answers)
        return told


def _nodes(value: Any) -> list[bytes]:
    """The nodes of a proof. Of a trie that is empty Kaia gives null, which proves nothing of one that is not."""
    if value is None:
        return []
    return [bytes_of(each, "proof", most=4096) for each in list_of(value, "proof")]


def _word(slot: int) -> str:
    return "0x" + slot.to_bytes(32, "big").hex()
