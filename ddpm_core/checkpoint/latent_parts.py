"""Read and describe the parts of a latent checkpoint besides its network: an autoencoder and a text encoder."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ddpm_core.checkpoint.config import latent_config
from ddpm_core.checkpoint.refs import (
    DECODERS,
    TEXT,
    TEXT_WEIGHTS,
    TOKENIZER,
    WEIGHT_FILES,
    CheckpointError,
    LocalCheckpoint,
)
from ddpm_core.checkpoint.weights import build
from ddpm_core.engines import from_diffusers
from ddpm_core.engines.from_diffusers import DiTTransformer2DModel
from ddpm_core.engines.latent import ClipText, LatentDecoder
from ddpm_core.engines.networks import Network
from ddpm_core.errors import UNCHECKED, first_line
from ddpm_core.model import ModelSpec


@dataclass(frozen=True)
class Part:
    """A decoder or a text encoder to save.

    Attributes:
        folder, weights: the names of its folder and its file of weights.
        network: the torch module.
        config: the configuration that `load` checks.
        save_config: save_config(folder) writes the configuration, and the tokenizer of a text encoder.
    """

    folder: str
    weights: str
    network: nn.Module
    config: dict[str, Any]
    save_config: Callable[[Path], object]


def decoder_and_text(model: ModelSpec, network: Network) -> tuple[Part | None, Part | None]:
    """Return a model's decoder and text encoder, None for each that it lacks.

    Raise ValueError for parts that were not loaded from a checkpoint, because they can't be saved.
    """
    decoder, text = getattr(model, "decoder", None), getattr(model, "text", None)
    if not (isinstance(decoder, LatentDecoder | None) and isinstance(text, ClipText | None)):
        raise ValueError("only a decoder and a text encoder that were loaded can be saved")
    of_ldm = text is None and not isinstance(network, DiTTransformer2DModel)
    return decoder and _decoder_part(decoder, DECODERS[of_ldm]), text and _text_part(text)


def files_of(model: ModelSpec, network: Network) -> list[Part]:
    """Return the decoder and the text encoder that a model has, as a list."""
    return [part for part in decoder_and_text(model, network) if part]


def _decoder_part(decoder: LatentDecoder, folder: str) -> Part:
    """Return an autoencoder as a part to save. folder: the name that the model's pipeline has for its folder."""
    network = decoder.autoencoder
    config = json.loads(network.to_json_string())
    if latent_config.scaling(config) != (decoder.scale, decoder.shift):
        config |= {"scaling_factor": decoder.scale, "shift_factor": decoder.shift}

    def write(folder: Path) -> None:
        """Write the autoencoder's config.json."""
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")

    return Part(folder, WEIGHT_FILES[0], network, config, write)


def _text_part(text: ClipText) -> Part:
    """Return a text encoder as a part to save."""
    own: Any = text.encoder
    # Without this dtype, transformers would keep half-precision weights in half precision.
    config = json.loads(own.config.to_json_string(use_diff=False)) | {"dtype": "float32"}
    config |= {"architectures": ["CLIPTextModel"], "model_type": "clip_text_model"}

    def write(folder: Path) -> None:
        """Write the text encoder's config.json, and the tokenizer beside its folder."""
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        text.tokenizer.save_pretrained(folder.parent / TOKENIZER)

    return Part(TEXT, TEXT_WEIGHTS[0], text.encoder, config, write)


def make_decoder(config: dict[str, Any]) -> Any:
    """Return an autoencoder with arbitrary weights. config: `latent_config.check_decoder` must accept it."""
    kind = getattr(from_diffusers, config["_class_name"])
    return kind(**{name: config[name] for name in inspect.signature(kind).parameters if name in config})


def make_text(config: dict[str, Any]) -> Any:
    """Return a text encoder with arbitrary weights. config: `latent_config.check_text` must accept it.

    Raise CheckpointError if transformers is not installed.
    """
    library = _transformers()
    known = {name: config[name] for name in latent_config.TEXT_FIELDS if config.get(name) is not None}
    return library.CLIPTextModel(library.CLIPTextConfig(**known))


def _transformers() -> Any:
    """Import transformers. Raise CheckpointError if it is not installed."""
    try:
        import transformers
    except ImportError:
        raise CheckpointError("a model that takes words needs one more package: pip install transformers") from None
    return transformers


def read_decoder(config: dict[str, Any], path: Path, where: str, device: torch.device) -> LatentDecoder:
    """Return the autoencoder with the weights of a file. where: the file's name for messages.

    config: `latent_config.check_decoder` must accept it. Raise CheckpointError if the weights don't fit, or if the
    autoencoder's output is no picture.
    """
    autoencoder = build(config["_class_name"], partial(make_decoder, config), path, where)
    channels, factor = latent_config.check_decoder(config)
    decoder = LatentDecoder(autoencoder, device, *latent_config.scaling(config))
    try:
        picture = decoder.decode(torch.linspace(-1, 1, 4 * channels, dtype=torch.float32).reshape(1, channels, 2, 2))
    except UNCHECKED as error:
        raise CheckpointError(f"{where}: the autoencoder cannot be evaluated ({first_line(error)})") from None
    if picture.shape != (1, 3, 2 * factor, 2 * factor) or not picture.isfinite().all():
        raise CheckpointError(f"{where}: the autoencoder gives no picture of {factor} pixels a side for each latent")
    return decoder


def read_text(config: dict[str, Any], checkpoint: LocalCheckpoint, device: torch.device) -> ClipText:
    """Return the text encoder and the tokenizer of a checkpoint. config: `latent_config.check_text` must accept it.

    Raise CheckpointError if the files don't fit or are damaged, or if transformers is not installed.
    """
    ref, part = checkpoint.ref, checkpoint.layout.text
    assert part is not None
    library, where = _transformers(), f"{ref}: {part[1]}"
    encoder: nn.Module = build("CLIPTextModel", partial(make_text, config), checkpoint.file(part[1]), where)
    try:
        folder = checkpoint.file(checkpoint.layout.tokenizer[0]).parent
        tokenizer = library.CLIPTokenizer.from_pretrained(folder, local_files_only=True)
        text = ClipText(tokenizer, encoder, device)
        tokens = text.tokens(["", "a picture of anything"])
        fits = tokens.shape == (2, text.length) and int(tokens.max()) < config.get("vocab_size", 49408)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a damaged file may cause any error, even a panic of transformers' Rust code
        raise CheckpointError(
            f"{ref}: the files in {TOKENIZER} are not a tokenizer of CLIP ({first_line(error)})"
        ) from None
    if not fits:
        raise CheckpointError(f"{ref}: the tokenizer has more tokens than the text encoder")
    if not text([""]).isfinite().all():
        raise CheckpointError(f"with the weights in {where} the text encoder gives NaN or infinite numbers")
    return text
