"""Two and two validators that cannot reach each other: no block and no fork, and all that waits is done once after."""

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from ledger_engines import Kaia, kaia_network, key, notes, stranger, tell, times
from ledger_partition import Machines, machines

from engines.kaia.network import Place
from theriac.errors import NotSettled

QUICK = {"patience": timedelta(seconds=2), "node_timeout": timedelta(seconds=3)}

pytestmark = [pytest.mark.engine, pytest.mark.heavy]


@pytest.fixture(scope="module")
def parted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Kaia, Machines]]:
    with machines(4) as hosts:
        places = [Place(host, 32323, 8551, rpc_host=host) for host in hosts.hosts]
        folder = tmp_path_factory.mktemp("partition")
        with kaia_network(folder, places=places, prefixes=hosts.prefixes) as kaia:
            yield kaia, hosts


def test_partition__two_and_two__nothing_is_final_on_either_side_and_all_is_done_once_when_healed(
    parted: tuple[Kaia, Machines], tmp_path: Path
) -> None:
    kaia, hosts = parted
    emitter, one, other = kaia.emitter(), stranger(), stranger()
    here, there, both = range(4000, 4005), range(4010, 4015), 4020
    with (
        kaia.sender(one, tmp_path / "one", node=0, **QUICK) as left,
        kaia.sender(other, tmp_path / "other", node=2, **QUICK) as right,
    ):
        left.send(emitter.functions.tick())
        right.send(emitter.functions.tick())
        hosts.part((0, 1), (2, 3))
        # What was under way may still make one block.
        time.sleep(3)
        heights = [node.height() for node in kaia.network.nodes]

        told = [each.error for each in left.send_all(notes(emitter, one, here), timeout=timedelta(seconds=1))]
        told += [each.error for each in right.send_all(notes(emitter, other, there), timeout=timedelta(seconds=1))]
        # The same pen, on both sides: one account's next nonce is used for two things.
        spent = stranger()
        with (
            kaia.sender(spent, node=0, **QUICK) as mine,
            kaia.sender(spent, node=2, **QUICK) as again,
        ):
            mine.submit(emitter.functions.note(spent.address, key(both), 1, ""), intent="here")
            again.submit(emitter.functions.note(spent.address, key(both + 1), 2, ""), intent="there")
            time.sleep(12)
            parted_heights = [node.height() for node in kaia.network.nodes]
            hosts.heal((0, 1), (2, 3))
            begun = time.monotonic()
            kaia.agree()
            blocks = time.monotonic() - begun
            done = [*left.send_all(notes(emitter, one, here)), *right.send_all(notes(emitter, other, there))]
            tell("two and two parted", blocks_again=blocks, all_done=time.monotonic() - begun)
            mine.wait("here")
            again.wait("there")

    assert parted_heights == heights
    assert {type(error) for error in told} == {NotSettled}
    assert [each.error for each in done] == [None] * 10
    assert times(emitter, [*here, *there]) == [1] * 10
    assert times(emitter, [both, both + 1]) == [1, 1]
    assert kaia.web3(3).eth.get_transaction_count(spent.address) == 2
    kaia.agree()
