"""A fifth organisation joins four by the board's invitation, each on a machine of its own: a network namespace."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from eth_account import Account
from namespaces import MISSING, Inside, Namespaces, can_make

from engines.cluster import peer
from engines.consortium import Consortium
from engines.kaia import network
from engines.kubo import node
from engines.organisation import Organisation, side_by_side
from scripts._world import make_account
from theriac.consortium.invitation import Invitation, Request
from theriac.ledger.signer import KeySigner

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(
        not all(each.exists() for each in (node.BINARY, peer.BINARY, network.BINARY, network.FOLLOWER)),
        reason="needs Kubo, IPFS Cluster and Kaia: run `make engines`, which needs Go 1.26",
    ),
    pytest.mark.skipif(not can_make(), reason=MISSING),
]

FOUNDERS = ("north", "city", "corner", "harbour")
PASSPHRASE = "a passphrase of the tests"
RESULT = {
    "resourceType": "Observation",
    "status": "final",
    "category": [
        {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]}
    ],
    "code": {"coding": [{"system": "http://loinc.org", "code": "4548-4"}]},
    "effectiveDateTime": "2026-05-04",
}


@dataclass
class Land:
    """Five machines; four run a consortium, with a clinic, a hospital and one patient who has one record."""

    folder: Path
    net: Namespaces
    north: Inside
    city: Inside
    corner: Inside
    lakeside: Inside
    patient: Inside
    record: str = ""
    content: bytes = b""

    def organisation(self, name: str) -> Organisation:
        return Organisation(self.folder / name)

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def invited(self, name: str = "lakeside") -> Invitation:
        return Invitation.read(Path(self.path(f"{name}.invitation")).read_bytes())


def settings(folder: Path, name: str, account: str, *, who: str) -> dict[str, str]:
    """What a shell of an organisation, or of somebody at it, has in its environment."""
    home = folder / name
    found = {
        "THERIAC_HOME": str(home / "home"),
        "THERIAC_NETWORK": "ethereum:consortium:http://127.0.0.1:8551",
        "THERIAC_STORE": "/ip4/127.0.0.1/tcp/5001,/ip4/127.0.0.1/tcp/9094",
        "THERIAC_ACCOUNT": str(home / "keys" / f"{account}.json"),
        "THERIAC_PAYER": str(home / "keys" / f"{account}.json"),
        "THERIAC_AS": who,
        "THERIAC_NODES": str(home),
        "THERIAC_PASSPHRASE": PASSPHRASE,
    }
    # Whoever asks to enter has locked its account by a passphrase of its own.
    opener = PASSPHRASE if account == "lakeside" else (home / "keys" / "passphrase").read_text().strip()
    return found | {f"APE_ACCOUNTS_{account}_PASSPHRASE": opener}


@pytest.fixture(scope="module")
def land() -> Iterator[Land]:
    # Short, as the sockets of nodes lie in it.
    folder = Path(tempfile.mkdtemp(prefix="th-"))
    with Namespaces([*FOUNDERS, "lakeside"]) as net:
        try:
            yield founded(folder, net)
        finally:
            for name in (*FOUNDERS, "lakeside"):
                if (folder / name / "organisation.json").exists():
                    Organisation(folder / name).stop()
            shutil.rmtree(folder, ignore_errors=True)


def within(net: Namespaces, name: str, act: str, folder: Path) -> None:
    """Runs `engines.organisation` on an organisation's machine."""
    command = ["ip", "netns", "exec", net.namespace(name), sys.executable, "-m", "engines.organisation", act]
    command.append(str(folder))
    done = subprocess.run(command, cwd=Path(__file__).resolve().parents[2], capture_output=True, text=True)
    assert done.returncode == 0, (name, act, done.stderr)


