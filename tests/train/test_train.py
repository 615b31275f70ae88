"""The trainer in this process: recipes, resuming, the files of a run, and errors."""

import io
import json
import math
import os
import pickle
import re
import shutil
import signal
import sys
import time
import types
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from training import (
    LEVELS,
    assert_same,
    fit,
    flags,
    make_folder,
    process_restored,  # noqa: F401
    tiny,
    weights,
)

import ddpm_core
from ddpm_core import Model, NoiseSchedule, imaging
from ddpm_core.engines.choose import wrap
from ddpm_core.engines.from_diffusers import UNet2DModel
from ddpm_core.objective import lognormal_times
from train import TrainError
from train.__main__ import main
from train.autoencoder.config import AutoencoderConfig
from train.common import lock
from train.common.config import PRESETS, Config, from_dict, to_dict
from train.data.batches import TrainingExamples, batches, image_of
from train.data.images import Images
from train.data.sources import open_source
from train.distill.config import DistillConfig
from train.fit import trainer as trainer_module
from train.fit.ema import EMA
from train.fit.flags.limits import check
from train.fit.outputs.progress import Progress, Window
from train.fit.recipe import learning_rate, make_network, time_distribution
from train.fit.start import parse_fit
from train.fit.state import find_checkpoints, last_good_checkpoint, load_latest, step_of
from train.fit.trainer import Trainer

pytestmark = pytest.mark.usefixtures("torch_engine")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    """The configuration of a run of two steps that is over."""
    config = tiny(folder, tmp_path_factory.mktemp("run"), steps=2)
    fit(config)
    return config


@pytest.fixture
def finished(run):
    """(its configuration, its last checkpoint)"""
    return run, load_latest(Path(run.out) / "checkpoints")[0]


# Recipes


def test_presets_have_the_papers_values():
    """Appendix B of the paper."""
    for name, c in PRESETS.items():
        check(c)
        assert (c.config, c.out, c.T, c.beta_start, c.beta_end) == (name, f"runs/{name}", 1000, 1e-4, 0.02)
        if name.endswith("-tiny"):
            continue
        assert (c.optimizer, c.warmup, c.ema, c.clip, c.lr_decay) == ("adam", 5000, 0.9999, 1.0, "none")
        assert (c.prediction, c.loss, c.attention, c.blocks) == ("epsilon", "simple", (16,), 2)
        if name.startswith("cifar10"):
            assert (c.lr, c.batch, c.steps, c.dropout, c.flip) == (2e-4, 128, 800_000, 0.1, True)
            assert (c.variance, c.widths) == ("beta", (128, 256, 256, 256))
        else:
            assert (c.lr, c.batch, c.dropout, c.variance) == (2e-5, 64, 0.0, "beta_tilde")
            assert c.widths == (128, 128, 256, 256, 512, 512) and c.flip == ("bedroom" not in name)
    steps = {name: config.steps for name, config in PRESETS.items() if name.endswith("256")}
    assert list(steps.values()) == [500_000, 2_400_000, 1_200_000, 1_800_000]


def test_presets_have_the_papers_networks():
    with torch.device("meta"):
        sizes = {
            name: sum(p.numel() for p in make_network(config, 10 if config.conditional else 0).parameters())
            for name, config in PRESETS.items()
        }
    assert sizes["cifar10"] == 35_746_307 and sizes["lsun-church-256"] == 113_673_219
    assert sizes["cifar10-tiny"] == 8_481_699 and sizes["mnist-tiny"] == 687_473


@given(step=st.integers(0, 2000), warmup=st.integers(0, 100))
def test_learning_rate_rises_then_stays_or_falls_to_zero(step, warmup):
    config = replace(PRESETS["cifar10"], warmup=warmup, steps=1000, lr=0.5)
    rate = learning_rate(config, step)
    assert rate == pytest.approx(0.5 * min(1, (step + 1) / max(warmup, 1)))
    cosine = replace(config, lr_decay="cosine")
    assert 0 <= learning_rate(cosine, step + 1) <= max(rate, learning_rate(cosine, step)) * (1 + 2 / max(step, 1))
    assert learning_rate(cosine, 1000) == pytest.approx(0, abs=1e-12)


def test_lognormal_times_are_by_default_those_of_karras_et_al():
    config = replace(PRESETS["cifar10"], times="lognormal")
    expected = lognormal_times(NoiseSchedule.linear(), -1.2, 1.2).cumsum(0)  # their Table 1
    np.testing.assert_array_equal(time_distribution(config), expected)


def test_ema_starts_short_follows_parameters_only_and_stays_float32():
    network = torch.nn.BatchNorm1d(1)
    ema = EMA(network, decay=0.5)
    expected = network.weight.item()
    for n in range(8):
        with torch.no_grad():
            network.weight += 1
            network.running_mean += 1
        decay = min(0.5, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * network.weight.item()
        ema.update(network)
        assert ema.network.weight.item() == pytest.approx(expected)
    assert ema.network.running_mean.item() == 0
    assert EMA(torch.nn.Linear(1, 1).bfloat16(), 0.9).network.weight.dtype == torch.float32


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"batch": 0}, "--batch must be at least 1, got 0"),
        ({"label_dropout": 1.0}, "--label-dropout must be at least 0 and below 1"),
        ({"attention": (5,)}, "--attention must be among the resolutions [32, 16, 8, 4]"),
        ({"norm_groups": 7}, "--norm-groups must divide"),
        ({"widths": (8,) * 9, "norm_groups": 4, "image_size": 256}, "--widths must be 1 to 8 whole numbers"),
        ({"channels": 5}, "--channels must be among 1, 2, 3, 4, got 5"),
        ({"image_size": 30}, "--image-size must be a multiple of 8"),
        ({"variance": "learned"}, "--loss hybrid"),
        ({"loss": "hybrid"}, "--variance learned_range"),
        ({"min_snr": 5.0, "prediction": "mu"}, "--min-snr"),
        ({"T": 20, "sample_steps": 5, "beta_end": 1.0}, "x_T is pure noise"),
        ({"T": 10_000, "beta_end": 0.5}, "take smaller betas, or fewer steps"),
        ({"sample_steps": 2000}, "--sample-steps can't exceed T"),
        ({"times": "lognormal", "log_sigma_std": 0.0}, "--log-sigma-std must be above 0"),
        ({"times": "lognormal", "loss": "vlb"}, "--times uniform"),
        ({"weight_decay": 0.1}, "--weight-decay needs --optimizer adamw or muon"),
        ({"fused": True}, "--fused goes with --channels-last"),
        ({"fused": True, "channels_last": True, "precision": "fp16"}, "--precision fp32 or bf16"),
    ],
)
def test_impossible_configurations_are_one_sentence(change, words):
    with pytest.raises(TrainError) as error:
        check(replace(PRESETS["cifar10"], **change))
    assert words in str(error.value) and "\n" not in str(error.value)


