"""The patient's page: what it shows of the vault and the chain, and the acts that it can ask for."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from eth_utils.address import to_checksum_address

from scripts._cli import Failure
from scripts._desk import Desk, cut, word_in
from scripts._options import classes_of, end_of, moment, reader_of
from scripts._pages import Pages
from scripts._patients import Locked, begin_with_browser, open_for_page
from scripts._site import Person, Site
from scripts._wallets import Signing, account_named
from theriac.errors import NoProfile
from theriac.health.chain import Refusal, Relay, Signed
from theriac.health.hours import hour_of_seconds, seconds_of
from theriac.health.keystore import write_private
from theriac.health.patient import Patient
from theriac.health.requests import Request
from theriac.health.scope import ALL_CLASSES, PURPOSES, SINGLE_RECORDS, KeyClass, Purpose, mask_of
from theriac.health.vault import Sharing
from theriac.health.vault import classes_of as parsed
from theriac.ledger.contracts import Receipt

_EVERY = 60.0
"""Seconds without a wish after which the page looks for what is new."""

_RECORDS = 300
"""The latest records that are listed."""

_ANSWERED = "answered.json"


class TellingRelay:
    """A relay that says what is on its way, and when it is on the chain at the network's depth."""

    def __init__(self, relay: Relay, desk: Desk) -> None:
        self._relay = relay
        self._desk = desk
        self._steps: list[dict[str, Any]] = []

    def begin(self) -> None:
        self._steps = []

    def carry(self, *signed: Signed) -> Receipt:
        what = [one.message.TYPE for one in signed]
        self._desk.tell(steps=[*self._steps, {"what": what, "state": "sent"}])
        receipt = self._relay.carry(*signed)
        self._steps.append({"what": what, "state": "landed"})
        self._desk.tell(steps=list(self._steps))
        return receipt


