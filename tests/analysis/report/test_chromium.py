"""A browser opens the page and has nothing to complain about.  Skipped without chromium, unless everything must run."""

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


def opened(page: Path, picture: Path) -> list[str]:
    """Opens the page without a network, takes a picture -> what the browser's console said."""
    assert CHROMIUM is not None, "no chromium. Run: apt install chromium"
    alone = ["--no-sandbox", "--disable-gpu", f"--user-data-dir={picture.parent / 'profile'}", "--no-first-run"]
    no_network = ["--host-resolver-rules=MAP * ~NOTFOUND", "--disable-background-networking"]
    shot = ["--window-size=1280,2000", f"--screenshot={picture}", "--enable-logging=stderr", "--v=0"]
    command = [CHROMIUM, "--headless=new", *alone, *no_network, *shot, page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def test_a_browser_shows_it_and_its_console_is_empty(folder: Path, tmp_path: Path) -> None:
    page, picture = tmp_path / "report.html", tmp_path / "shot.png"
    page.write_text(page_of(folder))
    assert opened(page, picture) == []
    with Image.open(picture) as shot:
        pixels = np.asarray(shot.convert("RGB")).astype(int)
    assert pixels.shape == (2000, 1280, 3)
    blue = np.abs(pixels - (0x0B, 0x6E, 0x99)).max(axis=2) < 8  # the arm's colour: figures, curves
    assert blue.sum() > 500
    page.write_text(page_of(folder) + "<img src='nowhere.png'><script>console.error('heard')</script>")
    assert any("heard" in line for line in opened(page, picture))  # the console is listened to
