"""``python -m vla_rl_bench_openvla_oft.verify``: it agrees with the reference, and sees each of its known traps."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from plugins.openvla_oft.tests import made_up, tiny
from vla_rl_bench_openvla_oft import verify
from vla_rl_bench_openvla_oft.modeling import OpenVlaForActionPrediction
from vla_rl_bench_openvla_oft.reference import read

pytestmark = pytest.mark.numeric


def test_the_fixture_agrees(capsys: pytest.CaptureFixture[str]) -> None:
    assert verify.main([str(tiny.FOLDER)]) == 0
    printed = capsys.readouterr().out
    assert "DIFFERS" not in printed
    assert printed.splitlines()[-1] == "all 23 comparisons agree"
    for what in ("patch features", "projected patches", "logits", "log-probs at T=1.6", "entropy at T=1.0"):
        assert what in printed
    for what in ("greedy tokens", "greedy actions", "clipped loss", "gradient norm of a parameter"):
        assert what in printed


def causal(model: OpenVlaForActionPrediction) -> None:
    """Stock transformers."""
    plain = model.action_logits
    model.action_logits = lambda *inputs, causal, **rest: plain(*inputs, causal=True, **rest)  # type: ignore[method-assign]


def no_stop(model: OpenVlaForActionPrediction) -> None:
    """The stop token's embedding zeroed, as the placeholders' are."""
    with torch.no_grad():
        model.language_model.model.embed_tokens.weight[2] = 0


def swapped(model: OpenVlaForActionPrediction) -> None:
    """SigLIP's features before DINOv2's."""
    width = model.vision_backbone.featurizer.embed_dim
    model.vision_backbone.register_forward_hook(lambda _, __, features: features.roll(-width, dims=-1))


def tanh(model: OpenVlaForActionPrediction) -> None:
    """The approximate GELU in the vision transformers."""
    for module in list(model.vision_backbone.modules()):
        if isinstance(getattr(module, "act", None), nn.GELU):
            module.act = nn.GELU(approximate="tanh")


SEES = {
    causal: "n1.bidirectional logits",
    no_stop: "n1.bidirectional logits",
    swapped: "n1 patch features",
    tanh: "n1.bidirectional log-probs at T=1.6",
}


@pytest.mark.parametrize("tamper", SEES, ids=lambda tamper: tamper.__name__)
def test_a_known_mistake_is_loud(
    tamper: Callable[[OpenVlaForActionPrediction], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = tiny.model()
    tamper(model)
    monkeypatch.setattr(verify, "load_model", lambda reference: model)
    assert verify.main([str(tiny.FOLDER)]) == 1
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert any(line.startswith(SEES[tamper]) and line.endswith("DIFFERS") for line in lines)
    assert lines[-1].endswith("of 23 comparisons differ")


@pytest.fixture(scope="module")
def robotwin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """25 x 14 actions, 3 cameras, proprioception, min/max."""
    folder = tmp_path_factory.mktemp("robotwin")
    made_up.write(folder)
    return folder


def test_robotwins_shape_is_read_from_the_folder(robotwin: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify.main([str(robotwin)]) == 0, capsys.readouterr().out
    printed = capsys.readouterr().out
    for part in ("normalized proprio", "n1.causal", "n3.bidirectional", "gradient norm of a parameter"):
        assert part in printed
    assert "n3.causal" not in printed


def edit_tensor(folder: Path, name: str) -> None:
    tensors = load_file(folder / "io.safetensors")
    values = tensors[name].view(-1)
    values[values.abs().argmin()] += 1 if values.dtype == torch.int64 else 0.01  # proprio: one that is not clipped
    save_file(tensors, folder / "io.safetensors")


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("proprio_raw", "all normalized proprio"),
        ("n3.patch_features", "n3 patch features"),
        ("n1.projected_patches", "n1 projected patches"),
        ("n3.bidirectional.logits", "n3.bidirectional logits"),
        ("n1.causal.sampled_logprobs_t1.0", "n1.causal log-probs at T=1.0"),
        ("n1.causal.entropy_t1.6", "n1.causal entropy at T=1.6"),
        ("n3.bidirectional.greedy_actions", "n3.bidirectional greedy actions"),
        ("n3.bidirectional.greedy_tokens", "n3.bidirectional greedy tokens that differ"),
        ("n3.bidirectional.sampled_actions", "n3.bidirectional sampled actions"),
    ],
)
def test_one_perturbed_value_is_seen(
    robotwin: Path, tmp_path: Path, name: str, row: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "perturbed"
    shutil.copytree(robotwin, folder)
    edit_tensor(folder, name)
    assert verify.main([str(folder)]) == 1
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert any(line.startswith(row) and line.endswith("DIFFERS") for line in lines)


@pytest.mark.parametrize("what", ["loss", "grad_norm_total", "grad_norms", "no_grad_params"])
def test_one_perturbed_number_of_the_gradients_is_seen(robotwin: Path, tmp_path: Path, what: str) -> None:
    folder = tmp_path / "perturbed"
    shutil.copytree(robotwin, folder)
    meta = json.loads((folder / "meta.json").read_text())
    published = meta["results"]["n3.bidirectional.ppo"]
    if what == "grad_norms":
        published[what]["proprio_projector.fc2.bias"] += 0.01
    elif what == "no_grad_params":
        published[what].pop()
    else:
        published[what] += 0.01
    (folder / "meta.json").write_text(json.dumps(meta))
    assert verify.main([str(folder)]) == 1


def drop_file(folder: Path) -> None:
    (folder / "dataset_statistics.json").unlink()


def drop_tensor(folder: Path) -> None:
    tensors = load_file(folder / "io.safetensors")
    del tensors["n1.patch_features"]
    save_file(tensors, folder / "io.safetensors")


def drop_weight(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    del tensors["projector.fc1.bias"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def garble(folder: Path) -> None:
    (folder / "io.safetensors").write_bytes(b"nothing of the kind")


def garble_weights(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"nothing of the kind")


def garble_meta(folder: Path) -> None:
    (folder / "meta.json").write_text("{")


def drop_meta(folder: Path) -> None:
    meta = json.loads((folder / "meta.json").read_text())
    del meta["normalization"]
    (folder / "meta.json").write_text(json.dumps(meta))


def drop_bounds(folder: Path) -> None:
    statistics = json.loads((folder / "dataset_statistics.json").read_text())
    del statistics[made_up.KEY]["proprio"]["max"]
    (folder / "dataset_statistics.json").write_text(json.dumps(statistics))


def drop_norms(folder: Path) -> None:
    meta = json.loads((folder / "meta.json").read_text())
    del meta["results"]["n3.bidirectional.ppo"]["grad_norms"]
    (folder / "meta.json").write_text(json.dumps(meta))


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (drop_file, "dataset_statistics.json"),
        (drop_tensor, "n1.patch_features"),
        (drop_weight, "projector.fc1.bias"),
        (garble, "io.safetensors"),
        (garble_weights, "header"),
        (garble_meta, "meta.json"),
        (drop_meta, "normalization"),
        (drop_bounds, "dataset_statistics.json: lacks max"),
        (drop_norms, "grad_norms"),
    ],
)
def test_a_folder_not_in_the_schema_ends_in_2_and_one_line(
    robotwin: Path,
    tmp_path: Path,
    damage: Callable[[Path], None],
    named: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(robotwin, folder)
    damage(folder)
    assert verify.main([str(folder)]) == 2
    printed = capsys.readouterr()
    assert named in printed.err and len(printed.err.splitlines()) == 1 and not printed.out


def test_no_number_is_not_agreement() -> None:
    row = partial(verify.Row, "n1", "logits")
    assert row(0.0).agrees and not row(float("nan")).agrees and not row(2e-3).agrees


def test_unnormalizing_leaves_what_the_mask_leaves_out() -> None:
    reference = read(tiny.FOLDER)
    actions = reference.unnormalize(torch.tensor([[-1.0] * 7, [1.0] * 7]).numpy())
    low, high = (reference.statistics["action"][name][:6] for name in ("q01", "q99"))
    assert actions[:, :6] == pytest.approx(torch.tensor([low, high]).numpy(), abs=1e-6)
    assert actions[:, 6].tolist() == [-1.0, 1.0]
