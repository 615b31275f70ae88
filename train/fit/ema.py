"""The averages of the weights: exponential moving averages (EMA), which are sampled and published, and power-function
averages, of which snapshots are kept.
"""

from __future__ import annotations

import copy
from typing import Any, Generic, Literal, TypeVar

import torch
from torch import Tensor, nn

from train.fit.power import LENGTHS, exponent

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


class PowerAverage(EMA[Network]):
    """A copy of the network whose weights are averaged over all updates, the k-th about in proportion to k^γ.

    This is the power-function average of Karras et al. 2024, Eq. 127: decay_n = (1 − 1/n)^(γ + 1) at update n = 1, 2,
    .... `power.step_weights` has the weight of each update in it.
    """

    def __init__(self, network: Network, length: float):
        """length: σ_rel, within `power.SHORTEST` and `power.LONGEST`."""
        super().__init__(network, 0.0)
        self.exponent = exponent(length)

    def decay_now(self) -> float:
        return (self.updates / (self.updates + 1)) ** (self.exponent + 1)


class Averages(Generic[Network]):
    """All averages of a run.

    Attributes:
        named: the moving averages that are published: always "ema", and "ema2" where its decay is given.
        powers: the power-function averages by their length σ_rel, for snapshots; empty for a run without these.
    """

    def __init__(self, network: Network, ema: float, ema2: float | None, powers: bool = False):
        """Begin all averages at the network's weights.

        Arguments:
            network: the network that is trained.
            ema: decay of "ema", at least 0 and below 1.
            ema2: decay of "ema2"; None for no such average.
            powers: whether to keep power-function averages of the lengths `power.LENGTHS`.
        """
        decays: dict[Average, float | None] = {"ema": ema, "ema2": ema2}
        self.named: dict[Average, EMA[Network]] = {
            name: EMA(network, decay) for name, decay in decays.items() if decay is not None
        }
        self.powers = {length: PowerAverage(network, length) for length in LENGTHS if powers}

    def _all(self) -> dict[str, EMA[Network]]:
        return {**self.named, **{f"power-{length:g}": average for length, average in self.powers.items()}}

    def update(self, network: nn.Module) -> None:
        """Update the averages. Call this after every step. network: the one that is trained."""
        for average in self._all().values():
            average.update(network)

    def state(self) -> dict[str, Any]:
        """Return the weights and the number of updates of each average, as parts of a checkpoint."""
        weights = {name: average.network.state_dict() for name, average in self._all().items()}
        return {**weights, **{f"{name}_updates": average.updates for name, average in self._all().items()}}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a checkpoint. A moving average that it lacks starts at the weights that it was made from.

        Raises RuntimeError for weights of another network.
        """
        for name, average in self._all().items():
            if state.get(name) is not None:
                average.network.load_state_dict(state[name])
                average.updates = state[f"{name}_updates"]
