"""Published rows in the table of a suite: a section of their own, in the publication's columns.

Both sides keep their protocols: no difference is taken between them, and they are not ranked together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from vla_rl_bench.analysis.tables.model import Column, DifferenceOf, Row, Section, Table
from vla_rl_bench.analysis.tables.published import STATED_NOTE, PublishedTable, find_published, table_row
from vla_rl_bench.config.schema import Suite
from vla_rl_bench.errors import UserError

OURS = "Measured here"
INCOMPARABLE = "‡"


@dataclass(frozen=True)
class _Task:
    """A column that is not a mean."""

    key: str  # in the suite
    title: str  # in the publication
    group: str


def with_references(table: Table, suite: Suite, names: Sequence[str] | None = None) -> Table:
    """The table with rows of publications: those named as ``--reference`` has them, by default those of the suite."""
    names = suite.table.references if names is None else names
    references = [find_published(name) for name in dict.fromkeys(names)]
    return with_reference_rows(table, suite.environment.name, references, tasks=suite.tasks) if references else table


def check_reference_tables(suite: Suite) -> None:
    """Reject unknown publications and those of other environments, before anything runs."""
    for name in suite.table.references:
        try:
            check_same_environment(find_published(name), suite.environment.name, suite.columns)
        except UserError as error:
            raise UserError(f"{suite.name}: table.references: {error}") from None


def check_same_environment(published: PublishedTable, environment: str, keys: Sequence[str]) -> None:
    """Reject numbers of another environment, or of none of these columns."""
    if published.environment != environment:
        name = f"`{published.environment}`" if published.environment else "an environment that suites cannot name"
        raise UserError(f"{published.title}: has numbers of {name}; a table of `{environment}` cannot show them")
    if not set(keys) & set(published.keys):
        raise UserError(
            f"{published.title}: this table ({', '.join(keys)}) has none of its columns ({', '.join(published.keys)})"
        )


def with_reference_rows(
    table: Table,
    environment: str,
    references: Sequence[PublishedTable],
    *,
    tasks: Mapping[str, Sequence[int]] | None = None,
) -> Table:
    """The table with a section of rows from each publication, and the first publication's columns and groups.

    Published rows without a number in these columns are left out.

    Args:
        table: From `vla_rl_bench.analysis.tables.build`: its columns have the suite's names as titles.
        environment: The suite's environment.
        references: At least one.
        tasks: Columns of which only these tasks were measured.  Published rates are over all tasks, so these columns
            are marked as not comparable.
    """
    plain = [column for column in table.columns if not column.mean_of]
    keys = [column.title for column in plain]
    for published in references:
        check_same_environment(published, environment, keys)
    columns = _tasks(references[0], keys)
    order = [keys.index(column.key) for column in columns]
    partial = {key: indices for key, indices in (tasks or {}).items() if key in keys}
    unlike = [column.title for column in plain if not column.comparable]
    notes = [f"{INCOMPARABLE} Not comparable with the published rows: {', '.join(unlike)}."] if unlike else []
    if partial:
        names = "; ".join(f"{key} {', '.join(map(str, indices))}" for key, indices in partial.items())
        notes.append(f"{INCOMPARABLE} Only some tasks were measured; published rates are over all tasks: {names}.")
    for published in references:
        notes.append(f"Published rows, not measured here: {published.source}. {published.protocol}")
        if _has_all(published, columns) and any(row.average is not None for row in published.rows):
            notes.append(STATED_NOTE)
    return replace(
        table,
        columns=_columns(references[0], columns, {*unlike, *partial}, has_mean=len(plain) < len(table.columns)),
        sections=(
            *(_our_section(section, order) for section in table.sections),
            *(_published_section(published, columns) for published in references),
        ),
        notes=(*table.notes, *notes),
    )


def _tasks(published: PublishedTable, keys: Sequence[str]) -> list[_Task]:
    """The columns in the publication's order; columns that it does not have follow."""
    tasks = [
        _Task(key, title, group.title)
        for group in published.groups
        for key, title in zip(group.keys, group.columns, strict=False)
        if key in keys
    ]
    return tasks + [_Task(key, key, "") for key in keys if key not in published.keys]


def _columns(
    published: PublishedTable, tasks: Sequence[_Task], unlike: set[str], *, has_mean: bool
) -> tuple[Column, ...]:
    """The columns with the publication's means; if it has none here, our own mean stays at the end."""
    columns: list[Column] = []
    for group in published.groups:
        members = [task for task in tasks if task.key in group.keys]
        start = len(columns)
        columns += [_column(task, unlike) for task in members]
        if group.average and len(members) > 1:
            mean_of = tuple(range(start, len(columns)))
            columns.append(Column(_mean_title("Avg", mean_of, group.columns), group.title, mean_of))
    shared = tuple(index for index, column in enumerate(columns) if not column.mean_of)
    columns += [_column(task, unlike) for task in tasks if task.key not in published.keys]
    if published.overall and len({columns[index].group for index in shared}) > 1:
        columns.append(Column(_mean_title(published.overall, shared, published.keys), "", shared))
    if has_mean and not any(column.mean_of for column in columns) and len(columns) > 1:
        columns.append(Column("Avg", "", tuple(range(len(columns)))))
    return tuple(columns)


def _column(task: _Task, unlike: set[str]) -> Column:
    mark = f" {INCOMPARABLE}" if task.key in unlike else ""
    return Column(task.title + mark, task.group, comparable=not mark)


def _mean_title(title: str, mean_of: Sequence[int], published: Sequence[str]) -> str:
    """The title of a mean, which on both sides is over the columns of this table only."""
    return title if len(mean_of) == len(published) else f"{title} of these {len(mean_of)}"


def _our_section(section: Section, order: Sequence[int]) -> Section:
    def reordered(difference: DifferenceOf) -> DifferenceOf:
        return lambda cells: difference([order[cell] for cell in cells])

    lines = tuple(
        replace(line, cells=tuple(line.cells[index] for index in order))
        if isinstance(line, Row)
        else replace(line, difference=reordered(line.difference))
        for line in section.lines
    )
    return Section(lines, f"{OURS}: {section.title}" if section.title else OURS)


def _published_section(published: PublishedTable, tasks: Sequence[_Task]) -> Section:
    rows = []
    for section in published.sections:
        for published_row in section.rows:
            row = table_row(published, published_row, with_average=_has_all(published, tasks))
            cells = dict(zip(published.keys, row.cells, strict=True))
            title = f"{row.title} ({section.title})" if section.title else row.title
            rows.append(Row(title, tuple(cells.get(task.key) for task in tasks), row.stated))
    name = published.title.partition(":")[0]  # SimpleVLA-RL, table 2
    lines = tuple(row for row in rows if row.stated or any(row.cells))
    return Section(lines, name if name.startswith("Published") else f"Published: {name}", reference=True)


def _has_all(published: PublishedTable, tasks: Sequence[_Task]) -> bool:
    """Check that the columns are the publication's, so that an average that it prints is over them."""
    return {task.key for task in tasks} == set(published.keys)
