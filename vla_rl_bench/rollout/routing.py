"""Which waiting episode goes to which free slot: where a choice is, to one that holds the episode's task already.

A simulator is built when its task first comes to a slot (4 s and 1 GB each in LIBERO) and kept as long as the worker.
"""

from __future__ import annotations

from collections.abc import Sequence


def best_pair(tasks: Sequence[int], slots: Sequence[int], held: Sequence[set[int]]) -> tuple[int, int]:
    """tasks: of the waiting episodes, in order; slots: the free ones; held: the tasks of every slot, by slot.

    -> (place in `tasks`, slot): a task that the slot holds, else one that nobody holds, else whichever is first.
    Ties go to the episode that waits longest, then to the slot that holds least.
    """
    everywhere = set().union(*held)

    def rank(pair: tuple[int, int]) -> tuple[int, int, int]:
        place, slot = pair
        strange = 0 if tasks[place] in held[slot] else 2 if tasks[place] in everywhere else 1
        return strange, place, len(held[slot])

    return min(((place, slot) for place in range(len(tasks)) for slot in slots), key=rank)
