"""The runs and evaluations of a suite.

Each run has a stable id: a slug and a hash of everything that makes its policy what it is.  The hash covers the
resolved recipe and the id of the run it starts from, so two arms that share a stage share the run, and a change of any
number gives other ids.  Evaluation, runtime and titles are not part of it: they do not change the policy.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from vla_rl_bench.catalog import Catalog
from vla_rl_bench.config.schema import (
    MAIN,
    UNSEEN,
    ArmConfig,
    EvaluationConfig,
    Named,
    Sampling,
    Suite,
    other_suite,
    sampling_name,
)
from vla_rl_bench.options import make_options
from vla_rl_bench.records.store import RunFolder

HASH_LENGTH = 10


@dataclass(frozen=True)
class Run:
    """One arm, column and seed."""

    id: str
    arm: str
    column: str
    seed: int
    parent: str | None  # id of the run that it starts from
    recipe: Mapping[str, Any]  # plain data, hashed by the id


def digest(content: Any) -> str:
    """Return a short hash of plain data, equal for equal data."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:HASH_LENGTH]


def plan(suite: Suite, catalog: Catalog, limit: int | None = None) -> list[Run]:
    """List all runs, every parent before its children; column by column and seed by seed."""
    arms = {arm.name: arm for arm in suite.arms}
    runs: dict[str, Run] = {}

    def add(arm: ArmConfig, column: str, seed: int) -> Run:
        parent = add(arms[arm.from_], column, seed).id if arm.from_ is not None else None
        recipe = _recipe(suite, arm, column, seed, parent, catalog)
        if limit is not None:
            recipe["limit"] = limit
        run_id = f"{arm.name}-{column}-s{seed}-{digest(recipe)}"
        return runs.setdefault(run_id, Run(run_id, arm.name, column, seed, parent, recipe))

    for column in suite.columns:
        for seed in suite.seeds:
            for arm in suite.arms:
                add(arm, column, seed)
    return list(runs.values())


def _recipe(
    suite: Suite, arm: ArmConfig, column: str, seed: int, parent: str | None, catalog: Catalog
) -> dict[str, Any]:
    environment = catalog.environment(suite.environment.name)
    starts = {"starts": suite.environment.starts.model_dump(by_alias=True)}
    recipe: dict[str, Any] = {
        "environment": _resolved(suite.environment, environment.options) | starts,
        "policy": _resolved(suite.policy, catalog.policy(suite.policy.name).options),
        "column": column,
        "tasks": list(suite.tasks[column]) if column in suite.tasks else None,
        "seed": seed,
        "parent": parent,
        "demonstrations": identity(arm.demonstrations) if arm.demonstrations else None,
        "sft": identity(arm.sft) if arm.sft else None,
        "rl": identity(arm.rl) if arm.rl else None,
    }
    if arm.rl:
        recipe["rl"]["tricks"] = [_resolved(trick, catalog.trick(trick.name).trick) for trick in arm.rl.tricks]
    if column in suite.task_suites:
        recipe["task_suite"] = suite.task_suites[column]
    if column in suite.unseen:
        recipe["unseen"] = list(suite.unseen[column])
    precision = _resolved(suite.strategy, catalog.strategy(suite.strategy.name).options).get("precision", "float32")
    if precision != "float32":  # the other options of a strategy change only the rounding of sums
        recipe["precision"] = precision
    return recipe


def identity(model: Any) -> dict[str, Any]:
    """Return the fields of a pydantic model, or of a plugin's options, that are part of a run's id.

    The rule stands at the field.  In models of the suite file it is ``identity`` in `json_schema_extra`: "never", or
    "unless_default" to leave the default out; without it a field is always a part.  In options of plugins it is
    ``added_later`` in `metadata`, which means "unless_default" (see `vla_rl_bench.entries`).
    """
    if isinstance(model, BaseModel):
        rules = {name: (config.json_schema_extra, config.default) for name, config in type(model).model_fields.items()}
        never = {name for name, (extra, _) in rules.items() if extra == {"identity": "never"}}
        optional = {
            name: default for name, (extra, default) in rules.items() if extra == {"identity": "unless_default"}
        }
        content = model.model_dump(mode="json", exclude=never)
    else:
        optional = {option.name: option.default for option in fields(model) if option.metadata.get("added_later")}
        content = asdict(model)
    return {name: setting for name, setting in content.items() if name not in optional or setting != optional[name]}


def _resolved(named: Named, options: type) -> dict[str, Any]:
    """Return a plugin's name with all its options, defaults included."""
    return {"name": named.name, **identity(make_options(options, named.options, named.name))}


# -- the place of a run


