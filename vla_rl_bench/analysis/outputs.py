"""Run a suite and write its outputs: tables, curves and a film."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from rich.console import Console

from vla_rl_bench import catalog as catalogs
from vla_rl_bench.analysis.plots.style import arm_styles
from vla_rl_bench.analysis.tables.reference_rows import check_reference_tables
from vla_rl_bench.catalog import Catalog
from vla_rl_bench.config.ablation import read_ablation
from vla_rl_bench.config.load import load_suite
from vla_rl_bench.config.schema import ArmConfig, Suite
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
    """Run, or resume, a suite and write its table and plots; return its folder."""
    catalog = catalogs.discover()
    suite = load_suite(suite_path, overrides, catalog)
    check_reference_tables(suite)
    folder = out / suite.name
    finish = partial(_write_and_print, _write_table, suite, folder, catalog)
    return run_suite(suite, catalog, folder, dry_run=dry_run, limit=limit, jobs=jobs, finish=finish)


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
    """Run, or resume, an ablation and write its table and curves; return the suite's folder.

    Args:
        axes: ``path=value,value,...``; ``off`` removes a trick.  None: those of the suite's ``ablate:`` block.  The
            value that the suite has anyway is the full recipe.
        grid: Every combination of the values instead of one change at a time.  None: as the ``ablate:`` block says.
    """
    catalog = catalogs.discover()
    suite = read_ablation(suite_path, overrides, catalog, axes, grid)
    check_reference_tables(suite)
    folder = out / suite.name
    finish = partial(_write_and_print, _write_ablation, suite, folder, catalog)
    return run_suite(
        suite, catalog, folder, dry_run=dry_run, limit=limit, jobs=jobs, record="ablation.json", finish=finish
    )


def _write_and_print(
    write: Callable[[Suite, Sequence[Run], Path, Catalog], list[Path]],
    suite: Suite,
    folder: Path,
    catalog: Catalog,
    runs: Sequence[Run],
) -> None:
    written = write(suite, runs, folder, catalog)
    Console(soft_wrap=True, highlight=False, markup=False).print(written[0].read_text())
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    for path in written:
        console.print(f"wrote {path}")


def _write_table(suite: Suite, runs: Sequence[Run], folder: Path, catalog: Catalog) -> list[Path]:
    from vla_rl_bench.analysis.plots.curves import draw_curves
    from vla_rl_bench.analysis.plots.generalization import draw_generalization
    from vla_rl_bench.analysis.tables.report import write_report

    ids = [run.id for run in runs]
    curves = draw_curves(folder, suite, ids) if any(arm.rl for arm in suite.arms) else None
    unseen = draw_generalization(folder, suite, ids) if suite.unseen else None
    film = write_film(suite, runs, folder, catalog)
    return [*write_report(folder, suite, ids), *(path for path in (curves, unseen, film) if path)]


def _write_ablation(suite: Suite, runs: Sequence[Run], folder: Path, catalog: Catalog) -> list[Path]:
    from vla_rl_bench.analysis.plots.curves import draw_ablation
    from vla_rl_bench.analysis.tables.ablation import write_ablation

    ids = [run.id for run in runs]
    return [*write_ablation(folder, suite, ids), *draw_ablation(folder, suite, ids)]


def write_film(suite: Suite, runs: Sequence[Run], folder: Path, catalog: Catalog) -> Path | None:
    """One start before and after RL, side by side; None when no arm builds on another."""
    pair = _pair(suite, runs)
    if pair is None:
        return None
    path = folder / "before_after.gif"
    marker = folder / ".before_after"
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
        {(one["task"], one["start"]): one["success"] for one in greedy_episodes(folder, run.id)} for run in pair
    ]
    lifted = [start for start, success in outcomes[1].items() if success and outcomes[0].get(start) is False]
    return Start(*(lifted or list(outcomes[1]) or [(0, 0)])[0])
