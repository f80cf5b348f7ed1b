"""Run a suite with an earlier revision and with the working tree, and compare what they write, byte for byte.

    python tests/guard/same_bytes.py REVISION [--suite suites/smoke.yaml] [--keep FOLDER] [--last-digit]

Each is installed in an environment of its own, beside the dependencies of the calling Python, and is used only through
its command line.  Compared are, run by run, episodes, policies and metrics (`MACHINE` is left out), the numbers of
table.md and the points of the curves.  Then REVISION is stopped after its second RL iteration, and the working tree
finishes that run: it must be the uninterrupted one.  Text that differs is printed.

Exit code: 0 the same, 1 a difference, 2 wrong input.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import time
import venv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
MACHINE = {"seconds", "cpu_seconds", "cores", "utilisation", "utilization", "chunks_per_second"}  # metrics: time spent
STOP_AFTER = 2  # RL iterations
BYTES = ("episodes.jsonl", "policy.safetensors")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class WrongInput(Exception):
    """The message says what to type instead."""


class Failed(Exception):
    """A command of the working tree failed."""


@dataclass
class Report:
    """Lines to print, and the differences that are errors."""

    lines: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def say(self, line: str) -> None:
        self.lines.append(line)

    def check(self, subject: str, error: str | None, detail: str = "") -> None:
        self.say(f"  {'same' if error is None else 'DIFFERS':8}{subject}{f'  ({detail})' if detail else ''}")
        if error is not None:
            self.say(f"          {error}")
            self.errors.append(f"{subject}: {error}")


# --- environments


def git(*arguments: str) -> str:
    result = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
    if result.returncode:
        raise WrongInput((result.stderr.strip() or f"git {' '.join(arguments)} failed").splitlines()[-1])
    return result.stdout.strip()


def check_out(revision: str, folder: Path) -> None:
    archive = folder.with_suffix(".tar")
    git("archive", "--output", str(archive), revision)
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    archive.unlink()


def install(source: Path, folder: Path) -> Path:
    """Install the distributions of `source` into a new environment; return the path of `vla-rl-bench`.

    The dependencies are links to those of the calling Python: nothing is downloaded, and both revisions compute with
    the same libraries.  If that fails, pip installs them.
    """
    plugins = sorted(path.parent for path in source.glob("plugins/*/pyproject.toml"))
    venv.create(folder, symlinks=True, with_pip=False)
    python = folder / "bin" / "python"
    packages = next((folder / "lib").glob("python*/site-packages"))
    for entry in dependencies():
        if not (packages / entry.name).exists():
            (packages / entry.name).symlink_to(entry)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-warn-script-location"]
    linked = subprocess.run(
        [*pip, "--no-deps", "--no-index", "--no-build-isolation", str(source), *map(str, plugins)],
        capture_output=True,
        text=True,
        check=False,
    )
    if linked.returncode:
        print(f"Downloading the dependencies: {linked.stderr.strip().splitlines()[-1]}", flush=True)
        shutil.rmtree(folder)
        venv.create(folder, symlinks=True, with_pip=True)
        result = subprocess.run([*pip, "-c", str(source / "constraints.txt"), str(source)], check=False)
        if result.returncode:
            raise WrongInput(f"{source}: pip cannot install it")
    return folder / "bin" / "vla-rl-bench"


def dependencies() -> Iterator[Path]:
    """Yield what is installed for the calling Python, without this project's distributions."""
    folders = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *sys.path]
    for folder in dict.fromkeys(Path(name) for name in folders if name):
        if folder.name in ("site-packages", "dist-packages") and folder.is_dir():
            for entry in folder.iterdir():
                if not entry.name.startswith(("vla_rl_bench", "__pycache__")) and entry.suffix != ".pth":
                    yield entry


# --- runs


def environment() -> dict[str, str]:
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return variables | dict.fromkeys(THREADS, "1") | {"MPLBACKEND": "agg"}


