"""A worker under another interpreter runs the trainer's own code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import vla_rl_bench
from tests.rollout.conftest import TABLETOP
from vla_rl_bench.builtin.tabletop.options import TabletopOptions
from vla_rl_bench.rollout import worker_main
from vla_rl_bench.rollout.pool import ProcessPool
from vla_rl_bench.types import Start


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python that has NumPy, and nothing of ours."""
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    packages = next(folder.glob("lib/python*/site-packages"))
    (packages / "numpy").symlink_to(Path(np.__file__).parent)
    libraries = Path(np.__file__).parents[1] / "numpy.libs"
    if libraries.exists():
        (packages / "numpy.libs").symlink_to(libraries)
    return str(folder / "bin" / "python")


def test_that_interpreter_has_nothing_of_ours(bare: str) -> None:
    assert subprocess.run([bare, "-c", "import numpy"], cwd="/").returncode == 0
    assert subprocess.run([bare, "-c", "import vla_rl_bench"], cwd="/", capture_output=True).returncode == 1


def test_it_plays_the_episode_that_this_one_plays(bare: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")  # the working folder is on a worker's path
    seen = []
    for python in (None, bare):
        pool = ProcessPool(TABLETOP, "object", TabletopOptions(), 1, python)
        try:
            pool.reset(0, Start(0, 0))
            first = pool.wait()[0].observation
            assert first is not None
            seen.append(next(iter(first.images.values())).copy())
        finally:
            pool.close()
    assert np.array_equal(*seen)


def test_what_is_borrowed_is_ours_and_the_plugins_and_from_where_this_process_has_it() -> None:
    here = str(Path(vla_rl_bench.__file__).parent)
    assert worker_main.host_packages("vla_rl_bench.builtin.tabletop:make") == {"vla_rl_bench": here}
    assert worker_main.host_packages("nowhere.to_be:found") == {"vla_rl_bench": here}
    assert set(worker_main.host_packages("tests.rollout:make")) == {"vla_rl_bench", "tests"}
