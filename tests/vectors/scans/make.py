"""Writes the vectors of this folder anew: `python tests/vectors/scans/make.py`. It imports nothing of Theriac.

`world.json` is what a pharmacy knows: the sheets it was given and the events of their batches. `cases.json` are scans
at that pharmacy, each named by what is wrong with it, with the cause that it must be told. Codes are put together by
hand, and garbled by the keyboards of tests/medicine/gs1_keyboards.py.
"""

import json
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parents[1] / "medicine"))

from gs1_keyboards import Wiring, typed  # noqa: E402

Case = dict[str, Any]

GS, RS, EOT = "\x1d", "\x1e", "\x04"
NOW = "2026-06-01T12:00:00+00:00"
SECOND = 1_780_315_200
"""NOW, in seconds since 1970."""
DAY = 86_400

MAKER, GIVER, PHARMACY, OTHER = 1, 2, 3, 4
BY_HOLDER, BY_MAKER, BY_REGULATOR, EXCURSION, RECALL = 1, 2, 4, 8, 16
EXPORTED, SAMPLED, DESTROYED, STOLEN, RETURNED = range(5)

# Products with check digits computed on paper; the second is an NTIN with a PZN inside.
GTIN, NTIN, PPN, CHINA = "03400930000014", "04150037528643", "110375286414", "8301234"
LOT, EXPIRY = "LOT_5Z", "2027-12-31"
CASE_BITS, PALLET_BITS, DEPTH = 4, 8, 20


def pack(index: int) -> int:
    return 1 << DEPTH | index


def case(index: int) -> int:
    return pack(index) >> CASE_BITS


def pallet(index: int) -> int:
    return pack(index) >> PALLET_BITS


# -- what the pharmacy knows -----------------------------------------------------------------------------------------


def batch(
    name: str, product: str, lot: str, expiry: str, packs: dict[int, str], *, node: int, events: list[Any]
) -> Case:
    return {
        "name": name,
        "maker": MAKER,
        "product": product,
        "lot": lot,
        "expiry": expiry,
        "node": node,
        "packs": {str(index): serial for index, serial in packs.items()},
        "events": [["Commissioned", {}], *events],
    }


def handed(node: int, giver: int, to: int) -> list[Any]:
    return ["HandedOver", {"node": node, "from": giver, "to": to, "missing": [], "back": False, "rejoined": False}]


def offered(node: int, to: int, ends: int) -> list[Any]:
    return ["Offered", {"node": node, "to": to, "ends": ends}]


def blocked(node: int, block: int) -> list[Any]:
    return ["Blocked", {"node": node, "block_": block}]


def released(node: int, block: int) -> list[Any]:
    return ["Released", {"node": node, "block_": block}]


def ended(index: int, kind: int) -> list[Any]:
    return ["Ended", {"word": index >> 8, "mask": 1 << (index & 255), "end": kind}]


def dispensed(index: int) -> list[Any]:
    return ["Dispensed", {"index": index}]


SERIALS = {index: f"YZ8Q-{index:03}m4aW" for index in range(16 * 8)}
"""Of the stocked batch: letters that keyboards swap, a hyphen that they change, capital and small ones."""

STOCKED = batch(
    "stocked, a pallet of it",
    GTIN,
    LOT,
    EXPIRY,
    SERIALS,
    node=pallet(0),
    events=[
        handed(1, MAKER, GIVER),
        handed(pallet(0), GIVER, PHARMACY),
        # the first case: packs to which something happened singly
        dispensed(1),
        ended(2, STOLEN),
        ended(3, DESTROYED),
        ended(4, EXPORTED),
        ended(5, SAMPLED),
        ended(6, RETURNED),
        blocked(pack(7), BY_HOLDER),
        blocked(pack(8), EXCURSION),
        blocked(pack(9), RECALL),
        dispensed(10),
        ["Undone", {"index": 10}],
        ["DispensedMany", {"word": 0, "mask": 1 << 11 | 1 << 12}],
        blocked(pack(14), BY_MAKER),
        released(pack(14), BY_MAKER),
        blocked(pack(15), BY_HOLDER),
        blocked(pack(15), RECALL),
        # the second case was handed on to another pharmacy, which dispensed one pack of it
        handed(case(16), PHARMACY, OTHER),
        dispensed(17),
        # the third is blocked by its maker, the fourth by an authority, the fifth was too warm
        blocked(case(32), BY_MAKER),
        blocked(case(48), BY_REGULATOR),
        blocked(case(64), EXCURSION),
        # the sixth is under an offer, the seventh was until yesterday
        offered(case(80), OTHER, SECOND + DAY),
        offered(case(96), OTHER, SECOND - DAY),
    ],
)

