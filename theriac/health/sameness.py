"""Proof that two pseudonyms are one person's, to one chosen reader and to nobody else.

The reader draws two halves and seals each to the inbox of one pseudonym, both in one letter to the first. Whoever opens
both can answer with a MAC under the two halves together, and who opens one cannot. The reader knows both halves too, so
it could have made any answer itself: it is convinced, since it knows that it did not, and can convince nobody.

    (1) the letter was sent by the very account that the question names, so nobody asks in another's name;
    (2) both halves name the same question: reader, both pseudonyms, number, reason, end;
    (3) each opens with the inbox of the pseudonym that it names, and that inbox is hers;
    (4) it has not ended; and she was asked.

An answer is sealed to the reader's published recipient. It is handed over, or travels as a letter from an account that
is used for this once: nothing that a pseudonym of hers signs says that she answered.
"""

import hashlib
import hmac
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from eth_account import Account as EthAccount
from eth_utils.address import is_checksum_address

from theriac.crypto.recipients import HybridIdentity, Identity, parse_recipient
from theriac.errors import BadDocument, BadSameness, NotTheSame, TheriacError
from theriac.health import documents
from theriac.health.bundle import Inboxes
from theriac.health.chain import Chain
from theriac.health.keystore import write_private
from theriac.health.letters import letters_to
from theriac.health.patient import Patient, Received
from theriac.health.scope import Level
from theriac.ledger.codec import canonical_json
from theriac.store import Store

LONGEST = 30 * 24 * 3600
"""Seconds that a question stands at most."""

_QUESTION, _HALF, _ANSWER, _KEPT = "sameness-question", "sameness-half", "sameness-answer", "sameness-kept"
_INFO = b"theriac/v1/sameness"


@dataclass(frozen=True)
class Question:
    """Who asks whether two pseudonyms are one person's, why, and until when an answer counts.

    :param reader: the account that asks; `first` and `second` the pseudonyms, of which the first got the letter.
    :param number: 32 random bytes, hexadecimal; `until` a second since 1970.
    """

    reader: str
    first: str
    second: str
    number: str
    reason: str
    until: int

    @property
    def pseudonyms(self) -> tuple[str, str]:
        return self.first, self.second

    @classmethod
    def of(cls, values: Any) -> "Question":
        """:raises BadDocument: no question."""
        try:
            found = cls(
                reader=str(values["reader"]),
                first=str(values["first"]),
                second=str(values["second"]),
                number=str(values["number"]),
                reason=str(values["reason"]),
                until=int(values["until"]),
            )
        except (KeyError, TypeError, ValueError):
            raise BadDocument(kind=_QUESTION, fault="a part of it is missing or broken") from None
        if not all(map(is_checksum_address, (found.reader, *found.pseudonyms))) or found.first == found.second:
            raise BadDocument(kind=_QUESTION, fault="it names no reader and two pseudonyms")
        return found


def mac(question: Question, halves: Sequence[bytes]) -> str:
    """What whoever has both halves answers: HMAC-SHA256 over the whole question."""
    key = HKDF(SHA256(), 32, None, _INFO).derive(b"".join(halves))
    return hmac.digest(key, canonical_json(asdict(question)), "sha256").hex()


def _answer(question: Question, halves: Sequence[bytes]) -> bytes:
    return documents.encode(_ANSWER, {"number": question.number, "mac": mac(question, halves)})


# -- the reader ------------------------------------------------------------------------------------------------------


