"""A trained policy as a checkpoint's folder, in the format it came in."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from vla_rl_bench_openvla_oft import statistics
from vla_rl_bench_openvla_oft.loading import read_config
from vla_rl_bench_openvla_oft.lora import merged_state
from vla_rl_bench_openvla_oft.modeling import OpenVlaForActionPrediction

_COMPANIONS = ("*.json", "*.model", "*.txt", "*.py")  # tokenizer, preprocessor, statistics, and the code of auto_map
_WRITTEN = {"config.json", "model.safetensors.index.json"}  # anew, with the weights


def write(model: OpenVlaForActionPrediction, source: Path, folder: Path) -> None:
    """source: the folder of the checkpoint that the model came from, whose other files are copied.

    The proprioception projector lies inside the weights, as SimpleVLA-RL stores it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for path in _companions(source):
        if path.resolve() != (folder / path.name).resolve():
            shutil.copyfile(path, folder / path.name)
    model.save_pretrained(folder, state_dict=merged_state(model))
    stored = statistics.read(source, read_config(source).get("norm_stats"))
    (folder / statistics.FILE).write_text(json.dumps(stored, indent=2) + "\n", "utf-8")


def _companions(source: Path) -> list[Path]:
    paths = {path for pattern in _COMPANIONS for path in source.glob(pattern) if path.is_file()}
    return sorted(path for path in paths if path.name not in _WRITTEN)
