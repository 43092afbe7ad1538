"""Where a command works: a network, what is deployed on it, a store, and the folder of whoever it works for."""

import fcntl
import json
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from web3 import HTTPProvider, Web3

from scripts._accounts import ApeSigner, find
from scripts._cli import LIGHT, Failure, cleaned
from theriac.errors import ChainRefused, ChainSilent, DamagedKeystore
from theriac.health.chain import Chain
from theriac.health.keystore import write_private
from theriac.ledger.contracts import Contracts
from theriac.ledger.deployment import Deployment
from theriac.ledger.node import Node, shown_endpoint
from theriac.ledger.sender import Sender
from theriac.store import LocalStore, Store

if TYPE_CHECKING:
    from theriac.ledger.light.provider import LightProvider
    from theriac.store.cluster import ClusterStore

PROJECT = Path(__file__).resolve().parent.parent

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")
_TAKEN = ("store", "outbox", "light")


def home() -> Path:
    """Everything a user keeps: in the project, unless THERIAC_HOME names another folder."""
    return Path(os.environ.get("THERIAC_HOME") or PROJECT / ".theriac")


@dataclass
class Site:
    """A network, and whether it `answers`.

    `play` says that nothing on it lasts: the embedded chain and the development chain. `uri` is where its node is.
    """

    name: str
    web3: Web3
    ecosystem: Any
    depth: int
    lasting: bool
    play: bool
    place: str | None
    uri: str = ""
    answers: bool = True
    _open: ExitStack = field(default_factory=ExitStack)
    _senders: dict[str, Sender] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return home() / self.name

    @property
    def deployments(self) -> Path:
        return home() / "deployments"

    def connection(self) -> Web3:
        """A connection for another thread, which believes no more than this one."""
        return self.web3 if Node(self.web3).proving else Web3(HTTPProvider(self.uri))

    @property
    def has_contracts(self) -> bool:
        """Whether anything is known to be deployed: the first deployment has none to ask yet."""
        return Deployment.path(self.deployments, self.name).is_file()

    @cached_property
    def contracts(self) -> Contracts:
        """What is deployed, after a look whether it stands there unchanged."""
        deployment = Deployment.load(Deployment.path(self.deployments, self.name))
        if self.answers:
            deployment.verify(self.web3)
        return Contracts(self.web3, deployment)

    @cached_property
    def store(self) -> Store:
        if self.place is None:
            return LocalStore(self.folder / "store")
        return opened(self.place, self._open)

    def chain(self, folder: Path) -> Chain:
        """The chain as a health client sees it; events are followed into a file for this deployment."""
        genesis = self.contracts.deployment.genesis
        chain = Chain(self.web3, self.contracts, index=folder / f"events-{genesis[2:10]}.sqlite")
        self._open.callback(chain.close)
        return chain

    def alias(self, account: str | None) -> str:
        """The account that was named; the first test account where nothing lasts."""
        if account is None and not self.play:
            raise Failure("Name the account that signs with --account; 'ape accounts list' shows them.")
        return account or "TEST::0"

    def account_of(self, who: str) -> str:
        """The account that somebody's `setup` named."""
        with self.person(who) as person:
            alias = person.settings.get("account")
        if alias is None:
            raise Failure(f"{who} has no account here; name one with --account.")
        return alias

    def signer(self, alias: str) -> ApeSigner:
        return ApeSigner(find(alias, play=self.play), ecosystem=self.ecosystem, alias=alias)

    def sender(self, alias: str) -> Sender:
        """Sends for an account of Ape. What was sent is kept, so that a crash sends nothing twice."""
        signer = self.signer(alias)
        if signer.address not in self._senders:
            outbox = self.outbox(alias, genesis=Node(self.web3).genesis())
            reverts = self.contracts.reverts if self.has_contracts else None
            sender = Sender(self.web3, signer, outbox=outbox, depth=self.depth, reverts=reverts)
            self._senders[signer.address] = sender
            self._open.callback(sender.close)
        return self._senders[signer.address]

    def outbox(self, alias: str, *, genesis: str | None = None) -> Path:
        """The file of what an account sends on this chain; the deployment says which chain, unless `genesis` does."""
        begin = (genesis or self.contracts.deployment.genesis)[2:10]
        path = self.folder / "outbox" / f"{begin}-{self.signer(alias).address}.sqlite"
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return path

    @contextmanager
    def person(self, who: str, *, new: bool = False, shared: bool = False) -> Iterator["Person"]:
        """The folder of somebody; one command at a time works in it.

        `shared` is for what runs for hours beside other commands, and only uses files that stand several processes.
        """
        if not _NAME.fullmatch(who) or who in _TAKEN:
            raise Failure(f"{who[:60]!r} is no name for a folder: give --as a name of a-z, 0-9 and '-'.")
        folder = self.folder / who
        if not new and not (folder / "settings.json").exists():
            raise Failure(f"Nobody called {who} is set up on the network {self.name}; begin with 'setup' or 'init'.")
        if shared:
            yield Person(who, folder)
            return
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as fault:
            raise DamagedKeystore(path=str(folder), fault=fault.strerror or "it cannot be written") from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            raise Failure(f"Another command is at work for {who}; wait until it is done and try again.", 4) from None
        try:
            yield Person(who, folder)
        finally:
            os.close(handle)


