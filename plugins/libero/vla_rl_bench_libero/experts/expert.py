"""The expert of a task: it satisfies the goal's unmet predicates in sequence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vla_rl_bench_libero.experts.goals import Skill, make_skill, next_goal, unsupported_predicates
from vla_rl_bench_libero.experts.manipulator import OPEN, Command, Manipulator
from vla_rl_bench_libero.experts.scene import Predicate, Scene


class Expert:
    """The expert of an episode: call `act` before every step."""

    def __init__(self, instance: Any) -> None:
        """Start from LIBERO's problem instance right after a reset."""
        self._scene, self._hand = Scene(instance), Manipulator(instance)
        self._skills: dict[tuple[str, ...], Skill] = {}  # skills keep track of failed attempts
        self._commands = self._act()

    def act(self) -> Command:
        """Return the next command."""
        return next(self._commands)

    def _act(self) -> Iterator[Command]:
        while True:
            goal = next_goal(self._scene)
            if goal is None:
                yield self._hand.towards(self._hand.position, self._hand.rotation, OPEN, steady=True)
            else:
                yield from self._skill(goal).perform()

    def _skill(self, goal: Predicate) -> Skill:
        key = tuple(goal)
        if key not in self._skills:
            self._skills[key] = make_skill(self._scene, self._hand, goal)
        return self._skills[key]


def supported(instance: Any) -> bool:
    """Check that there is a skill for each predicate of the task's goal."""
    return not unsupported_predicates(Scene(instance))


def missing_skill(instance: Any) -> str:
    """Return the goal's predicates without a skill, as text; "" if there is a skill for each."""
    return ", ".join(f"`{' '.join(predicate)}`" for predicate in unsupported_predicates(Scene(instance)))
