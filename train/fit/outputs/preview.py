"""Fast samples during a training. A copy of the trained network draws them, because it is ready at once."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from ddpm_core import Model, q_sample
from ddpm_core.engines.from_diffusers import UNet2DModel
from ddpm_core.imaging import from_uint8
from ddpm_core.names import Averaging
from ddpm_core.prediction import predict
from train.common.config import Config
from train.data.batches import generator
from train.data.images import Images
from train.fit.fused import fuse
from train.fit.inputs.words import unet_of
from train.fit.recipe import SHARE
from train.fit.task import TrainingTask

_PROBE = 4  # the `purpose` of the probe's noise, for train.data.batches.generator


class Preview:
    """A network for sample grids during a training. It computes in the precision and layout of the training.

    It is called as `Model.network`: x float (N, C, H, W), t_index = t − 1 int64 (N,), and labels int64 (N,), hidden
    states of prompts (N, L, D) or None. It returns float32 like x. Other engines evaluate faster, but take longer to
    start than a preview takes in all.
    """

    def __init__(self, network: UNet2DModel, config: Config, device: torch.device):
        """Copy a network.

        Arguments:
            network: must be neither compiled nor fused.
            config: decides the precision, the layout and `fused`.
            device: where the network computes.

        Raises:
            TrainError: for `fused`, if the code can't be compiled.
        """
        self.device = device
        self._network = copy.deepcopy(network).eval().requires_grad_(False)
        if config.fused:
            fuse(unet_of(self._network))
        self._layout = torch.channels_last if config.channels_last else torch.contiguous_format
        cast(Any, self._network).to(memory_format=self._layout)  # diffusers' decorator of `to` hides its types
        self._dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(config.precision)

    def model(self, task: TrainingTask) -> Callable[[UNet2DModel, Averaging], Model]:
        """Return a function that makes a Model from a network of this architecture and the kind of its weights.

        Only the newest Model can be used: all Models evaluate this Preview, whose copy has the newest Model's weights.
        """

        def load(network: UNet2DModel, weights: Averaging) -> Model:
            """Load the weights of a network of this architecture, and return it as a Model."""
            self._network.load_state_dict(network.state_dict())
            return replace(task.model(self, weights, finished=False), **task.parts(self._network))

        return load

    def __call__(self, x: Tensor, t_index: Tensor, labels: Tensor | None) -> Tensor:
        """Evaluate the network, see the class."""
        x = x.to(next(self._network.parameters()).dtype).contiguous(memory_format=self._layout)
        if labels is not None and labels.is_floating_point():  # hidden states of prompts
            labels = labels.to(x.dtype)
        with torch.no_grad(), torch.autocast(self.device.type, self._dtype, enabled=self._dtype is not None):
            return self._network(x, t_index, class_labels=labels, return_dict=False)[0].float()


class PreviewTimer:
    """Decides when the next preview is due: after `seconds`, or later, so that all take at most SHARE of the time."""

    def __init__(self, seconds: float):
        self._seconds = seconds
        self._due = 0.0 if seconds else float("inf")

    def is_due(self) -> bool:
        """Return whether it is time for a preview."""
        return time.perf_counter() >= self._due

    @contextmanager
    def measure(self) -> Iterator[None]:
        """Measure how long the block takes to draw a preview, and set when the next preview is due."""
        began = time.perf_counter()
        yield
        now = time.perf_counter()
        if self._seconds:
            self._due = now + max(self._seconds - (now - began), (1 / SHARE - 1) * (now - began))


class DenoisingProbe:
    """The error of x̂_0 on the same noised images. It can be compared between runs with different losses.

    A loss depends on the prediction (ε or v) and on the distribution of t. This error is the root mean square of x̂_0 −
    x_0, in grey levels, over COUNT images of the data. Their σ_t = √((1 − ᾱ_t)/ᾱ_t) are spread evenly on a logarithmic
    axis over SIGMAS: at the low end the network has to guess details, at the high end it has to guess everything.
    """

    COUNT = 64
    SIGMAS = (0.1, 20.0)

    def __init__(self, images: Images, model: Model):
        pixels, self._labels = images.some(self.COUNT)
        self._x_0 = from_uint8(pixels)
        alpha_bar = model.schedule.alpha_bar[1:].numpy()
        sigma = np.sqrt((1 - alpha_bar) / np.maximum(alpha_bar, 1e-12))
        wanted = np.geomspace(*self.SIGMAS, len(pixels))
        nearest = np.abs(np.log(sigma)[None] - np.log(wanted)[:, None]).argmin(1)
        self._t = torch.from_numpy(nearest + 1)
        rng = generator(0, 0, _PROBE)
        self._x_t = q_sample(
            model.schedule, self._x_0, self._t, torch.from_numpy(rng.standard_normal(self._x_0.shape, np.float32))
        )

    def error(self, model: Model) -> float:
        """Return the error of a model in grey levels (of 255). It must have the schedule of the constructor's model."""
        x0_hat = predict(model, self._x_t, self._t, self._labels, clip=True).x0_hat
        return float((x0_hat - self._x_0).square().mean().sqrt() * 127.5)
