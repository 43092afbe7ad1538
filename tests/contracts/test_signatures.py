"""Every function that takes a signature: what counts, and every way in which a signature is refused."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from ape.api import ReceiptAPI, TestAccountAPI
from ape.contracts import ContractInstance
from contracts_world import DAY, HOUR, ZERO, Members, World, domain_of, refused
from eth_account import Account
from eth_utils import to_checksum_address
from signature_cases import FAMILY, LABORATORY, NAMES, WIDE, Case, Cast, Event, cases, digest, preparation

from theriac.consortium import Role
from theriac.health.messages import Freshness, Grant, Narrow, Report, Reseal, Resealing, RevokeEverything
from theriac.health.scope import PURPOSES, Purpose
from theriac.ledger.contracts import abi
from theriac.ledger.typed import Domain, Message

# The order of the group of points on secp256k1 (SEC 2).
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141

# Every row of the table with the place of each of its signatures, for what can be wrong with one of them.
PLACES = [(name, 0) for name in NAMES] + [(name, 1) for name in NAMES if name.startswith("HandOver")]
MEMBERS_OWN = {"Join", "Leave"}
BY_PSEUDONYM = [name for name in NAMES if name not in MEMBERS_OWN]


@dataclass(frozen=True)
class Ready:
    """The world after the preparation: every row of the table counts now, if nothing is wrong with it."""

    world: World
    cast: Cast
    table: dict[str, Case]
    signers: dict[str, TestAccountAPI]

    def contract(self, name: str) -> ContractInstance:
        return self.world.contract(self.table[name].message.CONTRACT)

    def sign(self, name: str, *, message: Message | None = None, domain: Domain | None = None) -> tuple[bytes, ...]:
        """The signatures that the row asks for, over its message or another."""
        signable = (message or self.table[name].message).signable(domain or domain_of(self.contract(name)))
        accounts = (Account.from_key(self.signers[each].private_key) for each in self.table[name].signers)
        return tuple(bytes(account.sign_message(signable).signature) for account in accounts)

    def send(self, name: str, *signatures: bytes, message: Message | None = None) -> ReceiptAPI:
        """Carries the row's message, or another, with these signatures or the right ones."""
        sent = message or self.table[name].message
        signatures = signatures or self.sign(name, message=sent)
        return self.world.send(sent, *signatures, sender=self.sender(name))

    def attempt(self, name: str, *signatures: bytes, message: Message | None = None) -> None:
        """The same as a call, for what is refused."""
        sent = message or self.table[name].message
        signatures = signatures or self.sign(name, message=sent)
        self.world.try_sending(sent, *signatures, sender=self.sender(name))

    def attempt_with(self, name: str, arguments: tuple[Any, ...]) -> None:
        """Calls the row's function with arguments that no message stands for."""
        function = getattr(self.contract(name), self.table[name].message.FUNCTION)
        function.call(*arguments, sender=self.sender(name))

    def sender(self, name: str) -> TestAccountAPI:
        """A member takes on its staff itself; anyone carries the rest."""
        return self.world.people["hospital" if name == "Join" else "relayer"]

    def who(self, name: str, place: int = 0) -> str:
        """Whose signature the contract finds wrong: for a publication always the controller's."""
        if name.startswith("Publish"):
            return self.cast.controller
        return str(getattr(self.cast, self.table[name].signers[place]))


@pytest.fixture(scope="module")
def ready(world: World, people: dict[str, TestAccountAPI], members: Members) -> Ready:
    signers = {
        "controller": people["patient"],
        "publisher": people["publisher"],
        "successor": people["new_phone"],
        "joiner": people["newcomer"],
        "leaver": people["nurse"],
    }
    cast = Cast(
        pseudonym=people["patient"].address,
        reader=people["doctor"].address,
        daughter=people["sibling"].address,
        member=members.hospital,
        now=world.clock.now,
        **{name: account.address for name, account in signers.items()},
    )
    ready = Ready(world, cast, cases(cast), signers)

    for signed in preparation(cast):
        world.send(signed.message, world.sign(signed.message, by=people["patient"]), sender=people["relayer"])
    record = (cast.pseudonym, [digest("record")], 1, cast.midnight(1))
    world.records.anchorMany(*record, sender=people["doctor"])
    return ready


