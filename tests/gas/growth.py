"""What acts cost as what they act on grows: grants, members, staff, records, letters, batches, lines of a claim.

A transaction's bytes cost what they hold: a signature with a byte of zero is 12 gas cheaper than one without. So what
is compared is what a transaction takes beyond the price of its bytes, its work. A flat curve is the same to the unit.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

from counting_house import House, Line, Plan, open_house
from eth_account.signers.local import LocalAccount
from floors import WatchedChain, price_of_calldata
from gas_acts import CLINIC, DOCTOR, FAMILY, HUNDRED, PATIENT, TREATMENT, World, digest, digests
from gas_cover import ROWS, SERVICES, Metered, prepared
from gas_goods import CASE, MAKER, PHARMACIST, PHARMACY_NUMBER, WHOLESALER, WHOLESALER_NUMBER, Shelf, dense
from pack_tree import BATCH, above
from real_anvil import BOARD, Contracts, anvil, encoded, person

from theriac.consortium import Role
from theriac.health.messages import Grant
from theriac.health.scope import Purpose

COUNTS = (0, 1, 10, 50, 200)
"""How much there is of something before an act is measured."""

LINES = (1, 2, 4, 8, 16, 32)
"""Lines of a claim; the last is as many as there may be."""


@dataclass(frozen=True)
class Point:
    """An act's gas where there was so much of something, and what it took beyond the price of its bytes."""

    count: int
    gas: int
    work: int


@dataclass(frozen=True)
class Curve:
    """One act's gas over a growing count. `key` never changes."""

    key: str
    act: str
    over: str
    points: tuple[Point, ...]

    @property
    def is_flat(self) -> bool:
        return len({point.work for point in self.points}) == 1


def measured_point(chain: WatchedChain, count: int, act: Callable[[], object]) -> Point:
    """Does an act, looks at the last transaction of it, and takes it back."""
    with chain.undone():
        act()
        receipt = chain.receipts[-1]
        sent = chain.web3.eth.get_transaction(receipt["transactionHash"])
        gas = receipt["gasUsed"]
        return Point(count, gas, gas - price_of_calldata(bytes(sent["input"])))


Acts = dict[str, Callable[[], object]]


def grown(
    chain: WatchedChain,
    over: str,
    key: str,
    acts: Acts,
    more: Callable[[int, int], object],
    counts: Sequence[int] = COUNTS,
) -> list[Curve]:
    """The acts at each count. `more` makes what there is of something from so much to so much."""
    points: dict[str, list[Point]] = {act: [] for act in acts}
    with chain.undone():
        former = 0
        for count in counts:
            if count > former:
                more(former, count)
            former = count
            for act, do in acts.items():
                points[act].append(measured_point(chain, count, do))
    return [Curve(f"{act}/{key}", act, over, tuple(found)) for act, found in points.items()]


def carried(world: World, calls: Sequence[tuple[str, bytes]]) -> None:
    """Sends what was signed, a hundred calls a transaction."""
    rest = iter(calls)
    while chunk := list(islice(rest, HUNDRED)):
        world.send(person("a relayer of many"), world.carrier.functions.carry(chunk))


def signed_grant(world: World, who: LocalAccount, reader: str, purpose: Purpose = TREATMENT) -> tuple[str, bytes]:
    terms = Grant(who.address, reader, purpose, 0b10010, 0, world.midnight(30), world.fresh())
    return world.grants.address, encoded(world.signed(terms, who))


# -- health ----------------------------------------------------------------------------------------------------------


def health(world: World) -> list[Curve]:
    chain = world.chain
    assert isinstance(chain, WatchedChain)

    def reading() -> None:
        world.granted()
        world.asked(DOCTOR, scope=0b10)

    def revoking() -> None:
        world.granted()
        world.by_signature(world.revocation(nonce=1), PATIENT)

    consent: Acts = {
        "grant": lambda: world.by_signature(world.grant(), PATIENT),
        "revoke": revoking,
        "allowed": reading,
    }

    def more_readers(since: int, until: int) -> None:
        readers = (person(f"reader {number}").address for number in range(since, until))
        carried(world, [signed_grant(world, PATIENT, reader, FAMILY) for reader in readers])

    def more_patients(since: int, until: int) -> None:
        patients = (person(f"other patient {number}") for number in range(since, until))
        carried(world, [signed_grant(world, patient, DOCTOR.address) for patient in patients])

    def more_members(since: int, until: int) -> None:
        for number in range(since, until):
            account = person(f"member {number}").address
            world.send(BOARD, world.consortium.functions.admit(account, int(Role.CLINICIAN), 1, world.midnight(365)))

    def more_staff(since: int, until: int) -> None:
        for first in range(since, until, HUNDRED):
            world.join([person(f"colleague {number}") for number in range(first, min(first + HUNDRED, until))])

    def more_records(since: int, until: int) -> None:
        for first in range(since, until, HUNDRED):
            world.anchor(*(f"earlier record {number}" for number in range(first, min(first + HUNDRED, until))))

    def more_letters(since: int, until: int) -> None:
        letters = [(CLINIC.address, each) for each in digests("earlier letter", until)[since:]]
        world.send(PATIENT, world.letters.functions.sendMany(PATIENT.address, letters))

    anchor: Acts = {"anchor": lambda: world.anchor_one("blood count")}
    of_members = {**consent, **anchor}
    letter = world.letters.functions.send(PATIENT.address, CLINIC.address, digest("letter"))
    return [
        *grown(chain, "grants that the pseudonym has given", "grants of a pseudonym", consent, more_readers),
        *grown(chain, "grants that the reader holds", "grants of a reader", consent, more_patients),
        *grown(chain, "further members", "members", of_members, more_members),
        *grown(chain, "further staff of the member", "staff", of_members, more_staff),
        *grown(chain, "records of the pseudonym", "records", anchor, more_records),
        *grown(chain, "letters sent before", "letters", {"letter": lambda: world.send(PATIENT, letter)}, more_letters),
    ]


