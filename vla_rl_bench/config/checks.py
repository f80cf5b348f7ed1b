"""Checks across the keys of a suite: names that must exist, once, and fit together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from vla_rl_bench import plugins
from vla_rl_bench.catalog import Catalog
from vla_rl_bench.config.schema import (
    GREEDY,
    RESERVED,
    ArmConfig,
    EnvironmentConfig,
    EvaluationConfig,
    Named,
    RlConfig,
    Suite,
    other_suite,
)
from vla_rl_bench.config.yaml_file import KeyPath
from vla_rl_bench.entries import EnvironmentEntry
from vla_rl_bench.errors import PluginError, did_you_mean
from vla_rl_bench.options import OptionsError, read_options

Problems = Iterator[tuple[KeyPath, str]]


def problems(suite: Suite, catalog: Catalog) -> Problems:
    """Everything wrong with a suite that is well-formed by itself, as (path, what)."""
    lacking = list(_plugins(suite, catalog))
    if lacking:  # most other problems would follow from these
        yield from lacking
        return
    yield from _environment(suite, catalog)
    yield from _plugin(catalog, "policies", suite.policy, ("policy",), "options")
    yield from _plugin(catalog, "strategies", suite.strategy, ("strategy",), "options")
    yield from _columns(suite)
    yield from _twice(suite.seeds, ("seeds",), "seed")
    yield from _arms(suite, catalog)
    yield from _expert(suite, catalog)
    for number, tracker in enumerate(suite.trackers):
        yield from _plugin(catalog, "trackers", tracker, ("trackers", number), "tracker")
    yield from _twice([tracker.name for tracker in suite.trackers], ("trackers",), "tracker")
    yield from _table(suite)


def _plugins(suite: Suite, catalog: Catalog) -> Problems:
    """Distributions that the suite names and that are not installed."""
    installed = {_normalized(plugin.distribution) for plugin in catalog.plugins}
    for name, command in suite.plugins.items():
        if _normalized(name) not in installed:
            yield ("plugins", name), f"is not installed. Run: {command}"


def _normalized(distribution: str) -> str:
    """Normalize ``A_b.c`` to ``a-b-c``, the form in which pip compares names."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def _environment(suite: Suite, catalog: Catalog) -> Problems:
    yield from _plugin(catalog, "environments", suite.environment, ("environment",), "options")
    yield from _starts(suite.environment)
    named = {split: (first, last) for split, (first, last) in named_starts(suite.environment).items() if first <= last}
    yield from too_few_starts(suite, named)
    try:
        entry = catalog.environment(suite.environment.name)
    except PluginError:
        return
    for number, column in enumerate(suite.columns):
        path: KeyPath = ("task_suites", column) if column in suite.task_suites else ("columns", number)
        yield from _task_suite(suite.task_suite(column), entry, path)
    yield from _twice([extra.name for extra in suite.extra_evaluations], ("extra_evaluations",), "evaluation")
    for number, extra in enumerate(suite.extra_evaluations):
        if extra.name in RESERVED:
            what = f"`{extra.name}` is the name of the suite's own evaluation; take another"
            yield ("extra_evaluations", number), what
        pattern = extra.suite or ""
        for task_suite in {other_suite(pattern, suite.task_suite(column)): None for column in suite.columns if pattern}:
            yield from _task_suite(task_suite, entry, ("extra_evaluations", number, "suite"))
        options = suite.environment.options | extra.environment
        yield from _options(entry.options, options, ("extra_evaluations", number, "environment"), extra.environment)


def _task_suite(name: str, entry: EnvironmentEntry, path: KeyPath) -> Problems:
    if name not in entry.suites:
        yield path, f"{entry.name} has no task suite `{name}`.{did_you_mean(name, entry.suites)}"


def named_starts(environment: EnvironmentConfig) -> dict[str, tuple[int, int]]:
    """The ranges of start indices that a suite names, inclusive, by split."""
    texts = environment.starts.model_dump(by_alias=True)
    pairs = {split: text.split("-") for split, text in texts.items() if text is not None}
    return {split: (int(first), int(last)) for split, (first, last) in pairs.items()}


