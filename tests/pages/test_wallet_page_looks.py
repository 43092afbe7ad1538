"""Whether everybody can use the page: by keyboard, on a phone, in the dark, in Chinese."""

from typing import Any

import pytest
from chromium import Browser, Page
from pages_town import EVE, KEYS, Served, Town, granted, until_signature

# Every text that can be seen, with its contrast against what is behind it (WCAG 2.2, 1.4.3).
CONTRASTS = """() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    const [x, y, z] = [r, g, b].map((each) => linear(each / 255));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = parse(getComputedStyle(each).backgroundColor);
      if (colour.length < 4 || colour[3] === 1) return colour;
      if (colour[3] !== 0) throw new Error("a half transparent background");
    }
    return [255, 255, 255];
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    const text = texts.currentNode.textContent.trim();
    if (!text || !element.checkVisibility() || ["SCRIPT", "NOSCRIPT"].includes(element.tagName)) continue;
    const [a, b] = [light(parse(getComputedStyle(element).color)), light(behind(element))].sort((x, y) => y - x);
    found.push([text.slice(0, 60), (a + 0.05) / (b + 0.05)]);
  }
  return found;
}"""

WIDE = "() => [document.documentElement.scrollWidth, innerWidth]"
UNNAMED = """() => [...document.querySelectorAll("button, input, select, textarea, a, summary")]
  .filter((each) => each.checkVisibility())
  .filter((each) => !(each.labels?.[0]?.textContent || each.textContent || each.ariaLabel).trim())
  .map((each) => each.outerHTML)"""


def states(page: Page) -> Any:
    """The page in each of its shapes, one after another."""
    page.css("#board").seen()
    yield "board"
    page.css("#give").click()
    yield "form"
    page.css("#form .actions button >> nth=1").click()
    page.css("#meet").click()
    yield "introduce"
    page.css("#form .actions button >> nth=1").click()
    page.css("#give").click()
    page.css("#form [name=reader]").fill("member:1")
    page.css('#form input[value="laboratory/N"]').check()
    page.css("#form [type=submit]").click()
    until_signature(page)
    page.css("#sign summary").click()
    yield "sign"
    page.css('#sign [data-key="sign"]').click()
    page.css("#sign .fault").seen()
    yield "fault"
    page.css('#sign [data-key="no"]').click()
    page.css("#job-close").seen()
    yield "failed"
    page.css("#job-close").click()


# property W7
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_looks__on_a_phone__fit_and_can_be_read(eve: Served, browser: Browser, scheme: str, language: str) -> None:
    # given: the narrowest phone, and a wallet that refuses, so that faults are seen too
    phone = {"viewport": {"width": 360, "height": 740}, "colorScheme": scheme, "hasTouch": True}
    locale = {"en": "en-GB", "zh": "zh-CN"}[language]
    page = eve.open(browser, wallets=[{"keys": KEYS, "refuse": True}], options={**phone, "locale": locale})

    for state in states(page):
        # then: all text has a contrast of 4.5, nothing is wider than the phone, everything to press has a name
        contrasts = page.evaluate(CONTRASTS)
        assert len(contrasts) > 5
        assert [each for each in contrasts if each[1] < 4.5] == [], (state, scheme)
        assert page.evaluate(WIDE) == [360, 360], state
        assert page.evaluate(UNNAMED) == [], state
        assert page.evaluate("() => document.documentElement.lang") == {"en": "en", "zh": "zh-Hans"}[language]
    # then: no word was left in the other language
    if language == "zh":
        assert page.css("h1").css("nth=0").read() == "您的记录，由您决定"
    page.close()


def test_language__switched__changes_every_word_and_is_remembered(eve: Served, browser: Browser) -> None:
    # given
    page = eve.open(browser, wallets=[{"keys": KEYS}])
    page.css("#board").seen()
    assert page.css("h1 >> nth=0").read() == "Your records, your decision"

    # when
    page.button("中文").click()

    # then
    assert page.css("h1 >> nth=0").read() == "您的记录，由您决定"
    assert page.css("#records-title").read() == "您的记录"
    page.chain(["reload"])
    page.css("#board").seen()
    assert page.evaluate("() => [document.documentElement.lang, document.title]") == ["zh-Hans", "您的记录，由您决定"]
    page.close()


def test_chinese__without_a_font_on_the_machine__is_served_one(eve: Served, browser: Browser) -> None:
    # given
    page = eve.open(browser, options={"locale": "zh-CN"})
    page.css("#board").seen()

    # then: only the pieces of the font that the words need were fetched
    loaded = page.evaluate(
        """async () => {
          await document.fonts.ready;
          const used = [...document.fonts].filter((each) => each.status === "loaded");
          const all = performance.getEntriesByType("resource");
          const fetched = all.filter((each) => each.name.includes("/fonts/files/"));
          return [document.fonts.check('16px "Noto Sans SC"', "您的记录"), used.length, fetched.length];
        }"""
    )
    assert loaded[0] is True
    assert 0 < loaded[1] <= 80
    page.close()


def tab_to(page: Page, selector: str) -> None:
    """Presses Tab until an element has the focus."""
    for _ in range(90):
        if page.evaluate("(it) => document.activeElement.matches(it)", selector):
            return
        page.press("Tab")
    raise AssertionError(f"Tab does not reach {selector}.")


# property W7
def test_keyboard__alone__grants_and_signs(page: Page, town: Town) -> None:
    # given
    page.chain(["reload"])
    page.css("#board").seen()

    # when
    page.press("Tab")
    assert page.evaluate("() => document.activeElement.className") == "skip"
    tab_to(page, "#give")
    page.press("Enter")
    tab_to(page, "[name=reader]")
    for letter in "member:1":
        page.press(letter)
    tab_to(page, "[name=purpose]")
    page.press("P")
    page.press("Tab")
    tab_to(page, 'input[value="vitals/N"]')
    page.press("Space")
    tab_to(page, "#form [type=submit]")
    page.press("Enter")
    until_signature(page)
    assert page.evaluate("() => document.activeElement.id") == "sign-title"
    tab_to(page, '[data-key="sign"]')
    page.press("Enter")
    page.css("#job-close").seen()

    # then
    assert page.css("#live").read() == "Granted: it is on the chain."
    assert page.css("#live").attribute("aria-live") == "polite"
    assert any(granted(town, EVE, code)["scope"] & 1 << 8 for code in ("HPAYMT", "PUBHLTH", "PATRQT", "PWATRNY"))


def test_give__wrong_reader__says_so_in_a_sentence(eve: Served, browser: Browser) -> None:
    # given
    page = eve.open(browser, wallets=[{"keys": KEYS}], options={"locale": "zh-CN"})

    # when
    page.css("#give").click()
    page.css("#form [name=reader]").fill("member:99")
    page.css('#form input[value="vitals/N"]').check()
    page.css("#form [type=submit]").click()

    # then
    page.css("#job-close").seen()
    assert page.css("#job-text").read() == "未完成：该读取者没有发布用于加密的密钥。它需要先完成设置。"
    page.css("#job-close").click()
    page.close()
