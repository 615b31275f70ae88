"""The configuration of an autoencoder's training, and the flags of `python -m train autoencoder`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from train.common.config import Config, Data, Optimiser, Output, Run, to_dict


@dataclass(frozen=True)
class AutoencoderFlags(Output, Optimiser, Data, Run):
    """The flags of `python -m train autoencoder`."""

    out: str = "runs/autoencoder"
    """Folder of the run: checkpoints/, samples/ (pictures above their reconstructions) and model/, an
    AutoencoderTiny.
    """
    latent_channels: int = 16
    """Channels of a latent. Its side is an eighth of the picture's."""
    width: int = 64
    """Channels inside the network."""
    crop: int = 32
    """Learn from squares of this many pixels a side, cut out at random, and every third step from whole pictures."""
    latent_noise: float = 0.12
    """Standard deviation of the noise on the decoder's latents in training, so that small errors of a sampler don't
    matter. Latents have the standard deviation 1."""
    image_size: int = 64
    """Size of the images in pixels, a multiple of 8: they are resized (shorter side) and cropped at the centre."""
    sample_count: int = 16
    """Pictures of a grid."""


@dataclass(frozen=True)
class AutoencoderConfig(AutoencoderFlags, Config):
    """A run of `train autoencoder`. The fields that only denoisers use have values that pass every check."""

    command: ClassVar[str] = "autoencoder"

    # Defaults that differ from those of `fit`. The base classes explain the fields.
    batch: int = 16
    steps: int = 12_000
    optimizer: Literal["adam", "adamw", "muon"] = "muon"
    lr: float = 3e-3
    warmup: int = 50
    lr_decay: Literal["none", "cosine", "linear"] = "cosine"
    ema: float = 0.995
    checkpoint_every: int = 500
    sample_every: int = 500

    channels: int | None = 3
    widths: tuple[int, ...] = (64,)
    attention: tuple[int, ...] = ()
    norm_groups: int = 1
    dropout: float = 0.0
    T: int = 2
    sample_steps: int = 1

    @classmethod
    def flags(cls) -> type[AutoencoderFlags]:
        """Return the class whose fields are the flags of the command."""
        return AutoencoderFlags

    def origin(self) -> tuple[list[str], dict[str, Any]]:
        """Return the first words of the command that starts such a run, and the field values that they imply."""
        return ["autoencoder"], to_dict(AutoencoderConfig())
