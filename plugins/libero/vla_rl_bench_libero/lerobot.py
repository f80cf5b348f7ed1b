"""People's own demonstrations in LeRobot's format, versions 2.1 and 3.0: LIBERO as others have converted it.

``meta/info.json`` names the features and the paths; rows are in parquet files, images in them or in mp4 files.  Read:
``action`` (or ``actions``) ``[7]`` as LIBERO has it, ``observation.state`` (or ``state``) ``[8]`` (eef position,
metres, world; axis-angle, radians; both finger joints, metres), and the main camera, rotated by 180 degrees as
OpenVLA's data are.  Actions that do nothing are dropped (`recorded.noops`).
"""

from __future__ import annotations

import importlib
import io
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vla_rl_bench.errors import MissingRequirement, UserError
from vla_rl_bench.types import Demonstration, EnvironmentSpec, ImageArray, Observation, Start
from vla_rl_bench_libero.options import LiberoOptions
from vla_rl_bench_libero.recorded_episode import check_finite, noops, robot_base
from vla_rl_bench_libero.simulator import CAMERA, PROPRIO, Vector, proprioception

INSTALL = 'pip install -e "plugins/libero[data]"'
INFO = Path("meta") / "info.json"
_ACTION = ("action", "actions")
_STATE = ("observation.state", "state")
_IMAGE = ("observation.images.image", "observation.images.agentview", "image")  # of the converters in use
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recording:
    """An episode's place.  rows: its file, and which rows of it; video: its file and the number of the first frame, or
    None where images are in the rows."""

    index: int
    instruction: str
    file: Path
    first: int
    stop: int
    video: Path | None
    frame: int


