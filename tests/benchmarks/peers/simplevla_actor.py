"""SimpleVLA-RL's actor around a policy of ours: the peer's `RobDataParallelPPOActor`, unmodified.

What is not there on a CPU is stood in for: ``flash_attn.bert_padding``, ``ray`` and ``codetiming`` are imported by the
peer and not used on this path; ``TensorDict.cuda`` gives the batch as it is; ``torch.cuda.synchronize`` waits for
nothing.  ``torch.distributed`` is real, with one process.  Autocast for CUDA switches itself off: all is float32.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.benchmarks.peers.checkout import needs, stub
from tests.benchmarks.published_schedules.padded import SLICE, Padded
from vla_rl_bench.types import ClipRange

FILES = ("verl/workers/actor/dp_rob.py", "verl/trainer/ppo/core_algos.py", "verl/utils/torch_functional.py")
STUBS = (
    "`flash_attn.bert_padding`, `ray`, `codetiming` (imported, not called)",
    "`TensorDict.cuda` and `torch.cuda.synchronize` (there is no GPU)",
)
FIRST_WORD, ABOVE = 31744, 64  # of the 256 action tokens; words of the vocabulary above them
PROMPT, PAD = 512, 32000  # max_prompt_length of its example script; its padding word
PASS = 4  # trajectories in a pass without gradients: log_prob_micro_batch_size 32 over 8 GPUs


class Settings(dict[str, Any]):
    """What its OmegaConf node is asked for: attributes, and ``get``."""

    __getattr__ = dict.__getitem__


def load(folder: Path) -> Any:
    """-> the class `RobDataParallelPPOActor`."""
    needs("tensordict", "tensordict==0.14.0 pyvers orjson")
    import transformers.models.llama.modeling_llama  # noqa: F401 - looks for flash_attn, which must not be there yet

    stub("flash_attn")
    names = ("pad_input", "unpad_input", "rearrange", "index_first_axis")
    stub("flash_attn.bert_padding", **dict.fromkeys(names))
    stub("ray", ObjectRef=object)
    stub("codetiming", Timer=object)
    sys.path.insert(0, str(folder))
    from tensordict import TensorDict
    from verl.workers.actor.dp_rob import RobDataParallelPPOActor

    TensorDict.cuda = lambda self, *_, **__: self
    torch.cuda.synchronize = lambda *_: None
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    return RobDataParallelPPOActor


def settings(policy: Any, minibatch: int, clip: ClipRange, *, proprio: bool, grad_clip: float) -> Settings:
    """Its example script's values, for trajectories of a policy of ours."""
    return Settings(
        vla="openvla-oft",
        action_token_len=policy.action_dim,
        action_chunks_len=policy.chunk,
        use_proprio=proprio,
        traj_mini_batch_size=SLICE,
        ppo_mini_batch_size=minibatch,
        ppo_micro_batch_size=1,
        use_dynamic_bsz=False,
        ulysses_sequence_parallel_size=1,
        clip_ratio_low=clip.low,
        clip_ratio_high=clip.high,
        entropy_coeff=0.001,
        grad_clip=grad_clip,
    )


class Nano(nn.Module):
    """The built-in policy under the peer's call; only its 256 logits, where the peer cuts them out."""

    vocab_size, proprio = 32000, True

    def __init__(self, policy: Any) -> None:
        super().__init__()
        self.policy = policy

    def given(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Collated inputs -> what the peer keeps of an observation."""
        (camera,) = self.policy.cameras
        pixels = inputs[f"image.{camera}"]  # uint8, in the peer's favour: it keeps float32
        return {"input_ids": inputs["words"] + 3, "pixel_values": pixels, "proprio": inputs["proprio"]}

    def forward(self, input_ids: Tensor, attention_mask: Tensor, pixel_values: Tensor, proprio: Tensor) -> Tensor:
        inputs = {f"image.{self.policy.cameras[0]}": pixel_values, "words": input_ids - 3, "proprio": proprio}
        return functional.pad(self.policy(inputs), (0, ABOVE))


class OpenVlaOft(nn.Module):
    """OpenVLA-OFT in this project's implementation, with the peer's head: every position times the whole vocabulary.

    As the peer's ``modeling_prismatic.py`` (its `forward`) has it: the language model's logits of all positions in
    float32, of which those of the action tokens are cut out.  narrow: only the 256 at the action tokens instead.
    """

    vocab_size, proprio = 32000, False

    def __init__(self, policy: Any, *, narrow: bool) -> None:
        super().__init__()
        self.policy, self.narrow = policy, narrow

    def given(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"input_ids": inputs["input_ids"], "pixel_values": self.policy.pixel_values(inputs)}

    def forward(self, input_ids: Tensor, attention_mask: Tensor, pixel_values: Tensor, proprio: None) -> Tensor:
        from vla_rl_bench_openvla_oft.sequence import with_placeholders

        model, tokens = self.policy.model, self.policy.chunk * self.policy.action_dim
        if self.narrow:
            return functional.pad(model.action_logits(input_ids, attention_mask, pixel_values, tokens), (0, ABOVE))
        embeds, mask, last = model.embed(with_placeholders(input_ids, attention_mask, tokens), pixel_values)
        language = model.language_model
        states = language.model(inputs_embeds=embeds, attention_mask=mask, is_causal=False, use_cache=False)
        first = int(last[0])
        logits: Tensor = language.logits(states.last_hidden_state)[:, first : first + tokens]
        return logits


def batch(padded: Padded, module: Any, policy: Any, temperature: float) -> Any:
    """The same padded trajectories as the peer's `DataProto`."""
    from tensordict import TensorDict
    from verl import DataProto

    trajectories, chunks, tokens = padded.tokens.shape
    told = [one for one in padded.instructions for _ in range(chunks)]
    given = module.given(policy.collate(padded.observations, told))
    blank = PROMPT - given["input_ids"].shape[1]
    attention = torch.ones_like(given["input_ids"])
    given["input_ids"] = functional.pad(given["input_ids"], (blank, 0), value=PAD)
    given["attention_mask"] = functional.pad(attention, (blank, 0))
    split = {name: value.view(trajectories, chunks, *value.shape[1:]) for name, value in given.items()}
    steps = padded.mask.flatten(1).sum(1).long() // policy.action_dim
    flat = (trajectories, chunks * tokens)
    content = split | {
        "responses": padded.tokens + FIRST_WORD,
        "old_log_probs": padded.old_logprobs.reshape(flat),
        "advantages": padded.advantages[:, None].expand(flat).contiguous(),
        "finish_step": steps,
    }
    asked = {"temperature": temperature, "micro_batch_size": PASS, "use_dynamic_bsz": False, "pad_token_id": PAD}
    asked |= {"train_mode": True, "is_filtered": True}
    return DataProto(batch=TensorDict(content, batch_size=trajectories), meta_info=asked)


class Keeping(torch.optim.SGD):
    """An optimiser that keeps each step's gradients and takes no step."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__(module.parameters(), lr=0.0)
        self.module = module
        self.gradients: list[Tensor] = []

    def step(self, closure: Any = None) -> None:
        self.gradients += [one.grad.clone() for one in self.module.parameters() if one.grad is not None]


def all_work(actor: Any, data: Any) -> None:
    """Old log-probs, update, entropy: what the peer's trainer calls after a rollout."""
    for call in (actor.compute_log_prob, actor.update_policy, actor.compute_entropy):
        call(data)


def passes(actor: Any, data: Any) -> dict[str, Any]:
    return {"update": partial(actor.update_policy, data), "all": partial(all_work, actor, data)}
