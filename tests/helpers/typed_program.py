# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
"""A program that uses all types of arguments of the trainer and the library. pyright checks it; nobody runs it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import TensorDataset

import ddpm_core
import train


def watch(point: train.Point) -> bool:
    found: dict[str, float] = {"loss": point.loss, "lr": point.lr, "norm": point.norm, "speed": point.speed}
    return point.step >= 100 and found["loss"] < 0.1 and 1 in point.losses


images, labels, classes, _ = ddpm_core.data.digits("test")
pairs = TensorDataset(torch.tensor(images), torch.tensor(labels))
for data in (pairs, images, list(images), np.load("x.npz"), (images, labels, classes), "digits", Path("folder")):
    config = train.preset("mnist-tiny", data=data, precision="bf16", device="cuda", out=Path("runs"), widths=[16, 32])
    trainer = train.Trainer(config)
    stopped: int | None = trainer.fit(watch)
    print(trainer.step, trainer.device.type, trainer.images.classes, len(trainer.averages.named), trainer.config.lr)
print(train.resume("runs", steps=200, tracker="wandb").step)
train.preset("mnist-tiny", stepz=3)  # pyright: ignore[reportCallIssue]
train.preset("mnist-tiny", steps="3")  # pyright: ignore[reportArgumentType]
train.preset("mnist-tinny")  # pyright: ignore[reportArgumentType]
model = ddpm_core.load("mnist-tiny")
kept = [model.schedule.alpha_bar[t] for t, _ in ddpm_core.timestep_pairs(model.schedule.T, 20)]  # times are int


def states(prompts: Sequence[str]) -> torch.Tensor:  # a text encoder may be any function
    return torch.zeros(len(prompts), 1, 1)


replace(model, text=states, takes_words=True)
for chosen in (3, "3", np.int64(3), [3, None], ["3", 4], labels[:2], torch.tensor([3, 4]), labels[0]):
    ddpm_core.sample(model, [0, 1], labels=chosen)
    ddpm_core.bits_per_dim(model, images[:2], labels=chosen)
    ddpm_core.loss(model, ddpm_core.from_uint8(images[:2]), chosen)
