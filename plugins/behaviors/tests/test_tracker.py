"""The tracker records true counts, and first successes that can be played again."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.engine.conftest import recipe
from vla_rl_bench import events
from vla_rl_bench.algorithms.advantages import group_advantages
from vla_rl_bench.algorithms.objectives import clipped
from vla_rl_bench.builtin.nano.options import NanoOptions
from vla_rl_bench.builtin.nano.policy import make as make_policy
from vla_rl_bench.builtin.strategies.options import SingleOptions
from vla_rl_bench.builtin.strategies.single import Single
from vla_rl_bench.builtin.tabletop.behavior import behavior
from vla_rl_bench.builtin.tabletop.environment import make as make_tabletop
from vla_rl_bench.builtin.tabletop.options import TabletopOptions
from vla_rl_bench.builtin.tricks.dynamic_sampling import DynamicSampling
from vla_rl_bench.config.schema import SftConfig
from vla_rl_bench.engine import demonstrations
from vla_rl_bench.engine.distributed import SingleProcess
from vla_rl_bench.engine.grpo import train
from vla_rl_bench.engine.hooks import RunHooks
from vla_rl_bench.engine.sft import Windows, fine_tune
from vla_rl_bench.engine.training import LossFunctions, Training, TrainingStarts
from vla_rl_bench.files import read_json_lines
from vla_rl_bench.records.store import RunFolder
from vla_rl_bench.rollout.actor import Actor
from vla_rl_bench.rollout.pool import InProcessPool
from vla_rl_bench.rollout.scheduler import Episode, roll_out
from vla_rl_bench.types import Group, Observation, Start, Trajectory
from vla_rl_bench_behaviors.records import NovelSuccess, read_successes, success_files, write_success
from vla_rl_bench_behaviors.tracker import KEPT, NovelSuccessTracker

pytestmark = pytest.mark.numeric

BOUNDS = (10_000, 20_000)
STARTS = TrainingStarts((0, 1, 2, 3), BOUNDS, 0)
MIXED = [[["pushed", "grasped"], 1]]  # as if demonstrations pushed and grasped: either alone is new
Weights = dict[str, torch.Tensor]


def tables() -> InProcessPool:
    """A pool in which every forward has one row, so an episode's bits do not depend on the other rows."""
    pool = InProcessPool(make_tabletop("object", TabletopOptions(friction=True, grasp_radius=0.03), 16))
    pool.forward_rows = 1
    return pool


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Weights:
    """Train a policy on ten demonstrations of each task; it solves some of the starts."""
    torch.set_num_threads(1)
    pool = tables()
    policy: Any = make_policy(pool.contract, NanoOptions(weights="tabletop"), 0)
    collected = demonstrations.collect(pool, (0, 1000), [0, 1, 2, 3], 10, 0)
    config = SftConfig(steps=180, batch_size=32, learning_rate=1e-3)
    trainer = Single(SingleOptions(device="cpu")).prepare(policy)
    path = tmp_path_factory.mktemp("sft") / "c.pt"
    fine_tune(trainer, Windows(collected, pool.contract, policy), config, 0, SingleProcess(), path, lambda *_: None)
    return trainer.trained_state()


def run(weights: Weights, folder: Path, iterations: int = 2) -> None:
    """Start or resume a run with RL whose policy has learned from `MIXED` demonstrations."""
    pool = tables()
    policy: Any = make_policy(pool.contract, NanoOptions(weights="tabletop"), 0)
    policy.load_state_dict(weights)
    made = {"environment": {"name": "tabletop"}, "demonstrations": {"per_task": 1}}
    RunFolder(folder).update({"recipe": made, "demonstration_events": MIXED})
    engine = RunHooks([DynamicSampling(max_draws=3)], [NovelSuccessTracker()])
    engine.notify(events.RunStart("a-run", folder, {}))
    train(
        Training(
            folder=RunFolder(folder),
            trainer=Single(SingleOptions(device="cpu")).prepare(policy),  # type: ignore[arg-type]
            ranks=SingleProcess(),
            pool=pool,
            hooks=engine,
            config=recipe(iterations=iterations, groups=4, learning_rate=3e-4),
            functions=LossFunctions(group_advantages, clipped),
            starts=STARTS,
            curve=(),
            progress=lambda *_: None,
        )
    )
    assert engine.observer_errors == []


