"""Two scans of one serial: which are of one pack, which are not, and what a report of it proves."""

import json
import secrets
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from depot_town import order
from eth_account import Account
from spellings import other_spellings, written
from verify_stage import DISTRIBUTOR, MAKER, OTHER, PHARMACY, Stage, code, serving, stage

from theriac.errors import BadAnswer, BadScan, FalseReport, NoBlock, NotAClone
from theriac.ledger.signer import KeySigner
from theriac.medicine.clones import (
    GRACE,
    SKEW,
    TRAVEL,
    CloneKind,
    CloneReport,
    CloneWatch,
    PackWay,
    Promise,
    ScanBook,
    Stay,
    judge,
    proof_of,
    verify,
    way_of,
)
from theriac.medicine.scanner import Cause
from theriac.medicine.scans import Scan, SignedScan
from theriac.medicine.verification import Finding

NOON = datetime(2030, 1, 7, 12, 0, tzinfo=UTC)


# -- the rule, without a chain ---------------------------------------------------------------------------------------


def seen(member: int, hours: float, *, place: str = "counter") -> SignedScan:
    """A scan so many hours after noon."""
    scan = Scan("P", "L", "", "S", member, f"0x{member:040x}", place, NOON + timedelta(hours=hours), 1, bytes(32))
    return SignedScan(scan, bytes(65))


def way(
    *stays: tuple[int, float], promised: tuple[int, float, float] | None = None, gone: float | None = None
) -> PackWay:
    """Who holds the pack from which hour after noon on; when it was dispensed, by the last."""
    held = tuple(Stay(member, NOON + timedelta(hours=hours), 1) for member, hours in stays)
    promises = ()
    if promised is not None:
        to, since, until = promised
        promises = (Promise(to, NOON + timedelta(hours=since), NOON + timedelta(hours=until)),)
    dispensed = None if gone is None else Stay(stays[-1][0], NOON + timedelta(hours=gone), 2)
    return PackWay(1, held, promises, dispensed, 9)


HELD_BY_2 = way((1, -100), (2, -50))
GIVEN_TO_3 = way((1, -100), (2, -50), (3, 4))


@pytest.mark.parametrize(
    ("scans", "pack", "kind"),
    [
        ([seen(2, 0), seen(3, 5)], HELD_BY_2, CloneKind.TWO_MEMBERS),
        ([seen(3, 0), seen(4, 5)], HELD_BY_2, CloneKind.TWO_MEMBERS),
        ([seen(2, 0), seen(3, 5)], GIVEN_TO_3, None),
        ([seen(2, 0), seen(3, 3)], GIVEN_TO_3, None),
        ([seen(3, 3), seen(2, 0)], GIVEN_TO_3, None),
        ([seen(3, 0), seen(2, 3)], GIVEN_TO_3, CloneKind.TWO_MEMBERS),
        ([seen(2, 0), seen(4, 5)], GIVEN_TO_3, CloneKind.TWO_MEMBERS),
        ([seen(2, 5), seen(3, 6)], GIVEN_TO_3, CloneKind.TWO_MEMBERS),
        ([seen(2, 0), seen(3, -60)], way((1, -100), (2, -90), (3, 4)), CloneKind.TWO_MEMBERS),
        ([seen(2, 0), seen(3, 3)], way((2, -50), promised=(3, 1, 40)), None),
        ([seen(2, 0), seen(4, 3)], way((2, -50), promised=(3, 1, 40)), CloneKind.TWO_MEMBERS),
        ([seen(2, 0), seen(3, 50)], way((2, -50), promised=(3, 1, 40)), CloneKind.TWO_MEMBERS),
        ([seen(2, 0), seen(3, 1)], way((2, -50), (3, 60)), CloneKind.TWO_MEMBERS),
        ([seen(2, 0), seen(2, 5, place="hall")], HELD_BY_2, None),
        ([seen(2, 0), seen(2, 0.2, place="hall")], HELD_BY_2, CloneKind.TWO_PLACES),
        ([seen(2, 0), seen(2, 0.1)], HELD_BY_2, None),
        ([seen(2, 0), seen(2, 0.1, place="COUNTER")], HELD_BY_2, None),
        ([seen(2, 0), seen(3, 0.05)], way((3, -50), (2, 0.01)), None),
        ([seen(3, 0)], way((2, -50), gone=-1), CloneKind.AFTER_DISPENSE),
        ([seen(2, 0)], way((2, -50), gone=-1), None),
        ([seen(3, 0)], way((2, -50), gone=-0.05), None),
        ([seen(3, 0)], HELD_BY_2, None),
    ],
    ids=[
        "held-here-and-seen-there",
        "two-who-never-held-it",
        "handed-over",
        "scanned-before-it-was-accepted",
        "in-whatever-order",
        "against-the-way-of-the-handoff",
        "handed-to-somebody-else",
        "still-seen-after-it-was-handed-over",
        "seen-there-long-before",
        "offered-and-on-its-way",
        "offered-to-somebody-else",
        "after-the-offer-ended",
        "handed-over-too-late",
        "moved-inside-a-member",
        "faster-than-anyone-moves",
        "one-place",
        "one-place-in-capitals",
        "clocks-that-differ",
        "after-it-was-dispensed-elsewhere",
        "where-it-was-dispensed",
        "within-the-clocks-tolerance",
        "one-scan-alone",
    ],
)
def test_judge(scans: list[SignedScan], pack: PackWay, kind: CloneKind | None) -> None:
    assert judge(scans, pack) is kind


