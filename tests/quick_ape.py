"""Leaves out what Ape and the embedded chain do for nobody here, and which takes more time than all the rest.

What the contracts do, and what a test is told of it, stays as it is. How the chain is set back after each test is
stricter than Ape's.
"""

from typing import Any, cast

import pytest
from ape.api import ReceiptAPI
from ape.api.providers import ProviderAPI
from ape.contracts.base import ContractMethodHandler
from ape.managers.project import SourceManager
from ape.pytest.fixtures import FixtureMap, IsolationManager
from ape.pytest.runners import PytestApeRunner
from ape.pytest.utils import Scope
from ape.types import AddressType
from ape_ethereum.ecosystem import Ethereum
from ape_ethereum.provider import Web3Provider
from ape_ethereum.transactions import TransactionType
from ape_test.provider import LocalProvider
from eth.exceptions import TransactionNotFound as EvmTransactionNotFound
from eth_hash.auto import keccak
from eth_hash.backends.pysha3 import backend as pysha3
from eth_tester.backends.pyevm import PyEVMBackend
from eth_tester.backends.pyevm import main as pyevm
from eth_tester.exceptions import TransactionNotFound
from trie import HexaryTrie
from web3 import Web3
from web3.providers.eth_tester import middleware

# The hash that the first block names as that of its parent.
NO_PARENT = bytes(32)

# How many values of the state are remembered, each of some hundred bytes.
REMEMBERED = 200_000


def quicken(patch: pytest.MonkeyPatch) -> None:
    """Leaves these things out until the patch is undone. Is called before Ape's own part of pytest is configured."""
    # Ape writes a failure anew to show the project's frames with their variables. The virtual environment lies in the
    # project, so that takes a second for each, and shows all of pytest's own. It also ends all tests at a SystemExit.
    patch.delattr(PytestApeRunner, "pytest_exception_interact")
    # Ape only logs that it could not set the chain back, and the tests that come after fail for no fault of theirs.
    patch.setattr(IsolationManager, "restore_snapshot", _restore_or_fail)
    # A fixture of one test is for Ape a fixture of a whole file where any other folder has such a one of the same name,
    # and then it is not undone after the test.
    patch.setattr(FixtureMap, "from_test_item", _own_fixtures)
    # To go back to a block, the embedded chain runs that block once more, whose state it has.
    patch.setattr(PyEVMBackend, "revert_to_snapshot", _revert_without_running)
    # It looks for a transaction in every block of the chain, from the last one back.
    patch.setattr(pyevm, "_get_transaction_by_hash", _find_transaction)
    # At each look at a setting of a connection, Ape reads all of the environment for others, ...
    patch.setattr(ProviderAPI, "settings", property(_settings_once(ProviderAPI.settings.fget)))
    # ... and at each look at a contract it compares every source with every pattern of what to leave out.
    patch.setattr(SourceManager, "is_excluded", _excluded_once(SourceManager.is_excluded))
    # Ape runs every transaction a second time to look for what a contract prints, and ours print nothing.
    patch.setattr(ReceiptAPI, "show_debug_logs", lambda receipt: None)
    # At every connection it writes down a contract for traces, as often as it has connected before.
    patch.setattr(Web3Provider, "_post_connect", lambda provider: None)
    # Before every call it reads its configuration to learn which type of transaction is usual, ...
    patch.setattr(Ethereum, "default_transaction_type", TransactionType.DYNAMIC)
    # ... and asks whether there is a contract. Where there is none, the call fails in a moment.
    patch.setattr(ContractMethodHandler, "_validate_is_contract", lambda handler: None)
    # web3 has all accounts listed, three times, to name a sender for a call that names none.
    patch.setattr(middleware, "guess_from", _first_account())
    # The chain hashes all the time; the hash that is usually taken is six times as slow.
    patch.setattr(keccak, "hasher", pysha3.keccak256)
    # It also looks up what it just looked up.
    patch.setattr(HexaryTrie, "get", _remembered(HexaryTrie.get))


