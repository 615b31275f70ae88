"""A table of the sines and cosines of a network's times, for networks for which OpenVINO would compute them wrong.

In bf16, OpenVINO rounds the angles, which are hundreds of radians, unless they come directly from whole numbers.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ddpm_core.engines.from_diffusers import DiTTransformer2DModel, Timesteps
from ddpm_core.engines.networks.openai_unet import OpenAIUNet


class _TimeTable(nn.Module):
    """A table of the outputs of a `Timesteps` layer for t − 1 = 0..T − 1, (T, width)."""

    def __init__(self, times: Timesteps, T: int):
        super().__init__()
        self.register_buffer("table", times(torch.arange(T)).float(), persistent=False)

    def forward(self, t_index: Tensor) -> Tensor:
        """Return the rows of the table for t_index, (N, width)."""
        return self.get_buffer("table")[t_index]


def known_times(network: nn.Module) -> int | None:
    """Return the number of times t − 1 in a network's table; None if it has no table and takes any time."""
    return getattr(network, "known_times", None)


def tabulate_times(network: nn.Module, T: int) -> None:
    """Replace the time embedding of a transformer or an `OpenAIUNet` by a table. Leave other networks unchanged."""
    if isinstance(network, (DiTTransformer2DModel, OpenAIUNet)):
        parts: list[Any] = [part for part in network.modules() if isinstance(getattr(part, "time_proj", 0), Timesteps)]
        table = _TimeTable(parts[0].time_proj, T)
        for part in parts:
            part.time_proj = table
        own: Any = network
        own.known_times = T  # `known_times` reads this attribute
