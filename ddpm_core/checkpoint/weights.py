"""Read the weights of a checkpoint from a file, and build networks with them.

Anybody can put a file on the Hub. So no code in it is run, and all of its content is checked.
"""

from __future__ import annotations

import pickle
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ddpm_core.checkpoint.config.fields import MAX_WEIGHT
from ddpm_core.checkpoint.config.unet_config import count_parameters
from ddpm_core.checkpoint.refs import CheckpointError
from ddpm_core.engines.common import example_inputs
from ddpm_core.engines.from_diffusers import KDownsample2D, KUpsample2D, PatchEmbed
from ddpm_core.engines.networks import Network, is_network, least_side, make_network, out_channels
from ddpm_core.engines.networks.times import tabulate_times
from ddpm_core.engines.torch import ExactNetwork
from ddpm_core.errors import UNCHECKED, first_line
from ddpm_core.model import Model, Source

SCALE = ".scale"  # tensor "NAME.scale", (C, 1, ...), is the factor of the int8 tensor "NAME"
# Renamed parts of the names of attention weights: {name before diffusers 0.12: name since 0.12}.
LEGACY_KEYS = {".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0."}

# The errors that torch, pickle, zipfile and safetensors raise for a damaged file.
_DAMAGED = (*UNCHECKED, EOFError, ImportError, OSError, SafetensorError, struct.error, zipfile.BadZipFile)


def build_network(config: dict[str, Any], path: Path, where: str, T: int | None) -> Network:
    """Return the network of a config.json with the weights of a file. path, where: as for `build`.

    T: the length of the network's table of embedded times, 0 to T − 1; None for a network whose time is not t − 1.
    """
    network: Network = build(config["_class_name"], lambda: make_network(config), path, where)
    if T is not None:
        tabulate_times(network, T)
    return network


def build(kind: str, make: Callable[[], Any], path: Path, where: str) -> Any:
    """Return a network with the weights of a file, as float32. Memory is allocated only if all shapes agree.

    Arguments:
        kind: the name of the network's class, for messages.
        make: makes the network with arbitrary weights.
        path: the file.
        where: the name of the file for messages.

    Raises:
        CheckpointError: if the network can't be built, or the file is damaged or does not fit.
    """
    try:
        with torch.device("meta"), _Uninitialised():
            unet: Any = make()
    except UNCHECKED as error:
        raise CheckpointError(f"{where}: {kind} can't be built from config.json ({first_line(error)})") from None
    try:
        count_parameters(unet)  # raises ValueError for too many parameters
    except ValueError as error:
        raise CheckpointError(f"{where}: {error}") from None
    expected = unet.state_dict()
    weights = _as_named(read_tensors(path, where), expected)
    for keys, problem in ((expected.keys() - weights.keys(), "lacks"), (weights.keys() - expected.keys(), "has also")):
        if keys:
            more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
            raise CheckpointError(f"{where} does not fit config.json: it {problem} {min(keys)}{more}")
    for key, value in weights.items():
        if value.shape != expected[key].shape:
            shapes = f"{tuple(value.shape)}, not {tuple(expected[key].shape)}"
            raise CheckpointError(f"{where} does not fit config.json: {key} has shape {shapes}")
        check_values(key, value, where)
    # Each weight is removed from the dict when it is copied, so that the weights are never all in memory twice.
    owned = {key: weights.pop(key).to(torch.float32, copy=True).contiguous() for key in expected}
    unet.load_state_dict(owned, assign=True)
    make_buffers(unet, where)
    return unet


class _Uninitialised(TorchFunctionMode):
    """A context without torch's initialisation of parameters, which would take as long as the rest of the loading."""

    def __torch_function__(self, function: Any, types: Any, inputs: Any = (), named: Any = None) -> Any:
        """Return function(*inputs, **named), or the unchanged tensor for a function of torch.nn.init."""
        named = named or {}
        if getattr(function, "__module__", None) == nn.init.__name__:
            return named["tensor"] if "tensor" in named else inputs[0]
        return function(*inputs, **named)


def check_values(key: str, value: Tensor, where: str) -> None:
    """Raise CheckpointError if a weight has numbers that are NaN, infinite or too large for a trained network.

    key, where: the names of the weight and of its file, for the message.
    """
    # The result of aminmax is NaN if any number is NaN. Calling isfinite for all numbers would take 3 times as long.
    largest = torch.stack(torch.aminmax(value.float())).abs().amax()
    if MAX_WEIGHT < largest < torch.inf:
        raise CheckpointError(
            f"{where} is damaged: it holds the value {largest:.2g} in {key}, too large for a trained weight"
        )
    if not largest.isfinite():
        raise CheckpointError(f"{where} holds NaN or infinite numbers in {key}: the training run failed")


