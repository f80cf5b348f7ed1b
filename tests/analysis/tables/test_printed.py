"""Every figure of the paper's tables 2 to 7, as printed, in every format.

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
from vla_rl_bench.analysis.tables.latex import latex
from vla_rl_bench.analysis.tables.latex_text import latex_text
from vla_rl_bench.analysis.tables.markdown import markdown
from vla_rl_bench.analysis.tables.model import Table
from vla_rl_bench.analysis.tables.reference import paper_table

Lines = list[list[str]]

FIGURE = re.compile(r"[+−]?\d+(\.\d)?")
OVERALL = re.compile(r"(.+): (\d+\.\d)")
COUNTS = {2: 45, 3: 25, 4: 80, 5: 30, 6: 20, 7: 48}  # figures printed: rows x columns, and table 4's overall averages


def printed(number: int) -> Lines:
    text = (Path(__file__).parent / "printed" / f"table{number}.txt").read_text(encoding="utf-8")
    return [[cell.strip() for cell in line.split("|")] for line in text.splitlines()]


def rows(lines: Lines) -> Lines:
    """The lines of figures: a title, then a figure in every column."""
    return [line for line in lines if len(line) > 2 and line[0] and all(FIGURE.fullmatch(cell) for cell in line[1:])]


def words(lines: Lines) -> list[str]:
    """Titles of columns, groups and sections, wherever they stand."""
    others = (cell for line in lines if line not in rows(lines) for cell in line)
    return sorted({cell for cell in others if cell and not OVERALL.fullmatch(cell) and not FIGURE.fullmatch(cell)})


def overall(lines: Lines) -> dict[str, str]:
    """Table 4's last lines: ``RDT: 33.3`` and the difference under it."""
    found = [OVERALL.fullmatch(cell) for line in lines for cell in line]
    lone = [("Δ", line[-1]) for line in lines if not any(line[:-1]) and FIGURE.fullmatch(line[-1])]
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


@pytest.mark.parametrize("number", COUNTS)
def test_the_transcription_is_whole(number: int) -> None:
    lines = printed(number)
    assert sum(len(row) - 1 for row in rows(lines)) + len(overall(lines)) == COUNTS[number]


@pytest.mark.parametrize("read", [of_latex, of_html])
@pytest.mark.parametrize("number", COUNTS)
def test_latex_and_html_print_what_the_paper_prints(number: int, read: Callable[[Table], Lines]) -> None:
    """Row by row, titles, sections and headings included."""
    ours, theirs = read(paper_table(number)), printed(number)
    assert rows(ours) == rows(theirs)
    assert words(ours) == words(theirs)
    assert overall(ours) == overall(theirs)


@pytest.mark.parametrize("number", COUNTS)
def test_markdown_prints_what_the_paper_prints(number: int) -> None:
    ours, theirs = of_markdown(paper_table(number)), printed(number)
    assert rows(ours) == rows(theirs)
    assert dict(rows_of_two(ours)) == overall(theirs)
    shown = " ".join(cell for line in ours for cell in line)
    assert [word for word in words(theirs) if word not in shown] == []


def rows_of_two(lines: Lines) -> list[tuple[str, str]]:
    """Title and one figure: the grid of table 4's overall averages."""
    return [(line[0], line[1]) for line in lines if len(line) == 2 and FIGURE.fullmatch(line[1])]


@pytest.mark.parametrize("number", COUNTS)
def test_a_sheet_holds_the_papers_figures_side_by_side(number: int) -> None:
    header, *lines = csv.reader(io.StringIO(comma_separated(paper_table(number))))
    assert header[:1] + header[2:3] == ["section", "kind"]
    theirs = rows(printed(number))
    blocks = 3 if number == 4 else 1
    height = len(theirs) // blocks
    last = overall(printed(number))
    side_by_side = [
        [*chain.from_iterable(row[1:] for row in theirs[line::height]), *([last[theirs[line][0]]] if last else [])]
        for line in range(height)
    ]
    assert [line[3:] for line in lines] == side_by_side
    assert [line[1] for line in lines] == [row[0] for row in theirs[:height]]


def test_the_best_is_bold_the_second_underlined_as_the_paper_ranks_them() -> None:
    """Table 2: w/ ours is best throughout; the second best is π₀, but UniVLA in Long and Avg."""
    lines = [line for line in latex(paper_table(2)).splitlines() if line.endswith(r"\\")]
    ours = next(line for line in lines if line.startswith("w/ ours"))
    assert re.findall(r"textbf\{(.*?)\}", ours) == ["99.4", "99.1", "99.2", "98.5", "99.1"]
    underlined = {line.split(" &")[0]: re.findall(r"underline\{(.*?)\}", line) for line in lines}
    assert {title: cells for title, cells in underlined.items() if cells} == {
        r"$\pi_0$": ["96.8", "98.8", "95.8"],
        "UniVLA": ["92.0", "95.2"],
    }
    assert re.findall(r"textbf\{(.*?)\}", lines[-1]) == ["+7.8", "+3.8", "+8.6", "+12.0", "+8.1"]


def test_each_sections_rows_are_ranked_by_themselves_and_a_lone_rival_is_no_second() -> None:
    tex = latex(paper_table(5))
    assert tex.count(r"\textbf{98.2}") == tex.count(r"\textbf{99.4}") == 1
    assert "underline" not in tex


@pytest.mark.parametrize("number", [6, 7])
def test_tables_that_the_paper_prints_plainly_stay_plain(number: int) -> None:
    assert "textbf" not in latex(paper_table(number))


def test_only_table_7_prints_its_zeros_without_a_decimal() -> None:
    assert rows(of_latex(paper_table(7)))[0] == ["0 trajs SFT", *["0"] * 6]
    assert rows(of_latex(paper_table(3)))[0][1] == "0.0"
    assert rows(of_latex(paper_table(6)))[1][3] == "0.0"
