"""What a wrongly set keyboard-wedge scanner makes of a code, and what the code was before.

A wedge scanner types. It turns each character into keystrokes of the keyboard it is set to, and the host turns the
keystrokes into characters of the keyboard that the host is set to; where the two differ, or caps lock is on, another
text arrives. The group separator has no key: it gets lost, or stands there as text.

Two rules hold. A code that is well-formed as it is, is taken as it is: a false pack's code is never called garbled. And
where a wrong setting makes one well-formed code of another (y for z, capital for small letters, a lot run into a
serial), nobody can tell by looking: `variants` lists every code that it may have been, and whoever has the index of
packs asks it for them before saying that a pack is unknown.

Not undone: keyboards other than the three of `KEYBOARDS`; lost separators of elements other than a pack's four, a date
of manufacture and one national number (710 to 717); `<` and `>` of German and French scanners on a US host; and, of
scanners that type digits by the keypad, characters that share a digit's key where another layout or caps lock makes
them that digit (`!` to `)` of a US scanner on an AZERTY host, `-` and `_` of an AZERTY scanner on another).
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import Enum, unique
from functools import cache
from itertools import islice

from theriac.errors import BadCode, CodeCutShort
from theriac.medicine import gs1, national
from theriac.medicine.packid import PackCode

GS, RS, EOT = national.GS, national.RS, national.EOT

MOST_VARIANTS = 512
"""No code has more readings than this; about forty are usual, and only crafted texts come near."""

_MOST_TRIED = 2048
_LONGEST = 512


@unique
class ScannerCause(Enum):
    """What is set wrong at the scanner, or went wrong there; the value is for programs, `advice` for people."""

    US_ON_QWERTZ = "us-on-qwertz"
    US_ON_AZERTY = "us-on-azerty"
    QWERTZ_ON_US = "qwertz-on-us"
    QWERTZ_ON_AZERTY = "qwertz-on-azerty"
    AZERTY_ON_US = "azerty-on-us"
    AZERTY_ON_QWERTZ = "azerty-on-qwertz"
    CAPS_LOCK = "caps-lock"
    SEPARATOR_LOST = "separator-lost"
    SEPARATOR_VISIBLE = "separator-visible"
    ENVELOPE_LOST = "envelope-lost"
    PREFIX_DOUBLED = "prefix-doubled"
    SCANNED_TWICE = "scanned-twice"
    LINE_END = "line-end"
    LEADING_CONTROL = "leading-control"
    LEADING_JUNK = "leading-junk"
    CUT_SHORT = "cut-short"

    @property
    def advice(self) -> str:
        """What to do, in a sentence."""
        return _ADVICE[self]


_ADVICE = {
    ScannerCause.US_ON_QWERTZ: "Set the scanner's keyboard country to Germany, as the computer's is.",
    ScannerCause.US_ON_AZERTY: "Set the scanner's keyboard country to France, as the computer's is.",
    ScannerCause.QWERTZ_ON_US: "Set the scanner's keyboard country to USA, as the computer's is.",
    ScannerCause.QWERTZ_ON_AZERTY: "Set the scanner's keyboard country from Germany to France, as the computer's is.",
    ScannerCause.AZERTY_ON_US: "Set the scanner's keyboard country from France to USA, as the computer's is.",
    ScannerCause.AZERTY_ON_QWERTZ: "Set the scanner's keyboard country from France to Germany, as the computer's is.",
    ScannerCause.CAPS_LOCK: "Switch caps lock off and scan again.",
    ScannerCause.SEPARATOR_LOST: "Let the scanner send the group separator (FNC1, ASCII 29) and scan again.",
    ScannerCause.SEPARATOR_VISIBLE: "Let the scanner send the group separator as ASCII 29, not as text.",
    ScannerCause.ENVELOPE_LOST: "Let the scanner send the whole envelope of Macro 06, with its control characters.",
    ScannerCause.PREFIX_DOUBLED: "Let the scanner send the symbology identifier once.",
    ScannerCause.SCANNED_TWICE: "Scan one code at a time, and let the scanner send Enter after each.",
    ScannerCause.LINE_END: "Let the scanner send one Enter after a code and nothing else.",
    ScannerCause.LEADING_CONTROL: "Clear the scanner's preamble; it sends a control character or a space first.",
    ScannerCause.LEADING_JUNK: "Clear the scanner's preamble, empty the input line and scan again.",
    ScannerCause.CUT_SHORT: "Scan again, more slowly; raise the scanner's delay between characters if it recurs.",
}


_KEYBOARD = frozenset(cause for cause in ScannerCause if "-on-" in cause.value) | {ScannerCause.CAPS_LOCK}


@dataclass(frozen=True, slots=True)
class Variant:
    """A code that may have been scanned, were the scanner set wrong in these ways. `repaired` parses to `code`."""

    causes: tuple[ScannerCause, ...]
    code: PackCode
    repaired: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What a scanner delivered.

    - `code` without `cause`: well-formed as it is; look it up, and its `variants` if it is unknown;
    - `code` with `cause`: what was scanned by the one simplest explanation; `repaired` is its text. It is no more
      certain than a well-formed code: look up its `variants` too before calling it unknown;
    - `causes` without `code`: the scanner's fault is one or more of these; several codes may have been scanned, see
      `variants`, or none is left;
    - neither: `fault` says why this is no code of a pack. Nothing points at the scanner, and nothing at a false pack.
    """

    code: PackCode | None
    causes: tuple[ScannerCause, ...] = ()
    certain: bool = True
    repaired: str | None = None
    fault: BadCode | None = None

    @property
    def cause(self) -> ScannerCause | None:
        """The first of the causes: what to mend first."""
        return self.causes[0] if self.causes else None


