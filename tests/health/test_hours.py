"""Who holds a few nodes opens exactly the hours under them."""

import calendar
import hashlib
import hmac
import json
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from theriac.crypto.recipients import HybridIdentity
from theriac.errors import BadHour, BadNodes
from theriac.health.hours import (
    DEPTH,
    EPOCH,
    HOURS,
    REFERRAL_WEEKS,
    Node,
    Nodes,
    cover,
    hour_at,
    hour_of_seconds,
    identity_of,
    midnight_after,
    mondays_after,
    root,
    seconds_of,
    time_of,
)

VECTORS = Path(__file__).parents[2] / "docs" / "protocol" / "vectors" / "hours.json"
SEED = bytes(range(32))

calm = settings(deadline=None, derandomize=True, max_examples=60)

# Edges of the tree and of its large branches are where a cover goes wrong.
EDGES = st.integers(0, HOURS) | st.sampled_from([0, 1, HOURS // 2 - 1, HOURS // 2, HOURS // 2 + 1, HOURS - 1, HOURS])


def mac(key: bytes, message: bytes) -> bytes:
    """HMAC-SHA256 as RFC 2104 writes it down."""
    padded = key.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(each ^ 0x36 for each in padded) + message).digest()
    return hashlib.sha256(bytes(each ^ 0x5C for each in padded) + inner).digest()


def leaf_of(seed: bytes, hour: int) -> bytes:
    """The leaf by the bits of its hour, the highest first."""
    key = seed
    for bit in format(hour, "020b"):
        key = hmac.digest(key, bytes([int(bit)]), "sha256")
    return key


@calm
@given(EDGES, EDGES, EDGES)
def test_cover__of_a_window__gives_a_leaf_in_it_and_none_outside(since: int, end: int, hour: int) -> None:
    nodes = Nodes(cover(SEED, since=since, end=end))

    for near in filter(range(HOURS).__contains__, {hour, since - 1, since, end - 1, end}):
        inside = since <= near < end
        assert nodes.leaf(near) == (leaf_of(SEED, near) if inside else None)
        assert nodes.covers(near) == inside


@calm
@given(EDGES, EDGES)
def test_cover__is_disjoint_and_at_most_38_nodes(since: int, end: int) -> None:
    nodes = cover(SEED, since=since, end=end)

    assert len(nodes) <= 38
    assert sum(len(node.hours) for node in nodes) == max(0, end - since)


def test_cover__of_the_worst_window__is_38_nodes() -> None:
    assert len(cover(SEED, since=1, end=HOURS - 1)) == 38


@pytest.mark.parametrize(
    ("since", "end", "outside"),
    [(-1, 5, -1), (0, HOURS + 1, HOURS + 1), (HOURS, -7, -7), (HOURS + 1, 3, HOURS + 1), (-1, HOURS + 9, -1)],
)
def test_cover__outside_of_the_tree__names_the_first_hour_that_is(since: int, end: int, outside: int) -> None:
    with pytest.raises(BadHour) as refused:
        cover(SEED, since=since, end=end)

    assert refused.value.hour == outside


@calm
@given(st.integers(0, HOURS - 1), st.integers(0, DEPTH))
def test_node__of_a_sibling__says_nothing_of_an_hour(hour: int, depth: int) -> None:
    above = next(node for node in cover(SEED, since=hour, end=hour + 1))
    other = hour ^ 1
    sibling = next(node for node in cover(SEED, since=other, end=other + 1))

    with pytest.raises(BadHour) as refused:
        sibling.leaf(hour)
    assert refused.value.hour == hour
    assert sibling.key != above.key
    width = 1 << (DEPTH - depth)
    aside = (hour // width ^ 1) * width
    if aside < HOURS:
        nodes = Nodes(cover(SEED, since=aside, end=aside + width))
        assert nodes.leaf(hour) is None
        assert nodes.identity(hour) is None


def test_node__outside_of_the_tree__is_refused() -> None:
    for depth, index, key in [(21, 0, SEED), (-1, 0, SEED), (2, 4, SEED), (2, -1, SEED), (2, 1, SEED[:-1])]:
        with pytest.raises(BadNodes) as refused:
            Node(depth=depth, index=index, key=key)
        assert refused.value.fault == "a node lies outside of the tree"


@pytest.mark.parametrize("values", [[[1]], [["a", 0, "00"]], [[0, 0, "zz"]], [None], 7])
def test_nodes_of__what_are_no_nodes__is_refused_with_what_is_wrong_of_them(values: object) -> None:
    with pytest.raises(BadNodes) as refused:
        Nodes.of(values)  # type: ignore[arg-type]

    assert re.search(r"\w \w", refused.value.fault)


@calm
@given(st.lists(st.tuples(EDGES, EDGES), max_size=3))
def test_nodes_of__their_values__are_the_same(windows: list[tuple[int, int]]) -> None:
    nodes = Nodes.covering(SEED, windows)

    assert Nodes.of(json.loads(json.dumps(nodes.values()))) == nodes


@calm
@given(EDGES, EDGES, EDGES, EDGES)
def test_clipped__is_the_cover_of_what_both_windows_have(since: int, end: int, later: int, sooner: int) -> None:
    nodes = Nodes(cover(SEED, since=since, end=end))

    clipped = nodes.clipped(since=later, end=sooner)

    assert clipped == Nodes(cover(SEED, since=max(since, later), end=max(since, later, min(end, sooner))))


def test_clipped__of_a_reader_of_two_windows__clips_each() -> None:
    nodes = Nodes.covering(SEED, [(3, 12), (20, 40)])

    assert nodes.clipped(since=10, end=24) == Nodes.covering(SEED, [(10, 12), (20, 24)])


def test_node__shown__hides_its_key() -> None:
    assert SEED.hex() not in repr(root(SEED))
    assert repr(SEED)[2:20] not in repr(Nodes((root(SEED),)))


@calm
@given(st.integers(0, HOURS - 1))
def test_hour_at__any_moment_of_an_hour__is_that_hour(hour: int) -> None:
    begin = EPOCH + timedelta(hours=hour)

    assert hour_at(begin) == hour
    assert hour_at(begin + timedelta(hours=1, microseconds=-1)) == hour
    assert hour_at(begin.astimezone(timezone(timedelta(hours=5, minutes=30)))) == hour
    assert time_of(hour) == begin
    assert hour_of_seconds(seconds_of(hour) + 3599) == hour


def test_hour_at__outside_of_the_tree__is_refused() -> None:
    assert time_of(HOURS) == EPOCH + timedelta(hours=HOURS)
    for time, hour in ((EPOCH - timedelta(microseconds=1), -1), (EPOCH + timedelta(hours=HOURS), HOURS)):
        with pytest.raises(BadHour) as refused:
            hour_at(time)
        assert refused.value.hour == hour
    begin = int(EPOCH.timestamp())
    assert hour_of_seconds(begin) == 0
    for second in (begin - 1, begin + 3600 * HOURS, 253_402_300_800, (1 << 40) - 1):
        with pytest.raises(BadHour):
            hour_of_seconds(second)


def test_hour_at__counts_from_the_first_hour_of_2020() -> None:
    begin = calendar.timegm((2020, 1, 1, 0, 0, 0))

    assert (hour_of_seconds(begin), seconds_of(0)) == (0, begin)
    assert hour_at(datetime(2020, 2, 29, 5, 59, tzinfo=UTC)) == (31 + 28) * 24 + 5
    assert seconds_of(HOURS) == begin + HOURS * 3600


def test_midnight_after__is_the_next_utc_day() -> None:
    hour = hour_at(datetime(2026, 5, 1, 23, 30, tzinfo=UTC))

    assert time_of(midnight_after(hour)) == datetime(2026, 5, 2, tzinfo=UTC)
    assert midnight_after(midnight_after(hour)) == midnight_after(hour) + 24


@calm
@given(st.integers(0, HOURS - 1 - 6 * 7 * 24))
@example(5 * 24 - 1)
@example(5 * 24)
@example(5 * 24 + 1)
def test_mondays_after__are_the_next_five_of_the_calendar(hour: int) -> None:
    following = (time_of(later) for later in range(hour + 1, hour + 6 * 7 * 24))

    mondays = [hour_at(time) for time in following if (time.weekday(), time.hour) == (calendar.MONDAY, 0)]

    assert REFERRAL_WEEKS == 5
    assert mondays_after(hour) == tuple(mondays[:5])


def test_identity_of__different_leaves__differ_and_are_derived_by_hkdf() -> None:
    # HKDF-SHA256 (RFC 5869) of one block, by hand: extract with an empty salt, expand with the info and a counter.
    leaf = root(SEED).leaf(7)
    derived = mac(mac(bytes(32), leaf), b"theriac/v1/interval\x01")

    assert identity_of(leaf).recipient == HybridIdentity.from_seed(derived).recipient
    assert identity_of(leaf).recipient != identity_of(root(SEED).leaf(8)).recipient
    assert Nodes(cover(SEED, since=4, end=9)).identity(7) == identity_of(leaf)


def test_hmac_by_hand__is_the_librarys() -> None:
    assert mac(SEED, b"x") == hmac.digest(SEED, b"x", "sha256")


def test_vectors__computed_by_hand__are_what_the_tree_gives() -> None:
    vectors = json.loads(VECTORS.read_text())

    for each in vectors["leaves"]:
        seed = bytes.fromhex(each["seed"])
        assert each["leaf"] == leaf_of(seed, each["hour"]).hex() == root(seed).leaf(each["hour"]).hex()
    for each in vectors["covers"]:
        seed = bytes.fromhex(each["seed"])
        assert each["nodes"] == [[depth, index, node_of(seed, depth, index).hex()] for depth, index, _ in each["nodes"]]
        assert Nodes(cover(seed, since=each["since"], end=each["end"])) == Nodes.of(each["nodes"])


def node_of(seed: bytes, depth: int, index: int) -> bytes:
    key = seed
    for bit in format(index, f"0{depth}b") if depth else "":
        key = mac(key, bytes([int(bit)]))
    return key
