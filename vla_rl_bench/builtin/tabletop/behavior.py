"""The name of an episode's behavior on the table."""

from __future__ import annotations

from collections.abc import Sequence


def behavior(events: Sequence[str]) -> str:
    """Name the behavior of an episode by its events.

    ``grasp``: a target was held, and no closed hand pushed one.  ``push``: a closed hand pushed a target, and none was
    held.  ``mixed``: both.  ``none``: neither; another object may still have moved a target.
    """
    grasped, pushed = "grasped" in events, "pushed" in events
    if grasped and pushed:
        return "mixed"
    return "grasp" if grasped else "push" if pushed else "none"
