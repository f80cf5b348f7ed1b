"""Films are of recorded episodes, played again by the policies that a real run left."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.analysis.report.reading import Page, page_of
from vla_rl_bench.analysis.report.films import films
from vla_rl_bench.analysis.report.shots import Shot, choose
from vla_rl_bench.analysis.report.sources import find
from vla_rl_bench.files import append_json_lines, read_json_lines
from vla_rl_bench.types import Start

pytestmark = pytest.mark.slow


def shots(folder: Path, count: int = 1) -> tuple[list[Shot], list[str]]:
    """The films, and what was said while they were made."""
    said: list[str] = []
    return films(find([str(folder)])[0], count, said.append), said


def first_of(folder: Path, arm: str) -> tuple[Path, dict[str, object]]:
    run = next(path for path in folder.glob("runs/*") if path.name.startswith(f"{arm}-object"))
    greedy = (one for one in read_json_lines(run / "episodes.jsonl") if one["iteration"] is None)
    return run, next(one for one in greedy if one["sampling"] == "greedy")


def replace_outcome(run: Path, wanted: dict[str, object], success: bool) -> None:
    records = read_json_lines(run / "episodes.jsonl")
    (run / "episodes.jsonl").unlink()
    append_json_lines(run / "episodes.jsonl", [one | {"success": success} if one == wanted else one for one in records])


def test_an_episode_is_filmed_once_and_ends_as_recorded(really_run: Path) -> None:
    found, said = shots(really_run)
    there = [shot for shot in found if shot.clip]
    assert there
    assert all(shot.replayed == shot.success for shot in there)
    for shot in there:
        assert shot.clip is not None
        with Image.open(shot.clip) as film:
            assert film.n_frames == shot.steps + 1
    assert all("is a " in shot.reason for shot in found if not shot.clip)
    assert len(said) == len({shot.run for shot in there})
    assert shots(really_run) == (found, [])


def test_the_first_starts_are_shown_task_by_task(really_run: Path) -> None:
    run, _ = first_of(really_run, "sft")
    failures = [
        one for one in read_json_lines(run / "episodes.jsonl") if one["iteration"] is None and not one["success"]
    ]
    firsts = [min(one["start"] for one in failures if one["task"] == task) for task in (0, 1)]
    chosen = [shot for shot in choose(find([str(really_run)])[0], 2) if shot.arm.name == "sft" and not shot.success]
    assert [shot.start for shot in chosen] == [Start(task, start) for task, start in enumerate(firsts)]


def test_a_replay_that_ends_otherwise_is_said(really_run: Path) -> None:
    run, first = first_of(really_run, "sft")
    replace_outcome(run, first, not first["success"])
    was, is_now = ("success", "failure") if first["success"] else ("failure", "success")
    assert f"Recorded as a {is_now}; this replay ended as a {was}." in Page(page_of(really_run, count=1)).words


def test_without_a_policy_there_is_a_page_without_its_films(really_run: Path) -> None:
    for policy in really_run.glob("runs/*/policy.safetensors"):
        policy.unlink()
    page = Page(page_of(really_run, count=1))
    assert "the run's policy is not there, only its records" in page.words
    assert not [one for one in page.all("img") if one.get("width") == "192"]
    assert not (really_run / "films").exists()


def test_the_page_holds_them(really_run: Path) -> None:
    page = Page(page_of(really_run, count=1))
    films = [one for one in page.all("img") if one.get("width") == "192"]
    assert films
    assert all(one["src"].startswith("data:image/webp;base64,") for one in films)
    assert "put the" in films[0]["alt"]
    assert not [one for one in Page(page_of(really_run)).all("img") if one.get("width") == "192"]
