"""A consortium on a real Kaia network of four validators, and what happens on it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rlp
from ape import project
from compiling import compile_if_changed
from eth_abi import encode
from eth_account import Account
from eth_utils import keccak, to_checksum_address
from health_world import DAY, LAB, TREAT, HealthWorld, Person, publish_profile, register, write
from light_between import Happened
from real_anvil import Chain as Connection
from requests import Session
from web3 import HTTPProvider, Web3
from web3.types import RPCEndpoint

from engines.kaia.network import KaiaNetwork
from theriac.consortium import Role
from theriac.health.chain import SenderRelay
from theriac.health.scope import mask_of
from theriac.ledger.contracts import Contracts, call_of
from theriac.ledger.deployment import Deployment
from theriac.ledger.sender import Sender
from theriac.ledger.signer import KeySigner
from theriac.store import LocalStore

CHAIN_ID = 8437424


def key_of(name: str) -> KeySigner:
    return KeySigner(keccak(text=f"theriac light test: {name}"))


def straight(uri: str) -> Web3:
    """A connection by no proxy, to what is on this machine."""
    session = Session()
    session.trust_env = False
    return Web3(HTTPProvider(uri, session=session))


class KaiaWorld(HealthWorld):
    """The health tests' world, with the time that the network has."""

    def now(self) -> int:
        return int(time.time())

    def travel(self, seconds: int) -> None:
        raise NotImplementedError("the validators' clocks are the machine's")


def found(web3: Web3, folder: Path) -> KaiaWorld:
    """Deploys the contracts of health, admits a clinic and a hospital, and lets a doctor and a colleague join."""
    compile_if_changed()
    board = key_of("board")
    sender = Sender(web3, board, outbox=None)
    deployment = Deployment.of(web3, network="kaia", depth=0, lasting=True)
    for name, address, block in _deployed(web3, board):
        deployment = deployment.with_contract(web3, name, to_checksum_address(address), block=block)
    contracts = Contracts(web3, deployment)
    people = [Person(key_of(name)) for name in ("clinic", "hospital", "doctor", "colleague")]
    relay = SenderRelay(Sender(web3, key_of("relay"), outbox=None), contracts)
    world = KaiaWorld(Connection(web3), contracts, LocalStore(folder / "store"), folder, relay, *people, board)
    roles = int(Role.CLINICIAN | Role.LABORATORY | Role.GATEWAY)
    for number, member in enumerate(people[:2], start=1):
        sender.send(contracts.Consortium.functions.admit(member.address, roles, 1, world.now() + 3650 * DAY))
        member.member = number
    for person, member in zip(people[2:], people[:2], strict=True):
        world.join(person, member, Role.CLINICIAN)
    for person in people:
        publish_profile(world, person)
    return world


def _deployed(web3: Web3, board: KeySigner) -> list[tuple[str, bytes, int]]:
    """Sends all deployments at once, since it is known beforehand where each contract will stand."""
    owner = bytes.fromhex(board.address[2:])
    names = ["Consortium", "Recovery", "Records", "Grants", "Letters", "AccessLog", "Carrier", "Emergencies"]
    at = {name: keccak(rlp.encode([owner, nonce]))[12:] for nonce, name in enumerate(names)}
    at["Keys"] = keccak(rlp.encode([at["Recovery"], 1]))[12:]
    at["Delegations"] = keccak(rlp.encode([at["Grants"], 1]))[12:]
    consortium, keys = at["Consortium"], at["Keys"]
    arguments = {
        "Consortium": [owner],
        "Records": [consortium, keys],
        "Grants": [consortium, keys],
        "Letters": [keys],
        "AccessLog": [consortium],
        "Emergencies": [consortium, keys],
    }
    sent: dict[str, Any] = {}
    for nonce, name in enumerate(names):
        given = arguments.get(name, [])
        code = bytes.fromhex(str(getattr(project, name).contract_type.deployment_bytecode.bytecode).removeprefix("0x"))
        fields = {
            "chainId": CHAIN_ID,
            "nonce": nonce,
            "gas": 30_000_000,
            "value": 0,
            "gasPrice": 0,
            "data": "0x" + (code + encode(["address"] * len(given), given)).hex(),
        }
        sent[name] = web3.eth.send_raw_transaction(board.sign_transaction(fields))
    made: list[tuple[str, bytes, int]] = []
    for name, address in at.items():
        maker = {"Keys": "Recovery", "Delegations": "Grants"}.get(name, name)
        receipt = web3.eth.wait_for_transaction_receipt(sent[maker], timeout=60, poll_latency=0.1)
        assert receipt["status"] == 1, name
        made.append((name, address, receipt["blockNumber"]))
    return made


