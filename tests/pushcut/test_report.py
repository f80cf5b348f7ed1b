"""The command's page, picture, data and films."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.builtin.test_tabletop_behaviour import PUSHING, pusher
from tests.pushcut.made_up import pair
from vla_rl_bench.builtin.tabletop.environment import make
from vla_rl_bench.cli.main import main
from vla_rl_bench.records.store import RunFolder
from vla_rl_bench.results import firsts
from vla_rl_bench.results.firsts import First
from vla_rl_bench.types import Start

FILM = "pushcut-rl-object-push-{}.gif"


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
    run = RunFolder(folder / "runs" / f"rl-object-s{seed}-0123456789")
    firsts.write(run, First("push", iteration, 0, 0, start, actions))


def page(folder: Path, *words: str) -> str:
    assert main(["pushcut", str(folder), *words]) == 0
    return (folder / "pushcut.md").read_text()


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


def test_the_picture_stands_for_the_shares_and_its_bytes_for_themselves(folder: Path) -> None:
    page(folder)
    first = (folder / "pushcut.png").read_bytes()
    with Image.open(folder / "pushcut.png") as picture:
        colours = np.asarray(picture.convert("RGB")).reshape(-1, 3)
    assert (colours == (0xC8, 0x55, 0x3D)).all(1).mean() > 0.1  # what is new, in its strong colour
    page(folder)
    assert (folder / "pushcut.png").read_bytes() == first


def test_data_for_other_programs(folder: Path) -> None:
    page(folder)
    [found] = json.loads((folder / "pushcut.json").read_text())["sections"]
    assert found["new"] == ["push"]
    assert [one["word"] for one in found["verdicts"]] == ["amplified"]
    assert found["rollouts"][1]["shares"]["push"] == [1.0, 1.0, 1.0]
    assert found["stages"][1]["by_seed"]["2"] == {"successes": {"grasp": 20, "push": 10}, "episodes": 100}


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
    assert "the replay did not" not in text


def test_a_replay_opens_the_task_suite_of_a_renamed_column(folder: Path) -> None:
    keep(folder, seed=0, iteration=1, index=3)
    for path in (folder / "runs").iterdir():
        run = RunFolder(path)
        run.update({"column": "mine", "recipe": run.read()["recipe"] | {"column": "mine", "task_suite": "object"}})
    assert "![push, iteration 1, seed 0: success at step" in page(folder)


def test_a_replay_that_does_not_succeed_says_so(folder: Path) -> None:
    keep(folder, seed=0, iteration=1, index=3, still=True)
    text = page(folder)
    assert "push, iteration 1, seed 0: REPLAY DID NOT SUCCEED" in text
    assert f"- {FILM.format(1)}: the replay did not do what was recorded." in text
    [film] = json.loads((folder / "pushcut.json").read_text())["sections"][0]["films"]
    assert film["replayed"] is False


def test_runs_from_before_behaviours_were_recorded_still_have_a_table(folder: Path) -> None:
    for path in (folder / "runs").iterdir():
        (path / "metrics.jsonl").write_text("")
        RunFolder(path).update({"demonstrated": None})
    text = page(folder)
    assert "33.3 [24.5, 43.6] (30/90)" in text
    assert "was not recorded" in text
    assert not (folder / "pushcut.png").exists()


def test_a_folder_without_runs_is_the_users_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pushcut", str(tmp_path)]) == 2
    assert "no complete run with RL is here" in capsys.readouterr().err
