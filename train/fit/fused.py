"""Faster training of residual blocks on a CPU: normalisation, time embedding and activation in one compiled pass.

Half of a training step of a small U-Net goes into group norms, activations and changes of dtype and layout, all limited
by memory bandwidth. `fuse` gives a network's blocks a forward pass that combines these operations (fused.cpp) and keeps
images channels-last. The parameters, their names and the computed function stay the same.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ddpm_core.disk import files
from ddpm_core.engines.common import announced
from ddpm_core.engines.from_diffusers import ResnetBlock2D, UNet2DModel, Upsample2D
from ddpm_core.errors import first_line
from train import TrainError

SOURCE = Path(__file__).with_name("fused.cpp")
_LIBRARY = "fused.so"
# Compiler flags by torch's name of the instruction set. -march=native would be wrong: several machines may share a home
# folder, and thus the compiled code.
_VECTORS = {
    "AVX2": ["-mavx2", "-mfma"],
    "AVX512": [*(f"-mavx512{part}" for part in ("f", "bw", "dq", "vl")), "-mfma", "-mprefer-vector-width=512"],
}


def check_fusable(network: nn.Module) -> None:
    """Raise TrainError if a residual block differs from the paper's, because `fuse` would change its results."""
    for module in network.modules():
        if type(module) is ResnetBlock2D and (odd := _oddity(module)):
            raise TrainError(f"--fused is for the paper's residual blocks, and this network's {odd}: leave it out.")


def _oddity(block: ResnetBlock2D) -> str | None:
    """Return how a block differs from the paper's, in words that follow "this network's", or None."""
    if not isinstance(block.nonlinearity, nn.SiLU):
        return f"have the activation {type(block.nonlinearity).__name__}, not SiLU"
    if block.time_embedding_norm != "default" or block.time_emb_proj is None or block.skip_time_act:
        return "take the time embedding in another way"
    if block.upsample is not None or block.downsample is not None:
        return "change the size of the image"
    if block.output_scale_factor != 1:
        return f"divide their output by {block.output_scale_factor:.3g}"
    return None


def fuse(network: UNet2DModel) -> None:
    """Replace a network's blocks in place by fused blocks. Raises TrainError as `check_fusable` does, and if the code
    can't be compiled.
    """
    check_fusable(network)
    library()
    for module in network.modules():
        if type(module) is ResnetBlock2D:
            module.__class__ = FusedBlock
        elif type(module) is Upsample2D:
            module.__class__ = ChannelsLastUpsample
    network.conv_norm_out.__class__ = FusedNorm
    network.set_submodule("conv_act", nn.Identity())


class FusedNorm(nn.GroupNorm):
    """Group norm and SiLU of x + shift. x: (N, C, H, W); shift: (N, C), or None for 0."""

    def forward(self, x: Tensor, shift: Tensor | None = None) -> Tensor:
        """Return the normalised and activated x, (N, C, H, W)."""
        return _norm_silu(self, x, shift)


class FusedBlock(ResnetBlock2D):
    """The paper's residual block: no resampling inside, the time embedding is added before the second norm."""

    def forward(self, x: Tensor, temb: Tensor) -> Tensor:
        """Return the block's output, (N, C', H, W). x: (N, C, H, W); temb: (N, D)."""
        assert self.time_emb_proj is not None
        h = self.conv1(_norm_silu(self.norm1, x))
        shift = self.time_emb_proj(self.nonlinearity(temb))
        h = self.conv2(self.dropout(_norm_silu(self.norm2, h, shift)))
        return h + (x if self.conv_shortcut is None else self.conv_shortcut(_channels_last(x)))


class ChannelsLastUpsample(Upsample2D):
    """Nearest upsampling by 2, then a convolution. Unlike diffusers, it keeps the layout in batches of 64 or more."""

    def forward(self, x: Tensor, output_size: int | None = None) -> Tensor:
        """Return x with twice the height and width, after the convolution. output_size is ignored."""
        assert self.conv is not None
        return self.conv(F.interpolate(_channels_last(x), scale_factor=2.0, mode="nearest"))


