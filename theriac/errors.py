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

from collections.abc import Mapping
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
        super().__init__(
            f"{store} holds other bytes under {cid} than were put there; put the file again, or ask another store."
        )


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
        super().__init__(
            f"There is no room left for {folder}; free some space and put the file again, nothing was lost."
        )


class StoreUnusable(Broken):
    """The operating system refuses the store's folder. `fault` is its own word for why."""

    def __init__(self, *, folder: str, fault: str) -> None:
        self.folder = folder
        self.fault = fault
        super().__init__(f"The store in {folder} cannot be used ({fault}); check the folder's rights and its disk.")


# -- ledger ----------------------------------------------------------------------------------------------------------


def _shown(value: object) -> str:
    """A value of a contract, short enough for a sentence."""
    if isinstance(value, bytes):
        text = "0x" + value.hex()
    elif isinstance(value, Mapping):
        text = "(" + ", ".join(f"{name} {_shown(part)}" for name, part in value.items()) + ")"
    elif isinstance(value, tuple | list):
        text = "[" + ", ".join(_shown(part) for part in value) + "]"
    else:
        text = str(value)
    return text if len(text) <= 80 else text[:77] + "..."


class BadKey(BadInput):
    """A private key cannot be used. The message never repeats it."""

    def __init__(self) -> None:
        super().__init__("This is not a private key: it must be 32 bytes that form a number of the curve, not zero.")


class WrongSignature(Broken):
    """A signer signed something else than it was asked to, or with another key."""

    def __init__(self, *, address: str, fault: str) -> None:
        self.address = address
        self.fault = fault
        super().__init__(f"The signer of {address} did not sign what it was asked to ({fault}); nothing was sent.")


class ChainSilent(Unavailable):
    """A node did not answer in time, or cannot be reached. `seconds` is how long it was asked."""

    def __init__(self, *, endpoint: str, seconds: float, reason: str) -> None:
        self.endpoint = endpoint
        self.seconds = seconds
        self.reason = reason
        super().__init__(
            f"The chain at {endpoint} did not answer within {seconds:g} s ({reason}); "
            "check that the node runs and can be reached, then try again."
        )


class ChainRefused(Unavailable):
    """A node answered a request with an error of its own, which no contract gave."""

    def __init__(self, *, endpoint: str, method: str, reason: str) -> None:
        self.endpoint = endpoint
        self.method = method
        self.reason = reason
        super().__init__(f"The chain at {endpoint} refused {method}: {reason[:300]}; correct this and try again.")


class ChainLied(Tampered):
    """What a node said contradicts itself or what it said before."""

    def __init__(self, *, endpoint: str, fault: str) -> None:
        self.endpoint = endpoint
        self.fault = fault
        super().__init__(f"The chain at {endpoint} contradicts itself ({fault}); ask a node that you trust.")


class WrongChain(BadInput):
    """A file of this project belongs to another chain than the one that answers."""

    def __init__(self, *, source: str, what: str, written: str, found: str) -> None:
        self.source = source
        self.what = what
        self.written = written
        self.found = found
        super().__init__(
            f"{source} is for another chain: its {what} is {written}, the chain that answers has {found}; "
            "connect to the right chain, or deploy and start anew on this one."
        )


class WrongCode(Tampered):
    """The code at a contract's address is not the code that was deployed there."""

    def __init__(self, *, network: str, contract: str, address: str, written: str, found: str) -> None:
        self.network = network
        self.contract = contract
        self.address = address
        self.written = written
        self.found = found
        super().__init__(
            f"The code of {contract} at {address} on {network} hashes to {found}, not {written} as deployed; "
            "use nothing at this address until the file of the network is restored or the contracts are deployed anew."
        )


class DevelopmentChain(Refused):
    """A lasting network has the chain id that every development chain has: signatures would replay."""

    def __init__(self, *, network: str, chain_id: int) -> None:
        self.network = network
        self.chain_id = chain_id
        super().__init__(
            f"The lasting network {network} has chain id {chain_id}, which all development chains share, so signatures "
            "made there would count here; give the chain an id of its own in its genesis."
        )


class BadDeployment(BadInput):
    """A file that says what is deployed where cannot be used."""

    def __init__(self, *, source: str, field: str, fault: str) -> None:
        self.source = source
        self.field = field
        self.fault = fault
        where = f"at {field} " if field else ""
        super().__init__(f"{source} does not describe a network {where}({fault}); restore it, or deploy again.")


class NotDeployed(BadInput):
    """A contract is not in the network's file, or nothing stands at its address."""

    def __init__(self, *, contract: str, network: str) -> None:
        self.contract = contract
        self.network = network
        super().__init__(f"{contract} is not deployed on {network}; run `ape run deploy` for this network first.")


class NoAbi(BadInput):
    """The package knows no contract, function or event of that name."""

    def __init__(self, *, name: str) -> None:
        self.name = name
        super().__init__(f"This package knows nothing called {name}; check the spelling, or run `make abi`.")


