"""The commands of guardians and of who needs them: both lost, a thief who objects, a child who comes of age."""

import re
from pathlib import Path

import pytest
from real_anvil import anvil
from scripts_town import Town, remembered_passphrases

DAY = 24 * 3600
GUARDIANS = ("bo", "lin", "kim")


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory):
    """Ann with three guardians who count, and a clinic that reads her laboratory results."""
    with anvil(hardfork="cancun") as chain, remembered_passphrases():
        town = Town(chain, tmp_path_factory.mktemp("town"))
        town.found()
        town.patient("ann", payer="TEST::9")
        for name in GUARDIANS:
            town.done("guardian", "setup", "--as", name, "--name", name.title())
            town.done("guardian", "card", "ann", "--as", name, "-o", town.path(f"{name}.card"))
        cards = [town.path(f"{name}.card") for name in GUARDIANS]
        said = town.done("patient", "guardians", "set", *cards, "--threshold", "2", "--as", "ann", "--yes")
        home = re.search(r"0x[0-9a-fA-F]{40}", said.out).group()
        for name in GUARDIANS:
            kept = town.done("guardian", "keep", "ann", "--home", home, "--as", name)
            assert "Your share is in her backup." in kept.out
        until = ("--class", "laboratory/N", "--days", "90")
        town.done("patient", "grant", "member:1", *until, "--as", "ann", "--yes")
        town.done("patient", "watch", "--as", "ann")
        later(town, 30)
        town.settings["HOME_OF_ANN"] = home
        yield town


def later(town: Town, days: int) -> None:
    town.chain.at(town.chain.now() + days * DAY)


def answers(town: Town, *names: str, who: str) -> list[str]:
    """What these guardians sign of what they are asked for."""
    folder = town.folder / f"pleas of {who}"
    asked = town.done("patient", "recover", "ask", "-o", str(folder), "--as", who).out
    numbers = {name: re.search(rf"^{name.title()} .*?(\d)\.plea", asked, re.MULTILINE).group(1) for name in names}
    for name in names:
        plea = str(folder / f"{numbers[name]}.plea")
        town.done("guardian", "sign", plea, "--for", "ann", "--as", name, "-o", town.path(f"{name}.signed"), "--yes")
    return [town.path(f"{name}.signed") for name in names]


def shares(town: Town, *names: str, who: str) -> list[str]:
    """These guardians' shares, for who called."""
    home, call = town.settings["HOME_OF_ANN"], town.path(f"{who}.call")
    town.done("patient", "recover", "call", "--home", home, "-o", call, "--as", who)
    for name in names:
        town.done("guardian", "share", call, "--for", "ann", "--as", name, "-o", town.path(f"{name}.share"), "--yes")
    return [town.path(f"{name}.share") for name in names]


def test_recover__both_lost_and_a_thief_has_the_wallet__then_a_child_comes_of_age(town: Town) -> None:
    # given somebody who has nothing but her home's address, and too few shares
    files = shares(town, "bo", "kim", who="ann2")
    refused = town.run("patient", "recover", "open", files[0], "--as", "ann2", "--payer", "TEST::9")
    assert refused.code == 3
    assert refused.sentences == ["1 of the 2 shares that it takes are here; ask for the others."]

    # when enough of them help
    said = town.done("patient", "recover", "open", *files, "--as", "ann2", "--payer", "TEST::9")
    assert re.search(r"\n  (\w+ ){11}\w+\n", said.out)
    again = answers(town, "bo", "lin", who="ann2")
    refused = town.run("patient", "recover", "start", again[0], "--as", "ann2")
    assert refused.code == 3
    town.done("patient", "recover", "start", *again, "--as", "ann2")
    shown = town.done("guardian", "list", "--as", "kim", "--json").json
    assert "until" in shown[0]["recovery"]

    # and a thief, who has the vault and the words of before, objects to it
    watched = town.done("patient", "watch", "--as", "ann")
    objected = town.done("patient", "object", "--as", "ann")
    assert "Objections: 4." in objected.out
    assert len([each for each in watched.sentences if "ALARM: A recovery was started" in each]) == 4
    later(town, 14)
    refused = town.run("patient", "recover", "finish", "--as", "ann2")
    assert refused.code == 3
    third = answers(town, "kim", who="ann2")
    town.done("patient", "recover", "start", *third, "--as", "ann2")
    done = town.done("patient", "recover", "finish", "--as", "ann2")

    # then everything is hers, the grant lives on, and the thief has nothing
    assert "4 pseudonyms yours, 0 still to come." in done.out
    rows = town.done("patient", "shared", "--as", "ann2", "--json").json
    assert [(each["name"], each["classes"], each["now"]) for each in rows] == [
        ("North Clinic", ["laboratory/N"], "open")
    ]
    stolen = town.run("patient", "revoke", "member:1", "--as", "ann", "--yes")
    assert stolen.code != 0

    # when it is handed over to a wallet and a passphrase of their own
    handed = town.done("patient", "hand-over", "--as", "ann2", "--to", "ann3", "--drop-guardians", "--yes")
    words = re.search(r"\n  ((?:\w+ ){11}\w+)\n", handed.out).group(1)

    # then the former folder has nothing, and the words alone bring the vault back
    assert town.run("patient", "shared", "--as", "ann2").code == 2
    restored = town.done(
        "patient", "restore", "--as", "ann4", "--mnemonic", "--payer", "TEST::9", THERIAC_MNEMONIC=words
    )
    assert "new keys are published" in restored.out
    assert town.done("patient", "shared", "--as", "ann4", "--json").json == rows
    assert "Nobody guards you" in town.done("patient", "guardians", "show", "--as", "ann4").out


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["guardian", "sign", "CARD", "--for", "ann", "-o", "OUT", "--as", "bo"], 2, "plea"),
        (["guardian", "share", "CARD", "--for", "ann", "-o", "OUT", "--as", "bo"], 2, "call"),
        (["guardian", "list", "--as", "nobody"], 2, "nobody"),
        (["guardian", "keep", "eve", "--home", "0x12", "--as", "bo"], 2, "address"),
        (["guardian", "withdraw", "CARD", "--for", "ann", "--payer", "TEST::9", "--as", "bo", "--yes"], 2, "plea"),
        (["patient", "guardians", "set", "CARD", "--threshold", "2", "--as", "ann", "--yes"], 2, "guardians"),
        (["patient", "recover", "finish", "--as", "eve"], 2, "eve"),
        (["patient", "recover", "call", "--home", "here", "-o", "OUT", "--as", "eve"], 2, "address"),
        (["patient", "hand-over", "--to", "ann", "--as", "ann", "--yes"], 2, "another folder"),
    ],
    ids=lambda each: " ".join(each[:3]) if isinstance(each, list) else "",
)
def test_commands__bad_input_is_one_sentence(town: Town, words: list[str], code: int, sentence: str) -> None:
    given = [town.path("bo.card") if each == "CARD" else town.path("out") if each == "OUT" else each for each in words]

    said = town.run(*given)

    assert said.code == code
    assert len(said.sentences) == 1
    assert sentence in said.sentences[0]
    assert not Path(town.path("out")).exists()
