"""A two-column paper that inputs our tables, compiled: nothing is wider than a column, every label is there once."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.analysis.statistics.made_up import episodes, made_up_source, made_up_suite, write_run, write_suite
from tests.analysis.tables.test_ablation import ablated_suite, write_all
from vla_rl_bench.analysis.tables.ablation import write_ablation
from vla_rl_bench.analysis.tables.report import write_report
from vla_rl_bench.config.schema import Suite

PAPER = r"""\documentclass[twocolumn]{article}
\usepackage{booktabs,graphicx}
\begin{document}
%s
\end{document}
"""


def suite_with_further_evaluations(name: str) -> Suite:
    evaluation = {"per_task": 2, "sampling": ["greedy", {"temperature": 1.0}]}
    extra = [{"name": "counts", "per_task": 2}]
    return made_up_suite(name=name, title=name, evaluation=evaluation, extra_evaluations=extra)


def half(arm: str, column: str, seed: int, task: int, start: int, rollout: int) -> bool:
    return start == 10


def write_every_table(folder: Path) -> list[Path]:
    """Write the tables of two suites, one's name like a label of the other, and an ablation; return the files."""
    written = []
    for name in ("made-up", "made-up-counts"):
        suite = suite_with_further_evaluations(name)
        for arm in suite.arms:
            for column in suite.columns:
                for seed in suite.seeds:
                    records = episodes(arm.name, column, seed, half)
                    records += episodes(arm.name, column, seed, half, sampling="T=1")
                    records += episodes(arm.name, column, seed, half, evaluation="counts")
                    write_run(folder / name, arm.name, column, seed, records)
        written += sorted(write_report(made_up_source(folder / name, suite))[2].iterdir())
    ablated = ablated_suite()
    return [
        *written,
        *sorted(write_ablation(made_up_source(write_all(folder / "ablation", ablated), ablated))[2].iterdir()),
    ]


def labels(source: str) -> list[str]:
    return re.findall(r"\\label\{(.*?)\}", source)


def test_each_table_has_its_own_file_and_label(tmp_path: Path) -> None:
    paths = write_every_table(tmp_path)
    labels_by_file = [labels(path.read_text()) for path in paths]
    assert all(len(names) == 1 for names in labels_by_file)
    assert len({label for names in labels_by_file for label in names}) == len(paths) == 2 * 9 + 3
    assert (tmp_path / "made-up" / "tables" / "made-up-T=1-seeds.tex") in paths
    whole = labels((tmp_path / "made-up" / "table.tex").read_text())
    assert sorted(whole) == sorted(label for names in labels_by_file[:9] for label in names)


def test_write_report_removes_outdated_files(tmp_path: Path) -> None:
    suite = made_up_suite()
    folder = write_report(made_up_source(write_suite(tmp_path, suite, half), suite))[2]
    assert sorted(path.name for path in folder.iterdir()) == ["made-up-counts.tex", "made-up-seeds.tex", "made-up.tex"]
    one_seed = suite.model_copy(update={"seeds": (0,)})
    write_report(made_up_source(tmp_path, one_seed))
    assert sorted(path.name for path in folder.iterdir()) == ["made-up-counts.tex", "made-up.tex"]


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="no pdflatex. Run: apt-get install texlive-latex-recommended")
def test_two_column_document_has_no_overfull_line_and_no_label_twice(tmp_path: Path) -> None:
    inputs = "\n".join(rf"\input{{{path.relative_to(tmp_path)}}}\clearpage" for path in write_every_table(tmp_path))
    (tmp_path / "paper.tex").write_text(PAPER % inputs)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout[-2000:]
    log = (tmp_path / "paper.log").read_text(encoding="latin-1")
    assert "Overfull" not in log
    assert "multiply" not in log
