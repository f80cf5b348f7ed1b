"""Worker processes: they answer, they fail aloud, and they never outlive the trainer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.rollout.conftest import TABLETOP
from vla_rl_bench.builtin.tabletop.environment import make as make_tabletop
from vla_rl_bench.builtin.tabletop.options import TabletopOptions
from vla_rl_bench.errors import EnvironmentFailure, UserError
from vla_rl_bench.rollout.pool import InProcessPool, ProcessPool
from vla_rl_bench.rollout.slots import SlotEnvironments
from vla_rl_bench.types import Observation, Start


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().split()[2] != "Z"
    except FileNotFoundError:
        return False


def gone(pids: list[int], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(map(alive, pids))


def test_demonstrations_come_in_the_order_asked(
    in_process: Callable[..., InProcessPool], processes: Callable[[int], ProcessPool]
) -> None:
    starts = [Start(task, index) for task in range(4) for index in range(2)]
    shown = processes(2).demonstrate(starts, 3)
    assert [one.start for one in shown if one] == starts
    alone = in_process(1).demonstrate(starts[:1], 3)
    assert shown[0] is not None and alone[0] is not None
    assert np.array_equal(shown[0].actions, alone[0].actions)


def test_a_worker_that_raises_says_what_and_where(processes: Callable[[int], ProcessPool]) -> None:
    pool = processes(1)
    pool.reset(0, Start(99, 0))
    with pytest.raises(EnvironmentFailure, match=r"IndexError|task"):
        pool.wait()


def test_a_worker_that_cannot_start_says_so() -> None:
    with pytest.raises(EnvironmentFailure, match="nowhere"):
        ProcessPool(replace(TABLETOP, make="nowhere.to.be:found"), "object", TabletopOptions(), 1)


def test_a_killed_worker_is_noticed(processes: Callable[[int], ProcessPool]) -> None:
    pool = processes(1)
    os.kill(pool._workers[0].process.pid, signal.SIGKILL)
    with pytest.raises(EnvironmentFailure, match="died"):
        pool.reset(0, Start(0, 10_000))
        pool.wait()


def test_closing_ends_the_workers(processes: Callable[[int], ProcessPool]) -> None:
    pool = processes(2)
    pids = [worker.process.pid for worker in pool._workers]
    pool.close()
    assert gone(pids)


def test_workers_end_with_a_killed_trainer() -> None:
    script = textwrap.dedent(
        """
        import time
        from tests.rollout.conftest import TABLETOP
        from vla_rl_bench.builtin.tabletop.options import TabletopOptions
        from vla_rl_bench.rollout.pool import ProcessPool
        pool = ProcessPool(TABLETOP, "object", TabletopOptions(), 2)
        print(*[worker.process.pid for worker in pool._workers], flush=True)
        time.sleep(60)
        """
    )
    trainer = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert trainer.stdout is not None
    pids = [int(word) for word in trainer.stdout.readline().split()]
    assert len(pids) == 2 and all(map(alive, pids))
    trainer.kill()
    trainer.wait()
    trainer.stdout.close()
    assert gone(pids)


def test_the_worker_module_needs_no_torch() -> None:
    code = "import sys, vla_rl_bench.rollout.worker; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class Blank:
    """An environment with neither an expert nor a camera of its own."""

    contract = make_tabletop("object", TabletopOptions(), 1).contract

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        return Observation({"top": np.full((4, 4, 3), 7, np.uint8)}, np.zeros(0, np.float32)), {}

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        return self.reset()[0], 1.0, True, False, {}

    def close(self) -> None:
        """Nothing to close."""


def test_without_a_film_the_first_camera_serves() -> None:
    slots = SlotEnvironments(Blank, 1)
    slots.reset_slots([0], [Start(0, 0)])
    slots.step_slots([0], np.zeros((1, 1, 3), np.float32))
    assert (slots.film_slot(0) == 7).all()


def test_demonstrations_without_an_expert_are_refused() -> None:
    with pytest.raises(UserError, match="no expert"):
        SlotEnvironments(Blank, 1).demonstrate_many([Start(0, 0)], 0)
