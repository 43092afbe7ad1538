"""Every function that takes a signature: what counts, and every way in which a signature is refused."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from eth_utils import to_checksum_address
from real_anvil import RELAYER, encoded, person
from signature_cases import BOTH_LINES, FAMILY, NAMES, NEXT_PALLET, PALLET, cases, of_account
from signature_cast import NOBODY, ZERO, Accompanied, Case, Cast, digest
from signature_cover import claim, episode, plan
from signature_delegated import of_delegate
from signature_recovery import RECOVERY, error_of_account, error_of_flip, error_of_replay
from signature_stage import (
    CLINIC,
    CLINIC_NUMBER,
    HOSPITAL,
    HOSPITAL_NUMBER,
    INSURER_NUMBER,
    LICENCE,
    MAKER_NUMBER,
    PHARMACIST,
    PHARMACY,
    PHARMACY_NUMBER,
    STRANGER,
    WHOLESALER_NUMBER,
    Refusal,
    Stage,
    open_stage,
    wrong_signature,
)

from theriac.consortium import Role
from theriac.cover.messages import Agreement, Claim
from theriac.health.messages import CORRECT, DISOWN, SANCTIONED, SUPERSEDE, Resealing
from theriac.health.scope import PURPOSES, Purpose
from theriac.ledger.contracts import abi
from theriac.ledger.typed import Domain, Message
from theriac.medicine.messages import Cancel, Take, Terms
from tools.contracts import PUBLISHED

HOUR, DAY = 3600, 24 * 3600

# Where claims, appeals, episodes and refutations stand, as the chain numbers it.
DECIDED, OPEN, REJECTED, SETTLED = 2, 1, 3, 3

# What a pharmacy lets a contract do that takes and fills for it.
FILL_FOR = 2

# The order of the group of points on secp256k1 (SEC 2).
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141

# Every row of the table with the place of each of its signatures, for what can be wrong with one of them.
PLACES = [(name, place) for name, case in cases(NOBODY).items() for place in range(len(case.signers))]
BEARERS_OWN = {"Take", "Cancel"}
WITHOUT_PSEUDONYM = {"Join", "Leave", "Handoff", "Readings", "Prescribe", "Ruling", "Outcome", *RECOVERY} | BEARERS_OWN
WITH_DEADLINE = [name for name in NAMES if name != "Readings"]
# How far ahead a claim's deadline may lie is for the patient to say.
WITH_WINDOW = [name for name in WITH_DEADLINE if not name.startswith("Claim")]
BY_PSEUDONYM = [name for name in NAMES if name not in WITHOUT_PSEUDONYM]
DELEGATED = {name for name in NAMES if name.endswith("by a delegate")}
STILL_THE_FORMER_S = [name for name in BY_PSEUDONYM if name not in {"Publish by the publisher", *DELEGATED}]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """The table, ready, for tests that send nothing."""
    with open_stage() as stage:
        yield stage


@pytest.fixture
def acting(stage: Stage) -> Iterator[Stage]:
    """The same for tests that send; what they did is undone after them."""
    with stage.chain.undone():
        yield stage


# -- what counts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_signature__counts(acting: Stage, name: str) -> None:
    told = acting.send(name)

    assert told == list(acting.table[name].events)


def test_signature__every_function_that_takes_one_is_in_the_table(stage: Stage) -> None:
    # given the functions of every contract that take a signature, which some name after who signed
    names = {"signature", "signatures", "acceptance", "underwriting", "provider", "patient"}
    taking = {
        (contract, entry["name"])
        for contract in PUBLISHED
        for entry in abi(contract)
        if entry["type"] == "function"
        if any(part["name"] in names and part["type"] in ("bytes", "bytes[]") for part in entry["inputs"])
    }

    # when
    missing = taking - {(case.message.CONTRACT, case.message.FUNCTION) for case in stage.table.values()}

    # then there are only the one that takes many of the same, the one by which a contract brings the same, and the one
    # by which the patient brings herself what the insurer signed
    assert missing == {("Consortium", "joinMany"), ("Prescriptions", "takeFor"), ("Policies", "enrol")}


def test_signature__to_join__counts_among_many(acting: Stage) -> None:
    # given
    case, consortium = acting.table["Join"], acting.contracts.consortium
    terms, signature = case.message.arguments(*acting.signatures("Join"))

    # when
    receipt = acting.chain.send(HOSPITAL, consortium.functions.joinMany([terms], [signature]))

    # then
    assert acting.told(receipt) == list(case.events)


def test_signature__to_join__wrong_among_many__refuses_all(stage: Stage) -> None:
    # given a right one and one that a stranger signed
    right = stage.table["Join"].message
    wrong = replace(right, account=person("another newcomer").address)
    signatures = [*stage.signatures("Join"), *stage.sign(wrong, STRANGER)]
    many = stage.contracts.consortium.functions.joinMany([right.terms(), wrong.terms()], signatures)

    # when
    refusal = stage.refusal_of_call(many, sender=HOSPITAL)

    # then
    assert refusal == wrong_signature(wrong.account)


def test_signature__to_take__counts_through_a_contract(acting: Stage) -> None:
    # given a contract that may fill for the pharmacy
    case, contracts = acting.table["Take"], acting.contracts
    permission = contracts.consortium.functions.setOperator(contracts.carrier.address, FILL_FOR)
    acting.chain.send(PHARMACY, permission)

    # when
    arguments = case.message.arguments(*acting.signatures("Take"))
    brought = contracts.prescriptions.functions.takeFor(PHARMACIST.address, *arguments)
    call = contracts.carrier.functions.carry([(brought.address, encoded(brought))])
    receipt = acting.chain.send(RELAYER, call)

    # then
    assert acting.told(receipt) == list(case.events)


def test_signature__of_the_underwriter__counts_where_the_patient_sends(acting: Stage) -> None:
    # given
    case, signers = acting.table["Enrol"], acting.signers
    underwriting, _ = acting.signatures("Enrol")
    terms, *_ = case.message.arguments()

    # when
    enrol = acting.contracts.policies.functions.enrol(terms, underwriting)
    receipt = acting.chain.send(signers["controller"], enrol)

    # then
    assert acting.told(receipt) == list(case.events)


@pytest.mark.parametrize("signer", ["a stranger", "the patient", "another domain", "nobody"])
def test_signature__of_the_underwriter__wrong_where_the_patient_sends(stage: Stage, signer: str) -> None:
    # given
    message, elsewhere = stage.table["Enrol"].message, ELSEWHERE["another contract"](stage.domains["Policies"])
    underwriting = {
        "a stranger": stage.sign(message, STRANGER),
        "the patient": stage.sign(message, stage.signers["controller"]),
        "another domain": stage.sign(message, stage.signers["underwriter"], domain=elsewhere),
        "nobody": (b"",),
    }[signer]
    terms, *_ = message.arguments()

    # when
    enrol = stage.contracts.policies.functions.enrol(terms, *underwriting)
    refusal = stage.refusal_of_call(enrol, sender=stage.signers["controller"])

    # then
    assert refusal == wrong_signature(stage.cast.underwriter)


def test_signature__of_the_underwriter__brought_by_another_than_the_patient(stage: Stage) -> None:
    # given
    underwriting, _ = stage.signatures("Enrol")
    terms, *_ = stage.table["Enrol"].message.arguments()

    # when
    refusal = stage.refusal_of_call(stage.contracts.policies.functions.enrol(terms, underwriting), sender=STRANGER)

    # then
    facts = {"sender": STRANGER.address, "controller": stage.cast.controller}
    assert refusal == Refusal("NotTheController", facts)


def test_signature__to_enrol__in_each_other_s_place(stage: Stage) -> None:
    # given
    underwriting, signature = stage.signatures("Enrol")

    # when
    refusal = stage.refusal("Enrol", signature, underwriting)

    # then
    assert refusal == wrong_signature(stage.cast.controller)


def test_signature__to_an_agreement__in_each_other_s_place(stage: Stage) -> None:
    # given
    provider, patient = stage.signatures("Agreement")

    # when
    refusal = stage.refusal("Agreement", patient, provider)

    # then
    assert refusal == wrong_signature(stage.cast.therapist)


def test_signature__to_a_claim__counts_where_the_consent_was_sent(acting: Stage) -> None:
    # given
    made = acting.table["Claim"].message
    consent = acting.contracts.claims.functions.consent(made.terms())
    acting.chain.send(acting.signers["controller"], consent)

    # when
    told = acting.send("Claim", b"")

    # then
    assert told == list(acting.table["Claim"].events)


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("Claim")])
def test_signature__to_a_claim__for_another_claim(stage: Stage, name: str) -> None:
    # given consent to the same claim with another salt
    message = stage.table[name].message
    signatures = stage.signatures(name, message=replace(message, salt=digest("another salt")))

    # when
    refusal = stage.refusal(name, *signatures)

    # then
    assert refusal == stage.wrong(name)


def test_signature__to_a_claim__sent_by_another_provider(stage: Stage) -> None:
    # given
    message = stage.table["Claim"].message

    # when
    refusal = stage.refusal_of(message, *message.arguments(*stage.signatures("Claim")), sender=CLINIC)

    # then
    assert refusal == Refusal("NotTheProvider", {"member": CLINIC_NUMBER, "provider": HOSPITAL_NUMBER})


# -- replays ---------------------------------------------------------------------------------------------------------


def refusal_of_replay(name: str, cast: Cast) -> Refusal:
    """By which error the same message is refused the second time."""
    own, new, diary = digest("own record"), digest("record, sealed anew"), digest("diary, Monday")
    of_patient = {"pseudonym": cast.pseudonym, "author": 0}
    ended = {"plan": plan(cast, "ending cover"), "pseudonym": cast.pseudonym}
    row = {each: case.message for each, case in cases(cast).items()}
    made = {each: message.id for each, message in row.items() if isinstance(message, Claim)}
    appealed, refuted = claim(cast, "appealed").id, claim(cast, "refuted").id
    return {
        "Publish": Refusal("WrongVersion", {"version": 2, "current": 2}),
        "Publish by the publisher": Refusal("WrongVersion", {"version": 2, "current": 2}),
        "Rotate": Refusal("WrongNonce", {"nonce": 1, "current": 2}),
        "SetPublisher": Refusal("WrongNonce", {"nonce": 1, "current": 2}),
        "RevokeEverything": Refusal("WrongEra", {"era": 0, "current": 1}),
        "HandOver": Refusal("WrongEra", {"era": 0, "current": 1}),
        "HandOver keeping the grants": wrong_signature(cast.successor),
        "Grant": Refusal("WrongNonce", {"nonce": 0, "current": 1}),
        "Narrow": Refusal("WrongNonce", {"nonce": 1, "current": 2}),
        "Revoke": Refusal("WrongNonce", {"nonce": 1, "current": 2}),
        "SetParent": Refusal("WrongNonce", {"nonce": 0, "current": 1}),
        "Appoint": Refusal("WrongNonce", {"nonce": 0, "current": 1}),
        "Grant by a delegate": Refusal("WrongNonce", {"nonce": 0, "current": 1}),
        "Narrow by a delegate": Refusal("WrongNonce", {"nonce": 1, "current": 2}),
        # What is ended stands under nobody's number, so nobody signs for it.
        "Revoke by a delegate": wrong_signature(ZERO),
        "Report": Refusal("AlreadyAnchored", {**of_patient, "digest": diary}),
        "Reseal": Refusal("AlreadyAnchored", {**of_patient, "digest": new}),
        "Amend": Refusal("WrongStatus", {"digest": own, "status": CORRECT, "wanted": CORRECT}),
        "Letter": Refusal("WrongNonce", {"nonce": 0, "current": 1}),
        "Review": Refusal("WrongStatus", {"number": cast.emergency, "status": SANCTIONED}),
        "Join": Refusal("WrongNonce", {"nonce": 0, "current": 1}),
        "Leave": Refusal("WrongNonce", {"nonce": 1, "current": 2}),
        "Handoff": Refusal(
            "NotTheHolder",
            {"batch": cast.batch, "node": PALLET, "member": MAKER_NUMBER, "holder": WHOLESALER_NUMBER},
        ),
        "Readings": Refusal(
            "AlreadyReported", {"root": digest("root of readings"), "batch": cast.batch, "node": NEXT_PALLET}
        ),
        "Prescribe": Refusal("AlreadyPrescribed", {"prescription": cast.prescribing("new").terms.id}),
        "Take": Refusal("WrongNonce", {"nonce": 0, "current": 1}),
        "Cancel": Refusal("WrongLines", {"lines": BOTH_LINES, "cancelled": BOTH_LINES}),
        "Enrol": Refusal("AlreadyEnrolled", {"plan": plan(cast, "new cover"), "pseudonym": cast.pseudonym}),
        "EndPolicy": Refusal("NothingDue", ended),
        **{each: Refusal("WrongStatus", {"claim": id_, "status": DECIDED}) for each, id_ in made.items()},
        "Appeal": Refusal("WrongStatus", {"claim": appealed, "status": OPEN}),
        "Ruling": Refusal("WrongRefutation", {"claim": refuted, "status": REJECTED}),
        "Agreement": Refusal("WrongStatus", {"episode": episode(row["Agreement"]), "status": OPEN}),
        "Outcome": Refusal("WrongStatus", {"episode": row["Outcome"].episode, "status": SETTLED}),
        **{each: Refusal(*error) for each, error in error_of_replay(cast).items()},
    }[name]


# property H11
@pytest.mark.parametrize("name", NAMES)
def test_signature__replayed(acting: Stage, name: str) -> None:
    # given
    acting.send(name)

    # when
    refusal = acting.refusal(name)

    # then
    assert refusal == refusal_of_replay(name, acting.cast)


def test_signature__to_join__replayed_after_leaving(acting: Stage) -> None:
    # given someone who joined and left
    acting.send("Join")
    acting.chain.send(acting.signers["joiner"], acting.contracts.consortium.functions.leave())

    # when
    refusal = acting.refusal("Join")

    # then
    assert refusal == Refusal("WrongNonce", {"nonce": 0, "current": 2})


def test_signature__to_grant__killed_by_a_revoke(acting: Stage) -> None:
    # given a grant that is signed and not sent yet
    granting = acting.table["Grant"].message

    # when it is revoked before it arrives
    revoke = acting.contracts.grants.functions.revoke(granting.pseudonym, granting.reader, FAMILY.number)
    acting.chain.send(acting.signers["controller"], revoke)

    # then
    assert acting.refusal("Grant") == Refusal("WrongNonce", {"nonce": 0, "current": 1})


def test_signature__of_the_publisher__void_once_another_is_appointed(acting: Stage) -> None:
    # given
    acting.send("SetPublisher")

    # when
    refusal = acting.refusal("Publish by the publisher")

    # then
    assert refusal == wrong_signature(acting.cast.controller)


def test_signature__of_the_publisher__void_once_everything_is_revoked(acting: Stage) -> None:
    # given
    acting.send("RevokeEverything")

    # when the publisher signs in the new era
    publication = replace(acting.table["Publish by the publisher"].message, era=1)
    refusal = acting.refusal("Publish by the publisher", message=publication)

    # then
    assert refusal == wrong_signature(acting.cast.controller)


@pytest.mark.parametrize("name", STILL_THE_FORMER_S)
def test_signature__of_who_handed_over(acting: Stage, name: str) -> None:
    # given a pseudonym that another wallet controls now; its grants live on, and so does its era
    acting.send("HandOver keeping the grants")

    # when the wallet of before signs
    refusal = acting.refusal(name)

    # then
    assert refusal == wrong_signature(acting.cast.successor, to=acting.table[name].message)


# -- made for something else -----------------------------------------------------------------------------------------

ELSEWHERE: dict[str, Callable[[Domain], Domain]] = {
    "another chain": lambda domain: replace(domain, chain_id=domain.chain_id + 1),
    "another contract": lambda domain: replace(domain, contract=STRANGER.address),
    "a contract of another name": lambda domain: replace(domain, name=f"{domain.name}s"),
    "another version": lambda domain: replace(domain, version="2"),
}


# property H11
@pytest.mark.parametrize("where", ELSEWHERE)
@pytest.mark.parametrize(("name", "place"), PLACES)
def test_signature__for_another_domain(stage: Stage, name: str, place: int, where: str) -> None:
    # given
    domain = stage.domains[stage.table[name].message.CONTRACT]
    signatures = list(stage.signatures(name))
    signatures[place] = stage.signatures(name, domain=ELSEWHERE[where](domain))[place]

    # when
    refusal = stage.refusal(name, *signatures)

    # then
    assert refusal == stage.wrong(name, place)


@pytest.mark.parametrize("name", BY_PSEUDONYM)
def test_signature__for_another_kind_of_message(stage: Stage, name: str) -> None:
    # given what the same keys signed for another act in the same domain
    other = stage.table["SetPublisher" if name == "RevokeEverything" else "RevokeEverything"].message
    signatures = stage.signatures(name, message=other, domain=stage.domains[stage.table[name].message.CONTRACT])

    # when
    refusal = stage.refusal(name, *signatures)

    # then
    assert refusal == stage.wrong(name)


def sibling_of(message: Message) -> Message:
    """What the same bearer signs about the same lines of the same prescription to take them, or to cancel them."""
    match message:
        case Take(terms, lines, _, _, nonce, deadline):
            return Cancel(terms, lines, nonce, deadline)
        case Cancel(terms, lines, nonce, deadline):
            return Take(terms, lines, 0, PHARMACY_NUMBER, nonce, deadline)
    raise AssertionError(f"{message.TYPE} is no word of a bearer")


@pytest.mark.parametrize("name", sorted(BEARERS_OWN))
def test_signature__of_the_bearer__for_the_other_word(stage: Stage, name: str) -> None:
    # given
    signatures = stage.signatures(name, message=sibling_of(stage.table[name].message))

    # when
    refusal = stage.refusal(name, *signatures)

    # then
    assert refusal == wrong_signature(stage.cast.bearer)


@pytest.mark.parametrize("name", sorted(BEARERS_OWN))
def test_signature__of_the_bearer__for_another_prescription(stage: Stage, name: str) -> None:
    # given the same word about the other prescription of this bearer
    (terms,) = {stage.table[each].message.terms for each in BEARERS_OWN} - {stage.table[name].message.terms}
    signatures = stage.signatures(name, message=replace(stage.table[name].message, terms=terms))

    # when
    refusal = stage.refusal(name, *signatures)

    # then
    assert refusal == wrong_signature(stage.cast.bearer)


def test_signature__to_take__for_another_pharmacy(stage: Stage) -> None:
    # given what names the clinic
    other = replace(stage.table["Take"].message, to=CLINIC_NUMBER)

    # when the pharmacist brings it
    refusal = stage.refusal("Take", *stage.signatures("Take", message=other))

    # then
    assert refusal == wrong_signature(stage.cast.bearer)


# property K2
@pytest.mark.parametrize(("name", "place"), PLACES)
def test_signature__of_a_stranger(stage: Stage, name: str, place: int) -> None:
    # given
    signatures = list(stage.signatures(name))
    (signatures[place],) = stage.sign(stage.table[name].message, STRANGER)

    # when
    refusal = stage.refusal(name, *signatures)

    # then
    assert refusal == stage.wrong(name, place)


# property K2
@pytest.mark.parametrize(
    "name", [name for name in BY_PSEUDONYM if not name.startswith("Publish") and name not in DELEGATED]
)
def test_signature__of_the_publisher_for_what_it_may_not(stage: Stage, name: str) -> None:
    # given
    signatures, place = list(stage.signatures(name)), stage.table[name].signers.index("controller")
    (signatures[place],) = stage.sign(stage.table[name].message, stage.signers["publisher"])

    # when
    refusal = stage.refusal(name, *signatures)

    # then
    assert refusal == stage.wrong(name, place)


# property K4
def test_signature__to_hand_over__in_each_other_s_place(stage: Stage) -> None:
    # given
    signature, acceptance = stage.signatures("HandOver")

    # when
    refusal = stage.refusal("HandOver", acceptance, signature)

    # then
    assert refusal == wrong_signature(stage.cast.controller)


def test_signature__to_join_one_member__sent_by_another(stage: Stage) -> None:
    # given
    offered = stage.table["Join"].message
    elsewhere = replace(offered, member=CLINIC_NUMBER, roles=Role.CLINICIAN)

    # when the other member sends it as an offer to itself
    refusal = stage.refusal_of(elsewhere, *elsewhere.arguments(*stage.signatures("Join")), sender=CLINIC)

    # then
    assert refusal == wrong_signature(stage.cast.joiner)


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


WITH_NONCE = [name for name, case in cases(NOBODY).items() if with_nonce(case.message, 0) is not None]


@pytest.mark.parametrize("step", [-1, 1])
@pytest.mark.parametrize("name", WITH_NONCE)
def test_signature__for_another_nonce(stage: Stage, name: str, step: int) -> None:
    # given
    current = nonce_of(stage.table[name].message)
    other = (current + step) % 2**32

    # when
    refusal = stage.refusal(name, message=with_nonce(stage.table[name].message, other))

    # then
    assert refusal == Refusal("WrongNonce", {"nonce": other, "current": current})


@pytest.mark.parametrize("version", [0, 1, 3, 2**32 - 1])
@pytest.mark.parametrize("name", ["Publish", "Publish by the publisher", "Rotate"])
def test_signature__for_another_version(stage: Stage, name: str, version: int) -> None:
    refusal = stage.refusal(name, message=replace(stage.table[name].message, version=version))

    assert refusal == Refusal("WrongVersion", {"version": version, "current": 1})


@pytest.mark.parametrize("name", BY_PSEUDONYM)
def test_signature__for_a_later_era(stage: Stage, name: str) -> None:
    refusal = stage.refusal(name, message=with_freshness(stage.table[name].message, era=1))

    assert refusal == Refusal("WrongEra", {"era": 1, "current": 0})


# property H11
@pytest.mark.parametrize("name", BY_PSEUDONYM)
def test_signature__from_before_everything_was_revoked(acting: Stage, name: str) -> None:
    # given
    acting.send("RevokeEverything")

    # when
    refusal = acting.refusal(name)

    # then
    assert refusal == Refusal("WrongEra", {"era": 0, "current": 1})


# -- deadlines -------------------------------------------------------------------------------------------------------


def longest(name: str) -> int:
    """How far ahead a deadline may lie."""
    week, month = 7 * DAY, 31 * DAY
    of_staff = {"Join": week, "Leave": week, "Handoff": 30 * DAY, "Ruling": week, "Outcome": week}
    of_guardians = {each: week for each in RECOVERY if each != "Object"}
    return (of_staff | of_guardians | {"Enrol": month, "Agreement": month}).get(name, HOUR)


# property H11
@pytest.mark.parametrize("name", WITH_DEADLINE)
def test_signature__past_its_deadline(stage: Stage, name: str) -> None:
    # given a deadline a second before the time that a call sees
    past = stage.chain.now() - 1

    # when
    refusal = stage.refusal(name, message=with_freshness(stage.table[name].message, deadline=past))

    # then
    error = "ConsentExpired" if name.startswith("Claim") else "SignatureExpired"
    assert refusal == Refusal(error, {"deadline": past})


# property H11
@pytest.mark.parametrize("name", WITH_WINDOW)
def test_signature__with_a_deadline_too_far_ahead(stage: Stage, name: str) -> None:
    # given
    latest = stage.chain.now() + longest(name)

    # when
    refusal = stage.refusal(name, message=with_freshness(stage.table[name].message, deadline=latest + 1))

    # then
    assert refusal == Refusal("DeadlineTooFar", {"deadline": latest + 1, "latest": latest})


@pytest.mark.parametrize("edge", ["first", "last"])
@pytest.mark.parametrize("name", WITH_DEADLINE)
def test_signature__at_the_edges_of_its_window(stage: Stage, name: str, edge: str) -> None:
    # given a deadline as far ahead as it may lie, or that ends with this very second
    deadline = stage.chain.now() + (longest(name) if edge == "first" else 0)

    # when
    refusal = stage.refusal(name, message=with_freshness(stage.table[name].message, deadline=deadline))

    # then
    assert refusal is None


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


@pytest.mark.parametrize("fault", MALFORMED)
@pytest.mark.parametrize(("name", "place"), PLACES)
def test_signature__malformed(stage: Stage, name: str, place: int, fault: str) -> None:
    # given
    signatures = list(stage.signatures(name))
    signatures[place] = MALFORMED[fault](signatures[place])

    # when
    refusal = stage.refusal(name, *signatures)

    # then
    assert refusal == stage.wrong(name, place)


@pytest.mark.parametrize("signature", [b"", bytes(65)], ids=["empty", "zeros"])
@pytest.mark.parametrize("number", [0, 1, 4], ids=["nobody", "recovery", "identity"])
@pytest.mark.parametrize("name", NAMES)
def test_signature__of_an_account_that_nobody_holds(acting: Stage, name: str, number: int, signature: bytes) -> None:
    # given the zero address, which a wrong signature recovers to, or a precompiled contract, which has no code and
    # answers every call
    address = to_checksum_address(f"0x{number:040x}")
    message = of_account(acting.table[name].message, address)
    signatures = [signature] * len(acting.table[name].signers)
    if name in BEARERS_OWN and number:
        acting.prescribe_for(address)

    # when
    refusal = acting.refusal(name, *signatures, message=message)

    # then
    assert refusal == refusal_of_nobody(message, address)


def refusal_of_nobody(message: Message, address: str) -> Refusal:
    """Nothing can be prescribed for the zero address, so that a word of its is about nothing; and nobody asks for the
    signature of a provider that belongs to no member.
    """
    if isinstance(message, Take | Cancel) and address == ZERO:
        return no_such(message.terms)
    if isinstance(message, Agreement):
        return Refusal("NoStanding", {"account": address})
    if error := error_of_account(message, address):
        return Refusal(*error)
    if of_delegate(message):
        return wrong_signature(ZERO)
    return wrong_signature(address, to=message)


def no_such(terms: Terms) -> Refusal:
    return Refusal("NoSuchPrescription", {"prescription": terms.id})


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
    """Every value in the call that carries a message, but for the signatures and for what is shown beside it."""
    (declared,) = (entry for entry in abi(case.message.CONTRACT) if entry.get("name") == case.message.FUNCTION)
    arguments = case.message.arguments(*[b""] * len(case.signers))
    told = list(zip(declared["inputs"], arguments, strict=True))[: -len(case.signers)]
    return [
        leaf
        for index, (part, value) in enumerate(told)
        if not isinstance(case.message, Accompanied) or part["name"] == case.message.SIGNED
        for leaf in leaves(part, value, (index,), part["name"])
    ]


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
    for name, case in cases(NOBODY).items()
    for path, words in fields_of(case)
]


def refusal_of_flip(name: str, words: str, arguments: tuple[Any, ...], flip: Any, stage: Stage) -> Refusal:
    """By which error the message is refused whose field of these words was changed."""
    field = words.rpartition(".")[2]
    if name in RECOVERY:
        error = error_of_flip(name, words, arguments, flip, stage.cast)
        return Refusal(*error) if error else stage.wrong(name)
    if name in DELEGATED:
        return refusal_of_flip_by_delegate(name, field, flip, stage)
    if name in COVER:
        return refusal_of_flip_in_cover(name, field, arguments, flip, stage)
    if name in BEARERS_OWN and words.startswith("terms.terms."):
        return no_such(Terms(*arguments[0][0]))
    if (name, field) == ("Take", "from"):
        return wrong_signature(stage.cast.bearer)
    if (name, field) == ("Appoint", "purposes"):
        return Refusal("NoSuchPurposes", {"purposes": flip})
    if (name, field) == ("Leave", "account"):
        return Refusal("WrongNonce", {"nonce": 1, "current": 0})
    if (name, field) == ("Handoff", "to"):
        terms = stage.table[name].message
        facts = {"batch": terms.batch, "node": terms.node, "member": WHOLESALER_NUMBER}
        return Refusal("NotOffered", facts)
    theirs = (("Handoff", "by"), ("Readings", "logger"), ("Prescribe", "prescriber"))
    if field in ("pseudonym", "from", "account") or (name, field) in theirs:
        return wrong_signature(flip)
    if field == "era":
        return Refusal("WrongEra", {"era": flip, "current": 0})
    if name in WITHOUT_PSEUDONYM and field == "nonce":
        return Refusal("WrongNonce", {"nonce": flip, "current": flip ^ 1})
    if (name, field) == ("Join", "member"):
        return Refusal("NotTheMember", {"sender": HOSPITAL.address, "member": 0, "account": ZERO})
    if (name, field) == ("Narrow", "start"):
        return Refusal("NotAFullHour", {"time": 1})
    if (name, field) == ("Narrow", "by"):
        return Refusal("WrongParent", {"by": 1, "expiry": stage.cast.midnight(10)})
    return wrong_signature(stage.who(name))


def refusal_of_flip_by_delegate(name: str, field: str, flip: Any, stage: Stage) -> Refusal:
    """The same for a row that a delegate signs: at another place, nobody who signs for it lives."""
    elsewhere = ("pseudonym", "by") if name.startswith("Grant") else ("pseudonym", "reader", "purpose")
    if field == "era":
        return Refusal("WrongEra", {"era": flip, "current": 0})
    if (name, field) == ("Narrow by a delegate", "start"):
        return Refusal("NotAFullHour", {"time": 1})
    if (name, field) == ("Narrow by a delegate", "by"):
        return Refusal("WrongParent", {"by": 1, "expiry": stage.cast.midnight(10)})
    return wrong_signature(ZERO if field in elsewhere else stage.cast.delegate)


COVER = {
    name for name in NAMES if cases(NOBODY)[name].message.CONTRACT in ("Policies", "Claims", "Appeals", "Episodes")
}


def refusal_of_flip_in_cover(name: str, field: str, arguments: tuple[Any, ...], flip: Any, stage: Stage) -> Refusal:
    """The same for a row about cover."""
    message = stage.table[name].message
    match name, field:
        case "Appeal", "pseudonym":
            return Refusal("WrongClaim", {"claim": message.claim, "shown": message.claim})
        case (("Appeal" | "Ruling"), "claim"):
            return Refusal("WrongClaim", {"claim": flip, "shown": message.claim})
        case "Agreement", "plan":
            changed = episode(Agreement(*arguments[0]))
            return Refusal("NotAParty", {"episode": changed, "member": INSURER_NUMBER})
        case "Agreement", "pseudonym":
            return Refusal("NotCovered", {"plan": message.plan, "pseudonym": flip})
        case "Agreement", "provider":
            return Refusal("WrongAgreement", {"episode": episode(Agreement(*arguments[0]))})
        case "Agreement", "signer":
            return Refusal("NoStanding", {"account": flip})
        case "Agreement", "era":
            return wrong_signature(stage.cast.therapist)
        case _, "provider":
            return Refusal("NotTheProvider", {"member": message.provider, "provider": flip})
        case _, "era":
            return Refusal("WrongEra", {"era": flip, "current": 0})
        case _, "pseudonym":
            return wrong_signature(flip, to=message)
        case ("Ruling", "arbiter") | ("Outcome", "assessor"):
            return wrong_signature(flip)
    return stage.wrong(name)


# property H11
@pytest.mark.parametrize(("name", "path", "words"), FIELDS)
def test_signature__with_a_flipped_bit_in_a_field(stage: Stage, name: str, path: Path, words: str) -> None:
    # given
    message = stage.table[name].message
    arguments = with_flip(message.arguments(*stage.signatures(name)), path)

    # when
    refusal = stage.refusal_of(message, *arguments)

    # then
    assert refusal == refusal_of_flip(name, words, arguments, value_at(arguments, path), stage)


LISTS: dict[str, Callable[[list[Any]], list[Any]]] = {
    "shorter": lambda each: each[:-1],
    "empty": lambda each: [],
    "longer": lambda each: [*each, each[0]],
    "turned round": lambda each: each[::-1],
}


@pytest.mark.parametrize("change", LISTS)
def test_signature__to_report__for_another_list(stage: Stage, change: str) -> None:
    # given
    reported = stage.table["Report"].message
    other = replace(reported, digests=LISTS[change](list(reported.digests)))

    # when
    refusal = stage.refusal("Report", *stage.signatures("Report"), message=other)

    # then
    assert refusal == wrong_signature(stage.cast.controller)


@pytest.mark.parametrize("change", LISTS)
def test_signature__to_reseal__for_another_list(stage: Stage, change: str) -> None:
    # given two records in one message
    resealed = stage.table["Reseal"].message
    second = Resealing(0, digest("own record"), digest("own record, sealed anew"))
    signed = replace(resealed, records=[*resealed.records, second])
    other = replace(resealed, records=LISTS[change](list(signed.records)))

    # when
    refusal = stage.refusal("Reseal", *stage.signatures("Reseal", message=signed), message=other)

    # then
    assert refusal == wrong_signature(stage.cast.controller)


@pytest.mark.parametrize("change", LISTS)
def test_signature__to_prescribe__for_other_lines(stage: Stage, change: str) -> None:
    # given
    prescribed = stage.table["Prescribe"].message
    other = replace(prescribed, lines=LISTS[change](list(prescribed.lines)))

    # when
    refusal = stage.refusal("Prescribe", *stage.signatures("Prescribe"), message=other)

    # then
    assert refusal == wrong_signature(stage.cast.prescriber)


# -- what no word stands for -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("bit", [17, 30, 59])
@pytest.mark.parametrize("name", ["Grant", "Narrow"])
def test_signature__with_classes_added_that_no_word_shows(stage: Stage, name: str, bit: int) -> None:
    # given a scope with a bit more, whose words are those that were signed
    message = stage.table[name].message
    terms, *rest = message.arguments(*stage.signatures(name))
    scope = message.scope | 1 << bit
    place = terms.index(message.scope)

    # when
    refusal = stage.refusal_of(message, (*terms[:place], scope, *terms[place + 1 :]), *rest)

    # then
    known = 2**17 - 1 | 0b1111 << 60
    assert refusal == Refusal("WrongScope", {"scope": scope, "known": known})


@pytest.mark.parametrize("bit", [12, 31])
def test_signature__with_roles_added_that_no_word_shows(stage: Stage, bit: int) -> None:
    # given
    message = stage.table["Join"].message
    more = int(message.roles) | 1 << bit
    terms = (message.account, message.member, more, message.nonce, message.deadline)

    # when
    refusal = stage.refusal_of(message, terms, *stage.signatures("Join"))

    # then
    assert refusal == Refusal("WrongRoles", {"roles": more, "possible": int(LICENCE)})


@pytest.mark.parametrize("number", [0, 13, 255])
@pytest.mark.parametrize("name", ["Grant", "Revoke"])
def test_signature__for_a_purpose_that_does_not_exist(stage: Stage, name: str, number: int) -> None:
    # given what a wallet shows as the last of the purposes, which is also the word for a number that is none
    purpose = replace(PURPOSES[-1], number=number)
    message = replace(stage.table[name].message, purpose=purpose, freshness=stage.cast.fresh(0))

    # when
    refusal = stage.refusal(name, message=message)

    # then
    assert refusal == Refusal("NoSuchPurpose", {"purpose": number})


@pytest.mark.parametrize("purpose", PURPOSES, ids=lambda purpose: purpose.code)
def test_signature__shows_every_purpose_by_its_word(stage: Stage, purpose: Purpose) -> None:
    message = replace(stage.table["Grant"].message, purpose=purpose, reader=STRANGER.address)

    assert stage.refusal("Grant", message=message) is None


@pytest.mark.parametrize("bit", [*range(17), 60, 61, 62])
def test_signature__shows_every_class_by_its_word(stage: Stage, bit: int) -> None:
    message = replace(stage.table["Grant"].message, scope=1 << bit)

    assert stage.refusal("Grant", message=message) is None


@pytest.mark.parametrize("role", [Role.CLINICIAN, Role.PRESCRIBER, Role.LABORATORY, Role.DEVICE, Role.GATEWAY, LICENCE])
def test_signature__shows_every_role_by_its_word(stage: Stage, role: Role) -> None:
    message = replace(stage.table["Join"].message, roles=role)

    assert stage.refusal("Join", message=message) is None


@pytest.mark.parametrize("act", [SUPERSEDE, CORRECT, DISOWN])
def test_signature__shows_every_amendment_by_its_word(stage: Stage, act: int) -> None:
    amended = stage.table["Amend"].message
    message = replace(amended, act=act, digest=bytes(32) if act == DISOWN else amended.digest)

    assert stage.refusal("Amend", message=message) is None