def told(receipt: ReceiptAPI) -> list[Event]:
    """What the contracts told in a transaction."""
    return [Event(event.event_name, dict(event.event_arguments)) for event in receipt.events]


# -- what counts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_signature__counts(ready: Ready, name: str) -> None:
    receipt = ready.send(name)

    assert told(receipt) == list(ready.table[name].events)


def test_signature__every_function_that_takes_one_is_in_the_table(ready: Ready) -> None:
    # given the functions whose last argument is a signature, of every contract
    contracts = ("Carrier", "Consortium", "Grants", "Keys", "Letters", "Records")
    taking = {
        (contract, entry["name"])
        for contract in contracts
        for entry in abi(contract)
        if entry["type"] == "function" and entry["inputs"] and entry["inputs"][-1]["type"].startswith("bytes")
        if entry["inputs"][-1]["name"] in ("signature", "signatures", "acceptance")
    }

    # when
    missing = taking - {(case.message.CONTRACT, case.message.FUNCTION) for case in ready.table.values()}

    # then only the one that takes many of the same
    assert missing == {("Consortium", "joinMany")}


# -- replays ---------------------------------------------------------------------------------------------------------


def refusal_of_replay(name: str, ready: Ready) -> tuple[str, dict[str, Any]]:
    """By which error the same message is refused the second time."""
    cast = ready.cast
    own, new = digest("own record"), digest("record, sealed anew")
    return {
        "Publish": ("WrongVersion", {"version": 2, "current": 2}),
        "Publish by the publisher": ("WrongVersion", {"version": 2, "current": 2}),
        "Rotate": ("WrongNonce", {"nonce": 1, "current": 2}),
        "SetPublisher": ("WrongNonce", {"nonce": 1, "current": 2}),
        "RevokeEverything": ("WrongEra", {"era": 0, "current": 1}),
        "HandOver": ("WrongEra", {"era": 0, "current": 1}),
        "HandOver keeping the grants": ("WrongSignature", {"signer": cast.successor}),
        "Grant": ("WrongNonce", {"nonce": 0, "current": 1}),
        "Narrow": ("WrongNonce", {"nonce": 1, "current": 2}),
        "Revoke": ("WrongNonce", {"nonce": 1, "current": 2}),
        "SetParent": ("WrongNonce", {"nonce": 0, "current": 1}),
        "Report": (
            "AlreadyAnchored",
            {"pseudonym": cast.pseudonym, "author": 0, "digest": digest("diary, Monday")},
        ),
        "Reseal": ("AlreadyAnchored", {"pseudonym": cast.pseudonym, "author": 0, "digest": new}),
        "Amend": ("WrongStatus", {"digest": own, "status": 3, "wanted": 3}),
        "Letter": ("WrongNonce", {"nonce": 0, "current": 1}),
        "Join": ("WrongNonce", {"nonce": 0, "current": 1}),
        "Leave": ("WrongNonce", {"nonce": 1, "current": 2}),
    }[name]


@pytest.mark.parametrize("name", NAMES)
def test_signature__replayed(ready: Ready, name: str) -> None:
    # given
    ready.send(name)

    # when, then
    error, facts = refusal_of_replay(name, ready)
    with refused(getattr(ready.contract(name), error), **facts):
        ready.attempt(name)


def test_signature__to_join__replayed_after_leaving(ready: Ready, consortium: ContractInstance) -> None:
    # given someone who joined and left
    ready.send("Join")
    consortium.leave(sender=ready.signers["joiner"])

    # when, then
    with refused(consortium.WrongNonce, nonce=0, current=2):
        ready.attempt("Join")


def test_signature__to_grant__killed_by_a_revoke(ready: Ready, grants: ContractInstance) -> None:
    # given a grant that is signed and not sent yet
    granting = ready.table["Grant"].message
    assert isinstance(granting, Grant)

    # when it is revoked before it arrives
    grants.revoke(granting.pseudonym, granting.reader, FAMILY.number, sender=ready.signers["controller"])

    # then
    with refused(grants.WrongNonce, nonce=0, current=1):
        ready.attempt("Grant")


