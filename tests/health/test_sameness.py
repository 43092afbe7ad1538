"""Proof that two pseudonyms are one person's: who can answer, who is convinced, and that nobody else is."""

import io
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from access_lives import READERS
from eth_account import Account
from paper_chain import HOUR
from test_access_machine import Access

from theriac.crypto.recipients import HybridIdentity, parse_recipient
from theriac.errors import BadDocument, BadSameness, NotTheSame
from theriac.health import bundle as bundles
from theriac.health import documents
from theriac.health.bundle import Profile
from theriac.health.sameness import LONGEST, Asked, Asking, Question, answered, mac, questions
from theriac.health.scope import Level
from theriac.health.vault import Vault
from theriac.health.wallet import MnemonicWallet

READER, OTHER = 0, 1
WORDS = "legal winner thank year wave sausage worth useful legal winner thank yellow"


@pytest.fixture(autouse=True)
def few_dummies(monkeypatch: pytest.MonkeyPatch) -> None:
    # Dummies cost most of the time and hold nothing.
    monkeypatch.setattr(bundles, "_CROWD", 1)


@pytest.fixture
def life() -> Access:
    """Ann, who is known to two clinics under a pseudonym each."""
    life = Access()
    life.introduce()
    return life


@pytest.fixture
def bob(life: Access) -> Access:
    """Somebody else at the same clinics, on the same chain."""
    other = Access()
    other.chain, other.store = life.chain, life.store
    other.relay._chain = life.chain
    other.wallet = MnemonicWallet(WORDS)
    other.patient = other.phone(Vault())
    other.introduce()
    return other


def asking(life: Access, number: int, folder: Path) -> Asking:
    reading = life.readers[number]
    return Asking(
        account=reading.address,
        identity=reading.identity,
        chain=life.chain,  # type: ignore[arg-type]
        store=life.store,  # type: ignore[arg-type]
        folder=folder / str(number),
    )


def put_question(life: Access, reader: Asking, first: str, second: str, *, sender: str = "") -> Question:
    until = life.chain.seconds + 24 * HOUR
    question, sealed = reader.ask(first, second, reason="one file for both", until=until)
    deliver(life, sealed, to=first, sender=sender or reader.account)
    return question


def deliver(life: Access, sealed: bytes, *, to: str, sender: str) -> None:
    letter = life.store.put(io.BytesIO(sealed)).digest
    life.chain.tell("Sent", **{"from": sender, "to": to, "letter": letter})


# -- convinced -------------------------------------------------------------------------------------------------------


# property U11
def test_answer__of_who_has_both__convinces_the_reader_that_asked(life: Access, tmp_path: Path) -> None:
    # given
    reader = asking(life, READER, tmp_path)
    question = put_question(life, reader, *life.sources)

    # when
    [asked] = questions(life.patient)
    life.patient.send_once(asked.question.reader, answered(life.patient, asked))

    # then: she sees who asks and why, and the answer is found and counts once
    assert asked.question == question
    assert (question.reader, question.reason) == (reader.account, "one file for both")
    [answer] = reader.answers()
    assert reader.check(answer) == question
    with pytest.raises(NotTheSame):
        reader.check(answer)
    assert reader.open_questions() == []


def test_answer__ties_nothing_to_the_pseudonyms(life: Access, tmp_path: Path) -> None:
    # given
    reader = asking(life, READER, tmp_path)
    before, written = life.patient.vault.encode(), len(life.chain.log)
    put_question(life, reader, *life.sources)

    # when
    [asked] = questions(life.patient)
    life.patient.send_once(reader.account, answered(life.patient, asked))

    # then: the chain never names the second, the answer comes from an account of nobody's, and the vault forgets it
    told = [each.arguments for each in life.chain.log[written:]]
    assert (told[0]["from"], told[0]["to"]) == (reader.account, life.sources[0])
    assert told[1]["from"] not in {*life.patient.vault.accounts, reader.account}
    assert life.sources[1] not in str(told)
    assert life.patient.vault.encode() == before


# -- convinces nobody else -------------------------------------------------------------------------------------------


# property U10
def test_simulated__by_the_reader_alone__is_the_very_same_answer(life: Access, bob: Access, tmp_path: Path) -> None:
    # given: a true answer, and one that the reader makes itself, also for two who are not one person
    reader = asking(life, READER, tmp_path)
    true = put_question(life, reader, *life.sources)
    false = put_question(life, reader, life.sources[0], bob.sources[1])
    [asked] = questions(life.patient)
    answer = answered(life.patient, asked)

    # when
    made, invented = reader.simulate(true), reader.simulate(false)

    # then: what is inside is equal byte for byte, and whoever sees a transcript sees the same form in each
    plain = [documents.open_(each, identities=[READERS[READER]]) for each in (answer, made, invented)]
    assert plain[0] == plain[1]
    assert [json.loads(each).keys() for each in plain] == [json.loads(plain[0]).keys()] * 3
    assert {len(each) for each in plain} == {len(plain[0])}
    assert {len(each) for each in (answer, made, invented)} == {len(answer)}
    assert reader.check(invented) == false
    assert reader.check(made) == true


