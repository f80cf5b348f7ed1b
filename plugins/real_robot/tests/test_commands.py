"""The commands without a terminal, as a user calls them."""

from __future__ import annotations

from pathlib import Path

import pytest

from vla_rl_bench.cli.main import main
from vla_rl_bench_real_robot.sheet_file import read_sheet


def output(capsys: pytest.CaptureFixture[str], *argv: object) -> str:
    assert main(["real-robot", *map(str, argv)]) == 0
    return capsys.readouterr().out


def error_line(capsys: pytest.CaptureFixture[str], *argv: object) -> str:
    assert main(["real-robot", *map(str, argv)]) == 2
    printed = capsys.readouterr()
    assert (printed.out, len(printed.err.splitlines())) == ("", 1)
    return printed.err.strip()


NEW = ("--task", "Stack Bowls", "--task", "Click Bell", "--model", "OpenVLA-OFT", "--model", "w/ ours")
OURS = ("--task", "Stack Bowls", "--model", "w/ ours")


@pytest.fixture
def sheet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    path = tmp_path / "robot.jsonl"
    assert output(capsys, "new", path, *NEW, "--trials", "2").startswith(f"{path}: 8 trials to do: ")
    return path


def test_new_add_and_table_make_a_table(sheet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for outcome in ("success", "failure"):
        output(capsys, "add", sheet, outcome, *OURS)
        output(capsys, "add", sheet, "failure", "--task", "Stack Bowls", "--model", "OpenVLA-OFT", "--note", "slipped")
    lines = output(capsys, "table", sheet, "--show", "counts", "--reference", "paper-6").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    assert cells[0] == ["Model", "Stack Bowls", "Click Bell", "Avg of these 2"]
    assert [cell.split(" ")[0] for cell in cells[4]] == ["w/", "1/2", "–", "–"]
    assert [row[0] for row in cells[5:]] == ["Δ", "*Published: SimpleVLA-RL, table 6*", "RDT", "OpenVLA-OFT", "w/ ours"]
    for format in ("latex", "html", "csv"):
        assert "Stack Bowls" in output(capsys, "table", sheet, "--format", format)


def test_new_writes_its_options_to_the_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output(capsys, "new", tmp_path / "a", *NEW, "--model", "RDT", "--delta", "w/ ours", "--order", "blocked")
    plan = read_sheet(tmp_path / "a").plan
    assert (plan.trials, plan.paired, plan.delta) == (50, False, (("w/ ours", "OpenVLA-OFT"),))
    output(capsys, "new", tmp_path / "b", *NEW, "--baseline", "w/ ours", "--seed", "3")
    plan = read_sheet(tmp_path / "b").plan
    assert (plan.seed, plan.paired, plan.delta) == (3, True, (("OpenVLA-OFT", "w/ ours"),))


def test_undo_takes_back_the_latest_trial_that_counts(sheet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output(capsys, "add", sheet, "success", *OURS)
    output(capsys, "add", sheet, "failure", *OURS)
    assert output(capsys, "undo", sheet) == "undone: Stack Bowls, w/ ours, round 2: failure\n"
    assert output(capsys, "undo", sheet) == "undone: Stack Bowls, w/ ours, round 1: success\n"
    assert error_line(capsys, "undo", sheet) == f"{sheet}: no trial to undo"
    assert read_sheet(sheet).undone == 2


def test_key_prints_every_model(sheet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = output(capsys, "key", sheet).splitlines()
    assert [line[:3] for line in lines] == ["A  ", "B  "]
    assert {line[3:] for line in lines} == {"OpenVLA-OFT", "w/ ours"}


def test_add_rejects_more_trials_than_planned(sheet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        output(capsys, "add", sheet, "success", *OURS)
    assert (
        error_line(capsys, "add", sheet, "success", *OURS)
        == f"{sheet}: all 2 trials of w/ ours on Stack Bowls are done"
    )


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("add", "success", "--task", "Stack Bowl", "--model", "w/ ours"), "Did you mean `Stack Bowls`?"),
        (("add", "success", "--task", "Stack Bowls", "--model", "ours"), "no model `ours` in the plan."),
        (("add", "won", *OURS), "'won' is not one of 'success', 'failure'"),
        (("fill",), "real-robot fill needs a terminal; without one: vla-rl-bench real-robot add"),
        (("fill", "--task", "Click Bel"), "no task `Click Bel` in the plan. Did you mean `Click Bell`?"),
        (("new", *NEW), "exists already; continue with: vla-rl-bench real-robot fill"),
        (("table", "--reference", "paper-2"), "a table of `real-robot` cannot show them"),
        (("table", "--format", "org"), "org"),
    ],
)
def test_commands_report_a_mistake_in_one_line(
    sheet: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], line: str
) -> None:
    command, *rest = arguments
    assert line in error_line(capsys, command, sheet, *rest)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--task", "a", "--model", "x", "--model", "x"), "model `x` is listed twice"),
        (("--task", "a", "--model", "x", "--model", "y", "--baseline", "z"), "no model `z` in the plan."),
        (("--task", " ", "--model", "x"), "must be one line, without blanks around it"),
        (("--task", "a"), "--model"),
    ],
)
def test_new_rejects_a_wrong_plan_and_leaves_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], line: str
) -> None:
    assert line in error_line(capsys, "new", tmp_path / "s", *arguments)
    assert not (tmp_path / "s").exists()


def test_new_reports_a_path_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be written" in error_line(capsys, "new", tmp_path / "file" / "s", *NEW)


def test_commands_name_the_line_that_is_not_json(sheet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheet.write_text(sheet.read_text() + "{oops}\n")
    for command in (("table", sheet), ("undo", sheet), ("add", sheet, "success", *OURS)):
        assert error_line(capsys, *command).startswith(f"{sheet}:2: Invalid JSON")
