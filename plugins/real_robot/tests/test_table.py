"""The table of a sheet: the layout of the paper's table 6, and marks where trials are missing."""

from __future__ import annotations

import csv
import io
from fractions import Fraction

import pytest

from plugins.real_robot.tests.made_up import OFT, OURS, TIME, filled, made_up_plan
from vla_rl_bench.analysis.statistics.bootstrap import paired_bootstrap
from vla_rl_bench.analysis.statistics.intervals import newcombe, wilson
from vla_rl_bench.analysis.tables.cells import MISSING, cell_texts
from vla_rl_bench.analysis.tables.csv_format import comma_separated
from vla_rl_bench.analysis.tables.html import html
from vla_rl_bench.analysis.tables.latex import latex
from vla_rl_bench.analysis.tables.markdown import markdown
from vla_rl_bench.analysis.tables.model import Delta, Table
from vla_rl_bench.analysis.tables.published import find_published, paper_table
from vla_rl_bench.errors import UserError
from vla_rl_bench_real_robot.sheet import PlannedTrial, Sheet, Undo
from vla_rl_bench_real_robot.table import sheet_table

TASKS = ("Stack Bowls", "Place Empty Cup", "Pick Bottle", "Click Bell")
COUNTS = {  # of 50: what the paper's table 6 prints, as counts
    "RDT": (30, 2, 5, 10),
    OFT: (19, 1, 0, 15),
    OURS: (35, 5, 7, 30),
}


def paper_sheet() -> Sheet:
    """Make a sheet with the counts of the paper."""
    plan = made_up_plan(tasks=TASKS, models=tuple(COUNTS), trials=50, delta=((OURS, OFT),))
    return filled(Sheet(plan), lambda planned: planned.round <= COUNTS[planned.model][TASKS.index(planned.task)])


def row(table: Table, title: str) -> list[str]:
    return cell_texts(table, next(line for line in table.lines if line.title == title))


def test_sheet_table_of_the_papers_trials_is_the_papers_table() -> None:
    ours, paper = sheet_table(paper_sheet()), paper_table(6)
    assert [column.title for column in ours.columns] == [column.title for column in paper.columns]
    assert [(line.title, cell_texts(ours, line)) for line in ours.lines] == [
        (line.title, cell_texts(paper, line)) for line in paper.lines
    ]


def test_sheet_table_takes_no_difference_to_published_rows() -> None:
    table = sheet_table(paper_sheet(), "interval", [find_published("paper-6")])
    ours, published = table.sections
    assert (ours.title, published.title) == ("Measured here", "Published: SimpleVLA-RL, table 6")
    assert published.reference and not any(isinstance(line, Delta) for line in published.lines)
    assert [column.title for column in table.columns] == [*TASKS, "Avg"]
    for render in (markdown, latex, html, comma_separated):
        assert "Stack Bowls" in render(table)


def test_sheet_table_adds_columns_for_tasks_that_were_not_published() -> None:
    plan = made_up_plan(tasks=("Fold Towel", "Stack Bowls"), trials=2)
    table = sheet_table(filled(Sheet(plan), lambda planned: True), references=[find_published("paper-6")])
    assert [column.title for column in table.columns] == ["Stack Bowls", "Fold Towel", "Avg"]
    assert row(table, "RDT") == ["60.0", MISSING, MISSING]
    assert row(table, OURS) == ["100.0", "100.0", "100.0"]


def test_sheet_table_rejects_published_numbers_of_a_simulator() -> None:
    with pytest.raises(UserError, match="a table of `real-robot` cannot show them"):
        sheet_table(paper_sheet(), references=[find_published("paper-2")])


