"""Every error a caller of Theriac can meet, as one tree.

    TheriacError                    exit code
    ├── BadInput                    2   what was handed in cannot be used; nothing was changed
    ├── Refused                     3   the rules say no: no grant, no standing, a stale version
    ├── Unavailable                 4   a chain, a store or a peer does not answer; try again
    ├── Tampered                    5   bytes are not what their digest, tag or signature says
    └── Broken                      6   this machine cannot go on: a full disk, a damaged keystore

An error holds plain values (numbers, strings, paths) and builds its own sentence from them; the sentence says
what to do next. The exit code is what a script ends with.
"""

from typing import ClassVar


class TheriacError(Exception):
    """The root of the tree: one sentence for a person, an exit code for a program."""

    exit_code: ClassVar[int] = 1


class BadInput(TheriacError):
    exit_code: ClassVar[int] = 2


class Refused(TheriacError):
    exit_code: ClassVar[int] = 3


class Unavailable(TheriacError):
    exit_code: ClassVar[int] = 4


class Tampered(TheriacError):
    exit_code: ClassVar[int] = 5


class Broken(TheriacError):
    exit_code: ClassVar[int] = 6


# -- crypto ----------------------------------------------------------------------------------------------------------

# -- store -----------------------------------------------------------------------------------------------------------

# -- ledger ----------------------------------------------------------------------------------------------------------

# -- fhir and scope --------------------------------------------------------------------------------------------------


class UnknownClass(BadInput):
    """No class of records is written like that."""

    def __init__(self, *, text: str) -> None:
        self.text = text
        super().__init__(f"{text[:80]!r} is no class of records; docs/scopes.md lists them, such as 'laboratory/N'.")


class UnknownScope(BadInput):
    """A scope has a bit that stands for no class."""

    def __init__(self, *, mask: int) -> None:
        self.mask = mask
        super().__init__(f"The scope {mask:#x} has a bit that stands for no class; docs/scopes.md lists the bits.")


class UnknownPurpose(BadInput):
    """No purpose of use has this code."""

    def __init__(self, *, code: str) -> None:
        self.code = code
        super().__init__(f"{code[:80]!r} is no purpose of use here; docs/scopes.md lists them, such as 'TREAT'.")


# -- health ----------------------------------------------------------------------------------------------------------
