"""Readings: who may report them, what they must say, and what they block. Signatures: test_signatures.py."""

from typing import Any

import pytest
from batches_depot import (
    CASE,
    DAY,
    DISPENSED,
    EXCURSION,
    MAKER,
    NEXT_CASE,
    PACK,
    PALLET,
    PHARMACY,
    REASON,
    REPORT_EXCURSION_FOR,
    WHOLESALER,
    Depot,
    Place,
    digest,
    error,
)
from pack_tree import above
from signature_cases import Event
from signature_stage import Refusal

from theriac.medicine.messages import Goods, Readings

ROOT, SEALED = digest("root of readings"), digest("sealed readings")
LOW, HIGH, LONGEST, KINETIC = 200, 800, 60, 900
TOO_LONG, TOO_WARM = 1, 2

Report = tuple[bytes, bytes, int]


@pytest.fixture
def watched(depot: Depot) -> Depot:
    """The depot where the pharmacy holds a pallet of a batch with limits, and lets the cold chain block for it."""
    depot.hand("maker", PALLET, "pharmacy")
    depot.send("maker", "ColdChain", "setLimit", depot.batch, (LOW, HIGH, LONGEST, KINETIC))
    depot.let("pharmacy", depot.contracts.coldchain.address, REPORT_EXCURSION_FOR)
    return depot


def report(
    depot: Depot,
    *,
    ago: int = 3600,
    span: int = DAY,
    low: int = LOW,
    high: int = HIGH,
    minutes: int = 0,
    kinetic: int = 500,
    root: bytes = ROOT,
    sealed: bytes = SEALED,
    more: int = 0,
) -> Report:
    """A report whose readings ended so many seconds ago, written out once more from contracts/types/Verdict.sol."""
    end = depot.chain.now() - ago
    signed = [each % 2**16 for each in (low, high, kinetic)]
    verdict = end - span | end << 40 | signed[0] << 80 | signed[1] << 96 | minutes << 112 | signed[2] << 144
    return root, sealed, verdict | more << 160


def refusal(depot: Depot, told: Report, *nodes: int, who: str = "logger", batch: bytes = b"") -> Refusal | None:
    refused = depot.refused(who, "ColdChain", "log", told, [(batch or depot.batch, node) for node in nodes])
    # What Batches refuses comes through as Batches says it.
    return depot.read("Batches", refused.facts["data"]) if refused and not refused.error else refused


def log(depot: Depot, told: Report, *nodes: int) -> list[Event]:
    return depot.send("logger", "ColdChain", "log", told, [(depot.batch, node) for node in nodes])


def logged(depot: Depot, told: Report) -> Event:
    facts = {"member": PHARMACY, "logger": depot.address("logger"), "root": ROOT, "readings": SEALED}
    return Event("Logged", {**facts, "verdict": told[2]})


def exceeded(depot: Depot, node: int, reason: int) -> list[Event]:
    facts = {"batch": depot.batch, "member": PHARMACY, "node": node}
    return [
        Event("Exceeded", {**facts, "root": ROOT, "reason": reason}),
        Event("Blocked", {**facts, "block_": EXCURSION, "reason": reason}),
    ]


# -- who and what ----------------------------------------------------------------------------------------------------


def test_log__tells(watched: Depot) -> None:
    # given
    told = report(watched, minutes=LONGEST, kinetic=KINETIC)

    # when goods bore exactly what they can
    events = log(watched, told, PALLET, CASE)

    # then
    assert events == [logged(watched, told)]
    assert watched.place(CASE) == Place(PHARMACY, MAKER, moves=1)


def test_log__without_goods(depot: Depot) -> None:
    # given a device that lies beside nothing
    told = report(depot, minutes=10**6)

    assert log(depot, told) == [logged(depot, told)]


@pytest.mark.parametrize("who", ["pharmacist", "clerk", "maker", "packer", "haulier", "agency", "stranger"])
def test_log__by_no_logger(watched: Depot, who: str) -> None:
    refused = refusal(watched, (bytes(32), bytes(32), 0), CASE, who=who)

    assert refused == error("NotALogger", account=watched.address(who))


@pytest.mark.parametrize("fall", ["suspend", "dismiss"])
def test_log__by_a_logger_out_of_standing(watched: Depot, fall: str) -> None:
    # given
    if fall == "suspend":
        watched.send("board", "Consortium", "suspend", PHARMACY, 1)
    else:
        watched.send("pharmacy", "Consortium", "dismiss", watched.address("logger"))

    # when
    refused = refusal(watched, report(watched), CASE)

    # then
    assert refused == error("NotALogger", account=watched.address("logger"))


@pytest.mark.parametrize("empty", ["root", "sealed"])
def test_log__without_a_digest(watched: Depot, empty: str) -> None:
    told = report(watched, span=0, **{empty: bytes(32)})

    assert refusal(watched, told, CASE) == error("NoDigest")