def readings(world: World) -> Curve:
    """One root over ever more receipts of readings."""
    chain, root = world.chain, dense("root of receipts")
    assert isinstance(chain, WatchedChain)
    points = []
    for count in (1, 10, 100, 1_000, 1_000_000):
        call = world.accesslog.functions.log(root, count)
        points.append(measured_point(chain, count, lambda call=call: world.send(DOCTOR, call)))  # type: ignore[misc]
    return Curve("log receipts/readings", "log receipts", "readings below the root", tuple(points))


# -- medicine --------------------------------------------------------------------------------------------------------

NEXT_CASE = above(1 << 8, 8)
"""The case beside the one that acts are about."""


def medicine(world: World) -> list[Curve]:
    chain = world.chain
    assert isinstance(chain, WatchedChain)
    with chain.undone():
        shelf = Shelf(world)
        shelf.commission()
        shelf.hand(CASE, to=(PHARMACIST, PHARMACY_NUMBER))
        shelf.hand(NEXT_CASE, to=(WHOLESALER, WHOLESALER_NUMBER))
        # Of the batch's words one is written already, as for every pack of a case but the first.
        shelf.dispense()

        def handoff() -> None:
            shelf.signed_handoff(NEXT_CASE + 1, signer=MAKER, sender=WHOLESALER, to=WHOLESALER_NUMBER)

        acts: Acts = {
            "handoff": handoff,
            "dispense": lambda: shelf.dispense(shelf_index),
            "recall": lambda: shelf.send(MAKER, "recall", BATCH, 1),
        }
        shelf_index = 6

        def more_batches(since: int, until: int) -> None:
            for number in range(since, until):
                expiry = world.midnight(700)
                names = ("product", "lot", "tag")
                terms = (dense(f"root {number}"), *map(dense, names), 0, dense("manifest"), expiry, 12, 8)
                shelf.send(MAKER, "commission", terms, at=shelf.batches)

        def more_packs(since: int, until: int) -> None:
            mask = sum(1 << index for index in range(20 + since, 20 + until))
            shelf.send(PHARMACIST, "dispenseMany", CASE, 0, mask)

        def more_handoffs(since: int, until: int) -> None:
            for number in range(since, until):
                shelf.hand(NEXT_CASE + 2 + number, to=(WHOLESALER, WHOLESALER_NUMBER))

        return [
            *grown(chain, "batches of the maker", "batches", acts, more_batches),
            *grown(chain, "packs of the case dispensed before", "packs", {"dispense": acts["dispense"]}, more_packs),
            *grown(chain, "handoffs within the batch before", "handoffs", acts, more_handoffs, COUNTS[:-1]),
        ]


# -- cover -----------------------------------------------------------------------------------------------------------

MANY = ROWS[len(SERVICES) :]


def cover(house: House, plan: Plan) -> list[Curve]:
    chain = house.chain
    assert isinstance(chain, WatchedChain)

    def claim(lines: int, first: int = 0, name: str = "visit") -> None:
        chosen = (Line(row.service, 1_100 + place, 1, 12_000) for place, row in enumerate(MANY[first : first + lines]))
        house.submit(house.claim(plan.id, house.encounter(name), *chosen))

    by_lines = [measured_point(chain, lines, lambda lines=lines: claim(lines)) for lines in LINES]  # type: ignore[misc]

    def more_claims(since: int, until: int) -> None:
        for number in range(since, until):
            claim(1, first=100 + number, name=f"visit {number}")

    # The first claim of a policy, of its provider and of a word of days makes slots that later ones change.
    later = grown(chain, "claims of the policy before", "claims", {"claim": lambda: claim(1)}, more_claims, (1, 10, 50))
    return [Curve("claim/lines", "claim", "lines of the claim", tuple(by_lines)), *later]


def measure_growth() -> list[Curve]:
    """Every curve, each chain set back after it."""
    curves = []
    with anvil(hardfork="cancun") as chain:
        world = World(WatchedChain(chain.web3), Contracts.deploy(chain))
        curves += [*health(world), readings(world), *medicine(world)]
    with open_house(Metered) as house:
        house.chain = WatchedChain(house.chain.web3)
        curves += cover(house, prepared(house))
    return curves
