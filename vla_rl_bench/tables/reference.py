"""Published tables: percentages typed in with their source; averages and differences are derived, never typed."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from vla_rl_bench.errors import UserError
from vla_rl_bench.tables.model import Cell, Column, Delta, Published, Row, Section, Table

Percentage = Annotated[float, Field(ge=0, le=100)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PublishedGroup(_Model):
    """Neighbouring columns under one heading.  average: their unweighted mean follows them."""

    title: str = ""
    columns: tuple[str, ...]
    average: bool = True


class PublishedRow(_Model):
    """source: where in the paper the row stands.  values: in percent, as printed; null where the paper has none."""

    name: str
    title: str
    source: str
    values: tuple[Percentage | None, ...]


class PublishedSection(_Model):
    """delta: pairs of rows by name (minuend, subtrahend), a line of differences each."""

    title: str = ""
    rows: tuple[PublishedRow, ...]
    delta: tuple[tuple[str, str], ...] = ()


class PublishedTable(_Model):
    """overall: the title of a last column, the mean over all groups' columns."""

    title: str
    source: str
    label: str
    groups: tuple[PublishedGroup, ...]
    overall: str | None = None
    sections: tuple[PublishedSection, ...]


def reference_folder() -> Path:
    """Where the published numbers lie: beside the package in a checkout, inside it where it was installed."""
    package = Path(__file__).resolve().parents[1]
    places = (package.parent / "results" / "paper", package / "_reference" / "paper")
    for place in places:
        if place.is_dir():
            return place
    raise UserError(f"no published tables at {places[0]}; reinstall vla-rl-bench, or run from its checkout")


def paper_table(number: int, folder: Path | None = None) -> Table:
    """Table `number` of SimpleVLA-RL."""
    place = folder or reference_folder()
    path = place / f"table{number}.yaml"
    if not path.is_file():
        known = sorted(int(found.stem[5:]) for found in place.glob("table*.yaml") if found.stem[5:].isdigit())
        raise UserError(f"--paper {number}: not typed in. Known: {', '.join(map(str, known))}.")
    return published_table(load_published(path))


def load_published(path: Path) -> PublishedTable:
    """Reads and checks a file of published numbers."""
    from pydantic import ValidationError
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return PublishedTable.model_validate(YAML(typ="safe", pure=True).load(path))
    except (ValidationError, YAMLError) as error:
        raise UserError(f"{path}: not a table of published numbers: {' '.join(str(error).split())}") from None


def published_table(published: PublishedTable) -> Table:
    """The published numbers as a `Table`, which derives the averages and differences."""
    rows = [row for section in published.sections for row in section.rows]
    index = {row.name: number for number, row in enumerate(rows)}
    width = sum(len(group.columns) for group in published.groups)

    def section(block: PublishedSection) -> Section:
        lines = tuple(Row(row.title, tuple(_cell(value, row.source) for value in row.values)) for row in block.rows)
        deltas = tuple(Delta("Δ", index[first], index[second], (None,) * width) for first, second in block.delta)
        return Section((*lines, *deltas), block.title)

    return Table(
        title=published.title,
        columns=_columns(published),
        sections=tuple(section(block) for block in published.sections),
        label=published.label,
        notes=(f"Published numbers: {published.source}.", "Averages and differences are derived from them."),
    )


def _cell(percentage: float | None, source: str) -> Cell:
    return None if percentage is None else Published(Fraction(str(percentage)) / 100, source)


def _columns(published: PublishedTable) -> tuple[Column, ...]:
    columns: list[Column] = []
    for group in published.groups:
        first = len(columns)
        columns += [Column(title, group.title) for title in group.columns]
        if group.average:
            columns.append(Column("Avg", group.title, tuple(range(first, len(columns)))))
    if published.overall:
        plain = tuple(place for place, column in enumerate(columns) if not column.mean_of)
        columns.append(Column(published.overall, "", plain))
    return tuple(columns)
