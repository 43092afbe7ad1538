"""Requests and invitations: what a stranger can do with a file, and what it is refused by."""

import json
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest
import rfc8785
from eth_typing import HexStr

from theriac.consortium.invitation import SECONDS, Invitation, Request
from theriac.consortium.peers import Card
from theriac.crypto.recipients import HybridIdentity
from theriac.errors import (
    BadDeployment,
    BadInvitation,
    BadPeer,
    InvitationForAnother,
    InvitationForged,
    InvitationOver,
    NoMatchingIdentity,
)
from theriac.ledger.deployment import Deployment
from theriac.ledger.signer import KeySigner

NOW = 1_800_000_000
GENESIS = {"config": {"chainId": 8437423}, "extraData": "0x00"}
DEPLOYMENT = Deployment("consortium", 8437423, HexStr("0x" + "ab" * 32), depth=0, lasting=True)
SECRET = "5e" * 32

board, member, stranger = (KeySigner(bytes([number]) * 32) for number in (1, 2, 3))
identity, keeper, curious = (HybridIdentity.generate() for _ in range(3))


def card(name: str, number: int, *, host: str = "10.0.0.9", validates: bool = False) -> Card:
    """Nodes with keys of their own at a host."""
    peer = f"/ip4/{host}/tcp/{{}}/p2p/12D3KooW" + chr(ord("A") + number) * 43 + "{}"
    return Card(
        name,
        validates,
        f"kni://{number:02x}" + "cd" * 63 + f"@{host}:32323?discport=0&ntype=cn",
        peer.format(4001, 1),
        peer.format(4002, 2),
        peer.format(9096, 3),
    )


NORTH, CITY = card("north", 0, host="10.0.0.1", validates=True), card("city", 1, host="10.0.0.2", validates=True)
LAKESIDE = card("lakeside", 2)


def asked(**others: Any) -> Request:
    request = Request("Lakeside", member.address, "clinician", str(identity.recipient), LAKESIDE, NOW - 60)
    return replace(request, **others)


def invited(request: Request | None = None, **others: Any) -> Invitation:
    invitation = Invitation.of(
        request or asked(),
        genesis=GENESIS,
        deployment=DEPLOYMENT,
        anchor=None,
        peers=[NORTH, CITY],
        keepers=[keeper.recipient],
        secret=SECRET,
        signer=board.address,
        now=NOW,
    )
    return replace(invitation, **others)


