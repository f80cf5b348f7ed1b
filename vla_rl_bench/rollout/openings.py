"""The first observation of a group: its members begin alike, so one forward serves them all."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
from torch import Tensor

from vla_rl_bench.types import Observation, Start


class FirstObservationCache:
    """Logits of first observations, by start; valid as long as the policy's weights stay as they are."""

    def __init__(self, most: int) -> None:
        """most: starts to remember, the oldest forgotten first; 0 turns it off."""
        self._most = most
        self._known: OrderedDict[Start, tuple[Observation, Tensor]] = OrderedDict()

    @property
    def on(self) -> bool:
        return self._most > 0

    def find(self, start: Start, observation: Observation) -> Tensor | None:
        """Logits ``[1, K*D, bins]`` of this very observation, byte for byte, if it has been forwarded."""
        seen, logits = self._known.get(start, (None, None))
        return logits if seen is not None and _same(seen, observation) else None

    def add(self, start: Start, observation: Observation, logits: Tensor) -> None:
        """observation: kept, so the caller must not change it."""
        if not self.on:
            return
        self._known[start] = observation, logits.clone()
        if len(self._known) > self._most:
            self._known.popitem(last=False)


def _same(a: Observation, b: Observation) -> bool:
    return np.array_equal(a.proprio, b.proprio) and all(
        np.array_equal(image, b.images[name]) for name, image in a.images.items()
    )
