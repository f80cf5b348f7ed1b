from vla_rl_bench.testing import EnvironmentContract
from vla_rl_bench_reach.environment import Reach, ReachOptions


class TestReach(EnvironmentContract):
    def make(self) -> Reach:
        return Reach("near", ReachOptions())
