"""Export of a run's trained policy in the policy's own format, for other tools."""

from __future__ import annotations

from pathlib import Path

from vla_rl_bench.catalog import Catalog
from vla_rl_bench.errors import NotSupported, UserError
from vla_rl_bench.suite.session import open_recorded


def export(run: Path, folder: Path, catalog: Catalog) -> Path:
    """Write a run's trained policy.

    Args:
        run: The run's folder, ``runs/<suite>/runs/<id>``.
        folder: A new or empty folder.
        catalog: The installed plugins.

    Returns:
        `folder`.
    """
    with open_recorded(run, catalog) as session:
        path = session.folder.policy_path
        if not path.exists():
            raise UserError(f"{run}: its training is not complete; run its suite again to resume it")
        if folder.exists() and any(folder.iterdir()):
            raise UserError(f"{folder}: is not empty; give another folder")
        policy = session.load_weights(session.new_policy())
        folder.mkdir(parents=True, exist_ok=True)
        try:
            policy.export(folder)
        except NotSupported:
            folder.rmdir()  # empty, as checked above
            name = session.policy_entry.name
            raise UserError(f"policy `{name}` has no format of its own; its weights are in {path}") from None
    return folder
