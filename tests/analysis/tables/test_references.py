"""Published numbers that a suite file names stand beside its own table, and change no run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.analysis.statistics.made_up import made_up_source, made_up_suite, run_ids, write_suite
from vla_rl_bench.analysis.tables.reference_rows import check_reference_tables
from vla_rl_bench.analysis.tables.report import write_report
from vla_rl_bench.catalog import discover
from vla_rl_bench.cli.main import main
from vla_rl_bench.config.load import load_suite
from vla_rl_bench.config.schema import Suite
from vla_rl_bench.errors import UserError
from vla_rl_bench.suite.plan import plan

ROOT = Path(__file__).parents[3]
TABLE3 = ["block_hammer_beat", "block_handover", "blocks_stack_easy", "shoe_place"]
TABLE = {"average": True, "delta": [["sft-rl", "sft"]]}


def suite_of(environment: str, columns: list[str], *references: str, **changes: Any) -> Suite:
    table = TABLE | {"references": list(references)}
    return made_up_suite(environment={"name": environment}, columns=columns, table=table, **changes)


def measured(folder: Path, suite: Suite) -> Path:
    write_suite(folder, suite, lambda *_: True)
    record = suite.model_dump(mode="json", by_alias=True) | {"runs": run_ids(suite), "limited": False}
    (folder / "suite.json").write_text(json.dumps(record))
    return folder


def printed(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main(["tables", *map(str, arguments)]) == 0
    return capsys.readouterr().out


def test_reference_adds_table_3_to_its_suite(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert list(load_suite(ROOT / "suites" / "paper" / "table3.yaml", ()).columns) == TABLE3
    text = printed(capsys, measured(tmp_path, suite_of("robotwin1", TABLE3)), "--reference", "paper-3")
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    assert lines[0][1:] == ["Hammer Beat", "Block Handover", "Blocks Stack", "Shoe Place", "Avg"]
    assert lines[-1][1:] == ["92.6", "89.6", "40.2", "59.3", "70.4"]
    assert lines[2][0] == "*Measured here*"


def test_suite_references_are_in_report_and_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    suite = suite_of("robotwin1", TABLE3, "paper-3")
    folder = measured(tmp_path, suite)
    assert "Published: SimpleVLA-RL, table 3" in printed(capsys, folder)
    first, *_ = write_report(made_up_source(folder, suite))
    assert "Published: SimpleVLA-RL, table 3" in first.read_text()


def test_reference_option_replaces_suite_references(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = measured(tmp_path, suite_of("libero", ["libero_10"], "paper-2"))
    text = printed(capsys, folder, "--reference", "libero")
    assert "Published: SimpleVLA-RL, table 2" not in text and "Published" in text


def test_extra_evaluation_has_no_published_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are of the main one: other starts, other figures."""
    extra = {"name": "train", "per_task": 2, "starts": "training", "sampling": ["greedy"]}
    folder = measured(tmp_path, suite_of("libero", ["libero_10"], "paper-2", extra_evaluations=[extra]))
    assert "Published" not in printed(capsys, folder, "--evaluation", "train")


def test_table_of_a_run_has_no_published_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    suite = suite_of("libero", ["libero_10"], "paper-2")
    assert "Published" not in printed(capsys, measured(tmp_path, suite) / "runs" / run_ids(suite)[0])


def test_references_change_no_run_id() -> None:
    catalog = discover()
    ids = [
        [run.id for run in plan(load_suite(ROOT / "suites" / "smoke.yaml", changes, catalog), catalog)]
        for changes in ((), ("table.references=[paper-2]",))
    ]
    assert ids[0] == ids[1]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("paper-12",), "table.references: `paper-12`: no published numbers of that name. Did you mean `paper-2`?"),
        (("libero", "paper-4"), "has numbers of `robotwin2`; a table of `libero` cannot show them"),
    ],
)
def test_check_reference_tables_rejects_other_environments(names: tuple[str, ...], said: str) -> None:
    with pytest.raises(UserError) as error:
        check_reference_tables(suite_of("libero", ["libero_10"], *names))
    assert said in str(error.value)


def test_run_and_validate_check_reference_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text((ROOT / "suites" / "smoke.yaml").read_text().replace("table: {", "table: {references: [paper-2], "))
    for command in (("run", str(path), "--out", str(tmp_path), "--dry-run"), ("validate", str(path))):
        assert main(command) == 2
        assert "a table of `tabletop` cannot show them" in capsys.readouterr().err
