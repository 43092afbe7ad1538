"""How an organisation enters a consortium: it asks with a request, and the board answers with an invitation.

Both are RFC 8785 JSON, signed as a text (EIP-191, version 0x45) that ends with the SHA-256 of the rest. A request names
the account and the nodes that will be the member's, and what to seal to. An invitation is for that request alone. It
holds in clear what a member's programs need and nobody need hide: the chain with its first block, the contracts, where
the other nodes are, the anchor of a light client. The secret with which others may keep copies of the member's records
is sealed to the member and to those who keep them.
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from eth_account import Account
from eth_account.messages import SignableMessage, encode_defunct
from eth_utils.address import is_checksum_address

from theriac.consortium.peers import Card
from theriac.crypto import age
from theriac.crypto.recipients import HybridIdentity, HybridRecipient, parse_recipient
from theriac.errors import (
    BadInvitation,
    BadRecipient,
    Broken,
    InvitationForAnother,
    InvitationForged,
    InvitationOver,
    TheriacError,
)
from theriac.ledger.codec import canonical_json, parse_json
from theriac.ledger.deployment import Deployment
from theriac.ledger.light.anchor import Anchor
from theriac.ledger.signer import Signer

FORMAT = 1
LARGEST = 1 << 20
"""No request and no invitation is read beyond this many bytes."""

SECONDS = 14 * 24 * 3600
"""How long an invitation counts unless the board says otherwise."""

_SECRET_DIGITS = 64
_MOST_PEERS = 500


class _Paper:
    """What is signed as a text that ends with its digest, and handed on as a file."""

    KIND: ClassVar[str]

    def values(self) -> dict[str, Any]:
        """All that is signed, as JSON."""
        raise NotImplementedError

    @property
    def message(self) -> SignableMessage:
        """What its signer's wallet shows."""
        raise NotImplementedError

    @property
    def digest(self) -> str:
        """Names it in other papers: the SHA-256 of what is signed, in hex."""
        return _digest(self.KIND, self.values())

    def signed(self, signer: Signer) -> bytes:
        """The file, signed by the account that it names."""
        return _encode(self.KIND, self.values(), signer.sign_message(self.message))


@dataclass(frozen=True)
class Request(_Paper):
    """What an organisation asks to enter with, signed by the `account` that will act for it.

    `title` is the name that it will publish, `roles` are the words of the licence it asks for, `recipient` is what to
    seal to (an age recipient of the post-quantum kind), `made` is in Unix seconds.
    """

    KIND: ClassVar[str] = "membership-request"

    title: str
    account: str
    roles: str
    recipient: str
    card: Card
    made: int

    def values(self) -> dict[str, Any]:
        card = vars(self.card)
        return {
            "title": self.title,
            "account": self.account,
            "roles": self.roles,
            "recipient": self.recipient,
            "card": dict(card),
            "made": self.made,
        }

    @property
    def message(self) -> SignableMessage:
        return encode_defunct(
            text=f"I ask to enter the consortium as {self.card.name}, and act for it by this account.\n\n"
            f"request {self.digest}"
        )

    @classmethod
    def read(cls, data: bytes) -> "Request":
        """The request in a file, once its signature is checked. Raises BadInvitation, BadPeer, InvitationForged."""
        values, signature = _decode(cls.KIND, data)
        read = _Fields("request", values, "title account roles recipient card made")
        request = cls(
            title=read.text("title", most=200),
            account=read.account("account"),
            roles=read.text("roles", most=200),
            recipient=read.recipient("recipient"),
            card=Card.parse(read.values["card"]),
            made=read.number("made"),
        )
        if _signer(request.message, signature) != request.account:
            raise InvitationForged(what="request", signer=request.account)
        return request

    @property
    def sealed_to(self) -> HybridRecipient:
        return _hybrid(self.recipient)


