"""The command line as people use it: exit codes, one line for a mistake, and looking around."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.config.suites import SUITE, changed, line_of
from vla_rl_bench import __version__
from vla_rl_bench.cli.main import main
from vla_rl_bench.config.load import load_suite
from vla_rl_bench.config.overrides import as_dict

HEAVY = {"torch", "pandas", "matplotlib", "gymnasium", "mujoco", "robosuite", "imageio", "scipy"}


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SUITE)
    return path


def mistake(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """Run what must fail for its input -> the one line that says so."""
    assert main(argv) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "Traceback" not in printed.err
    assert len(printed.err.splitlines()) == 1
    return printed.err.rstrip("\n")


# -- ten wrong inputs: a suite's bytes, the line, what is said

TEN: dict[str, tuple[bytes, int, str]] = {}


def wrong(name: str, old: str, new: str, place: str, said: str) -> None:
    text = changed(old, new)
    TEN[name] = (text.encode(), line_of(text, place), said)


wrong("unknown key", "seeds: [0, 1]", "seed: [0, 1]", "seed:", "seed: unknown key. Did you mean `seeds`?")
wrong("wrong type", "steps: 10", "steps: ten", "steps:", 'Input should be a valid integer, got `"ten"`')
wrong("missing file", "name: small", "name: small\nextends: nowhere.yaml", "extends", "extends: no such file: ")
wrong("unknown plugin", "{name: nano}", "{name: nanoo}", "nanoo", "unknown policy `nanoo`. Did you mean `nano`?")
wrong("negative temperature", "value: 1.6", "value: -1.6", "value:", "value: must be above 0, got -1.6")
wrong(
    "group size 1",
    "group_size: 8",
    "group_size: 1",
    "group_size",
    "group_size: Input should be greater than or equal to 2, got `1`",
)
wrong("empty seeds", "seeds: [0, 1]", "seeds: []", "seeds", "seeds: List should have at least 1 item, not 0")
wrong("tab", "      groups: 4", "\tgroups: 4", "\t", "a tab; YAML indents with spaces. Replace the tab by spaces")
wrong("python tag", "name: small", "name: !!python/name:os.system", "name", "write a plain value, without a tag")
TEN["binary file"] = (b"name: x\n\x7fELF\x02\x00\x00", 2, "a control character; a suite is a YAML text file")


@pytest.mark.parametrize("command", ["validate", "run", "show"])
@pytest.mark.parametrize("name", TEN)
def test_a_wrong_suite_is_answered_by_file_line_and_remedy(
    name: str, command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content, line, said = TEN[name]
    path = tmp_path / "wrong.yaml"
    path.write_bytes(content)
    found = mistake(capsys, command, str(path))
    assert found.startswith(f"{path}:{line}: ")
    assert said in found


@pytest.mark.parametrize("command", ["validate", "ablate"])
def test_a_wrong_axis_in_a_suite_is_answered_by_its_line(
    command: str, suite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite.write_text(suite.read_text() + 'ablate: {axes: ["tricks.temprature.value=1.0,1.6"]}\n')
    line = len(suite.read_text().splitlines())
    found = mistake(capsys, command, str(suite))
    assert found.startswith(f"{suite}:{line}: ablate.axes.0: tricks.temprature.value=1.0: no item `temprature` in")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["run", "small.yam"], "small.yam: no such suite file. Did you mean `small.yaml`?"),
        (["run", "small.yaml", "tricks.temprature=off"], "command line: tricks.temprature: no item `temprature` in "
         "`tricks`. Did you mean `temperature`?"),
        (["run", "small.yaml", "--seeds", "0,x"], "command line: seeds.1: Input should be a valid integer, "
         'got `"x"`'),
        (["run", "small.yaml", "--seeds", ""], "command line: seeds: List should have at least 1 item, not 0"),
        (["run"], "Missing argument 'SUITE'. See: vla-rl-bench run --help"),
        (["run", "small.yaml", "--limit", "0"], None),
        (["run", "small.yaml", "--frobnicate"], None),
        (["frobnicate"], "No such command 'frobnicate'. See: vla-rl-bench --help"),
        (["ablate", "small.yaml"], "small.yaml: ablate: nothing to vary; write --axis KEY=VALUE,VALUE, or `ablate: "
         "{axes: [...]}` in the suite"),
        (["ablate", "small.yaml", "--axis", "tricks.temprature=on,off"], "command line: tricks.temprature: no item "
         "`temprature` in `tricks`. Did you mean `temperature`?"),
        (["list", "trick"], "unknown kind `trick`. Did you mean `tricks`?"),
        (["show", "tempratur"], "nothing is called `tempratur`. Did you mean `temperature`?"),
        (["show", "temperature", "value=1"], "value=1: `temperature` is not a suite; only a suite takes changes"),
        (["tables", "--format", "latx"], "unknown table format `latx`. Did you mean `latex`?"),
    ],
)  # fmt: skip
def test_a_wrong_command_line_is_answered_by_one_line(
    argv: list[str],
    said: str | None,
    suite: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(suite.parent)
    found = mistake(capsys, *argv)
    if said is not None:
        assert found == said


def test_validate_names_the_sound_and_the_wrong(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = suite.with_name("other.yaml")
    other.write_text(changed("seeds: [0, 1]", "seeds: []"))
    assert main(["validate", str(suite), str(other)]) == 2
    printed = capsys.readouterr()
    assert printed.out == f"{suite}: ok, 8 runs\n"  # 2 arms, 2 columns, 2 seeds
    assert printed.err.startswith(f"{other}:6: seeds: ")


# -- looking around


def test_list_has_every_built_in_entry_under_its_kind(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    blocks = {block.splitlines()[0]: block for block in capsys.readouterr().out.split("\n\n")}
    for kind, name in {"environments": "tabletop", "policies": "nano", "tricks": "clip-range"}.items():
        assert f"\n  {name} " in blocks[kind]
    assert main(["list", "tricks"]) == 0
    assert capsys.readouterr().out.rstrip() == blocks["tricks"].rstrip()


def test_show_tells_options_defaults_hooks_and_provenance(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "temperature"]) == 0
    printed = capsys.readouterr().out
    assert f"from vla-rl-bench {__version__} (vla_rl_bench.builtin.plugin)" in printed
    assert "hooks: sampling_params" in printed
    assert "value: float = 1.6" in printed


def test_show_gives_a_function_its_documentation(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "grpo"]) == 0
    assert "arXiv 2402.03300" in capsys.readouterr().out


def test_show_prints_a_suite_that_is_the_same_suite(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(suite), "tricks.temperature.value=1.2"]) == 0
    printed = capsys.readouterr().out
    again = suite.with_name("again.yaml")
    again.write_text(printed)
    assert as_dict(load_suite(again)) == as_dict(load_suite(suite, ["tricks.temperature.value=1.2"]))
    assert list(YAML(typ="safe").load(printed))[:2] == ["name", "title"]  # in the schema's order


def test_a_dry_run_runs_nothing(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = suite.parent / "runs"
    assert main(["run", str(suite), "--dry-run", "--out", str(out), "--seeds", "3"]) == 0
    assert "4 runs, 0 complete; nothing was run" in capsys.readouterr().out  # 2 arms, 2 columns, 1 seed
    assert not out.exists()


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"vla-rl-bench {__version__}\n"
    assert main([]) == 0
    bare = capsys.readouterr().out
    assert main(["--help"]) == 0
    assert capsys.readouterr().out == bare
    assert "vla-rl-bench run suites/quickstart.yaml" in bare


# -- in a process of its own, beside other distributions

SHELL = "import sys; from vla_rl_bench.cli.main import main; sys.exit(main())"


def shell(*argv: str, path: Path | None = None, code: str = SHELL) -> subprocess.CompletedProcess[str]:
    environment = os.environ | ({"PYTHONPATH": str(path)} if path else {})
    command = [sys.executable, "-c", code, *argv]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, preexec_fn=_hear_interrupts
    )


def _hear_interrupts() -> None:
    """As in a terminal: a background job's children inherit that interrupts are ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def distribution(folder: Path, name: str, code: str) -> None:
    """What pip leaves behind: a module, and metadata with an entry point."""
    (folder / f"{name}_module.py").write_text(code)
    about = folder / f"{name}_dist-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-dist\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[vla_rl_bench]\n{name} = {name}_module\n")


