"""The simulator of a task: the interface and conversions shared by the tuned and the reference driver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vla_rl_bench.types import FloatArray, ImageArray, Observation

Vector = NDArray[np.float64]

CAMERA = "agentview"  # the third-person camera; the only one that SimpleVLA-RL's OpenVLA-OFT uses
FILM_SIZE = 256  # pixels, height and width, of a film's frames; not a policy input
SETTLE_ACTION = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0)
LIBERO_SEED = 0  # OpenVLA-OFT: env.seed(0), which "affects object positions even when using fixed initial state"

PROPRIO = (
    "eef_x: (metres from the robot's base - 0.55) / 0.25",
    "eef_y: metres from the robot's base / 0.25",
    "eef_z: (metres from the robot's base - 0.2) / 0.2",
    "eef_axis_angle_x: radians / pi",
    "eef_axis_angle_y: radians / pi",
    "eef_axis_angle_z: radians / pi",
    "gripper_left: (metres - 0.02) / 0.02",
    "gripper_right: (metres + 0.02) / 0.02",
)
_EEF_CENTER, _EEF_SCALE = np.array([0.55, 0.0, 0.2]), np.array([0.25, 0.25, 0.2])


@dataclass(frozen=True, slots=True)
class Frame:
    """LIBERO's observation of the scene."""

    image: ImageArray  # uint8 [H, W, 3], obs["agentview_image"] rotated by 180 degrees
    position: Vector  # eef, meters, world
    quaternion: Vector  # eef, xyzw
    gripper: Vector  # both finger joints, meters


class Simulator(Protocol):
    """A simulator of one task that plays one episode at a time."""

    base: Vector  # the robot's base, meters, world
    instance: Any  # LIBERO's problem instance, for the expert's privileged view

    def reset(self, index: int, settle: int) -> Frame:
        """Go to init state `index`, take `settle` settling steps, and return the frame after them."""
        ...

    def step(self, action: Vector, render: bool) -> tuple[bool, Frame | None]:
        """Take an action ``[7]``; return success, and the frame if `render`, else None."""
        ...

    def film(self) -> ImageArray:
        """Render the scene as it is now, uint8 ``[FILM_SIZE, FILM_SIZE, 3]``."""
        ...

    def close(self) -> None: ...


def rotate(image: ImageArray) -> ImageArray:
    """Rotate an image by 180 degrees, as in OpenVLA's LIBERO data (rlds_dataset_mod: ``img[::-1, ::-1]``)."""
    return np.ascontiguousarray(image[::-1, ::-1])


def axis_angle(quaternion: Vector) -> Vector:
    """Convert xyzw to axis times angle, radians, as robosuite's ``quat2axisangle``; continuous near a half turn."""
    cosine = float(np.clip(quaternion[3], -1.0, 1.0))
    sine = np.sqrt(1.0 - cosine * cosine)
    return np.zeros(3) if sine < 1e-8 else quaternion[:3] * (2.0 * np.arccos(cosine) / sine)


def observation(frame: Frame, base: Vector) -> Observation:
    """Convert a frame to an observation in the units of `PROPRIO`."""
    proprio = proprioception(frame.position - base, axis_angle(frame.quaternion), frame.gripper)
    return Observation({CAMERA: frame.image}, proprio)


def proprioception(position: Vector, rotation: Vector, gripper: Vector) -> FloatArray:
    """Scale to the units of `PROPRIO`, float32 ``[..., 8]``.

    position: eef, meters from the robot's base, ``[..., 3]``.  rotation: axis-angle, radians, ``[..., 3]``.
    gripper: both finger joints, meters, ``[..., 2]``.
    """
    finger = np.array([0.02, -0.02])
    parts = [(position - _EEF_CENTER) / _EEF_SCALE, rotation / np.pi, (gripper - finger) / 0.02]
    return np.concatenate(parts, axis=-1).astype(np.float32)
