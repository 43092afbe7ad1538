"""The flow of one record, as whoever has a node and no key can tell it.

From the chain: who sealed it and when, what became of it, and whom the grants of its pseudonym let in. A record stands
under the pseudonym that its writer knows, and a grant is made by the one that its reader knows; that both are one
person's is told by nobody but the patient. What she or a member hands over, receipts with their proofs, adds the
openings and the grants that let those readers in.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from theriac.errors import BadDocument, UnknownRecord
from theriac.health import documents
from theriac.health.chain import Chain
from theriac.health.history import Window
from theriac.health.looked import Examiner, Looked
from theriac.health.receipts import Proof
from theriac.health.scope import SINGLE_RECORDS, KeyClass, bit_of
from theriac.ledger.contracts import Event


@dataclass(frozen=True)
class Sealed:
    """A record as it was anchored: under which pseudonym, by which member (0 for the patient), when (in seconds since
    1970), under which version of the bundle, 0 where it went to the inbox.
    """

    digest: str
    pseudonym: str
    author: int
    time: int
    version: int


@dataclass(frozen=True)
class Became:
    """What became of a record: `act` is superseded, corrected, disowned or sealed anew; `digest` took its place."""

    act: str
    old: str
    digest: str
    author: int
    time: int


@dataclass(frozen=True)
class Flow:
    """Everything about one record. `readings` are those of a disclosure, examined."""

    record: str
    sealed: tuple[Sealed, ...]
    became: tuple[Became, ...]
    windows: tuple[Window, ...]
    readings: Looked


_ACTS = {2: "superseded", 3: "corrected", 4: "disowned"}


def flow_of(chain: Chain, record: str, disclosed: Iterable[Proof] = ()) -> Flow:
    """The flow of a record by its digest.

    :raises UnknownRecord: nobody anchored it.
    """
    digests, became = _lives(chain, record)
    sealed = tuple(_anchors(chain, digests))
    if not sealed:
        raise UnknownRecord(digest=record)
    examiner = Examiner(chain)
    found = examiner.examine((proof for proof in disclosed if proof.receipt.record in digests), whole=False)

    # Only receipts that hold say of which class the record is, and which other pseudonyms let readers in.
    readings = [reading for reading in found.readings if reading.log is not None]
    bits = {bit_of(KeyClass.parse(reading.receipt.cls)) for reading in readings}
    pseudonyms = dict.fromkeys([each.pseudonym for each in sealed] + [each.receipt.pseudonym for each in readings])
    windows = [window for pseudonym in pseudonyms for window in examiner.history(pseudonym).windows()]
    told = [window for window in windows if not bits or _concerns(window, bits)]
    return Flow(record, sealed, became, tuple(sorted(told, key=lambda each: each.start)), found)


def _concerns(window: Window, bits: set[int]) -> bool:
    return any(window.scope >> bit & 1 for bit in (*bits, SINGLE_RECORDS))


def _lives(chain: Chain, record: str) -> tuple[set[str], tuple[Became, ...]]:
    """The digests that a record had, sealed anew, and all that became of them."""
    resealed = list(chain.index.events("Records", "Resealed"))
    digests, size = {record}, 0
    while len(digests) > size:
        size = len(digests)
        for event in resealed:
            old, new = bytes(event.arguments["old"]).hex(), bytes(event.arguments["digest"]).hex()
            if digests & {old, new}:
                digests |= {old, new}
    became = [
        _became(chain, event, "sealed anew") for event in resealed if bytes(event.arguments["old"]).hex() in digests
    ]
    for event in chain.index.events("Records", "Amended"):
        if bytes(event.arguments["old"]).hex() in digests or bytes(event.arguments["digest"]).hex() in digests:
            became.append(_became(chain, event, _ACTS.get(int(event.arguments["act"]), "changed")))
    return digests, tuple(sorted(became, key=lambda each: each.time))


def _became(chain: Chain, event: Event, act: str) -> Became:
    told = event.arguments
    new = bytes(told["digest"])
    digest = new.hex() if any(new) else ""
    return Became(act, bytes(told["old"]).hex(), digest, told["author"], chain.time_of(event))


def _anchors(chain: Chain, digests: set[str]) -> Iterator[Sealed]:
    for digest in sorted(digests):
        for each in reversed(chain.anchored(bytes.fromhex(digest))):
            anchor = chain.anchor(each.pseudonym, each.author, each.digest)
            time = chain.time_of_block(each.block)
            yield Sealed(digest, each.pseudonym, each.author, time, anchor.version)


# -- disclosures -----------------------------------------------------------------------------------------------------


def encode_disclosure(proofs: Sequence[Proof]) -> bytes:
    """Receipts with their proofs, for anybody who is to see them: it is not sealed."""
    return documents.encode("readings", {"proofs": [proof.values() for proof in proofs]})


def decode_disclosure(data: bytes) -> list[Proof]:
    """:raises BadDocument: no disclosure."""
    values: dict[str, Any] = documents.decode("readings", data)
    if not isinstance(values.get("proofs"), list) or len(values) != 3:
        raise BadDocument(kind="readings", fault="a part of it is missing or too much")
    return [Proof.of(each) for each in values["proofs"]]


@dataclass(frozen=True)
class Share:
    """How much of a logged tree a disclosure shows: all of it proves that the member hides nothing below that root."""

    root: str
    shown: int
    leaves: int

    @property
    def whole(self) -> bool:
        return self.shown == self.leaves


def shares_of(proofs: Iterable[Proof]) -> list[Share]:
    """How much of each tree is shown, of proofs that hold."""
    places: dict[tuple[str, int], set[int]] = {}
    for proof in proofs:
        if proof.fits:
            places.setdefault((proof.root, proof.leaves), set()).add(proof.place)
    return [Share(root, len(shown), leaves) for (root, leaves), shown in sorted(places.items())]
