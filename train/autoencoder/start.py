"""`python -m train autoencoder`: read the command line, and start or resume a trainer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ddpm_core.commands.reading import read_known
from train.autoencoder.config import AutoencoderConfig
from train.common.command_line import user_path
from train.fit.start import parse_run, run

if TYPE_CHECKING:
    from train.autoencoder.trainer import AutoencoderTrainer

PROGRAM = "python -m train autoencoder"


@dataclass(frozen=True)
class Start:
    """The flags that decide the defaults of the other flags."""

    out: str = AutoencoderConfig.out
    resume: bool = False


def autoencoder(arguments: list[str]) -> int:
    """Train an autoencoder and return the exit status. Raises TrainError for a run that can't start or go on."""
    return run(arguments, user_path(_parse_start(arguments).out), parse_autoencoder, _trainer)


def parse_autoencoder(arguments: list[str]) -> tuple[AutoencoderConfig, dict[str, Any] | None]:
    """Return the configuration, and with --resume the checkpoint to continue from. Raises TrainError if none exists."""
    start = _parse_start(arguments)
    description = "Train an autoencoder. `train fit --decoder` trains in its latents."
    return parse_run(arguments, AutoencoderConfig(), start.out, start.resume, PROGRAM, description)


def _trainer(config: AutoencoderConfig, state: dict[str, Any] | None) -> AutoencoderTrainer:
    """Return the trainer. It is imported late because it imports torch, which takes seconds."""
    from train.autoencoder.trainer import AutoencoderTrainer

    return AutoencoderTrainer(config, state)


def _parse_start(arguments: list[str]) -> Start:
    """Read only the flags of `Start`, and ignore all other flags."""
    return read_known(Start, arguments, PROGRAM)
