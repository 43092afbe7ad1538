"""What a wallet shows for every message and every call: ERC-7730 descriptors, made from the messages and the ABIs.

`python -m tools.descriptors` writes those of docs/erc7730, which name no deployment. A wallet applies a descriptor only
to the contracts it names, so a consortium makes its own from them:
`python -m tools.descriptors --deployment .theriac/network.json --into FOLDER`.

A field or a function without words here stops the tool: nothing is signed that nobody has found words for. They are
words for a patient, and short: devices cut a label after 20 characters and an intent after 30.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eth_utils.crypto import keccak

import theriac.consortium
import theriac.cover.messages
import theriac.health.delegations
import theriac.health.guardians
import theriac.health.messages
import theriac.medicine.messages
from theriac.errors import TheriacError
from theriac.health import receipts
from theriac.health.messages import ACTS, VERDICTS
from theriac.health.scope import PURPOSES
from theriac.ledger.contracts import abi
from theriac.ledger.deployment import Deployment
from theriac.ledger.typed import Message
from tools.contracts import PUBLISHED, ROOT

FOLDER = ROOT / "docs" / "erc7730"
SCHEMA = "https://eips.ethereum.org/assets/eip-7730/erc7730-v2.schema.json"
OWNER = "Theriac"
VERSION = "1"

# What devices show of a text before they cut it, in characters.
LONGEST_LABEL, LONGEST_INTENT, LONGEST_ENUM = 20, 30, 20

Json = dict[str, Any]


@dataclass(frozen=True)
class Shown:
    """How a field is shown: its label, its format, and when it is left out.

    `unless` is the value for which there is nothing to say; `must` the only value it may have, so that there is nothing
    to show; what is `technical` a device may leave out where it is short of room; what is `hidden` is never shown.
    """

    label: str
    format: str = "raw"
    params: Mapping[str, Any] = field(default_factory=dict)
    unless: int | None = None
    must: int | None = None
    technical: bool = False
    hidden: bool = False

    def at(self, path: str) -> Json:
        """The field's specification in a descriptor."""
        shown: Json = {"path": path, "label": self.label, "format": self.format}
        if self.params:
            shown["params"] = dict(self.params)
        if self.hidden:
            shown["visible"] = "never"
        elif self.technical:
            shown["visible"] = "optional"
        elif self.unless is not None:
            shown["visible"] = {"ifNotIn": [self.unless]}
        elif self.must is not None:
            shown["visible"] = {"mustMatch": [self.must]}
        return shown


def account(label: str) -> Shown:
    """An account: by the name that the wallet knows it under, else as an address."""
    return Shown(label, "addressName", {"types": ["wallet", "eoa", "contract"]})


def time(label: str, *, unless: int | None = None) -> Shown:
    """A time: as a date and an hour."""
    return Shown(label, "date", {"encoding": "timestamp"}, unless=unless)


def choice(label: str, of: str) -> Shown:
    """A number that stands for a word."""
    return Shown(label, "enum", {"$ref": f"$.metadata.enums.{of}"})


SIGNATURE = Shown("Signature", hidden=True)

MODULES = (
    theriac.consortium,
    theriac.health.messages,
    theriac.health.guardians,
    theriac.health.delegations,
    theriac.medicine.messages,
    theriac.cover.messages,
)
"""Where messages are."""

# -- what is signed ---------------------------------------------------------------------------------------------------

INTENTS = {
    "Publish": "Publish new list of keys",
    "Rotate": "New keys and new publisher",
    "SetPublisher": "Change who may publish",
    "RevokeEverything": "Stop all access at once",
    "HandOver": "Move to another wallet",
    "SetGuardians": "Name your guardians",
    "TakeOver": "Move someone's keys",
    "Object": "Object to a recovery",
    "Withdraw": "Withdraw from a recovery",
    "Grant": "Let someone read records",
    "Narrow": "Let someone read less",
    "Revoke": "Stop someone's access",
    "SetParent": "Appoint someone, or end it",
    "Appoint": "Let someone grant for you",
    "Report": "Add own records",
    "Reseal": "Replace sealed files",
    "Amend": "Put an own record right",
    "Letter": "Send a sealed letter",
    "Join": "Join an organisation",
    "Leave": "Leave an organisation",
    "Handoff": "Offer goods to a member",
    "Readings": "Report a logger's readings",
    "Prescribe": "Prescribe",
    "Take": "Let a pharmacy prepare it",
    "Cancel": "Cancel what was prescribed",
    "Enrol": "Agree on an insurance policy",
    "EndPolicy": "End an insurance policy",
    "Claim": "Let a claim go to your insurer",
    "Appeal": "Appeal against a decision",
    "Ruling": "Rule about a disputed claim",
    "Agreement": "Agree to pay by outcome",
    "Outcome": "Say what came of a treatment",
    "Reading": "Sign that you read a record",
    "Review": "Review an emergency",
    "Inboxes": "Confirm your inboxes",
    "Backup": "Lock or open your backup",
}

