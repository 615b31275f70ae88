"""What all engines share."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ddpm_core.from_diffusers import UNet2DModel

log = logging.getLogger(__name__)

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


_PATIENCE = 2  # seconds of preparation before it is announced


def in_two_parts(x: Tensor, dtype: torch.dtype) -> Tensor:
    """x (N, C, H, W) as (N, 2C, H, W): rounded to the dtype, and what that leaves.

    A network that computes in bf16 would see x rounded, with an error as large as a fifteenth of the noise in x_1. With
    the kernel of its first convolution twice side by side it sees all of x, at no cost to speak of.
    """
    rounded = x.to(dtype).to(x.dtype)
    return torch.cat([rounded, x - rounded], 1)


def weight_bytes(unet: nn.Module) -> int:
    """Bytes of a network's weights as torch holds them."""
    return sum(weight.nbytes for weight in (*unet.parameters(), *unet.buffers()))


def example_inputs(unet: UNet2DModel, n: int = 1, side: int | None = None) -> tuple[Tensor, ...]:
    """x, t_index and labels where the network has them, on the CPU. side: pixels, None for the network's own size."""
    size = side or unet.config.sample_size
    height, width = (size, size) if isinstance(size, int) else size
    labels = (torch.zeros(n, dtype=torch.int64),) if unet.class_embedding is not None else ()
    return torch.zeros(n, unet.config.in_channels, height, width), torch.zeros(n, dtype=torch.int64), *labels


@contextmanager
def announced(text: str, progress: Callable[[str], None] | None) -> Iterator[None]:
    """Say what is going on, to progress or else the log, once it takes more than 2 seconds."""
    timer = threading.Timer(_PATIENCE, progress or log.info, [text])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
