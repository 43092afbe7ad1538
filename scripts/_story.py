"""A grant between the nodes of two organisations, told by the very commands that a person would type."""

import contextlib
import io
import json
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from scripts._cli import Failure
from scripts._world import MEMBERS, Place, World, shown

_RESULT = {
    "resourceType": "Observation",
    "status": "final",
    "category": [
        {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]}
    ],
    "code": {"coding": [{"system": "http://loinc.org", "code": "4548-4", "display": "Hemoglobin A1c"}]},
    "valueQuantity": {"value": 6.1, "unit": "%", "system": "http://unitsofmeasure.org", "code": "%"},
}


class Story:
    """Says and runs commands, each where its actor works."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._last: Place | None = None

    def say(self, sentence: str) -> None:
        click.echo(f"\n# {sentence}")

    def run(self, place: Place, *words: str) -> str:
        """Runs `ape run` with these words, and shows it as it would be typed; what the command printed."""
        import importlib

        if place != self._last:
            click.echo(f"$ . {shown(place.file)}")
            self._last = place
        click.echo(f"$ ape run {shlex.join(words)}")
        printed = io.StringIO()
        script = importlib.import_module(f"scripts.{words[0]}")
        with place.at(), contextlib.redirect_stdout(printed):
            script.cli.main(list(words[1:]), standalone_mode=False)
        return printed.getvalue()

    def told(self, place: Place, *words: str) -> str:
        said = self.run(place, *words)
        click.echo(said, nl=False)
        return said

    def refused(self, place: Place, *words: str) -> Failure:
        """The refusal with which a command must end."""
        try:
            self.run(place, *words)
        except Failure as refusal:
            if refusal.exit_code != 3:
                raise
            click.echo(refusal.message)
            return refusal
        raise Failure("A command was to be refused, and was not; please report it.", 1)


def tell(world: World | None = None) -> dict[str, Any]:
    """Tells it; what was written, granted and read."""
    world = world or World()
    for each in world.told()["organisations"]:
        if not all(each["running"].values()):
            raise Failure("The consortium is down or not whole; `make consortium` brings it up.", 4)
    story = Story(world)
    north, city = MEMBERS[0], MEMBERS[1]
    clinic, doctor, patients = world.member(north), world.staff(city, city.staff[0]), world.patients
    ann, papers = _new_name(patients), patients.folder / "papers"
    papers.mkdir(parents=True, exist_ok=True, mode=0o700)

    story.say("A patient makes her keys, and introduces herself at the North Clinic.")
    made = json.loads(story.run(patients, "patient", "init", "--as", ann, "--json"))
    click.echo("Her keys are published; twelve words would bring them back.")
    card = papers / f"{ann}.introduction"
    story.told(patients, "patient", "introduce", "--as", ann, "--to", str(_number(story, clinic)), "-o", str(card))
    story.told(clinic, "clinic", "register", str(card), "--name", ann)

    story.say("The clinic seals a laboratory result: the digest on the chain by its node, the file in its store.")
    first = _seal(story, clinic, ann, papers / f"{ann}-1.json", 6.1)
    story.told(patients, "patient", "watch", "--as", ann)

    story.say("She grants her laboratory results to Dr Okafor, who works at the City Hospital.")
    from scripts._accounts import address_of

    okafor = address_of(str(doctor.keystore), play=False)
    story.told(patients, "patient", "grant", okafor, "--as", ann, "--class", "laboratory/N", "--days", "30", "--yes")

    story.say("Dr Okafor asks the hospital's own nodes; her node of the store fetches the file from the clinic's.")
    before = json.loads(story.run(doctor, "clinic", "patients", "--json"))["grants"]
    pseudonym = _granted(story, doctor, before, first)
    read = doctor.folder / "papers" / f"{ann}-read.json"
    read.parent.mkdir(exist_ok=True, mode=0o700)
    story.told(doctor, "clinic", "open", pseudonym, first, "-o", str(read))
    click.echo(f"{json.loads(read.read_bytes())['valueQuantity']['value']} %, as the clinic wrote it.")

    story.say("She revokes, and the clinic writes the next result.")
    story.told(patients, "patient", "revoke", okafor, "--as", ann, "--yes")
    second = _seal(story, clinic, ann, papers / f"{ann}-2.json", 5.9)
    story.told(patients, "patient", "watch", "--as", ann)
    refusal = story.refused(
        doctor, "clinic", "open", pseudonym, second, "-o", str(read.with_name(f"{ann}-refused.json"))
    )
    return {
        "patient": ann,
        "home": made["home"],
        "pseudonym": pseudonym,
        "records": [first, second],
        "written": str(papers / f"{ann}-1.json"),
        "read": str(read),
        "refusal": refusal.message,
    }


def _new_name(place: Place) -> str:
    """The first of ann, ann-2, ... that nobody has here yet."""
    folder = place.home / "consortium"
    names = ["ann", *(f"ann-{number}" for number in range(2, 1000))]
    return next(each for each in names if not (folder / each).exists())


def _number(story: Story, place: Place) -> int:
    with place.site() as site:
        account = str(site.signer(str(place.keystore)).address)
        return int(site.contracts.call(site.contracts.Consortium.functions.affiliationOf(account))["member"])


def _seal(story: Story, clinic: Place, patient: str, path: Path, value: float) -> str:
    """Writes a result into a file and seals it; the record's digest."""
    quantity = {**_RESULT["valueQuantity"], "value": value}  # type: ignore[dict-item]
    today = datetime.now(UTC).date().isoformat()
    path.write_text(json.dumps({**_RESULT, "valueQuantity": quantity, "effectiveDateTime": today}))
    [record] = json.loads(story.run(clinic, "clinic", "seal", patient, str(path), "--json"))["records"]
    click.echo(f"Sealed as {record['digest'][:16]}, {record['class']}.")
    return str(record["digest"])


def _granted(story: Story, doctor: Place, grants: list[dict[str, Any]], record: str) -> str:
    """The pseudonym under which a record was granted: the one that lists it."""
    for each in reversed([each for each in grants if each["now"] == "open"]):
        listed = json.loads(story.run(doctor, "clinic", "list", each["pseudonym"], "--json"))
        if any(row["digest"] == record for row in listed):
            return str(each["pseudonym"])
    raise Failure("What was granted does not show at the reader's; please report it.", 1)
