"""Asking a maker about a pack that is not held here, and what its answer is worth.

A question is a signed scan. An answer is signed by an account of the maker and names the question it answers; for a
pack that is known it carries a proof that the pack is in the batch, so that a maker cannot vouch for a pack that it
never made, and what became of the pack is read from the asker's own chain. That a pack is false is the maker's word
alone, and is believed only where every maker that has batches of this product and lot says so. Whatever else happens,
no answer, a late one, a wrong one, a chain that is out of reach, leaves the pack `unknown here`.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum, unique
from hashlib import sha256
from queue import Empty, SimpleQueue
from typing import Any
from urllib.parse import urlsplit

import requests
from eth_account.messages import SignableMessage

from theriac.consortium import Role
from theriac.errors import (
    BadAnswer,
    BadScan,
    FalseReport,
    NotAClone,
    QuestionRefused,
    Refused,
    Tampered,
    TheriacError,
    Unavailable,
    VerifierSilent,
)
from theriac.ledger.codec import canonical_json, parse_json
from theriac.ledger.signer import Signer
from theriac.ledger.typed import Domain
from theriac.medicine import gs1, wedge
from theriac.medicine.chain import Chain
from theriac.medicine.clones import SKEW, CloneReport, verify
from theriac.medicine.packid import PackCode
from theriac.medicine.scanner import Cause, Verdict, cause_on_chain
from theriac.medicine.scans import (
    PackProof,
    Scan,
    SignedScan,
    account_of,
    as_written,
    bytes_of,
    document,
    domain_of,
    is_signed_by,
    moment_of,
    number_of,
    text_of,
    typed,
)
from theriac.medicine.shelf import KnownPack
from theriac.medicine.tree import CAPACITY

ENDPOINT = "verify"
"""How a maker's profile calls the address of its verify service, among its endpoints."""

PATH = "/verify"
"""Where the service takes questions, below that address."""

_VARIANTS_ASKED = 3

LARGEST_ANSWER = 64 * 1024
"""No answer is read beyond this many bytes."""


@unique
class Finding(Enum):
    """What a maker says of a pack. Only `known` comes with a proof; `cut` says that the code may be a reading that
    broke off, and `unsure` that the maker cannot tell.
    """

    KNOWN = "known"
    ALTERED = "altered"
    CUT = "cut"
    TWICE = "twice"
    FALSE = "false"
    NOT_MINE = "not mine"
    UNSURE = "unsure"


@dataclass(frozen=True)
class Answer:
    """What a maker says to one question.

    `question` is the digest of the signed scan; `proof` where the pack lies, for one that is known; `status` what the
    maker's chain says became of it at `block` (`in stock`, `dispensed`, `recalled`, ...) and `yours` whether the asker
    holds it: for people, since the asker reads its own chain. `clone` is a report that this question brought to light.
    """

    question: bytes
    finding: Finding
    time: datetime
    block: int
    account: str
    proof: PackProof | None = None
    status: str = ""
    yours: bool = False
    clone: CloneReport | None = None
    signature: bytes = b""

    def content(self) -> bytes:
        """All that the maker signs, as canonical JSON."""
        values: dict[str, Any] = {
            "kind": "answer",
            "format": 1,
            "question": self.question.hex(),
            "finding": self.finding.value,
            "time": int(self.time.timestamp()),
            "block": self.block,
            "account": self.account,
            "proof": self.proof.values() if self.proof else None,
            "status": self.status,
            "yours": self.yours,
            "clone": parse_json(self.clone.encode()) if self.clone else None,
        }
        return canonical_json(values)

    def signable(self, domain: Domain) -> SignableMessage:
        """What the maker's account signs; `domain` is `domain_of` the contract."""
        values = {
            "question": self.question,
            "finding": self.finding.value,
            "time": int(self.time.timestamp()),
            "account": self.account,
            "content": sha256(self.content()).digest(),
        }
        fields = "bytes32 question,string finding,uint40 time,address account,bytes32 content"
        return typed(domain, "Answer", fields, values)

    def signed(self, signer: Signer, domain: Domain) -> "Answer":
        """The same with a signature."""
        return replace(self, signature=signer.sign_message(self.signable(domain)))

    def encode(self) -> bytes:
        """The answer as a document."""
        return canonical_json({**parse_json(self.content()), "signature": self.signature.hex()})

    @classmethod
    def decode(cls, data: bytes) -> "Answer":
        """Raises BadScan for anything but what `encode` writes."""
        values = document(data, "answer")
        try:
            found = cls(
                question=bytes_of(values, "question"),
                finding=Finding(text_of(values, "finding")),
                time=moment_of(values, "time"),
                block=number_of(values, "block", below=1 << 53),
                account=account_of(values, "account"),
                proof=PackProof.of(values["proof"]) if values["proof"] is not None else None,
                status=text_of(values, "status"),
                yours=bool(values["yours"]),
                clone=CloneReport.of(values["clone"]) if values["clone"] is not None else None,
                signature=bytes_of(values, "signature", size=65),
            )
        except (KeyError, TypeError, ValueError) as fault:
            raise BadScan(kind="answer", fault=f"{type(fault).__name__} in one of its parts") from None
        return as_written("answer", found, data)


