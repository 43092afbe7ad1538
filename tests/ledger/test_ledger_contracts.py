"""Contracts by name, what their functions return, how their refusals and events are read."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from eth_abi import encode
from eth_utils.abi import abi_to_signature
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from ledger_chains import EMITTER, Chain
from ledger_solidity import compiled
from web3 import Web3
from web3.contract import Contract
from web3.exceptions import Web3Exception

from theriac.errors import BadCall, ChainLied, NoAbi, NotDeployed, Reverted
from theriac.ledger.contracts import Call, Contracts, Event, Reverts, abi, call_of, notices, packaged
from theriac.ledger.deployment import Deployment
from theriac.ledger.node import Log
from theriac.ledger.sender import Sender
from theriac.ledger.signer import KeySigner

FROM_LIBRARIES = {"InvalidShortString()", "StringTooLong(string)"}
"""Errors of OpenZeppelin's that none of the contracts can meet."""

MISSING = (b"\x01" * 32, b"\x02" * 32)


@pytest.fixture
def contracts(chain: Chain, emitter: Contract) -> Contracts:
    empty = Deployment.of(chain.web3, network="here", depth=0, lasting=False)
    deployment = empty.with_contract(chain.web3, "Emitter", emitter.address, block=1)
    return Contracts(chain.web3, deployment, abis={"Emitter": compiled(EMITTER, "Emitter").abi})


def refusal(error: str, arguments: Mapping[str, object], inner: Reverted | None = None) -> dict[str, object]:
    shown = None if inner is None else told(inner)
    return {"contract": "Emitter", "error": error, "arguments": arguments, "inner": shown}


def told(reverted: Reverted) -> dict[str, object]:
    inner = None if reverted.inner is None else told(reverted.inner)
    return {
        "contract": reverted.contract,
        "error": reverted.error,
        "arguments": reverted.arguments,
        "inner": inner,
    }


# -- names -----------------------------------------------------------------------------------------------------------


def test_contracts__by_attribute_and_by_name__are_the_same(contracts: Contracts, emitter: Contract) -> None:
    assert contracts.Emitter is contracts["Emitter"]
    assert contracts.Emitter.address == emitter.address


def test_contracts__unknown_to_the_package__says_so(contracts: Contracts) -> None:
    with pytest.raises(NoAbi, match="Emiter"):
        _ = contracts.Emiter


def test_contracts__known_but_not_deployed__says_so(chain: Chain) -> None:
    nothing = Deployment.of(chain.web3, network="here", depth=0, lasting=False)

    with pytest.raises(NotDeployed, match="Emitter is not deployed on here"):
        _ = Contracts(chain.web3, nothing, abis={"Emitter": []}).Emitter


def test_contracts__unknown_event__says_so(contracts: Contracts) -> None:
    with pytest.raises(NoAbi, match=r"Emitter\.Shouted"):
        contracts.event("Emitter", "Shouted")


@pytest.mark.parametrize("name", ["Nothing", "../errors", "", "abi/Grants"])
def test_abi__of_no_contract__says_so(name: str) -> None:
    with pytest.raises(NoAbi):
        abi(name)


def test_packaged__holds_the_contracts_of_the_project() -> None:
    known = packaged()
    if not known:
        pytest.skip("The package has no ABIs yet: run `make abi` and try again.")

    assert {"Consortium", "Keys", "Records", "Grants", "Carrier", "Letters"} <= set(known)
    assert all(abi(name) == declared for name, declared in known.items())


# -- calls -----------------------------------------------------------------------------------------------------------


def test_call_of__a_function__is_its_address_and_data(emitter: Contract) -> None:
    data = emitter.encode_abi("note", args=[emitter.address, b"\x05" * 32, 7, "ok"])

    made = call_of(emitter.functions.note(emitter.address, b"\x05" * 32, 7, "ok"))

    assert made == Call(to=emitter.address, data=bytes.fromhex(data[2:]))


def test_call_of__a_constructor__is_to_nobody(chain: Chain) -> None:
    code = compiled(EMITTER, "Emitter")
    constructor = chain.web3.eth.contract(abi=code.abi, bytecode=code.bytecode).constructor(9)

    made = call_of(constructor)

    assert made == Call(to=None, data=bytes.fromhex(code.bytecode[2:]) + encode(["uint256"], [9]))


