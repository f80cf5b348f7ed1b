"""Episodes go where their task is, and no slot waits for that."""

from __future__ import annotations

from vla_rl_bench.rollout.pool import best_pair


def test_a_held_task_comes_first() -> None:
    assert best_pair([0, 0, 1], [0, 1], [set(), {1}]) == (2, 1)


def test_then_one_that_nobody_holds() -> None:
    assert best_pair([0, 0, 1], [1], [{0}, set()]) == (2, 1)


def test_then_whichever_waits_longest() -> None:
    assert best_pair([0, 0], [1], [{0}, {1}]) == (0, 1)


def test_a_new_task_goes_to_the_slot_that_holds_least() -> None:
    assert best_pair([5], [0, 1], [{1, 2}, {3}]) == (0, 1)


def test_two_slots_share_four_tasks_out() -> None:
    """Slots free in turn; four episodes a task: each plays two tasks, and neither builds what the other has."""
    held: list[set[int]] = [set(), set()]
    tasks = [task for task in range(4) for _ in range(4)]
    for turn in range(16):
        place, slot = best_pair(tasks, [turn % 2], held)
        held[slot].add(tasks.pop(place))
    assert sorted(map(len, held)) == [2, 2]
    assert held[0] | held[1] == {0, 1, 2, 3}
