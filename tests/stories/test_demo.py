"""The demo's story, told once; then everything it left on the chain and in the store is searched."""

import hashlib
import io
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ape
import pydicom
import pytest
from eth_utils import keccak
from rich.console import Console
from trie import HexaryTrie
from trie.iter import NodeIterator

from scripts import _demo, _demo_cover, _demo_medicine
from theriac import fhir
from theriac.health.chain import FOLLOWED
from theriac.health.vault import Vault
from theriac.medicine import gs1
from theriac.medicine.medication import codes_in, name_of
from theriac.medicine.packid import PackCode, Scheme
from theriac.medicine.tree import BATCH

WORD = 32
LARGE = 1 << 64
"""Words above this are addresses and digests; below it are counters, times and scopes."""


@dataclass
class Told:
    """The story, and what it put on the chain from its first block to its last."""

    story: _demo.Story
    transactions: list[dict[str, Any]]
    data: bytes

    @property
    def vault(self) -> Vault:
        return self.story.patient.vault

    @property
    def store(self) -> Path:
        return self.story.folder / "store"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    first = ape.chain.blocks.head.number + 1
    folder = tmp_path_factory.mktemp("demo")
    story = _demo.tell(None, keep=folder, console=Console(file=io.StringIO()))
    web3 = ape.chain.provider.web3
    transactions = []
    for number in range(first, web3.eth.block_number + 1):
        block = web3.eth.get_block(number, full_transactions=True)
        for transaction in block["transactions"]:
            receipt = web3.eth.get_transaction_receipt(transaction["hash"])
            logs = [bytes(part) for log in receipt["logs"] for part in (*log["topics"], log["data"])]
            transactions.append(
                {"data": bytes(transaction["data"]), "to": transaction["to"], "logs": logs, "time": block["timestamp"]}
            )
    return Told(story, transactions, _demo.BUNDLE.read_bytes())


def test_story__every_step_cost_what_the_chain_says(told: Told) -> None:
    assert [step.title for step in told.story.steps if not step.told] == []
    assert len(told.story.steps) == 29
    assert sum(len(step.gas) for step in told.story.steps) == len(told.transactions)


def test_story__the_patients_pseudonyms_hold_and_sent_nothing(told: Told) -> None:
    web3 = ape.chain.provider.web3
    for pseudonym in told.vault.accounts:
        assert web3.eth.get_balance(pseudonym) == 0
        assert web3.eth.get_transaction_count(pseudonym) == 0


# -- nothing personal ------------------------------------------------------------------------------------------------


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for each in value.values():
            yield from _strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each)
    elif isinstance(value, str):
        yield value


def personal(data: bytes) -> set[str]:
    """Every name, id, code, date and text of the bundle and of the image, whole and in its words."""
    found: set[str] = set()
    image = pydicom.dcmread(_demo.IMAGE)
    texts = [*_strings(json.loads(data)), *(str(element.value) for element in image if element.VR != "OW")]
    for text in texts:
        found.add(text)
        found |= set(re.findall(r"[\w.-]{5,}", text))
    structural = {"urn:uuid", "http:", "https:", "resource", "Theriac", "application", "sealed"}
    return {text for text in found if len(text) >= 5} - structural


def on_chain(told: Told) -> Iterator[bytes]:
    """What the story sent and what the contracts said; not the contracts' own code, which nobody's record made."""
    for transaction in told.transactions:
        if transaction["to"]:
            yield transaction["data"]
        yield from transaction["logs"]


# property H21
def test_chain__holds_no_name_id_code_or_date(told: Told) -> None:
    haystack = b"\n".join(on_chain(told)).lower()
    assert [text for text in personal(told.data) if text.lower().encode() in haystack] == []


# property H21
def test_chain__holds_no_hash_of_what_can_be_guessed(told: Told) -> None:
    contents = [part.resource.content for part in fhir.split(fhir.parse(told.data)).parts]
    guessable = [*contents, told.data, _demo.IMAGE.read_bytes(), *(text.encode() for text in personal(told.data))]
    hashes = {function(each) for each in guessable for function in (_sha256, keccak)}
    haystack = b"".join(on_chain(told))
    words = {haystack[at : at + WORD] for at in range(len(haystack) - WORD)}
    assert hashes & words == set()


def test_chain__tells_no_product_lot_serial_or_size(told: Told) -> None:
    goods = told.story.goods
    texts = {*_medicine_texts(goods)}
    haystack = b"\n".join(on_chain(told)).lower()
    assert len(texts) > 2 * _demo_medicine.PACKS
    assert [text for text in texts if text.lower().encode() in haystack] == []
    assert _guessable_hashes(texts) & _aligned_words(haystack) == set()
    assert _numbers_of(goods) & {word for word in _words(told) if word < LARGE} == set()


