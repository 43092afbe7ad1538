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

from collections.abc import Mapping, Sequence
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
        super().__init__(
            f"None of the {tried} identities tried opens this file: it is sealed to others. "
            "Ask the patient for access, or use the identity that was granted it."
        )


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
    further in, `inner` is that refusal. `notice` is what the contract's own documentation says of the error.
    """

    def __init__(
        self,
        *,
        contract: str,
        error: str,
        arguments: Mapping[str, object],
        inner: "Reverted | None" = None,
        notice: str = "",
    ) -> None:
        self.contract = contract
        self.error = error
        self.arguments = dict(arguments)
        self.inner = inner
        self.notice = notice
        said = inner if inner is not None and inner.notice else self
        if said.notice:
            super().__init__(f"{said.notice.rstrip('.')} (refused by {said.contract}: {said.told()}).")
            return
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


# What the names begin with that a sender gives to what has none.
UNNAMED = "unnamed"


class NotSettled(Unavailable):
    """A transaction is not yet as deep in the chain as the network demands. It is kept and goes on."""

    def __init__(self, *, intent: str, transaction: str, seconds: float, reason: str) -> None:
        self.intent = intent
        self.transaction = transaction
        self.seconds = seconds
        self.reason = reason
        named = not intent.startswith(UNNAMED)
        whose, again = (f" for {intent!r}", "ask again for the same intent") if named else ("", "do the same again")
        super().__init__(
            f"Transaction {transaction}{whose} is not settled after {seconds:g} s ({reason}); "
            f"it is not lost: {again}, and it is waited for, not sent twice."
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
        super().__init__("The file is no DICOM file; export it again, or seal it as a plain file.")


class TruncatedDicom(BadInput):
    """A DICOM file ends too early."""

    def __init__(self, *, position: int) -> None:
        self.position = position
        super().__init__(
            f"The DICOM file breaks off after {position} bytes; export it again, or seal it as a plain file."
        )


class NoPicture(Refused):
    """What is in a DICOM file cannot be shown as a picture here."""

    def __init__(self, *, fault: str) -> None:
        self.fault = fault
        super().__init__(f"This image cannot be shown here: {fault}; save it and open it in a viewer for DICOM.")


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


class BadHour(BadInput):
    """The key tree has no such hour; it begins in 2020 and ends in 2139."""

    def __init__(self, *, hour: int) -> None:
        self.hour = hour
        super().__init__(f"Hour {hour} lies outside of the key tree, which runs from 2020 to 2139; check the dates.")


class BadNodes(BadInput):
    """Nodes of the key tree that cannot be."""

    def __init__(self, *, fault: str) -> None:
        self.fault = fault
        super().__init__(f"These keys cannot be used ({fault}); ask the patient to publish again.")


class BadDocument(BadInput):
    """A document is not what it must be."""

    def __init__(self, *, kind: str, fault: str) -> None:
        self.kind = kind
        self.fault = fault
        super().__init__(f"This {kind} cannot be used: {fault}; fetch it again, or ask whoever wrote it.")


class BadRecord(BadInput):
    """A sealed record's framing or manifest is not what it must be."""

    def __init__(self, *, fault: str) -> None:
        self.fault = fault
        super().__init__(f"This record cannot be read: {fault}; ask its author to seal it again.")


class ManifestTooLarge(BadInput):
    """A record's manifest has more bytes than fit."""

    def __init__(self, *, size: int, limit: int) -> None:
        self.size = size
        self.limit = limit
        super().__init__(f"A record's description has {size} bytes and may have {limit}; shorten title and codes.")


class WrongPassphrase(Refused):
    """The passphrase or the wallet does not open the keystore."""

    def __init__(self, *, path: str) -> None:
        self.path = path
        super().__init__(f"This passphrase or wallet does not open {path}; try again, nothing was changed.")


class DamagedKeystore(Broken):
    """The keystore's file is not whole."""

    def __init__(self, *, path: str, fault: str) -> None:
        self.path = path
        self.fault = fault
        super().__init__(f"The keystore {path} is damaged ({fault}); restore it from its sealed backup.")


class BadThreshold(BadInput):
    """A secret cannot be split so: k of n shares."""

    def __init__(self, *, k: int, n: int) -> None:
        self.k, self.n = k, n
        super().__init__(
            f"{k} of {n} shares cannot be: choose at most 16 of them, and at least 2 that are needed where there is "
            "more than one."
        )


class BadGuardians(BadInput):
    """Such guardians could recover nothing, or an objection would be no use: k of n."""

    def __init__(self, *, k: int, n: int) -> None:
        self.k, self.n = k, n
        most = n - 2 if n > 3 else n - 1
        super().__init__(
            f"{k} of {n} guardians cannot be: choose 3 to 16 of them, each with a name and an account of its own, and "
            + (f"let 2 to {most} of these {n} be enough." if n >= 3 else "let at least 2 be enough.")
        )


class NoGuardians(Refused):
    """Nobody guards these keys, or not yet."""

    def __init__(self, *, fault: str) -> None:
        self.fault = fault
        super().__init__(f"Guardians cannot do this: {fault}; 'patient guardians show' says who guards what.")


class NotYours(Refused):
    """A guardian is asked to sign for what it does not guard."""

    def __init__(self, *, pseudonym: str, fault: str) -> None:
        self.pseudonym, self.fault = pseudonym, fault
        super().__init__(f"Nothing was signed for {pseudonym}: {fault}; ask who sent the file, by voice.")


