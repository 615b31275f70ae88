"""Code that all engines share: the interface of the networks that they evaluate, and inputs for a first try."""

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
PATIENCE = 2  # seconds of preparation before it is announced
_SIDE = 512  # `bf16_is_fast` multiplies matrices of this side: a product takes about a millisecond
_TRIALS = 20
_TOKENS = 77  # the length of a prompt, as in CLIP
_CLEARLY = 0.8  # bf16 must take less than this share of float32's time, so that two processes hardly ever disagree


class WithUNet(EngineNetwork, Protocol):
    """A network that an engine evaluates, as `choose.wrap` returns it. unet: the network, which may hold rounded
    weights.
    """

    unet: Network


@lru_cache(maxsize=1)
def bf16_is_fast() -> bool:
    """Whether this CPU, which has instructions for bf16, multiplies matrices clearly faster with them than in float32.

    It is measured, in some 50 milliseconds, since having them does not tell: two cores of AMD's Zen 4 are twice as fast
    with AVX512-BF16, two of an Intel Xeon without AMX 1.8 times slower. The time is this thread's of the processor, and
    the quickest trial counts: on a busy machine, too, every process has to find the same, or a seed has two pictures.
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
    """A network that was compiled for this process. Copies and pickles of a `Model` use PyTorch instead."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError(
            "a model whose network was compiled can't be copied or pickled: load it with engine='torch', or again"
        )


def forbid_tf32() -> None:
    """Let CUDA compute in float32 where that is asked for, in all of this process.

    By default it rounds what it convolves to the ten bits of TF32: an ε at t = 1 is wrong by almost one per cent.
    """
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False


def in_two_parts(x: Tensor, dtype: torch.dtype) -> Tensor:
    """x (N, C, H, W) as (N, 2C, H, W): x rounded to the dtype, and the rounding error.

    A network that computes in bf16 would see x rounded, with an error as large as a fifteenth of the noise in x_1. Its
    first convolution, with the kernel twice side by side, takes both parts: it sees all of x, at almost no cost.
    """
    rounded = x.to(dtype).to(x.dtype)
    return torch.cat([rounded, x - rounded], 1)


def weight_bytes(unet: nn.Module) -> int:
    """Bytes of a network's weights in torch's memory."""
    return sum(weight.nbytes for weight in (*unet.parameters(), *unet.buffers()))


def told_numbers(network: nn.Module) -> bool:
    """Return whether a network takes a number such as σ as its time, float (N,), instead of a whole t − 1, int64 (N,).

    `load` writes it on the network, as the attribute `told_numbers`; without it, the network takes t − 1.
    """
    return getattr(network, "told_numbers", False)


def single(time: Tensor) -> Tensor:
    """A network's time in float32, where it is not a whole number."""
    return time.float() if time.is_floating_point() else time


class Inputs:
    """The times and labels that a network takes. With any others, some engines compute a wrong picture."""

    def __init__(self, unet: Network):
        self._takes_labels, self._labels, self._times = takes_labels(unet), known_labels(unet), known_times(unet)
        self._width = unet.config["cross_attention_dim"] if takes_words(unet) else None

    def checked(self, x: Tensor, t_index: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Return t_index and labels, whole numbers as int64.

        Raises ValueError for other shapes and dtypes than a network (x, t_index, labels) has, and for a time or a label
        beyond those that it has in a table.
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
    if values.shape != (n,):
        raise ValueError(f"{name} must have one number for each of {n} images, got {tensor_text(values)}")


def _whole(name: str, values: Tensor, known: int | None) -> Tensor:
    """The values as int64; ValueError unless they are whole numbers, 0..known − 1 where that is known."""
    if values.is_floating_point() or values.dtype == torch.bool:
        raise ValueError(f"{name} must be whole numbers, got {tensor_text(values)}")
    values = values.long()
    if known is not None and not bool(((values >= 0) & (values < known)).all()):
        raise ValueError(f"this network knows {name} 0 to {known - 1}, got {values.tolist()}")
    return values


def example_inputs(unet: Network, n: int = 1, side: int | None = None) -> tuple[Tensor, ...]:
    """Return zeros as x (n, C, H, W), a time for each (n,) and labels, on the CPU.

    A network without classes and words has no labels; classes are int64 (n,), words are float32 (n, L, D). x is
    float32, whatever torch's default is. side: of x, None for the network's own.
    """
    time = torch.ones(n, dtype=torch.float32) if told_numbers(unet) else torch.zeros(n, dtype=torch.int64)
    size = side or unet.config["sample_size"]
    height, width = (size, size) if isinstance(size, int) else size
    labels: tuple[Tensor, ...] = (torch.zeros(n, dtype=torch.int64),) if takes_labels(unet) else ()
    if takes_words(unet):
        labels = (torch.zeros(n, _TOKENS, unet.config["cross_attention_dim"], dtype=torch.float32),)
    return torch.zeros(n, unet.config["in_channels"], height, width, dtype=torch.float32), time, *labels


def return_freed_memory() -> None:
    """Give memory that was freed back to the system, which glibc would keep for later."""
    if hasattr(_LIBC, "malloc_trim"):
        _LIBC.malloc_trim(0)


@contextmanager
def announced(text: str, progress: Callable[[str], None] | None) -> Iterator[None]:
    """Report the text, to progress or else to the log, if the block takes more than 2 seconds."""
    timer = threading.Timer(PATIENCE, progress or log.info, [text])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
