"""Plans as insurers write them, and whether one may be published.

A plan's file is YAML or JSON with amounts as people write them. What is published of it are the terms, with the root
of the benefit schedule (`theriac.cover.schedule`). The chain shows every row that a claim uses, but for the service's
code: `validate` refuses a plan in which what is shown would tell a sensitive service.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from theriac.cover import readable
from theriac.cover.readable import Node
from theriac.cover.rules import NO_LIMIT, NONE, WHOLE, Benefit, Kind, Limits
from theriac.errors import BadPlan, UnsafePlan
from theriac.health.scope import SENSITIVE, Category, Level

MOST_DECIMALS = 6
"""No token of a plan has more."""

MOST_AMOUNT = 10**15
"""Amounts are below this many of the token's smallest units: that many digits every JSON reader keeps."""

FEWEST_ALIKE = 5
"""At least so many sensitive services share all that the chain shows of one."""

Value = TypeVar("Value")

# -- what a plan is --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Service:
    """A service as a plan lists it, by the code people know.

    `goods` tells what a pharmacy gives from what a clinic does; `bundle` is the name of a group of which one service is
    paid a day; amounts are in the token's smallest unit, the coinsurance in hundredths of a percent.
    """

    system: str
    code: str
    display: str
    level: Level
    category: Category | None = None
    goods: bool = False
    kind: Kind = Kind.COVERED
    price: int = 0
    copay: int = 0
    coinsurance: int = 0
    deductible: bool = False
    authorization: bool = False
    review: bool = False
    waiting_days: int = 0
    most_units: int = 0
    yearly_units: int = 0
    bundle: str = ""
    grade: int = 0

    @property
    def canonical(self) -> str:
        """What its salted number is made of; a system has no bar, so no two services are written alike."""
        return f"{self.system}|{self.code}"

    @property
    def is_sensitive(self) -> bool:
        return self.level > Level.N

    def benefit(self, service: bytes = NONE, bundle: bytes = NONE) -> Benefit:
        """Its row of the schedule; without its numbers it is what the chain shows of it."""
        return Benefit(
            service=service,
            bundle=bundle,
            kind=Kind.GOODS if self.goods and self.kind is Kind.COVERED else self.kind,
            price=self.price,
            copay=self.copay,
            coinsurance=self.coinsurance,
            deductible=self.deductible,
            authorization=self.authorization,
            review=self.review,
            waiting_days=self.waiting_days,
            most_units=self.most_units,
            yearly_units=self.yearly_units,
            grade=self.grade,
        )

    def __str__(self) -> str:
        return f"{self.code} ({self.display})"


@dataclass(frozen=True)
class Plan:
    """A plan as its file says. `currency` is what the token is worth one of."""

    name: str
    year: int
    decimals: int
    currency: str
    limits: Limits
    premium: int
    premium_days: int
    grace_days: int
    filing_days: int
    refute_days: int
    appeal_days: int
    reversal_days: int
    services: tuple[Service, ...]

    def shown(self, amount: int) -> str:
        """An amount as people write it."""
        return f"{plain(amount, self.decimals)} {self.currency}"


def plain(amount: int, decimals: int) -> Decimal:
    """An amount of smallest units as a number of whole ones, exactly, with two decimals where the token has them."""
    number = Decimal(amount).scaleb(-decimals)
    kept = max(min(decimals, 2), -int(number.normalize().as_tuple().exponent) if number else 0)
    return number.quantize(Decimal(1).scaleb(-kept))


def whole(text: str, decimals: int) -> int:
    """How many of a token's smallest units a written amount is. Raises ValueError, which says why not."""
    match = _AMOUNT.fullmatch(text)
    if not match:
        raise ValueError("is no amount such as 12.50")
    if len(match[1] or "") > decimals:
        raise ValueError(f"has more than the {decimals} decimals of the token")
    found = int(Decimal(text).scaleb(decimals))
    if found >= MOST_AMOUNT:
        raise ValueError("is too large")
    return found


