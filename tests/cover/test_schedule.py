"""A schedule's numbers, tree and document; the contracts take its rows, another library makes the same roots."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from compiling import compile_if_changed
from eth_account.signers.local import LocalAccount
from eth_utils import keccak
from hypothesis import given
from hypothesis import strategies as st
from real_anvil import BOARD, Chain, Contracts, anvil, person
from web3.exceptions import ContractCustomError

from theriac.consortium import Role
from theriac.cover import policies, rules, schedule
from theriac.cover.messages import NONE, Claim, Enrol, Line
from theriac.cover.policies import Terms
from theriac.cover.rules import NO_LIMIT, Benefit, Decision, Item, Kind, Limits, Reason, Used
from theriac.cover.schedule import Schedule, Tree, bundle_id, leaf_of, parent_of, service_id
from theriac.crypto.recipients import HybridIdentity
from theriac.errors import BadSchedule, NoMatchingIdentity
from theriac.health import documents
from theriac.ledger.typed import Domain

ROOT = Path(__file__).parents[2]
SECRET = bytes(range(32))
DAY = 24 * 3600


def example() -> Schedule:
    return Schedule.of(policies.parse((ROOT / "examples" / "plan.yaml").read_bytes()), SECRET)


# -- numbers ---------------------------------------------------------------------------------------------------------


def test_service_id__is_the_hmac_of_system_and_code() -> None:
    # given: RFC 4231, test case 2
    key, text = b"Jefe", "what do ya want for nothing?"

    assert service_id(key, text).hex() == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"


def test_ids__another_year__are_all_others() -> None:
    # given
    this, next_ = example(), Schedule.of(policies.parse((ROOT / "examples" / "plan.yaml").read_bytes()), bytes(32))

    # when
    numbers = [{entry.benefit.service for entry in each.entries} for each in (this, next_)]
    bundles = [{entry.benefit.bundle for entry in each.entries} - {NONE} for each in (this, next_)]

    # then
    assert (len(numbers[0]), len(numbers[0] & numbers[1])) == (34, 0)
    assert (len(bundles[0]), len(bundles[0] & bundles[1])) == (1, 0)
    assert len(schedule.new_secret()) == 32
    assert schedule.new_secret() != schedule.new_secret()


def test_bundle_id__is_no_services_and_none_for_none() -> None:
    assert bundle_id(SECRET, "visit") != service_id(SECRET, "bundle|visit")
    assert bundle_id(SECRET, "") == NONE


# -- the tree --------------------------------------------------------------------------------------------------------


def test_tree__the_rows_of_another_library__has_its_roots_and_proofs() -> None:
    for told in json.loads((ROOT / "tests" / "vectors" / "schedule" / "expected.json").read_bytes())["trees"]:
        # given
        rows = [benefit(*row) for row in told["rows"]]

        # when
        tree = Tree.of(leaf_of(row) for row in rows)

        # then
        assert "0x" + tree.root.hex() == told["root"]
        proofs = [["0x" + node.hex() for node in tree.proof(leaf_of(row))] for row in rows]
        assert proofs == told["proofs"]


def benefit(service: str, bundle: str, kind: int, price: str, copay: str, *rest: Any) -> Benefit:
    words = (bytes.fromhex(word[2:]) for word in (service, bundle))
    return Benefit(*words, Kind(kind), int(price), int(copay), *rest)


@given(st.sets(st.binary(min_size=32, max_size=32), min_size=1, max_size=70))
def test_tree__every_leaf__is_shown_by_its_proof(leaves: set[bytes]) -> None:
    tree = Tree.of(leaves)

    for leaf in leaves:
        node = leaf
        for beside in tree.proof(leaf):
            node = parent_of(node, beside)
        assert node == tree.root


def test_leaf__is_the_hash_of_the_hash_of_thirteen_words() -> None:
    # given
    row = Benefit(b"\1" * 32, b"\2" * 32, Kind.EXCLUDED, 3, 4, 5, True, False, True, 6, 7, 8, 9)

    # when
    words = b"\1" * 32 + b"\2" * 32 + b"".join(n.to_bytes(32, "big") for n in (2, 3, 4, 5, 1, 0, 1, 6, 7, 8, 9))

    # then
    assert leaf_of(row) == keccak(keccak(words))


# -- the document ----------------------------------------------------------------------------------------------------


def test_document__read_again__is_the_same_schedule() -> None:
    # given
    told = example()

    # when
    read = Schedule.decode(told.encode(), root=told.root)

    # then
    assert read == told
    visit = read.find("http://snomed.info/sct", "185345009")
    assert visit is not None
    assert read.entry(visit.benefit.service) == visit
    assert visit.benefit == Benefit(
        service=service_id(SECRET, "http://snomed.info/sct|185345009"),
        bundle=bundle_id(SECRET, "visit"),
        price=90_000_000,
        copay=10_000_000,
        coinsurance=1000,
        deductible=True,
    )
    assert read.find("http://snomed.info/sct", "1") is None
    assert read.entry(bytes(32)) is None


def test_document__is_canonical_with_kind_and_format() -> None:
    told = json.loads(example().encode())

    assert (told["kind"], told["format"], told["year"], told["currency"]) == ("schedule", 1, 2031, "EUR")
    assert set(told["services"][0]) == {
        *("service", "system", "code", "display", "level", "category", "goods", "kind", "price", "copay"),
        *("coinsurance", "deductible", "authorization", "review", "waiting_days", "most_units", "yearly_units"),
        *("bundle", "grade"),
    }


def test_document__sealed__opens_for_whom_it_is_and_nobody_else() -> None:
    # given
    enrolled, stranger = HybridIdentity.generate(), HybridIdentity.generate()
    sealed = documents.seal(example().encode(), to=enrolled.recipient)

    # then
    assert Schedule.decode(documents.open_(sealed, identities=[enrolled])) == example()
    with pytest.raises(NoMatchingIdentity):
        documents.open_(sealed, identities=[stranger])


CHANGES = {
    "a price": ('"price":90000000', '"price":90000001', "its root is another than the plan's terms name"),
    "a code": ('"185345009"', '"185345008"', "it is not written as such a document is"),
    "the secret": ('"secret":"00', '"secret":"01', "it is not written as such a document is"),
    "a flag": ('"deductible":true', '"deductible":1', "it is not written as such a document is"),
    "a level": ('"level":"V"', '"level":"X"', "it is not written as such a document is"),
    "a number of units": ('"yearly_units":40', '"yearly_units":65536', "it is not written as such a document is"),
    "a negative price": ('"price":90000000', '"price":-1', "it is not written as such a document is"),
    "a space": ("{", "{ ", "it is not in canonical form (RFC 8785)"),
    "its kind": ('"kind":"schedule"', '"kind":"shelf"', "it is a document of another kind"),
    "its format": ('"format":1', '"format":2', "its format is 2, and only 1 is known"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_document__changed__is_refused(change: str) -> None:
    # given
    before, after, fault = CHANGES[change]
    told = example()
    data = told.encode().decode()
    assert before in data

    # then
    with pytest.raises(BadSchedule) as refused:
        Schedule.decode(data.replace(before, after, 1).encode(), root=told.root)
    assert refused.value.fault == fault


def test_document__services_in_another_order__is_refused() -> None:
    told = example()
    turned = replace(told, entries=told.entries[::-1])

    with pytest.raises(BadSchedule):
        Schedule.decode(turned.encode())


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"null", b'{"format":1,"kind":"schedule"}', b"\xff"])
def test_document__something_else__is_refused(data: bytes) -> None:
    with pytest.raises(BadSchedule):
        Schedule.decode(data)


# -- on the chain ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chain() -> Iterator[Chain]:
    compile_if_changed()
    with anvil(hardfork="cancun") as chain:
        yield chain


@pytest.fixture(scope="module")
def contracts(chain: Chain) -> Contracts:
    """With an insurer, member 1, and an arbiter, member 2."""
    contracts = Contracts.deploy(chain)
    expiry = (chain.now() // DAY + 365) * DAY
    for account, role in ((INSURER, Role.INSURER), (ARBITER, Role.AUDITOR)):
        chain.send(BOARD, contracts.consortium.functions.admit(account.address, int(role), 3, expiry))
    return contracts


INSURER, ARBITER, PATIENT = person("insurer"), person("arbiter"), person("patient")


def test_publish__the_example__is_the_plan_that_the_terms_say(chain: Chain, contracts: Contracts) -> None:
    with chain.undone():
        # given
        terms = terms_of(chain, contracts, premium=True)
        publish = contracts.policies.functions.publish(terms.as_tuple())

        # when
        chain.send(INSURER, publish)

        # then
        assert contracts.policies.functions.idOf(terms.as_tuple()).call() == terms.id
        assert contracts.policies.functions.planOf(terms.id).call() == terms.as_tuple()


def test_quote__rows_of_the_schedule__are_taken(chain: Chain, contracts: Contracts) -> None:
    with chain.undone():
        # given a patient who is enrolled, and a claim of every service that is no goods, each on a day of its own
        told = example()
        plan = enrolled(chain, contracts)
        services = [entry.benefit.service for entry in told.entries if not entry.service.goods]
        lines = [Line(service, 100 + day, 1, 10**9) for day, service in enumerate(services)]
        claim = claim_of(plan, lines)

        # when
        rows = [told.row(line.service) for line in lines]
        items, decision, _ = contracts.benefits.functions.quote(claim.terms(), rows, query()).call()

        # then the contract knows the rows, and decides as the reference does
        read = [item_of(*each) for each in items]
        assert [each.benefit for each in read] == [told.entry(service).benefit for service in services]
        assert Decision.of(decision) == rules.decide(limits(), Used(), Used(), read)
        assert len(lines) == 29


def test_quote__a_row_that_is_not_in_the_schedule__reverts(chain: Chain, contracts: Contracts) -> None:
    with chain.undone():
        # given
        told = example()
        plan = enrolled(chain, contracts)
        first, second = (entry.benefit.service for entry in told.entries[:2])
        row, proof = told.row(first)
        claim = claim_of(plan, [Line(first, 100, 1, 10**9)])
        dearer = (*row[:3], row[3] + 1, *row[4:])
        wrong = [[(dearer, proof)], [(row, proof[:-1])], [(row, told.row(second)[1])], [told.row(second)]]

        # then
        for rows in wrong:
            with pytest.raises(ContractCustomError) as reverted:
                contracts.benefits.functions.quote(claim.terms(), rows, query()).call()
            assert first.hex() in str(reverted.value)


def terms_of(chain: Chain, contracts: Contracts, *, premium: bool) -> Terms:
    plan = policies.parse((ROOT / "examples" / "plan.yaml").read_bytes())
    return Terms.of(
        plan if premium else replace(plan, premium=0, premium_days=0),
        schedule=example().root,
        document=keccak(text="the plan"),
        insurer=1,
        arbiter=2,
        token=chain.deploy("Coin", 6).address,
        adjudicator=contracts.claims.address,
        appeals=contracts.appeals.address,
    )


def enrolled(chain: Chain, contracts: Contracts) -> bytes:
    """The example without its premium, published, with the patient enrolled from day 50 on."""
    terms = terms_of(chain, contracts, premium=False)
    chain.send(INSURER, contracts.policies.functions.publish(terms.as_tuple()))
    soon = chain.now() + 3600
    enrol = Enrol(PATIENT.address, terms.id, 0, 50, 400, soon + 300 * DAY, 0, INSURER.address, 0, soon)
    signed = signature(INSURER, enrol, contracts)
    chain.send(PATIENT, contracts.policies.functions.enrol(tuple(enrol.values().values()), signed))
    return terms.id


def signature(account: LocalAccount, message: Enrol, contracts: Contracts) -> bytes:
    return bytes(account.sign_message(message.signable(Domain.of(contracts.policies))).signature)


def claim_of(plan: bytes, lines: list[Line]) -> Claim:
    return Claim(PATIENT.address, plan, 2, keccak(text="encounter"), NONE, lines, bytes(32), 0, 2**40 - 1)


def query() -> tuple[Any, ...]:
    return (bytes(32), 2**34, False, False, False, NO_LIMIT, 2**255)


def limits() -> Limits:
    return policies.parse((ROOT / "examples" / "plan.yaml").read_bytes()).limits


def item_of(row: tuple[Any, ...], *facts: Any) -> Item:
    service, bundle, kind, *rest = row
    *plain, found, waived = facts
    return Item(Benefit(service, bundle, Kind(kind), *rest), *plain, Reason(found), Reason(waived))