def diagnose(raw: str | bytes, *, today: date | None = None) -> Reading:
    """Read one line of a scanner. `today` decides the century of two-digit years. Raises nothing."""
    text = _text(raw)
    try:
        return Reading(gs1.parse(text, today=today))
    except BadCode as error:
        fault = error

    found = _explained(text, today)
    if not found:
        cut = isinstance(fault, CodeCutShort)
        return Reading(None, causes=(ScannerCause.CUT_SHORT,) if cut else (), certain=not cut, fault=fault)

    simplest = found[0].variant
    rivals = [other.variant for other in found[1:] if _rival(other, found[0])]
    if rivals:
        causes = tuple(dict.fromkeys(cause for variant in (simplest, *rivals) for cause in variant.causes))
        return Reading(None, causes=causes, certain=False, fault=fault)
    return Reading(simplest.code, causes=simplest.causes, repaired=simplest.repaired, fault=fault)


def _rival(other: "_Explained", simplest: "_Explained") -> bool:
    """Whether what was scanned cannot be told for the other explanation's sake."""
    causes = simplest.variant.causes
    if ScannerCause.LEADING_JUNK in causes:
        # Junk may be a symbology identifier that a wrong layout has garbled, and the code after it with it.
        return True
    if not _KEYBOARD.intersection(causes):
        return other.cost == simplest.cost
    # Whether digits come by the keypad tells little between two keyboards. And a wrong one tends to swallow the group
    # separator as well, which is Ctrl and a key of its layout.
    keypad = 1 if _KEYBOARD.intersection(other.variant.causes) else 0
    return other.cost <= simplest.cost + keypad or other.variant.causes == (*causes, ScannerCause.SEPARATOR_LOST)


def variants(raw: str | bytes, *, today: date | None = None) -> tuple[Variant, ...]:
    """Every code that `raw` may be a garbled reading of, the simplest explanation first, each code once.

    What `raw` says as it is, is not among them. At most `MOST_VARIANTS`; a few milliseconds. Raises nothing.
    """
    return tuple(explained.variant for explained in _explained(_text(raw), today))


@dataclass(frozen=True, slots=True)
class _Explained:
    variant: Variant
    cost: int


