"""Every kind of account that may ask a contract for something, with the state that makes it that kind."""

import ast
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import ape
from ape.api import TestAccountAPI
from ape.contracts import ContractInstance
from authorisation_cover import insure
from contracts_world import DAY, LICENCES, MEMBERS, PEOPLE, TIER, ZERO, World, digest, sign
from eth_abi import decode
from eth_tester.exceptions import TransactionFailed
from eth_utils import keccak, to_canonical_address, to_checksum_address
from pack_tree import Tree, above, pack

from theriac.consortium import Join, Role
from theriac.health.messages import HandOver
from theriac.ledger.typed import Message
from theriac.medicine.messages import Line, Take, Terms, hash_of

CARRIER = "the carrier"

# Who is who beside PEOPLE, in the order of Ape's test accounts after theirs.
MORE_PEOPLE = (
    "former board",
    "suspended member",
    "staff of a suspended member",
    "expired member",
    "staff of an expired member",
    "removed member",
    "staff of a removed member",
    "replaced account",
    "account that replaced it",
    "dismissed staff",
    "former wallet",
    "maker",
    "wholesaler",
    "pharmacy",
    "pharmacist",
    "rival pharmacy",
    "logger",
    "bearer",
    "custodian",
    "nobody yet",
)

# People of the world by what they are here.
KNOWN_AS = {
    "newcomer": "who was offered the board's seat",
    "sibling": "pseudonym that moved away",
    "new_phone": "wallet that it moved to",
}

SUSPENDED, EXPIRED, REMOVED, REPLACED, MAKER, WHOLESALER, PHARMACY, RIVAL, KEEPER = range(5, 14)
SHORT_LICENCE = 30 * DAY

STAFF_OF = {
    "hospital": MEMBERS.hospital,
    "doctor": MEMBERS.hospital,
    "nurse": MEMBERS.hospital,
    "technician": MEMBERS.hospital,
    "clerk": MEMBERS.hospital,
    "clinic": MEMBERS.clinic,
    "colleague": MEMBERS.clinic,
    "insurer": MEMBERS.insurer,
    "adjuster": MEMBERS.insurer,
    "authority": MEMBERS.authority,
    "auditor": MEMBERS.authority,
    "suspended member": SUSPENDED,
    "staff of a suspended member": SUSPENDED,
    "expired member": EXPIRED,
    "staff of an expired member": EXPIRED,
    "removed member": REMOVED,
    "staff of a removed member": REMOVED,
    "account that replaced it": REPLACED,
    "maker": MAKER,
    "wholesaler": WHOLESALER,
    "pharmacy": PHARMACY,
    "pharmacist": PHARMACY,
    "logger": PHARMACY,
    "rival pharmacy": RIVAL,
    "custodian": KEEPER,
}
"""Which member an account belongs to; the others belong to none."""

ACTS_FOR = {
    MEMBERS.hospital: "hospital",
    MEMBERS.clinic: "clinic",
    MEMBERS.insurer: "insurer",
    MEMBERS.authority: "authority",
    SUSPENDED: "suspended member",
    EXPIRED: "expired member",
    REMOVED: "removed member",
    REPLACED: "account that replaced it",
    MAKER: "maker",
    WHOLESALER: "wholesaler",
    PHARMACY: "pharmacy",
    RIVAL: "rival pharmacy",
    KEEPER: "custodian",
}
"""Which account acts for a member."""

WRITERS = frozenset(
    {"hospital", "doctor", "nurse", "technician", "clinic", "colleague", "insurer", "adjuster"}
    | {"account that replaced it", "pharmacy", "pharmacist", "rival pharmacy", "logger"}
)
"""Who writes records: a writing role of a member in standing."""

OF_MEDICINE = Role.MAKER | Role.DISTRIBUTOR | Role.PHARMACIST | Role.REGULATOR | Role.DEVICE | Role.PRESCRIBER
"""Every role that goods and prescriptions have to do with; who fell out of standing had them all."""

OF_COVER = Role.CLINICIAN | Role.PHARMACIST | Role.LABORATORY | Role.INSURER | Role.REGULATOR | Role.AUDITOR
"""Every role that cover has to do with; who fell out of standing had them all as well."""

OF_EMERGENCIES = Role.CLINICIAN | Role.CUSTODIAN | Role.AUDITOR
"""Every role that emergencies have to do with; who fell out of standing had them all too."""

HANDLERS = Role.MAKER | Role.DISTRIBUTOR | Role.PHARMACIST

