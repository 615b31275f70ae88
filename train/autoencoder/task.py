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

FACTOR = 8  # the side of a picture divided by that of its latent
LIMITS = {
    "latent_channels": fields.LIMITS["latent_channels"],
    "width": (1, 1024),  # the network has 44 convolutions of 3×3, and must stay below fields.MAX_PARAMETERS
    "latent_noise": (0, 1000),
}
_WHOLE = 3  # one step in three, on average, trains on whole pictures
# Weights in the loss: squared error, L1 error of pixel differences, penalty of the latents. The L1 error has weight 1.
_SQUARED, _GRADIENT, _UNIT = 0.5, 0.5, 2e-3
_SEEN = 16  # number of pictures from which the scale of the initial weights is computed


class Reconstruction(nn.Module):
    """The loss of an autoencoder as a network, so that accelerate can distribute it like any other network.

    The loss is the L1 error, half the squared error, and half the L1 error of differences between neighbouring pixels,
    which keeps edges sharp. Instead of a KL divergence, a penalty keeps each channel of a step's latents near mean 0
    and variance 1.
    """

    def __init__(self, autoencoder: AutoencoderTiny, noise: float):
        super().__init__()
        self.autoencoder, self.noise = autoencoder, noise
        last = len(autoencoder.decoder.layers) - 1
        # Prefixes of the parameter names of the first and the last layer, which work on pixels.
        self.ends = ("autoencoder.encoder.layers.0.", f"autoencoder.decoder.layers.{last}.")

    def forward(
        self, x: Tensor, eps: Tensor, class_labels: Tensor | None = None, return_dict: bool = False
    ) -> tuple[Tensor]:
        """Return the loss of each picture, (N,). x: pictures (N, 3, H, W); eps: noise (N, C, H/8, W/8).

        class_labels: the `moments` of all latents of the step; None if x holds all pictures of the step.
        """
        z = self.latents(x)
        own = moments(z)
        # The moments have the values of the whole step. Their gradients come only from the latents of this process.
        mean, square = own if class_labels is None else own + (class_labels - own).detach()
        deviation = (square.mean() - mean.mean().square()).detach().clamp(min=0).sqrt()
        error = self.autoencoder.decoder(z + self.noise * deviation * eps).to(x.dtype) - x
        rows, columns = error.diff(dim=2).abs(), error.diff(dim=3).abs()
        distance = sum(part.flatten(1).mean(1) for part in (error.abs(), _SQUARED * error.square()))
        edges = _GRADIENT * (rows.flatten(1).mean(1) + columns.flatten(1).mean(1))
        spread = (square + 1e-4).log().square().mean() + mean.square().mean()
        return (distance + edges + _UNIT * spread,)

    def latents(self, x: Tensor) -> Tensor:
        """Return the latents (N, C, H/8, W/8) of pictures (N, 3, H, W), in the pictures' dtype."""
        return self.autoencoder.encoder(x).to(x.dtype)


def moments(z: Tensor) -> Tensor:
    """Return the mean of each channel of latents (N, C, H, W) and the mean of its square, (2, C)."""
    return torch.stack([z.mean((0, 2, 3)), z.square().mean((0, 2, 3))])


