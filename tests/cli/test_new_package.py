"""`vla-rl-bench new`: what is refused, and what is written."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vla_rl_bench.cli.main import main
from vla_rl_bench.cli.new_package import KINDS, MAX_LENGTH, Names, render

RUFF = Path(sys.executable).with_name("ruff")
SHORT, LONG = "a", "abcdefghi-klmnop-rstuvwx"


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """-> the one line that says why."""
    assert main(["new", *words]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and len(printed.err.splitlines()) == 1
    return printed.err


@pytest.mark.parametrize(
    "name", ["Reach", "1st", "my_robot", "my robot", "-x", "x-", "a--b", "", "é", "x" * 25, "../x"]
)
def test_a_name_that_cannot_be_is_refused(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "such as `my-robot`" in refused(capsys, "environment", "--into", str(tmp_path), "--", name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        ("environment", "tabletop", "vla-rl-bench registers it under environments"),
        ("policy", "nano", "vla-rl-bench registers it under policies"),
        ("trick", "temperature", "vla-rl-bench registers it under tricks"),
        ("enviroment", "reach", "Did you mean `environment`?"),
    ],
)
def test_what_is_taken_or_unknown_is_refused(
    kind: str, name: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in refused(capsys, kind, name, "--into", str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there = tmp_path / "vla-rl-bench-reach"
    there.mkdir()
    (there / "precious").write_text("mine")
    assert "exists already" in refused(capsys, "environment", "reach", "--into", str(tmp_path))
    assert [path.name for path in there.iterdir()] == ["precious"]


def test_into_must_be_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert "is not a folder" in refused(capsys, "trick", "reach", "--into", str(tmp_path / "file"))


@pytest.mark.parametrize("kind", KINDS)
def test_everything_is_written_and_named(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", kind, "my-robot", "--into", str(tmp_path / "deep" / "er")]) == 0
    folder = tmp_path / "deep" / "er" / "vla-rl-bench-my-robot"
    written = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert written == set(render(KINDS[kind], Names("my-robot")))
    assert {"pyproject.toml", "README.md", f"tests/test_{kind}.py", "vla_rl_bench_my_robot/plugin.py"} <= written
    said = capsys.readouterr().out
    assert all(str(folder / path) in said for path in written)
    assert "pytest && vla-rl-bench run my-robot" in said
    assert [path.name for path in folder.parent.iterdir()] == ["vla-rl-bench-my-robot"], "nothing half-made is left"


def test_names_follow_from_the_name() -> None:
    names = Names("my-robot-2")
    assert names.package == "vla_rl_bench_my_robot_2"
    assert (names.distribution, names.type, names.identifier) == ("vla-rl-bench-my-robot-2", "MyRobot2", "my_robot_2")


@pytest.mark.skipif(not RUFF.exists(), reason="needs ruff. Run: pip install -e '.[dev]'")
def test_what_is_written_is_clean_however_long_the_name(tmp_path: Path) -> None:
    assert len(LONG) == MAX_LENGTH
    for name in (SHORT, LONG):
        for kind in KINDS:
            assert main(["new", kind, name, "--into", str(tmp_path / kind)]) == 0
    for command in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
        found = subprocess.run([RUFF, *command, tmp_path], capture_output=True, text=True, check=False)
        assert found.returncode == 0, found.stdout


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("mypy", path=str(RUFF.parent)) is None, reason="needs mypy. Run: pip install -e '.[dev]'"
)
def test_types_are_strict(tmp_path: Path) -> None:
    """In one call, since reading torch's own types takes longest."""
    for kind in KINDS:
        assert main(["new", kind, f"typed-{kind}", "--into", str(tmp_path)]) == 0
    folders = [next(path for path in one.iterdir() if path.name.startswith("vla_")) for one in tmp_path.iterdir()]
    found = subprocess.run(
        [RUFF.with_name("mypy"), "--config-file", Path(__file__).parents[2] / "pyproject.toml", *folders],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert found.returncode == 0, found.stdout
