"""Every error a caller of Theriac can meet, as one tree.

    TheriacError                    exit code
    ├── BadInput                    2   what was handed in cannot be used; nothing was changed
    ├── Refused                     3   the rules say no: no grant, no standing, a stale version
    ├── Unavailable                 4   a chain, a store or a peer does not answer; try again
    ├── Tampered                    5   bytes are not what their digest, tag or signature says
    └── Broken                      6   this machine cannot go on: a full disk, a damaged keystore

An error holds plain values (numbers, strings, paths) and builds its own sentence from them; the sentence says
what to do next. The exit code is what a script ends with.
"""

from typing import ClassVar


class TheriacError(Exception):
    """The root of the tree: one sentence for a person, an exit code for a program."""

    exit_code: ClassVar[int] = 1


class BadInput(TheriacError):
    exit_code: ClassVar[int] = 2


class Refused(TheriacError):
    exit_code: ClassVar[int] = 3


class Unavailable(TheriacError):
    exit_code: ClassVar[int] = 4


class Tampered(TheriacError):
    exit_code: ClassVar[int] = 5


class Broken(TheriacError):
    exit_code: ClassVar[int] = 6


# -- crypto ----------------------------------------------------------------------------------------------------------


class NotAnAgeFile(BadInput):
    """The bytes do not start with the version line of an age v1 file."""

    def __init__(self) -> None:
        super().__init__(
            "This is not a sealed file: it does not start with the line 'age-encryption.org/v1'. "
            "Give the sealed file itself, in binary."
        )


class HeaderMalformed(BadInput):
    """The header of an age file breaks a rule of the format, or ends too early."""

    def __init__(self, *, fault: str) -> None:
        self.fault = fault
        super().__init__(f"The header of this sealed file is damaged ({fault}); fetch the file again.")


class HeaderTooLarge(BadInput):
    """The header of an age file is larger than anything Theriac writes."""

    def __init__(self, *, limit: int, of: str) -> None:
        self.limit = limit
        self.of = of
        super().__init__(f"The header of this sealed file has more than {limit} {of}; it is refused unread.")


class HeaderTampered(Tampered):
    """The header's MAC does not fit the file key that the header itself carries."""

    def __init__(self) -> None:
        super().__init__("The header of this sealed file was altered after it was sealed; fetch the file again.")


class WrongFileKey(Tampered):
    """The header's MAC does not fit the file key that was handed in: another file's key, or an altered header."""

    def __init__(self) -> None:
        super().__init__(
            "This file key does not open this sealed file: it is another file's, or the file's header was altered. "
            "Check that the key and the file belong to one record."
        )


class NoMatchingIdentity(Refused):
    """None of the identities can unwrap the file key."""

    def __init__(self, *, tried: int) -> None:
        self.tried = tried
        super().__init__(f"This file is not sealed to any of the {tried} keys tried; ask its patient for access.")


class PayloadTampered(Tampered):
    """A chunk of the payload does not fit its tag: altered, moved, or cut short inside. Chunks count from 0."""

    def __init__(self, *, chunk: int) -> None:
        self.chunk = chunk
        super().__init__(f"Chunk {chunk} of this sealed file was altered, moved or cut short; fetch the file again.")


class PayloadTruncated(Tampered):
    """The payload ends before its final chunk. `chunks` is how many whole chunks stand before the end."""

    def __init__(self, *, chunks: int) -> None:
        self.chunks = chunks
        super().__init__(f"This sealed file ends too early, after {chunks} whole chunks; fetch the file again.")


class TrailingData(Tampered):
    """Bytes follow the final chunk, which is number `chunk`, counted from 0."""

    def __init__(self, *, chunk: int) -> None:
        self.chunk = chunk
        super().__init__(f"Bytes follow the last chunk, number {chunk}, of this sealed file; fetch the file again.")


class MixedRecipients(BadInput):
    """One file was to be sealed to post-quantum and to classic recipients."""

    def __init__(self, *, postquantum: int, classic: int) -> None:
        self.postquantum = postquantum
        self.classic = classic
        super().__init__(
            f"{postquantum} post-quantum and {classic} classic recipients cannot share one file, "
            "which would be as weak as the classic ones; seal one file for each kind."
        )


class NoRecipients(BadInput):
    """A file was to be sealed to nobody."""

    def __init__(self) -> None:
        super().__init__("A file sealed to nobody could never be opened; name at least one recipient.")


