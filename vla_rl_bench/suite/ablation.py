"""Ablations: the suite's own arms, and beside each of its full recipes one that differs in a single thing.

Arms share whatever they do not change: the same demonstrations, the same SFT run, the same run ids as the suite's own
runs, so that an ablation of a suite that has been run computes only what is new.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from vla_rl_bench import catalog as catalogs
from vla_rl_bench.catalog import Catalog
from vla_rl_bench.config.load import load_suite
from vla_rl_bench.config.overrides import expand_axis
from vla_rl_bench.config.schema import ArmConfig, Suite
from vla_rl_bench.errors import SuiteError
from vla_rl_bench.suite.runner import run_suite


def ablate(
    suite_path: str | Path,
    axes: Sequence[str],
    overrides: Sequence[str] = (),
    out: Path = Path("runs"),
    dry_run: bool = False,
    limit: int | None = None,
    jobs: int | None = None,
) -> Path:
    """Run, or resume, an ablation -> the suite's folder, with ``ablation.md`` and ``ablation.tex`` in it.

    axes: ``path=value,value,...``, one at a time; ``off`` removes a trick.  The value that the suite has anyway is the
    full recipe.
    """
    catalog = catalogs.discover()
    base = load_suite(suite_path, overrides, catalog)
    suite = ablation_suite(base, suite_path, axes, overrides, catalog)
    return run_suite(suite, catalog, out / base.name, dry_run=dry_run, limit=limit, jobs=jobs, report="ablation")


def ablation_suite(
    base: Suite, suite_path: str | Path, axes: Sequence[str], overrides: Sequence[str], catalog: Catalog
) -> Suite:
    """The suite with an arm for each value of each axis that changes something, and its difference to the full one."""
    arms = {arm.name: arm for arm in base.arms}
    delta: list[tuple[str, str]] = []
    for axis in axes:
        for label, override in expand_axis(axis):
            variant = load_suite(suite_path, [*overrides, override], catalog)
            if variant.model_copy(update={"arms": base.arms}) != base:
                what = "an axis changes arms: write rl., sft., demonstrations. or tricks."
                raise SuiteError("command line", axis, what)
            for full, ablated in _changed(base, variant, label):
                arms[ablated.name] = ablated
                if ablated.rl is not None:
                    delta.append((ablated.name, full.name))
    title = f"{base.title or base.name}: ablation"
    table = base.table.model_copy(update={"delta": tuple(delta)})
    return base.model_copy(update={"arms": tuple(arms.values()), "table": table, "title": title})


def _changed(base: Suite, variant: Suite, label: str) -> list[tuple[ArmConfig, ArmConfig]]:
    """(the suite's arm, the arm under a name of its own) for each arm that differs or builds on one that does."""
    names: dict[str, str] = {}
    found = []
    for full, ablated in zip(base.arms, variant.arms, strict=True):
        if full == ablated and full.from_ not in names:
            continue
        names[full.name] = f"{full.name}.{_slug(label)}"
        changes = {
            "name": names[full.name],
            "title": f"{full.title or full.name}, {label}",
            "from_": names.get(full.from_, full.from_) if full.from_ else None,
        }
        found.append((full, ablated.model_copy(update=changes)))
    return found


def _slug(label: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", label.lower()).strip("-")
