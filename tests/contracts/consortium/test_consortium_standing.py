"""Standing: who counts as staff of a member for a role now, at whatever number of staff."""

import ape
import pytest
from coincurve import PrivateKey
from contracts_world import LICENCES, STAFF, ZERO, ask
from eth_abi import encode
from eth_utils import keccak

from theriac.consortium import Join, Role

EVERY_ROLE = sum(Role)
STAFF_OF_A_LARGE_HOSPITAL = 3_000


# -- roles -----------------------------------------------------------------------------------------------------------


def test_standing__each_role_of_each_person(consortium, questions, people):
    who_acts = {name: (number, LICENCES[name]) for number, name in enumerate(LICENCES, start=1)}
    expected = {
        (name, role.name): member if role in roles else 0
        for name, (member, roles) in (STAFF | who_acts).items()
        for role in Role
    }

    asked = [consortium.standing.encode_input(people[name], Role[role]) for name, role in expected]

    assert dict(zip(expected, ask(questions, consortium, asked), strict=True)) == expected


def test_standing__one_of_several_roles_is_enough(consortium, nurse, members):
    assert consortium.standing(nurse, Role.MAKER | Role.CLINICIAN) == members.hospital
    assert consortium.standing(nurse, Role.MAKER | Role.PRESCRIBER) == 0


@pytest.mark.parametrize("roles", [0, 1 << 12, 1 << 31])
def test_standing__as_nothing(consortium, doctor, hospital, roles):
    assert consortium.standing(doctor, roles) == 0
    assert consortium.standing(hospital, roles) == 0


def test_standing__of_nobody_and_of_a_stranger(consortium, stranger):
    assert consortium.standing(ZERO, EVERY_ROLE) == 0
    assert consortium.standing(stranger, EVERY_ROLE) == 0


# -- the loss of it --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("act", ["suspend", "remove"])
def test_standing__of_a_member_out_of_standing(consortium, board, people, members, act):
    getattr(consortium, act)(members.hospital, 0, sender=board)

    assert not consortium.inStanding(members.hospital)
    for name in ("hospital", "doctor", "nurse", "technician", "clerk"):
        assert consortium.standing(people[name], EVERY_ROLE) == 0
    assert consortium.standing(people["colleague"], Role.CLINICIAN) == members.clinic


def test_standing__to_the_last_second_of_the_licence(consortium, world, doctor, members, clock):
    clock.travel(to=world.licence_expiry - 1)
    assert consortium.standing(doctor, Role.CLINICIAN) == members.hospital
    assert consortium.inStanding(members.hospital)

    clock.travel(to=world.licence_expiry)
    assert consortium.standing(doctor, Role.CLINICIAN) == 0
    assert not consortium.inStanding(members.hospital)


def test_standing__after_a_renewal_with_fewer_roles(consortium, board, doctor, technician, members, world):
    consortium.renew(members.hospital, Role.LABORATORY, 1, world.licence_expiry, sender=board)

    assert consortium.standing(doctor, Role.CLINICIAN | Role.PRESCRIBER) == 0
    assert consortium.standing(technician, Role.LABORATORY) == members.hospital


def test_standing__after_a_renewal_with_more_roles(consortium, board, doctor, hospital, members, world):
    consortium.renew(members.hospital, EVERY_ROLE, 1, world.licence_expiry, sender=board)

    assert consortium.standing(doctor, Role.INSURER) == 0
    assert consortium.standing(hospital, Role.INSURER) == members.hospital


def test_standing__of_who_was_dismissed(consortium, hospital, doctor, nurse, members):
    consortium.dismiss(doctor, sender=hospital)

    assert consortium.standing(doctor, EVERY_ROLE) == 0
    assert consortium.standing(nurse, Role.CLINICIAN) == members.hospital


# -- at any number of staff ------------------------------------------------------------------------------------------


def joined(world, consortium, member, employer, count, *, at_once=500):
    """Takes on `count` people with keys of their own; their addresses.

    The hash is put together here, because the general encoder of EIP-712 takes a minute for so many.
    """
    keys = [PrivateKey(keccak(text=f"staff {number}")) for number in range(count)]
    accounts = [ape.convert("0x" + keccak(key.public_key.format(compressed=False)[1:])[12:].hex(), str) for key in keys]
    deadline = world.clock.soon()
    domain, roles = separator(consortium), keccak(keccak(text="clinician"))
    type_hash = keccak(text="Join(address account,uint32 member,string[] roles,uint32 nonce,uint40 deadline)")

    terms, signatures = [], []
    for key, account in zip(keys, accounts, strict=True):
        fields = ["bytes32", "address", "uint32", "bytes32", "uint32", "uint40"]
        struct = keccak(encode(fields, [type_hash, account, member, roles, 0, deadline]))
        signature = key.sign_recoverable(keccak(b"\x19\x01" + domain + struct), hasher=None)
        terms.append(Join(account, member, Role.CLINICIAN, 0, deadline).terms())
        signatures.append(signature[:64] + bytes([signature[64] + 27]))

    for first in range(0, count, at_once):
        last = first + at_once
        consortium.joinMany(terms[first:last], signatures[first:last], sender=employer)
    return accounts


def separator(contract):
    """The EIP-712 domain separator of a contract."""
    domain = contract.eip712Domain()
    type_hash = keccak(text="EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
    fields = ["bytes32", "bytes32", "bytes32", "uint256", "address"]
    names = [keccak(text=domain.name), keccak(text=domain.version)]
    return keccak(encode(fields, [type_hash, *names, domain.chainId, domain.verifyingContract]))


def test_suspend__three_thousand_lose_their_standing_in_one_transaction(
    world, consortium, questions, board, hospital, clinic, colleague, members
):
    def question(account):
        return consortium.standing.encode_input(account, Role.CLINICIAN)

    gas_of_one = questions.cost(consortium, question(colleague))
    suspend_one = consortium.suspend(members.clinic, 1, sender=board).gas_used
    staff = joined(world, consortium, members.hospital, hospital, STAFF_OF_A_LARGE_HOSPITAL)
    sample = [question(account) for account in staff[::10]]
    assert ask(questions, consortium, sample) == [members.hospital] * len(sample)
    gas_among_many = {questions.cost(consortium, question(staff[at])) for at in (0, 1_500, 2_999)}

    receipt = consortium.suspend(members.hospital, 1, sender=board)

    print(f"suspend: {receipt.gas_used:,} gas with {len(staff):,} staff, {suspend_one:,} with one")
    print(f"standing: {sorted(gas_among_many)} gas among {len(staff):,}, {gas_of_one:,} alone")
    assert receipt.events == [consortium.Suspended(members.hospital, 1)]
    assert ask(questions, consortium, sample) == [0] * len(sample)
    assert receipt.gas_used == suspend_one
    assert gas_among_many == {gas_of_one}
