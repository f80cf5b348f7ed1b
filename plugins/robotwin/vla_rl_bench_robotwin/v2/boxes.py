"""Two arms made of boxes, written as RoboTwin expects an embodiment: a URDF and a configuration.

For the tasks whose objects are boxes too, so that they run without any mesh.  The arms are nobody's: their lengths were
chosen so that the tasks' own experts reach what they must.  Results on them compare with no published number.
Joints: yaw, shoulder, elbow, forearm roll, wrist, hand roll; metres and radians; x forward, y left, z up.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

VERSION = "boxes-1"  # part of the protocol: change it with any number here

_UPPER = _FORE = 0.42  # m, shoulder to elbow and elbow to wrist: the middle of the table and both its sides
_BASE = (0.02, 0.3, 0.80)  # m, of the left arm; the right one's y is negative
_LIFT = 0.08  # m, from the base to the shoulder
_HAND = 0.10  # m, from the hand's joint to the fingers
_OPEN = 0.045  # m, of each finger: a gap of 9 cm takes the blocks of 5 to 6 cm
_HOME = (0.0, -1.3, 2.2, 0.0, -0.9, 0.0)  # rad: above the table, hands down, out of the head camera's way

LIGHT, DARK, BLACK = "0.7 0.7 0.75 1", "0.2 0.2 0.25 1", "0.1 0.1 0.1 1"


@dataclass(frozen=True)
class Box:
    """centre, size: m.  collides: the arms do not, so that the planner is not stopped by links that hold nothing."""

    centre: tuple[float, float, float]
    size: tuple[float, float, float]
    colour: str
    collides: bool = False


@dataclass(frozen=True)
class Joint:
    """kind: of the URDF.  low, high: radians, or metres of a prismatic joint."""

    name: str
    kind: str
    parent: str
    child: str
    place: tuple[float, float, float]
    axis: tuple[int, int, int] | None = None
    low: float = -3.8
    high: float = 3.8
    pitch: float = 0.0  # rad, of the child's frame


def write(root: Path) -> Path:
    """Write an asset tree with this embodiment alone under `root`; return the embodiment's folder."""
    folder = root / "assets" / "embodiments" / VERSION
    objects = root / "assets" / "objects"
    for made in (folder, objects / "objaverse", root / "assets" / "background_texture"):
        made.mkdir(parents=True, exist_ok=True)
    # RoboTwin reads both lists when it is imported
    nothing: dict[str, object] = {"item_names": [], "list_of_items": {}, "z_max": {}, "radius": {}, "z_offset": {}}
    (objects / "objaverse" / "list.json").write_text(json.dumps(nothing))
    (objects / "same.json").write_text("{}")
    (folder / "robot.urdf").write_text(urdf())
    (folder / "config.yml").write_text(json.dumps(configuration(), indent=1))  # JSON is YAML
    for arm in ("left", "right"):
        (folder / f"curobo_{arm}_tmp.yml").write_text(json.dumps({"robot_cfg": {}, "planner": {"frame_bias": [0] * 3}}))
    return folder


def urdf() -> str:
    """Both arms as one robot: mplib plans for no other kind of pair."""
    parts = [*_links("fl"), *_links("fr")]
    joints = [*_joints("fl", 1), *_joints("fr", -1)]
    lines = ['<robot name="two_arms_of_boxes">', _link("footprint", None)]
    return "\n".join([*lines, *(_link(*part) for part in parts), *(_joint(joint) for joint in joints), "</robot>", ""])


def configuration() -> dict[str, object]:
    """The configuration of an embodiment that RoboTwin reads (envs/robot/robot.py)."""
    identity = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    sides = ("fl", "fr")
    head = {"name": "head_camera", "type": "D435", "position": [-0.032, -0.45, 1.35]}
    return {
        "urdf_path": "robot.urdf",
        "srdf_path": None,
        "joint_stiffness": 1000,
        "joint_damping": 200,
        "gripper_stiffness": 1000,
        "gripper_damping": 200,
        "move_group": [f"{side}_link6" for side in sides],
        "ee_joints": [f"{side}_joint6" for side in sides],
        "arm_joints_name": [[f"{side}_joint{number}" for number in range(1, 7)] for side in sides],
        "gripper_name": [{"base": f"{side}_joint7", "mimic": [[f"{side}_joint8", 1.0, 0.0]]} for side in sides],
        "gripper_bias": 0.12,
        "gripper_scale": [0.0, _OPEN],
        "homestate": [list(_HOME), list(_HOME)],
        "delta_matrix": identity,
        "global_trans_matrix": [[1, 0, 0], [0, -1, 0], [0, 0, -1]],
        "robot_pose": [[0, -0.65, 0, 0.7071068, 0, 0, 0.7071068]],  # behind the table, facing it
        "planner": "mplib_RRT",
        "dual_arm": True,
        "rotate_lim": [0, 0],
        "grasp_perfect_direction": ["front_right", "front_left"],
        "static_camera_list": [head | {"forward": [0, 0.6, -0.8], "left": [-1, 0, 0]}],
    }


