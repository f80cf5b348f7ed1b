"""Sphinx builds docs/ into a site: `make docs`, then open docs/_build/html/index.html."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import changelog  # noqa: E402
import outside  # noqa: E402

import vla_rl_bench  # noqa: E402

project = "vla-rl-bench"
author = "The vla_rl_bench developers"
copyright = author
release = vla_rl_bench.__version__

extensions = ["myst_parser"]
exclude_patterns = ["_build", "changelog.d"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"{project} {release}"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
html_copy_source = False
html_show_sphinx = False


def _read(app: object, page: str, source: list[str]) -> None:
    """The changelog's page gets what was not released yet; links out of docs/ become paths."""
    if page == "changelog":
        source[0] += changelog.pending(HERE / "changelog.d", "")
    source[0] = outside.as_paths(source[0], HERE / page, HERE)


def setup(app: object) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _read)  # type: ignore[attr-defined]
