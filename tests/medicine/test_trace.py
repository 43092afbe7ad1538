"""A pack's way: what touched it and what did not, and who held it when."""

import io
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from trace_world import MAKER, OTHER, PHARMACY, REGULATOR, WHOLESALER, History, time_of

from theriac.errors import NoSuchPlace, NotOnTheShelf
from theriac.medicine.drawing import drawing_of
from theriac.medicine.state import Block, End, PackStatus
from theriac.medicine.trace import Act, Trace, standing_of, trace
from theriac.medicine.tree import BATCH, CAPACITY, Shape

SHAPE = Shape(6, 3)
PACK, NEIGHBOUR, FAR = 0x12340, 0x12341, 0x80000
"""A pack, another of its case, and one of another pallet."""


def case_of(index: int) -> int:
    return (CAPACITY | index) >> SHAPE.case_bits


def acts(found: Trace) -> list[Act]:
    return [step.act for step in found.steps]


def traced(history: History, index: int = PACK) -> Trace:
    return trace(history.events, index, time_of=time_of)


@pytest.fixture
def history() -> History:
    """A batch that the wholesaler took over from its maker."""
    found = History(SHAPE)
    assert found.offer(BATCH, WHOLESALER)
    assert found.accept(BATCH, [])
    return found


def test_trace__names_times_members_and_places(history: History) -> None:
    assert history.offer(case_of(PACK), PHARMACY)
    assert history.accept(case_of(PACK), [])
    assert history.dispense(PACK)

    found = traced(history)

    assert [(step.act, step.by, step.to, step.holder) for step in found.steps] == [
        (Act.COMMISSIONED, MAKER, 0, MAKER),
        (Act.OFFERED, MAKER, WHOLESALER, MAKER),
        (Act.HANDED_OVER, MAKER, WHOLESALER, WHOLESALER),
        (Act.OFFERED, WHOLESALER, PHARMACY, WHOLESALER),
        (Act.HANDED_OVER, WHOLESALER, PHARMACY, PHARMACY),
        (Act.DISPENSED, PHARMACY, 0, PHARMACY),
    ]
    assert [step.at for step in found.steps] == [time_of(block) for block in range(6)]
    assert [found.place_name(step) for step in found.steps] == ["batch", "batch", "batch", "case", "case", "pack"]
    assert [step.transaction for step in found.steps] == [event.transaction for event in history.events]
    assert (found.holder, found.members) == (PHARMACY, [MAKER, WHOLESALER, PHARMACY])
    assert standing_of(found) == "dispensed"


def test_trace__passes_over_what_happens_to_other_packs(history: History) -> None:
    before = traced(history)
    assert history.offer(case_of(FAR), PHARMACY)
    assert history.accept(case_of(FAR), [])
    assert history.dispense(FAR)
    assert history.block(CAPACITY | NEIGHBOUR, Block.RECALL)
    assert history.end(NEIGHBOUR ^ 2, End.SAMPLED)

    assert traced(history) == before


def test_trace__a_pack_that_was_missing_stays_and_does_not_go_on_with_its_case(history: History) -> None:
    # given: a case that arrived without the pack, and is handed on
    case = case_of(PACK)
    assert history.offer(case, PHARMACY)
    assert history.accept(case, [CAPACITY | PACK])
    assert history.offer(case, OTHER)
    assert history.accept(case, [])

    # then
    missing = traced(history).steps[-1]
    assert (missing.act, missing.by, missing.holder, missing.node) == (
        Act.MISSING,
        PHARMACY,
        WHOLESALER,
        CAPACITY | PACK,
    )
    assert traced(history, NEIGHBOUR).holder == OTHER


def test_trace__a_case_that_was_missing_stays_with_all_its_packs(history: History) -> None:
    pallet = (CAPACITY | PACK) >> SHAPE.pallet_bits
    assert history.offer(pallet, PHARMACY)
    assert history.accept(pallet, [case_of(PACK)])

    assert acts(traced(history))[-2:] == [Act.OFFERED, Act.MISSING]
    assert traced(history).holder == WHOLESALER
    assert traced(history, PACK ^ 0x20).holder == PHARMACY


