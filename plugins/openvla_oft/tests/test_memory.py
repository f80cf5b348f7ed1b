"""The plan's numbers: closed forms, what torch counts and keeps on a small model, and the page that shows it."""

from __future__ import annotations

import contextlib
import copy
import json
import math
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch

from vla_rl_bench.cli.main import main
from vla_rl_bench.errors import UserError
from vla_rl_bench_openvla_oft import lora, plan
from vla_rl_bench_openvla_oft.configuration import OpenVlaConfig
from vla_rl_bench_openvla_oft.forward_cost import ForwardCost, ForwardInput
from vla_rl_bench_openvla_oft.memory import CARD, GB, memory, state
from vla_rl_bench_openvla_oft.modeling import OpenVlaForActionPrediction
from vla_rl_bench_openvla_oft.options import LoraOptions, OpenVlaOftOptions, OpenVlaOptions
from vla_rl_bench_openvla_oft.sizes import OPENVLA_7B, read_config, sizes

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "memory.md"
DATA = Path(__file__).parent / "data"
N = 7_541_237_184  # of openvla-7b: facts, counted from its index
SMALL: dict[str, Any] = {
    "text_config": {
        "model_type": "llama",
        "hidden_size": 128,
        "intermediate_size": 352,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "vocab_size": 512,
    },
    "image_sizes": [56, 56],
    "vision": {
        "featurizer": {"embed_dim": 64, "depth": 4, "num_heads": 2},
        "fused_featurizer": {"embed_dim": 96, "depth": 3, "num_heads": 2, "mlp_ratio": 3.5},
    },
}
PROMPT, TOKENS = 20, 56


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def forward(model: OpenVlaForActionPrediction, rows: int) -> torch.Tensor:
    """With a first prompt shorter than the others."""
    ids = torch.full((rows, PROMPT), 5)
    mask = torch.ones_like(ids)
    mask[0, -3:] = 0
    pixels = torch.randn(rows, 6, 56, 56, generator=torch.Generator().manual_seed(0))
    return model.action_logits(ids, mask, pixels.to(model.language_model.lm_head.weight.dtype), TOKENS)


# -- parameters


def test_openvla_7b_is_counted_without_loading_it() -> None:
    config, name = read_config("")
    size = sizes(config, None)
    assert (size.parameters, size.tensors, name) == (N, 982, "openvla-7b")
    stored = json.loads((DATA / "openvla_7b_keys.json").read_text())
    unused = re.compile(r"featurizer\.(norm|attn_pool)\.|\.featurizer\.blocks\.23\.|fused_featurizer\.blocks\.26\.")
    assert size.frozen == sum(math.prod(shape) for name, shape in stored.items() if unused.search(name))
    assert size.trained + size.frozen == N


@pytest.mark.parametrize("rank", [1, 32])
def test_adapters_are_counted_as_peft_makes_them(rank: int) -> None:
    config = OpenVlaConfig(**SMALL)
    model = OpenVlaForActionPrediction(config)
    frozen = sum(one.numel() for one in model.parameters() if not one.requires_grad)
    assert sizes(config, None).frozen == frozen > 0
    lora.adapt(model, LoraOptions(rank=rank))
    trained = sum(one.numel() for one in model.parameters() if one.requires_grad)
    assert sizes(config, LoraOptions(rank=rank)).trained == trained
    assert sizes(config, LoraOptions(rank=rank)).frozen == sizes(config, None).parameters


# -- what stays on a GPU


@pytest.mark.parametrize(
    ("stage", "per_parameter"),
    [
        (1, 2 + 2 + 12 / 8),
        (2, 2 + (2 + 12) / 8),
        (3, (2 + 2 + 12) / 8 + 2),  # and the replica that acts
    ],
)
def test_full_parameters_over_eight_gpus(stage: int, per_parameter: float) -> None:
    """ZeRO (arXiv 1910.02054, figure 1): 2 bytes of weights, 2 of gradients, 12 of the optimiser."""
    buffers = 1e9 + 2e9 * (stage == 3)  # DeepSpeed's buckets at their defaults
    found = state(N, 0, gpus=8, stage=stage, weights=4, adapters=False, offload=False)
    assert found.total == pytest.approx(per_parameter * N + buffers)
    assert found.step == 8 * N / 8
    assert found.host == 0
    offloaded = state(N, 0, gpus=8, stage=stage, weights=4, adapters=False, offload=True)
    assert offloaded.total == pytest.approx(found.total - 12 * N / 8)
    assert offloaded.host == 16 * N / 8


