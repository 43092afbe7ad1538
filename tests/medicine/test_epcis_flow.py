"""A recalled raw lot lists its packs: through chains, circles, containers and lots, and never one too few."""

import json
from datetime import timedelta

from epcis_world import CASE, NOON, PACKS, PALLET, POWDER, SUBSTANCE, TABLET
from hypothesis import given, settings
from hypothesis import strategies as st

from theriac.medicine.epcis import (
    Commissioning,
    ErrorDeclaration,
    Packing,
    Reason,
    Step,
    Transformation,
    Unpacking,
    document,
    packs,
)
from theriac.medicine.epcis_flow import Affected, packs_of_raw_lot
from theriac.medicine.epcis_names import Container, Lot

RAW = Lot(gtin=SUBSTANCE, lot="RAW-7")
OTHER = Lot(gtin=SUBSTANCE, lot="RAW-8")
BULK = Lot(gtin=POWDER, lot="BULK-1")
PRESSED = Lot(gtin=TABLET, lot="L-26A")


def told(*steps: Step | ErrorDeclaration) -> bytes:
    return json.dumps(document(steps, created=NOON)).encode()


def made(*inputs: Lot, into: Lot, minutes: int = 0) -> Transformation:
    return Transformation(time=NOON + timedelta(minutes=minutes), input_lots=inputs, lots=(into,))


# -- ways -------------------------------------------------------------------------------------------------------------


def test_packs_of_raw_lot__straight_into_packs() -> None:
    pressing = Transformation(time=NOON, input_lots=(RAW, OTHER), items=PACKS, lot="L-26A")

    assert packs_of_raw_lot([told(pressing)], RAW) == Affected(frozenset(PACKS), frozenset({PRESSED}))


def test_packs_of_raw_lot__through_lots_and_their_commissioning() -> None:
    # given: substance to powder, powder to tablets, and the packs named by their lot alone, in three documents
    documents = [
        told(Commissioning(time=NOON, items=PACKS, lot="L-26A")),
        told(made(BULK, into=PRESSED)),
        told(made(RAW, into=BULK)),
    ]

    assert packs_of_raw_lot(documents, RAW) == Affected(frozenset(PACKS), frozenset({BULK, PRESSED}))


def test_packs_of_raw_lot__another_lot_of_the_same_product() -> None:
    others = Commissioning(time=NOON, items=packs(TABLET, ["Z"]), lot="L-26B")

    found = packs_of_raw_lot([told(made(RAW, into=PRESSED), others)], RAW)

    assert found == Affected(frozenset(), frozenset({PRESSED}))


def test_packs_of_raw_lot__a_lot_nobody_used() -> None:
    assert packs_of_raw_lot([told(made(RAW, into=BULK))], OTHER) == Affected(frozenset(), frozenset())


def test_packs_of_raw_lot__an_amount_does_not_matter() -> None:
    documents = [told(Transformation(time=NOON, input_lots=(RAW,), items=PACKS))]

    assert packs_of_raw_lot(documents, Lot(gtin=SUBSTANCE, lot="RAW-7")).packs == frozenset(PACKS)


def test_packs_of_raw_lot__two_halves_of_one_run() -> None:
    documents = [
        told(Transformation(time=NOON, items=PACKS, run="urn:run:1")),
        told(Transformation(time=NOON, input_lots=(RAW,), run="urn:run:1")),
        told(Transformation(time=NOON, items=packs(TABLET, ["Z"]), run="urn:run:2")),
    ]

    assert packs_of_raw_lot(documents, RAW).packs == frozenset(PACKS)


def test_packs_of_raw_lot__in_a_drum_on_a_pallet() -> None:
    # given: the raw lot is packed into a drum, the drum onto a pallet, and only the pallet is named as what goes in
    steps = [
        Packing(time=NOON, container=Container(CASE), lots=(RAW,)),
        Packing(time=NOON, container=Container(PALLET), items=(Container(CASE),)),
        Transformation(time=NOON, input_items=(Container(PALLET),), items=PACKS),
    ]

    assert packs_of_raw_lot([told(*steps)], RAW).packs == frozenset(PACKS)


def test_packs_of_raw_lot__out_into_a_case() -> None:
    steps = [
        Transformation(time=NOON, input_lots=(RAW,), items=(Container(CASE),)),
        Packing(time=NOON, container=Container(CASE), items=PACKS),
    ]

    assert packs_of_raw_lot([told(*steps)], RAW).packs == frozenset(PACKS)


def test_packs_of_raw_lot__neighbours_in_a_case_are_not_recalled() -> None:
    neighbour = packs(TABLET, ["NEXT"])
    steps = [
        Transformation(time=NOON, input_lots=(RAW,), items=PACKS),
        Packing(time=NOON, container=Container(CASE), items=PACKS + neighbour),
        Unpacking(time=NOON, container=Container(CASE)),
    ]

    assert packs_of_raw_lot([told(*steps)], RAW).packs == frozenset(PACKS)


