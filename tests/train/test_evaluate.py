"""The evaluator on a tiny model with a toy extractor: its scores, continuing a killed study, and what it refuses."""

import csv
import json
import shutil
import sys
import time
import types
from dataclasses import replace
from datetime import timedelta
from functools import partial
from importlib.metadata import version

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.distributed import distributed_c10d
from toy import small_unet
from training import in_two_processes, process_restored  # noqa: F401

pytest.importorskip("torch_fidelity")
pytest.importorskip("datasets")

from ddpm_core import Model, NoiseSchedule, bits_per_dim, likelihood, load, ode_log_prob, sample, save
from ddpm_core.engines.choose import wrap
from ddpm_core.noise import gaussian_batch
from ddpm_core.student import Student
from train import TrainError
from train.__main__ import main
from train.data.sample import ImageSample
from train.data.sources import ImageFolder
from train.evaluate import bits, features, report
from train.evaluate.features import compare, open_extractor, reference
from train.evaluate.results import read_arrays, read_bits, read_cells, read_study
from train.evaluate.tables import is_cifar10

T, SIZE = 6, 8

calls = []
exact = partial(load, engine="torch", precision="fp32")


def toy_features(images):
    """Mean and spread of each channel: uint8 (N, H, W, 3) to (N, 6)."""
    calls.append(len(images))
    pixels = images.reshape(len(images), -1, 3) / 255
    return np.concatenate([pixels.mean(1), pixels.std(1)], 1).astype(np.float32)


draw_plots = report.draw_plots


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """No plots, which are a third of the time of a study here."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(report, "draw_plots", lambda *_: None)
    module = types.ModuleType("toy_extractor")
    module.features = toy_features
    monkeypatch.setitem(sys.modules, "toy_extractor", module)
    calls.clear()


def make_checkpoint(folder, embeddings=None, T=T, **fields):
    channels = fields.get("channels", 3)
    unet = small_unet(num_class_embeds=embeddings, in_channels=channels, out_channels=channels)
    ready = wrap(unet, "cpu", "fp32", "torch")  # nothing has to be converted
    shape = {"schedule": NoiseSchedule.linear(T, 1e-3, 0.4), "image_size": SIZE, "prediction": "epsilon"}
    save(Model(network=ready, **{**shape, **fields}), folder)
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return make_checkpoint(tmp_path_factory.mktemp("checkpoint") / "tiny")


@pytest.fixture(scope="module")
def conditional(tmp_path_factory):
    """Three classes, and a label for none."""
    return make_checkpoint(tmp_path_factory.mktemp("checkpoint") / "classes", 4, num_classes=3, null_label=3)


@pytest.fixture(scope="module")
def strict_model(tmp_path_factory):
    """Ready to evaluate, with three classes, one of which it always needs."""
    folder = make_checkpoint(tmp_path_factory.mktemp("checkpoint") / "strict", 3, num_classes=3)
    return exact(folder)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "cifar10"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (40, SIZE, SIZE, 3), dtype=np.uint8)
    for i, image in enumerate(pixels):
        Image.fromarray(image).save(folder / f"{i:03d}.png")
    return folder


def arguments(checkpoint, data, out, *more):
    """The command line, with short defaults."""
    defaults = {
        "--metrics": "fid,kid",
        "--steps": "2,6",
        "--variance": "beta,beta_tilde",
        "--samples": "10",
        "--batch": "4",
        "--extractor": "toy_extractor:features",
        "--device": "cpu",
        "--engine": "torch",  # ready at once
        "--precision": "fp32",
    }
    given = dict(zip(more[::2], more[1::2], strict=True))
    words = [word for pair in (defaults | given).items() for word in pair]
    return ["evaluate", str(checkpoint), "--data", str(data), "--out", str(out), *words]


def evaluate(*words):
    return main(arguments(*words))


def results(out):
    return json.loads((out / "results.json").read_text())


def frechet(images, data):
    """Of the toy features of images and of a folder, by another formula than torch-fidelity's."""
    ours = toy_features(images).astype(np.float64)
    other = toy_features(np.stack([np.asarray(Image.open(path)) for path in sorted(data.glob("*.png"))]))
    a, b = np.cov(ours, rowvar=False), np.cov(other.astype(np.float64), rowvar=False)
    values, vectors = np.linalg.eigh(b)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    cross = np.sqrt(np.linalg.eigvalsh(root @ a @ root).clip(0)).sum()
    return ((ours.mean(0) - other.mean(0)) ** 2).sum() + np.trace(a) + np.trace(b) - 2 * cross


def numbers(out):
    """All scores, without wall times."""
    return [(cell["sampler"], cell["variance"], cell["steps"], cell["scores"]) for cell in results(out)["cells"]]


