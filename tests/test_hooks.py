"""One truth for each hook of `vla_rl_bench.hookspecs`, named ``test_hook_<name>``: a test counts them."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import typer
from torch import Tensor

from tests.config.suites import load_suite_text
from vla_rl_bench import entries, events
from vla_rl_bench.builtin import plugin as builtin
from vla_rl_bench.catalog import Catalog
from vla_rl_bench.cli.app import build
from vla_rl_bench.engine.hooks import RunHooks
from vla_rl_bench.errors import PluginError
from vla_rl_bench.hookspecs import hookimpl
from vla_rl_bench.suite.plan import RunJob, plan
from vla_rl_bench.suite.stages import execute
from vla_rl_bench.types import ClipRange, Group, Observation, SamplingParams, Start, Trajectory

# -- catalog hooks: what a plugin yields is found by its name, and a clash names both distributions


@dataclass(frozen=True)
class Quiet:
    """A tracker that sees nothing."""

    @hookimpl
    def on_run_end(self) -> None:
        """Nothing."""


@dataclass(frozen=True)
class Hot:
    value: float = 2.0

    @hookimpl
    def sampling_params(self, default: SamplingParams) -> SamplingParams:
        return SamplingParams(self.value)


def plugin(hook: str, *records: Any) -> SimpleNamespace:
    """A plugin module with one hook."""
    return SimpleNamespace(**{hook: hookimpl(lambda: records)})


def check_catalog_hook(kind: str, hook: str, record: Any) -> None:
    catalog = Catalog.of(stranger=plugin(hook, record), builtin=builtin)
    assert catalog.find(kind, record.name).entry is record
    assert catalog.find(kind, record.name).plugin.distribution == "stranger"
    with pytest.raises(PluginError, match=r"registered by first .* and second .*Uninstall one of them"):
        Catalog.of(first=plugin(hook, record), second=plugin(hook, record)).find(kind, record.name)


def test_hook_register_environments() -> None:
    record = entries.EnvironmentEntry("reach", "a point", "reach.environment:make", ("near",))
    check_catalog_hook("environments", "register_environments", record)


def test_hook_register_policies() -> None:
    check_catalog_hook("policies", "register_policies", entries.PolicyEntry("vla", "7B", "vla.policy:make"))


def test_hook_register_tricks() -> None:
    check_catalog_hook("tricks", "register_tricks", entries.TrickEntry("hot", "hotter", Hot))


def test_hook_register_algorithms() -> None:
    check_catalog_hook("algorithms", "register_algorithms", entries.AlgorithmEntry("mine", "a loop", "mine:train"))


def test_hook_register_advantages() -> None:
    check_catalog_hook("advantages", "register_advantages", entries.AdvantageEntry("rloo", "others", "rl:rloo"))


def test_hook_register_objectives() -> None:
    check_catalog_hook("objectives", "register_objectives", entries.ObjectiveEntry("plain", "no clip", "rl:plain"))


def test_hook_register_strategies() -> None:
    check_catalog_hook("strategies", "register_strategies", entries.StrategyEntry("mesh", "many", "mesh:make"))


def test_hook_register_trackers() -> None:
    check_catalog_hook("trackers", "register_trackers", entries.TrackerEntry("quiet", "nothing", Quiet))


def test_hook_register_table_formats() -> None:
    record = entries.TableFormatEntry("org", "for Emacs", "tables:as_org", "org")
    check_catalog_hook("table-formats", "register_table_formats", record)


def test_hook_register_suites(tmp_path: Path) -> None:
    record = entries.SuiteEntry("mine", "a suite", tmp_path / "mine.yaml")
    check_catalog_hook("suites", "register_suites", record)


def test_hook_register_checks() -> None:
    """Checks are all run; they need no names of their own."""
    record = entries.CheckEntry("gl", lambda: [entries.CheckResult(True, "a GL library")])
    catalog = Catalog.of(first=plugin("register_checks", record), second=plugin("register_checks", record))
    assert [one.entry for one in catalog.checks()] == [record, record]


def test_hook_register_commands(capsys: pytest.CaptureFixture[str]) -> None:
    """A plugin's command is there; one that would replace ours, or a plugin that raises, is left out with a warning."""

    def add(app: typer.Typer) -> None:
        app.command("hello")(lambda: typer.echo("hello from a plugin"))
        app.command("run")(lambda: typer.echo("not ours"))

    def fail(app: typer.Typer) -> None:
        raise RuntimeError("no commands today")

    good, bad = (SimpleNamespace(register_commands=hookimpl(one)) for one in (add, fail))
    app = build(Catalog.of(good=good, bad=bad))
    app(["hello"], standalone_mode=False)
    printed = capsys.readouterr()
    assert printed.out == "hello from a plugin\n"
    assert "`run` is left out" in printed.err
    assert "no commands today" in printed.err


