"""Who may commission a batch, and what it then is."""

from dataclasses import replace
from typing import Any

import pytest
from batches_depot import CASE_BITS, COPYCAT, DAY, MAKER, PALLET_BITS, Depot, Goods, Node, Place, digest, error
from pack_tree import BATCH, Tree, pack
from signature_cases import Event

OTHER = Tree({index: pack(f"of another batch, {index}") for index in range(4)})
FIELDS = ("root", "product", "lot", "tag", "key", "manifest", "expiry", "pallet", "case")


def terms(depot: Depot, **changes: Any) -> tuple[Any, ...]:
    """What another batch is commissioned with, some of it changed."""
    goods = replace(depot.goods, tree=OTHER)
    values = dict(zip(FIELDS, goods.terms, strict=True)) | changes
    return tuple(values.values())


def refusal(depot: Depot, who: str = "maker", **changes: Any) -> Any:
    return depot.refused(who, "Batches", "commission", terms(depot, **changes))


def test_commission__tells_everything_and_its_maker_holds_it(depot: Depot) -> None:
    # given
    goods = replace(depot.goods, tree=OTHER)

    # when a member of the maker's staff commissions it
    told = depot.send("packer", "Batches", "commission", goods.terms)

    # then
    arguments = {
        "batch": goods.id,
        "maker": MAKER,
        "tag": digest("tag"),
        "keyNumber": 1,
        "root": OTHER.root,
        "product": digest("product"),
        "lot": digest("lot"),
        "manifest": digest("manifest"),
        "expiry": goods.expiry,
        "palletBits": PALLET_BITS,
        "caseBits": CASE_BITS,
    }
    assert told == [Event("Commissioned", arguments)]
    assert depot.ask("batchOf", goods.id) == (MAKER, goods.expiry, PALLET_BITS, CASE_BITS)
    assert depot.ask("idOf", MAKER, OTHER.root) == goods.id
    other = replace(depot, goods=goods)
    assert other.node(BATCH) == Node(holder=MAKER, giver=MAKER)
    assert other.place(BATCH) == Place(MAKER, MAKER)


def test_commission__unknown_batch_is_nobodys(depot: Depot) -> None:
    assert depot.ask("batchOf", digest("no batch")) == (0, 0, 0, 0)


@pytest.mark.parametrize("who", ["wholesaler", "pharmacy", "agency", "hospital", "clerk", "stranger"])
def test_commission__by_no_maker(depot: Depot, who: str) -> None:
    assert refusal(depot, who, root=bytes(32)) == error("NoStanding", account=depot.address(who))


@pytest.mark.parametrize("field", ["root", "product", "lot", "tag", "manifest"])
def test_commission__with_an_empty_field(depot: Depot, field: str) -> None:
    assert refusal(depot, **{field: bytes(32)}, pallet=21) == error("EmptyCommission")


@pytest.mark.parametrize(("pallet", "case"), [(21, 0), (21, 21), (3, 4), (0, 1), (255, 255), (19, 20)])
def test_commission__with_sizes_that_do_not_fit(depot: Depot, pallet: int, case: int) -> None:
    refused = refusal(depot, pallet=pallet, case=case, expiry=0)

    assert refused == error("WrongSizes", palletBits=pallet, caseBits=case)


@pytest.mark.parametrize(("pallet", "case"), [(0, 0), (20, 0), (20, 20), (12, 12), (1, 0)])
def test_commission__with_sizes_at_the_edges(depot: Depot, pallet: int, case: int) -> None:
    assert refusal(depot, pallet=pallet, case=case) is None


def test_commission__with_an_expiry_that_is_none(depot: Depot) -> None:
    # given the midnight that began this day, one that is none, and the first that does not fit
    today, never = depot.midnight(0), 2**16 * DAY

    for expiry in (0, today, today + DAY + 1, never, 2**40 - 1):
        assert refusal(depot, expiry=expiry, key=9) == error("WrongExpiry", expiry=expiry)


def test_commission__with_the_first_and_the_last_expiry(depot: Depot) -> None:
    assert refusal(depot, expiry=depot.midnight(1)) is None
    assert refusal(depot, expiry=(2**16 - 1) * DAY) is None


@pytest.mark.parametrize("number", [0, 2])
def test_commission__with_a_tag_by_another_key(depot: Depot, number: int) -> None:
    assert refusal(depot, key=number) == error("WrongKey", keyNumber=number, current=1)


def test_commission__twice(depot: Depot) -> None:
    # given the depot's batch, and other terms for the same tree
    again = terms(depot, root=depot.goods.tree.root, pallet=20)

    # when
    refused = depot.refused("maker", "Batches", "commission", again)

    # then
    assert refused == error("AlreadyCommissioned", batch=depot.batch)


def test_commission__of_anothers_root__is_another_batch(depot: Depot) -> None:
    # given the copycat, which has read the root of the maker's batch
    copied = Goods("copycat", depot.goods.tree, 20, 0, depot.goods.expiry)

    # when
    depot.commission(copied)

    # then it stands under its own name, and the maker's is as it was
    assert copied.id != depot.batch
    assert depot.ask("batchOf", copied.id)[0] == COPYCAT
    assert depot.ask("batchOf", depot.batch) == (MAKER, depot.goods.expiry, PALLET_BITS, CASE_BITS)
