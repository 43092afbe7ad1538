"""Whether tests notice when Python is changed: `python -m tools.mutants_python rules age`.

Every small change of a module (a mutant: a bound moved by one, a term turned round, an argument left out) has to make a
test fail. mutmut's operators make the changes. It leaves decorated classes alone, where most of this package's code is,
so what goes through a module and runs the tests is here: the tests run in a process forked for each mutant, which
finds the changed source where it imports the module, and end with the first failure.

What is not changed: types, docstrings, imports, `__all__`, and texts that have a space, which are sentences for people.
A mutant that no test notices has to stand in docs/mutation-python.md, with why none can; the tool fails otherwise.
"""

import argparse
import ast
import difflib
import importlib.abc
import importlib.util
import os
import re
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.mutators import mutation_operators

from tools.options import positive

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "mutation-python.md"

PYTEST = (
    *("-x", "-q", "--no-header", "--tb=no", "--hypothesis-seed=1"),
    *("-p", "pytest_timeout", "-p", "_hypothesis_pytestplugin", "-o", "timeout=0"),
)
"""Ape's plugin stays out: none of these tests needs a chain."""

SLOWER = 8
"""How many times as long as usual the tests may take before a mutant counts as one that never ends."""

BATCH = 100
"""After so many mutants what was found of them is told: a run takes from minutes to hours."""

_IDLE, _BUSY = 90, 0.05
"""One that uses less than so many seconds of the processor in so many waits for ever; no test waits longer than 60."""


@dataclass(frozen=True)
class Piece:
    """What is changed, and the tests that have to notice, the quick ones first."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]
    chosen: str = ""


_SEALED = (
    *("tests/crypto/test_bech32.py", "tests/crypto/test_recipients.py", "tests/crypto/test_age_vectors.py"),
    *("tests/crypto/test_age.py", "tests/crypto/test_age_damage.py", "tests/crypto/test_age_cctv.py"),
    "tests/crypto/test_age_npm.py",
)

PIECES = {
    "rules": Piece(
        modules=("theriac.cover.rules",),
        tests=(
            *("tests/cover/test_rules_interface.py", "tests/cover/test_cover_docs.py"),
            *("tests/cover/test_rules.py", "tests/cover/test_rules_properties.py"),
        ),
        chosen="not contract",
    ),
    "age": Piece(modules=("theriac.crypto.age",), tests=_SEALED),
    "recipients": Piece(modules=("theriac.crypto.recipients",), tests=_SEALED),
    "bech32": Piece(modules=("theriac.crypto.bech32",), tests=_SEALED),
    "hours": Piece(modules=("theriac.health.hours",), tests=("tests/health/test_hours.py",)),
    "cid": Piece(
        modules=("theriac.store.cid",),
        tests=("tests/store/test_store_cid.py", "tests/store/test_store_reading.py"),
    ),
    "gs1": Piece(
        modules=("theriac.medicine.gs1",),
        tests=("tests/medicine/test_gs1.py", "tests/medicine/test_gs1_wedge.py"),
    ),
}


Row = tuple[str, str, str]
"""A mutant as a table names it: the function, the code there, and what it is changed to."""


# -- changes -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mutant:
    """One change of a module: the function it is in, the lines it takes away and those it puts there."""

    module: str
    where: str
    line: int
    source: str = field(repr=False)
    old: str
    new: str

    @property
    def row(self) -> Row:
        """What the page names it by: it holds while other lines come and go."""
        return (f"{self.module.rpartition('.')[2]}.{self.where}", self.old, self.new)


class _Places(cst.CSTVisitor):
    """The nodes that may be changed, with the function around each."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, cst.CSTNode]] = []
        self._names: list[str] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        left_out = cst.Annotation | cst.Decorator | cst.Import | cst.ImportFrom
        if isinstance(node, left_out) or _is_words(node) or _is_for_types(node):
            return False
        if isinstance(node, cst.FunctionDef | cst.ClassDef):
            self._names.append(node.name.value)
        self.found.append((".".join(self._names) or "the module", node))
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        if isinstance(original_node, cst.FunctionDef | cst.ClassDef):
            self._names.pop()


def _is_words(node: cst.CSTNode) -> bool:
    """Whether a text is for people: one with a space. Of a formatted one the values in it are not changed either."""
    if isinstance(node, cst.SimpleString):
        return " " in node.value or node.value.startswith('"""')
    if isinstance(node, cst.FormattedString):
        return any(isinstance(part, cst.FormattedStringText) and " " in part.value for part in node.parts)
    return isinstance(node, cst.ConcatenatedString)