class Asking:
    """The reader's side: asks, remembers what it asked, and judges answers."""

    def __init__(self, *, account: str, identity: HybridIdentity, chain: Chain, store: Store, folder: Path) -> None:
        self.account = account
        self._identity = identity
        self._chain = chain
        self._store = store
        self._folder = folder / "sameness"

    def ask(self, first: str, second: str, *, reason: str, until: int) -> tuple[Question, bytes]:
        """A new question, and the sealed letter with it, to be sent to the first pseudonym from this account.

        Nothing on the chain names the second: one letter to each at about one time would give the pair away.

        :raises NoBundle: a pseudonym has published nothing.
        :raises BadSameness: an inbox is not signed by who controls its pseudonym, or the end lies too far ahead.
        """
        now = self._chain.time()
        if not now < until <= now + LONGEST:
            raise BadSameness(fault="it must end within 30 days")
        question = Question(self.account, first, second, os.urandom(32).hex(), reason, until)
        Question.of(asdict(question))
        halves = [os.urandom(32) for _ in question.pseudonyms]
        inboxes = [self._inbox(pseudonym) for pseudonym in question.pseudonyms]
        sealed = [
            documents.seal(_half(question, pseudonym, half), to=inbox)
            for pseudonym, half, inbox in zip(question.pseudonyms, halves, inboxes, strict=True)
        ]
        letter = documents.encode(_QUESTION, {**asdict(question), "halves": [each.hex() for each in sealed]})
        self._keep(question, halves)
        return question, documents.seal(letter, to=inboxes[0])

    def _inbox(self, pseudonym: str) -> Any:
        """The inbox for the most restricted, which no emergency opens, as the controller signed it."""
        inboxes = self._chain.bundle(pseudonym, self._store).inboxes
        if not _signed(inboxes, self._chain):
            # A thief of the publisher key can publish other inboxes, but not sign for them.
            raise BadSameness(fault=f"the inboxes of {pseudonym} are not signed by who controls it")
        return parse_recipient(inboxes.recipients[Level.V.name])

    def answers(self) -> list[bytes]:
        """Sealed letters to this account that can be answers, the latest first; from whom does not matter."""
        found = []
        for letter in letters_to(self._chain, [self.account]):
            try:
                found.append(letter.sealed(self._store))
            except TheriacError:
                continue
        return found

    def check(self, sealed: bytes) -> Question:
        """The question that an answer answers rightly. Each is answered once.

        :raises NotTheSame: it shows nothing.
        """
        try:
            values = documents.decode(_ANSWER, documents.open_(sealed, identities=[self._identity]))
            number, said = str(values["number"]), str(values["mac"])
        except (TheriacError, KeyError):
            raise NotTheSame(fault="it is no answer to this reader") from None
        kept = {question.number: (question, halves) for question, halves in self._kept()}
        if number not in kept:
            raise NotTheSame(fault="it answers nothing that was asked here and is still open")
        question, halves = kept[number]
        if self._chain.time() >= question.until:
            raise NotTheSame(fault="the time to answer is over")
        if not hmac.compare_digest(said.encode(), mac(question, halves).encode()):
            raise NotTheSame(fault="whoever answered did not have both halves")
        self._path(number).unlink()
        return question

    def simulate(self, question: Question) -> bytes:
        """The answer, made by the reader alone: the same bytes that a true one has, so that neither proves anything.

        :raises NotTheSame: nothing of this question is known here.
        """
        for kept, halves in self._kept():
            if kept == question:
                return documents.seal(_answer(question, halves), to=self._identity.recipient)
        raise NotTheSame(fault="it answers nothing that was asked here and is still open")

    def open_questions(self) -> list[Question]:
        """What was asked here and not answered yet."""
        return [question for question, _ in self._kept()]

    # -- what is kept ------------------------------------------------------------------------------------------------

    def _path(self, number: str) -> Path:
        # The number is the answer's, which anybody may have made up.
        return self._folder / f"{hashlib.sha256(number.encode()).hexdigest()}.kept"

    def _keep(self, question: Question, halves: Sequence[bytes]) -> None:
        document = documents.encode(_KEPT, {**asdict(question), "halves": [half.hex() for half in halves]})
        write_private(self._path(question.number), documents.seal(document, to=self._identity.recipient))

    def _kept(self) -> list[tuple[Question, tuple[bytes, ...]]]:
        found = []
        for path in sorted(self._folder.glob("*.kept")):
            values = documents.decode(_KEPT, documents.open_(path.read_bytes(), identities=[self._identity]))
            found.append((Question.of(values), tuple(bytes.fromhex(half) for half in values["halves"])))
        return found


