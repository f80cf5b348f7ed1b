"""What vla-rl-bench relies on in a policy, as tests to subclass."""

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
from vla_rl_bench.testing.base import misspelled
from vla_rl_bench.types import EnvironmentSpec, FloatArray, Observation

OPTIONAL_METHODS = ("draw", "export", "normalize", "unnormalize")
# Of one, three, six and many words, so that what pads a batch is put to the test.
INSTRUCTIONS = (
    "push",
    "open the drawer",
    "put the bowl on the plate",
    "pick up the red mug next to the white plate and put it into the top drawer of the wooden cabinet",
)


class PolicyContract:
    """Subclass it as ``class TestMine(PolicyContract)`` and define `make` and `spec`.

    Observations are random images and proprioception of the spec's shapes, unless `observations` is defined too.
    rows: in a batch.  grid: uniforms that sampled proportions are counted with.
    logits_atol: between two forwards of one observation, alone and in a batch.  logprobs_atol: between what was drawn
    and a fresh forward, in nats.  action_atol: in units of the action.
    """

    temperatures = (1.0, 1.6)  # 1.6: SimpleVLA-RL, section 3.3
    rows = 4
    grid = 64
    logits_atol = 1e-4
    logprobs_atol = 1e-4
    action_atol = 1e-5

    def make(self) -> TokenPolicy:
        """A fresh policy for `spec`, in float32; the same one each time."""
        raise NotImplementedError

    def spec(self) -> EnvironmentSpec:
        """The environment that the policy is made for."""
        raise NotImplementedError

    def observations(self, n: int) -> Observation:
        """A batch of n different observations, the same each time."""
        spec, draw = self.spec(), np.random.default_rng(0)
        images = {one.name: draw.integers(0, 256, (n, one.height, one.width, 3), np.uint8) for one in spec.images}
        return Observation(images, draw.standard_normal((n, len(spec.proprio))).astype(np.float32))

    def instructions(self, n: int) -> list[str]:
        """Of different lengths, the longest not the first."""
        return [INSTRUCTIONS[index % len(INSTRUCTIONS)] for index in range(n)]

    @pytest.fixture
    def policy(self) -> TokenPolicy:
        return adapt_policy(self.make())

    # -- what goes in and comes out

    def test_it_says_its_shapes(self, policy: TokenPolicy) -> None:
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

    def test_it_looks_and_listens(self, policy: TokenPolicy) -> None:
        """Another image and another instruction each change the answer."""
        seen = self.observations(2)
        same = Observation({name: image[[0, 0]] for name, image in seen.images.items()}, seen.proprio[[0, 0]])
        looked = self.logits(policy, Observation(seen.images, same.proprio), ["push", "push"])
        listened = self.logits(policy, same, ["push", "open the drawer"])
        assert not torch.allclose(looked[0], looked[1], atol=self.logits_atol), "images change nothing"
        assert not torch.allclose(listened[0], listened[1], atol=self.logits_atol), "instructions change nothing"

    def test_rows_do_not_influence_each_other(self, policy: TokenPolicy) -> None:
        """A row's logits alone are those that it has beside others, whose instructions are shorter and longer."""
        observations, instructions = self.observations(self.rows), self.instructions(self.rows)
        tokens = self.tokens(policy, self.rows)
        together = self.logits(policy, observations, instructions, tokens)
        for row in range(self.rows):
            alone = self.logits(policy, observations[row : row + 1], instructions[row : row + 1], tokens[row : row + 1])
            torch.testing.assert_close(alone[0], together[row], atol=self.logits_atol, rtol=0)

    def test_optional_methods_are_spelled_correctly(self, policy: TokenPolicy) -> None:
        """A method named like one of `PolicyBase`, but not exactly, would never be called."""
        if isinstance(policy, PolicyBase):
            assert not misspelled(type(policy), OPTIONAL_METHODS)
            defines_draw = vars(PolicyBase)["draw"] is not getattr(type(policy), "draw")  # noqa: B009
            assert policy.is_autoregressive == defines_draw, "`draw` and `is_autoregressive = True` go together"

    # -- drawing

    def test_drawn_logprobs_are_those_of_a_fresh_forward(self, policy: TokenPolicy) -> None:
        """In train mode, as the update computes them: before its first step every ratio is 1."""
        for temperature in self.temperatures:
            drawn = self.act(policy, temperature, self.uniforms(policy))
            tokens = torch.from_numpy(drawn.tokens.astype(np.int64))
            fresh = token_logprobs(self.logits(policy, tokens=tokens, training=True), tokens, temperature)
            torch.testing.assert_close(
                torch.from_numpy(drawn.logprobs), fresh, atol=self.logprobs_atol, rtol=0, check_dtype=True
            )

    def test_tokens_are_drawn_from_the_softmax_at_the_temperature(self, policy: TokenPolicy) -> None:
        """One observation, many times, with evenly spaced uniforms: the first token's counts are the softmax's shares.

        A share p of n evenly spaced points is n p, give or take one.
        """
        seen = self.observations(1)[np.zeros(self.grid, np.int64)]
        asked = self.instructions(1) * self.grid
        even = (np.arange(self.grid, dtype=np.float32) + 0.5) / self.grid
        for temperature in self.temperatures:
            uniforms = np.repeat(even[:, None], policy.chunk * policy.action_dim, 1)
            drawn = _eval(policy, lambda t=temperature, u=uniforms: Actor(policy, t).act(seen, asked, u))
            shares = (self.logits(policy, seen[:1], asked[:1])[0, 0] / temperature).softmax(-1).double().numpy()
            counts = np.bincount(drawn.tokens[:, 0], minlength=policy.bins)
            assert np.abs(counts - self.grid * shares).max() < 1 + self.grid * self.logprobs_atol, temperature

    def test_greedy_is_the_most_likely_token(self, policy: TokenPolicy) -> None:
        drawn = self.act(policy, None, None)
        tokens = torch.from_numpy(drawn.tokens.astype(np.int64))
        logits = self.logits(policy, tokens=tokens)
        taken = logits.gather(-1, tokens[..., None])[..., 0]
        assert (logits.max(-1).values - taken).max() <= self.logits_atol

    def test_draw_chooses_every_token_once_from_the_logits_of_forward(self, policy: TokenPolicy) -> None:
        """For policies that draw token by token."""
        if not policy.is_autoregressive:
            pytest.skip("this policy answers in one forward")
        uniforms, temperature = torch.from_numpy(self.uniforms(policy)), self.temperatures[-1]
        met: list[Tensor] = []
        chosen: list[tuple[Tensor, Tensor]] = []

        def choose(logits: Tensor, first: int) -> tuple[Tensor, Tensor]:
            assert first == sum(one.shape[1] for one in met), "tokens are drawn in order"
            met.append(logits.float().cpu())
            chosen.append(sample_tokens(met[-1], uniforms[:, first : first + logits.shape[1]], temperature))
            return chosen[-1][0].to(logits.device), chosen[-1][1].to(logits.device)

        tokens, logprobs = _eval(policy, lambda: policy.draw(self.inputs(policy), choose))
        assert met, "`draw` asks `choose` for every token"
        for given, part in ((tokens, 0), (logprobs, 1)):
            assert torch.equal(given.cpu(), torch.cat([one[part] for one in chosen], 1)), "what was chosen is returned"
        forced = self.logits(policy, tokens=tokens.cpu())
        torch.testing.assert_close(torch.cat(met, 1), forced, atol=self.logits_atol, rtol=0)

    # -- actions

    def test_actions_lie_in_the_declared_space(self, policy: TokenPolicy) -> None:
        """Whatever is drawn: each token in each dimension."""
        space = self.spec().action
        values = action_tokens.decode(np.arange(policy.bins))[:, None].repeat(policy.action_dim, 1)
        for actions in (policy.unnormalize(values), self.act(policy, 1.0, self.uniforms(policy)).actions):
            assert actions.dtype == np.float32
            assert np.isfinite(actions).all()
            assert (actions >= np.array(space.low) - self.action_atol).all()
            assert (actions <= np.array(space.high) + self.action_atol).all()

    def test_actions_survive_the_tokens_to_half_a_bin(self, policy: TokenPolicy) -> None:
        """Actions that the policy can give -> tokens -> the same actions, as near as 255 intervals allow."""
        ends = np.array([-1.0, 1.0], np.float32)[:, None].repeat(policy.action_dim, 1)
        bottom, top = policy.unnormalize(ends)
        values = np.random.default_rng(0).uniform(-1, 1, (32, policy.chunk, policy.action_dim)).astype(np.float32)
        actions = policy.unnormalize(values)
        again = policy.unnormalize(action_tokens.decode(action_tokens.encode(policy.normalize(actions))))
        assert again.shape == actions.shape == values.shape
        half = np.abs(top - bottom) / 2 / (action_tokens.BINS - 1)
        assert (np.abs(again - actions) <= half + self.action_atol).all()

    # -- weights

    def test_every_make_gives_the_same_weights(self, policy: TokenPolicy) -> None:
        """Whatever the global generator holds, and without moving it."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            before = torch.get_rng_state()
            again = adapt_policy(self.make())
            assert torch.equal(before, torch.get_rng_state()), "`make` draws from torch's global generator"
        first, second = _module(policy).state_dict(), _module(again).state_dict()
        assert first.keys() == second.keys()
        assert [name for name in first if not torch.equal(first[name], second[name])] == []

    def test_gradients_reach_what_is_trained(self, policy: TokenPolicy) -> None:
        module = _module(policy)
        trained = {name: one for name, one in module.named_parameters() if one.requires_grad}
        tokens = self.tokens(policy, self.rows)
        with torch.enable_grad():
            logits = module.train()(self.inputs(policy, tokens=tokens))
            (-token_logprobs(logits, tokens.to(logits.device), 1.0).mean()).backward()
        assert trained
        assert [name for name, one in trained.items() if one.grad is None] == [], "no gradient; freeze what is not used"
        assert all(one.grad is not None and one.grad.isfinite().all() for one in trained.values())
        assert any(one.grad is not None and one.grad.any() for one in trained.values()), "every gradient is zero"

    def test_what_was_trained_is_saved_and_loaded(self, policy: TokenPolicy, tmp_path: Path) -> None:
        """A fresh policy has the trained one's logits, to the bit, once the trained parameters are loaded."""
        draw = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for one in _module(policy).parameters():
                if one.requires_grad:
                    one.add_(0.02 * torch.randn(one.shape, generator=draw).to(one))
        save_policy(tmp_path / "policy.safetensors", _module(policy))
        fresh = adapt_policy(self.make())
        trained = self.logits(policy)
        assert not torch.equal(self.logits(fresh), trained)
        load_policy(tmp_path / "policy.safetensors", _module(fresh))
        assert torch.equal(self.logits(fresh), trained)

    # -- what the tests use

    def tokens(self, policy: TokenPolicy, n: int) -> Tensor:
        """int64 ``[n, K*D]``, any: what a policy that draws token by token is forced to have said."""
        draw = torch.Generator().manual_seed(0)
        return torch.randint(policy.bins, (n, policy.chunk * policy.action_dim), generator=draw)

    def uniforms(self, policy: TokenPolicy) -> FloatArray:
        """float32 ``[rows, K*D]`` in [0, 1)."""
        return np.random.default_rng(1).random((self.rows, policy.chunk * policy.action_dim), np.float32)

    def inputs(
        self,
        policy: TokenPolicy,
        observations: Observation | None = None,
        instructions: list[str] | None = None,
        tokens: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """What `forward` takes, on the policy's device."""
        seen = self.observations(self.rows) if observations is None else observations
        asked = self.instructions(len(seen.proprio)) if instructions is None else instructions
        said = self.tokens(policy, len(seen.proprio)) if tokens is None else tokens
        device = next(_module(policy).parameters()).device
        return {name: one.to(device) for name, one in (policy.collate(seen, asked) | {"tokens": said}).items()}

    def logits(
        self,
        policy: TokenPolicy,
        observations: Observation | None = None,
        instructions: list[str] | None = None,
        tokens: Tensor | None = None,
        *,
        training: bool = False,
    ) -> Tensor:
        """A fresh forward -> logits ``[B, K*D, bins]`` on the CPU."""
        inputs = self.inputs(policy, observations, instructions, tokens)
        with torch.no_grad():
            logits: Tensor = _module(policy).train(training)(inputs)
        return logits.cpu()

    def act(self, policy: TokenPolicy, temperature: float | None, uniforms: FloatArray | None) -> ActionBatch:
        """What a rollout does with `rows` observations."""
        observations, instructions = self.observations(self.rows), self.instructions(self.rows)
        drawn: ActionBatch = _eval(policy, lambda: Actor(policy, temperature).act(observations, instructions, uniforms))
        return drawn


def _module(policy: TokenPolicy) -> nn.Module:
    assert isinstance(policy, nn.Module), "a policy is a torch.nn.Module"
    return policy


def _eval(policy: TokenPolicy, call: Any) -> Any:
    """Call it with the policy in eval mode and without gradients, as a rollout does."""
    _module(policy).eval()
    with torch.no_grad():
        return cast("Any", call())
