"""Curves and grids go to the tracker that --tracker names."""

import importlib.machinery
import sys
import types
from dataclasses import replace

import numpy as np
import pytest
import torch
from accelerate import tracking
from accelerate.utils import LoggerType
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from training import fit, process_restored, tiny  # noqa: F401

import train
from train import TrainError
from train.fit.outputs import tracker
from train.fit.state import load_latest

pytestmark = pytest.mark.usefixtures("torch_engine")


@pytest.fixture(scope="module")
def data():
    return np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), np.uint8)


def config_of(data, out, **changes):
    return replace(tiny("", out, steps=2, log_every=1, sample_every=2, **changes), data=data)


def test_tensorboard_gets_the_curves_and_grids_of_a_run_in_bf16(data, tmp_path):
    trainer = fit(config_of(data, tmp_path, tracker="tensorboard", precision="bf16"))
    assert all(hasattr(trainer, name) for name in train.Trainer.__annotations__)
    curves = EventAccumulator(str(tmp_path / "logs")).Reload()
    assert [event.step for event in curves.Scalars("loss")] == [1, 2]
    assert {"samples/ema", "samples/raw"} == set(curves.Tags()["images"])


def test_tensorboard_has_each_step_of_a_resumed_run_once(data, tmp_path):
    config = config_of(data, tmp_path, tracker="tensorboard")
    fit(config)
    fit(replace(config, steps=4), load_latest(tmp_path / "checkpoints")[0])
    curves = EventAccumulator(str(tmp_path / "logs")).Reload()
    assert [event.step for event in curves.Scalars("loss")] == [1, 2, 3, 4]


def test_a_run_without_a_tracker_writes_no_logs(data, tmp_path, monkeypatch):
    fit(config_of(data, tmp_path / "none", tracker="none"))
    monkeypatch.setattr(tracker, "find_spec", lambda name: None)
    fit(config_of(data, tmp_path / "auto"))  # where TensorBoard is not installed
    assert not any((tmp_path / name / "logs").exists() for name in ("none", "auto"))
    with pytest.raises(TrainError, match=r"^--tracker wandb needs one more package: pip install wandb\.$"):
        train.Trainer(config_of(data, tmp_path / "x", tracker="wandb"))


class Run:
    """Stands in for a run of Weights & Biases, which is a service."""

    def __init__(self, error=None, **options):
        if error:
            raise error
        self.options, self.told, self.is_finished = options, [], False

    def log(self, values, step):
        self.told.append((step, values))

    def finish(self):
        self.is_finished = True


def test_weights_and_biases_gets_the_curves_and_grids(data, tmp_path, monkeypatch):
    """Its module is a stand-in; accelerate's tracker is the true one."""
    runs, wandb = [], types.ModuleType("wandb", "a stand-in")
    wandb.__spec__ = importlib.machinery.ModuleSpec("wandb", None)
    wandb.init = lambda **options: runs.append(Run(**options)) or runs[-1]
    wandb.config, wandb.Image = types.SimpleNamespace(update=lambda values, **_: wandb.known.update(values)), np.asarray
    wandb.known = {}
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    monkeypatch.setattr(tracking, "get_available_trackers", lambda: [LoggerType.WANDB])
    monkeypatch.setenv("WANDB_PROJECT", "mine")
    fit(config_of(data, tmp_path / "run", tracker="wandb"))
    (run,) = runs
    assert run.options["project"] == "mine" and run.options["name"] == "run" and run.is_finished
    assert wandb.known["steps"] == 2 and wandb.known["data"] == "python:numpy.ndarray"
    assert [step for step, values in run.told if "loss" in values] == [1, 2]
    ((step, grid),) = [(step, values["samples/ema"]) for step, values in run.told if "samples/ema" in values]
    assert step == 2 and grid[0].ndim == 3 and not (tmp_path / "run" / "logs").exists()
    wandb.init = lambda **options: Run(RuntimeError("no API key configured. Use `wandb login`"))
    with pytest.raises(TrainError, match="--tracker wandb can't begin: no API key configured"):
        fit(config_of(data, tmp_path / "refused", tracker="wandb"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_a_device_that_is_not_there_is_one_sentence(data, tmp_path):
    with pytest.raises(TrainError, match=r"^device 'cuda' is not available here: use cpu or auto, .*\.$"):
        train.Trainer(config_of(data, tmp_path, device="cuda"))
    assert not list(tmp_path.iterdir())
