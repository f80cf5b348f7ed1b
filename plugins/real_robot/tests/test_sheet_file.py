"""The file of a sheet: no trial is lost, lines are only added, and mistakes by hand are reported with their line."""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from plugins.real_robot.tests.made_up import fill_in, made_up_sheet
from vla_rl_bench.errors import UserError
from vla_rl_bench_real_robot.sheet import letters
from vla_rl_bench_real_robot.sheet_file import open_sheet, read_sheet


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    path = made_up_sheet(tmp_path / "robot.jsonl")
    fill_in(path, True, False)
    return path


def test_read_sheet_returns_the_entered_trials(sheet: Path) -> None:
    fill_in(sheet, True)
    assert [trial.outcome for trial in read_sheet(sheet).trials.values()] == ["success", "failure", "success"]
    assert read_sheet(sheet).plan.tasks == ("Stack Bowls", "Pick Bottle")


def test_read_sheet_reads_a_sheet_of_the_command_trials() -> None:
    """The file was written by `vla-rl-bench trials`, before the command moved to this distribution."""
    sheet = read_sheet(Path(__file__).parent / "data" / "sheet_of_trials_command.jsonl")
    assert (sheet.planned, len(sheet.trials), sheet.undone) == (12, 4, 1)
    assert sheet.notes == {2: ["slipped"], 5: ["ü second grasp"]}
    assert [(trial.model, trial.round, trial.outcome, trial.blind) for trial in sheet.trials.values()] == [
        ("w/ ours", 1, "success", False),
        ("OpenVLA-OFT", 1, "failure", False),
        ("π₀", 1, "success", False),
        ("π₀", 1, "success", True),
    ]
    assert list(sheet.remaining())[:3] == [  # the order of the seed as it was
        ("Stack Bowls", "OpenVLA-OFT", 2),
        ("Stack Bowls", "π₀", 2),
        ("Stack Bowls", "w/ ours", 2),
    ]
    assert letters(sheet.plan) == {"w/ ours": "A", "OpenVLA-OFT": "B", "π₀": "C"}


def test_create_sheet_writes_readable_json(tmp_path: Path) -> None:
    path = made_up_sheet(tmp_path / "s", models=("π₀", "b"))
    fill_in(path, True)
    plan, trial = map(json.loads, path.read_text().splitlines())
    assert (plan["event"], trial["event"], trial["outcome"], trial["round"]) == ("plan", "trial", "success", 1)
    assert "π₀" in path.read_text()


def test_writer_only_adds_lines(sheet: Path) -> None:
    before = sheet.read_bytes()
    fill_in(sheet, True)
    assert sheet.read_bytes().startswith(before)


@pytest.mark.parametrize("size", range(1, 60, 7))
def test_open_sheet_removes_a_truncated_last_line(sheet: Path, size: int) -> None:
    complete = sheet.read_bytes()
    line = complete.splitlines(keepends=True)[-1].replace(b'"number": 2', b'"number": 3')
    sheet.write_bytes(complete + line[:size])
    assert len(read_sheet(sheet).trials) == 2
    with open_sheet(sheet) as writer:
        assert writer.repaired
    assert sheet.read_bytes() == complete
    fill_in(sheet, True)
    assert len(read_sheet(sheet).trials) == 3


def test_open_sheet_removes_zeros_that_a_power_cut_left(sheet: Path) -> None:
    whole = sheet.read_bytes()
    sheet.write_bytes(whole + b"\0" * 300)
    fill_in(sheet, True)
    assert sheet.read_bytes().startswith(whole)
    assert len(read_sheet(sheet).trials) == 3


def test_read_sheet_counts_a_complete_last_line_without_its_end(sheet: Path) -> None:
    """An editor that writes no newline at the end of a file."""
    sheet.write_bytes(sheet.read_bytes().rstrip(b"\n"))
    assert len(read_sheet(sheet).trials) == 2
    fill_in(sheet, True)
    assert len(read_sheet(sheet).trials) == 3


def test_read_sheet_skips_carriage_returns_and_blank_lines(sheet: Path) -> None:
    sheet.write_bytes(sheet.read_bytes().replace(b"\n", b"\r\n\r\n"))
    fill_in(sheet, True)
    assert len(read_sheet(sheet).trials) == 3


