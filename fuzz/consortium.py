"""Targets of theriac.consortium: the papers to join."""

from fuzz.targets import Target
from theriac.consortium.invitation import Invitation, Request
from theriac.consortium.peers import Card
from theriac.errors import BadAnchor, BadDeployment, BadInvitation, BadPeer, DevelopmentChain, InvitationForged
from theriac.ledger.codec import parse_json

TARGETS = [
    Target(
        name="join-request",
        entry="theriac.consortium.invitation:Request.read",
        read=Request.read,
        may=(BadInvitation, BadPeer, InvitationForged),
        limit="a file's, 1 MiB",
    ),
    Target(
        name="invitation",
        entry="theriac.consortium.invitation:Invitation.read",
        read=Invitation.read,
        may=(BadInvitation, BadPeer, BadDeployment, BadAnchor, DevelopmentChain, InvitationForged),
        limit="a file's, 1 MiB",
    ),
    Target(
        name="peer-card",
        entry="theriac.consortium.peers:Card.parse",
        read=lambda data: Card.parse(_value(data)),
        may=(BadPeer,),
        limit="an invitation's",
        words=(b"/ip4/", b"/tcp/", b"/p2p/", b"kni://", b"@", b"\xd9\xa1"),
    ),
]


def _value(data: bytes) -> object:
    try:
        return parse_json(data)
    except (ValueError, RecursionError):
        return data.decode("latin-1")
