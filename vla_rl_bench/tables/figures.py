"""Old path of `vla_rl_bench.analysis.tables.cells`."""

from vla_rl_bench.analysis.tables.cells import *  # noqa: F403
from vla_rl_bench.deprecated import warn_once

warn_once("vla_rl_bench.tables.figures", "vla_rl_bench.analysis.tables.cells")
