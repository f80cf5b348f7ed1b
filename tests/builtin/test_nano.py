"""The nano policy: rows are independent, weights survive a file, words do not collide."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from vla_rl_bench.algorithms import action_tokens
from vla_rl_bench.builtin.nano import pretrain, tokenizer
from vla_rl_bench.builtin.nano.options import NanoOptions
from vla_rl_bench.builtin.nano.policy import WEIGHTS, NanoPolicy, fourier_rows, make
from vla_rl_bench.builtin.nano.pretraining_data import pretraining_batch
from vla_rl_bench.builtin.tabletop.environment import contract
from vla_rl_bench.builtin.tabletop.environment import make as make_table
from vla_rl_bench.builtin.tabletop.options import TabletopOptions
from vla_rl_bench.builtin.tabletop.suites import SUITES
from vla_rl_bench.errors import UserError
from vla_rl_bench.options import make_options
from vla_rl_bench.types import ActionSpec, EnvironmentSpec, ImageSpec, Observation, Start

pytestmark = pytest.mark.numeric

SPEC = contract("object", TabletopOptions())
# what the LIBERO suite asks of this policy
ARM = replace(
    SPEC,
    images=(ImageSpec("agentview", 64, 64),),
    proprio=tuple("xyzabcg"),
    action=ActionSpec(tuple("xyzabcg"), (-1,) * 6 + (0,), (1,) * 6 + (1,), (0,) * 6 + (0,)),
)
LIBERO = (
    "pick up alphabet soup place cream cheese salad dressing bbq sauce ketchup tomato butter milk chocolate pudding "
    "orange juice bowl plate stove cabinet drawer wine rack mug moka pots both microwave"
)
ARM_OPTIONS = NanoOptions(chunk=8, width=96, layers=2, heads=4, stem="conv", words=12)


def looked_at(spec: EnvironmentSpec, rows: int, seed: int = 0) -> Observation:
    random = np.random.default_rng(seed)
    images = {i.name: random.integers(0, 256, (rows, i.height, i.width, 3), np.uint8) for i in spec.images}
    return Observation(images, random.normal(size=(rows, len(spec.proprio))).astype(np.float32))


def logits(
    policy: NanoPolicy, observation: Observation, sentence: str = "put the red block in the basket"
) -> torch.Tensor:
    with torch.inference_mode():
        return policy(policy.collate(observation, [sentence] * len(observation.proprio)))  # type: ignore[no-any-return]


@pytest.mark.parametrize(("spec", "options"), [(SPEC, NanoOptions()), (ARM, ARM_OPTIONS)])
def test_logits_have_a_row_a_token(spec: EnvironmentSpec, options: NanoOptions) -> None:
    policy = make(spec, options, 0)
    tokens = options.chunk * spec.action.dimensions
    assert logits(policy, looked_at(spec, 3)).shape == (3, tokens, action_tokens.BINS)


@pytest.mark.parametrize(("spec", "options"), [(SPEC, NanoOptions()), (ARM, ARM_OPTIONS)])
def test_rows_of_a_batch_do_not_influence_each_other(spec: EnvironmentSpec, options: NanoOptions) -> None:
    policy = make(spec, options, 0)
    one, other = looked_at(spec, 5), looked_at(spec, 5, seed=1)
    mixed = Observation.concatenate([one[:1], other[1:]])
    assert torch.equal(logits(policy, one)[0], logits(policy, mixed)[0])
    torch.testing.assert_close(logits(policy, one)[:1], logits(policy, one[:1]), rtol=1e-4, atol=1e-5)


def test_every_input_is_read() -> None:
    policy, seen, other = make(SPEC, NanoOptions(), 0), looked_at(SPEC, 1), looked_at(SPEC, 1, seed=1)
    base = logits(policy, seen)
    assert not torch.equal(base, logits(policy, Observation(other.images, seen.proprio)))
    assert not torch.equal(base, logits(policy, Observation(seen.images, other.proprio)))
    assert not torch.equal(base, logits(policy, seen, "put the blue block in the basket"))


def test_a_seed_gives_the_same_policy_and_leaves_torch_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    one, same, other = (make(SPEC, NanoOptions(), seed) for seed in (1, 1, 2))
    assert torch.equal(torch.rand(1), expected)
    seen = looked_at(SPEC, 2)
    assert torch.equal(logits(one, seen), logits(same, seen))
    assert not torch.equal(logits(one, seen), logits(other, seen))


def test_saved_weights_give_identical_logits() -> None:
    one, other, seen = make(SPEC, NanoOptions(), 1), make(SPEC, NanoOptions(), 2), looked_at(SPEC, 2)
    other.load_state_dict(one.state_dict())
    assert torch.equal(logits(one, seen), logits(other, seen))


def test_shipped_weights_load_are_small_and_leave_nothing_of_the_seed() -> None:
    assert (WEIGHTS / "tabletop.safetensors").stat().st_size < 1.5e6
    options, seen = NanoOptions(weights="tabletop"), looked_at(SPEC, 2)
    assert torch.equal(logits(make(SPEC, options, 1), seen), logits(make(SPEC, options, 2), seen))


def test_shipped_weights_find_the_basket() -> None:
    """In unseen scenes, `locate the basket` answers within 2% of the table's width in most of them."""
    policy = make(SPEC, NanoOptions(weights="tabletop"), 0)
    environment = make_table("object", TabletopOptions(), 16)
    seen = environment.reset_slots(range(16), [Start(k % 4, k) for k in range(16)])
    values = action_tokens.decode(logits(policy, seen, "locate the basket").argmax(-1).numpy()).reshape(16, 4, 3)
    away = np.linalg.norm((values[:, 0, :2] + 1) / 2 - np.array([0.5, 0.84]), axis=1)
    assert np.median(away) < 0.02


