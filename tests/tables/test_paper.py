"""The paper's printed averages and differences follow from its per-suite values."""

from __future__ import annotations

import pytest

from vla_rl_bench.errors import UserError
from vla_rl_bench.tables.figures import figures
from vla_rl_bench.tables.model import Delta, Published, Table
from vla_rl_bench.tables.reference import load_published, paper_table, reference_folder
from vla_rl_bench.tables.render import latex, markdown

# as printed in SimpleVLA-RL: the column Avg (or the averages of the blocks, then the overall one), then the lines Δ
AVERAGES = {
    2: ["75.1", "76.5", "87.9", "85.5", "94.2", "95.2", "91.0", "99.1"],
    3: ["5.9", "58.1", "39.8", "70.4"],
    5: ["48.9", "96.9", "91.0", "99.1"],
}
DELTAS = {
    2: [["+7.8", "+3.8", "+8.6", "+12.0", "+8.1"]],
    3: [["+25.4", "+28.0", "+33.1", "+35.9", "+30.6"]],
    5: [["+34.6", "+43.8", "+39.2", "+74.4", "+48.0"], ["+7.8", "+3.8", "+8.6", "+12.0", "+8.1"]],
}
TABLE_4 = {
    "π₀": ["45.5", "58.8", "43.3", "49.2"],
    "RDT": ["24.5", "47.8", "27.8", "33.3"],
    "OpenVLA-OFT": ["21.3", "47.1", "46.5", "38.3"],
    "w/ ours": ["64.9", "72.5", "69.0", "68.8"],
    "Δ": ["+43.6", "+25.4", "+22.4", "+30.5"],
}


def deltas(table: Table) -> list[list[str]]:
    return [figures(table, line) for line in table.lines if isinstance(line, Delta)]


@pytest.mark.parametrize("number", sorted(AVERAGES))
def test_averages_are_those_that_the_paper_prints(number: int) -> None:
    table = paper_table(number)
    assert [figures(table, row)[-1] for row in table.rows] == AVERAGES[number]


@pytest.mark.parametrize("number", sorted(DELTAS))
def test_differences_are_those_that_the_paper_prints(number: int) -> None:
    assert deltas(paper_table(number)) == DELTAS[number]


def test_table_4s_averages_of_blocks_and_of_all_are_those_that_the_paper_prints() -> None:
    table = paper_table(4)
    means = [index for index, column in enumerate(table.columns) if column.mean_of]
    assert {line.title: figures(table, line, means) for line in table.lines} == TABLE_4


def test_markdown_and_latex_print_table_2_line_by_line() -> None:
    table = paper_table(2)
    shown = [line.split("|")[1:-1] for line in markdown(table).splitlines() if line.startswith("| ")][1:]
    assert [line[-1].strip() for line in shown] == [*AVERAGES[2], "+8.1"]
    assert [cell.strip() for cell in shown[-1]] == ["Δ", *DELTAS[2][0]]
    assert shown[4][0].strip() == "π₀"
    tex = latex(table)
    assert r"$\Delta$ & +7.8 & +3.8 & +8.6 & +12.0 & +8.1 \\" in tex
    assert r"$\pi_0$ + FAST & 96.4 & 96.8 & 88.6 & 60.2 & 85.5 \\" in tex
    assert r"$\pi_0$ & 96.8 & 98.8 & 95.8 & 85.2 & 94.2 \\" in tex
    rows = [line.removesuffix(r" \\").split(" & ") for line in tex.splitlines() if " & " in line][2:]
    assert [row[-1] for row in rows] == [*AVERAGES[2], "+8.1"]


def test_every_published_row_names_its_source() -> None:
    for path in sorted(reference_folder().glob("table*.yaml")):
        number = path.stem.removeprefix("table")
        published = load_published(path)
        assert f"table {number}" in published.source
        for row in (row for section in published.sections for row in section.rows):
            assert row.source.startswith(f"table {number}, row ")
            assert f'"{row.title}"' in row.source


def test_published_cells_know_no_counts_and_no_interval() -> None:
    table = paper_table(2)
    assert table.seeds == 0
    assert all(isinstance(cell, Published) for row in table.rows for cell in row.cells)
    value = table.value(table.lines[-1], 4)
    assert value is not None
    assert (value.interval, value.counts, value.by_seed) == (None, None, ())


def test_a_table_that_was_not_typed_in_is_refused_with_those_that_were() -> None:
    with pytest.raises(UserError, match=r"--paper 9: not typed in. Known: 2, 3, 4, 5\."):
        paper_table(9)
