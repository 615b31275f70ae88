"""Flow matching in the trainer, and a schedule and a loss weight of one's own by module:function."""

import re
import runpy
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDPMPipeline
from PIL import Image
from training import ROOT, TINY, as_words, fit, process_restored, tiny  # noqa: F401 (a fixture for all tests)

import ddpm_core
import train
from ddpm_core import NoiseSchedule, load, predict, sample, trajectory
from ddpm_core.coordinates import RectifiedFlow
from ddpm_core.names import SAMPLERS
from ddpm_core.noise import gaussian_batch
from ddpm_core.objective import loss, min_snr_weight
from train import TrainError
from train.__main__ import main
from train.fit.inputs.init import check_init
from train.fit.outputs.card import command
from train.fit.recipe import make_schedule
from train.fit.start import parse_fit
from train.fit.state import load_latest
from train.fit.trainer import Trainer

PICTURE = np.tile(np.repeat([230, 40], 4).astype(np.uint8), (8, 1))  # bright, then dark


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for i in range(4):
        Image.fromarray(PICTURE).save(folder / f"{i}.png")
    return folder


LEARNING = {"prediction": "flow", "schedule": "flow", "T": 50, "steps": 100, "batch": 16, "lr": 1e-2, "ema": 0.9}
LEARNING |= {"channels": 1, "flip": False, "dropout": 0.0, "widths": (16,), "norm_groups": 4}


@pytest.fixture(scope="module")
def learned(pictures, tmp_path_factory):
    """A flow of one picture, of a hundred steps, as it was saved and loaded again."""
    out = tmp_path_factory.mktemp("runs") / "flow"
    trainer = fit(tiny(pictures, out, **LEARNING, checkpoint_every=100))
    return trainer, load(out / "model", engine="torch", precision="fp32", device="cpu")


def away(images: np.ndarray) -> float:
    """Grey levels between these images and PICTURE, on average."""
    return float(np.abs(images[..., 0].astype(float) - PICTURE).mean())


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_it_learns_and_every_sampler_draws_what_it_learned(learned, sampler):
    _, model = learned
    assert away(sample(model, seeds=range(4), steps=10, sampler=sampler, spacing="trailing")) < 25
    noise = (gaussian_batch(range(4), 0, (1, 8, 8)).permute(0, 2, 3, 1) * 127.5 + 127.5).clamp(0, 255).numpy()
    assert away(noise) > 60


def test_ddim_is_euler(learned):
    """Equal steps of τ with `trailing`: y_s = y_t + (τ_s − τ_t) F(y_t, 1000 τ_t), y = (1 − τ) x_0 + τ ε."""
    _, model = learned
    T, x_T = model.schedule.T, gaussian_batch([1, 2], 0, (1, 8, 8)).double()
    *_, last = trajectory(model, x_T=x_T, noise=lambda i, x: x, steps=5, sampler="ddim", spacing="trailing", clip=False)
    tau = {t: (t - 0.5) / T for t in range(1, T + 1)} | {0: 0.0}
    y = x_T * (tau[T] ** 2 + (1 - tau[T]) ** 2) ** 0.5
    for t, s in ((50, 40), (40, 30), (30, 20), (20, 10), (10, 0)):
        with torch.no_grad():
            F = model.network.unet(y.float(), torch.full((2,), 1000 * tau[t])).sample.double()
        y = y + (tau[s] - tau[t]) * F
    torch.testing.assert_close(last.x, y, rtol=0, atol=1e-5)


def test_what_is_saved_is_what_was_trained(learned):
    trainer, model = learned
    assert model.prediction == "flow" and model.coordinates == RectifiedFlow(times=1000.0)
    torch.testing.assert_close(model.schedule.alpha_bar, NoiseSchedule.flow(50).alpha_bar, rtol=1e-12, atol=0)
    own = trainer.snapshot(trainer.ema.network, "EMA", "torch")
    x = gaussian_batch([3], 0, (1, 8, 8))
    assert predict(model, x, 20).x0.equal(predict(own, x, 20).x0)
    ddpm_core.save(model, trainer.out / "again")
    again = load(trainer.out / "again", engine="torch", precision="fp32", device="cpu")
    assert again.coordinates == model.coordinates and predict(again, x, 20).x0.equal(predict(own, x, 20).x0)
    card = (trainer.out / "model" / "README.md").read_text(encoding="utf-8")
    assert "| Prediction | flow |" in card and "--prediction flow" in card


