"""Stored policies: the parameters that training may change.  The frozen ones come from the policy's options."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from vla_rl_bench.errors import UserError
from vla_rl_bench.files import atomic_path


def frozen(policy: nn.Module) -> set[str]:
    """Names of the parameters that no training changes."""
    return {name for name, parameter in policy.named_parameters() if not parameter.requires_grad}


def trained_state(policy: nn.Module) -> dict[str, Tensor]:
    """The state of a policy without its frozen parameters; the tensors are the policy's own."""
    frozen_names = frozen(policy)
    return {name: value for name, value in policy.state_dict().items() if name not in frozen_names}


def load_trained_state(policy: nn.Module, state: Mapping[str, Tensor], source: Path) -> None:
    """Load a state of `trained_state`.

    Raises:
        UserError: The state's names are not exactly the policy's trained ones.
    """
    expected = set(trained_state(policy))
    if expected != set(state):
        names = sorted(expected ^ set(state))
        problem = "lacks" if names[0] in expected else "has, unknown to this policy,"
        raise UserError(f"{source}: {problem} `{names[0]}` ({len(names)} such names); saved with other policy options")
    policy.load_state_dict(dict(state), strict=False)


def save_policy(path: Path, policy: nn.Module) -> None:
    save_state(path, trained_state(policy))


def save_state(path: Path, state: Mapping[str, Tensor]) -> None:
    with atomic_path(path) as temporary:
        save_file({name: value.cpu().contiguous() for name, value in state.items()}, temporary)


def load_policy(path: Path, policy: nn.Module) -> None:
    load_trained_state(policy, load_file(path), path)


def shards(path: Path) -> Path:
    """Folder for the files of a checkpoint of which each process writes its own."""
    return path.with_suffix(".shards")


def delete(path: Path) -> None:
    """Delete a stage's checkpoint, a file or a folder of shards."""
    path.unlink(missing_ok=True)
    shutil.rmtree(shards(path), ignore_errors=True)
