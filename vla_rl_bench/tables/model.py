"""Old path of `vla_rl_bench.analysis.tables.model`."""

from vla_rl_bench.analysis.tables.model import *  # noqa: F403
from vla_rl_bench.deprecated import warn_once

warn_once("vla_rl_bench.tables.model", "vla_rl_bench.analysis.tables.model")
