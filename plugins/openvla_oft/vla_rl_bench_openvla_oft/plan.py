"""The lines of the memory and time plan."""

from __future__ import annotations

from collections.abc import Iterator

from vla_rl_bench.errors import UserError, did_you_mean
from vla_rl_bench_openvla_oft import flops
from vla_rl_bench_openvla_oft.activations import Kept, activations
from vla_rl_bench_openvla_oft.flops import Question
from vla_rl_bench_openvla_oft.memory import CARD, GB, STAGES, State, is_chunked, rows, state
from vla_rl_bench_openvla_oft.options import OpenVlaOftOptions, OpenVlaOptions
from vla_rl_bench_openvla_oft.sizes import Sizes, read_config, sizes
from vla_rl_bench_openvla_oft.spaces import LIBERO, SPACES, Space

MICRO_BATCH = 16  # chunks; SimpleVLA-RL, traj_mini_batch_size
TRAJECTORIES = 64 * 8  # an iteration's; SimpleVLA-RL: data.train_batch_size x data.n_samples
MINI_BATCH = 128  # trajectories an optimiser step; SimpleVLA-RL: ppo_mini_batch_size
STEPS = 512  # environment steps of an episode that never succeeds; SimpleVLA-RL, LIBERO: the most there are
RATE = 989e12  # bfloat16 operations a second, dense: NVIDIA H100 SXM data sheet (1,979 with sparsity)
UTILISATION = 0.4  # assumed; tests/test_speed.py measures it


def lines(options: OpenVlaOptions, gpus: int, strategy: str) -> Iterator[str]:
    config, name = read_config(options.checkpoint)
    space = _space(options)
    asked = question(options, space)
    if asked.proprio and not config.use_proprio:
        config.use_proprio, config.proprio_dim = True, space.dimensions
    size = sizes(config, options.lora)
    yield from _heading(size, name, options, asked, gpus, strategy)
    yield ""
    yield from _memory(size, options, asked, gpus, STAGES[strategy])
    yield ""
    yield from _time(size, options, asked, gpus)


def question(options: OpenVlaOptions, space: Space) -> Question:
    """What one forward of training is asked."""
    images = len(options.images) if options.images is not None else space.images or 1
    proprio = space.proprio if options.proprio is None else options.proprio
    return Question(
        images, tokens=chunk(options, space) * (space.dimensions or 7), proprio=proprio and is_chunked(options)
    )


def chunk(options: OpenVlaOptions, space: Space) -> int:
    """Actions that a forward answers with."""
    return (options.chunk or space.chunk) if isinstance(options, OpenVlaOftOptions) else 1


def _space(options: OpenVlaOptions) -> Space:
    """The one named, or LIBERO's."""
    if options.space is not None and options.space not in SPACES:
        raise UserError(f"space: no action space `{options.space}`.{did_you_mean(options.space, SPACES)}")
    return SPACES[options.space or LIBERO.name]


def _heading(
    size: Sizes, name: str, options: OpenVlaOptions, asked: Question, gpus: int, strategy: str
) -> Iterator[str]:
    policy = "openvla-oft" if is_chunked(options) else "openvla"
    what = f"LoRA of rank {options.lora.rank}" if options.lora else "all parameters"
    yield f"{policy}, {what}, {gpus} x 80 GB, strategy {strategy}"
    yield "A plan computed from sizes, not a measurement."
    yield ""
    yield f"checkpoint   {name}: {size.parameters:,} parameters in {size.tensors} tensors"
    yield f"trained      {size.trained:,}; {size.frozen:,} frozen"
    yield (
        f"a forward    {asked.positions(size.config)} positions: {asked.images * size.config.patches} patches, "
        f"{asked.prompt} of the prompt (assumed), {'1 of proprioception, ' * asked.proprio}"
        f"{asked.tokens} action tokens, 1 stop token"
    )
    yield f"weights      policy.weights: {options.weights}, strategy.precision: bfloat16"


