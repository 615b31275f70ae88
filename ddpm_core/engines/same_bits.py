"""Make a network on a CPU compute the same bits for an image in a batch as for the image alone.

Normally a batch changes an image by about 10⁻⁶, because torch chooses kernels and divides work among threads by the
size of the batch. So three kinds of layers are replaced by others that compute every image in the same way. All other
functions are tried once for each shape. If a batch changes the bits of a function on this machine, each image is
computed alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, wraps
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode, handle_torch_function, has_torch_function_unary

_LARGE = 256  # minimum number of pixels of an image for `_large_norm`
_VECTORS = 64  # maximum number of rows of a matrix for `_vectors`


def _interceptable(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Wrap a function so that `SameBits` intercepts its calls, like the calls of torch's own functions."""

    @wraps(function)
    def intercepted(x: Tensor, *args: Any) -> Tensor:
        """Return function(x, *args), through an active `SameBits` if there is one."""
        return handle_torch_function(intercepted, (x,), x, *args) if has_torch_function_unary(x) else function(x, *args)

    return intercepted


@_interceptable
def _vectors(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return F.linear of a vector for each image, each computed alone.

    MKL would use other kernels for a few rows than for many. If all vectors are equal, as for images with the same time
    and class, only one is computed.
    """
    bits = x.view(torch.int32)
    if bits.eq(bits[:1]).all():
        return F.linear(x[:1], weight, bias).repeat(len(x), 1)
    return torch.cat([F.linear(row, weight, bias) for row in x.split(1)])


@_interceptable
def _large_norm(x: Tensor, groups: int, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """Return F.group_norm for large images in channels-last layout, for which torch takes up to eight times as long.

    Torch would also divide sums of more than 1023 pixels among threads, which changes bits. As in torch, the variance
    is E[x²] − E[x]².
    """
    n, channels, height, width = x.shape
    rows = x.permute(0, 2, 3, 1).view(n, height * width, channels)
    mean, squares = (each.mean(1).view(n, groups, -1).mean(2, keepdim=True) for each in (rows, rows.square()))
    variance = torch.addcmul(squares, mean, mean, value=-1).clamp_(min=0)
    scale = weight.view(groups, -1) * variance.add_(eps).rsqrt_()
    shift = torch.addcmul(bias.view(groups, -1), mean, scale, value=-1)
    normed = torch.addcmul(shift.view(n, 1, channels), rows, scale.view(n, 1, channels))
    return normed.view(n, height, width, channels).permute(0, 3, 1, 2)


def _needs_torch(x: Tensor) -> bool:
    """Return whether a layer should use torch's own functions: for gradients, tracing, other devices and precisions."""
    other = x.dtype != torch.float32 or x.device.type != "cpu" or torch.is_autocast_enabled("cpu")
    return other or torch.is_grad_enabled() or torch.jit.is_tracing() or torch.compiler.is_compiling()


class _Convolution(nn.Conv2d):
    """A convolution by oneDNN, which adds in the same order for any batch.

    F.conv2d uses MKL for a single small image.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return the layer's output."""
        if _needs_torch(input) or isinstance(self.padding, str):
            return super().forward(input)
        padding = self.padding
        if self.padding_mode != "zeros":
            input = F.pad(input, self._reversed_padding_repeated_twice, self.padding_mode)
            padding = (0, 0)
        return torch.mkldnn_convolution(input, self.weight, self.bias, padding, self.stride, self.dilation, self.groups)


class _Linear(nn.Linear):
    """A linear layer that computes a vector for each image by `_vectors`."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the layer's output."""
        if _needs_torch(input) or input.ndim != 2 or not 1 < len(input) <= _VECTORS:
            return super().forward(input)
        return _vectors(input, self.weight, self.bias)


class _GroupNorm(nn.GroupNorm):
    """A group normalisation that computes large images by `_large_norm`."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the layer's output."""
        if _needs_torch(input) or not self.affine:
            return super().forward(input)
        channels_last = input.ndim == 4 and input.is_contiguous(memory_format=torch.channels_last)
        large = channels_last and input.shape[2] * input.shape[3] >= _LARGE
        norm = _large_norm if large else torch.group_norm
        return norm(input, self.num_groups, self.weight, self.bias, self.eps)


def prepare(network: nn.Module) -> None:
    """Replace layers of a float32 network on a CPU, in place, by layers whose results do not depend on the batch."""
    forms = {nn.Linear: _Linear, nn.GroupNorm: _GroupNorm}
    if torch.backends.mkldnn.is_available():
        forms[nn.Conv2d] = _Convolution
    for layer in network.modules():
        layer.__class__ = forms.get(type(layer), type(layer))


# BY_BATCH has the functions whose results for an image may depend on its batch: {function: how many of its first
# arguments have a row for each image}. For convolutions and matrix products, torch chooses kernels by the size of the
# batch. For norms of large images, it divides sums among threads. For functions of each number, it computes the last
# few numbers of each thread without vector instructions, which gives other last bits. Sums, products and quotients of
# two numbers always have the same bits, so they are not listed.
_OF_EACH_NUMBER: tuple[Callable[..., Tensor], ...] = (F.silu, F.gelu, F.mish, torch.sin, torch.cos, torch.log)
_NORMS = (F.group_norm, torch.group_norm, F.layer_norm)
BY_BATCH: dict[Callable[..., Tensor], int] = {
    **dict.fromkeys((torch.mkldnn_convolution, _vectors, _large_norm), 1),
    **dict.fromkeys((F.conv2d, F.conv_transpose2d, F.linear, *_NORMS), 1),
    **dict.fromkeys(_OF_EACH_NUMBER, 1),
    **{F.scaled_dot_product_attention: 3, torch.bmm: 2, torch.baddbmm: 3},
}


class SameBits(TorchFunctionMode):
    """A context in which a network computes n images with the same bits as each image alone.

    A function is computed for each image alone only if a batch would change its bits. In float32, this is tried once
    for each shape.

    alone: whether any function was computed for each image alone.
    """

    def __init__(self, n: int):
        self._n, self.alone = n, False

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        """Compute func(*args, **kwargs), for each image alone if a batch would change its bits."""
        batched, n, others = BY_BATCH.get(func, 0), self._n, kwargs or {}
        if not batched or not args[0].ndim or len(args[0]) % n:
            return func(*args, **others)
        # Trials are only for float32, because random numbers may not show a difference in bf16. Calls with a tensor as
        # keyword argument are not tried, because this tensor may be a weight or have a row for each image.
        named = func not in _NORMS and any(isinstance(value, Tensor) for value in others.values())
        if args[0].dtype == torch.float32 and not named:
            named_shapes = ((key, _shape_and_stride(others[key])) for key in others)
            call = func, n, torch.get_num_threads(), *map(_shape_and_stride, args), *named_shapes
            if call not in _SAME_BITS:
                _SAME_BITS[call] = _has_same_bits(func, n, batched, args, others)
            if _SAME_BITS[call]:
                return func(*args, **others)
        self.alone = True
        return _each_alone(func, n, args[:batched], args[batched:], others)


_SAME_BITS: dict[Any, bool] = {}  # results of `_has_same_bits`, by function, n, number of threads, shapes, strides


def _shape_and_stride(value: Any) -> Any:
    """Return shape and stride of a tensor; other values unchanged."""
    return (value.shape, value.stride()) if isinstance(value, Tensor) else value


def _each_alone(func: Any, n: int, given: Sequence[Tensor], rest: tuple, kwargs: dict) -> Tensor:
    """Call the function for each of n images, and join the results. given: arguments whose
    rows belong to the images in order, equally many to each image."""
    parts = zip(*(each.split(len(each) // n) for each in given), strict=True)
    return torch.cat([func(*part, *rest, **kwargs) for part in parts])


def _has_same_bits(func: Any, n: int, batched: int, args: tuple, kwargs: dict) -> bool:
    """Return whether a function gives n images the same bits together and alone.

    The function is tried with random numbers. Different kernels add in different orders, so some of thousands of sums
    would have other last bits.
    """
    generator = torch.Generator().manual_seed(0)
    sensitive = _sensitive_numbers(func, *kwargs.items()) if func in _OF_EACH_NUMBER else None

    def drawn(like: Any) -> Any:
        """Return random numbers with the shape and strides of a tensor; other values unchanged."""
        if not isinstance(like, Tensor):
            return like
        numbers = torch.randn(like.shape, generator=generator, dtype=like.dtype)
        if sensitive is not None:
            numbers = sensitive[torch.randint(len(sensitive), like.shape, generator=generator)]
        return torch.empty_like(like).copy_(numbers)  # copies into the strides of `like`

    numbers = [drawn(each) for each in args]
    together = func(*(each.clone() for each in numbers[:batched]), *numbers[batched:], **kwargs)
    return together.equal(_each_alone(func, n, numbers[:batched], tuple(numbers[batched:]), kwargs))


@lru_cache
def _sensitive_numbers(func: Any, *options: tuple[str, Any]) -> Tensor | None:
    """Return numbers whose results have other bits with vector instructions than without; None if there are none."""
    numbers = torch.randn(2048, generator=torch.Generator().manual_seed(0), dtype=torch.float32).abs()
    alone = torch.cat([func(number, **dict(options)) for number in numbers.clone().split(1)])
    found = numbers[func(numbers.clone(), **dict(options)) != alone]
    return found if len(found) else None
