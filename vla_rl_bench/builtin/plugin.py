"""Built-in policy, environment, tricks and formats, registered through the hooks that third parties use."""

from __future__ import annotations

from collections.abc import Iterator

from vla_rl_bench.builtin.checks import pinned_threads, python_version, torch_build
from vla_rl_bench.builtin.nano.options import NanoOptions
from vla_rl_bench.builtin.strategies.options import DeepSpeedOptions, SingleOptions
from vla_rl_bench.builtin.tabletop.options import TabletopOptions
from vla_rl_bench.builtin.tricks.clip_range import ClipRange
from vla_rl_bench.builtin.tricks.dynamic_sampling import DynamicSampling
from vla_rl_bench.builtin.tricks.temperature import Temperature
from vla_rl_bench.entries import (
    AdvantageEntry,
    AlgorithmEntry,
    CheckEntry,
    EnvironmentEntry,
    ObjectiveEntry,
    PolicyEntry,
    StrategyEntry,
    TableFormatEntry,
    TrickEntry,
)
from vla_rl_bench.hookspecs import hookimpl


@hookimpl
def register_environments() -> Iterator[EnvironmentEntry]:
    yield EnvironmentEntry(
        name="tabletop",
        summary="batched NumPy tabletop with a scripted expert; needs no simulator",
        make="vla_rl_bench.builtin.tabletop.environment:make",
        suites=("object", "spatial", "goal", "long"),
        options=TabletopOptions,
        batched=True,
        behavior="vla_rl_bench.builtin.tabletop.behavior:behavior",
    )


@hookimpl
def register_policies() -> Iterator[PolicyEntry]:
    yield PolicyEntry(
        name="nano",
        summary="small vision-language-action transformer: K x D action tokens in one forward",
        make="vla_rl_bench.builtin.nano.policy:make",
        options=NanoOptions,
        requires=("torch",),
    )
    yield PolicyEntry(
        name="expert",
        summary="the environment's own expert: evaluated like a policy, never trained",
        make="vla_rl_bench.builtin.expert:make",
        requires=("torch",),
        demonstrates=True,
    )


@hookimpl
def register_strategies() -> Iterator[StrategyEntry]:
    yield StrategyEntry(
        name="single",
        summary="one process, plain torch: a CPU or one GPU",
        make="vla_rl_bench.builtin.strategies.single:make",
        options=SingleOptions,
    )
    yield StrategyEntry(
        name="deepspeed",
        summary="several processes started by torchrun, ZeRO 1, 2 or 3",
        make="vla_rl_bench.builtin.strategies.deepspeed:make",
        options=DeepSpeedOptions,
        requires=("deepspeed",),
        install="pip install -e '.[deepspeed]'",
    )


@hookimpl
def register_tricks() -> Iterator[TrickEntry]:
    yield TrickEntry("dynamic-sampling", "only groups of mixed outcome; draw until the batch is full", DynamicSampling)
    yield TrickEntry("clip-range", "separate lower and upper bounds of the probability ratio", ClipRange)
    yield TrickEntry("temperature", "sampling temperature of the rollouts", Temperature)


@hookimpl
def register_algorithms() -> Iterator[AlgorithmEntry]:
    yield AlgorithmEntry("grpo", "groups of rollouts, no critic, no KL term", "vla_rl_bench.engine.grpo:train")


@hookimpl
def register_advantages() -> Iterator[AdvantageEntry]:
    yield AdvantageEntry(
        "grpo", "each return against its group's mean and spread", "vla_rl_bench.algorithms.advantages:group_advantages"
    )


@hookimpl
def register_objectives() -> Iterator[ObjectiveEntry]:
    yield ObjectiveEntry(
        "clipped",
        "the clipped probability ratio, without a KL term",
        "vla_rl_bench.algorithms.objectives:clipped",
        clipped_tokens="vla_rl_bench.algorithms.objectives:clipped_tokens",
    )


@hookimpl
def register_table_formats() -> Iterator[TableFormatEntry]:
    yield TableFormatEntry("markdown", "a table for a README", "vla_rl_bench.analysis.tables.markdown:markdown", "md")
    yield TableFormatEntry("latex", "a booktabs table for a paper", "vla_rl_bench.analysis.tables.latex:latex", "tex")
    yield TableFormatEntry(
        "html", "a table for any page, with sources", "vla_rl_bench.analysis.tables.html:html", "html"
    )
    yield TableFormatEntry(
        "csv", "for spreadsheets and other programs", "vla_rl_bench.analysis.tables.csv_format:comma_separated", "csv"
    )


@hookimpl
def register_checks() -> Iterator[CheckEntry]:
    yield CheckEntry("python", python_version)
    yield CheckEntry("torch", torch_build)
    yield CheckEntry("threads", pinned_threads)