def test_judge__the_tolerances_are_those_that_are_stated() -> None:
    moved = way((2, -50), (3, GRACE.total_seconds() / 3600 + 1))

    assert (timedelta(minutes=5), timedelta(days=2), timedelta(minutes=15)) == (SKEW, GRACE, TRAVEL)
    assert [judge([seen(2, 0), seen(3, hours)], moved) for hours in (0.9, 1.1)] == [CloneKind.TWO_MEMBERS, None]


# -- on a chain ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("clones")) as found:
        # Everyone has been a member for a day.
        found.town.anvil.at(found.town.anvil.now() + 86_400)
        yield found


@pytest.fixture
def place(made: Stage) -> Stage:
    made.later = timedelta()
    made.told.clear()
    return made


def reported(place: Stage, number: int) -> CloneReport:
    """A serial that two pharmacies asked about, neither of which has it from the distributor that holds it."""
    verifier = place.verifier()
    assert verifier.answer(place.scan("pharmacy", code(number))).clone is None
    found = verifier.answer(place.scan("other pharmacy", code(number))).clone
    assert found is not None
    return found


def test_way__of_a_pack__is_that_of_what_carried_it(place: Stage) -> None:
    shelf = place.town["maker"].shelf
    [first], [other] = (shelf.find(order().product.code, f"SN{number:08d}") for number in (0, 50))

    ways = [way_of(place.town["maker"].chain, place.batch, each.index) for each in (first, other)]

    assert [[stay.member for stay in each.stays] for each in ways] == [
        [MAKER, DISTRIBUTOR, PHARMACY],
        [MAKER, DISTRIBUTOR],
    ]


