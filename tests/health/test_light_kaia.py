"""A light client on a running network of Kaia: the same story as with a node of one's own, and lies."""

import importlib
import json
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from click.testing import CliRunner
from coincurve import PrivateKey
from eth_abi import encode
from eth_utils.abi import collapse_if_tuple, function_abi_to_4byte_selector
from health_world import LAB, TREAT, Person, register, write
from light_between import HEADER, LIES, Between, Happened, Lie, between, instead, rewriting
from light_paper import sealed
from light_world import Kaia, KaiaWorld, happen, kaia, key_of, questions
from real_anvil import Chain as Connection
from web3 import Web3
from web3.types import RPCEndpoint

from engines.process import EngineError
from theriac.errors import ChainSilent, NotSettled, Reverted, StaleChain, Unproven
from theriac.health.chain import SenderRelay
from theriac.health.scope import mask_of
from theriac.ledger.contracts import Contracts
from theriac.ledger.light.anchor import Anchor
from theriac.ledger.light.provider import LightProvider
from theriac.ledger.sender import Sender

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kaia]:
    try:
        with kaia(tmp_path_factory.mktemp("kaia")) as running:
            yield running
    except EngineError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def happened(network: Kaia) -> Happened:
    """A patient, her record, a grant: done through a node of one's own."""
    return happen(network.world)


@pytest.fixture(scope="module")
def anchor(network: Kaia, happened: Happened) -> Anchor:
    return Anchor.of(network.world.web3)


@pytest.fixture
def nodes(network: Kaia) -> Iterator[list[Between]]:
    """Two of the validators' nodes, as another member reaches them."""
    with between(*network.uris[1:3]) as proxies:
        yield proxies


@pytest.fixture
def light(anchor: Anchor, nodes: list[Between], tmp_path: Path) -> LightProvider:
    return LightProvider(anchor, [each.uri for each in nodes], folder=tmp_path / "light")


def through(light: LightProvider, world: KaiaWorld, folder: Path) -> KaiaWorld:
    """The same world, as it is seen through a light client."""
    web3 = Web3(light)
    contracts = Contracts(web3, world.contracts.deployment)
    relay = SenderRelay(Sender(web3, key_of("light relay"), outbox=None), contracts)
    return replace(world, anvil=Connection(web3), contracts=contracts, relay=relay, folder=folder)


def allowed(world: KaiaWorld, happened: Happened, reader: str) -> Any:
    function = world.contracts.Grants.functions.allowed(happened.pseudonym, reader, mask_of([LAB]), TREAT.number)
    return world.contracts.call(function)


# -- the same as with a node of one's own ----------------------------------------------------------------------------


def test_story__without_a_node__is_the_story(
    network: Kaia, anchor: Anchor, light: LightProvider, tmp_path: Path
) -> None:
    # given a clinic and its doctor who run no node
    world = through(light, network.world, tmp_path)
    world.contracts.deployment.verify(world.web3)
    patient = world.patient("ann")
    writer = world.writer(world.clinic, "light clinic")

    # when the clinic writes, the patient grants, the doctor reads
    desk = register(patient, writer)
    record = write(writer, desk, b"haemoglobin 138 g/l")
    patient.watch()
    shared = patient.grant(world.doctor.address, classes=[LAB], purpose=TREAT, end=world.in_days(30))
    doctor = world.reader(world.doctor, "light doctor")
    doctor.learn(shared.pseudonym)
    content = doctor.open(shared.pseudonym, record, purpose=TREAT).read()

    # then all of it is on the chain as a full node has it, and no node was found to lie
    full = network.world.contracts
    asked = full.Grants.functions.allowed(shared.pseudonym, world.doctor.address, mask_of([LAB]), TREAT.number)
    assert content == b"haemoglobin 138 g/l"
    assert full.call(asked) is True
    assert light.faults == ()

    # and after a revoke both say no
    patient.revoke(world.doctor.address, purpose=TREAT)
    assert world.contracts.call(asked) is False
    assert full.call(asked) is False


def test_events__are_those_of_a_full_node(
    network: Kaia, happened: Happened, light: LightProvider, tmp_path: Path
) -> None:
    world = through(light, network.world, tmp_path)
    full, lit = network.world.chain("full"), world.chain("light")

    head = full.index.sync().head
    lit.index.sync(to=head)

    found = list(full.index.events(until=head))
    assert list(lit.index.events()) == found
    assert len(found) > 15