def test_signature__of_the_publisher__void_once_another_is_appointed(ready: Ready, keys: ContractInstance) -> None:
    # given
    keys.setPublisher(ready.cast.pseudonym, ready.cast.reader, sender=ready.signers["controller"])

    # when, then
    with refused(keys.WrongSignature, signer=ready.cast.controller):
        ready.attempt("Publish by the publisher")


# -- made for something else -----------------------------------------------------------------------------------------

ELSEWHERE: dict[str, Callable[[Domain, World], Domain]] = {
    "another chain": lambda domain, _: replace(domain, chain_id=domain.chain_id + 1),
    "another contract": lambda domain, world: replace(domain, contract=world.carrier.address),
    "a contract of another name": lambda domain, _: replace(domain, name=f"{domain.name}s"),
    "another version": lambda domain, _: replace(domain, version="2"),
}


@pytest.mark.parametrize("where", ELSEWHERE)
@pytest.mark.parametrize(("name", "place"), PLACES)
def test_signature__for_another_domain(ready: Ready, name: str, place: int, where: str) -> None:
    # given
    right = ready.sign(name)
    elsewhere = ready.sign(name, domain=ELSEWHERE[where](domain_of(ready.contract(name)), ready.world))
    signatures = [*right[:place], elsewhere[place], *right[place + 1 :]]

    # when, then
    with refused(ready.contract(name).WrongSignature, signer=ready.who(name, place)):
        ready.attempt(name, *signatures)


@pytest.mark.parametrize("name", BY_PSEUDONYM)
def test_signature__for_another_kind_of_message(ready: Ready, name: str) -> None:
    # given what the controller signed for another act in the same domain
    other = RevokeEverything(ready.cast.pseudonym, 0, ready.cast.deadline)
    if name == "RevokeEverything":
        other = ready.table["SetPublisher"].message
    signatures = ready.sign(name, message=other)

    # when, then
    with refused(ready.contract(name).WrongSignature, signer=ready.who(name)):
        ready.attempt(name, *signatures)


@pytest.mark.parametrize(("name", "place"), PLACES)
def test_signature__of_a_stranger(ready: Ready, name: str, place: int, stranger: TestAccountAPI) -> None:
    # given
    message = ready.table[name].message
    signatures = list(ready.sign(name))
    signatures[place] = ready.world.sign(message, by=stranger)

    # when, then
    with refused(ready.contract(name).WrongSignature, signer=ready.who(name, place)):
        ready.attempt(name, *signatures)


@pytest.mark.parametrize("name", [name for name in BY_PSEUDONYM if not name.startswith("Publish")])
def test_signature__of_the_publisher_for_what_it_may_not(ready: Ready, name: str) -> None:
    # given
    _, *others = ready.sign(name)
    signature = ready.world.sign(ready.table[name].message, by=ready.signers["publisher"])

    # when, then
    with refused(ready.contract(name).WrongSignature, signer=ready.cast.controller):
        ready.attempt(name, signature, *others)


def test_signature__of_both_hands__in_each_other_s_place(ready: Ready, keys: ContractInstance) -> None:
    # given
    signature, acceptance = ready.sign("HandOver")

    # when, then
    with refused(keys.WrongSignature, signer=ready.cast.controller):
        ready.attempt("HandOver", acceptance, signature)


def test_signature__to_join_one_member__sent_by_another(
    ready: Ready, consortium: ContractInstance, clinic: TestAccountAPI, members: Members
) -> None:
    # given
    (signature,) = ready.sign("Join")
    elsewhere = replace(ready.table["Join"].message, member=members.clinic, roles=Role.CLINICIAN)

    # when, then
    with refused(consortium.WrongSignature, signer=ready.cast.joiner):
        ready.world.try_sending(elsewhere, signature, sender=clinic)


# -- nonce, version, era ---------------------------------------------------------------------------------------------


def with_nonce(message: Message, nonce: int) -> Message | None:
    """The same message with another nonce; None for one that has none."""
    freshness = getattr(message, "freshness", None)
    if freshness is not None:
        return replace(message, freshness=replace(freshness, nonce=nonce))
    return replace(message, nonce=nonce) if hasattr(message, "nonce") else None


def nonce_of(message: Message) -> int:
    return int(message.freshness.nonce if hasattr(message, "freshness") else message.nonce)


def with_freshness(message: Message, **facts: int) -> Message:
    """The same message with another era or deadline."""
    if hasattr(message, "freshness"):
        return replace(message, freshness=replace(message.freshness, **facts))
    return replace(message, **facts)