@dataclass
class Kaia:
    """The network with the world on it."""

    network: KaiaNetwork
    world: KaiaWorld

    @property
    def uris(self) -> list[str]:
        return [node.url for node in self.network.nodes]

    def nodes_at_rest(self) -> int:
        """A block that every node has."""
        head = max(node.height() for node in self.network.nodes)
        self.network.wait(head)
        return head

    @property
    def keys(self) -> list[Any]:
        """The validators' keys, with which a test can seal what it wants."""
        return [node.key for node in self.network.nodes]


@contextmanager
def kaia(folder: Path) -> Iterator[Kaia]:
    with KaiaNetwork(folder / "net", chain_id=CHAIN_ID) as network:
        yield Kaia(network, found(straight(network.nodes[0].url), folder))


# -- what happens on it ----------------------------------------------------------------------------------------------


def happen(world: KaiaWorld) -> Happened:
    """A patient introduces herself, the clinic writes, she grants and revokes; and transactions of every kind."""
    patient = world.patient()
    writer = world.writer(world.clinic)
    registered = register(patient, writer)
    record = write(writer, registered, b"a result")
    shared = patient.grant(world.doctor.address, classes=[LAB], purpose=TREAT, end=world.in_days(30))
    sent = {
        "refused": _sent(world.web3, key_of("stranger"), to=world.contracts.Consortium.address, data=_ADMIT),
        "listed": _sent(world.web3, key_of("lister"), to=key_of("nobody").address, data=b"listed", kind=1),
        "priced": _sent(world.web3, key_of("pricer"), to=key_of("nobody").address, data=b"priced", kind=2),
        "old": _sent(world.web3, key_of("elder"), to=key_of("nobody").address, data=b"old"),
        "made": _sent(world.web3, key_of("maker"), to=None, data=_MAKES),
        "moved": _sent_own(world.web3, key_of("mover"), to=key_of("nobody").address),
    }
    return Happened(
        pseudonym=shared.pseudonym,
        patient_only=registered.pseudonym,
        record=record,
        doctor=world.doctor.address,
        colleague=world.colleague.address,
        transactions=sent,
        contracts={name: each.address for name, each in world.contracts.deployment.contracts.items()},
    )


# A call of Consortium.admit by somebody who may not, and code that makes a contract of one byte.
_ADMIT = keccak(text="admit(address,uint32,uint8,uint40)")[:4] + encode(
    ["address", "uint32", "uint8", "uint40"], ["0x" + "11" * 20, 1, 1, 2**39]
)
_MAKES = bytes.fromhex("60005f5360015ff3")
_FEES = {
    0: {"gasPrice": 0},
    1: {"type": 1, "gasPrice": 0, "accessList": [{"address": "0x" + "22" * 20, "storageKeys": [1]}]},
    2: {"type": 2, "maxFeePerGas": 0, "maxPriorityFeePerGas": 0},
}


def _sent(web3: Web3, signer: KeySigner, *, to: str | None, data: bytes, kind: int = 0) -> str:
    fields = {
        "chainId": CHAIN_ID,
        "nonce": web3.eth.get_transaction_count(signer.address),
        "gas": 1_000_000,
        "value": 0,
        "data": "0x" + data.hex(),
        **({} if to is None else {"to": to}),
        **_FEES[kind],
    }
    return _landed(web3, signer.sign_transaction(fields))


def _sent_own(web3: Web3, signer: KeySigner, *, to: str) -> str:
    """A value transfer of Kaia's own type 0x08, signed as TxInternalDataValueTransfer.SerializeForSign says."""
    sender, account = bytes.fromhex(signer.address[2:]), Account.from_key(keccak(text="theriac light test: mover"))
    assert account.address == signer.address
    fields = [0, 0, 1_000_000, bytes.fromhex(to[2:]), 0, sender]
    digest = keccak(rlp.encode([rlp.encode([0x08, *fields]), CHAIN_ID, 0, 0]))
    signed = account.unsafe_sign_hash(digest)
    v = signed.v - 27 + 35 + 2 * CHAIN_ID
    raw = b"\x08" + rlp.encode([*fields, [[v, signed.r, signed.s]]])
    answer = web3.provider.make_request(RPCEndpoint("kaia_sendRawTransaction"), ["0x" + raw.hex()])
    web3.eth.wait_for_transaction_receipt(answer["result"], timeout=30, poll_latency=0.1)
    return str(answer["result"])


def _landed(web3: Web3, raw: bytes) -> str:
    sent = web3.eth.send_raw_transaction(raw)
    web3.eth.wait_for_transaction_receipt(sent, timeout=30, poll_latency=0.1)
    return "0x" + bytes(sent).hex()


