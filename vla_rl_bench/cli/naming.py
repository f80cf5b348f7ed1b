"""What a user names on the command line where a suite file may stand: its runs, as the file means them now."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vla_rl_bench.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from vla_rl_bench.analysis.sides import Side
    from vla_rl_bench.config.schema import Suite
    from vla_rl_bench.suite.plan import Run


def is_suite_file(path: Path) -> bool:
    """JSON is what a run recorded."""
    return path.is_file() and path.suffix != ".json"


def planned_runs(path: Path) -> tuple[Suite, list[Run]]:
    """A suite file, and the runs that it means as it is now."""
    from vla_rl_bench import catalog
    from vla_rl_bench.config.load import load_suite
    from vla_rl_bench.suite.plan import plan

    plugins = catalog.discover()
    suite = load_suite(path, (), plugins)
    return suite, plan(suite, plugins)


def named_side(name: str, out: Path) -> Side:
    """A run's folder, an arm of a suite that was run, or an arm of a suite file: ``suites/quickstart.yaml:sft``."""
    from vla_rl_bench.analysis.sides import find_side, refuse_whole_suite

    if is_suite_file(Path(name)):
        refuse_whole_suite(name, [arm.name for arm in planned_runs(Path(name))[0].arms])
    file, _, arm = name.rpartition(":")
    return _file_side(name, Path(file), arm, out) if is_suite_file(Path(file)) else find_side(name, out)


def _file_side(name: str, path: Path, arm: str, out: Path) -> Side:
    from vla_rl_bench.analysis.sides import planned_side

    suite, runs = planned_runs(path)
    own = [run for run in runs if run.arm == arm]
    if not own:
        raise UserError(f"`{name}`: {path} has no arm `{arm}`.{did_you_mean(arm, [one.name for one in suite.arms])}")
    columns = list(dict.fromkeys(run.column for run in own))
    return planned_side(name, out / suite.name, arm, columns, [run.id for run in own])
