"""Writes the vectors of this folder anew: `python tests/vectors/gs1/make.py`. It imports nothing of Theriac.

Codes are put together by hand here, garbled by the keyboards of tests/medicine/gs1_keyboards.py, and what is expected
of them is what they were made of.
"""

import json
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parents[1] / "medicine"))

from gs1_keyboards import Wiring, typed  # noqa: E402

GS, RS, EOT = "\x1d", "\x1e", "\x04"
Case = dict[str, Any]

# A French and a German product, both with check digits computed on paper; the third is an NTIN with a PZN inside.
GTIN, SHORT, NTIN = "03400930000014", "04012345123456", "04150037528643"
PZN, PPN = "03752864", "110375286414"
SERIAL, LOT = "YZ8Q-7m4aW", "LOT_5Z"


def fields(product: str, serial: str, lot: str | None = None, expiry: str | None = None, scheme: str = "gtin") -> Case:
    return {"scheme": scheme, "product": product, "serial": serial, "lot": lot, "expiry": expiry}


FULL = fields(GTIN, SERIAL, LOT, "2027-12-31")
CODE = f"01{GTIN}17271231" + f"21{SERIAL}{GS}10{LOT}"
DM = "]d2" + CODE
PPN_CODE = f"[)>{RS}06{GS}9N{PPN}{GS}1TA1B2C3{GS}D271231{GS}SQZ48Y77{RS}{EOT}"
PPN_FULL = fields(PPN, "QZ48Y77", "A1B2C3", "2027-12-31", "ppn")
CHINA = "83012345678901234567"
LINK = f"https://example.org/01/{GTIN}/10/{LOT}/21/{SERIAL}?17=271231"

READ: dict[str, tuple[str, Case]] = {
    "element_string_plain": (CODE, FULL),
    "element_string_datamatrix": (DM, FULL),
    "element_string_gs1_128": ("]C1" + CODE, FULL),
    "element_string_databar": ("]e0" + CODE, FULL),
    "element_string_qr": ("]Q3" + CODE, FULL),
    "element_string_plain_datamatrix": ("]d1" + CODE, FULL),
    "order_serial_first": (f"21{SERIAL}{GS}01{GTIN}10{LOT}{GS}17271231", FULL),
    "order_lot_first": (f"10{LOT}{GS}17271231" + f"01{GTIN}21{SERIAL}", FULL),
    "order_product_serial_lot_date": (f"01{GTIN}21{SERIAL}{GS}10{LOT}{GS}17271231", FULL),
    "separator_at_the_end": (CODE + GS, FULL),
    "separator_after_fixed_lengths": (f"01{GTIN}{GS}17271231{GS}21{SERIAL}{GS}10{LOT}", FULL),
    "element_twice_with_one_value": (CODE + f"{GS}21{SERIAL}", FULL),
    "only_product_and_serial": (f"01{GTIN}21{SERIAL}", fields(GTIN, SERIAL)),
    "day_00_of_december": (f"01{GTIN}172712002100A", fields(GTIN, "00A", None, "2027-12-31")),
    "day_00_of_february_in_a_leap_year": (f"01{GTIN}1728020021A", fields(GTIN, "A", None, "2028-02-29")),
    "day_00_of_february": (f"01{GTIN}1727020021A", fields(GTIN, "A", None, "2027-02-28")),
    "year_76_is_2076": (f"01{GTIN}1776010121A", fields(GTIN, "A", None, "2076-01-01")),
    "year_77_is_1977": (f"01{GTIN}1777010121A", fields(GTIN, "A", None, "1977-01-01")),
    "serial_of_20": (f"01{GTIN}21" + "Ab3" * 6 + "Z9", fields(GTIN, "Ab3" * 6 + "Z9")),
    "serial_of_all_signs": (f"01{GTIN}21!\"%&'()*+,-./:;<=>?_", fields(GTIN, "!\"%&'()*+,-./:;<=>?_")),
    "serial_that_looks_like_elements": (f"01{GTIN}2117271231105", fields(GTIN, "17271231105")),
    "serial_with_a_visible_mark": (f"01{GTIN}21A<GS>10B", fields(GTIN, "A<GS>10B")),
    "national_number_710": (CODE + f"{GS}710{PZN}", FULL),
    "date_of_manufacture": (f"01{GTIN}11250101" + CODE[16:], FULL),
    "printed": (f"(01){GTIN}(17)271231(21){SERIAL}(10){LOT}", FULL),
    "printed_on_four_lines": (f"(01) {GTIN}\n(17) 271231\n(21) {SERIAL}\n(10) {LOT}\n", FULL),
    "printed_with_brackets_inside": (f"(01){GTIN}(21)A(B)C(10)(5", fields(GTIN, "A(B)C", "(5")),
    "link": (LINK, FULL),
    "link_in_capitals": (LINK.replace("https://example.org", "HTTPS://EXAMPLE.ORG"), FULL),
    "link_under_a_path": (LINK.replace(".org/", ".org/some/path/"), FULL),
    "link_with_words_in_its_query": (LINK + "&linkType=gs1:pip&lang=de", FULL),
    "link_with_escapes": (f"https://id.gs1.org/01/{GTIN}/21/A%2FB%25C", fields(GTIN, "A/B%C")),
    "link_with_a_short_gtin": ("http://example.org/01/4012345123456/21/77", fields(SHORT, "77")),
    "ntin": (f"01{NTIN}21QZ48Y77", fields(NTIN, "QZ48Y77")),
    "ppn": (PPN_CODE, PPN_FULL),
    "ppn_datamatrix": ("]d1" + PPN_CODE, PPN_FULL),
    "ppn_month_only": (PPN_CODE.replace("271231", "271200"), PPN_FULL),
    "ppn_other_order": (f"[)>{RS}06{GS}9N{PPN}{GS}SQZ48Y77{GS}D271231{GS}1TA1B2C3{RS}{EOT}", PPN_FULL),
    "ppn_with_gtin": (PPN_CODE[:-2] + f"{GS}8P{SHORT}{RS}{EOT}", PPN_FULL),
    "china": (CHINA, fields("8301234", "5678901234567", None, None, "china")),
    "china_code_128": ("]C0" + CHINA, fields("8301234", "5678901234567", None, None, "china")),
    "china_link": (f"https://example.cn/q?code={CHINA}", fields("8301234", "5678901234567", None, None, "china")),
}

