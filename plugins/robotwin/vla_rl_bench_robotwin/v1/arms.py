"""Two arms of boxes in the places where RoboTwin 1.0's classes look for ALOHA's: a URDF, and a folder to run in.

The branch counts: the arms' joints are number 6, 14, ... 30 and 7, 15, ... 31 of the active ones, the fingers 34 to 37,
the wrist cameras hang on links 46 and 49.  Joints and links are numbered level by level of the tree, so joints that
move nothing fill the places between.  Lengths were chosen so that the experts reach what they must; results on these
arms compare with no published number.  x forward, y left, z up; metres and radians.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from pathlib import Path

VERSION = "boxes-1"  # part of the protocol: change it with any number here

_UPPER = _FORE = 0.42  # m
_SHOULDER = (0.02, 0.3, 0.88)  # m, of the left arm; the right one's y is negative
_HAND = 0.135  # m, from the hand to the middle of its fingers: what the experts leave between hand and object
_BEND = (0.0, -1.3, 2.2, 0.0, -0.9, 0.0)  # rad: the classes begin with all joints at 0, which is this posture
_LIMITS = ((-3.8, 3.8), (-2.6, 1.2), (-0.2, 2.9), (-3.8, 3.8), (-2.4, 2.4), (-3.8, 3.8))  # rad, before the bend
_AXES = ("0 0 1", "0 1 0", "0 1 0", "1 0 0", "0 1 0", "1 0 0")
_OFFSETS = ("0 0 0", "0 0 0", f"{_UPPER} 0 0", f"{_FORE} 0 0", "0 0 0", "0.04 0 0")
# rad, of the base and of the first joint: two half turns move nothing and turn the sign of the hand's quaternion, whose
# numbers block_handover's `check_success` compares with those of ALOHA's hand
_HALF_TURN = math.pi
_FIXED_FILLERS, _FIRST_FILLERS, _SECOND_FILLERS = 6, 6, 4

_INERTIA = '<inertia ixx="0.001" ixy="0" ixz="0" iyy="0.001" iyz="0" izz="0.001"/>'
_URDF, _SRDF = (f"aloha_maniskill_sim/{kind}/arx5_description_isaac.{kind}" for kind in ("urdf", "srdf"))


def write(folder: Path, checkout: Path) -> None:
    """A working folder for the classes: the checkout's own files by links, and these arms."""
    for entry in checkout.iterdir():
        if entry.name not in ("aloha_maniskill_sim", ".git"):
            with contextlib.suppress(FileExistsError):  # another worker's
                (folder / entry.name).symlink_to(entry)
    for name, text in ((_URDF, urdf()), (_SRDF, '<robot name="two_arms_of_boxes"/>\n')):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}")
        partial.write_text(text)
        partial.replace(path)  # whole at any moment


def urdf() -> str:
    """In the order in which joints and links are to be numbered."""
    return "\n".join(['<robot name="two_arms_of_boxes">', *_links(), *_joints(), "</robot>", ""])


def _links() -> Iterator[str]:
    yield _link("footprint")
    yield from (_link(f"filler{number}") for number in range(_FIXED_FILLERS))
    yield from (_link(f"slider{number}") for number in range(_FIRST_FILLERS))
    yield from (_link(f"{side}_base") for side in ("fl", "fr", "rest"))
    yield from (_link(f"spare{number}") for number in range(_SECOND_FILLERS))
    for side in ("lr", "rr"):
        yield from (_link(f"{side}_link{number}") for number in range(1, 7))
    for side in ("fl", "fr"):
        yield _link(f"{side}_link1")
        yield _link(f"{side}_link2", (_UPPER / 2, 0, 0), (_UPPER, 0.05, 0.05))
        yield _link(f"{side}_link3", (_FORE / 2, 0, 0), (_FORE, 0.04, 0.04))
        yield _link(f"{side}_link4")
        yield _link(f"{side}_link5")
        yield _link(f"{side}_link6", (0.06, 0, 0), (0.05, 0.10, 0.03), collides=True)
        for number, way in ((7, 1), (8, -1)):
            yield _link(f"{side}_link{number}", (0, way * 0.007, 0), (0.06, 0.01, 0.025), collides=True)
        yield _link(f"{side}_camera")