def test_way__of_a_block_that_the_node_does_not_have_yet__can_be_asked_again(
    place: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: a node behind the one that was followed
    chain = place.town["maker"].chain
    monkeypatch.setattr(chain, "time_of", lambda block: None)

    # then: it is no verdict on anything, and a scanner goes on
    with pytest.raises(NoBlock):
        way_of(chain, place.batch, 0)


def test_verify__a_copied_serial_at_two_pharmacies__holds_for_anyone(place: Stage) -> None:
    # given
    report = reported(place, 20)

    # when: an authority reads the file
    authority = place.town["regulator"].chain
    authority.sync()
    checked = verify(CloneReport.decode(report.encode()), authority)

    # then
    assert (checked.kind, checked.by_maker) == (CloneKind.TWO_MEMBERS, True)
    assert [each.scan.member for each in checked.scans] == [PHARMACY, OTHER]
    assert [each.scan.place for each in checked.scans] == ["4012345000009", "Corner Shop"]
    assert report.held == tuple((stay.member, stay.block) for stay in checked.way.stays)
    assert place.told == [report]


def test_explain__over_http__the_second_pharmacy_is_told_of_the_clone(place: Stage) -> None:
    verdict = place.town["other pharmacy"].scanner().judge(code(21), now=place.now())
    with serving(place.verifier()) as server:
        first = place.explain("pharmacy", place.town["pharmacy"].scanner().judge(code(21), now=place.now()), server.url)

        second = place.explain("other pharmacy", verdict, server.url)

    assert (first.verdict.cause, first.clone) == (Cause.FOREIGN, None)
    assert (second.verdict.cause, second.verdict.cause.is_alarm) == (Cause.CLONED, True)
    assert second.clone is not None
    assert second.clone.first.scan.member == PHARMACY


def test_note__a_pack_that_was_scanned_before_it_was_handed_over__is_no_clone(place: Stage) -> None:
    # given: the distributor, which holds it, then the pharmacy, to which it is offered
    verifier = place.verifier()
    verifier.answer(place.scan("distributor", code(30)))
    distributor = place.town["distributor"]
    [pack] = distributor.shelf.find(order().product.code, "SN00000030")
    distributor.offer(
        place.batch,
        1 << 20 | pack.index,
        to=OTHER,
        recipient=place.town.identities["other pharmacy"].recipient,
        ends=place.now() + timedelta(days=1),
    )
    place.later = timedelta(hours=3)
    place.town.sync()

    # when
    found = verifier.answer(place.scan("other pharmacy", code(30)))

    # then
    assert (found.finding, found.clone) == (Finding.KNOWN, None)


def test_answer__a_regulator_that_looks_at_a_pack__makes_no_clone_of_it(place: Stage) -> None:
    # given: a pack that its pharmacy asked about, and a regulator in its shop
    verifier = place.verifier()
    assert verifier.answer(place.scan("pharmacy", code(2))).clone is None

    # when
    seen = verifier.answer(place.scan("regulator", code(2)))
    again = verifier.answer(place.scan("pharmacy", code(2)))

    # then
    assert (seen.finding, seen.clone, again.clone) == (Finding.KNOWN, None, None)


def test_verify__with_a_scan_of_a_regulator__is_no_clone(place: Stage) -> None:
    # given: a report of two scans, one of which another client made a regulator's
    report = reported(place, 59)
    theirs = place.scan("regulator", code(59))
    report = resigned(place, report, "maker", scans=(report.first, theirs))

    # then
    with pytest.raises(NotAClone, match="a regulator looked"):
        verify(report, place.town["regulator"].chain)


def test_verify__a_handoff_that_came_after_the_report__explains_it(place: Stage) -> None:
    # given: scanned on arrival, accepted by a signed offer that nobody could see before
    verifier = place.verifier()
    verifier.answer(place.scan("distributor", code(31)))
    report = verifier.answer(place.scan("other pharmacy", code(31))).clone
    assert report is not None
    distributor, other = place.town["distributor"], place.town["other pharmacy"]
    [pack] = distributor.shelf.find(order().product.code, "SN00000031")
    offer = distributor.signed_offer(
        place.batch, 1 << 20 | pack.index, to=OTHER, recipient=place.town.identities["other pharmacy"].recipient
    )
    other.chain.sync()
    verify(report, other.chain)

    # when
    other.accept_signed(offer)
    other.chain.sync()

    # then
    with pytest.raises(NotAClone):
        verify(report, other.chain)


def test_note__after_it_was_dispensed_elsewhere__one_scan_is_enough(place: Stage) -> None:
    # given
    pharmacy = place.town["pharmacy"]
    [pack] = pharmacy.shelf.find(order().product.code, "SN00000001")
    pharmacy.write_dispense(pack, at=place.now())
    pharmacy.settle()
    place.town.sync()
    place.later = timedelta(hours=1)

    # when
    report = place.verifier().answer(place.scan("other pharmacy", code(1))).clone

    # then
    assert report is not None
    assert (report.kind, report.dispensed[0], len(report.scans)) == (CloneKind.AFTER_DISPENSE, PHARMACY, 1)
    place.town["regulator"].chain.sync()
    assert verify(report, place.town["regulator"].chain).kind is CloneKind.AFTER_DISPENSE


def test_note__at_two_places_of_one_member__is_that_members_report(place: Stage) -> None:
    # given: the pharmacy holds it, and scans it at its two counters within minutes
    depot, book = place.town["pharmacy"], ScanBook(None)
    [pack] = depot.shelf.find(order().product.code, "SN00000002")
    proof = proof_of(depot.shelf, pack, "SN00000002")
    watch = CloneWatch(book=book, chain=depot.chain, signer=depot.signer, member=depot.member)
    first, again, second = (place.scan("pharmacy", code(2), place=name) for name in ("North", "north", "South"))

    # when
    found = [watch.note(each, proof=proof, received=place.now()) for each in (first, again, second)]

    # then
    assert found[:2] == [None, None]
    assert found[2] is not None
    place.town["regulator"].chain.sync()
    checked = verify(found[2], place.town["regulator"].chain)
    assert (checked.kind, checked.by_maker) == (CloneKind.TWO_PLACES, False)
    assert book.reports() == [found[2]]


def test_scan_book__one_who_asks_again_and_again__hides_nobody_elses_scan(place: Stage) -> None:
    # given: a scan of one member, and then very many of another at as many places
    book = ScanBook(None)
    first = place.scan("pharmacy", code(54))
    book.add(first, digest=first.scan.digest(place.domain), received=place.now(), known=True)
    for number in range(120):
        other = place.scan("other pharmacy", code(54), place=f"Place {number}")
        later = place.now() + timedelta(minutes=number + 1)
        book.add(other, digest=other.scan.digest(place.domain), received=later, known=True)

    # when
    found = book.of_pack(*first.scan.pack)

    # then: the first of each, and the latest of four places
    assert found[0].signed == first
    assert [each.signed.scan.place for each in found[1:]] == ["Place 0", *(f"Place {each}" for each in range(116, 120))]
    assert book._database.rows("SELECT COUNT(*) FROM scans")[0][0] < 50


# -- forged reports --------------------------------------------------------------------------------------------------


def resigned(place: Stage, report: CloneReport, role: str, **changes: object) -> CloneReport:
    """The report as a member would make it itself."""
    depot = place.town[role]
    draft = replace(report, reporter=str(depot.signer.address), member=depot.member, **changes)  # type: ignore[arg-type]
    return replace(draft, signature=depot.signer.sign_message(draft.signable(place.domain)))


def refused(place: Stage, report: CloneReport, fault: str) -> None:
    chain = place.town["regulator"].chain
    chain.sync()
    with pytest.raises(FalseReport, match=fault):
        verify(report, chain)


def test_verify__by_a_pharmacy_against_another__is_refused(place: Stage) -> None:
    # given: a true scan of the other's that it got hold of, and one of its own that it dates before
    report = reported(place, 40)
    mine = place.scan("distributor", code(40), ago=timedelta(hours=4))
    scans = (mine, report.last)
    received = (mine.scan.time, report.received[-1])

    refused(place, resigned(place, report, "distributor", scans=scans, received=received), "neither the maker")


def test_verify__with_a_scan_in_anothers_name__is_refused(place: Stage) -> None:
    report = reported(place, 41)
    forged = replace(report.first, scan=replace(report.first.scan, place="Elsewhere"))
    signer = place.town["maker"].signer
    signed = SignedScan.sign(forged.scan, signer=signer, domain=place.domain)

    for scan in (forged, signed):
        refused(place, resigned(place, report, "maker", scans=(scan, report.last)), "was not signed by")


def test_verify__of_two_serials__is_refused(place: Stage) -> None:
    report = reported(place, 42)
    other = place.scan("pharmacy", code(43))

    refused(place, resigned(place, report, "maker", scans=(other, report.last)), "different packs")


def test_verify__with_one_scan_twice__is_refused(place: Stage) -> None:
    report = reported(place, 44)

    refused(place, resigned(place, report, "maker", scans=(report.last, report.last)), "one scan twice")


def test_verify__of_a_serial_that_was_never_made__is_refused(place: Stage) -> None:
    # given: a maker that reports two scans of a false pack with the proof of a true one
    report = reported(place, 45)
    scans = tuple(place.scan(role, code(0, serial="FALSE")) for role in ("pharmacy", "other pharmacy"))

    refused(place, resigned(place, report, "maker", scans=scans), "not at this place")


def test_verify__of_another_place_in_the_batch__is_refused(place: Stage) -> None:
    # given: the way of another pack would say something else
    report = reported(place, 46)

    refused(
        place,
        resigned(place, report, "maker", proof=replace(report.proof, index=report.proof.index ^ 1)),
        "not at this place",
    )


def test_verify__a_scan_by_nobody_of_that_member__is_refused(place: Stage) -> None:
    report = reported(place, 47)
    nobody = KeySigner(Account.create())
    scan = replace(report.first.scan, account=str(nobody.address), nonce=secrets.token_bytes(32))
    signed = SignedScan.sign(scan, signer=nobody, domain=place.domain)

    refused(place, resigned(place, report, "maker", scans=(signed, report.last)), "was not with member 3")


def test_verify__a_backdated_scan__is_refused_by_when_it_was_received(place: Stage) -> None:
    report = reported(place, 48)
    earlier = place.scan("pharmacy", code(48), ago=timedelta(hours=1))

    refused(place, resigned(place, report, "maker", scans=(earlier, report.last)), "not received when")


def test_verify__with_another_reason_or_an_altered_byte__is_refused(place: Stage) -> None:
    report = reported(place, 49)

    refused(place, resigned(place, report, "maker", kind=CloneKind.TWO_PLACES), "its scans say two-members")
    refused(place, replace(report, block=report.block + 1), "was not signed by")


def test_decode__what_is_no_report__is_refused(place: Stage) -> None:
    data = reported(place, 51).encode()

    assert CloneReport.decode(data).encode() == data
    for damaged in (b"{}", data[:-1], data.replace(b'"clone"', b'"sheet"'), b" " * 40_000, b"[" * 30_000):
        with pytest.raises(BadScan):
            CloneReport.decode(damaged)


def test_decode__a_report_in_another_spelling__is_refused(place: Stage) -> None:
    data = reported(place, 59).encode()
    values = json.loads(data)
    first = values["scans"][0]
    others = {
        **other_spellings(data),
        "a field in a scan": written({**values, "scans": [{**first, "note": ""}, *values["scans"][1:]]}),
        "a scan's number": written(
            {**values, "scans": [{**first, "nonce": f" {first['nonce']}"}, *values["scans"][1:]]}
        ),
    }

    assert data not in others.values()
    for other in others.values():
        with pytest.raises(BadScan):
            CloneReport.decode(other)


def test_decode__by_a_reporter_that_is_no_address__is_refused(place: Stage) -> None:
    report = reported(place, 57)

    for reporter in ("", "the maker", report.reporter.lower()):
        with pytest.raises(BadScan):
            CloneReport.decode(replace(report, reporter=reporter).encode())


def test_checked__a_maker_that_reports_a_clone_that_is_none__is_refused(place: Stage) -> None:
    # given: a maker that slips a forged scan into its answer
    verifier = place.verifier()
    verifier.answer(place.scan("pharmacy", code(52)))
    question = place.scan("other pharmacy", code(52))
    answer = verifier.answer(question)
    assert answer.clone is not None
    forged = replace(answer.clone.first, scan=replace(answer.clone.first.scan, place="Elsewhere"))
    lie = replace(answer, clone=resigned(place, answer.clone, "maker", scans=(forged, question)))

    with pytest.raises(BadAnswer, match="was not signed by"):
        place.check("other pharmacy", lie.signed(place.town["maker"].signer, place.domain), question)


def test_verify__after_its_accounts_have_left__still_holds(place: Stage) -> None:
    # given
    from real_anvil import person

    report = reported(place, 53)
    consortium = place.town.contracts.Consortium.functions
    account = report.last.scan.account

    # when: the member dismisses whoever scanned
    with place.town.anvil.undone():
        place.town.anvil.send(person("other pharmacy's office"), consortium.dismiss(account))
        place.town.anvil.at(place.town.anvil.now() + 3600)
        place.town["regulator"].chain.sync()
        found = verify(report, place.town["regulator"].chain)

    # then
    assert found.kind is CloneKind.TWO_MEMBERS
    place.town["regulator"].chain.sync()
