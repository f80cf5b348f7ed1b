"""Operations and kept activations of a forward of one chunk, counted by torch without memory.

The forward runs on fake tensors, which have shapes and dtypes but no values.  Operations are matrix products, as
``torch.utils.flop_counter`` counts them: ``[m, k]`` times ``[k, n]`` is 2 m k n.  Bytes are those of the tensors that
autograd saves for prompts of different lengths, which take an attention mask.
"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from vla_rl_bench_openvla_oft.configuration import OpenVlaConfig
from vla_rl_bench_openvla_oft.modeling import OpenVlaForActionPrediction


@dataclass(frozen=True)
class ForwardInput:
    """Sizes of the input of one chunk's forward.

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


@dataclass(frozen=True)
class ForwardCost:
    """Cost of one chunk's forward.

    kept: bytes for the backward.  checkpointed: the same under gradient checkpointing: every layer's input, and the
    largest layer whole.
    """

    operations: int
    kept: int
    checkpointed: int


def forward_cost(model: OpenVlaForActionPrediction, inputs: ForwardInput, *, autocast: bool) -> ForwardCost:
    """Count the cost of a forward; afterwards the model's weights are fake and its gradient checkpointing is on.

    model: on torch's meta device.  autocast: the forward casts weights to bfloat16.
    """
    with FakeTensorMode(allow_non_fake_inputs=True):
        model.to_empty(device="cpu")
        with FlopCounterMode(display=False) as counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
            _forward(model, inputs, 1)
        kept = _kept_by_layer(model, inputs, autocast)
        model.activation_checkpointing_enable({"use_reentrant": False})
        checkpointed = _kept_by_layer(model, inputs, autocast).total()
    largest = max(size for layer, size in kept.items() if layer)
    return ForwardCost(counter.get_total_flops(), kept.total(), checkpointed + largest)


def _forward(model: OpenVlaForActionPrediction, inputs: ForwardInput, chunks: int) -> Tensor:
    config, dtype = model.config, model.language_model.lm_head.weight.dtype
    ids = torch.ones(chunks, inputs.prompt, dtype=torch.int64)
    pixels = torch.zeros(chunks, 6 * inputs.images, *config.image_sizes, dtype=dtype)
    proprio = torch.zeros(chunks, config.proprio_dim or 0) if inputs.proprio else None
    return model.action_logits(ids, ids, pixels, inputs.tokens, proprio)


def _kept_by_layer(model: OpenVlaForActionPrediction, inputs: ForwardInput, autocast: bool) -> Counter[str]:
    """Bytes that one more chunk keeps, so that weights and their casts do not count; under "": outside of layers."""
    bytes_by_layer = _saved_by_layer(model, inputs, 2, autocast)
    bytes_by_layer.subtract(_saved_by_layer(model, inputs, 1, autocast))
    return bytes_by_layer


def _saved_by_layer(
    model: OpenVlaForActionPrediction, inputs: ForwardInput, chunks: int, autocast: bool
) -> Counter[str]:
    layer, bytes_by_layer, saved = "", Counter[str](), dict[int, Tensor]()

    def save(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in saved:
            saved[storage._cdata] = tensor
            bytes_by_layer[layer] += storage.nbytes()
        return tensor

    def enter(name: str) -> None:
        nonlocal layer
        layer = name

    with ExitStack() as stack:
        for name, module in model.named_modules():
            if type(module).__name__ in model._no_split_modules:
                stack.enter_context(module.register_forward_pre_hook(lambda *_, name=name: enter(name)))
                stack.enter_context(module.register_forward_hook(lambda *_: enter("")))
        stack.enter_context(torch.autograd.graph.saved_tensors_hooks(save, lambda tensor: tensor))
        stack.enter_context(torch.autocast("cpu", torch.bfloat16, enabled=autocast))
        _forward(model, inputs, chunks)
    return bytes_by_layer
