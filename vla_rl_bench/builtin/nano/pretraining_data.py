"""Pre-training data of the nano policy, which stands for a VLA's pre-training: random tables with instructions.

It contains instructions to *locate* things by color and kind (``red block``), by side (``left red block``, ``top
pad``), two in one sentence, and to *move to* one of them, empty-handed or carrying; of two blocks named together, to
the first that is not yet in the basket.  It contains none of the sixteen tasks, their layouts, their sentences or the
word ``put``.  The gripper never closes or opens and nothing is grasped, carried somewhere or put down: the answer to
``move to`` keeps the gripper as it is.  Those skills come from demonstrations and from reinforcement learning.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vla_rl_bench.builtin.tabletop.dynamics import MAX_STEP
from vla_rl_bench.builtin.tabletop.scene import NOTHING, OBJECTS, ZONE_RADIUS, ZONES, Scenes, blank
from vla_rl_bench.builtin.tabletop.suites import BASKET, COLORS, SIDES
from vla_rl_bench.types import FloatArray, IntArray

Random = np.random.Generator
Place = NDArray[np.float32]
_OUTWARD = np.array([(-1, 0), (1, 0), (0, 1), (0, -1)], np.float32)  # in the order of SIDES
_CLEARLY = 0.05  # table widths by which the leftmost thing must lead the next


@dataclass(frozen=True)
class PretrainingBatch:
    """N examples.  labels: float32 ``[N, K, 3]`` in the action space; weights: 0 for labels that do not count."""

    scenes: Scenes
    sentences: list[str]
    labels: FloatArray
    weights: FloatArray


def pretraining_batch(random: Random, rows: int, chunk: int, moves: float) -> PretrainingBatch:
    """Draw a batch with a share `moves` of ``move to`` sentences; the others are ``locate``."""
    scenes = random_scenes(random, rows)
    sentences, labels, weights = [], [], []
    for row in range(rows):
        if random.random() < moves:
            sentence, target = _move_sentence(scenes, row, random)
            label, weight = _move_labels(scenes, row, target, chunk, random)
        else:
            sentence, label, weight = _locate_example(scenes, row, chunk, random)
        sentences.append(sentence)
        labels.append(label)
        weights.append(weight)
    return PretrainingBatch(scenes, sentences, np.stack(labels), np.stack(weights))


def random_scenes(random: Random, rows: int) -> Scenes:
    """Tables with one to four blocks (half of them of one color), a basket or one to four pads, a hand anywhere."""
    scenes = blank(rows)
    absent = scenes.objects.copy()
    scenes.objects[:] = random.uniform(0.08, 0.92, scenes.objects.shape)
    scenes.zones[:] = random.uniform(0.12, 0.88, scenes.zones.shape)
    scenes.gripper[:] = random.uniform(0.04, 0.96, scenes.gripper.shape)
    scenes.object_colors[:] = random.random((rows, OBJECTS)).argsort(1)
    same = random.random(rows) < 0.5
    scenes.object_colors[same] = scenes.object_colors[same, :1]
    scenes.zone_colors[:] = random.random((rows, ZONES)).argsort(1)
    basket = random.random(rows) < 0.6
    scenes.zone_colors[basket] = BASKET
    _fill_basket(scenes, random, basket)
    _fill_hand(scenes, random)
    blocks, zones = random.integers(1, OBJECTS + 1, rows), np.where(basket, 1, random.integers(1, ZONES + 1, rows))
    no_block, no_zone = np.arange(OBJECTS) >= blocks[:, None], np.arange(ZONES) >= zones[:, None]
    scenes.objects[no_block], scenes.zones[no_zone] = absent[no_block], absent[no_zone]
    return scenes


def _fill_basket(scenes: Scenes, random: Random, basket: NDArray[np.bool_]) -> None:
    """In a third of the scenes with a basket, the first block already lies in it."""
    rows = np.flatnonzero(basket & (random.random(len(scenes)) < 0.33))
    scenes.objects[rows, 0] = scenes.zones[rows, 0] + random.uniform(-0.06, 0.06, (len(rows), 2))


def _fill_hand(scenes: Scenes, random: Random) -> None:
    """A third of the hands are closed, most of them around a block."""
    closed = random.random(len(scenes)) < 0.33
    scenes.closed[:] = closed
    rows = np.flatnonzero(closed & (random.random(len(scenes)) < 0.8))
    scenes.held[rows] = 0
    scenes.objects[rows, 0] = scenes.gripper[rows]


def _locate_example(scenes: Scenes, row: int, chunk: int, random: Random) -> tuple[str, FloatArray, FloatArray]:
    """Make a ``locate`` example: x and y of the thing as first two action dimensions; of two things, half the chunk."""
    name, position = _thing(scenes, row, random)
    sentence, positions = f"locate the {name}", np.repeat(position[None], chunk, 0)
    if random.random() < 0.3:
        second_name, second_position = _thing(scenes, row, random)
        sentence = f"locate the {name} and the {second_name}"
        positions[chunk // 2 :] = second_position
    label = np.zeros((chunk, 3), np.float32)
    label[:, :2] = positions * 2 - 1
    return sentence, label, np.tile(np.array([1, 1, 0], np.float32), (chunk, 1))


def _move_sentence(scenes: Scenes, row: int, random: Random) -> tuple[str, Place]:
    pair = _pair(scenes, row, random) if random.random() < 0.3 else None
    name, position = pair or _thing(scenes, row, random)
    return f"move to the {name}", position


def _move_labels(scenes: Scenes, row: int, target: Place, chunk: int, random: Random) -> tuple[FloatArray, FloatArray]:
    """Actions straight to the target, with a little noise; the gripper stays open or closed as it is.

    In half of the empty-handed cases the hand is moved near the thing, where precision matters.
    """
    if scenes.held[row] == NOTHING and random.random() < 0.5:
        scenes.gripper[row] = np.clip(target + random.normal(scale=0.12, size=2), 0.03, 0.97)
    label = np.full((chunk, 3), 1.0 if scenes.closed[row] else -1.0, np.float32)
    hand = scenes.gripper[row].astype(np.float64)
    for k in range(chunk):
        way = (target - hand) / MAX_STEP
        longest = np.abs(way).max()
        way = way / max(longest, 1.0)
        hand = hand + way * MAX_STEP
        label[k, :2] = way + random.normal(scale=0.05, size=2) * (longest > 0.3)
    return np.clip(label, -1, 1), np.ones((chunk, 3), np.float32)


def _thing(scenes: Scenes, row: int, random: Random) -> tuple[str, Place]:
    """A block, a pad or the basket that a phrase singles out, never the block in the hand."""
    zone = _zone(scenes, row, random) if random.random() < 0.4 else None
    block = _block(scenes, row, random)
    return zone or block or _basket_or_first_pad(scenes, row)


def _basket_or_first_pad(scenes: Scenes, row: int) -> tuple[str, Place]:
    color = int(scenes.zone_colors[row, 0])
    return ("basket" if color == BASKET else f"{COLORS[color]} pad"), scenes.zones[row, 0]


def _zone(scenes: Scenes, row: int, random: Random) -> tuple[str, Place] | None:
    if scenes.zone_colors[row, 0] == BASKET:
        return "basket", scenes.zones[row, 0]
    extreme = _extreme(scenes.zones[row], np.flatnonzero(scenes.zones[row, :, 0] > -1), random)
    return (f"{extreme[0]} pad", scenes.zones[row, extreme[1]]) if extreme else None


def _block(scenes: Scenes, row: int, random: Random) -> tuple[str, Place] | None:
    present = _blocks(scenes, row)
    if not present.size:
        return None
    colors = scenes.object_colors[row]
    if len(set(colors[scenes.objects[row, :, 0] > -1].tolist())) > 1 or len(present) == 1:
        chosen = int(random.choice(present))
        return f"{COLORS[colors[chosen]]} block", scenes.objects[row, chosen]
    extreme = _extreme(scenes.objects[row], present, random)
    return (f"{extreme[0]} {COLORS[colors[0]]} block", scenes.objects[row, extreme[1]]) if extreme else None


def _blocks(scenes: Scenes, row: int) -> IntArray:
    """Blocks on the table, without the one in the hand."""
    return np.flatnonzero((scenes.objects[row, :, 0] > -1) & (np.arange(OBJECTS) != scenes.held[row]))


def _extreme(places: FloatArray, present: IntArray, random: Random) -> tuple[str, int] | None:
    """A side and the thing clearly furthest towards it."""
    side = int(random.integers(len(SIDES)))
    reach = places[present] @ _OUTWARD[side]
    order = reach.argsort()
    if len(present) > 1 and reach[order[-1]] - reach[order[-2]] < _CLEARLY:
        return None
    return SIDES[side], int(present[order[-1]])


def _pair(scenes: Scenes, row: int, random: Random) -> tuple[str, Place] | None:
    """Two blocks of two colors by name, with the position of the first that is not in the basket."""
    present = _blocks(scenes, row)
    colors = scenes.object_colors[row]
    if scenes.zone_colors[row, 0] != BASKET or len(present) < 2 or colors[present[0]] == colors[present[1]]:
        return None
    pair = random.permutation(present)[:2]
    if random.random() < 0.5 and 0 in present:  # the first block is the one that may lie in the basket
        pair = np.array([0, random.choice(present[present != 0])])
    away = np.linalg.norm(scenes.objects[row, pair] - scenes.zones[row, 0], axis=1) > ZONE_RADIUS - 0.01
    target = pair[int(not away[0])]
    return f"{COLORS[colors[pair[0]]]} and {COLORS[colors[pair[1]]]} block", scenes.objects[row, target]
