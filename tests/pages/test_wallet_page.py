"""The patient's page in a real Chromium."""

from chromium import Browser
from pages_town import KEYS, Served, give, grant_card, sign_all


def test_grant__signed_by_the_wallet__is_on_the_chain(eve: Served, browser: Browser) -> None:
    # given
    page = eve.open(browser, wallets=[{"keys": KEYS}])

    # when
    give(page, purpose="PATRQT")
    asked, done = sign_all(page)

    # then
    assert done == "Granted: it is on the chain."
    assert asked == [
        "You let member 1 read laboratory results for a patient's request, "
        "from 2030-01-07 09:00 UTC until 2030-02-01 00:00 UTC."
    ]
    assert "may read now" in grant_card(page, "PATRQT").read()
    assert [each for each in page.said() if not each.startswith("log")] == []
