"""What a run trains: the network it starts from, the loss of a batch, and the model that comes of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from accelerate import Accelerator
from torch import Tensor, nn

from ddpm_core import Model, NoiseSchedule
from ddpm_core.from_diffusers import UNet2DModel
from ddpm_core.model import Network
from ddpm_core.names import Averaging
from ddpm_core.objective import LOSSES, min_snr_weight
from ddpm_core.process import to_device
from train.data.images import Images
from train.fit.card import ModelCard
from train.fit.config import Config
from train.fit.recipe import architecture, make_model, make_network, make_schedule, time_distribution, warm_start
from train.fit.state import fitting


class TrainingTask(ABC):
    """The part of a run that differs between training and distilling.

    schedule: of the process. times: P(t <= n) for n = 1..T of the times that are drawn, or None where every t is
    equally likely.
    """

    schedule: NoiseSchedule
    times: np.ndarray | None

    @abstractmethod
    def network(self, state: Mapping[str, Any] | None) -> nn.Module:
        """The network, in float32 on the CPU, with the weights that the run starts from.

        state: the checkpoint from which it goes on; the weights may be any then.
        """

    def architecture(self, network: nn.Module) -> dict[str, Any]:
        """What a checkpoint keeps of the network besides its weights."""
        assert isinstance(network, UNet2DModel)
        return architecture(network)

    @abstractmethod
    def losses(self, network: Network, x_0: Tensor, t: Tensor, eps: Tensor, labels: Tensor | None) -> Tensor:
        """The loss of each image of a batch, (N,). x_0, eps: (N, C, H, W); t: int64 (N,), on the CPU."""

    @abstractmethod
    def model(self, network: Network, weights: Averaging, finished: bool) -> Model:
        """The network as a model. weights: what they are; finished: whether the run has reached its last step."""

    @abstractmethod
    def card(self) -> ModelCard:
        """What the model card says of such a run."""


class Denoising(TrainingTask):
    """A network that learns from data to denoise, Algorithm 1 of the paper."""

    def __init__(self, config: Config, accelerator: Accelerator, images: Images):
        self._config, self._images = config, images
        self.schedule = make_schedule(config)
        self.times = time_distribution(config)

    def network(self, state: Mapping[str, Any] | None) -> UNet2DModel:
        config, num_classes = self._config, self._images.num_classes
        if state is not None:
            with fitting(state):
                return make_network(config, num_classes, state.get("network"))  # earlier versions: the paper's
        return warm_start(config, num_classes) if config.init else make_network(config, num_classes)

    def losses(self, network: Network, x_0: Tensor, t: Tensor, eps: Tensor, labels: Tensor | None) -> Tensor:
        config = self._config
        loss = LOSSES[config.loss](network, self.schedule, x_0, t, eps, labels, config.prediction, config.variance)
        if config.min_snr is not None:
            weight = min_snr_weight(self.schedule, config.prediction, t, config.min_snr)
            loss = loss * to_device(weight, loss.device, loss.dtype)
        return loss

    def model(self, network: Network, weights: Averaging, finished: bool) -> Model:
        return make_model(network, self._config, self.schedule, self._images.classes, weights)

    def card(self) -> ModelCard:
        config = self._config
        return ModelCard(
            title=config.config,
            summary="A denoising diffusion model (Ho, Jain & Abbeel 2020), trained with DDPM Lab.",
            caption=f"{config.sample_steps} DDIM steps",
            facts={
                "Loss": f"L_{config.loss}" + (f", min-SNR weighting {config.min_snr}" if config.min_snr else ""),
                "Times": "each t alike"
                if config.times == "uniform"
                else f"log σ_t normal, mean {config.log_sigma_mean:g}, standard deviation {config.log_sigma_std:g}",
                "Start": f"the weights of {config.init}" if config.init else "random weights",
            },
        )
