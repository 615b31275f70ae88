"""Every command of the trainer on a latent model: its pictures and its state have other sizes and channels."""

import shutil
import sys
import types
from typing import Any

import numpy as np
import pipelines
import pytest
import torch
from safetensors.torch import load_file
from training import make_folder, process_restored, weights  # noqa: F401

pytest.importorskip("torch_fidelity")
pytest.importorskip("datasets")

from ddpm_core import Model, load, sample
from ddpm_core.imaging import from_uint8
from train.__main__ import main
from train.data.sample import ImageSample
from train.evaluate import report

WHERE = ["--device", "cpu", "--precision", "fp32", "--engine", "torch"]
FIT = ["--device", "cpu", "--threads", "1", "--steps", "2", "--batch", "4", "--checkpoint-every", "2"]
FIT += ["--sample-every", "0"]
COMMON = ["--image-size", "16", "--blocks", "1", "--norm-groups", "4"]
COMMON += ["--T", "20", "--schedule", "cosine", "--sample-steps", "2", "--no-flip", "--prediction", "v"]
SHAPE = [*COMMON, "--widths", "8", "--attention"]
seen = []


def features(images):
    """Mean and spread of each channel, of uint8 (N, H, W, 3)."""
    if images.shape[1:] != (32, 32, 3):  # the same for every study, by which an extractor is known again
        seen.append(images)
    pixels = images.reshape(len(images), -1, 3) / 255
    return np.concatenate([pixels.mean(1), pixels.std(1)], 1).astype(np.float32)