@dataclass(frozen=True)
class Answered:
    """An answer that was checked, and the question it answers."""

    question: SignedScan
    answer: Answer

    @property
    def maker(self) -> int:
        return self.question.scan.maker


# -- checking --------------------------------------------------------------------------------------------------------


def checked(answer: Answer, question: SignedScan, *, chain: Chain, now: datetime) -> Answered:
    """An answer after it was found to be one to this question, from its maker, and true where that can be told.

    A report of a clone that a later handoff explains is left out of it.

    :raises BadAnswer: it is not.
    :raises ChainSilent: and what else a chain can raise; nothing is known then.
    """
    domain = domain_of(chain.domain())
    scan = question.scan
    # (1) it answers this question
    if answer.question != scan.digest(domain):
        raise BadAnswer(fault="it answers another question")
    # (2) the account that it names signed it
    if not is_signed_by(answer.signable(domain), answer.signature, answer.account):
        raise BadAnswer(fault=f"it was not signed by {answer.account}")
    # (3) that account acts for the maker now
    if chain.standing(answer.account, int(Role.MAKER)) != scan.maker:
        raise BadAnswer(fault=f"{answer.account} does not speak for member {scan.maker}")
    # (4) it is fresh
    if abs(answer.time - now) > SKEW:
        raise BadAnswer(fault="it was not made now")
    # (5) a pack that is known is in a batch of this maker
    if (answer.finding is Finding.KNOWN) != (answer.proof is not None):
        raise BadAnswer(fault="a proof is missing, or stands where none can be")
    if answer.proof is not None:
        state = chain.state(answer.proof.batch)
        if state is None or state.maker != scan.maker or not answer.proof.proves(scan, maker=scan.maker):
            raise BadAnswer(fault="the pack is not in the batch that it names")
    # (6) a clone is one by both signatures and by the chain, and is of this pack
    return Answered(question, replace(answer, clone=_true_clone(answer, question, chain)))


def _true_clone(answer: Answer, question: SignedScan, chain: Chain) -> CloneReport | None:
    report = answer.clone
    if report is None:
        return None
    if report.proof != answer.proof or question not in report.scans:
        raise BadAnswer(fault="its report of a clone is of another pack")
    try:
        verify(report, chain)
    except FalseReport as fault:
        raise BadAnswer(fault=fault.fault) from None
    except NotAClone:
        return None
    return report


def makers_of(verdict: Verdict, chain: Chain) -> tuple[int, ...]:
    """The members to ask about a pack that is unknown here: those that commissioned its product and lot."""
    return _makers(verdict.batches, chain)


def _makers(batches: Sequence[bytes], chain: Chain) -> tuple[int, ...]:
    states = [chain.state(batch) for batch in batches]
    return tuple(sorted({state.maker for state in states if state is not None}))


