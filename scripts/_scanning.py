"""What a scan reads, and what it says of it: codes from a scanner, from pictures and from a folder that fills."""

import json
import os
import re
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import click

from scripts._cli import Failure, cleaned, failure_of, printable
from theriac.errors import BadInput
from theriac.medicine.counter import Dispense, Standing
from theriac.medicine.scanner import Cause, Verdict

PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp", ".gif")
"""What a file's name ends with that is looked into for square codes."""

GENUINE, UNREADABLE, REFUSED = 0, 2, 3
"""Exit codes, the worst last: all genuine, something could not be read, some pack must not be dispensed."""

_LINE_ENDS = re.compile(rb"[\r\n]")
_LONGEST_LINE = 8192
_LOOK_EVERY = 0.2
_GIVEN_UP_AFTER = 2.0


@dataclass(frozen=True)
class Read:
    """One code as it was read, and from which file; `trouble` where a file gave none."""

    raw: str | bytes = b""
    source: str = ""
    trouble: str = ""


# -- from a scanner --------------------------------------------------------------------------------------------------


def from_scanner(stream: BinaryIO) -> Iterator[Read]:
    """The lines of a keyboard-wedge scanner, each as soon as its end was sent, whichever end that is."""
    with _every_key(stream) as typed:
        if typed:
            click.echo("Scan packs; Ctrl-D ends it.", err=True)
        for line in _lines(_parts(stream), typed=typed):
            yield Read(line)


def _parts(stream: BinaryIO) -> Iterator[bytes]:
    """What arrives, as it arrives."""
    try:
        handle = stream.fileno()
    except (AttributeError, OSError):
        yield from iter(lambda: stream.read(4096), b"")
        return
    while part := os.read(handle, 4096):
        yield part


def _lines(parts: Iterable[bytes], *, typed: bool) -> Iterator[bytes]:
    line, too_long = bytearray(), False
    for part in parts:
        *ended, rest = _LINE_ENDS.split(part)
        for piece in ended:
            line += piece
            if line and not too_long:
                yield _corrected(line) if typed else bytes(line)
            line, too_long = bytearray(), False
        if typed and not line and rest == b"\x04":
            return
        line += rest
        if len(line) > _LONGEST_LINE and not too_long:
            # Nobody's code: it is refused as one line, however long it goes on.
            yield bytes(line[:_LONGEST_LINE])
            too_long = True
        if too_long:
            line.clear()
    if line:
        yield bytes(line)


def _corrected(line: bytearray) -> bytes:
    """A line as somebody typed it who used the backspace key."""
    found = bytearray()
    for letter in line:
        if letter in (0x08, 0x7F):
            found = found[:-1]
        else:
            found.append(letter)
    return bytes(found)


@contextmanager
def _every_key(stream: BinaryIO) -> Iterator[bool]:
    """Lets every control character of a code through a terminal but Ctrl-C; whether it is one.

    A terminal takes several of them for commands: the end of a PPN's envelope is its end of input.
    """
    try:
        handle = stream.fileno()
        is_terminal = os.isatty(handle)
    except (AttributeError, OSError):
        is_terminal = False
    if not is_terminal:
        yield False
        return
    import termios

    before = termios.tcgetattr(handle)
    now = termios.tcgetattr(handle)
    now[0] &= ~termios.IXON
    now[3] &= ~(termios.ICANON | termios.IEXTEN)
    for key in (termios.VQUIT, termios.VSUSP):
        now[6][key] = b"\0"
    now[6][termios.VMIN], now[6][termios.VTIME] = 1, 0
    termios.tcsetattr(handle, termios.TCSADRAIN, now)
    try:
        yield True
    finally:
        termios.tcsetattr(handle, termios.TCSADRAIN, before)


# -- from pictures ---------------------------------------------------------------------------------------------------


def from_picture(path: Path) -> list[Read]:
    """The codes in a picture, or why there are none."""
    from theriac.medicine.symbols import read_symbols

    try:
        found = read_symbols(path)
    except BadInput as fault:
        return [Read(source=str(path), trouble=str(fault))]
    if not found:
        return [Read(source=str(path), trouble="There is no square code in this picture; take it again, closer.")]
    return [Read(text, str(path)) for text in found]