def change_line(path: Path, line: int, **fields: Any) -> None:
    """Change a line as a person may do; a field of None is removed."""
    lines = path.read_text().splitlines()
    record = json.loads(lines[line - 1]) | fields
    lines[line - 1] = json.dumps({key: value for key, value in record.items() if value is not None})
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("line", "fields", "what"),
    [
        (2, {"outcome": "sucess"}, "outcome: Input should be 'success' or 'failure'"),
        (2, {"task": "Stack Bowl"}, "no task `Stack Bowl` in the plan. Did you mean `Stack Bowls`?"),
        (3, {"model": "ours"}, "no model `ours` in the plan."),
        (3, {"number": 1}, "trial number 1 where 2 is due"),
        (3, {"round": 4}, "round 4 of 3 planned"),
        (3, {"event": "trail"}, "Input tag 'trail' found using 'event' does not match any of the expected tags"),
        (3, {"outcome": None}, "outcome: Field required"),
        (3, {"robot": "left"}, "robot: Extra inputs are not permitted"),
        (3, {"event": "undo", "number": 7}, ": "),
        (1, {"tasks": ["a", "a"]}, "task `a` is listed twice"),
        (1, {"event": "trial"}, ": "),
        (1, {"version": 2}, "version: Input should be 1"),
    ],
)
def test_read_sheet_names_the_line_of_a_mistake(sheet: Path, line: int, fields: dict[str, Any], what: str) -> None:
    change_line(sheet, line, **fields)
    with pytest.raises(UserError) as error:
        read_sheet(sheet)
    message = str(error.value)
    assert message.startswith(f"{sheet}:{line}: ") and what in message and "\n" not in message


@pytest.mark.parametrize(
    ("extra", "what"),
    [
        ('{"event": "undo", "number": 9, "time": "2026-03-01T09:30:00Z"}\n', "no trial number 9"),
        ("{not json}\n", "Invalid JSON: "),
        ("[1, 2]\n", "Input should be an? "),
    ],
)
def test_read_sheet_names_a_line_that_does_not_belong(sheet: Path, extra: str, what: str) -> None:
    sheet.write_text(sheet.read_text() + extra)
    with pytest.raises(UserError, match=f":4: {what}"):
        read_sheet(sheet)


def test_read_sheet_names_bytes_that_are_not_text(sheet: Path) -> None:
    sheet.write_bytes(sheet.read_bytes().replace(b"Pick Bottle", b"Pick B\xff"))
    with pytest.raises(UserError, match=":1: "):
        read_sheet(sheet)


def test_read_sheet_rejects_a_trial_that_was_entered_twice(sheet: Path) -> None:
    """Such a file is left by merging two copies under version control."""
    again = sheet.read_text().splitlines()[-1].replace('"number": 2', '"number": 3')
    sheet.write_text(sheet.read_text() + again + "\n")
    with pytest.raises(UserError, match=r":4: .* is done already, as trial number 2"):
        read_sheet(sheet)


@pytest.mark.parametrize("text", ["", "\n", "{"])
def test_read_sheet_rejects_a_file_without_a_plan(tmp_path: Path, text: str) -> None:
    (tmp_path / "s").write_text(text)
    with pytest.raises(UserError, match="no trial sheet"):
        read_sheet(tmp_path / "s")


def test_sheet_files_report_missing_files_and_folders(tmp_path: Path) -> None:
    for path, what in ((tmp_path / "s", "no such file; begin it with"), (tmp_path, "Is a directory")):
        with pytest.raises(UserError, match=what):
            read_sheet(path)
        with pytest.raises(UserError, match=what), open_sheet(path):
            pass


def test_create_sheet_keeps_an_existing_file(sheet: Path) -> None:
    with pytest.raises(UserError, match="exists already"):
        made_up_sheet(sheet)


def test_open_sheet_rejects_a_second_process(sheet: Path) -> None:
    code = f"""
import sys; from pathlib import Path; from vla_rl_bench_real_robot.sheet_file import open_sheet
with open_sheet(Path({str(sheet)!r})): print("locked", flush=True); sys.stdin.read()
"""
    holder = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "locked\n"
        with pytest.raises(UserError, match="another process is filling in this sheet"), open_sheet(sheet):
            pass
        assert len(read_sheet(sheet).trials) == 2  # reading needs no lock
    finally:
        holder.kill()
        holder.communicate()
    fill_in(sheet, True)


@pytest.mark.parametrize("replaced", [False, True])
def test_writer_rejects_a_file_that_an_editor_changed(sheet: Path, replaced: bool) -> None:
    with open_sheet(sheet) as writer:
        text = sheet.read_text()
        if replaced:
            sheet.unlink()
        sheet.write_text(text if replaced else text + "\n")
        before = sheet.read_bytes()
        with pytest.raises(UserError, match="another program changed the file"):
            writer.add(writer.sheet.trial(next(writer.sheet.remaining()), True))
        assert sheet.read_bytes() == before


def keep_entering(path: Path) -> None:
    with open_sheet(path) as writer:
        for planned in list(writer.sheet.remaining()):
            writer.add(writer.sheet.trial(planned, True))
            (path.parent / "acknowledged").write_text(str(writer.sheet.entered))


def test_writer_keeps_every_acknowledged_trial_of_a_killed_process(tmp_path: Path) -> None:
    path = made_up_sheet(tmp_path / "s", trials=500)
    process = multiprocessing.get_context("spawn").Process(target=keep_entering, args=(path,))
    process.start()
    while not (tmp_path / "acknowledged").exists() or not (tmp_path / "acknowledged").read_text():
        pass
    process.kill()
    process.join()
    acknowledged = int((tmp_path / "acknowledged").read_text() or 0)
    assert 0 < acknowledged <= read_sheet(path).entered
