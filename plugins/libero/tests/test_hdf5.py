"""Tests of reading HDF5 demonstrations: conversions, dropped rows and error messages."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vla_rl_bench.entries import load
from vla_rl_bench.errors import MissingRequirement, UserError
from vla_rl_bench.types import ActionSpec, Demonstration, EnvironmentSpec, ImageSpec, Start, TaskSpec
from vla_rl_bench_libero import demonstration_files, hdf5, rerender
from vla_rl_bench_libero.options import LiberoOptions
from vla_rl_bench_libero.plugin import register_environments
from vla_rl_bench_libero.recorded_episode import noops, robot_base
from vla_rl_bench_libero.simulator import PROPRIO

h5py = pytest.importorskip("h5py")

BASE = (-0.6, 0.0, 0.0)  # of libero_object's robot
STEPS, SIZE, JOINTS = 6, 16, 7


def contract(size: int = SIZE, proprio: tuple[str, ...] = PROPRIO, suite: str = "libero_object") -> EnvironmentSpec:
    names = ("pick_up_the_soup", "pick_up_the_milk")
    action = ActionSpec(
        ("x", "y", "z", "roll", "pitch", "yaw", "gripper"), (-1.0,) * 7, (1.0,) * 7, (0.0,) * 6 + (-1.0,)
    )
    return EnvironmentSpec(
        name="libero",
        suite=suite,
        protocol="synthetic",
        tasks=tuple(TaskSpec(name, name.replace("_", " "), 100) for name in names),
        images=(ImageSpec("agentview", size, size, "rotated-180"),),
        proprio=proprio,
        action=action,
        splits={"demonstration": (0, 8)},
    )


def episode(seed: int = 0, late: bool = False) -> dict[str, Any]:
    """Return rows of a synthetic demonstration; `late`: observed after the action, as in LIBERO's own files."""
    rng = np.random.default_rng(seed)
    joints = rng.normal(size=(STEPS + 1, JOINTS)).cumsum(0)
    observed_joints = joints[1:] if late else joints[:-1]
    return {
        "actions": rng.uniform(-1, 1, (STEPS, 7)),
        "states": np.concatenate([np.zeros((STEPS, 1)), joints[:-1], rng.normal(size=(STEPS, 20))], 1),
        "rewards": np.eye(STEPS, dtype=np.uint8)[-1],
        "obs/agentview_rgb": rng.integers(0, 256, (STEPS, SIZE, SIZE, 3), dtype=np.uint8),
        "obs/joint_states": observed_joints + 1e-4,  # observed a substep before
        "obs/ee_pos": rng.normal(size=(STEPS, 3)),
        "obs/ee_ori": rng.normal(size=(STEPS, 3)),
        "obs/gripper_states": rng.uniform(-0.04, 0.04, (STEPS, 2)),
    }


