"""YAML 1.2 text as plain data that remembers where each key and item was written: file and line, or the command line.

ruamel's round-trip mappings have positions too (`.lc`) and were tried: they lack the file, which `extends` needs, they
do not follow a deleted item, and dates and tags pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from vla_rl_bench.errors import SuiteError, UserError

COMMAND_LINE = "command line"
_PRINTED = 5  # errors at once

KeyPath = tuple[str | int, ...]


class LocatedDict(dict[str, Any]):
    def __init__(self, location: str) -> None:
        super().__init__()
        self.location = location  # of the mapping itself
        self.locations: dict[str, str] = {}  # of the keys

    def put(self, key: str, value: Any, location: str) -> None:
        self[key] = value
        self.locations[key] = location


class LocatedList(list[Any]):
    def __init__(self, location: str) -> None:
        super().__init__()
        self.location = location  # of the list itself
        self.locations: list[str] = []  # of the items

    def put(self, value: Any, location: str) -> None:
        self.append(value)
        self.locations.append(location)

    def remove_at(self, index: int) -> None:
        del self[index], self.locations[index]

    def index_of(self, name: str) -> int | None:
        """Return the index of the item with that ``name``."""
        return next((index for index, item in enumerate(self) if item_name(item) == name), None)

    def names(self) -> list[str]:
        return [name for item in self if (name := item_name(item)) is not None]


def item_name(item: Any) -> str | None:
    name = item.get("name") if isinstance(item, Mapping) else None
    return name if isinstance(name, str) else None


def merge(parent: Any, child: Any, *, root: bool = True) -> Any:
    """Lay a child over its parent.

    Keys merge; lists of named items merge by ``name``; any other value, and a plugin of another ``name``, replaces.
    """
    if isinstance(parent, LocatedDict) and isinstance(child, LocatedDict):
        if not root and item_name(parent) != item_name(child) is not None:
            return child
        merged = deepcopy(parent)
        merged.location = child.location
        for key, value in child.items():
            merged.put(key, merge(parent.get(key), value, root=False), child.locations[key])
        return merged
    if _all_named(parent) and _all_named(child):
        items = deepcopy(parent)
        for value, location in zip(child, child.locations, strict=True):
            index = items.index_of(value["name"])
            if index is None:
                items.put(value, location)
            else:
                items[index], items.locations[index] = merge(items[index], value, root=False), location
        return items
    return child


def _all_named(items: Any) -> bool:
    return isinstance(items, LocatedList) and 0 < len(items) == len(items.names())


# -- errors with their location


class SuiteErrors(UserError):
    """Several errors in a suite; the first few are printed, one a line."""

    def __init__(self, errors: Sequence[SuiteError]) -> None:
        self.errors = tuple(errors)
        lines = [str(error) for error in errors[:_PRINTED]]
        if len(errors) > _PRINTED:
            lines.append(f"... and {len(errors) - _PRINTED} more")
        super().__init__("\n".join(lines))


def raise_errors(tree: Any, errors: Iterable[tuple[KeyPath, str]], location: str | None = None) -> None:
    """Raise the errors, if there are any, in the order of the file.

    Args:
        tree: The data in which the paths are.
        errors: Each error's path and text.
        location: The location of every error, if the data has none.
    """
    located = [SuiteError(location or location_of(tree, path), path_text(tree, path), text) for path, text in errors]
    if len(located) == 1:
        raise located[0]
    if located:
        raise SuiteErrors(sorted(located, key=_line))


def _line(error: SuiteError) -> tuple[str, int]:
    file, _, line = error.where.rpartition(":")
    return (file, int(line)) if line.isdigit() else (error.where, 0)


def location_of(tree: Any, path: KeyPath) -> str:
    """Return the location of the last part of a path that was written."""
    location = str(tree.location)
    for part in path:
        if not has(tree, part):
            break
        location, tree = tree.locations[part], tree[part]
    return location


def path_text(tree: Any, path: KeyPath) -> str:
    """Return a path as text, with named items by their names: ``arms.sft-rl.rl.group_size``."""
    words = []
    for part in path:
        tree = tree[part] if has(tree, part) else None
        words.append(item_name(tree) or str(part) if isinstance(part, int) else part)
    return ".".join(words)


def has(tree: Any, part: str | int) -> bool:
    """Return True if data has a key or an item."""
    return part in tree if isinstance(tree, dict) else isinstance(tree, list) and part in range(len(tree))


# -- reading


def read_text(path: Path, name: str) -> str:
    """Return the text of a file; a `SuiteError` if it is not UTF-8."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SuiteError(name, "", f"cannot be read: {error.strerror or error}") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise SuiteError(f"{name}:{line}", "", "this is not UTF-8; save the file as UTF-8 text") from None


