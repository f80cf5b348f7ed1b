"""What the pages tell people to type exists, links lead somewhere, and the tutorial is the plugin that is tested."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from vla_rl_bench.cli.app import build

REPOSITORY = Path(__file__).parents[2]
PAGES = [
    REPOSITORY / "README.md",
    REPOSITORY / "CONTRIBUTING.md",
    *sorted((REPOSITORY / "docs").rglob("*.md")),
    *sorted(REPOSITORY.glob("plugins/*/README.md")),
]
TYPED = [path for path in PAGES if re.search(r"^```(console|bash)$", path.read_text(), re.M)]
STRANGER = REPOSITORY / "tests" / "data" / "stranger"


def named(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


def commands(path: Path, program: str) -> list[list[str]]:
    """Return the words after `program` of every command line that calls it, wherever it is installed."""
    text = path.read_text()
    console = re.findall(r"^```console\n(.*?)^```", text, re.M | re.S)
    lines = [line for block in console for line in re.findall(r"^\$ (.+)$", block, re.M)]
    bash = re.findall(r"^```bash\n(.*?)^```", text, re.M | re.S)
    lines += [line for block in bash for line in block.replace("\\\n", " ").splitlines() if line.strip()]
    words = [shlex.split(part, comments=True) for line in lines for part in line.split("&&")]
    return [line[1:] for line in words if line and line[0].rpartition("/")[2] == program]


@pytest.mark.parametrize("page", TYPED, ids=named)
def test_commands_parse(page: Path) -> None:
    group = get_command(build())
    for words in commands(page, "vla-rl-bench"):
        name, *arguments = words
        command = group.commands[name]  # type: ignore[attr-defined]
        context = command.context_class(command, info_name=name)
        command.make_parser(context).parse_args(arguments)


@pytest.mark.parametrize("page", TYPED, ids=named)
def test_suites_that_pages_run_are_there(page: Path) -> None:
    """Those of this repository; `reach.yaml` is the tutorial's own."""
    suites = {word for words in commands(page, "vla-rl-bench") for word in words if word.endswith(".yaml")}
    assert {name for name in suites if not (REPOSITORY / name).is_file() and not (STRANGER / name).is_file()} == set()


@pytest.mark.parametrize("page", TYPED, ids=named)
def test_make_targets_are_there(page: Path) -> None:
    targets = set(re.findall(r"^([\w-]+):", (REPOSITORY / "Makefile").read_text(), re.M))
    asked = {word for words in commands(page, "make") for word in words if re.fullmatch(r"[a-z-]+", word)}
    assert asked <= targets


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\[[^\]]*\]\(([^)#\s]+)[^)]*\)", page.read_text())
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []


def test_readme_sets_up_with_two_make_commands() -> None:
    assert commands(REPOSITORY / "README.md", "make") == [["quickstart"], ["test"]]


@pytest.mark.parametrize("report", ["quickstart", "libero"])
def test_the_readme_shows_no_number_that_is_not_in_a_committed_report(report: str) -> None:
    """Table lines between the marks are lines of some markdown table under results/."""
    readme = (REPOSITORY / "README.md").read_text()
    shown = re.search(rf"<!-- {report}: begin -->\n(.*?)<!-- {report}: end -->", readme, re.S)
    assert shown is not None
    reported = {
        line for path in (REPOSITORY / "results").rglob("*.md") for line in path.read_text().splitlines() if "|" in line
    }
    assert [line for line in shown[1].splitlines() if line.startswith("|") and line not in reported] == []


def test_the_tutorial_is_the_plugin_that_is_installed_and_run() -> None:
    tutorial = (REPOSITORY / "docs" / "how-to" / "write-a-plugin.md").read_text()
    shown = dict(re.findall(r"^`([\w./-]+)`:\n\n```\w+\n(.*?)^```", tutorial, re.M | re.S))
    kept = {
        str(path.relative_to(STRANGER)): path.read_text()
        for path in STRANGER.rglob("*")
        if path.suffix in (".py", ".toml", ".yaml")
    }
    assert kept.pop("vla_rl_bench_reach/__init__.py") == ""  # said in words
    assert shown == kept