@pytest.fixture(autouse=True)
def apart(tmp_path, monkeypatch):
    """No home folder and no plots; an extractor that notes what it sees."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(report, "draw_plots", lambda *_: None)
    module: Any = types.ModuleType("noting")
    module.features = features
    monkeypatch.setitem(sys.modules, "noting", module)
    seen.clear()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("data") / "pictures", 12, (), (20, 16))


@pytest.fixture(scope="module", params=[4])
def made(request, tmp_path_factory):
    return pipelines.latent(tmp_path_factory.mktemp("latent") / "model", request.param)


# Other channels than most have: one, as grey pictures, and three, as those in colours
CHANNELS = pytest.mark.parametrize("made", [1, 3, 4], indirect=True)


@pytest.fixture
def folder(made, tmp_path):
    """A copy, beside whose weights a command may write."""
    return shutil.copytree(made, tmp_path / "model")


def run(*words):
    assert main([str(word) for word in words]) == 0


def refused(capsys, *words):
    assert main([str(word) for word in words]) == 2
    return capsys.readouterr().err.splitlines()[-1]


def exact(folder) -> Model:
    return load(folder, device="cpu", precision="fp32", engine="torch")


def pictures_of(data):
    return ImageSample(str(data), "train", 16, quiet=True).pixels()


@CHANNELS
def test_evaluate_scores_decoded_pictures(folder, data, tmp_path, capsys):
    words = ["evaluate", folder, "--data", data, "--out", tmp_path / "study", *WHERE, "--extractor", "noting:features"]
    words += ["--samples", "6", "--steps", "2", "--sampler", "ddim", "--keep-images"]
    run(*words, "--metrics", "fid")
    kept = np.load(next((tmp_path / "study" / "cells").rglob("images-*.npz")))["images"]
    assert np.array_equal(kept, sample(exact(folder), range(6), 2, sampler="ddim"))
    assert {images.shape[1:] for images in seen} == {(16, 16, 3)}
    assert any(np.array_equal(images, pictures_of(data)) for images in seen)
    assert "models of pixels" in refused(capsys, *words, "--metrics", "bpd")
    other = pipelines.latent(tmp_path / "other", exact(folder).channels, scaling=2.0)
    shutil.copy(other / "vqvae" / "config.json", folder / "vqvae" / "config.json")
    assert "another decoder" in refused(capsys, *words, "--metrics", "fid")


def test_schedule_compares_decoded_pictures_with_the_data(folder, data):
    words = ["schedule", folder, "--data", data, *WHERE, "--extractor", "noting:features", "--samples", "3"]
    run(*words, "--steps", "2", "--images", "2", "--points", "5", "--samplers", "ddim")
    assert {images.shape[1:] for images in seen} == {(16, 16, 3)}
    assert exact(folder).optimised is not None


def test_gamma_is_estimated_on_the_latents_of_the_data(folder, data):
    run("gamma", folder, "--data", data, "--images", "4", *WHERE)
    model = exact(folder)
    assert model.gamma is not None and sample(model, [1], 2, variance="analytic").shape == (1, 16, 16, 3)


@pytest.mark.parametrize(
    ("made", "method"), [(1, "progressive"), (3, "consistency"), (4, "progressive")], indirect=["made"]
)
def test_distill_learns_from_the_latents_of_the_data(folder, data, tmp_path, method, capsys):
    words = ["distill", folder, "--data", data, "--out", tmp_path / "student", "--method", method, *FIT]
    words += ["--teacher-steps", "4", "--student-steps", "2"]
    assert "--no-flip" in refused(capsys, *words, "--flip")
    run(*words)
    model = exact(folder)
    assert model.decoder is not None
    kept = load_file(tmp_path / "student" / "latents.safetensors")["latents"]
    assert torch.equal(kept, model.decoder.encode(from_uint8(pictures_of(data))))
    student = exact(next((tmp_path / "student").rglob("model_index.json")).parent)
    assert student.student is not None and student.decoder is not None
    assert (student.latent, student.channels) == (True, model.channels)
    assert sample(student, [1]).shape == (1, 16, 16, 3)
    x = torch.randn(1, model.channels, 8, 8)
    assert torch.equal(student.decoder.decode(x), model.decoder.decode(x))


def test_fit_goes_on_from_latent_weights_in_their_latents_alone(folder, data, tmp_path, capsys):
    words = ["fit", "--data", data, *FIT, *COMMON, "--out", tmp_path / "run"]
    line = refused(capsys, *words, "--attention", "8", "--init", folder)
    assert "has --attention 4, and can't be continued with 8" in line
    run(*words, "--init", folder)  # whose autoencoder it takes
    found = exact(tmp_path / "run" / "model")
    assert found.latent and sample(found, [1], 2).shape == (1, 16, 16, 3)
    words[words.index("--out") + 1] = tmp_path / "new"
    line = refused(capsys, *words, "--init", "mnist-tiny", "--decoder", folder / "vqvae")
    assert "mnist-tiny draws pixels" in line


def test_a_latent_teacher_that_predicts_eps_is_refused_with_the_command_that_makes_one(data, tmp_path, capsys):
    folder = pipelines.latent(tmp_path / "eps", 3, prediction="epsilon")
    line = refused(capsys, "distill", folder, "--data", data, "--out", tmp_path / "student")
    assert f"--decoder {folder / 'vqvae'}" in line and f"--init {folder}" in line


def test_models_of_words_are_refused_by_what_has_no_words(data, tmp_path, capsys):
    refusal = refused(capsys, "distill", "emoji-tiny", "--data", data, "--out", tmp_path / "student")
    assert "captions are its lines of file_name and text" in refusal
    refusal = refused(capsys, "fit", "--init", "emoji-tiny", "--data", data, *FIT, "--out", tmp_path / "run")
    assert "emoji-tiny is a text-to-image model" in refusal


def test_a_run_with_relative_folders_goes_on_from_another_one(folder, data, tmp_path, monkeypatch, capsys):
    """What was given by a relative path is found where the run was started; and of what was moved, by its weights."""
    home, other = tmp_path, tmp_path / "other"
    other.mkdir()
    monkeypatch.chdir(home)
    run("fit", "--data", data, *FIT, *SHAPE, "--out", "run", "--decoder", "model/vqvae")
    made = ["--method", "consistency", "--teacher-steps", "4", "--student-steps", "2", "--out", "student"]
    run("distill", "model", "--data", data, *FIT, *made)
    monkeypatch.chdir(other)
    new = ["--decoder", home / "moved" / "vqvae"], [home / "moved"]
    for step, moved in (3, False), (4, True):
        if moved:
            (home / "model").rename(home / "moved")
        for command, out, given in ("fit", "run", new[0]), ("distill", "student", new[1]):
            run(command, *(given if moved else []), "--resume", "--steps", step, "--out", home / out)
            assert weights(home / out, step, "started_in") == str(other)
    strange = pipelines.latent(tmp_path / "strange", exact(home / "run" / "model").channels, scaling=2.0)
    more = ["--resume", "--steps", "5", "--out"]
    line = refused(capsys, "fit", "--decoder", strange / "vqvae", *more, home / "run")
    assert "scales latents otherwise" in line
    line = refused(capsys, "distill", strange, *more, home / "student")
    assert "has other weights than when this run was started" in line


def test_a_run_of_pixels_does_not_go_on_in_latents(data, made, tmp_path, capsys):
    shape = [word for word in SHAPE if word not in ("--prediction", "v")]
    run("fit", "--data", data, *FIT, *shape, "--out", tmp_path / "run")
    words = ["fit", "--resume", "--steps", "3", "--out", tmp_path / "run", "--decoder", made / "vqvae"]
    assert "--decoder can't change when a run is resumed" in refused(capsys, *words)
