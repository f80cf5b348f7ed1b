"""Stand-in checkpoints, written once a session."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from plugins.libero.tests.conftest import pytest_runtest_setup

__all__ = ["pytest_runtest_setup"]  # tests marked `sim` ask for LIBERO here too

if missing := [name for name in ("transformers", "peft", "tokenizers") if find_spec(name) is None]:
    collect_ignore_glob = ["test_*.py"]  # the plugin is not installed here
    del missing


@pytest.fixture(scope="session")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """LIBERO, tiny."""
    return _written(tmp_path_factory, "libero", proprio=False)


@pytest.fixture(scope="session")
def proprio_standin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """RoboTwin, tiny, with a proprioception projector."""
    return _written(tmp_path_factory, "robotwin", proprio=True)


def _written(factory: pytest.TempPathFactory, space: str, *, proprio: bool) -> Path:
    from vla_rl_bench_openvla_oft import standin

    folder = factory.mktemp("checkpoints") / space
    standin.write(folder, space=space, proprio=proprio)
    return folder
