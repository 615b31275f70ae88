"""The fastest settings for a machine: the meaning of "auto", and the flags of a training that the page starts."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import torch

from ddpm_core.engines.choose import choose_device, torch_precision
from train.common.config import Config
from train.fit.fused import is_available

Kind = TypeVar("Kind", bound=Config)

THREADS = 4  # largest number of threads, because the page has other visitors to serve


def quickest_flags(device: str) -> list[str]:
    """Return flags that make `train fit` quick on this machine: threads, precision and layout.

    Arguments:
        device: as for `ddpm_core.load`: "auto", "cpu", "cuda", "cuda:1" or "mps".

    Returns:
        A list such as ["--device", "cpu", "--threads", "2", …]; empty for a GPU, for which `on_device` chooses.

    Raises:
        ValueError: for a device that does not exist, or that this machine does not have.
    """
    chosen = choose_device(device)
    if chosen.type != "cpu":
        return []
    words = ["--device", "cpu", "--threads", str(max(1, min(THREADS, torch.get_num_threads())))]
    words += ["--precision", torch_precision("auto", chosen), "--channels-last"]
    return [*words, "--fused"] if is_available() else words


def on_device(config: Kind, device: torch.device) -> Kind:
    """Return the configuration with the precision that --precision auto means on this device. On CUDA, half precision
    also turns on the channels-last layout.

    Raises ValueError for bf16 on a GPU that would emulate it, and for fp64 on Apple's GPUs, which have no float64.
    """
    if device.type == "mps" and config.precision == "fp64":
        raise ValueError("Apple's GPUs have no float64: use --precision fp32, or --device cpu")
    if device.type != "cuda" or config.precision == "fp64":
        return config
    precision = torch_precision(config.precision, device)
    if config.precision == "auto" and precision != "bf16":
        precision = "fp16"  # overflows do no harm, because the scale of the loss adapts to them
    return replace(config, precision=precision, channels_last=config.channels_last or precision != "fp32")
