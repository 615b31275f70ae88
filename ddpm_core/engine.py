"""How a network is evaluated: on which device, in which precision, by which engine."""

from __future__ import annotations

import torch
from diffusers import UNet2DModel
from torch import Tensor

ENGINES = ("auto", "torch")
PRECISIONS = ("auto", "fp32", "bf16", "fp16")
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

# Convolution kernels are chosen by batch size, and their sums differ in the last bits. Chunks of one size, the last one
# padded, make an image independent of its batch. On a CPU larger chunks would slow down single images.
_CHUNK = {"cpu": 1}
_DEFAULT_CHUNK = 8


class TorchNetwork:
    """A UNet2DModel as `network(x, t_index, labels) -> tensor like x`, evaluated in fixed-size chunks."""

    def __init__(self, unet: UNet2DModel, device: torch.device, precision: str):
        self.unet = unet.eval().requires_grad_(False).to(device, _DTYPES[precision], memory_format=torch.channels_last)
        self.device = device
        self.description = f"torch · {device.type} · {precision}"
        self._dtype = _DTYPES[precision]
        self._chunk = _CHUNK.get(device.type, _DEFAULT_CHUNK)

    @torch.no_grad()
    def __call__(self, x: Tensor, t_index: Tensor, labels: Tensor | None = None) -> Tensor:
        """x: (N, C, H, W) of any float dtype, which the output has too; t_index = t − 1 and labels: int64 (N,)."""
        inputs = [x.to(self.device, self._dtype), t_index.to(self.device)]
        if labels is not None:
            inputs.append(labels.to(self.device))
        chunks = zip(*(part.split(self._chunk) for part in inputs), strict=True)
        return torch.cat([self._evaluate(*chunk) for chunk in chunks]).to(x.device, x.dtype)

    def _evaluate(self, x: Tensor, *conditions: Tensor) -> Tensor:
        n = len(x)
        pad = [part[-1:].expand(self._chunk - n, *part.shape[1:]) for part in (x, *conditions)]
        x, *conditions = (torch.cat(pair) for pair in zip((x, *conditions), pad, strict=True))
        return self.unet(x.contiguous(memory_format=torch.channels_last), *conditions, return_dict=False)[0][:n]


def wrap(unet: UNet2DModel, device: str = "auto", precision: str = "auto", engine: str = "auto") -> TorchNetwork:
    """The network ready for evaluation.

    device: "auto" or a torch device; precision: one of PRECISIONS; engine: one of ENGINES. Raises ValueError else.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"unknown precision {precision!r}: choose from {', '.join(PRECISIONS)}")
    if engine not in ENGINES:
        raise ValueError(f"unknown engine {engine!r}: choose from {', '.join(ENGINES)}")
    return TorchNetwork(unet, choose_device(device), "fp32" if precision == "auto" else precision)


def choose_device(device: str = "auto") -> torch.device:
    """A torch device: CUDA, then Apple's MPS, then the CPU for "auto". Raises ValueError for one this machine lacks."""
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise ValueError(
            f"device {device!r} is not available here: use cpu or auto, or cuda on a CUDA machine"
        ) from None
    return chosen
