"""The hand: where it is, and the actions that bring it somewhere.

A movement is a generator of commands.  It yields all but its last command and returns that one, so that whoever ordered
the movement can plan what follows in the state in which it ends, and then yields it.  It returns None where it was
aborted, and then nothing is left to do.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

from vla_rl_bench_libero.experts.pinch_grasp import Hand
from vla_rl_bench_libero.geometry import Points
from vla_rl_bench_libero.simulator import Vector

OPEN, CLOSED = -1.0, 1.0
UP = np.array([0.0, 0.0, 1.0])
METRES, RADIANS = 0.05, 0.5  # what an action of 1 asks for: robosuite's osc_pose.json, output_max
_GAIN = 1.2
ALIGNED = 0.12  # radians: near enough to the orientation that is wanted


@dataclass(frozen=True)
class Command:
    """action: ``[7]``, each in [-1, 1].  steady: the hand must stand still or push evenly: no noise, please."""

    action: Vector
    steady: bool = False


Movement = Generator[Command, None, Command | None]
Skill = Generator[Command, None, None]


def ended(last: Command | None) -> Skill:
    """A movement's last command, where there is one."""
    if last is not None:
        yield last


class Manipulator:
    """robosuite's arm and gripper, seen from the expert."""

    def __init__(self, instance: Any) -> None:
        self._instance = instance
        self._model, self._data = instance.sim.model._model, instance.sim.data._data
        self._site = instance.sim.model.site_name2id(instance.robots[0].controller.eef_name)
        self.start_height = float(self.position[2])
        self.has_worked = False  # something has been put down, or moved on its joint

    @property
    def position(self) -> Points:
        """Between the finger tips, metres, world."""
        return np.array(self._data.site_xpos[self._site])

    @property
    def rotation(self) -> Points:
        """Hand frame -> world; its third column points out of the palm."""
        return np.array(self._data.site_xmat[self._site]).reshape(3, 3)

    @property
    def hand(self) -> Hand:
        return Hand(self.rotation, self._finger_axis())

    def _finger_axis(self) -> int:
        """The column of the hand's rotation along which the fingers slide."""
        joint = self._instance.sim.model.joint_name2id(self._instance.robots[0].gripper_joints[0])
        return int(np.argmax(np.abs(self.rotation.T @ self._data.xaxis[joint])))

    def towards(
        self, waypoint: Points, rotation: Points, grip: float, *, speed: float = 1.0, steady: bool = False
    ) -> Command:
        """The command that brings the hand nearer to a pose.  speed: the largest motion along an axis, at most 1."""
        error = waypoint - self.position
        turn = rotation_vector(rotation @ self.rotation.T)
        motion = np.clip(error * (_GAIN / METRES), -speed, speed)
        return Command(np.array([*motion, *np.clip(turn / RADIANS, -1, 1), grip]), steady)

    def reach(
        self,
        waypoint: Callable[[], Points],
        rotation: Points,
        grip: float,
        *,
        patience: int,
        tolerance: float = 0.0,
        aligned: bool = False,
        until: Callable[[], bool] = lambda: False,
        abort: Callable[[], bool] = lambda: False,
        speed: float = 1.0,
        steady: bool = False,
    ) -> Movement:
        """Move until the waypoint is within `tolerance` (and the orientation right, if `aligned`), or `until`.

        patience: the most commands.  abort: looked at before each.
        """
        for count in range(1, patience + 1):
            if abort():
                return None
            target = waypoint()
            command = self.towards(target, rotation, grip, speed=speed, steady=steady)
            distance = float(np.linalg.norm(target - self.position))
            turned = not aligned or float(np.linalg.norm(rotation_vector(rotation @ self.rotation.T))) < ALIGNED
            if count == patience or (distance < tolerance and turned) or until():
                return command
            yield command
        raise ValueError("patience must be at least 1")

    def follow(self, waypoint: Callable[[], Points], rotation: Points, grip: float, **arguments: Any) -> Skill:
        """`reach` with its last command, for whoever has nothing to plan in between."""
        yield from ended((yield from self.reach(waypoint, rotation, grip, **arguments)))

    def go(
        self, to: Points, rotation: Points, grip: float, *, patience: int, tolerance: float, aligned: bool = True
    ) -> Skill:
        """To a place that does not move."""
        return self.follow(lambda: to, rotation, grip, patience=patience, tolerance=tolerance, aligned=aligned)

    def hold(self, rotation: Points, grip: float, steps: int) -> Skill:
        """`stay` with its last command."""
        yield from ended((yield from self.stay(rotation, grip, steps)))

    def stay(self, rotation: Points, grip: float, steps: int) -> Movement:
        """Hold still, for the fingers to open or close."""
        held = self.position
        return self.reach(lambda: held, rotation, grip, patience=steps, steady=True)


def rotation_vector(rotation: Points) -> Points:
    """Rotation matrix -> axis times angle, radians."""
    quaternion, vector = np.zeros(4), np.zeros(3)
    mujoco.mju_mat2Quat(quaternion, rotation.ravel())
    mujoco.mju_quat2Vel(vector, quaternion, 1.0)
    return vector
