"""A custodian: watches the chain for emergencies, and releases its share of a key where every check says yes.

What was released is on the chain, and what is being released is written down before it is sent, so a custodian that is
killed goes on where it stopped and releases nothing twice. The steps are numbered as in `docs/protocol/emergencies.md`.
"""

import io
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from theriac.consortium import Role
from theriac.crypto.recipients import HybridRecipient, Identity, Recipient, parse_recipient
from theriac.errors import BadDocument, DamagedKeystore, NoBundle, NoProfile, Reverted, TheriacError, Unavailable
from theriac.health import documents
from theriac.health.bundle import Bundle
from theriac.health.chain import Chain
from theriac.health.emergencies import WINDOW, Case, Glass
from theriac.health.escrow import Share
from theriac.health.keystore import write_private
from theriac.ledger.sender import Sender
from theriac.store import Store
from theriac.store.cid import compute

DAY = 24 * 3600


@dataclass(frozen=True)
class Limits:
    """How often a custodian releases at most, within so many seconds before."""

    seconds: int = 7 * DAY
    clinician: int = 3
    patient: int = 3
    member: int = 20


@dataclass(frozen=True)
class Decision:
    """What a custodian decided of a case: released, or by which check it was not."""

    number: int
    clinician: str
    member: int
    pseudonym: str
    released: bool
    reason: str


class _NotPassedError(Exception):
    """A check said no; the text is the reason."""


