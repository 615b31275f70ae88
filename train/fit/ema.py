"""The exponential moving average (EMA) of the weights, which is sampled and published."""

from __future__ import annotations

import copy
from typing import Any, Generic, Literal, TypeVar

import torch
from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)
Average = Literal["ema", "ema2"]  # a moving average of the weights, named as the flag of its decay


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


class Averages(Generic[Network]):
    """The moving averages of a run, by name: always "ema", and "ema2" where its decay is given."""

    def __init__(self, network: Network, ema: float, ema2: float | None):
        decays: dict[Average, float | None] = {"ema": ema, "ema2": ema2}
        self.named: dict[Average, EMA[Network]] = {
            name: EMA(network, decay) for name, decay in decays.items() if decay is not None
        }

    def update(self, network: nn.Module) -> None:
        """Update the averages. Call this after every step."""
        for average in self.named.values():
            average.update(network)

    def state(self) -> dict[str, Any]:
        """The weights and the number of updates of each, as parts of a checkpoint."""
        weights = {name: average.network.state_dict() for name, average in self.named.items()}
        return {**weights, **{f"{name}_updates": average.updates for name, average in self.named.items()}}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint. An average that it lacks starts at the weights that it was made from."""
        for name, average in self.named.items():
            if state.get(name) is not None:
                average.network.load_state_dict(state[name])
                average.updates = state[f"{name}_updates"]
