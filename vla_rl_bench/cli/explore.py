"""``vla-rl-bench list``, ``show``, ``plugins`` and ``validate``, which run nothing."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vla_rl_bench import entries
from vla_rl_bench import plugins as plugin_hooks
from vla_rl_bench.catalog import KINDS, Catalog, Registered, discover, singular
from vla_rl_bench.errors import EnvironmentFailure, MissingRequirement, PluginError, UserError, did_you_mean
from vla_rl_bench.text_table import text_lines

if TYPE_CHECKING:
    from vla_rl_bench.config.schema import Suite

# strategies of a policy's `memory` function (`vla_rl_bench.entries.PolicyEntry`)
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
    for listed_kind in KINDS if kind is None else [kind]:
        rows = [
            (f"  {registered.entry.name}", registered.entry.summary, f"[{registered.plugin.distribution}]")
            for registered in catalog.listing(listed_kind)
        ]
        blocks.append("\n".join([listed_kind, *(text_lines(rows, left=3) or ["  none"])]))
    typer.echo("\n\n".join(blocks))
    _print_broken_plugins(catalog)


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
        typer.echo(memory_plan(name, overrides or [], gpus, strategy, catalog))
        return
    matches = [
        (kind, registered)
        for kind in KINDS
        if kind != "suites"
        for registered in catalog.listing(kind)
        if registered.entry.name == name
    ]
    if matches and not Path(name).is_file():
        if overrides:
            raise UserError(f"{overrides[0]}: `{name}` is not a suite; only a suite takes changes")
        typer.echo("\n\n".join(describe(kind, registered) for kind, registered in matches))
        return
    if not Path(name).exists() and not _looks_like_file(name) and name not in catalog.names("suites"):
        names = {entry_name for kind in KINDS for entry_name in catalog.names(kind)}
        raise PluginError(f"nothing is called `{name}`.{did_you_mean(name, names)}")
    typer.echo(resolved(name, overrides or [], catalog), nl=False)


def memory_plan(policy: str, changes: Sequence[str], gpus: int, strategy: str, catalog: Catalog) -> str:
    """Ask a policy for its memory and time; `changes` are its options, as ``a.b=c``."""
    from vla_rl_bench.config.overrides import apply_overrides
    from vla_rl_bench.config.yaml_file import COMMAND_LINE, LocatedDict
    from vla_rl_bench.options import make_options

    entry = catalog.policy(policy)
    if entry.memory is None:
        policies = [name for name in catalog.names("policies") if catalog.policy(name).memory]
        raise UserError(f"--memory: `{policy}` has no plan. Policies with a plan: {', '.join(policies) or 'none'}")
    if strategy not in MEMORY_STRATEGIES:
        raise UserError(f"--strategy: unknown `{strategy}`.{did_you_mean(strategy, MEMORY_STRATEGIES)}")
    catalog.require(entry)
    tree = LocatedDict(COMMAND_LINE)
    apply_overrides(tree, changes)
    changed = {key: plain(value) for key, value in tree.items()}
    options = make_options(entry.options, _required_texts(entry.options) | changed, COMMAND_LINE)
    return str(entries.load(entry.memory)(options, gpus, strategy))


def _required_texts(options: type) -> dict[str, str]:
    """Empty texts for the required text options, such as the checkpoint's name, which sizes do not depend on."""
    return {
        field.name: ""
        for field in fields(options)
        if field.type in (str, "str") and field.default is MISSING and field.default_factory is MISSING
    }


def plain(value: Any) -> Any:
    """Convert a tree of a suite's keys to plain data."""
    if isinstance(value, Mapping):
        return {key: plain(child) for key, child in value.items()}
    return [plain(child) for child in value] if isinstance(value, list) else value


def _looks_like_file(name: str) -> bool:
    return "/" in name or name.endswith((".yaml", ".yml"))


def resolved(suite: str, overrides: Sequence[str], catalog: Catalog) -> str:
    """Render a suite as YAML with all defaults; the text is a suite file."""
    from io import StringIO

    from ruamel.yaml import YAML

    from vla_rl_bench.config.load import load_suite
    from vla_rl_bench.config.overrides import as_dict

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # ruamel declares no type
    stream = StringIO()
    yaml.dump(_without_none(as_dict(load_suite(suite, overrides, catalog))), stream)
    return stream.getvalue()


def _without_none(value: Any) -> Any:
    """Remove keys without a value."""
    if isinstance(value, dict):
        return {key: _without_none(child) for key, child in value.items() if child is not None}
    if isinstance(value, list):
        return [_without_none(child) for child in value]
    return value


