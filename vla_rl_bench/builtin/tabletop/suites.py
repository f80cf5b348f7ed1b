"""The sixteen tasks: layouts, instructions and goals.

The table is the unit square, x to the right and y up (the image's top row is y = 1).  The four suites ask what LIBERO's
four vary (arXiv 2306.03310): `object` the object, `spatial` its position among equal ones, `goal` the goal, `long` two
objects in turn.
"""

from __future__ import annotations

from dataclasses import dataclass

Point = tuple[float, float]

COLORS = ("red", "green", "blue", "yellow")
SIDES = ("left", "right", "top", "bottom")
BASKET = len(COLORS)  # palette index of the basket; the indices below it are those of COLORS
SHORT, LONG = 24, 40  # step limits; the expert needs about 10 and 20 steps


@dataclass(frozen=True)
class Layout:
    """A task's canonical scene.

    objects, zones: places.  object_colors, zone_colors: palette indices, one each.  targets: the objects to move, in
    the order in which the instruction names them.  goal: the zone that must hold all of them.  gripper: its start.
    spread: times the option `jitter`, how far things start from these places.
    """

    instruction: str
    objects: tuple[Point, ...]
    object_colors: tuple[int, ...]
    zones: tuple[Point, ...]
    zone_colors: tuple[int, ...]
    targets: tuple[int, ...]
    goal: int
    gripper: Point
    step_limit: int
    spread: float = 1.0

    @property
    def name(self) -> str:
        return self.instruction.replace(" ", "_")


_ROW: tuple[Point, ...] = ((0.16, 0.38), (0.38, 0.56), (0.62, 0.56), (0.84, 0.38))
_NEAR: tuple[Point, ...] = ((0.18, 0.46), (0.40, 0.32), (0.60, 0.32), (0.82, 0.46))
_CROSS: tuple[Point, ...] = (
    (0.20, 0.50),
    (0.80, 0.50),
    (0.50, 0.80),
    (0.50, 0.20),
)  # in the order of SIDES
_PADS: tuple[Point, ...] = (
    (0.15, 0.50),
    (0.85, 0.50),
    (0.50, 0.85),
    (0.50, 0.15),
)  # in the order of SIDES


def _basket_on_top(instruction: str, targets: tuple[int, ...], step_limit: int, spread: float = 1.0) -> Layout:
    return Layout(
        instruction,
        _ROW,
        (0, 1, 2, 3),
        ((0.50, 0.84),),
        (BASKET,),
        targets,
        0,
        (0.50, 0.12),
        step_limit,
    )


def _object() -> list[Layout]:
    return [_basket_on_top(f"put the {color} block in the basket", (k,), SHORT) for k, color in enumerate(COLORS)]


def _spatial() -> list[Layout]:
    return [
        Layout(f"put the {side} red block in the basket", _CROSS, (0,) * 4, ((0.5, 0.5),), (BASKET,), (k,), 0,
               (0.50, 0.36), SHORT)
        for k, side in enumerate(SIDES)
    ]  # fmt: skip


def _goal() -> list[Layout]:
    return [
        Layout(f"put the red block on the {side} pad", ((0.42, 0.48), (0.62, 0.56)), (0, 2), _PADS, (0, 1, 2, 3), (0,),
               k, (0.50, 0.36), SHORT)
        for k, side in enumerate(SIDES)
    ]  # fmt: skip


def _long() -> list[Layout]:
    return [
        Layout(
            f"put the {COLORS[a]} and {COLORS[b]} block in the basket", _NEAR, (0, 1, 2, 3), ((0.50, 0.66),),
            (BASKET,), (a, b), 0, (0.50, 0.42), LONG, 0.5,
        )
        for a, b in ((0, 1), (2, 3), (1, 2), (0, 3))
    ]  # fmt: skip


SUITES: dict[str, tuple[Layout, ...]] = {
    "object": tuple(_object()),
    "spatial": tuple(_spatial()),
    "goal": tuple(_goal()),
    "long": tuple(_long()),
}
