"""RoboTwin 1.0: what can be said without its checkout, and the contract where ``ROBOTWIN1_ROOT`` names one."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import ClassVar
from xml.etree import ElementTree

import numpy as np
import pytest

from vla_rl_bench.entries import EnvironmentEntry
from vla_rl_bench.errors import UserError
from vla_rl_bench.interfaces import BatchedEnvironment
from vla_rl_bench.testing import EnvironmentContract
from vla_rl_bench_robotwin.options import CHUNK, RoboTwin1Options
from vla_rl_bench_robotwin.plugin import register_environments
from vla_rl_bench_robotwin.v1 import arms, checkout
from vla_rl_bench_robotwin.v1 import needs as needing
from vla_rl_bench_robotwin.v1.tasks import MESH_FREE, TABLE_3, TASKS

from .conftest import python

ENTRY: EnvironmentEntry = next(one for one in register_environments() if one.name == "robotwin1")


def numbered() -> tuple[list[str], list[str]]:
    """Moving joints and links of the arms of boxes, level by level, as SAPIEN numbers them."""
    robot = ElementTree.fromstring(arms.urdf())
    below: dict[str, list[ElementTree.Element]] = defaultdict(list)
    for joint in robot.findall("joint"):
        below[joint.find("parent").attrib["link"]].append(joint)  # type: ignore[union-attr]
    joints, links = [], ["footprint"]
    for link in links:
        for joint in below[link]:
            links.append(joint.find("child").attrib["link"])  # type: ignore[union-attr]
            joints += [joint.attrib["name"]] if joint.attrib["type"] != "fixed" else []
    return joints, links


def test_the_arms_stand_where_the_branch_counts_to() -> None:
    joints, links = numbered()
    assert [joints[n] for n in (6, 14, 18, 22, 26, 30)] == [f"fl_joint{n}" for n in range(1, 7)]
    assert [joints[n] for n in (7, 15, 19, 23, 27, 31)] == [f"fr_joint{n}" for n in range(1, 7)]
    assert joints[34:38] == ["fl_joint7", "fl_joint8", "fr_joint7", "fr_joint8"]
    assert [links[46], links[49]] == ["fl_camera", "fr_camera"]


def test_every_joint_may_be_at_zero_where_episodes_begin() -> None:
    for limit in ElementTree.fromstring(arms.urdf()).iter("limit"):
        assert float(limit.attrib["lower"]) <= 0 <= float(limit.attrib["upper"])


def test_the_papers_four_tasks_and_their_limits() -> None:
    assert [TASKS[name].step_limit for name in TABLE_3] == [400, 600, 600, 450]
    assert MESH_FREE == ("block_handover", "blocks_stack_easy", "blocks_stack_hard")


def test_without_a_checkout_the_command_that_brings_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(checkout.VARIABLE, raising=False)
    with pytest.raises(UserError, match=r"ROBOTWIN1_ROOT is not set\. Run: git clone --branch RoboTwin-1\.0"):
        checkout.require()
    (only,) = needing.check()
    assert only.ok, "to have none is no fault"


def test_a_folder_that_is_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(checkout.VARIABLE, str(tmp_path))
    with pytest.raises(UserError, match=r"is no checkout of RoboTwin-1\.0"):
        checkout.require()


def test_what_a_task_lacks_is_named(tmp_path: Path) -> None:
    results = needing.assets(tmp_path, [TASKS["shoe_place"]], RoboTwin1Options())
    assert [one.ok for one in results] == [False, False]
    assert "models/041_shoes" in results[1].what
    (boxes,) = needing.assets(tmp_path, [TASKS["block_handover"]], RoboTwin1Options())
    assert boxes.ok


# Long on a CPU, so only where somebody has a checkout.
@pytest.mark.sim
@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get(checkout.VARIABLE), reason=f"{checkout.VARIABLE} is not set: {checkout.GET}")
class TestBlocksStackEasy(EnvironmentContract):
    entry = ENTRY
    suite = "blocks_stack_easy"
    options = RoboTwin1Options(assets="procedural", image_height=24, image_width=32, step_limit=50)
    python = python()
    slots = 1
    steps = 12
    chunks_differ = "TOPP times a chunk's path as a whole"
    changes: ClassVar = {"image_height": 32, "image_width": 24, "step_limit": 40, "shader": "minimal"}
    harmless = ("assets",)  # here it may be one thing only
    resets = 3
    warm_resets = 1
    megabytes = 60.0

    def test_success_is_terminal(self, environment: BatchedEnvironment) -> None:
        """Every third waypoint of the expert, in chunks, solves its start, and nothing is executed after that."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(self), "options", replace(self.options, step_limit=None))
            slots = self.make()
        try:
            start = self.starts(slots, "demonstration")[0]
            shown = self.demonstrate(slots, [start])[0]
            assert shown is not None
            actions = np.concatenate([shown.actions[2::3], np.repeat(shown.actions[-1:], CHUNK, axis=0)])
            slots.reset_slots([0], [start])
            for first in range(0, len(actions), CHUNK):
                result = self.step(slots, 0, actions[first : first + CHUNK])
                if result.done:
                    break
            assert result.success and result.observation is None
        finally:
            slots.close()