@dataclass(frozen=True)
class Person:
    """Somebody's folder and what is remembered in it between commands."""

    who: str
    folder: Path

    @property
    def settings(self) -> dict[str, str]:
        path = self.folder / "settings.json"
        try:
            values = json.loads(path.read_bytes())
            return {str(key): str(value) for key, value in values.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, AttributeError):
            raise DamagedKeystore(path=str(path), fault="it is not JSON") from None

    def remember(self, **settings: str) -> None:
        text = json.dumps({**self.settings, **settings}, indent=2) + "\n"
        write_private(self.folder / "settings.json", text.encode())


def opened(place: str, closing: ExitStack) -> Store:
    """The store at a place: a folder, an IPFS node, or a node and its Cluster peer with a comma between."""
    if not re.match(r"/(ip4|ip6|dns|dns4|dns6|unix)/", place):
        return LocalStore(place)
    node, _, peer = place.partition(",")
    if not peer:
        from theriac.store.kubo import KuboStore

        return closing.enter_context(KuboStore(node))
    from theriac.store.cluster import ClusterStore

    store = ClusterStore(node, peer)
    closing.enter_context(store)
    closing.callback(_tell_lacking, store)
    return store


def _tell_lacking(store: "ClusterStore") -> None:
    """Says what no copy was asked for, when a command ends: it is kept, but on one node alone."""
    faults = list(store.lacking.values())
    if faults:
        what = "One file is" if len(faults) == 1 else f"{len(faults)} files are"
        click.echo(f"{what} on the own node only. {faults[-1]} Then run 'ape run store repair'.", err=True)


@contextmanager
def connected(network: str, store: str | None = None) -> Iterator[Site]:
    """The network by Ape's name for it, connected; with `--light`, to nodes that have to prove what they say.

    Ape says what networks there are and checks the chain's id; what is asked of a node over HTTP goes by a connection
    of our own, which never waits for ever.
    """
    import ape
    from ape.logging import LogLevel, logger

    if logger.level == LogLevel.INFO:
        logger.set_level(LogLevel.WARNING)
    if LIGHT.get("light"):
        with _proven(network, store) as site:
            yield site
        return
    if found := _configured(network):
        with _asked(*found, store) as site:
            yield site
        return
    with ExitStack() as stack:
        try:
            provider = stack.enter_context(ape.networks.parse_network_choice(network))
        except json.JSONDecodeError:
            raise _no_node(network) from None
        uri = str(getattr(provider, "uri", "") or "")
        embedded = provider.network.name == "local" and not uri.startswith("http")
        web3 = provider.web3 if embedded or not uri.startswith("http") else Web3(HTTPProvider(uri))
        site = _site(provider.network, web3, store, uri="" if embedded else uri)
        with site._open:
            yield site


@cache
def _network(ecosystem: str, name: str) -> Any:
    """A network of Ape's; whenever it is asked for one, it makes those of the configuration anew."""
    import ape

    return ape.networks.get_ecosystem(ecosystem).get_network(name)


def _site(network: Any, web3: Web3, store: str | None, *, uri: str, answers: bool = True) -> Site:
    """A network of Ape's, as it is asked by a connection."""
    name, ecosystem = network.name, network.ecosystem
    return Site(
        name=_label(ecosystem.name, name),
        web3=web3,
        ecosystem=ecosystem,
        depth=int(network.required_confirmations),
        lasting=name != "local",
        play=name in ("local", "dev"),
        place=store,
        uri=uri,
        answers=answers,
    )