class BadCall(BadInput):
    """A contract's function was called with what does not fit it."""

    def __init__(self, *, call: str, fault: str) -> None:
        self.call = call
        self.fault = fault
        super().__init__(f"{call} cannot be called like this ({fault[:200]}); correct the arguments.")


class Reverted(Refused):
    """A contract refused. `error` is the Solidity error's name and `arguments` its values by name.

    `contract` is the name of the contract that was called, or its address. Error(string) gives "Error" with `message`,
    Panic(uint256) "Panic" with `code`; data that no ABI explains gives its selector with `data`, and a contract that
    says nothing gives "" (with `reason` where the node has one). Where an argument is itself the data of a refusal
    further in, `inner` is that refusal.
    """

    def __init__(
        self, *, contract: str, error: str, arguments: Mapping[str, object], inner: "Reverted | None" = None
    ) -> None:
        self.contract = contract
        self.error = error
        self.arguments = dict(arguments)
        self.inner = inner
        because = f", because of {inner.told()}" if inner else ""
        super().__init__(f"{contract} refused: {self.told()}{because}; change what is asked to fit, or ask its owner.")

    def told(self) -> str:
        """The refusal in words: the error and its values."""
        values = ", ".join(f"{name} {_shown(value)}" for name, value in self.arguments.items())
        return (self.error or "it gave no reason") + (f" ({values})" if values else "")


class CannotPay(Refused):
    """An account has less than its transaction may cost, both in wei."""

    def __init__(self, *, address: str, needed: int | None, balance: int | None) -> None:
        self.address = address
        self.needed = needed
        self.balance = balance
        sums = "" if needed is None else f" (it has {balance} wei and may need {needed})"
        super().__init__(
            f"The account {address} cannot pay for this transaction{sums}; let another send it, or fund it."
        )


class NotSettled(Unavailable):
    """A transaction is not yet as deep in the chain as the network demands. It is kept and goes on."""

    def __init__(self, *, intent: str, transaction: str, seconds: float, reason: str) -> None:
        self.intent = intent
        self.transaction = transaction
        self.seconds = seconds
        self.reason = reason
        super().__init__(
            f"Transaction {transaction} for {intent!r} is not settled after {seconds:g} s ({reason}); "
            "it is not lost: ask again for the same intent, and it is waited for, not sent twice."
        )


class UnknownIntent(BadInput):
    """An outbox has nothing under that name."""

    def __init__(self, *, intent: str) -> None:
        self.intent = intent
        super().__init__(f"Nothing was ever sent under the name {intent!r} from this outbox; check the name.")


class IntentChanged(BadInput):
    """An intent's name was used before for another call."""

    def __init__(self, *, intent: str) -> None:
        self.intent = intent
        super().__init__(f"The name {intent!r} stands for another call already; give this call a name of its own.")


class IntentAbandoned(Refused):
    """An intent was given up on demand: its nonce was spent on nothing."""

    def __init__(self, *, intent: str) -> None:
        self.intent = intent
        super().__init__(f"{intent!r} was given up before it reached the chain; send it again under a new name.")


class OutboxBusy(Unavailable):
    """Another process, or another sender of this one, works with the outbox."""

    def __init__(self, *, path: str) -> None:
        self.path = path
        super().__init__(f"The outbox {path} is in use by another process; wait for it to end, or use another outbox.")


class OutboxOfAnother(BadInput):
    """An outbox keeps the transactions of another account."""

    def __init__(self, *, path: str, written: str, found: str) -> None:
        self.path = path
        self.written = written
        self.found = found
        super().__init__(f"The outbox {path} belongs to {written}, not to {found}; give each account its own outbox.")


class LedgerFileBroken(Broken):
    """A file of the ledger cannot be read or written: a full disk, no right to it, or damage."""

    def __init__(self, *, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"The file {path} cannot be used ({reason}); free space or restore it, then try again.")


class BadHandler(BadInput):
    """A handler of events cannot be used by an index."""

    def __init__(self, *, handler: str, fault: str) -> None:
        self.handler = handler
        self.fault = fault
        super().__init__(f"The handler of {handler} cannot be used: {fault}.")


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


class NotDicom(BadInput):
    """A file is not in the DICOM file format (PS3.10)."""

    def __init__(self) -> None:
        super().__init__("The file is no DICOM file; seal it as a plain file, or export it from the archive again.")


class TruncatedDicom(BadInput):
    """A DICOM file ends too early."""

    def __init__(self, *, position: int) -> None:
        self.position = position
        super().__init__(f"The DICOM file breaks off after {position} bytes; export it from the archive again.")


class DamagedDicom(BadInput):
    """The structure of a DICOM file cannot be followed."""

    def __init__(self, *, position: int | None, problem: str) -> None:
        self.position, self.problem = position, problem
        place = f" at byte {position}" if position else ""
        super().__init__(f"The DICOM file is damaged{place} ({problem}); export it again, or seal it as a plain file.")


class NoDicomIds(BadInput):
    """A DICOM file lacks its study, series, instance or SOP class."""

    def __init__(self) -> None:
        super().__init__("The DICOM file names no study, series, instance and SOP class; seal it as a plain file.")


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
