"""The comparisons of same_bytes.py notice a difference, and only one that counts.

The whole command takes minutes: ``python tests/guard/same_bytes.py REVISION``.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.guard import same_bytes

TABLE = """**A title**

| Model | object |                 Avg |
|-------|-------:|--------------------:|
| SFT   |    3.8 |     3.8 [1.3, 10.5] |
| Δ     |  −18.8 | −18.8 [−28.7, −8.7] |

Protocol: tabletop-1. Seeds: 0.
"""


def episode(iteration: int | None, success: bool) -> dict[str, Any]:
    return {"evaluation": "main", "sampling": "greedy", "iteration": iteration, "success": success}


def write_lines(path: Path, lines: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A suite's folder with one run."""
    run = tmp_path / "old" / "runs" / "sft-rl-object-s0-eacf91157a"
    run.mkdir(parents=True)
    (run / "policy.safetensors").write_bytes(b"weights")
    write_lines(run / "episodes.jsonl", [episode(0, False), episode(2, True), episode(None, True)])
    write_lines(run / "metrics.jsonl", [{"iteration": n, "loss": 0.1 * n, "seconds": n, "left": n} for n in (1, 2)])
    (tmp_path / "old" / "table.md").write_text(TABLE)
    return tmp_path / "old"


@pytest.fixture
def new(old: Path) -> Path:
    return shutil.copytree(old, old.with_name("new"))


def errors(old: Path, new: Path, **options: bool) -> list[str]:
    report = same_bytes.Report()
    keys = same_bytes.metrics_keys(old) & same_bytes.metrics_keys(new)
    same_bytes.compare_runs(old, new, report, keys)
    same_bytes.compare_tables(old / "table.md", new / "table.md", report, **options)
    return report.errors


def run_of(folder: Path) -> Path:
    return next((folder / "runs").iterdir())


def test_same_folders_have_no_errors(old: Path, new: Path) -> None:
    assert errors(old, new) == []
    assert same_bytes.grids(TABLE) == [(("3.8", "3.8", "1.3", "10.5"), ("-18.8", "-18.8", "-28.7", "-8.7"))]
    assert list(same_bytes.curves(old).values()) == [(0, 1), (1, 1)]


def test_times_keys_and_text_are_no_errors(old: Path, new: Path) -> None:
    write_lines(run_of(new) / "metrics.jsonl", [{"iteration": n, "loss": 0.1 * n, "seconds": -n} for n in (1, 2)])
    text = TABLE.replace("A title", "Another").replace("SFT", "Fine-tuned").replace("tabletop-1.", "tabletop-1:")
    (new / "table.md").write_text(text + "\n| A | B |\n|---|---|\n| a | 1 |\n")
    assert errors(old, new) == []


@pytest.mark.parametrize(
    ("number", "changed"), [("3.8 |", "3.9 |"), ("10.5]", "10.6]"), ("−8.7", "+8.7"), ("| SFT   |    3.8", "| SFT   |")]
)
def test_number_of_table_is_an_error(old: Path, new: Path, number: str, changed: str) -> None:
    assert number in TABLE
    (new / "table.md").write_text(TABLE.replace(number, changed, 1))
    (error,) = errors(old, new)
    assert error.startswith("table.md: table 1:")


@pytest.mark.parametrize(
    ("number", "changed", "alike"), [("10.5", "10.6", True), ("10.5", "10.7", False), ("−8.7", "−8.70", False)]
)
def test_rounding_is_no_error_with_last_digit(old: Path, new: Path, number: str, changed: str, alike: bool) -> None:
    (new / "table.md").write_text(TABLE.replace(number, changed))
    assert errors(old, new) and bool(errors(old, new, last_digit=True)) != alike


def test_count_is_an_error_with_last_digit(old: Path, new: Path) -> None:
    for folder, count in ((old, "3/80"), (new, "4/80")):
        (folder / "table.md").write_text(f"| Model | object |\n|---|---|\n| SFT | {count} |\n")
    assert errors(old, new, last_digit=True)


def test_metric_is_an_error(old: Path, new: Path) -> None:
    path = run_of(new) / "metrics.jsonl"
    lines = same_bytes.records(path)
    lines[1]["loss"] += 1e-9
    write_lines(path, lines)
    (error,) = errors(old, new)
    assert "iteration 2: loss: 0.2 -> 0.200000001" in error
    del lines[1]["loss"]  # another iteration still has it
    write_lines(path, lines)
    assert "iteration 2: loss: 0.2 -> null" in errors(old, new)[0]
    write_lines(path, lines[:1])
    assert "2 iterations -> 1" in errors(old, new)[0]


def test_policy_and_episode_are_errors(old: Path, new: Path) -> None:
    (run_of(new) / "policy.safetensors").write_bytes(b"Weights")
    write_lines(run_of(new) / "episodes.jsonl", [episode(0, False), episode(2, False), episode(None, True)])
    differences = errors(old, new)
    assert [error.partition(": ")[0].rpartition("/")[2] for error in differences] == [
        "episodes.jsonl",
        "policy.safetensors",
        "curves",
    ]
    (run_of(new) / "policy.safetensors").unlink()
    assert any("policy.safetensors exists" in error for error in errors(old, new))


def test_run_id_is_an_error(old: Path, new: Path) -> None:
    run_of(new).rename(new / "runs" / "sft-rl-object-s0-0000000000")
    assert errors(old, new)[0].startswith("run ids:")


def test_wrong_input_is_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a").touch()
    for arguments in (["no-such-revision"], ["HEAD", "--suite", "no.yaml"], ["HEAD", "--keep", str(tmp_path)]):
        assert same_bytes.main(arguments) == 2
        assert capfd.readouterr().err.count("\n") == 1