class _NormSiLU(torch.autograd.Function):
    """Group norm and SiLU with their gradients, computed by fused.cpp. x is channels-last."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, shift: Tensor | None, weight: Tensor, bias: Tensor, groups: int, eps: float
    ) -> Tensor:
        """Return SiLU(norm(x + shift)), like x. weight, bias, groups, eps: those of the group norm."""
        ctx.shift_dtype = None if shift is None else shift.dtype
        shift = None if shift is None else shift.float().contiguous()
        y, mean = torch.empty_like(x), torch.empty(len(x), groups)
        rstd = torch.empty_like(mean)
        _call("norm_silu", *_sizes(x, groups), ctypes.c_double(eps), x, shift, weight, bias, y, mean, rstd)
        ctx.save_for_backward(x, shift, weight, bias, mean, rstd)
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of the inputs of `forward`, for the gradient dy of its result."""
        x, shift, weight, bias, mean, rstd = ctx.saved_tensors
        dx, dweight, dbias = torch.empty_like(x), *torch.empty(2, len(x), x.shape[1])
        dshift = None if shift is None else torch.empty_like(shift)
        sizes, images = _sizes(x, mean.shape[1]), (_channels_last(dy), x)
        _call("norm_silu_gradient", *sizes, *images, shift, weight, bias, mean, rstd, dx, dshift, dweight, dbias)
        dshift = None if dshift is None else dshift.to(ctx.shift_dtype)
        return dx, dshift, dweight.sum(0), dbias.sum(0), None, None


def _sizes(x: Tensor, groups: int) -> tuple[int, ...]:
    """Return the whole numbers that each function of fused.cpp takes as its first arguments."""
    assert x.dtype in (torch.float32, torch.bfloat16)
    images, channels, height, width = x.shape
    return x.dtype == torch.bfloat16, torch.get_num_threads(), images, channels, height * width, groups


def _norm_silu(norm: nn.GroupNorm, x: Tensor, shift: Tensor | None = None) -> Tensor:
    """Return SiLU(norm(x + shift)), channels-last. x: (N, C, H, W); shift: (N, C), or None for 0."""
    return _NormSiLU.apply(_channels_last(x), shift, norm.weight, norm.bias, norm.num_groups, norm.eps)


def _channels_last(x: Tensor) -> Tensor:
    """Return x in the channels-last layout."""
    return x.contiguous(memory_format=torch.channels_last)


def _call(name: str, *arguments: Any) -> None:
    """Call a function of fused.cpp. Tensors are passed by their addresses, numbers as int64_t."""
    converted = [
        ctypes.c_void_p(one.data_ptr())
        if isinstance(one, Tensor)
        else ctypes.c_int64(one)
        if isinstance(one, int)
        else one
        for one in arguments
    ]
    library()[name](*converted)


def is_available() -> bool:
    """Return whether `fuse` works here. The first call on a machine compiles the code, which takes some seconds."""
    try:
        return bool(library())
    except TrainError:
        return False


def _arguments_and_folder() -> tuple[list[str], Path]:
    """Return the compiler's arguments, and the folder for the compiled code of this kind of machine."""
    vectors = _VECTORS.get(torch.backends.cpu.get_cpu_capability(), [])
    openmp = ["-fopenmp"] if sys.platform == "linux" else []
    fast = ["-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast"]
    words = ["-std=c++17", "-shared", "-fPIC", *openmp, *fast, *vectors, str(SOURCE)]
    machine = (platform.machine(), platform.libc_ver())  # several machines may share a home folder
    key = hashlib.sha256(f"{SOURCE.read_text(encoding='utf-8')} {words[:-1]} {machine}".encode()).hexdigest()
    return words, files.cache_folder("fused", key)


@cache
def library() -> ctypes.CDLL:
    """Return the compiled code. It is compiled once for each version of the code and each kind of machine.

    Raises TrainError without a C++ compiler that works.
    """
    words, kept = _arguments_and_folder()
    if kept.exists():
        with suppress(OSError):
            return ctypes.CDLL(str(kept / _LIBRARY))
        shutil.rmtree(kept, ignore_errors=True)  # the kept file is damaged
    try:
        with (
            announced("Compiling the fused normalisation (once)", lambda text: print(text, file=sys.stderr)),
            files.new_folder(kept) as folder,
        ):
            found = [name for name in ("c++", "g++", "clang++") if shutil.which(name)]
            compiler = shlex.split(os.environ.get("CXX", "")) or [*found, "c++"][:1]
            command = [*compiler, *words, "-o", str(folder / _LIBRARY)]
            done = subprocess.run(command, check=False, capture_output=True, text=True)
            if done.returncode:
                raise OSError(done.stderr.strip() or f"{command[0]} has failed")
        return ctypes.CDLL(str(kept / _LIBRARY))
    except OSError as error:  # there is no compiler, or the compiler does not know a flag
        raise TrainError(f"--fused needs a C++ compiler: {first_line(error)}") from error
