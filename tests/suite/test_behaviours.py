"""What a suite's runs record of behaviours, also when one is killed on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from vla_rl_bench.analysis.outputs import run
from vla_rl_bench.catalog import discover
from vla_rl_bench.files import read_json_lines
from vla_rl_bench.pushcut.counts import read_sections
from vla_rl_bench.records.frame import run_folders
from vla_rl_bench.results.behaviours import demonstrated

SUITE = Path(__file__).parent / "pushing.yaml"


def recorded(folder: Path) -> tuple[dict[str, bytes], list[Any], Any]:
    """First successes, counts an iteration, and what the policy learnt from; of the run with RL."""
    [rl] = [path for path in run_folders(folder) if path.name.startswith("sft-rl")]
    firsts = {path.name: path.read_bytes() for path in (rl / "firsts").iterdir()}
    return firsts, [line["behaviours"] for line in read_json_lines(rl / "metrics.jsonl")], demonstrated(rl)


@pytest.mark.slow
def test_killed_and_resumed_a_run_records_the_same(tmp_path: Path) -> None:
    whole = run(SUITE, out=tmp_path / "whole", jobs=1)
    target = ("vla_rl_bench.results.firsts:write", "3")  # the first iteration has three
    command = [sys.executable, "-m", "tests.suite.die", *target, str(SUITE), str(tmp_path / "parts")]
    died = subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    parts = run(SUITE, out=tmp_path / "parts", jobs=1)
    found = recorded(whole)
    assert found == recorded(parts)
    assert found[0] and all(found[1])
    assert found[2] == {"grasp": 20}
    [section] = read_sections(whole, discover())
    assert section.demonstrations is not None and section.before is not None
    assert section.after.episodes == section.before.episodes == 16
