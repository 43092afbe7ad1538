"""What commands are told in numbers."""

import argparse
from collections.abc import Callable
from typing import TypeVar

Number = TypeVar("Number", int, float)


def positive(kind: type[Number]) -> Callable[[str], Number]:
    """The `type` of an option whose number has to be above zero, with a sentence for whatever else is said."""

    def parsed(word: str) -> Number:
        try:
            value = kind(word)
        except ValueError:
            value = kind(0)
        if not 0 < value < float("inf"):
            raise argparse.ArgumentTypeError(f"'{word}' is no {'whole ' if kind is int else ''}number above zero")
        return value

    return parsed
