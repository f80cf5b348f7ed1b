"""Provenance of the numbers: facts that all runs share, the record of each run, the suite with its defaults."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vla_rl_bench.analysis.select_runs import SuiteRuns
from vla_rl_bench.config.overrides import as_dict
from vla_rl_bench.files import Record, read_json

_SHARED = {  # name on the page -> path in a run's record
    "protocol": ("protocol",),
    "comparable with published numbers": ("comparable",),
    "strategy": ("strategy",),
    "runtime": ("runtime",),
    "policy": ("recipe", "policy"),
    "environment": ("recipe", "environment"),
    "revision": ("versions", "git"),
}


@dataclass(frozen=True)
class RunRecord:
    id: str
    summary: str
    text: str  # JSON


def shared_facts(results: SuiteRuns) -> list[tuple[str, str]]:
    """List name and value of each fact; if runs differ, every value with the number of runs that have it."""
    runs = list(results.complete.values())
    versions = dict.fromkeys(name for run in runs for name in run.get("versions", {}) if name != "git")
    return [
        ("suite", results.suite.name),
        ("runs", f"{len(runs)} of {results.planned} complete"),
        ("seeds", ", ".join(map(str, results.suite.seeds))),
        *((name, _values(runs, path)) for name, path in _SHARED.items()),
        ("starts", _values(runs, ("starts",), _ranges)),
        *((name, _values(runs, ("versions", name))) for name in versions),
    ]


def _values(runs: Sequence[Record], path: Sequence[str], text: Callable[[Any], str] | None = None) -> str:
    counts: dict[str, int] = {}
    for run in runs:
        value: Any = run
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        words = (text or _text)(value)
        counts[words] = counts.get(words, 0) + 1
    if len(counts) == 1:
        return next(iter(counts))
    return "; ".join(f"{words} ({number} runs)" for words, number in counts.items())


def _text(value: Any) -> str:
    if value is None:
        return "not recorded"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        ordered = sorted(value.items(), key=lambda entry: entry[0] != "name")
        texts = ((key, _text(entry)) for key, entry in ordered if entry is not None)
        return ", ".join(text if key == "name" else f"{key} {text}" for key, text in texts if text)
    return ", ".join(map(_text, value)) or "none" if isinstance(value, (list, tuple)) else str(value)


def _ranges(starts: Any) -> str:
    """Write ranges of starts as ``held-out 1000–1999``."""
    if not starts:
        return "not recorded"
    return ", ".join(f"{split} {first}–{end - 1}" for split, (first, end) in starts.items())


def run_records(results: SuiteRuns) -> list[RunRecord]:
    """List the complete runs in the plan's order; without the environment's tasks, which the start maps name."""
    records = []
    for run in results.complete.values():
        parent = f", from {run['parent']}" if run.get("parent") else ""
        summary = f"{run.get('arm_title') or run['arm']}, {run['column']}, seed {run['seed']}{parent}"
        environment = {key: value for key, value in (run.get("environment") or {}).items() if key != "tasks"}
        text = json.dumps(run | {"environment": environment}, indent=1, sort_keys=True)
        records.append(RunRecord(run["id"], summary, text))
    return records


def resolved_suite(results: SuiteRuns) -> str:
    """Write the suite with its defaults as YAML."""
    from ruamel.yaml import YAML

    record = read_json(results.record) if results.record else as_dict(results.suite)
    suite = {key: value for key, value in record.items() if key not in ("runs", "limited", "changes", "suite_folder")}
    first = [key for key in ("name", "title", "environment", "columns", "policy", "seeds", "arms") if key in suite]
    yaml = YAML(typ="rt")
    yaml.default_flow_style = False
    stream = io.StringIO()
    yaml.dump({key: suite[key] for key in [*first, *(key for key in suite if key not in first)]}, stream)
    return stream.getvalue()
