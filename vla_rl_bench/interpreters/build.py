"""Building an interpreter: a venv, then its requirements in order; what was done is kept and not done again."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import IO

from vla_rl_bench.entries import Interpreter, Requirements
from vla_rl_bench.errors import UserError
from vla_rl_bench.files import exclusive_lock
from vla_rl_bench.interpreters.bases import find_base
from vla_rl_bench.interpreters.places import digest, folder, python_in, read_record, root, state, write_record

_PIP = ("-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--retries", "2", "--timeout", "30")
_NO_NETWORK = ("NewConnectionError", "name resolution", "ConnectTimeout", "Network is unreachable", "ProxyError")
_GIGABYTE = 1e9


# hears of progress: a step by name, how many of its packages are known to pip, of how many
Tell = Callable[[str, int, int], None]


def build(interpreter: Interpreter, tell: Tell, base: str | None = None) -> Path:
    """-> its ``python``.  Continues what an earlier call began; does nothing where it is ready.

    base: the Python to build it with; one of the versions that will do is looked for if none is given.
    """
    place = folder(interpreter)
    if state(interpreter) == "ready":
        return python_in(place)
    place.mkdir(parents=True, exist_ok=True)
    busy = f"env create {interpreter.name}: another process is building it in {place}"
    with exclusive_lock(place / "build.lock", busy), (place / "build.log").open("a") as log:
        if not read_record(place):
            _check_space(interpreter)
            tell("venv", 0, 1)
            _make_venv(place, find_base(interpreter, base), log)
            write_record(place, {"steps": [], "complete": False})
        _install_all(interpreter, place, tell, log)
        tell("imports", 0, 1)
        _try_imports(interpreter, place)
        write_record(place, read_record(place) | {"complete": True})
    return python_in(place)


def _check_space(interpreter: Interpreter) -> None:
    free = shutil.disk_usage(root()).free / _GIGABYTE
    if free < interpreter.gigabytes:
        raise UserError(
            f"env create {interpreter.name}: it takes {interpreter.gigabytes:g} GB, and {root()} has {free:.1f} GB "
            "free. Make room, or set VLA_RL_BENCH_ENVIRONMENTS to a folder that has it"
        )


def _make_venv(place: Path, base: str, log: IO[str]) -> None:
    made = subprocess.run([base, "-m", "venv", str(place)], capture_output=True, text=True, env=_environment())
    log.write(made.stdout + made.stderr)
    if made.returncode:
        last = (made.stdout + made.stderr).strip().splitlines()[-1:]
        raise UserError(
            f"{base} cannot make a venv ({' '.join(last)}). Run: apt-get install python3-venv, or give another --python"
        )


def _install_all(interpreter: Interpreter, place: Path, tell: Tell, log: IO[str]) -> None:
    wanted = [digest(one) for one in interpreter.requirements]
    done = read_record(place).get("steps", [])
    same = takewhile(lambda pair: pair[0] == pair[1], zip(done, wanted, strict=False))
    kept = len(list(same))  # what follows the first that differs is installed again, over what is there
    write_record(place, {"steps": wanted[:kept], "complete": False})
    for number, one in enumerate(interpreter.requirements[kept:], start=kept + 1):
        step = f"{number} of {len(wanted)}: {one.path.stem}"
        _install(interpreter, one, place, partial(tell, step), log)
        write_record(place, {"steps": wanted[:number], "complete": False})


def _install(
    interpreter: Interpreter, requirements: Requirements, place: Path, tell: Callable[[int, int], None], log: IO[str]
) -> None:
    total = sum(bool(line.strip()) and line[0] not in "#-" for line in requirements.path.read_text().splitlines())
    options = ["--requirement", str(requirements.path)] + ([] if requirements.dependencies else ["--no-deps"])
    tell(0, total)
    process = subprocess.Popen(
        [str(python_in(place)), *_PIP, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=_environment(),
    )
    seen, lines = 0, []
    for line in process.stdout or ():
        log.write(line)
        lines.append(line.rstrip())
        if line.startswith(("Collecting ", "Processing ", "Requirement already satisfied")):
            seen += 1
            tell(min(seen, total), total)
    if process.wait():
        raise UserError(_why(interpreter, requirements, lines, Path(log.name)))


def _why(interpreter: Interpreter, requirements: Requirements, lines: Sequence[str], log: Path) -> str:
    again = f"What is done is kept; run the same command again: vla-rl-bench env create {interpreter.name}"
    if any(word in line for word in _NO_NETWORK for line in lines):
        return (
            f"env create {interpreter.name}: no package index could be reached. Connect, or point pip to a mirror "
            f"(PIP_INDEX_URL) or a folder of wheels (PIP_NO_INDEX=1 PIP_FIND_LINKS=folder). {again}"
        )
    error = next((line for line in reversed(lines) if line.startswith("ERROR:")), "pip failed")
    return f"env create {interpreter.name}: {requirements.path.name}: {error} (the whole output: {log}). {again}"


def _try_imports(interpreter: Interpreter, place: Path) -> None:
    for name in interpreter.imports:
        tried = subprocess.run(
            [str(python_in(place)), "-c", f"import {name}"], capture_output=True, text=True, env=_environment()
        )
        if tried.returncode:
            last = (tried.stderr.strip().splitlines() or [f"exit status {tried.returncode}"])[-1]
            raise UserError(
                f"env create {interpreter.name}: `import {name}` fails there: {last}. `vla-rl-bench doctor` says what "
                "a machine needs; then run the same command again"
            )


def _environment() -> dict[str, str]:
    """Ours, without what would let that interpreter see our packages."""
    hidden = ("PYTHONPATH", "PYTHONHOME", "PIP_USER", "PIP_TARGET")
    return {name: value for name, value in os.environ.items() if name not in hidden} | {"PYTHONNOUSERSITE": "1"}
