"""GRPO with a success reward, without critic and KL: SimpleVLA-RL (arXiv 2509.09674), section 3.

The page can be copied into a package and changed: ``vla-rl-bench new algorithm NAME``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from vla_rl_bench import seeding
from vla_rl_bench.engine.collect import GroupRequest, collect
from vla_rl_bench.engine.iteration_times import IterationTimer
from vla_rl_bench.engine.training import GrpoState, Training
from vla_rl_bench.engine.update import LossSettings, pack, update
from vla_rl_bench.rollout.actor import Actor
from vla_rl_bench.types import ClipRange, SamplingParams

BASELINE_CLIP = ClipRange(0.2, 0.2)  # PPO's symmetric range: SimpleVLA-RL's baseline before "clip higher"


def train(training: Training) -> None:
    """Run all iterations of GRPO, or resume after the last checkpoint.  The policy is trained in place."""
    done = training.resume()
    state = GrpoState.after(training.folder.metrics())
    if done == 0:
        training.evaluate_curve(0)
    for iteration in range(done + 1, training.config.iterations + 1):
        training.finish_iteration(iteration, iterate(training, state, iteration))


def iterate(training: Training, state: GrpoState, iteration: int) -> dict[str, Any]:
    """Run one iteration of GRPO and return its metrics."""
    config, hooks, trainer, pool = training.config, training.hooks, training.trainer, training.pool
    times = IterationTimer(pool)

    # 1. Roll out groups of trajectories, each group from one training start, at the rollout temperature, until enough
    #    groups are kept (dynamic sampling and higher rollout temperature, section 3.3).
    temperature = hooks.sampling_params(iteration, SamplingParams(temperature=1.0)).temperature
    with times.measure("rollout"), trainer.acting() as policy:
        actor = Actor(policy, temperature)
        request = GroupRequest(
            start_of=training.starts.of_iteration(iteration),
            key=("rollout", training.starts.seed, iteration),
            target_groups=config.groups - len(state.surplus),
            max_groups=round(hooks.draw_limit(iteration, 1.0) * config.groups),
            group_size=config.group_size,
            acceptance=state.acceptance if config.overprovision else 1.0,
        )
        batch = collect(pool, actor, request, hooks, training.ranks, training.group_observer(iteration, policy))
        training.notify_rollout_end(iteration, batch)

    # 2. Advantages: each return (1 = success, equation 9) against its own group (equation 10).
    # 3. One pass of gradient steps on the clipped objective over mini-batches of trajectories (equation 11).
    groups = (*batch.groups, *state.surplus)
    clip = hooks.clip_range(iteration, BASELINE_CLIP)
    losses: dict[str, float] = {}
    with times.measure("update"):
        if groups:
            returns = torch.from_numpy(np.stack([group.returns for group in groups]))  # [groups, group_size]
            advantages = hooks.advantages(returns, training.functions.advantage)
            loss = LossSettings(training.functions.objective, training.functions.clipped_tokens, clip, temperature)
            instructions = [task.instruction for task in pool.contract.tasks]
            trajectories = pack(groups, advantages, instructions, trainer.policy)
            checks = training.check_before_update(state, trajectories, loss)
            rng = seeding.generator("minibatches", training.starts.seed, iteration)
            losses = update(trainer, trajectories, config, hooks, loss, training.ranks, rng, state.microbatch) | checks

    # 4. Evaluate if the learning curve is due, and record.
    reused = {"reused": len(state.surplus)} if config.reuse_surplus else {}
    state.append(config, batch)
    training.evaluate_curve(iteration)
    return {
        "iteration": iteration,
        **batch.metrics(),
        "forwards": actor.forwards,
        "skipped": not groups,
        "temperature": temperature,
        **losses,
        "clip_low": clip.low,
        "clip_high": clip.high,
        **times.metrics(actor, batch.chunks),
        **reused,
    }