def _half(question: Question, pseudonym: str, half: bytes) -> bytes:
    return documents.encode(_HALF, {**asdict(question), "pseudonym": pseudonym, "half": half.hex()})


def _signed(inboxes: Inboxes, chain: Chain) -> bool:
    controller = chain.authority(inboxes.pseudonym).controller
    try:
        signature = bytes.fromhex(inboxes.signature)
    except ValueError:
        return False
    try:
        if EthAccount.recover_message(inboxes.message(), signature=signature) == controller:
            return True
    except Exception:
        # Whatever a library makes of a malformed signature, it is nobody's key; the account's code may accept it.
        pass
    return chain.accepts(controller, inboxes.message(), signature)


# -- the patient -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """A question that lies in an inbox and that can be answered: both halves opened."""

    question: Question
    letter: str
    halves: tuple[bytes, ...] = field(repr=False)


def questions(patient: Patient) -> list[Asked]:
    """The questions that this patient can answer now, the latest first; all others are passed over.

    One about a pseudonym that is not hers cannot be told from one that she does not answer.
    """
    found = []
    for letter in patient.letters():
        try:
            found.append(_asked(patient, letter))
        except TheriacError:
            continue
    return found


def _asked(patient: Patient, letter: Received) -> Asked:
    values = documents.decode(_QUESTION, letter.document)
    question = Question.of(values)
    if question.reader != letter.sender:  # (1)
        raise BadSameness(fault="who sent it is not who asks")
    if question.first != letter.account.pseudonym:
        raise BadSameness(fault="it was sent to another pseudonym")
    if patient.chain.time() >= question.until:  # (4)
        raise BadSameness(fault="the time to answer is over")
    halves = []
    for pseudonym, sealed in zip(question.pseudonyms, _sealed(values), strict=True):
        account = patient.vault.accounts.get(pseudonym)
        if account is None:
            raise BadSameness(fault="one of the pseudonyms is not yours")
        halves.append(_opened(sealed, question, pseudonym, [account.inbox(Level.V)]))
    return Asked(question, letter.digest, tuple(halves))


def _sealed(values: dict[str, Any]) -> tuple[bytes, bytes]:
    try:
        first, second = (bytes.fromhex(each) for each in values["halves"])
    except (KeyError, TypeError, ValueError):
        raise BadDocument(kind=_QUESTION, fault="it has no two halves") from None
    return first, second


def _opened(sealed: bytes, question: Question, pseudonym: str, identities: Sequence[Identity]) -> bytes:
    values = documents.decode(_HALF, documents.open_(sealed, identities=identities))  # (3)
    if Question.of(values) != question or values.get("pseudonym") != pseudonym:  # (2)
        raise BadSameness(fault="its halves are of different questions")
    try:
        half = bytes.fromhex(values["half"])
    except (KeyError, TypeError, ValueError):
        raise BadDocument(kind=_HALF, fault="a part of it is missing or broken") from None
    if len(half) != 32:
        raise BadDocument(kind=_HALF, fault="its half has not 32 bytes")
    return half


def answered(patient: Patient, asked: Asked) -> bytes:
    """The answer, sealed to what the reader itself published; to be handed over, or sent by `Patient.send_once`.

    :raises BadSameness: the time is over.
    :raises NoProfile: the reader has nothing to seal to.
    """
    if patient.chain.time() >= asked.question.until:
        raise BadSameness(fault="the time to answer is over")
    profile = patient.chain.profile(asked.question.reader, patient.store)
    return documents.seal(_answer(asked.question, asked.halves), to=parse_recipient(profile.recipient))
