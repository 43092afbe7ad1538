"""The patient's page in a real Chromium, with wallets that do as they are told and wallets that do not."""

from pathlib import Path

from chromium import Browser, Page
from pages_town import (
    EVE,
    KEYS,
    MNEMONIC,
    OTHER,
    Served,
    Town,
    begin,
    give,
    grant_card,
    granted,
    look,
    served,
    sign_all,
    until_signature,
    write_records,
)

from theriac.health.scope import KeyClass, mask_of

LABORATORY = mask_of([KeyClass.parse("laboratory/N")])
SAYS_GRANT = (
    "You let member 1 read laboratory results for {purpose}, from 2030-01-07 09:00 UTC until 2030-02-01 00:00 UTC."
)


def faults(page: Page) -> list[str]:
    """What the page's scripts and its policy complained about."""
    return [each for each in page.said() if not each.startswith("log")]


def decline(page: Page) -> str:
    """Says no to the signature that is asked for; what the page says then."""
    page.button("Do not sign").click()
    page.css("#job-close").seen()
    said = page.css("#job-text").read()
    page.css("#job-close").click()
    return said


def ask(town: Town, who: str, *words: str) -> str:
    """The North Clinic asks a patient for access; the letter."""
    said = town.done("clinic", "ask", who, *words).out
    return said.split("the letter is ")[1].split(".")[0]


# -- what a patient does -----------------------------------------------------------------------------------------------


def test_grant__signed_by_the_wallet__is_on_the_chain(eve: Served, town: Town, browser: Browser) -> None:
    # given
    page = eve.open(browser, wallets=[{"keys": KEYS}])

    # when
    give(page, purpose="PATRQT")
    asked, done = sign_all(page)

    # then
    assert (asked, done) == ([SAYS_GRANT.format(purpose="a patient's request")], "Granted: it is on the chain.")
    assert "may read now" in grant_card(page, "PATRQT").read()
    assert granted(town, EVE, "PATRQT")["scope"] == LABORATORY
    assert faults(page) == []
    page.close()


def test_answer__narrower_than_asked__grants_that_and_tells_who_asked(
    eve: Served, town: Town, browser: Browser
) -> None:
    # given
    words = ("--class", "laboratory/N", "--class", "imaging/N", "--purpose", "CAREMGT", "--days", "60")
    letter = ask(town, "eve", *words, "--reason", "A check-up in March")
    page = eve.open(browser, wallets=[{"keys": KEYS}])
    look(page)
    card = page.css("#requests li.card").with_text("care management")
    assert "A check-up in March" in card.read()

    # when
    card.button("Look and answer yes…").click()
    page.css('#form input[value="imaging/N"]').check(False)
    page.css("#form input[type=date]").fill("2030-01-20")
    page.button("Grant and answer").click()
    asked, done = sign_all(page)

    # then
    assert done == "Granted, and the answer is sent."
    assert [each.split(",")[0] for each in asked] == [
        "You let member 1 read laboratory results for care management",
        f"You send a sealed letter from the account {EVE} to the account {sender(town)}.",
    ]
    assert page.css("#requests li.card").with_text("care management").count() == 0
    found = granted(town, EVE, "CAREMGT")
    assert (found["scope"], found["expiry"]) == (LABORATORY, 1895097600)
    [answer] = [each for each in town.done("clinic", "answers", "--json").json if each["letter"].startswith(letter)]
    assert answer["granted"] is True
    page.close()


def sender(town: Town) -> str:
    """The account of the North Clinic."""
    [member] = town.done("board", "list", "--json").json
    return str(member["account"])


def test_refuse__with_a_reason__tells_who_asked_and_grants_nothing(eve: Served, town: Town, browser: Browser) -> None:
    # given
    letter = ask(town, "eve", "--class", "imaging/N", "--purpose", "COC", "--reason", "-")
    page = eve.open(browser, wallets=[{"keys": KEYS}])
    look(page)

    # when
    page.css("#requests li.card").with_text("coordination of care").button("Say no…").click()
    page.css("#form textarea").fill("Ask my doctor first")
    page.button("Send the answer").click()
    _, done = sign_all(page)

    # then
    assert done == "The answer is sent."
    [answer] = [each for each in town.done("clinic", "answers", "--json").json if each["letter"].startswith(letter)]
    assert (answer["granted"], answer["reason"]) == (False, "Ask my doctor first")
    assert granted(town, EVE, "COC")["scope"] == 0
    page.close()


