"""The page says what was recorded, in HTML that holds together and loads nothing."""

from __future__ import annotations

import json
import re
from itertools import product
from pathlib import Path

import pytest

from tests.analysis.report.folders import STARTS, made_up_folder, solves
from tests.analysis.report.reading import Page, loads, page_of
from tests.analysis.statistics.made_up import made_up_suite, run_id
from vla_rl_bench.analysis.report.sources import find
from vla_rl_bench.analysis.tables.cells import figures
from vla_rl_bench.analysis.tables.report import suite_tables
from vla_rl_bench.cli.main import main


def test_it_nests_loads_nothing_and_says_everything_in_words(folder: Path) -> None:
    html = page_of(folder)
    page = Page(html)
    assert (page.open, page.stray) == ([], [])
    assert loads(html) == []
    assert "http" not in html.replace("http-equiv", "")
    assert not page.all("script")
    assert all(image.get("alt") for image in page.all("img"))
    assert all(picture.get("aria-label") for picture in page.all("svg"))
    assert all(header.get("scope") or header.get("colspan") for header in page.all("th"))
    assert page.all("html")[0]["lang"] == "en"


def test_contents_lead_to_sections_and_no_anchor_is_there_twice(folder: Path, tmp_path: Path) -> None:
    page = Page(page_of(folder, made_up_folder(tmp_path / "another")))
    anchors = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(set(anchors)) == len(anchors)
    links = [link["href"] for link in page.all("a")]
    assert {"#s0-tables", "#s1-provenance"} <= set(links)
    assert {link.removeprefix("#") for link in links} <= set(anchors)


def test_its_numbers_are_the_table_s(folder: Path) -> None:
    page = Page(page_of(folder))
    evidence = find([str(folder)])[0]
    table = suite_tables(evidence.episodes, evidence.suite)[0]
    shown = page.tables[0][1:]
    assert shown == [[line.title, *figures(table, line)] for line in table.lines]
    mean = len(table.columns) - 1
    large = re.findall(r"<dd><b>(.*?)</b>", page_of(folder))
    assert large == [figures(table, line, [mean])[0] for line in table.lines]


def test_bars_and_maps_add_up_to_what_was_recorded(folder: Path) -> None:
    page = Page(page_of(folder))
    bars = [row for table in page.tables for row in table if len(row) == 5 and re.fullmatch(r"\d+/\d+", row[4])]
    recorded = [
        (arm, sum(solves(arm, "", seed, task, start, 0) for seed in range(3) for start in STARTS))
        for task in (0, 1)
        for arm in ("sft", "sft-rl")
    ]
    assert [row[4] for row in bars] == 2 * [f"{successes}/15" for _, successes in recorded]  # two columns
    never = [
        sum(not any(solves(arm, "", seed, *place, 0) for seed in range(3)) for place in product((0, 1), STARTS))
        for arm in ("sft", "sft-rl")
    ]
    assert re.findall(r"(\d+) of 10 starts never solved", page.words) == 2 * [str(number) for number in never]
    cells = [rect for rect in page.all("rect") if rect.get("class") == "never"]
    assert len(cells) == 2 * sum(never)


def test_what_is_missing_is_said_and_never_zero(folder: Path) -> None:
    (folder / "runs" / run_id("sft-rl", "goal", 1) / "run.json").write_text(json.dumps({"status": "failed"}))
    page = Page(page_of(folder))
    assert "1 of 12 runs are missing" in page.words
    assert f"{run_id('sft-rl', 'goal', 1)}: failed" in page.words
    row = next(row for row in page.tables[0] if row[0] == "SFT + RL")
    assert row[1] != "–"
    assert row[2:] == ["–", "–"]
    assert "SFT + RL: without seed 1" in page.words
    assert "column object" in page.words  # large figures fall back on what is whole


def test_a_column_without_any_run_is_empty_with_its_reason(folder: Path) -> None:
    for run in folder.glob("runs/*-goal-*"):
        (run / "run.json").unlink()
    page = Page(page_of(folder))
    assert "6 of 12 runs are missing" in page.words
    assert page.words.count("no complete run") >= 3
    assert "0/0" not in page.words


def test_titles_are_text_and_those_that_lean_on_the_row_above_stand_alone(tmp_path: Path) -> None:
    suite = made_up_suite(title="<script>alert(1)</script>")
    arms = (suite.arms[0], suite.arms[1].model_copy(update={"title": " + RL"}))
    folder = made_up_folder(tmp_path / "x", suite.model_copy(update={"arms": arms}))
    html = page_of(folder)
    assert "<script" not in html
    assert "put red &amp; blue &lt;away&gt;" in html
    assert "SFT + RL − SFT" in Page(html).words


def test_where_the_time_went(folder: Path) -> None:
    tables = {table[0][0]: table for table in Page(page_of(folder)).tables if table[0][0] in ("Arm", "Seconds")}
    sft, rl = tables["Arm"][1:]
    assert [cell for cell in sft if cell] == ["SFT", "10 s", "1.0 min", "6 s", "18 s", "–", "12 s", "24 s"]
    assert [cell for cell in rl if cell] == ["SFT + RL", "10 s", "1.0 min", "6 s", "18 s", "18 s", "12 s", "6 s"]
    wall, cpu = tables["Seconds"][1:]
    assert wall[3:] == ["48 s18%", "2.0 min45%", "1.2 min27%", "24 s9%"]  # 6 runs, 4 iterations each
    assert cpu[-1] == "–"  # who idles takes no CPU


def test_provenance_tells_runs_apart(folder: Path) -> None:
    page = Page(page_of(folder))
    facts = {row[0]: row[1] for table in page.tables for row in table if len(row) == 2}
    assert facts["revision"] == "abc"
    assert facts["torch"] == "1 (4 runs); 2 (8 runs)"
    assert "recipe.rl.tricks.temperature.value" in facts
    assert run_id("sft-rl", "goal", 2) in page.words


def test_verdicts_are_those_of_compare(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "significant, also for other seeds and starts" in Page(page_of(folder)).words
    assert main(["compare", f"{folder}:sft", f"{folder}:sft-rl", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == "recipes_differ"


def test_same_results_same_bytes(folder: Path) -> None:
    assert page_of(folder) == page_of(folder)
