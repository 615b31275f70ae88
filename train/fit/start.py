"""What a run starts from: the optimiser with its state, and weights of another checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from ddpm_core import CheckpointError, load
from train import TrainError
from train.fit.config import Config
from train.fit.muon import Muon


def make_optimizer(unet: torch.nn.Module, config: Config) -> torch.optim.Optimizer:
    """The optimiser of the run over all parameters of the network."""
    if config.optimizer == "muon":
        return Muon(unet, config.lr, config.weight_decay)
    kind = torch.optim.Adam if config.optimizer == "adam" else torch.optim.AdamW
    return kind(unet.parameters(), lr=config.lr, eps=1e-8, weight_decay=config.weight_decay, fused=True)


def restore_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Give an optimiser the moments of its `state_dict`. Its decay, rate and so on stay: the configuration decides."""
    optimizer.load_state_dict({"state": state["state"], "param_groups": optimizer.state_dict()["param_groups"]})


def warm_start(unet: torch.nn.Module, ref: str) -> None:
    """Give a network the weights of a checkpoint. Raises TrainError when it can't be loaded or has another shape."""
    try:
        weights = load(ref, device="cpu", precision="fp32", engine="torch").network.unet.state_dict()
    except CheckpointError as error:
        raise TrainError(f"--init: {error}.") from error
    ours = unet.state_dict()
    odd = [
        key
        for key in {**ours, **weights}
        if key not in ours or key not in weights or ours[key].shape != weights[key].shape
    ]
    if odd:
        raise TrainError(f"--init {ref} is another network than this configuration's: they differ in {odd[0]}.")
    unet.load_state_dict(weights)


@contextmanager
def fitting(state: dict[str, Any]) -> Iterator[None]:
    """Raise TrainError when a part of a checkpoint is not that of this network and optimiser."""
    try:
        yield
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise TrainError(f"The checkpoint of step {state['step']} does not fit this run: {reason}") from error
