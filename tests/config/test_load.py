"""A suite file says what it says, and what is wrong with one is said with file, line and remedy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.config.suites import SUITE, changed, line_of, load_suite_text
from tests.plugins_in_hand import registering, with_builtin
from vla_rl_bench import entries
from vla_rl_bench.builtin.tricks.clip_range import ClipRange
from vla_rl_bench.builtin.tricks.temperature import Temperature
from vla_rl_bench.catalog import Catalog
from vla_rl_bench.config.load import load_suite
from vla_rl_bench.config.overrides import as_dict
from vla_rl_bench.config.yaml_file import SuiteErrors
from vla_rl_bench.errors import SuiteError, UserError

CATALOG = with_builtin()


def error_of(text: str, catalog: Catalog = CATALOG) -> str:
    with pytest.raises(UserError) as caught:
        load_suite_text(text, (), catalog)
    return str(caught.value)


# -- what a suite says


def test_yaml_means_what_a_reader_thinks() -> None:
    """YAML 1.2: 5e-6 is a number, `on` is a word; an option's default is there though nobody wrote it."""
    suite = load_suite_text(changed("name: small", "name: small\ntitle: on"), (), CATALOG)
    rl = suite.arms[1].rl
    assert rl is not None
    assert rl.learning_rate == 5e-6
    assert suite.title == "on"
    assert [trick.name for trick in rl.tricks] == ["dynamic-sampling", "clip-range", "temperature"]
    assert rl.tricks[0].options == {"low": 0.0, "high": 1.0, "max_draws": 2.0}
    assert rl.tricks[1].options == {"low": 0.2, "high": 0.28}


def test_a_resolved_suite_says_the_same_when_loaded_again() -> None:
    suite = load_suite_text(SUITE, (), CATALOG)
    assert as_dict(load_suite_text(json.dumps(as_dict(suite)), (), CATALOG)) == as_dict(suite)


def test_a_suite_is_found_by_file_and_by_a_plugins_name(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(SUITE)
    catalog = with_builtin(other=registering(register_suites=[entries.SuiteEntry("theirs", "", path)]))
    assert load_suite(path, (), catalog) == load_suite("theirs", (), catalog) == load_suite(str(path), (), catalog)


def test_names_of_distributions_compare_as_pip_compares_them() -> None:
    catalog = with_builtin(My_Plugin=registering())
    suite = load_suite_text(changed("table: {", "plugins: {my-plugin: pip install my-plugin}\ntable: {"), (), catalog)
    assert suite.plugins == {"my-plugin": "pip install my-plugin"}


def test_windows_line_ends_and_a_byte_order_mark_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + SUITE.replace("\n", "\r\n").encode())
    assert load_suite(path, (), CATALOG) == load_suite_text(SUITE, (), CATALOG)


# -- what can be wrong: (the piece to replace, with what, the line's piece, the error)

