"""What stands around the scripts of tests/benchmarks/peers: the peers themselves are driven by hand."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import pytest

from tests.benchmarks.peers.record import FOLDER, page
from tests.benchmarks.peers.sides import interleaved
from vla_rl_bench.errors import UserError

SCRIPTS = {
    "simplevla_update": ("PEER_SIMPLEVLA_RL", "vla_rl_bench_openvla_oft"),
    "simplevla_rollout": ("PEER_SIMPLEVLA_RL", "vla_rl_bench"),
    "rlinf_libero": ("PEER_RLINF", "vla_rl_bench_libero"),
    "torchrl_vla_grpo": ("PEER_TORCHRL", "vla_rl_bench"),
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_without_a_checkout_it_says_what_to_type(script: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    variable, plugin = SCRIPTS[script]
    pytest.importorskip(plugin)
    main = import_module(f"tests.benchmarks.peers.{script}").main
    monkeypatch.delenv(variable, raising=False)
    with pytest.raises(UserError, match=f"set {variable} to its folder, or write --checkout"):
        main([])
    with pytest.raises(UserError, match=r"no `[\w./-]+\.py` here; give a checkout of github.com/"):
        main(["--checkout", str(tmp_path)])


def test_sides_are_measured_in_turn() -> None:
    called: list[str] = []
    sides = {"ours": lambda: called.append("ours"), "peer": lambda: called.append("peer")}
    found = interleaved("work", sides, rounds=3)
    assert called == ["ours", "peer"] * 3
    assert [len(one) for one in found.spent.values()] == [3, 3]
    assert found.ours == "ours"


def test_the_page_is_made_of_the_record() -> None:
    entries = json.loads((FOLDER / "peers.json").read_text("utf-8"))
    assert (FOLDER / "peers.md").read_text("utf-8") == "\n".join(page(entries))
