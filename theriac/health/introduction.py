"""What a patient hands in at a desk: her pseudonym there and the inboxes to fall back to, signed."""

from dataclasses import dataclass, replace
from typing import Any

from eth_account.messages import SignableMessage, encode_defunct

from theriac.errors import BadDocument, BadIntroduction, BadRecipient
from theriac.health import documents
from theriac.health.bundle import Inboxes, inboxes_from, inboxes_of
from theriac.health.vault import Account
from theriac.ledger.signer import Signer


@dataclass(frozen=True)
class Introduction:
    """A pseudonym for one member, with its inboxes, which the writer pins."""

    pseudonym: str
    member: int
    inboxes: Inboxes
    signature: str = ""

    @classmethod
    def sign(cls, account: Account, *, member: int, signer: Signer) -> "Introduction":
        unsigned = cls(account.pseudonym, member, inboxes_of(account))
        return replace(unsigned, signature=signer.sign_message(unsigned.message()).hex())

    def _values(self) -> dict[str, Any]:
        return {
            "pseudonym": self.pseudonym,
            "member": self.member,
            "inboxes": self.inboxes.values(),
            "signature": self.signature,
        }

    def message(self) -> SignableMessage:
        """What the controller signs (EIP-191): the introduction without its signature."""
        unsigned = documents.encode("introduction", {**self._values(), "signature": ""})
        return encode_defunct(primitive=b"Theriac introduction\n" + unsigned)

    def encode(self) -> bytes:
        return documents.encode("introduction", self._values())

    @classmethod
    def decode(cls, data: bytes, *, member: int) -> "Introduction":
        """:raises BadDocument: no introduction.
        :raises BadIntroduction: it is meant for another member.
        """
        values = documents.decode("introduction", data.strip())
        try:
            pseudonym, inboxes = str(values["pseudonym"]), values["inboxes"]
            found = cls(pseudonym, int(values["member"]), inboxes_from(pseudonym, inboxes), str(values["signature"]))
        except (KeyError, TypeError, ValueError, BadRecipient):
            raise BadDocument(kind="introduction", fault="a part of it is missing or broken") from None
        if found.member != member:
            raise BadIntroduction(pseudonym=pseudonym, fault=f"it is meant for member {found.member}")
        return documents.as_written("introduction", found, data)
