"""RoboTwin's assets, or arms made of boxes instead of them.  Standard library only."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vla_rl_bench.errors import UserError
from vla_rl_bench_robotwin import assets
from vla_rl_bench_robotwin.options import RoboTwinOptions
from vla_rl_bench_robotwin.tasks import Task
from vla_rl_bench_robotwin.v2 import boxes

PAPER_PAIR = 0.6  # m between two Pipers: SimpleVLA-RL's [piper, piper, 0.6]


@dataclass(frozen=True)
class Assets:
    """root: holds ``assets/``; None: it is generated at first use.  embodiment: a folder of assets/embodiments.

    apart: metres between two single arms; None: one robot with both.
    """

    root: Path | None
    embodiment: str
    apart: float | None = None

    @property
    def real(self) -> bool:
        return self.root is not None

    def folder(self) -> Path:
        """The asset tree, there from now on."""
        return self.root or generated()

    def robot(self) -> Path:
        return self.folder() / "assets" / "embodiments" / self.embodiment


def choose(options: RoboTwinOptions, tasks: Sequence[Task]) -> Assets:
    """Resolve `options.assets` on this machine; a `UserError` names the first thing that is missing."""
    for result in assets.check_tasks(tasks, options):
        if not result.ok:
            raise UserError(f"robotwin2: {result.what}. To mend it: {result.advice}")
    configured = assets.root()
    if configured is None or assets.resolve(options, tasks) == "procedural":
        return Assets(None, boxes.VERSION)
    name = "aloha-agilex" if options.embodiment == "auto" else options.embodiment
    return Assets(configured[1].resolve(), name, None if name == "aloha-agilex" else PAPER_PAIR)


def generated() -> Path:
    """The arms of boxes, written at first use into the user's cache; complete or not there at all."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    root = home / "vla-rl-bench" / "robotwin" / boxes.VERSION
    if not _same(root):
        root.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root.parent) as made:
            boxes.write(Path(made) / "new")
            shutil.rmtree(root, ignore_errors=True)
            try:
                os.replace(Path(made) / "new", root)
            except OSError:  # another worker was faster
                if not _same(root):
                    raise
    return root


def _same(root: Path) -> bool:
    urdf = root / "assets" / "embodiments" / boxes.VERSION / "robot.urdf"
    return urdf.is_file() and urdf.read_text() == boxes.urdf()
