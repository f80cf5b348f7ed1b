"""A package made by ``new algorithm`` trains the same policies as GRPO, until a line of its copy changes."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from vla_rl_bench.cli.new_package import KINDS, Names, render, write
from vla_rl_bench.engine.training import Training

REPOSITORY = Path(__file__).parents[2]
PAGE = REPOSITORY / "docs" / "how-to" / "write-an-algorithm.md"
GRPO = REPOSITORY / "vla_rl_bench" / "engine" / "grpo.py"
NORMALIZED = "advantages = hooks.advantages(returns, training.functions.advantage)"
PROGRAM = Path(sys.executable).with_name("vla-rl-bench")


def test_new_algorithm_copies_the_grpo_page() -> None:
    assert render(KINDS["algorithm"], Names("my-grpo"))["vla_rl_bench_my_grpo/algorithm.py"] == GRPO.read_text()


def test_page_documents_everything_that_grpo_imports() -> None:
    text = PAGE.read_text()
    for node in ast.walk(ast.parse(GRPO.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("vla_rl_bench"):
            for alias in node.names:
                assert f"`{node.module}.{alias.name}`" in text, f"{node.module}.{alias.name} is not documented"
                assert not alias.name.startswith("_")


def test_page_documents_every_field_of_training() -> None:
    names = {
        name for row in re.findall(r"^\| (`.*?) \|", PAGE.read_text(), re.M) for name in re.findall(r"`(\w+)", row)
    }
    assert {field.name for field in fields(Training)} <= names


def test_grpo_iteration_is_one_page() -> None:
    functions = {node.name: node for node in ast.parse(GRPO.read_text()).body if isinstance(node, ast.FunctionDef)}
    assert set(functions) == {"train", "iterate"}
    assert functions["iterate"].end_lineno - functions["iterate"].lineno + 1 < 90  # type: ignore[operator]


@pytest.mark.slow
def test_copied_algorithm_trains_the_same_policy_until_a_line_changes(tmp_path: Path) -> None:
    """On the smoke suite, installed as a distribution: without the division by the standard deviation others."""
    [without_std] = re.findall(r"^(advantages = .*mean.*)$", PAGE.read_text(), re.M)
    write(KINDS["algorithm"], Names("same-grpo"), tmp_path)
    changed = write(KINDS["algorithm"], Names("dr-like"), tmp_path) / "vla_rl_bench_dr_like" / "algorithm.py"
    assert NORMALIZED in changed.read_text()
    changed.write_text(changed.read_text().replace(NORMALIZED, without_std))
    options = ["--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--quiet"]
    folders = [tmp_path / "vla-rl-bench-same-grpo", tmp_path / "vla-rl-bench-dr-like"]
    site = tmp_path / "site"
    subprocess.run([sys.executable, "-m", "pip", "install", *options, "--target", site, *folders], check=True)
    environment = {**os.environ, "PYTHONPATH": str(site)}
    policies = {}
    for algorithm in ("grpo", "same-grpo", "dr-like"):
        suite = tmp_path / f"{algorithm}.yaml"
        text = (REPOSITORY / "suites" / "smoke.yaml").read_text()
        suite.write_text(text.replace("    rl:\n", f"    rl:\n      algorithm: {algorithm}\n"))
        out = tmp_path / "runs" / algorithm
        command = [PROGRAM, "run", suite, "arms.sft-rl.rl.iterations=2", "--out", out, "--jobs", "1"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        [policy] = out.rglob("sft-rl-*/policy.safetensors")
        policies[algorithm] = policy.read_bytes()
    assert policies["same-grpo"] == policies["grpo"]
    assert policies["dr-like"] != policies["grpo"]