ROLES_OF = {
    "hospital": Role.DEVICE | Role.PRESCRIBER | Role.CLINICIAN | Role.LABORATORY,
    "doctor": Role.PRESCRIBER | Role.CLINICIAN,
    "nurse": Role.CLINICIAN,
    "technician": Role.LABORATORY,
    "clinic": Role.PHARMACIST | Role.CLINICIAN,
    "colleague": Role.CLINICIAN,
    "insurer": Role.INSURER,
    "adjuster": Role.INSURER,
    "authority": Role.REGULATOR | Role.AUDITOR,
    "auditor": Role.AUDITOR,
    "account that replaced it": OF_MEDICINE | OF_COVER | OF_EMERGENCIES,
    "maker": Role.MAKER,
    "wholesaler": Role.DISTRIBUTOR,
    "pharmacy": Role.PHARMACIST | Role.DEVICE,
    "pharmacist": Role.PHARMACIST,
    "logger": Role.DEVICE,
    "rival pharmacy": Role.PHARMACIST,
    "custodian": Role.CUSTODIAN,
}
"""Which of those roles an account has in standing; the others have none."""

TREE = Tree({index: pack(index) for index in range(4)})
BATCH = keccak(MAKER.to_bytes(32, "big") + TREE.root)
DISPENSED, CLAIMED = 1, 2
"""The packs that were dispensed before, one of them through the carrier; the others are in stock."""

AT_PHARMACY, AT_MAKER, OFFERED, SIGNED_FOR, RECALLED = (above(64 * number, 6) for number in range(5))
"""Pallets, by what became of them."""

OPENED, CLOSED, BLOCKED = (above(8 * number, 3) for number in range(3))
"""Cases of the pharmacy's pallet."""

BY_HOLDER, BY_MAKER, BY_REGULATOR, EXCURSION = 1, 2, 4, 8
LETS_EVERYTHING = 1 | 2 | 4

HELD, FILLED, FILLED_FOR, FREE = range(4)
"""The lines of the doctor's prescription: one that the pharmacy holds, one that it filled, one that the carrier filled
for it, and one that nobody took yet.
"""

TAKEN = 1 << HELD | 1 << FILLED | 1 << FILLED_FOR

OF_THE_DOCTOR, OF_THE_NURSE = 1, 2
"""The emergencies by whose they are: long over and not reviewed, and open."""

CANNOT_BE_ASKED = 1

RECORD, REPLACEMENT = digest("record"), digest("replacement")
OWN, OWN_REPLACEMENT = digest("own record"), digest("own replacement")


@dataclass(frozen=True)
class Outcome:
    """What a call came to: nothing refused it, or this error with these values."""

    error: str = ""
    values: tuple[Any, ...] = ()


ACCEPTED = Outcome()


@dataclass(frozen=True)
class Cast:
    """Everyone by kind, and the world in which each is what its kind says; and what plans pay in."""

    world: World
    accounts: dict[str, TestAccountAPI]
    coin: ContractInstance

    @property
    def kinds(self) -> tuple[str, ...]:
        """Every kind of account, the carrier among them."""
        return (*(kind for kind in self.accounts if kind != "nobody yet"), CARRIER)

    def address(self, kind: str) -> str:
        """The address of the account of that kind."""
        return self.world.carrier.address if kind == CARRIER else self.accounts[kind].address

    def sign(self, message: Message, kind: str) -> bytes:
        """The signature by the account of that kind."""
        return sign(message, by=self.accounts[kind], contract=self.world.contract(message.CONTRACT))

    def outcome(self, contract: ContractInstance, function: str, arguments: tuple[Any, ...], kind: str) -> Outcome:
        """What a call by the account of that kind comes to; the carrier calls for a stranger."""
        data = getattr(contract, function).encode_input(*arguments)
        if kind != CARRIER:
            return _ask(contract, data, self.address(kind))

        carried = self.world.carrier.carry.encode_input([(contract.address, data)])
        outcome = _ask(self.world.carrier, carried, self.address("stranger"))
        if outcome == ACCEPTED:
            return outcome
        assert outcome.error == "CallFailed"
        return _read(contract, outcome.values[1])


def skip(cast: Cast) -> None:
    """Nothing more is done."""


def _ask(contract: ContractInstance, data: bytes, sender: str) -> Outcome:
    accepted, said = answer(contract, data, sender)
    return ACCEPTED if accepted else _read(contract, said)


def answer(contract: ContractInstance, data: bytes, sender: str) -> tuple[bool, bytes]:
    """Whether a call is accepted, and what it returns or is refused with.

    An eth_call past Ape and web3, which would take longer than the chain: there are thousands of them.
    """
    question = {
        "to": to_canonical_address(contract.address),
        "from": to_canonical_address(sender),
        "data": bytes(data),
        "value": 0,
        "gas": 10_000_000,
        "gas_price": 10**10,
    }
    try:
        return True, bytes(ape.chain.provider.tester.ethereum_tester.backend.call(question))
    except TransactionFailed as refusal:
        # The embedded chain gives the bytes of the error in the form that Python prints.
        said = str(refusal.args[0]).removeprefix("execution reverted: ")
        return False, ast.literal_eval(said) if said.startswith("b") else said.encode()


