"""Run folders -> pandas frames.  Only complete, unlimited runs are read: the rest is no evidence yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

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


def run_folders(suite_folder: Path) -> list[Path]:
    """The run folders of a suite's folder, by name."""
    return sorted(path.parent for path in suite_folder.glob("runs/*/run.json"))


def countable_runs(folders: Iterable[Path], run_ids: Collection[str] | None = None) -> list[tuple[Path, Record]]:
    """The runs that may fill a table: complete, not limited and, unless `run_ids` is None, named in it."""
    found = ((folder, RunFolder(folder).read()) for folder in sorted(folders))
    return [
        (folder, run)
        for folder, run in found
        if run.get("status") == "complete" and not run.get("limited") and (run_ids is None or run["id"] in run_ids)
    ]


def episodes_frame(folders: Iterable[Path], run_ids: Collection[str] | None = None) -> pd.DataFrame:
    """One row an evaluated episode, with the columns `EPISODE_COLUMNS`.

    iteration: Int64, missing in final evaluations.  Two complete runs of one arm, column and seed are an error: they
    are different recipes under one name, and only the suite's run ids can tell which is meant.
    """
    import pandas as pd

    runs = countable_runs(folders, run_ids)
    _refuse_twins(runs)
    rows = [
        {**_run_fields(run), **_episode_fields(episode, run)}
        for folder, run in runs
        for episode in _episodes(folder, run)
    ]
    frame = pd.DataFrame(rows, columns=list(EPISODE_COLUMNS))
    return frame.astype({"iteration": "Int64", "success": "bool"})


def metrics_frame(folders: Iterable[Path], run_ids: Collection[str] | None = None) -> pd.DataFrame:
    """One row an RL iteration: the run's fields and what ``metrics.jsonl`` holds (nested values as they are)."""
    import pandas as pd

    rows = [
        {**_run_fields(run), **line}
        for folder, run in countable_runs(folders, run_ids)
        for line in read_json_lines(RunFolder(folder).metrics_path)
    ]
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=[*RUN_COLUMNS, "iteration", "rollout_success"])


def protocols(frame: pd.DataFrame) -> dict[str, str]:
    """Column -> the one protocol that its episodes were measured under; more than one in a column is an error."""
    found: dict[str, str] = {}
    for column, protocol in frame[["column", "protocol"]].drop_duplicates().itertuples(index=False):
        other = found.setdefault(column, protocol)
        if other != protocol:
            first, second = sorted((other, protocol))
            raise UserError(
                f"{column}: measured under two protocols, `{first}` and `{second}`, which never share a table; "
                "name fewer runs, or run the suite again"
            )
    return found


def _episodes(folder: Path, run: Record) -> list[Record]:
    """The recorded episodes: those of curves, and those of the final evaluations that the run's record vouches for."""
    episodes = read_json_lines(RunFolder(folder).episodes_path)
    vouched = run.get("evaluations")
    if vouched is None:
        return episodes
    final = Counter(_evaluation(episode) for episode in episodes if episode["iteration"] is None)
    for name, entry in vouched.items():
        if final[name] != entry["episodes"]:
            raise UserError(
                f"{folder}: {entry['episodes']} episodes of {name} were recorded, {final[name]} are there; "
                "delete the folder and run the suite again"
            )
    return [episode for episode in episodes if episode["iteration"] is not None or _evaluation(episode) in vouched]


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
        "evaluation": episode.get("evaluation") or "main",
        "protocol": episode.get("protocol") or run.get("protocol", ""),
    }


def _refuse_twins(runs: list[tuple[Path, Record]]) -> None:
    seen: dict[tuple[str, str, int], Path] = {}
    for folder, run in runs:
        other = seen.setdefault((run["arm"], run["column"], run["seed"]), folder)
        if other != folder:
            raise UserError(
                f"{folder.parent}: `{other.name}` and `{folder.name}` are both complete runs of arm {run['arm']}, "
                f"column {run['column']}, seed {run['seed']}; delete the one you do not mean, or name the suite file"
            )