def founded(folder: Path, net: Namespaces) -> Land:
    # given the nodes of four, each started on its machine
    Consortium(folder, hosts=[net.host(name) for name in FOUNDERS]).found()
    side_by_side([lambda name=name: within(net, name, "start", folder / name) for name in FOUNDERS])  # type: ignore[misc]

    # given a board, and two members with what they need to work
    for name, account in (("north", "board"), ("north", "north"), ("city", "city"), ("north", "payer")):
        make_account(folder / name / "keys", account)
    land = Land(
        folder,
        net,
        north=net.inside("north", settings(folder, "north", "north", who="clinic")),
        city=net.inside("city", settings(folder, "city", "city", who="clinic")),
        corner=net.inside("corner", {"THERIAC_NODES": str(folder / "corner")}),
        lakeside=net.inside("lakeside", settings(folder, "lakeside", "lakeside", who="clinic")),
        patient=net.inside("north", settings(folder, "north", "payer", who="ann")),
    )
    board = settings(folder, "north", "board", who="clinic")
    land.north.done("deploy", "--yes", **board)
    deployed = folder / "north" / "home" / "deployments" / "consortium.json"
    target = folder / "city" / "home" / "deployments"
    target.mkdir(parents=True)
    shutil.copy(deployed, target)
    for name in ("north", "city"):
        account = json.loads((folder / name / "keys" / f"{name}.json").read_bytes())["address"]
        account = "0x" + account.removeprefix("0x")
        roles = ["--roles", "clinician,laboratory,gateway", "--until", "2040-01-01"]
        land.north.done("board", "admit", account, *roles, **board)
    land.north.done("clinic", "setup", "--name", "North Clinic")
    land.city.done("clinic", "setup", "--name", "City Hospital")

    # given a patient with a record at the clinic
    land.patient.done("patient", "init", "--as", "ann")
    land.patient.done("patient", "introduce", "--as", "ann", "--to", "1", "-o", land.path("ann.introduction"))
    land.north.done("clinic", "register", land.path("ann.introduction"), "--name", "ann")
    land.content = json.dumps(RESULT).encode()
    (folder / "result.json").write_bytes(land.content)
    sealed = land.north.done("clinic", "seal", "ann", land.path("result.json"), "--json").json
    [record] = sealed["records"]
    land.record = record["digest"]
    land.patient.done("patient", "watch", "--as", "ann")
    return land


@pytest.fixture(scope="module")
def asked(land: Land) -> Land:
    """Lakeside has made its keys, asked, and been invited; the hospital is to keep copies for it."""
    land.lakeside.done(
        *("member", "request", "--name", "lakeside", "--title", "Lakeside Hospice", "--roles", "clinician,gateway"),
        *("--host", land.net.host("lakeside"), "-o", land.path("lakeside.request")),
    )
    land.north.done(
        *("board", "invite", land.path("lakeside.request"), "--until", "2040-01-01", "--keeper", "2", "--yes"),
        *("-o", land.path("lakeside.invitation")),
        **settings(land.folder, "north", "board", who="clinic"),
    )
    return land


def join(land: Land, invitation: str, *, board: str = "", seconds: int = 90) -> Any:
    told = board or land.invited().signer
    given = ["--invitation", land.path(invitation), "--board", told, "--wait", str(seconds), "--json"]
    return land.lakeside.run("member", "join", *given)


def altered(land: Land, name: str, **others: Any) -> None:
    """The board's invitation with something else in it, which the board signs all the same: its key was stolen."""
    keys = land.folder / "north" / "keys"
    opener = (keys / "passphrase").read_text().strip()
    key = Account.decrypt(json.loads((keys / "board.json").read_bytes()), opener)
    changed = replace(land.invited(), **others)
    Path(land.path(name)).write_bytes(changed.signed(KeySigner(bytes(key))))


# -- before it joins: what it refuses --------------------------------------------------------------------------------


def test_join__told_of_another_board__is_refused_before_anything_is_made(asked: Land) -> None:
    # when
    said = join(asked, "lakeside.invitation", board="0x" + "11" * 20)

    # then
    assert (said.code, len(said.err.splitlines())) == (5, 1), said.err
    assert not (asked.folder / "lakeside" / "genesis.json").exists()


def test_join__by_a_file_that_was_changed__is_refused(asked: Land) -> None:
    # given
    values = json.loads(Path(asked.path("lakeside.invitation")).read_bytes())
    values["peers"][0]["chain"] = values["card"]["chain"]
    Path(asked.path("changed.invitation")).write_bytes(rfc8785.dumps(values))

    # when
    said = join(asked, "changed.invitation")

    # then
    assert (said.code, len(said.err.splitlines())) == (5, 1), said.err


def test_join__after_the_invitation_is_over__is_refused(asked: Land) -> None:
    altered(asked, "over.invitation", expires=int(time.time()) - 1)
    said = join(asked, "over.invitation")
    assert (said.code, len(said.err.splitlines())) == (3, 1), said.err


def test_join__by_an_invitation_to_another__is_refused(asked: Land) -> None:
    # given somebody else asked, and its invitation is used here
    ours = Request.read((asked.folder / "lakeside" / "request.json").read_bytes())
    altered(asked, "other.invitation", request="0" * 64)

    # when
    said = join(asked, "other.invitation")

    # then
    assert (said.code, ours.account in said.err) == (3, True), said.err


