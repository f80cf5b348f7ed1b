"""Does a row of a policy's forward depend on its neighbours?  If not, which of them share a forward changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from vla_rl_bench.errors import UserError
from vla_rl_bench.interfaces import TokenPolicy
from vla_rl_bench.rollout.actor import Actor
from vla_rl_bench.types import Observation

_checked: WeakKeyDictionary[TokenPolicy, set[int]] = WeakKeyDictionary()


def require_row_invariance(policy: TokenPolicy, observation: Observation, told: Sequence[str], rows: int) -> None:
    """Refuse, once a policy and shape, a forward of `rows` rows whose bits depend on a row's place or neighbours.

    observation: a single one that occurs.  told: instructions that occur; the first goes with the observation.
    """
    done = _checked.setdefault(policy, set())
    if rows in done:
        return
    if not row_invariant(policy, observation, told, rows):
        raise UserError(
            f"runtime.forward_rows: in a forward of {rows} rows this policy's answer to an observation depends on the "
            "other rows, so the run would depend on timing. Write forward_rows: 1, or deterministic: false"
        )
    done.add(rows)


def row_invariant(policy: TokenPolicy, observation: Observation, told: Sequence[str], rows: int) -> bool:
    """Whether the observation gives the same bits beside copies of itself and, first, midmost and last, beside others.

    The others are its negative, under another instruction.
    """
    other = Observation({name: 255 - image for name, image in observation.images.items()}, 1 - observation.proprio)
    alone = _bits(policy, [observation] * rows, [told[0]] * rows)
    found = [np.array_equal(alone[0], row) for row in alone]
    for place in {0, rows // 2, rows - 1}:
        observations, instructions = [other] * rows, [told[-1]] * rows
        observations[place], instructions[place] = observation, told[0]
        found.append(np.array_equal(_bits(policy, observations, instructions)[place], alone[0]))
    return all(found)


def _bits(policy: TokenPolicy, observations: Sequence[Observation], instructions: Sequence[str]) -> NDArray[np.generic]:
    """Logits; log-probs of what is drawn, where a token depends on those before it.  A row an observation."""
    actor, batch = Actor(policy, 1.0), Observation.stack(observations)
    if actor.one_forward:
        return actor.look(batch, instructions).float().cpu().numpy()
    return actor.act(batch, instructions, np.full((len(observations), actor.tokens), 0.5, np.float32)).logprobs