def explained(verdict: Verdict, answers: Sequence[Answered], *, chain: Chain, member: int, now: datetime) -> Verdict:
    """The verdict on a pack that was `unknown here`, after makers were asked; any other verdict stays as it is.

    It is never GENUINE, for a pack that no sheet told of is not this member's to hand out. It is FALSE or ALTERED only
    where every maker of the product and lot answered, and none of them knows the pack or finds its code broken off; nor
    may there be another maker with a batch of which nothing here tells what it is of.
    """
    if verdict.cause is not Cause.UNKNOWN_HERE:
        return verdict
    for each in answers:
        if each.answer.proof is not None:
            return _known(verdict, each.answer, each.answer.proof, chain=chain, member=member, now=now)

    asked = makers_of(verdict, chain)
    findings = {each.maker: each.answer.finding for each in answers}
    if not asked or any(findings.get(maker) not in _DENIED for maker in asked):
        return verdict
    if not set(asked).issuperset(_makers(verdict.elsewhere, chain)):
        return verdict
    said = {_DENIED[findings[maker]] for maker in asked}
    cause = next(each for each in _DENIED.values() if each in said)
    return replace(verdict, cause=cause)


_DENIED = {
    Finding.CUT: Cause.NO_CODE,
    Finding.ALTERED: Cause.ALTERED,
    Finding.TWICE: Cause.SERIAL_TWICE,
    Finding.FALSE: Cause.FALSE,
}
"""What a pack is where no maker knows it; the mildest that one of them said."""


def _known(verdict: Verdict, answer: Answer, proof: PackProof, *, chain: Chain, member: int, now: datetime) -> Verdict:
    state = chain.state(proof.batch)
    if state is None:
        return verdict
    second = int(now.timestamp())
    cause = cause_on_chain(state, proof.index, member=member, now=second)
    if answer.clone is not None and len(answer.clone.scans) > 1:
        cause = Cause.CLONED
    elif cause is Cause.GENUINE:
        # It is this member's on the chain, and its sheet never came: without that it cannot be dispensed.
        cause = Cause.UNKNOWN_HERE
    holder = state.place(CAPACITY | proof.index, now=second).holder
    return replace(verdict, cause=cause, pack=KnownPack(proof.batch, proof.index), holder=holder)


# -- asking ----------------------------------------------------------------------------------------------------------


def ask(url: str, question: SignedScan, *, timeout: float = 5.0) -> Answer:
    """What the service at `url` answers, within `timeout` seconds in all; nothing of it is checked yet (`checked`).

    :raises VerifierSilent: no answer, or none of its kind.
    :raises QuestionRefused: the service does not answer this account, or not now.
    """
    outcome: SimpleQueue[Answer | TheriacError] = SimpleQueue()

    def attempt() -> None:
        try:
            outcome.put(_asked(url, question, timeout))
        except TheriacError as trouble:
            outcome.put(trouble)
        except Exception as trouble:
            outcome.put(VerifierSilent(url=url, reason=type(trouble).__name__))

    # In a thread of its own: a server that sends a byte now and then keeps to every time-out of a socket.
    threading.Thread(target=attempt, daemon=True).start()
    try:
        found = outcome.get(timeout=timeout)
    except Empty:
        raise VerifierSilent(url=url, reason=f"nothing within {timeout:g} s") from None
    if isinstance(found, Answer):
        return found
    raise found


def _asked(url: str, question: SignedScan, timeout: float) -> Answer:
    deadline = time.monotonic() + timeout
    headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
    with requests.post(
        address_of(url), data=question.encode(), headers=headers, timeout=timeout, stream=True, allow_redirects=False
    ) as response:
        received = bytearray()
        while part := response.raw.read1(1 << 14):
            received += part
            if len(received) > LARGEST_ANSWER or time.monotonic() > deadline:
                raise VerifierSilent(url=url, reason="an answer without end")
        if 400 <= response.status_code < 500:
            raise QuestionRefused(
                reason=_reason(bytes(received)),
                status=response.status_code,
                seconds=_seconds(response.headers.get("Retry-After", "")),
            )
        if response.status_code != 200:
            raise VerifierSilent(url=url, reason=f"HTTP status {response.status_code}")
    try:
        return Answer.decode(bytes(received))
    except BadScan as fault:
        raise VerifierSilent(url=url, reason=fault.fault) from None


def address_of(url: str) -> str:
    """The address that questions are sent to. Raises VerifierSilent for what is no web address."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or parts.username is not None:
        raise VerifierSilent(url=url, reason="its profile gives no web address")
    return url.rstrip("/") + PATH


def _reason(body: bytes) -> str:
    """What a service says, as far as it can be shown: a stranger's words."""
    try:
        said = str(parse_json(body)["error"])
    except (ValueError, KeyError, TypeError):
        said = "no reason was given"
    return "".join(letter if letter.isprintable() else " " for letter in said)[:200].rstrip(".")