@dataclass(frozen=True)
class Invitation(_Paper):
    """The board's answer to one request: everything with which a member joins.

    `genesis` is the chain's first block as its nodes read it, `deployment` what is deployed on it, `peers` the nodes of
    the others, `anchor` what a light client trusts, where the chain has one. `signer` is the board's account, or an
    account whose signature the board's contract accepts (ERC-1271); `made` and `expires` are in Unix seconds. `sealed`
    is an age file to the member and to its keepers. `signature` is the signer's, once it is read from a file.
    """

    KIND: ClassVar[str] = "membership-invitation"

    request: str
    account: str
    card: Card
    genesis: Mapping[str, Any]
    deployment: Deployment
    anchor: Anchor | None
    peers: tuple[Card, ...]
    copies: int
    signer: str
    made: int
    expires: int
    sealed: bytes
    signature: bytes = field(default=b"", compare=False)

    @classmethod
    def of(
        cls,
        request: Request,
        *,
        genesis: Mapping[str, Any],
        deployment: Deployment,
        anchor: Anchor | None,
        peers: Sequence[Card],
        keepers: Sequence[HybridRecipient],
        secret: str,
        signer: str,
        now: int,
        seconds: int = SECONDS,
    ) -> "Invitation":
        """The invitation for a request; `secret` is drawn for it, and sealed to the member and to the keepers.

        Raises BadPeer where the nodes of the request stand in another's place.
        """
        request.card.check_beside(peers)
        hidden = {"kind": "invitation-secret", "request": request.digest, "secret": secret}
        return cls(
            request=request.digest,
            account=request.account,
            card=request.card,
            genesis=genesis,
            deployment=deployment,
            anchor=anchor,
            peers=tuple(peers),
            # With nobody to keep another, a record is kept once, on the member's own node.
            copies=2 if keepers else 1,
            signer=signer,
            made=now,
            expires=now + seconds,
            sealed=age.seal_bytes(canonical_json(hidden), to=[request.sealed_to, *keepers]),
        )

    def values(self) -> dict[str, Any]:
        return {
            "request": self.request,
            "account": self.account,
            "card": dict(vars(self.card)),
            "genesis": dict(self.genesis),
            "deployment": parse_json(self.deployment.to_json().encode()),
            "anchor": None if self.anchor is None else self.anchor.to_json(),
            "peers": [dict(vars(each)) for each in self.peers],
            "copies": self.copies,
            "signer": self.signer,
            "made": self.made,
            "expires": self.expires,
            "sealed": base64.b64encode(self.sealed).decode(),
        }

    @property
    def message(self) -> SignableMessage:
        return encode_defunct(
            text=f"The board invites {self.card.name}, by its account {self.account}, to the consortium on chain "
            f"{self.deployment.chain_id}.\n\ninvitation {self.digest}"
        )

    @classmethod
    def read(cls, data: bytes) -> "Invitation":
        """The invitation in a file, once its signature and what it says of itself are checked.

        Whether its signer is the board is for the reader to know, and for the chain to confirm.

        Raises BadInvitation, BadPeer, BadDeployment, BadAnchor, InvitationForged.
        """
        # (1) the form of every part
        values, signature = _decode(cls.KIND, data)
        names = "request account card genesis deployment anchor peers copies signer made expires sealed"
        read = _Fields("invitation", values, names)
        if not isinstance(values["peers"], list) or not isinstance(values["genesis"], dict):
            raise BadInvitation(what="invitation", fault="its peers or its genesis are no list or object")
        if len(values["peers"]) > _MOST_PEERS:
            raise BadInvitation(what="invitation", fault=f"it names more than {_MOST_PEERS} organisations")
        deployment = Deployment.read(canonical_json(values["deployment"]), source="the invitation")
        anchor = None if values["anchor"] is None else Anchor.from_json(values["anchor"], source="the invitation")
        invitation = cls(
            request=read.text("request", most=64),
            account=read.account("account"),
            card=Card.parse(values["card"]),
            genesis=values["genesis"],
            deployment=deployment,
            anchor=anchor,
            peers=tuple(Card.parse(each) for each in values["peers"]),
            copies=read.number("copies"),
            signer=read.account("signer"),
            made=read.number("made"),
            expires=read.number("expires"),
            sealed=read.base64("sealed"),
        )

        # (2) the signer's word for all of it
        if _signer(invitation.message, signature) != invitation.signer:
            raise InvitationForged(what="invitation", signer=invitation.signer)

        invitation = replace(invitation, signature=signature)

        # (3) one chain, whichever part names it
        config = invitation.genesis.get("config")
        chain_id = config.get("chainId") if isinstance(config, Mapping) else None
        if chain_id != deployment.chain_id:
            raise BadInvitation(what="invitation", fault="its genesis and its contracts are of different chains")
        if anchor is not None and (anchor.chain_id, anchor.genesis) != (deployment.chain_id, deployment.genesis):
            raise BadInvitation(what="invitation", fault="its anchor and its contracts are of different chains")

        # (4) everybody's nodes are their own
        for each in invitation.peers:
            each.check_beside((*invitation.peers, invitation.card))
        if invitation.copies not in (1, 2):
            raise BadInvitation(what="invitation", fault="it asks for a number of copies that cannot be kept")
        return invitation

    def check_time(self, now: int) -> None:
        """Raises InvitationOver."""
        if not self.made - _CLOCKS <= now < self.expires:
            raise InvitationOver(expires=self.expires, now=now)

    def check_for(self, request: Request) -> None:
        """Raises InvitationForAnother where it answers another request than this one."""
        if (self.request, self.account, self.card) != (request.digest, request.account, request.card):
            raise InvitationForAnother(invited=self.account, here=request.account)

    def secret(self, identity: HybridIdentity) -> str:
        """The secret of the member's Cluster in hex, for the member and its keepers.

        Raises NoMatchingIdentity for everybody else, BadInvitation where what was sealed belongs elsewhere.
        """
        opened = age.open_bytes(self.sealed, identities=[identity])
        try:
            hidden = parse_json(opened)
            secret = str(hidden["secret"])
            belongs = hidden["kind"] == "invitation-secret" and hidden["request"] == self.request
            bytes.fromhex(secret)
        except (ValueError, KeyError, TypeError):
            raise BadInvitation(what="invitation", fault="what is sealed in it cannot be read") from None
        if not belongs or len(secret) != _SECRET_DIGITS:
            raise BadInvitation(what="invitation", fault="what is sealed in it belongs to another one")
        return secret


