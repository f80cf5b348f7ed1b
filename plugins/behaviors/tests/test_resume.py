"""A suite whose run is killed and resumed leaves the same records as an uninterrupted one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from vla_rl_bench.analysis.outputs import run
from vla_rl_bench.records.frame import run_folders
from vla_rl_bench_behaviors.phases import read_arms

SUITE = Path(__file__).parent / "pushing.yaml"


def recorded(folder: Path) -> dict[str, bytes]:
    """The tracker's files of the run with RL."""
    [rl] = [path for path in run_folders(folder) if path.name.startswith("sft-rl")]
    return {path.name: path.read_bytes() for path in (*rl.glob("behaviors*"), *(rl / "firsts").iterdir())}


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same_records(tmp_path: Path) -> None:
    whole = run(SUITE, out=tmp_path / "whole", jobs=1)
    target = ("vla_rl_bench_behaviors.tracker:write_success", "3")  # of the first iteration
    command = [sys.executable, "-m", "tests.suite.die", *target, str(SUITE), str(tmp_path / "parts")]
    died = subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    parts = run(SUITE, out=tmp_path / "parts", jobs=1)
    assert recorded(whole) == recorded(parts)
    [arm] = read_arms(whole)
    assert arm.demonstrations is not None and arm.demonstrations.successes("grasp") == 20
    assert arm.before is not None and arm.after.episodes == arm.before.episodes == 16
    assert "push" in arm.new and len(arm.rollouts) == 3
