"""Image normalization of a checkpoint, from its preprocessor_config.json."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from pathlib import Path

from vla_rl_bench.errors import UserError
from vla_rl_bench_openvla_oft.spaces import CheckpointWarning

FILE = "preprocessor_config.json"
Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Normalization:
    """Means and standard deviations of DINOv2's and SigLIP's channels, of values in 0..1."""

    means: tuple[Triple, Triple]
    stds: tuple[Triple, Triple]


# The checkpoints were converted under a default dtype of bfloat16, and so are these: ImageNet's, and one half.
ROUNDED = Normalization(
    means=((0.484375, 0.455078125, 0.40625), (0.5, 0.5, 0.5)),
    stds=((0.228515625, 0.2236328125, 0.224609375), (0.5, 0.5, 0.5)),
)


def normalization(folder: Path) -> Normalization:
    """Of a checkpoint; OpenVLA's own numbers, with a warning, where it holds none."""
    path = folder / FILE
    if not path.is_file():
        warnings.warn(
            f"{folder} has no {FILE}; images are normalized as OpenVLA's are. Copy the file of the checkpoint that "
            "this one was made from",
            CheckpointWarning,
            stacklevel=2,
        )
        return ROUNDED
    try:
        first, second = json.loads(path.read_text("utf-8"))["tvf_normalize_params"]
        return Normalization(
            (_three(first["mean"]), _three(second["mean"])), (_three(first["std"]), _three(second["std"]))
        )
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path}: tvf_normalize_params must hold two entries with a mean and a std of three numbers each "
            f"({error}). Copy the file of the checkpoint that this one was made from"
        ) from None


def _three(numbers: list[float]) -> Triple:
    first, second, third = map(float, numbers)
    return (first, second, third)
