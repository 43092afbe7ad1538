"""A process that follows events into an index and dies when it is told to. Run by the tests.

    python killed_index.py URL PATH EMITTER METHOD COUNT

It kills itself when the COUNTth answer to METHOD has come.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from ledger_notes import index_of
from ledger_solidity import compiled
from web3 import HTTPProvider, Web3

from theriac.ledger import index as index_module


class Mortal(HTTPProvider):
    left = int(sys.argv[5])

    def make_request(self, method: Any, params: Any) -> Any:
        answer = super().make_request(method, params)
        if method == sys.argv[4]:
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return answer


if __name__ == "__main__":
    web3 = Web3(Mortal(sys.argv[1]))
    abi = compiled("contracts/test/Emitter.sol", "Emitter").abi
    emitter = web3.eth.contract(address=Web3.to_checksum_address(sys.argv[3]), abi=abi)
    index_module._FIRST_RANGE = index_module._WIDEST_RANGE = 3
    index_of(Path(sys.argv[2]), web3, emitter).sync()
