"""Ablations: the suite's own arms, and beside each of its full recipes those that an axis changes.

Arms share whatever they do not change: the same demonstrations, the same SFT run, the same run ids as the suite's own
runs.  An arm is named for what differs from the suite's recipe and for nothing else, so that it keeps its name, and its
runs, when axes or values are added, and whether or not axes are crossed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from vla_rl_bench.catalog import Catalog
from vla_rl_bench.config.load import load_suite, place_in_suite
from vla_rl_bench.config.overrides import expand_axis, split_override
from vla_rl_bench.config.schema import AblateConfig, ArmConfig, Suite
from vla_rl_bench.config.yaml_file import COMMAND_LINE, SuiteErrors
from vla_rl_bench.errors import SuiteError


@dataclass(frozen=True)
class Axis:
    """``key=value,value,...``.  where, key: what an error begins with; key is empty for the command line's."""

    text: str
    where: str = COMMAND_LINE
    key: str = ""


@dataclass(frozen=True)
class Setting:
    """One value of an axis.  changed: the suite's arms that it alone makes different, children included."""

    axis: Axis
    label: str
    override: str
    arms: tuple[ArmConfig, ...]
    changed: frozenset[str]


@dataclass(frozen=True)
class Recipe:
    """A suite as it is read: a file, what changes it, and what is installed."""

    suite: Suite
    path: str | Path
    overrides: Sequence[str]
    catalog: Catalog

    def under(self, overrides: Sequence[str]) -> tuple[ArmConfig, ...]:
        """Its arms with further changes, which may change nothing but arms."""
        variant = load_suite(self.path, [*self.overrides, *overrides], self.catalog)
        if variant.model_copy(update={"arms": self.suite.arms}) != self.suite:
            what = "an axis changes arms: write rl., sft., demonstrations. or tricks."
            raise SuiteError(COMMAND_LINE, ", ".join(overrides), what)
        return variant.arms


def read_ablation(
    path: str | Path,
    overrides: Sequence[str],
    catalog: Catalog,
    axes: Sequence[str] | None = None,
    grid: bool | None = None,
) -> Suite:
    """The suite with an arm for each variant.

    axes: in place of those of the suite's ``ablate:`` block.  grid: None as the block says, if its axes are meant.
    """
    base = load_suite(path, overrides, catalog)
    if axes:
        return ablation_suite(base, path, axes, overrides, catalog, grid=bool(grid))
    if base.ablate is None:
        what = "nothing to vary; write --axis KEY=VALUE,VALUE, or `ablate: {axes: [...]}` in the suite"
        raise SuiteError(str(path), "ablate", what)
    chosen = base.ablate.grid if grid is None else grid
    return ablation_suite(base, path, _written(base.ablate, path, overrides, catalog), overrides, catalog, grid=chosen)


def check_ablation(path: str | Path, overrides: Sequence[str], catalog: Catalog) -> None:
    """Raise what is wrong with the axes of a suite's ``ablate:`` block, if it has one."""
    if load_suite(path, overrides, catalog).ablate is not None:
        read_ablation(path, overrides, catalog)


def ablation_suite(
    base: Suite,
    path: str | Path,
    axes: Sequence[str | Axis],
    overrides: Sequence[str],
    catalog: Catalog,
    *,
    grid: bool = False,
) -> Suite:
    """The suite with an arm for each value of each axis that changes something, or for each combination of values.

    Its ``table.delta`` pairs each variant with its full recipe; of SFT that RL builds on, only the RL is compared.
    """
    recipe = Recipe(base, path, overrides, catalog)
    given = [axis if isinstance(axis, Axis) else Axis(axis) for axis in axes]
    settings = [_settings(axis, recipe) for axis in given]
    if grid:
        _refuse_twice(given)
    found = _Variants(base)
    for chosen in product(*settings) if grid else ((one,) for values in settings for one in values):
        found.add(chosen, _arms(chosen, recipe))
    if not found.pairs:
        text = ", ".join(axis.text for axis in given)
        raise SuiteError(given[0].where, text, "every value is the suite's own; write one more to compare with it")
    table = base.table.model_copy(update={"delta": tuple(found.pairs.items())})
    changes = {
        "arms": (*base.arms, *found.arms.values()),
        "table": table,
        "title": f"{base.title or base.name}: ablation",
        "ablate": AblateConfig(axes=tuple(axis.text for axis in given), grid=grid),
    }
    return base.model_copy(update=changes)


def variant_label(suite: Suite, arm: ArmConfig) -> str:
    """What makes a variant differ from its full recipe, as ``dynamic-sampling=off``; any other arm's title.

    suite: as `ablation_suite` makes it.
    """
    title = arm.title or arm.name
    full = next((one for one in suite.arms if one.name == dict(suite.table.delta).get(arm.name)), None)
    return title.removeprefix(f"{full.title or full.name}, ") if full else title


