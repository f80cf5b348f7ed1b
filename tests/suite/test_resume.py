"""Killed at any moment, a suite resumes and ends with the same bytes as one that nothing happened to."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from vla_rl_bench.analysis.outputs import run
from vla_rl_bench.files import read_json
from vla_rl_bench.records.frame import run_folders
from vla_rl_bench.records.store import RunFolder
from vla_rl_bench.records.suite_record import suite_folder

SUITE = Path(__file__).parent / "small.yaml"
SAME = ("table.md", "table.tex")
SAME_IN_RUNS = ("episodes.jsonl", "policy.safetensors")

MOMENTS = {
    "SFT": ("vla_rl_bench.engine.sft:_step", 50),
    "rollout": ("vla_rl_bench.rollout.scheduler:EpisodeScheduler.advance", 40),
    "update": ("vla_rl_bench.engine.update:_backward", 4),
    "evaluation": ("vla_rl_bench.engine.evaluate:sampling_name", 50),
    "writing a checkpoint": ("vla_rl_bench.builtin.strategies.single:atomic_path", 6),
    "writing metrics": ("torn:vla_rl_bench.records.store:append_json_lines", 9),
    "writing episodes": ("torn:vla_rl_bench.records.store:append_json_lines", 3),
    "renaming": ("pathlib:Path.replace", 25),
}


def results(folder: Path) -> dict[str, bytes]:
    found = {name: (folder / name).read_bytes() for name in SAME}
    for path in run_folders(suite_folder(folder)):
        found |= {f"{path.name}/{name}": (path / name).read_bytes() for name in SAME_IN_RUNS}
    return found


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return results(run(SUITE, out=tmp_path_factory.mktemp("whole"), jobs=1))


@pytest.mark.slow
@pytest.mark.parametrize(
    "moment",
    [pytest.param(moment, marks=pytest.mark.numeric) if moment in ("SFT", "update") else moment for moment in MOMENTS],
)
def test_run_resumed_after_a_kill_has_the_same_bytes(
    uninterrupted: dict[str, bytes], tmp_path: Path, moment: str
) -> None:
    target, n = MOMENTS[moment]
    command = [sys.executable, "-m", "tests.suite.die", target, str(n), str(SUITE), str(tmp_path)]
    died = subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    assert not (tmp_path / "small" / "table.md").exists()
    assert results(run(SUITE, out=tmp_path, jobs=1)) == uninterrupted


@pytest.mark.slow
def test_runs_in_parallel_have_the_same_bytes(uninterrupted: dict[str, bytes], tmp_path: Path) -> None:
    """Two runs at a time, each in a process of its own, give the bytes of one after the other."""
    script = f"""
from pathlib import Path
from vla_rl_bench.analysis.outputs import run
if __name__ == "__main__":
    run({str(SUITE)!r}, ["seeds=[0,1]"], Path({str(tmp_path)!r}), jobs=2)
"""
    (tmp_path / "both.py").write_text(script)
    subprocess.run([sys.executable, str(tmp_path / "both.py")], check=True, capture_output=True)
    found = results(tmp_path / "small" / "changed" / "seeds=0,1")
    assert {name: found[name] for name in uninterrupted if name not in SAME} == {
        name: value for name, value in uninterrupted.items() if name not in SAME
    }


@pytest.mark.slow
def test_run_of_a_complete_suite_computes_nothing(tmp_path: Path) -> None:
    folder = run(SUITE, out=tmp_path, jobs=1)
    before = {path: path.stat().st_mtime_ns for path in (folder / "runs").rglob("*") if path.is_file()}
    run(SUITE, out=tmp_path, jobs=1)
    assert {path: path.stat().st_mtime_ns for path in (folder / "runs").rglob("*") if path.is_file()} == before


@pytest.mark.slow
def test_run_completes_a_record_whose_status_is_missing(tmp_path: Path) -> None:
    """Everything is on disk but the status: the next run says it, and trains nothing."""
    folder = run(SUITE, out=tmp_path, jobs=1)
    table = (folder / "table.md").read_bytes()
    policies = {path: path.stat().st_mtime_ns for path in (folder / "runs").rglob("policy.safetensors")}
    for path in (folder / "runs").iterdir():
        RunFolder(path).update({"status": "running"})
    run(SUITE, out=tmp_path, jobs=1)
    assert (folder / "table.md").read_bytes() == table
    assert {read_json(path / "run.json")["status"] for path in (folder / "runs").iterdir()} == {"complete"}
    assert {path: path.stat().st_mtime_ns for path in (folder / "runs").rglob("policy.safetensors")} == policies


@pytest.mark.slow
def test_run_with_more_evaluation_trains_nothing(tmp_path: Path) -> None:
    folder = run(SUITE, out=tmp_path, jobs=1)
    policies = {path: path.stat().st_mtime_ns for path in (folder / "runs").rglob("policy.safetensors")}
    changed = run(SUITE, ["evaluation.per_task=6"], out=tmp_path, jobs=1)
    assert changed == folder / "changed" / "evaluation.per_task=6"
    assert {path: path.stat().st_mtime_ns for path in (folder / "runs").rglob("policy.safetensors")} == policies
    for path in (folder / "runs").iterdir():
        evaluations = read_json(path / "run.json")["evaluations"]
        counts = {name: entry["episodes"] for name, entry in evaluations.items()}
        assert counts.pop("main/greedy") == counts.pop("main/T=1") == 16
        assert list(counts.values()) == [24, 24]
        assert all(re.fullmatch(r"main@[0-9a-f]+/(greedy|T=1)", name) for name in counts)
    assert "/16 [" in (folder / "table.md").read_text()
    assert "/24 [" in (changed / "table.md").read_text()


@pytest.mark.slow
def test_run_keeps_limited_runs_out_of_tables(tmp_path: Path) -> None:
    folder = run(SUITE, out=tmp_path, limit=1, jobs=1)
    assert not (folder / "table.md").exists()
    assert all(read_json(path / "run.json")["limited"] for path in (folder / "runs").iterdir())
    whole = run(SUITE, out=tmp_path, jobs=1)
    assert len(list((whole / "runs").iterdir())) == 4
    assert "/16" in (whole / "table.md").read_text()


def test_dry_run_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(SUITE, out=tmp_path, dry_run=True)
    assert "2 runs, 0 complete; nothing was run" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []
