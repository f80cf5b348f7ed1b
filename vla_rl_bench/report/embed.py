"""Pictures as data URIs, as many as fit: the page never grows beyond what mail and browsers take."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from pathlib import Path

from vla_rl_bench.errors import UserError

MAX_BYTES = 20_000_000
RESERVED = 2_000_000  # bytes that are left for what is not pictures, at least
TYPES = {".png": "image/png", ".gif": "image/gif", ".webp": "image/webp", ".svg": "image/svg+xml", ".jpg": "image/jpeg"}
OURS = {"curves"}  # drawn anew on the page


@dataclass
class Album:
    """What may still be embedded, and what was left out for its size.  room: bytes, as they stand in the page."""

    room: int = MAX_BYTES - RESERVED
    left_out: list[str] = field(default_factory=list)

    def picture(self, path: Path) -> str:
        """A data URI, or nothing where the file does not fit; then its name is noted."""
        return self.bytes(path.read_bytes(), TYPES[path.suffix], path.name)

    def bytes(self, data: bytes, kind: str, name: str) -> str:
        uri = f"data:{kind};base64,{base64.b64encode(data).decode()}"
        if len(uri) > self.room:
            self.left_out.append(name)
            return ""
        self.room -= len(uri)
        return uri


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
