"""Tests of reading LeRobot data sets: small ones of both versions, in the form that converters write."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vla_rl_bench.errors import UserError
from vla_rl_bench.types import ActionSpec, EnvironmentSpec, ImageSpec, Start, TaskSpec
from vla_rl_bench_libero import demonstration_files, lerobot
from vla_rl_bench_libero.options import LiberoOptions
from vla_rl_bench_libero.recorded_episode import noops
from vla_rl_bench_libero.simulator import PROPRIO

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

SIZE, FPS, LENGTHS = 32, 10, (6, 4, 5)
TASKS = ("pick up the soup", "pick up the milk")
EPISODE_TASKS = (0, 1, 0)
BASE = np.array([-0.6, 0.0, 0.0])  # of libero_object's robot
CONTRACT = EnvironmentSpec(
    name="libero",
    suite="libero_object",
    protocol="synthetic",
    tasks=tuple(TaskSpec(name.replace(" ", "_"), name, 100) for name in TASKS),
    images=(ImageSpec("agentview", SIZE, SIZE, "rotated-180"),),
    proprio=PROPRIO,
    action=ActionSpec(
        ("x", "y", "z", "roll", "pitch", "yaw", "gripper"), (-1.0,) * 7, (1.0,) * 7, (0.0,) * 6 + (-1.0,)
    ),
    splits={"demonstration": (0, 8)},
)


def episodes() -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    recordings = []
    for length in LENGTHS:
        actions = rng.uniform(-1, 1, (length, 7)).astype(np.float32)
        actions[:, 6] = -1
        actions[2, :6] = 0  # a no-op
        blocks = rng.integers(0, 256, (length, 4, 4, 3), dtype=np.uint8)
        recordings.append({
            "actions": actions,
            "state": rng.normal(size=(length, 8)).astype(np.float32),
            "images": blocks.repeat(8, 1).repeat(8, 2),  # large patches: a video keeps them
        })  # fmt: skip
    return recordings


def png(image: np.ndarray) -> dict[str, Any]:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(image).save(stream, format="PNG")
    return {"bytes": stream.getvalue(), "path": None}


def info(version: str, kind: str, names: tuple[str, str, str], data: str, video: str | None) -> dict[str, Any]:
    action, state, image = names
    return {
        "codebase_version": version,
        "fps": FPS,
        "chunks_size": 1000,
        "data_path": data,
        "video_path": video,
        "features": {
            image: {"dtype": kind, "shape": [SIZE, SIZE, 3]},
            state: {"dtype": "float32", "shape": [8]},
            action: {"dtype": "float32", "shape": [7]},
        },
    }


def put(path: Path, table: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(table), path)


def film(path: Path, images: np.ndarray) -> None:
    import imageio.v3 as iio

    path.parent.mkdir(parents=True, exist_ok=True)
    iio.imwrite(path, images, plugin="FFMPEG", fps=FPS, codec="libx264", macro_block_size=16, quality=10)


def version_2(folder: Path, recorded: list[dict[str, Any]] | None = None) -> Path:
    """Write version 2.1: images in the rows, one file per episode."""
    names = ("actions", "state", "image")
    (folder / "meta").mkdir(parents=True)
    data = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
    (folder / "meta/info.json").write_text(json.dumps(info("v2.1", "image", names, data, None)))
    lines = [
        {"episode_index": n, "tasks": [TASKS[EPISODE_TASKS[n]].capitalize()], "length": length}
        for n, length in enumerate(LENGTHS)
    ]
    (folder / "meta/episodes.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for n, recording in enumerate(recorded or episodes()):
        rows = {
            "actions": list(recording["actions"]),
            "state": list(recording["state"]),
            "image": [png(image) for image in recording["images"]],
        }
        put(folder / f"data/chunk-000/episode_{n:06d}.parquet", rows)
    return folder


def version_3(folder: Path) -> Path:
    """Write version 3.0: images in a video, all episodes in one file."""
    names = ("action", "observation.state", "observation.images.image")
    (folder / "meta").mkdir(parents=True)
    data = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
    video = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
    (folder / "meta/info.json").write_text(json.dumps(info("v3.0", "video", names, data, video)))
    recordings = episodes()
    put(
        folder / "data/chunk-000/file-000.parquet",
        {
            "action": [row for recording in recordings for row in recording["actions"]],
            "observation.state": [row for recording in recordings for row in recording["state"]],
        },
    )
    ends = np.cumsum(LENGTHS)
    starts = ends - np.array(LENGTHS)
    put(
        folder / "meta/episodes/chunk-000/file-000.parquet",
        {
            "episode_index": [2, 0, 1],  # in any order
            "tasks": [[TASKS[EPISODE_TASKS[n]]] for n in (2, 0, 1)],
            "length": [LENGTHS[n] for n in (2, 0, 1)],
            "data/chunk_index": [0] * 3,
            "data/file_index": [0] * 3,
            "dataset_from_index": [int(starts[n]) for n in (2, 0, 1)],
            "dataset_to_index": [int(ends[n]) for n in (2, 0, 1)],
            f"videos/{names[2]}/chunk_index": [0] * 3,
            f"videos/{names[2]}/file_index": [0] * 3,
            f"videos/{names[2]}/from_timestamp": [starts[n] / FPS for n in (2, 0, 1)],
            f"videos/{names[2]}/to_timestamp": [ends[n] / FPS for n in (2, 0, 1)],
        },
    )
    film(
        folder / f"videos/{names[2]}/chunk-000/file-000.mp4",
        np.concatenate([recording["images"] for recording in recordings]),
    )
    return folder


@pytest.mark.parametrize(("write", "loss"), [(version_2, 0.0), (version_3, 12.0)])
def test_read_returns_the_written_episodes(tmp_path: Path, write: Any, loss: float) -> None:
    """Episodes are ordered by task and index, without no-ops; proprioception is relative to the robot's base."""
    demonstrations = demonstration_files.read(write(tmp_path / "set"), CONTRACT, (0, 1), 1, LiberoOptions())
    assert [demonstration.start for demonstration in demonstrations] == [Start(0, 0), Start(1, 0)]
    demonstrations += demonstration_files.read(tmp_path / "set", CONTRACT, (0,), 2, LiberoOptions())[1:]
    for demonstration, recording in zip(demonstrations, episodes(), strict=True):
        kept = ~noops(recording["actions"].astype(np.float64))
        assert kept.sum() == len(kept) - 1
        assert np.array_equal(demonstration.actions, recording["actions"][kept])
        position = demonstration.observations.proprio[:, :3] * [0.25, 0.25, 0.2] + [0.55, 0, 0.2] + BASE
        assert position == pytest.approx(recording["state"][kept, :3], abs=1e-6)
        assert demonstration.observations.proprio[:, 3:6] * np.pi == pytest.approx(
            recording["state"][kept, 3:6], abs=1e-6
        )
        differences = np.abs(demonstration.observations.images["agentview"].astype(int) - recording["images"][kept])
        assert differences.mean() <= loss


