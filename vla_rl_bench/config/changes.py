"""Differences between a suite and its file, and the names of folders, titles and rows made from them.

Only what outputs show counts: the recipe, what is evaluated, titles, tables and the film.  Keys that change memory,
time or what is checked are left out, as they are from run ids.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from vla_rl_bench.catalog import Catalog
from vla_rl_bench.config.load import load_suite
from vla_rl_bench.config.overrides import BLOCKS, as_dict, split_override
from vla_rl_bench.config.schema import NEVER, ArmConfig, RlConfig, SftConfig, Suite
from vla_rl_bench.config.yaml_file import SuiteErrors
from vla_rl_bench.errors import SuiteError

LONGEST_NAME = 100  # characters of a folder's name
LONGEST_TEXT = 60  # characters of a value in titles and notes
LISTED = 3  # changes in a title or row; the notes list all

_NOT_SHOWN = ("name", "plugins", "runtime", "trackers", "ablate")
_OF_ALL_ARMS = ("environment", "policy", "strategy", "tasks", "unseen", "task_suites")
_ON, _OFF = "on", "off"  # for an item that is there, or not


@dataclass(frozen=True)
class Change:
    """One key that differs from the suite file's."""

    key: str  # as an override has it: ``tricks.temperature.value``
    value: str  # as text: ``1.0``; ``off`` for an item that is left out
    before: str | None = None  # the file's value; None if it is unknown or not the same for all arms
    arms: tuple[str, ...] = ()  # names of the arms whose recipe has the key

    @property
    def text(self) -> str:
        """``tricks.temperature.value=1.0``."""
        return f"{self.key}={self.value}"


def read_changes(path: str | Path, overrides: Sequence[str], suite: Suite, catalog: Catalog) -> tuple[Change, ...]:
    """List the changes of overrides to a suite file; none for overrides that repeat it or that no output shows.

    Args:
        path: The suite file.
        overrides: ``a.b=c``, as on the command line.
        suite: The suite with the overrides.
        catalog: The installed plugins.
    """
    if not overrides:
        return ()
    try:
        file = load_suite(path, (), catalog)
    except (SuiteError, SuiteErrors):  # a file that is complete only with overrides
        pairs = (split_override(override) for override in overrides)
        return tuple(Change(key, value, arms=_arms_with(suite, key.split("."))) for key, value in pairs)
    return differences(file, suite)


def differences(file: Suite, suite: Suite) -> tuple[Change, ...]:
    """List the changes that lead from a suite to another, the same for several arms once."""
    before, after = _shown(file), _shown(suite)
    arms = {arm["name"]: arm for arm in after["arms"]}
    by_key: dict[str, list[tuple[tuple[str, ...], Any, Any]]] = {}
    for place, old, new in _leaves((), before, after):
        by_key.setdefault(_shorthand(place, new, arms), []).append((place, old, new))
    changes = []
    for key, leaves in by_key.items():
        old = {_text(old) for _, old, _ in leaves}
        concerned = dict.fromkeys(name for place, *_ in leaves for name in _arms_with(suite, place))
        changes.append(Change(key, _text(leaves[0][2]), old.pop() if len(old) == 1 else None, tuple(concerned)))
    return tuple(sorted(changes, key=lambda change: change.key))


def folder_name(changes: Sequence[Change]) -> str:
    """Name a folder for some changes: readable, safe in a path, of bounded length, different for different changes.

    ``tricks.temperature.value=1.0``, ``seeds=0,1``, ``rl.iterations=10+sft.steps=50``.
    """
    whole = "+".join(change.text for change in changes)
    plain = re.sub(r"[\[\]{}\"' ]", "", whole)
    safe = re.sub(r"[^A-Za-z0-9._=,+-]+", "-", plain)
    if safe == plain and len(safe) <= LONGEST_NAME:
        return safe
    digest = hashlib.sha256(whole.encode()).hexdigest()[:8]
    return f"{safe[: LONGEST_NAME - 9].rstrip('.')}-{digest}"


def name_changes(suite: Suite, changes: Sequence[Change]) -> Suite:
    """Add the changes to the suite's title and to the titles of the arms that they concern."""
    named = [change for change in changes if change.key.split(".")[-1] != "title"]
    if not named:
        return suite
    title = f"{suite.title or suite.name}, with {_list(change.text for change in named)}"
    titles: dict[str, str] = {}
    for arm in suite.arms:
        titles[arm.name] = _row_title(suite, arm, named, titles)
    arms = tuple(arm.model_copy(update={"title": titles[arm.name]}) for arm in suite.arms)
    return suite.model_copy(update={"title": title, "arms": arms})


def changes_note(changes: Sequence[Change]) -> str:
    """Describe the changes in a sentence, for the notes under a table."""
    befores = ["" if change.before is None else f" ({_cut(change.before)} in the file)" for change in changes]
    texts = [f"{change.key}={_cut(change.value)}{before}" for change, before in zip(changes, befores, strict=True)]
    return f"Changed from the suite file: {', '.join(texts)}."


