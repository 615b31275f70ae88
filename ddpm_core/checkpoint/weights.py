"""The weights of a checkpoint: reading them from a file, and a network that has them.

The file is whatever somebody put on the Hub: nothing in it is run, and all that is in it is checked.
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

SCALE = ".scale"  # ends the name of an int8 tensor's scales, (C, 1, ...): its weights are the product of both
# Attention weights as diffusers named them before 0.12.
LEGACY_KEYS = {".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0."}

# What torch, pickle, zipfile and safetensors raise where they run into a damaged file.
_DAMAGED = (*UNCHECKED, EOFError, ImportError, OSError, SafetensorError, struct.error, zipfile.BadZipFile)


def build_network(config: dict[str, Any], path: Path, where: str, T: int | None) -> Network:
    """The network of config.json with the weights of a file; the rest as for `build`.

    T: how many times t − 1 it knows; None where it takes other numbers.
    """
    network: Network = build(config["_class_name"], lambda: make_network(config), path, where)
    if T is not None:
        tabulate_times(network, T)
    return network


def build(kind: str, make: Callable[[], Any], path: Path, where: str) -> Any:
    """A network with the weights of a file, float32. Nothing is allocated before the shapes agree.

    kind: its class; make: makes one, with any weights, of its configuration. where: names the file in the sentence of
    the CheckpointError that is raised for what does not fit or is damaged.
    """
    try:
        with torch.device("meta"), _Uninitialised():
            unet: Any = make()
    except UNCHECKED as error:
        raise CheckpointError(f"{where}: {kind} can't be built from config.json ({first_line(error)})") from None
    try:
        count_parameters(unet)  # refuses too many
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
    # What is copied is freed: never are all weights there twice.
    owned = {key: weights.pop(key).to(torch.float32, copy=True).contiguous() for key in expected}
    unet.load_state_dict(owned, assign=True)
    make_buffers(unet, where)
    return unet


class _Uninitialised(TorchFunctionMode):
    """Leaves parameters that are made as they are: to draw their first values takes as long as all else."""

    def __torch_function__(self, function: Any, types: Any, inputs: Any = (), named: Any = None) -> Any:
        named = named or {}
        if getattr(function, "__module__", None) == nn.init.__name__:
            return named["tensor"] if "tensor" in named else inputs[0]
        return function(*inputs, **named)


def check_values(key: str, value: Tensor, where: str) -> None:
    """Raise CheckpointError for numbers that no trained weight has."""
    largest = torch.stack(torch.aminmax(value.float())).abs().amax()  # NaN is kept; a third of isfinite's time
    if MAX_WEIGHT < largest < torch.inf:
        raise CheckpointError(
            f"{where} is damaged: it holds the value {largest:.2g} in {key}, too large for a trained weight"
        )
    if not largest.isfinite():
        raise CheckpointError(f"{where} holds NaN or infinite numbers in {key}: the training run failed")


def _as_named(weights: dict[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a text encoder under the names of this version of transformers: 5 dropped a prefix."""
    prefix = "text_model."
    if any(key.startswith(prefix) for key in weights) == any(key.startswith(prefix) for key in expected):
        return weights
    if any(key.startswith(prefix) for key in expected):
        return {prefix + key: value for key, value in weights.items()}
    return {key.removeprefix(prefix): value for key, value in weights.items()}


def make_buffers(unet: nn.Module, where: str) -> None:
    """Give a network that was built without memory the buffers that no file holds: kernels of K-blocks, places.

    Raises CheckpointError for a part whose buffers are unknown.
    """
    for name, module in unet.named_modules():
        if isinstance(module, (KDownsample2D, KUpsample2D)):
            module.kernel = type(module)(module.pad_mode).kernel.float()
        elif module._non_persistent_buffers_set == {"position_ids"}:  # of a text encoder
            positions = module.get_buffer("position_ids")
            module.position_ids = torch.arange(positions.shape[-1]).expand(1, -1)
        elif isinstance(module, PatchEmbed):
            side, width = module.patch_size * module.height, module.proj.out_channels
            module.pos_embed = PatchEmbed(side, side, module.patch_size, module.proj.in_channels, width).pos_embed
        elif module._non_persistent_buffers_set:
            raise CheckpointError(f"{where}: {name}, a {type(module).__name__}, is not supported")


def check_evaluation(unet: Network, size: int, T: int, where: str) -> None:
    """Evaluate the network once, on a small image: not every network that can be built can be evaluated.

    Raises CheckpointError where that fails or gives numbers that are not finite.
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
    """The network whose weights are a model's; None where that is a function of the user's."""
    exact = getattr(model.network, "with_gradients", None)
    if isinstance(exact, ExactNetwork):  # an engine's, whose own network may hold rounded weights
        return exact.kept
    network = getattr(model.network, "unet", model.network)
    return network if is_network(network) else None


def stored_weights(network: Network, source: Source | None) -> dict[str, Tensor] | None:
    """Return the weights of a model's file by name, in the network's shapes; None if the network has others.

    A network that holds them rounded still has them.
    """
    path, weights = source and source.weights_path, network.state_dict()
    if not path:
        return None
    try:
        stored = read_tensors(path, path.name)
    except CheckpointError:  # removed or damaged since then
        return None
    same = stored.keys() == weights.keys() and all(
        stored[key].to(weight.dtype).equal(weight.cpu()) for key, weight in weights.items()
    )
    return stored if same else None


def read_tensors(path: Path, where: str) -> dict[str, Tensor]:
    """Return the tensors of a file by today's names, each with the shape and dtype that it has in the file.

    A .bin file is a pickle: only tensors are taken, and no code is run.

    Raises CheckpointError, with the file as `where`, for one that is damaged or holds anything but plain tensors.
    """
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt", backend="pread") as file:  # each tensor can be freed alone
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
        file = path.resolve()  # in the Hub's cache, where path is a link
        raise CheckpointError(f"{where} is damaged or cut off: delete {file} and load or copy it again") from None
    if not isinstance(weights, dict) or not all(isinstance(key, str) for key in weights):
        raise CheckpointError(f"{where} does not map names to weights")
    # numbers of places, which older text encoders have among their weights
    weights = {key: value for key, value in weights.items() if not key.endswith(".position_ids")}
    for key in [key for key, value in weights.items() if _is_scaled(value) and key + SCALE in weights]:
        weights[key] = weights[key] * weights.pop(key + SCALE)
    if not all(map(_is_plain, weights.values())):
        raise CheckpointError(f"{where} holds values that are not floating-point tensors")
    return {_modern(key): value for key, value in weights.items()}


def _check_unpacked_size(path: Path) -> None:
    """torch stores tensors as they are: a zip archive with more in it than the file is long is a trap."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > path.stat().st_size:
                raise ValueError("the archive is compressed")


def _is_plain(value: Any) -> bool:
    """Whether it is a tensor of floating-point numbers that has each of them in memory."""
    return (
        isinstance(value, Tensor)
        and value.layout == torch.strided
        and value.device.type == "cpu"
        and value.is_floating_point()
        and value.untyped_storage().nbytes() >= value.numel() * value.element_size()
    )


def _is_scaled(value: Any) -> bool:
    """Whether these are whole numbers that a scale belongs to, as `save` writes them with int8."""
    return isinstance(value, Tensor) and value.dtype == torch.int8


def _modern(key: str) -> str:
    for old, new in LEGACY_KEYS.items():
        key = key.replace(old, new)
    return key
