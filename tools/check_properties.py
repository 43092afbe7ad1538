"""Holds docs/properties.md against the tests: each number has a test that fails without it, and each mark a number.

A test says what it is about in a comment of its own line: `# property M3` or `# properties V1, V2`, inside of the
function that asserts it or right above it; in Solidity and JavaScript after `//` or `///`. What may follow is a
colon and words. In the handlers of proof/ properties count as tests, and functions that judge what an act did.
`python -m tools.check_properties` checks, `--list` prints the tests of each number, and `--list M3` those of one.

Marks say where to look; whether the test fails without the property, who writes it has to see. What a machine can see,
it does: a mark in a function without an assertion, in a file that no test runs, or only in tests that CI leaves out
counts for nothing.
"""

import argparse
import ast
import io
import re
import sys
import tokenize
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = Path("docs") / "properties.md"
FOLDERS = (Path("tests"), Path("contracts") / "test", Path("proof"))

NUMBER = re.compile(r"[A-Z][1-9][0-9]*")
SENTENCE = re.compile(r"^- \*\*(\S+?)\*\* ", re.MULTILINE)
ROW = re.compile(r"^\| ([A-Z]) \|.*\| ([0-9]+) \|[^|]*\|$", re.MULTILINE)
MARK = re.compile(r"propert(?:y ([A-Z][1-9][0-9]*)|ies ([A-Z][1-9][0-9]*(?:, [A-Z][1-9][0-9]*)+))(?:$|: \S)")
HAS_MARK = re.compile(r"#\s*propert(?:y|ies) ")
LIKE_A_MARK = re.compile(r"\b[Pp]ropert(?:y|ies):? +[A-Z][0-9]+\b")
NUMBERED_WORDS = re.compile(r"^\s*[A-Z][1-9][0-9]*(?:(?:, | to | and )[A-Z][1-9][0-9]*)*[.:] ")
NUMBERED_DOCSTRING = re.compile(r'"""\s*[A-Z][1-9][0-9]*(?:,|\.|:| to | and )')
IMPORT = re.compile(r"^\s*(?:from|import) ([\w.]+(?:, *[\w.]+)*)", re.MULTILINE)
SLASHES = re.compile(r"///?\s*(.*)$")
# By these a handler judges what an act did.
FUNCTION = re.compile(r"\s+function (\w+)")
JUDGES = re.compile(r"\b_(?:must|refused)\(")
SOLIDITY_IMPORT = re.compile(r"models/(\w+)\.sol\"")
REGISTERED = re.compile(r"\b_add\(type\((\w+)\)")
FORGE_TEST = re.compile(r"\bfunction\s+((?:test|invariant|statefulFuzz|check|property|fuzz)\w*)")

# What CI does not run. A number that stands in such tests alone is not held.
LEFT_OUT = {"heavy", "skip", "xfail"}

# Calls whose failure fails the test, beside `assert`, by the words that the tests here have for what is refused.
EXPECTS = re.compile(r"raises|reverts|refus|assert|check|fail")


@dataclass(frozen=True)
class Mark:
    """Where a number stands, and in which function; `fault` is why it counts for nothing, or empty."""

    number: str
    path: str
    line: int
    function: str
    fault: str = ""

    @property
    def place(self) -> str:
        return f"{self.path}:{self.line}"


def numbers(page: str) -> list[str]:
    """The numbers of the page in the order in which they stand, those that are given twice twice."""
    return SENTENCE.findall(page)


def faults_of_page(page: str) -> Iterator[str]:
    """What is wrong with the page by itself."""
    found = numbers(page)
    for number, times in Counter(found).items():
        if not NUMBER.fullmatch(number):
            yield f"{PAGE}: {number} is no number: one capital letter, then digits."
        elif times > 1:
            yield f"{PAGE}: {number} is given {times} times."

    for letter, ours in _by_letter(found).items():
        if ours != list(range(1, len(ours) + 1)) and len(set(ours)) == len(ours):
            yield f"{PAGE}: the numbers of {letter} are not {letter}1 to {letter}{len(ours)} in this order."

    rows = {letter: int(count) for letter, count in ROW.findall(page)}
    counted = {letter: len(ours) for letter, ours in _by_letter(found).items()}
    for letter in sorted(rows.keys() | counted.keys()):
        if rows.get(letter) != counted.get(letter):
            told, there = rows.get(letter, "none"), counted.get(letter, "none")
            yield f"{PAGE}: the table has {told} of {letter}, the page {there}."


def _by_letter(found: list[str]) -> dict[str, list[int]]:
    ours: dict[str, list[int]] = defaultdict(list)
    for number in found:
        if NUMBER.fullmatch(number):
            ours[number[0]].append(int(number[1:]))
    return ours


