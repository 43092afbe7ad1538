"""One look at the chain an opening: what it says at a block is asked once, and what changes is seen at the next."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import pytest
from emergency_world import by_board
from health_world import LAB, TREAT, HealthWorld
from receipts_ward import Ward, open_ward
from relay_world import RelayWorld
from web3 import HTTPProvider, Web3

from theriac.errors import ChainRefused, NotGranted
from theriac.health.chain import Chain, Refusal
from theriac.health.reader import Reader
from theriac.ledger.contracts import Contracts
from theriac.ledger.node import Node
from theriac.store import LocalStore


@pytest.fixture
def ward(world: HealthWorld) -> Ward:
    return open_ward(world)


def at_the_doctor(ward: Ward) -> Reader:
    """The doctor's client, which has opened the result once."""
    doctor = ward.world.reader(ward.world.doctor, "doctor")
    doctor.learn(ward.by_doctor)
    doctor.open(ward.by_doctor, ward.lab, purpose=TREAT)
    return doctor


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """Counts what is asked of a chain."""
    asked: Counter[str] = Counter()
    request = Node.request

    def counting(node: Node, method: str, parameters: Any) -> Any:
        asked[method] += 1
        return request(node, method, parameters)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Node, "request", counting)
        yield asked


def test_open__each_change_between_two_openings__is_noticed_at_the_next(ward: Ward) -> None:
    # given
    doctor, world = at_the_doctor(ward), ward.world

    def opens(record: str) -> bool:
        try:
            doctor.open(ward.by_doctor, record, purpose=TREAT).content.close()
        except NotGranted:
            return False
        return True

    # when
    found = {"before": (opens(ward.lab), opens(ward.vitals))}
    by_board(world, "suspend", 1, 1)
    found["suspended"] = (opens(ward.lab), opens(ward.vitals))
    by_board(world, "reinstate", 1)
    found["reinstated"] = (opens(ward.lab), opens(ward.vitals))
    [sharing] = [each for each in ward.patient.vault.sharings if each.pseudonym == ward.by_doctor]
    ward.patient.narrow(sharing, classes=[LAB])
    found["narrowed"] = (opens(ward.lab), opens(ward.vitals))
    ward.patient.revoke(world.doctor.address, purpose=TREAT)
    found["revoked"] = (opens(ward.lab), opens(ward.vitals))

    # then: who was refused signed no receipt
    assert found == {
        "before": (True, True),
        "suspended": (False, False),
        "reinstated": (True, True),
        "narrowed": (True, False),
        "revoked": (False, False),
    }
    assert doctor.book.waiting() == 1 + 2 + 2 + 1


def test_open__at_the_end_of_the_window__is_refused_by_the_next_block(ward: Ward) -> None:
    doctor, world = at_the_doctor(ward), ward.world
    end = ward.chain.grant(ward.by_doctor, world.doctor.address, TREAT)["expiry"]

    world.travel(end - 1 - world.now())
    doctor.open(ward.by_doctor, ward.lab, purpose=TREAT)
    world.travel(1)

    with pytest.raises(NotGranted, match="the window is over"):
        doctor.open(ward.by_doctor, ward.lab, purpose=TREAT)


class Slow:
    """A store that takes so long to give a record that something happens meanwhile."""

    def __init__(self, store: LocalStore, meanwhile: Any) -> None:
        self._store, self._meanwhile = store, meanwhile

    def get_digest(self, digest: bytes) -> BinaryIO:
        self._meanwhile()
        return self._store.get_digest(digest)


def test_open__revoked_while_the_record_is_fetched__is_refused_and_leaves_no_receipt(ward: Ward) -> None:
    doctor = at_the_doctor(ward)
    doctor.store = Slow(  # type: ignore[assignment]
        ward.world.store, lambda: ward.patient.revoke(ward.world.doctor.address, purpose=TREAT)
    )

    with pytest.raises(NotGranted, match="nothing is granted"):
        doctor.open(ward.by_doctor, ward.lab, purpose=TREAT)

    assert doctor.book.waiting() == 1


