"""The cost of a model, read from its configuration: nothing is allocated and nothing computed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from ddpm_core.checkpoint.config.unet_config import count_parameters
from ddpm_core.checkpoint.latent_parts import make_decoder, make_text
from ddpm_core.checkpoint.spec import CheckpointConfig
from ddpm_core.engines.common import example_inputs
from ddpm_core.engines.networks import make_network
from ddpm_core.errors import UNCHECKED, first_line


@dataclass(frozen=True)
class Cost:
    """flop: multiplications and additions of one evaluation, for one image. parameters: number of weights, in all.

    memory: bytes that they take once they are loaded.
    """

    flop: float
    parameters: int

    @property
    def memory(self) -> int:
        return 4 * self.parameters  # float32, whatever the files have


def model_cost(config: CheckpointConfig) -> Cost:
    """The cost of a checkpoint's model: of a latent one, its network, autoencoder and text encoder.

    Raises ValueError for a part that cannot be built or is too large.
    """
    found = network_cost(config.unet)
    others = [(make_decoder, config.decoder), (make_text, config.text)]
    more = sum(_parameters(make, _frozen(part)) for make, part in others if part is not None)
    return replace(found, parameters=found.parameters + more)


def network_cost(config: dict[str, Any]) -> Cost:
    """The cost of the network of a config.json that `spec.check` has accepted. About 0.2 s, then remembered.

    Raises ValueError for a network that cannot be built or evaluated, or has more than MAX_PARAMETERS.
    """
    return _cost(_frozen(config))


def _frozen(config: dict[str, Any]) -> str:
    return json.dumps(config, sort_keys=True, default=str)


@lru_cache(maxsize=64)
def _parameters(make: Callable[[dict[str, Any]], Any], config: str) -> int:
    try:
        with torch.device("meta"):
            return count_parameters(make(json.loads(config)))
    except UNCHECKED as error:
        raise ValueError(f"a part of this model cannot be built ({first_line(error)})") from None


@lru_cache(maxsize=64)
def _cost(config: str) -> Cost:
    try:
        with torch.device("meta"):
            unet = make_network({"_class_name": "UNet2DModel", **json.loads(config)})
        parameters = count_parameters(unet)
        image, t_index, *labels = (value.to("meta") for value in example_inputs(unet))
        with _Count() as count, torch.no_grad():
            unet.eval()(image, t_index, *labels, return_dict=False)
    except UNCHECKED as error:
        raise ValueError(f"the network of config.json cannot be evaluated ({first_line(error)})") from None
    return Cost(count.flop, parameters)


class _Count(TorchDispatchMode):
    """Counts with torch's own formulas. torch's FlopCounterMode also hooks the modules of all other threads."""

    def __init__(self) -> None:
        super().__init__()
        self.flop = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func._overloadpacket)
        if formula is not None:
            self.flop += formula(*args, **(kwargs or {}), out_val=result)
        return result