def test_overrides_start_from_the_preset():
    config, state = parse_fit(["--config", "lsun-cat-256", "--lr", "1e-3", "--no-flip", "--widths", "32", "64"])
    expected = replace(PRESETS["lsun-cat-256"], lr=1e-3, flip=False, widths=(32, 64))
    assert config == expected and state is None
    assert from_dict(to_dict(config), Config) == config


def test_a_configuration_is_written_in_the_order_of_every_version():
    """So the files of a run stay byte for byte; other commands write their own fields after those of `fit`."""
    written = list(to_dict(Config()))
    assert written[:6] == ["config", "data", "out", "resume", "init", "seed"] and written[-1] == "sample_steps"
    for config in (DistillConfig(), AutoencoderConfig()):
        assert list(to_dict(config))[: len(written)] == written


# Data


@given(count=st.integers(1, 60), epoch=st.integers(0, 5), seed=st.integers(0, 2**63 - 1))
def test_every_epoch_shows_every_image_once(count, epoch, seed):
    order = [image_of(seed, epoch * count + k, count) for k in range(count)]
    assert sorted(order) == list(range(count))


def test_epochs_and_seeds_have_orders_of_their_own():
    orders = {tuple(image_of(seed, e * 50 + k, 50) for k in range(50)) for seed in (0, 1) for e in (0, 1)}
    assert len(orders) == 4


def test_draws_have_the_distributions_they_should(folder, tmp_path):
    config = tiny(folder, tmp_path, conditional=True)
    images = Images(config, quiet=True)
    samples = [TrainingExamples(config, images, None)[n] for n in range(4000)]
    t = np.array([s["t"] for s in samples])
    assert t.min() == 1 and t.max() == 20 and abs(np.bincount(t)[1:] - 200).max() < 75
    assert abs(np.mean([s["mirror"] for s in samples]) - 0.5) < 0.04
    assert abs(np.mean([s["label"] == 2 for s in samples]) - 0.1) < 0.025
    eps = np.stack([s["eps"] for s in samples])
    assert abs(eps.mean()) < 0.01 and abs(eps.std() - 1) < 0.01
    assert not any(TrainingExamples(replace(config, flip=False), images, None)[n]["mirror"] for n in range(50))


@pytest.mark.parametrize("processes", [1, 2, 4])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_processes_and_rounds_share_the_same_samples(folder, tmp_path, processes, accumulate):
    config = tiny(folder, tmp_path, accumulate=accumulate, steps=3)
    images = Images(config, quiet=True)
    parts = [list(batches(config, images, None, 1, process, processes)) for process in range(processes)]
    whole = list(batches(replace(config, accumulate=1), images, None, 1, 0, 1))
    for step in range(2):
        rounds = [part[step * accumulate + k] for k in range(accumulate) for part in parts]
        for key in ("t", "eps", "image", "mirror"):
            assert torch.equal(torch.cat([r[key] for r in rounds]), whole[step][key])


@pytest.mark.parametrize("memory", [4.0, 0.0])
def test_pictures_are_resized_cropped_and_shown_as_they_are_meant(tmp_path, memory):
    make_folder(tmp_path, n=1, classes=())
    wide = Image.new("L", (40, 20), 0)
    wide.paste(255, (10, 0, 30, 20))  # the centre is white, the sides are black
    wide.save(tmp_path / "wide.png")
    Image.new("RGBA", (8, 8), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    Image.fromarray(np.full((8, 8), 32768, np.uint16)).save(tmp_path / "deep.png")
    images = Images(tiny(tmp_path, "elsewhere", memory=memory), quiet=True)
    pixels = np.stack([images.read(i)[0] for i in range(4)]) if images.pixels is None else images.pixels.numpy()
    assert pixels.shape == (4, 8, 8, 3) and pixels.dtype == np.uint8
    _, clear, deep, wide = pixels  # in the order of their names
    assert (clear == 128).all() and (deep == 128).all() and wide.min() > 200


@pytest.mark.parametrize("memory", [4.0, 0.0])
def test_broken_images_are_skipped_counted_and_named(tmp_path, capsys, memory):
    make_folder(tmp_path / "data", n=9, classes=())
    (tmp_path / "data" / "004b.png").write_bytes(b"not a picture")
    (tmp_path / "data" / "007b.png").write_bytes((tmp_path / "data" / "007.png").read_bytes()[:60])
    trainer = fit(tiny(tmp_path / "data", tmp_path / "out", memory=memory, steps=2))  # which read every image
    told = capsys.readouterr().err
    assert "004b.png" in told and "007b.png" in told and "2 " in told
    assert len(trainer.images.broken) == 2


@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # on a machine with one core
def test_streamed_and_decoded_images_train_alike(folder, tmp_path):
    for name, changes in {"memory": {}, "stream": {"memory": 0.0}, "workers": {"memory": 0.0, "workers": 2}}.items():
        fit(tiny(folder, tmp_path / name, conditional=True, steps=2, **changes))
    for name in ("stream", "workers"):
        assert_same(weights(tmp_path / "memory", 2), weights(tmp_path / name, 2))


def test_parquet_with_labels(folder, tmp_path):
    import datasets

    features = datasets.Features({"img": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})
    paths = sorted(folder.rglob("*.png"))
    rows = {"img": [str(p) for p in paths], "label": [p.parent.name for p in paths]}
    made = datasets.Dataset.from_dict(rows, features=features)
    (tmp_path / "data" / "plain_text").mkdir(parents=True)
    made.to_parquet(tmp_path / "data" / "plain_text" / "train-00000-of-00001.parquet")
    from_folder = Images(tiny(folder, tmp_path, conditional=True), quiet=True)
    for data in (tmp_path / "data", next((tmp_path / "data").rglob("*.parquet"))):
        images = Images(tiny(data, tmp_path, conditional=True), quiet=True)
        assert images.classes == ("cat", "dog")
        assert torch.equal(images.pixels, from_folder.pixels) and torch.equal(images.labels, from_folder.labels)


def test_hidden_folders_and_those_of_macos_are_no_classes_and_hold_no_data(tmp_path):
    root = make_folder(tmp_path / ".data" / "pictures", n=4)  # itself in a hidden folder
    for hidden in (".thumbnails/a.png", "cat/.small/b.png", "__MACOSX/cat/._000.png", "dog/._001.png"):
        (root / hidden).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / "cat" / "000.png", root / hidden)
    (root / ".cache").mkdir()
    (root / ".cache" / "rows.parquet").touch()
    images = Images(tiny(root, tmp_path / "run", conditional=True), quiet=True)
    assert images.classes == ("cat", "dog") and len(images) == 4
    with pytest.raises(TrainError, match="holds no images"):
        Images(tiny(make_folder(tmp_path / "b", classes=(".hidden",)), tmp_path / "run"), quiet=True)


