"""Averages of any length after the training: the weights of the steps, the fit to snapshots, and the command."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from training import (
    assert_same,
    fit,
    make_folder,
    process_restored,  # noqa: F401
    tiny,
)

import ddpm_core
import train
from train import TrainError
from train.__main__ import main
from train.fit.ema import PowerAverage
from train.fit.power import LENGTHS, Profile, combine, exponent, step_weights
from train.fit.snapshots import find_snapshots
from train.fit.state import load_latest
from train.fit.trainer import Trainer

pytestmark = pytest.mark.usefixtures("torch_engine")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    """A run of twelve steps in float64 that kept every step's averages, and its weights after each step."""
    config = tiny(folder, tmp_path_factory.mktemp("run"), precision="fp64", steps=12, lr=0.01, ema_snapshots=12)
    trainer, history = Trainer(config), []
    real_step = trainer.train_step

    def noted(rounds, window):
        real_step(rounds, window)
        history.append({name: p.detach().clone() for name, p in trainer.unet.named_parameters()})

    trainer.train_step = noted
    trainer.fit()
    return Path(config.out), history


def directly(history, length):
    """Karras et al. 2024, Eq. 127 by hand: the average moves to each step's weights by 1 − (1 − 1/n)^(γ + 1)."""
    average = {name: torch.zeros_like(value) for name, value in history[0].items()}
    for n, weights in enumerate(history, 1):
        keep = (1 - 1 / n) ** (exponent(length) + 1)
        average = {name: keep * average[name] + (1 - keep) * value for name, value in weights.items()}
    return average


@pytest.mark.parametrize("length", [0.01, 0.05, 0.1, 0.28])
def test_a_length_is_the_relative_deviation_of_the_averaged_steps(length):
    """The sum over whole steps differs from the integral of Eq. 123 by about 1/n."""
    n, steps = 20_000, np.arange(1, 20_001)
    weight = step_weights(Profile(n, exponent(length)), steps)
    mean = float(weight @ steps)
    assert weight.sum() == pytest.approx(1, abs=1e-12)
    assert float(weight @ (steps - mean) ** 2) ** 0.5 / n == pytest.approx(length, rel=1e-3)


def test_a_power_average_weighs_its_updates_as_its_profile_says():
    network = nn.Linear(3, 2).double()
    average, history = PowerAverage(network, 0.1), torch.randn(50, 2, 3, dtype=torch.float64)
    for weights in history:
        network.weight.data.copy_(weights)
        average.update(network)
    wanted = torch.einsum(
        "k,kij->ij", torch.from_numpy(step_weights(Profile(50, exponent(0.1)), np.arange(1, 51))), history
    )
    torch.testing.assert_close(average.network.weight.data, wanted, rtol=0, atol=1e-14)  # 50 roundings of numbers < 4


