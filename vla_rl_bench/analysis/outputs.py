"""Run a suite and write its outputs: tables, curves and a film."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from vla_rl_bench import catalog as catalogs
from vla_rl_bench.analysis.plots.style import arm_styles
from vla_rl_bench.analysis.select_runs import SuiteRuns, new_runs
from vla_rl_bench.analysis.tables.reference_rows import check_reference_tables
from vla_rl_bench.catalog import Catalog
from vla_rl_bench.config.ablation import read_ablation
from vla_rl_bench.config.changes import read_changes
from vla_rl_bench.config.load import load_suite
from vla_rl_bench.config.schema import ArmConfig, Suite
from vla_rl_bench.records.suite_record import RecordFile
from vla_rl_bench.suite.filming import film_starts, greedy_episodes
from vla_rl_bench.suite.plan import Run
from vla_rl_bench.suite.runner import run_suite
from vla_rl_bench.types import Start


def run(
    suite_path: str | Path,
    overrides: Sequence[str] = (),
    out: Path = Path("runs"),
    dry_run: bool = False,
    limit: int | None = None,
    jobs: int | None = None,
) -> Path:
    """Run, or resume, a suite and write its table and plots; return the folder that they are in.

    That is the suite's folder, or for changed values ``changed/NAME`` in it; runs are always in the suite's folder.
    """
    catalog = catalogs.discover()
    suite = load_suite(suite_path, overrides, catalog)
    changes = read_changes(suite_path, overrides, suite, catalog)
    source = new_runs(suite, changes, out)
    _run(suite, source, source.outputs / "suite.json", _write_table, catalog, dry_run, limit, jobs)
    return source.outputs


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
    """Run, or resume, an ablation and write its table and curves; return the folder that they are in, as `run` does.

    Args:
        axes: ``path=value,value,...``; ``off`` removes a trick.  None: those of the suite's ``ablate:`` block.  The
            value that the suite has anyway is the full recipe.
        grid: Every combination of the values instead of one change at a time.  None: as the ``ablate:`` block says.
    """
    catalog = catalogs.discover()
    suite = read_ablation(suite_path, overrides, catalog, axes, grid)
    changes = read_changes(suite_path, overrides, load_suite(suite_path, overrides, catalog), catalog)
    source = new_runs(suite, changes, out)
    _run(suite, source, source.outputs / "ablation.json", _write_ablation, catalog, dry_run, limit, jobs)
    return source.outputs


def _run(
    suite: Suite,
    source: SuiteRuns,
    record: Path,
    write: Callable[[SuiteRuns, Sequence[Run], Catalog], list[Path]],
    catalog: Catalog,
    dry_run: bool,
    limit: int | None,
    jobs: int | None,
) -> None:
    check_reference_tables(suite)

    def finish(runs: Sequence[Run]) -> None:
        written = write(replace(source, run_ids=[run.id for run in runs]), runs, catalog)
        Console(soft_wrap=True, highlight=False, markup=False).print(written[0].read_text())
        console = Console(stderr=True, soft_wrap=True, highlight=False)
        for path in written:
            console.print(f"wrote {path}", markup=False)

    file = RecordFile(record, source.changes)
    run_suite(suite, catalog, source.folder, dry_run=dry_run, limit=limit, jobs=jobs, record=file, finish=finish)


def _write_table(source: SuiteRuns, runs: Sequence[Run], catalog: Catalog) -> list[Path]:
    from vla_rl_bench.analysis.plots.curves import draw_curves
    from vla_rl_bench.analysis.plots.generalization import draw_generalization
    from vla_rl_bench.analysis.tables.report import write_report

    curves = draw_curves(source) if any(arm.rl for arm in source.suite.arms) else None
    unseen = draw_generalization(source) if source.suite.unseen else None
    film = write_film(source, runs, catalog)
    return [*write_report(source), *(path for path in (curves, unseen, film) if path)]


def _write_ablation(source: SuiteRuns, runs: Sequence[Run], catalog: Catalog) -> list[Path]:
    from vla_rl_bench.analysis.plots.curves import draw_ablation
    from vla_rl_bench.analysis.tables.ablation import write_ablation

    return [*write_ablation(source), *draw_ablation(source)]


def write_film(source: SuiteRuns, runs: Sequence[Run], catalog: Catalog) -> Path | None:
    """One start before and after RL, side by side; None when no arm builds on another."""
    suite, folder = source.suite, source.folder
    pair = _pair(suite, runs)
    if pair is None:
        return None
    path = source.outputs / "before_after.gif"
    marker = source.outputs / ".before_after"
    identity = f"{pair[0].id} {pair[1].id} {suite.film}"
    if path.exists() and marker.exists() and marker.read_text() == identity:
        return path
    start = _choose_start(suite, pair, folder)
    films = [dict(film_starts(suite, run, folder, catalog, [start]))[start] for run in pair]
    from vla_rl_bench.analysis.plots.video import write_side_by_side

    titles = {style.name: style.title for style in arm_styles(suite)}
    captions = [
        f"{titles[run.arm]}: {'success' if filmed.success else 'failure'}, step {len(filmed.frames) - 1}"
        for run, filmed in zip(pair, films, strict=True)
    ]
    write_side_by_side(films[0].frames, films[1].frames, path, (captions[0], captions[1]))
    marker.write_text(identity)
    return path


def _arm(suite: Suite, name: str) -> ArmConfig:
    return next(arm for arm in suite.arms if arm.name == name)


def _pair(suite: Suite, runs: Sequence[Run]) -> tuple[Run, Run] | None:
    """The first run with RL (of the film's column), and the run that it started at."""
    by_id = {run.id: run for run in runs}
    for run in runs:
        wanted = suite.film is None or run.column == suite.film.column
        if wanted and run.parent in by_id and _arm(suite, run.arm).rl:
            return by_id[run.parent], run
    return None


def _choose_start(suite: Suite, pair: tuple[Run, Run], folder: Path) -> Start:
    """The suite's choice, else the first held-out start that fails before and succeeds after (greedy), else the first
    start."""
    if suite.film and suite.film.task is not None and suite.film.start is not None:
        return Start(suite.film.task, suite.film.start)
    outcomes = [
        {(record["task"], record["start"]): record["success"] for record in greedy_episodes(suite, folder, run.id)}
        for run in pair
    ]
    lifted = [start for start, success in outcomes[1].items() if success and outcomes[0].get(start) is False]
    return Start(*(lifted or list(outcomes[1]) or [(0, 0)])[0])
