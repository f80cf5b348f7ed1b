"""User-provided demonstrations in HDF5: LIBERO's own files and those that OpenVLA regenerated.

``<task>_demo.hdf5`` holds ``data/demo_N`` with ``actions``, ``states`` and ``obs/{agentview_rgb, ee_pos, ee_ori,
gripper_states, joint_states}``.  Images are stored upside down and are rotated by 180 degrees.  No-op actions and
episodes without a reward are dropped.  Observations that were recorded after their action are moved to the next action
(`recorded_episode`).
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from vla_rl_bench.errors import MissingRequirement, UserError
from vla_rl_bench.types import Demonstration, EnvironmentSpec, Observation, Start, TaskSpec
from vla_rl_bench_libero.options import LiberoOptions
from vla_rl_bench_libero.recorded_episode import Episode, check_finite, kept_rows, noops, proprio, robot_base, upright
from vla_rl_bench_libero.rerender import Rerenderer, official_index
from vla_rl_bench_libero.simulator import CAMERA, PROPRIO, Vector

INSTALL = 'pip install -e "plugins/libero[data]"'
_IMAGES = {CAMERA: "agentview_rgb", "robot0_eye_in_hand": "eye_in_hand_rgb"}
_LOG = logging.getLogger(__name__)


def read(
    path: Path, contract: EnvironmentSpec, tasks: Sequence[int], per_task: int, options: LiberoOptions
) -> list[Demonstration]:
    """Read the first `per_task` demonstrations of each task, task by task (`EnvironmentEntry.demonstrations`).

    path: a folder, which is searched, or the file of a single task.  Images of another size than the environment's are
    rendered again from the recorded states, which needs the simulator.  ``start.index`` is the official init state
    at which the episode began, or 0 if it began at none: these episodes are no held-out starts.  The numbers of dropped
    no-ops and failures are logged.
    """
    unknown = set(contract.proprio) - set(PROPRIO)
    if unknown:
        raise UserError(f"{path}: LIBERO's files hold no proprioception `{sorted(unknown)[0]}`")
    demonstrations: list[Demonstration] = []
    with Rerenderer(contract.suite, options) as renderer:
        for task in tasks:
            demonstrations += _read_task(find_file(path, contract, task), contract, task, per_task, renderer)
    return demonstrations


def find_file(path: Path, contract: EnvironmentSpec, task: int) -> Path:
    """Return the task's file: `path` or a file below it; of several, that in a folder with the suite's name."""
    name = f"{contract.tasks[task].name}_demo.hdf5"
    if path.is_file() and path.name == name:
        return path
    files = sorted(path.rglob(name)) if path.is_dir() else []
    if len(files) > 1:
        files = [file for file in files if file.parent.name == contract.suite] or files
    if len(files) > 1:
        raise UserError(
            f"{path}: {files[0]} and {files[1]} are both of task {task}; set demonstrations.source to one of them"
        )
    if not files:
        raise UserError(f"{path}: no demonstrations of task {task}: looked for {name}, also in folders below")
    return files[0]


def _read_task(
    path: Path, contract: EnvironmentSpec, task: int, per_task: int, renderer: Rerenderer
) -> list[Demonstration]:
    demonstrations: list[Demonstration] = []
    dropped = failures = 0
    with _open(path) as file:
        names = _names(path, file)
        for name in names:
            if len(demonstrations) == per_task:
                break
            where = f"{path}: data/{name}"
            group = file["data"][name]
            if "rewards" in group and not np.any(group["rewards"][()]):
                failures += 1
                continue
            episode = _episode(group, where, contract)
            dropped += int(noops(episode.actions).sum())
            demonstrations.append(_demonstration(episode, where, contract, task, renderer))
    steps = sum(len(demonstration.actions) for demonstration in demonstrations)
    _LOG.info(
        "%s: %d demonstrations of %d steps; dropped %d no-ops and %d failures",
        path, len(demonstrations), steps, dropped, failures,
    )  # fmt: skip
    if len(demonstrations) < per_task:
        failed = f", and {failures} without a reward" if failures else ""
        raise UserError(
            f"{path}: {len(demonstrations)} demonstrations{failed}, but demonstrations.per_task is {per_task}"
        )
    return demonstrations


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    try:
        h5py: Any = importlib.import_module("h5py")
    except ImportError:
        raise MissingRequirement(f"{path} needs `h5py`, which this interpreter lacks", INSTALL) from None
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise UserError(f"{path}: cannot be read as HDF5: {error}") from None
    with file:
        yield file


def _names(path: Path, file: Any) -> list[str]:
    """Return ``demo_0``, ``demo_1``, ... sorted by number."""
    names = [name for name in file.get("data", {}) if name.removeprefix("demo_").isdecimal()]
    if not names:
        raise UserError(f"{path}: holds no data/demo_0; it has: {', '.join(file) or 'nothing'}")
    return sorted(names, key=lambda name: int(name.removeprefix("demo_")))


def _episode(group: Any, where: str, contract: EnvironmentSpec) -> Episode:
    """Read the rows of a demonstration; images only if they have the environment's size."""
    actions, states = _array(group, "actions", where, width=contract.action.dimensions), _array(group, "states", where)
    obs, inside = _member(group, "obs", where), f"{where}/obs"
    position, rotation = _pose(obs, inside)
    gripper, joints = (_array(obs, name, inside, width) for name, width in (("gripper_states", 2), ("joint_states", 7)))
    images = {}
    for spec in contract.images:
        key = _IMAGES.get(spec.name, spec.name)
        if spec.name != CAMERA:
            _member(obs, key, inside)  # only the agentview camera can be rendered again
        if key in obs and obs[key].shape[1:] == (spec.height, spec.width, 3):
            images[spec.name] = np.asarray(obs[key][()], np.uint8)
    episode = Episode(actions, states, images, position, rotation, gripper, joints)
    arrays: list[Any] = [actions, states, position, rotation, gripper, joints, *images.values()]
    lengths = {len(array) for array in arrays}
    if len(lengths) != 1 or not len(actions):
        raise UserError(f"{where}: its arrays have {sorted(lengths)} rows; all must have the same number, above 0")
    return episode