def test_join__of_a_genesis_that_is_not_the_contracts__is_refused(asked: Land) -> None:
    # given a first block that is a second later
    genesis = dict(asked.invited().genesis)
    altered(asked, "genesis.invitation", genesis=genesis | {"timestamp": hex(int(genesis["timestamp"], 16) + 1)})

    # when
    said = join(asked, "genesis.invitation")

    # then it is told so, and nothing of that chain is left to stand in the right one's way
    assert (said.code, len(said.err.splitlines())) == (2, 2), said.err
    assert "first block" in said.err
    assert not (asked.folder / "lakeside" / "genesis.json").exists()
    assert not any(each.running for each in asked.organisation("lakeside").daemons().values())


# -- joining ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def joined(asked: Land) -> Land:
    asked.city.done("member", "welcome", asked.path("lakeside.invitation"))
    said = join(asked, "lakeside.invitation")
    assert said.code == 0, said.err
    assert said.json["member"] == 3
    return asked


def test_join__syncs_gets_standing_and_publishes(joined: Land) -> None:
    # then its own node has what the others have
    own = joined.lakeside.done("member", "status", "--json").json
    theirs = joined.north.done("member", "status", "--json").json
    assert abs(own["height"] - theirs["height"]) <= 3
    assert own["peers"] >= 1
    assert (own["validates"], own["validators"]) == (False, theirs["validators"])

    # then others see its name, by their own nodes
    listed = joined.north.done("board", "list", "--json").json
    assert [(each["name"], each["standing"]) for each in listed][2] == ("Lakeside Hospice", True)


def test_join__again__changes_nothing(joined: Land) -> None:
    # given
    files = {
        path: path.read_bytes() for path in (joined.folder / "lakeside").rglob("*.json") if "keystore" not in str(path)
    }
    keys = {
        path: each for path, each in files.items() if path.name in ("lakeside.json", "request.json", "genesis.json")
    }

    # when
    said = join(joined, "lakeside.invitation")

    # then
    assert (said.code, said.json["member"]) == (0, 3)
    assert {path: path.read_bytes() for path in keys} == keys


def test_join__where_a_contract_has_other_code__is_refused_and_keeps_nothing_of_it(joined: Land) -> None:
    # given an invitation that calls another code the right one
    deployment = joined.invited().deployment
    other = replace(deployment["Grants"], code_hash="0x" + "11" * 32)
    changed = replace(deployment, contracts={**deployment.contracts, "Grants": other})
    altered(joined, "code.invitation", deployment=changed)
    kept = joined.folder / "lakeside" / "home" / "deployments" / "consortium.json"
    before = kept.read_bytes()

    # when
    said = join(joined, "code.invitation")

    # then
    assert (said.code, "Grants" in said.err) == (5, True), said.err
    assert kept.read_bytes() == before


def test_join__a_doctor_there_reads_what_the_patient_grants(joined: Land) -> None:
    # given a doctor whom the new member takes on
    make_account(joined.folder / "lakeside" / "keys", "doctor")
    doctor = settings(joined.folder, "lakeside", "doctor", who="doctor")
    member = settings(joined.folder, "lakeside", "lakeside", who="clinic")
    here = joined.lakeside
    here.done("clinic", "setup", "--name", "Dr Weiss", **doctor)
    wish = ["--member", "3", "--roles", "clinician", "-o", joined.path("weiss.join")]
    here.done("clinic", "join-request", *wish, **doctor)
    here.done("clinic", "take-on", joined.path("weiss.join"), **member)
    account = json.loads((joined.folder / "lakeside" / "keys" / "doctor.json").read_bytes())["address"]
    account = "0x" + account.removeprefix("0x")

    # when she grants at the other side of the net
    granted = ["--class", "laboratory/N", "--days", "3", "--yes"]
    joined.patient.done("patient", "grant", account, "--as", "ann", *granted)
    [grant] = here.done("clinic", "patients", "--json", **doctor).json["grants"]
    here.done("clinic", "open", grant["pseudonym"], joined.record, "-o", joined.path("read.json"), **doctor)

    # then
    assert Path(joined.path("read.json")).read_bytes() == joined.content

    # when she revokes
    joined.patient.done("patient", "revoke", account, "--as", "ann", "--yes")
    again = here.run("clinic", "open", grant["pseudonym"], joined.record, "-o", joined.path("again.json"), **doctor)

    # then
    assert (again.code, Path(joined.path("again.json")).exists()) == (3, False), again.err


