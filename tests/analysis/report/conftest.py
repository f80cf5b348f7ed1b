"""A suite's folder with made-up results, and one of a suite that was run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.analysis.report.folders import made_up_folder
from vla_rl_bench.analysis.outputs import run

SMALL = Path(__file__).parents[2] / "suite" / "small.yaml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return made_up_folder(tmp_path / "made-up")


@pytest.fixture(scope="session")
def _really_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("really")
    file = place / "small.yaml"
    arms = "[{name: sft, sft: {steps: 20}}, {name: sft-rl, rl: {iterations: 1, groups: 2}}]"
    # one slot, as a replay has: in batches of other shapes a policy's last bits may differ, and an action with them
    file.write_text(f"extends: {SMALL}\nname: small\narms: {arms}\nruntime: {{slots: 1}}\n")
    return run(file, out=place, jobs=1)


@pytest.fixture
def really_run(_really_run: Path, tmp_path: Path) -> Path:
    """A copy, to be changed."""
    return Path(shutil.copytree(_really_run, tmp_path / "small"))
