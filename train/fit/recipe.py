"""Make the parts of a run from its configuration: noise schedule, times, network, learning rate and model."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ddpm_core import Model, NoiseSchedule
from ddpm_core.coordinates import RectifiedFlow
from ddpm_core.engines import networks
from ddpm_core.engines.from_diffusers import UNet2DModel
from ddpm_core.engines.network import unet
from ddpm_core.model import Network, Source
from ddpm_core.names import LEARNED, Averaging
from ddpm_core.objective import lognormal_times
from train import TrainError
from train.common.command_line import import_object
from train.common.config import Config
from train.common.errors import as_train_error


def make_schedule(config: Config) -> NoiseSchedule:
    """Return the noise schedule of a run.

    Raises ValueError for β out of range and for an unknown schedule. Raises TrainError if your own function does not
    return a schedule of T steps.
    """
    kinds: dict[str, Callable[..., NoiseSchedule]] = {
        "linear": NoiseSchedule.linear,
        "cosine": NoiseSchedule.cosine,
        "quadratic": NoiseSchedule.quadratic,
        "flow": NoiseSchedule.flow,
    }
    if ":" in config.schedule:
        found = _call_user_function(config.schedule, "noise schedule", config.T)
        if not isinstance(found, NoiseSchedule) or found.T != config.T:
            what = f"one of {found.T}" if isinstance(found, NoiseSchedule) else f"a {type(found).__name__}"
            raise TrainError(f"{config.schedule} must return a NoiseSchedule of {config.T} steps, got {what}.")
        return found
    if config.schedule not in kinds:
        known = ", ".join(kinds)
        raise ValueError(f"unknown schedule {config.schedule!r}: choose from {known}, or give yours as module:function")
    ends = (config.beta_start, config.beta_end) if config.schedule in ("linear", "quadratic") else ()
    return kinds[config.schedule](config.T, *ends)


def loss_weights(config: Config, schedule: NoiseSchedule) -> Tensor | None:
    """Return the weight of L_simple at t = 1..T, float64 (T,). None means the same weight for all t, or --min-snr.

    Raises TrainError if your own function does not return such weights.
    """
    if config.loss_weight is None:
        return None
    times = torch.arange(1, schedule.T + 1)
    found = _call_user_function(config.loss_weight, "loss weight", schedule, times)
    fits = isinstance(found, Tensor) and found.shape == times.shape
    if not fits or not bool((found.isfinite() & (found >= 0)).all()):
        raise TrainError(
            f"{config.loss_weight} must return a tensor of {schedule.T} finite weights of at least 0, one for each t."
        )
    return found.detach().cpu().double()


def _call_user_function(name: str, what: str, *arguments: Any) -> Any:
    """Return the result of a user's module:function. Raises TrainError if it fails. what: a noun for the message."""
    function = import_object(name, what)
    with as_train_error(lambda reason: f"The {what} {name} fails: {reason}."):
        return function(*arguments)


def time_distribution(config: Config) -> np.ndarray | None:
    """Return P(t <= n) for n = 1..T, float64 (T,), or None if every t is equally likely.

    Raises ValueError or TrainError as `make_schedule` does, and ValueError unless the deviation of log σ is above 0.
    """
    if config.times == "uniform":
        return None
    return lognormal_times(make_schedule(config), config.log_sigma_mean, config.log_sigma_std).cumsum(0).numpy()


def coordinates(config: Config) -> RectifiedFlow | None:
    """Return the coordinates in which a network receives x_t and t − 1; None if it receives them unchanged."""
    return RectifiedFlow(times=config.flow_time) if config.prediction == "flow" else None


def has_null_label(config: Config) -> bool:
    """Return whether a class-conditional model has learned a label that means "none"."""
    return config.label_dropout > 0


