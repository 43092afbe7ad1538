"""Pseudonyms that nobody can tell are one person's: what is never equal, and what spreading hides.

The tests with a population use the adversary of `benches/linkage.py`, which measures all the rest.
"""

import base64
import json
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from itertools import combinations
from typing import Any

import pytest
from health_world import LAB, MENTAL, TREAT, HealthWorld, quick_lock, register, write

from benches.linkage import HOUR, Plan, Population, attack, by_time, crowd, through_home
from theriac.errors import TheriacError
from theriac.health import bundle as bundles
from theriac.health import documents
from theriac.health import patient as clients
from theriac.health.chain import FOLLOWED, Relay, Signed
from theriac.health.patient import Patient
from theriac.health.vault import Account, Vault

PATIENTS = 2


@dataclass
class WatchedRelay:
    """A relay whose book the adversary has: what came through one connection."""

    relay: Relay
    book: list[tuple[Signed, ...]]

    def carry(self, *signed: Signed) -> Any:
        self.book.append(signed)
        return self.relay.carry(*signed)


@dataclass(frozen=True)
class Told:
    """What was seen of a population: no test changes it, so it is played once.

    :param pseudonyms: those of each patient; `seen` every large value by pseudonym, `others` with whom it was seen.
    :param carried: the pseudonyms that each connection to the relay named.
    """

    pseudonyms: list[list[str]]
    seen: dict[str, set[str]]
    others: dict[str, set[Any]]
    carried: list[set[str]]


_TOLD: list[Told] = []

WORDS = {"treatment"}
"""The contracts' own words, which everybody's messages have."""


@pytest.fixture
def told(world: HealthWorld) -> Told:
    """Some patients of two clinics and two doctors who grant, are written for, revoke, rotate, recover and erase."""
    if _TOLD:
        return _TOLD[0]
    book: list[tuple[Signed, ...]] = []
    world.relay = WatchedRelay(world.relay, book)  # type: ignore[assignment]
    clinics = [world.writer(world.clinic, "clinic"), world.writer(world.hospital, "hospital")]
    patients = []
    for number in range(PATIENTS):
        patient = world.patient(f"patient {number}", classes=(LAB, MENTAL))
        patients.append(patient)
        for clinic in clinics:
            write(clinic, register(patient, clinic, name=f"patient {number}"), b"the same for all", cls=LAB)
        patient.watch()
        for reader in (world.doctor, world.colleague)[: 2 - number % 2]:
            patient.grant(reader.address, classes=[LAB], purpose=TREAT, end=world.in_days(30))
    patients[0].revoke(world.doctor.address, purpose=TREAT)
    patients[1].rotate()
    patients[1].erase([LAB], lock=quick_lock())
    patients[0].recover()
    _TOLD.append(
        Told(
            [pseudonyms_of(patient) for patient in patients],
            observed(world, book, patients[0]),
            counterparties(patients[0]),
            [{_sender(one) for one in signed} for signed in book],
        )
    )
    return _TOLD[0]


def pseudonyms_of(patient: Patient) -> list[str]:
    return [each.pseudonym for each in patient.vault.accounts.values() if each.version]


def _sender(one: Signed) -> str:
    return str(getattr(one.message, "pseudonym", "") or one.message.sender)  # type: ignore[attr-defined]


def counterparties(patient: Patient) -> dict[str, set[Any]]:
    """By pseudonym, the members and readers that the chain names together with it."""
    others: dict[str, set[Any]] = defaultdict(set)
    members = {patient.chain.member_account(number): number for number in (1, 2)}
    for contract, names in FOLLOWED.items():
        for name in names:
            for event in patient.chain.index.events(contract, name):
                arguments = dict(event.arguments)
                pseudonym = arguments.get("pseudonym") or arguments.get("from")
                for role in ("author", "reader", "to"):
                    if arguments.get(role):
                        others[pseudonym].add(members.get(arguments[role], arguments[role]))
    return others


# -- nothing is equal ------------------------------------------------------------------------------------------------


