"""Accounts with a key that borrow a contract's code (EIP-7702), by transactions of that type on a real anvil.

Such an account signs with its key and has code at once: it must be as good as a key, and as good as a wallet.
"""

from collections.abc import Iterator, Mapping

import pytest
from eth_account.signers.local import LocalAccount
from real_anvil import CHAIN_ID, RELAYER, Chain, person
from signature_cases import NAMES
from signature_cast import ZERO
from signature_stage import HOSPITAL, SIGNERS, STRANGER, Refusal, Stage, open_stage

# What stands where an account's code would: the mark of a delegation, and whose code it borrows.
DELEGATION = bytes.fromhex("ef0100")

# Whose signatures the borrowed code accepts. Nobody asks a publisher's code.
OWNERS: Mapping[str, LocalAccount] = {
    name: person(f"owner of the code of the {name}") for name in SIGNERS if name != "publisher"
}


def delegate(chain: Chain, account: LocalAccount, code: str) -> None:
    """Has an account borrow the code at an address, or give it back where that is zero. The relayer pays."""
    nonce = chain.web3.eth.get_transaction_count(account.address)
    permission = account.sign_authorization({"chainId": CHAIN_ID, "address": code, "nonce": nonce})
    fees = {"maxFeePerGas": 0, "maxPriorityFeePerGas": 0}
    receipt = chain.transact(RELAYER, {"type": 4, "to": RELAYER.address, "authorizationList": [permission], **fees})

    assert receipt["status"] == 1
    borrowed = b"" if code == ZERO else DELEGATION + bytes.fromhex(code[2:])
    assert bytes(chain.web3.eth.get_code(account.address)) == borrowed


def delegate_everyone(stage: Stage, kind: str, *facts: object) -> None:
    """Has everyone borrow the code of one contract of this kind."""
    code = stage.chain.deploy(kind, *facts)
    for name in OWNERS:
        delegate(stage.chain, stage.signers[name], code.address)


@pytest.fixture(scope="module")
def keys_stage() -> Iterator[Stage]:
    """The table before anyone borrowed code."""
    with open_stage(hardfork="prague") as stage:
        yield stage


@pytest.fixture(scope="module")
def stage(keys_stage: Stage) -> Iterator[Stage]:
    """The table, ready, for people who borrow the code of a wallet that others own."""
    with keys_stage.chain.undone():
        for name, owner in OWNERS.items():
            wallet = keys_stage.chain.deploy("Wallet1271", owner.address)
            delegate(keys_stage.chain, keys_stage.signers[name], wallet.address)
        yield keys_stage


@pytest.fixture
def acting(stage: Stage) -> Iterator[Stage]:
    """The same for tests that send; what they did is undone after them."""
    with stage.chain.undone():
        yield stage


# -- signatures ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_delegated__what_its_key_signed_counts(acting: Stage, name: str) -> None:
    told = acting.send(name)

    assert told == list(acting.table[name].events)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "Publish by the publisher"])
def test_delegated__what_its_code_accepts_counts(acting: Stage, name: str) -> None:
    # given
    case = acting.table[name]
    signatures = acting.sign(case.message, *(OWNERS[signer] for signer in case.signers))

    # when
    told = acting.send(name, *signatures)

    # then
    assert told == list(case.events)


@pytest.mark.parametrize("name", NAMES)
def test_delegated__what_a_stranger_signed_is_refused(stage: Stage, name: str) -> None:
    # given
    case = stage.table[name]

    # when
    refusal = stage.refusal(name, *stage.sign(case.message, *[STRANGER] * len(case.signers)))

    # then
    assert refusal == stage.wrong(name)


@pytest.mark.parametrize("kind", ["RevertingWallet", "GasBurningWallet"])
@pytest.mark.parametrize("name", NAMES)
def test_delegated__to_code_that_misbehaves__its_key_still_counts(acting: Stage, name: str, kind: str) -> None:
    # given
    delegate_everyone(acting, kind)

    # when
    told = acting.send(name)

    # then
    assert told == list(acting.table[name].events)


SOME = [
    *("Publish", "HandOver", "Grant", "Report", "Letter", "Join", "Leave", "Prescribe", "Take", "Cancel"),
    *("Enrol", "Claim", "Ruling", "Agreement"),
]


@pytest.mark.parametrize("name", SOME)
def test_delegated__no_more__only_its_key_counts(acting: Stage, name: str) -> None:
    # given people who gave the borrowed code back
    for signer in OWNERS:
        delegate(acting.chain, acting.signers[signer], ZERO)
    case = acting.table[name]

    # when
    of_code = acting.refusal(name, *acting.sign(case.message, *(OWNERS[signer] for signer in case.signers)))
    of_key = acting.refusal(name)

    # then
    assert of_code == acting.wrong(name)
    assert of_key is None


# -- operators -------------------------------------------------------------------------------------------------------


def refusal_of_operator(stage: Stage, operator: str, *, mask: int = 1) -> Refusal | None:
    """By what error a member is refused that names this operator."""
    call = stage.contracts.consortium.functions.setOperator(operator, mask)
    return stage.refusal_of_call(call, sender=HOSPITAL)


def deployed_as_it_is(chain: Chain, code: bytes) -> str:
    """The address of a contract with exactly this code."""
    # PUSH length, DUP1, PUSH offset, PUSH 0, CODECOPY, PUSH 0, RETURN; then the code itself
    creation = bytes.fromhex(f"60{len(code):02x}80600b6000396000f3") + code
    receipt = chain.transact(RELAYER, {"data": creation})
    assert bytes(chain.web3.eth.get_code(receipt["contractAddress"])) == code
    return str(receipt["contractAddress"])


def test_set_operator__an_account_without_code(stage: Stage) -> None:
    refusal = refusal_of_operator(stage, STRANGER.address)

    assert refusal == Refusal("NotAContract", {"operator": STRANGER.address})


def test_set_operator__an_account_that_borrows_code(stage: Stage) -> None:
    # given
    borrower = stage.cast.controller

    # when
    refusal = refusal_of_operator(stage, borrower)

    # then
    assert refusal == Refusal("NotAContract", {"operator": borrower})


def test_set_operator__an_account_that_gave_its_code_back(acting: Stage) -> None:
    # given
    borrower = acting.signers["controller"]
    delegate(acting.chain, borrower, ZERO)

    # when
    refusal = refusal_of_operator(acting, borrower.address)

    # then
    assert refusal == Refusal("NotAContract", {"operator": borrower.address})


def test_set_operator__a_contract(stage: Stage) -> None:
    assert refusal_of_operator(stage, stage.contracts.carrier.address) is None


def test_set_operator__a_contract_as_short_as_a_delegation(acting: Stage) -> None:
    # given code of the 23 bytes that a delegation has, which no delegation begins like
    code = bytes.fromhex("5f5ffd") + bytes(20)

    # when
    refusal = refusal_of_operator(acting, deployed_as_it_is(acting.chain, code))

    # then
    assert refusal is None


def test_set_operator__a_contract_cannot_look_like_a_delegation(acting: Stage) -> None:
    # given the same with a delegation's beginning
    creation = bytes.fromhex("601780600b6000396000f3") + DELEGATION + bytes(20)

    # when
    receipt = acting.chain.transact(RELAYER, {"data": creation})

    # then the chain itself refuses to make such a contract (EIP-3541)
    assert receipt["status"] == 0


def test_set_operator__taken_back_from_what_became_an_account_that_borrows(stage: Stage) -> None:
    assert refusal_of_operator(stage, stage.cast.controller, mask=0) is None
