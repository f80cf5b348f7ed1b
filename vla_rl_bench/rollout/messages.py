"""What a worker process sends.  Standard library only.

A module of its own, since a worker runs as ``__main__`` and both sides must know the record by one name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class WorkerReply:
    """What goes back for a request.

    ok: False for a defect, None for what a user can mend; `value` is then the words for it.
    seconds: wall and CPU seconds by activity so far.  spans: what this request did, as (activity, start, end) in
    readings of ``time.perf_counter``.
    """

    ok: bool | None
    slot: int
    value: Any
    seconds: dict[str, float] = field(default_factory=dict)
    spans: tuple[tuple[str, float, float], ...] = ()
