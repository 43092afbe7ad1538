"""Who acts beside the patient: delegates and quorums that grant for her, readers that refer on, programmes.

None of them has seeds. What they granted is seen on the chain here; rows split at its end, and only then its capsule
goes out. What ends them is a revoke: first the keys, then the chain.
"""

import hmac
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from theriac.errors import BadWindow, TheriacError, UnknownMandate
from theriac.health import documents
from theriac.health.chain import sign
from theriac.health.delegations import REFERRED, Appoint, Quorum, commitment, mask_of_purposes
from theriac.health.hours import hour_at, hour_of_seconds, seconds_of
from theriac.health.letters import letters_to
from theriac.health.messages import Freshness, SetParent, member_address
from theriac.health.programmes import Note, Programme, Standing, standing
from theriac.health.referrals import told_of
from theriac.health.scope import PURPOSES, KeyClass, Purpose, bit_of, mask_of
from theriac.health.vault import Account, Enrolment, Mandate, Sharing, Writer, classes_of

if TYPE_CHECKING:
    from theriac.health.patient import Patient

_NOBODY = "0x" + "00" * 20
_DAY = 24
_YEAR = 365 * _DAY

GUARDIAN_RENEWED = 60
"""A guardian's mandate is renewed when it ends in fewer days, and up to 60 more, drawn for each."""


