"""A checkpoint's statistics, and what they make of actions and proprioception.

Sources: openvla-oft, modeling_prismatic.py (`_unnormalize_actions`) and openvla_utils.py (`normalize_proprio`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vla_rl_bench.errors import UserError, did_you_mean
from vla_rl_bench.types import EnvironmentSpec
from vla_rl_bench_openvla_oft.spaces import Reading, Space

EPSILON = 1e-8  # openvla-oft adds it to every range; base openvla does not
FILE = "dataset_statistics.json"
_KEYS = {"q01/q99": ("q01", "q99"), "min/max": ("min", "max")}

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Bounds:
    """Values of -1 and 1 in each dimension; a dimension whose mask is false is left as it is."""

    low: tuple[float, ...]
    high: tuple[float, ...]
    mask: tuple[bool, ...]
    epsilon: float = EPSILON

    @property
    def dimensions(self) -> int:
        return len(self.low)

    def unnormalize(self, values: NDArray[Any]) -> Numbers:
        """``[..., D]`` in [-1, 1] -> float64 ``[..., D]`` in units of the data."""
        wide = np.asarray(values, np.float64)
        return np.where(self.mask, 0.5 * (wide + 1) * self._span + np.asarray(self.low), wide)

    def normalize(self, values: NDArray[Any]) -> Numbers:
        """The inverse of `unnormalize`."""
        wide = np.asarray(values, np.float64)
        return np.where(self.mask, 2 * (wide - np.asarray(self.low)) / self._divisor - 1, wide)

    @property
    def _span(self) -> Numbers:
        return np.asarray(self.high, np.float64) - np.asarray(self.low, np.float64) + self.epsilon

    @property
    def _divisor(self) -> Numbers:
        """A dimension that never moved has no width without the epsilon."""
        return np.where(self._span == 0, EPSILON, self._span)


@dataclass(frozen=True)
class Proprio:
    """An environment's proprioception ``[..., P]`` -> float32 ``[..., P]`` in [-1, 1], as a checkpoint knows it."""

    bounds: Bounds
    readings: tuple[Reading, ...] | None = None

    def __call__(self, values: NDArray[Any]) -> NDArray[np.float32]:
        raw = np.asarray(values, np.float64)
        if self.readings is not None:
            raw = raw * [reading.scale for reading in self.readings] + [reading.offset for reading in self.readings]
        return np.clip(self.bounds.normalize(raw), -1.0, 1.0).astype(np.float32)


def read(folder: Path, norm_stats: Mapping[str, Any] | None) -> dict[str, Any]:
    """key -> {action, proprio} of a checkpoint: `dataset_statistics.json` replaces what config.json holds."""
    path = folder / FILE
    if not path.is_file():
        return dict(norm_stats or {})
    try:
        statistics: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise UserError(f"{path}: not JSON ({error}). Take the file from the checkpoint again") from None
    return statistics


def choose_key(statistics: Mapping[str, Any], key: str | None, suite: str) -> str:
    """The key that a suite names, else the one that belongs to the column."""
    for candidate in (key,) if key is not None else _candidates(suite):
        if candidate in statistics:
            return str(candidate)
    requested = suite if key is None else key
    close = did_you_mean(requested, statistics)
    listed = "" if "Known:" in close else f" Known: {', '.join(sorted(statistics)) or 'none'}."
    raise UserError(
        f"policy.statistics: the checkpoint has no statistics `{requested}`.{close}{listed} "
        "Name one, or put the data set's dataset_statistics.json into the checkpoint's folder"
    )


def _candidates(suite: str) -> tuple[str, ...]:
    """LIBERO's data sets end in _no_noops; RoboTwin's are robotwin2_<task>_1k in SimpleVLA-RL's checkpoints."""
    task = suite.removeprefix("robotwin2_")
    return (suite, f"{suite}_no_noops", task, f"{task}_1k", f"robotwin2_{task}_1k")


def bounds(entry: Mapping[str, Any], key: str, kind: str, space: Space, *, epsilon: float = EPSILON) -> Bounds:
    """kind: ``action`` or ``proprio``.  A missing mask is all true."""
    part = entry.get(kind, {})
    lower, upper = _KEYS[space.bounds]
    if lower not in part or upper not in part:
        raise UserError(
            f"policy.statistics: `{key}` lacks {kind}.{lower} and {kind}.{upper}, which space `{space.name}` needs. "
            "Name another key, or another policy.space"
        )
    low, high = tuple(map(float, part[lower])), tuple(map(float, part[upper]))
    mask = tuple(bool(flag) for flag in part.get("mask", [True] * len(low)))
    return Bounds(low, high, mask, epsilon)


def action_bounds(
    statistics: Mapping[str, Any],
    wanted_key: str | None,
    space: Space,
    spec: EnvironmentSpec,
    *,
    epsilon: float = EPSILON,
) -> Bounds:
    """Of the environment's actions; refused where the checkpoint's have another number of dimensions."""
    if space.bounds == "environment":
        low, high = spec.action.low, spec.action.high
        return Bounds(tuple(low), tuple(high), (True,) * len(low), 0.0)
    key = choose_key(statistics, wanted_key, spec.suite)
    limits = bounds(statistics[key], key, "action", space, epsilon=epsilon)
    if limits.dimensions != spec.action.dimensions:
        raise UserError(
            f"policy.checkpoint: statistics `{key}` are of {limits.dimensions}-dimensional actions, environment "
            f"`{spec.name}` has {spec.action.dimensions}. Name a checkpoint of this environment, or other "
            "policy.statistics"
        )
    return limits


def proprio(statistics: Mapping[str, Any], wanted_key: str | None, space: Space, spec: EnvironmentSpec) -> Proprio:
    """Of the environment's proprioception, brought back to the units of the checkpoint's data first."""
    words = spec.proprio
    if space.bounds == "environment":
        return Proprio(Bounds((-1.0,) * len(words), (1.0,) * len(words), (True,) * len(words), 0.0))
    _check_words(space, spec)
    key = choose_key(statistics, wanted_key, spec.suite)
    limits = bounds(statistics[key], key, "proprio", space)
    if limits.dimensions != len(words):
        raise UserError(
            f"policy.proprio: statistics `{key}` are of {limits.dimensions} numbers, environment `{spec.name}` gives "
            f"{len(words)}. Write `proprio: false`, or name other policy.statistics"
        )
    return Proprio(limits, space.readings)


def _check_words(space: Space, spec: EnvironmentSpec) -> None:
    expected: Sequence[str] = spec.proprio if space.readings is None else [reading.words for reading in space.readings]
    for ours, theirs in zip(expected, spec.proprio, strict=False):
        if ours != theirs:
            raise UserError(
                f"policy.proprio: space `{space.name}` expects `{ours}`, environment `{spec.name}` gives `{theirs}`. "
                "Write `proprio: false`, or use a matching environment"
            )
