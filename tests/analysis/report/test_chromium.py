"""The page in a browser.  Skipped without chromium, unless VLA_RL_BENCH_REQUIRE_SIM=1."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.analysis.report.reading import page_of

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
REQUIRED = os.environ.get("VLA_RL_BENCH_REQUIRE_SIM") == "1"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CHROMIUM or REQUIRED), reason="no chromium. Run: apt install chromium"),
]


def screenshot(page: Path, picture: Path) -> list[str]:
    """Open the page without a network and take a screenshot -> lines of the console."""
    assert CHROMIUM is not None, "no chromium. Run: apt install chromium"
    isolated = ["--no-sandbox", "--disable-gpu", f"--user-data-dir={picture.parent / 'profile'}", "--no-first-run"]
    no_network = ["--host-resolver-rules=MAP * ~NOTFOUND", "--disable-background-networking"]
    options = ["--window-size=1280,2000", f"--screenshot={picture}", "--enable-logging=stderr", "--v=0"]
    command = [CHROMIUM, "--headless=new", *isolated, *no_network, *options, page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def test_browser_shows_the_page_without_errors(folder: Path, tmp_path: Path) -> None:
    page, picture = tmp_path / "report.html", tmp_path / "page.png"
    page.write_text(page_of(folder))
    assert screenshot(page, picture) == []
    with Image.open(picture) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    assert pixels.shape == (2000, 1280, 3)
    blue = np.abs(pixels - (0x0B, 0x6E, 0x99)).max(axis=2) < 8  # the arm's color: key numbers, curves
    assert blue.sum() > 500
    page.write_text(page_of(folder) + "<img src='nowhere.png'><script>console.error('an error')</script>")
    assert any("an error" in line for line in screenshot(page, picture))  # the check itself works
