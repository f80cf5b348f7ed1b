"""How a table's targets came where they are, in a word."""

from __future__ import annotations

from collections.abc import Sequence


def behaviour(events: Sequence[str]) -> str:
    """``grasp``: targets were grasped, and no fist pushed one.  ``push``: none was ever held, and a fist pushed one.
    ``mixed``: both.  ``none``: neither; a target may still have been shoved by another object."""
    grasped, pushed = "grasped" in events, "pushed" in events
    if grasped and pushed:
        return "mixed"
    return "grasp" if grasped else "push" if pushed else "none"
