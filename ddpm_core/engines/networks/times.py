"""The sines and cosines of a network's times in a table, where OpenVINO would get them wrong.

In bf16 it rounds the angles, of hundreds of radians, unless they come from whole numbers directly.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ddpm_core.engines.from_diffusers import DiTTransformer2DModel, Timesteps
from ddpm_core.engines.networks.openai_unet import OpenAIUNet


class _TimeTable(nn.Module):
    """What a Timesteps gives for each t − 1."""

    def __init__(self, times: Timesteps, T: int):
        super().__init__()
        self.register_buffer("table", times(torch.arange(T)).float(), persistent=False)

    def forward(self, t_index: Tensor) -> Tensor:
        return self.get_buffer("table")[t_index]


def known_times(network: nn.Module) -> int | None:
    """How many times t − 1 a network can look up; None where it takes any."""
    return getattr(network, "known_times", None)


def tabulate_times(network: nn.Module, T: int) -> None:
    """Let a transformer, whose blocks each embed the time, or a U-Net with scaled times look them up; others stay."""
    if isinstance(network, (DiTTransformer2DModel, OpenAIUNet)):
        parts: list[Any] = [part for part in network.modules() if isinstance(getattr(part, "time_proj", 0), Timesteps)]
        table = _TimeTable(parts[0].time_proj, T)
        for part in parts:
            part.time_proj = table
        own: Any = network
        own.known_times = T  # see `known_times`