def too_few_starts(suite: Suite, ranges: Mapping[str, tuple[int, int]], *, extras: bool = True) -> Problems:
    """List evaluations and curves that ask for more starts per task than their split has.

    Args:
        suite: The suite.
        ranges: Inclusive ranges of start indices by split; a split that is not in it is not checked.
        extras: Also check extra evaluations under other environment options or on another task suite.
    """
    evaluations: list[tuple[KeyPath, str, int]] = [
        (("evaluation",), suite.evaluation.starts, suite.evaluation.per_task)
    ]
    for number, extra in enumerate(suite.extra_evaluations):
        if extras or not (extra.environment or extra.suite):
            evaluations.append((("extra_evaluations", number), extra.starts, extra.per_task))
    for number, arm in enumerate(suite.arms):
        for block, config in (("sft", arm.sft), ("rl", arm.rl)):
            if config is not None and config.curve is not None:
                evaluations.append((("arms", number, block, "curve"), suite.evaluation.starts, config.curve.per_task))
    for path, split, per_task in evaluations:
        first, last = ranges.get(split, (0, per_task))
        size = last - first + 1
        if per_task > size:
            problem = f"asks for {per_task} {split} starts per task, and there are {size} ({first}-{last})"
            yield (*path, "per_task"), f"{problem}; write at most that"


def _starts(environment: EnvironmentConfig) -> Problems:
    """Ranges run forwards, and nothing held out is trained on."""
    ranges = named_starts(environment)
    for split, (first, last) in ranges.items():
        if first > last:
            yield ("environment", "starts", split), f"`{first}-{last}` runs backwards; write {last}-{first}"
    if "held-out" not in ranges:
        return
    first, last = ranges.pop("held-out")
    for split, (other_first, other_last) in ranges.items():
        if first <= other_last and other_first <= last:
            path = ("environment", "starts", "held-out")
            yield path, f"{first}-{last} overlaps {split} ({other_first}-{other_last}); held-out starts stand alone"


def _columns(suite: Suite) -> Problems:
    yield from _twice(suite.columns, ("columns",), "column")
    for column in suite.task_suites:
        yield from _known(column, suite.columns, ("task_suites", column), "column")
    for key, named in (("tasks", suite.tasks), ("unseen", suite.unseen)):
        for column, tasks in named.items():
            yield from _tasks(column, tasks, suite.columns, key)
    for column, unseen in suite.unseen.items():
        for number, task in enumerate(unseen):
            if task in suite.tasks.get(column, ()):
                yield ("unseen", column, number), f"task {task} is trained on: it stands under `tasks` too"
    if suite.film is not None:
        yield from _known(suite.film.column, suite.columns, ("film", "column"), "column")


def _tasks(column: str, tasks: Sequence[int], columns: Sequence[str], key: str) -> Problems:
    yield from _known(column, columns, (key, column), "column")
    yield from _twice(tasks, (key, column), "task")
    if not tasks:
        rest = "for all tasks" if key == "tasks" else "for none"
        yield (key, column), f"is empty; write task numbers as in [0, 1], or remove the key {rest}"
    for number, task in enumerate(tasks):
        if task < 0:
            yield (key, column, number), f"must be at least 0, got `{task}`"


def _arms(suite: Suite, catalog: Catalog) -> Problems:
    names = [arm.name for arm in suite.arms]
    yield from _twice(names, ("arms",), "arm")
    for number, arm in enumerate(suite.arms):
        yield from _start(arm, names, number)
        if arm.rl is not None:
            yield from _rl(arm.rl, ("arms", number, "rl"), catalog)


def _expert(suite: Suite, catalog: Catalog) -> Problems:
    """A policy that the environment's expert plays is not trained, and does not sample."""
    name = suite.policy.name
    try:
        if not catalog.policy(name).demonstrates:
            return
    except PluginError:  # reported where the policy is named
        return
    for number, arm in enumerate(suite.arms):
        for block in ("sft", "rl"):
            if getattr(arm, block) is not None:
                what = f"policy `{name}` is the environment's expert and is not trained; remove `{block}`"
                yield ("arms", number, block), what
    evaluations: list[tuple[KeyPath, EvaluationConfig]] = [(("evaluation",), suite.evaluation)]
    evaluations += [(("extra_evaluations", number), extra) for number, extra in enumerate(suite.extra_evaluations)]
    for path, evaluation in evaluations:
        for number, sampling in enumerate(evaluation.sampling):
            if sampling != GREEDY:
                yield (*path, "sampling", number), f"policy `{name}` does not sample; write sampling: [greedy]"


