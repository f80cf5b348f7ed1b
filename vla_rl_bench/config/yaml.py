"""YAML 1.2 text -> a tree with places.  Only plain values: no tags that build objects, no duplicate keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from vla_rl_bench.config.tree import Items, Keys
from vla_rl_bench.errors import SuiteError

_STANDARD = "tag:yaml.org,2002:"
_CONVERTED = {f"{_STANDARD}{name}" for name in ("int", "float", "bool", "null")}
_TEXTS = {f"{_STANDARD}{name}" for name in ("str", "timestamp")}  # YAML 1.2 has no dates
_LARGEST = 100_000  # pieces; a few aliases of aliases would otherwise fill the memory
_TAB_INDENT = re.compile(r"^[ ]*\t[ \t]*[^\s#]")


def read_text(path: Path, shown: str) -> str:
    """A file's text; refuses what is not UTF-8 text."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SuiteError(shown, "", f"cannot be read: {error.strerror or error}") from None
    if b"\0" in content:
        line = content[: content.index(b"\0")].count(b"\n") + 1
        raise SuiteError(f"{shown}:{line}", "", "this is a binary file; a suite is a YAML text file")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise SuiteError(f"{shown}:{line}", "", "this is not UTF-8; save the file as UTF-8 text") from None


def parse(text: str, shown: str) -> Keys:
    """A suite file's text -> its keys.  shown: the file's name in errors."""
    _refuse_tabs(text, shown)
    try:
        yaml = YAML(typ="safe", pure=True)
        node = yaml.compose(text)
        tree = None if node is None else _Builder(yaml, shown).build(node)
    except RecursionError:
        raise SuiteError(f"{shown}:1", "", "is nested too deeply, or contains itself") from None
    except (YAMLError, ValueError) as error:
        raise _syntax_error(error, text, shown) from None
    if tree is None:
        raise SuiteError(f"{shown}:1", "", "is empty; a suite begins with `name:`")
    if not isinstance(tree, Keys):
        raise SuiteError(f"{shown}:1", "", "expected `key: value` lines at the top, not a list or a single value")
    return tree


def parse_value(text: str) -> Any:
    """What stands after ``=`` on the command line -> plain data; raises `SuiteError` without a place."""
    try:
        yaml = YAML(typ="safe", pure=True)
        node = yaml.compose(text)
        return None if node is None else _Builder(yaml, "").build(node)
    except (YAMLError, ValueError, RecursionError) as error:
        problem = " ".join(str(getattr(error, "problem", None) or error).split())
        raise SuiteError("", "", f"`{text}` is not a YAML value: {problem}") from None


def _refuse_tabs(text: str, shown: str) -> None:
    for number, line in enumerate(text.splitlines(), start=1):
        if _TAB_INDENT.match(line):
            raise SuiteError(f"{shown}:{number}", "", "a tab; YAML indents with spaces. Replace the tab by spaces")


def _syntax_error(error: Exception, text: str, shown: str) -> SuiteError:
    line, problem = 1, str(error)
    if isinstance(error, MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        line, problem = (mark.line + 1 if mark else 1), error.problem or error.context or "not YAML"
    elif isinstance(error, ReaderError):
        line = text.count("\n", 0, error.position) + 1
        problem = "a control character; a suite is a YAML text file"
    if "another document" in problem:
        problem = "a second document begins here; a suite file holds one suite"
    elif r"'\t'" in problem:
        problem = "a tab; YAML uses spaces. Replace the tab by spaces"
    elif "mapping values are not allowed" in problem:
        problem = "a `:` where none can be; check the indentation, or quote the text"
    return SuiteError(f"{shown}:{line}", "", " ".join(problem.split()))


class _Builder:
    """Nodes -> a tree.  The parser has resolved YAML 1.2's scalars; converting them is left to ruamel."""

    def __init__(self, yaml: YAML, shown: str) -> None:
        self._constructor = yaml.constructor
        self._shown = shown
        self._pieces = 0

    def place(self, node: Node) -> str:
        return f"{self._shown}:{node.start_mark.line + 1}"

    def build(self, node: Node) -> Any:
        self._pieces += 1
        if self._pieces > _LARGEST:
            raise SuiteError(self.place(node), "", "is too large for a suite; are there aliases of aliases?")
        if isinstance(node, MappingNode) and node.tag == f"{_STANDARD}map":
            return self._keys(node)
        if isinstance(node, SequenceNode) and node.tag == f"{_STANDARD}seq":
            items = Items(self.place(node))
            for one in node.value:
                items.put(self.build(one), self.place(one))
            return items
        if isinstance(node, ScalarNode) and node.tag in _TEXTS:
            return self._text(node)
        if isinstance(node, ScalarNode) and node.tag in _CONVERTED:
            return self._constructor.construct_object(node)
        tag = str(node.tag).replace(_STANDARD, "!!")
        raise SuiteError(self.place(node), "", f"the tag `{tag}` builds an object; write a plain value, without a tag")

    def _text(self, node: ScalarNode) -> str:
        text = str(node.value)
        if any("\ud800" <= letter <= "\udfff" for letter in text):
            raise SuiteError(self.place(node), "", "half a character (a surrogate); write the character itself")
        return text

    def _keys(self, node: MappingNode) -> Keys:
        keys = Keys(self.place(node))
        for key, value in self._pairs(node):
            name, place = self._text(key), self.place(key)
            if name in keys:
                raise SuiteError(place, name, f"is written twice, first at {keys.places[name]}; remove one")
            keys.put(name, self.build(value), place)
        return keys

    def _pairs(self, node: MappingNode) -> Iterator[tuple[ScalarNode, Node]]:
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                raise SuiteError(self.place(key), "", "a key must be a word, not a list or a mapping")
            if key.tag == f"{_STANDARD}merge":
                raise SuiteError(self.place(key), "<<", "YAML 1.2 has no merge keys; write the keys out, or `extends:`")
            yield key, value
