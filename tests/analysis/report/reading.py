"""Parser of a page: its elements, the texts of its tables, the files it would load."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

from vla_rl_bench.analysis.report.episodes import film_episodes
from vla_rl_bench.analysis.report.page import render
from vla_rl_bench.analysis.select_runs import select_all

VOID = {"meta", "link", "img", "source", "br"}


def page_of(*folders: Path, count: int = 0) -> str:
    suites = select_all([str(folder) for folder in folders], Path("runs"))
    return render(suites, [film_episodes(suite, count, lambda line: None) if count else [] for suite in suites])


class Page(HTMLParser):
    """elements: start tags with their attributes.  open, stray: tags that do not nest.  tables: rows of texts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.stray: list[str] = []
        self.open: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1] == tag:
            self.open.pop()
        else:
            self.stray.append(tag)

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        self.text += data
        if {"td", "th"} & set(self.open) and "title" not in self.open:
            self.tables[-1][-1][-1] += data.strip()

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def words(self) -> str:
        return re.sub(r"\s+", " ", self.text)


def loads(html: str) -> list[str]:
    """List the files a browser would fetch: references that are neither inline nor an anchor on the page."""
    page = Page(html)
    names = ("src", "href", "srcset", "data", "poster")
    references = [attributes[name] for _, attributes in page.elements for name in names if name in attributes]
    references += [first or second for first, second in re.findall(r"url\(([^)]*)\)|@import\s+(\S+)", html)]
    return [reference for reference in references if not reference.startswith(("data:", "#"))]