def write(path: Path, *episodes: dict[str, Any]) -> Path:
    """Write episodes as demo_0, demo_1, ..., whose order is not alphabetical."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for index, rows in enumerate(episodes):
            for name, values in rows.items():
                file[f"data/demo_{index}/{name}"] = values
    return path


def soup(folder: Path, *episodes: dict[str, Any]) -> Path:
    write(folder / "libero_object" / "pick_up_the_soup_demo.hdf5", *episodes)
    return folder


def read(folder: Path, per_task: int = 1, tasks: tuple[int, ...] = (0,), **changes: Any) -> list[Demonstration]:
    return hdf5.read(folder, contract(**changes), tasks, per_task, LiberoOptions(image_size=SIZE))


def test_plugin_refers_to_reader() -> None:
    (entry,) = register_environments()
    assert entry.demonstrations is not None
    assert load(entry.demonstrations) is demonstration_files.read


def test_images_are_rotated_by_180_degrees(tmp_path: Path) -> None:
    rows = episode()
    (demonstration,) = read(soup(tmp_path, rows))
    images = demonstration.observations.images["agentview"]
    assert images.dtype == np.uint8
    for step in range(STEPS):
        assert np.array_equal(images[step], np.rot90(rows["obs/agentview_rgb"][step], 2))


def test_actions_are_clipped(tmp_path: Path) -> None:
    rows = episode()
    rows["actions"][2, 0] = 1.5
    (demonstration,) = read(soup(tmp_path, rows))
    assert demonstration.actions.dtype == np.float32
    assert np.array_equal(demonstration.actions, np.clip(rows["actions"], -1, 1).astype(np.float32))
    assert demonstration.start == Start(0, 0)


def test_proprioception_has_order_and_units_of_the_contract(tmp_path: Path) -> None:
    rows = episode()
    position = rows["obs/ee_pos"] - BASE
    rotation, gripper = rows["obs/ee_ori"] / np.pi, rows["obs/gripper_states"]
    expected = np.stack(
        [
            (position[:, 0] - 0.55) / 0.25,
            position[:, 1] / 0.25,
            (position[:, 2] - 0.2) / 0.2,
            *rotation.T,
            (gripper[:, 0] - 0.02) / 0.02,
            (gripper[:, 1] + 0.02) / 0.02,
        ],
        -1,
    )
    folder = soup(tmp_path, rows)
    (demonstration,) = read(folder)
    assert demonstration.observations.proprio.dtype == np.float32
    assert np.allclose(demonstration.observations.proprio, expected, atol=1e-6)
    (reversed_order,) = read(folder, proprio=PROPRIO[::-1])
    assert np.array_equal(reversed_order.observations.proprio, demonstration.observations.proprio[:, ::-1])
    (fewer,) = read(folder, proprio=PROPRIO[6:7])
    assert np.array_equal(fewer.observations.proprio, demonstration.observations.proprio[:, 6:7])
    ee_states = {**rows, "obs/ee_states": np.hstack([rows.pop("obs/ee_pos"), rows.pop("obs/ee_ori")])}
    del ee_states["obs/ee_pos"], ee_states["obs/ee_ori"]
    (joined,) = read(soup(tmp_path / "joined", ee_states))
    assert np.array_equal(joined.observations.proprio, demonstration.observations.proprio)


def test_noops_follow_openvlas_rule() -> None:
    """A no-op has no motion and the gripper of the last action kept; a first action only needs no motion."""
    rest, move, grip = [0.0] * 6, [0.1] + [0.0] * 5, 1.0
    actions = np.array(
        [[*rest, -1], [*rest, 1], [*move, -1], [*rest, -1], [*rest, grip], [*rest, grip], [*rest, -1], [*move, -1]]
    )
    assert noops(actions).tolist() == [True, True, False, True, False, True, False, False]
    actions[3, 0] = 9e-5
    assert noops(actions)[3]
    actions[3, 1] = 9e-5  # a norm of 1.27e-4
    assert not noops(actions)[3]


def test_noops_are_dropped_with_their_observations(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = episode()
    rows["actions"][3, :6], rows["actions"][3, 6] = 0, rows["actions"][2, 6]
    with caplog.at_level(logging.INFO):
        (demonstration,) = read(soup(tmp_path, rows))
    kept = [0, 1, 2, 4, 5]
    assert np.array_equal(demonstration.actions, rows["actions"][kept].astype(np.float32))
    assert np.array_equal(
        demonstration.observations.images["agentview"], rows["obs/agentview_rgb"][kept][:, ::-1, ::-1]
    )
    assert len(demonstration.observations.proprio) == 5
    assert "dropped 1 no-ops and 0 failures" in caplog.text


def test_late_observations_move_to_the_next_action(tmp_path: Path) -> None:
    """LIBERO's own files record after the step; an action needs the observation before it."""
    rows = episode(late=True)
    rows["actions"][3, :6], rows["actions"][3, 6] = 0, rows["actions"][2, 6]
    (demonstration,) = read(soup(tmp_path, rows))
    assert np.array_equal(demonstration.actions, rows["actions"][[1, 2, 4, 5]].astype(np.float32))
    before = rows["obs/agentview_rgb"][[0, 1, 3, 4]]
    assert np.array_equal(demonstration.observations.images["agentview"], before[:, ::-1, ::-1])


def test_demonstrations_are_sorted_by_number_without_failures(tmp_path: Path) -> None:
    episodes = [episode(seed) for seed in range(11)]
    episodes[1]["rewards"][:] = 0
    demonstrations = read(soup(tmp_path, *episodes), per_task=10)
    expected = [episodes[index]["actions"].astype(np.float32) for index in (0, *range(2, 11))]
    assert all(
        np.array_equal(demonstration.actions, actions)
        for demonstration, actions in zip(demonstrations, expected, strict=True)
    )
    assert len(read(tmp_path, per_task=3)) == 3