@pytest.mark.parametrize("length", [0.02, 0.05, 0.15, 0.28])
def test_the_combined_snapshots_are_as_far_from_the_average_as_the_fit_says(length):
    """Weights of a random walk: Σ_k (w_k − wanted_k)(θ_k − θ_n) is at most twice the distance times the farthest θ."""
    rng, n = np.random.default_rng(0), 400
    theta = rng.normal(size=(n, 30)).cumsum(0)
    steps = np.arange(1, n + 1)
    kept = [Profile(n * k // 20, exponent(own)) for k in range(1, 21) for own in LENGTHS]
    snapshots = np.stack([step_weights(profile, steps) @ theta for profile in kept])
    factors, distance = combine(kept, Profile(n, exponent(length)))
    error = np.abs(factors @ snapshots - step_weights(Profile(n, exponent(length)), steps) @ theta).max()
    assert factors.sum() == pytest.approx(1, abs=1e-12)
    assert error <= 2 * distance * np.abs(theta - theta[-1]).max() + 1e-10  # factors of up to 20, θ of up to 60
    assert distance < (1e-12 if length in LENGTHS else 0.06)


@pytest.mark.parametrize("length", [0.03, 0.1, 0.17, 0.28])
def test_snapshots_of_every_step_give_any_average_exactly(run, length):
    """Its float64 sum is rounded once, to the float32 of the model, where its last bit may fall the other way."""
    out, history = run
    found = dict(ddpm_core.module(train.average(out, length)).named_parameters())
    for name, wanted in directly(history, length).items():
        torch.testing.assert_close(found[name].data, wanted.float(), rtol=2**-23, atol=1e-12)


def test_a_run_keeps_the_snapshots_that_it_says_and_a_resumed_one_repeats_them(folder, tmp_path):
    config = tiny(folder, tmp_path / "whole", steps=7, ema_snapshots=3)
    fit(config)
    whole = find_snapshots(tmp_path / "whole")
    assert list(whole.values()) == [(step, length) for step in (3, 5, 7) for length in LENGTHS]
    parts = replace(config, out=str(tmp_path / "parts"), checkpoint_every=4)
    Trainer(parts).fit(lambda point: point.step == 4)
    (tmp_path / "parts" / "snapshots" / "step-000000006-0.05.safetensors").touch()  # of another plan: see drop_later
    state, _ = load_latest(tmp_path / "parts" / "checkpoints")
    fit(parts, state)
    for path, other in zip(whole, find_snapshots(tmp_path / "parts"), strict=True):
        assert path.name == other.name and path.read_bytes() == other.read_bytes()
    plain = replace(config, out=str(tmp_path / "plain"), ema_snapshots=0, steps=1)
    fit(plain)
    assert not (tmp_path / "plain" / "snapshots").exists()
    state, _ = load_latest(tmp_path / "plain" / "checkpoints")
    with pytest.raises(TrainError, match="--ema-snapshots can't begin when a run is resumed"):
        Trainer(replace(plain, ema_snapshots=2, steps=3), state)


def test_the_command_writes_a_model_for_each_length(run, capsys):
    out, _ = run
    assert main(["average", str(out), "--length", "0.05", "0.2"]) == 0
    assert "model-0.05: 0.00% of the average" in capsys.readouterr().out
    for length in (0.05, 0.2):
        model = ddpm_core.load(out / f"model-{length:g}", device="cpu", precision="fp32")
        expected = ddpm_core.module(train.average(out, length))
        assert_same(dict(model.network.unet.state_dict()), dict(expected.state_dict()))
        card = (out / f"model-{length:g}" / "README.md").read_text()
        assert f"| Weights | power-function average of length σ_rel = {length:g} over steps 1 to 12" in card
        assert "decay" not in card.split("| Weights")[1].split("\n")[0]
        assert json.loads((out / f"model-{length:g}" / "ddpm_core.json").read_text())["weights"] == "EMA"


def test_a_few_snapshots_give_a_distant_length_with_a_warning(folder, tmp_path, capsys):
    fit(tiny(folder, tmp_path, steps=12, ema_snapshots=2))
    assert main(["average", str(tmp_path), "--length", "0.01"]) == 0
    assert "The snapshots can't give length 0.01 well: " in capsys.readouterr().err


def test_what_can_not_be_averaged_is_refused_in_a_sentence(run, folder, tmp_path, capsys):
    out, _ = run
    for words, sentence in (
        ((out, "--length", "0.5"), "the length of an average must be 0.01 to 0.28, got 0.5"),
        ((out, "--length", "nan"), "the length of an average must be 0.01 to 0.28, got nan"),
        ((tmp_path, "--length", "0.1"), f"There are no snapshots in {tmp_path / 'snapshots'}: train with --ema-snap"),
    ):
        assert main(["average", *map(str, words)]) == 2
        assert sentence in capsys.readouterr().err
    other = tiny(folder, tmp_path / "other", steps=1, ema_snapshots=1, widths=(16,))
    fit(other)
    (path, *_) = find_snapshots(tmp_path / "other")
    copy = tmp_path / "copy"
    ddpm_core.save(ddpm_core.load(out / "model", engine="torch", precision="fp32"), copy / "model")
    (copy / "snapshots").mkdir()
    (copy / "snapshots" / path.name).write_bytes(path.read_bytes())
    with pytest.raises(TrainError, match="belong to another network"):
        train.average(copy, 0.1)
    (copy / "snapshots" / path.name).write_bytes(b"damaged")
    with pytest.raises(TrainError, match=r"The snapshot .*step-000000001-0.05.safetensors can't be read"):
        train.average(copy, 0.1)