class Autoencoding(TrainingTask):
    """The training of an AutoencoderTiny of diffusers."""

    # The moments of all latents of the step; None if one process computes them in a single round.
    moments: Tensor | None = None

    @classmethod
    def check(cls, config: Config) -> None:
        """Raise TrainError for sizes that the autoencoder can't have."""
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
        """Return a new autoencoder with its loss. Without a checkpoint, the data decide the scale of its weights."""
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
            _scale_weights(autoencoder, from_uint8(self._images.pixels[:: max(1, len(self._images) // _SEEN)][:_SEEN]))
        return Reconstruction(autoencoder, config.latent_noise)

    def architecture(self, network: nn.Module) -> dict[str, Any]:
        """Return the autoencoder's configuration."""
        assert isinstance(network, Reconstruction)
        return json.loads(network.autoencoder.to_json_string())

    def losses(self, network: Network, x_0: Tensor, t: Tensor, eps: Tensor, labels: Tensor | None, n: Tensor) -> Tensor:
        """Return the loss of each picture, (N,), weighted as `choose_part` says.

        The noise of the latents is the start of ε, which has more numbers than the latents need.
        """
        rows, x, weight = self.choose_part(x_0, n)
        shape = self._config.latent_channels, x.shape[2] // FACTOR, x.shape[3] // FACTOR
        noise = eps[rows].flatten(1)[:, : math.prod(shape)].unflatten(1, shape)
        found = network(x, noise, self.moments)
        return found.new_zeros(len(x_0)).index_add(0, rows, weight * found)

    def choose_part(self, x_0: Tensor, n: Tensor) -> tuple[Tensor, Tensor, float]:
        """Return the part of a batch that a step trains on: (rows of x_0, their pixels, the weight of each).

        n: the example numbers of the batch.

        A step trains on a square of every picture, cut out at the same place, or on a few whole pictures with as many
        pixels in all. The seed and the number of the step decide which of the two.
        """
        config = self._config
        rng = generator(config.seed, int(n[0]) // config.batch, CUT)
        if rng.integers(_WHOLE):
            y, x = 4 * rng.integers((config.image_size - config.crop) // 4 + 1, size=2)
            return torch.arange(len(n), device=x_0.device), x_0[:, :, y : y + config.crop, x : x + config.crop], 1.0
        whole = max(1, config.batch * config.crop**2 // config.image_size**2)  # number of whole pictures in a step
        rows, weight = torch.nonzero(n % config.batch * whole % config.batch < whole)[:, 0], config.batch / whole
        # Every process must evaluate the network. A process without whole pictures takes a picture with weight 0.
        if len(rows) == 0:
            rows, weight = torch.tensor([0]), 0.0
        rows = to_device(rows, x_0.device)
        return rows, x_0[rows], weight

    def model(self, network: Network, weights: Averaging, finished: bool) -> Model:
        """Raise NotImplementedError, because an autoencoder is not a diffusion model."""
        raise NotImplementedError("an autoencoder is not a diffusion model")

    def card(self) -> ModelCard:
        """Return the parts of the model card that describe the autoencoder."""
        config = self._config
        facts = {
            "Latents": f"{config.latent_channels} channels, an eighth of the side, noise {config.latent_noise:g}",
            "Loss": f"L1 + {_SQUARED:g} L2 + {_GRADIENT:g} L1 of neighbours' differences + {_UNIT:g} unit variance",
        }
        summary = "An autoencoder (AutoencoderTiny of diffusers), trained with DDPM Lab."
        return ModelCard("autoencoder", summary, "Pictures, and below each its reconstruction", facts)


@torch.no_grad()
def _scale_weights(autoencoder: AutoencoderTiny, x: Tensor) -> None:
    """Scale the initial weights for ReLU, so that latents have standard deviation 1 and pictures a low contrast."""
    for module in autoencoder.modules():
        if isinstance(module, nn.Conv2d) and min(module.weight.shape[:2]) > 4:
            nn.init.kaiming_normal_(module.weight, a=0.5)
    last: Any = autoencoder.encoder.layers[-1]
    z = autoencoder.encoder(x)
    last.weight.div_(z.std())
    last.bias.sub_(autoencoder.encoder(x).mean((0, 2, 3)))
    end: Any = autoencoder.decoder.layers[-1]
    end.weight.mul_(0.3 / autoencoder.decoder(autoencoder.encoder(x)).std())


def psnr(autoencoder: nn.Module, x: Tensor) -> float:
    """Return the peak signal-to-noise ratio of reconstructed pictures in dB: 10 log10(2²/mean squared error).

    autoencoder: an autoencoder of diffusers; its output is clipped to [−1, 1]. x: pictures in [−1, 1], float (N, 3, H,
        W); H and W are multiples of `FACTOR`. Returns infinity if nothing was lost.
    """
    with torch.no_grad():
        error = autoencoder(x).sample.clamp(-1, 1) - x
    return float(10 * torch.log10(4 / F.mse_loss(error, torch.zeros_like(error))))
