"""A real chain with relayers that listen on real ports, members that vouch, and patients with keys alone."""

import io
import itertools
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils import keccak
from real_anvil import BOARD, CHAIN_ID, Chain, Contracts, anvil, person
from web3 import HTTPProvider, Web3

from theriac.consortium import Role
from theriac.crypto import blind
from theriac.crypto.recipients import HybridIdentity
from theriac.health import chain as health_chain
from theriac.health.bundle import profile
from theriac.health.chain import Signed, sign
from theriac.health.groups import Group, item_signed
from theriac.health.messages import Freshness, Grant, Publish, Revoke, Rotate, member_address
from theriac.health.relay import HttpRelay
from theriac.health.relayer import Policy, Relayer
from theriac.health.relayer_http import Door, Server
from theriac.health.scope import KeyClass, Purpose, mask_of
from theriac.health.vault import Vault
from theriac.health.vouchers import BLANK_KEY, VOUCHER_KEY, Asked, Blank, BlankKey, Purse, Realm, Voucher
from theriac.ledger import contracts as ledger
from theriac.ledger.deployment import Deployment
from theriac.ledger.node import Node
from theriac.ledger.sender import Sender
from theriac.ledger.signer import KeySigner
from theriac.store import LocalStore

DAY = 24 * 3600
TREAT = Purpose.parse("TREAT")
LAB = mask_of([KeyClass.parse("laboratory/N")])
CLINIC, HOSPITAL = person("clinic"), person("hospital")
CLINIC_KEY, HOSPITAL_KEY = KeySigner(person("clinic's vouchers")), KeySigner(person("hospital's vouchers"))

# Blank keys take half a second to make, and say nothing by being another.
BLANK_SECRET = blind.generate()
OTHER_SECRET = blind.generate()

_numbers = itertools.count(1)


def digest(name: str) -> bytes:
    return keccak(text=f"theriac test: {name}")


@dataclass
class Pseudonym:
    """A patient's account, which publishes by its own signature."""

    world: "RelayWorld"
    key: KeySigner = field(default_factory=lambda: KeySigner(Account.create()))

    @property
    def address(self) -> str:
        return str(self.key.address)

    def sign(self, message: Any) -> Signed:
        return sign(self.world.chain, message, self.key)

    def first(self, name: str | bytes = "bundle 1") -> Signed:
        """The first publication, which appoints the account itself as publisher."""
        return self.sign(Rotate(self.address, 1, _named(name), self.address, 0, 0, self.world.soon()))

    def publish(self, version: int, name: str | bytes = "bundle", *, era: int = 0) -> Signed:
        return self.sign(Publish(self.address, version, _named(name), era, self.world.soon()))

    def grant(self, reader: str, *, nonce: int = 0, era: int = 0, days: int = 30) -> Signed:
        fresh = Freshness(nonce, era, self.world.soon())
        return self.sign(Grant(self.address, reader, TREAT, LAB, 0, self.world.midnight(days), fresh))

    def revoke(self, reader: str, *, nonce: int = 1, era: int = 0) -> Signed:
        return self.sign(Revoke(self.address, reader, TREAT, Freshness(nonce, era, self.world.soon())))

    @property
    def version(self) -> int:
        return self.world.chain.authority(self.address).version

    def nonce(self, reader: str) -> int:
        return self.world.chain.grant_nonce(self.address, reader, TREAT)

    def is_granted(self, reader: str) -> bool:
        return bool(self.world.chain.grant(self.address, reader, TREAT)["scope"])


def _named(name: str | bytes) -> bytes:
    return name if isinstance(name, bytes) else digest(name)


