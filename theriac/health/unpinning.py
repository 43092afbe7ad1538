"""A member's side of an erasure: what patients ask it to give up, and the receipts that it signs."""

from dataclasses import replace
from pathlib import Path

from theriac.errors import BadDocument, BadUnpinRequest, NotStored, TheriacError
from theriac.health import documents
from theriac.health.erasure import UnpinReceipt, UnpinRequest
from theriac.health.keystore import write_private
from theriac.health.scope import Level
from theriac.health.writer import Writer


class Unpinner:
    """Reads what patients ask, gives it up, and answers.

    Who asks is never believed: a request is signed by the pseudonym's controller, and only what is surely that
    pseudonym's is unpinned, which is what this member anchored under it, and bundles that name it themselves.
    """

    def __init__(self, writer: Writer, *, folder: Path) -> None:
        self._writer = writer
        self._chain = writer.chain
        self._store = writer.store
        self._folder = folder / "unpinned"

    def requests(self) -> list[UnpinRequest]:
        """What was asked and not answered yet, the latest first."""
        found = []
        for sender, letter, document in self._writer.letters():
            try:
                request = UnpinRequest.decode(document, letter=letter)
                self._check(request, sender)
            except TheriacError:
                # Anybody can send a letter; one that is no request of a patient of this desk is nobody's business.
                continue
            if not self._path(request).exists():
                found.append(request)
        return found

    def request(self, letter: str) -> UnpinRequest:
        """The open request whose letter begins so.

        :raises BadUnpinRequest: none, or more than one.
        """
        found = [each for each in self.requests() if letter and each.letter.startswith(letter.lower())]
        if len(found) != 1:
            raise BadUnpinRequest(pseudonym="a patient", fault=f"none, or more than one, begins with {letter[:64]!r}")
        return found[0]

    def _check(self, request: UnpinRequest, sender: str) -> None:
        if request.member != self._writer.member or sender != request.pseudonym:
            raise BadUnpinRequest(pseudonym=request.pseudonym, fault="it is another member's or another sender's")
        self._writer.patient(request.pseudonym)
        if not self._writer.signed_by_controller(request.message(), request.signature, request.pseudonym):
            raise BadUnpinRequest(pseudonym=request.pseudonym, fault="its signature is not the patient's")

    def hers(self, request: UnpinRequest) -> tuple[str, ...]:
        """What of a request is surely under its pseudonym, and needed by nobody."""
        return tuple(digest for digest in request.digests if self._is_hers(request.pseudonym, bytes.fromhex(digest)))

    def _is_hers(self, pseudonym: str, digest: bytes) -> bool:
        if self._chain.anchor(pseudonym, self._writer.member, digest).time:
            return True
        if self._writer.anchored_on_a_day(pseudonym, digest.hex()):
            return True
        if digest == self._chain.digest(pseudonym):
            return False
        try:
            with self._store.get_digest(digest) as stream:
                return _names_itself(documents.read_at_most(stream, documents.LARGEST), pseudonym)
        except NotStored:
            # There is nothing to keep, so it can be said to be gone.
            return True
        except TheriacError:
            return False

    def unpin(self, request: UnpinRequest, *, keep: bool = False, reason: str = "") -> UnpinReceipt:
        """Gives up what is hers, or with `keep` nothing, and answers with a signed receipt, sealed to her inbox.

        A member that must keep a record by law says so: the patient then knows who has it. What it copied elsewhere,
        in its own books or backups, it alone knows.
        """
        unpinned = () if keep else self.hers(request)
        for digest in unpinned:
            self._writer.drop(digest)
            try:
                self._store.unpin(self._store.resolve(bytes.fromhex(digest)))
            except NotStored:
                continue
        kept = tuple(digest for digest in request.digests if digest not in unpinned)
        told = reason or ("" if not kept else "what is kept is not known to be this patient's, or still stands")
        unsigned = UnpinReceipt(
            pseudonym=request.pseudonym,
            member=request.member,
            request=request.letter,
            unpinned=unpinned,
            kept=kept,
            reason=told,
            time=self._chain.time(),
            account=self._writer.account,
        )
        receipt = replace(unsigned, signature=self._writer.sign(unsigned.message()))
        self._writer.send(request.pseudonym, receipt.encode(), level=Level.N)
        write_private(self._path(request), receipt.encode())
        return receipt

    def _path(self, request: UnpinRequest) -> Path:
        return self._folder / f"{request.letter}.json"


def _names_itself(document: bytes, pseudonym: str) -> bool:
    """Whether bytes are a bundle of this pseudonym: nobody else's bundle says so, and no sealed file does."""
    try:
        return bool(documents.decode("bundle", document)["pseudonym"] == pseudonym)
    except (BadDocument, KeyError):
        return False
