"""The sealed backup of a vault: where it is found, and how guardians' shares open it."""

from collections.abc import Iterable, Iterator

from theriac.errors import BadDocument, BadShare, DamagedKeystore, NoBundle, NotStored, TooFewShares
from theriac.health import documents
from theriac.health.bundle import Bundle
from theriac.health.chain import Chain
from theriac.health.keystore import by_shares, unseal
from theriac.health.vault import Vault
from theriac.store import Store

_MOST = 100
"""So many of the latest publications are looked through for backups."""


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


def backups(chain: Chain, store: Store, home: str) -> Iterator[bytes]:
    """The backups that a home named, as far as they are found, the newest first.

    Whoever stole a wallet, or a publisher, can name another backup or none; earlier ones are still there.
    """
    seen: set[str] = set()
    events = chain.index.events("Keys", "Published", where={"pseudonym": home}, newest_first=True, limit=_MOST)
    for event in events:
        try:
            with store.get_digest(event.arguments["bundle"]) as stream:
                document = documents.read_at_most(stream, documents.LARGEST)
            backup = Bundle.decode(document, pseudonym=home, version=event.arguments["version"]).backup
            if backup in seen or not backup:
                continue
            seen.add(backup)
            with store.get_digest(bytes.fromhex(backup)) as stream:
                yield documents.read_at_most(stream, documents.LARGEST)
        except (BadDocument, NotStored, ValueError):
            continue


def open_by_shares(sealed: Iterable[bytes], words: Iterable[str], *, skip: int = 0) -> Vault:
    """The vault that guardians' shares open: that of the first of these backups for which there are enough.

    :param skip: so many that would open are passed over, since somebody else may have named them.
    :raises TooFewShares: it takes more of them. Raises BadShare where they are of other backups.
    """
    # Two words name the secret that a share is of.
    sets: dict[tuple[str, ...], list[str]] = {}
    for each in words:
        sets.setdefault(tuple(each.lower().split()[:2]), []).append(each)
    refusals: list[BadShare | TooFewShares] = []
    for document in sealed:
        for group in sets.values():
            try:
                opened = unseal(document, by_shares(group), path="the backup", by="shares")
            except (BadShare, TooFewShares) as refusal:
                refusals.append(refusal)
                continue
            except DamagedKeystore:
                continue
            if not skip:
                return Vault.decode(opened.secret)
            skip -= 1
    # That there are too few says more than that they are of another backup.
    few = [each for each in refusals if isinstance(each, TooFewShares)]
    raise few[0] if few else refusals[0] if refusals else BadShare(number=0, fault="no backup is found that they open")