MALFORMED: dict[str, tuple[str, str]] = {
    "nothing": ("", "code-empty"),
    "prefix_alone": ("]d2", "code-empty"),
    "prefix_unknown": ("]##" + CODE, "identifier-unknown"),
    "too_long": ("0" * 2049, "code-too-long"),
    "gtin_check_digit_wrong": (DM.replace(GTIN, "03400930000015"), "check-digit-wrong"),
    "gtin_with_a_letter": (DM.replace(GTIN, "0340093000001A"), "element-wrong"),
    "ntin_with_a_wrong_pzn": (f"01{'04150037528711'}21A", "check-digit-wrong"),
    "date_month_13": (DM.replace("271231", "271331"), "date-wrong"),
    "date_month_00": (DM.replace("271231", "270031"), "date-wrong"),
    "date_day_32": (DM.replace("271231", "271232"), "date-wrong"),
    "date_31_of_april": (DM.replace("271231", "270431"), "date-wrong"),
    "date_29_of_february_2027": (DM.replace("271231", "270229"), "date-wrong"),
    "date_with_a_letter": (DM.replace("271231", "2712A1"), "date-wrong"),
    "serial_of_21": (f"01{GTIN}21" + "A" * 21, "element-wrong"),
    "serial_empty": (f"01{GTIN}21{GS}10{LOT}", "element-wrong"),
    "serial_with_an_umlaut": (f"01{GTIN}21Ä1", "character-foreign"),
    "serial_with_a_dollar": (f"01{GTIN}21A$1", "character-foreign"),
    "serial_with_a_number_sign": (f"01{GTIN}21A#1", "character-foreign"),
    "digits_not_latin": ("01" + "٠" * 14 + "21A", "character-foreign"),
    "separator_doubled": (f"01{GTIN}21A{GS}{GS}10B", "identifier-unknown"),
    "separator_missing": (f"01{GTIN}21{SERIAL}17271231" + f"10{LOT}", "element-wrong"),
    "identifier_unknown": (CODE + f"{GS}05123", "identifier-unknown"),
    "serial_twice": (CODE + f"{GS}21OTHER", "element-twice"),
    "product_twice": (CODE + f"{GS}01{SHORT}", "element-twice"),
    "product_alone": (f"01{GTIN}", "serial-missing"),
    "lot_and_no_serial": (f"01{GTIN}17271231" + f"10{LOT}", "serial-missing"),
    "bar_code_of_the_product": (SHORT[1:], "serial-missing"),
    "bar_code_check_digit_wrong": ("4012345123457", "check-digit-wrong"),
    "case_label": ("00340123450000000000", "not-a-pack"),
    "case_check_digit_wrong": (f"01{GTIN}21A{GS}00340123450000000005", "check-digit-wrong"),
    "broken_off_in_the_product": (DM[:12], "code-cut-short"),
    "broken_off_in_the_date": (DM[:24], "code-cut-short"),
    "broken_off_after_an_identifier": (DM[:29], "code-cut-short"),
    "printed_with_an_unknown_identifier": ("(05)123", "identifier-unknown"),
    "printed_without_the_first_bracket": (f"01){GTIN}(21)A", "identifier-unknown"),
    "link_without_a_pack": ("https://example.org/products?id=5", "link-wrong"),
    "link_without_a_serial": (f"https://example.org/01/{GTIN}", "serial-missing"),
    "link_with_qualifiers_in_wrong_order": (f"https://example.org/01/{GTIN}/21/A/10/B", "link-wrong"),
    "link_with_an_unknown_number": (f"https://example.org/01/{GTIN}/21/A?05=1", "link-wrong"),
    "link_with_half_an_escape": (f"https://example.org/01/{GTIN}/21/A%2", "link-wrong"),
    "link_with_a_wrong_date": (f"https://example.org/01/{GTIN}/21/A?17=271331", "date-wrong"),
    "link_without_a_host": (f"https:///01/{GTIN}/21/A", "link-wrong"),
    "ppn_check_digits_wrong": (PPN_CODE.replace(PPN, "110375286415"), "check-digit-wrong"),
    "ppn_of_a_wrong_pzn": (PPN_CODE.replace(PPN, "110375286525"), "check-digit-wrong"),
    "ppn_of_another_agency": (PPN_CODE.replace(PPN, "130375286414"), "element-wrong"),
    "ppn_without_its_end": (PPN_CODE[:-2], "code-cut-short"),
    "ppn_with_another_format": (PPN_CODE.replace("06" + GS, "05" + GS), "envelope-wrong"),
    "ppn_date_wrong": (PPN_CODE.replace("271231", "271331"), "date-wrong"),
    "ppn_unknown_identifier": (PPN_CODE.replace("1TA1", "7ZA1"), "identifier-unknown"),
    "ppn_serial_with_a_slash": (PPN_CODE.replace("QZ48", "QZ/8"), "character-foreign"),
    "ppn_without_a_serial": (PPN_CODE.replace(f"{GS}SQZ48Y77", ""), "serial-missing"),
    "china_of_19": (CHINA[:-1], "identifier-unknown"),
}

