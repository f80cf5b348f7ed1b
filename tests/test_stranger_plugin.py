"""A stranger's distribution, built by following docs/how-to/write-a-plugin.md, and a broken one beside it.

Both are installed with pip into a folder of their own; vla-rl-bench is what is installed here, unchanged.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vla_rl_bench.testing import EnvironmentContract

REPOSITORY = Path(__file__).parents[1]
DATA = REPOSITORY / "tests" / "data"
SUITE = DATA / "stranger" / "vla_rl_bench_reach" / "suite.yaml"
RULES = [name for name in dir(EnvironmentContract) if name.startswith("test_")]
PROGRAM = Path(sys.executable).with_name("vla-rl-bench")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both distributions in it, as pip installs them."""
    folder = tmp_path_factory.mktemp("installed")
    sources = [shutil.copytree(DATA / name, folder / "sources" / name) for name in ("stranger", "broken")]
    options = ["--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--quiet"]
    target = folder / "site"
    subprocess.run([sys.executable, "-m", "pip", "install", *options, "--target", target, *sources], check=True)
    return target


def vla_rl_bench(*arguments: str, folder: Path, site: Path | None = None) -> str:
    """What the command prints, run in a folder, with the distributions of `site` installed."""
    environment = {**os.environ, "PYTHONPATH": str(site)} if site else dict(os.environ)
    found = subprocess.run(
        [PROGRAM, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    return found.stdout


def outcome(folder: Path) -> dict[str, bytes]:
    """Every file that holds a number: tables, episodes and trained policies."""
    kept = ("table.md", "table.tex", "episodes.jsonl", "policy.safetensors")
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.name in kept}


def test_a_new_environment_estimator_and_trick_run_in_a_suite(site: Path, tmp_path: Path) -> None:
    small = ("arms.sft-rl.rl.iterations=2", "evaluation.per_task=5")
    table = vla_rl_bench("run", "reach", *small, folder=tmp_path, site=site)
    assert (tmp_path / "runs/reach/changed/evaluation.per_task=5+rl.iterations=2/table.md").read_text() in table
    records = [json.loads(path.read_text()) for path in (tmp_path / "runs" / "reach" / "runs").glob("*/run.json")]
    assert {record["protocol"] for record in records} == {"reach-1/limit-12/tolerance-0.25"}
    [rl] = [record["recipe"]["rl"] for record in records if record["recipe"]["rl"]]
    assert rl["advantage"] == "leave-one-out"
    assert rl["tricks"] == [{"name": "entropy-bonus", "coefficient": 0.002}]


def test_its_own_tests_pass(site: Path) -> None:
    """Among them the conformance tests of `vla_rl_bench.testing`."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    environment = {**os.environ, "PYTHONPATH": str(site)}
    found = subprocess.run(
        command, cwd=site.parent / "sources" / "stranger", env=environment, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout
    passed = re.search(r"(\d+) passed in", found.stdout)
    assert passed is not None and int(passed[1]) > 2 * len(RULES), found.stdout


def test_its_check_is_seen_by_doctor_and_its_suite_by_name(site: Path, tmp_path: Path) -> None:
    found = subprocess.run(
        [PROGRAM, "doctor"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "ok    reach: NumPy " in found.stdout
    assert "reach: ok, 2 runs" in vla_rl_bench("validate", "reach", folder=tmp_path, site=site)


def test_people_bring_their_own_recordings(site: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    small = ("arms.sft.demonstrations.source=mine", "arms.sft.sft.steps=2", "--limit", "1")
    found = subprocess.run(
        [PROGRAM, "run", "reach", *small],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 2
    assert "mine: fewer recordings of `reach-red` than demonstrations.per_task: 0, not 1" in found.stderr


def test_a_refused_option_names_file_line_and_remedy(site: Path, tmp_path: Path) -> None:
    suite = tmp_path / "reach.yaml"
    suite.write_text(SUITE.read_text().replace("coefficient: 0.002", "coefficient: 0"))
    line = suite.read_text().splitlines().index("        - {name: entropy-bonus, coefficient: 0}") + 1
    found = subprocess.run(
        [PROGRAM, "validate", suite.name],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 2
    assert f"reach.yaml:{line}: " in found.stderr
    assert "coefficient: 0 is not positive; leave the trick out instead" in found.stderr


def test_a_broken_plugin_is_listed_as_broken_and_stops_nothing(site: Path, tmp_path: Path) -> None:
    plugins = vla_rl_bench("plugins", folder=tmp_path, site=site)
    assert "vla-rl-bench-reach" in plugins
    assert "vla-rl-bench-broken" in plugins
    assert "this plugin is broken on purpose" in plugins
    listed = vla_rl_bench("list", folder=tmp_path, site=site)
    assert {"reach", "leave-one-out", "entropy-bonus", "tabletop", "grpo"} <= set(listed.split())


def test_installing_plugins_changes_no_number(site: Path, tmp_path: Path) -> None:
    """The smoke suite's tables, episodes and weights, byte for byte, with and without both plugins."""
    suite = str(REPOSITORY / "suites" / "smoke.yaml")
    folders = [tmp_path / "without", tmp_path / "with"]
    for folder, installed in zip(folders, (None, site), strict=True):
        folder.mkdir()
        vla_rl_bench("run", suite, folder=folder, site=installed)
    without, with_plugins = (outcome(folder) for folder in folders)
    assert len(without) >= 4
    assert without == with_plugins
