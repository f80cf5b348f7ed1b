"""``vla-rl-bench show POLICY --memory``: the options reach the policy's own plan, and mistakes are said."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from vla_rl_bench.catalog import Catalog
from vla_rl_bench.cli.explore import memory_plan
from vla_rl_bench.cli.main import main
from vla_rl_bench.entries import NoOptions, PolicyEntry
from vla_rl_bench.errors import UserError
from vla_rl_bench.hookspecs import hookimpl


@dataclass(frozen=True)
class Adapter:
    rank: int = 32


@dataclass(frozen=True)
class Options:
    checkpoint: str
    width: int = 8
    adapter: Adapter | None = None
    cameras: tuple[str, ...] = ()


def plan(options: Options, gpus: int, strategy: str) -> str:
    return f"{options} {gpus} {strategy}"


@hookimpl
def register_policies() -> Iterator[PolicyEntry]:
    yield PolicyEntry("big", "has a plan", "nowhere:make", Options, memory=f"{__name__}:plan")
    yield PolicyEntry("small", "has none", "nowhere:make", NoOptions)


@pytest.fixture
def catalog() -> Catalog:
    """This module is the plugin."""
    return Catalog.of(mine=sys.modules[__name__])


def test_what_must_be_written_in_a_suite_is_empty_here(catalog: Catalog) -> None:
    assert memory_plan("big", [], 1, "single", catalog) == f"{Options('')} 1 single"


def test_options_are_given_as_a_suite_has_them(catalog: Catalog) -> None:
    changes = ["checkpoint=here", "adapter.rank=4", "cameras=[front, wrist]"]
    told = memory_plan("big", changes, 8, "deepspeed-zero3", catalog)
    assert told == f"{Options('here', adapter=Adapter(4), cameras=('front', 'wrist'))} 8 deepspeed-zero3"


@pytest.mark.parametrize(
    ("policy", "changes", "strategy", "said"),
    [
        ("small", [], "single", "--memory: `small` has no plan. Policies with a plan: big"),
        ("bg", [], "single", "unknown policy `bg`. Did you mean `big`?"),
        ("big", ["wdth=3"], "single", "command line: wdth: unknown option. Did you mean `width`?"),
        ("big", ["width=wide"], "single", 'command line: width: Input should be a valid integer, got `"wide"`'),
        ("big", ["width"], "single", "expected key=value"),
        ("big", [], "deepspeed-zero4", "--strategy: unknown `deepspeed-zero4`. Did you mean `deepspeed-zero"),
    ],
)
def test_mistakes_are_said(catalog: Catalog, policy: str, changes: list[str], strategy: str, said: str) -> None:
    with pytest.raises(UserError) as error:
        memory_plan(policy, changes, 1, strategy, catalog)
    assert said in str(error.value)


def test_a_policy_without_a_plan_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "nano", "--memory"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("--memory: `nano` has no plan.")
    assert len(printed.err.splitlines()) == 1
