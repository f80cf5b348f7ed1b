"""``vla-rl-bench list``, ``show``, ``plugins`` and ``validate``: look, without running anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vla_rl_bench.catalog import KINDS, Catalog, discover
from vla_rl_bench.cli.describe import describe
from vla_rl_bench.errors import EnvironmentFailure, MissingRequirement, PluginError, UserError, did_you_mean

if TYPE_CHECKING:
    from vla_rl_bench.config.schema import Suite

# as a policy's `memory` knows them (`vla_rl_bench.entries.PolicyEntry`)
MEMORY_STRATEGIES = ("single", "deepspeed-zero1", "deepspeed-zero2", "deepspeed-zero3")


def list_entries(
    kind: Annotated[str | None, typer.Argument(metavar="KIND", help=f"One of: {', '.join(KINDS)}.")] = None,
) -> None:
    """List what a suite may name.

    Environments, policies, tricks, advantages, objectives, strategies, trackers, table formats, suites of plugins.

    \b
    vla-rl-bench list
    vla-rl-bench list tricks
    """
    if kind is not None and kind not in KINDS:
        raise UserError(f"unknown kind `{kind}`.{did_you_mean(kind, KINDS)}")
    catalog = discover()
    blocks = []
    for one in KINDS if kind is None else [kind]:
        found = catalog.listing(one)
        rows = [(f"  {it.entry.name}", it.entry.summary, f"[{it.plugin.distribution}]") for it in found]
        blocks.append("\n".join([one, *(columns(rows) or ["  none"])]))
    typer.echo("\n\n".join(blocks))
    _mention_broken(catalog)


def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="An entry's name, or a suite file.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="a.b=c", help="For a suite: changes to it. With --memory: the policy's options.", show_default=False
        ),
    ] = None,
    memory: Annotated[bool, typer.Option("--memory", help="What training a policy takes: memory and time.")] = False,
    gpus: Annotated[int, typer.Option(min=1, help="With --memory: how many share the training.")] = 1,
    strategy: Annotated[str, typer.Option(help=f"With --memory: {', '.join(MEMORY_STRATEGIES)}.")] = MEMORY_STRATEGIES[
        0
    ],
) -> None:
    """Show an entry, or a suite with everything filled in.

    An entry: where it comes from, its options with their defaults, its documentation.

    \b
    vla-rl-bench show dynamic-sampling
    vla-rl-bench show suites/quickstart.yaml
    vla-rl-bench show openvla-oft --memory --gpus 8 --strategy deepspeed-zero3 lora.rank=32
    """
    catalog = discover()
    if memory:
        typer.echo(planned(name, overrides or [], gpus, strategy, catalog))
        return
    found = [
        (kind, one) for kind in KINDS if kind != "suites" for one in catalog.listing(kind) if one.entry.name == name
    ]
    if found and not Path(name).is_file():
        if overrides:
            raise UserError(f"{overrides[0]}: `{name}` is not a suite; only a suite takes changes")
        typer.echo("\n\n".join(describe(kind, one) for kind, one in found))
        return
    if not Path(name).exists() and not _looks_like_file(name) and name not in catalog.names("suites"):
        known = {one for kind in KINDS for one in catalog.names(kind)}
        raise PluginError(f"nothing is called `{name}`.{did_you_mean(name, known)}")
    typer.echo(resolved(name, overrides or [], catalog), nl=False)


def planned(policy: str, changes: Sequence[str], gpus: int, strategy: str, catalog: Catalog) -> str:
    """A policy's own plan of memory and time.  changes: its options, as ``a.b=c``."""
    from vla_rl_bench.config.overrides import apply_overrides
    from vla_rl_bench.config.yaml_file import COMMAND_LINE, LocatedDict
    from vla_rl_bench.entries import load
    from vla_rl_bench.options import make_options

    entry = catalog.policy(policy)
    if entry.memory is None:
        able = [one for one in catalog.names("policies") if catalog.policy(one).memory]
        raise UserError(f"--memory: `{policy}` has no plan. Policies with one: {', '.join(able) or 'none'}")
    if strategy not in MEMORY_STRATEGIES:
        raise UserError(f"--strategy: unknown `{strategy}`.{did_you_mean(strategy, MEMORY_STRATEGIES)}")
    catalog.require(entry)
    tree = LocatedDict(COMMAND_LINE)
    apply_overrides(tree, changes)
    given = {key: plain(value) for key, value in tree.items()}
    return str(
        load(entry.memory)(make_options(entry.options, _texts(entry.options) | given, COMMAND_LINE), gpus, strategy)
    )


