"""A small checkpoint in openvla-7b's own format, made of random weights, for machines without the real one.

python -m vla_rl_bench_openvla_oft.standin FOLDER [--space libero|robotwin] [--size tiny|medium|small] ...
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers.utils.logging import disable_progress_bar

from vla_rl_bench_openvla_oft import processor, standin_tokenizer, statistics
from vla_rl_bench_openvla_oft.configuration import PATCH, OpenVlaConfig
from vla_rl_bench_openvla_oft.modeling import OpenVlaForActionPrediction
from vla_rl_bench_openvla_oft.spaces import LIBERO, ROBOTWIN, SPACES
from vla_rl_bench_openvla_oft.standin_tokenizer import LABEL

VOCABULARY = 32064  # OpenVLA's: 32000 words of Llama 2, <PAD>, and filling up to a multiple of 64
KEYS = {  # the data sets whose statistics the stand-in claims to know
    "libero": tuple(f"libero_{suite}_no_noops" for suite in ("spatial", "object", "goal", "10", "90")),
    "robotwin": tuple(
        f"{task}_1k"  # the paper's twelve tasks, SimpleVLA-RL, Table 4
        for task in (
            "lift_pot", "beat_block_hammer", "pick_dual_bottles", "place_phone_stand", "move_can_pot",
            "place_a2b_left", "place_a2b_right", "handover_mic", "handover_block", "stack_bowls_two",
            "blocks_rank_rgb", "put_bottles_dustbin",
        )
    ),
}  # fmt: skip
PROPRIO = {"libero": 8, "robotwin": 14}  # numbers, as the environments give them


@dataclass(frozen=True)
class Size:
    """hidden, layers, heads: of the language model.  vision, depth: of both vision transformers, whose last block is
    never computed.  pixels: of the image, when none are asked for."""

    hidden: int
    layers: int
    heads: int
    vision: int
    depth: int
    pixels: int


SIZES = {
    "tiny": Size(hidden=64, layers=2, heads=4, vision=32, depth=2, pixels=56),
    "medium": Size(hidden=96, layers=4, heads=4, vision=64, depth=3, pixels=112),  # learns LIBERO a little
    "small": Size(hidden=128, layers=3, heads=4, vision=64, depth=3, pixels=224),
}


def write(
    folder: Path,
    *,
    space: str = "libero",
    size: str = "tiny",
    proprio: bool = False,
    seed: int = 0,
    pixels: int | None = None,
    keys: Sequence[str] | None = None,
    shard: str = "5GB",
) -> None:
    """keys: of the statistics.  shard: the most that one safetensors file holds."""
    norm_stats = made_up_statistics(space, KEYS[space] if keys is None else keys)
    settings = config(SIZES[size], pixels or SIZES[size].pixels, PROPRIO[space] if proprio else None)
    settings.norm_stats = norm_stats
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = OpenVlaForActionPrediction(settings)
        initialise(model)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder, max_shard_size=shard)
    standin_tokenizer.write(folder)
    _json(folder / processor.FILE, _preprocessor(settings))
    _json(folder / statistics.FILE, norm_stats)
    (folder / "README.md").write_text(_readme(space, size, seed), "utf-8")


def config(size: Size, pixels: int, proprio: int | None) -> OpenVlaConfig:
    """openvla-7b's config.json, with sizes of its own."""
    tower = {"embed_dim": size.vision, "depth": size.depth, "num_heads": 2, "mlp_ratio": 2.0}
    settings: dict[str, Any] = {
        "stand_in": LABEL,
        "architectures": ["OpenVLAForActionPrediction"],
        "text_config": {
            "model_type": "llama",
            "vocab_size": VOCABULARY,
            "pad_token_id": 32000,
            "hidden_size": size.hidden,
            "intermediate_size": 2 * size.hidden,
            "num_hidden_layers": size.layers,
            "num_attention_heads": size.heads,
            "num_key_value_heads": size.heads,
        },
        "vision": {"featurizer": tower, "fused_featurizer": tower},
        "image_sizes": [pixels, pixels],
        "use_proprio": proprio is not None,
        "proprio_dim": proprio,
        "vision_backbone_id": "dinosiglip-vit-so-224px",
        "timm_model_ids": ["vit_large_patch14_reg4_dinov2.lvd142m", "vit_so400m_patch14_siglip_224"],
        "timm_override_act_layers": [None, None],
        "llm_backbone_id": "llama2-7b-pure",
        "hf_llm_id": "meta-llama/Llama-2-7b-hf",
        "llm_max_length": 2048,
        "arch_specifier": "no-align+fused-gelu-mlp",
        "image_resize_strategy": "resize-naive",
        "use_fused_vision_backbone": True,
        "pad_token_id": 32000,
    }
    return OpenVlaConfig(**settings)


