"""The hand: its pose, and the actions that move it.

A movement is a generator of commands.  It yields all but its last command and returns the last, so that the caller can
plan the next movement in the state in which this one ends, and then yields it.  An aborted movement returns None.
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
METERS, RADIANS = 0.05, 0.5  # the motion of an action of 1: robosuite's osc_pose.json, output_max
_GAIN = 1.2
ALIGNED = 0.12  # radians: tolerance of the target orientation


@dataclass(frozen=True)
class Command:
    """An action of the expert."""

    action: Vector  # [7], each in [-1, 1]
    steady: bool = False  # the hand must not move or must push evenly: do not add noise


Movement = Generator[Command, None, Command | None]
Commands = Generator[Command, None, None]


def last_command(last: Command | None) -> Commands:
    """Yield a movement's last command, unless it was aborted."""
    if last is not None:
        yield last


class Manipulator:
    """robosuite's arm and gripper as the expert uses them."""

    def __init__(self, instance: Any) -> None:
        self._instance = instance
        self._model, self._data = instance.sim.model._model, instance.sim.data._data
        self._site = instance.sim.model.site_name2id(instance.robots[0].controller.eef_name)
        self.start_height = float(self.position[2])
        self.has_worked = False  # an object has been put down, or moved on its joint

    @property
    def position(self) -> Points:
        """The point between the finger tips, meters, world."""
        return np.array(self._data.site_xpos[self._site])

    @property
    def rotation(self) -> Points:
        """The rotation from the hand's frame to the world; its third column points out of the palm."""
        return np.array(self._data.site_xmat[self._site]).reshape(3, 3)

    @property
    def hand(self) -> Hand:
        return Hand(self.rotation, self._finger_axis())

    def _finger_axis(self) -> int:
        """Return the column of the hand's rotation along which the fingers slide."""
        joint = self._instance.sim.model.joint_name2id(self._instance.robots[0].gripper_joints[0])
        return int(np.argmax(np.abs(self.rotation.T @ self._data.xaxis[joint])))

    def towards(
        self, waypoint: Points, rotation: Points, grip: float, *, speed: float = 1.0, steady: bool = False
    ) -> Command:
        """Return a command that moves the hand towards a pose.  speed: the largest motion along an axis, at most 1."""
        error = waypoint - self.position
        turn = rotation_vector(rotation @ self.rotation.T)
        motion = np.clip(error * (_GAIN / METERS), -speed, speed)
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
        """Move until the waypoint is within `tolerance` (and the orientation, if `aligned`), or `until` holds.

        patience: the largest number of commands.  abort: checked before each.
        """
        for count in range(1, patience + 1):
            if abort():
                return None
            target = waypoint()
            command = self.towards(target, rotation, grip, speed=speed, steady=steady)
            distance = float(np.linalg.norm(target - self.position))
            oriented = not aligned or float(np.linalg.norm(rotation_vector(rotation @ self.rotation.T))) < ALIGNED
            if count == patience or (distance < tolerance and oriented) or until():
                return command
            yield command
        raise ValueError("patience must be at least 1")

    def follow(self, waypoint: Callable[[], Points], rotation: Points, grip: float, **arguments: Any) -> Commands:
        """Yield all commands of `reach`, including the last."""
        yield from last_command((yield from self.reach(waypoint, rotation, grip, **arguments)))

    def go(
        self, position: Points, rotation: Points, grip: float, *, patience: int, tolerance: float, aligned: bool = True
    ) -> Commands:
        """Move to a fixed position."""
        return self.follow(lambda: position, rotation, grip, patience=patience, tolerance=tolerance, aligned=aligned)

    def hold(self, rotation: Points, grip: float, steps: int) -> Commands:
        """Yield all commands of `stay`, including the last."""
        yield from last_command((yield from self.stay(rotation, grip, steps)))

    def stay(self, rotation: Points, grip: float, steps: int) -> Movement:
        """Hold the position while the fingers open or close."""
        position = self.position
        return self.reach(lambda: position, rotation, grip, patience=steps, steady=True)


def rotation_vector(rotation: Points) -> Points:
    """Convert a rotation matrix to axis times angle, radians."""
    quaternion, vector = np.zeros(4), np.zeros(3)
    mujoco.mju_mat2Quat(quaternion, rotation.ravel())
    mujoco.mju_quat2Vel(vector, quaternion, 1.0)
    return vector
