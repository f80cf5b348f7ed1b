"""The Catalog: what exists, by name, with where it comes from.  Looking costs no import of torch or a simulator."""

from __future__ import annotations

import importlib.util
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any, cast

from vla_rl_bench import entries, plugins
from vla_rl_bench.errors import MissingRequirement, PluginError, did_you_mean
from vla_rl_bench.plugins import LoadedPlugin

# what people call it -> the hook that registers it
KINDS: Mapping[str, str] = {
    "environments": "register_environments",
    "policies": "register_policies",
    "tricks": "register_tricks",
    "algorithms": "register_algorithms",
    "advantages": "register_advantages",
    "objectives": "register_objectives",
    "strategies": "register_strategies",
    "trackers": "register_trackers",
    "table-formats": "register_table_formats",
    "suites": "register_suites",
}
SINGULAR: Mapping[str, str] = {"policies": "policy", "strategies": "strategy"}


def singular(kind: str) -> str:
    """``policies`` -> ``policy``."""
    return SINGULAR.get(kind, kind.removesuffix("s")).replace("-", " ")


@dataclass(frozen=True)
class Registered:
    """A record and the plugin that registered it."""

    entry: Any
    plugin: LoadedPlugin


class Catalog:
    """What a set of plugins registers.  A name that two distributions register is refused when it is looked up."""

    def __init__(self, loaded: Sequence[LoadedPlugin]) -> None:
        self.plugins = tuple(loaded)
        self._found: dict[str, dict[str, list[Registered]]] = {hook: defaultdict(list) for hook in plugins.RECORDS}
        for plugin in self.plugins:
            for hook, records in plugin.records.items():
                for record in records:
                    self._found[hook][record.name].append(Registered(record, plugin))

    @classmethod
    def of(cls, **modules: ModuleType | object) -> Catalog:
        """A catalog of plugins in hand, for tests: distribution name -> module (or object) with the hooks."""
        return cls(
            [
                plugins.load_plugin(name, lambda module=module: module, module=name, distribution=name)  # type: ignore[misc]
                for name, module in modules.items()
            ]
        )

    # -- one by name

    def environment(self, name: str) -> entries.EnvironmentEntry:
        return cast("entries.EnvironmentEntry", self.find("environments", name).entry)

    def policy(self, name: str) -> entries.PolicyEntry:
        return cast("entries.PolicyEntry", self.find("policies", name).entry)

    def trick(self, name: str) -> entries.TrickEntry:
        return cast("entries.TrickEntry", self.find("tricks", name).entry)

    def algorithm(self, name: str) -> entries.AlgorithmEntry:
        return cast("entries.AlgorithmEntry", self.find("algorithms", name).entry)

    def advantage(self, name: str) -> entries.AdvantageEntry:
        return cast("entries.AdvantageEntry", self.find("advantages", name).entry)

    def objective(self, name: str) -> entries.ObjectiveEntry:
        return cast("entries.ObjectiveEntry", self.find("objectives", name).entry)

    def strategy(self, name: str) -> entries.StrategyEntry:
        return cast("entries.StrategyEntry", self.find("strategies", name).entry)

    def tracker(self, name: str) -> entries.TrackerEntry:
        return cast("entries.TrackerEntry", self.find("trackers", name).entry)

    def table_format(self, name: str) -> entries.TableFormatEntry:
        return cast("entries.TableFormatEntry", self.find("table-formats", name).entry)

    def suite(self, name: str) -> entries.SuiteEntry:
        return cast("entries.SuiteEntry", self.find("suites", name).entry)

    def find(self, kind: str, name: str) -> Registered:
        """The one record of that kind and name; a `PluginError` when there is none or more than one."""
        known = self._found[KINDS[kind]]
        found = known.get(name, [])
        if len(found) == 1:
            return found[0]
        if found:
            raise PluginError(self._clash(kind, name, found))
        broken = [plugin.name for plugin in self.plugins if plugin.error]
        hint = f" Broken plugins: {', '.join(broken)}; see `vla-rl-bench plugins`." if broken else ""
        close = did_you_mean(name, known) or " None is installed."
        raise PluginError(f"unknown {singular(kind)} `{name}`.{close}{hint}")

    # -- listings

    def names(self, kind: str) -> list[str]:
        return sorted(self._found[KINDS[kind]])

    def listing(self, kind: str) -> list[Registered]:
        """Everything of a kind, by name; clashing names more than once."""
        known = self._found[KINDS[kind]]
        return [one for name in sorted(known) for one in known[name]]

    def checks(self) -> list[Registered]:
        """The checks for ``doctor``, plugin by plugin; equal names are fine here."""
        return [
            Registered(record, plugin)
            for plugin in self.plugins
            for record in plugin.records.get("register_checks", ())
        ]

    def clashes(self) -> list[str]:
        """One line for each name that more than one distribution registers."""
        return [
            self._clash(kind, name, found)
            for kind, hook in KINDS.items()
            for name, found in sorted(self._found[hook].items())
            if len(found) > 1
        ]

    @staticmethod
    def _clash(kind: str, name: str, found: Sequence[Registered]) -> str:
        owners = " and ".join(f"{one.plugin.distribution} ({one.plugin.module})" for one in found)
        return f"{singular(kind)} `{name}` is registered by {owners}. Uninstall one of them."

    # -- advice

    def require(self, entry: Any) -> None:
        """Refuse an entry whose modules this interpreter lacks, naming the command that brings them."""
        missing = [name for name in getattr(entry, "requires", ()) if not _importable(name)]
        if missing:
            words = ", ".join(f"`{name}`" for name in missing)
            run = f" Run: {entry.install}" if entry.install else ""
            raise MissingRequirement(f"{entry.name} needs {words}, which this interpreter lacks.{run}")


def _importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # a parent package is missing, or half there
        return False


@cache
def discover() -> Catalog:
    """The process-wide catalog of everything installed; built on the first call."""
    return Catalog(plugins.load_all())