class NoMove(Refused):
    """What was asked for belongs to a recovery or a hand-over, and none is under way."""

    def __init__(self, *, fault: str) -> None:
        self.fault = fault
        super().__init__(f"This cannot be done now: {fault}.")


class StrangeGuardians(Refused):
    """Guardians were set, or a recovery was started, that this vault knows nothing of."""

    def __init__(self, *, pseudonym: str, what: str) -> None:
        self.pseudonym, self.what = pseudonym, what
        super().__init__(
            f"{what} for {pseudonym}, and not from here; see 'patient guardians show' and act within days."
        )


class BadExtendedKey(BadInput):
    """What a guardian handed over is no extended public key."""

    def __init__(self, *, fault: str) -> None:
        self.fault = fault
        super().__init__(f"The guardian's public key cannot be used: {fault}; ask the guardian for it again.")


class BadShare(BadInput):
    """A share that is none, or that does not belong to the others; `number` counts from 1, 0 for all together."""

    def __init__(self, *, number: int, fault: str) -> None:
        self.number, self.fault = number, fault
        which = f"Share {number} cannot be used" if number else "These shares cannot be used"
        super().__init__(f"{which}: {fault}; ask who keeps it to read it out again.")


class TooFewShares(Refused):
    """It takes more shares to restore the secret."""

    def __init__(self, *, given: int, needed: int) -> None:
        self.given, self.needed = given, needed
        super().__init__(f"{given} of the {needed} shares that it takes are here; ask for the others.")


class BadMnemonic(BadInput):
    """The words are no BIP-39 mnemonic. The message never repeats them."""

    def __init__(self) -> None:
        super().__init__("These words are no mnemonic (BIP-39); check their spelling and order.")


class WalletNotDeterministic(Refused):
    """A wallet signed one message in two ways, so that its signature cannot wrap a backup."""

    def __init__(self, *, account: str) -> None:
        self.account = account
        super().__init__(
            f"The wallet of {account} signs one message in different ways, so its signature cannot wrap a backup; "
            "use a passphrase instead."
        )


class WalletHasCode(Refused):
    """An account with code cannot wrap a backup by its signature."""

    def __init__(self, *, account: str) -> None:
        self.account = account
        super().__init__(
            f"The account {account} is a contract or borrows code, so its signature cannot wrap a backup; "
            "use a passphrase instead."
        )


class WalletRefused(Refused):
    """The patient's wallet, or the patient, did not sign."""

    def __init__(self, *, account: str) -> None:
        self.account = account
        super().__init__(
            f"It was not signed by {account}, so it went no further; what was not finished is shown, and can be "
            "asked for again."
        )


class WalletSilent(Unavailable):
    """Nobody signed while the message counted."""

    def __init__(self, *, account: str, minutes: int) -> None:
        self.account = account
        self.minutes = minutes
        super().__init__(
            f"The account {account} did not sign within {minutes} minutes, after which the message would not count "
            "any more; ask for it again."
        )


class WalletElsewhere(Refused):
    """What is to be signed needs a wallet that is in a browser."""

    def __init__(self, *, account: str) -> None:
        self.account = account
        super().__init__(f"The account {account} is in a browser's wallet; run 'patient page' and do it there.")


class NoBundle(Refused):
    """A pseudonym has published nothing, or nothing that can be used."""

    def __init__(self, *, pseudonym: str, fault: str = "it has published none") -> None:
        self.pseudonym = pseudonym
        self.fault = fault
        super().__init__(f"There is no bundle of {pseudonym} to go by ({fault}); ask the patient to open her client.")


class NoRow(Refused):
    """The bundle has no row for this writer, class and time."""

    def __init__(self, *, pseudonym: str, wanted: str) -> None:
        self.pseudonym = pseudonym
        self.wanted = wanted
        super().__init__(f"The bundle of {pseudonym} has no key to seal {wanted} to now; it goes to the inbox.")


class StaleBundle(Refused):
    """The bundle changed while a record was being sealed, more often than is tried."""

    def __init__(self, *, pseudonym: str, tries: int) -> None:
        self.pseudonym = pseudonym
        self.tries = tries
        super().__init__(f"The bundle of {pseudonym} changed {tries} times while sealing; it goes to the inbox.")


class InboxChanged(Tampered):
    """A bundle names other inboxes than those the writer was introduced to, without the controller's signature."""

    def __init__(self, *, pseudonym: str) -> None:
        self.pseudonym = pseudonym
        super().__init__(
            f"The inboxes of {pseudonym} were changed without the patient's own signature; "
            "nothing is sealed to them, ask the patient."
        )


class BadIntroduction(Refused):
    """An introduction is not signed by the account it introduces, or is not meant for this member."""

    def __init__(self, *, pseudonym: str, fault: str) -> None:
        self.pseudonym = pseudonym
        self.fault = fault
        super().__init__(f"This introduction of {pseudonym} does not count: {fault}; ask the patient for a new one.")


class SpoolFull(Broken):
    """The spool cannot take a record: a full disk, most likely."""

    def __init__(self, *, path: str, fault: str) -> None:
        self.path = path
        self.fault = fault
        super().__init__(f"The spool {path} cannot be written ({fault}); free some room and run it again.")


