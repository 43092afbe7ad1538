"""An insurer with a plan, a clinic, two pharmacies and an insured patient, by their commands on a real anvil."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount
from pharmacy_town import Market
from real_anvil import anvil
from scripts_town import ROOT, Said
from web3.contract import Contract

from theriac.fhir import Json

SNOMED = "http://snomed.info/sct"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
CHECK_UP, VISIT, COLONOSCOPY, APPENDECTOMY, THERAPY = "185349003", "185345009", "73761001", "80146002", "75516001"
INHALER = {"system": RXNORM, "code": "745679", "display": "Albuterol inhaler"}
MNEMONIC = "test test test test test test test test test test test junk"

CLINIC, INSURER, ARBITER, MUTUAL = 4, 5, 6, 7
"""The members' numbers, after the maker and the two pharmacies."""

MEMBERS = {
    "clinic": ("TEST::4", "clinician,prescriber", "Hill Surgery"),
    "insurer": ("TEST::5", "insurer", "Lake Insurance"),
    "auditor": ("TEST::6", "auditor,regulator", "Agency"),
    "mutual": ("TEST::7", "insurer", "Second Mutual"),
}


def test_account(number: int) -> LocalAccount:
    """The account that the commands call TEST::number."""
    Account.enable_unaudited_hdwallet_features()
    return Account.from_mnemonic(MNEMONIC, account_path=f"m/44'/60'/0'/0/{number}")


def plan_file(path: Path, *, name: str = "Riverside Basic", premium: bool = False, **changes: str) -> str:
    """The plan of the examples for a clinic of the lowest grade, without a deductible; `changes` are of amounts."""
    text = (ROOT / "examples" / "plan.yaml").read_text(encoding="utf-8")
    text = text.replace("Riverside Basic", name).replace("year: 2031", "year: 2030")
    text = re.sub(r", grade: \d", "", text)
    text = re.sub(r"  deductible: 250.00\n", "", text)
    if not premium:
        text = re.sub(r"premium:\n(  .*\n)+", "", text)
    for field_, amount in changes.items():
        text = re.sub(
            rf"  {field_.replace('_', '-')}: .*\n", f"  {field_.replace('_', '-')}: {amount}\n", text, count=1
        )
    path.write_text(text, encoding="utf-8")
    return str(path)


