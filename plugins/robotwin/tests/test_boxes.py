"""The arms of boxes: written as RoboTwin reads an embodiment, the same each time."""

from __future__ import annotations

import functools
import json
import operator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from vla_rl_bench_robotwin.v2 import assets, boxes
from vla_rl_bench_robotwin.v2.contract import BOX_HIGH, BOX_HOME, BOX_LOW


def test_every_joint_joins_two_links_and_every_link_hangs_on_one() -> None:
    robot = ElementTree.fromstring(boxes.urdf())
    links = [link.get("name") for link in robot.iter("link")]
    parents = [one.get("link") for joint in robot.findall("joint") for one in joint.findall("parent")]
    children = [one.get("link") for joint in robot.findall("joint") for one in joint.findall("child")]
    assert len(set(links)) == len(links)
    assert set(parents) <= set(links)
    assert sorted(map(str, children)) == sorted(map(str, set(links) - {"footprint"}))


def test_the_configuration_names_what_the_urdf_has() -> None:
    robot = ElementTree.fromstring(boxes.urdf())
    joints = {joint.get("name") for joint in robot.findall("joint")}
    links = {link.get("name") for link in robot.findall("link")}
    found = json.loads(json.dumps(boxes.configuration()))
    fingers = [name for one in found["gripper_name"] for name in (one["base"], one["mimic"][0][0])]
    assert {*found["ee_joints"], *fingers, *functools.reduce(operator.iadd, found["arm_joints_name"], [])} <= joints
    assert {*found["move_group"], "left_camera", "right_camera"} <= links


def test_the_bounds_lie_within_the_joints_limits_and_hold_the_home_pose() -> None:
    robot = ElementTree.fromstring(boxes.urdf())
    limits = {str(joint.get("name")): joint.find("limit") for joint in robot.findall("joint")}
    for number in range(6):
        limit = limits[f"fl_joint{number + 1}"]
        assert limit is not None
        assert float(limit.attrib["lower"]) <= BOX_LOW[number] <= BOX_HOME[number] <= BOX_HIGH[number]
        assert BOX_HIGH[number] <= float(limit.attrib["upper"])
    assert BOX_HOME[:6] == tuple(boxes.configuration()["homestate"][0])  # type: ignore[index]


def test_the_tree_is_written_once_and_again_where_it_is_not_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    root = assets.generated()
    urdf = root / "assets" / "embodiments" / boxes.VERSION / "robot.urdf"
    written = urdf.stat().st_mtime_ns
    assert assets.generated() == root
    assert urdf.stat().st_mtime_ns == written
    urdf.write_text("broken")
    assert assets.generated() == root
    assert urdf.read_text() == boxes.urdf()
    assert [one.name for one in root.parent.iterdir()] == [boxes.VERSION], "nothing half-written is left"