def test_packs_of_raw_lot__packs_that_become_other_packs() -> None:
    kits = packs(POWDER, ["KIT"])
    steps = [
        Transformation(time=NOON, input_items=PACKS[:1], items=kits),
        Transformation(time=NOON, input_lots=(RAW,), items=PACKS),
    ]

    assert packs_of_raw_lot([told(*steps)], RAW).packs == frozenset(PACKS + kits)


def test_packs_of_raw_lot__an_input_of_unknown_lot_may_be_of_it() -> None:
    steps = [made(RAW, into=BULK), Transformation(time=NOON, input_lots=(Lot(gtin=POWDER),), items=PACKS)]

    assert packs_of_raw_lot([told(*steps)], RAW).packs == frozenset(PACKS)


def test_packs_of_raw_lot__an_output_of_unknown_lot_may_be_in_each() -> None:
    steps = [made(RAW, into=Lot(gtin=POWDER)), Transformation(time=NOON, input_lots=(BULK,), items=PACKS)]

    assert packs_of_raw_lot([told(*steps)], RAW).packs == frozenset(PACKS)


# -- circles, length, declarations ------------------------------------------------------------------------------------


def test_packs_of_raw_lot__a_circle() -> None:
    # given: a rest of the bulk goes back into the next bulk, and that into the first
    second = Lot(gtin=POWDER, lot="BULK-2")
    steps = [
        made(RAW, into=BULK),
        made(BULK, into=second),
        made(second, into=BULK, minutes=1),
        made(second, into=RAW),
        Transformation(time=NOON, input_lots=(second,), items=PACKS),
    ]

    assert packs_of_raw_lot([told(*steps)], RAW) == Affected(frozenset(PACKS), frozenset({BULK, second}))


def test_packs_of_raw_lot__a_container_in_itself_by_way_of_another() -> None:
    steps = [
        Packing(time=NOON, container=Container(CASE), items=(Container(PALLET),), lots=(RAW,)),
        Packing(time=NOON, container=Container(PALLET), items=(Container(CASE),)),
        Transformation(time=NOON, input_items=(Container(PALLET),), items=PACKS),
    ]

    assert packs_of_raw_lot([told(*steps)], RAW).packs == frozenset(PACKS)


def test_packs_of_raw_lot__a_chain_longer_than_the_stack() -> None:
    chain = [Lot(gtin=POWDER, lot=f"B{number}") for number in range(1200)]
    steps: list[Step] = [made(one, into=other) for one, other in zip([RAW, *chain], chain, strict=False)]
    steps.append(Transformation(time=NOON, input_lots=(chain[-1],), items=PACKS))

    found = packs_of_raw_lot([told(*steps)], RAW)

    assert found == Affected(frozenset(PACKS), frozenset(chain))


def test_packs_of_raw_lot__what_never_happened() -> None:
    pressing = Transformation(time=NOON, input_lots=(RAW,), items=PACKS)
    error = ErrorDeclaration(step=pressing, declared=NOON, reason=Reason.INCORRECT_DATA)

    assert packs_of_raw_lot([told(pressing, error)], RAW).packs == frozenset()


def test_packs_of_raw_lot__another_document_takes_no_pack_off() -> None:
    pressing = Transformation(time=NOON, input_lots=(RAW,), items=PACKS)
    error = ErrorDeclaration(step=pressing, declared=NOON, reason=Reason.INCORRECT_DATA)

    assert packs_of_raw_lot([told(pressing), told(error)], RAW).packs == frozenset(PACKS)


@settings(max_examples=40, deadline=None)
@given(
    edges=st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=20),
    ends=st.sets(st.integers(0, 7)),
)
def test_packs_of_raw_lot__as_a_plain_search_finds(edges: list[tuple[int, int]], ends: set[int]) -> None:
    # given: any transformations among eight lots, some of which become a pack
    names = [Lot(gtin=POWDER, lot=f"B{number}") for number in range(8)]
    steps: list[Step] = [made(names[one], into=names[other]) for one, other in edges]
    outputs = {end: packs(TABLET, [f"P{end}"]) for end in ends}
    steps += [Transformation(time=NOON, input_lots=(names[end],), items=output) for end, output in outputs.items()]

    found = packs_of_raw_lot([told(*steps)], names[0])

    reached = {0}
    for _ in names:
        reached |= {other for one, other in edges if one in reached}
    assert found.packs == {pack for end in ends & reached for pack in outputs[end]}
    assert found.lots == {names[number] for number in reached - {0}}
