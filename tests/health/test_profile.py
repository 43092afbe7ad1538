"""What a member published of itself: anyone can publish anything, and whoever reads it is told that it is none."""

from collections.abc import Callable
from typing import Any

import pytest

from theriac.crypto.recipients import HybridIdentity
from theriac.errors import BadDocument
from theriac.health import documents
from theriac.health.bundle import Profile, profile

ACCOUNT = "0x" + "11" * 20
RECIPIENT = HybridIdentity.generate().recipient


def test_decode__as_it_was_made() -> None:
    data = profile(ACCOUNT, name="Corner Shop", recipient=RECIPIENT, endpoints={"verify": "https://example.org"})

    assert Profile.decode(data, account=ACCOUNT) == Profile(
        ACCOUNT, "Corner Shop", str(RECIPIENT), {"verify": "https://example.org"}
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda values: values.pop("name"),
        lambda values: values.update(name=7),
        lambda values: values.pop("recipient"),
        lambda values: values.update(recipient="age1nobody"),
        lambda values: values.update(recipient=["age1nobody"]),
        lambda values: values.pop("endpoints"),
        lambda values: values.update(endpoints="https://example.org"),
        lambda values: values.update(endpoints=5),
        lambda values: values.update(endpoints={"verify": {"url": "https://example.org"}}),
    ],
    ids=[
        *("no-name", "name-a-number", "no-recipient", "recipient-none", "recipient-a-list"),
        *("no-endpoints", "endpoints-a-text", "endpoints-a-number", "endpoint-an-object"),
    ],
)
def test_decode__what_is_no_profile__is_refused(change: Callable[[dict[str, Any]], object]) -> None:
    values: dict[str, Any] = {"account": ACCOUNT, "name": "n", "recipient": str(RECIPIENT), "endpoints": {}}
    change(values)

    with pytest.raises(BadDocument):
        Profile.decode(documents.encode("profile", values), account=ACCOUNT)
