"""The patient's page in a real Chromium."""

from collections.abc import Iterator

import pytest
from chromium import Browser
from pages_town import Served, Town, served


@pytest.fixture(scope="module")
def ann(town: Town) -> Iterator[Served]:
    """The page of a patient whose words are kept here, so that no wallet is asked for."""
    with served(town, "--as", "ann") as page:
        yield page


def test_page__words_kept_here__shows_the_board(ann: Served, browser: Browser) -> None:
    # when
    page = ann.open(browser)

    # then
    page.css("#records li").css("nth=0").seen()
    assert page.css("#grants").read() == "Nobody may read your records."
    assert [each for each in page.said() if not each.startswith("log")] == []
