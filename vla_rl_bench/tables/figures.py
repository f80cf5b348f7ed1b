"""Old path of `vla_rl_bench.analysis.tables.cells`."""

from vla_rl_bench.analysis.tables.cells import *  # noqa: F403
from vla_rl_bench.analysis.tables.cells import cell_texts
from vla_rl_bench.deprecated import warn_once

figures = cell_texts

warn_once("vla_rl_bench.tables.figures", "vla_rl_bench.analysis.tables.cells (figures is cell_texts)")