def plugins() -> None:
    """List installed plugins, broken ones, and clashes.

    A broken plugin offers nothing and stops nothing; two plugins clash when they register the same name.
    """
    catalog = discover()
    rows = [
        (
            plugin.name,
            plugin.distribution,
            plugin.version,
            plugin.module,
            f"broken: {plugin.error}" if plugin.error else "ok",
        )
        for plugin in catalog.plugins
    ]
    for line in text_lines([("plugin", "distribution", "version", "module", "state"), *rows], left=5):
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
    from vla_rl_bench.analysis.tables.reference_rows import check_reference_tables
    from vla_rl_bench.config.ablation import check_ablation
    from vla_rl_bench.config.load import load_suite

    catalog, errors = discover(), []
    for suite in suites:
        try:
            found = load_suite(suite, (), catalog)
            check_reference_tables(found)
            check_ablation(suite, (), catalog)
        except UserError as error:
            errors.append(str(error))
        else:
            runs = len(found.arms) * len(found.columns) * len(found.seeds)
            try:
                unsaid = check_environment(found, catalog)
            except UserError as error:
                errors.append(f"{suite}: {error}")
            else:
                typer.echo(f"{suite}: ok, {runs} runs{unsaid}")
    if errors:
        raise UserError("\n".join(errors))


def check_environment(suite: Suite, catalog: Catalog) -> str:
    """Compare a suite with the declaration of its environment.

    Returns:
        Text for the suite's line if the environment cannot be built on this machine, else nothing.
    """
    from vla_rl_bench.suite.preflight import builds_environment, check_conventions

    if not builds_environment(suite, catalog):
        return ""
    try:
        catalog.require(catalog.environment(suite.environment.name))
        problems = check_conventions(suite, catalog)
    except (MissingRequirement, EnvironmentFailure) as error:
        return f"; its conventions were not compared: {str(error).strip().splitlines()[-1]}"
    if problems:
        raise UserError("\n".join(problems))
    return ""


def _print_broken_plugins(catalog: Catalog) -> None:
    broken = [plugin.name for plugin in catalog.plugins if plugin.error]
    if broken:
        typer.echo(f"broken plugins: {', '.join(broken)}; see: vla-rl-bench plugins", err=True)


_OPTIONS = ("options", "trick", "tracker")  # an entry's field that holds the dataclass of its options
_REFERENCES = ("make", "function", "render", "rows")


def describe(kind: str, registered: Registered) -> str:
    """Describe an entry: summary, provenance, options with types and defaults, documentation."""
    return "\n".join(_entry_lines(kind, registered))


def _entry_lines(kind: str, registered: Registered) -> Iterator[str]:
    entry, plugin = registered.entry, registered.plugin
    yield f"{singular(kind)} {entry.name}: {entry.summary}"
    yield f"  from {plugin.provenance} ({plugin.module})"
    for name in _REFERENCES:
        if hasattr(entry, name):
            yield f"  {name}: {getattr(entry, name)}"
    if isinstance(entry, entries.EnvironmentEntry):
        yield f"  task suites: {', '.join(entry.suites)}"
    if getattr(entry, "requires", ()):
        yield f"  needs: {', '.join(entry.requires)}" + (f" ({entry.install})" if entry.install else "")
    options = next((getattr(entry, name) for name in _OPTIONS if hasattr(entry, name)), None)
    if options is not None:
        yield from _option_lines(options)
    if hasattr(entry, "function"):
        yield from _documentation(entry.function)


def _option_lines(options: type) -> Iterator[str]:
    hooks = plugin_hooks.implemented_hooks(options)
    if hooks:
        yield f"  hooks: {', '.join(hooks)}"
    init_fields = [field for field in fields(options) if field.init]
    yield "  options:" if init_fields else "  options: none"
    yield from (f"    {_option(field)}" for field in init_fields)
    yield from _indented(_docstring(options))


def _docstring(options: type) -> str:
    """The class's own docstring, without the signature that ``@dataclass`` writes if there is none."""
    text = inspect.getdoc(options) or ""
    return "" if text.startswith(f"{options.__name__}(") else text


def _option(field: Field[Any]) -> str:
    type_name = field.type if isinstance(field.type, str) else getattr(field.type, "__name__", str(field.type))
    if field.default is not MISSING:
        return f"{field.name}: {type_name} = {field.default!r}"
    if field.default_factory is not MISSING:
        return f"{field.name}: {type_name} = {field.default_factory()!r}"
    return f"{field.name}: {type_name} (required)"


def _documentation(reference: str) -> Iterator[str]:
    """Docstring of a function, whose module may be slow to import or not importable."""
    try:
        yield from _indented(inspect.getdoc(entries.load(reference)) or "")
    except (ImportError, AttributeError) as error:
        yield f"  does not load: {plugin_hooks.one_line(error)}"


def _indented(text: str) -> Iterator[str]:
    if text:
        yield ""
        yield from (f"  {line}".rstrip() for line in text.splitlines())