class Custody:
    """One custodian member's service."""

    def __init__(
        self,
        *,
        member: int,
        identity: Identity,
        chain: Chain,
        store: Store,
        sender: Sender,
        folder: Path,
        limits: Limits | None = None,
    ) -> None:
        """`folder` keeps what is being released, and the log."""
        self.member = member
        self._identity = identity
        self._chain = chain
        self._glass = Glass(chain)
        self._store = store
        self._sender = sender
        self._folder = folder
        self._limits = limits or Limits()
        self._said: dict[int, str] = {}

    # -- a round -----------------------------------------------------------------------------------------------------

    def serve_once(self) -> list[Decision]:
        """Finishes what was begun, then decides every case whose window is open; gives what is new."""
        self._finish()
        decided = []
        now = self._chain.time()
        for case in reversed(self._within(now)):
            if self._glass.is_released(case.number, self.member):
                continue
            try:
                self._release(case, now=now)
            except _NotPassedError as no:
                decision = _decision(case, released=False, reason=str(no))
            except Unavailable:
                # It says nothing of the case; the next round tries again.
                raise
            except Reverted as refusal:
                # Something changed between the look and the transaction: the chain had the last word.
                self._path(case.number).unlink(missing_ok=True)
                decision = _decision(case, released=False, reason=str(refusal))
            except TheriacError as trouble:
                # What somebody published to be in the way keeps nobody else waiting.
                decision = _decision(case, released=False, reason=str(trouble))
            else:
                decision = _decision(case, released=True, reason="every check was passed")
            if self._said.get(case.number) != decision.reason:
                self._said[case.number] = decision.reason
                self._log(decision)
                decided.append(decision)
        return decided

    def _within(self, now: int) -> list[Case]:
        """(1) What the chain may still take back is not seen; what is over, reviewed or taken back is left alone."""
        found = []
        for case in self._glass.settled():
            if case.opened + WINDOW <= now:
                # They come in the order of their opening, the latest first.
                break
            if case.lasts(now):
                found.append(case)
        return found

    # -- releasing ---------------------------------------------------------------------------------------------------

    def _release(self, case: Case, *, now: int) -> None:
        self._check_clinician(case, now=now)
        self._check_rate(case, now=now)
        share = self._check_share(case)
        recipient = self._check_recipient(case, strong=share.strong)
        path = self._path(case.number)
        if not path.exists():
            # (8) What is sent to the chain is the digest of this very file, whatever happens in between.
            write_private(path, documents.seal(share.encode(), to=recipient))
        digest = compute(io.BytesIO(path.read_bytes())).digest
        call = self._chain.contracts.Emergencies.functions.release(case.number, digest)
        self._sender.send(call, intent=f"release {case.number} {digest.hex()[:16]}")
        # (9) Only a release that the chain has for good is handed out: else a clinician who takes the case back in time
        # would have the share and no case.
        self._hand_out(path)

    def _check_clinician(self, case: Case, *, now: int) -> None:
        authority = self._chain.authority(case.pseudonym)
        # (2) the version that the case names is the current one, in the same era
        if authority.era != case.era:
            raise _NotPassedError("the patient revoked everything since")
        if authority.version != case.version:
            raise _NotPassedError(f"version {authority.version} took the place of version {case.version} of the bundle")
        # (3) a clinician now, with the same member, in standing, and not barred
        if self._chain.standing(case.clinician, int(Role.CLINICIAN)) != case.member:
            raise _NotPassedError("the clinician is not with the same member in standing")
        if now < self._glass.barred_until(case.clinician):
            raise _NotPassedError("the clinician is barred")
        # (4) no earlier emergency of hers waits for its review
        for other in self._glass.by(case.clinician):
            if other.number < case.number and other.stands_in_the_way(now):
                raise _NotPassedError(f"emergency {other.number} of the same clinician waits for its review")

    def _check_rate(self, case: Case, *, now: int) -> None:
        """(5) Counted from the chain, so that a custodian who lost its folder counts the same."""
        recent = [each for each in self._released(now=now) if each.number != case.number]
        for whose, most, count in (
            ("this clinician", self._limits.clinician, sum(each.clinician == case.clinician for each in recent)),
            ("this patient", self._limits.patient, sum(each.pseudonym == case.pseudonym for each in recent)),
            ("this member", self._limits.member, sum(each.member == case.member for each in recent)),
        ):
            if count >= most:
                raise _NotPassedError(f"{count} shares were released for {whose} in {self._limits.seconds // DAY} days")

    def _released(self, *, now: int) -> Iterator[Case]:
        """The cases of the last days for which this member released; a release comes within a window of its case."""
        for release in reversed(self._glass.releases()):
            if release.member == self.member:
                case = self._glass.case(release.number)
                if case.opened + self._limits.seconds + WINDOW <= now:
                    return
                if case.opened + self._limits.seconds > now:
                    yield case

    def _check_share(self, case: Case) -> Share:
        # (6) the bundle that the chain names has a share for this custodian, and it is what was committed to
        try:
            data, version = self._chain.document(case.pseudonym, self._store)
            bundle = Bundle.decode(data, pseudonym=case.pseudonym, version=version)
            share = bundle.escrow.share(self._identity) if bundle.escrow is not None else None
        except (NoBundle, BadDocument) as trouble:
            raise _NotPassedError(f"the bundle cannot be used: {trouble}") from None
        if version != case.version:
            raise _NotPassedError(f"version {version} took the place of version {case.version} of the bundle")
        if bundle.escrow is None or share is None:
            raise _NotPassedError("the patient chose other custodians")
        if fault := bundle.escrow.fault(share, pseudonym=case.pseudonym, version=case.version):
            raise _NotPassedError(f"the share in the bundle is wrong: {fault}")
        return share

    def _check_recipient(self, case: Case, *, strong: bool) -> Recipient:
        # (7) the clinician has published what to seal to, and a strong one where the key opens level V
        try:
            recipient = parse_recipient(self._chain.profile(case.clinician, self._store).recipient)
        except NoProfile:
            raise _NotPassedError("the clinician has published no profile to seal to") from None
        if strong and not isinstance(recipient, HybridRecipient):
            raise _NotPassedError("the key opens level V, and the clinician has only a classic recipient")
        return recipient

    # -- after a crash -----------------------------------------------------------------------------------------------

    def _finish(self) -> None:
        """Hands out what the chain has; forgets what was written down for a case that is over."""
        for path in sorted(self._folder.glob("*.share")):
            number = int(path.stem)
            digest = compute(io.BytesIO(path.read_bytes())).digest
            ours = [each for each in self._glass.releases(number, settled=True) if each.member == self.member]
            if any(each.share == digest for each in ours):
                self._hand_out(path)
            elif ours or not self._glass.case(number).lasts(self._chain.time()):
                path.unlink()

    def _hand_out(self, path: Path) -> None:
        self._store.put(io.BytesIO(path.read_bytes()))
        path.unlink()

    def _path(self, number: int) -> Path:
        return self._folder / f"{number}.share"

    # -- the log -----------------------------------------------------------------------------------------------------

    def _log(self, decision: Decision) -> None:
        """A line a decision, as JSON."""
        line = json.dumps({"time": datetime.fromtimestamp(self._chain.time(), UTC).isoformat(), **asdict(decision)})
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(self._folder / "log.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(handle, "a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as fault:
            raise DamagedKeystore(path=str(self._folder), fault=fault.strerror or "it cannot be written") from None


def _decision(case: Case, *, released: bool, reason: str) -> Decision:
    return Decision(case.number, case.clinician, case.member, case.pseudonym, released, reason)
