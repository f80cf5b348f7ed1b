"""A suite -> its runs, each with a stable id: a slug and a hash of everything that makes its policy what it is.

The hash covers the resolved recipe and the id of the run it starts from, so two arms that share a stage share the run,
and changing a number anywhere gives other ids.  Evaluation, runtime and titles are not part of it: they do not change
the policy.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from vla_rl_bench.catalog import Catalog
from vla_rl_bench.config.schema import ArmConfig, DemonstrationsConfig, Named, RlConfig, Suite
from vla_rl_bench.options import make_options

HASH_LENGTH = 10
# change memory, time, disk use, what is checked or the pictures, not the policy
_NO_NUMBER = {"checkpoint_every", "curve", "microbatch_gb", "check_logprobs", "overprovision"}


@dataclass(frozen=True)
class Run:
    """One arm, column and seed.  recipe: plain data, what the id hashes.  parent: the id of the run it starts at."""

    id: str
    arm: str
    column: str
    seed: int
    parent: str | None
    recipe: Mapping[str, Any]


def digest(value: Any) -> str:
    """A short hash of plain data, equal for equal data."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:HASH_LENGTH]


def plan(suite: Suite, catalog: Catalog, limit: int | None = None) -> list[Run]:
    """All runs, every parent before its children; column by column and seed by seed."""
    arms = {arm.name: arm for arm in suite.arms}
    runs: dict[str, Run] = {}
    for column in suite.columns:
        for seed in suite.seeds:
            for arm in suite.arms:
                _add(suite, arms, arm, column, seed, catalog, limit, runs)
    return list(runs.values())


def _add(
    suite: Suite,
    arms: Mapping[str, ArmConfig],
    arm: ArmConfig,
    column: str,
    seed: int,
    catalog: Catalog,
    limit: int | None,
    runs: dict[str, Run],
) -> Run:
    parent = None
    if arm.from_ is not None:
        parent = _add(suite, arms, arms[arm.from_], column, seed, catalog, limit, runs)
    recipe = _recipe(suite, arm, column, seed, catalog, limit, parent.id if parent else None)
    run_id = f"{arm.name}-{column}-s{seed}-{digest(recipe)}"
    return runs.setdefault(run_id, Run(run_id, arm.name, column, seed, parent.id if parent else None, recipe))


def _recipe(
    suite: Suite, arm: ArmConfig, column: str, seed: int, catalog: Catalog, limit: int | None, parent: str | None
) -> dict[str, Any]:
    environment = catalog.environment(suite.environment.name)
    policy = catalog.policy(suite.policy.name)
    recipe: dict[str, Any] = {
        "environment": _resolved(suite.environment, environment.options)
        | {"starts": suite.environment.starts.model_dump(by_alias=True)},
        "policy": _resolved(suite.policy, policy.options),
        "column": column,
        "tasks": list(suite.tasks[column]) if column in suite.tasks else None,
        **_named_column(suite, column),
        "seed": seed,
        "parent": parent,
        "demonstrations": _demonstrations(arm.demonstrations) if arm.demonstrations else None,
        "sft": arm.sft.model_dump(exclude=_NO_NUMBER | {"microbatch"}) if arm.sft else None,
        "rl": _rl(arm.rl, catalog) if arm.rl else None,
    }
    precision = _resolved(suite.strategy, catalog.strategy(suite.strategy.name).options).get("precision", "float32")
    if precision != "float32":  # all else about a strategy changes only the rounding of sums
        recipe["precision"] = precision
    if limit is not None:
        recipe["limit"] = limit
    return recipe


def _named_column(suite: Suite, column: str) -> dict[str, Any]:
    """What a column that is not simply a task suite adds."""
    found: dict[str, Any] = {}
    if column in suite.task_suites:
        found["task_suite"] = suite.task_suites[column]
    if column in suite.unseen:
        found["unseen"] = list(suite.unseen[column])
    return found


def _demonstrations(config: DemonstrationsConfig) -> dict[str, Any]:
    return config.model_dump(exclude_none=True, exclude=set() if config.unseen else {"unseen"})


def _rl(rl: RlConfig, catalog: Catalog) -> dict[str, Any]:
    tricks = [_resolved(trick, catalog.trick(trick.name).trick) for trick in rl.tricks]
    plain = set() if rl.reuse_surplus else {"reuse_surplus"}
    if rl.algorithm == "grpo":
        plain |= {"algorithm"}
    return rl.model_dump(exclude=_NO_NUMBER | {"tricks"} | plain, mode="json") | {"tricks": tricks}


def _resolved(named: Named, options: type) -> dict[str, Any]:
    """A plugin's name with all its options, defaults included but those of options that were added later.

    See `vla_rl_bench.entries`: run ids stay what they were before there was such an option.
    """
    found = make_options(options, named.options, named.name)
    silent = {one.name for one in fields(found) if one.metadata.get("added_later")}
    kept = {key: value for key, value in asdict(found).items() if key not in silent or value != _default(found, key)}
    return {"name": named.name, **kept}


def _default(options: Any, name: str) -> Any:
    return next(one.default for one in fields(options) if one.name == name)
