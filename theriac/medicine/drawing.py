"""A drawing of a pack's way: a line a member, and the pack's way over them, as SVG or PNG."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from xml.etree import ElementTree

from PIL import Image, ImageDraw, ImageFont

from theriac.medicine.state import NO_BLOCK, PackStatus
from theriac.medicine.trace import Act, Step, Trace, standing_of

_LEFT, _TOP, _ACROSS, _DOWN, _BELOW = 190, 70, 118, 64, 90
_SIZE, _SMALL = 14, 11
_INK, _PALE, _WAY = "#1b1f24", "#c9d1d9", "#1f6feb"
_BAD, _DONE = "#cf222e", "#1a7f37"
_COLOURS = {
    Act.BLOCKED: _BAD,
    Act.RECALLED: _BAD,
    Act.MISSING: _BAD,
    Act.ENDED: _BAD,
    Act.DISPENSED: _DONE,
    Act.RELEASED: _DONE,
    Act.RECALL_LIFTED: _DONE,
}
_LONGEST = 22


@dataclass(frozen=True)
class Line:
    """A straight line between two points."""

    x1: int
    y1: int
    x2: int
    y2: int
    colour: str
    width: int


@dataclass(frozen=True)
class Dot:
    """A filled circle."""

    x: int
    y: int
    radius: int
    colour: str


@dataclass(frozen=True)
class Text:
    """A line of text from its left end, its baseline at `y`."""

    x: int
    y: int
    text: str
    size: int
    colour: str


@dataclass(frozen=True)
class Drawing:
    """Shapes on white paper, in pixels; later ones lie above earlier ones."""

    width: int
    height: int
    shapes: tuple[Line | Dot | Text, ...]

    def svg(self) -> bytes:
        """The drawing as an SVG document."""
        root = ElementTree.Element(
            "svg",
            {
                "xmlns": "http://www.w3.org/2000/svg",
                "width": str(self.width),
                "height": str(self.height),
                "viewBox": f"0 0 {self.width} {self.height}",
                "font-family": "sans-serif",
            },
        )
        _add(root, "rect", width=self.width, height=self.height, fill="#ffffff")
        for shape in self.shapes:
            match shape:
                case Line():
                    ends = {"x1": shape.x1, "y1": shape.y1, "x2": shape.x2, "y2": shape.y2}
                    _add(root, "line", **ends, stroke=shape.colour, stroke_width=shape.width)
                case Dot():
                    _add(root, "circle", cx=shape.x, cy=shape.y, r=shape.radius, fill=shape.colour)
                case Text():
                    at = {"x": shape.x, "y": shape.y}
                    _add(root, "text", **at, font_size=shape.size, fill=shape.colour).text = shape.text
        return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))

    def png(self) -> bytes:
        """The drawing as a PNG."""
        image = Image.new("RGB", (self.width, self.height), "#ffffff")
        pen = ImageDraw.Draw(image)
        for shape in self.shapes:
            match shape:
                case Line():
                    pen.line((shape.x1, shape.y1, shape.x2, shape.y2), fill=shape.colour, width=shape.width)
                case Dot():
                    x, y, radius = shape.x, shape.y, shape.radius
                    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=shape.colour)
                case Text():
                    font = ImageFont.load_default(size=shape.size)
                    pen.text((shape.x, shape.y), shape.text, fill=shape.colour, font=font, anchor="ls")
        out = io.BytesIO()
        image.save(out, format="PNG", optimize=True)
        return out.getvalue()


def _add(parent: ElementTree.Element, name: str, **attributes: object) -> ElementTree.Element:
    named = {key.replace("_", "-"): str(value) for key, value in attributes.items()}
    return ElementTree.SubElement(parent, name, named)


def drawing_of(trace: Trace, *, title: str, name_of: Callable[[int], str]) -> Drawing:
    """A pack's way: members from top to bottom as they come up, acts from left to right, what it stands at below."""
    rows = {member: _TOP + _DOWN * (number + 1) for number, member in enumerate(trace.members)}
    width = _LEFT + _ACROSS * (len(trace.steps) + 1)
    bottom = _TOP + _DOWN * (len(rows) + 1)
    shapes: list[Line | Dot | Text] = [Text(16, 34, _shown(title, longest=90), _SIZE + 4, _INK)]
    for member, y in rows.items():
        shapes.append(Text(16, y + 5, _shown(name_of(member)), _SIZE, _INK))
        shapes.append(Line(_LEFT - 20, y, width - 16, y, _PALE, 1))
    shapes += _way(trace, rows)
    for number, step in enumerate(trace.steps):
        shapes += _marked(trace, step, x=_LEFT + _ACROSS * number, y=rows[_row_of(step)], bottom=bottom)
    now = f"Now: {standing_of(trace)}, {_held(trace)} {name_of(trace.holder)}"
    shapes.append(Text(16, bottom + 56, _shown(now, longest=90), _SIZE, _INK))
    return Drawing(width, bottom + _BELOW, tuple(shapes))


def _held(trace: Trace) -> str:
    return "held by" if trace.steps[-1].status is PackStatus.IN_STOCK else "at"


def _row_of(step: Step) -> int:
    """On whose line an act is marked: the holder's after it, the actor's for a word of somebody else."""
    return step.holder if step.act in (Act.HANDED_OVER, Act.GIVEN_BACK) else step.by


def _way(trace: Trace, rows: dict[int, int]) -> list[Line | Dot | Text]:
    found: list[Line | Dot | Text] = []
    for number, step in enumerate(trace.steps):
        x, y = _LEFT + _ACROSS * number, rows[step.holder]
        if number:
            before = rows[trace.steps[number - 1].holder]
            found.append(Line(x - _ACROSS, before, x - _ACROSS // 3, before, _WAY, 4))
            found.append(Line(x - _ACROSS // 3, before, x, y, _WAY, 4))
    last = trace.steps[-1]
    if last.status is PackStatus.IN_STOCK:
        x = _LEFT + _ACROSS * (len(trace.steps) - 1)
        found.append(Line(x, rows[last.holder], x + _ACROSS // 2, rows[last.holder], _WAY, 4))
    return found


def _marked(trace: Trace, step: Step, *, x: int, y: int, bottom: int) -> list[Line | Dot | Text]:
    day = step.at.strftime("%Y-%m-%d") if step.at else "time unknown"
    hour = step.at.strftime("%H:%M UTC") if step.at else f"block {step.block}"
    name = trace.place_name(step)
    colour = _COLOURS.get(step.act, _BAD if step.blocks != NO_BLOCK else _WAY)
    return [
        Dot(x, y, 7, colour),
        Text(x + 6, y - 12, step.act.value, _SMALL + 1, _INK),
        Text(x + 6, y + 20, name if not step.detail else _shown(f"{name}: {step.detail}", longest=18), _SMALL, _INK),
        Text(x - 8, bottom - 8, day, _SMALL, _INK),
        Text(x - 8, bottom + 8, hour, _SMALL, _INK),
    ]


def _shown(text: str, *, longest: int = _LONGEST) -> str:
    """What others wrote, without what no document may hold, and no longer than there is room for."""
    clean = "".join(letter if letter.isprintable() else " " for letter in text)
    return clean if len(clean) <= longest else clean[: longest - 1] + "…"
