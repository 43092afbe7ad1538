"""Cases for the rules, near every boundary, and the bytes that a contract takes and gives for them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cached_property
from random import Random
from typing import Any

from theriac.cover.rules import (
    NO_LIMIT,
    NO_REASON,
    NONE,
    Benefit,
    Decision,
    Item,
    Kind,
    Limits,
    Reason,
    Used,
    decide,
)

# A charge is less than this; so no sum of a case is 2^64 or more.
LARGEST = 1 << 56

NO_LIMITS, UNUSED = Limits(), Used()


@dataclass(frozen=True)
class Case:
    """What is asked of the rules."""

    items: tuple[Item, ...]
    limits: Limits = NO_LIMITS
    person: Used = UNUSED
    family: Used = UNUSED
    most: int = NO_LIMIT

    @cached_property
    def decision(self) -> Decision:
        """What the reference decides."""
        return decide(self.limits, self.person, self.family, self.items, self.most)

    def encoded(self) -> bytes:
        """As the contract takes it. What eth_abi does is the same and takes ten times as long."""
        amounts = (*self.limits.as_tuple(), *self.person.as_tuple(), *self.family.as_tuple())
        rows = [_words(*item.benefit.as_tuple(), *item.as_tuple()[1:]) for item in self.items]
        return b"".join((_words(*amounts, 17 * 32, self.most, len(rows)), *rows))

    def answer(self) -> bytes:
        """The reference's decision as the contract gives it."""
        outcomes, person, family, paid, share = self.decision.as_tuple()
        rows = [_words(*outcome) for outcome in outcomes]
        return b"".join((_words(32, 11 * 32, *person, *family, paid, share, len(rows)), *rows))

    def smaller(self) -> Iterator["Case"]:
        """Cases that are one step simpler."""
        for index, item in enumerate(self.items):
            before, after = self.items[:index], self.items[index + 1 :]
            yield replace(self, items=before + after)
            for each in _simpler(item, Item(item.benefit)):
                yield replace(self, items=(*before, each, *after))
            for benefit in _simpler(item.benefit, Benefit(item.benefit.service)):
                yield replace(self, items=(*before, replace(item, benefit=benefit), *after))
        yield from _simpler(self, Case(self.items))
        for limits in _simpler(self.limits, NO_LIMITS):
            yield replace(self, limits=limits)
        for person in _simpler(self.person, UNUSED):
            yield replace(self, person=person)
        for family in _simpler(self.family, UNUSED):
            yield replace(self, family=family)

    def __str__(self) -> str:
        return _told(self)


def _words(*values: Any) -> bytes:
    return b"".join(value if isinstance(value, bytes) else value.to_bytes(32, "big") for value in values)


def _simpler(value: Any, blank: Any) -> Iterator[Any]:
    """The value with one field as in `blank`, a reason less, or a number nearer to zero, far steps first."""
    for field in fields(value):
        now, then = getattr(value, field.name), getattr(blank, field.name)
        if now == then:
            continue
        yield replace(value, **{field.name: then})
        if isinstance(now, Reason):
            yield from (replace(value, **{field.name: now ^ bit}) for bit in _bits(now))
        step = now if type(now) is int else 0
        while step:
            yield replace(value, **{field.name: now - step})
            step //= 2


def _bits(number: int) -> list[int]:
    return [1 << place for place in range(number.bit_length()) if number >> place & 1]


def _told(value: Any) -> str:
    """A value without what is as usual in it."""
    if isinstance(value, tuple):
        return f"[{', '.join(_told(each) for each in value)}]"
    if isinstance(value, bytes):
        return value.hex().lstrip("0") or "0"
    if not is_dataclass(value):
        return repr(value)
    shown = [field.name for field in fields(value) if getattr(value, field.name) != field.default]
    return f"{type(value).__name__}({', '.join(f'{name}={_told(getattr(value, name))}' for name in shown)})"


def smallest(case: Case, fails: Callable[[Case], bool]) -> Case:
    """The simplest case found that still fails, one step after another."""
    while True:
        for simpler in case.smaller():
            if fails(simpler):
                case = simpler
                break
        else:
            return case


def _id(number: int) -> bytes:
    return number.to_bytes(32, "big")