class NotIntroduced(Refused):
    """A writer does not know this patient."""

    def __init__(self, *, patient: str) -> None:
        self.patient = patient
        super().__init__(f"No patient {patient} was registered at this desk; register her introduction first.")


class NotGranted(Refused):
    """The chain says that this reader may not read this, and by which rule."""

    def __init__(self, *, reader: str, wanted: str, rule: str) -> None:
        self.reader = reader
        self.wanted = wanted
        self.rule = rule
        super().__init__(f"{reader} may not read {wanted}: {rule}; ask the patient for access.")


class NotOpened(Refused):
    """None of the keys that a reader holds opens a record."""

    def __init__(self, *, digest: str) -> None:
        self.digest = digest
        super().__init__(f"Record {digest[:16]} is not filed yet, or not yours: none of your keys opens it.")


class NotReceipted(Refused):
    """A reader's account did not sign the receipt without which nothing is opened."""

    def __init__(self, *, reader: str) -> None:
        self.reader = reader
        super().__init__(
            f"{reader} did not sign the receipt of this reading, so nothing was opened; sign with its key."
        )


class NotHandedIn(BadInput):
    """A receipt that was handed in for logging is not of this member's staff, or not signed."""

    def __init__(self, *, reader: str, number: int) -> None:
        self.reader = reader
        self.number = number
        super().__init__(
            f"Receipt {number} of {reader} is not signed by it as one of this member's staff; nothing was taken in. "
            "Have it handed in anew."
        )


class UnknownRecord(BadInput):
    """There is no such record here."""

    def __init__(self, *, digest: str) -> None:
        self.digest = digest
        super().__init__(f"There is no record {digest!r} here; list the records to see which there are.")


class UnknownGrant(BadInput):
    """There is no such grant to act on."""

    def __init__(self, *, reader: str, purpose: str) -> None:
        self.reader = reader
        self.purpose = purpose
        super().__init__(f"Nothing is granted to {reader} for {purpose}; list what is shared first.")


class TooWeak(Refused):
    """A very restricted record was to be sealed to a reader without a post-quantum key."""

    def __init__(self, *, reader: str, wanted: str) -> None:
        self.reader = reader
        self.wanted = wanted
        super().__init__(f"{wanted} is never sealed to a classic key, and {reader} has no other; ask for a newer one.")


class NoProfile(Refused):
    """A reader or a member has published no profile to seal to."""

    def __init__(self, *, account: str) -> None:
        self.account = account
        super().__init__(f"{account} has published no profile with a key to seal to; ask it to publish one.")


class BadWindow(BadInput):
    """A window of time is empty, over, or not of full hours."""

    def __init__(self, *, fault: str) -> None:
        self.fault = fault
        super().__init__(f"This window of time cannot be granted: {fault}.")


class BadConsent(BadInput):
    """A FHIR Consent cannot become a grant: it is none of IHE PCF, or says what no grant can say."""

    def __init__(self, *, fault: str) -> None:
        self.fault = fault
        super().__init__(f"This Consent cannot become a grant: {fault}; nothing was granted.")


class NotStated(Refused):
    """The chain does not have the grant that a Consent states, or not as the Consent states it."""

    def __init__(self, *, fault: str) -> None:
        self.fault = fault
        super().__init__(f"The chain does not say what this Consent says: {fault}; only the chain and the keys count.")


class NoSummary(BadInput):
    """A patient's summary cannot be made of these records."""

    def __init__(self, *, fault: str) -> None:
        self.fault = fault
        super().__init__(f"No summary can be made: {fault}.")


class CannotRefer(Refused):
    """A grant cannot be passed on for a referral, or not so."""

    def __init__(self, *, fault: str) -> None:
        self.fault = fault
        super().__init__(f"This cannot be referred on: {fault}.")


class UnknownMandate(BadInput):
    """Nobody by that name acts for the patient, or nobody lets this account act."""

    def __init__(self, *, name: str) -> None:
        self.name = name
        super().__init__(f"No delegate, programme or mandate is called {name[:80]!r} here; list them first.")


class BeyondMandate(Refused):
    """A delegate was to grant what it may not."""

    def __init__(self, *, fault: str) -> None:
        self.fault = fault
        super().__init__(f"The mandate does not reach so far: {fault}; ask the patient for another one.")


class ForeignPublication(Tampered):
    """Somebody else published under one of the patient's pseudonyms."""

    def __init__(self, *, pseudonym: str, version: int) -> None:
        self.pseudonym = pseudonym
        self.version = version
        super().__init__(
            f"Version {version} of {pseudonym} was not published from here: its publisher key may be stolen; "
            "replace the publisher and rotate at once."
        )


