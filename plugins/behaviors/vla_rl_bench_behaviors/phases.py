"""Successes by behavior in each phase of training, read from the folders of complete runs with RL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vla_rl_bench.config.schema import GREEDY, MAIN
from vla_rl_bench.errors import UserError
from vla_rl_bench.files import Record, read_json, read_json_lines
from vla_rl_bench.records.frame import countable_runs, run_folders
from vla_rl_bench.records.store import RunFolder
from vla_rl_bench.records.suite_record import suite_folder
from vla_rl_bench_behaviors.records import BehaviorCounts, Classify, classifier, demonstrated, rollout_counts


@dataclass(frozen=True)
class TrainingPhase:
    """Episodes of every seed's policy at the same point of training."""

    title: str
    by_seed: Mapping[int, BehaviorCounts]

    @property
    def episodes(self) -> int:
        return sum(counts.episodes for counts in self.by_seed.values())

    @property
    def total(self) -> int:
        return sum(counts.total for counts in self.by_seed.values())

    def successes(self, behavior: str) -> int:
        return sum(counts.successes.get(behavior, 0) for counts in self.by_seed.values())


@dataclass(frozen=True)
class ArmBehaviors:
    """One arm with RL on one column."""

    arm: str
    column: str
    title: str
    runs: tuple[tuple[Path, Record], ...]  # folder and record, one per seed
    demonstrations: TrainingPhase | None  # None if some seed's are not recorded
    before: TrainingPhase | None  # the policy that RL started from, evaluated
    rollouts: Mapping[int, TrainingPhase]  # iteration -> its rollouts, with the policy before its update
    after: TrainingPhase  # the trained policy, evaluated

    @property
    def phases(self) -> list[TrainingPhase]:
        """The columns of the table: of the rollouts, only the first and the last iteration."""
        ends = sorted({min(self.rollouts), max(self.rollouts)}) if self.rollouts else []
        phases = [self.demonstrations, self.before, *(self.rollouts[number] for number in ends), self.after]
        return [phase for phase in phases if phase is not None]

    @property
    def behaviors(self) -> list[str]:
        """Behaviors of demonstrations first, then the most frequent first."""
        total = Counter[str]()
        for phase in (*self.phases, *self.rollouts.values()):
            for counts in phase.by_seed.values():
                total.update(counts.successes)
        names = [name for name in total if total[name]]
        return sorted(names, key=lambda name: (not self.is_demonstrated(name), -total[name], name))

    @property
    def new(self) -> list[str]:
        """Behaviors of successes that no demonstration has; none if the demonstrations are not recorded."""
        return [name for name in self.behaviors if self.demonstrations and not self.is_demonstrated(name)]

    def is_demonstrated(self, behavior: str) -> bool:
        return self.demonstrations is not None and self.demonstrations.successes(behavior) > 0


def read_arms(folder: Path) -> list[ArmBehaviors]:
    """Read the complete runs with RL of a suite's folder, or one run's folder."""
    seeds: dict[tuple[str, str], list[tuple[Path, Record]]] = {}
    for path, run in _complete_runs(folder):
        if run["recipe"].get("rl"):
            seeds.setdefault((run["arm"], run["column"]), []).append((path, run))
    if not seeds:
        raise UserError(f"{folder}: has no complete run with RL; give a suite's folder, or runs/<suite>/runs/<id>")
    return [_read_arm(sorted(runs, key=lambda item: item[1]["seed"])) for runs in seeds.values()]


def _complete_runs(folder: Path) -> list[tuple[Path, Record]]:
    if (folder / "run.json").is_file():
        return countable_runs([folder.resolve()])
    plan = folder / "suite.json"
    return countable_runs(run_folders(suite_folder(folder)), read_json(plan)["runs"] if plan.is_file() else None)


def _read_arm(runs: list[tuple[Path, Record]]) -> ArmBehaviors:
    folder, first = runs[0]
    title = _title(folder, first)
    classify = classifier(first["recipe"]["environment"]["name"])
    demonstrations = {run["seed"]: demonstrated(path, classify) for path, run in runs}
    known = {
        seed: BehaviorCounts(counts, sum(counts.values()))
        for seed, counts in demonstrations.items()
        if counts is not None
    }
    return ArmBehaviors(
        arm=first["arm"],
        column=first["column"],
        title=title,
        runs=tuple(runs),
        demonstrations=TrainingPhase("demonstrations", known) if len(known) == len(runs) else None,
        before=_before(runs, classify),
        rollouts=_rollouts(runs),
        after=TrainingPhase(f"{title}, evaluated", {run["seed"]: _evaluated(path, classify) for path, run in runs}),
    )


def _title(path: Path, run: Record) -> str:
    """The arm's title; one that starts with ``+``, as in ``+ RL``, after the title of the arm it starts from."""
    title = str(run.get("arm_title") or run["arm"]).strip()
    parent = path.with_name(run["parent"]) if run["parent"] and title.startswith("+") else None
    if parent and (record := RunFolder(parent).read()):
        return f"{_title(parent, record)} {title}"
    return title


def _before(runs: list[tuple[Path, Record]], classify: Classify) -> TrainingPhase | None:
    """Read the final evaluation of the runs that RL started from, else the point of the curve before RL."""
    title, by_seed = "before RL", {}
    for path, run in runs:
        parent = path.with_name(run["parent"]) if run["parent"] else None
        counts = _evaluated(parent, classify) if parent else BehaviorCounts({}, 0)
        if parent and counts.episodes:
            title = _title(parent, RunFolder(parent).read())
        by_seed[run["seed"]] = counts if counts.episodes else _evaluated(path, classify, iteration=0)
    complete = all(counts.episodes for counts in by_seed.values())
    return TrainingPhase(f"{title}, evaluated", by_seed) if complete else None


def _evaluated(run: Path, classify: Classify, iteration: int | None = None) -> BehaviorCounts:
    """Count the greedy episodes of the main evaluation; those of its first other sampling if none is greedy."""
    episodes = [
        episode
        for episode in read_json_lines(RunFolder(run).episodes_path)
        if (episode.get("evaluation") or MAIN) == MAIN and episode["iteration"] == iteration
    ]
    sampling = min((episode["sampling"] for episode in episodes), key=lambda name: (name != GREEDY, name), default="")
    episodes = [episode for episode in episodes if episode["sampling"] == sampling]
    successes = Counter(classify(episode.get("events", ())) for episode in episodes if episode["success"])
    return BehaviorCounts(dict(successes), len(episodes))


def _rollouts(runs: list[tuple[Path, Record]]) -> dict[int, TrainingPhase]:
    """Read the iterations that every seed has recorded."""
    by_seed = {run["seed"]: rollout_counts(path) for path, run in runs}
    shared = set.intersection(*(set(iterations) for iterations in by_seed.values()))
    return {
        number: TrainingPhase(
            f"rollouts, iteration {number}", {seed: iterations[number] for seed, iterations in by_seed.items()}
        )
        for number in sorted(shared)
    }
