"""A logger's readings: how they are read, counted, rooted and sealed, without a chain."""

import math
import secrets
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from theriac.crypto.recipients import HybridIdentity
from theriac.errors import BadReadings, NoMatchingIdentity, WrongReport
from theriac.medicine.coldchain import (
    Log,
    Proof,
    Reading,
    Verdict,
    check_report,
    from_csv,
    in_order,
    kinetic_of,
    mean_kinetic_temperature,
    minutes_outside,
    verdict_of,
)

START = datetime(2030, 1, 7, 9, 0, tzinfo=UTC)
LOGGER = "0x" + "11" * 20
LOW, HIGH = 200, 800


def readings(*centidegrees: int, every: int = 600) -> tuple[Reading, ...]:
    """Readings so many seconds apart."""
    return tuple(Reading(START + timedelta(seconds=every * place), each) for place, each in enumerate(centidegrees))


def haynes(celsius: list[float], weights: list[float]) -> float:
    """The formula as it is printed, in floating point, without any of the module's steps."""
    constant = 83.144 / 8.3144e-3
    mean = math.fsum(
        weight * math.exp(-constant / (each + 273.15)) for each, weight in zip(celsius, weights, strict=True)
    ) / math.fsum(weights)
    return constant / -math.log(mean) - 273.15


# -- reading files ---------------------------------------------------------------------------------------------------


def test_from_csv__with_names_zones_and_more_columns() -> None:
    # given: another zone, out of order, a byte order mark, and a thousandth of a degree
    data = "\ufefftime,temperature,battery\r\n2030-01-07T10:20:00+01:00,8.005,97\r\n2030-01-07T09:00:00Z,-0.5\r\n\r\n"

    # when
    found = from_csv(data.encode())

    # then
    assert found == (Reading(START, -50), Reading(START + timedelta(minutes=20), 800))


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("2030-01-07T09:20:00,5.0", "zone"),
        ("2030-01-07T09:20:00Z;5.0", "comma"),
        ("2030-01-07T09:20:00Z,5,0x", None),
        ("2030-01-07T09:20:00Z,nan", "no temperature"),
        ("2030-01-07T09:20:00Z,-274", "no temperature"),
        ("2030-01-07T09:20:00Z,1e999999", "no temperature"),
        ("2030-01-07T09:20:00Z,1e999999999", "no temperature"),
        ("yesterday,5.0", "no time"),
        ("0001-01-01T00:00:00+14:00,5.0", "no time"),
        ("9999-12-31T23:59:59-14:00,5.0", "no time"),
        ("2030-01-07T09:20:00.5Z,5.0", "parts of a second"),
        ("2030-01-07T09:00:00Z,6.0", "two readings"),
    ],
)
def test_from_csv__a_line_that_is_none__is_refused(line: str, fault: str | None) -> None:
    data = f"2030-01-07T09:00:00Z,5.0\n{line}\n".encode()

    if fault is None:
        assert [each.centidegrees for each in from_csv(data)] == [500, 500]
        return
    with pytest.raises(BadReadings, match=fault):
        from_csv(data)


def test_from_csv__one_reading__covers_no_time() -> None:
    with pytest.raises(BadReadings, match="least"):
        from_csv(b"time,temperature\n2030-01-07T09:00:00Z,5.0\n")


# -- minutes outside -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "minutes"),
    [
        (readings(500, 500, 500), 0),
        (readings(LOW, HIGH, LOW), 0),
        (readings(500, HIGH + 1, 500), 20),
        (readings(500, 500, LOW - 1), 10),
        (readings(900, 900), 10),
        (readings(500, 900, 500, every=61), 3),
        (readings(500, 500, every=3600), 0),
        (readings(500, 500, every=3601), 61),
    ],
    ids=["inside", "the-limits-are-inside", "a-peak", "the-end", "throughout", "rounded-up", "an-hour", "asleep"],
)
def test_minutes_outside__counts_what_may_have_been_outside(found: tuple[Reading, ...], minutes: int) -> None:
    assert minutes_outside(found, low=LOW, high=HIGH) == minutes


# -- mean kinetic temperature ----------------------------------------------------------------------------------------


def test_mean_kinetic_temperature__a_published_example() -> None:
    # Two readings of 2, one of 5 and four of 8 degrees: 6.25, in the readme of zelti/mkt (a PostgreSQL aggregate).
    exact = haynes([2, 5, 8], [2, 1, 4])

    assert round(exact, 2) == 6.25
    assert mean_kinetic_temperature({200: 2, 500: 1, 800: 4}) == math.ceil(exact * 100)


@pytest.mark.parametrize("centidegrees", [-8000, -2050, 0, 1, 500, 2500, 4000])
def test_mean_kinetic_temperature__of_one_temperature__is_that_and_not_a_hundredth_more(centidegrees: int) -> None:
    assert mean_kinetic_temperature({centidegrees: 3}) == centidegrees


def test_kinetic_of__agrees_with_the_formula_in_floating_point__rounded_up() -> None:
    # given: readings at uneven times
    times = [0, 600, 1200, 4000, 4600, 9000]
    degrees = [500, 650, 1200, 2500, 300, -150]
    found = tuple(Reading(START + timedelta(seconds=time), each) for time, each in zip(times, degrees, strict=True))
    weights = [600, 1200, 3400, 3400, 5000, 4400]

    # when
    exact = haynes([each / 100 for each in degrees], [float(each) for each in weights])

    # then
    assert kinetic_of(found) == math.ceil(exact * 100)
    assert abs(exact * 100 - round(exact * 100)) > 1e-4


