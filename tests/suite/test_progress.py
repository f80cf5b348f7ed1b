"""Bars on a terminal, lines in a log."""

from __future__ import annotations

import io

from rich.console import Console

from vla_rl_bench.suite.progress import COMPLETE, Display, Report

RUN = "sft-rl-object-s0"
REPORTS = (Report(RUN, "RL 45% kept 6/9", 3, 40, "seconds: stepping 30.1"), Report(RUN, COMPLETE, 1, 1))


def displayed(*, terminal: bool) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=100)
    with Display(2, console) as display:
        for report in REPORTS:
            display.report(report)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_line_has_the_detail() -> None:
    assert displayed(terminal=False).splitlines() == [
        f"{RUN}: RL 45% kept 6/9, 3/40; seconds: stepping 30.1",
        f"{RUN}: complete (1 of 2 runs)",
    ]


def test_bar_has_no_detail() -> None:
    text = displayed(terminal=True)
    assert "runs" in text and "1/2" in text and "kept 6/9" in text
    assert "stepping" not in text