def test_call_of__a_function_without_its_arguments__says_which(emitter: Contract) -> None:
    with pytest.raises(BadCall) as refused:
        call_of(emitter.functions.note)

    assert refused.value.call == "note"


WORDS: dict[str, list[Any]] = {
    "address": ["0x5FbDB2315678afecb367f032d93F642f64180aa3", "0x" + "00" * 20],
    "bytes32": [bytes(32), bytes(range(32))],
    **{f"uint{bits}": [0, 1, 2**bits - 1] for bits in range(8, 264, 8)},
}
"""Arguments that fit, by their type."""

UNFIT: dict[str, list[Any]] = {
    "address": ["0x5fbdb2315678afecb367f032d93f642f64180aa3", "0x5FbDB2315678afecb367f032d93F642f64180aA3", "0x12", 7],
    "bytes32": [bytes(33), "0x00", 7, None],
    "uint8": [-1, 256, True, "1", 1.0, None],
    "uint256": [-1, 2**256, False],
}


def with_words() -> Iterator[tuple[Contract, str, list[str]]]:
    """Every function of the project that takes words only: its contract, its signature and their types."""
    for declared in packaged().values():
        contract = Web3().eth.contract(address=WORDS["address"][0], abi=declared)
        for function in contract.all_functions():
            kinds = [part["type"] for part in function.abi["inputs"]]
            if all(kind in WORDS for kind in kinds):
                yield contract, function.signature, kinds


def test_call_of__words__is_what_web3_encodes() -> None:
    encoded = 0
    for contract, signature, kinds in with_words():
        for place in range(3):
            arguments = [WORDS[kind][min(place, len(WORDS[kind]) - 1)] for kind in kinds]

            made = call_of(contract.get_function_by_signature(signature)(*arguments))

            assert made == Call(contract.address, bytes.fromhex(contract.encode_abi(signature, arguments)[2:]))
            encoded += 1
    assert encoded > 300


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind, values in UNFIT.items() for value in values])
def test_call_of__a_word_that_does_not_fit__is_refused(kind: str, value: Any) -> None:
    declared = {"type": "function", "name": "note", "inputs": [{"name": "it", "type": kind}], "outputs": []}
    contract = Web3().eth.contract(address=WORDS["address"][0], abi=[{**declared, "stateMutability": "nonpayable"}])

    with pytest.raises((BadCall, Web3Exception)):
        call_of(contract.functions.note(value))


def test_call__several_returned__come_by_name(contracts: Contracts, emitter: Contract) -> None:
    found = contracts.call(contracts.Emitter.functions.look(5))

    assert found == {
        "reading": {"time": 5, "celsius": -7, "sensors": (bytes(32), bytes(32))},
        "seen": emitter.address,
        "total": 0,
    }


def test_call__one_returned__is_the_value(contracts: Contracts) -> None:
    assert contracts.call(contracts.Emitter.functions.ceiling()) == 10_000


def test_call__nothing_returned__is_none(contracts: Contracts) -> None:
    assert contracts.call(contracts.Emitter.functions.setClosed(True)) is None


def test_call__at_an_earlier_block__sees_what_was(chain: Chain, contracts: Contracts, payer: KeySigner) -> None:
    sender = Sender(chain.web3, payer, outbox=None)
    first = sender.send(contracts.Emitter.functions.tick())
    sender.send(contracts.Emitter.functions.tick())

    assert contracts.call(contracts.Emitter.functions.count(), block=first.block) == 1
    assert contracts.call(contracts.Emitter.functions.count()) == 2


def test_call__nothing_at_the_address__says_so(chain: Chain, contracts: Contracts) -> None:
    elsewhere = chain.web3.eth.contract(address=KeySigner(b"\x09" * 32).address, abi=contracts.abi("Emitter"))

    with pytest.raises(NotDeployed):
        contracts.call(elsewhere.functions.ceiling())


def test_call__an_abi_that_does_not_fit__is_named(chain: Chain, contracts: Contracts, emitter: Contract) -> None:
    wrong = [
        {
            "type": "function",
            "name": "ceiling",
            "stateMutability": "view",
            "inputs": [],
            "outputs": [{"name": "", "type": "string"}],
        }
    ]

    with pytest.raises(ChainLied, match="ceiling returned"):
        contracts.call(chain.web3.eth.contract(address=emitter.address, abi=wrong).functions.ceiling())


# -- refusals --------------------------------------------------------------------------------------------------------


