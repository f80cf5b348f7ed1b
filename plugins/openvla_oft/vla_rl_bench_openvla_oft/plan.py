"""The lines of the memory and time plan."""

from __future__ import annotations

from collections.abc import Iterator

from vla_rl_bench.errors import UserError, did_you_mean
from vla_rl_bench.text_table import text_lines
from vla_rl_bench_openvla_oft.forward_cost import ForwardCost, ForwardInput
from vla_rl_bench_openvla_oft.memory import CARD, GB, STAGES, State, is_chunked, state
from vla_rl_bench_openvla_oft.options import OpenVlaOftOptions, OpenVlaOptions
from vla_rl_bench_openvla_oft.sizes import Sizes, read_config, sizes
from vla_rl_bench_openvla_oft.spaces import LIBERO, SPACES, Space

MICRO_BATCH = 16  # chunks; SimpleVLA-RL, traj_mini_batch_size
TRAJECTORIES = 64 * 8  # an iteration's; SimpleVLA-RL: data.train_batch_size x data.n_samples
MINI_BATCH = 128  # trajectories an optimiser step; SimpleVLA-RL: ppo_mini_batch_size
STEPS = 512  # environment steps of an episode that never succeeds; SimpleVLA-RL, LIBERO: the most there are
RATE = 989e12  # bfloat16 operations a second, dense: NVIDIA H100 SXM data sheet (1,979 with sparsity)
UTILISATION = 0.4  # assumed; tests/test_speed.py measures it
# One forward is the unit.  A backward of all weights costs two: gradients of inputs and of weights.  Of adapters only
# the inputs' matter, the adapters' own being small.  Gradient checkpointing does the forward once more.
FULL_BACKWARD = 2
ADAPTER_BACKWARD = 1


def lines(options: OpenVlaOptions, gpus: int, strategy: str) -> Iterator[str]:
    size, name, inputs = training_sizes(options, STAGES[strategy])
    yield from _heading(size, name, options, inputs, gpus, strategy)
    yield ""
    yield from _memory(size, options, inputs, gpus, STAGES[strategy])
    yield ""
    yield from _time(size, options, gpus)


def training_sizes(options: OpenVlaOptions, stage: int) -> tuple[Sizes, str, ForwardInput]:
    """The sizes of what is trained, the checkpoint's name, and the input of a forward."""
    config, name = read_config(options.checkpoint)
    space = _space(options)
    inputs = forward_input(options, space)
    if inputs.proprio and not config.use_proprio:
        config.use_proprio, config.proprio_dim = True, space.dimensions
    autocast = stage == 0 and options.weights == "float32"
    return sizes(config, options.lora, inputs, autocast=autocast), name, inputs


def forward_input(options: OpenVlaOptions, space: Space) -> ForwardInput:
    """The input of one forward of training."""
    images = len(options.images) if options.images is not None else space.images or 1
    proprio = space.proprio if options.proprio is None else options.proprio
    return ForwardInput(
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
    size: Sizes, name: str, options: OpenVlaOptions, inputs: ForwardInput, gpus: int, strategy: str
) -> Iterator[str]:
    policy = "openvla-oft" if is_chunked(options) else "openvla"
    what = f"LoRA of rank {options.lora.rank}" if options.lora else "all parameters"
    yield f"{policy}, {what}, {gpus} x 80 GB, strategy {strategy}"
    yield "A plan computed from sizes, not a measurement."
    yield ""
    yield f"checkpoint   {name}: {size.parameters:,} parameters in {size.tensors} tensors"
    yield f"trained      {size.trained:,}; {size.frozen:,} frozen"
    yield (
        f"a forward    {inputs.positions(size.config)} positions: {inputs.images * size.config.patches} patches, "
        f"{inputs.prompt} of the prompt (assumed), {'1 of proprioception, ' * inputs.proprio}"
        f"{inputs.tokens} action tokens, 1 stop token"
    )
    yield f"weights      policy.weights: {options.weights}, strategy.precision: bfloat16"


