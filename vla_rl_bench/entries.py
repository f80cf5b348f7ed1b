"""Frozen records that plugins hand to the Catalog: what exists, without importing it.

Everything heavy is named as ``"module:attribute"`` and imported when it is used, so that looking around costs nothing.
`options` is a frozen dataclass (in a light module) whose fields are what a suite may write beside ``name:``; types are
checked by pydantic, ``__post_init__`` may raise ValueError, unknown keys are refused.  All of them, defaults included,
are part of a run's identity; an option that comes later, when there are runs already, is a ``field(default=...,
metadata={"added_later": True})``: at its default it stays out of the identity, and those runs are still found.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import InitVar, dataclass, field
from pathlib import Path
from typing import Any

from vla_rl_bench.deprecated import warn_once


def load(reference: str) -> Any:
    """``"package.module:attribute"`` -> the object."""
    module, _, attribute = reference.partition(":")
    return getattr(importlib.import_module(module), attribute)


@dataclass(frozen=True)
class NoOptions:
    """For entries that take no options."""


@dataclass(frozen=True)
class Requirements:
    """A file of pip requirements; `path` is absolute.  dependencies: False installs what it lists and nothing else."""

    path: Path
    dependencies: bool = True


@dataclass(frozen=True)
class Interpreter:
    """An interpreter of their own for workers whose simulator's pins clash with ours.

    ``vla-rl-bench env create NAME`` builds it, in the order of `requirements`; it then serves by itself wherever a
    suite gives no ``environment.python``.  It needs NumPy; our code and the plugin's are lent to it.
    python: the versions that will do, such as ``3.11``, best first.  imports: modules that must import in the end.
    gigabytes: the disk space it takes, roughly.
    """

    name: str
    summary: str
    python: tuple[str, ...]
    requirements: tuple[Requirements, ...]
    imports: tuple[str, ...] = ()
    gigabytes: float = 0.0


@dataclass(frozen=True)
class EnvironmentEntry:
    """`make` refers to ``make(suite: str, options, slots: int) -> Environment | BatchedEnvironment``.

    suites: the task suites that a suite file may name as columns.
    batched: `make` returns a `BatchedEnvironment` that serves `slots` episodes in the trainer's own process.
    requires: importable modules it needs; install: the command that brings them.
    demonstrations: refers to ``read(path: Path, contract: EnvironmentSpec, tasks: Sequence[int], per_task: int,
    options) -> list[Demonstration]``, for a suite's ``demonstrations.source``: people's own data, in whatever
    format the environment's users have; a `UserError` says what does not fit.
    interpreter: the interpreter that its workers run under, where it cannot be this one; not for batched ones.
    needs: refers to ``needs(suites: Sequence[str], options, python: str | None) -> Sequence[CheckResult]``: what the
    columns of a suite take beyond `requires` (files, drivers); python: the workers' interpreter, None: this one.
    behavior: refers to ``behavior(events: Sequence[str]) -> str``, pure and in a light module: an episode's events in
    the order in which they came -> one word for the way in which the task was solved (``grasp``, ``push``).  For
    analysis only; None: no such words.  `behaviour` is the old name of this argument.
    """

    name: str
    summary: str
    make: str
    suites: tuple[str, ...]
    options: type = NoOptions
    batched: bool = False
    requires: tuple[str, ...] = ()
    install: str = ""
    demonstrations: str | None = None
    interpreter: Interpreter | None = None
    needs: str | None = None
    behavior: str | None = None
    behaviour: InitVar[str | None] = None

    def __post_init__(self, behaviour: str | None) -> None:
        if behaviour is not None:
            warn_once("EnvironmentEntry(behaviour=...)", "EnvironmentEntry(behavior=...)", stacklevel=4)
            object.__setattr__(self, "behavior", behaviour)


@dataclass(frozen=True)
class PolicyEntry:
    """`make` refers to ``make(spec: EnvironmentSpec, options, seed: int) -> TokenPolicy``.

    expects: refers to ``expects(spec: EnvironmentSpec, options) -> vla_rl_bench.conventions.Expectation``, for policies
    whose weights were trained elsewhere: which conventions they mean.  Before anything runs they are compared with what
    the environment declares, and a difference is refused.  In a light module; a `UserError` where nothing fits at all.
    memory: refers to ``memory(options, gpus: int, strategy: str) -> str``, what `show NAME --memory` prints; strategy
    is ``single``, ``deepspeed-zero1``, ``deepspeed-zero2`` or ``deepspeed-zero3``.
    needs: refers to ``needs(suites: Sequence[str], options, gpus: int, strategy: str) -> Sequence[CheckResult]``: what
    the columns of a suite take beyond `requires` (a checkpoint, memory).
    demonstrates: the environment's own `demonstrate` plays the policy's episodes.  Such a policy is evaluated and never
    trained; `make` gives a ``torch.nn.Module`` that is only saved.
    """

    name: str
    summary: str
    make: str
    options: type = NoOptions
    requires: tuple[str, ...] = ()
    install: str = ""
    memory: str | None = None
    expects: str | None = None
    needs: str | None = None
    demonstrates: bool = False


@dataclass(frozen=True)
class StrategyEntry:
    """`make` refers to ``make(options) -> vla_rl_bench.interfaces.Strategy``; called once a process."""

    name: str
    summary: str
    make: str
    options: type = NoOptions
    requires: tuple[str, ...] = ()
    install: str = ""


@dataclass(frozen=True)
class TrickEntry:
    """`trick` is a frozen dataclass: its fields are its options, its methods marked ``@hookimpl`` are what it does."""

    name: str
    summary: str
    trick: type


@dataclass(frozen=True)
class AlgorithmEntry:
    """`train` refers to ``train(training: vla_rl_bench.engine.training.Training) -> None``.

    It trains the policy in place and resumes from the run's last checkpoint; `vla_rl_bench.engine.grpo` is the model.
    """

    name: str
    summary: str
    train: str


@dataclass(frozen=True)
class AdvantageEntry:
    """`function` refers to ``f(returns: Float[groups, rollouts]) -> Float[groups, rollouts]`` (torch tensors)."""

    name: str
    summary: str
    function: str


@dataclass(frozen=True)
class ObjectiveEntry:
    """`function` refers to ``f(logprobs, old_logprobs, advantages, clip: ClipRange) -> per-token objective``, to be
    maximised, all tensors of one shape.

    clipped_tokens: refers to a function of the same arguments -> 1 where the clip takes a token's gradient away, else
    0.  Its mean is the metric ``clip_fraction``; None leaves the metric out.
    """

    name: str
    summary: str
    function: str
    clipped_tokens: str | None = None


@dataclass(frozen=True)
class TrackerEntry:
    """`tracker` is a frozen dataclass whose methods marked ``@hookimpl`` observe a run."""

    name: str
    summary: str
    tracker: type


@dataclass(frozen=True)
class TableFormatEntry:
    """`render` refers to ``f(table: vla_rl_bench.analysis.tables.model.Table) -> str``; extension without the dot."""

    name: str
    summary: str
    render: str
    extension: str


@dataclass(frozen=True)
class SuiteEntry:
    """A suite file that a plugin ships; `path` is absolute."""

    name: str
    summary: str
    path: Path


@dataclass(frozen=True)
class CheckResult:
    """One line of `vla-rl-bench doctor`.  advice: what to type when it is not ok."""

    ok: bool
    what: str
    advice: str = ""


@dataclass(frozen=True)
class CheckEntry:
    """`check` looks at one need of a plugin; may take seconds; must not raise."""

    name: str
    check: Callable[[], Sequence[CheckResult]] = field(repr=False)


@dataclass(frozen=True)
class _BenchmarkEntry:
    """Record of the former hook `register_benchmarks`; plugins that still have the hook import it."""

    name: str
    summary: str
    letter: str
    rows: str
    requires: tuple[str, ...] = ()
    install: str = ""


def __getattr__(name: str) -> Any:
    if name == "BenchmarkEntry":
        warn_once("vla_rl_bench.entries.BenchmarkEntry", "tests with pytest-benchmark")
        return _BenchmarkEntry
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