@dataclass
class Insured(Market):
    """The town of an insured patient, ann; `coin` is what its plans pay in."""

    coin: Contract | None = field(default=None, init=False)
    plan: str = field(default="", init=False)
    card: str = field(default="", init=False)

    def found(self) -> None:
        super().found()
        for who, (account, roles, name) in MEMBERS.items():
            self.done("board", "admit", account, "--roles", roles, "--until", "2040-01-01")
            script = "insurer" if who == "mutual" else who
            self.done(script, "setup", "--as", who, "--account", account, "--name", name)
        self.coin = self.chain.deploy("Coin", 6)
        for number in (5, 7, 9):
            self.mint(number, 1_000_000)
        self.plan = self.published("insurer", plan_file(self.folder / "plan.yaml"))
        self.done("insurer", "fund", self.plan, "100000.00")
        self.done("patient", "init", "--as", "ann", "--payer", "TEST::9")
        self.enrol("ann", self.plan)
        self.card = self.path("ann.card")
        self.done("patient", "card", self.plan, "-o", self.card, "--as", "ann")

    def mint(self, number: int, amount: int) -> None:
        """Play money for a test account."""
        assert self.coin is not None
        self.chain.send(test_account(0), self.coin.functions.mint(test_account(number).address, amount * 10**6))

    def coins(self, number: int) -> int:
        """What a test account has of it, in its smallest unit."""
        assert self.coin is not None
        return int(self.coin.functions.balanceOf(test_account(number).address).call())

    def published(self, who: str, file: str) -> str:
        """The number of a plan that an insurer publishes."""
        assert self.coin is not None
        words = ("--token", self.coin.address, "--arbiter", str(ARBITER), "--yes")
        said = self.done("insurer", "publish", file, *words, "--as", who)
        return said.out.strip().removesuffix(".").split()[-1]

    def insurers_offer(self, plan: str, name: str, *words: str, insurer: str = "insurer") -> str:
        out = self.path(f"{name}.offer")
        days = ("--from", "2030-01-01", "--until", "2030-12-31")
        self.done("insurer", "offer", plan, *days, "-o", out, *words, "--as", insurer)
        return out

    def enrol(self, who: str, plan: str, *words: str, insurer: str = "insurer") -> Said:
        """A patient takes an offer, and the insurer brings it to the chain."""
        name = f"{who}-{plan[:8]}"
        offer, out = self.insurers_offer(plan, name, insurer=insurer), self.path(f"{name}.enrolment")
        said = self.done("patient", "enrol", offer, "-o", out, *words, "--yes", "--as", who)
        self.done("insurer", "enrol", out, "--as", insurer)
        return said

    # -- claiming ----------------------------------------------------------------------------------------------------

    def asked(self, folder: Path, file: str, *words: str, name: str = "a") -> str:
        """What the clinic asks the patient to consent to."""
        out = str(folder / f"{name}.request")
        self.done("clinic", "claim", self.card, file, "-o", out, *words)
        return out

    def consented(self, request: str, *words: str, who: str = "ann") -> str:
        out = request.removesuffix(".request") + ".consent"
        self.done("patient", "consent", request, "-o", out, "--yes", *words, "--as", who)
        return out

    def claimed(self, folder: Path, file: str, *words: str, name: str = "a") -> dict[str, Any]:
        """A claim of the clinic's that was submitted, as `submit --json` prints it."""
        request = self.asked(folder, file, name=name)
        said = self.done("clinic", "submit", request, self.consented(request), *words, "--json").json
        assert isinstance(said, dict)
        return said

    def prescribed(self, folder: Path, *, coding: dict[str, str] = INHALER, name: str = "rx", quantity: int = 1) -> str:
        """The paper of a prescription of one line."""
        values = {
            "resourceType": "MedicationRequest",
            "status": "active",
            "intent": "order",
            "medicationCodeableConcept": {"coding": [coding], "text": coding["display"]},
            "subject": {"display": "Ann Example"},
            "dispenseRequest": {"quantity": {"value": quantity}},
        }
        file = folder / f"{name}.json"
        file.write_text(json.dumps(values), encoding="utf-8")
        self.done("clinic", "prescribe", str(file), "-o", str(folder / f"{name}.txt"))
        return str(folder / f"{name}.txt")

    def pack_asked(self, folder: Path, paper: str, *words: str, name: str = "pack", charge: str = "28.00") -> str:
        out = str(folder / f"{name}.request")
        line = ("--prescription", paper, "--charge", charge, "-o", out)
        self.done("pharmacy", "claim", self.card, *line, *words, "--as", "north")
        return out

    def paid_pack(self, folder: Path, code: str, *, name: str = "pack") -> tuple[str, dict[str, Any]]:
        """A pack that was dispensed and paid for ann; the prescription's paper and the claim."""
        paper = self.prescribed(folder, name=f"{name}-rx")
        request = self.pack_asked(folder, paper, name=name)
        papers = ("--prescription", paper, "--claim", request, "--consent", self.consented(request))
        self.done("pharmacy", "dispense", code, *papers, "--as", "north")
        return paper, self.done("pharmacy", "claims", "--as", "north", "--json").json[-1]


def claim_file(folder: Path, *lines: tuple[str, str, str], name: str = "claim.json", **changes: Json) -> str:
    """A FHIR Claim of lines of code, day and net."""
    values = {
        "resourceType": "Claim",
        "status": "active",
        "use": "claim",
        "type": {"coding": [{"code": "professional"}]},
        "item": [
            {
                "sequence": number,
                "productOrService": {"coding": [{"system": SNOMED, "code": code}]},
                "servicedDate": day,
                "net": {"value": float(net), "currency": "EUR"},
            }
            for number, (code, day, net) in enumerate(lines, start=1)
        ],
        **changes,
    }
    (folder / name).write_text(json.dumps(values), encoding="utf-8")
    return str(folder / name)


@contextmanager
def insured_town(folder: Path) -> Iterator[Insured]:
    with anvil(hardfork="cancun") as chain:
        town = Insured(chain, folder)
        town.found()
        yield town
