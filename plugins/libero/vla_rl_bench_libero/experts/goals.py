"""The order of a goal's predicates, and the skill for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from vla_rl_bench_libero.experts.articulated import Drawer, Knob
from vla_rl_bench_libero.experts.manipulator import Commands, Manipulator
from vla_rl_bench_libero.experts.pick_place import PickPlace
from vla_rl_bench_libero.experts.placement import InsideRegion, OnSurface
from vla_rl_bench_libero.experts.push import Push, too_flat
from vla_rl_bench_libero.experts.scene import Predicate, Scene

_GAP = 0.01  # meters between objects side by side


class Skill(Protocol):
    """A skill for one predicate; it can be performed again after a failure."""

    def perform(self) -> Commands: ...


def _in(scene: Scene, hand: Manipulator, goal: Predicate) -> Skill:
    return PickPlace(scene, hand, goal[1], InsideRegion(goal[2]))


def _on(scene: Scene, hand: Manipulator, goal: Predicate) -> Skill:
    if scene.is_site(goal[2]) and scene.owner(goal[2]) is None and too_flat(scene, goal[1]):
        return Push(scene, hand, goal[1], goal[2])
    return PickPlace(scene, hand, goal[1], OnSurface(goal[2], _offset(scene, goal)))


def _offset(scene: Scene, goal: Predicate) -> tuple[float, float]:
    """Return the offset (xy, meters) that places objects of the same region side by side along their narrow axis."""
    names = [predicate[1] for predicate in scene.goal if predicate[0] == "on" and predicate[2] == goal[2]]
    if len(names) < 2 or not scene.is_site(goal[2]):
        return 0.0, 0.0
    extent = np.ptp(scene.points(goal[1]), axis=0)[:2]
    narrow = int(np.argmin(extent))
    offset = (names.index(goal[1]) - (len(names) - 1) / 2) * (float(extent[narrow]) + _GAP)
    return (offset, 0.0) if narrow == 0 else (0.0, offset)


def _open(scene: Scene, hand: Manipulator, goal: Predicate) -> Skill:
    return Drawer(scene, hand, goal[1], opening=True)


def _close(scene: Scene, hand: Manipulator, goal: Predicate) -> Skill:
    return Drawer(scene, hand, goal[1], opening=False)


def _turn_on(scene: Scene, hand: Manipulator, goal: Predicate) -> Skill:
    return Knob(scene, hand, goal[1], turned_on=True)


def _turn_off(scene: Scene, hand: Manipulator, goal: Predicate) -> Skill:
    return Knob(scene, hand, goal[1], turned_on=False)


SKILLS: dict[str, Callable[[Scene, Manipulator, Predicate], Skill]] = {
    "in": _in,
    "on": _on,
    "open": _open,
    "close": _close,
    "turnon": _turn_on,
    "turnoff": _turn_off,
}


def unsupported_predicates(scene: Scene) -> list[Predicate]:
    """Return the goal's predicates without a skill: unknown ones, and those behind a hinged door (microwaves)."""
    return [goal for goal in scene.goal if goal[0] not in SKILLS or _needs_hinged_door(scene, goal)]


def _needs_hinged_door(scene: Scene, goal: Predicate) -> bool:
    kind, name = goal[0], goal[-1]
    if kind in ("open", "close"):
        return any(map(scene.hinged, scene.joints(name)))
    owner = scene.owner(name) if kind == "in" and scene.is_site(name) else None
    return owner is not None and not scene.joints(name) and any(map(scene.hinged, scene.joints(owner)))


def make_skill(scene: Scene, hand: Manipulator, goal: Predicate) -> Skill:
    """Make the skill for a predicate."""
    return SKILLS[goal[0]](scene, hand, goal)


def next_goal(scene: Scene) -> Predicate | None:
    """Return the predicate to satisfy next, or None if all hold; it may be a precondition that the goal does not name.

    Switches are first, while the hand is empty and the path is free; a carrier is moved before the objects on it; a
    drawer is opened before an object is put into it, and closed last.
    """
    unmet = scene.unmet()
    if not unmet:
        return None
    regions = {predicate[2] for predicate in unmet if predicate[0] == "in"}
    goal = min(unmet, key=lambda predicate: _rank(predicate, unmet, regions))
    if goal[0] == "in" and scene.joints_of_region(goal[2]) and not scene.holds(("open", goal[2])):
        return ("open", goal[2])
    return goal


def _rank(goal: Predicate, unmet: list[Predicate], regions: set[str]) -> tuple[int, int]:
    kind = goal[0]
    if kind == "close":
        return (5 if goal[1] in regions else 1), 0
    if kind in ("in", "on"):
        moves_later = any(predicate[0] in ("in", "on") and predicate[1] == goal[2] for predicate in unmet)
        return 3, int(moves_later)
    return (0 if kind.startswith("turn") else 2), 0
