"""The task's own expert, `play_once`, turned into actions of the environment."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

import numpy as np

from vla_rl_bench.types import FloatArray
from vla_rl_bench_robotwin.v2.scene import Scene


def play(scene: Scene, seed: int) -> FloatArray | None:
    """Let the expert solve the scene; return the joints' targets after each of N physics steps, float32 ``[N, 14]``.

    None where it finds no plan or does not solve the task.  seed: of the motion planner's random trees.
    """
    importlib.import_module("mplib").set_global_seed(seed)
    targets: list[np.ndarray] = []
    simulator = scene.task.scene
    scene.task.scene = _Recording(simulator, lambda: targets.append(scene.joints()))
    try:
        with scene.randomness.swapped_in():
            scene.task.play_once()
    finally:
        scene.task.scene = simulator
    solved = scene.task.plan_success and scene.solved()
    return np.array(targets, np.float32) if solved else None


def waypoints(targets: FloatArray, spacing: int) -> FloatArray:
    """Every `spacing`-th of the targets and the last, as actions ``[T, 14]``."""
    picked = list(range(spacing - 1, len(targets), spacing))
    return targets[picked if picked and picked[-1] == len(targets) - 1 else [*picked, len(targets) - 1]]


def spacings(first: int) -> Sequence[int]:
    """Distances between waypoints, in physics steps, in the order in which they are tried.

    Executed as a chunk, a gripper moves evenly over the chunk's actions and an arm as fast as TOPP allows.  So a hand
    may leave before it has closed, and whether it does hangs on where the chunks' borders fall.
    """
    return (first, first * 4 // 3, first * 4 // 5, first * 5 // 3)


class _Recording:
    """A SAPIEN scene that calls back after each physics step."""

    def __init__(self, scene: object, after: object) -> None:
        self._scene, self._after = scene, after

    def __getattr__(self, name: str) -> object:
        return getattr(self._scene, name)

    def step(self) -> None:
        self._scene.step()  # type: ignore[attr-defined]
        self._after()  # type: ignore[operator]
