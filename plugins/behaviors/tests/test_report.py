"""The command ``behaviors``: its text, plot, data and films."""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from plugins.behaviors.tests.run_folders import pair
from tests.builtin.test_tabletop_behavior import PUSHING, pusher
from vla_rl_bench.builtin.tabletop.environment import make
from vla_rl_bench.cli.main import main
from vla_rl_bench.records.store import RunFolder
from vla_rl_bench.types import Start
from vla_rl_bench_behaviors.records import NovelSuccess, write_success

REPOSITORY = Path(__file__).parents[3]
FILM = "behaviors-rl-object-push-{}.gif"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for seed in (0, 1, 2):
        pair(
            tmp_path,
            seed,
            {"grasp": 20, "push": 10},
            [{"grasp": 20, "push": 8}, {"push": 30}],
            {"grasp": 10, "push": 50},
        )
    return tmp_path


def keep(folder: Path, seed: int, iteration: int, index: int, still: bool = False) -> None:
    """A scripted push as a first success; or, as if the simulator had changed, actions that do nothing."""
    start = Start(1, index)
    actions = pusher(make("object", PUSHING, 1), start)
    if still:
        actions = np.tile(np.array([0, 0, -1], np.float32), (3, 1))
    run = folder / "runs" / f"rl-object-s{seed}-0123456789"
    write_success(run, NovelSuccess("push", iteration, 0, 0, start, actions))


def page(folder: Path, *words: str) -> str:
    assert main(["behaviors", str(folder), *words]) == 0
    return (folder / "behaviors.md").read_text()


def test_the_table_has_counts_and_wilson_intervals(folder: Path) -> None:
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page(folder).splitlines() if "|" in line]
    assert rows[0] == [
        "",
        "demonstrations",
        "SFT, evaluated",
        "rollouts, iteration 1",
        "rollouts, iteration 2",
        "SFT + RL, evaluated",
    ]
    assert rows[2][:3] == ["`grasp`", "100.0 (60/60)", "66.7 [56.4, 75.5] (60/90)"]
    assert rows[3][:3] == ["`push`", "0.0 (0/60)", "33.3 [24.5, 43.6] (30/90)"]
    assert rows[4] == [
        "successes / episodes",
        "",
        "30.0 (90/300)",
        "43.8 (84/192)",
        "46.9 (90/192)",
        "60.0 (180/300)",
    ]


def test_plot_shows_new_behaviors_in_strong_colors_and_has_the_same_bytes_twice(folder: Path) -> None:
    page(folder)
    first = (folder / "behaviors.png").read_bytes()
    with Image.open(folder / "behaviors.png") as picture:
        colors = np.asarray(picture.convert("RGB")).reshape(-1, 3)
    assert (colors == (0xC8, 0x55, 0x3D)).all(1).mean() > 0.1  # what is new, in its strong color
    page(folder)
    assert (folder / "behaviors.png").read_bytes() == first


def test_data_has_counts_by_seed(folder: Path) -> None:
    page(folder)
    [arm] = json.loads((folder / "behaviors.json").read_text())["arms"]
    assert arm["new"] == ["push"]
    assert [verdict["word"] for verdict in arm["verdicts"]] == ["amplified"]
    assert arm["rollouts"][1]["by_seed"]["0"] == {"successes": {"push": 30}, "episodes": 64}
    assert arm["phases"][1]["by_seed"]["2"] == {"successes": {"grasp": 20, "push": 10}, "episodes": 100}


def test_first_successes_are_filmed_by_playing_them_again(folder: Path) -> None:
    keep(folder, seed=0, iteration=2, index=3)
    keep(folder, seed=0, iteration=3, index=4)
    keep(folder, seed=1, iteration=1, index=5)
    text = page(folder, "--films", "2")
    for number, words in (
        (1, "push, iteration 1, seed 1: success at step"),
        (2, "push, iteration 2, seed 0: success at"),
    ):
        assert f"![{words}" in text
        with Image.open(folder / FILM.format(number)) as film:
            assert film.n_frames > 5  # type: ignore[attr-defined]
    assert not (folder / FILM.format(3)).exists()
    assert "the replay differs" not in text


def test_a_replay_that_does_not_succeed_says_so(folder: Path) -> None:
    keep(folder, seed=0, iteration=1, index=3, still=True)
    text = page(folder)
    assert "push, iteration 1, seed 0: REPLAY DID NOT SUCCEED" in text
    assert f"- {FILM.format(1)}: the replay differs from the recorded episode." in text
    [film] = json.loads((folder / "behaviors.json").read_text())["arms"][0]["films"]
    assert film["as_recorded"] is False


def test_a_column_with_another_name_is_replayed_on_its_task_suite(folder: Path) -> None:
    keep(folder, seed=0, iteration=1, index=3)
    for path in (folder / "runs").glob("rl-*"):
        run = RunFolder(path)
        run.update({"column": "renamed", "recipe": run.read()["recipe"] | {"task_suite": "object"}})
    assert "push, iteration 1, seed 0: success at step" in page(folder)


def test_runs_without_the_tracker_have_a_table_of_their_evaluations(folder: Path) -> None:
    for path in (folder / "runs").iterdir():
        (path / "behaviors.jsonl").unlink(missing_ok=True)
        RunFolder(path).update({"demonstration_events": None})
    text = page(folder)
    assert "33.3 [24.5, 43.6] (30/90)" in text
    assert "no behavior can be called new" in text
    assert "Add `trackers: [{name: behaviors}]`" in text
    assert not (folder / "behaviors.png").exists()


def rounded(path: Path) -> Any:
    """JSON without the last digits of its numbers, which depend on the order of sums."""
    return json.loads(path.read_text(), parse_float=lambda text: round(float(text), 12))


def test_committed_results_are_read(tmp_path: Path) -> None:
    """The counts of results/pushcut/easy, whose records vla-rl-bench 0.1 wrote."""
    committed = REPOSITORY / "results" / "pushcut" / "easy"
    with tarfile.open(committed / "records.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    shutil.copy(committed / "suite.json", tmp_path)
    page(tmp_path)
    [arm] = rounded(tmp_path / "behaviors.json")["arms"]
    [section] = rounded(committed / "pushcut.json")["sections"]
    assert arm["phases"] == section["stages"]
    assert [(verdict["word"], verdict["change"]) for verdict in arm["verdicts"]] == [
        (verdict["word"], verdict["change"]) for verdict in section["verdicts"]
    ]
    assert len(arm["rollouts"]) == len(section["rollouts"]) == 40


def test_a_folder_without_runs_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["behaviors", str(tmp_path)]) == 2
    assert "has no complete run with RL" in capsys.readouterr().err
