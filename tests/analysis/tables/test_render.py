from __future__ import annotations

import csv
import io
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.analysis.statistics.made_up import made_up_suite, run_id, write_suite
from vla_rl_bench.analysis.tables.build import build_table
from vla_rl_bench.analysis.tables.cells import with_cells, with_detail_tables
from vla_rl_bench.analysis.tables.csv_format import comma_separated
from vla_rl_bench.analysis.tables.html import html
from vla_rl_bench.analysis.tables.latex import latex, latex_text
from vla_rl_bench.analysis.tables.markdown import markdown
from vla_rl_bench.analysis.tables.model import Column, Published, Row, Section, Table
from vla_rl_bench.analysis.tables.published import (
    PublishedTable,
    load_published,
    paper_table,
    published_table,
    reference_folder,
)
from vla_rl_bench.records.frame import episodes_frame, run_folders

DOCUMENT = r"""\documentclass{article}
\usepackage{booktabs}%s
\begin{document}
%s
\end{document}
"""


def published(titles: list[str], columns: tuple[Column, ...]) -> Table:
    width = sum(not column.mean_of for column in columns)
    cells = (Published(Fraction(1, 2), "here"),) * width
    return Table("100% of a_b & c", columns, (Section(tuple(Row(title, cells) for title in titles)),), "tab:x")


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("π₀ + FAST", r"$\pi_0$ + FAST"),
        ("π₀₅", r"$\pi_{05}$"),
        ("Δ", r"$\Delta$"),
        ("λ, ς, ϕ"[:4], r"$\lambda$, $\varsigma$"),
        ("Α", r"$\mathrm{A}$"),
        ("H₂O", r"H$_{2}$O"),
        ("100% of a_b & #3 {x} $5", r"100\% of a\_b \& \#3 \{x\} \$5"),
        (r"a\b~c^d", r"a\textbackslash{}b\textasciitilde{}c\textasciicircum{}d"),
        ("−3.2 ± 1.0", r"$-$3.2 $\pm$ 1.0"),
        ("a † b ‡", r"a $\dagger$ b $\ddagger$"),
        ("--limit, well-known", r"-{}-limit, well-known"),
    ],
)
def test_latex_text_spells_unicode(text: str, source: str) -> None:
    assert latex_text(text) == source


def test_markdown_aligns_columns_and_escapes_pipes() -> None:
    text = markdown(published(["a|b", "π₀"], (Column("x"), Column("a longer title"), Column("Avg", "", (0, 1)))))
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len({len(line) for line in lines}) == 1
    assert r"| a\|b  |" in lines[2]
    assert all(line.replace(r"\|", "").count("|") == 5 for line in lines)


def test_groups_are_grids_in_markdown_and_ruled_in_latex() -> None:
    table = published(["r"], (Column("a", "one"), Column("b", "one"), Column("c", "two"), Column("all", "", (0, 1, 2))))
    assert [
        line.split("|")[1].strip() for line in markdown(table).splitlines() if "---" not in line and "|" in line
    ] == [*("Model", "r", "Model", "r", "Model", "r")]
    text = latex(table)
    assert r" & \multicolumn{2}{c}{one} & \multicolumn{1}{c}{two} & \multicolumn{1}{c}{} \\" in text
    assert r"\cmidrule(lr){2-3} \cmidrule(lr){4-4}" in text


def every_kind_of_table(folder: Path) -> list[Table]:
    """The paper's, and one of our own with counts and seeds."""
    suite = made_up_suite(title="Ours: 100% of a_b & #c")
    frame = episodes_frame(run_folders(write_suite(folder, suite, lambda *where: where[4] == 10)))
    own = [*with_detail_tables(build_table(frame, suite)), with_cells(build_table(frame, suite), "interval")]
    return [*(paper_table(number) for number in range(2, 8)), *own, *(published_table(table) for table in others())]


def others() -> list[PublishedTable]:
    """Everything under ``results/published``."""
    return [load_published(path) for path in sorted(reference_folder("published").glob("*.yaml"))]


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="no pdflatex. Run: apt-get install texlive-latex-recommended")
@pytest.mark.parametrize("packages", ["", r"\usepackage{graphicx}"])
def test_latex_compiles_with_and_without_graphicx(tmp_path: Path, packages: str) -> None:
    tables = "\n".join(latex(table) for table in every_kind_of_table(tmp_path))
    (tmp_path / "all.tex").write_text(DOCUMENT % (packages, tables), encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "all.pdf").stat().st_size > 0
    if packages:
        assert "Overfull" not in (tmp_path / "all.log").read_text(encoding="latin-1")


def test_latex_breaks_long_titles_of_wide_tables() -> None:
    tex = latex(paper_table(4))
    assert r"\shortstack[r]{Beat Hammer\\Block}" in tex
    assert "shortstack" not in latex(paper_table(2))


def test_html_has_the_source_of_each_published_rate() -> None:
    text = html(paper_table(2))
    assert text.isascii()
    assert text.count("title=") == 8 * 4
    assert 'title="arXiv 2509.09674, table 2, row 7, &#34;OpenVLA-OFT&#34;, column &#34;Goal&#34;">90.6<' in text


def test_html_escapes_texts() -> None:
    table = published(["<script>alert(1)</script> & co"], (Column("<b>"),))
    text = html(table)
    assert "<script>" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; co" in text
    assert 'scope="col">&lt;b&gt;</th>' in text


def test_html_is_well_formed(tmp_path: Path) -> None:
    """Parsed as XML, which forgives nothing; the style sheet is no XML and has no elements."""
    for table in every_kind_of_table(tmp_path):
        figure = ElementTree.fromstring(html(table))
        rows = figure.findall(".//tr")
        widths = {sum(int(cell.get("colspan", "1")) for cell in row) for row in rows}
        assert len(widths) == 1
        assert len(rows) > len(table.lines)


def test_csv_has_counts_intervals_and_empty_cells(tmp_path: Path) -> None:
    suite = made_up_suite()
    folder = write_suite(tmp_path, suite, lambda *where: where[4] == 10)
    shutil.rmtree(folder / "runs" / run_id("sft", "goal", 1))
    table = with_cells(build_table(episodes_frame(run_folders(folder)), suite), "counts")
    first = next(csv.DictReader(io.StringIO(comma_separated(table))))
    assert [first[f"object{name}"] for name in ("", " successes", " episodes")] == ["50.0", "6", "12"]
    assert float(first["object low"]) < 50 < float(first["object high"])
    assert {name: value for name, value in first.items() if name.startswith(("goal", "Avg")) and value} == {}
