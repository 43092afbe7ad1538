"""Small faults that could have been made in a contract, one at a time: what they are, and which calls lead there.

They are read from the compiler's syntax tree, so that each is a change of exactly one expression or statement. The
kinds are those that tools for this have in common: a comparison by its neighbours, `and` for `or`, a condition that is
never or always true, a plus for a minus, a number by the next, a statement, event or modifier that is left out.
Assembly is left as it is.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from tools import contracts

Node = dict[str, Any]

LEFT_OUT = ("contracts/interfaces/", "contracts/test/")
"""Folders whose sources do nothing, or are deployed by tests alone."""

BINARY = {
    "<": ("<=", ">="),
    "<=": ("<", ">"),
    ">": (">=", "<="),
    ">=": (">", "<"),
    "==": ("!=",),
    "!=": ("==",),
    "&&": ("||",),
    "||": ("&&",),
    "+": ("-",),
    "-": ("+",),
    "*": ("/",),
    "/": ("*",),
    "%": ("*",),
    "&": ("|",),
    "|": ("&",),
    "^": ("&",),
    "<<": (">>",),
    ">>": ("<<",),
}
ASSIGNED = {
    "+=": "-=",
    "-=": "+=",
    "*=": "/=",
    "/=": "*=",
    "|=": "&=",
    "&=": "|=",
    "^=": "|=",
    "<<=": ">>=",
    ">>=": "<<=",
}
UNARY = {"!": "", "~": "", "++": "--", "--": "++"}
KINDS = {
    **dict.fromkeys(("<", "<=", ">", ">=", "==", "!="), "comparison"),
    **dict.fromkeys(("&&", "||", "!"), "logic"),
    **dict.fromkeys(("+", "-", "*", "/", "%", "++", "--"), "arithmetic"),
    **dict.fromkeys(("&", "|", "^", "<<", ">>", "~"), "bits"),
}


@dataclass(frozen=True, order=True)
class Mutant:
    """One fault: which bytes of a source become what. `function` is where it stands, `words` are errors and events."""

    path: str
    start: int
    old: str
    new: str
    kind: str
    function: str
    function_id: int
    words: tuple[str, ...] = ()

    def applied(self, source: str) -> str:
        """The source with the fault in it."""
        raw = source.encode()
        old = self.old.encode()
        assert raw[self.start : self.start + len(old)] == old
        return (raw[: self.start] + self.new.encode() + raw[self.start + len(old) :]).decode()

    def line(self, source: str) -> int:
        """The line of the source where it begins."""
        return source.encode()[: self.start].count(b"\n") + 1


@dataclass(frozen=True)
class Sources:
    """The sources under contracts/ with their syntax trees."""

    texts: Mapping[str, str]
    trees: Mapping[str, Node]

    @cached_property
    def by_id(self) -> dict[int, Node]:
        """Functions, modifiers, variables and contracts by the compiler's number."""
        kinds = {"FunctionDefinition", "ModifierDefinition", "VariableDeclaration", "ContractDefinition"}
        return {
            node["id"]: node for tree in self.trees.values() for node in _walk(tree) if node.get("nodeType") in kinds
        }

    def deployed(self) -> dict[str, str]:
        """The contracts that are deployed, by name, and their sources."""
        return {
            node["name"]: path
            for path, tree in self.trees.items()
            if path.startswith("contracts/") and not path.startswith(LEFT_OUT)
            for node in tree["nodes"]
            if node["nodeType"] == "ContractDefinition" and node["contractKind"] == "contract" and not node["abstract"]
        }

    def closure(self, path: str) -> set[str]:
        """The source and all that it imports."""
        found, open_ = {path}, [path]
        while open_:
            for node in self.trees[open_.pop()]["nodes"]:
                if node["nodeType"] == "ImportDirective" and (imported := node["absolutePath"]) not in found:
                    found.add(imported)
                    open_.append(imported)
        return found

    def dependents(self, path: str) -> list[str]:
        """The deployed contracts whose code a change in this source can change, by name."""
        own = self.deployed()
        if path in own.values():
            # Who only creates another contract has its code as data, which the tests of that contract are about.
            return [name for name, source in own.items() if source == path]
        return [name for name, source in own.items() if path in self.closure(source)]

    @cached_property
    def _callers(self) -> dict[int, set[int]]:
        """Which functions name a function, modifier or variable; what implements an interface is meant by it."""
        callers: dict[int, set[int]] = defaultdict(set)
        for node in list(self.by_id.values()):
            if node["nodeType"] not in ("FunctionDefinition", "ModifierDefinition"):
                continue
            for inner in _walk(node):
                for key in ("referencedDeclaration", "function"):
                    if isinstance(inner.get(key), int):
                        callers[inner[key]].add(node["id"])
        for node in list(self.by_id.values()):
            for base in node.get("baseFunctions", []):
                callers[node["id"]] |= callers[base]
        return callers

    def selectors_of(self, contract: str) -> set[str]:
        """The selectors of the external functions that a contract itself has."""
        tree = self.trees[self.deployed()[contract]]
        return {node["functionSelector"] for node in _walk(tree) if "functionSelector" in node}

    def reaching(self, identity: int) -> dict[str, int]:
        """The selectors of external functions that lead to a declaration, and over how many others."""
        found: dict[str, int] = {}
        seen, layer, distance = {identity}, [identity], 0
        while layer:
            nodes = [self.by_id[each] for each in layer if each in self.by_id]
            for selector in (node.get("functionSelector") for node in nodes):
                if selector:
                    found.setdefault(selector, distance)
            layer = sorted({caller for each in layer for caller in self._callers[each]} - seen)
            seen |= set(layer)
            distance += 1
        return found