# -- engine hooks that hold values: one owner, wrappers around it, the default where nobody answers


@dataclass(frozen=True)
class Answers:
    """A trick that owns every value hook."""

    @hookimpl
    def sampling_params(self) -> SamplingParams:
        return SamplingParams(1.6)

    @hookimpl
    def draw_limit(self) -> float:
        return 4.0

    @hookimpl
    def advantages(self, returns: Tensor) -> Tensor:
        return returns - 0.5

    @hookimpl
    def clip_range(self) -> ClipRange:
        return ClipRange(0.2, 0.28)


@dataclass(frozen=True)
class Silent:
    """A trick with every value hook and no opinion."""

    @hookimpl
    def sampling_params(self) -> None:
        return None

    @hookimpl
    def draw_limit(self) -> None:
        return None

    @hookimpl
    def advantages(self) -> None:
        return None

    @hookimpl
    def clip_range(self) -> None:
        return None


@dataclass(frozen=True)
class Doubles:
    """A trick that wraps every value hook."""

    @hookimpl(wrapper=True)
    def sampling_params(self) -> Generator[None, SamplingParams, SamplingParams]:
        return SamplingParams(2 * (yield).temperature)

    @hookimpl(wrapper=True)
    def draw_limit(self) -> Generator[None, float, float]:
        return 2 * (yield)

    @hookimpl(wrapper=True)
    def advantages(self) -> Generator[None, Tensor, Tensor]:
        return 2 * (yield)

    @hookimpl(wrapper=True)
    def clip_range(self) -> Generator[None, ClipRange, ClipRange]:
        found = yield
        return ClipRange(2 * found.low, 2 * found.high)


def ask(hook: str, *tricks: object) -> Any:
    """What the engine answers, plain; defaults: temperature 1, one draw, clip 0.1 and 0.1, the returns themselves."""
    engine = RunHooks(tricks)
    if hook == "sampling_params":
        return engine.sampling_params(1, SamplingParams(1.0)).temperature
    if hook == "draw_limit":
        return engine.draw_limit(1, 1.0)
    if hook == "advantages":
        return engine.advantages(torch.tensor([[0.0, 1.0]]), lambda returns: returns.clone()).tolist()
    clip = engine.clip_range(1, ClipRange(0.1, 0.1))
    return clip.low, clip.high


def check_value_hook(hook: str, *, default: Any, owned: Any, wrapped: Any, both: Any) -> None:
    assert ask(hook) == default
    assert ask(hook, Silent()) == default
    assert ask(hook, Answers()) == owned
    assert ask(hook, Doubles()) == wrapped
    assert ask(hook, Answers(), Doubles()) == ask(hook, Doubles(), Answers()) == both
    one, other = (type(name, (), {hook: vars(Answers)[hook]})() for name in ("One", "Other"))
    with pytest.raises(PluginError, match=f"{hook}: both One and Other own it"):
        RunHooks([one, other])


def test_hook_sampling_params() -> None:
    check_value_hook("sampling_params", default=1.0, owned=1.6, wrapped=2.0, both=3.2)


def test_hook_draw_limit() -> None:
    check_value_hook("draw_limit", default=1.0, owned=4.0, wrapped=2.0, both=8.0)