ADVANTAGE = """
from vla_rl_bench import entries
from vla_rl_bench.hookspecs import hookimpl

@hookimpl
def register_advantages():
    yield entries.AdvantageEntry("twice", "", "m:f")
"""
CHECK = """
from vla_rl_bench import entries
from vla_rl_bench.hookspecs import hookimpl

@hookimpl
def register_checks():
    yield entries.CheckEntry("gl", lambda: [entries.CheckResult(False, "no libEGL", "apt-get install libegl1")])
    yield entries.CheckEntry("raises", lambda: 1 / 0)

@hookimpl
def register_commands(app):
    @app.command()
    def interrupt() -> None:
        import os, signal, time
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(9)
"""


@pytest.mark.parametrize("argv", [["--help"], ["list"], ["plugins"], ["show", "temperature"], ["run", "--help"]])
def test_looking_around_imports_nothing_slow(argv: list[str]) -> None:
    code = (
        "import sys; from vla_rl_bench.cli.main import main; main();"
        f"print(*({HEAVY} & sys.modules.keys()), file=sys.stderr)"
    )
    found = shell(*argv, code=code)
    assert found.returncode == 0
    assert found.stderr.strip() == ""


def test_a_wrong_suite_is_answered_before_anything_slow_is_imported(suite: Path) -> None:
    suite.write_text(changed("seeds: [0, 1]", "seeds: []"))
    code = f"import sys; from vla_rl_bench.cli.main import main; main(); print(*({HEAVY} & sys.modules.keys()))"
    for argv in (["run", str(suite)], ["ablate", str(suite), "--axis", "rl.groups=1,2"]):
        assert shell(*argv, code=code).stdout.strip() == ""


