"""Code that all engines share: checks of a network's inputs, number formats, and inputs for a first evaluation."""

from __future__ import annotations

import ctypes
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ddpm_core.engines.from_diffusers import takes_words
from ddpm_core.engines.networks import Network, known_labels, takes_labels
from ddpm_core.engines.networks.times import known_times
from ddpm_core.model import EngineNetwork, tensor_text

log = logging.getLogger(__name__)

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
PATIENCE = 2  # seconds after which the user is told that a network is still being prepared
_SIDE = 512  # side of the matrices that `bf16_is_fast` multiplies; a product takes about a millisecond
_TRIALS = 20  # number of matrix products that `bf16_is_fast` measures in each number format
_TOKENS = 77  # number of tokens in a prompt, as in CLIP
# bf16 counts as faster if it takes less than this share of float32's time. Two processes then almost always agree.
_CLEARLY = 0.8


class WithUNet(EngineNetwork, Protocol):
    """A network that an engine evaluates, as `choose.wrap` returns it.

    unet: the torch module of the network; its weights may be rounded.
    """

    unet: Network


@lru_cache(maxsize=1)
def bf16_is_fast() -> bool:
    """Return whether this CPU, which has bf16 instructions, multiplies matrices clearly faster in bf16 than in float32.

    The speed is measured, in about 50 milliseconds, because the instructions alone do not determine it: in bf16, two
    cores of an AMD Zen 4 are twice as fast, and two cores of an Intel Xeon without AMX are 1.8 times slower. All
    processes must find the same answer, or a seed would have two pictures. So the function measures the processor time
    of its own thread, and takes the fastest trial.
    """
    shortest = dict.fromkeys((torch.float32, torch.bfloat16), float("inf"))
    for _ in range(_TRIALS):
        for dtype in shortest:
            matrix = torch.ones(_SIDE, _SIDE, dtype=dtype)
            start = time.thread_time()
            torch.mm(matrix, matrix)
            shortest[dtype] = min(shortest[dtype], time.thread_time() - start)
    return shortest[torch.bfloat16] < _CLEARLY * shortest[torch.float32]


class CompiledHere:
    """A base class of networks that were compiled for this process, and so can't be copied or pickled."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Raise TypeError."""
        raise TypeError(
            "a model whose network was compiled can't be copied or pickled: load it with engine='torch', or again"
        )


def forbid_tf32() -> None:
    """Make CUDA compute float32 convolutions and matrix products in full float32, in all of this process.

    By default, CUDA rounds the inputs of convolutions to the 10 bits of TF32. Then ε at t = 1 is wrong by almost 1 %.
    """
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False


def in_two_parts(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Return x (N, C, H, W) as (N, 2C, H, W): x rounded to the dtype, then the rounding error.

    Rounding x to bf16 would cause an error as large as a fifteenth of the noise in x_1. A first convolution that has
    its kernel twice, side by side, can take both parts. So it uses all digits of x at almost no cost.
    """
    rounded = x.to(dtype).to(x.dtype)
    return torch.cat([rounded, x - rounded], 1)


def weight_bytes(unet: nn.Module) -> int:
    """Return the bytes of a network's parameters and buffers in memory."""
    return sum(weight.nbytes for weight in (*unet.parameters(), *unet.buffers()))


def takes_sigma(network: nn.Module) -> bool:
    """Return whether a network's time is σ or a function of σ, float (N,), instead of a whole t − 1, int64 (N,).

    `load` sets this answer as the attribute `takes_sigma` of the network. A network without this attribute takes t − 1.
    """
    return getattr(network, "takes_sigma", False)


def single(time: Tensor) -> Tensor:
    """Return a floating-point time as float32, and a whole-number time unchanged."""
    return time.float() if time.is_floating_point() else time


class Inputs:
    """Checks the times and labels of a network. With wrong values, some engines would compute a wrong picture."""

    def __init__(self, unet: Network):
        self._takes_labels, self._labels, self._times = takes_labels(unet), known_labels(unet), known_times(unet)
        self._width = unet.config["cross_attention_dim"] if takes_words(unet) else None

    def checked(self, x: Tensor, t_index: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Return t_index and labels, with whole numbers as int64.

        Raise ValueError for shapes and dtypes that the network does not take, and for a time or a label that its tables
        of embeddings do not have.
        """
        n = len(x)
        _check_rows("t_index", t_index, n)
        if not t_index.is_floating_point() or self._times is not None:
            t_index = _whole("t_index", t_index, self._times)
        if labels is None:
            if self._takes_labels or self._width is not None:
                raise ValueError(f"this network needs {'labels' if self._width is None else 'the states of prompts'}")
        elif self._width is not None:
            if labels.ndim != 3 or (len(labels), labels.shape[2]) != (n, self._width) or not labels.is_floating_point():
                raise ValueError(
                    f"the states of prompts must be float ({n}, L, {self._width}), got {tensor_text(labels)}"
                )
        elif not self._takes_labels:
            raise ValueError("this network takes no labels")
        else:
            _check_rows("labels", labels, n)
            labels = _whole("labels", labels, self._labels)
        return t_index, labels


def _check_rows(name: str, values: Tensor, n: int) -> None:
    """Raise ValueError unless the shape of the values is (n,). name: the argument's name, for the message."""
    if values.shape != (n,):
        raise ValueError(f"{name} must have one number for each of {n} images, got {tensor_text(values)}")


def _whole(name: str, values: Tensor, known: int | None) -> Tensor:
    """Return the values as int64.

    Raise ValueError unless they are whole numbers, and in 0..known − 1 if known is given.
    """
    if values.is_floating_point() or values.dtype == torch.bool:
        raise ValueError(f"{name} must be whole numbers, got {tensor_text(values)}")
    values = values.long()
    if known is not None and not bool(((values >= 0) & (values < known)).all()):
        raise ValueError(f"this network knows {name} 0 to {known - 1}, got {values.tolist()}")
    return values


def example_inputs(unet: Network, n: int = 1, side: int | None = None) -> tuple[Tensor, ...]:
    """Return inputs for a first evaluation, on the CPU: x as zeros, float32 (n, C, H, W), a time (n,), and labels.

    Labels are int64 (n,) for classes, and float32 (n, L, D) for words; otherwise the result has none. side: the height
    and width of x; None for the network's own size.
    """
    time = torch.ones(n, dtype=torch.float32) if takes_sigma(unet) else torch.zeros(n, dtype=torch.int64)
    size = side or unet.config["sample_size"]
    height, width = (size, size) if isinstance(size, int) else size
    labels: tuple[Tensor, ...] = (torch.zeros(n, dtype=torch.int64),) if takes_labels(unet) else ()
    if takes_words(unet):
        labels = (torch.zeros(n, _TOKENS, unet.config["cross_attention_dim"], dtype=torch.float32),)
    return torch.zeros(n, unet.config["in_channels"], height, width, dtype=torch.float32), time, *labels


def return_freed_memory() -> None:
    """Return freed memory to the system. Otherwise glibc keeps it for later use by this process."""
    if hasattr(_LIBC, "malloc_trim"):
        _LIBC.malloc_trim(0)


@contextmanager
def announced(text: str, progress: Callable[[str], None] | None) -> Iterator[None]:
    """Call progress(text) if the block takes more than 2 seconds. Without progress, log the text."""
    timer = threading.Timer(PATIENCE, progress or log.info, [text])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
