"""``a.b=c`` changes what it names, wherever that is, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.config.suites import SUITE, load_suite_text
from tests.plugins_in_hand import with_builtin
from vla_rl_bench.config.overrides import as_dict, expand_axis
from vla_rl_bench.config.yaml_file import parse_value
from vla_rl_bench.errors import SuiteError, UserError

CATALOG = with_builtin()
TWO_RL = SUITE.replace(
    "evaluation:",
    "  - name: dotted.1\n    rl: {iterations: 1, groups: 2, group_size: 2, minibatch: 2, learning_rate: 1,"
    " advantage: grpo, objective: clipped, aggregate: token-mean, tricks: [{name: temperature}]}\nevaluation:",
)


def plain(*overrides: str, text: str = TWO_RL) -> dict[str, Any]:
    return as_dict(load_suite_text(text, overrides, CATALOG))


def differences(one: Any, other: Any, path: str = "") -> dict[str, Any]:
    """Leaf path -> the new value, for what differs; lists by index."""
    if isinstance(one, dict) and isinstance(other, dict):
        pairs: Any = [(str(key), one.get(key), other.get(key)) for key in {**one, **other}]
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = [(str(number), *pair) for number, pair in enumerate(zip(one, other, strict=True))]
    else:
        return {} if one == other else {path: other}
    found: dict[str, Any] = {}
    for key, old, new in pairs:
        found |= differences(old, new, f"{path}.{key}".lstrip("."))
    return found


@pytest.mark.parametrize(
    ("override", "changes"),
    [
        ("seeds=[4, 5]", {"seeds.0": 4, "seeds.1": 5}),
        ("title=on", {"title": "on"}),
        ("title='12'", {"title": "12"}),
        ("title=a=b", {"title": "a=b"}),
        ("environment.jitter=0.07", {"environment.jitter": 0.07}),
        ("table.average=false", {"table.average": False}),
        ("runtime.jobs=2", {"runtime.jobs": 2}),
        ("film.column=goal", {"film": {"column": "goal", "task": None, "start": None, "environment": {}}}),
        ("arms.sft.sft.steps=3", {"arms.0.sft.steps": 3}),
        ("sft.steps=3", {"arms.0.sft.steps": 3}),
        ("demonstrations.per_task=9", {"arms.0.demonstrations.per_task": 9}),
        ("rl.iterations=9", {"arms.1.rl.iterations": 9, "arms.2.rl.iterations": 9}),
        ("arms.dotted.1.rl.iterations=9", {"arms.2.rl.iterations": 9}),
        ("rl.curve={every: 1, per_task: 2}", {f"arms.{n}.rl.curve": {"every": 1, "per_task": 2} for n in (1, 2)}),
        ("tricks.temperature.value=1.2", {"arms.1.rl.tricks.2.value": 1.2, "arms.2.rl.tricks.0.value": 1.2}),
        ("rl.tricks.temperature.value=1.2", {"arms.1.rl.tricks.2.value": 1.2, "arms.2.rl.tricks.0.value": 1.2}),
        ("arms.sft-rl.rl.tricks.temperature.value=1.2", {"arms.1.rl.tricks.2.value": 1.2}),
        ("tricks.clip-range={high: 0.3}", {"arms.1.rl.tricks.1.high": 0.3}),
        ("tricks.temperature=on", {}),
    ],
)
def test_an_override_changes_what_it_names_and_nothing_else(override: str, changes: dict[str, Any]) -> None:
    assert differences(plain(), plain(override)) == changes


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(override path, value) of every single value and plain list in resolved data; named items by their names."""
    if isinstance(value, dict) and value:
        for key, below in value.items():
            yield from leaves(below, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list) and value and all(isinstance(item, dict) and "name" in item for item in value):
        for item in value:
            yield from leaves(item, f"{path}.{item['name']}")
    else:
        yield path, value


@pytest.mark.parametrize(
    "written", ["", "strategy: {device: auto}\nruntime: {slots: 128}\n"], ids=["absent", "partial"]
)
def test_overriding_any_default_with_its_own_value_changes_nothing(written: str) -> None:
    """A block that the file leaves out, or writes in part, is there with its defaults when an override is applied."""
    text = TWO_RL + written
    defaults = plain(text=text)
    for path, value in leaves(defaults):
        assert plain(f"{path}={json.dumps(value)}", text=text) == defaults, path


def test_an_option_of_a_strategy_that_is_not_written_is_the_default_strategys() -> None:
    assert differences(plain(), plain("strategy.device=cpu")) == {"strategy.device": "cpu"}
    with pytest.raises(UserError, match=r"command line: strategy\.zero: unknown option"):
        plain("strategy.zero=3")


def trick_names(suite: dict[str, Any]) -> list[list[str]]:
    return [[trick["name"] for trick in arm["rl"]["tricks"]] for arm in suite["arms"] if arm["rl"]]


def test_off_takes_a_trick_out_of_every_arm_that_has_it() -> None:
    assert trick_names(plain("tricks.temperature=off")) == [["dynamic-sampling", "clip-range"], []]
    assert trick_names(plain("tricks.clip-range=false")) == [["dynamic-sampling", "temperature"], ["temperature"]]
    assert trick_names(plain("arms.sft-rl.rl.tricks.temperature=off"))[1] == ["temperature"]


