"""How staff and devices join a member: one signs a file, the member sends it to the chain."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from scripts._site import Site
from theriac.consortium import JOIN_WINDOW, Join, Role
from theriac.errors import BadDocument
from theriac.health import documents
from theriac.ledger.node import Node
from theriac.ledger.typed import Domain

_MARGIN = 3600


def request(site: Site, alias: str, *, member: int, roles: Role) -> bytes:
    """A signed wish to join, good for a week less an hour."""
    signer = site.signer(alias)
    contract = site.contracts.Consortium
    nonce = site.contracts.call(contract.functions.affiliationOf(signer.address))["nonce"]
    now = int(Node(site.web3).head().time.timestamp())
    message = Join(signer.address, member, roles, nonce, now + JOIN_WINDOW - _MARGIN)
    signature = signer.sign_message(message.signable(Domain.of(contract)))
    values = {
        "account": message.account,
        "member": member,
        "roles": int(roles),
        "nonce": nonce,
        "deadline": message.deadline,
        "signature": signature.hex(),
    }
    return documents.encode("join", values)


def take_on(site: Site, alias: str, files: Iterable[str]) -> Iterator[Join]:
    """Sends each of them; all are read before the first is sent."""
    wishes = [_read(Path(file)) for file in files]
    for message, signature in wishes:
        site.sender(alias).send(site.contracts.Consortium.functions.join(*message.arguments(signature)))
        yield message


def _read(path: Path) -> tuple[Join, bytes]:
    values = documents.decode("join", path.read_bytes().strip())
    try:
        message = Join(
            str(values["account"]),
            int(values["member"]),
            Role(int(values["roles"])),
            int(values["nonce"]),
            int(values["deadline"]),
        )
        return message, bytes.fromhex(str(values["signature"]))
    except (KeyError, TypeError, ValueError):
        raise BadDocument(kind="join", fault="a part of it is missing or broken") from None
