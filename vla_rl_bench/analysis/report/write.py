"""The page as a file: whole, or not there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from vla_rl_bench.analysis.report.films import films
from vla_rl_bench.analysis.report.page import render
from vla_rl_bench.analysis.report.sources import Evidence, find
from vla_rl_bench.errors import UserError
from vla_rl_bench.files import write_text

NAME = "report.html"


def write_page(
    names: Sequence[str], out: Path | None, *, count: int = 1, say: Callable[[str], None] = print
) -> tuple[Path, list[Evidence]]:
    """-> the page's path, and what it is of.  out: None for ``report.html`` in the suite's folder, or here for several.

    count: how many successes and failures are filmed of each arm in each column.
    """
    found = find(names)
    target = out or (found[0].folder if len(found) == 1 else Path()) / NAME
    _refuse_unwritable(target)
    page = render(found, [films(one, count, say) if count else [] for one in found])
    try:
        write_text(target, page)
    except OSError as error:
        _clear(target)
        raise UserError(f"{target}: cannot be written ({error.strerror}); name another --out") from None
    return target, found


def _refuse_unwritable(target: Path) -> None:
    """Before anything is filmed."""
    if target.is_dir():
        raise UserError(f"{target}: a folder; name a file, as --out {target / NAME}")
    probe = target.with_name(f".{target.name}.probe.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UserError(f"{target}: cannot be written ({error.strerror}); name another --out") from None


def _clear(target: Path) -> None:
    """What a failed write left under its temporary name."""
    for left_over in target.parent.glob(f".{target.name}.*.tmp"):
        left_over.unlink(missing_ok=True)
