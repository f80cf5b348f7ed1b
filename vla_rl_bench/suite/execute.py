"""One run from start to end, or from wherever it was interrupted: train, evaluate, record."""

from __future__ import annotations

import time
from itertools import chain

import torch

from vla_rl_bench import events
from vla_rl_bench.catalog import Catalog
from vla_rl_bench.suite.job import RunJob
from vla_rl_bench.suite.progress import Report
from vla_rl_bench.suite.workshop import RunSession


def execute(job: RunJob, catalog: Catalog, report: Report) -> None:
    """Bring a run to its end.  What is complete is not done again."""
    torch.set_num_threads(job.suite.runtime.threads)
    folder = job.run_folder
    with folder.lock():
        workshop = RunSession(job, catalog, report)
        if workshop.ranks.broadcast(job.complete):
            return
        folder.update(workshop.identity() | {"status": "running"})
        workshop.notify(events.RunStart(job.run.id, folder.path, dict(job.run.recipe)))
        started = time.time()
        try:
            workshop.train()
            workshop.evaluate()
        except BaseException as error:
            folder.update({"status": "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"})
            workshop.notify(events.RunEnd(job.run.id, folder.path, "failed"))
            raise
        finally:
            workshop.close()
        observer_errors = list(chain.from_iterable(workshop.ranks.all_gather(workshop.hooks.observer_errors)))
        timings = folder.read().get("timings", {})
        timings["wall_seconds"] = round(timings.get("wall_seconds", 0.0) + time.time() - started, 1)
        folder.update({"status": "complete", "timings": timings, "observer_errors": observer_errors})
        workshop.notify(events.RunEnd(job.run.id, folder.path, "complete"))