# The words of each field, by its name; where a message needs others, by the message and the name.
FIELDS = {
    "pseudonym": account("Your account"),
    "reader": account("Who may read"),
    "purpose": Shown("Purpose"),
    "classes.[]": Shown("Kind of record"),
    "start": time("From", unless=0),
    "expiry": time("Until"),
    "by": Shown("Under appointment", unless=0),
    "nonce": Shown("Change number", technical=True),
    "era": Shown("Era", technical=True),
    "deadline": time("Signature ends"),
    "version": Shown("Version"),
    "bundle": Shown("Digest of the list"),
    "publisher": account("Who may publish"),
    "digests.[]": Shown("Digest of a record"),
    "before": time("Refused from"),
    "digest": Shown("In its place"),
    "Narrow.reader": account("Who may still read"),
    "Narrow.classes.[]": Shown("What stays"),
    "Revoke.reader": account("Who stops reading"),
    "HandOver.controller": account("New wallet"),
    "HandOver.keepGrants": Shown("Grants live on"),
    "SetGuardians.guardians": Shown("Hash of guardians"),
    "TakeOver.pseudonym": account("Whose account"),
    "TakeOver.controller": account("New wallet"),
    "Withdraw.pseudonym": account("Whose account"),
    "Withdraw.guardian": account("Guardian"),
    "round": Shown("Which recovery"),
    "Appoint.by": Shown("Appointment"),
    "Appoint.holder": account("Who may grant"),
    "Appoint.purposes.[]": Shown("For what"),
    "Appoint.threshold": Shown("How many must sign", unless=0),
    "Appoint.expiry": time("Until"),
    "Appoint.generation": Shown("Change number", technical=True),
    "SetParent.by": Shown("Appointment"),
    "SetParent.holder": account("Who is appointed"),
    "SetParent.expiry": time("Until (1970: ended)"),
    "SetParent.generation": Shown("Change number", technical=True),
    "Reseal.records.[].anchoredBy": Shown("Member (0: yourself)"),
    "Reseal.records.[].old": Shown("Digest of old file"),
    "Reseal.records.[].digest": Shown("Digest of new file"),
    "Amend.act": Shown("What is done"),
    "Amend.old": Shown("Digest of the record"),
    "Letter.from": account("From"),
    "Letter.to": account("To"),
    "Letter.letter": Shown("Digest of the letter"),
    "Join.account": account("Your account"),
    "Join.member": Shown("Member number"),
    "Join.roles.[]": Shown("Your role there"),
    "Leave.account": account("Your account"),
    "Leave.member": Shown("Member number"),
    "Handoff.batch": Shown("Batch"),
    "Handoff.node": Shown("Part of the batch"),
    "Handoff.by": account("Your account"),
    "Handoff.to": Shown("To member number"),
    "Handoff.moves": Shown("Change number", technical=True),
    "Handoff.sheet": Shown("Digest of the sheet"),
    "Readings.logger": account("Logger"),
    "Readings.root": Shown("Root of readings"),
    "Readings.readings": Shown("Digest of readings"),
    "Readings.verdict": Shown("What they say (bits)"),
    "Readings.goods.[].batch": Shown("Batch"),
    "Readings.goods.[].node": Shown("Part of the batch"),
    "Prescribe.prescriber": account("Your account"),
    "Prescribe.bearer": account("Patient's bearer key"),
    "Prescribe.lines.[].item": Shown("What, sealed"),
    "Prescribe.lines.[].quantity": Shown("Units"),
    "Prescribe.lines.[].refills": Shown("Refills"),
    "Prescribe.lines.[].interval": Shown("Days between refills"),
    "Prescribe.lines.[].earliest": time("Not filled before"),
    "Prescribe.lines.[].latest": time("Filled until"),
    "Prescribe.file": Shown("Digest of the file"),
    "Take.prescription": Shown("Prescription"),
    "Take.lines": Shown("Which lines (bits)"),
    "Take.from": Shown("From member number", unless=0),
    "Take.to": Shown("To member number"),
    "Cancel.prescription": Shown("Prescription"),
    "Cancel.lines": Shown("Which lines (bits)"),
    "plan": Shown("Insurance plan"),
    "document": Shown("Digest of the paper"),
    "salt": Shown("Salt", technical=True),
    "Enrol.family": Shown("Family number", unless=0),
    "Enrol.first": Shown("First day (number)"),
    "Enrol.last": Shown("Last day (number)"),
    "Enrol.ends": time("Policy ends"),
    "Enrol.lifetime": Shown("Paid before, units"),
    "Enrol.underwriter": account("Insurer's account"),
    "Claim.provider": Shown("Who claims (member)"),
    "Claim.evidence": Shown("Digest of evidence"),
    "Claim.primary": Shown("Claim decided before"),
    "Claim.lines.[].service": Shown("Service, sealed"),
    "Claim.lines.[].day": Shown("Day (0: medicine)"),
    "Claim.lines.[].units": Shown("How many"),
    "Claim.lines.[].charged": Shown("Price, token units"),
    "Claim.lines.[].authorization": Shown("Authorization"),
    "Claim.deadline": time("Claimed until"),
    "Appeal.claim": Shown("Claim"),
    "Appeal.document": Shown("Digest of reasons"),
    "Ruling.claim": Shown("Claim"),
    "Ruling.openings": Shown("Digest of openings"),
    "Ruling.forInsurer": Shown("Insurer is right"),
    "Ruling.arbiter": account("Your account"),
    "Agreement.provider": Shown("Who treats (member)"),
    "Agreement.signer": account("Provider's account"),
    "Agreement.assessor": Shown("Who assesses (memb.)"),
    "Agreement.price": Shown("Price, token units"),
    "Agreement.withheld": Shown("Of it by outcome"),
    "Agreement.ends": time("Nothing paid from"),
    "Outcome.episode": Shown("Treatment"),
    "Outcome.observation": Shown("Observation's digest"),
    "Outcome.achieved": Shown("Achieved (0.01 %)"),
    "Outcome.assessor": account("Your account"),
    "Reading.reader": account("Your account"),
    "Reading.member": Shown("Your member number"),
    "Reading.pseudonym": account("Patient's account"),
    "Reading.number": Shown("Number"),
    "Reading.previous": Shown("Receipt before it"),
    "Reading.record": Shown("Digest of the record"),
    "Reading.class": Shown("Kind of record"),
    "Reading.rule": Shown("Let in by"),
    "Reading.act": Shown("What is done"),
    "Reading.to": account("For whom (0: nobody)"),
    "Reading.time": time("At"),
    "Reading.salt": Shown("Salt", technical=True),
    "Review.number": Shown("Case"),
    "Review.verdict": Shown("What you say"),
    "Review.barredUntil": time("Clinician barred to", unless=0),
    "Inboxes.N": Shown("Inbox, normal"),
    "Inboxes.R": Shown("Inbox, restricted"),
    "Inboxes.V": Shown("Inbox, very restr."),
    "Inboxes.serial": Shown("Change number"),
    "Backup.warning": Shown("Warning"),
    "Backup.serial": Shown("Backup number"),
}


