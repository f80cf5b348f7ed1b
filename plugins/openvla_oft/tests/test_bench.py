"""The benchmark runs small on a CPU, and its shares are what its own numbers say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from vla_rl_bench_openvla_oft import bench, measuring
from vla_rl_bench_openvla_oft.flops import forward
from vla_rl_bench_openvla_oft.measuring import ASKED, FULL, LORA, Bare, Setting

CPU = torch.device("cpu")
QUICK = ["--size", "tiny", "--device", "cpu", "--batch", "1,3", "--chunks", "4", "--micro", "2", "--repeats", "2"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("bench") / "deeper" / "tiny"
    bench.main([*QUICK, "--out", str(folder)])
    return folder


@pytest.fixture(scope="module")
def found(folder: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((folder / "bench.json").read_text())
    return read


def test_it_says_what_ran_where(found: dict[str, Any]) -> None:
    assert (found["size"], found["device"], found["cuda"]) == ("tiny", "cpu", torch.version.cuda)
    assert found["versions"]["torch"] == torch.__version__
    assert {"transformers", "peft", "vla-rl-bench", "python"} <= found["versions"].keys()
    assert found["parameters"] == sum(one.numel() for one in Bare(bench.config_of("tiny"), FULL[0], CPU).parameters())


def test_every_share_is_work_over_time_and_rate(found: dict[str, Any]) -> None:
    one_forward = forward(bench.config_of("tiny"), ASKED)
    works = [one["batch"] * one_forward for one in found["inference"]]
    works += [one["chunks"] * factor * one_forward for one, factor in zip(found["minibatch"], (2, 3), strict=True)]
    for one, work in zip([*found["inference"], *found["minibatch"]], works, strict=True):
        rate = found["product_operations_per_second"]
        assert one["utilisation"] == pytest.approx(work / one["seconds_median"] / rate)
        assert one["seconds_min"] <= one["seconds_median"] <= one["seconds_max"]
        assert one["repeats"] == 2
        assert one["peak_bytes"] is None
    assert [one["batch"] for one in found["inference"]] == [1, 3]


def test_the_table_has_the_numbers(folder: Path, found: dict[str, Any]) -> None:
    written = (folder / "bench.md").read_text()
    assert written == bench.report(found)
    for one in found["inference"]:
        assert f"| {one['batch']} | {one['chunks_per_second']:.1f} | " in written
    assert [one["setting"] for one in found["minibatch"]] == [LORA.name, FULL[0].name]


def test_a_setting_that_does_not_fit_is_named() -> None:
    """The 7B's masters and moments in the memory of a small machine; nothing is built for it."""
    if measuring.available_host_bytes() > 100e9:
        pytest.skip("they fit here")
    config = bench.config_of("7b")
    (one,) = bench._first_that_fits(config, (FULL[1],), CPU, chunks=2, micro=1, repeats=1)
    assert one == {"setting": FULL[1].name, "failed": "needs 120 GB of host memory"}


@pytest.mark.parametrize("setting", [LORA, *FULL], ids=["lora", "masters", "offload", "bfloat16"])
def test_every_setting_trains(setting: Setting) -> None:
    one = measuring.minibatch(bench.config_of("tiny"), setting, CPU, chunks=2, micro=1, repeats=1)
    assert one["seconds_median"] > 0
    assert (one["trained"] < 200_000) == (setting.rank > 0)


def test_the_random_model_is_drawn_once_in_its_own_dtype() -> None:
    policy = Bare(bench.config_of("tiny"), Setting("acting", torch.bfloat16), CPU)
    assert {one.dtype for one in policy.parameters()} == {torch.bfloat16}
    assert torch.get_default_dtype() == torch.float32
    with torch.no_grad():
        logits = policy(measuring.made_up(policy.model.config, 2, CPU))
    assert logits.shape == (2, 56, 256)
    assert logits.isfinite().all()
    assert logits.std() > 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--batch", "1,x"], "--batch: write whole numbers"),
        (["--batch", "0"], "--batch: write whole numbers"),
        (["--chunks", "3", "--micro", "2"], "--chunks must be a multiple of --micro"),
        *([] if torch.cuda.is_available() else [(["--device", "cuda"], "torch sees no GPU here")]),
    ],
)
def test_wrong_input_is_one_line(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        bench.main(["--size", "tiny", "--device", "cpu", *words])
    assert stopped.value.code == 2
    assert said in capsys.readouterr().err
