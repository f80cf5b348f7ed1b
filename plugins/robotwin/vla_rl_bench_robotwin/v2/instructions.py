"""Instructions for policies: RoboTwin's own wordings, one per task.

RoboTwin draws a wording and the objects' descriptions anew each episode; here a task has one instruction, the first
wording of the split that names no arm, with the objects as the file's schema calls them.
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from vla_rl_bench.errors import MissingRequirement


def instruction(task: str, split: Literal["seen", "unseen"]) -> str:
    """Such as ``Move the red block and the green block to the center, then stack ...``."""
    wordings = _file(task)
    names = objects(wordings["schema"])
    for wording in wordings[split]:
        places = set(re.findall(r"{([^}]+)}", wording))
        if places <= names.keys():
            return re.sub(r"{([^}]+)}", lambda place: names[place[1]], wording)
    return str(wordings["full_description"])


def objects(schema: str) -> dict[str, str]:
    """Read ``{"A": "the bottle"}`` from ``{A} notifies the bottle, {a} notifies the arm ...``; arms are lower case."""
    matches = re.findall(r"{([A-Z])} notifies ((?:the |one )?[a-zA-Z ]+?)\s*(?:[,.(]|$)", schema)
    return {letter: name if name.startswith(("the ", "one ")) else f"the {name}" for letter, name in matches}


@cache
def _file(task: str) -> dict[str, Any]:
    spec = find_spec("robotwin")
    if spec is None or not spec.submodule_search_locations:
        what = "robotwin2: the worker's interpreter lacks robotwin"
        raise MissingRequirement(what, "vla-rl-bench env create robotwin")
    folder = Path(next(iter(spec.submodule_search_locations))) / "description" / "task_instruction"
    return json.loads((folder / f"{task}.json").read_text())  # type: ignore[no-any-return]