@dataclass(frozen=True)
class Signed:
    """A type that wallets sign: its name, its fields, and the types inside it."""

    name: str
    fields: Sequence[tuple[str, str]]
    nested: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)

    def encoded(self) -> str:
        """The type as EIP-712 encodes it (encodeType)."""
        types = [(self.name, self.fields), *sorted(self.nested.items())]
        return "".join(f"{name}({','.join(f'{kind} {each}' for kind, each in fields)})" for name, fields in types)

    def format(self) -> Json:
        """The words for the type."""
        return {
            "$id": self.name,
            "intent": INTENTS[self.name],
            "fields": [_words_of(self.name, path).at(path) for path in self._paths("", self.fields)],
        }

    def _paths(self, before: str, fields: Sequence[tuple[str, str]]) -> Iterator[str]:
        for kind, name in fields:
            path = before + name + (".[]" if kind.endswith("[]") else "")
            inner = self.nested.get(kind.removesuffix("[]"))
            if inner is None:
                yield path
            else:
                yield from self._paths(f"{path}.", inner)


# What is signed for the patient's own programs; its domain has a name and a version, and no contract.
OFF_CHAIN = {
    "inboxes": Signed(
        "Inboxes",
        [("address", "pseudonym"), ("string", "N"), ("string", "R"), ("string", "V"), ("uint32", "serial")],
    ),
    "backup": Signed("Backup", [("string", "warning"), ("address", "pseudonym"), ("uint32", "serial")]),
}

# What is signed off the chain in the domain of a contract, which takes no such signature.
IN_DOMAIN = {"AccessLog": [Signed(receipts.TYPE, receipts.FIELDS)]}


def _is_of_its_own(message: type[Message]) -> bool:
    """Whether it has a type of its own, or another's in a domain of its own; what nobody signs has none."""
    return bool(getattr(message, "TYPE", "")) and bool({"TYPE", "CONTRACT"} & set(vars(message)))


def messages() -> Iterator[type[Message]]:
    """Every message that a contract takes, in the order of their definition."""
    for module in MODULES:
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, Message) and _is_of_its_own(value):
                yield value


def _words_of(message: str, path: str) -> Shown:
    """The words of a field. Exits where there are none."""
    shown = FIELDS.get(f"{message}.{path}") or FIELDS.get(path)
    if shown is None:
        sys.exit(f"tools/descriptors.py has no words for the field {path} of {message}: add them to FIELDS.")
    return shown


# -- what is sent -----------------------------------------------------------------------------------------------------

# Functions that only a contract of the project calls: nobody is ever asked to sign these.
NOT_SIGNED = {
    *("Carrier.carryGroup", "Keys.setFrozen", "Keys.recover"),
    *("Grants.setParentFor", "Grants.grantFor", "Grants.narrowFor", "Grants.revokeFor"),
    *("Batches.dispenseFor", "Batches.undoFor", "Batches.reportExcursion"),
    *("Prescriptions.takeFor", "Prescriptions.fillFor", "Prescriptions.unfillFor"),
    *("Benefits.decide", "Benefits.redecide", "Benefits.undo"),
    *("Claims.redecide", "Claims.withhold", "Claims.conclude", "Claims.settleShare"),
    *("Escrow.pay", "Escrow.takeBack", "Escrow.refundShare", "Escrow.dispute", "Escrow.conclude"),
    *("Escrow.hold", "Escrow.release", "Escrow.push"),
}

