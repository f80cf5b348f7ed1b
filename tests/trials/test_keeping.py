"""A sheet's file: nothing is lost, nothing is taken back, and what a person spoilt is named with its line."""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.trials.made_up import fill_in, made_up_sheet
from vla_rl_bench.errors import UserError
from vla_rl_bench.trials.keeping import opened, read


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    path = made_up_sheet(tmp_path / "robot.jsonl")
    fill_in(path, True, False)
    return path


def test_what_was_entered_is_read_again(sheet: Path) -> None:
    fill_in(sheet, True)
    assert [one.outcome for one in read(sheet).trials.values()] == ["success", "failure", "success"]
    assert read(sheet).plan.tasks == ("Stack Bowls", "Pick Bottle")


def test_a_line_is_plain_json_that_a_person_can_read(tmp_path: Path) -> None:
    path = made_up_sheet(tmp_path / "s", models=("π₀", "b"))
    fill_in(path, True)
    plan, trial = map(json.loads, path.read_text().splitlines())
    assert (plan["event"], trial["event"], trial["outcome"], trial["round"]) == ("plan", "trial", "success", 1)
    assert "π₀" in path.read_text()


def test_entering_and_undoing_only_add_lines(sheet: Path) -> None:
    before = sheet.read_bytes()
    fill_in(sheet, True)
    assert sheet.read_bytes().startswith(before)


@pytest.mark.parametrize("kept", range(1, 60, 7))
def test_a_torn_last_line_is_no_trial_and_goes_when_the_next_is_written(sheet: Path, kept: int) -> None:
    whole = sheet.read_bytes()
    line = whole.splitlines(keepends=True)[-1].replace(b'"number": 2', b'"number": 3')
    sheet.write_bytes(whole + line[:kept])
    assert len(read(sheet).trials) == 2
    with opened(sheet) as book:
        assert book.mended
    assert sheet.read_bytes() == whole
    fill_in(sheet, True)
    assert len(read(sheet).trials) == 3


def test_zeros_that_a_file_system_leaves_after_a_power_cut_are_a_torn_line(sheet: Path) -> None:
    whole = sheet.read_bytes()
    sheet.write_bytes(whole + b"\0" * 300)
    fill_in(sheet, True)
    assert sheet.read_bytes().startswith(whole)
    assert len(read(sheet).trials) == 3


def test_a_whole_last_line_without_its_end_counts(sheet: Path) -> None:
    """An editor that writes no newline at the end of a file."""
    sheet.write_bytes(sheet.read_bytes().rstrip(b"\n"))
    assert len(read(sheet).trials) == 2
    fill_in(sheet, True)
    assert len(read(sheet).trials) == 3


def test_carriage_returns_and_blank_lines_do_no_harm(sheet: Path) -> None:
    sheet.write_bytes(sheet.read_bytes().replace(b"\n", b"\r\n\r\n"))
    fill_in(sheet, True)
    assert len(read(sheet).trials) == 3


def changed(path: Path, line: int, **fields: Any) -> None:
    """One line as a person may change it; a field of None is taken out."""
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
        (3, {"event": "trail"}, 'no "event" that a sheet has. Did you mean `trial`?'),
        (3, {"outcome": None}, "outcome: Field required"),
        (3, {"robot": "left"}, "robot: Extra inputs are not permitted"),
        (3, {"event": "undo", "number": 7}, ": "),
        (1, {"tasks": ["a", "a"]}, "task `a` is there twice"),
        (1, {"event": "trial"}, ": "),
        (1, {"version": 2}, "version: Input should be 1"),
    ],
)
def test_a_mistake_by_hand_is_named_with_its_line(sheet: Path, line: int, fields: dict[str, Any], what: str) -> None:
    changed(sheet, line, **fields)
    with pytest.raises(UserError) as error:
        read(sheet)
    said = str(error.value)
    assert said.startswith(f"{sheet}:{line}: ") and what in said and "\n" not in said