EMPTY_CAST = Cast(*[ZERO] * 8, member=1, now=30 * DAY)
WITH_NONCE = [name for name, case in cases(EMPTY_CAST).items() if with_nonce(case.message, 0) is not None]


@pytest.mark.parametrize("step", [-1, 1])
@pytest.mark.parametrize("name", WITH_NONCE)
def test_signature__for_another_nonce(ready: Ready, name: str, step: int) -> None:
    # given
    current = nonce_of(ready.table[name].message)
    other = (current + step) % 2**32
    message = with_nonce(ready.table[name].message, other)

    # when, then
    with refused(ready.contract(name).WrongNonce, nonce=other, current=current):
        ready.attempt(name, message=message)


@pytest.mark.parametrize("version", [0, 1, 3, 2**32 - 1])
@pytest.mark.parametrize("name", ["Publish", "Publish by the publisher", "Rotate"])
def test_signature__for_another_version(ready: Ready, keys: ContractInstance, name: str, version: int) -> None:
    message = replace(ready.table[name].message, version=version)

    with refused(keys.WrongVersion, version=version, current=1):
        ready.attempt(name, message=message)


@pytest.mark.parametrize("name", BY_PSEUDONYM)
def test_signature__for_a_later_era(ready: Ready, name: str) -> None:
    message = with_freshness(ready.table[name].message, era=1)

    with refused(ready.contract(name).WrongEra, era=1, current=0):
        ready.attempt(name, message=message)


@pytest.fixture
def raised(ready: Ready, keys: ContractInstance) -> Ready:
    """The same after everything was revoked."""
    keys.raiseEra(ready.cast.pseudonym, sender=ready.signers["controller"])
    return ready


@pytest.mark.parametrize("name", BY_PSEUDONYM)
def test_signature__from_before_everything_was_revoked(raised: Ready, name: str) -> None:
    with refused(raised.contract(name).WrongEra, era=0, current=1):
        raised.attempt(name)


# -- deadlines -------------------------------------------------------------------------------------------------------


def longest(name: str) -> int:
    """How far ahead a deadline may lie."""
    return 7 * DAY if name in MEMBERS_OWN else HOUR


@pytest.mark.parametrize("name", NAMES)
def test_signature__past_its_deadline(ready: Ready, name: str) -> None:
    # given a deadline a second before the time that a call sees
    past = ready.world.clock.now - 1
    message = with_freshness(ready.table[name].message, deadline=past)

    # when, then
    with refused(ready.contract(name).SignatureExpired, deadline=past):
        ready.attempt(name, message=message)


@pytest.mark.parametrize("name", NAMES)
def test_signature__with_a_deadline_too_far_ahead(ready: Ready, name: str) -> None:
    # given
    latest = ready.world.clock.now + longest(name)
    message = with_freshness(ready.table[name].message, deadline=latest + 1)

    # when, then
    with refused(ready.contract(name).DeadlineTooFar, deadline=latest + 1, latest=latest):
        ready.attempt(name, message=message)


@pytest.mark.parametrize("ahead", ["none", "longest"])
@pytest.mark.parametrize("name", NAMES)
def test_signature__at_the_edges_of_its_window(ready: Ready, name: str, ahead: str) -> None:
    # given
    deadline = ready.world.clock.now + (longest(name) if ahead == "longest" else 0)
    message = with_freshness(ready.table[name].message, deadline=deadline)

    # when, then nothing refuses it
    ready.attempt(name, message=message)


# -- malformed -------------------------------------------------------------------------------------------------------


def parts(signature: bytes) -> tuple[bytes, bytes, int]:
    """r, s and v."""
    return signature[:32], signature[32:64], signature[64]


def with_high_s(signature: bytes) -> bytes:
    """The other signature that the same key could have made: s is the order less s, and the parity changes."""
    r, s, v = parts(signature)
    return r + (ORDER - int.from_bytes(s, "big")).to_bytes(32, "big") + bytes([55 - v])


def compact(signature: bytes) -> bytes:
    """The same in the 64 bytes of ERC-2098: the parity stands in the highest bit of s."""
    r, s, v = parts(signature)
    return r + (int.from_bytes(s, "big") | (v - 27) << 255).to_bytes(32, "big")