def _links(side: str) -> Iterator[tuple[str, Box | None]]:
    yield f"{side}_base", None
    yield f"{side}_link1", Box((0, 0, _LIFT / 2), (0.06, 0.06, _LIFT), LIGHT)
    yield f"{side}_link2", Box((_UPPER / 2, 0, 0), (_UPPER, 0.05, 0.05), DARK)
    yield f"{side}_link3", Box((_FORE / 2, 0, 0), (_FORE, 0.04, 0.04), LIGHT)
    yield f"{side}_link4", None
    yield f"{side}_link5", None
    yield f"{side}_link6", Box((0.05, 0, 0), (0.05, 0.10, 0.03), DARK, collides=True)
    for number, way in ((7, 1), (8, -1)):
        yield f"{side}_link{number}", Box((0, way * 0.007, 0), (0.06, 0.01, 0.025), BLACK, collides=True)
    yield _camera(side), None


def _joints(side: str, way: int) -> Iterator[Joint]:
    """way: 1 on the left."""
    x, y, z = _BASE
    link = f"{side}_link"
    origin = (0.0, 0.0, 0.0)
    yield Joint(f"{side}_base_joint", "fixed", "footprint", f"{side}_base", (x, way * y, z))
    yield Joint(f"{side}_joint1", "revolute", f"{side}_base", f"{link}1", origin, (0, 0, 1))
    yield Joint(f"{side}_joint2", "revolute", f"{link}1", f"{link}2", (0, 0, _LIFT), (0, 1, 0), -2.6, 1.2)
    yield Joint(f"{side}_joint3", "revolute", f"{link}2", f"{link}3", (_UPPER, 0, 0), (0, 1, 0), -0.2, 2.9)
    yield Joint(f"{side}_joint4", "revolute", f"{link}3", f"{link}4", (_FORE, 0, 0), (1, 0, 0))
    yield Joint(f"{side}_joint5", "revolute", f"{link}4", f"{link}5", origin, (0, 1, 0), -2.4, 2.4)
    yield Joint(f"{side}_joint6", "revolute", f"{link}5", f"{link}6", (0.04, 0, 0), (1, 0, 0))
    for number, finger in ((7, 1), (8, -1)):
        place = (_HAND, 0.0, 0.0)
        yield Joint(f"{side}_joint{number}", "prismatic", f"{link}6", f"{link}{number}", place, (0, finger, 0), 0, 0.05)
    yield Joint(f"{side}_camera_joint", "fixed", f"{link}6", _camera(side), (-0.02, 0, 0.07), pitch=0.35)


def _camera(side: str) -> str:
    """The link that RoboTwin hangs the wrist camera on."""
    return {"fl": "left_camera", "fr": "right_camera"}[side]


def _link(name: str, box: Box | None) -> str:
    inertia = '<inertia ixx="0.001" ixy="0" ixz="0" iyy="0.001" iyz="0" izz="0.001"/>'
    text = f'<link name="{name}"><inertial><mass value="0.3"/>{inertia}</inertial>'  # kg; RoboTwin sets every link to 1
    if box is not None:
        shape = (
            f'<origin xyz="{_numbers(box.centre)}" rpy="0 0 0"/><geometry><box size="{_numbers(box.size)}"/></geometry>'
        )
        text += f'<visual>{shape}<material name="{name}_colour"><color rgba="{box.colour}"/></material></visual>'
        text += f"<collision>{shape}</collision>" if box.collides else ""
    return f"{text}</link>"


def _joint(joint: Joint) -> str:
    text = (
        f'<joint name="{joint.name}" type="{joint.kind}"><parent link="{joint.parent}"/><child link="{joint.child}"/>'
    )
    text += f'<origin xyz="{_numbers(joint.place)}" rpy="0 {joint.pitch:g} 0"/>'
    if joint.axis is not None:
        limits = f'lower="{joint.low:g}" upper="{joint.high:g}" effort="200" velocity="5"'
        text += f'<axis xyz="{_numbers(joint.axis)}"/><limit {limits}/>'
    return f"{text}</joint>"


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:g}" for value in values)
