"""Images in memory that two processes share: one slab a worker, a place for every camera of every slot.

The memory has no name: both sides hold a file descriptor, so nothing can be left behind, however either of them ends.
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

NO_MEMORY = -1  # in place of a file descriptor: images travel in the messages


def open_memory() -> int:
    """A descriptor of empty anonymous memory, for `SharedImages` in this process and in a child; or `NO_MEMORY`."""
    with contextlib.suppress(OSError, AttributeError):
        return os.memfd_create("vla-rl-bench-images")
    with contextlib.suppress(OSError), tempfile.TemporaryFile() as file:  # a nameless file is shared as well
        return os.dup(file.fileno())
    return NO_MEMORY


class SharedImages:
    """A place for the images of each slot.  `put` on one side, `get` on the other."""

    def __init__(self, memory: int, cameras: Sequence[ImageSpec], slots: int) -> None:
        """memory: a descriptor of `open_memory`; closed here, when it has been mapped."""
        self._places: list[dict[str, ImageArray]] = [{} for _ in range(slots)]
        shapes = [(camera.name, (camera.height, camera.width, 3)) for camera in cameras]
        size = slots * sum(int(np.prod(shape)) for _, shape in shapes)
        try:
            if size:
                _reserve(memory, size)
                self._lay_out(mmap.mmap(memory, size), shapes)
        finally:
            os.close(memory)

    def _lay_out(self, mapped: mmap.mmap, shapes: Sequence[tuple[str, tuple[int, int, int]]]) -> None:
        first = 0
        for places in self._places:
            for name, shape in shapes:
                length = int(np.prod(shape))
                places[name] = np.frombuffer(mapped, np.uint8, length, first).reshape(shape)
                first += length

    def put(self, slot: int, observation: Observation) -> Observation:
        """Write the slot's images -> the observation without them."""
        places = self._places[slot]
        if _shapes(observation.images) != _shapes(places):
            raise ValueError(f"the contract says images {_shapes(places)}, and {_shapes(observation.images)} were seen")
        for name, image in observation.images.items():
            places[name][...] = image
        return Observation({}, observation.proprio)

    def get(self, slot: int, observation: Observation) -> Observation:
        """The observation with the slot's images, which the slot's next `put` overwrites."""
        return Observation(self._places[slot], observation.proprio)


def _reserve(memory: int, size: int) -> None:
    """Make the memory `size` bytes long; OSError where there is not so much."""
    if os.fstat(memory).st_size < size:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(memory, 0, size)
        else:
            os.ftruncate(memory, size)


def _shapes(images: Mapping[str, ImageArray]) -> dict[str, str]:
    return {name: f"{image.dtype}{list(image.shape)}" for name, image in sorted(images.items())}


def try_slab(memory: int, cameras: Sequence[ImageSpec], slots: int) -> SharedImages | None:
    """A slab, or None where the memory cannot be had."""
    if memory == NO_MEMORY:
        return None
    try:
        return SharedImages(memory, cameras, slots)
    except OSError:
        return None
