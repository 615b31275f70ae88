"""Compute the cost of a model from its configuration, without allocating weights or evaluating the network."""

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
    """The cost of a model.

    Attributes:
        flop: the number of multiplications and additions in one evaluation for one image.
        parameters: the number of all weights.
    """

    flop: float
    parameters: int

    @property
    def memory(self) -> int:
        """The bytes of the loaded weights, which are float32 whatever the file's dtype is."""
        return 4 * self.parameters


def model_cost(config: CheckpointConfig) -> Cost:
    """Return the cost of a checkpoint's model. For a latent model, parameters include the decoder and the text encoder.

    Raise ValueError for a part that cannot be built or is too large.
    """
    found = network_cost(config.unet)
    others = [(make_decoder, config.decoder), (make_text, config.text)]
    more = sum(_parameters(make, _frozen(part)) for make, part in others if part is not None)
    return replace(found, parameters=found.parameters + more)


def network_cost(config: dict[str, Any]) -> Cost:
    """Return the cost of a network. config: a config.json that `spec.check` has accepted.

    The computation takes about 0.2 s, and its result is cached. Raise ValueError for a network that cannot be built or
    evaluated, or has more parameters than MAX_PARAMETERS.
    """
    return _cost(_frozen(config))


def _frozen(config: dict[str, Any]) -> str:
    """Return a configuration as text, so that it can be a key of a cache."""
    return json.dumps(config, sort_keys=True, default=str)


@lru_cache(maxsize=64)
def _parameters(make: Callable[[dict[str, Any]], Any], config: str) -> int:
    """Return the number of parameters of a decoder or a text encoder. make: builds it from its configuration."""
    try:
        with torch.device("meta"):
            return count_parameters(make(json.loads(config)))
    except UNCHECKED as error:
        raise ValueError(f"a part of this model cannot be built ({first_line(error)})") from None


@lru_cache(maxsize=64)
def _cost(config: str) -> Cost:
    """Compute the cost of a network from its configuration as text."""
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
    """Counts operations with torch's own formulas. FlopCounterMode would also count other threads' operations."""

    def __init__(self) -> None:
        super().__init__()
        self.flop = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Return func(*args, **kwargs), and add its operations to `flop`."""
        result = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func._overloadpacket)
        if formula is not None:
            self.flop += formula(*args, **(kwargs or {}), out_val=result)
        return result
