"""What docs/how-to/train-openvla-oft.md shows is a suite, and its stand-in is one that the suite loads."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from vla_rl_bench.catalog import discover
from vla_rl_bench.config.load import load_suite

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "train-openvla-oft.md"
TEXT = PAGE.read_text()
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.M | re.S)
NEEDED = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("vla_rl_bench_libero", "libero", "robosuite")),
    reason="needs LIBERO",
)


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    path = tmp_path / "oft.yaml"
    path.write_text(BLOCKS[0])
    return path


@NEEDED
@pytest.mark.parametrize("words", re.findall(r'^.*\brun "\$SUITE"(.*)$', TEXT, re.M))
def test_every_run_of_the_page_is_one_of_its_suite(suite: Path, words: str) -> None:
    changes = [word for word in shlex.split(words) if re.match(r"[\w.]+=", word)]
    found = load_suite(str(suite), changes, discover())
    assert [arm.name for arm in found.arms] == ["sft", "sft-rl"]
    assert len(found.policy.model_extra or {}) >= 2


@NEEDED
def test_imitation_takes_the_place_of_the_checkpoint_alone(suite: Path) -> None:
    """The second block's arms in the first block's suite, with its RL."""
    rl = re.search(r"^    rl:\n((?:      .*\n)+)", BLOCKS[0], re.M)
    assert rl is not None
    imitating = BLOCKS[1].replace("    rl: {...}\n", rl[0])
    suite.write_text(re.sub(r"^arms:\n(?:  .*\n)+", imitating, BLOCKS[0], flags=re.M))
    sft, rl_arm = load_suite(str(suite), (), discover()).arms
    assert sft.demonstrations is not None and sft.demonstrations.source == "/data/LIBERO/datasets"
    assert rl_arm.from_ == "sft"


def test_the_stand_in_is_written_where_the_suite_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from plugins.openvla_oft.tests.around import libero
    from vla_rl_bench_openvla_oft import standin
    from vla_rl_bench_openvla_oft.options import OpenVlaOftOptions
    from vla_rl_bench_openvla_oft.policy import make

    monkeypatch.chdir(tmp_path)
    command = re.search(r"^python -m vla_rl_bench_openvla_oft.standin (.+)$", TEXT, re.M)
    checkpoint = re.search(r"^  checkpoint: (\S+)", BLOCKS[0], re.M)
    assert command is not None and checkpoint is not None
    standin.main(shlex.split(command[1]))
    spec = replace(libero(), suite="libero_10")
    policy = make(spec, OpenVlaOftOptions(checkpoint=checkpoint[1], probe=False), 0)
    assert (policy.chunk, policy.action_dim) == (8, 7)