class TooManyRecipients(BadInput):
    """A file was to be sealed to more recipients than a header may hold."""

    def __init__(self, *, count: int, limit: int) -> None:
        self.count = count
        self.limit = limit
        super().__init__(f"{count} recipients are more than the {limit} that one file may have; seal several files.")


class NotBech32(BadInput):
    """A text breaks a rule of Bech32. The message never repeats the text, which may be a secret."""

    def __init__(self, *, fault: str) -> None:
        self.fault = fault
        super().__init__(f"This text is not Bech32: {fault}; copy it again as a whole.")


class BadRecipient(BadInput):
    """A recipient cannot be used. The message never repeats it: it may be an identity given by mistake."""

    def __init__(self, *, fault: str) -> None:
        self.fault = fault
        super().__init__(f"This is not a recipient to seal to ({fault}); it should start with 'age1pq1' or 'age1'.")


class BadIdentity(BadInput):
    """An identity cannot be used. The message never repeats it."""

    def __init__(self, *, fault: str) -> None:
        self.fault = fault
        super().__init__(
            f"This is not an identity to open with ({fault}); "
            "it should start with 'AGE-SECRET-KEY-PQ-1' or 'AGE-SECRET-KEY-1'."
        )


class BadFileKey(BadInput):
    """A file key does not have 16 bytes."""

    def __init__(self, *, length: int) -> None:
        self.length = length
        super().__init__(f"A file key has 16 bytes, not {length}; take it whole from where it was kept.")


# -- store -----------------------------------------------------------------------------------------------------------


class BadCid(BadInput):
    """A text or a digest is no content identifier of the kind that Theriac writes."""

    def __init__(self, *, fault: str) -> None:
        self.fault = fault
        super().__init__(
            f"This is not a content identifier ({fault}); it should be a CIDv1 that starts with 'bafkrei' or 'bafybei'."
        )


class BadNodeAddress(BadInput):
    """The address of an IPFS node is not a multiaddress that can be spoken to."""

    def __init__(self, *, address: str) -> None:
        self.address = address
        super().__init__(
            f"{address[:80]!r} is not the address of an IPFS node; write it like '/ip4/127.0.0.1/tcp/5001'."
        )


class NotAStore(BadInput):
    """A folder that should become a store already holds something else."""

    def __init__(self, *, folder: str) -> None:
        self.folder = folder
        super().__init__(f"{folder} holds other files and is no store of Theriac; name an empty or a new folder.")


class NotStored(Unavailable):
    """A block is not in the store, or did not arrive in time. `cid` is the block's, `store` a folder or an address."""

    def __init__(self, *, cid: str, store: str) -> None:
        self.cid = cid
        self.store = store
        super().__init__(f"{cid} is not to be had from {store}; ask for it where it was put, then try again.")


class NodeUnreachable(Unavailable):
    """No IPFS node answers at the address, or it fell silent."""

    def __init__(self, *, address: str, fault: str) -> None:
        self.address = address
        self.fault = fault
        super().__init__(
            f"The IPFS node at {address} does not answer ({fault}); check that it runs there, then try again."
        )


class NodeFailed(Unavailable):
    """The IPFS node answered that it cannot do what was asked. `answer` is the node's own text."""

    def __init__(self, *, address: str, answer: str) -> None:
        self.address = address
        self.answer = answer
        super().__init__(f"The IPFS node at {address} answered {answer!r}; mend that at the node, then try again.")


class WrongBytes(Tampered):
    """A block's bytes do not have the digest in its identifier: altered, cut short, or another block's."""

    def __init__(self, *, cid: str, store: str) -> None:
        self.cid = cid
        self.store = store
        super().__init__(f"{store} holds other bytes under {cid} than were put there; put the file again, or ask another store.")


class BadBlock(Tampered):
    """A block has the right digest and is not what `put` makes: a hostile tree, or one cut with other options."""

    def __init__(self, *, cid: str, fault: str) -> None:
        self.cid = cid
        self.fault = fault
        super().__init__(f"{cid} is not a file as Theriac stores it ({fault}); have its author put the file again.")


class WrongCid(Tampered):
    """A node reported another identifier than the bytes sent to it have."""

    def __init__(self, *, address: str, reported: str, computed: str) -> None:
        self.address = address
        self.reported = reported
        self.computed = computed
        super().__init__(
            f"The IPFS node at {address} stored {computed} as {reported[:80]!r}: it is too old or it lies; use another."
        )


