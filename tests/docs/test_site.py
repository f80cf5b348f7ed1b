"""The site builds without a warning, the changelog loses no change, and the citation is of this version."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from ruamel.yaml import YAML

import vla_rl_bench

REPOSITORY = Path(__file__).parents[2]
DOCS = REPOSITORY / "docs"


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


changelog, outside = script("changelog"), script("outside")


@pytest.mark.slow
def test_the_site_builds_and_every_page_is_in_it(tmp_path: Path) -> None:
    pytest.importorskip("furo")
    pytest.importorskip("myst_parser")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-d", str(tmp_path / "doctrees")]
    done = subprocess.run([*command, str(DOCS), str(tmp_path / "html")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    pages = [path.relative_to(DOCS) for path in DOCS.rglob("*.md") if not {"changelog.d", "_build"} & set(path.parts)]
    assert [page for page in pages if not (tmp_path / "html" / page.with_suffix(".html")).is_file()] == []
    assert "environment.protocol" in (tmp_path / "html" / "changelog.html").read_text()


def test_every_change_is_pending_and_its_links_lead_somewhere() -> None:
    items = changelog.pending(DOCS / "changelog.d", "docs/")
    assert items.count("\n") == len(list((DOCS / "changelog.d").glob("*.md"))) - 1  # the README
    assert all(line.startswith("- ") for line in items.splitlines())
    assert "](../" not in items


def test_a_release_gathers_every_change_once(tmp_path: Path) -> None:
    folder = tmp_path / "docs" / "changelog.d"
    folder.mkdir(parents=True)
    (folder / "README.md").write_text("how")
    (folder / "a.md").write_text("First,\nin two lines ([page](../how-to/a.md)).\n")
    assert changelog.main(["0.1.0"], tmp_path) == 0
    (folder / "b.md").write_text("Second.\n")
    assert changelog.main(["0.2.0"], tmp_path) == 0
    assert (tmp_path / "CHANGELOG.md").read_text() == (
        "# Changelog\n\n## 0.2.0\n\n- Second.\n\n## 0.1.0\n\n- First, in two lines ([page](docs/how-to/a.md)).\n"
    )
    assert [path.name for path in folder.iterdir()] == ["README.md"]


def test_a_release_is_made_once_and_not_of_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "docs" / "changelog.d"
    folder.mkdir(parents=True)
    assert changelog.main(["0.1.0"], tmp_path) == 2
    (folder / "a.md").write_text("First.\n")
    assert changelog.main(["0.1.0"], tmp_path) == 0
    (folder / "b.md").write_text("Second.\n")
    assert changelog.main(["0.1.0"], tmp_path) == 2
    assert "section 0.1.0 already" in capsys.readouterr().err
    assert (folder / "b.md").is_file()


def test_links_out_of_the_site_become_paths() -> None:
    page = DOCS / "reference" / "tables"
    text = "[all](../../results/paper/tables.md), [here](suite-file.md), [web](https://a.b/c), "
    text += "[results/x](../../results/x/README.md)"
    told = "all (`results/paper/tables.md`), [here](suite-file.md), [web](https://a.b/c), `results/x/README.md`"
    assert outside.as_paths(text, page, DOCS) == told


def test_the_citation_is_of_this_version_and_names_the_paper() -> None:
    found = YAML(typ="safe").load((REPOSITORY / "CITATION.cff").read_text())
    assert found["version"] == vla_rl_bench.__version__
    assert found["references"][0]["url"] == "https://arxiv.org/abs/2509.09674"
    missing = {"cff-version", "message", "title", "authors", "license"} - set(found)
    assert not missing
