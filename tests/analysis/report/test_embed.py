"""Texts and images of a suite's folder on its page."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.analysis.report.reading import Page, loads, page_of
from vla_rl_bench.analysis.report import embed, page
from vla_rl_bench.errors import UserError


def test_page_contains_the_ablation_and_texts_beside_their_image(folder: Path) -> None:
    table = "| Recipe | % |\n|:--|--:|\n| *object* | |\n| full | 50.0 |\n| - off <x> | 40.0 |"
    (folder / "ablation.md").write_text(f"**Made up: ablation**\n\n{table}\n\nNote **bold**, `code`, [word](x.md).\n")
    (folder / "alone.md").write_text("without an image of its name")
    Image.new("RGB", (4, 4)).save(folder / "strategies.png")
    (folder / "strategies.md").write_text("# Strategies\n\n![shares](strategies.png)\n\n- first\n- second\n")
    html = page_of(folder)
    parsed = Page(html)
    assert [["Recipe", "%"], ["object", ""], ["full", "50.0"], ["- off <x>", "40.0"]] in parsed.tables
    assert "<strong>bold</strong>, <code>code</code>, word." in html
    assert "without an image" not in parsed.words
    assert [image["alt"] for image in parsed.all("img")] == ["shares"]
    assert "<h3>Strategies</h3>" in html
    assert (parsed.open, parsed.stray, loads(html)) == ([], [], [])


def test_page_escapes_html_in_texts(folder: Path) -> None:
    (folder / "ablation.md").write_text("<script>alert(1)</script>\n\n<img src=x>\n\n![x](https://example.org/x.png)\n")
    html = page_of(folder)
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert not Page(html).all("img")


def test_page_embeds_images_while_there_is_room(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    png = bytes.fromhex("89504e470d0a1a0a") + bytes(3000)
    (folder / "generalisation.png").write_bytes(png[:200])
    (folder / "zoom.png").write_bytes(png)
    (folder / "curves.png").write_bytes(png[:200])  # the page draws the curves itself
    titles = ["Unseen tasks against seen tasks", "zoom"]
    assert [image["alt"] for image in Page(page_of(folder)).all("img")] == titles
    monkeypatch.setattr(embed, "BUDGET", 3000)
    parsed = Page(page_of(folder))
    assert [image["alt"] for image in parsed.all("img")] == titles[:1]
    assert "Left out, to keep the page below 20 MB: zoom.png." in parsed.words
    monkeypatch.setattr(page, "MAX_BYTES", 30_000)
    with pytest.raises(UserError, match="name fewer suites"):
        page_of(folder)