def test_a_flow_is_continued_without_its_flags(learned, pictures, tmp_path):
    """Schedule and prediction come from the checkpoint, and what its network sees of τ; also where a run resumes."""
    trainer, model = learned
    ddpm_core.save(replace(model, coordinates=RectifiedFlow(times=1.0)), tmp_path / "ones")
    for init, times in ((trainer.out / "model", 1000.0), (tmp_path / "ones", 1.0)):
        given = {name: value for name, value in TINY.items() if name not in ("T", "widths", "norm_groups")}
        changes = given | {"init": init, "data": pictures, "flip": False, "steps": 1, "lr": 1e-9}
        config = train.preset("cifar10", **changes, out=tmp_path / f"{times}")
        assert (config.schedule, config.T, config.prediction, config.flow_time) == ("flow", 50, "flow", times)
        assert parse_fit(shlex.split(command(config))[4:])[0] == config and "--schedule" not in command(config)
        begun = fit(config)
        assert begun.task.schedule.beta.equal(make_schedule(config).beta)
        trainers = begun, fit(replace(config, steps=2, resume=True), load_latest(begun.out / "checkpoints")[0])
        x = gaussian_batch([3], 0, (1, 8, 8))
        for one in trainers:
            found = one.snapshot(one.ema.network, "EMA", "torch")
            assert found.coordinates == RectifiedFlow(times)
            expected = predict(replace(model, coordinates=RectifiedFlow(times)), x, 20).x0
            torch.testing.assert_close(predict(found, x, 20).x0, expected, rtol=0, atol=1e-4)
    for words, sentence in (
        ({"flow_time": 1000.0}, "has --flow-time 1.0"),
        ({"T": 40}, "has the noise schedule flow, T ="),
    ):
        with pytest.raises(TrainError, match=sentence):
            check_init(train.preset("cifar10", init=tmp_path / "ones", **words))


def test_diffusers_refuses_to_step_with_it(learned):
    trainer, _ = learned
    pipeline = DDPMPipeline.from_pretrained(trainer.out / "model")
    pipeline.set_progress_bar_config(disable=True)
    with pytest.raises(ValueError, match="prediction_type given as flow must be one of"):
        pipeline(num_inference_steps=2)


@pytest.mark.parametrize("changes", [{}, {"min_snr": 5.0}, {"loss": "hybrid", "variance": "learned_range"}], ids=str)
def test_the_loss_of_a_batch_is_that_of_the_paper(pictures, tmp_path, changes):
    """‖(ε − x_0) − F((1 − τ) x_0 + τ ε, 1000 τ)‖²."""
    trainer = Trainer(tiny(pictures, tmp_path / "run", prediction="flow", channels=1, precision="fp64", **changes))
    batch = next(trainer.rounds())
    x_0, t, eps, labels, n = trainer.examples(batch)
    found = trainer.task.losses(trainer.network, x_0, t, eps, labels, n)
    sigma = trainer.task.schedule.sigma[t].reshape(-1, 1, 1, 1)
    tau = sigma / (1 + sigma)
    F = trainer.unet((1 - tau) * x_0 + tau * eps, 1000 * tau.flatten()).sample[:, :1]
    expected = (eps - x_0 - F).square().mean((1, 2, 3))
    if "min_snr" in changes:  # min(SNR, 5) ‖x_0 − x̂_0‖², and x̂_0 = y − τ F
        x0_hat = (1 - tau) * x_0 + tau * eps - tau * F
        expected = (sigma**-2).clamp(max=5).flatten() * (x_0 - x0_hat).square().mean((1, 2, 3))
    if "loss" in changes:
        assert (found > expected).all() and (found - expected < 0.5).all()
    else:
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=0)  # the network embeds τ in float32
    trainer.end()


