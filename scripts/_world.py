"""The small consortium of `ape run consortium`: who its members are, and what each has on this machine.

Each organisation has one folder, as on a machine of its own, and works through its own nodes:

    .theriac/consortium/NAME/           its nodes (`engines.organisation`)
                        NAME/keys       keystores of its accounts, and the passphrase that was drawn for them
                        NAME/home       what its commands keep (THERIAC_HOME)
                        NAME/*.env      what a shell reads to work as it, or as one of its staff
"""

import fcntl
import json
import os
import secrets
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engines.consortium import Consortium
from engines.organisation import NETWORK, Organisation
from scripts._cli import Failure
from scripts._inviting import in_sentences
from scripts._site import PROJECT, Site, connected, home
from theriac.health.keystore import write_private
from theriac.ledger.deployment import Deployment

UNTIL = "2040-01-01"


@dataclass(frozen=True)
class Staff:
    """Somebody of a member's staff: the name of the folder and the account, the public name, what it joins as."""

    who: str
    name: str
    roles: str


@dataclass(frozen=True)
class Member:
    """A member: its organisation, its public name, the actor whose commands it uses, its licence, its staff.

    `store` names the organisation whose store it uses.
    """

    organisation: str
    name: str
    actor: str
    roles: str
    staff: tuple[Staff, ...]
    store: str


MEMBERS = (
    Member(
        "north",
        "North Clinic",
        "clinic",
        "clinician,prescriber,laboratory,gateway",
        (Staff("lin", "Dr Lin", "clinician,prescriber"),),
        "north",
    ),
    Member(
        "city",
        "City Hospital",
        "clinic",
        "clinician,prescriber,laboratory,gateway",
        (Staff("okafor", "Dr Okafor", "clinician"),),
        "city",
    ),
    Member(
        "corner",
        "Corner Pharmacy",
        "pharmacy",
        "pharmacist",
        (Staff("reyes", "Pharmacist Reyes", "pharmacist"),),
        "corner",
    ),
    # An insurer without a store of its own: a neighbour on the same machine lends it one.
    Member("harbour", "Harbour Mutual", "insurer", "insurer", (Staff("ito", "Clerk Ito", "insurer"),), "corner"),
)
BOARD, PATIENTS = "board", "patients"


@dataclass(frozen=True)
class Place:
    """Where somebody works: a folder, an account, the node of the chain and the store that it goes by."""

    folder: Path
    who: str
    account: str
    network: str
    store: str
    nodes: Path

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def keystore(self) -> Path:
        return self.folder / "keys" / f"{self.account}.json"

    @property
    def file(self) -> Path:
        """What a shell reads to work here."""
        return self.folder / f"{self.who}.env"

    @property
    def settings(self) -> dict[str, str]:
        passphrase = (self.folder / "keys" / "passphrase").read_text().strip()
        return {
            "THERIAC_HOME": str(self.home),
            "THERIAC_NETWORK": self.network,
            "THERIAC_STORE": self.store,
            "THERIAC_ACCOUNT": str(self.keystore),
            "THERIAC_PAYER": str(self.keystore),
            "THERIAC_AS": self.who,
            "THERIAC_NODES": str(self.nodes),
            "THERIAC_PASSPHRASE": passphrase,
            f"APE_ACCOUNTS_{self.account}_PASSPHRASE": passphrase,
        }

    def write(self) -> None:
        """Writes `file`, which tells where the passphrase is, and not what it is."""
        place = shlex.quote(str(self.folder / "keys" / "passphrase"))
        lines = [
            f'export {name}="$(cat {place})"' if name.endswith("_PASSPHRASE") else f"export {name}={shlex.quote(value)}"
            for name, value in self.settings.items()
        ]
        write_private(self.file, ("\n".join(lines) + "\n").encode())

    @contextmanager
    def at(self) -> Iterator[None]:
        """Works here: commands find in the environment what they would find after the shell has read `file`."""
        before = dict(os.environ)
        os.environ.update(self.settings)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)

    @contextmanager
    def site(self) -> Iterator[Site]:
        with self.at(), connected(self.network, self.store) as site:
            yield site


def make_account(folder: Path, account: str) -> None:
    """Draws an account and locks it with the folder's passphrase, which is drawn too, where that is not done yet."""
    from eth_account import Account

    passphrase, keystore = folder / "passphrase", folder / f"{account}.json"
    if not passphrase.exists():
        write_private(passphrase, f"{secrets.token_urlsafe(24)}\n".encode())
    if not keystore.exists():
        key = secrets.token_bytes(32)
        # A passphrase of 24 drawn bytes is guessed no faster because the lock opens fast.
        locked = Account.encrypt(key, passphrase.read_text().strip(), kdf="scrypt", iterations=1 << 12)
        write_private(keystore, json.dumps(locked).encode())


