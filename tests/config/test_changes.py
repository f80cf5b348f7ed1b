"""Changes of a suite against its file, and the names made from them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.suites import SUITE
from vla_rl_bench.builtin import plugin as builtin
from vla_rl_bench.catalog import Catalog
from vla_rl_bench.config.ablation import read_ablation
from vla_rl_bench.config.changes import (
    LONGEST_NAME,
    Change,
    changes_note,
    differences,
    folder_name,
    name_changes,
    read_changes,
)
from vla_rl_bench.config.load import load_suite

CATALOG = Catalog.of(builtin=builtin)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SUITE)
    return path


def changes_of(file: Path, *overrides: str) -> tuple[Change, ...]:
    return read_changes(file, overrides, load_suite(file, overrides, CATALOG), CATALOG)


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("tricks.temperature.value=1.6",),
        ("rl.iterations=5", "rl.iterations=3"),
        ("policy.chunk=4",),  # its default
        ("runtime.workers=2",),
        ("rl.check_logprobs=true", "sft.microbatch=1"),
        ("name=other",),
        ("ablate={axes: ['rl.iterations=1,2']}",),
        ("strategy.name=deepspeed",),
    ],
)
def test_read_changes_leaves_out_overrides_that_no_output_shows(file: Path, overrides: tuple[str, ...]) -> None:
    assert changes_of(file, *overrides) == ()


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        (("tricks.temperature.value=1.0",), "tricks.temperature.value=1.0"),
        (("tricks.temperature.value=1",), "tricks.temperature.value=1.0"),
        (("arms.sft-rl.rl.tricks.temperature.value=1.0",), "tricks.temperature.value=1.0"),
        (("tricks.clip-range=off",), "tricks.clip-range=off"),
        (("rl.iterations=9", "sft.steps=5"), "rl.iterations=9+sft.steps=5"),
        (("sft.steps=5", "rl.iterations=9", "rl.group_size=8"), "rl.iterations=9+sft.steps=5"),
        (("seeds=[0]", "columns=[object]"), "columns=object+seeds=0"),
        (("evaluation.per_task=1",), "evaluation.per_task=1"),
        (("evaluation.sampling=[greedy]",), "evaluation.sampling=greedy"),
        (("strategy={name: deepspeed, precision: bfloat16}",), "strategy.precision=bfloat16"),
        (("rl.microbatch=128",), "rl.microbatch=128"),  # part of run ids
    ],
)
def test_folder_name_lists_differences_from_the_file(file: Path, overrides: tuple[str, ...], name: str) -> None:
    assert folder_name(changes_of(file, *overrides)) == name


def test_folder_name_is_safe_bounded_and_unique(file: Path) -> None:
    titles = [changes_of(file, f"title={text}") for text in ("a / b", "a * b", "x" * 300, "x" * 301)]
    names = [folder_name(changes) for changes in titles]
    assert len(set(names)) == len(names)
    assert all(len(name) <= LONGEST_NAME and "/" not in name and " " not in name for name in names)


def test_differences_name_an_arm_only_if_arms_differ(tmp_path: Path) -> None:
    """A block's key is named without an arm if all arms with the block have the value."""
    path = tmp_path / "two.yaml"
    second = (
        "  - name: again\n    demonstrations: {per_task: 1}\n    sft: {steps: 20, batch_size: 4, learning_rate: 1e-3}\n"
    )
    path.write_text(SUITE.replace("evaluation:", f"{second}evaluation:"))
    assert folder_name(changes_of(path, "arms.sft.sft.steps=5")) == "arms.sft.sft.steps=5"
    assert folder_name(changes_of(path, "arms.sft.sft.steps=20")) == "sft.steps=20"
    [both] = changes_of(path, "sft.steps=5")
    assert (both.key, both.before, both.arms) == ("sft.steps", None, ("sft", "again"))


def test_name_changes_adds_them_to_title_and_rows(file: Path) -> None:
    overrides = ("tricks.temperature.value=1.0", "sft.steps=5", "evaluation.per_task=1")
    changes = changes_of(file, *overrides)
    suite = name_changes(load_suite(file, overrides, CATALOG), changes)
    assert suite.title == "small, with evaluation.per_task=1, sft.steps=5, tricks.temperature.value=1.0"
    assert [arm.title for arm in suite.arms] == ["sft, sft.steps=5", "sft-rl, sft.steps=5, temperature.value=1.0"]
    assert changes_note(changes) == (
        "Changed from the suite file: evaluation.per_task=1 (2 in the file), sft.steps=5 (10 in the file), "
        "tricks.temperature.value=1.0 (1.6 in the file)."
    )


def test_name_changes_lists_three_and_counts_the_rest(file: Path) -> None:
    overrides = ("rl.iterations=9", "rl.groups=5", "rl.learning_rate=0.1", "rl.aggregate=token-mean")
    suite = name_changes(load_suite(file, overrides, CATALOG), changes_of(file, *overrides))
    assert suite.title == "small, with rl.aggregate=token-mean, rl.groups=5, rl.iterations=9 and 1 more"
    assert suite.arms[0].title == "sft"


def test_name_changes_leaves_out_changed_titles(file: Path) -> None:
    overrides = ("title=Other", "arms.sft.title=Base")
    suite = name_changes(load_suite(file, overrides, CATALOG), changes_of(file, *overrides))
    assert (suite.title, suite.arms[0].title) == ("Other", "Base")


def test_name_changes_titles_variants_by_their_full_recipe(file: Path) -> None:
    axes, overrides = ["tricks.temperature.value=1.0"], ("rl.iterations=9",)
    suite = name_changes(read_ablation(file, overrides, CATALOG, axes), changes_of(file, *overrides))
    assert suite.title == "small: ablation, with rl.iterations=9"
    assert [arm.title for arm in suite.arms] == [
        "sft",
        "sft-rl, rl.iterations=9",
        "sft-rl, rl.iterations=9, temperature.value=1.0",
    ]


def test_read_changes_of_an_incomplete_file_are_the_overrides(tmp_path: Path) -> None:
    path = tmp_path / "part.yaml"
    path.write_text(SUITE.replace("seeds: [0, 1]\n", ""))
    [change] = changes_of(path, "seeds=[3]")
    assert change == Change("seeds", "[3]")
    assert changes_note([change]) == "Changed from the suite file: seeds=[3]."


def test_differences_name_arms_that_are_added_or_removed(file: Path) -> None:
    whole = load_suite(file, (), CATALOG)
    part = whole.model_copy(update={"arms": whole.arms[:1]})
    assert folder_name(differences(whole, part)) == "arms.sft-rl=off"
    assert folder_name(differences(part, whole)) == "arms.sft-rl=on"
