"""The carrier: a group counts as a whole or not at all, a group that fails leaves the others, and it has no rights."""

from dataclasses import replace

import ape
import pytest
from contracts_world import ZERO, digest, refused
from eth_abi import encode
from eth_utils import keccak

from theriac.health.messages import Freshness, Publish, Revoke
from theriac.health.scope import Purpose

LONGEST_REASON = 256


def reason(error, *values):
    """The bytes that a contract reverts with."""
    types = [each.canonical_type for each in error.abi.inputs]
    return keccak(text=error.abi.selector)[:4] + encode(types, values)


@pytest.fixture
def call(world, sign):
    """`call(message, patient)`: the call that carries what the patient signed."""

    def call(message, *signers):
        contract = world.contract(message.CONTRACT)
        function = getattr(contract, message.FUNCTION)
        arguments = message.arguments(*[sign(message, by=signer) for signer in signers])
        return (contract.address, function.encode_input(*arguments))

    return call


@pytest.fixture
def publication(patient, clock):
    """The patient's first version."""
    return Publish(patient.address, 1, digest("bundle"), era=0, deadline=clock.soon())


@pytest.fixture
def revocation(patient, doctor, clock):
    """The end of what the doctor may read."""
    return Revoke(patient.address, doctor.address, Purpose.parse("TREAT"), Freshness(0, 0, clock.soon()))


@pytest.fixture
def emitter(relayer):
    """A contract that notes, refuses and burns."""
    return ape.project.Emitter.deploy(100, sender=relayer)


def note(emitter, remark):
    """A call that always succeeds, and is told."""
    return (emitter.address, emitter.note.encode_input(ZERO, bytes(32), 1, remark))


def noted(emitter, remark):
    return emitter.Noted(ZERO, bytes(32), 1, remark)


# -- carry -----------------------------------------------------------------------------------------------------------


def test_carry__two_acts_in_one(grants, keys, carrier, call, publication, revocation, patient, doctor, relayer):
    receipt = carrier.carry([call(revocation, patient), call(publication, patient)], sender=relayer)

    assert receipt.events == [
        grants.Revoked(patient, doctor, revocation.purpose.number),
        keys.Published(patient, 1, digest("bundle"), patient),
    ]


# property T1
def test_carry__one_that_fails_stops_all(keys, carrier, call, publication, revocation, patient, relayer):
    stale = replace(publication, version=9)

    with refused(carrier.CallFailed, index=1, reason=reason(keys.WrongVersion, 9, 0)):
        carrier.carry.call([call(revocation, patient), call(stale, patient)], sender=relayer)


def test_carry__nothing(carrier, relayer):
    assert carrier.carry([], sender=relayer).events == []


def test_carry__to_an_account_without_code(carrier, emitter, stranger, relayer):
    with refused(carrier.NoCode, target=stranger):
        carrier.carry.call([note(emitter, "first"), (stranger.address, b"")], sender=relayer)


def test_carry__a_reason_that_is_long(carrier, relayer):
    bomb = ape.project.ReturnBomb.deploy(100_000, True, sender=relayer)
    start = (bytes.fromhex("1626ba7e") + bytes(LONGEST_REASON))[:LONGEST_REASON]

    with refused(carrier.CallFailed, index=0, reason=start):
        carrier.carry.call([(bomb.address, b"")], sender=relayer)


def test_carry__an_answer_that_is_long_costs_the_target_only(carrier, emitter, relayer):
    bomb = ape.project.ReturnBomb.deploy(100_000, False, sender=relayer)
    modest = ape.project.ReturnBomb.deploy(32, False, sender=relayer)
    # What the target itself pays for its memory: 3 gas a word and a 512th of the words' square (Yellow Paper, C_mem).
    words = 100_000 // 32
    memory = 3 * words + words * words // 512

    long = carrier.carry([(bomb.address, b"")], sender=relayer).gas_used
    short = carrier.carry([(modest.address, b"")], sender=relayer).gas_used

    assert long - short == pytest.approx(memory, abs=100)


# -- carryEach -------------------------------------------------------------------------------------------------------


# properties T1, T2
def test_carry_each__one_that_fails_leaves_the_others(keys, carrier, emitter, call, publication, patient, relayer):
    stale = replace(publication, version=9)
    groups = [
        (0, [note(emitter, "first")]),
        (0, [note(emitter, "void"), call(stale, patient)]),
        (0, [call(publication, patient), note(emitter, "third")]),
    ]

    assert carrier.carryEach.call(groups, sender=relayer) == [True, False, True]
    receipt = carrier.carryEach(groups, sender=relayer)

    failure = reason(carrier.CallFailed, 1, reason(keys.WrongVersion, 9, 0))
    assert receipt.events == [
        noted(emitter, "first"),
        carrier.GroupFailed(1, failure),
        keys.Published(patient, 1, digest("bundle"), patient),
        noted(emitter, "third"),
    ]


def test_carry_each__nothing(carrier, relayer):
    assert carrier.carryEach.call([], sender=relayer) == []
    assert carrier.carryEach.call([(0, [])], sender=relayer) == [True]


def test_carry_each__to_an_account_without_code(carrier, stranger, relayer):
    receipt = carrier.carryEach([(0, [(stranger.address, b"")])], sender=relayer)

    assert receipt.events == [carrier.GroupFailed(0, reason(carrier.NoCode, stranger.address))]


