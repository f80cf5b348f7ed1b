"""Demonstrations in LeRobot's format: tiny data sets of both versions, written here as converters write them."""

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
OF_TASK = (0, 1, 0)  # each episode's
BASE = np.array([-0.6, 0.0, 0.0])  # of libero_object's robot
CONTRACT = EnvironmentSpec(
    name="libero",
    suite="libero_object",
    protocol="made up",
    tasks=tuple(TaskSpec(name.replace(" ", "_"), name, 100) for name in TASKS),
    images=(ImageSpec("agentview", SIZE, SIZE, "rotated-180"),),
    proprio=PROPRIO,
    action=ActionSpec(
        ("x", "y", "z", "roll", "pitch", "yaw", "gripper"), (-1.0,) * 7, (1.0,) * 7, (0.0,) * 6 + (-1.0,)
    ),
    splits={"demonstration": (0, 8)},
)


def episodes() -> list[dict[str, Any]]:
    generator = np.random.default_rng(0)
    shown = []
    for length in LENGTHS:
        actions = generator.uniform(-1, 1, (length, 7)).astype(np.float32)
        actions[:, 6] = -1
        actions[2, :6] = 0  # does nothing
        blocks = generator.integers(0, 256, (length, 4, 4, 3), dtype=np.uint8)
        shown.append({
            "actions": actions,
            "state": generator.normal(size=(length, 8)).astype(np.float32),
            "images": blocks.repeat(8, 1).repeat(8, 2),  # large patches: a video keeps them
        })  # fmt: skip
    return shown


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
    """Images in the rows, an episode a file."""
    names = ("actions", "state", "image")
    (folder / "meta").mkdir(parents=True)
    data = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
    (folder / "meta/info.json").write_text(json.dumps(info("v2.1", "image", names, data, None)))
    lines = [
        {"episode_index": n, "tasks": [TASKS[OF_TASK[n]].capitalize()], "length": length}
        for n, length in enumerate(LENGTHS)
    ]
    (folder / "meta/episodes.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for n, shown in enumerate(recorded or episodes()):
        rows = {
            "actions": list(shown["actions"]),
            "state": list(shown["state"]),
            "image": [png(image) for image in shown["images"]],
        }
        put(folder / f"data/chunk-000/episode_{n:06d}.parquet", rows)
    return folder


def version_3(folder: Path) -> Path:
    """Images in a video, all episodes in one file."""
    names = ("action", "observation.state", "observation.images.image")
    (folder / "meta").mkdir(parents=True)
    data = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
    video = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
    (folder / "meta/info.json").write_text(json.dumps(info("v3.0", "video", names, data, video)))
    shown = episodes()
    put(
        folder / "data/chunk-000/file-000.parquet",
        {
            "action": [row for one in shown for row in one["actions"]],
            "observation.state": [row for one in shown for row in one["state"]],
        },
    )
    ends = np.cumsum(LENGTHS)
    starts = ends - np.array(LENGTHS)
    put(
        folder / "meta/episodes/chunk-000/file-000.parquet",
        {
            "episode_index": [2, 0, 1],  # in any order
            "tasks": [[TASKS[OF_TASK[n]]] for n in (2, 0, 1)],
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
    film(folder / f"videos/{names[2]}/chunk-000/file-000.mp4", np.concatenate([one["images"] for one in shown]))
    return folder


@pytest.mark.parametrize(("write", "loss"), [(version_2, 0.0), (version_3, 12.0)])
def test_what_was_written_comes_back(tmp_path: Path, write: Any, loss: float) -> None:
    """By task and in the order of episodes, without no-ops, proprioception from the robot's base."""
    found = demonstration_files.read(write(tmp_path / "set"), CONTRACT, (0, 1), 1, LiberoOptions())
    assert [one.start for one in found] == [Start(0, 0), Start(1, 0)]
    found += demonstration_files.read(tmp_path / "set", CONTRACT, (0,), 2, LiberoOptions())[1:]
    for one, shown in zip(found, episodes(), strict=True):
        kept = ~noops(shown["actions"].astype(np.float64))
        assert kept.sum() == len(kept) - 1
        assert np.array_equal(one.actions, shown["actions"][kept])
        metres = one.observations.proprio[:, :3] * [0.25, 0.25, 0.2] + [0.55, 0, 0.2] + BASE
        assert metres == pytest.approx(shown["state"][kept, :3], abs=1e-6)
        assert one.observations.proprio[:, 3:6] * np.pi == pytest.approx(shown["state"][kept, 3:6], abs=1e-6)
        apart = np.abs(one.observations.images["agentview"].astype(int) - shown["images"][kept])
        assert apart.mean() <= loss


def test_the_next_episodes_frames_are_others(tmp_path: Path) -> None:
    """In one video the second episode begins where the first one ends."""
    dataset = lerobot.Dataset(version_3(tmp_path / "set"))
    assert [(one.index, one.first, one.frame) for one in dataset.episodes] == [(0, 0, 0), (1, 6, 6), (2, 10, 10)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"codebase_version": "v1.6"}, "codebase_version `v1.6`; v2.1 and v3.0 are read"),
        ({"features": {"state": {}, "image": {}}}, "no action: looked for action, actions among image, state"),
        ({"data_path": "rows/{episode_index}.parquet"}, "there is no such file, though meta/info.json says so"),
    ],
)
def test_what_does_not_fit_is_said(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = version_2(tmp_path / "set") / "meta/info.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(UserError, match=message):
        demonstration_files.read(tmp_path / "set", CONTRACT, (0,), 1, LiberoOptions())


@pytest.mark.parametrize("name", ["actions", "state"])
def test_a_number_that_is_not_finite_is_named(tmp_path: Path, name: str) -> None:
    shown = episodes()
    shown[0][name][1, 2] = np.nan
    folder = version_2(tmp_path / "set", shown)
    with pytest.raises(UserError, match=rf"episode 0: `{name}` is nan in row 1, column 2, and must be finite"):
        demonstration_files.read(folder, CONTRACT, (0,), 1, LiberoOptions())


def test_too_few_and_another_size_are_said(tmp_path: Path) -> None:
    folder = version_2(tmp_path / "set")
    with pytest.raises(
        UserError, match=r"1 demonstrations of `pick up the milk`, where demonstrations.per_task asks for 2"
    ):
        demonstration_files.read(folder, CONTRACT, (1,), 2, LiberoOptions())
    small = EnvironmentSpec(**{**vars(CONTRACT), "images": (ImageSpec("agentview", 16, 16, "rotated-180"),)})
    with pytest.raises(UserError, match=r"images of 32x32, not 16x16; set environment.image_size"):
        demonstration_files.read(folder, small, (0,), 1, LiberoOptions())


def test_a_folder_of_hdf5_files_is_still_read_as_such(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"looked for pick_up_the_soup_demo\.hdf5"):
        demonstration_files.read(tmp_path, CONTRACT, (0,), 1, LiberoOptions())