def large(value: Any) -> Iterator[str]:
    """Every value in something that is too long to be equal by chance: texts, byte strings, addresses, big numbers."""
    if is_dataclass(value) and not isinstance(value, type):
        for each in fields(value):
            yield from large(getattr(value, each.name))
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from large(each)
    elif isinstance(value, list | tuple | set):
        for each in value:
            yield from large(each)
    elif isinstance(value, bytes):
        # A signature's parts count by themselves.
        yield from (value[at : at + 32].hex() for at in range(0, len(value), 32) if len(value) - at >= 8)
    elif isinstance(value, str) and len(value) >= 8:
        yield value.lower().removeprefix("0x")
    elif isinstance(value, int) and value >= 1 << 64:
        yield f"{value:x}"


def observed(world: HealthWorld, book: list[tuple[Signed, ...]], patient: Patient) -> dict[str, set[str]]:
    """By pseudonym, every large value in what it sent, in what the chain told, and in the documents that it published;
    and in what both clinics read in these."""
    found: dict[str, set[str]] = defaultdict(set)
    for one in (one for signed in book for one in signed):
        found[_sender(one)] |= {*large(one.message), *large(one.signatures)}
        if digest := getattr(one.message, "bundle", None):
            found[_sender(one)] |= set(large_of_bundle(world, digest))
    for contract, names in FOLLOWED.items():
        for name in names:
            for event in patient.chain.index.events(contract, name):
                arguments = dict(event.arguments)
                if whose := arguments.get("pseudonym") or arguments.get("from"):
                    found[whose] |= set(large(arguments))
    return {pseudonym: values - WORDS - {pseudonym[2:].lower()} for pseudonym, values in found.items()}


def large_of_bundle(world: HealthWorld, digest: bytes) -> Iterator[str]:
    try:
        document = json.loads(world.store.get_digest(digest).read())
    except TheriacError:
        return
    yield from large({**document, "kind": "", "pseudonym": ""})
    for sealed in document["files"]:
        blob = base64.b64decode(sealed)
        # The header's stanza and the nonce of the payload.
        yield from (part.hex() for part in blob.split(b"\n")[1:3])
        for clinic in (world.clinic, world.hospital):
            try:
                rows = json.loads(documents.open_(blob, identities=[clinic.identity]))
            except TheriacError:
                continue
            yield from large([row["recipient"] for row in rows["rows"]])
            yield from large(rows["receipts"])
    for name in document["classes"]:
        try:
            yield from (part.hex() for part in world.store.get_digest(bytes.fromhex(name)).read().split(b"\n")[1:3])
        except TheriacError:
            continue


def equal(seen: Mapping[str, set[str]], pseudonyms: Iterable[str]) -> set[str]:
    """What stands under two pseudonyms of one patient."""
    return {value for one, other in combinations(pseudonyms, 2) for value in seen[one] & seen[other]}


def test_pseudonyms__no_value_is_equal_under_two(told: Told) -> None:
    # property U1
    assert min(len(told.seen[each]) for pseudonyms in told.pseudonyms for each in pseudonyms) > 20

    assert [equal(told.seen, pseudonyms) for pseudonyms in told.pseudonyms] == [set()] * PATIENTS


def test_pseudonyms__no_connection_to_the_relay_carries_two(told: Told) -> None:
    # property U2
    assert len(told.carried) > 30

    assert {len(named) for named in told.carried} == {1}


def test_pseudonyms__each_has_one_counterparty(told: Told) -> None:
    # property U3
    counted = {len(told.others[each]) for pseudonyms in told.pseudonyms for each in pseudonyms}

    assert counted == {0, 1}


_HEAVY = [pytest.param(each, marks=pytest.mark.heavy) for each in ("a publisher", "a dummy", "a row")]


