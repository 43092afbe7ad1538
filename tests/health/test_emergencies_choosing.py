"""What a patient decides for an emergency, and that fewer custodians than she chose open nothing."""

import base64
import io
from contextlib import suppress
from itertools import combinations

import pytest
from emergency_world import broken, custodian, opened, ward
from health_world import LAB, HealthWorld

from theriac.crypto import shares
from theriac.crypto.recipients import HybridIdentity, X25519Identity
from theriac.errors import BadCustodians, BadShare, NotOpened, NotYetOpen, TheriacError, TooFewShares, TooWeak
from theriac.health import documents
from theriac.health.bundle import profile
from theriac.health.emergencies import ETREAT
from theriac.health.escrow import identity_of
from theriac.health.scope import KeyClass
from theriac.health.vault import Vault


# property E2
@pytest.mark.parametrize("single", [False, True], ids=["one a counterparty", "one for everything"])
def test_break_glass__k_custodians__the_key_arrives_and_opens(world: HealthWorld, single: bool) -> None:
    # given
    place = ward(world, single=single)

    # when two of three release, as many as are needed
    reader = broken(place, custodians=(0, 1))

    # then
    [listed] = reader.listed(place.pseudonym, purpose=ETREAT)
    assert (listed.digest, listed.cls) == (place.records[str(LAB)], str(LAB))
    assert opened(place, reader, listed.digest) == b"potassium 5.9"


# property E1
def test_k_less_one__with_all_bytes_of_the_store_and_their_keys__opens_nothing(world: HealthWorld) -> None:
    # given every version of the emergency bundle, a case, and two of three that are needed
    place = ward(world, need=3, count=4)
    pins = set(world.store.pins())
    blobs = [world.store.get(cid).read() for cid in pins]
    place.patient.rotate()
    case = place.open(world.doctor)
    place.release(0, 1)
    blobs += [world.store.get(cid).read() for cid in set(world.store.pins()) - pins]
    thieves = [place.custodians[0], place.custodians[1], world.doctor]

    # when they put together all that they can open, of every file, and all that can be made from it
    found = []
    files = [*blobs, *(each for blob in blobs for each in sealed_in(blob))]
    for file in files:
        for thief in thieves:
            with suppress(TheriacError):
                found.append(documents.open_(file, identities=[thief.identity]))
    held = [documents.decode("share", each) for each in found if b'"kind":"share"' in each]
    words = {each["words"] for each in held}
    keys = [bytes.fromhex(each["salt"]) for each in held]
    keys += [shares._parsed(each, number=1).value for each in words]
    forged = shares.split(bytes(32), k=3, n=3)
    for some in (*combinations(sorted(words), 2), *combinations([*sorted(words), forged[0]], 3)):
        with suppress(TooFewShares, BadShare):
            keys.append(shares.join(some))

    # then there were shares indeed, of both custodians, and no key among it opens a file
    assert len(words) >= 4
    identities = [*map(identity_of, keys), *map(HybridIdentity.from_seed, keys)]
    for file in files:
        with pytest.raises(TheriacError):
            documents.open_(file, identities=identities)
    with pytest.raises(NotYetOpen) as refusal:
        place.responder(world.doctor).reader(case.number)
    assert (refusal.value.good, refusal.value.needed) == (2, 3)


def sealed_in(blob: bytes) -> list[bytes]:
    """The sealed files inside of a bundle."""
    try:
        values = documents.decode("bundle", blob)
    except TheriacError:
        return []
    return [base64.b64decode(each) for each in [*values["files"], *values.get("escrow", {}).get("shares", [])]]


@pytest.mark.parametrize(("need", "count"), [(1, 1), (1, 3), (4, 3), (2, 17)])
def test_set_emergency__a_choice_that_is_none(world: HealthWorld, need: int, count: int) -> None:
    patient = world.patient()

    with pytest.raises(BadCustodians):
        patient.set_emergency(list(range(1, count + 1)), need=need, classes=[LAB])


def test_set_emergency__somebody_who_is_no_custodian(world: HealthWorld) -> None:
    patient = world.patient()

    with pytest.raises(BadCustodians, match="member 1 is no custodian"):
        patient.set_emergency([1, 2], need=2, classes=[LAB])


# property E3
@pytest.mark.parametrize("single", [False, True], ids=["one a counterparty", "one for everything"])
def test_used_escrow__its_key_is_worth_nothing_in_the_next_version(world: HealthWorld, single: bool) -> None:
    # given
    place = ward(world, single=single)
    reader = broken(place)
    before = place.patient.vault.escrow_reader()

    # when the patient's client looks, and something is written afterwards, to a row and to an inbox
    watched = place.patient.watch()
    newer = place.write(LAB, b"the next result")
    reader.learn(place.pseudonym)

    # then
    assert [each.releases for each in watched.emergencies] == [3]
    assert place.patient.vault.escrow_reader() not in ("", before)
    with pytest.raises(NotOpened):
        reader.open(place.pseudonym, newer, purpose=ETREAT)
    with pytest.raises(NotOpened):
        reader.unsafe_try(place.pseudonym, newer)
    # what she could open she still can within the window, and finds it in the list
    assert [each.digest for each in reader.listed(place.pseudonym, purpose=ETREAT)] == [place.records[str(LAB)]]
    assert opened(place, reader, place.records[str(LAB)]) == b"potassium 5.9"


def test_vault__from_before_there_were_emergencies__is_read() -> None:
    # given a vault's document without the field
    values = documents.decode("vault", Vault().encode(), canonical=False)
    del values["emergency"]
    old = documents.encode("vault", {k: v for k, v in values.items() if k not in ("kind", "format")}, canonical=False)

    # when
    found = Vault.decode(old)

    # then
    assert found.emergency is None


def test_bundle__without_an_emergency__says_nothing_of_one(world: HealthWorld) -> None:
    patient = world.patient()

    document, _ = patient.chain.document(patient.vault.home().pseudonym, world.store)

    assert "escrow" not in documents.decode("bundle", document)


def test_level_v__no_share_goes_to_a_classic_key(world: HealthWorld) -> None:
    # given an escrow that opens a very restricted class, and a custodian and a clinician with classic keys
    very = KeyClass.parse("mental-health/V")
    place = ward(world, classes=(LAB, very))
    old = custodian(world)
    for person in (old, world.doctor):
        document = profile(person.address, name="old", recipient=X25519Identity.generate().recipient)
        digest = world.store.put(io.BytesIO(document)).digest
        place.sender(person).send(world.contracts.Keys.functions.publish(person.address, 2, digest))

    # when the clinician breaks the glass, and the patient wants to choose that custodian
    place.open(world.doctor)
    [decision] = place.custody(0).serve_once()

    # then neither gets one
    assert decision.reason == "the key opens level V, and the clinician has only a classic recipient"
    with pytest.raises(TooWeak):
        place.patient.set_emergency([old.member, place.custodians[0].member], need=2, classes=[very])