def test_numbered_classes_are_in_the_order_of_their_numbers(tmp_path):
    for i, names in enumerate((("10", "2", "1", "007"), ("10", "2", "b1"))):
        folder = make_folder(tmp_path / f"{i}", n=8, classes=names)
        images = Images(tiny(folder, tmp_path, conditional=True), quiet=True)
        assert images.classes == (("1", "2", "007", "10"), ("10", "2", "b1"))[i]
        assert len(set(images.labels.tolist())) == len(names)


def test_a_run_that_goes_on_keeps_the_order_of_its_classes(tmp_path):
    """Also one that was started when numbers were in the order of their letters."""
    folder = make_folder(tmp_path / "data", n=8, classes=("2", "10"))
    config = tiny(folder, tmp_path / "run", conditional=True)
    first = Trainer(config)
    state = first.state() | {"data": {"images": 8, "classes": ["10", "2"]}}  # nor did it keep digests
    again = Trainer(config, state)
    assert (first.images.classes, again.images.classes) == (("2", "10"), ("10", "2"))
    assert (first.images.labels + again.images.labels == 1).all()
    state["data"]["classes"] = ["10", "3"]
    with pytest.raises(TrainError, match="This run was started with another --data"):
        Trainer(config, state)


def test_grey_data_sets_stay_grey_and_others_do_not(tmp_path):
    for i, mode in enumerate(("L", "1", "I;16", "LA")):
        Image.new(mode, (9, 9)).save(tmp_path / f"{i}.png")
    (tmp_path / "3b.png").write_bytes(b"broken")
    for channels in (None, 1, 2, 3, 4):
        images = Images(tiny(tmp_path, "elsewhere", channels=channels), quiet=True)
        assert images.channels == (channels or 1) and images.pixels.shape == (4, 8, 8, images.channels)
    Image.new("RGB", (9, 9)).save(tmp_path / "4.png")
    assert Images(tiny(tmp_path, "elsewhere"), quiet=True).channels == 3


def test_processes_download_one_after_the_other(monkeypatch, tmp_path):
    """The first one downloads, as it would under torchrun; the others find what it has put there."""
    import torchvision.datasets

    file, downloads = tmp_path / "cifar-10", []

    class Data:
        data, targets, classes = np.zeros((2, 32, 32, 3), np.uint8), [0, 1], ["a", "b"]

        def __init__(self, root, train, download):
            if not file.exists():
                downloads.append(root)
                file.touch()
                time.sleep(0.2)
                file.write_text("whole")
            assert file.read_text() == "whole"

    monkeypatch.setattr(torchvision.datasets, "CIFAR10", Data)
    with ThreadPoolExecutor(3) as threads:  # each has a lock of its own, as processes have
        found = list(threads.map(lambda _: open_source("cifar10", cache=tmp_path), range(3)))
    assert [len(source) for source in found] == [2, 2, 2]
    assert len(downloads) == 1


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_torchvisions_data_sets_by_name(monkeypatch, tmp_path, name):
    """With a stand-in for what torchvision downloads."""
    import torchvision.datasets

    shape, names = {
        "mnist": ((20, 28, 28), ["0 - zero", "1 - one", "2 - two", "3 - three", "4 - four"]),
        "cifar10": ((20, 32, 32, 3), list("abcde")),
    }[name]
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)

    def downloaded(root, train, download):
        assert (root, download) == (str(tmp_path / "cache"), True)
        labels = np.arange(20) % 5 if train else np.zeros(20, int)
        data, targets = (pixels, labels.tolist()) if name == "cifar10" else map(torch.from_numpy, (pixels, labels))
        return types.SimpleNamespace(data=data, targets=targets, classes=names)

    monkeypatch.setattr(torchvision.datasets, name.upper(), downloaded)
    config = tiny(name, tmp_path, data_cache=str(tmp_path / "cache"), image_size=shape[1], conditional=True)
    images = Images(config, quiet=True)
    assert images.classes == (tuple("01234") if name == "mnist" else tuple("abcde"))
    assert np.array_equal(images.pixels.numpy(), pixels.reshape(20, *shape[1:3], -1))
    assert images.labels.tolist() == [i % 5 for i in range(20)]
    assert not Images(replace(config, split="test"), quiet=True).labels.any()
    with pytest.raises(TrainError, match="no split 'valid': choose train or test"):
        Images(replace(config, split="valid"), quiet=True)


def test_lsun_database_in_this_process_and_in_workers(tmp_path):
    lmdb = pytest.importorskip("lmdb")
    folder = make_folder(tmp_path / "pictures", n=5, classes=())
    with lmdb.open(str(tmp_path / "bedroom_train_lmdb"), map_size=1 << 20) as database, database.begin(write=True) as t:
        for path in folder.iterdir():
            t.put(path.name.encode(), path.read_bytes())
    expected = Images(tiny(folder, tmp_path), quiet=True).pixels.numpy()
    config = tiny(tmp_path / "bedroom_train_lmdb", tmp_path, memory=0.0)
    images = Images(config, quiet=True)
    assert np.array_equal(Images(replace(config, memory=4.0), quiet=True).pixels, expected)
    # To a worker that is spawned the examples go pickled, after images were read here; a forked one has what is open.
    assert np.array_equal(images.read(0)[0], expected[0])
    lmdb.open(str(tmp_path / "bedroom_train_lmdb"), readonly=True, lock=False).close()  # fails where it is open already
    spawned = pickle.loads(pickle.dumps(TrainingExamples(config, images, None)))
    for n in range(3):
        assert np.array_equal(spawned[n]["pixels"], expected[spawned[n]["image"]])
    for workers in (0, 1):
        batch = next(batches(replace(config, workers=workers), images, None, 0, 0, 1))
        assert np.array_equal(batch["pixels"], expected[batch["image"]])


