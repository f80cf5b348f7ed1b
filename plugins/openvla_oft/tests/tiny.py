"""The tiny checkpoint of ``data/openvla_oft_a`` and its inputs, for tests of the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from vla_rl_bench_openvla_oft.configuration import OpenVlaConfig
from vla_rl_bench_openvla_oft.modeling import OpenVlaForActionPrediction
from vla_rl_bench_openvla_oft.reference import load_model, read

DATA = Path(__file__).parent / "data"
FOLDER = DATA / "openvla_oft_a"
TOKENS = 56  # 8 actions of 7 dimensions

VISION = {
    "featurizer": {"embed_dim": 8, "depth": 3, "num_heads": 2},
    "fused_featurizer": {"embed_dim": 12, "depth": 3, "num_heads": 2, "mlp_ratio": 2.0},
}


def model() -> OpenVlaForActionPrediction:
    """The fixture's checkpoint, float32, in eval mode."""
    return load_model(read(FOLDER))


def batch() -> dict[str, Tensor]:
    """Three observations with prompts of 24, 21 and 27 tokens, padded on the left."""
    stored = load_file(FOLDER / "io.safetensors")
    return {name: stored[name] for name in ("input_ids", "attention_mask", "pixel_values")}


def random_model(seed: int = 0, **changes: Any) -> OpenVlaForActionPrediction:
    """Two layers of width 16 over images of 28 x 28 pixels; `changes` of its config."""
    text = {"hidden_size": 16, "intermediate_size": 24, "num_attention_heads": 2, "num_hidden_layers": 2}
    text |= {"vocab_size": 32064, "pad_token_id": 32000}
    config = OpenVlaConfig(**{"text_config": text, "image_sizes": [28, 28], "vision": VISION, **changes})
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        built = OpenVlaForActionPrediction(config)
        for parameter in built.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    return built.eval()


def random_batch(rows: int = 2, images: int = 1, length: int = 9, pixels: int = 28) -> dict[str, Tensor]:
    """Prompts of different lengths, padded on the right, and noise for images."""
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(3, 20000, (rows, length), generator=generator)
    mask = torch.ones_like(ids)
    ids[:, 0] = 1
    for row in range(rows):
        end = length - row
        ids[row, end - 1], ids[row, end:], mask[row, end:] = 29871, 32000, 0
    images_shape = (rows, 6 * images, pixels, pixels)
    return {
        "input_ids": ids,
        "attention_mask": mask,
        "pixel_values": torch.randn(images_shape, generator=generator),
    }