WHOLE = batch(
    "known whole",
    NTIN,
    "W1",
    EXPIRY,
    {0: "WHOLE00001", 1: "WHOLE00002", 2: "TWICE00003", 16: "TWICE00003"},
    node=1,
    events=[handed(1, MAKER, PHARMACY)],
)
EXPIRED = batch(
    "expired yesterday", GTIN, "OLD1", "2026-05-31", {0: "OLD0000001"}, node=1, events=[handed(1, MAKER, PHARMACY)]
)
LAST_DAY = batch(
    "expires today", GTIN, "OLD2", "2026-06-01", {0: "LAST000001"}, node=1, events=[handed(1, MAKER, PHARMACY)]
)
RECALLED = batch(
    "recalled",
    GTIN,
    "BAD1",
    EXPIRY,
    {0: "BAD0000001", 1: "BAD0000002"},
    node=1,
    events=[handed(1, MAKER, PHARMACY), dispensed(1), blocked(1, RECALL)],
)
LIFTED = batch(
    "recalled and lifted",
    GTIN,
    "BAD2",
    EXPIRY,
    {0: "LIFT000001"},
    node=1,
    events=[handed(1, MAKER, PHARMACY), blocked(1, RECALL), released(1, RECALL)],
)
ELSEWHERE = batch(
    "of another pharmacy", GTIN, "FAR1", EXPIRY, {0: "FAR0000001"}, node=1, events=[handed(1, MAKER, OTHER)]
)
GERMAN = batch("with a PPN", PPN, "A1B2C3", EXPIRY, {0: "QZ48Y77"}, node=1, events=[handed(1, MAKER, PHARMACY)])
CHINESE = batch("of China", CHINA, "", "", {0: "5678901234567"}, node=1, events=[handed(1, MAKER, PHARMACY)])

WORLD = {
    "now": NOW,
    "member": PHARMACY,
    "caseBits": CASE_BITS,
    "palletBits": PALLET_BITS,
    "waiting": [["stocked, a pallet of it", 13]],
    "batches": [STOCKED, WHOLE, EXPIRED, LAST_DAY, RECALLED, LIFTED, ELSEWHERE, GERMAN, CHINESE],
}

# -- what is scanned -------------------------------------------------------------------------------------------------


def code(serial: str, *, product: str = GTIN, lot: str | None = LOT, expiry: str | None = EXPIRY) -> str:
    date = f"17{expiry[2:4]}{expiry[5:7]}{expiry[8:]}" if expiry else ""
    return f"]d201{product}{date}21{serial}" + (f"{GS}10{lot}" if lot else "")


def stocked(index: int) -> str:
    return code(SERIALS[index])


PPN_CODE = f"[)>{RS}06{GS}9N{PPN}{GS}1TA1B2C3{GS}D271231{GS}SQZ48Y77{RS}{EOT}"
ONE = stocked(0)