def _memory(size: Sizes, options: OpenVlaOptions, inputs: ForwardInput, gpus: int, stage: int) -> Iterator[str]:
    weights = 4 if options.weights == "float32" else 2
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
    body = [(name, *(_gb(dict(state.parts)[name]) for state in states)) for name, _ in states[0].parts]
    body.append(("a step's temporaries", *(_gb(state.step) for state in states)))
    for words, chunk_bytes in _ways(size.forward):
        body.append((f"activations of {MICRO_BATCH} chunks{words}", *(_gb(MICRO_BATCH * chunk_bytes) for _ in states)))
    for words, chunk_bytes in _ways(size.forward):
        body.append((f"most at once{words}", *(_gb(state.peak(MICRO_BATCH * chunk_bytes)) for state in states)))
    for words, chunk_bytes in _ways(size.forward):
        body.append((f"{MICRO_BATCH} chunks fit 80 GB{words}", *(_fits(state, chunk_bytes) for state in states)))
    body.append(("host memory of each process", *(_gb(state.host) for state in states)))
    yield from text_lines([("GB (1e9 bytes) on each GPU", "offload: false", "offload: true"), *body])
    yield ""
    yield from _notes(size, inputs, stage, weights)


def _ways(forward: ForwardCost) -> tuple[tuple[str, int], ...]:
    """Bytes of one chunk's activations, without and with gradient checkpointing."""
    return ("", forward.kept), (", gradient checkpointing", forward.checkpointed)


def _notes(size: Sizes, inputs: ForwardInput, stage: int, weights: int) -> Iterator[str]:
    config = size.config
    ours = inputs.tokens * config.n_action_bins * 4
    theirs = inputs.positions(config) * config.language.vocab_size * 6
    yield (
        f"activations of one chunk: {size.forward.kept / GB:.2f} GB; {size.forward.checkpointed / GB:.2f} GB with "
        "policy.gradient_checkpointing"
    )
    yield (
        f"logits of {MICRO_BATCH} chunks: {MICRO_BATCH * ours / 1e6:.1f} MB as {inputs.tokens} x "
        f"{config.n_action_bins} in float32; as {inputs.positions(config)} x {config.language.vocab_size:,} in "
        f"bfloat16 and float32, which this policy never makes, {MICRO_BATCH * theirs / 1e6:,.0f} MB"
    )
    if stage == 0 and weights == 2 and not size.lora:
        yield "offload: false keeps no float32 masters of bfloat16 weights, and small steps are rounded away"
    yield f"while loading: the checkpoint whole on every GPU, {weights * size.parameters / GB:.1f} GB"


def _time(size: Sizes, options: OpenVlaOptions, gpus: int) -> Iterator[str]:
    """In units of a chunk's forward: rollouts 1, an update 1 and its backward, and 1 more to recompute."""
    operations = size.forward.operations
    backward = ADAPTER_BACKWARD if size.lora else FULL_BACKWARD
    update = 1 + backward + options.gradient_checkpointing
    chunks = -(-STEPS // chunk(options, _space(options)))
    speed = RATE * UTILISATION * gpus
    work = (
        ("a chunk's forward", 1, operations / (RATE * UTILISATION)),
        (f"GRPO mini-batch, {MINI_BATCH} trajectories", MINI_BATCH * chunks * update, None),
        (f"an iteration's rollouts, {TRAJECTORIES} trajectories", TRAJECTORIES * chunks, None),
        (f"an iteration's updates, {TRAJECTORIES // MINI_BATCH} steps", TRAJECTORIES * chunks * update, None),
        ("an iteration", TRAJECTORIES * chunks * (1 + update), None),
    )
    body = [
        (name, f"{n * operations / 1e12:,.2f}", _seconds(n * operations / speed if s is None else s))
        for name, n, s in work
    ]
    yield from text_lines([("time on the GPUs alone", "TFLOP", "time"), *body])
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


def _fits(state: State, chunk: int) -> str:
    """Say whether the micro-batch fits, and the largest one that does."""
    largest = int((CARD - state.total) // chunk)
    if largest < 1 or state.peak(0) > CARD:
        return "no"
    return f"{'yes' if largest >= MICRO_BATCH else 'no'}, up to {largest}"


def _seconds(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.1f} ms"
    return f"{seconds:,.1f} s" if seconds < 600 else f"{seconds / 60:,.1f} min"
