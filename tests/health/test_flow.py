"""The flow of one record: told from the chain and from what was disclosed, by who has no key."""

import pytest
from health_world import LAB, TREAT, VITALS, HealthWorld, register, write
from receipts_ward import open_ward

from theriac.errors import UnknownRecord
from theriac.health.flow import Became, Sealed, decode_disclosure, encode_disclosure, flow_of
from theriac.health.history import Window
from theriac.health.looked import Fault
from theriac.health.scope import bit_of, mask_of
from theriac.ledger.sender import Sender


def test_flow__of_one_pseudonym__is_told_by_the_chain_alone(world: HealthWorld) -> None:
    # given a patient with one account for everything, whose record was sealed anew; a doctor came and went
    patient, clinic = world.patient(single=True), world.writer(world.clinic)
    desk = register(patient, clinic)
    record = write(clinic, desk, b"a result")
    sealed_at = world.now()
    patient.watch()
    home = patient.vault.home().pseudonym
    world.travel(60)
    granted = patient.grant(world.doctor.address, classes=[LAB], purpose=TREAT, end=world.in_days(30))
    granted_at = world.now()
    patient.grant(world.colleague.address, classes=[VITALS], purpose=TREAT, end=world.in_days(30))
    doctor = world.reader(world.doctor, "doctor")
    doctor.learn(home)
    doctor.open(home, record, purpose=TREAT)
    doctor.book.send(Sender(world.web3, world.doctor.signer, outbox=None), world.store)
    world.travel(3600)
    patient.revoke(world.doctor.address, purpose=TREAT)
    revoked_at = world.now()
    patient.rotate(rewrite=True)
    [entry] = patient.vault.listed()
    chain = world.chain("auditor")

    # when
    bare = flow_of(chain, record)
    proofs = decode_disclosure(encode_disclosure([each.proof for each in patient.looked().readings]))
    flow = flow_of(chain, entry.digest, proofs)

    # then: what the chain has, under either digest of the record
    version = next(each.version for each in bare.sealed)
    assert bare.sealed == flow.sealed == (Sealed(record, home, 1, sealed_at, version),)
    [became] = bare.became
    assert became == Became("sealed anew", record, entry.digest, 1, became.time)
    assert became.time >= revoked_at
    assert {window.reader for window in bare.windows} == {world.doctor.address, world.colleague.address}

    # and with the disclosure: the reading, proved, and of the windows the one that is for its class
    start = max(granted.start * 3600 + 1_577_836_800, granted_at)
    assert flow.windows == (Window(home, world.doctor.address, TREAT.number, mask_of([LAB]), start, revoked_at, 0),)
    assert mask_of([LAB]) == 1 << bit_of(LAB)
    [reading] = flow.readings.readings
    assert (reading.receipt.reader, reading.faults) == (world.doctor.address, ())
    assert flow.windows[0].start <= reading.receipt.time < flow.windows[0].end


def test_flow__of_several_pseudonyms__is_joined_by_a_disclosure_that_holds(world: HealthWorld) -> None:
    # given a reading that was logged, one that was not, and one that a stranger signed and logged
    ward = open_ward(world)
    stranger = world.person()
    [logged] = ward.log(ward.receipt(world.doctor), by=world.doctor)
    chain = world.chain("auditor")

    # then: without a disclosure nothing joins the record and the grants
    bare = flow_of(chain, ward.lab)
    assert ([each.author for each in bare.sealed], bare.windows, bare.readings.readings) == ([1], (), ())

    # and with it, the grant that let the reader in
    flow = flow_of(chain, ward.lab, [logged])
    assert {(window.pseudonym, window.reader) for window in flow.windows} == {(ward.by_doctor, world.doctor.address)}
    assert [each.faults for each in flow.readings.readings] == [()]

    # and what does not hold joins nothing, nor does a reading of another record
    unlogged = ward.log(ward.receipt(world.doctor), by=world.doctor)[0]
    broken = flow_of(chain, ward.lab, [type(unlogged)(unlogged.receipt, "11" * 32, 1, 0, ())])
    assert (broken.windows, [each.faults for each in broken.readings.readings]) == ((), [(Fault.NOT_LOGGED,)])
    [alien] = ward.log(ward.receipt(stranger, pseudonym=ward.by_desk), by=stranger)
    of_stranger = flow_of(chain, ward.lab, [alien])
    assert (of_stranger.windows, list(of_stranger.readings.strangers)) == ((), [stranger.address])
    assert flow_of(chain, ward.vitals, [logged]).readings.readings == ()


def test_flow__of_nothing(world: HealthWorld) -> None:
    with pytest.raises(UnknownRecord):
        flow_of(world.chain("auditor"), "ab" * 32)