def _read(contract: ContractInstance, data: bytes) -> Outcome:
    for error in contract.contract_type.errors:
        if keccak(text=error.selector)[:4] == data[:4]:
            types = [each.canonical_type for each in error.inputs]
            values = zip(types, decode(types, data[4:]), strict=True)
            return Outcome(
                error.name, tuple(to_checksum_address(value) if kind == "address" else value for kind, value in values)
            )
    raise AssertionError(f"{contract.contract_type.name} has no error {data[:4].hex() or '(nothing was said)'}")


def gathered(
    world: World, accounts: Any, *, before: Callable[[Cast], None] = skip, after: Callable[[Cast], None] = skip
) -> Cast:
    """Makes each account what its kind says; `before` and `after` the month in which members fall, more is done."""
    everyone = {KNOWN_AS.get(name, name): account for name, account in world.people.items()}
    everyone |= {name: accounts[len(PEOPLE) + index] for index, name in enumerate(MORE_PEOPLE)}
    cast = Cast(world, everyone, ape.project.Coin.deploy(6, sender=everyone["relayer"]))

    _break_glass_long_ago(cast)
    before(cast)
    _let_members_fall(cast)
    after(cast)
    _pass_the_seat_around(cast)
    _move_a_pseudonym(cast)
    _write_and_grant(cast)
    insure(cast)
    _admit_who_handles_goods(cast)
    _move_goods(cast)
    _fill_a_prescription(cast)
    _break_glass(cast)
    return cast


def _let_members_fall(cast: Cast) -> None:
    world, account, board = cast.world, cast.accounts, cast.accounts["board"]
    consortium, licence = world.consortium, OF_COVER | OF_MEDICINE | OF_EMERGENCIES
    lasting, short = world.licence_expiry, world.clock.now + SHORT_LICENCE
    for name, expiry in (
        ("suspended member", lasting),
        ("expired member", short),
        ("removed member", lasting),
        ("replaced account", lasting),
    ):
        consortium.admit(account[name], licence, TIER, expiry, sender=board)
    for name, member, employer in (
        ("staff of a suspended member", SUSPENDED, "suspended member"),
        ("staff of an expired member", EXPIRED, "expired member"),
        ("staff of a removed member", REMOVED, "removed member"),
        ("dismissed staff", MEMBERS.hospital, "hospital"),
    ):
        join = Join(account[name].address, member, licence & LICENCES["hospital"], 0, world.clock.soon())
        world.send(join, cast.sign(join, name), sender=account[employer])

    consortium.suspend(SUSPENDED, 0, sender=board)
    consortium.remove(REMOVED, 0, sender=board)
    consortium.replaceAccount(REPLACED, account["account that replaced it"], sender=board)
    consortium.dismiss(account["dismissed staff"], sender=account["hospital"])
    world.clock.travel(to=world.clock.day(31))


def _pass_the_seat_around(cast: Cast) -> None:
    consortium, board, former = cast.world.consortium, cast.accounts["board"], cast.accounts["former board"]
    consortium.offerBoard(former, sender=board)
    consortium.acceptBoard(sender=former)
    consortium.offerBoard(board, sender=former)
    consortium.acceptBoard(sender=board)
    consortium.offerBoard(cast.accounts["who was offered the board's seat"], sender=board)


def _move_a_pseudonym(cast: Cast) -> None:
    world, moved = cast.world, cast.address("pseudonym that moved away")
    wallets = pairwise(("pseudonym that moved away", "former wallet", "wallet that it moved to"))
    for nonce, (old, new) in enumerate(wallets):
        move = HandOver(moved, cast.address(new), ZERO, True, nonce, 0, world.clock.soon())
        world.send(move, cast.sign(move, old), cast.sign(move, new), sender=cast.accounts["relayer"])


def _write_and_grant(cast: Cast) -> None:
    """Gives both pseudonyms a document, a grant and records, so that each act of theirs would count."""
    world, account = cast.world, cast.accounts
    start, expiry, before = 0, world.clock.day(60), world.clock.now + DAY
    for pseudonym, controller in (("patient", "patient"), ("pseudonym that moved away", "wallet that it moved to")):
        me, sender = account[pseudonym], account[controller]
        world.keys.publish(me, 1, digest("bundle"), sender=sender)
        world.records.report(me, [OWN, OWN_REPLACEMENT], 1, before, sender=sender)
        world.grants.grant((me, account["doctor"], 1, 1, start, expiry, 0), sender=sender)
        world.records.anchorMany(me, [RECORD, REPLACEMENT], 1, before, sender=account["technician"])
    world.keys.setPublisher(account["patient"], account["publisher"], sender=account["patient"])


