"""Changed values of a suite have outputs of their own; nothing of another recipe is overwritten."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from vla_rl_bench.analysis.outputs import ablate, run
from vla_rl_bench.catalog import discover
from vla_rl_bench.cli.main import main
from vla_rl_bench.files import read_json
from vla_rl_bench.records.frame import run_folders
from vla_rl_bench.suite.session import open_recorded

SMALL = Path(__file__).parent / "small.yaml"
COLD = "tricks.temperature.value=1.0"
ARMS = """\
arms:
  - {name: sft, sft: {steps: 2}}
  - {name: sft-rl, rl: {iterations: 1, groups: 1, group_size: 2, minibatch: 2, curve: {every: 1, per_task: 1}}}
evaluation: {per_task: 2, sampling: [greedy]}
"""


def written(folder: Path) -> dict[str, bytes]:
    """Everything in a folder of outputs but runs and other recipes."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    others = ("runs", "demonstrations", "changed", "earlier")
    found = {path.relative_to(folder): path.read_bytes() for path in paths}
    return {str(path): data for path, data in found.items() if path.parts[0] not in others}


def policies(folder: Path) -> dict[str, int]:
    return {path.name: (path / "policy.safetensors").stat().st_mtime_ns for path in run_folders(folder)}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(f"extends: {SMALL}\nname: tiny\ntitle: Tiny\n{ARMS}")
    return path


@pytest.fixture(scope="module")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("once")
    (place / "tiny.yaml").write_text(f"extends: {SMALL}\nname: tiny\ntitle: Tiny\n{ARMS}")
    return run(place / "tiny.yaml", out=place / "runs", jobs=1)


@pytest.fixture
def folder(_folder: Path, tmp_path: Path) -> Path:
    """The folder of the suite as its file says, to be changed."""
    return Path(shutil.copytree(_folder, tmp_path / "runs" / "tiny"))


