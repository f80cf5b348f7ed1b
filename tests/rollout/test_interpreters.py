"""Interpreters of workers: built in steps, kept, brought up to date, found."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from tests.plugins_in_hand import registering
from vla_rl_bench.catalog import Catalog
from vla_rl_bench.cli import env
from vla_rl_bench.entries import EnvironmentEntry, Interpreter, Requirements
from vla_rl_bench.errors import MissingRequirement, PluginError, UserError
from vla_rl_bench.rollout import interpreters

VERSION = "{}.{}".format(*sys.version_info)
WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def wheel(folder: Path, name: str, text: str = "") -> None:
    """Write the smallest distribution: one module."""
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as file:
        file.writestr(f"{name}.py", text)
        file.writestr(f"{name}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        file.writestr(f"{name}-1.0.dist-info/WHEEL", WHEEL)
        file.writestr(f"{name}-1.0.dist-info/RECORD", "")


@pytest.fixture
def interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Interpreter:
    """An interpreter of two steps, installed with pip from a folder of wheels."""
    monkeypatch.setenv("VLA_RL_BENCH_ENVIRONMENTS", str(tmp_path / "environments"))
    monkeypatch.setenv("PATH", "/nowhere")  # without uv
    for tool in ("PIP", "UV"):
        monkeypatch.setenv(f"{tool}_NO_INDEX", "1")
        monkeypatch.setenv(f"{tool}_FIND_LINKS", str(tmp_path))
    for name in ("first_package", "second_package"):
        wheel(tmp_path, name)
        (tmp_path / f"{name}.txt").write_text(f"# a comment\n{name}==1.0\n")
    first, second = tmp_path / "first_package.txt", tmp_path / "second_package.txt"
    steps = (Requirements(first), Requirements(second, dependencies=False))
    return Interpreter("small", "for a test", (VERSION,), steps, imports=("first_package", "second_package"))


@pytest.fixture(params=["pip", "uv"])
def installer(request: pytest.FixtureRequest, interpreter: Interpreter, monkeypatch: pytest.MonkeyPatch) -> str:
    """Put uv on the PATH, or leave it to pip."""
    if request.param == "uv":
        uv = pytest.importorskip("uv").find_uv_bin()
        monkeypatch.setenv("PATH", str(Path(uv).parent))
        monkeypatch.setenv("UV_CACHE_DIR", str(interpreter.requirements[0].path.parent / "cache"))
    return str(request.param)


class Steps(list[tuple[str, int, int]]):
    """The progress of a build."""

    def __call__(self, step: str, done: int, total: int) -> None:
        self.append((step, done, total))


def can_import(python: Path, module: str) -> bool:
    return subprocess.run([str(python), "-c", f"import {module}"], capture_output=True).returncode == 0


@pytest.mark.slow
@pytest.mark.usefixtures("installer")
def test_build_makes_an_interpreter_that_find_returns(interpreter: Interpreter) -> None:
    assert interpreters.state(interpreter) == "missing"
    assert interpreters.find(interpreter) is None
    steps = Steps()
    python = interpreters.build(interpreter, steps)
    assert interpreters.find(interpreter) == python
    assert can_import(python, "second_package")
    assert not can_import(python, "numpy"), "it must not see the packages of this interpreter"
    assert ("1 of 2: first_package", 1, 1) in steps and ("2 of 2: second_package", 1, 1) in steps
    steps.clear()
    assert interpreters.build(interpreter, steps) == python
    assert steps == []


@pytest.mark.slow
def test_build_repeats_no_finished_step_after_a_failure(
    interpreter: Interpreter, tmp_path: Path, installer: str
) -> None:
    second = tmp_path / "second_package-1.0-py3-none-any.whl"
    second.rename(tmp_path / "away")
    with pytest.raises(UserError, match=r"run the same command again: vla-rl-bench env create small") as error:
        interpreters.build(interpreter, Steps())
    cause = {
        "pip": "second_package.txt: ERROR: No matching distribution found for second_package==1.0",
        "uv": "second-package was not found",
    }
    assert cause[installer] in str(error.value) and "\n" not in str(error.value)
    assert interpreters.state(interpreter) == "unfinished"
    (tmp_path / "away").rename(second)
    steps = Steps()
    interpreters.build(interpreter, steps)
    assert {step for step, _, _ in steps} == {"2 of 2: second_package", "imports"}


@pytest.mark.slow
def test_build_updates_after_a_change_of_the_requirements(interpreter: Interpreter, tmp_path: Path) -> None:
    interpreters.build(interpreter, Steps())
    wheel(tmp_path, "third_package")
    (tmp_path / "second_package.txt").write_text("second_package==1.0\nthird_package==1.0\n")
    assert interpreters.state(interpreter) == "outdated"
    steps = Steps()
    python = interpreters.build(interpreter, steps)
    assert can_import(python, "third_package")
    assert not any(step.startswith("1 of 2") for step, _, _ in steps), "the first step did not change"


@pytest.mark.slow
def test_build_fails_if_an_import_fails(interpreter: Interpreter, tmp_path: Path) -> None:
    wheel(tmp_path, "second_package", "raise ImportError('libGL.so.1 is missing')")
    with pytest.raises(UserError, match=r"`import second_package` fails there: ImportError: libGL"):
        interpreters.build(interpreter, Steps())
    assert interpreters.state(interpreter) == "unfinished"


@pytest.mark.slow
def test_build_without_a_network_names_the_settings_of_a_mirror(
    interpreter: Interpreter, installer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for tool in ("PIP", "UV"):
        monkeypatch.delenv(f"{tool}_NO_INDEX")
        monkeypatch.delenv(f"{tool}_FIND_LINKS")
        monkeypatch.setenv(f"{tool}_INDEX_URL", "http://127.0.0.1:9/simple")  # no server is there
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with pytest.raises(UserError, match="no package index could be reached") as error:
        interpreters.build(interpreter, Steps())
    assert f"{installer.upper()}_INDEX_URL" in str(error.value) and "\n" not in str(error.value)


def test_worker_python_names_the_command_that_builds_it(interpreter: Interpreter) -> None:
    entry = EnvironmentEntry("pins", "", "a:b", ("s",), interpreter=interpreter)
    with pytest.raises(MissingRequirement, match=r"has not been built\. Run: vla-rl-bench env create small"):
        interpreters.worker_python(entry)
    assert interpreters.worker_python(replace(entry, interpreter=None)) is None


def test_find_knows_an_interpreter_of_the_previous_release(interpreter: Interpreter) -> None:
    """The folder, the record and its digests are as that release wrote them."""
    place = interpreters.root() / "small"
    (place / "bin").mkdir(parents=True)
    (place / "bin" / "python").touch()
    record = '{\n  "steps": [\n    "1593bc6e4f0ee526",\n    "ec92a14690cb7642"\n  ],\n  "complete": true\n}\n'
    (place / "vla-rl-bench.json").write_text(record)
    assert interpreters.find(interpreter) == place / "bin" / "python"


def test_build_needs_room_on_the_disk(interpreter: Interpreter) -> None:
    with pytest.raises(UserError, match=r"it takes 1e\+09 GB"):
        interpreters.build(replace(interpreter, gigabytes=1e9), Steps())


def test_find_base_rejects_a_wrong_version(interpreter: Interpreter) -> None:
    older = replace(interpreter, python=("2.7",))
    with pytest.raises(UserError, match=rf"is Python {VERSION}; `small` needs Python 2\.7"):
        interpreters.find_base(older, sys.executable)
    with pytest.raises(UserError, match="does not run"):
        interpreters.find_base(older, "/nowhere/python")


def test_find_base_says_how_to_install_a_python(interpreter: Interpreter) -> None:
    with pytest.raises(UserError, match=r"needs Python 2\.7, and none was found.*--python /path/to/python2\.7"):
        interpreters.find_base(replace(interpreter, python=("2.7",)))


def test_env_knows_an_interpreter_by_its_environments(interpreter: Interpreter) -> None:
    entries = [EnvironmentEntry(name, "", "a:b", ("s",), interpreter=interpreter) for name in ("lift", "push")]
    catalog = Catalog.of(mine=registering(register_environments=entries))
    assert env.named_interpreter(catalog, "small") is env.named_interpreter(catalog, "push") is interpreter
    assert env.interpreters_by_name(catalog) == {"small": (interpreter, ["lift", "push"])}
    with pytest.raises(PluginError, match="Did you mean `small`"):
        env.named_interpreter(catalog, "smal")


def test_catalog_rejects_an_interpreter_for_a_batched_environment(interpreter: Interpreter) -> None:
    entry = EnvironmentEntry("many", "", "a:b", ("s",), batched=True, interpreter=interpreter)
    catalog = Catalog.of(mine=registering(register_environments=[entry]))
    assert "runs in the trainer's interpreter" in str(catalog.plugins[0].error)


def test_old_module_path_works_with_a_warning() -> None:
    code = "from vla_rl_bench import interpreters; print(interpreters.find, interpreters.trouble)"
    command = [sys.executable, "-W", "always::DeprecationWarning", "-c", code]
    process = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "use vla_rl_bench.rollout.interpreters" in process.stderr
