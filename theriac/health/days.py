"""A day's root: records of many patients, anchored together, and proven to each patient alone.

A row is the records of one class of one patient, sealed to one row of her bundle. They are the leaves of a tree; its
root, salted, is a leaf of the day's tree, whose root a member anchors with a row for each (`Records.anchorDay`). What
proves them is a document that is sealed as they are: whoever opens records of that class and hour opens their proofs,
and nobody else learns from the chain which records there are, or how many a patient has.

Both trees are those of RFC 9162, with SHA-256 (`theriac.crypto.merkle`).
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from theriac.crypto.merkle import Tree, leaf_hash, root_of
from theriac.errors import BadDocument, NotOnThatDay, UnknownClass
from theriac.health import documents
from theriac.health.scope import KeyClass

KIND = "day-proofs"
SALT = 32
"""Bytes of a row's salt."""

MOST = 16 * 1024 * 1024
"""Sealed proofs are read no further than this many bytes: two hundred thousand records of one patient and day."""

_WORD = 64
_TAG = b"theriac/v1/day"


@dataclass(frozen=True)
class DayRow:
    """A row that counts of a day's root on the chain: the member that anchored it, the bundle's version, the digest of
    the sealed proofs, and the block.
    """

    pseudonym: str
    author: int
    version: int
    root: bytes
    proofs: bytes
    block: int

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "DayRow":
        """From the values of a document, in which bytes are hexadecimal."""
        return cls(**{**values, "root": bytes.fromhex(values["root"]), "proofs": bytes.fromhex(values["proofs"])})


@dataclass(frozen=True)
class Proofs:
    """That the records of a row are below a day's root.

    :param member: the number of the member that anchors; `pseudonym` whose records they are, `cls` their class.
    :param salt: 32 bytes of hexadecimal, which only those know who may open the records.
    :param place: of the row among the `rows` of the day's tree, counted from zero.
    :param siblings: on the way from the row to the root, hexadecimal.
    :param records: the digests of the sealed records, hexadecimal, in the order of the row's own tree.
    """

    member: int
    pseudonym: str
    cls: str
    salt: str = field(repr=False)
    place: int
    rows: int
    siblings: tuple[str, ...]
    records: tuple[str, ...]

    def encode(self) -> bytes:
        return documents.encode(KIND, {**asdict(self), "siblings": list(self.siblings), "records": list(self.records)})

    @classmethod
    def decode(cls, data: bytes) -> "Proofs":
        """:raises BadDocument: no proofs of a day."""
        return cls.of(documents.decode(KIND, data))

    @classmethod
    def of(cls, values: dict[str, Any]) -> "Proofs":
        """From the values of a document. Raises BadDocument."""
        given = {name: value for name, value in values.items() if name not in ("kind", "format")}
        lists = [given.get(name) for name in ("siblings", "records")]
        numbers = [given.get(name) for name in ("member", "place", "rows")]
        texts = [given.get(name) for name in ("pseudonym", "cls", "salt")]
        if given.keys() != cls.__annotations__.keys() or not all(isinstance(each, list) for each in lists):
            raise BadDocument(kind=KIND, fault="a part of it is missing")
        if any(type(each) is not int or not 0 <= each < 2**32 for each in numbers):
            raise BadDocument(kind=KIND, fault="a number of it is none")
        if not all(isinstance(each, str) for each in texts):
            raise BadDocument(kind=KIND, fault="a part of it is missing")
        words = [given["salt"], *given["siblings"], *given["records"]]
        if not given["records"] or not all(_is_word(each) for each in words):
            raise BadDocument(kind=KIND, fault="a digest of it is none")
        if len(set(given["records"])) != len(given["records"]):
            raise BadDocument(kind=KIND, fault="it names a record twice")
        try:
            KeyClass.parse(given["cls"])
            bytes.fromhex(given["pseudonym"].removeprefix("0x"))
        except (UnknownClass, ValueError):
            raise BadDocument(kind=KIND, fault="it names no class, or no pseudonym") from None
        return cls(**{**given, "siblings": tuple(given["siblings"]), "records": tuple(given["records"])})

    def root(self) -> bytes | None:
        """The day's root that these records are below; None where the path has another shape."""
        row = Row(self.pseudonym, self.cls, self.records)
        leaf = leaf_of(self.member, row, salt=bytes.fromhex(self.salt), rows=self.rows)
        siblings = [bytes.fromhex(each) for each in self.siblings]
        return root_of(leaf, place=self.place, size=self.rows, siblings=siblings)

    def check(self, row: DayRow) -> None:
        """Checks that this is what a row on the chain stands for.

        :raises NotOnThatDay: it is another pseudonym's or member's, or its path leads to another root.
        """
        if self.pseudonym != row.pseudonym:
            raise NotOnThatDay(root=row.root.hex(), member=row.author, fault="they are of another pseudonym")
        if self.member != row.author:
            raise NotOnThatDay(root=row.root.hex(), member=row.author, fault="they are of another member")
        if self.root() != row.root:
            raise NotOnThatDay(root=row.root.hex(), member=row.author, fault="their path leads to another root")


@dataclass(frozen=True)
class Row:
    """The records of one class of one patient, before they are in a tree: `records` are hexadecimal digests."""

    pseudonym: str
    cls: str
    records: tuple[str, ...]


def leaf_of(member: int, row: Row, *, salt: bytes, rows: int) -> bytes:
    """The leaf of a row in the day's tree of so many rows.

    Its entry is a tag, the member's number, the pseudonym, the salt, the number of rows, the number of records and the
    root of their tree, each of a fixed length, and the class. The member stands in it so that nobody's root serves
    another, and the number of rows since two trees can share a path.
    """
    tree = Tree([leaf_hash(bytes.fromhex(each)) for each in row.records])
    whose = member.to_bytes(4, "big") + bytes.fromhex(row.pseudonym.removeprefix("0x"))
    counts = rows.to_bytes(4, "big") + len(row.records).to_bytes(4, "big")
    return leaf_hash(_TAG + whose + salt + counts + tree.root + row.cls.encode())


def prove(member: int, rows: Sequence[Row]) -> tuple[bytes, list[Proofs]]:
    """The root over rows, and what proves each of them, in their order. Their places are drawn: nobody learns from one
    who came before.
    """
    salts = [secrets.token_bytes(SALT) for _ in rows]
    places = list(range(len(rows)))
    secrets.SystemRandom().shuffle(places)
    leaves = [b""] * len(rows)
    for row, salt, place in zip(rows, salts, places, strict=True):
        leaves[place] = leaf_of(member, row, salt=salt, rows=len(rows))
    tree = Tree(leaves)
    proofs = [
        Proofs(
            member=member,
            pseudonym=row.pseudonym,
            cls=row.cls,
            salt=salt.hex(),
            place=place,
            rows=len(rows),
            siblings=tuple(each.hex() for each in tree.path(place)),
            records=row.records,
        )
        for row, salt, place in zip(rows, salts, places, strict=True)
    ]
    return tree.root, proofs


def _is_word(text: object) -> bool:
    try:
        return isinstance(text, str) and len(text) == _WORD and len(bytes.fromhex(text)) == _WORD // 2
    except ValueError:
        return False
