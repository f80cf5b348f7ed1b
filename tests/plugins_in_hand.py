"""Plugins written down in a test: hook implementations on a plain object, and the catalog of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

from vla_rl_bench.builtin import plugin as builtin
from vla_rl_bench.catalog import Catalog
from vla_rl_bench.hookspecs import hookimpl


def registering(**hooks: Iterable[Any] | Callable[..., Any]) -> SimpleNamespace:
    """``register_tricks=[record]`` -> a plugin whose hook yields the records; a function stays the hook itself."""
    return SimpleNamespace(
        **{name: hookimpl(what if callable(what) else lambda what=what: list(what)) for name, what in hooks.items()}
    )


def with_builtin(**plugins: Any) -> Catalog:
    """The built-in plugin, and those given: distribution -> plugin."""
    return Catalog.of(builtin=builtin, **plugins)