def _is_for_types(node: cst.CSTNode) -> bool:
    if isinstance(node, cst.If):
        return isinstance(node.test, cst.Name) and node.test.value == "TYPE_CHECKING"
    if isinstance(node, cst.Assign):
        return any(isinstance(each.target, cst.Name) and each.target.value == "__all__" for each in node.targets)
    # The arguments of a call of cast or TypeVar are for types, too.
    if isinstance(node, cst.Call):
        return isinstance(node.func, cst.Name) and node.func.value in ("cast", "TypeVar")
    return False


def mutants_of(module: str, *, only: str = "") -> list[Mutant]:
    """Every change of a module that is another program; `only` of functions whose name has this in it."""
    source = path_of(module).read_text(encoding="utf-8")
    wrapper = MetadataWrapper(cst.parse_module(source), unsafe_skip_copy=True)
    positions = wrapper.resolve(PositionProvider)
    places = _Places()
    wrapper.module.visit(places)
    found: dict[str, Mutant] = {}
    same = _program(source)
    for where, node in places.found:
        for new in _changed(node) if only in where else ():
            changed = wrapper.module.deep_replace(node, new)
            text = changed.code if isinstance(changed, cst.Module) else source
            try:
                tree = _program(text)
            except SyntaxError:
                continue
            if tree == same or tree in found:
                continue
            old, put = _lines(source, text)
            position = positions.get(node)
            line = position.start.line if position is not None else 0
            found[tree] = Mutant(module=module, where=where, line=line, source=text, old=old, new=put)
    return list(found.values())


def _program(source: str) -> str:
    """What a source says. An encoding's name in capitals is the same name."""
    return _ENCODING.sub(lambda name: name[0].lower(), ast.dump(ast.parse(source)))


_ENCODING = re.compile(r"(?<='(en|de)code', ctx=Load\(\)\), args=\[Constant\(value=)'[A-Z0-9-]+'")


def _changed(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    for kind, operator in mutation_operators:
        if isinstance(node, kind):
            yield from operator(node)


def _lines(before: str, after: str) -> tuple[str, str]:
    """The lines that differ, each side in one line."""
    told = list(difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm=""))[2:]
    sides = [" ".join(line[1:].strip() for line in told if line.startswith(mark)) for mark in "-+"]
    return sides[0], sides[1]


def path_of(module: str) -> Path:
    return ROOT / (module.replace(".", "/") + ".py")


# -- running -----------------------------------------------------------------------------------------------------------

# A test process with the modules and the tests imported is forked for each mutant, which gets the changed code of one
# function in place of its own. What is not in a function, and whatever survives that, is tested again from the start,
# by importing the changed module.


class _Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives one module another source."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:
        if fullname != self._mutant.module:
            return None
        return importlib.util.spec_from_file_location(fullname, path_of(fullname), loader=self)

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._mutant.source, str(path_of(module.__name__)), "exec"), module.__dict__)


def put_in_place(mutant: Mutant) -> bool:
    """Changes the code of the function that a mutant is in; whether that is all of the change."""
    path = str(path_of(mutant.module))
    old = compile(path_of(mutant.module).read_text(encoding="utf-8"), path, "exec")
    new = compile(mutant.source, path, "exec")
    found: object = sys.modules[mutant.module]
    for name in mutant.where.split("."):
        codes = [_code_in(code, name) for code in (old, new)]
        found = vars(found).get(name) if hasattr(found, "__dict__") else None
        if found is None or codes[0] is None or codes[1] is None:
            return False
        old, new = codes[0], codes[1]
        if not isinstance(found, type):
            break
    function = _function_of(found)
    if function is None or new == old or len(new.co_freevars) != len(function.__code__.co_freevars):
        return False
    function.__code__ = new
    return True


def _code_in(code: CodeType, name: str) -> CodeType | None:
    """The code of a function or a class in other code, where there is one of this name."""
    found = [each for each in code.co_consts if isinstance(each, CodeType) and each.co_name == name]
    return found[0] if len(found) == 1 else None


def _function_of(value: object) -> FunctionType | None:
    """The function behind a property, a class method or a cache."""
    for inner in ("fget", "func", "__func__", "__wrapped__"):
        value = getattr(value, inner, value)
    return value if isinstance(value, FunctionType) else None


