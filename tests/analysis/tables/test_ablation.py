"""An ablation's tables say what `compare` says, for all variants at once, and how much that is worth."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.analysis.statistics.made_up import episodes, made_up_suite, run_id, write_run
from vla_rl_bench.analysis.match import match
from vla_rl_bench.analysis.sides import Side
from vla_rl_bench.analysis.statistics import comparison
from vla_rl_bench.analysis.tables.ablation import AblationTable, ablation_tables, as_latex, as_markdown, write_ablation
from vla_rl_bench.config.schema import Suite
from vla_rl_bench.records.frame import episodes_frame, run_folders
from vla_rl_bench.records.store import RunFolder

STARTS = tuple(range(100, 130))
RATES = {"sft": 0.2, "sft-rl": 0.5, "sft-rl.cold": 0.45, "sft-rl.off": 0.05}


def ablated_suite(**changes: object) -> Suite:
    """As `ablation_suite` makes it: two variants of the full recipe."""
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


def tables(folder: Path, suite: Suite) -> list[AblationTable]:
    return ablation_tables(episodes_frame(run_folders(folder)), suite)


def test_the_interval_is_that_of_compare(tmp_path: Path) -> None:
    suite = ablated_suite()
    (table,) = tables(write_all(tmp_path, suite), suite)

    def side(arm: str) -> Side:
        runs = [(path, RunFolder(path).read()) for path in run_folders(tmp_path)]
        return Side(arm, arm, tuple((path, run) for path, run in runs if run["arm"] == arm))

    expected = comparison.compare(match(side("sft-rl"), side("sft-rl.off"), None, None, None).columns)
    differences = {column: line.difference for column, line in table.differences if line.title == "clip_range=off"}
    assert differences.keys() == {"object", "goal", "Average"}
    for name, column in {**expected.columns, "Average": expected.mean}.items():
        difference = differences[name]
        assert difference is not None and difference.over_seeds is not None
        assert (difference.value, difference.interval) == (column.value, column.interval)


def test_a_large_difference_is_significant(tmp_path: Path) -> None:
    suite = ablated_suite()
    (table,) = tables(write_all(tmp_path, suite), suite)
    words = {(column, line.title): line.texts[3] for column, line in table.differences}
    assert {words[column, "clip_range=off"] for column in ("object", "goal", "Average")} == {"yes"}
    assert "yes" not in {words[column, "temperature.value=1.0"] for column in ("object", "goal", "Average")}
    assert table.notes[0].startswith("Significant, also for other seeds and starts: 3 (clip_range=off on object, −")
    assert table.notes[0].endswith(") of 6 differences.")
    assert "6 differences are compared; if none of them were real, about 0.3 of the intervals" in " ".join(table.notes)


def test_variants_stand_under_their_full_recipe_by_what_differs(tmp_path: Path) -> None:
    suite = ablated_suite(columns=["goal"])
    (table,) = tables(write_all(tmp_path, suite), suite)
    ((column, lines),) = table.sections
    assert column == "goal"
    assert [line.title for line in lines] == ["SFT", "SFT + RL", "temperature.value=1.0", "clip_range=off"]
    assert [line.verdict is not None for line in lines] == [False, False, True, True]


def test_one_seed_says_nothing_of_other_seeds(tmp_path: Path) -> None:
    suite = ablated_suite(seeds=[0])
    (table,) = tables(write_all(tmp_path, suite), suite)
    assert {line.texts[3] for _, line in table.differences} <= {"these policies", "no"}
    assert "One seed says nothing about other seeds." in " ".join(table.notes)


def test_a_missing_run_leaves_gaps_and_no_average(tmp_path: Path) -> None:
    suite = ablated_suite()
    folder = write_all(tmp_path, suite, skip=run_id("sft-rl.cold", "goal", 2))
    (table,) = tables(folder, suite)
    empty = {(column, line.title) for column, lines in table.sections for line in lines if line.rate is None}
    assert empty == {("goal", "temperature.value=1.0"), ("Average", "temperature.value=1.0")}
    assert len(table.differences) == 4
    assert "4 differences are compared" in " ".join(table.notes)
    row = next(line for line in as_markdown(table).splitlines() if "temperature" in line and "–" in line)
    assert row.count("–") == 4


def test_further_evaluations_count_as_comparisons(tmp_path: Path) -> None:
    suite = ablated_suite(columns=["goal"], evaluation={"per_task": 2, "sampling": ["greedy", {"temperature": 1.0}]})
    write_all(tmp_path, suite)
    for path in run_folders(tmp_path):
        text = (path / "episodes.jsonl").read_text()
        (path / "episodes.jsonl").write_text(text + text.replace('"greedy"', '"T=1"'))
    first, second = tables(tmp_path, suite)
    assert (first.title, second.title) == ("Made up", "Made up (T=1)")
    assert len({first.label, second.label}) == 2
    assert len(first.differences) == len(second.differences) == 2
    assert all("4 differences are compared" in " ".join(table.notes) for table in (first, second))


def test_the_same_results_give_the_same_files_and_no_interval_but_that_one(tmp_path: Path) -> None:
    suite = ablated_suite()
    folder = write_all(tmp_path, suite)
    first = [path.read_bytes() for path in write_ablation(folder, suite)[:2]]
    paths = write_ablation(folder, suite)
    assert [path.name for path in paths] == ["ablation.md", "ablation.tex", "ablations"]
    assert [path.read_bytes() for path in paths[:2]] == first
    text = paths[0].read_text()
    assert [line.strip("*") for line in text.splitlines() if line.startswith("**")] == [
        "Made up", "Made up: counts and intervals", "Made up: over seeds"]  # fmt: skip
    assert "Δ to" not in text


def test_the_latex_says_what_the_markdown_says(tmp_path: Path) -> None:
    suite = ablated_suite()
    (table,) = tables(write_all(tmp_path, suite), suite)
    for _, line in table.differences:
        assert all(text in as_markdown(table) for text in line.texts)
        assert line.texts[0] in as_latex(table)
    assert r"\quad clip\_range=off & " in as_latex(table)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="apt install texlive-latex-base texlive-latex-recommended")
def test_the_latex_compiles_with_booktabs(tmp_path: Path) -> None:
    suite = ablated_suite()
    source = write_ablation(write_all(tmp_path, suite), suite)[1].read_text()
    head = "\\documentclass{article}\n\\usepackage{booktabs}\n\\begin{document}\n"
    (tmp_path / "paper.tex").write_text(f"{head}{source}\\end{{document}}\n")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout[-2000:]
    assert (tmp_path / "paper.pdf").stat().st_size > 10_000