def test_wrong_data_is_one_sentence(tmp_path, folder):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.txt").write_text("x")
    make_folder(tmp_path / "flat", n=2, classes=())
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.png").write_bytes(b"")
    (tmp_path / "pq").mkdir()
    (tmp_path / "pq" / "a.parquet").write_bytes(b"no parquet")
    for data, words, changes in (
        ("", "--data", {}),
        (tmp_path / "nowhere", "There is no folder or data set", {}),
        (tmp_path / "empty", "holds no images", {}),
        (tmp_path / "file.txt", "is a file", {}),
        (tmp_path / "broken", "None of the 1 images", {}),
        (tmp_path / "pq", "can't be read", {}),
        (tmp_path / "flat", "no class labels", {"conditional": True}),
    ):
        config = tiny(data, tmp_path / "out", **changes)
        with pytest.raises(TrainError) as error:
            fit(config)
        assert words in str(error.value) and "\n" not in str(error.value)


# Runs


def test_a_compiled_run_makes_the_weights_of_any_other(folder, tmp_path, monkeypatch):
    compiled = []
    monkeypatch.setattr(torch, "compile", lambda forward, **_: compiled.append(forward) or forward)
    for name in ("plain", "compiled"):
        fit(tiny(folder, tmp_path / name, steps=2, compile=name == "compiled"))
    assert_same(weights(tmp_path / "plain", 2), weights(tmp_path / "compiled", 2))
    assert len(compiled) == 1


def test_a_run_leaves_a_model_that_loads_with_its_card_curves_and_grids(folder, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "scores.jsonl").write_text('{"images": 48, "kid": 690.5}\n{"images": 96, "fd": 1}\n')
    kinds = {"conditional": True, "config": "cifar10-tiny", **LEVELS}
    config = tiny(folder, tmp_path / "run", steps=4, sample_every=2, log_every=1, **kinds)
    trainer = fit(config)
    model = ddpm_core.load(tmp_path / "run" / "model", device="cpu", precision="fp32")
    assert (model.num_classes, model.null_label, model.class_names) == (2, 2, ("cat", "dog"))
    assert model.source.weights == "EMA" and (model.prediction, model.variance) == ("epsilon", "beta")
    assert_same(dict(model.network.unet.state_dict()), dict(trainer.ema.network.state_dict()))
    assert ddpm_core.sample(model, seeds=[0], steps=2, labels=[1]).shape == (1, 8, 8, 3)
    assert sorted(p.name for p in (tmp_path / "run" / "samples").iterdir()) == [
        f"step-{step:09d}-{kind}.png" for step in (2, 4) for kind in ("ema", "raw")
    ]
    card = (tmp_path / "run" / "model" / "README.md").read_text()
    rows = ("| 48 | 690.5 |  |", "| 96 |  | 1 |")
    assert all(words in card for words in ("32 images seen", "21 of image folder", "cat, dog", "decay 0.9999", *rows))
    assert f"python -m train fit --config cifar10-tiny --data {folder.name} --out run " in card
    assert (
        "\n# run\n" in card and "--attention 4" in card and str(folder.parent) not in card
    )  # where it is on this machine
    shown = tmp_path / "run" / "model" / "samples.png"  # of the model's own weights
    assert "(samples.png)" in card
    assert shown.read_bytes() == (tmp_path / "run" / "samples" / "step-000000004-ema.png").read_bytes()
    curves = EventAccumulator(str(tmp_path / "run" / "logs")).Reload()
    assert {"loss", "gradient norm", "learning rate", "images per s"} <= set(curves.Tags()["scalars"])
    assert any(tag.startswith("loss by t/quarter") for tag in curves.Tags()["scalars"])
    assert [event.step for event in curves.Scalars("loss")] == [1, 2, 3, 4]
    assert all(math.isfinite(event.value) for event in curves.Scalars("loss"))
    assert set(curves.Tags()["images"]) == {"samples/ema", "samples/raw"}
    fit(replace(config, steps=5, sample_every=0), load_latest(tmp_path / "run" / "checkpoints")[0])
    assert not shown.exists()


def test_a_request_to_stop_does_not_wait_for_samples(folder, tmp_path, monkeypatch):
    trainer = Trainer(tiny(folder, tmp_path / "run", sample_every=2, steps=4))
    snapshot, asked = trainer.snapshot, []

    def interrupted(*arguments, **options):
        if not asked:  # a second signal would end this process
            asked.append(os.kill(os.getpid(), signal.SIGTERM))
        return snapshot(*arguments, **options)

    monkeypatch.setattr(trainer, "snapshot", interrupted)
    assert trainer.fit() == signal.SIGTERM
    assert not list((tmp_path / "run").glob("samples/*"))
    assert load_latest(tmp_path / "run" / "checkpoints")[0]["step"] == 2


def test_a_request_to_stop_waits_for_one_step_of_a_few_samples(folder, tmp_path):
    evaluated = []

    def network(x, t_index, labels):
        evaluated.append(len(x))
        return x

    config = tiny(folder, tmp_path, sample_count=20)
    model = Model(network=network, schedule=NoiseSchedule.linear(20), image_size=8, prediction="epsilon")
    progress = Progress(config, tmp_path, 0)
    progress.grid(model, "ema", 1, stopped=lambda: bool(evaluated))
    assert len(evaluated) == 1 and evaluated[0] <= 8 and not (tmp_path / "samples").exists()
    progress.grid(model, "ema", 1, stopped=lambda: False)
    progress.close()
    shown = np.asarray(Image.open(tmp_path / "samples" / "step-000000001-ema.png"))
    whole = ddpm_core.sample(model, range(20), config.sample_steps, sampler="ddim")
    assert np.array_equal(shown, imaging.grid(whole))  # as if drawn at once


def test_the_model_of_the_last_checkpoint_is_there_before_its_samples_are_drawn(folder, tmp_path, monkeypatch):
    trainer = Trainer(tiny(folder, tmp_path / "run", checkpoint_every=1, sample_every=2, steps=3))
    seen = []

    def grid(_, __, weights, step, stopped):
        card = (tmp_path / "run" / "model" / "README.md").read_text()
        seen.append((weights, step, re.search(r"Trained \| (\d+)", card)[1]))

    monkeypatch.setattr(Progress, "grid", grid)
    trainer.fit()
    assert seen == [(weights, step, str(step)) for step in (2, 3) for weights in ("ema", "raw")]


