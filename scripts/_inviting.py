"""What members do for one that enters: the board invites it, others take its nodes in, validators vote for its node."""

import json
import secrets
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from web3 import Web3

from engines.organisation import Kept, Organisation
from engines.process import EngineError
from scripts._cli import Failure
from scripts._site import Site
from theriac.consortium.invitation import LARGEST, Invitation, Request
from theriac.consortium.peers import Card
from theriac.crypto.recipients import HybridIdentity, HybridRecipient, parse_recipient
from theriac.errors import BadPeer, NoMatchingIdentity, NoProfile, NotTheBoardsInvitation
from theriac.health.messages import member_address
from theriac.ledger.light.anchor import Anchor
from theriac.ledger.node import Node


def read_file(path: str | Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(LARGEST + 1)


@contextmanager
def in_sentences() -> Iterator[None]:
    """An engine's fault is a sentence already; a person is told it."""
    try:
        yield
    except EngineError as fault:
        raise Failure(str(fault), 6) from None


@dataclass(frozen=True)
class Invited:
    """An invitation as it is handed out, and the member's number; whether it was admitted for it just now."""

    file: bytes
    invitation: Invitation
    member: int
    admitted: bool


def invite(
    site: Site,
    organisation: Organisation,
    request: Request,
    *,
    alias: str,
    roles: int,
    tier: int,
    until: int,
    keepers: Sequence[int],
    seconds: int,
) -> Invited:
    """Admits who asked, where that is not done yet, and invites it.

    `organisation` is whose nodes know the chain and the others; `keepers` are the members that are to keep copies.
    """
    functions = site.contracts.Consortium.functions
    signer = site.signer(alias)
    board = site.contracts.call(functions.board())
    if board != signer.address and not Node(site.web3).code(board):
        raise NotTheBoardsInvitation(signer=signer.address, board=board)

    with in_sentences():
        peers = [organisation.card, *organisation.peers()]
        genesis = json.loads(organisation.genesis.read_bytes())
        anchor = Anchor.of(Web3(Web3.HTTPProvider(organisation.kaia.url)))
    # All that can be refused is, before anything is sent.
    others = [each for each in peers if each.name != request.card.name or each.keys != request.card.keys]
    invitation = Invitation.of(
        request,
        genesis=genesis,
        deployment=site.contracts.deployment,
        anchor=anchor,
        peers=others,
        keepers=[_recipient(site, number) for number in keepers],
        secret=secrets.token_hex(32),
        signer=signer.address,
        now=int(time.time()),
        seconds=seconds,
    )

    member = int(site.contracts.call(functions.affiliationOf(request.account))["member"])
    if member and site.contracts.call(functions.memberOf(member))["account"] != request.account:
        raise Failure(
            f"{request.account} is of member {member}'s staff; a new member acts by an account of its own.", 3
        )
    admitted = not member
    if admitted:
        receipt = site.sender(alias).send(functions.admit(request.account, roles, tier, until))
        [event] = site.contracts.events(receipt)
        member = int(event.arguments["member"])
    with in_sentences():
        organisation.knows([request.card])
        organisation.meets(request.card)
    return Invited(invitation.signed(signer), invitation, member, admitted)


def _recipient(site: Site, number: int) -> HybridRecipient:
    try:
        recipient = parse_recipient(site.chain(site.folder).profile(member_address(number), site.store).recipient)
    except NoProfile:
        recipient = None
    if not isinstance(recipient, HybridRecipient):
        raise Failure(f"Member {number} has published nothing to seal to, so it cannot keep copies; name another.", 3)
    return recipient


def check_board(site: Site, invitation: Invitation) -> None:
    """Whether the chain calls the invitation's signer the board, or the board's code accepts its signature (ERC-1271).

    Raises NotTheBoardsInvitation, InvitationOver by the chain's own time.
    """
    contracts = site.contracts
    board = contracts.call(contracts.Consortium.functions.board())
    if board != invitation.signer and not _accepted(site, board, invitation):
        raise NotTheBoardsInvitation(signer=invitation.signer, board=board)
    invitation.check_time(int(Node(site.web3).head().time.timestamp()))


def _accepted(site: Site, board: str, invitation: Invitation) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        return site.chain(Path(folder)).accepts(board, invitation.message, invitation.signature)


@dataclass(frozen=True)
class Welcomed:
    """Who was taken in, and whether copies of its records are kept here from now on."""

    card: Card
    keeps: bool


def welcome(
    site: Site, organisation: Organisation, invitation: Invitation, identity: HybridIdentity, *, start: bool = True
) -> Welcomed:
    """Takes a new member's nodes in, and keeps copies for it where the board asked this member to."""
    if invitation.deployment != replace(site.contracts.deployment, network=invitation.deployment.network):
        raise Failure("This invitation is to another consortium than the one of this network.", 3)
    check_board(site, invitation)
    with in_sentences():
        known = [organisation.card, *organisation.peers()]
        before = next((each for each in known if each.name == invitation.card.name), None)
        if before is not None and before.keys != invitation.card.keys:
            raise BadPeer(name=invitation.card.name, fault="another organisation has this name")
        invitation.card.check_beside([each for each in known if each != before])
        organisation.knows([invitation.card])
        organisation.meets(invitation.card)
        try:
            secret = invitation.secret(identity)
        except NoMatchingIdentity:
            return Welcomed(invitation.card, keeps=False)
        if organisation.guests is None or not invitation.card.cluster:
            return Welcomed(invitation.card, keeps=False)
        organisation.keeps(Kept(invitation.card.name, invitation.card.cluster, secret))
        if start:
            organisation.start_store()
    return Welcomed(invitation.card, keeps=True)


def vote(organisation: Organisation, name: str, *, out: bool) -> str:
    """Votes a known organisation's node into the validators, or out of them; its address.

    Raises Failure where it is not known or the node cannot be steered.
    """
    with in_sentences():
        card = next((each for each in organisation.peers() if each.name == name), None)
        if card is None:
            raise Failure(f"{organisation.name} knows no organisation called {name}; 'member welcome' takes one in.")
        address = validator_of(card)
        act = "governance.removevalidator" if out else "governance.addvalidator"
        try:
            organisation.kaia.steer("governance_vote", act, address)
        except OSError:
            raise Failure(
                f"The node of {organisation.name} does not answer at its socket; start it first.", 4
            ) from None
        organisation.knows([replace(card, validates=not out)])
    return address


def validator_of(card: Card) -> str:
    """The address by which a node seals blocks: that of its key."""
    from eth_keys.datatypes import PublicKey

    key = card.chain.removeprefix("kni://").partition("@")[0]
    return PublicKey(bytes.fromhex(key)).to_checksum_address()


def validators(organisation: Organisation) -> list[str]:
    """Who seals the next block, as the organisation's own node has it."""
    with in_sentences(), suppress(OSError):
        found: list[Any] = organisation.kaia.steer("istanbul_getValidators")
        return [Web3.to_checksum_address(each) for each in found]
    return []
