"""Interpreters for environment workers whose packages clash with ours: found in, and built into, the user's cache.

Each is a venv with the pinned requirements of a plugin, installed in steps; a build repeats no finished step.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import IO, Any, Literal

from vla_rl_bench.entries import EnvironmentEntry, Interpreter, Requirements
from vla_rl_bench.errors import MissingRequirement, UserError
from vla_rl_bench.files import exclusive_lock, read_json, write_json

VARIABLE = "VLA_RL_BENCH_ENVIRONMENTS"
_RECORD = "vla-rl-bench.json"
_GIGABYTE = 1e9

State = Literal["ready", "outdated", "unfinished", "missing"]
_PROBLEMS: dict[State, str] = {
    "missing": "has not been built",
    "unfinished": "is not finished",
    "outdated": "was built for another version of the plugin",
}

Progress = Callable[[str, int, int], None]  # (step, packages that the installer has reached, packages of the step)


# -- finding


def root() -> Path:
    """Return the folder of all interpreters: ``VLA_RL_BENCH_ENVIRONMENTS``, or a folder in the user's cache."""
    if os.environ.get(VARIABLE):
        return Path(os.environ[VARIABLE]).expanduser().absolute()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser().absolute() / "vla-rl-bench" / "environments"


def folder(interpreter: Interpreter) -> Path:
    return root() / interpreter.name


def find(interpreter: Interpreter) -> Path | None:
    """Return its ``python`` if it is built as the plugin asks."""
    return _python(folder(interpreter)) if state(interpreter) == "ready" else None


def state(interpreter: Interpreter) -> State:
    record = _read_record(folder(interpreter))
    if not _python(folder(interpreter)).exists():
        return "missing"
    if not record.get("complete"):
        return "unfinished"
    return "ready" if record.get("steps") == _digests(interpreter) else "outdated"


def problem(interpreter: Interpreter) -> str:
    """Return the problem of an interpreter that is not ready, as words that follow its name."""
    return _PROBLEMS[state(interpreter)]


def worker_python(entry: EnvironmentEntry) -> str | None:
    """Return the interpreter of an environment's workers; None for this one.

    Raises:
        MissingRequirement: The interpreter is not ready.
    """
    interpreter = entry.interpreter
    if interpreter is None:
        return None
    python = find(interpreter)
    if python is None:
        raise MissingRequirement(
            f"{entry.name} runs under the interpreter `{interpreter.name}`, which {problem(interpreter)}",
            f"vla-rl-bench env create {interpreter.name}",
        )
    return str(python)


def _python(place: Path) -> Path:
    return place / "bin" / "python"


def _read_record(place: Path) -> dict[str, Any]:
    """Return ``steps``, the digests of the installed requirements, and ``complete`` after the imports worked."""
    try:
        record: dict[str, Any] = read_json(place / _RECORD)
    except (OSError, ValueError):
        return {}
    return record


def _digests(interpreter: Interpreter) -> list[str]:
    """Return a digest per step; it changes with the file and with the way of installing it."""
    texts = [step.path.read_bytes() + str(step.dependencies).encode() for step in interpreter.requirements]
    return [hashlib.sha256(text).hexdigest()[:16] for text in texts]


# -- building


def build(interpreter: Interpreter, progress: Progress, base: str | None = None) -> Path:
    """Build an interpreter, or continue an earlier build; return its ``python``.

    Args:
        interpreter: The interpreter; nothing is done if it is ready.
        progress: Called with each step and its progress.
        base: The Python to build with; None to look for one.
    """
    place = folder(interpreter)
    if state(interpreter) == "ready":
        return _python(place)
    place.mkdir(parents=True, exist_ok=True)
    busy = f"env create {interpreter.name}: another process is building it in {place}"
    with exclusive_lock(place / "build.lock", busy), (place / "build.log").open("a") as log:
        if not _read_record(place):
            _check_space(interpreter)
            progress("venv", 0, 1)
            _make_venv(place, find_base(interpreter, base), log)
            write_json(place / _RECORD, {"steps": [], "complete": False})
        _install_all(interpreter, place, progress, log)
        progress("imports", 0, 1)
        _try_imports(interpreter, place)
        write_json(place / _RECORD, _read_record(place) | {"complete": True})
    return _python(place)


def find_base(interpreter: Interpreter, base: str | None = None) -> str:
    """Return `base` if its version fits; otherwise this Python, one on the PATH or one that uv knows."""
    versions = " or ".join(interpreter.python)
    if base is not None:
        version = _version(base)
        if version not in interpreter.python:
            problem = f"is Python {version}" if version else "does not run"
            raise UserError(f"--python: {base} {problem}; `{interpreter.name}` needs Python {versions}")
        return base
    for version in interpreter.python:
        for candidate in _candidates(version):
            if _version(candidate) == version:
                return candidate
    first = interpreter.python[0]
    raise UserError(
        f"env create {interpreter.name}: it needs Python {versions}, and none was found. Install one (uv python "
        f"install {first}; conda create -n python-{first} python={first}) and run: "
        f"vla-rl-bench env create {interpreter.name} --python /path/to/python{first}"
    )


