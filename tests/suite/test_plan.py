"""Run ids: the same for the same recipe, different for different recipes, shared by arms that share a stage."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

from vla_rl_bench.catalog import Catalog, discover
from vla_rl_bench.config import schema
from vla_rl_bench.config.ablation import ablation_suite
from vla_rl_bench.config.load import load_suite
from vla_rl_bench.errors import UserError
from vla_rl_bench.suite.plan import identity, plan
from vla_rl_bench.suite.session import start_ranges
from vla_rl_bench.types import ActionSpec, EnvironmentSpec

SUITE = Path(__file__).parent / "small.yaml"


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return discover()


def ids(catalog: Catalog, *overrides: str) -> list[str]:
    return [run.id for run in plan(load_suite(SUITE, overrides, catalog), catalog)]


def test_plan_lists_parents_first_with_stable_ids(catalog: Catalog) -> None:
    runs = plan(load_suite(SUITE, ["seeds=[0,1]"], catalog), catalog)
    assert [(run.arm, run.seed) for run in runs] == [("sft", 0), ("sft-rl", 0), ("sft", 1), ("sft-rl", 1)]
    assert runs[1].parent == runs[0].id
    assert ids(catalog) == ids(catalog) == [run.id for run in runs[:2]]


@pytest.mark.parametrize(
    "override",
    [
        "evaluation.per_task=9",
        "runtime.slots=3",
        "title=Other",
        "arms.sft.sft.checkpoint_every=2",
        "rl.microbatch_gb=0.5",
        "rl.check_logprobs=true",
        "rl.overprovision=false",
        "rl.reuse_surplus=false",
        "table.average=false",
    ],
)
def test_plan_keeps_ids_if_no_policy_changes(catalog: Catalog, override: str) -> None:
    assert ids(catalog, override) == ids(catalog)


@pytest.mark.parametrize(
    "override",
    ["tricks.temperature.value=1.0", "rl.learning_rate=1e-3", "tricks.clip-range=off", "rl.reuse_surplus=true"],
)
def test_plan_keeps_the_sft_run_if_rl_changes(catalog: Catalog, override: str) -> None:
    before, after = ids(catalog), ids(catalog, override)
    assert after[0] == before[0] and after[1] != before[1]


@pytest.mark.parametrize("override", ["sft.steps=13", "demonstrations.per_task=2", "policy.weights=none", "seeds=[4]"])
def test_plan_changes_all_ids_if_sft_changes(catalog: Catalog, override: str) -> None:
    assert not set(ids(catalog)) & set(ids(catalog, override))


def test_plan_keeps_ids_if_a_default_is_written(catalog: Catalog) -> None:
    assert ids(catalog, "rl.grad_clip=1.0") == ids(catalog)


def test_plan_gives_limited_runs_different_ids(catalog: Catalog) -> None:
    suite = load_suite(SUITE, [], catalog)
    assert not {run.id for run in plan(suite, catalog, limit=1)} & {run.id for run in plan(suite, catalog)}


def test_ablation_suite_shares_demonstrations_and_sft(catalog: Catalog) -> None:
    base = load_suite(SUITE, [], catalog)
    axes = ["tricks.temperature.value=1.0,1.6", "tricks.dynamic-sampling=on,off"]
    suite = ablation_suite(base, SUITE, axes, [], catalog)
    names = ["sft", "sft-rl", "sft-rl.temperature.value-1.0", "sft-rl.dynamic-sampling-off"]
    assert [arm.name for arm in suite.arms] == names
    runs = {run.arm: run for run in plan(suite, catalog)}
    assert [runs["sft"].id, runs["sft-rl"].id] == ids(catalog)
    assert all(runs[name].parent == runs["sft"].id for name in names[1:])
    assert suite.table.delta == ((names[2], "sft-rl"), (names[3], "sft-rl"))
    off = suite.arms[3].rl
    assert off is not None and [trick.name for trick in off.tricks] == ["clip-range", "temperature"]


def test_ablation_suite_repeats_rl_for_an_axis_of_sft(catalog: Catalog) -> None:
    base = load_suite(SUITE, [], catalog)
    suite = ablation_suite(base, SUITE, ["demonstrations.per_task=1,2"], [], catalog)
    arms = {arm.name: arm for arm in suite.arms}
    assert arms["sft-rl.demonstrations.per_task-2"].from_ == "sft.demonstrations.per_task-2"


def test_ablation_suite_raises_for_an_axis_outside_arms(catalog: Catalog) -> None:
    base = load_suite(SUITE, [], catalog)
    with pytest.raises(UserError, match="an axis changes arms"):
        ablation_suite(base, SUITE, ["evaluation.per_task=1,2"], [], catalog)


def test_start_ranges_raises_if_training_overlaps_held_out(catalog: Catalog) -> None:
    spec = EnvironmentSpec(
        "e", "s", "e-1", (), (), (), ActionSpec((), (), (), ()),
        {"demonstration": (0, 8), "training": (8, 30), "held-out": (30, 50)},
    )  # fmt: skip
    suite = load_suite(SUITE, ["environment.starts.training=0-29"], catalog)
    assert start_ranges(suite, spec)["training"] == (0, 30)
    suite = load_suite(SUITE, ["environment.starts.training=0-30"], catalog)
    with pytest.raises(UserError, match="held-out 30-49 overlaps training 0-30"):
        start_ranges(suite, spec)


def test_identity_rules_are_never_or_unless_default() -> None:
    models = [model for model in vars(schema).values() if isinstance(model, type) and issubclass(model, BaseModel)]
    rules = [field.json_schema_extra for model in models for field in model.model_fields.values()]
    assert len([rule for rule in rules if rule == schema.NEVER]) == 8
    assert len([rule for rule in rules if rule == schema.UNLESS_DEFAULT]) == 4
    assert all(rule in (None, schema.NEVER, schema.UNLESS_DEFAULT) for rule in rules)


def test_identity_leaves_out_defaults_only_where_the_field_says_so() -> None:
    config = schema.DemonstrationsConfig(per_task=1)
    assert identity(config) == {"per_task": 1}
    assert identity(config.model_copy(update={"unseen": True})) == {"per_task": 1, "unseen": True}
    sft = schema.SftConfig(steps=1, batch_size=1, learning_rate=0.1, microbatch=3)
    assert identity(sft).keys() == sft.model_dump().keys() - {"microbatch", "curve", "checkpoint_every"}
