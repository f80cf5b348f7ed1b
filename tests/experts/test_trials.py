"""Experts are measured once a start: an interrupted measurement continues, and tries of different kinds do not mix."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from vla_rl_bench.builtin import plugin as builtin
from vla_rl_bench.catalog import Catalog
from vla_rl_bench.cli.main import main
from vla_rl_bench.errors import UserError
from vla_rl_bench.experts import trials
from vla_rl_bench.experts.report import page
from vla_rl_bench.experts.trials import Measurement, measure, read_trials
from vla_rl_bench.files import read_json, read_json_lines

CATALOG = Catalog.of(builtin=builtin)
ASKED = Measurement("tabletop", "object", {}, tasks=(0, 2), starts=4)


def quiet(stage: str, done: int, total: int) -> None:
    pass


def test_every_start_is_tried_once_and_the_expert_knows_its_own_task(tmp_path: Path) -> None:
    record, path = measure(ASKED, CATALOG, tmp_path, quiet)
    first = record["tries"][0]["index"]
    assert [(one["task"], one["index"] - first) for one in record["tries"]] == [
        (t, i) for t in (0, 2) for i in range(4)
    ]
    assert all(one["success"] and 5 < one["steps"] < 40 for one in record["tries"])
    assert read_json(path) == record


def test_an_interrupted_measurement_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _ = measure(ASKED, CATALOG, tmp_path / "whole", quiet)
    played = []
    honest = trials._try

    def dying(pool: trials.Pool, starts: list[trials.Start], seed: int) -> list[trials.Trial]:
        if len(played) == 3:
            raise KeyboardInterrupt
        played.append(starts)
        return honest(pool, starts, seed)

    monkeypatch.setattr(trials, "_try", dying)
    with pytest.raises(KeyboardInterrupt):
        measure(ASKED, CATALOG, tmp_path / "cut", quiet)
    lines = tmp_path / "cut" / "tabletop-object.jsonl"
    assert len(read_trials(lines)) == 3
    lines.write_bytes(lines.read_bytes() + b'{"task": 0, "ind')  # torn by the kill
    monkeypatch.setattr(trials, "_try", honest)
    resumed, _ = measure(ASKED, CATALOG, tmp_path / "cut", quiet)
    assert [(t["task"], t["index"], t["steps"]) for t in resumed["tries"]] == [
        (t["task"], t["index"], t["steps"]) for t in whole["tries"]
    ]
    assert len(read_json_lines(lines)) == 8


def test_more_starts_and_tasks_add_to_what_is_there(tmp_path: Path) -> None:
    measure(ASKED, CATALOG, tmp_path, quiet)
    todo: list[int] = []
    asked = replace(ASKED, tasks=(0, 1), starts=6)
    record, _ = measure(asked, CATALOG, tmp_path, lambda stage, done, total: todo.append(total))
    assert todo[0] == 2 + 6
    assert [one["task"] for one in record["tries"]] == [0] * 6 + [1] * 6 + [2] * 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 1}, "with seed `0`, and now it is `1`"),
        ({"split": "training"}, "with split"),
        ({"options": {"expert_noise": 0.2}}, "with (options|protocol)"),
    ],
)
def test_tries_of_another_kind_are_refused(tmp_path: Path, change: dict[str, object], message: str) -> None:
    measure(replace(ASKED, starts=1), CATALOG, tmp_path, quiet)
    with pytest.raises(UserError, match=message):
        measure(replace(ASKED, **change), CATALOG, tmp_path, quiet)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tasks": (9,)}, "--tasks: 9: object has tasks 0-3"),
        ({"starts": 10**6}, "--starts: 1000000: the held-out split has 10000 starts"),
        ({"split": "test"}, "--split: unknown `test`"),
        ({"suite": "objects"}, "has no suite `objects`"),
    ],
)
def test_what_there_is_not_is_said(tmp_path: Path, change: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        measure(replace(ASKED, **change), CATALOG, tmp_path, quiet)  # type: ignore[arg-type]


def test_a_page_counts_by_task(tmp_path: Path) -> None:
    """8 of 10 at 80% is enough, 7 is not; Wilson's interval of 7/10 is 40 to 89%."""
    record, _ = measure(replace(ASKED, starts=1), CATALOG, tmp_path, quiet)
    tries = [
        {"task": task, "index": n, "success": n < good, "steps": 10 if n < good else None, "cpu_seconds": 0.5}
        for task, good in ((0, 8), (2, 7), (3, 0))
        for n in range(10)
    ]
    text = page({**record, "tries": tries})
    assert "1 of 3 tasks at 80% or more." in text
    assert "| 2 put_the_blue_block_in_the_basket | 7/10 (70%) | 40–89 | 10 | 0.50 |" in text
    assert "| 0/10 (0%) | 0–28 | – | 0.50 |" in text
    assert "| **all** | 15/30 (50%) |" in text
    assert "- protocol: tabletop-1" in text


def test_the_command_prints_and_writes_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "found"
    command = ["experts", "tabletop", "goal", "jitter=0.02", "--tasks", "1", "--starts", "2", "--out", str(out)]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert (out / "tabletop-goal.md").read_text() == said
    assert "2/2 (100%)" in said and "jitter=0.02" in said
    assert main([*command, "--tasks", "one"]) == 2
    assert "not a list of numbers" in capsys.readouterr().err
