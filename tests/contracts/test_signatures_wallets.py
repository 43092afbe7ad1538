"""Accounts that are contracts (ERC-1271): a wallet's word counts as a key does, and no wallet can harm who asks it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount
from real_anvil import BOARD, RELAYER, encoded, person
from signature_cases import NAMES, of_account
from signature_cast import ZERO
from signature_delegated import of_delegate
from signature_recovery import error_of_account
from signature_stage import SIGNERS, STRANGER, Refusal, Stage, open_stage, wrong_signature

from theriac.consortium import Role
from theriac.cover.messages import Agreement
from theriac.health.messages import HandOver, Publish
from theriac.ledger.typed import Message

# Who holds the keys of the wallets: everyone but the publisher, which must be a key.
OWNERS: Mapping[str, LocalAccount] = {
    name: person(f"owner of the wallet of the {name}") for name in SIGNERS if name != "publisher"
}

# What ERC-1271 has a wallet say, and the word that it comes in.
ACCEPTED = bytes.fromhex("1626ba7e")
YES = ACCEPTED + bytes(28)

REFUSED: dict[str, tuple[str, tuple[Any, ...]]] = {
    "says no": ("LyingWallet", (b"\xff" * 4 + bytes(28),)),
    "says nothing": ("LyingWallet", (b"",)),
    "says yes in 4 bytes": ("LyingWallet", (ACCEPTED,)),
    "says yes in 31 bytes": ("LyingWallet", (YES[:31],)),
    "says yes with dirt behind it": ("LyingWallet", (ACCEPTED + b"\x01" * 28,)),
    "says yes with one bit behind it": ("LyingWallet", (ACCEPTED + bytes(27) + b"\x01",)),
    "says yes at the wrong end": ("LyingWallet", (bytes(28) + ACCEPTED,)),
    "says true": ("LyingWallet", (bytes(31) + b"\x01",)),
    "says yes in the second word": ("LyingWallet", (bytes(32) + YES,)),
    "says yes and reverts": ("RevertingWallet", ()),
    "burns its gas": ("GasBurningWallet", ()),
    "answers with 10 MB": ("ReturnBomb", (10_000_000, False)),
    "reverts with 10 MB": ("ReturnBomb", (10_000_000, True)),
    "reverts with 290 kB": ("ReturnBomb", (290_000, True)),
}

TAKEN: dict[str, tuple[str, tuple[Any, ...]]] = {
    "says yes": ("LyingWallet", (YES,)),
    "says yes and more after it": ("LyingWallet", (YES + b"\xff" * 32,)),
    "says yes in 290 kB": ("ReturnBomb", (290_000, False)),
}

# What asking a wallet may cost at most, whatever it does: its allowance, and the act itself. An answer of 290 kB is
# about what a wallet can afford of its allowance; who copied it would pay for it once more.
MOST_GAS = 300_000


@dataclass(frozen=True)
class Provider:
    """An account that acts for a member."""

    account: str
    member: int


@pytest.fixture(scope="module")
def keys_stage() -> Iterator[Stage]:
    """The table with keys only, and everything else that the tests of this file deploy."""
    with open_stage() as stage:
        yield stage


@pytest.fixture(scope="module")
def wallets(keys_stage: Stage) -> dict[str, str]:
    """The address of everyone's wallet."""
    deploy = keys_stage.chain.deploy
    return {name: str(deploy("Wallet1271", owner.address).address) for name, owner in OWNERS.items()}


@pytest.fixture(scope="module")
def strange(keys_stage: Stage) -> dict[str, str]:
    """The addresses of wallets that do not keep to the standard, by what they do; each bears prescriptions."""
    chain = keys_stage.chain
    found = {does: str(chain.deploy(kind, *facts).address) for does, (kind, facts) in (REFUSED | TAKEN).items()}
    for wallet in found.values():
        keys_stage.prescribe_for(wallet)
    return found