_AMOUNT = re.compile(r"(?:0|[1-9][0-9]{0,14})(?:\.([0-9]{1,18}))?")

# -- its terms -------------------------------------------------------------------------------------------------------

PLAN_TYPE = (
    "(address,uint32,uint16,uint16,uint16,uint16,address,uint32,uint16,uint16,address,uint64,bytes32,bytes32,"
    "(uint64,uint64,uint64,uint64,uint64,uint64,uint64))"
)
"""IPolicies.Plan, as the ABI writes it."""


@dataclass(frozen=True)
class Terms:
    """A plan as it is published; the fields of IPolicies.Plan in their order.

    `schedule` is the schedule's root and `document` the digest of the file that people read.
    """

    adjudicator: str
    insurer: int
    premium_days: int
    grace_days: int
    filing_days: int
    refute_days: int
    token: str
    arbiter: int
    appeal_days: int
    reversal_days: int
    appeals: str
    premium: int
    schedule: bytes
    document: bytes
    limits: Limits

    @classmethod
    def of(
        cls,
        plan: Plan,
        *,
        schedule: bytes,
        document: bytes,
        insurer: int,
        arbiter: int,
        token: str,
        adjudicator: str,
        appeals: str,
    ) -> "Terms":
        """The terms of a plan on a chain where these members and contracts are."""
        return cls(
            adjudicator=adjudicator,
            insurer=insurer,
            premium_days=plan.premium_days,
            grace_days=plan.grace_days,
            filing_days=plan.filing_days,
            refute_days=plan.refute_days,
            token=token,
            arbiter=arbiter,
            appeal_days=plan.appeal_days,
            reversal_days=plan.reversal_days,
            appeals=appeals,
            premium=plan.premium,
            schedule=schedule,
            document=document,
            limits=plan.limits,
        )

    def as_tuple(self) -> tuple[Any, ...]:
        """As the contract takes it."""
        *fields, limits = vars(self).values()
        return (*fields, limits.as_tuple())

    @property
    def id(self) -> bytes:
        """The plan's number on the chain."""
        return keccak(encode([PLAN_TYPE], [self.as_tuple()]))


# -- its file --------------------------------------------------------------------------------------------------------


def parse(data: bytes) -> Plan:
    """The plan in a YAML or JSON file. Raises BadPlan; what the services give away, `validate` says."""
    with _Section(readable.read(data), "plan") as file:
        with file.section("token") as token:
            decimals = token.count("decimals", most=MOST_DECIMALS)
            currency = token.text("currency")
            if not re.fullmatch(r"[A-Z]{3}", currency):
                raise token.fault("currency", "is no code of three capital letters such as EUR (ISO 4217)")
        with file.section("premium", needed=False) as premium:
            amount = premium.amount("amount", decimals, absent=0)
            premium_days = premium.count("days", least=1, absent=0)
            grace_days = premium.count("grace-days", absent=0)
            if (amount == 0) != (premium_days == 0):
                raise premium.fault("amount", "and its days go together: give both or neither")
        with file.section("days") as days:
            filing, refute, appeal, reversal = (
                days.count(name, least=1) for name in ("filing", "refute", "appeal", "reversal")
            )
        systems = file.names("systems")
        return Plan(
            name=file.text("name"),
            year=file.count("year", least=1, most=9999),
            decimals=decimals,
            currency=currency,
            limits=_limits(file, decimals),
            premium=amount,
            premium_days=premium_days,
            grace_days=grace_days,
            filing_days=filing,
            refute_days=refute,
            appeal_days=appeal,
            reversal_days=reversal,
            services=tuple(_service(told, number, decimals, systems) for number, told in file.items("services")),
        )


