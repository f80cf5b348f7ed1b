"""What was measured beside a peer's own code, with where it comes from: ``peers.json``, and ``peers.md`` made of it."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.peers.checkout import Checkout, own_revision
from tests.benchmarks.peers.sides import Comparison
from tests.benchmarks.support.settings import conditions
from vla_rl_bench.files import write_bytes

BEGUN = own_revision()  # when the script began; others may commit meanwhile
FOLDER = Path(__file__).parents[3] / "results" / "benchmarks"
HEADER = "| work | side | CPU | wall | CPU over ours | wall over ours |\n| --- | --- | ---: | ---: | --- | --- |"
INTRODUCTION = """# Beside the peers' own code

Peers' unmodified functions and ours, driven in turn in one run by the scripts of
[tests/benchmarks/peers](../../tests/benchmarks/peers/README.md); nothing of theirs is in this repository. Before
anything is timed both sides are held to compute the same, as each section says. Numbers are medians of the rounds, of
all processes; a ratio is taken round by round: median (least to greatest), above 1 where ours is cheaper. Every round
stands in [peers.json](peers.json).
"""


def record(
    peer: Checkout | str,
    title: str,
    *,
    drives: Sequence[str],
    stubs: Sequence[str],
    command: str,
    same: Sequence[str],
    notes: Sequence[str],
    comparisons: Sequence[Comparison] = (),
    facts: Mapping[str, Any] | None = None,
    load: Sequence[float] = (),
) -> None:
    """Replace this title's section.  same: what was held to agree, with numbers.  facts: other numbers, by name.

    load: the load average when it began.
    """
    entry = {
        "title": title,
        "peer": {"repository": peer.repository, "revision": peer.revision, "blobs": peer.blobs}
        if isinstance(peer, Checkout)
        else {"release": peer},
        "drives": list(drives),
        "stubs": list(stubs),
        "command": command,
        "our_revision": BEGUN,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "conditions": conditions(load or os.getloadavg()),
        "same": list(same),
        "notes": list(notes),
        "facts": dict(facts or {}),
        "comparisons": [one.plain() for one in comparisons],
        "lines": [one.line(side) for one in comparisons for side in one.spent],
    }
    path = FOLDER / "peers.json"
    known = json.loads(path.read_text("utf-8")) if path.is_file() else []
    entries = sorted([one for one in known if one["title"] != title] + [entry], key=lambda one: str(one["title"]))
    write_bytes(path, (json.dumps(entries, indent=1) + "\n").encode())
    write_bytes(FOLDER / "peers.md", "\n".join(page(entries)).encode())
    print("\n".join(_section(entry)))


def page(entries: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Markdown."""
    yield INTRODUCTION
    for entry in entries:
        yield from _section(entry)


def _section(entry: dict[str, Any]) -> Iterator[str]:
    yield f"## {entry['title']}\n"
    if entry["lines"]:
        yield HEADER
        yield from entry["lines"]
        yield ""
    yield from (f"- {name}: {value}" for name, value in entry["facts"].items())
    yield from (f"- Held to agree: {one}." for one in entry["same"])
    yield from (f"- {one}." for one in entry["notes"])
    yield f"- Peer: {_peer(entry)}"
    yield from ([f"- Stubs: {'; '.join(entry['stubs'])}."] if entry["stubs"] else [])
    found = entry["conditions"]
    yield (
        f"- {entry['date']}, our revision {entry['our_revision']}, {found['cores']} cores of {found['processor']}, "
        f"load average {found['load_average_before'][0]} before and {found['load_average_after'][0]} after, "
        + ", ".join(f"{name} {version}" for name, version in found["versions"].items() if name != "git")
        + "."
    )
    yield f"- `{entry['command']}`\n"


def _peer(entry: dict[str, Any]) -> str:
    peer = entry["peer"]
    drives = ", ".join(f"`{one}`" for one in entry["drives"])
    if "release" in peer:
        return f"{peer['release']}: {drives}."
    blobs = ", ".join(f"{name} is blob {blob}" for name, blob in peer["blobs"].items())
    return f"github.com/{peer['repository']} at {peer['revision']} ({blobs}): {drives}."
