"""A process that sends notes through an outbox and dies when it is told to. Run by the tests; prints what it did.

    python killed_sender.py URL OUTBOX KEY EMITTER FIRST LAST MOMENT COUNT

It notes the keys FIRST to LAST, one intent each. MOMENT is the method at whose COUNTth request it kills itself, with
"before" or "after" in front: "after eth_sendRawTransaction" dies when the node has the transaction and this process has
not heard so. "never" lets it live.
"""

import json
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from ledger_solidity import compiled
from web3 import HTTPProvider, Web3

from theriac.ledger.sender import Intent, Sender
from theriac.ledger.signer import KeySigner


class Mortal(HTTPProvider):
    """Kills its process at a request."""

    def __init__(self, url: str, moment: str, count: int) -> None:
        super().__init__(url)
        self.when, _, self.method = moment.partition(" ")
        self.left = count

    def make_request(self, method: Any, params: Any) -> Any:
        fatal = method == self.method
        if fatal:
            self.left -= 1
        if fatal and self.left == 0 and self.when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = super().make_request(method, params)
        if fatal and self.left == 0 and self.when == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return answer


def main() -> None:
    url, outbox, key, emitter, first, last, moment, count = sys.argv[1:]
    web3 = Web3(Mortal(url, moment, int(count)))
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
