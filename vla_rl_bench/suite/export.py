"""A run's trained policy, written in the policy's own format, for other people's tools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vla_rl_bench import seeding
from vla_rl_bench.catalog import Catalog
from vla_rl_bench.engine import checkpoint
from vla_rl_bench.errors import NotSupported, UserError
from vla_rl_bench.options import make_options
from vla_rl_bench.records.store import RunFolder
from vla_rl_bench.rollout.actor import make_policy
from vla_rl_bench.rollout.pool import open_pool
from vla_rl_bench.types import EnvironmentSpec


def export(run: Path, folder: Path, catalog: Catalog) -> Path:
    """run: a run's folder, ``runs/<suite>/runs/<id>``.  folder: new or empty."""
    source = RunFolder(run)
    recipe = source.read().get("recipe")
    if recipe is None:
        raise UserError(f"{run}: no run is here; give a folder like runs/<suite>/runs/<id>")
    if not source.policy_path.exists():
        raise UserError(f"{run}: its training is not complete; run its suite again to go on with it")
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder}: is not empty; give another folder")
    entry = catalog.policy(recipe["policy"]["name"])
    catalog.require(entry)
    options = make_options(entry.options, _options(recipe["policy"]), "policy")
    seed = seeding.integer("policy", recipe["seed"])
    policy = make_policy(entry, _contract(source, recipe, catalog), options, seed)
    checkpoint.load_policy(source.policy_path, policy)  # type: ignore[arg-type]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        policy.export(folder)
    except NotSupported:
        folder.rmdir()  # empty, as checked above
        raise UserError(
            f"policy `{entry.name}` has no format of its own; its weights are in {source.policy_path}"
        ) from None
    return folder


def _options(resolved: dict[str, Any], *others: str) -> dict[str, Any]:
    return {key: value for key, value in resolved.items() if key not in ("name", *others)}


def _contract(source: RunFolder, recipe: dict[str, Any], catalog: Catalog) -> EnvironmentSpec:
    """The declaration of the run's environment."""
    entry = catalog.environment(recipe["environment"]["name"])
    catalog.require(entry)
    options = make_options(entry.options, _options(recipe["environment"], "starts"), "environment")
    task_suite = recipe.get("task_suite", recipe["column"])
    pool = open_pool(entry, task_suite, options, slots=1, workers=0, python=source.worker_python())
    try:
        return pool.contract
    finally:
        pool.close()