def _limits(file: "_Section", decimals: int) -> Limits:
    with file.section("limits", needed=False) as limits:
        return Limits(
            deductible=limits.amount("deductible", decimals, absent=0),
            family_deductible=limits.amount("family-deductible", decimals, absent=NO_LIMIT),
            out_of_pocket=limits.amount("out-of-pocket", decimals, absent=NO_LIMIT),
            family_out_of_pocket=limits.amount("family-out-of-pocket", decimals, absent=NO_LIMIT),
            annual=limits.amount("annual", decimals, absent=NO_LIMIT),
            family_annual=limits.amount("family-annual", decimals, absent=NO_LIMIT),
            lifetime=limits.amount("lifetime", decimals, absent=NO_LIMIT),
        )


_KINDS = {"covered": Kind.COVERED, "not-covered": Kind.NOT_COVERED, "excluded": Kind.EXCLUDED}
_SHOWN = {**_KINDS, "goods": Kind.GOODS}
_LEVELS = {level.name: level for level in Level}
_CATEGORIES: dict[str, Category | None] = {category.value: category for category in Category}


def _service(told: Node, number: int, decimals: int, systems: Mapping[str, str]) -> Service:
    code = told.get("code") if isinstance(told, dict) else None
    with _Section(told, f"service {code[:40] if isinstance(code, str) and code else f'number {number}'}") as service:
        kind = service.choice("kind", _KINDS, absent=Kind.COVERED)
        is_covered = kind is Kind.COVERED
        system = service.text("system")
        system = systems.get(system, system)
        if "|" in system:
            raise service.fault("system", "has a bar (|), which no system may have")
        return Service(
            system=system,
            code=service.text("code"),
            display=service.text("display"),
            level=service.choice("sensitivity", _LEVELS),
            category=service.choice("category", _CATEGORIES, absent=None),
            goods=service.flag("goods"),
            kind=kind,
            price=service.amount("price", decimals) if is_covered else service.amount("price", decimals, absent=0),
            copay=service.amount("copay", decimals, absent=0),
            coinsurance=service.percent("coinsurance"),
            deductible=service.flag("deductible"),
            authorization=service.flag("authorization"),
            review=service.flag("review"),
            waiting_days=service.count("waiting-days", absent=0),
            most_units=service.count("most-units", least=1, absent=0),
            yearly_units=service.count("yearly-units", least=1, absent=0),
            bundle=service.text("bundle", absent=""),
            grade=service.count("grade", most=255, absent=0),
        )


class _Section:
    """A part of the file. Its fields are taken one by one; one that is left over at the end was misspelt."""

    def __init__(self, told: Node, name: str) -> None:
        if not isinstance(told, dict):
            raise BadPlan(where=name, fault="has no fields")
        self._name = name
        self._left = dict(told)

    def __enter__(self) -> "_Section":
        return self

    def __exit__(self, error: object, *_: object) -> None:
        if error is None and self._left:
            raise BadPlan(where=self._name, fault=f"has a field {next(iter(self._left))[:40]!r}, which is unknown")

    def fault(self, field: str, fault: str) -> BadPlan:
        return BadPlan(where=f"{self._name}: {field}", fault=fault)

    def section(self, field: str, *, needed: bool = True) -> "_Section":
        if field not in self._left:
            if needed:
                raise self.fault(field, "is missing")
            return _Section({}, field)
        return _Section(self._left.pop(field), field)

    def items(self, field: str) -> Iterator[tuple[int, Node]]:
        found = self._left.pop(field, None)
        if not isinstance(found, list) or not found:
            raise self.fault(field, "is no list of at least one")
        return enumerate(found, 1)

    def names(self, field: str) -> dict[str, str]:
        """Short names for long texts."""
        section = self.section(field, needed=False)
        return {name: section.text(name) for name in list(section._left)}

    def text(self, field: str, *, absent: str | None = None) -> str:
        found = self._left.pop(field, absent)
        if found is None:
            raise self.fault(field, "is missing")
        if not isinstance(found, str):
            raise self.fault(field, "is no text")
        if not found and absent is None:
            raise self.fault(field, "is empty")
        if len(found) > 256 or found != " ".join(found.split()) or not found.isprintable():
            raise self.fault(field, "is too long, or has spaces or signs that cannot be seen")
        return found

    def amount(self, field: str, decimals: int, *, absent: int | None = None) -> int:
        if field not in self._left and absent is not None:
            return absent
        try:
            return whole(self.text(field), decimals)
        except ValueError as error:
            raise self.fault(field, str(error)) from None

    def count(self, field: str, *, least: int = 0, most: int = 2**16 - 1, absent: int | None = None) -> int:
        if field not in self._left and absent is not None:
            return absent
        text = self.text(field)
        if not re.fullmatch(r"[0-9]{1,6}", text) or not least <= int(text) <= most:
            raise self.fault(field, f"is no whole number from {least} to {most}")
        return int(text)

    def percent(self, field: str) -> int:
        """Hundredths of a percent."""
        text = self.text(field, absent="0").removesuffix("%").rstrip()
        if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,2})?", text):
            raise self.fault(field, "is no percentage of at most two decimals, such as 12.5")
        return int(Decimal(text) * 100)

    def flag(self, field: str) -> bool:
        return self.choice(field, {"yes": True, "no": False, "true": True, "false": False}, absent=False)

    def choice(self, field: str, words: Mapping[str, Value], **absent: Value) -> Value:
        if field not in self._left and absent:
            return absent["absent"]
        found = self.text(field)
        if found not in words:
            raise self.fault(field, f"is none of {', '.join(words)}")
        return words[found]