def flipped(signature: bytes, byte: int) -> bytes:
    changed = bytearray(signature)
    changed[byte] ^= 1
    return bytes(changed)


MALFORMED: dict[str, Callable[[bytes], bytes]] = {
    "high s": with_high_s,
    "64 bytes of ERC-2098": compact,
    "empty": lambda _: b"",
    "66 bytes": lambda signature: signature + b"\x00",
    "v of 0 or 1": lambda signature: signature[:64] + bytes([signature[64] - 27]),
    "the other v": lambda signature: signature[:64] + bytes([55 - signature[64]]),
    "zeros": lambda _: bytes(65),
    "a flipped bit in r": lambda signature: flipped(signature, 31),
    "a flipped bit in s": lambda signature: flipped(signature, 63),
}
RARELY_MALFORMED: dict[str, Callable[[bytes], bytes]] = {
    "one byte": lambda signature: signature[:1],
    "64 bytes, cut": lambda signature: signature[:64],
    "twice": lambda signature: signature * 2,
    "v of 29 or 30": lambda signature: signature[:64] + bytes([signature[64] + 2]),
    "v of EIP-155": lambda signature: signature[:64] + bytes([signature[64] + 10]),
    "a flipped bit in v": lambda signature: flipped(signature, 64),
    "r of zero": lambda signature: bytes(32) + signature[32:],
    "s of zero": lambda signature: signature[:32] + bytes(32) + signature[64:],
    "r of the order": lambda signature: ORDER.to_bytes(32, "big") + signature[32:],
    "ones": lambda _: b"\xff" * 65,
}

# A row for each place in the contracts where a signature is looked at; the other rows come by one of these.
WAYS = [("Publish by the publisher", 0), ("Rotate", 0), ("HandOver", 1), ("Grant", 0), ("Join", 0)]


@pytest.mark.parametrize("fault", MALFORMED)
@pytest.mark.parametrize(("name", "place"), PLACES)
def test_signature__malformed(ready: Ready, name: str, place: int, fault: str) -> None:
    # given
    signatures = list(ready.sign(name))
    signatures[place] = MALFORMED[fault](signatures[place])

    # when, then
    with refused(ready.contract(name).WrongSignature, signer=ready.who(name, place)):
        ready.attempt(name, *signatures)


@pytest.mark.parametrize("fault", RARELY_MALFORMED)
@pytest.mark.parametrize(("name", "place"), WAYS)
def test_signature__malformed_in_rarer_ways(ready: Ready, name: str, place: int, fault: str) -> None:
    # given
    signatures = list(ready.sign(name))
    signatures[place] = RARELY_MALFORMED[fault](signatures[place])

    # when, then
    with refused(ready.contract(name).WrongSignature, signer=ready.who(name, place)):
        ready.attempt(name, *signatures)


def of_account(message: Message, address: str) -> Message:
    """The same message, but of another account, which never joined a member."""
    field = {"Join": "account", "Leave": "account", "Letter": "sender"}.get(message.TYPE, "pseudonym")
    other = replace(message, **{field: address})
    return replace(other, nonce=0) if message.TYPE == "Leave" else other


@pytest.mark.parametrize("signature", [b"", bytes(65)], ids=["empty", "zeros"])
@pytest.mark.parametrize("name", NAMES)
def test_signature__of_nobody(ready: Ready, name: str, signature: bytes) -> None:
    # given a message of the zero address, and a signature from which nothing is recovered
    message = of_account(ready.table[name].message, ZERO)
    signatures = [signature] * len(ready.table[name].signers)

    # when, then
    with refused(ready.contract(name).WrongSignature, signer=ZERO):
        ready.attempt(name, *signatures, message=message)


@pytest.mark.parametrize("number", [1, 2, 4], ids=["recovery", "sha256", "identity"])
@pytest.mark.parametrize(("name", "place"), [way for way in WAYS if way[1] == 0])
def test_signature__of_a_precompiled_contract(ready: Ready, name: str, place: int, number: int) -> None:
    # given an account that answers every call without having code
    precompiled = f"0x{number:040x}"
    message = of_account(ready.table[name].message, precompiled)

    # when, then
    with refused(ready.contract(name).WrongSignature, signer=precompiled):
        ready.attempt(name, bytes(65), message=message)


