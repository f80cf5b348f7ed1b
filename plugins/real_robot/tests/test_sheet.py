"""The order of a plan, undos, and the letters of blind trials."""

from __future__ import annotations

from collections import Counter
from itertools import groupby

import pytest

from plugins.real_robot.tests.made_up import OFT, OURS, TIME, filled, made_up_plan
from vla_rl_bench_real_robot.sheet import Note, Sheet, Undo, letters, planned_trials


@pytest.mark.parametrize("order", ["interleaved", "blocked"])
def test_planned_trials_hold_every_round_of_every_model_and_task_once(order: str) -> None:
    plan = made_up_plan(order=order, trials=50, models=("a", "b", "c"))
    planned = list(planned_trials(plan))
    assert len(planned) == len(set(planned)) == 2 * 3 * 50
    assert [task for task, _ in groupby(planned, key=lambda planned: planned.task)] == list(plan.tasks)


def test_planned_trials_interleaved_alternate_models_in_random_order() -> None:
    plan = made_up_plan(trials=50)
    rounds = [
        list(group) for _, group in groupby(planned_trials(plan), key=lambda planned: (planned.task, planned.round))
    ]
    assert all({planned.model for planned in group} == {OFT, OURS} for group in rounds)
    first = Counter(group[0].model for group in rounds)
    assert 30 < first[OFT] < 70  # of 100; a fair coin leaves this once in 10 000 seeds


def test_planned_trials_blocked_do_one_model_after_another() -> None:
    blocks = [
        key
        for key, _ in groupby(
            planned_trials(made_up_plan(order="blocked")), key=lambda planned: (planned.task, planned.model)
        )
    ]
    assert len(blocks) == 4


def test_planned_trials_depend_on_the_seed() -> None:
    assert list(planned_trials(made_up_plan(trials=50))) == list(planned_trials(made_up_plan(trials=50)))
    assert list(planned_trials(made_up_plan(trials=50))) != list(planned_trials(made_up_plan(trials=50, seed=6)))


def test_sheet_undo_makes_the_trial_the_next_again() -> None:
    sheet = Sheet(made_up_plan())
    first, second, *_ = sheet.remaining()
    sheet.apply(sheet.trial(first, True))
    sheet.apply(Undo(number=1, time=TIME))
    assert (next(sheet.remaining()), sheet.undone, sheet.last) == (first, 1, None)
    sheet.apply(sheet.trial(first, False))
    assert sheet.successes(first.task, first.model) == {1: False}
    assert next(sheet.remaining()) == second
    assert sheet.last is not None and sheet.last.number == 2


def test_sheet_collects_notes_by_trial() -> None:
    sheet = Sheet(made_up_plan())
    sheet.apply(sheet.trial(next(sheet.remaining()), False, "slipped"))
    sheet.apply(Note(number=1, note="table was moved", time=TIME))
    assert sheet.notes == {1: ["slipped", "table was moved"]}


def test_sheet_remaining_of_one_task() -> None:
    sheet = Sheet(made_up_plan())
    assert next(sheet.remaining("Pick Bottle")).task == "Pick Bottle"
    filled(sheet, lambda planned: True if planned.task == "Pick Bottle" else None)
    assert next(sheet.remaining("Pick Bottle"), None) is None
    assert len(list(sheet.remaining())) == 6


def test_letters_depend_on_the_seed() -> None:
    plan = made_up_plan(models=("a", "b", "c", "d"))
    assert sorted(letters(plan)) == ["a", "b", "c", "d"]
    assert list(letters(plan).values()) == ["A", "B", "C", "D"]
    orders = {tuple(letters(made_up_plan(models=("a", "b", "c", "d"), seed=seed))) for seed in range(50)}
    assert len(orders) > 15  # of 24


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"tasks": ("a", "a")}, "task `a` is listed twice"),
        ({"models": ()}, "models"),
        ({"models": ("a\nb",)}, "must be one line"),
        ({"delta": ((OURS, "OpenVLA"),)}, "no model `OpenVLA` in the plan. Did you mean `OpenVLA-OFT`?"),
        ({"delta": ((OURS, OURS),)}, "a model has no difference to itself"),
        ({"trials": 0}, "trials"),
        ({"protocol": "two\nlines"}, "must be one line"),
    ],
)
def test_plan_rejects_wrong_fields(changes: dict[str, object], what: str) -> None:
    with pytest.raises(ValueError, match=what.replace("?", r"\?")):
        made_up_plan(**changes)