@pytest.mark.parametrize(
    ("extra", "what"),
    [
        ('{"event": "undo", "number": 9, "time": "2026-03-01T09:30:00Z"}\n', "no trial number 9"),
        ("{not json}\n", "not JSON: "),
        ("[1, 2]\n", 'no "event"'),
    ],
)
def test_a_line_that_does_not_belong_is_named(sheet: Path, extra: str, what: str) -> None:
    sheet.write_text(sheet.read_text() + extra)
    with pytest.raises(UserError, match=f":4: {what}"):
        read(sheet)


def test_bytes_that_are_no_text_are_named(sheet: Path) -> None:
    sheet.write_bytes(sheet.read_bytes().replace(b"Pick Bottle", b"Pick B\xff"))
    with pytest.raises(UserError, match=":1: "):
        read(sheet)


def test_a_trial_that_was_filled_twice_is_refused(sheet: Path) -> None:
    """As merging two copies under version control leaves it."""
    again = sheet.read_text().splitlines()[-1].replace('"number": 2', '"number": 3')
    sheet.write_text(sheet.read_text() + again + "\n")
    with pytest.raises(UserError, match=r":4: .* is filled already, by trial number 2"):
        read(sheet)


@pytest.mark.parametrize("text", ["", "\n", "{"])
def test_a_file_without_a_plan_is_no_sheet(tmp_path: Path, text: str) -> None:
    (tmp_path / "s").write_text(text)
    with pytest.raises(UserError, match="no trial sheet"):
        read(tmp_path / "s")


def test_missing_files_and_folders_are_one_line(tmp_path: Path) -> None:
    for path, what in ((tmp_path / "s", "not there; begin it with"), (tmp_path, "Is a directory")):
        with pytest.raises(UserError, match=what):
            read(path)
        with pytest.raises(UserError, match=what), opened(path):
            pass


def test_a_sheet_is_not_begun_over_another(sheet: Path) -> None:
    with pytest.raises(UserError, match="is there already"):
        made_up_sheet(sheet)


def test_two_processes_are_refused_and_the_lock_goes_with_its_process(sheet: Path) -> None:
    code = f"""
import sys; from pathlib import Path; from vla_rl_bench.trials.keeping import opened
with opened(Path({str(sheet)!r})): print("locked", flush=True); sys.stdin.read()
"""
    other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout is not None and other.stdout.readline() == "locked\n"
        with pytest.raises(UserError, match="another process is filling in this sheet"), opened(sheet):
            pass
        assert len(read(sheet).trials) == 2  # reading needs no lock
    finally:
        other.kill()
        other.communicate()
    fill_in(sheet, True)


@pytest.mark.parametrize("replaced", [False, True])
def test_a_sheet_that_an_editor_changed_meanwhile_is_not_written_to(sheet: Path, replaced: bool) -> None:
    with opened(sheet) as book:
        text = sheet.read_text()
        if replaced:
            sheet.unlink()
        sheet.write_text(text if replaced else text + "\n")
        before = sheet.read_bytes()
        with pytest.raises(UserError, match="was changed by another program meanwhile"):
            book.add(book.sheet.trial(next(book.sheet.open_slots()), True))
        assert sheet.read_bytes() == before


def keep_entering(path: Path) -> None:
    with opened(path) as book:
        for slot in list(book.sheet.open_slots()):
            book.add(book.sheet.trial(slot, True))
            (path.parent / "acknowledged").write_text(str(book.sheet.entered))


def test_a_killed_process_loses_no_trial_that_it_acknowledged(tmp_path: Path) -> None:
    path = made_up_sheet(tmp_path / "s", trials=500)
    process = multiprocessing.get_context("spawn").Process(target=keep_entering, args=(path,))
    process.start()
    while not (tmp_path / "acknowledged").exists() or not (tmp_path / "acknowledged").read_text():
        pass
    process.kill()
    process.join()
    acknowledged = int((tmp_path / "acknowledged").read_text() or 0)
    assert 0 < acknowledged <= read(path).entered