def _pose(obs: Any, where: str) -> tuple[Vector, Vector]:
    """Return positions ``[T, 3]`` and axis-angles ``[T, 3]``."""
    if "ee_pos" in obs and "ee_ori" in obs:
        return _array(obs, "ee_pos", where, 3), _array(obs, "ee_ori", where, 3)
    pose = _array(obs, "ee_states", where, 6)
    return pose[:, :3], pose[:, 3:]


def _member(group: Any, name: str, where: str) -> Any:
    if name not in group:
        raise UserError(f"{where}: lacks `{name}`; it has: {', '.join(group) or 'nothing'}")
    return group[name]


def _array(group: Any, name: str, where: str, width: int | None = None) -> Vector:
    """Read a float64 array ``[T, width]``."""
    values = np.asarray(_member(group, name, where)[()], np.float64)
    if values.ndim != 2 or (width is not None and values.shape[1] != width):
        raise UserError(f"{where}: `{name}` has shape {list(values.shape)}, not [steps, {width or 'numbers'}]")
    check_finite(values, name, where)
    return values


def _demonstration(
    episode: Episode, where: str, contract: EnvironmentSpec, task: int, renderer: Rerenderer
) -> Demonstration:
    spec: TaskSpec = contract.tasks[task]
    action_rows, observation_rows = kept_rows(episode)
    if not len(action_rows):
        raise UserError(f"{where}: all actions are no-ops")
    missing = [image for image in contract.images if image.name not in episode.images]
    if missing:
        rendered = renderer.observations(task, episode.states[action_rows], missing[0], where)
        stored = {name: upright(images[observation_rows]) for name, images in episode.images.items()}
        columns = [PROPRIO.index(name) for name in contract.proprio]
        observations = Observation({**rendered.images, **stored}, rendered.proprio[:, columns])
    else:
        images = {name: upright(images[observation_rows]) for name, images in episode.images.items()}
        observations = Observation(
            images, proprio(episode, observation_rows, robot_base(contract, spec), contract.proprio)
        )
    actions = np.clip(episode.actions[action_rows], contract.action.low, contract.action.high).astype(np.float32)
    return Demonstration(Start(task, official_index(contract.suite, task, episode.states[0])), observations, actions)