def _explained(text: str, today: date | None) -> list[_Explained]:
    if len(text) > _LONGEST:
        return []

    found: dict[PackCode, _Explained] = {}
    tried: dict[str, int] = {}
    as_it_is = _parsed(text, today)
    for explanation in islice(_explanations(text), _MOST_TRIED):
        if tried.get(explanation.text, explanation.cost + 1) <= explanation.cost:
            continue
        tried[explanation.text] = explanation.cost
        code = _parsed(explanation.text, today)
        if code is None or code == as_it_is:
            continue
        if code not in found or explanation.cost < found[code].cost:
            variant = Variant(causes=explanation.causes, code=code, repaired=explanation.text)
            found[code] = _Explained(variant=variant, cost=explanation.cost)
    return sorted(found.values(), key=lambda explained: explained.cost)[:MOST_VARIANTS]


def _text(raw: str | bytes) -> str:
    if isinstance(raw, str):
        return raw
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _parsed(text: str, today: date | None) -> PackCode | None:
    try:
        return gs1.parse(text, today=today)
    except BadCode:
        return None


@dataclass(frozen=True, slots=True)
class _Explanation:
    """A text that may have been sent and what would have made another of it. The simpler explanation costs less."""

    text: str
    causes: tuple[ScannerCause, ...] = ()
    cost: int = 0

    def then(self, text: str, *causes: ScannerCause) -> "_Explanation":
        """With one more fault, or none, undone."""
        price = sum(_PRICES.get(cause, 2) for cause in causes)
        return _Explanation(text=text, causes=(*self.causes, *causes), cost=self.cost + price)

    def then_once(self, text: str) -> "_Explanation":
        """With the half taken of a text whose halves are equal: there is hardly another way to explain that."""
        return _Explanation(text=text, causes=(*self.causes, ScannerCause.SCANNED_TWICE), cost=self.cost + 1)


# Two for a fault, but that junk and a second code explain anything, and a separator may be lost nearly anywhere.
_PRICES = {ScannerCause.LEADING_JUNK: 4, ScannerCause.SCANNED_TWICE: 4, ScannerCause.SEPARATOR_LOST: 3}


def _explanations(text: str) -> Iterator[_Explanation]:
    """What may have been sent; the same text may come twice."""
    for arrived in _marks_undone(_Explanation(text)):
        for typed in _typed(arrived):
            if _PLAUSIBLE.search(typed.text):
                for framed in _unframed(typed):
                    yield from (found for found in _separated(framed) if found.causes)


_PLAUSIBLE = re.compile(r"01[0-9]{14}|9N11[0-9]{10}|8[0-9]{19}|https?://", re.IGNORECASE)

# -- keyboards ----------------------------------------------------------------------------------------------------

# A character's place in these rows is its key: the row of digits, three rows of letters (the last key of the third is
# the one left of or above Return, the first of the fourth the one that only keyboards with 102 keys have). The second
# line is with shift, the third with AltGr; a middle dot stands where a key types nothing.
_US = r"""
    `1234567890-= qwertyuiop[] asdfghjkl;'\ \zxcvbnm,./
    ~!@#$%^&*()_+ QWERTYUIOP{} ASDFGHJKL:"| |ZXCVBNM<>?
    ············· ············ ············ ···········
"""
_GERMAN = r"""
    ^1234567890ß´ qwertzuiopü+ asdfghjklöä# <yxcvbnm,.-
    °!"§$%&/()=?` QWERTZUIOPÜ* ASDFGHJKLÖÄ' >YXCVBNM;:_
    ··²³···{[]}\· @·€········~ ············ |······µ···
"""
_FRENCH = r"""
    ²&é"'(-è_çà)= azertyuiop^$ qsdfghjklmù* <wxcvbn,;:!
    ·1234567890°+ AZERTYUIOP¨£ QSDFGHJKLM%µ >WXCVBN?./§
    ··~#{[|`\^@]} ··€········¤ ············ ···········
"""
KEYBOARDS = {
    name: tuple("".join(row.split()) for row in rows.strip().splitlines())
    for name, rows in (("us", _US), ("qwertz", _GERMAN), ("azerty", _FRENCH))
}
"""Three rows of characters for each keyboard, plain, shifted and with AltGr, the keys in one order."""

