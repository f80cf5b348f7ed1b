"""The page: valid HTML that loads no file, with the numbers that were recorded."""

from __future__ import annotations

import json
import re
from itertools import product
from pathlib import Path

import pytest

from tests.analysis.report.folders import STARTS, made_up_folder, solves
from tests.analysis.report.reading import Page, loads, page_of
from tests.analysis.statistics.made_up import made_up_suite, run_id
from vla_rl_bench.analysis.select_runs import select_all
from vla_rl_bench.analysis.tables.cells import cell_texts
from vla_rl_bench.analysis.tables.report import suite_tables
from vla_rl_bench.cli.main import main


def test_page_nests_loads_no_file_and_describes_its_images(folder: Path) -> None:
    html = page_of(folder)
    page = Page(html)
    assert (page.open, page.stray) == ([], [])
    assert loads(html) == []
    assert "http" not in html
    assert not page.all("script")
    assert all(image.get("alt") for image in page.all("img"))
    assert len(page.all("svg")) == 2 + 2 * 2 * 2  # curves of two columns; start maps of two arms and two tasks in each
    assert all(image.get("aria-label") for image in page.all("svg"))
    assert all(header.get("scope") or header.get("colspan") for header in page.all("th"))
    assert page.all("html")[0]["lang"] == "en"


def test_page_links_to_its_sections_and_repeats_no_id(folder: Path, tmp_path: Path) -> None:
    page = Page(page_of(folder, made_up_folder(tmp_path / "second")))
    anchors = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(set(anchors)) == len(anchors)
    links = [link["href"] for link in page.all("a")]
    assert {"#s0-results", "#s0-curves", "#s1-provenance"} <= set(links)
    assert {link.removeprefix("#") for link in links} <= set(anchors)


def test_page_has_the_numbers_of_the_table(folder: Path) -> None:
    html = page_of(folder)
    results = select_all([str(folder)], Path("runs"))[0]
    table = suite_tables(results)[0]
    assert Page(html).tables[0][1:] == [[line.title, *cell_texts(table, line)] for line in table.lines]
    mean = len(table.columns) - 1
    assert re.findall(r"<dd><b>(.*?)</b>", html) == [cell_texts(table, line, [mean])[0] for line in table.lines]


def test_page_has_the_curves_of_the_plots(folder: Path) -> None:
    page = Page(page_of(folder))
    rows = [row for table in page.tables if table[0] == ["RL iterations", "Arm", "Success"] for row in table[1:]]
    rates = [
        100
        * sum(solves(arm, "", seed, task, start, 0) for seed in range(3) for task in (0, 1) for start in STARTS)
        / 30
        for arm in ("sft", "sft-rl")
    ]
    assert [(row[0], row[2].split()[0]) for row in rows] == 2 * [("0", f"{rates[0]:.1f}"), ("4", f"{rates[1]:.1f}")]
    labels = [image["aria-label"] for image in page.all("svg") if "iterations" in image["aria-label"]]
    before, after = (f"{rate:.0f}%" for rate in rates)
    assert labels == [
        f"{column}. held-out, greedy: {before} at 0, {after} at 4 RL iterations" for column in ("object", "goal")
    ]


def test_start_maps_add_up_to_the_recorded_episodes(folder: Path) -> None:
    html = page_of(folder)
    page = Page(html)
    rates = [
        f"{100 * sum(solves(arm, '', seed, task, start, 0) for seed in range(3) for start in STARTS) / 15:.1f}%"
        for task in (0, 1)
        for arm in ("sft", "sft-rl")
    ]
    assert re.findall(r"</svg><small>(\S+) \[", html) == 2 * rates  # two columns
    never = [
        sum(not any(solves(arm, "", seed, *place, 0) for seed in range(3)) for place in product((0, 1), STARTS))
        for arm in ("sft", "sft-rl")
    ]
    assert re.findall(r"(\d+) of 10 starts never solved", page.words) == 2 * [str(number) for number in never]
    cells = [rect for rect in page.all("rect") if rect.get("class") == "never"]
    assert len(cells) == 2 * sum(never)


def test_page_names_missing_runs_and_shows_no_zero_for_them(folder: Path) -> None:
    (folder / "runs" / run_id("sft-rl", "goal", 1) / "run.json").write_text(json.dumps({"status": "failed"}))
    page = Page(page_of(folder))
    assert "1 of 12 runs are missing" in page.words
    assert f"{run_id('sft-rl', 'goal', 1)}: failed" in page.words
    row = next(row for row in page.tables[0] if row[0] == "SFT + RL")
    assert row[1] != "–"
    assert row[2:] == ["–", "–"]
    assert "SFT + RL: without seed 1" in page.words
    assert "column object" in page.words  # key numbers are those of a complete column


def test_page_of_a_column_without_runs_says_so(folder: Path) -> None:
    for run in folder.glob("runs/*-goal-*"):
        (run / "run.json").unlink()
    html = page_of(folder)
    page = Page(html)
    assert "6 of 12 runs are missing" in page.words
    assert page.words.count("no complete run") >= 3
    assert html.count("</svg><small>") == 4  # start maps of two tasks and two arms, in the other column


def test_page_escapes_titles_and_completes_those_that_begin_with_a_plus(tmp_path: Path) -> None:
    suite = made_up_suite(title="<script>alert(1)</script>")
    arms = (suite.arms[0], suite.arms[1].model_copy(update={"title": " + RL"}))
    folder = made_up_folder(tmp_path / "x", suite.model_copy(update={"arms": arms}))
    html = page_of(folder)
    assert "<script" not in html
    assert "put red &amp; blue &lt;away&gt;" in html
    assert "SFT + RL − SFT" in Page(html).words


def test_page_ignores_records_it_does_not_know(folder: Path) -> None:
    expected = page_of(folder)
    for run in folder.glob("runs/sft-rl-*"):
        (run / "firsts").mkdir()
        (run / "firsts" / "object-0.npz").write_bytes(b"recorded by a plugin")
        (run / "firsts.jsonl").write_text('{"iteration": 1, "behavior": "push"}\n')
    assert page_of(folder) == expected


def test_provenance_counts_runs_that_differ(folder: Path) -> None:
    page = Page(page_of(folder))
    facts = {row[0]: row[1] for table in page.tables for row in table if len(row) == 2}
    assert facts["revision"] == "abc"
    assert facts["torch"] == "1 (4 runs); 2 (8 runs)"
    assert '"name": "temperature"' in page.words
    assert run_id("sft-rl", "goal", 2) in page.words


def test_verdicts_are_those_of_compare(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "significant, also for other seeds and starts" in Page(page_of(folder)).words
    assert main(["compare", f"{folder}:sft", f"{folder}:sft-rl", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == "recipes_differ"


def test_page_is_deterministic(folder: Path) -> None:
    assert page_of(folder) == page_of(folder)
