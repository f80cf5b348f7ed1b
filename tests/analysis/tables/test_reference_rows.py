"""Published rows beside ours: a block of their own, in the publication's layout, with nothing derived across."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.analysis.statistics.made_up import episodes, made_up_suite, run_id, write_run
from vla_rl_bench.analysis.tables.build import build_table
from vla_rl_bench.analysis.tables.cells import MISSING, cell_texts
from vla_rl_bench.analysis.tables.latex import latex
from vla_rl_bench.analysis.tables.layout import lines
from vla_rl_bench.analysis.tables.model import Delta, Row, Table
from vla_rl_bench.analysis.tables.published import find_published
from vla_rl_bench.analysis.tables.reference_rows import with_reference_rows
from vla_rl_bench.config.schema import Suite
from vla_rl_bench.errors import UserError
from vla_rl_bench.records.frame import episodes_frame, run_folders

LIBERO = ["libero_10", "libero_spatial", "libero_object", "libero_goal"]  # not in the paper's order


def suite_of(environment: str, columns: list[str]) -> Suite:
    return made_up_suite(environment={"name": environment}, columns=columns, seeds=[0])


def solved(arm: str, column: str, seed: int, task: int, start: int, rollout: int) -> bool:
    """RL solves everything; SFT half, but nothing of libero_10."""
    return arm == "sft-rl" or (start == 10 and column != "libero_10")


def measured(folder: Path, suite: Suite, unlike: str = "") -> Table:
    for arm in ("sft", "sft-rl"):
        for column in suite.columns:
            records = episodes(arm, column, 0, solved, protocol=f"our-{column}")
            write_run(folder, arm, column, 0, records, comparable=column != unlike)
    return build_table(episodes_frame(run_folders(folder)), suite)


def together(folder: Path, environment: str, columns: list[str], *names: str, unlike: str = "") -> Table:
    table = measured(folder, suite_of(environment, columns), unlike)
    return with_reference_rows(table, environment, [find_published(name) for name in names])


def row(table: Table, title: str) -> list[str]:
    return next(cell_texts(table, line) for line in table.lines if line.title == title)


def test_with_reference_rows_has_the_publications_columns(tmp_path: Path) -> None:
    table = together(tmp_path, "libero", LIBERO, "paper-2")
    assert [column.title for column in table.columns] == ["Spatial", "Object", "Goal", "Long", "Avg"]
    assert row(table, "SFT") == ["50.0", "50.0", "50.0", "0.0", "37.5"]
    assert row(table, "OpenVLA-OFT") == ["91.6", "95.3", "90.6", "86.5", "91.0"]
    assert row(table, "Δ") == ["+50.0", "+50.0", "+50.0", "+100.0", "+62.5"]


def test_with_reference_rows_adds_a_section_without_differences(tmp_path: Path) -> None:
    table = together(tmp_path, "libero", LIBERO, "paper-2", "libero")
    assert [(section.title, section.reference) for section in table.sections] == [
        ("Measured here", False),
        ("Published: SimpleVLA-RL, table 2", True),
        ("Published results of RL on LIBERO", True),
    ]
    assert all(isinstance(line, Row) for section in table.sections[1:] for line in section.lines)


def test_ranked_table_with_reference_rows_ranks_only_our_rows(tmp_path: Path) -> None:
    """Our SFT + RL is the best of our two rows, although published rows have 99.4 and 100.0."""
    table = together(tmp_path, "libero", LIBERO, "paper-2", "libero")
    rows = [line for line in lines(replace(table, ranked=True)) if line.kind in ("row", "delta")]
    assert [line.entries[1].bold for line in rows if not line.reference] == [False, True, False]
    assert not any(entry.bold for line in rows if line.reference for entry in line.entries)


def test_table_rejects_differences_to_reference_rows(tmp_path: Path) -> None:
    table = together(tmp_path, "libero", LIBERO, "paper-2")
    ours, reference = table.sections
    across = Delta("Δ", 1, len(table.rows) - 1)
    with pytest.raises(ValueError, match="published reference rows take part in no difference"):
        Table(table.title, table.columns, (type(ours)((*ours.lines, across), ours.title), reference), table.label)


def test_with_reference_rows_has_both_protocols_in_notes(tmp_path: Path) -> None:
    notes = " ".join(together(tmp_path, "libero", LIBERO, "paper-2").notes)
    assert "our-libero_10 (libero_10)" in notes
    assert "Published rows, not measured here: SimpleVLA-RL" in notes
    assert "50 held-out scenarios a task, three times" in notes


def test_with_reference_rows_names_averages_of_some_columns(tmp_path: Path) -> None:
    table = together(tmp_path, "libero", ["libero_object", "libero_10"], "paper-2", "libero")
    assert [column.title for column in table.columns] == ["Object", "Long", "Avg of these 2"]
    assert row(table, "OpenVLA-OFT") == ["95.3", "86.5", "90.9"]
    titles = [line.title for line in table.lines]
    assert "LaST-R1, v3 (RL)" not in titles  # only its average over four suites is known
    assert not [title for title in titles if "†" in title]


def test_with_reference_rows_marks_averages_printed_without_parts(tmp_path: Path) -> None:
    table = together(tmp_path, "libero", LIBERO, "libero")
    assert row(table, "LaST-R1, v3 † (RL)") == [*[MISSING] * 4, "99.9"]
    assert "† The average is printed by the source" in " ".join(table.notes)


def test_with_reference_rows_adds_section_titles_to_rows(tmp_path: Path) -> None:
    table = together(tmp_path, "libero", LIBERO, "5")
    assert row(table, "OpenVLA-OFT (One-Trajectory SFT)")[3] == "17.3"
    assert row(table, "OpenVLA-OFT (Full-Trajectory SFT)")[3] == "86.5"


def test_with_reference_rows_marks_columns_that_are_not_comparable(tmp_path: Path) -> None:
    table = together(tmp_path, "libero", LIBERO, "paper-2", unlike="libero_10")
    assert [column.title for column in table.columns][3:] == ["Long ‡", "Avg"]
    assert "‡ Not comparable with the published rows: libero_10." in table.notes
    assert r"Long $\ddagger$" in latex(table)


def test_with_reference_rows_marks_columns_with_some_tasks(tmp_path: Path) -> None:
    """Two of libero_object's ten tasks are not what the published figures are of."""
    table = measured(tmp_path, suite_of("libero", LIBERO))
    both = with_reference_rows(
        table, "libero", [find_published("2")], tasks={"libero_object": (3, 6), "libero_90": (0,)}
    )
    assert [column.title for column in both.columns] == ["Spatial", "Object ‡", "Goal", "Long", "Avg"]
    note = next(note for note in both.notes if note.startswith("‡"))
    assert note.endswith("published rates are over all tasks: libero_object 3, 6.")


