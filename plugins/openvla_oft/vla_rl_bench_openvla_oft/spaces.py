"""Action spaces as data: what a checkpoint was trained on, beside what an environment declares.

The reference chooses them by the environment variable ROBOT_PLATFORM (openvla-oft, prismatic/vla/constants.py), which,
unset, makes even a LIBERO command line ALOHA's 25 x 14.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from vla_rl_bench.conventions import Expectation, differences
from vla_rl_bench.errors import UserError, did_you_mean
from vla_rl_bench.types import EnvironmentSpec, ImageSpec
from vla_rl_bench_openvla_oft.options import OpenVlaOptions


class CheckpointWarning(UserWarning):
    """A checkpoint or its surroundings are usable, and probably not as they were meant."""


@dataclass(frozen=True)
class Reading:
    """A number of proprioception as an environment declares it: the raw value is ``scale * declared + offset``."""

    words: str
    scale: float
    offset: float


@dataclass(frozen=True)
class Space:
    """Conventions around a checkpoint's tokens.  None: those of the environment.

    bounds: of norm_stats that [-1, 1] means; ``environment``: the bounds of the environment's action space.
    gripper, rotation, orientation: conventions, compared with the environment's words.
    gripper_rule: ``open-one``: the checkpoint's last dimension is 1 open and 0 closed, the environment's -1 and +1.
    cameras: by rank; a checkpoint of n images takes the first n.  pixels: of the images it was trained on.
    readings: raw proprioception from the environment's; None: the environment's is raw.
    """

    name: str
    chunk: int
    dimensions: int | None
    bounds: Literal["q01/q99", "min/max", "environment"]
    gripper: str | None
    rotation: str | None
    gripper_rule: Literal["open-one", "none"]
    cameras: tuple[str, ...] | None
    images: int | None
    orientation: str | None
    pixels: int | None
    jpeg: bool
    crop: bool
    proprio: bool
    readings: tuple[Reading, ...] | None = None


_PI = 3.141592653589793

LIBERO = Space(
    name="libero",
    chunk=8,  # OpenVLA-OFT, constants.py: NUM_ACTIONS_CHUNK of LIBERO
    dimensions=7,
    bounds="q01/q99",  # OpenVLA-OFT, constants.py: BOUNDS_Q99
    gripper="-1 opens, +1 closes",
    rotation="axis-angle delta",
    gripper_rule="open-one",  # OpenVLA-OFT: normalize_gripper_action(binarize), then invert_gripper_action
    cameras=("agentview", "robot0_eye_in_hand"),
    images=1,  # SimpleVLA-RL, run_openvla_oft_rl_libero.sh: num_images_in_input=1
    orientation="rotated-180",
    pixels=256,  # OpenVLA-OFT, run_libero_eval.py: env_img_res
    jpeg=True,  # as the RLDS data sets were stored
    crop=True,  # area 0.9, SimpleVLA-RL: center_crop=True
    proprio=False,  # SimpleVLA-RL, LIBERO
    readings=(  # OpenVLA-OFT: robot0_eef_pos, axis-angle, robot0_gripper_qpos, raw; the libero plugin scales them
        Reading("eef_x: (metres from the robot's base - 0.55) / 0.25", 0.25, 0.55),
        Reading("eef_y: metres from the robot's base / 0.25", 0.25, 0.0),
        Reading("eef_z: (metres from the robot's base - 0.2) / 0.2", 0.2, 0.2),
        Reading("eef_axis_angle_x: radians / pi", _PI, 0.0),
        Reading("eef_axis_angle_y: radians / pi", _PI, 0.0),
        Reading("eef_axis_angle_z: radians / pi", _PI, 0.0),
        Reading("gripper_left: (metres - 0.02) / 0.02", 0.02, 0.02),
        Reading("gripper_right: (metres + 0.02) / 0.02", 0.02, -0.02),
    ),
)

ROBOTWIN = Space(
    name="robotwin",
    chunk=25,  # SimpleVLA-RL, RoboTwin: 25 x 14
    dimensions=14,
    bounds="min/max",  # OpenVLA-OFT, constants.py: BOUNDS of ALOHA
    gripper="0 closes, 1 opens",
    rotation="joint positions",
    gripper_rule="none",
    cameras=("head_camera", "left_camera", "right_camera"),
    images=1,  # SimpleVLA-RL, run_openvla_oft_rl_twin2.sh: num_images_in_input=1
    orientation="upright",
    pixels=None,  # 240 x 320, squeezed to a square
    jpeg=False,
    crop=True,
    proprio=True,
)

PLAIN = Space(
    name="plain",
    chunk=8,  # LIBERO's
    dimensions=None,
    bounds="environment",
    gripper=None,
    rotation=None,
    gripper_rule="none",
    cameras=None,
    images=None,
    orientation=None,
    pixels=None,
    jpeg=False,
    crop=True,
    proprio=False,
)

SPACES = {space.name: space for space in (LIBERO, ROBOTWIN, PLAIN)}
_GUESSED = (LIBERO, ROBOTWIN)  # `plain` fits everything, so it has to be asked for


def expects(spec: EnvironmentSpec, options: OpenVlaOptions) -> Expectation:
    """Expectation that a run compares with the environment before it begins."""
    space = named(options.space) if options.space is not None else _fitting(spec, options.images)
    felt = space.proprio if options.proprio is None else options.proprio
    return expectation(space, spec, options.images, proprio=felt)


def choose(name: str | None, spec: EnvironmentSpec, images: Sequence[str] | None = None) -> Space:
    """The space that a suite names, or the one that the environment fits; refused where they disagree."""
    if name is None:
        return _fitting(spec, images)
    space = named(name)
    for mismatch in mismatches(space, spec, images):
        raise UserError(f"policy.space: {mismatch}. {_advice(space)}")
    return space


def named(name: str) -> Space:
    if name not in SPACES:
        raise UserError(f"policy.space: no action space `{name}`.{did_you_mean(name, SPACES)}")
    return SPACES[name]


def _fitting(spec: EnvironmentSpec, images: Sequence[str] | None) -> Space:
    reasons_by_space = {space.name: list(mismatches(space, spec, images)) for space in _GUESSED}
    for name, reasons in reasons_by_space.items():
        if not reasons:
            return SPACES[name]
    why = "; ".join(reasons[0] for reasons in reasons_by_space.values())
    raise UserError(f"policy.space: no action space of OpenVLA fits environment `{spec.name}`: {why}. {_advice(None)}")


def _advice(space: Space | None) -> str:
    if space is PLAIN:
        return "Name cameras that the environment has"
    return "Choose the environment that the checkpoint was trained for, or `policy.space: plain` to train a new space"


def mismatches(space: Space, spec: EnvironmentSpec, images: Sequence[str] | None = None) -> Iterator[str]:
    """Differences between the space and the environment's contract; each names both sides."""
    return differences(expectation(space, spec, images), spec)