# Caps lock of Windows acts as a shift lock on German and French keyboards, on all keys but these.
_NOT_LOCKED = {"us": "", "qwertz": "^´<-", "azerty": "²^<"}
_ACCENT = {"̀": "`", "́": "´", "̂": "^", "̈": "¨"}

_SENT = "".join(map(chr, range(0x21, 0x7F)))


@unique
class _Caps(Enum):
    OFF = "off"
    LETTERS = "letters"
    SHIFT_LOCK = "shift-lock"


@dataclass(frozen=True, slots=True)
class _Setting:
    scanner: str
    host: str
    caps: _Caps
    keypad: bool

    @property
    def causes(self) -> tuple[ScannerCause, ...]:
        layout = () if self.scanner == self.host else (ScannerCause(f"{self.scanner}-on-{self.host}"),)
        return layout if self.caps is _Caps.OFF else (*layout, ScannerCause.CAPS_LOCK)


@cache
def _settings() -> tuple[_Setting, ...]:
    """Every wrong setting, those with one fault first."""
    every = [
        _Setting(scanner=scanner, host=host, caps=caps, keypad=keypad)
        for scanner in KEYBOARDS
        for host in KEYBOARDS
        for caps in _Caps
        for keypad in (False, True)
        if not (host == "us" and caps is _Caps.SHIFT_LOCK)
    ]
    return tuple(sorted((setting for setting in every if setting.causes), key=lambda setting: len(setting.causes)))


@cache
def _arrives(setting: _Setting) -> Mapping[str, str]:
    """What arrives at the host for each character that the scanner sends; nothing may arrive."""
    scanner, host = KEYBOARDS[setting.scanner], KEYBOARDS[setting.host]
    arriving: dict[str, str] = {}
    for character in _SENT:
        if setting.keypad and character.isdecimal():
            arriving[character] = character
            continue
        for level, row in enumerate(scanner):
            if character in row:
                key = row.index(character)
                arriving[character] = host[_level(setting, key, level)][key].replace("·", "")
                break
    return arriving


def _level(setting: _Setting, key: int, level: int) -> int:
    """0 plain, 1 shifted, 2 with AltGr, as the host sees it with its caps lock."""
    host = KEYBOARDS[setting.host]
    plain, shifted = host[0][key], host[1][key]
    letter = plain.isalpha() and plain.upper() == shifted
    locked = letter or (setting.caps is _Caps.SHIFT_LOCK and plain not in _NOT_LOCKED[setting.host])
    if level == 2 or setting.caps is _Caps.OFF or not locked:
        return level
    return 1 - level


@cache
def _was(setting: _Setting) -> Mapping[str, str]:
    """The inverse of `_arrives`; where two characters arrive as one, the likelier in a code is given."""
    inverse: dict[str, str] = {}
    for sent, arrived in sorted(_arrives(setting).items(), key=lambda pair: _likelihood(pair[0])):
        inverse[arrived] = sent
    inverse.pop("", None)
    return inverse


def _likelihood(sent: str) -> int:
    if sent.isdecimal():
        return 3
    return 1 if sent in "<>" else 2 * (_TEXT_82.form.fullmatch(sent) is not None)


def _typed(arrived: _Explanation) -> Iterator[_Explanation]:
    """The text, and what a scanner in each wrong setting would have sent for it to arrive."""
    yield arrived
    seen = {arrived.text: 0}
    for setting in _settings():
        sent = _undone(arrived.text, setting)
        # Digits by the keypad are a setting that few scanners have: an explanation without it is the simpler one.
        cost = arrived.cost + 2 * len(setting.causes) + setting.keypad
        causes = (*setting.causes, *arrived.causes)
        if sent is None:
            continue
        if seen.get(sent, cost + 1) > cost:
            seen[sent] = cost
            yield _Explanation(sent, causes=causes, cost=cost)
        if _arrives(setting)["]"] == "" and (prefix := _BROKEN_PREFIX.match(sent)):
            yield _Explanation(sent[prefix.end() :], causes=causes, cost=cost)


