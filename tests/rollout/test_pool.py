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
from vla_rl_bench import deprecated
from vla_rl_bench.builtin.tabletop.environment import make as make_tabletop
from vla_rl_bench.builtin.tabletop.options import TabletopOptions
from vla_rl_bench.entries import EnvironmentEntry, NoOptions
from vla_rl_bench.errors import EnvironmentFailure, UserError
from vla_rl_bench.interfaces import EnvironmentBase
from vla_rl_bench.rollout.pool import InProcessPool, ProcessPool, open_pool
from vla_rl_bench.rollout.worker import SlotEnvironments
from vla_rl_bench.types import ChunkResult, ImageArray, ImageSpec, Observation, Start


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
    in_process: Callable[..., InProcessPool], processes: Callable[..., ProcessPool]
) -> None:
    starts = [Start(task, index) for task in range(4) for index in range(2)]
    shown = processes(2).demonstrate(starts, 3)
    assert [one.start for one in shown if one] == starts
    alone = in_process(1).demonstrate(starts[:1], 3)
    assert shown[0] is not None and alone[0] is not None
    assert np.array_equal(shown[0].actions, alone[0].actions)


def test_a_worker_that_raises_says_what_and_where(processes: Callable[..., ProcessPool]) -> None:
    pool = processes(1)
    pool.reset(0, Start(99, 0))
    with pytest.raises(EnvironmentFailure, match=r"IndexError|task"):
        pool.wait()


def test_a_worker_that_cannot_start_says_so() -> None:
    with pytest.raises(EnvironmentFailure, match="nowhere"):
        ProcessPool(replace(TABLETOP, make="nowhere.to.be:found"), "object", TabletopOptions(), 1)


def test_a_killed_worker_is_noticed(processes: Callable[..., ProcessPool]) -> None:
    pool = processes(1)
    os.kill(pool._workers[0].process.pid, signal.SIGKILL)
    with pytest.raises(EnvironmentFailure, match="died"):
        pool.reset(0, Start(0, 10_000))
        pool.wait()


def test_closing_ends_the_workers(processes: Callable[..., ProcessPool]) -> None:
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


def played(pool: ProcessPool) -> list[tuple[bytes, int]]:
    """What every slot's camera shows, and how many steps were taken: after a reset, then after each of two chunks."""
    found: dict[int, list[tuple[bytes, int]]] = {slot: [] for slot in range(pool.slots)}
    for slot in found:
        pool.reset(slot, Start(slot % 4, 10_000 + slot))
    while any(len(seen) < 3 for seen in found.values()):
        for answer in pool.wait():
            assert answer.observation is not None
            steps = answer.result.steps if answer.result else 0
            found[answer.slot].append((answer.observation.images["top"].tobytes(), steps))
            if len(found[answer.slot]) < 3:
                pool.step(answer.slot, np.full((4, 3), 0.1 * answer.slot, np.float32))
    return [one for seen in found.values() for one in seen]


def test_shared_memory_shows_what_a_message_would(processes: Callable[..., ProcessPool]) -> None:
    assert played(processes(2, environments=2)) == played(processes(2, environments=2, share=False))


def test_images_travel_in_no_message(processes: Callable[..., ProcessPool]) -> None:
    """What comes through the socket after a reset is far smaller than the frame."""
    pool = processes(1)
    worker = pool._workers[0]
    worker.request("reset", 0, Start(0, 10_000))
    message = worker.connection.recv_bytes()
    assert len(message) < 2000 < 48 * 48 * 3


def test_a_slot_is_asked_once_at_a_time(processes: Callable[..., ProcessPool]) -> None:
    pool = processes(1, environments=2)
    pool.reset(0, Start(0, 10_000))
    pool.reset(1, Start(0, 10_001))
    with pytest.raises(RuntimeError, match="has not answered"):
        pool.reset(1, Start(0, 10_001))


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="Linux keeps named shared memory there")
def test_killed_workers_and_trainers_leave_no_memory(processes: Callable[..., ProcessPool]) -> None:
    before = set(os.listdir("/dev/shm"))
    pool = processes(2, environments=2)
    played(pool)
    assert set(os.listdir("/dev/shm")) <= before
    for worker in pool._workers:
        worker.process.kill()
    assert gone([worker.process.pid for worker in pool._workers])
    assert set(os.listdir("/dev/shm")) <= before


def test_seconds_have_their_cpu_seconds(processes: Callable[..., ProcessPool]) -> None:
    pool = processes(1)
    played(pool)
    assert {"stepping", "rendering", "reset", "cpu:stepping", "cpu:rendering", "cpu:reset", "transfer"} <= set(
        pool.seconds
    )
    assert all(seconds >= 0 for seconds in pool.seconds.values())


