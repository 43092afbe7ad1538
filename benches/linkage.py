"""Plays the adversary over a population: which pseudonyms are one person's? `python -m benches.linkage` tells.

Patients live with the real client on a chain and a store on paper (`tests/health/paper_chain.py`), each at times of her
own. The adversary has the whole chain, the whole store and the relayer's book (one connection a pseudonym, with times),
and is two clinics at once, each with the rows that it reads. For every pseudonym that writes to the one clinic it picks
the pseudonym of the other clinic that looks most like the same person. Beside its share of hits stands guessing.
"""

import argparse
import base64
import json
import math
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(path) for path in (ROOT, ROOT / "tests" / "health") if str(path) not in sys.path]

from eth_account import Account  # noqa: E402
from paper_chain import PaperChain, PaperClinic, PaperRelay, PaperStore  # noqa: E402

from theriac.crypto.recipients import HybridIdentity  # noqa: E402
from theriac.errors import TheriacError  # noqa: E402
from theriac.health import documents  # noqa: E402
from theriac.health.bundle import Profile  # noqa: E402
from theriac.health.chain import Signed  # noqa: E402
from theriac.health.hours import seconds_of, time_of  # noqa: E402
from theriac.health.keystore import Lock  # noqa: E402
from theriac.health.messages import member_address  # noqa: E402
from theriac.health.patient import Patient  # noqa: E402
from theriac.health.scope import KeyClass, Purpose  # noqa: E402
from theriac.health.vault import Vault  # noqa: E402
from theriac.health.wallet import Wallet  # noqa: E402
from theriac.ledger.signer import KeySigner, Signer  # noqa: E402

HOUR, DAY = 3600, 24 * 3600
BLOCK = 12
"""Seconds from one act of a client's to its next, which waits for it."""

BEGIN = seconds_of(52_008)
"""A midnight."""

DOCUMENT = ROOT / "docs" / "unlinkability.md"
CLASSES = (KeyClass.parse("laboratory/N"), KeyClass.parse("mental-health/R"))
TREAT = Purpose.parse("TREAT")


# -- what is seen ----------------------------------------------------------------------------------------------------


@dataclass
class Seen:
    """What the adversary sees of one pseudonym.

    :param published: seconds of its publications on the chain; `sizes` the lengths of the documents.
    :param splits: the hours at which the rows that the clinic reads begin, but for each publication's own hour.
    :param counts: how many sealed files and class files each document has.
    """

    published: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    splits: set[int] = field(default_factory=set)
    counts: list[tuple[int, int]] = field(default_factory=list)
    classes: set[str] = field(default_factory=set)
    home: bool = False


class WatchedRelay(PaperRelay):
    """A relay whose book the adversary has. Each act takes a block."""

    def __init__(self, chain: PaperChain) -> None:
        super().__init__(chain)
        self.book: list[tuple[int, tuple[Any, ...]]] = []

    def carry(self, *signed: Signed) -> Any:
        self._chain.seconds += BLOCK
        self.book.append((self._chain.seconds, tuple(one.message for one in signed)))
        super().carry(*signed)


class PaperKeystore:
    """A keystore that keeps nothing."""

    def __init__(self) -> None:
        self.lock = _LOCK

    def save(self, secret: bytes) -> bytes:
        return secret


_LOCK = Lock(HybridIdentity.from_seed(b"\x05" * 32).recipient, {"by": "bench"})


class RandomWallet:
    """A key for each place."""

    single = False

    def __init__(self) -> None:
        self._signers: dict[int, KeySigner] = {}

    def signer(self, place: int) -> Signer:
        return self._signers.setdefault(place, KeySigner(Account.create()))