# -- what is asked of it ---------------------------------------------------------------------------------------------


def questions(contracts: Contracts, happened: Happened, head: int) -> list[tuple[str, list[Any]]]:
    """What a light client and a full node are both asked, at block `head` where that matters."""
    f = {name: contracts[name].functions for name in happened.contracts}
    pseudonym, scope, purpose = happened.pseudonym, mask_of([LAB]), TREAT.number
    record = bytes.fromhex(happened.record)
    calls = [
        f["Grants"].allowed(pseudonym, happened.doctor, scope, purpose),
        f["Grants"].allowed(pseudonym, happened.colleague, scope, purpose),
        f["Grants"].explain(pseudonym, happened.colleague, scope, purpose),
        f["Grants"].grantOf(pseudonym, happened.doctor, purpose),
        f["Grants"].grantOf(pseudonym, happened.colleague, purpose),
        f["Grants"].eip712Domain(),
        f["Records"].recordOf(happened.patient_only, 1, record),
        f["Records"].recordOf(happened.patient_only, 2, record),
        f["Keys"].authorityOf(pseudonym),
        f["Keys"].publisherOf(pseudonym),
        f["Consortium"].memberOf(1),
        f["Consortium"].memberOf(9),
        f["Consortium"].affiliationOf(happened.doctor),
        f["Consortium"].memberCount(),
    ]
    block = hex(head)
    asked: list[tuple[str, list[Any]]] = [("eth_chainId", [])]
    asked += [("eth_call", [{"to": call.address, "data": call_data(call)}, block]) for call in calls]
    refused = {"from": key_of("stranger").address, "to": happened.contracts["Consortium"], "data": "0x" + _ADMIT.hex()}
    asked += [("eth_call", [refused, block])]
    asked += [("eth_call", [{"data": "0x" + PROBE.hex()}, block])]
    asked += [("eth_getCode", [address, block]) for address in list(happened.contracts.values())[:4]]
    asked += [("eth_getCode", [happened.doctor, block]), ("eth_getCode", [key_of("never seen").address, block])]
    asked += [("eth_getStorageAt", [happened.contracts["Consortium"], hex(slot), block]) for slot in range(3)]
    people = [happened.doctor, *(key_of(name).address for name in ("maker", "never seen"))]
    people.insert(1, happened.contracts["Grants"])
    asked += [("eth_getTransactionCount", [address, block]) for address in people]
    asked += [("eth_getBalance", [address, block]) for address in people]
    asked += [("eth_getTransactionReceipt", [each]) for each in happened.transactions.values()]
    asked += [("eth_getTransactionByHash", [each]) for each in happened.transactions.values()]
    asked += [("eth_getTransactionReceipt", ["0x" + "ab" * 32]), ("eth_getTransactionByHash", ["0x" + "ab" * 32])]
    every = list(happened.contracts.values())
    asked += [("eth_getLogs", [{"fromBlock": "0x0", "toBlock": block, "address": every}])]
    granted = "0x" + keccak(text=GRANTED).hex()
    asked += [("eth_getLogs", [{"fromBlock": "0x0", "toBlock": block, "address": every, "topics": [[granted]]}])]
    return asked


def call_data(call: Any) -> str:
    return "0x" + call_of(call).data.hex()


def _probe() -> bytes:
    """Code that gives what every opcode says that asks for the block, the chain or the caller, a word each.

    After them comes what MCOPY, TSTORE and TLOAD did, and that keccak-256, ecrecover and sha256 are there.
    """
    asked = ["41", "42", "43", "44", "45", "46", "48", "4a", "32", "33", "34", "36", "3d", "47"]
    code, place = "", 0
    for opcode in asked:
        code += f"{opcode}61{place:04x}52"
        place += 32
    # The hashes of the block before this one, of this one, and of one too far back.
    for distance in (1, 0, 300):
        code += f"61{distance:04x}430340" + f"61{place:04x}52"
        place += 32
    # TSTORE of 77 at 5, TLOAD of 5 and of 6.
    code += "604d60055d" + f"60055c61{place:04x}52" + f"60065c61{place + 32:04x}52"
    place += 64
    # MCOPY of the first 64 bytes to the end.
    code += f"60405f61{place:04x}5e"
    place += 64
    # sha256 of the first 32 bytes (contract 2), and the identity of them (contract 4).
    for number in (2, 4):
        code += f"602061{place:04x}60205f60{number:02x}5afa50"
        place += 32
    return bytes.fromhex(code + f"61{place:04x}5ff3")


PROBE = _probe()
GRANTED = "Granted(address,address,uint8,uint64,uint40,uint40,uint16)"
