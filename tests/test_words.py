"""Plain words in the code: names are nouns of their content, docstrings begin with a verb or a noun."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted([*(ROOT / "vla_rl_bench").rglob("*.py"), *ROOT.glob("plugins/*/vla_rl_bench_*/**/*.py")])
PRONOUNS = ("found", "one", "other", "told", "shown", "asked", "wanted", "seen", "here", "mine")
MAX_PRONOUNS = 20  # 2,614 before version 0.2
VAGUE = ("result", "item", "data", "value", "obj", "tmp")
MAX_VAGUE = 683  # as many as before version 0.2
QUESTION = re.compile(r"(What|Where|How|Which|Who|Whose|Whether|Does|When)\b")


def names(tree: ast.AST) -> Iterator[str]:
    """Yield every occurrence of a variable, parameter, attribute, function or class name."""
    for node in ast.walk(tree):
        match node:
            case ast.Name():
                yield node.id
            case ast.arg():
                yield node.arg
            case ast.Attribute():
                yield node.attr
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name
            case ast.keyword(arg=str() as name):
                yield name


@pytest.fixture(scope="module")
def trees() -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text()) for path in SOURCES}


@pytest.mark.parametrize(("words", "limit"), [(PRONOUNS, MAX_PRONOUNS), (VAGUE, MAX_VAGUE)])
def test_names_are_seldom_pronouns_or_vague(trees: dict[Path, ast.Module], words: tuple[str, ...], limit: int) -> None:
    counts = {path: Counter(name for name in names(tree) if name in words) for path, tree in trees.items()}
    total = sum(counts.values(), Counter[str]())
    files = sorted(((count.total(), str(path.relative_to(ROOT))) for path, count in counts.items()), reverse=True)
    print(f"{total.total()} of at most {limit}: {dict(total)}")
    assert total.total() <= limit, f"{dict(total)}; most in {files[:5]}"


def test_no_docstring_begins_with_a_question_word(trees: dict[Path, ast.Module]) -> None:
    questions = []
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                docstring = ast.get_docstring(node)
                if docstring and QUESTION.match(docstring):
                    questions.append(
                        f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}: {docstring.splitlines()[0]}"
                    )
    assert questions == []
