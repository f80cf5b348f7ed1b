"""``a.b=c`` on the command line, ablation axes, and a suite as plain data.

List items are named by their ``name``: ``arms.sft.sft.steps=10``.  A path that begins with ``demonstrations``, ``sft``
or ``rl`` means every arm that has that block; ``tricks.NAME...`` means that trick of every arm with `rl`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

from vla_rl_bench.config.schema import Suite
from vla_rl_bench.config.yaml_file import COMMAND_LINE, LocatedDict, LocatedList, parse_value
from vla_rl_bench.errors import SuiteError, did_you_mean

BLOCKS = ("demonstrations", "sft", "rl")
_SHORTHANDS = (*BLOCKS, "tricks")
_TOKENS = re.compile(r""""(?:[^"\\]|\\.)*"|'[^']*'|[\[\]{}(),]""")  # a quoted text whole, a bracket, a comma


def as_dict(suite: Suite) -> dict[str, Any]:
    """Return the resolved suite as plain data, keys as in a suite file."""
    return suite.model_dump(mode="json", by_alias=True)


def expand_axis(axis: str) -> list[tuple[str, str]]:
    """Return (label, override) for each value of ``tricks.temperature.value=1.0,1.6``.

    The label leaves out ``tricks.``: ``temperature.value=1.0``.
    """
    path, values = split_override(axis)
    settings = []
    for value in _split_commas(values):
        if not value:
            raise SuiteError(COMMAND_LINE, path, f"an empty value in `{axis}`; write values as in {path}=1.0,1.6")
        settings.append((f"{path.removeprefix('tricks.')}={value}", f"{path}={value}"))
    return settings


def _split_commas(text: str) -> list[str]:
    """Split at commas that no bracket or quote encloses."""
    parts, depth, start = [], 0, 0
    for token in _TOKENS.finditer(text):
        depth += (token[0] in "[{(") - (token[0] in "]})")
        if token[0] == "," and depth == 0:
            parts.append(text[start : token.start()])
            start = token.end()
    return [part.strip() for part in (*parts, text[start:])]


def split_override(override: str) -> tuple[str, str]:
    """Split ``a.b=c`` into key and value."""
    path, equals, value = override.partition("=")
    path = path.strip()
    if not equals or not path or not all(path.split(".")):
        raise SuiteError(COMMAND_LINE, override, "expected key=value, as in rl.iterations=10")
    return path, value.strip()


def apply_overrides(tree: LocatedDict, overrides: Sequence[str]) -> None:
    """Change a suite's data in place, in order.  The schema reports unknown keys later."""
    for override in overrides:
        path, text = split_override(override)
        try:
            value = parse_value(text)
        except SuiteError as error:
            raise SuiteError(COMMAND_LINE, path, error.what) from None
        _set_everywhere(tree, path, value)


def _set_everywhere(tree: LocatedDict, path: str, value: Any) -> None:
    """Set a value; a path that means several arms must fit at least one of them."""
    first_error: SuiteError | None = None
    fitted = False
    for start, words in _starts(tree, path):
        try:
            _set(start, words, path, deepcopy(value))
            fitted = True
        except SuiteError as error:
            first_error = first_error or error
    if not fitted:
        raise first_error or SuiteError(COMMAND_LINE, path, _no_arm(tree, path))


def _starts(tree: LocatedDict, path: str) -> Iterator[tuple[LocatedDict, list[str]]]:
    """Yield the data in which a path begins and its words there: the root, or a block of each arm for a shorthand."""
    words = path.split(".")
    if words[0] not in _SHORTHANDS or words[0] in tree:
        yield tree, words
        return
    block = "rl" if words[0] == "tricks" else words[0]
    for arm in _arms(tree):
        if not isinstance(arm.get(block), LocatedDict):
            continue
        if words[0] == "tricks":
            yield arm[block], words
        elif len(words) == 1:
            yield arm, words
        else:
            yield arm[block], words[1:]


def _arms(tree: LocatedDict) -> list[LocatedDict]:
    arms = tree.get("arms")
    return [arm for arm in arms if isinstance(arm, LocatedDict)] if isinstance(arms, LocatedList) else []


def _no_arm(tree: LocatedDict, path: str) -> str:
    block = path.split(".")[0]
    block = "rl" if block == "tricks" else block
    return f"no arm has `{block}`. Arms: {', '.join(str(arm.get('name')) for arm in _arms(tree)) or 'none'}."


def _set(node: Any, words: list[str], path: str, value: Any) -> None:
    """Walk to the last word, add mappings that were not written, and set the value."""
    if isinstance(node, LocatedList):
        _set_in_items(node, words, path, value)
        return
    if not isinstance(node, LocatedDict):
        raise SuiteError(COMMAND_LINE, path, f"there is nothing below `{_before(path, words)}`; it is a single value")
    key, rest = _longest(node, words)
    if not rest:
        node.put(key, value, COMMAND_LINE)
        return
    if node.get(key) is None:
        if rest[0] == "name" or key != "tricks":
            node.put(key, LocatedDict(COMMAND_LINE), COMMAND_LINE)
        else:
            raise SuiteError(COMMAND_LINE, path, f"there is no trick `{'.'.join(rest)}`; this arm has none")
    _set(node[key], rest, path, value)


def _set_in_items(items: LocatedList, words: list[str], path: str, value: Any) -> None:
    index, rest = _item(items, words)
    if index is None:
        hint = did_you_mean(words[0], items.names()) or " Set the whole list instead."
        raise SuiteError(COMMAND_LINE, path, f"no item `{words[0]}` in `{_before(path, words)}`.{hint}")
    if rest:
        _set(items[index], rest, path, value)
    elif _is_switch(value):
        if not _on(value):
            items.remove_at(index)
    elif isinstance(value, LocatedDict):
        value.put("name", items[index]["name"], COMMAND_LINE)
        items[index], items.locations[index] = value, COMMAND_LINE
    else:
        raise SuiteError(COMMAND_LINE, path, f"write {path}.KEY=VALUE, or {path}=off to leave it out")


def _item(items: LocatedList, words: list[str]) -> tuple[int | None, list[str]]:
    """Return the index of the item that the first words name (a name may have dots), and the words after it."""
    for length in range(len(words), 0, -1):
        index = items.index_of(".".join(words[:length]))
        if index is not None:
            return index, words[length:]
    return None, words


def _longest(keys: Mapping[str, Any], words: list[str]) -> tuple[str, list[str]]:
    """Return the key that the first words name (a key may have dots), and the words after it."""
    for length in range(len(words), 1, -1):
        key = ".".join(words[:length])
        if key in keys:
            return key, words[length:]
    return words[0], words[1:]


def _before(path: str, words: list[str]) -> str:
    return path.removesuffix("." + ".".join(words)) if path != ".".join(words) else path


def _is_switch(value: Any) -> bool:
    return isinstance(value, bool) or value in ("on", "off")


def _on(value: Any) -> bool:
    return value is True or value == "on"