@dataclass
class RelayWorld:
    """Two members with profiles, and whatever relayers a test starts."""

    anvil: Chain
    contracts: ledger.Contracts
    chain: health_chain.Chain
    store: LocalStore
    folder: Path
    secrets: dict[str, str] = field(default_factory=dict)

    @property
    def realm(self) -> Realm:
        return Realm(CHAIN_ID, str(self.contracts.Carrier.address))

    @property
    def url(self) -> str:
        return str(self.anvil.web3.provider.endpoint_uri)

    def now(self) -> int:
        return self.anvil.now()

    def soon(self) -> int:
        return self.now() + 3000

    def midnight(self, days: int) -> int:
        return (self.now() // DAY + days) * DAY

    def pseudonym(self) -> Pseudonym:
        return Pseudonym(self)

    def published(self) -> Pseudonym:
        """A pseudonym whose first version somebody else paid for."""
        made = self.pseudonym()
        self.send(made.first())
        return made

    def send(self, *signed: Signed) -> None:
        """Brings messages to the chain by the transaction of a passer-by."""
        calls = [(each.call.to, each.call.data) for each in self.items(*signed)]
        self.anvil.send(person("passer-by"), self.contracts.Carrier.functions.carry(calls))

    def items(self, *signed: Signed) -> tuple[Any, ...]:
        return tuple(item_signed(self.contracts, each) for each in signed)

    def group(self, *signed: Signed, **more: Any) -> Group:
        return Group(self.items(*signed), **more)

    # -- vouching ----------------------------------------------------------------------------------------------------

    def voucher(self, pseudonym: Pseudonym, at: Any, *, key: Any = CLINIC_KEY, **changes: Any) -> Voucher:
        """The clinic's voucher for a pseudonym at a relayer."""
        terms = Voucher(1, pseudonym.address, at.address, 20, 5_000_000, self.now() + 30 * DAY)
        return replace(terms, **changes).signed(key, self.realm)

    def blank(
        self, relayer: Any, pseudonym: Pseudonym | None = None, *, secret: Any = BLANK_SECRET, member: int = 1
    ) -> Blank:
        """A blank as a patient gets it from a desk; given to a pseudonym, where one is named."""
        key = BlankKey(secret.public_key(), self.now() + 30 * DAY)
        asked = Asked.new(member=member, relayer=relayer.address, key=key)
        signed = blind.sign_blind(secret, bytes.fromhex(asked.blinded))
        signature = blind.finish(key.public, asked.blank.message(), signed, int(asked.inverse, 16))
        blank = replace(asked.blank, signature=signature.hex())
        self.secrets[blank.id] = asked.secret
        return blank if pseudonym is None else blank.used_by(pseudonym.address, asked.secret)

    def purse(self, *vouchers: Voucher, blanks: Any = ()) -> Purse:
        vault = Vault()
        vault.purse = {
            "vouchers": [each.values() for each in vouchers],
            "blanks": [{"blank": each.values(), "secret": self.secrets[each.id], "for": ""} for each in blanks],
        }
        return Purse(vault, save=lambda: None)

    # -- relayers ----------------------------------------------------------------------------------------------------

    def relayer(self, name: str = "", *, folder: Path | None = None, **policy: Any) -> Relayer:
        """A relayer that does not listen; `step` brings what it has taken on."""
        name = name or f"relayer {next(_numbers)}"
        place = (folder or self.folder) / name
        place.mkdir(parents=True, exist_ok=True)
        web3 = connected(self.url)
        contracts = ledger.Contracts(web3, self.contracts.deployment)
        sender = Sender(web3, KeySigner(person(name)), outbox=place / "outbox", reverts=contracts.reverts)
        return Relayer(
            chain=health_chain.Chain(web3, contracts, index=place / "index"),
            sender=sender,
            store=self.store,
            journal=place / "journal",
            policy=Policy(**{"patience": 0.0, **policy}),
        )

    def client(self, *urls: str, **options: Any) -> HttpRelay:
        settings = {"patience": timedelta(seconds=4), "timeout": timedelta(seconds=40), **options}
        return HttpRelay(urls, self.contracts, Node(self.anvil.web3), **settings)

    def transactions_of(self, relayer: Any) -> int:
        """How many transactions a relayer has paid for."""
        return int(self.anvil.web3.eth.get_transaction_count(relayer.address))


def connected(url: str) -> Web3:
    """A connection that asks no proxy for what is on this machine."""
    os.environ.setdefault("NO_PROXY", "127.0.0.1,localhost")
    return Web3(HTTPProvider(url))


@contextmanager
def listening(relayer: Relayer, *, posts: int = 100_000, gets: int = 100_000) -> Iterator[Server]:
    """A relayer that listens, as long as the block lasts."""
    import time

    with Server(relayer, door=Door(posts=posts, gets=gets, clock=time.monotonic, exempt=())) as server:
        yield server


@contextmanager
def founded(folder: Path) -> Iterator[RelayWorld]:
    """A chain with the contracts of health, and two members that publish what they vouch with."""
    with ExitStack() as stack:
        chain = stack.enter_context(anvil(hardfork="cancun"))
        deployed = Contracts.deploy(chain)
        deployment = Deployment.of(chain.web3, network="relayers", depth=0, lasting=False)
        for name in ("Consortium", "Recovery", "Keys", "Records", "Grants", "Delegations", "Letters", "Carrier"):
            contract = deployed.by_name[name]
            deployment = deployment.with_contract(chain.web3, name, contract.address, block=1)
        contracts = ledger.Contracts(chain.web3, deployment)
        health = health_chain.Chain(chain.web3, contracts, index=folder / "index")
        world = RelayWorld(chain, contracts, health, LocalStore(folder / "store"), folder)
        for member, key, secret in ((CLINIC, CLINIC_KEY, BLANK_SECRET), (HOSPITAL, HOSPITAL_KEY, OTHER_SECRET)):
            roles = int(Role.CLINICIAN | Role.GATEWAY)
            chain.send(BOARD, contracts.Consortium.functions.admit(member.address, roles, 1, world.midnight(3650)))
            _publish_profile(world, member, key, secret)
        yield world


def _publish_profile(world: RelayWorld, member: LocalAccount, key: KeySigner, secret: Any) -> None:
    blanks = BlankKey(secret.public_key(), world.now() + 365 * DAY).encode()
    document = profile(
        member.address,
        name="somebody",
        recipient=HybridIdentity.generate().recipient,
        endpoints={VOUCHER_KEY: str(key.address), BLANK_KEY: blanks},
    )
    named = world.store.put(io.BytesIO(document)).digest
    world.anvil.send(member, world.contracts.Keys.functions.publish(member.address, 1, named))


__all__ = ["CLINIC_KEY", "HOSPITAL_KEY", "TREAT", "RelayWorld", "founded", "listening", "member_address"]