@pytest.mark.parametrize(
    "fault",
    [
        {"span": 0},
        {"span": -1},
        {"low": HIGH},
        {"low": HIGH + 1},
        {"low": 5, "high": -5},
        {"more": 1},
        {"more": 1 << 95},
    ],
)
def test_log__with_a_verdict_that_is_none(watched: Depot, fault: dict[str, Any]) -> None:
    told = report(watched, ago=9 * DAY, **fault)

    assert refusal(watched, told, CASE) == error("WrongVerdict", verdict=told[2])


def test_log__too_late_or_of_the_future(watched: Depot) -> None:
    # given
    now, week = watched.chain.now(), 7 * DAY

    for ago in (-1, week + 1):
        refused = error("WrongTime", end=now - ago, earliest=now - week)
        assert refusal(watched, report(watched, ago=ago), CASE) == refused
    for ago in (0, week):
        assert refusal(watched, report(watched, ago=ago), CASE) is None


@pytest.mark.parametrize(("low", "high"), [(LOW, HIGH + 1), (LOW - 1, HIGH), (-LOW, HIGH)])
def test_log__counted_against_another_limit(watched: Depot, low: int, high: int) -> None:
    # given minutes outside of a wider range than the batch's
    told = report(watched, low=low, high=high, minutes=10**6)

    # when
    refused = refusal(watched, told, CASE)

    # then
    assert refused == error("AnotherLimit", batch=watched.batch, low=LOW, high=HIGH)


def test_log__of_a_batch_without_a_limit(depot: Depot) -> None:
    # given
    depot.hand("maker", PALLET, "pharmacy")

    # when
    refused = refusal(depot, report(depot), CASE)
    unknown = refusal(depot, report(depot), CASE, batch=digest("no batch"))

    # then
    assert refused == error("AnotherLimit", batch=depot.batch, low=0, high=0)
    assert unknown == error("AnotherLimit", batch=digest("no batch"), low=0, high=0)


# -- what it blocks --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("minutes", "kinetic", "reason"),
    [(LONGEST + 1, 500, TOO_LONG), (0, KINETIC + 1, TOO_WARM), (LONGEST + 1, KINETIC + 1, TOO_WARM)],
)
@pytest.mark.parametrize("node", [PALLET, CASE, PACK])
def test_log__beyond_what_goods_bear__blocks_them(
    watched: Depot, node: int, minutes: int, kinetic: int, reason: int
) -> None:
    # given
    told = report(watched, minutes=minutes, kinetic=kinetic)

    # when
    events = log(watched, told, node)

    # then
    assert events == [logged(watched, told), *exceeded(watched, node, reason)]
    assert watched.place(node) == Place(PHARMACY, MAKER, moves=1, blocks=EXCURSION)
    refused = error("IsBlocked", batch=watched.batch, blocks=EXCURSION)
    assert watched.refusal("pharmacist", "dispense", *watched.goods.proof(0)) == refused


def test_log__beyond_what_frozen_goods_bear(watched: Depot) -> None:
    # given limits below zero
    watched.send("maker", "ColdChain", "setLimit", watched.batch, (-2500, -1500, 0, -1600))

    for kinetic, blocked in ((-1601, False), (-1600, False), (-1599, True), (100, True), (-(2**15), False)):
        with watched.chain.undone():
            log(watched, report(watched, low=-2500, high=-1500, kinetic=kinetic), CASE)
            assert watched.place(CASE).blocks == (EXCURSION if blocked else 0)


def test_log__of_many_goods(watched: Depot) -> None:
    # given a second batch that bears more
    other = watched.commission(type(watched.goods)("copycat", watched.goods.tree, 6, 3, watched.goods.expiry))
    other.hand("copycat", PALLET, "pharmacy")
    other.send("copycat", "ColdChain", "setLimit", other.batch, (LOW, HIGH, 1000, KINETIC))
    told = report(watched, minutes=100)
    goods = [(watched.batch, CASE), (other.batch, CASE), (watched.batch, NEXT_CASE)]

    # when
    events = watched.send("logger", "ColdChain", "log", told, goods)

    # then
    expected = [*exceeded(watched, CASE, TOO_LONG), *exceeded(watched, NEXT_CASE, TOO_LONG)]
    assert events == [logged(watched, told), *expected]
    assert (watched.place(CASE).blocks, other.place(CASE).blocks) == (EXCURSION, 0)


def test_log__of_goods_that_the_member_does_not_hold(watched: Depot) -> None:
    # given a case that went on
    watched.hand("pharmacist", CASE, "rival")
    told = report(watched, minutes=100)

    # when
    refused = refusal(watched, told, CASE)
    whole = refusal(watched, told, 1)

    # then
    facts = {"batch": watched.batch, "member": PHARMACY}
    assert refused == error("NotTheHolder", node=CASE, holder=6, **facts)
    assert whole == error("NotTheHolder", node=1, holder=MAKER, **facts)
    log(watched, told, PALLET)
    assert watched.place(CASE).blocks == 0