def read_sources() -> Sources:
    """Compiles everything as far as its syntax trees."""
    asked = contracts.standard_input()
    asked["settings"]["outputSelection"] = {"*": {"": ["ast"]}}
    output = contracts.run_compiler(contracts.compiler_path(contracts.compiler_version()), asked)
    texts = {path: each["content"] for path, each in asked["sources"].items()}
    return Sources(texts, {path: each["ast"] for path, each in output["sources"].items()})


@cache
def selectors() -> dict[str, str]:
    """The names of the external functions of all contracts, by their selectors."""
    trees = read_sources().trees
    own = (tree for path, tree in trees.items() if path.startswith("contracts/"))
    return {
        node["functionSelector"]: node["name"] for tree in own for node in _walk(tree) if "functionSelector" in node
    }


def mutants(sources: Sources) -> list[Mutant]:
    """Every fault, in the order of the sources."""
    found: list[Mutant] = []
    for path in sorted(sources.trees):
        if path.startswith("contracts/") and not path.startswith(LEFT_OUT):
            found += _of_source(path, sources.texts[path].encode(), sources.trees[path])
    return sorted({(each.path, each.start, each.old, each.new): each for each in found}.values())


def _of_source(path: str, text: bytes, tree: Node) -> Iterator[Mutant]:
    for node in tree["nodes"]:
        if node["nodeType"] == "ContractDefinition":
            for inner in node["nodes"]:
                yield from _of_declaration(path, text, inner, f"{node['name']}.")
        else:
            yield from _of_declaration(path, text, node, "")


def _of_declaration(path: str, text: bytes, node: Node, owner: str) -> Iterator[Mutant]:
    name = owner + (node.get("name") or node.get("kind", ""))
    changes: list[Change] = []
    match node["nodeType"]:
        case "FunctionDefinition" | "ModifierDefinition" if node.get("body"):
            changes += _of_code(text, node["body"])
            named = (modifier for modifier in node.get("modifiers", []) if modifier["kind"] == "modifierInvocation")
            changes += ((*_span(modifier), "", "modifier", ()) for modifier in named)
        case "VariableDeclaration" if node.get("constant") and node.get("value"):
            changes += _of_code(text, node["value"])
    for start, length, new, kind, words in changes:
        old = text[start : start + length].decode()
        yield Mutant(path, start, old, new, kind, name, node["id"], words)


Change = tuple[int, int, str, str, tuple[str, ...]]
"""Where, how long, what instead, of what kind, and which errors and events stand nearby."""


