"""Kaia's nodes as a consortium runs them: who may ask what, and who follows without validating."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engines.kaia.network import APIS, BINARY, FOLLOWER, PUBLIC_APIS, KaiaNetwork, KaiaNode, Place
from engines.process import EngineError, free_port

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(
        not BINARY.exists() or not FOLLOWER.exists(),
        reason="Kaia is not built; run `make engine-kaia`, which needs Go 1.26.",
    ),
]


@pytest.fixture(scope="module")
def alone() -> Iterator[KaiaNetwork]:
    """A network of one validator, which needs nobody for its blocks."""
    # Short, as the sockets of nodes lie in it.
    with (
        tempfile.TemporaryDirectory(prefix="th-") as folder,
        KaiaNetwork(Path(folder) / "net", validators=1) as network,
    ):
        yield network


def joiner(network: KaiaNetwork, name: str, *, validates: bool) -> KaiaNode:
    """A node with a key of its own that knows the validator, and starts with its genesis."""
    node = KaiaNode(network.folder / name, place=Place.free(), validates=validates, apis=PUBLIC_APIS, steered=True)
    _ = node.key
    node.found(network.genesis)
    node.knows([network.nodes[0].enode])
    return node


def test_follower__follows_without_a_vote_and_a_validator_that_nobody_voted_for_does_not(alone: KaiaNetwork) -> None:
    # given
    follower, pretender = joiner(alone, "follower", validates=False), joiner(alone, "pretender", validates=True)
    try:
        # when
        follower.start()
        pretender.start()
        deadline = time.monotonic() + 60
        while follower.height() < alone.nodes[0].height() - 2 or follower.height() < 3:
            assert time.monotonic() < deadline, follower.daemon.said()
            time.sleep(0.2)

        # then
        assert (follower.peers(), pretender.height()) == (1, 0)
        assert follower.ask("eth_getBlockByNumber", "0x2", False) == alone.nodes[0].ask(
            "eth_getBlockByNumber", "0x2", False
        )
    finally:
        follower.stop()
        pretender.stop()


def test_interface__on_another_address_than_loopback__answers_no_more_than_anyone_may_ask(alone: KaiaNetwork) -> None:
    # given a node whose clients come from elsewhere, asked to offer everything
    place = Place("127.0.0.1", free_port(), free_port("127.0.0.2"), rpc_host="127.0.0.2")
    open_ = KaiaNode(alone.folder / "open", place=place, validates=False, apis=APIS)
    _ = open_.key
    open_.found(alone.genesis)
    open_.knows([alone.nodes[0].enode])
    try:
        open_.start()

        # then
        assert open_.ask("rpc_modules").keys() == {*PUBLIC_APIS.split(","), "rpc"}
        with pytest.raises(EngineError, match="not available"):
            open_.ask("admin_nodeInfo")
    finally:
        open_.stop()


def test_socket__answers_its_owner_what_the_net_is_refused(alone: KaiaNetwork) -> None:
    # given
    follower = joiner(alone, "follower", validates=False)
    try:
        follower.start()

        # then
        with pytest.raises(EngineError, match="not available"):
            follower.ask("istanbul_getValidators")
        assert [each.lower() for each in follower.steer("istanbul_getValidators")] == [alone.nodes[0].address.lower()]
        assert follower.socket.stat().st_mode & 0o077 == 0
        with pytest.raises(EngineError, match="governance_vote"):
            follower.steer("governance_vote", "no.such.thing", 1)
    finally:
        follower.stop()


def test_places__of_before_there_was_a_host_for_clients__are_read(tmp_path: Path) -> None:
    # given what an earlier version wrote
    (tmp_path / "places.json").write_text('[{"host": "127.0.0.1", "port": 1, "rpc": 2}]')

    # then
    assert KaiaNetwork(tmp_path).nodes[0].url == "http://127.0.0.1:2"