def refusals(emitter: Contract) -> list[tuple[Any, dict[str, object]]]:
    payer = KeySigner(b"\x07" * 32).address
    closed = Reverted(contract="Emitter", error="Closed", arguments={})
    return [
        (
            emitter.functions.refuse(5, list(MISSING)),
            refusal("NotPermitted", {"caller": payer, "asked": 5, "missing": MISSING}),
        ),
        (emitter.functions.refuseWithWords("no, not «today»"), refusal("Error", {"message": "no, not «today»"})),
        (
            emitter.functions.refuseInside(3),
            refusal("Wrapped", {"index": 3, "reason": keccak(text="Closed()")[:4]}, closed),
        ),
        (emitter.functions.refuseSilently(), refusal("", {})),
        (emitter.functions.panic(0), refusal("Panic", {"code": 0x12})),
    ]


@pytest.mark.parametrize("case", range(5), ids=["custom", "words", "inside", "silent", "panic"])
def test_call__refused__says_how_by_name(chain: Chain, contracts: Contracts, case: int) -> None:
    asked, expected = refusals(contracts.Emitter)[case]
    caller = KeySigner(b"\x07" * 32).address
    if chain.process is None:
        fund(chain, caller)

    with pytest.raises(Reverted) as refused:
        contracts.call(asked, sender=caller)

    assert told(refused.value) == expected


@pytest.mark.parametrize("way", ["call", "estimate_gas"])
@pytest.mark.parametrize("case", range(5), ids=["custom", "words", "inside", "silent", "panic"])
def test_of__what_web3_raised__says_the_same(chain: Chain, contracts: Contracts, case: int, way: str) -> None:
    asked, expected = refusals(contracts.Emitter)[case]
    caller = KeySigner(b"\x07" * 32).address
    if chain.process is None:
        fund(chain, caller)

    with pytest.raises(Exception) as raised:
        getattr(asked, way)({"from": caller})

    found = contracts.reverts.of(raised.value, to=contracts.Emitter.address)
    assert found is not None
    assert told(found) == expected


def test_of__something_else__is_none(contracts: Contracts) -> None:
    assert contracts.reverts.of(ValueError("full moon")) is None


def test_call__fails_by_itself__is_refused_without_a_reason_of_the_contract(contracts: Contracts) -> None:
    with pytest.raises(Reverted) as refused:
        contracts.call(contracts.Emitter.functions.burn())

    assert (refused.value.contract, refused.value.error) == ("Emitter", "")


def test_refusal__known_from_another_contract__names_that_one() -> None:
    reverts = Reverts(
        {"Grants": [], "Consortium": [{"type": "error", "name": "NoSuchMember", "inputs": []}]},
        addresses={"0x00000000000000000000000000000000000000AA": "Grants"},
    )

    found = reverts.refusal(keccak(text="NoSuchMember()")[:4], to="0x00000000000000000000000000000000000000AA")

    assert (found.contract, found.error) == ("Consortium", "NoSuchMember")


def test_refusal__unknown__gives_its_selector_and_data() -> None:
    found = Reverts({}).refusal(b"\xde\xad\xbe\xef\x01", to="0x00000000000000000000000000000000000000AA")

    assert told(found) == {
        "contract": "0x00000000000000000000000000000000000000AA",
        "error": "0xdeadbeef",
        "arguments": {"data": b"\xde\xad\xbe\xef\x01"},
        "inner": None,
    }


def test_refusal__cut_off_by_a_carrier__still_has_its_name() -> None:
    reverts = Reverts({"Emitter": compiled(EMITTER, "Emitter").abi})
    selector = keccak(text="NotPermitted(address,uint256,bytes32[])")[:4]

    found = reverts.refusal(selector + bytes(40), to=None)

    assert (found.contract, found.error, found.arguments) == (
        "Emitter",
        "NotPermitted",
        {"data": selector + bytes(40)},
    )


def test_refusal__wrapped_without_end__is_read_so_far_and_no_further() -> None:
    reverts = Reverts({"Emitter": compiled(EMITTER, "Emitter").abi})
    selector = keccak(text="Wrapped(uint256,bytes)")[:4]
    data = b""
    for _ in range(300):
        data = selector + encode(["uint256", "bytes"], [0, data])

    found: Reverted | None = reverts.refusal(data, to=None)

    deep = 0
    while found is not None:
        deep, found = deep + 1, found.inner
    assert deep == 5


