"""What a run records of behaviours: true counts, and first successes that can be played again."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.engine.conftest import recipe
from vla_rl_bench.algorithms.advantages import group_advantages
from vla_rl_bench.algorithms.objectives import clipped
from vla_rl_bench.builtin.nano.options import NanoOptions
from vla_rl_bench.builtin.nano.policy import make as make_policy
from vla_rl_bench.builtin.strategies.options import SingleOptions
from vla_rl_bench.builtin.strategies.single import Single
from vla_rl_bench.builtin.tabletop.behaviour import behaviour
from vla_rl_bench.builtin.tabletop.environment import make as make_tabletop
from vla_rl_bench.builtin.tabletop.options import TabletopOptions
from vla_rl_bench.builtin.tricks.dynamic_sampling import DynamicSampling
from vla_rl_bench.config.schema import SftConfig
from vla_rl_bench.engine import demonstrations
from vla_rl_bench.engine.collect import training_start
from vla_rl_bench.engine.distributed import SingleProcess
from vla_rl_bench.engine.firsts import Firsts
from vla_rl_bench.engine.grpo import Training, train
from vla_rl_bench.engine.hooks import RunHooks
from vla_rl_bench.engine.sft import Windows, fine_tune
from vla_rl_bench.files import read_json_lines
from vla_rl_bench.records.store import RunFolder
from vla_rl_bench.results import behaviours, firsts
from vla_rl_bench.results.firsts import KEPT, First
from vla_rl_bench.rollout.actor import Actor
from vla_rl_bench.rollout.pool import InProcessPool
from vla_rl_bench.rollout.scheduler import Episode, roll_out
from vla_rl_bench.types import Observation, Start, Trajectory

BOUNDS = (10_000, 20_000)
MIXED = {"mixed": 1}  # as if demonstrations pushed and grasped: either alone is new
Weights = dict[str, torch.Tensor]


def tables() -> InProcessPool:
    """In which every forward has one row, so that an episode's bits do not depend on its neighbours."""
    pool = InProcessPool(make_tabletop("object", TabletopOptions(friction=True, grasp_radius=0.03), 16))
    pool.forward_rows = 1
    return pool


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Weights:
    """A policy that has seen ten demonstrations a task, and solves now and then what it is asked."""
    torch.set_num_threads(1)
    pool = tables()
    policy: Any = make_policy(pool.contract, NanoOptions(weights="tabletop"), 0)
    shown = demonstrations.collect(pool, (0, 1000), [0, 1, 2, 3], 10, 0)
    config = SftConfig(steps=110, batch_size=32, learning_rate=1e-3)
    trainer = Single(SingleOptions(device="cpu")).prepare(policy)
    path = tmp_path_factory.mktemp("sft") / "c.pt"
    fine_tune(trainer, Windows(shown, pool.contract, policy), config, 0, SingleProcess(), path, lambda *_: None)
    return trainer.trained_state()


def trained(weights: Weights, folder: Path, demonstrated: dict[str, int], iterations: int = 2) -> list[dict[str, Any]]:
    """Run, or resume -> the metrics."""
    pool = tables()
    policy: Any = make_policy(pool.contract, NanoOptions(weights="tabletop"), 0)
    policy.load_state_dict(weights)
    folder.mkdir(exist_ok=True)
    train(
        Training(
            run="a-run",
            folder=RunFolder(folder),
            trainer=Single(SingleOptions(device="cpu")).prepare(policy),  # type: ignore[arg-type]
            ranks=SingleProcess(),
            pool=pool,
            engine=RunHooks([DynamicSampling(max_draws=3)]),
            config=recipe(iterations=iterations, groups=4, learning_rate=3e-4),
            advantage=group_advantages,
            objective=clipped,
            tasks=(0, 1, 2, 3),
            bounds=BOUNDS,
            seed=0,
            curve=None,
            progress=lambda *_: None,
            behaviour=behaviour,
            demonstrated=demonstrated,
        )
    )
    return read_json_lines(folder / "metrics.jsonl")


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "firsts").glob("*")}


def first_iteration(weights: Weights, drawn: int) -> list[tuple[str, bool, Episode]]:
    """The rollouts of iteration 1, played here once more: behaviour, success."""
    pool = tables()
    policy: Any = make_policy(pool.contract, NanoOptions(weights="tabletop"), 0).eval()
    policy.load_state_dict(weights)
    start_of = partial(training_start, (0, 1, 2, 3), BOUNDS, 0, 1)
    episodes = [Episode(start_of(g), r, ("rollout", 0, 1, g, r)) for g in range(drawn) for r in range(4)]
    waiting = iter(episodes)
    ended = roll_out(pool, Actor(policy, 1.0), lambda: next(waiting, None), keep=False)
    outcomes = {episode.key: (behaviour(one.events), one.success) for episode, one in ended}
    return [(*outcomes[episode.key], episode) for episode in episodes]


