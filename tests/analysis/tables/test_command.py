"""`tables` as it is tables_output, mounted alone."""

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


def tables_output(*words: str | Path) -> str:
    run = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert run.exit_code == 0, run.output
    return run.stdout


def error_of(*words: str | Path) -> str:
    with pytest.raises(UserError) as caught:
        tables_output(*words)
    return str(caught.value)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    suite = made_up_suite()
    folder = write_suite(tmp_path / "runs" / suite.name, suite, half)
    record = suite.model_dump(mode="json", by_alias=True) | {"runs": run_ids(suite), "limited": False}
    (folder / "suite.json").write_text(json.dumps(record))
    return tmp_path / "runs"


def test_tables_takes_a_name_a_folder_or_nothing(out: Path) -> None:
    by_name = tables_output("made-up", "--out", out)
    assert "| SFT + RL |  100.0 | 100.0 | 100.0 |" in by_name
    assert tables_output(out / "made-up") == by_name
    assert tables_output("--out", out) == by_name
    assert tables_output(out / "made-up" / "suite.json") == by_name


def test_tables_of_a_suite_file_has_its_present_runs(out: Path, tmp_path: Path) -> None:
    """The made-up runs have other ids than the suite file's recipes hash to, so none of them counts."""
    suite = made_up_suite().model_dump(mode="json", by_alias=True, exclude_none=True)
    file = tmp_path / "made-up.yaml"
    file.write_text(json.dumps(suite))
    assert "No complete run with this evaluation yet." in tables_output(file, "--out", out)


def test_tables_of_a_run_has_one_cell(out: Path) -> None:
    text = tables_output(out / "made-up" / "runs" / run_id("sft", "goal", 1), "--counts")
    assert "| SFT   | 50.0 | 50.0 |" in text
    assert "2/4" in text
    assert "RL |" not in text


def test_tables_counts_adds_counts(out: Path) -> None:
    assert "6/12 [" in tables_output("made-up", "--out", out, "--counts")
    assert "6/12" not in tables_output("made-up", "--out", out)


@pytest.mark.parametrize(("format", "line"), [("markdown", "|  99.1 |"), ("latex", r"98.5 & 99.1 \\")])
def test_tables_paper_needs_no_results(tmp_path: Path, format: str, line: str) -> None:
    assert line.split()[-2] in tables_output("--paper", "2", "--format", format, "--out", tmp_path)


def test_tables_prints_published_tables_before_suites(out: Path) -> None:
    text = tables_output("made-up", "--paper", "2", "--out", out)
    assert text.index("OpenVLA-OFT") < text.index("SFT + RL")


def test_tables_suggests_names_for_unknown_ones(out: Path) -> None:
    assert "Did you mean `made-up`?" in error_of("madeup", "--out", out)
    assert "unknown table format `markdwn`. Did you mean `markdown`?" in error_of("--format", "markdwn", "--paper", "2")
    assert "no sampling `T=2`" in error_of("made-up", "--out", out, "--sampling", "T=2")
    assert "Run a suite first" in error_of("--out", out / "nowhere")


@pytest.mark.parametrize(
    ("text", "message"), [("{", "run the suite again"), ("[]", "run the suite again"), ('{"name": 3}', "run the suite")]
)
def test_tables_names_a_broken_record(out: Path, text: str, message: str) -> None:
    (out / "made-up" / "suite.json").write_text(text)
    assert message in error_of("made-up", "--out", out)


def test_tables_rejects_a_suite_run_with_limit(out: Path) -> None:
    path = out / "made-up" / "suite.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"limited": True}))
    assert "last run with --limit" in error_of("made-up", "--out", out)


def test_tables_show_changes_cells_and_adds_a_note(out: Path) -> None:
    text = tables_output("made-up", "--out", out, "--show", "interval")
    assert " 50.0 [" in text
    assert "Protocol: made-up-1." in text
    assert "In brackets: 95% intervals in %" in text
    assert "6/12 [" in tables_output("made-up", "--out", out, "--show", "counts")
    assert "±" in tables_output("made-up", "--out", out, "--show", "seeds")
    assert tables_output("made-up", "--out", out, "--show", "rates") == tables_output("made-up", "--out", out)


def test_tables_show_keeps_published_rates() -> None:
    assert tables_output("--paper", "2", "--show", "counts") == tables_output("--paper", "2")


@pytest.mark.parametrize(("format", "bold"), [("markdown", "**"), ("latex", r"\textbf"), ("html", "<b>")])
def test_tables_best_sets_the_best_in_bold(out: Path, format: str, bold: str) -> None:
    def body(*words: str | Path) -> str:
        return tables_output(*words, "--format", format).replace("**Made up**", "")

    assert bold not in body("made-up", "--out", out)
    assert bold in body("made-up", "--out", out, "--best")
    assert bold + ("{99.4}" if format == "latex" else "99.4") in tables_output("--paper", "2", "--format", format)
    assert bold not in tables_output("--paper", "2", "--no-best", "--format", format).replace(
        "**SimpleVLA-RL", ""
    ).replace("LIBERO**", "")


def test_tables_published_takes_a_name() -> None:
    assert "| LaST-R1, v1 " in tables_output("--published", "libero")
    assert "Did you mean `libero`?" in error_of("--published", "libro")


def test_tables_reference_needs_a_suite_of_its_environment(out: Path) -> None:
    assert "a table of `tabletop` cannot show them" in error_of("made-up", "--out", out, "--reference", "2")
    assert "name the suite too" in error_of("--paper", "2", "--reference", "2")


def test_tables_leaves_limited_runs_empty_with_a_note(out: Path) -> None:
    record = out / "made-up" / "runs" / run_id("sft", "goal", 1) / "run.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"limited": True}))
    text = tables_output("made-up", "--out", out)
    assert "| SFT      |   50.0 |     – |     – |" in text
    assert "1 run was shortened with --limit, and not counted." in text


def test_tables_notes_name_training_starts(out: Path) -> None:
    path = out / "made-up" / "suite.json"
    record = json.loads(path.read_text())
    record["evaluation"]["starts"] = "training"
    path.write_text(json.dumps(record))
    assert "Measured on training starts, not on held-out ones" in tables_output("made-up", "--out", out)


def test_tables_csv_is_read_by_pandas_and_notes_have_a_file(out: Path, tmp_path: Path) -> None:
    import pandas as pd

    notes = tmp_path / "made-up.notes.txt"
    text = tables_output("made-up", "--out", out, "--format", "csv", "--show", "counts", "--notes", notes)
    frame = pd.read_csv(io.StringIO(text), index_col="Model")
    assert frame.loc["SFT", "object"] == 50.0 and frame.loc["SFT", "object successes"] == 6
    assert all(frame[name].dtype.kind in "fi" for name in ("object", "object low", "Avg"))
    assert frame.loc["Δ", "object"] == 50.0 and frame.loc["Δ", "kind"] == "difference"
    title, *lines = notes.read_text().splitlines()
    assert title == "Made up" and "Protocol: made-up-1." in lines


def test_tables_reports_an_unwritable_notes_file(out: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be written" in error_of("made-up", "--out", out, "--notes", tmp_path / "file" / "notes.txt")
