"""A small network for points in the plane, trained by L_simple in about ten seconds on a CPU."""

from __future__ import annotations

import copy
import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from ddpm_core import objective
from ddpm_core.model import Model
from ddpm_core.noise import check_seed
from ddpm_core.plane.mixtures import STREAM, Mixture, plane_model
from ddpm_core.schedule import NoiseSchedule

STEPS = 3000
BATCH = 512
LEARNING_RATE = 4e-3
HIDDEN = 128  # width of a hidden layer
FREQUENCIES = 16  # number of frequencies in the embedding of t
WAVES = (math.pi, 2 * math.pi, 4 * math.pi)  # frequencies in the features of x_t, for learning fine structure sooner


@dataclass(frozen=True)
class TrainingState:
    """A report of a training.

    Attributes:
        step: the number of steps so far.
        loss: the mean of L_simple since the previous report, NaN in the first report.
        model: a model with the current weights.
    """

    step: int
    loss: float
    model: Model


class PlaneNetwork(nn.Module):
    """ε_θ(x_t, t) for x_t (N, 2, 1, 1): three hidden layers on x_t and sinusoidal features of x_t and t."""

    def __init__(self, generator: np.random.Generator):
        super().__init__()
        sizes = [2 + 4 * len(WAVES) + 2 * FREQUENCIES, HIDDEN, HIDDEN, HIDDEN]
        self.hidden = nn.ModuleList(_linear(n_in, n_out, generator) for n_in, n_out in pairwise(sizes))
        self.last = _linear(HIDDEN, 2, generator, scale=0.0)

    def forward(self, x: Tensor, t_index: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return ε_θ, like x (N, 2, 1, 1)."""
        rates = 10_000.0 ** (-torch.arange(FREQUENCIES, dtype=x.dtype) / FREQUENCIES)
        point = x.flatten(1)
        angles = torch.cat([t_index.to(x.dtype).unsqueeze(1) * rates, *(wave * point for wave in WAVES)], 1)
        h = torch.cat([point, angles.sin(), angles.cos()], 1)
        for layer in self.hidden:
            h = nn.functional.silu(layer(h))
        return self.last(h).reshape(x.shape)


def training(
    mixture: Mixture,
    seed: int = 0,
    steps: int = STEPS,
    schedule: NoiseSchedule | None = None,
    every: int = 100,
) -> Iterator[TrainingState]:
    """Train a network. Yield reports: before the first step, after each `every` steps, and at the end.

    All random numbers follow from the seed, so the same arguments give the same weights on one machine. The learning
    rate falls to 0 as a cosine, so that averaged weights are not needed. schedule: None for the paper's. Raise
    ValueError for steps below 1.
    """
    if steps < 1:
        raise ValueError(f"a training has at least one step, got {steps}")
    schedule = NoiseSchedule.linear() if schedule is None else schedule
    generator = np.random.Generator(np.random.Philox(key=[check_seed(seed), STREAM]))
    network = PlaneNetwork(generator)
    model = plane_model(network, schedule)
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    losses: list[Tensor] = []
    for step in range(steps + 1):
        if step % every == 0 or step == steps:
            loss = torch.stack(losses).mean().item() if losses else math.nan
            yield TrainingState(step, loss, plane_model(copy.deepcopy(network).requires_grad_(False), schedule))
            losses = []
        if step == steps:
            return
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * (1 + math.cos(math.pi * step / steps)) / 2
        x_0 = mixture.draw(BATCH, generator)
        t = torch.from_numpy(generator.integers(1, schedule.T + 1, BATCH))
        eps = torch.from_numpy(generator.standard_normal(x_0.shape, dtype=np.float32))
        with torch.enable_grad():
            loss = objective.loss(model, x_0, t=t, eps=eps).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())


def train(mixture: Mixture, seed: int = 0, steps: int = STEPS, schedule: NoiseSchedule | None = None) -> Model:
    """Return the model at the end of `training`."""
    (last,) = deque(training(mixture, seed, steps, schedule, every=steps), maxlen=1)
    return last.model


def _linear(n_in: int, n_out: int, generator: np.random.Generator, scale: float = 1.0) -> nn.Linear:
    """Return a linear layer with weights from N(0, scale² 2/n_in) (He et al. 2015) and biases 0."""
    # "meta" makes the layer without weights, because torch would draw them from its global generator.
    layer = nn.Linear(n_in, n_out, device="meta").to_empty(device="cpu")
    weight = generator.standard_normal((n_out, n_in), dtype=np.float32) * (scale * math.sqrt(2 / n_in))
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight))
        layer.bias.zero_()
    return layer