@pytest.fixture(scope="module")
def whole(weights: Weights, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two iterations."""
    folder = tmp_path_factory.mktemp("run") / "whole"
    trained(weights, folder, demonstrated=MIXED)
    return folder


@pytest.fixture(scope="module")
def again(weights: Weights, whole: Path) -> list[tuple[str, bool, Episode]]:
    return first_iteration(weights, read_json_lines(whole / "metrics.jsonl")[0]["drawn"])


def test_behaviours_are_counted_as_they_happened(whole: Path, again: list[tuple[str, bool, Episode]]) -> None:
    found = read_json_lines(whole / "metrics.jsonl")
    for one in found:
        counts = one["behaviours"].values()
        assert sum(n for n, _ in counts) == one["trajectories"]
        assert sum(k for _, k in counts) == round(one["rollout_success"] * one["trajectories"]) > 0
    episodes, successes = Counter(b for b, _, _ in again), Counter(b for b, success, _ in again if success)
    assert found[0]["behaviours"] == {name: [episodes[name], successes[name]] for name in episodes}
    assert found[0]["kept"] < found[0]["drawn"]  # groups that are not kept count too


def test_the_first_successes_that_no_demonstration_shows_are_kept(
    whole: Path, again: list[tuple[str, bool, Episode]]
) -> None:
    kept = firsts.read(RunFolder(whole))
    for name in ("grasp", "push"):
        wanted = [e for b, success, e in again if success and b == name][:KEPT]
        found = [one for one in kept if one.behaviour == name]
        assert [(one.iteration, one.group, one.rollout, one.start) for one in found[: len(wanted)]] == [
            (1, e.key[-2], e.rollout, e.start) for e in wanted
        ]
    assert any(one.iteration == 1 for one in kept)
    have = firsts.counts(RunFolder(whole))
    assert "mixed" not in have and max(have.values()) <= KEPT


def test_a_first_success_can_be_played_again(whole: Path) -> None:
    pool = tables()
    for one in firsts.read(RunFolder(whole)):
        pool.reset(0, one.start)
        pool.wait()
        pool.step(0, one.actions)
        result = pool.wait()[0].result
        assert result is not None
        assert result.success
        assert (result.steps, behaviour(result.events)) == (len(one.actions), one.behaviour)


def test_a_resumed_run_keeps_the_same(weights: Weights, whole: Path, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "parts")
    trained(weights, folder.path, iterations=1, demonstrated=MIXED)
    late = First("push", 2, 0, 0, Start(0, 0), firsts.read(folder)[0].actions)
    firsts.write(folder, late)  # as if killed within the second iteration
    resumed = trained(weights, folder.path, demonstrated=MIXED)
    assert [one["behaviours"] for one in resumed] == [
        one["behaviours"] for one in read_json_lines(whole / "metrics.jsonl")
    ]
    assert files(folder.path) == files(whole) != {}


def test_where_nobody_knows_what_was_demonstrated_nothing_is_new(tmp_path: Path) -> None:
    nothing = np.zeros((0, 0), np.float32)
    tokens = np.zeros((0, 0), np.int16)
    steps = np.zeros(0, np.int64)
    success = Trajectory(Start(0, 0), 0, Observation({}, nothing), tokens, nothing, steps, True, ("pushed",))
    asked = {str(known): Firsts(RunFolder(tmp_path), behaviour, known).wanted() for known in (None, {}, {"push": 1})}
    assert [wanted(success) for wanted in asked.values()] == [False, True, False]


def test_events_themselves_are_the_label_where_an_environment_names_none() -> None:
    assert behaviours.in_order(("grasped", "dropped", "grasped")) == "grasped+dropped"
    assert behaviours.in_order(()) == "none"
    outcomes = {(("a",), True): 2, (("a", "a"), False): 3, ((), False): 1}
    assert behaviours.tally(outcomes, behaviours.in_order) == {"a": (5, 2), "none": (1, 0)}


def test_demonstrations_are_those_of_every_run_on_the_way(tmp_path: Path) -> None:
    shown = {"demonstrations": {"per_task": 1}}
    for name, record in {
        "a": {"recipe": shown, "demonstrated": {"grasp": 4}, "parent": None},
        "b": {"recipe": shown, "demonstrated": {"grasp": 1, "push": 2}, "parent": "a"},
        "c": {"recipe": {"demonstrations": None}, "parent": "b"},
        "old": {"recipe": shown, "parent": None},
        "of-old": {"recipe": {"demonstrations": None}, "parent": "old"},
    }.items():
        RunFolder(tmp_path / name).update(record)
    assert behaviours.demonstrated(tmp_path / "c") == {"grasp": 5, "push": 2}
    assert behaviours.demonstrated(tmp_path / "of-old") is None
    assert behaviours.count([("grasped",), None], behaviour) is None
    assert behaviours.count([("grasped",), ()], behaviour) == {"grasp": 1, "none": 1}
