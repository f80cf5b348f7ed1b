"""A suite to change in tests."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory

from vla_rl_bench.catalog import Catalog
from vla_rl_bench.config.load import load_suite
from vla_rl_bench.config.schema import Suite

SUITE = """\
name: small
environment: {name: tabletop}
columns: [object, goal]
tasks: {object: [0, 1]}
policy: {name: nano}
seeds: [0, 1]
arms:
  - name: sft
    demonstrations: {per_task: 1}
    sft: {steps: 10, batch_size: 4, learning_rate: 1e-3}
  - name: sft-rl
    from: sft
    rl:
      iterations: 3
      groups: 4
      group_size: 8
      minibatch: 8
      learning_rate: 5e-6
      advantage: grpo
      objective: clipped
      aggregate: trajectory-mean
      tricks:
        - {name: dynamic-sampling, max_draws: 2}
        - {name: clip-range}
        - name: temperature
          value: 1.6
evaluation: {per_task: 2, sampling: [greedy, {temperature: 1.0}]}
table: {delta: [[sft-rl, sft]]}
"""


def load_suite_text(text: str, overrides: Sequence[str] = (), catalog: Catalog | None = None) -> Suite:
    """Load a suite from text; errors name the file ``s.yaml``."""
    with TemporaryDirectory() as folder, chdir(folder):
        Path("s.yaml").write_text(text, encoding="utf-8")
        return load_suite("s.yaml", overrides, catalog)


def changed(old: str, new: str) -> str:
    """The suite with one piece of its text replaced; the piece must be there."""
    assert SUITE.count(old) == 1, old
    return SUITE.replace(old, new)


def line_of(text: str, piece: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), start=1) if piece in line)