def _label(ecosystem: str, name: str) -> str:
    """What a network is called here: in the names of folders and files."""
    return name if ecosystem == "ethereum" else f"{ecosystem}-{name}"


def _no_node(where: str) -> Failure:
    return Failure(f"What answers at {where} is no node of a chain; name another with --network.", 4)


def _configured(network: str) -> tuple[Any, str] | None:
    """A network of this project's configuration, and where its node is; None for any other network.

    For those, Ape loads every engine that it knows, the embedded chain among them, which takes longer than most
    commands do.
    """
    from ape.exceptions import NetworkError

    ecosystem_name, name, provider = _parts(network)
    try:
        found = _network(ecosystem_name, name)
    except NetworkError:
        return None
    if not found.is_custom or found.default_provider_name != "node":
        return None
    if provider in ("", "node"):
        from ape_node import Node as NodeProvider

        provider = str(NodeProvider(name="node", network=found, provider_settings={}).uri)
    return (found, provider) if re.match(r"https?://", provider) else None


@contextmanager
def _asked(network: Any, uri: str, store: str | None) -> Iterator[Site]:
    """A network of the configuration, once its node was asked whether it is of this chain."""
    web3 = Web3(HTTPProvider(uri))
    try:
        network.verify_chain_id(Node(web3).chain_id())
    except ChainSilent:
        where = shown_endpoint(web3.provider)
        raise Failure(f"No node answers at {where}; start it ('make chain') or name another by --network.", 4) from None
    except ChainRefused:
        raise _no_node(shown_endpoint(web3.provider)) from None
    site = _site(network, web3, store, uri=uri)
    with site._open:
        yield site


@contextmanager
def _proven(network: str, store: str | None) -> Iterator[Site]:
    """The network as a light client sees it; says at the end which node lied."""
    ecosystem_name, name, provider = _parts(network)
    found = _network(ecosystem_name, name)
    light = _light(_label(ecosystem_name, name), provider)
    site = _site(found, Web3(light), store, uri=light.endpoint_uri)
    site._open.callback(light.close)
    try:
        with site._open:
            yield site
    finally:
        for fault in light.faults:
            click.echo(cleaned(fault), err=True)


def _light(label: str, provider: str) -> "LightProvider":
    """What proves the answers of the nodes that were named: by `--node`, and as Ape's provider where that is one."""
    from theriac.ledger.light.anchor import Anchor
    from theriac.ledger.light.provider import LightProvider

    named = dict.fromkeys([*([provider] if provider.startswith("http") else []), *LIGHT.get("nodes", ())])
    if len(named) < 2 or not all(re.match(r"https?://[^/]", each) for each in named):
        raise Failure("A light client asks two nodes, so that one shows what another keeps back: give --node twice.")
    return LightProvider(Anchor.load(Path(LIGHT["light"])), list(named), folder=home() / label / "light")


@contextmanager
def unconnected(who: str, store: str | None, *, network: str) -> Iterator[Site]:
    """The network as somebody who worked on it before knows it, without asking it; `answers` is False.

    Raises Failure where nothing is known here.
    """
    ecosystem_name, name, provider = _parts(network)
    label = _label(ecosystem_name, name)
    known: dict[str, str] = {}
    if _NAME.fullmatch(who) and _NAME.fullmatch(label):
        known = Person(who, home() / label / who).settings
    uri = provider if provider.startswith("http") else known.get("uri", "")
    if "member" not in known or not uri:
        raise Failure("The chain is out of reach, and nothing is known here yet; try again when it answers.", 4)
    found = _network(ecosystem_name, name)
    web3 = Web3(_light(label, provider) if LIGHT.get("light") else HTTPProvider(uri))
    site = _site(found, web3, store, uri=uri, answers=False)
    with site._open:
        yield site


def _parts(network: str) -> tuple[str, str, str]:
    """Ecosystem, network and provider of Ape's name for a network; what is left out is Ape's default."""
    import ape

    parts = [*network.split(":", 2), "", ""]
    ecosystem = parts[0] or ape.networks.default_ecosystem.name
    name = parts[1] or ape.networks.get_ecosystem(ecosystem).default_network_name
    return ecosystem, name, parts[2]


def is_silent(site: Site, *, seconds: float = 2.0) -> bool:
    """Whether the chain does not answer now, or shows nothing that could be acted upon."""
    from datetime import timedelta

    from theriac.errors import Unavailable

    try:
        Node(site.web3, timeout=timedelta(seconds=seconds)).head()
    except Unavailable:
        return True
    return False