def test_storage__tells_no_product_lot_serial_or_size(told: Told) -> None:
    texts = {*_medicine_texts(told.story.goods)}
    values = [*_storage(told)]
    haystack = b"\n".join(values).lower()
    assert [text for text in texts if text.lower().encode() in haystack] == []
    assert _guessable_hashes(texts) & {value.removeprefix(b"\xa0") for value in values} == set()


def test_store__tells_no_product_lot_or_serial(told: Told) -> None:
    texts = [text.encode() for text in _medicine_texts(told.story.goods)]
    for path in told.store.rglob("*"):
        if path.is_file() and not _is_public(content := path.read_bytes()):
            assert [text for text in texts if text in content] == [], path.name


def test_chain__tells_no_service_of_the_plan(told: Told) -> None:
    services = {entry.service for entry in told.story.insurance.schedule.entries}
    texts = {text for each in services for text in (each.display, each.system, each.canonical)}
    texts |= {each.code for each in services if len(each.code) >= 5}
    haystack = b"\n".join([*on_chain(told), *_storage(told)]).lower()
    assert len(texts) > 60
    assert [text for text in texts if text.lower().encode() in haystack] == []
    assert _guessable_hashes(texts) & _aligned_words(b"".join(on_chain(told))) == set()


def _is_public(content: bytes) -> bool:
    """A plan says what its insurer covers, and of nobody what was done; a profile says who its own member is."""
    return content == _demo_cover.PLAN.read_bytes() or b'"kind":"profile"' in content


def _medicine_texts(goods: _demo_medicine.Goods) -> Iterator[str]:
    """What a label says, in its parts and as a whole, and what was prescribed."""
    request = fhir.parse(_demo_medicine.REQUEST.read_bytes())
    yield name_of(request.value)
    yield from (part for pair in codes_in(request.value) for part in pair)
    for batch in (goods.batch, goods.old):
        known = goods.maker.shelf.batch(batch)
        yield known.product.code
        yield known.product.code.lstrip("0")
        yield known.product.lot
        for serial in goods.maker.shelf.serials(batch, BATCH).values():
            yield serial
            code = PackCode(Scheme.GTIN, known.product.code, serial, lot=known.product.lot, expiry=known.product.expiry)
            yield gs1.write(code)


def _guessable_hashes(texts: set[str]) -> set[bytes]:
    return {function(text.encode()) for text in texts for function in (_sha256, keccak)}


def _aligned_words(haystack: bytes) -> set[bytes]:
    return {haystack[at : at + WORD] for at in range(len(haystack) - WORD)}


