"""An ablation runs what is missing and nothing else: after a kill, after `run`, and when it is asked for more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from vla_rl_bench.analysis.outputs import ablate, run
from vla_rl_bench.files import read_json
from vla_rl_bench.records.suite_record import suite_folder

pytestmark = pytest.mark.slow

SUITE = Path(__file__).parent / "small.yaml"
AXES = ["tricks.dynamic-sampling=on,off", "tricks.temperature.value=1.0,1.6"]
QUICK = ["sft.steps=30", "rl.groups=2", "evaluation.per_task=2", "evaluation.sampling=[greedy]"]
OFF, COLD, WARM = "sft-rl.dynamic-sampling-off", "sft-rl.temperature.value-1.0", "sft-rl.temperature.value-1.3"
BOTH = "sft-rl.dynamic-sampling-off.temperature.value-1.0"
REPORTS = ("ablation.json", "ablation.md", "ablation.tex", "ablation_curves.csv", "ablation_curves.png")

RL = (
    "{iterations: 1, groups: 2, group_size: 4, minibatch: 8, learning_rate: 3e-4, advantage: grpo, objective: clipped, "
    "aggregate: trajectory-mean}"
)
Times = dict[Path, int]


def times(folder: Path) -> Times:
    """When each file of demonstrations and runs was written."""
    return {
        path: path.stat().st_mtime_ns
        for part in ("runs", "demonstrations")
        for path in (suite_folder(folder) / part).rglob("*")
        if path.is_file()
    }


def executed(before: Times, after: Times) -> list[str]:
    """The arms of the runs in which anything was written, and `demonstrations` if any were made."""
    touched = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    runs = {path.parent for path in touched if path.parent.parent.name == "runs"}
    made = ["demonstrations"] if any("demonstrations" in path.parts for path in touched) else []
    return sorted(read_json(path / "run.json")["arm"] for path in runs) + made


def runs_of(folder: Path) -> list[Path]:
    return sorted((suite_folder(folder) / "runs").iterdir())


def results(folder: Path) -> dict[str, bytes]:
    names = ("episodes.jsonl", "policy.safetensors")
    return {f"{run.name}/{name}": (run / name).read_bytes() for run in runs_of(folder)
            for name in names}  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an ablation that nothing happened to, of changed values."""
    return ablate(SUITE, AXES, QUICK, out=tmp_path_factory.mktemp("whole"), jobs=1)


def test_what_arms_share_is_computed_once(whole: Path) -> None:
    arms = [read_json(path / "run.json")["arm"] for path in runs_of(whole)]
    assert sorted(arms) == sorted(["sft", "sft-rl", OFF, COLD])
    stores = (suite_folder(whole) / "demonstrations").iterdir()
    assert len([path for path in stores if not path.name.startswith(".")]) == 1
    parents = {read_json(path / "run.json")["parent"] for path in runs_of(whole)} - {None}
    assert len(parents) == 1


def test_ablate_resumes_after_a_kill(whole: Path, tmp_path: Path) -> None:
    """The process dies in the second iteration of the first variant; the second variant has not begun."""
    script = (
        "from pathlib import Path\n"
        "from tests.suite.die import arm\n"
        "from vla_rl_bench.analysis.outputs import ablate\n"
        "arm('vla_rl_bench.engine.grpo:iterate', 5)\n"
        f"ablate({str(SUITE)!r}, {AXES!r}, {QUICK!r}, out=Path({str(tmp_path)!r}), jobs=1)\n"
    )
    surroundings = os.environ | {"OMP_NUM_THREADS": "1"}
    died = subprocess.run([sys.executable, "-c", script], env=surroundings, capture_output=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    folder = tmp_path / whole.relative_to(whole.parents[2])
    before = times(folder)
    assert not (folder / "ablation.md").exists()
    assert ablate(SUITE, AXES, QUICK, out=tmp_path, jobs=1) == folder
    assert executed(before, times(folder)) == [OFF, COLD]
    assert results(folder) == results(whole)
    for name in ("ablation.md", "ablation.tex"):
        assert (folder / name).read_bytes() == (whole / name).read_bytes()


def test_asked_again_it_only_writes_its_reports_again(whole: Path) -> None:
    before, out = times(whole), suite_folder(whole).parent
    contents = {name: (whole / name).read_bytes() for name in REPORTS}
    for name in REPORTS:
        (whole / name).unlink()
    ablate(SUITE, AXES, QUICK, out=out, jobs=1)
    assert executed(before, times(whole)) == []
    assert {name: (whole / name).read_bytes() for name in REPORTS} == contents


def test_ablate_with_more_values_runs_only_those(tmp_path: Path) -> None:
    """First the suite; then an ablation of it; then one more value, one more arm, and everything crossed."""
    folder = run(SUITE, QUICK, out=tmp_path, jobs=1)

    def runs_with(axes: list[str], *, path: Path = SUITE, grid: bool = False) -> list[str]:
        before = times(folder)
        ablate(path, axes, QUICK, out=tmp_path, jobs=1, grid=grid)
        return executed(before, times(folder))

    assert runs_with([AXES[1]]) == [COLD]
    assert runs_with(["tricks.temperature.value=1.0,1.3,1.6"]) == [WARM]
    assert runs_with([*AXES, "tricks.temperature.value=1.3"]) == [OFF]
    assert runs_with(AXES, grid=True) == [BOTH]
    more = tmp_path / "more.yaml"
    more.write_text(f"extends: {SUITE}\nname: small\narms:\n  - {{name: again, from: sft, rl: {RL}}}\n")
    assert runs_with([AXES[1]], path=more) == ["again"]
    assert runs_with(["arms.again.rl.groups=2,3"], path=more) == ["again.arms.again.rl.groups-3"]
