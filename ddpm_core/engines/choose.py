"""How a network is evaluated: by which engine, on which device, in which precision. `wrap` decides."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ddpm_core.from_diffusers import UNet2DModel

ENGINES = ("auto", "torch", "compile", "openvino")
PRECISIONS = ("auto", "fp32", "bf16", "fp16")
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

# Convolution kernels are chosen by batch size, and their sums differ in the last bits. Chunks of one size, the last one
# padded, make an image independent of its batch. They are larger where a device computes several small images in the
# time of one.
_CHUNK = 8
_SMALL_IMAGE = 64 * 64  # pixels

_PATIENCE = 2  # seconds of preparation before it is announced

log = logging.getLogger(__name__)


def in_two_parts(x: Tensor, dtype: torch.dtype) -> Tensor:
    """x (N, C, H, W) as (N, 2C, H, W): rounded to the dtype, and what that leaves.

    A network that computes in bf16 would see x rounded, with an error as large as a fifteenth of the noise in x_1. With
    the kernel of its first convolution twice side by side it sees all of x, at no cost to speak of.
    """
    rounded = x.to(dtype).to(x.dtype)
    return torch.cat([rounded, x - rounded], 1)


class _InputConv(nn.Module):
    """A network's first convolution, in half precision, of a float32 image; its parameters keep their names."""

    def __init__(self, conv: nn.Conv2d):
        super().__init__()
        self.weight, self.bias, self.padding = conv.weight, conv.bias, conv.padding

    def forward(self, x: Tensor) -> Tensor:
        parts = in_two_parts(x, self.weight.dtype).to(self.weight.dtype)
        return F.conv2d(parts, torch.cat([self.weight, self.weight], 1), self.bias, padding=self.padding)


def _round_skip(block: nn.Module, arguments: tuple, keywords: dict) -> tuple[tuple, dict]:
    """The first Skip block of a network reads the float32 image, too: it gets it in the dtype of its weights."""
    skip = keywords["skip_sample"].to(keywords["hidden_states"].dtype)
    return arguments, {**keywords, "skip_sample": skip}


def weight_bytes(unet: nn.Module) -> int:
    """Bytes of a network's weights as torch holds them."""
    return sum(weight.nbytes for weight in (*unet.parameters(), *unet.buffers()))


class TorchNetwork:
    """A UNet2DModel as `network(x, t_index, labels) -> tensor like x`, evaluated in fixed-size chunks."""

    name = "torch"

    def __init__(self, unet: UNet2DModel, device: torch.device, precision: str):
        # nn.Module's own `to`: the one of diffusers warns that norms would rather stay in float32.
        unet = nn.Module.to(unet, device, DTYPES[precision], memory_format=torch.channels_last)
        self.unet = unet.eval().requires_grad_(False)
        self.device = device
        self.description = f"{self.name} · {device.type} · {precision}"
        if precision != "fp32" and not isinstance(unet.conv_in, _InputConv):
            unet.conv_in = _InputConv(unet.conv_in)
            for block in unet.down_blocks:
                if hasattr(block, "skip_conv"):
                    block.register_forward_pre_hook(_round_skip, with_kwargs=True)

    @property
    def memory(self) -> int:
        """Bytes that the network takes: its weights."""
        return weight_bytes(self.unet)

    @torch.no_grad()
    def __call__(self, x: Tensor, t_index: Tensor, labels: Tensor | None = None) -> Tensor:
        """x: (N, C, H, W) of any float dtype, which the output has too; t_index = t − 1 and labels: int64 (N,)."""
        inputs = [x.to(self.device, torch.float32), t_index.to(self.device)]
        if labels is not None:
            inputs.append(labels.to(self.device))
        size = 1 if self.device.type == "cpu" or x[0, 0].numel() > _SMALL_IMAGE else _CHUNK
        chunks = zip(*(part.split(size) for part in inputs), strict=True)
        return torch.cat([self._evaluate(size, *chunk) for chunk in chunks]).to(x.device, x.dtype)

    def _evaluate(self, size: int, x: Tensor, *conditions: Tensor) -> Tensor:
        n = len(x)
        if n < size:
            parts = [torch.cat([part, part[-1:].expand(size - n, *part.shape[1:])]) for part in (x, *conditions)]
            x, *conditions = parts
        return self._forward(x.contiguous(memory_format=torch.channels_last), *conditions)[:n]

    def _forward(self, *inputs: Tensor) -> Tensor:
        return self.unet(*inputs, return_dict=False)[0]