CALLS = {
    "AccessLog.log": "Log receipts of readings",
    "Appeals.answer": "Answer an appeal",
    "Appeals.appeal": "Appeal against a decision",
    "Appeals.appealBySig": "Carry: appeal",
    "Appeals.lapse": "End a dispute after its time",
    "Appeals.refute": "Refute a claim",
    "Appeals.rule": "Rule about a disputed claim",
    "Appeals.ruleBySig": "Carry: an arbiter's ruling",
    "Authorizations.approve": "Authorize a treatment",
    "Authorizations.complete": "Bring what was missing",
    "Authorizations.pend": "Say that something is missing",
    "Authorizations.refuse": "Refuse an authorization",
    "Authorizations.request": "Ask for an authorization",
    "Batches.accept": "Take over goods",
    "Batches.acceptBySig": "Take over goods by a signature",
    "Batches.anchorEvents": "Anchor EPCIS events",
    "Batches.commission": "Commission a batch",
    "Batches.dispense": "Dispense a pack",
    "Batches.dispenseMany": "Dispense packs",
    "Batches.end": "End a pack for good",
    "Batches.endMany": "End packs for good",
    "Batches.liftRecall": "Lift a recall",
    "Batches.offer": "Offer goods to a member",
    "Batches.quarantine": "Block goods",
    "Batches.recall": "Recall goods",
    "Batches.reject": "Refuse an offer of goods",
    "Batches.release": "Release blocked goods",
    "Batches.undo": "Take a dispensed pack back",
    "Batches.withdraw": "Withdraw offers of goods",
    "Carrier.carry": "Carry signed messages",
    "Carrier.carryEach": "Carry groups of messages",
    "Claims.adjust": "Put another claim in its place",
    "Claims.consent": "Let a claim go to your insurer",
    "Claims.coordinate": "Claim from a second payer",
    "Claims.dispense": "Dispense a pack and claim",
    "Claims.receiveShare": "Say that the share was paid",
    "Claims.resume": "Decide a claim that waited",
    "Claims.reverse": "Take a claim back",
    "Claims.review": "Decide about a claim",
    "Claims.submit": "Claim from an insurer",
    "ColdChain.log": "Report a logger's readings",
    "ColdChain.logBySig": "Carry: a logger's readings",
    "ColdChain.setLimit": "Say what a batch bears",
    "Delegations.appoint": "Let someone grant for you",
    "Delegations.appointBySig": "Carry: appoint someone",
    "Delegations.grant": "Grant for a patient",
    "Delegations.grantBySig": "Carry: grant for a patient",
    "Delegations.narrow": "Narrow for a patient",
    "Delegations.narrowBySig": "Carry: narrow for a patient",
    "Delegations.revoke": "Stop access for a patient",
    "Delegations.revokeBySig": "Carry: stop for a patient",
    "Consortium.acceptBoard": "Take the board's seat",
    "Consortium.admit": "Admit a member",
    "Consortium.dismiss": "End someone's place here",
    "Consortium.join": "Take someone on",
    "Consortium.joinMany": "Take people on",
    "Consortium.leave": "Leave an organisation",
    "Consortium.leaveBySig": "Carry: leave a member",
    "Consortium.offerBoard": "Offer the board's seat",
    "Consortium.reinstate": "End a suspension",
    "Consortium.remove": "Remove a member for good",
    "Consortium.renew": "Renew or change a licence",
    "Consortium.renewKey": "Renew the consortium's key",
    "Consortium.replaceAccount": "Replace a member's account",
    "Consortium.setOperator": "Let a contract act for you",
    "Consortium.suspend": "Suspend a member",
    "Emergencies.clear": "End a clinician's bar",
    "Emergencies.open": "State an emergency",
    "Emergencies.release": "Release a share of a key",
    "Emergencies.review": "Review an emergency",
    "Emergencies.reviewBySig": "Carry: review of an emergency",
    "Emergencies.withdraw": "Take an emergency back",
    "Episodes.assess": "Say what came of a treatment",
    "Episodes.assessBySig": "Carry: what came of it",
    "Episodes.deliver": "Say that you have treated",
    "Episodes.expire": "End a treatment's time",
    "Episodes.open": "Pay for a treatment by outcome",
    "Escrow.answerFor": "Let a member's debts be paid",
    "Escrow.deposit": "Put money aside for a plan",
    "Escrow.drain": "Take a plan's money out",
    "Escrow.payShare": "Pay a patient's share",
    "Escrow.setPayout": "Say where money is paid to",
    "Escrow.withdraw": "Withdraw your money",
    "Grants.grant": "Let someone read records",
    "Grants.grantBySig": "Carry: let someone read",
    "Grants.narrow": "Let someone read less",
    "Grants.narrowBySig": "Carry: let someone read less",
    "Grants.refer": "Refer a patient on",
    "Grants.withdraw": "Take a referral back",
    "Grants.revoke": "Stop someone's access",
    "Grants.revokeBySig": "Carry: stop someone's access",
    "Grants.setParent": "Appoint someone, or end it",
    "Grants.setParentBySig": "Carry: appoint someone",
    "Recovery.confirm": "Carry: more guardians",
    "Recovery.finish": "Finish a recovery",
    "Recovery.lapse": "End an overdue recovery",
    "Recovery.object": "Object to a recovery",
    "Recovery.objectBySig": "Carry: objection",
    "Recovery.setGuardians": "Name your guardians",
    "Recovery.setGuardiansBySig": "Carry: name guardians",
    "Recovery.start": "Carry: start a recovery",
    "Recovery.withdraw": "Carry: guardian withdraws",
    "Keys.handOver": "Carry: move to another wallet",
    "Keys.publish": "Publish new list of keys",
    "Keys.publishBySig": "Carry: publish list of keys",
    "Keys.raiseEra": "Stop all access at once",
    "Keys.raiseEraBySig": "Carry: stop all access",
    "Keys.rotate": "New keys and new publisher",
    "Keys.rotateBySig": "Carry: new keys",
    "Keys.setPublisher": "Change who may publish",
    "Keys.setPublisherBySig": "Carry: change the publisher",
    "Letters.send": "Send a sealed letter",
    "Letters.sendMany": "Send sealed letters",
    "Letters.sendBySig": "Carry: send a sealed letter",
    "Policies.close": "Take nobody into a plan",
    "Policies.endPolicy": "End an insurance policy",
    "Policies.endPolicyBySig": "Carry: end a policy",
    "Policies.enrol": "Take out an insurance policy",
    "Policies.enrolBySig": "Carry: an insurance policy",
    "Policies.payPremium": "Pay an insurance premium",
    "Policies.publish": "Publish an insurance plan",
    "Policies.reinstate": "Take a lapsed policy up again",
    "Prescriptions.cancel": "Cancel what was prescribed",
    "Prescriptions.cancelBySig": "Carry: cancel a prescription",
    "Prescriptions.fill": "Fill a prescription's line",
    "Prescriptions.giveBack": "Give up what you prepare",
    "Prescriptions.prescribe": "Prescribe",
    "Prescriptions.prescribeBySig": "Carry: prescribe",
    "Prescriptions.take": "Take a prescription",
    "Prescriptions.unfill": "Take a filling back",
    "Records.amendBySig": "Carry: put a record right",
    "Records.anchor": "Anchor a record",
    "Records.anchorDay": "Anchor a day of records",
    "Records.anchorInbox": "Anchor to a patient's inbox",
    "Records.anchorMany": "Anchor records",
    "Records.correct": "Correct a record",
    "Records.disown": "Disown a record",
    "Records.report": "Add own records",
    "Records.reportBySig": "Carry: add own records",
    "Records.reseal": "Replace sealed files",
    "Records.resealBySig": "Carry: replace sealed files",
    "Records.supersede": "Supersede a record",
}

