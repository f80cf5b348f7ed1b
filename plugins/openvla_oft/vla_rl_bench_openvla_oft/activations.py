"""What a forward of one chunk keeps for its backward, in bytes; counted from what torch saves, layer by layer.

Widths: h of the language model, i of its MLP; d and m of a vision transformer's.  A position of a Llama layer keeps
(bfloat16 weights, all trained): two norms' inputs in float32 8h, what the norms and their weights multiply 4h, the
inputs of the linear layers 4h, queries, keys, values and their mixture 8h, and the MLP's gate, SiLU, up and product 8i:
24h + 8i.  Where adapters are trained, each adapted linear layer keeps its own copy of its input, and 2 bytes of each
rank; where weights are float32 under autocast, residuals are float32 too.  A test holds these numbers to torch's saved
tensors.
"""

from __future__ import annotations

from dataclasses import dataclass

from vla_rl_bench_openvla_oft.configuration import OpenVlaConfig, VisionSize
from vla_rl_bench_openvla_oft.flops import Question
from vla_rl_bench_openvla_oft.vision import REGISTERS


@dataclass(frozen=True)
class Regime:
    """Bytes a position: `llama` times h, `dinov2` and `siglip` times d.

    kept: times the width, a layer's input, all that remains of it under gradient checkpointing.
    scalar: each of the two statistics of a vision transformer's norm.
    """

    llama: int
    dinov2: int
    siglip: int
    kept: int
    scalar: int


# (adapters are trained, weights are float32 under autocast) -> bytes
REGIMES = {
    (False, False): Regime(llama=24, dinov2=20, siglip=16, kept=2, scalar=2),
    (False, True): Regime(llama=34, dinov2=24, siglip=20, kept=4, scalar=4),
    (True, False): Regime(llama=28, dinov2=18, siglip=18, kept=2, scalar=2),
    (True, True): Regime(llama=28, dinov2=22, siglip=22, kept=4, scalar=4),
}


@dataclass(frozen=True)
class Kept:
    """Bytes of one chunk: without gradient checkpointing, and with it (every layer's input and one layer whole)."""

    whole: int
    checkpointed: int


def activations(config: OpenVlaConfig, asked: Question, *, rank: int, autocast: bool) -> Kept:
    """rank: of the adapters, 0 where all weights are trained.  autocast: weights are float32."""
    regime = REGIMES[rank > 0, autocast]
    llama = _llama(config, regime, rank) * asked.positions(config)
    layers, width = config.language.num_hidden_layers, config.language.hidden_size
    inputs = layers * regime.kept * width * asked.positions(config)
    whole, largest = layers * llama, llama
    for size, factor, prefix in (
        (config.featurizer, regime.dinov2, 1 + REGISTERS),
        (config.fused_featurizer, regime.siglip, 0),
    ):
        tokens = asked.images * (config.patches + prefix)
        block = tokens * _block(size, factor, regime.scalar, rank)
        whole += (size.depth - 1) * block
        inputs += (size.depth - 1) * tokens * regime.kept * size.embed_dim
        largest = max(largest, block)
    rest = _projector(config) * asked.images * config.patches + 6 * width * asked.positions(config)
    return Kept(whole + rest, inputs + largest + rest)


def _llama(config: OpenVlaConfig, regime: Regime, rank: int) -> int:
    """A position of a layer; the last terms are the norms' and the attention's statistics, in float32."""
    text = config.language
    ranks = 2 * 7 * rank  # q, k, v, o, gate, up, down
    return int(regime.llama * text.hidden_size + 8 * text.intermediate_size + ranks + 8 + 4 * text.num_attention_heads)


def _block(size: VisionSize, factor: int, scalar: int, rank: int) -> int:
    """A token of a block: qkv, proj, fc1 and fc2 may be adapted."""
    return factor * size.embed_dim + 4 * size.mlp_dim + 2 * 4 * rank + 4 * scalar + 4 * size.num_heads


def _projector(config: OpenVlaConfig) -> int:
    """A patch: features v, then 4v before and after GELU, h before and after GELU, in bfloat16; and the last norm's."""
    seen = config.featurizer.embed_dim + config.fused_featurizer.embed_dim
    return 2 * (seen + 8 * seen + 2 * config.language.hidden_size)