# property T2
def test_carry_each__a_target_that_burns_gas_takes_its_groups_only(carrier, emitter, relayer):
    burner = ape.project.GasBurningWallet.deploy(sender=relayer)
    groups = [(100_000, [(burner.address, b"")]), (0, [note(emitter, "after")])]

    receipt = carrier.carryEach(groups, gas=400_000, sender=relayer)

    # The carrier had a 64th of the group's gas left to say which call failed, of no reason.
    assert receipt.events == [
        carrier.GroupFailed(0, reason(carrier.CallFailed, 0, b"")),
        noted(emitter, "after"),
    ]
    assert receipt.gas_used < 100_000 + 21_000 + 45_000


def test_carry_each__a_target_that_burns_all_fails_without_a_limit_too(carrier, emitter, relayer):
    burner = ape.project.GasBurningWallet.deploy(sender=relayer)

    receipt = carrier.carryEach([(0, [(burner.address, b"")])], gas=3_000_000, sender=relayer)

    assert [event.event_name for event in receipt.events] == ["GroupFailed"]


def test_carry_each__a_reason_that_is_long(carrier, emitter, relayer):
    bomb = ape.project.ReturnBomb.deploy(100_000, True, sender=relayer)
    groups = [(0, [(bomb.address, b"")]), (0, [note(emitter, "after")])]

    receipt = carrier.carryEach(groups, sender=relayer)

    start = (bytes.fromhex("1626ba7e") + bytes(LONGEST_REASON))[:LONGEST_REASON]
    told = reason(carrier.CallFailed, 0, start)[:LONGEST_REASON]
    assert receipt.events == [carrier.GroupFailed(0, told), noted(emitter, "after")]


def test_carry_each__with_less_gas_than_a_group_asks_for(carrier, emitter, relayer):
    with refused(carrier.TooLittleGas, index=1, gasLimit=2**40):
        carrier.carryEach.call([(0, [note(emitter, "first")]), (2**40, [note(emitter, "second")])], sender=relayer)


# property T2
@pytest.mark.parametrize("length", [0, 20_000], ids=["a short call", "a long call"])
def test_carry_each__a_group_has_the_gas_it_asks_for_or_is_not_tried(carrier, relayer, length):
    """Whoever sends it cannot choose an amount with which the group is tried and has less."""
    gauge = ape.project.GasGauge.deploy(sender=relayer)
    groups = [(400_000, [(gauge.address, bytes(length))])]

    def measured(gas):
        try:
            receipt = carrier.carryEach(groups, gas=gas, sender=relayer)
        except carrier.TooLittleGas:
            return None
        return receipt.events[0].gas

    plenty = measured(2_000_000)
    enough, little = 2_000_000, 400_000
    while enough - little > 40:
        middle = (enough + little) // 2
        enough, little = (enough, middle) if measured(middle) is None else (middle, little)

    assert measured(enough) == plenty
    assert measured(little) is None


# -- it has no rights ------------------------------------------------------------------------------------------------


# property T3
@pytest.mark.parametrize("name", ["board", "hospital", "doctor", "patient"])
def test_carry_group__by_another_than_itself(carrier, people, name):
    with refused(carrier.OnlySelf, sender=people[name]):
        carrier.carryGroup.call([], sender=people[name])


# property T3
def test_carry__acts_as_the_carrier_and_not_as_who_sent_it(
    keys, grants, letters, consortium, carrier, patient, doctor, board, hospital
):
    """Who may do it directly may not do it through the carrier: there it is the carrier that asks."""
    attempts = [
        (board, consortium, consortium.suspend, (1, 0), consortium.NotTheBoard, (carrier.address, board.address)),
        (hospital, consortium, consortium.dismiss, (doctor.address,), consortium.NotTheMember,
         (carrier.address, 1, hospital.address)),
        (patient, keys, keys.publish, (patient.address, 1, digest("bundle")), keys.NotThePublisher,
         (carrier.address, ZERO)),
        (patient, grants, grants.revoke, (patient.address, doctor.address, 1), grants.NotTheController,
         (carrier.address, patient.address)),
        (patient, letters, letters.send, (patient.address, doctor.address, digest("letter")),
         letters.NotTheController, (carrier.address, patient.address)),
    ]  # fmt: skip

    for sender, contract, function, arguments, error, values in attempts:
        function.call(*arguments, sender=sender)
        with refused(carrier.CallFailed, index=0, reason=reason(error, *values)):
            carrier.carry.call([(contract.address, function.encode_input(*arguments))], sender=sender)


def test_carry__what_is_the_carriers_own_is_everybodys(keys, carrier, patient, stranger):
    """Under its own address as a pseudonym anyone publishes: nobody may take it for a person."""
    data = keys.publish.encode_input(carrier, 1, digest("anyone's"))

    receipt = carrier.carry([(keys.address, data)], sender=stranger)

    assert receipt.events == [keys.Published(carrier, 1, digest("anyone's"), carrier)]
    assert keys.versionOf(patient) == 0


def test_carry__the_carrier_itself(keys, carrier, emitter, patient, relayer):
    """Through itself it may open its own group, which gives nobody more than `carry` does."""
    inner = carrier.carryGroup.encode_input([note(emitter, "inside")])

    receipt = carrier.carry([(carrier.address, inner)], sender=relayer)

    assert receipt.events == [noted(emitter, "inside")]
