"""A store of demonstrations is built once, try by try: killed and resumed, it has the bytes of an uninterrupted one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from vla_rl_bench.builtin.tabletop.environment import make
from vla_rl_bench.builtin.tabletop.options import TabletopOptions
from vla_rl_bench.engine import demonstrations
from vla_rl_bench.engine.demonstrations import ATTEMPTS, build, collect, load
from vla_rl_bench.errors import UserError
from vla_rl_bench.rollout.pool import InProcessPool
from vla_rl_bench.types import Demonstration, Start

BOUNDS, TASKS = (0, 6), (0, 2)


class Unreliable(InProcessPool):
    """A pool whose expert fails on some tries (of every third start, the first two), and counts what it is asked."""

    def __init__(self) -> None:
        super().__init__(make("object", TabletopOptions(), 4))
        self.asked: list[Start] = []
        self.seeds: list[int] = []

    def demonstrate(self, starts: Sequence[Start], seed: int) -> list[Demonstration | None]:
        self.asked += starts
        self.seeds += [seed] if seed not in self.seeds else []
        early = self.seeds.index(seed) < 2
        return [
            None if start.index % 3 == 0 and early else one
            for start, one in zip(starts, super().demonstrate(starts, seed), strict=True)
        ]


def test_killed_at_any_write_and_resumed_it_has_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = tmp_path / "whole.npz"
    build(whole, Unreliable(), BOUNDS, TASKS, 5, 0)
    honest = demonstrations.save
    for writes in (0, 1, 7, 12):
        path = tmp_path / f"cut-{writes}.npz"
        left = [writes]

        def dying(file: Path, shown: Sequence[Demonstration], left: list[int] = left) -> None:
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            honest(file, shown)

        monkeypatch.setattr(demonstrations, "save", dying)
        with pytest.raises(KeyboardInterrupt):
            build(path, Unreliable(), BOUNDS, TASKS, 5, 0)
        assert not path.exists()
        monkeypatch.setattr(demonstrations, "save", honest)
        resumed = Unreliable()
        resumed.seeds = [demonstrations.seeding.integer("demonstration", 0, attempt) for attempt in range(ATTEMPTS)]
        build(path, resumed, BOUNDS, TASKS, 5, 0)
        assert path.read_bytes() == whole.read_bytes()
        assert not path.with_name(f"{path.name}.parts").exists()


def test_it_is_what_collect_finds_and_is_not_built_twice(tmp_path: Path) -> None:
    path, pool = tmp_path / "store.npz", Unreliable()
    said: list[tuple[int, int]] = []
    build(path, pool, BOUNDS, TASKS, 3, 1, lambda done, total: said.append((done, total)))
    assert [one.start for one in load(path)] == [one.start for one in collect(Unreliable(), BOUNDS, TASKS, 3, 1)]
    assert said[0] == (0, 6) and said[-1] == (6, 6) and said == sorted(said)
    before = len(pool.asked)
    build(path, pool, BOUNDS, TASKS, 3, 1)
    assert len(pool.asked) == before


def test_too_few_successes_are_said_and_leave_no_store(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the expert solved 6 of the 6 demonstration starts; the suite asks for 7"):
        build(tmp_path / "store.npz", Unreliable(), BOUNDS, TASKS, 7, 0)
    assert not (tmp_path / "store.npz").exists()