def start(command: Path, suite: Path, out: Path, *changes: str) -> subprocess.Popen[bytes]:
    out.mkdir(parents=True, exist_ok=True)
    with (out / "log.txt").open("ab") as log:
        return subprocess.Popen(
            [command, "run", suite, "--out", out, *changes],
            cwd=out,
            env=environment(),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def run_whole(command: Path, suite: Path, out: Path) -> Path:
    """Run the suite to its end -> its folder."""
    if code := start(command, suite, out).wait():
        tail = "\n".join((out / "log.txt").read_text(errors="replace").splitlines()[-15:])
        raise Failed(f"vla-rl-bench run {suite.name} ended with exit code {code}:\n{tail}")
    return suite_folder(out)


def suite_folder(out: Path) -> Path:
    folders = [path for path in out.iterdir() if (path / "runs").is_dir()]
    if len(folders) != 1:
        raise Failed(f"{out}: {len(folders)} suites with runs, expected 1")
    return folders[0]


def records(path: Path) -> list[dict[str, Any]]:
    """Read JSON lines; none if there is no file.  A line that is being written is left out."""
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    return [json.loads(line) for line in lines]


def run_and_stop(command: Path, suite: Path, out: Path) -> Path:
    """Kill the run after the checkpoint of RL iteration `STOP_AFTER` and before the next -> the run's folder."""
    for attempt in range(3):
        place = out / str(attempt)
        process = start(command, suite, place, f"rl.checkpoint_every={STOP_AFTER}")
        stopped = None
        while process.poll() is None and stopped is None:
            time.sleep(0.005)
            stopped = next(place.glob("*/runs/*/rl.checkpoint.pt"), None)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if stopped and stopped.exists() and len(records(stopped.parent / "metrics.jsonl")) < 2 * STOP_AFTER:
            return stopped.parent
    raise WrongInput(
        f"{suite.name}: its first RL arm was not stopped after iteration {STOP_AFTER} in 3 attempts. "
        f"Name a suite with more than {STOP_AFTER} RL iterations and strategy `single`: --suite FILE"
    )


# --- comparisons


def compare_runs(old: Path, new: Path, report: Report, keys: set[str]) -> None:
    """Compare the runs of two folders of one suite.  keys: of metrics, those that both revisions record."""
    ids, new_ids = (sorted(path.name for path in (folder / "runs").iterdir()) for folder in (old, new))
    report.check("run ids", None if ids == new_ids else f"{ids} -> {new_ids}", f"{len(ids)} runs")
    for run in ids:
        if run not in new_ids:
            continue
        left, right = old / "runs" / run, new / "runs" / run
        for name in BYTES:
            report.check(f"{run}/{name}", bytes_error(left / name, right / name), size_text(left / name))
        if (left / "metrics.jsonl").exists():
            compare_metrics(left / "metrics.jsonl", right / "metrics.jsonl", report, keys)
    for store in sorted((old / "demonstrations").glob("*.npz")):
        report.check(f"demonstrations/{store.name}", bytes_error(store, new / "demonstrations" / store.name))
    points, new_points = curves(old), curves(new)
    different = sorted(map(str, points.keys() ^ new_points.keys())) + [
        f"{point}: {value} -> {new_points[point]}"
        for point, value in points.items()
        if new_points.get(point, value) != value
    ]
    report.check("curves", "; ".join(different[:3]) or None, f"{len(points)} points")


def size_text(path: Path) -> str:
    if path.suffix == ".jsonl":
        return f"{len(records(path))} records"
    return f"{path.stat().st_size:,} bytes" if path.exists() else "no file"


def bytes_error(old: Path, new: Path) -> str | None:
    """The first difference of two files as text, None if their bytes are equal or both are missing."""
    if not old.exists() or not new.exists():
        return None if old.exists() == new.exists() else f"only {old if old.exists() else new} exists"
    if old.read_bytes() == new.read_bytes():
        return None
    if old.suffix == ".jsonl":
        lines, new_lines = old.read_text().splitlines(), new.read_text().splitlines()
        for number, (line, new_line) in enumerate(zip(lines, new_lines, strict=False), 1):
            if line != new_line:
                return f"line {number}: {line}  ->  {new_line}"
        return f"{len(lines)} lines -> {len(new_lines)}"
    return f"{old.stat().st_size} bytes -> {new.stat().st_size}, other content"


def compare_metrics(old: Path, new: Path, report: Report, keys: set[str]) -> None:
    lines, new_lines = records(old), records(new)
    errors = [] if len(lines) == len(new_lines) else [f"{len(lines)} iterations -> {len(new_lines)}"]
    for line, new_line in zip(lines, new_lines, strict=False):
        for key in sorted(keys & (line.keys() | new_line.keys())):
            value, new_value = (json.dumps(record.get(key), sort_keys=True) for record in (line, new_line))
            if value != new_value:
                errors.append(f"iteration {line['iteration']}: {key}: {value} -> {new_value}")
    subject = f"{old.parent.name}/{old.name}"
    report.check(subject, "; ".join(errors[:3]) or None, f"{len(lines)} iterations, {len(keys)} keys")


def metrics_keys(folder: Path) -> set[str]:
    """The keys of all metrics of a suite's runs, without those of `MACHINE`."""
    lines = [line for path in folder.glob("runs/*/metrics.jsonl") for line in records(path)]
    return set().union(*lines) - MACHINE


def curves(folder: Path) -> dict[tuple[str, ...], tuple[int, int]]:
    """Successes and episodes of every point of the curves: run, evaluation, sampling, iteration."""
    points: dict[tuple[str, ...], tuple[int, int]] = {}
    for path in sorted(folder.glob("runs/*/episodes.jsonl")):
        for record in records(path):
            if record["iteration"] is not None:
                point = (path.parent.name, record["evaluation"], record["sampling"], str(record["iteration"]))
                successes, episodes = points.get(point, (0, 0))
                points[point] = (successes + record["success"], episodes + 1)
    return points


Grid = tuple[tuple[str, ...], ...]


def grids(markdown: str) -> list[Grid]:
    """The numbers of each table's body, row by row; headers and the rows' names are text."""
    tables: list[list[tuple[str, ...]]] = []
    before = ""
    for line in markdown.splitlines():
        if re.fullmatch(r"\|[\s:|-]+\|", line):
            tables.append([])
        elif line.startswith("|") and before.startswith("|") and tables:
            cells = re.split(r"(?<!\\)\|", line)[2:]
            tables[-1].append(tuple(re.findall(r"[+\-]?\d+(?:\.\d+)?", " ".join(cells).replace("\N{MINUS SIGN}", "-"))))
        before = line
    return [tuple(table) for table in tables]


def compare_tables(old: Path, new: Path, report: Report, *, last_digit: bool = False) -> None:
    """Every table of `old` must be in `new` with the same numbers, in any order; further tables and text may differ.

    last_digit: a number may differ by one in its last digit.
    """
    text, new_text = (path.read_text() if path.exists() else "" for path in (old, new))
    tables, left = grids(text), Counter(grids(new_text))
    unmatched = list((Counter(tables) - left).elements())
    left -= Counter(tables)
    missing: list[str] = []
    rounded: list[str] = []
    for grid in unmatched:
        nearest = max(left.elements(), key=partial(overlap, grid), default=())
        left -= Counter([nearest])
        change = f"table {tables.index(grid) + 1}: {numbers_text(grid)}  ->  {numbers_text(nearest)}"
        (rounded if last_digit and rounded_alike(grid, nearest) else missing).append(change)
    count = sum(len(row) for grid in tables for row in grid)
    report.check("table.md", "; ".join(missing) or None, f"{len(tables)} tables, {count} numbers")
    report.lines += [f"          rounded differently (no error): {change}" for change in rounded]
    if left:
        report.say(f"          tables added (no error): {left.total()}")
    if text != new_text:
        report.say("  lines of table.md that differ:")
        difference = difflib.unified_diff(text.splitlines(), new_text.splitlines(), "old", "new", n=0, lineterm="")
        report.lines += [f"    {line}" for line in difference]


def rounded_alike(grid: Grid, new_grid: Grid) -> bool:
    """Each number is as printed in the other grid, or off by one in the last digit."""
    if [len(row) for row in grid] != [len(row) for row in new_grid]:
        return False
    pairs = (pair for rows in zip(grid, new_grid, strict=True) for pair in zip(*rows, strict=True))
    return all(number == new_number or off_by_one_digit(number, new_number) for number, new_number in pairs)


def off_by_one_digit(number: str, new_number: str) -> bool:
    """The decimals differ by at most one in their last digit; counts do not count as decimals."""
    places, new_places = (len(text.partition(".")[2]) for text in (number, new_number))
    return 0 < places == new_places and abs(Decimal(number) - Decimal(new_number)) * 10**places <= 1


def overlap(grid: Grid, new_grid: Grid) -> int:
    return sum(row == new_row for row, new_row in zip(grid, new_grid, strict=False))


def numbers_text(grid: Grid) -> str:
    return " / ".join(" ".join(row) for row in grid) or "nothing"


# --- the command


def compare(revision: str, suite: str, work: Path, *, last_digit: bool) -> Report:
    try:
        commit = git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    except WrongInput:
        raise WrongInput(f"{revision}: no such revision; `git log --oneline` lists them") from None
    report = Report()
    changed = " with changes" if git("status", "--porcelain") else ""
    title = git("log", "-1", "--format=%h %cs %s", commit)
    report.say(f"old:   {title}")
    report.say(f"new:   working tree, {git('log', '-1', '--format=%h %cs %s')}{changed}")
    check_out(commit, work / "source")
    path = work / "source" / suite
    if not path.is_file():
        raise WrongInput(f"--suite {suite}: no such file in {revision}")
    report.say(f"suite: {suite} of {revision}")
    print("\n".join(report.lines), flush=True)
    report.lines.clear()
    progress("installing both revisions")
    before, after = install(work / "source", work / "before"), install(ROOT, work / "after")
    progress(f"running the suite with {revision}")
    try:
        old = run_whole(before, path, work / "runs_before")
    except Failed as error:
        raise WrongInput(f"{revision}: {error}") from None
    progress("running the suite with the working tree")
    new = run_whole(after, path, work / "runs_after")
    report.say("uninterrupted:")
    keys, new_keys = metrics_keys(old), metrics_keys(new)
    compare_runs(old, new, report, keys & new_keys)
    for change, only in (("removed", keys - new_keys), ("added", new_keys - keys)):
        report.say(f"  keys of metrics {change} (no error): {', '.join(sorted(only)) or 'none'}")
    compare_tables(old / "table.md", new / "table.md", report, last_digit=last_digit)
    progress(f"stopping {revision} after RL iteration {STOP_AFTER}, finishing its run with the working tree")
    stopped = run_and_stop(before, path, work / "runs_stopped")
    iterations = len(records(stopped / "metrics.jsonl"))
    finished = run_whole(after, path, stopped.parents[2])
    report.say(
        f"stopped by SIGKILL with the checkpoint of RL iteration {STOP_AFTER} ({iterations} iterations recorded),"
    )
    report.say("finished by the working tree:")
    compare_runs(old, finished, report, keys & new_keys)
    return report


def progress(line: str) -> None:
    print(f"... {line}", flush=True)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("revision", help="a commit, tag or branch")
    parser.add_argument("--suite", default="suites/smoke.yaml", help="a suite file of REVISION [%(default)s]")
    parser.add_argument("--keep", metavar="FOLDER", type=Path, help="keep environments and runs in a new FOLDER")
    parser.add_argument(
        "--last-digit",
        action="store_true",
        help="print, but do not count, numbers of the table off by one digit at most",
    )
    options = parser.parse_args(arguments)
    try:
        if options.keep and options.keep.exists() and any(options.keep.iterdir()):
            raise WrongInput(f"--keep {options.keep}: is not empty; name a new folder")
        with tempfile.TemporaryDirectory(prefix="same_bytes-") as temporary:
            work = options.keep.resolve() if options.keep else Path(temporary)
            work.mkdir(parents=True, exist_ok=True)
            report = compare(options.revision, options.suite, work, last_digit=options.last_digit)
    except WrongInput as error:
        print(f"same_bytes: {error}", file=sys.stderr)
        return 2
    except Failed as error:
        print(f"DIFFERS: {error}")
        return 1
    print("\n".join(report.lines))
    print(f"{len(report.errors)} differences" if report.errors else "the same bytes")
    return 1 if report.errors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
