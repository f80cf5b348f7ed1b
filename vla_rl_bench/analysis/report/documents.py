"""Texts that other commands left in a suite's folder (``ablation.md``, ``pushcut.md``), as parts of the page.

Only the Markdown that our own commands write: titles, paragraphs, lists, pipe tables, pictures, bold, italics, code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vla_rl_bench.analysis.report.embed import TYPES, Album, Picture

if TYPE_CHECKING:
    from markupsafe import Markup

ABLATION = "ablation"
TABLE = "table"  # the page has it from the episodes themselves


@dataclass(frozen=True)
class Cell:
    """span: how many columns it takes.  indented: a variant below its full recipe.  number: set to the right."""

    html: Markup
    span: int = 1
    indented: bool = False
    number: bool = False


@dataclass(frozen=True)
class Block:
    """title, paragraph: html.  list: rows of one cell.  table: rows, the first its header.  picture: as embedded."""

    kind: Literal["title", "paragraph", "list", "table", "picture"]
    html: Markup | str = ""
    rows: tuple[tuple[Cell, ...], ...] = ()
    picture: Picture | None = None


@dataclass(frozen=True)
class Document:
    """name: the file's, without its ending."""

    name: str
    blocks: tuple[Block, ...]


def found(folder: Path) -> list[Path]:
    """The ablation's text, and every text beside a picture of its name."""
    texts = sorted(folder.glob("*.md"))
    return [one for one in texts if one.stem == ABLATION or (one.stem != TABLE and one.with_suffix(".png").is_file())]


def pictures_in(document: Path) -> list[Path]:
    """The pictures in the suite's folder that a text shows."""
    named = re.findall(r"^!\[[^\]]*\]\(([^)/]+)\)$", document.read_text(), re.M)
    return [
        document.parent / name for name in named if (document.parent / name).is_file() and Path(name).suffix in TYPES
    ]


def read(path: Path, album: Album) -> Document:
    """album: takes the text's pictures, as far as they fit."""
    parts = re.split(r"\n\s*\n", path.read_text().strip())
    return Document(
        path.stem, tuple(block for part in parts for block in _blocks(part.split("\n"), path.parent, album))
    )


def _blocks(lines: Sequence[str], folder: Path, album: Album) -> Iterator[Block]:
    first = lines[0]
    if picture := re.fullmatch(r"!\[([^\]]*)\]\(([^)/]+)\)", first.strip()):
        path = folder / picture[2]
        if path.is_file() and path.suffix in TYPES:
            yield Block("picture", picture=album.embed(path, picture[1]))
    elif title := re.fullmatch(r"#+ (.+)|\*\*([^*]+)\*\*", first.strip()):
        yield Block("title", inline(title[1] or title[2]))
    elif first.startswith("|"):
        yield Block("table", rows=tuple(_rows([_cells(line) for line in lines if line.startswith("|")])))
        return
    elif first.startswith("- "):
        items = re.split(r"^- ", "\n".join(lines), flags=re.M)[1:]
        yield Block("list", rows=tuple((Cell(inline(item)),) for item in items))
        return
    else:
        yield Block("paragraph", inline(" ".join(lines)))
        return
    if len(lines) > 1:
        yield from _blocks(lines[1:], folder, album)


def _cells(line: str) -> list[str]:
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]


def _rows(lines: Sequence[Sequence[str]]) -> Iterator[tuple[Cell, ...]]:
    """Without the rule; a row that has only its first cell is a heading over all columns."""
    header, rule, *body = lines
    right = [cell.endswith(":") for cell in rule]
    yield tuple(Cell(inline(cell), number=number) for cell, number in zip(header, right, strict=False))
    for cells in body:
        if cells[0] and not any(cells[1:]):
            yield (Cell(inline(cells[0]), span=len(header)),)
            continue
        title = cells[0].removeprefix("- ")
        rest = [Cell(inline(cell), number=number) for cell, number in zip(cells[1:], right[1:], strict=False)]
        yield (Cell(inline(title), indented=title != cells[0]), *rest)


def inline(text: str) -> Markup:
    """Everything is escaped; links keep their words, since the page leads nowhere else."""
    from markupsafe import Markup, escape

    safe = str(escape(re.sub(r"\s+", " ", text).strip()))
    safe = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", safe)
    safe = re.sub(r"`([^`]+)`", r"<code>\1</code>", safe)
    safe = re.sub(r"\*\*([^*]+)\*\*", r"<b>\1</b>", safe)
    return Markup(re.sub(r"(?<![\w*])\*([^*\s][^*]*)\*(?![\w*])", r"<em>\1</em>", safe))
