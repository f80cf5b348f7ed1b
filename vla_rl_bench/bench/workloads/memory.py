"""E: what a batch of 512 trajectories occupies.  F: what a micro-batch's logits occupy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vla_rl_bench import entries
from vla_rl_bench.algorithms.sampling import token_logprobs
from vla_rl_bench.bench.allocated import peak_bytes
from vla_rl_bench.bench.made_up import lengths
from vla_rl_bench.bench.rows import Row, Skipped
from vla_rl_bench.bench.same import close
from vla_rl_bench.bench.schedules import storage, vocabulary
from vla_rl_bench.bench.setting import Setting
from vla_rl_bench.errors import UserError
from vla_rl_bench.types import Observation, Start, Trajectory

TRAJECTORIES = 512  # SimpleVLA-RL: 64 prompts x 8 samples
SAMPLE = 8  # trajectories whose arrays are really made; all 512 would not fit
TEMPERATURE = 1.6
OFT = "openvla-oft"  # the policy whose head is measured, where its plugin is installed
PLUGIN = "vla_rl_bench_openvla_oft"


# -- E


def trajectories(setting: Setting) -> Iterator[Row]:
    """Bytes are counted, so one round is exact."""
    baseline = sum(one.nbytes for one in storage.stored(SAMPLE).values()) * (TRAJECTORIES // SAMPLE)
    for valid in (0.25, 0.5, 1.0):
        ours = sum(_bytes(_ragged(chunks)) for chunks in lengths(SAMPLE, storage.CHUNKS, valid))
        ours *= TRAJECTORIES // SAMPLE
        yield _row(
            "E", f"memory of {TRAJECTORIES} trajectories, {valid:.0%} valid", ours, baseline, 7.5 / valid, NOTE_E
        )


NOTE_E = (
    "224 px on both sides, as the baseline stores them; "
    f"arrays of {SAMPLE} trajectories, counted {TRAJECTORIES // SAMPLE} times"
)


def _ragged(chunks: int) -> Trajectory:
    """A trajectory of this project with the baseline's image size and tokens."""
    pixels = np.ones((chunks, storage.PIXELS, storage.PIXELS, 3), np.uint8)
    return Trajectory(
        start=Start(0, 0),
        rollout=0,
        observations=Observation({"camera": pixels}, np.zeros((chunks, 8), np.float32)),
        tokens=np.zeros((chunks, storage.TOKENS), np.int16),
        logprobs=np.zeros((chunks, storage.TOKENS), np.float32),
        steps=np.ones(chunks, np.int64),
        success=True,
    )


def _bytes(one: Trajectory) -> int:
    images = sum(image.nbytes for image in one.observations.images.values())
    return images + sum(part.nbytes for part in (one.observations.proprio, one.tokens, one.logprobs, one.steps))


def _row(letter: str, what: str, ours: int, baseline: int, aim: float | None, note: str) -> Row:
    ratio = (baseline / ours,)
    return Row(letter, what, "bytes", (float(ours),), (float(baseline),), ratio, (), aim, "bytes", note)


# -- F


def logits(setting: Setting) -> Iterator[Row | Skipped]:
    """A stand-in of OpenVLA-OFT with small layers, and its own vocabulary, image size and prompt."""
    try:
        setting.catalog.require(setting.catalog.policy(OFT))
    except UserError as error:
        yield Skipped("F", "logits of a micro-batch", str(error))
        return
    setting.note_progress("F: logits of a micro-batch")
    head = _Head(setting.pick(8, 2))
    with torch.inference_mode():
        close("log-probs", head.ours(), head.baseline(), 1e-5)
        ours, baseline = _peak(head.ours), _peak(head.baseline)
    what = f"logits of {len(head.tokens)} chunks: 56 x 256 against {head.states.shape[1]} x {head.head.out_features}"
    yield _row("F", what, ours, baseline, 100.0, NOTE_F)


NOTE_F = "the most that was allocated at once between the last layer's states and the log-probs, no gradients"


def _peak(work: Callable[[], object]) -> int:
    work()  # what is allocated once for all does not count
    return peak_bytes(work)


class _Head:
    """The last layer's states of a micro-batch, and both ways from them to the log-probs of drawn tokens."""

    def __init__(self, rows: int) -> None:
        measuring = partial(_of_plugin, "measuring")
        size = _of_plugin("standin", "SIZES")["tiny"]
        settings = _of_plugin("standin", "config")(size, storage.PIXELS, None)
        cpu = torch.device("cpu")
        model = measuring("drawn")(settings, torch.float32, cpu)
        asked = measuring("made_up")(settings, rows, cpu)
        self.head = model.language_model.lm_head
        self.words: slice = model.config.bin_rows
        self.tokens = torch.randint(0, 256, (rows, storage.TOKENS), generator=torch.Generator().manual_seed(0))
        self._logits = model.language_model.logits
        self._answers = _of_plugin("modeling", "answers")
        with torch.inference_mode():
            self.states, self.last = _states(model, asked, storage.TOKENS)

    def ours(self) -> Tensor:
        logits = self._logits(self._answers(self.states, self.last, storage.TOKENS), self.words)
        return token_logprobs(logits, self.tokens, TEMPERATURE)

    def baseline(self) -> Tensor:
        return vocabulary.logprobs(self.head, self.states, self.last, self.tokens, self.words, TEMPERATURE)


def _states(model: Any, asked: dict[str, Tensor], tokens: int) -> tuple[Tensor, Tensor]:
    """-> states of all positions ``[B, N, hidden]``, and where each prompt ends ``[B]``."""
    text = _of_plugin("sequence", "with_placeholders")(asked["input_ids"], torch.ones_like(asked["input_ids"]), tokens)
    channels = torch.cat([asked["images"].flatten(0, 1).permute(0, 3, 1, 2)] * 2, 1)  # once for each vision transformer
    embeds, mask, last = model.embed(text, channels.float() / 255)
    states = model.language_model.model(inputs_embeds=embeds, attention_mask=mask, is_causal=False, use_cache=False)
    return states.last_hidden_state, last


def _of_plugin(module: str, name: str) -> Any:
    return entries.load(f"{PLUGIN}.{module}:{name}")
