"""Plain data that remembers where each piece was written, so that an error can say file and line.

A place is the text before an error: ``suites/smoke.yaml:14``, or ``command line``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vla_rl_bench.errors import SuiteError, UserError

COMMAND_LINE = "command line"
_SHOWN = 5  # errors at once

Path = tuple[str | int, ...]


class Keys(dict[str, Any]):
    """A mapping, with the place of itself and of each key."""

    def __init__(self, place: str) -> None:
        super().__init__()
        self.place = place
        self.places: dict[str, str] = {}

    def put(self, key: str, value: Any, place: str) -> None:
        self[key] = value
        self.places[key] = place

    def drop(self, key: str) -> None:
        self.pop(key, None)
        self.places.pop(key, None)


class Items(list[Any]):
    """A list, with the place of itself and of each item."""

    def __init__(self, place: str) -> None:
        super().__init__()
        self.place = place
        self.places: list[str] = []

    def put(self, value: Any, place: str) -> None:
        self.append(value)
        self.places.append(place)

    def drop(self, index: int) -> None:
        del self[index]
        del self.places[index]

    def named(self, name: str) -> int | None:
        """The index of the item with that ``name``."""
        return next((index for index, item in enumerate(self) if item_name(item) == name), None)

    def names(self) -> list[str]:
        return [name for item in self if (name := item_name(item)) is not None]


def item_name(item: Any) -> str | None:
    name = item.get("name") if isinstance(item, Mapping) else None
    return name if isinstance(name, str) else None


def placed(value: Any, place: str) -> Any:
    """Plain data -> the same as a tree, all of it at one place."""
    if isinstance(value, Mapping):
        keys = Keys(place)
        for key, one in value.items():
            keys.put(str(key), placed(one, place), place)
        return keys
    if isinstance(value, Sequence) and not isinstance(value, str):
        items = Items(place)
        for one in value:
            items.put(placed(one, place), place)
        return items
    return value


def copied(value: Any) -> Any:
    """A tree of its own, with the same places."""
    if isinstance(value, Keys):
        keys = Keys(value.place)
        for key, one in value.items():
            keys.put(key, copied(one), value.places[key])
        return keys
    if isinstance(value, Items):
        items = Items(value.place)
        for one, place in zip(value, value.places, strict=True):
            items.put(copied(one), place)
        return items
    return value


def merged(parent: Any, child: Any, *, root: bool = True) -> Any:
    """The child laid over its parent.

    Keys merge; lists of named items merge by ``name``; everything else, and a plugin of another ``name``, replaces.
    """
    if isinstance(parent, Keys) and isinstance(child, Keys):
        if not root and item_name(parent) != item_name(child) is not None:
            return child
        found = copied(parent)
        found.place = child.place
        for key, value in child.items():
            found.put(key, merged(parent.get(key), value, root=False), child.places[key])
        return found
    if isinstance(parent, Items) and isinstance(child, Items) and child and _all_named(parent) and _all_named(child):
        found = copied(parent)
        for value, place in zip(child, child.places, strict=True):
            index = found.named(str(value["name"]))
            if index is None:
                found.put(value, place)
            else:
                found[index], found.places[index] = merged(found[index], value, root=False), place
        return found
    return child


def _all_named(items: Items) -> bool:
    return len(items.names()) == len(items)


def place_of(tree: Any, path: Path) -> str:
    """Where the last piece of a path that was written at all was written."""
    place = str(tree.place)
    for part in path:
        if isinstance(tree, Keys) and part in tree:
            place, tree = tree.places[str(part)], tree[str(part)]
        elif isinstance(tree, Items) and isinstance(part, int) and part < len(tree):
            place, tree = tree.places[part], tree[part]
        else:
            break
    return place


def written(tree: Any, path: Path) -> str:
    """``arms.sft-rl.rl.group_size``: a path with named items by their names."""
    words = []
    for part in path:
        found: Any = None
        if isinstance(tree, Keys) and part in tree:
            found = tree[str(part)]
        elif isinstance(tree, Items) and isinstance(part, int) and part < len(tree):
            found = tree[part]
        words.append(item_name(found) or str(part) if isinstance(part, int) else part)
        tree = found
    return ".".join(words)


class SuiteErrors(UserError):
    """Several things that are wrong with a suite; printed one a line, the first few."""

    def __init__(self, errors: Sequence[SuiteError]) -> None:
        self.errors = tuple(errors)
        lines = [str(error) for error in errors[:_SHOWN]]
        if len(errors) > _SHOWN:
            lines.append(f"... and {len(errors) - _SHOWN} more")
        super().__init__("\n".join(lines))


def raise_all(tree: Any, problems: Iterable[tuple[Path, str]]) -> None:
    """Raise what is wrong, each with its place; nothing when nothing is."""
    errors = [SuiteError(place_of(tree, path), written(tree, path), what) for path, what in problems]
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise SuiteErrors(sorted(errors, key=_line))


def _line(error: SuiteError) -> tuple[str, int]:
    file, _, line = error.where.rpartition(":")
    return (file, int(line)) if line.isdigit() else (error.where, 0)
