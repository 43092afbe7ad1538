"""What a transaction offers for its gas, and what a node makes of the offer."""

from dataclasses import dataclass
from enum import Enum, auto


@dataclass(frozen=True)
class Fees:
    """The most that a unit of gas may cost, in wei, and how much of it goes to who makes the block.

    `tip` is None on a chain that knows one price only.
    """

    price: int
    tip: int | None

    def fields(self) -> dict[str, int]:
        """As the fields of a transaction."""
        if self.tip is None:
            return {"gasPrice": self.price}
        return {"type": 2, "maxFeePerGas": self.price, "maxPriorityFeePerGas": self.tip}

    def raised(self, market: "Fees") -> "Fees":
        """Enough more for a node to take it in the place of the first: an eighth, and no less than the market."""
        tip = None if self.tip is None else max(_eighth_more(self.tip), market.tip or 0)
        return Fees(price=max(_eighth_more(self.price), market.price, tip or 0), tip=tip)

    def capped(self, ceiling: int | None) -> "Fees":
        if ceiling is None:
            return self
        price = min(self.price, ceiling)
        return Fees(price=price, tip=None if self.tip is None else min(self.tip, price))


class Fate(Enum):
    """What a node did with a transaction that it was given."""

    TAKEN = auto()
    OLD_NONCE = auto()
    TOO_CHEAP = auto()
    CANNOT_PAY = auto()
    NEVER = auto()
    FULL = auto()
    UNCLEAR = auto()


# No two kinds of node word this alike. What matches nothing is unclear, and is treated as if it could have been taken.
_WORDS = {
    Fate.TAKEN: (
        "already known",
        "known transaction",
        "alreadyknown",
        "already imported",
        "already in",
        "already exists",
    ),
    Fate.OLD_NONCE: (
        "nonce too low",
        "nonce is too low",
        "oldnonce",
        "nonce too old",
        "transaction nonce",
        "invalid nonce",
    ),
    Fate.TOO_CHEAP: (
        "underpriced",
        "base fee",
        "basefee",
        "fee too low",
        "price too low",
        "price below",
        "tip cap",
        "fee cap",
        "unit price",
        "same nonce",
    ),
    Fate.FULL: ("pool is full", "pool full", "poolfull", "account limit exceeded", "transaction limit reached"),
    Fate.CANNOT_PAY: ("insufficient funds", "insufficient balance", "upfront cost", "cannot afford", "enough balance"),
    Fate.NEVER: (
        "intrinsic gas",
        "gas limit",
        "oversized",
        "chain id",
        "chainid",
        "configured cap",
        "not supported",
        "unsupported",
        "initcode",
        "decode",
        "rlp",
        "invalid sender",
        "invalid signature",
        "v, r, s values",
        "floor data gas",
        "higher than",
        "not an eoa",
        "negative value",
    ),
}


def fate_of(reason: str) -> Fate:
    """What a node means by the error it answers a transaction with."""
    said = reason.lower()
    return next((fate for fate, phrases in _WORDS.items() if any(phrase in said for phrase in phrases)), Fate.UNCLEAR)


def _eighth_more(price: int) -> int:
    return price + price // 8 + 1
