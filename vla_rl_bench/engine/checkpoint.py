"""What of a policy is kept: the parameters that training may change.  The others come back from its options."""

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
    still = frozen(policy)
    return {name: value for name, value in policy.state_dict().items() if name not in still}


def load_trained_state(policy: nn.Module, state: Mapping[str, Tensor], where: Path) -> None:
    """Refuses a state that is not exactly what `trained_state` gives."""
    expected = set(trained_state(policy))
    if expected != set(state):
        odd = sorted(expected ^ set(state))
        what = "lacks" if odd[0] in expected else "has, unknown to this policy,"
        raise UserError(f"{where}: {what} `{odd[0]}` ({len(odd)} such names); it was saved under other policy options")
    policy.load_state_dict(dict(state), strict=False)


def save_policy(path: Path, policy: nn.Module) -> None:
    save_state(path, trained_state(policy))


def save_state(path: Path, state: Mapping[str, Tensor]) -> None:
    with atomic_path(path) as temporary:
        save_file({name: value.cpu().contiguous() for name, value in state.items()}, temporary)


def load_policy(path: Path, policy: nn.Module) -> None:
    load_trained_state(policy, load_file(path), path)


def shards(path: Path) -> Path:
    """Where a strategy that writes a file a process keeps what belongs to the checkpoint `path`."""
    return path.with_suffix(".shards")


def forget(path: Path) -> None:
    """Remove a stage's checkpoint, in whichever form it is."""
    path.unlink(missing_ok=True)
    shutil.rmtree(shards(path), ignore_errors=True)
