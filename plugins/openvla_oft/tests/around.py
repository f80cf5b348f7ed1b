"""Environments that a checkpoint may be put into, for tests; no simulator is needed."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from plugins.openvla_oft.tests import tiny
from vla_rl_bench.types import ActionSpec, EnvironmentSpec, ImageSpec, Observation, TaskSpec
from vla_rl_bench_openvla_oft import standin_tokenizer
from vla_rl_bench_openvla_oft.spaces import LIBERO

INSTRUCTIONS = ("put the white mug on the plate", "open the drawer", "push", "pick up the book")


def libero(pixels: int = 256) -> EnvironmentSpec:
    """As plugins/libero declares itself."""
    return EnvironmentSpec(
        name="libero",
        suite="libero_10",
        protocol="test",
        tasks=(TaskSpec("mug", INSTRUCTIONS[0], 16),),
        images=(ImageSpec("agentview", pixels, pixels, "rotated-180"),),
        proprio=tuple(one.words for one in LIBERO.readings or ()),
        action=ActionSpec(
            names=("x", "y", "z", "roll", "pitch", "yaw", "gripper"),
            low=(-1.0,) * 7,
            high=(1.0,) * 7,
            noop=(0.0,) * 6 + (-1.0,),
            gripper="-1 opens, +1 closes",
            rotation="axis-angle delta",
        ),
        splits={},
    )


def robotwin() -> EnvironmentSpec:
    """Two arms of six joints and a gripper each, and three cameras."""
    sides = [f"{arm} {part}" for arm in ("left", "right") for part in (*(f"joint {n}" for n in range(6)), "gripper")]
    return EnvironmentSpec(
        name="robotwin",
        suite="robotwin2_lift_pot",
        protocol="test",
        tasks=(TaskSpec("lift_pot", "lift the pot with both arms", 25),),
        images=tuple(ImageSpec(f"{side}_camera", 240, 320) for side in ("head", "left", "right")),
        proprio=tuple(sides),
        action=ActionSpec(
            names=tuple(sides),
            low=(-2.0,) * 14,
            high=(2.0,) * 14,
            noop=(0.0,) * 14,
            gripper="0 closes, 1 opens",
            rotation="joint positions",
        ),
        splits={},
    )


def tabletop(pixels: int = 32) -> EnvironmentSpec:
    """Three dimensions with bounds of their own: none of OpenVLA's."""
    return EnvironmentSpec(
        name="tabletop",
        suite="three",
        protocol="test",
        tasks=(TaskSpec("push", "push", 8),),
        images=(ImageSpec("top", pixels, pixels), ImageSpec("side", pixels, pixels)),
        proprio=("x", "y"),
        action=ActionSpec(("x", "y", "grip"), (-1.0, 0.0, -3.0), (1.0, 4.0, 3.0), (0.0, 0.0, 0.0), "absolute"),
        splits={},
    )


def declaring(spec: EnvironmentSpec, **action: Any) -> EnvironmentSpec:
    """The same environment with other words about its actions."""
    return replace(spec, action=replace(spec.action, **action))


def observations(spec: EnvironmentSpec, n: int, seed: int = 0) -> Observation:
    draw = np.random.default_rng(seed)
    images = {one.name: draw.integers(0, 256, (n, one.height, one.width, 3), np.uint8) for one in spec.images}
    return Observation(images, draw.uniform(-1, 1, (n, len(spec.proprio))).astype(np.float32))


def fixture_checkpoint(folder: Path) -> Path:
    """The tiny reference checkpoint as a folder that a suite may name: sizes in its config, and a tokenizer."""
    shutil.copytree(tiny.FOLDER, folder, ignore=shutil.ignore_patterns("io.safetensors", "keys.json", "README.md"))
    config = json.loads((folder / "config.json").read_text())
    config["vision"] = json.loads((folder / "meta.json").read_text())["vision"]
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "meta.json").unlink()
    standin_tokenizer.write(folder)
    return folder