class World:
    """The small consortium with its members."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = (folder or home() / NETWORK).absolute()
        self.consortium = Consortium(self.folder)
        self._tell: Callable[[str], None] = lambda _: None

    # -- places ------------------------------------------------------------------------------------------------------

    def _place(self, folder: str, who: str, account: str, *, network: str, store: str) -> Place:
        organisations = self.consortium.organisations
        return Place(
            self.folder / folder,
            who,
            account,
            organisations[network].network,
            str(organisations[store].place),
            organisations[network].folder,
        )

    @property
    def board(self) -> Place:
        return self._place(BOARD, BOARD, BOARD, network="north", store="north")

    @property
    def patients(self) -> Place:
        """Where patients work; the account pays for what they sign, which costs nothing on this chain."""
        return self._place(PATIENTS, "ann", "payer", network="north", store="north")

    def member(self, member: Member) -> Place:
        own = member.organisation
        return self._place(own, member.actor, own, network=own, store=member.store)

    def staff(self, member: Member, staff: Staff) -> Place:
        own = member.organisation
        return self._place(own, staff.who, staff.who, network=own, store=member.store)

    def places(self) -> list[Place]:
        members = [self.member(each) for each in MEMBERS]
        staff = [self.staff(each, one) for each in MEMBERS for one in each.staff]
        return [self.board, *members, *staff, self.patients]

    # -- up and down -------------------------------------------------------------------------------------------------

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            raise Failure("Another command brings the consortium up or down; wait until it is done.", 4) from None
        try:
            yield
        finally:
            os.close(handle)

    def up(self, tell: Callable[[str], None]) -> None:
        """Runs all nodes, and founds what is not founded yet; whatever was interrupted goes on."""
        with self._alone(), in_sentences():
            self._tell = tell
            self.consortium.start(tell)
            for place in self.places():
                make_account(place.folder / "keys", place.account)
                place.write()
            self._deploy()
            self._admit()
            for member in MEMBERS:
                self._begin(member)

    def down(self) -> list[str]:
        """Ends all nodes; what still runs or listens afterwards, which should be nothing."""
        if not self.folder.exists():
            return []
        with self._alone(), in_sentences():
            self.consortium.stop()
            return self.remains()

    def remains(self) -> list[str]:
        """The nodes that run, and the ports at which one listens."""
        import socket

        found = []
        for path in sorted(self.folder.glob("*/organisation.json")):
            organisation = Organisation(path.parent)
            found += [f"{organisation.name} {name}" for name, each in organisation.daemons().items() if each.running]
            for name, port in vars(organisation.ports).items():
                with socket.socket() as line:
                    if line.connect_ex((organisation.host, port)) == 0:
                        found.append(f"{organisation.name} {name} port {port}")
        return found

    # -- founding ----------------------------------------------------------------------------------------------------

    def _deploy(self) -> None:
        from scripts._deploying import deploy

        self._tell("Deploying the contracts")
        with self.board.site() as site:
            done = deploy(site, account=str(self.board.keystore), board=None, depth=None, anew=False)
        # Each member has a file of its own, as it comes with an invitation.
        for place in self.places():
            path = Deployment.path(place.home / "deployments", NETWORK)
            if not path.exists() or Deployment.load(path) != done.deployment:
                done.deployment.save(path.parent)

    def _admit(self) -> None:
        from scripts._options import moment
        from theriac.consortium import Role
        from theriac.ledger.sender import Intent

        self._tell("Admitting the members")
        accounts = {each: self._address(self.member(each)) for each in MEMBERS}
        with self.board.site() as site:
            functions = site.contracts.Consortium.functions
            missing = [
                each
                for each, account in accounts.items()
                if not site.contracts.call(functions.affiliationOf(account))["member"]
            ]
            expiry = int(moment(UNTIL).timestamp())
            calls = [
                Intent(
                    functions.admit(accounts[each], int(Role.parse(each.roles)), 1, expiry), name=f"admit {each.name}"
                )
                for each in missing
            ]
            for outcome in site.sender(str(self.board.keystore)).send_all(calls):
                if outcome.error is not None:
                    raise outcome.error

    def _begin(self, member: Member) -> None:
        """Publishes a member's identity and its staff's, and takes them on."""
        from scripts._joining import request, take_on
        from scripts._member import found_desk
        from theriac.consortium import Role

        self._tell(f"Setting {member.name} up")
        own = self.member(member)
        with own.site() as site, site.person(own.who, new=True) as person:
            desk, _ = found_desk(site, person, alias=str(own.keystore), name=member.name)
            number = desk.member
        for each in member.staff:
            place = self.staff(member, each)
            with place.site() as site, site.person(place.who, new=True) as person:
                desk, _ = found_desk(site, person, alias=str(place.keystore), name=each.name)
                wish = None
                if not desk.member:
                    wish = place.folder / f"{each.who}.join"
                    roles = Role.parse(each.roles)
                    write_private(wish, request(site, str(place.keystore), member=number, roles=roles))
            if wish is not None:
                with own.site() as site:
                    list(take_on(site, str(own.keystore), [str(wish)]))

    def _address(self, place: Place) -> str:
        from scripts._accounts import address_of

        return address_of(str(place.keystore), play=False)

    # -- telling -----------------------------------------------------------------------------------------------------

    def told(self) -> dict[str, Any]:
        """How each organisation is talked to, and what of it runs."""
        if not self.consortium.laid:
            raise Failure("There is no consortium here; `make consortium` brings one up.", 2)
        found: dict[str, Any] = {"folder": str(self.folder), "organisations": []}
        with in_sentences():
            organisations = self.consortium.organisations
            extra = sorted({path.parent.name for path in self.folder.glob("*/organisation.json")} - set(organisations))
            organisations |= {name: Organisation(self.folder / name) for name in extra}
            for name, organisation in organisations.items():
                running = {what: each.running for what, each in organisation.daemons().items()}
                row: dict[str, Any] = {"name": name, "running": running, "height": None, "peers": None}
                if running["chain"]:
                    row |= {"height": organisation.kaia.height(), "peers": organisation.kaia.peers()}
                found["organisations"].append(row | {"network": organisation.network, "store": organisation.place})
        found["places"] = [
            {"who": place.who, "folder": place.folder.name, "file": shown(place.file), "account": shown(place.keystore)}
            for place in self.places()
            if place.file.exists()
        ]
        return found


def shown(path: Path) -> str:
    """A path as a person in the project's folder types it."""
    try:
        return str(path.relative_to(PROJECT))
    except ValueError:
        return str(path)
