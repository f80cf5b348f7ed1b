"""A recorded LIBERO episode, as NumPy arrays: what must be put right before a policy may imitate it.  No simulator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vla_rl_bench.errors import UserError
from vla_rl_bench.types import EnvironmentSpec, FloatArray, ImageArray, TaskSpec
from vla_rl_bench_libero.simulator import PROPRIO, Vector, proprioception

NOOP_NORM = 1e-4  # OpenVLA, experiments/robot/libero/regenerate_libero_dataset.py: is_noop

# Of the robot's base, metres, world; read from the simulator of a task of each scene.
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
    places = np.argwhere(~np.isfinite(values))
    if len(places):
        row, column = places[0]
        raise UserError(
            f"{where}: `{name}` is {values[row, column]} in row {row}, column {column}, and must be finite; "
            "remove that demonstration"
        )


@dataclass(frozen=True)
class Episode:
    """Rows of one demonstration, as the file has them; T steps.

    actions: ``[T, 7]``.  states: MuJoCo's, flattened, ``[T, 1 + nq + nv]``, *before* the action of their row; the arm's
    seven joints come right after the time.  images: camera -> uint8 ``[T, H, W, 3]``, upside down, as LIBERO renders.
    position, rotation, gripper: eef in metres, world; axis-angle in radians; finger joints in metres.  joints: the
    arm's, radians, as observed.
    """

    actions: Vector
    states: Vector
    images: dict[str, ImageArray]
    position: Vector
    rotation: Vector
    gripper: Vector
    joints: Vector


def noops(actions: Vector) -> NDArray[np.bool_]:
    """-> ``[T]``: actions that do nothing, as OpenVLA has it: no motion, and the gripper as in the last action *kept*.

    A first action needs to have no motion only.
    """
    still = np.linalg.norm(actions[:, :-1], axis=1) < NOOP_NORM
    found = np.zeros(len(actions), bool)
    gripper: float | None = None
    for step, action in enumerate(actions):
        found[step] = still[step] and gripper in (None, action[-1])
        if not found[step]:
            gripper = action[-1]
    return found


def seen_late(episode: Episode) -> bool:
    """Whether each row's observation was made *after* its action.

    It was in LIBERO's own files (scripts/create_dataset.py steps, then records), and is not in those that OpenVLA
    regenerated.  The states tell: they are before the action in both, so late joints are those of the next row's state.
    """
    if len(episode.actions) < 2:
        return False
    joints = episode.states[:, 1 : 1 + episode.joints.shape[1]]
    here = np.abs(episode.joints[:-1] - joints[:-1]).mean()
    ahead = np.abs(episode.joints[:-1] - joints[1:]).mean()
    return bool(ahead < here)


def kept_rows(episode: Episode) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """-> rows whose actions are kept, and beside each the row whose observation was seen before that action.

    No-ops are left out.  Where observations are late, so is the first row, before which nothing was seen.
    """
    rows = np.flatnonzero(~noops(episode.actions))
    if not seen_late(episode):
        return rows, rows
    rows = rows[rows > 0]
    return rows, rows - 1


def proprio(episode: Episode, rows: NDArray[np.int64], base: Vector, names: tuple[str, ...]) -> FloatArray:
    """float32 ``[len(rows), len(names)]``, in the order of `names`, each of which is one of `PROPRIO`."""
    values = proprioception(episode.position[rows] - base, episode.rotation[rows], episode.gripper[rows])
    return values[:, [PROPRIO.index(name) for name in names]]


def upright(images: ImageArray) -> ImageArray:
    """``[T, H, W, 3]`` as LIBERO stores them -> rotated by 180 degrees, as the environment's are."""
    return np.ascontiguousarray(images[:, ::-1, ::-1])


def robot_base(contract: EnvironmentSpec, task: TaskSpec) -> Vector:
    """Metres, world: by the suite, or by the scene that a name of libero_10 and libero_90 begins with."""
    scene = task.name.split("_SCENE")[0]
    return np.array(_BASES[contract.suite] if contract.suite in _BASES else _BASES[scene])