class Maker:
    """Makes cases out of a seed."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._any, self._pick = self._random.random, self._random.choice
        self._scale = 0

    def case(self) -> Case:
        self._scale = self._pick((4, 40, 40, 1000, 1000, 10**9, LARGEST))
        limits = Limits(*(self._limit() for _ in range(7)))
        rows = [self._benefit() for _ in range(self._pick((1, 2, 2, 3)))]
        return Case(
            limits=limits,
            person=Used(
                self._used(limits.deductible),
                self._used(limits.out_of_pocket),
                self._used(limits.annual),
                self._used(limits.lifetime),
            ),
            family=Used(
                self._used(limits.family_deductible),
                self._used(limits.family_out_of_pocket),
                self._used(limits.family_annual),
                self._pick((0, 0, 0, self._scale)),
            ),
            items=tuple(self._item(self._pick(rows)) for _ in range(self._pick((0, 1, 1, 2, 2, 2, 3, 4, 6)))),
            most=NO_LIMIT if self._any() < 0.7 else self._amount(),
        )

    def _amount(self) -> int:
        """An amount below LARGEST: none, some, or one just at the edge."""
        scale = self._scale
        return self._pick((0, 1, scale - 1, scale // 2, *(self._random.randrange(scale) for _ in range(4))))

    def _limit(self) -> int:
        chance = self._any()
        if chance < 0.35:
            return NO_LIMIT
        return NO_LIMIT - 1 if chance < 0.37 else self._amount()

    def _used(self, limit: int) -> int:
        """What was used of a limit: little of it, nearly all, all, or more than all."""
        if limit == NO_LIMIT:
            return self._amount()
        near = limit - self._pick((-1, 0, 0, 1, 2, 3, self._amount(), self._amount()))
        return min(max(self._pick((0, 0, near, near, limit // 2)), 0), NO_LIMIT)

    def _benefit(self) -> Benefit:
        pick, often = self._pick, lambda chance: self._any() < chance
        price = self._random.getrandbits(64) if often(0.02) else self._amount()
        return Benefit(
            service=_id(pick((1, 2, 3))),
            bundle=_id(pick((0, 0, 1, 2))),
            kind=pick(tuple(Kind)) if often(0.08) else Kind.COVERED,
            price=price,
            copay=pick((0, 0, 1, self._amount())),
            coinsurance=pick((0, 1, 1000, 2000, 3333, 5000, 9999, 10_000, self._random.randrange(10_001))),
            deductible=often(0.6),
            authorization=often(0.3),
            review=often(0.1),
            waiting_days=pick((0, 0, 0, 1, 30, 65535)) if often(0.3) else 0,
            most_units=pick((1, 2, 3, 65535)) if often(0.3) else 0,
            yearly_units=pick((1, 2, 4, 6, 65535)) if often(0.3) else 0,
            grade=pick((1, 2, 255)) if often(0.15) else 0,
        )

    def _item(self, benefit: Benefit) -> Item:
        pick, often, bits = self._pick, lambda chance: self._any() < chance, self._random.getrandbits
        units = pick((0, 1, 1, 1, 2, 2, 3, 4, 65535 if often(0.1) else 5))
        full = benefit.price * units
        charged = pick((full, full, full - 1, full + 1, self._amount(), self._amount()))
        needed = benefit.waiting_days
        return Item(
            benefit=benefit,
            day=pick((0, 1, 2, 3, 4, 65535)),
            units=units,
            charged=min(max(charged, 0), LARGEST - 1),
            waited=pick((needed, needed, needed + 1, max(needed - 1, 0), 2**32 - 1)),
            tier=pick((benefit.grade, benefit.grade, 255, max(benefit.grade - 1, 0), 2)),
            used_units=pick((0, 0, 1, 2, 5, 2**32 - 1 if often(0.1) else 3)),
            authorization=pick((NONE, _id(1), _id(2), _id(3), bytes([1]) + bytes(31))),
            authorized_units=pick((0, units, units, units + 1, max(units - 1, 0), 2**32 - 1)),
            authorized_amount=pick((0, 0, 0, self._amount(), NO_LIMIT)),
            found=self._reasons() if often(0.12) else NO_REASON,
            waived=pick((self._reasons(), Reason(bits(32)), Reason(2**32 - 1))) if often(0.2) else NO_REASON,
        )

    def _reasons(self) -> Reason:
        """One or two of them, or now and then any bits at all."""
        if self._any() < 0.1:
            return Reason(self._random.getrandbits(32))
        return Reason(1 << self._random.randrange(14) | self._pick((0, 1 << self._random.randrange(14))))
