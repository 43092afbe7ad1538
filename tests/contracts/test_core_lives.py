"""Random lives of two pseudonyms over Keys, Grants and Records, watched from outside.

Anybody does anything, mostly who may. There is no model of what is accepted: after each act what the contracts say is
held against what they said before, sentence by sentence of docs/properties.md. THERIAC_FUZZ_STEPS=2000 takes that many
steps, others each time.
"""

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import ape
from ape.exceptions import ContractLogicError
from contracts_world import HOUR, MEMBERS, ZERO, World, digest, sign
from eth_abi import decode
from eth_utils import to_checksum_address
from records.records_marks import Status

from theriac.health.messages import HandOver, member_address

PSEUDONYMS = ("patient", "sibling")
ANYBODY = (*PSEUDONYMS, "new_phone", "publisher", "stranger", "doctor", "colleague", "clerk", "recovery", "board")
READERS = {"doctor": MEMBERS.hospital, "nurse": MEMBERS.hospital, "colleague": MEMBERS.clinic}
GRANTEES = (*READERS, "the hospital")
PURPOSES = (1, 10)
CLASSES = (1, 2)
SCOPES = (1, 2, 3, 7)
DIGESTS = tuple(digest(f"record {number}") for number in range(4))
AUTHORS = (0, MEMBERS.hospital, MEMBERS.clinic)

AMENDS = {"disown": Status.DISOWNED, "supersede": Status.SUPERSEDED, "correct": Status.CORRECTED}
ONE_WAY = {
    Status.CURRENT: {Status.SUPERSEDED, Status.CORRECTED, Status.DISOWNED},
    Status.SUPERSEDED: {Status.DISOWNED},
    Status.CORRECTED: {Status.DISOWNED},
    Status.DISOWNED: set(),
}

# What is left to a pseudonym that is frozen, and what others do about it all the same.
LEFT_FROZEN = {"publish", "raiseEra", "revoke", "setFrozen", "recover", "anchor", "anchorInbox", "amend by a member"}
ANCHORS = {"anchor", "anchorInbox", "report"}


@dataclass(frozen=True)
class Sight:
    """All that the contracts say of one pseudonym."""

    controller: str
    era: int
    version: int
    frozen: bool
    publisher: tuple[str, int]
    digest: bytes
    grants: dict[tuple[str, int], tuple[int, ...]]
    allowed: dict[tuple[str, int, int], bool]
    records: dict[tuple[int, bytes], tuple[int, ...]]


@dataclass(frozen=True)
class Act:
    """What somebody asks of a contract; `grantee` is where the act is about one."""

    name: str
    of: str
    by: str
    call: Callable[..., Any]
    arguments: tuple[Any, ...]
    grantee: str = ""
    purpose: int = 0


def _part(answers: list[bytes], number: int) -> list[bytes]:
    """The answers about one of the pseudonyms."""
    each = len(answers) // len(PSEUDONYMS)
    return answers[number * each : (number + 1) * each]


