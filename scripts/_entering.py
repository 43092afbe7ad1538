"""How an organisation enters a consortium: it asks by a file, and joins by the board's answer.

One folder holds all that is its own (`engines.organisation`), and

    FOLDER/request.json     what it asked with
    FOLDER/keys             the keystore of its account
    FOLDER/home             what its commands keep (THERIAC_HOME), the identity that it is sealed to among it
    FOLDER/NAME.env         what a shell reads to work as it
    FOLDER/units            how its nodes are run on a machine that lasts
"""

import json
import os
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from engines.kaia.network import CHAIN_ID
from engines.organisation import NETWORK, Organisation, Ports
from scripts._cli import Failure, passphrase
from scripts._inviting import check_board, in_sentences, read_file
from scripts._keys import key
from scripts._site import Site, connected
from theriac.consortium.invitation import Invitation, Request
from theriac.consortium.peers import is_name
from theriac.crypto.recipients import HybridIdentity, parse_identity
from theriac.errors import DamagedKeystore, WrongChain
from theriac.health.keystore import Keystore, passphrase_lock, write_private
from theriac.ledger.deployment import Deployment
from theriac.ledger.node import Node

# A block comes every second; a chain whose last one is older than this is not the one that others see.
_FRESH = 60
"""Seconds."""


@dataclass(frozen=True)
class Entrance:
    """The folder of an organisation that enters, and whose commands it uses: `clinic`, `pharmacy` and so on."""

    folder: Path
    name: str
    actor: str

    @property
    def keystore(self) -> Path:
        return self.folder / "keys" / f"{self.name}.json"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def person(self) -> Path:
        return self.home / NETWORK / self.actor

    @property
    def file(self) -> Path:
        return self.folder / f"{self.name}.env"

    @property
    def variable(self) -> str:
        """What Ape reads a keystore's passphrase from."""
        return f"APE_ACCOUNTS_{self.name}_PASSPHRASE"

    @contextmanager
    def at(self, opener: str) -> Iterator[None]:
        """Works here; the passphrase opens the account's keystore and the identity alike."""
        before = dict(os.environ)
        os.environ.update({"THERIAC_HOME": str(self.home), "THERIAC_PASSPHRASE": opener, self.variable: opener})
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)

    def write(self, organisation: Organisation) -> None:
        settings = {
            "THERIAC_HOME": str(self.home),
            "THERIAC_NETWORK": organisation.network,
            "THERIAC_ACCOUNT": str(self.keystore),
            "THERIAC_PAYER": str(self.keystore),
            "THERIAC_AS": self.actor,
            "THERIAC_NODES": str(self.folder),
        }
        if organisation.place is not None:
            settings["THERIAC_STORE"] = organisation.place
        lines = [f"export {name}={shlex.quote(value)}" for name, value in settings.items()]
        write_private(self.file, ("\n".join(lines) + "\n").encode())


def request(
    folder: Path, *, name: str, title: str, actor: str, host: str, ports: Ports, store: bool, roles: str, out_of: str
) -> Request:
    """Makes every key of an organisation that is not made yet, and what it asks to enter with."""
    from eth_account import Account

    from theriac.ledger.signer import KeySigner

    if not is_name(name):
        raise Failure(f"{name[:60]!r} is no name for an organisation: it has a-z, 0-9 and '-', 40 at most.")
    entrance = Entrance(folder, name, actor)
    with in_sentences():
        organisation = Organisation.lay(folder, name=name, host=host, ports=ports, store=store)
        if organisation.name != name:
            raise Failure(f"{folder} is the folder of {organisation.name}; name another with --nodes.")
        organisation.make_keys()
    if entrance.keystore.exists():
        account = Account.from_key(_unlocked(entrance, out_of))
    else:
        account = Account.create()
        write_private(entrance.keystore, json.dumps(Account.encrypt(account.key, out_of)).encode())
    identity = _identity(entrance, out_of)
    with in_sentences():
        card = organisation.card
    asked = Request(title, str(account.address), roles, str(identity.recipient), card, int(time.time()))
    if (folder / "request.json").exists():
        before = Request.read(read_file(folder / "request.json"))
        if replace(before, made=asked.made) == asked:
            # The board may have answered it already, and its answer is for that one alone.
            return before
    write_private(folder / "request.json", asked.signed(KeySigner(account)))
    write_private(folder / "entrance.json", json.dumps({"actor": actor}).encode())
    return asked


