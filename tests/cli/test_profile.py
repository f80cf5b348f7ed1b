"""``vla-rl-bench profile``: a table, a trace, and nothing recorded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vla_rl_bench.cli.main import main

SUITE = str(Path(__file__).parents[1] / "suite" / "small.yaml")


def test_profile_prints_shares_writes_a_trace_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["profile", SUITE, "--iterations", "2", "--out", "small.json", "rl.groups=2"]) == 0
    output = capsys.readouterr().out
    assert "2 iterations" in output and "the policy is untrained, and every group is kept" in output
    assert "wrote small.json: open it at https://ui.perfetto.dev" in output
    shares = {line.split()[0]: line.split()[2] for line in output.splitlines() if line.endswith("%")}
    assert {"policy", "update", "stepping", "waiting"} <= shares.keys()
    assert sum(float(share.rstrip("%")) for share in shares.values()) == pytest.approx(100, abs=0.5)
    events = json.loads((tmp_path / "small.json").read_text())["traceEvents"]
    assert [event["args"]["name"] for event in events if event["name"] == "process_name"] == ["trainer"]
    assert sum(event["name"] == "update" for event in events) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["small.json"]


def test_without_rl_there_is_nothing_to_profile(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    suite = tmp_path / "sft.yaml"
    text = Path(SUITE).read_text()
    suite.write_text(text[: text.index("  - name: sft-rl")] + text[text.index("evaluation:") : text.index("table: {")])
    assert main(["profile", str(suite), "--out", str(tmp_path / "no.json")]) == 2
    assert "has `rl`" in capsys.readouterr().err


def test_a_trace_that_cannot_be_written_is_rejected_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert main(["profile", SUITE, "--out", str(tmp_path / "file" / "small.json")]) == 2
    assert capsys.readouterr().err == f"--out: {tmp_path / 'file'}: File exists\n"


def test_another_format_is_rejected(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", SUITE, "--out", "timeline.png"]) == 2
    assert capsys.readouterr().err == "--out: timeline.png: a trace is a .json file. Write --out timeline.json\n"