WRONG = [
    ("seeds: [0, 1]", "seed: [0, 1]", "seed:", "seed: unknown key. Did you mean `seeds`?"),
    ("seeds: [0, 1]", "seeds: []", "seeds:", "seeds: List should have at least 1 item, not 0"),
    ("seeds: [0, 1]", "seeds: [1, 1]", "seeds:", "seeds.1: seed `1` is there twice; remove one"),
    ("seeds: [0, 1]", "seeds: 0", "seeds:", "seeds: Input should be a list, got `0`"),
    ("seeds: [0, 1]", "seeds: [-1]", "seeds:", "seeds.0: Input should be greater than or equal to 0, got `-1`"),
    ("seeds: [0, 1]", "", "name: small", "seeds: Field required"),
    ("name: small", "name: Small Suite", "name: S", "name: a name is made of a-z, 0-9, `.`, `_` and `-`, "
     'got `"Small Suite"`'),
    ("steps: 10", "steps: ten", "steps:", "arms.sft.sft.steps: Input should be a valid integer, got `\"ten\"`"),
    ("steps: 10", "steps: 0", "steps:", "arms.sft.sft.steps: Input should be greater than 0, got `0`"),
    ("steps: 10", "stepz: 10", "stepz:", "arms.sft.sft.stepz: unknown key. Did you mean `steps`?"),
    ("group_size: 8", "group_size: 1", "group_size", "arms.sft-rl.rl.group_size: "
     "Input should be greater than or equal to 2, got `1`"),
    ("trajectory-mean", "mean", "aggregate", "arms.sft-rl.rl.aggregate: "
     "Input should be 'trajectory-mean' or 'token-mean', got `\"mean\"`"),
    ("value: 1.6", "value: -1", "value:", "arms.sft-rl.rl.tricks.temperature.value: must be above 0, got -1"),
    ("value: 1.6", "valu: 1.6", "valu:", "arms.sft-rl.rl.tricks.temperature.valu: unknown option. "
     "Did you mean `value`?"),
    ("name: temperature", "name: temprature", "temprature", "arms.sft-rl.rl.tricks.temprature: "
     "unknown trick `temprature`. Did you mean `temperature`?"),
    ("name: temperature\n          value: 1.6", "name: clip-range", "- name: clip-range",
     "arms.sft-rl.rl.tricks.clip-range: trick `clip-range` is there twice; remove one"),
    ("minibatch: 8", "minibatch: 33", "minibatch", "arms.sft-rl.rl.minibatch: 33 trajectories are more than a "
     "batch has: groups x group_size = 32; write at most that"),
    ("advantage: grpo", "advantage: gae", "gae", "arms.sft-rl.rl.advantage: unknown advantage `gae`. Known: grpo."),
    ("objective: clipped", "objective: cliped", "cliped", "arms.sft-rl.rl.objective: "
     "unknown objective `cliped`. Did you mean `clipped`?"),
    ("{name: nano}", "{name: nanoo}", "policy", "policy.name: unknown policy `nanoo`. Did you mean `nano`?"),
    ("{name: nano}", "{name: nano, chunk: x}", "policy", "policy.chunk: Input should be a valid integer, got `\"x\"`"),
    ("{name: nano}", "nano", "policy", "policy: Input should be keys and values, got `\"nano\"`"),
    ("{name: tabletop}", "{name: tabeltop}", "environment", "environment.name: unknown environment `tabeltop`. "
     "Did you mean `tabletop`?"),
    ("{name: tabletop}", "{name: tabletop, starts: {held-out: 9-1}}", "environment",
     "environment.starts.held-out: `9-1` runs backwards; write 1-9"),
    ("{name: tabletop}", "{name: tabletop, starts: {held-out: 0-9, training: 9-20}}", "environment",
     "environment.starts.held-out: 0-9 overlaps training (9-20); held-out starts stand alone"),
    ("{name: tabletop}", "{name: tabletop, starts: {held-out: 7-7}}", "evaluation",
     "evaluation.per_task: asks for 2 held-out starts per task, and there are 1 (7-7); write at most that"),
    ("{name: tabletop}", "{name: tabletop, starts: {training: all}}", "environment",
     "environment.starts.training: expected first-last, as in `0-29`, got `\"all\"`"),
    ("[object, goal]", "[object, gaol]", "columns", "columns.1: tabletop has no task suite `gaol`. "
     "Did you mean `goal`?"),
    ("[object, goal]", "[object, goal, goal]", "columns", "columns.2: column `goal` is there twice; remove one"),
    ("{object: [0, 1]}", "{long: [0]}", "tasks", "tasks.long: no column `long`. Known: goal, object."),
    ("{object: [0, 1]}", "{object: []}", "tasks", "tasks.object: is empty; write task numbers as in [0, 1], "
     "or remove the key for all tasks"),
    ("tasks: {object: [0, 1]}", "unseen: {long: [0]}", "unseen", "unseen.long: no column `long`. Known: goal, object."),
    ("tasks: {object: [0, 1]}", "unseen: {object: []}", "unseen", "unseen.object: is empty; write task numbers as in "
     "[0, 1], or remove the key for none"),
    ("tasks: {object: [0, 1]}", "tasks: {object: [0, 1]}\nunseen: {object: [2, 1]}", "unseen",
     "unseen.object.1: task 1 is trained on: it stands under `tasks` too"),
    ("tasks: {object: [0, 1]}", "task_suites: {goal: gaol}", "task_suites", "task_suites.goal: tabletop has no task "
     "suite `gaol`. Did you mean `goal`?"),
    ("tasks: {object: [0, 1]}", "task_suites: {long: goal}", "task_suites", "task_suites.long: no column `long`. "
     "Known: goal, object."),
    ("table: {", "extra_evaluations: [{name: unseen, per_task: 1}]\ntable: {", "extra",
     "extra_evaluations.unseen: `unseen` is the name of the suite's own evaluation; take another"),
    ("table: {", "extra_evaluations: [{name: x, per_task: 1, suite: gaol}]\ntable: {", "extra",
     "extra_evaluations.x.suite: tabletop has no task suite `gaol`. Did you mean `goal`?"),
    ("from: sft", "from: stf", "from", "arms.sft-rl.from: no arm `stf`. Did you mean `sft`?"),
    ("from: sft", "from: sft-rl", "from", "arms.sft-rl.from: an arm cannot start from itself"),
    ("  - name: sft\n", "  - name: sft\n    from: sft-rl\n", "from: sft-rl",
     "arms.sft.from: `sft-rl` stands below this arm; move it above"),
    ("    demonstrations: {per_task: 1}\n", "", "- name: sft", "arms.sft: has `sft` but no `demonstrations`"),
    ("[[sft-rl, sft]]", "[[sft-rl, stf]]", "delta", "table.delta.0.1: no arm `stf`. Did you mean `sft`?"),
    ("{temperature: 1.0}", "{temperature: -1.0}", "evaluation",
     "evaluation.sampling.1.temperature: Input should be greater than 0, got `-1.0`"),
    ("per_task: 2, ", "per_task: 2, table: T=2, ", "evaluation",
     "evaluation.table: `T=2` is not among the samplings; write one of: greedy, T=1"),
    ("table: {", "film: {column: long}\ntable: {", "film", "film.column: no column `long`. Known: goal, object."),
    ("table: {", "runtime: {jobs: 0}\ntable: {", "runtime", "runtime.jobs: Input should be greater than 0 or 'auto', "
     "got `0`"),
    ("table: {", "trackers: [{name: wandb}]\ntable: {", "trackers", "trackers.wandb: unknown tracker `wandb`. "
     "None is installed."),
    ("table: {", "plugins: {my-plugin: pip install my-plugin}\ntrackers: [{name: mine}]\ntable: {", "plugins",
     "plugins.my-plugin: is not installed. Run: pip install my-plugin"),
    ("table: {", "extra_evaluations: [{name: x, per_task: 1, environment: {jiter: 1}}]\ntable: {", "extra",
     "extra_evaluations.x.environment.jiter: unknown option. Did you mean `jitter`?"),
    ("seeds: [0, 1]", "seeds: [0\n  1: 2]", "1: 2]", "expected ',' or ']', but got ':'"),
    ("seeds: [0, 1]", "seeds: [0, 1]\nseeds: [2]", "seeds: [2]",
     "seeds: is written twice, first at s.yaml:6; remove one"),
    ("      groups: 4", "\t groups: 4", "\t", "a tab; YAML indents with spaces. Replace the tab by spaces"),
    ("policy: {", "policy:\t{", "policy", "a tab; YAML indents with spaces. Replace the tab by spaces"),
    ("name: small", "name: !!python/object/apply:os.getcwd []", "name", "the tag `!!python/object/apply:os.getcwd` "
     "builds an object; write a plain value, without a tag"),
    ("name: small", "name: &a [*a]", "name", "is nested too deeply, or contains itself"),
    ("name: small", 'name: small\ntitle: "\\ud800"', "title", "half a character (a surrogate); "
     "write the character itself"),
    ("name: small", "<<: {name: small}", "<<", "<<: YAML 1.2 has no merge keys; write the keys out, or `extends:`"),
    ("name: small", "name: small\n? [a]\n: b", "[a]", "a key must be a word, not a list or a mapping"),
    ("name: small", "name: *small", "small", "found undefined alias 'small'"),
    ("name: small", "name: a: b", "name", "a `:` where none can be; check the indentation, or quote the text"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "place", "error"), WRONG, ids=[repr(one[1])[:40] for one in WRONG])
