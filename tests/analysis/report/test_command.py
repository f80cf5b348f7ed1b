"""The command: where the page lands, and one line for what cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.analysis.report.reading import Page
from tests.analysis.statistics.made_up import run_id
from tests.cli.test_main import mistake
from vla_rl_bench.analysis.report import write
from vla_rl_bench.cli.main import main


def test_it_writes_into_the_suite_s_folder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(folder), "--films", "0"]) == 0
    assert capsys.readouterr().out == f"wrote {folder / 'report.html'}\n"
    assert "Made up" in Page((folder / "report.html").read_text()).words


def test_it_finds_suites_by_name_and_in_a_folder_of_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder.parent / "runs").mkdir()
    folder.rename(folder.parent / "runs" / "made-up")
    monkeypatch.chdir(folder.parent)
    for name in ("made-up", "runs"):
        assert main(["report", name, "--films", "0", "--out", f"pages/{name}.html"]) == 0
    assert (Path("pages") / "runs.html").read_text() == (Path("pages") / "made-up.html").read_text()


def test_a_folder_that_was_only_ablated_has_a_page_too(folder: Path) -> None:
    (folder / "suite.json").rename(folder / "ablation.json")
    assert main(["report", str(folder), "--films", "0"]) == 0
    assert "Made up" in Page((folder / "report.html").read_text()).words


def test_an_unfinished_suite_names_its_missing_runs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "runs" / run_id("sft", "goal", 1) / "run.json").unlink()
    assert main(["report", str(folder), "--films", "0"]) == 0
    said = capsys.readouterr().err
    assert said == f"{folder}: 1 of 12 runs missing: {run_id('sft', 'goal', 1)} (not begun)\n"


def test_mistakes_are_one_line(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    run = folder / "runs" / run_id("sft", "goal", 0)
    assert "no such folder" in mistake(capsys, "report", str(tmp_path / "nowhere"))
    assert "not a folder of runs" in mistake(capsys, "report", str(tmp_path / "empty"))
    assert "a file; name a suite's folder" in mistake(capsys, "report", str(folder / "suite.json"))
    assert f"a single run; name its suite's folder: {folder.resolve()}" in mistake(capsys, "report", str(run))
    for record in folder.glob("runs/*/run.json"):
        record.write_text(json.dumps({"status": "running"}))
    assert "no complete run yet" in mistake(capsys, "report", str(folder))
    (folder / "suite.json").write_text("[]")
    assert "not a record of a suite" in mistake(capsys, "report", str(folder))


def test_a_page_that_cannot_be_written_leaves_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sorted(folder.rglob("*"))
    assert "a folder; name a file" in mistake(capsys, "report", str(folder), "--out", str(folder))
    below_a_file = str(folder / "suite.json" / "x.html")
    assert "cannot be written" in mistake(capsys, "report", str(folder), "--out", below_a_file)

    def full(path: Path, text: str) -> None:
        path.with_name(f".{path.name}.1.tmp").write_text(text[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(write, "write_text", full)
    assert "No space left on device" in mistake(capsys, "report", str(folder), "--films", "0")
    assert sorted(folder.rglob("*")) == before
