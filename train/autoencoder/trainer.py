"""The trainer of autoencoders. It differs from the trainer of `train fit` in its sample grids and its result."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ddpm_core import imaging
from ddpm_core.disk import files
from ddpm_core.engines.from_diffusers import AutoencoderTiny
from ddpm_core.imaging import from_uint8
from train import TrainError
from train.autoencoder.config import AutoencoderConfig
from train.autoencoder.task import Autoencoding, Reconstruction, moments, psnr
from train.common.files import write_bytes
from train.fit.inputs.processes import total
from train.fit.outputs.card import command, shorten_paths
from train.fit.outputs.progress import Progress, Window
from train.fit.signals import StopSignals
from train.fit.trainer import Trainer

CONFIG, WEIGHTS = "config.json", "diffusion_pytorch_model.safetensors"


class AutoencoderTrainer(Trainer):
    """One run of `train autoencoder`. Raises TrainError when it can't be set up or can't go on."""

    def __init__(self, config: AutoencoderConfig, state: dict[str, Any] | None = None):
        super().__init__(config, state, Autoencoding)

    def train_step(self, rounds: Iterator[dict[str, Tensor]], window: Window) -> None:
        """Make one optimiser step as `fit` does. The loss needs the moments of all latents of the step, so several
        processes or rounds first compute the moments together.
        """
        if self.config.accumulate * self.accelerator.num_processes > 1:
            shares = [next(rounds) for _ in range(self.config.accumulate)]
            self._autoencoding.moments = self._moments(shares)
            rounds = iter(shares)
        super().train_step(rounds, window)

    @property
    def _autoencoding(self) -> Autoencoding:
        """Return the task, with its exact type."""
        assert isinstance(self.task, Autoencoding)
        return self.task

    @torch.no_grad()
    def _moments(self, shares: Sequence[dict[str, Tensor]]) -> Tensor:
        """Return the moments of all latents of the step, over all processes. shares: the rounds of this process."""
        found = []
        for batch in shares:
            x_0, *_, n = self.examples(batch)
            rows, x, weight = self._autoencoding.choose_part(x_0, n)
            with self.accelerator.autocast():
                found.append(weight * len(rows) * moments(self.unet.latents(x)))
        return total(self.accelerator, torch.stack(found).sum(0)) / self.config.batch

    def _check_result(self) -> None:
        """Raise TrainError if OUT/model holds something other than an autoencoder."""
        folder = self.out / "model"
        if folder.exists() and not (folder / CONFIG).is_file():
            raise TrainError(f"{folder} holds something other than an autoencoder: choose another --out.")

    def _sample(self, progress: Progress, signals: StopSignals, quick: bool = False) -> None:
        """Write a grid of the data's pictures, with the reconstruction of each below it."""
        assert self.images.pixels is not None
        count = min(self.config.sample_count, len(self.images))
        rows = np.linspace(0, len(self.images) - 1, count).round().astype(int)
        pixels = self.images.pixels[rows]
        x, autoencoder = from_uint8(pixels), _plain(self.ema.network)
        with torch.no_grad():
            back = imaging.to_uint8(autoencoder(x).sample)
        picture = imaging.grid(np.concatenate([pixels.numpy(), back]), columns=count)
        write_bytes(self.out / "samples" / f"step-{self.step:09d}-ema.png", imaging.png(picture))
        progress.say(f"step {self.step}: {psnr(autoencoder, x):.1f} dB")

    def _preview(self, *_: Any) -> None:
        """Do nothing: an autoencoder has no --sample-seconds."""

    def _export(self) -> None:
        """Write the moving average to OUT/model, in the form that diffusers' from_pretrained reads."""
        if not self.accelerator.is_main_process:
            return
        text = [f"# {self.task.card().title}", "", self.task.card().summary, "", "```"]
        text += [command(shorten_paths(self.config)), "```", ""]
        with files.replacing_folder(self.out / "model", ours={CONFIG, WEIGHTS, "README.md"}) as new:
            _plain(self.ema.network).save_pretrained(new)
            (new / "README.md").write_text("\n".join(text), encoding="utf-8")


def _plain(network: nn.Module) -> AutoencoderTiny:
    """Return a copy of the autoencoder in a `Reconstruction`, in float32 on the CPU."""
    assert isinstance(network, Reconstruction)
    plain = copy.deepcopy(network.autoencoder)
    nn.Module.to(plain, "cpu", torch.float32)
    return plain
