"""The commands that tell and mend where files are, on real nodes, and what a command says of a file without a copy."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from store_members import BUILT, MISSING, PULSE, at_peers, eventually, put, rot, store_of

from engines.cluster.peer import Stores
from scripts._site import opened
from scripts.store import cli

pytestmark = [pytest.mark.engine, pytest.mark.skipif(not BUILT, reason=MISSING)]


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    with Stores(tmp_path_factory.mktemp("stores"), members=2, owners=[0], pulse=PULSE) as stores:
        yield stores


def run(*words: str, place: str | None = None) -> Result:
    return CliRunner().invoke(cli, words, env={"THERIAC_STORE": place})


def test_store__status_and_repair(stores: Stores, capsys: pytest.CaptureFixture[str]) -> None:
    # given a file that was copied, and one that was put while nobody could copy it
    member, keeper = stores.members[0], stores.members[1].keepers[0]
    with store_of(member) as store:
        kept = put(store, b"copied")
        eventually(lambda: len(at_peers(store, kept)) == 2)
    fine = run("status", place=member.place)
    keeper.kill()
    eventually(lambda: member.peer.met() == {member.peer.id})
    with ExitStack() as closing:
        lone = put(opened(member.place, closing), b"alone")  # type: ignore[arg-type]
    said = capsys.readouterr().err

    # when
    bad = run("status", place=member.place)
    as_json = run("status", "--all", "--json", place=member.place)
    failed = run("repair", place=member.place)
    keeper.start()
    stores.meet()
    repaired = run("repair", place=member.place)
    with store_of(member) as store:
        eventually(lambda: len(at_peers(store, lone)) == 2)
    well = run("status", "--all", place=member.place)

    # then
    assert (fine.exit_code, fine.output) == (0, "1 file, 0 with too few copies.\n")
    assert said.startswith("One file is on the own node only. The IPFS Cluster peer at /ip4/127.0.0.1/tcp/")
    assert said.endswith("Then run 'ape run store repair'.\n")
    assert bad.exit_code == 4
    assert f"{lone}  1 of 2  own node" in bad.output
    assert "Copies are missing; run 'ape run store repair' once the other members' peers run." in bad.output
    assert failed.exit_code == 4
    assert failed.output.splitlines()[0].startswith("Asked for copies of 0 files;")
    assert "2 files cannot be copied now. The IPFS Cluster peer at" in failed.output
    listed = {each["file"]: each for each in json.JSONDecoder().raw_decode(as_json.output)[0]["listed"]}
    assert listed[str(lone)] == {"file": str(lone), "copies": 1, "at": ["own node"], "not_at": {}}
    assert set(listed) == {str(kept), str(lone)}
    assert (repaired.exit_code, repaired.output.splitlines()[0].split(";")[0]) == (0, "Asked for copies of 1 file")
    assert well.exit_code == 0
    assert f"{lone}  2 of 2  own node, member-1" in well.output


def test_store__repair_verify__replaces_what_rotted(stores: Stores) -> None:
    # given one block that rots and has a copy, and one that has none
    member = stores.members[0]
    with store_of(member) as store:
        first = put(store, b"rots, and is elsewhere too")
        eventually(lambda: len(at_peers(store, first)) == 2)
        rot(member.node, b"rots, and is elsewhere too")

        # when
        mended = run("repair", "--verify", place=member.place)

        # then
        assert (mended.exit_code, mended.output.splitlines()[0]) == (0, "1 block had rotted, 0 could not be replaced.")
        assert store.get(first).read() == b"rots, and is elsewhere too"


@pytest.mark.heavy
def test_store__repair_verify__what_nobody_else_has__is_said(stores: Stores) -> None:
    # given
    node = stores.members[0].node
    with ExitStack() as closing:
        store = opened(node.api, closing)
        lost = put(store, b"rots, and is nowhere else")  # type: ignore[arg-type]
        rot(node, b"rots, and is nowhere else")

        # when
        failed = run("repair", "--verify", place=node.api)
        store.unpin(lost)

    # then
    assert failed.exit_code == 4
    assert failed.output.splitlines() == [
        "1 block had rotted, 1 could not be replaced.",
        f"No other node gave {lost}; try again when more members run.",
    ]


@pytest.mark.parametrize("words", [("status",), ("repair",)])
def test_store__that_has_no_copies__says_so(stores: Stores, tmp_path: Path, words: tuple[str, ...]) -> None:
    nowhere = run(*words)
    folder = run(*words, place=str(tmp_path / "store"))
    node = run(*words, place=stores.members[0].node.api)
    dead = run(*words, place="/ip4/127.0.0.1/tcp/9,/ip4/127.0.0.1/tcp/9")
    wrong = run(*words, place=f"{stores.members[0].guests.api},{stores.members[0].peer.api}")

    assert [each.exit_code for each in (nowhere, folder, node, dead, wrong)] == [2, 2, 2, 4, 2]
    assert nowhere.output.startswith("Say which store: --store ")
    assert "is a folder of this machine" in folder.output
    assert node.output.startswith("Nobody keeps copies for this store; name")
    assert "does not answer (Connection refused)" in dead.output
    assert "could unpin your own records there" in wrong.output
    assert all(each.output.count("\n") == 1 for each in (nowhere, folder, node, dead, wrong))