def from_words(words: Iterable[str]) -> Iterator[Read]:
    """What is named on a command line: codes, pictures, and `-` for standard input."""
    for word in words:
        if word == "-":
            yield from from_scanner(click.get_binary_stream("stdin"))
        elif _is_picture(word):
            yield from from_picture(Path(word))
        else:
            yield Read(word)


def _is_picture(word: str) -> bool:
    if "\0" in word or len(word) > 4096:
        return False
    return word.lower().endswith(PICTURES) or os.path.isfile(word)


@dataclass
class _Seen:
    """A file in a folder that fills, as it was when it was looked at last."""

    size: int
    changed: int
    since: float
    done: bool = False


def from_folder(folder: Path, *, idle: float | None = None) -> Iterator[Read]:
    """The codes in the pictures of a folder, each file once, as soon as it is whole; those that lie there first.

    A file is whole when it did not change between two looks and can be read; one that cannot be read is given up after
    two seconds without a change. Ends when nothing came for `idle` seconds, or never.
    """
    seen: dict[tuple[str, int], _Seen] = {}
    last = time.monotonic()
    while True:
        found = list(_newly_whole(folder, seen))
        for path, mark, overdue in found:
            reads = from_picture(path)
            if reads[0].trouble and not overdue:
                continue
            mark.done = True
            last = time.monotonic()
            yield from reads
        waiting = any(not mark.done for mark in seen.values())
        if idle is not None and not waiting and time.monotonic() - last >= idle:
            return
        time.sleep(_LOOK_EVERY)


def _newly_whole(folder: Path, seen: dict[tuple[str, int], _Seen]) -> Iterator[tuple[Path, _Seen, bool]]:
    """Files that did not change since the last look, and whether they are so for long."""
    there = {}
    for entry in _entries(folder):
        try:
            about = entry.stat()
        except OSError:
            continue
        there[entry.name, about.st_ino] = about
        mark = seen.get((entry.name, about.st_ino))
        now = time.monotonic()
        if mark is None or (mark.size, mark.changed) != (about.st_size, about.st_mtime_ns):
            seen[entry.name, about.st_ino] = _Seen(about.st_size, about.st_mtime_ns, now)
        elif not mark.done and about.st_size:
            yield Path(entry.path), mark, now - mark.since >= _GIVEN_UP_AFTER
        elif not mark.done and now - mark.since >= _GIVEN_UP_AFTER:
            yield Path(entry.path), mark, True
    for gone in seen.keys() - there.keys():
        del seen[gone]


def _entries(folder: Path) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as entries:
            found = [each for each in entries if each.name.lower().endswith(PICTURES) and each.name[0] != "."]
            return sorted((each for each in found if each.is_file()), key=lambda each: each.name)
    except OSError as fault:
        raise Failure(f"{folder} cannot be read: {fault.strerror}; name another folder with --watch.") from None


# -- saying it -------------------------------------------------------------------------------------------------------

_COLOURS = {GENUINE: "green", UNREADABLE: "yellow", REFUSED: "bright_red"}


def code_of(cause: Cause | None) -> int:
    """The exit code that a cause asks for; None where no code was read."""
    if cause is Cause.GENUINE:
        return GENUINE
    return UNREADABLE if cause in (None, Cause.SCANNER, Cause.NO_CODE) else REFUSED


