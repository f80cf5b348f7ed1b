"""A third-party distribution, written against the interface of version 0.1 and frozen, works with the present one."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vla_rl_bench import deprecated
from vla_rl_bench.plugins import RETIRED_HOOKS

SOURCE = Path(__file__).parent / "data" / "third_party_v1"
DIGEST = "886b9cac9a748ba65ed48fdf91b9a28159e628e3fdb90f0123737fe96e3d6238"
PROGRAM = Path(sys.executable).with_name("vla-rl-bench")

# Old public name -> its replacement, as given to `vla_rl_bench.deprecated.warn_once`.  A change that renames something
# public adds a line; the distribution uses each of these names.
OLD_NAMES: dict[str, str] = {
    "EnvironmentEntry(behaviour=...)": "EnvironmentEntry(behavior=...)",
    "Ranks.agree": "Ranks.broadcast",
    "Ranks.gather": "Ranks.all_gather",
    "TokenPolicy.normalise": "TokenPolicy.normalize",
    "TokenPolicy.unnormalise": "TokenPolicy.unnormalize",
    "vla_rl_bench.entries.BenchmarkEntry": "tests with pytest-benchmark",
    "vla_rl_bench.tables.figures": "vla_rl_bench.analysis.tables.cells (figures is cell_texts)",
    "vla_rl_bench_cart.environment.Cart without a base class": "vla_rl_bench.interfaces.EnvironmentBase",
    "vla_rl_bench_cart.policy.Linear without a base class": "vla_rl_bench.interfaces.PolicyBase",
    "vla_rl_bench.tables.model": "vla_rl_bench.analysis.tables.model",
}
# Old public name without effect -> the reason, as given to `vla_rl_bench.deprecated.warn_ignored`.
IGNORED_NAMES: dict[str, str] = {
    "the hook `register_benchmarks` of plugin cart": RETIRED_HOOKS["register_benchmarks"],
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the distribution in it, as pip installs it."""
    folder = tmp_path_factory.mktemp("installed")
    source = shutil.copytree(SOURCE, folder / "source")
    options = ["--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--quiet"]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, "--target", folder / "site", source], check=True)
    return folder / "site"


def run(site: Path, folder: Path, *arguments: str | Path) -> tuple[str, list[str]]:
    """Run a program with the distribution installed -> its output, and the messages of our deprecation warnings."""
    environment = {**os.environ, "PYTHONPATH": str(site), "PYTHONWARNINGS": "always::DeprecationWarning"}
    done = subprocess.run(arguments, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, re.findall(r"DeprecationWarning: (vla-rl-bench: .*)", done.stderr)


def test_third_party_v1_is_frozen() -> None:
    digest = hashlib.sha256()
    for path in sorted(SOURCE.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(path.relative_to(SOURCE).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    assert digest.hexdigest() == DIGEST, "other people's files are not edited: keep the old name working"


@pytest.mark.slow
def test_third_party_v1_runs_its_suite_with_one_warning_per_old_name(site: Path, tmp_path: Path) -> None:
    table, in_run = run(site, tmp_path, PROGRAM, "run", "cart")
    assert "| SFT + RL |" in table
    folder = tmp_path / "runs" / "cart"
    records = {path.parent.name: json.loads(path.read_text()) for path in folder.glob("runs/*/run.json")}
    assert len(records) == 4
    for name, record in records.items():
        assert record["status"] == "complete"
        assert not record.get("observer_errors")
        assert "end: complete" in (folder / "runs" / name / "diary.txt").read_text()
    rl = next(record["recipe"]["rl"] for record in records.values() if record["recipe"]["rl"])
    assert (rl["advantage"], rl["objective"], rl["tricks"][0]["name"]) == ("centred", "unclipped", "mixed-groups")
    assert any("skipped=False" in path.read_text() for path in folder.glob("runs/sft-rl-*/diary.txt"))

    org, in_tables = run(site, tmp_path, PROGRAM, "tables", "cart", "--format", "org")
    assert re.search(r"^\| SFT \+ RL \| \d+\.\d \| \d+\.\d \|$", org, re.MULTILINE)
    trained = sorted(folder.glob("runs/sft-rl-*"))[0]
    _, in_export = run(site, tmp_path, PROGRAM, "export", trained, "exported")
    assert (tmp_path / "exported" / "linear.pt").exists()

    for warnings in (in_run, in_tables, in_export):
        assert len(set(warnings)) == len(warnings), warnings
    expected = {deprecated.message(old, new) for old, new in OLD_NAMES.items()}
    expected |= {deprecated.ignored_message(old, reason) for old, reason in IGNORED_NAMES.items()}
    assert {*in_run, *in_tables, *in_export} == expected


@pytest.mark.slow
def test_third_party_v1_is_listed_and_adds_its_command(site: Path, tmp_path: Path) -> None:
    listed, _ = run(site, tmp_path, PROGRAM, "list")
    names = {"cart", "linear", "plain", "mixed-groups", "centred", "unclipped", "diary", "org"}
    assert names <= set(listed.split())
    assert "go-left: go to the left mark" in run(site, tmp_path, PROGRAM, "cart")[0]
    assert re.search(r"^cart +vla-rl-bench-cart .* ok$", run(site, tmp_path, PROGRAM, "plugins")[0], re.MULTILINE)


@pytest.mark.slow
def test_third_party_v1_passes_the_conformance_tests(site: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    output, _ = run(site, site.parent / "source", *command)
    assert re.search(r"\d\d passed", output)


def test_warn_once_warns_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deprecated, "_warned", {})
    with pytest.warns(DeprecationWarning, match="vla-rl-bench: old is deprecated .* use new") as warnings:
        [deprecated.warn_once("old", "new") for _ in range(2)]
    assert len(warnings) == 1