def changed(file: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    """A file with something else in it, in canonical form again."""
    values = json.loads(file)
    change(values)
    return rfc8785.dumps(values)


# -- requests --------------------------------------------------------------------------------------------------------


def test_request__comes_back_as_it_was_signed() -> None:
    assert Request.read(asked().signed(member)) == asked()


def test_request__signed_by_another_account_than_it_names__is_refused() -> None:
    with pytest.raises(InvitationForged) as refused:
        Request.read(asked().signed(stranger))
    assert (refused.value.what, refused.value.signer) == ("request", member.address)


@pytest.mark.parametrize(
    "change",
    [
        lambda values: values.update(account=stranger.address),
        lambda values: values.update(roles="clinician,gateway"),
        lambda values: values["card"].update(chain=NORTH.chain),
        lambda values: values.update(recipient=str(curious.recipient)),
    ],
    ids=["account", "roles", "nodes", "recipient"],
)
def test_request__changed_on_its_way__is_refused(change: Callable[[dict[str, Any]], None]) -> None:
    with pytest.raises(InvitationForged):
        Request.read(changed(asked().signed(member), change))


@pytest.mark.parametrize(
    "chain",
    [
        "kni://" + "ab" * 64 + "@10.0.0.9:32323",
        "kni://" + "ab" * 64 + "@10.0.0.9:99999?discport=0&ntype=cn",
        "kni://" + "ab" * 64 + "@0.0.0.0:32323?discport=0&ntype=cn",
        "kni://" + "ab" * 64 + "@10.0.0.999:32323?discport=0&ntype=cn",
        "kni://" + "ab" * 64 + "@host.example:32323?discport=0&ntype=cn",
        "enode://" + "ab" * 64 + "@10.0.0.9:32323?discport=0&ntype=cn",
        "",
    ],
)
def test_request__with_a_node_that_cannot_be__is_refused(chain: str) -> None:
    with pytest.raises(BadPeer) as refused:
        Request.read(asked(card=replace(LAKESIDE, chain=chain)).signed(member))
    assert refused.value.name == "lakeside"


@pytest.mark.parametrize("name", ["", "Lakeside", "../north", "a b", "-", "lake\nside", "x" * 41])
def test_request__with_a_name_that_is_none__is_refused(name: str) -> None:
    with pytest.raises(BadPeer):
        Request.read(asked(card=replace(LAKESIDE, name=name)).signed(member))


def test_request__with_a_recipient_of_the_classic_kind__is_refused() -> None:
    classic = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
    with pytest.raises(BadInvitation):
        Request.read(asked(recipient=classic).signed(member))


# -- invitations -----------------------------------------------------------------------------------------------------


def test_invitation__comes_back_as_it_was_signed() -> None:
    # when
    read = Invitation.read(invited().signed(board))

    # then
    assert read.values() == {**invited().values(), "sealed": read.values()["sealed"]}
    assert (read.made, read.expires, read.copies) == (NOW, NOW + SECONDS, 2)
    read.check_time(NOW)
    read.check_for(asked())


@pytest.mark.parametrize("opener", [identity, keeper], ids=["member", "keeper"])
def test_secret__opens_for_the_member_and_who_keeps_for_it(opener: HybridIdentity) -> None:
    assert Invitation.read(invited().signed(board)).secret(opener) == SECRET


def test_secret__is_nowhere_in_the_file_and_opens_for_nobody_else() -> None:
    file = invited().signed(board)
    assert SECRET.encode() not in file
    with pytest.raises(NoMatchingIdentity):
        Invitation.read(file).secret(curious)


def test_secret__of_another_invitation__is_refused() -> None:
    """A board that is careless, or a thief of its key, puts one member's secret into another's invitation."""
    other = invited(asked(title="Another"))
    with pytest.raises(BadInvitation):
        Invitation.read(invited(sealed=other.sealed).signed(board)).secret(identity)


@pytest.mark.parametrize(
    "change",
    [
        lambda values: values.update(signer=stranger.address),
        lambda values: values.update(expires=values["expires"] + 1),
        lambda values: values["genesis"].update(extraData="0x01"),
        lambda values: values["deployment"].update(genesis="0x" + "cd" * 32),
        lambda values: values["peers"].pop(),
        lambda values: values["peers"][0].update(chain=card("north", 7, host="10.6.6.6").chain),
        lambda values: values.update(account=stranger.address),
        lambda values: values.update(copies=1),
        lambda values: values.update(signature="0x"),
        lambda values: values.pop("signature"),
    ],
    ids=["signer", "expiry", "genesis", "contracts", "fewer", "moved", "account", "copies", "empty", "unsigned"],
)
def test_invitation__changed_on_its_way__is_refused(change: Callable[[dict[str, Any]], None]) -> None:
    with pytest.raises(InvitationForged):
        Invitation.read(changed(invited().signed(board), change))


def test_invitation__of_a_stranger_in_the_boards_name__is_refused() -> None:
    with pytest.raises(InvitationForged) as refused:
        Invitation.read(invited().signed(stranger))
    assert refused.value.signer == board.address


@pytest.mark.parametrize(
    "other",
    [
        asked(account=stranger.address),
        asked(card=card("lakeside", 4)),
        asked(made=NOW - 59),
    ],
    ids=["account", "nodes", "an earlier request"],
)
def test_invitation__for_another_request__is_refused(other: Request) -> None:
    with pytest.raises(InvitationForAnother):
        Invitation.read(invited(other).signed(board)).check_for(asked())


@pytest.mark.parametrize("now", [NOW + SECONDS, NOW + 10 * SECONDS, NOW - 24 * 3600])
def test_invitation__after_its_end_or_long_before_it_was_made__is_refused(now: int) -> None:
    with pytest.raises(InvitationOver):
        invited().check_time(now)
    invited().check_time(NOW + SECONDS - 1)


def test_invitation__with_a_genesis_of_another_chain__is_refused_though_it_is_signed() -> None:
    other = invited(genesis={"config": {"chainId": 1}})
    with pytest.raises(BadInvitation):
        Invitation.read(other.signed(board))


def test_invitation__with_contracts_of_no_form__is_refused() -> None:
    values = invited().values()
    values["deployment"]["contracts"] = {"Grants": "0x00"}

    class Loose(Invitation):
        def values(self) -> dict[str, Any]:
            return values

    loose = Loose(**{each.name: getattr(invited(), each.name) for each in fields(Invitation)})
    with pytest.raises(BadDeployment):
        Invitation.read(loose.signed(board))


@pytest.mark.parametrize(
    ("file", "fault"),
    [
        (b"", "RFC 8785"),
        (b"[" * 100_000, "RFC 8785"),
        (b"{}", "another kind"),
        (b'{"format":1,"format":1,"kind":"membership-invitation"}', "RFC 8785"),
        (b'{"format":2,"kind":"membership-invitation"}', "format"),
        (b'{"format":1,"kind":"membership-invitation"}', "fields"),
        (b"\xff\xfe", "RFC 8785"),
        (b"0" * (1 << 21), "longer"),
    ],
)
def test_invitation__of_any_other_bytes__is_refused(file: bytes, fault: str) -> None:
    with pytest.raises(BadInvitation) as refused:
        Invitation.read(file)
    assert fault in refused.value.fault


def test_invitation__of_more_organisations_than_can_be__is_refused_in_time() -> None:
    crowd = tuple(replace(NORTH, name=f"north-{number}") for number in range(501))
    with pytest.raises(BadInvitation):
        Invitation.read(invited(peers=crowd).signed(board))


# -- nodes that stand in another's place -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "taken",
    [
        replace(LAKESIDE, name="north"),
        replace(LAKESIDE, chain=NORTH.chain.replace("10.0.0.1", "10.0.0.9")),
        replace(LAKESIDE, store=CITY.cluster.replace("10.0.0.2", "10.0.0.9")),
        card("lakeside", 2, host="127.0.0.1"),
    ],
    ids=["name", "chain key", "peer key", "loopback"],
)
def test_invite__nodes_in_anothers_place__are_refused(taken: Card) -> None:
    with pytest.raises(BadPeer) as refused:
        invited(asked(card=taken))
    assert refused.value.name == taken.name


def test_invite__on_one_machine__loopback_is_no_fault() -> None:
    ours = [card(name, number, host="127.0.0.1") for number, name in enumerate(("north", "city"))]
    card("lakeside", 2, host="127.0.0.1").check_beside(ours)