def test_reverted__as_a_sentence__says_who_and_what() -> None:
    refused = Reverted(contract="Grants", error="ExpiryPassed", arguments={"expiry": 5, "key": b"\x01"})

    assert str(refused) == (
        "Grants refused: ExpiryPassed (expiry 5, key 0x01); change what is asked to fit, or ask its owner."
    )


def test_reverted__of_a_contract_of_the_project__says_what_its_error_means() -> None:
    # given: an error of Prescriptions, as a node hands it on
    address = to_checksum_address("0x" + "11" * 20)
    reverts = Reverts(packaged(), addresses={address: "Prescriptions"})
    data = keccak(text="AlreadyPrescribed(bytes32)")[:4] + b"\xab" * 32

    # when
    refused = reverts.refusal(data, to=address)

    # then
    told = f"AlreadyPrescribed (prescription 0x{'ab' * 32})"
    assert str(refused) == f"These terms were prescribed before (refused by Prescriptions: {told})."


def test_reverted__carried_by_another__says_what_the_carried_one_means() -> None:
    # given
    carried = keccak(text="AlreadyPrescribed(bytes32)")[:4] + b"\xab" * 32
    reverts = Reverts(packaged())
    data = keccak(text="CallFailed(uint256,bytes)")[:4] + encode(["uint256", "bytes"], [0, carried])

    # when
    refused = reverts.refusal(data, to=None)

    # then
    assert str(refused).startswith("These terms were prescribed before (refused by Prescriptions")


@pytest.mark.parametrize("name", sorted(packaged()))
def test_notices__every_error_of_a_contract_has_one(name: str) -> None:
    errors = {abi_to_signature(part) for part in abi(name) if part["type"] == "error"}

    assert {error for error in errors if not notices(name).get(error)} <= FROM_LIBRARIES


# -- events ----------------------------------------------------------------------------------------------------------


def test_events__of_a_receipt__are_values(chain: Chain, contracts: Contracts, payer: KeySigner) -> None:
    sender = Sender(chain.web3, payer, outbox=None)

    noted = sender.send(contracts.Emitter.functions.note(payer.address, b"\x05" * 32, 2**255, "zwölf"))
    measured = sender.send(contracts.Emitter.functions.measure("ward", (9, -40, list(MISSING)), True))

    assert contracts.events(noted) == (
        Event(
            contract="Emitter",
            name="Noted",
            arguments={"subject": payer.address, "key": b"\x05" * 32, "amount": 2**255, "remark": "zwölf"},
            block=noted.block,
            block_hash=noted.block_hash,
            transaction=noted.transaction,
            index=0,
        ),
    )
    assert [event.arguments for event in contracts.events(measured)] == [
        {
            "place": keccak(text="ward"),
            "reading": {"time": 9, "celsius": -40, "sensors": MISSING},
            "alarm": True,
        }
    ]


def test_events__of_other_contracts__are_left_out(chain: Chain, contracts: Contracts, payer: KeySigner) -> None:
    stranger = chain.emitter()

    receipt = Sender(chain.web3, payer, outbox=None).send(stranger.functions.tick())

    assert contracts.events(receipt) == ()


def test_events__text_that_is_no_utf8__is_shown(chain: Chain, contracts: Contracts, payer: KeySigner) -> None:
    good = call_of(contracts.Emitter.functions.note(payer.address, bytes(32), 1, "??"))
    bad = Call(to=good.to, data=good.data.replace(b"??", b"\xff\xfe"))

    receipt = Sender(chain.web3, payer, outbox=None).send(bad)

    assert [event.arguments["remark"] for event in contracts.events(receipt)] == ["\\xff\\xfe"]


def test_events__a_log_that_does_not_fit__is_a_lie(chain: Chain, contracts: Contracts, payer: KeySigner) -> None:
    from dataclasses import replace

    receipt = Sender(chain.web3, payer, outbox=None).send(contracts.Emitter.functions.tick())
    cut = Log(address=receipt.logs[0].address, topics=receipt.logs[0].topics, data=b"", index=0)

    with pytest.raises(ChainLied, match="does not fit"):
        contracts.events(replace(receipt, logs=(cut,)))


def fund(chain: Chain, address: str) -> None:
    """The embedded chain lets nobody call who could not pay for it."""
    chain.web3.eth.wait_for_transaction_receipt(
        chain.web3.eth.send_transaction({"from": chain.web3.eth.accounts[3], "to": address, "value": 10**18})
    )
