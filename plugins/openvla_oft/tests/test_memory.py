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
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from vla_rl_bench.cli.main import main
from vla_rl_bench.errors import UserError
from vla_rl_bench_openvla_oft import flops, lora, plan
from vla_rl_bench_openvla_oft.activations import activations
from vla_rl_bench_openvla_oft.configuration import OpenVlaConfig
from vla_rl_bench_openvla_oft.flops import Question
from vla_rl_bench_openvla_oft.memory import GB, memory, state
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
ROWS, PROMPT, TOKENS = 2, 20, 56


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def forward(model: OpenVlaForActionPrediction, images: int = 1) -> torch.Tensor:
    ids = torch.full((ROWS, PROMPT), 5)
    pixels = torch.randn(ROWS, 6 * images, 56, 56, generator=torch.Generator().manual_seed(0))
    proprio = torch.zeros(ROWS, model.config.proprio_dim) if model.config.use_proprio else None
    dtype = model.language_model.lm_head.weight.dtype
    return model.action_logits(ids, torch.ones_like(ids), pixels.to(dtype), TOKENS, proprio)


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


# -- operations


@pytest.mark.parametrize("images", [1, 2])
@pytest.mark.parametrize("proprio", [False, True])
def test_operations_are_those_that_torch_counts(images: int, proprio: bool) -> None:
    config = OpenVlaConfig(**SMALL, use_proprio=proprio, proprio_dim=14 if proprio else None)
    model = OpenVlaForActionPrediction(config)
    with FlopCounterMode(display=False) as counted, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        forward(model, images)
    asked = Question(images, PROMPT, TOKENS, proprio)
    assert counted.get_total_flops() == ROWS * flops.forward(config, asked)


def test_a_forward_of_the_7b_is_about_two_operations_a_weight_and_position() -> None:
    config, asked = OpenVlaConfig(**OPENVLA_7B), Question()
    assert asked.positions(config) == 343  # facts: LIBERO, one image
    llama = 6_476_005_376  # 32 layers of 4 * 4096^2 + 3 * 4096 * 11008 weights
    assert flops.language(config, 343) == 2 * 343 * llama + 32 * 4 * 343**2 * 4096


# -- activations


def kept_by_torch(model: OpenVlaForActionPrediction, *, autocast: bool) -> int:
    """Bytes that a forward saves for its backward, parameters and casts of them left out."""
    parameters = {one.untyped_storage().data_ptr() for one in model.parameters()}
    shapes = {tuple(one.shape) for one in model.parameters()}
    shapes |= {tuple(reversed(shape)) for shape in shapes}
    found: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage().data_ptr() not in parameters and tuple(tensor.shape) not in shapes:
            found[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    context = torch.autocast("cpu", torch.bfloat16) if autocast else contextlib.nullcontext()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda one: one), context:
        forward(model)
    return sum(one.untyped_storage().nbytes() for one in found.values())


def both(config: OpenVlaConfig, rank: int, float32: bool) -> tuple[tuple[int, int], tuple[int, int]]:
    """(kept by torch, as planned), each without and with gradient checkpointing."""
    model = OpenVlaForActionPrediction(config).to(torch.float32 if float32 else torch.bfloat16)
    if rank:
        lora.adapt(model, LoraOptions(rank=rank))
    autocast = bool(float32 or rank)
    whole = kept_by_torch(model.train(), autocast=autocast)
    model.activation_checkpointing_enable({"use_reentrant": False})
    planned = activations(config, Question(1, PROMPT, TOKENS), rank=rank, autocast=float32)
    return (whole, kept_by_torch(model, autocast=autocast)), (ROWS * planned.whole, ROWS * planned.checkpointed)


@pytest.mark.parametrize("rank", [0, 8])
@pytest.mark.parametrize("float32", [False, True])
@pytest.mark.parametrize("part", ["text_config", "featurizer", "fused_featurizer"])
def test_a_layer_keeps_what_torch_keeps_of_it(part: str, rank: int, float32: bool) -> None:
    """To the byte: what one layer more adds, without and with gradient checkpointing."""
    more = copy.deepcopy(SMALL)
    layers = more["text_config"] if part == "text_config" else more["vision"][part]
    layers["num_hidden_layers" if part == "text_config" else "depth"] += 1
    kept, planned = both(OpenVlaConfig(**SMALL), rank, float32)
    kept_more, planned_more = both(OpenVlaConfig(**more), rank, float32)
    for way in (0, 1):
        assert kept_more[way] - kept[way] == planned_more[way] - planned[way]


@pytest.mark.parametrize("rank", [0, 8])
def test_what_is_beside_the_layers_is_small(rank: int) -> None:
    """Even where a model is so small that it weighs most."""
    kept, planned = both(OpenVlaConfig(**SMALL), rank, float32=False)
    assert kept[0] == pytest.approx(planned[0], rel=0.08)


# -- what is said


def test_a_plan_names_its_assumptions_and_its_closed_form() -> None:
    said = memory(OpenVlaOftOptions("", weights="bfloat16"), 8, "deepspeed-zero3")
    assert "A plan computed from sizes, not a measurement." in said
    assert f"{N:,} parameters in 982 tensors" in said
    assert re.search(rf"^rollout replica +{2 * N / GB:.1f} ", said, re.M)
    assert re.search(r"^weights +1\.9 +1\.9$", said, re.M)
    assert "40% (assumed) of 989 TFLOP/s" in said


def test_lora_fits_one_card_and_full_parameters_do_not() -> None:
    fits = r"^16 chunks fit 80 GB, gradient checkpointing +(yes|no)"
    adapters = memory(OpenVlaOftOptions("", weights="bfloat16", lora=LoraOptions()), 1, "single")
    everything = memory(OpenVlaOftOptions(""), 1, "single")
    assert [re.search(fits, said, re.M)[1] for said in (adapters, everything)] == ["yes", "no"]  # type: ignore[index]


def test_the_policy_says_how_many_chunks_an_episode_has() -> None:
    assert "64 chunks a trajectory" in memory(OpenVlaOftOptions(""), 8, "deepspeed-zero2")
    assert "21 chunks a trajectory" in memory(OpenVlaOftOptions("", space="robotwin"), 8, "deepspeed-zero2")
    assert "512 chunks a trajectory" in memory(OpenVlaOptions(""), 8, "deepspeed-zero2")
    assert plan.question(OpenVlaOftOptions("", space="robotwin"), plan.SPACES["robotwin"]).tokens == 25 * 14


def test_a_local_checkpoint_is_asked_for_its_own_sizes(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "openvla"} | SMALL))
    count = sizes(OpenVlaConfig(**SMALL), None).parameters
    assert f"{tmp_path}: {count:,} parameters" in memory(OpenVlaOftOptions(str(tmp_path)), 1, "single")


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


@pytest.mark.parametrize(
    ("command", "shown"),
    re.findall(r"^\$ vla-rl-bench (show .+)\n((?:(?!```|\$ ).*\n)+)", PAGE.read_text(), re.M),
)
def test_the_page_shows_what_the_command_prints(command: str, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(shlex.split(command)) == 0
    assert capsys.readouterr().out == shown


def test_the_page_shows_the_plans_that_people_ask_for() -> None:
    assert len(re.findall(r"^\$ vla-rl-bench show openvla-oft --memory", PAGE.read_text(), re.M)) == 3
