"""The section of gas: that it says what the table says, and tells curves as they are."""

import json

from floors import Compared, Effects, Sent
from gas_reach import FLOORED
from growth import Curve, Point

from benches import gas
from benches.figures import Curves
from benches.timing import Effort


def test_measure__as_little_as_there_is__says_what_the_table_says() -> None:
    # given
    table = json.loads(gas.TABLE.read_text(encoding="utf-8"))

    # when
    section = gas.measure(Effort.tiny())

    # then
    assert {figure.what: figure.value for figure in section.figures} == {words: table[words] for words in FLOORED[:2]}
    assert all(figure.exact and figure.share < 1 for figure in section.figures)


def test_along__the_lines_of_a_claim__stands_beside_as_many_claims_of_one() -> None:
    curve = Curve(gas.BY_LINES, "claim", "lines of the claim", (Point(1, 300, 200), Point(2, 360, 250)))

    figures = list(gas._along(curve))

    assert [(figure.value, figure.beside_value) for figure in figures] == [(300, 300), (360, 600)]


def test_along__grants__leaves_out_where_there_were_none_and_stands_beside_it() -> None:
    curve = Curve("grant/grants of a pseudonym", "grant", "grants", (Point(0, 300, 200), Point(50, 312, 200)))

    (figure,) = gas._along(curve)

    assert (figure.value, figure.beside_value) == (312, 300)


def test_curves__name_figures_that_there_are() -> None:
    # given
    points = (Point(0, 300, 200), Point(1, 300, 200), Point(50, 312, 200))
    keys = [*gas.OVER_GRANTS.values(), gas.BY_LINES]
    curves = {key: Curve(key, key.partition("/")[0], "so many", points) for key in keys}

    # when
    named = {key for chart in gas._curves(curves) for _, places in chart.curves for _, key in places}
    made = {figure.key for curve in curves.values() for figure in gas._along(curve)}

    # then
    assert named == made
    assert all(isinstance(chart, Curves) for chart in gas._curves(curves))


def test_flat__says_by_how_much_a_curve_grows() -> None:
    flat = Curve("a/b", "grant", "grants", (Point(0, 300, 200), Point(10, 312, 200)))
    steep = Curve("c/d", "claim", "lines", (Point(1, 300, 200), Point(11, 900, 800)))

    assert [row[-1] for row in gas._flat([flat, steep]).rows] == ["the same", "60 each"]


def test_summary__names_the_best_the_worst_and_the_middle() -> None:
    told = gas._summary({"grant": 1.04, "fill": 1.19, "letter": 1.01})

    assert told == (
        "Of 3 acts with a floor the best takes 1.010 times its gas (letter), the worst 1.190 times (fill), "
        "the middle 1.040."
    )


def test_bare__of_a_word_made_a_word_changed_and_an_event() -> None:
    # given: one slot from nothing and one changed, at the contract that was called, an event of another
    before = {"0x0a": {"0x01": "0x05"}}
    after = {"0x0a": {"0x01": "0x06", "0x02": "0x01"}}
    effects = Effects(before, after, (("0x0b", ("0x01", "0x02"), "0x" + "00" * 32),))

    # when
    sent = Sent(gas=100_000, data=bytes([0, 1]), to="0x0a", answer="0x", effects=effects)

    # then: the price list of Cancun, by hand
    bytes_of_data, made, changed = 21_000 + 4 + 16, 22_100, 5_000
    told, called = 375 + 2 * 375 + 8 * 32, 2_600
    assert sent.bare == bytes_of_data + made + changed + told + called


def test_bare__of_an_emptied_word__has_a_part_given_back() -> None:
    effects = Effects({"0x0a": {"0x01": "0x05"}}, {}, ())

    sent = Sent(gas=100_000, data=b"", to="0x0a", answer="0x", effects=effects)

    assert sent.bare == 21_000 + 5_000 - 4_800


def test_compared__one_of_many__is_rounded_up() -> None:
    sent = Sent(gas=2_501, data=b"", to="0x0a", answer="0x", effects=Effects({}, {}, ()))

    assert Compared("join, each of 100", [sent]).gas == 26
    assert Compared("grant", [sent]).gas == 2_501