def _undone(text: str, setting: _Setting) -> str | None:
    was = _was(setting)
    sent = []
    for character in text:
        if character in was:
            sent.append(was[character])
        elif character <= " ":
            sent.append(character)
        else:
            # A dead key and the letter after it have become one character.
            base, *accents = list(unicodedata.normalize("NFD", character))
            keys = [_ACCENT.get(accent, "·") for accent in accents] + [base]
            if not accents or any(key not in was for key in keys):
                return None
            sent += [was[key] for key in keys]
    return "".join(sent)


# -- what stands around a code ------------------------------------------------------------------------------------

_AROUND = "".join(map(chr, range(0x1D))).replace(EOT, "") + "\x1f \x7f"
_PREFIXES = re.compile(r"(?:\][A-Za-z][0-9]){2,}")
_LONE_PREFIX = re.compile(r"\][A-Za-z][0-9]")
_BROKEN_PREFIX = re.compile(r"[CdQe][0-9](?=[0-9])")
_START = re.compile(r"\][A-Za-z][0-9]|01[0-9]{14}|\[\)>|https?://|(?<![0-9])8[0-9]{19}")
_BETWEEN = ";,|#" + GS
_MOST_STARTS = 8


def _unframed(typed: _Explanation) -> Iterator[_Explanation]:
    """What was typed, and what is left of it without what a scanner or an operator may have put around."""
    text = typed.text
    bare = text.strip(_AROUND)
    if bare != text:
        around = ScannerCause.LINE_END if text.startswith(bare[:1]) else ScannerCause.LEADING_CONTROL
        typed = typed.then(bare, around)
    yield typed

    if doubled := _PREFIXES.match(bare):
        yield typed.then(bare[doubled.end() - 3 :], ScannerCause.PREFIX_DOUBLED)
    for prefix in (_LONE_PREFIX, _BROKEN_PREFIX):
        if match := prefix.match(bare):
            yield typed.then(bare[match.end() :], ScannerCause.LEADING_JUNK)
    if bare.startswith(GS):
        yield typed.then(bare.lstrip(GS), ScannerCause.LEADING_CONTROL)

    for gap in range(3):
        half = (len(bare) - gap) // 2
        if bare[:half] == bare[half + gap :] and not bare[half : half + gap].strip(_AROUND + _BETWEEN):
            yield typed.then_once(bare[:half])
    for start in islice(_START.finditer(bare), _MOST_STARTS):
        if at := start.start():
            yield from _two_parts(typed, at)


def _two_parts(typed: _Explanation, at: int) -> Iterator[_Explanation]:
    head, tail = typed.text[:at].rstrip(_AROUND + _BETWEEN), typed.text[at:]
    if _PLAUSIBLE.search(head):
        yield typed.then(head, ScannerCause.SCANNED_TWICE)
        yield typed.then(tail, ScannerCause.SCANNED_TWICE)
    else:
        yield typed.then(tail, ScannerCause.LEADING_JUNK)


# -- separators ---------------------------------------------------------------------------------------------------

