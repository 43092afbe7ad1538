"""Letters between a member and a patient: a request for access, and its answer. Both travel sealed."""

from dataclasses import asdict, dataclass

from theriac.errors import BadDocument, UnknownClass, UnknownPurpose
from theriac.health import documents
from theriac.health.scope import KeyClass, Purpose


@dataclass(frozen=True)
class Request:
    """Who wants to read what, why, and until when.

    :param pseudonym: the patient, as the member that asks knows her; `member` its number.
    :param reader: who is to read: an account, or the member's number as an address.
    :param end: until when, ISO 8601 UTC; `history` whether also what was written before.
    :param letter: the digest of the letter that brought it; an answer names it.
    """

    pseudonym: str
    member: int
    reader: str
    name: str
    classes: tuple[str, ...]
    purpose: str
    end: str
    history: bool
    reason: str
    letter: str = ""

    def encode(self) -> bytes:
        values = asdict(self)
        del values["letter"]
        return documents.encode("request", {**values, "classes": list(self.classes)})

    @classmethod
    def decode(cls, data: bytes, *, pseudonym: str, letter: str) -> "Request":
        """:raises BadDocument: no request, or one to somebody else."""
        values = documents.decode("request", data)
        try:
            request = cls(
                pseudonym=str(values["pseudonym"]),
                member=int(values["member"]),
                reader=str(values["reader"]),
                name=str(values["name"]),
                classes=tuple(str(KeyClass.parse(name)) for name in values["classes"]),
                purpose=Purpose.parse(values["purpose"]).code,
                end=str(values["end"]),
                history=bool(values["history"]),
                reason=str(values["reason"]),
                letter=letter,
            )
        except (KeyError, TypeError, ValueError, UnknownClass, UnknownPurpose):
            raise BadDocument(kind="request", fault="a part of it is missing or broken") from None
        if request.pseudonym != pseudonym:
            raise BadDocument(kind="request", fault="it is addressed to somebody else")
        return documents.as_written("request", request, data)


@dataclass(frozen=True)
class Answer:
    """What became of a request."""

    pseudonym: str
    request: str
    granted: bool
    reason: str

    def encode(self) -> bytes:
        return documents.encode("answer", asdict(self))

    @classmethod
    def decode(cls, data: bytes) -> "Answer":
        """:raises BadDocument: no answer."""
        values = documents.decode("answer", data)
        try:
            found = cls(
                str(values["pseudonym"]), str(values["request"]), bool(values["granted"]), str(values["reason"])
            )
        except KeyError:
            raise BadDocument(kind="answer", fault="a part of it is missing") from None
        return documents.as_written("answer", found, data)