def test_join__only_nodes_are_reached_from_another_machine(joined: Land) -> None:
    # given
    north, ports = joined.net.host("north"), joined.organisation("north").ports
    code = (
        "import json, socket, sys\n"
        "found = {}\n"
        "for port in map(int, sys.argv[2:]):\n"
        "    with socket.socket() as line:\n"
        "        line.settimeout(3)\n"
        "        found[port] = line.connect_ex((sys.argv[1], port)) == 0\n"
        "print(json.dumps(found))"
    )
    asking = ["ip", "netns", "exec", joined.net.namespace("lakeside"), sys.executable, "-c", code, north]
    asking += [str(each) for each in vars(ports).values()]

    # when
    done = subprocess.run(asking, capture_output=True, text=True, check=True)

    # then those of peers answer, and those of clients do not
    reached = {int(port): open_ for port, open_ in json.loads(done.stdout).items()}
    assert {name for name, port in vars(ports).items() if reached[port]} == {"chain", "store", "guests", "cluster"}


def test_welcome__of_an_invitation_that_the_board_did_not_sign__is_refused(joined: Land) -> None:
    # given one that a member signs in the board's place
    liar = KeySigner(bytes(Account.create().key))
    forged = replace(joined.invited(), signer=liar.address)
    Path(joined.path("forged.invitation")).write_bytes(forged.signed(liar))

    # when
    said = joined.city.run("member", "welcome", joined.path("forged.invitation"))

    # then
    assert (said.code, liar.address in said.err) == (5, True), said.err


def test_invite__a_request_with_the_nodes_of_a_member__is_refused(joined: Land) -> None:
    # given a newcomer that says that the hospital's node is its own
    own = Request.read((joined.folder / "lakeside" / "request.json").read_bytes())
    city = joined.organisation("city").card
    account = KeySigner(bytes(Account.create().key))
    lying = replace(own, account=account.address, card=replace(own.card, name="mallory", chain=city.chain))
    Path(joined.path("mallory.request")).write_bytes(lying.signed(account))

    # when
    said = joined.north.run(
        *("board", "invite", joined.path("mallory.request"), "--until", "2040-01-01", "--yes"),
        *("-o", joined.path("mallory.invitation")),
        **settings(joined.folder, "north", "board", who="clinic"),
    )

    # then nothing was sent, and nobody was admitted
    assert (said.code, Path(joined.path("mallory.invitation")).exists()) == (2, False), said.err
    assert len(joined.north.done("board", "list", "--json").json) == 3


def test_units__are_what_systemd_takes(joined: Land) -> None:
    # given
    folder = joined.folder / "lakeside" / "units"
    units = sorted(folder.glob("*.service"))
    assert [each.name for each in units] == [
        f"theriac-lakeside-{name}.service" for name in ("chain", "cluster", "guests", "store")
    ]
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze, of systemd, to check the units")

    # when
    told = subprocess.run(["systemd-analyze", "verify", *map(str, units)], capture_output=True, text=True)

    # then
    assert (told.returncode, told.stderr) == (0, "")
    assert all(PASSPHRASE not in path.read_text() for path in folder.iterdir())


# -- becoming a validator, and losing one ----------------------------------------------------------------------------


def test_vote__two_of_four_do_not_suffice_and_three_do__and_then_one_may_fail(joined: Land) -> None:
    # given
    corner = joined.organisation("corner")
    corner.knows([joined.organisation("lakeside").card])

    # when half of them vote
    for inside in (joined.north, joined.city):
        inside.done("member", "vote", "lakeside", "--yes")
    time.sleep(10)

    # then it is not in: it is told so, and goes on following
    assert len(joined.lakeside.done("member", "status", "--json").json["validators"]) == 4
    refused = joined.lakeside.run("member", "validate", "--yes")
    assert (refused.code, len(refused.err.splitlines())) == (3, 1), refused.err

    # when a third does
    joined.corner.done("member", "vote", "lakeside", "--yes")
    deadline = time.monotonic() + 60
    while len(joined.lakeside.done("member", "status", "--json").json["validators"]) < 5:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    joined.lakeside.done("member", "validate", "--yes")

    # then it seals: without it and one more, three of five are too few; with it, four go on
    joined.organisation("harbour").kaia.kill()
    begun = joined.north.done("member", "status", "--json").json["height"]
    deadline = time.monotonic() + 120
    while joined.north.done("member", "status", "--json").json["height"] < begun + 5:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    status = joined.lakeside.done("member", "status", "--json").json
    assert (status["validates"], len(status["validators"])) == (True, 5)


def test_namespaces__are_gone_with_what_ran_in_them() -> None:
    # given
    with Namespaces(["alone"]) as net:
        space = net.namespace("alone")
        left = subprocess.Popen(["ip", "netns", "exec", space, "sleep", "600"])
        time.sleep(0.2)

    # then
    assert left.wait(timeout=10) != 0
    assert space not in subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout
    assert not Path(f"/proc/{left.pid}").exists()
    assert os.geteuid() == 0