def _seconds(text: str) -> int:
    return min(int(text), 86_400) if text.isascii() and text.isdecimal() and len(text) < 9 else 0


@dataclass(frozen=True)
class Explained:
    """A verdict after makers were asked, their answers, and why others gave none, by member."""

    verdict: Verdict
    answers: tuple[Answered, ...]
    silent: dict[int, TheriacError]

    @property
    def clone(self) -> CloneReport | None:
        """The report of a clone that an answer brought; keep it and hand it to the authority."""
        return next((each.answer.clone for each in self.answers if each.answer.clone), None)


class Inquirer:
    """Asks makers for one account of a member that stands at one place."""

    def __init__(self, *, member: int, signer: Signer, chain: Chain, place: str, timeout: float = 5.0) -> None:
        """`place` is a GLN or a text; `timeout` bounds each question in seconds."""
        self._member = member
        self._signer = signer
        self._chain = chain
        self._place = place
        self._timeout = timeout

    def sign(self, code: PackCode, *, maker: int, now: datetime) -> SignedScan:
        """A scan as it is asked about."""
        scan = Scan.of(
            code, member=self._member, account=str(self._signer.address), place=self._place, time=now, maker=maker
        )
        return SignedScan.sign(scan, signer=self._signer, domain=domain_of(self._chain.domain()))

    def ask(self, code: PackCode, *, maker: int, url: str, now: datetime) -> Answered:
        """Asks one maker, and checks its answer.

        :raises VerifierSilent, QuestionRefused, BadAnswer: and what a chain can raise; the pack stays unknown.
        """
        question = self.sign(code, maker=maker, now=now)
        started = time.monotonic()
        answer = ask(url, question, timeout=self._timeout)
        if answer.proof is not None and self._chain.state(answer.proof.batch) is None:
            self._chain.sync()
        waited = datetime.fromtimestamp(now.timestamp() + time.monotonic() - started, UTC)
        return checked(answer, question, chain=self._chain, now=waited)

    def explain(self, verdict: Verdict, *, url_of: Callable[[int], str | None], now: datetime) -> Explained:
        """Asks every maker of a pack that is `unknown here`; `url_of` gives a member's verify service, if it has one.

        Before a pack is suspected the scanner is: what a wrongly set one may have made of a true code is asked about
        too. Raises nothing because of a maker or a chain: who gave no answer is in `silent`, and the verdict stays.
        """
        if verdict.cause is not Cause.UNKNOWN_HERE or verdict.code is None:
            return Explained(verdict, (), {})
        makers = makers_of(verdict, self._chain)
        first = self._asked(verdict.code, makers, url_of=url_of, now=now)
        told = explained(verdict, first.answers, chain=self._chain, member=self._member, now=now)
        if told.cause not in _DENIED.values():
            return replace(first, verdict=told)
        for variant in wedge.variants(gs1.write(verdict.code, today=now.date()), today=now.date())[:_VARIANTS_ASKED]:
            other = self._asked(variant.code, makers, url_of=url_of, now=now)
            if any(each.answer.proof is not None for each in other.answers):
                return replace(first, verdict=replace(verdict, cause=Cause.SCANNER, scanner=variant.causes))
            if other.silent:
                return replace(first, verdict=verdict, silent=other.silent)
        return replace(first, verdict=told)

    def _asked(
        self, code: PackCode, makers: Sequence[int], *, url_of: Callable[[int], str | None], now: datetime
    ) -> Explained:
        answers: list[Answered] = []
        silent: dict[int, TheriacError] = {}
        for maker in makers:
            try:
                url = url_of(maker)
                if url is None:
                    raise VerifierSilent(url=f"member {maker}", reason="it publishes no verify service")
                answers.append(self.ask(code, maker=maker, url=url, now=now))
            except (Unavailable, Refused, Tampered, BadScan) as trouble:
                silent[maker] = trouble
        return Explained(Verdict(Cause.UNKNOWN_HERE, code=code), tuple(answers), silent)
