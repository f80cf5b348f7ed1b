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
def test_published_rows_have_a_source_and_tables_a_protocol(name: str) -> None:
    published = find_published(name)
    assert published.protocol
    for row in published.rows:
        assert re.match(r"arXiv \d{4}\.\d{5}|RLinf documentation|board|its paper", row.source), row.name


def test_published_averages_equal_those_of_the_sources() -> None:
    table = published_table(find_published("libero"))
    averages = {row.title: cell_texts(table, row)[-1] for row in table.rows}
    for title, average in (
        ("LaST-R1, v1", "99.8"),
        ("SRPO", "99.2"),
        ("SimpleVLA-RL", "99.1"),
        ("πRL, π₀.₅ + PPO", "97.9"),
        ("RIPT-VLA, OpenVLA-OFT", "97.5"),
    ):
        assert averages[title] == average
    robotwin = published_table(find_published("robotwin2"))
    assert [cell_texts(robotwin, row)[-1] for row in robotwin.rows] == ["28.8", "86.2", "–", "–"]


def test_rlinf_average_is_over_130_tasks() -> None:
    row = next(row for row in find_published("libero").rows if row.name == "rlinf-vla")
    four = sum(Fraction(str(value)) for value in row.values)
    assert round(float((10 * four + 90 * Fraction("98.02")) / 130), 2) == 97.85


def test_published_rows_of_the_paper_equal_the_paper() -> None:
    for name, number, pairs in (
        ("libero", "2", {"simplevla-rl": "sft-rl"}),
        ("robotwin2", "4", {"simplevla-sft": "sft", "simplevla-rl": "sft-rl"}),
    ):
        for copy_name, paper_name in pairs.items():
            copied, printed = (
                dict(zip(table.keys, next(row.values for row in table.rows if row.name == row_name), strict=True))
                for table, row_name in ((find_published(name), copy_name), (find_published(number), paper_name))
            )
            assert {key: rate for key, rate in copied.items() if rate is not None}.items() <= printed.items()


@pytest.mark.parametrize(
    ("values", "further", "message"),
    [
        ("1.0", "", "1 values for 2 columns"),
        ("1.0, 100.5", "", "less than or equal to 100"),
        ("1.0, 2.0", ", average: 1.5", "the average follows from the values; do not type it"),
    ],
)
def test_load_published_rejects_incomplete_files(tmp_path: Path, values: str, further: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_published(written(tmp_path, values, further))


@pytest.mark.parametrize(
    ("folder", "names"), [("paper", [f"paper-{number}" for number in range(2, 8)]), ("published", FILES)]
)
def test_committed_pages_are_what_the_command_prints(folder: str, names: list[str]) -> None:
    page = (reference_folder(folder) / "tables.md").read_text(encoding="utf-8")
    assert page == "\n".join(markdown(published_table(find_published(name))) for name in names)


def test_find_published_suggests_names() -> None:
    with pytest.raises(UserError, match="Did you mean `robotwin2`"):
        find_published("robotwin")
    with pytest.raises(UserError, match="no published numbers"):
        find_published("../published/libero")
    assert find_published("5") == find_published("paper-5")
