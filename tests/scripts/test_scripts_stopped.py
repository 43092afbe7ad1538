"""The commands against a Kaia network that stops: who acts is told to try again, and what was sent happens once."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from real_anvil import CHAIN_ID, Chain
from scripts_town import Town, remembered_passphrases
from web3 import HTTPProvider, Web3

from engines.kaia.network import BINARY, KaiaNetwork
from theriac.ledger.sender import Sender

pytestmark = [pytest.mark.engine, pytest.mark.heavy]

ADMIT = ("board", "admit", "TEST::2", "--roles", "pharmacist", "--until", "2040-01-01", "--account", "TEST::0")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KaiaNetwork]:
    if not BINARY.exists():
        pytest.skip("kaia is not built; run 'make engine-kaia' (it needs Go) and try again.")
    with KaiaNetwork(tmp_path_factory.mktemp("kaia"), chain_id=CHAIN_ID) as running:
        yield running


@pytest.fixture(scope="module")
def town(network: KaiaNetwork, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with remembered_passphrases():
        town = Town(Chain(Web3(HTTPProvider(network.url))), tmp_path_factory.mktemp("town"))
        town.found()
        yield town


def members(town: Town) -> int:
    """How many were ever admitted."""
    return len(town.done("board", "list", "--json").json)


def test_board__while_two_of_four_validators_are_down__says_to_do_it_again_and_admits_once(
    network: KaiaNetwork, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A command waits for two minutes; here for as long as it takes to see that no block comes.
    wait, soon = Sender.wait, timedelta(seconds=8)
    monkeypatch.setattr(Sender, "wait", lambda self, intent, timeout=None: wait(self, intent, timeout=soon))
    before = members(town)
    for node in network.nodes[2:]:
        node.kill()

    said = town.run(*ADMIT)
    again = town.run(*ADMIT)
    for node in network.nodes[2:]:
        node.start()
    network.wait(max(node.height() for node in network.nodes) + 1)
    done = town.done(*ADMIT)

    for told in (said, again):
        assert told.code == 4
        assert len(told.sentences) == 1
        assert "it is not lost: do the same again, and it is waited for, not sent twice." in told.sentences[0]
    assert done.out == f"Admitted as member {before + 1}.\n"
    assert members(town) == before + 1


def test_board_and_clinic__while_the_node_is_down__say_to_try_again(network: KaiaNetwork, town: Town) -> None:
    network.nodes[0].kill()
    try:
        told = [
            town.run("board", "suspend", "1", "--account", "TEST::0", "--yes"),
            town.run("clinic", "patients"),
        ]
    finally:
        network.nodes[0].start()

    for said in told:
        assert said.code == 4, said
        assert len(said.sentences) == 1
        assert "try again" in said.sentences[0] or "start it" in said.sentences[0]