# -- a population ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """How a population lives.

    :param spread: seconds over which rotations and renewals are spread; 0 for at once.
    :param rotating: seconds within which everybody rotates, at a time of her own.
    :param odd: the share of grants that end at an hour of their own instead of a midnight.
    """

    patients: int = 200
    spread: int = 0
    rotating: int = DAY
    odd: float = 0.0
    seed: int = 7


class Population:
    """Patients of two clinics, each with a reader or two, who come, are written for, grant and rotate."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.dice = random.Random(plan.seed)
        self.chain = PaperChain(seconds=BEGIN)
        self.store = PaperStore()
        self.relay = WatchedRelay(self.chain)
        signers = [KeySigner(Account.create()) for _ in range(2)]
        self.clinics = [PaperClinic(n + 1, signers[n], HybridIdentity.generate()) for n in range(2)]
        self.readers = [(Account.create().address, HybridIdentity.generate()) for _ in range(12)]
        for clinic in self.clinics:
            self._profile(member_address(clinic.member), clinic.identity)
        for address, identity in self.readers:
            self._profile(address, identity)
        self.patients = [self._patient() for _ in range(plan.patients)]
        self.pairs: dict[str, str] = {}
        """By the pseudonym at the first clinic, the one at the second."""
        self.since = 0

    def _profile(self, account: str, identity: HybridIdentity) -> None:
        self.chain.profiles[account] = Profile(account, "somebody", str(identity.recipient), {})

    def _patient(self) -> Patient:
        wallet: Wallet = RandomWallet()
        return Patient(
            Vault(),
            PaperKeystore(),  # type: ignore[arg-type]
            wallet=wallet,
            chain=self.chain,  # type: ignore[arg-type]
            relay=self.relay,
            store=self.store,  # type: ignore[arg-type]
            classes=CLASSES,
        )

    def live(self) -> "Population":
        """Ten days of coming, then a day on which everybody rotates, and the days until the last is out."""
        self._come()
        self.since = BEGIN + 11 * DAY
        self._rotate()
        return self

    def _come(self) -> None:
        """Everybody is founded, introduced at either clinic on a day of its own, and grants to a reader or two."""
        acts: list[tuple[int, Callable[[], Any]]] = []
        for patient in self.patients:
            days = sorted(self.dice.sample(range(1, 10), 3))
            times = [BEGIN + day * DAY + self.dice.randrange(8 * HOUR, 18 * HOUR) for day in days]
            acts.append((BEGIN + self.dice.randrange(DAY // 2), patient.found))
            acts += [(times[at], self._introduction(patient, clinic)) for at, clinic in enumerate(self.clinics)]
            acts.append((times[2], self._grants(patient)))
        self._play(acts)

    def _introduction(self, patient: Patient, clinic: PaperClinic) -> Callable[[], None]:
        def act() -> None:
            pseudonym = patient.introduce(clinic.member).pseudonym
            for _ in range(self.dice.randrange(1, 4)):
                clinic.write(self.chain, self.store, pseudonym, self.dice.choice(CLASSES))
            patient.watch(spread=self.plan.spread)

        return act

    def _grants(self, patient: Patient) -> Callable[[], None]:
        def act() -> None:
            for reader, _ in self.dice.sample(self.readers, self.dice.randrange(1, 3)):
                hour = self.chain.hour()
                midnight = (hour // 24 + self.dice.choice((30, 90, 180))) * 24
                odd = self.dice.random() < self.plan.odd
                end = midnight + (self.dice.randrange(1, 24) if odd else 0)
                patient.grant(reader, classes=CLASSES[:1], purpose=TREAT, end=time_of(end))

        return act

    def _rotate(self) -> None:
        for patient in self.patients:
            accounts = {each.counterparty: each.pseudonym for each in patient.vault.accounts.values()}
            self.pairs[accounts["writer:1"]] = accounts["writer:2"]
        spread = self.plan.spread
        acts: list[tuple[int, Callable[[], Any]]] = []
        for patient in self.patients:
            begins = self.since + self.dice.randrange(self.plan.rotating)
            if not spread:
                acts.append((begins, patient.rotate))
                continue
            acts.append((begins, lambda patient=patient: patient.rotate_later(within=spread)))
            # `watch --every 300`, and once more when all is due: the first draws a time for home.
            steps = range(begins + 300, begins + 2 * spread + 600, 300)
            acts += [(step, lambda patient=patient: self._watch_if_due(patient)) for step in steps]
        self._play(acts)

    def _watch_if_due(self, patient: Patient) -> None:
        if any(due <= self.chain.seconds for due in patient.vault.due.values()):
            patient.watch(spread=self.plan.spread)

    def _play(self, acts: Sequence[tuple[int, Callable[[], Any]]]) -> None:
        """Each at its time. Acts of two patients can overlap: the chain does not wait for one to be done."""
        for second, act in sorted(acts, key=lambda each: each[0]):
            self.chain.seconds = second
            act()

    # -- what is seen of it ------------------------------------------------------------------------------------------

    def seen(self, *, since: int = 0) -> dict[str, Seen]:
        """What the adversary has noted from a second on, by pseudonym."""
        found: dict[str, Seen] = {}
        for second, messages in self.relay.book:
            for message in messages:
                bundle = getattr(message, "bundle", None)
                if bundle is None or second < since:
                    continue
                seen = found.setdefault(message.pseudonym, Seen())
                document = self.store.blobs[bundle]
                values = json.loads(document)
                seen.published.append(second)
                seen.home = seen.home or bool(values["backup"])
                seen.sizes.append(len(document))
                seen.counts.append((len(values["files"]), len(values["classes"])))
                for clinic in self.clinics:
                    for sealed in values["files"]:
                        self._read_rows(seen, sealed, clinic)
        return found

    def _read_rows(self, seen: Seen, sealed: str, clinic: PaperClinic) -> None:
        try:
            document = documents.open_(base64.b64decode(sealed), identities=[clinic.identity])
        except TheriacError:
            return
        rows = documents.decode("rows", document)["rows"]
        first = min((row["first"] for row in rows), default=0)
        # The end of all rows tells the hour of the publication, which the chain tells too.
        seen.splits |= {row["first"] for row in rows if row["first"] != first}
        seen.classes |= {row["cls"] for row in rows}


# -- attacks ---------------------------------------------------------------------------------------------------------

Score = Callable[[Seen, Seen], float]


def by_time(first: Seen, second: Seen) -> float:
    """How near to each other they were published: each publication with the nearest one of the other."""
    return -sum(min((abs(a - b) for b in second.published), default=30 * DAY) for a in first.published)


def by_splits(first: Seen, second: Seen) -> float:
    """How much the hours at which their rows split are the same."""
    union = first.splits | second.splits
    return len(first.splits & second.splits) / len(union) if union else 0.0


def by_sizes(first: Seen, second: Seen) -> float:
    """How much their documents are alike in length and in number of files."""
    size = abs(math.log(first.sizes[-1] / second.sizes[-1]))
    counts = sum(abs(a - b) for a, b in zip(first.counts[-1], second.counts[-1], strict=True))
    return -size - counts - abs(len(first.sizes) - len(second.sizes))


def by_classes(first: Seen, second: Seen) -> float:
    """Whether the same classes may be written."""
    return len(first.classes & second.classes) / max(len(first.classes | second.classes), 1)


def by_all(first: Seen, second: Seen) -> float:
    """All at once; a time within some minutes says the most."""
    near = sum(math.exp(-min((abs(a - b) for b in second.published), default=30 * DAY) / 600) for a in first.published)
    return 4 * near + 3 * by_splits(first, second) + 0.2 * by_sizes(first, second) + by_time(first, second) / (30 * DAY)


def through_home(seen: Mapping[str, Seen]) -> Score:
    """Whether both were published just after one home, the pseudonym whose bundle names a backup."""
    homes = [each for each in seen.values() if each.home]

    def near(one: Seen, home: Seen) -> int:
        return min((one.published[0] - at for at in home.published if at <= one.published[0]), default=30 * DAY)

    def score(first: Seen, second: Seen) -> float:
        return -min((near(first, home) + near(second, home) for home in homes), default=0)

    return score


ATTACKS: Mapping[str, Score] = {
    "times of publications": by_time,
    "hours at which rows split (both clinics)": by_splits,
    "sizes and numbers of files": by_sizes,
    "classes that may be written (both clinics)": by_classes,
    "all together": by_all,
}


@dataclass(frozen=True)
class Success:
    """How an attack did: the share of pairs that it named rightly, and how often a true pair looked more alike than a
    false one (0.5 is guessing)."""

    top: float
    auc: float


def attack(seen: Mapping[str, Seen], pairs: Mapping[str, str], score: Score) -> Success:
    """Ranks, for each pseudonym of the one clinic, all pseudonyms of the other; ties count as drawn by lot."""
    candidates = [each for each in pairs.values() if each in seen]
    hits = wins = rounds = 0.0
    for first, second in pairs.items():
        if first not in seen or second not in seen:
            continue
        rounds += 1
        true = score(seen[first], seen[second])
        others = [score(seen[first], seen[each]) for each in candidates if each != second]
        better, equal = sum(each > true for each in others), sum(each == true for each in others)
        hits += 0.0 if better else 1 / (1 + equal)
        wins += (len(others) - better - equal / 2) / len(others)
    return Success(hits / rounds, wins / rounds)


def crowd(seen: Mapping[str, Seen], pairs: Mapping[str, str], *, within: int) -> float:
    """How many pseudonyms of the other clinic published in the time in which a spread-out one may have: on average."""
    others = [seen[each] for each in pairs.values() if each in seen]
    found = [
        sum(any(abs(a - b) <= within for a in seen[each].published for b in other.published) for other in others)
        for each in pairs
        if each in seen
    ]
    return sum(found) / len(found)


# -- the page --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """One attack on the rotations of one population."""

    what: str
    sent: str
    success: Success
    guessing: float


def rotations(patients: int, spreads: Sequence[int]) -> list[Line]:
    """The attacks on what was published since all have come, rotations being sent at once or spread out."""
    lines = []
    for spread in spreads:
        population = Population(Plan(patients=patients, spread=spread)).live()
        seen = population.seen(since=population.since)
        sent = f"over {spread // HOUR} hours" if spread else "at once"
        for what, score in ATTACKS.items():
            lines.append(Line(what, sent, attack(seen, population.pairs, score), 1 / patients))
        if spread:
            within = 1 / crowd(seen, population.pairs, within=spread)
            lines.append(Line("(guessing among those of the same hours)", sent, Success(within, 0.5), 1 / patients))
    return lines


def lives(patients: int, odds: Sequence[float]) -> list[Line]:
    """The attacks on everything since the founding, with grants that end at midnight or at an odd hour."""
    lines = []
    for odd in odds:
        population = Population(Plan(patients=patients, spread=6 * HOUR, odd=odd)).live()
        seen = population.seen()
        sent = f"{round(odd * 100)} % odd ends"
        for what, score in {**ATTACKS, "first publications just after one home's": through_home(seen)}.items():
            lines.append(Line(what, sent, attack(seen, population.pairs, score), 1 / patients))
    return lines


def table(lines: Sequence[Line], head: str) -> str:
    rows = [
        f"| attack | {head} | named rightly | guessing | true pair looks more alike (0.5 is guessing) |",
        "|---|---|---|---|---|",
    ]
    rows += [
        f"| {each.what} | {each.sent} | {each.success.top:.1%} | {each.guessing:.1%} | {each.success.auc:.2f} |"
        for each in lines
    ]
    return "\n".join(rows)


MARK = "<!-- python -m benches.linkage writes what stands below -->"


def main() -> None:
    """Plays, prints, and with --write puts the tables into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=100)
    parser.add_argument("--write", action="store_true", help=f"put the tables into {DOCUMENT.name}")
    asked = parser.parse_args()
    told = "\n\n".join(
        [
            f"{asked.patients} patients, two clinics that work together, everybody rotates within one day.",
            table(rotations(asked.patients, (0, 6 * HOUR, 24 * HOUR)), "rotations sent"),
            "The same over whole lives: founding, introductions, some records, grants, rotations over 6 hours.",
            table(lives(asked.patients, (0.0, 1.0)), "grants"),
        ]
    )
    print(told)
    if asked.write:
        page = DOCUMENT.read_text().split(MARK)[0]
        DOCUMENT.write_text(f"{page}{MARK}\n\n{told}\n")


if __name__ == "__main__":
    main()