def marks(root: Path) -> tuple[list[Mark], list[str]]:
    """All marks in the tests under a root, and what stands there like a mark and is none."""
    sources = {
        path: path.read_text(encoding="utf-8")
        for folder in FOLDERS
        for path in sorted((root / folder).rglob("*"))
        if path.suffix in (".py", ".sol", ".mjs", ".js") and ".cache" not in path.relative_to(root).parts
    }
    used = _imported(sources)
    invariants = root / "proof" / "Invariants.t.sol"
    acting = set(REGISTERED.findall(invariants.read_text(encoding="utf-8"))) if invariants.exists() else set()
    for path, text in sources.items():
        if path.stem in acting:
            acting |= set(SOLIDITY_IMPORT.findall(text))
    found: list[Mark] = []
    faults: list[str] = []
    for path, text in sources.items():
        name = str(path.relative_to(root))
        if path.suffix == ".py":
            runs = path.stem.startswith("test_") or path.stem == "conftest" or path.stem in used
            found += _python_marks(text, name, runs=runs)
            faults += _python_likes(text, name)
        elif path.parent.name in ("handlers", "models"):
            found += _handler_marks(text, name, runs=path.stem in acting)
        else:
            found += _other_marks(text, name)
    return found, faults


def _imported(sources: dict[Path, str]) -> set[str]:
    """The names of the helper modules that the tests run, directly or through each other."""
    imports = {path.stem: _imports(text) for path, text in sources.items() if path.suffix == ".py"}
    used: set[str] = set()
    todo = [stem for stem in imports if stem.startswith("test_") or stem == "conftest"]
    while todo:
        new = imports.get(todo.pop(), set()) - used
        used |= new
        todo += new
    return used


def _imports(text: str) -> set[str]:
    return {name.rpartition(".")[2] for match in IMPORT.finditer(text) for name in re.split(r",\s*", match[1])}