@dataclass
class Saying:
    """One line for each verdict, to people or to programs, and what all of them come to.

    Several threads may say something.
    """

    as_json: bool
    worst: int = GENUINE
    counts: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def verdict(self, read: Read, verdict: Verdict | None, *, online: bool, dispensed: bool = False) -> None:
        """Says a verdict, or why there was no code to judge."""
        cause = verdict.cause if verdict else None
        self._count(cause.value if cause else Cause.NO_CODE.value, code_of(cause))
        if self.as_json:
            self._json({**told(read, verdict), "online": online, "dispensed": dispensed})
            return
        word = click.style(f"{'dispensed' if dispensed else _word(cause):<20}", fg=_COLOURS[code_of(cause)], bold=True)
        source = f"{printable(read.source)}: " if read.source else ""
        code = f"{shown(verdict)}: " if verdict and verdict.code else ""
        sentence = verdict.sentence if verdict else read.trouble
        if dispensed:
            sentence = "Genuine, and dispensed now."
        self.line(f"{word} {source}{code}{cleaned(sentence)}")

    def closed(self, dispense: Dispense, *, quiet: bool = False) -> None:
        """Says what became of a dispense that waited."""
        refused = dispense.refusal is not None
        self._count("conflict" if refused else "settled", REFUSED if refused else GENUINE)
        if self.as_json:
            self._json(settled(dispense))
        elif refused and dispense.refusal is not None:
            word = click.style(f"{'conflict':<20}", fg="bright_red", bold=True)
            self.line(f"{word} {printable(dispense.label)}: {dispense.refusal.sentence} ({cleaned(dispense.detail)})")
        elif not quiet:
            self.line(f"{'settled':<20} {printable(dispense.label)}: transaction {dispense.detail}")

    def note(self, sentence: str) -> None:
        """Says something that is no verdict, on standard error."""
        with self._lock:
            click.echo(cleaned(sentence), err=True)

    def line(self, text: str) -> None:
        with self._lock:
            click.echo(text)
            sys.stdout.flush()

    def _json(self, values: dict[str, Any]) -> None:
        self.line(json.dumps(values))

    def _count(self, word: str, code: int) -> None:
        with self._lock:
            self.counts[word] = self.counts.get(word, 0) + 1
            self.worst = max(self.worst, code)


def _word(cause: Cause | None) -> str:
    return (cause or Cause.NO_CODE).value


def shown(verdict: Verdict) -> str:
    """A pack's code for people, nothing in it that a stranger's code could steer a terminal with."""
    code = verdict.code
    if code is None:
        return ""
    more = [f"lot {code.lot}" if code.lot else "", f"expires {code.expiry}" if code.expiry else ""]
    about = ", ".join(each for each in more if each)
    return printable(f"{code.product} {code.serial}") + (printable(f" ({about})") if about else "")


def told(read: Read, verdict: Verdict | None) -> dict[str, Any]:
    """A verdict for programs."""
    code, pack = (verdict.code, verdict.pack) if verdict else (None, None)
    return {
        "cause": _word(verdict.cause if verdict else None),
        "sentence": cleaned(verdict.sentence if verdict else read.trouble),
        "may_be_dispensed": bool(verdict and verdict.may_be_dispensed),
        "is_alarm": bool(verdict and verdict.cause.is_alarm),
        "scanner": [each.value for each in verdict.scanner] if verdict else [],
        "scheme": code.scheme.value if code else None,
        "product": code.product if code else None,
        "serial": code.serial if code else None,
        "lot": code.lot if code else None,
        "expiry": code.expiry.isoformat() if code and code.expiry else None,
        "batch": pack.batch.hex() if pack else None,
        "index": pack.index if pack else None,
        "holder": verdict.holder or None if verdict else None,
        "source": read.source or None,
    }


def settled(dispense: Dispense) -> dict[str, Any]:
    """What became of a dispense, for programs."""
    return {
        "standing": dispense.standing.value,
        "pack": dispense.label,
        "batch": dispense.pack.batch.hex(),
        "index": dispense.pack.index,
        "at": dispense.at.isoformat(),
        "account": dispense.account,
        "refusal": dispense.refusal.value if dispense.refusal else None,
        "sentence": dispense.refusal.sentence if dispense.refusal else None,
        "transaction": dispense.detail if dispense.standing is Standing.SETTLED else None,
        "detail": cleaned(dispense.detail) if dispense.standing is Standing.CONFLICT else None,
    }


def sentence_of(trouble: BaseException) -> str:
    """What a person is told of an error that does not end the work."""
    return failure_of(trouble).message
