"""The contract Rules on an anvil, asked for hundreds of decisions at once."""

from collections.abc import Sequence
from typing import Any

from eth_abi import decode, encode
from eth_utils.abi import function_abi_to_4byte_selector, get_abi_input_types, get_abi_output_types
from real_anvil import GAS, Chain
from rules_cases import Case
from web3.contract import Contract
from web3.types import RPCEndpoint

from theriac.cover.rules import Decision


class Stage:
    """Rules, and Questions to ask it."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._rules = chain.deploy("Rules")
        self._questions = chain.deploy("Questions")
        decide, ask = (
            _function(contract, name) for contract, name in ((self._rules, "decide"), (self._questions, "ask"))
        )
        self._decide, self._ask = function_abi_to_4byte_selector(decide), function_abi_to_4byte_selector(ask)
        self._ask_types = get_abi_input_types(ask)
        self.takes, self.gives = get_abi_input_types(decide), get_abi_output_types(decide)

    def decide(self, case: Case) -> Decision:
        """What the contract decides, through web3."""
        amounts = (case.limits.as_tuple(), case.person.as_tuple(), case.family.as_tuple())
        items = [item.as_tuple() for item in case.items]
        return Decision.of(self._rules.functions.decide(*amounts, items, case.most).call())

    def answers(self, cases: Sequence[Case]) -> list[bytes | str]:
        """The bytes that the contract answers in each case, or what anvil says where it reverts."""
        questions = [self._decide + case.encoded() for case in cases]
        data = self._ask + encode(self._ask_types, [self._rules.address, questions])
        call = {"to": self._questions.address, "data": "0x" + data.hex(), "gas": hex(GAS)}
        answer = self._chain.web3.provider.make_request(RPCEndpoint("eth_call"), [call, "latest"])
        if "error" not in answer:
            return list(*decode(["bytes[]"], bytes.fromhex(answer["result"][2:])))
        if len(cases) == 1:
            return [f"{answer['error']['message']} {answer['error'].get('data', '')}"]
        return [answer for case in cases for answer in self.answers([case])]

    def decoded(self, answer: bytes) -> Any:
        """An answer as web3 would give it."""
        return decode(self.gives, answer)[0]

    def error(self, name: str, *values: Any) -> str:
        """One of the contract's errors, as it stands in what anvil says."""
        (entry,) = (each for each in self._rules.abi if each["type"] == "error" and each["name"] == name)
        return (function_abi_to_4byte_selector(entry) + encode(get_abi_input_types(entry), values)).hex()


def _function(contract: Contract, name: str) -> Any:
    (entry,) = (each for each in contract.abi if each["type"] == "function" and each["name"] == name)
    return entry
