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
from vla_rl_bench.text_table import text_lines
from vla_rl_bench.types import ClipRange
from vla_rl_bench_openvla_oft.modeling import OpenVlaForActionPrediction
from vla_rl_bench_openvla_oft.proprio import PREFIX
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
        ours = torch.from_numpy(reference.normalize_proprio(reference["proprio_raw"].numpy()))
        yield Row("all", "normalized proprio", _largest(ours, reference.proprio))
    for case in reference.cases():
        pixels = reference["pixel_values"][:, : 6 * case.images]
        with torch.no_grad():
            features, patches = model.patch_features(pixels), model.projected_patches(pixels)
        yield Row(case.name, "patch features", _largest(features, reference[f"{case.name}.patch_features"]))
        yield Row(case.name, "projected patches", _largest(patches, reference[f"{case.name}.projected_patches"]))
        for mode in case.modes:
            yield from _mode(reference, model, case, mode)


def _weights(reference: Reference, model: OpenVlaForActionPrediction) -> Iterator[Row]:
    """keys.json need not have the proprioception projector, which may lie in a file of its own."""
    path = reference.folder / "keys.json"
    if not path.is_file():
        return
    theirs = {name: tuple(entry["shape"]) for name, entry in json.loads(path.read_text("utf-8")).items()}
    inside = any(name.startswith(PREFIX) for name in theirs)
    state = model.state_dict().items()
    ours = {name: tuple(value.shape) for name, value in state if inside or not name.startswith(PREFIX)}
    yield Row("all", "names and shapes of weights", len(theirs.items() ^ ours.items()), 0)


@dataclass(frozen=True)
class _Answers:
    """The model's answers to one case with one kind of attention.  name: ``n1.causal``.  sampled: tokens in 0..255."""

    name: str
    reference: Reference
    logits: Tensor
    sampled: Tensor
    first: int  # vocabulary id of token 0

    def __getitem__(self, what: str) -> Tensor:
        return self.reference[f"{self.name}.{what}"]


def _answer(reference: Reference, model: OpenVlaForActionPrediction, case: Case, mode: str) -> _Answers:
    logits = model.action_logits(
        reference["input_ids"],
        reference["attention_mask"],
        reference["pixel_values"][:, : 6 * case.images],
        reference.tokens,
        reference.proprio,
        causal=mode == "causal",
    )
    name, first = f"{case.name}.{mode}", model.config.bin_rows.start
    return _Answers(name, reference, logits, reference.drawn(f"{name}.sampled_tokens", first), first)


def _mode(reference: Reference, model: OpenVlaForActionPrediction, case: Case, mode: str) -> Iterator[Row]:
    with torch.no_grad():
        answers = _answer(reference, model, case, mode)
    yield from _distributions(answers)
    yield from _actions(answers)
    published = reference.meta["results"].get(f"{answers.name}.ppo")
    if published:
        yield from _gradients(model, _answer(reference, model, case, mode), published)


def _distributions(answers: _Answers) -> Iterator[Row]:
    name, logits = answers.name, answers.logits
    yield Row(name, "logits", _largest(logits, answers["logits"]))
    for temperature in TEMPERATURES:
        logprobs = token_logprobs(logits, answers.sampled, temperature)
        entropy = token_entropy(logits, temperature)
        theirs = answers[f"sampled_logprobs_t{temperature}"]
        yield Row(name, f"log-probs at T={temperature}", _largest(logprobs, theirs))
        yield Row(name, f"entropy at T={temperature}", _largest(entropy, answers[f"entropy_t{temperature}"]))


def _actions(answers: _Answers) -> Iterator[Row]:
    """A token counts where the reference itself tells first from second by more than both may be off."""
    reference, name = answers.reference, answers.name
    theirs = reference.drawn(f"{name}.greedy_tokens", answers.first)
    top, runner_up = answers["logits"].topk(2).values.unbind(-1)
    ours = torch.where(top - runner_up > 2 * ATOL, answers.logits.argmax(-1), theirs)
    yield Row(name, "greedy tokens that differ", (ours != theirs).sum().item(), 0)
    for kind, tokens in (("greedy", ours), ("sampled", answers.sampled)):
        values = decode(tokens.numpy()).reshape(-1, reference.chunk, reference.action_dim)
        actions = torch.from_numpy(reference.unnormalize(values))
        yield Row(name, f"{kind} actions", _largest(actions, answers[f"{kind}_actions"]))


def _gradients(model: OpenVlaForActionPrediction, answers: _Answers, published: Mapping[str, Any]) -> Iterator[Row]:
    """The clipped loss over executed tokens, its gradient's norm for each parameter, and which have none."""
    model.zero_grad()
    loss = _loss(answers, published)
    loss.backward()
    norms = {key: value.grad.norm() for key, value in model.named_parameters() if value.grad is not None}
    without = {key for key, _ in model.named_parameters()} - norms.keys()
    model.zero_grad()
    yield Row(answers.name, "clipped loss", abs(loss.item() - published["loss"]))
    total = torch.stack(list(norms.values())).norm().item()
    yield Row(answers.name, "gradient norm", abs(total - published["grad_norm_total"]))
    theirs = published["grad_norms"]
    both = norms.keys() & theirs.keys()
    worst = max((abs(norms[key].item() - theirs[key]) for key in both), default=float("inf"))
    yield Row(answers.name, "gradient norm of a parameter", worst)
    differ = (norms.keys() ^ theirs.keys()) | (without ^ set(published["no_grad_params"]))
    yield Row(answers.name, "parameters with or without gradient", len(differ), 0)


def _loss(answers: _Answers, published: Mapping[str, Any]) -> Tensor:
    temperature = float(published["temperature"])
    logprobs = token_logprobs(answers.logits, answers.sampled, temperature)
    mask = executed_tokens(answers["finish_step"], answers.reference.chunk, answers.reference.action_dim)
    clip = ClipRange(low=published["clip_low"], high=published["clip_high"])
    advantages = answers.reference["advantages"][:, None].expand_as(logprobs)
    objective = clipped(logprobs, answers[f"old_logprobs_t{temperature}"], advantages, clip)
    return -(objective * mask).sum() / mask.sum()


def _largest(ours: Tensor, theirs: Tensor) -> float:
    if ours.shape != theirs.shape:
        return float("inf")
    return (ours.double() - theirs.double()).abs().max().item()


def table(rows: Sequence[Row]) -> str:
    """One line per comparison; those that do not agree end in DIFFERS."""
    lines = [
        (row.case, row.what, f"{row.difference:.3g}", f"{row.tolerance:.3g}", "" if row.agrees else "DIFFERS")
        for row in rows
    ]
    return "\n".join(text_lines([("case", "what", "difference", "allowed", ""), *lines], left=2))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m vla_rl_bench_openvla_oft.verify", description=__doc__)
    parser.add_argument("folder", type=Path, help="in the schema of tests/data/openvla_oft_a/README.md")
    folder = parser.parse_args(arguments).folder
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
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