def test_sheet_table_marks_cells_with_fewer_trials_than_planned() -> None:
    def outcome(planned: PlannedTrial) -> bool | None:
        done = {(OFT, "Stack Bowls"): 4, (OURS, "Stack Bowls"): 3, (OFT, "Pick Bottle"): 4}
        return True if planned.round <= done.get((planned.model, planned.task), 0) else None

    table = sheet_table(filled(Sheet(made_up_plan(trials=4)), outcome))
    assert row(table, OFT) == ["100.0", "100.0", "100.0"]
    assert row(table, OURS) == ["100.0*", MISSING, MISSING]
    assert row(table, "Δ") == ["0.0*", MISSING, MISSING]
    assert "* Fewer trials than planned: Stack Bowls: w/ ours 3; Pick Bottle: w/ ours none." in table.notes
    assert "*" not in comma_separated(table)


def test_sheet_table_of_an_empty_sheet_has_empty_cells() -> None:
    table = sheet_table(Sheet(made_up_plan()))
    assert row(table, OFT) == row(table, "Δ") == [MISSING] * 3


def test_sheet_table_intervals_are_wilsons_and_the_paired_bootstraps() -> None:
    table = sheet_table(paper_sheet(), "interval")
    ours = next(line for line in table.lines if line.title == OURS)
    value = table.value(ours, 0)
    assert value is not None and (value.interval, value.exact) == (wilson(35, 50), Fraction(7, 10))
    delta = next(line for line in table.lines if isinstance(line, Delta))
    gaps = [[1.0] * (b - a) + [0.0] * (50 - (b - a)) for a, b in zip(COUNTS[OFT], COUNTS[OURS], strict=True)]
    assert [value.interval for value in (table.value(delta, place) for place in range(4)) if value] == [
        paired_bootstrap([one]) for one in gaps
    ]
    mean = table.value(delta, 4)
    assert mean is not None and mean.interval == paired_bootstrap(gaps)
    assert "paired by round." in table.notes[-1]


@pytest.mark.parametrize("rounds", [50, 40])
def test_sheet_table_interval_without_pairs_is_newcombes(rounds: int) -> None:
    """Either the plan has no pairs, or one model did fewer rounds."""
    plan = made_up_plan(tasks=TASKS[:1], trials=50, paired=rounds < 50)
    limit = {OFT: 50, OURS: rounds}
    sheet = filled(
        Sheet(plan), lambda planned: planned.round % 5 > 0 if planned.round <= limit[planned.model] else None
    )
    table = sheet_table(sheet, "counts")
    delta = next(line for line in table.lines if isinstance(line, Delta))
    value = table.value(delta, 0)
    assert value is not None and value.interval is not None
    expected = newcombe((rounds * 4 // 5, rounds), (40, 50))
    assert (value.interval.low, value.interval.high) == pytest.approx((expected.low, expected.high))
    assert "Newcombe's, for independent trials." in table.notes[-1]


def test_sheet_table_notes_name_protocol_order_and_undos() -> None:
    sheet = filled(Sheet(made_up_plan(protocol="clean table", order="blocked", paired=False)), lambda planned: True)
    sheet.apply(Undo(number=12, time=TIME))
    sheet.apply(sheet.trial(next(sheet.remaining()), False, blind=True))
    notes = " ".join(sheet_table(sheet).notes)
    for note in (
        "Protocol: clean table.",
        "3 trials of each model on each task were planned.",
        "Model by model within a task; of 12 trials 1 was judged without the name of the model.",
        "1 trial was undone and does not count; the sheet has it.",
    ):
        assert note in notes


def test_sheet_table_names_the_baseline_of_several_differences() -> None:
    plan = made_up_plan(models=("a", "b", "c"), delta=(("b", "a"), ("c", "a")))
    table = sheet_table(filled(Sheet(plan), lambda planned: planned.model == "c"))
    assert [line.title for line in table.lines] == ["a", "b", "Δ to a", "c", "Δ to a"]


def test_sheet_table_as_csv_has_counts() -> None:
    rows = list(csv.DictReader(io.StringIO(comma_separated(sheet_table(paper_sheet(), "counts")))))
    assert {key: rows[1][f"Stack Bowls{key}"] for key in ("", " successes", " episodes")} == {
        "": "38.0",
        " successes": "19",
        " episodes": "50",
    }
