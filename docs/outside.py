"""Links from a page to files that are not part of the site, such as ../../results/quickstart/README.md."""

from __future__ import annotations

import os
import re
from pathlib import Path

_LINK = re.compile(r"\[([^\]]+)\]\((?!\w+:|#)([^)#\s]+)(?:#[^)]*)?\)")


def as_paths(text: str, page: Path, root: Path) -> str:
    """Such links as their text and the path from the repository's root.  page: without its ending.  root: docs/."""

    def told(link: re.Match[str]) -> str:
        target = Path(os.path.normpath(page.parent / link[2]))
        if target.is_relative_to(root):
            return link[0]
        path = os.path.relpath(target, root.parent)
        return f"`{path}`" if link[1] in (path, os.path.dirname(path)) else f"{link[1]} (`{path}`)"

    return _LINK.sub(told, text)
