"""Conformance tests of policies, to subclass."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from vla_rl_bench.algorithms import action_tokens
from vla_rl_bench.algorithms.sampling import sample_tokens, token_logprobs
from vla_rl_bench.engine.checkpoint import load_policy, save_policy
from vla_rl_bench.interfaces import PolicyBase, TokenPolicy
from vla_rl_bench.rollout.actor import ActionBatch, Actor, adapt_policy
from vla_rl_bench.rollout.worker import public_methods
from vla_rl_bench.testing.base import misspelled
from vla_rl_bench.types import EnvironmentSpec, FloatArray, Observation

OPTIONAL_METHODS = ("draw", "export", "normalize", "unnormalize")
# one, three, six and many words, so that padding matters
INSTRUCTIONS = (
    "push",
    "open the drawer",
    "put the bowl on the plate",
    "pick up the red mug next to the white plate and put it into the top drawer of the wooden cabinet",
)


class PolicyContract:
    """Conformance tests of a policy: subclass it as ``class TestBag(PolicyContract)`` and define `make` and `spec`.

    Observations are random images and proprioception of the spec's shapes, unless `observations` is overridden.
    """

    temperatures = (1.0, 1.6)  # 1.6: SimpleVLA-RL, section 3.3
    rows = 4  # of a batch
    grid = 64  # uniforms per observation, to count sampled proportions with
    logits_atol = 1e-4  # between two forwards of an observation, alone and in a batch
    logprobs_atol = 1e-4  # nats, between sampling and a new forward
    action_atol = 1e-5  # units of the action

    def make(self) -> TokenPolicy:
        """Make a new policy for `spec`, in float32, with the same weights every time."""
        raise NotImplementedError

    def spec(self) -> EnvironmentSpec:
        """Return the contract of the environment that the policy is made for."""
        raise NotImplementedError

    def observations(self, n: int) -> Observation:
        """Make a batch of n different observations, the same every time."""
        spec, rng = self.spec(), np.random.default_rng(0)
        images = {
            image.name: rng.integers(0, 256, (n, image.height, image.width, 3), np.uint8) for image in spec.images
        }
        return Observation(images, rng.standard_normal((n, len(spec.proprio))).astype(np.float32))

    def instructions(self, n: int) -> list[str]:
        """Make n instructions of different lengths; the longest is not the first."""
        return [INSTRUCTIONS[index % len(INSTRUCTIONS)] for index in range(n)]

    @pytest.fixture
    def policy(self) -> TokenPolicy:
        return adapt_policy(self.make())

    # -- inputs and outputs

    def test_sizes_match_the_environment(self, policy: TokenPolicy) -> None:
        assert policy.chunk > 0
        assert policy.action_dim == self.spec().action.dimensions
        assert policy.bins == action_tokens.BINS

    @pytest.mark.parametrize("rows", [1, 4])
    def test_collate_gives_rows_on_the_cpu(self, policy: TokenPolicy, rows: int) -> None:
        for name, tensor in policy.collate(self.observations(rows), self.instructions(rows)).items():
            assert tensor.device.type == "cpu", name
            assert tensor.ndim > 0 and len(tensor) == rows, f"{name}: {tuple(tensor.shape)} does not begin with {rows}"

    def test_logits_are_finite_and_of_the_right_shape(self, policy: TokenPolicy) -> None:
        logits = self.logits(policy)
        assert logits.shape == (self.rows, policy.chunk * policy.action_dim, policy.bins)
        assert logits.dtype == torch.float32
        assert logits.isfinite().all()

    def test_images_and_instructions_change_the_logits(self, policy: TokenPolicy) -> None:
        observations = self.observations(2)
        equal = observations[np.array([0, 0])]
        logits = self.logits(policy, Observation(observations.images, equal.proprio), ["push", "push"])
        assert not torch.allclose(logits[0], logits[1], atol=self.logits_atol), "images change nothing"
        logits = self.logits(policy, equal, ["push", "open the drawer"])
        assert not torch.allclose(logits[0], logits[1], atol=self.logits_atol), "instructions change nothing"

    def test_rows_do_not_influence_each_other(self, policy: TokenPolicy) -> None:
        """A row's logits are the same alone and in a batch with shorter and longer instructions."""
        observations, instructions = self.observations(self.rows), self.instructions(self.rows)
        tokens = self.tokens(policy, self.rows)
        together = self.logits(policy, observations, instructions, tokens)
        for row in range(self.rows):
            alone = self.logits(policy, observations[row : row + 1], instructions[row : row + 1], tokens[row : row + 1])
            torch.testing.assert_close(alone[0], together[row], atol=self.logits_atol, rtol=0)

    def test_optional_methods_are_spelled_correctly(self, policy: TokenPolicy) -> None:
        """A method named like one of `PolicyBase`, but not exactly, would never be called."""
        if isinstance(policy, PolicyBase):
            assert not misspelled(public_methods(type(policy)), OPTIONAL_METHODS)
            defines_draw = vars(PolicyBase)["draw"] is not getattr(type(policy), "draw")  # noqa: B009
            assert policy.is_autoregressive == defines_draw, "`draw` and `is_autoregressive = True` go together"

    # -- sampling

    def test_sampled_logprobs_equal_those_of_a_new_forward(self, policy: TokenPolicy) -> None:
        """The forward is in train mode, as in the update: before its first step every ratio is 1."""
        for temperature in self.temperatures:
            sampled = self.act(policy, temperature, self.uniforms(policy))
            tokens = torch.from_numpy(sampled.tokens.astype(np.int64))
            logprobs = token_logprobs(self.logits(policy, tokens=tokens, training=True), tokens, temperature)
            torch.testing.assert_close(
                torch.from_numpy(sampled.logprobs), logprobs, atol=self.logprobs_atol, rtol=0, check_dtype=True
            )

    def test_tokens_are_sampled_from_the_softmax_at_the_temperature(self, policy: TokenPolicy) -> None:
        """With evenly spaced uniforms, the counts of an observation's first token are the softmax's shares.

        A share p of n evenly spaced points has n p points, plus or minus one.
        """
        observations = self.observations(1)[np.zeros(self.grid, np.int64)]
        instructions = self.instructions(1) * self.grid
        even = (np.arange(self.grid, dtype=np.float32) + 0.5) / self.grid
        for temperature in self.temperatures:
            uniforms = np.repeat(even[:, None], policy.chunk * policy.action_dim, 1)
            actor = Actor(policy, temperature)
            sampled = _eval(policy, lambda a=actor, u=uniforms: a.act(observations, instructions, u))
            logits = self.logits(policy, observations[:1], instructions[:1])[0, 0]
            shares = (logits / temperature).softmax(-1).double().numpy()
            counts = np.bincount(sampled.tokens[:, 0], minlength=policy.bins)
            assert np.abs(counts - self.grid * shares).max() < 1 + self.grid * self.logprobs_atol, temperature

    def test_greedy_is_the_most_likely_token(self, policy: TokenPolicy) -> None:
        actions = self.act(policy, None, None)
        tokens = torch.from_numpy(actions.tokens.astype(np.int64))
        logits = self.logits(policy, tokens=tokens)
        chosen = logits.gather(-1, tokens[..., None])[..., 0]
        assert (logits.max(-1).values - chosen).max() <= self.logits_atol

    def test_draw_chooses_every_token_once_from_the_logits_of_forward(self, policy: TokenPolicy) -> None:
        """Rule for autoregressive policies."""
        if not policy.is_autoregressive:
            pytest.skip("this policy answers in one forward")
        uniforms, temperature = torch.from_numpy(self.uniforms(policy)), self.temperatures[-1]
        all_logits: list[Tensor] = []
        chosen: list[tuple[Tensor, Tensor]] = []

        def choose(logits: Tensor, first: int) -> tuple[Tensor, Tensor]:
            assert first == sum(part.shape[1] for part in all_logits), "tokens are sampled in order"
            all_logits.append(logits.float().cpu())
            chosen.append(sample_tokens(all_logits[-1], uniforms[:, first : first + logits.shape[1]], temperature))
            return chosen[-1][0].to(logits.device), chosen[-1][1].to(logits.device)

        tokens, logprobs = _eval(policy, lambda: policy.draw(self.inputs(policy), choose))
        assert all_logits, "`draw` calls `choose` for every token"
        assert torch.equal(tokens.cpu(), torch.cat([pair[0] for pair in chosen], 1)), "`draw` returns the chosen tokens"
        assert torch.equal(logprobs.cpu(), torch.cat([pair[1] for pair in chosen], 1)), "and their log-probs"
        forced = self.logits(policy, tokens=tokens.cpu())
        torch.testing.assert_close(torch.cat(all_logits, 1), forced, atol=self.logits_atol, rtol=0)

    # -- actions

    def test_actions_lie_in_the_declared_space(self, policy: TokenPolicy) -> None:
        """Every token in every dimension is an action within the bounds."""
        space = self.spec().action
        values = action_tokens.decode(np.arange(policy.bins))[:, None].repeat(policy.action_dim, 1)
        for actions in (policy.unnormalize(values), self.act(policy, 1.0, self.uniforms(policy)).actions):
            assert actions.dtype == np.float32
            assert np.isfinite(actions).all()
            assert (actions >= np.array(space.low) - self.action_atol).all()
            assert (actions <= np.array(space.high) + self.action_atol).all()

    def test_actions_survive_tokens_to_half_a_bin(self, policy: TokenPolicy) -> None:
        """Actions become tokens and the same actions again, as close as 255 intervals allow."""
        ends = np.array([-1.0, 1.0], np.float32)[:, None].repeat(policy.action_dim, 1)
        bottom, top = policy.unnormalize(ends)
        values = np.random.default_rng(0).uniform(-1, 1, (32, policy.chunk, policy.action_dim)).astype(np.float32)
        actions = policy.unnormalize(values)
        again = policy.unnormalize(action_tokens.decode(action_tokens.encode(policy.normalize(actions))))
        assert again.shape == actions.shape == values.shape
        half = np.abs(top - bottom) / 2 / (action_tokens.BINS - 1)
        assert (np.abs(again - actions) <= half + self.action_atol).all()

    # -- weights

    def test_make_gives_the_same_weights_every_time(self, policy: TokenPolicy) -> None:
        """The weights do not depend on torch's global generator, and making them does not advance it."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            before = torch.get_rng_state()
            again = adapt_policy(self.make())
            assert torch.equal(before, torch.get_rng_state()), "`make` draws from torch's global generator"
        first, second = _module(policy).state_dict(), _module(again).state_dict()
        assert first.keys() == second.keys()
        assert [name for name in first if not torch.equal(first[name], second[name])] == []

    def test_gradients_reach_trained_parameters(self, policy: TokenPolicy) -> None:
        module = _module(policy)
        trained = {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}
        tokens = self.tokens(policy, self.rows)
        with torch.enable_grad():
            logits = module.train()(self.inputs(policy, tokens=tokens))
            (-token_logprobs(logits, tokens.to(logits.device), 1.0).mean()).backward()
        assert trained
        gradients = {name: parameter.grad for name, parameter in trained.items()}
        assert [name for name, gradient in gradients.items() if gradient is None] == [], "freeze unused parameters"
        assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients.values())
        assert any(gradient is not None and gradient.any() for gradient in gradients.values()), "all gradients are zero"

    def test_trained_parameters_are_saved_and_loaded(self, policy: TokenPolicy, tmp_path: Path) -> None:
        """A new policy has the trained policy's logits, bit for bit, after the trained parameters are loaded."""
        rng = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for parameter in _module(policy).parameters():
                if parameter.requires_grad:
                    parameter.add_(0.02 * torch.randn(parameter.shape, generator=rng).to(parameter))
        save_policy(tmp_path / "policy.safetensors", _module(policy))
        fresh = adapt_policy(self.make())
        trained = self.logits(policy)
        assert not torch.equal(self.logits(fresh), trained)
        load_policy(tmp_path / "policy.safetensors", _module(fresh))
        assert torch.equal(self.logits(fresh), trained)

    # -- inputs of the tests

    def tokens(self, policy: TokenPolicy, n: int) -> Tensor:
        """Make random tokens to score, int64 ``[n, K*D]``."""
        rng = torch.Generator().manual_seed(0)
        return torch.randint(policy.bins, (n, policy.chunk * policy.action_dim), generator=rng)

    def uniforms(self, policy: TokenPolicy) -> FloatArray:
        """Make uniforms to sample with, float32 ``[rows, K*D]`` in [0, 1)."""
        return np.random.default_rng(1).random((self.rows, policy.chunk * policy.action_dim), np.float32)

    def inputs(
        self,
        policy: TokenPolicy,
        observations: Observation | None = None,
        instructions: list[str] | None = None,
        tokens: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Make the inputs of `forward`, on the policy's device; by default those of `rows` observations."""
        if observations is None:
            observations = self.observations(self.rows)
        rows = len(observations.proprio)
        inputs = policy.collate(observations, self.instructions(rows) if instructions is None else instructions)
        inputs["tokens"] = self.tokens(policy, rows) if tokens is None else tokens
        device = next(_module(policy).parameters()).device
        return {name: tensor.to(device) for name, tensor in inputs.items()}

    def logits(
        self,
        policy: TokenPolicy,
        observations: Observation | None = None,
        instructions: list[str] | None = None,
        tokens: Tensor | None = None,
        *,
        training: bool = False,
    ) -> Tensor:
        """Compute logits ``[B, K*D, bins]`` in a new forward, on the CPU."""
        inputs = self.inputs(policy, observations, instructions, tokens)
        with torch.no_grad():
            logits: Tensor = _module(policy).train(training)(inputs)
        return logits.cpu()

    def act(self, policy: TokenPolicy, temperature: float | None, uniforms: FloatArray | None) -> ActionBatch:
        """Answer `rows` observations as a rollout does."""
        observations, instructions = self.observations(self.rows), self.instructions(self.rows)
        actor = Actor(policy, temperature)
        actions: ActionBatch = _eval(policy, lambda: actor.act(observations, instructions, uniforms))
        return actions


def _module(policy: TokenPolicy) -> nn.Module:
    assert isinstance(policy, nn.Module), "a policy is a torch.nn.Module"
    return policy


def _eval(policy: TokenPolicy, call: Any) -> Any:
    """Call a function with the policy in eval mode and without gradients, as in a rollout."""
    _module(policy).eval()
    with torch.no_grad():
        return cast("Any", call())