def _numbers_of(goods: _demo_medicine.Goods) -> set[int]:
    """How many packs a batch or a case of it has, and the product as a number."""
    return {int(_demo_medicine.GTIN), _demo_medicine.PACKS, _demo_medicine.PACKS // _demo_medicine.PER_CASE}


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


# property H21
def test_chain__holds_no_service_date_as_a_number(told: Told) -> None:
    days = {text[:10] for text in personal(told.data) if re.match(r"\d{4}-\d\d-\d\d", text)}
    numbers = {int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) for day in days}
    numbers |= {number * 1000 for number in numbers} | {number // 86400 for number in numbers}
    assert len(days) > 10
    assert {word for word in _words(told) if 10_000 < word < LARGE} & numbers == set()


def _words(told: Told) -> set[int]:
    words = set()
    for piece in on_chain(told):
        body = piece[4:] if len(piece) % WORD == 4 else piece
        words |= {int.from_bytes(body[at : at + WORD], "big") for at in range(0, len(body) - WORD + 1, WORD)}
    return words


# property H21
def test_storage__holds_no_name_id_code_or_date(told: Told) -> None:
    haystack = b"\n".join(_storage(told)).lower()
    assert haystack
    assert [text for text in personal(told.data) if text.lower().encode() in haystack] == []


def _storage(told: Told) -> Iterator[bytes]:
    """Every value in the storage of every contract of the story, from the embedded chain's own trie."""
    chain = ape.chain.provider.web3.provider.ethereum_tester.backend.chain
    state = chain.get_vm().state
    for deployed in told.story.contracts.deployment.contracts.values():
        root = state._account_db._get_storage_root(bytes.fromhex(deployed.address[2:]))
        for _, value in NodeIterator(HexaryTrie(chain.chaindb.db, root)).items():
            yield value


# property H21
def test_store__holds_no_name_id_code_or_date(told: Told) -> None:
    texts = [text.encode() for text in personal(told.data) if len(text) >= 6]
    files = [path for path in told.store.rglob("*") if path.is_file()]
    assert len(files) > 170
    for path in files:
        content = path.read_bytes() + str(path.relative_to(told.store)).encode()
        if not _is_public(path.read_bytes()):
            assert [text for text in texts if _stands_in(content, text)] == [], path.name


def _stands_in(content: bytes, text: bytes) -> bool:
    """Whether a text is somewhere in it; a short number inside of a digest in hexadecimal is there by chance."""
    if text in content and re.fullmatch(rb"[0-9a-f]{,12}", text):
        return re.search(rb"(?<![0-9a-f])" + text + rb"(?![0-9a-f])", content) is not None
    return text in content


# -- nothing that links pseudonyms -----------------------------------------------------------------------------------


def test_pseudonyms__each_has_one_counterparty(told: Told) -> None:
    seen = defaultdict(set)
    index = told.story.patient.chain.index
    for contract, events in FOLLOWED.items():
        for name in events:
            for event in index.events(contract, name):
                arguments = dict(event.arguments)
                pseudonym = arguments.get("pseudonym") or arguments.get("from")
                for role in ("author", "reader", "to"):
                    if arguments.get(role):
                        seen[pseudonym].add(arguments[role])
    # All that treat her under a policy claim under its pseudonym, which is for that policy year alone.
    policy = told.story.insurance.account.pseudonym
    ours = {pseudonym: seen[pseudonym] for pseudonym in told.vault.accounts if pseudonym != policy}
    assert {pseudonym: others for pseudonym, others in ours.items() if len(others) > 1} == {}
    assert sum(1 for others in ours.values() if others) == 3


def test_pseudonyms__no_transaction_names_two(told: Told) -> None:
    for transaction in told.transactions:
        named = {pseudonym for pseudonym in told.vault.accounts if bytes.fromhex(pseudonym[2:]) in transaction["data"]}
        assert len(named) <= 1


def test_pseudonyms__nothing_large_is_equal_under_two(told: Told) -> None:
    under: dict[str, set[int]] = defaultdict(set)
    shared = {int(deployed.address, 16) for deployed in told.story.contracts.deployment.contracts.values()}
    # The last byte of a signature is one of two, in a word of its own.
    shared |= {27 << 248, 28 << 248}
    for transaction in told.transactions:
        for pseudonym in told.vault.accounts:
            if bytes.fromhex(pseudonym[2:]) in transaction["data"]:
                under[pseudonym] |= {word for word in _words_of(told, transaction["data"]) if word >= LARGE} - shared
    assert len(under) == len(told.vault.accounts)
    _assert_disjoint(under)


def test_pseudonyms__a_deadline_does_not_tell_when_it_was_signed(told: Told) -> None:
    offsets = []
    for transaction in told.transactions:
        if any(bytes.fromhex(pseudonym[2:]) in transaction["data"] for pseudonym in told.vault.accounts):
            near = range(transaction["time"] + 600, transaction["time"] + 3601)
            offsets += [word - transaction["time"] for word in _words_of(told, transaction["data"]) if word in near]
    assert len(offsets) > 10
    assert len(set(offsets)) > len(offsets) * 3 // 4


def test_pseudonyms__nothing_in_clear_in_their_bundles_is_equal(told: Told) -> None:
    under: dict[str, set[str]] = {}
    constant = {"bundle"}
    for pseudonym, account in told.vault.accounts.items():
        if not account.publications:
            continue
        document, _ = told.story.patient.chain.document(pseudonym, told.story.store)
        under[pseudonym] = {text for text in _strings(json.loads(document)) if text} - constant
    _assert_disjoint(under)


def _words_of(told: Told, data: bytes) -> set[int]:
    """The words of a call's arguments; those of the carried calls where it is the carrier's."""
    carrier = told.story.contracts.Carrier
    if data[:4] == keccak(text="carry((address,bytes)[])")[:4]:
        _, arguments = carrier.decode_function_input(data)
        return {word for call in arguments["calls"] for word in _words_of(told, call["data"])}
    body = data[4:]
    return {int.from_bytes(body[at : at + WORD], "big") for at in range(0, len(body), WORD)}


def _assert_disjoint(under: dict[str, set[Any]]) -> None:
    pseudonyms = sorted(under)
    for place, one in enumerate(pseudonyms):
        for other in pseudonyms[place + 1 :]:
            assert under[one] & under[other] == set(), f"{one} and {other} share it"
