"""The Engine's own rules: order, what a trick may answer, and that observers cannot end a run."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from vla_rl_bench import events
from vla_rl_bench.builtin.tricks.temperature import Temperature
from vla_rl_bench.engine.hooks import RunHooks
from vla_rl_bench.errors import PluginError
from vla_rl_bench.hookspecs import EngineHooks, hookimpl
from vla_rl_bench.types import Group, SamplingParams, Start

ENDED = events.RunEnd("run", Path("folder"), "complete")


@dataclass(frozen=True)
class Plus:
    amount: float

    @hookimpl(wrapper=True)
    def sampling_params(self) -> Generator[None, SamplingParams, SamplingParams]:
        return SamplingParams((yield).temperature + self.amount)


@dataclass(frozen=True)
class Times:
    amount: float

    @hookimpl(wrapper=True)
    def sampling_params(self) -> Generator[None, SamplingParams, SamplingParams]:
        return SamplingParams((yield).temperature * self.amount)


@dataclass(frozen=True)
class Diary:
    name: str
    pages: list[str] = field(default_factory=list, compare=False)

    @hookimpl
    def on_run_end(self, event: events.RunEnd) -> None:
        self.pages.append(f"{self.name} {event.status}")


@dataclass(frozen=True)
class Crash:
    @hookimpl
    def on_run_end(self) -> None:
        raise OSError("disk\nfull")


def temperature(*tricks: object) -> float:
    return RunHooks(tricks).sampling_params(0, SamplingParams(1.0)).temperature


def test_a_later_wrapper_goes_around_an_earlier_one() -> None:
    assert temperature(Plus(1), Times(10)) == (1 + 1) * 10
    assert temperature(Times(10), Plus(1)) == 1 * 10 + 1


def test_wrappers_go_around_the_owner_wherever_it_stands() -> None:
    assert temperature(Plus(1), Temperature(3), Times(10)) == (3 + 1) * 10
    assert temperature(Temperature(3), Plus(1), Times(10)) == (3 + 1) * 10


def test_an_engine_forgets_nothing_and_shares_nothing() -> None:
    """Each call has its own default; two engines of the same tricks are independent."""
    engine, other = RunHooks([Plus(1)]), RunHooks([])
    assert [engine.sampling_params(0, SamplingParams(t)).temperature for t in (1.0, 5.0)] == [2.0, 6.0]
    assert other.sampling_params(0, SamplingParams(1.0)).temperature == 1.0
    returns = torch.tensor([[0.0, 1.0]])
    assert engine.advantages(returns, lambda x: x + 1).tolist() == [[1.0, 2.0]]
    assert engine.advantages(returns, lambda x: x + 2).tolist() == [[2.0, 3.0]]


def test_an_answer_of_another_type_or_shape_is_refused() -> None:
    class Number:
        @hookimpl
        def sampling_params(self) -> float:
            return 1.6

    class Flat:
        @hookimpl
        def advantages(self, returns: Tensor) -> Tensor:
            return returns.flatten()

    with pytest.raises(PluginError, match="sampling_params: expected SamplingParams, got float"):
        temperature(Number())
    with pytest.raises(PluginError, match=r"advantages: expected shape \(2, 3\), got \(6,\)"):
        RunHooks([Flat()]).advantages(torch.zeros(2, 3), lambda x: x)


def test_a_trick_with_a_hook_that_does_not_exist_is_refused() -> None:
    class Misspelt:
        @hookimpl
        def sampling_param(self) -> None: ...

    with pytest.raises(PluginError, match="unknown hook 'sampling_param'"):
        RunHooks([Misspelt()])


def test_a_tracker_cannot_change_a_number() -> None:
    with pytest.raises(PluginError, match="a tracker only observes; `sampling_params` belongs in a trick"):
        RunHooks([], [Temperature(3)])


def test_observers_are_told_in_order_and_one_that_raises_is_recorded() -> None:
    pages: list[str] = []
    engine = RunHooks([Diary("trick", pages)], [Diary("first", pages), Crash(), Diary("last", pages)])
    assert engine.notify(ENDED) == ["Crash.on_run_end: OSError: disk full"]
    assert pages == ["trick complete", "first complete", "last complete"]
    engine.notify(ENDED)
    assert engine.observer_errors == ["Crash.on_run_end: OSError: disk full"] * 2


def test_every_event_reaches_the_hook_that_takes_it() -> None:
    got: dict[str, Any] = {}
    names = [name for name in vars(EngineHooks) if name.startswith("on_")]

    def observer(name: str) -> Any:
        def hook(self: object, event: object) -> None:
            got[name] = event

        return hookimpl(hook)

    watch = type("Watch", (), {name: observer(name) for name in names})()
    engine = RunHooks([], [watch])
    path = Path("x")
    all_events = {
        "on_run_start": events.RunStart("r", path, {}),
        "on_group_end": events.GroupEnd("r", path, 1, Group(0, Start(0, 0), ()), policy=None),  # type: ignore[arg-type]
        "on_rollout_end": events.RolloutEnd("r", path, 1, 2, 1, 3, 4),
        "on_update_end": events.UpdateEnd("r", 1, False, {}),
        "on_eval_end": events.EvaluationEnd("r", None, "greedy", 1, 2),
        "on_checkpoint": events.CheckpointSaved("r", 1, path),
        "on_run_end": ENDED,
    }
    for event in all_events.values():
        assert engine.notify(event) == []
    assert got == all_events
    assert set(names) == set(all_events)