def parse(text: str, name: str) -> LocatedDict:
    """Return the keys of a suite file's text.  name: of the file, in errors."""
    try:
        tree = _Builder(name).read(text)
    except RecursionError:
        raise SuiteError(f"{name}:1", "", "is nested too deeply, or contains itself") from None
    except (YAMLError, ValueError) as error:
        raise _syntax_error(error, text, name) from None
    if tree is None:
        raise SuiteError(f"{name}:1", "", "is empty; a suite begins with `name:`")
    if not isinstance(tree, LocatedDict):
        raise SuiteError(f"{name}:1", "", "expected `key: value` lines at the top, not a list or a single value")
    return tree


def parse_value(text: str) -> Any:
    """Return the value after ``=`` on the command line."""
    try:
        return _Builder(None).read(text)
    except (YAMLError, ValueError, RecursionError) as error:
        problem = " ".join(str(getattr(error, "problem", None) or error).split())
        raise SuiteError(COMMAND_LINE, "", f"`{text}` is not a YAML value: {problem}") from None


_ADVICE = {  # part of ruamel's message -> what to write instead
    "another document": "a second document begins here; a suite file holds one suite",
    r"'\t'": "a tab; YAML indents with spaces. Replace the tab by spaces",
    "mapping values are not allowed": "a `:` where none can be; check the indentation, or quote the text",
    "special characters are not allowed": "a control character; a suite is a YAML text file",
}


def _syntax_error(error: Exception, text: str, name: str) -> SuiteError:
    line, problem = 1, str(error)
    if isinstance(error, MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        line, problem = (mark.line + 1 if mark else 1), error.problem or error.context or "not YAML"
    elif isinstance(error, ReaderError):
        line = text.count("\n", 0, error.position) + 1
    problem = next((advice for part, advice in _ADVICE.items() if part in problem), problem)
    return SuiteError(f"{name}:{line}", "", " ".join(problem.split()))


_STANDARD = "tag:yaml.org,2002:"
_CONVERTED = {f"{_STANDARD}{name}" for name in ("int", "float", "bool", "null")}
_TEXTS = {f"{_STANDARD}{name}" for name in ("str", "timestamp")}  # YAML 1.2 has no dates
_LARGEST = 100_000  # nodes; a few aliases of aliases would otherwise fill the memory


class _Builder:
    """Builds located data from ruamel's nodes; ruamel resolves and converts YAML 1.2's scalars."""

    def __init__(self, file: str | None) -> None:
        self._yaml = YAML(typ="safe", pure=True)
        self._file = file  # None: the command line
        self._nodes = 0

    def read(self, text: str) -> Any:
        node = self._yaml.compose(text)
        return None if node is None else self._build(node)

    def _location(self, node: Node) -> str:
        return COMMAND_LINE if self._file is None else f"{self._file}:{node.start_mark.line + 1}"

    def _build(self, node: Node) -> Any:
        self._nodes += 1
        if self._nodes > _LARGEST:
            raise SuiteError(self._location(node), "", "is too large for a suite; are there aliases of aliases?")
        if isinstance(node, MappingNode) and node.tag == f"{_STANDARD}map":
            keys = LocatedDict(self._location(node))
            for key, value in self._pairs(node):
                name, location = self._text(key), self._location(key)
                if name in keys:
                    first = keys.locations[name]
                    raise SuiteError(location, name, f"is written twice, first at {first}; remove one")
                keys.put(name, self._build(value), location)
            return keys
        if isinstance(node, SequenceNode) and node.tag == f"{_STANDARD}seq":
            items = LocatedList(self._location(node))
            for item in node.value:
                items.put(self._build(item), self._location(item))
            return items
        if isinstance(node, ScalarNode) and node.tag in _TEXTS:
            return self._text(node)
        if isinstance(node, ScalarNode) and node.tag in _CONVERTED:
            return self._yaml.constructor.construct_object(node)
        tag = str(node.tag).replace(_STANDARD, "!!")
        what = f"the tag `{tag}` builds an object; write a plain value, without a tag"
        raise SuiteError(self._location(node), "", what)

    def _text(self, node: ScalarNode) -> str:
        text = str(node.value)
        if any("\ud800" <= letter <= "\udfff" for letter in text):
            raise SuiteError(self._location(node), "", "half a character (a surrogate); write the character itself")
        return text

    def _pairs(self, node: MappingNode) -> Iterator[tuple[ScalarNode, Node]]:
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                raise SuiteError(self._location(key), "", "a key must be a word, not a list or a mapping")
            if key.tag == f"{_STANDARD}merge":
                what = "YAML 1.2 has no merge keys; write the keys out, or `extends:`"
                raise SuiteError(self._location(key), "<<", what)
            yield key, value
