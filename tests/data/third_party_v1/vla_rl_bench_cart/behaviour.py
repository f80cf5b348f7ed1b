"""One word for an episode."""

from __future__ import annotations

from collections.abc import Sequence


def behaviour(events: Sequence[str]) -> str:
    return "reversing" if "reversed" in events else "straight"