def test_answer__is_sealed_to_the_reader__whoever_carries_it_reads_nothing(life: Access, tmp_path: Path) -> None:
    reader, other = asking(life, READER, tmp_path), asking(life, OTHER, tmp_path)
    put_question(life, reader, *life.sources)
    [asked] = questions(life.patient)

    with pytest.raises(NotTheSame):
        other.check(answered(life.patient, asked))


# -- not hers --------------------------------------------------------------------------------------------------------


# property U10
def test_questions__about_a_pseudonym_that_is_not_hers__are_passed_over(
    life: Access, bob: Access, tmp_path: Path
) -> None:
    # given
    reader = asking(life, READER, tmp_path)

    # when
    put_question(life, reader, life.sources[0], bob.sources[1])
    put_question(life, reader, bob.sources[1], life.sources[0])

    # then
    assert questions(life.patient) == []
    assert questions(bob.patient) == []


# property U10
def test_answer__with_one_half_only__shows_nothing(life: Access, bob: Access, tmp_path: Path) -> None:
    # given: Ann has one half, and makes up the other, or leaves it out, or doubles hers
    reader = asking(life, READER, tmp_path)
    question = put_question(life, reader, life.sources[0], bob.sources[1])
    [letter] = life.patient.letters()
    sealed = bytes.fromhex(documents.decode("sameness-question", letter.document)["halves"][0])
    inbox = life.patient.vault.accounts[life.sources[0]].inbox(Level.V)
    half = bytes.fromhex(json.loads(documents.open_(sealed, identities=[inbox]))["half"])

    for halves in ((half,), (half, half), (half, bytes(32)), (bytes(32), half)):
        # when
        forged = answer_of(question, halves)

        # then
        with pytest.raises(NotTheSame):
            reader.check(forged)
    assert reader.open_questions() == [question]


def answer_of(question: Question, halves: tuple[bytes, ...], *, to: int = READER) -> bytes:
    document = documents.encode("sameness-answer", {"number": question.number, "mac": mac(question, halves)})
    return documents.seal(document, to=READERS[to].recipient)


def test_answer__that_is_none__shows_nothing(life: Access, tmp_path: Path) -> None:
    reader = asking(life, READER, tmp_path)
    question = put_question(life, reader, *life.sources)
    to = READERS[READER].recipient
    said: list[dict[str, Any]] = [
        {"number": question.number},
        {"number": question.number, "mac": ""},
        {"number": question.number, "mac": "é"},
        {"number": "../../etc/passwd", "mac": "00" * 32},
        {"number": 7, "mac": 7},
    ]

    for values in said:
        with pytest.raises(NotTheSame):
            reader.check(documents.seal(documents.encode("sameness-answer", values), to=to))
    with pytest.raises(NotTheSame):
        reader.check(b"no sealed file")


# -- another reader, relayed, replayed, stale ------------------------------------------------------------------------


def test_questions__passed_on_by_another_account__are_passed_over(life: Access, tmp_path: Path) -> None:
    # given: what a reader sealed, sent by another clinic under its own name
    reader, other = asking(life, READER, tmp_path), asking(life, OTHER, tmp_path)

    # when
    put_question(life, reader, *life.sources, sender=other.account)

    # then
    assert questions(life.patient) == []


# property U11
def test_questions__with_halves_of_another_readers_question__are_passed_over(life: Access, tmp_path: Path) -> None:
    # given: a question of one reader, whose sealed halves a man in the middle puts into a question of its own
    reader, other = asking(life, READER, tmp_path), asking(life, OTHER, tmp_path)
    question = put_question(life, reader, *life.sources)
    [letter] = life.patient.letters()
    halves = documents.decode("sameness-question", letter.document)["halves"]
    life.chain.log.clear()

    # when
    mine = replace(question, reader=other.account)
    for taken in (halves, [halves[0], own_half(life, mine)], [own_half(life, mine, at=0), halves[1]]):
        document = documents.encode("sameness-question", {**asdict(mine), "halves": taken})
        deliver(life, documents.seal(document, to=inbox_of(life, 0)), to=life.sources[0], sender=other.account)

    # then
    assert questions(life.patient) == []


def own_half(life: Access, question: Question, *, at: int = 1) -> str:
    """A half that whoever asks made itself; both of the same question would be answered to its own account."""
    document = documents.encode(
        "sameness-half", {**asdict(question), "pseudonym": question.pseudonyms[at], "half": "11" * 32}
    )
    return documents.seal(document, to=inbox_of(life, at)).hex()


