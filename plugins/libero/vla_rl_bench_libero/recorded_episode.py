"""A recorded LIBERO episode as NumPy arrays, and the corrections that imitation needs.  No simulator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vla_rl_bench.errors import UserError
from vla_rl_bench.types import EnvironmentSpec, FloatArray, ImageArray, TaskSpec
from vla_rl_bench_libero.simulator import PROPRIO, Vector, proprioception

NOOP_NORM = 1e-4  # OpenVLA, experiments/robot/libero/regenerate_libero_dataset.py: is_noop

# Position of the robot's base, meters, world; read from the simulator of a task of each scene.
_BASES = {
    "libero_spatial": (-0.66, 0.0, 0.912),
    "libero_object": (-0.6, 0.0, 0.0),
    "libero_goal": (-0.66, 0.0, 0.912),
    "KITCHEN": (-0.66, 0.0, 0.912),
    "LIVING_ROOM": (-0.51, 0.0, 0.42),
    "STUDY": (-0.75, 0.0, 0.912),
}


def check_finite(values: Vector, name: str, where: str) -> None:
    """Reject recorded rows ``[T, width]`` with a NaN or infinite number."""
    indices = np.argwhere(~np.isfinite(values))
    if len(indices):
        row, column = indices[0]
        raise UserError(
            f"{where}: `{name}` is {values[row, column]} in row {row}, column {column}, and must be finite; "
            "remove that demonstration"
        )


@dataclass(frozen=True)
class Episode:
    """Rows of one demonstration as stored in the file; T steps."""

    actions: Vector  # [T, 7]
    states: Vector  # MuJoCo's, [T, 1 + nq + nv], *before* the row's action; the arm's seven joints follow the time
    images: dict[str, ImageArray]  # by camera, uint8 [T, H, W, 3], upside down, as LIBERO renders
    position: Vector  # eef, meters, world
    rotation: Vector  # eef, axis-angle, radians
    gripper: Vector  # finger joints, meters
    joints: Vector  # the arm's, radians, as observed


def noops(actions: Vector) -> NDArray[np.bool_]:
    """Return a mask ``[T]`` of OpenVLA's no-op actions: no motion, and the gripper as in the last action *kept*.

    For the first action, no motion is enough.
    """
    still = np.linalg.norm(actions[:, :-1], axis=1) < NOOP_NORM
    mask = np.zeros(len(actions), bool)
    gripper: float | None = None
    for step, action in enumerate(actions):
        mask[step] = still[step] and gripper in (None, action[-1])
        if not mask[step]:
            gripper = action[-1]
    return mask


def observed_after_action(episode: Episode) -> bool:
    """Check if each row's observation was recorded *after* its action.

    LIBERO's own files record after the action (scripts/create_dataset.py steps, then records); OpenVLA's regenerated
    files record before it.  The states are before the action in both: late joints equal those of the next row's state.
    """
    if len(episode.actions) < 2:
        return False
    joints = episode.states[:, 1 : 1 + episode.joints.shape[1]]
    error_same_row = np.abs(episode.joints[:-1] - joints[:-1]).mean()
    error_next_row = np.abs(episode.joints[:-1] - joints[1:]).mean()
    return bool(error_next_row < error_same_row)


def kept_rows(episode: Episode) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of the actions that are kept, and for each the row of the observation before that action.

    No-ops are dropped.  If observations are recorded after the action, so is the first row, which has none before it.
    """
    rows = np.flatnonzero(~noops(episode.actions))
    if not observed_after_action(episode):
        return rows, rows
    rows = rows[rows > 0]
    return rows, rows - 1


def proprio(episode: Episode, rows: NDArray[np.int64], base: Vector, names: tuple[str, ...]) -> FloatArray:
    """Return float32 ``[len(rows), len(names)]`` in the order of `names`, which are members of `PROPRIO`."""
    values = proprioception(episode.position[rows] - base, episode.rotation[rows], episode.gripper[rows])
    return values[:, [PROPRIO.index(name) for name in names]]


def upright(images: ImageArray) -> ImageArray:
    """Rotate images ``[T, H, W, 3]`` of LIBERO's files by 180 degrees, to the environment's orientation."""
    return np.ascontiguousarray(images[:, ::-1, ::-1])


def robot_base(contract: EnvironmentSpec, task: TaskSpec) -> Vector:
    """Return the position of the robot's base, meters, world, by suite, or by scene in libero_10 and libero_90."""
    scene = task.name.split("_SCENE")[0]
    return np.array(_BASES[contract.suite] if contract.suite in _BASES else _BASES[scene])