def test_what_is_wrong_is_said_in_one_line_with_its_place(old: str, new: str, place: str, error: str) -> None:
    text = changed(old, new)
    found = error_of(text)
    assert found == f"s.yaml:{line_of(text, place)}: {error}"
    assert "\n" not in found


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", "1: is empty; a suite begins with `name:`"),
        (b"# only a comment\n", "1: is empty; a suite begins with `name:`"),
        (b"- a\n- b\n", "1: expected `key: value` lines at the top, not a list or a single value"),
        (b"just words\n", "1: expected `key: value` lines at the top, not a list or a single value"),
        (b"name: a\n\x00\x01", "2: a control character; a suite is a YAML text file"),
        (b"name: a\ntitle: \xff\n", "2: this is not UTF-8; save the file as UTF-8 text"),
        (b"name: a\ntitle: \x07\n", "2: a control character; a suite is a YAML text file"),
        (b"name: a\n---\nname: b\n", "2: a second document begins here; a suite file holds one suite"),
        (b"[" * 1000, "1: is nested too deeply, or contains itself"),
    ],
)
def test_a_file_that_is_no_suite_is_refused(tmp_path: Path, content: bytes, error: str) -> None:
    path = tmp_path / "s.yaml"
    path.write_bytes(content)
    with pytest.raises(SuiteError) as caught:
        load_suite(path, (), CATALOG)
    assert str(caught.value) == f"{path}:{error}"


