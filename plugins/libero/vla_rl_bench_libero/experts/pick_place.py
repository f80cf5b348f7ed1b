"""Pick an object from above, carry it to a target, and release it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from vla_rl_bench_libero.experts.height_map import height_map, other_geoms, shift_to_free_space
from vla_rl_bench_libero.experts.manipulator import CLOSED, OPEN, Commands, Manipulator, Movement, last_command
from vla_rl_bench_libero.experts.placement import PlacementTarget, highest_between
from vla_rl_bench_libero.experts.scene import Scene
from vla_rl_bench_libero.experts.top_grasps import Destination, TopGrasp, has_room, pinch, plan_grasps
from vla_rl_bench_libero.geometry import Points

_PINCH_ATTEMPTS = 4  # with the whole object between the fingers, if it fits
_FITS = 0.072  # meters between the open fingers, less a margin
_LOST = 0.06  # meters that an object may move in the hand
_CLEARANCE = 0.06  # meters between the finger tips and obstacles below the open hand
_AT_REST, _FALL_STEPS = 0.03, 15  # meters per second; steps
_RAISE = 0.03  # meters up, before the object moves aside
_NARROW = 0.05  # meters: fingers need longer to close on less


@dataclass
class PickPlace:
    """Pick an object and put it on or into a target."""

    scene: Scene
    hand: Manipulator
    name: str
    target: PlacementTarget
    attempts: int = 0
    failed: list[TopGrasp] = field(default_factory=list)  # grasps that did not hold
    _lifted_from: Points = field(default_factory=lambda: np.zeros(2))  # xy, meters

    def perform(self) -> Commands:
        """Pick and place once; end with the hand above the target, or at once if the object slips."""
        yield from self._wait()
        grasp = self._plan()
        self.attempts += 1
        yield from last_command((yield from self._over(grasp)))
        last = yield from self._down(grasp)
        grip_position, initial_height = self.hand.position, self._height()
        below_hand = float(grip_position[2]) - grasp.bottom  # how far the object extends below the hand
        travel, release = self.target.heights(self.scene, self.name, below_hand, self.hand)
        closing = self.hand.stay(grasp.rotation, CLOSED, 14 if grasp.width < _NARROW else 10)
        yield from last_command(last)
        yield from last_command((yield from closing))

        initial_offset = self.scene.position(self.name) - grip_position

        def slipped() -> bool:
            """Check if the object stayed behind when the hand rose, or was lost later."""
            left_behind = self.hand.position[2] - grip_position[2] > 0.05 and self._height() - initial_height < 0.02
            slip = self.scene.position(self.name) - self.hand.position - initial_offset
            return bool(left_behind or np.linalg.norm(slip) > _LOST)

        for movement in (
            *self._out_from_under(grasp, grip_position, slipped),
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
        yield from last_command(last)
        last = yield from opening
        self.hand.has_worked = True
        retreat = self._retreat(grasp)
        yield from last_command(last)
        yield from last_command((yield from retreat))

    def _wait(self) -> Commands:
        """Wait until the object is at rest: some objects fall at the start of an episode."""
        for _ in range(_FALL_STEPS):
            if self.scene.speed(self.name) < _AT_REST:
                return
            yield self.hand.towards(self.hand.position, self.hand.rotation, OPEN)

    def _plan(self) -> TopGrasp:
        """Return a grasp of the whole object if it fits, else of its walls, rim or handle."""
        hand = self.hand.hand
        whole = pinch(self.scene, self.name, self.target.owner(self.scene) or "", hand)
        if self.attempts < _PINCH_ATTEMPTS and whole.width <= _FITS and has_room(self.scene, self.name, whole, hand):
            return whole
        grasps = plan_grasps(self.scene, self.name, hand, self._destination())
        untried = [grasp for grasp in grasps if not any(grasp.resembles(failed) for failed in self.failed)]
        return (untried or grasps or [whole])[0]

    def _destination(self) -> Destination:
        position = self.target.position(self.scene)
        bottom = float(self.scene.points(self.name)[:, 2].min())
        resting = float(self.target.floor(self.scene)) + self._height() - bottom
        surroundings = height_map(self.scene, other_geoms(self.scene, self.name), position[:2], 0.2, step=0.01)
        return Destination(np.array([*position[:2], resting + 0.01]), surroundings)

    # -- movements

    def _over(self, grasp: TopGrasp) -> Movement:
        height = max(grasp.top + 0.06, grasp.height + 0.08)
        grip = self._grip(grasp)
        if self.hand.has_worked:  # it may be between objects; an episode begins above them
            over = highest_between(self.scene, self.hand.position[:2], grip, (self.name,)) + _CLEARANCE
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

    def _out_from_under(
        self, grasp: TopGrasp, grip_position: Points, slipped: Callable[[], bool]
    ) -> Iterator[Movement]:
        """Move slightly up, then aside, if something is above the object, such as an open drawer.

        The next movement goes up from `self._lifted_from`.
        """
        shift = shift_to_free_space(self.scene, self.name)
        raised = grip_position + np.array([0.0, 0.0, _RAISE])
        self._lifted_from = grip_position[:2] + shift
        if shift.any():
            yield self._bring(raised, grasp, slipped)
            yield self._bring(raised + np.array([*shift, 0.0]), grasp, slipped)

    def _bring(self, position: Points, grasp: TopGrasp, slipped: Callable[[], bool]) -> Movement:
        return self.hand.reach(lambda: position, grasp.rotation, CLOSED, patience=31, tolerance=0.012, abort=slipped)

    def _lift(self, grasp: TopGrasp, travel: float, slipped: Callable[[], bool]) -> Movement:
        return self.hand.reach(
            lambda: np.array([*self._lifted_from, travel]), grasp.rotation, CLOSED,
            patience=31, until=lambda: bool(self.hand.position[2] > travel - 0.03), abort=slipped,
        )  # fmt: skip

    def _carry(self, grasp: TopGrasp, height: float, slipped: Callable[[], bool], *, tolerance: float) -> Movement:
        """Bring the object's origin, or its middle, to the target, independent of its offset from the hand."""

        def over() -> Points:
            anchor = self.scene.position(self.name)[:2]
            if self.target.centered:
                anchor = anchor + grasp.middle
            return np.array([*(self.target.position(self.scene)[:2] - (anchor - self.hand.position[:2])), height])

        return self.hand.reach(over, grasp.rotation, CLOSED, patience=46, tolerance=tolerance, abort=slipped)

    def _retreat(self, grasp: TopGrasp) -> Movement:
        up = self.hand.position + np.array([0.0, 0.0, 0.1])
        return self.hand.reach(lambda: up, grasp.rotation, OPEN, patience=40, tolerance=0.03)

    # -- state

    def _grip(self, grasp: TopGrasp) -> Points:
        grip: Points = self.scene.position(self.name)[:2] + grasp.offset
        return grip

    def _height(self) -> float:
        return float(self.scene.position(self.name)[2])
