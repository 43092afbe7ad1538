"""Runs a call here, on state that is proven piece by piece. What it returns is what the chain would have returned.

The machine is py-evm's at Cancun. Kaia's differs (blockchain/vm and evm.go of v1.0.3) in the price of gas, which is why
no outcome here may depend on how much is left; in what the block's opcodes say, which is set as Kaia sets it; and in
its own precompiled contracts below 0x400, which are not run here.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import rlp
from eth.abc import AccountDatabaseAPI, ComputationAPI, MetaWitnessAPI
from eth.constants import CREATE_CONTRACT_ADDRESS
from eth.db.atomic import AtomicDB
from eth.db.journal import get_next_checkpoint
from eth.exceptions import OutOfGas, Revert, VMError
from eth.vm.execution_context import ExecutionContext
from eth.vm.forks.cancun.computation import CancunComputation
from eth.vm.forks.cancun.state import CancunState
from eth.vm.forks.cancun.transaction_context import CancunTransactionContext
from eth.vm.gas_meter import GasMeter, allow_negative_refund_strategy
from eth.vm.message import Message
from eth_typing import Address, BlockNumber, Hash32
from eth_utils.crypto import keccak

from theriac.ledger.light.faults import Unable
from theriac.ledger.light.kaia import NO_CODE, Account, Header
from theriac.ledger.light.state import State

# Enough for every question of this project, and some seconds of this machine.
GAS = 50_000_000

# Precompiled contracts that Ethereum has and that need no state; up to the last of what Kaia keeps for its own.
_LAST_SHARED, _LAST_KEPT = 0x09, 0x3FF

# Kaia's price of a transaction before any of it runs (params/protocol_params.go).
_BASE_GAS, _DATA_GAS, _CREATION_GAS = 21_000, 100, 32_000

# How many steps are taken between two looks at the clock.
_LOOKS = 1024

_NEVER = object()


@dataclass(frozen=True)
class Ran:
    """What a call came to: the bytes that it returned, or that it refused with; and the gas of Ethereum's prices."""

    output: bytes
    gas: int
    failure: str = ""
    reverted: bool = False


@dataclass(frozen=True)
class Question:
    """A call to be run. `to` is None where it makes a contract."""

    sender: bytes
    to: bytes | None
    data: bytes
    value: int = 0
    gas: int = GAS


