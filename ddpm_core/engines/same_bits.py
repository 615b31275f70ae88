"""On a CPU, a network computes several images with the bits that each image has alone.

What a batch changes in an image, by some 10⁻⁶, is the choice of kernels, and how torch shares work out among threads.
So three layers are replaced by others, which compute every image in the same way. Each function is tried, once for
each shape: where a batch changes its bits on this machine, each image is computed alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, wraps
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode, handle_torch_function, has_torch_function_unary

_LARGE = 256  # pixels of an image
_VECTORS = 64  # at most


def _seen_by_modes(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Let `SameBits` see the function as one of torch's own."""

    @wraps(function)
    def seen(x: Tensor, *args: Any) -> Tensor:
        return handle_torch_function(seen, (x,), x, *args) if has_torch_function_unary(x) else function(x, *args)

    return seen


@_seen_by_modes
def _vectors(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """F.linear of one vector for each image. MKL multiplies one row, or a few, by other kernels than many.

    Images of one time and class have one vector, and it is multiplied once.
    """
    bits = x.view(torch.int32)
    if bits.eq(bits[:1]).all():
        return F.linear(x[:1], weight, bias).repeat(len(x), 1)
    return torch.cat([F.linear(row, weight, bias) for row in x.split(1)])


@_seen_by_modes
def _large_norm(x: Tensor, groups: int, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """F.group_norm for large images with channels innermost, for which torch takes up to eight times as long.

    It also shares the sums of more than 1023 pixels out among threads. The variance is E[x²] − E[x]², as torch's.
    """
    n, channels, height, width = x.shape
    rows = x.permute(0, 2, 3, 1).view(n, height * width, channels)
    mean, squares = (each.mean(1).view(n, groups, -1).mean(2, keepdim=True) for each in (rows, rows.square()))
    variance = torch.addcmul(squares, mean, mean, value=-1).clamp_(min=0)
    scale = weight.view(groups, -1) * variance.add_(eps).rsqrt_()
    shift = torch.addcmul(bias.view(groups, -1), mean, scale, value=-1)
    normed = torch.addcmul(shift.view(n, 1, channels), rows, scale.view(n, 1, channels))
    return normed.view(n, height, width, channels).permute(0, 3, 1, 2)


def _plain(x: Tensor) -> bool:
    """Whether gradients, another engine, device or precision read a layer: they take torch's own functions."""
    other = x.dtype != torch.float32 or x.device.type != "cpu" or torch.is_autocast_enabled("cpu")
    return other or torch.is_grad_enabled() or torch.jit.is_tracing() or torch.compiler.is_compiling()


class _Convolution(nn.Conv2d):
    """A convolution by oneDNN, whose sums have one order for any batch. F.conv2d takes MKL for one small image."""

    def forward(self, input: Tensor) -> Tensor:
        if _plain(input) or isinstance(self.padding, str):
            return super().forward(input)
        padding = self.padding
        if self.padding_mode != "zeros":
            input = F.pad(input, self._reversed_padding_repeated_twice, self.padding_mode)
            padding = (0, 0)
        return torch.mkldnn_convolution(input, self.weight, self.bias, padding, self.stride, self.dilation, self.groups)


class _Linear(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        if _plain(input) or input.ndim != 2 or not 1 < len(input) <= _VECTORS:
            return super().forward(input)
        return _vectors(input, self.weight, self.bias)


class _GroupNorm(nn.GroupNorm):
    def forward(self, input: Tensor) -> Tensor:
        if _plain(input) or not self.affine:
            return super().forward(input)
        channels_last = input.ndim == 4 and input.is_contiguous(memory_format=torch.channels_last)
        large = channels_last and input.shape[2] * input.shape[3] >= _LARGE
        norm = _large_norm if large else torch.group_norm
        return norm(input, self.num_groups, self.weight, self.bias, self.eps)


def prepare(network: nn.Module) -> None:
    """Let the layers of a network on a CPU and in float32 compute an image alone as in a batch."""
    forms = {nn.Linear: _Linear, nn.GroupNorm: _GroupNorm}
    if torch.backends.mkldnn.is_available():
        forms[nn.Conv2d] = _Convolution
    for layer in network.modules():
        layer.__class__ = forms.get(type(layer), type(layer))


# What may compute an image otherwise in a batch, and how many of its first arguments have a row for each image.
# Products: the kernels of a convolution, and of a matrix of one row, are chosen by the batch. Norms of large images:
# their sums are shared out among threads. Functions: the ends of what each thread has are computed without vectors,
# whose last bits are others. Sums, products and quotients of two numbers are exact.
_OF_EACH_NUMBER: tuple[Callable[..., Tensor], ...] = (F.silu, F.gelu, F.mish, torch.sin, torch.cos, torch.log)
_NORMS = (F.group_norm, torch.group_norm, F.layer_norm)
BY_BATCH: dict[Callable[..., Tensor], int] = {
    **dict.fromkeys((torch.mkldnn_convolution, _vectors, _large_norm), 1),
    **dict.fromkeys((F.conv2d, F.conv_transpose2d, F.linear, *_NORMS), 1),
    **dict.fromkeys(_OF_EACH_NUMBER, 1),
    **{F.scaled_dot_product_attention: 3, torch.bmm: 2, torch.baddbmm: 3},
}


class SameBits(TorchFunctionMode):
    """While it is entered, n images have, to the bit, what a network computes for each of them alone.

    Only what a batch would change is computed for each image. In float32 that is tried, once for each shape.

    alone: whether something was.
    """

    def __init__(self, n: int):
        self._n, self.alone = n, False

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        batched, n, others = BY_BATCH.get(func, 0), self._n, kwargs or {}
        if not batched or not args[0].ndim or len(args[0]) % n:
            return func(*args, **others)
        # bf16 rounds away what would show that bits differ. A tensor with a name is a weight or may be of each image.
        named = func not in _NORMS and any(isinstance(value, Tensor) for value in others.values())
        if args[0].dtype == torch.float32 and not named:
            call = func, n, torch.get_num_threads(), *map(_lie, args), *((key, _lie(others[key])) for key in others)
            if call not in _SAME_BITS:
                _SAME_BITS[call] = _has_same_bits(func, n, batched, args, others)
            if _SAME_BITS[call]:
                return func(*args, **others)
        self.alone = True
        return _each_alone(func, n, args[:batched], args[batched:], others)


_SAME_BITS: dict[Any, bool] = {}  # by the function, n, threads and how its arguments lie in memory


def _lie(value: Any) -> Any:
    return (value.shape, value.stride()) if isinstance(value, Tensor) else value


def _each_alone(func: Any, n: int, given: Sequence[Tensor], rest: tuple, kwargs: dict) -> Tensor:
    parts = zip(*(each.split(len(each) // n) for each in given), strict=True)
    return torch.cat([func(*part, *rest, **kwargs) for part in parts])


def _has_same_bits(func: Any, n: int, batched: int, args: tuple, kwargs: dict) -> bool:
    """Whether n images have the same bits together and alone.

    Random numbers tell: kernels that differ add in another order, and the last bits of thousands of sums differ.
    """
    generator = torch.Generator().manual_seed(0)
    telling = _telling(func, *kwargs.items()) if func in _OF_EACH_NUMBER else None

    def drawn(like: Any) -> Any:
        if not isinstance(like, Tensor):
            return like
        numbers = torch.randn(like.shape, generator=generator, dtype=like.dtype)
        if telling is not None:
            numbers = telling[torch.randint(len(telling), like.shape, generator=generator)]
        return torch.empty_like(like).copy_(numbers)  # as it lies in memory

    numbers = [drawn(each) for each in args]
    together = func(*(each.clone() for each in numbers[:batched]), *numbers[batched:], **kwargs)
    return together.equal(_each_alone(func, n, numbers[:batched], tuple(numbers[batched:]), kwargs))


@lru_cache
def _telling(func: Any, *options: tuple[str, Any]) -> Tensor | None:
    """Numbers for which a function has other bits with vectors than without; None where it has the same for all."""
    numbers = torch.randn(2048, generator=torch.Generator().manual_seed(0), dtype=torch.float32).abs()
    alone = torch.cat([func(number, **dict(options)) for number in numbers.clone().split(1)])
    found = numbers[func(numbers.clone(), **dict(options)) != alone]
    return found if len(found) else None
