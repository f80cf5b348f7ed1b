"""The tracker and the command that this distribution adds to vla-rl-bench.  Light: loaded by every command."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from vla_rl_bench.entries import TrackerEntry
from vla_rl_bench.hookspecs import hookimpl
from vla_rl_bench_behaviors.tracker import NovelSuccessTracker


@hookimpl
def register_trackers() -> Iterable[TrackerEntry]:
    yield TrackerEntry(
        name="behaviors",
        summary="counts behaviors in rollouts and keeps the first successes with a new one",
        tracker=NovelSuccessTracker,
    )


@hookimpl
def register_commands(app: Any) -> None:
    from vla_rl_bench_behaviors.command import behaviors

    app.command()(behaviors)