def test_hook_advantages() -> None:
    check_value_hook("advantages", default=[[0.0, 1.0]], owned=[[-0.5, 0.5]], wrapped=[[0.0, 2.0]], both=[[-1.0, 1.0]])


def test_hook_clip_range() -> None:
    check_value_hook("clip_range", default=(0.1, 0.1), owned=(0.2, 0.28), wrapped=(0.2, 0.2), both=(0.4, 0.56))


def group(*successes: bool) -> Group:
    nothing = Observation({}, np.zeros((0, 0), np.float32))
    empty = np.zeros((0, 0), np.float32)
    start = Start(0, 0)
    return Group(
        0,
        start,
        tuple(
            Trajectory(start, number, nothing, empty.astype(np.int16), empty, np.zeros(0, np.int64), success)
            for number, success in enumerate(successes)
        ),
    )


@dataclass(frozen=True)
class Between:
    """Keeps groups with so many successes; without bounds it has no opinion."""

    bounds: tuple[int, int] | None

    @hookimpl
    def keep_group(self, group: Group) -> bool | None:
        return None if self.bounds is None else self.bounds[0] <= group.successes <= self.bounds[1]


def test_hook_keep_group() -> None:
    """All who have an opinion must agree; without one, every group is kept."""
    solved, unsolved, silent = Between((1, 2)), Between((0, 1)), Between(None)
    groups = [group(False, False), group(True, False), group(True, True)]
    assert [RunHooks([]).keep_group(one) for one in groups] == [True, True, True]
    assert [RunHooks([silent]).keep_group(one) for one in groups] == [True, True, True]
    assert [RunHooks([solved, silent]).keep_group(one) for one in groups] == [False, True, True]
    assert [RunHooks([solved, unsolved]).keep_group(one) for one in groups] == [False, True, False]


@dataclass(frozen=True)
class Term:
    name: str
    value: float = 1.0

    @hookimpl
    def loss_terms(self, entropy: Tensor) -> dict[str, Tensor] | None:
        return {self.name: self.value + entropy.sum()} if self.name else None


class OtherTerm(Term):
    """The same under another name."""


def test_hook_loss_terms() -> None:
    """Terms of all tricks, by name; the same name twice names both tricks."""
    tensors = {name: torch.zeros(2, 3) for name in ("logprobs", "entropy", "mask")}
    assert RunHooks([]).loss_terms(**tensors) == {}
    found = RunHooks([Term("a"), Term(""), OtherTerm("b", 2.0)]).loss_terms(**tensors)
    assert {name: float(term) for name, term in found.items()} == {"a": 1.0, "b": 2.0}
    with pytest.raises(PluginError, match="`a` comes from Term and OtherTerm"):
        RunHooks([Term("a"), OtherTerm("a", 2.0)]).loss_terms(**tensors)


# -- engine hooks that observe: a real run of the embedded environment, watched

SUITE = """
name: watched
environment: {name: tabletop}
columns: [object]
tasks: {object: [0]}
policy: {name: nano, width: 32, layers: 1}
seeds: [0]
arms:
  - name: both
    demonstrations: {per_task: 1}
    sft: {steps: 2, batch_size: 4, learning_rate: 1.0e-3}
    rl: {iterations: 2, groups: 2, group_size: 2, minibatch: 2, learning_rate: 1.0e-3, advantage: grpo,
         objective: clipped, aggregate: trajectory-mean}
evaluation: {per_task: 3}
trackers: [{name: watch}, {name: faulty}]
"""

SEEN: list[Any] = []  # a tracker is built by the run, so it leaves its events here


