"""Frozen records that plugins hand to the Catalog: they describe what exists, without importing it.

Everything heavy is named as ``"module:attribute"`` and imported when it is used, so that listing costs nothing.

Options are a frozen dataclass in a light module; its fields are the keys that a suite may write beside ``name:``.
Types are checked by pydantic, ``__post_init__`` may raise ValueError, and unknown keys are errors.  All options,
defaults included, are part of a run's identity.  An option added when runs exist already is a ``field(default=...,
metadata={"added_later": True})``: at its default it stays out of the identity, so that those runs are still found.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import InitVar, dataclass, field
from pathlib import Path
from typing import Any

from vla_rl_bench.deprecated import warn_once


def load(reference: str) -> Any:
    """Import what a reference names.

    Args:
        reference: ``"package.module:attribute"``.
    """
    module, _, attribute = reference.partition(":")
    return getattr(importlib.import_module(module), attribute)


@dataclass(frozen=True)
class NoOptions:
    """Options of entries that have none."""


@dataclass(frozen=True)
class Requirements:
    """A file of pip requirements."""

    path: Path  # absolute
    dependencies: bool = True  # False: install what the file lists and nothing else


@dataclass(frozen=True)
class Interpreter:
    """A separate Python interpreter for workers whose simulator's pins clash with ours.

    ``vla-rl-bench env create NAME`` builds it; workers then use it unless the suite sets ``environment.python``.  It
    needs NumPy; our code and the plugin's are imported from where the trainer has them.
    """

    name: str
    summary: str  # a line of text
    python: tuple[str, ...]  # versions that work, such as `3.11`, best first
    requirements: tuple[Requirements, ...]  # installed in this order
    imports: tuple[str, ...] = ()  # modules that must import once it is built
    gigabytes: float = 0.0  # disk space, roughly


@dataclass(frozen=True)
class EnvironmentEntry:
    """An environment that a suite may name."""

    name: str  # as suites write it
    summary: str  # a line of text
    # Refers to `make(suite: str, options, slots: int) -> EnvironmentBase | BatchedEnvironment`; slots is 1 unless
    # `batched`.
    make: str
    suites: tuple[str, ...]  # task suites that a suite file may name as columns
    options: type = NoOptions
    batched: bool = False  # `make` returns a `BatchedEnvironment` of `slots` episodes in the trainer's own process
    requires: tuple[str, ...] = ()  # modules that must be importable
    install: str = ""  # command that installs them
    # Refers to `read(path: Path, contract: EnvironmentSpec, tasks: Sequence[int], per_task: int, options) ->
    # list[Demonstration]`, for a suite's `demonstrations.source`: the user's own data, in the formats that the
    # environment's users have.  A `UserError` says what does not fit.
    demonstrations: str | None = None
    interpreter: Interpreter | None = None  # of its workers, if it cannot be the trainer's; not for batched ones
    # Refers to `needs(suites: Sequence[str], options, python: str | None) -> Sequence[CheckResult]`: what the columns
    # of a suite need beyond `requires` (files, drivers); python: the workers' interpreter, None: the trainer's.
    needs: str | None = None
    # Refers to `behavior(events: Sequence[str]) -> str`, pure and in a light module: an episode's events in their order
    # -> a word for how the task was solved (`grasp`, `push`); for analysis only.
    behavior: str | None = None
    behaviour: InitVar[str | None] = None  # the old name of `behavior`

    def __post_init__(self, behaviour: str | None) -> None:
        if behaviour is not None:
            warn_once("EnvironmentEntry(behaviour=...)", "EnvironmentEntry(behavior=...)", stacklevel=4)
            object.__setattr__(self, "behavior", behaviour)


@dataclass(frozen=True)
class PolicyEntry:
    """A policy that a suite may name."""

    name: str  # as suites write it
    summary: str  # a line of text
    make: str  # refers to `make(spec: EnvironmentSpec, options, seed: int) -> TokenPolicy`
    options: type = NoOptions
    requires: tuple[str, ...] = ()  # modules that must be importable
    install: str = ""  # command that installs them
    # Refers to `memory(options, gpus: int, strategy: str) -> str`, which `show NAME --memory` prints; strategy is
    # `single`, `deepspeed-zero1`, `deepspeed-zero2` or `deepspeed-zero3`.
    memory: str | None = None
    # Refers to `expects(spec: EnvironmentSpec, options) -> vla_rl_bench.conventions.Expectation`, in a light module,
    # for policies whose weights were trained elsewhere.  Conventions that differ from the environment's are an error
    # before anything runs; a `UserError` says that nothing fits.
    expects: str | None = None
    # Refers to `needs(suites: Sequence[str], options, gpus: int, strategy: str) -> Sequence[CheckResult]`: what the
    # columns of a suite need beyond `requires` (a checkpoint, memory).
    needs: str | None = None
    # The environment's own `demonstrate` plays the policy's episodes.  Such a policy is evaluated and never trained.
    demonstrates: bool = False


@dataclass(frozen=True)
class StrategyEntry:
    """A training strategy that a suite may name."""

    name: str  # as suites write it
    summary: str  # a line of text
    make: str  # refers to `make(options) -> vla_rl_bench.interfaces.Strategy`; called once per process
    options: type = NoOptions
    requires: tuple[str, ...] = ()  # modules that must be importable
    install: str = ""  # command that installs them


@dataclass(frozen=True)
class TrickEntry:
    """A trick that a suite may list under ``rl.tricks``."""

    name: str  # as suites write it
    summary: str  # a line of text
    trick: type  # frozen dataclass: its fields are its options, its methods marked `@hookimpl` take part in a run


@dataclass(frozen=True)
class AlgorithmEntry:
    """An RL algorithm for ``rl.algorithm``; `vla_rl_bench.engine.grpo` is the model to copy."""

    name: str  # as suites write it
    summary: str  # a line of text
    # Refers to `train(training: vla_rl_bench.engine.training.Training) -> None`: trains the policy in place and resumes
    # from the run's last checkpoint.
    train: str


@dataclass(frozen=True)
class AdvantageEntry:
    """An advantage estimator for ``rl.advantage``."""

    name: str  # as suites write it
    summary: str  # a line of text
    function: str  # refers to `f(returns: Tensor) -> Tensor`, both float [groups, rollouts]


@dataclass(frozen=True)
class ObjectiveEntry:
    """An objective for ``rl.objective``."""

    name: str  # as suites write it
    summary: str  # a line of text
    # Refers to `f(logprobs, old_logprobs, advantages, clip: ClipRange) -> Tensor`: the objective of each token, to be
    # maximized; all tensors have one shape.
    function: str
    # Refers to a function of the same arguments: 1 for a token whose gradient the clip removes, else 0.  Its mean is
    # the metric `clip_fraction`; None leaves the metric out.
    clipped_tokens: str | None = None


@dataclass(frozen=True)
class TrackerEntry:
    """A tracker that a suite may list under ``trackers``."""

    name: str  # as suites write it
    summary: str  # a line of text
    tracker: type  # frozen dataclass: its fields are its options, its methods marked `@hookimpl` observe a run


@dataclass(frozen=True)
class TableFormatEntry:
    """A format for ``tables --format``."""

    name: str  # as the command line has it
    summary: str  # a line of text
    render: str  # refers to `f(table: vla_rl_bench.analysis.tables.model.Table) -> str`
    extension: str  # of files, without the dot


@dataclass(frozen=True)
class SuiteEntry:
    """A suite file that a plugin ships."""

    name: str  # as `run NAME` has it
    summary: str  # a line of text
    path: Path  # absolute


@dataclass(frozen=True)
class CheckResult:
    """Outcome of one check: a line of `vla-rl-bench doctor`."""

    ok: bool
    what: str  # what was checked, with its version or place
    advice: str = ""  # what to type if it is not ok


@dataclass(frozen=True)
class CheckEntry:
    """A check for `vla-rl-bench doctor`."""

    name: str
    check: Callable[[], Sequence[CheckResult]] = field(repr=False)  # may take seconds; must not raise


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