class NothingToErase(BadInput):
    """No pseudonym of the patient has keys of the classes named."""

    def __init__(self, *, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        super().__init__(f"There is nothing to erase in {', '.join(classes)}; 'patient records' lists what there is.")


class RecordsWait(Refused):
    """Records are anchored whose bytes or keys are not here yet; an erasure would lose those that came by an inbox."""

    def __init__(self, *, count: int) -> None:
        self.count = count
        super().__init__(
            f"{count} records wait for their bytes or their key, and would be lost to you too; file them with "
            "'patient watch' first, or go on without them with --despite-waiting."
        )


class SameLock(BadInput):
    """The new lock of the vault is the one that earlier backups have."""

    def __init__(self) -> None:
        super().__init__(
            "The new lock is the old one, which opens every earlier backup; choose another passphrase and forget the "
            "old one."
        )


class ErasureRefused(Refused):
    """The chain holds a publication that is not from here, so nothing can be erased behind it."""

    def __init__(self, *, pseudonym: str) -> None:
        self.pseudonym = pseudonym
        super().__init__(
            f"What is published for {pseudonym} is not from here; run 'patient replace-publisher' and erase then."
        )


class BadUnpinRequest(Refused):
    """A request to give up files that is not the patient's own, or asks for what is not hers."""

    def __init__(self, *, pseudonym: str, fault: str) -> None:
        self.pseudonym = pseudonym
        self.fault = fault
        super().__init__(f"The request to give up files of {pseudonym} is refused: {fault}.")


class NotTheSame(Refused):
    """An answer that does not prove that two pseudonyms are one person's."""

    def __init__(self, *, fault: str) -> None:
        self.fault = fault
        super().__init__(f"This does not show that the two pseudonyms are one person's: {fault}.")


class BadSameness(Refused):
    """A question whether two pseudonyms are one person's that must not be answered."""

    def __init__(self, *, fault: str) -> None:
        self.fault = fault
        super().__init__(f"The question whether two of your pseudonyms are one person's is refused: {fault}.")


class AuthorNotProven(Tampered):
    """A record names an author that did not sign it."""

    def __init__(self, *, digest: str, author: str) -> None:
        self.digest = digest
        self.author = author
        super().__init__(f"Record {digest[:16]} names {author} as its author, who did not sign it; do not rely on it.")


class BadCustodians(BadInput):
    """Custodians of an emergency key that cannot be: too few, one twice, one without the role."""

    def __init__(self, *, fault: str) -> None:
        self.fault = fault
        super().__init__(f"These custodians cannot keep your emergency key: {fault}.")


class NoEmergency(Refused):
    """Nothing was prepared for an emergency under this pseudonym."""

    def __init__(self, *, pseudonym: str) -> None:
        self.pseudonym = pseudonym
        super().__init__(
            f"{pseudonym} has no escrow that custodians could open; see whether the card is the patient's newest, and "
            "treat her without her records."
        )


class NoCase(BadInput):
    """There is no such emergency, or it is not this clinician's or this patient's."""

    def __init__(self, *, number: int) -> None:
        self.number = number
        super().__init__(f"Case {number} is none of yours; 'emergency cases' lists those that are.")


class NotYetOpen(Unavailable):
    """Not enough custodians have released a share; `needed` is zero while none has."""

    def __init__(self, *, number: int, good: int, needed: int) -> None:
        self.number, self.good, self.needed = number, good, needed
        here = f"{good} of the {needed} shares that it takes are here" if needed else "no share of its key is here"
        super().__init__(f"Emergency {number} is not open yet: {here}; wait, or call a custodian.")


class BadCard(BadInput):
    """A text or a picture that is no emergency card."""

    def __init__(self, *, fault: str) -> None:
        self.fault = fault
        super().__init__(f"This is no emergency card: {fault}; scan it again, or type the pseudonym that stands on it.")


class BadReason(BadInput):
    """A reason for an emergency that has no code."""

    def __init__(self, *, given: str, known: Sequence[str]) -> None:
        self.given = given
        super().__init__(f"{given[:60]!r} is no reason; choose one of {', '.join(known)}.")


class GlassBroken(Tampered):
    """An alarm: somebody opened an emergency under the patient's emergency pseudonym."""

    def __init__(self, *, number: int, clinician: str, member: int, releases: int) -> None:
        self.number, self.clinician, self.member, self.releases = number, clinician, member, releases
        super().__init__(
            f"Emergency {number}: {clinician}, of member {member}, asked for your emergency records, and {releases} "
            f"custodians gave out a share. If this is wrong, say so: 'patient emergency review {number} --sanction'."
        )


# -- medicine: codes -------------------------------------------------------------------------------------------------


class BadCode(BadInput):
    """What was scanned or typed is no code of a pack. `cause` is the fault's name for programs and reports."""

    cause: ClassVar[str] = "code-wrong"


class EmptyCode(BadCode):
    """Nothing was read."""

    cause = "code-empty"

    def __init__(self) -> None:
        super().__init__("Nothing was read; scan the code again.")


class CodeTooLong(BadCode):
    """A code has more characters than a symbol or a link of the kind can hold."""

    cause = "code-too-long"

    def __init__(self, *, length: int, limit: int) -> None:
        self.length = length
        self.limit = limit
        super().__init__(f"This code has {length} characters, more than the {limit} allowed; scan one code at a time.")


class ForeignCharacter(BadCode):
    """A code has a character that its standard does not know. `position` counts from 0."""

    cause = "character-foreign"

    def __init__(self, *, character: str, position: int) -> None:
        self.character = character
        self.position = position
        super().__init__(
            f"Character {position + 1} of this code, {character!r}, cannot stand there; "
            "check the scanner's settings and scan again."
        )


class CodeCutShort(BadCode):
    """A code ends inside of an element of fixed length, inside of an identifier, or before its envelope does."""

    cause = "code-cut-short"

    def __init__(self, *, inside: str) -> None:
        self.inside = inside
        super().__init__(f"This code breaks off inside of {inside}; scan it again as a whole.")


class WrongCheckDigit(BadCode):
    """A number's check digits are not those of its other digits. `kind` is GTIN, SSCC, GLN, PZN or PPN."""

    cause = "check-digit-wrong"

    def __init__(self, *, kind: str, number: str, expected: str) -> None:
        self.kind = kind
        self.number = number
        self.expected = expected
        super().__init__(
            f"The {kind} {number} should end in {expected}; scan again, and if it reads the same, ask who printed it."
        )


class WrongDate(BadCode):
    """A date is no day of the calendar, or cannot be written with two digits for the year."""

    cause = "date-wrong"

    def __init__(self, *, date: str) -> None:
        self.date = date
        super().__init__(f"{date!r} is no date that a code can carry; dates are written YYMMDD, day 00 for a month.")


class WrongElement(BadCode):
    """The value of an element is not what its identifier demands."""

    cause = "element-wrong"

    def __init__(self, *, identifier: str, value: str, fault: str) -> None:
        self.identifier = identifier
        self.value = value
        self.fault = fault
        super().__init__(
            f"Element {identifier} of this code, {value[:40]!r}, cannot be: {fault}; check the scanner and scan again."
        )


class UnknownIdentifier(BadCode):
    """Where an identifier should stand is none that the standard knows. `position` counts from 0."""

    cause = "identifier-unknown"

    def __init__(self, *, found: str, position: int) -> None:
        self.found = found
        self.position = position
        super().__init__(
            f"{found!r}, character {position + 1} of this code, starts no element of a code of a medicine; "
            "scan the square code on the pack."
        )


class ElementTwice(BadCode):
    """An identifier stands twice in one code with different values."""

    cause = "element-twice"

    def __init__(self, *, identifier: str, first: str, second: str) -> None:
        self.identifier = identifier
        self.first = first
        self.second = second
        super().__init__(
            f"Element {identifier} stands twice in this code, as {first[:40]!r} and as {second[:40]!r}; "
            "scan one code at a time."
        )


class NoSerial(BadCode):
    """A code names a product and no single pack of it."""

    cause = "serial-missing"

    def __init__(self, *, product: str) -> None:
        self.product = product
        super().__init__(
            f"This code names the product {product} and no single pack; scan the square code that has the serial."
        )


class NotAPackCode(BadCode):
    """A code is well-formed and is about something else than a pack."""

    cause = "not-a-pack"

    def __init__(self, *, found: str) -> None:
        self.found = found
        super().__init__(f"This code has {found[:60]!r} and no product number; scan the square code on the pack.")


class WrongEnvelope(BadCode):
    """The envelope of ISO/IEC 15434 around a PPN is not what it must be."""

    cause = "envelope-wrong"

    def __init__(self, *, fault: str) -> None:
        self.fault = fault
        super().__init__(f"The envelope of this code is damaged ({fault}); check the scanner and scan again.")


class WrongLink(BadCode):
    """A web address is no GS1 Digital Link of a pack, nor another link with a pack's number."""

    cause = "link-wrong"

    def __init__(self, *, fault: str) -> None:
        self.fault = fault
        super().__init__(f"This web address names no pack ({fault}); scan the square code that has the serial.")


class NotAnImage(BadInput):
    """A file or bytes are no picture that can be read."""

    def __init__(self, *, source: str, fault: str) -> None:
        self.source = source
        self.fault = fault
        super().__init__(f"{source} cannot be read as a picture ({fault}); give a PNG, JPEG, TIFF, WebP or BMP file.")


class ImageTooLarge(BadInput):
    """A picture has more of `unit` (pixels, bytes) than are decoded."""

    def __init__(self, *, source: str, size: int, limit: int, unit: str) -> None:
        self.source = source
        self.size = size
        self.limit = limit
        self.unit = unit
        super().__init__(f"{source} has {size} {unit}, more than the {limit} that are read; take a smaller picture.")


# -- medicine: EPCIS -------------------------------------------------------------------------------------------------


class BadIdentifier(BadInput):
    """A GS1 key cannot be used: a wrong length, character or check digit."""

    def __init__(self, *, kind: str, value: str, fault: str) -> None:
        self.kind = kind
        self.value = value
        self.fault = fault
        super().__init__(f"{value[:80]!r} is no {kind} ({fault}); check where it was read from.")


class BadStep(BadInput):
    """A step of a pack's way lacks something, or contradicts itself. `step` is its name, as in 'Packing'."""

    def __init__(self, *, step: str, fault: str) -> None:
        self.step = step
        self.fault = fault
        super().__init__(f"This {step} cannot be written as an EPCIS event ({fault}); mend it and write it again.")


class NotEpcis(BadInput):
    """What was handed in is no EPCIS 2.0 document in JSON, or is larger than anything that is read."""

    def __init__(self, *, fault: str) -> None:
        self.fault = fault
        super().__init__(f"This is not a usable EPCIS 2.0 document in JSON ({fault}); ask its sender for another.")


class NotHashable(BadInput):
    """An event has no hash: it holds a value that JSON cannot carry between machines."""

    def __init__(self, *, path: str, fault: str) -> None:
        self.path = path
        self.fault = fault
        super().__init__(f"This EPCIS event has no hash ({fault} at {path}); ask its sender for another.")


class BreaksEpcisSchema(BadInput):
    """A document breaks GS1's schema. `event` names the event, `path` is where in the document, `fault` is what."""

    def __init__(self, *, event: str, path: str, fault: str) -> None:
        self.event = event
        self.path = path
        self.fault = fault
        super().__init__(f"{event} breaks the EPCIS schema at {path} ({fault}); ask its writer to mend it.")


class NoEpcisSchema(BadInput):
    """A folder does not hold GS1's JSON schema of EPCIS 2.0, or not all of it."""

    def __init__(self, *, folder: str, fault: str) -> None:
        self.folder = folder
        self.fault = fault
        super().__init__(f"{folder} does not hold the EPCIS schema ({fault}); run 'npm ci' and name its folder.")


# -- medicine: trees and packs ---------------------------------------------------------------------------------------


class NoSuchPlace(BadInput):
    """A number names no place of the tree, or not one where goods can be held."""

    def __init__(self, *, node: int) -> None:
        self.node = node
        super().__init__(f"{node} is no pack, case, pallet or batch of this tree; take a place from the sheet.")


class WrongShape(BadInput):
    """The sizes of pallets and cases do not fit into each other."""

    def __init__(self, *, pallet_bits: int, case_bits: int) -> None:
        self.pallet_bits = pallet_bits
        self.case_bits = case_bits
        super().__init__(
            f"A case of 2^{case_bits} packs on a pallet of 2^{pallet_bits} cannot be: "
            "a case is no larger than a pallet, and a pallet no larger than 2^20 packs."
        )


class WrongPack(BadInput):
    """A pack cannot be committed to as it is."""

    def __init__(self, *, text: str, fault: str) -> None:
        self.text = text
        self.fault = fault
        super().__init__(f"'{text}' {fault}; correct it and commission again.")


class BatchTooLarge(BadInput):
    """There is no room in one tree for what is to be commissioned."""

    def __init__(self, *, wanted: int, room: int, what: str) -> None:
        self.wanted = wanted
        self.room = room
        self.what = what
        super().__init__(f"There are {wanted} {what} and room for {room}; commission them as several batches.")


# -- medicine: sheets, shelves, scans --------------------------------------------------------------------------------


class BadSheet(BadInput):
    """A sheet that was opened cannot be read."""

    def __init__(self, *, fault: str) -> None:
        self.fault = fault
        super().__init__(f"The sheet of these goods cannot be read ({fault}); ask the giver for another.")


class SheetDoesNotFit(Tampered):
    """A sheet is not of the batch, or not of the node, that it was given for."""

    def __init__(self, *, batch: str) -> None:
        self.batch = batch
        super().__init__(
            f"The sheet does not belong to what was offered of batch {batch[:16]}; "
            "do not accept the goods, and ask the giver for the right one."
        )


class NotOnTheShelf(Refused):
    """Nothing is known here of a pack, a batch or a part of one."""

    def __init__(self, *, what: str) -> None:
        self.what = what
        super().__init__(f"Nothing is known here of {what}; scan it again, or ask its maker.")


class NoConsortiumKey(Refused):
    """The key for the directory's tags was not sealed to this member, or not found."""

    def __init__(self, *, number: int) -> None:
        self.number = number
        super().__init__(f"Key {number} of the consortium was not sealed to this member; have the board renew it.")


class AlreadyQueued(Refused):
    """A dispense of this pack was written down here and waits to be settled."""

    def __init__(self, *, label: str) -> None:
        self.label = label
        super().__init__(f"{label} was dispensed here already and waits for the chain; do not dispense it again.")


class CounterBusy(Unavailable):
    """Another process settles the dispenses of the same counter."""

    def __init__(self, *, path: str) -> None:
        self.path = path
        super().__init__(f"The dispenses in {path} are being settled by another command; wait until it is done.")


class NothingOffered(BadInput):
    """There is no offer where one was looked for."""

    def __init__(self, *, what: str) -> None:
        self.what = what
        super().__init__(f"There is no offer {what}; ask the giver to offer the goods again.")


class NoSender(BadInput):
    """Something was to be sent and no account was given to send it with."""

    def __init__(self) -> None:
        super().__init__("There is no account to send this with; name one with --account.")


# -- medicine: verification and clones -------------------------------------------------------------------------------


class BadScan(BadInput):
    """A signed scan, a question or a report of a clone cannot be read."""

    def __init__(self, *, kind: str, fault: str) -> None:
        self.kind = kind
        self.fault = fault
        super().__init__(f"This {kind} cannot be read ({fault}); have it made again.")


# -- medicine: prescriptions -----------------------------------------------------------------------------------------


class BadRequest(BadInput):
    """A FHIR MedicationRequest cannot become a line of a prescription."""

    def __init__(self, *, where: str, fault: str) -> None:
        self.where = where
        self.fault = fault
        super().__init__(f"This MedicationRequest cannot be prescribed: {where} {fault}; correct it and try again.")


class BadTicket(BadInput):
    """What was scanned or typed is no key of a prescription, or a pass that is none."""

    def __init__(self, *, fault: str) -> None:
        self.fault = fault
        super().__init__(f"This is no prescription that can be read ({fault}); scan its QR code again.")


class BadPrescription(Tampered):
    """The sealed file of a prescription is not what its paper, its terms or the chain say."""

    def __init__(self, *, fault: str) -> None:
        self.fault = fault
        super().__init__(f"The file of this prescription is not to be trusted ({fault}); have it prescribed anew.")


class NotPrescribed(Refused):
    """The chain has no such prescription."""

    def __init__(self, *, prescription: str) -> None:
        self.prescription = prescription
        super().__init__(f"Nobody prescribed {prescription[:16]} on this chain; ask the prescriber.")


class UnknownPlan(Refused):
    """The chain has no such plan."""

    def __init__(self, *, plan: str) -> None:
        self.plan = plan
        super().__init__(f"No insurer published plan {plan[:16]} on this chain; ask the insurer.")


class NotClaimed(BadInput):
    """There is no such claim, or several whose number begins so."""

    def __init__(self, *, claim: str, several: int = 0) -> None:
        self.claim = claim
        self.several = several
        fault = f"{several} claims begin" if several > 1 else "No claim begins"
        super().__init__(f"{fault} with {claim[:64]!r} here; give more digits of a number that 'claims' lists.")


class NotSubmitted(Refused):
    """What was claimed cannot be read from the transaction that submitted it."""

    def __init__(self, *, claim: str) -> None:
        self.claim = claim
        super().__init__(
            f"Claim {claim[:16]} was submitted through another contract, and its lines cannot be read from the chain; "
            "ask its provider for them."
        )


class NotRecomputed(Refused):
    """A claim's decision cannot be given back from what the chain's node still knows."""

    def __init__(self, *, claim: str, fault: str) -> None:
        self.claim = claim
        self.fault = fault
        super().__init__(f"There is no dossier of claim {claim[:16]}: {fault}; ask a node that keeps the history.")


class BadProof(Tampered):
    """A proof out of a block's state does not prove anything."""

    def __init__(self, *, fault: str) -> None:
        self.fault = fault
        super().__init__(f"This proof does not hold: {fault}.")


class BadDossier(Tampered):
    """A claim's dossier does not hold; `step` is the numbered one that failed, zero where it cannot be read."""

    def __init__(self, *, step: int, fault: str) -> None:
        self.step = step
        self.fault = fault
        where = f" (step {step})" if step else ""
        super().__init__(f"This dossier does not hold{where}: {fault}.")


class WrongSelection(BadInput):
    """The lines of a prescription that were named do not go together, or are none."""

    def __init__(self, *, fault: str) -> None:
        self.fault = fault
        super().__init__(f"These lines cannot be chosen: {fault}.")


class VerifierSilent(Unavailable):
    """A maker's verify service gave no answer."""

    def __init__(self, *, url: str, reason: str) -> None:
        self.url = url
        self.reason = reason
        super().__init__(
            f"The maker's service at {url[:120]} gave no answer ({reason[:200]}); "
            "nothing is known of the pack until it does: try again."
        )


class QuestionRefused(Refused):
    """A maker's verify service does not answer this account now. `seconds` says when to ask again, zero for not."""

    def __init__(self, *, reason: str, status: int, seconds: int = 0) -> None:
        self.reason = reason
        self.status = status
        self.seconds = seconds
        later = f"; ask again in {seconds} seconds" if seconds else ""
        super().__init__(f"The maker's service does not answer this: {reason[:200]}{later}.")


class BadAnswer(Tampered):
    """What claims to be a maker's answer is not one to this question, or contradicts the chain."""

    def __init__(self, *, fault: str) -> None:
        self.fault = fault
        super().__init__(
            f"The answer about this pack cannot be believed ({fault}); nothing is known of the pack: tell its maker."
        )


class NotAClone(Refused):
    """What two scans say can be true of one pack."""

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(f"This report shows no clone: {reason}; keep it, and look at the chain again later.")


class FalseReport(Tampered):
    """A report of a clone does not hold: a signature, an account or the pack's proof is wrong."""

    def __init__(self, *, fault: str) -> None:
        self.fault = fault
        super().__init__(f"This report of a clone does not hold ({fault}); ask who handed it to you where it is from.")


# -- medicine: cold chain --------------------------------------------------------------------------------------------


class BadReadings(BadInput):
    """A file of readings cannot be used. `line` counts from 1, zero for the file as a whole."""

    def __init__(self, *, fault: str, line: int = 0) -> None:
        self.fault = fault
        self.line = line
        where = f" in line {line}" if line else ""
        super().__init__(f"These readings cannot be used ({fault}{where}); correct the file and log it again.")


class NoLimit(Refused):
    """The maker has not said what temperatures a batch bears."""

    def __init__(self, *, batch: str) -> None:
        self.batch = batch
        super().__init__(f"Nobody said what temperatures batch {batch[:16]} bears; its maker sets it with 'set-limit'.")


class WrongReport(Tampered):
    """What a logger reported to the chain is not what its readings say."""

    def __init__(self, *, what: str, reported: str, computed: str) -> None:
        self.what = what
        self.reported = reported
        self.computed = computed
        super().__init__(
            f"The {what} reported is {reported}, and the readings give {computed}; "
            "do not rely on this report, and ask the logger's member."
        )


# -- medicine: the journal -------------------------------------------------------------------------------------------


class NoGln(BadInput):
    """A member's Global Location Number is needed and not known here."""

    def __init__(self, *, member: int) -> None:
        self.member = member
        super().__init__(
            f"The GLN of member {member} is not known here; tell it with 'epcis gln {member} <13 digits>'."
        )


class NoBlock(Unavailable):
    """A node has a block no longer, or not yet."""

    def __init__(self, *, block: int) -> None:
        self.block = block
        super().__init__(f"The node does not have block {block}; follow the chain again, or ask another node.")


# -- relaying --------------------------------------------------------------------------------------------------------


class BadBlinding(BadInput):
    """A blinded message, its signature or its key cannot be used."""

    def __init__(self, *, fault: str) -> None:
        self.fault = fault
        super().__init__(f"This blind signature cannot be used: {fault}; ask the desk for it again.")


class BadVoucher(BadInput):
    """A voucher for a relayer cannot be used."""

    def __init__(self, *, fault: str) -> None:
        self.fault = fault
        super().__init__(f"This voucher cannot be used: {fault}; ask the desk for another.")


class BadGroup(BadInput):
    """What was sent to a relayer is no group of signed messages, or too much of one. `status` is HTTP's."""

    def __init__(self, *, fault: str, status: int = 400) -> None:
        self.fault = fault
        self.status = status
        super().__init__(f"A relayer cannot take this: {fault}.")


class RelayRefused(Refused):
    """A relayer does not take a group of signed messages. `code` is the protocol's word for why.

    `seconds`, where it is not zero, is after how long asking again may help.
    """

    def __init__(self, *, code: str, reason: str, seconds: int = 0) -> None:
        self.code = code
        self.reason = reason
        self.seconds = seconds
        later = f"; ask again in {seconds} s" if seconds else ""
        super().__init__(f"The relayer refuses ({code}): {reason}{later}.")


class RelayBusy(Unavailable):
    """A relayer has too much to do, or no money, and asks to come back after so many seconds."""

    def __init__(self, *, reason: str, seconds: int, status: int = 503) -> None:
        self.reason = reason
        self.seconds = seconds
        self.status = status
        super().__init__(f"The relayer cannot take it now: {reason}; ask again in {seconds} s, or ask another relayer.")


class RelaySilent(Unavailable):
    """A relayer does not answer, or answers what is no answer."""

    def __init__(self, *, url: str, reason: str) -> None:
        self.url = url
        self.reason = reason
        super().__init__(f"The relayer at {url} does not answer ({reason}); try again, or name another with --relayer.")


class NotCarried(Unavailable):
    """No relayer brought what was signed to the chain in time. `reasons` by the relayer's address, in words."""

    def __init__(self, *, reasons: Mapping[str, str]) -> None:
        self.reasons = dict(reasons)
        told = "; ".join(f"{url}: {reason.rstrip('.')}" for url, reason in self.reasons.items()) or "none was named"
        super().__init__(
            f"No relayer carried it ({told}). Nothing is lost: run the command again, "
            "with another --relayer or with a --payer."
        )


class NoVoucher(Refused):
    """Every relayer wants a voucher for this act, and there is none for this pseudonym."""

    def __init__(self, *, reasons: Mapping[str, str]) -> None:
        self.reasons = dict(reasons)
        told = ", ".join(self.reasons)
        super().__init__(
            f"The relayers ({told}) carry this only with a voucher, and you have none left for it. Ask a desk for "
            "blank vouchers with 'patient voucher ask', add them with 'patient voucher add', and run this again."
        )


# -- cover -----------------------------------------------------------------------------------------------------------


class WrongCoinsurance(BadInput):
    """A benefit's coinsurance is more than the whole."""

    def __init__(self, *, coinsurance: int) -> None:
        self.coinsurance = coinsurance
        super().__init__(
            f"A coinsurance of {coinsurance} hundredths of a percent is more than everything; give at most 10000."
        )


class BadPlan(BadInput):
    """A plan's file breaks a rule of what such a file is."""

    def __init__(self, *, where: str, fault: str) -> None:
        self.where = where
        self.fault = fault
        super().__init__(f"This plan cannot be used: {where} {fault}; correct it and try again.")


class UnsafePlan(BadInput):
    """A plan would give services away or could not be published; `refusals` are sentences."""

    def __init__(self, *, refusals: Sequence[str]) -> None:
        self.refusals = tuple(refusals)
        others = len(self.refusals) - 1
        more = f" ({others} more: see the plan's report)" if others else ""
        super().__init__(f"This plan cannot be published: {self.refusals[0]}{more}.")


class BadSchedule(Tampered):
    """A schedule document is no such document, or not the plan's."""

    def __init__(self, *, fault: str) -> None:
        self.fault = fault
        super().__init__(f"This is not the plan's schedule: {fault}; ask the insurer for it again.")


class BadClaim(BadInput):
    """A FHIR Claim cannot become a claim on the chain, or one of the chain cannot be told in FHIR."""

    def __init__(self, *, where: str, fault: str) -> None:
        self.where = where
        self.fault = fault
        super().__init__(f"This claim cannot be used: {where} {fault}; correct it and try again.")


class NotInSchedule(BadInput):
    """A claim names services that the plan's schedule does not list."""

    def __init__(self, *, services: Sequence[str]) -> None:
        self.services = tuple(services)
        listed = ", ".join(text[:80] for text in self.services[:5])
        more = f" and {len(self.services) - 5} more" if len(self.services) > 5 else ""
        super().__init__(f"The plan's schedule does not list {listed}{more}; claim it elsewhere or ask the insurer.")