def _texts(options: type) -> dict[str, str]:
    """Texts that a suite must write, such as the checkpoint's name, are empty where only sizes are asked for."""
    return {
        one.name: ""
        for one in fields(options)
        if one.type in (str, "str") and one.default is MISSING and one.default_factory is MISSING
    }


def plain(value: Any) -> Any:
    """A tree of a suite's keys as plain data."""
    if isinstance(value, Mapping):
        return {key: plain(one) for key, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list) else value


def _looks_like_file(name: str) -> bool:
    return "/" in name or name.endswith((".yaml", ".yml"))


def resolved(suite: str, overrides: Sequence[str], catalog: Catalog) -> str:
    """A suite as YAML with everything filled in; itself a suite file."""
    from io import StringIO

    from ruamel.yaml import YAML

    from vla_rl_bench.config.load import load_suite
    from vla_rl_bench.config.overrides import as_dict

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # ruamel declares no type
    stream = StringIO()
    yaml.dump(_without_nothing(as_dict(load_suite(suite, overrides, catalog))), stream)
    return stream.getvalue()


def _without_nothing(value: Any) -> Any:
    """What was left out stays out."""
    if isinstance(value, dict):
        return {key: _without_nothing(one) for key, one in value.items() if one is not None}
    if isinstance(value, list):
        return [_without_nothing(one) for one in value]
    return value


def plugins() -> None:
    """List installed plugins, broken ones, and clashes.

    A broken plugin offers nothing and stops nothing; two plugins clash when they register the same name.
    """
    catalog = discover()
    rows = [
        (one.name, one.distribution, one.version, one.module, f"broken: {one.error}" if one.error else "ok")
        for one in catalog.plugins
    ]
    for line in columns([("plugin", "distribution", "version", "module", "state"), *rows]):
        typer.echo(line)
    for clash in catalog.clashes():
        typer.echo(f"clash: {clash}")


def validate(
    suites: Annotated[list[str], typer.Argument(metavar="SUITE", help="Suite files.")],
) -> None:
    """Check suite files without running them.

    Keys, values, that everything they name is installed, that a policy trained elsewhere means by its actions and
    images what the environment declares, and that no evaluation asks for more starts than there are. For such a policy,
    and if the environment is batched, the environment is started once for each column.

    \b
    vla-rl-bench validate suites/*.yaml
    """
    from vla_rl_bench.analysis.tables.references import refuse_references
    from vla_rl_bench.config.ablation import check_ablation
    from vla_rl_bench.config.load import load_suite

    catalog, errors = discover(), []
    for suite in suites:
        try:
            found = load_suite(suite, (), catalog)
            refuse_references(found)
            check_ablation(suite, (), catalog)
        except UserError as error:
            errors.append(str(error))
        else:
            runs = len(found.arms) * len(found.columns) * len(found.seeds)
            try:
                unsaid = misfits(found, catalog)
            except UserError as error:
                errors.append(f"{suite}: {error}")
            else:
                typer.echo(f"{suite}: ok, {runs} runs{unsaid}")
    if errors:
        raise UserError("\n".join(errors))


def misfits(suite: Suite, catalog: Catalog) -> str:
    """Compare a suite with what its environment declares -> what to print if the environment cannot be built here."""
    from vla_rl_bench.suite.fitting import asks_environment, refuse_misfits

    if not asks_environment(suite, catalog):
        return ""
    try:
        catalog.require(catalog.environment(suite.environment.name))
        refuse_misfits(suite, catalog)
    except (MissingRequirement, EnvironmentFailure) as error:
        return f"; its conventions were not compared: {str(error).strip().splitlines()[-1]}"
    return ""


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows -> lines with the cells below each other; the last column is not padded."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(_padded(row, widths)).rstrip() for row in rows]


def _padded(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    yield from (cell.ljust(width) for cell, width in zip(row, widths, strict=True))


def _mention_broken(catalog: Catalog) -> None:
    broken = [one.name for one in catalog.plugins if one.error]
    if broken:
        typer.echo(f"broken plugins: {', '.join(broken)}; see: vla-rl-bench plugins", err=True)