def _candidates(version: str) -> Iterator[str]:
    yield sys.executable
    on_path = shutil.which(f"python{version}")
    if on_path:
        yield on_path
    if shutil.which("uv"):
        answer = subprocess.run(["uv", "python", "find", version], capture_output=True, text=True)
        if answer.returncode == 0:
            yield answer.stdout.strip()


def _version(python: str) -> str | None:
    """Return ``3.11``; None if it does not run, such as the stand-in of a version manager."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        answer = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None


def _check_space(interpreter: Interpreter) -> None:
    free = shutil.disk_usage(root()).free / _GIGABYTE
    if free < interpreter.gigabytes:
        raise UserError(
            f"env create {interpreter.name}: it takes {interpreter.gigabytes:g} GB, and {root()} has {free:.1f} GB "
            f"free. Make room, or set {VARIABLE} to a folder that has it"
        )


def _make_venv(place: Path, base: str, log: IO[str]) -> None:
    process = subprocess.run([base, "-m", "venv", str(place)], capture_output=True, text=True, env=_environment())
    output = process.stdout + process.stderr
    log.write(output)
    if process.returncode:
        last = "".join(output.strip().splitlines()[-1:])
        raise UserError(
            f"{base} cannot make a venv ({last}). Run: apt-get install python3-venv, or name another with --python"
        )


def _install_all(interpreter: Interpreter, place: Path, progress: Progress, log: IO[str]) -> None:
    """Install the steps after those that an earlier build finished; a changed step and all after it are repeated."""
    digests = _digests(interpreter)
    installed = _read_record(place).get("steps", [])
    finished = len(list(takewhile(lambda pair: pair[0] == pair[1], zip(installed, digests, strict=False))))
    write_json(place / _RECORD, {"steps": digests[:finished], "complete": False})
    for number, step in enumerate(interpreter.requirements[finished:], start=finished + 1):
        name = f"{number} of {len(digests)}: {step.path.stem}"
        _install(interpreter, step, place, partial(progress, name), log)
        write_json(place / _RECORD, {"steps": digests[:number], "complete": False})


_PIP = ("-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--retries", "2", "--timeout", "30")
_PACKAGE = ("Collecting ", "Processing ", "Requirement already satisfied", " + ")  # lines of pip, and of uv
_NO_NETWORK = (
    *("NewConnectionError", "name resolution", "ConnectTimeout", "Network is unreachable", "ProxyError"),  # pip
    *("client error (Connect)", "dns error", "operation timed out"),  # uv
)


def _install(
    interpreter: Interpreter, step: Requirements, place: Path, progress: Callable[[int, int], None], log: IO[str]
) -> None:
    """Install a step with uv if it is on the PATH, otherwise with pip."""
    total = sum(bool(line.strip()) and line[0] not in "#-" for line in step.path.read_text().splitlines())
    python, uv = str(_python(place)), shutil.which("uv")
    installer = [uv, "pip", "install", "--python", python] if uv else [python, *_PIP]
    options = ["--requirement", str(step.path)] + ([] if step.dependencies else ["--no-deps"])
    progress(0, total)
    process = subprocess.Popen(
        [*installer, *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=_environment()
    )
    packages, lines = 0, []
    for line in process.stdout or ():
        log.write(line)
        lines.append(line.strip())
        if line.startswith(_PACKAGE):
            packages += 1
            progress(min(packages, total), total)
    if process.wait():
        raise UserError(_install_error(interpreter, step, lines, Path(log.name), "UV" if uv else "PIP"))


def _install_error(interpreter: Interpreter, step: Requirements, lines: Sequence[str], log: Path, tool: str) -> str:
    repeat = f"What is done is kept; run the same command again: vla-rl-bench env create {interpreter.name}"
    if any(word in line for word in _NO_NETWORK for line in lines):
        return (
            f"env create {interpreter.name}: no package index could be reached. Connect, or name a mirror "
            f"({tool}_INDEX_URL) or a folder of wheels ({tool}_NO_INDEX=1 {tool}_FIND_LINKS=folder). {repeat}"
        )
    errors = [index for index, line in enumerate(lines) if line.startswith(("ERROR:", "error:", "× "))]
    error = " ".join(lines[errors[-1] :][:2]) if errors else f"{tool.lower()} failed"  # uv's second line is the cause
    return f"env create {interpreter.name}: {step.path.name}: {error} (the whole output: {log}). {repeat}"


def _try_imports(interpreter: Interpreter, place: Path) -> None:
    for name in interpreter.imports:
        command = [str(_python(place)), "-c", f"import {name}"]
        process = subprocess.run(command, capture_output=True, text=True, env=_environment())
        if process.returncode:
            last = (process.stderr.strip().splitlines() or [f"exit status {process.returncode}"])[-1]
            raise UserError(
                f"env create {interpreter.name}: `import {name}` fails there: {last}. `vla-rl-bench doctor` says what "
                "a machine needs; then run the same command again"
            )


def _environment() -> dict[str, str]:
    """Return our environment variables without those that would let that interpreter see our packages."""
    hidden = ("PYTHONPATH", "PYTHONHOME", "PIP_USER", "PIP_TARGET")
    return {name: value for name, value in os.environ.items() if name not in hidden} | {"PYTHONNOUSERSITE": "1"}
