"""Conformance tests that plugin authors subclass; they need pytest."""

import pytest

pytest.register_assert_rewrite("vla_rl_bench.testing.environments")

from vla_rl_bench.testing.environments import EnvironmentContract  # noqa: E402

__all__ = ["EnvironmentContract"]
