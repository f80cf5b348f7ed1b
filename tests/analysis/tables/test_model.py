from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vla_rl_bench.analysis.statistics.intervals import clustered, wilson
from vla_rl_bench.analysis.tables.cells import MISSING, cell_texts, with_detail_tables
from vla_rl_bench.analysis.tables.model import Cell, Column, Delta, Measured, Published, Row, Section, Table

PERCENT = st.integers(0, 1000).map(lambda tenths: Fraction(tenths, 1000))


def table(*rows: tuple[Cell, ...], delta: tuple[int, int] | None = None) -> Table:
    """Rows over columns with their mean, and the difference of two of them."""
    width = len(rows[0])
    columns = (*(Column(f"c{index}") for index in range(width)), Column("Avg", mean_of=tuple(range(width))))
    lines: list[Row | Delta] = [Row(f"r{index}", cells) for index, cells in enumerate(rows)]
    if delta:
        lines.append(Delta("Δ", *delta))
    return Table("title", columns, (Section(tuple(lines)),), "tab:x")


def published(*rates: Fraction) -> tuple[Cell, ...]:
    return tuple(Published(rate, "here") for rate in rates)


def measured(successes: int, n: int, *by_seed: Fraction) -> Measured:
    return Measured(clustered([(1, 1)] * successes + [(0, 1)] * (n - successes)), by_seed or (Fraction(successes, n),))


@given(st.lists(st.tuples(PERCENT, PERCENT), min_size=1, max_size=5))
def test_difference_of_averages_is_average_of_differences(
    pairs: list[tuple[Fraction, Fraction]],
) -> None:
    first, second = zip(*pairs, strict=True)
    whole = table(published(*first), published(*second), delta=(0, 1))
    average = len(pairs)
    a, b, gap = (whole.value(line, average) for line in whole.lines)
    assert a is not None
    assert b is not None
    assert gap is not None
    assert gap.exact == a.exact - b.exact


def test_difference_is_rounded_once_from_exact_values() -> None:
    """99.05 - 91.0 is 8.05, so +8.1, as the paper prints; rounded sides would agree, exact floats would not."""
    whole = table(published(Fraction("0.9905")), published(Fraction("0.91")), delta=(0, 1))
    assert cell_texts(whole, whole.lines[-1]) == ["+8.1", "+8.1"]


def test_mean_with_a_missing_cell_is_missing() -> None:
    whole = table((measured(1, 2), None), (measured(2, 2), measured(1, 2)), delta=(1, 0))
    assert cell_texts(whole, whole.rows[0]) == ["50.0", MISSING, MISSING]
    assert cell_texts(whole, whole.lines[-1]) == ["+50.0", MISSING, MISSING]


def test_difference_has_a_typographic_minus_and_zero_no_sign() -> None:
    whole = table((measured(1, 4), measured(1, 2)), (measured(3, 4), measured(1, 2)), delta=(0, 1))
    assert cell_texts(whole, whole.lines[-1]) == ["−50.0", "0.0", "−25.0"]


def test_mean_interval_shrinks_with_the_root_of_the_columns() -> None:
    """Four columns with 50/100 each: the distances to the limits halve."""
    value = table((measured(50, 100),) * 4).value(Row("r", (measured(50, 100),) * 4), 4)
    single = wilson(50, 100)
    assert value is not None
    assert value.interval is not None
    assert value.interval.high - 0.5 == pytest.approx((single.high - 0.5) / 2)


def test_mean_with_a_published_cell_has_no_interval() -> None:
    mixed: tuple[Cell, ...] = (measured(50, 100), Published(Fraction(1, 2), "here"))
    value = table(mixed).value(Row("r", mixed), 2)
    assert value is not None
    assert value.interval is None
    assert value.exact == Fraction(1, 2)


def test_difference_pairs_seeds() -> None:
    """Both arms move together from seed to seed, so the difference does not vary at all."""
    low, high = Fraction(2, 10), Fraction(6, 10)
    shift = Fraction(1, 10)
    whole = table((measured(5, 10, low + shift, high + shift),), (measured(4, 10, low, high),), delta=(0, 1))
    seeds = with_detail_tables(whole)[2]
    assert cell_texts(seeds, seeds.lines[-1])[0] == "+10.0 ± 0.0 [+10.0, +10.0]"
    assert cell_texts(seeds, seeds.rows[1])[0] == "40.0 ± 28.3 [0.0, 100.0]"


def test_with_detail_tables_adds_counts_and_seeds() -> None:
    assert [part.shows for part in with_detail_tables(table(published(Fraction(1, 2))))] == ["rates"]
    assert [part.shows for part in with_detail_tables(table((measured(1, 2),)))] == ["rates", "counts"]
    several = table((measured(1, 2, Fraction(0), Fraction(1)),))
    assert [part.shows for part in with_detail_tables(several)] == ["rates", "counts", "seeds"]
    assert len({part.label for part in with_detail_tables(several)}) == 3


def test_counts_table_has_successes_episodes_and_interval() -> None:
    counts = with_detail_tables(table((measured(81, 263),)))[1]
    assert cell_texts(counts, counts.rows[0])[0] == "81/263 [25.5, 36.6]"


def test_table_rejects_rows_of_another_length() -> None:
    with pytest.raises(ValueError, match="r: 1 cells for 2 columns"):
        Table("title", (Column("a"), Column("b")), (Section((Row("r", (None,)),)),), "tab:x")