# How a group separator, a record separator and an end of transmission look as text, one way of showing them a line.
_MARKS = (
    ("<GS>", "<RS>", "<EOT>"),
    ("{GS}", "{RS}", "{EOT}"),
    ("[GS]", "[RS]", "[EOT]"),
    ("(GS)", "(RS)", "(EOT)"),
    ("␝", "␞", "␄"),
    ("^]", "^^", "^D"),
    ("\\x1d", "\\x1e", "\\x04"),
    ("\\u001d", "\\u001e", "\\u0004"),
    ("\\035", "\\036", "\\004"),
    ("<0x1d>", "<0x1e>", "<0x04>"),
    ("<1d>", "<1e>", "<04>"),
    ("[1d]", "[1e]", "[04]"),
    ("{1d}", "{1e}", "{04}"),
    ("%1d", "%1e", "%04"),
    ("&#29;", "&#30;", "&#4;"),
    ("&#x1d;", "&#x1e;", "&#x4;"),
    ("~d029", "~d030", "~d004"),
    ("~029", "~030", "~004"),
    ("<fnc1>", "<rs>", "<eot>"),
    ("{fnc1}", "{rs}", "{eot}"),
    ("[fnc1]", "[rs]", "[eot]"),
    ("<f8>", "<f9>", "<f10>"),
    ("{f8}", "{f9}", "{f10}"),
    ("[f8]", "[f9]", "[f10]"),
    ("~1", "~2", "~3"),
    ("\\f", "\\r", "\\e"),
    ("↔", "▲", "♦"),
    ("|", "|", "|"),
    ("#", "#", "#"),
    ("@", "@", "@"),
    ("~", "~", "~"),
    ("^", "^", "^"),
    ("¬", "¬", "¬"),
    ("\\", "\\", "\\"),
    ("\ufffd", "\ufffd", "\ufffd"),
    ("\t", "\t", "\t"),
    (" ", " ", " "),
    ("\x1c", "\x1e", "\x04"),
)


@cache
def _mark_pattern(mark: str) -> re.Pattern[str]:
    return re.compile(re.escape(mark), re.IGNORECASE)


def _separated(framed: _Explanation) -> Iterator[_Explanation]:
    """The text, and with its visible separators made real, or with lost ones put where they may have been."""
    yield framed
    yield from _whole_envelopes(framed)
    if GS not in framed.text:
        yield from _respaced(framed)

    if ScannerCause.SEPARATOR_VISIBLE not in framed.causes:
        for marked in _marks_undone(framed):
            if marked is not framed:
                yield marked.then(marked.text.strip(GS))
                yield from _whole_envelopes(marked)


def _marks_undone(shown: _Explanation) -> Iterator[_Explanation]:
    """The text, and it with separators for each way of writing them that stands in it.

    A scanner types such a mark by the same keys as the code; a driver at the host puts it in as it is.
    """
    yield shown
    folded = shown.text.lower()
    for group, record, end in _MARKS:
        if group.lower() in folded:
            marked = _mark_pattern(group).sub(GS, shown.text)
            marked = _mark_pattern(end).sub(EOT, _mark_pattern(record).sub(RS, marked))
            yield shown.then(marked, ScannerCause.SEPARATOR_VISIBLE)


def _respaced(framed: _Explanation) -> Iterator[_Explanation]:
    """A scanner that loses one separator loses all: a code without any is split in every way that gives a code."""
    prefix = framed.text[:3] if framed.text.startswith("]") else ""
    splits = islice(_splits(framed.text[len(prefix) :], _GS1_PARTS), MOST_VARIANTS)
    for parts in sorted(splits, key=len, reverse=True):
        yield framed.then(prefix + GS.join(parts), ScannerCause.SEPARATOR_LOST)


_ENVELOPE_HEAD = re.compile(
    # A digit for the bracket is what a scanner that types digits by the keypad makes of it.
    r"(?P<clean>(?:\][dQ][0-9])?\[?[)0-9]?>?[\x1e\x1d]?(?:06)?\x1d?(?=9N|1T|16D|8P|D|S))|.{0,12}?(?=9N11[0-9]{10})",
    re.DOTALL,
)