class Blank(EnvironmentBase):
    """An environment with neither an expert nor a camera of its own."""

    contract = make_tabletop("object", TabletopOptions(), 1).contract

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        return Observation({"top": np.full((4, 4, 3), 7, np.uint8)}, np.zeros(0, np.float32)), {}

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        return self.reset()[0], 1.0, True, False, {}


def make_blank(suite: str, options: NoOptions, slots: int) -> Blank:
    """An environment whose images are not of the size that its contract says."""
    return Blank()


def make_counting(suite: str, options: NoOptions, slots: int) -> Counting:
    return Counting()


class Counting(Blank):
    """Its image is how many chunks it has played since its reset: a state that must not be shared."""

    contract = replace(Blank.contract, images=(ImageSpec("top", 4, 4),))
    played = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        self.played = 0
        return self.look(), {}

    def look(self) -> Observation:
        return Observation({"top": np.full((4, 4, 3), self.played, np.uint8)}, np.zeros(0, np.float32))

    def step_chunk(self, actions: Any) -> ChunkResult:
        self.played += 1
        return ChunkResult(self.look(), len(actions), False, False)


BLANK = EnvironmentEntry("blank", "", "tests.rollout.test_pool:make_blank", ("object",))


def test_plain_environments_share_a_worker_and_nothing_else() -> None:
    pool = ProcessPool(
        replace(BLANK, make="tests.rollout.test_pool:make_counting"), "object", NoOptions(), 2, environments=2
    )
    chunks = {0: 1, 1: 2, 2: 3, 3: 0}
    shown = {}
    for slot in chunks:
        pool.reset(slot, Start(0, 0))
    while len(shown) < 4:
        for answer in pool.wait():
            assert answer.observation is not None
            value = int(answer.observation.images["top"].max())
            if value == chunks[answer.slot]:
                shown[answer.slot] = value
            else:
                pool.step(answer.slot, np.zeros((4, 3), np.float32))
    assert shown == chunks
    pool.close()


def test_images_of_another_size_than_the_contracts_are_refused() -> None:
    pool = ProcessPool(BLANK, "object", NoOptions(), 1)
    pool.reset(0, Start(0, 0))
    with pytest.raises(EnvironmentFailure, match=r"the contract declares images .*48, 48.* 4, 3"):
        pool.wait()
    pool.close()


def test_without_a_film_the_first_camera_serves() -> None:
    slots = SlotEnvironments(Blank, 1)
    slots.reset_slots([0], [Start(0, 0)])
    slots.step_slots([0], np.zeros((1, 1, 3), np.float32))
    assert (slots.film_slot(0) == 7).all()


def test_demonstrations_without_an_expert_are_refused() -> None:
    with pytest.raises(UserError, match="no expert"):
        SlotEnvironments(Blank, 1).demonstrate_many([Start(0, 0)], 0)


class OldBlank:
    """An environment as written for version 0.1: no base class, and one of the optional methods."""

    contract = Counting.contract

    def __init__(self) -> None:
        self.seconds = {"stepping": 0.0}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        return Blank().reset()

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        self.seconds["stepping"] += 1.0
        return self.reset()[0], 0.0, False, False, {"events": ("waited",)}

    def film(self) -> ImageArray:
        return np.full((2, 2, 3), 9, np.uint8)

    def close(self) -> None:
        """Nothing to close."""


def make_old(suite: str, options: NoOptions, slots: int) -> OldBlank:
    return OldBlank()


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_environment_without_base_class_works_and_warns_once_in_the_trainer(
    workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deprecated, "_warned", {})
    entry = replace(BLANK, make="tests.rollout.test_pool:make_old")
    with pytest.warns(DeprecationWarning, match="OldBlank without a base class .*EnvironmentBase") as warnings:
        pool = open_pool(entry, "object", NoOptions(), slots=1, workers=workers)
    assert len(warnings) == 1
    pool.reset(0, Start(0, 0))
    pool.wait()
    pool.step(0, np.zeros((4, 3), np.float32))
    [answer] = pool.wait()
    assert answer.result is not None
    assert (answer.result.steps, answer.result.events) == (4, ("waited",) * 4)
    assert pool.seconds["stepping"] == 4.0
    assert pool.film(0).shape == (2, 2, 3)
    with pytest.raises(UserError, match="no expert"):
        pool.demonstrate([Start(0, 0)], 0)
    pool.close()
