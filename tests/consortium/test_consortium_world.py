"""`ape run consortium`: a small world is brought up, interrupted and ended, and a grant works between two nodes."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from engines.cluster import peer
from engines.kaia import network
from engines.kubo import node
from scripts._story import Story, tell
from scripts._world import MEMBERS, World
from theriac.store.cid import Cid

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        not all(each.exists() for each in (node.BINARY, peer.BINARY, network.BINARY, network.FOLLOWER)),
        reason="needs Kubo, IPFS Cluster and Kaia: run `make engines`, which needs Go 1.26",
    ),
]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Brought up by a command that is killed while it deploys, and by the same command again."""
    # Short, as the socket of a node lies in it.
    with tempfile.TemporaryDirectory(prefix="th-") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("THERIAC_HOME", folder)
        world = World()
        try:
            killed_while_deploying(world)
            done("up")
            yield world
        finally:
            world.consortium.stop()


def killed_while_deploying(world: World) -> None:
    code = "from scripts.consortium import cli; cli(['up'])"
    command = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    written = world.folder / "board" / "home" / "deployments" / "consortium.json"
    deadline = time.monotonic() + 300
    while not (written.exists() and len(json.loads(written.read_bytes())["contracts"]) >= 5):
        assert command.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.1)
    command.send_signal(signal.SIGKILL)
    command.wait()


def done(*words: str) -> str:
    from scripts.consortium import cli

    called = CliRunner(mix_stderr=False).invoke(cli, list(words))
    assert called.exit_code == 0, called.stderr
    return called.stdout


def offline(world: World, name: str, what: str, record: str) -> bool:
    """Whether a node holds a record's file itself; it asks no other."""
    organisation = world.consortium.organisations[name]
    port = {"store": organisation.ports.store_api, "guests": organisation.ports.guests_api}[what]
    cid = Cid.raw(bytes.fromhex(record))
    request = urllib.request.Request(f"http://127.0.0.1:{port}/api/v0/block/stat?arg={cid}&offline=true", method="POST")
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return bool(json.load(answer)["Size"])
    except urllib.error.HTTPError:
        return False


def members(world: World) -> list[dict[str, Any]]:
    from scripts.board import cli

    with world.board.at():
        called = CliRunner(mix_stderr=False).invoke(cli, ["list", "--json"])
    assert called.exit_code == 0, called.stderr
    found: list[dict[str, Any]] = json.loads(called.stdout)
    return found


