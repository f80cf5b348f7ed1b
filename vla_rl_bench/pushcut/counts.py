"""Successes by behaviour, at every stage of the runs with RL of a suite, or of one such run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from vla_rl_bench.catalog import Catalog
from vla_rl_bench.errors import UserError
from vla_rl_bench.files import Record, read_json, read_json_lines
from vla_rl_bench.records.frame import countable_runs, run_folders
from vla_rl_bench.records.store import RunFolder
from vla_rl_bench.results.behaviours import Label, demonstrated, labels_of

MAIN = "main"
GREEDY = "greedy"


@dataclass(frozen=True)
class Seen:
    """What one policy did at one time.  successes: behaviour -> how many; episodes: in all, failures too."""

    successes: Mapping[str, int]
    episodes: int

    @property
    def total(self) -> int:
        return sum(self.successes.values())

    def share(self, behaviour: str) -> float | None:
        """Of the successes; None without any."""
        return self.successes.get(behaviour, 0) / self.total if self.total else None


@dataclass(frozen=True)
class Stage:
    """The same of each seed's policy."""

    title: str
    by_seed: Mapping[int, Seen]

    def count(self, behaviour: str) -> tuple[int, int]:
        """Successes with it, successes; of all seeds."""
        seen = self.by_seed.values()
        return sum(one.successes.get(behaviour, 0) for one in seen), sum(one.total for one in seen)

    @property
    def episodes(self) -> int:
        return sum(one.episodes for one in self.by_seed.values())


@dataclass(frozen=True)
class Section:
    """An arm with RL on one column.

    runs: (folder, record), one a seed.  demonstrations: where every run's are known; their successes are all of them.
    before: the policy that RL began with, evaluated; after: the trained one.  rollouts: iteration -> its rollouts,
    which the policy plays *before* that iteration's update; empty where behaviours were not recorded.
    """

    arm: str
    title: str
    column: str
    runs: tuple[tuple[Path, Record], ...]
    demonstrations: Stage | None
    before: Stage | None
    rollouts: Mapping[int, Stage]
    after: Stage

    @property
    def stages(self) -> list[Stage]:
        ends = (
            [self.rollouts[number] for number in sorted({min(self.rollouts), max(self.rollouts)})]
            if self.rollouts
            else []
        )
        return [one for one in (self.demonstrations, self.before, *ends, self.after) if one is not None]

    @property
    def behaviours(self) -> list[str]:
        """Those of demonstrations first, then those of successes, by how many there are."""
        total = Counter[str]()
        for stage in (*self.stages, *self.rollouts.values()):
            for seen in stage.by_seed.values():
                total.update(seen.successes)
        return sorted(
            (name for name in total if total[name]), key=lambda name: (not self.shown(name), -total[name], name)
        )

    def shown(self, behaviour: str) -> bool:
        """Whether a demonstration of any seed has it."""
        return self.demonstrations is not None and self.demonstrations.count(behaviour)[0] > 0

    @property
    def new(self) -> list[str]:
        """Those that no demonstration has; none where nobody knows."""
        return [] if self.demonstrations is None else [name for name in self.behaviours if not self.shown(name)]


def read_sections(folder: Path, catalog: Catalog) -> list[Section]:
    """folder: a run's, or a suite's; only complete runs count."""
    found: dict[tuple[str, str], list[tuple[Path, Record]]] = {}
    for path, run in _runs(folder):
        if run["recipe"].get("rl"):
            found.setdefault((run["arm"], run["column"]), []).append((path, run))
    if not found:
        raise UserError(f"{folder}: no complete run with RL is here; give a suite's folder, or runs/<suite>/runs/<id>")
    return [_section(sorted(runs, key=lambda one: one[1]["seed"]), catalog) for runs in found.values()]


def _runs(folder: Path) -> list[tuple[Path, Record]]:
    if (folder / "run.json").is_file():
        return countable_runs([folder.resolve()])
    plan = folder / "suite.json"
    return countable_runs(run_folders(folder), read_json(plan)["runs"] if plan.is_file() else None)


def _section(runs: list[tuple[Path, Record]], catalog: Catalog) -> Section:
    first = runs[0][1]
    label = labels_of(catalog.environment(first["environment"]["name"]))
    shown = {run["seed"]: demonstrated(path) for path, run in runs}
    known = {seed: Seen(one, sum(one.values())) for seed, one in shown.items() if one is not None}
    return Section(
        arm=first["arm"],
        title=first.get("arm_title") or first["arm"],
        column=first["column"],
        runs=tuple(runs),
        demonstrations=Stage("demonstrations", known) if len(known) == len(runs) else None,
        before=_before(runs, label),
        rollouts=_rollouts(runs),
        after=Stage(
            f"{(first.get('arm_title') or first['arm']).strip()}, evaluated",
            {run["seed"]: _evaluated(path, label, lambda it: it is None) for path, run in runs},
        ),
    )


def _before(runs: list[tuple[Path, Record]], label: Label) -> Stage | None:
    """The final evaluation of the run that RL began with, else its curve's point before RL."""
    found: dict[int, Seen] = {}
    title = "before RL"
    for path, run in runs:
        parent = path.with_name(run["parent"]) if run["parent"] else None
        seen = _evaluated(parent, label, lambda it: it is None) if parent else Seen({}, 0)
        if parent and seen.episodes:
            record = RunFolder(parent).read()
            title = str(record.get("arm_title") or record["arm"]).strip()
        found[run["seed"]] = seen if seen.episodes else _evaluated(path, label, lambda it: it == 0)
    return Stage(f"{title}, evaluated", found) if all(one.episodes for one in found.values()) else None


def _evaluated(path: Path, label: Label, wanted: Callable[[int | None], bool]) -> Seen:
    """The main evaluation's greedy episodes, or those of its only other sampling."""
    lines = [
        line
        for line in read_json_lines(RunFolder(path).episodes_path)
        if (line.get("evaluation") or MAIN) == MAIN and wanted(line["iteration"])
    ]
    samplings = sorted({line["sampling"] for line in lines}, key=lambda name: (name != GREEDY, name))
    chosen = [line for line in lines if line["sampling"] == samplings[0]]
    return Seen(Counter(label(line.get("events", ())) for line in chosen if line["success"]), len(chosen))


def _rollouts(runs: list[tuple[Path, Record]]) -> dict[int, Stage]:
    """Of the iterations that every seed has recorded."""
    by_seed = {run["seed"]: _recorded(read_json_lines(RunFolder(path).metrics_path)) for path, run in runs}
    shared = set.intersection(*(set(one) for one in by_seed.values()))
    return {
        number: Stage(f"rollouts, iteration {number}", {seed: one[number] for seed, one in by_seed.items()})
        for number in sorted(shared)
    }


def _recorded(metrics: Iterable[Record]) -> dict[int, Seen]:
    return {
        line["iteration"]: Seen({name: k for name, (_, k) in line["behaviours"].items() if k}, line["trajectories"])
        for line in metrics
        if "behaviours" in line
    }
