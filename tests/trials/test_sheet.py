"""The plan's order, what undoing leaves, and which letters hide which models."""

from __future__ import annotations

from collections import Counter
from itertools import groupby

import pytest

from tests.trials.made_up import OFT, OURS, TIME, filled, made_up_plan
from vla_rl_bench.trials.events import Note, Undo
from vla_rl_bench.trials.sheet import Sheet, letters, slots


@pytest.mark.parametrize("order", ["interleaved", "blocked"])
def test_every_model_gets_every_round_of_every_task_once(order: str) -> None:
    plan = made_up_plan(order=order, trials=50, models=("a", "b", "c"))
    planned = list(slots(plan))
    assert len(planned) == len(set(planned)) == 2 * 3 * 50
    assert [task for task, _ in groupby(planned, key=lambda slot: slot.task)] == list(plan.tasks)


def test_models_take_turns_and_each_goes_first_about_as_often() -> None:
    plan = made_up_plan(trials=50)
    rounds = [list(found) for _, found in groupby(slots(plan), key=lambda slot: (slot.task, slot.round))]
    assert all({slot.model for slot in found} == {OFT, OURS} for found in rounds)
    first = Counter(found[0].model for found in rounds)
    assert 30 < first[OFT] < 70  # of 100; a fair coin leaves this once in 10 000 seeds


def test_blocked_models_come_one_after_another() -> None:
    blocks = [key for key, _ in groupby(slots(made_up_plan(order="blocked")), key=lambda slot: (slot.task, slot.model))]
    assert len(blocks) == 4


def test_the_order_is_the_seeds() -> None:
    assert list(slots(made_up_plan(trials=50))) == list(slots(made_up_plan(trials=50)))
    assert list(slots(made_up_plan(trials=50))) != list(slots(made_up_plan(trials=50, seed=6)))


def test_an_undone_trial_is_the_next_one_again() -> None:
    sheet = Sheet(made_up_plan())
    first, second, *_ = sheet.open_slots()
    sheet.apply(sheet.trial(first, True))
    sheet.apply(Undo(number=1, time=TIME))
    assert (next(sheet.open_slots()), sheet.undone, sheet.last) == (first, 1, None)
    sheet.apply(sheet.trial(first, False))
    assert sheet.cell(first.task, first.model) == {1: False}
    assert next(sheet.open_slots()) == second
    assert sheet.last is not None and sheet.last.number == 2


def test_notes_gather_on_their_trial() -> None:
    sheet = Sheet(made_up_plan())
    sheet.apply(sheet.trial(next(sheet.open_slots()), False, "slipped"))
    sheet.apply(Note(number=1, note="table was moved", time=TIME))
    assert sheet.notes == {1: ["slipped", "table was moved"]}


def test_one_task_alone_may_be_done_first() -> None:
    sheet = Sheet(made_up_plan())
    assert next(sheet.open_slots("Pick Bottle")).task == "Pick Bottle"
    filled(sheet, lambda slot: True if slot.task == "Pick Bottle" else None)
    assert next(sheet.open_slots("Pick Bottle"), None) is None
    assert len(list(sheet.open_slots())) == 6


def test_letters_hide_names_and_depend_on_the_seed() -> None:
    plan = made_up_plan(models=("a", "b", "c", "d"))
    assert sorted(letters(plan)) == ["a", "b", "c", "d"]
    assert sorted(letters(plan).values()) == ["A", "B", "C", "D"]
    several = {tuple(letters(made_up_plan(models=("a", "b", "c", "d"), seed=seed)).values()) for seed in range(50)}
    assert len(several) > 15  # of 24


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"tasks": ("a", "a")}, "task `a` is there twice"),
        ({"models": ()}, "models"),
        ({"models": ("a\nb",)}, "must be one line"),
        ({"delta": ((OURS, "OpenVLA"),)}, "no model `OpenVLA` in the plan. Did you mean `OpenVLA-OFT`?"),
        ({"delta": ((OURS, OURS),)}, "a model has no difference to itself"),
        ({"trials": 0}, "trials"),
        ({"protocol": "two\nlines"}, "must be one line"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(changes: dict[str, object], what: str) -> None:
    with pytest.raises(ValueError, match=what.replace("?", r"\?")):
        made_up_plan(**changes)