def _row_title(suite: Suite, arm: ArmConfig, changes: Sequence[Change], titles: Mapping[str, str]) -> str:
    """Add its changes and those of the arms that it starts from to an arm's title.

    The variants of an ablation are titled by their full recipe, whose changes they have.
    """
    title, arms = arm.title or arm.name, {arm.name: arm for arm in suite.arms}
    full = dict(suite.table.delta).get(arm.name)
    if full is not None and full in titles and title.startswith(prefix := f"{arms[full].title or full}, "):
        return f"{titles[full]}, {title.removeprefix(prefix)}"
    lineage: list[str] = []
    name: str | None = arm.name
    while name is not None:
        lineage.append(name)
        name = arms[name].from_
    own = [change.text.removeprefix("tricks.") for change in changes if set(lineage) & set(change.arms)]
    return f"{title}, {_list(own)}" if own else title


def _list(texts: Iterable[str]) -> str:
    cut = [_cut(text) for text in texts]
    more = len(cut) - LISTED
    return ", ".join(cut[:LISTED]) + (f" and {more} more" if more > 0 else "")


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"


# -- comparing


def _shown(suite: Suite) -> dict[str, Any]:
    """Convert the suite to plain data, without what no output shows."""
    data = {key: value for key, value in as_dict(suite).items() if key not in _NOT_SHOWN}
    data["environment"].pop("python", None)
    data["strategy"] = {"precision": data["strategy"].get("precision", "float32")}
    for arm in data["arms"]:
        for block, model in (("sft", SftConfig), ("rl", RlConfig)):
            if arm[block] is not None:
                arm[block] = {key: value for key, value in arm[block].items() if _is_shown(model, key)}
    return data


def _is_shown(model: type[BaseModel], key: str) -> bool:
    """Tell what may change a number, or the points of a curve, from what changes memory, time or checks only."""
    return key == "curve" or model.model_fields[key].json_schema_extra != NEVER


def _leaves(place: tuple[str, ...], old: Any, new: Any) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    """List (place, value before, value after) of all differences; items of lists are compared by name."""
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys((*new, *old)):
            yield from _leaves((*place, key), old.get(key), new.get(key))
        return
    olds, news = _by_name(old), _by_name(new)
    if (
        olds is None
        or news is None
        or [name for name in olds if name in news] != [name for name in news if name in olds]
    ):
        yield place, old, new
        return
    for name in dict.fromkeys((*olds, *news)):
        if name in olds and name in news:
            yield from _leaves((*place, name), olds[name], news[name])
        else:
            yield (*place, name), *((_ON, _OFF) if name in olds else (_OFF, _ON))


def _by_name(items: Any) -> dict[str, Any] | None:
    """Map names to the items of a list; None for anything else."""
    named = isinstance(items, list) and all(isinstance(item, dict) and "name" in item for item in items)
    return {item["name"]: item for item in items} if named else None


def _shorthand(place: tuple[str, ...], new: Any, arms: Mapping[str, Any]) -> str:
    """Shorten a key to ``rl.iterations`` or ``tricks.temperature.value`` if all arms that have it have this value."""
    if len(place) < 4 or place[0] != "arms" or place[2] not in BLOCKS:
        return ".".join(place)
    block, rest = place[2], place[3:]
    values = [_find(arm[block], rest) for arm in arms.values() if arm[block] is not None]
    if any(value != new and not (value == _OFF and rest[0] == "tricks") for value in values):
        return ".".join(place)
    return ".".join(rest if rest[0] == "tricks" and len(rest) > 1 else (block, *rest))


def _find(node: Any, place: Sequence[str]) -> Any:
    """Look up the value at a place below; ``off`` if it is not there."""
    for word in place:
        node = (_by_name(node) or {}).get(word, _OFF) if isinstance(node, list) else node.get(word, _OFF)
        if node == _OFF:
            break
    return node


def _arms_with(suite: Suite, place: Sequence[str]) -> tuple[str, ...]:
    """List the names of the arms whose recipe a key belongs to; curves belong to none."""
    if "curve" in place:
        return ()
    first = "rl" if place[0] == "tricks" else place[0]
    if first == "arms":
        return tuple(place[1:2])
    if first in BLOCKS:
        return tuple(arm.name for arm in suite.arms if getattr(arm, first) is not None)
    return tuple(arm.name for arm in suite.arms) if first in _OF_ALL_ARMS else ()


def _text(value: Any) -> str:
    """Write a value as it is typed: ``1.0``, ``[0,1]``, ``null``; texts without quotes."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}: {_text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return f"[{','.join(map(_text, value))}]"
    return value if isinstance(value, str) else json.dumps(value)
