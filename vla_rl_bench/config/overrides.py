"""``a.b=c`` on the command line, ablation axes, and a suite as plain data.

List items go by their ``name``: ``arms.sft.sft.steps=10``.  What begins with ``demonstrations``, ``sft`` or ``rl``
means every arm that has that block; ``tricks.NAME...`` means that trick of every arm with `rl`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vla_rl_bench.config.schema import Suite
from vla_rl_bench.config.tree import COMMAND_LINE, Items, Keys, copied, placed
from vla_rl_bench.config.yaml import parse_value
from vla_rl_bench.errors import SuiteError, did_you_mean

BLOCKS = ("demonstrations", "sft", "rl")
_SHORTHANDS = (*BLOCKS, "tricks")
_PIECES = re.compile(r""""(?:[^"\\]|\\.)*"|'[^']*'|[\[\]{}(),]""")  # a quoted text whole, a bracket, a comma


def as_dict(suite: Suite) -> dict[str, Any]:
    """The resolved suite as plain data, keys as in a suite file."""
    return suite.model_dump(mode="json", by_alias=True)


def expand_axis(axis: str) -> list[tuple[str, str]]:
    """``tricks.temperature.value=1.0,1.6`` -> (label, override) for each value.

    The label leaves out ``tricks.``: ``temperature.value=1.0``.
    """
    path, values = split_override(axis)
    found = []
    for value in _split_commas(values):
        if not value:
            raise SuiteError(COMMAND_LINE, path, f"an empty value in `{axis}`; write values as in {path}=1.0,1.6")
        found.append((f"{path.removeprefix('tricks.')}={value}", f"{path}={value}"))
    return found


def _split_commas(text: str) -> list[str]:
    """Split at commas that no bracket or quote encloses."""
    parts, depth, start = [], 0, 0
    for found in _PIECES.finditer(text):
        piece = found[0]
        depth += (piece in "[{(") - (piece in "]})")
        if piece == "," and depth == 0:
            parts.append(text[start : found.start()])
            start = found.end()
    return [part.strip() for part in (*parts, text[start:])]


def split_override(override: str) -> tuple[str, str]:
    """``a.b=c`` -> (``a.b``, ``c``)."""
    path, equals, value = override.partition("=")
    path = path.strip()
    if not equals or not path or not all(path.split(".")):
        raise SuiteError(COMMAND_LINE, override, "expected key=value, as in rl.iterations=10")
    return path, value.strip()


def apply_overrides(tree: Keys, overrides: Sequence[str]) -> None:
    """Change the tree in place, in the order written.  Keys that the schema does not know are found later, by it."""
    for override in overrides:
        path, text = split_override(override)
        try:
            value = placed(parse_value(text), COMMAND_LINE)
        except SuiteError as error:
            raise SuiteError(COMMAND_LINE, path, error.what) from None
        _set_everywhere(tree, path, value)


def _set_everywhere(tree: Keys, path: str, value: Any) -> None:
    """Where the path means several arms, it must fit at least one of them."""
    refused: SuiteError | None = None
    fitted = False
    for start, words in _starts(tree, path):
        try:
            _set(start, words, path, copied(value))
            fitted = True
        except SuiteError as error:
            refused = refused or error
    if not fitted:
        raise refused or SuiteError(COMMAND_LINE, path, _no_arm(tree, path))


def _starts(tree: Keys, path: str) -> Iterator[tuple[Keys, list[str]]]:
    """Where a path begins, and what of it is left: the root, or a block of each arm for a shorthand."""
    words = path.split(".")
    if words[0] not in _SHORTHANDS or words[0] in tree:
        yield tree, words
        return
    block = "rl" if words[0] == "tricks" else words[0]
    for arm in _arms(tree):
        if not isinstance(arm.get(block), Keys):
            continue
        if words[0] == "tricks":
            yield arm[block], words
        elif len(words) == 1:
            yield arm, words
        else:
            yield arm[block], words[1:]


def _arms(tree: Keys) -> list[Keys]:
    arms = tree.get("arms")
    return [arm for arm in arms if isinstance(arm, Keys)] if isinstance(arms, Items) else []


def _no_arm(tree: Keys, path: str) -> str:
    block = path.split(".")[0]
    block = "rl" if block == "tricks" else block
    return f"no arm has `{block}`. Arms: {', '.join(str(arm.get('name')) for arm in _arms(tree)) or 'none'}."


def _set(node: Any, words: list[str], path: str, value: Any) -> None:
    """Walk to the last word, making mappings on the way that were not written, and set it."""
    if isinstance(node, Items):
        _set_in_items(node, words, path, value)
        return
    if not isinstance(node, Keys):
        raise SuiteError(COMMAND_LINE, path, f"there is nothing below `{_before(path, words)}`; it is a single value")
    key, rest = _longest(node, words)
    if not rest:
        node.put(key, value, COMMAND_LINE)
        return
    if node.get(key) is None:
        if rest[0] == "name" or key != "tricks":
            node.put(key, Keys(COMMAND_LINE), COMMAND_LINE)
        else:
            raise SuiteError(COMMAND_LINE, path, f"there is no trick `{'.'.join(rest)}`; this arm has none")
    _set(node[key], rest, path, value)


def _set_in_items(items: Items, words: list[str], path: str, value: Any) -> None:
    index, rest = _item(items, words)
    if index is None:
        hint = did_you_mean(words[0], items.names()) or " Set the whole list instead."
        raise SuiteError(COMMAND_LINE, path, f"no item `{words[0]}` in `{_before(path, words)}`.{hint}")
    if rest:
        _set(items[index], rest, path, value)
    elif _is_switch(value):
        if not _on(value):
            items.drop(index)
    elif isinstance(value, Keys):
        value.put("name", items[index]["name"], COMMAND_LINE)
        items[index], items.places[index] = value, COMMAND_LINE
    else:
        raise SuiteError(COMMAND_LINE, path, f"write {path}.KEY=VALUE, or {path}=off to leave it out")


def _item(items: Items, words: list[str]) -> tuple[int | None, list[str]]:
    """The item that the first words name (a name may hold dots), and the words after it."""
    for length in range(len(words), 0, -1):
        index = items.named(".".join(words[:length]))
        if index is not None:
            return index, words[length:]
    return None, words


def _longest(keys: Mapping[str, Any], words: list[str]) -> tuple[str, list[str]]:
    """The key that the first words name (a key may hold dots), and the words after it."""
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
