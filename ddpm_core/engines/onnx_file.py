"""A model's networks as ONNX files, for other programs and for browsers."""

from __future__ import annotations

import io
import json
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ddpm_core.disk import files
from ddpm_core.engines.blocks import module
from ddpm_core.engines.common import weight_bytes
from ddpm_core.engines.latent import ClipText, LatentDecoder
from ddpm_core.engines.networks import is_network
from ddpm_core.model import Model

OPSET = 17  # the first one with layer normalisation; onnxruntime has it since 1.12
MOST = 2**31 - 2**24  # bytes of weights: a file of protobuf has 2 GB at most


class _Prediction(nn.Module):
    """The prediction of a model at x_t, of its network and its coordinates."""

    def __init__(self, model: Model, network: nn.Module):
        super().__init__()
        self._network = network
        self._tables = None if model.coordinates is None else model.coordinates.translation(model.schedule)
        self._channels = model.channels

    def forward(self, x: Tensor, t_index: Tensor, *condition: Tensor) -> Tensor:
        if self._tables is None:
            return self._output(x, t_index, *condition)
        time, scale, shift, keep, gain = (_at(table, t_index) for table in self._tables)
        output = self._output(scale * x + shift, time.flatten(), *condition)
        found, variance = output[:, : self._channels], output[:, self._channels :]
        return torch.cat([keep * x + gain * found, variance], 1)

    def _output(self, x: Tensor, time: Tensor, *condition: Tensor) -> Tensor:
        if is_network(self._network):
            return self._network(x, time, *condition, return_dict=False)[0]
        output = self._network(x, time, *condition) if condition else self._network(x, time, None)
        return getattr(output, "sample", output)


def _at(table: Tensor | float, t_index: Tensor) -> Any:
    """The numbers of a table over t = 0..T for each image, float32 (N, 1, 1, 1)."""
    return table[1:].float()[t_index][:, None, None, None] if isinstance(table, Tensor) else table


class _Decoded(nn.Module):
    """The pictures of latents x."""

    def __init__(self, decoder: LatentDecoder):
        super().__init__()
        self.autoencoder, self._scale, self._shift = decoder.autoencoder, decoder.scale, decoder.shift

    def forward(self, x: Tensor) -> Tensor:
        network: Any = self.autoencoder
        return network.decode(x / self._scale + self._shift, return_dict=False)[0]


class _States(nn.Module):
    """The condition that a text encoder makes of tokens."""

    def __init__(self, text: ClipText):
        super().__init__()
        self.encoder = text.encoder

    def forward(self, tokens: Tensor) -> Tensor:
        return self.encoder(tokens, return_dict=False)[0]


def export_onnx(model: Model, file: str | Path) -> list[Path]:
    """Write the network of a model as an ONNX file. It needs the package onnx.

    The file's inputs are x (N, C, H, W), float32; t_index = t − 1, int64 (N,); and labels, int64 (N,), or for a model
    that takes words states, float32 (N, L, D). N is any number; H and W are the model's own. Its output, prediction, is
    what `model.prediction` says, on the model's own schedule, whatever coordinates the network has. With a learned
    variance, C more channels follow. The file's metadata "ddpm_core" is a JSON object with ᾱ_0..ᾱ_T as alpha_bar, the
    prediction, the classes and the size.

    A latent model has a second file, NAME-decoder.onnx, x → pictures (N, 3, H, W), in [−1, 1] about. A model that takes
    words has a third one, NAME-text.onnx, tokens, int64 (N, L) → states.

    Arguments:
        model: its network has one of the classes that `load` knows, or is a torch module.
        file: the name of the file, which ends in .onnx. It is replaced if it exists.

    Returns:
        The files that were written.

    Raises:
        ValueError: for another name; if onnx is not installed; for a network that is a function; for weights that were
            rounded, or are more than 2 GB.
        OSError: if the file can't be written.
    """
    file = Path(file)
    if file.suffix != ".onnx":
        raise ValueError(f"the name of an ONNX file ends in .onnx, got {str(file)!r}")
    if find_spec("onnx") is None:
        raise ValueError("ONNX files need the package onnx: run `pip install 'onnx>=1.17'`")
    network = module(model)
    size = model.image_size
    weights = next(iter(network.parameters()), torch.zeros(0))
    x = torch.zeros(2, model.channels, size, size, device=weights.device)
    inputs = {"x": x, "t_index": torch.zeros(2, dtype=torch.int64, device=weights.device)}
    if model.text is not None:
        inputs["states"] = model.text(["", ""]).to(weights.device)
    elif model.num_classes:
        inputs["labels"] = torch.zeros(2, dtype=torch.int64, device=weights.device)
    found = [_write(file, _Prediction(model, network), inputs, "prediction", _facts(model))]
    if isinstance(model.decoder, LatentDecoder):
        x = x.to(model.decoder.device)
        found.append(_write(_beside(file, "decoder"), _Decoded(model.decoder), {"x": x}, "pictures", {}))
    if isinstance(model.text, ClipText):
        tokens = model.text.tokens(["", ""]).to(model.text.device)
        found.append(_write(_beside(file, "text"), _States(model.text), {"tokens": tokens}, "states", {}))
    return found


def _beside(file: Path, part: str) -> Path:
    return file.with_name(f"{file.stem}-{part}.onnx")


def _facts(model: Model) -> dict[str, Any]:
    named = ("prediction", "variance", "clip", "image_size", "channels", "num_classes", "null_label", "class_names")
    return {name: getattr(model, name) for name in named} | {"alpha_bar": model.schedule.alpha_bar.tolist()}


def _write(file: Path, network: nn.Module, inputs: dict[str, Tensor], output: str, facts: dict[str, Any]) -> Path:
    """Trace a network with these inputs, and write it. The first axis of each input and of the output is N.

    torch has two exporters. The one by torch.export (dynamo=True) can't export these networks for any N with torch 2.6.
    The one by tracing gives the same numbers with every torch from 2.6 on, and takes a tenth of the time.
    """
    import onnx

    size = weight_bytes(network)
    if size > MOST:
        raise ValueError(f"an ONNX file holds 2 GB of weights at most, and this network has {size / 1e9:.1f} GB")
    axes = {name: {0: "N"} for name in (*inputs, output)}
    if "states" in inputs:
        axes["states"][1] = "L"
    traced: Any = io.BytesIO()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's about tracing, which the tests compare, and about its other exporter
        torch.onnx.export(
            network.eval(),
            (*inputs.values(),),
            traced,
            input_names=[*inputs],
            output_names=[output],
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )
    whole = onnx.load_model_from_string(traced.getvalue())
    whole.producer_name = "ddpm_core"
    if facts:
        onnx.helper.set_model_props(whole, {"ddpm_core": json.dumps(facts, ensure_ascii=False)})
    files.write_bytes(file, whole.SerializeToString())
    return file
