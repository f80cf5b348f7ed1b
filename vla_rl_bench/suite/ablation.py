"""Running an ablation.  What the variants share, and what has been run before, is not computed again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vla_rl_bench import catalog as catalogs
from vla_rl_bench.config.ablation import read_ablation
from vla_rl_bench.suite.runner import run_suite


def ablate(
    suite_path: str | Path,
    axes: Sequence[str] | None = None,
    overrides: Sequence[str] = (),
    out: Path = Path("runs"),
    dry_run: bool = False,
    limit: int | None = None,
    jobs: int | None = None,
    grid: bool | None = None,
) -> Path:
    """Run, or resume, an ablation -> the suite's folder, with ``ablation.md``, ``.tex`` and its curves in it.

    axes: ``path=value,value,...``; ``off`` removes a trick.  None: those of the suite's ``ablate:`` block.  The value
    that the suite has anyway is the full recipe.
    grid: every combination of the values, not one at a time; None: as the block says, if its axes are meant.
    """
    catalog = catalogs.discover()
    suite = read_ablation(suite_path, overrides, catalog, axes, grid)
    return run_suite(suite, catalog, out / suite.name, dry_run=dry_run, limit=limit, jobs=jobs, report="ablation")