class _Forking:
    """What pytest does once it has found the tests: fork for each mutant, and run them there."""

    def __init__(self, mutants: Sequence[Mutant | None], *, workers: int, seconds: float) -> None:
        self._mutants = mutants
        self._workers = workers
        self._seconds = seconds
        self.fates = ["elsewhere"] * len(mutants)

    def pytest_runtestloop(self, session: Any) -> bool:
        from _pytest.main import pytest_runtestloop

        going: dict[int, int] = {}
        for number, mutant in enumerate(self._mutants):
            if len(going) == self._workers:
                self._wait(going)
            child = os.fork()
            if child == 0:
                _confine(self._seconds)
                if mutant is not None and not put_in_place(mutant):
                    os._exit(_ELSEWHERE)
                try:
                    pytest_runtestloop(session)
                except BaseException:
                    os._exit(1)
                os._exit(1 if session.testsfailed else 0)
            going[child] = number
        while going:
            self._wait(going)
        return True

    def _wait(self, going: dict[int, int]) -> None:
        child, status = os.wait()
        self.fates[going.pop(child)] = _fate(status)


_ELSEWHERE = 77


def _fate(status: int) -> str:
    if os.WIFSIGNALED(status):
        return "timeout" if os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL, signal.SIGALRM) else "killed"
    return {0: "survived", _ELSEWHERE: "elsewhere"}.get(os.WEXITSTATUS(status), "killed")


def _confine(seconds: float) -> None:
    """So much time of the processor, but always some of it, and no words."""
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 1, int(seconds) + 2))
    used = time.process_time()

    def look(number: int, frame: object) -> None:
        nonlocal used
        before, used = used, time.process_time()
        if used - before < _BUSY:
            os.kill(os.getpid(), signal.SIGKILL)

    # A mutant that waits for ever uses no time of the processor; how long it takes says nothing where others work, too.
    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, _IDLE, _IDLE)
    _silence()


def _silence() -> None:
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)


def forked(piece: Piece, mutants: Sequence[Mutant | None], *, workers: int, seconds: float) -> list[str]:
    """The fate of each mutant, in processes forked from one that has imported all; None is what is there unchanged."""
    import pytest

    # The tests are imported once only, so a piece has a process of its own.
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        plugin = _Forking(mutants, workers=workers, seconds=seconds)
        saved = os.dup(2)
        _silence()
        try:
            code = pytest.main(_words(piece), plugins=[plugin])
            with os.fdopen(tell, "w") as pipe:
                pipe.write("\n".join(plugin.fates))
        except BaseException as error:
            os.write(saved, f"{error!r}\n".encode())
            os._exit(1)
        os._exit(0 if code in (0, 5) else 1)
    os.close(tell)
    with os.fdopen(told) as pipe:
        fates = pipe.read().split("\n")
    _, status = os.waitpid(child, 0)
    if status or len(fates) != len(mutants):
        sys.exit("The tests cannot be run at all; run them with pytest to see why.")
    return fates


def imported(piece: Piece, mutants: Sequence[Mutant], *, workers: int, seconds: float) -> list[str]:
    """The fate of each mutant, each tested in a process that imports the changed module."""
    fates = [""] * len(mutants)
    going: dict[int, int] = {}

    def wait() -> None:
        child, status = os.wait()
        fates[going.pop(child)] = _fate(status)

    for number, mutant in enumerate(mutants):
        if len(going) == workers:
            wait()
        child = os.fork()
        if child == 0:
            import pytest

            _confine(seconds)
            sys.meta_path.insert(0, _Changed(mutant))
            os._exit(0 if pytest.main(_words(piece)) == 0 else 1)
        going[child] = number
    while going:
        wait()
    return fates


def _words(piece: Piece) -> list[str]:
    return [*PYTEST, *piece.tests, *(["-k", piece.chosen] if piece.chosen else [])]


def _warm() -> None:
    """Imports what every test needs, but nothing of what is changed."""
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    for path in (ROOT, ROOT / "tests"):
        sys.path.insert(0, str(path))
    for name in (
        *("pytest", "_pytest.assertion.rewrite", "hypothesis.extra", "hypothesis.strategies", "pytest_timeout"),
        *("cryptography.hazmat.primitives.hpke", "cryptography.hazmat.primitives.asymmetric.x25519"),
        *("cryptography.hazmat.primitives.ciphers.aead", "biip", "web3", "eth_account", "eth_abi"),
    ):
        importlib.import_module(name)


# -- telling -----------------------------------------------------------------------------------------------------------


_HEADING = "| function | code | mutant | why |"


def explained(page: str) -> set[Row]:
    """The mutants that the page explains: rows of its last table, of four cells, of which the first three are code."""
    return rows_in(page.partition(_HEADING)[2])