def test_without_label_dropout_there_is_no_null_label(folder, tmp_path):
    fit(tiny(folder, tmp_path / "run", conditional=True, label_dropout=0.0, steps=1))
    model = ddpm_core.load(tmp_path / "run" / "model", device="cpu")
    assert (model.num_classes, model.null_label, model.network.unet.config.num_class_embeds) == (2, None, 2)
    assert "label always needed" in (tmp_path / "run" / "model" / "README.md").read_text()
    with pytest.raises(ValueError, match="label"):
        ddpm_core.sample(model, seeds=[0], steps=1)


def test_a_step_that_overflowed_is_left_out_of_the_mean_norm():
    window = Window(torch.device("cpu"))
    assert math.isnan(window.mean_norm())
    for step, norm in enumerate((1.0, math.inf, 3.0), 1):
        window.finish_step(step, torch.tensor(0.5), torch.tensor(norm), overflow_expected=True)
    assert window.mean_norm() == 2 and window.bad_step == -1


@pytest.mark.parametrize("channels", [1, 4])
def test_any_number_of_channels_trains_samples_and_runs_in_diffusers(folder, tmp_path, channels):
    """28 pixels have a level of odd size."""
    from diffusers import DDPMPipeline

    shape = {"image_size": 28, "widths": (8, 8, 8), "attention": (7,), "channels": channels, "sample_steps": 1}
    fit(tiny(folder, tmp_path / "run", steps=1, sample_every=1, **shape))
    model = ddpm_core.load(tmp_path / "run" / "model", device="cpu", engine="torch")
    assert (model.image_size, model.channels) == (28, channels)
    assert ddpm_core.sample(model, seeds=[0, 1], steps=2).shape == (2, 28, 28, channels)
    assert f"28×28, {channels} channel" in (tmp_path / "run" / "model" / "README.md").read_text()
    pipeline = DDPMPipeline.from_pretrained(tmp_path / "run" / "model")
    assert pipeline(num_inference_steps=2, output_type="np").images.shape == (1, 28, 28, channels)
    if channels == 1:
        (picture,) = pipeline(num_inference_steps=2).images
        assert (picture.mode, picture.size) == ("L", (28, 28))
    assert len(Image.open(tmp_path / "run" / "samples" / "step-000000001-ema.png").getbands()) == channels
    (grid,) = EventAccumulator(str(tmp_path / "run" / "logs")).Reload().Images("samples/ema")
    assert Image.open(io.BytesIO(grid.encoded_image_string)).size == (58, 58)


def test_grey_data_give_a_grey_model_that_learns_its_variance_and_goes_on(tmp_path):
    make_folder(tmp_path / "data", n=6, classes=())
    for path in (tmp_path / "data").iterdir():
        Image.open(path).convert("L").save(path)
    config = tiny(tmp_path / "data", tmp_path / "run", steps=1, loss="hybrid", variance="learned_range")
    trainer = fit(config)
    unet = ddpm_core.load(tmp_path / "run" / "model", device="cpu").network.unet
    assert (unet.config.in_channels, unet.config.out_channels, trainer.config.channels) == (1, 2, 1)
    state = trainer.state()
    path = tmp_path / "data" / "000.png"
    Image.open(path).convert("RGB").save(path)  # the same grey in another mode changes nothing
    assert Trainer(config, state).config.channels == 1
    with pytest.raises(TrainError, match="--channels can't change when a run is resumed: it was 1, not 3"):
        Trainer(replace(config, channels=3), state)
    del state["config"]["channels"]  # of a version that made colours of everything
    assert from_dict(state["config"], Config).channels == 3


def test_training_learns(tmp_path):
    """One grey image: ε is easily told from it, so the loss must fall far below that of a blind guess, 1."""
    (tmp_path / "data").mkdir()
    Image.new("RGB", (8, 8), (128, 128, 128)).save(tmp_path / "data" / "a.png")
    config = tiny(tmp_path / "data", tmp_path / "run", steps=50, batch=8, lr=1e-2, dropout=0.0, log_every=10)
    fit(replace(config, checkpoint_every=50))
    curves = EventAccumulator(str(tmp_path / "run" / "logs")).Reload()
    losses = [event.value for event in curves.Scalars("loss")]
    assert losses[0] > 0.4 and losses[-1] < 0.25


@pytest.mark.parametrize(
    "changes",
    [
        {"prediction": "mu", "loss": "vlb", "variance": "learned"},
        {"prediction": "mu", "loss": "vlb"},
        {"prediction": "x0", "variance": "beta_tilde", "schedule": "cosine"},
        {"prediction": "v", "min_snr": 5.0, "optimizer": "adamw", "weight_decay": 0.1, "lr_decay": "cosine"},
        {"prediction": "epsilon", "loss": "vlb"},
        {"loss": "hybrid", "variance": "learned_range", "channels_last": True, "schedule": "quadratic"},
        {"precision": "bf16", "accumulate": 2},
        {"prediction": "v", "times": "lognormal", "log_sigma_mean": -0.5, "optimizer": "muon", "conditional": True},
    ],
)
def test_the_grid_of_recipes_trains_and_its_results_load(folder, tmp_path, changes):
    trainer = fit(tiny(folder, tmp_path / "run", steps=2, **changes))
    assert all(p.isfinite().all() for p in trainer.unet.parameters())
    model = ddpm_core.load(tmp_path / "run" / "model", device="cpu")
    assert (model.prediction, model.variance) == (trainer.config.prediction, trainer.config.variance)
    assert model.schedule.alpha_bar.equal(trainer.task.schedule.alpha_bar)


def test_warm_start_takes_the_weights_alone(run, folder, tmp_path):
    init = str(Path(run.out) / "model")
    second = Trainer(tiny(folder, tmp_path / "second", init=init))
    assert second.step == 0 and not second.optimizer.state_dict()["state"]
    for started in (second.unet, second.ema.network):
        assert_same(dict(started.state_dict()), weights(Path(run.out), 2, "ema"))
    for wrong, words, changes in (
        (str(tmp_path / "none"), "--init", {}),
        (init, "has --widths 8, and can't be continued with 16", {"widths": (16,)}),
        (init, "out_channels is 3 there, and 6 here", {"variance": "learned_range", "loss": "hybrid"}),
    ):
        with pytest.raises(TrainError, match=words):
            Trainer(tiny(folder, tmp_path / "third", init=wrong, **changes))


