"""A folder in the schema of ``data/openvla_oft_a`` with RoboTwin's shape, written from a random model's own answers.

It says nothing about OpenVLA: it shows that `verify` reads every shape from the folder.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from plugins.openvla_oft.tests import tiny
from vla_rl_bench.algorithms.action_tokens import decode
from vla_rl_bench_openvla_oft.modeling import OpenVlaForActionPrediction

CHUNK, DIM, ROWS, BASE = 25, 14, 2, 31744
KEY = "robotwin_1k"


def write(folder: Path) -> None:
    """One case with one image in both modes, one with three, bidirectional, with gradients."""
    torch.manual_seed(0)
    model = tiny.random_model(use_proprio=True, proprio_dim=DIM)
    model.save_pretrained(folder)
    low, high = -torch.rand(DIM, dtype=torch.float64) - 0.5, torch.rand(DIM, dtype=torch.float64) + 0.5
    bounds = {"min": low.tolist(), "max": high.tolist(), "q01": [0.0] * DIM, "q99": [0.1] * DIM}
    statistics = {KEY: {"action": bounds, "proprio": bounds}}  # no mask: every dimension is normalized
    raw = torch.randn(ROWS, DIM, dtype=torch.float64)
    normalized = ((raw - low) / (high - low + 1e-8) * 2 - 1).clamp(-1, 1).float()
    tensors = tiny.random_batch(ROWS, images=3) | {"proprio_raw": raw, "proprio_normalized": normalized}
    tensors["advantages"] = torch.tensor([1.0, -0.5])
    results = {}
    for name, images, modes in (("n1", 1, ("bidirectional", "causal")), ("n3", 3, ("bidirectional",))):
        pixels = tensors["pixel_values"][:, : 6 * images]
        with torch.no_grad():
            tensors[f"{name}.patch_features"] = model.patch_features(pixels)
            tensors[f"{name}.projected_patches"] = model.projected_patches(pixels)
        for mode in modes:
            inputs = {key: tensors[key] for key in ("input_ids", "attention_mask")} | {"pixel_values": pixels}
            logits = model.action_logits(**inputs, tokens=CHUNK * DIM, proprio=normalized, causal=mode == "causal")
            tensors |= {f"{name}.{mode}.{key}": value for key, value in answers(logits.detach(), low, high).items()}
            if name == "n3":
                results[f"{name}.{mode}.ppo"] = objective(model, logits, tensors, f"{name}.{mode}")
    meta = {"vision": tiny.VISION, "num_action_chunks": CHUNK, "action_dim": DIM, "use_proprio": True}
    meta |= {"proprio_dim": DIM, "normalization": "bounds", "unnorm_key": KEY, "num_images": {"n1": 1, "n3": 3}}
    save_file({name: value.clone().contiguous() for name, value in tensors.items()}, folder / "io.safetensors")
    (folder / "meta.json").write_text(json.dumps(meta | {"results": results}))
    (folder / "dataset_statistics.json").write_text(json.dumps(statistics))


def answers(logits: Tensor, low: Tensor, high: Tensor) -> dict[str, Tensor]:
    greedy, sampled = logits.argmax(-1), torch.randint(0, 256, logits.shape[:2])
    made = {"logits": logits, "greedy_tokens": greedy + BASE, "sampled_tokens": sampled + BASE}
    for name, tokens in (("greedy", greedy), ("sampled", sampled)):
        values = torch.from_numpy(decode(tokens.numpy())).double().view(-1, CHUNK, DIM)
        made[f"{name}_actions"] = (values + 1) / 2 * (high - low) + low
    for temperature in (1.0, 1.6):
        distribution = torch.distributions.Categorical(logits=logits / temperature)
        made[f"sampled_logprobs_t{temperature}"] = distribution.log_prob(sampled)
        made[f"entropy_t{temperature}"] = distribution.entropy()
    made["old_logprobs_t1.6"] = made["sampled_logprobs_t1.6"] + 0.2 * torch.randn(sampled.shape)
    made["finish_step"] = torch.tensor([25, 11])
    return made


def objective(
    model: OpenVlaForActionPrediction, logits: Tensor, tensors: dict[str, Tensor], name: str
) -> dict[str, object]:
    """The clipped loss, token by token, and its gradient's norms."""
    chosen = tensors[f"{name}.sampled_tokens"] - BASE
    new = torch.distributions.Categorical(logits=logits / 1.6).log_prob(chosen)
    losses = []
    for row, steps in enumerate(tensors[f"{name}.finish_step"].tolist()):
        for token in range(steps * DIM):
            ratio = (new[row, token] - tensors[f"{name}.old_logprobs_t1.6"][row, token]).exp()
            advantage = tensors["advantages"][row]
            losses.append(torch.maximum(-ratio * advantage, -ratio.clamp(0.8, 1.28) * advantage))
    loss = torch.stack(losses).mean()
    loss.backward()
    norms = {key: value.grad.norm().item() for key, value in model.named_parameters() if value.grad is not None}
    return {
        "clip_low": 0.2,
        "clip_high": 0.28,
        "temperature": 1.6,
        "loss": loss.item(),
        "grad_norm_total": sum(norm**2 for norm in norms.values()) ** 0.5,
        "grad_norms": norms,
        "no_grad_params": [key for key, value in model.named_parameters() if value.grad is None],
    }
