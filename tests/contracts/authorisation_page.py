"""docs/authorisation.md: the tables of who may call what, as a reader can judge them, written from what was tried."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from authorisation_cast import ACCEPTED, ACTS_FOR, CARRIER, ROLES_OF, STAFF_OF, Cast, Outcome
from authorisation_rows import SIGNERS, Row, SignedRow

PAGE = Path(__file__).parents[2] / "docs" / "authorisation.md"

_HEAD = """# Who may call what

Every external function of every contract, who may call it, and which wrong callers were tried and refused, by which
error. Written by

    THERIAC_AUTHORISATION=write .venv/bin/pytest -q tests/contracts/test_authorisation.py

which calls each function as each kind of account, on a chain where each is what its name says; the same test fails
where a function is without a row, or where this page says otherwise. The rows are in
`tests/contracts/authorisation_rows.py` and the modules beside it. An error is asserted together with its values, which
the page leaves out.

What is tried is a call that is right in all but who makes it: that the right account's call counts is asserted by each
row as well. That a signature over anything else, of another era, nonce, chain or contract, or out of time, is refused
is tried field by field in `tests/contracts/test_signatures.py`; what may be done when, by the tests of each contract.

One of several owners of a board that is a multisig, alone, is a stranger to these contracts: the board is one account.
"""

_KINDS = """## Kinds of account

| kind | of member | roles in standing |
|---|---|---|
"""


def page(
    cast: Cast, rows: Iterable[Row], signed: Iterable[SignedRow], views: Mapping[str, Sequence[str]], tried: int
) -> str:
    """The whole page; `views` by contract, each asked by so many kinds."""
    rows, signed = list(rows), list(signed)
    parts = [_HEAD, _KINDS + "".join(_kind(cast, kind) for kind in cast.kinds)]
    for contract in sorted({row.contract for row in rows} | set(views)):
        parts.append(_contract(cast, contract, rows, signed, views.get(contract, ()), tried))
    return "\n".join(parts)


def _kind(cast: Cast, kind: str) -> str:
    number = STAFF_OF.get(kind, 0)
    member = ("itself" if ACTS_FOR[number] == kind else ACTS_FOR[number]) if number else ""
    roles = ", ".join(sorted(str(role.name).lower() for role in ROLES_OF.get(kind, ())))
    what = f"{kind}, a contract that calls what anyone asks it to" if kind == CARRIER else kind
    return f"| {what} | {member} | {roles} |\n"


def _contract(
    cast: Cast, contract: str, rows: Sequence[Row], signed: Sequence[SignedRow], views: Sequence[str], tried: int
) -> str:
    lines = [f"## {contract}\n"]
    mine = [row for row in rows if row.contract == contract]
    if mine:
        lines += ["| function | who may | who is refused |", "|---|---|---|"]
        lines += [_row(cast, row) for row in sorted(mine, key=lambda row: (row.function, row.about))]
        lines.append("")
    words = [each for each in signed if contract == each.type.CONTRACT]
    if words:
        lines += ["| what is signed | who must sign | anybody else's signature |", "|---|---|---|"]
        lines += [_signed(cast, each) for each in sorted(words, key=lambda each: each.name)]
        lines.append("")
    if views:
        named = ", ".join(f"`{each}`" for each in sorted(views))
        lines.append(f"Open to all, and answered alike to each of {tried} kinds that asked: {named}.\n")
    return "\n".join(lines)


def _row(cast: Cast, row: Row) -> str:
    outcomes = {kind: row.rule(cast, kind) for kind in row.kinds or cast.kinds}
    name = f"`{row.function}`" + (f", {row.about}" if row.about else "")
    may = [kind for kind, outcome in outcomes.items() if outcome == ACCEPTED]
    refused: dict[str, list[str]] = {}
    for kind, outcome in outcomes.items():
        if outcome != ACCEPTED:
            refused.setdefault(outcome.error, []).append(kind)
    return f"| {name} | {_who(may, outcomes)} | {_refusals(refused)} |"


def _who(may: Sequence[str], outcomes: Mapping[str, Outcome]) -> str:
    if len(may) == len(outcomes):
        return f"anyone: {len(may)} kinds tried"
    return ", ".join(may) if may else "none of these"


def _refusals(refused: Mapping[str, Sequence[str]]) -> str:
    """The most frequent error is for all the others, the rest are named."""
    ordered = sorted(refused.items(), key=lambda each: (len(each[1]), each[0]))
    told = [f"`{error}`: {', '.join(kinds)}" for error, kinds in ordered[:-1]]
    if ordered:
        error, kinds = ordered[-1]
        rest = f"the {'other ' if told else ''}{len(kinds)} kinds" if len(kinds) > 10 else ", ".join(kinds)
        told.append(f"`{error}`: {rest}")
    return "; ".join(told)


def _signed(cast: Cast, row: SignedRow) -> str:
    name = f"`{row.type.TYPE}` to `{row.type.FUNCTION}`" + (f", {row.about}" if row.about else "")
    right = row.signers[row.place] + (f" or {row.also}" if row.also else "")
    place = " (the other signature)" if row.place else ""
    wrong = len({*SIGNERS} - {row.signers[row.place], row.also})
    return (
        f"| {name} | {right}{place} | `{row.refusal(cast).error}`: {wrong} kinds tried, brought by the {row.sender} |"
    )
