"""A maker's verify service: what it answers, what an answer is worth, and what attacks on it come to."""

import json
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from counter_town import colleague
from depot_town import YEAR, order
from eth_account import Account
from quiet_server import QuietHandler, Served
from real_anvil import BOARD, person
from spellings import other_signatures, other_spellings, written
from verify_stage import MAKER, OTHER, Stage, code, serving, stage

from theriac.consortium import Role
from theriac.errors import BadAnswer, BadScan, QuestionRefused, VerifierSilent
from theriac.ledger.signer import KeySigner
from theriac.ledger.typed import Domain
from theriac.medicine.clones import ScanBook
from theriac.medicine.packs import Product, cases_of
from theriac.medicine.scanner import Cause, Scanner, Verdict
from theriac.medicine.scans import SignedScan
from theriac.medicine.shelf import Shelf
from theriac.medicine.tree import BATCH, Shape, node_of
from theriac.medicine.verification import LARGEST_ANSWER, Answer, Finding, ask, explained
from theriac.medicine.verifier import LARGEST_QUESTION, Doors, Limits, Rate
from theriac.medicine.wedge import ScannerCause

"""The order of the group, as SEC 2 has it."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("verify")) as found:
        yield found


@pytest.fixture
def place(made: Stage) -> Stage:
    """The clock as it was for every test."""
    made.later = timedelta()
    made.told.clear()
    return made


# -- answers ---------------------------------------------------------------------------------------------------------


def test_answer__a_pack_in_stock_elsewhere__is_known_with_a_proof(place: Stage) -> None:
    question = place.scan("other pharmacy", code(3))

    answer = place.check("other pharmacy", place.verifier().answer(question), question).answer

    assert (answer.finding, answer.status, answer.yours, answer.clone) == (Finding.KNOWN, "in stock", False, None)
    assert answer.proof is not None
    assert (answer.proof.batch, answer.proof.lot) == (place.batch, "L42A")


@pytest.mark.parametrize(
    ("of", "finding"),
    [
        (code(0, serial="NEVERMADE"), Finding.FALSE),
        (code(3, lot="L99"), Finding.ALTERED),
        (code(0, serial="NEVERMADE", lot="L99"), Finding.NOT_MINE),
        (code(0, serial="NEVERMADE", lot=None), Finding.CUT),
        (code(3, lot="L4"), Finding.CUT),
        (code(3, lot=None), Finding.KNOWN),
        (code(0, serial="SN0000000"), Finding.FALSE),
        (replace(code(0), product="04150000000008"), Finding.NOT_MINE),
        (replace(code(3), expiry=None), Finding.KNOWN),
    ],
    ids=[
        *("false", "another-lot", "a-lot-never-made", "broken-off-before-the-lot", "broken-off-in-the-lot", "no-lot"),
        *("no-oracle-for-beginnings", "another-product", "no-expiry"),
    ],
)
def test_answer__says_false_only_of_what_cannot_exist(place: Stage, of: object, finding: Finding) -> None:
    question = place.scan("other pharmacy", of)  # type: ignore[arg-type]

    answer = place.verifier().answer(question)

    assert answer.finding is finding
    assert place.check("other pharmacy", answer, question).answer.finding is finding


def test_answer__of_a_lot_with_a_batch_that_is_not_on_the_makers_shelf__is_unsure(place: Stage) -> None:
    # given: two trees of one lot, and a shelf that lost one of them
    maker = place.town["maker"]
    product = Product(order().product.code, "TWO", order().product.expiry)
    shape = Shape(4, 2)
    for first in (0, 10):
        serials = [f"TWO{number}" for number in range(first, first + 4)]
        maker.commission(replace(order(), product=product, shape=shape, cases=cases_of(4, shape), serials=serials))
    maker.sync()
    kept = maker.shelf.find(product.code, "TWO10")[0].batch
    less = Shelf(None)
    less.add(maker.shelf.sheet(kept, BATCH), batch=kept)

    # when
    whole = place.verifier().answer(place.scan("other pharmacy", code(0, serial="TWO99", lot="TWO")))
    answer = place.verifier(shelf=less).answer(place.scan("other pharmacy", code(0, serial="TWO99", lot="TWO")))

    # then
    assert (whole.finding, answer.finding) == (Finding.FALSE, Finding.UNSURE)


# -- what the asker makes of it --------------------------------------------------------------------------------------


def unknown(place: Stage, role: str, of: object) -> Verdict:
    verdict = place.town[role].scanner().judge(of, now=place.now())  # type: ignore[arg-type]
    assert verdict.cause is Cause.UNKNOWN_HERE
    return verdict


def test_explain__over_http__a_known_pack_is_another_members(place: Stage) -> None:
    verdict = unknown(place, "other pharmacy", code(4))

    with serving(place.verifier()) as server:
        found = place.explain("other pharmacy", verdict, server.url)

    assert (found.verdict.cause, found.verdict.holder, found.silent) == (Cause.FOREIGN, 3, {})
    assert not found.verdict.may_be_dispensed


def test_explain__over_http__a_pack_that_was_never_made_is_false(place: Stage) -> None:
    verdict = unknown(place, "other pharmacy", code(0, serial="FALSE1"))

    with serving(place.verifier()) as server:
        found = place.explain("other pharmacy", verdict, server.url)

    assert found.verdict.cause is Cause.FALSE


def test_explain__a_true_code_with_its_case_turned__is_the_scanners_fault(place: Stage) -> None:
    # given: caps lock made small letters of the serial, and there are none in the lot
    maker, product = place.town["maker"], Product(order().product.code, "1234", order().product.expiry)
    shape = Shape(4, 2)
    maker.commission(replace(order(), product=product, shape=shape, cases=cases_of(2, shape), serials=["AB12", "AB13"]))
    place.town.sync()
    verdict = unknown(place, "other pharmacy", code(0, serial="ab12", lot="1234"))

    with serving(place.verifier()) as server:
        found = place.explain("other pharmacy", verdict, server.url)
        never_made = unknown(place, "other pharmacy", code(0, serial="ab99", lot="1234"))
        false = place.explain("other pharmacy", never_made, server.url)

    assert (found.verdict.cause, found.verdict.scanner) == (Cause.SCANNER, (ScannerCause.CAPS_LOCK,))
    assert false.verdict.cause is Cause.FALSE


def test_explain__variants_that_could_not_be_asked__leave_it_unknown_here(place: Stage) -> None:
    verdict = unknown(place, "other pharmacy", code(0, serial="sn00000013"))

    with serving(place.verifier(limits=Limits(account=Rate(1, 0.01)))) as server:
        found = place.explain("other pharmacy", verdict, server.url)

    assert (found.verdict, list(found.silent)) == (verdict, [MAKER])


def test_explain__no_service_and_a_dead_one__leave_it_unknown_here(place: Stage) -> None:
    verdict = unknown(place, "other pharmacy", code(0, serial="FALSE2"))

    for url in (None, "http://127.0.0.1:9", "file:///etc/passwd", "http://user:word@127.0.0.1:9", "http://[bad"):
        found = place.explain("other pharmacy", verdict, url)
        assert (found.verdict, list(found.silent)) == (verdict, [MAKER])


def test_explain__a_pack_that_is_this_members_without_its_sheet__is_never_genuine(place: Stage) -> None:
    # given: the chain says that the asker holds it
    verdict = replace(unknown(place, "other pharmacy", code(5)), code=code(5))
    question = place.scan("other pharmacy", code(5))
    answered = place.check("other pharmacy", place.verifier().answer(question), question)

    # when: the pharmacy that holds it reads the same answer
    found = explained(verdict, [answered], chain=place.town["pharmacy"].chain, member=3, now=place.now())

    # then
    assert (found.cause, found.holder) == (Cause.UNKNOWN_HERE, 3)


@pytest.mark.parametrize(("maker", "cause"), [(MAKER, Cause.FALSE), (9, Cause.UNKNOWN_HERE)], ids=["same", "another"])
def test_explained__a_batch_of_which_no_key_here_tells_what_it_is_of__counts_by_its_maker(
    place: Stage, maker: int, cause: Cause
) -> None:
    # given: a batch whose tag was made with a key that was not sealed to the asker
    asker = place.town["other pharmacy"]
    of, chain = code(0, serial="FALSE5"), asker.chain
    state = chain.state(place.batch)
    assert state is not None
    scanner = Scanner(
        member=OTHER,
        shelf=asker.shelf,
        states=chain.state,
        tags=chain.batches_tagged,
        keys=asker.consortium_keys(),
        others=lambda keys: [b"under another key"],
    )
    verdict = scanner.judge(of, now=place.now())
    question = place.scan("other pharmacy", of)
    answered = place.check("other pharmacy", place.verifier().answer(question), question)

    class OneMore:
        def state(self, batch: bytes) -> object:
            return replace(state, maker=maker) if batch == b"under another key" else chain.state(batch)

    # when: the only maker that is found by the keys here says that it never made the pack
    found = explained(verdict, [answered], chain=OneMore(), member=OTHER, now=place.now())  # type: ignore[arg-type]

    # then
    assert answered.answer.finding is Finding.FALSE
    assert found.cause is cause


def test_explained__one_of_two_makers_denies_and_the_other_is_silent__is_unknown_here(place: Stage) -> None:
    # given: another maker that gave a batch the same tag
    verdict = unknown(place, "other pharmacy", code(0, serial="FALSE3"))
    question = place.scan("other pharmacy", code(0, serial="FALSE3"))
    answered = place.check("other pharmacy", place.verifier().answer(question), question)
    chain = place.town["other pharmacy"].chain
    state = chain.state(place.batch)
    assert state is not None

    class TwoMakers:
        def state(self, batch: bytes) -> object:
            return replace(state, maker=9) if batch == b"other" else chain.state(batch)

    shared = replace(verdict, batches=(*verdict.batches, b"other"))

    # when
    found = explained(shared, [answered], chain=TwoMakers(), member=OTHER, now=place.now())  # type: ignore[arg-type]
    alone = explained(verdict, [answered], chain=chain, member=OTHER, now=place.now())

    # then
    assert (found.cause, alone.cause) == (Cause.UNKNOWN_HERE, Cause.FALSE)


# -- a lying maker, and one who pretends to be it --------------------------------------------------------------------


def test_checked__an_answer_to_another_question__is_refused(place: Stage) -> None:
    first, second = place.scan("other pharmacy", code(0, serial="X1")), place.scan("other pharmacy", code(4))
    answer = place.verifier().answer(first)

    with pytest.raises(BadAnswer, match="another question"):
        place.check("other pharmacy", answer, second)


def test_checked__signed_by_whoever__is_refused(place: Stage) -> None:
    # given: an answer `false` for a genuine pack, made by the distributor
    question = place.scan("other pharmacy", code(4))
    true = place.verifier().answer(question)
    lie = replace(true, finding=Finding.FALSE, proof=None, status="")
    signer = place.town["distributor"].signer

    # when, then: under its own name, and under the maker's
    with pytest.raises(BadAnswer, match="does not speak"):
        place.check("other pharmacy", replace(lie, account=str(signer.address)).signed(signer, place.domain), question)
    with pytest.raises(BadAnswer, match="not signed"):
        place.check("other pharmacy", lie.signed(signer, place.domain), question)
    with pytest.raises(BadAnswer, match="not signed"):
        place.check("other pharmacy", lie, question)


def test_checked__a_maker_that_vouches_for_a_pack_it_never_made__is_refused(place: Stage) -> None:
    # given: the proof of a true pack for a false serial
    true = place.scan("other pharmacy", code(4))
    proof = place.verifier().answer(true).proof
    question = place.scan("other pharmacy", code(0, serial="X2"))
    signer = place.town["maker"].signer
    answer = replace(place.verifier().answer(question), finding=Finding.KNOWN, proof=proof)

    with pytest.raises(BadAnswer, match="not in the batch"):
        place.check("other pharmacy", answer.signed(signer, place.domain), question)


def test_checked__known_without_a_proof__is_refused(place: Stage) -> None:
    question = place.scan("other pharmacy", code(0, serial="X3"))
    answer = replace(place.verifier().answer(question), finding=Finding.KNOWN)

    with pytest.raises(BadAnswer, match="proof"):
        place.check("other pharmacy", answer.signed(place.town["maker"].signer, place.domain), question)


def test_checked__a_late_answer__is_refused(place: Stage) -> None:
    question = place.scan("other pharmacy", code(0, serial="X4"))
    answer = place.verifier().answer(question)

    place.later = timedelta(minutes=6)

    with pytest.raises(BadAnswer, match="not made now"):
        place.check("other pharmacy", answer, question)


def test_explained__what_a_maker_says_of_the_status__is_not_believed(place: Stage) -> None:
    # given: a maker that says of a pack that it was dispensed, and of whom it is
    question = place.scan("other pharmacy", code(4))
    lie = replace(place.verifier().answer(question), status="dispensed", yours=True)
    answered = place.check("other pharmacy", lie.signed(place.town["maker"].signer, place.domain), question)

    # when
    verdict = unknown(place, "other pharmacy", code(4))
    found = explained(verdict, [answered], chain=place.town["other pharmacy"].chain, member=OTHER, now=place.now())

    # then
    assert found.cause is Cause.FOREIGN


def test_answer__decoded__is_the_same_and_damaged_is_refused(place: Stage) -> None:
    question = place.scan("other pharmacy", code(6))
    data = place.verifier().answer(question).encode()

    assert Answer.decode(data).encode() == data
    for old, new in ((b'"known"', b'"sure"'), (b'"format":1', b'"format":2'), (b'"block":', b'"block":-')):
        with pytest.raises(BadScan):
            Answer.decode(data.replace(old, new, 1))


def test_answer__in_another_spelling__is_refused(place: Stage) -> None:
    data = place.verifier().answer(place.scan("other pharmacy", code(6))).encode()
    values = json.loads(data)
    others = {
        **other_spellings(data),
        "a number for a yes": written({**values, "yours": int(values["yours"])}),
        "a field in its proof": written({**values, "proof": {**values["proof"], "note": ""}}),
        "another date": data.replace(
            values["proof"]["expiry"].encode(), values["proof"]["expiry"].replace("-", "").encode()
        ),
    }

    assert data not in others.values()
    for other in others.values():
        with pytest.raises(BadScan):
            Answer.decode(other)


def test_answer__by_an_account_that_is_no_address__is_refused(place: Stage) -> None:
    answer = place.verifier().answer(place.scan("other pharmacy", code(7)))

    for account in ("", "the maker", answer.account.lower(), "0x" + "é" * 40):
        with pytest.raises(BadScan):
            Answer.decode(replace(answer, account=account).encode())


# -- who may ask -----------------------------------------------------------------------------------------------------


def refused(place: Stage, question: SignedScan, *, limits: Limits | None = None) -> int:
    with pytest.raises(QuestionRefused) as found:
        place.verifier(limits=limits).answer(question)
    return found.value.status


def test_answer__of_a_stranger__is_refused(place: Stage) -> None:
    stranger = KeySigner(Account.create())
    scan = replace(place.scan("other pharmacy", code(4)).scan, account=str(stranger.address))

    assert refused(place, SignedScan.sign(scan, signer=stranger, domain=place.domain)) == 403


def test_answer__signed_by_another_than_it_names__is_refused(place: Stage) -> None:
    scan = place.scan("other pharmacy", code(4)).scan

    assert refused(place, SignedScan.sign(scan, signer=place.town["pharmacy"].signer, domain=place.domain)) == 403


def test_answer__in_another_members_name__is_refused(place: Stage) -> None:
    scan = replace(place.scan("other pharmacy", code(4)).scan, member=3)
    signer = place.town["other pharmacy"].signer

    assert refused(place, SignedScan.sign(scan, signer=signer, domain=place.domain)) == 403


def test_answer__of_another_deployment__is_refused(place: Stage) -> None:
    signed = place.scan("other pharmacy", code(4))
    elsewhere = Domain(place.domain.name, place.domain.version, place.domain.chain_id + 1, place.domain.contract)

    assert (
        refused(place, SignedScan.sign(signed.scan, signer=place.town["other pharmacy"].signer, domain=elsewhere))
        == 403
    )


def test_answer__to_another_maker__is_refused(place: Stage) -> None:
    scan = replace(place.scan("other pharmacy", code(4)).scan, maker=7)
    signer = place.town["other pharmacy"].signer

    assert refused(place, SignedScan.sign(scan, signer=signer, domain=place.domain)) == 400


@pytest.mark.parametrize("minutes", [-6, 6])
def test_answer__of_another_time__is_refused(place: Stage, minutes: int) -> None:
    assert refused(place, place.scan("other pharmacy", code(4), ago=timedelta(minutes=minutes))) == 400


def test_answer__of_a_suspended_member__ends_with_the_cache(place: Stage) -> None:
    # given: a pharmacy that was answered
    consortium = place.town.contracts.Consortium.functions
    verifier = place.verifier(limits=Limits(standing=timedelta(seconds=0.3)))
    verifier.answer(place.scan("other pharmacy", code(4)))
    place.town.anvil.send(BOARD, consortium.suspend(OTHER, 1))

    # when
    time.sleep(0.35)

    # then
    try:
        with pytest.raises(QuestionRefused) as found:
            verifier.answer(place.scan("other pharmacy", code(4)))
        assert found.value.status == 403
    finally:
        place.town.anvil.send(BOARD, consortium.reinstate(OTHER))


def test_answer__of_a_member_without_such_a_role__is_refused(place: Stage) -> None:
    insurer = person("an insurer")
    until = place.town.anvil.now() + YEAR
    consortium = place.town.contracts.Consortium.functions
    place.town.anvil.send(BOARD, consortium.admit(insurer.address, int(Role.INSURER), 1, until))
    number = place.town["maker"].chain.member_of(insurer.address)
    scan = replace(place.scan("other pharmacy", code(4)).scan, member=number, account=insurer.address)

    assert refused(place, SignedScan.sign(scan, signer=KeySigner(insurer), domain=place.domain)) == 403


# -- too much --------------------------------------------------------------------------------------------------------


def test_answer__a_replay__is_refused_and_after_a_restart_too(place: Stage, tmp_path_factory: object) -> None:
    # given
    folder = tmp_path_factory.mktemp("book")  # type: ignore[attr-defined]
    book = ScanBook(folder / "questions.db")
    question = place.scan("other pharmacy", code(4))
    place.verifier(book=book).answer(question)
    book.close()

    # when
    again = ScanBook(folder / "questions.db")

    # then
    with pytest.raises(QuestionRefused) as found:
        place.verifier(book=again).answer(question)
    assert found.value.status == 409
    again.close()


def test_answer__too_fast__says_when_to_ask_again(place: Stage) -> None:
    verifier = place.verifier(limits=Limits(account=Rate(2, 0.5)))
    for _ in range(2):
        verifier.answer(place.scan("other pharmacy", code(4)))

    with pytest.raises(QuestionRefused) as found:
        verifier.answer(place.scan("other pharmacy", code(4)))

    assert (found.value.status, found.value.seconds) == (429, 2)


def test_answer__many_serials_that_do_not_exist__ends_answers_for_true_ones_too(place: Stage) -> None:
    # given: an account that guesses
    book = ScanBook(None)
    verifier = place.verifier(book=book, limits=Limits(misses=(5, 100)))
    for number in range(5):
        verifier.answer(place.scan("other pharmacy", code(0, serial=f"GUESS{number}")))

    # when, then: until the hour has passed, and for this account alone
    with pytest.raises(QuestionRefused) as found:
        verifier.answer(place.scan("other pharmacy", code(4)))
    assert (found.value.status, 3590 < found.value.seconds <= 3601) == (429, True)
    assert verifier.answer(place.scan("pharmacy", code(4))).finding is Finding.KNOWN
    place.later = timedelta(minutes=61)
    assert verifier.answer(place.scan("other pharmacy", code(6))).finding is Finding.KNOWN


def test_answer__guesses_of_many_accounts_of_one_member__count_together(place: Stage) -> None:
    book = ScanBook(None)
    verifier = place.verifier(book=book, limits=Limits(misses=(50, 3)))
    scans = [place.scan("other pharmacy", code(0, serial=f"MANY{number}")) for number in range(3)]
    for signed in scans:
        other = replace(signed.scan, account=str(Account.create().address), nonce=secrets.token_bytes(32))
        digest = other.digest(place.domain)
        book.add(replace(signed, scan=other), digest=digest, received=place.now(), known=False)

    with pytest.raises(QuestionRefused) as found:
        verifier.answer(place.scan("other pharmacy", code(4)))

    assert found.value.status == 429


def test_answer__a_flood_of_strangers__is_held_back_before_the_chain_is_asked(place: Stage) -> None:
    verifier = place.verifier(limits=Limits(strangers=Rate(3, 0.01)))

    def of_a_stranger() -> int:
        stranger = KeySigner(Account.create())
        scan = replace(place.scan("other pharmacy", code(4)).scan, account=str(stranger.address))
        with pytest.raises(QuestionRefused) as found:
            verifier.answer(SignedScan.sign(scan, signer=stranger, domain=place.domain))
        return found.value.status

    assert [of_a_stranger() for _ in range(5)] == [403, 403, 403, 429, 429]


def test_answer__a_flood_of_strangers__keeps_none_out_who_was_answered_before(place: Stage) -> None:
    # given: a pharmacy that was answered, so long ago that its standing must be asked for again
    limits = Limits(strangers=Rate(2, 0.001), standing=timedelta())
    verifier = place.verifier(limits=limits)
    verifier.answer(place.scan("other pharmacy", code(4)))

    # when: a stranger uses up what strangers may ask, and more
    for _ in range(3):
        stranger = KeySigner(Account.create())
        scan = replace(place.scan("other pharmacy", code(4)).scan, account=str(stranger.address))
        with pytest.raises(QuestionRefused):
            verifier.answer(SignedScan.sign(scan, signer=stranger, domain=place.domain))

    # then
    assert verifier.answer(place.scan("other pharmacy", code(4))).finding is Finding.KNOWN


def test_answer__an_account_that_asks_too_fast__takes_nothing_from_its_colleagues(place: Stage) -> None:
    # given: two accounts of a member that may ask five times together, and one of them twice
    verifier = place.verifier(limits=Limits(account=Rate(2, 0.001), member=Rate(5, 0.001)))
    other = KeySigner(colleague(place.town, "a quick pharmacist's colleague"))

    # when
    for _ in range(8):
        with suppress(QuestionRefused):
            verifier.answer(place.scan("pharmacy", code(4)))

    # then
    scan = replace(place.scan("pharmacy", code(4)).scan, account=str(other.address))
    assert verifier.answer(SignedScan.sign(scan, signer=other, domain=place.domain)).finding is Finding.KNOWN


def test_answer__a_question_that_is_replayed__takes_nothing_from_who_asked(place: Stage) -> None:
    # given: a question that somebody saw on its way
    verifier = place.verifier(limits=Limits(account=Rate(2, 0.001)))
    question = place.scan("other pharmacy", code(4))
    verifier.answer(question)

    # when
    for _ in range(3):
        with pytest.raises(QuestionRefused) as found:
            verifier.answer(question)
        assert found.value.status == 409

    # then
    assert verifier.answer(place.scan("other pharmacy", code(4))).finding is Finding.KNOWN


# -- over HTTP -------------------------------------------------------------------------------------------------------


def test_ask__a_refusal__comes_with_its_reason_and_time(place: Stage) -> None:
    verifier = place.verifier(limits=Limits(account=Rate(1, 0.1)))
    with serving(verifier) as server:
        ask(server.url, place.scan("other pharmacy", code(4)))

        with pytest.raises(QuestionRefused) as found:
            ask(server.url, place.scan("other pharmacy", code(4)))

    assert (found.value.status, found.value.seconds, found.value.reason) == (429, 10, "Too many questions")


def test_ask__a_refusal_of_brackets_alone__is_a_refusal_without_a_reason(place: Stage) -> None:
    # given a service that answers as deep a text as an answer may be long; Python's parser recurses, and a library that
    # embeds a chain allows it to overrun the stack
    class Deep(QuietHandler):
        def do_POST(self) -> None:  # noqa: N802
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(404)
            self.send_header("Content-Length", str(LARGEST_ANSWER))
            self.end_headers()
            self.wfile.write(b"[" * LARGEST_ANSWER)

    service = Served(Deep)

    # when
    with pytest.raises(QuestionRefused) as found:
        ask(service.url, place.scan("other pharmacy", code(4)))
    service.stop()

    # then
    assert found.value.reason == "no reason was given"


def _raw(server: object, data: bytes, *, wait: float = 3.0) -> bytes:
    with socket.create_connection(server.server_address[:2], timeout=wait) as connection:  # type: ignore[attr-defined]
        connection.sendall(data)
        received = b""
        while part := connection.recv(4096):
            received += part
    return received


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /verify HTTP/1.1\r\nHost: x\r\n\r\n", b"501"),
        (b"POST /other HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", b"404"),
        (b"POST /verify HTTP/1.1\r\nHost: x\r\n\r\n", b"411"),
        (b"POST /verify HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", b"411"),
        (b"POST /verify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}", b"411"),
        (b"POST /verify HTTP/1.1\r\nHost: x\r\nContent-Length: 4097\r\n\r\n", b"413"),
        (b"POST /verify HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", b"400"),
        (b"POST /verify HTTP/1.1\r\nHost: x\r\nContent-Length: 4000\r\n\r\n" + b"[" * 4000, b"400"),
        (b"\x16\x03 /verify HTTP/1.1\r\n\r\n", b"501"),
    ],
)
def test_server__what_is_no_question__is_refused_in_json(place: Stage, request_: bytes, status: bytes) -> None:
    with serving(place.verifier()) as server:
        answer = _raw(server, request_)

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split(b" ")[1] == status
    assert list(json.loads(body)) == ["error"]
    assert b"Python" not in head


def test_server__slow_clients__do_not_hold_it(place: Stage) -> None:
    # given: as many connections as there may be, each sending a byte now and then
    doors = Doors(connections=4, lasts=0.6, silent=5.0)
    with serving(place.verifier(), doors=doors) as server:
        slow = [socket.create_connection(server.server_address[:2], timeout=5) for _ in range(6)]
        for connection in slow:
            connection.sendall(b"POST /verify HTTP/1.1\r\n")
        started = time.monotonic()
        while time.monotonic() - started < 1.0:
            for connection in slow:
                try:
                    connection.sendall(b"X")
                except OSError:
                    continue
            time.sleep(0.1)

        # when
        found = ask(server.url, place.scan("other pharmacy", code(4)))

        # then
        assert found.finding is Finding.KNOWN
        for connection in slow:
            connection.close()


def test_ask__a_service_that_drips__is_given_up_in_time(place: Stage) -> None:
    # given: a server that sends a byte of a header again and again
    with socket.create_server(("127.0.0.1", 0)) as listening:
        host, port = listening.getsockname()
        question = place.scan("other pharmacy", code(4))
        started = time.monotonic()

        # when
        with pytest.raises(VerifierSilent):
            ask(f"http://{host}:{port}", question, timeout=0.4)

        # then
        assert time.monotonic() - started < 1.5


def test_ask__another_servers_page__is_no_answer(place: Stage) -> None:
    from http.server import BaseHTTPRequestHandler, HTTPServer
    from threading import Thread

    class Page(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>" + b"x" * 100_000)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Page)
    Thread(target=server.handle_request, daemon=True).start()

    with pytest.raises(VerifierSilent, match="without end"):
        ask(f"http://127.0.0.1:{server.server_port}", place.scan("other pharmacy", code(4)))
    server.server_close()


def test_server__the_longest_question__fits_and_is_answered(place: Stage) -> None:
    longest = replace(
        place.scan("other pharmacy", code(4)).scan,
        product="9" * 20,
        lot="&" * 20,
        serial='"' * 20,
        place="\U0001f48a" * 80,
    )
    signed = SignedScan.sign(longest, signer=place.town["other pharmacy"].signer, domain=place.domain)

    with serving(place.verifier()) as server:
        found = ask(server.url, signed)

    assert len(signed.encode()) <= LARGEST_QUESTION
    assert found.finding is Finding.NOT_MINE


@pytest.mark.parametrize(
    "change",
    [
        {"serial": "S" * 21},
        {"lot": "\U0001f48a"},
        {"expiry": "310231"},
        {"expiry": "31063"},
        {"place": ""},
        {"place": "a\nb"},
        {"place": "a" * 81},
        {"account": "0x00"},
        {"time": -1},
        {"time": 1 << 60},
        {"member": True},
        {"nonce": "00"},
        {"serial": None},
    ],
)
def test_decode__what_no_scan_says__is_refused(place: Stage, change: dict[str, object]) -> None:
    values = {**json.loads(place.scan("other pharmacy", code(4)).encode()), **change}

    with pytest.raises(BadScan) as refused:
        SignedScan.decode(written(values))

    # It is refused for what it says, and not only for how it is written.
    assert "RFC 8785" not in str(refused.value)


def test_decode__a_scan_in_another_spelling__is_refused(place: Stage) -> None:
    data = place.scan("other pharmacy", code(4)).encode()

    assert SignedScan.decode(data) == SignedScan.decode(b" " + data + b"\n")
    for other in other_spellings(data).values():
        with pytest.raises(BadScan):
            SignedScan.decode(other)


def test_decode__a_place_with_spaces_that_are_not_single__is_refused(place: Stage) -> None:
    values = json.loads(place.scan("other pharmacy", code(4)).encode())

    assert SignedScan.decode(written({**values, "place": "counter 1"})).scan.place == "counter 1"
    for name in ("counter  1", " counter 1", "counter 1 "):
        with pytest.raises(BadScan, match="single"):
            SignedScan.decode(written({**values, "place": name}))


def test_is_signed__the_same_signature_in_another_spelling__is_none(place: Stage) -> None:
    # given
    question = place.scan("other pharmacy", code(4))
    others = other_signatures(question.signature)

    # when, given that a library takes each of them for the account's
    message = question.scan.signable(place.domain)
    assert {Account.recover_message(message, signature=each) for each in others} == {question.scan.account}

    # then
    assert question.is_signed(place.domain)
    assert not any(replace(question, signature=each).is_signed(place.domain) for each in others)


# -- a recalled pack, and one that was dispensed ---------------------------------------------------------------------


def test_explain__a_pack_that_was_dispensed__is_known_to_be(place: Stage) -> None:
    # given
    pharmacy = place.town["pharmacy"]
    verdict = pharmacy.scanner().judge(code(9), now=place.now())
    assert verdict.pack is not None
    pharmacy.write_dispense(verdict.pack, at=place.now())
    pharmacy.settle()
    place.town.sync()

    # when
    with serving(place.verifier()) as server:
        found = place.explain("other pharmacy", unknown(place, "other pharmacy", code(9)), server.url)

    # then
    assert found.verdict.cause is Cause.DISPENSED_ELSEWHERE
    assert [each.answer.status for each in found.answers] == ["dispensed"]


def test_explain__a_recalled_case__is_recalled(place: Stage) -> None:
    maker = place.town["maker"]
    [pack] = maker.shelf.find(order().product.code, "SN00000095")
    maker.recall(place.batch, node_of(pack.index))
    place.town.sync()

    with serving(place.verifier()) as server:
        found = place.explain("other pharmacy", unknown(place, "other pharmacy", code(95)), server.url)

    assert found.verdict.cause is Cause.RECALLED