def files(folder: Path) -> dict[str, bytes]:
    """Everything that the tracker left."""
    return {path.name: path.read_bytes() for path in (*folder.glob("behaviors*"), *(folder / "firsts").glob("*"))}


def first_iteration(weights: Weights, drawn: int) -> list[tuple[str, bool, Episode]]:
    """Play the rollouts of iteration 1 again -> behavior, success, episode."""
    pool = tables()
    policy: Any = make_policy(pool.contract, NanoOptions(weights="tabletop"), 0).eval()
    policy.load_state_dict(weights)
    episodes = [Episode(STARTS.start(1, g), r, ("rollout", 0, 1, g, r), g) for g in range(drawn) for r in range(4)]
    waiting = iter(episodes)
    ended = roll_out(pool, Actor(policy, 1.0), lambda: next(waiting, None), keep=False)
    outcomes = {episode.key: (behavior(trajectory.events), trajectory.success) for episode, trajectory in ended}
    return [(*outcomes[episode.key], episode) for episode in episodes]


@pytest.fixture(scope="module")
def whole(weights: Weights, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two iterations."""
    folder = tmp_path_factory.mktemp("run") / "whole"
    run(weights, folder)
    return folder


@pytest.fixture(scope="module")
def replayed(weights: Weights, whole: Path) -> list[tuple[str, bool, Episode]]:
    return first_iteration(weights, read_json_lines(whole / "metrics.jsonl")[0]["drawn"])


def test_counts_include_every_rollout_of_rejected_groups_too(
    whole: Path, replayed: list[tuple[str, bool, Episode]]
) -> None:
    metrics, counts = read_json_lines(whole / "metrics.jsonl"), read_json_lines(whole / "behaviors.jsonl")
    assert [line["iteration"] for line in counts] == [1, 2]
    for line, metric in zip(counts, metrics, strict=True):
        assert sum(episodes for episodes, _ in line["behaviors"].values()) == metric["trajectories"]
        successes = round(metric["rollout_success"] * metric["trajectories"])
        assert sum(successes for _, successes in line["behaviors"].values()) == successes > 0
    episodes, successes = Counter(b for b, _, _ in replayed), Counter(b for b, success, _ in replayed if success)
    assert counts[0]["behaviors"] == {name: [episodes[name], successes[name]] for name in episodes}
    assert metrics[0]["kept"] < metrics[0]["drawn"]


def test_the_first_successes_of_each_new_behavior_are_kept(
    whole: Path, replayed: list[tuple[str, bool, Episode]]
) -> None:
    successes = read_successes(whole)
    for name in ("grasp", "push"):
        expected = [episode for b, success, episode in replayed if success and b == name][:KEPT]
        kept = [success for success in successes if success.behavior == name][: len(expected)]
        assert [(success.iteration, success.group, success.rollout, success.start) for success in kept] == [
            (1, episode.key[-2], episode.rollout, episode.start) for episode in expected
        ]
    assert any(success.iteration == 1 for success in successes)
    numbers = Counter(success.behavior for success in successes)
    assert "mixed" not in numbers and max(numbers.values()) <= KEPT


def test_a_kept_success_can_be_played_again(whole: Path) -> None:
    pool = tables()
    for success in read_successes(whole):
        pool.reset(0, success.start)
        pool.wait()
        pool.step(0, success.actions)
        result = pool.wait()[0].result
        assert result is not None
        assert result.success
        assert (result.steps, behavior(result.events)) == (len(success.actions), success.behavior)


def test_a_resumed_run_ends_with_the_same_files(weights: Weights, whole: Path, tmp_path: Path) -> None:
    """As if killed within the second iteration, with results that it will not have again."""
    folder = tmp_path / "parts"
    run(weights, folder, iterations=1)
    actions = read_successes(folder)[0].actions
    for group in (0, 99):
        write_success(folder, NovelSuccess("invented", 2, group, 0, Start(0, 0), actions))
        (folder / f"behaviors-i00002-g{group:04d}.json").write_text('{"invented": [4, 4]}')
    with (folder / "behaviors.jsonl").open("a") as file:
        file.write('{"iteration": 2, "behaviors": {"invented": [4, 4]}}\n')
    (folder / "firsts" / ".push.npz.1.tmp").write_text("half")
    run(weights, folder)
    assert files(folder) == files(whole) != {}


def group_end(folder: Path, index: int, iteration: int = 1) -> events.GroupEnd:
    """A group of four successful pushes."""
    policy: Any = make_policy(tables().contract, NanoOptions(), 0)
    nothing = np.zeros((1, 0), np.float32)
    tokens = np.full((1, policy.chunk * policy.action_dim), 128, np.int16)
    trajectories = tuple(
        Trajectory(Start(0, 0), n, Observation({}, nothing), tokens, nothing, np.array([2]), True, ("pushed",))
        for n in range(4)
    )
    return events.GroupEnd("a-run", folder, iteration, Group(index, Start(0, 0), trajectories), policy)


def finish(tracker: NovelSuccessTracker, folder: Path, drawn: int, iteration: int = 1) -> None:
    tracker.on_rollout_end(events.RolloutEnd("a-run", folder, iteration, drawn, drawn, 0, 0))


@pytest.mark.parametrize(
    ("demonstration_events", "kept"), [(None, 0), ([], KEPT), ([[["grasped"], 2]], KEPT), ([[["pushed"], 1]], 0)]
)
def test_a_behavior_is_new_only_if_the_demonstrations_are_known(
    tmp_path: Path, demonstration_events: Any, kept: int
) -> None:
    recorded = {"recipe": {"environment": {"name": "tabletop"}, "demonstrations": {"per_task": 1}}}
    RunFolder(tmp_path).update(recorded | {"demonstration_events": demonstration_events})
    NovelSuccessTracker().on_group_end(group_end(tmp_path, 0))
    assert len(success_files(tmp_path)) == kept


def test_processes_write_apart_and_the_first_one_sums_up(tmp_path: Path) -> None:
    """Groups end in any order, in any process; group 2 lies beyond the batch."""
    recorded = {"recipe": {"environment": {"name": "tabletop"}, "demonstrations": None}}
    RunFolder(tmp_path).update(recorded)
    first, second = NovelSuccessTracker(), NovelSuccessTracker()
    second.on_group_end(group_end(tmp_path, 1))
    second.on_group_end(group_end(tmp_path, 2))
    first.on_group_end(group_end(tmp_path, 0))
    second.on_group_end(group_end(tmp_path, 0, iteration=2))  # already there
    finish(first, tmp_path, drawn=2)
    assert read_json_lines(tmp_path / "behaviors.jsonl") == [{"iteration": 1, "behaviors": {"push": [8, 8]}}]
    assert [place for place in success_files(tmp_path).values() if place[1] == 1] == [
        ("push", 1, 0, rollout) for rollout in range(KEPT)
    ]
    finish(first, tmp_path, drawn=1, iteration=2)
    assert [line["behaviors"]["push"] for line in read_json_lines(tmp_path / "behaviors.jsonl")] == [[8, 8], [4, 4]]
    assert [place[1] for place in success_files(tmp_path).values()] == [1] * KEPT
    assert not list(tmp_path.glob("behaviors-*"))
