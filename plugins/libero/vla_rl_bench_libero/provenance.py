"""Versions of the software behind a result."""

from __future__ import annotations

from importlib import metadata
from importlib.util import find_spec
from pathlib import Path


def version(distribution: str) -> str:
    """Return a distribution's version, or ``unknown``."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "unknown"


def libero_distribution() -> str:
    """Return name and version of the distribution that provides the package ``libero``, or its folder if none does.

    Several distributions share the package, and the official one is often a checkout on the path.
    """
    names = metadata.packages_distributions().get("libero", [])
    if names:
        return ", ".join(f"{name} {version(name)}" for name in sorted(set(names)))
    spec = find_spec("libero")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    return f"checkout {Path(folders[0]).parent.name}" if folders else "missing"


def versions(backend: str) -> dict[str, str]:
    """Return the versions that every result records; backend: ``egl`` or ``osmesa``."""
    return {
        "libero": libero_distribution(),
        "robosuite": version("robosuite"),
        "mujoco": version("mujoco"),
        "numpy": version("numpy"),
        "gl": backend,
    }