class Others:
    """What a patient's client does about those who act beside her."""

    def __init__(self, patient: "Patient") -> None:
        self._patient = patient

    # -- appointing --------------------------------------------------------------------------------------------------

    def appoint(
        self,
        holders: Sequence[str],
        *,
        name: str,
        classes: Sequence[KeyClass],
        purposes: Sequence[Purpose],
        end: datetime,
        history: bool = True,
        ages: datetime | None = None,
        recipient: str = "",
    ) -> list[Mandate]:
        """Appoints a delegate under one pseudonym for each of its accounts, of which none is used twice.

        Each pseudonym is a new one that waits for a reader of the delegate's choice: under it, the delegate grants to
        that reader. With a single wallet there is one pseudonym, and the first account.

        :param ages: a child's coming of age, beyond which nothing of this is renewed.
        :raises BadWindow: it ends before it begins, or after the child came of age.
        """
        until = self._until(end, ages)
        mandates = []
        for holder in holders[:1] if self._single else holders:
            account = self._patient.pseudonym_for(f"delegate:{holder}")
            mandate = self._mandate(account, name, holder, classes, purposes, until, history=history, ages=ages)
            mandate = replace(mandate, recipient=recipient)
            self._appoint(mandate)
            mandates.append(mandate)
        return mandates

    def appoint_quorum(
        self,
        members: Sequence[Sequence[str]],
        *,
        threshold: int,
        name: str,
        classes: Sequence[KeyClass],
        purposes: Sequence[Purpose],
        end: datetime,
        history: bool = True,
        ages: datetime | None = None,
    ) -> list[Mandate]:
        """The same for a group of which `threshold` must sign: for each member, its accounts.

        :raises BadWindow: as above, or fewer members than must sign.
        """
        if not 0 < threshold <= len(members):
            raise BadWindow(fault=f"{threshold} of {len(members)} can never sign")
        until = self._until(end, ages)
        mandates = []
        for accounts in zip(*members, strict=False):
            account = self._patient.pseudonym_for(f"delegate:{accounts[0]}")
            quorum = Quorum(account.pseudonym, secrets.token_bytes(32), tuple(accounts), threshold)
            mandate = self._mandate(account, name, quorum.holder, classes, purposes, until, history=history, ages=ages)
            whole = replace(mandate, threshold=threshold, salt=quorum.salt.hex(), members=quorum.members)
            self._appoint(whole)
            mandates.append(whole)
            if self._single:
                break
        return mandates

    @property
    def _single(self) -> bool:
        return self._patient.single

    def _until(self, end: datetime, ages: datetime | None) -> int:
        until = hour_at(end)
        if until <= self._patient.chain.hour():
            raise BadWindow(fault="it has ended already")
        if ages is not None and until > min(hour_at(ages), self._patient.chain.hour() + _YEAR):
            raise BadWindow(fault="a guardian acts for at most a year at a time, and not beyond the coming of age")
        return until

    def _mandate(
        self,
        account: Account,
        name: str,
        holder: str,
        classes: Sequence[KeyClass],
        purposes: Sequence[Purpose],
        until: int,
        *,
        history: bool,
        ages: datetime | None,
    ) -> Mandate:
        return Mandate(
            account.pseudonym,
            self._free_number(account.pseudonym),
            name,
            holder,
            tuple(str(cls) for cls in classes),
            tuple(purpose.code for purpose in purposes),
            0 if history else self._patient.chain.hour(),
            until,
            hour_at(ages) if ages is not None else 0,
        )

    def _free_number(self, pseudonym: str) -> int:
        vault = self._patient.vault
        taken = {each.by for each in vault.mandates if each.pseudonym == pseudonym}
        taken |= {each.by for each in vault.programmes if each.pseudonym == pseudonym}
        number = 1
        while number in taken or self._patient.chain.parent(pseudonym, number)["generation"]:
            number += 1
        return number

    def _appoint(self, mandate: Mandate) -> None:
        patient = self._patient
        account = patient.vault.accounts[mandate.pseudonym]
        purposes = mask_of_purposes(Purpose.parse(code) for code in mandate.purposes)
        message = Appoint(
            mandate.pseudonym,
            mandate.by,
            mandate.holder,
            mask_of(classes_of(mandate.classes)),
            purposes,
            mandate.threshold,
            seconds_of(mandate.end),
            self._freshness(mandate.pseudonym, mandate.by),
        )
        # What it grants is told by the vault alone, so that comes first.
        patient.vault.mandates.append(mandate)
        patient.publish(account, sign(patient.chain, message, patient.signer(account)))

    def _freshness(self, pseudonym: str, by: int) -> Freshness:
        chain = self._patient.chain
        generation = chain.parent(pseudonym, by)["generation"]
        return Freshness(generation, chain.authority(pseudonym).era, self._patient.deadline())

    def mandates(self, name: str) -> list[Mandate]:
        """:raises UnknownMandate: nobody by that name acts for the patient."""
        found = [each for each in self._patient.vault.mandates if each.name == name]
        if not found:
            raise UnknownMandate(name=name)
        return found

    def end(self, mandate: Mandate) -> None:
        """Ends a delegate or a quorum under one pseudonym, and all that it granted there."""
        self._end(mandate.pseudonym, mandate.by)
        self._patient.vault.mandates.remove(mandate)
        self._patient.save()

    def _end(self, pseudonym: str, by: int) -> None:
        """First the keys of all that stands under a number, then its end and the new capsules."""
        patient = self._patient
        account = patient.vault.accounts[pseudonym]
        under = [each for each in patient.vault.sharings if (each.pseudonym, each.by) == (pseudonym, by)]
        struck = [each for sharing in under for each in (sharing, *patient.vault.strike(sharing))]
        hour = patient.chain.hour()
        patient.vault.lock(sorted({cls for each in struck for cls in each.classes}), hour=hour)
        patient.save()
        for source in patient.vault.written():
            if source is not account and patient.vault.lagging(source, hour):
                patient.publish(source)
        message = SetParent(pseudonym, by, _NOBODY, 0, self._freshness(pseudonym, by))
        patient.publish(account, sign(patient.chain, message, patient.signer(account)))
        patient.publish_remaining(without=account)

    # -- guardians ---------------------------------------------------------------------------------------------------

    def renew_guardians(self) -> list[Mandate]:
        """Appoints anew, on days of chance, the guardians whose year runs out before the child comes of age.

        What a guardian granted ends with the year it was granted in. The last year ends some days before the coming of
        age, not on it: a birthday must not show.
        """
        vault, hour = self._patient.vault, self._patient.chain.hour()
        renewed = []
        for mandate in list(vault.mandates):
            newer = any(each.holder == mandate.holder and each.end > mandate.end for each in vault.mandates)
            early = (GUARDIAN_RENEWED + _drawn(mandate, vault.secret)) * _DAY
            if not mandate.ages or newer or mandate.end - hour > early or not hour < mandate.end:
                continue
            end = guardians_end(hour, mandate.ages)
            if end <= mandate.end:
                continue
            anew = replace(mandate, by=self._free_number(mandate.pseudonym), end=end)
            self._appoint(anew)
            renewed.append(anew)
        return renewed

    def age_out(self) -> list[Mandate]:
        """Ends every guardian: at the coming of age, before the wallet and the seeds are made new."""
        ended = [each for each in self._patient.vault.mandates if each.ages]
        for mandate in ended:
            self.end(mandate)
        return ended

    # -- programmes --------------------------------------------------------------------------------------------------

    def enrol(
        self,
        document: bytes,
        reader: str,
        *,
        name: str,
        classes: Sequence[KeyClass],
        purpose: Purpose,
        end: datetime,
        referable: bool = True,
    ) -> Enrolment:
        """Takes part in a programme: its team reads under a parent that stands for the document, and ends with it."""
        patient = self._patient
        until = self._until(end, None)
        account = patient.account_for_reader(reader)
        by, salt = self._free_number(account.pseudonym), secrets.token_bytes(32)
        message = SetParent(
            account.pseudonym,
            by,
            commitment(document, salt=salt),
            seconds_of(until),
            self._freshness(account.pseudonym, by),
        )
        enrolment = Enrolment(
            account.pseudonym,
            by,
            reader,
            purpose.code,
            document.decode(),
            salt.hex(),
            patient.chain.hour(),
            until,
        )
        patient.vault.programmes.append(enrolment)
        patient.publish(account, sign(patient.chain, message, patient.signer(account)))
        patient.grant(reader, classes=classes, purpose=purpose, end=end, name=name, by=by, referable=referable)
        if self._let_write(account, reader, classes=tuple(str(cls) for cls in classes)):
            patient.publish(account)
        return enrolment

    def leave(self, enrolment: Enrolment) -> None:
        """Ends a programme for this patient, its team's grant, and what the team referred on."""
        self._end(enrolment.pseudonym, enrolment.by)
        self._patient.vault.programmes.remove(enrolment)
        self._patient.save()

    def enrolment(self, name: str) -> Enrolment:
        """:raises UnknownMandate: she takes part in no such programme."""
        for each in self._patient.vault.programmes:
            if Programme.decode(each.document.encode()).name == name:
                return each
        raise UnknownMandate(name=name)

    def standing(self) -> list[tuple[str, list[Standing]]]:
        """Where the patient stands in each of her programmes, by the notes that their teams sent."""
        now, notes = self._patient.chain.hour(), self._notes()
        found = []
        for each in self._patient.vault.programmes:
            programme = Programme.decode(each.document.encode())
            mine = [note for member, note in notes if (member, note.pseudonym, note.by) == self._team(programme, each)]
            found.append((programme.name, standing(programme, mine, start=each.start, now=now)))
        return found

    @staticmethod
    def _team(programme: Programme, enrolment: Enrolment) -> tuple[int, str, int]:
        return programme.member, enrolment.pseudonym, enrolment.by

    def _notes(self) -> list[tuple[int, Note]]:
        """What teams told, the latest first, each with the member whose account told it."""
        patient, found = self._patient, []
        for letter in letters_to(patient.chain, patient.vault.accounts):
            account = patient.vault.accounts[letter.to]
            try:
                sealed = letter.sealed(patient.store)
                note = Note.decode(documents.open_(sealed, identities=account.all_inboxes()))
            except TheriacError:
                # Anybody can send a letter; one that is no note is nobody's business.
                continue
            if note.pseudonym == account.pseudonym:
                found.append((patient.chain.member_of(letter.sender), note))
        return found

    # -- what others granted -----------------------------------------------------------------------------------------

    def adopt(self) -> list[Sharing]:
        """Takes into the vault what delegates granted and readers referred on, and gives it its keys."""
        patient, adopted = self._patient, []
        for place, purpose in self._places():
            sharing = self._of_others(place, purpose)
            if sharing is None or any(_same(each, sharing) for each in patient.vault.sharings):
                continue
            account = patient.vault.accounts[sharing.pseudonym]
            known = patient.vault.account_for(f"reader:{sharing.reader}")
            if account.counterparty.startswith("delegate:") and known is None:
                account.counterparty = f"reader:{sharing.reader}"
            if sharing.through:
                self._let_write(account, sharing.reader, classes=sharing.classes)
            for former in [each for each in patient.vault.sharings if each.granted and each.place == sharing.place]:
                if patient.lost(former, sharing):
                    patient.vault.unshare(former, hour=patient.chain.hour())
            # Rows split at its end first, under every pseudonym; only then its capsule goes out.
            patient.vault.share(replace(sharing, granted=False))
            patient.save()
            hour = patient.chain.hour()
            for source in patient.vault.written():
                if source is not account and patient.vault.lagging(source, hour):
                    patient.publish(source)
            patient.vault.share(sharing)
            patient.publish(account)
            adopted.append(sharing)
        return adopted

    def referrals(self) -> list[Sharing]:
        """What readers passed on of what they were granted, as far as this client has seen it."""
        return [each for each in self._patient.vault.sharings if each.through]

    def revoke_referral(self, reader: str, *, purpose: Purpose) -> None:
        """Ends what was referred to a reader, and nothing else; it cannot be referred again.

        :raises UnknownMandate: nothing was.
        """
        found = [
            each for each in self.referrals() if each.reader.lower() == reader.lower() and each.purpose == purpose.code
        ]
        if not found:
            raise UnknownMandate(name=reader)
        for sharing in found:
            self._patient.revoke_sharing(sharing)

    def _places(self) -> Iterator[tuple[tuple[str, str], Purpose]]:
        """Where others may have granted under the patient's pseudonyms, each place once."""
        vault = self._patient.vault
        found: dict[tuple[str, str, int], None] = {}
        for event in self._patient.chain.index.events("Grants", "Granted"):
            pseudonym, by = str(event.arguments["pseudonym"]), int(event.arguments["by"])
            if by and pseudonym in vault.accounts:
                found[pseudonym, str(event.arguments["reader"]), int(event.arguments["purpose"])] = None
        numbered = {purpose.number: purpose for purpose in PURPOSES}
        for pseudonym, reader, number in found:
            if number in numbered:
                yield (pseudonym, reader), numbered[number]

    def _of_others(self, place: tuple[str, str], purpose: Purpose) -> Sharing | None:
        """What stands at a place that another than the patient granted; None where nothing does."""
        patient = self._patient
        pseudonym, reader = place
        grant = patient.chain.grant(pseudonym, reader, purpose)
        if not grant["scope"] or grant["expiry"] <= patient.chain.time():
            return None
        if grant["era"] != patient.chain.authority(pseudonym).era:
            return None
        if grant["by"] == REFERRED:
            through = patient.chain.referrer(pseudonym, reader, purpose)
            within = self._referred_from((pseudonym, reader, purpose.code), through, int(grant["nonce"]))
        else:
            through, within = "", self._mandated(pseudonym, int(grant["by"]))
        if within is None:
            return None
        classes, since, end = within
        names = tuple(name for name in classes if int(grant["scope"]) >> bit_of(KeyClass.parse(name)) & 1)
        try:
            profile = patient.chain.profile(reader, patient.store)
        except TheriacError:
            # Without a recipient there is nothing to seal to; the next look may find one.
            return None
        hour = patient.chain.hour()
        start = max(hour_of_seconds(grant["start"]) if grant["start"] else 0, hour)
        ends = min(hour_of_seconds(grant["expiry"]), end)
        sharing = Sharing(
            pseudonym,
            reader,
            profile.name,
            profile.recipient,
            purpose.code,
            names,
            since,
            start,
            ends,
            by=int(grant["by"]),
            through=through,
            nonce=int(grant["nonce"]),
        )
        return sharing if names and sharing.live(hour) and self.stands(sharing, grant) else None

    def _referred_from(
        self, place: tuple[str, str, str], through: str, nonce: int
    ) -> tuple[tuple[str, ...], int, int] | None:
        """What a referral is of its referrer's grant: the chain has neither the classes behind a bit nor the history,
        so the referrer told both; of what it did not tell, only the classes that are alone behind their bits.
        """
        patient, (pseudonym, reader, purpose) = self._patient, place
        for each in patient.vault.sharings:
            if each.place == (pseudonym, through, purpose) and each.granted and each.referable:
                break
        else:
            return None
        account, referral = patient.vault.accounts[pseudonym], (reader, purpose, nonce)
        told = told_of(patient.chain, patient.store, account, through=through, referral=referral)
        if told is not None:
            names = tuple(name for name in each.classes if name in told.classes)
            return names, max(each.since, told.since), each.end
        bits = [bit_of(KeyClass.parse(name)) for name in each.classes]
        alone = tuple(name for name, bit in zip(each.classes, bits, strict=True) if bits.count(bit) == 1)
        return alone, each.since, each.end

    def _mandated(self, pseudonym: str, by: int) -> tuple[tuple[str, ...], int, int] | None:
        for each in self._patient.vault.mandates:
            if (each.pseudonym, each.by) == (pseudonym, by):
                return each.classes, each.since, each.end
        return None

    def stands(self, sharing: Sharing, grant: Mapping[str, Any]) -> bool:
        """Whether the chain's grant still stands under what the sharing was granted by."""
        if not sharing.by:
            return True
        if grant["by"] != sharing.by:
            return False
        chain, purpose = self._patient.chain, Purpose.parse(sharing.purpose)
        if sharing.through:
            parent = chain.grant(sharing.pseudonym, sharing.through, purpose)
            same = parent["nonce"] == grant["generation"] and bool(parent["scope"])
            return same and (not parent["by"] or self._lives(sharing.pseudonym, parent))
        return self._lives(sharing.pseudonym, grant)

    def _lives(self, pseudonym: str, grant: Mapping[str, Any]) -> bool:
        parent = self._patient.chain.parent(pseudonym, int(grant["by"]))
        return bool(parent["generation"] == grant["generation"] and parent["expiry"] > self._patient.chain.time())

    def _let_write(self, account: Account, reader: str, *, classes: Sequence[str]) -> bool:
        """Lets a reader's member write under the pseudonym that it reads by, for its report; whether that is new."""
        patient = self._patient
        number = int(reader, 16) if int(reader, 16) < 1 << 32 else patient.chain.member_of(reader)
        if not number or any(writer.member == number for writer in account.writers):
            return False
        try:
            profile = patient.chain.profile(member_address(number), patient.store)
        except TheriacError:
            return False
        account.writers.append(Writer(number, profile.name, profile.recipient, tuple(classes)))
        patient.vault.grow(account, classes=classes, hour=patient.chain.hour())
        return True


def guardians_end(hour: int, ages: int) -> int:
    """A midnight of chance, at most a year ahead and some days before the coming of age; `hour` where none is left."""
    latest = min(hour + _YEAR, ages) // _DAY * _DAY - secrets.randbelow(61) * _DAY
    return max(latest, hour)


def _drawn(mandate: Mandate, secret: bytes) -> int:
    """Days of chance, the same at each look, and nobody else's to know."""
    return int.from_bytes(hmac.digest(secret, f"{mandate.holder}/{mandate.by}".encode(), "sha256")[:4]) % 61


def _same(known: Sharing, sharing: Sharing) -> bool:
    """Whether a grant is the one that was taken in; the names of who reads and the start are as they were then."""
    return known == replace(sharing, start=known.start, name=known.name, recipient=known.recipient)
