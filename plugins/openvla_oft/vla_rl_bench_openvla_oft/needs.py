"""Needs of a run with a checkpoint beyond packages, for ``run --dry-run``: the checkpoint, and memory for it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vla_rl_bench.entries import CheckResult
from vla_rl_bench.errors import UserError
from vla_rl_bench_openvla_oft.memory import GB, STAGES, state
from vla_rl_bench_openvla_oft.options import OpenVlaOftOptions, OpenVlaOptions


def needs(columns: Sequence[str], options: OpenVlaOptions, gpus: int, strategy: str) -> list[CheckResult]:
    """gpus: processes that share the training.  strategy: a key of `STAGES`."""
    names = list(dict.fromkeys(options.checkpoint.replace("{column}", column) for column in columns))
    results = [checkpoint(name) for name in names]
    there = next((name for name, check in zip(names, results, strict=True) if check.ok), "")
    try:
        return [*results, memory(replace(options, checkpoint=there), gpus, strategy)]
    except UserError:  # a configuration that cannot be counted: loading says why
        return results


def checkpoint(name: str) -> CheckResult:
    """Check that the checkpoint is on this machine, as a folder or in the hub's cache."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        whole = (folder / "config.json").is_file() and any(folder.glob("*.safetensors"))
        what = f"checkpoint {name}" + ("" if whole else ": its folder lacks config.json or *.safetensors")
        return CheckResult(whole, what, "name the folder of an OpenVLA checkpoint: policy.checkpoint=FOLDER")
    if name.count("/") == 1 and name[0] not in "./~":
        if any((_cache() / f"models--{name.replace('/', '--')}").glob("snapshots/*/config.json")):
            return CheckResult(True, f"checkpoint {name} in the hub's cache")
        what = f"checkpoint {name} is not here; a run fetches it from the hub"
        return CheckResult(False, what, f"hf download {name}")
    advice = "vla-rl-bench run SUITE policy.checkpoint=FOLDER   # a checkpoint's folder, or a name on the hub"
    return CheckResult(False, f"checkpoint: there is no folder {name}", advice)


def _cache() -> Path:
    """Folder of huggingface_hub's cache."""
    home = Path(os.environ.get("HF_HOME") or "~/.cache/huggingface").expanduser()
    return Path(os.environ.get("HF_HUB_CACHE") or home / "hub").expanduser()


def memory(options: OpenVlaOptions, gpus: int, strategy: str) -> CheckResult:
    """The plan of `memory.py`, one chunk at a time and nothing offloaded, against what this machine has."""
    from vla_rl_bench_openvla_oft.plan import training_sizes  # torch

    stage = STAGES[strategy]
    size, _, _ = training_sizes(options, stage)
    weights = 4 if options.weights == "float32" else 2
    held = state(size.trained, size.frozen, gpus=gpus, stage=stage, weights=weights, adapters=size.lora, offload=False)
    need = held.peak(size.forward.checkpointed if options.gradient_checkpointing else size.forward.kept)
    have, where = _memory_here()
    each = f"each of {gpus} GPUs" if gpus > 1 else "one GPU"
    planned = f"{strategy}: training takes {need / GB:.0f} GB on {each} (planned, nothing offloaded)"
    policy = "openvla-oft" if isinstance(options, OpenVlaOftOptions) else "openvla"
    return CheckResult(
        need <= have,
        f"{planned}; {where} has {have / GB:.0f} GB",
        f"vla-rl-bench show {policy} --memory --gpus 8 --strategy deepspeed-zero3   # what fits; torchrun shares it",
    )


def _memory_here() -> tuple[float, str]:
    """Bytes of one GPU, or of the machine where there is none."""
    import torch

    if torch.cuda.is_available():
        return float(torch.cuda.mem_get_info()[1]), torch.cuda.get_device_name()
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")), "this machine, which has no GPU,"
