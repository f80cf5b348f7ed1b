"""Where published numbers lie, and what they are called: the paper's tables by number, the others by name."""

from __future__ import annotations

from pathlib import Path

from vla_rl_bench.analysis.tables.model import Table
from vla_rl_bench.analysis.tables.published import PublishedTable, load_published, published_table
from vla_rl_bench.errors import UserError, did_you_mean


def reference_folder(name: str = "paper") -> Path:
    """``paper`` or ``published``: beside the package in a checkout, inside it where it was installed."""
    package = Path(__file__).resolve().parents[2]
    places = (package.parent / "results" / name, package / "_reference" / name)
    for place in places:
        if place.is_dir():
            return place
    raise UserError(f"no published tables at {places[0]}; reinstall vla-rl-bench, or run from its checkout")


def paper_table(number: int, folder: Path | None = None) -> Table:
    """Table `number` of SimpleVLA-RL."""
    place = folder or reference_folder()
    path = place / f"table{number}.yaml"
    if not path.is_file():
        raise UserError(f"--paper {number}: not typed in. Known: {', '.join(map(str, _numbers(place)))}.")
    return published_table(load_published(path))


def find_published(name: str) -> PublishedTable:
    """``2`` or ``paper-2`` for a table of the paper, or the name of a file under ``results/published``."""
    number = name.removeprefix("paper-")
    paper, others = reference_folder(), reference_folder("published")
    if number.isdigit() and (paper / f"table{number}.yaml").is_file():
        return load_published(paper / f"table{number}.yaml")
    if (others / f"{name}.yaml").is_file() and name == Path(name).name:
        return load_published(others / f"{name}.yaml")
    known = [*(f"paper-{number}" for number in _numbers(paper)), *sorted(path.stem for path in others.glob("*.yaml"))]
    raise UserError(f"`{name}`: no published numbers of that name.{did_you_mean(name, known)}")


def _numbers(folder: Path) -> list[int]:
    return sorted(int(path.stem[5:]) for path in folder.glob("table*.yaml") if path.stem[5:].isdigit())
