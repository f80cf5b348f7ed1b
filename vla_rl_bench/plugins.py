"""Guarded discovery: what the entry points of group ``vla_rl_bench`` offer, each loaded behind a guard.

A plugin that cannot be imported, that implements a hook which does not exist, or that yields a wrong record is kept as
a `LoadedPlugin` with its error.  It contributes nothing and stops nothing.
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
_REFERENCES = ("make", "function", "render", "memory", "demonstrations", "needs", "clipped_tokens", "behavior")
_RESERVED = ("name",)  # keys that a suite writes beside a plugin's options
_RESERVED_FOR_ENVIRONMENTS = ("name", "python", "starts")
# what a suite writes there itself


class WrongRecord(Exception):
    """A plugin registers something that cannot be used; the message says what."""


@dataclass(frozen=True)
class LoadedPlugin:
    """A plugin and where it comes from.  error: why it is broken, in one line; None when it is sound.

    records: what it registered, by hook; empty when it is broken.
    """

    name: str
    distribution: str
    version: str
    module: str
    error: str | None = None
    records: Mapping[str, tuple[Any, ...]] = field(default_factory=dict, repr=False)
    manager: pluggy.PluginManager | None = field(default=None, repr=False, compare=False)

    @property
    def provenance(self) -> str:
        return f"{self.distribution} {self.version}"


def load_all() -> list[LoadedPlugin]:
    """Every installed plugin, in the order of their distributions' and their own names."""
    found = [_load_entry_point(point) for point in metadata.entry_points(group=GROUP)]
    return sorted(found, key=lambda plugin: (plugin.distribution, plugin.name))


def _load_entry_point(point: metadata.EntryPoint) -> LoadedPlugin:
    distribution = point.dist.name if point.dist else "unknown"
    version = point.dist.version if point.dist else "0"
    return load_plugin(point.name, point.load, module=point.value, distribution=distribution, version=version)


def load_plugin(
    name: str, importer: Callable[[], object], *, module: str, distribution: str, version: str = "0"
) -> LoadedPlugin:
    """Import a plugin, check its hooks and collect its records; whatever goes wrong is kept as its error."""
    plugin = LoadedPlugin(name, distribution, version, module)
    try:
        manager = _manager(name, importer())
        records = {hook: tuple(_records(manager, hook)) for hook in RECORDS}
        return replace(plugin, records=records, manager=manager)
    except (Exception, SystemExit) as error:  # the one place that must survive anything a stranger's module does
        return replace(plugin, error=one_line(error))


def one_line(error: BaseException) -> str:
    """``ImportError: no module ...``: an exception in one line."""
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
    """Refuse a record of another type, without a usable name, or naming what cannot be used."""
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
                raise WrongRecord(f"{what}: a batched environment lives in this interpreter and can have no other")
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
    taken = [one.name for one in fields(options) if one.name in reserved]
    if taken:
        raise WrongRecord(f"{what}: {options.__name__}.{taken[0]}: a suite uses that key itself; rename the field")


def _check_texts(what: str, name: str, value: object) -> None:
    if not isinstance(value, tuple) or not all(isinstance(one, str) for one in value):
        raise WrongRecord(f"{what}: {name} must be a tuple of texts")


def check_participant(what: str, participant: object, *, observer: bool = False) -> None:
    """The methods of a trick or tracker (a class or an instance) must be hooks that exist, with arguments that do."""
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
    """A pluggy manager with the engine's hook specifications and nobody in it."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs.EngineHooks)
    return manager


def implemented_hooks(participant: object) -> list[str]:
    """The engine hooks that a trick or tracker (a class or an instance) implements."""
    manager = engine_manager()
    manager.register(participant)
    return sorted(caller.name for caller in manager.get_hookcallers(participant) or ())


def owned_hooks(participant: object) -> list[str]:
    """The value hooks that a trick (a class or an instance) answers itself, not as a wrapper."""
    manager = engine_manager()
    manager.register(participant)
    return [name for name in VALUE_HOOKS if not all(map(wraps, getattr(manager.hook, name).get_hookimpls()))]


def wraps(implementation: pluggy.HookImpl) -> bool:
    """Whether it goes around other implementations, in either of pluggy's styles."""
    return implementation.wrapper or implementation.hookwrapper