class PatientPage:
    """One patient's page, from its first link to its end."""

    def __init__(self, site: Site, person: Person, *, locked: Locked | None, payer: str) -> None:
        """`locked` where the vault is to be begun, with a wallet in the browser."""
        self._site = site
        self._person = person
        self._locked = locked
        self._payer = payer
        self._patient: Patient | None = None
        self._alarms: tuple[Any, ...] = ()
        self.desk = Desk(self._acts(), every=_EVERY, idle=self._look_quietly)
        self._signing = Signing(self.desk)
        self._relays: list[TellingRelay] = []
        api = {"news": self.desk.news, "act": self.desk.ask, "signature": self._signing.answer}
        self.pages = Pages("wallet.html", api)

    # -- from beginning to end ---------------------------------------------------------------------------------------

    def open(self) -> None:
        """Opens the vault; the terminal may be asked for its passphrase."""
        if self._locked is None:
            self._patient = open_for_page(self._site, self._person, signing=self._signing, tell=self._telling)
        self.desk.show(**self._frame())

    def run(self) -> None:
        """Shows what there is, and does what the page asks for until it is stopped."""
        if self._patient is not None:
            self._show()
            self.desk.wish("look")
        self.desk.work()

    def _telling(self, relay: Relay) -> Relay:
        telling = TellingRelay(relay, self.desk)
        self._relays.append(telling)
        return telling

    @property
    def patient(self) -> Patient:
        if self._patient is None:
            raise Failure("There are no keys yet; connect a wallet and begin.")
        return self._patient

    def _acts(self) -> dict[str, Callable[[Mapping[str, Any]], Any]]:
        acts: dict[str, Callable[[Mapping[str, Any]], Any]] = {
            "begin": self._begin,
            "look": self._look,
            "grant": self._grant,
            "narrow": self._narrow,
            "revoke": self._revoke,
            "revoke-all": lambda _: self.patient.revoke_all(),
            "answer": self._answer,
            "refuse": self._refuse,
            "introduce": self._introduce,
            "replace-publisher": self._replace_publisher,
        }
        return {name: self._shown_after(name, act) for name, act in acts.items()}

    def _shown_after(self, name: str, act: Callable[[Mapping[str, Any]], Any]) -> Callable[[Mapping[str, Any]], Any]:
        """What the page shows is made anew after each act, done or not: a half of it may be."""

        def done(values: Mapping[str, Any]) -> Any:
            for relay in self._relays:
                relay.begin()
            try:
                return act(values)
            finally:
                if self._patient is not None:
                    self._show()

        return done

    # -- acts --------------------------------------------------------------------------------------------------------

    def _begin(self, values: Mapping[str, Any]) -> None:
        if self._patient is None:
            assert self._locked is not None
            account = self._locked.accounts[0] if self._locked.accounts else account_named(values.get("account"))
            self._patient = begin_with_browser(
                self._site,
                self._person,
                self._locked,
                account=account,
                payer=self._payer,
                signing=self._signing,
                tell=self._telling,
            )
            self.desk.show(**self._frame())
        self._patient.found()

    def _look(self, _: Mapping[str, Any]) -> None:
        """Settles what was left open, files what was written, and finishes a revoke that was begun."""
        patient = self.patient
        if not all(each.publications for each in patient.vault.accounts.values()) or not patient.vault.accounts:
            patient.found()
        self._alarms = patient.watch().alarms

    def _look_quietly(self, _: Mapping[str, Any]) -> None:
        # Nobody asked for it now, so nothing that needs a signature is begun.
        if self._patient is not None and not self._patient.vault.revoking:
            self._alarms = self._patient.watch().alarms
            self._show()

    def _grant(self, values: Mapping[str, Any]) -> None:
        wanted = _classes(values)
        reader = reader_of(word_in(values, "reader").strip(), play=self._site.play)
        self.patient.grant(
            reader,
            classes=wanted,
            purpose=Purpose.parse(word_in(values, "purpose")),
            end=end_of(word_in(values, "until"), None, now=self.patient.chain.time()),
            history=values.get("history") is True,
        )

    def _sharing(self, values: Mapping[str, Any]) -> Sharing:
        pseudonym, reader, purpose = (word_in(values, name) for name in ("pseudonym", "reader", "purpose"))
        return self.patient.vault.sharing(pseudonym, reader, purpose)

    def _narrow(self, values: Mapping[str, Any]) -> None:
        until = word_in(values, "until")
        self.patient.narrow(self._sharing(values), classes=_classes(values), end=moment(until))

    def _revoke(self, values: Mapping[str, Any]) -> None:
        reader, purpose = word_in(values, "reader"), word_in(values, "purpose")
        if any((each.reader, each.purpose) == (reader, purpose) for each in self.patient.vault.revoking):
            # It was begun before, and its keys are locked: what remains is to end it on the chain.
            self.patient.resume()
            return
        for each in self._stale(self.patient):
            if (each.reader, each.purpose) == (reader, purpose):
                self.patient.vault.revoking.append(each)
                self.patient.resume()
                return
        self.patient.revoke(to_checksum_address(reader), purpose=Purpose.parse(purpose))

    def _request(self, values: Mapping[str, Any]) -> Request:
        letter = word_in(values, "letter")
        for each in self.patient.requests():
            if each.letter == letter:
                return each
        raise Failure("This request is not there any more.")

    def _answer(self, values: Mapping[str, Any]) -> None:
        request, wanted = self._request(values), _classes(values)
        end, asked = moment(word_in(values, "until")), classes_of(request.classes)
        if beyond := [str(each) for each in wanted if each not in asked]:
            raise Failure(f"{', '.join(beyond)} was not asked for.")
        self.patient.grant(
            request.reader,
            classes=wanted,
            purpose=Purpose.parse(request.purpose),
            end=min(end, moment(request.end)),
            history=request.history and values.get("history") is True,
        )
        self.patient.answer(request, granted=True)
        self._keep_answered(request)

    def _refuse(self, values: Mapping[str, Any]) -> None:
        request = self._request(values)
        self.patient.refuse(request, reason=word_in(values, "reason")[:1000])
        self._keep_answered(request)

    def _introduce(self, values: Mapping[str, Any]) -> dict[str, str]:
        member = values.get("member")
        if not isinstance(member, int) or not 0 < member < 1 << 32:
            raise Failure("Name the member by its number.")
        wanted = [KeyClass.parse(str(each)) for each in values["classes"]] if values.get("classes") else None
        paper = self.patient.introduce(member, classes=wanted)
        return {"name": f"member-{member}.introduction", "content": paper.encode().decode()}

    def _replace_publisher(self, _: Mapping[str, Any]) -> None:
        for alarm in self.patient.resume():
            self.patient.replace_publisher(self.patient.vault.accounts[alarm.pseudonym])
        self._alarms = self.patient.resume()

    # -- what was answered -------------------------------------------------------------------------------------------

    def _answered(self) -> list[str]:
        try:
            return [str(each) for each in json.loads((self._person.folder / _ANSWERED).read_bytes())]
        except (OSError, ValueError, TypeError):
            return []

    def _keep_answered(self, request: Request) -> None:
        answered = [*self._answered(), request.letter]
        write_private(self._person.folder / _ANSWERED, json.dumps(answered[-5000:]).encode())

    # -- what is shown -----------------------------------------------------------------------------------------------

    def _frame(self) -> dict[str, Any]:
        """What does not change while the page is open."""
        browser = self._person.settings.get("browser", "") if self._locked is None or self._patient else ""
        if self._locked is not None:
            kind = "many" if self._locked.accounts else "one"
        else:
            kind = "local" if not browser else "many" if browser == "many" else "one"
        return {
            "who": self._person.who,
            "network": self._site.name,
            "wallet": kind,
            "begun": self._patient is not None,
            "first": self._locked.accounts[0] if self._locked is not None and self._locked.accounts else None,
            "classes": [str(each) for each in ALL_CLASSES],
            "purposes": [{"code": each.code, "words": each.words} for each in PURPOSES],
            "question": None,
        }

    def _show(self) -> None:
        patient = self.patient
        self.desk.show(
            now=patient.chain.time(),
            accounts=[
                {"account": each.pseudonym, "place": each.place, "for": each.counterparty, "home": each.home}
                for each in patient.vault.accounts.values()
            ],
            grants=self._grants(patient),
            requests=self._requests(patient),
            records=self._records(patient),
            record_count=len(patient.vault.entries),
            unsolicited=len(patient.vault.unsolicited),
            alarms=[{"pseudonym": each.pseudonym, "version": each.version} for each in self._alarms],
            **self._looked(patient),
        )

    def _looked(self, patient: Patient) -> dict[str, Any]:
        """Who looked, by the receipts that readers signed."""
        found = patient.looked()
        rows = [
            {
                "reader": each.receipt.reader,
                "name": self._called(patient, each.receipt.reader),
                "class": each.receipt.cls,
                "purpose": each.receipt.purpose,
                "act": str(each.receipt.act),
                "time": each.receipt.time,
                "faults": [str(fault) for fault in each.faults],
            }
            for each in found.readings
        ]
        missing = [{"reader": each.reader, "first": each.first, "last": each.last} for each in found.gaps]
        lies = [{"reader": each.first.receipt.reader, "number": each.first.receipt.number} for each in found.doubles]
        return {"looked": {"rows": rows[-_RECORDS:][::-1], "missing": missing, "lies": lies}}

    def _grants(self, patient: Patient) -> list[dict[str, Any]]:
        hour = patient.chain.hour()
        rows = [(each, "revoking") for each in patient.vault.revoking]
        rows += [(each, "keyless") for each in self._stale(patient)]
        rows += [(each, self._standing(patient, each, hour)) for each in patient.vault.sharings]
        shown = [
            {
                "pseudonym": each.pseudonym,
                "reader": each.reader,
                "name": cut(each.name, 120),
                "purpose": each.purpose,
                "classes": list(each.classes),
                "since": seconds_of(each.since) if each.since else 0,
                "start": seconds_of(each.start),
                "end": seconds_of(each.end),
                "standing": standing,
            }
            for each, standing in rows
        ]
        return shown + [
            {
                "pseudonym": each.pseudonym,
                "reader": each.reader,
                "name": cut(each.name, 120),
                "record": each.digest,
                "end": seconds_of(each.end),
                "standing": "open" if hour < each.end else "over",
            }
            for each in patient.vault.singles
        ]

    def _standing(self, patient: Patient, sharing: Sharing, hour: int) -> str:
        """How a grant stands on the chain now, not only here."""
        if not sharing.granted:
            return "unsettled"
        if hour >= sharing.end:
            return "over"
        purpose, scope = Purpose.parse(sharing.purpose), mask_of(parsed(sharing.classes))
        found = patient.chain.grant(sharing.pseudonym, sharing.reader, purpose)
        if found["scope"] & ~(scope | 1 << SINGLE_RECORDS) or found["expiry"] > seconds_of(sharing.end):
            return "narrowing"
        number = int(sharing.reader, 16)
        # Standing is asked of accounts: a member's own answers for it, and the member's grant counts for that.
        asked = patient.chain.member_account(number) if number < 1 << 32 and purpose.role else sharing.reader
        said = patient.chain.explain(sharing.pseudonym, asked, scope, purpose)
        return "open" if said is Refusal.NONE else said.name.lower().replace("_", "-")

    def _requests(self, patient: Patient) -> list[dict[str, Any]]:
        answered = set(self._answered())
        return [
            {
                "letter": each.letter,
                "member": each.member,
                "reader": to_checksum_address(each.reader),
                "known": self._called(patient, each.reader),
                "name": cut(each.name, 120),
                "purpose": each.purpose,
                "classes": list(each.classes),
                "end": int(moment(each.end).timestamp()),
                "history": each.history,
                "reason": cut(each.reason, 1000),
            }
            for each in patient.requests()
            if each.letter not in answered and _is_clean(each)
        ]

    def _stale(self, patient: Patient) -> list[Sharing]:
        """What the chain still calls granted though no key goes out for it any more: a change that was not finished."""
        vault, found = patient.vault, {}
        places = {each.place for each in (*vault.sharings, *vault.revoking)}
        singles = {(each.pseudonym, each.reader) for each in vault.singles}
        for event in patient.chain.index.events("Grants", "Granted"):
            pseudonym, reader, number = (event.arguments[name] for name in ("pseudonym", "reader", "purpose"))
            purpose = next((each for each in PURPOSES if each.number == number), None)
            if pseudonym not in vault.accounts or purpose is None:
                continue
            if (pseudonym, reader, purpose.code) not in places and (pseudonym, reader) not in singles:
                found[pseudonym, reader, purpose.code] = purpose
        stale = []
        for (pseudonym, reader, code), purpose in found.items():
            grant = patient.chain.grant(pseudonym, reader, purpose)
            live = grant["scope"] and grant["expiry"] > patient.chain.time()
            if live and grant["era"] == patient.chain.authority(pseudonym).era:
                hours = hour_of_seconds(grant["start"]), hour_of_seconds(grant["expiry"])
                name = self._called(patient, reader) or ""
                stale.append(Sharing(pseudonym, reader, name, "", code, (), hours[0], *hours))
        return stale

    def _called(self, patient: Patient, reader: str) -> str | None:
        """What a reader calls itself in its published profile; None where it has none and nothing can be sealed."""
        try:
            return cut(patient.chain.profile(to_checksum_address(reader), patient.store).name, 120)
        except NoProfile:
            return None

    def _records(self, patient: Patient) -> list[dict[str, Any]]:
        names = {each.member: each.name for account in patient.vault.accounts.values() for each in account.writers}
        entries = sorted(patient.vault.listed(), key=lambda each: each.anchored, reverse=True)[:_RECORDS]
        return [
            {
                "digest": each.digest,
                "class": each.cls,
                "date": cut(str(each.summary.get("date", "")), 10)
                or datetime.fromtimestamp(each.anchored, UTC).date().isoformat(),
                "title": cut(str(each.summary.get("title", "") or each.summary.get("type", "")), 200),
                "author": each.author,
                "name": cut(names.get(each.author, ""), 120),
            }
            for each in entries
        ]


def _classes(values: Mapping[str, Any]) -> tuple[KeyClass, ...]:
    given = values.get("classes")
    if not isinstance(given, list) or not given:
        raise Failure("Choose at least one kind of record.")
    return tuple(KeyClass.parse(str(each)) for each in given)


def _is_clean(request: Request) -> bool:
    """Whether a request can be shown and answered: what is in it is a stranger's, letter by letter."""
    try:
        moment(request.end)
        to_checksum_address(request.reader)
    except (Failure, ValueError, TypeError):
        return False
    return True
