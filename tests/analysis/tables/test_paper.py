"""The paper's numbers as data; `test_printed` holds every figure against the printed tables."""

from __future__ import annotations

import re
from fractions import Fraction

import pytest

from vla_rl_bench.analysis.statistics.intervals import round_half_up
from vla_rl_bench.analysis.tables.cells import cell_texts
from vla_rl_bench.analysis.tables.model import Published
from vla_rl_bench.analysis.tables.published import load_published, paper_table, reference_folder
from vla_rl_bench.errors import UserError

NUMBERS = (2, 3, 4, 5, 6, 7)


@pytest.mark.parametrize("number", NUMBERS)
def test_paper_cells_name_table_row_and_column(number: int) -> None:
    table = paper_table(number)
    titles = [column.title for column in table.columns if not column.mean_of]
    for row in table.rows:
        for cell, column in zip(row.cells, titles, strict=True):
            assert isinstance(cell, Published)
            where = re.escape(f"arXiv 2509.09674, table {number}, row ") + r"\d( of each block)?, "
            assert re.fullmatch(where + re.escape(f'"{row.title}", column "{column}"'), cell.source)


@pytest.mark.parametrize("number", NUMBERS)
def test_paper_files_have_no_averages_or_differences(number: int) -> None:
    published = load_published(reference_folder() / f"table{number}.yaml")
    assert "Avg" not in published.column_titles
    assert [row.title for row in published.rows if row.title == "Δ" or row.average is not None] == []


def test_paper_notes_have_the_contradictions() -> None:
    """One-Trajectory SFT on Long 17.3 or 17.1; Stack Bowls 38.0 or 32; Pick Bottle 14.0 or 15."""
    five, six = (" ".join(paper_table(number).notes) for number in (5, 6))
    assert "17.3 in this table" in five
    assert "17.1 in the introduction" in five
    for words in ("38.0 in this table, 32 in the text", "14.0 in this table, 15 in the text"):
        assert words in six


def test_paper_contradictions_follow_from_the_numbers() -> None:
    """Table 4's figures against 300 scenarios; the average and difference of table 6 against its Stack Bowls."""
    rates = [cell for row in paper_table(4).rows[2:] for cell in row.cells]
    whole = {round_half_up(Fraction(100 * k, 300)) for k in range(301)}
    assert [isinstance(cell, Published) and 100 * cell.rate in whole for cell in rates].count(False) == 18
    assert "18 (28.1, for one)" in " ".join(paper_table(4).notes)
    six = paper_table(6)
    assert cell_texts(six, six.rows[1])[-1] == "17.5"
    assert round_half_up(Fraction((32 + 2 + 0 + 30) * 100, 400)) != Fraction(175, 10)


def test_published_cells_have_no_counts_and_no_interval() -> None:
    table = paper_table(2)
    assert table.seeds == 0
    assert all(isinstance(cell, Published) for row in table.rows for cell in row.cells)
    value = table.value(table.lines[-1], 4)
    assert value is not None
    assert (value.interval, value.counts, value.by_seed) == (None, None, ())


def test_paper_table_rejects_unknown_numbers() -> None:
    with pytest.raises(UserError, match=r"--paper 9: no such table. Choose from 2, 3, 4, 5, 6, 7\."):
        paper_table(9)
