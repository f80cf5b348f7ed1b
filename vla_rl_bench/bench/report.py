"""The table of ratios, as text and as data."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vla_rl_bench.bench.rows import Row, Skipped, Spread
from vla_rl_bench.errors import UserError
from vla_rl_bench.files import write_bytes
from vla_rl_bench.records.provenance import versions

HEADER = ("", "work", "ours", "baseline", "ratio, CPU", "ratio, wall", "aim", "reached")


def conditions(before: Sequence[float], *, quick: bool) -> dict[str, Any]:
    """What it ran on.  before: the load average when it began."""
    return {
        "quick": quick,
        "versions": versions(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "load_average_before": [round(one, 2) for one in before],
        "load_average_after": [round(one, 2) for one in os.getloadavg()],
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def table(rows: Sequence[Row | Skipped], *, notes: bool = False) -> str:
    """Markdown.  Ratios are above 1 where ours is better: median (least to greatest of the rounds)."""
    lines = [_line(HEADER), _line(["---"] * len(HEADER)), *(_line(_cells(row)) for row in rows)]
    if notes:
        lines += [
            "",
            *(f"- {row.letter}, {row.what}: {row.note}." for row in rows if isinstance(row, Row) and row.note),
        ]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cells(row: Row | Skipped) -> list[str]:
    if isinstance(row, Skipped):
        return [row.letter, row.what, f"not measured: {row.reason}", "", "", "", "", ""]
    reached = {None: "", True: "yes", False: "no"}[row.reached]
    return [
        row.letter,
        row.what,
        amount(Spread.of(row.ours).median, row.unit),
        amount(Spread.of(row.baseline).median, row.unit),
        ratio(row.cpu) + (", bytes" if row.unit == "bytes" else ""),
        ratio(row.wall),
        _aim(row),
        reached,
    ]


def amount(value: float, unit: str) -> str:
    """``1.25 s`` of CPU, ``39.8 GB``, ``5,800 chunks/s``."""
    if unit == "bytes":
        return f"{value / 1e9:.3g} GB" if value >= 1e8 else f"{value / 1e6:.3g} MB"
    return f"{value:,.0f} {unit}" if unit == "chunks/s" else f"{value:.3g} s"


def ratio(values: tuple[float, ...]) -> str:
    """``4.5x (3.1 to 4.6)``; without the spread where there was one round."""
    if not values:
        return ""
    found = Spread.of(values)
    spread = f" ({_short(found.least)} to {_short(found.greatest)})" if len(values) > 1 else ""
    return f"{_short(found.median)}x{spread}"


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 99.5 else f"{value:.1f}" if value >= 9.95 else f"{value:.2f}"


def _aim(row: Row) -> str:
    if row.aim is None:
        return ""
    if row.unit == "chunks/s":
        return f"{row.aim:,.0f} chunks/s"
    return f"{_short(row.aim)}x" + f", {row.judged}"


def save(folder: Path, rows: Sequence[Row | Skipped], found: Mapping[str, Any]) -> None:
    """``bench.json`` and ``bench.md``.  found: `conditions`."""
    plain = [_plain(row) for row in rows]
    data = json.dumps({"conditions": found, "rows": plain}, indent=1) + "\n"
    write_bytes(folder / "bench.json", data.encode())
    write_bytes(folder / "bench.md", "\n".join(_page(rows, found)).encode())


def _plain(row: Row | Skipped) -> dict[str, Any]:
    if isinstance(row, Skipped):
        return asdict(row)
    return asdict(row) | {"extra": dict(row.extra), "achieved": row.achieved, "reached": row.reached}


def _page(rows: Sequence[Row | Skipped], found: Mapping[str, Any]) -> Iterator[str]:
    form = "quick form" if found["quick"] else "full form"
    yield f"# Benchmark, {form}"
    yield ""
    yield (
        f"{found['cores']} cores of {found['processor']}; load average {found['load_average_before'][0]} before and "
        f"{found['load_average_after'][0]} after (1 a core is full); "
        + ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    )
    yield ""
    yield table(rows, notes=True)


def read(folder: Path) -> tuple[list[Row | Skipped], dict[str, Any]]:
    """What `save` wrote."""
    path = folder / "bench.json"
    try:
        data = json.loads(path.read_text("utf-8"))
        return [_row(one) for one in data["rows"]], data["conditions"]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not a benchmark's record ({error}). Delete it, or name another --out") from error


def _row(one: dict[str, Any]) -> Row | Skipped:
    if "reason" in one:
        return Skipped(**one)
    fields = {name: value for name, value in one.items() if name not in ("achieved", "reached")}
    for name in ("ours", "baseline", "cpu", "wall"):
        fields[name] = tuple(fields[name])
    return Row(**fields | {"extra": tuple(fields["extra"].items())})