@pytest.mark.parametrize(
    "fields",
    [
        {
            **{"flip_sin_to_cos": True, "freq_shift": 0, "downsample_padding": 1, "attention_head_dim": 4},
            **{"norm_eps": 0.1, "act_fn": "gelu", "mid_block_scale_factor": 2, "center_input_sample": True},
            "down_block_types": ("UNetResAttnDownBlock2D",) * 2,  # diffusers' first name of the same
        },
        {
            **{"resnet_time_scale_shift": "scale_shift", "downsample_type": "resnet", "add_attention": False},
            **{"time_embedding_type": "learned", "num_train_timesteps": 30},
        },
    ],
    ids=["same shapes", "other shapes"],
)
def test_a_warm_start_is_the_function_that_was_saved_also_after_a_resume(folder, tmp_path, fields):
    """What no flag decides is taken over: the shapes of the weights do not tell it."""
    torch.manual_seed(0)
    shape = {"widths": (8, 16), "attention": (8, 4)}
    config = tiny(folder, tmp_path / "run", init=str(tmp_path / "odd"), dropout=0.0, steps=1, **shape)
    saved = UNet2DModel(**{**make_network(config, 0).config, **fields})
    schedule = ddpm_core.NoiseSchedule.linear(20)
    network = wrap(saved, "cpu", "fp32", "torch")
    ddpm_core.save(
        ddpm_core.Model(network=network, schedule=schedule, image_size=8, prediction="epsilon"), tmp_path / "odd"
    )
    inputs = torch.randn(2, 3, 8, 8), torch.tensor([0, 19])

    def assert_computes_the_same(network, other):
        with torch.no_grad():
            torch.testing.assert_close(*(unet.eval()(*inputs).sample for unet in (network, other)), rtol=0, atol=1e-5)

    trainer = Trainer(config)
    assert_computes_the_same(trainer.unet, saved)
    assert trainer.fit() is None
    shutil.rmtree(tmp_path / "odd")
    again = Trainer(config, load_latest(tmp_path / "run" / "checkpoints")[0])
    assert_computes_the_same(again.unet, trainer.unet)
    result = ddpm_core.load(tmp_path / "run" / "model", device="cpu", precision="fp32").network.unet
    assert_computes_the_same(result, trainer.ema.network)


def test_a_warm_start_without_labels_is_what_the_label_for_none_computes(folder, tmp_path):
    fit(tiny(folder, tmp_path / "first", steps=1, conditional=True))
    init = str(tmp_path / "first" / "model")
    saved = ddpm_core.load(init, device="cpu", precision="fp32", engine="torch")
    x, t = torch.randn(2, 3, 8, 8), torch.tensor([0, 19])
    trainer = Trainer(tiny(folder, tmp_path / "second", init=init))
    with torch.no_grad():
        ours = trainer.unet.eval()(x, t).sample
    torch.testing.assert_close(ours, saved.network(x, t, torch.tensor([saved.null_label] * 2)), rtol=0, atol=1e-5)


# Stopping and going on


@pytest.mark.parametrize(
    "changes", [{"conditional": True, "optimizer": "adamw", "lr_decay": "cosine"}, {"optimizer": "muon"}]
)
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(folder, tmp_path, changes):
    fit(tiny(folder, tmp_path / "whole", steps=5, **changes))
    config = tiny(folder, tmp_path / "parts", steps=5, **changes)
    trainer = Trainer(config)
    real_step = trainer.train_step

    def stop_at_2(rounds, window):
        real_step(rounds, window)
        if trainer.step == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    trainer.train_step = stop_at_2
    assert trainer.fit() == 15
    state, complaints = load_latest(tmp_path / "parts" / "checkpoints")
    assert state["step"] == 2 and not complaints
    fit(config, state)
    for part in ("model", "ema"):
        assert_same(weights(tmp_path / "whole", 5, part), weights(tmp_path / "parts", 5, part))


def test_the_last_two_checkpoints_that_can_be_read_are_kept(folder, tmp_path):
    config, saved = tiny(folder, tmp_path, checkpoint_every=2, steps=4), tmp_path / "checkpoints"
    fit(config)
    paths = find_checkpoints(saved)
    assert [step_of(path) for path in paths] == [4, 2]
    content = bytearray(paths[0].read_bytes())
    middle = len(content) // 2
    content[middle : middle + 256] = bytes(255 - byte for byte in content[middle : middle + 256])
    for damaged in (bytes(content), content[:1000], b"damaged"):
        paths[0].write_bytes(damaged)
        state, complaints = load_latest(saved)
        assert state["step"] == 2 and "step-000000004.pt" in complaints[0]
    assert last_good_checkpoint(saved) == paths[1]
    fit(replace(config, steps=3), state)
    assert [step_of(path) for path in find_checkpoints(saved)] == [3, 2]
    assert (saved / "step-000000004.pt.damaged").read_bytes() == b"damaged"
    find_checkpoints(saved)[0].write_bytes(bytes(content))
    fit(replace(config, steps=5, checkpoint_every=5), load_latest(saved)[0])  # a damaged one is not the last but one
    assert [step_of(path) for path in find_checkpoints(saved)] == [5, 2]
    assert (saved / "step-000000003.pt.damaged").read_bytes() == content
    for path in find_checkpoints(saved):
        path.write_bytes(b"")
    with pytest.raises(TrainError, match="can be read"):
        load_latest(saved)


def test_what_decides_the_run_cant_change_on_resume(finished, tmp_path):
    config, state = finished
    for changes, words in (
        ({"batch": 16}, "--batch can't change"),
        ({"data": str(make_folder(tmp_path, n=22))}, "21 images of 0 classes then, 22"),
        ({"steps": 1}, "--steps 1 is less than the 2 steps"),
    ):
        with pytest.raises(TrainError, match=words):
            Trainer(replace(config, **changes), state)
    state["model"].popitem()
    with pytest.raises(TrainError, match="checkpoint of step 2 does not fit this run"):
        Trainer(config, state)


