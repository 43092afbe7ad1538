"""The bench of a consortium's size, small: what it measures is right, and what it promises of memory holds."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from real_anvil import BOARD, ROOT, Chain, anvil
from real_anvil import Contracts as Deployed
from web3 import Web3

from benches import consortium, digests
from theriac.consortium import Role
from theriac.health import writer
from theriac.health.chain import Chain as HealthChain
from theriac.ledger.contracts import Contracts
from theriac.ledger.deployment import Deployment
from theriac.ledger.signer import KeySigner

MEMBERS, STAFF, PATIENTS, STUDIES, DIGESTS = 12, 60, 20, 50, 20_000


@dataclass
class Founded:
    """A chain with the contracts, 12 members and 60 staff."""

    web3: Web3
    contracts: Contracts
    members: list[KeySigner]
    staff: list[KeySigner]
    admitted: consortium.Timed
    joined: consortium.Timed


def known(chain: Chain, deployed: Deployed) -> Contracts:
    """The contracts as the package knows them."""
    found = Deployment.of(chain.web3, network="scale", depth=0, lasting=False)
    for name, contract in deployed.by_name.items():
        found = found.with_contract(chain.web3, name, contract.address, block=1)
    return Contracts(chain.web3, found)


@pytest.fixture(scope="module")
def founded() -> Iterator[Founded]:
    with anvil(hardfork="cancun") as chain:
        contracts = known(chain, Deployed.deploy(chain))
        members, admitted = consortium.admit(chain.web3, contracts, KeySigner(BOARD), MEMBERS)
        staff, joined = consortium.take_on(chain.web3, contracts, members, STAFF)
        yield Founded(chain.web3, contracts, members, staff, admitted, joined)


def test_populate__members_and_staff__stand_where_they_joined(founded: Founded, tmp_path: Path) -> None:
    chain = HealthChain(founded.web3, founded.contracts, index=tmp_path / "index.sqlite")

    # every one of the staff stands for the member that took it on, and for no more than it joined as
    consortium.check_standing(chain, MEMBERS, founded.staff)
    assert [chain.member_of(each.address) for each in founded.members] == list(range(1, MEMBERS + 1))
    assert chain.standing(founded.staff[0].address, int(Role.PHARMACIST)) == 0
    assert (founded.admitted.sent, founded.joined.sent) == (MEMBERS, STAFF)
    # and each transaction is in the chain once
    assert founded.web3.eth.get_transaction_count(BOARD.address) == MEMBERS
    sent = [founded.web3.eth.get_transaction_count(each.address) for each in founded.members]
    assert sent == [STAFF // MEMBERS] * MEMBERS
    chain.close()


def test_write_day__of_fifty_studies__is_one_root_and_each_patient_files_hers(
    founded: Founded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The tests' chain begins in 2030, which a desk does not believe of a chain.
    monkeypatch.setattr(writer, "_AHEAD", 10**9)
    clinic = consortium.clinic_of(founded.web3, founded.contracts, founded.members[0], tmp_path)
    consortium.enrol(founded.web3, founded.contracts, clinic, founded.members[1], PATIENTS)

    took = consortium.write_day(clinic, STUDIES)

    assert (took.count, took.sent) == (STUDIES, 1)
    rows = clinic.desk.chain.day_rows([each.pseudonym for each in clinic.patients])
    assert len(rows) == len({row.pseudonym for row in rows}) == PATIENTS
    assert len({row.root for row in rows}) == 1
    # 50 studies of 20 patients in turn: ten have three, ten have two
    assert [consortium.file_some(clinic, [number]) for number in range(PATIENTS)] == [3] * 10 + [2] * 10
    assert consortium.file_some(clinic, range(PATIENTS)) == 0


def test_bare__counts_what_the_chain_has(founded: Founded) -> None:
    before = founded.web3.eth.block_number

    found = consortium.bare(founded.web3, 20)

    assert (found.sent, found.gas) == (20, 20 * 21_000)
    mined = range(before + 1, founded.web3.eth.block_number + 1)
    assert sum(len(founded.web3.eth.get_block(number)["transactions"]) for number in mined) == 20


def test_digests__twenty_thousand__are_found_right_in_bounded_memory(tmp_path: Path) -> None:
    # The bench itself compares every answer with the formula; here that it ran, and what it says of memory and disk.
    found = digests.measured(DIGESTS, tmp_path)

    assert found.events == DIGESTS
    # An answer of the node is at most 16 MiB, and what is made of one is some times as much, whatever the total is.
    assert found.peak - found.at_rest < 200
    assert 300 < found.disk / DIGESTS < 700
    assert found.by_digest[1] < 50
    assert len(found.rates) >= 1
    assert "20,000" in str(digests.table(found).title)


def test_digests__a_wrong_answer__is_not_passed_over(tmp_path: Path) -> None:
    # given a chain whose formula is not what it serves: the bench must notice
    folder = tmp_path / "wrong"
    folder.mkdir()
    with digests.made_chain(20, 100) as url, pytest.raises(AssertionError):
        digests.follow(url, folder, blocks=20, each=99, lookups=50)


def test_main__too_little_disk__is_one_sentence() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benches.consortium", "--digests", str(10**15)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (done.returncode, done.stdout) == (1, "")
    assert "name another folder with TMPDIR" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.heavy
def test_main__at_a_tenth_of_the_size__measures_everything() -> None:
    sizes = {"members": 33, "staff": 300, "patients": 250, "studies": 1_000, "digests": 200_000}
    words = [word for name, size in sizes.items() for word in (f"--{name}", str(size))]
    done = subprocess.run(
        [sys.executable, "-m", "benches.consortium", *words, "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=580,
    )

    assert done.returncode == 0, done.stderr
    told = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("[")))
    counts = {each["what"]: each["count"] for each in told}
    assert counts["members admitted"] == 33
    assert counts["staff joined"] == 300
    assert counts["imaging studies by roots"] == 1_000
    assert "200,000 digests" in done.stdout