@pytest.fixture(scope="module")
def treating(keys_stage: Stage) -> dict[str, Provider]:
    """More such wallets, each of which acts for a member that treats patients: the board asks no account whether it
    wants to.
    """
    chain, consortium, found = keys_stage.chain, keys_stage.contracts.consortium, {}
    for does, (kind, facts) in REFUSED.items():
        wallet = str(chain.deploy(kind, *facts).address)
        chain.send(BOARD, consortium.functions.admit(wallet, int(Role.CLINICIAN), 3, keys_stage.cast.midnight(365)))
        member, *_ = consortium.functions.affiliationOf(wallet).call()
        found[does] = Provider(wallet, member)
    return found


def of_wallet(message: Message, wallet: str, provider: Provider) -> Message:
    """The same message, but of a wallet; an agreement of the one that acts for a provider."""
    if isinstance(message, Agreement):
        return replace(message, signer=provider.account, provider=provider.member)
    return of_account(message, wallet)


def refusal_of_wallet(message: Message, wallet: str) -> Refusal:
    """By which error it is refused."""
    if error := error_of_account(message, wallet):
        return Refusal(*error)
    if of_delegate(message):
        return wrong_signature(ZERO)
    return wrong_signature(message.signer if isinstance(message, Agreement) else wallet, to=message)


def from_the_start(stage: Stage, wallets: dict[str, str]) -> Stage:
    """Pseudonyms whose very accounts are contracts."""
    cast = replace(stage.cast, pseudonym=wallets["controller"], **wallets)
    return stage.played_by(cast, {**SIGNERS, **OWNERS}, prepared=False)


def after_a_hand_over(stage: Stage, wallets: dict[str, str]) -> Stage:
    """A pseudonym that a key controlled when it was founded, and a wallet does since."""
    staff = {
        "joiner": person("second newcomer"),
        "leaver": person("second nurse"),
        "giver": person("second packer"),
        "logger": person("second logger"),
        "prescriber": person("second prescriber"),
        "therapist": person("second therapist"),
        "underwriter": person("second underwriter"),
        "arbiter": person("second arbiter"),
        "assessor": person("second assessor"),
        "delegate": person("second delegate"),
    }
    bearer = {"bearer": person("second bearer")}
    patient = {"controller": person("second patient")}
    addresses = {name: account.address for name, account in (patient | staff | bearer).items()}
    first = replace(stage.cast, pseudonym=addresses["controller"], **addresses)
    founded = stage.played_by(first, {**SIGNERS, **patient, **staff, **bearer}, prepared=False)

    terms = HandOver(first.pseudonym, wallets["controller"], first.publisher, True, 1, 0, first.deadline)
    founded.carry(terms, *founded.sign(terms, patient["controller"], OWNERS["controller"]))

    second = replace(founded.cast, controller=wallets["controller"], successor=wallets["successor"], appointments=2)
    return founded.played_by(second, {**SIGNERS, **OWNERS, **staff, **bearer})


WAYS: dict[str, Callable[[Stage, dict[str, str]], Stage]] = {
    "from the start": from_the_start,
    "after a hand-over": after_a_hand_over,
}


@pytest.fixture(scope="module", params=WAYS)
def stage(
    request: pytest.FixtureRequest,
    keys_stage: Stage,
    wallets: dict[str, str],
    strange: dict[str, str],
    treating: dict[str, Provider],
) -> Iterator[Stage]:
    """The table, ready, for people whose accounts are wallets. All that the file deploys stands before: it stays."""
    with keys_stage.chain.undone():
        yield WAYS[request.param](keys_stage, wallets)


@pytest.fixture
def acting(stage: Stage) -> Iterator[Stage]:
    """The same for tests that send; what they did is undone after them."""
    with stage.chain.undone():
        yield stage


# -- wallets that keep to the standard -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_wallet__what_its_owner_signed_counts(acting: Stage, name: str) -> None:
    told = acting.send(name)

    assert told == list(acting.table[name].events)


