"""The optimisers of a run: Adam, AdamW, and Muon (Jordan et al. 2024), which makes the momentum of matrices orthogonal.

An orthogonal step changes all directions of a matrix by the same amount.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from ddpm_core.engines.choose import torch_precision
from train.common.config import Config

NONE: Mapping[str, float] = MappingProxyType({})


def make_optimizer(unet: nn.Module, config: Config) -> torch.optim.Optimizer:
    """Return the optimiser of a run, for all parameters of the network: Adam, AdamW or `Muon`.

    unet: the network, on its device. Each parameter group of the optimiser has a "rate", a factor of the learning rate.
    """
    rates = text_rates(config)
    if config.optimizer == "muon":
        return Muon(unet, config.lr, config.weight_decay, rates=rates)
    kind = torch.optim.Adam if config.optimizer == "adam" else torch.optim.AdamW
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in unet.named_parameters():
        groups.setdefault(_rate(name, rates), []).append(parameter)
    return kind(
        [{"params": members, "rate": rate} for rate, members in groups.items()],
        lr=config.lr,
        eps=1e-8,
        weight_decay=config.weight_decay,
        fused=True,
    )


def restore_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load the moments of a `state_dict` into an optimiser. Its learning rate, decay and other settings stay as
    configured.

    Raises KeyError if `state` is not the state of an optimiser.
    """
    optimizer.load_state_dict({"state": state["state"], "param_groups": optimizer.state_dict()["param_groups"]})


def text_rates(config: Config) -> Mapping[str, float]:
    """Return the factors of the learning rate for a text encoder's parameters. The keys are prefixes of names."""
    if not config.captions:
        return NONE
    return {"text.embeddings.token_embedding.": config.token_rate, "text.": config.text_rate}


def _rate(name: str, rates: Mapping[str, float]) -> float:
    """Return the factor of the learning rate for a parameter: the factor of the first matching prefix, else 1."""
    return next((rate for start, rate in rates.items() if name.startswith(start)), 1.0)


class Muon(torch.optim.Optimizer):
    """Muon for the matrices and convolutions inside a U-Net, AdamW for the rest: end layers, embeddings, biases, norms.

    torch.optim.Muon takes matrices only. Here a convolution's kernel counts as a matrix,
    (outputs, inputs · height · width). Steps are scaled by 0.2 √max(rows, columns), so that they are about as large as
    AdamW's at the same learning rate (Liu et al. 2025).
    """

    def __init__(
        self,
        unet: nn.Module,
        lr: float,
        weight_decay: float = 0.0,
        momentum: float = 0.95,
        rates: Mapping[str, float] = NONE,
    ):
        """rates: factors of the learning rate by prefixes of parameter names. AdamW trains these parameters."""
        ends = ("conv_in.", "conv_out.", *getattr(unet, "ends", ()))
        groups: dict[tuple[bool, float], list[nn.Parameter]] = {(True, 1.0): [], (False, 1.0): []}
        for name, parameter in unet.named_parameters():
            within = parameter.ndim > 1 and not name.startswith((*ends, *rates)) and "embedding" not in name
            groups.setdefault((within, _rate(name, rates)), []).append(parameter)
        super().__init__(
            [{"params": members, "muon": muon, "rate": rate} for (muon, rate), members in groups.items()],
            {"lr": lr, "weight_decay": weight_decay, "momentum": momentum, "betas": (0.9, 0.999), "eps": 1e-8},
        )

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:
        """Update every parameter that has a gradient. closure must be None, else ValueError is raised."""
        if closure is not None:
            raise ValueError("Muon takes no closure")
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            (self._muon if group["muon"] else self._adamw)(group, parameters)

    def _muon(self, group: dict, parameters: list[Tensor]) -> None:
        """Update the parameters of one group by Muon."""
        alike = defaultdict(list)  # matrices of the same shape are orthogonalised together
        for parameter, gradient in zip(parameters, _gradients(parameters), strict=True):
            state = self.state[parameter]
            if not state:
                state["average"] = torch.zeros_like(parameter)
            state["average"].lerp_(gradient, 1 - group["momentum"])
            ahead = gradient.lerp(state["average"], group["momentum"])  # Nesterov momentum
            alike[parameter.shape[0], ahead[0].numel()].append((parameter, ahead.flatten(1)))
        for (rows, columns), members in alike.items():
            scale = group["lr"] * 0.2 * max(rows, columns) ** 0.5
            directions = orthogonal(torch.stack([matrix for _, matrix in members]))
            for (parameter, _), direction in zip(members, directions, strict=True):
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.sub_(direction.view(parameter.shape), alpha=scale)

    def _adamw(self, group: dict, parameters: list[Tensor]) -> None:
        """Update the parameters of one group by AdamW."""
        for parameter in parameters:
            if not self.state[parameter]:
                moments = {name: torch.zeros_like(parameter) for name in ("average", "square")}
                self.state[parameter].update(step=torch.tensor(0.0), **moments)
        states = [self.state[parameter] for parameter in parameters]
        adamw(
            parameters,
            _gradients(parameters),
            [state["average"] for state in states],
            [state["square"] for state in states],
            [],
            [state["step"] for state in states],
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )


def _gradients(parameters: list[Tensor]) -> list[Tensor]:
    """Return the gradients of the parameters that have a gradient."""
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


def orthogonal(matrices: Tensor) -> Tensor:
    """Return matrices, float (N, A, B), with their singular values brought near 1 by five Newton–Schulz steps.

    The coefficients of the quintic polynomial are from Jordan et al. Singular values end between about 0.7 and 1.2, so
    bfloat16 is exact enough. It is used on a device that computes in bfloat16, except for float64 matrices.
    """
    dtype, wide = matrices.dtype, matrices.shape[1] <= matrices.shape[2]
    x = matrices if wide else matrices.mT
    if dtype == torch.float32 and torch_precision("auto", x.device) == "bf16":
        x = x.bfloat16()
    x = x / (torch.linalg.matrix_norm(x, keepdim=True) + 1e-7)
    for _ in range(5):
        gram = x @ x.mT
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return (x if wide else x.mT).to(dtype)