def test_trace__a_blocked_pack_does_not_go_with_its_case(history: History) -> None:
    assert history.block(CAPACITY | PACK, Block.BY_HOLDER)
    assert history.offer(case_of(PACK), PHARMACY)
    assert history.accept(case_of(PACK), [])

    found = traced(history)

    assert acts(found)[-1] is Act.BLOCKED
    assert found.holder == WHOLESALER
    assert standing_of(found) == "in stock, in quarantine of its holder"


def test_trace__an_opened_case_stays_when_its_pallet_goes(history: History) -> None:
    assert history.dispense(NEIGHBOUR)
    pallet = (CAPACITY | PACK) >> SHAPE.pallet_bits
    assert history.offer(pallet, PHARMACY)
    assert history.accept(pallet, [])

    assert traced(history).holder == WHOLESALER
    assert acts(traced(history))[-1] is Act.HANDED_OVER


def test_trace__masks_name_each_pack_they_hold(history: History) -> None:
    assert history.dispense_many([PACK, NEIGHBOUR])
    assert history.undo(NEIGHBOUR)

    assert acts(traced(history))[-1] is Act.DISPENSED
    assert acts(traced(history, NEIGHBOUR))[-2:] == [Act.DISPENSED, Act.UNDONE]
    assert Act.DISPENSED not in acts(traced(history, PACK ^ 2))


def test_trace__a_recall_of_the_batch_reaches_every_pack_whoever_holds_it(history: History) -> None:
    assert history.offer(case_of(PACK), PHARMACY)
    assert history.accept(case_of(PACK), [])
    assert history.block(BATCH, Block.RECALL)
    assert history.release(BATCH, Block.RECALL)

    recalled, lifted = traced(history).steps[-2:]

    assert (recalled.act, recalled.by, recalled.detail) == (Act.RECALLED, REGULATOR, "reason 7")
    assert (recalled.blocks, lifted.act, lifted.blocks) == (Block.RECALL, Act.RECALL_LIFTED, Block(0))


def test_trace__the_holders_word_about_a_case_is_none_about_a_pack_that_left_it(history: History) -> None:
    assert history.offer(CAPACITY | PACK, PHARMACY)
    assert history.accept(CAPACITY | PACK, [])
    assert history.block(case_of(PACK), Block.BY_HOLDER)

    assert acts(traced(history))[-1] is Act.HANDED_OVER


def test_trace__an_ended_pack_says_how(history: History) -> None:
    assert history.end(PACK, End.STOLEN)
    assert history.block(BATCH, Block.RECALL)

    assert standing_of(traced(history)) == "ended as stolen, recalled"


def test_trace__without_times_where_the_node_has_forgotten_the_block(history: History) -> None:
    found = trace(history.events, PACK, time_of=lambda block: None)

    assert [step.at for step in found.steps] == [None, None, None]


def test_trace__of_no_batch_is_refused() -> None:
    with pytest.raises(NotOnTheShelf):
        trace([], PACK, time_of=time_of)


def test_trace__beyond_the_tree_is_refused(history: History) -> None:
    with pytest.raises(NoSuchPlace):
        traced(history, CAPACITY)


# -- random lives ----------------------------------------------------------------------------------------------------

WATCHED = [0, 1, 7, 8, 9, 63, 64, 65, 512, CAPACITY - 1]
SHAPES = [Shape(6, 3), Shape(20, 0), Shape(3, 3), Shape(20, 3), Shape(6, 0), Shape(20, 20)]


def _nodes(shape: Shape) -> list[int]:
    return sorted({(CAPACITY | index) >> height for index in WATCHED for height in shape.heights})