@pytest.mark.parametrize("changes", [{"optimizer": "adamw"}, {"optimizer": "muon"}])
def test_what_may_change_on_resume_takes_effect(folder, tmp_path, changes):
    """Each of these decides what an update does: it must be the new value that the resumed run computes with."""
    config = tiny(folder, tmp_path / "run", steps=1, warmup=0, weight_decay=0.1, **changes)
    fit(config)
    state, _ = load_latest(tmp_path / "run" / "checkpoints")
    new = replace(config, steps=2, lr=1e-3, weight_decay=0.5, clip=1e-6, ema=0.01, lr_decay="cosine")
    trainer = Trainer(new, state)
    before = trainer.ema.network.conv_in.weight.clone()
    used, step = [], trainer.optimizer.step

    def noted():
        groups = trainer.optimizer.param_groups
        norm = sum(float(p.grad.square().sum()) for p in trainer.unet.parameters()) ** 0.5
        used.append(({group["weight_decay"] for group in groups}, {group["lr"] for group in groups}, norm))
        step()

    trainer.optimizer.step = noted
    trainer.fit()
    assert used == [({0.5}, {learning_rate(new, 1)}, pytest.approx(1e-6, rel=1e-3))]
    expected = before.lerp(trainer.unet.conv_in.weight, 0.99)
    torch.testing.assert_close(trainer.ema.network.conv_in.weight, expected)
    assert load_latest(tmp_path / "run" / "checkpoints")[0]["config"]["weight_decay"] == 0.5


def test_images_per_second_are_of_the_steps_alone(folder, tmp_path, monkeypatch):
    """A clock on which a step takes a second, and a checkpoint, a sample grid, an export and getting ready for each
    a hundred."""
    now = [0.0]
    monkeypatch.setattr("train.fit.outputs.progress.time", SimpleNamespace(perf_counter=lambda: now[0]))
    every = {"checkpoint_every": 1, "sample_every": 1, "sample_seconds": 1e-9, "log_every": 2}
    trainer = Trainer(tiny(folder, tmp_path, steps=4, **every))

    def takes(owner, name, seconds):
        function = getattr(owner, name)

        def timed(*arguments, **options):
            now[0] += seconds
            return function(*arguments, **options)

        monkeypatch.setattr(owner, name, timed)

    takes(trainer, "train_step", 1)
    monkeypatch.setattr(Progress, "grid", lambda *_, **__: None)
    takes(Progress, "grid", 100)
    for name in ("save_checkpoint", "export", "Progress", "Preview"):
        takes(trainer_module, name, 100)
    trainer.fit()
    curves = EventAccumulator(str(tmp_path / "logs")).Reload()
    assert [event.value for event in curves.Scalars("images per s")] == [8, 8]


def test_every_checkpoint_and_a_stop_leave_a_model(folder, tmp_path):
    trainer = Trainer(tiny(folder, tmp_path, steps=9, checkpoint_every=2))
    real_step, seen = trainer.train_step, []

    def watched(rounds, window):
        card = tmp_path / "model" / "README.md"
        seen.append(re.search(r"Trained \| (\d+)", card.read_text())[1] if card.exists() else None)
        real_step(rounds, window)
        if trainer.step == 3:
            os.kill(os.getpid(), signal.SIGINT)

    trainer.train_step = watched
    assert trainer.fit() == signal.SIGINT
    assert seen == [None, None, "2"]
    assert "3 steps of 8 images" in (tmp_path / "model" / "README.md").read_text()
    model = ddpm_core.load(tmp_path / "model", device="cpu", precision="fp32")
    assert_same(dict(model.network.unet.state_dict()), dict(trainer.ema.network.state_dict()))


def test_a_second_average_is_kept_and_exported_beside_the_first(run, folder, tmp_path):
    fit(tiny(folder, tmp_path / "whole", steps=3, ema2=0.15))
    config = tiny(folder, tmp_path / "parts", steps=2, ema2=0.15)
    fit(config)
    assert_same(weights(tmp_path / "parts", 2, "ema"), weights(Path(run.out), 2, "ema"))
    assert not (Path(run.out) / "model-ema2").exists()
    state, _ = load_latest(tmp_path / "parts" / "checkpoints")
    trainer = fit(replace(config, steps=3), state)
    assert_same(weights(tmp_path / "whole", 3, "ema2"), weights(tmp_path / "parts", 3, "ema2"))
    second = trainer.averages.named["ema2"]
    for name, average, decay in (("model", trainer.ema, 0.9999), ("model-ema2", second, 0.15)):
        model = ddpm_core.load(tmp_path / "parts" / name, device="cpu", precision="fp32")
        assert_same(dict(model.network.unet.state_dict()), dict(average.network.state_dict()))
        assert f"decay {decay:g}, float32" in (tmp_path / "parts" / name / "README.md").read_text()
    assert not torch.equal(trainer.ema.network.conv_in.weight, second.network.conv_in.weight)


def test_a_checkpoint_of_the_first_version_goes_on(finished, tmp_path):
    """It had no second average, no field for one, and no digest of the images."""
    config, state = finished
    del state["config"]["ema2"]
    state["data"] = {name: state["data"][name] for name in ("images", "classes")}
    assert from_dict(state["config"], Config) == replace(config, channels=3)
    trainer = fit(replace(config, out=str(tmp_path), steps=3, ema2=0.5), state)
    assert (trainer.step, trainer.averages.named["ema2"].updates, trainer.ema.updates) == (3, 1, 3)
    with pytest.raises(TrainError, match=r"another version.*sparkle"):
        from_dict(to_dict(config) | {"sparkle": 1}, Config)


@pytest.mark.parametrize("memory", [4.0, 0.0])
def test_other_images_of_the_same_number_are_refused(folder, tmp_path, memory):
    config = tiny(folder, tmp_path / "run", conditional=True, memory=memory)
    state = Trainer(config).state()
    for name, change in (("copy", None), ("other", (12, 9)), ("labels", None)):
        shutil.copytree(folder, tmp_path / name)
        path = tmp_path / name / "cat" / "004.png"
        if change:
            Image.new("RGB", change, (9, 9, 9)).save(path)
    swapped = [tmp_path / "labels" / place for place in ("cat/004.png", "dog/003.png")]
    swapped[0].rename(tmp_path / "labels" / "dog" / "004.png")
    swapped[1].rename(tmp_path / "labels" / "cat" / "003.png")
    Trainer(replace(config, data=str(tmp_path / "copy"), memory=4 - memory), state)
    for name in ("other", "labels"):
        with pytest.raises(TrainError, match="This run was started with another --data"):
            Trainer(replace(config, data=str(tmp_path / name)), state)


def test_broken_images_and_another_memory_are_told_apart_from_other_data(tmp_path):
    make_folder(tmp_path / "data", n=9, classes=())
    (tmp_path / "data" / "004b.png").write_bytes(b"not a picture")
    config = tiny(tmp_path / "data", tmp_path / "run")
    state = Trainer(config).state()
    with pytest.raises(TrainError, match=r"another --data or --memory: .*can't be read are left out when .* in memory"):
        Trainer(replace(config, memory=0.0), state)
    (tmp_path / "data" / "004b.png").unlink()
    Trainer(replace(config, memory=0.0), state)


