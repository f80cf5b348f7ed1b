"""A NaN in a demonstration ends the run in one line, from an expert as from a file; it never becomes a label."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.config.suites import load_suite_text
from tests.plugins_in_hand import with_builtin
from tests.testing.counting import Counter, CounterOptions
from vla_rl_bench.entries import EnvironmentEntry
from vla_rl_bench.errors import UserError
from vla_rl_bench.hookspecs import hookimpl
from vla_rl_bench.suite.runner import run_suite
from vla_rl_bench.types import Demonstration, EnvironmentSpec, Observation, Start

SUITE = """
name: nan
environment: {name: nan}
columns: [Counter]
policy: {name: nano, patch: 8, width: 16, heads: 1}
seeds: [0]
arms:
  - {name: sft, demonstrations: {per_task: 1}, sft: {steps: 1, batch_size: 1, learning_rate: 1e-3}}
evaluation: {per_task: 1}
"""


class NanExpert(Counter):
    def demonstrate(self, start: Start, seed: int) -> Demonstration | None:
        demonstration = super().demonstrate(start, seed)
        assert demonstration is not None
        actions = demonstration.actions.copy()
        actions[1, 0] = np.nan
        return replace(demonstration, actions=actions)


def make(suite: str, options: CounterOptions, slots: int) -> NanExpert:
    return NanExpert(suite, options)


def read(
    path: Path, contract: EnvironmentSpec, tasks: Sequence[int], per_task: int, options: CounterOptions
) -> list[Demonstration]:
    """Demonstrations whose proprioception is infinite at the last step."""
    demonstration = Counter("Counter", options).demonstrate(Start(0, 0), 0)
    assert demonstration is not None
    proprio = demonstration.observations.proprio.copy()
    proprio[-1, 1] = np.inf
    return [replace(demonstration, observations=Observation(demonstration.observations.images, proprio))]


class Plugin:
    @hookimpl
    def register_environments(self) -> Iterator[EnvironmentEntry]:
        module = "tests.suite.test_finite_demonstrations"
        yield EnvironmentEntry(
            "nan", "for tests", f"{module}:make", ("Counter",), CounterOptions, demonstrations=f"{module}:read"
        )


def failure(folder: Path, *changes: str) -> str:
    catalog = with_builtin(nan=Plugin())
    with pytest.raises(UserError) as caught:
        run_suite(load_suite_text(SUITE, changes, catalog), catalog, folder, jobs=1)
    return str(caught.value).splitlines()[0]


def test_check_finite_names_a_nan_of_an_expert(tmp_path: Path) -> None:
    message = failure(tmp_path / "runs")
    store = next((tmp_path / "runs" / "demonstrations").glob("*.npz"))
    assert f"{store}: a demonstration of task 0 (count): action `up` is nan at step 1, and must be finite" in message


def test_check_finite_names_an_infinity_of_a_file(tmp_path: Path) -> None:
    source = tmp_path / "recorded"
    source.touch()
    message = failure(tmp_path / "runs", f"demonstrations.source={source}")
    assert f"{source}: a demonstration of task 0 (count): proprioception `begun at` is inf at step 2" in message
