"""A row of ``vla-rl-bench bench``."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from vla_rl_bench.bench.rows import Pair, Row
from vla_rl_bench.bench.setting import Setting
from vla_rl_bench.types import Start
from vla_rl_bench_cart.environment import make
from vla_rl_bench_cart.options import CartOptions


def rows(setting: Setting) -> Iterator[Row]:
    environment = make("short", CartOptions(), 1)
    environment.reset(options={"start": Start(0, 0)})
    action = np.zeros(1, np.float32)

    def many() -> None:
        for _ in range(setting.pick(10_000, 100)):
            environment.step(action)

    yield setting.measured(Pair("Z", "steps of the cart, against themselves", many, many, aim=None))