def test_plugins_lists_the_broken_and_the_clashing_and_both_stop_nothing(tmp_path: Path) -> None:
    distribution(tmp_path, "alpha", ADVANTAGE)
    distribution(tmp_path, "beta", ADVANTAGE)
    distribution(tmp_path, "wreck", "raise OSError('no such driver')")
    found = shell("plugins", path=tmp_path)
    assert found.returncode == 0
    state = {line.split()[0]: line for line in found.stdout.splitlines()}
    assert state["wreck"].endswith("broken: OSError: no such driver")
    assert state["builtin"].endswith("ok")
    assert state["alpha"].split()[1:3] == ["alpha-dist", "1.0"]
    assert (
        "clash: advantage `twice` is registered by alpha-dist (alpha_module) and beta-dist (beta_module)."
        in found.stdout
    )
    listed = shell("list", "tricks", path=tmp_path)
    assert (listed.returncode, "temperature" in listed.stdout) == (0, True)
    assert listed.stderr == "broken plugins: wreck; see: vla-rl-bench plugins\n"


def test_an_unused_plugin_changes_nothing_and_a_clash_stops_who_names_it(suite: Path, tmp_path: Path) -> None:
    alone = shell("show", str(suite))
    beside = tmp_path / "beside"
    beside.mkdir()
    for name in ("alpha", "beta"):
        distribution(beside, name, ADVANTAGE)
    assert shell("show", str(suite), path=beside).stdout == alone.stdout != ""
    named = shell("run", str(suite), "--dry-run", "rl.advantage=twice", path=beside)
    assert named.returncode == 2
    key = "command line: arms.sft-rl.rl.advantage"
    assert named.stderr.startswith(f"{key}: advantage `twice` is registered by alpha-dist (alpha_module) and beta-dist")


def test_doctor_fails_with_what_to_type(tmp_path: Path) -> None:
    distribution(tmp_path, "probe", CHECK)
    found = shell("doctor", path=tmp_path)
    assert found.returncode == 1
    lines = found.stdout.splitlines()
    assert lines[lines.index("FAIL  gl: no libEGL") + 1].strip() == "Run: apt-get install libegl1"
    assert any(line.startswith("FAIL  raises: ") and "ZeroDivisionError" in line for line in lines)
    assert any(line.startswith("ok    torch: torch ") for line in lines)


def test_an_interrupt_is_130_and_says_how_to_go_on(tmp_path: Path) -> None:
    distribution(tmp_path, "probe", CHECK)
    found = shell("interrupt", path=tmp_path)
    assert (found.returncode, found.stderr) == (130, "interrupted; run the same command again to resume\n")


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    command = f"'{sys.executable}' -c '{SHELL}' list | true"
    found = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert found.stderr == ""
