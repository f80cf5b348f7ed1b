"""The Catalog: registered entries by name, with the plugins that registered them.  Imports no torch, no simulator."""

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

# kind of entry, as the command line names it -> the hook that registers it
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
    """Return the singular of a kind: ``policy`` for ``policies``."""
    return SINGULAR.get(kind, kind.removesuffix("s")).replace("-", " ")


@dataclass(frozen=True)
class Registered:
    """An entry and the plugin that registered it."""

    entry: Any
    plugin: LoadedPlugin


class Catalog:
    """Entries of a set of plugins.  A name that two distributions register is an error when it is looked up."""

    def __init__(self, loaded: Sequence[LoadedPlugin]) -> None:
        self.plugins = tuple(loaded)
        self._entries: dict[str, dict[str, list[Registered]]] = {hook: defaultdict(list) for hook in plugins.RECORDS}
        for plugin in self.plugins:
            for hook, records in plugin.records.items():
                for record in records:
                    self._entries[hook][record.name].append(Registered(record, plugin))

    @classmethod
    def of(cls, **modules: ModuleType | object) -> Catalog:
        """Make a catalog of plugins in memory, for tests.

        Args:
            modules: Module, or object, with the hooks, by distribution name.
        """
        return cls(
            [
                plugins.load_plugin(name, lambda module=module: module, module=name, distribution=name)  # type: ignore[misc]
                for name, module in modules.items()
            ]
        )

    # -- entries by name

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
        """Look up the entry of a kind and name.

        Raises:
            PluginError: No plugin registers it, or more than one does.
        """
        entries_by_name = self._entries[KINDS[kind]]
        candidates = entries_by_name.get(name, [])
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            raise PluginError(self._clash(kind, name, candidates))
        broken = [plugin.name for plugin in self.plugins if plugin.error]
        hint = f" Broken plugins: {', '.join(broken)}; see `vla-rl-bench plugins`." if broken else ""
        close = did_you_mean(name, entries_by_name) or " None is installed."
        raise PluginError(f"unknown {singular(kind)} `{name}`.{close}{hint}")

    # -- listings

    def names(self, kind: str) -> list[str]:
        return sorted(self._entries[KINDS[kind]])

    def listing(self, kind: str) -> list[Registered]:
        """List the entries of a kind by name; clashing names appear more than once."""
        entries_by_name = self._entries[KINDS[kind]]
        return [entry for name in sorted(entries_by_name) for entry in entries_by_name[name]]

    def checks(self) -> list[Registered]:
        """List the checks for ``doctor``, plugin by plugin; two checks may have the same name."""
        return [
            Registered(record, plugin)
            for plugin in self.plugins
            for record in plugin.records.get("register_checks", ())
        ]

    def clashes(self) -> list[str]:
        """Describe each name that more than one distribution registers, in one line."""
        return [
            self._clash(kind, name, candidates)
            for kind, hook in KINDS.items()
            for name, candidates in sorted(self._entries[hook].items())
            if len(candidates) > 1
        ]

    @staticmethod
    def _clash(kind: str, name: str, candidates: Sequence[Registered]) -> str:
        owners = " and ".join(f"{entry.plugin.distribution} ({entry.plugin.module})" for entry in candidates)
        return f"{singular(kind)} `{name}` is registered by {owners}. Uninstall one of them."

    # -- advice

    def require(self, entry: Any) -> None:
        """Check that this interpreter has the modules that an entry requires.

        Raises:
            MissingRequirement: It lacks some; the message names the command that installs them.
        """
        missing = [name for name in getattr(entry, "requires", ()) if not _importable(name)]
        if missing:
            words = ", ".join(f"`{name}`" for name in missing)
            raise MissingRequirement(f"{entry.name} needs {words}, which this interpreter lacks", entry.install or "")


def _importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # a parent package is missing or broken
        return False


@cache
def discover() -> Catalog:
    """Return the catalog of all installed plugins; built on the first call in a process."""
    return Catalog(plugins.load_all())
