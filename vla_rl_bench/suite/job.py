"""A run in its place: the suite it belongs to, the folder it lives in, how far it may go."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vla_rl_bench.config.schema import ArmConfig, Suite
from vla_rl_bench.engine.distributed import rank_and_world_size
from vla_rl_bench.records.store import RunFolder
from vla_rl_bench.suite.evaluations import missing_evaluations
from vla_rl_bench.suite.plan import Run


@dataclass(frozen=True)
class RunJob:
    """A run and where it belongs.  folder: the suite's folder, which holds ``runs/`` and ``demonstrations/``."""

    suite: Suite
    run: Run
    folder: Path
    limit: int | None

    @property
    def run_folder(self) -> RunFolder:
        """Of several ranks only the first writes."""
        return RunFolder(run_path(self.folder, self.run.id), writes=rank_and_world_size()[0] == 0)

    @property
    def arm(self) -> ArmConfig:
        return limited_arm(next(arm for arm in self.suite.arms if arm.name == self.run.arm), self.limit)

    @property
    def complete(self) -> bool:
        """Trained, and everything evaluated that the suite asks for."""
        record = self.run_folder.read()
        ended = record.get("status") == "complete" and self.run_folder.policy_path.exists()
        return ended and not missing_evaluations(self.suite, self.run.column, record, self.limit)


def run_path(folder: Path, run_id: str) -> Path:
    return folder / "runs" / run_id


def limited_arm(arm: ArmConfig, limit: int | None) -> ArmConfig:
    """``--limit N``: at most N iterations and 10 N steps."""
    if limit is None:
        return arm
    changes: dict[str, Any] = {}
    if arm.sft:
        changes["sft"] = arm.sft.model_copy(update={"steps": min(arm.sft.steps, 10 * limit)})
    if arm.rl:
        changes["rl"] = arm.rl.model_copy(update={"iterations": min(arm.rl.iterations, limit)})
    return arm.model_copy(update=changes)
