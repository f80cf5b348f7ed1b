"""Loading of suite files: read, extend, override, validate, check against what is installed.

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
from vla_rl_bench.config.checks import problems
from vla_rl_bench.config.overrides import apply_overrides
from vla_rl_bench.config.schema import ArmConfig, Named, Suite
from vla_rl_bench.config.yaml_file import KeyPath, LocatedDict, has, location_of, merge, parse, raise_errors, read_text
from vla_rl_bench.errors import PluginError, SuiteError, did_you_mean
from vla_rl_bench.options import error_text, plain_options, read_options, split_key


def load_suite(path: Path | str, overrides: Sequence[str] = (), catalog: Catalog | None = None) -> Suite:
    """Load a suite with every option, defaults included.

    Args:
        path: A file, or the name of a suite that a plugin ships.
        overrides: Changes, as ``a.b=c``.
        catalog: The installed plugins; None to discover them.
    """
    catalog = catalog or discover()
    tree = _read(path, overrides, catalog)
    try:
        # JSON: strict about types, yet a list serves as a tuple and a whole number as a float
        suite = Suite.model_validate_json(json.dumps(tree, default=str))
    except ValidationError as error:
        raise_errors(tree, _error_texts(tree, error.errors(include_url=False)))
        raise AssertionError("a validation error without an error") from error
    raise_errors(tree, problems(suite, catalog))
    return _with_option_defaults(suite, catalog)


def place_in_suite(path: Path | str, overrides: Sequence[str], key: KeyPath, catalog: Catalog) -> str:
    """Return the location of a key: ``file:line``, or ``command line``."""
    return location_of(_read(path, overrides, catalog), key)


# -- reading


def _read(path: Path | str, overrides: Sequence[str], catalog: Catalog) -> LocatedDict:
    tree = _read_file(_find(path, catalog))
    apply_overrides(tree, overrides)
    return tree


def _find(path: Path | str, catalog: Catalog) -> Path:
    file = Path(path)
    if file.is_file():
        return file
    if file.is_dir():
        raise SuiteError(str(path), "", "is a folder; name a suite file in it")
    try:
        return catalog.suite(str(path)).path
    except PluginError:
        if str(path) in catalog.names("suites"):
            raise
    raise SuiteError(str(path), "", f"no such suite file.{_close_files(file, catalog)}")


def _close_files(path: Path, catalog: Catalog) -> str:
    try:
        names = [str(file) for file in sorted(path.parent.glob("*.y*ml"))]
    except OSError:
        names = []
    names += catalog.names("suites")
    close = difflib.get_close_matches(str(path), names, n=1)
    if close:
        return f" Did you mean `{close[0]}`?"
    return f" There: {', '.join(names[:8])}." if names else " Write one: see suites/quickstart.yaml"


def _read_file(path: Path, children: tuple[Path, ...] = ()) -> LocatedDict:
    """Read a file, laid over the file that it extends.  children: the files that extend this one."""
    tree = parse(read_text(path, str(path)), str(path))
    if "extends" not in tree:
        return tree
    where, parent = tree.locations.pop("extends"), tree.pop("extends")
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
    merged: LocatedDict = merge(_read_file(target, chain), tree)
    return merged


# -- errors of the schema


def _error_texts(tree: LocatedDict, errors: Sequence[ErrorDetails]) -> Iterator[tuple[KeyPath, str]]:
    """Return the path in the file and the text of each error; the branches of a union are one error."""
    by_path: dict[KeyPath, list[ErrorDetails]] = {}
    for error in errors:
        by_path.setdefault(_path_in_file(tree, error), []).append(error)
    unknown = [path for path, branches in by_path.items() if branches[0]["type"] == "extra_forbidden"]
    misspelled = {
        (*path[:-1], *difflib.get_close_matches(str(path[-1]), _keys_below(path[:-1]), n=1)) for path in unknown
    }
    for path, branches in by_path.items():
        kind = branches[0]["type"]
        if kind == "missing" and path in misspelled:
            continue
        if kind == "too_short" and any(len(deeper) > len(path) and deeper[: len(path)] == path for deeper in by_path):
            continue  # pydantic leaves out the items that are wrong, then reports too few
        if kind == "extra_forbidden":
            yield path, f"unknown key.{did_you_mean(str(path[-1]), _keys_below(path[:-1]))}"
        elif kind == "value_error":
            key, what = split_key(error_text(branches), _keys_below(path))
            yield (*path, key) if key else path, what
        else:
            yield path, error_text(branches)


def _path_in_file(tree: Any, error: ErrorDetails) -> KeyPath:
    """Return pydantic's location without the names of union branches, which no file has."""
    path: list[str | int] = []
    for number, part in enumerate(error["loc"]):
        if has(tree, part):
            tree = tree[part]
            path.append(part)
        elif error["type"] == "missing" and number == len(error["loc"]) - 1:
            path.append(part)
    return tuple(path)


def _keys_below(path: KeyPath) -> list[str]:
    """Return the keys that the schema knows below a path."""
    models: list[type[BaseModel]] = [Suite]
    for part in path:
        if isinstance(part, str):
            below = [
                inner
                for model in models
                for name, field in model.model_fields.items()
                if (field.alias or name) == part
                for inner in _models_in(field.annotation)
            ]
            models = below or models
    keys = [field.alias or name for model in models for name, field in model.model_fields.items()]
    return [*keys, "extends"] if not path else keys


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]


# -- defaults of plugins


def _with_option_defaults(suite: Suite, catalog: Catalog) -> Suite:
    return suite.model_copy(
        update={
            "environment": _with_defaults(suite.environment, catalog.environment(suite.environment.name).options),
            "policy": _with_defaults(suite.policy, catalog.policy(suite.policy.name).options),
            "arms": tuple(_arm_with_defaults(arm, catalog) for arm in suite.arms),
            "trackers": tuple(
                _with_defaults(tracker, catalog.tracker(tracker.name).tracker) for tracker in suite.trackers
            ),
        }
    )


def _arm_with_defaults(arm: ArmConfig, catalog: Catalog) -> ArmConfig:
    if arm.rl is None:
        return arm
    tricks = tuple(_with_defaults(trick, catalog.trick(trick.name).trick) for trick in arm.rl.tricks)
    return arm.model_copy(update={"rl": arm.rl.model_copy(update={"tricks": tricks})})


def _with_defaults(named: Named, options: type) -> Named:
    return named.model_copy(update=plain_options(read_options(options, named.options)))
