"""Shared images: each slot has its own place, and what does not fit is refused."""

from __future__ import annotations

import os
import tempfile

import numpy as np
import pytest

from vla_rl_bench.rollout.shared_images import NO_MEMORY, SharedImages, map_shared_images, open_memory
from vla_rl_bench.types import ImageSpec, Observation

CAMERAS = (ImageSpec("front", 4, 6), ImageSpec("wrist", 2, 2))
PROPRIO = np.arange(3, dtype=np.float32)


def seen(value: int) -> Observation:
    return Observation({one.name: np.full((one.height, one.width, 3), value, np.uint8) for one in CAMERAS}, PROPRIO)


def two_sides(slots: int) -> tuple[SharedImages, SharedImages]:
    memory = open_memory()
    other = os.dup(memory)
    return SharedImages(memory, CAMERAS, slots), SharedImages(other, CAMERAS, slots)


def test_each_slot_has_a_place_of_its_own() -> None:
    worker, trainer = two_sides(3)
    left = [worker.put(slot, seen(10 + slot)) for slot in range(3)]
    for slot, observation in enumerate(left):
        assert not observation.images
        got = trainer.get(slot, observation)
        assert all((image == 10 + slot).all() for image in got.images.values())
        assert {name: image.shape for name, image in got.images.items()} == {"front": (4, 6, 3), "wrist": (2, 2, 3)}
        assert np.array_equal(got.proprio, PROPRIO)


def test_images_that_break_the_contract_are_refused() -> None:
    worker, _ = two_sides(1)
    with pytest.raises(ValueError, match="contract"):
        worker.put(0, Observation({"front": np.zeros((4, 6, 3), np.uint8)}, PROPRIO))
    with pytest.raises(ValueError, match="float32"):
        worker.put(0, Observation({**seen(1).images, "wrist": np.zeros((2, 2, 3), np.float32)}, PROPRIO))  # type: ignore[dict-item]


def test_a_nameless_file_serves_where_there_is_no_anonymous_memory() -> None:
    with tempfile.TemporaryFile() as file:
        worker, trainer = (SharedImages(os.dup(file.fileno()), CAMERAS, 2) for _ in range(2))
    got = trainer.get(1, worker.put(1, seen(9)))
    assert all((image == 9).all() for image in got.images.values())


def test_an_environment_without_cameras_needs_no_memory() -> None:
    slab = SharedImages(open_memory(), (), 2)
    assert not slab.get(1, slab.put(1, Observation({}, PROPRIO))).images


def test_without_memory_there_is_no_slab() -> None:
    assert map_shared_images(NO_MEMORY, CAMERAS, 1) is None
    assert map_shared_images(os.open(os.devnull, os.O_RDWR), CAMERAS, 1) is None
