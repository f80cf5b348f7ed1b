"""What a user did wrong, said so that the next step is plain.

Every error that a user can cause is a :class:`UserError`: the command line prints it as one line, without a
traceback, and exits with 2.  Everything else is a defect of ours and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """An expected error: what is wrong, where, and what to type next."""


class SuiteError(UserError):
    """Something in a suite file or an override is wrong.

    Printed as ``file:line: key: what``.  ``where`` is a file name with a line, or ``command line``.
    """

    def __init__(self, where: str, key: str, what: str) -> None:
        self.where, self.key, self.what = where, key, what
        super().__init__(": ".join(part for part in (where, key, what) if part))


class PluginError(UserError):
    """A plugin is broken, missing, or clashes with another."""


class MissingRequirement(UserError):
    """Something that is not installed is needed; the message names the command that installs it."""


class NotSupported(UserError):
    """An environment or a policy does not offer an optional method; the message names the method."""


class EnvironmentFailure(Exception):
    """An environment worker raised or died; the message holds the worker's own traceback."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`` Did you mean `x`?`` with a leading blank, or the known words, or nothing when none is known."""
    words = sorted(known)
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    if close:
        return f" Did you mean `{close[0]}`?"
    return f" Known: {', '.join(words)}." if words else ""
