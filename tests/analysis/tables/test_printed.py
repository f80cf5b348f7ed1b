"""Every number of the paper's tables 2 to 7, as printed, in every format.

``printed/tableN.txt`` is a transcription of the printed table, lines and columns in its order; blanks stand where a
heading spans several columns.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import chain
from pathlib import Path

import pytest

from vla_rl_bench.analysis.tables.csv_format import comma_separated
from vla_rl_bench.analysis.tables.html import html
from vla_rl_bench.analysis.tables.latex import latex, latex_text
from vla_rl_bench.analysis.tables.markdown import markdown
from vla_rl_bench.analysis.tables.model import Table
from vla_rl_bench.analysis.tables.published import paper_table

Lines = list[list[str]]

NUMBER = re.compile(r"[+−]?\d+(\.\d)?")
OVERALL = re.compile(r"(.+): (\d+\.\d)")
COUNTS = {2: 45, 3: 25, 4: 80, 5: 30, 6: 20, 7: 48}  # figures printed: rows x columns, and table 4's overall averages
HEADINGS = ("RoboTwin 2.0",)  # above table 4's blocks; our table has it in its title


def printed(number: int) -> Lines:
    text = (Path(__file__).parent / "printed" / f"table{number}.txt").read_text(encoding="utf-8")
    lines = [[cell.strip() for cell in line.split("|")] for line in text.splitlines()]
    return [["0.0" if cell == "0" else cell for cell in line] for line in lines]  # table 7 prints zeros as "0"


def rows(lines: Lines) -> Lines:
    """The lines of figures: a title, then a figure in every column."""
    return [line for line in lines if len(line) > 2 and line[0] and all(NUMBER.fullmatch(cell) for cell in line[1:])]


def words(lines: Lines) -> list[str]:
    """Titles of columns, groups and sections, wherever they stand."""
    others = (cell for line in lines if line not in rows(lines) for cell in line)
    return sorted({cell for cell in others if cell and not OVERALL.fullmatch(cell) and not NUMBER.fullmatch(cell)})


def overall(lines: Lines) -> dict[str, str]:
    """Table 4's last lines: ``RDT: 33.3`` and the difference under it."""
    found = [OVERALL.fullmatch(cell) for line in lines for cell in line]
    lone = [("Δ", line[-1]) for line in lines if not any(line[:-1]) and NUMBER.fullmatch(line[-1])]
    return {match[1]: match[2] for match in found if match} | dict(lone)


def of_latex(table: Table) -> Lines:
    return [latex_cells(line) for line in latex(table).splitlines() if line.endswith(r"\\")]


def latex_cells(line: str) -> list[str]:
    """One line of LaTeX, with every cell in its place, its commands undone."""
    line = line.removesuffix(r" \\")
    line = re.sub(r"\\shortstack\[r\]\{(.*?)\\\\(.*?)\}", r"\1 \2", line)
    line = re.sub(r"\\multicolumn\{(\d+)\}\{c\}\{(.*?)\}(?= &|$)", lambda m: m[2] + " & " * (int(m[1]) - 1), line)
    line = re.sub(r"\\(?:textbf|underline|textit)\{(.*?)\}(?=[ &}]|$)", r"\1", line)
    spelt = {latex_text(character): character for character in ("π₀", "Δ")}
    for source, character in spelt.items():
        line = line.replace(source, character)
    return [cell.replace(r"\&", "&").strip() for cell in re.split(r"(?<!\\)&", line)]


class Cells(HTMLParser):
    """The cells of an HTML table, with blanks where one spans several columns."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: Lines = []
        self.inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.lines.append([])
        if tag in ("td", "th"):
            self.inside = True
            self.lines[-1] += [""] * int(dict(attrs).get("colspan") or 1)
            self.place = len(self.lines[-1]) - int(dict(attrs).get("colspan") or 1)

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.lines[-1][self.place] += data


def of_html(table: Table) -> Lines:
    cells = Cells()
    cells.feed(html(table))
    return cells.lines


def of_markdown(table: Table) -> Lines:
    """A line of several cells from each grid's; one of one cell from what stands between the grids."""
    lines = [line for line in markdown(table).splitlines() if line.startswith(("| ", "*"))]
    plain = [re.sub(r"\*+|</?ins>", "", line) for line in lines]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in plain]


def side_by_side(number: int) -> Lines:
    """The rows of a printed table, with table 4's three blocks and its last lines side by side."""
    table, averages = rows(printed(number)), overall(printed(number))
    height = len(table) // (3 if number == 4 else 1)
    return [
        [
            row[0],
            *chain.from_iterable(block[1:] for block in table[line::height]),
            *(text for title, text in averages.items() if title == row[0]),
        ]
        for line, row in enumerate(table[:height])
    ]


@pytest.mark.parametrize("number", COUNTS)
def test_transcription_has_every_number(number: int) -> None:
    assert sum(len(row) - 1 for row in rows(printed(number))) + len(overall(printed(number))) == COUNTS[number]


@pytest.mark.parametrize("read", [of_latex, of_html])
@pytest.mark.parametrize("number", COUNTS)
def test_latex_and_html_have_the_paper_numbers(number: int, read: Callable[[Table], Lines]) -> None:
    """Row by row, with the titles of columns, groups and sections."""
    ours = read(paper_table(number))
    assert rows(ours) == side_by_side(number)
    assert set(words(printed(number))) <= {*words(ours), *HEADINGS}


@pytest.mark.parametrize("number", COUNTS)
def test_markdown_has_the_paper_numbers(number: int) -> None:
    ours, paper = of_markdown(paper_table(number)), printed(number)
    assert rows(ours) == rows(paper)
    assert {line[0]: line[1] for line in ours if len(line) == 2 and NUMBER.fullmatch(line[1])} == overall(paper)
    text = " ".join(cell for line in ours for cell in line)
    assert [word for word in words(paper) if word not in text and word not in HEADINGS] == []


@pytest.mark.parametrize("number", COUNTS)
def test_csv_has_the_paper_numbers(number: int) -> None:
    header, *lines = csv.reader(io.StringIO(comma_separated(paper_table(number))))
    assert header[:1] + header[2:3] == ["section", "kind"]
    assert [[line[1], *line[3:]] for line in lines] == side_by_side(number)


def test_ranked_paper_table_has_the_best_of_each_column_in_bold() -> None:
    lines = [line for line in latex(paper_table(2)).splitlines() if line.endswith(r"\\")]
    bold = {line.split(" &")[0]: re.findall(r"textbf\{(.*?)\}", line) for line in lines}
    expected = ["99.4", "99.1", "99.2", "98.5", "99.1"]
    assert {title: cells for title, cells in bold.items() if cells} == {"w/ ours": expected}


def test_ranked_paper_table_ranks_each_section_by_itself() -> None:
    tex = latex(paper_table(5))
    assert tex.count(r"\textbf{98.2}") == tex.count(r"\textbf{99.4}") == 1


@pytest.mark.parametrize("number", [6, 7])
def test_paper_table_without_ranking_has_no_bold(number: int) -> None:
    assert "textbf" not in latex(paper_table(number))
