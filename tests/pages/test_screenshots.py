"""The pictures of the page in the documentation, made anew by `make screenshots`."""

import os
from pathlib import Path

from chromium import Browser
from pages_town import KEYS, Served, Town, give, look, sign_all, until_signature

LARGEST = 150_000


def test_pictures__for_the_documentation__are_small(eve: Served, town: Town, browser: Browser, tmp_path: Path) -> None:
    # given: a patient who shares, and is asked
    folder = Path(os.environ.get("THERIAC_SCREENSHOTS") or tmp_path)
    desk = eve.open(browser, wallets=[{"keys": KEYS, "name": "Ann's wallet"}])
    give(desk, purpose="TREAT", classes=("laboratory/N", "immunizations/N", "medications/N"), until="2030-04-01")
    sign_all(desk)
    words = ("--class", "laboratory/N", "--class", "imaging/N", "--purpose", "COC", "--days", "90")
    town.done("clinic", "ask", "eve", *words, "--reason", "Your appointment with the cardiologist in March")
    look(desk)

    # when
    desk.evaluate("() => document.fonts.ready.then(() => null)")
    desk.picture(folder / "wallet-page.png")
    give(desk, purpose="CAREMGT", classes=("laboratory/N", "mental-health/R"), until="2030-02-01")
    until_signature(desk)
    desk.css("#sign summary").click()
    desk.picture(folder / "wallet-page-signature.png", part="#sign")
    desk.css('#sign [data-key="no"]').click()
    desk.css("#job-close").seen()
    desk.close()
    phone = eve.open(browser, options={"viewport": {"width": 390, "height": 844}, "locale": "zh-CN"})
    phone.css("#board").seen()
    phone.evaluate("() => document.fonts.ready.then(() => new Promise((done) => setTimeout(done, 300)))")
    phone.picture(folder / "wallet-page-phone.png")
    phone.close()

    # then
    sizes = {path.name: path.stat().st_size for path in folder.glob("wallet-page*.png")}
    assert len(sizes) == 3
    assert {name for name, size in sizes.items() if not 5_000 < size < LARGEST} == set()