@st.composite
def _lives(draw: st.DrawFn) -> History:
    history = History(draw(st.sampled_from(SHAPES)))
    nodes = _nodes(history.shape)
    node, index = st.sampled_from(nodes), st.sampled_from(WATCHED)
    member, block = st.integers(1, 4), st.sampled_from(list(Block))
    moves = ["offer", "offer", "accept", "accept", "withdraw", "reject"]
    acts = [*moves, "dispense", "dispense_many", "undo", "end", "block", "release"]
    for act in draw(st.lists(st.sampled_from(acts), min_size=4, max_size=24)):
        match act:
            case "offer":
                history.offer(draw(node), draw(member))
            case "accept":
                offered = [each for each in nodes if history.offered_itself(each)]
                if offered:
                    history.accept(draw(st.sampled_from(offered)), draw(st.lists(node, max_size=2, unique=True)))
            case "withdraw" | "reject":
                getattr(history, act)(draw(node))
            case "dispense" | "undo":
                getattr(history, act)(draw(index))
            case "dispense_many":
                history.dispense_many(draw(st.lists(index, min_size=1, max_size=4)))
            case "end":
                history.end(draw(index), draw(st.sampled_from(list(End))))
            case "block" | "release":
                getattr(history, act)(draw(node), draw(block))
    return history


@settings(max_examples=150, deadline=None)
@given(_lives())
def test_trace__ends_where_the_whole_batchs_state_has_the_pack(history: History) -> None:
    for index in WATCHED:
        last = traced(history, index).steps[-1]
        place = history.state.place(CAPACITY | index, now=0)
        assert (last.holder, last.status, last.blocks) == (place.holder, history.state.status(index), place.blocks)


@settings(max_examples=60, deadline=None)
@given(_lives())
def test_trace__says_at_every_time_who_held_the_pack(history: History) -> None:
    for index in WATCHED[:4]:
        for length in range(1, len(history.events) + 1):
            so_far = trace(history.events[:length], index, time_of=time_of)
            replayed = History(history.shape)
            for event in history.events[1:length]:
                replayed.state.apply(event.name, event.arguments)
            assert so_far.holder == replayed.state.place(CAPACITY | index, now=0).holder


@settings(max_examples=100, deadline=None)
@given(_lives())
def test_state__what_is_held_and_what_goes_along_is_what_single_places_say(history: History) -> None:
    state = history.state
    for node in _nodes(history.shape):
        below = [index for index in WATCHED if (CAPACITY | index) >> _height(node) == node]
        held, goes = state.held_by(WHOLESALER, node), state.goes_with(node)
        first = (node << _height(node)) - CAPACITY
        for index in below:
            pack = CAPACITY | index
            stock = state.status(index) is PackStatus.IN_STOCK
            assert bool(held[index - first]) == (stock and state.place(pack, now=0).holder == WHOLESALER)
            assert bool(goes[index - first]) == (stock and state.carrier(pack) <= node)


def _height(node: int) -> int:
    return 21 - node.bit_length()


# -- drawings --------------------------------------------------------------------------------------------------------


def test_drawing__has_a_line_a_member_and_a_mark_an_act(history: History) -> None:
    drawing = drawing_of(traced(history), title="A pack", name_of=lambda member: f"Member & <{member}>")

    root = ElementTree.fromstring(drawing.svg())
    texts = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]

    assert len(list(root.iter("{http://www.w3.org/2000/svg}circle"))) == 3
    assert [text for text in texts if text and text.startswith("Member")] == ["Member & <1>", "Member & <2>"]
    assert "Now: in stock, held by Member & <2>" in texts


def test_drawing__holds_nothing_that_xml_may_not(history: History) -> None:
    drawing = drawing_of(traced(history), title="a\x00b\x1b[31m", name_of=lambda member: "x" * 500 + "\ufffe")

    texts = [each.text or "" for each in ElementTree.fromstring(drawing.svg()).iter()]

    assert "a b [31m" in texts
    assert max(map(len, texts)) < 120


def test_drawing__as_png_is_as_large_as_it_says(history: History) -> None:
    drawing = drawing_of(traced(history), title="A pack", name_of=str)

    image = Image.open(io.BytesIO(drawing.png()))

    assert (image.format, image.size) == ("PNG", (drawing.width, drawing.height))
    assert len(image.convert("RGB").getcolors(1 << 20)) > 3
