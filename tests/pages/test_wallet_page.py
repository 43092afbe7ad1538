"""The patient's page in a real Chromium, with wallets that do as they are told and wallets that do not."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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


def test_grant__signed_by_the_wallet__is_on_the_chain(page: Page, town: Town) -> None:
    # when
    give(page, purpose="PATRQT")
    asked, done = sign_all(page)

    # then
    assert (asked, done) == ([SAYS_GRANT.format(purpose="a patient's request")], "Granted: it is on the chain.")
    assert "may read now" in grant_card(page, "PATRQT").read()
    assert granted(town, EVE, "PATRQT")["scope"] == LABORATORY
    assert faults(page) == []


def test_records__of_a_clinic__are_listed_by_date_class_and_author(page: Page) -> None:
    # when
    look(page)

    # then
    shown = [" | ".join(each.split("\n")) for each in page.evaluate(RECORDS)]
    assert sorted(shown) == [
        "2029-10-02 | Immunization | Immunizations · North Clinic (member 1)",
        "2029-11-12 | Observation: Cholesterol | Laboratory · North Clinic (member 1)",
        "2029-11-12 | Observation: Haemoglobin A1c | Laboratory · North Clinic (member 1)",
    ]


RECORDS = "() => [...document.querySelectorAll('#records li')].map((each) => each.innerText)"


def test_answer__narrower_than_asked__grants_that_and_tells_who_asked(page: Page, town: Town) -> None:
    # given
    words = ("--class", "laboratory/N", "--class", "imaging/N", "--purpose", "CAREMGT", "--days", "60")
    letter = ask(town, "eve", *words, "--reason", "A check-up in March")
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


def sender(town: Town) -> str:
    """The account of the North Clinic."""
    [member] = town.done("board", "list", "--json").json
    return str(member["account"])


def test_refuse__with_a_reason__tells_who_asked_and_grants_nothing(page: Page, town: Town) -> None:
    # given
    letter = ask(town, "eve", "--class", "imaging/N", "--purpose", "COC", "--reason", "A second look")
    look(page)

    # when
    page.css("#requests li.card").with_text("A second look").button("Say no…").click()
    page.css("#form textarea").fill("Ask my doctor first")
    page.button("Send the answer").click()
    _, done = sign_all(page)

    # then
    assert done == "The answer is sent."
    [answer] = [each for each in town.done("clinic", "answers", "--json").json if each["letter"].startswith(letter)]
    assert (answer["granted"], answer["reason"]) == (False, "Ask my doctor first")
    assert granted(town, EVE, "COC")["scope"] == 0


def test_narrow__classes_and_end__leaves_the_rest(page: Page, town: Town) -> None:
    # given
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


# property W9
def test_revoke__not_signed__is_not_called_revoked_until_it_is(page: Page, town: Town) -> None:
    # given
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


# property W9
def test_looked__a_clinic_opens_a_record__the_page_says_who_what_and_why(page: Page, town: Town) -> None:
    # given
    look(page)
    give(page, purpose="CAREMGT", classes=("laboratory/N", "immunizations/N"))
    sign_all(page)
    [vaccine] = [
        each["digest"]
        for each in town.done("clinic", "list", "eve", "--purpose", "CAREMGT", "--json").json
        if each["class"] == "immunizations/N"
    ]

    # when
    town.done("clinic", "open", "eve", vaccine, "-o", town.path("vaccine.json"), "--purpose", "CAREMGT")
    look(page)
    said = page.css("#looked").read()

    # then
    assert "North Clinic" in said
    assert "Immunizations, for care management" in said
    assert "open" in said
    assert faults(page) == []


def test_grant__pressed_twice__is_granted_once(page: Page, town: Town) -> None:
    # given
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


def test_command__in_the_way_or_without_keys__says_so(eve: Served, town: Town) -> None:
    # given
    assert eve.origin.startswith("http://127.0.0.1:")

    # then: one command at a time works with a vault, and a page needs one
    said = town.run("patient", "shared", "--as", "eve")
    assert (said.code, said.sentences) == (
        4,
        ["Another command is at work for eve; wait until it is done and try again."],
    )
    said = town.run("patient", "page", "--as", "nobody")
    assert (said.code, said.sentences) == (
        2,
        ["Nobody called nobody is set up on the network dev; begin with 'setup' or 'init'."],
    )
    said = town.run(
        "patient", "page", "--as", "ida", "--wallet", "many", "--payer", "TEST::5", THERIAC_MNEMONIC="no words"
    )
    assert (said.code, len(said.sentences)) == (2, 1)
    assert "no words" not in said.err


# -- wallets that do not do it -----------------------------------------------------------------------------------------


def test_sign__wallet_refuses__nothing_is_sent_and_it_can_be_tried_again(page: Page, town: Town) -> None:
    # given
    page.change(refuse=True)
    before = granted(town, EVE, "HPAYMT")
    give(page, purpose="HPAYMT")
    until_signature(page)

    # when
    page.button("Sign in my wallet").click()

    # then
    page.css("#sign .fault").with_text("You refused in your wallet. Nothing was signed.").seen()
    assert granted(town, EVE, "HPAYMT") == before

    # when: she changes her mind
    page.change(refuse=False)
    _, done = sign_all(page)

    # then
    assert done == "Granted: it is on the chain."


# property W9
def test_sign__declined__leaves_no_trace_of_a_grant_and_the_truth_of_a_replaced_one(page: Page, town: Town) -> None:
    # given: a purpose under which nothing was granted
    give(page, purpose="COC", classes=("genomics/R",))
    until_signature(page)

    # when
    said = decline(page)

    # then
    assert said.startswith("Not done: It was not signed.")
    assert grant_card(page, "COC").count() == 0
    assert granted(town, EVE, "COC")["scope"] == 0

    # given
    give(page, purpose="COC")
    sign_all(page)

    # when: it is replaced by less, whose keys are locked before, and the grant is not signed
    give(page, purpose="COC", classes=("imaging/N",))
    until_signature(page)
    decline(page)

    # then: the page says what is true of keys and chain, and nothing is called revoked
    assert "no keys any more, not ended on the chain" in grant_card(page, "COC").read()
    assert granted(town, EVE, "COC")["scope"] == LABORATORY

    # when
    grant_card(page, "COC").button("Finish revoking").click()
    page.button("Revoke").click()
    sign_all(page)

    # then
    assert grant_card(page, "COC").count() == 0
    assert granted(town, EVE, "COC")["scope"] == 0


# property W9
def test_narrow__declined__is_not_called_narrow_until_it_is(page: Page, town: Town) -> None:
    # given
    give(page, purpose="COC", classes=("laboratory/N", "imaging/N"))
    sign_all(page)

    # when
    for _ in range(2):
        grant_card(page, "COC").button("Narrow…").click()
        if page.css('#form input[value="imaging/N"]').count():
            page.css('#form input[value="imaging/N"]').check(False)
        page.button("Narrow").click()
        until_signature(page)
        decline(page)

        # then
        assert "being narrowed, not finished" in grant_card(page, "COC").read()

    # when: it is asked for again, and signed
    grant_card(page, "COC").button("Narrow…").click()
    page.button("Narrow").click()
    sign_all(page)

    # then
    assert "may read now" in grant_card(page, "COC").read()
    assert granted(town, EVE, "COC")["scope"] == LABORATORY
    grant_card(page, "COC").button("Revoke…").click()
    page.button("Revoke").click()
    sign_all(page)


def test_sign__on_another_chain__is_asked_to_switch_or_told_which(page: Page) -> None:
    # given: a wallet that does not know the chain
    page.change(chain=1, stubborn=True)
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


def test_sign__account_changed_midway__names_the_account_and_takes_no_other(page: Page) -> None:
    # given
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


# property W8
def test_sign__by_another_key__is_refused_by_name(page: Page, town: Town) -> None:
    # given: a wallet that says it signs with one account, and signs with another
    page.change(wrong=1)
    before = granted(town, EVE, "CLMATTCH")
    give(page, purpose="CLMATTCH")
    until_signature(page)

    # when
    page.button("Sign in my wallet").click()

    # then
    page.css("#sign .fault").with_text(f"This was signed by {OTHER}, not by {EVE}. Nothing was sent.").seen()
    assert granted(town, EVE, "CLMATTCH") == before

    # when: what it gives is no signature of anybody
    page.change(wrong=None, garbage="0x1234")
    page.button("Sign in my wallet").click()

    # then
    page.css("#sign .fault").with_text("The signature does not fit what is shown. Nothing was sent.").seen()
    page.change(garbage=None)
    _, done = sign_all(page)
    assert done == "Granted: it is on the chain."


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
    assert "may read now" in grant_card(two, "TREAT").read()
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

        # when: the process ends while a signature is asked for, and somebody else takes its port
        grant_card(page, "TREAT").button("Revoke…").click()
        page.button("Revoke").click()
        until_signature(page)
    with a_liar(int(may.origin.split(":")[2])) as asked_of_it:
        # then: the page asks nothing more, shows nothing and has nothing signed
        page.css("#notice").with_text("The program that serves this page does not answer.").seen()
        page.css("#board").gone()
        page.css("#sign").gone()
        page.evaluate("() => new Promise((done) => setTimeout(done, 1500))")
        assert asked_of_it == []

    # then: other commands read the vault, say what waits, and where the wallet is
    said = town.done("patient", "shared", "--as", "may")
    assert said.sentences == ["A revoke waits for a signature of your browser's wallet; run 'patient page'."]
    said = town.run("patient", "grant", "member:1", "--class", "imaging/N", "--as", "may", "--yes")
    assert (said.code, said.sentences[1:]) == (
        3,
        [f"The account {signed[-1]} is in a browser's wallet; run 'patient page' and do it there."],
    )
    said = town.run("patient", "page", "--as", "may", "--wallet", "one")
    assert (said.code, said.sentences) == (2, ["may has keys here already; leave --wallet out."])

    # when: the page is opened again
    with served(town, "--as", "may") as may:
        page = may.open(browser, wallets=[{"mnemonic": MNEMONIC, "seen": [0, 1, 2]}])
        asked, _ = sign_all(page)

        # then: it goes on where it was left, and only then calls it revoked
        assert asked == ["You end everything that member 1 may read for treatment."]
        assert page.css("#grants").read() == "Nobody may read your records."
        assert granted(town, signed[-1], "TREAT")["scope"] == 0


@contextmanager
def a_liar(port: int) -> Iterator[list[str]]:
    """Somebody who listens where the page's process did; what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            self.send_error(500)

        def log_message(self, *_: object) -> None:
            return

    ThreadingHTTPServer.allow_reuse_address = True
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield asked
    finally:
        server.shutdown()
        server.server_close()


def test_words_kept_here__grant_and_revoke_all__ask_no_wallet(town: Town, browser: Browser) -> None:
    # given
    town.done("patient", "init", "--as", "ann", "--payer", "TEST::9")
    with served(town, "--as", "ann") as ann:
        page = ann.open(browser, wallets=[{"keys": KEYS}])

        # when
        give(page, purpose="TREAT")
        asked, done = sign_all(page)

        # then
        assert (asked, done) == ([], "Granted: it is on the chain.")
        assert page.asked() == []
        assert page.css("#wallet").count() == 1
        page.css("#wallet").gone()

        # when
        page.button("Revoke everything").click()
        page.css("#form").button("Revoke everything").click()
        asked, done = sign_all(page)

        # then
        assert (asked, done) == ([], "Everything is revoked, and every key is new.")
        assert page.css("#grants").read() == "Nobody may read your records."
