"""Pick an object from above, carry it over a place, let go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from vla_rl_bench_libero.experts.height_map import heights, others, shift_to_open_air
from vla_rl_bench_libero.experts.manipulator import CLOSED, OPEN, Manipulator, Movement, Skill, ended
from vla_rl_bench_libero.experts.placement import Place, highest_between
from vla_rl_bench_libero.experts.scene import Scene
from vla_rl_bench_libero.experts.top_grasps import Destination, TopGrasp, has_room, pinch, plan_grasps
from vla_rl_bench_libero.geometry import Points

_PINCH_TRIES = 4  # of the whole object between the fingers, where it fits
_FITS = 0.072  # metres between the open fingers, less a margin
_LOST = 0.06  # metres that an object may move in the hand
_CLEARANCE = 0.06  # metres between the finger tips and what the open hand passes over
_AT_REST, _FALL_STEPS = 0.03, 15  # metres a second; steps
_RAISE = 0.03  # metres up, before what is held moves aside
_NARROW = 0.05  # metres: less between the fingers takes them longer to reach


@dataclass
class PickPlace:
    """One object to one place.  tries: how often it has been attempted; failed: grasps that did not hold."""

    scene: Scene
    hand: Manipulator
    name: str
    place: Place
    tries: int = 0
    failed: list[TopGrasp] = field(default_factory=list)
    _lifted_from: Points = field(default_factory=lambda: np.zeros(2))  # xy, metres

    def perform(self) -> Skill:
        """Ends with the hand above the place, or, where the object slipped, at once."""
        yield from self._wait()
        grasp = self._plan()
        self.tries += 1
        yield from ended((yield from self._over(grasp)))
        last = yield from self._down(grasp)
        held, resting = self.hand.position, self._height()
        hangs = float(held[2]) - grasp.bottom  # the object reaches this far below the hand
        travel, release = self.place.heights(self.scene, self.name, hangs, self.hand)
        closing = self.hand.stay(grasp.rotation, CLOSED, 14 if grasp.width < _NARROW else 10)
        yield from ended(last)
        yield from ended((yield from closing))

        between = self.scene.position(self.name) - held

        def slipped() -> bool:
            """The hand has risen and the object has not, or has been lost on the way."""
            left = self.hand.position[2] - held[2] > 0.05 and self._height() - resting < 0.02
            apart = self.scene.position(self.name) - self.hand.position - between
            return bool(left or np.linalg.norm(apart) > _LOST)

        for movement in (
            *self._out_from_under(grasp, held, slipped),
            self._lift(grasp, travel, slipped),
            self._carry(grasp, travel, slipped, tolerance=0.012),
        ):
            last = yield from movement
            if last is None:
                self.failed.append(grasp)
                return
            yield last
        last = yield from self._carry(grasp, release, slipped, tolerance=0.009)
        opening = self.hand.stay(grasp.rotation, OPEN, 6)
        yield from ended(last)
        last = yield from opening
        self.hand.has_worked = True
        retreat = self._retreat(grasp)
        yield from ended(last)
        yield from ended((yield from retreat))

    def _wait(self) -> Skill:
        """Until the object lies still: some fall into place after an episode's start."""
        for _ in range(_FALL_STEPS):
            if self.scene.speed(self.name) < _AT_REST:
                return
            yield self.hand.towards(self.hand.position, self.hand.rotation, OPEN)

    def _plan(self) -> TopGrasp:
        """The whole object between the fingers where that fits; else by its walls, rim or handle."""
        hand = self.hand.hand
        whole = pinch(self.scene, self.name, self.place.owner(self.scene) or "", hand)
        if self.tries < _PINCH_TRIES and whole.width <= _FITS and has_room(self.scene, self.name, whole, hand):
            return whole
        found = plan_grasps(self.scene, self.name, hand, self._destination())
        fresh = [one for one in found if not any(one.resembles(other) for other in self.failed)]
        return (fresh or found or [whole])[0]

    def _destination(self) -> Destination:
        position = self.place.position(self.scene)
        resting = float(self.place.floor(self.scene)) + self._height() - float(self.scene.points(self.name)[:, 2].min())
        there = heights(self.scene, others(self.scene, self.name), position[:2], 0.2, step=0.01)
        return Destination(np.array([*position[:2], resting + 0.01]), there)

    # -- movements

    def _over(self, grasp: TopGrasp) -> Movement:
        height = max(grasp.top + 0.06, grasp.height + 0.08)
        there = self._grip(grasp)
        if self.hand.has_worked:  # it may be among things; an episode begins above them
            over = highest_between(self.scene, self.hand.position[:2], there, (self.name,)) + _CLEARANCE
        else:
            over = height

        def waypoint() -> Points:
            far = np.linalg.norm(self._grip(grasp) - self.hand.position[:2]) > 0.06
            return np.array([*self._grip(grasp), max(height, over) if far else height])

        return self.hand.reach(
            waypoint,
            grasp.rotation, OPEN, patience=61, tolerance=0.012, aligned=True,
        )  # fmt: skip

    def _down(self, grasp: TopGrasp) -> Movement:
        return self.hand.reach(
            lambda: np.array([*self._grip(grasp), grasp.height]),
            grasp.rotation, OPEN, patience=61, tolerance=0.007, aligned=True,
        )  # fmt: skip

    def _out_from_under(self, grasp: TopGrasp, held: Points, slipped: Callable[[], bool]) -> Iterator[Movement]:
        """Where something hangs over the object, such as an open drawer: a little up, then aside.

        The movement after these goes up from `self._lifted_from`.
        """
        aside = shift_to_open_air(self.scene, self.name)
        raised = held + np.array([0.0, 0.0, _RAISE])
        self._lifted_from = held[:2] + aside
        if aside.any():
            yield self._bring(raised, grasp, slipped)
            yield self._bring(raised + np.array([*aside, 0.0]), grasp, slipped)

    def _bring(self, there: Points, grasp: TopGrasp, slipped: Callable[[], bool]) -> Movement:
        return self.hand.reach(lambda: there, grasp.rotation, CLOSED, patience=31, tolerance=0.012, abort=slipped)

    def _lift(self, grasp: TopGrasp, travel: float, slipped: Callable[[], bool]) -> Movement:
        return self.hand.reach(
            lambda: np.array([*self._lifted_from, travel]), grasp.rotation, CLOSED,
            patience=31, until=lambda: bool(self.hand.position[2] > travel - 0.03), abort=slipped,
        )  # fmt: skip

    def _carry(self, grasp: TopGrasp, height: float, slipped: Callable[[], bool], *, tolerance: float) -> Movement:
        """Bring what must be at the place (the object's origin, or its middle) there, whatever the hand's own place."""

        def over() -> Points:
            anchor = self.scene.position(self.name)[:2]
            if self.place.centred:
                anchor = anchor + grasp.middle
            return np.array([*(self.place.position(self.scene)[:2] - (anchor - self.hand.position[:2])), height])

        return self.hand.reach(over, grasp.rotation, CLOSED, patience=46, tolerance=tolerance, abort=slipped)

    def _retreat(self, grasp: TopGrasp) -> Movement:
        up = self.hand.position + np.array([0.0, 0.0, 0.1])
        return self.hand.reach(lambda: up, grasp.rotation, OPEN, patience=40, tolerance=0.03)

    # -- what is seen

    def _grip(self, grasp: TopGrasp) -> Points:
        grip: Points = self.scene.position(self.name)[:2] + grasp.offset
        return grip

    def _height(self) -> float:
        return float(self.scene.position(self.name)[2])