# What a plan's schedule says of a service, what was decided about a line, and the proof that a row is in the schedule:
# the chain holds all of it to a hash that is known before, so nothing in it is for whoever signs to choose.
SCHEDULED = {
    "service": "Service, sealed",
    "bundle": "Bundle, sealed",
    "kind": "Covered (0: yes)",
    "price": "Allowed, token units",
    "copay": "Copay, token units",
    "coinsurance": "Coinsurance (0.01 %)",
    "deductible": "Deductible first",
    "authorization": "To be authorized",
    "review": "To be reviewed",
    "waitingDays": "Waiting days",
    "mostUnits": "Most of a line",
    "yearlyUnits": "Most of a year",
    "grade": "Least tier",
}
OUTCOME = {
    "reasons": "Reasons (bits)",
    "allowed": "Allowed, token units",
    "deductible": "Deductible, units",
    "copay": "Copay, token units",
    "coinsurance": "Coinsurance, units",
    "over": "Not paid, units",
    "paid": "Paid, token units",
}

# The words of each argument, by its name; where a function or a contract needs others, by that and the name; where a
# name stands for two things in one call, by the contract and the whole path, or by the struct that it is in.
ARGUMENTS = {
    **{name: shown for name, shown in FIELDS.items() if "." not in name},
    "pseudonym": account("Account"),
    "account": account("Account"),
    "answers": Shown("You answer for it"),
    "anchoredBy": Shown("Member (0: patient)"),
    "controller": account("New wallet"),
    "data": Shown("Message", "calldata"),
    "digests": Shown("Digest of a record"),
    "freshness.deadline": time("Signature ends"),
    "freshness.era": Shown("Era", technical=True),
    "freshness.nonce": Shown("Change number", technical=True),
    "from": account("From"),
    "guardian": account("Guardian"),
    "guardians": Shown("Hash of guardians"),
    "guardians.salt": Shown("Salt", technical=True),
    "guardians.threshold": Shown("How many start it"),
    "guardians.accounts": account("Guardians"),
    "signers": Shown("Who signed (bits)"),
    "gasLimit": Shown("Most gas (0: all)"),
    "generation": Shown("Change number", technical=True),
    "holder": account("Who is appointed"),
    "keepGrants": Shown("Grants live on"),
    "letter": Shown("Digest of the letter"),
    "mask": Shown("What for (bits)"),
    "member": Shown("Member number"),
    "next": account("To"),
    "old": Shown("Digest of the record"),
    "operator": account("Contract"),
    "proofs": Shown("Digest of proofs"),
    "purpose": choice("Purpose", "purpose"),
    "act": choice("What is done", "act"),
    "reason": Shown("Reason (code)"),
    "roles": Shown("Roles (bits)"),
    "root": Shown("Root of the day"),
    "scope": Shown("Kinds (bits)"),
    "target": account("Contract"),
    "tier": Shown("Tier"),
    "to": account("To"),
    "signature": SIGNATURE,
    "signatures": SIGNATURE,
    "acceptance": SIGNATURE,
    "underwriting": SIGNATURE,
    "amount": Shown("Amount, token units"),
    "authorization": Shown("Authorization"),
    "batch": Shown("Batch"),
    "index": Shown("Place of the pack"),
    "claim": Shown("Claim"),
    "insurer": Shown("Insurer (member)"),
    "service": Shown("Service, sealed"),
    "token": account("Token"),
    "units": Shown("How many"),
    "proof": Shown("Proof", technical=True),
    **{f"claim.{name}": FIELDS[f"Claim.{name}"] for name in ("provider", "evidence", "primary", "deadline")},
    **{f"lines.{name}": FIELDS[f"Claim.lines.[].{name}"] for name in ("service", "day", "units", "charged")},
    "lines.authorization": FIELDS["Claim.lines.[].authorization"],
    **{
        f"{of}.{name}": Shown(words, technical=True)
        for of in ("benefit", "benefits")
        for name, words in SCHEDULED.items()
    },
    **{f"outcomes.{name}": Shown(words, technical=True) for name, words in OUTCOME.items()},
    **{f"Policies.{name}": FIELDS[f"Enrol.{name}"] for name in ("family", "first", "last", "ends", "underwriter")},
    "Policies.terms.lifetime": FIELDS["Enrol.lifetime"],
    "Policies.periods": Shown("How many periods"),
    "Policies.adjudicator": account("Who decides claims"),
    "Policies.appeals": account("Who hears appeals"),
    "Policies.arbiter": Shown("Arbiter (member)"),
    "Policies.premium": Shown("Premium, token units"),
    "Policies.premiumDays": Shown("Days of a premium"),
    "Policies.graceDays": Shown("Days of grace"),
    "Policies.filingDays": Shown("Days to claim"),
    "Policies.refuteDays": Shown("Days to refute"),
    "Policies.appealDays": Shown("Days to appeal"),
    "Policies.reversalDays": Shown("Days to take back"),
    "Policies.schedule": Shown("Root of the schedule"),
    "limits.deductible": Shown("Deductible, units"),
    "limits.familyDeductible": Shown("Family's deductible"),
    "limits.outOfPocket": Shown("Most out of pocket"),
    "limits.familyOutOfPocket": Shown("Family out of pocket"),
    "limits.annual": Shown("Most a year, units"),
    "limits.familyAnnual": Shown("Most a family a year"),
    "limits.lifetime": Shown("Most ever, units"),
    "Claims.least": Shown("Least, token units"),
    "Claims.agreed": Shown("Agreed"),
    "Claims.content": Shown("Claim's content"),
    "Claims.pack": Shown("Pack, sealed"),
    "Claims.siblings": Shown("Proof", technical=True),
    "Claims.word": SIGNATURE,
    "Claims.reverse.prescription": Shown("Prescription undone"),
    "Claims.line": Shown("Line (0: the first)"),
    "Claims.hashes": Shown("Digest of each line", technical=True),
    "Claims.take.lines": Shown("Which lines (bits)"),
    "Claims.take.from": Shown("From member number", unless=0),
    "Claims.terms.lines": Shown("Digest of all lines"),
    "Claims.filling.units": Shown("Units given"),
    "Claims.filling.evidence": Shown("Digest of evidence"),
    **{f"Claims.{name}": FIELDS[f"Prescribe.{name}"] for name in ("prescriber", "bearer", "file")},
    **{
        f"Claims.opened.{name}": FIELDS[f"Prescribe.lines.[].{name}"]
        for name in ("item", "quantity", "refills", "interval", "earliest", "latest")
    },
    "Appeals.document": FIELDS["Appeal.document"],
    "Appeals.openings": FIELDS["Ruling.openings"],
    "Appeals.forInsurer": FIELDS["Ruling.forInsurer"],
    "Appeals.arbiter": account("Arbiter"),
    "Appeals.ground": Shown("Ground (code)"),
    "Appeals.granted": Shown("Appeal is granted"),
    "Appeals.waived": Shown("Set aside (bits)"),
    "Authorizations.amount": Shown("Most, token units"),
    "Authorizations.expiry": time("Counts until"),
    "Escrow.content": Shown("Claim's content"),
    "Escrow.most": Shown("Most, token units"),
    "Escrow.payee": account("Where to (0: member)"),
    "Escrow.push_": Shown("Sent at once"),
    **{
        f"Episodes.terms.{name}": FIELDS[f"Agreement.{name}"]
        for name in ("provider", "signer", "price", "withheld", "ends")
    },
    **{f"Episodes.{name}": FIELDS[f"Outcome.{name}"] for name in ("episode", "observation", "achieved")},
    "Episodes.open.assessor": FIELDS["Agreement.assessor"],
    "Episodes.assessBySig.assessor": account("Who assessed"),
    "Episodes.evidence": Shown("Digest of evidence"),
    "Episodes.provider": SIGNATURE,
    "Episodes.patient": SIGNATURE,
    "Emergencies.reason": choice("Why not asked", "reason"),
    "Emergencies.words": Shown("Digest of the words"),
    "Emergencies.number": Shown("Case"),
    "Emergencies.share": Shown("Digest of the share"),
    "Emergencies.verdict": choice("What is said", "verdict"),
    "Emergencies.barredUntil": FIELDS["Review.barredUntil"],
    "Emergencies.clinician": account("Clinician"),
    "Batches.batch": Shown("Batch"),
    "Batches.node": Shown("Part of the batch"),
    "Batches.to": Shown("To member number"),
    "Batches.by": account("Signed by"),
    "Batches.moves": Shown("Change number", technical=True),
    "Batches.sheet": Shown("Digest of the sheet"),
    "Batches.missing": Shown("Missing part"),
    "Batches.ends": time("Offer ends"),
    "Batches.root": Shown("Root of EPCIS events"),
    "Batches.commission.root": Shown("Root of the packs"),
    "Batches.product": Shown("Product, sealed"),
    "Batches.lot": Shown("Lot, sealed"),
    "Batches.tag": Shown("Directory tag"),
    "Batches.keyNumber": Shown("Consortium's key"),
    "Batches.manifest": Shown("Digest of manifest"),
    "Batches.expiry": time("Packs expire"),
    "Batches.palletBits": Shown("Pallet size (bits)"),
    "Batches.caseBits": Shown("Case size (bits)"),
    "Batches.index": Shown("Place of the pack"),
    "Batches.pack": Shown("Pack, sealed"),
    "Batches.siblings": Shown("Proof", technical=True),
    "Batches.case_": Shown("Case"),
    "Batches.word": Shown("From place (by 256)"),
    "Batches.mask": Shown("Which of them (bits)"),
    "Batches.kind": choice("How", "end"),
    "Batches.block_": choice("Block", "block"),
    "ColdChain.batch": Shown("Batch"),
    "ColdChain.node": Shown("Part of the batch"),
    "ColdChain.logger": account("Logger"),
    "ColdChain.root": Shown("Root of readings"),
    "ColdChain.readings": Shown("Digest of readings"),
    "ColdChain.verdict": Shown("What they say (bits)"),
    "ColdChain.low": Shown("Lowest (0.01 C)"),
    "ColdChain.high": Shown("Highest (0.01 C)"),
    "ColdChain.longest": Shown("Minutes outside"),
    "ColdChain.kinetic": Shown("Mean kinetic (0.01C)"),
    "AccessLog.root": Shown("Root of the receipts"),
    "AccessLog.leaves": Shown("How many receipts"),
    "Consortium.expiry": time("Licence ends"),
    "Consortium.digest": Shown("Digest of the keys"),
    "Delegations.pseudonym": account("Patient's account"),
    "Delegations.holder": account("Who may grant"),
    "Delegations.purposes": Shown("Purposes (bits)"),
    "Delegations.threshold": Shown("How many must sign", unless=0),
    "Delegations.by": Shown("Appointment"),
    "Delegations.revoke.reader": account("Who stops reading"),
    "Delegations.revokeBySig.reader": account("Who stops reading"),
    "Delegations.narrowBySig.start": Shown("From", must=0),
    "Delegations.narrowBySig.by": Shown("Under appointment", must=0),
    "Grants.refer.pseudonym": account("Patient's account"),
    "Grants.refer.from": account("Whose grant it is"),
    "Grants.refer.by": Shown("Under appointment", must=0),
    "Grants.withdraw.pseudonym": account("Patient's account"),
    "Grants.withdraw.reader": account("Who stops reading"),
    "Grants.setParent.by": Shown("Appointment"),
    "Grants.setParent.expiry": time("Until (1970: ended)"),
    "Grants.setParentBySig.by": Shown("Appointment"),
    "Grants.setParentBySig.expiry": time("Until (1970: ended)"),
    "Grants.revoke.reader": account("Who stops reading"),
    "Grants.revokeBySig.reader": account("Who stops reading"),
    "Grants.narrowBySig.start": Shown("From", must=0),
    "Grants.narrowBySig.by": Shown("Under appointment", must=0),
    "Prescriptions.prescription": Shown("Prescription"),
    "Prescriptions.prescriber": account("Prescriber"),
    "Prescriptions.bearer": account("Patient's bearer key"),
    "Prescriptions.file": Shown("Digest of the file"),
    "Prescriptions.lines": Shown("Which lines (bits)"),
    "Prescriptions.prescribe.lines": Shown("Digest of all lines"),
    "Prescriptions.terms.terms.lines": Shown("Digest of all lines"),
    "Prescriptions.filling.terms.lines": Shown("Digest of all lines"),
    "Prescriptions.from": Shown("From member number", unless=0),
    "Prescriptions.hashes": Shown("Digest of each line", technical=True),
    "Prescriptions.line": Shown("Line (0: the first)"),
    "Prescriptions.item": Shown("What, sealed"),
    "Prescriptions.quantity": Shown("Units prescribed"),
    "Prescriptions.refills": Shown("Refills"),
    "Prescriptions.interval": Shown("Days between refills"),
    "Prescriptions.earliest": time("Not filled before"),
    "Prescriptions.latest": time("Filled until"),
    "Prescriptions.units": Shown("Units given"),
    "Prescriptions.evidence": Shown("Digest of evidence"),
    "Records.anchor.digest": Shown("Digest of the record"),
    "Records.reseal.old": Shown("Digest of old file"),
    "Records.reseal.digest": Shown("Digest of new file"),
    "Records.resealBySig.old": Shown("Digest of old file"),
    "Records.resealBySig.digest": Shown("Digest of new file"),
}

