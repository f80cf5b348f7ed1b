"""A suite file -> `Suite`: read, extend, override, validate, check against what is installed.

Each error is one line: ``file:line: key: what, and what to write instead``.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from vla_rl_bench.catalog import Catalog, discover
from vla_rl_bench.config import tree as trees
from vla_rl_bench.config.checks import problems
from vla_rl_bench.config.options import plain_options, read_options, split_key
from vla_rl_bench.config.overrides import apply_overrides
from vla_rl_bench.config.schema import ArmConfig, Named, Suite
from vla_rl_bench.config.tree import Items, Keys
from vla_rl_bench.config.wording import explain, got
from vla_rl_bench.config.yaml import parse, read_text
from vla_rl_bench.errors import PluginError, SuiteError, did_you_mean


def load_suite(path: Path | str, overrides: Sequence[str] = (), catalog: Catalog | None = None) -> Suite:
    """path: a file, or the name of a suite that a plugin ships.  Every option is in the result, defaults included."""
    catalog = catalog or discover()
    return _resolve(_read_chain(_find(path, catalog)), overrides, catalog)


def load_suite_text(
    text: str, overrides: Sequence[str] = (), catalog: Catalog | None = None, shown: str = "suite"
) -> Suite:
    """As `load_suite`, from text in hand; `extends` is relative to the working folder."""
    return _resolve(_extended(parse(text, shown), Path(shown), ()), overrides, catalog or discover())


def place_in_suite(path: Path | str, overrides: Sequence[str], key: trees.Path, catalog: Catalog) -> str:
    """Where a key of a suite was written: ``file:line``, or ``command line``."""
    tree = _read_chain(_find(path, catalog))
    apply_overrides(tree, overrides)
    return trees.place_of(tree, key)


# -- reading


def _find(path: Path | str, catalog: Catalog) -> Path:
    found = Path(path)
    if found.is_file():
        return found
    if found.is_dir():
        raise SuiteError(str(path), "", "is a folder; name a suite file in it")
    try:
        return catalog.suite(str(path)).path
    except PluginError:
        if str(path) in catalog.names("suites"):
            raise
    raise SuiteError(str(path), "", f"no such suite file.{_close_files(found, catalog)}")


def _close_files(path: Path, catalog: Catalog) -> str:
    try:
        known = [str(one) for one in sorted(path.parent.glob("*.y*ml"))]
    except OSError:
        known = []
    known += catalog.names("suites")
    close = difflib.get_close_matches(str(path), known, n=1)
    if close:
        return f" Did you mean `{close[0]}`?"
    return f" There: {', '.join(known[:8])}." if known else " Write one: see suites/quickstart.yaml"


def _read_chain(path: Path, children: tuple[Path, ...] = ()) -> Keys:
    shown = str(path)
    return _extended(parse(read_text(path, shown), shown), path, children)


def _extended(tree: Keys, path: Path, children: tuple[Path, ...]) -> Keys:
    """The file laid over the one that it extends, if it does."""
    if "extends" not in tree:
        return tree
    where, parent = tree.places["extends"], tree["extends"]
    if not isinstance(parent, str):
        raise SuiteError(where, "extends", "expected one file name, relative to this file")
    if "name" not in tree:
        raise SuiteError(where, "name", "is missing; a suite that extends another needs a name of its own")
    target = path.parent / parent
    chain = (*children, path.resolve())
    if target.resolve() in chain:
        raise SuiteError(where, "extends", f"`{parent}` leads back to this file")
    if not target.is_file():
        hint = _close_files(target, Catalog(()))
        raise SuiteError(where, "extends", f"no such file: {target}.{hint}")
    tree.drop("extends")
    found: Keys = trees.merged(_read_chain(target, chain), tree)
    return found


# -- validating


def _resolve(tree: Keys, overrides: Sequence[str], catalog: Catalog) -> Suite:
    apply_overrides(tree, overrides)
    try:
        # JSON: strict about types, yet a list serves as a tuple and a whole number as a float
        suite = Suite.model_validate_json(json.dumps(tree, default=str))
    except ValidationError as error:
        trees.raise_all(tree, _in_words(tree, error.errors(include_url=False)))
        raise AssertionError("a validation error without an error") from error
    trees.raise_all(tree, problems(suite, catalog))
    return _filled(suite, catalog)


def _in_words(tree: Keys, errors: Sequence[ErrorDetails]) -> Iterator[tuple[trees.Path, str]]:
    """pydantic's errors -> paths in the file and words; the branches of a union are one error."""
    branches: dict[trees.Path, list[ErrorDetails]] = {}
    for error in errors:
        branches.setdefault(_path_in_file(tree, error), []).append(error)
    misspelt = {_meant(path) for path, found in branches.items() if found[0]["type"] == "extra_forbidden"}
    for path, found in branches.items():
        if found[0]["type"] == "missing" and path in misspelt:
            continue
        if found[0]["type"] == "too_short" and any(_below(path, other) for other in branches):
            continue  # pydantic leaves out the items that are wrong, then finds too few
        if found[0]["type"] == "extra_forbidden":
            yield path, f"unknown key.{did_you_mean(str(path[-1]), _keys_at(path[:-1]))}"
        elif found[0]["type"] == "value_error":
            key, what = split_key(explain(found[0]), _keys_at(path))
            yield (*path, *([key] if key else [])), what
        else:
            words = " or ".join(dict.fromkeys(explain(one, bare=True) for one in found))
            yield path, words + got(found[0])


