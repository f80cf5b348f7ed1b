"""The built-in policy keeps the contract that plugins are held to, and the contract finds those that do not."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from vla_rl_bench.algorithms.sampling import sample_tokens
from vla_rl_bench.builtin.nano.options import NanoOptions
from vla_rl_bench.builtin.nano.policy import NanoPolicy
from vla_rl_bench.builtin.nano.policy import make as make_nano
from vla_rl_bench.interfaces import TokenPolicy
from vla_rl_bench.testing import PolicyContract
from vla_rl_bench.types import ActionSpec, EnvironmentSpec, FloatArray, ImageSpec, Observation, TaskSpec

pytestmark = pytest.mark.numeric

SPEC = EnvironmentSpec(
    name="table",
    suite="one",
    protocol="table-1",
    tasks=(TaskSpec("push", "push the block", step_limit=8),),
    images=(ImageSpec("top", 24, 24), ImageSpec("wrist", 12, 24)),
    proprio=("x, metres", "y, metres"),
    action=ActionSpec(("dx", "dy", "grip"), (-1.0, -0.5, 0.0), (1.0, 0.5, 3.0), (0.0, 0.0, 0.0)),
    splits={"demonstration": (0, 1), "training": (1, 2), "held-out": (2, 3)},
)
OPTIONS = NanoOptions(chunk=2, width=32)
# token by token: (logits [B, n, bins], first) -> tokens and log-probs, both [B, n]
Choose = Callable[[Tensor, int], tuple[Tensor, Tensor]]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


class TestNano(PolicyContract):
    def make(self) -> TokenPolicy:
        return make_nano(SPEC, OPTIONS, 0)

    def spec(self) -> EnvironmentSpec:
        return SPEC


class Spelling(NanoPolicy):
    """Draws token by token: each token's logits are moved by the token before it."""

    is_autoregressive = True

    def __init__(self, spec: EnvironmentSpec, options: NanoOptions) -> None:
        super().__init__(spec, options)
        self.before = nn.Embedding(self.bins, self.bins)

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        logits = super().forward(inputs)
        return torch.cat([logits[:, :1], logits[:, 1:] + self.before(inputs["tokens"][:, :-1])], 1)

    def draw(self, inputs: Mapping[str, Tensor], choose: Choose) -> tuple[Tensor, Tensor]:
        logits = super().forward(inputs)
        drawn = [choose(logits[:, :1], 0)]
        for place in range(1, logits.shape[1]):
            drawn.append(choose(logits[:, place : place + 1] + self.before(drawn[-1][0]), place))
        return torch.cat([one[0] for one in drawn], 1), torch.cat([one[1] for one in drawn], 1)


