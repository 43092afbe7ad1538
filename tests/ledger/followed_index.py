"""A process that follows events into an index and says what it took. Run by the tests.

    python followed_index.py URL PATH EMITTER

prints how many events it followed, in how many seconds, and its memory before and at most, in MiB.
"""

import json
import resource
import sys
import time
from pathlib import Path

from ledger_notes import index_of
from ledger_solidity import compiled
from web3 import HTTPProvider, Web3


def mebibytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    web3 = Web3(HTTPProvider(sys.argv[1]))
    abi = compiled("contracts/test/Emitter.sol", "Emitter").abi
    emitter = web3.eth.contract(address=Web3.to_checksum_address(sys.argv[3]), abi=abi)
    index = index_of(Path(sys.argv[2]), web3, emitter)
    before, begun = mebibytes(), time.perf_counter()
    progress = index.sync()
    seconds = time.perf_counter() - begun
    print(json.dumps({"events": progress.events, "seconds": seconds, "before": before, "peak": mebibytes()}))
