"""Everything about numbers that leave and enter a policy: actions, their gripper, and proprioception."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from vla_rl_bench.types import EnvironmentSpec, FloatArray
from vla_rl_bench_openvla_oft import gripper, statistics
from vla_rl_bench_openvla_oft.options import OpenVlaOptions
from vla_rl_bench_openvla_oft.spaces import Space
from vla_rl_bench_openvla_oft.statistics import Bounds, Proprio


@dataclass(frozen=True)
class Codec:
    """proprio: None where none is fed."""

    space: Space
    bounds: Bounds
    proprio: Proprio | None

    def normalize(self, actions: FloatArray) -> FloatArray:
        """Environment actions ``[..., D]`` -> [-1, 1], clipped as the training data were."""
        ours = gripper.to_checkpoint(np.asarray(actions, np.float64), self.space)
        return np.clip(self.bounds.normalize(ours), -1, 1).astype(np.float32)

    def unnormalize(self, values: FloatArray) -> FloatArray:
        """``[-1, 1]`` -> environment actions ``[..., D]``."""
        return gripper.to_environment(self.bounds.unnormalize(values), self.space).astype(np.float32)


def codec(
    norm_stats: Mapping[str, Any], options: OpenVlaOptions, space: Space, spec: EnvironmentSpec, *, epsilon: float
) -> Codec:
    """found: the checkpoint's statistics."""
    bounds = statistics.action_bounds(norm_stats, options.statistics, space, spec, epsilon=epsilon)
    uses_proprio = space.proprio if options.proprio is None else options.proprio
    proprio = statistics.proprio(norm_stats, options.statistics, space, spec) if uses_proprio else None
    return Codec(space, bounds, proprio)