# -- what it gives away ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Group:
    """Services of which the chain shows the same but for service and bundle: `shown`, and that a claim is for goods."""

    shown: Benefit
    services: tuple[Service, ...]

    @property
    def sensitive(self) -> tuple[Service, ...]:
        return tuple(service for service in self.services if service.is_sensitive)


@dataclass(frozen=True)
class Report:
    """What is wrong with a plan (`refusals`: it must not be published), what may be (`warnings`), and how many services
    share what the chain shows of each.
    """

    plan: Plan
    groups: tuple[Group, ...]
    refusals: tuple[str, ...]
    warnings: tuple[str, ...]

    def check(self) -> None:
        """Raises UnsafePlan where the plan must not be published."""
        if self.refusals:
            raise UnsafePlan(refusals=self.refusals)

    def __str__(self) -> str:
        counts = [
            f"{len(group.services):4} services, of them {len(group.sensitive)} sensitive: {self._told(group)}"
            for group in self.groups
        ]
        warnings = [f"Warning: {each}." for each in self.warnings]
        refusals = [f"Refused: {each}." for each in self.refusals]
        return "\n".join(counts + warnings + refusals)

    def _told(self, group: Group) -> str:
        shown = group.shown
        flags = [name for name in ("deductible", "authorization", "review") if getattr(shown, name)]
        counts = {
            "waiting days": shown.waiting_days,
            "units at most": shown.most_units,
            "units a year": shown.yearly_units,
            "grade at least": shown.grade,
        }
        return ", ".join(
            [
                next(word for word, kind in _SHOWN.items() if kind is shown.kind),
                f"price {self.plan.shown(shown.price)}",
                f"copay {self.plan.shown(shown.copay)}",
                f"coinsurance {shown.coinsurance / 100:g} %",
                *(["goods"] if group.services[0].goods else []),
                *flags,
                *(f"{count} {name}" for name, count in counts.items() if count),
            ]
        )


