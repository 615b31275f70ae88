"""The averages of a run's weights: exponential moving averages (EMA), which are sampled and published, and
power-function averages, which are kept as snapshots.
"""

from __future__ import annotations

import copy
from typing import Any, Generic, Literal, TypeVar

import torch
from torch import Tensor, nn

from train.fit.power import LENGTHS, exponent

Network = TypeVar("Network", bound=nn.Module)
Average = Literal["ema", "ema2"]  # a moving average; its name is also the flag that sets its decay


class EMA(Generic[Network]):
    """A copy of the network whose parameters are moving averages of the trained parameters, in float32 or wider.

    The decay warms up, decay_n = min(decay, (1 + n)/(10 + n)) at update n = 0, 1, ..., so that the random initial
    weights are soon forgotten. Buffers are copied once, because our U-Nets have no trained buffers.
    """

    def __init__(self, network: Network, decay: float):
        """decay: the decay after the warm-up, at least 0 and below 1."""
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        for average in self.network.parameters():
            if average.dtype in (torch.float16, torch.bfloat16):
                average.data = average.data.float()
        self.decay = decay
        self.updates = 0

    def decay_now(self) -> float:
        """Return the decay of the next update, 0 to 1."""
        return min(self.decay, (1 + self.updates) / (10 + self.updates))

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Compute average ← decay · average + (1 − decay) · parameter.

        network: the trained network. Raises ValueError if it has another number of parameters.
        """
        averages: list[Tensor] = list(self.network.parameters())
        parameters = [p.detach().to(a.dtype) for p, a in zip(network.parameters(), averages, strict=True)]
        torch._foreach_lerp_(averages, parameters, 1 - self.decay_now())
        self.updates += 1


class PowerAverage(EMA[Network]):
    """A copy of the network whose weights are averaged over all updates. Update k has a weight of about k^γ.

    This is the power-function average of Karras et al. 2024, Eq. 127: decay_n = (1 − 1/n)^(γ + 1) at update n = 1, 2,
    .... `power.step_weights` returns the exact weight of each update.
    """

    def __init__(self, network: Network, length: float):
        """length: σ_rel, from `power.SHORTEST` to `power.LONGEST`."""
        super().__init__(network, 0.0)
        self.exponent = exponent(length)

    def decay_now(self) -> float:
        """Return the decay of the next update, 0 to 1."""
        return (self.updates / (self.updates + 1)) ** (self.exponent + 1)


class Averages(Generic[Network]):
    """All averages of a run.

    Attributes:
        named: the moving averages that are published: always "ema", and "ema2" where its decay is given.
        powers: the power-function averages by their length σ_rel, for snapshots; empty for a run without these.
    """

    def __init__(self, network: Network, ema: float, ema2: float | None, powers: bool = False):
        """Start all averages at the network's weights.

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
        """Return all averages by their names in a checkpoint."""
        return {**self.named, **{f"power-{length:g}": average for length, average in self.powers.items()}}

    def update(self, network: nn.Module) -> None:
        """Update the averages. Call this after every step. network: the trained network."""
        for average in self._all().values():
            average.update(network)

    def state(self) -> dict[str, Any]:
        """Return the weights and the number of updates of each average, as parts of a checkpoint."""
        weights = {name: average.network.state_dict() for name, average in self._all().items()}
        return {**weights, **{f"{name}_updates": average.updates for name, average in self._all().items()}}

    def restore(self, state: dict[str, Any]) -> None:
        """Load the averages of a checkpoint. An average that the checkpoint lacks keeps its initial weights.

        Raises RuntimeError for weights of another network.
        """
        for name, average in self._all().items():
            if state.get(name) is not None:
                average.network.load_state_dict(state[name])
                average.updates = state[f"{name}_updates"]
