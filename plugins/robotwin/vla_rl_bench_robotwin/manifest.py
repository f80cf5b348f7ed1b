"""Files of RoboTwin 2.0's assets that a task needs, and those that are missing.  Standard library only.

Read from rlinf-robotwin-runtime 0.1.3: `create_actor` and `create_sapien_urdf_obj` (envs/utils/create_actor.py) for
objects, `Robot` and `load_curobo_config` for arms, `create_table_and_wall` and `rand_create_cluttered_actor.py` for
domain randomisation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vla_rl_bench_robotwin.tasks import Objects, Task

DATASET = "TianxingChen/RoboTwin2.0"  # a data set on the Hugging Face hub
REVISION = "c15cc97be71e35244b6605d2d84c187f8565cc4d"  # the runtime's ASSET_REVISION
_NUMBERED = re.compile(r"model_data(\d+)\.json")


@dataclass(frozen=True, slots=True)
class Missing:
    """A file or folder below the assets' root, and the archive of the data set that holds it."""

    path: str
    archive: str


def missing_objects(root: Path, task: Task) -> list[Missing]:
    """Of the task's objects, every file that its class may ask for and that is not there."""
    missing = []
    for objects in task.objects:
        folder = root / "assets" / "objects" / objects.folder
        lacking = _articulated(folder, objects) if objects.articulated else _models(folder, objects)
        missing += [Missing(str(path.relative_to(root)), "objects.zip") for path in lacking]
    return missing


def _models(folder: Path, objects: Objects) -> Iterator[Path]:
    """A model is its data and a mesh, for what is seen and for what is touched: in a folder of that name, or here."""
    for model in objects.models or models_in(folder) or (0,):
        data = folder / f"model_data{model}.json"
        if not data.is_file():
            yield data
        for part in ("visual", "collision"):
            meshes = [place / name for place in (folder / part, folder) for name in _meshes(model)]
            if not any(mesh.is_file() for mesh in meshes):
                yield meshes[0]


def _meshes(model: int) -> tuple[str, str]:
    return f"base{model}.glb", f"textured{model}.obj"


def models_in(folder: Path) -> tuple[int, ...]:
    """The models that a folder has data of; a task that names none draws from these."""
    if not folder.is_dir():
        return ()
    return tuple(sorted(int(match[1]) for file in folder.iterdir() if (match := _NUMBERED.fullmatch(file.name))))


def _articulated(folder: Path, objects: Objects) -> Iterator[Path]:
    """Model n is the n-th folder in the order of the first number in its name, or the one that is called n."""
    folders = (
        [entry for entry in folder.iterdir() if entry.is_dir() and entry.name != "visual"] if folder.is_dir() else []
    )
    folders.sort(key=lambda entry: int(match[0]) if (match := re.search(r"\d+", entry.name)) else 0)
    for model in objects.models:
        place = folders[model] if model < len(folders) else folder / str(model)
        for name in ("mobility.urdf", "model_data.json"):
            if not (place / name).is_file():
                yield place / name


def missing_embodiment(root: Path, name: str) -> list[Missing]:
    """An arm's files: its description, what its configuration refers to, and both of curobo's."""
    folder = root / "assets" / "embodiments" / name
    files = [folder / "config.yml", folder / "curobo_left_tmp.yml", folder / "curobo_right_tmp.yml"]
    if files[0].is_file():
        match = re.search(r"""^urdf_path:\s*["']?([^"'\s#]+)""", files[0].read_text(), re.MULTILINE)
        files += [folder / match[1]] if match else []
    return [Missing(str(path.relative_to(root)), "embodiments.zip") for path in files if not path.is_file()]


def missing_randomisation(root: Path) -> list[Missing]:
    """Textures of both splits, and the lists of objects that clutter the table."""
    missing = []
    for split in ("seen", "unseen"):
        folder = root / "assets" / "background_texture" / split
        if not folder.is_dir() or not any(folder.iterdir()):
            missing.append(Missing(str(folder.relative_to(root)), "background_texture.zip"))
    for name in ("objaverse/list.json", "same.json"):
        if not (root / "assets" / "objects" / name).is_file():
            missing.append(Missing(f"assets/objects/{name}", "objects.zip"))
    return missing