def _joints() -> Iterator[str]:
    yield from (_joint(f"filler{n}_joint", "fixed", "footprint", f"filler{n}") for n in range(_FIXED_FILLERS))
    yield from (_slider(f"slider{n}", "footprint") for n in range(_FIRST_FILLERS))
    x, y, z = _SHOULDER
    for side, way in (("fl", 1), ("fr", -1)):
        place = f"{x} {way * y} {z}"
        yield _joint(f"{side}_base_joint", "fixed", "footprint", f"{side}_base", place, roll=_HALF_TURN)
    yield _joint("rest_base_joint", "fixed", "footprint", "rest_base")
    yield from (_slider(f"{side}_link1", "rest_base") for side in ("lr", "rr"))
    yield from (_slider(f"spare{n}", "rest_base") for n in range(_SECOND_FILLERS))
    for side in ("lr", "rr"):
        yield from (_slider(f"{side}_link{n}", f"{side}_link{n - 1}") for n in range(2, 7))
    for side in ("fl", "fr"):
        yield from _arm(side)


def _arm(side: str) -> Iterator[str]:
    parent = f"{side}_base"
    for number, (bend, limits, axis, place) in enumerate(zip(_BEND, _LIMITS, _AXES, _OFFSETS, strict=True), start=1):
        roll = _HALF_TURN if number == 1 else 0.0
        low, high = (limit - bend for limit in limits)
        child = f"{side}_link{number}"
        yield _joint(f"{side}_joint{number}", "revolute", parent, child, place, bend, axis, low, high, roll)
        parent = child
    for number, way in ((7, 1), (8, -1)):
        name = f"{side}_joint{number}"
        yield _joint(name, "prismatic", parent, f"{side}_link{number}", f"{_HAND} 0 0", 0, f"0 {way} 0", 0, 0.05)
    yield _joint(f"{side}_camera_joint", "fixed", parent, f"{side}_camera", "-0.02 0 0.07", 0.35)


def _slider(child: str, parent: str) -> str:
    """A joint that takes a place in the count."""
    return _joint(f"{child}_joint", "prismatic", parent, child, "0 0 0", 0, "0 0 1", -0.01, 0.01)


def _link(
    name: str,
    centre: tuple[float, float, float] | None = None,
    size: tuple[float, float, float] = (0, 0, 0),
    collides: bool = False,
) -> str:
    text = f'<link name="{name}"><inertial><mass value="0.3"/>{_INERTIA}</inertial>'
    if centre is not None:
        place, box = (" ".join(map(str, numbers)) for numbers in (centre, size))
        shape = f'<origin xyz="{place}" rpy="0 0 0"/><geometry><box size="{box}"/></geometry>'
        text += f'<visual>{shape}<material name="{name}_colour"><color rgba="0.3 0.3 0.35 1"/></material></visual>'
        text += f"<collision>{shape}</collision>" if collides else ""
    return f"{text}</link>"


def _joint(
    name: str,
    kind: str,
    parent: str,
    child: str,
    place: str = "0 0 0",
    pitch: float = 0.0,
    axis: str | None = None,
    low: float = 0.0,
    high: float = 0.0,
    roll: float = 0.0,
) -> str:
    text = f'<joint name="{name}" type="{kind}"><parent link="{parent}"/><child link="{child}"/>'
    text += f'<origin xyz="{place}" rpy="{roll} {pitch} 0"/>'
    if axis is not None:
        text += f'<axis xyz="{axis}"/><limit lower="{low:g}" upper="{high:g}" effort="200" velocity="5"/>'
    return f"{text}</joint>"
