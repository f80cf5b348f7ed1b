"""From a goal's predicates to skills: which predicate comes next, and who makes it hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from vla_rl_bench_libero.experts.articulated import Drawer, Knob
from vla_rl_bench_libero.experts.manipulator import Manipulator, Skill
from vla_rl_bench_libero.experts.pick_place import PickPlace
from vla_rl_bench_libero.experts.placement import Into, Onto
from vla_rl_bench_libero.experts.push import Push, too_flat
from vla_rl_bench_libero.experts.scene import Predicate, Scene

_BESIDE = 0.01  # metres between things that stand beside each other


class Performer(Protocol):
    """A skill at work on one predicate; may be asked again where it has not succeeded."""

    def perform(self) -> Skill: ...


def _in(scene: Scene, hand: Manipulator, goal: Predicate) -> Performer:
    return PickPlace(scene, hand, goal[1], Into(goal[2]))


def _on(scene: Scene, hand: Manipulator, goal: Predicate) -> Performer:
    if scene.is_site(goal[2]) and scene.owner(goal[2]) is None and too_flat(scene, goal[1]):
        return Push(scene, hand, goal[1], goal[2])
    return PickPlace(scene, hand, goal[1], Onto(goal[2], _aside(scene, goal)))


def _aside(scene: Scene, goal: Predicate) -> tuple[float, float]:
    """Things that are to stand on the same region stand beside each other, where they are narrow."""
    sharing = [one[1] for one in scene.goal if one[0] == "on" and one[2] == goal[2]]
    if len(sharing) < 2 or not scene.is_site(goal[2]):
        return 0.0, 0.0
    extent = np.ptp(scene.points(goal[1]), axis=0)[:2]
    narrow = int(np.argmin(extent))
    aside = (sharing.index(goal[1]) - (len(sharing) - 1) / 2) * (float(extent[narrow]) + _BESIDE)
    return (aside, 0.0) if narrow == 0 else (0.0, aside)


def _open(scene: Scene, hand: Manipulator, goal: Predicate) -> Performer:
    return Drawer(scene, hand, goal[1], opening=True)


def _close(scene: Scene, hand: Manipulator, goal: Predicate) -> Performer:
    return Drawer(scene, hand, goal[1], opening=False)


def _turn_on(scene: Scene, hand: Manipulator, goal: Predicate) -> Performer:
    return Knob(scene, hand, goal[1], turned_on=True)


def _turn_off(scene: Scene, hand: Manipulator, goal: Predicate) -> Performer:
    return Knob(scene, hand, goal[1], turned_on=False)


SKILLS: dict[str, Callable[[Scene, Manipulator, Predicate], Performer]] = {
    "in": _in,
    "on": _on,
    "open": _open,
    "close": _close,
    "turnon": _turn_on,
    "turnoff": _turn_off,
}


def lacking(scene: Scene) -> list[Predicate]:
    """The goal's predicates that no skill makes hold: another word, or a door on a hinge, such as a microwave's."""
    return [one for one in scene.goal if one[0] not in SKILLS or _behind_a_door(scene, one)]


def _behind_a_door(scene: Scene, goal: Predicate) -> bool:
    kind, name = goal[0], goal[-1]
    if kind in ("open", "close"):
        return any(map(scene.hinged, scene.joints(name)))
    owner = scene.owner(name) if kind == "in" and scene.is_site(name) else None
    return owner is not None and not scene.joints(name) and any(map(scene.hinged, scene.joints(owner)))


def performer(scene: Scene, hand: Manipulator, goal: Predicate) -> Performer:
    """Who makes this predicate hold."""
    return SKILLS[goal[0]](scene, hand, goal)


def next_goal(scene: Scene) -> Predicate | None:
    """The predicate to work at now; one that the goal does not name where another needs it first; None when all hold.

    Switches first, while the hand is empty and the way is free; what carries others before what it will carry; a drawer
    is opened before something goes into it, and closed last.
    """
    unmet = scene.unmet()
    if not unmet:
        return None
    waiting = {one[2] for one in unmet if one[0] == "in"}
    goal = min(unmet, key=lambda one: _rank(one, unmet, waiting))
    if goal[0] == "in" and scene.joints_of_region(goal[2]) and not scene.holds(("open", goal[2])):
        return ("open", goal[2])
    return goal


def _rank(goal: Predicate, unmet: list[Predicate], waiting: set[str]) -> tuple[int, int]:
    kind = goal[0]
    if kind == "close":
        return (5 if goal[1] in waiting else 1), 0
    if kind in ("in", "on"):
        moves_later = any(other[0] in ("in", "on") and other[1] == goal[2] for other in unmet)
        return 3, int(moves_later)
    return (0 if kind.startswith("turn") else 2), 0
