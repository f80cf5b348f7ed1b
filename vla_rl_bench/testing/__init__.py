"""Conformance tests that plugin authors subclass; they need pytest."""

from typing import TYPE_CHECKING, Any

import pytest

_RULES = ("base", "declarations", "episodes", "experts", "processes", "policies")
pytest.register_assert_rewrite(*(f"vla_rl_bench.testing.{name}" for name in _RULES))

from vla_rl_bench.testing.environments import EnvironmentContract  # noqa: E402

if TYPE_CHECKING:
    from vla_rl_bench.testing.policies import PolicyContract as PolicyContract

__all__ = ["EnvironmentContract", "PolicyContract"]


def __getattr__(name: str) -> Any:
    """Import `PolicyContract` on first use: it needs torch, which an environment's tests do not."""
    if name == "PolicyContract":
        from vla_rl_bench.testing.policies import PolicyContract

        return PolicyContract
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
