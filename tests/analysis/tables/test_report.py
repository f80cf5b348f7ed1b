from __future__ import annotations

from pathlib import Path

from tests.analysis.statistics.made_up import episodes, made_up_source, made_up_suite, run_ids, write_run, write_suite
from vla_rl_bench.analysis.tables.report import write_report


def half(arm: str, column: str, seed: int, task: int, start: int, rollout: int) -> bool:
    return start == 10


def test_write_report_writes_the_same_bytes_for_the_same_results(tmp_path: Path) -> None:
    suite = made_up_suite()
    first = write_report(made_up_source(write_suite(tmp_path / "a", suite, half), suite, run_ids(suite)))
    before = [path.read_bytes() for path in first[:2]]
    again = write_report(made_up_source(tmp_path / "a", suite, run_ids(suite)))
    elsewhere = write_report(made_up_source(write_suite(tmp_path / "b", suite, half), suite))
    assert [path.name for path in first] == ["table.md", "table.tex", "tables"]
    assert [path.read_bytes() for path in again[:2]] == before
    assert [path.read_bytes() for path in elsewhere[:2]] == before


def test_write_report_writes_only_its_files(tmp_path: Path) -> None:
    suite = made_up_suite()
    write_report(made_up_source(write_suite(tmp_path, suite, half), suite), stem="other")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.md", "other.tex", "others", "runs"]


def test_write_report_has_titles_for_further_evaluations(tmp_path: Path) -> None:
    evaluation = {"per_task": 2, "sampling": ["greedy", {"temperature": 1.0}]}
    extra = [
        {"name": "exact", "per_task": 2, "environment": {"rendering": "exact"}},
        {"name": "not-run-yet", "per_task": 2},
    ]
    suite = made_up_suite(columns=["goal"], seeds=[0], evaluation=evaluation, extra_evaluations=extra)
    for arm in ("sft", "sft-rl"):
        records = episodes(arm, "goal", 0, half) + episodes(arm, "goal", 0, half, sampling="T=1")
        records += episodes(arm, "goal", 0, half, evaluation="exact", protocol="exact-1")
        write_run(tmp_path, arm, "goal", 0, records)
    markdown, latex = (path.read_text() for path in write_report(made_up_source(tmp_path, suite))[:2])
    titles = [line.strip("*") for line in markdown.splitlines() if line.startswith("**")]
    assert titles == [
        *("Made up", "Made up: counts and intervals"),
        *("Made up (T=1)", "Made up (T=1): counts and intervals"),
        *("Made up (exact, greedy)", "Made up (exact, greedy): counts and intervals"),
    ]
    assert "Protocol: exact-1." in markdown
    labels = [line for line in latex.splitlines() if line.startswith(r"\label")]
    assert len(labels) == len(set(labels)) == 6
