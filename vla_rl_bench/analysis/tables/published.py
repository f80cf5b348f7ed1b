"""Published numbers: percentages typed into files with their source; averages and differences are always derived."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from vla_rl_bench.analysis.tables.model import Column, Delta, Published, Row, Section, Table
from vla_rl_bench.errors import UserError, did_you_mean

Percentage = Annotated[float, Field(ge=0, le=100)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PublishedGroup(_Model):
    """Neighboring columns under one heading."""

    title: str = ""
    columns: tuple[str, ...]
    keys: tuple[str, ...] = ()  # the names of the columns in suites; without them no suite can name these rows
    average: bool = True  # the unweighted mean of the columns follows them

    @model_validator(mode="after")
    def _keys(self) -> PublishedGroup:
        if self.keys and len(self.keys) != len(self.columns):
            raise ValueError(f"{len(self.keys)} keys for {len(self.columns)} columns")
        return self


class PublishedRow(_Model):
    """A row as its source prints it."""

    name: str
    title: str
    source: str  # table and row
    values: tuple[Percentage | None, ...]  # null if the source prints none
    average: Percentage | None = None  # only if the source prints it without the values that it is the mean of

    @model_validator(mode="after")
    def _average(self) -> PublishedRow:
        if self.average is not None and None not in self.values:
            raise ValueError(f"{self.name}: the average follows from the values; do not type it")
        return self


class PublishedSection(_Model):
    """Rows under one heading."""

    title: str = ""
    rows: tuple[PublishedRow, ...]
    delta: tuple[tuple[str, str], ...] = ()  # pairs of rows by name (minuend, subtrahend), a line of differences each


class PublishedTable(_Model):
    """A table of published numbers."""

    title: str
    source: str
    paper: str = ""  # the beginning of every cell's source, if all rows are from one paper
    label: str
    protocol: str  # what is known about the measurement
    notes: tuple[str, ...] = ()  # contradictions within the source, kept as they are
    environment: str = ""  # the environment whose columns `keys` are
    row_header: str = "Model"
    groups: tuple[PublishedGroup, ...]
    overall: str | None = None  # the title of a last column, the mean over all groups' columns
    ranked: bool = False  # the best of each section is bold
    sections: tuple[PublishedSection, ...]

    @model_validator(mode="after")
    def _widths(self) -> PublishedTable:
        width = len(self.column_titles)
        for row in self.rows:
            if len(row.values) != width:
                raise ValueError(f"{row.name}: {len(row.values)} values for {width} columns")
        return self

    @property
    def rows(self) -> tuple[PublishedRow, ...]:
        return tuple(row for section in self.sections for row in section.rows)

    @property
    def column_titles(self) -> tuple[str, ...]:
        return tuple(title for group in self.groups for title in group.columns)

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(key for group in self.groups for key in group.keys)


def load_published(path: Path) -> PublishedTable:
    """Read and check a file of published numbers."""
    from pydantic import ValidationError
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return PublishedTable.model_validate(YAML(typ="safe", pure=True).load(path))
    except (ValidationError, YAMLError) as error:
        raise UserError(f"{path}: not a table of published numbers: {' '.join(str(error).split())}") from None


def published_table(published: PublishedTable) -> Table:
    """The published numbers as a `Table`, which derives the averages and differences."""
    index = {row.name: number for number, row in enumerate(published.rows)}

    def section(block: PublishedSection) -> Section:
        deltas = tuple(Delta("Δ", index[minuend], index[subtrahend]) for minuend, subtrahend in block.delta)
        return Section((*(table_row(published, row) for row in block.rows), *deltas), block.title)

    return Table(
        title=published.title,
        columns=_columns(published),
        sections=tuple(section(block) for block in published.sections),
        label=published.label,
        notes=(f"Published numbers: {published.source}.", *_notes(published), *published.notes),
        row_header=published.row_header,
        ranked=published.ranked,
    )


STATED = " †"
"""Marks the title of a row whose average is printed by its source."""

STATED_NOTE = "† The average is printed by the source; the rates that it is the mean of are not known."


def table_row(published: PublishedTable, row: PublishedRow, *, with_average: bool = True) -> Row:
    """A row whose cells name the table, row and column that they are printed in.

    Args:
        published: The table of the row.
        row: The row.
        with_average: Keep an average that is printed without its parts.
    """
    source = ", ".join(part for part in (published.paper, row.source) if part)
    cells = tuple(
        None if value is None else _percentage(value, f'{source}, column "{title}"')
        for value, title in zip(row.values, published.column_titles, strict=True)
    )
    if row.average is None or not with_average:
        return Row(row.title, cells)
    return Row(row.title + STATED, cells, _percentage(row.average, f"{source}, the average as printed"))


def _percentage(value: float, source: str) -> Published:
    return Published(Fraction(str(value)) / 100, source)


def _notes(published: PublishedTable) -> Iterator[str]:
    has_averages = published.overall or any(group.average for group in published.groups)
    has_differences = any(section.delta for section in published.sections)
    if has_averages or has_differences:
        names = ["averages"] * bool(has_averages) + ["differences"] * has_differences
        yield f"{' and '.join(names).capitalize()} are derived from them."
    if any(row.average is not None for row in published.rows):
        yield STATED_NOTE


def _columns(published: PublishedTable) -> tuple[Column, ...]:
    columns: list[Column] = []
    for group in published.groups:
        start = len(columns)
        columns += [Column(title, group.title) for title in group.columns]
        if group.average:
            columns.append(Column("Avg", group.title, tuple(range(start, len(columns)))))
    if published.overall:
        plain = tuple(index for index, column in enumerate(columns) if not column.mean_of)
        columns.append(Column(published.overall, "", plain))
    return tuple(columns)


# -- the files


def reference_folder(name: str = "paper") -> Path:
    """The folder ``paper`` or ``published``: beside the package in a checkout, inside it if it was installed."""
    package = Path(__file__).resolve().parents[2]
    folders = (package.parent / "results" / name, package / "_reference" / name)
    for folder in folders:
        if folder.is_dir():
            return folder
    raise UserError(f"no published tables at {folders[0]}; reinstall vla-rl-bench, or run from its checkout")


def paper_table(number: int) -> Table:
    """Table `number` of SimpleVLA-RL."""
    folder = reference_folder()
    path = folder / f"table{number}.yaml"
    if not path.is_file():
        raise UserError(f"--paper {number}: no such table. Choose from {', '.join(map(str, _numbers(folder)))}.")
    return published_table(load_published(path))


def find_published(name: str) -> PublishedTable:
    """The table of a name: ``2`` or ``paper-2`` for one of the paper's, or a file under ``results/published``."""
    number = name.removeprefix("paper-")
    paper, others = reference_folder(), reference_folder("published")
    if number.isdigit() and (paper / f"table{number}.yaml").is_file():
        return load_published(paper / f"table{number}.yaml")
    if (others / f"{name}.yaml").is_file() and name == Path(name).name:
        return load_published(others / f"{name}.yaml")
    names = [*(f"paper-{number}" for number in _numbers(paper)), *sorted(path.stem for path in others.glob("*.yaml"))]
    raise UserError(f"`{name}`: no published numbers of that name.{did_you_mean(name, names)}")


def _numbers(folder: Path) -> list[int]:
    return sorted(int(path.stem[5:]) for path in folder.glob("table*.yaml") if path.stem[5:].isdigit())