def _of_code(text: bytes, node: Any, words: tuple[str, ...] = ()) -> Iterator[Change]:
    if isinstance(node, list):
        for each in node:
            yield from _of_code(text, each, words)
        return
    if not isinstance(node, dict) or node.get("nodeType") == "InlineAssembly":
        return

    kind = node.get("nodeType", "")
    if kind in ("IfStatement", "EmitStatement", "RevertStatement"):
        words = tuple(sorted(set(words) | set(_names(node))))
    yield from ((*change, words) for change in _changes(text, node))
    for value in node.values():
        yield from _of_code(text, value, words)


def _changes(text: bytes, node: Node) -> Iterator[tuple[int, int, str, str]]:
    match node.get("nodeType"):
        case "BinaryOperation":
            operator = node["operator"]
            start, length = _between(text, node["leftExpression"], node["rightExpression"], operator)
            for other in BINARY.get(operator, ()):
                yield start, length, other, KINDS[operator]
        case "Assignment" if node["operator"] in ASSIGNED:
            start, length = _between(text, node["leftHandSide"], node["rightHandSide"], node["operator"])
            yield start, length, ASSIGNED[node["operator"]], "arithmetic"
        case "UnaryOperation" if node["operator"] in UNARY:
            start, length = _span(node)
            operator = node["operator"]
            place = start if node["prefix"] else start + length - len(operator)
            yield place, len(operator), UNARY[operator], KINDS[operator]
        case "Conditional":
            true, false = _span(node["trueExpression"]), _span(node["falseExpression"])
            start, end = true[0], false[0] + false[1]
            between = text[true[0] + true[1] : false[0]].decode()
            swapped = _text(text, false) + between + _text(text, true)
            yield start, end - start, swapped, "condition"
        case "IfStatement":
            start, length = _span(node["condition"])
            yield start, length, "false", "condition"
            if not _only_reverts(node["trueBody"]):
                yield start, length, "true", "condition"
        case "Literal" if node["kind"] == "number":
            yield from _numbers(text, node)
        case "ExpressionStatement" | "EmitStatement":
            start, length = _span(node)
            end = text.index(b";", start + length) + 1
            yield start, end - start, "{}", "event" if node["nodeType"] == "EmitStatement" else "statement"


def _numbers(text: bytes, node: Node) -> Iterator[tuple[int, int, str, str]]:
    start, length = _span(node)
    number = re.match(rb"0x[0-9a-fA-F_]+|[0-9_]+", text[start : start + length])
    # An address or a number with a point stays.
    if not number or (b"." in text[start : start + length]) or len(number.group()) > 40:
        return

    value = int(number.group().replace(b"_", b""), 0)
    for other in (value + 1, value - 1):
        if other >= 0:
            yield start, len(number.group()), str(other), "number"


def _only_reverts(body: Node) -> bool:
    statements = body["statements"] if body["nodeType"] == "Block" else [body]
    return all(each["nodeType"] == "RevertStatement" for each in statements)


def _names(node: Node) -> Iterator[str]:
    """The errors and events that a statement names in itself, and not in the blocks below."""
    for inner in _walk(node):
        if inner.get("nodeType") in ("RevertStatement", "EmitStatement"):
            call = inner.get("errorCall") or inner["eventCall"]
            expression = call["expression"]
            yield expression.get("name") or expression["memberName"]


def _between(text: bytes, left: Node, right: Node, operator: str) -> tuple[int, int]:
    """Where an operator stands."""
    start, end = sum(_span(left)), _span(right)[0]
    return start + text[start:end].index(operator.encode()), len(operator)


def _span(node: Node) -> tuple[int, int]:
    start, length, _ = node["src"].split(":")
    return int(start), int(length)


def _text(text: bytes, span: tuple[int, int]) -> str:
    return text[span[0] : span[0] + span[1]].decode()


def _walk(node: Any) -> Iterator[Node]:
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from _walk(value)
    elif isinstance(node, list):
        for value in node:
            yield from _walk(value)


def by_contract(found: Iterable[Mutant]) -> dict[str, list[Mutant]]:
    """Mutants by the source that they are in."""
    grouped: dict[str, list[Mutant]] = defaultdict(list)
    for mutant in found:
        grouped[mutant.path].append(mutant)
    return dict(grouped)
