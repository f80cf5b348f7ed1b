"""Ablations: a suite's arms and, for each full recipe, the variants that the axes make.

Variants share everything that they do not change: demonstrations, SFT runs and run ids.  A variant is named only by its
difference from the suite's recipe, so it keeps its name and its runs when axes or values are added, and whether or not
axes are crossed.
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
    """An axis ``key=value,value,...``."""

    text: str
    where: str = COMMAND_LINE  # file and line, for errors
    key: str = ""  # in the file, for errors; empty for the command line


@dataclass(frozen=True)
class Setting:
    """One value of an axis."""

    axis: Axis
    label: str
    override: str
    arms: tuple[ArmConfig, ...]  # of the suite with this value
    changed: frozenset[str]  # names of the arms that it changes, those that start from a changed arm included


@dataclass(frozen=True)
class Recipe:
    """A suite with the file and the overrides that it is read from."""

    suite: Suite
    path: str | Path
    overrides: Sequence[str]
    catalog: Catalog

    def with_overrides(self, overrides: Sequence[str]) -> tuple[ArmConfig, ...]:
        """Return the arms with further overrides, which may change only arms."""
        variant = load_suite(self.path, [*self.overrides, *overrides], self.catalog)
        if variant.model_copy(update={"arms": self.suite.arms}) != self.suite:
            problem = "an axis changes arms: write rl., sft., demonstrations. or tricks."
            raise SuiteError(COMMAND_LINE, ", ".join(overrides), problem)
        return variant.arms


def read_ablation(
    path: str | Path,
    overrides: Sequence[str],
    catalog: Catalog,
    axes: Sequence[str] | None = None,
    grid: bool | None = None,
) -> Suite:
    """Read a suite and add an arm for each variant.

    Args:
        axes: Used instead of those of the suite's ``ablate:`` block.
        grid: Every combination of values; None: as the block says, if its axes are used.
    """
    base = load_suite(path, overrides, catalog)
    if axes:
        return ablation_suite(base, path, axes, overrides, catalog, grid=bool(grid))
    if base.ablate is None:
        problem = "nothing to vary; write --axis KEY=VALUE,VALUE, or `ablate: {axes: [...]}` in the suite"
        raise SuiteError(str(path), "ablate", problem)
    block_axes = _located_axes(base.ablate, path, overrides, catalog)
    grid = base.ablate.grid if grid is None else grid
    return ablation_suite(base, path, block_axes, overrides, catalog, grid=grid)


def check_ablation(path: str | Path, overrides: Sequence[str], catalog: Catalog) -> None:
    """Check the axes of a suite's ``ablate:`` block, if it has one."""
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
    """Add an arm for each value of each axis that changes something, or for each combination of values.

    Its ``table.delta`` pairs each variant with its full recipe; of SFT that RL builds on, only the RL is compared.
    """
    recipe = Recipe(base, path, overrides, catalog)
    located = [axis if isinstance(axis, Axis) else Axis(axis) for axis in axes]
    settings = [_settings(axis, recipe) for axis in located]
    if grid:
        _check_keys_differ(located)
    variants = _Variants(base)
    for combination in product(*settings) if grid else ((setting,) for values in settings for setting in values):
        variants.add(combination, _arms(combination, recipe))
    if not variants.pairs:
        text = ", ".join(axis.text for axis in located)
        raise SuiteError(located[0].where, text, "every value is the suite's own; write one more to compare with it")
    table = base.table.model_copy(update={"delta": tuple(variants.pairs.items())})
    changes = {
        "arms": (*base.arms, *variants.arms.values()),
        "table": table,
        "title": f"{base.title or base.name}: ablation",
        "ablate": AblateConfig(axes=tuple(axis.text for axis in located), grid=grid),
    }
    return base.model_copy(update=changes)


def variant_label(suite: Suite, arm: ArmConfig) -> str:
    """Label a variant by its difference from the full recipe, such as ``dynamic-sampling=off``; other arms by title.

    Args:
        suite: A suite made by `ablation_suite`.
    """
    title = arm.title or arm.name
    full = next((full_arm for full_arm in suite.arms if full_arm.name == dict(suite.table.delta).get(arm.name)), None)
    return title.removeprefix(f"{full.title or full.name}, ") if full else title


def _located_axes(block: AblateConfig, path: str | Path, overrides: Sequence[str], catalog: Catalog) -> list[Axis]:
    """Axes of the block, each with its file and line."""
    where = [place_in_suite(path, overrides, ("ablate", "axes", number), catalog) for number in range(len(block.axes))]
    return [Axis(text, where[number], f"ablate.axes.{number}") for number, text in enumerate(block.axes)]


