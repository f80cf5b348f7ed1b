"""Tests of reading an HDF5 file written from the simulator, in the form of OpenVLA's regenerated files."""

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
    """A simulator that records the state and the frame before each action."""

    def __init__(self, simulator: Any) -> None:
        self._simulator, self._frame = simulator, None
        self.states: list[np.ndarray] = []
        self.frames: list[Frame] = []
        self.base, self.instance = simulator.base, simulator.instance

    def reset(self, index: int, settle: int) -> Frame:
        self._frame = self._simulator.reset(index, settle)
        return self._frame

    def step(self, action: np.ndarray, render: bool) -> tuple[bool, Frame | None]:
        data = self.instance.sim.data._data
        self.states.append(np.concatenate([[data.time], data.qpos, data.qvel]))
        self.frames.append(self._frame)
        success, self._frame = self._simulator.step(action, render)
        return success, self._frame

    def close(self) -> None:
        self._simulator.close()


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Path, Demonstration, Recorder]]:
    """The environment, the file's folder, the demonstration in the file, and its recorder."""
    from vla_rl_bench_libero.environment import make

    environment = make("libero_object", LiberoOptions(rendering="fast", expert_noise=0.0))
    recorder = Recorder(environment.simulator(TASK))
    environment._simulators[TASK] = recorder  # type: ignore[assignment]
    demonstration = environment.demonstrate(Start(TASK, 2), seed=0)
    assert demonstration is not None
    folder = tmp_path_factory.mktemp("data")
    with h5py.File(folder / f"{environment.contract.tasks[TASK].name}_demo.hdf5", "w") as file:
        group = file.create_group("data/demo_0")
        group["actions"], group["states"] = demonstration.actions, np.array(recorder.states)
        group["obs/agentview_rgb"] = np.array([frame.image[::-1, ::-1] for frame in recorder.frames])
        group["obs/ee_pos"] = np.array([frame.position for frame in recorder.frames])
        group["obs/ee_ori"] = np.array([axis_angle(frame.quaternion) for frame in recorder.frames])
        group["obs/gripper_states"] = np.array([frame.gripper for frame in recorder.frames])
        group["obs/joint_states"] = np.array(recorder.states)[:, 1:8]
    yield environment, folder, demonstration, recorder
    environment.close()


def test_read_returns_the_recorded_demonstration(recorded: Any) -> None:
    """Images are equal bit for bit, proprioception to single precision."""
    environment, folder, demonstration, _ = recorded
    (read_back,) = hdf5.read(folder, environment.contract, (TASK,), 1, environment.options)
    moving = ~hdf5.noops(demonstration.actions.astype(np.float64))
    assert moving.sum() > 60
    assert np.array_equal(read_back.actions, demonstration.actions[moving])
    assert np.array_equal(
        read_back.observations.images["agentview"], demonstration.observations.images["agentview"][moving]
    )
    assert np.allclose(read_back.observations.proprio, demonstration.observations.proprio[moving], atol=1e-6)


def test_other_image_size_is_rendered_from_states(recorded: Any) -> None:
    environment, folder, demonstration, _ = recorded
    options = replace(environment.options, image_size=32)
    spec = environment.contract.images[0]
    contract = replace(environment.contract, images=(replace(spec, height=32, width=32),))
    (read_back,) = hdf5.read(folder, contract, (TASK,), 1, options)
    moving = ~hdf5.noops(demonstration.actions.astype(np.float64))
    images, stored = read_back.observations.images["agentview"], demonstration.observations.images["agentview"][moving]
    assert images.shape == (moving.sum(), 32, 32, 3)
    halved = stored.reshape(len(stored), 32, 2, 32, 2, 3).mean((2, 4))
    assert np.abs(images - halved).mean() < 0.5 * np.abs(images[:, ::-1, ::-1] - halved).mean()
    assert np.array_equal(read_back.actions, demonstration.actions[moving])


def test_rendered_state_equals_recorded_frame(recorded: Any) -> None:
    """Differences are of one substep (2 ms): the frame is of the last but one, the state of the last."""
    environment, _, demonstration, recorder = recorded
    image = environment.contract.images[0]
    rows = np.arange(0, len(demonstration.actions), 5)
    with Rerenderer("libero_object", environment.options) as renderer:
        rendered = renderer.observations(TASK, np.array(recorder.states)[rows], image, "file.hdf5")
        with pytest.raises(UserError, match=r"file.hdf5: a state of .* is this file of another task"):
            renderer.observations(TASK, np.zeros((1, 5)), image, "file.hdf5")
    stored = demonstration.observations[rows]
    difference = np.abs(rendered.images["agentview"].astype(int) - stored.images["agentview"]).mean((1, 2, 3))
    assert difference.max() < 1  # of 255 levels
    assert np.abs(rendered.proprio - stored.proprio).max() < 0.02


def test_official_index_matches_official_init_states_only(recorded: Any) -> None:
    from vla_rl_bench_libero import libero_api

    _, _, _, recorder = recorded
    states = libero_api.init_states("libero_object", TASK)
    assert official_index("libero_object", TASK, states[7]) == 7
    assert official_index("libero_object", TASK, np.concatenate([[5.0], states[9][1:]])) == 9
    assert official_index("libero_object", TASK, recorder.states[40]) == 0
    assert official_index("libero_object", TASK, states[7][:-1]) == 0


def test_robot_base_equals_simulators(recorded: Any) -> None:
    environment, _, _, recorder = recorded
    assert robot_base(environment.contract, environment.contract.tasks[TASK]).tolist() == recorder.base.tolist()
