"""Run in TorchRL's environment: its example's own script, with a look at each iteration's metrics.

python torchrl_observer.py FOLDER OUT [override ...]

FOLDER: ``sota-implementations/vla_grpo`` of a checkout.  OUT: gets a line of JSON an iteration: what the example's own
`iteration_metrics` says, and the CPU seconds (of all its processes) and wall seconds since the last.  Nothing of the
example is replaced: its function is called, and what it answers is handed on.
"""

from __future__ import annotations

import json
import runpy
import sys
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.support.pairs import cpu_seconds  # standard library only

NAMES = ("collector/completed_decisions", "buffer/decisions", "time/collect", "time/train")


def main() -> None:
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    sys.path.insert(0, str(folder))
    import utils

    theirs, last = utils.iteration_metrics, [cpu_seconds(), time.perf_counter()]

    def observed(*words: Any, **named: Any) -> Any:
        metrics, success = theirs(*words, **named)
        now = [cpu_seconds(), time.perf_counter()]
        line = {"cpu": now[0] - last[0], "wall": now[1] - last[1]} | {name: float(metrics[name]) for name in NAMES}
        last[:] = now
        with out.open("a") as stream:
            stream.write(json.dumps(line) + "\n")
        return metrics, success

    utils.iteration_metrics = observed
    script = folder / "vla-grpo.py"
    sys.argv = [str(script), *sys.argv[3:]]
    runpy.run_path(str(script), run_name="__main__")


if __name__ == "__main__":
    main()