def _as_named(weights: dict[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of a text encoder with the names that the installed transformers expects.

    Version 5 of transformers dropped the prefix "text_model.".
    """
    prefix = "text_model."
    if any(key.startswith(prefix) for key in weights) == any(key.startswith(prefix) for key in expected):
        return weights
    if any(key.startswith(prefix) for key in expected):
        return {prefix + key: value for key, value in weights.items()}
    return {key.removeprefix(prefix): value for key, value in weights.items()}


def make_buffers(unet: nn.Module, where: str) -> None:
    """Compute the buffers of a network that its file lacks: kernels of K-blocks, and embeddings of positions.

    The network was built without memory, so these buffers are missing. Raise CheckpointError for layers with unknown
    buffers.
    """
    for name, module in unet.named_modules():
        if isinstance(module, (KDownsample2D, KUpsample2D)):
            module.kernel = type(module)(module.pad_mode).kernel.float()
        elif module._non_persistent_buffers_set == {"position_ids"}:  # the embedding layer of a text encoder
            positions = module.get_buffer("position_ids")
            module.position_ids = torch.arange(positions.shape[-1]).expand(1, -1)
        elif isinstance(module, PatchEmbed):
            side, width = module.patch_size * module.height, module.proj.out_channels
            module.pos_embed = PatchEmbed(side, side, module.patch_size, module.proj.in_channels, width).pos_embed
        elif module._non_persistent_buffers_set:
            raise CheckpointError(f"{where}: {name}, a {type(module).__name__}, is not supported")


def check_evaluation(unet: Network, size: int, T: int, where: str) -> None:
    """Evaluate the network once on a small image, because some networks can be built but not evaluated.

    Raise CheckpointError if the evaluation fails, or gives numbers that are not finite.
    """
    image, _, *labels = example_inputs(unet, 1, min(size, least_side(unet)))
    image = torch.linspace(-1, 1, image.numel(), dtype=image.dtype).reshape(image.shape)
    try:
        with torch.no_grad():
            output = unet.eval()(image, torch.tensor([T - 1]), *labels, return_dict=False)[0]
    except UNCHECKED as error:
        raise CheckpointError(
            f"{where}: the network of config.json cannot be evaluated ({first_line(error)})"
        ) from None
    if output.shape != (1, out_channels(unet), *image.shape[2:]):
        raise CheckpointError(f"{where}: the network in config.json returns an image of another size")
    if not output.isfinite().all():
        raise CheckpointError(f"with the weights in {where} the network gives NaN or infinite numbers")


def network_of(model: Model) -> Network | None:
    """Return the torch module with a model's weights; None if its network is a user's function or class."""
    exact = getattr(model.network, "with_gradients", None)
    if isinstance(exact, ExactNetwork):  # the network of an engine, whose own weights may be rounded
        return exact.kept
    network = getattr(model.network, "unet", model.network)
    return network if is_network(network) else None


def stored_weights(network: Network, source: Source | None) -> dict[str, Tensor] | None:
    """Return {name: tensor} of the file from which a model was loaded, or None if the network has other weights.

    If the network's weights are rounded, the file's weights are rounded before the comparison.
    """
    path, weights = source and source.weights_path, network.state_dict()
    if not path:
        return None
    try:
        stored = read_tensors(path, path.name)
    except CheckpointError:  # the file was deleted or damaged after loading
        return None
    same = stored.keys() == weights.keys() and all(
        stored[key].to(weight.dtype).equal(weight.cpu()) for key, weight in weights.items()
    )
    return stored if same else None


def read_tensors(path: Path, where: str) -> dict[str, Tensor]:
    """Return the tensors of a file by their present names, with the shapes and dtypes of the file.

    A .bin file is a pickle. Only its tensors are read, and no code is run. int8 tensors are multiplied by their scales.

    where: the file's name for messages. Raise CheckpointError if the file is damaged or has anything but floating-point
    tensors.
    """
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt", backend="pread") as file:  # "pread" does not map the file into memory
                weights = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (it is no dict)
        else:
            _check_unpacked_size(path)
            weights = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise CheckpointError(
            f"{where} is damaged or holds more than weights: it was refused, and no code in it was run"
        ) from None
    except _DAMAGED as error:
        if isinstance(error, OSError) and error.strerror:
            raise CheckpointError(f"{where} cannot be read: {error.strerror}") from None
        file = path.resolve()  # in the Hub's cache, path is a link to the file
        raise CheckpointError(f"{where} is damaged or cut off: delete {file} and load or copy it again") from None
    if not isinstance(weights, dict) or not all(isinstance(key, str) for key in weights):
        raise CheckpointError(f"{where} does not map names to weights")
    # Older text encoders also store the positions 0, 1, … as a weight.
    weights = {key: value for key, value in weights.items() if not key.endswith(".position_ids")}
    for key in [key for key, value in weights.items() if _is_scaled(value) and key + SCALE in weights]:
        weights[key] = weights[key] * weights.pop(key + SCALE)
    if not all(map(_is_plain, weights.values())):
        raise CheckpointError(f"{where} holds values that are not floating-point tensors")
    return {_modern(key): value for key, value in weights.items()}


def _check_unpacked_size(path: Path) -> None:
    """Raise ValueError for a compressed archive. Torch never compresses, and a small file could fill the memory."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > path.stat().st_size:
                raise ValueError("the archive is compressed")


def _is_plain(value: Any) -> bool:
    """Return whether a value is a floating-point tensor on the CPU with memory for each of its numbers."""
    return (
        isinstance(value, Tensor)
        and value.layout == torch.strided
        and value.device.type == "cpu"
        and value.is_floating_point()
        and value.untyped_storage().nbytes() >= value.numel() * value.element_size()
    )


def _is_scaled(value: Any) -> bool:
    """Return whether a value is an int8 tensor. `save` with int8=True writes these, each with a scale."""
    return isinstance(value, Tensor) and value.dtype == torch.int8


def _modern(key: str) -> str:
    """Return the present name of a weight for a name of an old version of diffusers."""
    for old, new in LEGACY_KEYS.items():
        key = key.replace(old, new)
    return key
