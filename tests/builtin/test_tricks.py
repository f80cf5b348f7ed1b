"""The paper's tricks: what each answers through its hooks, and which values it refuses."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vla_rl_bench import types
from vla_rl_bench.builtin.tricks.clip_range import ClipRange
from vla_rl_bench.builtin.tricks.dynamic_sampling import DynamicSampling
from vla_rl_bench.builtin.tricks.temperature import Temperature
from vla_rl_bench.engine.hooks import RunHooks
from vla_rl_bench.types import Group, Observation, SamplingParams, Start, Trajectory

BASELINE = SamplingParams(1.0), types.ClipRange(0.2, 0.2), 1.0


def group(successes: int, size: int) -> Group:
    """A group of `size` trajectories without steps, of which the first so many succeed."""
    nothing = Observation({}, np.zeros((0, 0), np.float32))
    start, tokens, logprobs = Start(0, 0), np.zeros((0, 0), np.int16), np.zeros((0, 0), np.float32)
    return Group(
        0,
        start,
        tuple(
            Trajectory(start, number, nothing, tokens, logprobs, np.zeros(0, np.int64), number < successes)
            for number in range(size)
        ),
    )


def answers(*tricks: object) -> tuple[SamplingParams, types.ClipRange, float]:
    engine = RunHooks(tricks)
    return engine.sampling_params(0, BASELINE[0]), engine.clip_range(0, BASELINE[1]), engine.draw_limit(0, BASELINE[2])


@given(st.integers(1, 16), st.data())
def test_dynamic_sampling_keeps_exactly_the_groups_of_mixed_outcome(size: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, size))
    assert RunHooks([DynamicSampling()]).keep_group(group(successes, size)) == (0 < successes < size)


def test_bounds_on_the_success_rate_are_exclusive() -> None:
    engine = RunHooks([DynamicSampling(low=0.25, high=0.75)])
    assert [engine.keep_group(group(successes, 4)) for successes in range(5)] == [False, False, True, False, False]


def test_the_codes_bounds_equal_the_papers_for_groups_of_eight() -> None:
    """0.1 to 0.9 in SimpleVLA-RL's code, 0 < successes < G in its paper."""
    code, paper = RunHooks([DynamicSampling(0.1, 0.9)]), RunHooks([DynamicSampling()])
    groups = [group(successes, 8) for successes in range(9)]
    assert [code.keep_group(one) for one in groups] == [paper.keep_group(one) for one in groups]


def test_each_trick_answers_its_own_question_and_no_other() -> None:
    sampling, clip, draws = BASELINE
    assert answers() == BASELINE
    assert answers(DynamicSampling(max_draws=3)) == (sampling, clip, 3)
    assert answers(ClipRange()) == (sampling, types.ClipRange(0.2, 0.28), draws)
    assert answers(Temperature()) == (SamplingParams(1.6), clip, draws)
    assert answers(DynamicSampling(), ClipRange(), Temperature()) == (
        SamplingParams(1.6),
        types.ClipRange(0.2, 0.28),
        4,
    )


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: Temperature(0), "value: must be above 0, got 0"),
        (lambda: Temperature(-1), "value: must be above 0, got -1"),
        (lambda: Temperature(float("nan")), "value: must be above 0, got nan"),
        (lambda: Temperature(float("inf")), "value: must be above 0, got inf"),
        (lambda: ClipRange(low=0), "low: must lie between 0 and 1, got 0"),
        (lambda: ClipRange(low=1), "low: must lie between 0 and 1, got 1"),
        (lambda: ClipRange(high=-0.1), "high: must be above 0, got -0.1"),
        (lambda: DynamicSampling(low=0.5, high=0.5), "low: expected 0 <= low < high <= 1"),
        (lambda: DynamicSampling(high=1.5), "low: expected 0 <= low < high <= 1"),
        (lambda: DynamicSampling(max_draws=0.5), "max_draws: must be at least 1, got 0.5"),
    ],
)
def test_senseless_values_are_refused(make: Callable[[], object], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        make()
