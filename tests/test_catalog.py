"""The Catalog: what is registered is found by name, and only a name's own trouble stops a look-up."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.plugins_in_hand import registering, with_builtin
from vla_rl_bench import entries
from vla_rl_bench.catalog import KINDS, Catalog, discover
from vla_rl_bench.errors import MissingRequirement, PluginError, SuiteError
from vla_rl_bench.events import RunEnd
from vla_rl_bench.hookspecs import hookimpl
from vla_rl_bench.options import make_options, plain_options
from vla_rl_bench.plugins import RECORDS
from vla_rl_bench.types import SamplingParams


@dataclass(frozen=True)
class Hot:
    value: float = 3.0

    @hookimpl
    def sampling_params(self) -> SamplingParams:
        return SamplingParams(self.value)


@dataclass(frozen=True)
class Watch:
    @hookimpl
    def on_run_end(self, event: RunEnd) -> None: ...


def only(**hooks: Any) -> Catalog:
    return Catalog.of(one=registering(**hooks))


# -- looking up


@pytest.mark.parametrize(
    ("look_up", "record"),
    [
        ("environment", entries.EnvironmentEntry("x", "", "a:b", ("s",))),
        ("policy", entries.PolicyEntry("x", "", "a:b")),
        ("trick", entries.TrickEntry("x", "", Hot)),
        ("advantage", entries.AdvantageEntry("x", "", "a:b")),
        ("objective", entries.ObjectiveEntry("x", "", "a:b")),
        ("tracker", entries.TrackerEntry("x", "", Watch)),
        ("table_format", entries.TableFormatEntry("x", "", "a:b", "csv")),
        ("suite", entries.SuiteEntry("x", "", Path("/s.yaml"))),
    ],
)
def test_a_registered_record_is_found_by_its_name(look_up: str, record: Any) -> None:
    hook = next(name for name, kind in RECORDS.items() if kind is type(record))
    catalog = only(**{hook: [record]})
    assert getattr(catalog, look_up)("x") is record
    kind = next(kind for kind, registered in KINDS.items() if registered == hook)
    assert catalog.names(kind) == ["x"]


def test_several_plugins_may_check_something_under_one_name() -> None:
    record = entries.CheckEntry("gl", lambda: [entries.CheckResult(True, "fine")])
    plugin = registering(register_checks=[record])
    assert [one.entry for one in Catalog.of(a=plugin, b=plugin).checks()] == [record, record]


def test_a_name_is_looked_up_in_its_own_kind() -> None:
    catalog = only(register_advantages=[entries.AdvantageEntry("same", "", "a:b")])
    with pytest.raises(PluginError, match=r"unknown objective `same`\. None is installed\."):
        catalog.objective("same")


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(PluginError, match=re.escape("unknown trick `temprature`. Did you mean `temperature`?")):
        with_builtin().trick("temprature")


def test_a_clash_names_both_distributions_and_stops_nothing_else() -> None:
    first = registering(register_tricks=[entries.TrickEntry("hot", "", Hot), entries.TrickEntry("warm", "", Hot)])
    second = registering(register_tricks=[entries.TrickEntry("hot", "", Hot)])
    catalog = Catalog.of(alpha=first, beta=second)
    assert catalog.trick("warm").name == "warm"
    with pytest.raises(PluginError, match=r"`hot` is registered by alpha \(alpha\) and beta \(beta\)") as caught:
        catalog.trick("hot")
    assert catalog.clashes() == [str(caught.value)]
    assert [one.plugin.distribution for one in catalog.listing("tricks")] == ["alpha", "beta", "alpha"]


def test_a_plugin_cannot_replace_what_is_built_in_unseen() -> None:
    catalog = with_builtin(stranger=registering(register_tricks=[entries.TrickEntry("temperature", "", Hot)]))
    with pytest.raises(PluginError, match=r"builtin \(builtin\) and stranger \(stranger\)"):
        catalog.trick("temperature")
    assert catalog.trick("clip-range")


def test_a_broken_plugin_stops_nothing_and_is_mentioned_where_a_name_is_missing() -> None:
    catalog = with_builtin(wreck=registering(register_tricks=lambda: 1 / 0))
    assert catalog.trick("temperature").name == "temperature"
    assert [(one.name, one.error) for one in catalog.plugins if one.error] == [
        ("wreck", "ZeroDivisionError: division by zero")
    ]
    with pytest.raises(PluginError, match=r"Broken plugins: wreck; see `vla-rl-bench plugins`\."):
        catalog.trick("hot")


def test_what_is_installed_is_found_once_a_process() -> None:
    assert discover() is discover()
    assert discover().environment("tabletop").batched


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("trackers", "suites")])
def test_the_built_in_plugin_has_something_of_each_kind(kind: str) -> None:
    assert with_builtin().names(kind)


def test_everything_built_in_that_is_named_as_text_is_there() -> None:
    catalog = with_builtin()
    for kind in KINDS:
        for one in catalog.listing(kind):
            for name in ("make", "function", "render"):
                if hasattr(one.entry, name):
                    assert callable(entries.load(getattr(one.entry, name)))


def test_looking_around_loads_neither_torch_nor_a_simulator() -> None:
    code = (
        "import sys; from vla_rl_bench.catalog import discover; discover().trick('temperature');"
        "print({'torch', 'pandas', 'matplotlib', 'mujoco', 'robosuite', 'gymnasium'} & sys.modules.keys())"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


# -- advice


def test_a_missing_requirement_names_the_command_that_brings_it() -> None:
    entry = entries.PolicyEntry(
        "big", "", "a:b", requires=("json", "no_such", "no_such.child"), install="pip install x"
    )
    with pytest.raises(MissingRequirement) as caught:
        with_builtin().require(entry)
    assert str(caught.value) == (
        "big needs `no_such`, `no_such.child`, which this interpreter lacks. Run: pip install x"
    )


def test_nothing_is_asked_of_an_entry_whose_modules_are_there() -> None:
    with_builtin().require(entries.PolicyEntry("small", "", "a:b", requires=("json", "numpy.random")))
    with_builtin().require(entries.AdvantageEntry("a", "", "a:b"))


# -- options


@dataclass(frozen=True)
class Many:
    count: int
    rate: float = 1.0
    mode: Literal["a", "b"] = "a"
    pair: tuple[int, int] = (1, 2)
    path: Path | None = None
    names: tuple[str, ...] = field(default=())
    copy: bool = False  # also the name of a method of pydantic's models

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError(f"count: {self.count} is negative")
        if self.count > 9:
            raise ValueError("too many")


def test_options_take_what_yaml_gives() -> None:
    """Lists serve as tuples, whole numbers as floats, texts as paths."""
    given = {"count": 3, "rate": 2, "mode": "b", "pair": [3, 4], "path": "x/y", "names": ["n"], "copy": True}
    made = make_options(Many, given, "s.yaml:3")
    assert made == Many(3, 2.0, "b", (3, 4), Path("x/y"), ("n",), True)
    assert isinstance(made.rate, float)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({}, "count: Field required"),
        ({"count": "3"}, 'count: Input should be a valid integer, got `"3"`'),
        ({"count": 1.5}, "count: Input should be a valid integer, got `1.5`"),
        ({"count": True}, "count: Input should be a valid integer, got `true`"),
        ({"count": None}, "count: Input should be a valid integer, got `null`"),
        ({"count": 1, "rate": "fast"}, 'rate: Input should be a valid number, got `"fast"`'),
        ({"count": 1, "mode": "c"}, "mode: Input should be 'a' or 'b', got `\"c\"`"),
        ({"count": 1, "pair": [1]}, "pair.1: Field required"),
        ({"count": 1, "pair": 1}, "pair: Input should be a list, got `1`"),
        ({"count": 1, "copy": "yes"}, 'copy: Input should be a valid boolean, got `"yes"`'),
        ({"count": 1, "raet": 1}, "raet: unknown option. Did you mean `rate`?"),
        ({"count": -1}, "count: -1 is negative"),
        ({"count": 10}, "too many"),
    ],
)
def test_options_that_do_not_fit_are_refused_in_one_line(given: dict[str, Any], error: str) -> None:
    with pytest.raises(SuiteError) as caught:
        make_options(Many, given, "s.yaml:3")
    assert str(caught.value) == f"s.yaml:3: {error}"


def test_an_entry_without_options_takes_none() -> None:
    with pytest.raises(SuiteError, match=r"size: unknown option\. It takes none; remove the key\."):
        make_options(entries.NoOptions, {"size": 1}, "here")


def test_plain_options_give_the_same_options_again() -> None:
    options = Many(3, path=Path("x"), names=("a",))
    plain = plain_options(options)
    assert plain["pair"] == [1, 2]
    assert make_options(Many, plain, "") == options
