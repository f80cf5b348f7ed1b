"""docs/reference/hooks.md says what hookspecs.py says, its examples fit, and every hook has a test of its own."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pluggy
import pytest

from vla_rl_bench.hookspecs import PROJECT, CatalogHooks, EngineHooks

REPOSITORY = Path(__file__).parents[2]
PAGE = REPOSITORY / "docs" / "reference" / "hooks.md"
SPECS = (CatalogHooks, EngineHooks)


def hooks() -> dict[str, Any]:
    """Hook name -> its specification."""
    return {
        name: function
        for spec in SPECS
        for name, function in vars(spec).items()
        if hasattr(function, f"{PROJECT}_spec")
    }


def signature(name: str, function: Any) -> str:
    """As a person writes it: ``name(argument: type) -> type``, without self."""
    found = inspect.signature(function)
    arguments = [f"{one.name}: {one.annotation}" for one in list(found.parameters.values())[1:]]
    return f"{name}({', '.join(arguments)}) -> {found.return_annotation}"


def implementations() -> dict[str, Any]:
    """What the examples of the page define."""
    namespace: dict[str, Any] = {"__name__": "page"}
    for block in re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.M | re.S):
        exec(compile(block, str(PAGE), "exec", dont_inherit=True), namespace)
    return namespace


def test_every_hook_has_its_signature_as_a_heading_and_there_is_no_other() -> None:
    headings = re.findall(r"^### `(.+)`$", PAGE.read_text(), re.M)
    assert headings == [signature(name, function) for name, function in hooks().items()]


def test_every_hook_has_an_example_that_pluggy_takes() -> None:
    manager = pluggy.PluginManager(PROJECT)
    for spec in SPECS:
        manager.add_hookspecs(spec)
    page = implementations()
    manager.register(type("Page", (), {name: staticmethod(page[name]) for name in hooks()}))
    manager.check_pending()
    for name in hooks():
        assert len(getattr(manager.hook, name).get_hookimpls()) == 1, name


@pytest.mark.parametrize(
    "name", [name for name in hooks() if name.startswith("register_") and name != "register_commands"]
)
def test_the_examples_of_catalog_hooks_yield_the_record_that_they_promise(name: str) -> None:
    promised = re.search(r"entries\.(\w+)", inspect.signature(hooks()[name]).return_annotation)
    assert promised is not None
    assert [type(record).__name__ for record in implementations()[name]()] == [promised[1]]


def test_every_hook_has_a_test_of_its_own_name() -> None:
    sources = [path for path in (REPOSITORY / "tests").rglob("test_*.py") if path != Path(__file__)]
    found = {name for path in sources for name in re.findall(r"^def test_hook_(\w+)\(", path.read_text(), re.M)}
    assert found >= hooks().keys(), f"no test_hook_<name> for {sorted(hooks().keys() - found)}"
