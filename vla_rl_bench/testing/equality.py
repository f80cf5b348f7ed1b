"""Comparison of observations and episodes, byte for byte."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vla_rl_bench.types import ChunkResult, Observation

Episode = tuple[Observation, Sequence[ChunkResult]]  # the first observation, and the result of every chunk


def copy_observation(observation: Observation) -> Observation:
    """Copy an observation: an environment may write the next one into the same memory."""
    return Observation({name: image.copy() for name, image in observation.images.items()}, observation.proprio.copy())


def copy_result(result: ChunkResult) -> ChunkResult:
    """Copy a result with its observation."""
    return result if result.observation is None else replace(result, observation=copy_observation(result.observation))


def difference(first: Observation, second: Observation) -> str:
    """Name the first part that differs between two observations; empty if every byte is equal."""
    if first.images.keys() != second.images.keys():
        return f"cameras {sorted(first.images)} and {sorted(second.images)}"
    for name, image in first.images.items():
        if not np.array_equal(image, second.images[name]):
            return f"image `{name}`"
    return "" if np.array_equal(first.proprio, second.proprio) else "proprio"


def episode_difference(first: Episode, second: Episode) -> str:
    """Name the first difference between two episodes; empty if there is none."""
    if text := difference(first[0], second[0]):
        return f"{text} of the reset"
    if len(first[1]) != len(second[1]):
        return f"{len(first[1])} and {len(second[1])} chunks"
    for number, (first_result, second_result) in enumerate(zip(first[1], second[1], strict=True)):
        if text := result_difference(first_result, second_result):
            return f"{text} of chunk {number}"
    return ""


def result_difference(first: ChunkResult, second: ChunkResult) -> str:
    """Name the first difference between two chunk results; empty if there is none."""
    for name in ("steps", "success", "done", "events"):
        if getattr(first, name) != getattr(second, name):
            return f"{name} ({getattr(first, name)} and {getattr(second, name)})"
    if first.observation is None or second.observation is None:
        return "" if first.observation is second.observation else "the observation, which only one of them has"
    return difference(first.observation, second.observation)