def test_kinetic_of__a_warm_hour_weighs_more_than_its_mean() -> None:
    found = kinetic_of(readings(*[500] * 30, *[3000] * 6, *[500] * 30))

    assert found > (60 * 500 + 6 * 3000) / 66


# -- verdicts --------------------------------------------------------------------------------------------------------


def test_verdict__packed_and_unpacked__is_the_same_with_signs() -> None:
    verdict = Verdict(START, START + timedelta(hours=2), -2500, -1500, 7, -1820)

    word = verdict.pack()

    assert Verdict.unpack(word) == verdict
    assert [word & (1 << 40) - 1, word >> 80 & 0xFFFF, word >> 112 & (1 << 32) - 1] == [
        int(START.timestamp()),
        0x10000 - 2500,
        7,
    ]


@pytest.mark.parametrize("word", [0, 1 << 160, (5 << 40) | 5, (1 << 40) | (1 << 96) | (1 << 80)])
def test_verdict__a_word_that_the_contract_refuses(word: int) -> None:
    with pytest.raises(BadReadings):
        Verdict.unpack(word)


def test_verdict_of__no_range__is_refused() -> None:
    with pytest.raises(BadReadings, match="no range"):
        verdict_of(readings(500, 500), low=800, high=800)


# -- roots and proofs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [2, 3, 5, 8, 13])
def test_proof__of_each_reading__gives_the_root_and_of_no_other(count: int) -> None:
    log = Log.of(LOGGER, readings(*range(500, 500 + count)))

    for place, reading in enumerate(log.readings):
        proof = log.proof(place)
        assert proof.root(reading) == log.root
        assert proof.root(replace(reading, centidegrees=reading.centidegrees + 1)) != log.root
        assert replace(proof, index=(place + 1) % count).root(reading) != log.root
        assert replace(proof, siblings=(*proof.siblings, bytes(32))).root(reading) != log.root
        assert replace(proof, count=count + 1).root(reading) != log.root


def test_proof__an_index_beyond_the_log__gives_no_root() -> None:
    log = Log.of(LOGGER, readings(500, 510))

    assert Proof(2, 2, log.proof(0).salt, log.proof(0).siblings).root(log.readings[0]) == b""
    with pytest.raises(BadReadings):
        log.proof(2)


def test_root__of_the_same_readings_twice__tells_nothing_of_them() -> None:
    assert Log.of(LOGGER, readings(500, 510)).root != Log.of(LOGGER, readings(500, 510)).root


# -- files -----------------------------------------------------------------------------------------------------------


def test_log__sealed_and_opened__is_the_same_and_for_its_readers_only() -> None:
    # given
    log = Log.of(LOGGER, readings(500, -5, -1500))
    maker, member, stranger = HybridIdentity.generate(), HybridIdentity.generate(), HybridIdentity.generate()

    # when
    sealed = log.seal(to=[maker.recipient, member.recipient])

    # then
    assert [Log.open_(sealed, identities=[each]) for each in (maker, member)] == [log, log]
    with pytest.raises(NoMatchingIdentity):
        Log.open_(sealed, identities=[stranger])


def test_log__encoded__reads_as_it_is_written_down() -> None:
    log = Log(LOGGER, readings(500, -5), bytes(32))

    assert log.encode().decode().splitlines() == [
        '{"format":1,"kind":"readings","logger":"' + LOGGER + '","secret":"' + "00" * 32 + '"}',
        "2030-01-07T09:00:00Z 5.00",
        "2030-01-07T09:10:00Z -0.05",
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"5.00", b"5.0"),
        (b"09:10:00Z", b"08:10:00Z"),
        (b"Z 5", b"+00:00 5"),
        (b'"format":1', b'"format":2'),
        (b'"kind":"readings"', b'"kind":"sheet"'),
        (b"\n", b"\n\n"),
    ],
)
def test_log__another_spelling__is_refused(old: bytes, new: bytes) -> None:
    data = Log(LOGGER, readings(500, -5), secrets.token_bytes(32)).encode().replace(old, new, 1)

    with pytest.raises(BadReadings):
        Log.decode(data)


# -- checking --------------------------------------------------------------------------------------------------------


def test_check_report__what_the_readings_say() -> None:
    log = Log.of(LOGGER, readings(500, 900, 500))
    verdict = verdict_of(log.readings, low=LOW, high=HIGH)

    assert check_report(log, logger=LOGGER, root=log.root, verdict=verdict.pack()) == verdict
    assert (verdict.minutes, verdict.start, verdict.end) == (20, START, START + timedelta(minutes=20))


def test_check_report__a_verdict_with_fewer_minutes__is_found_out() -> None:
    log = Log.of(LOGGER, readings(500, 900, 500))
    lie = replace(verdict_of(log.readings, low=LOW, high=HIGH), minutes=0)

    with pytest.raises(WrongReport, match="verdict"):
        check_report(log, logger=LOGGER, root=log.root, verdict=lie.pack())


def test_check_report__readings_left_out_of_the_file__are_found_out() -> None:
    log = Log.of(LOGGER, readings(500, 900, 500))
    shown = Log(LOGGER, in_order(log.readings[::2]), log.secret)

    with pytest.raises(WrongReport, match="root"):
        check_report(shown, logger=LOGGER, root=log.root, verdict=verdict_of(log.readings, low=LOW, high=HIGH).pack())


def test_check_report__another_loggers_file__is_found_out() -> None:
    log = Log.of(LOGGER, readings(500, 500))
    verdict = verdict_of(log.readings, low=LOW, high=HIGH)

    with pytest.raises(WrongReport, match="logger"):
        check_report(log, logger="0x" + "22" * 20, root=log.root, verdict=verdict.pack())
