"""The demonstration stores that a suite's runs will ask for, built without running the suite."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from vla_rl_bench.catalog import discover
from vla_rl_bench.config.load import load_suite
from vla_rl_bench.errors import UserError
from vla_rl_bench.suite.job import RunJob
from vla_rl_bench.suite.plan import plan
from vla_rl_bench.suite.progress import Display
from vla_rl_bench.suite.workshop import RunSession


def build_stores(suite_path: str | Path, overrides: Sequence[str], out: Path) -> list[Path]:
    """-> the stores, in the order of the runs; those that are there are left as they are.

    Several runs may share one.  A build that is interrupted goes on at the next call, and `run` would do the same.
    """
    catalog = discover()
    suite = load_suite(suite_path, overrides, catalog)
    jobs = [RunJob(suite, one, out / suite.name, None) for one in plan(suite, catalog)]
    asking = [job for job in jobs if job.arm.demonstrations and job.arm.demonstrations.source is None]
    if not asking:
        raise UserError(f"demonstrations: no arm of suite `{suite.name}` asks for demonstrations of an expert")
    stores: dict[Path, None] = {}
    with Display(len(asking), Console(stderr=True)) as display:
        for job in asking:
            assert job.arm.demonstrations is not None
            per_task = job.arm.demonstrations.per_task
            workshop = RunSession(job, catalog, display.report)
            try:
                path = workshop.demonstration_store(per_task)
                workshop.build_demonstrations(path, per_task)
            finally:
                workshop.close()
            stores[path] = None
            display.report(job.run.id, "complete", 1, 1)
    return list(stores)
