"""``python -m vla_rl_bench_openvla_oft.verify FOLDER``: this implementation against reference outputs, in numbers.

Exits 0 when everything agrees, 1 when numbers differ, 2 when the folder is not in the schema.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers.utils import logging

from vla_rl_bench.algorithms.action_tokens import decode
from vla_rl_bench.algorithms.masks import executed_tokens
from vla_rl_bench.algorithms.objectives import clipped
from vla_rl_bench.algorithms.sampling import token_entropy, token_logprobs
from vla_rl_bench.errors import UserError
from vla_rl_bench.types import ClipRange
from vla_rl_bench_openvla_oft.modeling import OpenVlaForActionPrediction
from vla_rl_bench_openvla_oft.reference import Case, Reference, load_model, read

ATOL = 1e-3  # the reference's own two paths differ by up to 5e-5 in logits: openvla_oft_a/README.md
TEMPERATURES = (1.0, 1.6)


@dataclass(frozen=True)
class Row:
    """The largest difference of one quantity, or how many names or tokens differ where `tolerance` is 0."""

    case: str
    what: str
    difference: float
    tolerance: float = ATOL

    @property
    def agrees(self) -> bool:
        return self.difference <= self.tolerance  # False for nan


def verify(reference: Reference, model: OpenVlaForActionPrediction) -> Iterator[Row]:
    """Every comparison that the folder allows."""
    yield from _weights(reference, model)
    if reference.proprio is not None and "proprio_raw" in reference.tensors:
        ours = torch.from_numpy(reference.normalise_proprio(reference["proprio_raw"].numpy()))
        yield Row("all", "normalised proprio", _largest(ours, reference.proprio))
    for case in reference.cases():
        pixels = reference["pixel_values"][:, : 6 * case.images]
        with torch.no_grad():
            features, patches = model.patch_features(pixels), model.projected_patches(pixels)
        yield Row(case.name, "patch features", _largest(features, reference[f"{case.name}.patch_features"]))
        yield Row(case.name, "projected patches", _largest(patches, reference[f"{case.name}.projected_patches"]))
        for mode in case.modes:
            yield from _mode(reference, model, case, mode)


def _weights(reference: Reference, model: OpenVlaForActionPrediction) -> Iterator[Row]:
    path = reference.folder / "keys.json"
    if path.is_file():
        theirs = {name: tuple(entry["shape"]) for name, entry in json.loads(path.read_text()).items()}
        ours = {name: tuple(value.shape) for name, value in model.state_dict().items()}
        yield Row("all", "names and shapes of weights", len(theirs.items() ^ ours.items()), 0)


def _mode(reference: Reference, model: OpenVlaForActionPrediction, case: Case, mode: str) -> Iterator[Row]:
    name = f"{case.name}.{mode}"
    with torch.no_grad():
        logits = _logits(reference, model, case, mode)
    yield Row(name, "logits", _largest(logits, reference[f"{name}.logits"]))
    sampled = reference.drawn(f"{name}.sampled_tokens", model.config.bin_rows.start)
    for temperature in TEMPERATURES:
        logprobs = token_logprobs(logits, sampled, temperature)
        entropy = token_entropy(logits, temperature)
        logprobs_name, entropy_name = f"{name}.sampled_logprobs_t{temperature}", f"{name}.entropy_t{temperature}"
        yield Row(name, f"log-probs at T={temperature}", _largest(logprobs, reference[logprobs_name]))
        yield Row(name, f"entropy at T={temperature}", _largest(entropy, reference[entropy_name]))
    yield from _actions(reference, name, logits, sampled, first=model.config.bin_rows.start)
    published = reference.meta["results"].get(f"{name}.ppo")
    if published:
        yield from _gradients(reference, model, case, mode, published, sampled)


def _logits(reference: Reference, model: OpenVlaForActionPrediction, case: Case, mode: str) -> Tensor:
    return model.action_logits(
        reference["input_ids"],
        reference["attention_mask"],
        reference["pixel_values"][:, : 6 * case.images],
        reference.tokens,
        reference.proprio,
        causal=mode == "causal",
    )


def _actions(reference: Reference, name: str, logits: Tensor, sampled: Tensor, first: int) -> Iterator[Row]:
    """A token counts where the reference itself tells first from second by more than both may be off."""
    theirs = reference.drawn(f"{name}.greedy_tokens", first)
    top, runner_up = reference[f"{name}.logits"].topk(2).values.unbind(-1)
    ours = torch.where(top - runner_up > 2 * ATOL, logits.argmax(-1), theirs)
    yield Row(name, "greedy tokens that differ", (ours != theirs).sum().item(), 0)
    for kind, tokens in (("greedy", ours), ("sampled", sampled)):
        values = decode(tokens.numpy()).reshape(-1, reference.chunk, reference.action_dim)
        actions = torch.from_numpy(reference.unnormalise(values))
        yield Row(name, f"{kind} actions", _largest(actions, reference[f"{name}.{kind}_actions"]))


def _gradients(
    reference: Reference,
    model: OpenVlaForActionPrediction,
    case: Case,
    mode: str,
    published: Mapping[str, Any],
    sampled: Tensor,
) -> Iterator[Row]:
    """The clipped objective over executed tokens, its gradient's norm for each parameter and which have none."""
    name, temperature = f"{case.name}.{mode}", float(published["temperature"])
    model.zero_grad()
    logits = _logits(reference, model, case, mode)
    logprobs = token_logprobs(logits, sampled, temperature)
    mask = executed_tokens(reference[f"{name}.finish_step"], reference.chunk, reference.action_dim)
    clip = ClipRange(low=published["clip_low"], high=published["clip_high"])
    advantages = reference["advantages"][:, None].expand_as(logprobs)
    objective = clipped(logprobs, reference[f"{name}.old_logprobs_t{temperature}"], advantages, clip)
    loss = -(objective * mask).sum() / mask.sum()
    loss.backward()  # type: ignore[no-untyped-call]
    norms = {key: value.grad.norm() for key, value in model.named_parameters() if value.grad is not None}
    without = {key for key, _ in model.named_parameters()} - norms.keys()
    model.zero_grad()
    yield Row(name, "clipped loss", abs(loss.item() - published["loss"]))
    total = torch.stack(list(norms.values())).norm().item()
    yield Row(name, "gradient norm", abs(total - published["grad_norm_total"]))
    theirs = published["grad_norms"]
    both = norms.keys() & theirs.keys()
    yield Row(name, "gradient norm of a parameter", max(abs(norms[key].item() - theirs[key]) for key in both))
    differ = (norms.keys() ^ theirs.keys()) | (without ^ set(published["no_grad_params"]))
    yield Row(name, "parameters with or without gradient", len(differ), 0)


def _largest(ours: Tensor, theirs: Tensor) -> float:
    if ours.shape != theirs.shape:
        return float("inf")
    return (ours.double() - theirs.double()).abs().max().item()


def table(rows: Sequence[Row]) -> str:
    """One line a comparison; those that do not agree end in DIFFERS."""
    lines = [f"{'case':<20}{'what':<38}{'difference':>12}{'allowed':>10}"]
    for row in rows:
        verdict = "" if row.agrees else "  DIFFERS"
        lines.append(f"{row.case:<20}{row.what:<38}{row.difference:>12.3g}{row.tolerance:>10.3g}{verdict}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m vla_rl_bench_openvla_oft.verify", description=__doc__)
    parser.add_argument("folder", type=Path, help="in the schema of tests/data/openvla_oft_a/README.md")
    folder = parser.parse_args(arguments).folder
    logging.disable_progress_bar()
    try:
        reference = read(folder)
        rows = list(verify(reference, load_model(reference)))
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    print(table(rows))
    differing = sum(not row.agrees for row in rows)
    print(f"{differing} of {len(rows)} comparisons differ" if differing else f"all {len(rows)} comparisons agree")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
