"""Rules for what an environment says of itself."""

from __future__ import annotations

from dataclasses import fields
from itertools import combinations

import pytest

from vla_rl_bench.conventions import GRIPPERS, ORIENTATIONS, ROTATIONS
from vla_rl_bench.interfaces import BatchedEnvironment
from vla_rl_bench.rollout.worker import AdaptedEnvironment
from vla_rl_bench.testing.base import EnvironmentRules, misspelled
from vla_rl_bench.types import SPLITS

OPTIONAL_METHODS = ("step_chunk", "demonstrate", "film")


class DeclarationRules(EnvironmentRules):
    """`EnvironmentSpec`: names, sizes, conventions, splits, the protocol."""

    def test_the_contract_is_consistent(self, environment: BatchedEnvironment) -> None:
        contract = environment.contract
        action = contract.action
        assert contract.suite == self.suite
        assert contract.tasks
        assert all(task.step_limit > 0 and task.instruction for task in contract.tasks)
        for names in ([one.name for one in contract.tasks], [one.name for one in contract.images], action.names):
            assert len(set(names)) == len(names), f"a name twice: {names}"
        assert contract.images, "a policy needs a camera"
        assert len(action.low) == len(action.high) == len(action.noop) == action.dimensions > 0
        assert all(low < high for low, high in zip(action.low, action.high, strict=True))
        assert all(low <= noop <= high for low, noop, high in zip(action.low, action.noop, action.high, strict=True))

    def test_conventions_are_known_words(self, environment: BatchedEnvironment) -> None:
        """So that a policy's expectations can be compared with them."""
        action = environment.contract.action
        assert action.gripper in {*GRIPPERS, *self.words}, f"see vla_rl_bench/conventions.py: {action.gripper}"
        assert action.rotation in {*ROTATIONS, *self.words}, f"see vla_rl_bench/conventions.py: {action.rotation}"
        for image in environment.contract.images:
            assert image.orientation in {*ORIENTATIONS, *self.words}, f"{image.name}: {image.orientation}"

    def test_held_out_starts_are_not_trained_on(self, environment: BatchedEnvironment) -> None:
        splits = environment.contract.splits
        assert set(splits) == set(SPLITS)
        assert all(0 <= first < stop for first, stop in splits.values())
        held = range(*splits["held-out"])
        for split in ("demonstration", "training"):
            seen = range(*splits[split])
            assert max(held.start, seen.start) >= min(held.stop, seen.stop), f"held-out overlaps {split}"

    def test_the_protocol_holds_everything_that_changes_a_number(self, environment: BatchedEnvironment) -> None:
        """Every option is in `changes`, and then it is in the protocol, or in `harmless`, and then it is not."""
        options = self.chosen_options()
        unsaid = {one.name for one in fields(options)} - set(self.changes) - set(self.harmless)
        assert not unsaid, f"name each option in `changes` or in `harmless`: {sorted(unsaid)}"
        assert environment.contract.protocol == self.contract_with().protocol != ""
        seen = {"as it is": environment.contract.protocol}
        for name, value in self.changes.items():
            assert getattr(options, name) != value, f"changes[{name!r}] is what it is already"
            seen[name] = self.contract_with(**{name: value}).protocol
        same = [pair for pair in combinations(seen, 2) if seen[pair[0]] == seen[pair[1]]]
        assert not same, f"the same protocol: {same}"

    def test_optional_methods_are_spelled_correctly(self) -> None:
        """A method named like an optional one of `EnvironmentBase`, but not exactly, would never be called."""
        if self.entry.batched or self.elsewhere():
            pytest.skip("looks at the class of an environment of this interpreter")
        environment = self.make_single()
        try:
            cls = type(environment.environment if isinstance(environment, AdaptedEnvironment) else environment)
            assert not misspelled(cls, OPTIONAL_METHODS)
        finally:
            environment.close()
