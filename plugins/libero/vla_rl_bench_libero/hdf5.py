"""People's own demonstrations: LIBERO's HDF5 files, its own and those that OpenVLA regenerated.

``<task>_demo.hdf5`` holds ``data/demo_N`` with ``actions``, ``states`` and ``obs/{agentview_rgb, ee_pos, ee_ori,
gripper_states, joint_states}``.  Images are stored upside down and come out rotated by 180 degrees; actions that do
nothing are dropped, and so are episodes without a reward; observations that were recorded after their action are
moved to the next one (`recorded`).
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
    """`EnvironmentEntry.demonstrations`: the first `per_task` demonstrations of each task, task by task.

    path: a folder, searched through, or the file of a single task.  Images of another size than the environment's are
    rendered again from the recorded states, which takes the simulator.  ``start.index`` is the official init state
    that the episode began in, if it began in one; otherwise 0, which then says nothing: these episodes are nobody's
    held-out starts.  How many no-ops and failures were dropped is logged.
    """
    unknown = set(contract.proprio) - set(PROPRIO)
    if unknown:
        raise UserError(f"{path}: LIBERO's files hold no proprioception `{sorted(unknown)[0]}`")
    found: list[Demonstration] = []
    with Rerenderer(contract.suite, options) as renderer:
        for task in tasks:
            found += _read_task(find_file(path, contract, task), contract, task, per_task, renderer)
    return found


def find_file(path: Path, contract: EnvironmentSpec, task: int) -> Path:
    """The task's file: `path` itself, or the one below it; of several, the one in a folder named as the suite."""
    name = f"{contract.tasks[task].name}_demo.hdf5"
    if path.is_file() and path.name == name:
        return path
    files = sorted(path.rglob(name)) if path.is_dir() else []
    if len(files) > 1:
        files = [file for file in files if file.parent.name == contract.suite] or files
    if len(files) > 1:
        raise UserError(f"{path}: {files[0]} and {files[1]} are both of task {task}; name the folder of one of them")
    if not files:
        raise UserError(f"{path}: no demonstrations of task {task}: looked for {name}, also in folders below")
    return files[0]


def _read_task(
    path: Path, contract: EnvironmentSpec, task: int, per_task: int, renderer: Rerenderer
) -> list[Demonstration]:
    shown: list[Demonstration] = []
    dropped = failures = 0
    with _open(path) as file:
        names = _names(path, file)
        for name in names:
            if len(shown) == per_task:
                break
            where = f"{path}: data/{name}"
            group = file["data"][name]
            if "rewards" in group and not np.any(group["rewards"][()]):
                failures += 1
                continue
            episode = _episode(group, where, contract)
            dropped += int(noops(episode.actions).sum())
            shown.append(_demonstration(episode, where, contract, task, renderer))
    _LOG.info(
        "%s: %d demonstrations of %d steps; dropped %d no-ops and %d failures",
        path, len(shown), sum(len(one.actions) for one in shown), dropped, failures,
    )  # fmt: skip
    if len(shown) < per_task:
        failed = f", and {failures} without a reward" if failures else ""
        raise UserError(
            f"{path}: {len(shown)} demonstrations{failed}, where demonstrations.per_task asks for {per_task}"
        )
    return shown


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    try:
        h5py: Any = importlib.import_module("h5py")
    except ImportError:
        raise MissingRequirement(f"{path} needs `h5py`, which this interpreter lacks. Run: {INSTALL}") from None
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise UserError(f"{path}: cannot be read as HDF5: {error}") from None
    with file:
        yield file


def _names(path: Path, file: Any) -> list[str]:
    """``demo_0``, ``demo_1``, ...: by number."""
    names = [name for name in file.get("data", {}) if name.removeprefix("demo_").isdecimal()]
    if not names:
        raise UserError(f"{path}: holds no data/demo_0; it has: {', '.join(file) or 'nothing'}")
    return sorted(names, key=lambda name: int(name.removeprefix("demo_")))


def _episode(group: Any, where: str, contract: EnvironmentSpec) -> Episode:
    """The rows of a demonstration; images only of the environment's own size."""
    actions, states = _array(group, "actions", where, width=contract.action.dimensions), _array(group, "states", where)
    obs, inside = _member(group, "obs", where), f"{where}/obs"
    position, rotation = _pose(obs, inside)
    gripper, joints = (_array(obs, name, inside, width) for name, width in (("gripper_states", 2), ("joint_states", 7)))
    images = {}
    for spec in contract.images:
        key = _IMAGES.get(spec.name, spec.name)
        if spec.name != CAMERA:
            _member(obs, key, inside)  # only the agent's camera is rendered again
        if key in obs and obs[key].shape[1:] == (spec.height, spec.width, 3):
            images[spec.name] = np.asarray(obs[key][()], np.uint8)
    episode = Episode(actions, states, images, position, rotation, gripper, joints)
    arrays: list[Any] = [actions, states, position, rotation, gripper, joints, *images.values()]
    lengths = {len(array) for array in arrays}
    if len(lengths) != 1 or not len(actions):
        raise UserError(f"{where}: its arrays have {sorted(lengths)} rows, which must be one number above 0")
    return episode


def _pose(obs: Any, where: str) -> tuple[Vector, Vector]:
    """-> positions ``[T, 3]``, axis-angles ``[T, 3]``."""
    if "ee_pos" in obs and "ee_ori" in obs:
        return _array(obs, "ee_pos", where, 3), _array(obs, "ee_ori", where, 3)
    both = _array(obs, "ee_states", where, 6)
    return both[:, :3], both[:, 3:]


def _member(group: Any, name: str, where: str) -> Any:
    if name not in group:
        raise UserError(f"{where}: lacks `{name}`; it has: {', '.join(group) or 'nothing'}")
    return group[name]


def _array(group: Any, name: str, where: str, width: int | None = None) -> Vector:
    """float64 ``[T, width]``."""
    values = np.asarray(_member(group, name, where)[()], np.float64)
    if values.ndim != 2 or (width is not None and values.shape[1] != width):
        raise UserError(f"{where}: `{name}` has shape {list(values.shape)}, not [steps, {width or 'numbers'}]")
    check_finite(values, name, where)
    return values


def _demonstration(
    episode: Episode, where: str, contract: EnvironmentSpec, task: int, renderer: Rerenderer
) -> Demonstration:
    spec: TaskSpec = contract.tasks[task]
    kept, before = kept_rows(episode)
    if not len(kept):
        raise UserError(f"{where}: every action does nothing")
    missing = [image for image in contract.images if image.name not in episode.images]
    if missing:
        seen = renderer.observations(task, episode.states[kept], missing[0], where)
        others = {name: upright(images[before]) for name, images in episode.images.items()}
        columns = [PROPRIO.index(name) for name in contract.proprio]
        observations = Observation({**seen.images, **others}, seen.proprio[:, columns])
    else:
        images = {name: upright(images[before]) for name, images in episode.images.items()}
        observations = Observation(images, proprio(episode, before, robot_base(contract, spec), contract.proprio))
    actions = np.clip(episode.actions[kept], contract.action.low, contract.action.high).astype(np.float32)
    return Demonstration(Start(task, official_index(contract.suite, task, episode.states[0])), observations, actions)
