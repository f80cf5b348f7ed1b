"""Was this checkpoint's head ever trained to speak action tokens?"""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import Tensor

from vla_rl_bench.errors import UserError
from vla_rl_bench_openvla_oft.modeling import OpenVlaForActionPrediction
from vla_rl_bench_openvla_oft.spaces import CheckpointWarning

REGRESSION_HEAD = "action_head--*checkpoint*"  # what OpenVLA-OFT's L1 regression and diffusion save

# A head trained by cross-entropy on these tokens has nearly all of its mass on them: openvla-oft takes its argmax over
# the whole vocabulary.  A uniform head has 256 / 32064 = 0.008.  One half divides the two widely.
WARN_BELOW = 0.5
# With an L1 head beside it, `lm_head` got no gradient from actions; a tenth is still twelve times uniform.
REFUSE_BELOW = 0.1


@torch.no_grad()
def mass_on_bins(
    model: OpenVlaForActionPrediction,
    input_ids: Tensor,
    attention_mask: Tensor,
    pixel_values: Tensor,
    tokens: int,
    *,
    proprio: Tensor | None,
    causal: bool,
) -> float:
    """The share of the whole vocabulary's probability that lies on the 256 action tokens, mean over positions."""
    logits = model.full_logits(input_ids, attention_mask, pixel_values, tokens, proprio, causal=causal)
    return float(logits.float().softmax(-1)[..., model.config.bin_rows].sum(-1).mean())


def judge(mass: float, folder: Path) -> None:
    """Warn of a small mass, and refuse it where the checkpoint's actions come from another head."""
    heads = sorted(path.name for path in folder.glob(REGRESSION_HEAD))
    if heads and mass < REFUSE_BELOW:
        raise UserError(
            f"policy.checkpoint: {folder} acts through `{heads[0]}` (L1 regression or diffusion), and its lm_head puts "
            f"{mass:.2g} of its probability on the 256 action tokens: it was never trained to speak them. Name a "
            "checkpoint with a token head, e.g. one of the SimpleVLA-RL SFT checkpoints, or openvla/openvla-7b and SFT"
        )
    if mass < WARN_BELOW:
        warnings.warn(
            f"{folder}: lm_head puts {mass:.2g} of its probability on the 256 action tokens (uniform: 0.008, trained: "
            "nearly 1). Random or wrong weights, or a head that was never trained: expect nothing of it before SFT",
            CheckpointWarning,
            stacklevel=2,
        )
