"""A process that sends notes through an outbox and dies when it is told to. Run by the tests; prints what it did.

    python killed_sender.py URL OUTBOX KEY EMITTER FIRST LAST MOMENT COUNT

It notes the keys FIRST to LAST, one intent each. MOMENT is the method at whose COUNTth request it kills itself, with
"before" or "after" in front: "after eth_sendRawTransaction" dies when the node has the transaction and this process has
not heard so. "COMMIT" in the place of a method is the COUNTth writing of its outbox. "never" lets it live.
"""

import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from ledger_solidity import compiled
from web3 import HTTPProvider, Web3

from theriac.ledger.database import Database
from theriac.ledger.sender import Intent, Sender
from theriac.ledger.signer import KeySigner


class Mortal(HTTPProvider):
    """Kills its process at a request."""

    def __init__(self, url: str, moment: str, count: int) -> None:
        super().__init__(url)
        self.when, _, self.method = moment.partition(" ")
        self.left = count

    def make_request(self, method: Any, params: Any) -> Any:
        return self.mortally(method, lambda: super(Mortal, self).make_request(method, params))

    def mortally(self, step: str, act: Callable[[], Any]) -> Any:
        fatal = step == self.method
        if fatal:
            self.left -= 1
        if fatal and self.left == 0 and self.when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        done = act()
        if fatal and self.left == 0 and self.when == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    def watch(self) -> None:
        """Has writings of the outbox count as steps."""
        run = Database.run

        def watched(database: Database, statement: str, values: Sequence[Any] = ()) -> int:
            return self.mortally(statement, lambda: run(database, statement, values))

        Database.run = watched  # type: ignore[method-assign]


def main() -> None:
    url, outbox, key, emitter, first, last, moment, count = sys.argv[1:]
    provider = Mortal(url, moment, int(count))
    provider.watch()
    web3 = Web3(provider)
    contract = web3.eth.contract(address=Web3.to_checksum_address(emitter), abi=compiled(EMITTER, "Emitter").abi)
    signer = KeySigner(bytes.fromhex(key))
    numbers = range(int(first), int(last) + 1)
    with Sender(web3, signer, outbox=Path(outbox), limit=8, patience=timedelta(seconds=2)) as sender:
        print("ready", flush=True)
        notes = [contract.functions.note(signer.address, n.to_bytes(32, "big"), n, "") for n in numbers]
        intents = [Intent(note, f"note {n}") for n, note in zip(numbers, notes, strict=True)]
        outcomes = sender.send_all(intents)
        print(json.dumps([outcome.receipt.transaction for outcome in outcomes if outcome.receipt is not None]))


EMITTER = "contracts/test/Emitter.sol"

if __name__ == "__main__":
    main()
