"""Commands that the previous release had.  Each prints, for one release, the command that replaces it."""

from __future__ import annotations

from collections.abc import Callable, Collection

import typer

from vla_rl_bench.errors import UserError

# command -> what to type now, the end of a sentence
RETIRED: dict[str, str] = {
    "bench": "in a clone of the repository, type: tox -e benchmark",
    "experts": "measure an expert by a suite with policy: {name: expert}. "
    "Type: vla-rl-bench run suites/experts/libero.yaml",
    "pushcut": "it is `vla-rl-bench behaviors` now, after: pip install -e plugins/behaviors",
    "trials": "it is `vla-rl-bench real-robot` now, after: pip install -e plugins/real_robot",
}


def add_retired_commands(app: typer.Typer, taken: Collection[str]) -> None:
    """Add a hidden command for every retired name, except those that a plugin has taken."""
    settings = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
    for name, advice in RETIRED.items():
        if name not in taken:
            app.command(name, hidden=True, context_settings=settings)(_command(name, advice))


def _command(name: str, advice: str) -> Callable[[], None]:
    def retired() -> None:
        raise UserError(f"vla-rl-bench {name}: this command was removed; {advice}")

    return retired
