"""Tasks that are left out of training, columns with names of their own, curves of SFT, other task suites."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from vla_rl_bench.analysis.outputs import run
from vla_rl_bench.files import read_json_lines
from vla_rl_bench.records.store import RunFolder

TEXT = f"""\
extends: {Path(__file__).parent / "small.yaml"}
name: left-out
columns: [object-1]
task_suites: {{object-1: object}}
unseen: {{object-1: [1]}}
arms:
  - name: sft
    demonstrations: {{per_task: 1, unseen: true}}
  - name: further
    from: sft
    demonstrations: {{per_task: 2}}
    sft: {{steps: 40, batch_size: 8, learning_rate: 1e-3, checkpoint_every: 15, curve: {{every: 20, per_task: 2}}}}
evaluation: {{sampling: [greedy]}}
extra_evaluations:
  - {{name: elsewhere, suite: goal, per_task: 2}}
"""


@pytest.fixture(scope="module")
def suite_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("suite") / "left_out.yaml"
    path.write_text(TEXT)
    return path


@pytest.fixture(scope="module")
def folder(suite_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(suite_file, out=tmp_path_factory.mktemp("runs"), jobs=1)


def episodes(folder: Path, arm: str) -> list[dict[str, object]]:
    (path,) = (folder / "runs").glob(f"{arm}-object-1-*")
    return read_json_lines(RunFolder(path).episodes_path)


def tasks(records: list[dict[str, object]], evaluation: str, iteration: int | None = None) -> set[object]:
    return {r["task"] for r in records if r["evaluation"] == evaluation and r["iteration"] == iteration}


@pytest.mark.slow
@pytest.mark.parametrize("arm", ["sft", "further", "sft-rl"])
def test_evaluations_of_trained_and_unseen_tasks_are_separate(folder: Path, arm: str) -> None:
    found = episodes(folder, arm)
    assert tasks(found, "main") == {0, 2, 3}
    assert tasks(found, "unseen") == {1}


@pytest.mark.slow
@pytest.mark.parametrize(("arm", "points"), [("further", {0, 20, 40}), ("sft-rl", {0, 2, 3})])
def test_curve_evaluates_trained_and_unseen_tasks(folder: Path, arm: str, points: set[int]) -> None:
    found = episodes(folder, arm)
    assert {r["iteration"] for r in found if r["iteration"] is not None} == points
    for point in points:
        assert (tasks(found, "main", point), tasks(found, "unseen", point)) == ({0, 2, 3}, {1})


@pytest.mark.slow
def test_demonstrations_of_unseen_tasks_are_used_only_by_arms_that_name_them(folder: Path) -> None:
    from vla_rl_bench.engine.demonstrations import load

    shown = {path.name: {one.start.task for one in load(path)} for path in (folder / "demonstrations").glob("*.npz")}
    assert sorted(map(sorted, shown.values())) == [[0, 1, 2, 3], [0, 2, 3]]


@pytest.mark.slow
def test_extra_evaluation_opens_another_task_suite(folder: Path) -> None:
    found = [record for record in episodes(folder, "sft-rl") if record["evaluation"] == "elsewhere"]
    assert {record["column"] for record in found} == {"goal"}
    assert {record["task"] for record in found} == {0, 2, 3}
    assert "elsewhere" in (folder / "table.md").read_text()


@pytest.mark.slow
def test_the_page_says_which_tasks_were_left_out_and_the_picture_is_there(folder: Path) -> None:
    assert "Tasks that are left out of training: object-1 1." in (folder / "table.md").read_text()
    assert (folder / "generalisation.png").stat().st_size > 10_000


@pytest.mark.slow
def test_sft_curve_resumes_after_a_kill(folder: Path, suite_file: Path, tmp_path: Path) -> None:
    """Killed in the second fine-tuning after a point of its curve, which lies beyond the last checkpoint."""
    steps = 80 + 25
    command = [sys.executable, "-m", "tests.suite.die", "vla_rl_bench.engine.sft:_step", str(steps)]
    died = subprocess.run(
        [*command, str(suite_file), str(tmp_path)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        check=False,
    )
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    resumed = run(suite_file, out=tmp_path, jobs=1)
    assert episodes(resumed, "further") == episodes(folder, "further")
