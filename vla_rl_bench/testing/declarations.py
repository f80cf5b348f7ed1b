"""Rules for an environment's declaration of itself."""

from __future__ import annotations

from dataclasses import fields
from itertools import combinations

import pytest

from vla_rl_bench.conventions import GRIPPERS, ORIENTATIONS, ROTATIONS
from vla_rl_bench.interfaces import BatchedEnvironment
from vla_rl_bench.rollout.worker import SlotEnvironments
from vla_rl_bench.testing.base import EnvironmentRules, misspelled
from vla_rl_bench.testing.remote import RemoteSlots
from vla_rl_bench.types import SPLITS

OPTIONAL_METHODS = ("step_chunk", "demonstrate", "film")


class DeclarationRules(EnvironmentRules):
    """Rules for `EnvironmentSpec`: names, sizes, conventions, splits, the protocol; and for the names of methods."""

    def test_contract_is_consistent(self, environment: BatchedEnvironment) -> None:
        contract = environment.contract
        action = contract.action
        assert contract.suite == self.suite
        assert contract.tasks
        assert all(task.step_limit > 0 and task.instruction for task in contract.tasks)
        for names in ([task.name for task in contract.tasks], [image.name for image in contract.images], action.names):
            assert len(set(names)) == len(names), f"a name appears twice: {names}"
        assert contract.images, "a policy needs a camera"
        assert len(action.low) == len(action.high) == len(action.noop) == action.dimensions > 0
        assert all(low < high for low, high in zip(action.low, action.high, strict=True))
        assert all(low <= noop <= high for low, noop, high in zip(action.low, action.noop, action.high, strict=True))

    def test_conventions_are_known_words(self, environment: BatchedEnvironment) -> None:
        """Gripper, rotation and orientation are in the vocabulary, so that a policy's conventions can be compared."""
        action = environment.contract.action
        assert action.gripper in {*GRIPPERS, *self.words}, f"see vla_rl_bench/conventions.py: {action.gripper}"
        assert action.rotation in {*ROTATIONS, *self.words}, f"see vla_rl_bench/conventions.py: {action.rotation}"
        for image in environment.contract.images:
            assert image.orientation in {*ORIENTATIONS, *self.words}, f"{image.name}: {image.orientation}"

    def test_held_out_starts_are_not_trained_on(self, environment: BatchedEnvironment) -> None:
        splits = environment.contract.splits
        assert set(splits) == set(SPLITS)
        assert all(0 <= first < stop for first, stop in splits.values())
        held_out = range(*splits["held-out"])
        for split in ("demonstration", "training"):
            starts = range(*splits[split])
            overlaps = max(held_out.start, starts.start) < min(held_out.stop, starts.stop)
            assert not overlaps, f"held-out overlaps {split}"

    def test_protocol_changes_with_every_option_that_changes_a_number(self, environment: BatchedEnvironment) -> None:
        """Every option is in `changes`, and then changes the protocol, or in `harmless`."""
        options = self.chosen_options()
        unlisted = {option.name for option in fields(options)} - set(self.changes) - set(self.harmless)
        assert not unlisted, f"name each option in `changes` or in `harmless`: {sorted(unlisted)}"
        assert environment.contract.protocol == self.contract_with().protocol != ""
        protocols = {"unchanged": environment.contract.protocol}
        for name, value in self.changes.items():
            assert getattr(options, name) != value, f"changes[{name!r}] is the value that is tested already"
            protocols[name] = self.contract_with(**{name: value}).protocol
        equal = [pair for pair in combinations(protocols, 2) if protocols[pair[0]] == protocols[pair[1]]]
        assert not equal, f"the same protocol: {equal}"

    def test_optional_methods_are_spelled_correctly(self, environment: BatchedEnvironment) -> None:
        """A method named like an optional one of `EnvironmentBase`, but not exactly, would never be called."""
        if self.entry.batched:
            pytest.skip("a batched environment has no optional methods")
        assert isinstance(environment, SlotEnvironments | RemoteSlots)
        assert not misspelled(environment.public_methods(), OPTIONAL_METHODS)