# -- a flipped bit in what was signed --------------------------------------------------------------------------------

Path = tuple[int, ...]


def leaves(declared: Any, value: Any, path: Path, words: str) -> Iterator[tuple[Path, str]]:
    """Every single value in the arguments of a function, with its place and its name."""
    kind = declared["type"]
    if kind.endswith("[]"):
        for index, each in enumerate(value):
            yield from leaves({**declared, "type": kind[:-2]}, each, (*path, index), f"{words}[{index}]")
    elif kind == "tuple":
        for index, part in enumerate(declared["components"]):
            yield from leaves(part, value[index], (*path, index), f"{words}.{part['name']}")
    else:
        yield path, words


def fields_of(case: Case) -> list[tuple[Path, str]]:
    """Every value in the call that carries a message, but for the signatures."""
    (declared,) = (entry for entry in abi(case.message.CONTRACT) if entry.get("name") == case.message.FUNCTION)
    arguments = case.message.arguments(*[b""] * len(case.signers))
    told = list(zip(declared["inputs"], arguments, strict=True))[: -len(case.signers)]
    return [leaf for index, (part, value) in enumerate(told) for leaf in leaves(part, value, (index,), part["name"])]


def value_at(value: Any, path: Path) -> Any:
    for index in path:
        value = value[index]
    return value


def with_flip(value: Any, path: Path) -> Any:
    """The same arguments with the lowest bit of one value flipped."""
    if path:
        head, *rest = path
        changed = [with_flip(each, tuple(rest)) if index == head else each for index, each in enumerate(value)]
        return tuple(changed) if isinstance(value, tuple) else changed
    match value:
        case bool():
            return not value
        case int():
            return value ^ 1
        case bytes():
            return flipped(value, len(value) - 1)
        case str():
            return to_checksum_address((int(value, 16) ^ 1).to_bytes(20, "big"))
    raise AssertionError(f"no bit to flip in {value!r}")


FIELDS = [
    pytest.param(name, path, words, id=f"{name}-{words}")
    for name, case in cases(EMPTY_CAST).items()
    for path, words in fields_of(case)
]


def refusal_of_flip(name: str, words: str, flip: Any, ready: Ready) -> tuple[str, dict[str, Any]]:
    """By which error the message is refused whose field of these words was changed."""
    field = words.rpartition(".")[2]
    if (name, field) == ("Leave", "account"):
        return "WrongNonce", {"nonce": 1, "current": 0}
    if field in ("pseudonym", "from", "account"):
        return "WrongSignature", {"signer": flip}
    if field == "era":
        return "WrongEra", {"era": flip, "current": 0}
    if name in MEMBERS_OWN and field == "nonce":
        return "WrongNonce", {"nonce": flip, "current": flip ^ 1}
    if (name, field) == ("Join", "member"):
        return "NotTheMember", {"sender": ready.sender(name).address, "member": 0, "account": ZERO}
    if (name, field) == ("Narrow", "start"):
        return "NotAFullHour", {"time": 1}
    if (name, field) == ("Narrow", "by"):
        return "WrongParent", {"by": 1, "expiry": ready.cast.midnight(10)}
    return "WrongSignature", {"signer": ready.who(name)}


@pytest.mark.parametrize(("name", "path", "words"), FIELDS)
def test_signature__with_a_flipped_bit_in_a_field(ready: Ready, name: str, path: Path, words: str) -> None:
    # given
    arguments = with_flip(ready.table[name].message.arguments(*ready.sign(name)), path)

    # when, then
    error, facts = refusal_of_flip(name, words, value_at(arguments, path), ready)
    with refused(getattr(ready.contract(name), error), **facts):
        ready.attempt_with(name, arguments)


LISTS: dict[str, Callable[[list[Any]], list[Any]]] = {
    "shorter": lambda each: each[:-1],
    "empty": lambda each: [],
    "longer": lambda each: [*each, each[0]],
    "turned round": lambda each: each[::-1],
}


@pytest.mark.parametrize("change", LISTS)
def test_signature__to_report__for_another_list(ready: Ready, records: ContractInstance, change: str) -> None:
    # given
    reported = ready.table["Report"].message
    assert isinstance(reported, Report)
    other = replace(reported, digests=LISTS[change](list(reported.digests)))

    # when, then
    with refused(records.WrongSignature, signer=ready.cast.controller):
        ready.attempt("Report", *ready.sign("Report"), message=other)


