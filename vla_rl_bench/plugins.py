"""Discovery of plugins: the entry points of group ``vla_rl_bench``, each loaded behind a guard.

A plugin that cannot be imported, that implements a hook which does not exist, or that yields a wrong record is kept as
a `LoadedPlugin` with its error.  It registers nothing and stops nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from importlib import metadata
from typing import Any, cast, get_type_hints

import pluggy

from vla_rl_bench import entries, hookspecs
from vla_rl_bench.deprecated import warn_ignored

GROUP = hookspecs.PROJECT

# register hook -> the record that it yields
RECORDS: Mapping[str, type] = {
    "register_environments": entries.EnvironmentEntry,
    "register_policies": entries.PolicyEntry,
    "register_tricks": entries.TrickEntry,
    "register_algorithms": entries.AlgorithmEntry,
    "register_advantages": entries.AdvantageEntry,
    "register_objectives": entries.ObjectiveEntry,
    "register_strategies": entries.StrategyEntry,
    "register_trackers": entries.TrackerEntry,
    "register_table_formats": entries.TableFormatEntry,
    "register_suites": entries.SuiteEntry,
    "register_checks": entries.CheckEntry,
}
# former hook -> the reason why it is ignored; kept for one release
RETIRED_HOOKS: Mapping[str, str] = {
    "register_benchmarks": "the command `bench` was removed; write benchmarks as tests with pytest-benchmark",
}
VALUE_HOOKS = ("sampling_params", "draw_limit", "advantages", "clip_range")  # one owner each
TRICK_HOOKS = (*VALUE_HOOKS, "keep_group", "loss_terms")  # change numbers, so a tracker may not have them

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_REFERENCE = re.compile(r"[\w.]+:[\w.]+")
# fields that are "module:attribute"
_REFERENCES = (
    "make", "function", "train", "render", "memory", "demonstrations", "needs", "expects", "clipped_tokens", "behavior",
)  # fmt: skip
# keys that a suite writes beside a plugin's options
_RESERVED = ("name",)
_RESERVED_FOR_ENVIRONMENTS = ("name", "python", "starts")


class WrongRecord(Exception):
    """A record that cannot be used; the message says why."""


@dataclass(frozen=True)
class LoadedPlugin:
    """A plugin, its distribution and its records."""

    name: str  # of the entry point
    distribution: str
    version: str  # of the distribution
    module: str
    error: str | None = None  # one line: why the plugin is broken; None if it is not
    records: Mapping[str, tuple[Any, ...]] = field(default_factory=dict, repr=False)  # by hook; empty if broken
    manager: pluggy.PluginManager | None = field(default=None, repr=False, compare=False)

    @property
    def provenance(self) -> str:
        return f"{self.distribution} {self.version}"


def load_all() -> list[LoadedPlugin]:
    """Load every installed plugin; sorted by distribution and name."""
    plugins = [_load_entry_point(point) for point in metadata.entry_points(group=GROUP)]
    return sorted(plugins, key=lambda plugin: (plugin.distribution, plugin.name))


def _load_entry_point(point: metadata.EntryPoint) -> LoadedPlugin:
    distribution = point.dist.name if point.dist else "unknown"
    version = point.dist.version if point.dist else "0"
    return load_plugin(point.name, point.load, module=point.value, distribution=distribution, version=version)


def load_plugin(
    name: str, importer: Callable[[], object], *, module: str, distribution: str, version: str = "0"
) -> LoadedPlugin:
    """Import a plugin, check its hooks and collect its records; any exception becomes the plugin's error."""
    plugin = LoadedPlugin(name, distribution, version, module)
    try:
        manager = _manager(name, importer())
        records = {hook: tuple(_records(manager, hook)) for hook in RECORDS}
        return replace(plugin, records=records, manager=manager)
    except (Exception, SystemExit) as error:  # importing a third-party module may raise anything
        return replace(plugin, error=one_line(error))


def one_line(error: BaseException) -> str:
    """Return an exception as one line of text, such as ``ImportError: no module ...``."""
    text = " ".join(str(error).split())
    if isinstance(error, WrongRecord):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


class _CatalogManager(pluggy.PluginManager):
    """Pluggy manager of one plugin's catalog hooks; hooks that a former release had are ignored with a warning."""

    def __init__(self, plugin_name: str) -> None:
        super().__init__(hookspecs.PROJECT)
        self.plugin_name = plugin_name

    def parse_hookimpl_opts(self, plugin: object, name: str) -> pluggy.HookimplOpts | None:
        options = super().parse_hookimpl_opts(plugin, name)
        if options is not None and name in RETIRED_HOOKS:
            warn_ignored(f"the hook `{name}` of plugin {self.plugin_name}", RETIRED_HOOKS[name])
            return None
        return options


def _manager(name: str, plugin: object) -> pluggy.PluginManager:
    """Make a pluggy manager for this plugin alone, so that nothing it does reaches another one."""
    manager = _CatalogManager(name)
    manager.add_hookspecs(hookspecs.CatalogHooks)
    manager.register(plugin)
    manager.check_pending()
    return manager