def _unlocked(entrance: Entrance, opener: str) -> bytes:
    from eth_account import Account

    try:
        return bytes(Account.decrypt(json.loads(entrance.keystore.read_bytes()), opener))
    except (OSError, ValueError, KeyError, TypeError):
        raise Failure(f"{entrance.keystore} does not open with this passphrase.", 3) from None


def _identity(entrance: Entrance, opener: str) -> HybridIdentity:
    """The identity that it will publish, made where it is missing."""
    path = entrance.person / "identity"
    if not path.exists():
        identity = HybridIdentity.generate()
        Keystore.create(path, str(identity.unsafe_export_secret()).encode(), passphrase_lock(opener))
        return identity
    with entrance.at(opener):
        _, secret = Keystore.unlock(path, key(whose=entrance.name))
    found = parse_identity(secret.decode())
    if not isinstance(found, HybridIdentity):
        raise DamagedKeystore(path=str(path), fault="its identity is of another kind")
    return found


@dataclass(frozen=True)
class Joined:
    """A member that has joined, and what its nodes are run by."""

    member: int
    organisation: Organisation
    entrance: Entrance
    units: tuple[Path, ...]


def join(
    folder: Path, data: bytes, *, board: Callable[[str], str], seconds: float, tell: Callable[[str], None]
) -> Joined:
    """Joins by an invitation: checks it, makes the nodes, has them sync, waits for standing, publishes.

    `board` is asked whether the signer is the board, and says whom the person was told. Each step can be repeated.
    """
    # (1) it answers what was asked here
    asked = Request.read(_kept(folder / "request.json"))
    invitation = Invitation.read(data)
    invitation.check_for(asked)
    invitation.check_time(int(time.time()))
    entrance = Entrance(folder, asked.card.name, json.loads(_kept(folder / "entrance.json"))["actor"])

    # (2) whom it is from: a stranger can make a whole consortium, and only a person knows which one is meant
    told = board(invitation.signer)
    if told.lower() != invitation.signer.lower():
        from theriac.errors import NotTheBoardsInvitation

        raise NotTheBoardsInvitation(signer=invitation.signer, board=told)

    # (3) the secret in it is for this member
    opener = passphrase(whose=asked.card.name)
    secret = invitation.secret(_identity(entrance, opener))

    # (4) its chain is one that this version can follow
    if invitation.deployment.chain_id != CHAIN_ID:
        raise Failure(f"The invitation is to chain {invitation.deployment.chain_id}; this version joins {CHAIN_ID}.")

    with in_sentences():
        organisation = Organisation(folder).share(secret).settle(copies=invitation.copies)
        # (5) its own node begins with the very first block that the contracts' file names
        tell("Starting the nodes")
        _begin(organisation, invitation)
        organisation.knows(invitation.peers)
        organisation.stop()
        units = _units(organisation)
        entrance.write(organisation)
        organisation.start()
    deployment = replace(invitation.deployment, network=NETWORK)
    with entrance.at(opener), connected(organisation.network, organisation.place) as site:
        # (6) it has followed the chain to now, by its own rules
        tell("Syncing")
        _sync(site, organisation, seconds=seconds)
        # (7) the contracts stand on it, with the code that the invitation says
        deployment.verify(site.web3)
        _keep(deployment, entrance.home / "deployments")
        # (8) the chain itself calls the signer the board
        check_board(site, invitation)
        # (9) the consortium has it as a member
        member = _standing(site, asked, seconds=seconds, tell=tell)
        # (10) somebody keeps copies of what it puts into its store
        _keepers(organisation, seconds=seconds, tell=tell)
        tell("Publishing")
        _publish(site, entrance, asked)
    return Joined(member, organisation, entrance, units)