# Clocks of two organisations may differ by so many seconds.
_CLOCKS = 3600


class _Fields:
    """Reads what a stranger wrote: no field more, none less, each of its kind."""

    def __init__(self, what: str, values: Mapping[str, Any], names: str) -> None:
        self.what = what
        self.values = values
        if set(values) != set(names.split()):
            raise BadInvitation(what=what, fault=f"it must have exactly the fields {', '.join(names.split())}")

    def text(self, name: str, *, most: int) -> str:
        value = self.values[name]
        if not isinstance(value, str) or not 0 < len(value) <= most or not value.isprintable():
            raise BadInvitation(what=self.what, fault=f"its {name} is no text of 1 to {most} letters")
        return value

    def account(self, name: str) -> str:
        value = self.values[name]
        if not isinstance(value, str) or not is_checksum_address(value):
            raise BadInvitation(what=self.what, fault=f"its {name} is no address with its checksum")
        return value

    def number(self, name: str) -> int:
        value = self.values[name]
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**53:
            raise BadInvitation(what=self.what, fault=f"its {name} is no whole number")
        return value

    def recipient(self, name: str) -> str:
        value = self.text(name, most=4000)
        _hybrid(value)
        return value

    def base64(self, name: str) -> bytes:
        try:
            return base64.b64decode(self.text(name, most=LARGEST), validate=True)
        except (binascii.Error, ValueError):
            raise BadInvitation(what=self.what, fault=f"its {name} is not base64") from None


def _hybrid(text: str) -> HybridRecipient:
    try:
        recipient = parse_recipient(text)
    except BadRecipient:
        recipient = None
    if not isinstance(recipient, HybridRecipient):
        raise BadInvitation(what="request", fault="its recipient is none of the post-quantum kind")
    return recipient


def _digest(kind: str, values: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical_json({"kind": kind, "format": FORMAT, **values})).hexdigest()


def _encode(kind: str, values: Mapping[str, Any], signature: bytes) -> bytes:
    return canonical_json({"kind": kind, "format": FORMAT, **values, "signature": "0x" + signature.hex()}) + b"\n"


def _decode(kind: str, data: bytes) -> tuple[dict[str, Any], bytes]:
    """The values of a file, without what every one has, and its signature. Raises BadInvitation."""
    what = kind.removeprefix("membership-")
    if len(data) > LARGEST:
        raise BadInvitation(what=what, fault=f"it is longer than {LARGEST} bytes")
    data = data.strip()
    try:
        values = parse_json(data)
        # The same again, byte for byte: no field stands there twice, and no number is another than it seems.
        whole = isinstance(values, dict) and canonical_json(values) == data
    except (ValueError, RecursionError, Broken, TheriacError):
        whole = False
    if not whole:
        raise BadInvitation(what=what, fault="it is not JSON in canonical form (RFC 8785)")
    if values.pop("kind", None) != kind:
        raise BadInvitation(what=what, fault="it is a document of another kind")
    if values.pop("format", None) != FORMAT:
        raise BadInvitation(what=what, fault=f"its format is another than {FORMAT}")
    try:
        signature = bytes.fromhex(str(values.pop("signature", "")).removeprefix("0x"))
    except ValueError:
        signature = b""
    return values, signature


def _signer(message: SignableMessage, signature: bytes) -> str | None:
    """The account whose key made a signature, or None where it is no key's."""
    try:
        return str(Account.recover_message(message, signature=signature))
    except Exception:
        # Whatever a library makes of a malformed signature, it is nobody's.
        return None
