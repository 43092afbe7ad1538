"""Who is a member, licensed as what, until when; what staff and devices sign to join and to leave."""

from dataclasses import dataclass
from enum import IntFlag
from typing import Any, ClassVar

from theriac.errors import UnknownRole
from theriac.ledger.typed import Message, fields

JOIN_WINDOW = 7 * 24 * 3600
"""How many seconds ahead the deadline of a signature to join or to leave may lie."""


class Role(IntFlag):
    """What a licence or an affiliation is for; the bits of `Roles` in contracts/types/Roles.sol."""

    CLINICIAN = 1 << 0
    PRESCRIBER = 1 << 1
    PHARMACIST = 1 << 2
    MAKER = 1 << 3
    DISTRIBUTOR = 1 << 4
    INSURER = 1 << 5
    REGULATOR = 1 << 6
    AUDITOR = 1 << 7
    CUSTODIAN = 1 << 8
    LABORATORY = 1 << 9
    DEVICE = 1 << 10
    GATEWAY = 1 << 11

    @classmethod
    def parse(cls, text: str) -> "Role":
        """The roles of a comma-separated list such as `clinician,gateway`.

        :raises UnknownRole: one of the words is no role.
        """
        roles = cls(0)
        for word in (part.strip() for part in text.split(",")):
            if word.upper() not in cls.__members__:
                raise UnknownRole(text=word, known=", ".join(role.lower() for role in cls.__members__))
            roles |= cls[word.upper()]
        return roles

    def words(self) -> list[str]:
        """The words a wallet shows, by ascending bit."""
        return [name.lower() for name, role in Role.__members__.items() if role in self]


@dataclass(frozen=True)
class Join(Message):
    """What a person or a device signs to join a member."""

    account: str
    member: int
    roles: Role
    nonce: int
    deadline: int

    CONTRACT: ClassVar[str] = "Consortium"
    FUNCTION: ClassVar[str] = "join"
    TYPE: ClassVar[str] = "Join"
    FIELDS: ClassVar = fields("address account,uint32 member,string[] roles,uint32 nonce,uint40 deadline")

    def values(self) -> dict[str, Any]:
        return {**super().values(), "roles": self.roles.words()}

    def terms(self) -> tuple[str, int, int, int, int]:
        """The terms as `Consortium.join` takes them."""
        return (self.account, self.member, int(self.roles), self.nonce, self.deadline)

    def arguments(self, *signatures: bytes) -> tuple[Any, ...]:
        return (self.terms(), *signatures)


@dataclass(frozen=True)
class Leave(Message):
    """What a person signs to leave a member without sending a transaction."""

    account: str
    member: int
    nonce: int
    deadline: int

    CONTRACT: ClassVar[str] = "Consortium"
    FUNCTION: ClassVar[str] = "leaveBySig"
    TYPE: ClassVar[str] = "Leave"
    FIELDS: ClassVar = fields("address account,uint32 member,uint32 nonce,uint40 deadline")
