"""The sealed backup of a vault: where it is found, and how guardians' shares open it."""

from collections.abc import Sequence

from theriac.errors import NoBundle
from theriac.health import documents
from theriac.health.chain import Chain
from theriac.health.keystore import by_shares, unseal
from theriac.health.vault import Vault
from theriac.store import Store


def home_of(chain: Chain, controller: str) -> str:
    """The pseudonym that names the backup of who controls it by this account, at place 0 of a wallet.

    It is the account itself until it was moved: then the chain tells what it was given.
    """
    for event in chain.index.events("Keys", "HandedOver", newest_first=True):
        pseudonym = str(event.arguments["pseudonym"])
        if event.arguments["controller"] == controller and chain.authority(pseudonym).controller == controller:
            return pseudonym
    return controller


def sealed_backup(chain: Chain, store: Store, home: str) -> bytes:
    """The newest backup that the pseudonym of a home names.

    :raises NoBundle: it names none.
    """
    backup = chain.bundle(home, store).backup
    if not backup:
        raise NoBundle(pseudonym=home, fault="it names no backup")
    with store.get_digest(bytes.fromhex(backup)) as stream:
        return documents.read_at_most(stream, documents.LARGEST)


def open_by_shares(sealed: bytes, words: Sequence[str]) -> Vault:
    """The vault that guardians' shares open.

    :raises TooFewShares: it takes more of them. Raises BadShare where some are wrong or of an older backup.
    """
    return Vault.decode(unseal(sealed, by_shares(words), path="the backup", by="shares").secret)