def test_parquet_is_told_apart_by_its_sizes(folder, tmp_path):
    import datasets

    def digest(name, paths):
        features = datasets.Features({"img": datasets.Image()})
        made = datasets.Dataset.from_dict({"img": paths}, features=features)
        made.to_parquet(tmp_path / f"{name}.parquet")
        return Images(tiny(tmp_path / f"{name}.parquet", tmp_path, memory=0.0), quiet=True).digests["files"]

    Image.new("RGB", (5, 5)).save(tmp_path / "other.png")
    paths = [*sorted(folder.rglob("*.png"))[:3], tmp_path / "other.png"]
    for kind in (lambda path: str(path), lambda path: {"bytes": path.read_bytes(), "path": None}):
        rows = [kind(path) for path in paths]
        assert digest("a", rows) == digest("b", rows) != digest("c", [rows[3], *rows[:3]])


def test_a_file_that_is_no_checkpoint_is_passed_over_or_said_in_a_sentence(finished, tmp_path, capsys, recwarn):
    _, good = finished
    (tmp_path / "checkpoints").mkdir()
    odd, resume = tmp_path / "checkpoints" / "step-000000009.pt", ["fit", "--resume", "--out", str(tmp_path)]
    last = {**good, "config": {**good["config"], "out": str(tmp_path)}}
    for content in ([1, 2], {**good, "data": {}}, {**good, "ema": None}):
        torch.save(last, tmp_path / "checkpoints" / "step-000000002.pt")
        torch.save(content, odd)
        assert main(resume) == 0
        told = capsys.readouterr().err
        assert "step-000000009.pt can't be read and was passed over (it is no checkpoint" in told
    torch.save({**good, "config": {**good["config"], "lr": "fast", "widths": 3}}, odd)
    recwarn.clear()
    assert main(resume) == 2 and "configuration is wrong: --lr must be a number" in capsys.readouterr().err
    assert not recwarn.list
    (tmp_path / "checkpoints" / "step-000000002.pt").unlink()
    torch.save({"a": 1}, odd)
    assert main(resume) == 2 and "No checkpoint in" in capsys.readouterr().err


def test_a_loss_that_is_not_finite_stops_the_run_and_names_step_rate_and_checkpoint(folder, tmp_path):
    config = tiny(folder, tmp_path, steps=6, checkpoint_every=2)
    trainer = Trainer(config)
    real_step = trainer.train_step

    def poisoned(rounds, window):
        if trainer.step == 3:
            with torch.no_grad():
                trainer.unet.conv_in.weight[0, 0, 0, 0] = torch.nan
        real_step(rounds, window)

    trainer.train_step = poisoned
    with pytest.raises(TrainError) as error:
        trainer.fit()
    assert "at step 4, learning rate 0.0002" in str(error.value) and "step-000000002.pt" in str(error.value)
    assert load_latest(tmp_path / "checkpoints")[0]["step"] == 2


def test_a_folder_that_is_no_model_is_refused_before_the_first_step(folder, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "precious.txt").write_text("keep")
    trainer = Trainer(tiny(folder, tmp_path))
    with pytest.raises(TrainError, match=r"holds precious\.txt"):
        trainer.fit()
    assert trainer.step == 0 and {path.name for path in tmp_path.iterdir()} == {"model", lock.NAME}


def test_a_model_that_could_not_be_loaded_is_refused_before_the_first_step(tmp_path):
    make_folder(tmp_path / "data", n=4, classes=("cat", "not\udcff8"))  # a byte that is no UTF-8
    trainer = Trainer(tiny(tmp_path / "data", tmp_path / "run", conditional=True))
    with pytest.raises(
        TrainError, match=r"`load` would not give this model back: .*class_names must be a list of names"
    ):
        trainer.fit()
    assert trainer.step == 0 and not (tmp_path / "run").exists()


def test_a_new_run_does_not_replace_a_model_that_is_not_its_own(run, folder, tmp_path, capsys):
    shutil.copytree(Path(run.out) / "model", tmp_path / "model")
    kept = {path: path.read_bytes() for path in (tmp_path / "model").iterdir()}
    words = ["fit", *flags(data=folder, steps=1), "--init", str(tmp_path / "model"), "--out", str(tmp_path)]
    assert main(words) == 2
    assert f"{tmp_path / 'model'} holds a model, which this run would replace" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in (tmp_path / "model").iterdir()} == kept


def test_a_run_does_not_write_among_its_images(tmp_path):
    """Its samples would count as images: it could not be resumed."""
    make_folder(tmp_path / "data", n=4, classes=())
    for out in ("data", "data/run", "link/run"):
        (tmp_path / "link").unlink(missing_ok=True)
        (tmp_path / "link").symlink_to("data")
        with pytest.raises(TrainError, match="--out lies in --data"):
            Trainer(tiny(tmp_path / "data", tmp_path / out))
    Trainer(tiny(tmp_path / "data", tmp_path / "data-run"))


def test_command_line_mistakes_are_one_sentence_and_code_2(run, folder, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    for words, expected in (
        (["fit", "--resume", "--out", str(tmp_path / "none")], "no checkpoint to resume"),
        (["fit", "--data", str(tmp_path / "none")], "no folder or data set"),
        (["push", "--out", str(tmp_path), "--repo", "a/b"], "no model in"),
        (["fit", *flags(data=folder), "--out", str(tmp_path / "file")], "Not a directory"),
        (["fit", "--data", str(folder), "--out", run.out], "already holds a run"),
    ):
        assert main(words) == 2
        told = capsys.readouterr().err
        assert expected in told and "Traceback" not in told


def test_what_is_not_installed_is_named(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "train.fit.trainer", None)
    assert main(["fit", "--out", "nowhere"]) == 2
    assert capsys.readouterr().err == "error: train.fit.trainer is missing: pip install -r requirements-dev.txt\n"


def test_scores_that_are_not_json_are_one_sentence(finished, tmp_path):
    config, state = finished
    for line in ("kid: 2", '"kid"', "[2]", "2"):
        (tmp_path / "scores.jsonl").write_text(json.dumps({"kid": 1}) + f"\n{line}\n")
        with pytest.raises(TrainError, match="one JSON object a line"):
            Trainer(replace(config, out=str(tmp_path)), state).fit()