def test_answers__are_those_of_a_full_node(
    network: Kaia, happened: Happened, anchor: Anchor, light: LightProvider
) -> None:
    head = network.nodes_at_rest()
    for method, parameters in questions(network.world.contracts, happened, head):
        told = network.world.web3.provider.make_request(method, parameters)
        answer = light.make_request(method, parameters)
        if method in ("eth_call", "eth_getCode", "eth_getStorageAt", "eth_getTransactionCount", "eth_chainId"):
            assert answer.get("result") == told.get("result"), (method, parameters)
    assert light.faults == ()


def _some(part: Any, pool: list[str], chance: Random) -> Any:
    """Some value of a parameter of the ABI: of what there is, of nothing, of the extremes."""
    kind = part["type"]
    if kind.endswith("[]"):
        return [_some({**part, "type": kind[:-2]}, pool, chance) for _ in range(chance.randrange(3))]
    if kind == "tuple":
        return tuple(_some(each, pool, chance) for each in part["components"])
    if kind == "address":
        return chance.choice(pool)
    if kind.startswith("uint"):
        bits = int(kind[4:])
        return chance.choice([0, 1, 2, 5, 2**bits - 1, chance.getrandbits(bits)])
    if kind == "bool":
        return chance.random() < 0.5
    if kind.startswith("bytes"):
        return chance.randbytes(int(kind[5:]) if kind != "bytes" else chance.choice([0, 65, 100]))
    return "text"


def test_calls__of_every_function_of_the_contracts__are_kaias(
    network: Kaia, happened: Happened, light: LightProvider
) -> None:
    """Our machine against Kaia's: what is returned, and what is refused with, to the byte; acts are only tried."""
    chance, head = Random(2617), network.nodes_at_rest()
    contracts = network.world.contracts
    callers = [happened.doctor, network.world.clinic.address, key_of("board").address]
    pool = [happened.pseudonym, happened.patient_only, *callers, "0x" + "00" * 20, *happened.contracts.values()]
    told_apart = {True: 0, False: 0}
    for name in happened.contracts:
        for part in contracts.abi(name):
            if part["type"] != "function":
                continue
            given: Any = part["inputs"]
            for _ in range(2):
                values = [_some(each, pool, chance) for each in given]
                data = function_abi_to_4byte_selector(part) + encode(
                    [collapse_if_tuple(each) for each in given], values
                )
                call = {
                    "from": chance.choice(callers),
                    "to": happened.contracts[name],
                    "data": "0x" + data.hex(),
                    "gas": "0x1312d00",
                }
                told = network.world.web3.provider.make_request(RPCEndpoint("eth_call"), [call, hex(head)])
                answer = light.make_request(RPCEndpoint("eth_call"), [call, hex(head)])
                assert answer.get("result") == told.get("result"), (name, part["name"], values, told, answer)
                assert answer.get("error", {}).get("data", "0x") == told.get("error", {}).get("data", "0x")
                told_apart["error" in told] += 1
    print(f"{told_apart[False]} calls that returned, {told_apart[True]} that were refused")
    assert told_apart[False] > 60
    assert told_apart[True] > 100
    assert light.faults == ()


def test_refusal__of_a_contract__is_told_by_its_name(
    network: Kaia, light: LightProvider, happened: Happened, tmp_path: Path
) -> None:
    world = through(light, network.world, tmp_path)
    stranger = Sender(world.web3, key_of("light stranger"), outbox=None)

    with pytest.raises(Reverted) as refused:
        stranger.send(world.contracts.Consortium.functions.admit(happened.doctor, 1, 1, 2**39))

    assert refused.value.error == "NotTheBoard"