class _Accounts(AccountDatabaseAPI):
    """The accounts of a block as the machine sees them: proven ones, and over them what the call has changed so far."""

    def __init__(self, state: State, header: Header, question: Question, hint: Callable[[], None]) -> None:
        self._state, self._header = state, header
        self._sender = question.sender
        self._hint: Callable[[], None] | None = hint
        self._changed: dict[tuple[Any, ...], Any] = {}
        self._undo: list[tuple[tuple[Any, ...], Any]] = []
        self._marks: list[tuple[int, int]] = []
        self._warm: set[Any] = set()

    # -- what is proven ----------------------------------------------------------------------------------------------

    def _ready(self, address: bytes, slot: int | None = None) -> None:
        """Before the first piece that has to be asked for, all that the call is said to touch is asked for at once."""
        if self._hint is not None and not self._state.knows(self._header, address, slot):
            hint, self._hint = self._hint, None
            hint()

    def _account(self, address: bytes) -> Account | None:
        self._ready(address)
        return self._state.account(self._header, address)

    def _is_shared(self, address: bytes) -> bool:
        """Whether it is a precompiled contract that is the same everywhere. Raises Unable for Kaia's own."""
        number = int.from_bytes(address, "big")
        if _LAST_SHARED < number <= _LAST_KEPT:
            raise Unable(f"a light client runs no precompiled contract of Kaia, as the one at 0x{number:x}")
        return 0 < number <= _LAST_SHARED

    # -- what the machine asks ---------------------------------------------------------------------------------------

    def get_storage(self, address: Address, slot: int, from_journal: bool = True) -> int:
        if from_journal and ("slot", address, slot) in self._changed:
            return int(self._changed["slot", address, slot])
        if ("anew", address) in self._changed:
            return 0
        self._ready(address, slot)
        return self._state.slot(self._header, address, slot)

    def get_balance(self, address: Address) -> int:
        if ("balance", address) in self._changed:
            return int(self._changed["balance", address])
        if ("anew", address) in self._changed or self._is_shared(address):
            return 0
        account = self._account(address)
        if account is not None:
            return account.balance
        if ("nonce", address) in self._changed:
            # Made by this very call.
            return 0
        if address == self._sender:
            # Kaia's nodes prove nothing of an account without code. If it cannot pay, the chain says so.
            return 2**255
        raise Unable(f"no node proves the balance of 0x{address.hex()}, which has no code")

    def get_nonce(self, address: Address) -> int:
        if ("nonce", address) in self._changed:
            return int(self._changed["nonce", address])
        account = None if self._is_shared(address) else self._account(address)
        return account.nonce if account is not None else 0

    def get_code(self, address: Address) -> bytes:
        if ("code", address) in self._changed:
            return bytes(self._changed["code", address])
        if self._is_shared(address):
            return b""
        self._ready(address)
        return self._state.code(self._header, address)

    def get_code_hash(self, address: Address) -> Hash32:
        if ("code", address) in self._changed:
            return Hash32(keccak(self._changed["code", address]))
        account = None if self._is_shared(address) else self._account(address)
        if account is None:
            raise Unable(f"no node proves whether 0x{address.hex()}, which has no code, is there at all")
        return Hash32(account.code_hash)

    def account_exists(self, address: Address) -> bool:
        # It is asked for gas alone: an account that has no code costs the same as none, and is taken for one.
        return ("code", address) in self._changed or self._is_shared(address) or self._account(address) is not None

    def account_has_code_or_nonce(self, address: Address) -> bool:
        account = self._account(address)
        return account is not None and (account.nonce != 0 or account.code_hash != NO_CODE)

    def account_is_empty(self, address: Address) -> bool:
        return not self.account_exists(address)

    # -- what the call changes ---------------------------------------------------------------------------------------

    def _set(self, key: tuple[Any, ...], value: Any) -> None:
        self._undo.append((key, self._changed.get(key, _NEVER)))
        self._changed[key] = value

    def set_storage(self, address: Address, slot: int, value: int) -> None:
        self._set(("slot", address, slot), value)

    def delete_storage(self, address: Address) -> None:
        for key in [each for each in self._changed if each[:2] == ("slot", address)]:
            self._set(key, 0)
        self._set(("anew", address), True)

    def set_balance(self, address: Address, balance: int) -> None:
        self._set(("balance", address), balance)

    def set_nonce(self, address: Address, nonce: int) -> None:
        self._set(("nonce", address), nonce)

    def increment_nonce(self, address: Address) -> None:
        self.set_nonce(address, self.get_nonce(address) + 1)

    def set_code(self, address: Address, code: bytes) -> None:
        self._set(("code", address), code)

    def delete_code(self, address: Address) -> None:
        self.set_code(address, b"")

    def delete_account(self, address: Address) -> None:
        self.delete_storage(address)
        self.delete_code(address)
        self.set_nonce(address, 0)
        self.set_balance(address, 0)

    def touch_account(self, address: Address) -> None:
        """Whether an account is there at all changes nothing here."""

    def is_storage_warm(self, address: Address, slot: int) -> bool:
        return (address, slot) in self._warm

    def mark_storage_warm(self, address: Address, slot: int) -> None:
        self._warm.add((address, slot))

    def is_address_warm(self, address: Address) -> bool:
        return address in self._warm

    def mark_address_warm(self, address: Address) -> None:
        self._warm.add(address)

    # -- undoing -----------------------------------------------------------------------------------------------------

    def record(self) -> Any:
        # By py-evm's own counter, since transient storage records the same mark beside marks of its own.
        mark = get_next_checkpoint()
        self._marks.append((mark, len(self._undo)))
        return mark

    def discard(self, checkpoint: Any) -> None:
        while self._marks:
            mark, length = self._marks.pop()
            while len(self._undo) > length:
                key, before = self._undo.pop()
                if before is _NEVER:
                    del self._changed[key]
                else:
                    self._changed[key] = before
            if mark == checkpoint:
                return

    def commit(self, checkpoint: Any) -> None:
        while self._marks and self._marks.pop()[0] != checkpoint:
            pass

    # -- what a call never comes to ----------------------------------------------------------------------------------

    @property
    def state_root(self) -> Hash32:
        return Hash32(self._header.state_root)

    @state_root.setter
    def state_root(self, value: Hash32) -> None:
        """A call that is undone goes back to the root that it began with: there is no other."""
        assert value == self._header.state_root

    def has_root(self, state_root: bytes) -> bool:
        return state_root == self._header.state_root

    def lock_changes(self) -> None:
        """Storage before a transaction is what is proven, and never changes here."""

    def make_state_root(self) -> Hash32:
        return self.state_root

    def persist(self) -> MetaWitnessAPI:
        raise NotImplementedError


class _Meter(GasMeter):
    """Looks at the clock now and then: code of a stranger can take minutes here of what a node runs in a second."""

    def __init__(self, gas: int, deadline: float) -> None:
        super().__init__(gas, allow_negative_refund_strategy)
        self._deadline = deadline
        self._steps = 0

    def consume_gas(self, amount: int, reason: str) -> None:
        self._steps += 1
        if self._steps % _LOOKS == 0 and time.monotonic() > self._deadline:
            raise TimeoutError
        super().consume_gas(amount, reason)