OWN = """
import torch
from ddpm_core import NoiseSchedule

def sigmoid(T):
    return NoiseSchedule.from_alpha_bar(torch.sigmoid(torch.linspace(6, -6, T).double()))

def one_more(T):
    return NoiseSchedule.linear(T + 1)

def late(schedule, t):
    return 2.0 * (t > schedule.T // 2)

def negative(schedule, t):
    return -1.0 * t

def broken(*_):
    raise RuntimeError("not today")

NUMBER = 3
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "of_mine.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("own")
def test_a_schedule_and_a_weight_of_ones_own(pictures, tmp_path):
    config = tiny(
        pictures, tmp_path / "run", schedule="of_mine:sigmoid", loss_weight="of_mine:late", steps=2, channels=1
    )
    trainer = fit(config)
    torch.testing.assert_close(
        trainer.task.schedule.alpha_bar[1:], torch.sigmoid(torch.linspace(6, -6, 20).double()), rtol=1e-12, atol=0
    )
    t = torch.arange(1, 21)
    x_0, eps = torch.zeros(20, 1, 8, 8), gaussian_batch(range(20), 0, (1, 8, 8))
    found = trainer.task.losses(trainer.network, x_0, t, eps, None, t)
    plain = loss(trainer.task.model(trainer.network, "not EMA", False), x_0, t=t, eps=eps)
    torch.testing.assert_close(found, 2 * plain * (t > 10))
    model = load(tmp_path / "run" / "model", engine="torch", device="cpu", precision="fp32")
    torch.testing.assert_close(model.schedule.alpha_bar, trainer.task.schedule.alpha_bar, rtol=1e-12, atol=0)
    card = (tmp_path / "run" / "model" / "README.md").read_text(encoding="utf-8")
    assert "L_simple, weighted by of_mine:late" in card and "--schedule of_mine:sigmoid" in card
    assert make_schedule(config).beta.equal(trainer.task.schedule.beta)


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"schedule": "straight"}, "unknown schedule 'straight': choose from linear, cosine, quadratic, flow, or give"),
        ({"schedule": "nowhere:f"}, r"The noise schedule nowhere:f can't be imported \(No module named 'nowhere'\)"),
        ({"schedule": "of_mine:missing"}, "The noise schedule of_mine:missing can't be imported"),
        ({"schedule": "of_mine:broken"}, "The noise schedule of_mine:broken fails: not today"),
        ({"schedule": "of_mine:one_more"}, "must return a NoiseSchedule of 20 steps, got one of 21"),
        ({"schedule": "of_mine:NUMBER"}, "The noise schedule of_mine:NUMBER fails: 'int' object is not callable"),
        (
            {"loss_weight": "of_mine:negative"},
            "must return a tensor of 20 finite weights of at least 0, one for each t",
        ),
        ({"loss_weight": "of_mine:broken"}, "The loss weight of_mine:broken fails: not today"),
        ({"loss_weight": "of_mine:late", "min_snr": 5.0}, "--loss-weight weights L_simple: .* no --min-snr"),
        ({"loss_weight": "of_mine:late", "loss": "vlb"}, "--loss-weight weights L_simple: it needs --loss simple"),
    ],
    ids=str,
)
def test_what_is_no_schedule_or_weight_is_refused_before_the_images_are_read(tmp_path, changes, words):
    with pytest.raises(TrainError, match=words):
        Trainer(tiny(tmp_path / "nowhere", tmp_path / "run", **changes))


def section(title: str) -> tuple[list[str], list[str]]:
    """The commands `train fit` and the Python of a section of docs/training.md."""
    text = (ROOT / "docs" / "training.md").read_text(encoding="utf-8").split(f"\n## {title}\n")[1].split("\n## ")[0]
    return re.findall(r"^python -m train (fit .*)", text, re.M), re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)


@pytest.mark.parametrize("title", ["Flow matching", "Your own schedule and loss weight"])
def test_the_commands_of_the_documents_train(pictures, tmp_path, monkeypatch, title):
    (command,), python = section(title)
    if python:
        (tmp_path / "mine.py").write_text("".join(python), encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "mine", raising=False)
    words = shlex.split(command)
    words[words.index("digits")], words[words.index("--out") + 1] = str(pictures), str(tmp_path / "run")
    small = TINY | {"conditional": False, "channels": 1}
    assert main([*words, *as_words(small)]) == 0
    model = load(tmp_path / "run" / "model", engine="torch", precision="fp32", device="cpu")
    assert model.prediction == ("v" if python else "flow")
    if not python:
        torch.testing.assert_close(model.schedule.alpha_bar, NoiseSchedule.flow(20).alpha_bar, rtol=1e-12, atol=0)
        return
    own = runpy.run_path(str(tmp_path / "mine.py"))
    assert model.schedule.alpha_bar.allclose(own["sigmoid"](20).alpha_bar, rtol=1e-12, atol=0)
    t = torch.arange(1, 21)
    torch.testing.assert_close(own["soft"](model.schedule, t), min_snr_weight(model.schedule, "v", t, 5.0))