def _admit_who_handles_goods(cast: Cast) -> None:
    world, account = cast.world, cast.accounts
    for name in ("maker", "wholesaler", "pharmacy", "rival pharmacy"):
        world.consortium.admit(account[name], ROLES_OF[name], TIER, world.licence_expiry, sender=account["board"])
    for name in ("pharmacist", "logger"):
        join = Join(account[name].address, PHARMACY, ROLES_OF[name], 0, world.clock.soon())
        world.send(join, cast.sign(join, name), sender=account["pharmacy"])
    for operator in (world.carrier, world.claims):
        world.consortium.setOperator(operator, LETS_EVERYTHING, sender=account["pharmacy"])


def _move_goods(cast: Cast) -> None:
    """Commissions a batch and brings its parts to where each act of the table counts."""
    world, batches, account = cast.world, cast.world.batches, cast.accounts
    maker, pharmacist, ends = account["maker"], account["pharmacist"], world.clock.now + DAY
    expiry = (world.clock.now // DAY + 700) * DAY
    words = [digest(word) for word in ("product", "lot", "tag")]
    batches.commission((TREE.root, *words, 0, digest("manifest"), expiry, 6, 3), sender=maker)
    for node, to in ((AT_PHARMACY, PHARMACY), (OFFERED, WHOLESALER)):
        batches.offer(BATCH, node, to, ends, digest("sheet"), sender=maker)
    batches.accept(BATCH, AT_PHARMACY, [], sender=pharmacist)
    batches.recall(BATCH, RECALLED, 1, sender=maker)

    batches.dispense(BATCH, *proof(DISPENSED), sender=pharmacist)
    for name, *arguments in (
        ("dispenseFor", pharmacist, BATCH, *proof(CLAIMED)),
        ("reportExcursion", PHARMACY, BATCH, BLOCKED, 1),
    ):
        data = getattr(batches, name).encode_input(*arguments)
        world.carrier.carry([(batches.address, data)], sender=account["stranger"])
    for block, who in ((BY_HOLDER, "pharmacist"), (BY_MAKER, "maker"), (BY_REGULATOR, "authority")):
        batches.quarantine(BATCH, BLOCKED, block, 1, sender=account[who])


def _fill_a_prescription(cast: Cast) -> None:
    """Brings the lines of a prescription to where each act of the table counts."""
    world, account, prescriptions = cast.world, cast.accounts, cast.world.prescriptions
    terms, pharmacist = terms_of(cast), account["pharmacist"]
    prescriptions.prescribe(terms.bearer, terms.lines, terms.file, sender=account["doctor"])
    word = Take(terms, TAKEN, 0, PHARMACY, 0, world.clock.soon())
    world.send(word, cast.sign(word, "bearer"), sender=pharmacist)

    prescriptions.fill(filling(cast, FILLED), sender=pharmacist)
    data = prescriptions.fillFor.encode_input(pharmacist, filling(cast, FILLED_FOR))
    world.carrier.carry([(prescriptions.address, data)], sender=account["stranger"])


def _break_glass_long_ago(cast: Cast) -> None:
    """Has the doctor state an emergency that nobody reviewed, about a pseudonym that the relayer controls."""
    world, relayer = cast.world, cast.accounts["relayer"]
    world.keys.publish(relayer, 1, digest("bundle"), sender=relayer)
    world.emergencies.open(relayer, 1, CANNOT_BE_ASKED, digest("words"), sender=cast.accounts["doctor"])


def _break_glass(cast: Cast) -> None:
    """Has the nurse state one about the patient now, and admits a custodian."""
    world, account = cast.world, cast.accounts
    licence, expiry = ROLES_OF["custodian"], world.licence_expiry
    world.consortium.admit(account["custodian"], licence, TIER, expiry, sender=account["board"])
    world.emergencies.open(account["patient"], 1, CANNOT_BE_ASKED, digest("words"), sender=account["nurse"])


def lines_of(cast: Cast) -> list[Line]:
    """What the doctor prescribed."""
    clock = cast.world.clock
    return [Line(digest(f"medicine {line}"), 1, 0, 0, clock.start, clock.day(60)) for line in range(4)]


def terms_of(cast: Cast) -> Terms:
    """The terms of the doctor's prescription."""
    return Terms(cast.address("doctor"), cast.address("bearer"), hash_of(lines_of(cast)), digest("sealed"))


def filling(cast: Cast, line: int) -> tuple[Any, ...]:
    """What a line is filled with."""
    lines = lines_of(cast)
    opened = tuple(lines[line].values().values())
    return (terms_of(cast).tuple, [each.hash for each in lines], line, opened, 1, digest("what was given"))


def proof(index: int) -> tuple[int, bytes, list[bytes]]:
    """What a pack is dispensed with."""
    return index, TREE.packs[index], TREE.siblings(index)
