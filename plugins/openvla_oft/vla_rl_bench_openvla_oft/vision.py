"""OpenVLA's two vision transformers, computed as far as OpenVLA reads them.

DINOv2 (ViT-L/14 with four registers, arXiv 2309.16588) and SigLIP (so400m/14, arXiv 2303.15343).  Parameter names are
those of timm, which wrote the checkpoints; DINOv2's ``ls.gamma`` is stored as ``ls.scale_factor``.

OpenVLA takes the patches after the *second-last* block and without the final norm.  The last block, the final norm and
SigLIP's pooling are in the checkpoints all the same: they are kept, frozen and never computed, so that a saved
checkpoint is complete.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.modeling_layers import GradientCheckpointingLayer

from vla_rl_bench_openvla_oft.configuration import PATCH, OpenVlaConfig, VisionSize

EPS = 1e-6  # of the layer norms: timm's vision transformers
REGISTERS = 4  # DINOv2 with registers


class FusedVision(nn.Module):
    """Images -> patches ``[B, P, DINOv2 dim + SigLIP dim]``."""

    def __init__(self, config: OpenVlaConfig) -> None:
        super().__init__()
        self.featurizer = Dinov2(config.featurizer, config.patches)
        self.fused_featurizer = Siglip(config.fused_featurizer, config.patches)
        self.freeze_unused()

    def freeze_unused(self) -> None:
        """Take what is never computed out of training."""
        for transformer in (self.featurizer, self.fused_featurizer):
            transformer.blocks[-1].requires_grad_(False)
            transformer.norm.requires_grad_(False)
        self.fused_featurizer.attn_pool.requires_grad_(False)

    @property
    def embed_dim(self) -> int:
        return self.featurizer.embed_dim + self.fused_featurizer.embed_dim

    def forward(self, pixel_values: Tensor) -> Tensor:
        """pixel_values: ``[B, 6 n, H, W]``; of each of the n images 3 channels for DINOv2, then 3 for SigLIP.

        -> ``[B, n P, dim]``, image after image.
        """
        images = pixel_values.unflatten(1, (-1, 6))
        batch, count = images.shape[:2]
        dinov2, siglip = images.flatten(0, 1).split(3, dim=1)
        features = torch.cat([self.featurizer(dinov2), self.fused_featurizer(siglip)], dim=-1)
        joined: Tensor = features.unflatten(0, (batch, count)).flatten(1, 2)
        return joined


class VisionTransformer(nn.Module):
    """Common part of both vision transformers: pre-norm blocks over patches with learned positions."""

    def __init__(self, size: VisionSize, patches: int, *, layer_scale: bool) -> None:
        super().__init__()
        self.embed_dim = size.embed_dim
        self.pos_embed = nn.Parameter(torch.randn(1, patches, size.embed_dim) * 0.02)
        self.patch_embed = PatchEmbed(size.embed_dim)
        self.blocks = nn.ModuleList(Block(size, layer_scale=layer_scale) for _ in range(size.depth))
        self.norm = nn.LayerNorm(size.embed_dim, EPS)

    def embed(self, images: Tensor) -> Tensor:
        """``[B, 3, H, W]`` -> ``[B, patches, dim]``, in the weights' dtype."""
        embedded: Tensor = self.patch_embed(images.to(self.pos_embed.dtype)) + self.pos_embed
        return embedded

    def run_blocks(self, tokens: Tensor) -> Tensor:
        """All blocks but the last."""
        for block in self.blocks[:-1]:
            tokens = block(tokens)
        return tokens


class Dinov2(VisionTransformer):
    """A class token and registers go before the patches, and have no places."""

    def __init__(self, size: VisionSize, patches: int) -> None:
        super().__init__(size, patches, layer_scale=True)
        self.cls_token = nn.Parameter(torch.randn(1, 1, size.embed_dim) * 0.02)
        self.reg_token = nn.Parameter(torch.randn(1, REGISTERS, size.embed_dim) * 0.02)

    def forward(self, images: Tensor) -> Tensor:
        """``[B, 3, H, W]`` -> patches ``[B, P, dim]``."""
        prefix = torch.cat([self.cls_token, self.reg_token], dim=1).expand(len(images), -1, -1)
        tokens = torch.cat([prefix, self.embed(images)], dim=1)
        return self.run_blocks(tokens)[:, prefix.shape[1] :]


class Siglip(VisionTransformer):
    """Patches only."""

    def __init__(self, size: VisionSize, patches: int) -> None:
        super().__init__(size, patches, layer_scale=False)
        self.attn_pool = AttentionPool(size)

    def forward(self, images: Tensor) -> Tensor:
        """``[B, 3, H, W]`` -> patches ``[B, P, dim]``."""
        return self.run_blocks(self.embed(images))


class PatchEmbed(nn.Module):
    """Squares of 14 x 14 pixels, each through one linear map."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, PATCH, PATCH)

    def forward(self, images: Tensor) -> Tensor:
        squares: Tensor = self.proj(images)
        return squares.flatten(2).transpose(1, 2)


class Block(GradientCheckpointingLayer):  # type: ignore[no-untyped-call]
    """``x + ls1(attn(norm1(x)))``, then ``x + ls2(mlp(norm2(x)))``; SigLIP has no layer scale."""

    def __init__(self, size: VisionSize, *, layer_scale: bool) -> None:
        super().__init__()
        dim = size.embed_dim
        self.norm1 = nn.LayerNorm(dim, EPS)
        self.attn = Attention(dim, size.num_heads)
        self.ls1 = LayerScale(dim) if layer_scale else nn.Identity()
        self.norm2 = nn.LayerNorm(dim, EPS)
        self.mlp = Mlp(dim, size.mlp_dim)
        self.ls2 = LayerScale(dim) if layer_scale else nn.Identity()

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.ls1(self.attn(self.norm1(tokens)))
        result: Tensor = tokens + self.ls2(self.mlp(self.norm2(tokens)))
        return result


class Attention(nn.Module):
    """Self-attention over all tokens; queries, keys and values in one matrix."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        query, key, value = self.qkv(tokens).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        result: Tensor = self.proj(mixed.transpose(1, 2).flatten(2))
        return result


class Mlp(nn.Module):
    """Two layers with the exact GELU between them, in both transformers; not the tanh approximation."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        result: Tensor = self.fc2(self.act(self.fc1(tokens)))
        return result


class LayerScale(nn.Module):
    """A learned factor for each channel.  Starts at 1: in a random model, a stand-in, every weight should matter."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.scale_factor = nn.Parameter(torch.ones(dim))

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens * self.scale_factor


class AttentionPool(nn.Module):
    """SigLIP's pooling: weights only, OpenVLA never computes it."""

    def __init__(self, size: VisionSize) -> None:
        super().__init__()
        dim = size.embed_dim
        self.latent = nn.Parameter(torch.randn(1, 1, dim) * 0.02)
        self.q = nn.Linear(dim, dim)
        self.kv = nn.Linear(dim, 2 * dim)
        self.proj = nn.Linear(dim, dim)
        self.norm = nn.LayerNorm(dim, EPS)
        self.mlp = Mlp(dim, size.mlp_dim)
