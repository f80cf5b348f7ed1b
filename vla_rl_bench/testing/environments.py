"""Conformance tests of environments, to subclass."""

from __future__ import annotations

from vla_rl_bench.testing.declarations import DeclarationRules
from vla_rl_bench.testing.episodes import EpisodeRules
from vla_rl_bench.testing.experts import ExpertRules
from vla_rl_bench.testing.processes import ProcessRules


class EnvironmentContract(DeclarationRules, EpisodeRules, ExpertRules, ProcessRules):
    """Conformance tests of an environment: subclass it as ``class TestReach(EnvironmentContract)``.

    Set the class attributes ``entry`` and ``suite``; optional ones are in `vla_rl_bench.testing.base.EnvironmentRules`.
    Episodes run through the slots that a rollout uses, with random actions within the declared bounds; some in a worker
    process.
    """
