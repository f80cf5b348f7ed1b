"""Where an episode may begin: the 50 official init states, and others sampled by LIBERO's own placement initialisers.

A sampled start is a state like the official ones: movable objects, drawers, knobs and the arm's joints are drawn anew,
and the fixtures stand where they stand for the official starts.  It follows from suite, task and index alone.
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
_REST_STEPS = 40  # until things that a start holds in the air, as official ones of libero_spatial do, lie still
_ARM_NOISE = 0.02  # radians; robosuite 1.4.0, robots/robot.py: initialization_noise "default", gaussian
_STILL = 0.05  # metres a second, after settling
_DEEP = 0.005  # metres that two objects may overlap, after settling
_TILTED = 0.3  # radians that settling may tip an object
_FALLEN = 0.06  # metres that settling may lower it more than it does at the official start: 0.07 in libero_spatial


class Settles(Protocol):
    """A simulator, as far as sampling needs it."""

    instance: Any

    def place(self, state: Vector) -> None:
        """Go to a state ``[1 + nq + nv]``, as after a reset."""
        ...

    def step(self, action: Vector, look: bool) -> tuple[bool, Frame | None]: ...


class Starts:
    """Init states by index.  sampled: whether there are any beyond the official ones."""

    def __init__(self, suite: str, task: int, simulator: Settles) -> None:
        self._official = libero_api.init_states(suite, task)
        self._key = [zlib.crc32(suite.encode()), task]
        self._simulator = simulator
        self._known: dict[int, Vector] = {}
        self._sinks: dict[str, float] | None = None
        self.sampled = False

    def __getitem__(self, index: int) -> Vector:
        """-> ``[1 + nq + nv]``: time, positions, velocities.  Leaves the simulator anywhere."""
        if index < len(self._official):
            return np.asarray(self._official[index])
        if not self.sampled:
            raise UserError(
                f"start {index}: there are {OFFICIAL_STARTS} official init states, 0-{OFFICIAL_STARTS - 1}. "
                "For sampled ones write environment.sampled_starts: true"
            )
        if index not in self._known:
            self._known[index] = self._sample(index)
        return self._known[index]

    def _sample(self, index: int) -> Vector:
        """The first of a sequence of draws that is valid."""
        why = ""
        if self._sinks is None:
            self._sinks = sinks(self._simulator, np.asarray(self._official[0]))
        for attempt in range(ATTEMPTS):
            seed = int(np.random.SeedSequence([*self._key, index, attempt]).generate_state(1)[0])
            state = draw(self._simulator, np.asarray(self._official[0]), seed)
            why = "nothing was placed" if state is None else fault(self._simulator, state, self._sinks)
            if state is not None and not why:
                return state
        raise UserError(f"start {index}: none of {ATTEMPTS} draws is valid, the last one: {why}")


def draw(simulator: Settles, like: Vector, seed: int) -> Vector | None:
    """A state drawn by the task's own initialisers; None where they found no place for something.

    like: a state of the task, for everything that is not drawn.
    """
    instance = simulator.instance
    model, data = instance.sim.model._model, instance.sim.data._data
    simulator.place(np.concatenate([[0.0], like[1 : 1 + model.nq], np.zeros(model.nv)]))
    with libero_api.numpy_seed(seed), libero_api.quiet():
        for sampler in {one.name: one for one in instance.object_property_initializers}.values():
            instance.object_states_dict[sampler.name].set_joint(sampler.sample())
        try:
            found = instance.placement_initializer.sample()
            with _fixtures_unplaced(instance, found):
                found = instance.conditional_placement_initializer.sample(instance.sim, found)
            found = instance.conditional_placement_on_objects_initializer.sample(found)
        except libero_api.randomization_error():
            return None
        for position, quaternion, thing in found.values():
            if thing.name in instance.objects_dict:
                instance.sim.data.set_joint_qpos(thing.joints[-1], np.concatenate([position, quaternion]))
        robot = instance.robots[0]
        arm = np.array(robot._ref_joint_pos_indexes)
        data.qpos[arm] = np.array(robot.init_qpos) + np.random.normal(0.0, _ARM_NOISE, len(arm))
    return np.concatenate([[0.0], data.qpos, np.zeros(model.nv)])


@contextmanager
def _fixtures_unplaced(instance: Any, found: dict[str, Any]) -> Iterator[None]:
    """Fixtures at the origin for a while, and in `found` where they stand.

    What is placed on a fixture goes to the fixture's place in `found` plus the site's in the simulator: LIBERO samples
    when the model is new and no fixture has been placed.
    """
    model, data = instance.sim.model._model, instance.sim.data._data
    positions, quaternions = model.body_pos.copy(), model.body_quat.copy()
    for name in found.keys() & instance.fixtures_dict.keys():
        fixture = found[name][2]
        body = instance.sim.model.body_name2id(fixture.root_body)
        found[name] = (positions[body], quaternions[body], fixture)
        model.body_pos[body], model.body_quat[body] = (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0)
    mujoco.mj_step1(model, data)
    try:
        yield
    finally:
        model.body_pos[:], model.body_quat[:] = positions, quaternions


def sinks(simulator: Settles, state: Vector) -> dict[str, float]:
    """Object -> metres that settling lowers it; many official starts hold everything some centimetres up."""
    instance = simulator.instance
    data = instance.sim.data._data
    simulator.place(state)
    bodies = {name: int(instance.obj_body_id[name]) for name in instance.objects_dict}
    before = {name: float(data.xpos[body][2]) for name, body in bodies.items()}
    for _ in range(_REST_STEPS):
        simulator.step(np.array(SETTLE_ACTION), look=False)
    return {name: before[name] - float(data.xpos[body][2]) for name, body in bodies.items()}


def fault(simulator: Settles, state: Vector, expected: Mapping[str, float] | None = None) -> str:
    """What is wrong with a start: "" where, after settling, things lie still and upright, apart, and unsolved.

    expected: `sinks` of an official start, which a start may exceed by little; none without it.
    """
    instance = simulator.instance
    model, data = instance.sim.model._model, instance.sim.data._data
    simulator.place(state)
    bodies = {name: int(instance.obj_body_id[name]) for name in instance.objects_dict}
    up = {name: data.xmat[body].reshape(3, 3).copy() for name, body in bodies.items()}
    height = {name: float(data.xpos[body][2]) for name, body in bodies.items()}
    solved = [simulator.step(np.array(SETTLE_ACTION), look=False)[0] for _ in range(_REST_STEPS)]
    if any(solved) or bool(instance._check_success()):
        return "the goal holds already"
    for name, body in bodies.items():
        velocity = np.zeros(6)
        mujoco.mj_objectVelocity(model, data, mujoco.mjtObj.mjOBJ_BODY, body, velocity, 0)
        turned = data.xmat[body].reshape(3, 3) @ up[name].T
        if np.linalg.norm(velocity[3:]) > _STILL:
            return f"{name} moves"
        if np.arccos(np.clip(turned[2, 2], -1.0, 1.0)) > _TILTED:
            return f"{name} tips over"
        if height[name] - float(data.xpos[body][2]) > max((expected or {}).get(name, 0.0), 0.0) + _FALLEN:
            return f"{name} falls"
    overlap = min((float(data.contact[number].dist) for number in range(data.ncon)), default=0.0)
    return "things overlap" if overlap < -_DEEP else ""