def test_a_study_in_full(checkpoint, data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(report, "draw_plots", draw_plots)
    monkeypatch.setattr("train.data.sample.DELAY", 0)
    out = tmp_path / "study"
    options = ("--metrics", "fid,kid,bpd,rate-distortion", "--test-images", "3")
    assert evaluate(checkpoint, data, out, *options) == 0
    told = capsys.readouterr().err
    for doing in ("reading images", "hashing images", "features of ref", "scoring", "progressive decoding", "plots"):
        assert doing in told  # whatever takes long
    assert told.rstrip().splitlines()[-1].split("\r")[-1].startswith("tables and plots: 100%")
    found = results(out)
    chains = [("ddim", None, 0.0), ("ddpm", "beta_tilde", None), ("ddpm", "beta", None)]
    assert [(c["sampler"], c["variance"], c["eta"], c["steps"]) for c in found["cells"]] == [
        (*chain, steps) for chain in chains for steps in (2, 6)
    ]
    titles = [f"{name} (toy_extractor:features)" for name in ("Fréchet distance", "Kernel distance × 1000")]
    for cell in found["cells"]:
        assert [score["title"] for score in cell["scores"]] == titles
        assert all(np.isfinite(score["value"]) for score in cell["scores"]) and cell["sampling_seconds"] > 0
    identity = found["identity"]
    assert identity["weights"] == "unknown" and len(identity["weights_sha256"]) == 64 and identity["references"] == 40
    assert "cpu" in identity["engine"] and identity["split"] is None and identity["labels"] == "none"
    (run,) = found["runs"]
    assert run["versions"]["torch"] == version("torch") and run["options"]["steps"] == "2,6" and run["seconds"] > 0
    assert run["machine"]["processor"] and str(tmp_path) not in json.dumps(run)
    assert [table["published"] for table in found["published"]] == [True] * 3

    rows = list(csv.DictReader((out / "results.csv").open()))
    assert len(rows) == 6 * 2 + 4 and float(rows[0]["sampling_seconds"]) > 0
    assert not any("FID" in row["score"] for row in rows)
    table = (out / "table.md").read_text()
    assert "| steps | 2 | 6 |" in table and "| DDPM β̃ |" in table
    assert "Published FID: Song, Meng & Ermon 2021 (DDIM), Table 1" in table
    assert "| DDPM β (published) | 367.43 | 133.37 |" in table
    assert not [line for line in table.splitlines() if "FID" in line and "Published" not in line]
    assert "compare orders, not values" in table and "Wall time: " in table and "40 images of image folder" in table
    assert "±: standard error over the images" in table and "±: standard deviation of 100 subsets" in table
    pictures = {path.name for path in out.glob("*.png")}
    assert {"terms.png", "rate-distortion.png", "decoding.png", "samples-linspace.png"} <= pictures
    assert len(pictures) == 7 and found["bits"]["decoding_times"] == [6, 5, 4, 3, 2, 1]
    grids = list(out.glob("cells/*/grid.png"))
    assert len(grids) == 6 and Image.open(grids[0]).size == (2 * (SIZE + 2) - 2,) * 2
    assert not list(out.glob("cells/*/*.npz"))  # neither images nor features are left


def test_bits_are_those_of_bits_per_dim(checkpoint, data, tmp_path):
    out = tmp_path / "study"
    options = ("--metrics", "bpd,rate-distortion", "--steps", "3,6", "--test-images", "18")
    assert evaluate(checkpoint, data, out, *options) == 0
    assert not calls  # no features are needed
    pixels = ImageSample(str(data), "test", SIZE, 18).pixels()  # more than one file of 16
    model = exact(checkpoint)
    for row in results(out)["bits"]["chains"]:
        if row["steps"] == T:
            full = bits_per_dim(model, pixels, row["variance"])
            assert row["bits_per_dim"] == pytest.approx(full.total.mean().item(), rel=1e-6)
            assert row["L"] == pytest.approx(full.terms.mean(0).tolist(), rel=1e-5, abs=1e-7)
            assert row["rate"][4] == pytest.approx(full.rate(5).mean().item(), rel=1e-5)
            assert row["rmse"][4] == pytest.approx(full.distortion(5).mean().item(), rel=1e-5)
        else:  # the noise of each t is that of the full chain

            def same(index, x):
                return gaussian_batch(range(len(x)), T - (6, 3, 1)[index] + 1, x.shape[1:])

            direct = bits_per_dim(model, pixels, row["variance"], 3, noise=same)
            assert row["bits_per_dim"] == pytest.approx(direct.total.mean().item(), rel=1e-5)


def test_bits_by_the_flow_are_those_of_ode_log_prob(checkpoint, data, tmp_path, monkeypatch):
    pytest.importorskip("scipy")
    measure = partial(ode_log_prob, tolerance=0.05)  # seconds
    monkeypatch.setattr(bits, "BATCH", 2)
    monkeypatch.setattr(bits, "ode_log_prob", measure)
    out, options = tmp_path / "study", ("--metrics", "flow-bpd", "--test-images", "3")
    assert evaluate(checkpoint, data, out, *options) == 0
    found, pixels = results(out)["bits"], ImageSample(str(data), "test", SIZE, 3).pixels()
    each = (range(2), range(2, 3))
    parts = [measure(exact(checkpoint), pixels[rows.start : rows.stop], seeds=rows) for rows in each]
    expected = torch.cat([part.bits_per_dim for part in parts])
    assert found["flow"]["bits_per_dim"] == pytest.approx(expected.mean().item(), rel=1e-12)
    assert found["flow"]["standard_error"] == pytest.approx(expected.std().item() / 3**0.5, rel=1e-12)
    assert found["flow"]["evaluations"] == sum(part.evaluations for part in parts) / 3 and found["chains"] == []
    table, rows = (out / "table.md").read_text(), list(csv.DictReader((out / "results.csv").open()))
    assert f"## bits/dim by the flow, 3 images\n\n{expected.mean():.3f} ± " in table
    assert [(row["score"], float(row["value"])) for row in rows] == [("bits/dim by the flow", expected.mean().item())]
    monkeypatch.setattr(bits, "ode_log_prob", None)  # nothing is computed again, and a bound is added beside it
    assert evaluate(checkpoint, data, out, "--metrics", "bpd", "--steps", "2", "--test-images", "3") == 0
    assert results(out)["bits"]["flow"] == found["flow"] and len(results(out)["bits"]["chains"]) == 2
    assert evaluate(checkpoint, data, out, *options) == 0


def test_bits_evaluate_the_times_that_were_asked_for_alone(checkpoint, data, tmp_path, monkeypatch):
    """Once for all variances, and with the noise that the whole chain has at these times."""
    evaluated = []

    def counted(model, x, t, *options, real=likelihood.predict, **more):
        evaluated.extend(t.tolist())
        return real(model, x, t, *options, **more)

    monkeypatch.setattr(likelihood, "predict", counted)
    options = ("--metrics", "bpd", "--steps", "2,3", "--test-images", "2")
    with monkeypatch.context() as patch:  # one study is drawn: a drawing takes longer than its numbers
        patch.setattr(report, "draw_plots", draw_plots)
        assert evaluate(checkpoint, data, tmp_path / "few", *options) == 0
    assert sorted(evaluated) == sorted(2 * [6, 1] + 2 * [6, 3, 1])
    assert [path.name for path in (tmp_path / "few").glob("*.png")] == ["bits-dim-linspace.png"]
    few = results(tmp_path / "few")["bits"]["chains"]
    assert [(row["variance"], row["steps"]) for row in few] == [(v, n) for v in ("beta_tilde", "beta") for n in (2, 3)]

    options = ("--metrics", "bpd,rate-distortion", *options[2:])
    for out in ("few", "all"):
        assert evaluate(checkpoint, data, tmp_path / out, *options) == 0
        assert (tmp_path / out / "decoding.png").is_file()
    more, whole = (results(tmp_path / out)["bits"]["chains"] for out in ("few", "all"))
    assert [row["steps"] for row in whole] == [2, 3, 6] * 2
    for part, found in ((few, [row for row in whole if row["steps"] < T]), (more, whole)):
        for row, other in zip(part, found, strict=True):
            assert row["bits_per_dim"] == pytest.approx(other["bits_per_dim"], rel=1e-6)
    evaluated.clear()
    assert evaluate(checkpoint, data, tmp_path / "all", *options[:2], "--steps", "4", *options[4:]) == 0
    assert not evaluated  # the terms of the whole chain are there


def test_full_chains_are_shown_once_whatever_the_spacings(checkpoint, data, tmp_path):
    options = ("--metrics", "bpd", "--steps", "6", "--spacing", "linspace,quadratic", "--test-images", "2")
    assert evaluate(checkpoint, data, tmp_path, *options) == 0
    assert "\n| t | rate, β̃ | rate, β | RMSE | rate (published)" in (tmp_path / "table.md").read_text()


def test_published_values_belong_to_cifar10_alone():
    data = {"CIFAR-10 (torchvision)": 1, "data set uoft-cs/cifar10 (train)": 1, "data set cifar100 (train)": 0}
    assert {text: is_cifar10({"data": text}) for text in data} == data


def test_bits_of_other_images_are_measured_anew(checkpoint, data, tmp_path):
    """The same number of images in the same folder of results, but not the same images."""
    other, options = tmp_path / "other", ("--metrics", "bpd", "--steps", "6", "--test-images", "3")
    other.mkdir()
    for path in data.glob("*.png"):
        Image.fromarray(255 - np.asarray(Image.open(path)) // 2).save(other / path.name)
    for source, out in ((data, "both"), (other, "both"), (other, "alone")):
        assert evaluate(checkpoint, source, tmp_path / out, *options) == 0
    both, alone = (results(tmp_path / out)["bits"] for out in ("both", "alone"))
    assert both["chains"] == alone["chains"] and both["images_sha256"] == alone["images_sha256"]


def test_a_finished_bound_evaluates_nothing_and_leftovers_do_no_harm(checkpoint, data, tmp_path, monkeypatch):
    options = ("--metrics", "rate-distortion", "--test-images", "3")
    assert evaluate(checkpoint, data, tmp_path, *options, "--variance", "beta") == 0
    before = results(tmp_path)["bits"]
    (folder,) = (tmp_path / "bits").iterdir()
    leftover = folder / ".beta_tilde-6-linspace-000000.npz.123.npz"
    leftover.write_bytes(b"half a file")
    monkeypatch.setattr("ddpm_core.likelihood.predict", None)  # whoever evaluates the network fails
    assert evaluate(checkpoint, data, tmp_path, *options) == 0
    after = results(tmp_path)["bits"]
    assert len(after["chains"]) == 2 and before["chains"][0] in after["chains"]
    assert all(after[key] == before[key] for key in ("evaluation_seconds", "decoding_times"))


@pytest.mark.parametrize("short", [1, 2])
def test_bits_of_a_process_of_few_times(data, tmp_path, short):
    model, options = make_checkpoint(tmp_path / "model", T=short), ("--steps", str(short), "--test-images", "2")
    assert evaluate(model, data, tmp_path, *options, "--metrics", "bpd") == 0
    assert f"\n| {short} | " in (tmp_path / "table.md").read_text()


def test_a_grey_model_is_measured_on_grey_images(data, tmp_path):
    grey = make_checkpoint(tmp_path / "grey", channels=1)
    options = ("--metrics", "fid,bpd", "--steps", "6", "--sampler", "ddim", "--test-images", "3")
    assert evaluate(grey, data, tmp_path, *options, "--variance", "beta") == 0
    paths = [sorted(data.glob("*.png"))[i] for i in (0, 20, 39)]
    pixels = np.stack([np.asarray(Image.open(path).convert("L"))[..., None] for path in paths])
    expected = bits_per_dim(exact(grey), pixels, "beta").total.mean().item()
    assert results(tmp_path)["bits"]["chains"][0]["bits_per_dim"] == pytest.approx(expected, rel=1e-6)
    found = reference(
        open_extractor("toy_extractor:features", ["fid"], torch.device("cpu")), ImageSample(data, "", SIZE)
    )
    assert found.n == 40 and results(tmp_path)["identity"]["references_sha256"] != found.sha256
    with pytest.raises(TrainError, match="1 to 4 channels"):
        ImageSample(str(data), "train", SIZE, channels=5)


def test_a_model_with_transparency_is_measured(data, tmp_path):
    """The extractor sees its pictures over grey; the bound counts every channel."""
    model = make_checkpoint(tmp_path / "model", channels=4)
    options = ("--metrics", "fid,bpd", "--steps", "2", "--sampler", "ddim", "--test-images", "2")
    assert evaluate(model, data, tmp_path / "study", *options, "--variance", "beta") == 0
    images = sample(exact(model), range(10), 2, sampler="ddim").astype(float)
    colours, alpha = images[..., :-1], images[..., -1:] / 255
    expected = np.rint(alpha * colours + (1 - alpha) * 128)
    (cell,) = results(tmp_path / "study")["cells"]
    assert cell["scores"][0]["value"] == pytest.approx(frechet(expected, data), rel=1e-4)


def test_labels_are_none_or_all_classes_in_turn(conditional, data, tmp_path, capsys):
    options = ("--steps", "2", "--sampler", "ddpm", "--variance", "beta", "--metrics", "fid")
    for labels, classes in (("none", None), ("classes", [seed % 3 for seed in range(10)])):
        words = arguments(conditional, data, tmp_path / labels, *options, "--labels", labels)
        assert main([*words, "--keep-images"]) == 0
        expected = sample(exact(conditional), range(10), 2, variance="beta", labels=classes)
        parts = [np.load(path)["images"] for path in sorted(tmp_path.glob(f"{labels}/cells/*/images-*.npz"))]
        assert np.array_equal(np.concatenate(parts), expected)
        (cell,) = results(tmp_path / labels)["cells"]
        assert cell["scores"][0]["value"] == pytest.approx(frechet(expected, data), rel=1e-4)
        assert cell["labels"] == labels
    calls.clear()
    assert evaluate(conditional, data, tmp_path / "none", *options) == 0 and sum(calls) == 4  # none is the default
    assert evaluate(conditional, data, tmp_path / "none", *options, "--labels", "classes") == 2
    assert "another labels" in capsys.readouterr().err


def test_a_model_that_needs_a_class_gets_one(data, tmp_path, capsys):
    strict = make_checkpoint(tmp_path / "strict", 3, num_classes=3)
    options = ("--steps", "2", "--sampler", "ddim", "--metrics", "fid", "--samples", "4")
    assert evaluate(strict, data, tmp_path / "study", *options) == 0
    assert results(tmp_path / "study")["identity"]["labels"] == "classes"
    assert evaluate(strict, data, tmp_path / "other", *options, "--labels", "none") == 2
    assert "always needs a class" in capsys.readouterr().err


def test_classes_are_matched_by_name_or_else_by_number(conditional, data, tmp_path, capsys):
    names = ("cat", "ant", "bee")
    named = make_checkpoint(tmp_path / "named", 4, num_classes=3, null_label=3, class_names=names)
    source, options = tmp_path / "data", ("--metrics", "bpd", "--variance", "beta", "--steps", "6")
    for i, path in enumerate(sorted(data.glob("*.png"))[:5]):
        (source / sorted(names)[i % 3]).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, source / sorted(names)[i % 3])  # the folder numbers them ant, bee, cat
    for model, labels, out in ((conditional, [0, 0, 1, 1, 2], "other"), (named, [1, 1, 2, 2, 0], "study")):
        study = (model, source, tmp_path / out, *options, "--labels", "classes")
        assert evaluate(*study) == 0
        expected = bits_per_dim(exact(model), ImageSample(source, "", SIZE).pixels(), "beta", labels=labels)
        (row,) = results(tmp_path / out)["bits"]["chains"]
        assert row["bits_per_dim"] == pytest.approx(expected.total.mean().item(), rel=1e-6)

    (source / "ant").rename(source / "aardvark")  # the same pixels
    assert evaluate(*study) == 2 and "has a class 'aardvark' that the model does not have" in capsys.readouterr().err
    (source / "bee").rename(source / "ant")
    (source / "aardvark").rename(source / "bee")  # the same classes, of other images in another order
    assert evaluate(*study) == 0 and results(tmp_path / "study")["bits"]["chains"] != [row]


def test_labels_that_the_model_lacks_are_refused_before_sampling(conditional, data, tmp_path, capsys):
    import datasets

    def parquet(name, labels):
        kind = datasets.ClassLabel(names=list("abcd"))
        rows = {"img": [str(path) for path in sorted(data.glob("*.png"))[: len(labels)]], "label": labels}
        made = datasets.Dataset.from_dict(rows, datasets.Features({"img": datasets.Image(), "label": kind}))
        made.to_parquet(tmp_path / name)
        return tmp_path / name

    for source, sentence in (
        (data, "no class labels"),
        (parquet("many.parquet", [0, 3]), "has a class 3, the model only 0 to 2"),
        (parquet("some.parquet", [0, None]), "images without a label"),
        (parquet("test.parquet", [-1, -1]), "images without a label"),
    ):
        options = ("--metrics", "fid,bpd", "--steps", "6", "--labels", "classes")
        assert evaluate(conditional, source, tmp_path / "study", *options) == 2
        error = capsys.readouterr().err
        assert sentence in error and "Traceback" not in error and not (tmp_path / "study").exists()


def test_only_sources_that_have_splits_claim_one(data, tmp_path):
    import datasets

    rows = datasets.Dataset.from_dict({"img": [str(next(data.glob("*.png")))]})
    (tmp_path / "parquet").mkdir()
    file = tmp_path / "parquet" / "test-00000-of-00001.parquet"
    rows.cast_column("img", datasets.Image()).to_parquet(file)
    for source, split in ((data, None), (file, None), (file.parent, "test")):
        sample = ImageSample(str(source), "test", SIZE)
        assert sample.split == split and ("(test)" in sample.description) == (split == "test")
    with pytest.raises(TrainError, match="no split 'tset': choose train or test"):
        ImageSample("cifar10", "tset", SIZE)


def test_two_processes_give_the_numbers_of_one(checkpoint, data, tmp_path):
    """Batches, scores and terms are shared out, what is in them stays.

    The first process is slow, and the second one would not wait for it: it takes over.
    """
    options = ("--metrics", "fid,kid,bpd", "--steps", "2", "--sampler", "ddpm", "--test-images", "18")
    assert evaluate(checkpoint, data, tmp_path / "one", *options) == 0

    def prepare(rank):
        def slow(images):
            patience = getattr(distributed_c10d, "set_timeout", None) or distributed_c10d._set_pg_timeout  # before 2.15
            patience(timedelta(seconds=0.2))
            time.sleep(0 if rank else 0.4)
            return toy_features(images)

        sys.modules["toy_extractor"].features = slow

    in_two_processes(arguments(checkpoint, data, tmp_path / "two", *options, "--device", "auto"), prepare)
    one, two = results(tmp_path / "one"), results(tmp_path / "two")
    assert numbers(tmp_path / "two") == numbers(tmp_path / "one") and two["bits"]["chains"] == one["bits"]["chains"]
    assert [study["runs"][0]["processes"] for study in (one, two)] == [1, 2]
    assert not (tmp_path / "two" / "references").exists()


def test_a_killed_study_goes_on_with_the_same_numbers(checkpoint, data, tmp_path, monkeypatch):
    options = ("--sampler", "ddpm", "--variance", "beta", "--steps", "2,3")  # two cells in batches of 4, 4 and 2
    whole, cut, write = tmp_path / "whole", tmp_path / "cut", np.savez
    assert evaluate(checkpoint, data, whole, *options) == 0

    for life in (1, 3, 3):  # leaves 0, then 2, then 4 batches
        left = iter(range(life))

        def dying(path, left=left, last=life - 1, **arrays):
            write(path, **arrays)
            if "features-" in str(path) and next(left) == last:
                raise KeyboardInterrupt  # the file is there, but not under its name

        with monkeypatch.context() as patch:
            patch.setattr("train.common.files.np.savez", dying)
            assert evaluate(checkpoint, data, cut, *options) == 130
    calls.clear()
    assert evaluate(checkpoint, data, cut, *options) == 0
    assert numbers(cut) == numbers(whole)
    assert sum(calls) == 4 + 6  # the fingerprint, and the second cell's last two batches
    assert len(results(cut)["runs"]) == 4
    assert not [path for path in cut.glob("cells/*/*") if path.name not in ("grid.png", "result.json")]


def test_a_finished_study_samples_nothing_and_grows_by_cells_of_the_same_study(checkpoint, data, tmp_path, capsys):
    out, beta = tmp_path / "study", ("--variance", "beta")
    assert evaluate(checkpoint, data, out, *beta, "--steps", "2") == 0
    before = numbers(out)
    calls.clear()
    assert evaluate(checkpoint, data, out, *beta, "--steps", "2") == 0
    assert sum(calls) == 4 and numbers(out) == before  # the fingerprint alone
    assert evaluate(checkpoint, data, out, *beta, "--steps", "3", "--samples", "6") == 0
    after = numbers(out)
    assert len(after) == 4 and all(row in after for row in before)
    told = (out / "table.md").read_text()
    assert "(n = 6)" in told
    frechet, kernel = told[told.index("## Fréchet") :].split("## Kernel")
    assert "don't compare" in frechet and "don't compare" not in kernel  # whose estimate is unbiased
    assert evaluate(checkpoint, data, out, *beta, "--steps", "2", "--samples", "6", "--sampler", "ddim") == 0
    rows = list(csv.DictReader((out / "results.csv").open()))
    kept = [row["images"] for row in rows if (row["method"], row["steps"]) == ("DDIM η=0", "2")]
    assert kept == ["6", "10"] * 2  # the table shows the larger number of images only
    assert evaluate(checkpoint, data, out, *beta, "--steps", "2", "--batch", "7", "--references", "30") == 2
    assert "holds a study with another batch, references" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("file", "change", "name"),
    [
        ("scheduler_config.json", {"prediction_type": "v_prediction"}, "prediction"),
        ("scheduler_config.json", {"clip_sample": False}, "clip"),
        ("scheduler_config.json", {"beta_end": 0.3}, "schedule"),
        ("scheduler_config.json", {"variance_type": "fixed_small"}, "variance"),
        ("config.json", {"norm_num_groups": 2}, "network"),
        ("config.json", {"norm_eps": 1e-2}, "network"),
        ("ddpm_core.json", {"snr": 0.3}, "snr"),
        ("ddpm_core.json", {"student": {"method": "progressive", "times": [T, 2], "teacher": "x"}}, "student"),
    ],
    ids=str,
)
def test_other_pictures_of_the_same_weights_are_another_study(checkpoint, data, tmp_path, capsys, file, change, name):
    """A checkpoint whose files say something else draws other pictures with the same weights."""
    model, study = shutil.copytree(checkpoint, tmp_path / "tiny"), tmp_path / "study"
    asked = ("--steps", "2", "--variance", "beta", "--metrics", "kid", "--sampler", "ddpm", "--spacing", "linspace")
    assert evaluate(model, data, study, *asked) == 0
    assert evaluate(model, data, study, *asked) == 0  # as it is, it goes on
    path = model / file
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    if name == "student":  # which takes its own steps only
        asked = ("--steps", "2", "--variance", "beta", "--metrics", "kid", "--sampler", "ddim", "--spacing", "own")
    assert evaluate(model, data, study, *asked) == 2
    assert f"holds a study with another {name}: choose another --out" in capsys.readouterr().err


