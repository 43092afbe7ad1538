"""What stands between a light client and its nodes in a test: a real proxy that rewrites what a node says."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from quiet_server import NoAnswer, Served, answering_json
from requests import Session

Answer = dict[str, Any]
Source = Callable[[list[Answer]], list[Answer]]
Lie = Callable[[str, list[Any], Answer], Answer]
"""What a lying node makes of the true answer to a request: method, parameters, answer."""


@dataclass(frozen=True)
class Happened:
    """What was done in a world, by name, so that it can be asked for."""

    pseudonym: str
    patient_only: str
    record: str
    doctor: str
    colleague: str
    transactions: Mapping[str, str]
    contracts: Mapping[str, str]


class Between:
    """A node as a member sees it who does not run it: a real one, behind a proxy that rewrites what it says."""

    def __init__(self, source: str | Source) -> None:
        """`source` is a node's address, or what answers requests in its place."""
        self.lies: list[Lie] = []
        self.silent = False
        self.swallows: dict[str, str] = {}
        self.late = 0.0
        self.seen: list[str] = []
        answering = source if callable(source) else asking(source)

        def answer(asked: Any) -> Any:
            if self.silent:
                raise NoAnswer
            time.sleep(self.late)
            questions = asked if isinstance(asked, list) else [asked]
            passed = [each for each in questions if each["method"] not in self.swallows]
            answers = iter(answering(passed) if passed else [])
            told = [self._told(each, next(answers)) if each in passed else self._swallowed(each) for each in questions]
            return told if isinstance(asked, list) else told[0]

        self._server = Served(answering_json(answer))
        self.uri = self._server.url

    def _swallowed(self, asked: Mapping[str, Any]) -> Answer:
        """What is said of a request that is not passed on."""
        self.seen.append(asked["method"])
        error = {"code": -32000, "message": self.swallows[asked["method"]]}
        return {"jsonrpc": "2.0", "id": asked["id"], "error": error}

    def _told(self, asked: Mapping[str, Any], answer: Answer) -> Answer:
        self.seen.append(asked["method"])
        for lie in self.lies:
            answer = lie(asked["method"], asked["params"], answer)
        return answer

    def close(self) -> None:
        self._server.stop()


def asking(uri: str) -> Source:
    upstream = Session()
    upstream.trust_env = False

    def ask(questions: list[Answer]) -> list[Answer]:
        answers = upstream.post(uri, json=questions, timeout=30).json()
        by_id = {each["id"]: each for each in answers}
        return [by_id[each["id"]] for each in questions]

    return ask


@contextmanager
def between(*sources: str | Source) -> Iterator[list[Between]]:
    """A proxy before each node."""
    proxies = [Between(source) for source in sources]
    try:
        yield proxies
    finally:
        for each in proxies:
            each.close()


def rewriting(method: str, change: Callable[[Any], Any], *, when: Callable[[list[Any]], bool] = lambda _: True) -> Lie:
    """A lie about one method: `change` makes another result of the true one."""

    def lie(asked: str, parameters: list[Any], answer: Answer) -> Answer:
        if asked != method or "result" not in answer or answer["result"] is None or not when(parameters):
            return answer
        return {**answer, "result": change(json.loads(json.dumps(answer["result"])))}

    return lie


def instead(method: str, result: Any = None, *, error: str = "") -> Lie:
    """A lie about one method: always the same answer."""

    def lie(asked: str, parameters: list[Any], answer: Answer) -> Answer:
        if asked != method:
            return answer
        common = {"jsonrpc": "2.0", "id": answer["id"]}
        return {**common, "error": {"code": -32000, "message": error}} if error else {**common, "result": result}

    return lie


# -- lies ------------------------------------------------------------------------------------------------------------


def flipped(text: str, place: int = -1) -> str:
    """Hex with one digit changed."""
    digits = list(text)
    digits[place] = "0" if digits[place] != "0" else "1"
    return "".join(digits)


def _leaf_of_storage(value: Any) -> Any:
    for each in value["storageProof"]:
        if each["proof"]:
            each["proof"][-1] = flipped(each["proof"][-1])
    return value