def rows_in(text: str) -> set[Row]:
    """The mutants of all rows, as a run prints them as well."""
    rows = (re.findall(r"(?<!`)``? ?(.*?) ?``?(?!`)(?= \|)", line) for line in text.splitlines() if line[:3] == "| `")
    return {(row[0], *(text.replace("\\|", "|") for text in row[1:3])) for row in rows if len(row) >= 3}


def table_row(mutant: Mutant) -> str:
    cells = [mutant.row[0], *(text.replace("|", "\\|") for text in mutant.row[1:])]
    return "| " + " | ".join(f"`{cell}`" for cell in cells) + " | why |"


def _fates(
    piece: Piece, mutants: Sequence[Mutant], known: Collection[Row], *, workers: int, seconds: float
) -> list[str]:
    """What becomes of each: the quick way, and from the start where that says nothing, or that none noticed.

    One that is explained, and survived as explained, is not tried a second time.
    """
    fates = forked(piece, mutants, workers=workers, seconds=seconds)
    again = [
        fate == "elsewhere" or (fate == "survived" and mutant.row not in known)
        for mutant, fate in zip(mutants, fates, strict=True)
    ]
    left = [number for number, tried in enumerate(again) if tried]
    fresh = imported(piece, [mutants[number] for number in left], workers=workers, seconds=seconds)
    for number, fate in zip(left, fresh, strict=True):
        fates[number] = fate
    return fates


def judge(name: str, workers: int, known: set[Row], *, only: str = "", again: Collection[Row] | None = None) -> int:
    """Runs a piece, prints what came of it, and says how many survivors nobody explained."""
    piece = PIECES[name]
    began = time.monotonic()
    [usual] = forked(piece, [None], workers=1, seconds=600)
    if usual != "survived":
        sys.exit(f"The tests of {name} fail without any change; mend them first.")
    took = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    seconds = max(10, SLOWER * took)
    mutants = [each for module in piece.modules for each in mutants_of(module, only=only)]
    if again is not None:
        mutants = [each for each in mutants if each.row in again and each.row not in known]
    if not mutants:
        sys.exit(f"{name} has no such mutant.")
    counts: Counter[str] = Counter()
    new = 0
    for start in range(0, len(mutants), BATCH):
        batch = mutants[start : start + BATCH]
        fates = _fates(piece, batch, known, workers=workers, seconds=seconds)
        survivors = [each for each, fate in zip(batch, fates, strict=True) if fate == "survived"]
        unexplained = [each for each in survivors if each.row not in known]
        for each in unexplained:
            print(f"  {each.module}:{each.line}\n{table_row(each)}", flush=True)
        counts.update(fates)
        new += len(unexplained)
        print(
            f"  {name}: {start + len(batch)} of {len(mutants)}, {new} survived unexplained, "
            f"{time.monotonic() - began:.0f} s",
            file=sys.stderr,
        )
    share = 100 * (len(mutants) - counts["survived"]) / max(1, len(mutants))
    print(
        f"{name}: {len(mutants)} mutants, {counts['killed']} killed, {counts['timeout']} that never end, "
        f"{counts['survived']} survived ({counts['survived'] - new} of them explained): {share:.1f} % noticed."
    )
    sys.stdout.flush()
    return new


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.mutants_python", description=__doc__.partition("\n")[0])
    parser.add_argument("pieces", nargs="*", metavar="|".join(PIECES), help="which of them; all, if none is named")
    parser.add_argument("--workers", type=positive(int), default=2)
    parser.add_argument("--only", default="", help="only mutants of functions whose name has this in it")
    parser.add_argument(
        "--again", type=Path, metavar="LOG", help="only those that LOG, of an earlier run, has and the page has not"
    )
    told = parser.parse_args(words)
    unknown = [name for name in told.pieces if name not in PIECES]
    if unknown:
        parser.error(f"there is no piece {unknown[0]}; there are {', '.join(PIECES)}")
    known = explained(PAGE.read_text(encoding="utf-8")) if PAGE.exists() else set()
    try:
        again = rows_in(told.again.read_text(encoding="utf-8")) if told.again else None
    except (OSError, UnicodeDecodeError) as error:
        parser.error(f"{told.again} cannot be read: {error}")
    os.chdir(ROOT)
    _warm()
    new = [judge(name, told.workers, known, only=told.only, again=again) for name in told.pieces or PIECES]
    if any(new):
        sys.exit(f"{sum(new)} changes go unnoticed and unexplained: write a test, or say in {PAGE.name} why none can.")


if __name__ == "__main__":
    main()