def _start(arm: ArmConfig, names: Sequence[str], number: int) -> Problems:
    """`from` names an arm above, so that there is no circle."""
    if arm.from_ is None or arm.from_ in names[:number]:
        return
    path: KeyPath = ("arms", number, "from")
    if arm.from_ == arm.name:
        yield path, "an arm cannot start from itself"
    elif arm.from_ in names:
        yield path, f"`{arm.from_}` stands below this arm; move it above"
    else:
        yield path, f"no arm `{arm.from_}`.{did_you_mean(arm.from_, names[:number])}"


def _rl(rl: RlConfig, path: KeyPath, catalog: Catalog) -> Problems:
    yield from _check_exists(catalog, "algorithms", rl.algorithm, (*path, "algorithm"))
    yield from _check_exists(catalog, "advantages", rl.advantage, (*path, "advantage"))
    yield from _check_exists(catalog, "objectives", rl.objective, (*path, "objective"))
    batch = rl.groups * rl.group_size
    if rl.minibatch > batch:
        what = (
            f"{rl.minibatch} trajectories are more than a batch has: groups x group_size = {batch}; write at most that"
        )
        yield (*path, "minibatch"), what
    path = (*path, "tricks")
    yield from _twice([trick.name for trick in rl.tricks], path, "trick")
    for number, trick in enumerate(rl.tricks):
        yield from _plugin(catalog, "tricks", trick, (*path, number), "trick")
    yield from _owners(rl, path, catalog)


def _owners(rl: RlConfig, path: KeyPath, catalog: Catalog) -> Problems:
    """Two tricks may not answer the same value hook."""
    known = set(catalog.names("tricks"))
    owned: list[tuple[int, str, list[str]]] = []
    for number, trick in enumerate(rl.tricks):
        if trick.name in known:
            try:
                owned.append((number, trick.name, plugins.owned_hooks(catalog.trick(trick.name).trick)))
            except PluginError:  # a clash, reported where the trick is named
                continue
    for (_, first, its), (number, second, others) in combinations(owned, 2):
        for hook in its if first != second else ():
            if hook in others:
                yield (*path, number), f"both `{first}` and `{second}` decide `{hook}`; leave one of them out"


def _table(suite: Suite) -> Problems:
    names = [arm.name for arm in suite.arms]
    for number, pair in enumerate(suite.table.delta):
        for side, name in enumerate(pair):
            yield from _known(name, names, ("table", "delta", number, side), "arm")


# -- the pieces


def _check_exists(catalog: Catalog, kind: str, name: str, path: KeyPath) -> Problems:
    try:
        catalog.find(kind, name)
    except PluginError as error:
        yield path, str(error)


def _plugin(catalog: Catalog, kind: str, named: Named, path: KeyPath, attribute: str) -> Problems:
    """It exists, and its options fit.  attribute: the entry's field that holds the options' dataclass."""
    try:
        entry = catalog.find(kind, named.name).entry
    except PluginError as error:
        yield (path if isinstance(path[-1], int) else (*path, "name")), str(error)
        return
    yield from _options(getattr(entry, attribute), named.options, path, named.options)


def _options(options: type, options_dict: dict[str, Any], path: KeyPath, written_keys: Iterable[str]) -> Problems:
    """Check options; a problem of a key that is not in `written_keys` is shown at the path itself."""
    try:
        read_options(options, options_dict)
    except OptionsError as error:
        for key, what in error.problems:
            below = key.split(".") if key else []
            if not below or below[0] in written_keys or written_keys == options_dict:
                yield (*path, *below), what
            else:
                yield path, f"{key}: {what}"


def _known(name: str, known: Sequence[str], path: KeyPath, what: str) -> Problems:
    if name not in known:
        yield path, f"no {what} `{name}`.{did_you_mean(name, known)}"


def _twice(values: Sequence[object], path: KeyPath, what: str) -> Problems:
    for number, value in enumerate(values):
        if value in values[:number]:
            yield (*path, number), f"{what} `{value}` is there twice; remove one"