def _settings(axis: Axis, recipe: Recipe) -> list[Setting]:
    with _errors_located_at(axis, axis.text):
        values = expand_axis(axis.text)
    settings = []
    for label, override in values:
        with _errors_located_at(axis, override):
            arms = recipe.with_overrides([override])
        settings.append(Setting(axis, label, override, arms, _changed(recipe.suite.arms, arms)))
    return settings


def _changed(full: Sequence[ArmConfig], ablated: Sequence[ArmConfig]) -> frozenset[str]:
    names: set[str] = set()
    for arm, changed in zip(full, ablated, strict=True):
        if arm != changed or arm.from_ in names:
            names.add(arm.name)
    return frozenset(names)


def _arms(combination: Sequence[Setting], recipe: Recipe) -> tuple[ArmConfig, ...]:
    if len(combination) == 1:
        return combination[0].arms
    try:
        return recipe.with_overrides([setting.override for setting in combination])
    except (SuiteError, SuiteErrors) as error:
        first = error.errors[0] if isinstance(error, SuiteErrors) else error
        axis, overrides = combination[-1].axis, " with ".join(setting.override for setting in combination)
        problem = f"{first.what} Leave a value out, or do not cross these axes."
        raise SuiteError(axis.where, axis.key, f"{overrides}: {first.key}: {problem}") from None


def _check_keys_differ(axes: Sequence[Axis]) -> None:
    """Raise SuiteError if two crossed axes have one key: the second value would win, but the name would have both."""
    keys = [split_override(axis.text)[0] for axis in axes]
    for number, key in enumerate(keys):
        if key in keys[:number]:
            problem = "on two axes that are crossed; write all its values on one"
            raise SuiteError(axes[number].where, axes[number].key or key, problem)


@contextmanager
def _errors_located_at(axis: Axis, text: str) -> Iterator[None]:
    """Report errors of the body at the file and line of the axis."""
    try:
        yield
    except (SuiteError, SuiteErrors) as error:
        if not axis.key:
            raise
        first = error.errors[0] if isinstance(error, SuiteErrors) else error
        key = "" if text.startswith(first.key) else f"{first.key}: "
        raise SuiteError(axis.where, axis.key, f"{text}: {key}{first.what}") from None


@dataclass
class _Variants:
    """The variants of a suite's arms, in the order of their settings."""

    base: Suite
    arms: dict[str, ArmConfig] = field(default_factory=dict)
    pairs: dict[str, str] = field(default_factory=dict)  # variant -> its full recipe, by name
    variants_of: dict[str, list[str]] = field(default_factory=dict)  # arm -> its variants, by name

    def add(self, combination: Sequence[Setting], arms: Sequence[ArmConfig]) -> None:
        """Add the arms that a combination of settings makes different, unless they exist already."""
        names: dict[str | None, str] = {}
        for full, ablated in zip(self.base.arms, arms, strict=True):
            parent = names.get(full.from_, full.from_)
            if full == ablated and parent == full.from_:
                continue
            labels = [setting.label for setting in combination if full.name in setting.changed]
            labels = labels or [setting.label for setting in combination]
            changes = {
                "name": ".".join([full.name, *map(_slug, labels)]),
                "title": ", ".join([full.title or full.name, *labels]),
                "from_": parent,
            }
            names[full.name] = self._keep(full, ablated.model_copy(update=changes), combination[-1].axis)

    def _keep(self, full: ArmConfig, variant: ArmConfig, axis: Axis) -> str:
        """Keep a variant unless an arm with its recipe exists; return the arm's name."""
        for name in self.variants_of.setdefault(full.name, []):
            if _recipe(self.arms[name]) == _recipe(variant):
                return name
        if variant.name in self.arms or variant.name in {arm.name for arm in self.base.arms}:
            problem = f"two different arms would be named `{variant.name}`; write the values more differently"
            raise SuiteError(axis.where, axis.key, problem)
        self.arms[variant.name] = variant
        self.variants_of[full.name].append(variant.name)
        if full.rl is not None or full.name not in {arm.from_ for arm in self.base.arms}:
            self.pairs[variant.name] = full.name
        return variant.name


def _recipe(arm: ArmConfig) -> ArmConfig:
    return arm.model_copy(update={"name": "", "title": None})


def _slug(label: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", label.lower()).strip("-")
