"""Networks as ONNX files, beyond what tests/core/test_every_kind.py tries with every kind of model."""

import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from checkpoint_folders import SMALLEST, write
from toy import toy_model

import ddpm_core
from ddpm_core import Model, NoiseSchedule, export_onnx, predict
from ddpm_core.__main__ import main

onnxruntime = pytest.importorskip("onnxruntime")


def run(file, **inputs):
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    values = {name: value.numpy() for name, value in inputs.items()}
    return torch.from_numpy(session.run(["prediction"], values)[0])


class Own(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.classes, self.layer = torch.nn.Embedding(3, 2), torch.nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, x, t_index, labels):
        return self.layer(x) + (self.classes(labels) * t_index[:, None])[:, :, None, None]


def test_your_own_module_and_another_schedule(tmp_path):
    torch.manual_seed(0)
    own = Model(
        network=Own().requires_grad_(False),
        schedule=NoiseSchedule.linear(10),
        image_size=4,
        channels=2,
        num_classes=3,
        prediction="epsilon",
    )
    x, labels = torch.randn(3, 2, 4, 4), torch.tensor([0, 2, 1])
    for model in (own, own.with_schedule(NoiseSchedule.cosine(7))):
        assert export_onnx(model, tmp_path / "own.onnx") == [tmp_path / "own.onnx"]
        found = run(tmp_path / "own.onnx", x=x, t_index=torch.tensor([4, 4, 4]), labels=labels)
        expected = predict(model, x, 5, labels, clip=False).eps
        # ε passes through x_0 and back, whose roundings √(1 − ᾱ) makes some ten times as large
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5 * expected.abs().max().item())


def test_what_cannot_be_written_is_refused_in_a_sentence(tmp_path, monkeypatch, capsys):
    with pytest.raises(ValueError, match=r"the name of an ONNX file ends in .onnx, got 'network'"):
        export_onnx(toy_model(), "network")
    function = Model(
        network=lambda x, *_: x, schedule=NoiseSchedule.linear(), image_size=4, prediction="epsilon", channels=1
    )
    with pytest.raises(ValueError, match="not a torch module"):
        export_onnx(function, tmp_path / "network.onnx")
    write(tmp_path / "checkpoint", **SMALLEST)
    for words, sentence in (
        ([], "give a folder to write, or --onnx FILE.onnx, and not both"),
        ([str(tmp_path / "copy"), "--onnx", "network.onnx"], "and not both"),
        (["--onnx", "network.pt"], "--onnx writes an ONNX file: its name must end in .onnx"),
        (["--onnx", "network.onnx", "--half"], "an ONNX file has float32 weights"),
        (["--onnx", str(tmp_path / "no" / "network.onnx")], "does not exist"),
    ):
        with pytest.raises(SystemExit, match=sentence):
            main(["export", str(tmp_path / "checkpoint"), *words])
    monkeypatch.setattr("ddpm_core.engines.onnx_file.find_spec", lambda name: None)
    with pytest.raises(SystemExit, match=r"ONNX files need the package onnx: run `pip install 'onnx>=1.17'`"):
        main(["export", str(tmp_path / "checkpoint"), "--onnx", str(tmp_path / "network.onnx")])
    assert not (tmp_path / "network.onnx").exists()


def test_a_browser_finds_in_the_file_what_a_run_needs(tmp_path):
    """A chain of DDIM by the file alone, as another program draws it."""
    write(tmp_path / "checkpoint", **SMALLEST)
    model = ddpm_core.load(tmp_path / "checkpoint", device="cpu", precision="fp32", engine="torch")
    export_onnx(model, tmp_path / "network.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "network.onnx", providers=["CPUExecutionProvider"])
    facts = json.loads(session.get_modelmeta().custom_metadata_map["ddpm_core"])
    assert facts["prediction"] == "epsilon" and facts["clip"] is True
    x = ddpm_core.seeded_noise([5], first=0)(0, torch.zeros(1, facts["channels"], *[facts["image_size"]] * 2)).numpy()
    ab, times = np.array(facts["alpha_bar"]), [1000, 500, 1, 0]
    for t, s in pairwise(times):
        eps = session.run(None, {"x": x, "t_index": np.array([t - 1])})[0]
        x_0 = ((x - (1 - ab[t]) ** 0.5 * eps) / ab[t] ** 0.5).clip(-1, 1)
        eps = (x - ab[t] ** 0.5 * x_0) / (1 - ab[t]) ** 0.5
        x = (ab[s] ** 0.5 * x_0 + (1 - ab[s]) ** 0.5 * eps).astype(np.float32)
    expected = ddpm_core.sample(model, [5], [1000, 500, 1], sampler="ddim")
    found = ddpm_core.to_uint8(torch.from_numpy(x))
    assert np.abs(found.astype(int) - expected).max() <= 1  # a number at the border of two levels may fall on either
