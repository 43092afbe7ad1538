"""The text of a patient's card, as a scanner or a person gives it."""

import pytest

from theriac.errors import BadCard
from theriac.health.emergencies import Card

PSEUDONYM = "0x52908400098527886E0F7030069857D2E4169EE7"
CARD = Card(8437422, PSEUDONYM)


def test_parse__what_a_card_says__is_the_card() -> None:
    for text in (CARD.encode(), CARD.encode().lower(), f" {CARD.encode()}\n", PSEUDONYM):
        assert Card.parse(text, chain_id=8437422) == CARD


@pytest.mark.parametrize(
    "number", ["9" * 5000, "9" * 21, "\u0668\u0664\u0663\u0667\u0664\u0662\u0662", "08437422", "+8437422", "", "0", "1"]
)
def test_parse__another_number_of_a_network__is_refused(number: str) -> None:
    # given a card whose sum fits, as far as there can be one
    text = CARD.encode().replace("8437422", number, 1)

    # when, then: Python turns no text of five thousand digits into a number, and reads the digits of every script
    with pytest.raises(BadCard):
        Card.parse(text, chain_id=8437422)