@pytest.mark.parametrize(
    ("weights", "offload", "per_parameter"),
    [
        (4, False, 4 + 2 + 4 + 8),  # float32 weights are the masters; autocast's copies beside them
        (2, False, 2 + 2 + 4),
        (2, True, 2 + 2),
    ],
)
def test_full_parameters_on_one_gpu(weights: int, offload: bool, per_parameter: int) -> None:
    found = state(N, 0, gpus=1, stage=0, weights=weights, adapters=False, offload=offload)
    assert found.total == per_parameter * N
    assert found.host == 16 * N * offload


def test_adapters_on_one_gpu() -> None:
    """Frozen weights once; adapters in float32 with gradients and both moments, and their casts."""
    n = 100_000_000
    found = state(n, N, gpus=1, stage=0, weights=2, adapters=True, offload=False)
    assert found.total == 2 * N + (4 + 2 + 4 + 8) * n


# -- a forward


def cost(config: OpenVlaConfig, rank: int = 0, *, float32: bool = False, **inputs: Any) -> ForwardCost:
    adapters = LoraOptions(rank=rank) if rank else None
    return sizes(config, adapters, ForwardInput(**({"prompt": PROMPT} | inputs)), autocast=float32).forward


def test_a_forward_of_the_7b_has_343_positions() -> None:
    assert ForwardInput().positions(OpenVlaConfig(**OPENVLA_7B)) == 343  # facts: LIBERO, one image


def test_a_layer_of_llama_costs_its_closed_form() -> None:
    """Two operations a weight and position, and attention; 24 h + 8 i bytes a position, statistics, a bfloat16 mask."""
    more = copy.deepcopy(SMALL)
    more["text_config"]["num_hidden_layers"] += 1
    before, after = cost(OpenVlaConfig(**SMALL)), cost(OpenVlaConfig(**more))
    n, h, i, heads = ForwardInput(prompt=PROMPT).positions(OpenVlaConfig(**SMALL)), 128, 352, 4
    assert after.operations - before.operations == 2 * n * (4 * h**2 + 3 * h * i) + 4 * n**2 * h
    assert after.kept - before.kept == n * (24 * h + 8 * i + 8 + 4 * heads) + 2 * n**2
    assert after.checkpointed - before.checkpointed == n * 2 * h


def test_cameras_and_proprioception_are_counted() -> None:
    config = OpenVlaConfig(**SMALL, use_proprio=True, proprio_dim=14)
    plain, proprio = cost(OpenVlaConfig(**SMALL)), cost(config, proprio=True)
    two = cost(OpenVlaConfig(**SMALL), images=2)
    assert plain.operations < proprio.operations < two.operations < 2 * plain.operations
    assert plain.kept < proprio.kept < two.kept < 2 * plain.kept


@pytest.mark.parametrize("rank", [0, 8])
@pytest.mark.parametrize("float32", [False, True])
def test_bytes_are_those_that_a_real_forward_keeps(rank: int, float32: bool) -> None:
    """To the byte, for prompts of different lengths, without gradient checkpointing and with it."""
    model = OpenVlaForActionPrediction(OpenVlaConfig(**SMALL)).to(torch.float32 if float32 else torch.bfloat16)
    if rank:
        lora.adapt(model, LoraOptions(rank=rank))
    planned = cost(OpenVlaConfig(**SMALL), rank, float32=float32)
    autocast = bool(float32 or rank)
    assert kept_by_torch(model.train(), autocast=autocast) == planned.kept
    model.activation_checkpointing_enable({"use_reentrant": False})
    inputs = kept_by_torch(model, autocast=autocast)
    assert inputs < planned.checkpointed < planned.kept
    largest = planned.checkpointed - inputs
    assert largest == pytest.approx((planned.kept - inputs) / 3, rel=0.4)  # three Llama layers, and small vision blocks


