"""Rules for an environment in a worker process, as in rollouts.  Linux."""

from __future__ import annotations

import os
import sys
from statistics import median

import numpy as np
import pytest

from vla_rl_bench.interfaces import BatchedEnvironment
from vla_rl_bench.testing import remote
from vla_rl_bench.testing.base import CHUNK, EnvironmentRules
from vla_rl_bench.testing.equality import episode_difference
from vla_rl_bench.types import Start

needs_proc = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


class ProcessRules(EnvironmentRules):
    """Rules for worker processes: the same numbers, no memory leak, nothing left at the end."""

    def test_worker_process_gives_the_same_bytes(self, environment: BatchedEnvironment) -> None:
        start = self.starts(environment)[-1]
        with remote.worker(self.entry, self.suite, self.chosen_options(), self.python) as slots:
            assert slots.contract.protocol == environment.contract.protocol
            assert slots.contract == environment.contract
            text = episode_difference(self.play(environment, 0, start), self.play(slots, 0, start))
        assert not text, f"{start} in a worker process: different {text}"

    @needs_proc
    def test_resets_do_not_leak_memory(self, environment: BatchedEnvironment) -> None:
        """The worker's resident memory does not grow by `megabytes` over `resets`, after the first `warm_resets`.

        Medians of five readings are compared.  With the defaults a leak of half a megabyte per reset fails.
        """
        task, first = self.played(environment)[0], environment.contract.splits["training"][0]
        with remote.worker(self.entry, self.suite, self.chosen_options(), self.python) as slots:
            megabytes = []
            for count in range(self.warm_resets + self.resets):
                slots.reset_slots([0], [Start(task, first + count % 2)])
                self.step(slots, 0, self.draw(slots, np.random.default_rng(count), CHUNK))
                megabytes.append(remote.resident(slots.process))
        warm = megabytes[self.warm_resets :]
        growth = median(warm[-5:]) - median(warm[:5])
        readings = [round(reading) for reading in megabytes]
        assert growth < self.megabytes, f"{self.resets} resets took {growth:.1f} MB: {readings}"

    @needs_proc
    def test_close_leaves_no_processes_files_or_memory(self, environment: BatchedEnvironment) -> None:
        """Closing ends the worker and its child processes, and frees descriptors and named shared memory."""
        files = remote.open_files()
        with remote.worker(self.entry, self.suite, self.chosen_options(), self.python) as slots:
            slots.reset_slots([0], self.starts(environment)[:1])
            processes = [slots.process, *remote.descendants(slots.process)]
            named = remote.named_memory(processes)
        assert not remote.alive(processes, self.close_seconds), (
            "the worker, or a process that it started, is still running"
        )
        assert remote.open_files() == files, "file descriptors are left open"
        assert not (left := sorted(filter(os.path.exists, named))), f"named shared memory is left: {left}"

    def test_close_may_be_called_twice(self) -> None:
        environment = self.make()
        environment.reset_slots([0], self.starts(environment)[:1])
        environment.close()
        environment.close()
