"""Images in memory that two processes share: per worker one block, with a place for every camera of every slot.

The memory has no name: both sides hold a file descriptor, so nothing is left behind, however they end.
Standard library and NumPy only: a worker imports this, in whatever interpreter it runs.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import tempfile
from collections.abc import Mapping, Sequence

import numpy as np

from vla_rl_bench.types import ImageArray, ImageSpec, Observation

NO_MEMORY = -1  # instead of a file descriptor: images are sent in the messages


def open_memory() -> int:
    """Open empty anonymous memory for `SharedImages` in this process and a child; `NO_MEMORY` if there is none."""
    with contextlib.suppress(OSError, AttributeError):
        return os.memfd_create("vla-rl-bench-images")
    with contextlib.suppress(OSError), tempfile.TemporaryFile() as file:  # a nameless file is shared as well
        return os.dup(file.fileno())
    return NO_MEMORY


class SharedImages:
    """Shared memory for the images of each slot: the worker calls `put`, the trainer `get`."""

    def __init__(self, memory: int, cameras: Sequence[ImageSpec], slots: int) -> None:
        """Map `memory`, a descriptor of `open_memory`, which is closed here."""
        self._places: list[dict[str, ImageArray]] = [{} for _ in range(slots)]
        shapes = [(camera.name, (camera.height, camera.width, 3)) for camera in cameras]
        size = slots * sum(int(np.prod(shape)) for _, shape in shapes)
        try:
            if size:
                _reserve(memory, size)
                self._divide(mmap.mmap(memory, size), shapes)
        finally:
            os.close(memory)

    def _divide(self, mapped: mmap.mmap, shapes: Sequence[tuple[str, tuple[int, int, int]]]) -> None:
        first = 0
        for places in self._places:
            for name, shape in shapes:
                length = int(np.prod(shape))
                places[name] = np.frombuffer(mapped, np.uint8, length, first).reshape(shape)
                first += length

    def put(self, slot: int, observation: Observation) -> Observation:
        """Write the images of a slot; return the observation without them."""
        places = self._places[slot]
        if _shapes(observation.images) != _shapes(places):
            raise ValueError(
                f"the contract declares images {_shapes(places)}; the observation has {_shapes(observation.images)}"
            )
        for name, image in observation.images.items():
            places[name][...] = image
        return Observation({}, observation.proprio)

    def get(self, slot: int, observation: Observation) -> Observation:
        """Return the observation with the slot's images, which the slot's next `put` overwrites."""
        return Observation(self._places[slot], observation.proprio)


def _reserve(memory: int, size: int) -> None:
    """Make the memory `size` bytes long; raise OSError if there is not enough."""
    if os.fstat(memory).st_size < size:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(memory, 0, size)
        else:
            os.ftruncate(memory, size)


def _shapes(images: Mapping[str, ImageArray]) -> dict[str, str]:
    return {name: f"{image.dtype}{list(image.shape)}" for name, image in sorted(images.items())}


def map_shared_images(memory: int, cameras: Sequence[ImageSpec], slots: int) -> SharedImages | None:
    """Map `memory` as shared images; None if there is not enough memory."""
    if memory == NO_MEMORY:
        return None
    try:
        return SharedImages(memory, cameras, slots)
    except OSError:
        return None
