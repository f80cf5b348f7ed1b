"""How much a forward multiplies: counted from sizes, as ``torch.utils.flop_counter`` counts a real one.

A matrix product of ``[m, k]`` and ``[k, n]`` is 2 m k n operations.  What is not a product (norms, softmax, GELU) is
left out, as usual.
"""

from __future__ import annotations

from dataclasses import dataclass

from vla_rl_bench_openvla_oft.configuration import PATCH, OpenVlaConfig, VisionSize
from vla_rl_bench_openvla_oft.vision import REGISTERS

# One forward is the unit.  A backward of all weights costs two: gradients of inputs and of weights.  Of adapters only
# the inputs' matter, the adapters' own being small.  Gradient checkpointing does the forward once more.
FULL_BACKWARD = 2
ADAPTER_BACKWARD = 1


@dataclass(frozen=True)
class Question:
    """What one forward is asked for one chunk.

    images: cameras.  prompt: tokens, BOS and the empty word included.  tokens: K x D action tokens.
    proprio: whether a token of proprioception is fed.
    """

    images: int = 1
    prompt: int = 30  # an instruction of about ten words; prompts are padded to the longest of their batch only
    tokens: int = 56
    proprio: bool = False

    def positions(self, config: OpenVlaConfig) -> int:
        """Of the language model's input: prompt, patches, proprioception, placeholders, stop token."""
        return self.prompt + self.images * config.patches + self.proprio + self.tokens + 1


def forward(config: OpenVlaConfig, asked: Question) -> int:
    """Operations of one chunk's forward, the head on the 256 bins only."""
    images = asked.images * (
        vision(config.featurizer, config.patches, prefix=1 + REGISTERS)
        + vision(config.fused_featurizer, config.patches, prefix=0)
        + projector(config)
    )
    head = 2 * asked.tokens * config.language.hidden_size * config.n_action_bins
    return images + proprio(config, asked) + language(config, asked.positions(config)) + head


def vision(size: VisionSize, patches: int, prefix: int) -> int:
    """One image, every block but the last.  prefix: tokens before the patches."""
    width, tokens = size.embed_dim, patches + prefix
    embed = 2 * patches * 3 * PATCH * PATCH * width
    block = 2 * tokens * (4 * width**2 + 2 * width * size.mlp_dim) + 4 * tokens**2 * width
    return embed + (size.depth - 1) * block


def projector(config: OpenVlaConfig) -> int:
    """One image's patches to words."""
    seen = config.featurizer.embed_dim + config.fused_featurizer.embed_dim
    hidden = config.language.hidden_size
    return 2 * config.patches * (seen * 4 * seen + 4 * seen * hidden + hidden**2)


def proprio(config: OpenVlaConfig, asked: Question) -> int:
    hidden = int(config.language.hidden_size or 0)
    return int(2 * hidden * ((config.proprio_dim or 0) + hidden)) if asked.proprio else 0


def language(config: OpenVlaConfig, positions: int) -> int:
    """All layers over all positions; attention is bidirectional, so no half of it is saved."""
    text = config.language
    hidden = int(text.hidden_size)
    keys = hidden * int(text.num_key_value_heads or text.num_attention_heads) // text.num_attention_heads
    weights = 2 * hidden**2 + 2 * hidden * keys + 3 * hidden * text.intermediate_size
    return int(text.num_hidden_layers * (2 * positions * weights + 4 * positions**2 * hidden))