ENUMS = {
    "Batches": {
        "end": {"0": "exported", "1": "sampled", "2": "destroyed", "3": "stolen", "4": "returned"},
        "block": {"1": "holder's", "2": "maker's", "4": "regulator's", "8": "excursion", "16": "recall"},
    },
    "Emergencies": {
        "reason": {"1": "cannot be asked", "2": "cannot wait", "3": "others in danger"},
        "verdict": {str(number): word for number, word in VERDICTS.items()},
    },
    "Grants": {"purpose": {str(purpose.number): purpose.words for purpose in PURPOSES}},
    "Delegations": {"purpose": {str(purpose.number): purpose.words for purpose in PURPOSES}},
    "Records": {"act": {str(number): word for number, word in ACTS.items()}},
}


@dataclass(frozen=True)
class Function:
    """A function that changes what a contract holds."""

    contract: str
    declared: Mapping[str, Any]

    @property
    def name(self) -> str:
        return f"{self.contract}.{self.declared['name']}"

    def fragment(self) -> str:
        """The function as a human-readable ABI fragment, with the names of its arguments."""
        return f"{self.declared['name']}({','.join(map(_fragment, self.declared['inputs']))})"

    def format(self) -> Json:
        """The words for the function. Exits where there are none."""
        if self.name not in CALLS:
            sys.exit(f"tools/descriptors.py has no words for {self.name}: add them to CALLS.")
        return {
            "$id": self.declared["name"],
            "intent": CALLS[self.name],
            "fields": [self._words_of(path).at(path) for path in _paths("", self.declared["inputs"])],
        }

    def _words_of(self, path: str) -> Shown:
        *outer, last = path.replace(".[]", "").split(".")
        within = f"{outer[-1]}.{last}" if outer else last
        keys = (f"{self.name}.{last}", f"{self.contract}.{path}", f"{self.contract}.{within}", within)
        for key in (*keys, f"{self.contract}.{last}", last):
            if key in ARGUMENTS:
                return self._within(ARGUMENTS[key], path)
        sys.exit(f"tools/descriptors.py has no words for the argument {path} of {self.name}: add them to ARGUMENTS.")

    def _within(self, shown: Shown, path: str) -> Shown:
        """A call inside the call needs to say which contract it goes to: the one beside it."""
        if shown.format != "calldata":
            return shown
        return Shown(shown.label, shown.format, {"calleePath": f"{path.rpartition('.')[0]}.target"})


