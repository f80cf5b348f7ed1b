"""A plugin can be anything a stranger installs: whatever is wrong with it is recorded, and nothing else suffers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.plugins_in_hand import registering
from vla_rl_bench import deprecated, entries, plugins
from vla_rl_bench.events import RunEnd
from vla_rl_bench.hookspecs import hookimpl
from vla_rl_bench.types import SamplingParams


@dataclass(frozen=True)
class Options:
    """Sound options."""

    size: int = 1


@dataclass
class Thawed:
    size: int = 1


@dataclass(frozen=True)
class NameTaken:
    name: str = ""


@dataclass(frozen=True)
class TypeMissing:
    where: Nowhere  # type: ignore[name-defined]  # noqa: F821


@dataclass(frozen=True)
class Idle:
    """No hook at all."""


@dataclass(frozen=True)
class UnknownHook:
    @hookimpl
    def sampling_parameters(self) -> None: ...


@dataclass(frozen=True)
class WrongArgument:
    @hookimpl
    def sampling_params(self, step: int) -> None: ...


@dataclass(frozen=True)
class Meddler:
    """A tracker that changes a number."""

    @hookimpl
    def sampling_params(self) -> SamplingParams:
        return SamplingParams(2.0)


@dataclass(frozen=True)
class WrappingObserver:
    @hookimpl(wrapper=True)
    def on_run_end(self, event: RunEnd) -> Any:
        return (yield)


def load(plugin: object) -> plugins.LoadedPlugin:
    return plugins.load_plugin("p", lambda: plugin, module="p.plugin", distribution="dist-p", version="1.2")


def environment(**changes: Any) -> entries.EnvironmentEntry:
    return entries.EnvironmentEntry(**{"name": "e", "summary": "", "make": "a.b:c", "suites": ("s",), **changes})


def test_a_sound_plugin_says_where_it_comes_from_and_what_it_has() -> None:
    record = environment(options=Options)
    found = load(registering(register_environments=[record]))
    assert (found.error, found.provenance, found.module) == (None, "dist-p 1.2", "p.plugin")
    assert found.records["register_environments"] == (record,)


def test_a_retired_hook_is_ignored_with_one_warning_that_names_the_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deprecated, "_warned", {})
    record = environment()
    old = registering(register_environments=[record], register_benchmarks=["anything"])
    with pytest.warns(DeprecationWarning, match="the hook `register_benchmarks` of plugin p is ignored") as warnings:
        plugin, _ = load(old), load(old)
    assert len(warnings) == 1
    assert (plugin.error, plugin.records["register_environments"]) == (None, (record,))
    assert "register_benchmarks" not in plugin.records


def test_benchmark_entry_still_imports_with_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deprecated, "_warned", {})
    with pytest.warns(DeprecationWarning, match="BenchmarkEntry is deprecated"):
        assert entries.BenchmarkEntry("head", "two heads", "K", "measured:rows").letter == "K"


def test_a_plugin_without_hooks_is_sound() -> None:
    assert load(registering()).error is None


@pytest.mark.parametrize("raised", [ImportError("no module named x"), RuntimeError("a\nb"), SystemExit(3)])
def test_a_plugin_that_cannot_be_imported_is_kept_with_its_error(raised: BaseException) -> None:
    def importer() -> object:
        raise raised

    found = plugins.load_plugin("p", importer, module="p", distribution="d")
    assert found.error is not None
    assert type(raised).__name__ in found.error
    assert "\n" not in found.error
    assert not found.records


@pytest.mark.parametrize(
    ("hooks", "error"),
    [
        ({"register_tricksters": []}, "unknown hook 'register_tricksters'"),
        ({"register_commands": lambda application: None}, "{'application'}"),
        ({"register_tricks": lambda: None}, "register_tricks returned None; it must yield TrickEntry records"),
        ({"register_tricks": lambda: 1 / 0}, "ZeroDivisionError: division by zero"),
        ({"register_tricks": [environment()]}, "register_tricks yields EnvironmentEntry, not TrickEntry"),
        ({"register_environments": [environment(), environment()]}, "register_environments yields `e` twice"),
        ({"register_environments": [environment(name="Big One")]}, "`Big One`: a name is made of"),
        ({"register_environments": [environment(make="a.b.c")]}, "make must be a text like `package.module:attribute`"),
        ({"register_algorithms": [entries.AlgorithmEntry("x", "", "a.b.c")]}, "train must be a text like"),
        ({"register_environments": [environment(suites="s")]}, "suites must be a tuple of texts"),
        ({"register_environments": [environment(requires=["torch"])]}, "requires must be a tuple of texts"),
        ({"register_environments": [environment(options=Options())]}, "its options must be a frozen dataclass"),
        ({"register_environments": [environment(options=Thawed)]}, "Thawed must be a frozen dataclass"),
        ({"register_environments": [environment(options=NameTaken)]}, "NameTaken.name: a suite uses that key itself"),
        ({"register_environments": [environment(options=TypeMissing)]}, "'Nowhere' is not defined; import its types"),
        ({"register_tricks": [entries.TrickEntry("t", "", Idle)]}, "Idle has no method marked @hookimpl"),
        ({"register_tricks": [entries.TrickEntry("t", "", UnknownHook)]}, "unknown hook 'sampling_parameters'"),
        ({"register_tricks": [entries.TrickEntry("t", "", WrongArgument)]}, "{'step'}"),
        ({"register_trackers": [entries.TrackerEntry("t", "", Meddler)]}, "a tracker only observes"),
        ({"register_trackers": [entries.TrackerEntry("t", "", WrappingObserver)]}, "there is nothing to wrap"),
    ],
)
def test_what_is_wrong_with_a_plugin_is_said_in_one_line_and_it_has_nothing(hooks: dict[str, Any], error: str) -> None:
    found = load(registering(**hooks))
    assert found.error is not None
    assert error in found.error
    assert "\n" not in found.error
    assert not found.records
    assert found.manager is None


def test_one_wrong_record_takes_the_whole_plugin_with_it() -> None:
    """Half a plugin would be a riddle."""
    sound = entries.AdvantageEntry("a", "", "m:f")
    found = load(registering(register_advantages=[sound], register_tricks=["nonsense"]))
    assert not found.records


def test_installed_plugins_are_found_with_their_distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution is a folder with metadata on the path; one is broken, one is not."""
    for name, code in {"good": "", "bad": "raise OSError('no such driver')"}.items():
        (tmp_path / f"{name}_module.py").write_text(code)
        about = tmp_path / f"{name}_dist-1.5.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-dist\nVersion: 1.5\n")
        (about / "entry_points.txt").write_text(f"[vla_rl_bench]\n{name} = {name}_module\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = {plugin.name: plugin for plugin in plugins.load_all()}
    assert found["builtin"].error is None
    assert (found["good"].distribution, found["good"].version, found["good"].error) == ("good-dist", "1.5", None)
    assert found["bad"].error == "OSError: no such driver"


def test_a_wrapper_does_not_own_what_it_wraps() -> None:
    class Wrapping:
        @hookimpl(wrapper=True)
        def sampling_params(self) -> Any:
            return (yield)

    assert plugins.owned_hooks(Meddler) == ["sampling_params"]
    assert plugins.owned_hooks(Wrapping) == []
    assert plugins.implemented_hooks(Wrapping) == ["sampling_params"]