def test_episodes_of_one_video_have_frame_offsets(tmp_path: Path) -> None:
    dataset = lerobot.Dataset(version_3(tmp_path / "set"))
    offsets = [(recording.index, recording.first, recording.frame) for recording in dataset.episodes]
    assert offsets == [(0, 0, 0), (1, 6, 6), (2, 10, 10)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"codebase_version": "v1.6"}, "codebase_version `v1.6`; v2.1 and v3.0 are read"),
        ({"features": {"state": {}, "image": {}}}, "no action: looked for action, actions among image, state"),
        ({"data_path": "rows/{episode_index}.parquet"}, "no such file, but meta/info.json refers to it"),
    ],
)
def test_read_reports_unsupported_data_sets(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = version_2(tmp_path / "set") / "meta/info.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(UserError, match=message):
        demonstration_files.read(tmp_path / "set", CONTRACT, (0,), 1, LiberoOptions())


@pytest.mark.parametrize("name", ["actions", "state"])
def test_read_reports_non_finite_numbers(tmp_path: Path, name: str) -> None:
    recordings = episodes()
    recordings[0][name][1, 2] = np.nan
    folder = version_2(tmp_path / "set", recordings)
    with pytest.raises(UserError, match=rf"episode 0: `{name}` is nan in row 1, column 2, and must be finite"):
        demonstration_files.read(folder, CONTRACT, (0,), 1, LiberoOptions())


def test_read_reports_missing_episodes_and_other_image_size(tmp_path: Path) -> None:
    folder = version_2(tmp_path / "set")
    with pytest.raises(UserError, match=r"1 demonstrations of `pick up the milk`, but demonstrations.per_task is 2"):
        demonstration_files.read(folder, CONTRACT, (1,), 2, LiberoOptions())
    small = EnvironmentSpec(**{**vars(CONTRACT), "images": (ImageSpec("agentview", 16, 16, "rotated-180"),)})
    with pytest.raises(UserError, match=r"images of 32x32, not 16x16; set environment.image_size"):
        demonstration_files.read(folder, small, (0,), 1, LiberoOptions())


def test_read_uses_hdf5_without_lerobot_metadata(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"looked for pick_up_the_soup_demo\.hdf5"):
        demonstration_files.read(tmp_path, CONTRACT, (0,), 1, LiberoOptions())
