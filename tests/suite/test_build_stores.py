"""``vla-rl-bench demonstrations``: the stores that `run` would build, and `run` then finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from vla_rl_bench.cli.main import main

SUITE = str(Path(__file__).parent / "small.yaml")


def test_demonstrations_builds_stores_and_runs_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["demonstrations", SUITE, "seeds=[0,1]", "--out", str(tmp_path)]
    assert main(command) == 0
    stores = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert len(stores) == 2 and all(path.is_file() for path in stores)  # one a seed; RL asks for none of its own
    assert not (tmp_path / "small" / "runs").exists()
    before = [(path.read_bytes(), path.stat().st_mtime_ns) for path in stores]
    assert main(command) == 0
    assert [(path.read_bytes(), path.stat().st_mtime_ns) for path in stores] == before


@pytest.mark.slow
def test_run_uses_built_stores(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demonstrations", SUITE, "--out", str(tmp_path)]) == 0
    (store,) = [Path(line) for line in capsys.readouterr().out.splitlines()]
    written = store.stat().st_mtime_ns
    assert main(["run", SUITE, "--limit", "1", "--out", str(tmp_path)]) == 0
    assert [path for path in store.parent.iterdir() if path.suffix == ".npz"] == [store]
    assert store.stat().st_mtime_ns == written


def test_demonstrations_raises_for_a_suite_without_any(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    suite = tmp_path / "own.yaml"
    suite.write_text(Path(SUITE).read_text().replace("{per_task: 1}", f"{{per_task: 1, source: {tmp_path}}}"))
    assert main(["demonstrations", str(suite), "--out", str(tmp_path)]) == 2
    assert "no arm of suite `small` asks for demonstrations of an expert" in capsys.readouterr().err
