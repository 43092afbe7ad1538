"""Standing: who counts as staff of a member for a role now, at whatever number of staff."""

import pytest
from coincurve import PrivateKey
from contracts_world import DAY, LICENCE_DAYS, LICENCES, STAFF, ZERO, ask
from eth_abi import encode
from eth_utils import keccak, to_checksum_address
from real_anvil import BOARD, Contracts, anvil, encoded, person
from signature_cases import Event
from signature_stage import event_of

from theriac.consortium import Join, Role

EVERY_ROLE = sum(Role)
STAFF_OF_A_LARGE_HOSPITAL = 3_000


# -- roles -----------------------------------------------------------------------------------------------------------


# property B1
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


# property B2
@pytest.mark.parametrize("act", ["suspend", "remove"])
def test_standing__of_a_member_out_of_standing(consortium, board, people, members, act):
    getattr(consortium, act)(members.hospital, 0, sender=board)

    assert not consortium.inStanding(members.hospital)
    for name in ("hospital", "doctor", "nurse", "technician", "clerk"):
        assert consortium.standing(people[name], EVERY_ROLE) == 0
    assert consortium.standing(people["colleague"], Role.CLINICIAN) == members.clinic


# property B1
def test_standing__to_the_last_second_of_the_licence(consortium, world, doctor, members, clock):
    clock.travel(to=world.licence_expiry - 1)
    assert consortium.standing(doctor, Role.CLINICIAN) == members.hospital
    assert consortium.inStanding(members.hospital)

    clock.travel(to=world.licence_expiry)
    assert consortium.standing(doctor, Role.CLINICIAN) == 0
    assert not consortium.inStanding(members.hospital)


# property B1
def test_standing__after_a_renewal_with_fewer_roles(consortium, board, doctor, technician, members, world):
    consortium.renew(members.hospital, Role.LABORATORY, 1, world.licence_expiry, sender=board)

    assert consortium.standing(doctor, Role.CLINICIAN | Role.PRESCRIBER) == 0
    assert consortium.standing(technician, Role.LABORATORY) == members.hospital


def test_standing__after_a_renewal_with_more_roles(consortium, board, doctor, hospital, members, world):
    consortium.renew(members.hospital, EVERY_ROLE, 1, world.licence_expiry, sender=board)

    assert consortium.standing(doctor, Role.INSURER) == 0
    assert consortium.standing(hospital, Role.INSURER) == members.hospital


# property B1
def test_standing__of_who_was_dismissed(consortium, hospital, doctor, nurse, members):
    consortium.dismiss(doctor, sender=hospital)

    assert consortium.standing(doctor, EVERY_ROLE) == 0
    assert consortium.standing(nurse, Role.CLINICIAN) == members.hospital


# -- at any number of staff ------------------------------------------------------------------------------------------


def joined(chain, consortium, member, employer, names, *, at_once=250):
    """Takes on people with keys of their own; their addresses.

    The hash is put together here, because the general encoder of EIP-712 takes a minute for so many.
    """
    keys = [PrivateKey(keccak(text=name)) for name in names]
    accounts = [to_checksum_address(keccak(key.public_key.format(compressed=False)[1:])[12:]) for key in keys]
    deadline = chain.now() + 600
    domain, roles = separator(consortium), keccak(keccak(text="clinician"))
    type_hash = keccak(text="Join(address account,uint32 member,string[] roles,uint32 nonce,uint40 deadline)")

    terms, signatures = [], []
    for key, account in zip(keys, accounts, strict=True):
        fields = ["bytes32", "address", "uint32", "bytes32", "uint32", "uint40"]
        struct = keccak(encode(fields, [type_hash, account, member, roles, 0, deadline]))
        signature = key.sign_recoverable(keccak(b"\x19\x01" + domain + struct), hasher=None)
        terms.append(Join(account, member, Role.CLINICIAN, 0, deadline).terms())
        signatures.append(signature[:64] + bytes([signature[64] + 27]))

    for first in range(0, len(names), at_once):
        last = first + at_once
        chain.send(employer, consortium.functions.joinMany(terms[first:last], signatures[first:last]))
    return accounts


def separator(contract):
    """The EIP-712 domain separator of a contract."""
    _, name, version, chain_id, address, _, _ = contract.functions.eip712Domain().call()
    type_hash = keccak(text="EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
    fields = ["bytes32", "bytes32", "bytes32", "uint256", "address"]
    return keccak(encode(fields, [type_hash, keccak(text=name), keccak(text=version), chain_id, address]))


@pytest.fixture
def chain_of_many():
    """A real anvil: what the embedded chain takes half a minute for, it does in a second."""
    with anvil(hardfork="cancun") as chain:
        yield chain


# property B2
def test_suspend__three_thousand_lose_their_standing_in_one_transaction(chain_of_many):
    chain, hospital, clinic = chain_of_many, person("hospital"), person("clinic")
    consortium, questions = Contracts.deploy(chain).consortium, chain.deploy("Questions")
    for member in (hospital, clinic):
        terms = (member.address, Role.CLINICIAN, 1, chain.now() + LICENCE_DAYS * DAY)
        chain.send(BOARD, consortium.functions.admit(*terms))
    of_hospital, of_clinic = 1, 2
    [colleague] = joined(chain, consortium, of_clinic, clinic, ["colleague"])

    def question(account):
        return encoded(consortium.functions.standing(account, Role.CLINICIAN))

    def cost(account):
        return questions.functions.cost(consortium.address, question(account)).call()

    def standings(accounts):
        answers = questions.functions.ask(consortium.address, [question(account) for account in accounts]).call()
        return [int.from_bytes(answer) for answer in answers]

    gas_of_one = cost(colleague)
    suspend_one = chain.send(BOARD, consortium.functions.suspend(of_clinic, 1))["gasUsed"]
    names = [f"staff {number}" for number in range(STAFF_OF_A_LARGE_HOSPITAL)]
    staff = joined(chain, consortium, of_hospital, hospital, names)
    sample = staff[::10]
    assert standings(sample) == [of_hospital] * len(sample)
    gas_among_many = {cost(staff[at]) for at in (0, 1_500, 2_999)}

    receipt = chain.send(BOARD, consortium.functions.suspend(of_hospital, 1))

    gas_used = receipt["gasUsed"]
    print(f"suspend: {gas_used:,} gas with {len(staff):,} staff, {suspend_one:,} with one")
    print(f"standing: {sorted(gas_among_many)} gas among {len(staff):,}, {gas_of_one:,} alone")
    assert events(consortium, receipt) == [Event("Suspended", {"member": of_hospital, "reason": 1})]
    assert standings(sample) == [0] * len(sample)
    assert gas_used == suspend_one
    assert gas_among_many == {gas_of_one}


def events(contract, receipt):
    """What the contract told in a transaction."""
    return [event_of(contract, log) for log in receipt["logs"] if log["address"] == contract.address]