def test_with_reference_rows_leaves_missing_runs_empty(tmp_path: Path) -> None:
    suite = suite_of("libero", LIBERO)
    measured(tmp_path, suite)
    shutil.rmtree(tmp_path / "runs" / run_id("sft", "libero_goal", 0))
    table = with_reference_rows(
        build_table(episodes_frame(run_folders(tmp_path)), suite), "libero", [find_published("paper-2")]
    )
    assert row(table, "SFT") == ["50.0", "50.0", MISSING, "0.0", MISSING]
    assert row(table, "Δ")[2] == row(table, "Δ")[4] == MISSING
    assert row(table, "Octo") == ["78.9", "85.7", "84.6", "51.1", "75.1"]


def test_with_reference_rows_keeps_groups_and_puts_unpublished_tasks_last(tmp_path: Path) -> None:
    table = together(tmp_path, "robotwin2", ["click_bell", "move_can_pot", "lift_pot"], "paper-4")
    assert [(column.title, column.group.split(" ")[0]) for column in table.columns] == [
        ("Lift Pot", "Short"),
        ("Move Can Pot", "Medium"),
        ("click_bell", ""),
        ("Overall Avg of these 2", ""),
    ]
    assert row(table, "RDT") == ["45.0", "33.0", MISSING, "39.0"]


def test_with_reference_rows_rejects_other_environments(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"table 4: .*has numbers of `robotwin2`; a table of `libero` cannot show them"):
        together(tmp_path, "libero", LIBERO, "paper-4")
    with pytest.raises(UserError, match="numbers of an environment that suites cannot name"):
        together(tmp_path / "others", "libero", LIBERO, "others")
    with pytest.raises(UserError, match=r"this table \(libero_90\) has none of its columns \(libero_spatial, .*\)"):
        together(tmp_path / "90", "libero", ["libero_90"], "paper-2")