def test_find_file_selects_the_tasks_file(tmp_path: Path) -> None:
    soup(tmp_path, episode(0))
    milk = write(tmp_path / "elsewhere" / "deep" / "pick_up_the_milk_demo.hdf5", episode(1))
    demonstrations = read(tmp_path, tasks=(1, 0))
    assert [demonstration.start.task for demonstration in demonstrations] == [1, 0]
    assert read(milk, tasks=(1,))[0].start.task == 1
    write(tmp_path / "libero_goal" / "pick_up_the_soup_demo.hdf5", episode(2))
    (preferred,) = read(tmp_path)  # from the folder with the suite's name
    assert np.array_equal(preferred.actions, demonstrations[1].actions)


def test_robot_base_depends_on_scene() -> None:
    names = ("KITCHEN_SCENE3_turn_on_the_stove", "LIVING_ROOM_SCENE2_put_both", "STUDY_SCENE1_pick_up_the_book")
    bases = [robot_base(contract(suite="libero_10"), TaskSpec(name, "", 1)).tolist() for name in names]
    assert bases == [[-0.66, 0.0, 0.912], [-0.51, 0.0, 0.42], [-0.75, 0.0, 0.912]]


def error_of(folder: Path, **arguments: Any) -> str:
    with pytest.raises(UserError) as caught:
        read(folder, **arguments)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_read_reports_missing_ambiguous_and_unreadable_files(tmp_path: Path) -> None:
    assert "looked for pick_up_the_soup_demo.hdf5, also in folders below" in error_of(tmp_path)
    soup(tmp_path, episode())
    assert "pick_up_the_milk_demo.hdf5" in error_of(tmp_path, tasks=(0, 1))
    for folder in ("a", "b"):
        write(tmp_path / folder / "pick_up_the_milk_demo.hdf5", episode())
    assert "are both of task 1; set demonstrations.source to one of them" in error_of(tmp_path, tasks=(1,))
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "pick_up_the_soup_demo.hdf5").write_bytes(b"no")
    assert "cannot be read as HDF5" in error_of(tmp_path / "bad")


def test_read_reports_invalid_contents(tmp_path: Path) -> None:
    def of(name: str, **changes: Any) -> str:
        rows = {**episode(), **{key.replace("__", "/"): value for key, value in changes.items()}}
        rows = {key: value for key, value in rows.items() if value is not None}
        return error_of(soup(tmp_path / name, rows))

    assert "holds no data/demo_0; it has: nothing" in error_of(soup(tmp_path / "empty"))
    message = error_of(soup(tmp_path / "few", episode()), per_task=2)
    assert "1 demonstrations, but demonstrations.per_task is 2" in message
    assert "data/demo_0: lacks `actions`; it has: obs, rewards, states" in of("1", actions=None)
    assert "data/demo_0/obs: lacks `gripper_states`; it has: agentview_rgb" in of("2", obs__gripper_states=None)
    assert "data/demo_0/obs: lacks `ee_states`" in of("3", obs__ee_ori=None)
    assert "`actions` has shape [6, 14], not [steps, 7]" in of("4", actions=np.zeros((STEPS, 14)))
    assert "its arrays have [5, 6] rows; all must have the same number" in of("5", actions=np.ones((STEPS - 1, 7)))
    assert "all actions are no-ops" in of("6", actions=np.zeros((STEPS, 7)))
    failed = error_of(soup(tmp_path / "failed", {**episode(), "rewards": np.zeros(STEPS)}))
    assert "0 demonstrations, and 1 without a reward" in failed
    assert "hold no proprioception `heat`" in error_of(soup(tmp_path / "7", episode()), proprio=("heat",))


@pytest.mark.parametrize("name", ["actions", "states", "obs/ee_pos", "obs/ee_ori", "obs/gripper_states"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_read_reports_non_finite_numbers(tmp_path: Path, name: str, value: float) -> None:
    rows = episode(1)
    rows[name][2, 1] = value
    message = error_of(soup(tmp_path, episode(), rows), per_task=2)
    where = "data/demo_1/obs" if name.startswith("obs/") else "data/demo_1"
    assert f"{where}: `{name.removeprefix('obs/')}` is {value} in row 2, column 1, and must be finite" in message


def test_other_image_size_needs_simulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rerender, "_PACKAGES", ("no_such_simulator",))
    message = error_of(soup(tmp_path, episode()), size=64)
    assert "no 64x64 images of `agentview`: set environment.image_size to the stored size" in message
    assert 'no_such_simulator. Run: pip install -e "plugins/libero[sim]"' in message


def test_read_reports_missing_h5py(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = soup(tmp_path, episode())
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(MissingRequirement, match=r'needs `h5py`.* Run: pip install -e "plugins/libero\[data\]"'):
        read(folder)