def _leaf_of_account(value: Any) -> Any:
    value["accountProof"][-1] = flipped(value["accountProof"][-1], 90)
    return value


def nothing_granted(value: Any) -> Any:
    """Claims that nothing stands in any slot: the way there ends at its first node."""
    for each in value["storageProof"]:
        each.update(value="0x0", proof=each["proof"][:1])
    return value


def _empty_proofs(value: Any) -> Any:
    for each in value["storageProof"]:
        each.update(value="0x0", proof=[])
    return value


def _swapped_proofs(value: Any) -> Any:
    proofs = [each["proof"] for each in value["storageProof"]]
    for each, other in zip(value["storageProof"], proofs[1:] + proofs[:1], strict=True):
        each["proof"] = other
    return value if len(proofs) > 1 else nothing_granted(value)


def _fewer_slots(value: Any) -> Any:
    value["storageProof"] = value["storageProof"][:-1]
    return value


def _as_success(value: Any) -> Any:
    for each in value:
        if each["status"] == "0x0":
            each["status"] = "0x1"
            del each["txError"]
    return value


def _without_logs(value: Any) -> Any:
    for each in value:
        each.update(logs=[], logsBloom="0x" + "00" * 256)
    return value


def _other_amount(value: Any) -> Any:
    for each in value:
        for log in each["logs"]:
            log["data"] = flipped(log["data"]) if len(log["data"]) > 2 else "0x00"
    return value


def _no_bloom(value: Any) -> Any:
    """A block that is said to have logged nothing."""
    return {**value, "logsBloom": "0x" + "00" * 256}


def _no_receipts(value: Any) -> Any:
    return {**value, "receiptsRoot": "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"}


PROOF, RECEIPTS, RAW = "eth_getProof", "kaia_getBlockReceipts", "kaia_getRawTransactionByBlockNumberAndIndex"
HEADER = "kaia_getHeaderByNumber"

LIES: dict[str, tuple[str, Lie, str]] = {
    "another value in storage": ("allowed", rewriting(PROOF, _leaf_of_storage), "proof of slot"),
    "a grant is not there": ("allowed", rewriting(PROOF, nothing_granted), "proof of slot"),
    "a grant is not there, without a proof": ("allowed", rewriting(PROOF, _empty_proofs), "proof of slot"),
    "proofs of other slots": ("allowed", rewriting(PROOF, _swapped_proofs), "proof of slot"),
    "fewer slots": ("allowed", rewriting(PROOF, _fewer_slots), "it proves"),
    "another account": ("allowed", rewriting(PROOF, _leaf_of_account), "proof of account"),
    "another nonce": ("count", rewriting(PROOF, _leaf_of_account), "proof of account"),
    "another balance": ("balance", rewriting(PROOF, _leaf_of_account), "proof of account"),
    "another word": ("storage", rewriting(PROOF, _leaf_of_storage), "proof of slot"),
    "other code that is run": ("allowed", rewriting("eth_getCode", lambda code: code[:-2] + "00"), "its code"),
    "other code": ("code", rewriting("eth_getCode", flipped), "its code"),
    "no code": ("code", instead("eth_getCode", "0x"), "its code"),
    "a failure as success": ("refused", rewriting(RECEIPTS, _as_success), "its receipts"),
    "a receipt of another block": ("refused", instead(RECEIPTS, []), "its receipts"),
    "another transaction": ("made", rewriting(RAW, lambda raw: flipped(raw, 12)), "its transactions"),
    "logs left out": ("logs", rewriting(RECEIPTS, _without_logs), "its receipts"),
    "a grant's log left out": ("granted", rewriting(RECEIPTS, _without_logs), "its receipts"),
    "other logs": ("logs", rewriting(RECEIPTS, _other_amount), "its receipts"),
    "a bloom that hides logs": ("logs", rewriting(HEADER, _no_bloom), "block"),
    "a block without receipts": ("granted", rewriting(HEADER, _no_receipts), "block"),
}
"""Lies by name: the question that they are about, the lie, and what a light client says of it."""