def _whole_envelopes(framed: _Explanation) -> Iterator[_Explanation]:
    """What may have been PPN codes, before their envelope or separators were lost."""
    head = _ENVELOPE_HEAD.match(framed.text)
    if head is None or "9N" not in framed.text:
        return

    body = framed.text[head.end() :].rstrip(RS + EOT + GS)
    if head["clean"] is None:
        framed = framed.then(framed.text, ScannerCause.LEADING_JUNK)
    if GS in body:
        whole = national.HEAD + body + national.TAIL
        # Separators that were visible explain what happened to the envelope's own control characters.
        visible = ScannerCause.SEPARATOR_VISIBLE in framed.causes
        yield framed.then(whole) if visible else framed.then(whole, ScannerCause.ENVELOPE_LOST)
        return
    for parts in islice(_splits(body, _IFA_PARTS), MOST_VARIANTS):
        lost = ScannerCause.SEPARATOR_LOST if len(parts) > 1 else ScannerCause.ENVELOPE_LOST
        yield framed.then(national.HEAD + GS.join(parts) + national.TAIL, lost)


@dataclass(frozen=True, slots=True)
class _Part:
    """An element as a pattern: `form` matches a whole value, `shortest` to `longest` characters of it."""

    form: re.Pattern[str]
    shortest: int
    longest: int


_DAY = _Part(re.compile(r"[0-9]{2}(?:0[1-9]|1[0-2])(?:[0-2][0-9]|3[01])"), 6, 6)
_TEXT_82 = _Part(re.compile(r"[!\"%-?A-Z_a-z]+"), 1, 20)
_TEXT_IFA = _Part(re.compile(r"[-0-9A-Z_a-z]+"), 1, 20)

_GS1_PARTS = {"01": _Part(re.compile(r"[0-9]{14}"), 14, 14), "17": _DAY, "11": _DAY, "10": _TEXT_82, "21": _TEXT_82} | {
    str(ai): _TEXT_82 for ai in range(710, 718)
}
_IFA_PARTS = {"9N": _Part(re.compile(r"11[0-9]{10}"), 12, 12), "D": _DAY, "1T": _TEXT_IFA, "S": _TEXT_IFA}


def _splits(text: str, parts: Mapping[str, _Part]) -> Iterator[list[str]]:
    """Every way to cut `text` into different elements, each given with its identifier."""
    if not text:
        yield []
        return
    for identifier, part in parts.items():
        if not text.startswith(identifier):
            continue
        rest = {name: other for name, other in parts.items() if not _same_kind(name, identifier)}
        for length in range(part.shortest, min(part.longest, len(text) - len(identifier)) + 1):
            stop = len(identifier) + length
            if part.form.fullmatch(text, len(identifier), stop):
                for others in _splits(text[stop:], rest):
                    yield [text[:stop], *others]


def _same_kind(name: str, identifier: str) -> bool:
    return name == identifier or (len(name) == 3 and len(identifier) == 3)


# -- the scanner's self-test --------------------------------------------------------------------------------------

SELF_TEST = "THERIAC aAmMqQwWyYzZ 0123456789 -/:;_.,!?() " + GS + "theriac"
"""To be printed as a plain DataMatrix or QR code: what arrives when it is scanned tells how the scanner is set."""


def diagnose_self_test(arrived: str) -> frozenset[ScannerCause] | None:
    """What is set wrong, by the scan of `SELF_TEST`: nothing if the set is empty; None if it cannot be told."""
    line = arrived.strip(_AROUND)
    line = line[3:] if line[:1] == "]" and line[1:3] in ("d1", "Q1") else line
    for separator, causes in _separator_tests():
        if line == SELF_TEST.replace(GS, separator):
            return causes
    for setting in _settings():
        for separator, causes in _separator_tests():
            if line.endswith(_through(SELF_TEST, setting).replace(GS, separator)):
                return causes | frozenset(setting.causes)
    return None


def _separator_tests() -> Iterator[tuple[str, frozenset[ScannerCause]]]:
    yield GS, frozenset()
    yield "", frozenset({ScannerCause.SEPARATOR_LOST})
    for group, _, _ in _MARKS:
        yield group, frozenset({ScannerCause.SEPARATOR_VISIBLE})


def _through(text: str, setting: _Setting) -> str:
    """What arrives for a text that has no character which a dead key types."""
    arrives = _arrives(setting)
    return "".join(arrives.get(character, character) for character in text)