def _kept(path: Path) -> bytes:
    try:
        return read_file(path)
    except FileNotFoundError:
        raise Failure(f"Nothing was asked from {path.parent}; begin with 'member request'.") from None


def _units(organisation: Organisation) -> tuple[Path, ...]:
    from engines.units import write_units

    return write_units(organisation)


def _begin(organisation: Organisation, invitation: Invitation) -> None:
    """Begins the chain of the invitation, and leaves nothing of it where it is not the one of the contracts."""
    fresh = not organisation.genesis.exists()
    organisation.found(invitation.genesis)
    if json.loads(organisation.genesis.read_bytes()) != invitation.genesis:
        raise Failure(
            f"{organisation.folder} has begun another chain than that of the invitation; name another folder.", 3
        )
    organisation.start_chain()
    found = organisation.kaia.ask("eth_getBlockByNumber", "0x0", False)["hash"]
    if found != invitation.deployment.genesis:
        organisation.stop()
        if fresh:
            organisation.unfound()
        written = invitation.deployment.genesis
        raise WrongChain(
            source="The contracts' file in the invitation", what="first block", written=written, found=found
        )


def _keep(deployment: Deployment, folder: Path) -> None:
    """Keeps what is deployed where; what was joined once is never replaced by another invitation."""
    path = Deployment.path(folder, deployment.network)
    if path.exists() and Deployment.load(path) != deployment:
        raise Failure(f"{path} names other contracts than the invitation; ask the board which count.", 3)
    deployment.save(folder)


def _sync(site: Site, organisation: Organisation, *, seconds: float) -> None:
    node, deadline = Node(site.web3), time.monotonic() + seconds
    while time.monotonic() < deadline:
        with in_sentences():
            peers = organisation.kaia.peers()
        head = node.head()
        if peers and head.number and time.time() - head.time.timestamp() < _FRESH:
            return
        time.sleep(0.3)
    if not peers:
        raise Failure(
            "None of the consortium's nodes was reached; check that this machine reaches the addresses in peers.json, "
            "then run this again.",
            4,
        )
    raise Failure(
        f"The chain is at block {head.number:,}, of {head.time:%Y-%m-%d %H:%M:%S} UTC; run this again to go on "
        "syncing, or set this machine's clock right.",
        4,
    )


def _standing(site: Site, asked: Request, *, seconds: float, tell: Callable[[str], None]) -> int:
    functions, deadline = site.contracts.Consortium.functions, time.monotonic() + seconds
    said = False
    while True:
        member = int(site.contracts.call(functions.affiliationOf(asked.account))["member"])
        if member and site.contracts.call(functions.inStanding(member)):
            return member
        if not said:
            tell(
                f"Waiting for standing; the board gives it by: ape run board admit {asked.account} "
                f"--roles {asked.roles} --until YYYY-MM-DD"
            )
            said = True
        if time.monotonic() > deadline:
            raise Failure(f"{asked.account} has no standing yet; run this again when the board has admitted it.", 4)
        time.sleep(0.5)


def _keepers(organisation: Organisation, *, seconds: float, tell: Callable[[str], None]) -> None:
    if organisation.cluster is None:
        return
    deadline, said = time.monotonic() + seconds, False
    while (met := len(organisation.cluster.met())) < organisation.copies:
        if not said:
            tell("Waiting for who keeps copies, by: ape run member welcome INVITATION")
            said = True
        if time.monotonic() > deadline:
            raise Failure(
                f"Of {organisation.copies} nodes that are to keep each file, {met} are there; have the keepers welcome "
                "this member, then run this again.",
                4,
            )
        time.sleep(0.5)


def _publish(site: Site, entrance: Entrance, asked: Request) -> None:
    from scripts._member import found_desk

    with site.person(entrance.actor, new=True) as person:
        found_desk(site, person, alias=str(entrance.keystore), name=asked.title)
