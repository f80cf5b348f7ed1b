"""Init states: the 50 official ones, and states sampled by LIBERO's own placement initializers.

A sampled start is a state like the official ones: movable objects, drawers, knobs and the arm's joints are sampled,
and the fixtures have their poses of the official starts.  It depends on suite, task and index only.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import mujoco
import numpy as np

from vla_rl_bench.errors import UserError
from vla_rl_bench_libero import libero_api
from vla_rl_bench_libero.options import OFFICIAL_STARTS
from vla_rl_bench_libero.simulator import SETTLE_ACTION, Frame, Vector

ATTEMPTS = 50
_REST_STEPS = 40  # until objects above their support, as in the official starts of libero_spatial, are at rest
_ARM_NOISE = 0.02  # radians; robosuite 1.4.0, robots/robot.py: initialization_noise "default", gaussian
_MAX_SPEED = 0.05  # meters per second, after settling
_MAX_OVERLAP = 0.005  # meters between two objects, after settling
_MAX_TILT = 0.3  # radians by which settling may tilt an object
_MAX_EXTRA_DROP = 0.06  # meters beyond the drop of the official start, which is 0.07 in libero_spatial


class SettlingSimulator(Protocol):
    """The part of a simulator that sampling needs."""

    instance: Any

    def set_state(self, state: Vector) -> None:
        """Go to a state ``[1 + nq + nv]``, as after a reset."""
        ...

    def step(self, action: Vector, render: bool) -> tuple[bool, Frame | None]: ...


class Starts:
    """Init states by index; with `sampled`, there are more after the official ones."""

    def __init__(self, suite: str, task: int, simulator: SettlingSimulator) -> None:
        self._official = libero_api.init_states(suite, task)
        self._key = [zlib.crc32(suite.encode()), task]
        self._simulator = simulator
        self._samples: dict[int, Vector] = {}
        self._official_drops: dict[str, float] | None = None
        self.sampled = False

    def __getitem__(self, index: int) -> Vector:
        """Return ``[1 + nq + nv]``: time, positions, velocities.  May change the simulator's state."""
        if index < len(self._official):
            return np.asarray(self._official[index])
        if not self.sampled:
            raise UserError(
                f"start {index}: there are {OFFICIAL_STARTS} official init states, 0-{OFFICIAL_STARTS - 1}. "
                "For sampled starts write environment.sampled_starts: true"
            )
        if index not in self._samples:
            self._samples[index] = self._sample(index)
        return self._samples[index]

    def _sample(self, index: int) -> Vector:
        """Return the first valid state of a sequence of samples."""
        error = ""
        if self._official_drops is None:
            self._official_drops = settling_drops(self._simulator, np.asarray(self._official[0]))
        for attempt in range(ATTEMPTS):
            seed = int(np.random.SeedSequence([*self._key, index, attempt]).generate_state(1)[0])
            state = sample_state(self._simulator, np.asarray(self._official[0]), seed)
            if state is None:
                error = "no room for an object"
            elif not (error := find_fault(self._simulator, state, self._official_drops)):
                return state
        raise UserError(f"start {index}: none of {ATTEMPTS} sampled states is valid; the last: {error}")


def sample_state(simulator: SettlingSimulator, template: Vector, seed: int) -> Vector | None:
    """Sample a state with the task's own initializers; None if an object does not fit.

    template: a state of the task, for everything that is not sampled.
    """
    instance = simulator.instance
    model, data = instance.sim.model._model, instance.sim.data._data
    simulator.set_state(np.concatenate([[0.0], template[1 : 1 + model.nq], np.zeros(model.nv)]))
    with libero_api.numpy_seed(seed), libero_api.quiet():
        for sampler in {sampler.name: sampler for sampler in instance.object_property_initializers}.values():
            instance.object_states_dict[sampler.name].set_joint(sampler.sample())
        try:
            placements = instance.placement_initializer.sample()
            with _fixtures_at_origin(instance, placements):
                placements = instance.conditional_placement_initializer.sample(instance.sim, placements)
            placements = instance.conditional_placement_on_objects_initializer.sample(placements)
        except libero_api.randomization_error():
            return None
        for position, quaternion, placed_object in placements.values():
            if placed_object.name in instance.objects_dict:
                instance.sim.data.set_joint_qpos(placed_object.joints[-1], np.concatenate([position, quaternion]))
        robot = instance.robots[0]
        arm = np.array(robot._ref_joint_pos_indexes)
        data.qpos[arm] = np.array(robot.init_qpos) + np.random.normal(0.0, _ARM_NOISE, len(arm))
    return np.concatenate([[0.0], data.qpos, np.zeros(model.nv)])


