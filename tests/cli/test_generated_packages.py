"""What `vla-rl-bench new` writes is installed as a user would, and its tests pass, its suite validates and runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vla_rl_bench.cli.new_package import KINDS

PROGRAM = Path(sys.executable).with_name("vla-rl-bench")
SMALL = ("arms.sft.sft.steps=4", "evaluation.per_task=2")  # of the suite that comes with it
NAMES = {"environment": "my-robot", "policy": "my-vla", "trick": "my-trick", "algorithm": "my-grpo"}
ARMS = {"environment": ["sft-rl"], "policy": ["sft-rl"], "trick": ["without", "with"], "algorithm": ["grpo", "mine"]}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a package of each kind, and pip's installation of them in ``site``."""
    folder = tmp_path_factory.mktemp("new")
    for kind in KINDS:
        subprocess.run([PROGRAM, "new", kind, NAMES[kind], "--into", folder], check=True, capture_output=True)
    sources = [folder / f"vla-rl-bench-{name}" for name in NAMES.values()]
    options = ["--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--quiet"]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, "--target", folder / "site", *sources], check=True
    )
    return folder


def call(made: Path, folder: Path, *words: str | Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(made / "site")}
    found = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_its_tests_pass(made: Path, kind: str) -> None:
    folder = made / f"vla-rl-bench-{NAMES[kind]}"
    said = call(made, folder, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", "tests")
    assert "passed" in said and "failed" not in said


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_listed_validates_and_runs(made: Path, kind: str, tmp_path: Path) -> None:
    name = NAMES[kind]
    assert f"[vla-rl-bench-{name}]" in call(made, tmp_path, PROGRAM, "list", KINDS[kind].listing)
    assert f"{name}: ok" in call(made, tmp_path, PROGRAM, "validate", name)
    fewer = [f"arms.{arm}.rl.iterations=1" for arm in ARMS[kind]]
    table = call(made, tmp_path, PROGRAM, "run", name, *SMALL, *fewer, "--jobs", "1")
    assert "SFT + RL" in table
    [written] = (tmp_path / "runs" / name).glob("changed/*/table.md")
    assert written.read_text() in table
