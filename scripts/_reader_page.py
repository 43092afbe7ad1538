"""A reader's page: patients who granted, their records by class and date, and what is in one."""

import io
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC
from typing import Any

from aiohttp import web

from scripts._cli import Failure, cleaned
from scripts._desk import Desk as Acts
from scripts._desk import cut, word_in
from scripts._member import Desk
from scripts._options import shown_reader
from scripts._pages import Pages, Unfit
from theriac import fhir
from theriac.errors import NoBundle, NotGranted, TheriacError
from theriac.health.chain import Refusal
from theriac.health.legible import legible
from theriac.health.pictures import Picture, picture
from theriac.health.reader import Granted, Listed
from theriac.health.records import Manifest, Opened
from theriac.health.scope import PURPOSES, Purpose, words_of

LARGEST = 64 << 20
"""Bytes of a record that a page shows; what is larger is written to a file by `clinic open`."""

_EVERY = 30.0
"""Seconds without a wish after which the page looks whether something ended."""

_RECORDS = 2_000
"""The latest records that are listed."""

_NOTE = 200_000
"""Characters of a plain text that are shown."""


@dataclass(frozen=True)
class _Held:
    """A record that is open: its bytes stay in this process until another is opened, or it is closed."""

    number: str
    manifest: Manifest
    content: bytes
    shown: dict[str, Any]