def test_overrides_apply_in_order_and_to_one_arm_without_the_other() -> None:
    """A mapping given to several arms is not shared between them."""
    found = plain("rl.curve={every: 1, per_task: 2}", "arms.sft-rl.rl.curve.every=5", "seeds=[1]", "seeds=[2]")
    assert [arm["rl"]["curve"]["every"] for arm in found["arms"] if arm["rl"]] == [5, 1]
    assert found["seeds"] == [2]


def test_what_is_set_to_nothing_is_as_if_it_were_not_written() -> None:
    assert plain("rl.curve={every: 1, per_task: 2}", "rl.curve=null") == plain()


@pytest.mark.parametrize(
    ("override", "error"),
    [
        ("seeds", "seeds: expected key=value, as in rl.iterations=10"),
        ("=1", "=1: expected key=value, as in rl.iterations=10"),
        ("a..b=1", "a..b=1: expected key=value, as in rl.iterations=10"),
        ("seeds=[1", "seeds: `[1` is not a YAML value: expected ',' or ']', but got '<stream end>'"),
        ("tabel.average=true", "tabel: unknown key. Did you mean `table`?"),
        ("rl.iteratons=3", None),
        ("arms.sff.sft.steps=1", "arms.sff.sft.steps: no item `sff` in `arms`. Did you mean `sft`?"),
        ("tricks.temprature=off", "tricks.temprature: no item `temprature` in `tricks`. Did you mean `temperature`?"),
        ("tricks.temprature=on", "tricks.temprature: no item `temprature` in `tricks`. Did you mean `temperature`?"),
        ("tricks.temperature=2", "tricks.temperature: write tricks.temperature.KEY=VALUE, or tricks.temperature=off to "
         "leave it out"),
        ("tricks.clip-range.high=-1", "arms.sft-rl.rl.tricks.clip-range.high: must be above 0, got -1"),
        ("name.first=x", "name.first: there is nothing below `name`; it is a single value"),
        ("seeds.0=1", "seeds.0: no item `0` in `seeds`. Set the whole list instead."),
        ("policy.name=nanoo", "policy.name: unknown policy `nanoo`. Did you mean `nano`?"),
    ],
)  # fmt: skip
def test_an_override_that_fits_nothing_is_refused_as_the_command_lines(override: str, error: str | None) -> None:
    with pytest.raises(UserError) as caught:
        plain(override)
    lines = str(caught.value).splitlines()
    assert all(line.startswith("command line: ") for line in lines)
    if error is not None:
        assert lines == [f"command line: {error}"]


def test_a_shorthand_for_a_block_that_no_arm_has_names_the_arms() -> None:
    lines = TWO_RL.splitlines()
    only_rl = "\n".join(line for line in lines if not line.startswith(("    demonstrations:", "    sft:")))
    with pytest.raises(SuiteError, match=r"sft\.steps: no arm has `sft`\. Arms: sft, sft-rl, dotted\.1\."):
        plain("sft.steps=1", text=only_rl)


words = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cn", "Co")), max_size=8)
scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | words
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(words, inner), max_leaves=4)


@settings(max_examples=50)
@given(values)
def test_any_json_value_written_as_an_override_is_read_back(value: Any) -> None:
    assert parse_value(json.dumps(value, ensure_ascii=False)) == value


@settings(max_examples=30)
@given(st.text(st.characters(exclude_categories=("C", "Z")), max_size=30))
def test_any_text_is_a_title_when_it_is_quoted(title: str) -> None:
    assert plain(f"title={json.dumps(title, ensure_ascii=False)}", text=SUITE)["title"] == title


# -- axes


def test_an_axis_has_an_override_for_each_value() -> None:
    assert expand_axis("tricks.temperature.value=1.0, 1.6") == [
        ("temperature.value=1.0", "tricks.temperature.value=1.0"),
        ("temperature.value=1.6", "tricks.temperature.value=1.6"),
    ]
    assert expand_axis("rl.betas=[0.9, 0.99],[0.8,0.9]") == [
        ("rl.betas=[0.9, 0.99]", "rl.betas=[0.9, 0.99]"),
        ("rl.betas=[0.8,0.9]", "rl.betas=[0.8,0.9]"),
    ]
    assert [label for label, _ in expand_axis("rl.curve={every: 1, per_task: 2},null")] == [
        "rl.curve={every: 1, per_task: 2}",
        "rl.curve=null",
    ]


@given(st.lists(st.lists(st.integers() | st.text('ab,]["\\'), max_size=3), min_size=1, max_size=4))
def test_commas_inside_brackets_and_quotes_do_not_split(lists: list[list[Any]]) -> None:
    written = ",".join(json.dumps(one) for one in lists)
    found = [override.removeprefix("rl.x=") for _, override in expand_axis(f"rl.x={written}")]
    assert [json.loads(one) for one in found] == lists


@pytest.mark.parametrize("axis", ["rl.x", "=1", "rl.x=", "rl.x=1,,2"])
def test_an_axis_without_values_is_refused(axis: str) -> None:
    with pytest.raises(SuiteError, match="command line: "):
        expand_axis(axis)