OWN_SAMPLER = """
import ddpm_core

def last(predict, schedule, pairs, x, *, noise):
    for index, (t, s) in enumerate(pairs):
        now = predict(x, t)
        x = now.x0
        yield ddpm_core.Step(index, t, s, x, now.x0_hat, sigma=0.0)
"""


def test_an_own_sampler_that_was_changed_is_another_study(checkpoint, data, tmp_path, capsys, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own_steps.py").write_text(OWN_SAMPLER)
    asked = (tmp_path / "study", "--sampler", "own_steps:last", "--steps", "2", "--metrics", "kid")
    assert evaluate(checkpoint, data, *asked) == 0
    with (tmp_path / "own_steps.py").open("a") as file:
        file.write("\n")
    assert evaluate(checkpoint, data, *asked) == 2
    assert "holds a study with another own_steps:last: choose another --out" in capsys.readouterr().err


def test_another_score_is_added_to_a_cell(checkpoint, data, tmp_path):
    options = ("--steps", "2", "--sampler", "ddim")
    assert evaluate(checkpoint, data, tmp_path / "both", *options) == 0
    for metric in ("kid", "fid"):
        assert evaluate(checkpoint, data, tmp_path / "apart", *options, "--metrics", metric) == 0
    assert numbers(tmp_path / "apart") == numbers(tmp_path / "both")


def test_other_weights_of_an_extractor_do_not_go_on_with_a_study(checkpoint, data, tmp_path, capsys):
    options = ("--sampler", "ddim", "--metrics", "fid")
    for factor, steps, status in ((1, "2", 0), (1 + 1e-5, "3", 0), (1.1, "6", 2)):  # 1e-5: another machine's rounding
        sys.modules["toy_extractor"].features = lambda images, factor=factor: factor * toy_features(images)
        assert evaluate(checkpoint, data, tmp_path, *options, "--steps", steps) == status
    assert "holds a study with another extractor_outputs" in capsys.readouterr().err


def test_references_are_cached_by_features_and_pixels(data, tmp_path, monkeypatch):
    device, cache = torch.device("cpu"), tmp_path / "cache"
    first = open_extractor("toy_extractor:features", ["fid"], device)
    found = reference(first, ImageSample(str(data), "train", SIZE), cache)
    assert found.n == 40 and len(list(cache.glob("*.npz"))) == 1
    calls.clear()
    same = open_extractor("toy_extractor:features", ["fid"], device)  # of the next command
    again = reference(same, ImageSample(str(data), "train", SIZE), cache)
    assert sum(calls) == 4 and np.array_equal(again.statistics["mu"], found.statistics["mu"])
    reference(first, ImageSample(str(data), "train", SIZE, 39), cache)
    assert len(list(cache.glob("*.npz"))) == 2
    sys.modules["toy_extractor"].features = lambda images: 2 * toy_features(images)  # other weights, the same name
    other = reference(
        open_extractor("toy_extractor:features", ["fid"], device), ImageSample(str(data), "train", SIZE), cache
    )
    assert len(list(cache.glob("*.npz"))) == 3
    np.testing.assert_allclose(other.statistics["mu"], 2 * found.statistics["mu"], rtol=1e-5)


def test_a_folder_that_is_compared_is_read_as_it_is_needed(tmp_path, monkeypatch):
    """However many of one size there are."""
    for i in range(7):
        Image.new("L", (SIZE, SIZE), 9 * i).save(tmp_path / f"{i}.png")
    read, seen, picture = [], [], ImageFolder.picture
    monkeypatch.setattr(features, "BATCH", 3)
    monkeypatch.setattr(ImageFolder, "picture", lambda self, i: read.append(i) or picture(self, i))
    monkeypatch.setattr(
        sys.modules["toy_extractor"], "features", lambda images: seen.append(len(read)) or toy_features(images)
    )
    compare(tmp_path, np.zeros((2, SIZE, SIZE, 1), np.uint8), ["fid"], "toy_extractor:features", "cpu")
    assert seen[0] < 7


def test_one_feature_has_scores_too(monkeypatch):
    """FID of two normal distributions on a line: (μ − μ')² + (σ − σ')². Arrays may be read backwards."""

    def brightness(images):
        return torch.from_numpy(images).double().mean((1, 2, 3))[:, None].numpy()

    monkeypatch.setattr(sys.modules["toy_extractor"], "features", brightness)
    images = np.random.default_rng(0).integers(0, 256, (2, 9, SIZE, SIZE, 3), dtype=np.uint8)
    images[1] //= 2
    a, b = (brightness(half).astype(np.float32).astype(np.float64) for half in images)
    expected = (a.mean() - b.mean()) ** 2 + (a.std(ddof=1) - b.std(ddof=1)) ** 2
    found = compare(images[0][:, ::-1], images[1][:, :, ::-1], ["fid", "kid"], "toy_extractor:features", "cpu")
    assert found["fid"]["value"] == pytest.approx(expected, rel=1e-3) and found["kid"]["value"] > 0


def test_pictures_of_ones_own_are_compared_without_a_data_set_or_a_model(tmp_path):
    draw = np.random.default_rng(0)
    images, others = (draw.integers(low, 256, (12, SIZE, SIZE, 3), dtype=np.uint8) for low in (0, 60))
    for i, picture in enumerate(others):
        Image.fromarray(picture).save(tmp_path / f"{i:02}.png")
    toy = {"extractor": "toy_extractor:features", "device": "cpu"}
    found = compare(images, others, **toy)
    a, b = (torch.from_numpy(toy_features(pictures)).double() for pictures in (images, others))
    kernel = ((a @ b.T / 6 + 1) ** 3, (a @ a.T / 6 + 1) ** 3, (b @ b.T / 6 + 1) ** 3)  # KID is unbiased: no diagonals
    mmd = sum((k.sum() - k.trace()) / (12 * 11) for k in kernel[1:]) - 2 * kernel[0].mean()
    assert found["kid"]["value"] == pytest.approx(1000 * mmd.item(), rel=1e-5)
    assert found["fid"]["value"] > 10 * abs(compare(others, others, ["fid"], **toy)["fid"]["value"])
    assert compare(images, tmp_path, **toy) == found
    Image.fromarray(others[0]).resize((5, 9)).save(tmp_path / "small.png")  # of any size
    assert compare(str(tmp_path), tmp_path, ["fid"], **toy)["fid"]["value"] == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((np.zeros((4, 8, 8, 3)), "x"), "images are uint8 (N, H, W, C) with 1 to 4 channels, or a folder, got float64"),
        (([[1]], "x"), "or a folder, got list"),
        ((np.zeros((1, 8, 8, 3), np.uint8),) * 2, "needs at least two pictures, and images are 1"),
        (("nowhere", "nowhere"), "nowhere holds no images"),
        (("x", "x", ["mse"]), "no score 'mse': choose from fid, kid, is"),
        (("x", "x", "fid,kid"), 'scores are a list, such as ["fid", "kid"], got \'fid,kid\''),
        (("x", "x", []), 'scores are a list, such as ["fid", "kid"], got []'),
        (("x", "x", ["fid"], "toy_extractor:features", "tpu"), "device 'tpu' is not available"),
    ],
)
def test_what_can_not_be_compared_is_one_sentence(arguments, sentence):
    images, others, scores, *more = (*arguments, ["fid"], "toy_extractor:features")[: max(len(arguments), 4)]
    with pytest.raises(TrainError) as caught:
        compare(images, others, scores, *(more if len(arguments) > 3 else ["toy_extractor:features"]))
    assert sentence in str(caught.value) and "\n" not in str(caught.value)


