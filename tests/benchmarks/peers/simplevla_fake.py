"""The fake environment and the fake policy of row B, as SimpleVLA-RL's rollout asks for an environment and a policy.

Every stand-in for what its rollout cannot have here is in `load`: tensorflow (images go as they are), LIBERO (the fake
environment instead), ``torch.device("cuda")`` (the CPU), a processor (a prompt of five words).
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tests.benchmarks.peers import simplevla_actor
from tests.benchmarks.peers.checkout import stub
from tests.benchmarks.support.constant_cost_env import CHUNK, ConstantCostEnv, ConstantCostOptions, burn, last_chunk
from vla_rl_bench import seeding
from vla_rl_bench.rollout.actor import Actor
from vla_rl_bench.rollout.scheduler import Episode
from vla_rl_bench.types import FloatArray, Observation, Start

FILES = ("verl/workers/rollout/rob_rollout.py", "verl/utils/libero_utils.py", "verl/protocol.py")
STUBS = (
    "`tensorflow`, `imageio` (images go to the policy as they are, on both sides)",
    "`libero` and `get_libero_env` (the fake environment, stepped one action at a time)",
    '`torch.device("cuda")` in `process_input` (the CPU)',
    "`AutoProcessor` (a prompt of five words)",
    *simplevla_actor.STUBS,
)
SUITE, PROMPT, PAD = "libero_object", [1, 5, 6, 7, 29871], 32000  # a suite whose limit it knows: 512 steps


def load(folder: Path) -> Any:
    """-> its module ``rob_rollout``, every function as it is."""
    simplevla_actor.load(folder)
    stub("imageio")
    tensorflow = stub("tensorflow")
    tensorflow.config = _Nothing()  # type: ignore[attr-defined]
    stub("libero")
    stub("libero.libero")
    stub("libero.libero.benchmark", get_benchmark_dict=lambda: {SUITE: _Suite})
    return importlib.import_module("verl.workers.rollout.rob_rollout")


class _Nothing:
    """No GPUs, whoever asks."""

    experimental = property(lambda self: self)

    def list_physical_devices(self, kind: str) -> list[Any]:
        return []


class _Suite:
    """LIBERO's benchmark object: init state n is the number n."""

    def get_task(self, task: int) -> int:
        return task

    def get_task_init_states(self, task: int) -> range:
        return range(10_000)


class _Cpu:
    """The module torch, but every device is the CPU."""

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    def device(self, name: str) -> torch.device:
        return torch.device("cpu")


class Stepped:
    """`ConstantCostEnv` by the step: the same burn a chunk, the same pictures, the same end.

    The third dimension of an action is the gripper that the peer's worker rewrites; nothing looks at it.
    """

    def __init__(self, options: ConstantCostOptions) -> None:
        self._inner, self._options = ConstantCostEnv(options), options
        self._actions: list[FloatArray] = []
        self._end = 0

    def reset(self) -> None: ...

    def set_init_state(self, index: int) -> dict[str, Any]:
        self._start, self._actions = Start(0, index), []
        return _seen(self._inner.reset(options={"start": self._start})[0])

    def step(self, action: Sequence[float]) -> tuple[dict[str, Any], float, bool, dict[str, Any]]:
        burn(self._options.products // CHUNK)
        self._actions.append(np.array(action[:2], np.float32))
        chunks = self._options.limit // CHUNK
        if len(self._actions) == CHUNK:
            self._end = 1 + last_chunk(self._start, np.stack(self._actions), chunks)
        taken = len(self._actions) // CHUNK
        self._inner._taken = taken
        success = len(self._actions) % CHUNK == 0 and taken == self._end < chunks
        return _seen(self._inner._observation()), float(success), success, {}

    def close(self) -> None: ...


def _seen(observation: Observation) -> dict[str, Any]:
    arm = {
        "robot0_eef_pos": np.zeros(3),
        "robot0_eef_quat": np.array([0.0, 0, 0, 1]),
        "robot0_gripper_qpos": np.zeros(2),
    }
    return arm | {"agentview_image": observation.images["top"]}


class Processor:
    """``processor(prompt, image)``; pixel_values float32 ``[1, 3, H, W]``."""

    tokenizer = simplevla_actor.Settings(pad_token_id=PAD)

    @classmethod
    def from_pretrained(cls, *_: Any, **__: Any) -> Processor:
        return cls()

    def __call__(self, prompt: str, image: Any) -> dict[str, Tensor]:
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float()
        ids = torch.tensor([PROMPT])
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "pixel_values": pixels}