def kept_by_torch(model: OpenVlaForActionPrediction, *, autocast: bool) -> int:
    """Bytes that a forward saves for its backward for one more chunk."""
    fewer, more = (_saved_by_torch(model, rows, autocast) for rows in (2, 3))
    return more - fewer


def _saved_by_torch(model: OpenVlaForActionPrediction, rows: int, autocast: bool) -> int:
    saved: dict[int, torch.Tensor] = {}

    def save(tensor: torch.Tensor) -> torch.Tensor:
        saved[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    context = torch.autocast("cpu", torch.bfloat16) if autocast else contextlib.nullcontext()
    with torch.autograd.graph.saved_tensors_hooks(save, lambda tensor: tensor), context:
        forward(model, rows)
    return sum(tensor.untyped_storage().nbytes() for tensor in saved.values())


# -- what is said


def test_a_plan_names_its_assumptions_and_its_closed_form() -> None:
    said = PAGE.read_text().split("--strategy deepspeed-zero3")[1]  # as the command prints it
    assert "A plan computed from sizes, not a measurement." in said
    assert f"{N:,} parameters in 982 tensors" in said
    assert re.search(rf"^rollout replica +{2 * N / GB:.1f} ", said, re.M)
    assert re.search(r"^weights +1\.9 +1\.9$", said, re.M)
    assert "40% (assumed) of 989 TFLOP/s" in said


def test_lora_fits_one_card_and_full_parameters_do_not() -> None:
    assert re.search(r"LoRA[^$]*^16 chunks fit 80 GB, gradient checkpointing +yes", PAGE.read_text(), re.M)
    everything = state(N, 0, gpus=1, stage=0, weights=4, adapters=False, offload=False)
    assert everything.total > CARD


@pytest.fixture
def small(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "openvla"} | SMALL))
    return tmp_path


def test_the_policy_says_how_many_chunks_an_episode_has(small: Path) -> None:
    assert "64 chunks a trajectory" in memory(OpenVlaOftOptions(str(small)), 8, "deepspeed-zero2")
    assert "21 chunks a trajectory" in memory(OpenVlaOftOptions(str(small), space="robotwin"), 8, "deepspeed-zero2")
    assert "512 chunks a trajectory" in memory(OpenVlaOptions(str(small)), 8, "deepspeed-zero2")
    assert plan.forward_input(OpenVlaOftOptions("", space="robotwin"), plan.SPACES["robotwin"]).tokens == 25 * 14


def test_a_local_checkpoint_is_asked_for_its_own_sizes(small: Path) -> None:
    count = sizes(OpenVlaConfig(**SMALL), None).parameters
    assert f"{small}: {count:,} parameters" in memory(OpenVlaOftOptions(str(small)), 1, "single")


@pytest.mark.parametrize(
    ("options", "gpus", "strategy", "said"),
    [
        (OpenVlaOftOptions(""), 2, "single", "--gpus: `single` uses one GPU"),
        (OpenVlaOftOptions(""), 0, "single", "--gpus: must be at least 1"),
        (OpenVlaOftOptions(""), 1, "zero3", "--strategy: unknown `zero3`"),
        (OpenVlaOftOptions("", space="libra"), 1, "single", "Did you mean `libero`"),
        (OpenVlaOftOptions("./nowhere"), 1, "single", "policy.checkpoint: "),
    ],
)
def test_what_cannot_be_planned_is_said(options: OpenVlaOftOptions, gpus: int, strategy: str, said: str) -> None:
    with pytest.raises(UserError, match=re.escape(said)):
        memory(options, gpus, strategy)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "shown"),
    re.findall(r"^\$ vla-rl-bench (show .+)\n((?:(?!```|\$ ).*\n)+)", PAGE.read_text(), re.M),
)
def test_the_page_shows_what_the_command_prints(command: str, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(shlex.split(command)) == 0
    assert capsys.readouterr().out == shown


def test_the_page_shows_the_plans_that_people_ask_for() -> None:
    assert len(re.findall(r"^\$ vla-rl-bench show openvla-oft --memory", PAGE.read_text(), re.M)) == 3
