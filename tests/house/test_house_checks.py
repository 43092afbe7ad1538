"""The checks of `make check` that are ours find what they are for."""

from pathlib import Path
from typing import Any

import pytest

from tools import abi, check_contracts, check_imports, check_links
from tools.contracts import Compiled


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """Two pages of documentation; `guide.md` has the headings that the tests name."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "guide.md").write_text(
        "# The guide\n\n## Who reads, and `why`?\n\n## Again\n\n## Again\n\nA line\n======\n\n"
        '<a id="by-hand"></a>\n\n```\n# not a heading\n```\n',
        encoding="utf-8",
    )
    return tmp_path


def complaints(root: Path, text: str) -> list[str]:
    page = root / "README.md"
    page.write_text(text, encoding="utf-8")
    return list(check_links.broken(page, root))


@pytest.mark.parametrize(
    "link",
    [
        "[a](docs/guide.md)",
        "[a](docs)",
        "[a](docs/guide.md#the-guide)",
        "[a](docs/guide.md#who-reads-and-why)",
        "[a](docs/guide.md#again-1)",
        "[a](docs/guide.md#a-line)",
        "[a](docs/guide.md#by-hand)",
        "[a][b]\n\n[b]: docs/guide.md#again",
        "# Here\n\n[a](#here)",
        "[a](https://example.org/nowhere)",
        "[a](mailto:someone@example.org)",
        "`[a](nowhere.md)`",
        "```\n[a](nowhere.md)\n```",
    ],
)
def test_links__that_lead_somewhere__pass(pages: Path, link: str) -> None:
    assert complaints(pages, link) == []


@pytest.mark.parametrize(
    ("link", "complaint"),
    [
        ("[a](nowhere.md)", "README.md: nowhere.md leads nowhere."),
        ("![a](docs/nowhere.svg)", "README.md: docs/nowhere.svg leads nowhere."),
        ('<img src="docs/nowhere.svg">', "README.md: docs/nowhere.svg leads nowhere."),
        ("[a][b]\n\n[b]: nowhere.md", "README.md: nowhere.md leads nowhere."),
        ("| a |\n|---|\n| [a](nowhere.md) |", "README.md: nowhere.md leads nowhere."),
        ("[a](docs/guide.md#again-2)", "README.md: docs/guide.md#again-2 names a heading that is not there."),
        (
            "[a](docs/guide.md#not-a-heading)",
            "README.md: docs/guide.md#not-a-heading names a heading that is not there.",
        ),
        ("[a](#here)", "README.md: #here names a heading that is not there."),
        ("[a](../outside.md)", "README.md: ../outside.md leads out of the repository."),
    ],
)
def test_links__that_lead_nowhere__are_named(pages: Path, link: str, complaint: str) -> None:
    assert complaints(pages, link) == [complaint]


def test_markdown_files__downloaded_ones__are_left_out(pages: Path) -> None:
    for folder in ("node_modules/a", ".venv"):
        (pages / folder).mkdir(parents=True)
        (pages / folder / "README.md").write_text("[a](nowhere.md)", encoding="utf-8")

    assert check_links.markdown_files(pages) == [pages / "docs" / "guide.md"]


def test_unwanted__modules_of_ape__are_named() -> None:
    modules = ["theriac", "theriac.tape", "ape.api", "ape_ethereum.provider", "solcx", "aped", "web3"]

    assert check_imports.unwanted(modules) == ["ape", "ape_ethereum", "solcx"]


def contract(**output: Any) -> Compiled:
    """An interface with one function, event and error, all documented, unless `output` says otherwise."""
    terms = {"name": "terms", "type": "tuple[2]", "components": [{"type": "address"}, {"type": "uint40"}]}
    entries = [
        {"type": "function", "name": "send", "inputs": [terms, {"type": "bytes"}]},
        {"type": "event", "name": "Sent", "inputs": [{"type": "bytes32"}]},
        {"type": "error", "name": "Empty", "inputs": []},
    ]
    documented = {
        "notice": "Sends.",
        "methods": {"send((address,uint40)[2],bytes)": {"notice": "Sends one."}},
        "events": {"Sent(bytes32)": {"notice": "One was sent."}},
        "errors": {"Empty()": [{"notice": "There was none."}]},
    }
    empty = {"bytecode": {"object": ""}, "deployedBytecode": {"object": ""}}
    whole = {"abi": entries, "userdoc": documented, "devdoc": {"title": "ILetters"}, "evm": empty}
    return Compiled(source="contracts/interfaces/ILetters.sol", name="ILetters", output={**whole, **output})


def test_undocumented__all_said__finds_nothing() -> None:
    assert list(check_contracts.undocumented(contract())) == []


def test_undocumented__nothing_said__names_each() -> None:
    silent = contract(userdoc={}, devdoc={})

    assert list(check_contracts.undocumented(silent)) == [
        "contracts/interfaces/ILetters.sol: ILetters has no @title.",
        "contracts/interfaces/ILetters.sol: ILetters has no @notice.",
        "contracts/interfaces/ILetters.sol: error Empty() has no @notice.",
        "contracts/interfaces/ILetters.sol: event Sent(bytes32) has no @notice.",
        "contracts/interfaces/ILetters.sol: function send((address,uint40)[2],bytes) has no @notice.",
    ]


@pytest.mark.parametrize(("size", "found"), [(24_576, 0), (24_577, 1)])
def test_oversized__deployed_code__has_the_limit_of_the_chain(size: int, found: int) -> None:
    large = contract(evm={"bytecode": {"object": ""}, "deployedBytecode": {"object": "fe" * size}})

    assert len(list(check_contracts.oversized(large))) == found


def test_abi__in_another_order__is_the_same_text() -> None:
    one = contract()
    other = contract(abi=list(reversed(one.output["abi"])))

    assert one.abi == other.abi


def test_write__files_that_differ_or_are_left_over__are_mended(tmp_path: Path) -> None:
    (tmp_path / "Keys.json").write_text("[]\n", encoding="utf-8")
    (tmp_path / "Letters.json").write_text("[1]\n", encoding="utf-8")
    (tmp_path / "Former.json").write_text("[]\n", encoding="utf-8")
    wanted = {"Keys.json": "[]\n", "Letters.json": "[]\n", "Grants.json": "[]\n"}

    changed = abi.write(wanted, tmp_path)

    assert changed == ["Former.json", "Grants.json", "Letters.json"]
    assert {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()} == wanted
    assert abi.differing(wanted, tmp_path) == []