def _records(manager: pluggy.PluginManager, hook: str) -> Iterator[Any]:
    caller = getattr(manager.hook, hook)
    answers = caller()
    if len(answers) < len(caller.get_hookimpls()):
        raise WrongRecord(f"{hook} returned None; it must yield {RECORDS[hook].__name__} records")
    names: set[str] = set()
    for answer in answers:
        for record in answer:
            check_record(hook, record)
            if record.name in names:
                raise WrongRecord(f"{hook} yields `{record.name}` twice")
            names.add(record.name)
            yield record


def check_record(hook: str, record: Any) -> None:
    """Check that a record of a hook can be used.

    Raises:
        WrongRecord: It has another type, an unusable name or reference, or options that a suite cannot set.
    """
    expected: Any = RECORDS[hook]
    if type(record) is not expected:
        raise WrongRecord(f"{hook} yields {type(record).__name__}, not {expected.__name__}")
    what = f"{hook}: `{record.name}`"
    if not isinstance(record.name, str) or not _NAME.fullmatch(record.name):
        raise WrongRecord(f"{what}: a name is made of a-z, 0-9, `.`, `_` and `-`")
    for name in _REFERENCES:
        reference = getattr(record, name, None)
        if reference is not None and not (isinstance(reference, str) and _REFERENCE.fullmatch(reference)):
            raise WrongRecord(f"{what}: {name} must be a text like `package.module:attribute`")
    match record:
        case entries.EnvironmentEntry():
            _check_options(what, record.options, _RESERVED_FOR_ENVIRONMENTS)
            _check_texts(what, "suites", record.suites)
            _check_texts(what, "requires", record.requires)
            if record.batched and record.interpreter:
                raise WrongRecord(
                    f"{what}: a batched environment runs in the trainer's interpreter; it has none of its own"
                )
        case entries.PolicyEntry() | entries.StrategyEntry():
            _check_options(what, record.options)
            _check_texts(what, "requires", record.requires)
        case entries.TrickEntry():
            _check_options(what, record.trick)
            check_participant(what, record.trick)
        case entries.TrackerEntry():
            _check_options(what, record.tracker)
            check_participant(what, record.tracker, observer=True)


def _check_options(what: str, options: object, reserved: tuple[str, ...] = _RESERVED) -> None:
    if not isinstance(options, type) or not is_dataclass(options):
        raise WrongRecord(f"{what}: its options must be a frozen dataclass, not {options!r}")
    if not cast("Any", options).__dataclass_params__.frozen:
        raise WrongRecord(f"{what}: {options.__name__} must be a frozen dataclass: @dataclass(frozen=True)")
    try:
        get_type_hints(options)
    except NameError as error:  # a type imported only for type checkers cannot be checked against
        raise WrongRecord(f"{what}: {options.__name__}: {error}; import its types at run time") from error
    clashes = [option.name for option in fields(options) if option.name in reserved]
    if clashes:
        raise WrongRecord(f"{what}: {options.__name__}.{clashes[0]}: a suite uses that key itself; rename the field")


def _check_texts(what: str, name: str, texts: object) -> None:
    if not isinstance(texts, tuple) or not all(isinstance(text, str) for text in texts):
        raise WrongRecord(f"{what}: {name} must be a tuple of texts")


def check_participant(what: str, participant: object, *, observer: bool = False) -> None:
    """Check that the methods of a trick or tracker (a class or an instance) are hooks, with the hooks' arguments.

    Raises:
        WrongRecord: They are not, or an observer (a tracker) implements a hook that changes numbers.
    """
    manager = engine_manager()
    try:
        manager.register(participant)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise WrongRecord(f"{what}: {' '.join(str(error).split())}") from error
    implemented = [caller.name for caller in manager.get_hookcallers(participant) or ()]
    if not implemented:
        name = getattr(participant, "__name__", type(participant).__name__)
        raise WrongRecord(f"{what}: {name} has no method marked @hookimpl")
    changing = [name for name in implemented if name in TRICK_HOOKS]
    if observer and changing:
        raise WrongRecord(f"{what}: a tracker only observes; `{changing[0]}` belongs in a trick")
    for name in implemented:
        if name.startswith("on_") and any(map(wraps, getattr(manager.hook, name).get_hookimpls())):
            raise WrongRecord(f"{what}: `{name}` observes, there is nothing to wrap; write @hookimpl")


def engine_manager() -> pluggy.PluginManager:
    """Make a pluggy manager with the engine's hook specifications and no plugins."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs.EngineHooks)
    return manager


def implemented_hooks(participant: object) -> list[str]:
    """List the engine hooks that a trick or tracker (a class or an instance) implements."""
    manager = engine_manager()
    manager.register(participant)
    return sorted(caller.name for caller in manager.get_hookcallers(participant) or ())


def owned_hooks(participant: object) -> list[str]:
    """List the value hooks that a trick (a class or an instance) implements itself, not as a wrapper."""
    manager = engine_manager()
    manager.register(participant)
    return [name for name in VALUE_HOOKS if not all(map(wraps, getattr(manager.hook, name).get_hookimpls()))]


def wraps(implementation: pluggy.HookImpl) -> bool:
    """Return True if a hook implementation wraps the others, in either of pluggy's styles."""
    return implementation.wrapper or implementation.hookwrapper
