"""A health centre sends check-ups up: about five in a hundred go to a hospital, which sends them back.

Every patient is a real one: a vault, a wallet, bundles, grants and records on the embedded chain. Six take part here;
THERIAC_CHECKUPS=20 plays twenty, of whom one, five in a hundred, is referred: docs/using.md has what it prints.
"""

import os
from dataclasses import dataclass
from typing import Any

from health_world import HOUR, LAB, TREAT, HealthWorld, piece, register, write

from theriac.health import referrals
from theriac.health.hours import time_of
from theriac.health.messages import member_address
from theriac.health.programmes import Member, Note, Programme, Step, Taken, Team
from theriac.ledger.sender import Sender

COUNT = int(os.environ.get("THERIAC_CHECKUPS", "6"))

STEPS = (
    Step("checkup", "Check-up", "health centre", 30),
    Step("told", "Result told", "health centre", 14, after="checkup"),
    Step("hospital", "Seen at the hospital", "hospital", 28, after="checkup", optional=True),
    Step("back", "Back at the health centre", "health centre", 14, after="hospital"),
)


@dataclass
class Town:
    """A health centre (the clinic) with a programme, a hospital, and those who take part."""

    world: HealthWorld
    programme: Programme
    team: Team
    patients: dict[str, Any]

    def note(self, name: str, step: str, *, needed: bool = False) -> None:
        member = self.member(name)
        hour = self.patients[name].chain.hour()
        self.team.note(member, Note(member.taken.pseudonym, member.taken.by, step, hour, needed))

    def member(self, name: str) -> Member:
        return self.team.member(name)

    def lost(self) -> set[tuple[str, str]]:
        now = next(iter(self.patients.values())).chain.hour()
        everyone = self.team.everyone()
        return {(each.name, at.step.name) for each in everyone for at in each.standing(now) if at.state == "lost"}


def test_checkups__five_in_a_hundred_go_up_and_come_back(world: HealthWorld) -> None:
    # given a programme, and who takes part
    programme = Programme("Check-up", world.clinic.member, world.clinic.address, "TREAT", (str(LAB),), STEPS)
    team = Team(world.folder / "team", identity=world.clinic.identity)
    town = Town(world, programme.signed(world.clinic.signer), team, {})
    desk, gateway = world.writer(world.clinic, "clinic"), world.reader(world.clinic, "gateway")
    sick = max(1, COUNT * 5 // 100)
    records = {}
    for number in range(COUNT):
        name = f"patient {number}"
        patient = world.patient(name, single=True, classes=(LAB,))
        known = register(patient, desk, name=name)
        records[name] = write(desk, known, b"liver values of " + name.encode(), title=name)
        patient.watch()
        enrolment = patient.others.enrol(
            town.programme.encode(),
            member_address(world.clinic.member),
            name="health centre",
            classes=(LAB,),
            purpose=TREAT,
            end=world.in_days(200),
        )
        town.patients[name] = patient
        taken = Taken(enrolment.pseudonym, enrolment.by, enrolment.salt, enrolment.start, enrolment.end)
        team.enrol(taken, town.programme, name=name)

    # when each is seen, one never comes, and some are referred, of whom all phones are off
    names = list(town.patients)
    absent, referred = names[-1], names[:sick]
    sender = Sender(world.web3, world.clinic.signer, outbox=None)
    for name in names[:-1]:
        town.note(name, "checkup")
        if name not in referred:
            town.note(name, "told")
            continue
        pseudonym = town.member(name).taken.pseudonym
        gateway.learn(pseudonym)
        ends = referrals.ends_of(gateway, pseudonym, through=member_address(world.clinic.member), purpose=TREAT)
        referrals.refer(
            gateway,
            sender,
            pseudonym=pseudonym,
            to=member_address(world.hospital.member),
            purpose=TREAT,
            classes=(LAB,),
            end=time_of(ends[3]),
            reason="please look at the liver",
        )
        town.note(name, "told")
        town.note(name, "hospital", needed=True)

    # then the hospital opens exactly those who were referred, writes, and sends them back
    hospital, ward = world.writer(world.hospital, "hospital"), world.reader(world.hospital, "ward")
    letters = referrals.taken(ward)
    assert {each.pseudonym for each in letters} == {town.member(name).taken.pseudonym for name in referred}
    reports = {}
    for letter in letters:
        [name] = [each for each in referred if town.member(each).taken.pseudonym == letter.pseudonym]
        with ward.open(letter.pseudonym, records[name], purpose=TREAT).content as content:
            assert content.read() == b"liver values of " + name.encode()
        chart = hospital.register_referred(letter.pseudonym, name=name)
        [report] = hospital.write(chart, [piece(b"gallstones", cls=LAB, title="report")])
        referrals.refer_back(
            ward,
            Sender(world.web3, world.hospital.signer, outbox=None),
            letter,
            records=[report.digest],
            note="back to you",
        )
        reports[name] = report.digest
    for name in names:
        if name not in referred:
            refusal = ward.chain.explain(town.member(name).taken.pseudonym, world.hospital.address, 1 << 4, TREAT)
            assert refusal.name == "NO_GRANT"

    # then the health centre reads the reports, once the phones were on
    back = referrals.returned(gateway)
    assert {each.records for each in back} == {(digest,) for digest in reports.values()}
    for name, digest in reports.items():
        town.patients[name].watch()
        pseudonym = town.member(name).taken.pseudonym
        gateway.learn(pseudonym)
        with gateway.open(pseudonym, digest, purpose=TREAT).content as content:
            assert content.read() == b"gallstones"
        town.note(name, "hospital")
        town.note(name, "back")

    # then, weeks later, only the one who never came is lost
    assert town.lost() == set()
    world.travel(31 * 24 * HOUR)
    assert town.lost() == {(absent, "checkup")}
    states = [at.state for name in names for at in town.member(name).standing(town.patients[name].chain.hour())]
    print(
        f"{COUNT} check-ups, {sick} referred, {len(back)} sent back, {len(town.lost())} lost on the way; "
        f"{states.count('done')} steps done"
    )