@pytest.mark.parametrize("change", LISTS)
def test_signature__to_reseal__for_another_list(ready: Ready, records: ContractInstance, change: str) -> None:
    # given two records in one message
    resealed = ready.table["Reseal"].message
    assert isinstance(resealed, Reseal)
    second = Resealing(0, digest("own record"), digest("own record, sealed anew"))
    signed = replace(resealed, records=[*resealed.records, second])
    other = replace(resealed, records=LISTS[change](list(signed.records)))

    # when, then
    with refused(records.WrongSignature, signer=ready.cast.controller):
        ready.attempt("Reseal", *ready.sign("Reseal", message=signed), message=other)


# -- what no word stands for -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("bit", [17, 59, 63])
@pytest.mark.parametrize("name", ["Grant", "Narrow"])
def test_signature__with_classes_added_that_no_word_shows(
    ready: Ready, grants: ContractInstance, name: str, bit: int
) -> None:
    # given a scope with a bit more, whose words are those that were signed
    message = ready.table[name].message
    assert isinstance(message, Grant | Narrow)
    scope = message.scope | 1 << bit
    terms, *rest = message.arguments(*ready.sign(name))
    place = terms.index(message.scope)
    arguments = ((*terms[:place], scope, *terms[place + 1 :]), *rest)

    # when, then
    known = 2**17 - 1 | 1 << 60 | 1 << 61 | 1 << 62
    with refused(grants.WrongScope, scope=scope, known=known):
        ready.attempt_with(name, arguments)


@pytest.mark.parametrize("bit", [12, 31])
def test_signature__with_roles_added_that_no_word_shows(ready: Ready, consortium: ContractInstance, bit: int) -> None:
    # given
    (account, member, roles, nonce, deadline), signature = ready.table["Join"].message.arguments(*ready.sign("Join"))
    more = roles | 1 << bit

    # when, then
    licence = Role.CLINICIAN | Role.PRESCRIBER | Role.LABORATORY | Role.DEVICE | Role.GATEWAY
    with refused(consortium.WrongRoles, roles=more, possible=int(licence)):
        ready.attempt_with("Join", ((account, member, more, nonce, deadline), signature))


@pytest.mark.parametrize("number", [0, 13, 255])
def test_signature__for_a_purpose_that_does_not_exist(ready: Ready, grants: ContractInstance, number: int) -> None:
    # given what a wallet would show as the last of the purposes, which the contract falls back to
    shown = replace(PURPOSES[-1], number=number)
    fresh = Freshness(0, 0, ready.cast.deadline)
    grant = Grant(ready.cast.pseudonym, ready.cast.daughter, shown, WIDE, 0, ready.cast.midnight(9), fresh)

    # when, then
    with refused(grants.NoSuchPurpose, purpose=number):
        ready.attempt("Grant", message=grant)


@pytest.mark.parametrize("purpose", PURPOSES, ids=lambda purpose: purpose.code)
def test_signature__shows_every_purpose_by_its_word(ready: Ready, grants: ContractInstance, purpose: Purpose) -> None:
    # given
    fresh = Freshness(0, 0, ready.cast.deadline)
    grant = Grant(ready.cast.pseudonym, ready.cast.joiner, purpose, LABORATORY, 0, ready.cast.midnight(9), fresh)

    # when
    ready.send("Grant", message=grant)

    # then
    assert grants.grantOf(ready.cast.pseudonym, ready.cast.joiner, purpose.number).scope == LABORATORY


@pytest.mark.parametrize("bit", [*range(17), 60, 61, 62])
def test_signature__shows_every_class_by_its_word(ready: Ready, grants: ContractInstance, bit: int) -> None:
    # given
    fresh = Freshness(0, 0, ready.cast.deadline)
    grant = Grant(ready.cast.pseudonym, ready.cast.joiner, FAMILY, 1 << bit, 0, ready.cast.midnight(9), fresh)

    # when
    ready.send("Grant", message=grant)

    # then
    assert grants.grantOf(ready.cast.pseudonym, ready.cast.joiner, FAMILY.number).scope == 1 << bit
