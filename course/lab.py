"""What the notebooks use and nobody has to write: the digits, networks, pictures, and a clock for the training."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import display
from torch import Tensor, nn
from torch.nn import functional as F

import ddpm_core
from ddpm_core import imaging
from ddpm_core.engines.from_diffusers import UNet2DModel
from ddpm_core.engines.network import unet
from ddpm_core.prediction import label_tensor, predict
from train.data.sources import SHIPPED

PROJECT = Path(__file__).parent.parent  # where `python app.py` is started, and my-digits is kept

# --- Digits


@cache
def digits() -> Tensor:
    """3,000 handwritten digits of MNIST, 300 of each, in [−1, 1]: float32 (3000, 1, 28, 28)."""
    with np.load(SHIPPED["digits"]) as file:
        return imaging.from_uint8(file["images"][..., None])


@cache
def labels() -> Tensor:
    """Which digit each of them is: int64 (3000,)."""
    with np.load(SHIPPED["digits"]) as file:
        return torch.from_numpy(file["labels"].astype(np.int64))


def examples(n: int = 10) -> Tensor:
    """The digits 0, 1, 2, … one after the other: float32 (n, 1, 28, 28)."""
    rows = torch.stack([torch.nonzero(labels() == k).flatten() for k in range(10)])
    return digits()[rows.T.flatten()[:n]]


# --- Pictures


def show(pictures: Tensor | np.ndarray, titles: Sequence[str] = (), columns: int = 10) -> None:
    """Pictures in rows of so many: (N, 1, H, W) in [−1, 1], or uint8 (N, H, W, 1)."""
    display(ddpm_core.show(pictures, titles, columns))


def plot(curves: dict[str, tuple[Sequence | Tensor, Sequence | Tensor]], x: str, y: str, log: bool = False) -> None:
    """Curves by name, each as (xs, ys). x, y: what the axes say. log: y on a logarithmic scale."""
    plt.figure(figsize=(6.5, 3))
    for name, (xs, ys) in curves.items():
        plt.plot(xs, ys, label=name)
    plt.xlabel(x)
    plt.ylabel(y)
    if log:
        plt.yscale("log")
    if len(curves) > 1:
        plt.legend()
    plt.grid(alpha=0.3)
    plt.show()


def scatter(clouds: dict[str, Tensor], size: float = 2.4) -> None:
    """Clouds of points in the plane by name, each (N, 2, 1, 1)."""
    _, axes = plt.subplots(1, len(clouds), figsize=(size * len(clouds), size * 1.1), squeeze=False)
    for axis, (name, points) in zip(axes.flat, clouds.items(), strict=True):
        axis.plot(*points.flatten(1).T.numpy(), ".", markersize=2)
        axis.set(title=name, xlim=(-1.6, 1.6), ylim=(-1.6, 1.6), aspect="equal", xticks=[], yticks=[])
    plt.tight_layout()
    plt.show()


# --- Networks


class Network(nn.Module):
    """A small U-Net that looks at x_t and t and says which noise ε is in x_t: network(x_t, t − 1) → like x_t."""

    def __init__(self) -> None:
        super().__init__()
        self.unet: UNet2DModel = unet(
            "cifar10-tiny",
            sample_size=28,
            in_channels=1,
            out_channels=1,
            block_out_channels=(16, 32, 64),
            layers_per_block=1,
            norm_num_groups=8,
            num_class_embeds=None,
        )

    def forward(self, x: Tensor, t_index: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.unet(x, t_index, return_dict=False)[0]


def own_model(network: Network, schedule: ddpm_core.NoiseSchedule) -> ddpm_core.Model:
    """Your network as a model of the library: it can be sampled, saved, and opened in the page."""
    return ddpm_core.Model(
        network=network.eval(),
        schedule=schedule,
        image_size=28,
        channels=1,
        prediction="epsilon",
        variance="beta_tilde",
    )


def my_digits() -> ddpm_core.Model:
    """The model of notebook 2, or the embedded mnist-tiny where there is none yet."""
    own = PROJECT / "my-digits"
    return ddpm_core.load(own if own.is_dir() else "mnist-tiny")


def eps_of(model: ddpm_core.Model, label: int | Sequence[int] | None = None) -> Callable[[Tensor, Tensor], Tensor]:
    """The model's network as a function network(x, t − 1) → ε, whatever it predicts. label: the digit to draw."""

    def network(x: Tensor, t_index: Tensor) -> Tensor:
        return predict(model, x, t_index + 1, label_tensor(model, label, len(x), None), clip=False).eps

    return network


# --- Training


def batches(optimiser: torch.optim.Optimizer, minutes: float, size: int = 64) -> Iterator[Tensor]:
    """Random digits, (size, 1, 28, 28), until the time is over.

    The learning rate rises at first, and falls to 0 at the end along a half cosine, whatever the speed of the machine.
    """
    highest, begin, step = [group["lr"] for group in optimiser.param_groups], time.monotonic(), 0
    while (passed := (time.monotonic() - begin) / (60 * minutes)) < 1:
        step += 1
        for group, rate in zip(optimiser.param_groups, highest, strict=True):
            group["lr"] = rate * min(1, step / 30) * (1 + math.cos(math.pi * passed)) / 2
        yield digits()[torch.randint(len(digits()), (size,))]


class Classifier(nn.Module):
    """Digits, (N, 1, 28, 28), to 10 logits; features: (N, 64), what its last layer sees."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 16, 5, stride=2, padding=2), nn.Conv2d(16, 32, 5, stride=2, padding=2)
        self.third, self.last = nn.Linear(32 * 7 * 7, 64), nn.Linear(64, 10)

    def features(self, x: Tensor) -> Tensor:
        return F.relu(self.third(F.relu(self.second(F.relu(self.first(x)))).flatten(1)))

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.features(x))


def train_classifier(epochs: int = 12) -> tuple[Classifier, float]:
    """A classifier, trained on five sixths of the digits in some seconds, and how many of the others it gets right."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        order, classifier = torch.randperm(len(digits())), Classifier()
        learned, kept = order[500:], order[:500]
        optimiser = torch.optim.Adam(classifier.parameters(), lr=2e-3)
        for _ in range(epochs):
            for batch in learned[torch.randperm(len(learned))].split(50):
                shift = torch.randint(-2, 3, (2,)).tolist()
                loss = F.cross_entropy(classifier(digits()[batch].roll(shift, (2, 3))), labels()[batch])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
    classifier.requires_grad_(False)
    return classifier, (classifier(digits()[kept]).argmax(1) == labels()[kept]).float().mean().item()
