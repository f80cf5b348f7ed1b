"""Episodes and metrics of run folders as pandas frames; only complete runs without ``--limit`` are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from vla_rl_bench.config.schema import MAIN
from vla_rl_bench.errors import UserError
from vla_rl_bench.files import Record, read_json_lines
from vla_rl_bench.records.store import RunFolder

if TYPE_CHECKING:
    import pandas as pd

RUN_COLUMNS = ("run", "arm", "arm_title", "column", "seed", "comparable")
EPISODE_COLUMNS = (
    *RUN_COLUMNS,
    *("evaluation", "iteration", "sampling", "task", "start", "rollout", "success", "steps", "protocol"),
)


EvaluationNames = Callable[[Record], Mapping[str, str] | None]
"""A run's record -> the final evaluations to read, ``name/sampling``, each with the name to give it; None for all."""


def run_folders(suite_folder: Path) -> list[Path]:
    """List the run folders of a suite's folder, by name."""
    return sorted(path.parent for path in suite_folder.glob("runs/*/run.json"))


def countable_runs(folders: Iterable[Path], run_ids: Collection[str] | None = None) -> list[tuple[Path, Record]]:
    """List the runs that may fill a table: complete, not limited and, unless `run_ids` is None, named in it."""
    runs = ((folder, RunFolder(folder).read()) for folder in sorted(folders))
    return [
        (folder, run)
        for folder, run in runs
        if run.get("status") == "complete" and not run.get("limited") and (run_ids is None or run["id"] in run_ids)
    ]


def episodes_frame(
    folders: Iterable[Path], run_ids: Collection[str] | None = None, names: EvaluationNames | None = None
) -> pd.DataFrame:
    """Read evaluated episodes, a row each, with the columns `EPISODE_COLUMNS`.

    The column `iteration` is Int64, missing in final evaluations.

    Args:
        folders: Folders of runs.
        run_ids: The runs to read; None: all complete ones.
        names: Which final evaluations of a run to read, and under which names; None: all, under their own.

    Raises:
        UserError: Two complete runs of one arm, column and seed: different recipes under one name, of which only
            `run_ids` can choose one.
    """
    import pandas as pd

    runs = countable_runs(folders, run_ids)
    _check_duplicates(runs)
    rows = [
        {**_run_fields(run), **_episode_fields(episode, run)}
        for folder, run in runs
        for episode in _episodes(folder, run, names(run) if names else None)
    ]
    frame = pd.DataFrame(rows, columns=list(EPISODE_COLUMNS))
    return frame.astype({"iteration": "Int64", "success": "bool"})


def metrics_frame(folders: Iterable[Path], run_ids: Collection[str] | None = None) -> pd.DataFrame:
    """Read RL iterations, a row each, with the run's fields and those of ``metrics.jsonl``, nested ones unchanged."""
    import pandas as pd

    rows = [
        {**_run_fields(run), **line}
        for folder, run in countable_runs(folders, run_ids)
        for line in read_json_lines(RunFolder(folder).metrics_path)
    ]
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=[*RUN_COLUMNS, "iteration", "rollout_success"])


def protocols(frame: pd.DataFrame) -> dict[str, str]:
    """Return the protocol that the episodes of each column were measured under.

    Raises:
        UserError: A column has episodes of two protocols.
    """
    by_column: dict[str, str] = {}
    for column, protocol in frame[["column", "protocol"]].drop_duplicates().itertuples(index=False):
        if by_column.setdefault(column, protocol) != protocol:
            first, second = sorted((by_column[column], protocol))
            raise UserError(
                f"{column}: measured under two protocols, `{first}` and `{second}`, which never share a table; "
                "name fewer runs, or run the suite again"
            )
    return by_column


def _episodes(folder: Path, run: Record, names: Mapping[str, str] | None) -> list[Record]:
    """Read the episodes of curves, and of the final evaluations that are in the run's record and in `names`."""
    episodes = read_json_lines(RunFolder(folder).episodes_path)
    evaluations = run.get("evaluations")
    if evaluations is None:
        return episodes
    final = Counter(_evaluation(episode) for episode in episodes if episode["iteration"] is None)
    for name, entry in evaluations.items():
        if final[name] != entry["episodes"]:
            raise UserError(
                f"{folder}: {entry['episodes']} episodes of {name} were recorded, {final[name]} are in the file; "
                "delete the folder and run the suite again"
            )
    during = [episode for episode in episodes if episode["iteration"] is not None]
    after = [episode for episode in episodes if episode["iteration"] is None]
    if names is None:
        return [*during, *(episode for episode in after if _evaluation(episode) in evaluations)]
    named = [(names.get(_evaluation(episode)), episode) for episode in after]
    return [*during, *(episode | {"evaluation": name} for name, episode in named if name is not None)]


def _evaluation(episode: Record) -> str:
    return f"{episode['evaluation']}/{episode['sampling']}"


def _run_fields(run: Record) -> Record:
    return {
        "run": run["id"],
        "arm": run["arm"],
        "arm_title": run.get("arm_title") or run["arm"],
        "column": run["column"],
        "seed": run["seed"],
        "comparable": bool(run.get("comparable", True)),
    }


def _episode_fields(episode: Record, run: Record) -> Record:
    fields = ("evaluation", "iteration", "sampling", "task", "start", "rollout", "success", "steps")
    return {field: episode.get(field) for field in fields} | {
        "evaluation": episode.get("evaluation") or MAIN,
        "protocol": episode.get("protocol") or run.get("protocol", ""),
    }


def _check_duplicates(runs: list[tuple[Path, Record]]) -> None:
    """Raise a `UserError` if two runs have one arm, column and seed."""
    folders: dict[tuple[str, str, int], Path] = {}
    for folder, run in runs:
        first = folders.setdefault((run["arm"], run["column"], run["seed"]), folder)
        if first != folder:
            raise UserError(
                f"{folder.parent}: `{first.name}` and `{folder.name}` are both complete runs of arm {run['arm']}, "
                f"column {run['column']}, seed {run['seed']}; delete the one you do not mean, or name the suite file"
            )
