"""The client's side of a wallet in a browser."""

import asyncio
import threading
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct

from scripts._desk import Desk
from scripts._pages import Unfit
from scripts._wallets import BrowserWallet, Signing
from theriac.errors import WalletElsewhere, WalletRefused, WalletSilent

KEY = Account.from_key(b"\x07" * 32)
MESSAGE = encode_defunct(text="Theriac introduction\n{}")
SIGNED = bytes(KEY.sign_message(MESSAGE).signature)


def wallet(*, patience: float = 20.0) -> tuple[BrowserWallet, Signing, Desk]:
    desk = Desk({})
    signing = Signing(desk, patience=patience)
    return BrowserWallet({0: KEY.address}, single=True, signing=signing), signing, desk


def answered(signing: Signing, desk: Desk, *answers: dict[str, Any]) -> threading.Thread:
    """Answers as a page does, each as soon as the question is there."""

    async def answer() -> None:
        for given in answers:
            while (question := desk.state.get("question")) is None:
                await asyncio.sleep(0.01)
            await signing.answer({"number": question["number"], **given})

    thread = threading.Thread(target=asyncio.run, args=(answer(),))
    thread.start()
    return thread


# property W8
@pytest.mark.parametrize("v", [0, 27])
def test_sign__after_a_wrong_one__takes_the_one_that_fits(v: int) -> None:
    # given: another key's, something that is no signature, then the right one, in either way to count v
    browser, signing, desk = wallet()
    other = Account.from_key(b"\x08" * 32).sign_message(MESSAGE).signature.hex()
    right = SIGNED[:64] + bytes([SIGNED[64] - 27 + v])
    thread = answered(signing, desk, {"signature": other}, {"signature": "0x00"}, {"signature": f"0x{right.hex()}"})

    # when
    signature = browser.signer(5).sign_message(MESSAGE)
    thread.join()

    # then
    assert signature == SIGNED
    assert desk.state["question"] is None


def test_sign__refused__raises() -> None:
    # given
    browser, signing, desk = wallet()
    thread = answered(signing, desk, {"refused": True})

    # then
    with pytest.raises(WalletRefused, match=KEY.address):
        browser.signer(0).sign_message(MESSAGE)
    thread.join()


def test_sign__nobody_answers__ends_before_the_message_does() -> None:
    # given
    browser, _, desk = wallet(patience=0.05)

    # then
    with pytest.raises(WalletSilent):
        browser.signer(0).sign_message(MESSAGE)
    assert desk.state["question"] is None


def test_answer__to_an_earlier_question__is_refused() -> None:
    # given
    _, signing, _ = wallet()

    # then
    with pytest.raises(Unfit) as refused:
        asyncio.run(signing.answer({"number": 1, "signature": "0x00"}))
    assert refused.value.code == "not-asked"


def test_sign__by_a_contract_that_accepts__is_taken() -> None:
    # given: a wallet that is a contract, whose signature is no key's
    class Accepting:
        def accepts(self, account: str, message: object, signature: bytes) -> bool:
            return signature == b"\x01\x02\x03"

    desk = Desk({})
    signing = Signing(desk)
    browser = BrowserWallet({0: KEY.address}, single=True, signing=signing, chain=Accepting())  # type: ignore[arg-type]
    thread = answered(signing, desk, {"signature": "0x0102"}, {"signature": "0x010203"})

    # then
    assert browser.signer(0).sign_message(MESSAGE) == b"\x01\x02\x03"
    thread.join()


def test_sign__without_a_page__says_where() -> None:
    # given
    browser = BrowserWallet({0: KEY.address}, single=True)

    # then
    with pytest.raises(WalletElsewhere, match="patient page"):
        browser.signer(0).sign_message(MESSAGE)
    with pytest.raises(WalletElsewhere):
        browser.signer(0).sign_transaction({})
