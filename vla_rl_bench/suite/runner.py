"""Execution of a suite: plan, check requirements, train and evaluate what is missing."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from vla_rl_bench import catalog as catalogs
from vla_rl_bench.catalog import Catalog
from vla_rl_bench.config.schema import Suite
from vla_rl_bench.engine.distributed import rank_and_world_size
from vla_rl_bench.entries import CheckResult
from vla_rl_bench.errors import EnvironmentFailure, MissingRequirement, UserError
from vla_rl_bench.records.suite_record import RecordFile, SuiteRecord
from vla_rl_bench.suite.earlier import update_record
from vla_rl_bench.suite.plan import Run, RunJob, plan
from vla_rl_bench.suite.preflight import as_lines, check_requirements, require_ready
from vla_rl_bench.suite.progress import COMPLETE, Display, Report, Reporter
from vla_rl_bench.suite.stages import execute


def run_suite(
    suite: Suite,
    catalog: Catalog,
    folder: Path,
    *,
    dry_run: bool = False,
    limit: int | None = None,
    jobs: int | None = None,
    record: RecordFile | None = None,
    finish: Callable[[Sequence[Run]], None] | None = None,
) -> Path:
    """Train and evaluate the runs of a suite that are not complete yet.

    Args:
        folder: The suite's folder.
        record: The file that records the resolved suite and its runs; None: ``suite.json`` in `folder`.
        finish: Called with all runs on the first rank when they are complete and not limited.

    Returns:
        `folder`.
    """
    runs = plan(suite, catalog, limit)
    console = Console(stderr=True, quiet=rank_and_world_size()[0] > 0)
    all_jobs = [RunJob(suite, run, folder, limit) for run in runs]
    if dry_run:
        _print_plan(all_jobs, check_requirements(suite, catalog))
        return folder
    todo = [job for job in all_jobs if not job.complete]
    require_ready(suite, catalog, list(dict.fromkeys(job.run.column for job in todo)))
    if rank_and_world_size()[0] == 0:
        ids = tuple(run.id for run in runs)
        path, changes = (record.path, record.changes) if record else (folder / "suite.json", ())
        kept = update_record(path, SuiteRecord(suite, ids, limit is not None, folder, changes))
        if kept is not None:
            console.print(f"{path}: the recipe has changed; earlier outputs are in {kept}", highlight=False)
    if len(todo) < len(runs):
        console.print(f"{len(runs) - len(todo)} of {len(runs)} runs are complete already", highlight=False)
    errors = _execute(todo, catalog, _jobs_at_once(suite, catalog, jobs))
    if errors:
        raise RunsFailed(errors, folder)
    if limit is not None:
        console.print(f"limited to {limit}: recorded under {folder}, kept out of tables", highlight=False)
    elif finish and rank_and_world_size()[0] == 0:
        finish(runs)
    return folder


class RunsFailed(UserError):
    """Some runs failed; the complete ones stay complete."""

    def __init__(self, errors: dict[str, str], folder: Path) -> None:
        lines = [f"{run_id}: {_last_line(error)}" for run_id, error in errors.items()]
        log = folder / "runs" / next(iter(errors)) / "error.txt"
        super().__init__("\n".join([*lines, f"the whole error is in {log}; fix it and run the same command again"]))


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1] if text.strip() else "failed"


def _print_plan(jobs: Sequence[RunJob], missing: Sequence[CheckResult]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for job in jobs:
        console.print(f"{'complete' if job.complete else 'to do   '} {job.run.id}")
    console.print(f"{len(jobs)} runs, {sum(job.complete for job in jobs)} complete; nothing was run")
    if missing:
        console.print("\nMissing on this machine:", *as_lines(missing), sep="\n  ")
        raise MissingRequirement(f"{len(missing)} requirements are missing; fix them before this suite can run")


def _jobs_at_once(suite: Suite, catalog: Catalog, option: int | None) -> int:
    """Return the option, or the suite's number; "auto" is one per core for environments that live in the run."""
    if option is not None:
        return option
    if suite.runtime.jobs != "auto":
        return suite.runtime.jobs
    return len(os.sched_getaffinity(0)) if catalog.environment(suite.environment.name).batched else 1


