"""Errors: those that a user can fix, and failures of environments.

Every error that a user can cause is a :class:`UserError`: the command line prints it as one line, without a
traceback, and exits with 2.  Any other exception is a bug and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """An expected error; the message says what is wrong, where, and what to type next."""


class SuiteError(UserError):
    """An error in a suite file or an override, printed as ``file:line: key: what``.

    Args:
        where: File name with a line, or ``command line``.
        key: Dotted key of the suite, such as ``rl.tricks``.
        what: What is wrong.
    """

    def __init__(self, where: str, key: str, what: str) -> None:
        self.where, self.key, self.what = where, key, what
        super().__init__(": ".join(part for part in (where, key, what) if part))


class PluginError(UserError):
    """A plugin that is broken, is missing, or clashes with another."""


class MissingRequirement(UserError):
    """Something that is not installed is needed.

    Args:
        what: The thing and who needs it, without a full stop if there is advice.
        advice: The command that installs it.
    """

    def __init__(self, what: str, advice: str = "") -> None:
        self.what, self.advice = what, advice
        super().__init__(f"{what}. Run: {advice}" if advice else what)


class NotSupported(UserError):
    """An optional method that an environment or a policy does not define; the message names it."""


class EnvironmentFailure(Exception):
    """An exception or a crash of an environment worker; the message holds the worker's traceback or log tail."""


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """Suggest the valid name that is closest to a misspelled one.

    Args:
        word: The misspelled name.
        names: Valid names.

    Returns:
        `` Did you mean `x`?``, else `` Known: x, y.``, both with a leading blank; empty if there are no valid names.
    """
    words = sorted(names)
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    if close:
        return f" Did you mean `{close[0]}`?"
    return f" Known: {', '.join(words)}." if words else ""
