"""What the numbers were made with: what all runs share, then each run."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vla_rl_bench.analysis.report.sources import Evidence, record_name
from vla_rl_bench.files import Record, read_json

Facts = list[tuple[str, str]]


@dataclass(frozen=True)
class RunFacts:
    """A run: its id, a line that says what it is, and everything it recorded."""

    id: str
    line: str
    facts: Facts


def shared(evidence: Evidence) -> Facts:
    """One line a fact; where runs differ, every value with how many runs have it."""
    runs = list(evidence.runs.values())
    suite = evidence.suite
    facts: Facts = [
        ("suite", suite.name),
        ("runs", f"{len(runs)} of {len(evidence.planned)} complete"),
        ("seeds", ", ".join(map(str, suite.seeds))),
    ]
    facts += [(name, _values(runs, look)) for name, look in _LOOKS.items()]
    names = dict.fromkeys(name for run in runs for name in run.get("versions", {}))
    facts += [(_version(name), _values(runs, _looking("versions", name))) for name in names]
    return facts


def _looking(*path: str) -> Callable[[Record], Any]:
    def look(run: Record) -> Any:
        value: Any = run
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        return value

    return look


_LOOKS: dict[str, Callable[[Record], Any]] = {
    "protocol": _looking("protocol"),
    "starts": _looking("starts"),
    "comparable with published numbers": _looking("comparable"),
    "strategy": _looking("strategy"),
    "runtime": _looking("runtime"),
    "policy": _looking("recipe", "policy"),
    "environment": _looking("recipe", "environment"),
}


def _version(name: str) -> str:
    return "revision" if name == "git" else name


def _values(runs: Sequence[Record], look: Callable[[Record], Any]) -> str:
    counts: dict[str, int] = {}
    for run in runs:
        text = _text(look(run))
        counts[text] = counts.get(text, 0) + 1
    if len(counts) == 1:
        return next(iter(counts))
    return "; ".join(f"{text} ({number} runs)" for text, number in counts.items())


def _text(value: Any) -> str:
    """``held-out 1000000–1009999``: half-open ranges are shown with their last index."""
    if value is None:
        return "not recorded"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        ordered = sorted(value.items(), key=lambda item: item[0] != "name")
        parts = ((key, _range(one) or _text(one)) for key, one in ordered if one is not None)
        return ", ".join(text if key == "name" else f"{key} {text}" for key, text in parts if text)
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_text, value)) or "none"
    return str(value)


def _range(value: Any) -> str:
    pair = isinstance(value, list) and len(value) == 2 and all(type(one) is int for one in value)
    return f"{value[0]}–{value[1] - 1}" if pair and value[0] < value[1] else ""


def each(evidence: Evidence) -> list[RunFacts]:
    """Every complete run, in the plan's order."""
    return [RunFacts(run["id"], _line(run), list(_flat(_told(run)))) for run in evidence.runs.values()]


def _line(run: Record) -> str:
    begun = f", began with {run['parent']}" if run.get("parent") else ""
    return f"{run.get('arm_title') or run['arm']}, {run['column']}, seed {run['seed']}{begun}"


def _told(run: Record) -> Record:
    """Without what the line says, and the environment's list of tasks, which the charts show."""
    environment = {key: value for key, value in (run.get("environment") or {}).items() if key != "tasks"}
    left_out = {"id", "arm", "arm_title", "column", "seed", "suite", "environment"}
    return {key: value for key, value in run.items() if key not in left_out} | {"environment": environment}


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Nested values under dotted names."""
    if isinstance(value, Mapping) and value:
        for key, one in value.items():
            yield from _flat(one, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and any(isinstance(one, Mapping) for one in value):
        for place, one in enumerate(value):
            label = one.get("name", place) if isinstance(one, Mapping) else place
            yield from _flat(one, f"{name}.{label}")
    elif value is not None and value != {}:
        yield name, _text(value)


def resolved(evidence: Evidence) -> str:
    """The suite as it was run, defaults included, as YAML."""
    from ruamel.yaml import YAML

    record = read_json(evidence.folder / record_name(evidence.folder))
    suite = {key: value for key, value in record.items() if key not in ("runs", "limited")}
    first = [key for key in ("name", "title", "environment", "columns", "policy", "seeds", "arms") if key in suite]
    yaml = YAML(typ="rt")
    yaml.default_flow_style = False
    stream = io.StringIO()
    yaml.dump({key: suite[key] for key in [*first, *(key for key in suite if key not in first)]}, stream)
    return stream.getvalue()
