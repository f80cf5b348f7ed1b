"""Bars on a terminal, lines elsewhere."""

from __future__ import annotations

import io

from rich.console import Console

from vla_rl_bench.suite.progress import Display

RL = "RL 45% kept 6/9 | seconds: stepping 30.1  rendering 4.0 |"


def shown(*, terminal: bool) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=100)
    with Display(2, console) as display:
        display.report("sft-rl-object-s0", RL, 3, 40)
        display.report("sft-rl-object-s0", "complete", 1, 1)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_elsewhere_a_line_says_everything() -> None:
    assert shown(terminal=False).splitlines() == [
        f"sft-rl-object-s0: {RL} 3/40",
        "sft-rl-object-s0: complete (1 of 2 runs)",
    ]


def test_a_bar_keeps_its_room() -> None:
    text = shown(terminal=True)
    assert "runs" in text and "1/2" in text
    assert "stepping" not in text