def test_cost__of_a_proven_answer__beside_one_that_is_believed(
    network: Kaia, happened: Happened, anchor: Anchor, light: LightProvider, tmp_path: Path
) -> None:
    world, full = through(light, network.world, tmp_path), network.world
    rows: list[tuple[str, float, float, float]] = []

    def measured(name: str, ask: Callable[[], Any], cost: Callable[[], tuple[int, int]], times: int) -> None:
        seconds, before = [], cost()
        for _ in range(times):
            began = time.perf_counter()
            assert ask() is True
            seconds.append(time.perf_counter() - began)
            time.sleep(0.25)
        after = cost()
        rows.append(
            (name, (after[0] - before[0]) / times, (after[1] - before[1]) / times, 1000 * statistics.median(seconds))
        )

    def lit() -> tuple[int, int]:
        return light.cost.requests, light.cost.bytes

    doctor = happened.doctor
    allowed(world, happened, doctor)
    measured("believed", lambda: allowed(full, happened, doctor), lambda: (0, 0), 10)
    measured("proven, again", lambda: allowed(world, happened, doctor), lit, 10)
    light._state._slots._entries.clear()
    light._state._accounts._entries.clear()
    measured("proven, state new", lambda: allowed(world, happened, doctor), lit, 1)
    fresh = LightProvider(anchor, network.uris[1:3])
    new = through(fresh, network.world, tmp_path)
    measured(
        "proven, first", lambda: allowed(new, happened, doctor), lambda: (fresh.cost.requests, fresh.cost.bytes), 1
    )
    head, before, began = light._headers._head, light.cost, time.perf_counter()
    assert head is not None
    light._headers._kept._entries.clear()
    light.make_request(
        "eth_getLogs", [{"fromBlock": "0x0", "toBlock": hex(head[1].number), "address": "0x" + "11" * 20}]
    )
    blocks, spent = head[1].number + 1, time.perf_counter() - began
    print()
    for name, requests, size, milliseconds in rows:
        print(f"{name:18} {requests:5.1f} requests {size:9,.0f} bytes {milliseconds:8.1f} ms")
    size = (light.cost.bytes - before.bytes) / blocks
    print(f"{blocks} headers: {size:,.0f} bytes and {1e3 * spent / blocks:.2f} ms each")

    again = rows[1]
    assert again[1] <= 3
    assert again[2] < 20_000


# -- two that lie alike ----------------------------------------------------------------------------------------------

ASKED: dict[str, Callable[[KaiaWorld, Happened], Any]] = {
    "allowed": lambda world, happened: allowed(world, happened, happened.doctor),
    "code": lambda world, happened: world.web3.eth.get_code(world.contracts.Grants.address),
    "storage": lambda world, happened: world.web3.eth.get_storage_at(world.contracts.Consortium.address, 2),
    "count": lambda world, happened: world.web3.eth.get_transaction_count(world.contracts.Grants.address),
    "balance": lambda world, happened: world.web3.eth.get_balance(world.contracts.Grants.address),
    "refused": lambda world, happened: world.web3.eth.get_transaction_receipt(happened.transactions["refused"]),
    "made": lambda world, happened: world.web3.eth.get_transaction_receipt(happened.transactions["made"]),
    "logs": lambda world, happened: world.chain("lied to").index.sync(),
    "granted": lambda world, happened: world.contracts.logs("Grants", start=0),
}


@pytest.mark.parametrize("name", LIES)
def test_two_colluding_nodes__are_caught(
    network: Kaia, happened: Happened, nodes: list[Between], light: LightProvider, tmp_path: Path, name: str
) -> None:
    asked, lie, said = LIES[name]
    world = through(light, network.world, tmp_path)
    for each in nodes:
        each.lies = [lie]

    with pytest.raises(Unproven) as caught:
        ASKED[asked](world, happened)

    assert {each.uri for each in nodes} == set(caught.value.faults)
    assert all(said in fault for fault in caught.value.faults.values())


@pytest.mark.parametrize("name", LIES)
def test_one_lying_node__is_named_and_the_story_goes_on(
    network: Kaia, happened: Happened, nodes: list[Between], light: LightProvider, tmp_path: Path, name: str
) -> None:
    asked, lie, _ = LIES[name]
    world = through(light, network.world, tmp_path)
    nodes[0].lies = [lie]

    answer = ASKED[asked](world, happened)

    if asked == "allowed":
        assert answer is True
    assert light.faults
    assert all(nodes[0].uri in fault for fault in light.faults)


def _resealed(keys: list[PrivateKey], **how: Any) -> Lie:
    """The newest block with another state, sealed again by whoever holds these keys."""

    def change(header: Any) -> Any:
        return sealed({**header, "stateRoot": "0x" + "ab" * 32}, validators=keys, **how)

    return rewriting(HEADER, change, when=lambda asked: asked == ["latest"])


def _seals(count: int, network: Kaia) -> tuple[list[PrivateKey], list[PrivateKey]]:
    keys = [PrivateKey(each.to_bytes()) for each in network.keys]
    return keys, keys[:count]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_state__that_too_few_validators_seal__is_caught(
    network: Kaia, nodes: list[Between], light: LightProvider, count: int
) -> None:
    """With the real validators' keys: two of four cannot make a light client believe what is not so."""
    keys, some = _seals(count, network)
    for each in nodes:
        each.lies = [_resealed(keys, committed=some)]

    with pytest.raises(Unproven, match=f"{count} seals of 3 that it needs"):
        light.make_request("eth_blockNumber", [])