def test_an_expert_is_neither_trained_nor_sampled() -> None:
    assert error_of(changed("{name: nano}", "{name: expert}")).splitlines() == [
        "s.yaml:10: arms.sft.sft: policy `expert` is the environment's expert and is not trained; remove `sft`",
        "s.yaml:13: arms.sft-rl.rl: policy `expert` is the environment's expert and is not trained; remove `rl`",
        "s.yaml:27: evaluation.sampling.1: policy `expert` does not sample; write sampling: [greedy]",
    ]


def test_aliases_of_aliases_do_not_fill_the_memory() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    assert "is too large for a suite" in error_of("\n".join(lines))


def test_a_missing_file_suggests_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "smoke.yaml").write_text(SUITE)
    missing = tmp_path / "smok.yaml"
    with pytest.raises(SuiteError, match=f"smok.yaml: no such suite file. Did you mean `{tmp_path}/smoke.yaml`"):
        load_suite(missing, (), CATALOG)
    with pytest.raises(SuiteError, match="is a folder; name a suite file in it"):
        load_suite(tmp_path, (), CATALOG)
    with pytest.raises(SuiteError, match="no such suite file"):
        load_suite(tmp_path / "no" / "where.yaml", (), CATALOG)


def test_the_second_of_two_arms_of_one_name_is_the_wrong_one() -> None:
    text = SUITE.replace("  - name: sft-rl\n    from: sft\n", "  - name: sft\n").replace("[[sft-rl, sft]]", "[]")
    second = text.splitlines().index("  - name: sft", text.splitlines().index("  - name: sft") + 1) + 1
    assert error_of(text) == f"s.yaml:{second}: arms.sft: arm `sft` is there twice; remove one"


def test_several_errors_stand_in_the_files_order_and_the_tail_is_counted() -> None:
    text = changed("steps: 10", "steps: x").replace("seeds: [0, 1]", "seeds: []").replace("groups: 4", "groups: x")
    with pytest.raises(SuiteErrors) as caught:
        load_suite_text(text, (), CATALOG)
    assert [error.key for error in caught.value.errors] == ["seeds", "arms.sft.sft.steps", "arms.sft-rl.rl.groups"]
    many = error_of("name: a\n" + "".join(f"k{n}: 1\n" for n in range(9)))
    assert len(many.splitlines()) == 6
    assert "more" in many.splitlines()[-1]


def test_two_tricks_that_decide_the_same_are_refused_by_name() -> None:
    class Cool(Temperature):
        """Another owner of the temperature, under another name."""

    class Cold(ClipRange):
        """Owns only the clip range."""

    records = [entries.TrickEntry("cool", "", Cool), entries.TrickEntry("cold", "", Cold)]
    catalog = with_builtin(other=registering(register_tricks=records))
    text = changed("{name: dynamic-sampling, max_draws: 2}", "{name: cool}")
    assert error_of(text, catalog) == (
        f"s.yaml:{line_of(text, '- name: temperature')}: arms.sft-rl.rl.tricks.temperature: "
        "both `cool` and `temperature` decide `sampling_params`; leave one of them out"
    )