class _Computation(CancunComputation):
    def _configure_gas_meter(self) -> GasMeter:
        assert isinstance(self.state, _State)
        return _Meter(self.msg.gas, self.state.deadline)


class _State(CancunState):
    """A block of Kaia's to run on until `deadline`, a monotonic clock's: nothing of it is ever written."""

    computation_class = _Computation

    def __init__(
        self, accounts: _Accounts, context: ExecutionContext, block_hash: Callable[[int], bytes], deadline: float
    ) -> None:
        self.deadline = deadline
        # The database of py-evm's own state is not made: everything comes from what is proven.
        self._db = AtomicDB()
        self.execution_context = context
        self._account_db = accounts
        self._block_hash = block_hash

    @property
    def blob_base_fee(self) -> int:
        return 0

    def get_ancestor_hash(self, block_number: int) -> Hash32:
        above = self.block_number - block_number
        return Hash32(self._block_hash(block_number) if 0 < above <= 256 and block_number >= 0 else b"")


def run(
    question: Question,
    *,
    state: State,
    header: Header,
    chain_id: int,
    nonce: int,
    block_hash: Callable[[int], bytes],
    hint: Callable[[], None],
    within: float,
) -> Ran:
    """Runs a call on the state after a block. `nonce` is the sender's, of which the address of a new contract is made.

    Raises TimeoutError after `within` seconds, Unable where it asks for what cannot be proven, and as asking does.
    """
    accounts = _Accounts(state, header, question, hint)
    context = ExecutionContext(
        coinbase=Address(header.proposer if header.number else bytes(20)),
        timestamp=header.time,
        block_number=BlockNumber(header.number),
        difficulty=header.block_score,
        mix_hash=Hash32(header.mix_hash or header.parent),
        gas_limit=0,
        prev_hashes=(),
        chain_id=chain_id,
        base_fee_per_gas=header.base_fee or 0,
        excess_blob_gas=0,
    )
    machine = _State(accounts, context, block_hash, time.monotonic() + within)
    for address in (question.sender, question.to or b"", *(number.to_bytes(20, "big") for number in range(1, 10))):
        accounts.mark_address_warm(Address(address))
    transaction = CancunTransactionContext(gas_price=0, origin=Address(question.sender))
    sender = Address(question.sender)
    try:
        if question.to is None:
            made = keccak(rlp.encode([question.sender, nonce]))[12:]
            message = Message(
                gas=question.gas,
                to=CREATE_CONTRACT_ADDRESS,
                sender=sender,
                value=question.value,
                data=b"",
                code=question.data,
                create_address=Address(made),
            )
            computation = machine.computation_class.apply_create_message(machine, message, transaction)
        else:
            code = accounts.get_code(Address(question.to))
            message = Message(
                gas=question.gas,
                to=Address(question.to),
                sender=sender,
                value=question.value,
                data=question.data,
                code=code,
            )
            computation = machine.computation_class.apply_message(machine, message, transaction)
    except VMError as failure:
        return Ran(output=b"", gas=question.gas, failure=_told(failure))
    return _ran(computation, question)


def _ran(computation: ComputationAPI, question: Question) -> Ran:
    used = question.gas - computation.get_gas_remaining()
    if computation.is_success:
        return Ran(output=computation.output, gas=used)
    if isinstance(computation.error, Revert):
        return Ran(output=computation.output, gas=used, failure="execution reverted", reverted=True)
    return Ran(output=b"", gas=used, failure=_told(computation.error))


def _told(failure: BaseException) -> str:
    return "out of gas" if isinstance(failure, OutOfGas) else f"evm error: {type(failure).__name__}"


def least_gas(question: Question, ran: Ran) -> int:
    """The gas that a transaction takes at the least: Kaia's price of its data, Ethereum's of what it runs."""
    creation = _CREATION_GAS + 2 * -(-len(question.data) // 32) if question.to is None else 0
    return _BASE_GAS + creation + _DATA_GAS * len(question.data) + ran.gas


def question_of(call: Mapping[str, Any]) -> Question:
    """The call that a JSON-RPC request describes. Raises ValueError, TypeError."""

    def data(value: Any, length: int | None = None) -> bytes:
        found = bytes(value) if isinstance(value, bytes) else bytes.fromhex(str(value).removeprefix("0x"))
        if length is not None and len(found) != length:
            raise ValueError("an address has 20 bytes")
        return found

    def number(value: Any) -> int:
        return value if isinstance(value, int) else int(str(value), 16)

    gas = number(call["gas"]) if call.get("gas") is not None else GAS
    to = call.get("to")
    return Question(
        sender=data(call.get("from") or bytes(20), 20),
        to=data(to, 20) if to else None,
        data=data(call.get("data") or call.get("input") or b""),
        value=number(call.get("value") or 0),
        gas=min(gas, GAS),
    )