def make_network(config: Config, num_classes: int, inherited: Mapping[str, Any] | None = None) -> UNet2DModel:
    """Return a freshly initialised UNet2DModel.

    num_classes: the number of classes without the null label, 0 for an unconditional model. inherited: a result of
        `architecture`, which decides everything that no flag decides; None: the paper's network decides it.
        config.channels None means 3.
    """
    channels = config.channels or 3
    here = [config.image_size >> level in config.attention for level in range(len(config.widths))]
    decided = dict(
        sample_size=config.image_size,
        block_out_channels=config.widths,
        down_block_types=tuple("AttnDownBlock2D" if attend else "DownBlock2D" for attend in here),
        up_block_types=tuple("AttnUpBlock2D" if attend else "UpBlock2D" for attend in reversed(here)),
        layers_per_block=config.blocks,
        norm_num_groups=config.norm_groups,
        dropout=config.dropout,
        in_channels=channels,
        out_channels=2 * channels if config.variance in LEARNED else channels,
        num_class_embeds=num_classes + has_null_label(config) if num_classes else None,
    )
    return unet("cifar10", **{**(inherited or {}), **decided})


def of_latents(config: Config, channels: int, side: int) -> Config:
    """Return the configuration of a network for latents, (N, channels, side, side).

    Raises TrainError if the widths halve the side too often, or if the network has no level with a resolution of
    --attention.
    """
    step = 2 ** (len(config.widths) - 1)
    sizes = [side >> level for level in range(len(config.widths))]
    if side % step or not set(config.attention) <= set(sizes):
        raise TrainError(
            f"Latents have {side} numbers a side: these --widths need a multiple of {step}, "
            f"and --attention some of {sizes}."
        )
    return replace(config, channels=channels, image_size=side)


def architecture(network: networks.Network) -> dict[str, Any]:
    """Return the fields of a network's configuration, as JSON values. Raises TrainError for another class."""
    if type(network).__name__ != UNet2DModel.__name__:  # compares names, because an engine may have replaced the class
        raise TrainError(f"Only networks of the class UNet2DModel can be trained, not {type(network).__name__}.")
    plain = json.loads(network.to_json_string().replace('"UNetRes', '"'))  # diffusers has renamed these blocks
    return {name: plain[name] for name in inspect.signature(UNet2DModel).parameters}


SHARE = 0.1  # largest share of a run's work that sample grids may take
LEAST = 8  # smallest number of images of a grid, even if it takes a larger share
_TRAINED = 3  # training on an image takes as long as this many evaluations of the network


def grid_count(config: Config) -> int:
    """Return the number of images of a sample grid.

    It is `sample_count`, or fewer in a short run, so that grids take at most SHARE of the run's work. Work is counted
    in evaluations of the network, so that a run has the same grids on every machine.
    """
    if not config.sample_every:
        return config.sample_count  # only --sample-seconds draws grids, and preview.PreviewTimer limits their time
    trained = min(config.sample_every, config.steps) * config.batch * _TRAINED
    fitting = int(SHARE * trained / (2 * config.sample_steps))  # two grids: one of averaged, one of latest weights
    return min(config.sample_count, max(LEAST, fitting))


def learning_rate(config: Config, step: int) -> float:
    """Return the learning rate of step 0, 1, ...: a linear rise over the warm-up, then constant or falling to 0.

    It falls along a half cosine or a line, as config.lr_decay says, and reaches 0 at config.steps.
    """
    rise = min(1.0, (step + 1) / config.warmup) if config.warmup else 1.0
    if config.lr_decay == "none":
        return config.lr * rise
    done = min(1.0, max(0, step - config.warmup) / max(1, config.steps - config.warmup))
    left = 1 - done if config.lr_decay == "linear" else 0.5 * (1 + math.cos(math.pi * done))
    return config.lr * rise * left


def make_model(
    network: Network, config: Config, schedule: NoiseSchedule, class_names: tuple[str, ...] | None, weights: Averaging
) -> Model:
    """Return a network of `make_network` as a Model. weights: "EMA" or "not EMA"."""
    num_classes = len(class_names or ())
    return Model(
        network=network,
        schedule=schedule,
        image_size=config.image_size,
        channels=config.channels or 3,
        prediction=config.prediction,
        variance=config.variance,
        num_classes=num_classes,
        null_label=num_classes if num_classes and has_null_label(config) else None,
        class_names=class_names,
        source=Source(weights=weights),
        coordinates=coordinates(config),
    )