@dataclass(frozen=True)
class Watch:
    @hookimpl
    def on_run_start(self, event: events.RunStart) -> None:
        SEEN.append(event)

    @hookimpl
    def on_group_end(self, event: events.GroupEnd) -> None:
        SEEN.append(event)

    @hookimpl
    def on_rollout_end(self, event: events.RolloutEnd) -> None:
        SEEN.append(event)

    @hookimpl
    def on_update_end(self, event: events.UpdateEnd) -> None:
        SEEN.append(event)

    @hookimpl
    def on_eval_end(self, event: events.EvaluationEnd) -> None:
        SEEN.append(event)

    @hookimpl
    def on_checkpoint(self, event: events.CheckpointSaved) -> None:
        assert event.path.exists()
        SEEN.append(event)

    @hookimpl
    def on_run_end(self, event: events.RunEnd) -> None:
        SEEN.append(event)


@dataclass(frozen=True)
class Faulty:
    @hookimpl
    def on_rollout_end(self) -> None:
        raise RuntimeError("the tracker's own trouble")


@dataclass(frozen=True)
class Watched:
    """A finished run: what its trackers saw, and its record."""

    seen: list[Any]
    record: Mapping[str, Any]
    folder: Path
    metrics: int

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.seen if isinstance(event, kind)]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    trackers = plugin(
        "register_trackers",
        entries.TrackerEntry("watch", "keeps every event", Watch),
        entries.TrackerEntry("faulty", "raises", Faulty),
    )
    catalog = Catalog.of(builtin=builtin, trackers=trackers)
    suite = load_suite_text(SUITE, catalog=catalog)
    [run] = plan(suite, catalog)
    job = RunJob(suite, run, tmp_path_factory.mktemp("watched"))
    SEEN.clear()
    execute(job, catalog, lambda report: None)
    lines = job.run_folder.metrics_path.read_text().splitlines()
    return Watched(list(SEEN), job.run_folder.read(), job.run_folder.path, len(lines))


def test_hook_on_run_start(watched: Watched) -> None:
    assert isinstance(watched.seen[0], events.RunStart)
    assert watched.seen[0].folder == watched.folder
    assert watched.seen[0].config == watched.record["recipe"]


def test_hook_on_group_end(watched: Watched) -> None:
    """Once for each group of an iteration's batch, in any order, before the rollout ends."""
    groups = watched.of(events.GroupEnd)
    assert sorted((event.iteration, event.group.index) for event in groups) == [(1, 0), (1, 1), (2, 0), (2, 1)]
    assert {event.folder for event in groups} == {watched.folder}
    assert {len(event.group.trajectories) for event in groups} == {2}
    assert {event.policy.action_dim for event in groups} == {3}


def test_hook_on_rollout_end(watched: Watched) -> None:
    """Once an iteration; an observer that raises there is recorded and ends nothing."""
    found = watched.of(events.RolloutEnd)
    assert [(one.iteration, one.drawn, one.kept, one.trajectories) for one in found] == [(1, 2, 2, 4), (2, 2, 2, 4)]
    assert watched.record["status"] == "complete"
    assert watched.record["observer_errors"] == ["Faulty.on_rollout_end: RuntimeError: the tracker's own trouble"] * 2


def test_hook_on_update_end(watched: Watched) -> None:
    found = watched.of(events.UpdateEnd)
    assert [(one.iteration, one.skipped) for one in found] == [(1, False), (2, False)]
    assert watched.metrics == 2


def test_hook_on_checkpoint(watched: Watched) -> None:
    assert [one.iteration for one in watched.of(events.CheckpointSaved)] == [1, 2]


def test_hook_on_eval_end(watched: Watched) -> None:
    [final] = watched.of(events.EvaluationEnd)
    assert (final.iteration, final.sampling, final.episodes) == (None, "greedy", 3)
    assert len((watched.folder / "episodes.jsonl").read_text().splitlines()) == 3


def test_hook_on_run_end(watched: Watched) -> None:
    assert isinstance(watched.seen[-1], events.RunEnd)
    assert watched.seen[-1].status == "complete"
    assert [type(event).__name__ for event in watched.seen] == [
        "RunStart",
        *["GroupEnd", "GroupEnd", "RolloutEnd", "UpdateEnd", "CheckpointSaved"] * 2,
        "EvaluationEnd",
        "RunEnd",
    ]
