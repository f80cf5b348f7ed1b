"""Policy `expert`: an arm whose episodes are the environment's own demonstrations, counted like any other arm's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.analysis.statistics.made_up import made_up_source
from tests.config.suites import load_suite_text
from tests.plugins_in_hand import with_builtin
from tests.testing.counting import Counter, CounterOptions
from vla_rl_bench.analysis.tables.report import write_report
from vla_rl_bench.builtin.tabletop.environment import make as make_tabletop
from vla_rl_bench.builtin.tabletop.options import TabletopOptions
from vla_rl_bench.catalog import discover
from vla_rl_bench.cli.main import main
from vla_rl_bench.config.load import load_suite
from vla_rl_bench.config.schema import Suite
from vla_rl_bench.entries import EnvironmentEntry
from vla_rl_bench.errors import UserError
from vla_rl_bench.files import Record, read_json_lines
from vla_rl_bench.hookspecs import hookimpl
from vla_rl_bench.interfaces import EnvironmentBase
from vla_rl_bench.records.store import RunFolder
from vla_rl_bench.suite.filming import film_starts
from vla_rl_bench.suite.plan import plan
from vla_rl_bench.suite.runner import run_suite
from vla_rl_bench.types import Demonstration, Start

SUITES = Path(__file__).parents[2] / "suites" / "experts"
SUITE = """
name: experts
environment: {name: fallible}
columns: [Counter]
policy: {name: expert}
seeds: [0]
arms: [{name: expert, title: Expert}]
evaluation: {per_task: 10}
"""


class Fallible(Counter):
    """An expert that solves even starts only, and notes what it did."""

    def demonstrate(self, start: Start, seed: int) -> Demonstration | None:
        demonstration = super().demonstrate(start, seed)
        assert demonstration is not None
        return None if start.index % 2 else replace(demonstration, events=("counted",))


class Inexpert(Counter):
    demonstrate = EnvironmentBase.demonstrate


def make(suite: str, options: CounterOptions, slots: int) -> Counter:
    return Fallible(suite, options)


def make_inexpert(suite: str, options: CounterOptions, slots: int) -> Counter:
    return Inexpert(suite, options)


class Plugin:
    @hookimpl
    def register_environments(self) -> Iterator[EnvironmentEntry]:
        module = "tests.suite.test_expert"
        for name, function in (("fallible", "make"), ("inexpert", "make_inexpert")):
            yield EnvironmentEntry(name, "for tests", f"{module}:{function}", ("Counter",), CounterOptions)


CATALOG = with_builtin(fallible=Plugin())


def loaded(*changes: str) -> Suite:
    return load_suite_text(SUITE, changes, CATALOG)


def episodes(folder: Path) -> list[Record]:
    [path] = (folder / "runs").iterdir()
    return read_json_lines(RunFolder(path).episodes_path)


@pytest.mark.parametrize("workers", [0, 2])
def test_expert_attempts_each_held_out_start_once(tmp_path: Path, workers: int) -> None:
    suite = loaded(f"runtime.workers={workers}", "runtime.environments=2")
    folder = run_suite(suite, CATALOG, tmp_path / "experts", jobs=1)
    assert [(one["start"], one["success"], one["steps"], one["events"]) for one in episodes(folder)] == [
        (index, True, 3, ["counted"]) if index % 2 == 0 else (index, False, None, []) for index in range(20, 30)
    ]
    table = write_report(made_up_source(folder, suite, [run.id for run in plan(suite, CATALOG)]))[0].read_text()
    assert "| Expert | 5/10 [23.7, 76.3] |" in table


def test_expert_episodes_are_the_environments_demonstrations(tmp_path: Path) -> None:
    changes = ("environment.name=tabletop", "columns=[object]", "tasks={object: [1, 3]}", "evaluation.per_task=6")
    folder = run_suite(
        loaded(*changes, "environment.expert_noise=0.5", "runtime.slots=5"), CATALOG, tmp_path / "x", jobs=1
    )
    table = make_tabletop("object", TabletopOptions(expert_noise=0.5), 1)
    first = table.contract.splits["held-out"][0]
    starts = [Start(task, index) for task in (1, 3) for index in range(first, first + 6)]
    expected = [None if one is None else len(one.actions) for one in table.demonstrate_many(starts, 0)]
    assert [(one["task"], one["start"]) for one in episodes(folder)] == [(one.task, one.index) for one in starts]
    assert [one["steps"] for one in episodes(folder)] == expected


def test_run_suite_skips_a_complete_expert_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = run_suite(loaded(), CATALOG, tmp_path / "experts", jobs=1)
    before = {path: path.read_bytes() for path in (folder / "runs").rglob("*.*") if path.is_file()}
    run_suite(loaded(), CATALOG, folder, jobs=1)
    assert "1 of 1 runs are complete already" in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in before}


def test_expert_raises_for_an_environment_without_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"environment `counter` has no expert: it defines no `demonstrate`"):
        run_suite(loaded("environment.name=inexpert"), CATALOG, tmp_path / "experts", jobs=1)


def test_film_starts_films_successes_of_the_expert(tmp_path: Path) -> None:
    suite = loaded()
    run_suite(suite, CATALOG, tmp_path / "experts", jobs=1)
    [run] = plan(suite, CATALOG)
    starts = [Start(0, index) for index in (20, 21, 22)]
    films = dict(film_starts(suite, run, tmp_path / "experts", CATALOG, starts))
    assert {start.index: (film.success, len(film.frames)) for start, film in films.items()} == {
        20: (True, 4), 22: (True, 4)
    }  # fmt: skip
    assert all(np.array_equal(frame, films[starts[0]].frames[0]) for frame in films[starts[0]].frames)


@pytest.mark.parametrize("path", sorted(SUITES.glob("*.yaml")), ids=lambda path: path.stem)
def test_expert_suites_train_nothing(path: Path) -> None:
    suite = load_suite(path)
    assert suite.policy.name == "expert"
    assert len(plan(suite, discover())) == len(suite.columns)
    assert suite.evaluation.starts == "held-out"


def test_retired_command_experts_names_a_suite_that_exists(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["experts", "libero", "libero_goal", "rendering=fast", "--tasks", "0,3"]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    [path] = [word for word in message.split() if word.startswith("suites/")]
    assert (SUITES.parents[1] / path).is_file()