def validate(plan: Plan) -> Report:
    """What a plan gives away, and what else would keep it from being published.

    Who watches the chain has the plan's file and sees, with every claim, whether it is for goods, the terms of its
    lines' services and which of them share a bundle. So of the sensitive services of like terms, goods or not,
    1. there are at least five, told apart by their display and not only by their code;
    2. they are of more than one category, or the terms would tell the category;
    3. the same holds of those that share a bundle too, or are in none: the bundle is seen.
    """
    groups = _grouped(plan.services, lambda service: (service.goods, service.benefit()))
    together = _grouped(plan.services, lambda service: (service.goods, service.benefit(), service.bundle))
    alone = [fault for fault in (_too_few(group) for group in groups) if fault]
    bundled = [fault for fault in (_too_few(group, "price, terms and bundle") for group in together) if fault]
    return Report(
        plan=plan,
        groups=tuple(Group(group[0].benefit(), group) for group in groups),
        refusals=(*_unusable(plan), *(alone or bundled)),
        warnings=tuple(_doubtful(plan)),
    )


def _grouped(services: Sequence[Service], key: Callable[[Service], object]) -> list[tuple[Service, ...]]:
    """The services by what `key` makes of them, the largest groups first."""
    found: defaultdict[object, list[Service]] = defaultdict(list)
    for service in services:
        found[key(service)].append(service)
    return sorted(map(tuple, found.values()), key=len, reverse=True)


def _too_few(group: Sequence[Service], shared: str = "price and terms") -> str | None:
    """What gives the sensitive services of a group away."""
    sensitive = [service for service in group if service.is_sensitive]
    if not sensitive:
        return None
    listed = ", ".join(service.code for service in sensitive[:FEWEST_ALIKE])
    kinds = {service.display.casefold() for service in sensitive}
    if len(kinds) < FEWEST_ALIKE:
        return (
            f"only {len(kinds)} sensitive services ({listed}) share their {shared}, and "
            f"{FEWEST_ALIKE} are needed so that none can be told"
        )
    categories = {service.category for service in sensitive}
    if len(categories) == 1:
        category = sensitive[0].category
        return (
            f"the sensitive services {listed} are all of the category {category.value if category else 'none'}, which "
            f"their {shared} would tell"
        )
    return None


def _unusable(plan: Plan) -> Iterator[str]:
    """What cannot be published, whatever it gives away."""
    if plan.decimals > MOST_DECIMALS:
        yield f"the token has {plan.decimals} decimals, and at most {MOST_DECIMALS} are taken"
    for canonical, count in Counter(service.canonical for service in plan.services).items():
        if count > 1:
            yield f"the service {canonical} is listed {count} times"
    for service in plan.services:
        if service.coinsurance > WHOLE:
            yield f"the coinsurance of service {service} is more than 100 %"
        if service.category in SENSITIVE and not service.is_sensitive:
            yield f"service {service} is of the category {service.category.value}, which is never N: make it R or V"
        if service.is_sensitive and service.category is None:
            yield f"service {service} is sensitive and has no category"


def _doubtful(plan: Plan) -> Iterator[str]:
    limits = plan.limits
    if limits.deductible > limits.out_of_pocket:
        yield "the deductible is more than the most that is paid out of pocket, so it is never met"
    if limits.family_deductible != NO_LIMIT and limits.family_deductible > limits.family_out_of_pocket:
        yield "the family's deductible is more than the most that it pays out of pocket, so it is never met"
    if limits.family_deductible < limits.deductible:
        yield "the family's deductible is less than a person's, which so is never met"
    if limits.annual > limits.lifetime != NO_LIMIT and limits.annual != NO_LIMIT:
        yield "the limit of a policy year is more than that of a lifetime"
    mixed = defaultdict(set)
    for service in plan.services:
        mixed[service.bundle].add(service.is_sensitive)
    for service in plan.services:
        if service.is_sensitive and service.bundle and len(mixed[service.bundle]) == 2:
            yield f"service {service} is sensitive and shares the bundle {service.bundle} with services that are not"
        if service.goods and service.bundle:
            yield f"service {service} is goods, which have no day, so its bundle {service.bundle} does nothing"
        if service.kind is Kind.COVERED and service.price == 0:
            yield f"the price of service {service} is 0, so nothing is ever paid for it"
        if service.kind is Kind.COVERED and 0 < service.price <= service.copay:
            yield f"the copay of service {service} is its whole price, so a single unit is never paid for"