class ReaderPage:
    """One reader's page, from its first link to its end."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._reader = desk.reader()
        self._chosen: tuple[str, str] | None = None
        self._held: _Held | None = None
        self._pictures: dict[int, Picture] = {}
        acts: dict[str, Callable[[Mapping[str, Any]], Any]] = {
            "look": self._look,
            "choose": self._choose,
            "open": self._open,
            "frame": self._frame,
            "close": self._close,
            "send": self._send,
        }
        shown = {name: self._shown_after(act) for name, act in acts.items()}
        self.acts = Acts(shown, every=_EVERY, idle=self._look_quietly)
        api = {"news": self.acts.news, "act": self.acts.ask, "content": self._content}
        policy = {"img-src": "'self' blob:", "frame-src": "blob:"}
        self.pages = Pages("reader.html", api, policy=policy)

    def run(self) -> None:
        """Shows what there is, and does what the page asks for until it is stopped."""
        self.acts.show(
            who=self._desk.person.settings.get("name") or self._desk.person.who,
            network=self._desk.site.name,
            account=self._desk.address,
            member=self._desk.member,
            purposes=[{"code": each.code, "words": each.words} for each in PURPOSES],
        )
        self._show()
        self.acts.wish("look")
        self.acts.work()

    def _shown_after(self, act: Callable[[Mapping[str, Any]], Any]) -> Callable[[Mapping[str, Any]], Any]:
        def done(values: Mapping[str, Any]) -> Any:
            try:
                return act(values)
            finally:
                self._show()

        return done

    # -- acts --------------------------------------------------------------------------------------------------------

    def _look(self, _: Mapping[str, Any]) -> None:
        """Reads the bundles of everyone who grants now."""
        for grant in self._reader.grants():
            if grant.refusal is Refusal.NONE:
                try:
                    self._reader.learn(grant.pseudonym)
                except NoBundle:
                    # One patient whose bundle is not to be had must not hide the others.
                    continue
        self._let_go()

    def _look_quietly(self, _: Mapping[str, Any]) -> None:
        self._look({})
        self._show()

    def _choose(self, values: Mapping[str, Any]) -> None:
        self._held = None
        self._chosen = (word_in(values, "pseudonym"), Purpose.parse(word_in(values, "purpose")).code)
        pseudonym, purpose = self._chosen
        if self._refusal(pseudonym, purpose) is Refusal.NONE:
            self._reader.learn(pseudonym)

    def _open(self, values: Mapping[str, Any]) -> None:
        if self._chosen is None:
            raise Failure("Choose a patient first.")
        self._held = None
        self._pictures.clear()
        pseudonym, purpose = self._chosen
        digest = word_in(values, "digest")
        known = {each.digest: each for each in self._listed()}
        if digest not in known:
            raise Failure("This record is not in the list any more; look for news.")
        if int(known[digest].summary.get("size", 0)) > LARGEST:
            raise Failure(f"This record has more than {LARGEST >> 20} MiB; write it to a file with 'clinic open'.")
        opened = self._reader.open(pseudonym, digest, purpose=Purpose.parse(purpose))
        content = _read(opened)
        shown = {
            "digest": digest,
            "class": opened.manifest.cls,
            "title": cut(opened.manifest.title, 200),
            "type": opened.manifest.type,
            "size": opened.manifest.size,
            "date": opened.manifest.date[:25],
            "place": cut(opened.manifest.place, 200),
            "author": opened.manifest.member,
            "reported": opened.manifest.reported,
            "anchored": known[digest].anchored,
        }
        number = secrets.token_hex(8)
        self._held = _Held(number, opened.manifest, content, {**shown, "number": number, **self._inside(content)})

    def _inside(self, content: bytes) -> dict[str, Any]:
        """What a record shows of itself; what cannot be shown can still be saved."""
        manifest_type = self._kind(content)
        if manifest_type == "fhir":
            try:
                found = legible(fhir.parse(content))
            except TheriacError as fault:
                return {"kind": "file", "fault": str(fault)}
            rows = [asdict(row) for row in found.rows]
            return {"kind": "fhir", "resource": found.type, "rows": rows, "cautions": list(found.cautions)}
        if manifest_type == "image":
            return self._image(content, 1)
        if manifest_type == "text":
            return {"kind": "text", "text": cleaned_lines(content.decode("utf-8", "replace")[:_NOTE])}
        return {"kind": manifest_type}

    @staticmethod
    def _kind(content: bytes) -> str:
        """By the bytes, not by what a manifest says they are."""
        if content.startswith(b"%PDF-"):
            return "pdf"
        if content[128:132] == b"DICM":
            return "image"
        if content.lstrip()[:1] == b"{":
            return "fhir"
        try:
            text = content.decode()
        except UnicodeDecodeError:
            return "file"
        return "text" if all(each.isprintable() or each in "\n\r\t\ufeff" for each in text) else "file"

    def _image(self, content: bytes, frame: int) -> dict[str, Any]:
        try:
            found = picture(content, frame=frame)
        except TheriacError as fault:
            return {"kind": "file", "fault": str(fault)}
        self._pictures = {frame: found}
        return {
            "kind": "image",
            "width": found.width,
            "height": found.height,
            "frame": found.frame,
            "frames": found.frames,
        }

    def _frame(self, values: Mapping[str, Any]) -> None:
        held, frame = self._held, values.get("frame")
        if held is None or held.number != values.get("number") or not isinstance(frame, int):
            raise Failure("This record is not open any more; open it again.")
        shown = self._image(held.content, frame)
        if shown["kind"] != "image":
            raise Failure(str(shown["fault"]))
        held.shown.update(shown)

    def _close(self, _: Mapping[str, Any]) -> None:
        self._held = None
        self._pictures.clear()

    def _send(self, _: Mapping[str, Any]) -> dict[str, int]:
        """Logs the receipts that wait, and tells the patients."""
        desk = self._desk
        sent = self._reader.book.send(desk.site.sender(desk.alias), desk.site.store)
        return {"logged": sent.logged, "letters": sent.letters}

    # -- what is shown -----------------------------------------------------------------------------------------------

    def _refusal(self, pseudonym: str, purpose: str) -> Refusal:
        found = [
            each.refusal
            for each in self._reader.grants()
            if (each.pseudonym, each.purpose.code) == (pseudonym, purpose)
        ]
        return Refusal.NONE if Refusal.NONE in found else next(iter(found), Refusal.NO_GRANT)

    def _let_go(self) -> None:
        """A record of a patient who ended the grant is not shown any longer, though it was read."""
        if self._chosen is not None and self._refusal(*self._chosen) is not Refusal.NONE:
            self._close({})

    def _listed(self) -> list[Listed]:
        if self._chosen is None:
            return []
        pseudonym, purpose = self._chosen
        return self._reader.listed(pseudonym, purpose=Purpose.parse(purpose))[:_RECORDS]

    def _show(self) -> None:
        self._let_go()
        self.acts.show(
            now=self._reader.chain.time(),
            patients=self._patients(),
            chosen=self._shown_choice(),
            opened=self._held.shown if self._held is not None else None,
            waiting=self._reader.book.waiting(),
        )

    def _patients(self) -> list[dict[str, Any]]:
        names = self._names()
        rows: dict[tuple[str, str], dict[str, Any]] = {}
        for grant in self._reader.grants():
            place = (grant.pseudonym, grant.purpose.code)
            if place in rows and rows[place]["standing"] == "none":
                continue
            rows[place] = {
                "pseudonym": grant.pseudonym,
                "name": names.get(grant.pseudonym, ""),
                "purpose": grant.purpose.code,
                "to": shown_reader(grant.reader),
                "classes": list(words_of(grant.scope)),
                "until": grant.expiry,
                "standing": _said(grant),
            }
        return sorted(rows.values(), key=lambda row: (row["standing"] != "none", row["name"] or row["pseudonym"]))

    def _names(self) -> dict[str, str]:
        """What this desk calls who granted, where its capsule says under which pseudonyms records stand."""
        if not self._desk.member:
            return {}
        called = {each.pseudonym: each.name for each in self._desk.writer().patients()}
        found = {}
        for grant in self._reader.grants():
            sources = {grant.pseudonym, *self._reader.sources(grant.pseudonym)}
            name = next((called[source] for source in sorted(sources) if source in called), "")
            found[grant.pseudonym] = cut(name, 120)
        return found

    def _shown_choice(self) -> dict[str, Any] | None:
        if self._chosen is None:
            return None
        pseudonym, purpose = self._chosen
        refusal = self._refusal(pseudonym, purpose)
        try:
            listed = self._listed() if refusal is Refusal.NONE else []
        except NotGranted:
            listed = []
        return {
            "pseudonym": pseudonym,
            "purpose": purpose,
            "standing": _word_of(refusal),
            "records": [self._record(each) for each in listed],
        }

    def _record(self, listed: Listed) -> dict[str, Any]:
        summary = listed.summary
        return {
            "digest": listed.digest,
            "class": listed.cls,
            "date": cut(str(summary.get("date", "")), 10) or listed.time.astimezone(UTC).date().isoformat(),
            "title": cut(str(summary.get("title", "") or summary.get("type", "")), 200),
            "type": cut(str(summary.get("type", "")), 80),
            "place": cut(self._desk.place_of(listed), 120),
            "author": listed.author,
            "reported": bool(summary.get("reported")),
        }

    # -- bytes -------------------------------------------------------------------------------------------------------

    async def _content(self, asked: Mapping[str, Any]) -> web.Response:
        """The open record's own bytes, or the picture that is shown of it."""
        held = self._held
        if held is None or asked.get("number") != held.number:
            raise Unfit(404, "not-open", "This record is not open any more; open it again.")
        if asked.get("what") == "picture":
            found = self._pictures.get(int(held.shown.get("frame", 0)))
            if found is None:
                raise Unfit(404, "not-open", "This record has no picture.")
            return web.Response(body=found.png, content_type="image/png")
        # What a stranger wrote is never served as a page: the browser is told nothing but that it is bytes.
        return web.Response(body=held.content, content_type="application/octet-stream")


def cleaned_lines(text: str) -> str:
    """A text without what steers a display; its lines stay."""
    return "\n".join(cleaned(line) for line in text.replace("\r\n", "\n").split("\n"))


def _read(opened: Opened) -> bytes:
    sink = io.BytesIO()
    if opened.manifest.size > LARGEST:
        opened.content.close()
        raise Failure(f"This record has more than {LARGEST >> 20} MiB; write it to a file with 'clinic open'.")
    opened.copy_to(sink)
    return sink.getvalue()


def _said(grant: Granted) -> str:
    return _word_of(grant.refusal)


def _word_of(refusal: Refusal) -> str:
    return refusal.name.lower().replace("_", "-")