def functions(contract: str) -> Iterator[Function]:
    """The functions of a contract that someone may be asked to sign a transaction for, in the order of the ABI."""
    for entry in abi(contract):
        if entry["type"] == "function" and entry["stateMutability"] not in ("view", "pure"):
            function = Function(contract, entry)
            if function.name not in NOT_SIGNED:
                yield function


def _fragment(argument: Mapping[str, Any]) -> str:
    kind = str(argument["type"])
    if kind.startswith("tuple"):
        kind = f"({','.join(map(_fragment, argument['components']))}){kind.removeprefix('tuple')}"
    return f"{kind} {argument['name']}"


def _paths(before: str, arguments: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The path of every single value in a function's arguments."""
    for argument in arguments:
        path = before + argument["name"] + (".[]" if argument["type"].endswith("]") else "")
        if argument["type"].startswith("tuple"):
            yield from _paths(f"{path}.", argument["components"])
        else:
            yield path


# -- descriptors ------------------------------------------------------------------------------------------------------


def descriptors(deployment: Deployment | None = None) -> dict[str, Json]:
    """Every descriptor by its file's name, bound to a deployment's contracts if one is given. Raises NotDeployed."""
    found: dict[str, Json] = {}
    for contract in PUBLISHED:
        name = f"{OWNER} {contract}"
        deployments = _deployments(contract, deployment)
        taken = (message for message in messages() if contract == message.CONTRACT)
        signed = [Signed(message.TYPE, message.FIELDS, message.NESTED) for message in taken]
        signed += IN_DOMAIN.get(contract, [])
        calls = {function.fragment(): function.format() for function in functions(contract)}
        if calls:
            found[f"calldata-{contract.lower()}.json"] = _descriptor(
                {"$id": name, "contract": deployments}, name, calls, enums=ENUMS.get(contract)
            )
        if signed:
            domain = {"domain": {"name": name, "version": VERSION}}
            formats = {each.encoded(): each.format() for each in signed}
            found[f"eip712-{contract.lower()}.json"] = _descriptor(
                {"$id": name, "eip712": domain | deployments}, name, formats
            )
    for file, each in OFF_CHAIN.items():
        name = f"{OWNER} {each.name}"
        domain_of_name = {"name": name, "version": VERSION}
        binding = {"domain": domain_of_name, "domainSeparator": _separator(domain_of_name)}
        found[f"eip712-{file}.json"] = _descriptor(
            {"$id": name, "eip712": binding}, name, {each.encoded(): each.format()}
        )
    return found


def _descriptor(context: Json, name: str, formats: Json, *, enums: Json | None = None) -> Json:
    metadata: Json = {"owner": OWNER, "contractName": name} | ({"enums": enums} if enums else {})
    return {"$schema": SCHEMA, "context": context, "metadata": metadata, "display": {"formats": formats}}


def _deployments(contract: str, deployment: Deployment | None) -> Json:
    if deployment is None:
        return {}
    return {"deployments": [{"chainId": deployment.chain_id, "address": deployment[contract].address}]}


def _separator(domain: Mapping[str, str]) -> str:
    """The hash of a domain without a contract, by which alone a wallet can know it (EIP-712, domainSeparator)."""
    parts = ("EIP712Domain(string name,string version)", domain["name"], domain["version"])
    return "0x" + keccak(b"".join(keccak(text=part) for part in parts)).hex()


def texts(deployment: Deployment | None = None) -> dict[str, str]:
    """The text of each descriptor's file, by its name. Raises NotDeployed."""
    return {
        name: json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        for name, content in descriptors(deployment).items()
    }


def differing(wanted: Mapping[str, str], folder: Path = FOLDER) -> list[str]:
    """The names of files that are missing, differ, or belong to nothing."""
    present = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    return sorted(name for name in wanted.keys() | present.keys() if wanted.get(name) != present.get(name))


def write(wanted: Mapping[str, str], folder: Path = FOLDER) -> list[str]:
    """Writes the files that differ, removes those that belong to nothing, and returns the names of both."""
    changed = differing(wanted, folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in changed:
        if name in wanted:
            (folder / name).write_text(wanted[name], encoding="utf-8")
        else:
            (folder / name).unlink()
    return changed


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.descriptors", description=__doc__)
    parser.add_argument("--deployment", type=Path, help="the file of a network, to name its contracts")
    parser.add_argument("--into", type=Path, default=FOLDER, help="the folder to write into")
    asked = parser.parse_args()
    if (asked.deployment is None) != (asked.into == FOLDER):
        parser.error("the descriptors of a deployment go into a folder of their own: give --deployment and --into")

    try:
        changed = write(texts(Deployment.load(asked.deployment) if asked.deployment else None), asked.into)
    except TheriacError as trouble:
        sys.exit(str(trouble))
    print(f"Descriptors written: {', '.join(changed)}." if changed else "The descriptors are up to date already.")


if __name__ == "__main__":
    main()