def test_a_torch_fidelity_class_is_an_extractor(data, tmp_path):
    from torch_fidelity.feature_extractor_base import FeatureExtractorBase

    class Toy(FeatureExtractorBase):
        def __init__(self, name, features_list, **_):
            super().__init__(name, features_list)

        @staticmethod
        def get_provided_features_list():
            return ("six",)

        @staticmethod
        def get_default_feature_layer_for_metric(metric):
            return "six"

        def forward(self, x):
            assert x.dtype == torch.uint8 and x.shape[1] == 3
            return (torch.from_numpy(toy_features(x.permute(0, 2, 3, 1).numpy())),)

    sys.modules["toy_extractor"].Toy = Toy
    extractor = open_extractor("toy_extractor:Toy", ["fid"], torch.device("cpu"))
    pixels = ImageSample(str(data), "train", SIZE).pixels()
    np.testing.assert_array_equal(extractor(pixels)["features"], toy_features(pixels))
    assert extractor.title("fid") == "Fréchet distance (toy_extractor:Toy)"


def test_an_extractor_that_does_not_work_is_one_sentence_before_sampling(checkpoint, data, tmp_path, capsys):
    def failing(images):
        raise OSError("no weights here")

    for name, kind, sentence in (
        ("failing", failing, "toy_extractor:failing failed (no weights here)"),
        ("short", lambda images: np.zeros((1, 6)), "must give 4 rows, but gave (1, 6)"),
        ("empty", lambda images: np.zeros((len(images), 0)), "must give 4 rows, but gave (4, 0)"),
        ("nan", lambda images: np.full((len(images), 6), np.nan), "gave a feature that is not a finite number"),
        ("words", lambda images: [["a"]] * len(images), "words failed (could not convert string"),
    ):
        setattr(sys.modules["toy_extractor"], name, kind)
        assert evaluate(checkpoint, data, tmp_path / "study", "--extractor", f"toy_extractor:{name}") == 2
        error = capsys.readouterr().err
        assert sentence in error and "Traceback" not in error and not (tmp_path / "study").exists()


