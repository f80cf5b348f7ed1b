"""Pictures as data URIs, as many as fit: the page never grows beyond what mail and browsers take."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vla_rl_bench.analysis.plots.clip import last_picture
from vla_rl_bench.errors import UserError

MAX_BYTES = 20_000_000
ROOM = 18_000_000  # of them for pictures and films
TYPES = {".png": "image/png", ".gif": "image/gif", ".webp": "image/webp", ".svg": "image/svg+xml", ".jpg": "image/jpeg"}
MOVING = (".gif", ".webp")
OURS = {"curves"}  # drawn anew on the page


TITLES = {
    "before_after": "The same start, before and after RL",
    "pushcut": "Strategies over training",
    "generalisation": "Unseen tasks against seen ones",
    "ablation_curves": "Ablation: learning curves",
}


@dataclass(frozen=True)
class Picture:
    """Embedded.  still: what stands for a moving picture where nothing should move, or on paper."""

    title: str
    uri: str
    still: str = ""


@dataclass
class Album:
    """What may still be embedded, and what was left out for its size.  room: bytes, as they stand in the page."""

    room: int = field(default_factory=lambda: ROOM)
    left_out: list[str] = field(default_factory=list)

    def embed(self, path: Path, title: str) -> Picture | None:
        """The picture, or None where it does not fit; then its name is noted."""
        still = _uri(last_picture(path), "image/webp") if path.suffix in MOVING else ""
        picture = Picture(title, _uri(path.read_bytes(), TYPES[path.suffix]), still)
        size = len(picture.uri) + len(picture.still)
        if size > self.room:
            self.left_out.append(path.name)
            return None
        self.room -= size
        return picture

    def pictures(self, paths: Sequence[Path]) -> list[Picture]:
        """Those that fit, titled by their files' names."""
        titled = ((path, TITLES.get(path.stem, re.sub("[-_]+", " ", path.stem))) for path in paths)
        return [picture for picture in (self.embed(path, title) for path, title in titled) if picture]


def _uri(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def further_pictures(folder: Path) -> list[Path]:
    """The pictures in a suite's folder that the page does not draw itself, by name."""
    return sorted(
        path for path in folder.iterdir() if path.suffix in TYPES and path.stem not in OURS and path.is_file()
    )


def refuse_large(page: str) -> None:
    size = len(page.encode())
    if size > MAX_BYTES:
        raise UserError(
            f"the page would have {size / 1e6:.0f} MB, more than {MAX_BYTES / 1e6:.0f}; name fewer suites at a time"
        )