@contextmanager
def _fixtures_at_origin(instance: Any, placements: dict[str, Any]) -> Iterator[None]:
    """Move fixtures to the origin in the simulator, and write their poses to `placements`.

    LIBERO places an object on a fixture at the fixture's position in `placements` plus the site's in the simulator: it
    samples when the model is new and all fixtures are at the origin.
    """
    model, data = instance.sim.model._model, instance.sim.data._data
    positions, quaternions = model.body_pos.copy(), model.body_quat.copy()
    for name in placements.keys() & instance.fixtures_dict.keys():
        fixture = placements[name][2]
        body = instance.sim.model.body_name2id(fixture.root_body)
        placements[name] = (positions[body], quaternions[body], fixture)
        model.body_pos[body], model.body_quat[body] = (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0)
    mujoco.mj_step1(model, data)
    try:
        yield
    finally:
        model.body_pos[:], model.body_quat[:] = positions, quaternions


def settling_drops(simulator: SettlingSimulator, state: Vector) -> dict[str, float]:
    """Return the meters by which settling lowers each object; in many official starts objects begin in the air."""
    instance = simulator.instance
    data = instance.sim.data._data
    simulator.set_state(state)
    bodies = {name: int(instance.obj_body_id[name]) for name in instance.objects_dict}
    initial_heights = {name: float(data.xpos[body][2]) for name, body in bodies.items()}
    for _ in range(_REST_STEPS):
        simulator.step(np.array(SETTLE_ACTION), render=False)
    return {name: initial_heights[name] - float(data.xpos[body][2]) for name, body in bodies.items()}


def find_fault(simulator: SettlingSimulator, state: Vector, expected_drops: Mapping[str, float] | None = None) -> str:
    """Return an error unless, after settling, objects are still, upright and apart and the goal is not met; else "".

    expected_drops: `settling_drops` of an official start; a start may exceed them only by little.
    """
    instance = simulator.instance
    model, data = instance.sim.model._model, instance.sim.data._data
    simulator.set_state(state)
    bodies = {name: int(instance.obj_body_id[name]) for name in instance.objects_dict}
    initial_rotations = {name: data.xmat[body].reshape(3, 3).copy() for name, body in bodies.items()}
    initial_heights = {name: float(data.xpos[body][2]) for name, body in bodies.items()}
    successes = [simulator.step(np.array(SETTLE_ACTION), render=False)[0] for _ in range(_REST_STEPS)]
    if any(successes) or bool(instance._check_success()):
        return "the goal holds already"
    for name, body in bodies.items():
        velocity = np.zeros(6)
        mujoco.mj_objectVelocity(model, data, mujoco.mjtObj.mjOBJ_BODY, body, velocity, 0)
        rotation = data.xmat[body].reshape(3, 3) @ initial_rotations[name].T
        if np.linalg.norm(velocity[3:]) > _MAX_SPEED:
            return f"{name} moves"
        if np.arccos(np.clip(rotation[2, 2], -1.0, 1.0)) > _MAX_TILT:
            return f"{name} tips over"
        if (
            initial_heights[name] - float(data.xpos[body][2])
            > max((expected_drops or {}).get(name, 0.0), 0.0) + _MAX_EXTRA_DROP
        ):
            return f"{name} falls"
    overlap = min((float(data.contact[contact].dist) for contact in range(data.ncon)), default=0.0)
    return "objects overlap" if overlap < -_MAX_OVERLAP else ""
