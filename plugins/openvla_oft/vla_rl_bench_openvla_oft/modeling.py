"""OpenVLA and OpenVLA-OFT: two vision transformers, a projector and Llama 2; the checkpoints' own names.

OpenVLA: arXiv 2406.09246.  OpenVLA-OFT: arXiv 2502.19645, here with its token head as SimpleVLA-RL trains it
(arXiv 2509.09674): all K x D action tokens of a chunk from one forward, in which every position sees every other.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModelForImageTextToText, LlamaConfig, LlamaModel, PreTrainedModel
from transformers import initialization as init
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

from vla_rl_bench_openvla_oft.configuration import OpenVlaConfig
from vla_rl_bench_openvla_oft.sequence import Text, with_placeholders
from vla_rl_bench_openvla_oft.vision import AttentionPool, Dinov2, FusedVision, LayerScale, Siglip


class OpenVlaForActionPrediction(PreTrainedModel):  # type: ignore[no-untyped-call]
    """Observations and instructions -> logits of action tokens.

    Everywhere: input_ids int64 ``[B, L]``, padded on either side, BOS first and 29871 (the empty word) last;
    attention_mask ``[B, L]``; pixel_values float ``[B, 6 n, H, W]``; proprio float ``[B, P]``, normalized.
    Nothing is moved between devices.
    """

    config: OpenVlaConfig
    config_class = OpenVlaConfig
    main_input_name = "pixel_values"
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _no_split_modules = ["Block", "LlamaDecoderLayer"]  # noqa: RUF012 - inherited name

    def __init__(self, config: OpenVlaConfig) -> None:
        super().__init__(config)
        width = config.language.hidden_size
        self.vision_backbone = FusedVision(config)
        self.projector = Projector(self.vision_backbone.embed_dim, width)
        self.language_model = LanguageModel(config.language)
        self.proprio_projector = _proprio_projector(config, width)
        self.post_init()  # type: ignore[no-untyped-call]

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        """`action_logits`, through the hooks of ``torch.nn.Module``."""
        return self.action_logits(*args, **kwargs)

    def action_logits(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        pixel_values: Tensor,
        tokens: int,
        proprio: Tensor | None = None,
        *,
        causal: bool = False,
    ) -> Tensor:
        """-> float32 ``[B, tokens, 256]``: the bins' vocabulary ids ascending, so values descending.

        causal: what the model computes on stock transformers, which silently lacks OpenVLA-OFT's attention.
        """
        states = self.action_states(input_ids, attention_mask, pixel_values, tokens, proprio, causal=causal)
        return self.language_model.logits(states, self.config.bin_rows)

    def full_logits(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        pixel_values: Tensor,
        tokens: int,
        proprio: Tensor | None = None,
        *,
        causal: bool = False,
    ) -> Tensor:
        """`action_logits` over the whole vocabulary, ``[B, tokens, vocabulary]``: how much is on the bins at all."""
        states = self.action_states(input_ids, attention_mask, pixel_values, tokens, proprio, causal=causal)
        return self.language_model.logits(states)

    def patch_features(self, pixel_values: Tensor) -> Tensor:
        """-> ``[B, 256 n, 2176]``."""
        features: Tensor = self.vision_backbone(pixel_values)
        return features

    def projected_patches(self, pixel_values: Tensor) -> Tensor:
        """-> ``[B, 256 n, hidden]``."""
        projected: Tensor = self.projector(self.patch_features(pixel_values))
        return projected

    def action_states(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        pixel_values: Tensor,
        tokens: int,
        proprio: Tensor | None = None,
        *,
        causal: bool = False,
    ) -> Tensor:
        """-> ``[B, tokens, hidden]``: what the head reads."""
        text = with_placeholders(input_ids, attention_mask, tokens)
        embeds, mask, last = self.embed(text, pixel_values, proprio)
        states = self.language_model.model(
            inputs_embeds=embeds, attention_mask=mask, is_causal=causal, use_cache=False
        ).last_hidden_state
        return answers(states, last, tokens)

    def embed(self, text: Text, pixel_values: Tensor, proprio: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """-> embeddings ``[B, N, hidden]``, mask ``[B, N]``, and where each prompt ends ``[B]``."""
        words = self.language_model.model.embed_tokens(text.ids)
        words = words.masked_fill(text.blank[..., None], 0.0)
        visual = self._visual_tokens(pixel_values, proprio).to(words.dtype)
        embeds = torch.cat([words[:, :1], visual, words[:, 1:]], dim=1)
        mask = torch.cat([text.mask.new_ones(visual.shape[:2]), text.mask], dim=1)
        return embeds, mask, visual.shape[1] + text.lengths - 1

    def _visual_tokens(self, pixel_values: Tensor, proprio: Tensor | None) -> Tensor:
        """The patches, and the token of proprioception behind them where the model has one."""
        patches = self.projected_patches(pixel_values)
        if (proprio is None) != (self.proprio_projector is None):
            raise ValueError("proprio must be given exactly when the config has use_proprio")
        if self.proprio_projector is None or proprio is None:
            return patches
        return torch.cat([patches, self.proprio_projector(proprio.to(patches.dtype))[:, None]], dim=1)

    def get_input_embeddings(self) -> nn.Module:
        return self.language_model.model.embed_tokens

    def get_output_embeddings(self) -> nn.Module:
        return self.language_model.lm_head

    @classmethod
    def from_pretrained(cls, *args: Any, **kwargs: Any) -> Any:
        """As inherited, but what is never computed is frozen again: loading makes every weight a new, trained one."""
        loaded = super().from_pretrained(*args, **kwargs)
        model = loaded[0] if isinstance(loaded, tuple) else loaded
        model.vision_backbone.freeze_unused()
        return loaded

    def save_pretrained(self, save_directory: str | os.PathLike[str], *args: Any, **kwargs: Any) -> None:
        """As inherited, but peers find the class that their own code has under `architectures`."""
        architectures = self.config.architectures
        super().save_pretrained(save_directory, *args, **kwargs)
        if architectures and kwargs.get("is_main_process", True):
            self.config.architectures = architectures
            self.config.save_pretrained(save_directory)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)  # type: ignore[no-untyped-call]
        if isinstance(module, LayerScale):
            init.ones_(module.scale_factor)
        learned = {Dinov2: ("pos_embed", "cls_token", "reg_token"), Siglip: ("pos_embed",), AttentionPool: ("latent",)}
        for name in learned.get(type(module), ()):
            init.normal_(getattr(module, name), std=0.02)


def answers(states: Tensor, last: Tensor, tokens: int) -> Tensor:
    """States ``[B, N, hidden]`` and where the prompts end ``[B]`` -> ``[B, tokens, hidden]`` from there on."""
    places = last[:, None] + torch.arange(tokens, device=states.device)
    return states.gather(1, places[..., None].expand(-1, -1, states.shape[-1]))


class Projector(nn.Module):
    """Patches -> words: ``[..., vision] -> [..., hidden]``."""

    def __init__(self, vision: int, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(vision, 4 * vision)
        self.fc2 = nn.Linear(4 * vision, width)
        self.fc3 = nn.Linear(width, width)

    def forward(self, patches: Tensor) -> Tensor:
        hidden = functional.gelu(self.fc2(functional.gelu(self.fc1(patches))))
        projected: Tensor = self.fc3(hidden)
        return projected


class ProprioProjector(nn.Module):
    """Proprioception ``[B, P]`` -> one token ``[B, hidden]``."""

    def __init__(self, dim: int, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, width)
        self.fc2 = nn.Linear(width, width)

    def forward(self, proprio: Tensor) -> Tensor:
        projected: Tensor = self.fc2(functional.gelu(self.fc1(proprio)))
        return projected


def _proprio_projector(config: OpenVlaConfig, width: int) -> ProprioProjector | None:
    if not config.use_proprio:
        return None
    if not config.proprio_dim:
        raise ValueError("a config with use_proprio needs proprio_dim, how many numbers of proprioception there are")
    return ProprioProjector(config.proprio_dim, width)


class LanguageModel(nn.Module):
    """Llama 2 and its head."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.model = LlamaModel(config)
        self.model.rotary_emb = ExactRotaryEmbedding(config)
        self.lm_head = RowsLinear(config.hidden_size, config.vocab_size, bias=False)

    def logits(self, states: Tensor, rows: slice | None = None) -> Tensor:
        """``[..., hidden]`` -> float32 logits of these rows of the vocabulary, of all without `rows`."""
        head: nn.Module = self.lm_head
        if isinstance(head, RowsLinear):
            logits: Tensor = head(states, rows)
        else:  # e.g. an adapter around the layer, whose part counts too
            logits = head(states)[..., rows or slice(None)]
        return logits.float()


class RowsLinear(nn.Linear):
    """A linear layer of which only some outputs may be computed.

    The weight is cut inside the layer's own forward, the one place where it is whole under ZeRO-3.
    """

    def forward(self, input: Tensor, rows: slice | None = None) -> Tensor:
        return functional.linear(input, self.weight if rows is None else self.weight[rows])


class ExactRotaryEmbedding(LlamaRotaryEmbedding):
    """Rotary places whose frequencies stay exact wherever the model goes.

    They are no weights: a model that comes from the meta device has none to load, and ``.bfloat16()`` would round them
    by up to 0.4 %, which is a radian after some 300 places.
    """

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> ExactRotaryEmbedding:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        with torch.device("cpu"):
            exact, _ = self.compute_default_rope_parameters(self.config)
        for name in ("inv_freq", "original_inv_freq"):
            self.register_buffer(name, exact.to(self.inv_freq.device, copy=True), persistent=False)
        return self


AutoModelForImageTextToText.register(OpenVlaConfig, OpenVlaForActionPrediction, exist_ok=True)
