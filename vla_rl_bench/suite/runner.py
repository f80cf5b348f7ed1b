"""Run the runs of a suite: plan, check requirements, train and evaluate what is missing."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from vla_rl_bench import catalog as catalogs
from vla_rl_bench.catalog import Catalog
from vla_rl_bench.config.overrides import as_dict
from vla_rl_bench.config.schema import Suite
from vla_rl_bench.engine.distributed import rank_and_world_size
from vla_rl_bench.entries import CheckResult
from vla_rl_bench.errors import EnvironmentFailure, MissingRequirement, UserError
from vla_rl_bench.files import write_json
from vla_rl_bench.suite.execute import execute
from vla_rl_bench.suite.fitting import refuse_misfits
from vla_rl_bench.suite.job import RunJob
from vla_rl_bench.suite.needs import lines, missing, refuse_missing
from vla_rl_bench.suite.plan import Run, plan
from vla_rl_bench.suite.progress import Display, Report


def run_suite(
    suite: Suite,
    catalog: Catalog,
    folder: Path,
    *,
    dry_run: bool = False,
    limit: int | None = None,
    jobs: int | None = None,
    record: str = "suite.json",
    finish: Callable[[Sequence[Run]], None] | None = None,
) -> Path:
    """Train and evaluate the runs of a suite that are not complete yet.

    Args:
        folder: The suite's folder.
        record: Name of the file in `folder` that records the resolved suite and its runs.
        finish: Called with all runs on the first rank when they are complete and not limited.

    Returns:
        `folder`.
    """
    runs = plan(suite, catalog, limit)
    console = Console(stderr=True, quiet=rank_and_world_size()[0] > 0)
    todo = [RunJob(suite, one, folder, limit) for one in runs]
    if dry_run:
        _print_plan(todo, missing(suite, catalog))
        return folder
    catalog.require(catalog.environment(suite.environment.name))
    catalog.require(catalog.policy(suite.policy.name))
    catalog.require(catalog.strategy(suite.strategy.name))
    unfinished = [one for one in todo if not one.complete]
    columns = list(dict.fromkeys(one.run.column for one in unfinished))
    if columns:
        refuse_missing(suite, catalog, columns)
    refuse_misfits(suite, catalog, columns)
    if rank_and_world_size()[0] == 0:
        write_json(folder / record, as_dict(suite) | {"runs": [one.id for one in runs], "limited": limit is not None})
    if len(unfinished) < len(todo):
        console.print(f"{len(todo) - len(unfinished)} of {len(todo)} runs are complete already", highlight=False)
    failed = _execute(unfinished, catalog, _jobs(suite, catalog, jobs))
    if failed:
        raise RunsFailed(failed, folder)
    if limit is not None:
        console.print(f"limited to {limit}: recorded under {folder}, kept out of tables", highlight=False)
        return folder
    if finish and rank_and_world_size()[0] == 0:
        finish(runs)
    return folder


class RunsFailed(UserError):
    """Some runs failed; the others are complete and stay so."""

    def __init__(self, failed: dict[str, str], folder: Path) -> None:
        lines = [f"{name}: {_last_line(error)}" for name, error in failed.items()]
        first = next(iter(failed))
        log = folder / "runs" / first / "error.txt"
        super().__init__("\n".join([*lines, f"the whole error is in {log}; mend it and run the same command again"]))


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1] if text.strip() else "failed"


def _print_plan(todo: Sequence[RunJob], lacking: Sequence[CheckResult]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for one in todo:
        console.print(f"{'complete' if one.complete else 'to do   '} {one.run.id}")
    console.print(f"{len(todo)} runs, {sum(one.complete for one in todo)} complete; nothing was run")
    if lacking:
        console.print("\nMissing here:", *lines(lacking), sep="\n  ")
        raise MissingRequirement(f"{len(lacking)} to mend before this suite can run")


def _jobs(suite: Suite, catalog: Catalog, asked: int | None) -> int:
    """Runs at the same time: as asked, as the suite says, or one a core for environments that live in the run."""
    if asked is not None:
        return asked
    if suite.runtime.jobs != "auto":
        return suite.runtime.jobs
    return len(os.sched_getaffinity(0)) if catalog.environment(suite.environment.name).batched else 1


def _execute(todo: Sequence[RunJob], catalog: Catalog, jobs_at_once: int) -> dict[str, str]:
    """-> errors by run id."""
    rank, world = rank_and_world_size()
    with Display(len(todo), Console(stderr=True, quiet=rank > 0)) as display:
        if jobs_at_once == 1 or len(todo) <= 1 or world > 1:
            return _one_by_one(todo, catalog, display.report)
        return _side_by_side(todo, jobs_at_once, display.report)


def _one_by_one(todo: Sequence[RunJob], catalog: Catalog, report: Report) -> dict[str, str]:
    failed: dict[str, str] = {}
    for one in todo:
        if one.run.parent in failed:
            failed[one.run.id] = f"not run: {one.run.parent} failed"
            continue
        error = _attempt(one, catalog, report)
        if error:
            failed[one.run.id] = error
            if rank_and_world_size()[1] > 1:  # the other ranks may wait for this one: end, and the launcher ends them
                break
    return failed


def _attempt(one: RunJob, catalog: Catalog, report: Report) -> str:
    """Run -> the error's text, also kept in the run's folder, or nothing."""
    log = one.run_folder.path / "error.txt"
    try:
        execute(one, catalog, report)
    except (UserError, EnvironmentFailure) as error:
        text = str(error)
    except Exception:
        text = traceback.format_exc()
    else:
        log.unlink(missing_ok=True)
        report(one.run.id, "complete", 1, 1)
        return ""
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(text + "\n")
    return text


# -- several runs at the same time, each in a process of its own that lasts for many runs

_reports: Any = None  # this worker process's way to the display


def _start_worker(reports: Any, parent: int) -> None:
    global _reports
    _reports = reports
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()


def _follow(parent: int) -> None:
    """End when the parent does, however it ends: nobody else may go on writing to the runs."""
    while os.getppid() == parent:
        threading.Event().wait(0.2)
    os._exit(1)


def _attempt_elsewhere(one: RunJob) -> str:
    return _attempt(one, catalogs.discover(), lambda *report: _reports.put(report))


@dataclass
class RunProcesses:
    """Worker processes and the queue that brings their reports back."""

    executor: ProcessPoolExecutor
    reports: Any

    def drain(self, report: Report) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                report(*self.reports.get_nowait())


@contextlib.contextmanager
def _crew(size: int) -> Iterator[RunProcesses]:
    context = multiprocessing.get_context("spawn")
    reports = context.Queue()
    executor = ProcessPoolExecutor(size, context, _start_worker, (reports, os.getpid()))
    try:
        yield RunProcesses(executor, reports)
    except BaseException:
        for process in multiprocessing.active_children():
            process.kill()  # a run's folder is whole at any moment
        raise
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _side_by_side(todo: Sequence[RunJob], size: int, report: Report) -> dict[str, str]:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, str(todo[0].suite.runtime.threads))  # inherited by the workers before they import
    failed: dict[str, str] = {}
    waiting, running = list(todo), dict[Future[str], RunJob]()
    unfinished = {one.run.id for one in todo}
    with _crew(size) as crew:
        while waiting or running:
            for one in _startable(waiting, unfinished, failed, size - len(running)):
                waiting.remove(one)
                if one.run.parent in failed:
                    failed[one.run.id] = f"not run: {one.run.parent} failed"
                else:
                    running[crew.executor.submit(_attempt_elsewhere, _light(one))] = one
            done, _ = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
            crew.drain(report)
            for future in done:
                ended = running.pop(future)
                error = future.result()
                if error:
                    failed[ended.run.id] = error
                unfinished.discard(ended.run.id)
    return failed


def _startable(waiting: Sequence[RunJob], unfinished: set[str], failed: dict[str, str], free: int) -> list[RunJob]:
    """The next jobs whose parent is done (or failed); children of what is done come first, so rows fill up."""
    ready = [one for one in waiting if one.run.parent not in unfinished or one.run.parent in failed]
    return sorted(ready, key=lambda one: one.run.parent is None)[: max(free, 0)]


def _light(one: RunJob) -> RunJob:
    """The job as it travels to a worker."""
    return replace(one, run=Run(**{**vars(one.run), "recipe": dict(one.run.recipe)}))
