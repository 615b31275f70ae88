"""Samples during training for little time: with the network as it is trained, which is ready at once."""

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

_PROBE = 4  # purpose of draws, after those of train.data.batches


class Preview:
    """A network `(x, t_index, labels) -> tensor like x` in the precision and layout of the training.

    Other engines are quicker at an evaluation, but take longer to get ready than a preview takes in all.
    """

    def __init__(self, network: UNet2DModel, config: Config, device: torch.device):
        """network: neither compiled nor fused; it is copied."""
        self.device = device
        self._network = copy.deepcopy(network).eval().requires_grad_(False)
        if config.fused:
            fuse(unet_of(self._network))
        self._layout = torch.channels_last if config.channels_last else torch.contiguous_format
        cast(Any, self._network).to(memory_format=self._layout)  # diffusers wraps `to` in a way that hides its types
        self._dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(config.precision)

    def model(self, task: TrainingTask) -> Callable[[UNet2DModel, Averaging], Model]:
        """Makes models of networks of this architecture, the last of which can be used: this one has its weights."""

        def load(network: UNet2DModel, weights: Averaging) -> Model:
            self._network.load_state_dict(network.state_dict())
            return replace(task.model(self, weights, finished=False), **task.parts(self._network))

        return load

    def __call__(self, x: Tensor, t_index: Tensor, labels: Tensor | None) -> Tensor:
        x = x.to(next(self._network.parameters()).dtype).contiguous(memory_format=self._layout)
        if labels is not None and labels.is_floating_point():  # the states of words
            labels = labels.to(x.dtype)
        with torch.no_grad(), torch.autocast(self.device.type, self._dtype, enabled=self._dtype is not None):
            return self._network(x, t_index, class_labels=labels, return_dict=False)[0].float()


class PreviewTimer:
    """Says when the next preview is due: `seconds` after the last one, or later, so that all take SHARE of the time."""

    def __init__(self, seconds: float):
        self._seconds = seconds
        self._due = 0.0 if seconds else float("inf")

    def is_due(self) -> bool:
        return time.perf_counter() >= self._due

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Around a preview."""
        began = time.perf_counter()
        yield
        now = time.perf_counter()
        if self._seconds:
            self._due = now + max(self._seconds - (now - began), (1 / SHARE - 1) * (now - began))


class DenoisingProbe:
    """The error of x̂_0 on the same noised images, to compare runs that are trained for different things.

    A loss of ε is another number than one of v, and a mean over uniform t another one than over other t. This is the
    root mean square of x̂_0 − x_0, in grey levels, over COUNT images of the data, with σ_t = √((1 − ᾱ_t)/ᾱ_t) spread
    evenly on a logarithmic axis over SIGMAS: from where details are guessed to where everything is.
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
        """Return the error of a model of the same images and schedule."""
        x0_hat = predict(model, self._x_t, self._t, self._labels, clip=True).x0_hat
        return float((x0_hat - self._x_0).square().mean().sqrt() * 127.5)