def _written(block: AblateConfig, path: str | Path, overrides: Sequence[str], catalog: Catalog) -> list[Axis]:
    """The block's axes, each with the line that it stands on."""
    where = [place_in_suite(path, overrides, ("ablate", "axes", number), catalog) for number in range(len(block.axes))]
    return [Axis(text, where[number], f"ablate.axes.{number}") for number, text in enumerate(block.axes)]


# -- what is tried


def _settings(axis: Axis, recipe: Recipe) -> list[Setting]:
    with _blaming(axis, axis.text):
        values = expand_axis(axis.text)
    found = []
    for label, override in values:
        with _blaming(axis, override):
            arms = recipe.under([override])
        found.append(Setting(axis, label, override, arms, _changed(recipe.suite.arms, arms)))
    return found


def _changed(full: Sequence[ArmConfig], ablated: Sequence[ArmConfig]) -> frozenset[str]:
    names: set[str] = set()
    for one, other in zip(full, ablated, strict=True):
        if one != other or one.from_ in names:
            names.add(one.name)
    return frozenset(names)


def _arms(chosen: Sequence[Setting], recipe: Recipe) -> tuple[ArmConfig, ...]:
    if len(chosen) == 1:
        return chosen[0].arms
    try:
        return recipe.under([one.override for one in chosen])
    except (SuiteError, SuiteErrors) as error:
        first = error.errors[0] if isinstance(error, SuiteErrors) else error
        axis, together = chosen[-1].axis, " with ".join(one.override for one in chosen)
        what = f"{first.what} Leave a value out, or do not cross these axes."
        raise SuiteError(axis.where, axis.key, f"{together}: {first.key}: {what}") from None


def _refuse_twice(axes: Sequence[Axis]) -> None:
    """Of two values for one key the second would win, and the arm be named for both."""
    keys = [split_override(axis.text)[0] for axis in axes]
    for number, key in enumerate(keys):
        if key in keys[:number]:
            what = "on two axes that are crossed; write all its values on one"
            raise SuiteError(axes[number].where, axes[number].key or key, what)


@contextmanager
def _blaming(axis: Axis, text: str) -> Iterator[None]:
    """Errors of an axis that stands in a file are shown there."""
    try:
        yield
    except (SuiteError, SuiteErrors) as error:
        if not axis.key:
            raise
        first = error.errors[0] if isinstance(error, SuiteErrors) else error
        key = "" if text.startswith(first.key) else f"{first.key}: "
        raise SuiteError(axis.where, axis.key, f"{text}: {key}{first.what}") from None


# -- what comes of it


@dataclass
class _Variants:
    """The arms that differ, in the order in which they were tried.  pairs: variant -> its full recipe, by name."""

    base: Suite
    arms: dict[str, ArmConfig] = field(default_factory=dict)
    pairs: dict[str, str] = field(default_factory=dict)
    of: dict[str, list[str]] = field(default_factory=dict)

    def add(self, chosen: Sequence[Setting], arms: Sequence[ArmConfig]) -> None:
        """The suite's arms as they are under some settings; what is there already is not added again."""
        names: dict[str | None, str] = {}
        for full, ablated in zip(self.base.arms, arms, strict=True):
            parent = names.get(full.from_, full.from_)
            if full == ablated and parent == full.from_:
                continue
            labels = [one.label for one in chosen if full.name in one.changed] or [one.label for one in chosen]
            changes = {
                "name": ".".join([full.name, *map(_slug, labels)]),
                "title": ", ".join([full.title or full.name, *labels]),
                "from_": parent,
            }
            names[full.name] = self._keep(full, ablated.model_copy(update=changes), chosen[-1].axis)

    def _keep(self, full: ArmConfig, variant: ArmConfig, axis: Axis) -> str:
        """-> the name of the arm with this recipe."""
        for name in self.of.setdefault(full.name, []):
            if _recipe(self.arms[name]) == _recipe(variant):
                return name
        if variant.name in self.arms or variant.name in {arm.name for arm in self.base.arms}:
            what = f"two different arms would be named `{variant.name}`; write the values more differently"
            raise SuiteError(axis.where, axis.key, what)
        self.arms[variant.name] = variant
        self.of[full.name].append(variant.name)
        if full.rl is not None or full.name not in {arm.from_ for arm in self.base.arms}:
            self.pairs[variant.name] = full.name
        return variant.name


def _recipe(arm: ArmConfig) -> ArmConfig:
    return arm.model_copy(update={"name": "", "title": None})


def _slug(label: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", label.lower()).strip("-")
