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

OPSET = 17  # version of ONNX's operators: the first with layer normalisation, in onnxruntime since 1.12
MOST = 2**31 - 2**24  # maximum bytes of weights, because a protobuf file can have at most 2 GB


class _Prediction(nn.Module):
    """A torch module that computes a model's prediction at x_t: its network with its coordinates."""

    def __init__(self, model: Model, network: nn.Module):
        super().__init__()
        self._network = network
        self._tables = None if model.coordinates is None else model.coordinates.translation(model.schedule)
        self._channels = model.channels

    def forward(self, x: Tensor, t_index: Tensor, *condition: Tensor) -> Tensor:
        """Return the prediction. With a learned variance, the network's channels for the variance follow."""
        if self._tables is None:
            return self._output(x, t_index, *condition)
        time, scale, shift, keep, gain = (_at(table, t_index) for table in self._tables)
        output = self._output(scale * x + shift, time.flatten(), *condition)
        found, variance = output[:, : self._channels], output[:, self._channels :]
        return torch.cat([keep * x + gain * found, variance], 1)

    def _output(self, x: Tensor, time: Tensor, *condition: Tensor) -> Tensor:
        """Return the output of the network alone."""
        if is_network(self._network):
            return self._network(x, time, *condition, return_dict=False)[0]
        output = self._network(x, time, *condition) if condition else self._network(x, time, None)
        return getattr(output, "sample", output)


def _at(table: Tensor | float, t_index: Tensor) -> Any:
    """Return the entry of a table over t = 0..T for each image, float32 (N, 1, 1, 1). Return a number unchanged."""
    return table[1:].float()[t_index][:, None, None, None] if isinstance(table, Tensor) else table


class _Decoded(nn.Module):
    """A torch module that decodes latents x into pictures."""

    def __init__(self, decoder: LatentDecoder):
        super().__init__()
        self.autoencoder, self._scale, self._shift = decoder.autoencoder, decoder.scale, decoder.shift

    def forward(self, x: Tensor) -> Tensor:
        """Return the pictures of latents x."""
        network: Any = self.autoencoder
        return network.decode(x / self._scale + self._shift, return_dict=False)[0]


class _States(nn.Module):
    """A torch module that encodes tokens as a condition of the network."""

    def __init__(self, text: ClipText):
        super().__init__()
        self.encoder = text.encoder

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the states of tokens."""
        return self.encoder(tokens, return_dict=False)[0]


def export_onnx(model: Model, file: str | Path) -> list[Path]:
    """Write the network of a model as an ONNX file. This needs the package onnx.

    The file's inputs are x, float32 (N, C, H, W); t_index = t − 1, int64 (N,); and labels, int64 (N,), if the model has
    classes, or states, float32 (N, L, D), if it takes words. N is any number; H and W are the model's own. The output,
    named prediction, is the prediction `model.prediction` on the model's own schedule, whatever coordinates the network
    has. With a learned variance, C more channels follow. The file's metadata "ddpm_core" is a JSON object with ᾱ_0..ᾱ_T
    as alpha_bar, the prediction, the classes and the size.

    For a latent model, there is a second file, NAME-decoder.onnx: x → pictures (N, 3, H, W), about in [−1, 1]. If the
    model takes words, there is a third file, NAME-text.onnx: tokens, int64 (N, L) → states.

    Arguments:
        model: its network has one of the classes that `load` knows, or is a torch module.
        file: the name of the file, which ends in .onnx. An existing file is replaced.

    Returns:
        The paths of the written files.

    Raises:
        ValueError: for a name that does not end in .onnx; if onnx is not installed; for a network that is a function;
            for weights that were rounded, or take more than 2 GB.
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
    """Return the path NAME-part.onnx for NAME.onnx."""
    return file.with_name(f"{file.stem}-{part}.onnx")


def _facts(model: Model) -> dict[str, Any]:
    """Return the JSON object for the file's metadata."""
    named = ("prediction", "variance", "clip", "image_size", "channels", "num_classes", "null_label", "class_names")
    return {name: getattr(model, name) for name in named} | {"alpha_bar": model.schedule.alpha_bar.tolist()}


def _write(file: Path, network: nn.Module, inputs: dict[str, Tensor], output: str, facts: dict[str, Any]) -> Path:
    """Trace a network with these inputs, write it, and return the path. The first axis of all inputs and outputs is N.

    Torch has two exporters. The new exporter (dynamo=True) can't export these networks for a variable N in torch 2.6.
    The tracing exporter (dynamo=False) gives the same numbers in every torch since 2.6, and takes a tenth of the time.
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
        # Torch warns that this exporter is old and that tracing may be wrong; tests compare the results.
        warnings.simplefilter("ignore")
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
