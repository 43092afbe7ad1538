"""Whom a node of Kubo asks for a file: those that it was told to stay with, and others only in its own network."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from namespaces import MISSING, ROOT, Namespaces, can_make

from engines.cluster import peer
from engines.kubo import node
from engines.organisation import Organisation

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(
        not node.BINARY.exists() or not peer.BINARY.exists(),
        reason="needs Kubo and IPFS Cluster: run `make engines`, which needs Go 1.26",
    ),
    pytest.mark.skipif(not can_make(), reason=MISSING),
]

START = "Organisation(Path(sys.argv[1])).start_store()"
PUT = "print(store.put(io.BytesIO(b'a sealed profile')))"
GET = "print(store.get(Cid.parse(sys.argv[2])).read().decode())"
TAKE_IN = (
    "organisation = Organisation(Path(sys.argv[1]));"
    "organisation.meets(Card('new', False, '', sys.argv[2], sys.argv[3]))"
)


def run(net: Namespaces, name: str, code: str, *words: str) -> "subprocess.CompletedProcess[str]":
    """Runs Python on a machine, with the store of its organisation at hand."""
    begin = (
        "import io, sys; from datetime import timedelta; from pathlib import Path;"
        "from engines.organisation import Organisation; from theriac.consortium.peers import Card;"
        "from theriac.store import Cid; from theriac.store.kubo import KuboStore;"
        "store = KuboStore('/ip4/127.0.0.1/tcp/5001', timeout=timedelta(seconds=4));"
    )
    command = ["ip", "netns", "exec", net.namespace(name), sys.executable, "-W", "ignore", "-c", begin + code, *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="th-"))
    yield made
    for path in made.glob("*/organisation.json"):
        Organisation(path.parent).stop()
    shutil.rmtree(made, ignore_errors=True)


def test_meets__a_newcomer__has_what_it_writes_read_at_once(folder: Path) -> None:
    with Namespaces(["old", "new"]) as net:
        # given a newcomer that stays with an older organisation, which was never told of it
        old, new = (Organisation.lay(folder / name, name=name, host=net.host(name)) for name in ("old", "new"))
        for each in (old, new):
            each.make_keys()
        new.knows([old.card])
        for name in ("old", "new"):
            started = run(net, name, START, str(folder / name))
            assert started.returncode == 0, started.stderr
        written = run(net, "new", PUT, str(folder / "new")).stdout.strip()
        assert written.startswith("bafkrei")

        # then they are connected, and yet the older one does not ask it: its address is not of a private network
        refused = run(net, "old", GET, str(folder / "old"), written)
        assert (refused.returncode, "NotStored" in refused.stderr) == (1, True), refused.stderr

        # when
        run(net, "old", TAKE_IN, str(folder / "old"), new.card.store, new.card.guests)

        # then
        read = run(net, "old", GET, str(folder / "old"), written)
        assert read.stdout.strip() == "a sealed profile", read.stderr