def test_state__sealed_by_two_validators_twice__is_caught(
    network: Kaia, nodes: list[Between], light: LightProvider
) -> None:
    keys, some = _seals(2, network)
    for each in nodes:
        each.lies = [_resealed(keys, committed=some + some)]

    with pytest.raises(Unproven, match="two seals of one validator"):
        light.make_request("eth_blockNumber", [])


def test_state__sealed_by_other_keys__is_caught(network: Kaia, nodes: list[Between], light: LightProvider) -> None:
    keys, _ = _seals(4, network)
    others = [PrivateKey() for _ in range(4)]
    for each in nodes:
        each.lies = [_resealed(keys, committed=others)]

    with pytest.raises(Unproven, match="a seal of no validator"):
        light.make_request("eth_blockNumber", [])


def _held_back(network: Kaia, at: int) -> Lie:
    """The nodes stop at a block, and show it as the newest for ever."""
    told = network.world.web3.provider.make_request(HEADER, [hex(at)])["result"]
    return rewriting(HEADER, lambda _: told, when=lambda asked: asked == ["latest"])


def test_revoke__that_two_colluding_nodes_hold_back__ends_what_they_can_prove(
    network: Kaia, anchor: Anchor, happened: Happened, nodes: list[Between], light: LightProvider, tmp_path: Path
) -> None:
    # given a light client that has seen the chain as it is now
    world = through(light, network.world, tmp_path)
    assert allowed(world, happened, happened.doctor) is True
    seen = int(light.make_request("eth_blockNumber", [])["result"], 16)

    # when both nodes go back to an earlier block
    for each in nodes:
        each.lies = [_held_back(network, seen - 3)]
    time.sleep(0.3)

    # then it is too old; and a new client, that has seen nothing, acts upon it for three minutes and no longer
    with pytest.raises(StaleChain, match=f"block {seen}"):
        allowed(world, happened, happened.doctor)
    later = LightProvider(anchor, [each.uri for each in nodes], clock=lambda: time.time() + 185)
    with pytest.raises(StaleChain, match="minutes old"):
        allowed(through(later, network.world, tmp_path), happened, happened.doctor)


def test_transaction__that_both_nodes_swallow__is_not_said_to_be_done(
    network: Kaia, nodes: list[Between], light: LightProvider, tmp_path: Path
) -> None:
    world = through(light, network.world, tmp_path)
    for each in nodes:
        each.swallows = {"eth_sendRawTransaction": "intrinsic gas too low"}
    person = Person(key_of("swallowed"))
    sender = Sender(world.web3, person.signer, outbox=None)
    call = world.contracts.Keys.functions.publish(person.address, 1, b"\1" * 32)

    with pytest.raises(NotSettled) as waiting:
        sender.send(call, intent="publish", timeout=timedelta(seconds=1))

    # then it is still ours to send, whatever they said of it, and is sent once they let it through
    assert "intrinsic gas too low" in str(waiting.value)
    assert sender.open() == ("publish",)
    for each in nodes:
        each.swallows = {}
    receipt = sender.wait("publish")
    assert network.world.web3.eth.get_transaction_receipt(receipt.transaction)["status"] == 1
    assert sender.send(call, intent="publish") == receipt


def test_transaction__swallowed_by_two_nodes_that_call_its_nonce_used__is_not_signed_anew(
    network: Kaia, nodes: list[Between], light: LightProvider, tmp_path: Path
) -> None:
    """Two transactions for one intent, under two nonces, could both be let through later."""
    world = through(light, network.world, tmp_path)
    person = Person(key_of("used up"))
    sender = Sender(world.web3, person.signer, outbox=None)
    call = world.contracts.Keys.functions.publish(person.address, 1, b"\1" * 32)
    for each in nodes:
        each.swallows = {"eth_sendRawTransaction": "the transaction is in the pool"}
    name = sender.submit(call, intent="publish")
    for each in nodes:
        each.lies = [rewriting("eth_getTransactionCount", lambda count: hex(int(count, 16) + 1))]

    with pytest.raises(NotSettled):
        sender.wait(name, timeout=timedelta(seconds=4))

    assert len(sender._outbox.signed_for(name)) == 1
    for each in nodes:
        each.swallows, each.lies = {}, []
    sender.wait(name)
    assert network.world.web3.eth.get_transaction_count(person.address) == 1