def _meant(path: trees.Path) -> trees.Path:
    """The key that an unknown one is probably a misspelling of."""
    close = difflib.get_close_matches(str(path[-1]), _keys_at(path[:-1]), n=1)
    return (*path[:-1], *close)


def _below(path: trees.Path, other: trees.Path) -> bool:
    return len(other) > len(path) and other[: len(path)] == path


def _path_in_file(tree: Any, error: ErrorDetails) -> trees.Path:
    """pydantic's location without the names of union branches, which no file holds."""
    path: list[str | int] = []
    for number, part in enumerate(error["loc"]):
        last = number == len(error["loc"]) - 1
        inside = (isinstance(tree, Keys) and part in tree) or (
            isinstance(tree, Items) and isinstance(part, int) and part < len(tree)
        )
        if inside:
            tree = tree[part]
        if inside or (last and error["type"] == "missing"):
            path.append(part)
    return tuple(path)


def _keys_at(path: trees.Path) -> list[str]:
    """The keys that the schema knows below a path."""
    models: list[type[BaseModel]] = [Suite]
    for part in path:
        if isinstance(part, str):
            below = [
                inner
                for model in models
                for name, one in model.model_fields.items()
                if (one.alias or name) == part
                for inner in _models_in(one.annotation)
            ]
            models = below or models
    keys = [one.alias or name for model in models for name, one in model.model_fields.items()]
    return [*keys, "extends"] if not path else keys


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for one in get_args(annotation) for model in _models_in(one)]


# -- filling in what plugins leave to defaults


def _filled(suite: Suite, catalog: Catalog) -> Suite:
    return suite.model_copy(
        update={
            "environment": _with_defaults(suite.environment, catalog.environment(suite.environment.name).options),
            "policy": _with_defaults(suite.policy, catalog.policy(suite.policy.name).options),
            "arms": tuple(_filled_arm(arm, catalog) for arm in suite.arms),
            "trackers": tuple(_with_defaults(one, catalog.tracker(one.name).tracker) for one in suite.trackers),
        }
    )


def _filled_arm(arm: ArmConfig, catalog: Catalog) -> ArmConfig:
    if arm.rl is None:
        return arm
    tricks = tuple(_with_defaults(one, catalog.trick(one.name).trick) for one in arm.rl.tricks)
    return arm.model_copy(update={"rl": arm.rl.model_copy(update={"tricks": tricks})})


def _with_defaults(named: Named, options: type) -> Named:
    return named.model_copy(update=plain_options(read_options(options, named.options)))