def made(policy: type[NanoPolicy]) -> NanoPolicy:
    """As nano's own `make`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return policy(SPEC, OPTIONS)


class TestSpelling(PolicyContract):
    def make(self) -> TokenPolicy:
        return made(Spelling)

    def spec(self) -> EnvironmentSpec:
        return SPEC


# -- policies with one thing wrong each


class Lukewarm(Spelling):
    """Draws at temperature 1, whatever it is asked."""

    def draw(self, inputs: Mapping[str, Tensor], choose: Choose) -> tuple[Tensor, Tensor]:
        uniforms = torch.rand(len(inputs["words"]), self.chunk * self.action_dim, generator=torch.Generator())
        return super().draw(inputs, lambda logits, first: sample_tokens(logits, uniforms[:, first : first + 1], 1.0))


class Amnesiac(Spelling):
    """Each token is drawn as if none had been drawn before it."""

    def draw(self, inputs: Mapping[str, Tensor], choose: Choose) -> tuple[Tensor, Tensor]:
        return choose(NanoPolicy.forward(self, inputs), 0)


class Misspelled(NanoPolicy):
    def exports(self, folder: Path) -> None:
        """Do nothing."""


class Hidden(Spelling):
    """Defines `draw` without saying so."""

    is_autoregressive = False


class Silent(NanoPolicy):
    """Says that it is autoregressive, and defines no `draw`."""

    is_autoregressive = True


class Dropping(NanoPolicy):
    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        return nn.functional.dropout(super().forward(inputs), 0.5, self.training)


class Mixing(NanoPolicy):
    """As a batch norm would."""

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        logits = super().forward(inputs)
        return logits - logits.mean(0)


class Padding(NanoPolicy):
    """What pads the shorter instructions of a batch is heard."""

    def collate(self, observations: Observation, instructions: Sequence[str]) -> dict[str, Tensor]:
        longest = max(len(one.split()) for one in instructions)
        return super().collate(observations, [f"{one}{' pad' * (longest - len(one.split()))}" for one in instructions])


class Deaf(NanoPolicy):
    def collate(self, observations: Observation, instructions: Sequence[str]) -> dict[str, Tensor]:
        return super().collate(observations, ["push"] * len(instructions))


class Blind(NanoPolicy):
    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        return super().forward({name: one * 0 if "image" in name else one for name, one in inputs.items()})


class Unbatched(NanoPolicy):
    def collate(self, observations: Observation, instructions: Sequence[str]) -> dict[str, Tensor]:
        return super().collate(observations, instructions) | {"temperature": torch.tensor(1.6)}


class Elsewhere(NanoPolicy):
    def collate(self, observations: Observation, instructions: Sequence[str]) -> dict[str, Tensor]:
        return {name: one.to("meta") for name, one in super().collate(observations, instructions).items()}


class Half(NanoPolicy):
    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        return super().forward(inputs).bfloat16()


class Infinite(NanoPolicy):
    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        return super().forward(inputs).index_fill(-1, torch.tensor([0]), -torch.inf)


class Overreaching(NanoPolicy):
    def unnormalize(self, values: FloatArray) -> FloatArray:
        return super().unnormalize(1.1 * values)


class Timid(NanoPolicy):
    """Stays within the bounds, but its actions are not those that it was taught."""

    def unnormalize(self, values: FloatArray) -> FloatArray:
        return super().unnormalize(0.9 * values)


class Reversed(NanoPolicy):
    def normalize(self, actions: FloatArray) -> FloatArray:
        return -super().normalize(actions)


class Double(NanoPolicy):
    def unnormalize(self, values: FloatArray) -> FloatArray:
        return super().unnormalize(values).astype(np.float64)  # type: ignore[return-value]


class Unused(NanoPolicy):
    def __init__(self, spec: EnvironmentSpec, options: NanoOptions) -> None:
        super().__init__(spec, options)
        self.spare = nn.Parameter(torch.zeros(3))


class Cut(NanoPolicy):
    """No gradient passes the queries."""

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        return super().forward(inputs) + 0 * self.queries.sum() - self.norm.weight.sum().detach()

    def __init__(self, spec: EnvironmentSpec, options: NanoOptions) -> None:
        super().__init__(spec, options)
        self.proprio.register_forward_hook(lambda _module, _inputs, output: output.detach())


class Unseeded(NanoPolicy):
    """A frozen weight that no `make` brings back."""

    def __init__(self, spec: EnvironmentSpec, options: NanoOptions) -> None:
        super().__init__(spec, options)
        self.shift = nn.Parameter(torch.randn(self.bins, generator=_other_each_time()), requires_grad=False)

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        return super().forward(inputs) + self.shift


class Unsaved(NanoPolicy):
    """What training changes is not all among its parameters."""

    def __init__(self, spec: EnvironmentSpec, options: NanoOptions) -> None:
        super().__init__(spec, options)
        self.forwards = 0

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        self.forwards += 1
        return super().forward(inputs) + self.forwards


def _other_each_time() -> torch.Generator:
    generator = torch.Generator()
    generator.seed()
    return generator


@pytest.mark.parametrize(
    ("broken", "test"),
    [
        (Misspelled, "optional_methods_are_spelled_correctly"),
        (Hidden, "optional_methods_are_spelled_correctly"),
        (Silent, "optional_methods_are_spelled_correctly"),
        (Lukewarm, "draw_chooses_every_token_once_from_the_logits_of_forward"),
        (Amnesiac, "draw_chooses_every_token_once_from_the_logits_of_forward"),
        (Lukewarm, "sampled_logprobs_equal_those_of_a_new_forward"),
        (Lukewarm, "tokens_are_sampled_from_the_softmax_at_the_temperature"),
        (Amnesiac, "sampled_logprobs_equal_those_of_a_new_forward"),
        (Dropping, "sampled_logprobs_equal_those_of_a_new_forward"),
        (Mixing, "rows_do_not_influence_each_other"),
        (Padding, "rows_do_not_influence_each_other"),
        (Deaf, "images_and_instructions_change_the_logits"),
        (Blind, "images_and_instructions_change_the_logits"),
        (Unbatched, "collate_gives_rows_on_the_cpu"),
        (Elsewhere, "collate_gives_rows_on_the_cpu"),
        (Half, "logits_are_finite_and_of_the_right_shape"),
        (Infinite, "logits_are_finite_and_of_the_right_shape"),
        (Overreaching, "actions_lie_in_the_declared_space"),
        (Double, "actions_lie_in_the_declared_space"),
        (Timid, "actions_survive_tokens_to_half_a_bin"),
        (Reversed, "actions_survive_tokens_to_half_a_bin"),
        (Unused, "gradients_reach_trained_parameters"),
        (Cut, "gradients_reach_trained_parameters"),
        (Unseeded, "make_gives_the_same_weights_every_time"),
        (Unseeded, "trained_parameters_are_saved_and_loaded"),
        (Unsaved, "trained_parameters_are_saved_and_loaded"),
    ],
)
def test_what_breaks_the_contract_is_found(broken: type[NanoPolicy], test: str, tmp_path: Path) -> None:
    class Contract(TestNano):
        def make(self) -> TokenPolicy:
            return made(broken)

    check = getattr(Contract(), f"test_{test}")
    given: dict[str, Any] = {"policy": made(broken), "tmp_path": tmp_path, "rows": 2}
    with pytest.raises(AssertionError):
        check(**{name: given[name] for name in inspect.signature(check).parameters})


@pytest.mark.parametrize(
    ("test", "broken"),
    [
        ("tokens_are_sampled_from_the_softmax_at_the_temperature", lambda logits: logits / 2),
        ("sampled_logprobs_equal_those_of_a_new_forward", lambda logits: logits / 2),
        ("greedy_is_the_most_likely_token", lambda logits: -logits),
    ],
)
def test_a_rollout_that_draws_otherwise_is_found(test: str, broken: Callable[[Tensor], Tensor]) -> None:
    """The logits that are drawn from are not those that training sees."""

    class Other(NanoPolicy):
        drawing = False

        def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
            logits = super().forward(inputs)
            return broken(logits) if "tokens" not in inputs else logits

    with pytest.raises(AssertionError):
        getattr(TestNano(), f"test_{test}")(made(Other))


def test_who_makes_from_the_global_generator_is_found() -> None:
    class Careless(TestNano):
        def make(self) -> TokenPolicy:
            return NanoPolicy(SPEC, OPTIONS)

    with pytest.raises(AssertionError, match="global generator"):
        Careless().test_make_gives_the_same_weights_every_time(Careless().make())