def _memory(size: Sizes, options: OpenVlaOptions, asked: Question, gpus: int, stage: int) -> Iterator[str]:
    weights = 4 if options.weights == "float32" else 2
    rank = options.lora.rank if options.lora else 0
    states = [
        state(
            size.trained,
            size.frozen,
            gpus=gpus,
            stage=stage,
            weights=weights,
            adapters=size.lora,
            offload=offload,
        )
        for offload in (False, True)
    ]
    kept = activations(size.config, asked, rank=rank, autocast=stage == 0 and weights == 4)
    body = [(name, *(_gb(dict(one.parts)[name]) for one in states)) for name, _ in states[0].parts]
    body.append(("a step's temporaries", *(_gb(one.step) for one in states)))
    for words, chunk_bytes in _ways(kept):
        body.append((f"activations of {MICRO_BATCH} chunks{words}", *(_gb(MICRO_BATCH * chunk_bytes) for _ in states)))
    for words, chunk_bytes in _ways(kept):
        body.append((f"most at once{words}", *(_gb(one.peak(MICRO_BATCH * chunk_bytes)) for one in states)))
    for words, chunk_bytes in _ways(kept):
        body.append((f"{MICRO_BATCH} chunks fit 80 GB{words}", *(_fits(one, chunk_bytes) for one in states)))
    body.append(("host memory of each process", *(_gb(one.host) for one in states)))
    yield from rows(("GB (1e9 bytes) on each GPU", "offload: false", "offload: true"), body)
    yield ""
    yield from _notes(size, asked, kept, stage, weights)


def _ways(kept: Kept) -> tuple[tuple[str, int], ...]:
    """Bytes of one chunk's activations, either way."""
    return ("", kept.whole), (", gradient checkpointing", kept.checkpointed)


def _notes(size: Sizes, asked: Question, kept: Kept, stage: int, weights: int) -> Iterator[str]:
    config = size.config
    ours = asked.tokens * config.n_action_bins * 4
    theirs = asked.positions(config) * config.language.vocab_size * 6
    yield (
        f"activations of one chunk: {kept.whole / GB:.2f} GB; {kept.checkpointed / GB:.2f} GB with "
        "policy.gradient_checkpointing"
    )
    yield (
        f"logits of {MICRO_BATCH} chunks: {MICRO_BATCH * ours / 1e6:.1f} MB as {asked.tokens} x {config.n_action_bins} "
        f"in float32; as {asked.positions(config)} x {config.language.vocab_size:,} in bfloat16 and float32, which this"
        f" policy never makes, {MICRO_BATCH * theirs / 1e6:,.0f} MB"
    )
    if stage == 0 and weights == 2 and not size.lora:
        yield "offload: false keeps no float32 masters of bfloat16 weights, and small steps are rounded away"
    yield f"while loading: the checkpoint whole on every GPU, {weights * size.parameters / GB:.1f} GB"


def _time(size: Sizes, options: OpenVlaOptions, asked: Question, gpus: int) -> Iterator[str]:
    """In units of a chunk's forward: rollouts 1, an update 1 and its backward, and 1 more to recompute."""
    one = flops.forward(size.config, asked)
    backward = flops.ADAPTER_BACKWARD if size.lora else flops.FULL_BACKWARD
    update = 1 + backward + options.gradient_checkpointing
    chunks = -(-STEPS // chunk(options, _space(options)))
    speed = RATE * UTILISATION * gpus
    work = (
        ("a chunk's forward", 1, one / (RATE * UTILISATION)),
        (f"GRPO mini-batch, {MINI_BATCH} trajectories", MINI_BATCH * chunks * update, None),
        (f"an iteration's rollouts, {TRAJECTORIES} trajectories", TRAJECTORIES * chunks, None),
        (f"an iteration's updates, {TRAJECTORIES // MINI_BATCH} steps", TRAJECTORIES * chunks * update, None),
        ("an iteration", TRAJECTORIES * chunks * (1 + update), None),
    )
    body = [(name, f"{n * one / 1e12:,.2f}", _seconds(n * one / speed if s is None else s)) for name, n, s in work]
    yield from rows(("time on the GPUs alone", "TFLOP", "time"), body)
    yield ""
    yield (
        f"at {UTILISATION:.0%} (assumed) of {RATE / 1e12:.0f} TFLOP/s (H100 SXM, bfloat16, dense: NVIDIA's data sheet) "
        "on each GPU; simulators come on top"
    )
    yield (
        f"{chunks} chunks a trajectory, what {STEPS} steps hold: an upper bound, since episodes end when they succeed "
        "and only executed chunks are forwarded"
    )
    yield f"an update is {update} forwards: its own, {backward} of backward" + (
        ", 1 to recompute" if options.gradient_checkpointing else "; 1 more with policy.gradient_checkpointing"
    )


def _gb(bytes_: float) -> str:
    return f"{bytes_ / GB:.1f}"


def _fits(one: State, chunk: int) -> str:
    """Whether the micro-batch fits, and the largest that does."""
    largest = int((CARD - one.total) // chunk)
    if largest < 1 or one.peak(0) > CARD:
        return "no"
    return f"{'yes' if largest >= MICRO_BATCH else 'no'}, up to {largest}"


def _seconds(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.1f} ms"
    return f"{seconds:,.1f} s" if seconds < 600 else f"{seconds / 60:,.1f} min"
