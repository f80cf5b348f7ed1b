"""The process-wide generators that RoboTwin draws from, one state a scene."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from typing import Any

import numpy as np


class Randomness:
    """NumPy's and Python's global generators as one scene left them; those of others are untouched."""

    def __init__(self) -> None:
        self._own = _states()

    @contextlib.contextmanager
    def swapped_in(self) -> Iterator[None]:
        """This scene's states in place of the process's, for a while."""
        outside = _states()
        _set(self._own)
        try:
            yield
        finally:
            self._own = _states()
            _set(outside)


def _states() -> tuple[Any, Any]:
    return np.random.get_state(), random.getstate()  # noqa: NPY002 - the runtime's, not ours


def _set(states: tuple[Any, Any]) -> None:
    np.random.set_state(states[0])  # noqa: NPY002
    random.setstate(states[1])
