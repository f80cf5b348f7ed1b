"""What other commands left in a suite's folder stands on its page: texts, and pictures as far as there is room."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.analysis.report.reading import Page, loads, page_of
from vla_rl_bench.analysis.report import embed
from vla_rl_bench.errors import UserError


def test_texts_of_other_commands_stand_on_the_page(folder: Path) -> None:
    table = "| Recipe | % |\n|:--|--:|\n| *object* | |\n| full | 50.0 |\n| - off <x> | 40.0 |"
    (folder / "ablation.md").write_text(f"**Made up: ablation**\n\n{table}\n\nNote **bold**, `code`, [word](x.md).\n")
    (folder / "alone.md").write_text("not shown")
    Image.new("RGB", (4, 4)).save(folder / "pushcut.png")
    (folder / "pushcut.md").write_text("# Strategies\n\n![shares](pushcut.png)\n\n- one\n- two\n")
    html = page_of(folder)
    page = Page(html)
    assert [["Recipe", "%"], ["object"], ["full", "50.0"], ["off <x>", "40.0"]] in page.tables
    assert "<b>bold</b>, <code>code</code>, word." in html
    assert "not shown" not in page.words
    assert [one["alt"] for one in page.all("img")] == ["shares"]
    assert (page.open, page.stray, loads(html)) == ([], [], [])


def test_pictures_that_lie_there_are_shown_as_far_as_there_is_room(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    png = bytes.fromhex("89504e470d0a1a0a") + bytes(3000)
    (folder / "generalisation.png").write_bytes(png[:200])
    (folder / "zoom.png").write_bytes(png)
    (folder / "curves.png").write_bytes(png[:200])  # drawn anew
    assert [one["alt"] for one in Page(page_of(folder)).all("img")] == ["Unseen tasks against seen ones", "zoom"]
    monkeypatch.setattr(embed, "ROOM", 3000)
    page = Page(page_of(folder))
    assert [one["alt"] for one in page.all("img")] == ["Unseen tasks against seen ones"]
    assert "Left out, so that the page stays below 20 MB: zoom.png." in page.words
    monkeypatch.setattr(embed, "MAX_BYTES", 30_000)
    with pytest.raises(UserError, match="name fewer suites"):
        page_of(folder)
