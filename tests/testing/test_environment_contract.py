"""The embedded environment keeps the contract that plugins are held to, and the contract finds those that do not."""

from __future__ import annotations

import inspect
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from tests.testing import counting
from tests.testing.counting import Counter
from vla_rl_bench.builtin import plugin
from vla_rl_bench.builtin.tabletop.options import TabletopOptions
from vla_rl_bench.rollout.worker import SlotEnvironments
from vla_rl_bench.testing import EnvironmentContract
from vla_rl_bench.types import FloatArray, Start

REPOSITORY = Path(__file__).parents[2]
RULES = {name: one for name, one in inspect.getmembers(EnvironmentContract) if name.startswith("test_")}


@pytest.fixture(autouse=True)
def workers_find_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))


class Tabletop(EnvironmentContract):
    entry = next(iter(plugin.register_environments()))
    changes = {  # noqa: RUF012
        "jitter": 0.03,
        "image_size": 64,
        "expert_noise": 0.2,
        "friction": True,
        "grasp_radius": 0.05,
    }


class TestObject(Tabletop):
    suite = "object"


class TestPushing(Tabletop):
    suite = "object"
    options = TabletopOptions(friction=True, grasp_radius=0.03)
    changes = {**Tabletop.changes, "friction": False}  # noqa: RUF012


class TestSpatial(Tabletop):
    suite = "spatial"


class TestGoal(Tabletop):
    suite = "goal"


class TestLong(Tabletop):
    suite = "long"


class TestCounter(EnvironmentContract):
    entry = counting.ENTRY
    suite = "Counter"
    changes = {"goal": 2.0, "tint": 5}  # noqa: RUF012
    harmless = ("color",)


class TestRemote(TestCounter):
    """As for an environment under an interpreter of its own."""

    python = sys.executable


BROKEN = {
    "test_contract_is_consistent": ["Idle", "Wordless", "Doubled", "Blind", "Restless", "Nowhere"],
    "test_conventions_are_known_words": ["SlangGripper", "SlangRotation", "SlangCamera"],
    "test_held_out_starts_are_not_trained_on": ["Overlapping", "Shown", "Unheld"],
    "test_protocol_changes_with_every_option_that_changes_a_number": ["Unversioned", "Forgetful", "Talkative"],
    "test_optional_methods_are_spelled_correctly": ["Misspelled"],
    "test_gymnasium_check_env_passes": ["Uninformative"],
    "test_observations_match_the_contract": [
        "DoublePrecision", "Unfinite", "Curt", "Shrinking", "Floating", "Generous",
    ],
    "test_episodes_repeat_from_the_same_start": ["Drifting"],
    "test_different_starts_differ": ["Monotonous"],
    "test_slots_are_independent": ["Sharing"],
    "test_chunk_equals_its_single_steps": ["Lagging", "Secretive"],
    "test_episodes_end_at_the_step_limit": ["Lasting", "Hasty", "Overrunning", "Wistful"],
    "test_film_gives_images_of_one_size": ["Faint", "Zooming"],
    "test_film_does_not_change_the_episode": ["Posing"],
    "test_seconds_grow_under_known_names": ["Rewound", "Mislabelled"],
    "test_demonstrations_repeat_and_fit": ["Moody", "Reluctant", "Straining", "Late", "Uneven"],
    "test_success_is_terminal": ["Tireless", "Modest"],
    "test_worker_process_gives_the_same_bytes": ["Local", "Salted"],
    "test_resets_do_not_leak_memory": ["Leaking"],
    "test_close_leaves_no_processes_files_or_memory": ["Abandoning", "Littering"],
    "test_close_may_be_called_twice": ["Unforgiving"],
}  # fmt: skip


def hold(rule: str, suite: str, **attributes: object) -> None:
    """Put the environment of that name to one rule."""
    contract = type(suite, (TestCounter,), {"suite": suite, **attributes})()
    made = contract.make()
    try:
        given = {"environment": made} if "environment" in inspect.signature(RULES[rule]).parameters else {}
        getattr(contract, rule)(**given)
    finally:
        with suppress(AssertionError):
            made.close()


@pytest.mark.parametrize(("rule", "suite"), [(rule, suite) for rule, found in BROKEN.items() for suite in found])
def test_what_breaks_the_contract_is_found(rule: str, suite: str) -> None:
    """`TestCounter` shows that the rule holds where nothing is broken."""
    with pytest.raises(AssertionError):
        hold(rule, suite, close_seconds=0.3)


def test_every_rule_finds_something() -> None:
    assert set(BROKEN) == set(RULES)
    made = {name for name, one in vars(counting).items() if inspect.isclass(one) and issubclass(one, Counter)}
    assert {name for found in BROKEN.values() for name in found} == made - {"Counter"}


def test_an_option_that_nobody_thought_of_is_found() -> None:
    with pytest.raises(AssertionError, match="color"):
        hold("test_protocol_changes_with_every_option_that_changes_a_number", "Counter", harmless=())


def test_misspelled_method_is_found_in_a_worker_process() -> None:
    with pytest.raises(AssertionError, match="step_chunks: did you mean `step_chunk`"):
        hold("test_optional_methods_are_spelled_correctly", "Misspelled", python=sys.executable)


def test_own_words_are_allowed() -> None:
    hold("test_conventions_are_known_words", "SlangGripper", words=("the usual",))


@pytest.fixture
def counter() -> SlotEnvironments:
    return SlotEnvironments(lambda: counting.make("Counter", counting.CounterOptions(), 1), 1)


@pytest.mark.parametrize("rule", ["test_success_is_terminal", "test_demonstrations_repeat_and_fit"])
def test_without_an_expert_demonstrations_are_not_asked_for(rule: str, counter: SlotEnvironments) -> None:
    class Without(TestCounter):
        expert = False

    with pytest.raises(pytest.skip.Exception, match="no expert"):
        getattr(Without(), rule)(counter)


def test_labels_that_solve_nothing_are_said_to(counter: SlotEnvironments) -> None:
    class Failing(TestCounter):
        def demonstrate(self, environment: object, starts: object) -> list[None]:
            return [None]

    with pytest.raises(pytest.skip.Exception, match="define `solve`"):
        Failing().test_success_is_terminal(counter)


def test_solve_serves_without_an_expert(counter: SlotEnvironments) -> None:
    class Knowing(TestCounter):
        expert = False

        def solve(self, environment: object, start: Start) -> FloatArray:
            return np.ones((9, 1), np.float32)

    Knowing().test_success_is_terminal(counter)