def inbox_of(life: Access, at: int) -> Any:
    pseudonym = life.sources[at]
    return parse_recipient(life.chain.bundle(pseudonym, life.store).inboxes.recipients["V"])


def test_questions__whose_halves_are_for_swapped_or_equal_pseudonyms__are_passed_over(
    life: Access, tmp_path: Path
) -> None:
    reader = asking(life, READER, tmp_path)
    question = put_question(life, reader, *life.sources)
    [letter] = life.patient.letters()
    halves = documents.decode("sameness-question", letter.document)["halves"]
    life.chain.log.clear()

    for changed in (halves[::-1], [halves[0], halves[0]], halves[:1], [*halves, halves[0]], ["zz", "zz"], 7):
        document = documents.encode("sameness-question", {**asdict(question), "halves": changed})
        deliver(life, documents.seal(document, to=inbox_of(life, 0)), to=life.sources[0], sender=reader.account)
    with pytest.raises(BadDocument):
        reader.ask(life.sources[0], life.sources[0], reason="twice the same", until=life.chain.seconds + 60)

    assert questions(life.patient) == []


# property U11
def test_answer__to_an_earlier_question__does_not_answer_the_next(life: Access, tmp_path: Path) -> None:
    # given
    reader = asking(life, READER, tmp_path)
    put_question(life, reader, *life.sources)
    [asked] = questions(life.patient)
    answer = answered(life.patient, asked)
    reader.check(answer)

    # when: the same reader asks the same again, and gets the earlier answer, or its MAC under the new number
    again = put_question(life, reader, *life.sources)
    said = json.loads(documents.open_(answer, identities=[READERS[READER]]))["mac"]
    document = documents.encode("sameness-answer", {"number": again.number, "mac": said})

    # then
    for replayed in (answer, documents.seal(document, to=READERS[READER].recipient)):
        with pytest.raises(NotTheSame):
            reader.check(replayed)


# property U11
def test_answer__when_the_time_is_over__is_neither_given_nor_taken(life: Access, tmp_path: Path) -> None:
    # given
    reader = asking(life, READER, tmp_path)
    put_question(life, reader, *life.sources)
    [asked] = questions(life.patient)
    answer = answered(life.patient, asked)

    # when
    life.chain.seconds += 24 * HOUR

    # then
    assert questions(life.patient) == []
    with pytest.raises(BadSameness):
        answered(life.patient, asked)
    with pytest.raises(NotTheSame):
        reader.check(answer)


@pytest.mark.parametrize("seconds", [-1, 0, LONGEST + 1])
def test_ask__with_an_end_that_is_none__is_refused(life: Access, tmp_path: Path, seconds: int) -> None:
    with pytest.raises(BadSameness):
        asking(life, READER, tmp_path).ask(*life.sources, reason="", until=life.chain.seconds + seconds)


def test_ask__by_inboxes_that_the_controller_did_not_sign__is_refused(life: Access, tmp_path: Path) -> None:
    # given: a thief of the publisher key, who publishes an inbox of its own so as to answer in her place
    pseudonym = life.sources[1]
    document = json.loads(life.store.blobs[life.chain.digests[pseudonym]])
    document["inboxes"]["V"] = str(HybridIdentity.generate().recipient)
    del document["kind"], document["format"]
    forged = documents.encode("bundle", document)
    life.chain.digests[pseudonym] = life.store.put(io.BytesIO(forged)).digest

    # when
    with pytest.raises(BadSameness) as refused:
        asking(life, READER, tmp_path).ask(*life.sources, reason="", until=life.chain.seconds + 60)

    # then
    assert pseudonym in str(refused.value)


def test_answer__goes_to_the_recipient_that_the_reader_published__not_to_one_of_the_letter(
    life: Access, tmp_path: Path
) -> None:
    # given: a reader that published another recipient since it asked
    reader = asking(life, READER, tmp_path)
    put_question(life, reader, *life.sources)
    newer = HybridIdentity.generate()
    life.chain.profiles[reader.account] = Profile(reader.account, "reader", str(newer.recipient), {})

    # when
    [asked] = questions(life.patient)
    answer = answered(life.patient, asked)

    # then
    assert b"sameness-answer" in documents.open_(answer, identities=[newer])


def test_two_who_work_together__can_answer_for_each_other(life: Access, bob: Access, tmp_path: Path) -> None:
    # given: it proves that both are in one hand, which two people can lend each other
    reader = asking(life, READER, tmp_path)
    question = put_question(life, reader, life.sources[0], bob.sources[1])
    both = Vault.decode(life.patient.vault.encode())
    both.accounts |= bob.patient.vault.accounts

    # when
    life.patient.vault = both
    [asked] = questions(life.patient)

    # then
    assert isinstance(asked, Asked)
    assert reader.check(answered(life.patient, asked)) == question
    assert Account.create().address not in question.pseudonyms
