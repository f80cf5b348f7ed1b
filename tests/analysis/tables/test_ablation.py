"""Tables of an ablation: the intervals of `compare`, with marks and notes on significance."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.analysis.statistics.made_up import episodes, made_up_source, made_up_suite, run_id, write_run
from vla_rl_bench.analysis.align_runs import align_runs
from vla_rl_bench.analysis.select_runs import SelectedRuns
from vla_rl_bench.analysis.statistics import comparison
from vla_rl_bench.analysis.tables.ablation import ablation_tables, write_ablation
from vla_rl_bench.analysis.tables.cells import cell_texts
from vla_rl_bench.analysis.tables.latex import latex
from vla_rl_bench.analysis.tables.markdown import markdown
from vla_rl_bench.analysis.tables.model import Delta, Table
from vla_rl_bench.analysis.tables.report import suite_tables
from vla_rl_bench.config.schema import Suite
from vla_rl_bench.records.frame import run_folders
from vla_rl_bench.records.store import RunFolder

STARTS = tuple(range(100, 130))
RATES = {"sft": 0.2, "sft-rl": 0.5, "sft-rl.cold": 0.45, "sft-rl.off": 0.05}


def ablated_suite(**changes: object) -> Suite:
    """A suite like one of `ablation_suite`, with two variants of the full recipe."""
    arms = made_up_suite().model_dump(mode="json", by_alias=True, exclude_none=True)["arms"]
    cold = arms[1] | {"name": "sft-rl.cold", "title": "SFT + RL, temperature.value=1.0"}
    off = arms[1] | {"name": "sft-rl.off", "title": "SFT + RL, clip_range=off"}
    delta = [["sft-rl.cold", "sft-rl"], ["sft-rl.off", "sft-rl"]]
    plain = {"arms": [*arms, cold, off], "seeds": [0, 1, 2, 3], "table": {"average": True, "delta": delta}}
    return made_up_suite(**(plain | changes))


def write_all(folder: Path, suite: Suite, *, skip: str = "", **fields: str) -> Path:
    for arm in suite.arms:
        for column in suite.columns:
            for seed in suite.seeds:
                draw = np.random.default_rng(abs(hash((len(arm.name), len(column), seed))) % 2**32)

                def outcome(*where: object, draw: np.random.Generator = draw, rate: float = RATES[arm.name]) -> bool:
                    return bool(draw.random() < rate)

                if run_id(arm.name, column, seed) != skip:
                    records = episodes(arm.name, column, seed, outcome, starts=STARTS)
                    write_run(folder, arm.name, column, seed, records)
    return folder


def tables(folder: Path, suite: Suite) -> list[Table]:
    return ablation_tables(suite_tables(made_up_source(folder, suite)))


def differences(table: Table) -> dict[str, list[str]]:
    """The texts of each difference, by the title of its variant."""
    deltas = [line for line in table.lines if isinstance(line, Delta)]
    return {table.rows[delta.minuend].title: cell_texts(table, delta) for delta in deltas}


def test_ablation_intervals_are_those_of_compare(tmp_path: Path) -> None:
    suite = ablated_suite()
    (table,) = tables(write_all(tmp_path, suite), suite)

    def side(arm: str) -> SelectedRuns:
        runs = [(path, RunFolder(path).read()) for path in run_folders(tmp_path)]
        return SelectedRuns(arm, arm, tuple((path, run) for path, run in runs if run["arm"] == arm))

    expected = comparison.compare(align_runs(side("sft-rl"), side("sft-rl.off")).columns)
    delta = table.lines[-1]
    assert isinstance(delta, Delta) and table.rows[delta.minuend].title == "SFT + RL, clip_range=off"
    differences = {**expected.columns, "Avg": expected.mean}
    assert {column.title for column in table.columns} == differences.keys()
    for index, column in enumerate(table.columns):
        value, difference = table.value(delta, index), differences[column.title]
        assert value is not None and difference.over_seeds is not None
        assert float(value.exact) == pytest.approx(difference.value)
        assert value.interval == difference.interval


def test_ablation_marks_significant_differences(tmp_path: Path) -> None:
    suite = ablated_suite()
    (table,) = tables(write_all(tmp_path, suite), suite)
    texts = differences(table)
    assert all(text.endswith("]*") for text in texts["SFT + RL, clip_range=off"])
    assert not any(text.endswith("]*") for text in texts["SFT + RL, temperature.value=1.0"])
    begin = "Significant, also for other seeds and starts: 3 (SFT + RL, clip_range=off on object, −"
    assert table.notes[0].startswith(begin)
    assert table.notes[0].endswith(") of 6 differences.")
    notes = " ".join(table.notes)
    assert "6 differences are compared; if no recipes differed, about 0.3 of their intervals" in notes
    cells = [text for row in texts.values() for text in row]
    for mark in ("*", "(*)", "°"):
        has_meaning = any(note.startswith(f"{mark} significant") for note in table.notes)
        assert has_meaning == any(text.endswith(f"]{mark}") for text in cells)


def test_ablation_has_each_difference_under_its_variant(tmp_path: Path) -> None:
    suite = ablated_suite(columns=["goal"])
    (table,) = tables(write_all(tmp_path, suite), suite)
    assert [line.title for line in table.lines] == [
        *("SFT", "SFT + RL"),
        *("SFT + RL, temperature.value=1.0", "Δ to SFT + RL"),
        *("SFT + RL, clip_range=off", "Δ to SFT + RL"),
    ]
    assert table.comparisons == 2  # the mean of one column is no further comparison


def test_ablation_with_one_seed_judges_policies_only(tmp_path: Path) -> None:
    suite = ablated_suite(seeds=[0])
    (table,) = tables(write_all(tmp_path, suite), suite)
    assert {text[-1] for texts in differences(table).values() for text in texts} == {"°", "]"}
    assert "One seed says nothing about other seeds." in " ".join(table.notes)


def test_ablation_with_a_missing_run_has_empty_cells(tmp_path: Path) -> None:
    suite = ablated_suite()
    folder = write_all(tmp_path, suite, skip=run_id("sft-rl.cold", "goal", 2))
    (table,) = tables(folder, suite)
    assert [text == "–" for text in differences(table)["SFT + RL, temperature.value=1.0"]] == [False, True, True]
    assert table.comparisons == 4
    assert "4 differences are compared" in " ".join(table.notes)


def test_ablation_counts_differences_of_further_evaluations(tmp_path: Path) -> None:
    suite = ablated_suite(columns=["goal"], evaluation={"per_task": 2, "sampling": ["greedy", {"temperature": 1.0}]})
    write_all(tmp_path, suite)
    for path in run_folders(tmp_path):
        text = (path / "episodes.jsonl").read_text()
        (path / "episodes.jsonl").write_text(text + text.replace('"greedy"', '"T=1"'))
    first, second = tables(tmp_path, suite)
    assert (first.title, second.title) == ("Made up", "Made up (T=1)")
    assert len({first.label, second.label}) == 2
    assert first.comparisons == second.comparisons == 4
    assert all("of 2 differences." in table.notes[0] for table in (first, second))
    assert all("4 differences are compared" in " ".join(table.notes) for table in (first, second))


def test_write_ablation_writes_the_same_bytes_for_the_same_results(tmp_path: Path) -> None:
    suite = ablated_suite()
    folder = write_all(tmp_path, suite)
    first = [path.read_bytes() for path in write_ablation(made_up_source(folder, suite))[:2]]
    paths = write_ablation(made_up_source(folder, suite))
    assert [path.name for path in paths] == ["ablation.md", "ablation.tex", "ablations"]
    assert [path.read_bytes() for path in paths[:2]] == first
    text = paths[0].read_text()
    assert [line.strip("*") for line in text.splitlines() if line.startswith("**")] == [
        "Made up", "Made up: counts and intervals", "Made up: over seeds"]  # fmt: skip


def test_ablation_latex_has_the_marks(tmp_path: Path) -> None:
    suite = ablated_suite(seeds=[0])
    (table,) = tables(write_all(tmp_path, suite), suite)
    assert "]°" in markdown(table) and r"]$^\circ$" in latex(table)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="apt install texlive-latex-base texlive-latex-recommended")
def test_ablation_latex_compiles(tmp_path: Path) -> None:
    suite = ablated_suite()
    source = write_ablation(made_up_source(write_all(tmp_path, suite), suite))[1].read_text()
    head = "\\documentclass{article}\n\\usepackage{booktabs}\n\\begin{document}\n"
    (tmp_path / "paper.tex").write_text(f"{head}{source}\\end{{document}}\n")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "paper.pdf").stat().st_size > 10_000