def test_open__asks_a_new_block_four_things_and_an_old_one_nothing(ward: Ward) -> None:
    doctor = at_the_doctor(ward)

    with counted() as at_the_same:
        for record in (ward.lab, ward.lab, ward.lab):
            doctor.open(ward.by_doctor, record, purpose=TREAT)
    ward.world.travel(60)
    with counted() as at_the_next:
        doctor.open(ward.by_doctor, ward.lab, purpose=TREAT)

    # a head before the record is fetched and one after; who may look, as whose staff, by which grant of which era
    assert at_the_same == {"eth_getBlockByNumber": 6}
    assert at_the_next == {"eth_getBlockByNumber": 2, "eth_call": 4}


def test_listed__asks_once_for_each_class(ward: Ward) -> None:
    doctor = at_the_doctor(ward)
    ward.world.travel(60)

    with counted() as first:
        assert {each.digest for each in doctor.listed(ward.by_doctor, purpose=TREAT)} == {ward.lab, ward.vitals}
    with counted() as second:
        doctor.listed(ward.by_doctor, purpose=TREAT)

    assert (first["eth_call"], second["eth_call"]) == (2, 0)


# -- a node that lags --------------------------------------------------------------------------------------------------


class Behind(HTTPProvider):
    """An address with two nodes behind it, of which the one that runs calls has the latest block only later."""

    def __init__(self, url: str, *, times: int) -> None:
        super().__init__(url, exception_retry_configuration=None)
        self.times, self.asked = times, 0

    def make_request(self, method: Any, params: Any) -> Any:
        if method == "eth_call" and params[1] != "latest":
            self.asked += 1
            if self.asked <= self.times:
                # What geth answers.
                return {"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": "header not found"}}
        return super().make_request(method, params)


def reached_by(relays: RelayWorld, provider: HTTPProvider) -> Chain:
    web3 = Web3(provider)
    return Chain(web3, Contracts(web3, relays.contracts.deployment), index=relays.folder / "unused")


def test_at_head__of_a_node_that_lags__is_asked_again(relays: RelayWorld) -> None:
    reader, ann = relays.pseudonym().address, relays.pseudonym().address
    provider = Behind(relays.url, times=2)
    chain = reached_by(relays, provider)

    refusal = chain.at_head(lambda moment: moment.once(chain.explain, ann, reader, 1, TREAT))

    assert (refusal, provider.asked) == (Refusal.NO_STANDING, 3)


def test_at_head__of_a_node_that_lags_for_good__says_so(relays: RelayWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("theriac.health.chain._PAUSE", 0.01)
    chain = reached_by(relays, Behind(relays.url, times=1000))

    with pytest.raises(ChainRefused, match="header not found"):
        chain.at_head(lambda moment: moment.once(chain.member_of, relays.pseudonym().address))


def test_moment__is_another_one_after_a_block_and_after_a_reorganisation(relays: RelayWorld) -> None:
    chain = relays.chain
    first = chain.moment()
    with relays.anvil.undone():
        relays.anvil.at(relays.now() + 60)
        second = chain.moment()
    relays.anvil.at(relays.now() + 90)
    other = chain.moment()

    assert first.head.number + 1 == second.head.number == other.head.number
    assert len({first.head.hash, second.head.hash, other.head.hash}) == 3
    assert chain.moment() is other


def test_moment__answers_as_its_block_did(relays: RelayWorld) -> None:
    ann, reader = relays.published(), relays.pseudonym().address
    before = relays.chain.moment()
    relays.send(ann.grant(reader))

    now = relays.chain.moment()

    scopes = [moment.once(relays.chain.grant, ann.address, reader, TREAT)["scope"] for moment in (before, now)]
    assert scopes[0] == 0 < scopes[1]
