"""Old public names: each works for one release and gives one DeprecationWarning per process."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping

_warned: dict[str, str] = {}  # old name -> the text of its warning


def message(old: str, new: str) -> str:
    """The text of the warning for an old name."""
    return f"vla-rl-bench: {old} is deprecated and works for one more release; use {new}"


def ignored_message(old: str, reason: str) -> str:
    """The text of the warning for an old name that has no effect any more."""
    return f"vla-rl-bench: {old} is ignored: {reason}"


def warn_once(old: str, new: str, stacklevel: int = 3) -> None:
    """Warn of an old name, once per process.

    Args:
        old: The old name as users write it, such as ``TokenPolicy.normalize``.
        new: Its replacement, such as ``TokenPolicy.normalize``.
        stacklevel: As in ``warnings.warn``; 3 is the caller of the function that calls this one.
    """
    _warn(old, message(old, new), stacklevel + 1)


def warn_ignored(old: str, reason: str, stacklevel: int = 3) -> None:
    """Warn of an old name that has no effect any more, once per process.  Arguments as in `warn_once`."""
    _warn(old, ignored_message(old, reason), stacklevel + 1)


def _warn(old: str, text: str, stacklevel: int) -> None:
    if old not in _warned:
        _warned[old] = text
        warnings.warn(text, DeprecationWarning, stacklevel=stacklevel)


def given_warnings() -> dict[str, str]:
    """Return the warnings of this process so far, for `repeat_warnings` of another process."""
    return dict(_warned)


def repeat_warnings(warnings_of_process: Mapping[str, str]) -> None:
    """Give the warnings of a worker process, whose own output nobody sees; each old name once per process."""
    for old, text in warnings_of_process.items():
        _warn(old, text, stacklevel=3)


def show_warnings() -> None:
    """Show our warnings on the command line, where Python hides DeprecationWarning; the user's -W options win."""
    if not sys.warnoptions:
        warnings.filterwarnings("default", message="vla-rl-bench: ", category=DeprecationWarning)
