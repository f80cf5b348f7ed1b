"""Which arms an ablation has, what they are called, and where the axes come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from vla_rl_bench.catalog import Catalog, discover
from vla_rl_bench.config.ablation import check_ablation, read_ablation, variant_label
from vla_rl_bench.config.load import load_suite
from vla_rl_bench.config.schema import Suite
from vla_rl_bench.errors import UserError
from vla_rl_bench.suite.plan import plan

SUITE = Path(__file__).parent / "small.yaml"
SWITCH, CLIP, HEAT = (
    "tricks.dynamic-sampling=on,off",
    "tricks.clip-range.high=0.2,0.28",
    "tricks.temperature.value=1.0,1.6",
)
BLOCK = "ablate:\n  axes:\n    - {axis}\n    - tricks.temperature.value=1.0,1.6\n"


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return discover()


def ablation(catalog: Catalog, axes: list[str], *, grid: bool = False) -> Suite:
    return read_ablation(SUITE, [], catalog, axes, grid)


def variants(suite: Suite) -> list[str]:
    return [arm.name.removeprefix("sft-rl.") for arm in suite.arms if arm.name not in ("sft", "sft-rl")]


def with_block(folder: Path, axis: str = SWITCH, more: str = "") -> Path:
    path = folder / "small.yaml"
    path.write_text(SUITE.read_text() + BLOCK.format(axis=axis) + more)
    return path


def test_grid_has_an_arm_for_each_combination(catalog: Catalog) -> None:
    suite = ablation(catalog, [SWITCH, CLIP, HEAT], grid=True)
    assert len(suite.arms) == 1 + 2 * 2 * 2
    assert len({arm.name for arm in suite.arms}) == len(suite.arms)
    recipes = [arm.rl.model_dump_json() for arm in suite.arms if arm.rl]
    assert len(set(recipes)) == len(recipes) == 8
    assert set(suite.table.delta) == {(f"sft-rl.{name}", "sft-rl") for name in variants(suite)}


def test_combination_is_named_after_its_changes(catalog: Catalog) -> None:
    suite = ablation(catalog, [SWITCH, HEAT], grid=True)
    assert variants(suite) == ["temperature.value-1.0", "dynamic-sampling-off.temperature.value-1.0",
                               "dynamic-sampling-off"]  # fmt: skip
    both = next(arm for arm in suite.arms if arm.name.endswith("off.temperature.value-1.0"))
    assert both.title == "SFT + RL, dynamic-sampling=off, temperature.value=1.0"
    assert variant_label(suite, both) == "dynamic-sampling=off, temperature.value=1.0"
    assert both.rl is not None
    assert {trick.name: trick.options for trick in both.rl.tricks}["temperature"] == {"value": 1.0}


def test_grid_shares_runs_with_single_changes(catalog: Catalog) -> None:
    alone, crossed = (plan(ablation(catalog, [SWITCH, CLIP, HEAT], grid=grid), catalog) for grid in (False, True))
    assert {run.id for run in alone} < {run.id for run in crossed}


def test_more_values_and_axes_keep_existing_runs(catalog: Catalog) -> None:
    few = plan(ablation(catalog, ["tricks.temperature.value=1.0,1.6"]), catalog)
    more = plan(ablation(catalog, [CLIP, "tricks.temperature.value=0.8,1.6,1.0"]), catalog)
    assert {run.id for run in more} - {run.id for run in few} == {
        run.id for run in more if run.arm in ("sft-rl.clip-range.high-0.2", "sft-rl.temperature.value-0.8")
    }
    assert {run.id for run in few} < {run.id for run in more}


def test_grid_of_sft_and_rl_axes_computes_each_sft_once(catalog: Catalog) -> None:
    suite = ablation(catalog, ["demonstrations.per_task=1,2", HEAT], grid=True)
    assert [arm.name for arm in suite.arms if arm.sft] == ["sft", "sft.demonstrations.per_task-2"]
    parents = {arm.name: arm.from_ for arm in suite.arms if arm.rl}
    assert parents == {
        "sft-rl": "sft",
        "sft-rl.temperature.value-1.0": "sft",
        "sft-rl.demonstrations.per_task-2": "sft.demonstrations.per_task-2",
        "sft-rl.demonstrations.per_task-2.temperature.value-1.0": "sft.demonstrations.per_task-2",
    }
    assert {variant for variant, _ in suite.table.delta} == set(parents) - {"sft-rl"}


def test_equal_recipes_are_one_arm(catalog: Catalog) -> None:
    suite = ablation(catalog, ["tricks.temperature.value=1.0,1.00,1.6", SWITCH, "tricks.dynamic-sampling=off"])
    assert variants(suite) == ["temperature.value-1.0", "dynamic-sampling-off"]
    assert len(suite.table.delta) == 2
    switched = ablation(catalog, ["tricks.dynamic-sampling.max_draws=2,3", SWITCH], grid=True)
    assert variants(switched) == ["dynamic-sampling-off", "dynamic-sampling.max_draws-3"]


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        ([SWITCH, "tricks.dynamic-sampling.low=0,0.1"], "tricks.dynamic-sampling=off with tricks.dynamic-sampling.low"),
        ([HEAT, "tricks.temperature.value=2.0"], "on two axes that are crossed; write all its values on one"),
    ],
)
def test_grid_raises_for_axes_that_cannot_be_crossed(catalog: Catalog, axes: list[str], said: str) -> None:
    with pytest.raises(UserError) as error:
        ablation(catalog, axes, grid=True)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_ablation_raises_without_a_variant(catalog: Catalog) -> None:
    with pytest.raises(UserError, match="every value is the suite's own"):
        ablation(catalog, ["tricks.temperature.value=1.6"])


def test_axes_of_the_command_line_replace_the_block(catalog: Catalog, tmp_path: Path) -> None:
    path = with_block(tmp_path)
    assert variants(read_ablation(path, [], catalog)) == ["dynamic-sampling-off", "temperature.value-1.0"]
    assert len(variants(read_ablation(path, [], catalog, grid=True))) == 3
    assert len(variants(read_ablation(path, ["ablate.grid=true"], catalog))) == 3
    assert len(variants(read_ablation(path, ["ablate.grid=true"], catalog, grid=False))) == 2
    assert variants(read_ablation(path, ["ablate.grid=true"], catalog, [CLIP, HEAT])) == [
        "clip-range.high-0.2", "temperature.value-1.0",
    ]  # fmt: skip


def test_ablation_records_its_axes(catalog: Catalog) -> None:
    block = ablation(catalog, [SWITCH, HEAT], grid=True).ablate
    assert block is not None
    assert (block.axes, block.grid) == ((SWITCH, HEAT), True)


def test_ablate_block_changes_no_run_id(catalog: Catalog, tmp_path: Path) -> None:
    plain, blocked = (plan(load_suite(path, [], catalog), catalog) for path in (SUITE, with_block(tmp_path)))
    assert [run.id for run in plain] == [run.id for run in blocked]


def test_run_does_not_check_the_ablate_block(catalog: Catalog, tmp_path: Path) -> None:
    """Without the trick that the block varies the suite still runs; only its ablation has lost its object."""
    path = with_block(tmp_path)
    assert load_suite(path, ["tricks.temperature=off"], catalog).ablate is not None
    with pytest.raises(UserError, match="no item `temperature`"):
        read_ablation(path, ["tricks.temperature=off"], catalog)


@pytest.mark.parametrize(
    ("axis", "said"),
    [
        ("tricks.temprature.value=1.0", "no item `temprature` in `tricks`. Did you mean `temperature`?"),
        ("tricks.temperature.value=hot,1.6", "tricks.temperature.value=hot: "),
        ("tricks.temperature.value", "expected key=value"),
        ("tricks.temperature.value=1.0,,2", "an empty value"),
        ("evaluation.per_task=1,2", "an axis changes arms: write rl., sft., demonstrations. or tricks."),
        ("rl.iteratons=3", "unknown key. Did you mean `iterations`?"),
    ],
)
def test_error_of_an_axis_in_a_file_has_its_line(catalog: Catalog, tmp_path: Path, axis: str, said: str) -> None:
    path = with_block(tmp_path, axis)
    line = next(number for number, text in enumerate(path.read_text().splitlines(), 1) if axis in text)
    with pytest.raises(UserError) as error:
        check_ablation(path, [], catalog)
    assert str(error.value).startswith(f"{path}:{line}: ablate.axes.0: {axis.split(',')[0].split('=')[0]}")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_ablate_raises_without_block_and_axes(catalog: Catalog) -> None:
    with pytest.raises(UserError, match=r"small.yaml: ablate: nothing to vary; write --axis"):
        read_ablation(SUITE, [], catalog)
    check_ablation(SUITE, [], catalog)


def test_axes_of_an_extended_file_keep_their_line(catalog: Catalog, tmp_path: Path) -> None:
    path = with_block(tmp_path, "tricks.temprature.value=1.0")
    child = tmp_path / "child.yaml"
    child.write_text("extends: small.yaml\nname: child\n")
    with pytest.raises(UserError, match=rf"{path}:\d+: ablate.axes.0: "):
        check_ablation(child, [], catalog)
