"""One task's simulator: what the tuned and the reference driver share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vla_rl_bench.types import FloatArray, ImageArray, Observation

Vector = NDArray[np.float64]

CAMERA = "agentview"  # the third-person camera; OpenVLA-OFT as trained by SimpleVLA-RL sees no other
FILM_SIZE = 256  # pixels, height and width, of a film's frames; no policy sees them
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
_EEF_CENTRE, _EEF_SCALE = np.array([0.55, 0.0, 0.2]), np.array([0.25, 0.25, 0.2])


@dataclass(frozen=True, slots=True)
class Frame:
    """A look at the scene, as LIBERO's own observation gives it.

    image: uint8 ``[H, W, 3]``, ``obs["agentview_image"]`` rotated by 180 degrees.
    position: eef, metres, world.  quaternion: eef, xyzw.  gripper: both finger joints, metres.
    """

    image: ImageArray
    position: Vector
    quaternion: Vector
    gripper: Vector


class Simulator(Protocol):
    """One task, one episode at a time."""

    base: Vector  # the robot's base, metres, world
    instance: Any  # LIBERO's problem instance, for the expert's privileged view

    def reset(self, index: int, settle: int) -> Frame:
        """Go to official init state `index`, take `settle` settling steps -> what is seen then."""
        ...

    def step(self, action: Vector, look: bool) -> tuple[bool, Frame | None]:
        """Take an action ``[7]`` -> success, and what is seen; None unless asked to look."""
        ...

    def film(self) -> ImageArray:
        """The scene as it is now, uint8 ``[FILM_SIZE, FILM_SIZE, 3]``."""
        ...

    def close(self) -> None: ...


def rotate(image: ImageArray) -> ImageArray:
    """By 180 degrees, as OpenVLA's LIBERO data are (rlds_dataset_mod: ``img[::-1, ::-1]``)."""
    return np.ascontiguousarray(image[::-1, ::-1])


def axis_angle(quaternion: Vector) -> Vector:
    """xyzw -> axis times angle, radians; continuous near a half turn (robosuite's ``quat2axisangle``)."""
    cosine = float(np.clip(quaternion[3], -1.0, 1.0))
    sine = np.sqrt(1.0 - cosine * cosine)
    return np.zeros(3) if sine < 1e-8 else quaternion[:3] * (2.0 * np.arccos(cosine) / sine)


def observation(frame: Frame, base: Vector) -> Observation:
    """A frame in the units that `PROPRIO` names."""
    proprio = proprioception(frame.position - base, axis_angle(frame.quaternion), frame.gripper)
    return Observation({CAMERA: frame.image}, proprio)


def proprioception(position: Vector, rotation: Vector, gripper: Vector) -> FloatArray:
    """As `PROPRIO`, float32 ``[..., 8]``.

    position: eef, metres from the robot's base, ``[..., 3]``.  rotation: axis-angle, radians, ``[..., 3]``.
    gripper: both finger joints, metres, ``[..., 2]``.
    """
    finger = np.array([0.02, -0.02])
    parts = [(position - _EEF_CENTRE) / _EEF_SCALE, rotation / np.pi, (gripper - finger) / 0.02]
    return np.concatenate(parts, axis=-1).astype(np.float32)
