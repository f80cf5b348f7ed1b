"""A registered objective decides whether runs record what its clip took away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from torch import Tensor

from tests.plugins_in_hand import with_builtin
from vla_rl_bench.config.load import load_suite
from vla_rl_bench.entries import ObjectiveEntry
from vla_rl_bench.files import read_json_lines
from vla_rl_bench.hookspecs import hookimpl
from vla_rl_bench.records.store import RunFolder
from vla_rl_bench.suite.runner import run_suite
from vla_rl_bench.types import ClipRange

pytestmark = pytest.mark.numeric

SMALL = Path(__file__).parent / "small.yaml"


def unclipped(logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor, clip: ClipRange) -> Tensor:
    return (logprobs - old_logprobs).exp() * advantages


class Plugin:
    @hookimpl
    def register_objectives(self) -> Iterator[ObjectiveEntry]:
        yield ObjectiveEntry("unclipped", "for tests", "tests.suite.test_objectives:unclipped")


@pytest.mark.parametrize(("objective", "recorded"), [("clipped", True), ("unclipped", False)])
def test_clip_fraction_is_recorded_if_the_objective_names_its_clip(
    objective: str, recorded: bool, tmp_path: Path
) -> None:
    catalog = with_builtin(unclipped=Plugin())
    changes = [f"rl.objective={objective}", "rl.curve=null", "tricks.dynamic-sampling=off", "evaluation.per_task=1"]
    suite = load_suite(SMALL, changes, catalog)
    folder = run_suite(suite, catalog, tmp_path / "small", jobs=1, limit=1)
    [path] = (folder / "runs").glob("sft-rl-*")
    [metrics] = read_json_lines(RunFolder(path).metrics_path)
    assert metrics["updates"] > 0
    assert ("clip_fraction" in metrics) is recorded
