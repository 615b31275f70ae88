"""Choose the engine, device and precision that evaluate a network."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import torch

from ddpm_core.engines.common import WithUNet, announced, bf16_is_fast
from ddpm_core.engines.latent import LatentDecoder
from ddpm_core.engines.networks import Network
from ddpm_core.engines.torch import CompiledNetwork, GraphNetwork, TorchNetwork, stays_finite
from ddpm_core.errors import first_line
from ddpm_core.names import ENGINES, PRECISIONS, Arithmetic, Engine, Precision


def wrap(
    unet: Network,
    device: str = "auto",
    precision: Precision = "auto",
    engine: Engine = "auto",
    progress: Callable[[str], None] | None = None,
    owned: bool = False,
    exact: Callable[[], Network] | None = None,
    batched: bool = False,
) -> WithUNet:
    """Return the network ready for evaluation. Its description says what was chosen, and why.

    Arguments:
        unet: the network.
        device: "auto" or a torch device.
        precision: one of names.PRECISIONS. "auto" means: with OpenVINO, bf16 if the processor is faster in it; on CUDA,
            fp16 if the network stays finite in it, else bf16 if the GPU has it; with PyTorch on a CPU and on Apple's
            GPUs, fp32.
        engine: one of names.ENGINES. "auto" is the fastest engine that gives the same images: OpenVINO on a CPU, torch
            elsewhere. If an engine does not work here, torch replaces it, with a warning.
        progress: progress(text) is called if the preparation takes more than 2 seconds. Without it, the text is logged.
        owned: whether nobody else uses `unet`, so that OpenVINO may round its weights in place. Torch always rounds
            them in place.
        exact: a function that reads the network again with its exact weights. Evaluations with gradients call it if the
            weights were rounded.
        batched: see TorchNetwork.

    Raises:
        ValueError: for an unknown device, precision or engine, and for bf16 on a GPU without it.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"unknown precision {precision!r}: choose from {', '.join(PRECISIONS)}")
    if engine not in ENGINES:
        raise ValueError(f"unknown engine {engine!r}: choose from {', '.join(ENGINES)}")
    chosen = choose_device("cpu" if engine == "openvino" and device == "auto" else device)
    why = ""
    if chosen.type == "cuda":  # on CUDA, fp16 is as fast as bf16 and has 3 more significant bits
        finite = precision == "auto" and stays_finite(unet, chosen)
        precision = "fp16" if finite else precision
    # With torch on a CPU, bf16 is less exact, and not faster for small networks: docs/library/choices.md.
    in_torch = "fp32" if (precision, chosen.type) == ("auto", "cpu") else torch_precision(precision, chosen)
    if engine == "auto" and chosen.type == "cpu":
        engine, why = ("openvino", "") if find_spec("openvino") else ("torch", "OpenVINO is not installed")
    try:
        if engine == "openvino":
            with announced("Preparing the network for OpenVINO; the first time takes longest", progress):
                return _openvino(unet, chosen, precision, owned, exact)
        if engine == "compile":
            with announced("Compiling the network", progress):
                return CompiledNetwork(unet, chosen, in_torch, exact)
        if engine == "graph":
            if chosen.type != "cuda":
                raise RuntimeError(f"CUDA graphs are for CUDA, not for {chosen.type}")
            return GraphNetwork(unet, chosen, in_torch, exact)
    except Exception as error:  # a compiler may raise any error: torch then evaluates the network
        why = f"{engine} did not work: {first_line(error)}"
        warnings.warn(f"using torch instead: {why}", stacklevel=2)
    network = TorchNetwork(unet, chosen, in_torch, exact, batched and chosen.type == "cpu")
    network.description += f" ({why})" if why else ""
    return network


def wrap_decoder(decoder: LatentDecoder, network: WithUNet, image_size: int) -> None:
    """Let OpenVINO evaluate a model's decoder if OpenVINO evaluates its network.

    image_size: the side of the latents. If OpenVINO fails, there is a warning and PyTorch evaluates the decoder.
    """
    if not network.description.startswith("OpenVINO"):
        return
    from ddpm_core.engines.openvino import OpenVINODecoder, OpenVINONetwork

    assert isinstance(network, OpenVINONetwork)
    autoencoder: Any = decoder.autoencoder
    example = torch.zeros(1, autoencoder.config["latent_channels"], image_size, image_size, dtype=torch.float32)
    try:
        decoder.decode_by(OpenVINODecoder(autoencoder.decoder, autoencoder.config, network.precision, example))
    except Exception as error:  # a compiler may raise any error: torch then evaluates the decoder
        warnings.warn(f"the decoder is evaluated by torch: OpenVINO did not work: {first_line(error)}", stacklevel=2)


def _openvino(
    unet: Network,
    device: torch.device,
    precision: Precision,
    owned: bool,
    exact: Callable[[], Network] | None,
) -> WithUNet:
    """Return the network evaluated by OpenVINO. Raise RuntimeError if OpenVINO is missing, and for a GPU."""
    if not find_spec("openvino"):
        raise RuntimeError("it is not installed")
    if device.type != "cpu":
        raise RuntimeError(f"it runs on the CPU, not on {device.type}")
    from ddpm_core.engines.openvino import OpenVINONetwork  # imported here, because the package openvino is optional

    return OpenVINONetwork(unet, precision, owned, exact)


def torch_precision(precision: Precision, device: torch.device) -> Arithmetic:
    """Return the precision in which torch computes on a device.

    "auto" is the fastest precision in which every network stays finite: bf16 or fp32. Raise ValueError for bf16 on a
    CUDA device that would only emulate it.
    """
    old = device.type == "cuda" and torch.cuda.get_device_capability(device) < (8, 0)
    if precision == "bf16" and old:
        raise ValueError("this GPU has no bf16 and would emulate it: use fp16, fp32 or auto")
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "fp32" if old else "bf16"
    # Only private functions of torch tell which instructions a CPU has, and some versions lack these functions.
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    native = device.type == "cpu" and any(getattr(torch.cpu, probe, bool)() for probe in probes)
    return "bf16" if native and bf16_is_fast() else "fp32"


def choose_device(device: str = "auto") -> torch.device:
    """Return a torch device. "auto" is CUDA, else Apple's MPS, else the CPU.

    Raise ValueError if this machine lacks the device.
    """
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.zeros(1, device=chosen).item()  # fails on a missing device, and on "meta", whose tensors have no values
    # For a missing device, each backend raises a different error.
    except (AssertionError, AttributeError, ImportError, RuntimeError, TypeError, ValueError):
        raise ValueError(
            f"device {device!r} is not available here: use cpu or auto, or cuda on a CUDA machine"
        ) from None
    return chosen


def use_one_thread() -> None:
    """Let torch compute only on the calling thread.

    A process needs this if it was forked from a process with many threads.
    """
    torch.set_num_threads(1)
