"""`tables` as it is typed, mounted alone."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from tests.analysis.statistics.made_up import made_up_suite, run_id, run_ids, write_suite
from vla_rl_bench.cli.tables import tables
from vla_rl_bench.errors import UserError

app = typer.Typer()
app.command()(tables)


def half(arm: str, column: str, seed: int, task: int, start: int, rollout: int) -> bool:
    return start == 10 or arm == "sft-rl"


def typed(*words: str | Path) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(*words: str | Path) -> str:
    with pytest.raises(UserError) as caught:
        typed(*words)
    return str(caught.value)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    suite = made_up_suite()
    folder = write_suite(tmp_path / "runs" / suite.name, suite, half)
    record = suite.model_dump(mode="json", by_alias=True) | {"runs": run_ids(suite), "limited": False}
    (folder / "suite.json").write_text(json.dumps(record))
    return tmp_path / "runs"


def test_a_suite_is_named_by_name_by_folder_or_not_at_all(out: Path) -> None:
    by_name = typed("made-up", "--out", out)
    assert "| SFT + RL |  100.0 | 100.0 | 100.0 |" in by_name
    assert typed(out / "made-up") == by_name
    assert typed("--out", out) == by_name
    assert typed(out / "made-up" / "suite.json") == by_name


def test_a_suite_file_means_its_runs_as_they_are_now(out: Path, tmp_path: Path) -> None:
    """The made-up runs have other ids than the suite file's recipes hash to, so none of them counts."""
    suite = made_up_suite().model_dump(mode="json", by_alias=True, exclude_none=True)
    file = tmp_path / "made-up.yaml"
    file.write_text(json.dumps(suite))
    assert "No complete run yet." in typed(file, "--out", out)


def test_one_run_is_a_table_of_one_cell(out: Path) -> None:
    text = typed(out / "made-up" / "runs" / run_id("sft", "goal", 1), "--counts")
    assert "| SFT   | 50.0 | 50.0 |" in text
    assert "2/4" in text
    assert "RL |" not in text


def test_counts_follow_where_they_are_asked_for(out: Path) -> None:
    assert "6/12 [" in typed("made-up", "--out", out, "--counts")
    assert "6/12" not in typed("made-up", "--out", out)


@pytest.mark.parametrize(("format", "line"), [("markdown", "|  99.1 |"), ("latex", r"98.5 & 99.1 \\")])
def test_the_papers_table_needs_no_results(tmp_path: Path, format: str, line: str) -> None:
    assert line.split()[-2] in typed("--paper", "2", "--format", format, "--out", tmp_path)


def test_published_and_measured_stand_one_after_the_other(out: Path) -> None:
    text = typed("made-up", "--paper", "2", "--out", out)
    assert text.index("OpenVLA-OFT") < text.index("SFT + RL")


def test_what_is_not_there_is_answered_with_what_is(out: Path) -> None:
    assert "Did you mean `made-up`?" in refused("madeup", "--out", out)
    assert "unknown table format `markdwn`. Did you mean `markdown`?" in refused("--format", "markdwn", "--paper", "2")
    assert "no sampling `T=2`" in refused("made-up", "--out", out, "--sampling", "T=2")
    assert "Run a suite first" in refused("--out", out / "nowhere")


@pytest.mark.parametrize(
    ("text", "message"), [("{", "run the suite again"), ("[]", "run the suite again"), ('{"name": 3}', "run the suite")]
)
def test_a_broken_record_is_named(out: Path, text: str, message: str) -> None:
    (out / "made-up" / "suite.json").write_text(text)
    assert message in refused("made-up", "--out", out)


def test_a_limited_run_of_a_suite_stays_out_of_tables(out: Path) -> None:
    path = out / "made-up" / "suite.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"limited": True}))
    assert "last run with --limit" in refused("made-up", "--out", out)


def test_show_changes_the_cells_in_place_and_says_what_they_hold(out: Path) -> None:
    text = typed("made-up", "--out", out, "--show", "interval")
    assert " 50.0 [" in text
    assert "Protocol: made-up-1." in text
    assert "In brackets: 95% intervals in %" in text
    assert "6/12 [" in typed("made-up", "--out", out, "--show", "counts")
    assert "±" in typed("made-up", "--out", out, "--show", "seeds")
    assert typed("made-up", "--out", out, "--show", "rates") == typed("made-up", "--out", out)


def test_published_cells_have_no_counts_to_show() -> None:
    assert typed("--paper", "2", "--show", "counts") == typed("--paper", "2")


@pytest.mark.parametrize(("format", "bold"), [("markdown", "**"), ("latex", r"\textbf"), ("html", "<b>")])
def test_the_best_is_marked_when_asked_for_and_as_the_paper_does(out: Path, format: str, bold: str) -> None:
    def body(*words: str | Path) -> str:
        return typed(*words, "--format", format).replace("**Made up**", "")

    assert bold not in body("made-up", "--out", out)
    assert bold in body("made-up", "--out", out, "--best")
    assert bold + ("{99.4}" if format == "latex" else "99.4") in typed("--paper", "2", "--format", format)
    assert bold not in typed("--paper", "2", "--no-best", "--format", format).replace("**SimpleVLA-RL", "").replace(
        "LIBERO**", ""
    )


def test_others_published_numbers_are_printed_by_name() -> None:
    assert "| LaST-R1, v1 " in typed("--published", "libero")
    assert "Did you mean `libero`?" in refused("--published", "libro")


def test_reference_rows_need_a_suite_of_their_environment(out: Path) -> None:
    assert "a table of `tabletop` cannot show them" in refused("made-up", "--out", out, "--reference", "2")
    assert "name the suite too" in refused("--paper", "2", "--reference", "2")


def test_runs_cut_short_leave_a_gap_and_a_note(out: Path) -> None:
    record = out / "made-up" / "runs" / run_id("sft", "goal", 1) / "run.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"limited": True}))
    text = typed("made-up", "--out", out)
    assert "| SFT      |   50.0 |     – |     – |" in text
    assert "1 run was shortened with --limit, and not counted." in text


def test_starts_that_were_trained_on_are_named(out: Path) -> None:
    path = out / "made-up" / "suite.json"
    record = json.loads(path.read_text())
    record["evaluation"]["starts"] = "training"
    path.write_text(json.dumps(record))
    assert "Measured on training starts, not on held-out ones" in typed("made-up", "--out", out)


def test_csv_is_what_pandas_reads_without_options_and_notes_have_a_file_of_their_own(out: Path, tmp_path: Path) -> None:
    import pandas as pd

    notes = tmp_path / "made-up.notes.txt"
    text = typed("made-up", "--out", out, "--format", "csv", "--show", "counts", "--notes", notes)
    frame = pd.read_csv(io.StringIO(text), index_col="Model")
    assert frame.loc["SFT", "object"] == 50.0 and frame.loc["SFT", "object successes"] == 6
    assert all(frame[name].dtype.kind in "fi" for name in ("object", "object low", "Avg"))
    assert frame.loc["Δ", "object"] == 50.0 and frame.loc["Δ", "kind"] == "difference"
    title, *lines = notes.read_text().splitlines()
    assert title == "Made up" and "Protocol: made-up-1." in lines


def test_a_notes_file_that_cannot_be_written_is_one_line(out: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be written" in refused("made-up", "--out", out, "--notes", tmp_path / "file" / "notes.txt")
