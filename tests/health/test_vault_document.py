"""The vault as a document: whatever is in it comes back, since nothing else holds it after a loss."""

from dataclasses import fields, replace

from theriac.health.days import DayRow
from theriac.health.guardians import Guardian, Guardianship, Guarding, Member
from theriac.health.scope import KeyClass
from theriac.health.vault import (
    Account,
    Custodian,
    Emergency,
    Enrolment,
    Entry,
    Erasure,
    Mandate,
    Moving,
    Publication,
    Sharing,
    SingleShare,
    Unpinning,
    Vault,
    Writer,
)

LAB = str(KeyClass.parse("laboratory/N"))
ANN, BEA = "0x" + "11" * 20, "0x" + "22" * 20


def full() -> Vault:
    """A vault in which nothing is empty."""
    vault = Vault(serial=3, cursor=9)
    account = vault.open_account(Account(ANN, 0, "reader:x", home=True, own=True), classes=[LAB], hour=50)
    account.writers = [Writer(1, "North", "age1", (LAB,))]
    account.former_inboxes, account.certificate, account.receipts = [b"\x01" * 32], "aa", ["bb"]
    account.publisher_seed, account.backup = b"\x02" * 32, "cc"
    account.guarding = [Guarding("dd", 2, (Member("Kim", BEA, 7),), 1)]
    account.publications = [Publication(1, "ee", (50, 60), 90, {LAB: 1}, {LAB: "ff"}, 2)]
    account.pending = replace(account.publications[0], version=2)
    vault.lay_by(Account(BEA, 1), classes=[LAB], hour=50)
    sharing = Sharing(ANN, BEA, "Lee", "age1", "TREAT", (LAB,), 0, 50, 90, True, 7, BEA, True, 3)
    vault.sharings, vault.revoking = [sharing], [replace(sharing, granted=False)]
    vault.singles = [SingleShare(ANN, BEA, "Lee", "age1", ANN, "aa", "bb", 90)]
    vault.add(Entry(ANN, "aa", 1, LAB, 1, 50, 1000, {"title": "a"}, "key", "old", "pp"))
    vault.unsolicited, vault.backed_up, vault.unread = {"a/1/b": "why"}, ["m"], [(ANN, 1, "aa")]
    vault.unread_days = [DayRow(ANN, 1, 2, b"\x03" * 32, b"\x04" * 32, 9)]
    vault.purse = {"vouchers": [{"a": 1}], "blanks": [{"blank": "b", "for": ""}]}
    vault.due, vault.turning, vault.erased, vault.strays = {ANN: 5}, [ANN], ["aa"], ["bb"]
    vault.erasures = [Erasure(5, ("aa",), (ANN,), (Unpinning(ANN, 1, "North", ("aa",), 5, "ll", {"r": 1}),), 1)]
    vault.emergency = Emergency(ANN, (Custodian(3, "C", "age1"),), 1, (LAB,), False, (1,), ("kk",))
    vault.guardians = Guardianship((Guardian("Kim", "age1", "aa", "bb"),), 1, {"by": "shares"}, "age1", 2)
    vault.moving = Moving("hand-over", [ANN], [BEA], True, True, {ANN: [1, 2]})
    vault.mandates = [Mandate(ANN, 7, "m", BEA, (LAB,), ("TREAT",), 0, 90, 99, 2, "ss", (BEA,), "age1")]
    vault.programmes = [Enrolment(ANN, 8, BEA, "TREAT", "doc", "salt", 50, 90)]
    return vault


def test_vault__every_field__comes_back() -> None:
    vault = full()

    assert [each.name for each in fields(Vault) if not getattr(vault, each.name)] == []
    account = vault.accounts[ANN]
    assert [each.name for each in fields(Account) if not getattr(account, each.name) and each.name != "place"] == []
    assert Vault.decode(vault.encode()) == vault


def test_vault__of_before_there_was_more__is_read() -> None:
    import json

    values = json.loads(Vault().encode())
    newer = {"purse", "due", "turning", "erasures", "erased", "strays", "spares", "emergency", "guardians", "moving"}
    newer |= {"mandates", "programmes", "unread_days"}

    old = json.dumps({key: value for key, value in values.items() if key not in newer}).encode()

    assert Vault.decode(old).accounts == {}