@torch.no_grad()
def initialise(model: nn.Module) -> None:
    """Scales at which a small model learns within a few hundred steps: signals keep their size from layer to layer."""
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.normal_(module.weight, std=1 / math.sqrt(module.weight[0].numel()))
            if module.bias is not None:
                module.bias.zero_()
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=1.0)


def made_up_statistics(space: str, keys: Sequence[str]) -> dict[str, Any]:
    """Plausible bounds: LIBERO's deltas reach 15/16 (OpenVLA's data), RoboTwin's joints one and a half radians."""
    if space == LIBERO.name:
        action = _numbers([0.9375] * 6, [-0.9375] * 6, grippers=[6], mask=[True] * 6 + [False])
        felt = _numbers([1.0, 0.5, 1.5, 3.5, 3.5, 3.5, 0.04, 0.0], [-0.5, -0.5, 0.0, -3.5, -3.5, -3.5, 0.0, -0.04])
    else:
        action = felt = _numbers([1.5] * 12, [-1.5] * 12, grippers=[6, 13])
    entry = {"action": action, "proprio": felt, "num_transitions": 0, "num_trajectories": 0}
    return dict.fromkeys(keys, entry)


def _numbers(
    high: list[float], low: list[float], grippers: Sequence[int] = (), mask: list[bool] | None = None
) -> dict[str, Any]:
    """grippers: dimensions from 0 to 1 that are put in at these places."""
    for place in grippers:
        high, low = [*high[:place], 1.0, *high[place:]], [*low[:place], 0.0, *low[place:]]
    middle = [(top + bottom) / 2 for top, bottom in zip(high, low, strict=True)]
    spread = [(top - bottom) / 4 for top, bottom in zip(high, low, strict=True)]
    numbers: dict[str, Any] = {"mean": middle, "std": spread, "max": high, "min": low, "q01": low, "q99": high}
    return numbers if mask is None else {**numbers, "mask": mask}


def _preprocessor(settings: OpenVlaConfig) -> dict[str, Any]:
    pixels = settings.image_sizes[0]
    means, stds = processor.ROUNDED.means, processor.ROUNDED.stds
    return {
        "stand_in": LABEL,
        "image_processor_type": "PrismaticImageProcessor",
        "image_resize_strategy": "resize-naive",
        "input_sizes": [[3, pixels, pixels]] * 2,
        "interpolations": ["bicubic", "bicubic"],
        "means": means,
        "stds": stds,
        "tvf_normalize_params": [
            {"inplace": False, "mean": mean, "std": std} for mean, std in zip(means, stds, strict=True)
        ],
        "use_fused_vision_backbone": True,
    }


def _readme(space: str, size: str, seed: int) -> str:
    return (
        f"# {LABEL}\n\nNot OpenVLA: a `{size}` model of its format for the action space `{space}`, drawn with seed "
        f"{seed}. It knows nothing,\nand its tokenizer and its statistics are made up. Written by "
        "`python -m vla_rl_bench_openvla_oft.standin`.\n"
    )


def _json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", "utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m vla_rl_bench_openvla_oft.standin", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("folder", type=Path)
    parser.add_argument("--space", choices=[LIBERO.name, ROBOTWIN.name], default=LIBERO.name)
    parser.add_argument("--size", choices=sorted(SIZES), default="tiny")
    parser.add_argument("--proprio", action="store_true", default=None, help="with a proprioception projector")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--image-size", type=int, help="pixels, a multiple of 14; OpenVLA's are 224")
    parser.add_argument("--keys", nargs="+", help="of the made-up statistics; default: the space's data sets")
    given = parser.parse_args(arguments)
    disable_progress_bar()  # type: ignore[no-untyped-call]
    if given.image_size is not None and (given.image_size < PATCH or given.image_size % PATCH):
        parser.error(f"--image-size must be a multiple of {PATCH}")
    proprio = SPACES[given.space].proprio if given.proprio is None else given.proprio
    write(
        given.folder,
        space=given.space,
        size=given.size,
        proprio=proprio,
        seed=given.seed,
        pixels=given.image_size,
        keys=given.keys,
    )
    print(f"{given.folder}: {LABEL}; policy.checkpoint: {given.folder}")


if __name__ == "__main__":
    main()
