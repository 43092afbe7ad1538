"""A town whose patients have pages: a real anvil, a real store, and each page a command in a process of its own."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parent.parent / "scripts"))

from chromium import Browser, Page
from eth_account import Account
from ready_python import Started
from scripts_town import Town

from theriac.health.chain import Chain as HealthChain
from theriac.health.messages import member_address
from theriac.health.scope import Purpose
from theriac.ledger.contracts import Contracts
from theriac.ledger.deployment import Deployment

COMMAND = "import sys; from scripts.patient import cli; cli(sys.argv[1:], prog_name='patient')"
MNEMONIC = "legal winner thank year wave sausage worth useful legal winner thank yellow"
KEYS = tuple(f"0x{number:064x}" for number in (0xA11CE, 0xB0B, 0xCAFE))
"""Keys of a wallet in the browser."""

EVE, OTHER = (str(Account.from_key(key).address) for key in KEYS[:2])

LOINC, CVX = "http://loinc.org", "http://hl7.org/fhir/sid/cvx"


def observation(code: str, display: str, day: str, value: float, unit: str) -> dict[str, Any]:
    category = {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}
    return {
        "resourceType": "Observation",
        "status": "final",
        "category": [{"coding": [category]}],
        "code": {"coding": [{"system": LOINC, "code": code, "display": display}], "text": display},
        "effectiveDateTime": day,
        "valueQuantity": {"value": value, "unit": unit},
    }


RECORDS = (
    observation("4548-4", "Haemoglobin A1c", "2029-11-12", 5.6, "%"),
    observation("2093-3", "Cholesterol", "2029-11-12", 4.9, "mmol/L"),
    {
        "resourceType": "Immunization",
        "status": "completed",
        "vaccineCode": {"coding": [{"system": CVX, "code": "140"}], "text": "Influenza vaccine"},
        "patient": {"display": "the patient"},
        "occurrenceDateTime": "2029-10-02",
    },
)


@dataclass
class Served:
    """A page that is served, and the links that open it."""

    process: Started
    link: str

    @property
    def origin(self) -> str:
        return self.link.split("/#")[0]

    def another_link(self) -> str:
        """What a press of Enter in its terminal gives."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return _link_in(self.process)

    def open(self, browser: Browser, **values: Any) -> Page:
        """Opens it in a browser of its own, by a link of its own."""
        return browser.open(self.another_link(), **values)


@contextmanager
def served(town: Town, *words: str, command: str = COMMAND, **settings: str) -> Iterator[Served]:
    """`ape run patient page` with these words, or the page of another command."""
    process = Started(command, ["page", *words], env={**os.environ, **town.settings, **settings}, text=True)
    try:
        yield Served(process, _link_in(process))
    finally:
        # As a person ends it.
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=30)
        assert (process.returncode, said.strip().endswith("The page is closed.")) == (0, True), said


def _link_in(process: Started) -> str:
    for line in process.stdout:
        if "http://127.0.0.1:" in line:
            return line.strip()
    raise AssertionError("The page's command ended without a link.")


def chain_of(town: Town) -> HealthChain:
    """The chain as anyone sees it."""
    [path] = (Path(town.settings["THERIAC_HOME"]) / "deployments").glob("*.json")
    contracts = Contracts(town.chain.web3, Deployment.load(path))
    return HealthChain(town.chain.web3, contracts, index=town.folder / "watched.sqlite")


def granted(town: Town, pseudonym: str, purpose: str) -> dict[str, Any]:
    """What a pseudonym granted member 1 for a purpose, as the chain has it."""
    return chain_of(town).grant(pseudonym, member_address(1), Purpose.parse(purpose))


def write_records(town: Town, who: str) -> None:
    """The clinic writes three results for a patient."""
    paths = []
    for number, resource in enumerate(RECORDS):
        path = town.folder / f"{who}-{number}.json"
        path.write_text(json.dumps(resource))
        paths.append(path)
    assert town.seal(who, *paths).code == 0


# -- what a patient does in the page -----------------------------------------------------------------------------------

_NEXT = """async (last) => {
  const [sign, job, close] = ["sign", "job", "job-close"].map((id) => document.getElementById(id));
  for (let turn = 0; turn < 800; turn++) {
    const go = sign.querySelector('[data-key="sign"]');
    if (sign.open && go && !go.disabled && sign.dataset.number !== last) return ["sign", sign.dataset.number];
    if (document.querySelector('#form[open] [data-key="save"]')) return ["file", ""];
    if (!job.hidden && !close.hidden) return ["done", document.getElementById("job-text").textContent];
    await new Promise((done) => setTimeout(done, 25));
  }
  return ["nothing", document.body.innerText];
}"""


def until_signature(page: Page) -> str:
    """Waits until the page asks for a signature; what it says will be signed."""
    what, said = page.evaluate(_NEXT, "")
    assert what == "sign", said
    return page.css("#sign .says").read()


def sign_all(page: Page, *, after: str | None = "") -> tuple[list[str], str]:
    """Signs whatever is asked for; what was asked, and what the page says when the act is done."""
    asked, last = [], after
    while True:
        what, said = page.evaluate(_NEXT, last)
        if what == "file":
            return asked, ""
        if what == "done":
            page.css("#job-close").click()
            return asked, said
        assert what == "sign", said
        last = said
        asked.append(page.css("#sign .says").read())
        page.css('#sign [data-key="sign"]').click()


def begin(page: Page) -> tuple[list[str], str]:
    """Makes the keys of a patient whose wallet is in the browser."""
    if page.css("#begin button.primary").read() == "Connect wallet":
        page.css("#begin button.primary").click()
        page.css("#begin button.primary").with_text("Make my keys").seen()
    page.css("#begin button.primary").click()
    return sign_all(page)


def introduce(page: Page, town: Town, who: str) -> None:
    """Lets the North Clinic write, and hands the file in at its desk."""
    page.button("Let a clinic write").click()
    page.field("Number of the member").fill("1")
    page.button("Make the file").click()
    sign_all(page)
    path = Path(town.path(f"{who}.introduction"))
    page.download("Save the file", path)
    page.css("#form").button("Close").click()
    town.done("clinic", "register", str(path), "--name", who)


def look(page: Page) -> None:
    """Looks for news, until it is there."""
    page.button("Look for news").click()
    page.evaluate(
        """async () => {
          for (let turn = 0; turn < 1500 && document.getElementById("look").disabled; turn++)
            await new Promise((done) => setTimeout(done, 10));
          const close = document.getElementById("job-close");
          if (close.checkVisibility()) close.click();
        }"""
    )


def give(page: Page, *, purpose: str, classes: tuple[str, ...] = ("laboratory/N",), until: str = "2030-02-01") -> None:
    """Fills the form that lets member 1 read, and sends it."""
    page.button("Let someone read").click()
    page.css("#form [name=reader]").fill("member:1")
    page.css("#form [name=purpose]").choose(purpose)
    for name in classes:
        page.css(f'#form input[value="{name}"]').check()
    page.css("#form input[type=date]").fill(until)
    page.button("Grant").click()


def grant_card(page: Page, purpose: str) -> Any:
    """The card of what member 1 may read for a purpose."""
    return page.css(f'[data-grant="0x{1:040x}-{purpose}"]')
