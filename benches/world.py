"""The demo's people on a chain, for benches that need a patient, a clinic and a reader."""

import io
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from eth_utils.crypto import keccak
from rich.console import Console

from benches.timing import memory_folder
from engines.devnet import devnet
from theriac.crypto.recipients import HybridIdentity
from theriac.health import intake, records
from theriac.health.bundle import profile
from theriac.health.chain import sign
from theriac.health.messages import Publish
from theriac.health.scope import KeyClass
from theriac.ledger.signer import KeySigner

_ROOM = 1 << 30
ROOT = Path(__file__).resolve().parent.parent
LABORATORY = KeyClass.parse("laboratory/N")


@contextmanager
def world(engine: str = "local") -> Iterator[Any]:
    """The story up to a patient who is known at the clinic's desk, and nothing written yet. Raises EngineError."""
    import ape

    from scripts._demo import Story

    with ExitStack() as open_, TemporaryDirectory(prefix="theriac-bench-", dir=memory_folder(_ROOM)) as folder:
        if ape.networks.active_provider is None:
            open_.enter_context(ape.networks.parse_network_choice("ethereum:local:test"))
        net = open_.enter_context(devnet(engine, Path(folder)))
        story = Story(Path(folder, "story"), console=Console(file=io.StringIO()), net=net)
        story.found_consortium()
        story.found_patient()
        story.introduce()
        yield story


def laboratory(content: bytes, number: int) -> intake.Piece:
    """A laboratory result to be written."""
    manifest = records.Manifest("", str(LABORATORY), "text/plain", 0, "", 0, "", title=f"Result {number}")
    return intake.Piece(intake.Classified(LABORATORY, "named by hand", True), io.BytesIO(content), manifest)


def bundle(resources: int) -> bytes:
    """A FHIR bundle of so many resources, from the example's, each of them another resource."""
    told = json.loads((ROOT / "examples" / "fhir" / "synthea-r4-a.json").read_text())
    entries = told["entry"]
    told["entry"] = []
    for number in range(resources):
        entry = json.loads(json.dumps(entries[number % len(entries)]))
        if number >= len(entries):
            entry["resource"]["id"] = entry["resource"].get("id", "again") + f"-{number}"
            entry["fullUrl"] = f"urn:uuid:00000000-0000-4000-8000-{number:012d}"
        told["entry"].append(entry)
    return json.dumps(told).encode()


class Doctor:
    """Somebody of the clinic's staff, with a profile on the chain that the relay paid for."""

    def __init__(self, story: Any, name: str) -> None:
        from scripts._demo import Person

        self.signer = KeySigner(keccak(text=f"theriac bench: {name}"))
        self.identity = HybridIdentity.generate()
        document = profile(str(self.signer.address), name=name, recipient=self.identity.recipient)
        digest = story.store.put(io.BytesIO(document)).digest
        chain = story.patient.chain
        message = Publish(self.signer.address, 1, digest, 0, chain.time() + 3000)
        story.relay.carry(sign(chain, message, self.signer))
        self.person = Person(self.signer, story.relay_account.sender, self.identity)
        story.clinic.sender.send(story._join(self.person))

    @property
    def address(self) -> str:
        return str(self.signer.address)