class Module(nn.Module):
    """Our actor under the name that the peer's rollout calls; each wave's uniforms are those of its episodes."""

    def __init__(self, actor: Actor, chunks: int) -> None:
        super().__init__()
        self.actor, self.chunks = actor, chunks
        self.norm_stats: dict[str, Any] = {SUITE: {}}
        self.uniforms: list[NDArray[np.float32]] = []
        self.chunk = 0

    def begin(self, wave: Sequence[Episode]) -> None:
        shape = self.chunks, self.actor.tokens
        self.uniforms = [seeding.generator(*one.key).random(shape, dtype=np.float32) for one in wave]
        self.chunk = 0

    def generate_action_verl(self, *, pixel_values: Tensor, **_: Any) -> tuple[NDArray[np.float32], Tensor]:
        frames = pixel_values.permute(0, 2, 3, 1).to(torch.uint8).numpy()
        seen = Observation({"top": frames}, np.zeros((len(frames), 1), np.float32))
        uniforms = np.stack([one[self.chunk] for one in self.uniforms])
        self.chunk += 1
        decided = self.actor.act(seen, ["wait"] * len(frames), uniforms)
        gripper = np.ones((*decided.actions.shape[:2], 1), np.float32)
        tokens = torch.from_numpy(decided.tokens.astype(np.int64)).flatten(1)
        return np.concatenate([decided.actions, gripper], -1), tokens + simplevla_actor.FIRST_WORD


def rollout(module: Any, options: ConstantCostOptions, actor: Actor) -> tuple[Any, Module]:
    """-> the peer's `RobHFRollout` around `actor`, its module."""
    module.torch, module.AutoProcessor = _Cpu(), Processor
    module.get_libero_image = lambda seen, size: seen["agentview_image"]
    module.get_libero_env = lambda task, family, resolution: (Stepped(options), "wait")
    asked = simplevla_actor.Settings(
        vla="openvla-oft", task_suite_name=SUITE, unnorm_key=SUITE, pretrained_checkpoint="", model_family="openvla",
        use_proprio=False, num_images_in_input=1, center_crop=False, num_steps_wait=0, micro_batch_size=1,
        action_chunks_len=CHUNK, max_prompt_length=512, do_sample=True, temperature=1.6,
    )  # fmt: skip
    wrapped = Module(actor, options.limit // CHUNK)
    made = module.RobHFRollout(wrapped, asked)
    assert made.max_steps[SUITE] == options.limit
    return made, wrapped


def play(made: Any, wrapped: Module, todo: Sequence[Episode], size: int) -> list[Any]:
    """All episodes, a prompt's samples at a time -> its `DataProto`s."""
    proto: Callable[..., Any] = sys.modules["verl"].DataProto
    tensors = sys.modules["tensordict"].TensorDict
    found = []
    for first in range(0, len(todo), size):
        wave = todo[first : first + size]
        wrapped.begin(wave)
        start = wave[0].start
        batch = tensors({"task_id": torch.tensor([[start.task]]), "trial_id": torch.tensor([[start.index]])}, 1)
        names = {"task_suite_name": np.array([SUITE], dtype=object)}
        found.append(made.generate_sequences(proto(batch, names, {"n_samples": size})))
    return found
