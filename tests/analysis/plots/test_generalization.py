from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

from tests.analysis.statistics.made_up import episodes, made_up_source, made_up_suite, run_ids, write_run
from vla_rl_bench.analysis.plots.generalization import draw_generalization, training_paths
from vla_rl_bench.config.schema import Suite
from vla_rl_bench.records.frame import episodes_frame, run_folders


def trained() -> Suite:
    """RL with a curve; task 1 of `goal` is left out."""
    suite = made_up_suite(seeds=[0, 1], columns=["object", "goal"], unseen={"goal": [1]})
    plain = suite.model_dump(mode="json", by_alias=True)
    plain["arms"][1]["rl"]["curve"] = {"every": 2, "per_task": 4}
    return Suite.model_validate_json(json.dumps(plain))


def write(folder: Path, suite: Suite) -> None:
    """On `goal` seen success rises from 0 to 3 of 4 starts; unseen falls from 2 to 0 (seed 0) and 1 (seed 1)."""
    solved = {("main", 0): (0, 0), ("main", 2): (3, 3), ("unseen", 0): (2, 2), ("unseen", 2): (0, 1)}
    for seed in suite.seeds:
        records = [
            record
            for (name, iteration), counts in solved.items()
            for record in episodes(
                "sft-rl",
                "goal",
                seed,
                lambda *where, n=counts[seed]: where[4] < n,
                tasks=1,
                starts=range(4),
                iteration=iteration,
                evaluation=name,
            )
        ]
        write_run(folder, "sft-rl", "goal", seed, records)


def test_training_paths_average_seen_and_unseen_success_over_seeds(tmp_path: Path) -> None:
    suite = trained()
    write(tmp_path, suite)
    panels = training_paths(episodes_frame(run_folders(tmp_path)), suite)
    assert list(panels) == ["goal"]
    (path,) = panels["goal"]
    assert (path.seen_success, path.unseen_success) == ((0.0, 0.75), (0.5, 0.125))
    assert path.ends == ((0.75, 0.0), (0.75, 0.25))


def test_draw_generalization_is_deterministic(tmp_path: Path) -> None:
    suite = trained()
    write(tmp_path, suite)
    first, second = (
        draw_generalization(made_up_source(tmp_path, suite, run_ids(suite)), tmp_path / name) for name in ("a", "b")
    )
    assert first is not None and second is not None
    assert first.read_bytes() == second.read_bytes()
    assert Image.open(first).size[0] > 300


def test_draw_generalization_needs_a_curve(tmp_path: Path) -> None:
    suite = trained()
    assert draw_generalization(made_up_source(tmp_path, suite)) is None
    assert not list(tmp_path.iterdir())
