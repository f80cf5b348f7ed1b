"""OpenVLA's config.json, read as it lies on the hub and written so that its own remote code still reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from transformers import AutoConfig, LlamaConfig, PretrainedConfig
from transformers.configuration_utils import SubConfigSpec


@dataclass(frozen=True)
class VisionSize:
    """The size of a vision transformer."""

    embed_dim: int
    depth: int
    num_heads: int
    mlp_ratio: float = 4.0

    @property
    def mlp_dim(self) -> int:
        return int(self.embed_dim * self.mlp_ratio)


# timm's vit_large_patch14_reg4_dinov2.lvd142m and vit_so400m_patch14_siglip_224
DINOV2_LARGE = VisionSize(embed_dim=1024, depth=24, num_heads=16)
SIGLIP_SO400M = VisionSize(embed_dim=1152, depth=27, num_heads=16, mlp_ratio=3.7362)  # mlp 4304
PATCH = 14  # pixels; both


class OpenVlaConfig(PretrainedConfig):  # type: ignore[no-untyped-call]
    """`text_config` is minimal in real checkpoints: everything else is Llama's default.

    image_sizes: pixels of DINOv2's and SigLIP's input.  pad_to_multiple_of: rows of the vocabulary after the real ones.
    use_proprio, proprio_dim: whether a proprioception token follows the patches, and from how many numbers.
    vision: ``{"featurizer": {...}, "fused_featurizer": {...}}``, fields of `VisionSize`, where the vision transformers
    are not OpenVLA's own; for small models.
    Keys that are not named here are kept and written again.
    """

    model_type = "openvla"
    sub_configs_defaults = {"text_config": SubConfigSpec(LlamaConfig)}  # noqa: RUF012 - inherited name

    text_config: dict[str, Any] | LlamaConfig | None = None
    image_sizes: list[int] | tuple[int, ...] = (224, 224)
    pad_to_multiple_of: int = 64
    n_action_bins: int = 256
    norm_stats: dict[str, Any] | None = None
    use_proprio: bool = False
    proprio_dim: int | None = None
    vision: dict[str, Any] | None = None
    tie_word_embeddings: bool = False

    @property
    def language(self) -> LlamaConfig:
        assert isinstance(self.text_config, LlamaConfig)
        return self.text_config

    @property
    def featurizer(self) -> VisionSize:
        """DINOv2's size."""
        return VisionSize(**self.vision["featurizer"]) if self.vision else DINOV2_LARGE

    @property
    def fused_featurizer(self) -> VisionSize:
        """SigLIP's size."""
        return VisionSize(**self.vision["fused_featurizer"]) if self.vision else SIGLIP_SO400M

    @property
    def patches(self) -> int:
        """Patches of one image."""
        return int((self.image_sizes[0] // PATCH) ** 2)

    @property
    def bin_rows(self) -> slice:
        """The action tokens' vocabulary ids, ascending: the last ones before the padding (31744..31999)."""
        end = self.language.vocab_size - self.pad_to_multiple_of
        return slice(end - self.n_action_bins, end)

    def to_diff_dict(self) -> dict[str, Any]:
        """Content of config.json; code for transformers 4 looks for `torch_dtype`."""
        written: dict[str, Any] = super().to_diff_dict()
        if "dtype" in written:
            written["torch_dtype"] = written["dtype"]
        return written


AutoConfig.register("openvla", OpenVlaConfig, exist_ok=True)
