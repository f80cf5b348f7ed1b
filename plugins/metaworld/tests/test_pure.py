"""Tests of options, tasks, units and protocol, without the simulator."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from vla_rl_bench_metaworld.checks import check_interpreter, check_library
from vla_rl_bench_metaworld.contract import ACTION, PROPRIO, SPLITS, proprio, protocol
from vla_rl_bench_metaworld.options import MetaworldOptions
from vla_rl_bench_metaworld.plugin import INTERPRETER
from vla_rl_bench_metaworld.tasks import INSTRUCTIONS, SUITES


def test_suites_have_the_benchmarks_task_counts() -> None:
    assert {name: len(tasks) for name, tasks in SUITES.items()} == {
        "mt10": 10,
        "mt25": 25,
        "mt50": 50,
        "ml10-train": 10,
        "ml10-test": 5,
    }
    assert all(set(tasks) <= set(INSTRUCTIONS) and len(set(tasks)) == len(tasks) for tasks in SUITES.values())
    assert not set(SUITES["ml10-train"]) & set(SUITES["ml10-test"])


def test_instructions_are_distinct() -> None:
    assert len(set(INSTRUCTIONS.values())) == 50


@pytest.mark.parametrize(
    ("invalid", "message"),
    [
        ({"image_size": 4}, "between 8 and 1024"),
        ({"step_limit": 501}, "Meta-World's 500"),
        ({"step_limit": 0}, "between 1 and"),
        ({"expert_noise": -0.1}, "negative"),
    ],
)
def test_options_reject_invalid_values(invalid: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MetaworldOptions(**invalid)  # type: ignore[arg-type]


def test_proprio_scales_the_hand_and_omits_the_scene() -> None:
    low = np.concatenate([[-0.525, 0.348, -0.0525, 0.0], np.full(35, 9.0)])
    high = np.concatenate([[0.525, 1.025, 0.7, 1.0], np.full(35, -9.0)])
    assert proprio(low).dtype == np.float32
    assert np.allclose(proprio(low), [-1, -1, -1, 0], atol=1e-6)
    assert np.allclose(proprio(high), [1, 1, 1, 1], atol=1e-6)
    assert len(PROPRIO) == 4 == ACTION.dimensions


def test_protocol_names_versions_and_options() -> None:
    plain = protocol(MetaworldOptions(), "3.1.1", "3.3.0")
    assert plain == "1/metaworld-3.1.1/mujoco-3.3.0/limit-500/corner2-near-224-exact/seeded"
    assert protocol(MetaworldOptions(expert_noise=0.2), "3.1.1", "3.3.0") == plain


def test_splits_are_disjoint() -> None:
    ranges = sorted(SPLITS.values())
    assert all(end <= begin for (_, end), (begin, _) in pairwise(ranges))


def test_interpreter_pins_versions() -> None:
    lines = INTERPRETER.requirements[0].path.read_text().splitlines()
    pinned = {line.split("==")[0] for line in lines if "==" in line}
    assert {"metaworld", "mujoco", "numpy", "gymnasium", "scipy"} <= pinned


def test_plugin_imports_nothing_heavy() -> None:
    code = (
        "import sys, vla_rl_bench_metaworld.plugin; print(sorted({'torch', 'mujoco', 'metaworld'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_check_interpreter_names_the_build_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLA_RL_BENCH_ENVIRONMENTS", str(tmp_path))
    check = check_interpreter(INTERPRETER)
    assert (check.ok, check.advice) == (False, "vla-rl-bench env create metaworld")


def test_check_library_names_missing_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUJOCO_GL", "osmesa")
    monkeypatch.setattr("ctypes.util.find_library", lambda name: None)
    check = check_library()
    assert (check.ok, check.advice) == (False, "sudo apt install libosmesa6")