# (what arrives, what was printed, what the scanner's fault is, how it reads)
#   as-is:    well-formed, and another pack or the same with a part missing; the true one is among the variants
#   repaired: one explanation is the simplest, and it is the true code
#   unclear:  no code is claimed; the true one is among the variants
SCANNER: dict[str, tuple[str, Case, list[str], str]] = {}


def wired(name: str, wiring: Wiring, reads: str, text: str = DM, truth: Case = FULL) -> None:
    SCANNER[name] = typed(text, wiring), truth, wiring.causes, reads


US_DE, DE_US = Wiring("us", "qwertz"), Wiring("qwertz", "us")
US_FR, FR_US = Wiring("us", "azerty"), Wiring("azerty", "us")
UMLAUTS = f"01{GTIN}21A;B'C[D]"
PLAIN = f"01{GTIN}17271231" + f"21YZ8Q7m4aW{GS}10LOT5Z"
PLAIN_FULL = fields(GTIN, "YZ8Q7m4aW", "LOT5Z", "2027-12-31")

# Where a code is unclear here, an AZERTY scanner that types digits by the keypad would have sent the like of it.
wired("qwertz_swaps_y_and_z", US_DE, "as-is", PLAIN, PLAIN_FULL)
# Which of the two is German cannot be told when only y and z are swapped: the commoner case is named.
SCANNER["qwertz_swaps_y_and_z_on_a_us_host"] = typed(PLAIN, DE_US), PLAIN_FULL, US_DE.causes, "as-is"
wired("qwertz_types_sharp_s_for_a_hyphen", US_DE, "repaired")
wired("qwertz_types_umlauts", US_DE, "repaired", f"01{GTIN}21A;B'C-D", fields(GTIN, "A;B'C-D"))
wired("qwertz_types_capital_umlauts", US_DE, "unclear", f'01{GTIN}21A:B"C-D', fields(GTIN, 'A:B"C-D'))
wired("qwertz_joins_an_accent", US_DE, "unclear", f"01{GTIN}21A=eB-", fields(GTIN, "A=eB-"))
wired("qwertz_prefix_becomes_a_plus", US_DE, "repaired", "]d2" + PLAIN, PLAIN_FULL)
wired("qwertz_scanner_loses_the_bracket", DE_US, "unclear", "]d2" + PLAIN, PLAIN_FULL)
wired("qwertz_and_separator_lost", US_DE, "unclear", DM.replace(GS, ""))
wired("qwertz_and_caps_lock", Wiring("us", "qwertz", "letters"), "repaired")
wired("qwertz_and_shift_lock", Wiring("us", "qwertz", "all"), "repaired")
wired("azerty_digits", US_FR, "unclear", PLAIN, PLAIN_FULL)
wired("azerty_digits_with_prefix", US_FR, "repaired")
wired("azerty_digits_by_the_keypad", Wiring("us", "azerty", keypad=True), "as-is", PLAIN, PLAIN_FULL)
wired("azerty_and_shift_lock", Wiring("us", "azerty", "all"), "as-is", PLAIN, PLAIN_FULL)
wired("azerty_and_separator_lost", US_FR, "unclear", DM.replace(GS, ""))
wired("azerty_scanner_on_a_us_host", FR_US, "repaired", PLAIN, PLAIN_FULL)
wired("azerty_scanner_on_a_qwertz_host", Wiring("azerty", "qwertz"), "repaired", PLAIN, PLAIN_FULL)
wired("qwertz_scanner_on_an_azerty_host", Wiring("qwertz", "azerty"), "unclear", PLAIN, PLAIN_FULL)
wired("azerty_both_with_shift_lock", Wiring("azerty", "azerty", "all"), "unclear", PLAIN, PLAIN_FULL)
wired("caps_lock", Wiring("us", "us", "letters"), "as-is", PLAIN, PLAIN_FULL)
wired("caps_lock_turns_the_prefix", Wiring("us", "us", "letters"), "repaired")
wired("caps_lock_of_windows_on_qwertz", Wiring("qwertz", "qwertz", "all"), "unclear", PLAIN, PLAIN_FULL)
wired("caps_lock_and_separator_lost", Wiring("us", "us", "letters"), "unclear", DM.replace(GS, ""))
wired("ppn_qwertz", US_DE, "repaired", PPN_CODE, PPN_FULL)
wired("ppn_azerty", US_FR, "repaired", PPN_CODE, PPN_FULL)
wired("ppn_caps_lock", Wiring("us", "us", "letters"), "repaired", PPN_CODE, PPN_FULL)
wired("ppn_qwertz_and_no_control_characters", US_DE, "unclear", f"[)>069N{PPN}1TA1B2C3D271231SQZ48Y77", PPN_FULL)
SCANNER["qwertz_and_separator_lost"][2].append("separator-lost")
SCANNER["azerty_and_separator_lost"][2].append("separator-lost")
SCANNER["caps_lock_and_separator_lost"][2].append("separator-lost")
SCANNER["ppn_qwertz_and_no_control_characters"][2].append("separator-lost")

