"""Erasure: what goes when a class is erased, and the letters by which members are asked to give up its files.

What is dropped from the vault is in `Vault.forget`, in which order things go in `Patient.erase`. Here is what an
erasure is about (`digests_of`), what a member is asked under the pseudonym that it knows, and what it signs when it has
done so. A member is told of no other pseudonym, and not of the backup, which would tell that this one has a home.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from eth_account import Account as EthAccount
from eth_account.messages import SignableMessage, encode_defunct

from theriac.errors import BadDocument, TheriacError, Unavailable
from theriac.health import documents
from theriac.health.chain import Chain
from theriac.health.vault import Account, Entry, Unpinning, Vault
from theriac.ledger.codec import LAST_SECOND
from theriac.store import Store

REQUEST, RECEIPT = "unpin-request", "unpin-receipt"


@dataclass(frozen=True)
class UnpinRequest:
    """What a patient asks a member to give up: files that stand under one pseudonym; signed by its controller.

    :param time: second since 1970; `letter` the digest of the letter that brought it, which a receipt names.
    """

    pseudonym: str
    member: int
    digests: tuple[str, ...]
    time: int
    signature: str = ""
    letter: str = ""

    def message(self) -> SignableMessage:
        """What the controller signs (EIP-191)."""
        return _signable("Theriac unpin request\n", replace(self, signature="").encode())

    def encode(self) -> bytes:
        values = asdict(self)
        del values["letter"]
        return documents.encode(REQUEST, {**values, "digests": list(self.digests)})

    @classmethod
    def decode(cls, data: bytes, *, letter: str) -> "UnpinRequest":
        """:raises BadDocument: no such request."""
        values = _values(REQUEST, data)
        try:
            found = cls(
                pseudonym=str(values["pseudonym"]),
                member=int(values["member"]),
                digests=_digests(REQUEST, values["digests"]),
                time=int(values["time"]),
                signature=str(values["signature"]),
                letter=letter,
            )
        except (KeyError, TypeError, ValueError):
            raise BadDocument(kind=REQUEST, fault="a part of it is missing or broken") from None
        if not 0 <= found.time < LAST_SECOND:
            raise BadDocument(kind=REQUEST, fault="its time is none")
        return documents.as_written(REQUEST, found, data)


@dataclass(frozen=True)
class UnpinReceipt:
    """What a member signs: what it has unpinned and when, and what it keeps and why."""

    pseudonym: str
    member: int
    request: str
    unpinned: tuple[str, ...]
    kept: tuple[str, ...]
    reason: str
    time: int
    account: str
    signature: str = ""

    def message(self) -> SignableMessage:
        """What the member's account signs (EIP-191)."""
        return _signable("Theriac unpin receipt\n", replace(self, signature="").encode())

    def values(self) -> dict[str, Any]:
        return {**asdict(self), "unpinned": list(self.unpinned), "kept": list(self.kept)}

    def encode(self) -> bytes:
        return documents.encode(RECEIPT, self.values())

    @classmethod
    def decode(cls, data: bytes) -> "UnpinReceipt":
        """:raises BadDocument: no such receipt."""
        found = documents.as_written(RECEIPT, cls.of(_values(RECEIPT, data)), data)
        if not 0 <= found.time < LAST_SECOND:
            raise BadDocument(kind=RECEIPT, fault="its time is none")
        return found

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "UnpinReceipt":
        try:
            return cls(
                pseudonym=str(values["pseudonym"]),
                member=int(values["member"]),
                request=str(values["request"]),
                unpinned=_digests(RECEIPT, values["unpinned"]),
                kept=_digests(RECEIPT, values["kept"]),
                reason=str(values["reason"]),
                time=int(values["time"]),
                account=str(values["account"]),
                signature=str(values["signature"]),
            )
        except (KeyError, TypeError, ValueError):
            raise BadDocument(kind=RECEIPT, fault="a part of it is missing or broken") from None

    def answers(self, asked: Unpinning, chain: Chain) -> bool:
        """Whether it is this member's, about all that it was asked to give up under this pseudonym, and signed.

        Somebody of the member signs: which of its accounts does so is the member's own business.
        """
        if (self.pseudonym, self.member, self.request) != (asked.pseudonym, asked.member, asked.letter):
            return False
        if {*self.unpinned, *self.kept} != {*asked.digests} or {*self.unpinned} & {*self.kept}:
            return False
        try:
            signer = EthAccount.recover_message(self.message(), signature=bytes.fromhex(self.signature))
        except Exception:
            # Whatever a library makes of a malformed signature, it is nobody's.
            return False
        return bool(signer == self.account) and chain.member_of(self.account) == self.member


def _signable(title: str, document: bytes) -> SignableMessage:
    return encode_defunct(text=title + hashlib.sha256(document).hexdigest())


def _values(kind: str, data: bytes) -> dict[str, Any]:
    values = documents.decode(kind, data)
    del values["kind"], values["format"]
    return values