def test_log__by_another_member_s_logger(watched: Depot) -> None:
    # given the wholesaler's probe, beside the pharmacy's goods
    watched.let("wholesaler", watched.contracts.coldchain.address, REPORT_EXCURSION_FOR)

    # when
    refused = refusal(watched, report(watched, minutes=100), CASE, who="probe")

    # then
    assert refused == error("NotTheHolder", batch=watched.batch, node=CASE, member=WHOLESALER, holder=PHARMACY)


def test_log__for_a_member_that_lets_the_cold_chain_do_nothing(watched: Depot) -> None:
    # given
    coldchain = watched.contracts.coldchain.address
    watched.let("pharmacy", coldchain, 0xFF ^ REPORT_EXCURSION_FOR)

    # when
    refused = refusal(watched, report(watched, minutes=100), CASE)

    # then
    assert refused == error("NotAnOperator", sender=coldchain, member=PHARMACY)


def test_log__of_a_pack_that_is_gone(watched: Depot) -> None:
    # given
    watched.dispense("pharmacist", 0)

    # when
    refused = refusal(watched, report(watched, minutes=100), above(0, 0))

    # then
    assert refused == error("WrongStatus", batch=watched.batch, index=0, status=DISPENSED)


def test_log__again__does_not_block_what_the_maker_has_cleared(watched: Depot) -> None:
    # given
    told = report(watched, minutes=100)
    log(watched, told, CASE)
    watched.do("maker", "release", CASE, EXCURSION, REASON)

    # when
    refused = refusal(watched, told, CASE)

    # then, but goods that it did not speak of yet it can still block
    assert refused == error("AlreadyReported", root=ROOT, batch=watched.batch, node=CASE)
    assert refusal(watched, told, NEXT_CASE) is None
    assert refusal(watched, report(watched, minutes=100, root=digest("later readings")), CASE) is None


# -- signed ----------------------------------------------------------------------------------------------------------


def signed(depot: Depot, told: Report, *nodes: int, by: str = "logger") -> tuple[Any, ...]:
    message = Readings(depot.address("logger"), *told, [Goods(depot.batch, node) for node in nodes])
    return message.arguments(depot.signature(message, by))


def test_log_by_sig__tells_the_same(watched: Depot) -> None:
    # given
    told = report(watched, minutes=100)

    # when a stranger carries it
    events = watched.send("stranger", "ColdChain", "logBySig", *signed(watched, told, PACK, NEXT_CASE))

    # then
    expected = [*exceeded(watched, PACK, TOO_LONG), *exceeded(watched, NEXT_CASE, TOO_LONG)]
    assert events == [logged(watched, told), *expected]


@pytest.mark.parametrize("nodes", [(), (CASE,), (CASE, NEXT_CASE, PACK), (NEXT_CASE, CASE), (CASE, CASE)])
def test_log_by_sig__for_other_goods(watched: Depot, nodes: tuple[int, ...]) -> None:
    # given what the logger said of two nodes, carried as if it had been of others
    told = report(watched, minutes=100)
    logger, terms, _, signature = signed(watched, told, CASE, NEXT_CASE)
    others = [(watched.batch, node) for node in nodes]

    # when
    refused = watched.refused("stranger", "ColdChain", "logBySig", logger, terms, others, signature)

    # then
    assert refused == error("WrongSignature", signer=watched.address("logger"))


def test_log_by_sig__by_another(watched: Depot) -> None:
    # given
    arguments = signed(watched, report(watched), CASE, by="pharmacist")

    # when
    refused = watched.refused("pharmacist", "ColdChain", "logBySig", *arguments)

    # then
    assert refused == error("WrongSignature", signer=watched.address("logger"))


def test_log_by_sig__of_a_logger_out_of_standing(watched: Depot) -> None:
    # given
    arguments = signed(watched, report(watched), CASE)
    watched.send("pharmacy", "Consortium", "dismiss", watched.address("logger"))

    # when
    refused = watched.refused("stranger", "ColdChain", "logBySig", *arguments)

    # then
    assert refused == error("NotALogger", account=watched.address("logger"))


def test_log_by_sig__again(watched: Depot) -> None:
    # given
    arguments = signed(watched, report(watched, minutes=100), CASE)
    watched.send("stranger", "ColdChain", "logBySig", *arguments)

    # when
    refused = watched.refused("stranger", "ColdChain", "logBySig", *arguments)

    # then
    assert refused == error("AlreadyReported", root=ROOT, batch=watched.batch, node=CASE)
