"""Measure a randomly drawn OpenVLA-OFT on this machine: inference, a GRPO mini-batch, and how well the card is used.

python -m vla_rl_bench_openvla_oft.bench --size tiny|small|7b [--device cpu|cuda] [--batch 1,8,32,64] [--out FOLDER]

No checkpoint is needed: weights are drawn in bfloat16 on the device itself.  Utilisation is the model's matrix products
over the time, against the rate of a large bfloat16 matrix product on the same device.
"""

from __future__ import annotations

import argparse
import gc
import json
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from vla_rl_bench.records.provenance import versions
from vla_rl_bench_openvla_oft import measuring, standin
from vla_rl_bench_openvla_oft.configuration import OpenVlaConfig
from vla_rl_bench_openvla_oft.measuring import ASKED, FULL, LORA, Bare, Setting
from vla_rl_bench_openvla_oft.memory import GB
from vla_rl_bench_openvla_oft.sizes import OPENVLA_7B, sizes

SIZES = ("tiny", "small", "7b")
HOST_BYTES = 16  # a trained parameter, with `offload`: see `memory`


def config_of(size: str) -> OpenVlaConfig:
    if size == "7b":
        return OpenVlaConfig(**OPENVLA_7B)
    return standin.config(standin.SIZES[size], standin.SIZES[size].pixels, None)


def measure(
    size: str, device: torch.device, batches: Sequence[int], *, chunks: int, micro: int, repeats: int
) -> dict[str, Any]:
    """Everything, as plain data.  chunks, micro: of the mini-batch."""
    config = config_of(size)
    rate = measuring.product_rate(device, 8192 if device.type == "cuda" else 256, repeats=repeats)
    policy = Bare(config, Setting("acting", torch.bfloat16), device)
    acting = [measuring.inference(policy, batch, device, repeats=repeats) for batch in batches]
    del policy
    training = []
    for settings in ((LORA,), FULL):
        training += _first_that_fits(config, settings, device, chunks=chunks, micro=micro, repeats=min(repeats, 3))
    measured = [one for one in (*acting, *training) if "operations" in one]
    for one in measured:
        one["utilisation"] = one["operations"] / one["seconds_median"] / rate
    return {
        "size": size,
        "parameters": sizes(config, None).parameters,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "versions": versions() | {"transformers": metadata.version("transformers"), "peft": metadata.version("peft")},
        "cuda": torch.version.cuda,
        "positions": ASKED.positions(config),
        "product_operations_per_second": rate,
        "inference": acting,
        "minibatch": training,
    }


def _first_that_fits(
    config: OpenVlaConfig, settings: Sequence[Setting], device: torch.device, *, chunks: int, micro: int, repeats: int
) -> list[dict[str, Any]]:
    """Up to the first setting that fits; those before it are named with what was wrong."""
    found: list[dict[str, Any]] = []
    for setting in settings:
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()
        needed = HOST_BYTES * sizes(config, None).trained if setting.offload else 0
        if needed > measuring.available_host_bytes():
            found.append({"setting": setting.name, "failed": f"needs {needed / GB:.0f} GB of host memory"})
            continue
        try:
            one = measuring.minibatch(config, setting, device, chunks=chunks, micro=micro, repeats=repeats)
        except torch.cuda.OutOfMemoryError as error:
            found.append({"setting": setting.name, "failed": str(error).split(". ")[0]})
            continue
        return [*found, one]
    return found


def report(found: dict[str, Any]) -> str:
    """Markdown."""
    return "\n".join(_report(found)) + "\n"


def _report(found: dict[str, Any]) -> Iterator[str]:
    yield f"# OpenVLA-OFT `{found['size']}` on {found['device']}"
    yield ""
    rate = found["product_operations_per_second"] / 1e12
    yield (
        f"{found['parameters']:,} parameters, drawn at random, forwards in bfloat16; {found['positions']} positions a "
        f"chunk of {ASKED.tokens} tokens. Utilisation is of {rate:.3g} TFLOP/s, measured "
        "here with a bfloat16 matrix product."
    )
    yield ""
    yield "| batch | chunks a second | seconds: median (min to max) | peak memory, GB | utilisation |"
    yield "| --- | --- | --- | --- | --- |"
    for one in found["inference"]:
        yield f"| {one['batch']} | {one['chunks_per_second']:.1f} | {_spread(one)} | {_peak(one)} | {_share(one)} |"
    yield ""
    yield "One GRPO mini-batch, strategy `single`, gradient checkpointing; utilisation without what is recomputed:"
    yield ""
    yield "| setting | trained | chunks (at a time) | seconds: median (min to max) | peak memory, GB | utilisation |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for one in found["minibatch"]:
        if "failed" in one:
            yield f"| {one['setting']} | | | does not fit: {one['failed']} | | |"
            continue
        sizes_ = f"{one['trained']:,} | {one['chunks']} ({one['micro_batch']})"
        yield f"| {one['setting']} | {sizes_} | {_spread(one)} | {_peak(one)} | {_share(one)} |"
    yield ""
    cuda = f", CUDA {found['cuda']}" if found["cuda"] else ""
    yield ", ".join(f"{name} {version}" for name, version in found["versions"].items()) + cuda


def _spread(one: dict[str, Any]) -> str:
    return f"{one['seconds_median']:.4f} ({one['seconds_min']:.4f} to {one['seconds_max']:.4f})"


def _peak(one: dict[str, Any]) -> str:
    return "not measured" if one["peak_bytes"] is None else f"{one['peak_bytes'] / GB:.1f}"


def _share(one: dict[str, Any]) -> str:
    return f"{one['utilisation']:.1%}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m vla_rl_bench_openvla_oft.bench", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--size", choices=SIZES, required=True)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--batch", default="1,8,32,64", help="batches of inference")
    parser.add_argument("--chunks", type=int, default=128, help="of the mini-batch")
    parser.add_argument("--micro", type=int, default=16, help="chunks in one forward of the mini-batch")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--out", type=Path, help="folder for bench.json and bench.md")
    given = parser.parse_args(arguments)
    batches = [int(one) for one in given.batch.split(",") if one.isdecimal() and int(one)]
    if len(batches) != len(given.batch.split(",")):
        parser.error("--batch: write whole numbers above 0, as in 1,8,32,64")
    if given.micro < 1 or given.chunks < given.micro or given.chunks % given.micro or given.repeats < 1:
        parser.error("--chunks must be a multiple of --micro, and --repeats at least 1")
    if given.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device: torch sees no GPU here; write --device cpu --size tiny")
    found = measure(
        given.size,
        torch.device(given.device),
        batches,
        chunks=given.chunks,
        micro=given.micro,
        repeats=given.repeats,
    )
    print(report(found), end="")
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
        (given.out / "bench.json").write_text(json.dumps(found, indent=2) + "\n", "utf-8")
        (given.out / "bench.md").write_text(report(found), "utf-8")


if __name__ == "__main__":
    main()