@dataclass
class Life:
    """Two pseudonyms, whoever acts on them, and what was seen last."""

    world: World
    random: Random
    seen: dict[str, Sight] = field(default_factory=dict)
    told: Counter[tuple[str, bool]] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.seen = self.look()

    def address(self, name: str) -> str:
        if name == "the hospital":
            return member_address(MEMBERS.hospital)
        return str(self.world.people[name].address)

    def name_of(self, address: str) -> str:
        return next((name for name, account in self.world.people.items() if account.address == address), "")

    # -- what is seen ------------------------------------------------------------------------------------------------

    def look(self) -> dict[str, Sight]:
        """Everything in three calls, one to each contract."""
        keys, grants, records = self.world.keys, self.world.grants, self.world.records
        places = [(grantee, purpose) for grantee in GRANTEES for purpose in PURPOSES]
        questions = [(reader, scope, purpose) for reader in READERS for scope in CLASSES for purpose in PURPOSES]
        kept = [(author, each) for author in AUTHORS for each in DIGESTS]
        whose = [self.address(name) for name in PSEUDONYMS]
        told = self._ask(
            keys,
            [f.encode_input(who) for who in whose for f in (keys.authorityOf, keys.publisherOf, keys.digestOf)],
        )
        given = self._ask(
            grants,
            [grants.grantOf.encode_input(who, self.address(of), purpose) for who in whose for of, purpose in places],
        )
        answers = self._ask(
            grants,
            [
                grants.allowed.encode_input(who, self.address(of), scope, p)
                for who in whose
                for of, scope, p in questions
            ],
        )
        anchored = self._ask(records, [records.recordOf.encode_input(who, *place) for who in whose for place in kept])
        seen = {}
        for number, name in enumerate(PSEUDONYMS):
            controller, era, version, frozen = decode(["address", "uint32", "uint32", "bool"], told[3 * number])
            publisher = decode(["address", "uint32"], told[3 * number + 1])
            seen[name] = Sight(
                controller=to_checksum_address(controller),
                era=era,
                version=version,
                frozen=frozen,
                publisher=(to_checksum_address(publisher[0]), publisher[1]),
                digest=told[3 * number + 2],
                grants={
                    place: decode(["uint256"] * 7, answer)
                    for place, answer in zip(places, _part(given, number), strict=True)
                },
                allowed={asked: any(answer) for asked, answer in zip(questions, _part(answers, number), strict=True)},
                records={
                    place: decode(["uint256"] * 5, answer)
                    for place, answer in zip(kept, _part(anchored, number), strict=True)
                    if any(answer)
                },
            )
        return seen

    def _ask(self, target: Any, asked: list[bytes]) -> list[bytes]:
        return [bytes(each) for each in self.world.questions.ask(target, asked)]

    # -- what is done ------------------------------------------------------------------------------------------------

    def step(self) -> None:
        if self.random.random() < 0.1:
            self._time_passes()
            return
        act = self._chosen()
        before, world = self.seen, self.world
        try:
            receipt = act.call(*act.arguments, sender=world.people[act.by])
        except ContractLogicError:
            receipt = None
        self.seen = self.look()
        self.told[act.name, receipt is not None] += 1
        if receipt is None:
            # property H20: what is refused changes nothing
            assert self.seen == before, act
            return
        for name in PSEUDONYMS:
            if name != act.of:
                # properties H20, K7: nor does what is done to another pseudonym
                assert self.seen[name] == before[name], act
        self._keys(act, before[act.of], self.seen[act.of])
        self._grants(act, before[act.of], self.seen[act.of])
        self._records(act, before[act.of], self.seen[act.of], int(receipt.timestamp))

    def _time_passes(self) -> None:
        before = self.seen
        self.world.clock.travel(to=self.world.clock.now + self.random.choice([1, 5, 60]) * HOUR)
        self.seen = self.look()
        for name in PSEUDONYMS:
            old, new = before[name], self.seen[name]
            kept = (
                new.controller,
                new.era,
                new.version,
                new.frozen,
                new.publisher,
                new.digest,
                new.grants,
                new.records,
            )
            # property H20: time opens what begins and shuts what ends, and writes nothing
            assert kept == (
                *(old.controller, old.era, old.version, old.frozen, old.publisher, old.digest),
                *(old.grants, old.records),
            )

    def _chosen(self) -> Act:
        random, world = self.random, self.world
        of = random.choice(PSEUDONYMS)
        sight, pseudonym = self.seen[of], self.address(of)
        controller, clock = self.name_of(sight.controller), world.clock
        by = controller if random.random() < 0.8 else random.choice(ANYBODY)
        hour, now = clock.now // HOUR * HOUR, clock.now
        grantee, purpose, scope = random.choice(GRANTEES), random.choice(PURPOSES), random.choice(SCOPES)
        place = (pseudonym, self.address(grantee), purpose)
        end = hour + random.choice([1, 20, 200]) * HOUR
        version = sight.version + random.choice([0, 1, 1, 1, 1, 2])
        bundle = digest(f"bundle {random.random()}")
        some, other = random.sample(DIGESTS, 2)
        before = random.choice([now + HOUR, now + HOUR, now + HOUR, now])
        writer = random.choice(["doctor", "colleague", random.choice(ANYBODY)])
        keys, grants, records = world.keys, world.grants, world.records
        current = random.choice([sight.version, sight.version, sight.version, sight.version + 1])
        match random.choice(
            ["grant"] * 4 + ["narrow", "revoke", "publish", "publish", "rotate", "setPublisher", "anchor", "anchor"]
            + ["anchorInbox", "report", "report", "amend", "amend", "amend", "era", "hand over", "freeze", "recover"]
        ):  # fmt: skip
            case "grant":
                terms = (*place, scope, random.choice([0, hour, hour + 5 * HOUR]), end, 0)
                return Act("grant", of, by, grants.grant, (terms,), grantee, purpose)
            case "narrow":
                living = [each for each, given in sight.grants.items() if given[2] > now + 1]
                if living and random.random() < 0.8:
                    grantee, purpose = random.choice(living)
                    scope, end = (
                        sight.grants[grantee, purpose][0] & random.choice([1, 2, 7]),
                        sight.grants[grantee, purpose][2],
                    )
                arguments = (pseudonym, self.address(grantee), purpose, scope, end)
                return Act("narrow", of, by, grants.narrow, arguments, grantee, purpose)
            case "revoke":
                return Act("revoke", of, by, grants.revoke, place, grantee, purpose)
            case "publish":
                by = random.choice([by, self.name_of(sight.publisher[0]) or by])
                return Act("publish", of, by, keys.publish, (pseudonym, version, bundle))
            case "rotate":
                new = self.address(random.choice(["publisher", "stranger"]))
                return Act("rotate", of, by, keys.rotate, (pseudonym, version, bundle, new))
            case "setPublisher":
                new = random.choice([ZERO, self.address("publisher")])
                return Act("setPublisher", of, by, keys.setPublisher, (pseudonym, new))
            case "anchor":
                return Act("anchor", of, writer, records.anchor, (pseudonym, some, current, before))
            case "anchorInbox":
                return Act("anchorInbox", of, writer, records.anchorInbox, (pseudonym, [some]))
            case "report":
                return Act("report", of, by, records.report, (pseudonym, [some], current, before))
            case "amend":
                name = random.choice(list(AMENDS))
                author, some = random.choice(list(sight.records) or [(0, some)])
                by = {MEMBERS.hospital: "doctor", MEMBERS.clinic: "colleague"}.get(author, by)
                other = random.choice([other, *(each for whose, each in sight.records if whose == author)])
                arguments = (pseudonym, some) if name == "disown" else (pseudonym, some, other)
                named = "amend" if by == controller else "amend by a member"
                return Act(named, of, by, getattr(records, name), arguments)
            case "era":
                return Act("raiseEra", of, random.choice([by, random.choice(ANYBODY)]), keys.raiseEra, (pseudonym,))
            case "hand over":
                return self._hand_over(of, by, of if by == "new_phone" else "new_phone")
            case "freeze":
                frozen = not sight.frozen and random.random() < 0.5
                by = random.choice(["recovery", "recovery", by])
                return Act("setFrozen", of, by, keys.setFrozen, (pseudonym, frozen))
            case _:
                to = self.address(of if controller == "new_phone" else "new_phone")
                return Act("recover", of, random.choice(["recovery", by]), keys.recover, (pseudonym, to))

    def _hand_over(self, of: str, by: str, to: str) -> Act:
        sight, world = self.seen[of], self.world
        pseudonym, keep = self.address(of), self.random.random() < 0.5
        move = HandOver(
            *(pseudonym, self.address(to), ZERO, keep, sight.publisher[1], sight.era),
            world.clock.soon(),
        )
        signatures = [sign(move, by=world.people[each], contract=world.keys) for each in (by, to)]
        return Act("handOver", of, by, world.keys.handOver, move.arguments(*signatures))

    # -- what must hold ----------------------------------------------------------------------------------------------

    def _keys(self, act: Act, old: Sight, new: Sight) -> None:
        # property K1
        publishes = act.name in ("publish", "rotate")
        assert new.version == old.version + publishes, act
        assert (new.digest == old.digest) == (not publishes), act
        # property K3
        assert old.era <= new.era <= old.era + 1, act
        raised = new.era > old.era
        if raised:
            assert act.name in ("raiseEra", "handOver", "recover"), act
            assert not any(new.allowed.values()), act
            assert new.publisher[0] == ZERO or act.name == "handOver", act
        else:
            assert act.name != "raiseEra", act
        # property K4
        assert new.controller == old.controller or act.name in ("handOver", "recover"), act
        # property K2
        publisher = act.name == "publish" and act.by == self.name_of(old.publisher[0])
        if act.name in ("setFrozen", "recover"):
            assert act.by == "recovery", act
        elif act.name not in ("anchor", "anchorInbox", "amend by a member"):
            assert publisher or self.address(act.by) == old.controller, act
        # property K6
        assert not old.frozen or act.name in LEFT_FROZEN, act
        assert new.frozen == old.frozen or act.name in ("setFrozen", "recover"), act
        # property K8
        assert new.publisher[1] >= old.publisher[1], act
        assert new.publisher == old.publisher or new.publisher[1] > old.publisher[1], act
        assert not publisher or new.publisher == old.publisher, act

    def _grants(self, act: Act, old: Sight, new: Sight) -> None:
        named = (act.grantee, act.purpose)
        for place, was in old.grants.items():
            now = new.grants[place]
            if place == named:
                # property H10
                assert now[3] == was[3] + 1, (act, was, now)
            else:
                # properties H6, H10
                assert now == was, (act, place)
        if new.era > old.era:
            return
        reached = [name for name in READERS if name == act.grantee or act.grantee == "the hospital"]
        for (reader, scope, purpose), was in old.allowed.items():
            if purpose != act.purpose or reader not in reached:
                # property H6: a window may begin or end in the second of the act, which is on the hour
                edge = ape.chain.blocks.head.timestamp % HOUR <= 1
                assert new.allowed[reader, scope, purpose] == was or edge, (act, reader, scope, purpose)
            elif new.allowed[reader, scope, purpose]:
                # property H1: one grant has it, whole, and its window is open
                assert any(self._covers(new, grantee, scope, purpose) for grantee in (reader, "the hospital")), act

    def _covers(self, sight: Sight, grantee: str, scope: int, purpose: int) -> bool:
        granted, start, expiry, _, era, _, _ = sight.grants[grantee, purpose]
        now = ape.chain.blocks.head.timestamp
        return granted & scope == scope and start <= now < expiry and era == sight.era

    def _records(self, act: Act, old: Sight, new: Sight, now: int) -> None:
        for place, was in old.records.items():
            # property H14
            assert place in new.records, (act, place)
            time, version, author, status, marks = new.records[place]
            assert (time, version, author, marks) == (was[0], was[1], was[2], was[4]), (act, place)
            # property H15
            assert status == was[3] or Status(status) in ONE_WAY[Status(was[3])], (act, place)
            if status != was[3]:
                # property H16
                assert act.name.startswith("amend"), act
                assert place[0] == (0 if act.name == "amend" else READERS.get(act.by)), act
        for place in new.records.keys() - old.records.keys():
            assert act.name in ANCHORS, act
            time, version, author, status, _ = new.records[place]
            # property H12
            assert author == place[0] == (0 if act.name == "report" else READERS.get(act.by)), (act, place)
            assert (time, status) == (now, Status.CURRENT), act
            # property H13
            assert version == (0 if act.name == "anchorInbox" else old.version), act


def test_core__over_random_lives__keeps_to_the_numbered_sentences(world: World) -> None:
    steps = int(os.environ.get("THERIAC_FUZZ_STEPS", "0"))
    life = Life(world, Random() if steps else Random(1))

    for _ in range(steps or 150):
        life.step()

    # Of nearly every act some were done and some refused, or the life was none.
    names = {name for name, _ in life.told}
    assert len({name for name, done in life.told if done}) >= len(names) - 2
    assert len({name for name, done in life.told if not done}) >= len(names) - 4
