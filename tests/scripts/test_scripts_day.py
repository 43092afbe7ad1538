"""`clinic seal-day`: a list of patients and files becomes one root, and bad lists become one sentence."""

from pathlib import Path

import pytest
from scripts_town import IMAGE, Town
from test_scripts_bad_input import assert_sentence

from theriac.health import writer


@pytest.fixture
def day(town: Town, folder: Path) -> Path:
    """A folder with an image, a letter and two patients."""
    for name in ("dora", "emma"):
        if name not in {each["name"] for each in town.done("clinic", "patients", "--json").json["registered"]}:
            town.patient(name, payer="TEST::6")
    (folder / "image.dcm").write_bytes(IMAGE.read_bytes())
    (folder / "letter.txt").write_text("Dear colleague")
    return folder


def listed(folder: Path, *lines: str, head: str = "patient,file,class") -> str:
    path = folder / "day.csv"
    path.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8-sig")
    return str(path)


def test_seal_day__for_two_patients__is_one_transaction_and_each_finds_hers(
    town: Town, day: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The tests' chain begins in 2030, which a desk does not believe of a chain.
    monkeypatch.setattr(writer, "_AHEAD", 10**9)

    said = town.done("clinic", "seal-day", listed(day, "dora,image.dcm,", "emma,letter.txt,documents/N"), "--json").json

    assert (said["transactions"], said["patients"], len(said["records"])) == (1, 2, 2)
    assert not any(each["inbox"] for each in said["records"])
    for name, title in (("dora", None), ("emma", "letter.txt")):
        town.done("patient", "watch", "--as", name)
        found = town.done("patient", "records", "--as", name, "--json").json
        [mine] = [each for each in found if each["digest"] in {one["digest"] for one in said["records"]}]
        assert title in (None, mine["title"])
    assert town.done("clinic", "resume").out.strip() == "Nothing was left over."


@pytest.mark.parametrize(
    ("lines", "head", "code"),
    [
        (["zoe,image.dcm,"], "patient,file,class", 3),
        (["dora,nothing.dcm,"], "patient,file,class", 2),
        (["dora,image.dcm,", "emma,image.dcm,"], "patient,file,class", 2),
        (["dora,letter.txt,no-class"], "patient,file,class", 2),
        (["dora,image.dcm"], "patient,file,class", 2),
        (["dora,image.dcm"], "who,what", 2),
        ([], "patient,file", 2),
        (['dora,"image.dcm'], "patient,file", 2),
        (["dora,empty.txt,documents/N"], "patient,file,class", 2),
    ],
    ids=lambda each: str(each)[:40],
)
def test_seal_day__a_bad_list__seals_nothing(town: Town, day: Path, lines: list[str], head: str, code: int) -> None:
    (day / "empty.txt").write_bytes(b"")
    block = town.chain.web3.eth.block_number

    assert_sentence(town.run("clinic", "seal-day", listed(day, *lines, head=head)), code)

    assert town.chain.web3.eth.block_number == block
    assert town.done("clinic", "resume").out.strip() == "Nothing was left over."
