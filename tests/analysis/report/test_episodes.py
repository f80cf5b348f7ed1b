"""Films of recorded episodes, played again with the policies of a suite that was run."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.analysis.report.reading import Page, page_of
from vla_rl_bench.analysis.outputs import run
from vla_rl_bench.analysis.report.episodes import FilmedEpisode, choose_episodes, film_episodes
from vla_rl_bench.analysis.select_runs import select_all
from vla_rl_bench.files import append_json_lines, read_json_lines
from vla_rl_bench.types import Start

EXPERT = Path(__file__).parents[3] / "suites" / "experts" / "tabletop.yaml"

pytestmark = [pytest.mark.slow, pytest.mark.numeric]


def film_all(folder: Path, count: int = 1) -> tuple[list[FilmedEpisode], list[str]]:
    """Film -> the episodes, and the lines reported meanwhile."""
    lines: list[str] = []
    return film_episodes(select_all([str(folder)], Path("runs"))[0], count, lines.append), lines


def first_greedy(folder: Path, arm: str) -> tuple[Path, dict[str, object]]:
    run = next(path for path in folder.glob("runs/*") if path.name.startswith(f"{arm}-object"))
    final = (record for record in read_json_lines(run / "episodes.jsonl") if record["iteration"] is None)
    return run, next(record for record in final if record["sampling"] == "greedy")


def replace_outcome(run: Path, changed: dict[str, object], success: bool) -> None:
    records = read_json_lines(run / "episodes.jsonl")
    (run / "episodes.jsonl").unlink()
    append_json_lines(
        run / "episodes.jsonl", [record | {"success": success} if record == changed else record for record in records]
    )


def test_film_episodes_films_once_and_ends_as_recorded(really_run: Path) -> None:
    episodes, lines = film_all(really_run)
    filmed = [episode for episode in episodes if episode.film]
    assert filmed
    assert all(episode.replay_success == episode.success for episode in filmed)
    for episode in filmed:
        assert episode.film is not None
        with Image.open(episode.film) as film:
            assert film.n_frames == episode.steps + 1
    assert all("is a " in episode.reason for episode in episodes if not episode.film)
    assert len(lines) == len({episode.run for episode in filmed})
    assert film_all(really_run) == (episodes, [])


def test_choose_episodes_takes_the_first_start_of_each_task(really_run: Path) -> None:
    run_folder, _ = first_greedy(really_run, "sft")
    final = [record for record in read_json_lines(run_folder / "episodes.jsonl") if record["iteration"] is None]
    failures = [record for record in final if not record["success"]]
    firsts = [min(record["start"] for record in failures if record["task"] == task) for task in (0, 1)]
    chosen = choose_episodes(select_all([str(really_run)], Path("runs"))[0], 2)
    starts = [episode.start for episode in chosen if episode.arm.name == "sft" and not episode.success]
    assert starts == [Start(task, start) for task, start in enumerate(firsts)]


def test_page_names_a_replay_that_ends_unlike_its_record(really_run: Path) -> None:
    run_folder, first = first_greedy(really_run, "sft")
    replace_outcome(run_folder, first, not first["success"])
    replay, record = ("success", "failure") if first["success"] else ("failure", "success")
    assert f"Recorded as a {record}; this replay ended as a {replay}." in Page(page_of(really_run, count=1)).words


def test_page_without_policies_has_no_films(really_run: Path) -> None:
    for policy in really_run.glob("runs/*/policy.safetensors"):
        policy.unlink()
    page = Page(page_of(really_run, count=1))
    assert "only the run's records are here, not its policy" in page.words
    assert not films_of(page)
    assert not (really_run / "films").exists()
    assert film_all(really_run)[1] == []


def test_film_episodes_films_the_expert_of_an_environment(tmp_path: Path) -> None:
    folder = run(EXPERT, ["columns=[object]", "evaluation.per_task=2"], out=tmp_path, jobs=1)
    success, failure = film_all(folder)[0]
    assert success.film is not None and success.replay_success
    assert failure.reason == "none of the 8 recorded episodes is a failure"


def films_of(page: Page) -> list[dict[str, str]]:
    return [image for image in page.all("img") if "put the" in image["alt"] and image["class"] == "moving"]


def test_page_contains_films(really_run: Path) -> None:
    films = films_of(Page(page_of(really_run, count=1)))
    assert films
    assert all(film["src"].startswith("data:image/webp;base64,") for film in films)
    assert not films_of(Page(page_of(really_run)))