def printed(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[str, str]:
    capsys.readouterr()
    assert main([str(word) for word in words]) == 0
    captured = capsys.readouterr()
    return captured.out, captured.err


def refused(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    capsys.readouterr()
    assert main([str(word) for word in words]) == 2
    return capsys.readouterr().err


def test_run_writes_changed_values_to_a_folder_of_their_own(
    folder: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = written(folder)
    assert set(before) >= {"suite.json", "table.md", "table.tex", "tables/tiny.tex", "curves.png", "before_after.gif"}
    changed = run(file, [COLD], out=folder.parent, jobs=1)
    assert changed == folder / "changed" / COLD
    assert written(folder) == before
    assert {name.replace(f"-{COLD}", "") for name in written(changed)} == set(before)
    assert not (changed / "runs").exists()
    assert len(run_folders(folder)) == 3, "the fine-tuned policy is shared"
    table, tex = (changed / "table.md").read_text(), (changed / "table.tex").read_text()
    assert f"**Tiny, with {COLD}**" in table
    assert "| SFT + RL, temperature.value=1.0 |" in table and "| SFT  " in table
    assert f"Changed from the suite file: {COLD} (1.6 in the file)." in table
    assert rf"\label{{tab:tiny:{COLD}}}" in tex
    assert (changed / "curves.png").read_bytes() != (folder / "curves.png").read_bytes()

    trained = policies(folder)
    assert run(file, [COLD], out=folder.parent, jobs=1) == changed
    assert run(file, ["tricks.temperature.value=1.6", "runtime.threads=2"], out=folder.parent, jobs=1) == folder
    assert policies(folder) == trained
    assert {**written(folder), "suite.json": b""} == {**before, "suite.json": b""}  # it records the runtime

    out, told = printed(capsys, "tables", "tiny", "--out", folder.parent)
    assert out == printed(capsys, "tables", file, "--out", folder.parent)[0]
    assert "temperature" not in out
    assert f"  vla-rl-bench tables {changed}\n" in told
    out, told = printed(capsys, "tables", changed)
    assert f"**Tiny, with {COLD}**" in out and "Changed from the suite file" in out and told == ""
    assert printed(capsys, "tables", file, COLD, "--out", folder.parent)[0] == out
    assert f"**Tiny, with {COLD}**" in printed(capsys, "tables", next(folder.glob("runs/sft-rl*")))[0] or (
        f"**Tiny, with {COLD}**" in printed(capsys, "tables", sorted(folder.glob("runs/sft-rl*"))[1])[0]
    )

    printed(capsys, "report", changed, "--films", "0")
    assert f"<title>Tiny, with {COLD}" in (changed / "report.html").read_text()
    assert not (folder / "report.html").exists()
    out, _ = printed(capsys, "compare", "tiny:sft-rl", f"{changed}:sft-rl", "--out", folder.parent)
    assert "SFT + RL, temperature.value=1.0" in out


def test_run_records_another_evaluation_beside_the_first(
    folder: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, trained = written(folder), policies(folder)
    out, _ = printed(capsys, "tables", "tiny", "--out", folder.parent, "--counts")
    changed = run(file, ["evaluation.per_task=3"], out=folder.parent, jobs=1)
    assert (written(folder), policies(folder)) == (before, trained)
    assert printed(capsys, "tables", "tiny", "--out", folder.parent, "--counts")[0] == out
    assert "/8 [" in out and "2 held-out starts a task." in out
    table = (changed / "table.md").read_text()
    assert "/12 [" in table and "3 held-out starts a task." in table
    assert "| SFT  " in table, "its runs are those of the file"
    again = run(file, out=folder.parent, jobs=1)
    assert (written(again), policies(folder)) == (before, trained)


def test_run_of_an_edited_file_keeps_earlier_outputs(
    folder: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = written(folder)
    file.write_text(file.read_text() + "seeds: [0]\n")
    run(file, out=folder.parent, jobs=1)
    assert written(folder) == before, "nothing has changed"
    file.write_text(file.read_text().replace("steps: 2", "steps: 3"))
    run(file, out=folder.parent, jobs=1)
    earlier = folder / "earlier" / "sft.steps=2"
    kept = written(earlier)
    assert kept.pop("suite.json") != before.pop("suite.json")
    assert kept == before
    assert (folder / "table.md").is_file()
    out, told = printed(capsys, "tables", "tiny", "--out", folder.parent)
    assert "steps" not in out
    assert f"  vla-rl-bench tables {earlier}\n" in told
    assert "**Tiny, with sft.steps=2**" in printed(capsys, "tables", earlier)[0]


def test_run_of_an_edited_file_keeps_earlier_outputs_of_changed_values(
    folder: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = run(file, [COLD], out=folder.parent, jobs=1)
    before = (changed / "table.md").read_bytes()
    file.write_text(file.read_text().replace("steps: 2", "steps: 3"))
    run(file, [COLD], out=folder.parent, jobs=1)
    earlier = changed / "earlier" / "sft.steps=2"
    assert (earlier / "table.md").read_bytes() == before
    assert f"**Tiny, with {COLD}, sft.steps=2**" in printed(capsys, "tables", earlier)[0]


def test_run_of_a_file_with_more_seeds_replaces_outputs(folder: Path, file: Path) -> None:
    file.write_text(file.read_text().replace("title: Tiny", "title: Tiny, two seeds") + "seeds: [0, 1]\n")
    run(file, out=folder.parent, jobs=1)
    assert "**Tiny, two seeds**" in (folder / "table.md").read_text()
    assert not (folder / "earlier").exists()
    file.write_text(file.read_text().replace("seeds: [0, 1]", "seeds: [0]"))
    run(file, out=folder.parent, jobs=1)
    assert "**Tiny, two seeds**" in (folder / "earlier" / "seeds=0,1" / "table.md").read_text()


def test_tables_titles_a_run_without_a_record_by_its_id(
    folder: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(run(file, [COLD], out=folder.parent, jobs=1))
    recorded = read_json(folder / "suite.json")["runs"]
    [path] = [path for path in run_folders(folder) if path.name not in recorded]
    assert f"**{path.name}, of a recipe that is not recorded here**" in printed(capsys, "tables", path)[0]


def test_run_with_a_limit_replaces_no_record(folder: Path, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = written(folder)
    run(file, out=folder.parent, limit=1, jobs=1)
    assert written(folder) == before
    changed = run(file, [COLD], out=folder.parent, limit=1, jobs=1)
    assert set(written(changed)) == {"suite.json"}
    assert printed(capsys, "tables", "tiny", "--out", folder.parent)[1] == "", "there is nothing to print"


def test_commands_name_changed_recipes_of_a_suite_without_others(
    tmp_path: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "runs"
    changed = run(file, [COLD, f"environment.python={sys.executable}"], out=out, jobs=1)
    assert not (out / "tiny" / "suite.json").exists()
    sessions = [open_recorded(path, discover()) for path in run_folders(out / "tiny")]
    assert {session.suite.environment.python for session in sessions} == {sys.executable}
    assert f"  vla-rl-bench tables {changed}\n" in refused(capsys, "tables", "--out", out)
    for command, name in (("tables", "tiny"), ("report", str(out / "tiny"))):
        said = refused(capsys, command, name, *(["--out", out] if command == "tables" else []))
        assert "only run with changed values; name one of these" in said and f"  {changed}\n" in said
    said = refused(capsys, "compare", "tiny:sft", "tiny:sft-rl", "--out", out)
    assert f"{changed}:sft" in said


def test_ablate_keeps_outputs_of_other_recipes(folder: Path, file: Path) -> None:
    axes = ["tricks.clip-range=off"]
    assert ablate(file, axes, out=folder.parent, jobs=1) == folder
    before = written(folder)
    changed = ablate(file, axes, [COLD], out=folder.parent, jobs=1)
    assert changed == folder / "changed" / COLD
    assert written(folder) == before
    table = (changed / "ablation.md").read_text()
    assert f"**Tiny: ablation, with {COLD}**" in table
    assert "| SFT + RL, temperature.value=1.0 " in table
    assert "| SFT + RL, temperature.value=1.0, clip-range=off |" in table
    assert f"Changed from the suite file: {COLD}" in table
    assert read_json(changed / "ablation.json")["changes"][0]["value"] == "1.0"
    other = ablate(file, ["tricks.dynamic-sampling=off"], out=folder.parent, jobs=1)
    [earlier] = (folder / "earlier").iterdir()
    assert (earlier / "ablation.md").read_bytes() == before["ablation.md"]
    assert (other / "table.md").read_bytes() == before["table.md"], "what `run` wrote stays"
