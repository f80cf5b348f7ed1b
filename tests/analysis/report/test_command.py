"""The command ``report``: the page's path, and one line for an error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.analysis.report.reading import Page
from tests.analysis.statistics.made_up import run_id
from tests.cli.test_main import mistake
from vla_rl_bench import files
from vla_rl_bench.cli.main import main


def test_report_writes_into_the_suites_folder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(folder), "--films", "0"]) == 0
    assert capsys.readouterr().out == f"wrote {folder / 'report.html'}\n"
    assert "Made up" in Page((folder / "report.html").read_text()).words


def test_report_takes_names_of_suites_and_folders_of_suites(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder.parent / "runs").mkdir()
    folder.rename(folder.parent / "runs" / "made-up")
    monkeypatch.chdir(folder.parent)
    for name in ("made-up", "runs"):
        assert main(["report", name, "--films", "0", "--out", f"pages/{name}.html"]) == 0
    assert (Path("pages") / "runs.html").read_text() == (Path("pages") / "made-up.html").read_text()


def test_report_accepts_a_folder_with_an_ablation_only(folder: Path) -> None:
    (folder / "suite.json").rename(folder / "ablation.json")
    assert main(["report", str(folder), "--films", "0"]) == 0
    assert "Made up" in Page((folder / "report.html").read_text()).words


def test_report_names_missing_runs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "runs" / run_id("sft", "goal", 1) / "run.json").unlink()
    assert main(["report", str(folder), "--films", "0"]) == 0
    stderr = capsys.readouterr().err
    assert stderr == f"{folder}: 1 of 12 runs missing: {run_id('sft', 'goal', 1)} (not started)\n"


def test_report_prints_errors_in_one_line(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    run = folder / "runs" / run_id("sft", "goal", 0)
    for name in ("nowhere", "empty"):
        assert "is no suite file, no folder of results" in mistake(capsys, "report", str(tmp_path / name))
    assert f"a single run; name its suite's folder: {folder.resolve()}" in mistake(capsys, "report", str(run))
    for record in folder.glob("runs/*/run.json"):
        record.write_text(json.dumps({"status": "running"}))
    assert "no complete run yet" in mistake(capsys, "report", str(folder))
    (folder / "suite.json").write_text("[]")
    assert "not a record of a suite" in mistake(capsys, "report", str(folder))


def test_report_leaves_no_file_if_the_page_cannot_be_written(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sorted(folder.rglob("*"))
    assert "a folder; name a file" in mistake(capsys, "report", str(folder), "--out", str(folder))
    below_a_file = str(folder / "suite.json" / "x.html")
    assert "cannot be written" in mistake(capsys, "report", str(folder), "--out", below_a_file)

    def fail(file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", fail)
    assert "No space left on device" in mistake(capsys, "report", str(folder), "--films", "0")
    assert sorted(folder.rglob("*")) == before
