"""Published rows beside our own: a labelled block, laid out in the publication's columns, with nothing derived across.

Each side keeps its protocol: no difference and no rank is taken between them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from vla_rl_bench.analysis.tables.model import Column, Delta, Joint, Row, Section, Table
from vla_rl_bench.analysis.tables.published import STATED, STATED_NOTE, PublishedGroup, PublishedTable, row_of
from vla_rl_bench.errors import UserError

OURS = "Measured here"
INCOMPARABLE = " ‡"
FURTHER = "Further tasks"


@dataclass(frozen=True)
class _Place:
    """A column that is no mean: what the suite calls it, how the publication titles it."""

    key: str
    title: str
    group: str


def beside(
    table: Table,
    environment: str,
    references: Sequence[PublishedTable],
    *,
    tasks: Mapping[str, Sequence[int]] | None = None,
) -> Table:
    """The suite's table with a block of rows from each publication; the first one's columns, groups and headings.

    Published rows that have nothing in these columns are left out.  tasks: columns of which only these tasks were
    measured; published figures are over all of them, so such columns are marked as not comparable.

    `table` comes from `vla_rl_bench.analysis.tables.build`: its columns are titled by the suite's column names.
    """
    plain = [column for column in table.columns if not column.mean_of]
    for published in references:
        refuse_others(published, environment, [column.title for column in plain])
    first = references[0]
    stacked = first.stacked and len(_groups(first, plain)) > 1
    places = _places(first, [column.title for column in plain], FURTHER if stacked else "")
    order = [[column.title for column in plain].index(place.key) for place in places]
    some = {key: of for key, of in (tasks or {}).items() if key in {column.title for column in plain}}
    comparable = {column.title: column.comparable and column.title not in some for column in plain}
    return replace(
        table,
        columns=_columns(first, places, comparable, len(plain) < len(table.columns)),
        sections=(*(_ours(section, order) for section in table.sections), *(_block(one, places) for one in references)),
        notes=(*_ours_notes(table.notes, some), *(note for one in references for note in _notes(one, places))),
        heading=first.heading,
        stacked=stacked,
    )


def refuse_others(published: PublishedTable, environment: str, keys: Sequence[str]) -> None:
    """Numbers of another environment, or of none of these columns."""
    if published.environment != environment:
        where = f"of `{published.environment}`" if published.environment else "of no environment that suites can name"
        raise UserError(f"{published.title}: numbers {where}; they cannot stand beside rows of `{environment}`")
    if not set(keys) & set(published.keys):
        raise UserError(
            f"{published.title}: none of its columns ({', '.join(published.keys)}) is in this table ({', '.join(keys)})"
        )


def _groups(published: PublishedTable, columns: Sequence[Column]) -> list[PublishedGroup]:
    """The publication's groups that have columns here."""
    keys = {column.title for column in columns}
    return [group for group in published.groups if keys & set(group.keys)]


def _places(published: PublishedTable, keys: Sequence[str], further: str) -> list[_Place]:
    """The publication's order; columns that it lacks follow, in the group `further`."""
    known = [
        _Place(key, title, group.title)
        for group in published.groups
        for key, title in zip(group.keys, group.columns, strict=False)
        if key in keys
    ]
    return known + [_Place(key, key, further) for key in keys if key not in published.keys]


def _columns(
    published: PublishedTable, places: Sequence[_Place], comparable: dict[str, bool], averaged: bool
) -> tuple[Column, ...]:
    """averaged: ours have a mean; where the publication leaves none here, it stays at the end."""
    columns: list[Column] = []
    for group in published.groups:
        members = [place for place in places if place.key in group.keys]
        first = len(columns)
        columns += [_column(place, comparable) for place in members]
        if group.average and len(members) > 1:
            heading = "" if group.average == "apart" else group.title
            mean_of = range(first, len(columns))
            columns.append(Column(_mean_title("Avg", mean_of, group.columns), heading, tuple(mean_of)))
    known = tuple(index for index, column in enumerate(columns) if not column.mean_of)
    columns += [_column(place, comparable) for place in places if place.key not in published.keys]
    if published.overall and len({columns[index].group for index in known}) > 1:
        columns.append(Column(_mean_title(published.overall, known, published.keys), "", known))
    if averaged and not any(column.mean_of for column in columns) and len(columns) > 1:
        columns.append(Column("Avg", "", tuple(range(len(columns)))))
    return tuple(columns)


def _column(place: _Place, comparable: dict[str, bool]) -> Column:
    same = comparable[place.key]
    return Column(place.title + ("" if same else INCOMPARABLE), place.group, comparable=same)


def _mean_title(title: str, mean_of: Sequence[int], published: Sequence[str]) -> str:
    """Both sides' mean is over the columns that are here; where some are not, its title says so."""
    return title if len(mean_of) == len(published) else f"{title} of these {len(mean_of)}"


def _ours(section: Section, order: Sequence[int]) -> Section:
    lines = tuple(_reordered(line, order) for line in section.lines)
    return Section(lines, f"{OURS}: {section.title}" if section.title else OURS)


def _reordered(line: Row | Delta, order: Sequence[int]) -> Row | Delta:
    if isinstance(line, Row):
        return replace(line, cells=tuple(line.cells[index] for index in order))
    intervals = tuple(line.intervals[index] for index in order)
    return replace(line, intervals=intervals, joint=_reordered_joint(line.joint, order))


def _reordered_joint(joint: Joint | None, order: Sequence[int]) -> Joint | None:
    return None if joint is None else lambda places: joint([order[place] for place in places])


def _block(published: PublishedTable, places: Sequence[_Place]) -> Section:
    whole = _whole(published, places)
    rows = tuple(
        _row(published, row_of(published, row), section.title, places, whole)
        for section in published.sections
        for row in section.rows
    )
    name = published.title.partition(":")[0]  # SimpleVLA-RL, table 2
    rows = tuple(row for row in rows if row.stated or any(row.cells))
    return Section(rows, name if name.startswith("Published") else f"Published: {name}", reference=True)


def _whole(published: PublishedTable, places: Sequence[_Place]) -> bool:
    """Whether the columns are the publication's, so that an average that it states is of these."""
    return {place.key for place in places} == set(published.keys)


def _row(published: PublishedTable, row: Row, section: str, places: Sequence[_Place], whole: bool) -> Row:
    cells = dict(zip(published.keys, row.cells, strict=True))
    name = row.title if whole else row.title.removesuffix(STATED)
    title = f"{name} ({section})" if section else name
    return Row(title, tuple(cells.get(place.key) for place in places), row.stated if whole else None)


def _ours_notes(notes: Sequence[str], some: Mapping[str, Sequence[int]]) -> list[str]:
    mark = INCOMPARABLE.strip()
    ours = [f"{mark} {note}" if note.startswith("Not comparable") else note for note in notes]
    named = "; ".join(f"{key} {', '.join(map(str, of))}" for key, of in some.items())
    return (
        [*ours, f"{mark} Only some tasks were measured, where published figures are over all: {named}."]
        if some
        else ours
    )


def _notes(published: PublishedTable, places: Sequence[_Place]) -> list[str]:
    notes = [f"Published rows, not measured here: {published.source}. {published.protocol}"]
    stated = _whole(published, places) and any(row.average is not None for row in published.rows)
    return [*notes, STATED_NOTE] if stated else notes