def _digests(kind: str, values: Any) -> tuple[str, ...]:
    found = tuple(str(each) for each in values)
    if any(len(each) != 64 or set(each) - set("0123456789abcdef") for each in found):
        raise BadDocument(kind=kind, fault="what it names are no digests")
    return found


# -- what an erasure is about ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Concerned:
    """The digests that go: of records, by (pseudonym, author), with all former ones; of bundles, by pseudonym; of
    backups and class files, which only the patient's own store holds."""

    records: Mapping[tuple[str, int], tuple[str, ...]]
    bundles: Mapping[str, tuple[str, ...]]
    others: tuple[str, ...]

    def all(self) -> tuple[str, ...]:
        groups: Iterable[Iterable[str]] = (*self.records.values(), *self.bundles.values(), self.others)
        return tuple(sorted({digest for group in groups for digest in group}))


def concerned(vault: Vault, classes: Iterable[str], *, chain: Chain, store: Store) -> Concerned:
    """What an erasure of classes makes superfluous: before anything is dropped, since the entries name the records.

    Every version of every bundle that was ever published is named: a former one may hold openings of what is erased,
    and home's may name a backup with its seeds.
    """
    names = set(classes)
    entries = [entry for entry in vault.entries.values() if entry.cls in names]
    resealed = _resealed(chain, set(vault.accounts))
    records: dict[tuple[str, int], set[str]] = {}
    for entry in entries:
        records.setdefault((entry.source, entry.author), set()).update(_lives(entry, resealed))

    bundles: dict[str, tuple[str, ...]] = {}
    others = {*vault.strays, *(digest for stray in vault.strays for digest in _named_in(stray, store))}
    for account in vault.accounts.values():
        versions = _versions(account, chain)
        bundles[account.pseudonym] = tuple(sorted(versions))
        for digest in versions:
            others |= _named_in(digest, store)
        others |= {digest for each in account.publications for digest in each.indexes.values()}
        others |= {account.backup} - {""}
    return Concerned(
        {place: tuple(sorted(digests)) for place, digests in records.items()}, bundles, tuple(sorted(others))
    )


def _resealed(chain: Chain, pseudonyms: set[str]) -> dict[str, set[str]]:
    """By digest, those that a record was sealed under before and after."""
    found: dict[str, set[str]] = {}
    for event in chain.index.events("Records", "Resealed"):
        if event.arguments["pseudonym"] in pseudonyms:
            old, new = event.arguments["old"].hex(), event.arguments["digest"].hex()
            found.setdefault(old, set()).add(new)
            found.setdefault(new, set()).add(old)
    return found


def _lives(entry: Entry, resealed: Mapping[str, set[str]]) -> set[str]:
    """All the digests that a record ever had, also those of a rewriting that broke off."""
    lives: set[str] = set()
    unseen = {entry.digest, entry.resealed_from} - {""}
    while unseen:
        lives |= unseen
        unseen = {each for digest in unseen for each in resealed.get(digest, ())} - lives
    return lives


def _versions(account: Account, chain: Chain) -> set[str]:
    """The digests of all bundles of a pseudonym that the chain or this client knows of."""
    events = chain.index.events("Keys", "Published")
    told = {each.arguments["bundle"].hex() for each in events if each.arguments["pseudonym"] == account.pseudonym}
    ours = {each.digest for each in account.publications}
    return told | ours | ({account.pending.digest} if account.pending else set())


def _named_in(digest: str, store: Store) -> set[str]:
    """The class files, dummies among them, and the backup that a bundle names, where the store still has it."""
    try:
        with store.get_digest(bytes.fromhex(digest)) as stream:
            values = documents.decode("bundle", documents.read_at_most(stream, documents.LARGEST))
        return {str(each) for each in (*values["classes"], values["backup"]) if each}
    except Unavailable:
        return set()
    except (TheriacError, KeyError, TypeError):
        # A bundle that a thief published says nothing that counts.
        return set()


def asks(vault: Vault, found: Concerned) -> tuple[Unpinning, ...]:
    """What each member that writes is asked, under the pseudonym that it writes under: its own records, and that
    pseudonym's bundles."""
    asked = []
    for account in vault.accounts.values():
        for writer in account.writers:
            digests = found.records.get((account.pseudonym, writer.member), ())
            if digests:
                wanted = tuple(sorted({*digests, *found.bundles[account.pseudonym]}))
                asked.append(Unpinning(account.pseudonym, writer.member, writer.name, wanted))
    return tuple(asked)


def standing(vault: Vault, store: Store) -> set[str]:
    """What must not be unpinned: what the newest bundles name, the backup, and the records that are still indexed."""
    kept = {entry.digest for entry in vault.entries.values()}
    for account in vault.accounts.values():
        newest = account.publications[-1:] + ([account.pending] if account.pending else [])
        for publication in newest:
            kept |= {publication.digest, *publication.indexes.values(), *_named_in(publication.digest, store)}
        kept |= {account.backup}
    return kept - {""}
