"""`train autoencoder`: pictures come back, a stopped run goes on bit for bit, and diffusers reads what comes of it."""

from dataclasses import replace

import pytest
import torch
from diffusers import AutoencoderTiny
from training import assert_same, make_folder, process_restored, weights  # noqa: F401

from train import TrainError
from train.autoencoder.config import AutoencoderConfig
from train.autoencoder.start import autoencoder, parse_autoencoder
from train.autoencoder.trainer import AutoencoderTrainer
from train.fit.state import load_latest

TINY = AutoencoderConfig(
    latent_channels=4,
    width=8,
    crop=8,
    image_size=16,
    batch=4,
    steps=2,
    checkpoint_every=2,
    sample_every=2,
    sample_count=2,
    flip=False,
    device="cpu",
    threads=1,
)


@pytest.fixture
def config(tmp_path):
    return replace(TINY, data=str(make_folder(tmp_path / "pictures")), out=str(tmp_path / "run"))


def test_a_run_that_was_stopped_goes_on_bit_for_bit(config, tmp_path):
    half = replace(config, steps=1, out=str(tmp_path / "half"), lr_decay="none")
    whole = replace(config, out=str(tmp_path / "whole"), lr_decay="none")
    AutoencoderTrainer(half).fit()
    state = load_latest(tmp_path / "half" / "checkpoints")[0]
    AutoencoderTrainer(replace(half, steps=2), state).fit()
    assert AutoencoderTrainer(whole).fit() is None
    assert_same(weights(tmp_path / "half", 2, "ema"), weights(tmp_path / "whole", 2, "ema"))


def test_pictures_come_back_and_diffusers_reads_it(config, tmp_path):
    trainer = AutoencoderTrainer(replace(config, steps=60, lr=1e-2, sample_every=60, checkpoint_every=60))
    before = trainer.ema.network.autoencoder
    x = torch.rand(2, 3, 16, 16) * 0.2 + 0.4
    first = (before(x).sample - x).abs().mean()
    trainer.fit()
    found = AutoencoderTiny.from_pretrained(tmp_path / "run" / "model")
    assert found.encode(x).latents.shape == (2, 4, 2, 2)
    assert (found(x).sample - x).abs().mean() < 0.8 * first
    assert (tmp_path / "run" / "samples" / "step-000000060-ema.png").is_file()


def test_sizes_that_latents_cannot_have_are_refused(config):
    for changes in ({"image_size": 20}, {"crop": 12}, {"crop": 24}):
        with pytest.raises(TrainError, match="multiples of 8"):
            AutoencoderTrainer(replace(config, **changes))


@pytest.mark.parametrize(
    "changes", [{"latent_channels": 65}, {"latent_channels": 0}, {"width": -8}, {"width": 1025}, {"latent_noise": -1.0}]
)
def test_what_nothing_could_load_is_refused_before_the_images_are_read(config, changes):
    (name,) = changes
    with pytest.raises(TrainError, match=f"--{name.replace('_', '-')} must be "):
        AutoencoderTrainer(replace(config, data="nowhere", **changes))


def test_a_model_that_is_not_its_own_is_not_replaced(config, tmp_path):
    model = tmp_path / "run" / "model"
    model.mkdir(parents=True)
    (model / "config.json").write_text('{"_class_name": "UNet2DModel"}')
    words = ["--data", config.data, "--out", config.out, "--image-size", "16", "--crop", "8", "--steps", "1"]
    with pytest.raises(TrainError, match="holds a model, which this run would replace"):
        autoencoder([*words, "--device", "cpu", "--no-flip"])


def test_the_command_reads_its_flags_and_resumes(config, tmp_path):
    words = ["--data", config.data, "--out", config.out, "--width", "16"]
    found, state = parse_autoencoder(words)
    assert (found.width, found.data, state) == (16, config.data, None)
    AutoencoderTrainer(replace(config, steps=1)).fit()
    found, state = parse_autoencoder(["--out", config.out, "--resume"])
    assert found.width == 8 and state is not None and state["step"] == 1
