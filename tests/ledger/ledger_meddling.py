"""A connection to a real chain that loses, doubles or alters what passes through it, as nodes and networks do."""

from collections.abc import Callable
from typing import Any

from ledger_chains import Chain
from web3 import HTTPProvider, Web3

Answer = Any
Ask = Callable[[str, Any], Answer]


class Meddling(HTTPProvider):
    """Hands every request to `meddle` with the way to ask the real chain."""

    def __init__(self, url: str, meddle: Callable[[Ask, str, Any], Answer]) -> None:
        super().__init__(url, exception_retry_configuration=None)
        self._meddle = meddle
        self.asked: list[str] = []

    def make_request(self, method: Any, params: Any) -> Any:
        self.asked.append(method)
        return self._meddle(super().make_request, method, params)


def meddled(chain: Chain, meddle: Callable[[Ask, str, Any], Answer]) -> Web3:
    return Web3(Meddling(chain.url, meddle))


def altered(method: str, change: Callable[[Any], Any], *, times: int = 10**9) -> Callable[[Ask, str, Any], Answer]:
    """Changes the result of one method, as often as said."""
    left = [times]

    def meddle(ask: Ask, asked: str, params: Any) -> Answer:
        answer = ask(asked, params)
        if asked == method and "result" in answer and left[0]:
            left[0] -= 1
            answer = {**answer, "result": change(answer["result"])}
        return answer

    return meddle


def refused(method: str, message: str, *, times: int = 10**9, code: int = -32000) -> Callable[[Ask, str, Any], Answer]:
    """Answers one method with an error, as often as said, and never asks the chain for it."""
    left = [times]

    def meddle(ask: Ask, asked: str, params: Any) -> Answer:
        if asked == method and left[0]:
            left[0] -= 1
            return {"jsonrpc": "2.0", "id": 1, "error": {"code": code, "message": message}}
        return ask(asked, params)

    return meddle