PACKS: dict[str, tuple[str, str]] = {
    "genuine": (ONE, "genuine"),
    "genuine_without_prefix": (ONE[3:], "genuine"),
    "genuine_printed_line": (f"(01){GTIN}(17)271231(21){SERIALS[0]}(10){LOT}", "genuine"),
    "genuine_link": (f"https://example.org/01/{GTIN}/10/{LOT}/21/{SERIALS[0]}?17=271231", "genuine"),
    "genuine_without_lot": (code(SERIALS[0], lot=None), "genuine"),
    "genuine_without_lot_and_date": (code(SERIALS[0], lot=None, expiry=None), "genuine"),
    "genuine_month_alone": (ONE.replace("17271231", "17271200"), "genuine"),
    "genuine_ppn": (PPN_CODE, "genuine"),
    "genuine_china": (CHINA + "5678901234567", "genuine"),
    "genuine_undone": (stocked(10), "genuine"),
    "genuine_released": (stocked(14), "genuine"),
    "genuine_after_an_offer_that_ended": (stocked(96), "genuine"),
    "genuine_on_its_last_day": (code("LAST000001", lot="OLD2", expiry="2026-06-01"), "genuine"),
    "genuine_after_a_recall_was_lifted": (code("LIFT000001", lot="BAD2"), "genuine"),
    "double_dispensed_here": (stocked(1), "dispensed-here"),
    "double_dispensed_here_by_mask": (stocked(12), "dispensed-here"),
    "double_waits_for_the_chain": (stocked(13), "dispensed-here"),
    "double_of_a_recalled_batch": (code("BAD0000002", lot="BAD1"), "dispensed-here"),
    "cloned_serial_dispensed_elsewhere": (stocked(17), "dispensed-elsewhere"),
    "stolen": (stocked(2), "stolen"),
    "destroyed": (stocked(3), "destroyed"),
    "exported": (stocked(4), "exported"),
    "sampled": (stocked(5), "sampled"),
    "returned": (stocked(6), "returned"),
    "recalled_batch": (code("BAD0000001", lot="BAD1"), "recalled"),
    "recalled_pack": (stocked(9), "recalled"),
    "recalled_and_in_quarantine": (stocked(15), "recalled"),
    "expired": (code("OLD0000001", lot="OLD1", expiry="2026-05-31"), "expired"),
    "quarantined_pack": (stocked(7), "quarantined"),
    "quarantined_case_by_its_maker": (stocked(33), "quarantined"),
    "quarantined_case_by_an_authority": (stocked(49), "quarantined"),
    "excursion_of_a_pack": (stocked(8), "excursion"),
    "excursion_of_a_case": (stocked(65), "excursion"),
    "foreign_handed_on": (stocked(16), "foreign"),
    "foreign_never_here": (code("FAR0000001", lot="FAR1"), "foreign"),
    "offered": (stocked(80), "offered"),
    "altered_lot": (code(SERIALS[20], lot="OTHER"), "altered"),
    "altered_expiry": (code(SERIALS[20], expiry="2029-12-31"), "altered"),
    "altered_expiry_of_an_expired_pack": (code("OLD0000001", lot="OLD1", expiry="2027-05-31"), "altered"),
    "altered_lot_of_a_recalled_pack": (code("BAD0000001", lot="BAD3"), "altered"),
    "serial_given_twice": (code("TWICE00003", product=NTIN, lot="W1"), "serial-twice"),
    "unknown_serial_of_a_batch_known_in_part": (code("NOSUCH0001"), "unknown-here"),
    "unknown_lot": (code("NOSUCH0001", lot="NOLOT"), "unknown-here"),
    "unknown_product": (code("NOSUCH0001", product="04012345123456"), "unknown-here"),
    "unknown_serial_without_a_lot": (code("NOSUCH0001", product=NTIN, lot=None), "unknown-here"),
    "unknown_ppn": (PPN_CODE.replace("QZ48Y77", "XX00X00").replace("A1B2C3", "Z9"), "unknown-here"),
    "false_serial": (code("NOSUCH0001", product=NTIN, lot="W1"), "false"),
    "false_serial_that_looks_true": (code("WHOLE00003", product=NTIN, lot="W1"), "false"),
    "false_serial_longer_than_a_true_one": (code("WHOLE000011", product=NTIN, lot="W1"), "false"),
    "false_serial_with_another_date": (code("NOSUCH0001", product=NTIN, lot="W1", expiry="2030-01-31"), "false"),
    "false_ppn": (PPN_CODE.replace("QZ48Y77", "AB12CD3"), "false"),
}