@dataclass(frozen=True)
class RunJob:
    """A run and its place."""

    suite: Suite
    run: Run
    folder: Path  # the suite's folder, which holds ``runs/`` and ``demonstrations/``
    limit: int | None = None  # --limit

    @property
    def run_folder(self) -> RunFolder:
        """The run's folder; of several ranks only the first writes."""
        from vla_rl_bench.engine.distributed import rank_and_world_size

        return RunFolder(run_path(self.folder, self.run.id), writes=rank_and_world_size()[0] == 0)

    @property
    def arm(self) -> ArmConfig:
        return limited_arm(next(arm for arm in self.suite.arms if arm.name == self.run.arm), self.limit)

    @property
    def complete(self) -> bool:
        """True if the run is trained and has every evaluation of the suite."""
        record = self.run_folder.read()
        trained = record.get("status") == "complete" and self.run_folder.policy_path.exists()
        return trained and not missing_evaluations(self.suite, self.run.column, record, self.limit)


def run_path(folder: Path, run_id: str) -> Path:
    """Return the folder of a run in its suite's folder."""
    return folder / "runs" / run_id


def limited_arm(arm: ArmConfig, limit: int | None) -> ArmConfig:
    """Limit an arm to N iterations and 10 N steps (``--limit N``)."""
    if limit is None:
        return arm
    changes: dict[str, Any] = {}
    if arm.sft:
        changes["sft"] = arm.sft.model_copy(update={"steps": min(arm.sft.steps, 10 * limit)})
    if arm.rl:
        changes["rl"] = arm.rl.model_copy(update={"iterations": min(arm.rl.iterations, limit)})
    return arm.model_copy(update=changes)


# -- evaluations


@dataclass(frozen=True)
class PlannedEvaluation:
    """An evaluation of a column's final policies."""

    name: str
    config: EvaluationConfig
    options: Mapping[str, Any] = field(default_factory=dict)  # of the environment, if they differ from the suite's
    task_suite: str | None = None  # None: the column's own
    unseen: bool = False  # on the column's unseen tasks

    def sampling(self, name: str) -> Sampling:
        """Return the sampling with this name."""
        return next(sampling for sampling in self.config.sampling if sampling_name(sampling) == name)

    def key(self, sampling: str, limit: int | None) -> str:
        """Return a hash of what is evaluated; an evaluation is repeated only if it changes."""
        starts = self.config.model_dump(mode="json", include={"starts", "per_task"})
        config = self.sampling(sampling)
        rollouts = 1 if isinstance(config, str) else config.rollouts
        task_suite = [self.task_suite] if self.task_suite else []
        return digest([starts, sampling, rollouts, dict(self.options), limit, *task_suite])


def evaluations(suite: Suite, column: str) -> list[PlannedEvaluation]:
    """List the main evaluation, that of the unseen tasks, then the extra ones."""
    planned = [PlannedEvaluation(MAIN, suite.evaluation)]
    if column in suite.unseen:
        planned.append(PlannedEvaluation(UNSEEN, suite.evaluation, unseen=True))
    for extra in suite.extra_evaluations:
        task_suite = other_suite(extra.suite, suite.task_suite(column)) if extra.suite else None
        planned.append(PlannedEvaluation(extra.name, extra, extra.environment, task_suite))
    return planned


@dataclass(frozen=True)
class MissingEvaluation:
    """An evaluation that a run's record lacks."""

    planned: PlannedEvaluation
    sampling: str
    name: str  # to record it under: its own, or ``main@<key>`` if an evaluation of other starts has this name

    @property
    def record_key(self) -> str:
        return f"{self.name}/{self.sampling}"


def missing_evaluations(
    suite: Suite, column: str, record: Mapping[str, Any], limit: int | None
) -> list[MissingEvaluation]:
    """List the evaluations that a run's record lacks."""
    recorded, missing = record.get("evaluations", {}), []
    for planned in evaluations(suite, column):
        for sampling in map(sampling_name, planned.config.sampling):
            if _recorded_name(planned, sampling, recorded, limit) is None:
                taken = f"{planned.name}/{sampling}" in recorded
                name = f"{planned.name}@{planned.key(sampling, limit)}" if taken else planned.name
                missing.append(MissingEvaluation(planned, sampling, name))
    return missing


def evaluation_names(suite: Suite, record: Mapping[str, Any]) -> dict[str, str] | None:
    """Map the evaluations of a run that are a suite's, ``name/sampling`` in the run's record, to the suite's names.

    None for a run that does not record its evaluations: all its episodes count.
    """
    if "evaluations" not in record:
        return None
    names = {}
    for planned in evaluations(suite, record["column"]):
        for sampling in map(sampling_name, planned.config.sampling):
            name = _recorded_name(planned, sampling, record["evaluations"], None)
            if name is not None:
                names[f"{name}/{sampling}"] = planned.name
    return names


def _recorded_name(
    planned: PlannedEvaluation, sampling: str, recorded: Mapping[str, Any], limit: int | None
) -> str | None:
    """Find the name under which an evaluation is recorded; None if it is not."""
    key = planned.key(sampling, limit)
    names = (planned.name, f"{planned.name}@{key}")
    return next((name for name in names if recorded.get(f"{name}/{sampling}", {}).get("key") == key), None)
