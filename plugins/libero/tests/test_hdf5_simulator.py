"""A file written from the simulator, as OpenVLA regenerates LIBERO's, read back: images, states, proprioception."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vla_rl_bench.errors import UserError
from vla_rl_bench.types import Demonstration, Start
from vla_rl_bench_libero import hdf5
from vla_rl_bench_libero.options import LiberoOptions
from vla_rl_bench_libero.recorded_episode import robot_base
from vla_rl_bench_libero.rerender import Rerenderer, official_index
from vla_rl_bench_libero.simulator import Frame, axis_angle

pytestmark = [pytest.mark.sim, pytest.mark.slow]

h5py = pytest.importorskip("h5py")

TASK = 3


class Recorder:
    """Keeps the state, the frame and the joints before each of the expert's actions."""

    def __init__(self, simulator: Any) -> None:
        self._simulator, self._frame = simulator, None
        self.states: list[np.ndarray] = []
        self.frames: list[Frame] = []
        self.base, self.instance = simulator.base, simulator.instance

    def reset(self, index: int, settle: int) -> Frame:
        self._frame = self._simulator.reset(index, settle)
        return self._frame

    def step(self, action: np.ndarray, look: bool) -> tuple[bool, Frame | None]:
        data = self.instance.sim.data._data
        self.states.append(np.concatenate([[data.time], data.qpos, data.qvel]))
        self.frames.append(self._frame)
        success, self._frame = self._simulator.step(action, look)
        return success, self._frame

    def close(self) -> None:
        self._simulator.close()


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Path, Demonstration, Recorder]]:
    """The environment, the folder of the file, and the expert's demonstration that the file holds."""
    from vla_rl_bench_libero.environment import make

    environment = make("libero_object", LiberoOptions(rendering="fast", expert_noise=0.0))
    recorder = Recorder(environment.simulator(TASK))
    environment._simulators[TASK] = recorder  # type: ignore[assignment]
    shown = environment.demonstrate(Start(TASK, 2), seed=0)
    assert shown is not None
    folder = tmp_path_factory.mktemp("data")
    with h5py.File(folder / f"{environment.contract.tasks[TASK].name}_demo.hdf5", "w") as file:
        group = file.create_group("data/demo_0")
        group["actions"], group["states"] = shown.actions, np.array(recorder.states)
        group["obs/agentview_rgb"] = np.array([frame.image[::-1, ::-1] for frame in recorder.frames])
        group["obs/ee_pos"] = np.array([frame.position for frame in recorder.frames])
        group["obs/ee_ori"] = np.array([axis_angle(frame.quaternion) for frame in recorder.frames])
        group["obs/gripper_states"] = np.array([frame.gripper for frame in recorder.frames])
        group["obs/joint_states"] = np.array(recorder.states)[:, 1:8]
    yield environment, folder, shown, recorder
    environment.close()


def test_what_the_environment_saw_comes_back(recorded: Any) -> None:
    """Images bit for bit, proprioception to single precision, in spite of the turn, the scale and the file."""
    environment, folder, shown, _ = recorded
    (back,) = hdf5.read(folder, environment.contract, (TASK,), 1, environment.options)
    kept = ~hdf5.noops(shown.actions.astype(np.float64))
    assert kept.sum() > 60
    assert np.array_equal(back.actions, shown.actions[kept])
    assert np.array_equal(back.observations.images["agentview"], shown.observations.images["agentview"][kept])
    assert np.allclose(back.observations.proprio, shown.observations.proprio[kept], atol=1e-6)


def test_another_size_is_rendered_from_the_states(recorded: Any) -> None:
    environment, folder, shown, _ = recorded
    options = replace(environment.options, image_size=32)
    spec = environment.contract.images[0]
    contract = replace(environment.contract, images=(replace(spec, height=32, width=32),))
    (back,) = hdf5.read(folder, contract, (TASK,), 1, options)
    kept = ~hdf5.noops(shown.actions.astype(np.float64))
    images, stored = back.observations.images["agentview"], shown.observations.images["agentview"][kept]
    assert images.shape == (kept.sum(), 32, 32, 3)
    halved = stored.reshape(len(stored), 32, 2, 32, 2, 3).mean((2, 4))
    assert np.abs(images - halved).mean() < 0.5 * np.abs(images[:, ::-1, ::-1] - halved).mean()
    assert np.array_equal(back.actions, shown.actions[kept])


def test_a_state_shows_what_was_seen(recorded: Any) -> None:
    """But for one substep of 2 ms: the environment's frame is of the last but one, the state of the last."""
    environment, _, shown, recorder = recorded
    image = environment.contract.images[0]
    rows = np.arange(0, len(shown.actions), 5)
    with Rerenderer("libero_object", environment.options) as renderer:
        seen = renderer.observations(TASK, np.array(recorder.states)[rows], image, "here")
        with pytest.raises(UserError, match=r"here: a state of .* is this file of another task"):
            renderer.observations(TASK, np.zeros((1, 5)), image, "here")
    stored = shown.observations[rows]
    difference = np.abs(seen.images["agentview"].astype(int) - stored.images["agentview"]).mean((1, 2, 3))
    assert difference.max() < 1  # of 255 levels
    assert np.abs(seen.proprio - stored.proprio).max() < 0.02


def test_starts_are_official_only_where_they_are(recorded: Any) -> None:
    from vla_rl_bench_libero import libero_api

    _, _, _, recorder = recorded
    states = libero_api.init_states("libero_object", TASK)
    assert official_index("libero_object", TASK, states[7]) == 7
    assert official_index("libero_object", TASK, np.concatenate([[5.0], states[9][1:]])) == 9
    assert official_index("libero_object", TASK, recorder.states[40]) == 0
    assert official_index("libero_object", TASK, states[7][:-1]) == 0


def test_the_base_is_the_simulators(recorded: Any) -> None:
    environment, _, _, recorder = recorded
    assert robot_base(environment.contract, environment.contract.tasks[TASK]).tolist() == recorder.base.tolist()
