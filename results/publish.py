"""A suite's finished folder -> what is committed of it: ``python results/publish.py runs/NAME results/PLACE``.

Tables, pictures and the resolved suite as they are, and ``records.tar.gz`` with what each run recorded, no policies.
Unpacked under ``runs/NAME``, the records give the same tables again; the same runs give the same bytes.
"""

from __future__ import annotations

import gzip
import io
import shutil
import sys
import tarfile
from pathlib import Path

SHOWN = ("*.md", "*.tex", "*.png", "*.gif", "*.csv", "*.json", "*.html")
RECORDS = ("run.json", "episodes.jsonl", "metrics.jsonl")


def publish(folder: Path, target: Path) -> list[Path]:
    """-> what was written."""
    target.mkdir(parents=True, exist_ok=True)
    shown = sorted(path for pattern in SHOWN for path in folder.glob(pattern))
    written = [Path(shutil.copyfile(path, target / path.name)) for path in shown]
    return [*written, _archive(folder, target / "records.tar.gz")]


def _archive(folder: Path, path: Path) -> Path:
    """The records of all runs, without times and owners."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for record in sorted(one for name in RECORDS for one in folder.glob(f"runs/*/{name}")):
            entry = tarfile.TarInfo(str(record.relative_to(folder)))
            entry.size = record.stat().st_size
            with record.open("rb") as file:
                archive.addfile(entry, file)
    path.write_bytes(gzip.compress(plain.getvalue(), mtime=0))
    return path


if __name__ == "__main__":
    if len(sys.argv) != 3 or not Path(sys.argv[1], "runs").is_dir():
        sys.exit("usage: python results/publish.py runs/NAME results/PLACE   (runs/NAME: a suite's folder)")
    for one in publish(Path(sys.argv[1]), Path(sys.argv[2])):
        print(f"{one.stat().st_size:9d} {one}")