def _python_marks(text: str, path: str, *, runs: bool) -> Iterator[Mark]:
    """The marks of a Python file; `runs` says whether a test reaches it."""
    if not HAS_MARK.search(text):
        return
    tree = ast.parse(text)
    functions = [each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
    module_left_out = any(_names(each) & LEFT_OUT for each in tree.body if _is_pytestmark(each))
    for line, words in _comments(text):
        for number in _marked(words):
            function = _function_of(functions, text, line)
            if function is None:
                yield Mark(number, path, line, "", "it belongs to no function")
                continue
            fault = ""
            if not runs or (path.rpartition("/")[2].startswith("test_") and _unreached(tree, function)):
                fault = "no test runs it"
            elif module_left_out or any(_names(each) & LEFT_OUT for each in function.decorator_list):
                fault = "CI leaves this test out"
            elif not _asserts(function):
                fault = f"{function.name} asserts nothing"
            yield Mark(number, path, line, function.name, fault)


@lru_cache(maxsize=1)
def _comments(text: str) -> list[tuple[int, str]]:
    """The comments that have a line or its end to themselves, without the sign, and their lines."""
    return [
        (token.start[0], token.string.removeprefix("#").strip())
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.COMMENT
    ]


def _marked(words: str) -> list[str]:
    match = MARK.match(words)
    return (match[1] or match[2]).split(", ") if match else []


def _function_of(
    functions: list[ast.FunctionDef | ast.AsyncFunctionDef], text: str, line: int
) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """The innermost function that a line lies in, else the one that begins below it, comments apart."""
    around = [each for each in functions if each.lineno <= line <= (each.end_lineno or each.lineno)]
    if around:
        return max(around, key=lambda each: each.lineno)

    lines = text.splitlines()
    below = line
    while below < len(lines) and lines[below].lstrip().startswith("#"):
        below += 1
    for each in functions:
        if min([each.lineno, *(decorator.lineno for decorator in each.decorator_list)]) == below + 1:
            return each
    return None


def _unreached(tree: ast.Module, function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a function of a test's file is no test, no method and no fixture, and nothing in the file names it."""
    if function not in tree.body or function.name.startswith("test_") or function.decorator_list:
        return False
    named = {_last(each) for each in ast.walk(tree) if isinstance(each, ast.Name | ast.Attribute)}
    return function.name not in named


def _is_pytestmark(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and any(
        isinstance(each, ast.Name) and each.id == "pytestmark" for each in node.targets
    )


def _names(node: ast.AST) -> set[str]:
    """The names in an expression, those of marks on single parameters left out: they leave the other parameters."""
    found: set[str] = set()
    todo: list[ast.AST] = [node]
    while todo:
        each = todo.pop()
        if isinstance(each, ast.Call) and _last(each.func) in ("param", "parametrize"):
            continue
        if isinstance(each, ast.Attribute):
            found.add(each.attr)
        todo += ast.iter_child_nodes(each)
    return found


def _last(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _asserts(function: ast.AST) -> bool:
    return any(
        isinstance(each, ast.Assert | ast.Raise) or (isinstance(each, ast.Call) and EXPECTS.search(_last(each.func)))
        for each in ast.walk(function)
    )


def _python_likes(text: str, path: str) -> Iterator[str]:
    """What is meant as a mark and would not be read as one: in a docstring, or written otherwise."""
    for line, words in _comments(text) if LIKE_A_MARK.search(text) else ():
        if LIKE_A_MARK.search(words) and not _marked(words):
            yield f"{path}:{line}: write it as `# property M3` or `# properties M3, M4`."
    for node in ast.walk(ast.parse(text)) if NUMBERED_DOCSTRING.search(text) else ():
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if NUMBERED_WORDS.match(words := ast.get_docstring(node) or ""):
            yield f"{path}:{node.lineno}: {words.split()[0]} stands in a docstring: write it as `# property M3`."


def _other_marks(text: str, path: str) -> Iterator[Mark]:
    """The marks of a file in another language; each belongs to the test that begins below it, or last above."""
    lines = text.splitlines()
    heads = [(number, match[1]) for number, line in enumerate(lines, 1) if (match := FORGE_TEST.search(line))]
    for number, line in enumerate(lines, 1):
        match = SLASHES.search(line)
        for mark in _marked(match[1].strip()) if match else []:
            below = number
            while below < len(lines) and lines[below].strip().startswith(("//", "///")):
                below += 1
            next_to = [name for start, name in heads if start == below + 1]
            above = [name for start, name in heads if start <= number]
            function = (next_to or above[-1:] or [""])[0]
            outside = path.endswith(".sol") and not function
            yield Mark(mark, path, number, function, "it belongs to no test" if outside else "")


def _handler_marks(text: str, path: str, *, runs: bool) -> Iterator[Mark]:
    """The marks of a handler: each belongs to the function that begins below it, or last above."""
    lines = text.splitlines()
    heads = {number: match[1] for number, line in enumerate(lines, 1) if (match := FUNCTION.match(line))}
    for number, line in enumerate(lines, 1):
        match = SLASHES.search(line)
        for mark in _marked(match[1].strip()) if match else []:
            below = number
            while below < len(lines) and lines[below].strip().startswith("//"):
                below += 1
            start = below + 1 if below + 1 in heads else max((each for each in heads if each <= number), default=0)
            end = min((each for each in heads if each > start), default=len(lines) + 1)
            name = heads.get(start, "")
            fault = ""
            if not runs:
                fault = "no fuzzer plays this handler"
            elif not name.startswith("property_") and not JUDGES.search("\n".join(lines[start - 1 : end - 1])):
                fault = f"{name} judges nothing" if name else "it belongs to no function"
            yield Mark(mark, path, number, name, fault)


def complaints(root: Path) -> list[str]:
    """What is wrong with the page and the tests under a root, a sentence each."""
    page = (root / PAGE).read_text(encoding="utf-8")
    found, faults = marks(root)
    there = set(numbers(page))
    faults = [*faults_of_page(page), *faults]
    faults += [f"{each.place}: {PAGE} has no {each.number}." for each in found if each.number not in there]
    faults += [f"{each.place}: {each.number} counts for nothing here: {each.fault}." for each in found if each.fault]
    held = {each.number for each in found if not each.fault}
    return faults + [f"{PAGE}: {number} has no test." for number in dict.fromkeys(numbers(page)) if number not in held]


def main() -> None:
    parser = argparse.ArgumentParser(prog="check_properties", description="Finds properties without a test.")
    parser.add_argument("--list", nargs="*", metavar="NUMBER", help="print the tests of these numbers, or of all")
    wanted: list[str] | None = parser.parse_args().list
    page = (ROOT / PAGE).read_text(encoding="utf-8")
    if unknown := sorted({*(wanted or ())} - {*numbers(page)}):
        sys.exit(f"{PAGE} has no {', '.join(unknown)}.")
    found, _ = marks(ROOT)

    if wanted is not None:
        for number in wanted or numbers(page):
            print(f"{number}: {', '.join(sorted({f'{e.path}:{e.function}' for e in found if e.number == number}))}")
        return

    if wrong := complaints(ROOT):
        sys.exit("\n".join(wrong))
    files = len({each.path for each in found})
    print(f"{len(set(numbers(page)))} properties have tests: {len(found)} marks in {files} files.")


if __name__ == "__main__":
    main()