LOST, SEEN = ["separator-lost"], ["separator-visible"]
SCANNER |= {
    "group_separator_lost": (CODE.replace(GS, ""), FULL, LOST, "as-is"),
    "group_separator_lost_before_the_date": (
        f"01{GTIN}21{SERIAL}17271231" + f"10{LOT}",
        FULL,
        LOST,
        "unclear",
    ),
    "group_separator_lost_after_a_long_serial": (
        f"01{GTIN}17271231" + "21AAAAABBBBBCCCCCDDDDD10XY",
        fields(GTIN, "AAAAABBBBBCCCCCDDDDD", "XY", "2027-12-31"),
        LOST,
        "repaired",
    ),
    "group_separator_lost_with_a_national_number": (
        f"01{GTIN}21{SERIAL}10{LOT}71003752864",
        fields(GTIN, SERIAL, LOT),
        LOST,
        "unclear",
    ),
    "group_separator_visible": (CODE.replace(GS, "<GS>"), FULL, SEEN, "repaired"),
    "group_separator_visible_in_a_short_serial": (
        f"01{GTIN}21A1<GS>10{LOT}",
        fields(GTIN, "A1", LOT),
        SEEN,
        "as-is",
    ),
    "group_separator_visible_in_braces": (CODE.replace(GS, "{GS}"), FULL, SEEN, "repaired"),
    "group_separator_visible_in_brackets": (CODE.replace(GS, "[GS]"), FULL, SEEN, "repaired"),
    "group_separator_as_a_picture": (CODE.replace(GS, "␝"), FULL, SEEN, "repaired"),
    "group_separator_as_caret": (CODE.replace(GS, "^]"), FULL, SEEN, "repaired"),
    "group_separator_as_hexadecimal": (CODE.replace(GS, "\\x1d"), FULL, SEEN, "repaired"),
    "group_separator_as_unicode": (CODE.replace(GS, "\\u001D"), FULL, SEEN, "repaired"),
    "group_separator_as_bar": (CODE.replace(GS, "|"), FULL, SEEN, "repaired"),
    "group_separator_as_number_sign": (CODE.replace(GS, "#"), FULL, SEEN, "repaired"),
    "group_separator_as_tilde_one": (CODE.replace(GS, "~1"), FULL, SEEN, "repaired"),
    "group_separator_as_f8": (CODE.replace(GS, "{F8}"), FULL, SEEN, "repaired"),
    "group_separator_as_alt_029": (CODE.replace(GS, "↔"), FULL, SEEN, "repaired"),
    "group_separator_as_space": (CODE.replace(GS, " "), FULL, SEEN, "repaired"),
    "prefix_doubled": ("]d2" + DM, FULL, ["prefix-doubled"], "repaired"),
    "prefix_of_two_kinds": ("]C1" + DM, FULL, ["prefix-doubled"], "repaired"),
    "scanned_twice": (DM + DM, FULL, ["scanned-twice"], "repaired"),
    "scanned_twice_without_prefix": (CODE + CODE, FULL, ["scanned-twice"], "repaired"),
    "scanned_twice_with_a_tab": (CODE + "\t" + CODE, FULL, ["scanned-twice"], "repaired"),
    "two_packs_in_one_line": (DM + f"]d201{SHORT}21OTHER", FULL, ["scanned-twice"], "unclear"),
    "newline_trailing": (DM + "\n", FULL, ["line-end"], "repaired"),
    "carriage_return_trailing": (DM + "\r\n", FULL, ["line-end"], "repaired"),
    "tab_trailing": (DM + "\t", FULL, ["line-end"], "repaired"),
    "space_leading": (" " + DM, FULL, ["leading-control"], "repaired"),
    "start_of_text_leading": ("\x02" + DM + "\x03", FULL, ["leading-control"], "repaired"),
    "group_separator_leading": (GS + CODE, FULL, ["leading-control"], "repaired"),
    "junk_leading": ("DM:" + CODE, FULL, ["leading-junk"], "unclear"),
    "ppn_separators_visible": (
        PPN_CODE.replace(GS, "<GS>").replace(RS, "<RS>").replace(EOT, "<EOT>"),
        PPN_FULL,
        SEEN,
        "repaired",
    ),
    "ppn_separators_as_bars": (
        PPN_CODE.replace(GS, "|").replace(RS, "|").replace(EOT, "|"),
        PPN_FULL,
        SEEN,
        "repaired",
    ),
    "ppn_control_characters_lost": (
        PPN_CODE.replace(GS, "").replace(RS, "").replace(EOT, ""),
        PPN_FULL,
        LOST,
        "unclear",
    ),
    "ppn_envelope_lost": (PPN_CODE[7:-2], PPN_FULL, ["envelope-lost"], "repaired"),
}


def main() -> None:
    tables = {
        "well_formed": {name: {"raw": raw, "code": code} for name, (raw, code) in READ.items()},
        "malformed": {name: {"raw": raw, "cause": cause} for name, (raw, cause) in MALFORMED.items()},
        "scanner": {
            name: {"raw": raw, "code": code, "causes": causes, "reads": reads}
            for name, (raw, code, causes, reads) in SCANNER.items()
        },
    }
    for name, table in tables.items():
        path = FOLDER / f"{name}.json"
        path.write_text(json.dumps(table, indent=1, ensure_ascii=True) + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
