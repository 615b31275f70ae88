"""The task of an autoencoder: to restore a picture from a noisy latent with an eighth of its side."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn import functional as F

from ddpm_core import Model, NoiseSchedule
from ddpm_core.checkpoint.config import fields
from ddpm_core.engines.from_diffusers import AutoencoderTiny
from ddpm_core.imaging import from_uint8
from ddpm_core.model import Network
from ddpm_core.names import Averaging
from ddpm_core.process import to_device
from train import TrainError
from train.autoencoder.config import AutoencoderConfig
from train.common.command_line import check_range
from train.common.config import Config
from train.data.batches import CUT, generator
from train.data.images import Images
from train.fit.outputs.card import ModelCard
from train.fit.task import TrainingTask

FACTOR = 8  # pixels a side for each latent
LIMITS = {
    "latent_channels": fields.LIMITS["latent_channels"],
    "width": (1, 1024),  # 44 convolutions of 3×3 make less than fields.MAX_PARAMETERS of it
    "latent_noise": (0, 1000),
}
_WHOLE = 3  # on average, one step in so many sees whole pictures
_SQUARED, _GRADIENT, _UNIT = 0.5, 0.5, 2e-3  # weights beside the L1 error
_SEEN = 16  # the first scales come from so many pictures


class Reconstruction(nn.Module):
    """The loss of an autoencoder, as a network: so devices and processes share it like any other.

    It is the L1 error, half the squared error, and half the L1 error of differences between neighbours, which keeps
    edges sharp. A penalty in the place of a KL divergence keeps each channel of a step's latents near mean 0 and
    variance 1.
    """

    def __init__(self, autoencoder: AutoencoderTiny, noise: float):
        super().__init__()
        self.autoencoder, self.noise = autoencoder, noise
        last = len(autoencoder.decoder.layers) - 1
        # The layers that see pixels.
        self.ends = ("autoencoder.encoder.layers.0.", f"autoencoder.decoder.layers.{last}.")

    def forward(
        self, x: Tensor, eps: Tensor, class_labels: Tensor | None = None, return_dict: bool = False
    ) -> tuple[Tensor]:
        """x: (N, 3, H, W); eps: (N, C, H/8, W/8). Returns the loss of each picture, (N,).

        class_labels: the `moments` of all latents of the step, or None where x is all that the step sees.
        """
        z = self.latents(x)
        own = moments(z)
        # A process's share has the values of the whole step, and gives its own part of the gradient.
        mean, square = own if class_labels is None else own + (class_labels - own).detach()
        deviation = (square.mean() - mean.mean().square()).detach().clamp(min=0).sqrt()
        error = self.autoencoder.decoder(z + self.noise * deviation * eps).to(x.dtype) - x
        rows, columns = error.diff(dim=2).abs(), error.diff(dim=3).abs()
        distance = sum(part.flatten(1).mean(1) for part in (error.abs(), _SQUARED * error.square()))
        edges = _GRADIENT * (rows.flatten(1).mean(1) + columns.flatten(1).mean(1))
        spread = (square + 1e-4).log().square().mean() + mean.square().mean()
        return (distance + edges + _UNIT * spread,)

    def latents(self, x: Tensor) -> Tensor:
        """(N, C, H/8, W/8) of pictures (N, 3, H, W), in their dtype."""
        return self.autoencoder.encoder(x).to(x.dtype)


def moments(z: Tensor) -> Tensor:
    """The mean of each channel of latents (N, C, H, W) and that of its square, (2, C)."""
    return torch.stack([z.mean((0, 2, 3)), z.square().mean((0, 2, 3))])


class Autoencoding(TrainingTask):
    """An AutoencoderTiny of diffusers."""

    # The moments of all latents of the step; None where one round of one process computes them all.
    moments: Tensor | None = None

    @classmethod
    def check(cls, config: Config) -> None:
        assert isinstance(config, AutoencoderConfig)
        check_range(config, LIMITS)
        if config.image_size % FACTOR or config.crop % FACTOR or not FACTOR <= config.crop <= config.image_size:
            raise TrainError(f"--image-size and --crop must be multiples of {FACTOR}, and --crop no larger.")

    def __init__(self, config: Config, accelerator: Accelerator, images: Images):
        assert isinstance(config, AutoencoderConfig)
        if images.pixels is None:
            raise TrainError("An autoencoder needs its images in memory: raise --memory.")
        self._config, self._images = config, images
        self.schedule, self.times = NoiseSchedule.linear(config.T), None

    def network(self, state: Mapping[str, Any] | None) -> Reconstruction:
        config = self._config
        widths = (config.width,) * 4
        autoencoder = AutoencoderTiny(
            latent_channels=config.latent_channels,
            encoder_block_out_channels=widths,
            decoder_block_out_channels=widths,
            num_encoder_blocks=(1, 1, 2, 2),
            num_decoder_blocks=(2, 2, 1, 1),
            scaling_factor=1.0,
        )
        if state is None:
            assert self._images.pixels is not None
            _scale(autoencoder, from_uint8(self._images.pixels[:: max(1, len(self._images) // _SEEN)][:_SEEN]))
        return Reconstruction(autoencoder, config.latent_noise)

    def architecture(self, network: nn.Module) -> dict[str, Any]:
        assert isinstance(network, Reconstruction)
        return json.loads(network.autoencoder.to_json_string())

    def losses(self, network: Network, x_0: Tensor, t: Tensor, eps: Tensor, labels: Tensor | None, n: Tensor) -> Tensor:
        """Each picture counts as `seen` says. The noise of the latents is the first numbers of ε, which has enough."""
        rows, x, weight = self.seen(x_0, n)
        shape = self._config.latent_channels, x.shape[2] // FACTOR, x.shape[3] // FACTOR
        noise = eps[rows].flatten(1)[:, : math.prod(shape)].unflatten(1, shape)
        found = network(x, noise, self.moments)
        return found.new_zeros(len(x_0)).index_add(0, rows, weight * found)

    def seen(self, x_0: Tensor, n: Tensor) -> tuple[Tensor, Tensor, float]:
        """Return what the step of the examples n sees of them: (rows of x_0, their pixels, how much each counts).

        A step sees a square of every picture, cut out at one place, or a few whole pictures of as many pixels in all.
        The seed and the number of the step decide which.
        """
        config = self._config
        rng = generator(config.seed, int(n[0]) // config.batch, CUT)
        if rng.integers(_WHOLE):
            y, x = 4 * rng.integers((config.image_size - config.crop) // 4 + 1, size=2)
            return torch.arange(len(n), device=x_0.device), x_0[:, :, y : y + config.crop, x : x + config.crop], 1.0
        whole = max(1, config.batch * config.crop**2 // config.image_size**2)  # of the batch, evenly spread
        rows, weight = torch.nonzero(n % config.batch * whole % config.batch < whole)[:, 0], config.batch / whole
        if len(rows) == 0:  # every process has to evaluate the network
            rows, weight = torch.tensor([0]), 0.0
        rows = to_device(rows, x_0.device)
        return rows, x_0[rows], weight

    def model(self, network: Network, weights: Averaging, finished: bool) -> Model:
        raise NotImplementedError("an autoencoder is not a diffusion model")

    def card(self) -> ModelCard:
        config = self._config
        facts = {
            "Latents": f"{config.latent_channels} channels, an eighth of the side, noise {config.latent_noise:g}",
            "Loss": f"L1 + {_SQUARED:g} L2 + {_GRADIENT:g} L1 of neighbours' differences + {_UNIT:g} unit variance",
        }
        summary = "An autoencoder (AutoencoderTiny of diffusers), trained with DDPM Lab."
        return ModelCard("autoencoder", summary, "Pictures, and below each its reconstruction", facts)


@torch.no_grad()
def _scale(autoencoder: AutoencoderTiny, x: Tensor) -> None:
    """First weights that suit ReLU, latents of deviation 1, and pictures of little contrast."""
    for module in autoencoder.modules():
        if isinstance(module, nn.Conv2d) and min(module.weight.shape[:2]) > 4:
            nn.init.kaiming_normal_(module.weight, a=0.5)
    last: Any = autoencoder.encoder.layers[-1]
    z = autoencoder.encoder(x)
    last.weight.div_(z.std())
    last.bias.sub_(autoencoder.encoder(x).mean((0, 2, 3)))
    end: Any = autoencoder.decoder.layers[-1]
    end.weight.mul_(0.3 / autoencoder.decoder(autoencoder.encoder(x)).std())


def distance(autoencoder: nn.Module, x: Tensor) -> float:
    """Return the peak signal-to-noise ratio in dB of pictures after an autoencoder: 10 log10(2²/mean squared error).

    autoencoder: of diffusers; its output is clipped to [−1, 1]. x: pictures in [−1, 1], float (N, 3, H, W), H and W
    multiples of `FACTOR`. Returns infinity where nothing was lost.
    """
    with torch.no_grad():
        error = autoencoder(x).sample.clamp(-1, 1) - x
    return float(10 * torch.log10(4 / F.mse_loss(error, torch.zeros_like(error))))
