"""Recorded episodes, chosen by a rule, and their films, made once and kept in the suite's folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from vla_rl_bench.analysis.plots.style import ArmStyle, arm_styles
from vla_rl_bench.analysis.plots.video import write_clip
from vla_rl_bench.analysis.select_runs import SuiteRuns
from vla_rl_bench.catalog import discover
from vla_rl_bench.errors import EnvironmentFailure, UserError
from vla_rl_bench.files import Record, read_json, write_json
from vla_rl_bench.records.store import RunFolder
from vla_rl_bench.suite.filming import film_starts, greedy_episodes
from vla_rl_bench.suite.plan import Run, digest, run_path
from vla_rl_bench.types import Start


@dataclass(frozen=True)
class FilmedEpisode:
    """A recorded episode and its film, or the reason why there is none."""

    arm: ArmStyle
    column: str
    success: bool  # as recorded
    run: str = ""
    seed: int = 0
    start: Start | None = None  # None: no such episode was recorded
    instruction: str = ""
    steps: int = 0  # 0: not recorded
    film: Path | None = None
    replay_success: bool | None = None
    reason: str = ""  # without an episode or a film

    @property
    def kind(self) -> str:
        return "success" if self.success else "failure"


def film_episodes(results: SuiteRuns, count: int, report: Callable[[str], None]) -> list[FilmedEpisode]:
    """Film `count` successes and as many failures of each arm in each column, unless they were filmed before."""
    episodes = [_with_film(results, episode) for episode in choose_episodes(results, count)]
    missing = [episode for episode in episodes if episode.start and episode.film is None]
    reasons = dict.fromkeys((episode.run for episode in missing), "only the run's records are here, not its policy")
    runs = [run for run in reasons if _can_play(results, run)]
    for number, run in enumerate(runs):
        report(f"filming {run} ({number + 1} of {len(runs)} runs)")
        reasons[run] = _film(results, run, [episode for episode in missing if episode.run == run])
    return [
        _with_film(results, replace(episode, reason=reasons[episode.run])) if episode in missing else episode
        for episode in episodes
    ]


def _can_play(results: SuiteRuns, run: str) -> bool:
    """Check that the run's policy was kept, or that it is the environment's expert."""
    if RunFolder(run_path(results.folder, run)).policy_path.is_file():
        return True
    try:
        return discover().policy(results.suite.policy.name).demonstrates
    except UserError:
        return False


def choose_episodes(results: SuiteRuns, count: int) -> list[FilmedEpisode]:
    """Choose by position: of the first seed that has any, the first start of each task, then the second of each."""
    return [
        episode
        for column in results.suite.columns
        for arm in arm_styles(results.suite)
        for success in (True, False)
        for episode in _choose(results, FilmedEpisode(arm, column, success), count)
    ]


def _choose(results: SuiteRuns, target: FilmedEpisode, count: int) -> Iterator[FilmedEpisode]:
    runs = results.complete_runs(target.arm.name, target.column)
    records = [(run, greedy_episodes(results.suite, results.folder, run["id"])) for run in runs]
    candidates = [(run, record) for run, played in records for record in _in_turn(played, target.success)]
    if not candidates:
        total = sum(len(played) for _, played in records)
        reason = f"none of the {total} recorded episodes is a {target.kind}" if total else "no greedy episode recorded"
        yield replace(target, reason=reason if runs else "no complete run")
    for run, record in candidates[:count]:
        yield replace(
            target,
            run=run["id"],
            seed=run["seed"],
            start=Start(record["task"], record["start"]),
            instruction=results.task_title(target.column, record["task"]),
            steps=record["steps"] or 0,
        )


def _in_turn(records: Sequence[Record], success: bool) -> list[Record]:
    """Order records as the first start of each task, the second of each, and so on."""
    counts: dict[int, int] = {}
    ranked = []
    for record in sorted(records, key=lambda record: record["start"]):
        if record["success"] == success:
            rank = counts[record["task"]] = counts.get(record["task"], 0) + 1
            ranked.append((rank, record["task"], record["start"], record))
    return [record for *_, record in sorted(ranked, key=lambda entry: entry[:3])]


def _film_path(results: SuiteRuns, episode: FilmedEpisode) -> Path:
    assert episode.start is not None
    return results.outputs / "films" / f"{episode.run}-t{episode.start.task}-s{episode.start.index}.webp"


def _conditions(results: SuiteRuns) -> str:
    film = results.suite.film
    return digest([results.suite.environment.model_dump(mode="json"), film.environment if film else {}])


def _with_film(results: SuiteRuns, episode: FilmedEpisode) -> FilmedEpisode:
    """Add the film, if there is one that was made under the suite's present conditions."""
    if episode.start is None:
        return episode
    film = _film_path(results, episode)
    try:
        record = read_json(film.with_suffix(".json")) if film.is_file() else {}
    except (OSError, ValueError):
        record = {}
    if record.get("conditions") != _conditions(results):
        return episode
    return replace(episode, film=film, replay_success=bool(record["success"]), reason="")


def _film(results: SuiteRuns, run_id: str, episodes: Sequence[FilmedEpisode]) -> str:
    """Write the films of a run, each with its record -> the reason why there are none, or nothing."""
    by_start = {episode.start: episode for episode in episodes if episode.start}
    recorded: dict[str, Any] = {field.name: results.complete[run_id].get(field.name) for field in fields(Run)}
    try:
        for start, filmed in film_starts(results.suite, Run(**recorded), results.folder, discover(), list(by_start)):
            film = write_clip(filmed.frames, _film_path(results, by_start[start]))
            conditions = {"conditions": _conditions(results), "success": filmed.success}
            write_json(film.with_suffix(".json"), conditions | {"steps": len(filmed.frames) - 1})
    except (UserError, EnvironmentFailure, OSError) as error:
        return f"could not be filmed: {str(error).strip().splitlines()[-1]}"
    return ""
