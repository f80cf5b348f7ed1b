"""The command line, as one rank of a gang: ``torchrun -m tests.strategies.gang [--lose-gradients RANK | --die STEP]``.

--lose-gradients RANK: that rank's gradients are lost, as in a strategy with a mistake; results must then differ.
--die STEP: rank 1 is killed when it begins the n-th optimiser step.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from vla_rl_bench.builtin.strategies.deepspeed import DeepSpeedTrainer
from vla_rl_bench.cli.main import main


def lose_gradients(rank: str) -> None:
    if os.environ["RANK"] != rank:
        return
    backward = DeepSpeedTrainer.backward

    def nothing(self: DeepSpeedTrainer, loss: Any, *, last: bool) -> None:
        backward(self, loss * 0, last=last)

    DeepSpeedTrainer.backward = nothing  # type: ignore[method-assign]


def die(step: str) -> None:
    take = DeepSpeedTrainer.step
    begun = 0

    def deadly(self: DeepSpeedTrainer, learning_rate: float, grad_clip: float) -> float:
        nonlocal begun
        begun += 1
        if begun == int(step) and os.environ["RANK"] == "1":
            os.kill(os.getpid(), signal.SIGKILL)
        return take(self, learning_rate, grad_clip)

    DeepSpeedTrainer.step = deadly  # type: ignore[method-assign]


MISTAKES = {"--lose-gradients": lose_gradients, "--die": die}

if __name__ == "__main__":
    arguments = sys.argv[1:]
    if arguments[0] in MISTAKES:
        MISTAKES[arguments[0]](arguments[1])
        arguments = arguments[2:]
    sys.exit(main(arguments))