@pytest.mark.parametrize("planted", ["an inbox", "nothing", *_HEAVY])
def test_equal__finds_what_is_planted(world: HealthWorld, planted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # given: a client with a fault
    book: list[tuple[Signed, ...]] = []
    world.relay = WatchedRelay(world.relay, book)  # type: ignore[assignment]
    if planted == "a publisher":
        one = Vault().publisher(Account("0x" + "11" * 20, 0))
        monkeypatch.setattr(Vault, "publisher", lambda self, account: one)
    if planted == "a dummy":
        dummy = documents.seal(b"", to=world.doctor.identity.recipient)
        monkeypatch.setattr(bundles, "_dummies", lambda sizes, beside: [dummy])
    patient = world.patient(classes=(LAB,))
    if planted == "an inbox":
        for spare in patient.vault.spares:
            spare.inboxes = patient.vault.spares[0].inboxes
    if planted == "a row":
        for spare in patient.vault.spares:
            spare.trees = patient.vault.spares[0].trees

    # when
    for member in (1, 2):
        patient.introduce(member)

    # then
    found = equal(observed(world, book, patient), pseudonyms_of(patient))
    assert bool(found) is (planted != "nothing")


# -- what spreading hides --------------------------------------------------------------------------------------------


def test_rotations__at_once_give_every_pair_away__spread_out_they_are_lost_in_the_crowd(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # property U4
    # given: dummies cost most of the time, and no attack here counts files
    monkeypatch.setattr(bundles, "_CROWD", 1)
    plan = Plan(patients=10, rotating=6 * HOUR)
    dice = random.Random(11)
    monkeypatch.setattr(clients, "later", lambda now, spread: now + dice.randrange(spread) if spread else now)

    # when
    at_once = Population(plan).live()
    spread = Population(replace(plan, spread=24 * HOUR)).live()

    # then
    seen = at_once.seen(since=at_once.since)
    assert attack(seen, at_once.pairs, by_time).top > 0.9
    seen = spread.seen(since=spread.since)
    found = attack(seen, spread.pairs, by_time)
    assert crowd(seen, spread.pairs, within=24 * HOUR) > 7
    assert found.top < 0.4
    assert found.auc < 0.8

    # property U5: and no pseudonym is tied to home, and by it to all others, where it is first seen
    whole = spread.seen()
    assert attack(whole, spread.pairs, through_home(whole)).top < 0.4


# -- the schedule ----------------------------------------------------------------------------------------------------


def test_rotate_later__each_when_it_is_due__also_after_the_phone_was_off(world: HealthWorld) -> None:
    # given
    patient, clinic = world.patient(classes=(LAB,)), world.writer(world.clinic)
    desk = register(patient, clinic)
    patient.watch()
    before = {name: account.version for name, account in patient.vault.accounts.items()}
    patient.rotate_later(within=6 * HOUR)

    # when: not yet, then the phone was off for longer than that
    patient.vault.due = dict.fromkeys(patient.vault.due, world.now() + HOUR)
    early = patient.watch(spread=6 * HOUR).published
    saved = Vault.decode(patient.vault.encode())
    world.travel(7 * HOUR)
    patient.vault = saved
    patient._filing._vault = saved
    late = patient.watch(spread=6 * HOUR).published

    # then
    assert early == ()
    assert set(late) == {each.pseudonym for each in saved.written()}
    assert {tree.newest.number for each in saved.written() for tree in each.trees.values()} == {2}
    assert {saved.accounts[name].version - before[name] for name in late} == {1}
    assert saved.turning == []
    assert write(clinic, desk, b"after it")


def test_watch__spread__delays_lists_and_never_what_locks_out(world: HealthWorld) -> None:
    # given: a record to be listed, and a revoke that broke off before a clinic's rows were locked
    patient, clinic = world.patient(classes=(LAB,)), world.writer(world.clinic)
    desk = register(patient, clinic)
    write(clinic, desk, b"a result")

    # when
    listed_later = patient.watch(spread=6 * HOUR).published
    patient.vault.lock([str(LAB)], hour=patient.chain.hour())
    locked = patient.watch(spread=6 * HOUR).published

    # then
    assert listed_later == ()
    assert desk.pseudonym in locked


def test_revoke__spread__locks_at_once_and_sends_the_others_capsules_later(world: HealthWorld) -> None:
    # given
    patient, clinic = world.patient(classes=(LAB,)), world.writer(world.clinic)
    desk = register(patient, clinic)
    gone = patient.grant(world.doctor.address, classes=[LAB], purpose=TREAT, end=world.in_days(30))
    kept = patient.grant(world.colleague.address, classes=[LAB], purpose=TREAT, end=world.in_days(30))
    version = patient.vault.accounts[kept.pseudonym].version
    doctor, colleague = world.reader(world.doctor, "doctor"), world.reader(world.colleague, "colleague")
    doctor.learn(gone.pseudonym)

    # when
    patient.revoke(world.doctor.address, purpose=TREAT, spread=6 * HOUR)
    digest = write(clinic, desk, b"after the revoke")

    # then: who is revoked is shut out, who remains reads on by the clinic's bundle, and hers comes later
    doctor.learn(gone.pseudonym)
    with pytest.raises(TheriacError):
        doctor.unsafe_try(gone.pseudonym, digest)
    colleague.learn(kept.pseudonym)
    assert colleague.open(kept.pseudonym, digest, purpose=TREAT).read() == b"after the revoke"
    assert patient.vault.accounts[kept.pseudonym].version == version
    world.travel(6 * HOUR)
    assert kept.pseudonym in patient.watch(spread=6 * HOUR).published


# -- pseudonyms that lie ready ---------------------------------------------------------------------------------------


def test_introduce__by_a_pseudonym_that_lay_ready__publishes_it_alone(world: HealthWorld) -> None:
    # given
    book: list[tuple[Signed, ...]] = []
    world.relay = WatchedRelay(world.relay, book)  # type: ignore[assignment]
    patient = world.patient(classes=(LAB,))
    book.clear()

    # when
    introduction = patient.introduce(1)

    # then
    [(one,)] = book
    assert one.message.pseudonym == introduction.pseudonym  # type: ignore[attr-defined]


def test_recover__from_a_backup_in_which_it_still_lay_ready__finds_what_was_written_there(world: HealthWorld) -> None:
    # given: a clinic that wrote under a pseudonym which the only backup has as a spare
    patient, clinic = world.patient(classes=(LAB,)), world.writer(world.clinic)
    sealed = Vault.decode(patient.vault.encode())
    desk = register(patient, clinic)
    digest = write(clinic, desk, b"a result")

    # when: the phone is lost, and she introduces herself once more
    patient.vault = sealed
    patient._filing._vault = sealed
    patient.recover()
    patient.watch()
    again = patient.introduce(1)
    patient.watch()

    # then: it is the same pseudonym, what was written is hers, and nobody else is ever given it
    assert again.pseudonym == desk.pseudonym
    [entry] = patient.vault.listed(source=desk.pseudonym)
    assert (entry.digest, patient.open(entry).read()) == (digest, b"a result")
    granted = patient.grant(world.doctor.address, classes=[LAB], purpose=TREAT, end=world.in_days(3))
    assert granted.pseudonym != desk.pseudonym


def test_spares__after_a_loss_a_theft_or_an_erasure__have_other_seeds(world: HealthWorld) -> None:
    patient, clinic = world.patient(classes=(LAB,)), world.writer(world.clinic)
    register(patient, clinic)
    acts: list[Any] = [
        patient.recover,
        patient.revoke_all,
        lambda: patient.erase([LAB], lock=quick_lock()),
    ]

    for act in acts:
        before = {seed for spare in patient.vault.spares for seed in spare.inboxes.values()}
        act()
        after = {seed for spare in patient.vault.spares for seed in spare.inboxes.values()}
        assert after
        assert not before & after


def test_store__holds_nothing_of_a_pseudonym_that_lies_ready(world: HealthWorld) -> None:
    patient = world.patient(classes=(LAB,))

    for path in (world.folder / "store").rglob("*"):
        if path.is_file():
            content = path.read_bytes().lower()
            assert [each for each in patient.vault.spares if each.pseudonym.lower().encode() in content] == []