def expectation(
    space: Space, spec: EnvironmentSpec, images: Sequence[str] | None = None, *, proprio: bool = False
) -> Expectation:
    """proprio: whether it is fed; its words matter where the space reads them back to raw values."""
    read = space.readings if proprio else None
    return Expectation(
        who=space.name,
        dimensions=space.dimensions,
        gripper=space.gripper,
        rotation=space.rotation,
        cameras=dict.fromkeys(wanted_cameras(space, spec, images), space.orientation),
        proprio=None if read is None else tuple(reading.words for reading in read),
        advice=_advice(space),
    )


def wanted_cameras(space: Space, spec: EnvironmentSpec, images: Sequence[str] | None) -> tuple[str, ...]:
    if images is not None:
        return tuple(images)
    if space.cameras is None:
        return tuple(image.name for image in spec.images)
    return space.cameras[: space.images]


def cameras(space: Space, spec: EnvironmentSpec, images: Sequence[str] | None) -> tuple[ImageSpec, ...]:
    """The cameras that a policy looks through, in order; a size that the checkpoint never saw is warned of."""
    known = {image.name: image for image in spec.images}
    chosen = tuple(known[name] for name in wanted_cameras(space, spec, images))
    for camera in chosen:
        if space.pixels is not None and (camera.height, camera.width) != (space.pixels, space.pixels):
            warnings.warn(
                f"camera `{camera.name}` renders {camera.width}x{camera.height}, and checkpoints of space "
                f"`{space.name}` were trained on {space.pixels}x{space.pixels}. "
                f"Set environment.image_size: {space.pixels}",
                CheckpointWarning,
                stacklevel=2,
            )
    return chosen