def _restore_or_fail(manager: IsolationManager, scope: Scope) -> None:
    """Sets the chain back to where it was before the scope, if it was looked at then."""
    snapshot = manager.snapshots.get_snapshot_id(scope)
    if snapshot is None:
        return
    manager.snapshots.clear_snapshot_id(scope)
    provider = manager.chain_manager.provider
    if isinstance(provider, LocalProvider) and provider.snapshot() == snapshot:
        # Nothing happened: the name of a snapshot is the hash of the last block.
        return
    if snapshot in manager.chain_snapshots[manager.chain_manager.chain_id]:
        manager._restore(snapshot)
    elif scope is Scope.FUNCTION:
        raise AssertionError("the chain has forgotten what it was like before this test")


def _revert_without_running(backend: PyEVMBackend, snapshot: bytes) -> None:
    chain = backend.chain
    header = chain.chaindb.get_block_header_by_hash(snapshot)
    chain.chaindb._set_as_canonical_chain_head(chain.chaindb.db, header, NO_PARENT)
    chain.header = chain.ensure_header()


def _find_transaction(chain: Any, wanted: bytes) -> Any:
    """The block that holds a transaction, the transaction, and its place in it."""
    pending = chain.get_block()
    for place, transaction in enumerate(pending.transactions):
        if transaction.hash == wanted:
            return pending, transaction, place
    try:
        number, place = chain.chaindb.get_transaction_index(wanted)
    except EvmTransactionNotFound:
        raise TransactionNotFound(f"No transaction found for transaction hash: {wanted.hex()}") from None
    # What stood in a block that was taken back is still in the index.
    block = chain.get_canonical_block_by_number(number) if number < pending.number else None
    if block is None or place >= len(block.transactions) or block.transactions[place].hash != wanted:
        raise TransactionNotFound(f"No transaction found for transaction hash: {wanted.hex()}")
    return block, block.transactions[place], place


def _settings_once(settings: Any) -> Any:
    """What a connection is set to, read anew where it is set to something else. It is kept with the connection."""

    def settings_once(provider: ProviderAPI) -> Any:
        told = repr(provider.provider_settings)
        known = provider.__dict__.get("_settings_once")
        if known is None or known[0] != told:
            known = provider.__dict__["_settings_once"] = (told, settings(provider))
        return known[1]

    return settings_once


def _excluded_once(is_excluded: Any) -> Any:
    """Whether a source is left out. Ape remembers some of it, for as long as it holds a project, which is not long."""
    found: dict[tuple[str, str, bool], bool] = {}

    def excluded_once(manager: SourceManager, path: Any, exclude_missing_compilers: bool = True) -> bool:
        place = (str(manager.root_path), str(path), exclude_missing_compilers)
        if place not in found:
            found[place] = is_excluded(manager, path, exclude_missing_compilers=exclude_missing_compilers)
        return found[place]

    return excluded_once


def _own_fixtures(item: pytest.Function) -> FixtureMap:
    """The fixtures of a test by their scope, each as this test sees it."""
    found = FixtureMap(item)
    for name, definitions in item._fixtureinfo.name2fixturedefs.items():
        if definitions and name in item.fixturenames and found.is_known(name):
            found[definitions[-1].scope].append(name)
    return found


def _first_account() -> Any:
    """Names the first account of a chain, and remembers it as long as the chain is the same."""
    known: dict[str, Any] = {}

    def guess_from(web3: Web3, _transaction: Any) -> AddressType:
        chain = cast(Any, web3.provider).ethereum_tester
        if known.get("chain") is not chain:
            known.update(chain=chain, account=web3.eth.accounts[0])
        return cast(AddressType, known["account"])

    return guess_from


def _remembered(get: Any) -> Any:
    """What `get` finds in a tree of hashes: under the same root it is the same for ever."""
    found: dict[tuple[bytes, bytes], bytes] = {}

    def get_remembered(tree: HexaryTrie, key: bytes) -> bytes:
        # A proof is a tree too, of a few nodes, and what is missing in it has to be missed.
        if isinstance(tree.db, dict):
            return bytes(get(tree, key))
        place = (tree.root_hash, key)
        value = found.get(place)
        if value is None:
            if len(found) >= REMEMBERED:
                found.clear()
            value = found[place] = get(tree, key)
        return value

    return get_remembered
