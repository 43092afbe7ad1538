"""Follows the relative links of every Markdown file, with their anchors: `python -m tools.check_links`.

Links to other hosts are left alone: a check that needs the network fails for reasons that are not in the repository.
"""

import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parent.parent

# Folders of what is downloaded or made.
FOREIGN = {"node_modules", "theriac.egg-info"}

ANCHOR_TAG = re.compile(r"""<a\s[^>]*?(?:id|name)=["']([^"']+)["']""", re.IGNORECASE)
LINK_TAG = re.compile(r"""<(?:a|img)\s[^>]*?(?:href|src)=["']([^"']+)["']""", re.IGNORECASE)


def markdown_files(root: Path) -> list[Path]:
    """Every Markdown file of the project, hidden folders and foreign ones left out."""
    return sorted(
        path
        for path in root.rglob("*.md")
        if not any(part in FOREIGN or part.startswith(".") for part in path.relative_to(root).parts)
    )


def slug(heading: str) -> str:
    """The anchor that GitHub and GitLab make of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def _tokens(text: str) -> Iterator[Token]:
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        yield token
        yield from token.children or []


def anchors(text: str) -> set[str]:
    """All anchors of a Markdown text; a heading that comes again is numbered."""
    found: set[str] = set()
    seen: Counter[str] = Counter()
    inside_heading = False

    for token in _tokens(text):
        if token.type in ("heading_open", "heading_close"):
            inside_heading = token.type == "heading_open"
        elif token.type == "inline" and inside_heading:
            words = "".join(child.content for child in token.children or [] if child.type in ("text", "code_inline"))
            name = slug(words)
            found.add(f"{name}-{seen[name]}" if seen[name] else name)
            seen[name] += 1
        elif token.type in ("html_block", "html_inline"):
            found.update(ANCHOR_TAG.findall(token.content))
    return found


def targets(text: str) -> Iterator[str]:
    """The target of each link and image; what stands in code is not a link."""
    for token in _tokens(text):
        if token.type == "link_open":
            yield str(token.attrs["href"])
        elif token.type == "image":
            yield str(token.attrs["src"])
        elif token.type in ("html_block", "html_inline"):
            yield from LINK_TAG.findall(token.content)


def broken(path: Path, root: Path) -> Iterator[str]:
    """What is wrong with the links of a file, in words."""
    text = path.read_text(encoding="utf-8")
    where = path.relative_to(root)

    for target in targets(text):
        parts = urlsplit(target)
        if parts.scheme or parts.netloc:
            continue

        aim = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        if not aim.is_relative_to(root):
            yield f"{where}: {target} leads out of the repository."
        elif not aim.exists():
            yield f"{where}: {target} leads nowhere."
        elif parts.fragment and aim.suffix == ".md":
            known = anchors(aim.read_text(encoding="utf-8"))
            if unquote(parts.fragment) not in known:
                yield f"{where}: {target} names a heading that is not there."


def main() -> None:
    files = markdown_files(ROOT)
    if found := [complaint for path in files for complaint in broken(path, ROOT)]:
        sys.exit("\n".join(found))

    print(f"The relative links of {len(files)} Markdown files lead somewhere.")


if __name__ == "__main__":
    main()
