"""The typer application: our commands, then those that plugins add."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from vla_rl_bench import __version__, plugins
from vla_rl_bench.catalog import Catalog, discover
from vla_rl_bench.cli import explore, runs
from vla_rl_bench.cli.compare import compare
from vla_rl_bench.cli.doctor import doctor
from vla_rl_bench.cli.env import environments
from vla_rl_bench.cli.new_package import new
from vla_rl_bench.cli.power import power
from vla_rl_bench.cli.profile import profile
from vla_rl_bench.cli.report import report
from vla_rl_bench.cli.retired import add_retired_commands
from vla_rl_bench.cli.tables import tables

_COMMANDS: dict[str, Callable[..., None]] = {
    "run": runs.run,
    "ablate": runs.ablate,
    "export": runs.export,
    "profile": profile,
    "tables": tables,
    "report": report,
    "compare": compare,
    "power": power,
    "list": explore.list_entries,
    "show": explore.show,
    "plugins": explore.plugins,
    "validate": explore.validate,
    "doctor": doctor,
    "new": new,
    "demonstrations": runs.demonstrations,
}


def build(catalog: Catalog | None = None) -> typer.Typer:
    """catalog: whose plugins' commands are added; that of everything installed if none is given."""
    app = typer.Typer(
        add_completion=False,
        rich_markup_mode=None,  # plain help: no import, and brackets mean themselves
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    )
    app.callback(invoke_without_command=True)(_root)
    for name, command in _COMMANDS.items():
        app.command(name)(command)
    app.add_typer(environments(), name="env")
    _add_plugin_commands(app, catalog or discover())
    add_retired_commands(app, _taken(app))
    return app


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"vla-rl-bench {__version__}")
        raise typer.Exit


def _root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Train and compare vision-language-action policies with reinforcement learning.

    A suite is a YAML file: arms (rows of a table) x columns (task suites) x seeds.

    \b
    vla-rl-bench run suites/quickstart.yaml            train, evaluate, print the table
    vla-rl-bench run suites/quickstart.yaml --dry-run  what would run
    vla-rl-bench list                                  what a suite may name
    vla-rl-bench show temperature                      an entry's options
    vla-rl-bench validate my.yaml                      check a suite file
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def _add_plugin_commands(app: typer.Typer, catalog: Catalog) -> None:
    """Each plugin fills an application of its own, so that none can break or replace what is there."""
    taken = _taken(app)
    for plugin in catalog.plugins:
        if plugin.manager is None:
            continue
        own = typer.Typer()
        try:
            plugin.manager.hook.register_commands(app=own)
        except Exception as error:  # a stranger's code; the other commands must still work
            _warn(f"plugin {plugin.name}: its commands are left out: {plugins.one_line(error)}")
            continue
        for info in own.registered_commands:
            if _command_name(info) in taken:
                _warn(f"plugin {plugin.name}: its command `{_command_name(info)}` is left out; that name is taken")
            else:
                app.registered_commands.append(info)
                taken.add(_command_name(info))
        for group in own.registered_groups:
            name = str(group.name)
            if name in taken:
                _warn(f"plugin {plugin.name}: its command `{name}` is left out; that name is taken")
            else:
                app.registered_groups.append(group)
                taken.add(name)


def _taken(app: typer.Typer) -> set[str]:
    """The names of an application's commands and groups."""
    return {_command_name(info) for info in app.registered_commands} | {str(one.name) for one in app.registered_groups}


def _command_name(info: typer.models.CommandInfo) -> str:
    return info.name or (info.callback.__name__.replace("_", "-") if info.callback else "")


def _warn(message: str) -> None:
    typer.echo(message, err=True)
