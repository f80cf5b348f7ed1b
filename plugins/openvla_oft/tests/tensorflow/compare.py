"""Compare the image pipeline with TensorFlow's own operations.

python compare.py outputs OUT.npz       # needs requirements.txt: what TensorFlow makes of every input
python compare.py table OUT.npz         # needs the plugin: the table of results/openvla_oft/images.md; exit 1 above 0
python compare.py sample OUT.npz        # the rows of it that the ordinary tests compare with, into tests/data/
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
from inputs import DATA, inputs
from numpy.typing import NDArray

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
STRIDE = 13  # of the sampled rows: prime to JPEG's blocks, so that every row of a block is met


def outputs(path: Path) -> None:
    import tensorflow as tf
    from reference import stages

    made = {f"{name}/{stage}": out for name, image in inputs().items() for stage, out in stages(image).items()}
    np.savez_compressed(path, version=np.array(tf.__version__), **made)  # type: ignore[arg-type]


def sample(path: Path) -> None:
    with np.load(path) as made:
        rows = {name: made[name][::STRIDE] if made[name].ndim else made[name] for name in made.files}
    np.savez_compressed(DATA / "tensorflow_rows.npz", **rows)  # type: ignore[arg-type]


def table(path: Path) -> int:
    """Each stage is given TensorFlow's own output of the stage before; `pipeline` is ours from end to end."""
    with np.load(path) as made:
        print(f"TensorFlow {made['version']}\n")
        print("| stage | input | max abs difference (levels) | values that differ |")
        print("|---|---|--:|--:|")
        worst = 0
        for name, image in inputs().items():
            for stage, (ours, theirs) in pairs(image, {key: made[f"{name}/{key}"] for key in STAGES}).items():
                difference = np.abs(ours.astype(int) - theirs)
                worst = max(worst, int(difference.max()))
                print(f"| {stage} | {name} | {difference.max()} | {np.count_nonzero(difference)} of {ours.size} |")
    return worst


STAGES = ("jpeg", "lanczos", "libero", "straight")
Pair = tuple[NDArray[np.uint8], NDArray[np.uint8]]


def pairs(image: NDArray[np.uint8], theirs: dict[str, NDArray[np.uint8]]) -> dict[str, Pair]:
    """Stage -> ours and TensorFlow's."""
    import torch

    from vla_rl_bench_openvla_oft.images import crop_centre, preprocess, resize_as_training
    from vla_rl_bench_openvla_oft.jpeg import round_trip

    def batch(one: NDArray[np.uint8]) -> torch.Tensor:
        return torch.from_numpy(one)[None]

    ours = {
        "JPEG": (round_trip(batch(image)), "jpeg"),
        "Lanczos3": (resize_as_training(batch(theirs["jpeg"]), 224), "lanczos"),
        "centre crop": (crop_centre(batch(theirs["lanczos"]), 224), "libero"),
        "centre crop, straight": (crop_centre(batch(image), 224), "straight"),
        "pipeline": (preprocess(image[None], jpeg=True, size=224), "libero"),
    }
    return {stage: (out[0].numpy(), theirs[key]) for stage, (out, key) in ours.items()}


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("outputs", "table", "sample"):
        sys.exit(__doc__)
    sys.exit({"outputs": outputs, "table": table, "sample": sample}[sys.argv[1]](Path(sys.argv[2])))
