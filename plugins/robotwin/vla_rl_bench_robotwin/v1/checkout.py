"""A user's checkout of the branch: where it is, and its task classes, imported with what they need around them."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import os
import sys
import tempfile
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from vla_rl_bench.errors import UserError
from vla_rl_bench_robotwin.v1 import arms

VARIABLE = "ROBOTWIN1_ROOT"
GET = (
    "git clone --branch RoboTwin-1.0 https://github.com/RoboTwin-Platform/RoboTwin ~/robotwin1 "
    f"&& export {VARIABLE}=~/robotwin1"
)
ROBOT = "aloha_maniskill_sim/urdf/arx5_description_isaac.urdf"  # of aloha_urdf.zip; the classes look for it in the
# working folder, as for models/

# imported by envs/utils/farthest_point_sampler.py, for point clouds, which nothing here asks for
_UNUSED = ("zarr", "pytorch3d", "pytorch3d.ops", "torchvision", "termcolor", "tqdm")


def root() -> Path | None:
    """The checkout that ``ROBOTWIN1_ROOT`` names."""
    return Path(os.environ[VARIABLE]).expanduser().absolute() if os.environ.get(VARIABLE) else None


def require() -> Path:
    """As `root`, or what to type."""
    checkout = root()
    if checkout is None or not (checkout / "envs" / "base_task.py").is_file():
        where = (
            f"{VARIABLE} is not set" if checkout is None else f"{checkout} ({VARIABLE}) is no checkout of RoboTwin-1.0"
        )
        raise UserError(f"robotwin1: {where}. Run: {GET}")
    return checkout


def has_robot(checkout: Path) -> bool:
    return (checkout / ROBOT).is_file()


@cache
def enter(checkout: Path, *, procedural: bool) -> None:
    """Make this process, once, one in which the branch's classes work; it holds one simulator and does nothing else.

    The working folder becomes the checkout, or a temporary one beside which arms of boxes stand.
    """
    folder = checkout
    if procedural:
        folder = _beside(checkout)
        arms.write(folder, checkout)
    os.chdir(folder)
    sys.path.insert(0, str(checkout))
    lacking = [name for name in _UNUSED if importlib.util.find_spec(name.split(".")[0]) is None]
    sys.modules.update({name: _Unused(name) for name in lacking})
    _lend_planner()


def _beside(checkout: Path) -> Path:
    """A folder of the user's own that every worker on this checkout shares."""
    key = hashlib.sha256(f"{checkout} {arms.urdf()}".encode()).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"vla-rl-bench-robotwin1-{os.getuid()}-{key}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


class _Unused(ModuleType):
    """A module of which nothing is used: its attributes can be imported."""

    __path__: list[str] = []  # noqa: RUF012 - what makes it a package

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return object


def _lend_planner() -> None:
    """The branch is written for mplib 0.1.1, which its users edit; under 0.2 its calls are translated."""
    import mplib

    if not getattr(mplib, "__version__", "0.1").startswith("0.1"):
        from vla_rl_bench_robotwin.v1.planner import Planner

        mplib.Planner = Planner


def instruction(checkout: Path, task: str) -> str:
    """The first of the branch's wordings of a task."""
    wordings = json.loads((checkout / "data" / "instructions" / f"{task}.json").read_text("utf-8"))
    return str(wordings["instructions"][0])


def task_class(name: str) -> type:
    """The branch's own class."""
    loaded: type = getattr(importlib.import_module(f"envs.{name}"), name)
    return loaded