def test_one_reference_is_refused_before_sampling(checkpoint, data, tmp_path, capsys):
    (tmp_path / "one").mkdir()
    shutil.copy(next(data.glob("*.png")), tmp_path / "one")
    assert evaluate(checkpoint, tmp_path / "one", tmp_path / "study") == 2
    assert "at least 2 reference images, and the image folder one has 1" in capsys.readouterr().err
    assert not (tmp_path / "study").exists()


DAMAGED = {
    "study.json": ("[]", "{}", '{"identity": {}, "runs": {}}', "{", "", "\xff", "null"),
    "bits.json": ("[]", "{", '{"images": 3, "data": "x", "clip": true, "chains": [{}]}'),
    "cells/ddim-eta0-linspace-2steps-10images/result.json": ("{}", "[]", '{"scores": [{}]}', "nothing"),
    "cells/of-another-run/result.json": ("{}",),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_files_of_a_study_are_named_before_anything_is_sampled(checkpoint, data, tmp_path, capsys, name):
    file, read = tmp_path / name, {"study.json": read_study, "bits.json": read_bits}.get(name, read_cells)
    file.parent.mkdir(parents=True, exist_ok=True)
    for content in DAMAGED[name]:
        file.write_bytes(content.encode("latin-1"))
        with pytest.raises(TrainError) as error:
            read(tmp_path)
        assert str(error.value).startswith(f"{file} is ") and "\n" not in str(error.value)
    assert evaluate(checkpoint, data, tmp_path, "--metrics", "fid", "--steps", "2", "--sampler", "ddim") == 2
    told = capsys.readouterr().err
    assert f"error: {file} is" in told and "Traceback" not in told and not calls
    assert file.read_bytes() == content.encode("latin-1")


def test_a_damaged_part_is_named(checkpoint, data, tmp_path, capsys):
    options = ("--metrics", "bpd", "--steps", "6", "--test-images", "2")
    assert evaluate(checkpoint, data, tmp_path, *options) == 0
    (file,) = tmp_path.glob("bits/*/*.npz")
    whole = file.read_bytes()
    for content in (b"", b"half a file", whole[:-30], whole[:300] + b"?" + whole[301:]):
        file.write_bytes(content)
        with pytest.raises(TrainError, match=f"{file} is damaged: delete it"):
            read_arrays(file)
    assert evaluate(checkpoint, data, tmp_path, *options) == 2
    told = capsys.readouterr().err
    assert f"error: {file} is damaged: delete it" in told and "Traceback" not in told


def test_etas_that_are_close_have_cells_and_rows_of_their_own(checkpoint, data, tmp_path):
    options = ("--metrics", "fid", "--steps", "2", "--sampler", "ddim", "--eta", "0.2,0.20000001")
    assert evaluate(checkpoint, data, tmp_path, *options) == 0
    names = {f"ddim-eta{eta}-linspace-2steps-10images" for eta in ("0.2", "0.20000001")}
    assert {path.name for path in tmp_path.glob("cells/*")} == names
    assert "| DDIM η=0.20000001 |" in (tmp_path / "table.md").read_text()


def test_each_sampler_that_takes_a_variance_has_a_cell_for_each(checkpoint, data, tmp_path):
    options = ("--metrics", "fid", "--steps", "2", "--sampler", "langevin,ddim")
    assert evaluate(checkpoint, data, tmp_path, *options) == 0
    expected = {
        ("langevin", variance): sample(exact(checkpoint), range(10), 2, sampler="langevin", variance=variance)
        for variance in ("beta", "beta_tilde")
    }
    expected["ddim", None] = sample(exact(checkpoint), range(10), 2, sampler="ddim")
    found = {(cell["sampler"], cell["variance"]): cell["scores"][0]["value"] for cell in results(tmp_path)["cells"]}
    assert found == {cell: pytest.approx(frechet(images, data), rel=1e-4) for cell, images in expected.items()}
    table = (tmp_path / "table.md").read_text()
    assert "| LANGEVIN β |" in table and "| LANGEVIN β̃ |" in table and "| DDIM η=0 |" in table


def test_a_sampler_of_ones_own_is_a_cell_beside_those_with_names(checkpoint, data, tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text("from ddpm_core.samplers import DDIM\n\nsteep = DDIM()\n")
    monkeypatch.syspath_prepend(tmp_path)
    out = tmp_path / "study"
    assert evaluate(checkpoint, data, out, "--metrics", "fid", "--steps", "2", "--sampler", "mine:steep,ddim") == 0
    named, own = results(out)["cells"]
    assert (own["sampler"], own["variance"], named["sampler"]) == ("mine:steep", None, "ddim")
    assert own["scores"][0]["value"] == named["scores"][0]["value"]
    assert "| mine:steep |" in (out / "table.md").read_text()


REFUSED = [
    (("--sampler", "nowhere:euler"), "can't be imported"),
    (("--steps", "3,7"), "1 to 6"),
    (("--steps", "many"), "--steps takes numbers"),
    (("--spacing", "linspace,own"), "--spacing own is only for students: choose another."),
    (("--variance", "analytic"), "run `python -m train gamma"),
    (("--sampler", "euler"), "--sampler can't be 'euler'"),
    (("--metrics", "is"), "The Inception score needs inception-v3-compat"),
    (("--extractor", "nowhere:features"), "can't be imported"),
    (("--extractor", "nothing"), "There is no feature extractor 'nothing'"),
    (("--metrics", "bpd", "--spacing", "trailing"), "visits t = 1"),
    (("--samples", "1"), "--samples must be 2 to 10,000,000, got 1"),
    (("--batch", "0"), "--batch must be 1 to 100,000, got 0"),
    (("--eta", "nan"), "--eta takes numbers"),
    (("--eta", "1.5"), "eta must lie between 0 and 1"),
    (("--metrics", "is", "--samples", "9", "--extractor", "inception-v3-compat"), "--samples of at least 10"),
    (("--labels", "classes"), "this one has no classes"),
]


@pytest.mark.parametrize(("options", "sentence"), REFUSED)
def test_what_cannot_be_is_refused_before_anything_is_sampled(checkpoint, data, tmp_path, options, sentence, capsys):
    assert evaluate(checkpoint, data, tmp_path / "study", *options) == 2
    error = capsys.readouterr().err
    assert sentence in error and "Traceback" not in error and error.count("error:") == 1
    assert not (tmp_path / "study").exists()


def test_a_student_is_evaluated_as_it_was_made_where_nothing_else_is_asked_for(data, tmp_path, capsys):
    student = make_checkpoint(tmp_path / "student", prediction="v", student=Student("progressive", (T, 3)))
    words = arguments(student, data, tmp_path / "study", "--metrics", "fid")
    at = words.index("--steps")
    assert main(words[:at] + words[at + 2 :]) == 0
    (cell,) = results(tmp_path / "study")["cells"]
    assert (cell["sampler"], cell["steps"], cell["spacing"]) == ("ddim", 2, "own")
    assert evaluate(student, data, tmp_path / "other", "--metrics", "fid", "--spacing", "trailing") == 2
    assert "a student that has not learned t = " in capsys.readouterr().err


def test_bits_of_a_student_are_refused_before_anything_is_sampled(data, tmp_path, capsys):
    student = make_checkpoint(tmp_path / "student", prediction="v", student=Student("consistency", (T,)))
    options = ("--metrics", "fid,rate-distortion", "--sampler", "consistency", "--steps", "1", "--variance", "beta")
    assert evaluate(student, data, tmp_path / "study", *options) == 2
    assert "a student that has not learned t = " in capsys.readouterr().err
    assert not (tmp_path / "study").exists()


def lists(*names):
    """Of names, right and wrong, with commas between them."""
    return st.lists(st.sampled_from(names), max_size=3).map(",".join)


WHOLE = st.integers(-3, 12) | st.integers()
TEXT = st.text("0123456789.,-+eEnaif_~:/ \u0663\u00b2", max_size=6)
OPTIONS = {
    "--metrics": lists("fid", "kid", "is", "bpd", "rate-distortion", "lpips", " fid"),
    "--steps": lists("1", "2", "6", "7", "0", "-1", "1e3", "1_0") | TEXT,
    "--variance": lists("beta", "beta_tilde", "analytic", "learned", "learned_range", "small"),
    "--sampler": lists("ddpm", "ddim", "dpm++", "unipc", "euler"),
    "--spacing": lists("linspace", "quadratic", "quadratic_T", "leading", "trailing", "optimised", "random"),
    "--eta": lists("0", "1", "0.5", "-0", "nan", "inf", "1.01", "1e-9") | TEXT,
    "--samples": WHOLE,
    "--references": WHOLE,
    "--test-images": WHOLE,
    "--batch": WHOLE,
    "--extractor": TEXT,
    "--labels": st.sampled_from(["none", "classes", "all"]),
    "--data": TEXT.filter(lambda text: text.count("/") == 0),  # owner/name would be looked for on the Hub
}


# Of a command line that is measured, up to two options are others.
FEW = st.sets(st.sampled_from(sorted(OPTIONS)), max_size=2).flatmap(
    lambda flags: st.fixed_dictionaries({flag: OPTIONS[flag] for flag in sorted(flags)})
)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(options=FEW)
@example(options={})
def test_any_command_line_is_measured_or_gets_a_sentence(data, strict_model, tmp_path, monkeypatch, capsys, options):
    """Up to where the study begins to sample."""
    monkeypatch.setattr("train.evaluate.run.open_checkpoint", lambda *_: strict_model)
    monkeypatch.setattr("train.evaluate.run.measure", lambda *_: None)
    shutil.rmtree(tmp_path / "study", ignore_errors=True)
    right = {"--data": data, "--extractor": "toy_extractor:features", "--steps": "2", "--variance": "beta"}
    changed, options = bool(options), right | {"--metrics": "kid"} | options
    words = [f"{flag}={value}" for flag, value in options.items()]
    capsys.readouterr()
    try:
        status = main(["evaluate", "checkpoint", "--out", str(tmp_path / "study"), "--device", "cpu", *words])
    except SystemExit as stop:  # what is not of a flag's type, which tyro explains
        status = stop.code
    else:
        told = capsys.readouterr().err
        assert (told.count("error: "), len(told.strip().splitlines())) == (status // 2, status // 2), told
    assert status in ((0, 2) if changed else (0,)) and (status == 0) == (tmp_path / "study").exists()


def test_an_out_that_cannot_be_written_is_one_sentence(checkpoint, data, tmp_path, capsys, monkeypatch):
    file = tmp_path / "file"
    file.write_text("")
    for out in (file, file / "study"):
        assert evaluate("no/checkpoint", data, out) == 2  # it is not even looked for
        assert f"error: --out {out} can't be written (Not a directory)" in capsys.readouterr().err

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    options = ("--steps", "2", "--sampler", "ddim")
    with monkeypatch.context() as patch:
        patch.setattr("train.common.files.np.savez", full)
        assert evaluate(checkpoint, data, tmp_path / "study", *options) == 2
    error = capsys.readouterr().err
    assert "can't be written (No space left on device)" in error and "Traceback" not in error
    assert evaluate(checkpoint, data, tmp_path / "study", *options) == 0


def test_missing_inception_weights_give_one_sentence_before_sampling(checkpoint, data, tmp_path, capsys, monkeypatch):
    def offline(*_, **__):
        raise OSError("<urlopen error [Errno -2] Name or service not known>")

    monkeypatch.setattr("torch_fidelity.feature_extractor_inceptionv3.load_state_dict_from_url", offline)
    assert evaluate(checkpoint, data, tmp_path / "study", "--extractor", "inception-v3-compat") == 2
    error = capsys.readouterr().err
    assert "FID, KID and IS need Inception weights, which could not be downloaded" in error and "Traceback" not in error
    assert not (tmp_path / "study").exists()


def test_gamma_command_keeps_it_with_the_checkpoint(checkpoint, data, tmp_path, torch_engine):
    copy = tmp_path / "copy"
    shutil.copytree(checkpoint, copy)
    assert main(["gamma", str(copy), "--data", str(data), "--images", "10", "--device", "cpu"]) == 0
    content = json.loads((copy / "analytic_variance.json").read_text())
    assert content["images"] == 10 and content["times"][-1] == T and "image folder" in content["data"]
    assert exact(copy).gamma.shape == (T + 1,)
    options = ("--variance", "analytic", "--metrics", "fid,bpd", "--test-images", "3")
    assert evaluate(copy, data, tmp_path / "study", *options) == 0
    assert "DDPM analytic" in (tmp_path / "study" / "table.md").read_text()


def test_gamma_refuses_before_anything_is_computed(checkpoint, data, tmp_path, capsys, monkeypatch, torch_engine):
    def refused(folder, sentence, *more):
        assert main(["gamma", str(folder), "--data", str(data), "--device", "cpu", *more]) == 2
        error = capsys.readouterr().err
        assert sentence in error and "Traceback" not in error

    monkeypatch.setattr("ddpm_core.analytic.estimate_gamma", None)
    for n in ("0", "-1", "1"):
        refused(checkpoint, f"--images must be 2 to 10,000,000, got {n}", "--images", n)
    refused(make_checkpoint(tmp_path / "strict", 3, num_classes=3), "cifar10 has no class labels")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    model = exact(checkpoint)
    model.source = replace(model.source, name="some/model", revision="abc123")  # one of the Hub's
    monkeypatch.setattr("train.tuning.gamma.open_checkpoint", lambda *_: model)
    refused(checkpoint, "cannot write")
