"""Suite files named on the command line in place of results: their runs, as the files are now."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vla_rl_bench.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vla_rl_bench.analysis.sides import Side
    from vla_rl_bench.analysis.tables.sources import Source


def is_suite_file(path: Path) -> bool:
    """Tell suite files from records of runs, which are JSON."""
    return path.is_file() and path.suffix != ".json"


def is_override(word: str) -> bool:
    """Tell ``a.b=c`` from the folder of a changed recipe."""
    key, equals, _ = word.partition("=")
    return bool(equals) and "/" not in key and not Path(word).exists()


def file_source(path: Path, overrides: Sequence[str], out: Path) -> Source:
    """Plan the runs of a suite file with some overrides."""
    from vla_rl_bench import catalog
    from vla_rl_bench.analysis.tables.sources import planned_source
    from vla_rl_bench.config.changes import read_changes
    from vla_rl_bench.config.load import load_suite

    plugins = catalog.discover()
    suite = load_suite(path, overrides, plugins)
    return planned_source(suite, read_changes(path, overrides, suite, plugins), out, plugins)


def named_side(name: str, out: Path) -> Side:
    """Find a run's folder, an arm of a suite that was run, or of a suite file: ``suites/quickstart.yaml:sft``."""
    from vla_rl_bench.analysis.sides import arm_side, find_side, refuse_whole_suite

    file, _, arm_name = name.rpartition(":")
    path = next((path for path in (Path(name), Path(file)) if is_suite_file(path)), None)
    if path is None:
        return find_side(name, out)
    source = file_source(path, (), out)
    arms = [arm.name for arm in source.suite.arms]
    if str(path) == name:
        refuse_whole_suite(name, arms)
    if arm_name not in arms:
        raise UserError(f"`{name}`: {path} has no arm `{arm_name}`.{did_you_mean(arm_name, arms)}")
    return arm_side(name, source, arm_name)
