"""Docstrings of the contracts name the arguments that the functions have."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "vla_rl_bench"
ALGORITHMS = sorted(PACKAGE.glob("algorithms/*.py"))
CONTRACTS = [
    *(
        PACKAGE / f"{name}.py"
        for name in ("catalog", "entries", "errors", "hookspecs", "interfaces", "seeding", "types")
    ),
    *ALGORITHMS,
    *sorted(PACKAGE.glob("testing/*.py")),
]


def functions(path: Path) -> Iterator[tuple[str, list[str], str]]:
    """Yield name, parameters and docstring of each public function of a module."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            arguments = node.args
            names = [argument.arg for argument in (*arguments.args, *arguments.kwonlyargs)]
            names += [argument.arg for argument in (arguments.vararg, arguments.kwarg) if argument]
            yield node.name, [name for name in names if name not in ("self", "cls")], ast.get_docstring(node) or ""


def documented_arguments(docstring: str) -> list[str]:
    section = re.search(r"^Args:\n((?:    .*\n?|\n)+)", docstring, re.MULTILINE)
    return re.findall(r"^    (\w+): ", section[1], re.MULTILINE) if section else []


@pytest.mark.parametrize("path", CONTRACTS, ids=lambda path: path.stem)
def test_args_section_lists_the_parameters(path: Path) -> None:
    sections = {name: (documented_arguments(text), names) for name, names, text in functions(path) if "Args:" in text}
    assert {name: pair for name, pair in sections.items() if pair[0] != pair[1]} == {}


@pytest.mark.parametrize("path", [path for path in ALGORITHMS if path.stem != "__init__"], ids=lambda path: path.stem)
def test_algorithms_document_arguments_and_results(path: Path) -> None:
    documented = {name: "Args:" in text and "Returns:" in text for name, _, text in functions(path)}
    assert documented and all(documented.values()), documented
