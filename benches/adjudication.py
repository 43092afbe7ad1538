"""How many claims the Python reference of the rules decides."""

import json
import random
from dataclasses import asdict

from benches.figures import Better, Figure, Run, Section
from benches.profiling import profiled
from benches.timing import Effort, in_turns
from theriac.cover.rules import Benefit, Item, Limits, Used, decide

CLAIMS = 200

PROSE = """
The reference in Python decides claims of 1 and of 10 lines over a schedule with deductibles, copays, coinsurance and
limits, one claim after the other, each person's amounts carried on: what an auditor does who decides every claim of a
year again. Beside it stands reading the same claims from JSON, which nobody who decides them can do without.
"""


def measure(effort: Effort) -> Section:
    dice = random.Random(7)
    schedule = [_benefit(number, dice) for number in range(200)]
    figures, tables = [], []
    for lines in (1, 10):
        claims = [_claim(lines, schedule, dice) for _ in range(10 if effort.small else CLAIMS)]
        texts = [json.dumps([asdict(item) for item in claim], default=bytes.hex) for claim in claims]

        def decided(claims: list[tuple[Item, ...]] = claims) -> int:
            person = family = Used()
            paid = 0
            for claim in claims:
                decision = decide(LIMITS, person, family, claim)
                person, family, paid = decision.person, decision.family, paid + decision.paid
            return paid

        def read(texts: list[str] = texts) -> None:
            for text in texts:
                json.loads(text)

        assert decided() > 0
        runs = tuple(
            Run(len(claims) / run.value, len(claims) / run.beside) for run in in_turns(decided, read, effort=effort)
        )
        what = f"claims of {lines} {'line' if lines == 1 else 'lines'} decided"
        figures.append(
            Figure(f"adjudication/{lines}", what, "a second", "the same read from JSON", runs, better=Better.MORE)
        )
        if not effort.small and lines == 10:
            tables.append(profiled(f"{len(claims)} claims of {lines} lines decided", decided))
    return Section("adjudication", "Deciding claims", PROSE, tuple(figures), tables=tuple(tables))


LIMITS = Limits(deductible=50_000, family_deductible=120_000, out_of_pocket=300_000, annual=100_000_000)


def _benefit(number: int, dice: random.Random) -> Benefit:
    return Benefit(
        number.to_bytes(32, "big"),
        price=dice.randrange(1_000, 200_000),
        copay=dice.choice((0, 500, 2_000)),
        coinsurance=dice.choice((0, 1_000, 2_000)),
        deductible=dice.random() < 0.5,
        most_units=dice.choice((0, 4)),
        yearly_units=dice.choice((0, 100)),
    )


def _claim(lines: int, schedule: list[Benefit], dice: random.Random) -> tuple[Item, ...]:
    chosen = dice.sample(schedule, lines)
    return tuple(
        Item(benefit, day=dice.randrange(1, 365), units=dice.randrange(1, 4), charged=dice.randrange(100, 300_000))
        for benefit in chosen
    )
