"""Executed under the workers' interpreter: print the installed versions, or check that SAPIEN can render.

``PYTHON probe.py versions`` prints JSON, distribution -> version or null; ``PYTHON probe.py render`` prints the device.
Without Vulkan, SAPIEN may end the process, so each is asked in a process of its own.  Imports nothing of ours.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import PackageNotFoundError, version

DISTRIBUTIONS = ("rlinf-robotwin-runtime", "sapien", "mplib", "nvidia-curobo", "torch", "numpy")


def versions() -> dict[str, str | None]:
    installed: dict[str, str | None] = {}
    for name in DISTRIBUTIONS:
        try:
            installed[name] = version(name)
        except PackageNotFoundError:
            installed[name] = None
    return installed


def device() -> str:
    """Build a scene, which needs a rendering device; return the device's name."""
    import sapien

    sapien.Scene()
    summary: str = sapien.render.get_device_summary()
    return summary.splitlines()[0].removeprefix("GPU: ").strip()


if __name__ == "__main__":
    print(json.dumps(versions()) if sys.argv[1] == "versions" else device())