# -- extends


def test_a_child_changes_what_it_says_and_keeps_the_rest(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "parent.yaml").write_text(SUITE)
    child = tmp_path / "child.yaml"
    child.write_text(
        "extends: base/parent.yaml\nname: child\nseeds: [7]\n"
        "arms:\n"
        "  - {name: sft, sft: {steps: 99}}\n"
        "  - name: sft-rl\n    rl:\n      tricks:\n        - {name: temperature, value: 1.2}\n"
        "  - {name: rl-only, from: sft-rl}\n"
    )
    suite, parent = load_suite(child, (), CATALOG), load_suite_text(SUITE, (), CATALOG)
    assert (suite.name, suite.seeds, suite.columns) == ("child", (7,), parent.columns)
    assert [arm.name for arm in suite.arms] == ["sft", "sft-rl", "rl-only"]
    assert suite.arms[0].sft is not None
    assert (suite.arms[0].sft.steps, suite.arms[0].sft.batch_size) == (99, 4)
    rl = suite.arms[1].rl
    assert rl is not None
    assert [(one.name, one.options.get("value")) for one in rl.tricks] == [
        ("dynamic-sampling", None),
        ("clip-range", None),
        ("temperature", 1.2),
    ]


def test_an_empty_list_empties_and_another_plugin_replaces(tmp_path: Path) -> None:
    """Options of one policy mean nothing to another, so they do not merge."""
    other = entries.PolicyEntry("other", "", "a:b")
    catalog = with_builtin(other=registering(register_policies=[other]))
    (tmp_path / "parent.yaml").write_text(changed("{name: nano}", "{name: nano, width: 32}"))
    child = tmp_path / "child.yaml"
    child.write_text(
        "extends: parent.yaml\nname: child\npolicy: {name: other}\narms: [{name: sft-rl, rl: {tricks: []}}]\n"
    )
    suite = load_suite(child, (), catalog)
    assert (suite.policy.name, suite.policy.options) == ("other", {})
    assert suite.arms[1].rl is not None
    assert suite.arms[1].rl.tricks == ()


def test_an_error_is_placed_in_the_file_that_wrote_it(tmp_path: Path) -> None:
    parent, child = tmp_path / "parent.yaml", tmp_path / "child.yaml"
    parent.write_text(changed("steps: 10", "steps: x"))
    child.write_text("extends: parent.yaml\nname: child\narms:\n  - name: sft-rl\n    rl: {group_size: 1}\n")
    with pytest.raises(SuiteErrors) as caught:
        load_suite(child, (), CATALOG)
    assert [error.where for error in caught.value.errors] == [f"{child}:5", f"{parent}:10"]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("extends: nowhere.yaml\nname: a\n", "1: extends: no such file: "),
        ("name: a\nextends: [b.yaml]\n", "2: extends: expected one file name, relative to this file"),
        ("extends: child.yaml\nname: a\n", "1: extends: `child.yaml` leads back to this file"),
        ("extends: nowhere.yaml\n", "1: name: is missing; a suite that extends another needs a name of its own"),
    ],
)
def test_a_parent_must_be_another_file_that_is_there(tmp_path: Path, text: str, error: str) -> None:
    child = tmp_path / "child.yaml"
    child.write_text(text)
    with pytest.raises(SuiteError) as caught:
        load_suite(child, (), CATALOG)
    assert str(caught.value).startswith(f"{child}:{error}")


def test_a_curve_of_sft_has_an_arm_of_its_own() -> None:
    rl = "rl: {iterations: 1, groups: 1, group_size: 2, minibatch: 1, learning_rate: 1.0, advantage: grpo, "
    rl += "objective: clipped, aggregate: token-mean}"
    text = changed("sft: {steps: 10,", f"{rl}\n    sft: {{curve: {{every: 5, per_task: 1}}, steps: 10,")
    assert "has `sft.curve` and `rl`; give the fine-tuning an arm of its own" in error_of(text)
