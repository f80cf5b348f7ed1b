"""``vla-rl-bench doctor``: check this machine and print the commands that install what is missing."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from vla_rl_bench import plugins
from vla_rl_bench.catalog import Catalog, Registered, discover
from vla_rl_bench.entries import CheckResult


def doctor() -> None:
    """Check this machine: what the core and every plugin need.

    Exit code 1 if something is missing, with what to type.
    """
    failed = 0
    for name, result in _results(discover()):
        typer.echo(f"{'ok  ' if result.ok else 'FAIL'}  {name}: {result.what}")
        if not result.ok:
            failed += 1
            typer.echo(f"      Run: {result.advice}" if result.advice else "      see the plugin's README")
    if failed:
        typer.echo(f"{failed} to fix", err=True)
        raise typer.Exit(1)


def _results(catalog: Catalog) -> Sequence[tuple[str, CheckResult]]:
    results = [(check.entry.name, result) for check in catalog.checks() for result in _run(check)]
    for plugin in catalog.plugins:
        if plugin.error:
            advice = f"pip install --force-reinstall {plugin.distribution}, or pip uninstall {plugin.distribution}"
            results.append((plugin.name, CheckResult(False, f"broken plugin: {plugin.error}", advice)))
    return results


def _run(check: Registered) -> Sequence[CheckResult]:
    try:
        return check.entry.check()  # type: ignore[no-any-return]
    except Exception as error:  # third-party code; the other checks must still be printed
        return [CheckResult(False, f"the check of {check.plugin.distribution} raised {plugins.one_line(error)}")]
