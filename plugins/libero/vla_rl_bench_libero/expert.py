"""A scripted expert with privileged state: pick an object from above, carry it over a container, let go.

Made for libero_object, whose ten tasks all ask to put a thing in the basket.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import mujoco
import numpy as np

from vla_rl_bench_libero.geometry import Points
from vla_rl_bench_libero.grasp import Hand, plan_grasp
from vla_rl_bench_libero.simulator import Vector

OPEN, CLOSED = -1.0, 1.0
_METRES, _RADIANS = 0.05, 0.5  # what an action of 1 asks for: robosuite's osc_pose.json, output_max
_GAIN = 1.2
_RETRIES = 3


class Phase(IntEnum):
    HOVER = 0
    DESCEND = 1
    GRIP = 2
    LIFT = 3
    CARRY = 4
    LOWER = 5
    RELEASE = 6
    RETREAT = 7


_PATIENCE = {Phase.HOVER: 61, Phase.DESCEND: 61, Phase.LIFT: 31, Phase.CARRY: 46, Phase.LOWER: 46, Phase.RELEASE: 6}
_TOLERANCE = {Phase.HOVER: 0.012, Phase.DESCEND: 0.007, Phase.LIFT: 0.03, Phase.CARRY: 0.012, Phase.LOWER: 0.009}
_CLOSED_PHASES = (Phase.GRIP, Phase.LIFT, Phase.CARRY, Phase.LOWER)


class Expert:
    """One episode's expert: call `act` before every step."""

    def __init__(self, instance: Any) -> None:
        """instance: LIBERO's problem instance, right after a reset."""
        self._instance = instance
        self._model, self._data = instance.sim.model._model, instance.sim.data._data
        self._site = instance.sim.model.site_name2id(instance.robots[0].controller.eef_name)
        self._object, self._container = _goal(instance)
        self._body = instance.obj_body_id[self._object]
        self._start_height = float(self._position[2])
        self._retries = 0
        self._begin()

    def act(self) -> Vector:
        """-> the clean action ``[7]``, each in [-1, 1]."""
        if self._slipped():
            self._retries += 1
            self._begin()
        error = self._waypoint() - self._position
        turn = _rotation_vector(self._grasp.rotation @ self._rotation.T)
        grip = CLOSED if self.phase in _CLOSED_PHASES else OPEN
        action = np.array([*np.clip(error * (_GAIN / _METRES), -1, 1), *np.clip(turn / _RADIANS, -1, 1), grip])
        self._count += 1
        if self._reached(float(np.linalg.norm(error)), float(np.linalg.norm(turn))):
            self._advance()
        return action

    @property
    def steady(self) -> bool:
        """The hand must stand still now: no noise, please."""
        return self.phase in (Phase.GRIP, Phase.RELEASE)

    def _begin(self) -> None:
        self._grasp = plan_grasp(
            self._instance, self._object, self._container_object, Hand(self._rotation, self._finger_axis())
        )
        self.phase, self._count = Phase.HOVER, 0
        self._held = self._position

    def _advance(self) -> None:
        """On to the next phase, remembering where the hand is."""
        self.phase, self._count = Phase(self.phase + 1), 0
        if self.phase in (Phase.GRIP, Phase.RELEASE, Phase.RETREAT):
            self._held = self._position
        if self.phase == Phase.GRIP:
            self._plan_transport()

    def _plan_transport(self) -> None:
        """Heights of the hand, metres: over the rim, and where it lets go."""
        self._resting_height = float(self._data.xpos[self._body][2])
        hangs = float(self._position[2]) - self._grasp.bottom  # the object reaches this far below the hand
        floor = float(self._target[2])
        self._travel_height = max(floor + hangs + 0.13, self._start_height - 0.02)
        self._release_height = floor + hangs + 0.02

    def _waypoint(self) -> Points:
        """Where the hand should be, metres, world."""
        if self.phase in (Phase.HOVER, Phase.DESCEND):
            hover = max(self._grasp.top + 0.06, self._grasp.height + 0.08)
            return np.array([*self._centre, hover if self.phase == Phase.HOVER else self._grasp.height])
        if self.phase == Phase.LIFT:
            return np.array([*self._held[:2], self._travel_height])
        if self.phase in (Phase.CARRY, Phase.LOWER):
            over = self._target[:2] - (self._centre - self._position[:2])
            return np.array([*over, self._travel_height if self.phase == Phase.CARRY else self._release_height])
        rise = np.array([0.0, 0.0, 0.1 if self.phase == Phase.RETREAT else 0.0])
        return np.array(self._held + rise)

    def _reached(self, distance: float, turn: float) -> bool:
        """The phase is over: its waypoint is reached, or its patience has run out."""
        if self.phase == Phase.RETREAT:
            return False
        if self.phase == Phase.GRIP:
            return self._count >= (14 if self._grasp.width < 0.05 else 10)  # the fingers have longer to go
        if self._count >= _PATIENCE[self.phase]:
            return True
        if self.phase == Phase.RELEASE:
            return False
        if self.phase == Phase.LIFT:
            return bool(self._position[2] > self._travel_height - _TOLERANCE[Phase.LIFT])
        aligned = turn < 0.12 or self.phase in (Phase.CARRY, Phase.LOWER)
        return distance < _TOLERANCE[self.phase] and aligned

    def _slipped(self) -> bool:
        """The hand has risen and the object has not."""
        if self.phase not in (Phase.LIFT, Phase.CARRY) or self._retries >= _RETRIES:
            return False
        rose = float(self._data.xpos[self._body][2]) - self._resting_height
        return bool(self._position[2] - self._held[2] > 0.05 and rose < 0.02)

    @property
    def _position(self) -> Points:
        return np.array(self._data.site_xpos[self._site])

    @property
    def _rotation(self) -> Points:
        return np.array(self._data.site_xmat[self._site]).reshape(3, 3)

    @property
    def _centre(self) -> Points:
        """Of the object, xy, metres."""
        centre: Points = self._data.xpos[self._body][:2] + self._grasp.centre
        return centre

    @property
    def _target(self) -> Points:
        position: Points = np.array(self._instance.sim.data.get_site_xpos(self._container))
        return position

    @property
    def _container_object(self) -> str:
        """The object that the container's site belongs to."""
        return str(self._instance.object_sites_dict[self._container].parent_name)

    def _finger_axis(self) -> int:
        """The column of the hand's rotation along which the fingers slide."""
        joint = self._instance.sim.model.joint_name2id(self._instance.robots[0].gripper_joints[0])
        return int(np.argmax(np.abs(self._rotation.T @ self._data.xaxis[joint])))


def supported(instance: Any) -> bool:
    """Whether the task is one that this expert knows: a single ``(in object container-site)``."""
    goal = instance.parsed_problem["goal_state"]
    return len(goal) == 1 and len(goal[0]) == 3 and goal[0][0] == "in" and goal[0][2] in instance.object_sites_dict


def _goal(instance: Any) -> tuple[str, str]:
    """-> the object to pick, the site to put it in."""
    _, name, container = instance.parsed_problem["goal_state"][0]
    return name, container


def _rotation_vector(rotation: Points) -> Points:
    """Rotation matrix -> axis times angle, radians."""
    quaternion, vector = np.zeros(4), np.zeros(3)
    mujoco.mju_mat2Quat(quaternion, rotation.ravel())
    mujoco.mju_quat2Vel(vector, quaternion, 1.0)
    return vector
