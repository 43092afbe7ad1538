"""A maker, two distributors, a pharmacy and a regulator for the commands' tests, on a real anvil."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from real_anvil import anvil
from scripts_town import Town

GTIN = "04150123456782"
LOT = "L42A"
EXPIRY = "2040-06-30"
MEMBERS = {
    "maker": ("maker", "TEST::1", "Alpine Pharma"),
    "distributor": ("distributor", "TEST::2", "River Wholesale"),
    "pharmacy": ("pharmacist", "TEST::3", "Corner Pharmacy"),
    "auditor": ("regulator,auditor", "TEST::4", "Medicines Agency"),
    "other": ("distributor", "TEST::5", "Hill Wholesale"),
}
"""Who is a member, in the order of admission: numbers from 1, each with a folder of that name."""

_SCRIPT = {"pharmacy": "distributor", "other": "distributor"}


@contextmanager
def goods_town(folder: Path) -> Iterator[Town]:
    """Members with the consortium's key."""
    with anvil(hardfork="cancun") as chain:
        town = Town(chain, folder)
        town.done("deploy", "--account", "TEST::0")
        for who, (roles, account, name) in MEMBERS.items():
            town.done("board", "admit", account, "--roles", roles, "--until", "2045-01-01")
            town.done(_SCRIPT.get(who, who), "setup", "--as", who, "--account", account, "--name", name)
        town.done("board", "renew-key")
        yield town


def packs_csv(path: Path, *, lot: str, count: int = 12, case: int = 4, start: int = 0, delimiter: str = ",") -> str:
    """A list of packs in cases, written; serials say the lot and their number."""
    lines = [delimiter.join(("gtin", "lot", "expiry", "serial", "case", "pallet"))]
    for number in range(start, start + count):
        place = (f"C{number // case}", f"P{number // case // 2}")
        lines.append(delimiter.join((GTIN, lot, EXPIRY, serial(lot, number), *place)))
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def serial(lot: str, number: int) -> str:
    return f"{lot}SN{number:08d}"


def code(lot: str, number: int) -> str:
    """What is printed on a pack, for people."""
    return f"(01){GTIN}(21){serial(lot, number)}(17){EXPIRY[2:].replace('-', '')}(10){lot}"