def _execute(todo: Sequence[RunJob], catalog: Catalog, at_once: int) -> dict[str, str]:
    """Execute runs and return the errors by run id."""
    rank, world = rank_and_world_size()
    with Display(len(todo), Console(stderr=True, quiet=rank > 0)) as display:
        if at_once == 1 or len(todo) <= 1 or world > 1:
            return _one_by_one(todo, catalog, display.report)
        return _side_by_side(todo, at_once, display.report)


def _one_by_one(todo: Sequence[RunJob], catalog: Catalog, reporter: Reporter) -> dict[str, str]:
    errors: dict[str, str] = {}
    for job in todo:
        if job.run.parent in errors:
            errors[job.run.id] = f"not run: {job.run.parent} failed"
            continue
        error = _attempt(job, catalog, reporter)
        if error:
            errors[job.run.id] = error
            if rank_and_world_size()[1] > 1:  # other ranks may wait for this one: end, and the launcher ends them
                break
    return errors


def _attempt(job: RunJob, catalog: Catalog, reporter: Reporter) -> str:
    """Execute a run and return the text of its error, if any, which is also written to the run's folder."""
    log = job.run_folder.path / "error.txt"
    try:
        execute(job, catalog, reporter)
    except (UserError, EnvironmentFailure) as error:
        text = str(error)
    except Exception:
        text = traceback.format_exc()
    else:
        log.unlink(missing_ok=True)
        reporter(Report(job.run.id, COMPLETE, 1, 1))
        return ""
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(text + "\n")
    return text


# -- several runs at the same time, each in a process that lasts for many runs

_queue: Any = None  # from this worker process to the display


def _start_worker(queue: Any, parent: int) -> None:
    global _queue
    _queue = queue
    threading.Thread(target=_exit_when_parent_exits, args=(parent,), daemon=True).start()


def _exit_when_parent_exits(parent: int) -> None:
    """End this process when the parent ends, however it ends: nothing may go on writing to the runs."""
    while os.getppid() == parent:
        threading.Event().wait(0.2)
    os._exit(1)


def _attempt_in_worker(job: RunJob) -> str:
    return _attempt(job, catalogs.discover(), _queue.put)


@dataclass
class RunProcesses:
    """Worker processes and the queue that brings their reports back."""

    executor: ProcessPoolExecutor
    queue: Any

    def drain(self, reporter: Reporter) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                reporter(self.queue.get_nowait())


@contextlib.contextmanager
def _start_processes(size: int) -> Iterator[RunProcesses]:
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


def _side_by_side(todo: Sequence[RunJob], size: int, reporter: Reporter) -> dict[str, str]:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, str(todo[0].suite.runtime.threads))  # inherited by the workers before they import
    errors: dict[str, str] = {}
    waiting, running = list(todo), dict[Future[str], RunJob]()
    unfinished = {job.run.id for job in todo}
    with _start_processes(size) as processes:
        while waiting or running:
            for job in _startable(waiting, unfinished, errors, size - len(running)):
                waiting.remove(job)
                if job.run.parent in errors:
                    errors[job.run.id] = f"not run: {job.run.parent} failed"
                else:
                    running[processes.executor.submit(_attempt_in_worker, job)] = job
            done, _ = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
            processes.drain(reporter)
            for future in done:
                job = running.pop(future)
                error = future.result()
                if error:
                    errors[job.run.id] = error
                unfinished.discard(job.run.id)
    return errors


def _startable(waiting: Sequence[RunJob], unfinished: set[str], errors: dict[str, str], free: int) -> list[RunJob]:
    """Return the next jobs whose parent is done or failed; children of complete runs first, so rows fill up."""
    ready = [job for job in waiting if job.run.parent not in unfinished or job.run.parent in errors]
    return sorted(ready, key=lambda job: job.run.parent is None)[: max(free, 0)]
