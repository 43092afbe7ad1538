"""Three keyboards by scan code, written down from the layouts themselves, and what a text becomes between two of them.

Nothing here comes from the code under test: that one has tables of its own in another shape.
"""

from dataclasses import dataclass

# First scan code of a run of keys, what the keys type plain, and with shift.
_RUNS = {
    "us": [
        (0x56, "\\", "|"),
        (0x29, "`", "~"),
        (0x02, "1234567890-=", "!@#$%^&*()_+"),
        (0x10, "qwertyuiop[]", "QWERTYUIOP{}"),
        (0x1E, "asdfghjkl;'", 'ASDFGHJKL:"'),
        (0x2B, "\\", "|"),
        (0x2C, "zxcvbnm,./", "ZXCVBNM<>?"),
    ],
    "qwertz": [
        (0x29, "^", "°"),
        (0x02, "1234567890ß´", '!"§$%&/()=?`'),
        (0x10, "qwertzuiopü+", "QWERTZUIOPÜ*"),
        (0x1E, "asdfghjklöä", "ASDFGHJKLÖÄ"),
        (0x2B, "#", "'"),
        (0x56, "<", ">"),
        (0x2C, "yxcvbnm,.-", "YXCVBNM;:_"),
    ],
    "azerty": [
        (0x29, "²", ""),
        (0x02, "&é\"'(-è_çà)=", "1234567890°+"),
        (0x10, "azertyuiop^$", "AZERTYUIOP¨£"),
        (0x1E, "qsdfghjklmù", "QSDFGHJKLM%"),
        (0x2B, "*", "µ"),
        (0x56, "<", ">"),
        (0x2C, "wxcvbn,;:!", "WXCVBN?./§"),
    ],
}
_ALT_GR = {
    "us": {},
    "qwertz": {0x10: "@", 0x08: "{", 0x09: "[", 0x0A: "]", 0x0B: "}", 0x0C: "\\", 0x1B: "~", 0x56: "|"},
    "azerty": {0x03: "~", 0x04: "#", 0x05: "{", 0x06: "[", 0x07: "|", 0x08: "`", 0x09: "\\", 0x0A: "^", 0x0B: "@"}
    | {0x0C: "]", 0x0D: "}"},
}
_DEAD = {"us": "", "qwertz": "^´`", "azerty": "^¨"}
_JOINED = {
    "´": dict(zip("aeiouyAEIOUY", "áéíóúýÁÉÍÓÚÝ", strict=True)),
    "`": dict(zip("aeiouAEIOU", "àèìòùÀÈÌÒÙ", strict=True)),
    "^": dict(zip("aeiouAEIOU", "âêîôûÂÊÎÔÛ", strict=True)),
    "¨": dict(zip("aeiouAEIOU", "äëïöüÄËÏÖÜ", strict=True)),
}


@dataclass(frozen=True)
class _Key:
    scan: int
    modifier: str


@dataclass(frozen=True)
class Wiring:
    """How scanner and host are set. `caps` is off, letters, or all (Windows locks the digits of two keyboards too)."""

    scanner: str
    host: str
    caps: str = "off"
    keypad: bool = False

    @property
    def causes(self) -> list[str]:
        layout = [] if self.scanner == self.host else [f"{self.scanner}-on-{self.host}"]
        return layout if self.caps == "off" else [*layout, "caps-lock"]


def _keys(name: str) -> dict[str, _Key]:
    keys: dict[str, _Key] = {}
    for first, plain, shifted in _RUNS[name]:
        keys |= {character: _Key(first + place, "shift") for place, character in enumerate(shifted)}
        keys |= {character: _Key(first + place, "plain") for place, character in enumerate(plain)}
    return {character: _Key(scan, "altgr") for scan, character in _ALT_GR[name].items() if character not in keys} | keys


_KEYS = {name: _keys(name) for name in _RUNS}
_TYPES = {name: {key: character for character, key in keys.items()} for name, keys in _KEYS.items()}


def _shifts(wiring: Wiring, scan: int) -> bool:
    """Whether caps lock turns this key's shift round at the host."""
    plain = _TYPES[wiring.host].get(_Key(scan, "plain"), "")
    shifted = _TYPES[wiring.host].get(_Key(scan, "shift"), "")
    if plain.isalpha() and plain.upper() == shifted:
        return wiring.caps != "off"
    return wiring.caps == "all" and plain not in {"us": "", "qwertz": "^´<-", "azerty": "²^<"}[wiring.host]


def _pressed(character: str, wiring: Wiring) -> str:
    if wiring.keypad and character.isdecimal():
        return character
    key = _KEYS[wiring.scanner].get(character)
    if key is None:
        return character if character <= " " else ""
    if key.modifier == "altgr":
        return _ALT_GR[wiring.host].get(key.scan, "")
    turned = {"plain": "shift", "shift": "plain"}[key.modifier] if _shifts(wiring, key.scan) else key.modifier
    # On a US host caps lock never touches what is no letter.
    return _TYPES[wiring.host].get(_Key(key.scan, turned), "")


def typed(text: str, wiring: Wiring) -> str:
    """What arrives at the host, dead keys joined to the letter that follows them."""
    arrived, dead = "", ""
    for character in text:
        got = _pressed(character, wiring)
        if dead and got in _JOINED[dead]:
            arrived, dead = arrived + _JOINED[dead][got], ""
        elif got and got in _DEAD[wiring.host] and not dead:
            dead = got
        elif got:
            arrived, dead = arrived + dead + got, ""
    return arrived + dead


def check_digit(digits: str) -> str:
    """GS1's, the long way round: sum the digits by threes and ones from the right, and add up to a ten."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        total += int(digit) * (3, 1)[place % 2]
    return str((10 - total % 10) % 10)