class StoreFull(Broken):
    """The disk, the quota or the largest file size is used up; what the store held before is untouched."""

    def __init__(self, *, folder: str) -> None:
        self.folder = folder
        super().__init__(f"There is no room left for {folder}; free some space and put the file again, nothing was lost.")


class StoreUnusable(Broken):
    """The operating system refuses the store's folder. `fault` is its own word for why."""

    def __init__(self, *, folder: str, fault: str) -> None:
        self.folder = folder
        self.fault = fault
        super().__init__(f"The store in {folder} cannot be used ({fault}); check the folder's rights and its disk.")

# -- ledger ----------------------------------------------------------------------------------------------------------

# -- fhir and scope --------------------------------------------------------------------------------------------------


class EmptyDocument(BadInput):
    """There is nothing to read."""

    def __init__(self) -> None:
        super().__init__("The document is empty; hand in a FHIR resource or bundle as JSON.")


class NotUtf8(BadInput):
    """A text has bytes that are no UTF-8."""

    def __init__(self, *, position: int) -> None:
        self.position = position
        super().__init__(f"The document is no UTF-8 at byte {position}; save it as UTF-8 and try again.")


class NotJson(BadInput):
    """A document does not follow RFC 8259."""

    def __init__(self, *, line: int | None, column: int | None, problem: str) -> None:
        self.line, self.column, self.problem = line, column, problem
        place = f" at line {line}, column {column}" if line else ""
        super().__init__(f"The document is no JSON{place} ({problem}); export it again.")


class DuplicateKey(BadInput):
    """A JSON object names a key twice."""

    def __init__(self, *, key: str) -> None:
        self.key = key
        super().__init__(f"An object of the document has the key {key[:80]!r} twice; export it again.")


class HalfCharacter(BadInput):
    """A JSON string holds a surrogate without its other half."""

    def __init__(self) -> None:
        super().__init__(
            "A text of the document ends in the middle of a character (a lone surrogate); export it again."
        )


class TooDeep(BadInput):
    """A JSON document is nested deeper than any FHIR resource."""

    def __init__(self, *, limit: int) -> None:
        self.limit = limit
        super().__init__(
            f"The document is nested more than {limit} levels deep, as no FHIR resource is; check its source."
        )


class NoResourceType(BadInput):
    """A JSON document is no FHIR resource."""

    def __init__(self) -> None:
        super().__init__("The document is JSON without a resourceType; hand in a FHIR resource or bundle.")


class BrokenBundle(BadInput):
    """A FHIR Bundle cannot be taken apart."""

    def __init__(self, *, problem: str) -> None:
        self.problem = problem
        super().__init__(f"The FHIR bundle cannot be taken apart: {problem}; export it again.")


class NotAnEnvelope(BadInput):
    """A document is not the envelope of a FHIR bundle."""

    def __init__(self) -> None:
        super().__init__(
            "The document is no envelope of a FHIR bundle; choose the record that was made with the bundle."
        )


class MissingParts(BadInput):
    """Not every resource of a bundle is at hand."""

    def __init__(self, *, missing: int, total: int) -> None:
        self.missing, self.total = missing, total
        super().__init__(f"{missing} of the bundle's {total} resources are missing; open their records first.")


class EnvelopeMismatch(Tampered):
    """Resources and envelope do not make the bundle they were taken from."""

    def __init__(self) -> None:
        super().__init__("The resources do not fit the envelope of their bundle; ask the author to send it again.")


class UnknownClass(BadInput):
    """No class of records is written like that."""

    def __init__(self, *, text: str) -> None:
        self.text = text
        super().__init__(f"{text[:80]!r} is no class of records; docs/scopes.md lists them, such as 'laboratory/N'.")


class UnknownScope(BadInput):
    """A scope has a bit that stands for no class."""

    def __init__(self, *, mask: int) -> None:
        self.mask = mask
        super().__init__(f"The scope {mask:#x} has a bit that stands for no class; docs/scopes.md lists the bits.")


class UnknownPurpose(BadInput):
    """No purpose of use has this code."""

    def __init__(self, *, code: str) -> None:
        self.code = code
        super().__init__(f"{code[:80]!r} is no purpose of use here; docs/scopes.md lists them, such as 'TREAT'.")


# -- consortium ------------------------------------------------------------------------------------------------------


class UnknownRole(BadInput):
    """A word is no role of the consortium."""

    def __init__(self, *, text: str, known: str) -> None:
        self.text = text
        self.known = known
        super().__init__(f"{text!r} is no role; the roles are {known}.")


# -- health ----------------------------------------------------------------------------------------------------------
