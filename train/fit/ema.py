"""The exponential moving average (EMA) of the weights, which is sampled and published."""

from __future__ import annotations

import copy
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)


class EMA(Generic[Network]):
    """A copy of the network whose parameters follow the trained ones, in float32 or wider.

    The decay warms up, decay_n = min(decay, (1 + n)/(10 + n)) at update n = 0, 1, ..., so that the random initial
    weights are soon forgotten. Buffers are copied once: our U-Nets learn nothing in them.
    """

    def __init__(self, network: Network, decay: float):
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        for average in self.network.parameters():
            if average.dtype in (torch.float16, torch.bfloat16):
                average.data = average.data.float()
        self.decay = decay
        self.updates = 0

    def decay_now(self) -> float:
        """The decay of the next update."""
        return min(self.decay, (1 + self.updates) / (10 + self.updates))

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """average ← decay · average + (1 − decay) · parameter."""
        averages: list[Tensor] = list(self.network.parameters())
        parameters = [p.detach().to(a.dtype) for p, a in zip(network.parameters(), averages, strict=True)]
        torch._foreach_lerp_(averages, parameters, 1 - self.decay_now())
        self.updates += 1
