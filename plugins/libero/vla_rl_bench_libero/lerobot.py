"""User-provided demonstrations in LeRobot's format, versions 2.1 and 3.0: converted LIBERO data sets.

``meta/info.json`` names the features and the paths; rows are in parquet files, images in them or in mp4 files.  Read:
``action`` (or ``actions``) ``[7]`` as LIBERO has it, ``observation.state`` (or ``state``) ``[8]`` (eef position,
meters, world; axis-angle, radians; both finger joints, meters), and the main camera, rotated by 180 degrees as
OpenVLA's data are.  No-op actions are dropped (`recorded_episode.noops`).
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
_IMAGE = ("observation.images.image", "observation.images.agentview", "image")  # names that converters use
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recording:
    """The files and rows of an episode."""

    index: int
    instruction: str
    file: Path  # parquet; the episode is its rows first to stop - 1
    first: int
    stop: int
    video: Path | None  # None if images are in the rows
    frame: int  # the episode's first frame in the video


class Dataset:
    """A folder in LeRobot's format; an episode's files are read by `read`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._info: dict[str, Any] = json.loads((path / INFO).read_text())
        self._features: dict[str, Any] = self._info["features"]
        version = str(self._info.get("codebase_version", ""))
        self._keys = {kind: self._key(kind, names) for kind, names in _KEYS.items()}
        if version.startswith("v2"):
            self.episodes = self._episodes_2()
        elif version.startswith("v3"):
            self.episodes = self._episodes_3()
        else:
            raise UserError(f"{path / INFO}: codebase_version `{version}`; v2.1 and v3.0 are read")

    def read(self, recording: Recording) -> tuple[Vector, Vector, ImageArray]:
        """Return actions ``[T, 7]``, states ``[T, 8]`` and images uint8 ``[T, H, W, 3]``."""
        columns = [self._keys["action"], self._keys["state"]]
        image = self._keys["image"]
        rows = _parquet(recording.file, [*columns, *([] if recording.video else [image])]).slice(
            recording.first, recording.stop - recording.first
        )
        actions, states = (np.array(rows[column].to_pylist(), np.float64) for column in columns)
        for name, values, width in ((columns[0], actions, 7), (columns[1], states, len(PROPRIO))):
            if values.shape != (recording.stop - recording.first, width):
                raise UserError(f"{recording.file}: {name} has shape {list(values.shape)}, not [steps, {width}]")
            check_finite(values, name, f"{recording.file}: episode {recording.index}")
        if recording.video is not None:
            return actions, states, _video_frames(recording.video, recording.frame, len(actions))
        return actions, states, np.stack([_image(cell, self.path) for cell in rows[image].to_pylist()])

    def _key(self, kind: str, names: Sequence[str]) -> str:
        present = [name for name in names if name in self._features]
        if not present:
            features = ", ".join(sorted(self._features))
            raise UserError(f"{self.path / INFO}: no {kind}: looked for {', '.join(names)} among {features}")
        return present[0]

    @property
    def _video(self) -> bool:
        return bool(self._features[self._keys["image"]]["dtype"] == "video")

    def _episodes_2(self) -> list[Recording]:
        """List the episodes of version 2.1: one file per episode."""
        lines = (self.path / "meta" / "episodes.jsonl").read_text().splitlines()
        episodes = []
        for line in map(json.loads, lines):
            index = int(line["episode_index"])
            indices = {"episode_chunk": index // int(self._info["chunks_size"]), "episode_index": index}
            video = self._file("video_path", video_key=self._keys["image"], **indices) if self._video else None
            rows = self._file("data_path", **indices)
            episodes.append(Recording(index, str(line["tasks"][0]), rows, 0, int(line["length"]), video, 0))
        return episodes

    def _episodes_3(self) -> list[Recording]:
        """List the episodes of version 3.0: many per file; rows are numbered through the whole data set."""
        files = sorted((self.path / "meta" / "episodes").rglob("*.parquet"))
        lines = [line for file in files for line in _parquet(file).to_pylist()]
        first: dict[tuple[int, int], int] = {}
        episodes = []
        for line in sorted(lines, key=lambda line: int(line["episode_index"])):
            location = (int(line["data/chunk_index"]), int(line["data/file_index"]))
            start = first.setdefault(location, int(line["dataset_from_index"]))
            rows = self._file("data_path", chunk_index=location[0], file_index=location[1])
            video, frame = None, 0
            if self._video:
                key = self._keys["image"]
                indices = {name: int(line[f"videos/{key}/{name}"]) for name in ("chunk_index", "file_index")}
                video = self._file("video_path", video_key=key, **indices)
                frame = round(float(line[f"videos/{key}/from_timestamp"]) * float(self._info["fps"]))
            first_row, end_row = (int(line[f"dataset_{side}_index"]) - start for side in ("from", "to"))
            episodes.append(
                Recording(int(line["episode_index"]), str(line["tasks"][0]), rows, first_row, end_row, video, frame)
            )
        return episodes

    def _file(self, name: str, **indices: Any) -> Path:
        return self.path / str(self._info[name]).format(**indices)


_KEYS = {"action": _ACTION, "state": _STATE, "image": _IMAGE}


def read(
    path: Path, contract: EnvironmentSpec, tasks: Sequence[int], per_task: int, options: LiberoOptions
) -> list[Demonstration]:
    """Read the first `per_task` demonstrations of each task, as `hdf5.read`; episodes are matched by instruction.

    Images must have the environment's size: there are no simulator states to render from.  ``start.index`` is always 0.
    """
    dataset = Dataset(path)
    demonstrations: list[Demonstration] = []
    for task in tasks:
        spec = contract.tasks[task]
        recordings = [
            recording for recording in dataset.episodes if _same_instruction(recording.instruction, spec.instruction)
        ]
        if len(recordings) < per_task:
            raise UserError(
                f"{path}: {len(recordings)} demonstrations of `{spec.instruction}`, but demonstrations.per_task is "
                f"{per_task}"
            )
        base = robot_base(contract, spec)
        demonstrations += [
            _demonstration(dataset, recording, contract, task, base) for recording in recordings[:per_task]
        ]
    return demonstrations


def _demonstration(
    dataset: Dataset, recording: Recording, contract: EnvironmentSpec, task: int, base: Vector
) -> Demonstration:
    actions, states, images = dataset.read(recording)
    where = f"{dataset.path}: episode {recording.index}"
    spec = next((image for image in contract.images if image.name == CAMERA), None)
    if spec is None or len(contract.images) > 1:
        raise UserError(f"{where}: only `{CAMERA}` is read from this format")
    if images.shape[1:3] != (spec.height, spec.width):
        size = f"{images.shape[2]}x{images.shape[1]}"
        raise UserError(f"{where}: images of {size}, not {spec.width}x{spec.height}; set environment.image_size")
    kept = np.flatnonzero(~noops(actions))
    if not len(kept):
        raise UserError(f"{where}: all actions are no-ops")
    _LOG.info("%s: %d steps, dropped %d no-ops", where, len(kept), len(actions) - len(kept))
    proprio = proprioception(states[kept, :3] - base, states[kept, 3:6], states[kept, 6:8])
    columns = [PROPRIO.index(name) for name in contract.proprio]
    labels = np.clip(actions[kept], contract.action.low, contract.action.high).astype(np.float32)
    return Demonstration(Start(task, 0), Observation({CAMERA: images[kept]}, proprio[:, columns]), labels)


def _same_instruction(first: str, second: str) -> bool:
    return " ".join(first.lower().split()) == " ".join(second.lower().split())


def _parquet(file: Path, columns: Sequence[str] | None = None) -> Any:
    """Read a pyarrow table."""
    if not file.exists():
        raise UserError(f"{file}: no such file, but {INFO} refers to it")
    try:
        parquet: Any = importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise MissingRequirement(f"{file} needs `pyarrow`, which this interpreter lacks", INSTALL) from None
    return parquet.read_table(file, columns=None if columns is None else list(columns))


def _image(cell: dict[str, Any], folder: Path) -> ImageArray:
    """Read an image of a row, stored as bytes or as the path of a file."""
    from PIL import Image

    source: Any = io.BytesIO(cell["bytes"]) if cell.get("bytes") else folder / str(cell["path"])
    return np.asarray(Image.open(source).convert("RGB"))


def _video_frames(video: Path, first: int, count: int) -> ImageArray:
    """Read `count` frames of an mp4 file."""
    import imageio.v3 as iio

    try:
        frames = list(_slice(iio.imiter(video, plugin="FFMPEG"), first, count))
    except ImportError:
        raise MissingRequirement(f"{video} needs `imageio-ffmpeg`, which this interpreter lacks", INSTALL) from None
    if len(frames) < count:
        raise UserError(f"{video}: {len(frames)} frames from number {first} on; {count} are needed")
    return np.stack(frames).astype(np.uint8)


def _slice(frames: Any, first: int, count: int) -> Any:
    for number, frame in enumerate(frames):
        if number >= first + count:
            return
        if number >= first:
            yield frame