def test_narrow__classes_and_end__leaves_the_rest(eve: Served, town: Town, browser: Browser) -> None:
    # given
    page = eve.open(browser, wallets=[{"keys": KEYS}])
    give(page, purpose="COVERAGE", classes=("laboratory/N", "imaging/N"))
    sign_all(page)

    # when
    grant_card(page, "COVERAGE").button("Narrow…").click()
    page.css('#form input[value="imaging/N"]').check(False)
    page.css("#form input[type=date]").fill("2030-01-20")
    page.button("Narrow").click()
    asked, done = sign_all(page)

    # then
    assert done == "Narrowed: it is on the chain."
    assert asked == [
        "You leave member 1 only laboratory results for coverage under policy, until 2030-01-20 00:00 UTC; "
        "everything else that was granted for it ends."
    ]
    found = granted(town, EVE, "COVERAGE")
    assert (found["scope"], found["expiry"]) == (LABORATORY, 1895097600)
    page.close()


def test_revoke__not_signed__is_not_called_revoked_until_it_is(eve: Served, town: Town, browser: Browser) -> None:
    # given
    page = eve.open(browser, wallets=[{"keys": KEYS}])
    give(page, purpose="FAMRQT")
    sign_all(page)

    # when: the patient begins to revoke, and does not sign
    grant_card(page, "FAMRQT").button("Revoke…").click()
    page.button("Revoke").click()
    assert until_signature(page) == "You end everything that member 1 may read for a family's request."
    said = decline(page)

    # then: the keys are new, and the page does not call it done
    assert said.startswith("Not done: It was not signed.")
    assert "being revoked, not finished" in grant_card(page, "FAMRQT").read()
    assert granted(town, EVE, "FAMRQT")["scope"] == LABORATORY

    # when
    grant_card(page, "FAMRQT").button("Finish revoking").click()
    page.button("Revoke").click()
    _, done = sign_all(page)

    # then
    assert done == "Revoked: new keys and the end of the grant are on the chain."
    assert grant_card(page, "FAMRQT").count() == 0
    assert granted(town, EVE, "FAMRQT")["scope"] == 0
    page.close()


def test_grant__pressed_twice__is_granted_once(eve: Served, town: Town, browser: Browser) -> None:
    # given
    page = eve.open(browser, wallets=[{"keys": KEYS}])
    before = granted(town, EVE, "PWATRNY")["nonce"]

    # when: the form is sent twice in one turn, and another act is sent meanwhile
    twice = """async () => {
      const { act } = await import("/session.js");
      const values = { reader: "member:1", purpose: "PWATRNY", classes: ["laboratory/N"], until: "2030-02-01" };
      const sent = await Promise.allSettled([act("grant", values, "one-name"), act("grant", values, "one-name"),
        act("grant", values, "another-name")]);
      return sent.map((each) => each.reason?.code ?? "taken");
    }"""
    outcomes = page.evaluate(twice)
    asked, _ = sign_all(page)

    # then
    assert outcomes == ["taken", "taken", "busy"]
    assert len(asked) == 1
    assert granted(town, EVE, "PWATRNY")["nonce"] == before + 1
    page.close()


# -- wallets that do not do it -----------------------------------------------------------------------------------------


def test_sign__wallet_refuses__nothing_is_sent_and_it_can_be_tried_again(
    eve: Served, town: Town, browser: Browser
) -> None:
    # given
    page = eve.open(browser, wallets=[{"keys": KEYS, "refuse": True}])
    give(page, purpose="HPAYMT")
    until_signature(page)

    # when
    page.button("Sign in my wallet").click()

    # then
    page.css("#sign .fault").with_text("You refused in your wallet. Nothing was signed.").seen()
    assert granted(town, EVE, "HPAYMT")["nonce"] == 0

    # when: she changes her mind
    page.change(refuse=False)
    _, done = sign_all(page)

    # then
    assert done == "Granted: it is on the chain."
    page.close()


def test_sign__on_another_chain__is_asked_to_switch_or_told_which(eve: Served, town: Town, browser: Browser) -> None:
    # given: a wallet that does not know the chain
    page = eve.open(browser, wallets=[{"keys": KEYS, "chain": 1, "stubborn": True}])
    give(page, purpose="PUBHLTH")
    until_signature(page)

    # when
    page.button("Sign in my wallet").click()

    # then
    page.css("#sign .fault").with_text("Switch it to the network with the number 8437422").seen()
    assert [each["method"] for each in page.asked()].count("eth_signTypedData_v4") == 0

    # when: the wallet has learnt it
    page.change(stubborn=False)
    _, done = sign_all(page)

    # then
    assert done == "Granted: it is on the chain."
    assert {"method": "wallet_switchEthereumChain", "params": [{"chainId": "0x80beae"}]} in page.asked()
    page.close()


def test_sign__account_changed_midway__names_the_account_and_takes_no_other(
    eve: Served, town: Town, browser: Browser
) -> None:
    # given
    page = eve.open(browser, wallets=[{"keys": KEYS}])
    give(page, purpose="HQUALIMP")
    until_signature(page)

    # when: another account is chosen in the wallet while the page waits
    page.change(seen=[1], next=[0], emit=True)
    page.button("Sign in my wallet").click()

    # then
    page.css("#sign .fault").with_text(f"Choose the account {EVE} in your wallet").seen()
    assert [each["method"] for each in page.asked()].count("eth_signTypedData_v4") == 0

    # when: she chooses the right one where the wallet asks
    page.button("I have chosen it").click()
    page.css("#job-close").seen()

    # then
    assert page.css("#job-text").read() == "Granted: it is on the chain."
    page.close()