def lives(pid: int | None) -> bool:
    """Whether a process runs: one that ended and that nobody asked about yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture(scope="module")
def told(world: World) -> dict[str, Any]:
    return tell(world)


def test_up__killed_while_it_deployed__goes_on_and_founds_nothing_twice(world: World) -> None:
    # then every member once, with a licence and a name, and one deployment for all of them
    assert [(each["member"], each["name"], each["standing"]) for each in members(world)] == [
        (number, each.name, True) for number, each in enumerate(MEMBERS, 1)
    ]
    files = [place.home / "deployments" / "consortium.json" for place in world.places()]
    assert len({each.read_bytes() for each in files}) == 1
    with world.board.site() as site:
        made = site.web3.eth.get_transaction_count(site.signer(str(world.board.keystore)).address)
    # Two contracts are made by others; four members were admitted.
    assert made == len(json.loads(files[0].read_bytes())["contracts"]) - 2 + len(MEMBERS)


def test_story__a_grant_works_between_two_organisations_nodes(world: World, told: dict[str, Any]) -> None:
    # then what the clinic wrote came to the hospital, and the next result did not
    assert Path(told["read"]).read_bytes() == Path(told["written"]).read_bytes()
    assert "nothing is granted" in told["refusal"]
    read, refused = told["records"]

    # then the file came over the peering when it was read, and not before: what was refused never came
    assert (offline(world, "city", "store", read), offline(world, "city", "store", refused)) == (True, False)


def test_story__each_record_is_kept_by_two_organisations(world: World, told: dict[str, Any]) -> None:
    for record in told["records"]:
        assert offline(world, "north", "store", record)
        # The copy follows what was put.
        deadline = time.monotonic() + 90
        while not offline(world, "corner", "guests", record):
            assert time.monotonic() < deadline
            time.sleep(0.5)


def test_up__nothing_but_peers_is_reached_from_elsewhere_and_nothing_secret_is_readable(world: World) -> None:
    # given the sockets that listen, by the kernel's own table: a hexadecimal address and port, and 0A for listening
    listening = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for row in Path(table).read_text().splitlines()[1:]:
            fields = row.split()
            address, port = fields[1].split(":")
            if fields[3] == "0A":
                listening.add((address, int(port, 16)))
    loopback = "0100007F"

    for organisation in world.consortium.organisations.values():
        for what, port in vars(organisation.ports).items():
            found = {address for address, at in listening if at == port}
            # Kaia listens everywhere and talks to loopback alone.
            assert what == "chain" or found <= {loopback}, (organisation.name, what, found)

    # then whoever is not the owner reads nothing
    assert stat.S_IMODE(world.folder.stat().st_mode) == 0o700
    secret = ("nodekey", "bls-nodekey", "identity.json", "service.json", "passphrase", "identity", "node.ipc")
    for path in world.folder.rglob("*"):
        if path.name in secret or path.suffix == ".env" or path.parent.name == "keys":
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_up__no_secret_stands_in_a_list_of_processes(world: World) -> None:
    # given
    secrets = {place.settings["THERIAC_PASSPHRASE"] for place in world.places()}
    secrets |= {each.secret for each in world.consortium.organisations.values() if each.store is not None}
    pids = [daemon.pid for each in world.consortium.organisations.values() for daemon in each.daemons().values()]
    assert len(pids) == 16

    # then
    for pid in pids:
        seen = Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
        assert not [each for each in secrets if each.encode() in seen]


def test_up__a_stranger_gets_nothing_that_steers_a_node(world: World) -> None:
    # given what a page in a browser, or another user of the machine, can ask
    north = world.consortium.organisations["north"].kaia

    # then
    for method in (
        "admin_addPeer",
        "governance_vote",
        "debug_setHead",
        "personal_listAccounts",
        "istanbul_getValidators",
    ):
        with pytest.raises(Exception, match="does not exist/is not available"):
            north.ask(method)
    request = urllib.request.Request(
        north.url, b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}', {"Host": "evil.example"}
    )
    request.add_header("Content-Type", "application/json")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)
    assert refused.value.code == 403


def test_up__a_web_page_on_the_machine_orders_no_store_to_give_up_anything(world: World, told: dict[str, Any]) -> None:
    # given what a page of any site can have a browser send without asking first: a POST with its Origin
    north = world.consortium.organisations["north"]
    cid, page = Cid.raw(bytes.fromhex(told["records"][0])), {"Origin": "https://evil.example"}
    node, peer_ = f"http://127.0.0.1:{north.ports.store_api}", f"http://127.0.0.1:{north.ports.cluster_api}"

    # then
    for url in (f"{node}/api/v0/pin/rm?arg={cid}", f"{node}/api/v0/repo/gc", f"{peer_}/pins/{cid}/remove"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(urllib.request.Request(url, b"", page, method="POST"), timeout=10)
        assert refused.value.code in (403, 404, 405), url
    # A browser asks before it sends a DELETE, and is not told that it may.
    asking = page | {"Access-Control-Request-Method": "DELETE"}
    preflight = urllib.request.Request(f"{peer_}/pins/{cid}", headers=asking, method="OPTIONS")
    try:
        headers = urllib.request.urlopen(preflight, timeout=10).headers
    except urllib.error.HTTPError as refusal:
        headers = refusal.headers
    assert headers["Access-Control-Allow-Origin"] is None

    # then it is still there, and pinned
    assert offline(world, "north", "store", told["records"][0])


def test_down_and_up__leaves_nothing_running_and_finds_everything(world: World, told: dict[str, Any]) -> None:
    # given a grant that stands
    city = MEMBERS[1]
    doctor, patients = world.staff(city, city.staff[0]), world.patients
    story = Story(world)
    from scripts._accounts import address_of

    okafor = address_of(str(doctor.keystore), play=False)
    again = ["--class", "laboratory/N", "--days", "3", "--yes"]
    story.run(patients, "patient", "grant", okafor, "--as", told["patient"], *again)
    before = members(world)
    written = (world.board.home / "deployments" / "consortium.json").read_bytes()
    pids = [daemon.pid for each in world.consortium.organisations.values() for daemon in each.daemons().values()]

    # when
    done("down")

    # then no process is left, and nobody listens
    assert not [pid for pid in pids if lives(pid)]
    for organisation in world.consortium.organisations.values():
        for port in vars(organisation.ports).values():
            with socket.socket() as line:
                assert line.connect_ex(("127.0.0.1", port)) != 0, (organisation.name, port)
    assert world.remains() == []
    stopped = json.loads(done("status", "--json"))
    assert not any(any(each["running"].values()) for each in stopped["organisations"])

    # when
    begun = time.monotonic()
    done("up")
    took = time.monotonic() - begun

    # then it is all there, and the doctor still reads
    assert (members(world), (world.board.home / "deployments" / "consortium.json").read_bytes()) == (before, written)
    grants = json.loads(story.run(doctor, "clinic", "patients", "--json"))["grants"]
    [pseudonym] = {each["pseudonym"] for each in grants if each["now"] == "open"}
    read = doctor.folder / "again.json"
    story.run(doctor, "clinic", "open", pseudonym, told["records"][1], "-o", str(read))
    assert json.loads(read.read_bytes())["valueQuantity"]["value"] == 5.9
    print(f"\nup again: {took:.1f} s")
