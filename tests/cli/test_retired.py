"""Commands that were removed: one line with what to type instead, for one release."""

from __future__ import annotations

import pytest
import typer
from typer.main import get_command

from vla_rl_bench.catalog import Catalog
from vla_rl_bench.cli import retired
from vla_rl_bench.cli.app import build
from vla_rl_bench.cli.main import main
from vla_rl_bench.hookspecs import hookimpl


@pytest.fixture(autouse=True)
def oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(retired.RETIRED, "oldest", "use: vla-rl-bench newest")


@pytest.mark.parametrize("arguments", [[], ["a", "b=c", "--out", "x"], ["--help"], ["sub", "-n", "3"]])
def test_a_retired_command_prints_what_to_type_and_exits_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["oldest", *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.err == "vla-rl-bench oldest: this command was removed; use: vla-rl-bench newest\n"
    assert printed.out == ""


def test_a_retired_command_is_not_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert "oldest" not in capsys.readouterr().out


def test_a_plugin_may_take_a_retired_name() -> None:
    class Plugin:
        @hookimpl
        def register_commands(self, app: typer.Typer) -> None:
            app.command("oldest")(lambda: None)

    commands = get_command(build(Catalog.of(plugin=Plugin()))).commands  # type: ignore[attr-defined]
    assert not commands["oldest"].hidden