def test_sign__by_another_key__is_refused_by_name(eve: Served, town: Town, browser: Browser) -> None:
    # given: a wallet that says it signs with one account, and signs with another
    page = eve.open(browser, wallets=[{"keys": KEYS, "wrong": 1}])
    give(page, purpose="CLMATTCH")
    until_signature(page)

    # when
    page.button("Sign in my wallet").click()

    # then
    page.css("#sign .fault").with_text(f"This was signed by {OTHER}, not by {EVE}. Nothing was sent.").seen()
    assert granted(town, EVE, "CLMATTCH")["nonce"] == 0

    # when: what it gives is no signature of anybody
    page.change(wrong=None, garbage="0x1234")
    page.button("Sign in my wallet").click()

    # then
    page.css("#sign .fault").with_text("The signature does not fit what is shown. Nothing was sent.").seen()
    page.change(garbage=None)
    _, done = sign_all(page)
    assert done == "Granted: it is on the chain."
    page.close()


def test_sign__no_wallet__says_so_and_two_wallets__asks_which(eve: Served, browser: Browser) -> None:
    # given
    page = eve.open(browser)
    two = eve.open(browser, wallets=[{"keys": KEYS[1:], "name": "Amber"}, {"keys": KEYS, "name": "<b>Blue</b>"}])
    give(page, purpose="TREAT")
    until_signature(page)

    # when
    page.button("Sign in my wallet").click()

    # then
    page.css("#sign .fault").with_text("No wallet was found in this browser.").seen()
    page.close()

    # when: the same question is open in another browser, which has two
    until_signature(two)
    two.button("Sign in my wallet").click()
    two.button("<b>Blue</b>").click()
    two.css("#job-close").seen()

    # then
    assert two.css("#job-text").read() == "Granted: it is on the chain."
    assert [each["method"] for each in two.asked(0)] == []
    two.close()


def test_sign__older_wallet_at_window_ethereum__signs(eve: Served, browser: Browser) -> None:
    # given
    page = eve.open(browser, wallets=[{"keys": KEYS}], legacy=True)

    # when
    give(page, purpose="ETREAT")
    _, done = sign_all(page)

    # then
    assert done == "Granted: it is on the chain."
    page.close()


# -- an account for each counterparty, and words that are kept here ----------------------------------------------------


def test_many_accounts__each_counterparty_has_its_own__named_by_the_page(town: Town, browser: Browser) -> None:
    with served(town, "--as", "may", "--wallet", "many", "--payer", "TEST::6", THERIAC_MNEMONIC=MNEMONIC) as may:
        # given
        page = may.open(browser, wallets=[{"mnemonic": MNEMONIC, "seen": [0, 1]}])
        begin(page)

        # when: a reader's account is not among those that the wallet shows
        give(page, purpose="TREAT")
        until_signature(page)
        assert "account number 3 of your wallet" in page.css("#sign").read()
        page.button("Sign in my wallet").click()
        page.button("I have chosen it").seen()
        page.change(next=[0, 1, 2])
        number = page.css("#sign").attribute("data-number")
        page.button("I have chosen it").click()
        _, done = sign_all(page, after=number)

        # then
        assert done == "Granted: it is on the chain."
        signed = [each["params"][0] for each in page.asked() if each["method"] == "eth_signTypedData_v4"]
        assert len(set(signed[-2:])) == 1
        assert len(set(signed)) == 3
        assert granted(town, signed[-1], "TREAT")["scope"] == LABORATORY
        # then: the words were forgotten
        kept = b"".join(
            path.read_bytes() for path in Path(town.settings["THERIAC_HOME"]).rglob("may/*") if path.is_file()
        )
        assert b"sausage" not in kept


def test_words_kept_here__grant_and_revoke_all__ask_no_wallet(town: Town, browser: Browser) -> None:
    # given
    town.patient("ann", payer="TEST::9")
    write_records(town, "ann")
    with served(town, "--as", "ann") as ann:
        page = ann.open(browser, wallets=[{"keys": KEYS}])

        # when
        give(page, purpose="TREAT")
        asked, done = sign_all(page)

        # then
        assert (asked, done) == ([], "Granted: it is on the chain.")
        assert page.asked() == []
        assert page.css("#records li").count() == 3
        assert page.css("#wallet").count() == 1
        page.css("#wallet").gone()

        # when
        page.button("Revoke everything").click()
        page.css("#form").button("Revoke everything").click()
        asked, done = sign_all(page)

        # then
        assert (asked, done) == ([], "Everything is revoked, and every key is new.")
        assert page.css("#grants").read() == "Nobody may read your records."