@pytest.mark.parametrize("name", NAMES)
def test_wallet__what_a_stranger_signed_is_refused(stage: Stage, name: str) -> None:
    # given
    signatures = stage.sign(stage.table[name].message, *[STRANGER] * len(stage.table[name].signers))

    # when
    refusal = stage.refusal(name, *signatures)

    # then
    assert refusal == stage.wrong(name)


def test_wallet__as_a_publisher__cannot_sign(acting: Stage, wallets: dict[str, str]) -> None:
    # given a publisher that is a contract: only keys publish by signature, so that no node is asked what its code says
    controller = acting.cast.controller
    appointing = replace(acting.table["SetPublisher"].message, publisher=wallets["joiner"])
    acting.carry(appointing, *acting.sign(appointing, acting.signers["controller"]))

    # when its owner signs a publication
    message = acting.table["Publish"].message
    refusal = acting.refusal_of(message, *message.arguments(*acting.sign(message, OWNERS["joiner"])))

    # then
    assert acting.contracts.keys.functions.publisherOf(acting.cast.pseudonym).call()[0] == wallets["joiner"]
    assert refusal == wrong_signature(controller)


# -- wallets that do not ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("does", REFUSED)
@pytest.mark.parametrize("name", NAMES)
def test_wallet__that_misbehaves__is_refused(
    keys_stage: Stage, strange: dict[str, str], treating: dict[str, Provider], name: str, does: str
) -> None:
    # given a message of an account whose wallet does this
    stage, wallet = keys_stage, strange[does]
    message = of_wallet(stage.table[name].message, wallet, treating[does])
    signatures = stage.sign(message, *[STRANGER] * len(stage.table[name].signers))

    # when
    refusal = stage.refusal(name, *signatures, message=message)

    # then
    assert refusal == refusal_of_wallet(message, wallet)


@pytest.mark.parametrize("does", REFUSED)
def test_wallet__that_misbehaves__cannot_be_handed_to(keys_stage: Stage, strange: dict[str, str], does: str) -> None:
    # given
    stage, wallet = keys_stage, strange[does]
    message = replace(stage.table["HandOver"].message, controller=wallet)
    signatures = stage.sign(message, stage.signers["controller"], STRANGER)

    # when
    refusal = stage.refusal("HandOver", *signatures, message=message)

    # then
    assert refusal == wrong_signature(wallet)


@pytest.mark.parametrize("does", ["burns its gas", "answers with 10 MB", "reverts with 10 MB", "reverts with 290 kB"])
@pytest.mark.parametrize("name", NAMES)
def test_wallet__that_is_costly__costs_the_sender_little(
    keys_stage: Stage, strange: dict[str, str], treating: dict[str, Provider], name: str, does: str
) -> None:
    # given
    stage, chain = keys_stage, keys_stage.chain
    message = of_wallet(stage.table[name].message, strange[does], treating[does])
    signatures = stage.sign(message, *[STRANGER] * len(stage.table[name].signers))
    call = stage.contract(message).functions[message.FUNCTION](*message.arguments(*signatures))

    # when it is sent with all the gas of a block
    with chain.undone():
        receipt = chain.transact(stage.sender(message), {"to": call.address, "data": encoded(call)})

    # then
    assert receipt["status"] == 0
    assert receipt["gasUsed"] < MOST_GAS


@pytest.mark.parametrize("does", TAKEN)
def test_wallet__that_says_yes__is_believed(keys_stage: Stage, strange: dict[str, str], does: str) -> None:
    # given what nobody signed, of an account whose wallet accepts everything
    message = Publish(strange[does], 1, bytes([1]) * 32, 0, keys_stage.cast.deadline)
    call = keys_stage.contracts.keys.functions.publishBySig(*message.arguments(b""))

    # when
    with keys_stage.chain.undone():
        receipt = keys_stage.chain.send(RELAYER, call)

    # then it can only hurt itself
    (published,) = keys_stage.told(receipt)
    assert published.arguments == {
        "pseudonym": strange[does],
        "version": 1,
        "bundle": bytes([1]) * 32,
        "by": strange[does],
    }
    assert receipt["gasUsed"] < MOST_GAS
