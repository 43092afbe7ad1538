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

# -- health ----------------------------------------------------------------------------------------------------------
