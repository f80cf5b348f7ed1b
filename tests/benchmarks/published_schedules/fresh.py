"""A LIBERO episode as SimpleVLA-RL's workers play it (github.com/PRIME-RL/SimpleVLA-RL at 7c51662).

Follows ``verl/workers/rollout/rob_rollout.py``, ``env_worker``: each episode builds an ``OffScreenRenderEnv`` of its
own, with LIBERO's defaults, which render two 256 px cameras at every step and compute all observables; then seed,
reset, ``set_init_state``, ten settling steps, the episode, and the environment is closed.  Of sixteen images in
a chunk, one is used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from vla_rl_bench.interfaces import EnvironmentBase
from vla_rl_bench.types import FloatArray, Start


def episode(
    build: Callable[[], EnvironmentBase],
    start: Start,
    chunks: Sequence[FloatArray],
    inspect: Callable[[EnvironmentBase], object] = lambda environment: None,
) -> None:
    """Build the environment, play one episode and close it.

    Args:
        build: Makes LIBERO's own environment, the plugin's `driver: reference`.
        start: The initial state.
        chunks: The actions.
        inspect: Called with the environment before it is closed.
    """
    environment = build()
    try:
        environment.reset(options={"start": start})
        for chunk in chunks:
            for action in chunk:
                environment.step(action)
        inspect(environment)
    finally:
        environment.close()
