"""Low-rank adapters (arXiv 2106.09685) through peft, on what OpenVLA-OFT's finetune.py adapts.

That is every linear layer: of the language model, the projectors and both vision transformers; the head is left out
(peft takes the output embedding from "all-linear"), and so are the layers that nothing ever computes.  Only the
adapters are trained, in float32, and they are all that a run saves.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from vla_rl_bench_openvla_oft.modeling import OpenVlaForActionPrediction
from vla_rl_bench_openvla_oft.options import LoraOptions

ADAPTER = "default"  # peft's name for the only one


def adapt(model: OpenVlaForActionPrediction, options: LoraOptions) -> None:
    """Put adapters into the model, which keeps its class; all other weights are frozen.  At first they change nothing.

    Weights are drawn from torch's global generator.
    """
    from peft import LoraConfig, inject_adapter_in_model

    config = LoraConfig(
        r=options.rank,
        lora_alpha=options.alpha,
        lora_dropout=options.dropout,
        target_modules="all-linear",  # OpenVLA-OFT, finetune.py
        exclude_modules=sorted(_never_computed(model)) or None,
        init_lora_weights="gaussian",  # OpenVLA-OFT, finetune.py
    )
    inject_adapter_in_model(config, model)
    for name, parameter in model.named_parameters():
        trained = ".lora_" in name
        parameter.requires_grad_(trained)
        if trained:
            parameter.data = parameter.data.float()


def _never_computed(model: nn.Module) -> Iterator[str]:
    """Linear layers that the checkpoint holds and no forward reads: the model keeps them frozen."""
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and not module.weight.requires_grad:
            yield name


def merged_state(model: nn.Module) -> dict[str, Tensor]:
    """The weights under the checkpoint's own names, adapters added to them; the model itself stays as it is.

    A sum is taken in float32 and rounded once, to the dtype of the weight.
    """
    from peft.tuners.lora import LoraLayer

    state = {name: value for name, value in model.state_dict().items() if ".lora_" not in name}
    for name, module in model.named_modules():
        if isinstance(module, LoraLayer):
            key = f"{name}.base_layer.weight"
            delta = module.get_delta_weight(ADAPTER)  # type: ignore[attr-defined]
            state[key] = _merged(state[key], delta)
    return {name.replace(".base_layer.", "."): value.contiguous() for name, value in state.items()}


def _merged(weight: Tensor, delta: Tensor) -> Tensor:
    with torch.no_grad():
        return (weight.float() + delta.to(weight.device).float()).to(weight.dtype)
