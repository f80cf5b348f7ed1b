"""The typer application: built-in commands, then those of plugins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from vla_rl_bench import __version__, plugins
from vla_rl_bench.catalog import Catalog, discover
from vla_rl_bench.cli import explore, run
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
    "run": run.run,
    "ablate": run.ablate,
    "export": run.export,
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
    "demonstrations": run.demonstrations,
}


def build(catalog: Catalog | None = None) -> typer.Typer:
    """Build the application with the commands of a catalog's plugins; by default those of everything installed."""
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


def _version(requested: bool) -> None:
    if requested:
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
    """Add the commands of each plugin; a plugin that raises or a name that is taken is left out with a warning."""
    taken = _taken(app)
    for plugin in catalog.plugins:
        if plugin.manager is None:
            continue
        plugin_app = typer.Typer()
        try:
            plugin.manager.hook.register_commands(app=plugin_app)
        except Exception as error:  # third-party code; the other commands must still work
            _warn(f"plugin {plugin.name}: its commands are left out: {plugins.one_line(error)}")
            continue
        for info in plugin_app.registered_commands:
            if _command_name(info) in taken:
                _warn(f"plugin {plugin.name}: its command `{_command_name(info)}` is left out; that name is taken")
            else:
                app.registered_commands.append(info)
                taken.add(_command_name(info))
        for group in plugin_app.registered_groups:
            name = str(group.name)
            if name in taken:
                _warn(f"plugin {plugin.name}: its command `{name}` is left out; that name is taken")
            else:
                app.registered_groups.append(group)
                taken.add(name)


def _taken(app: typer.Typer) -> set[str]:
    """Names of an application's commands and groups."""
    groups = {str(group.name) for group in app.registered_groups}
    return groups | {_command_name(info) for info in app.registered_commands}


def _command_name(info: typer.models.CommandInfo) -> str:
    return info.name or (info.callback.__name__.replace("_", "-") if info.callback else "")


def _warn(message: str) -> None:
    typer.echo(message, err=True)
