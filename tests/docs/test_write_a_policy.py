"""The files that docs/how-to/write-a-policy.md shows, written as it shows them, pass the tests that it shows."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from vla_rl_bench.cli.new_package import KINDS, Names, render
from vla_rl_bench.testing import PolicyContract

pytestmark = pytest.mark.numeric

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "write-a-policy.md"
# looks at the plugin as `vla-rl-bench list` does
LOOK = """
import sys
from vla_rl_bench_bag.plugin import register_policies
from vla_rl_bench.entries import load
(entry,) = register_policies()
assert "torch" not in sys.modules
assert load(entry.make).__name__ == "make" and entry.options().chunk == 4
"""
COMPARE = """
from vla_rl_bench.builtin.tabletop.environment import contract
from vla_rl_bench.builtin.tabletop.options import TabletopOptions
from vla_rl_bench.conventions import differences
from vla_rl_bench_bag.options import BagOptions
from vla_rl_bench_bag.space import expects
spec = contract("object", TabletopOptions())
print(*differences(expects(spec, BagOptions()), spec), sep="; ")
"""


def shown() -> dict[str, str]:
    """The page's files."""
    return dict(re.findall(r"^`([\w./]+)`:\n\n```python\n(.*?)^```", PAGE.read_text(), re.M | re.S))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in shown().items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def python(folder: Path, *words: str) -> str:
    done = subprocess.run([sys.executable, *words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_files_are_those_that_new_writes() -> None:
    written = render(KINDS["policy"], Names("bag"))
    assert shown() == {path: text for path, text in written.items() if path.endswith(".py") and text}


def test_the_expectation_is_compared(folder: Path) -> None:
    """Of a tabletop everything differs but nothing is unsaid."""
    [block] = re.findall(r"^```python\n(from vla_rl_bench.conventions.*?)^```", PAGE.read_text(), re.M | re.S)
    (folder / "vla_rl_bench_bag" / "space.py").write_text(block)
    said = python(folder, "-c", COMPARE)
    words = ("7 dimensions", "-1 opens, +1 closes", "axis-angle delta", "`agentview`", "8 numbers")
    assert all(word in said for word in words), said


def test_the_policy_keeps_the_contract(folder: Path) -> None:
    """`python -m pytest` puts the folder on the path, as an installation would."""
    said = python(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", "tests")
    checks = [name for name in vars(PolicyContract) if name.startswith("test_")]
    passed = re.search(r"(\d+) passed, 1 skipped", said)  # this policy does not draw token by token
    assert passed is not None, said
    assert int(passed[1]) >= len(checks) - 1


def test_the_plugin_can_be_looked_at_without_torch(folder: Path) -> None:
    python(folder, "-c", LOOK)