class CompiledNetwork(TorchNetwork):
    """The same through torch.compile, compiled for one chunk of the network's own size; on CUDA as a CUDA graph."""

    name = "torch.compile"

    def __init__(self, unet: UNet2DModel, device: torch.device, precision: str):
        super().__init__(unet, device, precision)
        mode = "reduce-overhead" if device.type == "cuda" else None
        self._compiled = torch.compile(super()._forward, mode=mode, dynamic=False)
        # torch keeps CUDA graphs per thread: one thread does all the work, whoever asks, and records each shape once.
        self._worker = ThreadPoolExecutor(1, "ddpm-compiled")
        self(*example_inputs(unet))

    def _forward(self, *inputs: Tensor) -> Tensor:
        return self._worker.submit(self._replay, *inputs).result()

    @torch.no_grad()  # holds for one thread only
    def _replay(self, *inputs: Tensor) -> Tensor:
        # The next replay of a CUDA graph overwrites its output: hand out a copy.
        return self._compiled(*inputs).clone()


def wrap(
    unet: UNet2DModel,
    device: str = "auto",
    precision: str = "auto",
    engine: str = "auto",
    progress: Callable[[str], None] | None = None,
    owned: bool = False,
):
    """The network ready for evaluation, with .unet, .device and .description (what was chosen, and why).

    device: "auto" or a torch device; precision: one of PRECISIONS; engine: one of ENGINES. "auto" is the fastest that
    keeps the images: OpenVINO on a CPU, torch elsewhere; bf16 where the processor computes in it, fp16 on older CUDA
    devices, else fp32. An engine that does not work here is replaced by torch, with a warning.
    progress(text) hears of a preparation that takes more than 2 seconds; it is logged otherwise.
    owned: nobody else uses the unet, so that OpenVINO may round its weights as it needs them; torch always does.
    Raises ValueError for values outside these.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"unknown precision {precision!r}: choose from {', '.join(PRECISIONS)}")
    if engine not in ENGINES:
        raise ValueError(f"unknown engine {engine!r}: choose from {', '.join(ENGINES)}")
    chosen = choose_device("cpu" if engine == "openvino" and device == "auto" else device)
    why = ""
    if engine == "auto" and chosen.type == "cpu":
        engine, why = ("openvino", "") if find_spec("openvino") else ("torch", "OpenVINO is not installed")
    try:
        if engine == "openvino":
            with announced("Preparing the network for OpenVINO; the first time takes longest", progress):
                return _openvino(unet, chosen, precision, owned)
        if engine == "compile":
            with announced("Compiling the network", progress):
                return CompiledNetwork(unet, chosen, torch_precision(precision, chosen))
    except Exception as error:  # whatever is missing, torch works
        why = f"{engine} did not work: {_first_line(error)}"
        warnings.warn(f"torch evaluates the network, as {why}", stacklevel=2)
    network = TorchNetwork(unet, chosen, torch_precision(precision, chosen))
    network.description += f" ({why})" if why else ""
    return network


def _openvino(unet: UNet2DModel, device: torch.device, precision: str, owned: bool):
    if not find_spec("openvino"):
        raise RuntimeError("it is not installed")
    if device.type != "cpu":
        raise RuntimeError(f"it runs on the CPU, not on {device.type}")
    from ddpm_core.engines.openvino import OpenVINONetwork

    return OpenVINONetwork(unet, precision, owned)


def torch_precision(precision: str, device: torch.device) -> str:
    """What torch computes in."""
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bf16" if torch.cuda.get_device_capability(device) >= (8, 0) else "fp16"
    # torch has only private names for what a CPU can do, and not in every version
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    native = device.type == "cpu" and any(getattr(torch.cpu, probe, bool)() for probe in probes)
    return "bf16" if native else "fp32"


def choose_device(device: str = "auto") -> torch.device:
    """A torch device: CUDA, then Apple's MPS, then the CPU for "auto". Raises ValueError for one this machine lacks."""
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.zeros(1, device=chosen).item()  # "meta" makes tensors too, but none that hold anything
    except Exception:  # each backend that is not there has an error of its own
        raise ValueError(
            f"device {device!r} is not available here: use cpu or auto, or cuda on a CUDA machine"
        ) from None
    return chosen


def example_inputs(unet: UNet2DModel, n: int = 1, side: int | None = None) -> tuple[Tensor, ...]:
    """x, t_index and labels where the network has them, on the CPU. side: pixels, None for the network's own size."""
    size = side or unet.config.sample_size
    height, width = (size, size) if isinstance(size, int) else size
    labels = (torch.zeros(n, dtype=torch.int64),) if unet.class_embedding is not None else ()
    return torch.zeros(n, unet.config.in_channels, height, width), torch.zeros(n, dtype=torch.int64), *labels


@contextmanager
def announced(text: str, progress: Callable[[str], None] | None):
    """Say what is going on, to progress or else the log, once it takes more than 2 seconds."""
    timer = threading.Timer(_PATIENCE, progress or log.info, [text])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
