"""DiT (Peebles & Xie 2023): diffusers' DiTTransformer2DModel, with the sines and cosines of its times in a table."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ddpm_core.engines.from_diffusers import DiTTransformer2DModel, Timesteps


class _TimeTable(nn.Module):
    """What a Timesteps gives for each t − 1: OpenVINO would round the angles to bf16, by more than one step of t."""

    def __init__(self, times: Timesteps, T: int):
        super().__init__()
        self.register_buffer("table", times(torch.arange(T)), persistent=False)

    def forward(self, t_index: Tensor) -> Tensor:
        return self.get_buffer("table")[t_index]


def tabulate_times(network: nn.Module, T: int) -> None:
    """Let a transformer, whose blocks each embed the time, look its sines and cosines up; other networks stay."""
    if isinstance(network, DiTTransformer2DModel):
        parts = [part for part in network.modules() if isinstance(getattr(part, "time_proj", None), Timesteps)]
        table = _TimeTable(parts[0].get_submodule("time_proj"), T)  # pyright: ignore[reportArgumentType]
        for part in parts:
            part.time_proj = table
