"""The tables under results/ are those of the records that lie beside them."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

import pytest

from vla_rl_bench.analysis.select_runs import recorded
from vla_rl_bench.analysis.tables.ablation import write_ablation
from vla_rl_bench.analysis.tables.report import write_report

RESULTS = Path(__file__).parents[2] / "results"
ARCHIVES = sorted(RESULTS.rglob("records.tar.gz"))


def unpacked(archive: Path, folder: Path) -> Path:
    """A suite's folder, as far as it was committed."""
    with tarfile.open(archive) as records:
        records.extractall(folder, filter="data")
    for name in ("suite.json", "ablation.json"):
        if (archive.parent / name).is_file():
            shutil.copyfile(archive.parent / name, folder / name)
    return folder


def place(archive: Path) -> str:
    return str(archive.parent.relative_to(RESULTS))


@pytest.mark.parametrize("archive", ARCHIVES, ids=place)
def test_committed_records_give_the_committed_tables(archive: Path, tmp_path: Path) -> None:
    folder = unpacked(archive, tmp_path)
    records = [name for name in ("suite.json", "ablation.json") if (folder / name).is_file()]
    assert records
    for name in records:
        source = recorded(folder / name)
        write = write_ablation if name == "ablation.json" else write_report
        whole = [path for path in write(source) if path.is_file()]
        assert len(whole) == 2
        for path in whole:
            assert path.read_bytes() == (archive.parent / path.name).read_bytes(), path.name


def test_committed_records_exist() -> None:
    assert ARCHIVES
