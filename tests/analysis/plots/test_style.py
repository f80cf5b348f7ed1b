"""Shared look of the plots: arm styles and label positions."""

from __future__ import annotations

import pytest

from tests.analysis.statistics.made_up import made_up_suite
from vla_rl_bench.analysis.plots.style import COLORS, arm_styles, css_color, css_colors, spread


def test_arm_styles_complete_titles_that_begin_with_a_plus() -> None:
    arms = made_up_suite().model_dump(mode="json", by_alias=True, exclude_none=True)["arms"]
    longer = arms[1] | {"title": "+ RL"}
    twin = arms[1] | {"name": "sft-rl-2", "title": "+ RL"}
    assert [style.title for style in arm_styles(made_up_suite(arms=[arms[0], longer]))] == ["SFT", "SFT + RL"]
    titles = [style.title for style in arm_styles(made_up_suite(arms=[arms[0], longer, twin]))]
    assert titles == ["SFT", "SFT + RL (sft-rl)", "SFT + RL (sft-rl-2)"]


def test_arm_styles_differ_and_begin_with_arms_that_have_rl() -> None:
    arms = made_up_suite().model_dump(mode="json", by_alias=True, exclude_none=True)["arms"]
    more = [arms[1] | {"name": f"sft-rl-{number}"} for number in range(2 * len(COLORS))]
    styles = arm_styles(made_up_suite(arms=[*arms, *more]))
    assert len({(style.color, str(style.dash)) for style in styles}) == len(styles)
    assert [style.color for style in styles[1:3]] == list(COLORS[:2])


def test_spread_keeps_order_and_distance() -> None:
    heights = [50.0, 51.0, 10.0, 50.0]
    placed = spread(heights, gap=9.0)
    assert placed[2] == 10.0
    top = sorted([placed[0], placed[1], placed[3]])
    assert top[1] - top[0] == pytest.approx(9.0, abs=1e-3)
    assert top[2] - top[1] == pytest.approx(9.0, abs=1e-3)
    assert placed[1] == top[2]


def test_css_colors_define_every_color_lighter_on_dark_pages() -> None:
    assert css_color("#0b6e99") == "var(--c-0b6e99, #0b6e99)"
    assert "--c-0b6e99: #0b6e99;" in css_colors(dark=False)
    assert "--c-0b6e99: #71abc4;" in css_colors(dark=True)
    assert "--c-333333: #e6e7e8;" in css_colors(dark=True)