US_ON_QWERTZ, US_ON_AZERTY = Wiring("us", "qwertz"), Wiring("us", "azerty")
GARBLED: dict[str, str] = {
    "keyboard_qwertz": typed(ONE, US_ON_QWERTZ),
    "keyboard_qwertz_that_swallows_separators": typed(ONE.replace(GS, ""), US_ON_QWERTZ),
    "keyboard_azerty": typed(ONE, US_ON_AZERTY),
    "keyboard_of_germany_on_a_us_host": typed(ONE, Wiring("qwertz", "us")),
    "keyboard_of_france_on_a_us_host": typed(ONE, Wiring("azerty", "us")),
    "keyboard_of_france_on_a_german_host": typed(ONE, Wiring("azerty", "qwertz")),
    "caps_lock": typed(ONE, Wiring("us", "us", "letters")),
    "caps_lock_on_a_german_host": typed(ONE, Wiring("qwertz", "qwertz", "all")),
    "caps_lock_and_qwertz": typed(ONE, Wiring("us", "qwertz", "letters")),
    "separator_lost": ONE.replace(GS, ""),
    "separator_lost_where_the_lot_is_before": f"]d201{GTIN}10{LOT}21{SERIALS[0]}",
    "separator_as_text": ONE.replace(GS, "<GS>"),
    "separator_as_a_picture": ONE.replace(GS, "\u241d"),
    "separator_as_f8": ONE.replace(GS, "{F8}"),
    "separator_as_a_space": ONE.replace(GS, " "),
    "prefix_doubled": "]d2" + ONE,
    "scanned_twice": ONE + ONE,
    "two_packs_in_one_line": ONE + stocked(18),
    "line_end": ONE + "\r\n",
    "tab_behind": ONE + "\t",
    "space_in_front": " " + ONE,
    "junk_in_front": "x" + ONE,
    "cut_in_the_product": ONE[:12],
    "cut_in_the_date": ONE[:23],
    "cut_after_an_identifier": ONE[:29],
    "cut_in_the_serial": ONE[:36],
    "cut_in_the_lot": ONE[:-2],
    "cut_in_the_serial_behind_the_lot": f"]d201{GTIN}17271231" + f"10{LOT}{GS}21{SERIALS[0][:-3]}",
    "cut_in_the_lot_of_a_pack_known_whole": code("WHOLE00001", product=NTIN, lot="W"),
    "cut_in_a_serial_of_a_batch_known_whole": code("WHOLE0000", product=NTIN, lot=None),
    "ppn_keyboard_qwertz": typed(PPN_CODE, US_ON_QWERTZ),
    "ppn_without_control_characters": "".join(letter for letter in PPN_CODE if letter >= " "),
    "ppn_separators_as_text": PPN_CODE.replace(GS, "<GS>").replace(RS, "<RS>").replace(EOT, "<EOT>"),
    "keyboard_qwertz_and_recalled": typed(code("BAD0000001", lot="BAD1"), US_ON_QWERTZ),
    "separator_lost_and_dispensed_elsewhere": stocked(17).replace(GS, ""),
    "keyboard_azerty_and_stolen": typed(stocked(2), US_ON_AZERTY),
}
"""Codes of packs that are known, as a wrongly set scanner delivers them: never a word about the pack."""

NO_CODE: dict[str, str] = {
    "words": "hello world",
    "product_alone": f"01{GTIN}",
    "bar_code_of_the_product": GTIN[1:],
    "wrong_check_digit": ONE.replace(GTIN, GTIN[:-1] + "5"),
    "wrong_month": ONE.replace("17271231", "17271331"),
    "serial_too_long": code("S" * 21),
    "serial_twice_in_one_code": ONE + f"{GS}21OTHER",
    "link_without_a_serial": f"https://example.org/01/{GTIN}/10/{LOT}",
    "terminal_commands": "\x1b[2J\x1b]0;owned\x07",
    "zeros": "\0" * 40,
    "case_label": "00" + "340093000000000017",
}
"""What names no pack, and nothing points at the scanner: it must not say anything about a pack either."""


def cases() -> dict[str, Case]:
    found = {name: {"raw": raw, "cause": cause} for name, (raw, cause) in PACKS.items()}
    found |= {f"garbled_{name}": {"raw": raw, "cause": "scanner"} for name, raw in GARBLED.items()}
    return found | {f"malformed_{name}": {"raw": raw, "cause": "no-code"} for name, raw in NO_CODE.items()}


if __name__ == "__main__":
    for name, content in (("world", WORLD), ("cases", cases())):
        text = json.dumps(content, indent=1, ensure_ascii=True) + "\n"
        (FOLDER / f"{name}.json").write_text(text, encoding="ascii")