def test_transaction__taken_by_two_nodes_that_deny_it__is_done_once(
    network: Kaia, nodes: list[Between], light: LightProvider, tmp_path: Path
) -> None:
    """A refusal frees a nonce where a node is believed: here it would have the same done twice."""
    world = through(light, network.world, tmp_path)
    for each in nodes:
        each.lies = [instead("eth_sendRawTransaction", error="intrinsic gas too low")]
    person = Person(key_of("denied"))
    sender = Sender(world.web3, person.signer, outbox=None)

    receipt = sender.send(world.contracts.Keys.functions.publish(person.address, 1, b"\1" * 32))

    assert network.world.web3.eth.get_transaction_receipt(receipt.transaction)["status"] == 1
    assert network.world.web3.eth.get_transaction_count(person.address) == 1


def test_silence__of_one_node__costs_little(
    network: Kaia, happened: Happened, nodes: list[Between], light: LightProvider, tmp_path: Path
) -> None:
    world = through(light, network.world, tmp_path)
    nodes[0].silent = True

    assert allowed(world, happened, happened.doctor) is True
    began = time.perf_counter()
    assert allowed(world, happened, happened.doctor) is True
    assert time.perf_counter() - began < 2


def test_silence__of_both__is_said(happened: Happened, nodes: list[Between], light: LightProvider) -> None:
    for each in nodes:
        each.silent = True

    with pytest.raises(ChainSilent):
        light.make_request("eth_blockNumber", [])


# -- the commands ----------------------------------------------------------------------------------------------------


@contextmanager
def _home(network: Kaia, folder: Path) -> Iterator[dict[str, str]]:
    deployment = replace(network.world.contracts.deployment, network="dev", lasting=True)
    deployment.save(folder / "home" / "deployments")
    yield {"THERIAC_HOME": str(folder / "home"), "THERIAC_NETWORK": "ethereum:dev", "THERIAC_PASSPHRASE": "light"}


def _run(settings: dict[str, str], *words: str) -> Any:
    script = importlib.import_module(f"scripts.{words[0]}")
    return CliRunner(mix_stderr=False, env=settings).invoke(script.cli, list(words[1:]))


def test_commands__by_light(network: Kaia, anchor: Anchor, nodes: list[Between], tmp_path: Path) -> None:
    # given the invitation's file, and two nodes of other members
    anchor.save(tmp_path / "anchor.json")
    light = ["--light", str(tmp_path / "anchor.json"), "--node", nodes[0].uri, "--node", nodes[1].uri]
    with _home(network, tmp_path) as settings:
        # when
        said = _run(settings, "board", "list", "--json", *light)
        nodes[0].lies = [LIES["another value in storage"][1]]
        one = _run(settings, "board", "list", "--json", *light)
        nodes[1].lies = nodes[0].lies
        both = _run(settings, "board", "list", "--json", *light)

    # then
    assert said.exit_code == 0, said.stderr
    assert [each["account"] for each in json.loads(said.stdout)] == [
        each.address for each in (network.world.clinic, network.world.hospital)
    ]
    assert said.stderr == ""
    assert (one.exit_code, one.stdout) == (0, said.stdout)
    assert f"The node at {nodes[0].uri} does not prove what it says" in one.stderr
    assert both.exit_code == 5
    assert "What was said of the chain is not proven" in both.stderr


def test_commands__that_send__by_light(network: Kaia, anchor: Anchor, nodes: list[Between], tmp_path: Path) -> None:
    anchor.save(tmp_path / "anchor.json")
    with _home(network, tmp_path) as settings:
        settings |= {"THERIAC_LIGHT": str(tmp_path / "anchor.json"), "THERIAC_NODES": " ".join(n.uri for n in nodes)}
        said = _run(settings, "clinic", "setup", "--account", "TEST::7", "--name", "Lit Clinic")

    assert said.exit_code == 0, said.stderr
    assert "is published" in said.stdout


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--light", "{anchor}"], "give --node twice"),
        (["--light", "{anchor}", "--node", "{node}"], "give --node twice"),
        (["--light", "{anchor}", "--node", "{node}", "--node", "{node}"], "give --node twice"),
        (["--light", "{anchor}", "--node", "{node}", "--node", "ftp://x"], "give --node twice"),
        (["--light", "/nowhere.json", "--node", "{node}", "--node", "http://x"], "This is no anchor"),
    ],
)
def test_commands__misspelt__are_told(
    network: Kaia, anchor: Anchor, nodes: list[Between], tmp_path: Path, words: list[str], sentence: str
) -> None:
    anchor.save(tmp_path / "anchor.json")
    said = [word.format(anchor=tmp_path / "anchor.json", node=nodes[0].uri) for word in words]
    with _home(network, tmp_path) as settings:
        answer = _run(settings, "board", "list", *said)

    assert answer.exit_code == 2
    assert sentence in answer.stderr
