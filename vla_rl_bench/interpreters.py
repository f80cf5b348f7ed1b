"""Old path of `vla_rl_bench.rollout.interpreters`."""

from vla_rl_bench.deprecated import warn_once
from vla_rl_bench.rollout.interpreters import find as find
from vla_rl_bench.rollout.interpreters import problem as trouble  # noqa: F401
from vla_rl_bench.rollout.interpreters import state as state

warn_once("vla_rl_bench.interpreters", "vla_rl_bench.rollout.interpreters")