class Dataset:
    """A folder in LeRobot's format; files are read when an episode is."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._info: dict[str, Any] = json.loads((path / INFO).read_text())
        self._features: dict[str, Any] = self._info["features"]
        version = str(self._info.get("codebase_version", ""))
        self._keys = {what: self._key(what, names) for what, names in _KEYS.items()}
        if version.startswith("v2"):
            self.episodes = self._episodes_2()
        elif version.startswith("v3"):
            self.episodes = self._episodes_3()
        else:
            raise UserError(f"{path / INFO}: codebase_version `{version}`; v2.1 and v3.0 are read")

    def read(self, one: Recording) -> tuple[Vector, Vector, ImageArray]:
        """-> actions ``[T, 7]``, states ``[T, 8]``, images uint8 ``[T, H, W, 3]``."""
        columns = [self._keys["action"], self._keys["state"]]
        image = self._keys["image"]
        rows = _parquet(one.file, [*columns, *([] if one.video else [image])]).slice(one.first, one.stop - one.first)
        actions, states = (np.array(rows[column].to_pylist(), np.float64) for column in columns)
        for name, values, width in ((columns[0], actions, 7), (columns[1], states, len(PROPRIO))):
            if values.shape != (one.stop - one.first, width):
                raise UserError(f"{one.file}: {name} has shape {list(values.shape)}, not [steps, {width}]")
            check_finite(values, name, f"{one.file}: episode {one.index}")
        if one.video is not None:
            return actions, states, _frames(one.video, one.frame, len(actions))
        return actions, states, np.stack([_picture(cell, self.path) for cell in rows[image].to_pylist()])

    def _key(self, what: str, names: Sequence[str]) -> str:
        found = [name for name in names if name in self._features]
        if not found:
            known = ", ".join(sorted(self._features))
            raise UserError(f"{self.path / INFO}: no {what}: looked for {', '.join(names)} among {known}")
        return found[0]

    @property
    def _video(self) -> bool:
        return bool(self._features[self._keys["image"]]["dtype"] == "video")

    def _episodes_2(self) -> list[Recording]:
        """A file an episode."""
        lines = (self.path / "meta" / "episodes.jsonl").read_text().splitlines()
        found = []
        for line in map(json.loads, lines):
            index = int(line["episode_index"])
            where = {"episode_chunk": index // int(self._info["chunks_size"]), "episode_index": index}
            video = self._file("video_path", video_key=self._keys["image"], **where) if self._video else None
            rows = self._file("data_path", **where)
            found.append(Recording(index, str(line["tasks"][0]), rows, 0, int(line["length"]), video, 0))
        return found

    def _episodes_3(self) -> list[Recording]:
        """Many episodes a file; rows are numbered through the whole data set."""
        files = sorted((self.path / "meta" / "episodes").rglob("*.parquet"))
        lines = [line for file in files for line in _parquet(file).to_pylist()]
        first: dict[tuple[int, int], int] = {}
        found = []
        for line in sorted(lines, key=lambda line: int(line["episode_index"])):
            where = (int(line["data/chunk_index"]), int(line["data/file_index"]))
            start = first.setdefault(where, int(line["dataset_from_index"]))
            rows = self._file("data_path", chunk_index=where[0], file_index=where[1])
            video, frame = None, 0
            if self._video:
                key = self._keys["image"]
                part = {name: int(line[f"videos/{key}/{name}"]) for name in ("chunk_index", "file_index")}
                video = self._file("video_path", video_key=key, **part)
                frame = round(float(line[f"videos/{key}/from_timestamp"]) * float(self._info["fps"]))
            begin, end = (int(line[f"dataset_{side}_index"]) - start for side in ("from", "to"))
            found.append(Recording(int(line["episode_index"]), str(line["tasks"][0]), rows, begin, end, video, frame))
        return found

    def _file(self, name: str, **where: Any) -> Path:
        return self.path / str(self._info[name]).format(**where)


_KEYS = {"action": _ACTION, "state": _STATE, "image": _IMAGE}


def read(
    path: Path, contract: EnvironmentSpec, tasks: Sequence[int], per_task: int, options: LiberoOptions
) -> list[Demonstration]:
    """As `hdf5.read`; a task's episodes are those with its instruction.  Images must have the environment's size: there
    are no simulator states to render again from.  ``start.index`` is 0 and says nothing."""
    dataset = Dataset(path)
    found: list[Demonstration] = []
    for task in tasks:
        spec = contract.tasks[task]
        mine = [one for one in dataset.episodes if _same_words(one.instruction, spec.instruction)]
        if len(mine) < per_task:
            raise UserError(
                f"{path}: {len(mine)} demonstrations of `{spec.instruction}`, where demonstrations.per_task asks for "
                f"{per_task}"
            )
        base = robot_base(contract, spec)
        found += [_demonstration(dataset, one, contract, task, base) for one in mine[:per_task]]
    return found


def _demonstration(
    dataset: Dataset, one: Recording, contract: EnvironmentSpec, task: int, base: Vector
) -> Demonstration:
    actions, states, images = dataset.read(one)
    where = f"{dataset.path}: episode {one.index}"
    spec = next((image for image in contract.images if image.name == CAMERA), None)
    if spec is None or len(contract.images) > 1:
        raise UserError(f"{where}: only `{CAMERA}` is read from this format")
    if images.shape[1:3] != (spec.height, spec.width):
        size = f"{images.shape[2]}x{images.shape[1]}"
        raise UserError(f"{where}: images of {size}, not {spec.width}x{spec.height}; set environment.image_size")
    kept = np.flatnonzero(~noops(actions))
    if not len(kept):
        raise UserError(f"{where}: every action does nothing")
    _LOG.info("%s: %d steps, dropped %d no-ops", where, len(kept), len(actions) - len(kept))
    seen = proprioception(states[kept, :3] - base, states[kept, 3:6], states[kept, 6:8])
    columns = [PROPRIO.index(name) for name in contract.proprio]
    labels = np.clip(actions[kept], contract.action.low, contract.action.high).astype(np.float32)
    return Demonstration(Start(task, 0), Observation({CAMERA: images[kept]}, seen[:, columns]), labels)


def _same_words(one: str, other: str) -> bool:
    return " ".join(one.lower().split()) == " ".join(other.lower().split())


def _parquet(file: Path, columns: Sequence[str] | None = None) -> Any:
    """A table of pyarrow."""
    if not file.exists():
        raise UserError(f"{file}: there is no such file, though {INFO} says so")
    try:
        parquet: Any = importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise MissingRequirement(f"{file} needs `pyarrow`, which this interpreter lacks. Run: {INSTALL}") from None
    return parquet.read_table(file, columns=None if columns is None else list(columns))


def _picture(cell: dict[str, Any], folder: Path) -> ImageArray:
    """An image of a row: its bytes, or the path of a file."""
    from PIL import Image

    source: Any = io.BytesIO(cell["bytes"]) if cell.get("bytes") else folder / str(cell["path"])
    return np.asarray(Image.open(source).convert("RGB"))


def _frames(video: Path, first: int, count: int) -> ImageArray:
    """Frames of an mp4 file."""
    import imageio.v3 as iio

    try:
        frames = list(_from(iio.imiter(video, plugin="FFMPEG"), first, count))
    except ImportError:
        raise MissingRequirement(
            f"{video} needs `imageio-ffmpeg`, which this interpreter lacks. Run: {INSTALL}"
        ) from None
    if len(frames) < count:
        raise UserError(f"{video}: {len(frames)} frames from number {first}, and {count} are needed")
    return np.stack(frames).astype(np.uint8)


def _from(frames: Any, first: int, count: int) -> Any:
    for number, frame in enumerate(frames):
        if number >= first + count:
            return
        if number >= first:
            yield frame
