"""Others' published numbers as data."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import pytest

from vla_rl_bench.analysis.tables.cells import cell_texts
from vla_rl_bench.analysis.tables.markdown import markdown
from vla_rl_bench.analysis.tables.published import find_published, load_published, published_table, reference_folder
from vla_rl_bench.errors import UserError

FILES = sorted(path.stem for path in reference_folder("published").glob("*.yaml"))

ROW = "{name: a, title: A, source: 'a page, row A', values: [%s]%s}"
FILE = """
title: Made up
source: nowhere
label: tab:x
protocol: none
groups: [{columns: [x, y]}]
sections: [{rows: [%s]}]
"""


def written(folder: Path, values: str, further: str = "") -> Path:
    path = folder / "made_up.yaml"
    path.write_text(FILE % (ROW % (values, further)))
    return path


@pytest.mark.parametrize("name", FILES)
def test_every_row_names_a_source_and_every_table_says_what_protocols_are_known(name: str) -> None:
    published = find_published(name)
    assert published.protocol
    for row in published.rows:
        assert re.match(r"arXiv \d{4}\.\d{5}|RLinf documentation|board|its paper", row.source), row.name


def test_derived_averages_are_those_that_the_sources_print() -> None:
    table = published_table(find_published("libero"))
    shown = {row.title: cell_texts(table, row)[-1] for row in table.rows}
    for title, average in (
        ("LaST-R1, v1", "99.8"),
        ("SRPO", "99.2"),
        ("SimpleVLA-RL", "99.1"),
        ("πRL, π₀.₅ + PPO", "97.9"),
        ("RIPT-VLA, OpenVLA-OFT", "97.5"),
    ):
        assert shown[title] == average
    robotwin = published_table(find_published("robotwin2"))
    assert [cell_texts(robotwin, row)[-1] for row in robotwin.rows] == ["28.8", "86.2", "–", "–"]


def test_rlinfs_own_average_is_over_130_tasks_as_its_note_says() -> None:
    row = next(row for row in find_published("libero").rows if row.name == "rlinf-vla")
    four = sum(Fraction(str(value)) for value in row.values)
    assert round(float((10 * four + 90 * Fraction("98.02")) / 130), 2) == 97.85


def test_the_papers_rows_among_others_are_those_of_the_paper() -> None:
    for name, number, pairs in (
        ("libero", "2", {"simplevla-rl": "sft-rl"}),
        ("robotwin2", "4", {"simplevla-sft": "sft", "simplevla-rl": "sft-rl"}),
    ):
        here, paper = find_published(name), find_published(number)
        for ours, theirs in pairs.items():
            copied, first = (
                dict(zip(one.keys, next(row.values for row in one.rows if row.name == row_name), strict=True))
                for one, row_name in ((here, ours), (paper, theirs))
            )
            assert {key: value for key, value in copied.items() if value is not None}.items() <= first.items()


@pytest.mark.parametrize(
    ("values", "further", "message"),
    [
        ("1.0", "", "1 values for 2 columns"),
        ("1.0, 100.5", "", "less than or equal to 100"),
        ("1.0, 2.0", ", average: 1.5", "the average follows from the values; do not type it"),
    ],
)
def test_a_file_that_says_too_little_or_too_much_is_refused(
    tmp_path: Path, values: str, further: str, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        load_published(written(tmp_path, values, further))


@pytest.mark.parametrize(
    ("folder", "names"), [("paper", [f"paper-{number}" for number in range(2, 8)]), ("published", FILES)]
)
def test_the_pages_of_published_tables_are_what_the_command_prints(folder: str, names: list[str]) -> None:
    page = (reference_folder(folder) / "tables.md").read_text(encoding="utf-8")
    assert page == "\n".join(markdown(published_table(find_published(name))) for name in names)


def test_names_that_are_not_there_are_answered_with_those_that_are() -> None:
    with pytest.raises(UserError, match="Did you mean `robotwin2`"):
        find_published("robotwin")
    with pytest.raises(UserError, match="no published numbers"):
        find_published("../published/libero")
    assert find_published("5") == find_published("paper-5")