def test_weights_that_do_not_fit_the_environment_say_what_to_do() -> None:
    spec = contract("object", TabletopOptions(image_size=24))
    with pytest.raises(UserError, match="weights: none"):
        make(spec, NanoOptions(weights="tabletop"), 0)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("chunk", 8),
        ("width", 32),
        ("layers", 1),
        ("heads", 4),
        ("stem", "conv"),
        ("patch", 8),
        ("words", 12),
        ("rank", 8),
    ],
)
def test_options_that_the_weights_do_not_fit_are_rejected_when_a_suite_is_read(option: str, value: int | str) -> None:
    """Every option changes the shape of a weight or, as `heads` does, what the weights compute."""
    NanoOptions(**{option: value})  # type: ignore[arg-type]
    with pytest.raises(UserError, match=rf"^s: {option}: {value} does not fit the weights `tabletop`, which have "):
        make_options(NanoOptions, {option: value, "weights": "tabletop"}, "s")


def test_a_patch_that_does_not_divide_the_image_is_refused() -> None:
    with pytest.raises(UserError, match="patch"):
        make(SPEC, NanoOptions(patch=7), 0)


def test_normalize_and_unnormalize_are_inverse() -> None:
    action = ActionSpec(("a", "b"), (-2.0, 0.0), (4.0, 1.0), (0.0, 0.0))
    policy = make(replace(SPEC, action=action), NanoOptions(), 0)
    actions = np.random.default_rng(0).uniform(action.low, action.high, (5, 4, 2)).astype(np.float32)
    normal = policy.normalize(actions)
    assert np.abs(normal).max() <= 1
    assert policy.unnormalize(normal) == pytest.approx(actions, abs=1e-6)
    assert policy.normalize(np.array([action.low, action.high], np.float32)).tolist() == [[-1, -1], [1, 1]]


def test_the_head_begins_with_neighbours_alike_and_values_descending() -> None:
    rows = fourier_rows(32)
    assert torch.cosine_similarity(rows[100:101], rows[101:102]).item() > 0.8
    assert torch.cosine_similarity(rows[10:11], rows[200:201]).item() < 0.5
    value = torch.from_numpy(action_tokens.decode(np.arange(256)))
    assert torch.corrcoef(torch.stack([rows[:, 0], value]))[0, 1] < -0.9  # cos is 1 at the bottom, token 255


def test_words_do_not_collide() -> None:
    said = {word for layouts in SUITES.values() for layout in layouts for word in layout.instruction.split()}
    asked = {w for s in pretraining_batch(np.random.default_rng(0), 512, 4, 0.5).sentences for w in s.split()}
    known = said | asked | set(LIBERO.split())
    assert len({tokenizer.word_id(word) for word in known}) == len(known)
    assert tokenizer.PADDING not in {tokenizer.word_id(word) for word in known}


def test_no_instruction_is_cut() -> None:
    assert (
        max(len(layout.instruction.split()) for layouts in SUITES.values() for layout in layouts) <= NanoOptions().words
    )


def test_pre_training_asks_no_task_and_never_moves_the_gripper_fingers() -> None:
    asked = pretraining_batch(np.random.default_rng(1), 512, 4, 0.6)
    tasks = {layout.instruction for layouts in SUITES.values() for layout in layouts}
    assert not tasks & set(asked.sentences)
    assert not any("put" in sentence.split() for sentence in asked.sentences)
    fingers = np.where(asked.scenes.closed, 1.0, -1.0)[:, None]
    assert ((asked.labels[..., 2] == fingers) | (asked.weights[..., 2] == 0)).all()


def test_pre_training_is_deterministic() -> None:
    def trained() -> NanoPolicy:
        policy = make(SPEC, NanoOptions(), 0)
        pretrain.pretrain(policy, replace(pretrain.Recipe(), steps=3, batch=8))
        return policy

    one, other = trained().state_dict(), trained().state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
